"""DeconvNet: the bottleneck, sizes below it, gradients."""

from __future__ import annotations

import pytest
import torch

from segedu.semantic import deconvnet
from tests.parity.helpers import random_images, randomize
from tests.semantic.networks import (
    assert_answers_every_size,
    assert_every_weight_learns,
    assert_exports,
    assert_images_of_a_batch_do_not_meet,
    half_precision_megabytes,
)

SMALL = {"width": 0.125, "head_channels": 16}


def test_the_papers_image_becomes_one_vector():
    model = deconvnet(3, **SMALL).eval()
    with torch.inference_mode():
        found = model.intermediates(random_images(1, 3, 224, 224))
    assert found["fc7"].shape == (1, 16, 1, 1)
    assert found["fc6_deconv"].shape[-2:] == found["pool5"].shape[-2:] == (7, 7)
    assert [found[f"unpool{s}"].shape[-1] for s in range(5, 0, -1)] == [14, 28, 56, 112, 224]


def test_smallest_size():
    model = deconvnet(3, **SMALL).eval()
    assert model.minimum_size == 193
    with torch.inference_mode():
        assert model.intermediates(random_images(1, 3, 193, 225))["fc7"].shape[-2:] == (1, 2)


def test_a_smaller_image_is_padded_with_zeros():
    model = deconvnet(3, **SMALL, bottleneck=3).eval()
    randomize(model)
    images = random_images(1, 3, 50, 70)
    padded = torch.zeros(1, 3, 65, 70)
    padded[..., :50, :] = images
    with torch.inference_mode():
        torch.testing.assert_close(model(images), model(padded)[..., :50, :])


def test_every_size():
    model = deconvnet(3, **SMALL, bottleneck=2)
    assert_answers_every_size(model, 3, [(1, 1), (33, 47), (64, 37)])


def test_batch():
    assert_images_of_a_batch_do_not_meet(deconvnet(3, **SMALL, bottleneck=2), (40, 48))


def test_every_weight_learns():
    assert_every_weight_learns(deconvnet(3, **SMALL, bottleneck=2), (64, 64))


def test_export():
    assert_exports(deconvnet(3, **SMALL, bottleneck=2), random_images(1, 3, 40, 56))


def test_a_small_one_can_be_shipped():
    model = deconvnet(19, width=0.1875, head_channels=128, bottleneck=3)
    assert half_precision_megabytes(model) <= 4


def test_bottleneck_is_positive():
    with pytest.raises(ValueError, match="at least 1"):
        deconvnet(3, bottleneck=0)
