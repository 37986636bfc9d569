"""Scores of Segment Anything while it is trained: the robot clicks, and draws one box."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from segedu.images import IGNORE_LABEL, auto_device, from_tensor
from segedu.interactive import SAM, Prompts, SegmentAnything, click_through
from segedu.interactive.clicks import iou

SCORED = (1, 3, 5)  # clicks


@torch.no_grad()
def sam_scores(
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
    """Mean IoU after 1, 3 and 5 clicks of the robot, and to the object's box alone.

    Args:
        model: put back to training mode afterwards if it was in it.
        dataset: yields (image (3, H, W) in [0, 1], target (H, W): 1 object, 0 not, 255 ignored).
        classes: not used: an object is one class.
        device: where to compute.
        batch: not used: every image has its own clicks.
        process: this process evaluates images process, process + processes, …
        processes: how many there are.
        reduce: adds up a tensor over processes.
        boundaries: not used.

    Returns:
        `iou_1`, `iou_3`, `iou_5`, `iou_box`, and `iou`, the mean of all four.
    """
    assert isinstance(model, SegmentAnything)
    device = auto_device(device)
    was_training = model.training
    sums = torch.zeros(len(SCORED) + 2)
    for i in range(process, len(dataset), processes):  # type: ignore[arg-type]
        image, target = dataset[i]
        truth = target.numpy() == 1
        if truth.any():
            values = _of_object(SAM(model, device=device), image, truth, target.numpy())
            sums += torch.tensor([*values, 1.0])
    model.train(was_training)
    if reduce is not None:
        sums = reduce(sums.to(device)).cpu()
    means = (sums[:-1] / sums[-1]).tolist()
    names = [*(f"iou_{n}" for n in SCORED), "iou_box"]
    return {**dict(zip(names, means, strict=True)), "iou": float(np.mean(means))}


def _of_object(method: SAM, image: Tensor, truth: Any, target: Any) -> list[float]:
    """IoU after so many clicks as `SCORED` says, and to the box."""
    ignored = target == IGNORE_LABEL
    pixels = from_tensor(image)
    ious = click_through(method, pixels, truth, ignored, max_clicks=max(SCORED)).ious
    ious += ious[-1:] * (max(SCORED) - len(ious))  # nothing was wrong any more
    rows, columns = np.flatnonzero(truth.any(axis=1)), np.flatnonzero(truth.any(axis=0))
    box = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    x0, y0, x1, y1 = (float(v) for v in box)
    answer = method.predict(Prompts(box=(x0, y0, x1, y1)))
    return [*(ious[n - 1] for n in SCORED), iou(answer.mask, truth, ignored)]
