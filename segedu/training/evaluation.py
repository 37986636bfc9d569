"""Scores of a model on a data set, shared out over processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset

from segedu.images import auto_device
from segedu.losses import cross_entropy
from segedu.semantic.metrics import ConfusionMatrix, boundary_f


def normalized(model: nn.Module, images: Tensor) -> Tensor:
    """Images (B, 3, H, W) in [0, 1] as the network wants them: its `normalization` applied."""
    normalization = getattr(model, "normalization", None)
    return images if normalization is None else normalization.apply(images)


@torch.no_grad()
def semantic_scores(
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
    """How well a semantic network does on a data set.

    Args:
        model: (B, 3, H, W) normalised -> logits (B, C, H, W); put back to training mode afterwards
            if it was in it.
        dataset: yields (image (3, H, W) in [0, 1], target (H, W)), all of one size.
        classes: C names.
        device: where to compute.
        batch: images at once.
        process: this process evaluates images process, process + processes, …
        processes: how many there are.
        reduce: adds up a tensor over processes.
        boundaries: also the boundary F score (slower).

    Returns:
        `loss`, `miou`, `pixel_accuracy`, `mean_accuracy`, `frequency_weighted_iou`, `iou/<class>`
        for every class, and `boundary_f` when asked for.
    """
    device = auto_device(device)
    matrix = ConfusionMatrix(len(classes), device=device)
    sums = torch.zeros(4, dtype=torch.float64)  # loss, its weight, boundary F, number of images
    own = range(process, len(dataset), processes)  # type: ignore[arg-type]
    was_training = model.training
    model.eval()
    for images, target in DataLoader(Subset(dataset, own), batch_size=batch):
        logits = model(normalized(model, images.to(device))).float()
        target = target.to(device)
        total, weight = cross_entropy(logits, target)
        prediction = logits.argmax(dim=1)
        matrix.update(prediction, target)
        sums += torch.tensor([float(total), float(weight), 0, 0])
        if boundaries:
            for p, t in zip(prediction, target, strict=True):
                if (f := boundary_f(p, t, len(classes))[0]) == f:
                    sums += torch.tensor([0, 0, f, 1])
    model.train(was_training)
    if reduce is not None:
        matrix.counts = reduce(matrix.counts)
        sums = reduce(sums.to(device).float()).double().cpu()
    scores = matrix.compute()
    iou = scores.pop("iou").tolist()
    del scores["accuracy"]
    result = {"loss": float(sums[0] / sums[1]), **scores}
    if boundaries:
        result["boundary_f"] = float(sums[2] / sums[3])
    return result | {f"iou/{name}": value for name, value in zip(classes, iou, strict=True)}
