"""What colour a shape has at a pixel: Numba kernels of the materials, and of the final picture.

A pixel whose four samples see one shape is shaded once; on an edge every shape seen is shaded and
weighted by its samples. So edges are smooth and the work hardly more than one shading a pixel.
Colours are 0 … 1; only exactly rounded operations of float64 are used, in a fixed order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from segedu.data.scenes.shapes import BOARDS, FACADE, GLASS, GROUND, LEAVES, PLAIN, SKY

GRAIN, CLOUDS, LEAF = 0, 1, 2
# What shading needs of the weather, see `Weather`.
MOOD = np.dtype(
    [
        ("ambient", np.float64, 3),
        ("haze", np.float64, 3),
        ("density", np.float64),
        ("sky_haze", np.float64),
        ("lit", np.float64),
    ]
)


@njit(cache=True, nogil=True, error_model="numpy")
def resolve(
    shapes: NDArray[Any],
    planes: NDArray[Any],
    seen: NDArray[np.int16],
    shade: NDArray[np.uint8],
    textures: NDArray[np.float32],
    mood: Any,
    image: NDArray[np.float32],
    front: NDArray[np.int16],
    inverse_depth: NDArray[np.float32],
) -> None:
    """From samples to pixels: colour (H, W, 3), the shape that owns the pixel, 1 / Z (H, W).

    A pixel belongs to the shape with most of its samples, among equals to the one in front.
    """
    height, width = front.shape
    pixel = 1 / height
    for i in range(height):
        y = (i + 0.5) * pixel
        for j in range(width):
            x = (j + 0.5 - width * 0.5) * pixel
            a, b = seen[2 * i, 2 * j], seen[2 * i, 2 * j + 1]
            c, d = seen[2 * i + 1, 2 * j], seen[2 * i + 1, 2 * j + 1]
            owner = a
            r, g, bl, near = _color(shapes[a], planes, x, y, pixel, shade, textures, mood)
            if a != b or a != c or a != d:
                most = int(a == b) + int(a == c) + int(a == d) + 1
                r, g, bl = r * most, g * most, bl * most
                for n, k in enumerate((b, c, d)):
                    if k == a or (n > 0 and k == b) or (n > 1 and k == c):
                        continue
                    count = int(b == k) + int(c == k) + int(d == k)
                    p, q, s, z = _color(shapes[k], planes, x, y, pixel, shade, textures, mood)
                    r, g, bl = r + p * count, g + q * count, bl + s * count
                    if count > most or (count == most and k > owner):
                        most, owner, near = count, k, z
                r, g, bl = r * 0.25, g * 0.25, bl * 0.25
            image[i, j, 0], image[i, j, 1], image[i, j, 2] = r, g, bl
            front[i, j], inverse_depth[i, j] = owner, near


# Inlined: handing over five arrays would take as long as shading a plain pixel.
@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _color(
    shape: Any,
    planes: NDArray[Any],
    x: float,
    y: float,
    pixel: float,
    shade: NDArray[np.uint8],
    textures: NDArray[np.float32],
    mood: Any,
) -> tuple[float, float, float, float]:
    """Colour of a shape at a point of the picture, in the scene's light and haze, and 1 / Z."""
    material = int(shape.material)
    light = shape.light[0] + shape.light[1] * x + shape.light[2] * y
    r, g, b = shape.color[0], shape.color[1], shape.color[2]
    if material == SKY:
        r, g, b = _sky(shape, x, y, textures)
        t = 1 - mood.sky_haze * max(0.0, 1 - 2.5 * max(0.0, shape.extra[0] - y))
        glow, inverse = 1.0, 0.0
    else:
        plane = planes[int(shape.plane)]
        inverse = max(plane.inverse[0] + plane.inverse[1] * x + plane.inverse[2] * y, 1e-4)
        # 1 / (1 + h + h^2 / 2) for h = Z density
        d, square = mood.density, inverse * inverse
        t = square / (square + d * inverse + 0.5 * d * d)
        glow = shape.glow
        if material == LEAVES:
            light *= _leafage(shape, x, y, textures)
        elif material != PLAIN or shape.extra[2] > 0:
            z = 1 / inverse
            u = (plane.u[0] + plane.u[1] * x + plane.u[2] * y) * z
            v = (plane.v[0] + plane.v[1] * x + plane.v[2] * y) * z
            if material == GLASS:
                # A pane mirrors the sky above and the street below.
                light *= 0.75 + 0.5 * textures[CLOUDS, int(v * 30) & 255, int(u * 30) & 255]
            else:
                # Metres that a pixel spans along u and v.
                pu = _footprint(plane, plane.u, u, z) * pixel
                pv = _footprint(plane, plane.v, v, z) * pixel
                if material == FACADE:
                    r, g, b, glow = _facade(shape, u, v, pu, pv, textures, mood.lit)
                else:
                    light *= 1 + _grain(shape, u, v, pu, pv, textures)
                    if material == BOARDS:
                        light *= _boards(shape, u, v, pu)
                    elif material == GROUND:
                        light *= _joints(shape, u, v, pu, pv) * (1 - _shadow(shade, x, y))
                        light *= 1 + shape.extra[1] * _lookup(textures, CLOUDS, u * 5, v * 5)
    day = light * (1 - glow) * t
    own = light * glow * t
    return (
        r * (mood.ambient[0] * day + own) + mood.haze[0] * (1 - t),
        g * (mood.ambient[1] * day + own) + mood.haze[1] * (1 - t),
        b * (mood.ambient[2] * day + own) + mood.haze[2] * (1 - t),
        inverse,
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _shadow(shade: NDArray[np.uint8], x: float, y: float) -> float:
    """Strength of the cast shadow, the mean of a pixel's four samples; (x, y) is its middle."""
    rows, columns = shade.shape
    i, j = int(y * rows + 0.5), int(x * rows + columns * 0.5 + 0.5)
    total = float(shade[i - 1, j - 1]) + shade[i - 1, j] + shade[i, j - 1] + shade[i, j]
    return total * (1 / 1020)


@njit(cache=True, nogil=True, error_model="numpy")
def _footprint(plane: Any, along: Any, value: float, z: float) -> float:
    """Metres on the surface in a picture's height: the larger derivative of (a + b x + c y) z."""
    across = abs((along[1] - value * plane.inverse[1]) * z)
    down = abs((along[2] - value * plane.inverse[2]) * z)
    return float(max(across, down))


@njit(cache=True, nogil=True, error_model="numpy")
def _lookup(textures: NDArray[np.float32], which: int, u: float, v: float) -> float:
    """Bilinear value of a texture, which repeats."""
    fu, fv = np.floor(u), np.floor(v)
    s, t = u - fu, v - fv
    i, j = int(fv) & 255, int(fu) & 255
    k, m = (i + 1) & 255, (j + 1) & 255
    top = textures[which, i, j] * (1 - s) + textures[which, i, m] * s
    bottom = textures[which, k, j] * (1 - s) + textures[which, k, m] * s
    return float(top * (1 - t) + bottom * t)


@njit(cache=True, nogil=True, error_model="numpy")
def _grain(shape: Any, u: float, v: float, pu: float, pv: float, textures: Any) -> float:
    """Fine texture; it fades where a pixel spans many texels."""
    amount, density = shape.extra[2], shape.extra[3]
    texels = density * max(pu, pv)
    if amount == 0 or texels > 4:
        return 0.0
    fade = (4 - texels) / (4 + 3 * texels)
    return amount * fade * _lookup(textures, GRAIN, u * density, v * density)


@njit(cache=True, nogil=True, error_model="numpy")
def _pulse(at: float, low: float, high: float, sharp: float) -> float:
    """1 between low and high, 0 outside; the edges are blurred by a box of width 1 / `sharp`."""
    rise = min(1.0, max(0.0, (at - low) * sharp + 0.5))
    fall = min(1.0, max(0.0, (high - at) * sharp + 0.5))
    return rise * fall


@njit(cache=True, nogil=True, error_model="numpy")
def _joints(shape: Any, u: float, v: float, pu: float, pv: float) -> float:
    """Dark joints between paving slabs, `shape.extra[0]` metres apart; 0 for none."""
    slab = shape.extra[0]
    if slab == 0:
        return 1.0
    each = 1 / slab
    joint = 0.04 * each
    a, b = u * each - np.floor(u * each), v * each - np.floor(v * each)
    blur_a, blur_b = pu * each + joint, pv * each + joint
    if min(blur_a, blur_b) > 1:
        return 1.0
    # Where slabs are smaller than pixels the joints only darken evenly.
    sharp_a, sharp_b = max(0.0, 1 - blur_a), max(0.0, 1 - blur_b)
    line = sharp_a * (1 - _pulse(a, joint, 1 - joint, 1 / blur_a))
    line = max(line, sharp_b * (1 - _pulse(b, joint, 1 - joint, 1 / blur_b)))
    return float(1 - 0.35 * line)


@njit(cache=True, nogil=True, error_model="numpy")
def _boards(shape: Any, u: float, v: float, pu: float) -> float:
    """Upright boards `extra[0]` metres apart with dark gaps, and two rails."""
    period, gap, height = shape.extra[0], shape.extra[1], shape.extra[4]
    at, blur = u / period - np.floor(u / period), pu / period + 0.02
    board = _pulse(at, gap, 1.0, 1 / blur)
    if blur > 0.7:  # boards thinner than pixels: their mean
        board += (1 - gap - board) * min(1.0, (blur - 0.7) * 2)
    level = v / height
    rail = 0.15 < level < 0.24 or 0.74 < level < 0.83
    return 0.8 if rail else 0.45 + 0.55 * board


@njit(cache=True, nogil=True, error_model="numpy")
def _leafage(shape: Any, x: float, y: float, textures: Any) -> float:
    """Light and dark leaves: two sizes of the leaf texture."""
    fine = _lookup(textures, LEAF, x * 640, y * 640)
    coarse = _lookup(textures, LEAF, x * 220 + 31, y * 220 + 17)
    return float(1 + shape.extra[2] * (0.6 * fine + 0.7 * coarse))


@njit(cache=True, nogil=True, error_model="numpy")
def _sky(shape: Any, x: float, y: float, textures: Any) -> tuple[float, float, float]:
    """Blue above, the horizon's colour below, clouds in perspective."""
    above = max(0.0, shape.extra[0] - y)
    far = 1 / (above + 0.12)
    cloud = _lookup(textures, CLOUDS, (x - shape.extra[1]) * far * 30 + 91, far * 40 + 13)
    cover = min(1.0, max(0.0, (cloud + shape.extra[2]) * 2.2))
    up = min(1.0, above * 1.6)
    r = shape.color[0] * up + shape.extra[4] * (1 - up)
    g = shape.color[1] * up + shape.extra[5] * (1 - up)
    b = shape.color[2] * up + shape.extra[6] * (1 - up)
    white = shape.extra[3] * (0.92 + 0.16 * cloud)
    return r + (white - r) * cover, g + (white - g) * cover, b + (white - b) * cover


@njit(cache=True, nogil=True, error_model="numpy")
def _facade(
    shape: Any,
    u: float,
    v: float,
    pu: float,
    pv: float,
    textures: Any,
    lit: float,
) -> tuple[float, float, float, float]:
    """A wall with windows storey by storey, and shop windows or doors on the ground floor."""
    storey, spacing = shape.extra[0], shape.extra[1]
    width, tall, seed = shape.extra[4], shape.extra[5], int(shape.extra[6])
    across, up = 1 / spacing, 1 / storey
    level, column = np.floor(v * up), np.floor(u * across)
    fu, fv = u * across - column, v * up - level
    shop = level < 1 and seed % 3 > 0
    if level < 1:
        width, tall = (0.9, 0.72) if shop else (width * 0.8, tall)
    bottom = 0.12 if shop else 0.5 - tall * 0.45
    blur_u, blur_v = pu * across + 0.01, pv * up + 0.01
    sharp_u, sharp_v = 1 / blur_u, 1 / blur_v
    left = 0.5 - width / 2
    pane = _pulse(fu, left, 1 - left, sharp_u) * _pulse(fv, bottom, bottom + tall, sharp_v)
    rim = _pulse(fu, left - 0.05, 1.05 - left, sharp_u) * _pulse(
        fv, bottom - 0.05, bottom + tall + 0.03, sharp_v
    )
    wide = max(blur_u, blur_v)
    if wide > 0.6:  # windows smaller than pixels: their mean
        mean = width * tall
        weight = min(1.0, (wide - 0.6) * 3)
        pane, rim = pane + (mean - pane) * weight, rim + (mean - rim) * weight
    r, g, b, glow = 0.0, 0.0, 0.0, 0.0
    if pane > 0:
        bar = 1 - 0.5 * _pulse(fu, 0.47, 0.53, sharp_u) if width < 0.8 else 1.0
        h = (int(level) * 7919 + int(column) * 104729 + seed * 1299709) & 0xFFFF
        h = ((h * 40503) >> 4) & 1023
        bright = (h & 127) / 127.0
        r, g, b = 0.12 + 0.28 * bright, 0.15 + 0.32 * bright, 0.2 + 0.36 * bright
        if (h >> 7) == 3:  # drawn curtains
            r, g, b = 0.62, 0.6, 0.55
        if h / 1023.0 < lit:
            r, g, b, glow = 1.0, 0.82, 0.5, pane
        r, g, b = r * bar * pane, g * bar * pane, b * bar * pane
    if pane < 1:
        wall = 1 + _grain(shape, u, v, pu, pv, textures)
        wall += 0.10 * _lookup(textures, CLOUDS, u * 6 + seed, v * 6)
        if level < 1:
            wall *= 0.85
        wall += 0.25 * (rim - pane) if rim > pane else 0.0
        r += shape.color[0] * wall * (1 - pane)
        g += shape.color[1] * wall * (1 - pane)
        b += shape.color[2] * wall * (1 - pane)
    return r, g, b, glow


@njit(cache=True, nogil=True, error_model="numpy")
def add_lights(
    image: NDArray[np.float32], inverse_depth: NDArray[np.float32], lights: NDArray[np.float64]
) -> None:
    """Add the glow of lamps that nothing hides.

    `lights` (N, 7): x, y in the picture, Z in metres, radius in picture heights, red, green, blue.
    """
    height, width = image.shape[:2]
    for n in range(lights.shape[0]):
        cx, cy = lights[n, 0] * height + width * 0.5 - 0.5, lights[n, 1] * height - 0.5
        at, across = int(cy + 0.5), int(cx + 0.5)
        inside = cx > 0 and cy > 0 and at < height and across < width
        if inside and inverse_depth[at, across] * lights[n, 2] > 1.15:
            continue
        radius = lights[n, 3] * height
        reach = 4 * radius
        for i in range(int(max(0.0, cy - reach)), int(min(height, max(0.0, cy + reach)))):
            for j in range(int(max(0.0, cx - reach)), int(min(width, max(0.0, cx + reach)))):
                d = ((i - cy) * (i - cy) + (j - cx) * (j - cx)) / (radius * radius)
                if d < 16:
                    fall = 1 / (1 + 4 * d) * (1 - d / 16)
                    for c in range(3):
                        image[i, j, c] += np.float32(lights[n, 4 + c] * fall)
