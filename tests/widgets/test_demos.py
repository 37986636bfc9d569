"""The demos at the extremes of their controls, without a browser; and what they promise."""

from __future__ import annotations

import asyncio
import itertools

import cv2
import numpy as np
import pytest

from segedu.superpixels import slic_steps
from segedu.superpixels.metrics import boundary_recall
from segedu.widgets import boundary_recall_curve, grabcut_stepper, rivals, slic_stepper
from segedu.widgets.demos.base import Stage, shrink
from segedu.widgets.demos.recall import line_chart


@pytest.fixture(scope="module")
def image():
    rng = np.random.default_rng(0)
    picture = np.full((60, 90, 3), (40, 80, 120), np.uint8)
    picture[15:45, 30:70] = (220, 160, 60)
    return (picture + rng.integers(0, 20, picture.shape)).astype(np.uint8)


@pytest.fixture(scope="module")
def truth():
    labels = np.zeros((60, 90), np.int32)
    labels[15:45, 30:70] = 1
    return labels


def decoded(stage):
    return cv2.imdecode(np.frombuffer(stage._picture, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def ends(control):
    return control.min, control.max


def test_stepper_shows_the_librarys_states_at_all_extremes(image):
    demo = slic_stepper(image)
    settings = itertools.product(ends(demo.n_segments), (0, 2), ends(demo.iteration))
    for k, power, iteration in settings:
        demo.n_segments.value, demo.compactness.value = k, 10.0**power
        demo.iteration.value = iteration
        assert not demo.busy
        expected = list(itertools.islice(slic_steps(image, k, 10.0**power), iteration + 1))
        assert demo.state.iteration == expected[-1].iteration
        assert (demo.state.labels == expected[-1].labels).all()
        assert (decoded(demo.stage) == demo.picture()).all()
        assert f"iteration {demo.state.iteration}<" in demo.caption.value


def test_stepper_going_back_computes_nothing_anew(image):
    demo = slic_stepper(image)
    last = demo.states
    demo.iteration.value = 3
    assert demo.states is last and demo.state is last[3]


def test_a_click_chooses_the_centre_and_arrows_walk(image):
    demo = slic_stepper(image, n_segments=24)
    demo.stage._receive(demo.stage, {"type": "click", "x": 0.01, "y": 0.01}, [])
    assert demo.center == 0
    before = demo.stage._picture
    demo.stage._receive(demo.stage, {"type": "step", "by": 1}, [])
    assert demo.center == 1 and demo.stage._picture != before
    demo.stage._receive(demo.stage, {"type": "step", "by": -1}, [])
    demo.stage._receive(demo.stage, {"type": "step", "by": -1}, [])
    assert demo.center == len(demo.states[0].centers) - 1
    demo.fill.value = True
    assert (decoded(demo.stage) == demo.picture()).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 2)])
def test_tiny_images(shape):
    tiny = np.zeros((*shape, 3), np.uint8)
    demo = slic_stepper(tiny)
    demo.n_segments.value = demo.n_segments.max
    assert demo.picture().shape[2] == 3
    assert rivals(tiny, np.zeros(shape, int)).picture().ndim == 3
    assert boundary_recall_curve(tiny, np.zeros(shape, int)).points["SLIC"][0][1] == 1.0


def test_rivals_at_the_extremes(image, truth):
    demo = rivals(image, truth)
    for name, control in demo.sliders.items():
        for value in ends(control):
            control.value = value
            labels = demo.labels[name]
            assert labels.shape == image.shape[:2] and labels.min() >= 0
            assert f"{len(np.unique(labels))} regions" in demo.captions[name].value
            assert f"recall {boundary_recall(labels, truth):.2f}" in demo.captions[name].value
            assert decoded(demo.stages[name]).shape == demo._drawn(name).shape
    assert "recall" not in rivals(image).captions["SLIC"].value


def test_a_truth_of_another_size_is_refused(image, truth):
    with pytest.raises(ValueError, match="truth must have shape"):
        rivals(image, truth[1:])
    with pytest.raises(ValueError, match="truth must have shape"):
        boundary_recall_curve(image, truth[1:])


