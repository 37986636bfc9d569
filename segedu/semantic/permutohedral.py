"""The permutohedral lattice: Gaussian filtering in d dimensions at a cost linear in the points.

A. Adams, J. Baek, M. A. Davis: "Fast High-Dimensional Filtering Using the Permutohedral Lattice",
Computer Graphics Forum 29(2) (Eurographics), 2010.

The idea in three lines: embed the points in the hyperplane of coordinates that sum to zero, which
the permutohedral lattice tiles with simplices; splat each point's value to the d + 1 vertices of
its simplex, blur along each of the d + 1 axes of the lattice, and slice the result at the points;
only vertices next to points exist, so that memory and time do not grow with the volume.

Shapes: N points, d features, M vertices, C channels.

Approximates, for every point i, the sum over j of exp(-|f_i - f_j|² / 2) v_j (up to a common factor
near 1, which normalising cancels). The error has two sources: splat, blur and slice together are a
piecewise-linear stand-in for the Gaussian, a few percent; and blurring skips vertices that no point
touches, which loses weight between far points.

This is the readable version in torch, for any device. `crf_kernels.py` has the same in Numba for
the CPU; tests hold both equal, and compare them with brute force.
"""

from __future__ import annotations

import torch
from torch import Tensor


def embedding_scale(d: int) -> list[float]:
    """Diagonal of eq. (3.1): makes the blur's deviation 1 in each feature, -> d numbers.

    The lattice's blur has variance 2 (d + 1)² / 3 along each direction of the hyperplane.
    """
    return [(d + 1) * (2 / 3) ** 0.5 / ((i + 1) * (i + 2)) ** 0.5 for i in range(d)]


def embed(features: Tensor) -> Tensor:
    """Place points in the hyperplane of sum 0 by a scaled rotation: (N, d) -> (N, d + 1)."""
    d = features.shape[1]
    scaled = features * features.new_tensor(embedding_scale(d))
    # Coordinate j is the sum of the features from j on, minus j times the one before. Added one
    # after the other: another order (CUDA's cumsum has any) rounds points on a border elsewhere.
    columns = list(scaled.unbind(1))
    for j in reversed(range(d - 1)):
        columns[j] = columns[j] + columns[j + 1]
    sums = torch.stack(columns, dim=1)  # (N, d): feature j and all after it
    after = torch.cat([sums, sums.new_zeros(len(sums), 1)], dim=1)  # (N, d + 1)
    before = torch.cat([sums.new_zeros(len(sums), 1), scaled], dim=1)
    return after - before * torch.arange(d + 1, device=features.device)


