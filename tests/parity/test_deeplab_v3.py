"""DeepLab v3 against torchvision, v3+ against a PyTorch port, the backbone against both."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from segedu.backbones import resnet
from segedu.semantic.deeplab_v3 import deeplab_v3, from_torchvision
from segedu.semantic.deeplab_v3_plus import deeplab_v3_plus, from_port
from tests.parity.helpers import (
    assert_converts,
    assert_same,
    count_parameters,
    random_images,
    randomize,
    reference,
)
from tests.requirements_of_machine import needs_references

GAIN = 0.5  # residual networks add up what each block computes


def torchvision_options(depth):
    return {"depth": depth, "output_stride": 8, "multi_grid": None, "auxiliary": True}


def torchvision_networks(depth, num_classes=21):
    build = getattr(torchvision.models.segmentation, f"deeplabv3_resnet{depth}")
    theirs = build(weights=None, weights_backbone=None, num_classes=num_classes, aux_loss=True)
    randomize(theirs, gain=GAIN)
    ours = deeplab_v3(num_classes, **torchvision_options(depth)).eval()
    ours.load_state_dict(from_torchvision(theirs.state_dict()), strict=True)
    return ours, theirs


class Output(nn.Module):
    """One of the outputs of torchvision's dictionary."""

    def __init__(self, network, name="out"):
        super().__init__()
        self.network, self.name = network, name

    def forward(self, images):
        return self.network(images)[self.name]


def torchvision_pair(depth):
    ours, theirs = torchvision_networks(depth)
    theirs.aux_classifier = None  # ours computes the second head only when it is asked for
    return ours, Output(theirs)


@pytest.mark.parametrize("size", [(96, 128), (97, 61)])
def test_deeplab_v3_agrees_with_torchvision(size):
    ours, theirs = torchvision_networks(50)
    images = random_images(2, 3, *size)
    assert_same(ours, Output(theirs), images)
    assert_same(lambda x: ours.intermediates(x)["auxiliary"], Output(theirs, "aux"), images)
    assert_same(lambda x: ours.intermediates(x)["logits"], Output(theirs), images)


def test_deeplab_v3_on_resnet_101_agrees_with_torchvision():
    ours, theirs = torchvision_pair(101)
    assert_same(ours, theirs, random_images(1, 3, 72, 96))


@pytest.mark.parametrize(("depth", "count"), [(50, 42_004_074), (101, 60_996_202)])
def test_parameters_of_v3(depth, count):
    with torch.device("meta"):
        assert count_parameters(deeplab_v3(21, **torchvision_options(depth))) == count


@pytest.mark.parametrize("replace", [(False, False, False), (False, False, True)])
def test_backbone_agrees_with_torchvision(replace):
    theirs = torchvision.models.resnet50(weights=None, replace_stride_with_dilation=list(replace))
    randomize(theirs, gain=GAIN)
    ours = resnet.ResNet(output_stride=32 >> sum(replace)).eval()
    ours.load_state_dict(resnet.from_torchvision(theirs.state_dict()), strict=True)
    stages = torchvision.models._utils.IntermediateLayerGetter(
        theirs, {f"layer{i}": str(i) for i in range(1, 5)}
    )
    images = random_images(1, 3, 75, 100)
    for i in range(4):
        assert_same(lambda x, i=i: ours(x)[i], lambda x, i=i: stages(x)[str(i + 1)], images)


def test_converter_takes_the_names_of_the_port():
    with torch.device("meta"):
        ours = deeplab_v3_plus(21)
    assert_converts("deeplab_v3_plus_resnet101", from_port, ours)
    assert count_parameters(ours) == 58_753_973


def port_pair(output_stride=16):
    with reference("VainF+DeepLabV3Plus-Pytorch") as load:
        theirs = load("network.modeling").deeplabv3plus_resnet101(
            num_classes=21, output_stride=output_stride, pretrained_backbone=False
        )
    randomize(theirs, gain=GAIN)
    ours = deeplab_v3_plus(21, output_stride=output_stride).eval()
    ours.load_state_dict(from_port(theirs.state_dict()), strict=True)
    return ours, theirs


@needs_references
@pytest.mark.parametrize("output_stride", [16, 8])
def test_v3_plus_agrees_with_the_port(output_stride):
    ours, theirs = port_pair(output_stride)
    assert count_parameters(ours) == count_parameters(theirs)
    assert_same(ours, theirs, random_images(1, 3, 90, 121))
