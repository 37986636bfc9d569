"""Makes submissions of the tiny assignment: right, wrong, broken, hostile."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from segedu.grading import Assignment, Settings
from segedu.grading.release import render_release

SOLUTIONS = Path(__file__).parent / "fixtures" / "solutions"
TINY = SOLUTIONS / "tiny"

RIGHT = {
    "area": "def area(mask):\n    return int(mask.sum())",
    "scale": (
        "def scale(image):\n"
        "    span = image.max() - image.min()\n"
        "    return (image - image.min()) / span if span else np.zeros(image.shape)"
    ),
    "filling": (
        "def filling(mask):\n"
        "    top, bottom, left, right = bounds(mask)\n"
        "    return area(mask) / (bottom - top) / (right - left)"
    ),
}


def patient(settings: Settings) -> Settings:
    """The same limits with much more time: for tests of what is right, on a machine under load."""
    return replace(settings, call_seconds=60.0, total_seconds=120.0)


@cache
def tiny() -> Assignment:
    return Assignment.load(TINY)


@cache
def _released() -> bytes:
    return render_release(TINY)["tiny.ipynb"]


def released_notebook() -> dict[str, Any]:
    return json.loads(_released())


def solved(answers: dict[str, str] | None = None) -> dict[str, Any]:
    """The released notebook with these answers in it; the stub where there is none."""
    notebook = released_notebook()
    for cell in notebook["cells"]:
        grade_id = cell["metadata"].get("nbgrader", {}).get("grade_id")
        if answers and grade_id in answers:
            cell["source"] = answers[grade_id]
    return notebook


def cell_of(notebook: dict[str, Any], grade_id: str) -> dict[str, Any]:
    return next(
        c
        for c in notebook["cells"]
        if c["metadata"].get("nbgrader", {}).get("grade_id") == grade_id
    )


def hand_in(root: Path, student: str, content: dict[str, Any] | str | bytes) -> Path:
    """Write a submission in nbgrader's layout."""
    path = root / student / "tiny" / "tiny.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, dict):
        content = json.dumps(content)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def edited(**changes: str) -> dict[str, Any]:
    return solved(RIGHT | changes)


def without(*grade_ids: str) -> dict[str, Any]:
    notebook = solved(RIGHT)
    notebook["cells"] = [
        c
        for c in notebook["cells"]
        if c["metadata"].get("nbgrader", {}).get("grade_id") not in grade_ids
    ]
    return notebook


def duplicated() -> dict[str, Any]:
    notebook = solved(RIGHT)
    notebook["cells"].append(copy.deepcopy(cell_of(notebook, "check_area")))
    notebook["cells"].insert(2, copy.deepcopy(cell_of(released_notebook(), "area")))
    return notebook


def repriced() -> dict[str, Any]:
    notebook = solved({})
    cell_of(notebook, "check_area")["metadata"]["nbgrader"]["points"] = 100
    return notebook


LOOP = "def area(mask):\n    while True:\n        pass"
WRONG_AREA = "def area(mask):\n    return mask.size"
WRONG_SCALE = "def scale(image):\n    return image / image.max()"

# student: (notebook, score of 6)
CLASS: dict[str, tuple[Any, float]] = {
    "ada": (solved(RIGHT), 6),
    "alan": (edited(area="def area(mask):\n    return sum(int(p) for r in mask for p in r)"), 6),
    "barbara": (edited(area=WRONG_AREA), 3),
    "claude": (edited(scale=WRONG_SCALE), 3),
    "donald": (edited(scale="def scale(i):\n    return (i - i.min()) / (i.max() - i.min())"), 5),
    "edsger": (solved({"area": RIGHT["area"]}), 2),
    "frances": (solved({}), 0),
    "grace": (edited(area="def area(mask):\n    import os\n    os.abort()"), 3),
    "hedy": (edited(area=LOOP), 3),
    "ivan": (edited(area="while True: pass\n" + RIGHT["area"]), 3),
    "john": ("", 0),
    "katherine": ('{"cells": [{"cell_type"', 0),
    "leslie": (without("area", "check_area"), 3),
    "margaret": (edited(area="def area(mask:\n    return 1"), 3),
    "niklaus": (edited(scale="def scale(image):\n    return 1 / 0"), 3),
    "ole": (duplicated(), 6),
    "peter": (repriced(), 0),
    "radia": (edited(filling="raise RuntimeError('no')"), 5),
    "sophie": (edited(area="def area(mask):\n    return [0] * 10**9"), 3),
    "tim": (
        edited(area="import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nos._exit(0)"),
        3,
    ),
    "ursula": ({"cells": "none", "nbformat": 4}, 0),
    "vint": (edited(area="def area(mask):\n    return '<script>alert(1)</script>'"), 3),
}


def make_class(root: Path) -> dict[str, float]:
    """Hand in all of `CLASS`; the scores they deserve."""
    for student, (content, _) in CLASS.items():
        hand_in(root, student, content)
    return {student: score for student, (_, score) in CLASS.items()}
