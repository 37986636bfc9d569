"""SegNet against the tutorial's prototxt, run layer by layer, and a PyTorch port."""

from __future__ import annotations

from segedu.semantic.segnet import from_official, segnet
from tests.parity.caffe import CaffeNet
from tests.parity.helpers import (
    assert_converts,
    assert_same_but_for_ties,
    count_parameters,
    random_images,
)
from tests.parity.ports import on_meta, segnet_pair
from tests.requirements_of_machine import checkout, needs_references


def test_converter_takes_the_authors_layers():
    assert_converts("segnet", from_official, on_meta(segnet, 11))


def test_parameters():
    assert count_parameters(on_meta(segnet, 11)) == 29_449_355


@needs_references
def test_authors_prototxt_agrees():
    """360 x 480, the size whose odd maps (45 rows, pooled to 23) the prototxt spells out."""
    models = checkout("alexgkendall+SegNet-Tutorial") / "Models"
    caffe = CaffeNet(models / "segnet_inference.prototxt")
    ours = segnet(11).eval()
    assert count_parameters(ours) == sum(w.numel() for w in caffe.random_weights().values())
    ours.load_state_dict(from_official(caffe.weights), strict=True)
    assert_same_but_for_ties(ours, caffe, random_images(1, 3, 360, 480))


@needs_references
def test_port_agrees():
    ours, theirs = segnet_pair()
    assert count_parameters(ours) == count_parameters(theirs)
    assert_same_but_for_ties(ours, theirs, random_images(1, 3, 96, 128))
