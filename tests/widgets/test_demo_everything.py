"""Everything mode under the pointer, without a browser: the same masks as the library's."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
import torch

from segedu.interactive import SAM, EverythingOptions, segment_everything
from segedu.widgets import everything_explorer
from segedu.widgets.demos import everything
from tests.interactive.test_everything import blob_net
from tests.interactive.test_sam import picture


@pytest.fixture(scope="module")
def net():
    net = blob_net()
    with torch.no_grad():  # guesses between 0 and 1, as a trained network's
        net.decoder.judge[-1].weight *= 0.1
        net.decoder.judge[-1].bias.fill_(0.6)
    return net


@pytest.fixture
def demo(net, monkeypatch):
    # What is never looked at would be all that a random network has to say.
    monkeypatch.setattr(everything, "IOU_FLOOR", 0.0)
    monkeypatch.setattr(everything, "STABILITY_FLOOR", 0.0)
    options = {"points_per_side": 5, "iou_threshold": 0.0, "stability_threshold": 0.0}
    options["stability_offset"] = 1.0
    return everything_explorer(picture((90, 128)), net, **options, min_area=0)


def library(net, demo):
    found = segment_everything(
        net, demo.image, points_per_side=demo.points.value, iou_threshold=demo.iou.value,
        stability_threshold=demo.stability.value,
    )  # fmt: skip
    return [f for f in found if f.area >= demo.least.value]


def same(ours, theirs):
    return [(f.rle, f.predicted_iou, f.point) for f in ours] == [
        (f.rle, f.predicted_iou, f.point) for f in theirs
    ]


def test_masks_are_the_librarys_at_all_settings(net, demo):
    every = library(net, demo)
    assert len(every) >= 4 and same(demo.masks, every)
    scores = [f.predicted_iou for f in demo.candidates]
    stable = [f.stability for f in demo.candidates]
    for iou, stability, area in (
        (np.median(scores), 0, 0),
        (0, np.median(stable), 300),
        (np.quantile(scores, 0.3), np.quantile(stable, 0.3), 1000),
        (1, 1, 2000),
    ):
        demo.iou.value, demo.stability.value, demo.least.value = iou, stability, area
        assert same(demo.masks, library(net, demo))
        assert demo.stage._shown == demo.shown
        assert f"<b>{len(demo.shown)} masks" in demo.caption.value
    assert demo.picture().shape == demo.image.shape
    demo.points.value = 1
    assert len(demo.asked) == 1 and demo.stage._share == 1


def test_masks_are_sent_once_as_runs_of_pixels(demo):
    for number, mask in demo.stage._masks.items():
        edges = np.frombuffer(mask["runs"], "<u4")
        found = demo.candidates[int(number)]
        flags = np.zeros(demo.image[..., 0].size + 1, np.int8)
        flags[edges] = 1
        np.testing.assert_array_equal(
            np.cumsum(flags)[:-1].reshape(found.mask.shape) % 2 == 1, found.mask
        )
        assert mask["area"] == found.area == found.mask.sum()
        assert mask["stability"] == pytest.approx(found.stability, abs=1e-4)
    before = demo.stage._masks
    demo.least.value = 500
    demo.least.value = 0
    assert demo.stage._masks is before, "nothing new to send"


def test_masks_appear_as_they_come_and_a_new_grid_begins_anew(net, monkeypatch):
    monkeypatch.setattr(everything, "PAINT_EVERY", 0.0)
    monkeypatch.setattr(everything, "IOU_FLOOR", 0.0)
    monkeypatch.setattr(everything, "STABILITY_FLOOR", 0.0)
    shares, counts = [], []

    async def watch():
        demo = everything_explorer(
            picture((90, 128)), net, points_per_side=4, iou_threshold=0, stability_threshold=0
        )
        demo.stage.observe(lambda change: shares.append(change["new"]), "_share")
        demo.stage.observe(lambda change: counts.append(len(change["new"])), "_masks")
        for _ in range(3):
            await asyncio.sleep(0.01)
        demo.points.value = 3  # while the first grid is being asked, perhaps
        while demo.busy:
            await asyncio.sleep(0.01)
        return demo

    demo = asyncio.run(watch())
    assert len(demo.asked) == 9 and shares[-1] == 1
    assert len(set(counts)) > 2, "masks came all at once"
    assert all(f.point in {(x, y) for x, y, _ in demo.asked} for f in demo.candidates)


def test_pinned_masks_reach_python(demo):
    first = demo.shown[0]
    demo.stage.pinned = [first]
    assert demo.pinned == [demo.candidates[first]]
    demo.points.value = 2
    assert demo.pinned == []


def test_any_network_or_its_method_or_name(net, monkeypatch):
    image = picture((40, 40))
    assert everything_explorer(image, SAM(net, device="cpu"), points_per_side=1).net is net
    monkeypatch.setattr(everything, "load_shipped", lambda name: net)
    assert everything_explorer(image, points_per_side=1).net is net
    monkeypatch.setattr(everything, "load_shipped", lambda name: object())
    with pytest.raises(ValueError, match="SegmentAnything"):
        everything_explorer(image, "unet")


def test_a_picture_stands_in(demo):
    bundle = demo._repr_mimebundle_()
    assert bundle["image/png"].startswith(b"\x89PNG")
    assert EverythingOptions().box_nms == 0.7
