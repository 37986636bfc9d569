"""Assignment 1: right answers get all points, mistakes lose some and are named, stubs get none."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import nbformat
import numpy as np
import pytest

from segedu.grading import Assignment, CheckResult, StudentError, grade_answer
from segedu.grading.assignment import read_notebook
from segedu.grading.checker import run_checks
from segedu.grading.release import normalise, render_release
from segedu.grading.sandbox import Bubblewrap
from segedu.grading.session import SandboxedStudent
from segedu.superpixels import metrics
from tests.requirements_of_machine import REPOSITORY

SOLUTION = REPOSITORY / "solutions" / "01_superpixels"
RELEASED = REPOSITORY / "assignments" / "01_superpixels"
EXERCISES = (
    "slic_distance",
    "seed_centers",
    "assign_pixels",
    "update_centers",
    "enforce_connectivity",
    "boundary_recall",
    "undersegmentation_error",
)
# Cells of the notebook whose function has another name than the exercise, besides its own.
HELPERS = {"seed_centers": ("squared_gradient",)}


@cache
def assignment() -> Assignment:
    return Assignment.load(SOLUTION)


@cache
def released() -> nbformat.NotebookNode:
    return nbformat.reads(render_release(SOLUTION)["superpixels.ipynb"].decode(), as_version=4)


def cell(notebook: nbformat.NotebookNode, grade_id: str) -> nbformat.NotebookNode:
    return next(c for c in notebook.cells if c.metadata["nbgrader"]["grade_id"] == grade_id)


def bank(kind: str) -> list[Any]:
    return [
        pytest.param(name, path.stem, id=f"{name}-{path.stem}")
        for name in EXERCISES
        for path in sorted((SOLUTION / kind / name).glob("*.py"))
    ]


def answer(kind: str, exercise: str, slug: str) -> Any:
    return next(a for a in getattr(assignment().exercise(exercise), kind) if a.slug == slug)


def complaints(results: list[CheckResult]) -> str:
    return "; ".join(f"{r.name}: {r.message}" for r in results if r.status != "passed")


def run_visible_checks(exercise: str, source: str) -> None:
    """Run an answer and its visible checks as the notebook does."""
    pieces = assignment().pieces(exercise, {**assignment().solutions, exercise: source})
    namespace: dict[str, Any] = {"__name__": "__main__"}
    check = cell(released(), f"check_{exercise}").source
    helpers = ["import numpy as np", cell(released(), "compare").source]
    for piece in [*helpers, *(p.source for p in pieces), check]:
        exec(compile(piece, exercise, "exec"), namespace)


# ------------------------------------------------------------------ what it is made of


def test_exercises_and_points():
    assert tuple(e.name for e in assignment().exercises) == EXERCISES
    assert 20 <= assignment().points <= 30
    for exercise in assignment().exercises:
        assert len(exercise.checks) >= 4, exercise.name
        assert len(exercise.wrong) >= 4, exercise.name
        assert len(exercise.right) >= 2, exercise.name
        titles = [a.title for a in exercise.wrong]
        assert len(set(titles)) == len(titles), "two mistakes have the same words"


def test_points_and_minutes_in_the_text_are_those_of_the_cells():
    rows = [
        [part.strip() for part in line.strip("|").split("|")]
        for line in cell(released(), "intro").source.splitlines()
        if line.startswith("| ") and line[2].isdigit()
    ]
    points = [float(row[2]) for row in rows]
    minutes = [int(row[3]) for row in rows]
    assert points == [e.points for e in assignment().exercises]
    total = f"| **together** | **{assignment().points:g}** | **{sum(minutes)}** |"
    assert total in cell(released(), "intro").source
    assert 60 <= sum(minutes) <= 120
    for name, point, minute in zip(EXERCISES, points, minutes, strict=True):
        title = cell(released(), f"text_{name}").source.splitlines()[0]
        assert title.endswith(f"({point:g} points, about {minute} minutes)"), title


# ------------------------------------------------------------------ the banks


@pytest.mark.parametrize("exercise", EXERCISES)
@pytest.mark.parametrize("seed", range(3))
def test_the_solution_gets_all_points(exercise, seed):
    results = grade_answer(assignment(), exercise, assignment().solutions[exercise], seed)
    assert all(r.status == "passed" for r in results), complaints(results)


@pytest.mark.parametrize(("exercise", "slug"), bank("right"))
def test_other_right_answers_get_all_points(exercise, slug):
    source = answer("right", exercise, slug).source
    for seed in range(3):
        results = grade_answer(assignment(), exercise, source, seed)
        assert all(r.status == "passed" for r in results), complaints(results)
    run_visible_checks(exercise, source)


@pytest.mark.parametrize(("exercise", "slug"), bank("wrong"))
def test_mistakes_lose_points_and_are_named(exercise, slug):
    wrong = answer("wrong", exercise, slug)
    results = grade_answer(assignment(), exercise, wrong.source, seed="a student")
    failed = [r for r in results if r.status != "passed"]
    assert failed, "no hidden check rejects it"
    assert sum(r.earned for r in results) < assignment().exercise(exercise).points
    assert all(r.message and r.status == "failed" for r in failed)
    assert wrong.title in {r.misconception for r in failed}, complaints(results)
    strangers = [r.misconception for r in failed if r.misconception not in (wrong.title, None)]
    assert not strangers, "a check names a mistake that was not made"


@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_stub_gets_nothing_and_says_only_that_it_is_not_implemented(exercise):
    stub = cell(released(), exercise).source
    assert "BEGIN" not in stub and "raise NotImplementedError()" in stub
    results = grade_answer(assignment(), exercise, stub)
    assert sum(r.earned for r in results) == 0
    assert {r.status for r in results} == {"not attempted"}, complaints(results)
    with pytest.raises(NotImplementedError):
        run_visible_checks(exercise, stub)


@pytest.mark.parametrize("exercise", EXERCISES)
def test_visible_checks_pass_for_the_solution(exercise):
    run_visible_checks(exercise, assignment().solutions[exercise])


def test_visible_checks_find_most_mistakes_and_say_what_is_wrong():
    found, missed = 0, []
    for exercise in assignment().exercises:
        for wrong in exercise.wrong:
            try:
                run_visible_checks(exercise.name, wrong.source)
            except AssertionError as error:
                assert len(str(error)) > 20, wrong.slug
                found += 1
            except Exception:  # it broke on a small example, which says something, too
                found += 1
            else:
                missed.append(f"{exercise.name}/{wrong.slug}")
    assert found >= 0.6 * (found + len(missed)), missed


def test_examples_in_the_docstrings_are_true():
    import doctest

    namespace: dict[str, Any] = {"np": np}
    for name in EXERCISES:
        exec(assignment().solutions[name], namespace)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    names = [*EXERCISES, *(helper for group in HELPERS.values() for helper in group)]
    for name in names:
        tests = doctest.DocTestFinder().find(namespace[name], name, globs=namespace)
        examples = [example for test in tests for example in test.examples]
        assert examples, f"{name} has no example"
        for test in tests:
            runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


# ------------------------------------------------------------------ the course agrees with itself


def test_solutions_measure_as_the_library_does():
    rng = np.random.default_rng(11)
    recall = assignment().reference("boundary_recall")
    error = assignment().reference("undersegmentation_error")
    for _ in range(10):
        labels = np.kron(rng.integers(0, 9, (6, 7)), np.ones((5, 4), int))
        truth = np.kron(rng.integers(0, 3, (5, 4)), np.ones((6, 7), int))
        for tolerance in (0, 1, 2):
            want = metrics.boundary_recall(labels, truth, tolerance)
            assert recall.call("boundary_recall", labels, truth, tolerance) == pytest.approx(want)
        want = metrics.undersegmentation_error(labels, truth)
        assert error.call("undersegmentation_error", labels, truth) == pytest.approx(want)


def test_connectivity_leaves_whole_regions_of_min_size():
    from scipy import ndimage

    reference = assignment().reference("enforce_connectivity")
    rng = np.random.default_rng(12)
    for min_size in (1, 4, 9, 1000):
        labels = rng.integers(-1, 3, (13, 17))
        regions = reference.call("enforce_connectivity", labels, min_size)
        names, first = np.unique(regions, return_index=True)
        assert names.tolist() == list(range(len(names)))
        assert np.all(np.diff(first) > 0), "not in reading order"
        for name in names:
            assert ndimage.label(regions == name)[1] == 1
        if len(names) > 1:
            assert np.bincount(regions.ravel()).min() >= min_size


# ------------------------------------------------------------------ files and formats


def test_what_students_get_is_what_release_makes():
    for name, data in render_release(SOLUTION).items():
        advice = "run: segedu release 01_superpixels"
        assert (RELEASED / name).read_bytes() == data, f"{name} is out of date; {advice}"


def test_the_pair_holds_the_same_notebook():
    text = normalise(read_notebook(SOLUTION / "superpixels.py"))
    notebook = nbformat.read(SOLUTION / "superpixels.ipynb", as_version=4)
    assert [(c.id, c.source, c.metadata) for c in notebook.cells] == [
        (c.id, c.source, c.metadata) for c in text.cells
    ], "run: segedu release 01_superpixels"


def test_students_pair_holds_the_same_notebook():
    text = read_notebook(RELEASED / "superpixels.py")
    notebook = nbformat.read(RELEASED / "superpixels.ipynb", as_version=4)
    assert [(c.source, c.metadata) for c in text.cells] == [
        (c.source, c.metadata) for c in notebook.cells
    ]


@pytest.mark.parametrize("folder", [SOLUTION, RELEASED], ids=["solution", "released"])
def test_nbgrader_accepts_the_notebooks(folder):
    from nbgrader.nbgraderformat import MetadataValidator
    from nbgrader.preprocessors import CheckCellMetadata

    notebook = nbformat.read(folder / "superpixels.ipynb", as_version=4)
    nbformat.validate(notebook)
    MetadataValidator().validate_nb(notebook)
    CheckCellMetadata().preprocess(notebook, {})
    ids = [c.id for c in notebook.cells]
    assert ids == [c.metadata["nbgrader"]["grade_id"] for c in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert all(c.metadata["nbgrader"]["schema_version"] == 3 for c in notebook.cells)


def test_nothing_of_the_solution_or_the_hidden_tests_is_released():
    text = "".join(data.decode() for data in render_release(SOLUTION).values())
    assert "### BEGIN" not in text and "### END" not in text
    for name, source in assignment().solutions.items():
        inside = source.split("### BEGIN SOLUTION")[1].split("### END SOLUTION")[0]
        lines = [line.strip() for line in inside.splitlines() if len(line.strip()) > 25]
        assert lines, name
        assert not [line for line in lines if line in text], name


# ------------------------------------------------------------------ the library is no answer

LIBRARY_CALLS = {
    "boundary_recall": "from segedu.superpixels.metrics import boundary_recall",
    "undersegmentation_error": "from segedu.superpixels.metrics import undersegmentation_error",
    "enforce_connectivity": (
        "def enforce_connectivity(labels, min_size):\n"
        "    from segedu.superpixels.connectivity import enforce_connectivity as library\n"
        "    lab = np.zeros((3, *labels.shape), np.float32)\n"
        "    return library(labels.astype(np.int32), lab, min_size)"
    ),
    "seed_centers": (
        "import importlib\n"
        "def squared_gradient(lab):\n"
        "    import torch\n"
        "    slic = importlib.import_module('segedu.superpixels.slic')\n"
        "    return slic.gradient_magnitude(torch.tensor(lab).permute(2, 0, 1)[None])[0]\n"
        "def seed_centers(lab, S):\n"
        "    squared_gradient(lab)\n"
    ),
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Bubblewrap]:
    started = Bubblewrap(assignment().warm_modules())
    yield started
    started.close()


def grade_in(sandbox: Bubblewrap, exercise: str, source: str) -> list[CheckResult]:
    pieces = assignment().pieces(exercise, {**assignment().solutions, exercise: source})
    settings = assignment().exercise(exercise).settings
    student = SandboxedStudent(sandbox, exercise, pieces, settings)
    try:
        student.load()
        return run_checks(assignment(), exercise, student.fresh, "sandbox")
    finally:
        student.close()


@pytest.mark.needs_bubblewrap
@pytest.mark.parametrize("exercise", LIBRARY_CALLS)
def test_calling_the_library_earns_nothing_in_the_sandbox(sandbox, exercise):
    try:
        results = grade_in(sandbox, exercise, LIBRARY_CALLS[exercise])
    except StudentError as error:
        assert error.type_name == "ForbiddenImport", error
    else:
        assert sum(r.earned for r in results) == 0
        assert all("ForbiddenImport" in r.message for r in results), complaints(results)


@pytest.mark.needs_bubblewrap
@pytest.mark.parametrize("exercise", EXERCISES)
def test_all_right_answers_get_all_points_in_the_sandbox(sandbox, exercise):
    others = [a.source for a in assignment().exercise(exercise).right]
    for source in [assignment().solutions[exercise], *others]:
        results = grade_in(sandbox, exercise, source)
        assert all(r.status == "passed" for r in results), complaints(results)