def enclosing_simplex(embedded: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The simplex around each point (section 3.1): nearest remainder-0 vertex, ranks, weights.

    A remainder-k vertex has coordinates that are all k modulo d + 1. Each simplex has one of each
    remainder.

    Args:
        embedded: (N, d + 1).

    Returns:
        The simplex's remainder-0 vertex (N, d + 1) int64; the rank of each coordinate's distance
        from it, 0 for the largest (N, d + 1) int64; barycentric weights (N, d + 1), of the vertices
        of remainder 0 … d.
    """
    d = embedded.shape[1] - 1
    turns = torch.round(embedded / (d + 1))
    excess = turns.sum(dim=1, keepdim=True).long()  # rounding left the hyperplane by so much
    rest = embedded - turns * (d + 1)
    order = rest.argsort(dim=1, descending=True, stable=True)
    places = torch.arange(d + 1, device=rest.device).expand_as(order)
    rank = torch.empty_like(order).scatter_(1, order, places)
    # Bring it back: the coordinates that were rounded furthest go one turn up or down.
    rank = rank + excess
    correction = (rank < 0).long() - (rank > d).long()
    rank = rank + correction * (d + 1)
    nearest = (turns.long() + correction) * (d + 1)
    rest = rest - correction * (d + 1)
    # Weights are differences of neighbours in the sorted distances (proposition 4).
    by_rank = torch.empty_like(rest).scatter_(1, rank, rest)  # largest first
    gaps = (by_rank[:, :-1] - by_rank[:, 1:]) / (d + 1)  # (N, d): ranks 0-1, 1-2, …
    weights = torch.cat([1 - gaps.sum(dim=1, keepdim=True), gaps.flip(1)], dim=1)
    return nearest, rank, weights


def key_strides(features: Tensor) -> Tensor:
    """Weights that turn a vertex' first d coordinates into one integer: -> (d + 1,) int64.

    The last coordinate follows from the others, so its weight is 0. Every coordinate gets room for
    the largest one and a neighbour.

    Raises:
        ValueError: the features reach so far that 64 bits do not suffice.
    """
    d = features.shape[1]
    reach = float((features.abs() * features.new_tensor(embedding_scale(d))).sum(dim=1).max())
    room = 2 * (int(reach * d) + 3 * (d + 1)) + 1
    if not room**d < 2**63:
        raise ValueError(
            f"features reach so far from 0 that the lattice has {room} places along each of {d} "
            "axes; take larger standard deviations (theta)"
        )
    return torch.tensor([room**i for i in range(d)] + [0], device=features.device)


class Lattice:
    """A lattice around given points, ready to filter any values at them.

    Args:
        features: (N, d) float32, divided by the Gaussian's standard deviation in each dimension.

    Attributes:
        vertices: (N, d + 1) int64 in 0 … M - 1: the vertices around each point.
        weights: (N, d + 1): the point's barycentric weights.
        neighbors: (d + 1, M, 2) int64: vertices before and after along each axis; M for none.
    """

    def __init__(self, features: Tensor) -> None:
        d = features.shape[1]
        strides = key_strides(features)
        nearest, rank, self.weights = enclosing_simplex(embed(features))
        keys = []
        for k in range(d + 1):  # the remainder-k vertex: k up, or where rank is low k - d - 1
            corner = nearest + k - (d + 1) * (rank > d - k)  # (N, d + 1)
            keys.append((corner * strides).sum(dim=1))  # CUDA has no matrix product of integers
        found, inverse = torch.stack(keys, dim=1).unique(return_inverse=True)  # (M,), (N, d + 1)
        self.vertices = inverse
        self.neighbors = self._neighbors(found, strides)

    @staticmethod
    def _neighbors(keys: Tensor, strides: Tensor) -> Tensor:
        """Along axis j one step is +d in coordinate j and -1 in all others; keys are sorted."""
        d = len(strides) - 1
        steps = (d + 1) * strides - strides.sum()  # (d + 1,)
        wanted = keys[None, :, None] + steps[:, None, None] * steps.new_tensor([1, -1])
        place = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
        return torch.where(keys[place] == wanted, place, len(keys))

    def splat(self, values: Tensor) -> Tensor:
        """Give every point's value to its vertices: (N, C) -> (M + 1, C), the last row zero."""
        m = self.neighbors.shape[1]
        lattice = values.new_zeros(m + 1, values.shape[1])
        for k in range(self.vertices.shape[1]):
            where, what = self.vertices[:, k], values * self.weights[:, k, None]
            if values.is_cuda:  # sorts by vertex: index_add_ would add in any order there
                lattice.index_put_((where,), what, accumulate=True)
            else:  # one after the other: index_put_ may add in any order here
                lattice.index_add_(0, where, what)
        return lattice

    def blur(self, lattice: Tensor) -> Tensor:
        """Blur with (1/2, 1, 1/2) along one axis after the other: (M + 1, C) -> (M + 1, C)."""
        for axis in self.neighbors:
            before, after = axis.unbind(1)
            blurred = lattice[:-1] + 0.5 * (lattice[before] + lattice[after])
            lattice = torch.cat([blurred, lattice[-1:]])
        return lattice

    def slice(self, lattice: Tensor) -> Tensor:
        """Read at the points: (M + 1, C) -> (N, C)."""
        out = lattice.new_zeros(len(self.vertices), lattice.shape[1])
        for k in range(self.vertices.shape[1]):
            out += lattice[self.vertices[:, k]] * self.weights[:, k, None]
        return out

    def filter(self, values: Tensor) -> Tensor:
        """Gaussian filter values at the points: (N, C) -> (N, C)."""
        return self.slice(self.blur(self.splat(values))) * gain(self.vertices.shape[1] - 1)


def gain(d: int) -> float:
    """What the filter's result is multiplied with, as in the authors' code."""
    return 1 / (1 + 2.0**-d)
