"""The receptive field explorer counts paths as convolutions do, at the ends of its controls."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
import torch

from segedu.layers.atrous import atrous_convolution, receptive_field
from segedu.widgets import atrous_explorer
from segedu.widgets.demos.atrous import HEAT, MOST_LAYERS, OUTSIDE, PRESETS, path_counts
from segedu.widgets.demos.panels import GAP, TITLE


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)


@pytest.fixture
def demo(image):
    return atrous_explorer(image)


def decoded(stage):
    return cv2.imdecode(np.frombuffer(stage._picture, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


@pytest.mark.parametrize(
    ("kernel", "rates"), [(3, (2, 2, 2)), (3, (1, 2, 5)), (5, (3, 1)), (1, (4,)), (7, (2, 3, 1, 2))]
)
def test_counts_are_the_gradient_of_convolutions_of_ones(kernel, rates):
    side = receptive_field([(kernel, 1, rate) for rate in rates])
    x = torch.zeros(1, 1, side + 4, side + 4, dtype=torch.float64, requires_grad=True)
    y = x
    for rate in rates:
        y = atrous_convolution(y, torch.ones(1, 1, kernel, kernel, dtype=y.dtype), rate=rate)
    middle = (side + 4) // 2
    y[0, 0, middle, middle].backward()
    line = path_counts(kernel, rates)
    assert len(line) == side
    reach = side // 2
    inner = x.grad[0, 0, middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
    np.testing.assert_array_equal(inner, np.outer(line, line))
    assert x.grad.sum() == line.sum() ** 2  # nothing lies beyond the receptive field


def test_presets_and_their_numbers(demo):
    for name, (kernel, rates, stride) in PRESETS.items():
        demo.preset.value = name
        assert (demo.kernel.value, demo.used_rates, demo.stride.value) == (kernel, rates, stride)
        assert demo.numbers()["field"] == len(demo.counts())
        assert (decoded(demo.stage) == demo.picture()).all()
    demo.preset.value = "gridding 2-2-2"
    assert demo.numbers()["seen"] == pytest.approx((7 / 13) ** 2)
    assert "13 × 13" in demo.caption.value and "29%" in demo.caption.value
    demo.preset.value = "hybrid 1-2-5"
    assert demo.numbers()["seen"] == 1 and demo.numbers()["field"] == 17
    with pytest.raises(ValueError, match="hybrid 1-2-5"):
        atrous_explorer(demo.image, "3-3-3")


def test_moving_a_slider_names_the_setting(demo):
    demo.preset.value = "gridding 2-2-2"
    demo.rates[0].value = 1
    assert demo.preset.value == "your own" and demo.used_rates == (1, 2, 2)
    demo.rates[2].value = 5
    assert demo.preset.value == "hybrid 1-2-5"
    demo.preset.value = "your own"
    assert demo.used_rates == (1, 2, 5)


def test_extremes(demo):
    ends = [(c.min, c.max) for c in (demo.kernel, demo.layers)] + [(1, 24), (1, 16)]
    for kernel, layers, rate, stride in itertools.product(*ends):
        demo.kernel.value, demo.layers.value, demo.stride.value = kernel, layers, stride
        for control in demo.rates:
            control.value = rate
        for chosen in ((0.0, 0.0), (1 - 1e-6, 1 - 1e-6)):
            demo.chosen = chosen
            demo.show()
            picture = decoded(demo.stage)
            assert (picture == demo.picture()).all()
            assert picture.shape == (TITLE + 90, 120 + GAP + 90, 3)
            numbers = demo.numbers()
            assert 0 < numbers["inside"] <= 1 and 0 < numbers["seen"] <= 1
    assert sum(control.layout.display == "flex" for control in demo.rates) == MOST_LAYERS


def test_paths_beyond_the_image_are_told(demo):
    demo.preset.value = "ASPP: rate 18 at 1/16"
    demo.chosen = (0.5, 0.5)
    assert demo.numbers()["inside"] == pytest.approx(1 / 9)  # a 1 x 1 convolution in truth
    demo.show()
    assert "89% of the paths begin outside" in demo.caption.value
    assert (demo.picture()[TITLE + 1, -2] == OUTSIDE).all()
    demo.preset.value = "gridding 2-2-2"
    assert "outside" not in demo.caption.value


def test_what_is_painted_is_what_is_counted(image):
    demo = atrous_explorer(image * 0, "gridding 2-2-2")  # black: only the heat is left
    demo.chosen = (60.5 / 120, 45.5 / 90)
    shown = demo.picture()[TITLE:, :120]
    counts = demo.counts()
    field = shown[45 - 6 : 45 + 7, 60 - 6 : 60 + 7]
    assert ((field.sum(-1) > 0) == (counts > 0)).all()
    assert (field[6, 6] == np.rint(0.7 * HEAT[255])).all()


def test_click_and_arrows(demo):
    whole = (TITLE + 90, 120 + GAP + 90)
    demo.stage._receive(
        demo.stage,
        {"type": "click", "x": 30.5 / whole[1], "y": (TITLE + 80.5) / whole[0]},
        [],
    )
    assert demo.cell == (30, 80)
    demo.stage._receive(demo.stage, {"type": "click", "x": 0.95, "y": 0.5}, [])
    assert demo.cell == (30, 80)  # not on the photograph
    demo.stage._receive(demo.stage, {"type": "step", "by": 1}, [])
    assert demo.cell == (31, 80)
    demo.stride.value = 16
    demo.chosen = (0.999, 0.999)
    demo.stage._receive(demo.stage, {"type": "step", "by": 1}, [])
    assert demo.cell == (0, 0)
    demo.stage._receive(demo.stage, {"type": "step", "by": -1}, [])
    assert demo.cell == (7, 5)
