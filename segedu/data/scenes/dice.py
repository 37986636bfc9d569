"""Random numbers and sines that are the same on every machine and with every NumPy.

NumPy promises the raw 64-bit stream of PCG64 for ever, but not the distributions built on it; the
last bit of `math.sin` depends on the machine. So both are made here from raw integers and a table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")

_STEPS = 4096
# Rounding to 30 bits takes away the last bits, in which machines differ.
_SINES = [round(math.sin(2 * math.pi * i / _STEPS) * 2**30) / 2**30 for i in range(_STEPS)]


def sine(turns: float) -> float:
    """Sine of an angle given in turns (1 is a full circle), to a 4096th of a turn."""
    return _SINES[int(turns * _STEPS + 0.5 + _STEPS * 64) % _STEPS]


def cosine(turns: float) -> float:
    """Cosine of an angle given in turns, to a 4096th of a turn."""
    return sine(turns + 0.25)


class Dice:
    """A stream of random choices, fixed by its seed.

    Args:
        seed: not negative.

    Raises:
        ValueError: the seed is negative.
    """

    def __init__(self, seed: int) -> None:
        if seed < 0:
            raise ValueError(f"seed must not be negative, got {seed}")
        self._bits = np.random.PCG64(int(seed))
        self._pool: list[float] = []

    def unit(self) -> float:
        """A number in [0, 1)."""
        if not self._pool:
            raw = self._bits.random_raw(1024)
            self._pool = ((raw >> np.uint64(11)) * 2.0**-53).tolist()
        return self._pool.pop()

    def uniform(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * self.unit()

    def integer(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self.unit() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """True with that probability."""
        return self.unit() < probability

    def choice(self, options: Sequence[T]) -> T:
        """One of the options, all equally likely."""
        return options[int(self.unit() * len(options))]

    def near(self, value: float, spread: float) -> float:
        """A number around `value`: the mean of two uniform ones, at most `spread` away."""
        return value + spread * (self.unit() + self.unit() - 1)
