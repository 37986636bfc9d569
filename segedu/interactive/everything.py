"""Everything mode: one click on every point of a grid, and what remains of the answers.

A. Kirillov et al.: "Segment Anything", ICCV 2023, section 5 and appendix B ("Automatic mask
generation details"); the authors' `SamAutomaticMaskGenerator`.

The idea in three lines: ask about a grid of points, three masks each. Keep masks that the network
thinks good and that hardly change when the threshold moves (stability). Of masks whose boxes nearly
coincide keep the best; do the same on overlapping crops, in which small things are larger.

Shapes: image (H, W, 3); P points a batch; masks' logits (P, 3, S / 4, S / 4).

Departures, all with the same result: masks are not painted before the network's guess of their IoU
is known, nor enlarged before one of them is wanted; counting, boxes and run lengths go mask by
mask, through the processor's cache.

Checked against the authors' generator: same masks (tests/interactive/test_everything.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.ops import batched_nms

from segedu.data.coco import decode_segmentation
from segedu.images import as_uint8, auto_device
from segedu.interactive.everything_masks import (
    as_rle,
    inclusive_box,
    is_cut_off,
    stability,
    without_small_regions,
)
from segedu.interactive.sam import Frame
from segedu.interactive.sam_decoder import AMBIGUOUS
from segedu.interactive.sam_network import SegmentAnything


@dataclass(frozen=True)
class EverythingOptions:
    """What to ask and what to keep; the defaults are the authors'.

    Attributes:
        points_per_side: of the grid.
        points_per_batch: asked at once; no influence on the result.
        iou_threshold: the network's guess of a mask's IoU must exceed it.
        stability_threshold: as `stability`, at least that.
        stability_offset: by which the threshold moves, a logit.
        box_nms: boxes of a larger IoU are of the same thing.
        crop_layers: layer i cuts the image into 2^i x 2^i crops; 0 is the whole image alone.
        crop_nms: as `box_nms`, between crops.
        crop_overlap: of neighbouring crops, as a share of the image's shorter side.
        crop_points_divisor: the grid of layer i has this to the power of i fewer points a side, and
            at least one.
        min_region: pixels; smaller holes are filled and smaller islands removed; 0 leaves all.
    """

    points_per_side: int = 32
    points_per_batch: int = 64
    iou_threshold: float = 0.88
    stability_threshold: float = 0.95
    stability_offset: float = 1.0
    box_nms: float = 0.7
    crop_layers: int = 0
    crop_nms: float = 0.7
    crop_overlap: float = 512 / 1500
    crop_points_divisor: int = 1
    min_region: int = 0

    def __post_init__(self) -> None:
        if self.points_per_side < 1 or self.points_per_batch < 1 or self.crop_points_divisor < 1:
            raise ValueError("points_per_side, points_per_batch, crop_points_divisor: at least 1")
        if self.crop_layers < 0 or self.min_region < 0:
            raise ValueError("crop_layers and min_region: 0 or more")


@dataclass(frozen=True)
class FoundMask:
    """One thing that was found.

    Attributes:
        rle: COCO's compressed run lengths of the mask, of the image's size.
        box: (x0, y0, x1, y1); x1 and y1 just outside, as everywhere in the course.
        area: pixels.
        predicted_iou: the network's guess.
        stability: see `stability`.
        point: (x, y) of the click.
        crop: (x0, y0, x1, y1) of the crop in which it was found.
    """

    rle: dict[str, Any]
    box: tuple[int, int, int, int]
    area: int
    predicted_iou: float
    stability: float
    point: tuple[float, float]
    crop: tuple[int, int, int, int]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(H, W) bool."""
        return decode_segmentation(self.rle, *self.rle["size"])


def point_grid(n: int) -> NDArray[np.float64]:
    """n x n points in the middle of as many cells of [0, 1]², row by row: (n², 2), (x, y)."""
    line = np.linspace(1 / (2 * n), 1 - 1 / (2 * n), n)
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)


