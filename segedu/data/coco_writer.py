"""Writes scenes as COCO data: instances, keypoints, panoptic; the layout is in `coco.py`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from segedu.data.cityscapes import BY_TRAIN_ID
from segedu.data.coco import COCO_CATEGORIES, KEYPOINT_NAMES, SKELETON, encode_mask, ids_to_rgb
from segedu.data.photographs import Instance
from segedu.images import check_image

_INFO = {"description": "segedu: synthetic street scenes", "version": "1", "year": 2026}
_BY_ID = {BY_TRAIN_ID[t].id: pair for t, pair in COCO_CATEGORIES.items()}
_BY_NAME = {BY_TRAIN_ID[t].name: pair for t, pair in COCO_CATEGORIES.items()}


class AnnotatedScene(Protocol):
    """What `write_coco` needs of a scene."""

    @property
    def image(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8."""

    @property
    def instances(self) -> list[Instance]:
        """The objects; their categories are Cityscapes'."""

    @property
    def panoptic(self) -> tuple[NDArray[np.int32], list[dict[str, Any]]]:
        """Segment ids (H, W) and infos with Cityscapes' category ids."""


def _categories(things_only: bool) -> list[dict[str, Any]]:
    """COCO's list of categories for Cityscapes' 19 classes."""
    found = []
    for train_id, (number, name) in COCO_CATEGORIES.items():
        label = BY_TRAIN_ID[train_id]
        if label.has_instances or not things_only:
            row = {"id": number, "name": name, "supercategory": label.category}
            if not things_only:
                row |= {"isthing": int(label.has_instances), "color": list(label.color)}
            found.append(row)
    return sorted(found, key=lambda row: row["id"])


def _annotation(thing: Instance, number: int, image_id: int) -> dict[str, Any]:
    x0, y0, x1, y1 = thing.box.tolist()
    annotation = {
        "id": number,
        "image_id": image_id,
        "category_id": _BY_NAME[thing.category][0],
        "segmentation": encode_mask(thing.mask),
        "area": int(thing.mask.sum()),
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "iscrowd": 0,
    }
    return annotation


def _keypoints(points: NDArray[np.float64]) -> dict[str, Any]:
    values = [round(value, 3) for value in points.flatten().tolist()]
    values[2::3] = [int(value) for value in values[2::3]]
    return {"keypoints": values, "num_keypoints": int((points[:, 2] > 0).sum())}


def _panoptic(
    scene: AnnotatedScene, image_id: int, file_name: str
) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """The PNG's pixels (RGB) and the JSON's entry of a scene."""
    ids, infos = scene.panoptic
    segments = [
        {
            "id": info["id"],
            "category_id": _BY_ID[info["category_id"]][0],
            "iscrowd": 0,
            "area": info["area"],
            "bbox": info["bbox"],
        }
        for info in infos
    ]
    entry = {"image_id": image_id, "file_name": file_name, "segments_info": segments}
    return ids_to_rgb(ids), entry


def write_coco(scenes: Iterable[AnnotatedScene], root: str | Path, split: str = "train") -> int:
    """Write scenes with their instances, keypoints and segments in COCO's layout.

    Args:
        scenes: such as `street_scene` makes.
        root: the folder that will hold `annotations` and the pictures' folder.
        split: name of the pictures' folder and end of the annotations' names.

    Returns:
        The number of scenes written.

    Raises:
        OSError: a file cannot be written.
    """
    root = Path(root)
    pictures, maps = root / split, root / "annotations" / f"panoptic_{split}"
    pictures.mkdir(parents=True, exist_ok=True)
    maps.mkdir(parents=True, exist_ok=True)
    images: list[dict[str, Any]] = []
    objects: list[dict[str, Any]] = []
    persons: list[dict[str, Any]] = []
    segments: list[dict[str, Any]] = []
    for image_id, scene in enumerate(scenes, start=1):
        image, stem = check_image(scene.image), f"{image_id:012d}"
        height, width = image.shape[:2]
        images.append(
            {"id": image_id, "file_name": f"{stem}.png", "height": height, "width": width}
        )
        _write_png(pictures / f"{stem}.png", image)
        for thing in scene.instances:
            annotation = _annotation(thing, len(objects) + 1, image_id)
            objects.append(annotation)
            if thing.keypoints is not None:
                persons.append(annotation | _keypoints(thing.keypoints))
        colors, entry = _panoptic(scene, image_id, f"{stem}.png")
        _write_png(maps / f"{stem}.png", colors)
        segments.append(entry)
    person = {"keypoints": list(KEYPOINT_NAMES), "skeleton": [list(pair) for pair in SKELETON]}
    things = _categories(things_only=True)
    people = [row | person for row in things if row["id"] == 1]
    for kind, entries, categories in (
        ("instances", objects, things),
        ("person_keypoints", persons, people),
        ("panoptic", segments, _categories(things_only=False)),
    ):
        content = {
            "info": _INFO,
            "licenses": [],
            "images": images,
            "annotations": entries,
            "categories": categories,
        }
        with open(root / "annotations" / f"{kind}_{split}.json", "w") as file:
            json.dump(content, file)
    return len(images)


def _write_png(path: Path, rgb: NDArray[np.uint8]) -> None:
    if not cv2.imwrite(str(path), rgb[..., ::-1]):
        raise OSError(f"{path} could not be written; is the disk full?")
