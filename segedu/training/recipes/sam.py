"""Recipes of Segment Anything: the small network, on what RITM is trained on too.

`sam-vit-tiny-small` is for a laptop's CPU: 256 pixels, few blocks. `sam-vit-tiny` is the network of
512 pixels, for a GPU. Data as in `segedu/training/recipes/interactive.py`: synthetic scenes alone,
or photographs as well where `data.root` names their folder.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from segedu.backbones.vit import ViTSize
from segedu.interactive import SegmentAnything, sam_vit_tiny
from segedu.interactive.sam_training import sam_loss
from segedu.training.recipe import Recipe
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
]
