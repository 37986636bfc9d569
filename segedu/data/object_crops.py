"""Crops around random objects, to train click models on.

`ObjectDataset` draws one object at random, crops around it so that it fills a random share of the
crop, mirrors, turns, changes colours; now and then it cuts an object out and pastes it into another
photograph ("copy-paste", Ghiasi et al., CVPR 2021). Where it is asked for several masks, the others
are of what else lies in the crop. Everything random comes from torch's generator.

`WholeObjects` is for evaluation: nothing random.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from segedu.data.objects import Source
from segedu.images import IGNORE_LABEL

Crop = tuple[NDArray[np.float32], NDArray[np.int16], int]
SMALLEST = 150  # pixels of an object worth clicking on
UNKNOWN = -1  # label of a pixel beyond the photograph's border


class ObjectDataset(Dataset[tuple[Tensor, Tensor]]):
    """Crops around random objects: image float32 (3, S, S) in [0, 1], target int64 (S, S).

    The target is 1 on the object, 0 elsewhere, 255 where it is not known; several objects of a crop
    make it (N, S, S).

    Args:
        sources: to draw from.
        weights: of the sources.
        size: S.
        length: items of an epoch.
        paste: probability that the object is pasted into another photograph.
        whole: probability that the crop is about the whole photograph, objects as small as there.
        masks: N, of as many objects of the crop; where there are fewer, some come twice.

    Raises:
        ValueError: as many weights as sources are not given, one is negative, or no mask is wanted.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        weights: Sequence[float],
        *,
        size: int = 160,
        length: int = 100_000,
        paste: float = 0.15,
        whole: float = 0.0,
        masks: int = 1,
    ) -> None:
        if masks < 1:
            raise ValueError(f"masks must be at least 1, got {masks}")
        if len(sources) != len(weights) or not sources:
            raise ValueError(f"{len(sources)} sources and {len(weights)} weights")
        if min(weights) < 0:
            raise ValueError(f"weights {list(weights)}: shares must not be negative, nor exceed 1")
        self.sources, self.size, self.length, self.paste = list(sources), size, length, paste
        self.whole, self.masks = whole, masks
        self.weights = np.asarray(weights, float) / np.sum(weights)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        random = np.random.default_rng(int(torch.randint(2**62, ())))
        image, labels, chosen = self._crop(random)
        if random.random() < self.paste:
            background, beside, _ = self._crop(random)
            image = _paste(image, labels == chosen, background)
            pasted = int(beside.max()) + 1
            labels, chosen = np.where(labels == chosen, pasted, beside), pasted
        targets = [_target(labels, number) for number in self._objects(labels, chosen, random)]
        target = torch.from_numpy(targets[0] if self.masks == 1 else np.stack(targets))
        image = _recolor(image, random)
        return torch.from_numpy(image).permute(2, 0, 1).contiguous(), target

    def _objects(self, labels: NDArray[Any], chosen: int, random: np.random.Generator) -> list[int]:
        """Numbers of the objects to ask for: the chosen one first, then others of the crop."""
        if self.masks == 1:
            return [chosen]
        counts = np.bincount(np.maximum(labels, 0).ravel())
        others = np.flatnonzero(counts >= SMALLEST)
        others = random.permutation(others[(others != 0) & (others != chosen)])
        found = [chosen, *map(int, others[: self.masks - 1])]
        return [*found, *map(int, random.choice(found, self.masks - len(found)))]

    def _crop(self, random: np.random.Generator) -> Crop:
        """A turned, mirrored, scaled square around an object: float32 (S, S, 3), labels (S, S), and
        the object's number.
        """
        image, everything, chosen = self._draw(random)
        mask = everything == chosen
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        extent = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
        # The object's longer side takes 0.25 to 1.1 of the square, wherever in it; but the square
        # is hardly larger than the image, and goes over its borders as little as it can.
        extents = np.array([image.shape[1], image.shape[0]])
        side = min(extent / random.uniform(0.25, 1.1), extents.max() * random.uniform(0.9, 1.1))
        center = np.array([columns[0] + columns[-1], rows[0] + rows[-1]]) / 2 + 0.5
        center += random.uniform(-0.5, 0.5, 2) * max(0.15 * side, side - extent)
        if self.whole and random.random() < self.whole:
            side = extents.max() * random.uniform(0.75, 1.1)
            center = extents / 2
        room = np.maximum(extents - side, 0) / 2
        center = np.clip(center, extents / 2 - room, extents / 2 + room)
        angle = random.normal(0, 8)
        matrix = cv2.getRotationMatrix2D((0, 0), angle, self.size / side)[:, :2]
        if random.random() < 0.5:
            matrix[:, 0] *= -1
        matrix *= np.exp(random.normal(0, 0.1, (1, 2)))  # a little wider or narrower
        shift = np.full(2, self.size / 2 - 0.5) - matrix @ (center - 0.5)
        affine = np.column_stack([matrix, shift])
        size = (self.size, self.size)
        if side > 2 * self.size:  # linear interpolation alone would alias
            kernel = 2 * round(side / self.size / 2) + 1
            image = cv2.blur(image, (kernel, kernel)).astype(np.uint8)
        crop = cv2.warpAffine(
            image, affine, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
        labels = cv2.warpAffine(
            everything.astype(np.int16), affine, size, flags=cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_CONSTANT, borderValue=UNKNOWN,
        )  # fmt: skip
        return (crop / 255).astype(np.float32), labels.astype(np.int16), chosen

    def _draw(self, random: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[Any], int]:
        """A random image of a random source, its labels, and the number of one of its objects."""
        while True:
            source = self.sources[int(random.choice(len(self.sources), p=self.weights))]
            image, labels = source.pair(int(random.integers(len(source))), random)
            counts = np.bincount(labels.ravel())
            counts[0] = 0
            found = np.flatnonzero(counts >= SMALLEST)
            if len(found):
                return image, labels, int(random.choice(found))


def _target(labels: NDArray[Any], number: int) -> NDArray[np.int64]:
    """1 on an object, 0 beside it, 255 where it is not known."""
    target = np.where(labels == UNKNOWN, IGNORE_LABEL, labels == number)
    return np.asarray(target, np.int64)


def _paste(image: NDArray[Any], mask: NDArray[Any], background: NDArray[Any]) -> NDArray[Any]:
    """The object over another crop, its border softened over about two pixels."""
    alpha = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.8)[..., None]
    return (alpha * image + (1 - alpha) * background).astype(np.float32)


