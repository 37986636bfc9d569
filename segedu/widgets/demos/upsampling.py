"""What unpooling, transposed convolution and bilinear upsampling do to a blob."""

from __future__ import annotations

from typing import Any

import cv2
import ipywidgets as widgets
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from segedu.drawing import ORANGE
from segedu.semantic.fcn import bilinear_kernel
from segedu.widgets.demos.base import Demo, Image, Stage, enlarge, slider

SIDE = 24  # pixels of the blob: divided by 2, 3 and 4
SHOWN = 240  # pixels of a panel, a multiple of SIDE and of its parts
TITLE = 44  # pixels above each panel
GAP = 12
SHAPES = ("disk", "ring", "thin line", "two dots")
METHODS = ("nearest", "unpooling", "transposed convolution", "bilinear")
Map = NDArray[np.float32]


def draw_blob(shape: str, x: float, y: float) -> Map:
    """A shape around (x, y) in [0, 1]: (SIDE, SIDE) float32 in [0, 1], smooth at its edge."""
    rows, cols = np.mgrid[:SIDE, :SIDE] + 0.5
    dy, dx = rows - y * SIDE, cols - x * SIDE
    far = np.hypot(dx, dy)
    if shape == "disk":
        outside = far - 6
    elif shape == "ring":
        outside = np.abs(far - 6.5) - 1.5
    elif shape == "thin line":
        outside = np.maximum(np.abs(dy - 0.4 * dx) / np.hypot(1, 0.4) - 0.6, np.abs(dx) - 9)
    elif shape == "two dots":
        outside = np.minimum(np.hypot(dx - 3, dy), np.hypot(dx + 3, dy)) - 1.2
    else:
        raise ValueError(f"shape is one of {', '.join(SHAPES)}, got {shape!r}")
    return np.clip(0.5 - outside, 0, 1).astype(np.float32)


def stamp(kind: str, size: int) -> Tensor:
    """Kernel (size, size) of the transposed convolution: a bilinear tent, or all ones."""
    return bilinear_kernel(size) if kind == "bilinear" else torch.ones(size, size)


def transposed(pooled: Tensor, kernel: Tensor, factor: int) -> Tensor:
    """Lay a stamp for every pixel, `factor` apart, centred: (1, 1, h, w) -> (1, 1, h f, w f)."""
    full = F.conv_transpose2d(pooled, kernel[None, None], stride=factor)
    before = (kernel.shape[-1] - factor) // 2
    missing = [pooled.shape[d] * factor - full.shape[d] + before for d in (-1, -2)]
    return F.pad(full, (-before, missing[0], -before, missing[1]))


