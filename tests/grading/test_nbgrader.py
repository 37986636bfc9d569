"""nbgrader's own commands work on the same sources, and agree with ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from segedu.grading.release import as_ipynb, normalise, render_release
from tests.grading.classroom import RIGHT, TINY, hand_in, solved

CONFIG = "c = get_config()\nc.CourseDirectory.course_id = 'course'\n"


def nbgrader(folder: Path, *arguments: str) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "nbgrader", *arguments]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr[-3000:]


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import jupytext

    folder = tmp_path_factory.mktemp("course")
    (folder / "nbgrader_config.py").write_text(CONFIG)
    source = folder / "source" / "tiny"
    source.mkdir(parents=True)
    (source / "tiny.ipynb").write_bytes(as_ipynb(normalise(jupytext.read(TINY / "tiny.py"))))
    nbgrader(folder, "generate_assignment", "tiny")
    return folder


def test_generate_assignment_gives_the_notebook_that_we_release(course: Path):
    theirs = nbformat.read(course / "release" / "tiny" / "tiny.ipynb", as_version=4)
    ours = nbformat.reads(render_release(TINY)["tiny.ipynb"].decode(), as_version=4)
    assert [(c.cell_type, c.source, c.metadata) for c in ours.cells] == [
        (c.cell_type, c.source, c.metadata) for c in theirs.cells
    ]


def test_autograde_gives_the_points_we_give(course: Path):
    from nbgrader.api import Gradebook

    shutil.rmtree(course / "submitted", ignore_errors=True)
    hand_in(course / "submitted", "ada", solved(RIGHT))
    hand_in(course / "submitted", "bo", solved(RIGHT | {"scale": "def scale(i):\n    return i"}))
    hand_in(course / "submitted", "cy", solved({}))
    nbgrader(course, "autograde", "tiny", "--create")
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "course") as book:
        scores = {s["student"]: s["score"] for s in book.submission_dicts("tiny")}
    assert scores == {"ada": 6, "bo": 3, "cy": 0}