def crop_boxes(
    size: tuple[int, int], layers: int, overlap: float
) -> list[tuple[tuple[int, int, int, int], int]]:
    """Crops (x0, y0, x1, y1) and their layer; first the whole image (H, W), which is layer 0."""
    height, width = size
    crops = [((0, 0, width, height), 0)]
    for layer in range(1, layers + 1):
        n = 2**layer
        shared = int(overlap * min(size) * (2 / n))
        crop_width, crop_height = (
            math.ceil((shared * (n - 1) + length) / n) for length in (width, height)
        )
        for x0 in (i * (crop_width - shared) for i in range(n)):
            for y0 in (i * (crop_height - shared) for i in range(n)):
                box = (x0, y0, min(x0 + crop_width, width), min(y0 + crop_height, height))
                crops.append((box, layer))
    return crops


@dataclass(frozen=True)
class EverythingStep:
    """What came of a few points of the grid.

    Attributes:
        points: (P, 2), (x, y) in pixels of the image; none where a crop has just been encoded.
        found: masks that are good and stable, of which several may be of the same thing.
        crop: (x0, y0, x1, y1) in which was looked.
        share: of all points that were asked so far, in [0, 1].
    """

    points: NDArray[np.float64]
    found: list[FoundMask]
    crop: tuple[int, int, int, int]
    share: float


def segment_everything(
    net: SegmentAnything,
    image: Any,
    options: EverythingOptions | None = None,
    *,
    device: str | torch.device = "auto",
    progress: Callable[[float], None] | None = None,
    **changes: Any,
) -> list[FoundMask]:
    """Find masks of everything in an image.

    Args:
        net: `sam_vit_b()` and its like.
        image: (H, W, 3).
        options: what to ask and what to keep.
        device: where the network runs.
        progress: called with the share that is done, in [0, 1].
        changes: of single options, such as `points_per_side=16`.

    Returns:
        The masks; those of one crop with falling predicted IoU.
    """
    options = replace(options or EverythingOptions(), **changes)
    of_crops: dict[tuple[int, int, int, int], list[FoundMask]] = {}
    for step in everything_steps(net, image, options, device=device, progress=progress):
        of_crops.setdefault(step.crop, []).extend(step.found)
    found: list[FoundMask] = []
    for some in of_crops.values():
        found += without_doubles(some, [f.predicted_iou for f in some], options.box_nms)
    if len(of_crops) > 1:  # masks of smaller crops are preferred
        sizes = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (f.crop for f in found)]
        found = without_doubles(found, [1 / size for size in sizes], options.crop_nms)
    if options.min_region:
        found = _cleaned(found, options)
    return found


