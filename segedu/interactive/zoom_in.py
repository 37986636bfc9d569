"""Zoom-In: from the second click on the method sees only the object, enlarged.

K. Sofiiuk, I. Petrov, O. Barinova, A. Konushin: "f-BRS: Rethinking Backpropagating Refinement for
Interactive Segmentation", CVPR 2020; part of RITM's predictor.

The idea in three lines: the first click is answered on the whole image. Then the box around the
mask and all positive clicks, 1.4 times as wide and high and at least 200 pixels, is cut out,
brought to a fixed size, answered, and pasted back; outside the box is background. The box is kept
as long as it still fits, so that the last mask fits too.

Works around any method that takes clicks. One that has `probabilities(clicks, previous)`, as RITM,
is given its last answer, cut out likewise.

Departures: none where the authors' predictor works; where a zoomed answer is empty, the whole image
is answered again (theirs pastes that into the box). Sizes are those of the authors' code: bounds of
a box count as part of it, corners lie upon corners when resizing, a small box is enlarged too.

Checked against the authors' predictor, click by click (tests/parity/test_ritm.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from segedu.images import as_float, check_mask
from segedu.interactive.protocol import (
    Click,
    InteractiveMethod,
    Prediction,
    PromptKind,
    Prompts,
    require_accepted,
)
from segedu.interactive.ritm import THRESHOLD, Answers, Probabilities, mean_confidence

OBJECT = 0.5  # probability from which on a pixel counts for the box


@runtime_checkable
class Probabilistic(Protocol):
    """A method that says how sure it is of each pixel."""

    def probabilities(
        self, clicks: tuple[Click, ...], previous: Probabilities | None = None
    ) -> Probabilities:
        """(H, W) float32 in [0, 1]."""
        ...


@dataclass(frozen=True)
class Box:
    """Rows top … bottom and columns left … right of an image, both ends included."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def size(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.bottom - self.top + 1, self.right - self.left + 1

    @property
    def slices(self) -> tuple[slice, slice]:
        """For indexing an array (H, W)."""
        return slice(self.top, self.bottom + 1), slice(self.left, self.right + 1)

    def holds(self, clicks: Sequence[Click]) -> bool:
        """True when every positive click lies inside, off the last row and column."""
        return all(
            self.top <= c.y - 0.5 < self.bottom and self.left <= c.x - 0.5 < self.right
            for c in clicks
            if c.positive
        )

    def overlap(self, other: Box) -> float:
        """Intersection over union of the rows, times that of the columns."""
        rows = _overlap((self.top, self.bottom), (other.top, other.bottom))
        return rows * _overlap((self.left, self.right), (other.left, other.right))

    def resized(self, target: int) -> tuple[int, int]:
        """(rows, columns) when the longer side becomes `target`."""
        scale = target / max(self.size)
        return round(self.size[0] * scale), round(self.size[1] * scale)

    def click_inside(self, click: Click, size: tuple[int, int]) -> Click:
        """Where a click of the image lies in the box once it has been resized."""
        y = size[0] * (click.y - 0.5 - self.top) / self.size[0]
        x = size[1] * (click.x - 0.5 - self.left) / self.size[1]
        return Click(x + 0.5, y + 0.5, click.positive)


def _overlap(a: tuple[int, int], b: tuple[int, int]) -> float:
    return max(0, min(a[1], b[1]) - max(a[0], b[0]) + 1) / (max(a[1], b[1]) - min(a[0], b[0]) + 1)


def box_around(
    mask: NDArray[np.bool_], clicks: Sequence[Click], expansion: float, smallest: int
) -> Box | None:
    """The box around mask (H, W) and positive clicks, widened; None where the mask is empty."""
    if not mask.any():
        return None
    bounds = []
    places = [(int(c.y), int(c.x)) for c in clicks if c.positive]
    for axis in (0, 1):
        hit = np.flatnonzero(mask.any(axis=1 - axis))
        ends = [int(hit[0]), int(hit[-1]), *(place[axis] for place in places)]
        first, last = min(ends), max(ends)
        half = 0.5 * max(expansion * (last - first + 1), smallest)
        center = 0.5 * (first + last)
        end = mask.shape[axis] - 1
        bounds += [max(0, round(center - half)), min(end, round(center + half))]
    return Box(*bounds)


