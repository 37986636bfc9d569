"""HRNet against timm (the backbone, always) and the authors' segmentation code."""

from __future__ import annotations

from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
import timm
import torch
from torch import nn

from segedu.backbones import hrnet
from segedu.semantic.hrnet import from_official, hrnet_w18, hrnet_w32, hrnet_w48
from tests.parity.helpers import (
    assert_converts,
    assert_same,
    count_parameters,
    random_images,
    randomize,
    reference,
)
from tests.requirements_of_machine import needs_references

BUILDERS = {18: hrnet_w18, 32: hrnet_w32, 48: hrnet_w48}
GAIN = 0.5  # residual networks add up what each block computes


def as_timm_reads(net, images):
    """The branches of the last stage of timm's network."""
    x = net.act1(net.bn1(net.conv1(images)))
    x = net.act2(net.bn2(net.conv2(x)))
    return net.stages(x)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("hrnet_w18_small_v2", {"width": 18, "blocks": 2, "modules": (1, 3, 2)}),
        ("hrnet_w18", {"width": 18}),
        ("hrnet_w32", {"width": 32}),
        ("hrnet_w48", {"width": 48}),
    ],
)
def test_backbone_agrees_with_timm(name, options):
    theirs = randomize(timm.create_model(name, pretrained=False), gain=GAIN)
    ours = hrnet.HRNet(**options, mode="nearest").eval()
    ours.load_state_dict(hrnet.from_official(theirs.state_dict()), strict=True)
    images = random_images(1, 3, 64, 32)
    for branch in range(4):
        assert_same(
            lambda x, branch=branch: ours(x)[branch],
            lambda x, branch=branch: as_timm_reads(theirs, x)[branch],
            images,
        )


def authors_network(load, width, align_corners, num_classes=19):
    """seg_hrnet.py, whose file holds the corners in a global variable."""

    def stage(modules, branches, block):
        return {
            "NUM_MODULES": modules,
            "NUM_BRANCHES": branches,
            "BLOCK": block,
            "NUM_BLOCKS": [4] * branches,
            "NUM_CHANNELS": [
                64 if block == "BOTTLENECK" else width * 2**r for r in range(branches)
            ],
            "FUSE_METHOD": "SUM",
        }

    class Extra(dict):
        FINAL_CONV_KERNEL = 1

    extra = Extra(
        STAGE1=stage(1, 1, "BOTTLENECK"),
        STAGE2=stage(1, 2, "BASIC"),
        STAGE3=stage(4, 3, "BASIC"),
        STAGE4=stage(3, 4, "BASIC"),
    )
    config = SimpleNamespace(
        MODEL=SimpleNamespace(EXTRA=extra, ALIGN_CORNERS=align_corners),
        DATASET=SimpleNamespace(NUM_CLASSES=num_classes),
    )
    return load("models.seg_hrnet").HighResolutionNet(config)


class Enlarged(nn.Module):
    """The authors enlarge the scores outside the network."""

    def __init__(self, network, align_corners):
        super().__init__()
        self.network, self.align_corners = network, align_corners

    def forward(self, images):
        return nn.functional.interpolate(
            self.network(images),
            size=images.shape[-2:],
            mode="bilinear",
            align_corners=self.align_corners,
        )


def official_pair(width, align_corners=False):
    with (
        mock.patch.object(np, "int", int, create=True),  # NumPy had it when that was written
        reference("HRNet+HRNet-Semantic-Segmentation", "lib") as load,
    ):
        theirs = randomize(authors_network(load, width, align_corners), gain=GAIN)
    ours = BUILDERS[width](19, align_corners=align_corners).eval()
    ours.load_state_dict(from_official(theirs.state_dict()), strict=True)
    return ours, Enlarged(theirs, align_corners)


@needs_references
@pytest.mark.parametrize("width", [18, 32, 48])
@pytest.mark.parametrize("align_corners", [False, True])
def test_segmentation_agrees_with_the_authors(width, align_corners):
    ours, theirs = official_pair(width, align_corners)
    assert count_parameters(ours) == count_parameters(theirs)
    assert_same(ours, theirs, random_images(1, 3, 50, 71))


def test_converter_takes_the_authors_layers():
    with torch.device("meta"):
        ours = hrnet_w48(19)
    assert_converts("hrnet_w48", from_official, ours)


def test_parameters():
    with torch.device("meta"):
        assert count_parameters(hrnet_w48(19)) == 65_859_379
