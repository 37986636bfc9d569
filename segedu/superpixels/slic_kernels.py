"""Numba kernels of SLIC on the CPU: the same arithmetic as the readable version in `slic.py`.

What makes them fast:
- the image is kept in vertical strips, each half a cell wide ("strip order"), planes L, a, b
  apart. So the pixels of a tile, the part of a strip in one cell, lie together in memory, and
  offering a centre to them is one long loop over streams in the first-level cache, which the
  compiler turns into vector instructions;
- only tiles and rows of them that the centre's window covers are looked at;
- the sums for the new centres are kept from one iteration to the next, and only the pixels that
  change hands touch them: a few percent after the first iterations. They are float64, so what
  adding and subtracting leaves behind is far below the last bit of the float32 means;
- cube roots by two steps of Halley's method.

float32 operations follow the readable version's order, and none is contracted or reordered
(no `fastmath`), so that both give the same labels, bit for bit, from the same Lab planes.

Shapes: N = H x W pixels, K centres; the borders of the grid's R rows (R + 1,), of its C columns
(C + 1,), and of the strips (2 C + 1,).
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
def _gradient(lab: Any, y: int, x: int) -> Any:
    """Squared central differences, summed over channels; the border's pixels are repeated."""
    height, width = lab.shape[1:]
    up, down = max(y - 1, 0), min(y + 1, height - 1)
    left, right = max(x - 1, 0), min(x + 1, width - 1)
    horizontal = vertical = _F(0)
    for c in range(3):
        h = lab[c, y, right] - lab[c, y, left]
        v = lab[c, down, x] - lab[c, up, x]
        horizontal += h * h
        vertical += v * v
    return horizontal + vertical


@njit(cache=True, nogil=True, error_model="numpy")
def seed_centers(
    lab: NDArray[np.float32], rows: NDArray[np.int64], cols: NDArray[np.int64], move: bool
) -> NDArray[np.float32]:
    """Seed in the middle of every cell, if `move` at the lowest gradient of its 3 x 3 pixels.

    lab (3, H, W) -> centers (K, 5).
    """
    height, width = lab.shape[1:]
    n_cols = len(cols) - 1
    centers = np.empty(((len(rows) - 1) * n_cols, 5), np.float32)
    for k in range(len(centers)):
        r, q = k // n_cols, k % n_cols
        y, x = (rows[r] + rows[r + 1] - 1) // 2, (cols[q] + cols[q + 1] - 1) // 2
        if move:
            least, middle_y, middle_x = _gradient(lab, y, x), y, x
            for i in range(max(middle_y - 1, 0), min(middle_y + 2, height)):
                for j in range(max(middle_x - 1, 0), min(middle_x + 2, width)):
                    gradient = _gradient(lab, i, j)
                    if gradient < least:
                        least, y, x = gradient, i, j
        for c in range(3):
            centers[k, c] = lab[c, y, x]
        centers[k, 3], centers[k, 4] = x, y
    return centers


@njit(cache=True, nogil=True, error_model="numpy")
def in_strip_order(lab: NDArray[np.float32], strips: NDArray[np.int64]) -> NDArray[np.float32]:
    """Lab (3, H, W) -> (3, N): strip after strip, the pixels of each in reading order."""
    height, width = lab.shape[1:]
    pixels = np.empty((3, height * width), np.float32)
    for y in range(height):
        for i in range(len(strips) - 1):
            left, right = strips[i], strips[i + 1]
            start = left * height + y * (right - left)
            for x in range(right - left):  # planes innermost: a strip is narrow
                for c in range(3):
                    pixels[c, start + x] = lab[c, y, left + x]
    return pixels


@njit(cache=True, nogil=True, error_model="numpy")
def in_image_order(
    values: NDArray[np.int32], height: int, strips: NDArray[np.int64]
) -> NDArray[np.int32]:
    """Back from strip order (N,) to (H, W)."""
    image = np.empty((height, strips[-1]), np.int32)
    for y in range(height):
        for i in range(len(strips) - 1):
            left, right = strips[i], strips[i + 1]
            start = left * height + y * (right - left)
            for x in range(right - left):
                image[y, left + x] = values[start + x]
    return image


@njit(cache=True, nogil=True, error_model="numpy")
def _covered(center: Any, reach: Any, low: int, high: int) -> tuple[int, int]:
    """First and one-past-last i of [low, high) with |i - center| <= reach, in float32."""
    start = min(max(low, int(center - reach) - 1), high)
    stop = max(min(high, int(center + reach) + 2), start)
    while start < stop and abs(_F(start) - center) > reach:
        start += 1
    while stop > start and abs(_F(stop - 1) - center) > reach:
        stop -= 1
    return start, stop


