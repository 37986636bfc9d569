"""DeconvNet against the authors' prototxt, run layer by layer, and a PyTorch port."""

from __future__ import annotations

from segedu.semantic.deconvnet import deconvnet, from_official
from tests.parity.caffe import CaffeNet
from tests.parity.helpers import (
    assert_converts,
    assert_same_but_for_ties,
    count_parameters,
    random_images,
)
from tests.parity.ports import deconvnet_pair, on_meta
from tests.requirements_of_machine import checkout, needs_references


def test_converter_takes_the_authors_layers():
    assert_converts("deconvnet", from_official, on_meta(deconvnet, 21))


def test_parameters():
    assert count_parameters(on_meta(deconvnet, 21)) == 251_805_653


@needs_references
def test_authors_prototxt_agrees():
    folder = checkout("HyeonwooNoh+DeconvNet") / "model" / "DeconvNet"
    caffe = CaffeNet(folder / "DeconvNet_inference_deploy.prototxt")
    ours = deconvnet(21).eval()
    assert count_parameters(ours) == sum(w.numel() for w in caffe.random_weights().values())
    ours.load_state_dict(from_official(caffe.weights), strict=True)
    assert_same_but_for_ties(ours, caffe, random_images(1, 3, 224, 224))


@needs_references
def test_port_agrees_beyond_224_pixels():
    ours, theirs = deconvnet_pair()
    assert count_parameters(ours) == count_parameters(theirs)
    assert_same_but_for_ties(ours, theirs, random_images(1, 3, 256, 288))
