"""Assignment 1 as it is, from its source to grades: released, handed in, checked, graded twice."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jupytext
import pytest

from segedu.grading import Assignment
from segedu.grading.batch import Options, grade_batch
from segedu.grading.local import PASSED, check_notebook
from segedu.grading.release import as_ipynb, normalise, release
from tests.grading.test_nbgrader import CONFIG, nbgrader
from tests.requirements_of_machine import REPOSITORY, needs_bubblewrap

SOURCE = REPOSITORY / "solutions" / "01_superpixels"


@cache
def assignment() -> Assignment:
    return Assignment.load(SOURCE)


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The notebook that students get, made as the instructor makes it."""
    folder = tmp_path_factory.mktemp("assignments") / "01_superpixels"
    (path,) = [p for p in release(SOURCE, folder) if p.suffix == ".ipynb" and folder in p.parents]
    return json.loads(path.read_text())


def answered(notebook: dict[str, Any], answers: dict[str, str]) -> str:
    """The notebook with these answers in their cells; the stub where there is none."""
    cells = [
        {**cell, "source": answers.get(cell["metadata"]["nbgrader"]["grade_id"], cell["source"])}
        for cell in notebook["cells"]
    ]
    return json.dumps({**notebook, "cells": cells})


def hand_in(folder: Path, student: str, text: str) -> Path:
    path = folder / student / "01_superpixels" / "superpixels.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def bank(kind: str, number: int) -> dict[str, str]:
    """The answer of that number to each exercise."""
    return {e.name: getattr(e, kind)[number].source for e in assignment().exercises}


@needs_bubblewrap
def test_a_class_gets_what_it_deserves(released: dict[str, Any], tmp_path: Path):
    solutions = assignment().solutions
    first = assignment().exercises[0]
    handed = {
        "ada": solutions,
        "barbara": bank("right", 0),
        "claude": bank("wrong", 0),
        "edsger": solutions | {first.name: first.wrong[1].source},
        "frances": {},
    }
    for student, answers in handed.items():
        hand_in(tmp_path / "in", student, answered(released, answers))
    run = grade_batch(tmp_path / "in", SOURCE, Options(tmp_path / "out", seed=4))
    results = {result["student"]: result for result in run.results}
    assert not any(result["report"] or "failed" in result for result in results.values())
    assert {results[s]["score"] for s in ("ada", "barbara")} == {assignment().points}
    assert results["frances"]["score"] == 0
    pairs = list(zip(results["claude"]["exercises"], assignment().exercises, strict=True))
    assert all(mine["earned"] < exercise.points for mine, exercise in pairs)
    named = [mine for mine, _ in pairs if any(c["misconception"] for c in mine["checks"])]
    assert len(named) >= len(pairs) - 1  # a mistake in what another exercise uses hides its own
    mistaken, *rest = results["edsger"]["exercises"]
    assert mistaken["earned"] < mistaken["points"]
    assert first.wrong[1].title in {check["misconception"] for check in mistaken["checks"]}
    # Exercise 1 is what exercise 3 uses; the others are as they were.
    assert all(e["earned"] == e["points"] for e in rest if e["name"] != "assign_pixels")


def test_a_solved_notebook_passes_its_visible_checks(released: dict[str, Any], tmp_path: Path):
    path = hand_in(tmp_path, "ada", answered(released, assignment().solutions))
    verdicts = check_notebook(path)
    assert [v.exercise for v in verdicts] == [e.name for e in assignment().exercises]
    assert {v.status for v in verdicts} == {PASSED}, verdicts


def test_nbgrader_grades_the_same_source(released: dict[str, Any], tmp_path: Path):
    from nbgrader.api import Gradebook

    (tmp_path / "nbgrader_config.py").write_text(CONFIG)
    source = tmp_path / "source" / "01_superpixels" / "superpixels.ipynb"
    source.parent.mkdir(parents=True)
    source.write_bytes(as_ipynb(normalise(jupytext.read(SOURCE / "superpixels.py"))))
    nbgrader(tmp_path, "generate_assignment", "01_superpixels")
    half = {e.name: assignment().solutions[e.name] for e in assignment().exercises[:4]}
    hand_in(tmp_path / "submitted", "ada", answered(released, half))
    nbgrader(tmp_path, "autograde", "01_superpixels", "--create")
    with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}", "course") as book:
        (submission,) = book.submission_dicts("01_superpixels")
    assert submission["score"] == sum(e.points for e in assignment().exercises[:4])
