"""What one pixel looks at: SegFormer's attention, stage by stage."""

from __future__ import annotations

from typing import Any

import cv2
import ipywidgets as widgets
import matplotlib
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segedu.drawing import ORANGE
from segedu.images import to_tensor
from segedu.semantic import SegFormer
from segedu.widgets.demos.base import Demo, Image, Stage, one_torch_thread, shrink, slider

WORKING_SIDE = 256
SHOWN_SIDE = 320  # pixels of a panel's longer side
TITLE = 26  # pixels above each panel
GAP = 8
COLORS = (matplotlib.colormaps["inferno"](np.arange(256))[:, :3] * 255).astype(np.uint8)


class AttentionExplorer(Demo):
    """Click a pixel: for each stage, where the token at that pixel looks.

    The attention is that of the stage's last block. A square marks the token; the map has one cell
    for every reduced key, coloured by its share, black for nothing and bright for the largest.

    Args:
        model: a SegFormer; used in eval mode.
        image: (H, W, 3); seen by the network at `WORKING_SIDE` pixels.
    """

    def __init__(self, model: SegFormer, image: Any) -> None:
        self.image = shrink(image, WORKING_SIDE)
        self.chosen: tuple[float, float] = (0.5, 0.5)  # x, y in [0, 1]
        self.attention = _attention(model, self.image)
        most = max(weights.shape[0] for weights in self.attention)
        self.head = slider("head (0: mean)", 0, 0, most)
        self.opacity = slider("opacity, %", 75, 0, 100)
        self.stage = Stage("four maps of attention over the image", self._choose, self._next)
        self.caption = widgets.HTML()
        for control in (self.head, self.opacity):
            control.observe(lambda _: self.show(), "value")
        controls = widgets.VBox(
            [self.head, self.opacity, self.caption],
            layout=widgets.Layout(flex="1 1 280px", min_width="280px", padding="0 0 0 12px"),
        )
        self.stage.layout = widgets.Layout(flex="1 1 auto", max_width="680px")
        row = widgets.HBox([self.stage, controls], layout=widgets.Layout(flex_flow="row wrap"))
        super().__init__([row])
        self.show()

    @property
    def panel(self) -> tuple[int, int]:
        """Width and height of a panel in pixels."""
        height, width = self.image.shape[:2]
        scale = SHOWN_SIDE / max(height, width)
        return max(1, round(width * scale)), max(1, round(height * scale))

    def token(self, s: int) -> tuple[int, int]:
        """Row and column of the chosen pixel's token in stage s = 0 … 3."""
        rows, cols = self.attention[s].shape[1:3]
        x, y = self.chosen
        return min(int(y * rows), rows - 1), min(int(x * cols), cols - 1)

    def looks_at(self, s: int) -> NDArray[np.float32]:
        """What the chosen token looks at in stage s = 0 … 3: (H_k, W_k), sums to 1.

        One head, the last one where a stage has fewer, or the mean over heads.
        """
        row, col = self.token(s)
        heads = self.attention[s][:, row, col]  # (h, H_k, W_k)
        if self.head.value == 0:
            return heads.mean(dim=0).numpy()
        return heads[min(self.head.value, len(heads)) - 1].numpy()

    def distance(self, s: int) -> float:
        """Mean distance in pixels from the chosen pixel to where it looks in stage s."""
        share = self.looks_at(s)
        height, width = self.image.shape[:2]
        y = (np.arange(share.shape[0]) + 0.5) / share.shape[0] * height
        x = (np.arange(share.shape[1]) + 0.5) / share.shape[1] * width
        far = np.hypot(y[:, None] - self.chosen[1] * height, x - self.chosen[0] * width)
        return float((far * share).sum())

    def _choose(self, x: float, y: float) -> None:
        """A click on any of the four panels."""
        width, height = self.panel
        full_x, full_y = x * (2 * width + GAP), y * 2 * (height + TITLE)
        in_x = full_x - (width + GAP if full_x >= width + GAP else 0)
        in_y = full_y - (height + TITLE if full_y >= height + TITLE else 0) - TITLE
        self.chosen = (
            float(np.clip(in_x / width, 0, 1 - 1e-6)),
            float(np.clip(in_y / height, 0, 1 - 1e-6)),
        )
        self.show()

    def _next(self, by: int) -> None:
        """The arrow keys walk over the tokens of the coarsest stage, row by row."""
        rows, cols = self.attention[3].shape[1:3]
        row, col = self.token(3)
        row, col = divmod((row * cols + col + by) % (rows * cols), cols)
        self.chosen = ((col + 0.5) / cols, (row + 0.5) / rows)
        self.show()

    def show(self) -> None:
        """Paint the attention of the chosen pixel."""
        self.stage.paint(self.picture())
        lines = []
        for s, weights in enumerate(self.attention):
            heads, rows, cols, key_rows, key_cols = weights.shape
            lines.append(
                f"<b>stage {s + 1}</b>: {rows} × {cols} tokens look at {key_rows} × {key_cols}; "
                f"{heads} head{'s' if heads > 1 else ''}; on average {self.distance(s):.0f} px away"
            )
        self.caption.value = (
            "<div style='line-height:1.5'>"
            + "<br>".join(lines)
            + "<br><small>click a picture to choose a pixel, or walk with ← →; the square is its "
            "token</small></div>"
        )

    def picture(self) -> Image:
        """The four stages, two by two."""
        panels = [self._panel(s) for s in range(4)]
        gap = np.full((panels[0].shape[0], GAP, 3), 255, np.uint8)
        return np.vstack([np.hstack([a, gap, b]) for a, b in (panels[:2], panels[2:])])

    def _panel(self, s: int) -> Image:
        width, height = self.panel
        big = cv2.resize(self.image, (width, height), interpolation=cv2.INTER_LINEAR)
        share = self.looks_at(s)
        heat = COLORS[np.rint(255 * share / share.max()).astype(np.uint8)]
        heat = cv2.resize(heat, (width, height), interpolation=cv2.INTER_NEAREST)
        alpha = self.opacity.value / 100
        mixed = np.rint((1 - alpha) * big + alpha * heat).astype(np.uint8)
        row, col = self.token(s)
        rows, cols = self.attention[s].shape[1:3]
        corner = (round(col * width / cols), round(row * height / rows))
        opposite = (round((col + 1) * width / cols) - 1, round((row + 1) * height / rows) - 1)
        cv2.rectangle(mixed, corner, opposite, (255, 255, 255), 3)
        cv2.rectangle(mixed, corner, opposite, ORANGE, 2)
        title = np.full((TITLE, width, 3), 255, np.uint8)
        cv2.putText(
            title, f"stage {s + 1}, 1/{4 * 2**s}", (2, TITLE - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.55,
            (40, 40, 40), 1, cv2.LINE_AA,
        )  # fmt: skip
        return np.vstack([title, mixed])


def _attention(model: SegFormer, image: Image) -> list[Tensor]:
    """Of each stage's last block, (h, H_s, W_s, H_k, W_k) on the CPU."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode(), one_torch_thread():
            images = model.normalization.apply(to_tensor(image, device)[None])
            found = model.intermediates(images, attention=True)
    finally:
        model.train(was_training)
    return [found[f"attention{s}"][0].float().cpu() for s in range(1, 5)]


def attention_explorer(model: SegFormer, image: Any) -> AttentionExplorer:
    """Show what a clicked pixel of an image (H, W, 3) looks at in each stage of a SegFormer."""
    return AttentionExplorer(model, image)
