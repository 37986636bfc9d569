"""Numba kernels of the fully connected CRF on the CPU: the arithmetic of `permutohedral.py`.

What makes them fast:
- a vertex of the lattice is one 64-bit number, so that the hash table compares and hashes one word;
  most pixels share vertices with the pixel before, and for these the table is not asked at all;
- an iteration passes over the pixels once: it slices both lattices, applies softmax, and splats the
  new marginals into the lattices of the next iteration, while a pixel's labels lie in registers and
  first-level cache. Marginals are written to memory in the last pass only;
- marginals sum to 1, so that the messages of all labels sum to the filtered constant 1, which is
  known beforehand: only C - 1 labels are filtered, with two labels a single one;
- normalisation is folded into the barycentric weights.

Shapes: N pixels, d features, M vertices, C labels; `vertices` (N, d + 1) int32, `weights`
(N, d + 1), `neighbors` (d + 1, M, 2) with M for "there is none", values (M + 1, channels), whose
last row stays zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

_F = np.float32
_OPTIONS: dict[str, Any] = dict(cache=True, nogil=True, error_model="numpy", fastmath=True)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_EMPTY = np.int64(-(2**63))


@njit(**_OPTIONS)
def _slot(key: Any, shift: int) -> Any:
    """Fibonacci hashing: the upper bits of a product."""
    return np.int64((np.uint64(key) * _GOLDEN) >> np.uint64(shift))


@njit(**_OPTIONS)
def _find(key: Any, keys: Any, table: Any, shift: int) -> Any:
    """Number of the vertex `key`, or -(free slot) - 1 when it has none yet."""
    mask = len(table) - 1
    slot = _slot(key, shift)
    while True:
        entry = table[slot]
        if entry < 0:
            return -slot - 1
        if keys[entry] == key:
            return entry
        slot = (slot + 1) & mask


@njit(**_OPTIONS)
def _grow(keys: Any, count: int, table: Any) -> Any:
    """A table of twice the size with the first `count` keys."""
    larger = np.full(2 * len(table), -1, np.int32)
    shift = 64 - int(np.round(np.log2(len(larger))))
    for entry in range(count):
        larger[-_find(keys[entry], keys, larger, shift) - 1] = entry
    return larger, shift


@njit(**_OPTIONS)
def embed(
    features: NDArray[np.float32], scale: NDArray[np.float32], strides: NDArray[np.int64]
) -> Any:
    """Find each pixel's simplex (Adams et al., section 3.1): see `permutohedral.enclosing_simplex`.

    Args:
        features: (d, N).
        scale: (d,), of each feature.
        strides: (d + 1,), what a step of 1 in a coordinate adds to a vertex' key; the last is 0.

    Returns:
        vertices, weights, and the keys (M,) of the vertices.
    """
    d, n = features.shape
    vertices = np.empty((n, d + 1), np.int32)
    weights = np.empty((n, d + 1), np.float32)
    bits = max(10, int(np.ceil(np.log2(n))) - 2)
    table = np.full(1 << bits, -1, np.int32)
    shift = 64 - bits
    keys = np.empty(n * (d + 1), np.int64)
    count = 0
    ones = np.int64(0)
    for i in range(d):
        ones += strides[i]
    elevated = np.empty(d + 1, np.float32)
    nearest = np.empty(d + 1, np.float32)
    rank = np.empty(d + 1, np.int32)
    at_rank = np.empty(d + 1, np.int32)
    last_key = np.full(d + 1, _EMPTY)
    last_vertex = np.zeros(d + 1, np.int32)
    inverse = _F(1) / _F(d + 1)
    for p in range(n):
        total = _F(0)
        for j in range(d, 0, -1):
            f = features[j - 1, p] * scale[j - 1]
            elevated[j] = total - _F(j) * f
            total += f
        elevated[0] = total
        excess = _F(0)
        for i in range(d + 1):
            v = np.rint(elevated[i] * inverse)
            nearest[i] = v * _F(d + 1)
            elevated[i] -= nearest[i]
            excess += v
            rank[i] = 0
        for i in range(d):
            for j in range(i + 1, d + 1):
                lower = elevated[i] < elevated[j]
                rank[i] += lower
                rank[j] += not lower
        shifted = np.int32(excess)
        for i in range(d + 1):
            r = rank[i] + shifted
            if r < 0:
                r += d + 1
                nearest[i] += _F(d + 1)
                elevated[i] -= _F(d + 1)
            elif r > d:
                r -= d + 1
                nearest[i] -= _F(d + 1)
                elevated[i] += _F(d + 1)
            at_rank[r] = i
        key = np.int64(0)
        for i in range(d):
            key += np.int64(nearest[i]) * strides[i]
        for k in range(d + 1):
            # Vertex k: all coordinates one higher than vertex k - 1, and the one of rank
            # d + 1 - k lower by d + 1 more.
            if k > 0:
                key += ones - (d + 1) * strides[at_rank[d + 1 - k]]
                b = elevated[at_rank[d - k]] - elevated[at_rank[d + 1 - k]]
            else:
                b = _F(d + 1) + elevated[at_rank[d]] - elevated[at_rank[0]]
            weights[p, k] = b * inverse
            if key != last_key[k]:
                entry = _find(key, keys, table, shift)
                if entry < 0:
                    keys[count] = key
                    table[-entry - 1] = count
                    entry = count
                    count += 1
                    if 2 * count > len(table):
                        table, shift = _grow(keys, count, table)
                last_key[k] = key
                last_vertex[k] = entry
            vertices[p, k] = last_vertex[k]
    return vertices, weights, keys[:count].copy(), table


@njit(**_OPTIONS)
def find_neighbors(keys: Any, table: Any, strides: Any) -> Any:
    """The two neighbours of each vertex along each of the d + 1 axes."""
    d, m = len(strides) - 1, len(keys)
    shift = 64 - int(np.round(np.log2(len(table))))
    neighbors = np.full((d + 1, m, 2), m, np.int32)
    ones = np.int64(0)
    for i in range(d):
        ones += strides[i]
    for axis in range(d + 1):
        step = (d + 1) * strides[axis] - ones
        for v in range(m):
            entry = _find(keys[v] + step, keys, table, shift)
            if entry >= 0:
                neighbors[axis, v, 0] = entry
                neighbors[axis, entry, 1] = v
    return neighbors


@njit(**_OPTIONS)
def blur(values: Any, spare: Any, neighbors: Any) -> Any:
    """Blur with (1/2, 1, 1/2) along each axis; returns the array that has the result."""
    m = neighbors.shape[1]
    channels = values.shape[1]
    for axis in range(neighbors.shape[0]):
        for v in range(m):
            a, b = neighbors[axis, v, 0], neighbors[axis, v, 1]
            for c in range(channels):
                spare[v, c] = values[v, c] + _F(0.5) * (values[a, c] + values[b, c])
        values, spare = spare, values
    return values, spare


@njit(**_OPTIONS)
def normalize(vertices: Any, weights: Any, neighbors: Any, alpha: float) -> Any:
    """Fold D^(-1/2) into the weights, in place; returns the filtered constant 1, (N,)."""
    n, k = vertices.shape
    m = neighbors.shape[1]
    ones = np.empty(n, np.float32)
    values, spare = np.zeros((m + 1, 1), np.float32), np.zeros((m + 1, 1), np.float32)
    for p in range(n):
        for j in range(k):
            values[vertices[p, j], 0] += weights[p, j]
    values, spare = blur(values, spare, neighbors)
    for p in range(n):
        total = _F(0)
        for j in range(k):
            total += weights[p, j] * values[vertices[p, j], 0]
        norm = _F(1) / np.sqrt(total * _F(alpha) + _F(1e-20))
        for j in range(k):
            weights[p, j] *= norm
    values[:] = 0
    spare[:] = 0
    for p in range(n):
        for j in range(k):
            values[vertices[p, j], 0] += weights[p, j]
    values, spare = blur(values, spare, neighbors)
    for p in range(n):
        total = _F(0)
        for j in range(k):
            total += weights[p, j] * values[vertices[p, j], 0]
        ones[p] = total * _F(alpha)
    return ones


@njit(**_OPTIONS)
def _gather(vertices: Any, weights: Any, values: Any, factor: Any, p: int, x: Any) -> None:
    """Add a kernel's messages to x; vertices come in threes, which saves passes over x."""
    channels = values.shape[1]
    for j in range(0, vertices.shape[1], 3):
        u, v, w = vertices[p, j], vertices[p, j + 1], vertices[p, j + 2]
        a, b, c = factor * weights[p, j], factor * weights[p, j + 1], factor * weights[p, j + 2]
        for label in range(channels):
            x[label] += a * values[u, label] + b * values[v, label] + c * values[w, label]


