"""Loss and scores of networks that answer clicks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset

from segedu.images import IGNORE_LABEL, auto_device
from segedu.interactive.clicks import iou, next_click
from segedu.interactive.iterative import THRESHOLD, Point, as_points
from segedu.losses import normalized_focal, object_cross_entropy
from segedu.training.evaluation import normalized

SCORED = (1, 3, 5)  # clicks


def click_loss(
    outputs: Mapping[str, Tensor], target: Tensor, *, auxiliary: float = 0.4
) -> tuple[Tensor, Tensor]:
    """RITM's: normalised focal loss, and cross entropy of the auxiliary head where there is one.

    Args:
        outputs: "logits" and perhaps "auxiliary", (B, 1, H, W) each.
        target: (B, H, W) int64: 1 object, 0 background, 255 ignored.
        auxiliary: weight of the auxiliary head.
    """
    total, weight = normalized_focal(outputs["logits"], target)
    if "auxiliary" in outputs:
        total = total + auxiliary * object_cross_entropy(outputs["auxiliary"], target)[0]
    return total, weight


@torch.no_grad()
def click_scores(
    model: nn.Module,
    dataset: Dataset[Any],
    classes: Sequence[str],
    *,
    device: str | torch.device = "auto",
    batch: int = 8,
    process: int = 0,
    processes: int = 1,
    reduce: Callable[[Tensor], Tensor] | None = None,
    boundaries: bool = False,
) -> dict[str, float]:
    """Mean IoU after 1, 3 and 5 clicks of the robot, without zoom and mirroring.

    Args:
        model: (images, points, previous) -> logits (B, 1, H, W).
        dataset: yields (image (3, H, W) in [0, 1], target (H, W)), all of one size.
        classes: not used: an object is one class.
        device: where to compute.
        batch: images at once.
        process: this process evaluates images process, process + processes, …
        processes: how many there are.
        reduce: adds up a tensor over processes.
        boundaries: not used.

    Returns:
        `iou_1`, `iou_3`, `iou_5`, and `iou`, their mean.
    """
    device = auto_device(device)
    own = range(process, len(dataset), processes)  # type: ignore[arg-type]
    was_training = model.training
    model.eval()
    sums = torch.zeros(len(SCORED) + 1)
    for images, target in DataLoader(Subset(dataset, own), batch_size=batch):
        for curve in _click(model, normalized(model, images.to(device)), target.numpy()):
            sums += torch.tensor([*(curve[n - 1] for n in SCORED), 1.0])
    model.train(was_training)
    if reduce is not None:
        sums = reduce(sums.to(device)).cpu()
    means = (sums[:-1] / sums[-1]).tolist()
    scores = {f"iou_{n}": value for n, value in zip(SCORED, means, strict=True)}
    return {**scores, "iou": float(np.mean(means))}


def _click(model: nn.Module, images: Tensor, target: Any) -> list[list[float]]:
    """The IoU of each image after each click; an image without object is left out."""
    truths, ignored = target == 1, target == IGNORE_LABEL
    masks = np.zeros(truths.shape, bool)
    previous = images.new_zeros(len(images), 1, *images.shape[-2:])
    clicks: list[list[Point]] = [[] for _ in truths]
    curves: list[list[float]] = [[] for _ in truths]
    for _ in range(max(SCORED)):
        for own, mask, truth, unknown in zip(clicks, masks, truths, ignored, strict=True):
            if (click := next_click(mask, truth, unknown)) is not None:
                own.append((click.x - 0.5, click.y - 0.5, float(click.positive)))
        previous = model(images, as_points(clicks, images.device), previous).float().sigmoid()
        masks = (previous[:, 0] > THRESHOLD).cpu().numpy()
        for curve, mask, truth, unknown in zip(curves, masks, truths, ignored, strict=True):
            curve.append(iou(mask, truth, unknown))
    return [curve for curve, truth in zip(curves, truths, strict=True) if truth.any()]
