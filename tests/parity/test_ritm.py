"""RITM against its authors' code: networks, and whole sessions of clicks with and without zoom."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
import torch

from segedu.interactive.clicks import next_click
from segedu.interactive.protocol import Prompts
from segedu.interactive.ritm import RITM
from segedu.interactive.ritm_network import (
    from_official,
    ritm_hrnet18,
    ritm_hrnet18s,
    ritm_hrnet32,
)
from segedu.interactive.zoom_in import ZoomIn
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


def scene(height=230, width=310):
    """An image with an object: random, so that random networks have something to answer."""
    random = np.random.default_rng(3)
    image = random.integers(0, 256, (height, width, 3), np.uint8)
    rows, columns = np.mgrid[:height, :width]
    truth = ((rows - 90) / 60) ** 2 + ((columns - 140) / 50) ** 2 < 1
    image[truth] //= 3
    return image, truth


@needs_references
@pytest.mark.filterwarnings("ignore:torch.meshgrid")
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("zoom", [False, True])
def test_session_agrees_with_the_authors(zoom, flip, clicks=7):
    """Their robot, their predictor, their zoom: the same clicks and the same probabilities."""
    image, truth = scene()
    first, second = shims()
    zoomed = {"target_size": 160, "min_crop_size": 60} if zoom else None
    with reference(CHECKOUT) as load, first, second:
        ours, theirs = official_pair("hrnet18s", load)
        shift = centered(ours, theirs, image, truth)
        transforms = load("isegm.inference.transforms")
        predictor = load("isegm.inference.predictors.base").BasePredictor(
            theirs,
            torch.device("cpu"),
            with_flip=flip,
            zoom_in=transforms.ZoomIn(**zoomed) if zoomed else None,
        )
        expected, robot = their_session(load, predictor, image, truth, clicks)
    assert np.isfinite(shift)
    inner = RITM(ours, flip=flip, device="cpu")
    method = ZoomIn(inner, target_size=160, min_crop=60) if zoom else inner
    method.set_image(image)
    mask, before, boxes = np.zeros(truth.shape, bool), [], set()
    for theirs_probabilities, theirs_click in zip(expected, robot, strict=True):
        before.append(next_click(mask, truth, before=before))
        click = before[-1]
        assert (int(click.y), int(click.x), click.positive) == theirs_click
        mask = method.predict(Prompts(clicks=tuple(before))).mask
        answer = method._answers.before((*before, click))
        probabilities, box = answer if zoom else (answer, None)
        boxes.add(box)
        assert np.abs(probabilities - theirs_probabilities).max() <= TOLERANCE
    assert len(boxes) > 1 if zoom else boxes == {None}


def centered(ours, theirs, image, truth):
    """Shift both networks' scores so that about a third of the image is taken at first."""
    ours.eval()
    method = RITM(ours, flip=False, device="cpu")
    method.set_image(image)
    first = next_click(np.zeros(truth.shape, bool), truth)
    probabilities = method.probabilities((first,))
    values = np.log(probabilities / (1 - probabilities))
    shift = -float(np.quantile(values, 0.7))
    spread = 2 / float(values.std())
    with torch.no_grad():
        for layer in (ours.score, theirs.feature_extractor.cls_head):
            layer.bias.copy_((layer.bias + shift) * spread)
            layer.weight.mul_(spread)
    return shift


def their_session(load, predictor, image, truth, clicks):
    """Probabilities after each click of their robot, and the clicks."""
    clicker = load("isegm.inference.clicker").Clicker(gt_mask=truth.astype(np.int32))
    mask, found = np.zeros(truth.shape, bool), []
    with torch.no_grad():
        predictor.set_input_image(image)
        for _ in range(clicks):
            clicker.make_next_click(mask)
            found.append(predictor.get_prediction(clicker))
            mask = found[-1] > 0.49
    return found, [(*map(int, c.coords), bool(c.is_positive)) for c in clicker.get_clicks()]
