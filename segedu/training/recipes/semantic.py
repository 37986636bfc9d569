"""Recipes of the semantic section.

`<method>-scenes` is small enough for a laptop's CPU and for a checkpoint of at most 4 MB in half
precision; `<method>-scenes-full` is the network as in its paper, for a GPU; `<method>-camvid` are
real photographs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from torch import nn

from segedu.data.scenes import SCENE_CLASSES, SceneDataset
from segedu.semantic.unet import unet
from segedu.training.recipe import Recipe, Splits


def scenes(
    height: int = 128,
    width: int = 256,
    train: int = 1_000_000,
    validation: int = 100,
    test: int = 300,
) -> Splits:
    """Synthetic street scenes; so many to train on that none comes twice: no augmentation.

    Args:
        height: in pixels.
        width: in pixels.
        train: number of scenes to train on.
        validation: number to choose the best checkpoint on.
        test: number to measure the card's score on.
    """
    size = (height, width)
    return Splits(
        SceneDataset(split="train", length=train, size=size),
        SceneDataset(split="val", length=validation, size=size),
        SceneDataset(split="test", length=test, size=size),
        tuple(c.name for c in SCENE_CLASSES),
    )


SMALL = Recipe(
    name="small",
    about="",
    model=nn.Identity,
    data=scenes,
    steps=1500,
    batch=8,
    lr=2e-3,
    weight_decay=0.01,
    warmup=50,
    schedule="poly",
    clip=1.0,
    ema=0.99,
    evaluate_every=250,
    checkpoint_every=100,
)
# The papers' networks at Cityscapes' half resolution, on one or several GPUs.
FULL = dataclasses.replace(
    SMALL,
    data_args={"height": 512, "width": 1024},
    steps=40_000,
    batch=16,
    lr=2e-4,
    warmup=1500,
    ema=0.999,
    precision="bf16",
    evaluate_every=2000,
    checkpoint_every=1000,
)


def _small(method: str, model: Callable[..., nn.Module], about: str, **options: Any) -> Recipe:
    return dataclasses.replace(
        SMALL, name=f"{method}-scenes", about=f"{about}, small, synthetic scenes",
        model=model, model_args=options,
    )  # fmt: skip


def _full(method: str, model: Callable[..., nn.Module], about: str, **options: Any) -> Recipe:
    return dataclasses.replace(
        FULL, name=f"{method}-scenes-full", about=f"{about}, synthetic scenes of 512 × 1024",
        model=model, model_args=options,
    )  # fmt: skip


RECIPES = [
    _small("unet", unet, "U-Net", channels=(16, 32, 64, 96, 128)),
    _full("unet", unet, "U-Net"),
]
