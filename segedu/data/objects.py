"""Images whose objects one can click on, to train click models with.

Each class is a `Source` of pairs, an image and a label map in which 0 is no object:

    CocoObjects     img/*.jpg and gt/*.png, one object a photograph, as `DAVIS` of `click_sets`
    CocoAll         photographs of COCO with all of their objects
    Segments        BSDS500: the segments that people cut photographs into
    SceneObjects    people, vehicles, signs, … of the synthetic street scenes

`object_crops` draws objects from these. `segments_of_scene` is all that one can point at in a
street scene, sky included.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from segedu.data.bsds import BSDS500
from segedu.data.click_sets import DAVIS
from segedu.data.coco import CocoInstances
from segedu.data.scenes import street_scene
from segedu.images import IGNORE_LABEL

Pair = tuple[NDArray[np.uint8], NDArray[np.int32]]
LONGEST = 400  # photographs are kept in memory at this size


class Source(Protocol):
    """Images with labelled objects."""

    def __len__(self) -> int: ...

    def pair(self, index: int, random: np.random.Generator) -> Pair:
        """Image (H, W, 3) uint8 and labels (H, W) int32: 0 no object, 1 … the objects."""
        ...


def shrink(image: NDArray[Any], labels: NDArray[Any]) -> Pair:
    """Both with the longer side at most `LONGEST`."""
    scale = min(1.0, LONGEST / max(labels.shape))
    size = (round(labels.shape[1] * scale), round(labels.shape[0] * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    nearest = cv2.resize(labels.astype(np.int32), size, interpolation=cv2.INTER_NEAREST)
    return small.astype(np.uint8), nearest.astype(np.int32)


def coco_photograph(name: str) -> str:
    """COCO's number of a photograph, from a file's name: zebra02_000000123456 -> 000000123456."""
    return name.rpartition("_")[2]


class CocoObjects:
    """Photographs with one object each, kept in memory once read.

    Args:
        root: the folder with `img` and `gt`.
        part: takes every item whose number modulo 8 is in it, to hold some out.
        without: photographs to leave out, because they are held out with another object.
    """

    def __init__(
        self, root: str | Path, part: Sequence[int] = range(8), without: Collection[str] = ()
    ) -> None:
        self.samples = DAVIS(root)
        names = [coco_photograph(name) for name in self.samples.photographs]
        numbers = [n for n in range(len(self.samples)) if n % 8 in part]
        self.numbers = [n for n in numbers if names[n] not in without]
        self.photographs = {names[n] for n in self.numbers}
        self._read = lru_cache(maxsize=None)(self._read_one)

    def __len__(self) -> int:
        return len(self.numbers)

    def _read_one(self, index: int) -> Pair:
        sample = self.samples[self.numbers[index]]
        return shrink(sample.image, sample.mask)

    def pair(self, index: int, random: np.random.Generator) -> Pair:
        """See `Source`."""
        return self._read(index)


class CocoAll:
    """Photographs of COCO's layout and all of their objects of fair size, crowds left out.

    Args:
        root: the folder with `annotations`, and with `train2017` and `val2017`, both used.
        without: photographs to leave out.
    """

    def __init__(self, root: str | Path, without: Collection[str] = ()) -> None:
        folder = Path(root)
        splits = [
            CocoInstances(folder / "annotations" / f"instances_{name}.json", folder / name)
            for name in ("train2017", "val2017")
        ]
        self.photographs = [
            (split, n)
            for split in splits
            for n, entry in enumerate(split.entries)
            if Path(entry["file_name"]).stem not in without
        ]
        self._read = lru_cache(maxsize=None)(self._read_one)

    def __len__(self) -> int:
        return len(self.photographs)

    def _read_one(self, index: int) -> Pair:
        split, number = self.photographs[index]
        sample = split[number]
        labels = np.zeros(sample.image.shape[:2], np.int32)
        objects = [o for o in sample.objects if not o.crowd]
        # Where masks overlap, the smaller one is in front: a tie before a person.
        for number, item in enumerate(sorted(objects, key=lambda o: -o.area), 1):
            labels[item.mask] = number
        image, labels = shrink(sample.image, labels)
        return image, _keep_sizes(labels, 0.01, 1.0)  # outlines of smaller ones are too coarse

    def pair(self, index: int, random: np.random.Generator) -> Pair:
        """See `Source`."""
        return self._read(index)


# Photographs of GrabCut that were taken from the Berkeley collection, under the names they have in
# BSDS500: that set judges click models, so none may be trained on.
OF_GRABCUT = (
    "106024", "124080", "153077", "153093", "181079", "189080", "208001", "209070", "21077",
    "227092", "24077", "271008", "304074", "326038", "37073", "376043", "388016", "65019", "69020",
    "86016",
)  # fmt: skip


class Segments:
    """Segments of BSDS500, of one of the people who cut the photograph; those of fair size.

    Args:
        root: of BSDS500.
        without: photographs to leave out.
    """

    def __init__(self, root: str | Path, without: Collection[str] = OF_GRABCUT) -> None:
        splits = [BSDS500(root, split) for split in ("train", "val")]
        self.photographs = [
            (split, n)
            for split in splits
            for n, name in enumerate(split.ids)
            if name not in without
        ]
        self._read = lru_cache(maxsize=None)(self._read_one)

    def __len__(self) -> int:
        return len(self.photographs)

    def _read_one(self, index: int) -> tuple[NDArray[np.uint8], list[NDArray[np.int32]]]:
        split, number = self.photographs[index]
        sample = split[number]
        # Segments below 1 % are details, those above half the photograph are background.
        return sample.image, [_keep_sizes(s + 1, 0.01, 0.5) for s in sample.segmentations]

    def pair(self, index: int, random: np.random.Generator) -> Pair:
        """See `Source`."""
        image, segmentations = self._read(index)
        return image, segmentations[int(random.integers(len(segmentations)))]


class SceneObjects:
    """Instances of synthetic street scenes.

    Args:
        first: seed of the first scene.
        length: how many.
        size: (H, W).
    """

    def __init__(self, first: int, length: int, size: tuple[int, int] = (192, 384)) -> None:
        self.first, self.length, self.size = first, length, size

    def __len__(self) -> int:
        return self.length

    def pair(self, index: int, random: np.random.Generator) -> Pair:
        """See `Source`."""
        scene = street_scene(self.first + index, *self.size)
        return scene.image, scene.instance_ids.astype(np.int32)


def _keep_sizes(labels: NDArray[np.int32], low: float, high: float) -> NDArray[np.int32]:
    """Labels whose share of the pixels lies between two bounds; the others become 0."""
    share = np.bincount(labels.ravel()) / labels.size
    kept = np.where((share >= low) & (share <= high), np.arange(len(share)), 0)
    return kept[labels].astype(np.int32)


def segments_of_scene(
    seed: int, size: int, least: int
) -> tuple[NDArray[np.uint8], list[NDArray[np.bool_]]]:
    """A street scene cut into its true segments: things, and connected pieces of stuff.

    Args:
        seed: of the scene.
        size: of its sides.
        least: pixels of a segment; smaller ones are left out.

    Returns:
        image (S, S, 3) uint8, and masks (S, S), the largest first.
    """
    scene = street_scene(seed, size, size)
    names = scene.labels.astype(np.int64) + 256 * scene.instance_ids
    masks: list[NDArray[np.bool_]] = []
    for name in np.unique(names[scene.labels != IGNORE_LABEL]):
        if name >= 256:  # a thing may be seen in pieces
            masks.append(names == name)
            continue
        pieces, count = ndimage.label(names == name)
        masks += [pieces == i for i in range(1, count + 1)]
    kept = [m for m in masks if m.sum() >= least]
    return scene.image, sorted(kept, key=lambda m: -int(m.sum()))
