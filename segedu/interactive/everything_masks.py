"""Everything mode's judgement of single masks: stable, whole, without specks; and their coding.

A. Kirillov et al.: "Segment Anything", ICCV 2023, appendix B.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from segedu.data.coco import encode_mask

EDGE = 20.0  # pixels: a box so near to its crop's border is cut off by it


def stability(logits: NDArray[np.float32], offset: float) -> float:
    """IoU of a mask cut at +offset and at -offset, (H, W); NaN where both are empty.

    One lies within the other, so the IoU is the ratio of their areas.
    """
    inner, outer = np.count_nonzero(logits > offset), np.count_nonzero(logits > -offset)
    return float(np.float32(inner) / np.float32(outer)) if outer else float("nan")


def inclusive_box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """First column, first row, last column, last row of a mask; zeros where it is empty."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if len(rows) == 0:
        return (0, 0, 0, 0)
    return (int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1]))


def is_cut_off(box: NDArray[Any], crop: NDArray[Any], image: NDArray[Any]) -> bool:
    """True where a side of a box lies at its crop's border, but not at the image's."""
    at_crop, at_image = np.abs(box - crop) <= EDGE, np.abs(box - image) <= EDGE
    return bool((at_crop & ~at_image).any())


def as_rle(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """COCO's run lengths, which go column by column; OpenCV transposes much faster than NumPy."""
    return encode_mask(cv2.transpose(mask.view(np.uint8)).T)  # type: ignore[arg-type]


def without_small_regions(mask: NDArray[np.bool_], area: int) -> tuple[NDArray[np.bool_], bool]:
    """Fill holes smaller than an area, then remove islands that are; the largest island stays.

    The second value says whether there were any, even if only the largest island, which stays.
    """
    found = False
    for holes in (True, False):
        looked_at = (mask ^ holes).view(np.uint8)
        count, regions, stats, _ = cv2.connectedComponentsWithStats(looked_at, connectivity=8)
        sizes = stats[1:, cv2.CC_STAT_AREA]
        small = np.zeros(count, bool)
        small[1:] = sizes < area
        if not small.any():
            continue
        found = True
        if not holes and small[1:].all():
            small[1 + int(np.argmax(sizes))] = False
        mask = mask ^ small[regions]
    return mask, found
