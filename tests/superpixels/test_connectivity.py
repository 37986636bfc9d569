from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import skimage.measure
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segedu.superpixels.connectivity import connected_pieces, enforce_connectivity

Map = NDArray[Any]


def flood_fill(labels: Map) -> Map:
    """The 4-connected pieces, numbered in reading order: the textbook's way."""
    pieces = np.full(labels.shape, -1, np.int32)
    n = 0
    for place in np.ndindex(labels.shape):
        if pieces[place] >= 0:
            continue
        pieces[place] = n
        todo = [place]
        while todo:
            y, x = todo.pop()
            for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                inside = 0 <= v < labels.shape[0] and 0 <= u < labels.shape[1]
                if inside and pieces[v, u] < 0 and labels[v, u] == labels[y, x]:
                    pieces[v, u] = n
                    todo.append((v, u))
        n += 1
    return pieces


def neighbours(regions: Map, i: int) -> set[int]:
    found = set()
    for axis in (0, 1):
        for before, after in (
            (np.delete(regions, -1, axis), np.delete(regions, 0, axis)),
            (np.delete(regions, 0, axis), np.delete(regions, -1, axis)),
        ):
            found |= set(after[before == i].tolist())
    return found - {i}


def literal(labels: Map, lab: Map, min_size: int, max_regions: int) -> Map:
    """The three steps of the module's docstring, one merge at a time."""
    regions = flood_fill(labels)
    while True:
        sizes = {i: int((regions == i).sum()) for i in np.unique(regions).tolist()}
        sums = {i: lab[:, regions == i].astype(np.float64).sum(axis=1) for i in sizes}
        smallest = min(sizes, key=lambda i: (sizes[i], i))
        enough = sizes[smallest] >= min_size and len(sizes) <= max_regions
        if enough or len(sizes) == 1:
            return flood_fill(regions)

        def added(j: int, i: int = smallest, sizes: Any = sizes, sums: Any = sums) -> float:
            l_, a, b = sums[i] / sizes[i] - sums[j] / sizes[j]
            return (l_ * l_ + a * a + b * b) * (sizes[i] * sizes[j] / (sizes[i] + sizes[j]))

        nearest = min(sorted(neighbours(regions, smallest)), key=added)
        regions[regions == max(smallest, nearest)] = min(smallest, nearest)


@st.composite
def problems(draw: st.DrawFn) -> tuple[Map, Map, int, int]:
    """Labels in patches or as noise, few colours (so that ties occur), any limits."""
    height, width = draw(st.integers(1, 10)), draw(st.integers(1, 10))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    patch = draw(st.integers(1, 3))
    labels = rng.integers(-1, draw(st.integers(0, 5)), (height, width))
    labels = np.kron(labels, np.ones((patch, patch), int))[:height, :width].astype(np.int32)
    # Whole numbers, so that the order of adding does not matter.
    lab = rng.integers(0, draw(st.sampled_from([1, 3, 100])), (3, height, width))
    limits = draw(st.integers(1, 12)), draw(st.integers(1, 100))
    return labels, lab.astype(np.float32), *limits


@settings(max_examples=150, deadline=None)
@given(problems())
def test_equal_to_the_literal_version(problem: tuple[Map, Map, int, int]) -> None:
    labels, lab, min_size, max_regions = problem
    got = enforce_connectivity(labels, lab, min_size, max_regions)
    np.testing.assert_array_equal(got, literal(labels, lab, min_size, max_regions))


@settings(max_examples=150, deadline=None)
@given(problems())
def test_regions_are_connected_large_and_few(problem: tuple[Map, Map, int, int]) -> None:
    labels, lab, min_size, max_regions = problem
    got = enforce_connectivity(labels, lab, min_size, max_regions)
    assert got.dtype == np.int32
    np.testing.assert_array_equal(got, flood_fill(got))  # connected, 0 … K-1 in reading order
    sizes = np.bincount(got.ravel())
    assert len(sizes) <= max_regions
    assert len(sizes) == 1 or sizes.min() >= min_size


@settings(max_examples=100, deadline=None)
@given(problems())
def test_pieces_equal_flood_fill_and_scikit_image(problem: tuple[Map, Map, int, int]) -> None:
    labels = problem[0]
    pieces, n = connected_pieces(labels)
    np.testing.assert_array_equal(pieces, flood_fill(labels))
    peer = skimage.measure.label(labels, connectivity=1, background=-2)
    np.testing.assert_array_equal(pieces, peer - 1)
    assert n == pieces.max() + 1


def test_a_snail_is_one_piece() -> None:
    # A spiral joins runs that look separate until its last row.
    snail = np.array(
        [
            [1, 1, 1, 1, 1, 1],
            [1, 0, 0, 0, 0, 1],
            [1, 0, 1, 1, 0, 1],
            [1, 0, 1, 0, 0, 1],
            [1, 0, 1, 1, 1, 1],
        ],
        np.int32,
    )
    pieces, n = connected_pieces(snail)
    assert n == 2
    np.testing.assert_array_equal(pieces, 1 - snail)


def test_a_small_piece_joins_the_neighbour_of_its_colour() -> None:
    labels = np.zeros((6, 12), np.int32)
    labels[:, 6:] = 1
    labels[2:4, 5] = 2  # on the left's side, in the right's colour
    lab = np.zeros((3, 6, 12), np.float32)
    lab[0, :, 6:] = 80
    lab[0, 2:4, 5] = 70
    got = enforce_connectivity(labels, lab, 5)
    assert got.max() == 1
    assert (got[2:4, 5] == 1).all()
    np.testing.assert_array_equal(got[:, :5], 0)


def test_a_large_piece_stays_though_its_label_has_a_larger_one() -> None:
    labels = np.zeros((6, 20), np.int32)
    labels[:, 8:12] = 1
    got = enforce_connectivity(labels, np.zeros((3, 6, 20), np.float32), 20)
    assert [len(np.unique(got[:, x])) for x in range(20)] == [1] * 20
    assert got[0, 0] == 0
    assert got[0, 10] == 1
    assert got[0, 19] == 2


def test_the_smallest_goes_first_when_there_are_too_many() -> None:
    labels = np.repeat(np.arange(4), [5, 3, 4, 6])[None].repeat(2, axis=0).astype(np.int32)
    lab = np.zeros((3, *labels.shape), np.float32)
    lab[0] = np.array([0, 50, 60, 100])[labels]
    np.testing.assert_array_equal(
        enforce_connectivity(labels, lab, 1, 3)[0], np.repeat([0, 1, 2], [5, 7, 6])
    )


def test_arrays_are_not_changed_and_need_not_be_contiguous() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 4, (30, 20)).astype(np.int32)
    lab = rng.random((30, 20, 3)).astype(np.float32)
    labels.flags.writeable = lab.flags.writeable = False
    got = enforce_connectivity(labels.T, lab.T, 6, 20)
    want = enforce_connectivity(np.ascontiguousarray(labels.T), np.ascontiguousarray(lab.T), 6, 20)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1)])
def test_thin_images(shape: tuple[int, int]) -> None:
    labels = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    lab = np.zeros((3, *shape), np.float32)
    assert (enforce_connectivity(labels, lab, 100) == 0).all()
    np.testing.assert_array_equal(enforce_connectivity(labels, lab, 1), labels)
