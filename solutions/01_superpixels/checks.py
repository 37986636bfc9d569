"""Hidden checks of assignment 1: other inputs than the notebook's, and every edge case it names.

Where a label map is compared, no two centres may be almost equally near: right answers round in
different ways. `assignment_case` draws until none are; ties proper are built from distances that
are equal by symmetry, so that they are ties for every right answer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segedu.grading import (
    CheckFailed,
    Reference,
    Settings,
    Student,
    check,
    expect_array,
    expect_close,
    expect_true,
)

# segedu.drawing finds boundaries, too.
FORBIDDEN = ("segedu.superpixels", "segedu.drawing", "skimage.segmentation")
SETTINGS = {"*": Settings(forbidden=FORBIDDEN, call_seconds=5.0, total_seconds=15.0)}

Rng = np.random.Generator
Array = NDArray[Any]


def pair(value: Any, names: str) -> tuple[Any, Any]:
    """The two things that a function returns."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise CheckFailed(f"the function should return two things: `return {names}`")
    return value[0], value[1]


def expect_untouched(before: tuple[Any, ...], after: tuple[Any, ...], names: str) -> None:
    """The arrays that the student was given are as they were."""
    for name, old, new in zip(names.split(), before, after, strict=False):
        same = isinstance(new, np.ndarray) and np.array_equal(old, new)
        expect_true(same, f"your function changed its input `{name}`; work on a copy")


def quarters(rng: Rng, low: float, high: float, shape: tuple[int, ...]) -> Array:
    """Random multiples of 1/4."""
    return rng.integers(int(low * 4), int(high * 4) + 1, shape) / 4.0


def random_centers(rng: Rng, count: int, height: int, width: int) -> Array:
    """`count` centres anywhere in an image, between the pixels."""
    place = [quarters(rng, 0, size - 1, (count, 1)) for size in (width, height)]
    return np.hstack([quarters(rng, 0, 40, (count, 3)), *place])


def blobs(rng: Rng, height: int, width: int, count: int) -> Array:
    """A label map of `count` cells around random points, any integers as labels."""
    y, x = np.mgrid[:height, :width]
    points = rng.uniform(0, 1, (count, 2, 1, 1)) * np.array([height, width])[:, None, None]
    nearest = ((points[:, 0] - y) ** 2 + (points[:, 1] - x) ** 2).argmin(axis=0)
    return rng.permutation(count)[nearest]


# ------------------------------------------------------------------ 1: the distance


@check("slic_distance", points=1, title="random pixels, other S and m")
def random_pixels(student: Student, reference: Reference, rng: Rng) -> None:
    for S, m in ((16, 10.0), (7.5, 30.0), (3, 0.5)):
        p, q = rng.uniform(-60, 100, (2, 5))
        got, want = (side.call("slic_distance", p, q, S, m) for side in (student, reference))
        expect_close(got, want, name=f"D with S = {S}, m = {m}", rtol=1e-4)


@check("slic_distance", points=1, title="every pixel against every centre")
def broadcasting(student: Student, reference: Reference, rng: Rng) -> None:
    for left, right in (((6, 1, 5), (1, 4, 5)), ((3, 7, 5), (5,)), ((5, 5), (5, 5))):
        p, q = rng.uniform(0, 90, left), rng.uniform(0, 90, right)
        got, want = (side.call("slic_distance", p, q, 9, 20.0) for side in (student, reference))
        expect_array(got, want, name=f"D of {left} and {right}", rtol=1e-4, atol=1e-4)


@check("slic_distance", points=0.5, title="uint8 arrays")
def small_integers(student: Student, reference: Reference, rng: Rng) -> None:
    p, q = rng.integers(0, 256, (2, 20, 5)).astype(np.uint8)
    got, want = (side.call("slic_distance", p, q, 12, 25.0) for side in (student, reference))
    expect_array(got, want, name="D of uint8 arrays", rtol=1e-4)


