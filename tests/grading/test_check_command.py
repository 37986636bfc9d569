"""`segedu check`: each exercise passed, failed with its message, or not attempted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from segedu.cli import app
from segedu.grading.local import NotebookError, check_notebook
from tests.grading.classroom import RIGHT, WRONG_AREA, solved


def written(folder: Path, notebook: dict[str, Any]) -> Path:
    path = folder / "my notebook.ipynb"
    path.write_text(json.dumps(notebook))
    return path


def test_a_right_notebook_passes(tmp_path: Path):
    path = written(tmp_path, solved(RIGHT))
    result = CliRunner().invoke(app, ["check", str(path)])
    assert result.exit_code == 0, result.output
    assert result.output.count("passed") == 3
    assert "3 of 3 exercises pass their visible checks." in result.output
    assert json.loads(path.read_text()) == solved(RIGHT)


def test_each_exercise_has_its_line(tmp_path: Path):
    answers = {"area": WRONG_AREA, "scale": "def scale(image):\n    return image / 0 + unknown"}
    result = CliRunner().invoke(app, ["check", str(written(tmp_path, solved(answers)))])
    assert result.exit_code == 1
    area, scale, filling = check_notebook(tmp_path / "my notebook.ipynb")
    assert area.status == "passed"  # a full mask: only hidden checks tell
    assert (scale.status, filling.status) == ("failed", "not attempted")
    assert "name 'unknown' is not defined" in scale.message
    assert "1 of 3 exercises" in result.output
    assert "✗ failed" in result.output
    assert "· not attempted" in result.output


def test_the_assertions_message_is_shown(tmp_path: Path):
    notebook = solved(RIGHT | {"area": "def area(mask):\n    return 5"})
    first = check_notebook(written(tmp_path, notebook))[0]
    assert (first.status, first.message) == ("failed", "a full 2 by 3 mask has 6 pixels")


def test_a_helper_in_a_cell_of_its_own_is_named(tmp_path: Path):
    notebook = solved(RIGHT | {"area": "def area(mask):\n    return total(mask)"})
    cell = {"cell_type": "code", "source": "def total(mask): return int(mask.sum())"}
    cell |= {"metadata": {}, "outputs": [], "execution_count": None, "id": "mine"}
    notebook["cells"].insert(1, cell)
    area, scale, _ = check_notebook(written(tmp_path, notebook))
    assert (area.status, scale.message) == ("passed", "")
    assert area.message.startswith("But it uses total, which a cell that was added defines")


def test_an_untouched_notebook_is_not_attempted(tmp_path: Path):
    verdicts = check_notebook(written(tmp_path, solved({})))
    assert [v.status for v in verdicts] == ["not attempted"] * 3
    assert [v.points for v in verdicts] == [2, 3, 1]


def test_an_endless_loop_ends(tmp_path: Path):
    notebook = solved(RIGHT | {"area": "def area(mask):\n    while True: pass"})
    first = check_notebook(written(tmp_path, notebook), cell_seconds=3)[0]
    assert first.status == "failed"


def test_a_syntax_error_is_named(tmp_path: Path):
    first = check_notebook(written(tmp_path, solved(RIGHT | {"area": "def area(mask:"})))[0]
    assert first.status == "failed"
    assert "SyntaxError" in first.message


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "there is no file"), ("{", "is no notebook"), ('{"cells": []}', "has no checks")],
)
def test_what_cannot_be_checked_says_why(tmp_path: Path, content, words):
    path = tmp_path / "x.ipynb"
    if content is not None:
        path.write_text(content)
    with pytest.raises(NotebookError, match=words):
        check_notebook(path)
    result = CliRunner().invoke(app, ["check", str(path)])
    assert result.exit_code == 2
    assert "Traceback" not in result.output
