from __future__ import annotations

import pytest
import torch
from torch import nn

from segedu.interactive import ritm_hrnet18s
from segedu.layers.folding import folded
from segedu.semantic import fcn8s
from tests.parity.helpers import randomize


def test_a_network_of_clicks_says_the_same() -> None:
    small = {"width": 4, "blocks": 1, "modules": (1, 1, 1), "stem_width": 8, "ocr_width": 4}
    net = randomize(ritm_hrnet18s(**small), gain=1.0)
    faster = folded(net).to(memory_format=torch.channels_last)
    norms = [n for n, m in faster.named_modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms == ["context.norm"]  # it follows a sum of two
    assert any(isinstance(m, nn.BatchNorm2d) for m in net.backbone.modules())  # as it was
    images, points = torch.randn(2, 3, 64, 96), torch.tensor([[[30.0, 20, 1]], [[9, 9, 0]]])
    with torch.no_grad():
        want = net(images, points)
        torch.testing.assert_close(faster(images, points), want, rtol=1e-4, atol=1e-4)
    assert want.std() > 1e-3


def test_a_sequence_of_convolutions_says_the_same() -> None:
    net = randomize(fcn8s(4, width=0.0625, head_channels=8, batch_norm=True))
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(folded(net)(images), net(images), rtol=1e-4, atol=1e-4)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded(net).modules())


def test_training_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="eval"):
        folded(nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)))