@check("slic_distance", points=0.5, title="a pixel against itself; inputs untouched")
def itself(student: Student, reference: Reference, rng: Rng) -> None:
    p, q = rng.uniform(1, 90, (2, 4, 5))
    q[1] = p[1]
    got, after = student.call_and_inputs("slic_distance", p, q, 11, 8.0)
    expect_untouched((p, q), after, "pixels centers")
    expect_array(got, reference.call("slic_distance", p, q, 11, 8.0), name="D", rtol=1e-4)


# ------------------------------------------------------------------ 2: seeds


@check("seed_centers", points=0.5, title="gradient inside the image")
def gradient_inside(student: Student, reference: Reference, rng: Rng) -> None:
    lab = rng.uniform(0, 90, (7, 9, 3))
    got = student.call("squared_gradient", lab)
    want = reference.call("squared_gradient", lab)
    expect_true(np.shape(got) == want.shape, f"G should have shape {want.shape}")
    got = np.asarray(got)
    expect_array(got[1:-1, 1:-1], want[1:-1, 1:-1], name="G inside the image", rtol=1e-4)


@check("seed_centers", points=0.5, title="gradient at the border")
def gradient_border(student: Student, reference: Reference, rng: Rng) -> None:
    for shape in ((6, 8, 3), (1, 5, 3), (2, 2, 3)):
        lab = rng.uniform(10, 90, shape)
        got, want = (side.call("squared_gradient", lab) for side in (student, reference))
        hint = "a neighbour outside the image counts as the nearest pixel inside"
        expect_array(got, want, name=f"G of an image {shape}", rtol=1e-4, hint=hint)


@check("seed_centers", points=0.5, title="a uint8 image")
def gradient_uint8(student: Student, reference: Reference, rng: Rng) -> None:
    lab = rng.integers(0, 256, (8, 8, 3)).astype(np.uint8)
    lab[::2] //= 16
    got, want = (side.call("squared_gradient", lab) for side in (student, reference))
    expect_array(got, want, name="G", rtol=1e-4, dtype=None)
    lab = rng.integers(0, 256, (9, 290, 3)).astype(np.uint8)
    got, want = (side.call("seed_centers", lab, 4) for side in (student, reference))
    hint = "the colours are uint8 here, but a place may lie beyond 255"
    expect_array(got, want, name="the seeds", rtol=1e-4, dtype=None, hint=hint)


@check("seed_centers", points=1, title="the grid on a flat image")
def grid(student: Student, reference: Reference, rng: Rng) -> None:
    for height, width, S in ((13, 22, 5), (7, 18, 6), (8, 4, 3), (20, 9, 8)):
        lab = np.full((height, width, 3), rng.integers(1, 90, 3), float)
        got, want = (side.call("seed_centers", lab, S) for side in (student, reference))
        hint = "the first at S // 2, then steps of S while inside, row by row, as [L, a, b, x, y]"
        expect_array(got, want, name=f"seeds of {height} x {width} pixels, S = {S}", hint=hint)


@check("seed_centers", points=1, title="seeds on a random image")
def moved(student: Student, reference: Reference, rng: Rng) -> None:
    for height, width, S in ((21, 33, 6), (11, 8, 3), (16, 19, 7)):
        lab = rng.uniform(0, 90, (height, width, 3))
        before, got_after = (lab, S), student.call_and_inputs("seed_centers", lab, S)
        expect_untouched(before[:1], got_after[1], "lab")
        want = reference.call("seed_centers", lab, S)
        hint = "each moves to the lowest G of the 3 x 3 pixels around it, and takes its colour"
        expect_array(got_after[0], want, name="the seeds", rtol=1e-4, atol=1e-4, hint=hint)


