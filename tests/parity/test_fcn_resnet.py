"""FCN on ResNet-50 against torchvision, auxiliary head included."""

from __future__ import annotations

import torch
import torchvision

from segedu.semantic.fcn_resnet import FCNResNet, fcn_resnet50, from_torchvision
from tests.parity.helpers import (
    TOLERANCE,
    assert_same,
    count_parameters,
    max_abs_difference,
    random_images,
    randomize,
)
from tests.parity.ports import on_meta

fcn50 = torchvision.models.segmentation.fcn_resnet50


def test_parameters():
    assert count_parameters(on_meta(fcn_resnet50, 21, auxiliary=True)) == 35_322_218
    theirs = on_meta(fcn50, weights=None, weights_backbone=None, num_classes=21)
    assert count_parameters(on_meta(fcn_resnet50, 21)) == count_parameters(theirs)
    deep = torchvision.models.segmentation.fcn_resnet101
    theirs = on_meta(deep, weights=None, weights_backbone=None, num_classes=21)
    assert count_parameters(on_meta(FCNResNet, 21, depth=101)) == count_parameters(theirs)


def test_torchvision_agrees():
    theirs = fcn50(weights=None, weights_backbone=None, num_classes=21, aux_loss=True)
    randomize(theirs, gain=0.5)
    ours = fcn_resnet50(21, auxiliary=True).eval()
    ours.load_state_dict(from_torchvision(theirs.state_dict()), strict=True)
    images = random_images(1, 3, 65, 90)
    assert_same(ours, lambda x: theirs(x)["out"], images)
    with torch.inference_mode():
        found = ours.intermediates(images)
        assert max_abs_difference(found["auxiliary"], theirs(images)["aux"]) <= TOLERANCE
        assert max_abs_difference(found["logits"], theirs(images)["out"]) <= TOLERANCE