@njit(**_OPTIONS)
def _scatter(vertices: Any, weights: Any, values: Any, p: int, q: Any) -> None:
    """Splat a pixel's marginals."""
    channels = values.shape[1]
    for j in range(vertices.shape[1]):
        v, w = vertices[p, j], weights[p, j]
        for label in range(channels):
            values[v, label] += w * q[label]


@njit(**_OPTIONS)
def _softmax(x: Any, q: Any, whole: Any, bits: Any) -> None:
    """q = softmax(x); exp by 2^whole · 2^rest, the rest by a polynomial (1e-7 relative)."""
    n = len(x)
    largest = x[0]
    for label in range(1, n):
        largest = max(largest, x[label])
    total = _F(0)
    for label in range(n):
        t = max((x[label] - largest) * _F(1.4426950408889634), _F(-126))
        r = np.floor(t + _F(0.5))
        t = (t - r) * _F(0.6931471805599453)
        whole[label] = np.int32(r)
        q[label] = _F(1) + t * (
            _F(1) + t * (_F(0.5) + t * (_F(1 / 6) + t * (_F(1 / 24) + t * (
                _F(1 / 120) + t * _F(1 / 720)))))
        )  # fmt: skip
    for label in range(n):
        bits[label] += whole[label] << np.int32(23)
    for label in range(n):
        total += q[label]
    total = _F(1) / total
    for label in range(n):
        q[label] *= total


