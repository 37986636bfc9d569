"""Kills training runs and takes them up again; prints what came out as JSON. See test_resume.py.

Forks, from a process that has imported everything and computed nothing: so a run costs a second.
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

import torch._dynamo

from segedu.training import read_log, train
from segedu.training.checkpoints import checkpoints
from tests.training.toy import TOY


def fork(run: Callable[[], object]) -> int:
    """Run a function in a new process."""
    if (child := os.fork()) == 0:
        try:
            run()
        finally:
            os._exit(0)
    return child


def train_and_die_at(folder: Path, event: int) -> None:
    """Train; kill the own process at the n-th call or return of any function, also of C's."""
    left = event

    def count(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)
    train(TOY, folder, device="cpu")
    sys.setprofile(None)


def ended_well(child: int) -> bool:
    return os.waitpid(child, 0)[1] == 0


def count_events(folder: Path) -> int:
    """How many events a whole run has."""
    read, write = os.pipe()

    def run() -> None:
        n = 0

        def count(*_: Any) -> None:
            nonlocal n
            n += 1

        sys.setprofile(count)
        train(TOY, folder, device="cpu")
        sys.setprofile(None)
        os.write(write, str(n).encode())

    assert ended_well(fork(run))
    return int(os.read(read, 100))


def main() -> None:
    root, seed = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    rng = random.Random(seed)
    events = count_events(root / "whole")
    begin = time.monotonic()
    assert ended_well(fork(lambda: train(TOY, root / "again", device="cpu")))
    duration = time.monotonic() - begin
    want = (root / "whole" / "final.safetensors").read_bytes()
    results = []
    # Each of these runs is killed again and again until one attempt gets to the end.
    for name, by_clock in (("clock", True), ("event 1", False), ("event 2", False)):
        folder, kills, seen = root / name, 0, set()
        while True:
            if by_clock and kills < 4:
                child = fork(lambda folder=folder: train(TOY, folder, device="cpu"))
                time.sleep(rng.uniform(0.2, 0.7) * duration)
                os.kill(child, signal.SIGKILL)
            else:
                # Far enough for some progress; after five kills beyond the run's end.
                at = rng.randrange(events // 5, events) if kills < 5 else 10 * events
                child = fork(lambda folder=folder, at=at: train_and_die_at(folder, at))
            if ended_well(child):
                break
            kills += 1
            seen |= {path.name for path in checkpoints(folder)}
        same = (folder / "final.safetensors").read_bytes() == want
        log = [entry["step"] for entry in read_log(folder)]
        results.append({"name": name, "kills": kills, "resumed_from": len(seen), "same": same})
        results[-1]["log_is_whole"] = log == list(range(1, TOY.steps + 1))
    print(json.dumps(results))


if __name__ == "__main__":
    main()