@torch.inference_mode()
def everything_steps(
    net: SegmentAnything,
    image: Any,
    options: EverythingOptions | None = None,
    *,
    device: str | torch.device = "auto",
    progress: Callable[[float], None] | None = None,
) -> Iterator[EverythingStep]:
    """The same step by step, before doubles are removed; arguments as of `segment_everything`."""
    options = options or EverythingOptions()
    pixels = as_uint8(image)
    net = net.to(where := auto_device(device)).eval()
    crops = crop_boxes(
        (pixels.shape[0], pixels.shape[1]), options.crop_layers, options.crop_overlap
    )
    for i, (crop, layer) in enumerate(crops):

        def report(share: float, done: int = i) -> float:
            share = (done + share) / len(crops)
            if progress is not None:
                progress(share)
            return share

        n = max(1, options.points_per_side // options.crop_points_divisor**layer)
        yield from _of_crop(net, pixels, crop, point_grid(n), options, where, report)


def _of_crop(
    net: SegmentAnything,
    pixels: NDArray[np.uint8],
    crop: tuple[int, int, int, int],
    grid: NDArray[np.float64],
    options: EverythingOptions,
    device: torch.device,
    report: Callable[[float], float],
) -> Iterator[EverythingStep]:
    """Masks of one crop, in the image's coordinates."""

    def halved(share: float) -> None:
        report(share / 2)

    x0, y0, x1, y1 = crop
    frame = Frame((y1 - y0, x1 - x0), net.image_size, net.cell)
    inputs = frame.image_to_input(np.ascontiguousarray(pixels[y0:y1, x0:x1]), device)
    prepared = net.prepare(net.encode(inputs, halved))
    yield EverythingStep(np.zeros((0, 2)), [], crop, report(0.5))
    points = grid * (x1 - x0, y1 - y0)
    # A CPU's cache holds one prompt's image tokens; a GPU wants many at once.
    batch = 1 if device.type == "cpu" else options.points_per_batch
    for start in range(0, len(points), batch):
        some, found = points[start : start + batch], []
        places = torch.from_numpy(frame.to_input(some).astype(np.float32)).to(device)
        labels = torch.ones(len(some), 1, dtype=torch.long, device=device)
        prompts, _ = net.prompts(places[:, None], labels)
        tokens, looked = net.decoder.look(prepared, prompts)
        guesses = net.decoder.quality(tokens)[:, AMBIGUOUS]  # (P, 3)
        good = guesses > options.iou_threshold if options.iou_threshold > 0 else guesses == guesses
        if (asked := good.any(dim=1)).any():
            logits = net.decoder.paint(tokens[asked], looked[asked], prepared.size, AMBIGUOUS)
            chosen = frame_masks(frame, logits[good[asked]])
            which = good.nonzero().cpu().numpy()  # point and mask
            scores = guesses[good].cpu().numpy()
            for logit, (point, _), score in zip(chosen, which, scores, strict=True):
                found += _judged(logit, some[point], float(score), crop, pixels, options)
        share = report(0.5 + 0.5 * min(1, (start + batch) / len(points)))
        yield EverythingStep(some + np.array([x0, y0]), found, crop, share)


def frame_masks(frame: Frame, logits: Tensor) -> Iterator[NDArray[np.float32]]:
    """(K, S / 4, S / 4) -> K times (H, W), made when asked for."""
    for logit in logits:
        yield frame.logits_to_image(logit[None, None])[0, 0].float().cpu().numpy()


def _judged(
    logits: NDArray[np.float32],
    point: NDArray[np.float64],
    predicted_iou: float,
    crop: tuple[int, int, int, int],
    pixels: NDArray[np.uint8],
    options: EverythingOptions,
) -> list[FoundMask]:
    """The mask of a crop (H', W') where it is stable and whole, in the image's coordinates."""
    score = stability(logits, options.stability_offset)
    if options.stability_threshold > 0 and not score >= options.stability_threshold:
        return []
    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = crop
    mask = logits > 0
    shift = np.array([x0, y0, x0, y0])
    box = np.array(inclusive_box(mask)) + shift
    if is_cut_off(box, np.array(crop), np.array([0, 0, width, height])):
        return []
    area = int(np.count_nonzero(mask))
    if mask.shape != (height, width):
        whole = np.zeros((height, width), bool)
        whole[y0:y1, x0:x1] = mask
        mask = whole
    place = (float(point[0] + x0), float(point[1] + y0))
    found = FoundMask(as_rle(mask), _outside(box), area, predicted_iou, score, place, crop)
    return [found]


def _outside(box: NDArray[np.int64]) -> tuple[int, int, int, int]:
    """From last column and row to just outside."""
    x0, y0, x1, y1 = (int(v) for v in box)
    return (x0, y0, x1 + 1, y1 + 1)


def without_doubles(
    found: list[FoundMask], scores: list[float], threshold: float
) -> list[FoundMask]:
    """Of masks whose boxes overlap more than a threshold keep that of the highest score."""
    if not found:
        return []
    # The authors' boxes end in the last column and row.
    boxes = torch.tensor([f.box for f in found], dtype=torch.float32)
    boxes[:, 2:] -= 1
    kept = batched_nms(boxes, torch.tensor(scores), torch.zeros(len(found)), threshold)
    return [found[i] for i in kept.tolist()]


def _cleaned(found: list[FoundMask], options: EverythingOptions) -> list[FoundMask]:
    """Without small holes and islands; masks that did not need it are preferred."""
    cleaned, untouched = [], []
    for old in found:
        mask, changed = without_small_regions(old.mask, options.min_region)
        untouched.append(float(not changed))
        if changed:
            box = _outside(np.array(inclusive_box(mask)))
            old = replace(old, rle=as_rle(mask), box=box, area=int(np.count_nonzero(mask)))
        cleaned.append(old)
    return without_doubles(cleaned, untouched, max(options.box_nms, options.crop_nms))
