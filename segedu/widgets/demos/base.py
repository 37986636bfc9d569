"""What the demos share: a stage that Python paints, work that goes on between two drags, a picture.

A demo answers a drag at once with what it has and goes on in slices of the kernel's event loop, so
that the next drag need not wait; where no loop runs (tests, scripts) it finishes at once. Pictures
are painted with OpenCV and sent as PNG.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anywidget
import cv2
import ipywidgets as widgets
import numpy as np
import torch
import traitlets
from numpy.typing import NDArray

from segedu.images import as_uint8

SLICE_SECONDS = 0.04  # of work before the kernel looks at the next drag
# Newer versions of OpenCV try all filters on every row, which takes three times as long.
_FILTER = (
    [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]
    if hasattr(cv2, "IMWRITE_PNG_FILTER")
    else []
)

Image = NDArray[np.uint8]
_HERE = Path(__file__).parent


def png(image: Image) -> bytes:
    """Encode (H, W, 3) RGB as PNG."""
    _, data = cv2.imencode(".png", image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1, *_FILTER])
    return data.tobytes()


def shrink(image: Any, side: int) -> Image:
    """Make the longer side at most `side` pixels."""
    pixels = as_uint8(image)
    scale = side / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8)


def enlarge(image: NDArray[Any], factor: int) -> NDArray[Any]:
    """Repeat every pixel `factor` times both ways."""
    return image.repeat(factor, axis=0).repeat(factor, axis=1)


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """On small images torch's threads wait for one another longer than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Stage(anywidget.AnyWidget):
    """A picture (H, W, 3) that Python paints and that tells where it was clicked.

    Args:
        on_click: called with x and y in [0, 1]; None for a picture that is only looked at.
        on_step: called with 1 or -1 when the arrow keys are pressed.
        on_drag: called with "press", "drag" or "release", x and y in [0, 1], and True for the right
            button or Alt; None for a picture on which nothing is dragged.
    """

    _esm = _HERE / "stage.js"
    _css = _HERE / "stage.css"
    _picture = traitlets.Bytes().tag(sync=True)
    description = traitlets.Unicode().tag(sync=True)
    clickable = traitlets.Bool(False).tag(sync=True)
    draggable = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        description: str,
        on_click: Callable[[float, float], None] | None = None,
        on_step: Callable[[int], None] | None = None,
        on_drag: Callable[[str, float, float, bool], None] | None = None,
    ) -> None:
        super().__init__(
            description=description,
            clickable=on_click is not None,
            draggable=on_drag is not None,
        )
        self._on_click, self._on_step, self._on_drag = on_click, on_step, on_drag
        self.on_msg(self._receive)

    def paint(self, picture: Image) -> None:
        """Show a picture."""
        self._picture = png(picture)

    def _receive(self, _widget: Any, message: dict[str, Any], _buffers: Any) -> None:
        if message.get("type") == "click" and self._on_click:
            self._on_click(float(message["x"]), float(message["y"]))
        elif message.get("type") in ("press", "drag", "release") and self._on_drag:
            other = message.get("button") == 2
            self._on_drag(message["type"], float(message["x"]), float(message["y"]), other)
        elif message.get("type") == "step" and self._on_step:
            self._on_step(int(message["by"]))


class Demo(widgets.VBox):
    """A box of controls and pictures that also has a picture for readers without a kernel."""

    _work: dict[str, Iterator[None]]

    def picture(self) -> Image:
        """What the demo shows now, (H, W, 3) uint8."""
        raise NotImplementedError

    def work(self, steps: Iterator[None], name: str = "") -> None:
        """Go through the steps, in slices between drags; forget former work of that name."""
        if not hasattr(self, "_work"):
            self._work = {}
        self._work[name] = steps
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._drain(name)
            return
        self._slice(loop, name, steps)

    def finish(self) -> None:
        """Do all work that is left now."""
        for name in list(getattr(self, "_work", {})):
            self._drain(name)

    @property
    def busy(self) -> bool:
        """True while work is left."""
        return bool(getattr(self, "_work", {}))

    def _slice(self, loop: asyncio.AbstractEventLoop, name: str, steps: Iterator[None]) -> None:
        if self._work.get(name) is not steps:
            return  # a newer drag has replaced it, or it is done
        end = time.perf_counter() + SLICE_SECONDS
        for _ in steps:
            if time.perf_counter() >= end:
                # Not call_soon: messages that have come meanwhile go first.
                loop.call_later(0.005, self._slice, loop, name, steps)
                return
        self._work.pop(name, None)

    def _drain(self, name: str) -> None:
        for _ in self._work.get(name, ()):
            pass
        self._work.pop(name, None)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        self.finish()  # the picture that stays in the notebook is complete
        return {**super()._repr_mimebundle_(**kwargs), "image/png": png(self.picture())}


def slider(
    description: str, value: int, low: int, high: int, step: int = 1, **options: Any
) -> widgets.IntSlider:
    """A slider of whole numbers with room for its name."""
    layout = widgets.Layout(width="98%", max_width="420px")
    style = {"description_width": "110px"}
    return widgets.IntSlider(
        value, low, high, step, description=description, layout=layout, style=style, **options
    )
