"""Recipes of the semantic section.

- `<method>-scenes`: synthetic street scenes of 192 x 384, small enough for a laptop's CPU and for a
  checkpoint of at most 4 MB in half precision.
- `<method>-scenes-full`: the network of the paper on scenes of 512 x 1024, for GPUs.
- `<method>-camvid`: real photographs; the folder of CamVid is given by `data.root=…`.
- `<method>-camvid-full`: the network of the paper on them.

Nothing is pre-trained on ImageNet here: networks on VGG-16 get batch normalisation instead.
A class counts for 1 / sqrt(its share of the pixels): without that, a short training learns nothing
of poles and traffic lights, and mIoU asks for every class alike.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from torch import nn
from torch.utils.data import Subset

from segedu import semantic
from segedu.data.camvid import CAMVID_CLASSES, CamVid
from segedu.data.scenes import SCENE_CLASSES, SceneDataset
from segedu.data.transforms import SemanticDataset, evaluation_transforms, training_transforms
from segedu.training.recipe import Recipe, Splits


def scenes(
    height: int = 192,
    width: int = 384,
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


def camvid(
    root: str = "data/camvid", height: int = 180, width: int = 240, validation: int = 20
) -> Splits:
    """CamVid; the card's score is measured on its "val".

    The best checkpoint is chosen on the last photographs of "train", which are not trained on.

    Args:
        root: the folder with train, trainannot, val, valannot.
        height: of crops in training, and of photographs in evaluation, which are resized.
        width: likewise; photographs have 360 x 480.
        validation: how many photographs of "train" to hold out.
    """
    size, share = (height, width), height / 360
    samples = CamVid(root, "train")
    kept = range(len(samples) - validation)
    held_out = range(len(samples) - validation, len(samples))
    transform = training_transforms(size, scale=(0.75 * share, 2 * share))
    plain = evaluation_transforms(size)
    return Splits(
        Subset(SemanticDataset(samples, transform), kept),
        Subset(SemanticDataset(samples, plain), held_out),
        SemanticDataset(CamVid(root, "val"), plain),
        CAMVID_CLASSES,
        "CC BY-NC 4.0, as CamVid, on whose photographs these weights were trained",
    )


# In the order of SCENE_CLASSES: 1 / sqrt(share of the pixels of 400 scenes), the mean pixel 1.
SCENE_WEIGHTS = (
    0.63, 1.18, 0.65, 2.68, 2.48, 7.8, 4.62, 1.05, 2.75, 0.82, 2.96, 1.24, 2.83, 2.55,
)  # fmt: skip
# In the order of CAMVID_CLASSES: likewise, of the photographs of "train".
CAMVID_WEIGHTS = (0.88, 0.74, 3.6, 0.64, 1.7, 1.16, 3.35, 3.4, 1.49, 4.35, 7.03)
SMALL = Recipe(
    name="small",
    about="",
    model=nn.Identity,
    data=scenes,
    loss_args={"class_weights": SCENE_WEIGHTS},
    steps=3000,
    batch=4,
    lr=3e-3,
    weight_decay=0.01,
    schedule="poly",
    warmup=50,
    clip=1.0,
    ema=0.998,
    precision="bf16",
    evaluate_every=500,
    checkpoint_every=100,
)
FULL = dataclasses.replace(
    SMALL,
    data_args={"height": 512, "width": 1024},
    steps=40_000,
    batch=16,
    lr=2e-4,
    warmup=1500,
    ema=0.999,
    evaluate_every=2000,
    checkpoint_every=1000,
)


def _on_camvid(recipe: Recipe) -> Recipe:
    recipe = dataclasses.replace(recipe, loss_args={"class_weights": CAMVID_WEIGHTS})
    if recipe.data_args:  # the full one
        args = {"height": 360, "width": 480}
        return dataclasses.replace(recipe, data=camvid, data_args=args, steps=20_000)
    return dataclasses.replace(
        recipe, data=camvid, steps=2000, batch=8, ema=0.995, evaluate_every=250
    )


def _recipes(
    method: str,
    title: str,
    model: Callable[..., nn.Module],
    small: dict[str, Any],
    full: dict[str, Any] | None = None,
    *,
    narrow_title: str = "",
    on_camvid: bool = False,
    **changes: Any,
) -> list[Recipe]:
    """The small and the full recipe of a method; `changes` are for the small ones.

    `narrow_title` is what the small network is, where the paper's name would say too much of it.
    """
    small_title = f"{narrow_title or title}, small"
    narrow = dataclasses.replace(SMALL, model=model, model_args=small, **changes)
    whole = dataclasses.replace(FULL, model=model, model_args=full or {})
    made = [
        (narrow, f"{method}-scenes", f"{small_title}, on synthetic scenes"),
        (whole, f"{method}-scenes-full", f"{title} on synthetic scenes of 512 x 1024"),
    ]
    if on_camvid:
        made += [
            (_on_camvid(narrow), f"{method}-camvid", f"{small_title}, on CamVid"),
            (_on_camvid(whole), f"{method}-camvid-full", f"{title} on CamVid of 360 x 480"),
        ]
    return [dataclasses.replace(r, name=name, about=about) for r, name, about in made]


_VGG = {"width": 0.125, "head_channels": 128, "batch_norm": True}
RECIPES = [
    *_recipes("fcn32s", "FCN-32s", semantic.fcn32s, _VGG, {"batch_norm": True}),
    *_recipes("fcn16s", "FCN-16s", semantic.fcn16s, _VGG, {"batch_norm": True}),
    *_recipes("fcn8s", "FCN-8s", semantic.fcn8s, _VGG, {"batch_norm": True}),
    *_recipes("segnet", "SegNet", semantic.segnet, {"width": 0.1875}),
    *_recipes(
        "deconvnet", "DeconvNet", semantic.deconvnet,
        {"width": 0.125, "head_channels": 128, "bottleneck": 3},
    ),
    *_recipes(
        "unet", "U-Net", semantic.unet, {"channels": (16, 32, 64, 128, 160)}, on_camvid=True
    ),
    *_recipes(
        "stacked-hourglass", "Stacked hourglass (2)", semantic.stacked_hourglass,
        {"features": 64, "unused_skips": False}, {"unused_skips": False},
    ),
    *_recipes(
        "deeplab-v1", "DeepLab v1", semantic.deeplab_v1,
        {"width": 0.1875, "batch_norm": True}, {"batch_norm": True},
    ),
    # Four units of one bottleneck each (ResNet-50 has 3, 4, 6, 3), a quarter of the channels.
    *_recipes(
        "deeplab-v2", "DeepLab v2, ResNet-101", semantic.deeplab_v2,
        {"blocks": (1, 1, 1, 1), "width": 16}, narrow_title="DeepLab v2, four bottlenecks",
    ),
    *_recipes(
        "deeplab-v3", "DeepLab v3, ResNet-50", semantic.deeplab_v3,
        {"depth": (1, 1, 1, 1), "width": 16, "channels": 64, "output_stride": 8,
         "multi_grid": None},
        narrow_title="DeepLab v3, four bottlenecks", on_camvid=True,
    ),
    *_recipes(
        "deeplab-v3-plus", "DeepLab v3+, ResNet-101", semantic.deeplab_v3_plus,
        {"depth": (1, 2, 2, 1), "width": 16, "channels": 80, "low_channels": 48},
        narrow_title="DeepLab v3+, six bottlenecks",
    ),
    *_recipes(
        "hrnet-w18", "HRNet-W18", semantic.hrnet_w18,
        {"width": 12, "blocks": 2, "modules": (1, 1, 1), "stem_width": 32},
        narrow_title="HRNet, 12 channels",
        steps=6000,  # twice as many as the others: the course's best on scenes
    ),
    *_recipes(
        "segformer-b0", "SegFormer-B0", semantic.segformer_b0,
        {"width": 0.5, "drop_path": 0.0, "dropout": 0.0}, on_camvid=True,
    ),
]  # fmt: skip