class Upsampling(Demo):
    """A blob, max-pooled, and four ways back to its size, built up pixel by pixel.

    All four are linear in the pooled values, so each is a sum of stamps, one for every pooled
    pixel; the slider says how many are laid. A click moves the blob.
    """

    def __init__(self, shape: str = "disk", factor: int = 4) -> None:
        self.place = (0.5, 0.5)
        layout = widgets.Layout(width="98%", max_width="420px")
        style = {"description_width": "110px"}
        self.shape = widgets.Dropdown(
            options=SHAPES, value=shape, description="blob", layout=layout, style=style
        )
        self.factor = slider("pooling factor", factor, 2, 4)
        self.kernel = widgets.Dropdown(
            options=("bilinear", "ones"), description="stamp", layout=layout, style=style
        )
        self.size = slider("stamp's size", 2 * factor, 1, 9)
        self.stamps = slider("stamps laid", self.cells, 0, self.cells)
        self.play = widgets.Play(
            value=self.cells, min=0, max=self.cells, interval=120, show_repeat=False
        )
        widgets.jslink((self.play, "value"), (self.stamps, "value"))
        self.stage = Stage("a blob, max-pooled and upsampled in four ways", self._move, self._step)
        self.caption = widgets.HTML()
        for control in (self.shape, self.kernel, self.size, self.stamps):
            control.observe(lambda _: self.show(), "value")
        self.factor.observe(self._new_factor, "value")
        controls = widgets.VBox(
            [
                self.shape, self.factor, self.kernel, self.size, self.stamps, self.play,
                self.caption,
            ],
            layout=widgets.Layout(flex="1 1 300px", min_width="300px", padding="0 0 0 12px"),
        )  # fmt: skip
        self.stage.layout = widgets.Layout(flex="1 1 auto", max_width="780px")
        row = widgets.HBox([self.stage, controls], layout=widgets.Layout(flex_flow="row wrap"))
        super().__init__([row])
        self.show()

    @property
    def cells(self) -> int:
        """Number of pooled pixels."""
        return (SIDE // int(self.factor.value)) ** 2

    def _new_factor(self, _change: Any) -> None:
        cells = self.cells
        for control in (self.stamps, self.play):
            control.max = cells
            control.value = cells
        self.size.value = 2 * self.factor.value
        self.show()

    def _move(self, x: float, y: float) -> None:
        # Each panel shows the whole plane: a click in any of them means the same place.
        panel, tall = SHOWN + GAP, SHOWN + TITLE + GAP
        column, line = (x * (3 * panel - GAP)) % panel, (y * (2 * tall - GAP)) % tall
        self.place = (
            float(np.clip(column / SHOWN, 0, 1)), float(np.clip((line - TITLE) / SHOWN, 0, 1))
        )  # fmt: skip
        self.show()

    def _step(self, by: int) -> None:
        self.stamps.value = int(np.clip(self.stamps.value + by, 0, self.stamps.max))

    def maps(self) -> dict[str, Map]:
        """The blob, the pooled one, and what each of `METHODS` makes of the stamps laid so far."""
        factor = self.factor.value
        blob = draw_blob(self.shape.value, *self.place)
        pooled, indices = F.max_pool2d(
            torch.from_numpy(blob)[None, None], factor, return_indices=True
        )
        laid = pooled.clone()
        laid.flatten()[self.stamps.value :] = 0
        made = {
            "nearest": F.interpolate(laid, scale_factor=factor, mode="nearest"),
            "unpooling": F.max_unpool2d(laid, indices, (factor, factor)),
            "transposed convolution": transposed(
                laid, stamp(self.kernel.value, self.size.value), factor
            ),
            "bilinear": F.interpolate(
                laid, scale_factor=factor, mode="bilinear", align_corners=False
            ),
        }
        tensors = {"blob": torch.from_numpy(blob), "pooled": pooled, **made}
        return {name: tensor.squeeze().numpy() for name, tensor in tensors.items()}

    def coverage(self) -> tuple[int, int]:
        """How many stamps meet on a pixel inside the picture: the fewest and the most."""
        factor, size = self.factor.value, self.size.value
        n = SIDE // factor
        counts = transposed(torch.ones(1, 1, n, n), torch.ones(size, size), factor)[0, 0]
        inside = counts[2 * factor : -2 * factor, 2 * factor : -2 * factor]
        return int(inside.min()), int(inside.max())

    def show(self) -> None:
        """Paint what the controls say."""
        self.stage.paint(self.picture())
        fewest, most = self.coverage()
        even = "evenly" if fewest == most else "unevenly: a checkerboard"
        self.caption.value = (
            f"<div style='line-height:1.5'><b>{self.stamps.value} of {self.stamps.max} stamps"
            f"</b><br>transposed convolution: {fewest} to {most} stamps meet on a pixel, {even}"
            "<br><small>number above a picture: mean error against the blob · orange: the pooled "
            "pixel whose stamp came last · click to move the blob, ← → lay or lift a stamp"
            "</small></div>"
        )

    def picture(self) -> Image:
        """Six panels: blob, pooled, nearest; unpooling, transposed convolution, bilinear."""
        maps = self.maps()
        names = ("blob", "pooled", *METHODS)
        done = self.stamps.value == self.stamps.max
        panels = [
            _panel(name, maps[name], maps["blob"] if done and name in METHODS else None)
            for name in names
        ]
        if self.stamps.value > 0:
            self._mark(panels)
        gap = np.full((panels[0].shape[0], GAP, 3), 255, np.uint8)
        rows = [np.hstack([panels[k], gap, panels[k + 1], gap, panels[k + 2]]) for k in (0, 3)]
        between = np.full((GAP, rows[0].shape[1], 3), 255, np.uint8)
        return np.vstack([rows[0], between, rows[1]])

    def _mark(self, panels: list[Image]) -> None:
        """Frame the last pooled pixel in all panels."""
        n = SIDE // self.factor.value
        row, col = divmod(self.stamps.value - 1, n)
        cell = SHOWN // n
        corner = (col * cell, TITLE + row * cell)
        for panel in panels:
            cv2.rectangle(panel, corner, (corner[0] + cell - 1, corner[1] + cell - 1), ORANGE, 2)


def _panel(name: str, values: Map, truth: Map | None) -> Image:
    """Grey values from 0 (black) to 1 (white), more than 1 in red; a title above."""
    over = np.clip(values - 1, 0, 1)[..., None]
    grey = np.clip(values, 0, 1)[..., None] * np.ones(3)
    color = grey * (1 - over) + np.array([0.84, 0.37, 0.0]) * over
    pixels = enlarge(np.rint(255 * color).astype(np.uint8), SHOWN // len(values))
    title = np.full((TITLE, SHOWN, 3), 255, np.uint8)
    size = f"{len(values)} x {len(values)}"
    note = size if truth is None else f"{size}, error {np.abs(values - truth).mean():.3f}"
    for line, text in enumerate((name, note)):
        cv2.putText(
            title, text, (2, 18 + 18 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.48, (30, 30, 30), 1,
            cv2.LINE_AA,
        )  # fmt: skip
    return np.vstack([title, pixels])


def upsampling(shape: str = "disk", factor: int = 4) -> Upsampling:
    """Show four ways from a max-pooled blob back to its size."""
    return Upsampling(shape, factor)
