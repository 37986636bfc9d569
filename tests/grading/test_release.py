"""The released notebook is nbgrader's, holds no answer, and comes out the same every time."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jupytext
import nbformat
import pytest

from segedu.grading import Assignment, AssignmentError
from segedu.grading.assignment import read_cells
from segedu.grading.release import release, render_release
from segedu.grading.submissions import released_source
from tests.grading.classroom import TINY, tiny


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny"
    shutil.copytree(TINY, folder, ignore=shutil.ignore_patterns("*.ipynb", "__pycache__"))
    return folder


def change(source: Path, old: str, new: str) -> Path:
    path = source / "tiny.py"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return source


def test_no_answer_and_no_hidden_test_is_left():
    for data in render_release(TINY).values():
        text = data.decode()
        assert "count_nonzero" not in text
        assert "high - low" not in text
        assert "an empty mask has none" not in text
        assert "### " not in text
        assert text.count("raise NotImplementedError()") == 3
        assert "a full 2 by 3 mask has 6 pixels" in text


def test_the_same_bytes_again(source: Path, tmp_path: Path):
    first = render_release(source)
    release(source, tmp_path / "out")
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == first
    release(source, tmp_path / "out")
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == first
    assert render_release(TINY) == first


def test_the_notebook_is_valid_and_equals_its_text_pair(tmp_path: Path):
    files = render_release(TINY)
    notebook = nbformat.reads(files["tiny.ipynb"].decode(), as_version=4)
    nbformat.validate(notebook)
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert "check_area" in ids
    text = jupytext.reads(files["tiny.py"].decode(), fmt="py:percent")
    assert [(c.cell_type, c.source) for c in text.cells] == [
        (c.cell_type, c.source) for c in notebook.cells
    ]
    assert [c.metadata for c in text.cells] == [c.metadata for c in notebook.cells]


def test_our_quick_stripping_equals_nbgraders():
    notebook = json.loads(render_release(TINY)["tiny.ipynb"])
    for cell, theirs in zip(tiny().cells, notebook["cells"], strict=True):
        assert released_source(cell) == "".join(theirs["source"])


def test_the_instructors_pair_is_brought_up_to_the_text(source: Path, tmp_path: Path):
    release(source, tmp_path / "out")
    assert (source / "tiny.ipynb").exists()
    cells = Assignment.load(source).cells
    change(source, "np.count_nonzero(mask)", "mask.sum()")
    assert any("mask.sum()" in c.source for c in Assignment.load(source).cells)
    change(source, '"points": 2', '"points": 7')
    with pytest.raises(AssignmentError, match="sum to 2 points, its cell check_area says 7"):
        Assignment.load(source)
    change(source, '"points": 7', '"points": 2')
    release(source, tmp_path / "out")
    assert any("mask.sum()" in c["source"] for c in read_cells(source / "tiny.ipynb"))
    assert cells != Assignment.load(source).cells


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("    ### END SOLUTION\n", "", "no ### END SOLUTION"),
        ("    ### BEGIN SOLUTION\n", "", "no ### BEGIN SOLUTION began"),
        ("    ### BEGIN SOLUTION", "    ## BEGIN SOLUTION", "looks like a marker"),
        ("    ### BEGIN SOLUTION", "    ### begin solution", "looks like a marker"),
        ("    ### BEGIN SOLUTION", "    ### BEGIN  SOLUTION", "looks like a marker"),
        ("    ### END SOLUTION", "    ###END SOLUTION", "looks like a marker"),
        ("    ### END SOLUTION", "    x = 1 ### END SOLUTION", "looks like a marker"),
        ("    ### BEGIN SOLUTION", "    ### BEGIN SOLUTION\n    ### BEGIN SOLUTION", "inside"),
        ("### END HIDDEN TESTS", "### END SOLUTION", "ends what no"),
        ("### BEGIN HIDDEN TESTS", "### BEGIN HIDDEN TEST", "looks like a marker"),
        ("### BEGIN HIDDEN TESTS", "### Begin the hidden tests", "looks like a marker"),
        ("import numpy as np", "### BEGIN SOLUTION\n### END SOLUTION", "no solution cell"),
        ("    ### BEGIN SOLUTION", "    ### BEGIN HIDDEN TESTS", "no grade cell"),
        ("# Three functions", "# ### BEGIN SOLUTIONS\n# Three", "looks like a marker"),
    ],
)
def test_markers_that_would_leak_an_answer_are_refused(source: Path, old, new, words):
    with pytest.raises(AssignmentError, match=words):
        render_release(change(source, old, new))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"grade_id": "check_area"', '"grade_id": "check_other"', "no grade cell check_area"),
        ('"grade_id": "scale"', '"grade_id": "area"', "same grade_id|no grade cell"),
        ('"grade_id": "filling"', '"grade_id": "fill"', "no grade cell check_fill"),
    ],
)
def test_cells_and_checks_must_agree(source: Path, old, new, words):
    with pytest.raises(AssignmentError, match=words):
        render_release(change(source, old, new))


def test_other_broken_assignments_say_what_to_change(source: Path, tmp_path: Path):
    with pytest.raises(AssignmentError, match="there is no folder"):
        Assignment.load(tmp_path / "absent")
    checks = source / "checks.py"
    text = checks.read_text()
    checks.write_text(text.replace('"*": Settings', '"nothing": Settings'))
    with pytest.raises(AssignmentError, match="names nothing, but no solution cell"):
        Assignment.load(source)
    checks.write_text(text)
    (source / "wrong" / "area" / "untitled.py").write_text("def area(m): ...\n")
    with pytest.raises(AssignmentError, match="needs a docstring"):
        Assignment.load(source)
    (source / "wrong" / "area" / "untitled.py").unlink()
    (source / "another.py").write_text("")
    with pytest.raises(AssignmentError, match="must hold one notebook"):
        Assignment.load(source)
    (source / "another.py").unlink()
    checks.unlink()
    with pytest.raises(AssignmentError, match=r"has no checks\.py"):
        Assignment.load(source)
