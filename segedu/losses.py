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


def normalized_focal(
    logits: Tensor,
    target: Tensor,
    *,
    gamma: float = 2.0,
    alpha: float = 0.5,
    ignore: int = IGNORE_LABEL,
) -> tuple[Tensor, Tensor]:
    """Focal loss whose weights sum to the number of pixels: its gradient does not fade.

    K. Sofiiuk, O. Barinova, A. Konushin: "AdaptIS", ICCV 2019, section 3.3; used by RITM. Focal
    loss shrinks as the network gets better; here (1 - p)^gamma is divided by its mean over the
    image, and that mean is taken as a constant. The sum runs over images of their mean, the weight
    is the number of images.

    Args:
        logits: (B, 1, H, W) of the object.
        target: (B, H, W) int64: 1 object, 0 background.
        gamma: how much easy pixels lose.
        alpha: weight of the object's pixels, 1 - alpha that of the background's.
        ignore: label of pixels that do not count.
    """
    x, valid = logits.float()[:, 0], target != ignore
    positive = target == 1
    log_p = F.logsigmoid(torch.where(positive, x, -x))
    focus = (-torch.expm1(log_p)).clamp(min=1e-12) ** gamma * valid
    count = valid.sum(dim=(1, 2))
    scale = (count / (focus.sum(dim=(1, 2)) + 1e-12)).detach()[:, None, None]
    weight = torch.where(positive, alpha, 1 - alpha) * focus * scale
    loss = -(weight * log_p).sum(dim=(1, 2)) / count.clamp(min=1)
    return loss.sum(), (count > 0).sum().float()


def object_cross_entropy(
    logits: Tensor, target: Tensor, *, ignore: int = IGNORE_LABEL
) -> tuple[Tensor, Tensor]:
    """-log p of object or background, (B, 1, H, W), (B, H, W): mean of each image, summed."""
    valid = target != ignore
    loss = F.binary_cross_entropy_with_logits(
        logits.float()[:, 0], (target == 1).float(), reduction="none"
    )
    count = valid.sum(dim=(1, 2))
    return ((loss * valid).sum(dim=(1, 2)) / count.clamp(min=1)).sum(), (count > 0).sum().float()
