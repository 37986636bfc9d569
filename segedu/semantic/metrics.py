"""How good a semantic segmentation is: streaming counts, and contours.

`ConfusionMatrix` counts pixels, image by image, on the CPU or a GPU. With n_ij the number of pixels
of class i that were called j, t_i = sum_j n_ij, and C classes (Long, Shelhamer, Darrell: "Fully
Convolutional Networks for Semantic Segmentation", CVPR 2015, section 5):

| measure                   |                                                                     |
|---------------------------|---------------------------------------------------------------------|
| pixel accuracy            | sum_i n_ii / sum_i t_i                                              |
| mean accuracy             | mean over i of n_ii / t_i                                           |
| IoU of class i            | n_ii / (t_i + sum_j n_ji - n_ii)                                    |
| mIoU                      | mean of the IoUs over classes                                       |
| frequency-weighted IoU    | sum_i t_i IoU_i / sum_i t_i                                         |
| category IoU              | the IoU after classes are merged to categories, as Cityscapes does  |

Absent classes. A class that neither truth nor prediction shows has IoU nan and is left out of the
mean; one that is only predicted has IoU 0 and counts. The accuracy of a class without a true pixel
is nan and left out. With no labelled pixel at all every score is nan.

Ignored pixels. Where the truth is the ignore label, the prediction does not matter. Where the truth
is a class and the prediction is the ignore label ("I do not say"), the pixel is missed: it counts
in t_i and is right for nobody, as in Cityscapes' scripts.

`boundary_f` compares contours: Csurka, Larlus, Perronnin: "What is a good evaluation measure for
semantic segmentation?", BMVC 2013, section 3.

Checked against scikit-learn, torchmetrics and SciPy's distance transform in
`tests/semantic/test_metrics.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from segedu.images import IGNORE_LABEL


class ConfusionMatrix:
    """Counts of (true class, predicted class) over any number of images.

    Attributes:
        counts: (C, C + 1) int64; row = truth, column = prediction, the last column counts pixels
            where the prediction was the ignore label.
    """

    def __init__(
        self,
        num_classes: int,
        ignore: int = IGNORE_LABEL,
        *,
        categories: Sequence[int] | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        """Begin with no pixel.

        Args:
            num_classes: C; labels are 0 … C-1.
            ignore: the label of pixels that do not count; outside 0 … C-1.
            categories: for each class the index of its category, 0 … K-1, for the category IoU.
            device: where to count; labels on other devices are moved there.

        Raises:
            ValueError: `num_classes` < 1, `ignore` is a class, or `categories` is not one number
                from 0 for each class.
        """
        if num_classes < 1:
            raise ValueError(f"num_classes must be at least 1, got {num_classes}")
        if 0 <= ignore < num_classes:
            raise ValueError(f"ignore must not be one of the {num_classes} classes, got {ignore}")
        if categories is not None and (len(categories) != num_classes or min(categories) < 0):
            raise ValueError(
                f"categories must name a category from 0 for each of the {num_classes} classes, "
                f"got {list(categories)}"
            )
        self.num_classes, self.ignore = num_classes, ignore
        self.categories = None if categories is None else list(categories)
        self.counts = torch.zeros(num_classes, num_classes + 1, dtype=torch.int64, device=device)

    def update(self, prediction: Any, target: Any) -> None:
        """Count the pixels of one image or one batch.

        Args:
            prediction: integers of any shape, such as (H, W) or (B, H, W): a tensor or an array.
            target: the same shape.

        Raises:
            ValueError: shapes differ, a type is not integer, or a label is neither a class nor
                `ignore`.
        """
        device = self.counts.device
        prediction = _as_labels(prediction, "prediction", device)
        target = _as_labels(target, "target", device)
        if prediction.shape != target.shape:
            raise ValueError(
                f"prediction {tuple(prediction.shape)} and target {tuple(target.shape)} differ in "
                "shape; logits (B, C, H, W) become labels by .argmax(dim=1)"
            )
        self._check_range(prediction, "prediction")
        self._check_range(target, "target")
        counted = target != self.ignore
        columns = self.num_classes + 1
        j = torch.where(prediction == self.ignore, self.num_classes, prediction)[counted]
        pairs = target[counted] * columns + j
        n = torch.bincount(pairs, minlength=self.num_classes * columns)
        self.counts += n.view(self.num_classes, columns)

    def _check_range(self, labels: Tensor, name: str) -> None:
        bad = ((labels < 0) | (labels >= self.num_classes)) & (labels != self.ignore)
        if bad.any():
            raise ValueError(
                f"{name} holds the label {int(labels[bad][0])}; labels must be "
                f"0 … {self.num_classes - 1}, or {self.ignore} for pixels to ignore"
            )

    def merge(self, other: ConfusionMatrix) -> None:
        """Add the counts of another matrix, as of another process.

        Raises:
            ValueError: it is of another number of classes.
        """
        if other.num_classes != self.num_classes:
            raise ValueError(f"cannot merge {other.num_classes} classes to {self.num_classes}")
        self.counts += other.counts.to(self.counts.device)

    def reset(self) -> None:
        """Forget all pixels."""
        self.counts.zero_()

    def compute(self) -> dict[str, Any]:
        """The scores of all pixels so far.

        Returns:
            Floats `miou`, `pixel_accuracy`, `mean_accuracy`, `frequency_weighted_iou`, and tensors
            (C,) float64 on the CPU `iou` and `accuracy` of each class; with categories also
            `category_miou` and `category_iou` (K,).
        """
        counts = self.counts.cpu().double()
        matrix, truth = counts[:, :-1], counts.sum(dim=1)
        iou, accuracy = _iou(matrix, truth), matrix.diagonal() / truth  # 0 / 0 is nan: absent
        scores = {
            "miou": float(iou.nanmean()),
            "pixel_accuracy": float(matrix.diagonal().sum() / truth.sum()),
            "mean_accuracy": float(accuracy.nanmean()),
            "frequency_weighted_iou": float((truth * iou).nansum() / truth.sum()),
            "iou": iou,
            "accuracy": accuracy,
        }
        if self.categories is not None:
            index = torch.tensor(self.categories)
            k = max(self.categories) + 1
            rows = matrix.new_zeros(k, self.num_classes).index_add_(0, index, matrix)
            merged = matrix.new_zeros(k, k).index_add_(1, index, rows)
            category_iou = _iou(merged, truth.new_zeros(k).index_add_(0, index, truth))
            scores |= {"category_miou": float(category_iou.nanmean()), "category_iou": category_iou}
        return scores


def _iou(matrix: Tensor, truth: Tensor) -> Tensor:
    """(C, C) counts and (C,) numbers of true pixels -> (C,), nan where the union is empty."""
    intersection = matrix.diagonal()
    return intersection / (truth + matrix.sum(dim=0) - intersection)


def _as_labels(labels: Any, name: str, device: torch.device) -> Tensor:
    tensor = torch.as_tensor(labels, device=device)
    if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
        raise ValueError(f"{name} must hold integer labels, got {tensor.dtype}")
    return tensor.to(torch.int64)


def boundary_f(
    prediction: Any,
    target: Any,
    num_classes: int,
    *,
    tolerance: float = 0.0075,
    ignore: int = IGNORE_LABEL,
) -> tuple[float, Tensor]:
    """How well contours agree in one image: the boundary F1 score of Csurka et al. 2013.

    A pixel is on the boundary of class c when it is of class c and one of its four neighbours is
    of another class; the image's border and ignored pixels make no boundary. Precision is the share
    of predicted boundary pixels with a true one of the same class within `tolerance`, recall the
    share of true ones with a predicted one; F = 2 P R / (P + R).

    Args:
        prediction: (H, W) integers.
        target: (H, W) integers; where it is `ignore` the prediction does not matter.
        num_classes: C.
        tolerance: Euclidean distance, at least 1: in pixels; below 1: as a fraction of the image's
            diagonal. The paper takes 0.0075.
        ignore: the label of pixels that do not count.

    Returns:
        The score of the image in [0, 1], the mean over classes that have a boundary in truth or
        prediction (a class that only one of them shows scores 0), nan when none has; and the
        scores (C,) float64 of the classes, nan where there is no boundary. The score of a data set
        is the mean over its images.

    Raises:
        ValueError: not two label maps of one size, or a negative tolerance.
    """
    target = _as_labels(target, "target", torch.as_tensor(target).device)
    prediction = _as_labels(prediction, "prediction", target.device)
    if target.ndim != 2 or prediction.shape != target.shape:
        raise ValueError(
            "prediction and target must both be (H, W), "
            f"got {tuple(prediction.shape)} and {tuple(target.shape)}"
        )
    if not tolerance >= 0:
        raise ValueError(f"tolerance must not be negative, got {tolerance}")
    reach = tolerance if tolerance >= 1 else tolerance * math.hypot(*target.shape)
    prediction = torch.where(target == ignore, ignore, prediction)
    scores = torch.full((num_classes,), torch.nan, dtype=torch.float64)
    for c in range(num_classes):
        found = class_boundary(prediction, c, ignore)
        true = class_boundary(target, c, ignore)
        n_found, n_true = int(found.sum()), int(true.sum())
        if n_found and n_true:
            precision = int(within(found, true, reach).sum()) / n_found
            recall = int(within(true, found, reach).sum()) / n_true
            scores[c] = 2 * precision * recall / max(precision + recall, 1e-12)
        elif n_found or n_true:
            scores[c] = 0.0
    return float(scores.nanmean()), scores


def class_boundary(labels: Tensor, label: int, ignore: int = IGNORE_LABEL) -> Tensor:
    """Pixels of a class that touch another class (4 neighbours): (H, W) int -> (H, W) bool."""
    inside = labels == label
    other = ~inside & (labels != ignore)
    padded = F.pad(other, (1, 1, 1, 1), value=False)
    beside = padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
    return inside & beside


def within(asked: Tensor, mask: Tensor, radius: float) -> Tensor:
    """Whether each asked pixel has a pixel of a mask within a Euclidean distance, exactly.

    The nearest one in row y + dy at a horizontal distance of g has the squared distance dy² + g².

    asked (H, W) bool with n pixels, mask (H, W) bool -> (n,) bool, in the order of `nonzero`.
    """
    height, width = mask.shape
    x = torch.arange(width, dtype=torch.int32, device=mask.device)
    far = height + width  # farther than any pixel
    left = torch.where(mask, x, -far).cummax(dim=1).values
    right = torch.where(mask, x, width + far).flip(1).cummin(dim=1).values.flip(1)
    g = torch.minimum(x - left, right - x)  # (H, W): distance to the nearest one of the row
    row, column = asked.nonzero(as_tuple=True)  # (n,) each
    reach = min(int(radius), height - 1)
    dy = torch.arange(-reach, reach + 1, device=mask.device)
    rows = row[:, None] + dy  # (n, 2 reach + 1)
    squared = dy * dy + g[rows.clamp(0, height - 1), column[:, None]] ** 2
    inside = (rows >= 0) & (rows < height)
    # Whole numbers on both sides: a float limit would be compared in float32.
    return (inside & (squared <= math.floor(radius * radius))).any(dim=1)
