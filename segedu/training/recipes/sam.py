"""Recipes of Segment Anything: the small network, on what RITM is trained on too.

`sam-vit-tiny` answers on a laptop's CPU. Data as in `segedu/training/recipes/interactive.py`:
synthetic scenes alone, or photographs as well where `data.root` names their folder.
`sam-scenes-small`, of 64 pixels, knows street scenes alone: the data engine of the lecture starts
from it.
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
    about="Segment Anything with a tiny ViT, 256 pixels, on objects of photographs and scenes",
    model=sam_vit_tiny,
    data=objects,
    # Some of what is shown lies in whole photographs, as in use, where most objects are small; and
    # several objects of one picture: only the prompt says which is meant.
    data_args={
        "size": 256, "evaluated_size": 256, "whole": 0.4, "masks": 4,
        "photographs": 0.3, "segments": 0.2, "instances": 0.4,
    },
    loss=sam_loss,
    # The paper's 20 and 0.25 suppose long training: within thousands of steps masks stay empty.
    loss_args={"points": 3, "focal": 4.0, "alpha": 0.5, "stride": 2},
    evaluation=sam_scores,
    best="iou",
    steps=4000,
    batch=32,
    lr=1e-3,
    weight_decay=0.1,
    schedule="cosine",
    warmup=300,
    clip=1.0,
    ema=0.999,
    precision="bf16",
    evaluate_every=1000,
    checkpoint_every=500,
)  # fmt: skip
RECIPES = [
    SAM_TINY,
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
        evaluate_every=500,
        checkpoint_every=100,
    ),
]
