from __future__ import annotations

import itertools

import numpy as np
import pytest
import skimage.data
import skimage.segmentation
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from segedu.superpixels import quickshift, quickshift_tree
from segedu.superpixels.quickshift import (
    QuickshiftTree,
    _density_kernel,
    _nearest_higher_kernel,
    _rings,
    density,
    nearest_higher,
)
from tests.requirements_of_machine import needs_cuda

PARAMETERS = [(1.0, 5, 10), (0.5, 3, 6), (1.0, 2.5, 200), (0.2, 4, 20)]  # ratio, kernel, max_dist


def few_colors(seed: int, shape: tuple[int, int], n: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, 3), dtype=np.uint8)[rng.integers(0, n, shape)]


def blocks(seed: int, shape: tuple[int, int]) -> np.ndarray:
    """Flat patches: every distance within a patch ties with others."""
    small = few_colors(seed, (shape[0] // 12 + 1, shape[1] // 12 + 1), 8)
    return np.kron(small, np.ones((12, 12, 1), np.uint8))[: shape[0], : shape[1]]


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea"])
@pytest.mark.parametrize(("ratio", "kernel_size", "max_dist"), PARAMETERS)
def test_same_labels_as_scikit_image_on_photographs(name, ratio, kernel_size, max_dist):
    image = getattr(skimage.data, name)()[100:220, 60:220]
    ours = quickshift(image, ratio, kernel_size, max_dist, device="cpu")
    theirs = skimage.segmentation.quickshift(image, ratio, kernel_size, max_dist)
    assert ours.dtype == np.int32
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("make", [blocks, lambda seed, shape: few_colors(seed, shape, 5)])
def test_same_labels_and_tree_as_scikit_image_where_everything_ties(seed, make):
    image = make(seed, (50, 61))
    ratio, kernel_size, max_dist = PARAMETERS[seed % len(PARAMETERS)]
    arguments = {"ratio": ratio, "kernel_size": kernel_size, "sigma": 0.7 * (seed % 2)}
    labels, parents, distances = skimage.segmentation.quickshift(
        image, max_dist=max_dist, return_tree=True, rng=seed, **arguments
    )
    tree = quickshift_tree(image, seed=seed, device="cpu", **arguments)
    np.testing.assert_array_equal(tree.parents, parents)
    linked, distances = np.isfinite(tree.distances), np.asarray(distances)
    np.testing.assert_array_equal(tree.distances[linked], distances[linked])
    assert (distances[~linked] > 1e100).all()
    np.testing.assert_array_equal(tree.cut(max_dist), labels)


def test_float64_in_is_the_same_and_float32_is_computed_in_float64():
    image = skimage.data.coffee()[:60, :80]
    expected = quickshift(image, device="cpu")
    np.testing.assert_array_equal(quickshift(image * (1 / 255), device="cpu"), expected)
    image32 = (image / 255).astype(np.float32)
    theirs = skimage.segmentation.quickshift(image32.astype(np.float64))
    np.testing.assert_array_equal(quickshift(image32, device="cpu"), theirs)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    kernel_size=st.sampled_from([0.3, 1.0, 2.0]),
)
def test_kernels_equal_the_readable_version(seed, height, width, kernel_size):
    rng = np.random.default_rng(seed)
    features = rng.integers(-8, 8, (3, height, width)).astype(float)
    features = np.where(rng.random() < 0.5, features, features + rng.random(features.shape))
    readable = torch.from_numpy(features)
    dense = density(readable, kernel_size)
    np.testing.assert_allclose(_density_kernel(features, kernel_size), dense.numpy(), rtol=1e-13)
    # Ties of density on purpose: an equal one is not higher.
    dense = dense.round(decimals=1)
    reach = int(np.ceil(3 * kernel_size))
    parents, distances = nearest_higher(readable, dense, reach)
    channels_last = np.ascontiguousarray(features.transpose(1, 2, 0))
    found = _nearest_higher_kernel(channels_last, dense.numpy(), _rings(reach))
    np.testing.assert_array_equal(found[0], parents.numpy())
    np.testing.assert_allclose(found[1], distances.numpy(), rtol=1e-15)


def test_density_by_the_definition():
    rng = np.random.default_rng(0)
    features = rng.normal(0, 2, (3, 5, 6))
    expected = np.zeros((5, 6))
    for y, x in np.ndindex(5, 6):
        for v, u in np.ndindex(5, 6):
            if max(abs(y - v), abs(x - u)) <= 3:
                d = np.sum((features[:, y, x] - features[:, v, u]) ** 2)
                expected[y, x] += np.exp(-(d + (y - v) ** 2 + (x - u) ** 2) / 2)
    np.testing.assert_allclose(density(torch.from_numpy(features), 1.0), expected)
    np.testing.assert_allclose(_density_kernel(features, 1.0), expected)


def test_far_colors_do_not_underflow_to_nonsense():
    features = np.zeros((3, 1, 4))
    features[0, 0] = [0, 1e3, 1e6, 1e12]
    np.testing.assert_array_equal(_density_kernel(features, 0.1), np.ones((1, 4)))


def test_parents_are_denser_and_distances_right():
    image = skimage.data.chelsea()[:50, :70]
    tree = quickshift_tree(image, 0.5, 3, device="cpu")
    dense, parents = tree.density.ravel(), tree.parents.ravel()
    roots = parents == np.arange(parents.size)
    assert 0 < roots.sum() < 100
    assert (dense[parents] > dense)[~roots].all()
    assert np.isinf(tree.distances.ravel()[roots]).all()
    y, x = np.divmod(np.arange(parents.size), 70)
    plane = np.hypot(y - y[parents], x - x[parents])
    assert (tree.distances.ravel() >= plane - 1e-12)[~roots].all()


def test_a_longer_limit_only_merges():
    tree = quickshift_tree(skimage.data.coffee()[:60, :80], 0.5, 3, device="cpu")
    cuts = [tree.cut(limit) for limit in (0, 2, 5, 10, 1000)]
    assert cuts[0].max() + 1 == 60 * 80
    for fine, coarse in itertools.pairwise(cuts):
        pairs = np.unique(np.stack([fine, coarse]).reshape(2, -1), axis=1)
        assert pairs.shape[1] == fine.max() + 1 > coarse.max() + 1
        np.testing.assert_array_equal(np.unique(coarse), np.arange(coarse.max() + 1))


def test_cut_on_a_tree_made_by_hand():
    tree = QuickshiftTree(
        np.array([[1, 2, 2, 2, 3]]), np.array([[1.0, 3.0, np.inf, 5.0, 1.0]]), np.zeros((1, 5))
    )
    assert tree.cut(10).tolist() == [[0, 0, 0, 0, 0]]
    assert tree.cut(4).tolist() == [[0, 0, 0, 1, 1]]
    assert tree.cut(3).tolist() == [[0, 0, 0, 1, 1]]
    assert tree.cut(2).tolist() == [[0, 0, 1, 2, 2]]
    with pytest.raises(ValueError, match="max_dist"):
        tree.cut(float("nan"))


def test_two_flat_halves_are_not_mixed():
    image = np.zeros((20, 30, 3), np.uint8)
    image[:, 12:] = (200, 30, 30)
    labels = quickshift(image, device="cpu")
    assert not set(labels[:, :12].ravel()) & set(labels[:, 12:].ravel())


def test_one_pixel_and_the_seed():
    assert quickshift(np.zeros((1, 1, 3), np.uint8), device="cpu").tolist() == [[0]]
    flat = np.zeros((40, 40, 3))
    one, same, other = (quickshift(flat, seed=seed, device="cpu") for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


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
        quickshift(image)


@pytest.mark.parametrize(
    "wrong",
    [{"ratio": -1}, {"ratio": np.nan}, {"kernel_size": 0}, {"max_dist": -1}, {"sigma": np.inf}],
)
def test_names_the_parameter_at_fault(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        quickshift(np.zeros((5, 5, 3), np.uint8), **wrong)


@needs_cuda
def test_cuda_gives_the_same_labels():
    image = skimage.data.astronaut()[:200, :200]
    np.testing.assert_array_equal(quickshift(image, device="cuda"), quickshift(image, device="cpu"))
