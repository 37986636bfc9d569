"""What the click widget's page says: one event of the user's after the other."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from segedu.interactive import Click, Stroke
from segedu.widgets.history import as_json

if TYPE_CHECKING:
    from segedu.widgets.segmenter import Segmenter

Message = dict[str, Any]


def handle(segmenter: Segmenter, message: Message) -> None:
    """Do what an event of the browser asks for.

    Raises:
        Exception: of any kind, when something is wrong with the message; nothing has changed then.
    """
    things = segmenter._objects
    prompts = segmenter.prompts
    handlers: dict[str, Callable[[], Any]] = {
        "click": lambda: _add(segmenter, clicks=(*prompts.clicks, _click(message))),
        "box": lambda: _add(segmenter, box=_clipped_box(message["box"], segmenter.image.shape)),
        "stroke": lambda: _add(segmenter, strokes=(*prompts.strokes, _stroke(message))),
        "contour": lambda: _add(segmenter, contour=_points(message)),
        "undo": segmenter.undo,
        "redo": segmenter.redo,
        "clear": segmenter.clear,
        "goto": lambda: segmenter._go(int(message["step"])),
        "add": segmenter.add_object,
        "select": lambda: setattr(segmenter, "active", things.with_id(message["id"]).name),
        "rename": lambda: segmenter.rename(
            things.with_id(message["id"]).name, str(message["name"])
        ),
        "delete": lambda: segmenter.delete(things.with_id(message["id"]).name),
        "method": lambda: setattr(segmenter, "method_name", str(message["name"])),
        "compare": lambda: segmenter._compare_live(bool(message["on"])),
        "export": lambda: _export(segmenter, message["what"]),
    }
    handlers[message["type"]]()


def fetch(segmenter: Segmenter, message: Message) -> None:
    """Send the masks of answers that the page shows beside the present one."""
    wanted = set(message.get("ids", ()))
    found = [
        (answer, step.prompts)
        for thing in segmenter._objects
        for step in thing.history
        for answer in step.answers.values()
        if answer.id in wanted
    ]
    described = [
        {"prompts": as_json(prompts), "derived": as_json(answer.conversion.derived)}
        for answer, prompts in found
    ]
    content = {"type": "masks", "ids": [answer.id for answer, _ in found], "answers": described}
    segmenter.send(content, [answer.runs for answer, _ in found])


def _add(segmenter: Segmenter, **changes: Any) -> None:
    segmenter._push(replace(segmenter.prompts, **changes))


def _click(message: Message) -> Click:
    return Click(float(message["x"]), float(message["y"]), bool(message["positive"]))


def _points(message: Message) -> Any:
    return np.asarray(message["points"], dtype=np.float64).reshape(-1, 2)


def _stroke(message: Message) -> Stroke:
    return Stroke(_points(message), float(message["radius"]), bool(message["positive"]))


def _clipped_box(box: Any, shape: tuple[int, ...]) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (float(value) for value in box)
    return max(0.0, x0), max(0.0, y0), min(float(shape[1]), x1), min(float(shape[0]), y1)


def _export(segmenter: Segmenter, what: str) -> None:
    name, data = {
        "coco": lambda: ("annotations.json", json.dumps(segmenter.to_coco()).encode()),
        "mask": lambda: ("mask.png", segmenter.mask_png()),
        "cutout": lambda: (f"{segmenter.active}.png", segmenter.cutout()),
    }[what]()
    segmenter.send({"type": "file", "name": name}, [data])
    segmenter._publish()