@check("seed_centers", points=0.5, title="ties")
def seed_ties(student: Student, reference: Reference, rng: Rng) -> None:
    lab = np.repeat(rng.integers(0, 3, (12, 16, 1)), 3, axis=2) * 8.0
    lab[:, :8] = np.where(np.arange(8) < 3, 0.0, 40.0)[None, :, None]
    lab[6:, :8] = np.where(np.arange(8) < 2, 0.0, 40.0)[None, :, None]
    got, want = (side.call("seed_centers", lab, 4) for side in (student, reference))
    hint = "a seed stays if none is lower; else the first of the lowest in reading order wins"
    expect_array(got, want, name="the seeds", hint=hint)


# ------------------------------------------------------------------ 3: assignment


def assignment_case(
    rng: Rng, shape: tuple[int, int], count: int, S: float, m: float, reach: float = 1.0
) -> tuple[Array, Array]:
    """Pixels and `count` centres in the first `reach` of both sides, no pixel between two."""
    height, width = shape
    y, x = np.mgrid[:height, :width]
    while True:
        lab = rng.uniform(0, 40, (height, width, 3))
        place = [quarters(rng, 0, reach * (size - 1), (count, 1)) for size in (width, height)]
        centers = np.hstack([rng.uniform(0, 40, (count, 3)), *place])
        dx, dy = x - centers[:, 3, None, None], y - centers[:, 4, None, None]
        color = ((lab - centers[:, None, None, :3]) ** 2).sum(axis=-1)
        distance = np.sqrt(color + (m / S) ** 2 * (dx**2 + dy**2))
        distance[(abs(dx) > S) | (abs(dy) > S)] = np.inf
        first, second = np.sort(distance, axis=0)[:2, np.isfinite(distance).any(axis=0)]
        if np.all(second - first > 1e-5 * first):
            return lab, centers


def compare_assignment(student: Student, reference: Reference, *args: Any, hint: str) -> None:
    got = pair(student.call("assign_pixels", *args), "labels, distance")
    want = reference.call("assign_pixels", *args)
    expect_array(got[0], want[0], name="the label map", hint=hint)
    expect_array(got[1], want[1], name="the distance", rtol=1e-4, atol=1e-4, hint=hint)


