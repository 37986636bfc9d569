"""What the attention demo shows is the network's attention, at the ends of its controls."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
import torch

from segedu.images import to_tensor
from segedu.semantic import segformer_b0
from segedu.widgets import attention_explorer
from segedu.widgets.demos.attention import GAP, TITLE
from tests.parity.helpers import randomize


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 256, (64, 128, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model():
    return randomize(segformer_b0(3, width=0.25))


@pytest.fixture
def demo(model, image):
    return attention_explorer(model, image)


def decoded(stage):
    return cv2.imdecode(np.frombuffer(stage._picture, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_shows_the_networks_attention(demo, model, image):
    with torch.inference_mode():
        images = model.normalization.apply(to_tensor(image)[None])
        found = model.intermediates(images, attention=True)
    corners = [(0.0, 0.0), (1 - 1e-6, 1 - 1e-6), (0.3, 0.7)]
    for head, chosen, s in itertools.product((0, 1, demo.head.max), corners, range(4)):
        demo.head.value, demo.chosen = head, chosen
        weights = found[f"attention{s + 1}"][0]  # (h, H, W, H_k, W_k)
        row, col = int(chosen[1] * weights.shape[1]), int(chosen[0] * weights.shape[2])
        seen = weights[:, row, col]
        expected = seen.mean(0) if head == 0 else seen[min(head, len(seen)) - 1]
        np.testing.assert_allclose(demo.looks_at(s), expected, atol=1e-6)
        assert abs(demo.looks_at(s).sum() - 1) < 1e-4


def test_click_on_any_panel_chooses_the_same_pixel(demo):
    width, height = demo.panel
    full = (2 * width + GAP, 2 * (height + TITLE))
    for across, down in itertools.product((0, width + GAP), (0, height + TITLE)):
        demo._choose((across + 0.25 * width) / full[0], (down + TITLE + 0.6 * height) / full[1])
        np.testing.assert_allclose(demo.chosen, (0.25, 0.6), atol=1e-3)
        assert (decoded(demo.stage) == demo.picture()).all()
        assert demo.picture().shape == (full[1], full[0], 3)
    demo._choose(0, 0)  # on the title
    assert demo.chosen == (0, 0)


def test_arrow_keys_walk_over_all_tokens_and_return(demo):
    rows, cols = demo.attention[3].shape[1:3]
    demo.chosen = (0.5 / cols, 0.5 / rows)
    seen = set()
    for _ in range(rows * cols):
        seen.add(demo.token(3))
        demo.stage._on_step(1)
    assert len(seen) == rows * cols and demo.token(3) == (0, 0)
    demo.stage._on_step(-1)
    assert demo.token(3) == (rows - 1, cols - 1)


def test_opacity(demo):
    demo.opacity.value = 0
    without = demo.picture()
    demo.head.value = 1
    assert (demo.picture() == without).all()
    demo.opacity.value = 100
    assert (demo.picture() != without).any()


def test_model_keeps_its_mode(image):
    model = segformer_b0(3, width=0.25).train()
    attention_explorer(model, image)
    assert model.training


def test_a_click_is_answered_without_running_the_network(demo, monkeypatch):
    monkeypatch.setattr(torch.nn.Module, "__call__", None)
    demo._choose(0.2, 0.2)
    assert "stage 4" in demo.caption.value