@njit(**_OPTIONS)
def sweep(
    unary: Any, compatibility: Any, constant: Any, first: Any, second: Any, factors: Any,
    read: bool, marginals: Any,
) -> None:  # fmt: skip
    """One pass over the pixels: slice both lattices, softmax, splat.

    Args:
        unary: (N, C), -log p.
        compatibility: (C, C), or (0, 0) for Potts.
        constant: (N,), the weighted sum of both kernels' messages over all labels.
        first: vertices, weights, values to read and values to add to, of one kernel.
        second: the same of the other.
        factors: (2,), what to multiply the kernels' messages with.
        read: False in the first pass, when there are no messages.
        marginals: (N, C) to be written in the last pass; (0, C) in the others.
    """
    n, labels = unary.shape
    x = np.empty(labels, np.float32)
    messages = np.empty(labels, np.float32)
    q = np.empty(labels, np.float32)
    whole = np.empty(labels, np.int32)
    bits = q.view(np.int32)
    vertices_a, weights_a, old_a, new_a = first
    vertices_b, weights_b, old_b, new_b = second
    for p in range(n):
        for label in range(labels):
            x[label] = -unary[p, label]
        if read:
            for label in range(labels):
                messages[label] = 0
            _gather(vertices_a, weights_a, old_a, factors[0], p, messages)
            _gather(vertices_b, weights_b, old_b, factors[1], p, messages)
            rest = constant[p]
            for label in range(labels - 1):
                rest -= messages[label]
            messages[labels - 1] = rest
            if len(compatibility):
                for k in range(labels):
                    for label in range(labels):
                        x[label] -= compatibility[k, label] * messages[k]
            else:
                for label in range(labels):
                    x[label] += messages[label]
        _softmax(x, q, whole, bits)
        if len(marginals):
            for label in range(labels):
                marginals[p, label] = q[label]
        else:
            _scatter(vertices_a, weights_a, new_a, p, q)
            _scatter(vertices_b, weights_b, new_b, p, q)


@njit(**_OPTIONS)
def sweep_two(
    unary: Any, constant: Any, first: Any, second: Any, factors: Any, read: bool, marginals: Any
) -> None:
    """`sweep` for two labels and Potts: softmax is a sigmoid, all of a pixel fits in registers."""
    n = len(unary)
    vertices_a, weights_a, old_a, new_a = first
    vertices_b, weights_b, old_b, new_b = second
    for p in range(n):
        x = unary[p, 1] - unary[p, 0]
        if read:
            a = b = _F(0)
            for j in range(vertices_a.shape[1]):
                a += weights_a[p, j] * old_a[vertices_a[p, j], 0]
            for j in range(vertices_b.shape[1]):
                b += weights_b[p, j] * old_b[vertices_b[p, j], 0]
            x += _F(2) * (factors[0] * a + factors[1] * b) - constant[p]
        q = _F(1) / (_F(1) + np.exp(-x))
        if len(marginals):
            marginals[p, 0], marginals[p, 1] = q, _F(1) - q
        else:
            for j in range(vertices_a.shape[1]):
                new_a[vertices_a[p, j], 0] += weights_a[p, j] * q
            for j in range(vertices_b.shape[1]):
                new_b[vertices_b[p, j], 0] += weights_b[p, j] * q
