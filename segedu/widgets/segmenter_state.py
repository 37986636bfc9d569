"""What the click widget's page is told: one dictionary that holds all but the masks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from segedu.interactive import PROMPT_KINDS, conversions
from segedu.widgets.history import HistoryStep, SegmentedObject, as_json

if TYPE_CHECKING:
    from segedu.widgets.segmenter import Segmenter


def describe(segmenter: Segmenter, events: int) -> dict[str, Any]:
    """The widget's state after the browser's event number `events`."""
    thing, name = segmenter._active, segmenter.method_name
    answer, step = thing.shown(name), thing.step
    present = step.answers.get(name)
    encoding = segmenter._answerer.encoding
    return {
        "size": [segmenter.image.shape[1], segmenter.image.shape[0]],
        "method": name,
        "methods": list(segmenter.methods),
        "accepts": [kind for kind in PROMPT_KINDS if kind in segmenter.method.accepts],
        "converts": conversions(segmenter.method),
        "objects": [
            {"id": other.id, "name": other.name, "color": list(other.color)}
            for other in segmenter._objects
        ],
        "active": thing.id,
        "prompts": as_json(step.prompts),
        "derived": None if present is None else _derived(segmenter, thing, name),
        "undo": thing.at > 0 or segmenter._objects.can_restore,
        "redo": thing.at + 1 < len(thing.history),
        "history": _history(thing, name),
        "at": thing.at,
        "pixels": 0 if answer is None else int(np.count_nonzero(answer.prediction.mask)),
        "any": any(other.shown(name) for other in segmenter._objects),
        "score": None if present is None else _number(present.prediction.score),
        "truth": thing.truth is not None,
        "iou": _number(thing.iou(answer)),
        "seconds": 0.0 if present is None else round(present.seconds, 4),
        "error": segmenter.error,
        "busy": segmenter._answerer.busy_with(name),
        "encoding": None if encoding is None else [encoding.method, encoding.share],
        "compared": _compared(segmenter, thing) if segmenter._comparing else None,
        "event": events,
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 4)


def _derived(segmenter: Segmenter, thing: SegmentedObject, name: str) -> dict[str, Any] | None:
    """What the method was told in other words, for the page to draw; None where nothing was."""
    conversion = thing.step.answers[name].conversion
    if not conversion.kinds:
        return None
    words = conversions(segmenter.method)
    return {
        **as_json(conversion.derived),
        "mask": conversion.derived.previous_mask is not None,
        "kinds": {kind: words[kind] for kind in PROMPT_KINDS if kind in conversion.kinds},
    }


def _history(thing: SegmentedObject, name: str) -> list[dict[str, Any]]:
    return [
        {**_brief(thing.record(number, name)), "id": _answer_id(thing, number, name)}
        for number in range(1, len(thing.history))
    ]


def _brief(record: HistoryStep) -> dict[str, Any]:
    return {
        "kind": record.kind,
        "positive": record.positive,
        "iou": _number(record.iou),
        "score": _number(record.score),
        "seconds": _number(record.seconds),
        "problem": record.problem,
    }


def _answer_id(thing: SegmentedObject, number: int, name: str) -> int | None:
    answer = thing.history[number].answers.get(name)
    return None if answer is None else answer.id


def _compared(segmenter: Segmenter, thing: SegmentedObject) -> list[dict[str, Any]]:
    """Every method's answer to the present prompts, and its IoU after each step."""
    found = []
    for name in segmenter.methods:
        steps = [thing.record(number, name) for number in range(1, thing.at + 1)]
        encoded = segmenter._answerer.encoding_seconds.get(name, 0.0)
        found.append(
            {
                **(_brief(steps[-1]) if steps else {}),
                "id": _answer_id(thing, thing.at, name),
                "method": name,
                "busy": segmenter._answerer.busy_with(name),
                "encoded": round(encoded, 4),
                "curve": [_number(step.iou) for step in steps],
            }
        )
    return found
