"""Label the pixels of an image with any network of this section."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from segedu.images import auto_device, to_tensor
from segedu.layers.normalization import Normalization


@overload
def predict(
    model: nn.Module,
    image: Any,
    device: str | torch.device = "auto",
    *,
    logits: Literal[False] = False,
) -> NDArray[np.uint8]: ...
@overload
def predict(
    model: nn.Module, image: Any, device: str | torch.device = "auto", *, logits: Literal[True]
) -> NDArray[np.float32]: ...
def predict(
    model: nn.Module, image: Any, device: str | torch.device = "auto", *, logits: bool = False
) -> NDArray[Any]:
    """Segment one image.

    The image is normalised as the network's `normalization` says. The network runs in eval mode and
    is left in the mode in which it came, but on `device`.

    Args:
        model: of this section: (B, 3, H, W) -> logits (B, C, H, W), with a `normalization`.
        image: (H, W, 3), RGB, uint8 or float in [0, 1].
        device: where to run; "auto" takes CUDA where there is one.
        logits: return logits instead of labels.

    Returns:
        Labels (H, W) uint8 in 0 … C - 1; or logits (C, H, W) float32.

    Raises:
        ValueError: the image is not as above, or the network has more than 256 classes.
    """
    device = auto_device(device)
    normalization = model.normalization
    assert isinstance(normalization, Normalization), "a network says how it wants its images"
    images = normalization.apply(to_tensor(image, device)[None])
    was_training = model.training
    model.to(device).eval()
    try:
        with torch.inference_mode():
            scores = model(images)[0].float()  # (C, H, W)
    finally:
        model.train(was_training)
    if logits:
        return scores.cpu().numpy()
    if scores.shape[0] > 256:
        raise ValueError(
            f"{scores.shape[0]} classes do not fit into uint8 labels; take logits=True and argmax"
        )
    return scores.argmax(dim=0).to(torch.uint8).cpu().numpy()
