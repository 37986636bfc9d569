"""Result files: one a submission, written atomically, so that a killed run goes on where it was.

grades/01_superpixels/
    run.json                 seed and assignment, and who is left of a regrade that was cut short
    results/<student>.json   one result each
    grades.csv               for the LMS
    feedback/<student>.html  one page each
    summary.html             the class
    gradebook.db             nbgrader's database
    autograded/...           notebooks as nbgrader's formgrader shows them
"""

from __future__ import annotations

import csv
import io
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from segedu.grading.assignment import Assignment
from segedu.grading.grader import Result
from segedu.grading.submissions import Submission


class ResultStore:
    """The folder of one assignment's results.

    Args:
        folder: made when it is absent.
        assignment: whose results they are.
        seed: of the hidden inputs; None takes that of the run that is there, or draws one.
        engine: the sandbox; grades of another kind are graded anew.
    """

    def __init__(self, folder: Path, assignment: Assignment, seed: int | None, engine: str) -> None:
        self.folder = folder
        self.assignment = assignment
        self.engine = engine
        (folder / "results").mkdir(parents=True, exist_ok=True)
        before = read_json(folder / "run.json") or {}
        if seed is None and isinstance(before.get("seed"), int):
            seed = before["seed"]  # also of a changed assignment: a typo mended moves no score
        self.seed = secrets.randbelow(2**31) if seed is None else seed
        run = {"seed": self.seed, "assignment": assignment.fingerprint, "name": assignment.name}
        left = before.get("regrading") if before | run == before else None
        self.regrading = {key for key in left or () if isinstance(key, str)}
        self._run = run

    def _write_run(self) -> None:
        run = self._run | {"regrading": sorted(self.regrading)}
        write_atomically(self.folder / "run.json", json.dumps(run, indent=1).encode())

    def path(self, submission: Submission) -> Path:
        """File of a submission's result."""
        return self.folder / "results" / f"{submission.key}.json"

    def finished(self, submission: Submission) -> Result | None:
        """The result, if it is of this very submission, assignment, seed and sandbox."""
        result = read_json(self.path(submission))
        if result is None or not self._current(result) or result.get("failed"):
            return None
        same = (result["digest"], result["student"]) == (submission.digest, submission.student)
        return result if same else None

    def _current(self, result: Result) -> bool:
        """Whether a result is of this assignment, seed and sandbox."""
        of = (self.assignment.fingerprint, self.seed, self.engine)
        return (result.get("fingerprint"), result.get("seed"), result.get("sandbox")) == of

    def others(self, keys: Collection[str]) -> tuple[list[Result], list[str]]:
        """Results of earlier batches, whose submissions' keys are none of `keys`.

        Returns:
            those of this assignment, seed and sandbox, and the students of those that are not.
        """
        paths = [p for p in sorted((self.folder / "results").glob("*.json")) if p.stem not in keys]
        found = [result for path in paths if (result := read_json(path))]
        current = [result for result in found if self._current(result)]
        outdated = [str(r.get("student", "?")) for r in found if not self._current(r)]
        return current, outdated

    def begin(self, pending: Collection[Submission], regrade: bool) -> None:
        """Drop the old results of what is graded now, and the tables that hold them."""
        for submission in pending:
            key = submission.key
            old = [f"feedback/{key}.html", f"autograded/{key}/{self.assignment.name}"]
            for path in [self.path(submission), *(self.folder / name for name in old)]:
                if path.is_dir():
                    shutil.rmtree(path)
                path.unlink(missing_ok=True)
        for name in ("grades.csv", "summary.html"):
            (self.folder / name).unlink(missing_ok=True)
        if regrade:  # after the results are gone: cut short from here on, it goes on with the rest
            self.regrading |= {submission.key for submission in pending}
        self._write_run()

    def end(self, found: Collection[Submission]) -> None:
        """All of `found` are graded: their next regrade starts anew."""
        self.regrading -= {submission.key for submission in found}
        self._write_run()

    def write(self, submission: Submission, result: Result) -> None:
        """Keep a result."""
        data = json.dumps(result, indent=1, ensure_ascii=True).encode()
        write_atomically(self.path(submission), data)

    def write_csv(self, results: Sequence[Result]) -> Path:
        """grades.csv, one line a student."""
        path = self.folder / "grades.csv"
        write_atomically(path, as_csv(results).encode())
        return path


def as_csv(results: Sequence[Result]) -> str:
    """One line a student: total, then each exercise, then what needs a look."""
    names = [e["name"] for e in results[0]["exercises"]] if results else []
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["student", "score", "max_score", "percent", *names, "manual", "notes", "unsafe"]
    )
    for result in sorted(results, key=lambda r: r["student"]):
        earned = {e["name"]: e["earned"] for e in result["exercises"]}
        top = result["max_score"]
        percent = 100 * result["score"] / top if top else 0.0
        row = [f"{result['score']:g}", f"{top:g}", f"{percent:.1f}"]
        row += [f"{earned.get(name, 0):g}" for name in names]
        if result.get("failed"):  # not graded, which is not 0
            row = ["", f"{top:g}", "", *("" for _ in names)]
        row += ["yes" if result["manual"] else "", str(len(result["report"]))]
        row += ["unsafe" if result["sandbox"] == "unsafe" else ""]
        writer.writerow([_no_formula(result["student"]), *row])
    return out.getvalue()


def _no_formula(text: str) -> str:
    """A name that a spreadsheet does not run."""
    return f"'{text}" if text[:1] in "=+-@\t\r" else text


def read_json(path: Path) -> dict[str, Any] | None:
    """A result file; None where it is absent or was not written to its end."""
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def write_atomically(path: Path, data: bytes) -> None:
    """All of it or nothing, also when the machine stops; for the user's own eyes (mode 0600)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
