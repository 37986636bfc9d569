from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segedu.superpixels.metrics import (
    achievable_segmentation_accuracy,
    boundary_pixels,
    boundary_recall,
    compactness,
    explained_variation,
    undersegmentation_error,
)

Map = NDArray[Any]


# The definitions, pixel by pixel and set by set.


def loop_boundary(labels: Map) -> set[tuple[int, int]]:
    height, width = labels.shape
    found = set()
    for y in range(height):
        for x in range(width):
            for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= v < height and 0 <= u < width and labels[v, u] != labels[y, x]:
                    found.add((y, x))
    return found


def loop_boundary_recall(labels: Map, truth: Map, tolerance: int) -> float:
    ours, true = loop_boundary(labels), loop_boundary(truth)
    hits = sum(
        any(abs(y - v) <= tolerance and abs(x - u) <= tolerance for v, u in ours) for y, x in true
    )
    return hits / len(true) if true else 1.0


def pixels(labels: Map) -> dict[int, set[tuple[int, int]]]:
    sets: dict[int, set[tuple[int, int]]] = {}
    for place, label in np.ndenumerate(labels):
        sets.setdefault(int(label), set()).add(place)
    return sets


def loop_undersegmentation_error(labels: Map, truth: Map) -> float:
    error = 0
    for g in pixels(truth).values():
        for s in pixels(labels).values():
            if s & g:
                error += min(len(s & g), len(s - g))
    return error / labels.size


def loop_accuracy(labels: Map, truth: Map) -> float:
    segments = pixels(truth).values()
    return sum(max(len(s & g) for g in segments) for s in pixels(labels).values()) / labels.size


def loop_compactness(labels: Map) -> float:
    total = 0.0
    for s in pixels(labels).values():
        perimeter = sum(
            neighbour not in s
            for y, x in s
            for neighbour in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1))
        )
        total += len(s) / labels.size * 4 * np.pi * len(s) / perimeter**2
    return total


def loop_explained_variation(labels: Map, image: Map) -> float:
    mean = image.reshape(-1, 3).mean(axis=0)
    explained, total = 0.0, 0.0
    for s in pixels(labels).values():
        color = np.mean([image[place] for place in s], axis=0)
        explained += len(s) * ((color - mean) ** 2).sum()
        total += sum(((image[place] - mean) ** 2).sum() for place in s)
    return explained / total


@st.composite
def label_maps(draw: st.DrawFn, count: int) -> list[Map]:
    """`count` maps of one size: few or many labels, gaps, negative or huge ones."""
    shape = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    maps = []
    for _ in range(count):
        names = rng.choice(
            draw(st.sampled_from([[0], [0, 1], [3, 255, 7, -2], range(40), [0, 2**40, -(2**40)]])),
            shape,
        )
        maps.append(names.astype(np.int64))
    return maps


@settings(max_examples=150, deadline=None)
@given(label_maps(2), st.integers(0, 4))
def test_equal_to_the_literal_definitions(maps: list[Map], tolerance: int) -> None:
    labels, truth = maps
    assert {(y, x) for y, x in np.argwhere(boundary_pixels(labels))} == loop_boundary(labels)
    pairs = [
        (
            boundary_recall(labels, truth, tolerance),
            loop_boundary_recall(labels, truth, tolerance),
        ),
        (undersegmentation_error(labels, truth), loop_undersegmentation_error(labels, truth)),
        (achievable_segmentation_accuracy(labels, truth), loop_accuracy(labels, truth)),
        (compactness(labels), loop_compactness(labels)),
    ]
    for got, want in pairs:
        assert got == pytest.approx(want, abs=1e-12)
        assert 0 <= got <= 1


