"""Each notebook equals its text, shows what its code gives, and can be read by anyone."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import numpy as np
import pytest
from PIL import Image

from segedu.weights import read_card, shipped_names
from tests.notebooks import build, figures
from tests.requirements_of_machine import REPOSITORY

LECTURES = build.lecture_sources()
MEGABYTES_AT_MOST = 2.0

# The assignments' notebooks are made elsewhere, from the solutions: here pairs are compared.
EXERCISES = sorted(
    path
    for folder in ("solutions", "assignments")
    for path in (REPOSITORY / folder).glob("*/*.ipynb")
)

by_lecture = pytest.mark.parametrize("source", LECTURES, ids=lambda p: p.stem)


def read(source: Path) -> nbformat.NotebookNode:
    return nbformat.read(source.with_suffix(".ipynb"), as_version=4)


def test_there_are_lectures():
    assert {path.parent.name for path in LECTURES} >= {
        "00_welcome",
        "01_superpixels",
        "02_semantic",
        "03_interactive",
    }


def test_the_table_of_semantic_methods_has_every_checkpoint():
    (source,) = (path for path in LECTURES if path.stem == "05_segformer")
    shown = "".join(
        output.get("text", "")
        for cell in read(source).cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )
    names = [n for n in shipped_names() if n.endswith(("-scenes", "-camvid"))]
    names = [n for n in names if "miou" in read_card(n)["scores"]]
    assert len(names) >= 16
    assert [name for name in names if f"{name} " not in shown] == []


@by_lecture
def test_notebook_equals_its_text(source):
    text, notebook = build.read_source(source), read(source)
    advice = f"run: python -m tests.notebooks.build {source.relative_to(REPOSITORY)}"
    assert [(c.id, c.cell_type, c.source) for c in notebook.cells] == [
        (c.id, c.cell_type, c.source) for c in text.cells
    ], advice
    assert [dict(c.metadata) for c in notebook.cells] == [dict(c.metadata) for c in text.cells], (
        advice
    )


@pytest.mark.parametrize("path", EXERCISES, ids=lambda p: f"{p.parents[1].name}-{p.stem}")
def test_exercises_equal_their_text(path):
    text, notebook = jupytext.read(path.with_suffix(".py")), nbformat.read(path, as_version=4)
    assert [(c.cell_type, c.source.strip()) for c in notebook.cells] == [
        (c.cell_type, c.source.strip()) for c in text.cells
    ]
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)


def test_there_are_exercises():
    assert {path.parents[1].name for path in EXERCISES} == {"solutions", "assignments"}


@by_lecture
def test_notebook_is_executed_and_clean(source):
    notebook = read(source)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    for cell in code:
        for output in cell.outputs:
            assert output.output_type != "error", f"{cell.source}\n{output}"
            assert output.get("name") != "stderr", f"{cell.source}\n{output}"
            assert build.WIDGET_VIEW not in output.get("data", {}), "a widget without a picture"
    assert "widgets" not in notebook.metadata


@by_lecture
def test_notebook_is_small_and_names_no_machine(source):
    path = source.with_suffix(".ipynb")
    assert path.stat().st_size < MEGABYTES_AT_MOST * 1e6
    text = json.dumps([c.get("outputs", []) for c in read(source).cells])
    assert not re.search(r"/(home|root|Users|work|tmp)/", text)


@by_lecture
def test_cells_are_short_and_goals_come_first(source):
    notebook = read(source)
    assert notebook.cells[0].cell_type == "markdown"
    assert "Goals" in notebook.cells[0].source
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= 30, cell.source


@by_lecture
def test_running_it_again_shows_the_same(source):
    command = [
        *(sys.executable, "-m", "pytest", "--nbval", "-p", "tests.notebooks.figures"),
        *("-p", "no:xdist", "-p", "no:cacheprovider", "-q", "--no-header"),
        *("--rootdir", str(REPOSITORY), "--nbval-cell-timeout", str(build.SECONDS_AT_MOST)),
        *("--nbval-sanitize-with", str(Path(__file__).with_name("sanitize.cfg"))),
        *("--confcutdir", str(source.parent), "-o", "addopts="),
        str(source.with_suffix(".ipynb")),
    ]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


@by_lecture
def test_how_long_it_takes_is_measured_not_typed(source):
    """The head gives the minutes of reading; what the cells take, the last one prints."""
    cells = read(source).cells
    head = " ".join(cells[0].source.split())
    assert re.search(r"about \d+ minutes", head)
    assert "last cell says how long the cells took" in head and "cells take" not in head
    last = [cell for cell in cells if cell.cell_type == "code"][-1]
    [output] = last.outputs
    assert re.fullmatch(r"All cells took \d+ s here\.\n", output.text)


def test_figures_are_told_apart():
    white = np.full((400, 600, 3), 255, np.uint8)
    line = white.copy()
    line[200:203] = 0
    half = white.copy()
    half[:, :300] = 0
    assert figures.difference(white, white) is None
    assert figures.difference(np.roll(line, 2, axis=0), line) is None
    assert "differs" in figures.difference(half, white)
    assert "size" in figures.difference(white[:300], white)


def test_ids_follow_the_text_alone(tmp_path):
    first, second = tmp_path / "a.py", tmp_path / "b.py"
    first.write_text("# %%\nx = 1\n\n# %%\ny = 2\n")
    second.write_text("# %%\nnew = 0\n\n# %%\nx = 1\n\n# %%\ny = 2\n")
    ids = [cell.id for cell in build.read_source(first).cells]
    assert [cell.id for cell in build.read_source(second).cells][1:] == ids


def test_a_smaller_picture_keeps_the_colours_of_classes():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (300, 400, 3)).astype(np.uint8)  # a photograph has them all
    classes = [(128, 64, 128), (220, 220, 0), (220, 20, 60)]
    for k, color in enumerate(classes):
        picture[20 * k : 20 * k + 20, :20] = color
    raw = io.BytesIO()
    Image.fromarray(picture).save(raw, "PNG")
    few = base64.b64decode(build.smaller(base64.b64encode(raw.getvalue()).decode()))
    assert len(few) < len(raw.getvalue()) / 2
    found = np.asarray(Image.open(io.BytesIO(few)).convert("RGB")).astype(int)
    for k, color in enumerate(classes):
        assert (found[20 * k : 20 * k + 20, :20] == color).all()