@njit(cache=True, nogil=True, error_model="numpy")
def _offer(
    L: Any, a: Any, b: Any, x: Any, y: Any, best: Any, labels: Any,
    c: Any, reach: Any, wc: Any, ws: Any, k: Any,
) -> None:  # fmt: skip
    """Offer centre k to some pixels, all of whose rows its window covers."""
    cl, ca, cb, cx, cy = c[0], c[1], c[2], c[3], c[4]
    for i in range(L.shape[0]):
        dl, da, db, dx, dy = L[i] - cl, a[i] - ca, b[i] - cb, x[i] - cx, y[i] - cy
        d = (dl * dl + da * da + db * db) * wc + (dx * dx + dy * dy) * ws  # eq. 3, squared
        old = best[i]
        closer = (d < old) & (abs(dx) <= reach)
        best[i] = d if closer else old
        labels[i] = k if closer else labels[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _pass_on(L: Any, a: Any, b: Any, x: Any, y: Any, before: Any, labels: Any, sums: Any) -> None:
    """Pixels that changed hands take their values from one superpixel's sums to another's."""
    for i in range(len(labels)):
        old, new = before[i], labels[i]
        if old == new:
            continue
        if old >= 0:
            _add(sums[old], -1, L[i], a[i], b[i], x[i], y[i])
        if new >= 0:
            _add(sums[new], 1, L[i], a[i], b[i], x[i], y[i])


@njit(cache=True, nogil=True, error_model="numpy")
def _add(s: Any, sign: int, L: Any, a: Any, b: Any, x: Any, y: Any) -> None:
    s[0] += sign * L
    s[1] += sign * a
    s[2] += sign * b
    s[3] += sign * x
    s[4] += sign * y
    s[5] += sign


@njit(cache=True, nogil=True, error_model="numpy")
def assign(
    pixels: NDArray[np.float32],
    centers: NDArray[np.float32],
    rows: NDArray[np.int64],
    strips: NDArray[np.int64],
    reach: np.float32,
    color_weight: NDArray[np.float32],
    space_weight: np.float32,
    labels: NDArray[np.int32],
    sums: NDArray[np.float64],
) -> None:
    """Give every pixel the nearest centre among those whose window covers it, -1 for none.

    pixels (3, N) and labels (N,) are in strip order; centers (K, 5), color_weight (K,). labels and
    sums (K, 6), of every superpixel's L, a, b, x, y and 1, are brought up to date: at first all
    labels are -1 and all sums 0.
    """
    n_rows, n_cols, height = len(rows) - 1, (len(strips) - 1) // 2, rows[-1]
    # Heights of cells differ by one at most, and so do widths.
    room = (rows[1] - rows[0] + 1) * (strips[2] - strips[0] + 1)
    best, before = np.empty(room, np.float32), np.empty(room, np.int32)
    xs, ys, row_in_tile = np.empty_like(best), np.empty_like(best), np.empty_like(best)
    for strip in range(2 * n_cols):
        left, right, q = strips[strip], strips[strip + 1], strip // 2
        width = right - left
        for i in range(rows[1] - rows[0] + 1):
            for x in range(width):
                xs[i * width + x], row_in_tile[i * width + x] = left + x, i
        for r in range(n_rows):
            top, bottom = rows[r], rows[r + 1]
            first, last = left * height + top * width, left * height + bottom * width
            L, a, b = pixels[0, first:last], pixels[1, first:last], pixels[2, first:last]
            own = labels[first:last]
            for i in range(len(own)):
                before[i], own[i], best[i], ys[i] = own[i], -1, np.inf, row_in_tile[i] + _F(top)
            for i in range(max(r - 1, 0), min(r + 2, n_rows)):
                for j in range(max(q - 1, 0), min(q + 2, n_cols)):
                    k = i * n_cols + j
                    start, stop = _covered(centers[k, 3], reach, left, right)
                    if start == stop:
                        continue
                    start, stop = _covered(centers[k, 4], reach, top, bottom)
                    s, t = (start - top) * width, (stop - top) * width
                    _offer(
                        L[s:t], a[s:t], b[s:t], xs[s:t], ys[s:t], best[s:t], own[s:t],
                        centers[k], reach, color_weight[k], space_weight, np.int32(k),
                    )  # fmt: skip
            _pass_on(L, a, b, xs, ys, before, own, sums)


@njit(cache=True, nogil=True, error_model="numpy")
def update(sums: NDArray[np.float64], centers: NDArray[np.float32]) -> float:
    """Move every centre to its mean; return the residual E, the mean of |dx| + |dy|.

    sums (K, 6) as `assign` leaves them; centers (K, 5) is written, those without pixels stay.
    """
    moved = 0.0
    for k in range(len(centers)):
        if sums[k, 5] > 0:
            old_x, old_y = centers[k, 3], centers[k, 4]
            for c in range(5):
                centers[k, c] = _F(sums[k, c] / sums[k, 5])
            moved += abs(centers[k, 3] - old_x) + abs(centers[k, 4] - old_y)
    return moved / len(centers)


@njit(cache=True, nogil=True, error_model="numpy")
def largest_color_distance(
    pixels: NDArray[np.float32], labels: NDArray[np.int32], centers: NDArray[np.float32]
) -> NDArray[np.float32]:
    """For SLICO: the largest squared colour distance of a pixel to its centre, (K,) float32."""
    largest = np.zeros(len(centers), np.float32)
    for i in range(len(labels)):
        k = labels[i]
        if k >= 0:
            dl, da = pixels[0, i] - centers[k, 0], pixels[1, i] - centers[k, 1]
            db = pixels[2, i] - centers[k, 2]
            largest[k] = max(largest[k], dl * dl + da * da + db * db)
    return largest
