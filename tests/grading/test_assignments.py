"""Every assignment: right answers get all points, mistakes lose some and are named."""

from __future__ import annotations

import doctest
from collections.abc import Iterator
from functools import cache
from typing import Any

import nbformat
import pytest

from segedu.grading import Assignment, CheckResult, StudentError, grade_answer
from segedu.grading.assignment import read_notebook
from segedu.grading.checker import UNREAD, run_checks
from segedu.grading.release import normalise, render_release
from segedu.grading.sandbox import Bubblewrap
from segedu.grading.session import SandboxedStudent
from tests.grading.classroom import patient
from tests.requirements_of_machine import REPOSITORY

NAMES = sorted(path.parent.name for path in (REPOSITORY / "solutions").glob("*/checks.py"))
EVERY = pytest.mark.parametrize("name", NAMES)


@cache
def assignment(name: str) -> Assignment:
    return Assignment.load(REPOSITORY / "solutions" / name)


@cache
def released(name: str) -> nbformat.NotebookNode:
    files = render_release(REPOSITORY / "solutions" / name)
    data = next(files[file] for file in files if file.endswith(".ipynb"))
    return nbformat.reads(data.decode(), as_version=4)


def cell(notebook: nbformat.NotebookNode, grade_id: str) -> nbformat.NotebookNode:
    return next(c for c in notebook.cells if c.metadata["nbgrader"]["grade_id"] == grade_id)


def exercises() -> list[Any]:
    return [
        pytest.param(name, exercise, id=exercise)
        for name in NAMES
        for exercise in _solution_cells(name)
    ]


@cache
def _solution_cells(name: str) -> list[str]:
    return [exercise.name for exercise in assignment(name).exercises]


def bank(kind: str) -> list[Any]:
    """All answers of a bank: (assignment, exercise, slug)."""
    folders = [(n, e, REPOSITORY / "solutions" / n / kind / e) for n, e in _all_exercises()]
    return [
        pytest.param(name, exercise, path.stem, id=f"{exercise}-{path.stem}")
        for name, exercise, folder in folders
        for path in sorted(folder.glob("*.py"))
    ]


def _all_exercises() -> list[tuple[str, str]]:
    return [(name, exercise) for name in NAMES for exercise in _solution_cells(name)]


EACH = pytest.mark.parametrize(("name", "exercise"), exercises())


def answer(name: str, kind: str, exercise: str, slug: str) -> Any:
    answers = getattr(assignment(name).exercise(exercise), kind)
    return next(a for a in answers if a.slug == slug)


def complaints(results: list[CheckResult]) -> str:
    return "; ".join(f"{r.name}: {r.message}" for r in results if r.status != "passed")


def run_visible_checks(name: str, exercise: str, source: str) -> None:
    """Run an answer and its visible checks as the notebook does."""
    solutions = assignment(name).solutions
    pieces = assignment(name).pieces(exercise, {**solutions, exercise: source})
    namespace: dict[str, Any] = {"__name__": "__main__"}
    check = cell(released(name), f"check_{exercise}").source
    helpers = [cell(released(name), grade_id).source for grade_id in ("setup", "compare")]
    for piece in [*helpers, *(p.source for p in pieces), check]:
        exec(compile(piece, exercise, "exec"), namespace)


# ------------------------------------------------------------------ what it is made of


@EVERY
def test_exercises_and_points(name):
    assert 5 <= len(assignment(name).exercises) <= 7
    assert 20 <= assignment(name).points <= 30
    for exercise in assignment(name).exercises:
        assert len(exercise.checks) >= 3, exercise.name
        assert len(exercise.wrong) >= 8, exercise.name
        assert len(exercise.right) >= 2, exercise.name
        titles = [a.title for a in exercise.wrong]
        assert len(set(titles)) == len(titles), "two mistakes have the same words"


@EVERY
def test_points_and_minutes_in_the_text_are_those_of_the_cells(name):
    intro = cell(released(name), "intro").source
    rows = [
        [part.strip() for part in line.strip("|").split("|")]
        for line in intro.splitlines()
        if line.startswith("| ") and line[2].isdigit()
    ]
    points = [float(row[-2]) for row in rows]
    minutes = [int(row[-1]) for row in rows]
    assert points == [e.points for e in assignment(name).exercises]
    assert f"| **{assignment(name).points:g}** | **{sum(minutes)}** |" in intro
    assert 60 <= sum(minutes) <= 120
    for exercise, point, minute in zip(_solution_cells(name), points, minutes, strict=True):
        title = cell(released(name), f"text_{exercise}").source.splitlines()[0]
        assert title.endswith(f"({point:g} points, about {minute} minutes)"), title