def _recolor(image: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Brightness, contrast, saturation, a cast of colour; sometimes blur, noise, grey."""
    gain = np.exp(random.normal(0, 0.2) + random.normal(0, 0.06, 3)).astype(np.float32)
    image = (image - np.float32(0.5)) * np.float32(np.exp(random.normal(0, 0.15))) + np.float32(0.5)
    grey = cv2.transform(image, np.full((1, 3), 1 / 3))[..., None]
    image = grey + (image - grey) * np.float32(
        0.0 if random.random() < 0.05 else random.uniform(0.6, 1.4)
    )
    image = image * gain
    if random.random() < 0.15:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), random.uniform(0.4, 1.2)), np.float32)
    if random.random() < 0.2:
        noise = random.standard_normal(image.shape, np.float32)
        image = image + np.float32(random.uniform(0.005, 0.03)) * noise
    return np.clip(image, 0, 1)


class WholeObjects(Dataset[tuple[Tensor, Tensor]]):
    """For evaluation: each image once, its largest object, resized; nothing random.

    Args:
        source: of images.
        size: the square that images are resized to.
    """

    def __init__(self, source: Source, size: int = 224) -> None:
        self.source, self.size = source, size

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image, labels = self.source.pair(index, np.random.default_rng(index))
        counts = np.bincount(labels.ravel(), minlength=2)
        counts[0] = 0
        mask = (labels == counts.argmax()).astype(np.uint8)
        size = (self.size, self.size)
        resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA) / np.float32(255)
        mask = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8)
        tensor = torch.from_numpy(resized.astype(np.float32)).permute(2, 0, 1).contiguous()
        return tensor, torch.from_numpy(mask.astype(np.int64))