def test_recall_curve(image, truth):
    demo = boundary_recall_curve(image, truth, numbers=(4, 16, 64))
    assert demo.progress.value == demo.progress.max == 15
    for tolerance in ends(demo.tolerance):
        demo.tolerance.value = tolerance
        for points in demo.points.values():
            assert len(points) == 3 and points == sorted(points)
            assert all(0 <= recall <= 1 for _, recall in points)
        assert f"recall, {tolerance} px" in demo.chart.value
    strict = dict(demo.points)
    demo.tolerance.value = 0
    for name, points in demo.points.items():
        assert all(a[1] <= b[1] for a, b in zip(points, strict[name], strict=True))
    squares = demo.points["squares"]
    for m in ends(demo.compactness):
        demo.compactness.value = m
        assert demo.points["squares"] == squares
    # Squares of 4 segments: sides of 36.7 pixels, so the grid is 2 x 3.
    assert squares[0][0] == 6


def test_recall_curve_finds_the_numbers_asked_for():
    rng = np.random.default_rng(1)
    blocks = rng.integers(0, 256, (12, 16, 3)).repeat(12, 0).repeat(12, 1)
    picture = (0.8 * blocks + rng.integers(0, 50, blocks.shape)).astype(np.uint8)
    truth = np.arange(12 * 16).reshape(12, 16).repeat(12, 0).repeat(12, 1)
    demo = boundary_recall_curve(picture, truth, numbers=(25, 50, 100, 200, 400))
    for name in ("SLIC", "graph-based", "QuickShift", "TurboPixels"):
        made = [x for x, _ in demo.points[name]]
        asked = (25, 100, 400) if name == "TurboPixels" else demo.numbers
        assert np.all(np.abs(np.log(np.divide(made, asked))) < np.log(1.3)), (name, made)


def test_chart_is_drawn_with_no_point_at_all():
    chart = line_chart({"SLIC": [], "squares": [(10, 0.5)]}, "K & more", "recall", (1, 100))
    assert chart.startswith("<svg") and chart.endswith("</svg>")
    assert "K &amp; more" in chart and chart.count('r="4"') == 1


def test_grabcut_stepper(image):
    demo = grabcut_stepper(image, (24, 10, 76, 50))
    inside = np.zeros((60, 90), bool)
    inside[15:45, 30:70] = True
    mask = demo.states[-1].mask
    assert (mask & inside).sum() / (mask | inside).sum() > 0.95
    for margin, iteration in itertools.product(ends(demo.margin), ends(demo.iteration)):
        demo.margin.value, demo.iteration.value = margin, iteration
        assert f"iteration {min(iteration, len(demo.states))}<" in demo.caption.value
        assert (decoded(demo.stage) == demo.picture()).all()
    demo.iteration.value = 0
    assert "only the box" in demo.caption.value


def test_a_drag_ends_the_work_of_the_one_before(image):
    """In an event loop the work goes on in slices, and only the newest one's."""

    async def drags():
        demo = rivals(image)
        slow = demo.sliders["TurboPixels"]
        for value in (20, 40, 60):
            slow.value = value
        while demo.busy:
            await asyncio.sleep(0.01)
        return demo

    demo = asyncio.run(drags())
    assert len(np.unique(demo.labels["TurboPixels"])) == 60
    assert (demo.labels["TurboPixels"] >= 0).all()


def test_every_demo_has_a_picture_where_no_kernel_runs(image, truth):
    for demo in (
        slic_stepper(image),
        rivals(image, truth),
        boundary_recall_curve(image, truth, numbers=(4, 16)),
        grabcut_stepper(image, (24, 10, 76, 50)),
    ):
        bundle = demo._repr_mimebundle_()
        assert "application/vnd.jupyter.widget-view+json" in bundle
        picture = cv2.imdecode(np.frombuffer(bundle["image/png"], np.uint8), cv2.IMREAD_COLOR)
        assert (picture[..., ::-1] == demo.picture()).all()


def test_stage_without_a_listener_ignores_clicks():
    stage = Stage("a picture")
    stage.paint(np.zeros((4, 5, 3), np.uint8))
    stage._receive(stage, {"type": "click", "x": 0.5, "y": 0.5}, [])
    assert decoded(stage).shape == (4, 5, 3) and not stage.clickable


def test_shrink_keeps_what_is_small_enough(image):
    assert shrink(image, 90) is image
    assert shrink(image, 45).shape == (30, 45, 3)
    assert shrink(np.zeros((1, 100, 3), np.uint8), 10).shape == (1, 10, 3)