# ------------------------------------------------------------------ the banks


@EACH
@pytest.mark.parametrize("seed", range(3))
def test_the_solution_gets_all_points(name, exercise, seed):
    results = grade_answer(assignment(name), exercise, assignment(name).solutions[exercise], seed)
    assert all(r.status == "passed" for r in results), complaints(results)


@pytest.mark.parametrize(("name", "exercise", "slug"), bank("right"))
def test_other_right_answers_get_all_points(name, exercise, slug):
    source = answer(name, "right", exercise, slug).source
    for seed in range(3):
        results = grade_answer(assignment(name), exercise, source, seed)
        assert all(r.status == "passed" for r in results), complaints(results)
    run_visible_checks(name, exercise, source)


def test_a_return_value_that_no_check_can_read_costs_its_checks_alone():
    source = "def next_click(mask, truth, ignored=None):\n    return (np.array([4]), 3), 1, 2"
    results = grade_answer(assignment("03_interactive"), "next_click", source)
    assert results and all(r.status == "failed" and r.message for r in results)
    assert any(r.message.startswith(UNREAD) for r in results)


@pytest.mark.filterwarnings("ignore:(invalid value|overflow|divide by zero):RuntimeWarning")
@pytest.mark.parametrize(("name", "exercise", "slug"), bank("wrong"))
def test_mistakes_lose_points_and_are_named(name, exercise, slug):
    wrong = answer(name, "wrong", exercise, slug)
    for seed in range(3):
        results = grade_answer(assignment(name), exercise, wrong.source, seed)
        failed = [r for r in results if r.status != "passed"]
        assert failed, "no hidden check rejects it"
        assert sum(r.earned for r in results) < assignment(name).exercise(exercise).points
        assert all(r.message and r.status == "failed" for r in failed)
        assert wrong.title in {r.misconception for r in failed}, complaints(results)
        strangers = [r.misconception for r in failed if r.misconception not in (wrong.title, None)]
        assert not strangers, "a check names a mistake that was not made"


@pytest.mark.parametrize(
    ("name", "exercise", "function"),
    [
        ("01_superpixels", "enforce_connectivity", "enforce_connectivity"),
        ("02_semantic", "mean_iou", "confusion_matrix"),
    ],
)
def test_right_values_of_a_wrong_type_are_no_sign_of_a_wrong_idea(name, exercise, function):
    source = assignment(name).solutions[exercise]
    source += f"\n_right = {function}\ndef {function}(*args, **kwargs):\n"
    source += "    return np.asarray(_right(*args, **kwargs)).astype(float)\n"
    results = grade_answer(assignment(name), exercise, source)
    assert any(r.status == "failed" for r in results)
    assert [r.misconception for r in results if r.misconception] == []


@EACH
def test_the_stub_gets_nothing_and_says_only_that_it_is_not_implemented(name, exercise):
    stub = cell(released(name), exercise).source
    assert "BEGIN" not in stub and "raise NotImplementedError()" in stub
    results = grade_answer(assignment(name), exercise, stub)
    assert sum(r.earned for r in results) == 0
    assert {r.status for r in results} == {"not attempted"}, complaints(results)
    with pytest.raises(NotImplementedError):
        run_visible_checks(name, exercise, stub)


@EACH
def test_visible_checks_pass_for_the_solution(name, exercise):
    run_visible_checks(name, exercise, assignment(name).solutions[exercise])


@pytest.mark.filterwarnings("ignore:(invalid value|overflow|divide by zero):RuntimeWarning")
@EVERY
def test_visible_checks_find_most_mistakes_and_say_what_is_wrong(name):
    found, missed = 0, []
    for exercise in assignment(name).exercises:
        for wrong in exercise.wrong:
            try:
                run_visible_checks(name, exercise.name, wrong.source)
            except AssertionError as error:
                assert len(str(error)) > 20, wrong.slug
                found += 1
            except Exception:  # it broke on a small example, which says something, too
                found += 1
            else:
                missed.append(f"{exercise.name}/{wrong.slug}")
    assert found >= 0.6 * (found + len(missed)), missed


