"""Recipes of Segment Anything: the small network, on what RITM is trained on too.

`sam-vit-tiny-small` is for a laptop's CPU: 256 pixels, few blocks. `sam-vit-tiny` is the network of
512 pixels, for a GPU. Data as in `segedu/training/recipes/interactive.py`: synthetic scenes alone,
or photographs as well where `data.root` names their folder. `sam-scenes-small`, of 64 pixels, knows
street scenes alone: the data engine of the lecture starts from it.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from segedu.backbones.vit import ViTSize
from segedu.data.objects import SceneSegments
from segedu.data.scenes import scene_seeds
from segedu.interactive import SegmentAnything, sam_vit_tiny
from segedu.interactive.sam_training import sam_loss
from segedu.training.recipe import Recipe, Splits
from segedu.training.recipes.interactive import objects
from segedu.training.sam_scores import sam_scores

SMALL_VIT = ViTSize(128, 6, 4, (2, 5), window=8, patch=16, stem=(24, 48, 96, 128))


def small_sam(num_classes: int = 1, **options: Any) -> SegmentAnything:
    """A network for a CPU: 16 x 16 patches of 256 pixels made by convolutions, masks of 64 pixels.

    Patches of 8 would draw finer masks, but a step takes five times as long: too few objects would
    be seen.
    """
    if num_classes != 1:
        raise ValueError(f"SAM's masks have no classes: num_classes must be 1, got {num_classes}")
    options = {"channels": 96, "image_size": 256, "hidden": 256, "heads": 6} | options
    return SegmentAnything(SMALL_VIT, **options)


ENGINE_VIT = ViTSize(64, 4, 4, (1, 3), window=8, patch=4, stem=(32, 64))


def engine_sam(num_classes: int = 1, **options: Any) -> SegmentAnything:
    """A network that can be trained while one waits: 64 pixels, 16 x 16 patches, masks of 64."""
    if num_classes != 1:
        raise ValueError(f"SAM's masks have no classes: num_classes must be 1, got {num_classes}")
    options = {"channels": 64, "image_size": 64, "hidden": 128, "heads": 4} | options
    return SegmentAnything(ENGINE_VIT, **options)


def scene_segments(
    size: int = 64, masks: int = 3, train: int = 1_000, validation: int = 60, test: int = 100
) -> Splits:
    """Everything that can be pointed at in synthetic street scenes.

    Args:
        size: of the scenes' sides.
        masks: of a scene in training.
        train: number of scenes to train on: few, as public data are.
        validation: number to choose the best checkpoint on.
        test: number to measure the card's score on.
    """
    return Splits(
        SceneSegments(scene_seeds("train", train), size=size, masks=masks),
        SceneSegments(scene_seeds("val", validation), size=size),
        SceneSegments(scene_seeds("test", test), size=size),
        ("object",),
    )


SAM_TINY = Recipe(
    name="sam-vit-tiny",
    about="Segment Anything with a tiny ViT, 512 pixels, on objects; for GPUs",
    model=sam_vit_tiny,
    data=objects,
    data_args={"size": 512, "evaluated_size": 512},
    loss=sam_loss,
    loss_args={"points": 4},
    evaluation=sam_scores,
    best="iou",
    steps=60_000,
    batch=32,
    lr=8e-4,
    weight_decay=0.1,
    schedule="cosine",
    warmup=1000,
    clip=0.1,
    ema=0.999,
    precision="bf16",
    evaluate_every=2000,
    checkpoint_every=1000,
)
RECIPES = [
    SAM_TINY,
    dataclasses.replace(
        SAM_TINY,
        name="sam-vit-tiny-small",
        about="Segment Anything with a tiny ViT, 256 pixels, on objects; for a CPU",
        model=small_sam,
        # Some of what is shown lies in whole photographs, as in use, where most objects are small.
        data_args={"size": 256, "evaluated_size": 256, "whole": 0.4},
        # The paper's 20 and 0.25 suppose long training: within thousands of steps masks stay empty.
        loss_args={"points": 2, "focal": 4.0, "alpha": 0.5, "asks": 3, "stride": 4},
        steps=12_000,
        batch=8,
        ema=0.998,
        lr=1.5e-3,
        warmup=200,
        clip=1.0,
        evaluate_every=500,
        checkpoint_every=100,
    ),
    dataclasses.replace(
        SAM_TINY,
        name="sam-scenes-small",
        about="Segment Anything of 64 pixels on synthetic scenes; the data engine starts from it",
        model=engine_sam,
        data=scene_segments,
        data_args={},
        loss_args={"points": 2, "focal": 4.0, "alpha": 0.5},
        steps=4000,
        batch=8,
        ema=0.998,
        lr=1.5e-3,
        warmup=100,
        clip=1.0,
        evaluate_every=500,
        checkpoint_every=100,
    ),
]
