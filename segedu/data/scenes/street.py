"""The street itself: its plan, the ground with markings, buildings and what ends it."""

from __future__ import annotations

from dataclasses import dataclass

from segedu.data.scenes.camera import NEAREST
from segedu.data.scenes.dice import Dice
from segedu.data.scenes.shapes import FACADE, GROUND, PLAIN, SHADOW, SKY, Color, Shapes
from segedu.data.scenes.weather import Weather

ROAD, SIDEWALK, BUILDING, WALL, FENCE, POLE, LIGHT, SIGN = range(8)
VEGETATION, TERRAIN, SKY_LABEL, PERSON, RIDER, CAR, TRUCK, BUS = range(8, 16)
BICYCLE = 18

FAR = 400.0
BLACK: Color = (0.0, 0.0, 0.0)
WALLS: tuple[Color, ...] = (
    (0.72, 0.66, 0.55),
    (0.62, 0.36, 0.28),
    (0.80, 0.76, 0.70),
    (0.55, 0.55, 0.56),
    (0.70, 0.55, 0.42),
    (0.78, 0.70, 0.50),
    (0.45, 0.38, 0.36),
    (0.60, 0.64, 0.66),
    (0.52, 0.28, 0.22),
    (0.35, 0.38, 0.42),
    (0.83, 0.62, 0.55),
)
ROOFS: tuple[Color, ...] = ((0.45, 0.22, 0.17), (0.28, 0.28, 0.31), (0.38, 0.30, 0.26))


@dataclass(frozen=True)
class Street:
    """Where things are, seen from the camera at X = 0, Z = 0; metres.

    Attributes:
        kerbs: X of the left and the right kerb.
        walks: X of the outer borders of the pavements.
        lines: X of the building lines.
        styles: what stands on each side: "city", "suburb" or "park".
        end: Z where the street ends.
        crossing: Z of a crossing street's borders, or None.
    """

    kerbs: tuple[float, float]
    walks: tuple[float, float]
    lines: tuple[float, float]
    styles: tuple[str, str]
    end: float
    crossing: tuple[float, float] | None


def plan_street(dice: Dice) -> Street:
    """Choose a street: its widths, where the camera stands on it, what is on its sides."""
    half = dice.uniform(3.2, 6.5)
    # Mostly on the right-hand lane, sometimes elsewhere, sometimes on the pavement.
    at = dice.uniform(0.2, 0.6) * half if dice.chance(0.7) else dice.uniform(-1.35, 1.35) * half
    kerbs = (-half - at, half - at)
    pavement = (dice.uniform(1.8, 4.5), dice.uniform(1.8, 4.5))
    walks = (min(kerbs[0] - pavement[0], -2.2), max(kerbs[1] + pavement[1], 2.2))
    styles = tuple(dice.choice(("city", "city", "suburb", "park")) for _ in range(2))
    strips = [dice.uniform(2, 7) if style != "city" else 0.0 for style in styles]
    lines = (walks[0] - strips[0], walks[1] + strips[1])
    crossing = None
    if dice.chance(0.35):
        start = dice.uniform(12, 45)
        crossing = (start, start + dice.uniform(7, 12))
    return Street(kerbs, walks, lines, (styles[0], styles[1]), dice.uniform(55, 140), crossing)


def draw_sky(shapes: Shapes, weather: Weather) -> None:
    """The sky behind everything."""
    camera = shapes.camera
    shapes.label, shapes.instance = SKY_LABEL, 0
    shapes.lie_on(((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)))
    extra = (camera.horizon, camera.vanish, weather.cover, weather.cloud, *weather.horizon)
    corners = [(-9.0, -1.0), (9.0, -1.0), (9.0, 2.0), (-9.0, 2.0)]
    shapes.polygon(corners, weather.zenith, SKY, extra=extra)


