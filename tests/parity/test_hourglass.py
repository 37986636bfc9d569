"""Stacked hourglass against the authors' PyTorch code."""

from __future__ import annotations

import pytest

from segedu.semantic import hourglass
from tests.parity.helpers import assert_converts, assert_same, count_parameters, random_images
from tests.parity.ports import hourglass_pair, on_meta
from tests.requirements_of_machine import needs_references

PARAMETERS = {2: 8_429_088, 8: 32_819_328}


def test_converter_takes_the_authors_layers():
    model = on_meta(hourglass.stacked_hourglass, 16)
    assert_converts("hourglass2", hourglass.from_official, model)


@pytest.mark.parametrize("stacks", [2, 8])
def test_parameters(stacks):
    model = on_meta(hourglass.stacked_hourglass, 16, stacks=stacks)
    assert count_parameters(model) == PARAMETERS[stacks]


@needs_references
@pytest.mark.parametrize("stacks", [2, 8])
def test_authors_code_agrees(stacks):
    ours, theirs = hourglass_pair(stacks)
    assert count_parameters(ours) == count_parameters(theirs) == PARAMETERS[stacks]
    assert_same(ours, theirs, random_images(1, 3, 128, 192))


@needs_references
def test_without_the_unused_convolutions():
    ours, theirs = hourglass_pair(2)
    lean = hourglass.stacked_hourglass(16, unused_skips=False).eval()
    state = theirs.network.state_dict()
    lean.load_state_dict(hourglass.from_official(state, unused_skips=False), strict=True)
    images = random_images(1, 3, 64, 64)
    assert assert_same(ours, lean.heatmaps, images) == 0
    assert count_parameters(ours) - count_parameters(lean) == 1_858_688
