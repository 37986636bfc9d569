"""Level sets in the plane: signed distance, motion at a given speed, skeleton of the background.

A curve is kept as the zero level of psi, negative inside, at sub-pixel precision (S. Osher,
J. A. Sethian: "Fronts propagating with curvature-dependent speed", J. Comp. Physics 79, 1988).

Topology: inside pixels are 4-connected, the background is 8-connected. A pixel is *simple* when
changing its side joins, splits, makes and closes nothing; whether it is depends on its eight
neighbours alone. Pixels beyond the image are background.

Shapes: psi, labels, skeleton (H, W); a band is a list of M pixels (y, x); the foot of a pixel is
the point of the curve nearest to it.

Each function is checked against its definition by brute force in `test_turbopixels.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

# The eight neighbours (dy, dx) in a ring, from the right one on, counterclockwise on the screen.
_RING = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))


def _crossing_numbers() -> NDArray[np.bool_]:
    """For each of the 256 neighbourhoods (bit i: ring neighbour i is inside): is it simple?

    Yokoi's number of 4-connected runs of inside pixels around a pixel (S. Yokoi, J. Toriwaki,
    T. Fukumura: "An analysis of topological properties of digitized binary pictures using local
    features", CGIP 4, 1975): sum over the 4-neighbours x_k of x_k - x_k x_{k+1} x_{k+2}; simple
    is where it is 1.
    """
    simple = np.zeros(256, np.bool_)
    for code in range(256):
        x = [(code >> i) & 1 for i in range(8)] * 2
        simple[code] = sum(x[k] - x[k] * x[k + 1] * x[k + 2] for k in (0, 2, 4, 6)) == 1
    return simple


SIMPLE = _crossing_numbers()


@njit(cache=True, nogil=True)
def is_simple(inside: NDArray[np.bool_], y: int, x: int) -> bool:
    """May the pixel change sides without changing the topology?"""
    height, width = inside.shape
    code = 0
    for i, (dy, dx) in enumerate(_RING):
        y_, x_ = y + dy, x + dx
        if 0 <= y_ < height and 0 <= x_ < width and inside[y_, x_]:
            code |= 1 << i
    return bool(SIMPLE[code])


@njit(cache=True, nogil=True, inline="always")
def _neighbours(psi: Any, y: int, x: int) -> tuple[Any, Any, Any, Any, Any, Any, Any, Any, Any]:
    """The 3 x 3 values around a pixel in reading order; the border's are repeated beyond it."""
    height, width = psi.shape
    n, s = max(y - 1, 0), min(y + 1, height - 1)
    w, e = max(x - 1, 0), min(x + 1, width - 1)
    return (
        psi[n, w], psi[n, x], psi[n, e],
        psi[y, w], psi[y, x], psi[y, e],
        psi[s, w], psi[s, x], psi[s, e],
    )  # fmt: skip


@njit(cache=True, nogil=True)
def normal_and_curvature(psi: NDArray[np.float64], y: int, x: int) -> tuple[float, float, float]:
    """Outward normal N = grad psi / |grad psi| and curvature div N, by central differences.

    The curvature of a disk of radius r is 1 / r. What is finer than the grid (above 1) is cut off.
    """
    nw, n, ne, w, c, e, sw, s, se = _neighbours(psi, y, x)
    dx, dy = (e - w) / 2, (s - n) / 2
    dxx, dyy, dxy = e - 2 * c + w, s - 2 * c + n, (se - sw - ne + nw) / 4
    length = np.sqrt(dx * dx + dy * dy)
    if length < 1e-6:
        return 0.0, 0.0, 0.0
    curvature = (dxx * dy * dy - 2 * dx * dy * dxy + dyy * dx * dx) / length**3
    return dx / length, dy / length, min(max(curvature, -1.0), 1.0)


@njit(cache=True, nogil=True, inline="always")
def _crossing(psi: Any, y: int, x: int, dy: int, dx: int) -> float:
    """Steps from a pixel to the zero level along an axis, signed; 2 when there is none near."""
    height, width = psi.shape
    nearest = 2.0
    for side in (-1, 1):
        y_, x_ = y + side * dy, x + side * dx
        if not (0 <= y_ < height and 0 <= x_ < width) or (psi[y, x] < 0) == (psi[y_, x_] < 0):
            continue
        step = psi[y, x] / (psi[y, x] - psi[y_, x_])  # linear between the two pixels
        if step < abs(nearest):
            nearest = side * step
    return nearest


