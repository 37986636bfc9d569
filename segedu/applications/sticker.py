"""A sticker: an object cut out, with a border around it and a soft shadow below.

The idea in three lines: the distance to the mask's outline, smoothed a little, is an outline
without stairs. Cut at 0 it is the object, cut further out the border; half a pixel of slope on
either side makes the edges smooth. The shadow is the border's shape, moved, blurred and dark.

Shapes: image (H, W, 3), mask (H, W); everything after the cut (h, w) or (h, w, C).
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from segedu.drawing import Color
from segedu.images import as_uint8, check_mask

WHITE: Color = (255, 255, 255)
FALL = (0.3, 0.6)  # how far the shadow falls to the right and down, in its own sizes
STAIRS = 1.0  # pixels: standard deviation that takes the pixels' stairs out of an outline

Plane = NDArray[np.float32]


def default_border(mask: NDArray[np.bool_]) -> float:
    """A border that looks the same on small and large objects: 1/30 of the root of the area."""
    return max(2.0, math.sqrt(float(np.count_nonzero(mask))) / 30)


def sticker(
    image: Any,
    mask: Any,
    *,
    border: float | None = None,
    border_color: Color = WHITE,
    rounding: float | None = None,
    shadow: float = 0.4,
    shadow_size: float | None = None,
) -> NDArray[np.uint8]:
    """Cut an object out as a sticker.

    Args:
        image: (H, W, 3).
        mask: (H, W) bool, the object.
        border: width in pixels, 0 for none; None chooses by the object's size.
        border_color: RGB.
        rounding: radius in pixels to which the border's inward corners are rounded, as a knife
            would cut them; None: as wide as the border.
        shadow: its darkness in [0, 1]; 0 for none.
        shadow_size: standard deviation of its blur in pixels; it falls by `FALL` times that. None:
            as wide as the border, at least 2.

    Returns:
        (h, w, 4) uint8, RGB and alpha, not multiplied; as large as it takes to hold border and
        shadow, and so larger than the image where the object fills that.

    Raises:
        ValueError: the mask is empty or of another size, or a number is out of its range.
    """
    pixels = as_uint8(image)
    inside = check_mask(mask, (pixels.shape[0], pixels.shape[1]))
    if not inside.any():
        raise ValueError("the mask is empty: there is nothing to make a sticker of")
    border = default_border(inside) if border is None else border
    rounding = border if rounding is None else rounding
    size = max(2.0, border) if shadow_size is None else shadow_size
    if min(border, rounding, size) < 0 or not 0 <= shadow <= 1:
        raise ValueError(
            "border, rounding and shadow_size must be 0 or more, shadow must lie in [0, 1]; got "
            f"{border}, {rounding}, {size} and {shadow}"
        )
    reach = border + rounding + 3 * STAIRS + (3 * size + max(FALL) * size if shadow else 0)
    pixels, inside = _cut(pixels, inside, math.ceil(reach) + 1)

    outline = smooth_distance(inside)
    object_alpha = _coverage(outline)
    shape_alpha = _die_cut(outline, border, rounding)
    color = _mixed(object_alpha, pixels, border_color if border else None)
    shadow_alpha = shadow * _fallen(shape_alpha, size) if shadow else np.zeros_like(shape_alpha)
    seen = _trim(np.maximum(shape_alpha, shadow_alpha))
    return _over_shadow(color[seen], shape_alpha[seen], shadow_alpha[seen])


def smooth_distance(mask: NDArray[np.bool_]) -> Plane:
    """Distance in pixels from each pixel's centre to the outline, negative inside: (H, W)."""
    own, other = mask.astype(np.uint8), (~mask).astype(np.uint8)
    within = cv2.distanceTransform(own, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    without = cv2.distanceTransform(other, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # OpenCV measures to the nearest centre on the other side; the outline runs between the two.
    distance = np.where(mask, 0.5 - within, without - 0.5).astype(np.float32)
    smooth = cv2.GaussianBlur(distance, (0, 0), STAIRS)
    # Parts a pixel or two thin would be smoothed away.
    return np.where(mask, np.minimum(smooth, 0), smooth).astype(np.float32)


def _coverage(distance: Plane, at: float = 0.0) -> Plane:
    """How much of a pixel lies within a distance of the outline."""
    return np.clip(0.5 + at - distance, 0, 1).astype(np.float32)


def _die_cut(outline: Plane, border: float, rounding: float) -> Plane:
    """The shape grown by the border; grown further and shrunk again, its inward corners round."""
    plain = _coverage(outline, border)
    if rounding == 0:
        return plain
    closed = smooth_distance(outline <= border + rounding)
    return np.maximum(plain, _coverage(closed, -rounding))


def _cut(
    pixels: NDArray[np.uint8], mask: NDArray[np.bool_], margin: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The object's surroundings; beyond the image there is more of its last pixels."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    # Replicated from the image where there is some, so that smoothed edges keep its colours.
    sides = [(margin, margin), (margin, margin)]
    alone = np.pad(mask[window], sides)
    height, width = mask.shape
    at_row = np.clip(np.arange(rows[0] - margin, rows[-1] + 1 + margin), 0, height - 1)
    at_column = np.clip(np.arange(columns[0] - margin, columns[-1] + 1 + margin), 0, width - 1)
    return pixels[at_row[:, None], at_column], alone


def _mixed(alpha: Plane, pixels: NDArray[np.uint8], color: Color | None) -> Plane:
    """The image on the object and the border's colour around it: (h, w, 3) in [0, 255]."""
    if color is None:
        return pixels.astype(np.float32)
    around = np.asarray(color, np.float32)
    mixed: Plane = around + alpha[..., None] * (pixels - around)
    return mixed


def _fallen(alpha: Plane, size: float) -> Plane:
    """A shape's shadow: moved to the right and down, and blurred."""
    right, down = (share * size for share in FALL)
    move = np.array([[1, 0, right], [0, 1, down]], np.float32)
    moved = cv2.warpAffine(alpha, move, alpha.shape[::-1])
    return cv2.GaussianBlur(moved, (0, 0), max(size, 1e-3)).astype(np.float32)


def _trim(alpha: Plane) -> tuple[slice, slice]:
    """The part in which there is anything to see in 8 bits."""
    seen = alpha >= 0.5 / 255
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _over_shadow(color: Plane, alpha: Plane, shadow: Plane) -> NDArray[np.uint8]:
    """Lay (h, w, 3) over its black shadow (Porter and Duff's "over", 1984), alpha apart."""
    whole = alpha + shadow * (1 - alpha)
    # Where nothing is seen the colour stays: viewers that enlarge before they mix show no fringe.
    share = np.where(whole > 0, alpha / np.maximum(whole, 1e-6), 1)
    result = np.dstack([color * share[..., None], 255 * whole])
    return np.rint(np.clip(result, 0, 255)).astype(np.uint8)
