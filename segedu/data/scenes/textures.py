"""Tables of noise from which surfaces take their texture: made once, of whole numbers only."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

SIZE = 256  # of a texture, which repeats


def _raw(seed: int, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Uniform whole numbers in 0 … 65535 from PCG64's raw stream."""
    bits = np.random.PCG64(seed).random_raw(int(np.prod(shape)))
    return (bits >> np.uint64(48)).astype(np.int64).reshape(shape)


def _octave(seed: int, cells: int) -> NDArray[np.int64]:
    """Smooth noise (SIZE, SIZE) from `cells` x `cells` random values, repeating at the border."""
    lattice = _raw(seed, (cells, cells))
    step = SIZE // cells
    at = np.arange(SIZE)
    low, t = at // step, (at % step) * (65536 // step)
    high = (low + 1) % cells
    # Smoothstep 3 t^2 - 2 t^3 in 16-bit fixed point.
    s = ((t * t >> 16) * (3 * 65536 - 2 * t)) >> 16
    rows = lattice[low] * (65536 - s)[:, None] + lattice[high] * s[:, None] >> 16
    smooth: NDArray[np.int64] = rows[:, low] * (65536 - s) + rows[:, high] * s >> 16
    return smooth


def _stretch(noise: NDArray[np.int64]) -> NDArray[np.float32]:
    """To float32 of mean about 0 within [-1, 1]."""
    low, high = int(noise.min()), int(noise.max())
    return ((noise - low) * np.float32(2) / np.float32(high - low) - np.float32(1)).astype(
        np.float32
    )


@cache
def textures() -> NDArray[np.float32]:
    """Three textures (3, SIZE, SIZE) in [-1, 1]: fine grain, clouds (fractal), leaves."""
    grain = _octave(1, 256) + _octave(2, 128)
    clouds = sum((_octave(10 + i, 4 << i) >> i for i in range(6)), np.zeros((SIZE, SIZE), np.int64))
    leaves = _octave(20, 64) + _octave(21, 32) + (_octave(22, 128) >> 1)
    # Stacked as they come, neighbours of a row would lie a kilobyte apart.
    return np.ascontiguousarray(np.stack([_stretch(grain), _stretch(clouds), _stretch(leaves)]))


@cache
def sensor_noise() -> NDArray[np.float32]:
    """65536 values of about a standard normal distribution: sums of four uniform ones."""
    total = _raw(30, (65536, 4)).sum(axis=1) - 2 * 65535
    return (total / np.float32(65536 / 3**0.5)).astype(np.float32)
