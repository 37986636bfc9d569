"""RITM against its authors' code: networks, and whole sessions of clicks with and without zoom."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
import torch

from segedu.interactive.ritm_network import (
    from_official,
    ritm_hrnet18,
    ritm_hrnet18s,
    ritm_hrnet32,
)
from tests.parity.helpers import (
    TOLERANCE,
    assert_converts,
    count_parameters,
    max_abs_difference,
    randomize,
    reference,
)
from tests.requirements_of_machine import needs_references

CHECKOUT = "SamsungLabs+ritm_interactive_segmentation"
# Name -> our builder, theirs' arguments, parameters.
NETWORKS = {
    "hrnet18s": (ritm_hrnet18s, {"width": 18, "ocr_width": 48, "small": True}, 4_220_047),
    "hrnet18": (ritm_hrnet18, {"width": 18, "ocr_width": 64}, 10_032_019),
    "hrnet32": (ritm_hrnet32, {"width": 32, "ocr_width": 128}, 30_951_363),
}


def shims():
    """Names that NumPy had when that code was written."""
    return (
        mock.patch.object(np, "int", int, create=True),
        mock.patch.object(np, "bool", bool, create=True),
    )


def authors_network(load, name):
    """The authors' network as their configuration of the COCO+LVIS models has it."""
    first, second = shims()
    with first, second:
        return load("isegm.model.is_hrnet_model").HRNetModel(
            **NETWORKS[name][1],
            with_aux_output=True,
            use_leaky_relu=True,
            use_rgb_conv=False,
            use_disks=True,
            norm_radius=5,
            with_prev_mask=True,
        )


def official_pair(name, load=None):
    """Ours and theirs with the same random weights."""
    if load is None:
        with reference(CHECKOUT) as load:
            return official_pair(name, load)
    theirs = randomize(authors_network(load, name), gain=0.5)
    ours = NETWORKS[name][0]().eval()
    ours.load_state_dict(from_official(theirs.state_dict()), strict=True)
    return ours, theirs


@needs_references
@pytest.mark.filterwarnings("ignore:torch.meshgrid")
@pytest.mark.parametrize("name", NETWORKS)
def test_network_agrees_with_the_authors(name):
    ours, theirs = official_pair(name)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, 70, 93, generator=generator)
    previous = torch.rand(2, 1, 70, 93, generator=generator)
    # Two positive and one negative click, and one click: theirs are (row, column, order).
    unused = [-1, -1, -1]
    clicks = [
        [[20, 30, 0], [40.5, 80.25, 1], [5, 6, 2], unused],
        [[69, 92, 0], unused, unused, unused],
    ]
    points = torch.tensor(
        [
            [[30, 20, 1], [80.25, 40.5, 1], [6, 5, 0]],
            [[92, 69, 1], [0, 0, -1], [0, 0, -1]],
        ],
        dtype=torch.float32,
    )
    with torch.inference_mode():
        expected = theirs(torch.cat([images, previous], dim=1), torch.tensor(clicks))
        got = ours.outputs(ours.normalization.apply(images), points, previous)
    assert max_abs_difference(got["logits"], expected["instances"]) <= TOLERANCE
    auxiliary = torch.nn.functional.interpolate(
        got["auxiliary"], (70, 93), mode="bilinear", align_corners=True
    )
    assert max_abs_difference(auxiliary, expected["instances_aux"]) <= TOLERANCE
    assert count_parameters(ours) == count_parameters(theirs)


@pytest.mark.parametrize("name", NETWORKS)
def test_converter_and_parameters(name):
    builder, _, parameters = NETWORKS[name]
    with torch.device("meta"):
        ours = builder()
    assert count_parameters(ours) == parameters
    assert_converts(f"ritm_{name}", from_official, ours)
