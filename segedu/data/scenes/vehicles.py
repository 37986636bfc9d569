"""Cars, vans, lorries, buses: a side profile drawn out across the width, turned, projected."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from segedu.data.scenes.camera import Point
from segedu.data.scenes.dice import Dice, cosine, sine
from segedu.data.scenes.shapes import GLASS, PLAIN, Color, Shapes
from segedu.data.scenes.street import BUS, CAR, TRUCK, draw_shadow
from segedu.data.scenes.weather import Weather

PAINTS: tuple[Color, ...] = (
    (0.85, 0.85, 0.85),
    (0.10, 0.10, 0.11),
    (0.45, 0.46, 0.48),
    (0.65, 0.66, 0.68),
    (0.55, 0.08, 0.08),
    (0.10, 0.18, 0.42),
    (0.16, 0.30, 0.22),
    (0.75, 0.62, 0.20),
    (0.42, 0.30, 0.22),
    (0.25, 0.42, 0.60),
    (0.78, 0.36, 0.12),
)
# Radii and greys of tyre, rim, hub.
WHEEL = ((1.08, 0.07), (0.62, 0.5), (0.22, 0.25))
PANE: Color = (0.16, 0.20, 0.24)


@dataclass(frozen=True)
class Body:
    """A kind of vehicle.

    Attributes:
        label: trainId.
        width: metres.
        profile: (s, y) from the lower rear over the roof to the lower front; s goes forward.
        panes: which strips between points of the profile are glass.
        windows: side windows, polygons of (s, y).
        wheels: s of the axles, and the radius.
    """

    label: int
    width: float
    profile: tuple[Point, ...]
    panes: tuple[int, ...]
    windows: tuple[tuple[Point, ...], ...]
    axles: tuple[float, ...]
    radius: float


SEDAN = Body(
    CAR,
    1.8,
    ((-2.25, 0.3), (-2.3, 0.85), (-1.75, 1.0), (-1.05, 1.42), (0.3, 1.45), (1.1, 1.0), (2.1, 0.82),
     (2.28, 0.6), (2.22, 0.28)),
    (2, 4),
    (((-1.5, 1.02), (-0.95, 1.34), (-0.35, 1.36), (-0.35, 1.02)),
     ((-0.27, 1.02), (-0.27, 1.36), (0.22, 1.36), (0.8, 1.02))),
    (-1.38, 1.38),
    0.33,
)  # fmt: skip
HATCHBACK = Body(
    CAR,
    1.72,
    ((-1.85, 0.3), (-1.95, 0.85), (-1.7, 1.05), (-1.3, 1.45), (0.2, 1.5), (0.95, 1.02),
     (1.75, 0.85), (1.95, 0.6), (1.9, 0.28)),
    (2, 4),
    (((-1.5, 1.05), (-1.2, 1.38), (-0.5, 1.41), (-0.5, 1.05)),
     ((-0.42, 1.05), (-0.42, 1.41), (0.12, 1.41), (0.65, 1.05))),
    (-1.2, 1.2),
    0.31,
)  # fmt: skip
SUV = Body(
    CAR,
    1.9,
    ((-2.2, 0.4), (-2.3, 1.0), (-2.2, 1.15), (-1.95, 1.68), (0.3, 1.75), (1.05, 1.18), (2.0, 1.05),
     (2.25, 0.8), (2.2, 0.38)),
    (2, 4),
    (((-1.95, 1.18), (-1.8, 1.6), (-0.7, 1.64), (-0.7, 1.18)),
     ((-0.6, 1.18), (-0.6, 1.64), (0.22, 1.64), (0.75, 1.18))),
    (-1.4, 1.4),
    0.38,
)  # fmt: skip
VAN = Body(
    CAR,
    1.95,
    ((-2.5, 0.35), (-2.55, 1.1), (-2.55, 1.2), (-2.45, 2.15), (1.2, 2.2), (1.95, 1.25),
     (2.45, 1.05), (2.6, 0.7), (2.5, 0.33)),
    (2, 4),
    (((0.3, 1.3), (0.3, 1.95), (1.15, 1.95), (1.6, 1.3)),),
    (-1.6, 1.65),
    0.34,
)  # fmt: skip
LORRY = Body(
    TRUCK,
    2.5,
    ((-4.0, 0.9), (-4.0, 3.5), (1.5, 3.5), (1.5, 2.6), (1.7, 2.8), (3.3, 2.75), (3.7, 1.75),
     (3.8, 0.9), (3.75, 0.4)),
    (5,),
    (((2.1, 1.8), (2.1, 2.5), (3.15, 2.5), (3.45, 1.8)),),
    (-2.7, -1.6, 2.6),
    0.5,
)  # fmt: skip
BUS_BODY = Body(
    BUS,
    2.5,
    ((-5.5, 0.4), (-5.55, 1.3), (-5.5, 2.7), (-5.3, 3.1), (5.2, 3.1), (5.5, 2.8), (5.6, 1.1),
     (5.55, 0.35)),
    (1, 5),
    tuple(
        ((-5.2 + i * 1.55, 1.35), (-5.2 + i * 1.55, 2.55), (-3.8 + i * 1.55, 2.55),
         (-3.8 + i * 1.55, 1.35))
        for i in range(7)
    ),
    (-3.3, 3.2),
    0.48,
)  # fmt: skip
CARS = (SEDAN, SEDAN, HATCHBACK, HATCHBACK, SUV, VAN)


class Placed:
    """A vehicle in the scene: turns points of the body into points of the picture."""

    def __init__(self, shapes: Shapes, body: Body, x: float, z: float, turn: float) -> None:
        self.shapes, self.body, self.x, self.z = shapes, body, x, z
        self.pixels = shapes.camera.focal / z / shapes.pixel  # that a metre spans
        self.sin, self.cos = sine(turn), cosine(turn)
        self.camera = shapes.camera

    def ground(self, s: float, t: float) -> Point:
        """(X, Z) of a point s forward and t to the right of the middle."""
        return self.x + s * self.sin + t * self.cos, self.z + s * self.cos - t * self.sin

    def at(self, s: float, t: float, y: float) -> Point:
        """The picture's point of a point of the body."""
        camera = self.camera  # `Camera.project`, written out: most of a scene's points come here
        scale = camera.focal / (self.z + s * self.cos - t * self.sin)
        x = self.x + s * self.sin + t * self.cos
        return camera.vanish + x * scale, camera.horizon + (camera.height - y) * scale

    def half(self, y: float) -> float:
        """Half the width at a height: cars are narrower at the roof."""
        half = self.body.width / 2
        if self.body.label == CAR and y > 1.1:
            half *= 1 - 0.22 * min(1.0, (y - 1.1) / 0.5)
        return half


