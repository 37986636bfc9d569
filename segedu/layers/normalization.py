"""How released weights expect their images: order of channels, range, mean and deviation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor


@dataclass(frozen=True)
class Normalization:
    """What is done to an image in [0, 1], RGB, before it enters a network.

    Attributes:
        mean: subtracted, in the network's order and scale.
        std: divided by, likewise.
        order: of the channels that the network expects.
        scale: the value that white has before the mean is subtracted: 1 or 255.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    order: Literal["RGB", "BGR"] = "RGB"
    scale: float = 1.0

    def apply(self, images: Tensor) -> Tensor:
        """Images (..., 3, H, W), RGB in [0, 1] -> what the network takes, same shape."""
        if self.order == "BGR":
            images = images.flip(-3)
        mean, std = (images.new_tensor(v)[:, None, None] for v in (self.mean, self.std))
        return (images * self.scale - mean) / std


IMAGENET = Normalization(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
CAFFE_BGR = Normalization(
    mean=(104.00699, 116.66877, 122.67892), std=(1.0, 1.0, 1.0), order="BGR", scale=255.0
)
UNIT = Normalization(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
