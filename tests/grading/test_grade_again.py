"""The second call: resubmissions, late batches, cut short runs, an assignment that changed."""

from __future__ import annotations

import csv
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from segedu.cli import app
from segedu.grading import Assignment, AssignmentError, engines, pool
from segedu.grading.batch import Options, grade_batch
from segedu.grading.grader import grade_submission
from segedu.grading.results import read_json
from segedu.grading.sandbox import Bubblewrap, EngineError, SandboxError
from tests.grading.classroom import (
    CLASS,
    RIGHT,
    SOLUTIONS,
    TINY,
    WRONG_AREA,
    edited,
    hand_in,
    make_class,
    solved,
)
from tests.requirements_of_machine import REPOSITORY, needs_bubblewrap

pytestmark = needs_bubblewrap


def scores(folder: Path) -> dict[str, float]:
    results = (read_json(p) for p in (folder / "results").glob("*.json"))
    return {r["student"]: r["score"] for r in results if r}


def rows(folder: Path) -> dict[str, str]:
    lines = (folder / "grades.csv").read_text("utf-8").splitlines()
    return {row["student"]: row["score"] for row in csv.DictReader(lines)}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of the tiny assignment, to be changed."""
    return Path(shutil.copytree(TINY, tmp_path / "tiny"))


def change(source: Path, old: str, new: str) -> None:
    """Edit the notebook, both of its pair."""
    for path in (source / "tiny.py", source / "tiny.ipynb"):
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
    pool._assignment.cache_clear()


def test_a_resubmission_is_graded_anew_and_keeps_no_old_score(tmp_path: Path):
    from nbgrader.api import Gradebook

    handed, folder = tmp_path / "in", tmp_path / "out"
    hand_in(handed, "ada", solved(RIGHT))
    hand_in(handed, "bo", solved(RIGHT))
    first = grade_batch(handed, TINY, Options(folder))
    assert scores(folder) == {"ada": 6, "bo": 6}
    with Gradebook(first.gradebook) as book:
        book.find_grade("check_area", "tiny", "tiny", "bo").manual_score = 1.5
        book.db.commit()
    kill = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    hand_in(handed, "ada", solved({"area": kill, "scale": kill, "filling": kill}))
    second = grade_batch(handed, TINY, Options(folder))
    assert second.resumed == 1
    assert scores(folder) == {"ada": 0, "bo": 6}
    with Gradebook(second.gradebook) as book:
        assert book.find_submission("tiny", "ada").score == 0
        grade = book.find_grade("check_area", "tiny", "tiny", "bo")
        assert (grade.auto_score, grade.manual_score, grade.needs_manual_grade) == (2, 1.5, False)


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path):
    handed, folder = tmp_path / "in", tmp_path / "out"
    make_class(handed)
    command = [sys.executable, "-m", "segedu.cli", "grade", str(handed), "--assignment", str(TINY)]
    command += ["--output", str(folder), "--gradebook", "", "--processes", "1"]
    process = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(scores(folder) if folder.exists() else ()) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = scores(folder)
    assert 4 <= len(kept) < len(CLASS)
    (folder / "results" / "ada.json").write_text('{"student": "ada", "score": 6')  # cut short
    seed = (read_json(folder / "run.json") or {})["seed"]
    run = grade_batch(handed, TINY, Options(folder, gradebook=""))
    assert run.resumed == len(kept) - 1
    assert run.store.seed == seed
    assert scores(folder) == {s: score for s, (_, score) in CLASS.items()}


def test_a_changed_assignment_is_graded_anew(tmp_path: Path):
    source = tmp_path / "tiny"
    shutil.copytree(TINY, source)
    hand_in(tmp_path / "in", "ada", solved(RIGHT))
    grade_batch(tmp_path / "in", source, Options(tmp_path / "out", gradebook=""))
    checks = source / "checks.py"
    checks.write_text(checks.read_text() + "\n# changed\n")
    pool._assignment.cache_clear()
    run = grade_batch(tmp_path / "in", source, Options(tmp_path / "out", gradebook=""))
    assert run.resumed == 0
    assert run.results[0]["score"] == 6


def test_the_seed_stays_and_prose_changes_no_grade(tmp_path: Path, source: Path):
    hand_in(tmp_path / "in", "ada", solved(RIGHT))
    options = Options(tmp_path / "out", gradebook="")
    first = grade_batch(tmp_path / "in", source, options)
    change(source, "Three functions", "Some functions")
    again = grade_batch(tmp_path / "in", source, options)
    assert (again.resumed, again.store.seed) == (1, first.store.seed)
    (source / "extra.json").write_text("[1]")  # checks may read it
    pool._assignment.cache_clear()
    third = grade_batch(tmp_path / "in", source, options)
    assert (third.resumed, third.store.seed) == (0, first.store.seed)


def test_a_regrade_that_is_cut_short_goes_on(tmp_path: Path, monkeypatch):
    for student in ("ada", "bo", "cy"):
        hand_in(tmp_path / "in", student, solved(RIGHT))
    options = Options(tmp_path / "out", gradebook="", processes=1)
    grade_batch(tmp_path / "in", TINY, options)
    again = Options(tmp_path / "out", gradebook="", processes=1, regrade=True)

    def stop(done, total, student):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        grade_batch(tmp_path / "in", TINY, again, stop)
    # No old score is left to be taken for a new one.
    assert scores(tmp_path / "out") == {"ada": 6}
    assert not (tmp_path / "out" / "grades.csv").exists()
    assert sorted(p.stem for p in (tmp_path / "out" / "feedback").iterdir()) == []
    assert grade_batch(tmp_path / "in", TINY, again).resumed == 1
    assert grade_batch(tmp_path / "in", TINY, again).resumed == 0
    assert rows(tmp_path / "out") == {"ada": "6", "bo": "6", "cy": "6"}


def test_a_late_batch_joins_the_tables(tmp_path: Path):
    hand_in(tmp_path / "in", "ada", solved(RIGHT))
    hand_in(tmp_path / "late", "bo", edited(area=WRONG_AREA))
    options = Options(tmp_path / "out", seed=1, gradebook="")
    grade_batch(tmp_path / "in", TINY, options)
    run = grade_batch(tmp_path / "late", TINY, options)
    assert [r["student"] for r in run.results] == ["bo"]
    assert [r["student"] for r in run.earlier] == ["ada"]
    assert rows(tmp_path / "out") == {"ada": "6", "bo": "3"}
    summary = (tmp_path / "out" / "summary.html").read_text()
    assert "ada" in summary
    assert "bo" in summary
    other = grade_batch(tmp_path / "late", TINY, Options(tmp_path / "out", seed=2, gradebook=""))
    assert (other.earlier, other.outdated) == ([], ["ada"])
    assert rows(tmp_path / "out") == {"bo": "3"}


def test_the_command_names_who_is_from_earlier_batches(tmp_path: Path):
    hand_in(tmp_path / "in", "ada", solved(RIGHT))
    hand_in(tmp_path / "late", "bo", solved(RIGHT))
    command = ["--assignment", "tiny", "--solutions", str(SOLUTIONS)]
    command += ["--output", str(tmp_path / "out"), "--gradebook", ""]
    CliRunner().invoke(app, ["grade", str(tmp_path / "in"), *command])
    result = CliRunner().invoke(app, ["grade", str(tmp_path / "late"), *command])
    words = " ".join(result.output.split())
    assert "Of earlier batches 1 stand in the tables as well: ada." in words
    result = CliRunner().invoke(app, ["grade", str(tmp_path / "late"), *command, "--seed", "9"])
    assert "left out of the tables: ada, graded in earlier" in " ".join(result.output.split())


def test_a_late_batch_leaves_alone_what_a_person_has_done(tmp_path: Path):
    from nbgrader.api import Gradebook

    hand_in(tmp_path / "in", "ada", solved(RIGHT))
    hand_in(tmp_path / "late", "bo", solved(RIGHT))
    run = grade_batch(tmp_path / "in", TINY, Options(tmp_path / "out"))
    with Gradebook(run.gradebook) as book:
        grade = book.find_grade("check_area", "tiny", "tiny", "ada")
        grade.manual_score, grade.needs_manual_grade = 1.5, False
        book.db.commit()
    grade_batch(tmp_path / "late", TINY, Options(tmp_path / "out"))
    with Gradebook(run.gradebook) as book:
        grade = book.find_grade("check_area", "tiny", "tiny", "ada")
        assert (grade.auto_score, grade.manual_score, grade.needs_manual_grade) == (2, 1.5, False)
        assert book.find_submission("tiny", "bo").score == 6


def test_a_regrade_of_one_batch_does_not_wait_for_another(tmp_path: Path):
    hand_in(tmp_path / "in", "ada", solved(RIGHT))
    for student in ("bo", "cy"):
        hand_in(tmp_path / "late", student, solved(RIGHT))
    options = Options(tmp_path / "out", gradebook="", processes=1)
    for name in ("in", "late"):
        grade_batch(tmp_path / name, TINY, options)
    again = Options(tmp_path / "out", gradebook="", processes=1, regrade=True)

    def stop(done, total, student):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        grade_batch(tmp_path / "late", TINY, again, stop)
    assert grade_batch(tmp_path / "in", TINY, again).resumed == 0
    assert grade_batch(tmp_path / "late", TINY, again).resumed == 1


def test_a_persons_scores_outlive_a_renamed_exercise(tmp_path: Path, source: Path):
    from nbgrader.api import Gradebook

    hand_in(tmp_path / "in", "ada", solved(RIGHT))
    run = grade_batch(tmp_path / "in", source, Options(tmp_path / "out"))
    with Gradebook(run.gradebook) as book:
        for cell, score in (("check_area", 1.5), ("check_filling", 0.5)):
            book.find_grade(cell, "tiny", "tiny", "ada").manual_score = score
        book.find_comment("area", "tiny", "tiny", "ada").manual_comment = "neat"
        book.db.commit()
    for path in source.glob("*.*"):
        path.write_text(path.read_text().replace("filling", "fullness"))
    pool._assignment.cache_clear()
    grade_batch(tmp_path / "in", source, Options(tmp_path / "out"))
    with Gradebook(run.gradebook) as book:
        notebook = book.find_submission_notebook("tiny", "tiny", "ada")
        assert {g.name: (g.auto_score, g.manual_score) for g in notebook.grades} == {
            "check_area": (2, 1.5),
            "check_scale": (3, None),
            "check_fullness": (0, None),
        }
        assert {c.name: c.manual_comment for c in notebook.comments} == {
            "area": "neat",
            "scale": None,
            "fullness": None,
        }


def test_the_database_knows_what_had_no_sandbox(tmp_path: Path):
    from nbgrader.api import Gradebook

    hand_in(tmp_path / "in", "ada", edited(area=WRONG_AREA))
    run = grade_batch(tmp_path / "in", TINY, Options(tmp_path / "out", unsafe=True))
    with Gradebook(run.gradebook) as book:
        for cell in ("area", "scale"):
            comment = book.find_comment(cell, "tiny", "tiny", "ada").auto_comment
            assert comment.startswith("Graded without a sandbox")
    notebook = tmp_path / "out" / "autograded" / "ada" / "tiny" / "tiny.ipynb"
    assert notebook.read_text().count("Graded without a sandbox") == 3


def test_the_solution_is_graded_first(tmp_path: Path, source: Path):
    hand_in(tmp_path / "in", "ada", solved(RIGHT))
    grade_batch(tmp_path / "in", source, Options(tmp_path / "out", gradebook=""))
    change(source, "np.count_nonzero(mask)", "np.count_nonzero(mask) + 1")
    hand_in(tmp_path / "in", "ada", solved({}))
    before = (tmp_path / "out" / "run.json").read_text()
    with pytest.raises(AssignmentError, match="the solution of area fails its own check"):
        grade_batch(tmp_path / "in", source, Options(tmp_path / "out", seed=5, gradebook=""))
    assert scores(tmp_path / "out") == {"ada": 6}
    assert (tmp_path / "out" / "run.json").read_text() == before


def test_a_notebook_of_another_name(tmp_path: Path, source: Path):
    from nbgrader.api import Gradebook

    hand_in(tmp_path / "in", "ada", solved(RIGHT))
    run = grade_batch(tmp_path / "in", source, Options(tmp_path / "out"))
    for suffix in (".py", ".ipynb"):
        (source / f"tiny{suffix}").rename(source / f"little{suffix}")
    pool._assignment.cache_clear()
    grade_batch(tmp_path / "in", source, Options(tmp_path / "out"))
    with Gradebook(run.gradebook) as book:
        assert [n.name for n in book.find_assignment("tiny").notebooks] == ["little"]
        assert book.find_submission("tiny", "ada").score == 6


def test_a_worker_with_another_version_says_so(source: Path):
    fingerprint = Assignment.load(source).fingerprint
    job = pool.Job(source, 1, "bubblewrap", fingerprint)
    assert job.assignment.fingerprint == fingerprint
    change(source, "Three functions", "Some functions")  # prose
    assert job.assignment.fingerprint == fingerprint
    (source / "checks.py").write_text((source / "checks.py").read_text() + "\n# changed\n")
    pool._assignment.cache_clear()
    with pytest.raises(EngineError, match="of another version"):
        assert job.assignment
    changed = pool.Job(source, 1, "bubblewrap", Assignment.load(source).fingerprint)
    assert changed.assignment  # read again where it lay in the cache


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("checks.py", "import", "import gone\nimport", "checks.py cannot be run: Module"),
        ("wrong/area/size.py", "def ", "def (", "size.py, line"),
        ("tiny.ipynb", '"cells"', "cells", "tiny.ipynb is no notebook"),
        ("tiny.py", "def area(mask):", "def area(mask:", "cell area"),
    ],
)
def test_a_broken_source_is_a_sentence(tmp_path: Path, source: Path, name, old, new, words):
    hand_in(tmp_path / "in", "ada", solved(RIGHT))
    path = source / name
    path.write_text(path.read_text().replace(old, new, 1))
    pool._assignment.cache_clear()
    result = CliRunner().invoke(app, ["grade", str(tmp_path / "in"), "--assignment", str(source)])
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())


def test_a_sandbox_that_broke_for_all_stops_the_run(tmp_path: Path, monkeypatch):
    for student in ("ada", "bo"):
        hand_in(tmp_path / "in", student, solved(RIGHT))

    def gone(self):
        raise OSError("no space left on device")

    command = ["grade", str(tmp_path / "in"), "--assignment", "tiny", "--solutions", str(SOLUTIONS)]
    command += ["--output", str(tmp_path / "out"), "--gradebook", ""]
    with monkeypatch.context() as patch:
        patch.setattr(Bubblewrap, "_launch", gone)
        result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert "bubblewrap opened no sandbox: no space left" in " ".join(result.output.split())
    assert scores(tmp_path / "out") == {}
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert scores(tmp_path / "out") == {"ada": 6, "bo": 6}


def test_harmless_code_tells_a_broken_sandbox_from_a_bad_submission(monkeypatch):
    def breaks(*args):
        raise SandboxError("the sandbox gave no jail")

    job = pool.Job(TINY, 1, "bubblewrap")
    monkeypatch.setattr(pool, "grade_submission", breaks)
    with pytest.raises(SandboxError, match="no jail") as caught:
        pool._graded(job, None, None)
    assert not isinstance(caught.value, EngineError)
    monkeypatch.setattr(engines, "open_sandbox", breaks)
    with pytest.raises(EngineError, match="bubblewrap runs nothing any more"):
        pool._graded(job, None, None)


def test_what_was_not_graded_ends_with_1(tmp_path: Path, monkeypatch):
    hand_in(tmp_path / "in", "ada", solved(RIGHT))

    def breaks(assignment, submission, *rest):
        if submission.student == "ada":
            raise OSError("the disk is gone")
        return grade_submission(assignment, submission, *rest)

    monkeypatch.setattr(pool, "grade_submission", breaks)
    command = ["grade", str(tmp_path / "in"), "--assignment", "tiny", "--solutions", str(SOLUTIONS)]
    result = CliRunner().invoke(
        app, [*command, "--output", str(tmp_path / "out"), "--gradebook", ""]
    )
    assert result.exit_code == 1
    assert "not graded: ada: OSError: the disk is gone" in " ".join(result.output.split())
