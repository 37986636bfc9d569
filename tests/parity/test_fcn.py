"""FCN against the authors' prototxt, a port that loads their weights, and torchvision's VGG."""

from __future__ import annotations

import math

import pytest
import torch
import torchvision

from segedu.backbones import vgg
from segedu.layers.normalization import CAFFE_BGR, IMAGENET
from segedu.semantic import fcn
from tests.parity.caffe import CaffeNet
from tests.parity.helpers import (
    TOLERANCE,
    assert_converts,
    assert_same,
    count_parameters,
    max_abs_difference,
    random_images,
    randomize,
    read_manifest,
)
from tests.parity.ports import fcn_pair, on_meta
from tests.requirements_of_machine import checkout, needs_references

AUTHORS = "shelhamer+fcn.berkeleyvision.org"


@pytest.mark.parametrize("stride", [32, 16, 8])
def test_converter_takes_the_authors_layers(stride):
    assert_converts(f"fcn{stride}s", fcn.from_official, on_meta(fcn.FCN, 21, stride))


@pytest.mark.parametrize(
    ("stride", "parameters"), [(32, 136_152_917), (16, 134_815_994), (8, 134_489_759)]
)
def test_parameters(stride, parameters):
    authors = sum(math.prod(shape) for shape in read_manifest(f"fcn{stride}s").values())
    assert count_parameters(on_meta(fcn.FCN, 21, stride)) == parameters == authors


@needs_references
@pytest.mark.parametrize(("stride", "at_once"), [(32, False), (16, False), (8, False), (8, True)])
def test_port_agrees(stride, at_once):
    ours, theirs = fcn_pair(stride, at_once=at_once)
    assert count_parameters(ours) == count_parameters(theirs)
    assert_same(ours, theirs, random_images(1, 3, 65, 97))


@needs_references
@pytest.mark.parametrize("name", ["voc-fcn32s", "voc-fcn16s", "voc-fcn8s", "voc-fcn8s-atonce"])
def test_authors_prototxt_agrees(name):
    caffe = CaffeNet(checkout(AUTHORS) / name / "val.prototxt")
    stride = int(name.removeprefix("voc-fcn").split("s")[0])
    ours = fcn.FCN(21, stride, scale_scores=name.endswith("atonce")).eval()
    ours.load_state_dict(fcn.from_official(caffe.random_weights()), strict=True)
    images = random_images(1, 3, 50, 75)
    with torch.inference_mode():
        assert max_abs_difference(ours(images), caffe(images, until="score")) <= TOLERANCE


def test_torchvision_vgg16_becomes_the_backbone():
    theirs = randomize(torchvision.models.vgg16())
    backbone = vgg.VGG().eval()
    backbone.load_state_dict(vgg.from_torchvision(theirs.state_dict()), strict=True)
    images = random_images(1, 3, 64, 96)
    assert_same(lambda x: backbone(x)[-1], theirs.features, images)


def test_torchvision_vgg16_bn_becomes_the_backbone():
    theirs = randomize(torchvision.models.vgg16_bn())
    backbone = vgg.VGG(batch_norm=True).eval()
    backbone.load_state_dict(vgg.from_torchvision(theirs.state_dict()), strict=True)
    assert_same(lambda x: backbone(x)[-1], theirs.features, random_images(1, 3, 64, 96))


def test_classifier_becomes_convolutions():
    """Section 3.1: on a 224 x 224 image fc7 says what the classifier's second layer says."""
    classifier = randomize(torchvision.models.vgg16())
    model = fcn.fcn32s(21).eval()
    model.load_state_dict(fcn.from_torchvision_vgg16(classifier.state_dict()), strict=False)
    pooled = random_images(1, 512, 7, 7)
    with torch.inference_mode():
        ours = model.fc7(model.fc6(pooled).relu()).relu().flatten(1)
        theirs = classifier.classifier[:5](pooled.flatten(1))  # up to the second ReLU
    assert max_abs_difference(ours, theirs) <= TOLERANCE


def test_first_convolution_takes_caffes_images():
    """Same output as with ImageNet's normalisation, save at the padded border."""
    conv = randomize(torch.nn.Conv2d(3, 8, 3))
    weight, bias = vgg.for_caffe_images(conv.weight, conv.bias)
    images = torch.rand(1, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        ours = torch.nn.functional.conv2d(CAFFE_BGR.apply(images), weight, bias)
        theirs = conv(IMAGENET.apply(images))
    assert max_abs_difference(ours, theirs) <= TOLERANCE
