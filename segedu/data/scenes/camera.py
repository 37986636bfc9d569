"""The pinhole camera of a scene, and how planes of the street lie in its picture.

World: X to the right, Y up from the ground, Z ahead, in metres. Picture: x and y in units of the
picture's *height*, x from the middle, y from the top. So a scene does not know its size in pixels.

A plane of the world has 1/Z, u/Z and v/Z affine in (x, y), where u, v are coordinates on the plane:
three coefficients each, value = a + b x + c y. That gives depth and texture, right in perspective.
"""

from __future__ import annotations

from dataclasses import dataclass

Affine = tuple[float, float, float]
Plane = tuple[Affine, Affine, Affine]  # 1/Z, u/Z, v/Z
Point = tuple[float, float]

NEAREST = 0.7  # metres; nothing is drawn nearer


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera that looks along Z.

    Attributes:
        height: above the ground, metres.
        focal: focal length over the picture's height.
        horizon: y of the horizon.
        vanish: x at which lines along Z meet; other than 0 the camera is turned a little.
    """

    height: float
    focal: float
    horizon: float
    vanish: float

    def project(self, x: float, y: float, z: float) -> Point:
        """The picture's point of a point in the world with z > 0."""
        scale = self.focal / z
        return self.vanish + x * scale, self.horizon + (self.height - y) * scale

    def ground(self) -> Plane:
        """The ground Y = 0; u is X, v is Z."""
        f, h = self.focal, self.height
        inverse = (-self.horizon / (f * h), 0.0, 1 / (f * h))
        return inverse, (-self.vanish / f, 1 / f, 0.0), (1.0, 0.0, 0.0)

    def facing(self, z: float, x: float = 0.0) -> Plane:
        """The plane Z = z, turned to the camera; u is X - x, v is Y."""
        f = self.focal
        across = (-self.vanish / f - x / z, 1 / f, 0.0)
        up = (self.horizon / f + self.height / z, 0.0, -1 / f)
        return (1 / z, 0.0, 0.0), across, up

    def side(self, x: float, z: float = 0.0) -> Plane:
        """The plane X = x, along the street; u is Z - z, v is Y."""
        f, h = self.focal, self.height
        a, b = -self.vanish / (f * x), 1 / (f * x)
        return (a, b, 0.0), (1 - z * a, -z * b, 0.0), (self.horizon / f + h * a, h * b, -1 / f)