@njit(cache=True, nogil=True)
def _feet_near_curve(psi: NDArray[np.float64], feet: NDArray[np.float64]) -> None:
    """Feet of the pixels with a neighbour on the other side; infinite for all others.

    Between its crossings at a along x and b along y, the curve is the line x / a + y / b = 1. Where
    it crosses one axis only, the line there is at right angles to the gradient.
    """
    height, width = psi.shape
    for y in range(height):
        for x in range(width):
            a, b = _crossing(psi, y, x, 0, 1), _crossing(psi, y, x, 1, 0)
            if abs(a) > 1 and abs(b) > 1:
                feet[y, x] = np.inf
                continue
            if abs(a) > 1 or abs(b) > 1:
                nx, ny, _ = normal_and_curvature(psi, y, x)
                along = a * nx if abs(b) > 1 else b * ny
                px, py = along * nx, along * ny
            else:
                square = max(a * a + b * b, 1e-300)
                px, py = a * b * b / square, a * a * b / square
            feet[y, x, 0], feet[y, x, 1] = x + px, y + py


@njit(cache=True, nogil=True, inline="always")
def _offer(feet: Any, distance: Any, y: int, x: int, dy: int, dx: int) -> None:
    """Let a pixel take over its neighbour's foot when that is nearer than its own."""
    y_, x_ = y + dy, x + dx
    if 0 <= y_ < distance.shape[0] and 0 <= x_ < distance.shape[1]:
        fx, fy = feet[y_, x_, 0], feet[y_, x_, 1]
        d = (fx - x) ** 2 + (fy - y) ** 2
        if d < distance[y, x]:
            distance[y, x] = d
            feet[y, x, 0], feet[y, x, 1] = fx, fy


