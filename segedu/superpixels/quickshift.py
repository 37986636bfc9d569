"""QuickShift: link every pixel to the nearest one of higher density, cut the links that are long.

A. Vedaldi, S. Soatto: "Quick Shift and Kernel Methods for Mode Seeking", ECCV 2008.

The idea in three lines: describe every pixel by [L, a, b, x, y] and estimate how dense the pixels
lie around it; link each to its nearest neighbour of higher density. The links make one tree; those
longer than a limit are cut, and each tree left is a segment around a mode of the density. No
iteration, no number of segments: one tree holds the segmentations of every limit.

Shapes: H x W = N pixels; features (3, H, W) float64, the colour times `ratio`; a window of
(2 R + 1) x (2 R + 1) offsets with R = ceil(3 kernel_size).

Departures from the paper, all of them scikit-image's, so that both give the same labels:
- the Gaussian window and the search for a parent end R pixels away;
- flat places have no order: noise of standard deviation 1e-5 on the density breaks ties, from the
  same seeded generator; of parents equally near, the first in reading order is taken;
- colours convert by scikit-image's own `rgb2lab`, so that not even the last bit differs. (It
  computes in float32 for float32 images; here everything is float64.)

`density` and `nearest_higher` are the method to read, in torch; CUDA runs them. On the CPU the
Numba kernels below do the same faster: each pair's kernel is evaluated once, for rows at a time,
and the parent is searched for in rings from near to far, until no pixel farther out can be nearer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage
from skimage.color import rgb2lab
from torch import Tensor

from segedu.images import auto_device, check_image

NOISE = 1e-5


class QuickshiftTree(NamedTuple):
    """Every pixel's link; `cut` makes segments of it.

    Attributes:
        parents: (H, W) int64, the flat index y * W + x of the nearest pixel of higher density; a
            pixel without one in its window is its own parent.
        distances: (H, W) float64, the distance to the parent in [L, a, b, x, y]; infinite where
            there is none.
        density: (H, W) float64, P(x) of eq. 1 up to a factor, with the noise that breaks ties.
    """

    parents: NDArray[np.int64]
    distances: NDArray[np.float64]
    density: NDArray[np.float64]

    def cut(self, max_dist: float) -> NDArray[np.int32]:
        """Segments (H, W) int32 that are left when links longer than `max_dist` are cut.

        Label k belongs to the k-th root in reading order. A greater `max_dist` only merges.
        """
        if not max_dist >= 0:
            raise ValueError(f"max_dist must not be negative, got {max_dist}")
        own = np.arange(self.parents.size).reshape(self.parents.shape)
        parents = np.where(self.distances > max_dist, own, self.parents)
        labels: NDArray[np.int32] = _label_trees(parents.ravel()).reshape(parents.shape)
        return labels


def _overlap(size: int, step: int) -> tuple[slice, slice]:
    """Where pixels have a neighbour `step` further, and where these neighbours are."""
    return slice(max(0, -step), size - max(0, step)), slice(max(0, step), size + min(0, step))


def _window(features: Tensor, reach: int) -> Iterator[tuple[Any, Any, Tensor]]:
    """Each offset in reading order: pixels, their neighbours, their squared distance."""
    height, width = features.shape[1:]
    for dy in range(-min(reach, height - 1), min(reach, height - 1) + 1):
        for dx in range(-min(reach, width - 1), min(reach, width - 1) + 1):
            (y, y_), (x, x_) = _overlap(height, dy), _overlap(width, dx)
            dl, da, db = features[:, y, x] - features[:, y_, x_]
            yield (y, x), (y_, x_), dl * dl + da * da + db * db + dy * dy + dx * dx


def density(features: Tensor, kernel_size: float) -> Tensor:
    """Parzen estimate with a Gaussian kernel (eq. 1, without its factor): (3, H, W) -> (H, W)."""
    total = torch.zeros_like(features[0])
    for here, _, squared in _window(features, int(np.ceil(3 * kernel_size))):
        total[here] += torch.exp(squared * (-0.5 / (kernel_size * kernel_size)))
    return total


def nearest_higher(features: Tensor, dense: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    """Parent (flat index) and distance to it (eq. 8): (3, H, W), (H, W) -> (H, W), (H, W)."""
    index = torch.arange(dense.numel(), device=dense.device).view_as(dense)
    parents, closest = index.clone(), torch.full_like(dense, torch.inf)
    for here, there, squared in _window(features, reach):
        better = (dense[there] > dense[here]) & (squared < closest[here])
        parents[here] = torch.where(better, index[there], parents[here])
        closest[here] = torch.where(better, squared, closest[here])
    return parents, closest.sqrt()


# 1 / n! for n = 13 … 0: the Taylor series of exp on [-ln 2 / 2, ln 2 / 2], exact in float64.
_TAYLOR = tuple(1 / float(np.prod(np.arange(1, n + 1, dtype=float))) for n in range(13, -1, -1))
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
# Adding it makes a float64 of small size keep its nearest integer in its lowest bits.
_ROUND = 1.5 * 2.0**52


@njit(cache=True, nogil=True)
def _squared_distance(
    L: Any, a: Any, b: Any, L_: Any, a_: Any, b_: Any, dy2: float, dx2: float, squared: Any
) -> None:
    """Squared distance in [L, a, b, x, y] of a row of pixels to a row of neighbours."""
    for i in range(len(L)):
        dl, da, db = L[i] - L_[i], a[i] - a_[i], b[i] - b_[i]
        squared[i] = dl * dl + da * da + db * db + dy2 + dx2


@njit(cache=True, nogil=True)
def _add(total: Any, row: Any) -> None:
    for i in range(len(total)):
        total[i] += row[i]


@njit(cache=True, nogil=True)
def _exp(x: Any, factor: float, power: Any, y: Any, n: int) -> None:
    """exp(factor * x[:n]), at most 1, into y: 2^p * exp(x - p ln 2), straight-line per element.

    A compiler turns it into vector instructions, which it cannot do with a call to exp. The power
    of two is added to the exponent bits.
    """
    for i in range(n):
        # exp(-700) = 1e-304 adds nothing to a sum that has exp(0) in it.
        x[i] = max(x[i] * factor, -700.0)
        power[i] = x[i] * 1.4426950408889634 + _ROUND
    for i in range(n):
        p = power[i] - _ROUND
        r = (x[i] - p * _LN2_HIGH) - p * _LN2_LOW
        e = _TAYLOR[0]
        for c in _TAYLOR[1:]:
            e = e * r + c
        y[i] = e
    bits, power_bits = y.view(np.int64), power.view(np.int64)
    for i in range(n):
        bits[i] += power_bits[i] << 52


@njit(cache=True, nogil=True)
def _density_kernel(f: NDArray[np.float64], kernel_size: float) -> NDArray[np.float64]:
    """The same as `density`, for half of the offsets: k(p, q) counts for p and for q."""
    _, height, width = f.shape
    reach = int(np.ceil(3 * kernel_size))
    factor = -0.5 / (kernel_size * kernel_size)
    total = np.ones((height, width))  # the kernel of a pixel and itself
    x, power, kernel = np.empty(width), np.empty(width), np.empty(width)
    for dy in range(min(reach, height - 1) + 1):
        for dx in range(1 if dy == 0 else -min(reach, width - 1), min(reach, width - 1) + 1):
            n, left, right = width - abs(dx), max(0, -dx), max(0, dx)
            here, there = slice(left, left + n), slice(right, right + n)
            for y in range(height - dy):
                q = y + dy
                _squared_distance(
                    f[0, y, here], f[1, y, here], f[2, y, here],
                    f[0, q, there], f[1, q, there], f[2, q, there],
                    float(dy * dy), float(dx * dx), x,
                )  # fmt: skip
                _exp(x, factor, power, kernel, n)
                _add(total[y, here], kernel)
                _add(total[q, there], kernel)
    return total


def _rings(reach: int) -> NDArray[np.int64]:
    """The window's offsets (dy, dx) from near to far, without (0, 0); -> (M, 3) with dy² + dx²."""
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1)
    rings = np.stack([dy, dx, dy * dy + dx * dx], axis=1)
    return rings[np.argsort(rings[:, 2], kind="stable")[1:]]