def _faces_camera(corners: list[Point]) -> bool:
    """True when four corners go anticlockwise in the picture: the cross product of diagonals."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = corners
    return (x2 - x0) * (y3 - y1) - (x3 - x1) * (y2 - y0) < 0


def draw_vehicle(
    shapes: Shapes,
    body: Body,
    x: float,
    z: float,
    turn: float,
    weather: Weather,
    dice: Dice,
) -> list[tuple[float, ...]]:
    """Draw a vehicle; `turn` 0 shows its rear, 0.5 its front. Returns its lamps' lights."""
    shapes.label = body.label
    shapes.lie_on(shapes.camera.facing(z, x))
    placed = Placed(shapes, body, x, z, turn)
    _draw_shadows(placed, weather)
    paint = dice.choice(PAINTS)
    tone = dice.uniform(0.85, 1.1)
    paint = (paint[0] * tone, paint[1] * tone, paint[2] * tone)
    shine = weather.sun * 0.4
    side = 1 if _side_faces(placed, 1) else -1
    if placed.pixels > 6:
        _draw_wheels(placed, -side, side)
        _draw_belly(placed)
    _draw_strips(placed, paint, shine)
    if _side_faces(placed, side):
        _draw_side(placed, side, paint, shine, dice)
        _draw_wheels(placed, side, side)
    return _draw_ends(placed, weather, dice)


