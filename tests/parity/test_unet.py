"""U-Net against a port of each layout."""

from __future__ import annotations

import torch

from segedu.semantic.unet import from_jvanvugt, from_milesial, unet
from tests.parity.helpers import (
    TOLERANCE,
    assert_converts,
    assert_same,
    count_parameters,
    max_abs_difference,
    random_images,
)
from tests.parity.ports import on_meta, unet_same_pair, unet_valid_pair
from tests.requirements_of_machine import needs_references

PAPER = {"in_channels": 1, "padding": "valid", "batch_norm": False}


def test_converters_take_both_ports():
    assert_converts("unet_same", from_milesial, on_meta(unet, 2))
    assert_converts("unet_valid", from_jvanvugt, on_meta(unet, 2, **PAPER))


def test_parameters():
    assert count_parameters(on_meta(unet, 2)) == 31_037_698
    assert count_parameters(on_meta(unet, 2, **PAPER)) == 31_030_658


@needs_references
def test_padded_port_agrees_also_where_pooling_rounds():
    ours, theirs = unet_same_pair()
    assert count_parameters(ours) == count_parameters(theirs)
    for size in ((64, 96), (75, 101)):
        assert_same(ours, theirs, random_images(1, 3, *size))


@needs_references
def test_papers_layout_agrees():
    ours, theirs = unet_valid_pair()
    assert count_parameters(ours) == count_parameters(theirs)
    tile = random_images(1, 1, 204, 220)
    with torch.inference_mode():
        logits = ours.trace(tile)["logits"]
        assert logits.shape[-2:] == (20, 36)
        assert max_abs_difference(logits, theirs(tile)) <= TOLERANCE
