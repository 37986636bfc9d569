"""DeepLab v3 and v3+: strides, rates, receptive fields, odd sizes, small configurations."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from segedu.backbones.resnet import ResNet
from segedu.semantic.deeplab_v3 import ASPP, deeplab_v3
from segedu.semantic.deeplab_v3_plus import deeplab_v3_plus
from tests.parity.helpers import random_images
from tests.semantic.networks import assert_exports

SMALL = {"depth": (1, 1, 1, 1), "width": 8, "channels": 16, "multi_grid": None}


def rates(stage):
    return [block.conv2.dilation[0] for block in stage]


@pytest.mark.parametrize(
    ("options", "third", "fourth"),
    [
        ({"output_stride": 32}, [1] * 6, [1, 1, 1]),
        ({"output_stride": 16}, [1] * 6, [1, 2, 2]),
        ({"output_stride": 8}, [1] + [2] * 5, [2, 4, 4]),
        ({"output_stride": 16, "multi_grid": (1, 2, 4)}, [1] * 6, [2, 4, 8]),
        ({"output_stride": 8, "multi_grid": (1, 2, 4)}, [1] + [2] * 5, [4, 8, 16]),
        ({"output_stride": 8, "layout": "caffe"}, [2] * 6, [4, 4, 4]),
    ],
)
def test_rates(options, third, fourth):
    with torch.device("meta"):
        net = ResNet(**options)
    assert rates(net.layer3) == third and rates(net.layer4) == fourth


@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_output_stride(output_stride):
    maps = ResNet((1, 1, 1, 1), width=4, output_stride=output_stride)(torch.zeros(1, 3, 64, 96))
    strides = [min(4 * 2**i, output_stride) for i in range(4)]
    assert [tuple(m.shape) for m in maps] == [
        (1, 16 * 2**i, 64 // s, 96 // s) for i, s in enumerate(strides)
    ]


def test_caffe_rounds_up():
    """DeepLab v2's sizes are 8k + 1: 321 pixels become 41."""
    net = ResNet((1, 1, 1, 1), width=4, output_stride=8, layout="caffe")
    assert net(torch.zeros(1, 3, 321, 65))[-1].shape[-2:] == (41, 9)


def test_cascade_doubles_the_rate_block_by_block():
    """Table 2 of the paper: at output stride 16, blocks 4 to 7 have rates 2, 4, 8, 16."""
    with torch.device("meta"):
        net = deeplab_v3(21, cascade=True, multi_grid=(1, 2, 1))
    assert rates(net.backbone.layer4) == [2, 4, 2]
    assert [rates(block) for block in net.context.blocks] == [[4, 8, 4], [8, 16, 8], [16, 32, 16]]


@pytest.mark.parametrize("size", [(64, 64), (49, 75), (33, 17)])
@pytest.mark.parametrize(
    "build",
    [
        lambda: deeplab_v3(5, **SMALL),
        lambda: deeplab_v3(5, **(SMALL | {"depth": (1, 1, 1, 3)}), cascade=True),
        lambda: deeplab_v3(5, **SMALL, output_stride=8, auxiliary=True),
        lambda: deeplab_v3_plus(5, **SMALL, decoder_convolutions=2, separable=True),
    ],
)
def test_logits_have_the_images_size_and_gradients_reach_every_weight(build, size):
    net = build()
    logits = net(torch.randn(2, 3, *size))
    assert logits.shape == (2, 5, *size)
    found = net.intermediates(torch.randn(2, 3, *size))
    (logits.square().mean() + sum(v.square().mean() for v in found.values())).backward()
    without = [
        name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
    ]
    assert not without


def test_intermediates_are_what_forward_uses():
    net = deeplab_v3(4, **SMALL).eval()
    images = torch.randn(1, 3, 48, 64)
    with torch.inference_mode():
        found = net.intermediates(images)
        torch.testing.assert_close(found["logits"], net(images))
        parts = [found[f"branch{i}"] for i in range(4)] + [found["image_mean"]]
        torch.testing.assert_close(net.context.join(torch.cat(parts, 1)), found["context"])
        assert (found["image_mean"] == found["image_mean"][..., :1, :1]).all()


@pytest.mark.parametrize("rate", [1, 2, 3])
def test_a_branch_sees_as_far_as_its_rate(rate):
    """The gradient of one output reaches exactly nine inputs, `rate` apart."""
    aspp = ASPP(1, 1, (rate,)).eval()
    nn.init.ones_(aspp.branches[1][0].weight)
    x = torch.ones(1, 1, 9, 9, requires_grad=True)
    aspp.branches[1](x)[0, 0, 4, 4].backward()
    rows, columns = x.grad[0, 0].nonzero(as_tuple=True)
    assert sorted({int(r) for r in rows}) == [4 - rate, 4, 4 + rate]
    assert len(rows) == 9 and sorted({int(c) for c in columns}) == [4 - rate, 4, 4 + rate]


def test_the_image_mean_cannot_be_trained_on_one_image():
    """A trap of batch norm: one value a channel has no variance."""
    net = deeplab_v3(3, **SMALL)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        net(torch.zeros(1, 3, 32, 32))
    assert net.eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 3, 32, 32)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output_stride": 4}, "output_stride must be 8 or 16, got 4"),
        ({"depth": 18}, "depth must be one of 50, 101, 152, got 18"),
        ({"multi_grid": (1, 2)}, "multi_grid needs 3 factors, got 2"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        deeplab_v3(3, **options)


@pytest.mark.parametrize(
    "build",
    [
        lambda: deeplab_v3(3, depth=(1, 1, 1, 1), width=8, channels=16, multi_grid=None),
        lambda: deeplab_v3_plus(3, depth=(1, 1, 1, 1), width=8, channels=16, low_channels=8),
    ],
)
def test_exports(build):
    assert_exports(build(), random_images(1, 3, 40, 56))
