"""Numba kernels of SLIC on the CPU: the same arithmetic as the readable version in `slic.py`.

What makes them fast: planes L, a, b apart, so that the inner loop over a row of a centre's window
is one stream that the compiler turns into vector instructions; sums taken over runs of equal
labels; cube roots by two steps of Halley's method instead of `pow`.

float32 operations follow the readable version's order, and none is contracted or reordered
(no `fastmath`), so that both give the same labels, bit for bit, from the same Lab planes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from segedu.images import SRGB_TO_XYZ, WHITE_D65

_F = np.float32
# Linear light of each of the 256 values of a channel (IEC 61966-2-1).
_BYTE = np.arange(256) / 255
_LINEAR = np.where(_BYTE > 0.04045, ((_BYTE + 0.055) / 1.055) ** 2.4, _BYTE / 12.92).astype(_F)
_TO_WHITE = (np.array(SRGB_TO_XYZ) / np.array(WHITE_D65)[:, None]).astype(_F)


@njit(cache=True, nogil=True, error_model="numpy")
def _cube_root_f(t: Any, f: Any, bits: Any, n: int) -> None:
    """CIELAB's f(t) for the first n values: cube root above 0.008856, a line below."""
    for i in range(n):
        f[i] = t[i]
    for i in range(n):
        # A third of the exponent, by integer arithmetic on the float's bits: within 4 %.
        bits[i] = np.int32(bits[i] // np.int32(3) + np.int32(0x2A5137A0))
    for i in range(n):
        x, y = t[i], f[i]
        # Halley: the error's cube each time, so float32 is exhausted after two.
        c = y * y * y
        y = y * (c + x + x) / (c + c + x)
        c = y * y * y
        y = y * (c + x + x) / (c + c + x)
        f[i] = y if x > _F(0.008856) else _F(7.787) * x + _F(16 / 116)


@njit(cache=True, nogil=True, error_model="numpy")
def lab_planes(
    image: NDArray[np.uint8], linear: NDArray[np.float32], m: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Convert sRGB (H, W, 3) uint8 to CIELAB (3, H, W) float32."""
    height, width, _ = image.shape
    lab = np.empty((3, height, width), np.float32)
    t = np.empty((3, width), np.float32)
    f = np.empty((3, width), np.float32)
    bits = f.view(np.int32)
    for y in range(height):
        for x in range(width):
            r, g, b = linear[image[y, x, 0]], linear[image[y, x, 1]], linear[image[y, x, 2]]
            t[0, x] = m[0, 0] * r + m[0, 1] * g + m[0, 2] * b
            t[1, x] = m[1, 0] * r + m[1, 1] * g + m[1, 2] * b
            t[2, x] = m[2, 0] * r + m[2, 1] * g + m[2, 2] * b
        for c in range(3):
            _cube_root_f(t[c], f[c], bits[c], width)
        for x in range(width):
            lab[0, y, x] = _F(116) * f[1, x] - _F(16)
            lab[1, y, x] = _F(500) * (f[0, x] - f[1, x])
            lab[2, y, x] = _F(200) * (f[1, x] - f[2, x])
    return lab


def lab_from_uint8(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Convert sRGB (H, W, 3) uint8 to CIELAB (3, H, W) float32; equals `rgb_to_lab` within 1e-3."""
    planes: NDArray[np.float32] = lab_planes(np.ascontiguousarray(image), _LINEAR, _TO_WHITE)
    return planes


@njit(cache=True, nogil=True, error_model="numpy")
def _span(center: Any, reach: Any, low: int, high: int) -> tuple[int, int]:
    """First and one-past-last pixel of [low, high) with |pixel - center| <= reach, in float32."""
    start = max(low, int(np.floor(center - reach)) - 1)
    stop = min(high, int(np.ceil(center + reach)) + 2)
    while start < stop and abs(_F(start) - center) > reach:
        start += 1
    while stop > start and abs(_F(stop - 1) - center) > reach:
        stop -= 1
    return start, stop


@njit(cache=True, nogil=True, error_model="numpy")
def _row(
    L: Any,
    a: Any,
    b: Any,
    xs: Any,
    best: Any,
    labels: Any,
    c: Any,
    dy2: Any,
    wc: Any,
    ws: Any,
    k: Any,
) -> None:
    """Offer centre k to one row of its window."""
    cl, ca, cb, cx = c[0], c[1], c[2], c[3]
    for i in range(L.shape[0]):
        dl, da, db, dx = L[i] - cl, a[i] - ca, b[i] - cb, xs[i] - cx
        d = (dl * dl + da * da + db * db) * wc + (dx * dx + dy2) * ws  # eq. 3, squared
        old = best[i]
        closer = d < old
        best[i] = d if closer else old
        labels[i] = k if closer else labels[i]


@njit(cache=True, nogil=True, error_model="numpy")
def assign(
    lab: NDArray[np.float32],
    centers: NDArray[np.float32],
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    reach: np.float32,
    color_weight: NDArray[np.float32],
    space_weight: np.float32,
    labels: NDArray[np.int32],
    distance: NDArray[np.float32],
) -> None:
    """Give every pixel the nearest centre among those whose window covers it.

    lab (3, H, W), centers (K, 5); rows and cols are the borders of the grid's cells, (R + 1,) and
    (C + 1,); labels and distance (H, W) are written.
    """
    width = labels.shape[1]
    n_rows, n_cols = len(rows) - 1, len(cols) - 1
    xs = np.arange(width).astype(np.float32)
    distance[:] = np.inf
    for k in range(n_rows * n_cols):
        r, q = k // n_cols, k % n_cols
        c = centers[k]
        x0, x1 = _span(c[3], reach, cols[max(q - 1, 0)], cols[min(q + 2, n_cols)])
        y0, y1 = _span(c[4], reach, rows[max(r - 1, 0)], rows[min(r + 2, n_rows)])
        for y in range(y0, y1):
            dy = _F(y) - c[4]
            _row(
                lab[0, y, x0:x1], lab[1, y, x0:x1], lab[2, y, x0:x1], xs[x0:x1],
                distance[y, x0:x1], labels[y, x0:x1],
                c, dy * dy, color_weight[k], space_weight, np.int32(k),
            )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def update(
    lab: NDArray[np.float32], labels: NDArray[np.int32], centers: NDArray[np.float32]
) -> float:
    """Move every centre to the mean of its pixels; return the residual E, mean |dx| + |dy|."""
    height, width = labels.shape
    n = len(centers)
    sums = np.zeros((n, 6))
    for y in range(height):
        x = 0
        while x < width:
            k, start = labels[y, x], x
            sl = sa = sb = 0.0
            while x < width and labels[y, x] == k:
                sl += lab[0, y, x]
                sa += lab[1, y, x]
                sb += lab[2, y, x]
                x += 1
            if k >= 0:
                count = x - start
                sums[k, 0] += sl
                sums[k, 1] += sa
                sums[k, 2] += sb
                sums[k, 3] += count * (start + x - 1) / 2
                sums[k, 4] += count * y
                sums[k, 5] += count
    moved = 0.0
    for k in range(n):
        if sums[k, 5] > 0:
            old_x, old_y = centers[k, 3], centers[k, 4]
            for i in range(5):
                centers[k, i] = _F(sums[k, i] / sums[k, 5])
            moved += abs(centers[k, 3] - old_x) + abs(centers[k, 4] - old_y)
    return moved / n


@njit(cache=True, nogil=True, error_model="numpy")
def largest_color_distance(
    lab: NDArray[np.float32], labels: NDArray[np.int32], centers: NDArray[np.float32]
) -> NDArray[np.float32]:
    """For SLICO: the largest squared colour distance of a pixel to its centre, (K,) float32."""
    height, width = labels.shape
    largest = np.zeros(len(centers), np.float32)
    for y in range(height):
        for x in range(width):
            k = labels[y, x]
            if k >= 0:
                dl, da = lab[0, y, x] - centers[k, 0], lab[1, y, x] - centers[k, 1]
                db = lab[2, y, x] - centers[k, 2]
                largest[k] = max(largest[k], dl * dl + da * da + db * db)
    return largest
