"""Which shape is seen where: Numba kernels that fill polygons, ellipses and capsules.

The picture is sampled twice as finely as its pixels in both directions, four samples a pixel; each
sample holds the number of the front-most shape. Only exactly rounded operations (+ - * / and square
root of float64, never contracted) are used, so every machine fills the same samples.

Shapes: the sample plane is (2H, 2W) int16, -1 where nothing is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from segedu.data.scenes.shapes import CAPSULE, ELLIPSE, POLYGON, SHADOW

MAX_CROSSINGS = 64


@njit(cache=True, nogil=True, error_model="numpy")
def fill_shapes(
    shapes: NDArray[Any],
    points: NDArray[np.float64],
    leaves: NDArray[np.float32],
    seen: NDArray[np.int16],
    shade: NDArray[np.uint8],
) -> None:
    """Draw all shapes in order: into `seen` their numbers, into `shade` the shadows' strength."""
    height, width = seen.shape
    corners = np.empty((points.shape[0], 2))
    for i in range(points.shape[0]):  # to samples; the middle of sample (i, j) is (j, i)
        corners[i, 0] = points[i, 0] * height + width * 0.5 - 0.5
        corners[i, 1] = points[i, 1] * height - 0.5
    for k in range(shapes.shape[0]):
        shape = shapes[k]
        first, count, kind = int(shape.first), int(shape.count), int(shape.kind)
        shadow = int(shape.material) == SHADOW
        if kind == POLYGON:
            part = corners[first : first + count]
            if shadow:
                _polygon(part, shade, np.uint8(shape.light[0]))
            else:
                _polygon(part, seen, np.int16(k))
        elif kind == ELLIPSE:
            hole, ragged = shape.extra[0], shape.extra[1]
            if shadow:
                strength = np.uint8(shape.light[0])
                _ellipse(corners, points, first, height, hole, ragged, leaves, shade, strength)
            else:
                _ellipse(corners, points, first, height, hole, ragged, leaves, seen, np.int16(k))
        elif kind == CAPSULE:
            _capsule(corners, points, first, height, seen, np.int16(k))


@njit(cache=True, nogil=True, error_model="numpy")
def _bounds(low: float, high: float, size: int) -> tuple[int, int]:
    """First and one past the last sample between two coordinates, inside the picture."""
    start = max(0.0, np.ceil(low))
    stop = min(float(size), np.floor(high) + 1)
    return int(start), int(max(stop, start))


@njit(cache=True, nogil=True, error_model="numpy")
def _polygon(corners: NDArray[np.float64], plane: NDArray[Any], value: Any) -> None:
    """Fill a polygon (N, 2) by the even-odd rule, row by row."""
    height, width = plane.shape
    count = corners.shape[0]
    start, stop = _bounds(corners[:, 1].min(), corners[:, 1].max(), height)
    crossings = np.empty(MAX_CROSSINGS)
    for y in range(start, stop):
        n = 0
        for i in range(count):
            j = i + 1 if i + 1 < count else 0
            y0, y1 = corners[i, 1], corners[j, 1]
            if (y0 <= y) != (y1 <= y) and n < MAX_CROSSINGS:
                x = corners[i, 0] + (y - y0) / (y1 - y0) * (corners[j, 0] - corners[i, 0])
                at = n
                while at > 0 and crossings[at - 1] > x:  # insertion keeps them sorted
                    crossings[at] = crossings[at - 1]
                    at -= 1
                crossings[at] = x
                n += 1
        for pair in range(0, n - 1, 2):
            left, right = _bounds(crossings[pair], crossings[pair + 1], width)
            for x in range(left, right):
                plane[y, x] = value


@njit(cache=True, nogil=True, error_model="numpy")
def _ellipse(
    corners: NDArray[np.float64],
    points: NDArray[np.float64],
    first: int,
    scale: int,
    hole: float,
    ragged: float,
    leaves: NDArray[np.float32],
    plane: NDArray[Any],
    value: Any,
) -> None:
    """Fill an ellipse, or a ring, or one whose border follows the texture of leaves."""
    height, width = plane.shape
    cx, cy = corners[first, 0], corners[first, 1]
    ax, ay = points[first + 1, 0] * scale, points[first + 1, 1] * scale
    bx, by = points[first + 2, 0] * scale, points[first + 2, 1] * scale
    det = (ax * by - ay * bx) * (ax * by - ay * bx)
    if det == 0:
        return
    # Inside, a x^2 + b x y + c y^2 <= 1 for (x, y) from the centre.
    a = (by * by + ay * ay) / det
    b = -2 * (bx * by + ax * ay) / det
    c = (bx * bx + ax * ax) / det
    reach = 1 + ragged
    dy = np.sqrt(ay * ay + by * by) * reach
    top, bottom = _bounds(cy - dy, cy + dy, height)
    # Leaves decide between `low` and `high`; texture follows the scene, not its pixels: 256 texels
    # are 0.4 of the picture's height.
    low, high, texel = (1 - ragged) * (1 - ragged), reach * reach, 640.0 / scale
    for y in range(top, bottom):
        py = y - cy
        left, right = _span(a, b, c, py, high, cx, width)
        if ragged > 0:
            inner, outer = _span(a, b, c, py, low, cx, width)
            for x in range(left, right):
                if inner <= x < outer:
                    plane[y, x] = value
                else:
                    px = x - cx
                    edge = 1 + ragged * leaves[int(y * texel) & 255, int(x * texel) & 255]
                    if a * px * px + b * px * py + c * py * py <= edge * edge:
                        plane[y, x] = value
            continue
        inner, outer = right, right
        if hole > 0:
            inner, outer = _span(a, b, c, py, hole * hole, cx, width)
            if inner >= outer:
                inner, outer = right, right
        for x in range(left, inner):
            plane[y, x] = value
        for x in range(outer, right):
            plane[y, x] = value


@njit(cache=True, nogil=True, error_model="numpy")
def _span(
    a: float, b: float, c: float, y: float, limit: float, cx: float, width: int
) -> tuple[int, int]:
    """First and one past the last sample of a row with a x^2 + b x y + c y^2 <= limit."""
    root = b * b * y * y - 4 * a * (c * y * y - limit)
    if root < 0:
        return 0, 0
    half, middle = np.sqrt(root) / (2 * a), cx - b * y / (2 * a)
    return _bounds(middle - half, middle + half, width)


@njit(cache=True, nogil=True, error_model="numpy")
def _capsule(
    corners: NDArray[np.float64],
    points: NDArray[np.float64],
    first: int,
    scale: int,
    plane: NDArray[Any],
    value: Any,
) -> None:
    """Fill a thick line whose radius goes evenly from one end to the other."""
    height, width = plane.shape
    x0, y0 = corners[first, 0], corners[first, 1]
    x1, y1 = corners[first + 1, 0], corners[first + 1, 1]
    r0, r1 = points[first + 2, 0] * scale, points[first + 2, 1] * scale
    dx, dy = x1 - x0, y1 - y0
    length = dx * dx + dy * dy
    top, bottom = _bounds(min(y0 - r0, y1 - r1), max(y0 + r0, y1 + r1), height)
    left, right = _bounds(min(x0 - r0, x1 - r1), max(x0 + r0, x1 + r1), width)
    for y in range(top, bottom):
        for x in range(left, right):
            t = ((x - x0) * dx + (y - y0) * dy) / length if length > 0 else 0.0
            t = min(1.0, max(0.0, t))
            px, py = x - x0 - t * dx, y - y0 - t * dy
            r = r0 + t * (r1 - r0)
            if px * px + py * py <= r * r:
                plane[y, x] = value
