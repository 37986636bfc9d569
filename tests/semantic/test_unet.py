"""U-Net: both layouts, mirroring, sizes, gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from segedu.semantic import unet
from segedu.semantic.unet import center_crop, mirror, pad_to
from tests.parity.helpers import random_images, randomize
from tests.semantic.networks import (
    assert_answers_every_size,
    assert_every_weight_learns,
    assert_exports,
    assert_images_of_a_batch_do_not_meet,
    half_precision_megabytes,
)

SMALL = (4, 8, 8, 16, 16)
VALID = {"padding": "valid", "batch_norm": False}


def test_figure_1_of_the_paper():
    """572 pixels in, 388 out, and every map between as it is written there."""
    with torch.device("meta"):
        model = unet(2, in_channels=1, **VALID)
        found = model.trace(torch.zeros(1, 1, 572, 572))
    sizes = {name: (features.shape[1], features.shape[-1]) for name, features in found.items()}
    assert [sizes[f"down{n}"] for n in range(5)] == [
        (64, 568), (128, 280), (256, 136), (512, 64), (1024, 28),
    ]  # fmt: skip
    assert [sizes[f"up{n}"] for n in (3, 2, 1, 0)] == [(512, 56), (256, 104), (128, 200), (64, 392)]
    assert sizes["merge0"] == (64, 388) and sizes["logits"] == (2, 388)


def test_overlapping_tiles_join_without_a_seam():
    """Inside the image `forward` says what the unpadded network says of the tile around it."""
    model = unet(3, channels=SMALL, **VALID)
    randomize(model)
    image = random_images(1, 3, 16 * 13 + 60 + 4, 16 * 12 + 60 + 4)
    with torch.inference_mode():
        whole = model(image)
        # 92 mirrored pixels are 4 short of a multiple of 16: poolings meet from pixel 4 on.
        tile = model.trace(image[..., 4:, 4:])["logits"]
    height, width = tile.shape[-2:]
    torch.testing.assert_close(
        whole[..., 96 : 96 + height, 96 : 96 + width], tile, atol=1e-5, rtol=1e-4
    )


@pytest.mark.parametrize("border", [(2, 3), (9, 4), (30, 41)])
def test_mirror_is_numpys_reflection(border):
    image = np.random.default_rng(0).normal(size=(2, 3, 7, 5))
    expected = np.pad(image, ((0, 0), (0, 0), border, border[::-1]), mode="reflect")
    found = mirror(torch.from_numpy(image), border, border[::-1])
    np.testing.assert_array_equal(found.numpy(), expected)


def test_mirror_of_one_pixel():
    assert mirror(torch.ones(1, 1, 1, 1), (3, 2), (0, 4)).shape == (1, 1, 6, 5)


def test_crop_and_pad_keep_the_middle():
    features = torch.arange(25.0).view(1, 1, 5, 5)
    middle = center_crop(features, torch.zeros(1, 1, 3, 3))
    assert middle[0, 0, 1, 1] == 12
    padded = pad_to(middle, features)
    assert padded.shape == features.shape and padded[0, 0, 2, 2] == 12 and padded[0, 0, 0, 0] == 0
    assert pad_to(features, features) is features


@pytest.mark.parametrize("options", [{}, VALID])
def test_every_size(options):
    sizes = [(1, 1), (33, 47), (64, 32), (7, 200)]
    assert_answers_every_size(unet(3, channels=SMALL, **options), 3, sizes)


def test_fewer_levels():
    assert_answers_every_size(unet(3, channels=(4, 8, 16)), 3, [(5, 9), (16, 16)])
    assert_answers_every_size(unet(3, channels=(4, 8), **VALID), 3, [(5, 9), (16, 16)])


def test_batch():
    assert_images_of_a_batch_do_not_meet(unet(3, channels=SMALL), (40, 48))


@pytest.mark.parametrize("options", [{}, VALID])
def test_every_weight_learns(options):
    assert_every_weight_learns(unet(3, channels=SMALL, **options), (64, 64))


@pytest.mark.parametrize("options", [{}, VALID])
def test_export(options):
    assert_exports(unet(3, channels=SMALL, **options), random_images(1, 3, 40, 56))


def test_a_small_one_can_be_shipped():
    assert half_precision_megabytes(unet(19, channels=(16, 32, 64, 128, 256))) <= 4


def test_errors():
    with pytest.raises(ValueError, match='"same" or "valid"'):
        unet(3, padding="full")
    with pytest.raises(ValueError, match="two levels"):
        unet(3, channels=(64,))