def _draw_shadows(placed: Placed, weather: Weather) -> None:
    """The dark ground below, and the shadow cast by the sun."""
    body, shapes = placed.body, placed.shapes
    rear, front = body.profile[0][0], body.profile[-1][0]
    half = body.width / 2
    base = [placed.ground(s, t) for s, t in ((rear, -half), (rear, half), (front, half))]
    base.append(placed.ground(front, -half))
    draw_shadow(shapes, base, 0.75)
    if weather.sun > 0.05:
        tall = max(y for _, y in body.profile)
        dx, dz = weather.shadow[0] * tall, weather.shadow[1] * tall
        top = [(x + dx, z + dz) for x, z in base]
        draw_shadow(shapes, top, weather.sun)
        # The two walls of the shadow's prism that the sun sees cover its sides.
        for i in range(4):
            (x0, z0), (x1, z1) = base[i], base[(i + 1) % 4]
            if (x1 - x0) * dz - (z1 - z0) * dx > 0:
                draw_shadow(
                    shapes, [base[i], base[(i + 1) % 4], top[(i + 1) % 4], top[i]], weather.sun
                )


def _side_faces(placed: Placed, side: int) -> bool:
    """True when the left (-1) or right (1) side is turned to the camera."""
    x, z = placed.ground(0.0, side * placed.body.width / 2)
    return x * placed.cos * side - z * placed.sin * side < 0


def _draw_belly(placed: Placed) -> None:
    """The dark underside between the wheels."""
    body = placed.body
    low = body.profile[0][1]
    rear, front = body.axles[0], body.axles[-1]
    half = body.width / 2 - 0.15
    # From corner to corner, crosswise: two dark walls hide what is behind as well as four.
    for t0, t1, s0, s1 in ((-half, half, rear, front), (half, -half, rear, front)):
        corners = [placed.at(s0, t0, 0.2), placed.at(s1, t1, 0.2)]
        corners += [placed.at(s1, t1, low + 0.1), placed.at(s0, t0, low + 0.1)]
        placed.shapes.polygon(corners, (0.04, 0.04, 0.04))


def _draw_strips(placed: Placed, paint: Color, shine: float) -> None:
    """Rear, roof, panes, bonnet and front: the strips of the profile, far ones first."""
    profile = placed.body.profile
    strips = []
    edges = []
    for s, y in profile:
        half = placed.half(y)
        edges.append((placed.at(s, -half, y), placed.at(s, half, y)))
    for i, ((s0, y0), (s1, y1)) in enumerate(pairwise(profile)):
        corners = [*edges[i], edges[i + 1][1], edges[i + 1][0]]
        if _faces_camera(corners):
            distance = (s0 + s1) * placed.cos
            rise = (s1 - s0) / max(abs(s1 - s0) + abs(y1 - y0), 1e-6)  # 1 on the roof, 0 upright
            strips.append((distance, i, corners, rise))
    for _, i, corners, rise in sorted(strips, reverse=True):
        light = 0.78 + (0.35 + shine) * max(0.0, rise)
        placed.shapes.polygon(corners, paint, light=(light, 0, 0))
        if i in placed.body.panes:
            (x0, y0), (x1, y1), (x2, y2), (x3, y3) = corners
            cx, cy = (x0 + x1 + x2 + x3) / 4, (y0 + y1 + y2 + y3) / 4
            inner = [(cx + (px - cx) * 0.88, cy + (py - cy) * 0.84) for px, py in corners]
            placed.shapes.polygon(inner, PANE, GLASS, (1 + shine, 0, 0))