def strip(
    shapes: Shapes,
    x: tuple[float, float],
    z: tuple[float, float],
    color: Color,
    extra: tuple[float, ...] = (0, 0, 0.1, 40),
) -> None:
    """A rectangle on the ground."""
    near, far = max(z[0], NEAREST), z[1]
    if far <= near:
        return
    camera = shapes.camera
    (a, low), (b, _) = camera.project(x[0], 0, near), camera.project(x[1], 0, near)
    (c, high), (d, _) = camera.project(x[1], 0, far), camera.project(x[0], 0, far)
    shapes.polygon([(a, low), (b, low), (c, high), (d, high)], color, GROUND, extra=extra)


def draw_ground(shapes: Shapes, street: Street, weather: Weather, dice: Dice) -> None:
    """Lawn, pavements, road, kerbs, markings."""
    shapes.lie_on(shapes.camera.ground())
    shapes.label = TERRAIN
    green = (dice.uniform(0.26, 0.42), dice.uniform(0.36, 0.48), dice.uniform(0.14, 0.24))
    strip(shapes, (-900, 900), (NEAREST, 2000), green, (0, 0.25, 0.35, 24))
    tone = 0.6 if weather.wet else 1.0
    grey, tint = dice.uniform(0.42, 0.62) * tone, dice.near(0, 0.05)
    paving = (grey + tint, grey, grey - tint)
    slab = dice.choice((0.0, 0.6, 1.0, 2.0))
    shapes.label = SIDEWALK
    for side in (0, 1):
        outer = street.lines[side] if street.styles[side] == "city" else street.walks[side]
        x = (street.kerbs[side], outer + (1 if side else -1) * 2 * (street.styles[side] == "city"))
        strip(shapes, (min(x), max(x)), (NEAREST, street.end), paving, (slab, 0.08, 0.12, 30))
    shapes.label = ROAD
    dark = dice.uniform(0.24, 0.46) * tone
    asphalt = (dark * 1.01, dark, dark * dice.uniform(0.97, 1.06))
    surface = (0, dice.uniform(0.05, 0.2), dice.uniform(0.15, 0.4), 35)
    strip(shapes, street.kerbs, (NEAREST, FAR), asphalt, surface)
    if street.crossing:
        strip(shapes, (-120, 120), street.crossing, asphalt, surface)
    _draw_repairs(shapes, street, dark, dice)
    _draw_markings(shapes, street, dice)
    _draw_kerbs(shapes, street, grey, dice)


def _draw_repairs(shapes: Shapes, street: Street, dark: float, dice: Dice) -> None:
    """Patches of other asphalt, and manholes."""
    left, right = street.kerbs
    for _ in range(dice.integer(0, 4)):
        x, z = dice.uniform(left, right - 1), dice.uniform(3, 25)
        tone = dark * dice.uniform(0.65, 1.25)
        wide = min(right, x + dice.uniform(0.6, 2.5))
        strip(shapes, (x, wide), (z, z + dice.uniform(1, 8)), (tone, tone, tone))
    for _ in range(dice.integer(0, 2)):
        x, z = dice.uniform(left + 0.5, right - 0.5), dice.uniform(4, 20)
        center = shapes.camera.project(x, 0, z)
        scale = shapes.camera.focal / z
        flat = 0.35 * scale * shapes.camera.height / z
        tone = dark * 0.55
        shapes.ellipse(center, ((0.35 * scale, 0), (0, flat)), (tone, tone, tone), GROUND)


def _draw_markings(shapes: Shapes, street: Street, dice: Dice) -> None:
    """Lines between lanes, zebra crossings, stop lines."""
    left, right = street.kerbs
    white = dice.uniform(0.7, 0.92)
    paint = (white, white, white * 0.97)
    if dice.chance(0.15):
        paint = (white, white * 0.82, white * 0.3)
    gaps = [street.crossing] if street.crossing else []
    middle, lanes = (left + right) / 2, 1 if right - left < 10 else 2
    style = dice.choice(("dashed", "dashed", "solid", "none"))
    for lane in range(1 - lanes, lanes):
        x = middle + lane * (right - left) / (2 * lanes)
        _draw_line(shapes, x, style if lane == 0 else "dashed", gaps, paint, dice)
    if dice.chance(0.4):
        for x in (left + 0.35, right - 0.35):
            _draw_line(shapes, x, "solid", gaps, paint, dice)
    zebra = street.crossing[0] - 4.5 if street.crossing else dice.uniform(8, 30)
    if dice.chance(0.75 if street.crossing else 0.2):
        count = int((right - left) / 1.0)
        for i in range(count):
            x = left + (i + 0.25) * (right - left) / count
            strip(shapes, (x, x + 0.5), (zebra, zebra + 3.2), paint)
        strip(shapes, (middle, right), (zebra - 1.6, zebra - 1.2), paint)


