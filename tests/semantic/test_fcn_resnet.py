"""FCN on a ResNet: sizes, gradients, the second head."""

from __future__ import annotations

import pytest
import torch

from segedu.semantic import fcn_resnet50
from segedu.semantic.fcn_resnet import FCNResNet
from tests.parity.helpers import random_images
from tests.semantic.networks import assert_answers_every_size, assert_exports


def test_every_size():
    assert_answers_every_size(fcn_resnet50(3, width=4), 3, [(1, 1), (33, 47), (64, 32)])


def test_last_map_has_stride_8():
    model = fcn_resnet50(3, width=4, auxiliary=True).eval()
    with torch.inference_mode():
        found = model.intermediates(random_images(1, 3, 64, 96))
    assert found["stage3"].shape[-2:] == found["stage4"].shape[-2:] == (8, 12)
    assert found["auxiliary"].shape == found["logits"].shape == (1, 3, 64, 96)


def test_export():
    assert_exports(fcn_resnet50(3, width=4), random_images(1, 3, 40, 56))


def test_unknown_depth():
    with pytest.raises(ValueError, match="50, 101, 152"):
        FCNResNet(3, depth=34)