def _draw_side(placed: Placed, side: int, paint: Color, shine: float, dice: Dice) -> None:
    """The side with its windows, doors' edges and wheel arches."""
    body, shapes = placed.body, placed.shapes
    outline = [placed.at(s, side * placed.half(y), y) for s, y in body.profile]
    low = min(p[1] for p in outline), max(p[1] for p in outline)
    slope = -0.35 / max(low[1] - low[0], 1e-6)  # darker below
    light = (0.95 + shine * 0.5 - slope * (low[0] + low[1]) / 2, 0.0, slope)
    shapes.polygon(outline, paint, PLAIN, light)
    if body.label != CAR and dice.chance(0.6):  # a stripe or lettering
        r, g, b = dice.choice(PAINTS)
        band = ((-0.9, 0.5), (-0.9, 0.9)) if body.label == BUS else ((0.3, 1.6), (0.3, 2.8))
        y0, y1 = band[0][1] + 0.2, band[1][1]
        s0, s1 = body.profile[0][0] + 0.5, 1.0 if body.label == TRUCK else 5.0
        corners = [placed.at(s, side * placed.half(y), y) for s, y in
                   ((s0, y0), (s1, y0), (s1, y1), (s0, y1))]  # fmt: skip
        shapes.polygon(corners, (r, g, b), PLAIN, light)
    for window in body.windows:
        corners = [placed.at(s, side * placed.half(y) * 1.005, y) for s, y in window]
        shapes.polygon(corners, PANE, GLASS, (1 + shine, 0, 0))
    if body.label == CAR and placed.pixels > 25:
        for s in (-0.31, 0.85):
            low_end, top_end = (placed.at(s, side * placed.half(y), y) for y in (0.4, 0.98))
            wide = 0.012 * shapes.camera.focal / placed.z
            shapes.capsule(
                low_end, top_end, (wide, wide), (paint[0] * 0.5, paint[1] * 0.5, paint[2] * 0.5)
            )


def _draw_wheels(placed: Placed, side: int, near: int) -> None:
    """The wheels of one side: arch, tyre, rim."""
    body = placed.body
    t = side * (body.width / 2 + 0.01)
    for s in body.axles:
        center = placed.at(s, t, body.radius)
        ahead = placed.at(s + body.radius, t, body.radius)
        above = placed.at(s, t, 2 * body.radius)
        (ax, ay), (bx, by) = (
            (ahead[0] - center[0], ahead[1] - center[1]),
            (above[0] - center[0], above[1] - center[1]),
        )
        if abs(ax) < 0.15 * abs(by):  # seen along its edge: a tyre's tread
            ax, ay = 0.15 * abs(by), 0.0
        seen = 1 if side != near else 3 if placed.pixels > 12 else 2
        for scale, tone in WHEEL[:seen]:
            axes = ((ax * scale, ay * scale), (bx * scale, by * scale))
            placed.shapes.ellipse(center, axes, (tone, tone, tone))


def _draw_ends(placed: Placed, weather: Weather, dice: Dice) -> list[tuple[float, ...]]:
    """Lamps and plate on the end that is turned to the camera."""
    body, shapes = placed.body, placed.shapes
    x, z = placed.ground(0.0, 0.0)
    front = x * placed.sin + z * placed.cos < 0
    s, y = body.profile[-2] if front else body.profile[1]
    s += 0.02 if front else -0.02
    y = min(y, 1.1) - 0.05
    scale = shapes.camera.focal / z
    lights: list[tuple[float, ...]] = []
    color: Color = (0.92, 0.92, 0.85) if front else (0.62, 0.06, 0.05)
    burns = weather.lamps or (not front and dice.chance(0.15))
    if burns:
        color = (1.0, 0.97, 0.85) if front else (1.0, 0.12, 0.08)
    half = body.width / 2
    for t in (-1, 1):
        corners = [placed.at(s, t * half * a, y + b) for a, b in
                   ((0.62, 0), (0.95, 0), (0.95, -0.17), (0.62, -0.17))]  # fmt: skip
        shapes.polygon(corners, color, glow=float(burns))
        if burns:
            cx, cy = placed.at(s, t * half * 0.78, y - 0.08)
            strength = 0.7 if front else 0.3
            tint = (1.0, 0.95, 0.8) if front else (1.0, 0.1, 0.08)
            radius = (0.3 if front else 0.16) * scale
            if weather.lamps:
                lights.append((cx, cy, z, radius, *(c * strength for c in tint)))
    if placed.pixels < 6:
        return lights
    plate = [placed.at(s, t, y - 0.28 + b) for t, b in
             ((-0.26, 0), (0.26, 0), (0.26, -0.12), (-0.26, -0.12))]  # fmt: skip
    shapes.polygon(plate, (0.85, 0.85, 0.8))
    return lights
