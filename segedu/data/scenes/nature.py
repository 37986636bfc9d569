"""Trees, bushes and hedges: crowns of ragged ellipses, dark behind and light in front."""

from __future__ import annotations

from segedu.data.scenes.dice import Dice, cosine, sine
from segedu.data.scenes.shapes import LEAVES, Color, Shapes
from segedu.data.scenes.street import VEGETATION, draw_round_shadow, draw_shadow
from segedu.data.scenes.weather import Weather

GREENS: tuple[Color, ...] = (
    (0.22, 0.34, 0.13),
    (0.28, 0.40, 0.14),
    (0.18, 0.28, 0.14),
    (0.36, 0.42, 0.16),
    (0.24, 0.36, 0.22),
    (0.52, 0.40, 0.14),  # autumn
    (0.48, 0.26, 0.13),
)


def _foliage(dice: Dice) -> Color:
    r, g, b = dice.choice(GREENS)
    tone = dice.uniform(0.75, 1.2)
    return r * tone, g * tone, b * tone


def _blob(
    shapes: Shapes,
    at: tuple[float, float, float],
    radius: float,
    color: Color,
    light: float,
    ragged: float = 0.3,
) -> None:
    """A ball of leaves at a point of the world."""
    center = shapes.camera.project(*at)
    r = radius * shapes.camera.focal / at[2]
    # Lighter above than below: light falls off by half over the ball.
    slope = -0.25 / r
    gradient = (light - slope * center[1], 0.0, slope)
    shapes.ellipse(
        center, ((r, 0), (0, r * 0.9)), color, LEAVES, gradient, ragged=ragged, contrast=0.4
    )


def draw_tree(shapes: Shapes, x: float, z: float, weather: Weather, dice: Dice) -> None:
    """A broad-leaved tree or a conifer, with its shadow."""
    reach = abs(weather.shadow[0]) * 9 if weather.sun > 0.05 else 0.0
    if not shapes.shows(x, z, 3.5 + reach):
        return
    shapes.label, shapes.instance = VEGETATION, 0
    shapes.lie_on(shapes.camera.facing(z, x))
    height, color = dice.uniform(4.5, 11), _foliage(dice)
    conifer = dice.chance(0.2)
    crown = height * dice.uniform(0.16, 0.22) if conifer else height * dice.uniform(0.24, 0.38)
    if weather.sun > 0.05:
        dx, dz = weather.shadow
        center = x + dx * height * 0.6, z + dz * height * 0.6
        draw_round_shadow(shapes, *center, (crown, crown * 1.2), weather.sun * 0.9, 0.45)
        width = 0.15
        foot = [(x - width, z), (x + width, z), (center[0] + width, center[1])]
        draw_shadow(shapes, [*foot, (center[0] - width, center[1])], weather.sun * 0.9)
    project, scale = shapes.camera.project, shapes.camera.focal / z
    bark = dice.uniform(0.2, 0.36)
    top = height - crown
    lean = dice.near(0, 0.3)
    shapes.capsule(
        project(x, 0, z),
        project(x + lean, top, z),
        (height * 0.022 * scale, height * 0.014 * scale),
        (bark, bark * 0.85, bark * 0.7),
    )
    if conifer:
        _draw_conifer(shapes, (x, z), (height, crown, lean), color)
        return
    # Far crowns are small: they need fewer balls.
    count = dice.integer(5, 7) if scale * crown > 0.08 else 3
    for i in range(count):
        turn, away = dice.unit(), crown * (0.55 if count > 3 else 0.35) * (0.3 + 0.7 * dice.unit())
        at = (
            x + lean + away * cosine(turn),
            top - crown * 0.05 + away * sine(turn) * 1.1,
            z,
        )
        light = 0.6 + 0.5 * i / count + 0.12 * sine(turn)
        size = dice.uniform(0.45, 0.7) if count > 3 else dice.uniform(0.6, 0.85)
        _blob(shapes, at, crown * size, color, light)


def _draw_conifer(
    shapes: Shapes, at: tuple[float, float], size: tuple[float, float, float], color: Color
) -> None:
    """A pointed crown with ragged sides; `size` is height, radius and how far the tip leans."""
    (x, z), (height, crown, lean) = at, size
    large = crown * shapes.camera.focal / z > 0.05
    count = 6 if large else 4
    for i in range(count):
        t = i / count
        y = 0.9 + (height - 1.2) * t
        radius = crown * (1 - 0.9 * t)
        tip = (x + lean * t, min(height, y + height * 0.3), z)
        corners = [(x - radius, y, z), (x + radius, y, z), tip]
        light = 0.62 + 0.45 * t
        shapes.quad(corners, color, LEAVES, (light, 0, 0), (0, 0, 0.4))
        for side in (-1, 1) if large else ():
            foot = (x + side * radius * 0.72, y + 0.1 * radius, z)
            _blob(shapes, foot, radius * 0.3, color, light, 0.45)


def draw_bush(shapes: Shapes, x: float, z: float, dice: Dice) -> None:
    """A bush of two to four balls of leaves on the ground."""
    shapes.label, shapes.instance = VEGETATION, 0
    shapes.lie_on(shapes.camera.facing(z, x))
    color, size = _foliage(dice), dice.uniform(0.4, 1.0)
    for i in range(dice.integer(2, 4)):
        at = (x + dice.near(0, size), size * dice.uniform(0.5, 0.9), z)
        _blob(shapes, at, size * dice.uniform(0.7, 1.0), color, 0.75 + 0.1 * i)


def draw_hedge(shapes: Shapes, x: float, near: float, far: float, dice: Dice) -> None:
    """A hedge along the street: a wall of leaves with ragged tops."""
    shapes.label, shapes.instance = VEGETATION, 0
    color, height = _foliage(dice), dice.uniform(0.8, 1.9)
    shapes.lie_on(shapes.camera.side(x))
    pieces = max(3, min(14, int((far - near) / 1.5)))
    for i in reversed(range(pieces)):
        # Equal steps of 1/Z are equal steps in the picture.
        t = (i + 0.5) / pieces
        z = 1 / ((1 - t) / near + t / far)
        light = dice.uniform(0.85, 1.05)
        _blob(shapes, (x, height * 0.85, z), height * 0.35, color, light, 0.35)
    corners = [(x, 0, near), (x, 0, far), (x, height, far), (x, height, near)]
    shapes.quad(corners, color, LEAVES, (0.9, 0, 0), (0, 0, 0.4))
