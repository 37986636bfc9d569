"""Prompts that a method does not take, said in those that it does.

A method says which kinds it takes (`accepts`) and whether it goes on from a mask
(`uses_previous_mask`). Whatever else the user draws is said in other words here:

    box, contour -> each other: the box's corners, the box around the contour
                 -> clicks: one where the region is deepest, negative ones outside of it, and the
                    region itself (of a box, the ellipse in it) as a mask to begin from, where the
                    method takes one
    stroke       -> clicks on it, well apart
    click        -> a stroke as small as a dot

One click inside and others outside the corners are the guidance of S. Zhang et al., "Interactive
Object Segmentation with Inside-Outside Guidance" (IOG), CVPR 2020, section 3.1. Where a region is
deepest the robot of the NoC benchmark clicks too (see `clicks`). What each part is worth to RITM:
`python -m tests.benchmarks.bench_conversion`.

A click or a stroke does not say how far the object reaches, so neither becomes a box or a contour:
`conversions` leaves out what cannot be said. Regions are (H, W) bool; a shape is (H, W).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from segedu.interactive.clicks import depth
from segedu.interactive.protocol import (
    Click,
    InteractiveMethod,
    PromptKind,
    Prompts,
    Stroke,
    UnsupportedPromptError,
    inside_contour,
    uses_previous_mask,
)

OUTSIDE = 0.06  # of the region's extent: how far outside the negative clicks lie
LEAST_OUTSIDE = 2.0  # pixels; a click nearer than this might still be the object's
AROUND = 4  # negative clicks around a region
APART = 3.0  # clicks on a stroke lie so many of its radii apart
MOST = 4  # clicks on one stroke
DOT = 2.0  # radius in pixels of the stroke that a click becomes

Region = NDArray[np.bool_]
Shape = tuple[int, int]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Conversion:
    """What a method is asked, and the part of it that the user said in other words.

    Attributes:
        prompts: all that the method is given; kinds that it takes are as they were.
        derived: the converted part alone; its `previous_mask` is a mask to begin from.
        kinds: that were converted; empty where none had to be.
    """

    prompts: Prompts
    derived: Prompts = field(default_factory=Prompts)
    kinds: frozenset[PromptKind] = frozenset()


@dataclass(frozen=True)
class Rule:
    """One way to say a kind of prompt in other words.

    Attributes:
        kind: what is converted.
        needs: the kinds that a method must take for it.
        words: what it becomes, for the user.
        convert: (prompts, shape) -> what was derived.
        mask: words for the mask to begin from, which is used where the method takes one; "": none.
    """

    kind: PromptKind
    needs: frozenset[PromptKind]
    words: str
    convert: Callable[[Prompts, Shape], Prompts]
    mask: str = ""


def conversions(method: InteractiveMethod) -> dict[PromptKind, str]:
    """Kinds of prompts that can be converted for a method -> what they become, in words.

    Kinds that it takes, and those of which nothing can be made, are not among them.
    """
    return {
        kind: f"{rule.words}{rule.mask if uses_previous_mask(method) else ''}"
        for kind, rule in _rules_for(method).items()
    }


def convert(prompts: Prompts, method: InteractiveMethod, shape: Shape) -> Conversion:
    """Say prompts in the kinds that a method takes.

    Args:
        prompts: of any kinds.
        method: asked only what it takes.
        shape: (H, W) of the image.

    Returns:
        What to ask the method. Derived clicks come before the user's own. A mask to begin from is
        derived only where there is no previous mask yet.

    Raises:
        UnsupportedPromptError: a kind can neither be taken nor converted.
    """
    foreign = prompts.kinds - method.accepts
    if not foreign:
        return Conversion(prompts)
    rules = _rules_for(method)
    if hopeless := foreign - rules.keys():
        raise UnsupportedPromptError(
            f"{type(method).__name__} cannot use {', '.join(sorted(hopeless))}: "
            f"it takes {', '.join(sorted(method.accepts))}, which cannot say the same"
        )
    masks = uses_previous_mask(method) and prompts.previous_mask is None
    derived = Prompts()
    for kind, rule in rules.items():
        if kind in foreign:
            said = rule.convert(prompts, shape)
            if not (masks and rule.mask):
                said = replace(said, previous_mask=None)
            derived = _joined(derived, said)
    own = _without(prompts, foreign)
    if own.box is not None and derived.box is not None:  # inside the box and inside the contour
        derived = replace(derived, box=_overlap(own.box, derived.box))
        own = own if derived.box is None else replace(own, box=None)
    if own.contour is not None:
        derived = replace(derived, contour=None)
    return Conversion(_joined(derived, own), derived, foreign)


def _rules_for(method: InteractiveMethod) -> Mapping[PromptKind, Rule]:
    """For each kind that a method does not take, the first rule whose needs it meets."""
    found: dict[PromptKind, Rule] = {}
    for rule in RULES:
        if rule.kind not in method.accepts and rule.needs <= method.accepts:
            found.setdefault(rule.kind, rule)
    return found


def _without(prompts: Prompts, kinds: frozenset[PromptKind]) -> Prompts:
    """The prompts less some kinds."""
    return Prompts(
        clicks=() if "click" in kinds else prompts.clicks,
        box=None if "box" in kinds else prompts.box,
        strokes=() if "stroke" in kinds else prompts.strokes,
        contour=None if "contour" in kinds else prompts.contour,
        previous_mask=prompts.previous_mask,
    )


def _overlap(a: Box, b: Box) -> Box | None:
    """What two boxes share; None where they do not meet."""
    x0, y0, x1, y1 = max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def _joined(first: Prompts, second: Prompts) -> Prompts:
    """Both; of two boxes, contours or masks the second is right: the user's own."""
    return Prompts(
        clicks=(*first.clicks, *second.clicks),
        box=first.box if second.box is None else second.box,
        strokes=(*first.strokes, *second.strokes),
        contour=first.contour if second.contour is None else second.contour,
        previous_mask=first.previous_mask if second.previous_mask is None else second.previous_mask,
    )