@EACH
def test_examples_in_the_docstrings_are_true(name, exercise):
    namespace: dict[str, Any] = {}
    exec(cell(released(name), "setup").source, namespace)
    for earlier, solution in assignment(name).solutions.items():
        given = set(namespace)  # an exercise may use those before it
        exec(solution, namespace)
        if earlier == exercise:
            break
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for function in set(namespace) - given:
        tests = doctest.DocTestFinder().find(namespace[function], function, globs=namespace)
        examples = [example for test in tests for example in test.examples]
        assert examples, f"{function} has no example"
        for test in tests:
            runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


# ------------------------------------------------------------------ files and formats


def folders() -> list[Any]:
    places = [(kind, name) for kind in ("solutions", "assignments") for name in NAMES]
    return [pytest.param(REPOSITORY / k / n, id=f"{k}-{n}") for k, n in places]


@EVERY
def test_what_students_get_is_what_release_makes(name):
    for file, data in render_release(REPOSITORY / "solutions" / name).items():
        theirs = (REPOSITORY / "assignments" / name / file).read_bytes()
        assert theirs == data, f"{file} is out of date; run: segedu release {name}"


@EVERY
def test_the_pair_holds_the_same_notebook(name):
    source = REPOSITORY / "solutions" / name / f"{assignment(name).notebook}.py"
    text = normalise(read_notebook(source))
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    assert [(c.id, c.source, c.metadata) for c in notebook.cells] == [
        (c.id, c.source, c.metadata) for c in text.cells
    ], f"run: segedu release {name}"


@EVERY
def test_students_pair_holds_the_same_notebook(name):
    source = REPOSITORY / "assignments" / name / f"{assignment(name).notebook}.py"
    text = read_notebook(source)
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    assert [(c.source, c.metadata) for c in text.cells] == [
        (c.source, c.metadata) for c in notebook.cells
    ]