@njit(cache=True, nogil=True)
def signed_distance(psi: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Make psi the signed Euclidean distance to its own zero level, and give every pixel's foot.

    psi (H, W) -> psi (H, W), feet (H, W, 2) as x, y. Feet near the curve come from psi by linear
    interpolation; two sweeps over the image hand them on (P.-E. Danielsson: "Euclidean distance
    mapping", CGIP 14, 1980). Without a zero level all is infinite.
    """
    height, width = psi.shape
    feet = np.empty((height, width, 2))
    _feet_near_curve(psi, feet)
    distance = np.empty((height, width))
    for y in range(height):
        for x in range(width):
            d = (feet[y, x, 0] - x) ** 2 + (feet[y, x, 1] - y) ** 2
            distance[y, x] = d
    for down in (True, False):
        back = -1 if down else 1
        for row in range(height):
            y = row if down else height - 1 - row
            for x in range(width):
                for dx in (-1, 0, 1):
                    _offer(feet, distance, y, x, back, dx)
                _offer(feet, distance, y, x, 0, -1)
            for x in range(width - 1, -1, -1):
                _offer(feet, distance, y, x, 0, 1)
    for y in range(height):
        for x in range(width):
            d = np.sqrt(distance[y, x])
            distance[y, x] = -max(d, 1e-9) if psi[y, x] < 0 else d
    return distance, feet


@njit(cache=True, nogil=True)
def narrow_band(psi: NDArray[np.float64], radius: float) -> NDArray[np.int64]:
    """Pixels with |psi| < radius, in reading order: (H, W) -> (M, 2) as y, x."""
    height, width = psi.shape
    band = np.empty((height * width, 2), np.int64)
    n = 0
    for y in range(height):
        for x in range(width):
            if abs(psi[y, x]) < radius:
                band[n, 0], band[n, 1] = y, x
                n += 1
    return band[:n].copy()


@njit(cache=True, nogil=True)
def extend(
    field: NDArray[np.float64], feet: NDArray[np.float64], band: NDArray[np.int64]
) -> NDArray[np.float64]:
    """What a field (H, W) is at the feet of the band's pixels, bilinearly: -> (M,)."""
    height, width = field.shape
    values = np.empty(len(band))
    for i, (y, x) in enumerate(band):
        fx = min(max(feet[y, x, 0], 0.0), width - 1.0)
        fy = min(max(feet[y, x, 1], 0.0), height - 1.0)
        x0, y0 = min(int(fx), max(width - 2, 0)), min(int(fy), max(height - 2, 0))
        x1, y1 = min(x0 + 1, width - 1), min(y0 + 1, height - 1)
        u, v = fx - x0, fy - y0
        upper = (1 - u) * field[y0, x0] + u * field[y0, x1]
        lower = (1 - u) * field[y1, x0] + u * field[y1, x1]
        values[i] = (1 - v) * upper + v * lower
    return values


@njit(cache=True, nogil=True)
def upwind_gradient(psi: NDArray[np.float64], y: int, x: int, outward: bool) -> float:
    """|grad psi| from the side that the front comes from (Osher & Sethian 1988, Godunov's form)."""
    _, n, _, w, c, e, _, s, _ = _neighbours(psi, y, x)
    if outward:
        gx, gy = max(c - w, c - e, 0.0), max(c - n, c - s, 0.0)
    else:
        gx, gy = max(w - c, e - c, 0.0), max(n - c, s - c, 0.0)
    return float(np.sqrt(gx * gx + gy * gy))


@njit(cache=True, nogil=True)
def change_sides(
    psi: NDArray[np.float64],
    moved: NDArray[np.float64],
    labels: NDArray[np.int32],
    band: NDArray[np.int64],
) -> int:
    """Write a band's new values (M,) into psi, without letting the topology change.

    A pixel that comes inside takes its neighbour's label, one that leaves gets -1; one that is not
    simple stays just on its side. Returns by how many pixels the inside grew.
    """
    inside = labels >= 0
    grown = 0
    for i, (y, x) in enumerate(band):
        value = moved[i]
        if (value < 0) != inside[y, x]:
            if not is_simple(inside, y, x):
                psi[y, x] = -1e-3 if inside[y, x] else 1e-3
                continue
            inside[y, x] = value < 0
            labels[y, x] = _label_beside(labels, y, x) if value < 0 else -1
            grown += 1 if value < 0 else -1
        psi[y, x] = value
    return grown


@njit(cache=True, nogil=True)
def _label_beside(labels: Any, y: int, x: int) -> int:
    """The label of an inside 4-neighbour; -1 when there is none."""
    height, width = labels.shape
    for dy, dx in ((0, 1), (-1, 0), (0, -1), (1, 0)):
        y_, x_ = y + dy, x + dx
        if 0 <= y_ < height and 0 <= x_ < width and labels[y_, x_] >= 0:
            return int(labels[y_, x_])
    return -1


@njit(cache=True, nogil=True)
def thin_background(labels: NDArray[np.int32], order: NDArray[np.int64]) -> NDArray[np.int32]:
    """Homotopic thinning: give away the background's simple pixels, those of lowest order first.

    labels (H, W), -1 in the background; order (H, W), small numbers from 0 on -> labels with -1 on
    the skeleton alone: lines one pixel wide, 8-connected, around every label and without loose
    ends. A pixel given away takes its neighbour's label. Pixels of one order go in reading order,
    else lines that two rows are equally entitled to would zigzag between them.
    """
    height, width = labels.shape
    labels = labels.copy()
    inside = labels >= 0
    # A linked list of pixels for each order: the time stays linear in the pixels.
    head = np.full(order.max() + 1, -1)
    after = np.full(height * width, -1)
    queued = np.zeros((height, width), np.bool_)
    for y in range(height):
        for x in range(width):
            if not inside[y, x] and _label_beside(labels, y, x) >= 0:
                _enqueue(head, after, queued, order[y, x], y, x)
    current = 0
    while current < len(head):
        if head[current] < 0:
            current += 1
            continue
        for pixel in _take_all(head, after, current):
            y, x = pixel // width, pixel % width
            queued[y, x] = False
            if not is_simple(inside, y, x):
                continue
            inside[y, x] = True
            labels[y, x] = _label_beside(labels, y, x)
            for dy, dx in _RING:
                y_, x_ = y + dy, x + dx
                if 0 <= y_ < height and 0 <= x_ < width and not (inside[y_, x_] or queued[y_, x_]):
                    _enqueue(head, after, queued, max(order[y_, x_], current), y_, x_)
    return labels


@njit(cache=True, nogil=True, inline="always")
def _enqueue(head: Any, after: Any, queued: Any, order: int, y: int, x: int) -> None:
    pixel = y * queued.shape[1] + x
    after[pixel] = head[order]
    head[order] = pixel
    queued[y, x] = True


@njit(cache=True, nogil=True)
def _take_all(head: Any, after: Any, order: int) -> Any:
    """Empty the list of one order; its pixels in reading order."""
    n, pixel = 0, head[order]
    while pixel >= 0:
        n, pixel = n + 1, after[pixel]
    pixels = np.empty(n, np.int64)
    pixel = head[order]
    for i in range(n):
        pixels[i], pixel = pixel, after[pixel]
    head[order] = -1
    pixels.sort()
    return pixels
