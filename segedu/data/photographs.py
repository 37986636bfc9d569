"""Photographs that scikit-image ships, with our annotations: instances, keypoints, panoptic.

The photographs are loaded from the installed scikit-image; the annotations lie in the repository's
`data/photographs/` (or in the wheel) in COCO's formats, so that tools that know COCO read them too.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import skimage.io
from numpy.typing import NDArray
from pycocotools import mask as coco_mask


@dataclass(frozen=True)
class Instance:
    """One object of a photograph.

    Attributes:
        category: its name.
        mask: (H, W) bool, the visible part.
        box: (4,) float, x0, y0, x1, y1 in pixels.
        keypoints: (17, 3) float for persons: x, y, visibility (0 unknown, 1 hidden, 2 visible) in
            COCO's order; None for other objects.
    """

    category: str
    mask: NDArray[np.bool_]
    box: NDArray[np.float64]
    keypoints: NDArray[np.float64] | None


@dataclass(frozen=True)
class Photograph:
    """A photograph and what is on it.

    Attributes:
        name: as in `photograph_names()`.
        image: (H, W, 3) uint8; grey photographs have three equal channels.
        instances: the objects ("things").
        segment_ids: (H, W) int32, the panoptic segment of every pixel, 0 where none is said.
        segments_info: one dictionary a segment: id, category_id, category, isthing, area, bbox.
    """

    name: str
    image: NDArray[np.uint8]
    instances: list[Instance]
    segment_ids: NDArray[np.int32]
    segments_info: list[dict[str, Any]]

    @property
    def panoptic(self) -> tuple[NDArray[np.int32], list[dict[str, Any]]]:
        """`(segment_ids, segments_info)`, the panoptic format of the course."""
        return self.segment_ids, self.segments_info

    def mask(self, category: str) -> NDArray[np.bool_]:
        """The union of all instances of a category, (H, W) bool.

        Raises:
            ValueError: the photograph has none.
        """
        masks = [thing.mask for thing in self.instances if thing.category == category]
        if not masks:
            there = sorted({thing.category for thing in self.instances})
            raise ValueError(f"{self.name} has no {category!r}; it has {there}")
        return np.logical_or.reduce(masks)


def data_root() -> Path:
    """The folder with the course's data: `SEGEDU_DATA`, the repository's, or the wheel's.

    Raises:
        FileNotFoundError: it is in none of these places.
    """
    here = Path(__file__).resolve()
    places = [here.parents[2] / "data", here.parent / "files"]
    if named := os.environ.get("SEGEDU_DATA"):
        places.insert(0, Path(named))
    for place in places:
        if (place / "photographs" / "instances.json").is_file():
            return place
    raise FileNotFoundError(
        f"the course's data is not in {' or '.join(map(str, places))}; clone the whole repository, "
        "or name its data folder in the environment variable SEGEDU_DATA"
    )


@cache
def _annotations() -> tuple[dict[str, Any], dict[str, Any]]:
    """instances.json and panoptic.json."""
    folder = data_root() / "photographs"
    with open(folder / "instances.json") as file, open(folder / "panoptic.json") as panoptic:
        return json.load(file), json.load(panoptic)


def photograph_names() -> list[str]:
    """Names of the annotated photographs."""
    return [_name(entry) for entry in _annotations()[0]["images"]]


def _name(entry: dict[str, Any]) -> str:
    return Path(entry["file_name"]).stem


def load_image(file_name: str) -> NDArray[np.uint8]:
    """Load a photograph from the installed scikit-image as (H, W, 3) uint8."""
    image = skimage.io.imread(Path(skimage.__file__).parent / "data" / file_name)
    if image.ndim == 2:
        image = np.stack([image] * 3, axis=-1)
    return np.ascontiguousarray(image[..., :3]).astype(np.uint8)


def load_photograph(name: str) -> Photograph:
    """Load a photograph with its annotations.

    Raises:
        ValueError: no photograph of that name is annotated.
        FileNotFoundError: the annotations are not there; see `data_root`.
    """
    instances, panoptic = _annotations()
    entry = next((e for e in instances["images"] if _name(e) == name), None)
    if entry is None:
        raise ValueError(f"there is no photograph {name!r}; there are {photograph_names()}")
    categories = {c["id"]: c for c in panoptic["categories"]}
    found = next(a for a in panoptic["annotations"] if a["image_id"] == entry["id"])
    rgb = skimage.io.imread(data_root() / "photographs" / "panoptic" / found["file_name"])
    ids = rgb.astype(np.int32) @ np.array([1, 256, 65536], dtype=np.int32)  # COCO's coding of ids
    infos = [
        {
            **info,
            "category": categories[info["category_id"]]["name"],
            "isthing": bool(categories[info["category_id"]]["isthing"]),
        }
        for info in found["segments_info"]
    ]
    own = (a for a in instances["annotations"] if a["image_id"] == entry["id"])
    things = list(_instances(own, categories))
    return Photograph(name, load_image(entry["file_name"]), things, ids, infos)


def _instances(
    annotations: Iterable[dict[str, Any]], categories: dict[int, dict[str, Any]]
) -> Iterable[Instance]:
    for annotation in annotations:
        x, y, w, h = annotation["bbox"]
        keypoints = annotation.get("keypoints")
        yield Instance(
            category=categories[annotation["category_id"]]["name"],
            mask=_decode_rle(annotation["segmentation"]),
            box=np.array([x, y, x + w, y + h], dtype=np.float64),
            keypoints=None
            if keypoints is None
            else np.array(keypoints, dtype=np.float64).reshape(17, 3),
        )


def _decode_rle(rle: dict[str, Any]) -> NDArray[np.bool_]:
    with warnings.catch_warnings():
        # pycocotools 2.0.11 converts arrays in a way NumPy 2 finds out of date; nobody who opens a
        # photograph can do anything about it.
        warnings.simplefilter("ignore", DeprecationWarning)
        return coco_mask.decode(rle).astype(bool)
