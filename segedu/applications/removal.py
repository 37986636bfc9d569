"""Photographs without an object: its mask, a little larger, filled from what is around it.

The filling is OpenCV's, by one of

- "telea": A. Telea, "An Image Inpainting Technique Based on the Fast Marching Method", Journal of
  Graphics Tools 2004. From the hole's edge inwards, each pixel the weighted mean of known ones.
- "navier-stokes": M. Bertalmio, A. Bertozzi, G. Sapiro, "Navier-Stokes, Fluid Dynamics, and Image
  and Video Inpainting", CVPR 2001. Lines of equal colour go on into the hole.
- "patches": K. He, J. Sun, "Statistics of Patch Offsets for Image Completion", ECCV 2012. Copies
  texture from elsewhere in the photograph: much slower, and the only one of use in large holes.

Shapes: image (H, W, 3), mask (H, W).
"""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from segedu.images import as_uint8, check_mask

RemovalMethod = Literal["telea", "navier-stokes", "patches"]
REMOVAL_METHODS: tuple[RemovalMethod, ...] = get_args(RemovalMethod)
CONTEXT = 1.0  # of what is around the hole "patches" looks at, in longer sides of the hole
LEAST_CONTEXT = 48  # pixels


def default_grow(mask: NDArray[np.bool_]) -> int:
    """By how many pixels a mask must grow to hold the object's blurred edge and thin shadow."""
    return max(3, round(math.sqrt(float(np.count_nonzero(mask))) / 40))


def grown(mask: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """Pixels (H, W) not further than `by` pixels from a mask."""
    distance = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance <= by)


def remove_object(
    image: Any,
    mask: Any,
    method: RemovalMethod = "telea",
    *,
    grow: int | None = None,
    radius: float = 5.0,
) -> NDArray[np.uint8]:
    """Remove an object from a photograph.

    Args:
        image: (H, W, 3).
        mask: (H, W) bool, the object.
        method: how the hole is filled; see above.
        grow: pixels by which the mask grows first, lest the object's edge be taken for what is
            around it; None chooses by the object's size.
        radius: in pixels, of the neighbourhood that a pixel is filled from ("telea",
            "navier-stokes").

    Returns:
        (H, W, 3) uint8; the same as the image outside of the grown mask.

    Raises:
        ValueError: the mask is empty, of another size or, grown, leaves nothing of the image; or
            there is no such method.
    """
    pixels = as_uint8(image)
    hole = check_mask(mask, (pixels.shape[0], pixels.shape[1]))
    if method not in REMOVAL_METHODS:
        raise ValueError(f"method must be one of {REMOVAL_METHODS}, got {method!r}")
    if not hole.any():
        raise ValueError("the mask is empty: there is nothing to remove")
    grow = default_grow(hole) if grow is None else grow
    if grow < 0 or radius <= 0:
        raise ValueError(f"grow must be 0 or more and radius positive, got {grow} and {radius}")
    hole = grown(hole, grow)
    if hole.all():
        raise ValueError("the object fills the whole image: there is nothing to fill it from")
    filled, left = _from_patches(pixels, hole) if method == "patches" else (pixels, hole)
    if left.any():
        flag = cv2.INPAINT_NS if method == "navier-stokes" else cv2.INPAINT_TELEA
        filled = cv2.inpaint(filled, left.astype(np.uint8), radius, flag).astype(np.uint8)
    return np.where(hole[..., None], filled, pixels)


def _from_patches(
    pixels: NDArray[np.uint8], hole: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Fill a hole with patches of its surroundings; and what is left of the hole, (H, W)."""
    window = _surroundings(hole)
    lab = cv2.cvtColor(pixels[window], cv2.COLOR_RGB2LAB)
    missing = hole[window]
    lab[missing] = 0
    result = np.zeros_like(lab)
    cv2.setRNGSeed(0)  # it draws from OpenCV's own generator
    cv2.xphoto.inpaint(lab, (~missing).astype(np.uint8) * 255, result, cv2.xphoto.INPAINT_SHIFTMAP)
    filled, left = pixels.copy(), np.zeros_like(hole)
    found = cv2.cvtColor(result, cv2.COLOR_LAB2RGB)
    filled[window] = np.where(missing[..., None], found, pixels[window])
    # Lab (0, 0, 0) is no colour that RGB has: there, no patch was put.
    left[window] = missing & (result == 0).all(axis=-1)
    return filled, left


def _surroundings(hole: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Where to look for patches: near the hole, as that is faster, and most alike."""
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    longest = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    margin = max(LEAST_CONTEXT, round(CONTEXT * longest))
    return tuple(  # type: ignore[return-value]
        slice(max(0, int(line[0]) - margin), min(length, int(line[-1]) + 1 + margin))
        for line, length in zip((rows, columns), hole.shape, strict=True)
    )
