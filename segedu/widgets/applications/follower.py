"""Widgets that make something of the object that is being clicked, while it is being clicked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import cv2
import ipywidgets as widgets
import numpy as np
import traitlets
from numpy.typing import NDArray

from segedu.images import as_uint8, check_mask
from segedu.interactive import InteractiveMethod
from segedu.widgets.segmenter import Segmenter

_HERE = Path(__file__).parent
SLOW = 0.15  # seconds after which a result is said to be under way


class Latest:
    """Runs a function in a thread; of the requests that come meanwhile only the last one counts.

    Attributes:
        idle: set while nothing is left to do.
    """

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function
        self._lock = threading.Lock()
        self._wanted = self._running = False
        self.idle = threading.Event()
        self.idle.set()

    def request(self) -> None:
        """Have it run once more."""
        with self._lock:
            self._wanted = True
            self.idle.clear()
            if not self._running:
                self._running = True
                threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._wanted:
                    self._running = False
                    self.idle.set()
                    return
                self._wanted = False
            self._function()


class Preview(anywidget.AnyWidget):
    """What the page shows of a result: the picture, or two of them behind a slider.

    Attributes:
        kind: "sticker" or "comparison".
    """

    _esm = _HERE / "preview.js"
    _css = _HERE / "preview.css"
    kind = traitlets.Unicode().tag(sync=True)
    _before = traitlets.Bytes().tag(sync=True)
    _after = traitlets.Bytes().tag(sync=True)
    _note = traitlets.Unicode().tag(sync=True)
    _problem = traitlets.Unicode().tag(sync=True)
    _busy = traitlets.Bool(False).tag(sync=True)
    _made = traitlets.Int(0).tag(sync=True)  # how many results there were so far

    def save(self, name: str, content: bytes) -> None:
        """Have the browser save a file."""
        self.send({"type": "file", "name": name}, [content])


class MaskFollower(widgets.Box):
    """The base of widgets that follow a mask.

    Args:
        source: an image (H, W, 3), or a `Segmenter` that stands elsewhere in the notebook.
        mask: (H, W) bool, of an image's object; None: it is clicked, in a canvas beside.
        method: with which the canvas answers; GrabCut when none is given.
        kind: of preview.
        controls: widgets; whatever changes in their values makes a new result.

    Attributes:
        segmenter: the canvas, None where the mask was given.
        error: why there is no result, or "".
    """

    def __init__(
        self,
        source: Any,
        mask: Any,
        method: InteractiveMethod | None,
        kind: str,
        controls: list[widgets.Widget],
    ) -> None:
        self.segmenter: Segmenter | None = None
        self.error = ""
        if isinstance(source, Segmenter):
            if mask is not None or method is not None:
                raise ValueError("a Segmenter has its own mask and method: give neither")
            self.segmenter = source
        elif mask is None:
            self.segmenter = Segmenter(source, method)
        self.image = self.segmenter.image if self.segmenter else as_uint8(source)
        size = (self.image.shape[0], self.image.shape[1])
        self._mask = np.zeros(size, bool) if mask is None else check_mask(mask, size)
        self.preview = Preview(kind=kind)
        self.save_button = widgets.Button(
            description="Save PNG", icon="download", tooltip="in full size", disabled=True
        )
        self.save_button.on_click(lambda _: self._save())
        panel = widgets.VBox(
            [self.preview, *controls, self.save_button],
            layout=widgets.Layout(flex="1 1 300px", min_width="280px", max_width="560px"),
        )
        children: list[widgets.Widget] = [panel]
        if self.segmenter and self.segmenter is not source:
            self.segmenter.layout = widgets.Layout(flex="2 1 460px", min_width="0")
            children = [self.segmenter, panel]
        super().__init__(
            children, layout=widgets.Layout(flex_flow="row wrap", width="100%", overflow="visible")
        )
        self.add_class("segedu-follower")
        self._latest = Latest(self._work)
        for control in controls:
            control.observe(lambda _: self._latest.request(), "value")
        if self.segmenter:
            self._mask = self.segmenter.mask
            self.segmenter.observe(self._clicked, "_state")
        self._latest.request()

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Mask (H, W) bool of the object of which the result is made."""
        return self._mask

    def wait(self, timeout: float = 120.0) -> None:
        """Wait until the result is that of the present mask and controls.

        Raises:
            TimeoutError: it is not within `timeout` seconds.
        """
        if self.segmenter:
            self.segmenter.wait(timeout)
        if not self._latest.idle.wait(timeout):
            raise TimeoutError(f"there is no result after {timeout} s")

    def make(self) -> None:
        """Make the result of `mask` and put it into the preview; runs in a thread."""
        raise NotImplementedError

    def png(self) -> bytes:
        """The result in full size as a PNG file.

        Raises:
            ValueError: there is no mask yet.
        """
        raise NotImplementedError

    @property
    def file_name(self) -> str:
        """Under which the result is saved."""
        raise NotImplementedError

    def _clicked(self, change: Any) -> None:
        """Called in the midst of an answer: only look whether the mask is another one."""
        assert self.segmenter is not None
        mask = self.segmenter.mask
        if mask is not self._mask and not np.array_equal(mask, self._mask):
            self._mask = mask
            self._latest.request()

    def _work(self) -> None:
        timer = threading.Timer(SLOW, lambda: setattr(self.preview, "_busy", True))
        timer.start()
        try:
            begin = time.perf_counter()
            self.error = ""
            if self._mask.any():
                self.make()
            else:
                self.preview._after = b""
                self.preview._note = ""
            self.seconds = time.perf_counter() - begin
        except Exception as error:  # shown: a thread has no reader
            self.error = str(error) or type(error).__name__
        timer.cancel()
        timer.join()
        with self.preview.hold_sync():
            self.preview._busy = False
            self.preview._problem = self.error
            self.preview._made += 1
        self.save_button.disabled = bool(self.error) or not self._mask.any()

    def _save(self) -> None:
        try:
            self.preview.save(self.file_name, self.png())
        except Exception as error:
            self.preview._problem = str(error)

    def picture(self) -> NDArray[np.uint8]:
        """What stands in where no kernel runs, (H, W, 3)."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        self.wait()
        return {**super()._repr_mimebundle_(**kwargs), "image/png": as_png(self.picture())}


def as_png(image: NDArray[np.uint8]) -> bytes:
    """PNG of (H, W, 3) RGB or (H, W, 4) RGB and alpha."""
    order = cv2.COLOR_RGBA2BGRA if image.shape[2] == 4 else cv2.COLOR_RGB2BGR
    _, data = cv2.imencode(".png", cv2.cvtColor(image, order))
    return data.tobytes()
