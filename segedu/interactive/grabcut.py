"""GrabCut: colour mixtures for object and background, refined with a graph cut, in turn.

C. Rother, V. Kolmogorov, A. Blake: "GrabCut: Interactive Foreground Extraction using Iterated Graph
Cuts", ACM SIGGRAPH 2004. The minimum cut and the mixtures are OpenCV's; what the prompts mean, how
fast an answer comes and the energy that the lecture plots are ours.

The idea in three lines: the user says what is surely background (outside a box) and perhaps some of
what is surely object. Five Gaussians model the colours of each side. A minimum cut then finds the
segmentation of lowest energy E = U + V (eq. 7): U, how badly the pixels fit their side's mixture
(eqs. 8, 9), and V, the price of a border where colours hardly differ (eq. 11). Repeat.

Shapes: image (H, W, 3); trimap (H, W) of OpenCV's four labels; a mixture is OpenCV's (1, 65).

Departures from the paper:
- clicks are small disks and count as strokes; without a box or a contour, a disk around the
  positive prompts is where the object may be.
- the background is learned from the surroundings of the box only, half its size wide: what is far
  away says little of what is behind the object, and a small object in a large image stays sharp.
- large regions: the iterations run on a smaller copy, then one cut at full size decides a band
  along the border, with mixtures of full-size pixels (the copy's have less noise). A click is
  answered in a fraction of a second that way.
- no border matting.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from segedu.images import as_uint8
from segedu.interactive.protocol import (
    Prediction,
    PromptKind,
    Prompts,
    Stroke,
    inside_contour,
    require_accepted,
)

COMPONENTS = 5  # Gaussians in each mixture, the paper's section 3.1
GAMMA = 50.0  # the paper's section 2.2

# OpenCV's labels: surely background, surely object, perhaps background, perhaps object.
BACKGROUND, OBJECT, MAYBE_BACKGROUND, MAYBE_OBJECT = 0, 1, 2, 3

WHOLE = (0, 0, 0, 0)  # OpenCV asks for a rectangle even where the trimap says it all

Trimap = NDArray[np.uint8]
Mixture = NDArray[np.float64]


@dataclass(frozen=True)
class GrabCutState:
    """GrabCut after an iteration.

    Attributes:
        iteration: from 1.
        mask: (H, W) bool, the object.
        trimap: (H, W) uint8, what was sure and is supposed now, in OpenCV's labels.
        background: (1, 65) float64, the mixture: 5 weights, 5 means (3), 5 covariances (9).
        object: the same for the object.
        image: (H, W, 3) uint8, what was segmented.
    """

    iteration: int
    mask: NDArray[np.bool_]
    trimap: Trimap
    background: Mixture
    object: Mixture
    image: NDArray[np.uint8]

    @property
    def energy(self) -> float:
        """E = U + V of eq. 7 with these mixtures and this mask."""
        return energy(self.image, self.mask, self.background, self.object)


def trimap_from_prompts(prompts: Prompts, shape: tuple[int, int], click_radius: float) -> Trimap:
    """Turn prompts into what is surely and what is perhaps object (the paper's T_F, T_B, T_U).

    Args:
        prompts: a box, a contour, strokes, clicks or any of them together, or a previous mask.
        shape: (H, W).
        click_radius: radius in pixels of the disk that a click stands for.

    Returns:
        (H, W) uint8 in OpenCV's labels.

    Raises:
        ValueError: there is nothing that says where the object is.
    """
    height, width = shape
    strokes = [Stroke(np.array([[c.x, c.y]]), click_radius, c.positive) for c in prompts.clicks]
    strokes = [*prompts.strokes, *strokes]
    if prompts.box is not None or prompts.contour is not None:
        trimap = np.full(shape, BACKGROUND, np.uint8)
        trimap[_inside(prompts, shape)] = MAYBE_OBJECT
    elif any(stroke.positive for stroke in strokes):
        trimap = np.full(shape, MAYBE_BACKGROUND, np.uint8)
        reach = min(height, width) / 5
        for stroke in strokes:
            if stroke.positive:
                near = Stroke(stroke.points, stroke.radius + reach).mask(shape)
                trimap[near] = MAYBE_OBJECT
    elif prompts.previous_mask is not None:
        trimap = np.where(prompts.previous_mask, MAYBE_OBJECT, MAYBE_BACKGROUND).astype(np.uint8)
    else:
        raise ValueError(
            "nothing says where the object is: add a box, or a positive click or stroke"
        )
    for stroke in strokes:
        trimap[stroke.mask(shape)] = OBJECT if stroke.positive else BACKGROUND
    return trimap


def _inside(prompts: Prompts, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels inside the box and inside the contour, where there are such."""
    inside = np.ones(shape, bool)
    if prompts.box is not None:
        x0, y0, x1, y1 = prompts.box
        rows, cols = np.arange(shape[0])[:, None] + 0.5, np.arange(shape[1])[None] + 0.5
        inside &= (rows > y0) & (rows < y1) & (cols > x0) & (cols < x1)
    if prompts.contour is not None:
        inside &= inside_contour(prompts.contour, shape)
    return inside


def grabcut_steps(image: Any, trimap: Trimap, iterations: int = 5) -> Iterator[GrabCutState]:
    """Yield GrabCut's state after every iteration (the paper's figure 3).

    Args:
        image: (H, W, 3), RGB.
        trimap: (H, W) uint8 in OpenCV's labels, as `trimap_from_prompts` makes it.
        iterations: how many.

    Raises:
        ValueError: `trimap` has no pixel that may be object, or none that may be background.
    """
    pixels = as_uint8(image)
    check_both_sides(trimap)
    trimap = trimap.copy()
    background, foreground = np.zeros((1, 13 * COMPONENTS)), np.zeros((1, 13 * COMPONENTS))
    mode = cv2.GC_INIT_WITH_MASK
    for iteration in range(1, iterations + 1):
        cv2.setRNGSeed(0)  # k-means starts the mixtures: the same start every time
        cv2.grabCut(pixels, trimap, WHOLE, background, foreground, 1, mode)
        mode = cv2.GC_EVAL
        mask = (trimap & 1).astype(bool)
        yield GrabCutState(
            iteration, mask, trimap.copy(), background.copy(), foreground.copy(), pixels
        )


def check_both_sides(trimap: Trimap) -> None:
    """Raise a ValueError unless there may be object and there may be background."""
    is_object = (trimap & 1).astype(bool)
    if not is_object.any():
        raise ValueError("the prompts leave no pixel to the object")
    if is_object.all():
        raise ValueError("the prompts leave no pixel to the background: make the box smaller")


def negative_log_likelihood(image: NDArray[Any], mixture: Mixture) -> NDArray[np.float64]:
    """-log of the mixture's density at every pixel: D of eq. 9, with all components summed.

    image (H, W, 3) uint8, mixture (1, 65) -> (H, W).
    """
    weights, means, covariances = unpack_mixture(mixture)
    x = image.reshape(-1, 3).astype(np.float64)
    density = np.zeros(len(x))
    for weight, mean, covariance in zip(weights, means, covariances, strict=True):
        if weight <= 0:
            continue
        d = x - mean
        mahalanobis = np.einsum("ni,ij,nj->n", d, np.linalg.inv(covariance), d)
        density += weight / np.sqrt(np.linalg.det(covariance)) * np.exp(-mahalanobis / 2)
    result: NDArray[np.float64] = -np.log(np.maximum(density, 1e-300)).reshape(image.shape[:2])
    return result


def unpack_mixture(
    mixture: Mixture,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """OpenCV's (1, 65) -> weights (5,), means (5, 3) in RGB, covariances (5, 3, 3)."""
    flat = mixture.ravel()
    k = COMPONENTS
    return flat[:k], flat[k : 4 * k].reshape(k, 3), flat[4 * k :].reshape(k, 3, 3)


def energy(
    image: NDArray[Any], mask: NDArray[np.bool_], background: Mixture, foreground: Mixture
) -> float:
    """E = U + V (eq. 7): the misfit of every pixel to its side, and the price of the border."""
    misfit = np.where(
        mask,
        negative_log_likelihood(image, foreground),
        negative_log_likelihood(image, background),
    )
    return float(misfit.sum() + border_price(image, mask))


def border_price(image: NDArray[Any], mask: NDArray[np.bool_]) -> float:
    """V of eq. 11: gamma * sum of exp(-beta |z_m - z_n|²) / dist over 8-neighbours that differ."""
    z = image.astype(np.float64)
    pairs = []  # squared colour difference, does the mask differ, distance
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        here = (slice(0, z.shape[0] - dy), slice(max(0, -dx), z.shape[1] - max(0, dx)))
        there = (slice(dy, None), slice(max(0, dx), z.shape[1] - max(0, -dx)))
        difference = ((z[here] - z[there]) ** 2).sum(axis=-1)
        pairs.append((difference, mask[here] != mask[there], np.hypot(dy, dx)))
    mean = np.concatenate([difference.ravel() for difference, _, _ in pairs]).mean()
    beta = 1 / (2 * mean) if mean > 0 else 0.0  # section 2.2: adapts to the image's contrast
    return float(GAMMA * sum((np.exp(-beta * d[cut]) / dist).sum() for d, cut, dist in pairs))


class GrabCut:
    """GrabCut in the interactive protocol; takes every kind of prompt.

    Args:
        iterations: of mixtures and cut in turn.
        working_size: longest side in pixels of the copy on which the iterations run.
        click_radius: radius of a click's disk, as a fraction of the image's longer side.
    """

    accepts: ClassVar[frozenset[PromptKind]] = frozenset({"click", "box", "stroke", "contour"})

    def __init__(
        self, iterations: int = 5, working_size: int = 192, click_radius: float = 0.012
    ) -> None:
        self.iterations = iterations
        self.working_size = working_size
        self.click_radius = click_radius
        self._image: NDArray[np.uint8] | None = None

    def set_image(self, image: Any) -> None:
        """Take an image (H, W, 3)."""
        self._image = as_uint8(image)

    def predict(self, prompts: Prompts) -> Prediction:
        """Answer with the mask of lowest energy; the score is NaN, GrabCut has none.

        Raises:
            RuntimeError: `set_image` was not called.
            ValueError: nothing says where the object is, or nothing is left to one of both sides.
        """
        if self._image is None:
            raise RuntimeError("call set_image(image) before predict(prompts)")
        require_accepted(self, prompts)
        radius = max(1.5, self.click_radius * max(self._image.shape[:2]))
        trimap = trimap_from_prompts(prompts, self._image.shape[:2], radius)
        check_both_sides(trimap)
        window = _region(trimap != BACKGROUND)
        mask = np.zeros(trimap.shape, bool)
        mask[window] = self._segment(
            np.ascontiguousarray(self._image[window]), np.ascontiguousarray(trimap[window])
        )
        return Prediction(mask)

    def _segment(self, image: NDArray[np.uint8], trimap: Trimap) -> NDArray[np.bool_]:
        """Iterate on a smaller copy, then decide the band along the border at full size."""
        height, width = trimap.shape
        shrink = self.working_size / max(height, width)
        if shrink >= 1:
            *_, last = grabcut_steps(image, trimap, self.iterations)
            return last.mask
        size = (max(2, round(width * shrink)), max(2, round(height * shrink)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
        small_trimap = _shrink_trimap(trimap, (size[1], size[0]))
        *_, coarse = grabcut_steps(small, small_trimap, self.iterations)
        mask = cv2.resize(
            coarse.mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST
        )
        reach = 2 * int(np.ceil(1 / shrink)) + 1
        kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
        band = cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, kernel).astype(bool)
        fine = np.where(mask > 0, OBJECT, BACKGROUND).astype(np.uint8)
        fine[band] = np.where(mask[band] > 0, MAYBE_OBJECT, MAYBE_BACKGROUND)
        sure = (trimap == OBJECT) | (trimap == BACKGROUND)
        fine[sure] = trimap[sure]
        sample = cv2.resize(image, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8)
        _cut_in_windows(image, fine, band & ~sure, _mixtures(sample, coarse.trimap))
        result: NDArray[np.bool_] = (fine & 1).astype(bool)
        return result


def _region(possible: NDArray[np.bool_], margin: float = 0.5) -> tuple[slice, slice]:
    """Where the object may be (H, W), and around it half its size, to learn the background from."""
    slices = []
    for axis in (1, 0):
        hit = np.flatnonzero(possible.any(axis=axis))
        start, stop = int(hit[0]), int(hit[-1]) + 1
        pad = max(16, round(margin * (stop - start)))
        slices.append(slice(max(0, start - pad), min(possible.shape[1 - axis], stop + pad)))
    return slices[0], slices[1]


def _mixtures(image: NDArray[np.uint8], trimap: Trimap) -> tuple[Mixture, Mixture]:
    """The two sides' mixtures as k-means finds them, without a cut."""
    background, foreground = np.zeros((1, 13 * COMPONENTS)), np.zeros((1, 13 * COMPONENTS))
    cv2.setRNGSeed(0)
    if (trimap & 1).any() and not (trimap & 1).all():
        cv2.grabCut(image, trimap.copy(), WHOLE, background, foreground, 0, cv2.GC_INIT_WITH_MASK)
    return background, foreground


def _cut_in_windows(
    image: NDArray[np.uint8],
    fine: Trimap,
    band: NDArray[np.bool_],
    mixtures: tuple[Mixture, Mixture],
) -> None:
    """Decide the band (H, W) of the trimap `fine`, in place, by a cut with the mixtures found."""
    for window in _windows(band):
        crop = np.ascontiguousarray(fine[window])
        if (crop & 1).all() or not (crop & 1).any():
            continue
        cv2.grabCut(
            np.ascontiguousarray(image[window]), crop, WHOLE,
            *mixtures, 1, cv2.GC_EVAL_FREEZE_MODEL,
        )  # fmt: skip
        fine[window] = crop


def _shrink_trimap(trimap: Trimap, shape: tuple[int, int]) -> Trimap:
    """Smaller copy that keeps every sure object pixel: any one in a cell counts."""
    size = (shape[1], shape[0])
    small = cv2.resize(trimap, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8)
    for label in (BACKGROUND, OBJECT):  # the object last: it is marked most sparingly
        share = cv2.resize((trimap == label).astype(np.float32), size, interpolation=cv2.INTER_AREA)
        small[share >= (0.5 if label == BACKGROUND else 1e-6)] = label
    return small


def _windows(band: NDArray[np.bool_], tile: int = 192) -> Iterator[tuple[slice, slice]]:
    """Tiles that hold a piece of the band: the cut need not see the rest of a large image."""
    height, width = band.shape
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            rows, cols = np.nonzero(band[top : top + tile, left : left + tile])
            if len(rows):
                yield (
                    slice(max(0, top + int(rows.min()) - 1), top + int(rows.max()) + 2),
                    slice(max(0, left + int(cols.min()) - 1), left + int(cols.max()) + 2),
                )