class ZoomIn:
    """Any clicks method, looking closely.

    Args:
        method: takes clicks.
        target_size: longer side in pixels that the method sees; the authors take 400, and 600 for
            DAVIS.
        expansion: of the box around the object.
        min_crop: smallest side of the box in pixels.
        skip_clicks: so many clicks are answered on the whole image.
        recompute_below: the box is drawn anew when it overlaps the wanted one by less.
        threshold: probability from which on a pixel is taken.

    Raises:
        ValueError: the method does not take clicks.
    """

    accepts: ClassVar[frozenset[PromptKind]] = frozenset({"click"})
    uses_previous_mask: ClassVar[bool] = True

    def __init__(
        self,
        method: InteractiveMethod,
        *,
        target_size: int = 400,
        expansion: float = 1.4,
        min_crop: int = 200,
        skip_clicks: int = 1,
        recompute_below: float = 0.5,
        threshold: float = THRESHOLD,
    ) -> None:
        if "click" not in method.accepts:
            raise ValueError(f"{type(method).__name__} does not take clicks")
        self.method = method
        self.target_size, self.expansion, self.min_crop = target_size, expansion, min_crop
        self.skip_clicks, self.recompute_below = skip_clicks, recompute_below
        self.threshold = threshold
        self._image: Tensor | None = None
        self._shown: Box | None = None
        self._answers: Answers[tuple[Probabilities, Box | None]] = Answers()

    @property
    def progress(self) -> Any:
        """The method's own, where it has one."""
        return self.method.progress  # type: ignore[attr-defined]

    @progress.setter
    def progress(self, listener: Any) -> None:
        self.method.progress = listener  # type: ignore[attr-defined]

    def set_image(self, image: Any) -> None:
        """Take an image (H, W, 3)."""
        self._image = torch.from_numpy(as_float(image)).permute(2, 0, 1)[None]
        self._answers.clear()
        self.method.set_image(image)
        self._shown = None

    def predict(self, prompts: Prompts) -> Prediction:
        """Answer the clicks; the score is the mean probability within the mask.

        Raises:
            RuntimeError: `set_image` was not called.
            UnsupportedPromptError: the prompts hold more than clicks.
            ValueError: there is no click, or the previous mask has another size.
        """
        if self._image is None:
            raise RuntimeError("call set_image(image) before predict(prompts)")
        require_accepted(self, prompts)
        if not prompts.clicks:
            raise ValueError("ZoomIn needs at least one click")
        previous, box = self._answers.before(prompts.clicks) or (None, None)
        if previous is None and prompts.previous_mask is not None:
            shape = (self._image.shape[-2], self._image.shape[-1])
            given = check_mask(prompts.previous_mask, shape, "previous_mask")
            previous = given.astype(np.float32)
        box = self.box(prompts.clicks, previous, box)
        probabilities = self.answer(prompts.clicks, previous, box)
        self._answers.keep(prompts.clicks, (probabilities, box))
        mask = probabilities > self.threshold
        return Prediction(mask, mean_confidence(probabilities, mask))

    def box(
        self, clicks: Sequence[Click], previous: Probabilities | None, last: Box | None = None
    ) -> Box | None:
        """Where to look; None for the whole image.

        Args:
            clicks: all so far.
            previous: (H, W), the answer to all but the last one.
            last: the box of that answer, kept while it fits.
        """
        if len(clicks) <= self.skip_clicks or previous is None:
            return None
        wanted = box_around(previous > OBJECT, clicks, self.expansion, self.min_crop)
        if wanted is None or last is None or not last.holds(clicks):
            return wanted
        return wanted if wanted.overlap(last) < self.recompute_below else last

    def answer(
        self, clicks: tuple[Click, ...], previous: Probabilities | None, box: Box | None
    ) -> Probabilities:
        """Cut out, ask, paste back: one step of `predict`, without its memory.

        Args:
            clicks: all so far.
            previous: (H, W) float32 in [0, 1], the answer to all but the last one; None for none.
            box: where to look, as `box` says; None for the whole image.

        Returns:
            (H, W) float32 in [0, 1].

        Raises:
            RuntimeError: `set_image` was not called.
        """
        if self._image is None:
            raise RuntimeError("call set_image(image) before answer(...)")
        if box is None:
            self._show(None, None)
            return self._ask(clicks, previous)
        size = box.resized(self.target_size)
        self._show(box, size)
        if previous is not None:
            previous = _resize(previous[box.slices], size)
        answer = self._ask(tuple(box.click_inside(c, size) for c in clicks), previous)
        whole = np.zeros(tuple(self._image.shape[-2:]), np.float32)
        whole[box.slices] = _resize(answer, box.size)
        return whole

    def _show(self, box: Box | None, size: tuple[int, int] | None) -> None:
        """Give the method the part of the image, unless it has it."""
        assert self._image is not None
        if box == self._shown:
            return
        image = self._image
        if box is not None and size is not None:
            rows, columns = box.slices
            image = F.interpolate(
                image[..., rows, columns], size, mode="bilinear", align_corners=True
            ).clamp(0, 1)
        self.method.set_image(image[0].permute(1, 2, 0).contiguous().numpy())
        self._shown = box

    def _ask(self, clicks: tuple[Click, ...], previous: Probabilities | None) -> Probabilities:
        if isinstance(self.method, Probabilistic):
            return self.method.probabilities(clicks, previous)
        mask = None if previous is None else previous > OBJECT
        answer = self.method.predict(Prompts(clicks=clicks, previous_mask=mask))
        return answer.mask.astype(np.float32)


def _resize(values: Probabilities, size: tuple[int, int]) -> Probabilities:
    """Bilinear, corners upon corners: (h, w) -> (H, W)."""
    tensor = torch.from_numpy(np.ascontiguousarray(values))[None, None]
    resized = F.interpolate(tensor, size, mode="bilinear", align_corners=True)
    return np.asarray(resized[0, 0].numpy(), np.float32)