@njit(cache=True, nogil=True)
def _nearest_higher_kernel(
    f: NDArray[np.float64], dense: NDArray[np.float64], rings: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The same as `nearest_higher`; f is (H, W, 3) here, a pixel's colour in one place."""
    height, width = dense.shape
    parents, distances = np.empty((height, width), np.int64), np.empty((height, width))
    for y in range(height):
        for x in range(width):
            parent, closest = y * width + x, np.inf
            for dy, dx, plane in rings:
                if plane > closest:
                    break  # the colour can only add to the distance
                y_, x_ = y + dy, x + dx
                if not (0 <= y_ < height and 0 <= x_ < width) or dense[y_, x_] <= dense[y, x]:
                    continue
                dl, da = f[y, x, 0] - f[y_, x_, 0], f[y, x, 1] - f[y_, x_, 1]
                db = f[y, x, 2] - f[y_, x_, 2]
                d = dl * dl + da * da + db * db + dy * dy + dx * dx
                q = y_ * width + x_
                if d < closest or (d == closest and q < parent):
                    parent, closest = q, d
            parents[y, x], distances[y, x] = parent, np.sqrt(closest)
    return parents, distances


@njit(cache=True, nogil=True)
def _label_trees(parents: NDArray[np.int64]) -> NDArray[np.int32]:
    """Number the trees of a forest by their roots: parents (N,) -> labels (N,) int32."""
    labels = np.full(len(parents), -1, np.int32)
    n = 0
    for i in range(len(parents)):
        if parents[i] == i:
            labels[i] = n
            n += 1
    for i in range(len(parents)):
        root = i
        while labels[root] < 0:
            root = parents[root]
        label = labels[root]
        while labels[i] < 0:
            labels[i] = label
            i = parents[i]
    return labels


def _features(image: NDArray[Any], ratio: float, sigma: float) -> NDArray[np.float64]:
    """`ratio` times the smoothed CIELAB colours, (H, W, 3) float64."""
    # 1 / 255 as a factor, as scikit-image does it: the last bit may matter in a tie.
    scaled = image * (1 / 255) if image.dtype == np.uint8 else image.astype(np.float64)
    lab: NDArray[np.float64] = ndimage.gaussian_filter(rgb2lab(scaled), (sigma, sigma, 0)) * ratio
    return lab


def quickshift_tree(
    image: Any,
    ratio: float = 1.0,
    kernel_size: float = 5.0,
    *,
    sigma: float = 0.0,
    seed: int = 42,
    device: str | torch.device = "auto",
) -> QuickshiftTree:
    """Link every pixel to the nearest one of higher density (Vedaldi & Soatto 2008, section 4).

    Args:
        image: as for `quickshift`.
        ratio: as for `quickshift`.
        kernel_size: as for `quickshift`.
        sigma: as for `quickshift`.
        seed: as for `quickshift`.
        device: as for `quickshift`.

    Returns:
        parents, distances and density, each (H, W); `.cut(max_dist)` makes segments of them.

    Raises:
        ValueError: the image or a parameter is not as above.
    """
    image = check_image(image)
    for name, value in (("ratio", ratio), ("sigma", sigma)):
        if not (value >= 0 and np.isfinite(value)):
            raise ValueError(f"{name} must be finite and not negative, got {value}")
    if not (kernel_size > 0 and np.isfinite(kernel_size)):
        raise ValueError(f"kernel_size must be positive and finite, got {kernel_size}")
    features = _features(image, ratio, sigma)  # (H, W, 3)
    planes = np.ascontiguousarray(features.transpose(2, 0, 1))  # (3, H, W)
    noise = np.random.default_rng(seed).normal(scale=NOISE, size=image.shape[:2])
    reach = int(np.ceil(3 * kernel_size))
    chosen = auto_device(device)
    if chosen.type == "cpu":
        dense = _density_kernel(planes, float(kernel_size)) + noise
        return QuickshiftTree(*_nearest_higher_kernel(features, dense, _rings(reach)), dense)
    tensor = torch.from_numpy(planes).to(chosen)
    dense_there = density(tensor, kernel_size) + torch.from_numpy(noise).to(chosen)
    found = (*nearest_higher(tensor, dense_there, reach), dense_there)
    return QuickshiftTree(*(t.cpu().numpy() for t in found))


def quickshift(
    image: Any,
    ratio: float = 1.0,
    kernel_size: float = 5.0,
    max_dist: float = 10.0,
    *,
    sigma: float = 0.0,
    seed: int = 42,
    device: str | torch.device = "auto",
) -> NDArray[np.int32]:
    """Segment an image by mode seeking in colour and position (Vedaldi & Soatto 2008).

    Args:
        image: (H, W, 3), RGB, uint8 or float in [0, 1].
        ratio: how much a difference of 1 in CIELAB weighs against a pixel of distance.
        kernel_size: standard deviation of the density's Gaussian, in pixels (and in CIELAB over
            `ratio`); more makes fewer segments.
        max_dist: links longer than this are cut; more makes fewer segments.
        sigma: standard deviation in pixels of a Gaussian that smooths the colours first; 0: none.
        seed: of the noise that orders pixels of equal density.
        device: "cpu" runs the Numba kernels, "cuda" the readable torch code; "auto" takes CUDA when
            there is one.

    Returns:
        (H, W) int32, labels 0 … K-1, ordered by where each segment's root (the pixel of its highest
        density) lies in reading order. Segments need not be connected.

    Raises:
        ValueError: the image or a parameter is not as above.
    """
    tree = quickshift_tree(image, ratio, kernel_size, sigma=sigma, seed=seed, device=device)
    return tree.cut(max_dist)
