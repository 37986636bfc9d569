"""The lattice: its geometry, what splat, blur and slice conserve, how near to a Gaussian it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from segedu.semantic import crf_kernels as kernels
from segedu.semantic.permutohedral import (
    Lattice,
    embed,
    embedding_scale,
    enclosing_simplex,
    key_strides,
)


def points(n: int, d: int, spread: float = 2.0, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) * spread


def simplices(features):
    """Coordinates of each point's vertices, (N, d + 1 vertices, d + 1), and weights."""
    d = features.shape[1]
    nearest, rank, weights = enclosing_simplex(embed(features))
    corners = [nearest + k - (d + 1) * (rank > d - k) for k in range(d + 1)]
    return torch.stack(corners, dim=1), weights


@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_embedding_is_a_scaled_rotation_into_the_plane_of_sum_zero(d):
    a, b = points(40, d), points(40, d, seed=1)
    torch.testing.assert_close(embed(a).sum(dim=1), torch.zeros(40), atol=1e-4, rtol=0)
    scale = (2 / 3) ** 0.5 * (d + 1)
    torch.testing.assert_close(
        (embed(a) - embed(b)).norm(dim=1), (a - b).norm(dim=1) * scale, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_point_is_the_weighted_mean_of_its_vertices(d):
    features = points(300, d)
    corners, weights = simplices(features)
    assert (weights >= -1e-5).all()
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(300))
    mean = (corners * weights[..., None]).sum(dim=1)
    torch.testing.assert_close(mean, embed(features), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("d", [2, 5])
def test_vertices_are_on_the_lattice(d):
    """Coordinates of a remainder-k vertex are k modulo d + 1 and sum to zero (definition 1)."""
    corners, _ = simplices(points(200, d))
    assert (corners.sum(dim=2) == 0).all()
    remainders = corners % (d + 1)
    assert (remainders == torch.arange(d + 1)[:, None]).all()


def test_neighbors_go_both_ways():
    lattice = Lattice(points(200, 2, spread=1.0))
    m = lattice.neighbors.shape[1]
    for axis in lattice.neighbors:
        for v, (before, after) in enumerate(axis.tolist()):
            assert before == m or axis[before, 1] == v
            assert after == m or axis[after, 0] == v
    assert (lattice.neighbors < m).any()


def test_splat_conserves_and_slice_of_a_constant_is_the_constant():
    lattice = Lattice(points(300, 3))
    values = points(300, 4, seed=2)
    torch.testing.assert_close(lattice.splat(values).sum(0), values.sum(0), atol=1e-3, rtol=1e-4)
    constant = torch.full((lattice.neighbors.shape[1] + 1, 2), 3.0)
    torch.testing.assert_close(lattice.slice(constant), torch.full((300, 2), 3.0))


def test_filter_is_linear():
    lattice = Lattice(points(100, 2))
    kernel = lattice.filter(torch.eye(100))  # (N, N)
    values = points(100, 3, seed=2)
    torch.testing.assert_close(lattice.filter(values), kernel @ values, atol=1e-4, rtol=1e-4)


def test_dense_points_see_a_gaussian():
    """On a fine grid every vertex exists: what is left is the kernel's shape."""
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(48.0), indexing="ij")
    features = torch.stack([x, y], dim=-1).reshape(-1, 2) / 4
    impulse = torch.zeros(48 * 48, 1)
    impulse[24 * 48 + 24] = 1
    found = Lattice(features).filter(impulse)[:, 0]
    expected = torch.exp(-0.5 * (features - features[24 * 48 + 24]).square().sum(1))
    found, expected = found / found.sum(), expected / expected.sum()
    assert (found - expected).abs().max() < 0.3 * expected.max()
    deviation = (found * (features[:, 0] - 6).square()).sum().sqrt()
    torch.testing.assert_close(deviation, torch.tensor(1.0), atol=0.05, rtol=0)


@pytest.mark.parametrize("d", [2, 5])
def test_numba_finds_the_same_simplices(d):
    features = points(500, d)
    strides = key_strides(features)
    scale = np.array(embedding_scale(d), np.float32)
    columns = np.ascontiguousarray(features.numpy().T)
    vertices, weights, keys, table = kernels.embed(columns, scale, strides.numpy())
    lattice = Lattice(features)
    assert len(np.unique(keys)) == len(keys) == lattice.neighbors.shape[1]
    corners, expected = simplices(features)
    np.testing.assert_array_equal(keys[vertices], (corners @ strides).numpy())
    np.testing.assert_allclose(weights, expected, atol=1e-5)
    neighbors = kernels.find_neighbors(keys, table, strides.numpy())
    order = np.append(np.argsort(keys), len(keys))  # the readable version numbers by key
    where = np.argsort(order)
    np.testing.assert_array_equal(where[neighbors[:, order[:-1]]], lattice.neighbors.numpy())


class Products(TorchDispatchMode):
    """Notes what CUDA lacks or does in any order: products of integers, running sums of floats."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        judged = name in ("mm", "mv", "bmm", "dot", "addmm", "addmv", "baddbmm", "cumsum")
        if judged and args[0].is_floating_point() == (name == "cumsum"):
            self.found.append(name)
        return func(*args, **(kwargs or {}))


def test_operations_are_such_as_cuda_has():
    """Machines without a GPU can test as much: CUDA has no matrix product of integers."""
    with Products() as products:
        points(3, 3).cumsum(1)
        torch.ones(3, 3, dtype=torch.int64) @ torch.ones(3, dtype=torch.int64)
    assert products.found == ["cumsum", "mv"]
    features, values = points(50, 5), points(50, 2)
    with Products() as products:
        Lattice(features).filter(values)
    assert products.found == []


def test_features_too_far_apart():
    with pytest.raises(ValueError, match="larger standard deviations"):
        Lattice(points(10, 5, spread=1e5))
