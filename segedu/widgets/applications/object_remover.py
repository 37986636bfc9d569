"""Photographs without the object that is being clicked, before and after behind a slider."""

from __future__ import annotations

import time
from typing import Any

import cv2
import ipywidgets as widgets
import numpy as np
from numpy.typing import NDArray

from segedu.applications import REMOVAL_METHODS, remove_object
from segedu.applications.removal import default_grow
from segedu.interactive import InteractiveMethod
from segedu.widgets.applications.follower import MaskFollower, as_png

NAMES = {
    "telea": "Telea: smooth, fast",
    "navier-stokes": "Navier–Stokes: goes on with lines",
    "patches": "patches: copies texture, slow",
}


class ObjectRemover(MaskFollower):
    """The photograph without the object that is being clicked.

        ObjectRemover(image, method=method)     # click, and drag the slider
        ObjectRemover(segmenter)                # of a canvas that is there already
        ObjectRemover(image, mask=mask)

    Args:
        source: an image (H, W, 3), or a `Segmenter`.
        mask: (H, W) bool, where the object is known.
        method: of the interactive protocol; GrabCut when none is given.
        filling: how the hole is filled to begin with; see `remove_object`.
    """

    def __init__(
        self,
        source: Any,
        mask: Any = None,
        *,
        method: InteractiveMethod | None = None,
        filling: str = "telea",
    ) -> None:
        style = {"description_width": "80px"}
        layout = widgets.Layout(width="98%", max_width="420px")
        self.filling = widgets.Dropdown(
            options=[(NAMES[m], m) for m in REMOVAL_METHODS], value=filling,
            description="fill by", style=style, layout=layout,
        )  # fmt: skip
        self.grow = widgets.IntSlider(
            0, -10, 30, description="grow more, px", style=style, layout=layout,
            tooltip="more or less than what fits the object's size",
        )  # fmt: skip
        self._result: NDArray[np.uint8] | None = None
        super().__init__(source, mask, method, "comparison", [self.filling, self.grow])
        self.preview._before = _jpeg(self.image)

    @property
    def result(self) -> NDArray[np.uint8]:
        """The photograph without the object, (H, W, 3) uint8.

        Raises:
            ValueError: there is no mask yet.
            RuntimeError: it failed; the message says why.
        """
        self.wait()
        if not self.mask.any():
            raise ValueError("there is no mask yet: click the object first")
        if self.error or self._result is None:
            raise RuntimeError(self.error)
        return self._result

    def png(self) -> bytes:
        """The photograph without the object as a PNG file."""
        return as_png(self.result)

    @property
    def file_name(self) -> str:
        """Says what is missing."""
        return f"without {self.segmenter.active if self.segmenter else 'object'}.png"

    def make(self) -> None:
        """Fill the hole and show both."""
        begin = time.perf_counter()
        grow = max(0, default_grow(self.mask) + self.grow.value)
        self._result = remove_object(self.image, self.mask, self.filling.value, grow=grow)
        took = time.perf_counter() - begin
        with self.preview.hold_sync():
            self.preview._after = _jpeg(self._result)
            self.preview._note = f"mask grown by {grow} pixels; {1000 * took:,.0f} ms"

    def picture(self) -> NDArray[np.uint8]:
        """Before and after, side by side."""
        if not self.mask.any() or self._result is None:
            return self.image
        gap = np.full((self.image.shape[0], 8, 3), 255, np.uint8)
        return np.hstack([self.image, gap, self._result])


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    return data.tobytes()
