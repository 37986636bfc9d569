"""DeepLab v1 and v2: sizes as in Caffe, what atrous convolution keeps, the scales' maximum."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from segedu.semantic.deeplab import deeplab_v1, deeplab_v2
from tests.parity.helpers import random_images
from tests.semantic.networks import assert_exports

SMALL = {"blocks": (1, 1, 1, 1), "width": 8}


@pytest.mark.parametrize("size", [(65, 97), (64, 64), (50, 31)])
@pytest.mark.parametrize(
    "build",
    [
        lambda: deeplab_v1(5, width=0.05, batch_norm=True),
        lambda: deeplab_v2(5, **SMALL),
        lambda: deeplab_v2(5, **SMALL, scales=(0.5, 0.75)),
    ],
)
def test_logits_have_the_images_size_and_gradients_reach_every_weight(build, size):
    net = build()
    logits = net(torch.randn(2, 3, *size))
    assert logits.shape == (2, 5, *size)
    logits.square().mean().backward()
    assert not [n for n, p in net.named_parameters() if not p.grad.abs().sum() > 0]


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2)])
def test_tiny_images_at_several_scales(size):
    net = deeplab_v2(5, **SMALL, scales=(0.5, 0.75)).eval()
    logits = net(torch.randn(1, 3, *size))
    assert logits.shape == (1, 5, *size) and logits.isfinite().all()


@pytest.mark.parametrize(
    "build",
    [
        lambda: deeplab_v1(3, width=0.05, batch_norm=True),
        lambda: deeplab_v2(3, **SMALL),
        lambda: deeplab_v2(3, **SMALL, scales=(0.5, 0.75)),
    ],
)
def test_exports(build):
    assert_exports(build(), random_images(1, 3, 40, 56))


@pytest.mark.parametrize(
    "build", [lambda: deeplab_v1(2, width=0.05), lambda: deeplab_v2(2, **SMALL)]
)
def test_sizes_of_caffe(build):
    """321 pixels, the crops of the authors, become 41."""
    assert build().eval().intermediates(torch.zeros(1, 3, 321, 33))["score"].shape[-2:] == (41, 5)


def test_atrous_convolution_computes_what_the_strided_network_would():
    """The trick itself (section 3.1): dropping a stride and spreading the kernels changes nothing
    at the places that the strided network computed.
    """
    x = torch.randn(1, 4, 33, 33)
    pool = nn.MaxPool2d(3, 2, 1)
    dense_pool = nn.MaxPool2d(3, 1, 1)
    layer = nn.Conv2d(4, 6, 3, padding=1)
    spread = nn.Conv2d(4, 6, 3, padding=2, dilation=2)
    spread.load_state_dict(layer.state_dict())
    torch.testing.assert_close(spread(dense_pool(x))[..., ::2, ::2], layer(pool(x)))


def test_large_field_of_view():
    """fc6 sees 25 pixels of the map: three taps, 12 apart."""
    fc6 = deeplab_v1(2, width=0.05).fc6
    x = torch.zeros(1, fc6.in_channels, 41, 41, requires_grad=True)
    fc6(x)[0, 0, 20, 20].backward()
    rows = x.grad[0].abs().sum(0).nonzero()[:, 0].unique()
    assert rows.tolist() == [8, 20, 32]


def test_scales_only_raise_scores():
    one, several = deeplab_v2(3, **SMALL).eval(), deeplab_v2(3, **SMALL, scales=(0.5,)).eval()
    several.load_state_dict(one.state_dict())
    images = torch.randn(1, 3, 65, 65)
    with torch.inference_mode():
        scores = [net.intermediates(images)["score"] for net in (one, several)]
    assert (scores[1] >= scores[0]).all() and (scores[1] > scores[0]).any()


def test_branches_add_up():
    net = deeplab_v2(3, **SMALL).eval()
    with torch.inference_mode():
        found = net.intermediates(torch.randn(1, 3, 49, 49))
        torch.testing.assert_close(sum(found[f"branch{i}"] for i in range(4)), found["score"])
