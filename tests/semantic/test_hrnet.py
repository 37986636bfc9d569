"""HRNet: sizes of the branches, odd images, what the options for descendants change."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from segedu.backbones.hrnet import Exchange, HRNet
from segedu.semantic.hrnet import hrnet_w18
from tests.parity.helpers import random_images
from tests.semantic.networks import assert_exports

SMALL = {"width": 4, "blocks": 1, "modules": (1, 1, 1), "stem_width": 8}


@pytest.mark.parametrize("size", [(64, 96), (50, 71), (32, 32)])
def test_logits_have_the_images_size_and_gradients_reach_every_weight(size):
    net = hrnet_w18(5, **SMALL)
    logits = net(torch.randn(2, 3, *size))
    assert logits.shape == (2, 5, *size)
    logits.square().mean().backward()
    assert not [n for n, p in net.named_parameters() if not p.grad.abs().sum() > 0]


def test_each_stage_opens_a_branch_of_half_the_size():
    steps = HRNet(**SMALL)(torch.zeros(1, 3, 64, 96))
    assert [tuple(x.shape[1:]) for x in steps] == [(4, 16, 24), (8, 8, 12), (16, 4, 6), (32, 2, 3)]
    stages = HRNet(**SMALL).steps(torch.zeros(1, 3, 64, 96))
    assert [len(maps) for maps in stages] == [1, 2, 3, 4]
    assert all(maps[0].shape[-2:] == (16, 24) for maps in stages), "the finest one never shrinks"


def test_only_the_finest_for_pose():
    both = [HRNet(**SMALL, mode="nearest", only_finest=flag).eval() for flag in (False, True)]
    both[1].load_state_dict(both[0].state_dict(), strict=False)
    images = torch.randn(1, 3, 64, 32)
    with torch.inference_mode():
        [finest] = both[1](images)
        torch.testing.assert_close(finest, both[0](images)[0])
    assert sum(p.numel() for p in both[1].parameters()) < sum(
        p.numel() for p in both[0].parameters()
    )


def test_an_exchange_sums_all_branches():
    """With every convolution the identity and batch norm off, sums can be told by hand."""
    exchange = Exchange([1, 1], 2, "nearest").eval()
    for layer in exchange.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.zeros_(layer.weight)
            layer.weight.data[0, 0, layer.kernel_size[0] // 2, layer.kernel_size[1] // 2] = 1
        elif isinstance(layer, nn.BatchNorm2d):
            layer.eps = 0
    fine = torch.arange(16.0).view(1, 1, 4, 4)
    coarse = torch.tensor([[[[100.0, 200], [300, 400]]]])
    kept = [fine.clone(), coarse.clone()]
    up = coarse.repeat_interleave(2, 2).repeat_interleave(2, 3)
    got = exchange([fine, coarse])
    torch.testing.assert_close(got[0], fine + up)
    torch.testing.assert_close(got[1], coarse + fine[..., ::2, ::2])
    torch.testing.assert_close([fine, coarse], kept)


def test_intermediates_are_what_forward_uses():
    net = hrnet_w18(4, **SMALL).eval()
    images = torch.randn(1, 3, 48, 64)
    with torch.inference_mode():
        found = net.intermediates(images)
        torch.testing.assert_close(found["logits"], net(images))
    assert {f"stage4_branch{r}" for r in range(4)} <= found.keys()
    assert found["score"].shape == (1, 4, 12, 16)


def test_exports():
    net = hrnet_w18(3, width=8, blocks=1, modules=(1, 1, 1), stem_width=16)
    assert_exports(net, random_images(1, 3, 64, 96))
