"""Transforms of an image together with its labels, through torchvision's transforms v2.

A transform takes `(image, labels)`: `tv_tensors.Image` (3, H, W), uint8 or float in [0, 1], and
`tv_tensors.Mask` (H, W) of integers. Geometry moves both alike, colour only the image. Labels are
resized to the nearest with half-pixel centres; what comes in from outside is 255, to be ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as F

from segedu.images import IGNORE_LABEL, to_tensor

Transform = Callable[[Any, Any], tuple[Tensor, Tensor]]


def resize(item: Any, size: tuple[int, int]) -> Any:
    """Resize an image (bilinear, antialiased) or labels (nearest, half-pixel centres) to (H, W).

    torchvision's own resizing of masks takes the nearest without half-pixel centres, which moves
    the labels against the image by up to half a pixel.
    """
    if isinstance(item, tv_tensors.Mask):
        plane = item.as_subclass(Tensor)[None]
        mode = InterpolationMode.NEAREST_EXACT
        return tv_tensors.wrap(F.resize_image(plane, list(size), mode)[0], like=item)
    if isinstance(item, tv_tensors.Image):
        return F.resize(item, list(size), InterpolationMode.BILINEAR, antialias=True)
    return item


class Resize(v2.Transform):
    """Resize image and labels to a fixed size (H, W)."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """See `resize`."""
        return resize(inpt, self.size)


class RandomScale(v2.Transform):
    """Scale image and labels by a random factor, evenly distributed between two bounds."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        if not 0 < low <= high:
            raise ValueError(f"the scales must be 0 < low <= high, got {low} and {high}")
        self.low, self.high = low, high

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Choose the size for this image."""
        height, width = v2.query_size(flat_inputs)
        factor = float(torch.empty(1).uniform_(self.low, self.high))
        return {"size": (max(1, round(height * factor)), max(1, round(width * factor)))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """See `resize`."""
        return resize(inpt, params["size"])


def training_transforms(
    size: tuple[int, int],
    *,
    scale: tuple[float, float] = (0.5, 2.0),
    flip: float = 0.5,
    brightness: float = 0.3,
    contrast: float = 0.3,
    saturation: float = 0.3,
    hue: float = 0.05,
) -> Transform:
    """Random scale, crop to `size`, left-right flip and colour jitter: what most papers train with.

    Args:
        size: (H, W) of what comes out; smaller images are padded, black and 255.
        scale: bounds of the random factor.
        flip: probability of mirroring.
        brightness, contrast, saturation, hue: strengths of torchvision's `ColorJitter`.

    Returns:
        A function of (image, labels); images come out float32 in [0, 1].

    Raises:
        ValueError: the bounds of the scale are not 0 < low <= high.
    """
    fill = {tv_tensors.Image: 0, tv_tensors.Mask: IGNORE_LABEL}
    return v2.Compose(
        [
            RandomScale(*scale),
            v2.RandomCrop(size, pad_if_needed=True, fill=fill),
            v2.RandomHorizontalFlip(flip),
            v2.ColorJitter(brightness, contrast, saturation, hue),
            v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True),
        ]
    )


def evaluation_transforms(size: tuple[int, int] | None = None) -> Transform:
    """Resize to `size` (H, W), or nothing, and convert: no chance involved.

    Returns:
        A function of (image, labels); images come out float32 in [0, 1].
    """
    steps: list[Any] = [] if size is None else [Resize(size)]
    return v2.Compose(
        [*steps, v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True)]
    )


class Labelled(Protocol):
    """A sample with an image and trainIds or class indices, as the readers yield."""

    @property
    def image(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8."""

    @property
    def labels(self) -> NDArray[np.uint8]:
        """(H, W) uint8, 255 to be ignored."""


class SemanticDataset(Dataset[tuple[Tensor, Tensor]]):
    """Samples of a reader (`CamVid`, `Cityscapes`) as tensors for training.

    Yields `(image, target)`: float32 (3, H, W) in [0, 1], and int64 (H, W), 255 to be ignored.

    Args:
        samples: a reader, or any sequence of samples with `image` and `labels`.
        transform: such as `training_transforms` returns.
    """

    def __init__(self, samples: Sequence[Labelled] | Any, transform: Transform | None = None):
        self.samples, self.transform = samples, transform

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        sample = self.samples[index]
        return apply(
            to_tensor(sample.image), torch.from_numpy(sample.labels).long(), self.transform
        )


def apply(image: Tensor, target: Tensor, transform: Transform | None) -> tuple[Tensor, Tensor]:
    """Transform an image (3, H, W) and a target (H, W), plain tensors in and out."""
    if transform is None:
        return image, target
    image, target = transform(tv_tensors.Image(image), tv_tensors.Mask(target))
    # Plain tensors: the wrappers would cost time in every operation of a network.
    return image.as_subclass(Tensor), target.as_subclass(Tensor)