# Points in regions


def deepest(region: Region) -> Click | None:
    """A positive click where a region is farthest from its border; None in an empty one.

    Of several such pixels the one nearest to the region's middle.
    """
    points = spread(region, apart=np.inf, most=1)
    return Click(*points[0]) if points else None


def spread(region: Region, apart: float, most: int) -> list[tuple[float, float]]:
    """Points (x, y) deep inside a region and well apart, at the middles of pixels.

    The first is where the region is deepest. Each further one is farthest from those before it,
    among the pixels at least half as deep.

    Args:
        region: (H, W) bool.
        apart: points nearer to each other than this many pixels are not worth having.
        most: so many points at most.
    """
    if not region.any():
        return []
    depths = depth(region)
    rows, columns = np.nonzero(depths >= depths.max() / 2)
    candidates = np.stack([columns, rows], axis=1) + 0.5
    plateau = depths[rows, columns] >= depths.max() - 0.5
    middle = candidates.mean(axis=0)
    away = np.hypot(*(candidates - middle).T)
    chosen = [int(np.argmin(np.where(plateau, away, np.inf)))]
    nearest = np.full(len(candidates), np.inf)
    while len(chosen) < most:
        nearest = np.minimum(nearest, np.hypot(*(candidates - candidates[chosen[-1]]).T))
        if nearest.max() < apart:
            break
        chosen.append(int(np.argmax(nearest)))
    return [(float(x), float(y)) for x, y in candidates[chosen]]


def _extent(region: Region) -> float:
    """Diagonal in pixels of the box around a region; 0 where it is empty."""
    rows, columns = np.nonzero(region)
    return float(np.hypot(np.ptp(rows) + 1, np.ptp(columns) + 1)) if len(rows) else 0.0


