"""VGG's stages: sizes, widths, memory of the maxima."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from segedu.backbones.vgg import VGG, VGG16, from_torchvision, narrowed, stage
from tests.parity.helpers import random_images, randomize


@pytest.mark.parametrize(("height", "width"), [(32, 64), (33, 45), (1, 7)])
def test_pooling_rounds_up(height, width):
    maps = VGG(narrowed(0.125)).eval()(random_images(1, 3, height, width))
    expected = [(-(-height // 2**s), -(-width // 2**s)) for s in range(1, 6)]
    assert [tuple(m.shape[-2:]) for m in maps] == expected


def test_encode_gives_the_same_features():
    model = VGG(narrowed(0.125), batch_norm=True)
    randomize(model)
    images = random_images(2, 3, 37, 50)
    with torch.inference_mode():
        for plain, pooled in zip(model(images), model.encode(images), strict=True):
            torch.testing.assert_close(pooled.features, plain)
            assert pooled.indices.dtype == torch.int64
            assert int(pooled.indices.max()) < pooled.size[0] * pooled.size[1]


def test_five_stages_of_thirteen_convolutions():
    with torch.device("meta"):
        model = VGG()
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert [m.out_channels for m in convolutions] == [c for s in VGG16 for c in s]
    assert sum(p.numel() for p in model.parameters()) == 14_714_688  # torchvision's vgg16.features


def test_a_stage_of_transposed_convolutions_keeps_the_size():
    layers = stage(3, (4, 5), batch_norm=True, convolution=nn.ConvTranspose2d)
    assert layers(random_images(2, 3, 9, 11)).shape == (2, 5, 9, 11)


def test_widths():
    assert narrowed(0.25)[4] == (128, 128, 128)
    assert narrowed(0.1)[0] == (8, 8)


def test_torchvisions_classifier_is_left_out():
    state = {"features.0.weight": torch.zeros(64, 3, 3, 3), "classifier.0.weight": torch.zeros(1)}
    with pytest.raises(ValueError, match="zip"):  # one convolution is not thirteen
        from_torchvision(state)
