"""A whole batch: 22 submissions of every kind to scores, files, gradebook, pages."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from segedu.cli import app
from segedu.grading import engines, gradebook, pool
from segedu.grading.batch import Options, Run, grade_batch
from segedu.grading.gradebook import with_driver, without_password
from segedu.grading.grader import grade_submission
from segedu.grading.results import ResultStore, read_json
from segedu.grading.sandbox import SandboxError
from segedu.grading.submissions import Submission
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
    tiny,
)
from tests.requirements_of_machine import (
    POSTGRES,
    REPOSITORY,
    needs_bubblewrap,
    needs_postgres,
)

pytestmark = needs_bubblewrap


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, dict[str, float], Path]:
    root = tmp_path_factory.mktemp("class")
    deserved = make_class(root / "submissions")
    run = grade_batch(root / "submissions", TINY, Options(root / "grades", seed=3))
    return run, deserved, root


def scores(folder: Path) -> dict[str, float]:
    results = (read_json(p) for p in (folder / "results").glob("*.json"))
    return {r["student"]: r["score"] for r in results if r}


@pytest.mark.parametrize("student", CLASS)
def test_everyone_gets_what_they_deserve(graded, student):
    run, deserved, _ = graded
    result = next(r for r in run.results if r["student"] == student)
    assert result["score"] == deserved[student]
    assert result["max_score"] == 6
    assert result["sandbox"] == "bubblewrap"
    assert "failed" not in result


def test_feedback_names_the_misconception(graded):
    run, _, root = graded
    for student, words in (
        ("barbara", "You count all pixels of the image instead of those in the mask."),
        ("claude", "You divide by the highest value without subtracting the lowest first."),
    ):
        assert words in (root / "grades" / "feedback" / f"{student}.html").read_text()
        assert words in (root / "grades" / "summary.html").read_text()
    # A right answer elsewhere is not blamed.
    ada = next(r for r in run.results if r["student"] == "ada")
    assert not any(c["misconception"] for e in ada["exercises"] for c in e["checks"])


@pytest.mark.parametrize(
    ("student", "words"),
    [
        ("frances", "the answer is still to be written"),
        ("leslie", "Cell area is missing."),
        ("margaret", "SyntaxError"),
        ("niklaus", "raised ZeroDivisionError in line 2: return 1 / 0"),
        ("hedy", "took longer than the exercise allows"),
        ("sophie", "used more memory than the exercise allows"),
        ("grace", "ended the Python process"),
        ("katherine", "The file is no notebook"),
        ("peter", "had its points changed; the instructor&#39;s count"),
    ],
)
def test_feedback_says_what_was_wrong(graded, student, words):
    _, _, root = graded
    assert words in (root / "grades" / "feedback" / f"{student}.html").read_text()


def test_csv_has_a_line_a_student(graded):
    _, deserved, root = graded
    rows = list(csv.DictReader((root / "grades" / "grades.csv").read_text("utf-8").splitlines()))
    assert {row["student"]: float(row["score"]) for row in rows} == deserved
    barbara = next(row for row in rows if row["student"] == "barbara")
    assert (barbara["area"], barbara["scale"], barbara["filling"]) == ("0", "3", "0")
    assert barbara["percent"] == "50.0"
    assert all(row["unsafe"] == "" for row in rows)


def test_gradebook_agrees_and_formgrader_finds_the_notebooks(graded):
    from nbgrader.api import Gradebook

    run, deserved, root = graded
    with Gradebook(run.gradebook) as book:
        dicts = {s["student"]: s for s in book.submission_dicts("tiny")}
        assert {s: d["score"] for s, d in dicts.items()} == deserved
        assert all(d["max_score"] == 6 for d in dicts.values())
        assert not any(d["needs_manual_grade"] for d in dicts.values())
        comment = book.find_comment("area", "tiny", "tiny", "barbara").auto_comment
        assert "You count all pixels" in comment
        cells = {c.name for c in book.find_notebook("tiny", "tiny").grade_cells}
        assert cells == {"check_area", "check_scale", "check_filling"}
    notebook = json.loads((root / "grades/autograded/barbara/tiny/tiny.ipynb").read_text())
    text = json.dumps(notebook)
    assert "mask.size" in text
    assert "0 of 2 points" in text


def test_the_second_call_keeps_everything(graded):
    run, deserved, root = graded
    again = grade_batch(root / "submissions", TINY, Options(root / "grades", gradebook=""))
    assert again.resumed == len(deserved)
    assert again.store.seed == run.store.seed
    assert scores(root / "grades") == deserved


def test_the_same_seed_gives_the_same_results(tmp_path: Path):
    hand_in(tmp_path / "in", "ada", solved(RIGHT))
    hand_in(tmp_path / "in", "bo", edited(area="def area(mask):\n    return int(mask.sum()) + 1"))
    options = {
        name: Options(tmp_path / name, seed=s, gradebook="")
        for name, s in (("a", 1), ("b", 1), ("c", 2))
    }
    messages = {}
    for name, option in options.items():
        run = grade_batch(tmp_path / "in", TINY, option)
        messages[name] = [
            c["message"] for r in run.results for e in r["exercises"] for c in e["checks"]
        ]
    assert messages["a"] == messages["b"]
    assert messages["a"] != messages["c"]


GOES = """
import os, sys, time
from pathlib import Path
from segedu.grading.gradebook import GradebookProcess
from tests.grading.classroom import tiny

