"""Stacked hourglass: heatmaps of all stacks, unused convolutions, sizes, gradients."""

from __future__ import annotations

import pytest
import torch

from segedu.semantic import stacked_hourglass
from tests.parity.helpers import count_parameters, random_images, randomize
from tests.semantic.networks import (
    assert_answers_every_size,
    assert_every_weight_learns,
    assert_exports,
    assert_images_of_a_batch_do_not_meet,
    half_precision_megabytes,
)

SMALL = {"features": 16}


def test_heatmaps_of_every_stack():
    model = stacked_hourglass(5, stacks=3, **SMALL)
    randomize(model)
    with torch.inference_mode():
        heatmaps = model.heatmaps(random_images(2, 3, 64, 96))
        found = model.intermediates(random_images(2, 3, 64, 96))
    assert heatmaps.shape == (2, 3, 5, 16, 24)
    assert (heatmaps[:, 0] - heatmaps[:, 1]).abs().max() > 1e-3
    torch.testing.assert_close(heatmaps[:, 1], found["heatmaps1"])
    large = torch.nn.functional.interpolate(
        heatmaps[:, -1, :, :, :], size=(64, 96 + 32), mode="bilinear"
    )
    assert found["logits"].shape == (2, 5, 64, 96) and large.shape[-1] == 128


def test_logits_are_the_last_heatmaps_enlarged():
    model = stacked_hourglass(3, **SMALL)
    randomize(model)
    images = random_images(1, 3, 64, 128)
    with torch.inference_mode():
        expected = torch.nn.functional.interpolate(
            model.heatmaps(images)[:, -1], scale_factor=4, mode="bilinear", align_corners=False
        )
        torch.testing.assert_close(model(images), expected)


def test_an_odd_image_is_padded_with_zeros():
    model = stacked_hourglass(3, **SMALL)
    randomize(model)
    images = random_images(1, 3, 50, 70)
    padded = torch.zeros(1, 3, 64, 128)
    padded[..., :50, :70] = images
    with torch.inference_mode():
        torch.testing.assert_close(model(images), model(padded)[..., :50, :70])
        assert model.heatmaps(images).shape[-2:] == (13, 18)


def test_every_size():
    assert_answers_every_size(stacked_hourglass(3, **SMALL), 3, [(1, 1), (33, 47), (64, 32)])


def test_batch():
    assert_images_of_a_batch_do_not_meet(stacked_hourglass(3, **SMALL), (40, 48))


def test_unused_convolutions_are_frozen_and_the_rest_learns():
    model = stacked_hourglass(3, **SMALL)
    assert_every_weight_learns(model, (64, 64))
    frozen = sum(p.numel() for p in model.parameters() if not p.requires_grad)
    lean = stacked_hourglass(3, unused_skips=False, **SMALL)
    assert_every_weight_learns(lean, (64, 64))
    assert all(p.requires_grad for p in lean.parameters())
    assert count_parameters(model) - frozen == count_parameters(lean)
    assert set(lean.state_dict()) < set(model.state_dict())


def test_export():
    assert_exports(stacked_hourglass(3, stacks=1, **SMALL), random_images(1, 3, 40, 56))


def test_a_small_one_can_be_shipped():
    model = stacked_hourglass(19, stacks=2, features=128, unused_skips=False)
    assert half_precision_megabytes(model) <= 4


def test_errors():
    with pytest.raises(ValueError, match="one stack"):
        stacked_hourglass(3, stacks=0)
    with pytest.raises(ValueError, match="multiple of 8"):
        stacked_hourglass(3, features=20)
