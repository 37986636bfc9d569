"""Connectivity: every superpixel one 4-connected region, and as many of them as were asked for.

SLIC's assignment leaves pieces cut off from their superpixel (Achanta et al., TPAMI 2012, section
3, last paragraph: they are given to a neighbour). How that is done decides more of the final
quality than anything else in SLIC. Here:

1. split every label into its 4-connected pieces;
2. while the smallest piece is smaller than `min_size`, or there are more than `max_regions`, it
   joins a neighbour: the one with which it makes the region's colour vary least more (Ward, 1963);
3. number what is left from 0 in the order in which a reader meets it.

So a piece that is large enough stays, also when its label has a larger one elsewhere: it is there
because it fits an object. (The paper's code merges every piece but takes any neighbour.)

Everything works on runs, stretches of equal labels in a row, of which there are some ten times
fewer than pixels: M runs, E pairs of runs that touch, n pieces. Checked against a literal version
with flood fill in the tests.
"""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def _find(parent: Any, i: int) -> int:
    """Root of i, halving the path on the way."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True, nogil=True)
def _numbers(parent: Any) -> tuple[Any, int]:
    """Number the sets from 0 in the order of their first members: (M,) -> (M,), how many."""
    number = np.empty(len(parent), np.int32)
    n = 0
    for i in range(len(parent)):
        root = _find(parent, i)  # a root is the first of its set
        if root == i:
            number[i] = n
            n += 1
        else:
            number[i] = number[root]
    return number, n


@njit(cache=True, nogil=True)
def _runs(labels: NDArray[np.int32]) -> tuple[Any, Any]:
    """Cut the rows of labels (H, W) into runs of equal labels.

    -> start (M + 1,): run r covers the pixels start[r] … start[r + 1] - 1 of the flat image;
    first (H + 1,): row y has the runs first[y] … first[y + 1] - 1.
    """
    height, width = labels.shape
    start = np.empty(height * width + 1, np.int32)
    first = np.empty(height + 1, np.int32)
    n = 0
    for y in range(height):
        first[y] = n
        start[n] = y * width
        n += 1
        for x in range(1, width):
            if labels[y, x] != labels[y, x - 1]:
                start[n] = y * width + x
                n += 1
    first[height], start[n] = n, height * width
    return start[: n + 1], first


@njit(cache=True, nogil=True)
def _touching(start: Any, first: Any, width: int) -> Any:
    """All pairs of runs that share a side of a pixel: (E, 2)."""
    pairs = np.empty((3 * len(start), 2), np.int32)
    n = 0
    for y in range(len(first) - 1):
        for r in range(first[y] + 1, first[y + 1]):
            pairs[n, 0], pairs[n, 1] = r - 1, r
            n += 1
        if y == 0:
            continue
        above, below = first[y - 1], first[y]
        while above < first[y]:  # both rows are covered without gaps, so both end at once
            pairs[n, 0], pairs[n, 1] = above, below
            n += 1
            gap = start[above + 1] + width - start[below + 1]
            if gap <= 0:
                above += 1
            if gap >= 0:
                below += 1
    return pairs[:n]


@njit(cache=True, nogil=True)
def _pieces(labels: Any, start: Any, pairs: Any) -> tuple[Any, int]:
    """The piece of every run (M,), numbered in reading order, and how many there are."""
    flat = labels.reshape(-1)
    parent = np.arange(len(start) - 1).astype(np.int32)
    for e in range(len(pairs)):
        r, s = pairs[e]
        if flat[start[r]] == flat[start[s]]:
            r, s = _find(parent, r), _find(parent, s)
            parent[max(r, s)] = min(r, s)
    return _numbers(parent)


@njit(cache=True, nogil=True)
def _painted(labels: Any, start: Any, number: Any) -> Any:
    """A map of the shape of labels in which run r has the value number[r]."""
    painted = np.empty(labels.shape, np.int32)
    flat = painted.reshape(-1)
    for r in range(len(number)):
        flat[start[r] : start[r + 1]] = number[r]
    return painted


@njit(cache=True, nogil=True)
def connected_pieces(labels: NDArray[np.int32]) -> tuple[NDArray[np.int32], int]:
    """Number the 4-connected pieces of equal label from 0 in reading order.

    labels (H, W) -> pieces (H, W) int32, and how many there are.
    """
    start, first = _runs(labels)
    piece, n = _pieces(labels, start, _touching(start, first, labels.shape[1]))
    return _painted(labels, start, piece), n


@njit(cache=True, nogil=True)
def _sizes_and_colors(start: Any, piece: Any, lab: Any, n: int) -> tuple[Any, Any]:
    """Pixels (n,) and sum of Lab (n, 3) of every piece; lab is (3, H * W)."""
    size = np.zeros(n, np.int64)
    color = np.zeros((n, 3))
    for r in range(len(piece)):
        low, high = start[r], start[r + 1]
        sl = sa = sb = 0.0
        for i in range(low, high):
            sl += lab[0, i]
            sa += lab[1, i]
            sb += lab[2, i]
        p = piece[r]
        size[p] += high - low
        color[p, 0] += sl
        color[p, 1] += sa
        color[p, 2] += sb
    return size, color


@njit(cache=True, nogil=True)
def _neighbours(piece: Any, pairs: Any, n: int) -> tuple[Any, Any, Any, Any]:
    """Linked lists of every piece's neighbours, who may stand in them more than once.

    -> head, tail (n,): first and last entry of each piece, -1 for none; after, other (2 E,): the
    entry that follows, and the neighbour.
    """
    head, tail = np.full(n, -1, np.int32), np.full(n, -1, np.int32)
    after, other = np.empty(2 * len(pairs), np.int32), np.empty(2 * len(pairs), np.int32)
    m = 0
    for e in range(len(pairs)):
        for side in range(2):
            p, q = piece[pairs[e, side]], piece[pairs[e, 1 - side]]
            if p == q or (head[p] >= 0 and other[head[p]] == q):
                continue
            after[m], other[m] = head[p], q
            head[p] = m
            if tail[p] < 0:
                tail[p] = m
            m += 1
    return head, tail, after, other


@njit(cache=True, nogil=True)
def _added_variation(size: Any, mean: Any, i: int, j: int) -> float:
    """Ward: growth of the squared deviations from the mean colour when i and j become one."""
    l_, a, b = mean[i, 0] - mean[j, 0], mean[i, 1] - mean[j, 1], mean[i, 2] - mean[j, 2]
    return (l_ * l_ + a * a + b * b) * (size[i] * size[j] / (size[i] + size[j]))


@njit(cache=True, nogil=True)
def _merge(
    size: Any, color: Any, neighbours: tuple[Any, Any, Any, Any], min_size: int, max_regions: int
) -> Any:
    """Step 2: the parent of every piece (n,); size, color and the lists become the merged ones'."""
    head, tail, after, other = neighbours
    n = len(size)
    mean = np.empty_like(color)
    for i in range(n):
        for c in range(3):
            mean[i, c] = color[i, c] / size[i]
    parent = np.arange(n).astype(np.int32)
    # By size, then in reading order. With more than max_regions regions the smallest is below
    # their mean size, so a larger one never has its turn.
    largest = max(min_size, size.sum() // max_regions)
    queue = [size[i] * n + i for i in range(n) if size[i] <= largest]
    heapq.heapify(queue)
    regions = n
    while queue:
        s, i = divmod(heapq.heappop(queue), n)
        if parent[i] != i:
            continue  # it has become part of another region
        if size[i] != s:  # it has grown; its turn comes later
            if size[i] <= largest:
                heapq.heappush(queue, size[i] * n + i)
            continue
        if s >= min_size and regions <= max_regions:
            break
        nearest, least = -1, np.inf
        entry = head[i]
        while entry >= 0:
            j = _find(parent, other[entry])
            if j != i:
                added = _added_variation(size, mean, i, j)
                if added < least or (added == least and j < nearest):
                    nearest, least = j, added
            entry = after[entry]
        if nearest < 0:
            break  # the whole image is one region
        keep, gone = min(i, nearest), max(i, nearest)
        parent[gone] = keep
        size[keep] += size[gone]
        for c in range(3):
            color[keep, c] += color[gone, c]
            mean[keep, c] = color[keep, c] / size[keep]
        after[tail[keep]], tail[keep] = head[gone], tail[gone]
        regions -= 1
        if keep == i and size[i] <= largest:  # the other is in the queue still
            heapq.heappush(queue, size[i] * n + i)
    return parent


@njit(cache=True, nogil=True)
def _enforce(labels: Any, lab: Any, min_size: int, max_regions: int) -> Any:
    start, first = _runs(labels)
    pairs = _touching(start, first, labels.shape[1])
    piece, n = _pieces(labels, start, pairs)
    size, color = _sizes_and_colors(start, piece, lab.reshape(3, labels.size), n)
    parent = _merge(size, color, _neighbours(piece, pairs, n), min_size, max_regions)
    number, _ = _numbers(parent)
    return _painted(labels, start, number[piece])


def enforce_connectivity(
    labels: NDArray[np.int32],
    lab: NDArray[np.float32],
    min_size: int,
    max_regions: int | None = None,
) -> NDArray[np.int32]:
    """Make every label one 4-connected region of at least `min_size` pixels.

    Args:
        labels: (H, W) int32; -1 (a pixel that no window reached) counts as a label like any other.
        lab: (3, H, W) float32 CIELAB, in which neighbours are compared.
        min_size: pixels; smaller pieces join a neighbour.
        max_regions: merge on, the smallest first, until there are at most so many; None for no
            limit.

    Returns:
        (H, W) int32, labels 0 … K-1 in reading order. One region may stay smaller than `min_size`
        when the whole image is.
    """
    result: NDArray[np.int32] = _enforce(
        np.ascontiguousarray(labels, np.int32),
        np.ascontiguousarray(lab, np.float32),
        min_size,
        labels.size if max_regions is None else max_regions,
    )
    return result
