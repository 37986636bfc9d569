"""What the click widget knows of an object: prompts, answers, and the history that undo walks."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from segedu.interactive import PROMPT_KINDS, Conversion, Prediction, PromptKind, Prompts
from segedu.widgets.segmenter_truth import Truth

StepKind = PromptKind | Literal["several", "clear"]
NAN = float("nan")
_numbers = itertools.count(1)


@dataclass(frozen=True, eq=False)
class Answer:
    """What a method said to a step's prompts.

    Attributes:
        prediction: mask and score.
        runs: the mask as the browser gets it.
        seconds: that `predict` took.
        conversion: how the prompts were said to the method.
        id: by which the browser asks for the mask.
    """

    prediction: Prediction
    runs: bytes
    seconds: float
    conversion: Conversion
    id: int = field(default_factory=lambda: next(_numbers))


@dataclass(eq=False)
class Step:
    """One state in an object's history: its prompts, each method's answer or failure, and what came
    to the prompts before: the kind, and whether it marks the object where that is a question.
    """

    prompts: Prompts = field(default_factory=Prompts)
    change: tuple[StepKind, bool | None] = ("clear", None)
    answers: dict[str, Answer] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class HistoryStep:
    """A step of an object's history, for whoever studies it afterwards.

    Attributes:
        number: from 1.
        kind: of the prompt that was added; "several" when more than one changed, or "clear".
        positive: whether the click or stroke marks the object; None for other kinds.
        method: that answered.
        prompts: all so far.
        converted: the kinds that the method was told in other words.
        score: the method's confidence, NaN where it has none.
        iou: with the ground truth, NaN where there is none.
        seconds: that `predict` took, NaN where there is no answer.
        problem: the message of the method's failure, or "".
        mask: (H, W) bool; None where there is no answer.
    """

    number: int
    kind: StepKind
    positive: bool | None
    method: str
    prompts: Prompts = field(repr=False)
    converted: tuple[PromptKind, ...] = ()
    score: float = NAN
    iou: float = NAN
    seconds: float = NAN
    problem: str = ""
    mask: NDArray[np.bool_] | None = field(default=None, repr=False)


@dataclass(eq=False)
class SegmentedObject:
    """An object of the image: its name, its colour, and the history that undo walks."""

    id: int
    name: str
    color: tuple[int, int, int]
    truth: Truth | None = None
    history: list[Step] = field(default_factory=lambda: [Step()])
    at: int = 0
    _ious: dict[int, float] = field(default_factory=dict, repr=False)

    @property
    def step(self) -> Step:
        """The present state."""
        return self.history[self.at]

    def shown(self, method: str) -> Answer | None:
        """A method's answer to the present prompts or, where it is not there yet, the last one
        before it; None: show nothing.
        """
        return self._last_answer(method, self.at) if self.step.prompts else None

    def before(self, step: Step, method: str) -> Answer | None:
        """A method's last answer before a step, from which it may go on."""
        at = next((i for i, other in enumerate(self.history) if other is step), 0)
        return self._last_answer(method, at - 1)

    def _last_answer(self, method: str, at: int) -> Answer | None:
        for step in reversed(self.history[: at + 1]):
            if method in step.answers or not step.prompts:
                return step.answers.get(method)
        return None

    def unanswered(self, method: str) -> Step | None:
        """The next step that a method has to answer; None when it is done.

        That is the present one, but before it the earlier ones that another method has answered:
        a method that is asked late sees the prompts in the order in which they came.
        """
        for step in self.history[: self.at + 1]:
            if not step.prompts or method in step.answers or method in step.failures:
                continue
            if step.answers or step is self.step:
                return step
        return None

    def push(self, prompts: Prompts) -> None:
        """Go on from here with other prompts; what was undone is forgotten."""
        self.history[self.at + 1 :] = [Step(prompts, what_changed(self.step.prompts, prompts))]
        self.at += 1

    def iou(self, answer: Answer | None) -> float:
        """With the ground truth; NaN where one of both is missing."""
        if answer is None or self.truth is None:
            return NAN
        if answer.id not in self._ious:
            self._ious[answer.id] = self.truth.iou(answer.prediction.mask)
        return self._ious[answer.id]

    def compare_with(self, truth: Truth | None) -> None:
        """Take another ground truth."""
        self.truth = truth
        self._ious.clear()

    def record(self, number: int, method: str) -> HistoryStep:
        """What there is to say of a step, from 1, and a method's answer to it."""
        step = self.history[number]
        answer = step.answers.get(method)
        bare = HistoryStep(number, *step.change, method, step.prompts)
        if answer is None:
            return replace(bare, problem=step.failures.get(method, ""))
        return replace(
            bare,
            converted=tuple(k for k in PROMPT_KINDS if k in answer.conversion.kinds),
            score=answer.prediction.score,
            iou=self.iou(answer),
            seconds=answer.seconds,
            mask=answer.prediction.mask,
        )


def what_changed(before: Prompts, after: Prompts) -> tuple[StepKind, bool | None]:
    """The kind of prompt that was added, and whether it marks the object where that is a question.

    More than one kind, or anything but one more prompt, is "several".
    """
    if not after:
        return "clear", None
    changed: list[tuple[StepKind, bool | None]] = []
    if after.clicks != before.clicks:
        added = bool(after.clicks) and after.clicks[:-1] == before.clicks
        changed.append(("click", after.clicks[-1].positive) if added else ("several", None))
    kept = [a is b for a, b in zip(before.strokes, after.strokes, strict=False)]
    if len(before.strokes) != len(after.strokes) or not all(kept):
        added = len(after.strokes) == len(before.strokes) + 1 and all(kept)
        changed.append(("stroke", after.strokes[-1].positive) if added else ("several", None))
    if before.box != after.box:
        changed.append(("box", None))
    if before.contour is not after.contour:
        changed.append(("contour", None))
    return changed[0] if len(changed) == 1 else ("several", None)


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
