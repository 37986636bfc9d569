"""The demo of four ways to upsample, at the extremes of its controls."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from segedu.semantic.fcn import bilinear_kernel
from segedu.widgets import upsampling
from segedu.widgets.demos.upsampling import METHODS, SHAPES, SIDE, draw_blob, transposed


def decoded(stage):
    return cv2.imdecode(np.frombuffer(stage._picture, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


@pytest.mark.parametrize("shape", SHAPES)
def test_extremes(shape):
    demo = upsampling(shape)
    for factor in (demo.factor.min, demo.factor.max):
        demo.factor.value = factor
        assert demo.stamps.max == demo.stamps.value == (SIDE // factor) ** 2
        for size in (demo.size.min, demo.size.max):
            demo.size.value = size
            for kernel in demo.kernel.options:
                demo.kernel.value = kernel
                maps = demo.maps()
                assert all(maps[name].shape == (SIDE, SIDE) for name in METHODS)
                assert (decoded(demo.stage) == demo.picture()).all()
    with pytest.raises(ValueError, match="disk, ring"):
        draw_blob("star", 0.5, 0.5)


def test_stamps_add_up():
    """Each way is linear: the picture after k stamps plus the rest is the whole."""
    demo = upsampling("ring", factor=3)
    whole = demo.maps()
    assert whole["unpooling"].max() == whole["pooled"].max()
    demo.stamps.value = 0
    assert all(demo.maps()[name].max() == 0 for name in METHODS)
    demo.stamps.value = 20
    before = demo.maps()
    demo.stamps.value = 21
    stamp = {name: demo.maps()[name] - before[name] for name in METHODS}
    value = whole["pooled"].flatten()[20]
    assert np.isclose(stamp["unpooling"].sum(), value)
    assert np.isclose(stamp["nearest"].sum(), 9 * value)
    assert "21 of 64 stamps" in demo.caption.value


def test_bilinear_stamp_is_bilinear_interpolation_inside():
    demo = upsampling("disk", factor=4)
    assert demo.size.value == 8
    maps = demo.maps()
    inside = np.s_[4:-4, 4:-4]
    np.testing.assert_allclose(
        maps["transposed convolution"][inside], maps["bilinear"][inside], atol=1e-6
    )


def test_checkerboard_is_announced():
    demo = upsampling(factor=2)
    demo.size.value = 3
    assert demo.coverage() == (1, 4) and "checkerboard" in demo.caption.value
    demo.size.value = 4
    assert demo.coverage() == (4, 4) and "evenly" in demo.caption.value
    demo.size.value = 1
    assert demo.coverage() == (0, 1)


@pytest.mark.parametrize(("size", "factor"), [(1, 4), (2, 3), (5, 2), (9, 4), (4, 2)])
def test_transposed_is_centred(size, factor):
    pooled = torch.zeros(1, 1, 5, 5)
    pooled[0, 0, 2, 2] = 1
    made = transposed(pooled, bilinear_kernel(size), factor)[0, 0]
    assert made.shape == (5 * factor, 5 * factor)
    rows = torch.arange(5 * factor) + 0.5
    center = float((made.sum(1) * rows).sum() / made.sum())
    assert abs(center - 2.5 * factor) <= 0.5


def test_a_click_moves_the_blob_in_every_panel():
    demo = upsampling()
    before = demo.stage._picture
    for x in (0.08, 0.42, 0.76):  # at the same place of three panels
        demo.stage._receive(demo.stage, {"type": "click", "x": x, "y": 0.6}, [])
        assert abs(demo.place[0] - 0.25) < 0.05
    assert demo.stage._picture != before
    demo.stage._receive(demo.stage, {"type": "step", "by": -1}, [])
    assert demo.stamps.value == demo.stamps.max - 1
