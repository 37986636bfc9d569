"""SegNet: unpooling, the mirrored decoder, sizes, gradients."""

from __future__ import annotations

import pytest
import torch

from segedu.backbones.vgg import VGG, VGG16, narrowed, unpool
from segedu.semantic import segnet
from segedu.semantic.segnet import decoder_channels
from tests.parity.helpers import random_images
from tests.semantic.networks import (
    assert_answers_every_size,
    assert_every_weight_learns,
    assert_exports,
    assert_images_of_a_batch_do_not_meet,
    half_precision_megabytes,
)


@pytest.mark.parametrize("size", [(8, 12), (9, 13), (1, 5)])
def test_unpooling_returns_maxima_to_their_places(size):
    encoder = VGG(narrowed(0.125)).eval()
    encoder.stages[0] = torch.nn.Identity()  # so that the first pooling sees the image itself
    encoder.stages = encoder.stages[:1]
    images = random_images(2, 3, *size)
    (pooled,) = encoder.encode(images)
    sparse = unpool(pooled.features, pooled)
    assert sparse.shape == images.shape
    kept = sparse != 0
    torch.testing.assert_close(sparse[kept], images[kept])  # each at its own place
    assert kept.sum() == pooled.features.numel()  # one from every window
    for top in range(0, size[0], 2):
        for left in range(0, size[1], 2):
            window = images[..., top : top + 2, left : left + 2]
            found = sparse[..., top : top + 2, left : left + 2]
            torch.testing.assert_close(found.sum((-2, -1)), window.amax((-2, -1)))


def test_decoder_mirrors_the_encoder():
    assert decoder_channels(VGG16, 11) == [
        [512, 512, 512],
        [512, 512, 256],
        [256, 256, 128],
        [128, 64],
        [64, 11],
    ]


def test_odd_maps_keep_their_size():
    """CamVid's 360 x 480: 45 rows at stride 8 give 23, and 45 again; at stride 16 23 give 12."""
    model = segnet(3, width=0.125).eval()
    with torch.inference_mode():
        found = model.intermediates(random_images(1, 3, 90, 120))
    rows = {name: features.shape[-2] for name, features in found.items()}
    assert [rows[f"pool{s}"] for s in range(1, 6)] == [45, 23, 12, 6, 3]
    assert [rows[f"unpool{s}"] for s in range(1, 6)] == [90, 45, 23, 12, 6]


def test_every_size():
    assert_answers_every_size(segnet(3, width=0.125), 3, [(1, 1), (31, 45), (64, 32)])


def test_batch():
    assert_images_of_a_batch_do_not_meet(segnet(3, width=0.125), (37, 48))


def test_every_weight_learns():
    assert_every_weight_learns(segnet(3, width=0.125), (64, 64))


def test_export():
    assert_exports(segnet(3, width=0.125), random_images(1, 3, 40, 56))


def test_a_small_one_can_be_shipped():
    assert half_precision_megabytes(segnet(19, width=0.25)) <= 4


def test_width_is_positive():
    with pytest.raises(ValueError, match="above 0"):
        segnet(3, width=0)
    assert narrowed(1.0) == VGG16 and narrowed(0.01) == tuple((8,) * len(s) for s in VGG16)
