"""The robot that clicks, and the number of clicks it needs: how interactive methods are judged.

Paper: Xu, Price, Cohen, Yang, Huang, "Deep Interactive Object Selection", CVPR 2016; the click's
place as in Li, Chen, Koltun, "Interactive Image Segmentation with Latent Diversity", CVPR 2018, and
the code of RITM (Sofiiuk, Petrov, Konushin, ICIP 2022), on whose figures the field compares.

The robot looks at the pixels that are wrong so far: object that is missing, background that is
covered. It clicks where the larger of both errors is deepest, that is, farthest from its border,
and goes on until the mask is good enough or its clicks are used up. NoC@85 is the mean number of
clicks until the intersection over union reaches 0.85; an object that is never reached counts with
all its clicks.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from segedu.images import check_mask
from segedu.interactive.protocol import Click, InteractiveMethod, Prompts

MAX_CLICKS = 20


def iou(
    mask: NDArray[np.bool_], truth: NDArray[np.bool_], ignored: NDArray[np.bool_] | None = None
) -> float:
    """Intersection over union of two masks (H, W) on pixels not ignored; 1 if both are empty."""
    counted = np.True_ if ignored is None else ~ignored
    union = np.count_nonzero((mask | truth) & counted)
    return float(np.count_nonzero(mask & truth & counted) / union) if union else 1.0


def depth(region: NDArray[np.bool_], *, exact: bool = True) -> NDArray[np.float32]:
    """Distance of each pixel (H, W) of a region to the nearest one outside, frame included.

    Args:
        region: bool.
        exact: else within 2 %, in a quarter of the time.
    """
    padded = np.pad(region, 1).astype(np.uint8)
    mask = cv2.DIST_MASK_PRECISE if exact else cv2.DIST_MASK_5
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, mask)
    return np.asarray(distance[1:-1, 1:-1], np.float32)


def next_click(
    mask: NDArray[np.bool_],
    truth: NDArray[np.bool_],
    ignored: NDArray[np.bool_] | None = None,
    before: Sequence[Click] = (),
) -> Click | None:
    """Where the robot clicks next; None when nothing is wrong.

    Args:
        mask: (H, W) bool, the answer so far.
        truth: (H, W) bool, the object.
        ignored: (H, W) bool, pixels that do not count.
        before: earlier clicks; no pixel is clicked twice.

    Returns:
        The middle of the pixel that lies deepest in the larger error: positive where the object is
        missing, negative where background is covered (so too when both are as deep). Of several
        pixels the first, row by row.
    """
    truth = check_mask(truth, name="truth")
    mask = check_mask(mask, truth.shape, "mask")
    counted = np.ones(truth.shape, bool) if ignored is None else ~ignored
    missing = depth(truth & ~mask & counted)
    covered = depth(~truth & mask & counted)
    for click in before:
        missing[int(click.y), int(click.x)] = covered[int(click.y), int(click.x)] = 0
    positive = bool(missing.max() > covered.max())
    depths = missing if positive else covered
    if depths.max() == 0:
        return None
    row, column = np.unravel_index(int(np.argmax(depths)), depths.shape)
    return Click(float(column) + 0.5, float(row) + 0.5, positive)


@dataclass(frozen=True)
class Trace:
    """What happened while the robot clicked on one object.

    Attributes:
        clicks: in order.
        ious: after each click.
        seconds: of the method for each click, `set_image` not counted.
        mask: (H, W) bool, the last answer.
        set_image_seconds: of `set_image`.
    """

    clicks: list[Click]
    ious: list[float]
    seconds: list[float]
    mask: NDArray[np.bool_] = field(repr=False)
    set_image_seconds: float = 0.0


def click_through(
    method: InteractiveMethod,
    image: Any,
    truth: NDArray[np.bool_],
    ignored: NDArray[np.bool_] | None = None,
    *,
    max_clicks: int = MAX_CLICKS,
    until: float = 1.0,
) -> Trace:
    """Let the robot click until the IoU reaches `until` or its clicks are used up.

    Args:
        method: takes clicks.
        image: (H, W, 3).
        truth: (H, W) bool, the object; not empty.
        ignored: (H, W) bool, pixels that do not count.
        max_clicks: at most that many.
        until: IoU at which it stops.

    Raises:
        ValueError: the object is empty, or the method does not take clicks.
    """
    truth = check_mask(truth, name="truth")
    if "click" not in method.accepts:
        raise ValueError(f"{type(method).__name__} does not take clicks")
    if not truth.any():
        raise ValueError("truth is empty: there is nothing to click on")
    start = time.perf_counter()
    method.set_image(image)
    trace = Trace([], [], [], np.zeros(truth.shape, bool), time.perf_counter() - start)
    mask: NDArray[np.bool_] | None = None
    while len(trace.clicks) < max_clicks:
        click = next_click(trace.mask if mask is None else mask, truth, ignored, trace.clicks)
        if click is None:
            break
        trace.clicks.append(click)
        start = time.perf_counter()
        answer = method.predict(Prompts(clicks=tuple(trace.clicks), previous_mask=mask))
        trace.seconds.append(time.perf_counter() - start)
        mask = check_mask(answer.mask, truth.shape, "the method's mask")
        trace.ious.append(iou(mask, truth, ignored))
        if trace.ious[-1] >= until:
            break
    last = trace.mask if mask is None else mask
    return Trace(trace.clicks, trace.ious, trace.seconds, last, trace.set_image_seconds)


def noc(ious: Sequence[float], threshold: float = 0.9, max_clicks: int = MAX_CLICKS) -> int:
    """Return the number of clicks until the IoU first reaches a threshold, else `max_clicks`.

    Args:
        ious: after each click, as `click_through` gives them.
        threshold: in (0, 1], such as 0.85.
        max_clicks: what an object counts that is never reached.
    """
    reached = (i for i, value in enumerate(ious[:max_clicks], start=1) if value >= threshold)
    return next(reached, max_clicks)
