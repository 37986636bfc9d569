"""TurboPixels: superpixels that grow from seeds as level sets, slowly across edges, never merging.

A. Levinshtein, A. Stere, K. N. Kutulakos, D. J. Fleet, S. J. Dickinson, K. Siddiqi: "TurboPixels:
Fast Superpixels Using Geometric Flows", IEEE TPAMI 31(12), 2009.

The idea in three lines: K seeds on a grid are the zero level of psi; psi moves outward with speed
S = S_I S_B. The image speed S_I is high in flat places and low on edges, slows where the curve
bulges, and pulls the curve back to an edge it has crossed. The boundary speed S_B is 0 on the
skeleton of what is not assigned yet, so that regions stop where they meet.

Shapes: psi, phi, labels, skeleton (H, W); a narrow band of M pixels around the curves; K seeds.
psi is negative inside and in pixels; phi lies in (0, 1].

Departures from the paper and from the constants of its authors' MATLAB code:
- |grad I| takes all three channels of CIELAB, smoothed by a Gaussian (theirs: the grey image after
  ten steps of curvature flow), L scaled to 0 … 255;
- `nu` is half of theirs: slower on weak edges, it recalls more of the boundaries people drew and
  leaks less, for more time and less compact regions;
- |S| is cut off at 1, so that a time step moves the curve by half a pixel at most;
- a pixel changes sides only where that changes no topology (`change_sides`): the skeleton stops
  regions from meeting, this stops pixels between two skeletons from doing it;
- the last thinning goes by phi alone (theirs: phi and distance mixed), and the skeleton's own
  pixels, which they draw as boundaries, join the neighbour of nearest mean colour: every pixel has
  a label.

`turbopixels_steps` yields every time the speeds are renewed; `turbopixels` returns the last labels.
No implementation of it runs here to compare with: the level-set functions are checked by brute
force against their definitions, the method by what must hold of its result.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from segedu.images import check_image, rgb_to_lab_array
from segedu.superpixels.level_set import (
    change_sides,
    extend,
    narrow_band,
    normal_and_curvature,
    signed_distance,
    thin_background,
    upwind_gradient,
)
from segedu.superpixels.slic import Grid

ALPHA = 0.3  # weight of the curvature in eq. 4
BETA = 1.0  # weight of the doublet term in eq. 4
SMOOTHING = 1.0  # pixels: Gaussian before the gradient
GAMMA = 10.0  # eq. 6: gradient, in 8-bit steps a pixel, below which normalising hardly matters
TIME_STEP = 0.5
STEPS_PER_ROUND = 6  # between two renewals of distance, skeleton and extended speeds
BAND = 5.0  # pixels: more than a round's 6 half pixels, and room for the derivatives
STOP = 1e-4  # growth in a step, as a part of the image, below which the method stops
BINS_PER_PIXEL = 16  # how finely the thinning tells distances apart,
PHI_BINS = 1024  # and speeds


@dataclass(frozen=True)
class TurboPixelsState:
    """The level set after a round of steps.

    Attributes:
        iteration: time steps made; 0 is the seeds.
        psi: (H, W) float64, signed distance to the curves in pixels, negative inside.
        labels: (H, W) int32, -1 where not assigned; in the last state 0 … K-1 everywhere.
        skeleton: (H, W) bool, the barrier: S_B is 0 on it.
        affinity: (H, W) float64, phi of eq. 5, the same in all states.
        seeds: (K, 2) int64, x and y.
        finished: True for the last state alone.
    """

    iteration: int
    psi: NDArray[np.float64]
    labels: NDArray[np.int32]
    skeleton: NDArray[np.bool_]
    affinity: NDArray[np.float64]
    seeds: NDArray[np.int64]
    finished: bool


def gradient_magnitude(lab: NDArray[np.float32]) -> NDArray[np.float64]:
    """|grad I| in 8-bit steps a pixel, over the channels of CIELAB: (H, W, 3) -> (H, W)."""
    planes = lab.transpose(2, 0, 1).astype(np.float64) * 2.55
    planes = ndimage.gaussian_filter(planes, (0, SMOOTHING, SMOOTHING), mode="nearest")
    padded = np.pad(planes, ((0, 0), (1, 1), (1, 1)), mode="edge")
    dx = (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]) / 2
    dy = (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]) / 2
    magnitude: NDArray[np.float64] = np.sqrt((dx * dx + dy * dy).sum(axis=0))
    return magnitude


def affinity(gradient: NDArray[np.float64], spacing: float, nu: float) -> NDArray[np.float64]:
    """phi = exp(-E / nu), eq. 5: near 1 in flat places, near 0 on edges; (H, W) -> (H, W).

    E = |grad I| / (G_sigma * |grad I| + gamma), eq. 6, with sigma of 2 floor(S / 2.5) pixels. The
    sum is scaled so that a long straight edge, whose central differences are two pixels wide, is
    divided by its own strength.
    """
    sigma = 2 * max(1.0, np.floor(spacing / 2.5))
    weight = np.sqrt(2 * np.pi) * sigma / 2
    around = ndimage.gaussian_filter(gradient, sigma, mode="nearest") * weight
    phi: NDArray[np.float64] = np.exp(-gradient / (around + GAMMA) / nu)
    return phi


@njit(cache=True, nogil=True)
def place_seeds(
    gradient: NDArray[np.float64], rows: NDArray[np.int64], cols: NDArray[np.int64], reach: int
) -> NDArray[np.int64]:
    """A seed in every cell of a grid, where the gradient is lowest near its middle: (K, 2) x, y.

    rows (R + 1,) and cols (C + 1,) are the cells' borders; a seed moves up to `reach` pixels along
    each axis within its cell, and of equally low places takes the one nearest to the middle.
    """
    seeds = np.empty(((len(rows) - 1) * (len(cols) - 1), 2), np.int64)
    for k in range(len(seeds)):
        r, c = k // (len(cols) - 1), k % (len(cols) - 1)
        y, x = (rows[r] + rows[r + 1] - 1) // 2, (cols[c] + cols[c + 1] - 1) // 2
        lowest, nearest = np.inf, 0
        for v in range(max(rows[r], y - reach), min(rows[r + 1], y + reach + 1)):
            for u in range(max(cols[c], x - reach), min(cols[c + 1], x + reach + 1)):
                far = (v - y) ** 2 + (u - x) ** 2
                if gradient[v, u] < lowest or (gradient[v, u] == lowest and far < nearest):
                    lowest, nearest = gradient[v, u], far
                    seeds[k, 0], seeds[k, 1] = u, v
    return seeds


def initial_level_set(
    seeds: NDArray[np.int64], shape: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """psi of disks of radius 1 around the seeds, and labels with the seeds' pixels alone."""
    labels = np.full(shape, -1, np.int32)
    labels[seeds[:, 1], seeds[:, 0]] = np.arange(len(seeds))
    psi = ndimage.distance_transform_edt(labels < 0) - 1.0
    return psi, labels


