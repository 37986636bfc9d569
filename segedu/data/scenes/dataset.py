"""Street scenes as a torch data set: made when asked for, so there is nothing to store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from segedu.data.cityscapes import BY_TRAIN_ID
from segedu.data.scenes import street
from segedu.data.scenes.scene import street_scene
from segedu.data.transforms import Transform, apply
from segedu.images import IGNORE_LABEL, to_tensor

# Each split has a billion seeds of its own.
_FIRST_SEED = {"train": 0, "val": 10**9, "test": 2 * 10**9}


@dataclass(frozen=True)
class SceneClass:
    """A class that occurs in the scenes: Cityscapes' trainId, its name and its colour."""

    train_id: int
    name: str
    color: tuple[int, int, int]


SCENE_CLASSES: tuple[SceneClass, ...] = tuple(
    SceneClass(train_id, BY_TRAIN_ID[train_id].name, BY_TRAIN_ID[train_id].color)
    for train_id in (
        street.ROAD,
        street.SIDEWALK,
        street.BUILDING,
        street.FENCE,
        street.POLE,
        street.LIGHT,
        street.SIGN,
        street.VEGETATION,
        street.TERRAIN,
        street.SKY_LABEL,
        street.PERSON,
        street.CAR,
        street.TRUCK,
        street.BUS,
    )
)
# TrainId to class index 0 … C - 1, 255 for the others.
CLASS_OF_TRAIN_ID = np.full(256, IGNORE_LABEL, np.uint8)
for _index, _class in enumerate(SCENE_CLASSES):
    CLASS_OF_TRAIN_ID[_class.train_id] = _index


def scene_seeds(split: str, length: int) -> range:
    """Seeds of a split; those of "train", "val" and "test" never meet.

    Raises:
        ValueError: unknown split, or a length that is negative or above a billion.
    """
    if split not in _FIRST_SEED:
        raise ValueError(f"split must be one of {', '.join(_FIRST_SEED)}, got {split!r}")
    if not 0 <= length <= 10**9:
        raise ValueError(f"length must lie between 0 and 10^9, got {length}")
    first = _FIRST_SEED[split]
    return range(first, first + length)


class SceneDataset(Dataset[tuple[Tensor, Tensor]]):
    """Street scenes for semantic segmentation.

    Yields `(image, target)`: float32 (3, H, W) in [0, 1], and int64 (H, W) with the index of the
    class in `SCENE_CLASSES`, 255 to be ignored.

    Args:
        seeds: the scenes' seeds; or leave it out and give `split` and `length`.
        size: (H, W) of the scenes.
        transform: called with `tv_tensors.Image` (3, H, W) float32 and `tv_tensors.Mask` (H, W)
            int64; returns both, as the transforms of `segedu.data.transforms` do.
        split: "train", "val" or "test": these share no seed.
        length: number of scenes of the split.

    Raises:
        ValueError: neither seeds nor split and length were given, or both were.
    """

    def __init__(
        self,
        seeds: Sequence[int] | None = None,
        size: tuple[int, int] = (128, 256),
        transform: Transform | None = None,
        *,
        split: str | None = None,
        length: int | None = None,
    ) -> None:
        if (seeds is None) == (split is None) or (split is None) != (length is None):
            raise ValueError("give either seeds, or split and length")
        if split is not None and length is not None:
            seeds = scene_seeds(split, length)
        assert seeds is not None
        self.seeds, self.size, self.transform = seeds, size, transform

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        scene = street_scene(self.seeds[index], *self.size)
        image = to_tensor(scene.image)
        target = torch.from_numpy(CLASS_OF_TRAIN_ID[scene.labels]).long()
        return apply(image, target, self.transform)
