"""The click widget: draw prompts on an image in the notebook, see the mask follow.

    segmenter = Segmenter(image, method=GrabCut())
    segmenter                # click, drag a box, brush, draw a lasso
    segmenter.mask           # (H, W) bool, the object that is being edited

    Segmenter(image, methods={"GrabCut": GrabCut(), "RITM": ritm, "SAM": sam}, truth=mask)

With several methods the page switches between them, and shows side by side what each says to the
same prompts; with a ground truth it shows the IoU after every step.

Drawing happens in the browser (`segmenter.js`, `segmenter_*.js`); prompts travel to Python as
messages; masks travel back as runs of pixels. The method runs in a thread, so that the kernel stays
free; when prompts come faster than answers, only the latest are answered.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import anywidget
import cv2
import numpy as np
import traitlets
from numpy.typing import NDArray

from segedu.drawing import overlay_mask
from segedu.images import as_uint8
from segedu.interactive import InteractiveMethod, Prompts
from segedu.widgets import export
from segedu.widgets.answerer import Answerer, named_methods
from segedu.widgets.history import NAN, HistoryStep, SegmentedObject
from segedu.widgets.runs import encode_runs
from segedu.widgets.segmenter_messages import fetch, handle
from segedu.widgets.segmenter_objects import Objects
from segedu.widgets.segmenter_state import describe
from segedu.widgets.segmenter_truth import Truths

_HERE = Path(__file__).parent
_FRONT_END = [f"segmenter_{part}.js" for part in ("tools", "view", "panels", "page")]
_FRONT_END.append("segmenter.js")


class Segmenter(anywidget.AnyWidget):
    """A canvas on which clicks, boxes, strokes and contours become masks.

    Args:
        image: (H, W, 3), uint8 or float in [0, 1].
        method: any method of the interactive protocol; GrabCut when none is given. Beside
            `methods`, the name of the one to begin with.
        names: of the objects to begin with; "object 1", or those that have a ground truth.
        methods: name -> method, to switch between and compare. Each needs an object of its own, as
            it holds the image; networks may be shared.
        truth: what the masks are compared with: (H, W) bool, or whole numbers with 0 background and
            255 ignored, for the first object; or object's name -> such a mask.

    Attributes:
        methods: name -> method.
        error: the message of the method's last failure, or "".
    """

    _esm = "\n".join((_HERE / name).read_text() for name in _FRONT_END)
    _css = _HERE / "segmenter.css"
    _image = traitlets.Bytes().tag(sync=True)
    _state = traitlets.Dict().tag(sync=True)
    _masks = traitlets.Dict().tag(sync=True)
    _truths = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        image: Any,
        method: InteractiveMethod | str | None = None,
        names: tuple[str, ...] = (),
        *,
        methods: Mapping[str, InteractiveMethod] | None = None,
        truth: Any = None,
    ) -> None:
        self.image = as_uint8(image)
        self.methods, self._method = named_methods(method, methods)
        self.error = ""
        truths = Truths(truth, (self.image.shape[0], self.image.shape[1]))
        self._lock = threading.RLock()
        self._answerer = Answerer(
            self.methods, self.image, self._lock, self._answered, self._rested, self._publish
        )
        self._comparing = False
        self._events = 0  # of the browser's events, the last one that the state reflects
        self._objects = Objects(names or tuple(truths.by_name), truths)
        _, jpeg = cv2.imencode(".jpg", self.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
        super().__init__(_image=jpeg.tobytes(), _state=describe(self, 0), _masks={})
        self._publish()
        self.on_msg(self._receive)

    @property
    def _active(self) -> SegmentedObject:
        return self._objects.active

    # What Python reads and writes

    @property
    def method(self) -> InteractiveMethod:
        """The method that answers."""
        return self.methods[self._method]

    @property
    def method_name(self) -> str:
        """Name of the method that answers; assign a name to switch. That one is then asked with all
        objects' prompts, step by step; `wait` for it.
        """
        return self._method

    @method_name.setter
    def method_name(self, name: str) -> None:
        if name not in self.methods:
            raise ValueError(f"there is no method named {name!r}; there are {list(self.methods)}")
        with self._lock:
            self._method = name
            for thing in self._objects:
                self._answerer.request(thing, [name])
            self._request()  # the active one last: it is answered first

    @property
    def objects(self) -> list[str]:
        """Names of the objects, in order."""
        return self._objects.names

    @property
    def active(self) -> str:
        """Name of the object that is being edited; assign a name to switch."""
        return self._active.name

    @active.setter
    def active(self, name: str) -> None:
        with self._lock:
            self._objects.active = self._objects.named(name)
            self._request()

    @property
    def prompts(self) -> Prompts:
        """Prompts of the active object; assign others to replace them (undo brings these back).

        Assigning waits for the answer.

        Raises:
            RuntimeError: on assigning, the method failed; the prompts are kept.
        """
        return self._active.step.prompts

    @prompts.setter
    def prompts(self, prompts: Prompts) -> None:
        self.error = ""
        self._push(prompts)
        self.wait()
        if self.error:
            raise RuntimeError(self.error)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Mask (H, W) bool of the active object; empty while there is no answer."""
        return self._mask_of(self._active)

    @property
    def masks(self) -> dict[str, NDArray[np.bool_]]:
        """Name -> mask (H, W) bool of every object."""
        return {thing.name: self._mask_of(thing) for thing in self._objects}

    @property
    def score(self) -> float:
        """The method's confidence in the active object's mask, NaN where it has none."""
        answer = self._active.step.answers.get(self._method)
        return NAN if answer is None else answer.prediction.score

    @property
    def iou(self) -> float:
        """IoU of the active object's mask with its ground truth, NaN where one is missing."""
        return self._active.iou(self._active.shown(self._method))

    @property
    def history(self) -> list[HistoryStep]:
        """The active object's steps up to the present one; pandas makes a table of them."""
        thing = self._active
        return [thing.record(number, self._method) for number in range(1, thing.at + 1)]

    def compare(self, timeout: float = 600.0) -> dict[str, list[HistoryStep]]:
        """Ask every method with the active object's prompts, step by step.

        Returns:
            Method's name -> the object's history with its answers.

        Raises:
            TimeoutError: it took more than `timeout` seconds.
        """
        with self._lock:
            thing, at = self._active, self._active.at
            self._answerer.request(thing, [self._method, *self._others()])
        self.wait(timeout)
        self._publish(masks=True)
        return {
            name: [thing.record(number, name) for number in range(1, at + 1)]
            for name in self.methods
        }

    def add_object(self, name: str | None = None) -> str:
        """Begin another object and switch to it; returns its name."""
        self._objects.active = self._objects.add(name)
        self._publish()
        return self._active.name

    def rename(self, old: str, new: str) -> None:
        """Rename an object.

        Raises:
            ValueError: the new name is empty or another object has it.
        """
        self._objects.rename(old, new)
        self._publish()

    def delete(self, name: str) -> None:
        """Delete an object; where it was the last one, an empty one takes its place.

        `undo` brings it back as long as nothing else has changed.
        """
        self._answerer.withdraw(self._objects.named(name))
        self._objects.delete(name)
        self._publish(masks=True)

    def undo(self) -> None:
        """Bring back an object deleted just now, else take the active one's last prompt back."""
        if self._objects.can_restore:
            with self._lock:
                self._objects.restore()
                self._request()
            return
        self._go(self._active.at - 1)

    def redo(self) -> None:
        """Bring back the prompt that was taken back last."""
        self._go(self._active.at + 1)

    def clear(self) -> None:
        """Drop all prompts of the active object; undo brings them back."""
        if self.prompts:
            self._push(Prompts())

    def wait(self, timeout: float = 60.0) -> None:
        """Wait until the method has answered the latest prompts.

        Raises:
            TimeoutError: it has not within `timeout` seconds.
        """
        if not self._answerer.idle.wait(timeout):
            raise TimeoutError(f"{self._method} has not answered in {timeout} s")

    def to_coco(
        self, file_name: str = "image.png", segmentation: Literal["rle", "polygons"] = "rle"
    ) -> dict[str, Any]:
        """All objects as COCO instances; see `export.to_coco`."""
        return export.to_coco(self.masks, file_name, segmentation=segmentation)

    def mask_png(self) -> bytes:
        """PNG label map of all objects; see `export.label_png`."""
        return export.label_png(list(self.masks.values()))

    def cutout(self) -> bytes:
        """PNG with alpha of the active object; see `export.cutout_png`."""
        return export.cutout_png(self.image, self.mask)

    # Histories and answers

    def _receive(self, _widget: Any, message: dict[str, Any], _buffers: Any) -> None:
        """Handle one message of the page; whatever is wrong with it is shown, not raised."""
        try:
            if message.get("type") == "fetch":
                return fetch(self, message)
            if message.get("type") == "ready":  # the page is there: the image can be encoded
                return self._answerer.prepare(self._method)
            self._events = int(message.get("event", self._events))
            self.error = ""
            handle(self, message)
        except Exception as error:  # the user sees it in the widget; the kernel has no reader
            self.error = f"{type(error).__name__}: {error}"
            self._publish()

    def _push(self, prompts: Prompts) -> None:
        with self._lock:
            self._objects.forget_deleted()
            self._active.push(prompts)
            self._request()

    def _go(self, at: int) -> None:
        with self._lock:
            self._objects.forget_deleted()
            thing = self._active
            thing.at = min(max(at, 0), len(thing.history) - 1)
            self._request()

    def _compare_live(self, on: bool) -> None:
        """Have every method answer whatever the user says from now on, or no longer."""
        with self._lock:
            self._comparing = on
            self._request()

    def _others(self) -> list[str]:
        return [name for name in self.methods if name != self._method]

    def _request(self) -> None:
        """Show what is there, and have the present prompts answered where they are not yet."""
        thing = self._active
        thing.step.failures.clear()  # who asks again wants another try
        names = [self._method, *(self._others() if self._comparing else [])]
        if not self._answerer.request(thing, names):
            self._publish(masks=True)

    def _answered(self, name: str, problem: str) -> None:
        """An answer has come; it is shown when a later one is not on its way."""
        if name == self._method:
            self.error = problem or self.error
        if self._comparing and not self._answerer.busy_with(self._method):
            self._publish(masks=True)

    def _rested(self) -> None:
        self._publish(masks=True)

    # What the browser sees

    def _publish(self, masks: bool = False) -> None:
        with self._lock, self.hold_sync():
            if masks:
                shown = {thing.id: thing.shown(self._method) for thing in self._objects}
                self._masks = {str(i): it.runs for i, it in shown.items() if it is not None}
                if begun := self._derived_mask():
                    self._masks = {**self._masks, "derived": begun}
            self._truths = {str(it.id): it.truth.runs for it in self._objects if it.truth}
            self._state = describe(self, self._events)

    def _derived_mask(self) -> bytes:
        """The mask from which a method was told to begin, in place of a box or a contour."""
        answer = self._active.step.answers.get(self._method)
        mask = None if answer is None else answer.conversion.derived.previous_mask
        return b"" if mask is None else encode_runs(mask)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The widget, and a picture of it for readers without a kernel."""
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        picture = self.image
        for thing in self._objects:
            picture = overlay_mask(picture, self._mask_of(thing), thing.color)
        _, png = cv2.imencode(".png", picture[..., ::-1])
        return {**(data or {}), "image/png": png.tobytes()}, metadata

    def _mask_of(self, thing: SegmentedObject) -> NDArray[np.bool_]:
        answer = thing.shown(self._method)
        if answer is None:
            return np.zeros(self.image.shape[:2], bool)
        return answer.prediction.mask
