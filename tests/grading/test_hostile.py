"""No hostile submission earns a point, touches anything, stays alive, or stops the batch."""

from __future__ import annotations

import fcntl
import hashlib
import html
import json
import os
import re
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from segedu.grading.batch import Options, grade_batch
from segedu.grading.sandbox import FIRST_UID, SLOTS
from tests.grading.attacks import ATTACKS, SECRETS
from tests.grading.classroom import RIGHT, TINY, hand_in, solved
from tests.requirements_of_machine import needs_bubblewrap

pytestmark = needs_bubblewrap

HONEST = ("alice", "zoe")
SECONDS_EACH = 30


@dataclass
class Outcome:
    results: dict[str, dict[str, Any]]
    folder: Path
    before: dict[str, str]
    after: dict[str, str]
    connections: int
    seconds: float


def snapshot(*folders: Path) -> dict[str, str]:
    """Every file below `folders` with a digest, mode and link target."""
    found = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if "__pycache__" in path.parts:
                continue
            status = path.lstat()
            data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            found[str(path)] = f"{status.st_mode:o} {hashlib.sha256(data).hexdigest()}"
    return found


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One batch with every attack and two honest students."""
    root = tmp_path_factory.mktemp("hostile")
    handed, folder, open_folder = root / "submissions", root / "grades", root / "open"
    open_folder.mkdir()
    open_folder.chmod(0o777)
    (open_folder / "canary").write_text("untouched")
    (open_folder / "canary").chmod(0o666)
    door = socket.create_server(("127.0.0.1", 0))
    places = {
        "checks": str(TINY / "checks.py"),
        "solution": str(TINY / "tiny.py"),
        "submission": str(handed / "alice" / "tiny" / "tiny.ipynb"),
        "gradebook": str(folder / "gradebook.db"),
        "result": str(folder / "results" / "alice.json"),
        "canary": str(open_folder / "canary"),
        "temporary": str(Path(tempfile.gettempdir()) / "canary"),
    }
    for student in HONEST:
        hand_in(handed, student, solved(RIGHT | {"area": RIGHT["area"] + "  # alice-was-here"}))
    for name, source in ATTACKS.items():
        text = source.replace("PLACES['port']", str(door.getsockname()[1]))
        hand_in(handed, name, solved({"area": text.replace("PLACES", repr(places))}))
    os.environ["SEGEDU_SECRET"] = SECRETS[0]
    before = snapshot(handed, TINY, open_folder)
    start = time.monotonic()
    try:
        run = grade_batch(handed, TINY, Options(folder, seed=5))
    finally:
        del os.environ["SEGEDU_SECRET"]
    seconds = time.monotonic() - start
    door.setblocking(False)
    connections = 0
    try:
        door.accept()
        connections += 1
    except BlockingIOError:
        pass
    door.close()
    results = {result["student"]: result for result in run.results}
    after = snapshot(handed, TINY, open_folder)
    return Outcome(results, folder, before, after, connections, seconds)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_earns_nothing_and_ends_in_time(outcome: Outcome, name: str):
    result = outcome.results[name]
    assert result["score"] == 0
    assert all(check["earned"] == 0 for e in result["exercises"] for check in e["checks"])
    assert result["seconds"] < SECONDS_EACH
    assert "failed" not in result


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_leaks_nothing_into_its_report(outcome: Outcome, name: str):
    page = (outcome.folder / "feedback" / f"{name}.html").read_text()
    shown = page.split("<details><summary>Your answer</summary>")[0]
    exercises = outcome.results[name]["exercises"]
    told = json.dumps([{**e, "source": ""} for e in exercises])
    for secret in SECRETS:
        assert secret not in told
        assert secret not in html.unescape(shown)
    assert not re.search(r"LEAK\W*[\[(]|LEAK[01]", told)
    assert "<script" not in page
    assert "onerror=alert(1)>" not in page
    assert all(len(e["printed"]) <= 8 << 10 for e in exercises)


@pytest.mark.parametrize("name", HONEST)
def test_the_honest_keep_their_points(outcome: Outcome, name: str):
    assert outcome.results[name]["score"] == 6


def test_the_batch_finishes_with_one_result_each(outcome: Outcome):
    assert set(outcome.results) == {*HONEST, *ATTACKS}
    assert len(list((outcome.folder / "results").glob("*.json"))) == len(outcome.results)
    assert outcome.seconds < 4 * len(ATTACKS)


def test_no_file_is_touched(outcome: Outcome):
    assert outcome.after == outcome.before
    assert not (Path(tempfile.gettempdir()) / "canary").exists()
    assert not (Path(tempfile.gettempdir()) / "note").exists()


def test_no_connection_was_made(outcome: Outcome):
    assert outcome.connections == 0


def test_no_process_is_left(outcome: Outcome):
    folder = Path(tempfile.gettempdir()) / f"segedu-slots-{os.getuid()}"
    for process in psutil.process_iter(["uids", "cmdline"]):
        assert "98765" not in (process.info["cmdline"] or [])
        uid = process.info["uids"].real if process.info["uids"] else 0
        if FIRST_UID <= uid < FIRST_UID + SLOTS:
            lock = (folder / str(uid - FIRST_UID)).open("w")
            # Another grader holds its slot; a slot that is free must have no process.
            with lock, pytest.raises(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_gradebook_says_the_same(outcome: Outcome):
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{outcome.folder / 'gradebook.db'}") as gradebook:
        scores = {s["student"]: s["score"] for s in gradebook.submission_dicts("tiny")}
    assert scores == {student: 6 if student in HONEST else 0 for student in outcome.results}
