"""Street furniture: lamps, traffic signs, traffic lights, bollards, fences."""

from __future__ import annotations

from segedu.data.scenes.camera import Point
from segedu.data.scenes.dice import Dice, cosine, sine
from segedu.data.scenes.shapes import BOARDS, Color, Shapes
from segedu.data.scenes.street import FENCE, LIGHT, POLE, SIGN, draw_shadow
from segedu.data.scenes.weather import Weather

RED: Color = (0.78, 0.08, 0.08)
WHITE: Color = (0.92, 0.92, 0.9)
BLUE: Color = (0.08, 0.25, 0.65)
YELLOW: Color = (0.95, 0.78, 0.1)
BLACK: Color = (0.06, 0.06, 0.06)
GREEN: Color = (0.05, 0.45, 0.25)


def _ring(center: Point, radius: float, corners: int, turn: float = 0.0) -> list[Point]:
    """Corners of a regular polygon in the picture."""
    return [
        (
            center[0] + radius * sine(turn + i / corners),
            center[1] - radius * cosine(turn + i / corners),
        )
        for i in range(corners)
    ]


def draw_pole(
    shapes: Shapes, x: float, z: float, height: float, radius: float, tone: float
) -> None:
    """An upright pole."""
    shapes.label, shapes.instance = POLE, 0
    shapes.lie_on(shapes.camera.facing(z, x))
    a, b = shapes.camera.project(x, 0, z), shapes.camera.project(x, height, z)
    r = radius * shapes.camera.focal / z
    # Round: darker towards the right.
    light = (1 + 0.35 * a[0] / r, -0.35 / r, 0.0)
    corners = [(a[0] - r, a[1]), (b[0] - r * 0.8, b[1]), (b[0] + r * 0.8, b[1]), (a[0] + r, a[1])]
    shapes.polygon(corners, (tone, tone, tone * 1.03), light=light)


def pole_shadow(shapes: Shapes, x: float, z: float, height: float, weather: Weather) -> None:
    """The long thin shadow of a pole."""
    if weather.sun > 0.05:
        dx, dz = weather.shadow[0] * height, weather.shadow[1] * height
        corners = [(x - 0.08, z), (x + 0.08, z), (x + 0.08 + dx, z + dz), (x - 0.08 + dx, z + dz)]
        draw_shadow(shapes, corners, weather.sun)


def draw_lamp(
    shapes: Shapes, x: float, z: float, side: int, weather: Weather, dice: Dice
) -> tuple[float, ...] | None:
    """A street lamp; returns its light (x, y, Z, radius, r, g, b) when it burns."""
    height, reach = dice.uniform(4.5, 7.5), dice.uniform(0.8, 2.0)
    tone = dice.uniform(0.22, 0.6)
    draw_pole(shapes, x, z, height, dice.uniform(0.07, 0.12), tone)
    project, scale = shapes.camera.project, shapes.camera.focal / z
    end = project(x - side * reach, height + 0.3, z)
    thick = 0.06 * scale
    shapes.capsule(project(x, height - 0.1, z), end, (thick, thick), (tone, tone, tone))
    size = 0.32 * scale
    glow = 1.0 if weather.lamps else 0.0
    color = (1.0, 0.9, 0.65) if weather.lamps else (0.75, 0.75, 0.72)
    shapes.ellipse(end, ((size, 0), (0, size * 0.4)), color, glow=glow)
    return (*end, z, size * 2.2, 0.5, 0.4, 0.22) if weather.lamps else None


