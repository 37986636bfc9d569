"""The click explorer without a browser: the library's answers, and clicks that can be dragged."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from segedu.interactive import RITM, Click, Prompts, ZoomIn, ritm_hrnet18s
from segedu.widgets import click_explorer
from segedu.widgets.demos.clicks import WORKING_SIDE

CLICKS = (Click(60.5, 50.5), Click(90.5, 40.5, positive=False), Click(70.5, 60.5))


def image(height=120, width=160):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def small_net():
    torch.manual_seed(0)
    net = ritm_hrnet18s(width=6, blocks=1, modules=(1, 1, 1), stem_width=16, ocr_width=8, scale=1.0)
    with torch.no_grad():
        net.score.weight.mul_(4)  # some probabilities on both sides of the threshold
    return net.eval()


@pytest.fixture
def demo():
    truth = np.zeros((120, 160), bool)
    truth[20:80, 30:100] = True
    return click_explorer(image(), small_net(), truth=truth, clicks=CLICKS)


@pytest.mark.parametrize("zoom", [False, True])
def test_answers_are_the_librarys(demo, zoom):
    demo.zoom.value = zoom
    method = RITM(small_net(), device="cpu", flip=False)
    if zoom:
        method = ZoomIn(method, target_size=WORKING_SIDE, min_crop=100)
    method.set_image(image())
    for n in range(1, 4):
        answer = method.predict(Prompts(clicks=CLICKS[:n]))
        np.testing.assert_array_equal(demo.answers[n - 1][0] > 0.49, answer.mask)
    assert (demo.answers[-1][1] is not None) == (zoom and bool(demo.answers[1][0].max() > 0.5))


def test_drag_moves_a_click_and_answers_only_what_follows(demo):
    first = demo.answers[0]
    wide, _ = demo.shown
    share = wide / demo.picture().shape[1]
    x, y = CLICKS[1].x / 160 * share, CLICKS[1].y / 120
    demo._drag("press", x, y, False)
    assert demo.clicks == CLICKS  # taken, no new one
    demo._drag("drag", 100 / 160 * share, 90 / 120, False)
    demo._drag("release", 0, 0, False)
    assert demo.clicks[1] == Click(100.5, 90.5, positive=False)
    assert demo.answers[0] is first and len(demo.answers) == 3
    demo._drag("drag", 0, 0, False)  # nothing is held any more
    assert demo.clicks[1] == Click(100.5, 90.5, positive=False)


def test_press_elsewhere_makes_a_click_and_take_back_removes_it(demo):
    demo._drag("press", 0.01, 0.99, True)
    assert len(demo.answers) == 4 and not demo.clicks[-1].positive
    demo._drag("drag", -3, 9, True)  # beyond the picture: stays within
    assert demo.clicks[-1] == Click(0.5, 119.5, positive=False)
    demo._drag("release", 0, 0, False)
    demo._drag("press", 0.99, 0.5, False)  # on the small panels: no click
    assert len(demo.clicks) == 4
    for _ in range(5):
        demo.undo.click()
    assert demo.clicks == () and demo.answers == [] and not demo.mask.any()


def test_maps_follow_the_radius(demo):
    demo.zoom.value = False
    areas = []
    for radius in (1, 5, 25):
        demo.radius.value = radius
        _, maps, _ = demo.seen()
        areas.append(maps.sum())
    assert areas[0] == 3 * 5  # each disk of radius 1 has five pixels
    assert areas[0] < areas[1] < areas[2]


def test_previous_mask_is_seen_when_asked_for(demo):
    demo.zoom.value = False
    np.testing.assert_array_equal(demo.seen()[2], demo.answers[-2][0])
    demo.previous.value = False
    assert not demo.seen()[2].any()


def test_picture_has_one_size_at_all_settings(demo):
    shape = demo.picture().shape
    for zoom in (False, True):
        for radius in (1, 25):
            demo.zoom.value, demo.radius.value = zoom, radius
            assert demo.picture().shape == shape
    assert "IoU after each" in demo.caption.value