def _draw_line(
    shapes: Shapes,
    x: float,
    style: str,
    gaps: list[tuple[float, float]],
    paint: Color,
    dice: Dice,
) -> None:
    if style == "none":
        return
    pieces = [(NEAREST, FAR)]
    if style == "dashed":
        start, period = dice.uniform(-3, 3), dice.uniform(6, 9)
        pieces = [(start + i * period, start + i * period + period * 0.45) for i in range(14)]
    for near, far in pieces:
        blocked = any(near < gap[1] and far > gap[0] for gap in gaps)
        if style == "solid" and gaps:
            strip(shapes, (x - 0.07, x + 0.07), (near, gaps[0][0] - 5), paint)
            strip(shapes, (x - 0.07, x + 0.07), (gaps[0][1], far), paint)
        elif not blocked:
            strip(shapes, (x - 0.07, x + 0.07), (near, far), paint)


def _draw_kerbs(shapes: Shapes, street: Street, grey: float, dice: Dice) -> None:
    """Bright edges of the pavements."""
    shapes.label = SIDEWALK
    tone = min(0.85, grey * dice.uniform(1.05, 1.4))
    pieces = [(NEAREST, street.end)]
    if street.crossing:
        pieces = [(NEAREST, street.crossing[0]), (street.crossing[1], street.end)]
    for x, side in zip(street.kerbs, (-1, 1), strict=True):
        for piece in pieces:
            strip(shapes, (min(x, x + side * 0.18), max(x, x + side * 0.18)), piece, (tone,) * 3)


def draw_shadow(shapes: Shapes, corners: list[tuple[float, float]], strength: float) -> None:
    """A shadow on the ground, a polygon of points (X, Z); strength 0 … 1."""
    project = shapes.camera.project
    points = [project(x, 0, z if z > NEAREST else NEAREST) for x, z in corners]
    shapes.polygon(points, BLACK, SHADOW, (strength * 255, 0, 0))


def draw_round_shadow(
    shapes: Shapes,
    x: float,
    z: float,
    radii: tuple[float, float],
    strength: float,
    ragged: float = 0.0,
) -> None:
    """The shadow of something round: half axes in X and Z."""
    if z < 2 * radii[1]:
        return
    cx, cy = shapes.camera.project(x, 0, z)
    wide = radii[0] * shapes.camera.focal / z
    tall = shapes.camera.project(x, 0, z - radii[1])[1] - cy
    axes, light = ((wide, 0.0), (0.0, tall)), (strength * 255, 0.0, 0.0)
    shapes.ellipse((cx, cy), axes, BLACK, SHADOW, light, ragged=ragged)


def draw_buildings(shapes: Shapes, street: Street, side: int, weather: Weather, dice: Dice) -> None:
    """A row of buildings on one side (0 left, 1 right), far ones first."""
    line, out = street.lines[side], (-1, 1)[side]
    style, z = street.styles[side], dice.uniform(-8, 3)
    lots = []
    while z < street.end:
        deep = dice.uniform(8, 24) if style == "city" else dice.uniform(8, 13)
        lots.append((z, z + deep))
        z += deep + (0 if style == "city" and dice.chance(0.85) else dice.uniform(2, 9))
    for near, far in reversed(lots):
        if street.crossing and near < street.crossing[1] and far > street.crossing[0]:
            continue
        if style == "park" and dice.chance(0.8):
            continue
        x = line + out * (dice.uniform(0, 0.8) if style == "city" else dice.uniform(0, 3))
        storeys = dice.integer(2, 7) if style == "city" else dice.integer(1, 2)
        _draw_building(shapes, x, out, (near, far), storeys, weather, dice)


