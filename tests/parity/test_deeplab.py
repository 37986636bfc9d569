"""DeepLab v1 and v2 against PyTorch ports of the authors' Caffe networks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from segedu.backbones.vgg import convolution_names
from segedu.semantic.deeplab import deeplab_v1, deeplab_v2, enlarge, from_official_v1, from_port
from tests.parity.helpers import (
    assert_converts,
    assert_same,
    count_parameters,
    random_images,
    randomize,
    reference,
)
from tests.parity.ports import large_fov_pair
from tests.requirements_of_machine import needs_references


def port_pair(scales=()):
    with reference("kazuto1011+deeplab-pytorch") as load:
        models = load("libs.models")
        base = models.DeepLabV2(21, n_blocks=[3, 4, 23, 3], atrous_rates=[6, 12, 18, 24])
        theirs = models.MSC(base, list(scales)) if scales else base
    randomize(theirs, gain=0.5)
    ours = deeplab_v2(21, scales=scales).eval()
    ours.load_state_dict(from_port(theirs.state_dict()), strict=True)
    return ours, theirs


class Enlarged(nn.Module):
    """The port gives scores; its evaluation enlarges them."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return enlarge(self.network(images), images.shape[-2:])


def enlarged_pair():
    ours, theirs = port_pair()
    return ours, Enlarged(theirs)


@needs_references
@pytest.mark.parametrize("scales", [(), (0.5, 0.75)])
@pytest.mark.parametrize("size", [(97, 129), (80, 61)])
def test_scores_agree_with_the_port(scales, size):
    ours, theirs = port_pair(scales)
    assert count_parameters(ours) == count_parameters(theirs)
    assert_same(lambda x: ours.intermediates(x)["score"], theirs, random_images(1, 3, *size))


def test_converter_takes_the_names_of_the_port():
    with torch.device("meta"):
        ours = deeplab_v2(21)
    assert_converts("deeplab_v2_resnet101", from_port, ours)
    assert count_parameters(ours) == 44_048_532


@pytest.mark.parametrize("size", [(97, 129), (80, 61)])
def test_v1_agrees_with_the_papers_layers(size):
    ours, theirs = large_fov_pair()
    assert count_parameters(ours) == count_parameters(theirs)
    assert_same(ours, theirs, random_images(1, 3, *size))


def test_v1_has_the_published_size_and_takes_the_authors_layers():
    """20.5 M in the paper: VGG's convolutions, fc6 of 3 x 3 x 512 x 1024, fc7 of 1024 x 1024."""
    model = deeplab_v1(21)
    assert round(count_parameters(model) / 1e6, 1) == 20.5
    layers = [f"conv{s}_{k}" for s, k in convolution_names()] + ["fc6", "fc7", "fc8_voc12"]
    state, own = {}, dict(model.state_dict())
    for layer, (name, value) in zip(
        [layer for layer in layers for _ in range(2)], own.items(), strict=True
    ):
        state[f"{layer}.{name.rsplit('.', 1)[1]}"] = torch.full_like(value, len(state) + 1.0)
    model.load_state_dict(from_official_v1(state), strict=True)
    for number, value in enumerate(model.state_dict().values(), start=1):
        assert (value == number).all()
