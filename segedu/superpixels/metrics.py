"""How good superpixels are: five measures, each from its paper.

`labels` is the superpixel map, `truth` one person's segmentation, both (H, W) of integers; every
value is a label like any other (none means "ignore"), and gaps between labels do not matter. N is
the number of pixels, s runs over superpixels, g over segments of the truth, |.| counts pixels.
With several annotators take the mean over them. All results lie in [0, 1].

| measure                           | better | asks                                              |
|-----------------------------------|--------|---------------------------------------------------|
| boundary_recall                   | high   | are the true boundaries found?                    |
| undersegmentation_error           | low    | how much do superpixels leak over true segments?  |
| achievable_segmentation_accuracy  | high   | how good can a segmentation made of these become? |
| compactness                       | high   | how round are they?                               |
| explained_variation               | high   | how much of the image survives averaging?         |

All but compactness improve by themselves when there are more superpixels, so compare methods only
at equal numbers of them. Conventions in use differ by a few hundredths (what a boundary pixel is,
which window the tolerance makes); ours stand in the docstrings. Overview: Stutz, Hermans, Leibe,
"Superpixels: an evaluation of the state of the art", CVIU 2018. Each function is checked against a
literal loop in the tests.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from segedu.images import check_image, check_label_map


def boundary_recall(labels: Any, truth: Any, tolerance: int = 2) -> float:
    """Part of the true boundary pixels that have a superpixel boundary pixel near.

    A boundary pixel has a pixel of another label among its 4 neighbours, so a boundary is two
    pixels wide, one on each side. Near means within `tolerance` rows and columns: somewhere in the
    window of (2 tolerance + 1)² pixels, at tolerance 2 the usual 5 x 5.

    Args:
        labels: superpixels (H, W) int.
        truth: segmentation (H, W) int.
        tolerance: pixels, at least 0.

    Returns:
        TP / (TP + FN) in [0, 1]; 1 where the truth has no boundary.

    Raises:
        ValueError: not label maps of one shape, or a negative tolerance.

    Martin, Fowlkes, Malik, TPAMI 2004; for superpixels Achanta et al., TPAMI 2012.
    """
    labels, truth = _check_pair(labels, truth)
    if int(tolerance) != tolerance or tolerance < 0:
        raise ValueError(f"tolerance must be a whole number of pixels, 0 or more, got {tolerance}")
    window = np.ones((2 * int(tolerance) + 1,) * 2, np.uint8)
    near = cv2.dilate(boundary_pixels(labels).view(np.uint8), window).view(bool)
    true = boundary_pixels(truth)
    total = np.count_nonzero(true)
    return np.count_nonzero(true & near) / total if total else 1.0


def boundary_pixels(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Pixels with another label among their 4 neighbours: (H, W) int -> (H, W) bool."""
    boundary = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        before, after = _neighbours(labels, axis)
        differs = before != after
        for side in _neighbours(boundary, axis):  # views: both pixels of the pair are marked
            side |= differs
    return boundary


def undersegmentation_error(labels: Any, truth: Any) -> float:
    """How far superpixels leak over the borders of true segments.

    (1 / N) sum over g, sum over s that meet g, of min(|s ∩ g|, |s \\ g|): of every superpixel that
    straddles a border the smaller part counts, so a narrow overlap costs little.

    Args:
        labels: superpixels (H, W) int.
        truth: segmentation (H, W) int.

    Returns:
        The error, 0 where no superpixel crosses a border.

    Raises:
        ValueError: not label maps of one shape.

    Neubert, Protzel, "Superpixel benchmark and comparison", Forum Bildverarbeitung 2012.
    """
    labels, truth = _check_pair(labels, truth)
    superpixel, common = _intersections(labels, truth)
    size = np.bincount(superpixel, common)  # (K,), |s|
    return float(np.minimum(common, size[superpixel] - common).sum() / labels.size)


def achievable_segmentation_accuracy(labels: Any, truth: Any) -> float:
    """Best pixel accuracy of any segmentation that keeps the superpixels whole.

    (1 / N) sum over s of max over g of |s ∩ g|.

    Args:
        labels: superpixels (H, W) int.
        truth: segmentation (H, W) int.

    Returns:
        The accuracy in (0, 1].

    Raises:
        ValueError: not label maps of one shape.

    Liu, Tuzel, Ramalingam, Chellappa, "Entropy rate superpixel segmentation", CVPR 2011.
    """
    labels, truth = _check_pair(labels, truth)
    superpixel, common = _intersections(labels, truth)
    largest = np.zeros(superpixel[-1] + 1, np.int64)
    np.maximum.at(largest, superpixel, common)
    return float(largest.sum() / labels.size)


