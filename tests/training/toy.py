"""A toy task that trains in a second: coloured rectangles; also run as a script by the tests.

python -m tests.training.toy FOLDER [key=value …]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from segedu.training import Recipe, Splits, train, with_overrides


class Rectangles(Dataset[Any]):
    """Noise with a red and a blue rectangle; augmentation flips and ignores a random part."""

    def __init__(self, first: int, n: int, augment: bool) -> None:
        self.first, self.n, self.augment = first, n, augment

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(self.first + i)
        image = 0.3 * torch.rand(3, 24, 32, generator=generator)
        target = torch.zeros(24, 32, dtype=torch.int64)
        for label, channel in ((1, 0), (2, 2)):
            y, x, h, w = torch.randint(2, 12, (4,), generator=generator).tolist()
            image[channel, y : y + h, x : x + w] += 0.5
            target[y : y + h, x : x + w] = label
        if self.augment:
            if torch.rand(()) < 0.5:
                image, target = image.flip(-1), target.flip(-1)
            target[: int(torch.randint(0, 20, ()))] = 255
        return image.clamp(0, 1), target


def rectangles(n: int = 50) -> Splits:
    return Splits(
        Rectangles(0, n, True),
        Rectangles(1000, 6, False),
        Rectangles(2000, 6, False),
        ("ground", "red", "blue"),
    )


def tiny_net(num_classes: int, width: int = 8, dropout: float = 0.2) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Dropout2d(dropout),
        nn.Conv2d(width, width, 3, padding=2, dilation=2, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, num_classes, 1),
    )


TOY = Recipe(
    name="toy",
    about="coloured rectangles",
    model=tiny_net,
    data=rectangles,
    steps=40,
    batch=4,
    lr=0.02,
    warmup=3,
    clip=1.0,
    ema=0.9,
    evaluate_every=10,
    checkpoint_every=5,
    schedule="cosine",
)

if __name__ == "__main__":
    torch.set_num_threads(1)
    train(with_overrides(TOY, sys.argv[2:]), Path(sys.argv[1]), device="cpu")
