"""FCN: bilinear kernels, alignment of the streams, sizes, gradients."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from segedu.semantic import FCN, fcn8s, fcn16s, fcn32s
from segedu.semantic.fcn import BilinearDeconvolution, bilinear_kernel, crop
from tests.parity.helpers import random_images, randomize
from tests.semantic.networks import (
    assert_answers_every_size,
    assert_every_weight_learns,
    assert_exports,
    assert_images_of_a_batch_do_not_meet,
    half_precision_megabytes,
)

SMALL = {"width": 0.125, "head_channels": 16}


@pytest.mark.parametrize("factor", [2, 8, 16, 32])
def test_bilinear_deconvolution_is_bilinear_interpolation(factor):
    maps = random_images(2, 3, 5, 7)
    layer = BilinearDeconvolution(3, factor)
    # Interpolation repeats the border's value; the deconvolution meets zeros there.
    padded = nn.functional.pad(maps, (1, 1, 1, 1), mode="replicate")
    start = factor + factor // 2
    enlarged = layer(padded)[..., start : start + 5 * factor, start : start + 7 * factor]
    expected = nn.functional.interpolate(
        maps, scale_factor=factor, mode="bilinear", align_corners=False
    )
    torch.testing.assert_close(enlarged, expected, atol=1e-5, rtol=1e-5)


def test_kernels_by_hand():
    expected = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4
    torch.testing.assert_close(bilinear_kernel(4), expected[:, None] * expected)
    expected = torch.tensor([1.0, 2.0, 1.0]) / 2
    torch.testing.assert_close(bilinear_kernel(3), expected[:, None] * expected)
    assert bilinear_kernel(1).tolist() == [[1.0]]
    with pytest.raises(ValueError, match="at least 1"):
        bilinear_kernel(0)


def test_classes_do_not_mix_before_training():
    layer = BilinearDeconvolution(3, 4)
    maps = torch.zeros(1, 3, 4, 4)
    maps[0, 1] = 1
    enlarged = layer(maps)
    assert enlarged[0, 1].max() == 1 and enlarged[0, [0, 2]].abs().max() == 0


def test_crop():
    features = torch.arange(36.0).view(1, 1, 6, 6)
    assert crop(features, 2, torch.zeros(1, 9, 2, 3)).tolist() == [[[[14, 15, 16], [20, 21, 22]]]]


@pytest.mark.parametrize("stride", [32, 16, 8])
@pytest.mark.parametrize("place", [(100, 140), (64, 180), (163, 37)])
def test_streams_are_aligned_with_the_pixels(stride, place):
    """With kernels that only look at their own pixel, a dot answers where it stands."""
    model = FCN(2, stride, width=0.125, head_channels=8).eval()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.zero_()
                module.bias.zero_()
                k = module.kernel_size[0]
                module.weight[:, :, k // 2, k // 2] = 1 / module.in_channels
    images = torch.zeros(1, 3, 224, 224)
    y, x = place
    images[..., y, x] = 1
    with torch.inference_mode():
        found = model.intermediates(images)
    response = found["logits"][0, 0]
    mass = response / response.sum()
    rows, cols = torch.arange(224.0) + 0.5, torch.arange(224.0) + 0.5
    # The dot is anywhere in its cell: each stream is off by half a cell of its stride at most.
    assert abs(float((mass.sum(1) * rows).sum()) - (y + 0.5)) <= 16
    assert abs(float((mass.sum(0) * cols).sum()) - (x + 0.5)) <= 16
    if stride == 8:
        model.score.weight.data.zero_()
        model.score_pool4.weight.data.zero_()
        with torch.inference_mode():
            response = model(images)[0, 0]
        peak = torch.nonzero(response == response.max()).float().mean(0)
        assert (peak - torch.tensor([float(y), float(x)])).abs().max() <= 4


@pytest.mark.parametrize("builder", [fcn32s, fcn16s, fcn8s])
def test_every_size(builder):
    assert_answers_every_size(builder(3, **SMALL), 3, [(1, 1), (33, 47), (64, 32)])


def test_batch():
    assert_images_of_a_batch_do_not_meet(fcn8s(3, **SMALL), (32, 48))


def test_every_weight_but_the_last_deconvolution_learns():
    model = fcn8s(3, **SMALL, batch_norm=True)
    assert_every_weight_learns(model, (40, 48))
    assert [n for n, p in model.named_parameters() if not p.requires_grad] == ["up_final.weight"]


def test_scores_start_at_zero():
    with torch.inference_mode():
        assert fcn8s(3, **SMALL)(random_images(1, 3, 32, 32)).abs().max() == 0


def test_at_once_version_scales_the_skips():
    plain, scaled = (fcn8s(3, **SMALL, scale_scores=s) for s in (False, True))
    randomize(plain)
    scaled.load_state_dict(plain.state_dict())
    scaled.eval()
    with torch.no_grad():
        scaled.score_pool4.weight *= 100
        scaled.score_pool3.weight *= 10_000
    images = random_images(1, 3, 40, 40)
    with torch.inference_mode():
        torch.testing.assert_close(scaled(images), plain(images), atol=1e-4, rtol=1e-4)


def test_intermediates_are_named():
    model = fcn8s(3, **SMALL).eval()
    with torch.inference_mode():
        found = model.intermediates(random_images(1, 3, 64, 96))
    names = {"fc7", "score", "score_pool4", "score_pool3", "sum_pool4", "sum_pool3", "logits"}
    assert set(found) == {f"pool{s}" for s in range(1, 6)} | names
    assert found["pool3"].shape[-2:] == (33, 37)  # (64 + 198) / 8, (96 + 198) / 8, rounded up


def test_export():
    assert_exports(fcn8s(3, **SMALL), random_images(1, 3, 40, 56))


def test_a_small_one_can_be_shipped():
    assert half_precision_megabytes(fcn8s(19, width=0.25, head_channels=128)) <= 4


def test_unknown_stride():
    with pytest.raises(ValueError, match="stride 32, 16 or 8"):
        FCN(3, 4)
