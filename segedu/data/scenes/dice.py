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

HAND = 64  # numbers for one thing
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
            self._refill()
        return self._pool.pop()

    def _refill(self) -> None:
        raw = self._bits.random_raw(2048)
        self._pool += ((raw >> np.uint64(11)) * 2.0**-53).tolist()

    def hand(self) -> Dice:
        """A stream for one thing, which takes the same from this one however much it uses.

        So whether the thing is drawn or left out does not change what comes after it.
        """
        if len(self._pool) < HAND:
            self._pool.clear()
            self._refill()
        return _Hand(self._pool[-HAND:], self._pool)

    def uniform(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * (self._pool.pop() if self._pool else self.unit())

    def integer(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self.unit() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """True with that probability."""
        return (self._pool.pop() if self._pool else self.unit()) < probability

    def choice(self, options: Sequence[T]) -> T:
        """One of the options, all equally likely."""
        return options[int(self.unit() * len(options))]

    def near(self, value: float, spread: float) -> float:
        """A number around `value`: the mean of two uniform ones, at most `spread` away."""
        return value + spread * (self.unit() + self.unit() - 1)


class _Hand(Dice):
    """Numbers dealt from another stream; after the last come the first again."""

    def __init__(self, cards: list[float], source: list[float]) -> None:
        del source[-HAND:]
        self._cards, self._pool = cards, cards[:]

    def _refill(self) -> None:
        self._pool += self._cards
