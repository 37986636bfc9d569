"""Everything mode: its parts on known answers, a literal version, the authors' generator."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional as F
from torchvision.ops import nms

from segedu.backbones.vit import ViTSize
from segedu.interactive.everything import (
    EverythingOptions,
    FoundMask,
    crop_boxes,
    everything_steps,
    inclusive_box,
    is_cut_off,
    point_grid,
    segment_everything,
    stability,
    without_doubles,
    without_small_regions,
)
from segedu.interactive.sam import SAM, Frame
from segedu.interactive.sam_network import SegmentAnything
from tests.interactive.test_sam import picture, small_net
from tests.parity.helpers import reference
from tests.parity.test_sam import CHECKOUT, official_sam, pair
from tests.requirements_of_machine import needs_references

# Random weights paint texture over the whole image, and the boxes of all masks are the same. Less
# of what the painters' last layers add leaves blobs here and there, whose boxes differ.
BLOBS = 0.3
LOOSE = {"iou_threshold": -9.0, "stability_threshold": 0.0}


def test_points_stand_in_the_middle_of_cells() -> None:
    assert point_grid(2).tolist() == [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]
    assert point_grid(32).shape == (1024, 2)


def test_crops_cover_the_image_and_overlap() -> None:
    crops = crop_boxes((300, 400), 2, 0.25)
    assert [layer for _, layer in crops] == [0] + [1] * 4 + [2] * 16
    for layer in range(3):
        covered = np.zeros((300, 400), int)
        for (x0, y0, x1, y1), of in crops:
            if of == layer:
                covered[y0:y1, x0:x1] += 1
        assert covered.min() == 1
        assert (covered.max() > 1) == (layer > 0)
    (x0, _, x1, _), (x2, _, _, _) = crops[1][0], crops[3][0]
    assert x1 - x2 == int(0.25 * 300) and x0 == 0


def test_stability_is_the_ratio_of_areas() -> None:
    logits = np.linspace(-2, 2, 400, dtype=np.float32).reshape(20, 20)
    assert stability(logits, 1) == pytest.approx(1 / 3, abs=0.01)
    assert stability(logits * 1000, 1) > 0.99
    assert math.isnan(stability(logits - 100, 1))


def test_boxes_and_borders() -> None:
    mask = np.zeros((50, 80), bool)
    assert inclusive_box(mask) == (0, 0, 0, 0)
    mask[10:20, 30:41] = True
    assert inclusive_box(mask) == (30, 10, 40, 19)
    image, crop = np.array([0, 0, 400, 300]), np.array([0, 0, 200, 300])
    assert not is_cut_off(np.array([0, 0, 170, 299]), crop, image)  # only the image ends there
    assert is_cut_off(np.array([50, 50, 185, 90]), crop, image)


def test_small_holes_and_islands_go() -> None:
    mask = np.zeros((40, 40), bool)
    mask[5:25, 5:25] = True
    solid = mask.copy()
    mask[10:12, 10:12] = False  # a hole of 4
    mask[30:32, 30:33] = True  # an island of 6
    for area, expected in ((10, solid), (5, solid | mask), (3, mask)):
        cleaned, changed = without_small_regions(mask, area)
        assert np.array_equal(cleaned, expected) and changed == (area > 3)
    specks = np.zeros((40, 40), bool)
    specks[3:5, 3:5] = specks[20, 20] = True
    kept, _ = without_small_regions(specks, 10)  # all are small: the largest stays
    assert kept.sum() == 4 and kept[3, 3]


@pytest.mark.parametrize("wrong", [{"points_per_side": 0}, {"crop_layers": -1}])
def test_wrong_options_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        EverythingOptions(**wrong)


def blob_net() -> SegmentAnything:
    net = small_net(channels=256, hidden=2048, heads=8)
    with torch.no_grad():
        for painter in net.decoder.painters:
            painter[-1].bias -= 0.2  # as BLOBS, for this network
        net.decoder.judge[-1].bias += 2  # a threshold of 0 or less would filter nothing
    return net


def literally(net, image: NDArray[np.uint8], n: int, iou: float, stable: float, offset: float):
    """Everything mode without crops as the text has it: (mask, score), best first."""
    frame = Frame(image.shape[:2], net.image_size)
    sam = SAM(net, device="cpu")
    sam.set_image(image)
    height, width = frame.scaled
    masks, scores = [], []
    for y in range(n):
        for x in range(n):
            place = np.array([[(x + 0.5) / n * image.shape[1], (y + 0.5) / n * image.shape[0]]])
            points = torch.tensor(frame.to_input(place))[None].float()
            with torch.inference_mode():
                low, guess = net.decode(
                    sam._embedding, points=points, labels=torch.ones(1, 1).int()
                )
            large = F.interpolate(low, (net.image_size,) * 2, mode="bilinear")
            logits = F.interpolate(large[..., :height, :width], image.shape[:2], mode="bilinear")[0]
            for m, score in zip(logits, guess[0], strict=True):
                moved = (m > offset).sum() / (m > -offset).sum()
                if score > iou and moved >= stable:
                    masks.append(m > 0)
                    scores.append(score)
    places = [np.nonzero(m.numpy()) for m in masks]
    edges = [[x.min(), y.min(), x.max(), y.max()] for y, x in places]
    kept = nms(torch.tensor(edges).float(), torch.stack(scores), 0.95)
    return [(masks[i].numpy(), float(scores[i])) for i in kept]


def test_a_literal_version_says_the_same() -> None:
    net, image = blob_net(), picture((90, 128))
    every = segment_everything(net, image, points_per_side=6, box_nms=1.0, **LOOSE)
    iou = float(np.median([f.predicted_iou for f in every]))
    assert iou > 0
    expected = literally(net, image, 6, iou, 0.5, 0.02)
    found = segment_everything(
        net, image, points_per_side=6, iou_threshold=iou, stability_threshold=0.5,
        stability_offset=0.02, box_nms=0.95, device="cpu",
    )  # fmt: skip
    assert len(found) == len(expected) >= 4
    for ours, (mask, score) in zip(found, expected, strict=True):
        assert np.array_equal(ours.mask, mask)
        assert ours.predicted_iou == pytest.approx(score, abs=1e-5)
        x0, y0, x1, y1 = ours.box
        assert mask[y0:y1, x0:x1].sum() == mask.sum() == ours.area


def test_steps_are_what_is_drained() -> None:
    net, image = blob_net(), picture((90, 128))
    steps = list(everything_steps(net, image, EverythingOptions(points_per_side=4, **LOOSE)))
    assert len(steps[0].points) == 0 and [s.share for s in steps] == sorted(s.share for s in steps)
    asked = np.concatenate([step.points for step in steps])
    np.testing.assert_allclose(asked, point_grid(4) * (128, 90))
    for step in steps:
        assert {f.point for f in step.found} <= {(float(x), float(y)) for x, y in step.points}
    every = [f for step in steps for f in step.found]
    kept = without_doubles(every, [f.predicted_iou for f in every], 0.7)
    assert kept == segment_everything(net, image, points_per_side=4, **LOOSE)


def test_a_large_divisor_leaves_one_point_a_crop() -> None:
    options = EverythingOptions(
        points_per_side=3, crop_layers=1, crop_points_divisor=100, iou_threshold=99
    )
    steps = list(everything_steps(small_net(), picture((90, 128)), options))
    of_crops = [s for s in steps if s.crop != (0, 0, 128, 90)]
    assert [len(s.points) for s in of_crops] == [0, 1] * 4  # encoded, then asked


def test_found_masks_are_plain_data_and_progress_is_told() -> None:
    told: list[float] = []
    found = segment_everything(
        small_net(), picture((90, 128)), points_per_side=3, progress=told.append, **LOOSE
    )
    assert told == sorted(told) and told[-1] == 1
    assert found and json.loads(json.dumps(found[0].rle)) == found[0].rle
    assert (
        segment_everything(small_net(), picture((90, 128)), points_per_side=2, iou_threshold=99)
        == []
    )


def same_masks(ours: list[FoundMask], theirs: list[dict]) -> None:
    """Same order, masks, boxes and scores; a pixel whose logit is 0 but for rounding may differ."""
    assert len(ours) == len(theirs) >= 4
    for mine, other in zip(ours, theirs, strict=True):
        mask = other["segmentation"]
        assert mine.mask.shape == mask.shape
        assert np.count_nonzero(mine.mask != mask) <= 1e-4 * mask.size
        assert mine.area == pytest.approx(other["area"], abs=1e-4 * mask.size)
        x, y, width, height = other["bbox"]
        assert np.abs(np.array(mine.box) - (x, y, x + width + 1, y + height + 1)).max() <= 1
        assert mine.predicted_iou == pytest.approx(other["predicted_iou"], abs=1e-4)
        assert mine.stability == pytest.approx(other["stability_score"], abs=1e-3)
        assert mine.point == pytest.approx(other["point_coords"][0])
        x, y, width, height = other["crop_box"]
        assert mine.crop == (x, y, x + width, y + height)


@needs_references
@pytest.mark.parametrize(
    ("size", "crops", "region"), [((128, 128), 0, 0), ((100, 160), 1, 0), ((150, 110), 1, 30)]
)
def test_the_authors_generator_says_the_same(size, crops: int, region: int) -> None:
    encoder = ViTSize(64, 2, 2, (1,))
    theirs = official_sam(encoder, 128)
    with torch.no_grad():
        for painter in theirs.mask_decoder.output_hypernetworks_mlps:
            painter.layers[-1].bias -= BLOBS
        theirs.mask_decoder.iou_prediction_head.layers[-1].bias += 2
    net, image = pair(theirs, encoder, 128), picture(size, seed=2)
    every = segment_everything(net, image, points_per_side=6, device="cpu", box_nms=1.0, **LOOSE)
    iou = float(np.quantile([f.predicted_iou for f in every], 0.15)) + 1e-6
    assert iou > 0
    ours = segment_everything(
        net, image, points_per_side=6, device="cpu", iou_threshold=iou, stability_threshold=0.6,
        stability_offset=0.02, box_nms=0.95, crop_nms=0.95, crop_layers=crops,
        crop_points_divisor=2, min_region=region,
    )  # fmt: skip
    with reference(CHECKOUT) as load:
        generator = load("segment_anything.automatic_mask_generator").SamAutomaticMaskGenerator(
            theirs, 6, pred_iou_thresh=iou, stability_score_thresh=0.6,
            stability_score_offset=0.02, box_nms_thresh=0.95, crop_nms_thresh=0.95,
            crop_n_layers=crops, crop_n_points_downscale_factor=2, min_mask_region_area=region,
        )  # fmt: skip
        same_masks(ours, generator.generate(image))
