"""What the click widget knows of an object: prompts, answers, and the history that undo walks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segedu.interactive import Prediction, Prompts


def encode_runs(mask: NDArray[np.bool_]) -> bytes:
    """Where a mask (H, W), read row by row, changes: uint32 positions, starting outside."""
    flat = mask.ravel()
    inner = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    first, last = [0] * bool(flat[0]), [flat.size] * bool(flat[-1])
    return np.concatenate([first, inner, last]).astype("<u4").tobytes()


@dataclass(frozen=True)
class Step:
    """One state in an object's history: its prompts, and the answer to them once it is there."""

    prompts: Prompts = field(default_factory=Prompts)
    answer: Prediction | None = None
    runs: bytes = b""  # the answer's mask as the browser gets it
    seconds: float = 0.0


@dataclass
class SegmentedObject:
    """An object of the image: its name, its colour, and the history that undo walks."""

    id: int
    name: str
    color: tuple[int, int, int]
    history: list[Step] = field(default_factory=lambda: [Step()])
    at: int = 0

    @property
    def step(self) -> Step:
        """The present state."""
        return self.history[self.at]

    @property
    def shown(self) -> Step | None:
        """The present step, or the last one before it that was answered; None: show nothing."""
        for step in reversed(self.history[: self.at + 1]):
            if step.answer is not None or not step.prompts:
                return step if step.answer is not None and self.step.prompts else None
        return None

    def push(self, prompts: Prompts) -> None:
        """Go on from here with other prompts; what was undone is forgotten."""
        self.history[self.at + 1 :] = [Step(prompts)]
        self.at += 1

    def settle(self, step: Step, answered: Step) -> None:
        """Put a step's answer where the step stands, unless it was undone and overwritten."""
        self.history = [answered if other is step else other for other in self.history]


def as_json(prompts: Prompts) -> dict[str, Any]:
    """Prompts as the browser draws them."""
    return {
        "clicks": [[c.x, c.y, c.positive] for c in prompts.clicks],
        "box": prompts.box,
        "strokes": [
            {"points": s.points.round(2).tolist(), "radius": s.radius, "positive": s.positive}
            for s in prompts.strokes
        ],
        "contour": None if prompts.contour is None else prompts.contour.round(2).tolist(),
    }
