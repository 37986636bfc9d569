"""Stickers while you click: the object cut out, with border and shadow, to be saved as PNG."""

from __future__ import annotations

import math
from typing import Any

import cv2
import ipywidgets as widgets
import numpy as np
from numpy.typing import NDArray

from segedu.applications import sticker
from segedu.drawing import Color
from segedu.interactive import InteractiveMethod
from segedu.widgets.applications.follower import MaskFollower, as_png

SHOWN_SIDE = 420  # pixels of an object's longer side in the preview: it follows a slider
SQUARE = 12  # pixels of the chequerboard behind it


class StickerMaker(MaskFollower):
    """A sticker of the object that is being clicked.

        StickerMaker(image, method=method)      # click, and see the sticker beside
        StickerMaker(segmenter)                 # of a canvas that is there already
        StickerMaker(image, mask=mask)

    Sizes are relative to the object's (the root of its area), so that they fit the next one too.

    Args:
        source: an image (H, W, 3), or a `Segmenter`.
        mask: (H, W) bool, where the object is known.
        method: of the interactive protocol; GrabCut when none is given.
    """

    def __init__(
        self, source: Any, mask: Any = None, *, method: InteractiveMethod | None = None
    ) -> None:
        self.border = _percent("border", 3.5, 12)
        self.rounding = _percent("rounding", 3.5, 12)
        self.shadow = _percent("shadow", 40, 100, 5)
        self.color = widgets.ColorPicker(
            value="#ffffff", description="colour", style={"description_width": "80px"},
            layout=widgets.Layout(width="98%", max_width="420px"),
        )  # fmt: skip
        controls = [self.border, self.color, self.rounding, self.shadow]
        super().__init__(source, mask, method, "sticker", controls)

    @property
    def sticker(self) -> NDArray[np.uint8]:
        """The sticker in full size, (h, w, 4) uint8: RGB and alpha.

        Raises:
            ValueError: there is no mask yet.
        """
        return self._made_of(self.image, self.mask)

    def png(self) -> bytes:
        """The sticker in full size as a PNG file with alpha."""
        return as_png(self.sticker)

    @property
    def file_name(self) -> str:
        """The object's name."""
        return f"{self.segmenter.active if self.segmenter else 'sticker'}.png"

    def _made_of(self, image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
        size = math.sqrt(float(np.count_nonzero(mask)))
        border = size * self.border.value / 100
        return sticker(
            image, mask, border=border, border_color=_rgb(self.color.value),
            rounding=size * self.rounding.value / 100, shadow=self.shadow.value / 100,
            shadow_size=max(1.0, size * 0.03),
        )  # fmt: skip

    def make(self) -> None:
        """Show the sticker, of an image that is made smaller where it is large."""
        self.preview._after = as_png(self._small())
        height, width = (int(n) for n in np.ptp(np.nonzero(self.mask), axis=1) + 1)
        self.preview._note = f"{width} × {height} pixels and the border; PNG with alpha"

    def _small(self) -> NDArray[np.uint8]:
        rows, columns = np.flatnonzero(self.mask.any(axis=1)), np.flatnonzero(self.mask.any(axis=0))
        top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        scale = SHOWN_SIDE / max(bottom - top, right - left)
        if scale >= 1:
            return self.sticker
        image, mask = self.image[top:bottom, left:right], self.mask[top:bottom, left:right]
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
        share = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        small = share >= min(0.5, float(share.max()))
        return self._made_of(image, small)

    def picture(self) -> NDArray[np.uint8]:
        """The sticker on a chequerboard, or the image where there is none."""
        if not self.mask.any():
            return self.image
        cut = self._small()
        rows, columns = np.indices(cut.shape[:2]) // SQUARE
        board = np.where((rows + columns) % 2, 204, 238)[..., None]
        alpha = cut[..., 3:] / 255
        return np.rint(alpha * cut[..., :3] + (1 - alpha) * board).astype(np.uint8)


def _percent(name: str, value: float, most: float, step: float = 0.5) -> widgets.FloatSlider:
    return widgets.FloatSlider(
        value, min=0, max=most, step=step, description=f"{name}, %",
        readout_format=".0f" if step >= 1 else ".1f", style={"description_width": "80px"},
        layout=widgets.Layout(width="98%", max_width="420px"),
    )  # fmt: skip


def _rgb(color: str) -> Color:
    """Of "#rrggbb"."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
