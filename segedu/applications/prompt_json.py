"""Prompts to JSON and back, so that labels can be gone on with where they were left."""

from __future__ import annotations

from typing import Any

import numpy as np

from segedu.interactive import Click, Prompts, Stroke

DIGITS = 2  # of a pixel


def prompts_as_json(prompts: Prompts) -> dict[str, Any]:
    """What was said about an object; kinds that were not used are left out."""
    told = {
        "clicks": [[_short(c.x), _short(c.y), int(c.positive)] for c in prompts.clicks],
        "box": None if prompts.box is None else [_short(v) for v in prompts.box],
        "strokes": [
            {
                "points": np.round(s.points, DIGITS).tolist(),
                "radius": _short(s.radius),
                "positive": int(s.positive),
            }
            for s in prompts.strokes
        ],
        "contour": None if prompts.contour is None else prompts.contour.round(DIGITS).tolist(),
    }
    return {kind: value for kind, value in told.items() if value}


def prompts_from_json(told: dict[str, Any]) -> Prompts:
    """The prompts that `prompts_as_json` wrote; unknown kinds are passed over.

    Raises:
        ValueError, TypeError, KeyError: they are not as it writes them.
    """
    box = told.get("box")
    contour = told.get("contour")
    return Prompts(
        clicks=tuple(
            Click(float(x), float(y), bool(sign)) for x, y, sign in told.get("clicks", ())
        ),
        box=None if box is None else (float(box[0]), float(box[1]), float(box[2]), float(box[3])),
        strokes=tuple(
            Stroke(np.array(s["points"], float), float(s["radius"]), bool(s["positive"]))
            for s in told.get("strokes", ())
        ),
        contour=None if contour is None else np.array(contour, float),
    )


def _short(value: float) -> float:
    return round(float(value), DIGITS)