@njit(cache=True, nogil=True)
def image_speed(
    nx: float, ny: float, curvature: float, phi: float, phi_x: float, phi_y: float
) -> float:
    """S_I = (1 - alpha kappa) phi - beta N . grad phi (eq. 4), within [-1, 1].

    The second part is the doublet term: phi falls towards an edge and rises behind it, so the curve
    hurries to the edge and is pulled back from behind it.
    """
    speed = (1 - ALPHA * curvature) * phi - BETA * (nx * phi_x + ny * phi_y)
    return min(max(speed, -1.0), 1.0)


@njit(cache=True, nogil=True)
def step(
    psi: NDArray[np.float64],
    band: NDArray[np.int64],
    phi: NDArray[np.float64],
    phi_x: NDArray[np.float64],
    phi_y: NDArray[np.float64],
    skeleton: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """psi - S_I S_B |grad psi| dt (eq. 2) for the pixels of the band; phi, its gradient: (M,)."""
    moved = np.empty(len(band))
    for i, (y, x) in enumerate(band):
        if skeleton[y, x]:  # S_B = 0
            moved[i] = psi[y, x]
            continue
        nx, ny, curvature = normal_and_curvature(psi, y, x)
        speed = image_speed(nx, ny, curvature, phi[i], phi_x[i], phi_y[i])
        moved[i] = psi[y, x] - speed * upwind_gradient(psi, y, x, speed > 0) * TIME_STEP
    return moved


def background_skeleton(psi: NDArray[np.float64], labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """The lines halfway between regions: the background thinned from near to far; (H, W) bool."""
    order = np.rint(np.maximum(psi, 0) * BINS_PER_PIXEL).astype(np.int64)
    skeleton: NDArray[np.bool_] = thin_background(labels, order) < 0
    return skeleton


def final_labels(
    labels: NDArray[np.int32], phi: NDArray[np.float64], lab: NDArray[np.float32]
) -> NDArray[np.int32]:
    """Give every pixel left over to a region; the lines between regions run along low phi.

    The background is thinned once more, its pixels of low phi last; the skeleton's pixels then join
    the neighbour of nearest mean colour. (H, W), (H, W), (H, W, 3) -> (H, W).
    """
    labels = thin_background(labels, np.rint((1 - phi) * PHI_BINS).astype(np.int64))
    _give_to_nearest_color(labels, lab.astype(np.float64))
    return labels


@njit(cache=True, nogil=True)
def _give_to_nearest_color(labels: NDArray[np.int32], lab: NDArray[np.float64]) -> None:
    """Rounds in which unassigned pixels join the 4-neighbour of nearest mean colour."""
    height, width = labels.shape
    mean, count = np.zeros((labels.max() + 1, 3)), np.zeros(labels.max() + 1)
    for y in range(height):
        for x in range(width):
            if labels[y, x] >= 0:
                mean[labels[y, x]] += lab[y, x]
                count[labels[y, x]] += 1
    for k in range(len(mean)):
        mean[k] /= count[k]
    rest = np.argwhere(labels < 0)
    while len(rest) > 0:
        chosen = np.full(len(rest), -1, np.int32)
        for i, (y, x) in enumerate(rest):
            nearest = np.inf
            for dy, dx in ((-1, 0), (0, -1), (0, 1), (1, 0)):
                y_, x_ = y + dy, x + dx
                if 0 <= y_ < height and 0 <= x_ < width and labels[y_, x_] >= 0:
                    d = ((lab[y, x] - mean[labels[y_, x_]]) ** 2).sum()
                    if d < nearest:
                        nearest, chosen[i] = d, labels[y_, x_]
        for i, (y, x) in enumerate(rest):
            labels[y, x] = chosen[i]
        rest = rest[chosen < 0]


def turbopixels_steps(
    image: Any, n_segments: int = 250, *, nu: float = 0.04, max_iterations: int = 600
) -> Iterator[TurboPixelsState]:
    """Yield the level set at the start, every 6 time steps, and at the end.

    Args:
        image: (H, W, 3), RGB, uint8 or float in [0, 1].
        n_segments: K, the number of seeds, up to the rounding to rows and columns.
        nu: as for `turbopixels`.
        max_iterations: time steps at most, each of 1/2: at full speed a curve moves half a pixel.

    Yields:
        `TurboPixelsState`; the last one has every pixel assigned.

    Raises:
        ValueError: the image or a parameter is not as above.
    """
    image = check_image(image)
    n_pixels = image.shape[0] * image.shape[1]
    if not 1 <= n_segments <= n_pixels:
        raise ValueError(
            f"n_segments must lie between 1 and the image's {n_pixels} pixels, got {n_segments}"
        )
    if not (nu > 0 and np.isfinite(nu)):
        raise ValueError(f"nu must be positive and finite, got {nu}")
    if max_iterations < 1:
        raise ValueError(f"max_iterations must be at least 1, got {max_iterations}")
    return _evolution(rgb_to_lab_array(image), n_segments, nu, max_iterations)


def _evolution(
    lab: NDArray[np.float32], n_segments: int, nu: float, max_iterations: int
) -> Iterator[TurboPixelsState]:
    grid = Grid.over(lab.shape[0], lab.shape[1], n_segments)
    gradient = gradient_magnitude(lab)
    phi = affinity(gradient, grid.spacing, nu)
    phi_y, phi_x = (np.gradient(phi, axis=a) if phi.shape[a] > 1 else 0 * phi for a in (0, 1))
    seeds = place_seeds(gradient, grid.rows, grid.cols, int(grid.spacing / 6))
    psi, labels = initial_level_set(seeds, phi.shape)
    iteration, growing = 0, True
    while growing and iteration < max_iterations and (labels < 0).any():
        psi, feet = signed_distance(psi)
        skeleton = background_skeleton(psi, labels)
        yield TurboPixelsState(iteration, psi.copy(), labels.copy(), skeleton, phi, seeds, False)
        band = narrow_band(psi, BAND)
        speeds = extend(phi, feet, band), extend(phi_x, feet, band), extend(phi_y, feet, band)
        grown = 0
        for _ in range(min(STEPS_PER_ROUND, max_iterations - iteration)):
            grown += change_sides(psi, step(psi, band, *speeds, skeleton), labels, band)
            iteration += 1
        growth = grown / (STEPS_PER_ROUND * labels.size)
        growing = growth >= STOP or bool(np.mean(labels >= 0) < 0.5)
    labels = final_labels(labels, phi, lab)
    skeleton = np.zeros(labels.shape, bool)
    yield TurboPixelsState(iteration, psi, labels, skeleton, phi, seeds, True)


def turbopixels(
    image: Any, n_segments: int = 250, *, nu: float = 0.04, max_iterations: int = 600
) -> NDArray[np.int32]:
    """Segment an image into compact superpixels by level-set dilation (Levinshtein et al. 2009).

    Args:
        image: (H, W, 3), RGB, uint8 or float in [0, 1].
        n_segments: K, about how many superpixels to make, at most H * W; rounded to a grid of
            seeds, of which every one becomes a superpixel.
        nu: the normalised gradient E at which the speed falls to 1 / e. Less follows edges more
            closely, more gives more compact superpixels and is faster; the authors' is 0.08.
        max_iterations: time steps at most; the method stops before, once the regions hardly grow.

    Returns:
        (H, W) int32, labels 0 … K-1 in the order of the seeds' grid, every label one 4-connected
        region.

    Raises:
        ValueError: the image or a parameter is not as above.
    """
    for state in turbopixels_steps(image, n_segments, nu=nu, max_iterations=max_iterations):  # noqa: B007
        pass
    return state.labels
