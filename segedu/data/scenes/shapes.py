"""The list of shapes that make up a picture, from back to front.

A shape is one record of numbers and some points. Kinds: a polygon (its corners),
an ellipse or ring (centre and the ends of two half axes), a capsule (two ends and their radii).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from struct import Struct, pack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segedu.data.scenes.camera import Affine, Camera, Plane, Point

POLYGON, ELLIPSE, CAPSULE = 0, 1, 2
EXTRAS = 7
# Materials: how a shape is coloured, see `shading.py`.
PLAIN, GROUND, FACADE, SKY, LEAVES, SHADOW, GLASS, BOARDS = range(8)

# A shape's record. Records are packed one by one into bytes: of all ways to fill an array from
# Python the fastest.
_I, _F = np.int32, np.float64
SHAPE = np.dtype(
    [
        ("kind", _I),
        ("first", _I),  # of its points
        ("count", _I),
        ("label", _I),
        ("instance", _I),
        ("part", _I),
        ("material", _I),
        ("plane", _I),  # number of the plane on which it lies
        ("color", _F, 3),
        ("light", _F, 3),  # brightness: a + b x + c y in the picture
        ("extra", _F, EXTRAS),  # what the material needs, see `shading.py`
        ("glow", _F),  # how much it shines by itself
    ]
)
_pack_head = Struct("=8i3d").pack
_pack_tail = Struct(f"={3 + EXTRAS + 1}d").pack
_pack_plane = Struct("=9d").pack
# How a plane lies in the picture, see `camera.py`.
PLANE = np.dtype([("inverse", _F, 3), ("u", _F, 3), ("v", _F, 3)])

_ZEROS = (0.0,) * EXTRAS

Color = tuple[float, float, float]
FLAT: Affine = (1.0, 0.0, 0.0)
_PLAIN_TAIL = _pack_tail(*FLAT, *_ZEROS, 0.0)


class Shapes:
    """Collects shapes; what is added later covers what was added before.

    Attributes:
        camera: the camera that sees them.
        aspect: the picture's width over its height.
        pixel: size of a pixel in picture heights; details that are smaller may be left out.
        label: trainId that the next shapes get.
        instance: instance that the next shapes get, 0 for none.
        part: which part of a body the next shapes are, 0 for none.
    """

    __slots__ = (
        "_plane",
        "_planes",
        "_points",
        "_rows",
        "aspect",
        "camera",
        "instance",
        "label",
        "part",
        "pixel",
    )

    def __init__(self, camera: Camera, height: int, width: int) -> None:
        self.camera, self.aspect, self.pixel = camera, width / height, 1 / height
        self.label, self.instance, self.part = 255, 0, 0
        self._rows = bytearray()
        self._points: list[Point] = []
        self._planes = bytearray(_pack_plane(*(0.0,) * 9))
        self._plane = 0

    def lie_on(self, plane: Plane) -> None:
        """Say on which plane the next shapes lie, for depth and texture."""
        inverse, u, v = plane
        self._planes += _pack_plane(*inverse, *u, *v)
        self._plane += 1

    def shows(self, x: float, z: float, margin: float) -> bool:
        """True when a thing at (x, z), `margin` metres to the sides, may be in the picture."""
        middle = self.camera.vanish + self.camera.focal * x / z
        return abs(middle) - self.camera.focal * margin / z < self.aspect / 2

    def _add(
        self,
        kind: int,
        count: int,
        color: Color,
        material: int,
        light: Affine,
        extra: tuple[float, ...],
        glow: float,
    ) -> None:
        self._rows += _pack_head(
            kind,
            len(self._points) - count,
            count,
            self.label,
            self.instance,
            self.part,
            material,
            self._plane,
            *color,
        )
        if light is FLAT and not extra and not glow:
            self._rows += _PLAIN_TAIL
        else:
            self._rows += _pack_tail(*light, *extra, *_ZEROS[len(extra) :], glow)

    def polygon(
        self,
        corners: list[Point],
        color: Color,
        material: int = PLAIN,
        light: Affine = FLAT,
        extra: tuple[float, ...] = (),
        glow: float = 0.0,
    ) -> None:
        """A polygon in the picture, convex or not."""
        self._points += corners
        self._add(POLYGON, len(corners), color, material, light, extra, glow)

    def ellipse(
        self,
        center: Point,
        axes: tuple[Point, Point],
        color: Color,
        material: int = PLAIN,
        light: Affine = FLAT,
        hole: float = 0.0,
        ragged: float = 0.0,
        contrast: float = 0.0,
        glow: float = 0.0,
    ) -> None:
        """An ellipse; `axes` are the ends of two half axes seen from the centre.

        `hole` is the radius of a hole relative to the ellipse's; `ragged` how far leaves reach out,
        `contrast` how much light and dark leaves differ.
        """
        self._points += (center, *axes)
        extra = (hole, ragged, contrast) if hole or ragged else ()
        self._add(ELLIPSE, 3, color, material, light, extra, glow)

    def capsule(
        self,
        start: Point,
        end: Point,
        radii: tuple[float, float],
        color: Color,
        light: Affine = FLAT,
    ) -> None:
        """A thick line with round ends, as wide as `radii` at its ends."""
        self._points += (start, end, radii)
        self._add(CAPSULE, 3, color, PLAIN, light, (), 0.0)

    def quad(
        self,
        corners: Iterable[tuple[float, float, float]],
        color: Color,
        material: int = PLAIN,
        light: Affine = FLAT,
        extra: tuple[float, ...] = (),
        glow: float = 0.0,
    ) -> None:
        """A polygon given by points of the world."""
        project = self.camera.project
        self.polygon([project(*corner) for corner in corners], color, material, light, extra, glow)

    def arrays(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]:
        """Records (N,) of `SHAPE`, (P,) of `PLANE`, and points (M, 2)."""
        packed = pack(f"{2 * len(self._points)}d", *chain.from_iterable(self._points))
        points = np.frombuffer(bytearray(packed), np.float64).reshape(-1, 2)
        return np.frombuffer(self._rows, SHAPE), np.frombuffer(self._planes, PLANE), points
