"""Recipes of the interactive section: RITM, small enough to answer at once on a laptop's CPU.

Without `data.root` they learn from instances of the synthetic street scenes alone. With it (a
folder that holds `coco_objects`, photographs with one object mask each, and `bsds500`), mostly from
photographs; one in eight of `coco_objects` chooses the best checkpoint, another one is the card's
test. GrabCut, Berkeley, DAVIS and SBD are evaluation sets and are never read here. GrabCut's
photographs that are also in BSDS500 are left out; Berkeley's, all from there, are not, so what a
network that was trained on BSDS500 scores on Berkeley is no score on unseen photographs.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from segedu import interactive
from segedu.data.object_crops import ObjectDataset, WholeObjects
from segedu.data.objects import (
    CocoAll,
    CocoObjects,
    SceneObjects,
    Segments,
    Source,
)
from segedu.data.scenes import scene_seeds
from segedu.interactive.iterative import simulate_clicks
from segedu.training.click_scores import click_loss, click_scores
from segedu.training.recipe import Recipe, Splits

OF_PHOTOGRAPHS = (
    "research only: trained on BSDS500 (research and education) and on photographs of COCO "
    "(annotations CC BY 4.0, photographs by their Flickr licences)"
)


def objects(
    root: str = "",
    size: int = 160,
    evaluated_size: int = 224,
    paste: float = 0.15,
    photographs: float = 0.6,
    segments: float = 0.2,
    instances: float = 0.0,
    whole: float = 0.0,
    masks: int = 1,
) -> Splits:
    """Objects to click on.

    Args:
        root: the folder of `coco_objects`, `bsds500` and, where `instances` is not 0, `coco_mini`;
            "" for synthetic scenes alone.
        size: of training crops.
        evaluated_size: of images in evaluation.
        paste: share of crops whose object is pasted into another image.
        photographs: share of `coco_objects`.
        segments: share of BSDS500.
        instances: share of `coco_mini`, in COCO's layout; the rest is scenes.
        whole: share of crops that show about the whole image.
        masks: objects of a crop in training.
    """
    seeds = {name: scene_seeds(name, n) for name, n in (("train", 1_000_000), ("val", 60))}
    sources: list[Source] = [SceneObjects(seeds["train"].start, len(seeds["train"]))]
    if not root:
        test = scene_seeds("test", 100)
        return Splits(
            ObjectDataset(sources, [1.0], size=size, paste=paste, whole=whole, masks=masks),
            WholeObjects(SceneObjects(seeds["val"].start, len(seeds["val"])), evaluated_size),
            WholeObjects(SceneObjects(test.start, len(test)), evaluated_size),
            ("object",),
        )
    folder = Path(root) / "coco_objects"
    choosing, judging = CocoObjects(folder, [6]), CocoObjects(folder, [7])
    held_out = choosing.photographs | judging.photographs
    sources += [CocoObjects(folder, range(6), held_out), Segments(Path(root) / "bsds500")]
    weights = [1 - photographs - segments - instances, photographs, segments]
    if instances:
        sources.append(CocoAll(Path(root) / "coco_mini", held_out))
        weights.append(instances)
    return Splits(
        ObjectDataset(sources, weights, size=size, paste=paste, whole=whole, masks=masks),
        WholeObjects(choosing, evaluated_size),
        WholeObjects(judging, evaluated_size),
        ("object",),
        OF_PHOTOGRAPHS,
    )


# From nothing: the clicks' map counts in full from the beginning.
RITM = Recipe(
    name="ritm-hrnet18s-small",
    about="RITM with HRNet-18 of few blocks and OCR, on objects of photographs and scenes",
    model=interactive.ritm_hrnet18s,
    model_args={"modules": (1, 2, 1), "scale": 1.0},
    data=objects,
    data_args={"size": 224, "photographs": 0.4, "segments": 0.15, "instances": 0.35},
    simulate=simulate_clicks,
    simulate_args={"max_points": 8, "decay": 0.6},
    loss=click_loss,
    evaluation=click_scores,
    best="iou_5",  # what clicks reach, rather than what the first one guesses
    steps=4000,
    batch=64,
    lr=2e-3,
    weight_decay=0.02,
    schedule="cosine",
    warmup=200,
    clip=1.0,
    ema=0.999,
    precision="bf16",
    evaluate_every=500,
    checkpoint_every=500,
)
RECIPES = [
    RITM,
    dataclasses.replace(
        RITM,
        name="ritm-segformer-b0",
        about="RITM with SegFormer-B0, on objects of photographs and synthetic scenes",
        model=interactive.ritm_segformer_b0,
        model_args={"scale": 1.0, "drop_path": 0.0},
        lr=6e-4,
    ),
    dataclasses.replace(
        RITM,
        name="ritm-hrnet18s",
        about="RITM with HRNet-18 small and OCR, for GPUs",
        model_args={"scale": 1.0},
        data_args={**RITM.data_args, "size": 320},
        simulate_args={},
        steps=60_000,
        batch=32,
        lr=5e-4,
        precision="bf16",
        evaluate_every=2000,
        checkpoint_every=1000,
    ),
]
