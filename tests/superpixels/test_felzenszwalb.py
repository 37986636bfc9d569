from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np
import pytest
import skimage.data
import skimage.segmentation
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from segedu.superpixels import felzenszwalb
from segedu.superpixels.felzenszwalb import (
    FelzenszwalbState,
    edge_weights,
    felzenszwalb_steps,
    sort_edges,
)


def literal(image: np.ndarray, scale: float, sigma: float, min_size: int) -> np.ndarray:
    """The paper's algorithm 1 with sets of pixels, and scikit-image's conventions."""
    smooth = ndimage.gaussian_filter(image * (1 / 255), (sigma, sigma, 0))
    height, width, _ = smooth.shape
    edges = []
    for dy, dx in ((0, 1), (1, 0), (1, 1), (-1, 1)):
        for y in range(height):
            for x in range(width):
                if 0 <= y + dy < height and x + dx < width:
                    d = smooth[y, x] - smooth[y + dy, x + dx]
                    edges.append((float(np.sqrt((d * d).sum())), (y, x), (y + dy, x + dx)))
    edges.sort(key=lambda edge: edge[0])
    component = {(y, x): {(y, x)} for y in range(height) for x in range(width)}
    internal = dict.fromkeys(component, 0.0)

    def join(a: Any, b: Any) -> None:
        union = component[a] | component[b]
        for pixel in union:
            component[pixel] = union

    for weight, a, b in edges:
        if component[a] is component[b]:
            continue
        limits = [np.float32(internal[p] + scale / 255 / len(component[p])) for p in (a, b)]
        if weight < min(limits):
            join(a, b)
            for pixel in component[a]:
                internal[pixel] = weight
    for _, a, b in edges:
        small = min(len(component[a]), len(component[b])) < min_size
        if component[a] is not component[b] and small:
            join(a, b)
    first = sorted({min(pixels) for pixels in component.values()})
    return np.array(
        [[first.index(min(component[y, x])) for x in range(width)] for y in range(height)]
    )


def few_colors(seed: int, shape: tuple[int, int], n: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, 3), dtype=np.uint8)[rng.integers(0, n, shape)]


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "rocket"])
@pytest.mark.parametrize(
    ("scale", "sigma", "min_size"), [(1, 0.8, 20), (100, 0.8, 20), (400, 0.5, 50)]
)
def test_same_labels_as_scikit_image_on_photographs(name, scale, sigma, min_size):
    image = getattr(skimage.data, name)()[:300, :400]
    ours = felzenszwalb(image, scale, sigma, min_size)
    theirs = skimage.segmentation.felzenszwalb(image, scale, sigma, min_size)
    assert ours.dtype == np.int32
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("seed", range(6))
def test_same_labels_as_scikit_image_on_noise(seed):
    rng = np.random.default_rng(seed)
    image = rng.random((rng.integers(1, 70), rng.integers(1, 70), 3))
    scale, sigma, min_size = rng.uniform(1, 300), rng.choice([0.0, 0.5, 1.5]), rng.integers(0, 30)
    theirs = skimage.segmentation.felzenszwalb(image, scale, sigma, min_size)
    np.testing.assert_array_equal(felzenszwalb(image, scale, sigma, min_size), theirs)


@pytest.mark.parametrize("seed", range(6))
def test_ties_are_all_that_differs_from_scikit_image(seed, monkeypatch):
    """With few colours and no blur many edges weigh the same; a stable sort there settles it."""
    image = few_colors(seed, (40, 50), 6)
    monkeypatch.setattr(np, "argsort", functools.partial(np.argsort, kind="stable"))
    theirs = skimage.segmentation.felzenszwalb(image, 300, 0, 5)
    np.testing.assert_array_equal(felzenszwalb(image, 300, 0, 5), theirs)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    scale=st.sampled_from([0.0, 20.0, 200.0, 2000.0]),
    sigma=st.sampled_from([0.0, 0.8]),
    min_size=st.integers(0, 12),
)
def test_same_labels_as_the_literal_version(seed, height, width, scale, sigma, min_size):
    image = few_colors(seed, (height, width), 5)
    ours = felzenszwalb(image, scale, sigma, min_size)
    np.testing.assert_array_equal(ours, literal(image, scale, sigma, min_size))