def _draw_building(
    shapes: Shapes,
    x: float,
    out: int,
    z: tuple[float, float],
    storeys: int,
    weather: Weather,
    dice: Dice,
) -> None:
    """One house: roof, the wall towards the camera, the wall along the street, its shadow."""
    shapes.label = BUILDING
    near, far = max(z[0], NEAREST + 0.3), z[1]
    if far <= near + 1:
        return
    storey = dice.uniform(2.8, 3.8)
    height = storeys * storey + 0.4
    tone = dice.uniform(0.7, 1.1)
    r, g, b = dice.choice(WALLS)
    wall = (r * tone, g * tone, b * tone)
    extra = (
        storey,
        dice.uniform(1.6, 3.6),
        dice.uniform(0.03, 0.12),
        24,
        dice.uniform(0.35, 0.75),
        dice.uniform(0.4, 0.7),
        dice.integer(0, 4000),
    )
    sun_x, sun_z = weather.shadow
    along = 1 + 0.5 * weather.sun * max(-1.0, min(1.0, sun_x * out))
    ahead = 1 + 0.4 * weather.sun * max(-1.0, min(1.0, sun_z))
    back = x + out * dice.uniform(9, 14)
    camera = shapes.camera
    if storeys < 5 and dice.chance(0.7):
        ridge, rise = x + out * 4, height + dice.uniform(2, 4)
        roof = dice.choice(ROOFS)
        shapes.lie_on(camera.side(x))
        corners = [(x - out * 0.3, height - 0.1, near), (x - out * 0.3, height - 0.1, far)]
        corners += [(ridge, rise, far), (ridge, rise, near)]
        shapes.quad(corners, roof, PLAIN, (along, 0, 0), (0, 0, 0.25, 40))
        shapes.lie_on(camera.facing(near))
        gable = [(x, height, near), (ridge, rise, near), (back, height, near)]
        shapes.quad(gable, wall, PLAIN, (ahead * 0.9, 0, 0), (0, 0, 0.1, 24))
    shapes.lie_on(camera.facing(near, x))
    corners = [(x, 0, near), (back, 0, near), (back, height, near), (x, height, near)]
    shapes.quad(corners, wall, FACADE, (ahead, 0, 0), extra)
    shapes.lie_on(camera.side(x, z[0]))
    corners = [(x, 0, near), (x, 0, far), (x, height, far), (x, height, near)]
    shapes.quad(corners, wall, FACADE, (along, 0, 0), extra)
    if weather.sun > 0.05:
        dx, dz = sun_x * height, sun_z * height
        shadow = [(x, near), (x, far), (x + dx, far + dz), (x + dx, near + dz)]
        draw_shadow(shapes, shadow, weather.sun)


def draw_end(shapes: Shapes, street: Street, weather: Weather, dice: Dice) -> None:
    """What closes the view: a block of houses across the street, or a far skyline."""
    shapes.label = BUILDING
    z = street.end + dice.uniform(5, 30) if dice.chance(0.5) else dice.uniform(260, 380)
    x = -z * 1.5
    while x < z * 1.5:
        wide, height = dice.uniform(10, 40), dice.uniform(4, 22)
        extra = (3.2, dice.uniform(2, 4), 0.05, 24, 0.5, 0.5, dice.integer(0, 4000))
        color = dice.choice(WALLS)
        if dice.chance(0.8) and shapes.shows(x + wide / 2, z, wide / 2):
            shapes.lie_on(shapes.camera.facing(z, x))
            corners = [(x, 0, z), (x + wide, 0, z), (x + wide, height, z), (x, height, z)]
            shapes.quad(corners, color, FACADE, (0.9, 0, 0), extra)
        x += wide