def compactness(labels: Any) -> float:
    """How round superpixels are: the isoperimetric quotient, weighted by size.

    sum over s of |s| / N * 4 π |s| / P_s². The perimeter P_s counts the sides of pixels between s
    and other labels or the outside of the image. A square reaches π / 4; no shape on a pixel grid
    does better.

    Args:
        labels: superpixels (H, W) int.

    Returns:
        The compactness in (0, π / 4].

    Raises:
        ValueError: not a label map.

    Schick, Fischer, Stiefelhagen, "Measuring and evaluating the compactness of superpixels", ICPR
    2012.
    """
    labels = _numbered(check_label_map(labels))
    area = np.bincount(labels.ravel())  # (K,)
    perimeter = np.zeros(len(area), np.int64)
    for axis in (0, 1):
        before, after = _neighbours(labels, axis)
        crossing = before != after
        first, last = labels.take(0, axis), labels.take(-1, axis)
        for sides in (before[crossing], after[crossing], first, last):
            perimeter += np.bincount(sides, minlength=len(area))
    quotient = 4 * np.pi * area / perimeter**2
    return float((area * quotient).sum() / labels.size)


def explained_variation(labels: Any, image: Any) -> float:
    """Part of the image's variance that is left when superpixels are painted in their mean colour.

    sum over s of |s| ‖μ_s - μ‖² / sum over pixels i of ‖x_i - μ‖², in RGB as the image is given.

    Args:
        labels: superpixels (H, W) int.
        image: (H, W, 3), RGB, uint8 or float in [0, 1].

    Returns:
        R² in [0, 1]; 1 for an image of one colour.

    Raises:
        ValueError: not a label map, not an image, or different sizes.

    Moore, Prince, Warrell, Mohammed, Jones, "Superpixel lattices", CVPR 2008.
    """
    colors = check_image(image).reshape(-1, 3).astype(np.float64)
    index = _numbered(check_label_map(labels, np.shape(image)[:2])).ravel()
    size = np.bincount(index)  # (K,)
    total, explained = 0.0, 0.0
    for channel in (colors - colors.mean(axis=0)).T:  # (N,): the mean is 0
        mean = np.bincount(index, channel) / size
        explained += float(size @ mean**2)
        total += float(channel @ channel)
    return min(explained / total, 1.0) if total > 1e-12 * len(colors) else 1.0


def _check_pair(labels: Any, truth: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    labels = check_label_map(labels)
    return labels, check_label_map(truth, labels.shape, "truth")


def _neighbours(array: NDArray[Any], axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """All pairs of neighbours along `axis`, as two views: the first and the second of each."""
    return (array[:-1], array[1:]) if axis == 0 else (array[:, :-1], array[:, 1:])


def _numbered(labels: NDArray[Any]) -> NDArray[np.int64]:
    """The same partition with labels 0 … K-1, in the labels' order."""
    low, high = int(labels.min()), int(labels.max())
    if high - low >= 4 * labels.size + 1024:  # a table would be out of proportion
        return np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
    shifted = labels.astype(np.int64) - low
    used = np.zeros(high - low + 1, bool)
    used[shifted] = True
    if used.all():
        return shifted
    numbered: NDArray[np.int64] = (np.cumsum(used) - 1)[shifted]
    return numbered


def _intersections(
    labels: NDArray[Any], truth: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every s that meets a g, sorted by s, and |s ∩ g|: two arrays of one length.

    labels (H, W), truth (H, W) -> index of s (M,), pixels in common (M,).
    """
    labels, truth = _numbered(labels), _numbered(truth)
    n_truth = int(truth.max()) + 1
    pair = (labels * n_truth + truth).ravel()
    if pair.max() < 4 * pair.size + 1024:
        common = np.bincount(pair)
        pairs = np.flatnonzero(common)
        return pairs // n_truth, common[pairs]
    pairs, common = np.unique(pair, return_counts=True)
    return pairs // n_truth, common