@settings(max_examples=60, deadline=None)
@given(label_maps(1), st.integers(0, 2**32 - 1))
def test_explained_variation_equals_the_literal_definition(maps: list[Map], seed: int) -> None:
    (labels,) = maps
    labels = np.pad(labels, 1, mode="edge")
    image = np.random.default_rng(seed).integers(0, 256, (*labels.shape, 3), dtype=np.uint8)
    want = loop_explained_variation(labels, image.astype(np.float64))
    assert explained_variation(labels, image) == pytest.approx(want, abs=1e-9)
    # The unit cancels out.
    assert explained_variation(labels, image / 255) == pytest.approx(want, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(label_maps(2), st.permutations(range(40)))
def test_names_of_labels_do_not_matter(maps: list[Map], names: list[int]) -> None:
    labels, truth = (np.abs(m) % 40 for m in maps)
    renamed = np.array(names)[labels]
    assert compactness(renamed) == pytest.approx(compactness(labels))
    for metric in (
        boundary_recall,
        undersegmentation_error,
        achievable_segmentation_accuracy,
    ):
        assert metric(renamed, truth) == pytest.approx(metric(labels, truth))


@settings(max_examples=50, deadline=None)
@given(label_maps(2))
def test_accuracy_and_error_bound_each_other(maps: list[Map]) -> None:
    # 1 - ASA counts the pixels outside of the best segment; UE counts each such part at least
    # once, and the best segment's complement at most once more.
    labels, truth = maps
    missed = 1 - achievable_segmentation_accuracy(labels, truth)
    error = undersegmentation_error(labels, truth)
    assert missed - 1e-12 <= error <= 2 * missed + 1e-12


def halves(height: int, width: int, at: int) -> Map:
    labels = np.zeros((height, width), np.int32)
    labels[:, at:] = 1
    return labels


@pytest.mark.parametrize(("shift", "recall"), [(0, 1.0), (2, 1.0), (3, 0.5), (4, 0.0)])
def test_boundary_recall_sees_two_pixels_far(shift: int, recall: float) -> None:
    # The truth's boundary is columns 9 and 10, ours is shifted; the nearer one is found at 3.
    assert boundary_recall(halves(8, 20, 10 + shift), halves(8, 20, 10)) == recall


def test_known_errors() -> None:
    truth = halves(10, 20, 10)
    assert undersegmentation_error(truth, truth) == 0
    assert achievable_segmentation_accuracy(truth, truth) == 1
    # One of two superpixels leaks by two columns of ten pixels, counted in both segments.
    assert undersegmentation_error(halves(10, 20, 12), truth) == pytest.approx(2 * 20 / 200)
    assert achievable_segmentation_accuracy(halves(10, 20, 12), truth) == pytest.approx(0.9)


def test_squares_are_the_most_compact() -> None:
    squares = np.kron(np.arange(12).reshape(3, 4), np.ones((5, 5), int))
    assert compactness(squares) == pytest.approx(np.pi / 4)
    assert compactness(np.kron(np.arange(12).reshape(3, 4), np.ones((5, 10), int))) < np.pi / 4


def test_explained_variation_at_its_ends() -> None:
    rng = np.random.default_rng(0)
    image = rng.random((7, 9, 3))
    assert explained_variation(np.arange(63).reshape(7, 9), image) == pytest.approx(1)
    assert explained_variation(np.zeros((7, 9), int), image) == pytest.approx(0, abs=1e-12)
    assert explained_variation(np.zeros((7, 9), int), np.full((7, 9, 3), 0.3)) == 1


def test_one_pixel() -> None:
    one = np.zeros((1, 1), int)
    assert boundary_recall(one, one) == 1
    assert undersegmentation_error(one, one) == 0
    assert achievable_segmentation_accuracy(one, one) == 1
    assert compactness(one) == pytest.approx(np.pi / 4)
    assert explained_variation(one, np.zeros((1, 1, 3), np.uint8)) == 1


@pytest.mark.parametrize(
    "metric", [boundary_recall, undersegmentation_error, achievable_segmentation_accuracy]
)
def test_wrong_maps_are_refused(metric: Callable[..., float]) -> None:
    good = np.zeros((4, 5), int)
    with pytest.raises(ValueError, match=r"truth must have shape \(4, 5\), got \(5, 4\)"):
        metric(good, good.T)
    with pytest.raises(ValueError, match="integer"):
        metric(good.astype(float), good)
    with pytest.raises(ValueError, match="empty"):
        metric(good[:0], good[:0])


def test_other_wrong_arguments_are_refused() -> None:
    good = np.zeros((4, 5), int)
    with pytest.raises(ValueError, match="tolerance"):
        boundary_recall(good, good, -1)
    with pytest.raises(ValueError, match="tolerance"):
        boundary_recall(good, good, 1.5)
    with pytest.raises(ValueError, match=r"\(H, W\)"):
        compactness(good[0])
    with pytest.raises(ValueError, match=r"must have shape \(4, 4\)"):
        explained_variation(good, np.zeros((4, 4, 3)))