@check("assign_pixels", points=2, title="random centres")
def nearest(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "the smallest D among the centres with |x - x_k| <= S and |y - y_k| <= S"
    for shape, count, S, m in (((17, 26), 12, 8, 10.0), ((24, 15), 30, 4, 20.0)):
        lab, centers = assignment_case(rng, shape, count, S, m)
        compare_assignment(student, reference, lab, centers, S, m, hint=hint)


@check("assign_pixels", points=1, title="windows between pixels and over the border")
def windows(student: Student, reference: Reference, rng: Rng) -> None:
    lab = np.zeros((12, 17, 3))
    hint = "the window reaches from x_k - S to x_k + S, ends included, inside the image"
    for x, y in ((8.0, 6.0), (7.5, 5.25), (0.25, 1.5), (16.0, 10.75), (1.0, 11.0), (15.5, 0.0)):
        center = np.array([[0, 0, 0, x, y]])
        compare_assignment(student, reference, lab, center, 4, 10.0, hint=hint)


@check("assign_pixels", points=0.5, title="ties")
def assignment_ties(student: Student, reference: Reference, rng: Rng) -> None:
    lab = np.zeros((9, 13, 3))
    place = rng.permutation(np.array([(x, y) for x in (2, 6, 10) for y in (2, 6)], float))
    centers = np.hstack([np.zeros((6, 3)), place])
    hint = "of centres at the same distance the lowest number wins"
    compare_assignment(student, reference, lab, centers, 4, 10.0, hint=hint)


@check("assign_pixels", points=1, title="pixels in no window")
def uncovered(student: Student, reference: Reference, rng: Rng) -> None:
    lab, centers = assignment_case(rng, (15, 18), 3, 4, 20.0, reach=0.45)
    hint = "a pixel in no window has the label -1 and the distance infinity"
    compare_assignment(student, reference, lab, centers, 4, 20.0, hint=hint)


@check("assign_pixels", points=0.5, title="inputs untouched")
def assignment_untouched(student: Student, reference: Reference, rng: Rng) -> None:
    lab, centers = assignment_case(rng, (9, 9), 4, 4, 10.0)
    value, after = student.call_and_inputs("assign_pixels", lab, centers, 4, 10.0)
    got = pair(value, "labels, distance")
    expect_untouched((lab, centers), after, "lab centers")
    want = reference.call("assign_pixels", lab, centers, 4, 10.0)
    expect_array(got[0], want[0], name="the label map")


# ------------------------------------------------------------------ 4: update


def compare_update(
    student: Student, reference: Reference, *args: Any, hint: str, residual: bool = False
) -> None:
    got = pair(student.call("update_centers", *args), "new_centers, residual")
    want = reference.call("update_centers", *args)
    expect_array(got[0], want[0], name="the new centres", rtol=1e-4, atol=1e-4, hint=hint)
    if residual:
        expect_close(got[1], want[1], name="the residual", rtol=1e-4, hint=hint)


def update_case(rng: Rng, lowest: int, used: int, count: int) -> tuple[Array, Array, Array]:
    """Image, labels lowest ... used - 1, and `count` centres; every label occurs."""
    height, width = (int(size) for size in rng.integers(8, 14, 2))
    labels = rng.integers(lowest, used, (height, width))
    labels.flat[: used - lowest] = np.arange(lowest, used)
    lab = rng.uniform(0, 90, (height, width, 3))
    return lab, labels, random_centers(rng, count, height, width)


@check("update_centers", points=1, title="means of random superpixels")
def means(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "the mean over the pixels of each centre, as [L, a, b, x, y]"
    compare_update(student, reference, *update_case(rng, 0, 6, 6), hint=hint)
    lab, labels, centers = update_case(rng, 0, 6, 6)
    compare_update(student, reference, lab.astype(np.float32), labels, centers, hint=hint)


@check("update_centers", points=1, title="centres without pixels")
def empty_centers(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "a centre without pixels stays where it is"
    lab, labels, centers = update_case(rng, 0, 5, 7)
    labels[labels == 2] = 1
    compare_update(student, reference, lab, labels, centers, hint=hint)


@check("update_centers", points=0.5, title="pixels of no centre")
def unlabelled(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "pixels with the label -1 count nowhere"
    compare_update(student, reference, *update_case(rng, -1, 5, 5), hint=hint)


@check("update_centers", points=1, title="the residual")
def residuals(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "E is the sum of |dx| + |dy| over all centres, divided by K"
    for lowest, used, count in ((0, 5, 5), (-1, 4, 7)):
        case = update_case(rng, lowest, used, count)
        compare_update(student, reference, *case, hint=hint, residual=True)


@check("update_centers", points=0.5, title="inputs untouched")
def update_untouched(student: Student, reference: Reference, rng: Rng) -> None:
    case = update_case(rng, 0, 4, 4)
    value, after = student.call_and_inputs("update_centers", *case)
    got = pair(value, "new_centers, residual")
    expect_untouched(case, after, "lab labels centers")
    want = reference.call("update_centers", *case)
    expect_array(got[0], want[0], name="the new centres", rtol=1e-4, atol=1e-4)


# ------------------------------------------------------------------ 5: connectivity


def compare_regions(
    student: Student, reference: Reference, cases: list[tuple[Array, int]], hint: str
) -> None:
    got = [student.call("enforce_connectivity", *case) for case in cases]
    for value, case in zip(got, cases, strict=True):
        want = reference.call("enforce_connectivity", *case)
        expect_array(value, want, name=f"the regions with min_size = {case[1]}", hint=hint)


@check("enforce_connectivity", points=1, title="split and number")
def split(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "min_size = 1 only splits; pieces are numbered in reading order"
    labels = blobs(rng, 14, 17, 12) % 4  # a label in several places
    spotted = labels.copy()
    spotted[rng.integers(0, 14, 6), rng.integers(0, 17, 6)] = 9
    compare_regions(student, reference, [(labels, 1), (spotted, 1)], hint)


@check("enforce_connectivity", points=0.5, title="corners do not connect")
def corners(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "pixels that touch at a corner are not connected"
    cases = [(rng.integers(0, 4, (9, 10)), 1), (np.eye(5, dtype=int) * 3, 1)]
    compare_regions(student, reference, cases, hint)


@check("enforce_connectivity", points=1.5, title="small regions join by the rule")
def merging(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "longest border first; then the lowest number; what was joined has grown"
    cases = [(rng.integers(0, 4, (14, 15)), 6)]
    for height, width, count, min_size in ((15, 18, 14, 25), (16, 14, 40, 8)):
        labels = blobs(rng, height, width, count)
        labels[rng.integers(0, height, 8), rng.integers(0, width, 8)] = count
        cases.append((labels, min_size))
    compare_regions(student, reference, cases, hint)


@check("enforce_connectivity", points=0.5, title="regions of just min_size pixels")
def just_enough(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "a region of min_size pixels is large enough"
    labels = np.kron(rng.permutation(12).reshape(3, 4), np.ones((2, 3), int))
    compare_regions(student, reference, [(labels, 6)], hint)


@check("enforce_connectivity", points=0.5, title="ties between equal borders")
def connectivity_ties(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "of equally long borders the region with the lowest number wins"
    widths = np.array([4, 1, 6, 1, 5, 2, 9, 1, 3])
    labels = np.repeat(rng.permutation(len(widths)), widths)[None]
    cases = [(labels, 3), (labels.T.repeat(2, axis=1), 5)]
    compare_regions(student, reference, cases, hint)


@check("enforce_connectivity", points=0.5, title="any labels; an image below min_size")
def odd_labels(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "-1 is a label like any other, and one region is left where all are small"
    names = np.array([-1, 700, 3, -1000, 12, 0, 64])
    cases = [(names[blobs(rng, 12, 11, 7)], 4), (rng.integers(-1, 2, (3, 4)), 20)]
    compare_regions(student, reference, cases, hint)


@check("enforce_connectivity", points=0.5, title="inputs untouched")
def connectivity_untouched(student: Student, reference: Reference, rng: Rng) -> None:
    cases = [(rng.integers(0, 4, (11, 12)), 5), (blobs(rng, 22, 20, 30), 16)]
    answers = [student.call_and_inputs("enforce_connectivity", *case) for case in cases]
    for (got, after), case in zip(answers, cases, strict=True):
        expect_untouched(case[:1], after, "labels")
        expect_array(got, reference.call("enforce_connectivity", *case), name="the regions")


# ------------------------------------------------------------------ 6: boundary recall


def compare_recall(
    student: Student, reference: Reference, cases: list[tuple[Any, ...]], hint: str | None = None
) -> None:
    got = [student.call("boundary_recall", *case) for case in cases]
    for value, case in zip(got, cases, strict=True):
        want = reference.call("boundary_recall", *case)
        expect_close(value, want, name="boundary recall", rtol=1e-4, hint=hint)


@check("boundary_recall", points=1, title="random superpixels and segments")
def recall_random(student: Student, reference: Reference, rng: Rng) -> None:
    cases = []
    for frame in (5, 0, 0):  # with a frame all around, nothing meets at the rim
        labels = np.pad(blobs(rng, 40, 46, 14) + 1, frame)
        truth = np.pad(blobs(rng, 40, 46, 4) + 1, frame)
        cases.append((labels, truth))
    compare_recall(student, reference, cases)


@check("boundary_recall", points=1, title="other tolerances, up to the corners of the window")
def recall_tolerance(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "at most `tolerance` rows and at most `tolerance` columns away"
    labels, truth = blobs(rng, 36, 30, 9), blobs(rng, 36, 30, 3)
    cases = [(labels, truth, tolerance) for tolerance in (0, 1, 3, 5)]
    labels, truth = np.zeros((2, 17, 17), int)
    labels[8, 8] = truth[3, 3] = truth[13, 12] = truth[4, 13] = 1
    cases += [(labels, truth, tolerance) for tolerance in (2, 3, 4)]
    compare_recall(student, reference, cases, hint)


@check("boundary_recall", points=0.5, title="a truth without boundary")
def recall_nothing(student: Student, reference: Reference, rng: Rng) -> None:
    labels, truth = blobs(rng, 12, 15, 6), np.full((12, 15), 4)
    compare_recall(student, reference, [(labels, truth)], "nothing to find: the recall is 1")


@check("boundary_recall", points=0.5, title="the rim of the image is no boundary")
def recall_rim(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "only neighbours inside the image count"
    truth = np.zeros((14, 12), int)
    truth[:2] = 1
    truth[:, 10:] = 2
    cases: list[tuple[Any, ...]] = [(np.zeros((14, 12), int), truth)]
    cases += [(blobs(rng, 30, 28, 7), blobs(rng, 30, 28, 5), tolerance) for tolerance in (1, 0)]
    compare_recall(student, reference, cases, hint)


# ------------------------------------------------------------------ 7: undersegmentation error


def partly_ignored(rng: Rng, truth: Array, ignore: int = 255) -> Array:
    """`truth` with a rectangle in which nobody drew."""
    height, width = truth.shape
    top, left = rng.integers(1, height // 2), rng.integers(1, width // 2)
    part = truth.copy()
    part[top : top + height // 3, left : left + width // 3] = ignore
    return part


def compare_error(
    student: Student,
    reference: Reference,
    cases: list[tuple[Any, ...]],
    hint: str | None = None,
) -> None:
    got = [student.call("undersegmentation_error", *case) for case in cases]
    for value, case in zip(got, cases, strict=True):
        want = reference.call("undersegmentation_error", *case)
        expect_close(value, want, name="undersegmentation error", rtol=1e-4, hint=hint)


@check("undersegmentation_error", points=1.5, title="random superpixels and segments")
def error_random(student: Student, reference: Reference, rng: Rng) -> None:
    cases = []
    for count in (12, 30, 5):
        truth = partly_ignored(rng, blobs(rng, 31, 38, 5))
        cases.append((blobs(rng, 31, 38, count), truth))
    compare_error(student, reference, cases)


@check("undersegmentation_error", points=0.5, title="any integers as labels")
def error_names(student: Student, reference: Reference, rng: Rng) -> None:
    names = np.array([-1, 70, 3, -90, 12, 0, 64, 5])
    labels, truth = names[blobs(rng, 20, 18, 8)], names[blobs(rng, 20, 18, 4)]
    cases = [(labels, partly_ignored(rng, truth)), (labels, partly_ignored(rng, truth, -7), -7)]
    compare_error(student, reference, cases, "labels may be negative, with gaps")
    named = [(np.where(labels == 70, 255, labels), partly_ignored(rng, truth))]
    compare_error(student, reference, named, "`ignore` is a label of the truth alone")


@check("undersegmentation_error", points=0.5, title="uint8 label maps")
def error_uint8(student: Student, reference: Reference, rng: Rng) -> None:
    labels, truth = blobs(rng, 30, 30, 120), partly_ignored(rng, blobs(rng, 30, 30, 15))
    cases = [(labels.astype(np.uint8), truth.astype(np.uint8))]
    compare_error(student, reference, cases, "beware of overflow in uint8")


@check("undersegmentation_error", points=0.5, title="one superpixel over many segments")
def error_one(student: Student, reference: Reference, rng: Rng) -> None:
    one = np.zeros((15, 21), int)
    cases = [(one, partly_ignored(rng, blobs(rng, 15, 21, 6)))]
    cases += [(blobs(rng, 15, 21, 8), partly_ignored(rng, one))]
    compare_error(student, reference, cases)