book = GradebookProcess(f"sqlite:///{sys.argv[1]}/gradebook.db", tiny(), Path(sys.argv[1]))
book.reset([])
print(book._process.pid, flush=True)
time.sleep(60)
"""


def test_the_gradebooks_process_ends_with_its_parent(tmp_path: Path):
    command = [sys.executable, "-c", GOES, str(tmp_path)]
    parent = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    with parent:
        child = int(parent.stdout.readline())
        parent.kill()
    for _ in range(100):
        if not alive(child):
            return
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    pytest.fail("it lives on")


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_names_that_are_code_stay_names(tmp_path: Path):
    handed, folder = tmp_path / "in", tmp_path / "out"
    odd = ["<script>alert(1)<", "=cmd()", "Ann", "ann", "a b", "..evil"]
    for student in odd:
        hand_in(handed, student, solved(RIGHT))
    run = grade_batch(handed, TINY, Options(folder))
    assert sorted(r["student"] for r in run.results) == sorted(odd)
    assert len(list((folder / "feedback").iterdir())) == len(odd)
    pages = [p.read_text() for p in (*(folder / "feedback").iterdir(), folder / "summary.html")]
    assert not any("<script" in page for page in pages)
    assert any("&lt;script&gt;alert(1)&lt;" in page for page in pages)
    rows = list(csv.DictReader((folder / "grades.csv").read_text("utf-8").splitlines()))
    assert "'=cmd()" in {row["student"] for row in rows}
    assert all(p.resolve().is_relative_to(folder) for p in folder.rglob("*"))


def test_a_zip_is_graded(tmp_path: Path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr("Ada L_1_assignsubmission_file_/x.ipynb", json.dumps(solved(RIGHT)))
        archive.writestr("../../bo.ipynb", json.dumps(solved({})))
    options = Options(tmp_path / "out", gradebook="")
    run = grade_batch(tmp_path / "export.zip", TINY, options)
    assert {r["student"]: r["score"] for r in run.results} == {"Ada L_1": 6, "bo": 0}


def test_on_a_dask_cluster(tmp_path: Path):
    from distributed import LocalCluster

    make_class(tmp_path / "in")
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        options = Options(tmp_path / "out", scheduler=cluster.scheduler_address, gradebook="")
        run = grade_batch(tmp_path / "in", TINY, options)
    assert {r["student"]: r["score"] for r in run.results} == {
        student: score for student, (_, score) in CLASS.items()
    }


def test_a_run_on_a_dask_worker_closes_its_own_sandboxes_only(monkeypatch):
    closed = []

    class Box:
        def __init__(self, engine, modules):
            self.engine = engine

        def close(self):
            closed.append(self.engine)

    monkeypatch.setattr(pool, "_remote", {})
    monkeypatch.setattr(pool, "open_sandbox", Box)
    monkeypatch.setattr(pool, "grade_submission", lambda *args: {"score": 0})
    one, two = Submission("ada", "ada.ipynb"), Submission("bo", "bo.ipynb")
    pool._grade_remotely("first", pool.Job(TINY, 1, "one"), one)
    pool._grade_remotely("second", pool.Job(TINY, 1, "two"), two)
    pool._close_remotely("first")
    assert closed == ["one"]
    pool._grade_remotely("second", pool.Job(TINY, 1, "two"), one)
    assert len(pool._remote) == 1
    monkeypatch.setattr(pool, "ABANDONED_SECONDS", -1.0)
    pool._grade_remotely("third", pool.Job(TINY, 1, "three"), one)
    assert closed == ["one", "two"]


def test_a_seed_of_0_is_a_seed(tmp_path: Path):
    first = ResultStore(tmp_path, tiny(), 0, "bubblewrap")
    first.end([])
    assert first.seed == 0
    assert ResultStore(tmp_path, tiny(), None, "bubblewrap").seed == 0
    assert ResultStore(tmp_path, tiny(), 7, "bubblewrap").seed == 7


def fake_docker(folder: Path, monkeypatch, run: str) -> None:
    """A docker on the path whose `run` is this line of a shell, and no bubblewrap."""
    engine = folder / "docker"
    engine.write_text(f"#!/bin/sh\ntest $1 = run || exit 0\n{run}\n")
    engine.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(engines, "_bubblewrap_problem", lambda: "not allowed here")


@pytest.mark.parametrize(
    ("run", "words"),
    [
        ("echo 'docker: no such image' >&2; exit 125", "docker: no such image"),
        ("exit 125", "ended without a word"),
        ("echo hello; sleep 60", "ended without a word"),
    ],
)
def test_with_a_broken_container_engine_nothing_is_graded(tmp_path, monkeypatch, run, words):
    hand_in(tmp_path / "in", "ada", solved(RIGHT))
    fake_docker(tmp_path, monkeypatch, run)
    with pytest.raises(SandboxError, match=words):
        grade_batch(tmp_path / "in", TINY, Options(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_an_engine_that_breaks_halfway_gives_nobody_0(tmp_path: Path, monkeypatch):
    for student in ("ada", "bo"):
        hand_in(tmp_path / "in", student, solved(RIGHT))
    works = 'while test "$1" != debian:stable-slim; do shift; done; shift; exec "$@"'
    # The probe, three exercises of the solution and of ada each; then it breaks.
    count = f"echo x >> {tmp_path}/log; test $(wc -l < {tmp_path}/log) -gt 7 && exit 125"
    fake_docker(tmp_path, monkeypatch, f"{count}\n{works}")
    options = Options(tmp_path / "out", gradebook="", processes=1)
    with pytest.raises(SandboxError, match="the same command goes on with the rest"):
        grade_batch(tmp_path / "in", TINY, options)
    assert scores(tmp_path / "out") == {"ada": 6}


def test_what_could_not_be_graded_is_not_0(tmp_path: Path, monkeypatch):
    from nbgrader.api import Gradebook

    for student in ("ada", "bo"):
        hand_in(tmp_path / "in", student, solved(RIGHT))

    def breaks(assignment, submission, *rest):
        if submission.student == "bo":
            raise OSError("the disk is gone")
        return grade_submission(assignment, submission, *rest)

    monkeypatch.setattr(pool, "grade_submission", breaks)
    run = grade_batch(tmp_path / "in", TINY, Options(tmp_path / "out"))
    rows = list(csv.DictReader((tmp_path / "out" / "grades.csv").read_text().splitlines()))
    assert [(row["score"], row["percent"], row["area"]) for row in rows] == [
        ("6", "100.0", "2"),
        ("", "", ""),
    ]
    with Gradebook(run.gradebook) as book:
        grade = book.find_grade("check_area", "tiny", "tiny", "bo")
        assert (grade.auto_score, grade.needs_manual_grade) == (None, True)


def test_without_modules_of_unix_the_advice_is_still_reached():
    script = (
        "import sys\n"
        "sys.modules.update(fcntl=None, resource=None)\n"
        "from segedu.grading import batch, commands, engines\n"
        "from pathlib import Path\n"
        "for sys.platform in ('darwin', 'win32'):\n"
        "    try: batch.grade_batch(Path('x'), Path('y'), batch.Options(Path('z')))\n"
        "    except engines.SandboxError as error: print(error)\n"
        "try: engines.choose_engine(unsafe=True)\n"
        "except engines.SandboxError as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.stderr == ""
    assert run.stdout.count("macOS:           grade on a Linux machine") == 2
    assert run.stdout.count("bubblewrap: runs on Linux only") == 2
    assert run.stdout.count("docker: its containers would get this system's Python") == 2
    assert "Windows itself cannot grade" in run.stdout


def test_without_a_sandbox_nothing_is_graded(tmp_path: Path, monkeypatch):
    hand_in(tmp_path / "in", "ada", solved(RIGHT))
    monkeypatch.setattr(engines.shutil, "which", lambda name: None)
    with pytest.raises(SandboxError, match="apt-get install bubblewrap"):
        grade_batch(tmp_path / "in", TINY, Options(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    command = [
        "grade",
        str(tmp_path / "in"),
        "--assignment",
        str(TINY),
        "--output",
        str(tmp_path / "out"),
    ]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert "docker: not installed" in result.output


def test_unsafe_grades_are_marked_and_graded_again_in_a_sandbox(tmp_path: Path):
    hand_in(tmp_path / "in", "ada", edited(area="while True: pass"))
    folder = tmp_path / "out"
    run = grade_batch(tmp_path / "in", TINY, Options(folder, unsafe=True, gradebook=""))
    assert run.results[0]["score"] == 3
    assert run.results[0]["sandbox"] == "unsafe"
    assert ",unsafe\n" in (folder / "grades.csv").read_text()
    for page in (folder / "feedback" / "ada.html", folder / "summary.html"):
        assert "Graded without a sandbox" in page.read_text()
    safe = grade_batch(tmp_path / "in", TINY, Options(folder, gradebook=""))
    assert safe.resumed == 0
    assert "Graded without a sandbox" not in (folder / "summary.html").read_text()


def test_the_command_line(tmp_path: Path):
    hand_in(tmp_path / "in", "ada", solved(RIGHT))
    command = ["grade", str(tmp_path / "in"), "--assignment", "tiny", "--solutions", str(SOLUTIONS)]
    result = CliRunner().invoke(app, [*command, "--output", str(tmp_path / "out"), "--seed", "9"])
    assert result.exit_code == 0, result.output
    assert "1 submission, seed 9, sandbox bubblewrap; median 6 of 6 points" in result.output
    for name in ("grades.csv", "summary.html", "feedback/ada.html", "gradebook.db", "run.json"):
        assert (tmp_path / "out" / name).exists()
        assert os.stat(tmp_path / "out" / name).st_mode & 0o077 == 0


def test_the_plain_command_finds_out_the_assignment(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hand_in(tmp_path / "in", "ada", solved(RIGHT))
    hand_in(tmp_path / "in", "bo", solved({}))
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "ada_tiny.ipynb").write_text(json.dumps(solved(RIGHT)))
    (tmp_path / "unclear").mkdir()
    (tmp_path / "unclear" / "ada.ipynb").write_text(json.dumps(solved(RIGHT)))
    shutil.copytree(TINY, tmp_path / "solutions" / "tiny")
    shutil.copytree(TINY, tmp_path / "solutions" / "other")
    for name in ("tiny.py", "tiny.ipynb"):
        path = tmp_path / "solutions" / "other" / name
        path.rename(path.with_stem("another"))
    for folder in ("in", "flat"):
        result = CliRunner().invoke(app, ["grade", folder, "--gradebook", ""])
        assert result.exit_code == 0, result.output
        assert "assignment tiny" in result.output
    assert (tmp_path / "grades" / "tiny" / "summary.html").exists()
    result = CliRunner().invoke(app, ["grade", "unclear"])
    assert result.exit_code == 2
    assert "there are other, tiny" in " ".join(result.output.split())
    shutil.rmtree(tmp_path / "solutions" / "other")
    result = CliRunner().invoke(app, ["grade", "in", "--gradebook", ""])
    assert "median 3 of 6 points" in result.output


@needs_postgres
def test_scores_into_postgresql_and_again(tmp_path: Path):
    from nbgrader.api import Gradebook

    handed, options = tmp_path / "in", Options(tmp_path / "out", gradebook=POSTGRES)
    for student, content in (("ada", solved(RIGHT)), ("bo", edited(area=WRONG_AREA))):
        hand_in(handed, student, content)
    grade_batch(handed, TINY, options)
    hand_in(handed, "ada", solved({}))
    run = grade_batch(handed, TINY, options)
    assert run.resumed == 1
    # An exercise of another name: the database keeps its foreign keys.
    source = tmp_path / "tiny"
    shutil.copytree(TINY, source)
    for path in source.glob("*.*"):
        path.write_text(path.read_text().replace("filling", "fullness"))
    grade_batch(handed, source, Options(tmp_path / "other", gradebook=POSTGRES))
    with Gradebook(with_driver(POSTGRES)) as book:
        scores = {s["student"]: s["score"] for s in book.submission_dicts("tiny")}
        book.remove_assignment("tiny")
    assert scores == {"ada": 0, "bo": 3}
    config = tmp_path / "out" / "nbgrader_config.py"
    assert f"db_url = {with_driver(POSTGRES)!r}" in config.read_text()
    assert config.stat().st_mode & 0o777 == 0o600


def test_a_gradebooks_password_is_not_shown(tmp_path: Path, monkeypatch):
    hand_in(tmp_path / "in", "ada", solved(RIGHT))
    url = "postgresql://course:p@ss:w/rd@127.0.0.1:9/grades"
    assert without_password(f"no {url}", url) == "no postgresql://course:***@127.0.0.1:9/grades"
    assert without_password("as it is", "sqlite:///home/a@b") == "as it is"
    find_spec = gradebook.find_spec
    monkeypatch.setattr(gradebook, "find_spec", lambda n: (n != "psycopg" and find_spec(n)) or None)
    monkeypatch.setenv("SEGEDU_GRADEBOOK", url)
    command = ["grade", str(tmp_path / "in"), "--assignment", "tiny", "--solutions", str(SOLUTIONS)]
    result = CliRunner().invoke(app, [*command, "--output", str(tmp_path / "out")])
    assert result.exit_code == 2
    words = " ".join(result.output.split())
    assert "PostgreSQL needs its driver: pip install 'segedu[postgres]'" in words
    assert "p@ss" not in words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["in", "--assignment", "absent"], "no assignment absent"),
        (["nowhere", "--assignment", "tiny"], "there is no nowhere"),
        (["in", "--assignment", "tiny", "--gradebook", "nosql://x"], "the gradebook nosql://x"),
    ],
)
def test_errors_are_sentences(tmp_path: Path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    hand_in(tmp_path / "in", "ada", solved(RIGHT))
    result = CliRunner().invoke(app, ["grade", *arguments, "--solutions", str(SOLUTIONS)])
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())
    assert "Traceback" not in result.output
