"""Receptive field and atrous rate: which pixels reach an output, and by how many paths."""

from __future__ import annotations

from typing import Any

import cv2
import ipywidgets as widgets
import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw

from segedu.drawing import ORANGE
from segedu.layers.atrous import receptive_field
from segedu.widgets.demos.base import Demo, Image, Stage, shrink, slider
from segedu.widgets.demos.panels import GAP, INK, TITLE, font, table, titled

SIDE = 440  # pixels of the image as the network gets it, and as it is shown
OUTSIDE = 232  # grey of what lies outside the image: zeros for the network
MOST_LAYERS = 4
STRIDES = (1, 2, 4, 8, 16)
HEAT = (matplotlib.colormaps["inferno"](np.arange(256))[:, :3] * 255).astype(np.uint8)
PRESETS: dict[str, tuple[int, tuple[int, ...], int]] = {  # kernel, rates, stride of the map
    "hybrid 1-2-5": (3, (1, 2, 5), 1),
    "gridding 2-2-2": (3, (2, 2, 2), 1),
    "no holes 1-1-1": (3, (1, 1, 1), 1),
    "doubling 1-2-4-8": (3, (1, 2, 4, 8), 1),
    "one 7 × 7": (7, (1,), 1),
    "LargeFOV: rate 12 at 1/8": (3, (12,), 8),
    "ASPP: rate 6 at 1/16": (3, (6,), 16),
    "ASPP: rate 18 at 1/16": (3, (18,), 16),
    "multi-grid 2-4-8 at 1/16": (3, (2, 4, 8), 16),
}

Counts = NDArray[np.int64]


def path_counts(kernel: int, rates: tuple[int, ...]) -> Counts:
    """How many paths lead from each position to the middle output, along one axis: (R,).

    Each layer convolves with ones, `rate` apart; no more is needed: along rows and columns the
    kernel of ones is a product, so that a position's count in the plane is one of each multiplied.
    """
    counts: Counts = np.ones(1, np.int64)
    for rate in rates:
        taps: Counts = np.zeros((kernel - 1) * rate + 1, np.int64)
        taps[::rate] = 1
        counts = np.convolve(counts, taps)
    return counts


