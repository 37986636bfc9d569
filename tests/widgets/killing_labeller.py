"""Kills labelling again and again and takes it up; prints what came out as JSON. See
test_labeller.py.

Forks, from a process that has imported everything and started no thread: a run costs little.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pycocotools.coco import COCO

from segedu.applications import LabelFile
from tests.widgets.labelling import label_all, make_folder


def run(folder: Path, output: Path, journal: Path, die_at: int | None = None) -> int:
    """Label in a new process, which writes down what it was told is saved.

    It kills itself at one of the moments that matter, where they are counted out: just before a
    file is flushed, or before or after it is put in its place.
    """
    if (child := os.fork()) == 0:
        file = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        moments = [die_at]

        def dying(function: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any) -> Any:
                _pass(moments)
                result = function(*arguments)
                _pass(moments)
                return result

            return call

        os.fsync, os.replace = dying(os.fsync), dying(os.replace)
        try:
            label_all(folder, output, lambda what: os.write(file, what.encode() + b"\n"))
        except BaseException as error:
            os.write(file, f"error {error!r}\n".encode())
            os._exit(1)
        os._exit(0)
    return child


def _pass(moments: list[int | None]) -> None:
    if moments[0] is not None:
        moments[0] -= 1
        if moments[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def state(output: Path) -> list[object]:
    """All that the file says, in a form that compares."""
    if not output.exists():
        return []
    file = LabelFile(output)
    return [
        [name, file.is_labelled(name), [[x.category, int(x.mask.sum())] for x in file.labels(name)]]
        for name in file.file_names
    ]


def main() -> None:
    root, seed, attempts = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    folder = make_folder(root / "images", 8)
    rng = random.Random(seed)
    begin = time.monotonic()
    assert os.waitpid(run(folder, root / "whole.json", root / "whole.txt"), 0)[1] == 0
    duration = time.monotonic() - begin
    output, journal = root / "killed.json", root / "killed.txt"
    kills = survived = stale = 0
    longest: list[object] = []
    while True:
        at = rng.randrange(1, 25) if kills < attempts and kills % 2 else None
        child = run(folder, output, journal, at)
        if kills < attempts and at is None:
            time.sleep(rng.uniform(0.02, 0.15) * duration)
            os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        told = journal.read_text().splitlines()
        assert not any(line.startswith("error") for line in told), told[-1]
        if status == 0:
            break
        kills += 1
        # The file is whole, and holds every change that the dead process was told is saved.
        stale += len(list(root.glob(".killed.json.*")))
        now = state(output)
        survived += len(now) >= len(longest)
        longest = now
        if output.exists():
            COCO(str(output))
    steps = [line for line in journal.read_text().splitlines() if line != "opened"]
    whole = [s for s in (root / "whole.txt").read_text().splitlines() if s != "opened"]
    print(
        json.dumps(
            {
                "kills": kills,
                "resumed": journal.read_text().count("opened"),
                "grew": survived == kills,
                "same": state(output) == state(root / "whole.json"),
                # Work that was done twice: each kill may cost the one step that was under way.
                "repeated": len(steps) - len(whole),
                "parts_found": stale,
                "parts_left": len(list(root.glob(".killed.json.*"))),
            }
        )
    )


if __name__ == "__main__":
    main()
