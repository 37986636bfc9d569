"""Pictures of segmentations: boundaries, label overlays, masks with a contour, figure grids.

Every function takes an image (H, W, 3) and returns a new image (H, W, 3) uint8 of the same size, so
that calls compose: `mark_boundaries(overlay_labels(image, labels), labels)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from segedu.images import as_uint8, check_label_map, check_mask

# Okabe & Ito, "Color Universal Design" (2008): told apart with every common colour blindness.
# Ordered so that neighbours differ in lightness too; black, the eighth, is left for outlines.
PALETTE: NDArray[np.uint8] = np.array(
    [
        (0, 114, 178),  # blue
        (230, 159, 0),  # orange
        (0, 158, 115),  # bluish green
        (204, 121, 167),  # reddish purple
        (86, 180, 233),  # sky blue
        (213, 94, 0),  # vermilion
        (240, 228, 66),  # yellow
    ],
    dtype=np.uint8,
)
BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, YELLOW = (
    (int(r), int(g), int(b)) for r, g, b in PALETTE
)

Color = tuple[int, int, int]


def palette(n: int) -> NDArray[np.uint8]:
    """Return `n` colours (n, 3) uint8: the seven of `PALETTE`, then lighter and darker ones.

    Raises:
        ValueError: `n` is negative.
    """
    if n < 0:
        raise ValueError(f"n must not be negative, got {n}")
    rounds = -(-n // len(PALETTE))
    colors = [PALETTE.astype(np.float32)]
    for k in range(1, rounds):
        # Rounds go towards white and black in turn, each a little further than the one before.
        target, amount = (255.0, 0.0)[k % 2 == 0], 1 - 0.72 ** ((k + 1) // 2)
        colors.append(PALETTE * (1 - amount) + target * amount)
    return np.rint(np.concatenate(colors)[:n]).astype(np.uint8)


def boundaries(labels: Any, thickness: int = 1) -> NDArray[np.bool_]:
    """Find the pixels of a label map (H, W) that touch another label to the right or below.

    Args:
        labels: (H, W) of integers.
        thickness: width of the line in pixels, at least 1.

    Returns:
        (H, W) bool, one pixel wide at thickness 1.

    Raises:
        ValueError: `labels` is no label map, or `thickness` is below 1.
    """
    labels = check_label_map(labels)
    if thickness < 1:
        raise ValueError(f"thickness must be at least 1, got {thickness}")
    edge = np.zeros(labels.shape, dtype=bool)
    edge[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    edge[:-1] |= labels[:-1] != labels[1:]
    if thickness > 1:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (thickness, thickness))
        edge = cv2.dilate(edge.astype(np.uint8), kernel).astype(bool)
    return edge


def mark_boundaries(
    image: Any, labels: Any, color: Color = YELLOW, thickness: int = 1
) -> NDArray[np.uint8]:
    """Draw the boundaries between the labels (H, W) over an image (H, W, 3)."""
    out = as_uint8(image).copy()
    out[boundaries(check_label_map(labels, out.shape[:2]), thickness)] = color
    return out


def mean_colors(image: Any, labels: Any) -> NDArray[np.uint8]:
    """Paint every label (H, W, any integers) in the mean colour that the image has on it."""
    pixels = as_uint8(image)
    labels = check_label_map(labels, pixels.shape[:2])
    _, index = np.unique(labels, return_inverse=True)
    index = index.ravel()
    count = np.bincount(index)
    sums = [np.bincount(index, pixels[..., c].ravel()) for c in range(3)]
    means = np.stack(sums, axis=1) / count[:, None]
    return np.rint(means[index]).astype(np.uint8).reshape(pixels.shape)


def overlay_labels(
    image: Any,
    labels: Any,
    alpha: float = 0.5,
    colors: NDArray[np.uint8] | None = None,
    ignore: int | None = None,
) -> NDArray[np.uint8]:
    """Tint an image by its label map.

    Args:
        image: (H, W, 3).
        labels: (H, W), integers from 0; label k takes colour k (modulo the number of colours).
        alpha: 0 shows the image alone, 1 the colours alone.
        colors: (N, 3) uint8; by default `palette` with as many colours as there are labels.
        ignore: a label that stays untinted.

    Raises:
        ValueError: sizes differ, a label is negative, or `alpha` lies outside [0, 1].
    """
    pixels = as_uint8(image)
    labels = check_label_map(labels, pixels.shape[:2])
    _check_alpha(alpha)
    if int(labels.min()) < 0:
        raise ValueError(f"labels must not be negative, got {int(labels.min())}")
    if colors is None:
        colors = palette(min(int(labels.max()) + 1, 64))
    tint = colors[labels % len(colors)]
    out = _blend(pixels, tint, alpha)
    if ignore is not None:
        out[labels == ignore] = pixels[labels == ignore]
    return out


def overlay_mask(
    image: Any, mask: Any, color: Color = BLUE, alpha: float = 0.45, contour: int = 2
) -> NDArray[np.uint8]:
    """Tint the object and draw its contour with a thin white line outside it.

    Args:
        image: (H, W, 3).
        mask: (H, W) bool.
        color: RGB of tint and contour.
        alpha: strength of the tint in [0, 1].
        contour: width of the contour in pixels, 0 for none.

    Raises:
        ValueError: sizes differ, `mask` is not bool, or `alpha` lies outside [0, 1].
    """
    pixels = as_uint8(image)
    mask = check_mask(mask, pixels.shape[:2])
    _check_alpha(alpha)
    out = pixels.copy()
    out[mask] = _blend(pixels[mask], np.asarray(color, dtype=np.uint8), alpha)
    if contour > 0:
        outline, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        # White under colour: the contour stays visible on an object of its own colour.
        cv2.drawContours(out, outline, -1, (255, 255, 255), contour + 2, cv2.LINE_AA)
        cv2.drawContours(out, outline, -1, color, contour, cv2.LINE_AA)
    return out


def _blend(image: NDArray[np.uint8], tint: NDArray[np.uint8], alpha: float) -> NDArray[np.uint8]:
    mixed = image * np.float32(1 - alpha) + tint * np.float32(alpha)
    return np.rint(mixed).astype(np.uint8)


def _check_alpha(alpha: float) -> None:
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in [0, 1], got {alpha}")


def figure_grid(
    images: Sequence[Any],
    titles: Sequence[str] | None = None,
    columns: int = 3,
    width: float = 12.0,
    title: str | None = None,
    legend: Mapping[str, Any] | None = None,
) -> Figure:
    """Lay images out in a grid, without axes, each with a title.

    Args:
        images: (H, W, 3) images, or (H, W) maps (drawn in viridis) and masks (drawn in grey).
        titles: one for each image.
        columns: images a row.
        width: of the figure in inches; the height follows from the images' shapes.
        title: of the whole figure.
        legend: names of the classes, say, and their colours (RGB, 0 … 255), drawn in the place
            that the grid leaves empty, else below.

    Returns:
        A matplotlib figure that is closed for pyplot: a cell that ends with it shows it once.

    Raises:
        ValueError: no image, or not as many titles as images.
    """
    if not images:
        raise ValueError("figure_grid needs at least one image")
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"{len(images)} images need as many titles, got {len(titles)}")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    shapes = [np.asarray(image).shape[:2] for image in images]
    aspect = max(h / w for h, w in shapes)
    cell = width / columns
    head = 0.35 if titles is not None else 0.05
    spare = len(images) < rows * columns
    per_row = max(1, int((cell if spare else width) / 1.5))
    lines = -(-len(legend or ()) // per_row)
    height = rows * (cell * aspect + head) + (0.45 if title else 0) + (0 if spare else 0.3 * lines)
    figure, axes = plt.subplots(
        rows, columns, figsize=(width, height), squeeze=False, layout="constrained"
    )
    for axis in axes.flat:
        axis.set_axis_off()
    for k, (axis, image) in enumerate(zip(axes.flat, images, strict=False)):
        array = np.asarray(image)
        axis.imshow(array, cmap="gray" if array.dtype == np.bool_ else "viridis")
        if titles is not None:
            axis.set_title(titles[k], fontsize=11)
    if title:
        figure.suptitle(title, fontsize=13)
    if legend:
        patches = [
            Patch(facecolor=tuple(np.asarray(color) / 255), edgecolor="0.5", label=name)
            for name, color in legend.items()
        ]
        in_a_row = -(-len(patches) // lines)  # rows of equal length
        look: Any = {"handles": patches, "ncols": in_a_row, "frameon": False, "fontsize": 10}
        if spare:
            axes.flat[-1].legend(loc="center", **look)
        else:
            figure.legend(loc="outside lower center", **look)
    plt.close(figure)
    return figure