def draw_sign(shapes: Shapes, x: float, z: float, weather: Weather, dice: Dice) -> None:
    """A traffic sign of one of seven designs on its pole."""
    height, size = dice.uniform(2.1, 3.0), dice.uniform(0.34, 0.5)
    draw_pole(shapes, x, z, height + size * 0.8, 0.045, dice.uniform(0.45, 0.7))
    shapes.label = SIGN
    center = shapes.camera.project(x, height, z)
    r = size * shapes.camera.focal / z
    lift = (1 + 0.1 * dice.near(0, 1), 0.0, 0.0)
    design = dice.integer(0, 6)

    def ring(scale: float, corners: int, color: Color, turn: float = 0.0) -> None:
        shapes.polygon(_ring(center, r * scale, corners, turn), color, light=lift)

    def bar(wide: float, tall: float, color: Color) -> None:
        w, h = r * wide, r * tall
        x0, y0 = center
        corners = [(x0 - w, y0 - h), (x0 + w, y0 - h), (x0 + w, y0 + h), (x0 - w, y0 + h)]
        shapes.polygon(corners, color, light=lift)

    if design == 0:  # stop
        ring(1.0, 8, WHITE, 1 / 16)
        ring(0.92, 8, RED, 1 / 16)
        bar(0.6, 0.16, WHITE)
    elif design == 1:  # give way
        ring(1.15, 3, RED, 0.5)
        ring(0.7, 3, WHITE, 0.5)
    elif design == 2:  # warning
        ring(1.15, 3, RED)
        ring(0.72, 3, WHITE)
        bar(0.07, 0.3, BLACK)
    elif design == 3:  # speed limit
        ring(1.0, 20, RED)
        ring(0.76, 20, WHITE)
        bar(0.34, 0.28, BLACK)
        bar(0.06, 0.28, WHITE)
    elif design == 4:  # no entry
        ring(1.0, 20, RED)
        bar(0.68, 0.17, WHITE)
    elif design == 5:  # priority road
        ring(1.1, 4, WHITE)
        ring(0.85, 4, YELLOW)
    else:  # information
        bar(0.95, 0.95, WHITE)
        bar(0.88, 0.88, dice.choice((BLUE, GREEN)))
        bar(0.14, 0.6, WHITE)
    pole_shadow(shapes, x, z, height, weather)


def draw_traffic_light(
    shapes: Shapes, x: float, z: float, weather: Weather, dice: Dice
) -> tuple[float, ...]:
    """A traffic light; returns the light of the lamp that burns."""
    height = dice.uniform(2.4, 3.4)
    draw_pole(shapes, x, z, height, 0.07, dice.uniform(0.2, 0.5))
    shapes.label = LIGHT
    scale = shapes.camera.focal / z
    cx, cy = shapes.camera.project(x, height, z)
    w, h = 0.2 * scale, 0.55 * scale
    body = dice.uniform(0.05, 0.16)
    if dice.chance(0.5):  # a white border behind the housing
        corners = [(cx - w * 1.3, cy - h * 1.12), (cx + w * 1.3, cy - h * 1.12)]
        corners += [(cx + w * 1.3, cy + h * 1.12), (cx - w * 1.3, cy + h * 1.12)]
        shapes.polygon(corners, (0.8, 0.8, 0.78))
    corners = [(cx - w, cy - h), (cx + w, cy - h), (cx + w, cy + h), (cx - w, cy + h)]
    shapes.polygon(corners, (body, body, body))
    lamps = ((1.0, 0.15, 0.1), (1.0, 0.7, 0.1), (0.1, 0.95, 0.5))
    burning = dice.choice((0, 0, 1, 2, 2))
    for i, color in enumerate(lamps):
        dim = 1.0 if i == burning else 0.22
        lamp = (color[0] * dim, color[1] * dim, color[2] * dim)
        at = (cx, cy + (i - 1) * h * 0.62)
        r = w * 0.72
        shapes.ellipse(at, ((r, 0), (0, r)), lamp, glow=float(i == burning))
    r, g, b = lamps[burning]
    strength = 0.35 if weather.lamps else 0.12
    return cx, cy + (burning - 1) * h * 0.62, z, w, r * strength, g * strength, b * strength


def draw_bollards(shapes: Shapes, x: float, near: float, dice: Dice) -> None:
    """A row of bollards."""
    tone, gap = dice.uniform(0.15, 0.75), dice.uniform(1.5, 2.5)
    for i in reversed(range(dice.integer(3, 8))):
        draw_pole(shapes, x, near + i * gap, 0.95, 0.08, tone)


def draw_fence(shapes: Shapes, x: float, near: float, far: float, dice: Dice) -> None:
    """A wooden or metal fence along the street: boards with gaps, posts, a rail."""
    shapes.label, shapes.instance = FENCE, 0
    shapes.lie_on(shapes.camera.side(x))
    height = dice.uniform(0.9, 1.8)
    color = dice.choice(((0.5, 0.36, 0.24), (0.75, 0.73, 0.7), (0.3, 0.36, 0.32), (0.6, 0.5, 0.4)))
    period = dice.uniform(0.15, 0.4)
    corners = [(x, 0, near), (x, 0, far), (x, height, far), (x, height, near)]
    extra = (period, dice.uniform(0.15, 0.4), 0.15, 40, height)
    shapes.quad(corners, color, BOARDS, extra=extra)
