"""Losses as sums: what to add up, and what to divide by.

Every loss returns `(total, weight)`: the sum over all pixels that count, and the sum of their
weights. The mean is `total / weight`. The training loop divides only when it has added up all
pieces of a batch and all processes: so a batch in four pieces, or on two machines, has the same
loss and the same gradient as in one piece, however many pixels of each piece are to be ignored.
(The mean of the pieces' means is another number.)

Shapes: logits (B, C, H, W), target (B, H, W) int64 in 0 … C-1 or the ignore label.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from segedu.images import IGNORE_LABEL


def cross_entropy(
    logits: Tensor,
    target: Tensor,
    *,
    class_weights: Sequence[float] | None = None,
    ignore: int = IGNORE_LABEL,
) -> tuple[Tensor, Tensor]:
    """-log p of the true class, (B, C, H, W), (B, H, W) -> total (), weight ().

    Args:
        logits: (B, C, H, W); computed in float32 also under autocast.
        target: (B, H, W) int64.
        class_weights: C factors, for classes that are rare.
        ignore: label of pixels that do not count.
    """
    factors = None if class_weights is None else logits.new_tensor(class_weights).float()
    total = F.cross_entropy(
        logits.float(), target, weight=factors, ignore_index=ignore, reduction="sum"
    )
    valid = target != ignore
    if factors is None:
        return total, valid.sum().float()
    return total, factors[target[valid]].sum()


def focal(
    logits: Tensor, target: Tensor, *, gamma: float = 2.0, ignore: int = IGNORE_LABEL
) -> tuple[Tensor, Tensor]:
    """(1 - p)^gamma (-log p): easy pixels count less; gamma = 0 is `cross_entropy`.

    T.-Y. Lin, P. Goyal, R. Girshick, K. He, P. Dollár: "Focal Loss for Dense Object Detection",
    ICCV 2017, eq. 4, with softmax in place of the sigmoid.
    """
    minus_log_p = F.cross_entropy(logits.float(), target, ignore_index=ignore, reduction="none")
    valid = target != ignore
    loss = -torch.expm1(-minus_log_p)  # 1 - p, exact for p near 1
    # Ignored pixels have loss 0 here, and 0 ** gamma has no gradient for gamma < 1.
    return (loss[valid] ** gamma * minus_log_p[valid]).sum(), valid.sum().float()


def soft_dice(
    logits: Tensor, target: Tensor, *, ignore: int = IGNORE_LABEL, epsilon: float = 1e-6
) -> tuple[Tensor, Tensor]:
    """1 - Dice of probabilities, for every image and every class that it shows.

    F. Milletari, N. Navab, S.-A. Ahmadi: "V-Net", 3DV 2016, section 3: D = 2 sum p g /
    (sum p² + sum g²). The sum runs over pairs of image and class, the weight is their number.
    """
    classes = logits.shape[1]
    valid = target != ignore
    truth = F.one_hot(torch.where(valid, target, 0), classes).movedim(-1, 1)
    truth = truth * valid[:, None]  # (B, C, H, W)
    p = logits.float().softmax(dim=1) * valid[:, None]
    overlap = (p * truth).sum(dim=(2, 3))  # (B, C)
    dice = 2 * overlap / ((p * p).sum(dim=(2, 3)) + truth.sum(dim=(2, 3)) + epsilon)
    shown = truth.flatten(2).any(dim=2)
    return (1 - dice)[shown].sum(), shown.sum().float()
