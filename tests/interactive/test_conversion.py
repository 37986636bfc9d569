"""Prompts said in other words: what is derived lies where it must, and nothing is lost."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segedu.interactive import (
    RITM,
    SAM,
    Click,
    GrabCut,
    Prediction,
    PromptKind,
    Prompts,
    Stroke,
    UnsupportedPromptError,
    ZoomIn,
    conversions,
    convert,
    uses_previous_mask,
)
from segedu.interactive.conversion import around, box_region, deepest, spread
from segedu.interactive.protocol import inside_contour

HEIGHT, WIDTH = 80, 120
SHAPE = (HEIGHT, WIDTH)


class Taking:
    """A method that takes some kinds and answers nothing."""

    accepts: ClassVar[frozenset[PromptKind]] = frozenset()

    def __init__(self, *kinds: PromptKind, masks: bool = False) -> None:
        self.accepts = frozenset(kinds)  # type: ignore[misc]
        self.uses_previous_mask = masks

    def set_image(self, image: Any) -> None: ...

    def predict(self, prompts: Prompts) -> Prediction:
        return Prediction(np.zeros(SHAPE, bool))


def pixel(click: Click) -> tuple[int, int]:
    return int(click.y), int(click.x)


DIAMOND = np.array([[60.0, 10], [90, 40], [60, 70], [30, 40]])


def test_what_a_method_takes_is_left_alone() -> None:
    prompts = Prompts((Click(3, 4),), (5, 6, 50, 60), (Stroke(DIAMOND, 2),), DIAMOND)
    found = convert(prompts, GrabCut(), SHAPE)
    assert found.prompts is prompts and not found.derived and not found.kinds
    assert conversions(GrabCut()) == {}


def test_which_kinds_can_be_converted() -> None:
    assert conversions(Taking("click")).keys() == {"box", "stroke", "contour"}
    assert conversions(Taking("click", "box")).keys() == {"stroke", "contour"}
    assert conversions(Taking("box")).keys() == {"contour"}, "a click has no extent"
    assert conversions(Taking("contour")).keys() == {"box"}
    assert conversions(Taking("stroke")).keys() == {"click"}
    assert "mask" in conversions(Taking("click", masks=True))["contour"]
    assert "mask" not in conversions(Taking("click"))["contour"]
    assert all(uses_previous_mask(method) for method in (RITM, SAM, ZoomIn))  # type: ignore[arg-type]
    with pytest.raises(UnsupportedPromptError, match=r"cannot use click: it takes box"):
        convert(Prompts((Click(1, 1),)), Taking("box"), SHAPE)


@pytest.mark.parametrize("masks", [False, True])
def test_a_box_becomes_a_click_in_its_middle_and_others_outside(masks: bool) -> None:
    prompts = Prompts((Click(44, 30, False),), box=(40, 20, 80, 60))
    found = convert(prompts, Taking("click", masks=masks), SHAPE)
    middle, *corners, own = found.prompts.clicks
    assert middle.positive and np.hypot(middle.x - 60, middle.y - 40) <= 1
    assert own == prompts.clicks[0] and found.prompts.box is None
    assert len(corners) == 4 and not any(click.positive for click in corners)
    assert {(c.x > 60, c.y > 40) for c in corners} == {(a, b) for a in (0, 1) for b in (0, 1)}
    assert found.derived.clicks == (middle, *corners) and found.kinds == {"box"}
    if masks:
        begun = found.prompts.previous_mask
        assert begun is not None and not (begun & ~box_region((40, 20, 80, 60), SHAPE)).any()
        assert abs(begun.sum() - np.pi * 20**2) < 30, "the ellipse in the box"
    else:
        assert found.prompts.previous_mask is None


def test_a_click_outside_is_never_inside_even_where_the_image_ends() -> None:
    # A person who fills the lower left corner: nothing may be said of that corner.
    box = (0.0, 20.0, 60.0, float(HEIGHT))
    clicks = convert(Prompts(box=box), Taking("click"), SHAPE).prompts.clicks
    region = box_region(box, SHAPE)
    outside = [click for click in clicks if not click.positive]
    assert outside and not any(region[pixel(click)] for click in outside)
    whole = convert(Prompts(box=(0, 0, WIDTH, HEIGHT)), Taking("click"), SHAPE).prompts.clicks
    assert [click.positive for click in whole] == [True]


def test_a_contour_becomes_a_box_a_click_and_a_mask() -> None:
    found = convert(Prompts(contour=DIAMOND), Taking("click", "box", masks=True), SHAPE).prompts
    assert found.box == (30, 10, 90, 70) and found.contour is None
    [click] = found.clicks
    assert np.hypot(click.x - 60, click.y - 40) <= 1.5
    np.testing.assert_array_equal(found.previous_mask, inside_contour(DIAMOND, SHAPE))


def test_a_box_and_a_contour_mean_what_lies_in_both() -> None:
    method = Taking("click", "box")
    both = convert(Prompts(box=(0, 0, 50, 80), contour=DIAMOND), method, SHAPE)
    assert both.prompts.box == both.derived.box == (30, 10, 50, 70)
    apart = convert(Prompts(box=(0, 0, 20, 80), contour=DIAMOND), method, SHAPE)
    assert apart.prompts.box == (0, 0, 20, 80) and apart.derived.box is None
    lasso = convert(Prompts(box=(0, 0, 20, 80), contour=DIAMOND), Taking("contour"), SHAPE)
    assert lasso.prompts.contour is not None and lasso.derived.contour is None


def test_a_previous_mask_is_not_replaced() -> None:
    previous = np.zeros(SHAPE, bool)
    previous[3:9, 3:9] = True
    prompts = Prompts(contour=DIAMOND, previous_mask=previous)
    found = convert(prompts, Taking("click", masks=True), SHAPE)
    assert found.prompts.previous_mask is previous and found.derived.previous_mask is None


def test_strokes_become_clicks_on_them_and_the_last_word_counts() -> None:
    way = np.array([[10.0, 40.0], [110.0, 40.0]])
    over = Stroke(np.array([[60.0, 20.0], [60.0, 60.0]]), 8.0, positive=False)
    strokes = (Stroke(way, 4.0), over)
    clicks = convert(Prompts(strokes=strokes), Taking("click"), SHAPE).prompts.clicks
    first, second = (stroke.mask(SHAPE) for stroke in strokes)
    for click in clicks:
        assert (first if click.positive else second)[pixel(click)]
        assert not (click.positive and second[pixel(click)]), "brushed over later"
    assert 2 <= sum(click.positive for click in clicks) <= 4
    marks = [click for click in clicks if click.positive]
    assert min(a.x for a in marks) < 40 and max(a.x for a in marks) > 80, "all along it"
    covered = (Stroke(way, 3.0), Stroke(way, 9.0, positive=False))
    only = convert(Prompts(strokes=covered), Taking("click"), SHAPE).prompts.clicks
    assert only and not any(click.positive for click in only)


def test_a_stroke_outside_the_image_says_nothing() -> None:
    away = Stroke(np.array([[-50.0, -50.0]]), 3.0)
    found = convert(Prompts(strokes=(away,)), Taking("click"), SHAPE)
    assert not found.prompts and found.kinds == {"stroke"}


def test_box_and_contour_become_each_other() -> None:
    corners = convert(Prompts(box=(3, 4, 30, 40)), Taking("contour"), SHAPE).prompts.contour
    assert corners is not None
    drawn = inside_contour(corners, SHAPE)  # OpenCV fills half a pixel more
    assert drawn[box_region((3, 4, 30, 40), SHAPE)].all()
    assert not drawn[~box_region((2, 3, 31, 41), SHAPE)].any()
    wide = np.array([[-20.0, 10], [60, -5], [150, 60]])
    assert convert(Prompts(contour=wide), Taking("box"), SHAPE).prompts.box == (0, 0, WIDTH, 60)
    dots = convert(Prompts((Click(7, 8, False),)), Taking("stroke"), SHAPE).prompts.strokes
    assert len(dots) == 1 and not dots[0].positive and dots[0].mask(SHAPE)[8, 7]


def test_deepest_is_the_middle_of_what_is_deep() -> None:
    region = np.zeros(SHAPE, bool)
    region[30:51, 20:101] = True
    click = deepest(region)
    assert click is not None and np.hypot(click.x - 60.5, click.y - 40.5) <= 1
    assert deepest(np.zeros(SHAPE, bool)) is None and spread(np.zeros(SHAPE, bool), 1, 3) == []


@st.composite
def regions(draw: st.DrawFn) -> NDArray[np.bool_]:
    region = np.zeros(SHAPE, bool)
    for _ in range(draw(st.integers(0, 3))):
        top, left = draw(st.integers(0, HEIGHT - 1)), draw(st.integers(0, WIDTH - 1))
        region[top : top + draw(st.integers(1, 60)), left : left + draw(st.integers(1, 60))] = True
    return region


@settings(deadline=None, max_examples=60)
@given(regions(), st.floats(1, 40), st.integers(1, 6))
def test_points_lie_where_they_must(region: NDArray[np.bool_], apart: float, most: int) -> None:
    points = spread(region, apart, most)
    assert bool(points) == bool(region.any()) and len(points) <= most
    assert all(region[int(y), int(x)] for x, y in points)
    for i, a in enumerate(points):
        assert all(np.hypot(a[0] - b[0], a[1] - b[1]) >= apart for b in points[:i])
    outside = around(region)
    assert len(set(outside)) == len(outside) <= 4
    inside = np.argwhere(region) + 0.5
    for x, y in outside:
        assert 0 <= x < WIDTH and 0 <= y < HEIGHT
        assert np.hypot(inside[:, 0] - y, inside[:, 1] - x).min() >= 2 - 1e-3


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_prompts_reach_a_clicks_method_as_clicks(data: st.DataObject) -> None:
    numbers = st.floats(-20, 140)
    place = st.tuples(numbers, numbers)
    x0, y0 = data.draw(st.integers(0, WIDTH - 2)), data.draw(st.integers(0, HEIGHT - 2))
    box = (x0, y0, data.draw(st.integers(x0 + 1, WIDTH)), data.draw(st.integers(y0 + 1, HEIGHT)))
    contour = data.draw(st.none() | st.lists(place, min_size=3, max_size=6))
    strokes = data.draw(st.lists(st.lists(place, min_size=1, max_size=5), max_size=3))
    prompts = Prompts(
        box=data.draw(st.none() | st.just(box)),
        strokes=tuple(Stroke(np.array(s), 3.0, len(s) % 2 == 0) for s in strokes),
        contour=None if contour is None else np.array(contour),
    )
    for method in (Taking("click", masks=True), Taking("click", "box")):
        found = convert(prompts, method, SHAPE)
        assert found.prompts.kinds <= method.accepts
        assert found.kinds == prompts.kinds - method.accepts
        for click in found.prompts.clicks:
            assert 0 <= click.x < WIDTH and 0 <= click.y < HEIGHT
