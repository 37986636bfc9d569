"""The list of shapes that make up a picture, from back to front.

A shape is one row of numbers (the columns below), and some points. Kinds: a polygon (its corners),
an ellipse or ring (centre and the ends of two half axes), a capsule (two ends and their radii).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from segedu.data.scenes.camera import Affine, Camera, Plane, Point

POLYGON, ELLIPSE, CAPSULE = 0, 1, 2
# Materials: how a shape is coloured, see `shading.py`.
PLAIN, GROUND, FACADE, SKY, LEAVES, SHADOW, GLASS = range(7)

# Columns of a shape's row.
KIND, FIRST, COUNT, LABEL, INSTANCE, PART, MATERIAL = range(7)
RED, LIGHT, DEPTH, U, V, EXTRA = 7, 10, 13, 16, 19, 22
GLOW = 29  # how much it shines by itself
COLUMNS = 30

_ZEROS = (0.0,) * COLUMNS

Color = tuple[float, float, float]
FLAT: Affine = (1.0, 0.0, 0.0)


@dataclass
class Shapes:
    """Collects shapes; what is added later covers what was added before.

    Attributes:
        camera: the camera that sees them.
        label: trainId that the next shapes get.
        instance: instance that the next shapes get, 0 for none.
        plane: where the next shapes lie, for depth and texture.
        part: which part of a body the next shapes are, 0 for none.
    """

    camera: Camera
    label: int = 255
    instance: int = 0
    plane: Plane = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    part: int = 0
    rows: array[float] = field(default_factory=lambda: array("d"))
    points: array[float] = field(default_factory=lambda: array("d"))

    def _add(
        self,
        kind: int,
        count: int,
        color: Color,
        material: int,
        light: Affine,
        extra: Sequence[float],
        glow: float,
    ) -> None:
        first = len(self.points) // 2 - count
        row = (kind, first, count, self.label, self.instance, self.part, material)
        self.rows.extend(row + color + light)
        for affine in self.plane:
            self.rows.extend(affine)
        self.rows.extend(extra)
        self.rows.extend(_ZEROS[: GLOW - EXTRA - len(extra)])
        self.rows.append(glow)

    def polygon(
        self,
        corners: Iterable[Point],
        color: Color,
        material: int = PLAIN,
        light: Affine = FLAT,
        extra: Sequence[float] = (),
        glow: float = 0.0,
    ) -> None:
        """A polygon in the picture, convex or not."""
        before = len(self.points)
        for corner in corners:
            self.points.extend(corner)
        self._add(POLYGON, (len(self.points) - before) // 2, color, material, light, extra, glow)

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
        (ax, ay), (bx, by) = axes
        self.points.extend((*center, ax, ay, bx, by))
        self._add(ELLIPSE, 3, color, material, light, (hole, ragged, contrast), glow)

    def capsule(
        self,
        start: Point,
        end: Point,
        radii: tuple[float, float],
        color: Color,
        light: Affine = FLAT,
    ) -> None:
        """A thick line with round ends, as wide as `radii` at its ends."""
        self.points.extend((*start, *end, *radii))
        self._add(CAPSULE, 3, color, PLAIN, light, (), 0.0)

    def quad(
        self,
        corners: Iterable[tuple[float, float, float]],
        color: Color,
        material: int = PLAIN,
        light: Affine = FLAT,
        extra: Sequence[float] = (),
        glow: float = 0.0,
    ) -> None:
        """A polygon given by points of the world."""
        project = self.camera.project
        self.polygon([project(*corner) for corner in corners], color, material, light, extra, glow)

    def arrays(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Rows (N, COLUMNS) and points (M, 2)."""
        rows = np.frombuffer(self.rows, dtype=np.float64).reshape(-1, COLUMNS)
        return rows, np.frombuffer(self.points, dtype=np.float64).reshape(-1, 2)
