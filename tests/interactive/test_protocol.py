"""Prompts: what they hold, what they refuse, which pixels they mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segedu.interactive import (
    Click,
    GrabCut,
    InteractiveMethod,
    Prediction,
    Prompts,
    Stroke,
    UnsupportedPromptError,
    require_accepted,
)


def test_kinds_are_those_present() -> None:
    assert Prompts().kinds == frozenset() and not Prompts()
    square = np.array([[0, 0], [4, 0], [4, 4], [0, 4]])
    everything = Prompts((Click(1, 2),), (0, 0, 2, 2), (Stroke(square, 1.0),), square)
    assert everything.kinds == {"click", "box", "stroke", "contour"} and everything
    assert not Prompts(previous_mask=np.ones((2, 2), bool)), "a previous mask alone says nothing"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Prompts(box=(5, 0, 5, 4)), "x0 < x1"),
        (lambda: Prompts(box=(0, 4, 5, 1)), "y0 < y1"),
        (lambda: Prompts(contour=np.zeros((2, 2))), r"shape \(M, 2\)"),
        (lambda: Stroke(np.zeros((0, 2)), 1.0), r"shape \(N, 2\)"),
        (lambda: Stroke(np.zeros((3, 3)), 1.0), r"shape \(N, 2\)"),
        (lambda: Stroke(np.zeros((3, 2)), 0.0), "radius must be positive"),
    ],
)
def test_what_makes_no_sense_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@settings(deadline=None)
@given(st.integers(0, 39), st.integers(0, 29), st.floats(0.5, 9))
def test_a_stroke_of_one_point_is_a_disk(column: int, row: int, radius: float) -> None:
    mask = Stroke(np.array([[column + 0.5, row + 0.5]]), radius).mask((30, 40))
    rows, cols = np.mgrid[:30, :40]
    away = np.hypot(rows - row, cols - column)
    assert mask[row, column]
    assert mask[away <= radius - 1].all() and not mask[away > radius + 1].any()


def test_a_stroke_covers_its_way_and_no_more_than_the_image() -> None:
    mask = Stroke(np.array([[-5, 10.5], [45, 10.5]]), 2.5).mask((30, 40))
    assert mask[9:12].all() and not mask[:7].any() and not mask[14:].any()


class ClicksOnly:
    accepts = frozenset({"click"})

    def set_image(self, image: Any) -> None: ...

    def predict(self, prompts: Prompts) -> Prediction:
        require_accepted(self, prompts)
        return Prediction(np.zeros((1, 1), bool))


def test_a_method_refuses_what_it_cannot_use() -> None:
    method = ClicksOnly()
    assert isinstance(method, InteractiveMethod)
    assert np.isnan(method.predict(Prompts((Click(0, 0),))).score)
    with pytest.raises(UnsupportedPromptError, match="ClicksOnly cannot use box; it takes click"):
        method.predict(Prompts(box=(0, 0, 1, 1)))
    assert not isinstance(object(), InteractiveMethod) and isinstance(GrabCut(), InteractiveMethod)
