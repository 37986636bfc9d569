"""Hidden checks of assignment 3: other inputs than the notebook's, and every edge case it names.

A check asks for all its answers before it compares the first: the more calls are recorded, the
better the diagnosis tells one mistake from another.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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

LIBRARY = tuple(
    f"segedu.{part}"
    for part in ("interactive", "losses", "evaluation", "training", "weights", "widgets")
)
OTHERS = ("segment_anything", "transformers", "torchmetrics", "sklearn.metrics")


def settings(*needs: str) -> Settings:
    """What an exercise allows, and the given cells that its checks call."""
    return Settings(
        forbidden=(*LIBRARY, *OTHERS), call_seconds=5.0, total_seconds=15.0, needs=needs
    )


SETTINGS = {"*": settings(), "normalized_focal_loss": settings("loss_and_gradient")}

Rng = np.random.Generator
Array = NDArray[Any]
Case = tuple[Any, ...]


def compare_all(
    student: Student,
    reference: Reference,
    function: str,
    cases: list[Case],
    name: str,
    hint: str | None = None,
) -> None:
    """The student's and the reference's answers agree on all cases."""
    got = [student.call(function, *case) for case in cases]
    for value, case in zip(got, cases, strict=True):
        want = reference.call(function, *case)
        expect_array(value, want, name=name, rtol=1e-4, atol=1e-5, dtype=None, hint=hint)


def expect_same(given: Case, after: tuple[Any, ...], names: str) -> None:
    """The arrays that the student was given are as they were."""
    for name, old, new in zip(names.split(), given, after, strict=False):
        same = np.array_equal(np.asarray(old), np.asarray(new), equal_nan=True)
        expect_true(bool(same), f"your function changed its input `{name}`; work on a copy")


# ------------------------------------------------------------------ 1: disks


def some_clicks(rng: Rng, number: int, height: int, width: int, whole: bool = True) -> Array:
    """Clicks of both kinds inside an image, positive and negative in turn."""
    x, y = rng.uniform(0, width - 1, number), rng.uniform(0, height - 1, number)
    clicks = np.stack([x, y, np.arange(number) % 2], axis=1)
    if whole:
        clicks[:, :2] = clicks[:, :2].round()
    return clicks


@check("disk_maps", points=1, title="clicks of both kinds")
def disks_random(student: Student, reference: Reference, rng: Rng) -> None:
    cases: list[Case] = []
    for number in (2, 3, 5):
        height, width = (int(n) for n in rng.integers(24, 40, 2))
        clicks = some_clicks(rng, number, height - 14, width - 14) + np.array([7, 7, 0])
        cases.append((clicks, height, width))
    compare_all(student, reference, "disk_maps", cases, "the maps", "(x, y) is column, row")


@check("disk_maps", points=0.5, title="other radii, disks that overlap")
def disks_radii(student: Student, reference: Reference, rng: Rng) -> None:
    cases: list[Case] = []
    for radius in (0, 1, 3, 8):
        clicks = some_clicks(rng, 4, 6, 8) + np.array([10, 12, 0])
        clicks[2:, :2] = clicks[:2, :2] + 1
        cases.append((clicks, 30, 28, radius))
    compare_all(student, reference, "disk_maps", cases, "the maps", "0 and 1, no sums")


@check("disk_maps", points=0.5, title="clicks at the border and beyond")
def disks_border(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "of a disk the map shows the part that lies inside"
    places = [[0, 3, 1], [21, 0, 0], [11, 13, 1], [-2, 8, 0], [24, 15, 1], [-30, 5, 1]]
    cases: list[Case] = [(np.array(places, float), 14, 22), (np.array(places[:3], float), 14, 22)]
    compare_all(student, reference, "disk_maps", cases, "the maps", hint)


@check("disk_maps", points=0.5, title="clicks between pixels")
def disks_between(student: Student, reference: Reference, rng: Rng) -> None:
    cases: list[Case] = []
    for number in (2, 4):
        clicks = some_clicks(rng, number, 14, 16, whole=False) + np.array([6, 7, 0])
        clicks[:2, :2] = np.floor(clicks[:2, :2]) + np.array([[0.5, 0.25], [0.75, 0.5]])
        cases.append((clicks, 29, 30, 5))
    compare_all(student, reference, "disk_maps", cases, "the maps", "nothing is rounded")


@check("disk_maps", points=0.5, title="no click; inputs untouched")
def disks_none(student: Student, reference: Reference, rng: Rng) -> None:
    padded = np.array([[9, 8, 1], [16, 10, -1], [0, 0, -1], [15, 5, 0], [3, 3, -1]], float)
    cases: list[Case] = [(np.zeros((0, 3)), 6, 9), (padded[1:3].copy(), 12, 20)]
    answers = [student.call("disk_maps", *case) for case in cases]
    cases.append((padded.copy(), 18, 24))
    last, after = student.call_and_inputs("disk_maps", *cases[-1])
    for got, case in zip([*answers, last], cases, strict=True):
        want = reference.call("disk_maps", *case)
        expect_array(got, want, name="the maps", dtype=None, hint="label -1 is no click")
    expect_same((padded,), after, "clicks")


# ------------------------------------------------------------------ 2: stability


def blobs(rng: Rng, number: int, height: int, width: int) -> Array:
    """Logits of smooth masks, some with soft and some with hard borders."""
    noise = rng.normal(size=(number, height, width))
    smooth = np.stack([cv2.GaussianBlur(n, (0, 0), 2.0) for n in noise])
    return (smooth * rng.uniform(8, 40, (number, 1, 1)) + rng.normal(size=(number, 1, 1))).round(3)


@check("stability_score", points=1, title="smooth masks")
def stability_random(student: Student, reference: Reference, rng: Rng) -> None:
    cases: list[Case] = [(blobs(rng, 3, 20, 24),), (blobs(rng, 1, 31, 17).astype(np.float32),)]
    compare_all(student, reference, "stability_score", cases, "the scores")


@check("stability_score", points=1, title="other thresholds and offsets")
def stability_options(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "cut at threshold + offset and at threshold - offset"
    cases: list[Case] = [(blobs(rng, 3, 20, 24), t, d) for t, d in ((1, 0.5), (-2, 1.5), (0.7, 3))]
    compare_all(student, reference, "stability_score", cases, "the scores", hint)


@check("stability_score", points=0.5, title="logits that lie on a cut")
def stability_strict(student: Student, reference: Reference, rng: Rng) -> None:
    logits = rng.integers(-3, 4, (4, 9, 8)).astype(float)
    cases: list[Case] = [(logits,), (logits, 1.0, 2.0)]
    compare_all(student, reference, "stability_score", cases, "the scores", "cuts are strict")


@check("stability_score", points=0.5, title="masks that vanish; inputs untouched")
def stability_empty(student: Student, reference: Reference, rng: Rng) -> None:
    logits = blobs(rng, 4, 8, 9)
    logits[1], logits[2] = -50, rng.uniform(-0.5, 0.5, (8, 9))
    got, after = student.call_and_inputs("stability_score", logits.copy())
    expect_same((logits,), after, "logits")
    want = reference.call("stability_score", logits)
    expect_array(got, want, name="the scores", rtol=1e-4, dtype=None, hint="0 / 0 is nan here")


# ------------------------------------------------------------------ 3: next click


def depth(error: Array) -> Array:
    """Distance of each pixel of an error to the nearest one that is not in it."""
    padded = np.pad(error, 1).astype(np.uint8)
    far = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(far[1:-1, 1:-1])


def expect_clicks(student: Student, cases: list[Case], hint: str | None = None) -> None:
    """Every click has the right label and lies deepest; any of several such pixels will do."""
    answers = [student.call("next_click", *case) for case in cases]
    for answer, (mask, truth, *rest) in zip(answers, cases, strict=True):
        counted = ~rest[0] if rest and rest[0] is not None else np.ones(truth.shape, bool)
        depths = depth(mask & ~truth & counted), depth(truth & ~mask & counted)
        expect_click(answer, depths, hint)


def expect_click(answer: Any, depths: tuple[Array, Array], hint: str | None) -> None:
    """One answer; depths of covered and of missing pixels."""
    words = f" ({hint})" if hint else ""
    if max(d.max() for d in depths) == 0:
        expect_true(answer is None, "where nothing is wrong there is no click: return None")
        return
    if answer is None:
        raise CheckFailed(f"you return None, but there are errors{words}")
    numbers = np.asarray(answer, float) if isinstance(answer, tuple | list | np.ndarray) else None
    if isinstance(answer, Tensor):
        numbers = answer.numpy().astype(float)
    if numbers is None or numbers.shape != (3,) or not (numbers == np.round(numbers)).all():
        raise CheckFailed("next_click returns three whole numbers, x, y and label, or None")
    x, y, label = (int(n) for n in numbers)
    height, width = depths[0].shape
    if not (0 <= x < width and 0 <= y < height):
        raise CheckFailed(f"the click ({x}, {y}) lies outside the image of {width} x {height}")
    right = int(depths[1].max() > depths[0].max())
    if label != right:
        names = f"covered pixels are {depths[0].max():.3g} deep, missing {depths[1].max():.3g}"
        raise CheckFailed(f"the label is {label}; it should be {right}: {names}{words}")
    if depths[right][y, x] < depths[right].max() - 1e-3:
        deep = f"{depths[right][y, x]:.3g} deep; the deepest is {depths[right].max():.3g}"
        raise CheckFailed(f"the click (x, y) = ({x}, {y}) is {deep}{words}")


def errors(rng: Rng, height: int, width: int) -> tuple[Array, Array]:
    """A mask and a truth, round and bent, that overlap; errors of both kinds."""
    shapes = np.zeros((2, height, width), np.uint8)
    for shape in shapes:
        for _ in range(3):
            x, y = rng.integers(6, width - 6), rng.integers(6, height - 6)
            axes = (int(rng.integers(4, width // 4)), int(rng.integers(4, height // 4)))
            cv2.ellipse(shape, (int(x), int(y)), axes, float(rng.integers(180)), 0, 360, 1, -1)
    return shapes[0] > 0, shapes[1] > 0


@check("next_click", points=1, title="errors of both kinds")
def click_random(student: Student, reference: Reference, rng: Rng) -> None:
    cases: list[Case] = [errors(rng, 40, 52) for _ in range(6)]
    beside, block = np.zeros((2, 40, 52), bool)  # a missing and a covered error that touch
    middle = int(rng.integers(14, 18))
    beside[4:36, 5:middle] = block[4:36, middle:34] = True
    expect_clicks(student, [*cases, (block, beside), (beside, block)], "each error by itself")


@check("next_click", points=1, title="deep errors against large ones")
def click_deep(student: Student, reference: Reference, rng: Rng) -> None:
    cases: list[Case] = []
    for turn in range(4):
        thin, thick = np.zeros((2, 30, 44), bool)
        thin[2:5, 3:42] = thin[2:28, 39:42] = True
        top, left = (int(n) for n in rng.integers(10, 14, 2))
        thick[top : top + 9, left : left + 7] = True
        pair = (thin, thick) if turn % 2 else (thick, thin)
        cases.append(tuple(p[:, ::-1].copy() if turn > 1 else p for p in pair))
    expect_clicks(student, cases, "depth counts, not area")


@check("next_click", points=1, title="errors at the frame")
def click_frame(student: Student, reference: Reference, rng: Rng) -> None:
    cases: list[Case] = []
    for _ in range(4):
        inside, outside = np.zeros((2, 26, 36), bool)
        size = int(rng.integers(7, 10))
        outside[: size - 1, 36 - size :] = True
        top, left = (int(n) for n in rng.integers(9, 14, 2))
        inside[top : top + size, left : left + size + 2] = True
        cases.append((inside, outside) if len(cases) % 2 else (outside, inside))
    everything = np.ones((9, 13), bool)
    cases += [(~everything, everything), (everything, ~everything)]
    expect_clicks(student, cases, "beyond the frame nothing is an error")


@check("next_click", points=1, title="ignored pixels")
def click_ignored(student: Student, reference: Reference, rng: Rng) -> None:
    cases: list[Case] = []
    for _ in range(4):
        mask, truth = errors(rng, 40, 52)
        ignored = np.zeros(mask.shape, bool)
        for error in (mask & ~truth, truth & ~mask):
            middle = np.unravel_index(depth(error).argmax(), error.shape)
            ignored[middle[0] - 1 : middle[0] + 2, max(0, middle[1] - 20) : middle[1] + 20] = True
        cases.append((mask, truth, ignored))
    expect_clicks(student, cases, "ignored pixels are not in the error: distances end at them")


@check("next_click", points=1, title="ties, nothing wrong, inputs untouched")
def click_edge(student: Student, reference: Reference, rng: Rng) -> None:
    square = np.zeros((17, 31), bool)
    top, left, size = (int(n) for n in rng.integers((2, 2, 5), (6, 6, 9)))
    square[top : top + size, left : left + size] = True
    other = square[:, ::-1].copy()
    none = square & ~square
    cases = [(square, other), (other, square), (square, square), (none, none)]
    cases += [(square, none, square), (none, square), (square, none)]
    given = (square.copy(), other.copy())
    answer, after = student.call_and_inputs("next_click", *given)
    expect_clicks(student, cases, "in a tie the click is negative")
    expect_same((square, other), after, "mask truth")
    expect_click(answer, (depth(square & ~other), depth(other & ~square)), None)


# ------------------------------------------------------------------ 4: IoU and NoC


@check("noc", points=1, title="IoU with ignored pixels")
def iou_ignored(student: Student, reference: Reference, rng: Rng) -> None:
    cases: list[Case] = []
    for share in (0, 0.1, 0.4):
        truth = rng.random((14, 17)) < 0.4
        mask = truth ^ (rng.random((14, 17)) < 0.2)
        cases.append((mask, truth, rng.random((14, 17)) < share) if share else (mask, truth))
    hint = "ignored pixels count neither in the intersection nor in the union"
    compare_all(student, reference, "iou", cases, "the IoU", hint)


@check("noc", points=0.5, title="IoU of empty masks; inputs untouched")
def iou_empty(student: Student, reference: Reference, rng: Rng) -> None:
    truth = rng.random((8, 9)) < 0.5
    none = truth & ~truth
    given = (truth.copy(), ~truth, truth.copy())
    got, after = student.call_and_inputs("iou", *given)
    more = [student.call("iou", *case) for case in ((none, none), (truth, truth, truth))]
    miss = student.call("iou", none, truth)
    for value in more:
        expect_close(value, 1.0, name="the IoU", hint="neither has a pixel that counts: 1")
    expect_close(miss, 0.0, name="the IoU")
    expect_close(got, 0.0, name="the IoU")
    expect_same((truth, ~truth, truth), after, "mask truth ignored")


def expect_noc(
    student: Student, reference: Reference, cases: list[Case], hint: str | None = None
) -> None:
    """Mean and number of failures of each case."""
    answers = [student.call("noc", *case) for case in cases]
    for answer, case in zip(answers, cases, strict=True):
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise CheckFailed("noc returns two numbers: the mean, and how many failed")
        mean, failures = reference.call("noc", *case)
        expect_close(answer[0], mean, name="NoC", rtol=1e-4, hint=hint)
        expect_close(answer[1], failures, name="the number of failures", hint=hint)


def curves(rng: Rng, number: int, length: int, low: float, high: float) -> list[list[float]]:
    """IoUs that rise, with setbacks."""
    rise = np.linspace(low, high, length) + rng.normal(0, 0.06, (number, length))
    return [[float(v) for v in row] for row in rise.clip(0, 1).round(4)]


@check("noc", points=1, title="objects that are all reached")
def noc_reached(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "the first click after which the IoU is at least the threshold; clicks count from 1"
    cases: list[Case] = []
    for threshold in (0.85, 0.7, 0.5):
        objects = curves(rng, 5, 12, 0.3, 0.8)
        for curve in objects:
            place = int(rng.integers(0, 9))
            curve[place], curve[place + 1] = threshold, threshold - 0.05
            curve[place + 3] = 0.99
        cases.append((objects, threshold))
    expect_noc(student, reference, cases, hint)


@check("noc", points=1, title="objects that are not reached")
def noc_failed(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "what was not reached counts with max_clicks, and as a failure"
    short = [curve[: int(rng.integers(3, 9))] for curve in curves(rng, 3, 12, 0.1, 0.5)]
    reached = [[*curves(rng, 1, 3, 0.1, 0.5)[0], 0.97], [0.95]]
    full = curves(rng, 2, 20, 0.1, 0.6)
    cases: list[Case] = [(reached + short, 0.9), (full + reached, 0.9), (short + full, 0.9, 20)]
    expect_noc(student, reference, cases, hint)


@check("noc", points=0.5, title="at the last click, and after it")
def noc_cap(student: Student, reference: Reference, rng: Rng) -> None:
    cases: list[Case] = []
    for cap in (20, 6):
        objects = [curve[:cap] + [0.5] * 4 for curve in curves(rng, 4, 20, 0.1, 0.5)]
        objects[0][cap - 1] = objects[1][cap] = objects[2][cap + 2] = 0.95
        cases.append((objects, 0.9, cap) if cap != 20 else (objects, 0.9))
    expect_noc(student, reference, cases, "only the first max_clicks clicks count")


# ------------------------------------------------------------------ 5: Zoom-In


def box_case(rng: Rng, size: int, expansion: float, least: int, negative: bool = False) -> Case:
    """An uneven mask away from the frame, with clicks."""
    height, width = (int(n) for n in rng.integers(150, 190, 2))
    mask = np.zeros((height, width), bool)
    top, left = (int(n) for n in rng.integers(55, 70, 2))
    mask[top : top + size, left : left + size + 7] = True
    mask[top + 1 : top + size // 2, left + 3 :] &= rng.random((1, width - left - 3)) < 0.4
    mask[:, left : left + 1] = False
    mask[top + size - 1, left] = mask[top, left + size + 6] = True
    clicks = np.array([[left + 4, top + size - 2, 1]], float)
    if negative:
        clicks = np.array([[3, 5, 0], [140, 9, 0], [0, 145, -1], *clicks], float)
    return mask, clicks, expansion, least


def expect_boxes(
    student: Student, reference: Reference, cases: list[Case], hint: str | None = None
) -> None:
    """Four whole numbers, or None."""
    answers = [student.call("zoom_box", *case) for case in cases]
    for answer, case in zip(answers, cases, strict=True):
        want = reference.call("zoom_box", *case)
        if want is None or answer is None:
            words = "an empty mask has no box" if want is None else "the mask is not empty"
            expect_true(want is answer is None, f"{words}; you return {answer}")
            continue
        got = np.array(answer) if isinstance(answer, tuple | list) else answer
        expect_array(got, np.array(want), name="the box", dtype=None, hint=hint)


@check("zoom_in", points=1, title="boxes away from the frame")
def box_inside(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "half the size is e (b - a + 1) / 2; round, and include both ends"
    cases = [box_case(rng, n, e, 5) for n, e in ((17, 1.4), (20, 2.0), (24, 1.25), (13, 1.8))]
    expect_boxes(student, reference, cases, hint)


@check("zoom_in", points=0.5, title="the smallest size, and the frame")
def box_small(student: Student, reference: Reference, rng: Rng) -> None:
    cases = [box_case(rng, 16, 1.4, least) for least in (30, 27, 41)]
    cases += [box_case(rng, 18, 1.5, 300), box_case(rng, 21, 1.5, 132), box_case(rng, 20, 6.0, 9)]
    cases.append(box_case(rng, 20, 1.4, 5)[:2])
    mask, clicks, *_ = box_case(rng, 20, 1.4, 5)
    cases.append((mask[54:, 54:], clicks - [54, 54, 0], 3.0, 5))  # at the top and the left
    expect_boxes(student, reference, cases, "max(e (b - a + 1), s); the frame cuts it off")


@check("zoom_in", points=1, title="positive clicks widen the box")
def box_clicks(student: Student, reference: Reference, rng: Rng) -> None:
    cases = []
    for n in (12, 19, 22):
        mask, clicks, *rest = box_case(rng, n, 1.3, 5, negative=True)
        x, y = (int(v) for v in rng.integers(100, 115, 2))
        clicks = np.array([*clicks, [x, y - 70, 1], [x - 60, y, 1]], float)
        cases.append((mask, clicks, *rest))
    expect_boxes(student, reference, cases, "a click is x, y: column, then row")


@check("zoom_in", points=0.5, title="other clicks, empty masks; inputs untouched")
def box_edge(student: Student, reference: Reference, rng: Rng) -> None:
    cases = [box_case(rng, n, 1.4, 5, negative=True) for n in (15, 22)]
    mask, clicks, *rest = box_case(rng, 14, 1.4, 5)
    cases += [(mask & ~mask, clicks, *rest), (mask, np.zeros((0, 3)), *rest)]
    given = (mask.copy(), clicks.copy())
    _, after = student.call_and_inputs("zoom_box", *given)
    expect_boxes(student, reference, cases, "negative clicks and rows with -1 widen nothing")
    expect_same((mask, clicks), after, "mask clicks")


@check("zoom_in", points=1.5, title="pasting back")
def box_paste(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "both ends belong to the box; bilinear, corners upon corners"
    cases: list[Case] = []
    for h, w in ((8, 11), (20, 15), (30, 44)):
        top, left = (int(n) for n in rng.integers(2, 8, 2))
        bottom, right = top + int(rng.integers(9, 16)), left + int(rng.integers(12, 20))
        answer = rng.uniform(0.05, 1, (h, w))
        cases.append((answer, (top, bottom, left, right), 26, 31))
    cases.append((rng.uniform(0.05, 1, (6, 7)), (0, 25, 0, 30), 26, 31))
    compare_all(student, reference, "paste_back", cases, "the whole", hint)


@check("zoom_in", points=0.5, title="pasting back float32; inputs untouched")
def box_paste_untouched(student: Student, reference: Reference, rng: Rng) -> None:
    answer = rng.uniform(0.05, 1, (12, 9)).astype(np.float32)
    case = (answer.copy(), (3, 14, 5, 18), 20, 22)
    got, after = student.call_and_inputs("paste_back", *case)
    expect_same((answer,), after, "answer")
    want = reference.call("paste_back", answer, *case[1:])
    expect_array(got, want, name="the whole", rtol=1e-4, atol=1e-5, dtype=None)


# ------------------------------------------------------------------ 6: normalised focal loss


def loss_case(
    rng: Rng, batch: int, ignored: float = 0.0, **options: float
) -> tuple[Case, dict[str, float]]:
    """Logits that are often right, each image more so than the one before, and targets."""
    shape = (batch, 5, 7)
    target = (rng.random(shape) < 0.4).astype(np.int64)
    strength = np.linspace(0.3, 2.5, batch)[:, None, None]
    logits = rng.normal(0, 1.5, shape) + strength * (2 * target - 1)
    share = np.linspace(0.2, 1.8, batch)[:, None, None] * ignored
    target[rng.random(shape) < share] = int(options.get("ignore", 255))
    return (torch.from_numpy(logits.astype(np.float32)), torch.from_numpy(target)), options


def expect_losses(
    student: Student,
    reference: Reference,
    cases: list[tuple[Case, dict[str, float]]],
    hint: str | None = None,
) -> None:
    """Values and gradients."""
    answers = [student.call("loss_and_gradient", *case, **options) for case, options in cases]
    for answer, (case, options) in zip(answers, cases, strict=True):
        loss, gradient = reference.call("loss_and_gradient", *case, **options)
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise CheckFailed("the loss has no value and gradient")
        if answer[1] is None:
            raise CheckFailed("no gradient reaches the logits")
        expect_array(answer[0], loss, name="the loss", rtol=1e-3, atol=1e-5, hint=hint)
        grads = "the gradient of the loss"
        expect_array(answer[1], gradient, name=grads, rtol=1e-3, atol=1e-5, hint=hint)


def expect_values(
    student: Student,
    reference: Reference,
    cases: list[tuple[Case, dict[str, float]]],
    hint: str | None = None,
) -> None:
    """Values alone."""
    answers = [student.call("normalized_focal_loss", *case, **options) for case, options in cases]
    for answer, (case, options) in zip(answers, cases, strict=True):
        want = reference.call("normalized_focal_loss", *case, **options)
        expect_array(answer, want, name="the loss", rtol=1e-3, atol=1e-5, hint=hint)


@check("normalized_focal_loss", points=1, title="values of single images")
def loss_values(student: Student, reference: Reference, rng: Rng) -> None:
    cases = [loss_case(rng, 1), loss_case(rng, 1, alpha=0.75), loss_case(rng, 1, gamma=1.0)]
    expect_values(student, reference, [*cases, loss_case(rng, 1, alpha=0.2, gamma=3.0)])


@check("normalized_focal_loss", points=1, title="gradients")
def loss_gradients(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "a gradient flows through w and log p, and none through beta"
    cases = [loss_case(rng, 1), loss_case(rng, 2, alpha=0.75), loss_case(rng, 1, gamma=3.0)]
    expect_losses(student, reference, cases, hint)


@check("normalized_focal_loss", points=1, title="ignored pixels, image by image")
def loss_ignored(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "each image has its own n and beta; ignored pixels are in none of them"
    cases = [loss_case(rng, 3, 0.3), loss_case(rng, 2, 0.4, alpha=0.7)]
    cases.append(loss_case(rng, 3, 0.3, ignore=-1))
    expect_values(student, reference, cases, hint)


@check("normalized_focal_loss", points=0.5, title="large logits")
def loss_large(student: Student, reference: Reference, rng: Rng) -> None:
    (logits, target), _ = loss_case(rng, 2)
    logits[0, 0, :5] = torch.tensor([-200.0, 200, -150, 300, 110])
    logits[1, 2, :2] = torch.tensor([250.0, -300])
    expect_losses(
        student, reference, [((logits, target), {"alpha": 0.7})], "F.logsigmoid is never infinite"
    )


@check("normalized_focal_loss", points=0.5, title="images of which nothing counts")
def loss_nothing(student: Student, reference: Reference, rng: Rng) -> None:
    (logits, target), _ = loss_case(rng, 3, 0.2)
    target[1] = 255
    given = logits.clone(), target.clone(), 0.7
    got, after = student.call_and_inputs("normalized_focal_loss", *given)
    expect_same((logits, target), after, "logits target")
    want = reference.call("normalized_focal_loss", logits, target, 0.7)
    hint = "leave such an image out of the mean"
    expect_array(got, want, name="the loss", rtol=1e-3, hint=hint)
    expect_losses(student, reference, [((logits, target), {"alpha": 0.7})], hint)  # 0 / 0 = nan


# ------------------------------------------------------------------ 7: Fourier features


def tokens_case(rng: Rng, number: int, height: int, width: int, half: int = 6) -> Case:
    """Clicks of both kinds, and random frequencies and codes."""
    clicks = some_clicks(rng, number, height, width, whole=number % 2 == 0)
    arrays = [clicks, rng.normal(size=(2, half)), rng.normal(0, 2, (2, 2 * half))]
    tensors = [torch.from_numpy(a.astype(np.float32)) for a in arrays]
    no_click = torch.from_numpy(rng.normal(0, 2, 2 * half).astype(np.float32))
    return *tensors, no_click, height, width


@check("encode_points", points=1, title="square images")
def tokens_square(student: Student, reference: Reference, rng: Rng) -> None:
    cases = [tokens_case(rng, 4, 64, 64), tokens_case(rng, 3, 16, 16, half=4)]
    compare_all(student, reference, "encode_points", cases, "the tokens")


@check("encode_points", points=1, title="other images")
def tokens_oblong(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "x is divided by the width, y by the height"
    cases = [tokens_case(rng, 5, 24, 60), tokens_case(rng, 2, 90, 32, half=math.prod((2, 5)))]
    compare_all(student, reference, "encode_points", cases, "the tokens", hint)


@check("encode_points", points=1, title="no click; inputs untouched")
def tokens_none(student: Student, reference: Reference, rng: Rng) -> None:
    clicks, *rest = tokens_case(rng, 6, 40, 56)
    clicks[[1, 4], 2] = -1
    cases: list[Case] = [(clicks[:0].clone(), *rest), (clicks[4:5].clone(), *rest)]
    answers = [student.call("encode_points", *case) for case in cases]
    given = (clicks, *rest)
    cases.append(tuple(a.clone() if isinstance(a, Tensor) else a for a in given))
    last, after = student.call_and_inputs("encode_points", *cases[-1])
    expect_same(given, after, "clicks frequencies codes no_click")
    for got, case in zip([*answers, last], cases, strict=True):
        want = reference.call("encode_points", *case)
        hint = "a row with label -1 is no_click and nothing else"
        expect_array(got, want, name="the tokens", rtol=1e-4, atol=1e-4, hint=hint)