class AtrousExplorer(Demo):
    """Layers of atrous convolution over a photograph: what one output sees.

    The layers run on a map of a given stride: a position of the map stands for a cell of stride x
    stride pixels. Colours are the number of paths from a position to the output at the clicked
    place; dark positions lie in the receptive field and are not seen.

    Args:
        image: (H, W, 3); the network gets it at `SIDE` pixels.
        preset: one of `PRESETS`.
    """

    def __init__(self, image: Any, preset: str = "gridding 2-2-2") -> None:
        if preset not in PRESETS:
            raise ValueError(f"preset must be one of {', '.join(PRESETS)}, got {preset!r}")
        self.image = shrink(image, SIDE)
        self.chosen = (0.5, 0.5)  # x, y in [0, 1]
        layout = widgets.Layout(width="98%", max_width="420px")
        style = {"description_width": "110px"}
        self.preset = widgets.Dropdown(
            options=("your own", *PRESETS), description="preset", layout=layout, style=style
        )
        self.kernel = slider("kernel size", 3, 1, 7, 2)
        self.layers = slider("layers", 3, 1, MOST_LAYERS)
        self.rates = [slider(f"rate of layer {k + 1}", 1, 1, 24) for k in range(MOST_LAYERS)]
        self.stride = widgets.SelectionSlider(
            options=STRIDES, value=1, description="stride of map", layout=layout, style=style
        )
        self.stage = Stage("receptive field on a photograph", self._choose, self._step)
        self.caption = widgets.HTML()
        self._applying = False
        self.preset.observe(self._apply, "value")
        for control in (self.kernel, self.layers, *self.rates, self.stride):
            control.observe(self._changed, "value")
        controls = widgets.VBox(
            [self.preset, self.kernel, self.layers, *self.rates, self.stride, self.caption],
            layout=widgets.Layout(flex="1 1 300px", min_width="300px", padding="0 0 0 12px"),
        )
        self.stage.layout = widgets.Layout(flex="1 1 auto", max_width="780px")
        row = widgets.HBox([self.stage, controls], layout=widgets.Layout(flex_flow="row wrap"))
        super().__init__([row])
        self.preset.value = preset

    def _apply(self, _change: Any) -> None:
        """Set all controls to the chosen preset, and paint once."""
        if self.preset.value in PRESETS:
            kernel, rates, stride = PRESETS[self.preset.value]
            self._applying = True
            self.kernel.value, self.layers.value, self.stride.value = kernel, len(rates), stride
            for control, rate in zip(self.rates, rates, strict=False):
                control.value = rate
            self._applying = False
        self.show()

    def _changed(self, _change: Any) -> None:
        if not self._applying:
            now = (self.kernel.value, self.used_rates, self.stride.value)
            name = next((n for n, setting in PRESETS.items() if setting == now), "your own")
            self._applying = True  # naming what is set must not set anything
            self.preset.value = name
            self._applying = False
            self.show()

    @property
    def used_rates(self) -> tuple[int, ...]:
        """Rates of the layers there are."""
        return tuple(int(control.value) for control in self.rates[: self.layers.value])

    @property
    def cell(self) -> tuple[int, int]:
        """Column and row of the clicked place on the map."""
        s = int(self.stride.value)
        height, width = self.image.shape[:2]
        return int(self.chosen[0] * width) // s, int(self.chosen[1] * height) // s

    @property
    def map_size(self) -> tuple[int, int]:
        """Columns and rows of the map."""
        s = int(self.stride.value)
        height, width = self.image.shape[:2]
        return -(-width // s), -(-height // s)

    def counts(self) -> Counts:
        """Paths from each position of the receptive field to the output: (R, R)."""
        line = path_counts(self.kernel.value, self.used_rates)
        return np.outer(line, line)

    def numbers(self) -> dict[str, float]:
        """What the caption says.

        `field` is R in positions, `pixels` R in pixels, `seen` the share of positions with a path,
        `inside` the share of paths that begin on the image, `half` the side of the middle square
        that half of all paths begin in.
        """
        line = path_counts(self.kernel.value, self.used_rates)
        reach = len(line) // 2
        shares = []
        for at, size in zip(self.cell, self.map_size, strict=True):
            places = at + np.arange(-reach, reach + 1)
            on = (places >= 0) & (places < size)
            shares.append(line[on].sum() / line.sum())
        inner = [line[reach - k : reach + k + 1].sum() / line.sum() for k in range(reach + 1)]
        half = next(k for k, share in enumerate(inner) if share**2 >= 0.5)
        stack = [(self.kernel.value, 1, rate) for rate in self.used_rates]
        field = receptive_field(stack)
        assert field == len(line)
        return {
            "field": field,
            "pixels": field * self.stride.value,
            "seen": float((line > 0).mean() ** 2),
            "inside": float(shares[0] * shares[1]),
            "half": (2 * half + 1) * self.stride.value,
            "weights": self.kernel.value**2 * self.layers.value,
            "paths": float(line.sum() ** 2),
        }

    def _choose(self, x: float, y: float) -> None:
        """A click in the photograph, which is the left one of the two pictures."""
        height, width = self.image.shape[:2]
        in_x, in_y = x * (width + GAP + height) / width, (y * (TITLE + height) - TITLE) / height
        if in_x < 1 and in_y >= 0:
            self.chosen = (in_x, min(in_y, 1 - 1e-6))
            self.show()

    def _step(self, by: int) -> None:
        """The arrow keys walk along the map, row by row."""
        (cols, rows), (col, row) = self.map_size, self.cell
        s, (height, width) = int(self.stride.value), self.image.shape[:2]
        row, col = divmod((row * cols + col + by) % (rows * cols), cols)
        self.chosen = (
            min((col + 0.5) * s / width, 1 - 1e-6), min((row + 0.5) * s / height, 1 - 1e-6)
        )  # fmt: skip
        self.show()

    def show(self) -> None:
        """Paint what the controls say."""
        for control, k in zip(self.rates, range(MOST_LAYERS), strict=True):
            control.layout.display = "none" if k >= self.layers.value else "flex"
        self.stage.paint(self.picture())
        n = self.numbers()
        outside = 1 - n["inside"]
        zeros = f"; {outside:.0%} of the paths begin outside, on zeros" if outside > 0.0005 else ""
        self.caption.value = (
            f"<div style='line-height:1.5'><b>receptive field {n['field']:.0f} × {n['field']:.0f}"
            f"</b> positions = {n['pixels']:.0f} × {n['pixels']:.0f} pixels<br><b>{n['seen']:.0%}"
            f"</b> of its positions are seen, by {n['paths']:,.0f} paths{zeros}<br>half of the "
            f"paths begin within {n['half']:.0f} × {n['half']:.0f} pixels<br>"
            f"{n['weights']:.0f} weights a pair of channels<br><small>click the photograph to "
            "choose the output's place, or walk with ← →</small></div>"
        )

    def picture(self) -> Image:
        """The photograph with the receptive field; the field enlarged."""
        height, width = self.image.shape[:2]
        s, (col, row) = int(self.stride.value), self.cell
        line = path_counts(self.kernel.value, self.used_rates)
        reach = len(line) // 2
        whole = self._view((0, 0, width, height), (width, height), line)
        x, y, side = (col - reach) * s, (row - reach) * s, len(line) * s
        for color, thick in (((255, 255, 255), 4), (ORANGE, 2)):
            cv2.rectangle(whole, (x - 4, y - 4), (x + side + 3, y + side + 3), color, thick)
        margin = max(s, side / 12)
        box = (x - margin, y - margin, side + 2 * margin, side + 2 * margin)
        near = self._view(box, (height, height), line, grid=True)
        rates = "-".join(map(str, self.used_rates))
        where = f"a map at 1/{s}" if s > 1 else "the image itself"
        plural = "s" * (len(self.used_rates) > 1)
        first = f"{self.kernel.value} × {self.kernel.value}, rate{plural} {rates}, on {where}"
        left = titled(whole, first, f"orange: the receptive field, {side} pixels wide")
        scale = height / box[2]
        text = f"enlarged {scale:.1f} ×" if scale > 1 else f"reduced {1 / scale:.1f} ×"
        right = titled(near, f"the field, {text}", "bright: many paths, dark: not seen")
        return table([[left, right]])

    def _view(
        self,
        box: tuple[float, float, float, float],
        size: tuple[int, int],
        line: Counts,
        grid: bool = False,
    ) -> Image:
        """The image and its path counts in a box (x, y, width, height), drawn at a size (w, h)."""
        s, reach = int(self.stride.value), len(line) // 2
        places, paths, edges = [], [], []
        for axis in (0, 1):
            at = box[axis] + (np.arange(size[axis]) + 0.5) * box[2 + axis] / size[axis]
            cell = np.floor(at / s).astype(int) - self.cell[axis] + reach
            in_field = (cell >= 0) & (cell < len(line))
            places.append(np.floor(at).astype(int))
            paths.append(np.where(in_field, line[np.clip(cell, 0, len(line) - 1)], -1))
            edges.append(in_field & (np.diff(cell, prepend=cell[0]) != 0))
        (x, y), (across, down) = places, paths
        height, width = self.image.shape[:2]
        canvas = self.image[np.clip(y, 0, height - 1)[:, None], np.clip(x, 0, width - 1)]
        outside = ((y < 0) | (y >= height))[:, None] | ((x < 0) | (x >= width))
        canvas[outside] = OUTSIDE
        field = (down[:, None] >= 0) & (across >= 0)
        counts = np.where(field, down[:, None] * across, 0)
        share = np.sqrt(counts / float(line.max()) ** 2)
        heat = HEAT[np.rint(60 + 195 * share).astype(np.uint8)]
        seen = counts > 0
        mixed = np.where(seen[..., None], 0.3 * canvas + 0.7 * heat, 0.3 * canvas)
        canvas = np.where(field[..., None], np.rint(mixed), canvas).astype(np.uint8)
        cell_size = s * size[0] / box[2]
        if grid and cell_size >= 6:
            canvas[(edges[1][:, None] | edges[0]) & field] //= 2
        digits = len(str(line.max() ** 2))
        if grid and cell_size >= 9 * digits:
            canvas = self._write(canvas, box, cell_size, line)
        return canvas

    def _write(
        self, canvas: Image, box: tuple[float, ...], cell_size: float, line: Counts
    ) -> Image:
        """The number of paths in each cell that has any."""
        s, reach = int(self.stride.value), len(line) // 2
        picture = Pillow.fromarray(canvas)
        draw = ImageDraw.Draw(picture)
        middles = [
            ((self.cell[axis] - reach + np.arange(len(line)) + 0.5) * s - box[axis]) * cell_size / s
            for axis in (0, 1)
        ]
        for j, i in np.argwhere(np.outer(line, line) > 0):
            bright = line[j] * line[i] > 0.3 * line.max() ** 2
            draw.text(
                (middles[0][i], middles[1][j]), str(line[j] * line[i]), anchor="mm",
                fill=INK if bright else (255, 255, 255), font=font(10),
            )  # fmt: skip
        return np.asarray(picture)


def atrous_explorer(image: Any, preset: str = "gridding 2-2-2") -> AtrousExplorer:
    """Show which pixels of an image (H, W, 3) reach one output of atrous convolutions."""
    return AtrousExplorer(image, preset)
