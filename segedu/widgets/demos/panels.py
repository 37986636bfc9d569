"""Pictures side by side, each with a bold title and a line below it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
from matplotlib.font_manager import findfont
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from segedu.drawing import ORANGE
from segedu.widgets.demos.base import Image

TITLE = 38  # pixels above a panel
GAP = 10
INK = (40, 40, 40)


@cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The typeface that comes with matplotlib."""
    return ImageFont.truetype(findfont("DejaVu Sans:bold" if bold else "DejaVu Sans"), size)


def titled(
    panel: Image, first: str, second: str = "", colors: NDArray[np.uint8] | None = None
) -> Image:
    """Put two lines of text above a picture (H, W, 3) -> (H + TITLE, W, 3).

    With colours (N, 3) the second line is a legend: its N names, three spaces between them.
    """
    canvas = Pillow.new("RGB", (panel.shape[1], TITLE), "white")
    draw = ImageDraw.Draw(canvas)
    draw.text((1, 3), first, fill=INK, font=font(12, bold=True))
    if colors is None:
        draw.text((1, 19), second, fill=INK, font=font(11))
        return np.vstack([np.asarray(canvas), panel])
    names = second.split("   ")
    size = next((n for n in (11, 10, 9) if _length(names, n) <= panel.shape[1]), 8)
    x = 1.0
    for name, color in zip(names, colors, strict=True):
        draw.rectangle([x, 22, x + size - 4, 18 + size], fill=tuple(int(c) for c in color))
        draw.text((x + size, 19), name, fill=INK, font=font(size))
        x += font(size).getlength(name) + 1.5 * size
    return np.vstack([np.asarray(canvas), panel])


def _length(names: Sequence[str], size: int) -> float:
    return sum(font(size).getlength(name) + 1.5 * size for name in names)


def table(rows: Sequence[Sequence[Image]]) -> Image:
    """Lay out pictures in rows, white between them."""
    lines: list[Image] = []
    for row in rows:
        gap = np.full((row[0].shape[0], GAP, 3), 255, np.uint8)
        cells = [cell for panel in row for cell in (gap, panel)][1:]
        line = np.hstack(cells)
        lines += [np.full((GAP, line.shape[1], 3), 255, np.uint8), line]
    return np.vstack(lines[1:])


def panel_place(
    x: float, y: float, panel: tuple[int, int], columns: int, rows: int
) -> tuple[float, float]:
    """Where in its panel a click is, in [0, 1): of a table of equal titled panels.

    Args:
        x: of the click, in [0, 1] of the whole picture.
        y: likewise.
        panel: width and height of a panel without its title.
        columns: of the table.
        rows: of the table.
    """
    width, height = panel
    tall = height + TITLE
    in_x = x * (columns * (width + GAP) - GAP) % (width + GAP)
    in_y = y * (rows * (tall + GAP) - GAP) % (tall + GAP) - TITLE
    return (
        float(np.clip(in_x / width, 0, 1 - 1e-6)),
        float(np.clip(in_y / height, 0, 1 - 1e-6)),
    )


def mark(panel: Image, x: int, y: int, reach: int = 4) -> None:
    """Draw an orange square with a white rim around a place, in the picture itself."""
    corner, opposite = (x - reach, y - reach), (x + reach, y + reach)
    cv2.rectangle(panel, corner, opposite, (255, 255, 255), 4)
    cv2.rectangle(panel, corner, opposite, ORANGE, 2)