def test_two_flat_halves_are_two_segments():
    image = np.zeros((30, 40, 3), np.uint8)
    image[:, 25:] = (255, 0, 0)
    expected = np.zeros((30, 40), int)
    expected[:, 25:] = 1
    np.testing.assert_array_equal(felzenszwalb(image, scale=100, sigma=0), expected)
    # k / |C| of the left half is above the edge's weight of 255: too tolerant, all is one.
    assert felzenszwalb(image, scale=1e6, sigma=0).max() == 0


def test_small_segments_are_gone_and_labels_count_up_in_reading_order():
    labels = felzenszwalb(skimage.data.astronaut()[:200, :200], scale=10, min_size=30)
    assert np.bincount(labels.ravel()).min() >= 30
    values, first = np.unique(labels, return_index=True)
    np.testing.assert_array_equal(values, np.arange(labels.max() + 1))
    assert (np.diff(first) > 0).all()
    for k in range(labels.max() + 1):
        assert ndimage.label(labels == k, np.ones((3, 3)))[1] == 1


def test_edges_come_sorted_and_equal_ones_in_their_old_order():
    rng = np.random.default_rng(0)
    weights = rng.choice(np.r_[0.0, rng.random(50), 1e-300, 441.7], 4000)
    got, edges = sort_edges(weights, np.arange(4000))
    np.testing.assert_array_equal(edges, np.argsort(weights, kind="stable"))
    np.testing.assert_array_equal(got, np.sort(weights))


def test_weights_of_a_known_image():
    image = np.zeros((2, 2, 3))
    image[0, 1] = (0.3, 0, 0.4)
    weights, edges = edge_weights(image)
    # right of rows 0 and 1, down of columns 0 and 1, down-right, up-right (from the lower left)
    np.testing.assert_allclose(weights, [0.5, 0, 0, 0.5, 0, 0.5])
    np.testing.assert_array_equal(edges, [0, 2, 4, 5, 8, 14])


def test_steps_only_merge_and_end_in_the_result():
    image = skimage.data.coffee()[:120, :150]
    states = list(felzenszwalb_steps(image, 100, n_steps=7))
    assert len(states) == 9
    assert states[0].n_segments == 120 * 150
    for before, after in itertools.pairwise(states):
        assert isinstance(after, FelzenszwalbState)
        assert before.weight <= after.weight
        assert after.n_segments == after.labels.max() + 1 <= before.n_segments
        # A refinement: every old segment lies in one new segment.
        pairs = np.unique(np.stack([before.labels, after.labels]).reshape(2, -1), axis=1)
        assert pairs.shape[1] == before.n_segments
    assert [state.small_merged for state in states] == [False] * 8 + [True]
    np.testing.assert_array_equal(states[-1].labels, felzenszwalb(image, 100))


def test_one_pixel_one_row_one_column():
    assert felzenszwalb(np.zeros((1, 1, 3), np.uint8)).tolist() == [[0]]
    row = np.zeros((1, 60, 3), np.uint8)
    row[:, 30:] = 255
    for image in (row, row.transpose(1, 0, 2)):
        np.testing.assert_array_equal(felzenszwalb(image, sigma=0).ravel(), [0] * 30 + [1] * 30)


def test_float_and_uint8_agree():
    image = skimage.data.chelsea()[:60, :60]
    np.testing.assert_array_equal(felzenszwalb(image), felzenszwalb(image * (1 / 255)))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.full((5, 5, 3), np.nan), "NaN"),
        (np.zeros((0, 5, 3)), "empty"),
        (np.zeros((5, 5)), "grey"),
        (np.zeros((5, 5, 3), np.uint16), "uint16"),
        (np.zeros((5, 5, 4), np.uint8), "alpha"),
        (np.zeros((3, 5, 5), np.uint8), "transpose"),
    ],
)
def test_says_what_is_wrong_with_an_image(image, message):
    with pytest.raises(ValueError, match=message):
        felzenszwalb(image)


@pytest.mark.parametrize(
    "wrong", [{"scale": -1}, {"scale": np.inf}, {"sigma": -1}, {"sigma": np.nan}, {"min_size": -1}]
)
def test_names_the_parameter_at_fault(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        felzenszwalb(np.zeros((5, 5, 3), np.uint8), **wrong)


def test_a_step_needs_to_be_one_at_least():
    with pytest.raises(ValueError, match="n_steps"):
        felzenszwalb_steps(np.zeros((5, 5, 3), np.uint8), n_steps=0)
