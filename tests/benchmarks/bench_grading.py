"""`segedu grade` against `nbgrader autograde` on the same 20 submissions of assignment 1.

The submissions are made of the assignment's banks: right answers, other right answers, wrong ones,
and stubs; none loops, since that would cost nbgrader its 30 seconds a cell. Each grader is timed as
its command, from start to gradebook: ours with the sandbox on and everything it writes.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from segedu.grading import Assignment
from segedu.grading.release import as_ipynb, normalise, render_release
from tests.benchmarks.timing import interleaved_times, report, speedup
from tests.requirements_of_machine import REPOSITORY

STUDENTS = 20
ROUNDS = 3
OURS, THEIRS = f"segedu grade, sandboxed, {os.cpu_count()} cores", "nbgrader autograde"
ASSIGNMENT = REPOSITORY / "solutions" / "01_superpixels"


def make_submissions(assignment: Assignment, folder: Path) -> None:
    """Every exercise of student number n has the n-th answer of its banks, stub included."""
    released = json.loads(render_release(assignment.folder)[f"{assignment.notebook}.ipynb"])
    for student in range(STUDENTS):
        notebook: dict[str, Any] = json.loads(json.dumps(released))
        for offset, exercise in enumerate(assignment.exercises):
            bank = [assignment.solutions[exercise.name]] * 2
            bank += [a.source for a in (*exercise.right, *exercise.wrong)] + [""]
            answer = bank[(student + offset) % len(bank)]
            for cell in notebook["cells"]:
                if cell["metadata"].get("nbgrader", {}).get("grade_id") == exercise.name and answer:
                    cell["source"] = answer
        path = folder / f"student{student:02d}" / assignment.name / f"{assignment.notebook}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(notebook))


def make_course(assignment: Assignment, folder: Path, submissions: Path) -> None:
    """A course of nbgrader's with the assignment generated and the submissions collected."""
    import jupytext

    (folder / "source" / assignment.name).mkdir(parents=True)
    (folder / "nbgrader_config.py").write_text("c = get_config()\n")
    text = jupytext.read(assignment.folder / f"{assignment.notebook}.py")
    path = folder / "source" / assignment.name / f"{assignment.notebook}.ipynb"
    path.write_bytes(as_ipynb(normalise(text)))
    run([sys.executable, "-m", "nbgrader", "generate_assignment", assignment.name], folder)
    shutil.copytree(submissions, folder / "submitted")


def run(command: list[str], folder: Path) -> None:
    """A command; stops the benchmark when it fails."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        print(done.stderr[-4000:])
        raise SystemExit(f"{' '.join(command[:4])} failed")


def main() -> None:
    """Print seconds a submission of both, and the ratio of throughputs."""
    assignment = Assignment.load(ASSIGNMENT)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_submissions(assignment, folder / "submissions")
        make_course(assignment, folder / "course", folder / "submissions")

        def ours() -> None:
            shutil.rmtree(folder / "grades", ignore_errors=True)
            command = [sys.executable, "-m", "segedu.cli", "grade", str(folder / "submissions")]
            command += ["--assignment", str(ASSIGNMENT), "--output", str(folder / "grades")]
            run([*command, "--seed", "1"], REPOSITORY)

        def theirs() -> None:
            shutil.rmtree(folder / "course" / "autograded", ignore_errors=True)
            command = [sys.executable, "-m", "nbgrader", "autograde", assignment.name, "--create"]
            run(command, folder / "course")

        times = interleaved_times({OURS: ours, THEIRS: theirs}, rounds=ROUNDS, warmup=0)
        results = [json.loads(p.read_text()) for p in (folder / "grades/results").glob("*.json")]
        assert len(results) == STUDENTS
        assert not any("failed" in result for result in results)
        assert len(list((folder / "course" / "autograded").iterdir())) == STUDENTS
    rows = []
    for name, seconds in times.items():
        median = statistics.median(seconds)
        rows.append({"grader": name, "seconds": median, "a submission": median / STUDENTS})
    report("grading", rows, {"nbgrader_autograde": speedup(times, OURS, THEIRS)})


if __name__ == "__main__":
    main()
