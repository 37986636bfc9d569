"""The click widget: draw prompts on an image in the notebook, see the mask follow.

    segmenter = Segmenter(image, method=GrabCut())
    segmenter                # click, drag a box, brush, draw a lasso
    segmenter.mask           # (H, W) bool, the object that is being edited

Drawing happens in the browser (`segmenter.js`); prompts travel to Python as messages; masks travel
back as runs of pixels. The method runs in a thread, so that the kernel stays free; when prompts
come faster than answers, only the latest are answered.
"""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import anywidget
import cv2
import numpy as np
import traitlets
from numpy.typing import NDArray

from segedu.drawing import overlay_mask, palette
from segedu.images import as_uint8
from segedu.interactive import PROMPT_KINDS, Click, InteractiveMethod, Prompts, Stroke
from segedu.widgets import export
from segedu.widgets.answerer import Answerer
from segedu.widgets.history import SegmentedObject, as_json

_HERE = Path(__file__).parent
_FRONT_END = ("segmenter_tools.js", "segmenter_view.js", "segmenter.js")


class Segmenter(anywidget.AnyWidget):
    """A canvas on which clicks, boxes, strokes and contours become masks.

    Args:
        image: (H, W, 3), uint8 or float in [0, 1].
        method: any method of the interactive protocol; GrabCut when none is given.
        names: of the objects to begin with.

    Attributes:
        error: the message of the method's last failure, or "".
    """

    _esm = "\n".join((_HERE / name).read_text() for name in _FRONT_END)
    _css = _HERE / "segmenter.css"
    _image = traitlets.Bytes().tag(sync=True)
    _state = traitlets.Dict().tag(sync=True)
    _masks = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        image: Any,
        method: InteractiveMethod | None = None,
        names: tuple[str, ...] = ("object 1",),
    ) -> None:
        if method is None:
            from segedu.interactive import GrabCut

            method = GrabCut()
        self.image = as_uint8(image)
        self.method = method
        self.error = ""
        self._lock = threading.RLock()
        self._answerer = Answerer(method, self.image, self._lock, self._answered)
        self._events = 0  # of the browser's events, the last one that the state reflects
        self._made = 0
        self._objects: list[SegmentedObject] = []
        for name in names or ("object 1",):
            self._new_object(name)
        self._active = self._objects[0]
        _, jpeg = cv2.imencode(".jpg", self.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
        super().__init__(_image=jpeg.tobytes(), _state=self._describe(), _masks={})
        self.on_msg(self._receive)

    # What Python reads and writes

    @property
    def objects(self) -> list[str]:
        """Names of the objects, in order."""
        return [thing.name for thing in self._objects]

    @property
    def active(self) -> str:
        """Name of the object that is being edited; assign a name to switch."""
        return self._active.name

    @active.setter
    def active(self, name: str) -> None:
        with self._lock:
            self._active = self._named(name)
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
        answer = self._active.step.answer
        return answer.score if answer is not None else float("nan")

    def add_object(self, name: str | None = None) -> str:
        """Begin another object and switch to it; returns its name."""
        self._active = self._new_object(name)
        self._publish()
        return self._active.name

    def rename(self, old: str, new: str) -> None:
        """Rename an object.

        Raises:
            ValueError: the new name is empty or another object has it.
        """
        thing, new = self._named(old), new.strip()
        if not new or any(other.name == new and other is not thing for other in self._objects):
            raise ValueError(f"an object's name must be new and not empty, got {new!r}")
        thing.name = new
        self._publish()

    def delete(self, name: str) -> None:
        """Delete an object; where it was the last one, an empty one takes its place."""
        self._objects.remove(self._named(name))
        if not self._objects:
            self._new_object(None)
        if self._active not in self._objects:
            self._active = self._objects[-1]
        self._publish(masks=True)

    def undo(self) -> None:
        """Take the active object's last prompt back."""
        self._walk(-1)

    def redo(self) -> None:
        """Bring back the prompt that was taken back last."""
        self._walk(1)

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
            raise TimeoutError(f"{type(self.method).__name__} has not answered in {timeout} s")

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

    # Messages from the browser

    def _receive(self, _widget: Any, message: dict[str, Any], _buffers: Any) -> None:
        """Handle one event of the browser; whatever is wrong with it is shown, not raised."""
        handlers = {
            "click": self._on_click,
            "box": lambda m: self._push(replace(self.prompts, box=self._clip_box(m["box"]))),
            "stroke": self._on_stroke,
            "contour": self._on_contour,
            "undo": lambda m: self.undo(),
            "redo": lambda m: self.redo(),
            "clear": lambda m: self.clear(),
            "add": lambda m: self.add_object(),
            "select": lambda m: setattr(self, "active", self._with_id(m["id"]).name),
            "rename": lambda m: self.rename(self._with_id(m["id"]).name, str(m["name"])),
            "delete": lambda m: self.delete(self._with_id(m["id"]).name),
            "export": self._on_export,
        }
        try:
            self._events = int(message.get("event", self._events))
            self.error = ""
            handlers[message["type"]](message)
        except Exception as error:  # the user sees it in the widget; the kernel has no reader
            self.error = f"{type(error).__name__}: {error}"
            self._publish()

    def _on_click(self, message: dict[str, Any]) -> None:
        click = Click(float(message["x"]), float(message["y"]), bool(message["positive"]))
        self._push(replace(self.prompts, clicks=(*self.prompts.clicks, click)))

    def _on_stroke(self, message: dict[str, Any]) -> None:
        points = np.asarray(message["points"], dtype=np.float64).reshape(-1, 2)
        stroke = Stroke(points, float(message["radius"]), bool(message["positive"]))
        self._push(replace(self.prompts, strokes=(*self.prompts.strokes, stroke)))

    def _on_contour(self, message: dict[str, Any]) -> None:
        points = np.asarray(message["points"], dtype=np.float64).reshape(-1, 2)
        self._push(replace(self.prompts, contour=points))

    def _on_export(self, message: dict[str, Any]) -> None:
        what = message["what"]
        name, data = {
            "coco": lambda: ("annotations.json", json.dumps(self.to_coco()).encode()),
            "mask": lambda: ("mask.png", self.mask_png()),
            "cutout": lambda: (f"{self.active}.png", self.cutout()),
        }[what]()
        self.send({"type": "file", "name": name}, [data])
        self._publish()

    def _clip_box(self, box: Any) -> tuple[float, float, float, float]:
        height, width = self.image.shape[:2]
        x0, y0, x1, y1 = (float(value) for value in box)
        return max(0.0, x0), max(0.0, y0), min(float(width), x1), min(float(height), y1)

    # Histories and answers

    def _push(self, prompts: Prompts) -> None:
        with self._lock:
            self._active.push(prompts)
            self._request()

    def _walk(self, way: int) -> None:
        with self._lock:
            thing = self._active
            thing.at = min(max(thing.at + way, 0), len(thing.history) - 1)
            self._request()

    def _request(self) -> None:
        """Show what is there, and have the present prompts answered where they are not yet."""
        thing = self._active
        if thing.step.prompts and thing.step.answer is None:
            self._answerer.request(thing)
        else:
            self._answerer.withdraw(thing)
            self._publish(masks=True)

    def _answered(self, problem: str, done: bool) -> None:
        """An answer has come; show it, unless a later one is on its way."""
        self.error = problem or self.error
        if done:
            self._publish(masks=True)

    # What the browser sees

    def _publish(self, masks: bool = False) -> None:
        with self._lock, self.hold_sync():
            if masks:
                self._masks = {
                    str(thing.id): thing.shown.runs for thing in self._objects if thing.shown
                }
            self._state = self._describe()

    def _describe(self) -> dict[str, Any]:
        step, at = self._active.step, self._active.at
        score = self.score
        return {
            "size": [self.image.shape[1], self.image.shape[0]],
            "method": type(self.method).__name__,
            "accepts": [kind for kind in PROMPT_KINDS if kind in self.method.accepts],
            "objects": [
                {"id": thing.id, "name": thing.name, "color": list(thing.color)}
                for thing in self._objects
            ],
            "active": self._active.id,
            "prompts": as_json(step.prompts),
            "undo": at > 0,
            "redo": at + 1 < len(self._active.history),
            "pixels": int(np.count_nonzero(self.mask)),
            "any": any(thing.shown for thing in self._objects),
            "score": None if np.isnan(score) else round(float(score), 3),
            "seconds": round(step.seconds, 4),
            "error": self.error,
            "busy": self._answerer.working,
            "event": self._events,
        }

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The widget, and a picture of it for readers without a kernel."""
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        picture = self.image
        for thing in self._objects:
            picture = overlay_mask(picture, self._mask_of(thing), thing.color)
        _, png = cv2.imencode(".png", picture[..., ::-1])
        return {**(data or {}), "image/png": png.tobytes()}, metadata

    # Objects

    def _new_object(self, name: str | None) -> SegmentedObject:
        taken = {thing.name for thing in self._objects}
        self._made += 1
        number = self._made
        while name is None or name in taken:
            name, number = f"object {number}", number + 1
        r, g, b = (int(v) for v in palette(self._made)[-1])
        self._objects.append(SegmentedObject(self._made, name, (r, g, b)))
        return self._objects[-1]

    def _named(self, name: str) -> SegmentedObject:
        for thing in self._objects:
            if thing.name == name:
                return thing
        raise ValueError(f"there is no object named {name!r}; there are {self.objects}")

    def _with_id(self, number: Any) -> SegmentedObject:
        for thing in self._objects:
            if thing.id == number:
                return thing
        raise ValueError(f"there is no object with id {number!r}")

    def _mask_of(self, thing: SegmentedObject) -> NDArray[np.bool_]:
        shown = thing.shown
        if shown is None or shown.answer is None:
            return np.zeros(self.image.shape[:2], bool)
        return shown.answer.mask
