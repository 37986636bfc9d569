"""The robot that clicks: its place by hand, by a literal search, and as RITM's own code clicks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from segedu.interactive import Click, Prediction, Prompts, click_through, next_click, noc
from segedu.interactive.clicks import depth, iou
from tests.parity.helpers import reference
from tests.requirements_of_machine import needs_references

masks = arrays(bool, (7, 9))


def literal_depth(region):
    """Distance of each pixel of the region to the nearest pixel that is not in it, by search."""
    height, width = region.shape
    outside = [
        (i, j)
        for i in range(-1, height + 1)
        for j in range(-1, width + 1)
        if not (0 <= i < height and 0 <= j < width and region[i, j])
    ]
    return np.array(
        [
            [min(math.dist((i, j), other) for other in outside) for j in range(width)]
            for i in range(height)
        ]
    )


@given(masks)
@settings(max_examples=30, deadline=None)
def test_depth_is_the_distance_to_what_is_outside(region):
    np.testing.assert_allclose(depth(region), literal_depth(region), atol=1e-4)


def test_first_click_is_the_middle_of_the_object():
    truth = np.zeros((40, 60), bool)
    truth[10:21, 20:45] = True
    assert next_click(np.zeros_like(truth), truth) == Click(25.5, 15.5, True)


def test_the_frame_bounds_a_region():
    whole = np.ones((11, 11), bool)
    assert next_click(~whole, whole) == Click(5.5, 5.5, True)


def test_the_larger_error_is_clicked():
    truth = np.zeros((30, 60), bool)
    truth[5:12, 5:12] = True
    mask = np.zeros_like(truth)
    mask[10:25, 35:50] = True  # deeper than what is missing
    assert next_click(mask, truth) == Click(42.5, 17.5, False)


def test_ignored_pixels_are_no_error():
    truth = np.zeros((20, 20), bool)
    truth[5:15, 5:15] = True
    assert next_click(truth, truth) is None
    assert next_click(~truth & truth, truth, ignored=truth) is None
    assert iou(np.zeros_like(truth), truth, ignored=truth) == 1


def test_no_pixel_is_clicked_twice():
    truth = np.zeros((5, 5), bool)
    truth[2, 1:4] = True
    nothing = np.zeros_like(truth)
    before = []
    for column in (1, 2, 3):
        before.append(next_click(nothing, truth, before=before))
        assert before[-1] == Click(column + 0.5, 2.5, True)
    assert next_click(nothing, truth, before=before) is None


@given(masks, masks, masks)
@settings(max_examples=60, deadline=None)
def test_as_the_definition_says(mask, truth, ignored):
    """The larger error's deepest pixel, the first of equals; negative where both are as deep."""
    missing = np.round(literal_depth(truth & ~mask & ~ignored), 4)
    covered = np.round(literal_depth(~truth & mask & ~ignored), 4)
    got = next_click(mask, truth, ignored)
    if max(missing.max(), covered.max()) == 0:
        assert got is None
        return
    positive = missing.max() > covered.max()
    depths = missing if positive else covered
    row, column = np.argwhere(depths == depths.max())[0]
    assert got == Click(column + 0.5, row + 0.5, bool(positive))


@needs_references
def test_as_the_code_of_ritm_clicks(monkeypatch):
    monkeypatch.setattr(np, "int", int, raising=False)  # NumPy had it when that was written
    rng = np.random.default_rng(0)
    with reference("SamsungLabs+ritm_interactive_segmentation") as load:
        clicker = load("isegm.inference.clicker")
        for _ in range(20):
            truth, mask, ignored = (_blob(rng) for _ in range(3))
            robot = clicker.Clicker(gt_mask=np.where(ignored, -1, truth).astype(np.int32))
            before = []
            for _ in range(5):
                robot.make_next_click(mask)
                theirs = robot.get_clicks()[-1]
                ours = next_click(mask, truth, ignored, before)
                before.append(ours)
                assert (int(ours.y), int(ours.x)) == theirs.coords
                assert ours.positive == theirs.is_positive
                mask = mask ^ _blob(rng)


def _blob(rng, shape=(60, 80)):
    y, x = np.mgrid[: shape[0], : shape[1]]
    cy, cx = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
    return (y - cy) ** 2 + (x - cx) ** 2 < rng.uniform(5, 30) ** 2


class Painter:
    """Paints a disk around each positive click."""

    accepts = frozenset({"click"})

    def set_image(self, image):
        self.shape = image.shape[:2]
        self.asked = []

    def predict(self, prompts: Prompts) -> Prediction:
        self.asked.append(prompts)
        y, x = np.mgrid[: self.shape[0], : self.shape[1]]
        mask = np.zeros(self.shape, bool)
        for click in prompts.clicks:
            mask |= click.positive & ((y - click.y) ** 2 + (x - click.x) ** 2 < 15**2)
        return Prediction(mask)


def test_the_robot_goes_on_until_it_is_good_enough():
    truth = np.zeros((60, 200), bool)
    truth[20:40, 20:180] = True
    method = Painter()
    trace = click_through(method, np.zeros((60, 200, 3), np.uint8), truth, until=0.6)
    assert trace.ious[-1] >= 0.6 > max(trace.ious[:-1])
    assert len(trace.clicks) == len(trace.ious) == len(trace.seconds) == len(method.asked)
    assert method.asked[0].previous_mask is None
    np.testing.assert_array_equal(
        method.asked[1].previous_mask, method.predict(Prompts(clicks=(trace.clicks[0],))).mask
    )
    assert trace.ious[-1] == iou(trace.mask, truth)
    capped = click_through(method, np.zeros((60, 200, 3), np.uint8), truth, max_clicks=2)
    assert capped.clicks == trace.clicks[:2]


def test_wrong_requests_are_refused():
    image = np.zeros((10, 10, 3), np.uint8)
    with pytest.raises(ValueError, match="empty"):
        click_through(Painter(), image, np.zeros((10, 10), bool))

    class Boxes(Painter):
        accepts = frozenset({"box"})

    with pytest.raises(ValueError, match="Boxes does not take clicks"):
        click_through(Boxes(), image, np.ones((10, 10), bool))


@pytest.mark.parametrize(
    ("ious", "threshold", "expected"),
    [
        ([0.2, 0.86, 0.8, 0.95], 0.85, 2),
        ([0.2, 0.86, 0.8, 0.95], 0.9, 4),
        ([0.9], 0.9, 1),
        ([0.1] * 20, 0.85, 20),
        ([], 0.85, 20),
        ([0.1] * 20 + [0.99], 0.85, 20),
    ],
)
def test_noc(ious, threshold, expected):
    assert noc(ious, threshold) == expected