def around(region: Region, count: int = AROUND) -> list[tuple[float, float]]:
    """Points (x, y) just outside a region, well apart; none where the image leaves no room.

    Around a box they lie outside its corners. A part of the region's border that is the image's
    own has no outside.
    """
    rows, columns = np.nonzero(region)
    if len(rows) == 0:
        return []
    margin = max(LEAST_OUTSIDE, OUTSIDE * _extent(region))
    away = cv2.distanceTransform((~region).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    for reach in (margin, LEAST_OUTSIDE):
        ring = np.argwhere((away >= reach) & (away < reach + 1.5))[:, ::-1] + 0.5
        if len(ring):
            break
    else:
        return []
    middle = np.array([columns.mean(), rows.mean()]) + 0.5
    chosen: list[int] = []
    nearest = np.hypot(*(ring - middle).T)  # the first is farthest from the middle
    while len(chosen) < min(count, len(ring)):
        chosen.append(int(np.argmax(nearest)))
        gaps = np.hypot(*(ring - ring[chosen[-1]]).T)
        nearest = gaps if len(chosen) == 1 else np.minimum(nearest, gaps)
    return [(float(x), float(y)) for x, y in ring[chosen]]


# The rules


def box_region(box: Box, shape: Shape) -> Region:
    """Pixels whose middle lies in a box."""
    x0, y0, x1, y1 = box
    rows, columns = np.arange(shape[0])[:, None] + 0.5, np.arange(shape[1])[None] + 0.5
    return (rows > y0) & (rows < y1) & (columns > x0) & (columns < x1)


def ellipse_region(box: Box, shape: Shape) -> Region:
    """Pixels whose middle lies in the ellipse that a box encloses."""
    x0, y0, x1, y1 = box
    rows, columns = np.arange(shape[0])[:, None] + 0.5, np.arange(shape[1])[None] + 0.5
    across = (columns - (x0 + x1) / 2) / (x1 - x0)
    down = (rows - (y0 + y1) / 2) / (y1 - y0)
    return np.asarray(across**2 + down**2 <= 0.25)


def _region_as_clicks(likely: Region, whole: Region) -> Prompts:
    """A click inside where the object is likely, others outside the whole region where it is surely
    not, and the likely part as a mask to begin from.
    """
    inside = deepest(likely)
    if inside is None:
        return Prompts()
    outside = (Click(x, y, positive=False) for x, y in around(whole))
    return Prompts(clicks=(inside, *outside), previous_mask=likely)


def _box_as_clicks(prompts: Prompts, shape: Shape) -> Prompts:
    assert prompts.box is not None
    whole, likely = box_region(prompts.box, shape), ellipse_region(prompts.box, shape)
    return _region_as_clicks(likely if likely.any() else whole, whole)


def _contour_as_clicks(prompts: Prompts, shape: Shape) -> Prompts:
    assert prompts.contour is not None
    region = inside_contour(prompts.contour, shape)
    return _region_as_clicks(region, region)


def _box_as_contour(prompts: Prompts, shape: Shape) -> Prompts:
    assert prompts.box is not None
    x0, y0, x1, y1 = prompts.box
    return Prompts(contour=np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]))


def _contour_as_box(prompts: Prompts, shape: Shape) -> Prompts:
    """The box around the contour, within the image."""
    assert prompts.contour is not None
    corners = np.clip(prompts.contour, 0, shape[::-1])
    (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
    if not (x0 < x1 and y0 < y1):
        return Prompts()
    return Prompts(box=(float(x0), float(y0), float(x1), float(y1)))


def _contour_as_box_and_click(prompts: Prompts, shape: Shape) -> Prompts:
    assert prompts.contour is not None
    region = inside_contour(prompts.contour, shape)
    said, click = _contour_as_box(prompts, shape), deepest(region)
    if click is None:
        return said
    return replace(said, clicks=(click,), previous_mask=region)


def _strokes_as_clicks(prompts: Prompts, shape: Shape) -> Prompts:
    """Clicks on each stroke, where no later one covers it."""
    covered = np.zeros(shape, bool)
    found: list[tuple[Click, ...]] = []
    for stroke in reversed(prompts.strokes):
        region = stroke.mask(shape)
        places = spread(region & ~covered, APART * stroke.radius, MOST)
        found.append(tuple(Click(x, y, stroke.positive) for x, y in places))
        covered |= region
    return Prompts(clicks=tuple(click for clicks in reversed(found) for click in clicks))


def _clicks_as_strokes(prompts: Prompts, shape: Shape) -> Prompts:
    dots = (Stroke(np.array([[c.x, c.y]]), DOT, c.positive) for c in prompts.clicks)
    return Prompts(strokes=tuple(dots))


_CLICK: frozenset[PromptKind] = frozenset({"click"})
_BOX: frozenset[PromptKind] = frozenset({"box"})
_MASK = ", and its inside as a mask to begin from"
RULES = (
    Rule("box", frozenset({"contour"}), "a contour through its corners", _box_as_contour),
    Rule("box", _CLICK, "a click in its middle and others outside its corners", _box_as_clicks,
         ", and the ellipse in it as a mask to begin from"),
    Rule("contour", _BOX | _CLICK, "the box around it and a click where it is deepest",
         _contour_as_box_and_click, _MASK),
    Rule("contour", _BOX, "the box around it", _contour_as_box),
    Rule("contour", _CLICK, "a click where it is deepest and others outside of it",
         _contour_as_clicks, _MASK),
    Rule("stroke", _CLICK, "clicks along it", _strokes_as_clicks),
    Rule("click", frozenset({"stroke"}), "small strokes", _clicks_as_strokes),
)  # fmt: skip
