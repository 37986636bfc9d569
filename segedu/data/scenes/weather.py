"""Weather, hour and camera sensor of a scene, and the step from light to an 8-bit picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from segedu.data.scenes.dice import Dice
from segedu.data.scenes.shapes import Color

KINDS = ("sunny", "cloudy", "fog", "rain", "dusk", "night", "glare")


@dataclass(frozen=True)
class Weather:
    """What the light is like.

    Attributes:
        kind: one of `KINDS`.
        ambient: light on everything, 1 is full daylight.
        zenith, horizon: colours of the sky above and at the horizon.
        cover: share of clouds, -1 … 1.
        cloud: brightness of the clouds.
        haze: colour of the haze.
        density: of the haze, one over the metres after which half is haze.
        sky_haze: share of haze at the horizon.
        sun: strength of cast shadows, 0 … 1.
        shadow: how far a shadow reaches in X and Z for every metre of height.
        lit: share of windows that are lit.
        lamps: True when lamps burn.
        wet: True when the road is wet.
        gain, warmth, noise, vignette: of the camera.
        rain: number of drops in the picture.
    """

    kind: str
    ambient: Color
    zenith: Color
    horizon: Color
    cover: float
    cloud: float
    haze: Color
    density: float
    sky_haze: float
    sun: float
    shadow: tuple[float, float]
    lit: float
    lamps: bool
    wet: bool
    gain: float
    warmth: float
    noise: float
    vignette: float
    rain: int


def roll_weather(dice: Dice) -> Weather:
    """Choose a weather: every second scene is sunny or cloudy, the others are harder."""
    roll = dice.unit()
    shares = (0.30, 0.54, 0.64, 0.74, 0.84, 0.93, 1.0)
    kind = KINDS[next(i for i, share in enumerate(shares) if roll < share)]
    side = 1 if dice.chance(0.5) else -1
    values: dict[str, Any] = {
        "kind": kind,
        "ambient": (1.0, 0.98, 0.95),
        "zenith": (0.28 + dice.uniform(0, 0.15), 0.5 + dice.uniform(0, 0.1), 0.85),
        "horizon": (0.75, 0.85, 0.95),
        "cover": dice.uniform(-0.7, 0.3),
        "cloud": 0.95,
        "haze": (0.72, 0.78, 0.85),
        "density": dice.uniform(0.0005, 0.003),
        "sky_haze": 0.3,
        "sun": dice.uniform(0.45, 0.65),
        "shadow": (side * dice.uniform(0.15, 1.3), dice.uniform(-0.7, 0.9)),
        "lit": 0.0,
        "lamps": False,
        "wet": False,
        "gain": dice.uniform(0.85, 1.15),
        "warmth": dice.near(0.0, 0.1),
        "noise": dice.uniform(0.008, 0.03),
        "vignette": dice.uniform(0.05, 0.3),
        "rain": 0,
    }
    values.update(_OVERRIDES[kind](dice))
    return Weather(**values)


def _cloudy(dice: Dice) -> dict[str, Any]:
    grey = dice.uniform(0.62, 0.85)
    return {
        "ambient": (0.82, 0.85, 0.88),
        "zenith": (grey * 0.9, grey * 0.94, grey),
        "horizon": (grey, grey, grey * 1.02),
        "cover": dice.uniform(0.1, 0.7),
        "cloud": grey * 1.05,
        "haze": (grey * 0.95, grey * 0.97, grey),
        "density": dice.uniform(0.001, 0.005),
        "sun": dice.uniform(0.0, 0.12),
    }


def _fog(dice: Dice) -> dict[str, Any]:
    grey = dice.uniform(0.62, 0.82)
    white = (grey, grey * 1.01, grey * 1.02)
    return {
        "ambient": (0.8, 0.82, 0.84),
        "zenith": white,
        "horizon": white,
        "haze": white,
        "cover": 0.0,
        "cloud": grey * 1.03,
        "density": dice.uniform(0.012, 0.04),
        "sky_haze": 0.9,
        "sun": 0.0,
        "lamps": dice.chance(0.4),
    }


def _rain(dice: Dice) -> dict[str, Any]:
    grey = dice.uniform(0.45, 0.62)
    return _cloudy(dice) | {
        "ambient": (0.6, 0.64, 0.7),
        "zenith": (grey * 0.85, grey * 0.92, grey),
        "horizon": (grey, grey, grey * 1.05),
        "haze": (grey, grey, grey * 1.05),
        "cloud": grey,
        "density": dice.uniform(0.004, 0.012),
        "sun": 0.0,
        "lit": dice.uniform(0, 0.2),
        "lamps": dice.chance(0.6),
        "wet": True,
        "noise": dice.uniform(0.015, 0.04),
        "rain": dice.integer(60, 260),
    }


def _dusk(dice: Dice) -> dict[str, Any]:
    return {
        "ambient": (0.62, 0.48, 0.42),
        "zenith": (0.25, 0.25, 0.45),
        "horizon": (0.95, dice.uniform(0.45, 0.65), 0.35),
        "cloud": 0.6,
        "cover": dice.uniform(-0.6, 0.2),
        "haze": (0.7, 0.5, 0.42),
        "density": dice.uniform(0.002, 0.006),
        "sun": dice.uniform(0.1, 0.35),
        "lit": dice.uniform(0.1, 0.4),
        "lamps": dice.chance(0.7),
        "gain": dice.uniform(0.9, 1.3),
        "noise": dice.uniform(0.015, 0.04),
    }


def _night(dice: Dice) -> dict[str, Any]:
    return {
        "ambient": (0.2, 0.2, 0.25),
        "zenith": (0.02, 0.03, 0.07),
        "horizon": (0.1, 0.09, 0.12),
        "cloud": 0.1,
        "cover": dice.uniform(-0.5, 0.4),
        "haze": (0.08, 0.08, 0.11),
        "density": dice.uniform(0.002, 0.008),
        "sun": 0.0,
        "lit": dice.uniform(0.15, 0.5),
        "lamps": True,
        "wet": dice.chance(0.3),
        "gain": dice.uniform(1.0, 1.6),
        "noise": dice.uniform(0.03, 0.07),
    }


def _glare(dice: Dice) -> dict[str, Any]:
    return {
        "ambient": (1.1, 1.02, 0.9),
        "zenith": (0.75, 0.85, 0.98),
        "horizon": (1.2, 1.12, 0.95),
        "haze": (1.0, 0.93, 0.8),
        "density": dice.uniform(0.003, 0.008),
        "sky_haze": 0.8,
        "sun": dice.uniform(0.5, 0.7),
        "gain": dice.uniform(1.2, 1.5),
    }


_OVERRIDES: dict[str, Callable[[Dice], dict[str, Any]]] = {
    "sunny": lambda dice: {},
    "cloudy": _cloudy,
    "fog": _fog,
    "rain": _rain,
    "dusk": _dusk,
    "night": _night,
    "glare": _glare,
}


def raindrops(dice: Dice, count: int) -> NDArray[np.float64]:
    """Streaks of rain (N, 4): x, y in picture heights (x from 0 to 2), length, brightness."""
    drops = [
        (
            dice.uniform(-1, 1),
            dice.unit(),
            dice.uniform(0.03, 0.12),
            dice.uniform(0.05, 0.2),
        )
        for _ in range(count)
    ]
    return np.array(drops, dtype=np.float64).reshape(-1, 4)


@njit(cache=True, nogil=True, error_model="numpy")
def add_rain(image: NDArray[np.float32], drops: NDArray[np.float64], slant: float) -> None:
    """Brighten the pixels under each streak of rain."""
    height, width = image.shape[:2]
    thick = max(1, height // 384)
    for n in range(drops.shape[0]):
        steps = int(drops[n, 2] * height) + 1
        top, alpha = drops[n, 1] * height, np.float32(drops[n, 3])
        x0 = drops[n, 0] * height + width * 0.5
        for s in range(steps):
            i = int(top) + s
            for j in range(int(x0 + slant * s), int(x0 + slant * s) + thick):
                if 0 <= i < height and 0 <= j < width:
                    for c in range(3):
                        image[i, j, c] += alpha * (np.float32(0.85) - image[i, j, c])


@njit(cache=True, nogil=True, error_model="numpy")
def develop(
    image: NDArray[np.float32],
    gains: NDArray[np.float32],
    vignette: float,
    noise: float,
    grain: NDArray[np.float32],
    start: int,
    out: NDArray[np.uint8],
) -> None:
    """Exposure, white balance, vignette, tone curve, sensor noise, rounding to 8 bits."""
    height, width = out.shape[:2]
    at = start
    for i in range(height):
        y = np.float32((i + 0.5) / height - 0.5)
        for j in range(width):
            x = np.float32((j + 0.5) / width - 0.5)
            # A walk through the table that does not repeat in a visible pattern.
            at = (at * 1664525 + 1013904223) & 0xFFFFFFFF
            dim = np.float32(1) - np.float32(vignette) * (x * x + y * y)
            for c in range(3):
                v = image[i, j, c] * gains[c] * dim
                if v > 0.7:  # highlights roll off instead of clipping hard
                    v = np.float32(0.7) + (v - np.float32(0.7)) / (
                        np.float32(1) + (v - np.float32(0.7)) * np.float32(1.4)
                    )
                v += grain[((at >> 16) + c) & 0xFFFF] * np.float32(noise) * (np.float32(0.5) + v)
                out[i, j, c] = np.uint8(
                    min(np.float32(255), max(np.float32(0), v * np.float32(255) + np.float32(0.5)))
                )
