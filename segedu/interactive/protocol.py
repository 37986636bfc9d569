"""The one protocol that every interactive method speaks, and the prompts it takes.

`set_image(image)` once, then `predict(prompts)` as often as wanted. The click widget, the benchmark
and the lectures know nothing else of a method. Which kinds of prompts it takes natively it says in
`accepts`; the others are converted where that makes sense (see `conversion`), and the widget marks
those tools; what cannot be converted it greys.

Two things a method may say besides, and need not:

- `uses_previous_mask = True`: it goes on from `Prompts.previous_mask`, so that a contour may reach
  it as a mask.
- an attribute `progress`, None or a function that `set_image` calls with the share that is done, in
  [0, 1]: the widget puts its own in and shows it.

Coordinates are (x, y) in pixels, x to the right and y down; the pixel in row i, column j covers
[j, j + 1) x [i, i + 1), so a click at (x, y) falls on the pixel (row int(y), column int(x)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, get_args, runtime_checkable

import numpy as np
from numpy.typing import NDArray

PromptKind = Literal["click", "box", "stroke", "contour"]
PROMPT_KINDS: tuple[PromptKind, ...] = get_args(PromptKind)


@dataclass(frozen=True)
class Click:
    """A point that belongs to the object (positive) or does not."""

    x: float
    y: float
    positive: bool = True


@dataclass(frozen=True)
class Stroke:
    """A brush stroke over the object (positive) or over the background.

    Attributes:
        points: (N, 2) float, the (x, y) of the brush's centre along its way, N at least 1.
        radius: of the brush in pixels.
        positive: True on the object.
    """

    points: NDArray[np.float64]
    radius: float
    positive: bool = True

    def __post_init__(self) -> None:
        points = np.asarray(self.points, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0:
            raise ValueError(f"a stroke's points must have shape (N, 2), got {points.shape}")
        if self.radius <= 0:
            raise ValueError(f"a stroke's radius must be positive, got {self.radius}")
        object.__setattr__(self, "points", points)

    def mask(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Pixels (H, W) whose centre lies within `radius` of the brush's way, and at least those
        that the way itself crosses.
        """
        import cv2

        canvas = np.zeros(shape, np.uint8)
        # OpenCV counts from pixel centres, in 1/16 pixels.
        way = np.rint((self.points - 0.5) * 16).astype(np.int32)
        thickness = max(1, round(2 * self.radius))
        cv2.polylines(canvas, [way], isClosed=False, color=1, thickness=thickness, shift=4)
        for x, y in way:
            cv2.circle(canvas, (int(x), int(y)), round(self.radius * 16), 1, cv2.FILLED, shift=4)
        return canvas.astype(bool)


@dataclass(frozen=True)
class Prompts:
    """All that the user has said about one object so far.

    Attributes:
        clicks: in the order in which they came.
        box: (x0, y0, x1, y1) around the object, or None.
        strokes: in the order in which they came; a later one overrides an earlier one.
        contour: (M, 2) corners (x, y) of a closed outline around the object, or None.
        previous_mask: (H, W) bool, the last answer, for methods that refine it.
    """

    clicks: tuple[Click, ...] = ()
    box: tuple[float, float, float, float] | None = None
    strokes: tuple[Stroke, ...] = ()
    contour: NDArray[np.float64] | None = None
    previous_mask: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if self.box is not None:
            x0, y0, x1, y1 = self.box
            if not (x0 < x1 and y0 < y1):
                raise ValueError(f"box must be (x0, y0, x1, y1) with x0 < x1, y0 < y1: {self.box}")
        if self.contour is not None:
            contour = np.asarray(self.contour, dtype=np.float64)
            if contour.ndim != 2 or contour.shape[1] != 2 or len(contour) < 3:
                raise ValueError(f"contour must have shape (M, 2), M >= 3, got {contour.shape}")
            object.__setattr__(self, "contour", contour)

    @property
    def kinds(self) -> frozenset[PromptKind]:
        """The kinds of prompts that are present."""
        present = {
            "click": bool(self.clicks),
            "box": self.box is not None,
            "stroke": bool(self.strokes),
            "contour": self.contour is not None,
        }
        return frozenset(kind for kind in PROMPT_KINDS if present[kind])

    def __bool__(self) -> bool:
        return bool(self.kinds)


@dataclass(frozen=True)
class Prediction:
    """A method's answer.

    Attributes:
        mask: (H, W) bool.
        score: the method's confidence in [0, 1], or NaN where it has none.
    """

    mask: NDArray[np.bool_]
    score: float = float("nan")


@runtime_checkable
class InteractiveMethod(Protocol):
    """What the widget and the benchmark need of a method."""

    accepts: ClassVar[frozenset[PromptKind]]

    def set_image(self, image: Any) -> None:
        """Take an image (H, W, 3); whatever is worth computing once is computed here."""
        ...

    def predict(self, prompts: Prompts) -> Prediction:
        """Answer the prompts with a mask of the image's size.

        Raises:
            RuntimeError: `set_image` was not called.
            UnsupportedPromptError: the prompts hold a kind that is not in `accepts`.
        """
        ...


def uses_previous_mask(method: InteractiveMethod) -> bool:
    """Whether a method says that it goes on from `Prompts.previous_mask`."""
    return bool(getattr(method, "uses_previous_mask", False))


def inside_contour(contour: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels (H, W) inside a closed outline, corners (M, 2) as (x, y)."""
    import cv2

    canvas = np.zeros(shape, np.uint8)
    # OpenCV counts from pixel centres, in 1/16 pixels.
    corners = np.rint((contour - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(canvas, [corners], 1, shift=4)
    return canvas.astype(bool)


class UnsupportedPromptError(ValueError):
    """A method was given a kind of prompt that it cannot use."""


def require_accepted(method: InteractiveMethod, prompts: Prompts) -> None:
    """Raise `UnsupportedPromptError` when the prompts hold a kind that the method cannot use."""
    if extra := prompts.kinds - method.accepts:
        raise UnsupportedPromptError(
            f"{type(method).__name__} cannot use {', '.join(sorted(extra))}; "
            f"it takes {', '.join(sorted(method.accepts))}"
        )