@pytest.mark.parametrize("folder", folders())
def test_nbgrader_accepts_the_notebooks(folder):
    from nbgrader.nbgraderformat import MetadataValidator
    from nbgrader.preprocessors import CheckCellMetadata

    notebook = nbformat.read(next(folder.glob("*.ipynb")), as_version=4)
    nbformat.validate(notebook)
    MetadataValidator().validate_nb(notebook)
    CheckCellMetadata().preprocess(notebook, {})
    ids = [c.id for c in notebook.cells]
    assert ids == [c.metadata["nbgrader"]["grade_id"] for c in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert all(c.metadata["nbgrader"]["schema_version"] == 3 for c in notebook.cells)


@EVERY
def test_nothing_of_the_solution_or_the_hidden_tests_is_released(name):
    files = render_release(REPOSITORY / "solutions" / name)
    text = "".join(data.decode() for data in files.values())
    assert "### BEGIN" not in text and "### END" not in text
    for exercise, source in assignment(name).solutions.items():
        inside = source.split("### BEGIN SOLUTION")[1].split("### END SOLUTION")[0]
        lines = [line.strip() for line in inside.splitlines() if len(line.strip()) > 25]
        assert lines, exercise
        assert not [line for line in lines if line in text], exercise


# ------------------------------------------------------------------ in the sandbox

# One call of a library in place of the exercise, and what the sandbox says to it.
MERE_CALLS = {
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
    "mean_iou": (
        "from sklearn.metrics import confusion_matrix as count\n"
        "def confusion_matrix(p, t, n, ignore=255):\n"
        "    return count(t[t != ignore], p[t != ignore], labels=range(n))\n"
        "def mean_iou(counts): return 0.5"
    ),
    "bilinear_kernel": (
        "def bilinear_kernel(size):\n"
        "    from segedu.semantic.fcn import bilinear_kernel\n"
        "    return bilinear_kernel(size)\n"
        "def deconvolution_weight(n, stride): return bilinear_kernel(stride)"
    ),
    "max_unpool": (
        "def max_unpool(values, indices, height, width):\n"
        "    values, indices = torch.tensor(values)[None], torch.tensor(indices)[None]\n"
        "    unpool = torch.nn.MaxUnpool2d(2)\n"
        "    return unpool(values, indices, output_size=(height, width))[0]"
    ),
    "atrous_conv": (
        "def atrous_conv(x, weight, bias=None, dilation=1, padding=0, groups=1):\n"
        "    args = [1, 1], [padding] * 2, [dilation] * 2, False, [0, 0], groups\n"
        "    return torch.ops.aten.convolution(x, weight, bias, *args)"
    ),
    "efficient_attention": (
        "def efficient_attention(x, height, width, w, heads, reduction):\n"
        "    q = F.linear(x, w['q.weight']).unflatten(2, (heads, -1)).transpose(1, 2)\n"
        "    return F.scaled_dot_product_attention(q, q, q).transpose(1, 2).flatten(2)"
    ),
    "disk_maps": (
        "def disk_maps(clicks, height, width, radius=5):\n"
        "    from segedu.interactive.click_maps import disks\n"
        "    points = torch.tensor(clicks, dtype=torch.float32)[None]\n"
        "    return disks(points, (height, width), radius)[0]"
    ),
    "stability_score": (
        "from segedu.interactive.everything_masks import stability\n"
        "def stability_score(logits, threshold=0.0, offset=1.0):\n"
        "    return np.array([stability(mask - threshold, offset) for mask in logits])"
    ),
    "next_click": (
        "def next_click(mask, truth, ignored=None):\n"
        "    from segedu.interactive import next_click as library\n"
        "    click = library(mask, truth, ignored)\n"
        "    return click and (int(click.x), int(click.y), int(click.positive))"
    ),
    "noc": (
        "from segedu.interactive.clicks import iou, noc as clicks_needed\n"
        "def noc(curves, threshold, max_clicks=20):\n"
        "    counts = [clicks_needed(curve, threshold, max_clicks) for curve in curves]\n"
        "    return np.mean(counts), 0"
    ),
    "zoom_in": (
        "from segedu.interactive.zoom_in import box_around\n"
        "def zoom_box(mask, clicks, expansion=1.4, min_size=200):\n"
        "    return box_around(mask, [], expansion, min_size)\n"
        "def paste_back(answer, box, height, width): return answer"
    ),
    "normalized_focal_loss": (
        "def normalized_focal_loss(logits, target, alpha=0.5, gamma=2.0, ignore=255):\n"
        "    from segedu.losses import normalized_focal\n"
        "    options = {'alpha': alpha, 'gamma': gamma, 'ignore': ignore}\n"
        "    total, weight = normalized_focal(logits[:, None], target, **options)\n"
        "    return total / weight"
    ),
    "encode_points": (
        "from segedu.interactive.sam_prompts import FourierFeatures\n"
        "def encode_points(clicks, frequencies, codes, no_click, height, width):\n"
        "    return FourierFeatures(len(no_click))(clicks[:, :2])"
    ),
}


@pytest.fixture(scope="module")
def sandboxes() -> Iterator[dict[str, Bubblewrap]]:
    """Started when an assignment first asks for its own."""
    started: dict[str, Bubblewrap] = {}
    yield started
    for sandbox in started.values():
        sandbox.close()


def grade_in(
    sandboxes: dict[str, Bubblewrap], name: str, exercise: str, source: str
) -> list[CheckResult]:
    if name not in sandboxes:
        sandboxes[name] = Bubblewrap(assignment(name).warm_modules())
    pieces = assignment(name).pieces(exercise, {**assignment(name).solutions, exercise: source})
    settings = patient(assignment(name).exercise(exercise).settings)
    student = SandboxedStudent(sandboxes[name], exercise, pieces, settings)
    try:
        student.load()
        return run_checks(assignment(name), exercise, student.fresh, "sandbox")
    finally:
        student.close()


@pytest.mark.needs_bubblewrap
@pytest.mark.parametrize(
    ("name", "exercise"), [pytest.param(n, e, id=e) for n, e in _all_exercises() if e in MERE_CALLS]
)
def test_calling_the_library_earns_nothing_in_the_sandbox(sandboxes, name, exercise):
    try:
        results = grade_in(sandboxes, name, exercise, MERE_CALLS[exercise])
    except StudentError as error:
        assert error.type_name == "ForbiddenImport", error
    else:
        assert sum(r.earned for r in results) == 0
        words = ("ForbiddenImport", "LockedOperator")
        refused = [r for r in results if any(word in r.message for word in words)]
        assert refused == results, complaints(results)


@pytest.mark.needs_bubblewrap
@EACH
def test_all_right_answers_get_all_points_in_the_sandbox(sandboxes, name, exercise):
    others = [a.source for a in assignment(name).exercise(exercise).right]
    for source in [assignment(name).solutions[exercise], *others]:
        results = grade_in(sandboxes, name, exercise, source)
        assert all(r.status == "passed" for r in results), complaints(results)
