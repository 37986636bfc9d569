"""In place of a network: everything mode's steps from regions that are known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from segedu.interactive import EverythingOptions, EverythingStep, FoundMask
from segedu.interactive.everything import _outside, as_rle, inclusive_box, point_grid


def steps_of_regions(labels: np.ndarray) -> Any:
    """A stand-in for `everything_steps`: a click's answer is the region (H, W) it falls into.

    The guess of the IoU falls with the region's label; label 0 is unstable.
    """

    def steps(net: Any, image: Any, options: EverythingOptions) -> Iterator[EverythingStep]:
        height, width = labels.shape
        crop = (0, 0, width, height)
        yield EverythingStep(np.zeros((0, 2)), [], crop, 0.5)
        points = point_grid(options.points_per_side) * (width, height)
        for k, (x, y) in enumerate(points):
            label = int(labels[int(y), int(x)])
            mask = labels == label
            box = _outside(np.array(inclusive_box(mask)))
            stable = 0.6 if label == 0 else 0.9
            guess = 1 - label / 100
            found = FoundMask(as_rle(mask), box, int(mask.sum()), guess, stable, (x, y), crop)
            share = 0.5 + 0.5 * (k + 1) / len(points)
            yield EverythingStep(points[k : k + 1], [found], crop, share)

    return steps
