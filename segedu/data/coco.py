"""COCO: reader and writer of instances, keypoints and panoptic segmentations.

Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; Kirillov et al., "Panoptic
Segmentation", CVPR 2019. Layout, with SPLIT such as "train2017":

    SPLIT/*.jpg                                 the photographs
    annotations/instances_SPLIT.json            objects: polygons, or run lengths (crowds)
    annotations/person_keypoints_SPLIT.json     persons with 17 keypoints
    annotations/panoptic_SPLIT.json             segments of each photograph
    annotations/panoptic_SPLIT/*.png            whose pixels are id = R + 256 G + 256² B

What is written here, `pycocotools` and `panopticapi` read; the readers take the official files.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from torch import Tensor

from segedu.data.photographs import Instance

KEYPOINT_NAMES = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip",
    "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
# Pairs of joints to draw a line between, counted from 1 as in COCO's files.
SKELETON = (
    (16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7), (6, 8), (7, 9),
    (8, 10), (9, 11), (2, 3), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7),
)  # fmt: skip

# Cityscapes' trainId -> (COCO's id, name); ids above 1000 where COCO has no such class.
COCO_CATEGORIES: dict[int, tuple[int, str]] = {
    0: (149, "road"),
    1: (191, "pavement"),
    2: (197, "building"),
    3: (199, "wall"),
    4: (185, "fence"),
    5: (1105, "pole"),
    6: (1106, "traffic light, not counted"),
    7: (1107, "traffic sign"),
    8: (184, "tree"),
    9: (193, "grass"),
    10: (187, "sky"),
    11: (1, "person"),
    12: (1112, "rider"),
    13: (3, "car"),
    14: (8, "truck"),
    15: (6, "bus"),
    16: (7, "train"),
    17: (4, "motorcycle"),
    18: (2, "bicycle"),
}


# ---------------------------------------------------------------- masks and ids


def encode_mask(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """COCO's compressed run lengths of a mask (H, W), as they stand in JSON."""
    with warnings.catch_warnings():
        # pycocotools 2.0.11 converts arrays in a way NumPy 2 finds out of date.
        warnings.simplefilter("ignore", DeprecationWarning)
        rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": list(rle["size"]), "counts": rle["counts"].decode("ascii")}


def decode_segmentation(segmentation: Any, height: int, width: int) -> NDArray[np.bool_]:
    """The mask (H, W) of polygons, of plain run lengths or of compressed ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        if isinstance(segmentation, list):
            rle = coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width))
        elif isinstance(segmentation["counts"], list):
            rle = coco_mask.frPyObjects(segmentation, height, width)
        else:
            rle = segmentation
        return coco_mask.decode(rle).astype(bool)


def polygons(mask: NDArray[np.bool_]) -> list[list[float]]:
    """Outer outlines of a mask as COCO polygons [x0, y0, x1, y1, …], along the pixels' edges.

    mask (H, W). Holes are filled, as COCO's polygons cannot say them: the RLE is exact.
    """
    # Drawn twice as large and one pixel out, so that the outline runs along the edges of pixels
    # and a lone pixel has an area.
    doubled = mask.astype(np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    outlines, _ = cv2.findContours(doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    found = []
    for outline in outlines:
        corners = (outline.reshape(-1, 2) + (outline.reshape(-1, 2) % 2)) / 2
        if len(corners) >= 3:
            found.append([float(value) for value in corners.ravel()])
    return found


def ids_to_rgb(ids: NDArray[Any]) -> NDArray[np.uint8]:
    """Code segment ids (H, W) below 2²⁴ as colours (H, W, 3): id = R + 256 G + 256² B."""
    if ids.size and (ids.min() < 0 or ids.max() >= 1 << 24):
        raise ValueError(f"segment ids must lie in 0 … 2^24 - 1, got {ids.min()} … {ids.max()}")
    return np.stack([ids & 255, ids >> 8 & 255, ids >> 16], axis=-1).astype(np.uint8)


def rgb_to_ids(rgb: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Segment ids (H, W) of colours (H, W, 3); see `ids_to_rgb`."""
    ids: NDArray[np.int32] = rgb.astype(np.int32) @ np.array([1, 256, 65536], dtype=np.int32)
    return ids


# ---------------------------------------------------------------- reading


@dataclass(frozen=True)
class CocoObject(Instance):
    """An object as in COCO: an `Instance`, and further

    Attributes:
        id: of the annotation.
        category_id: COCO's.
        area: in pixels, as in the file.
        crowd: True for a group that is not told apart.
    """

    id: int
    category_id: int
    area: float
    crowd: bool


@dataclass(frozen=True)
class CocoSample:
    """A photograph and its objects.

    Attributes:
        id: of the photograph.
        image: (H, W, 3) uint8, RGB.
        objects: in the file's order.
    """

    id: int
    image: NDArray[np.uint8]
    objects: list[CocoObject]

    def target(self) -> dict[str, Tensor]:
        """As torchvision's detectors want it: boxes xyxy (N, 4), labels (N,), masks (N, H, W), …

        Keypoints (N, 17, 3) are there when every object has them.
        """
        objects, size = self.objects, self.image.shape[:2]
        masks = np.stack([o.mask for o in objects]) if objects else np.zeros((0, *size), bool)
        boxes = np.array([o.box for o in objects], np.float32).reshape(-1, 4)
        target = {
            "boxes": torch.from_numpy(boxes),
            "labels": torch.tensor([o.category_id for o in objects], dtype=torch.int64),
            "masks": torch.from_numpy(masks),
            "area": torch.tensor([o.area for o in objects], dtype=torch.float32),
            "iscrowd": torch.tensor([int(o.crowd) for o in objects], dtype=torch.int64),
            "image_id": torch.tensor(self.id),
        }
        keypoints = [o.keypoints for o in objects if o.keypoints is not None]
        if objects and len(keypoints) == len(objects):
            target["keypoints"] = torch.from_numpy(np.stack(keypoints).astype(np.float32))
        return target


def _load_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist; COCO's annotations are at cocodataset.org, to be unpacked so "
            "that `annotations` lies beside the folders of photographs"
        )
    with open(path) as file:
        try:
            content: dict[str, Any] = json.load(file)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path} is not complete JSON ({error}); fetch it again") from error
    if missing := {"images", "annotations", "categories"} - set(content):
        raise ValueError(f"{path} has no {', '.join(sorted(missing))}; is it a COCO annotation?")
    return content


def _read_image(path: Path) -> NDArray[np.uint8]:
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None
    if pixels is None:
        state = "is not a readable picture" if path.exists() else "does not exist"
        raise FileNotFoundError(f"{path} {state}; fetch it again")
    return np.ascontiguousarray(pixels[..., ::-1])


class CocoInstances:
    """Objects of a COCO file, photograph by photograph in the file's order.

    Args:
        annotations: `instances_SPLIT.json` or `person_keypoints_SPLIT.json`.
        images: the folder with the photographs.

    Raises:
        FileNotFoundError: a file is not there.
        ValueError: the annotations are not COCO's.
    """

    def __init__(self, annotations: str | Path, images: str | Path) -> None:
        content = _load_json(Path(annotations))
        self.folder = Path(images)
        self.entries: list[dict[str, Any]] = content["images"]
        self.categories: dict[int, str] = {c["id"]: c["name"] for c in content["categories"]}
        self._of_image: dict[int, list[dict[str, Any]]] = {e["id"]: [] for e in self.entries}
        for annotation in content["annotations"]:
            if annotation["image_id"] in self._of_image:
                self._of_image[annotation["image_id"]].append(annotation)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> CocoSample:
        entry = self.entries[index]
        size = entry["height"], entry["width"]
        objects = [self._object(a, *size) for a in self._of_image[entry["id"]]]
        return CocoSample(entry["id"], _read_image(self.folder / entry["file_name"]), objects)

    def __iter__(self) -> Iterator[CocoSample]:
        return (self[i] for i in range(len(self)))

    def _object(self, annotation: Mapping[str, Any], height: int, width: int) -> CocoObject:
        x, y, w, h = annotation["bbox"]
        keypoints = annotation.get("keypoints")
        return CocoObject(
            category=self.categories[annotation["category_id"]],
            mask=decode_segmentation(annotation["segmentation"], height, width),
            box=np.array([x, y, x + w, y + h], dtype=np.float64),
            keypoints=None if keypoints is None else np.reshape(keypoints, (-1, 3)).astype(float),
            id=annotation["id"],
            category_id=annotation["category_id"],
            area=float(annotation["area"]),
            crowd=bool(annotation.get("iscrowd", 0)),
        )


@dataclass(frozen=True)
class PanopticSample:
    """A photograph and its segments.

    Attributes:
        id: of the photograph.
        image: (H, W, 3) uint8, RGB.
        segment_ids: (H, W) int32, 0 where nothing is said.
        segments_info: one dictionary a segment: id, category_id, category, isthing, iscrowd, area,
            bbox (x, y, width, height).
    """

    id: int
    image: NDArray[np.uint8]
    segment_ids: NDArray[np.int32]
    segments_info: list[dict[str, Any]]


class CocoPanoptic:
    """Panoptic segmentations of a COCO file, in the file's order.

    Args:
        annotations: `panoptic_SPLIT.json`.
        images: the folder with the photographs.
        maps: the folder with the PNG files; by default named as the JSON file, without its ending.

    Raises:
        FileNotFoundError: a file is not there.
        ValueError: the annotations are not COCO's.
    """

    def __init__(
        self, annotations: str | Path, images: str | Path, maps: str | Path | None = None
    ) -> None:
        path = Path(annotations)
        content = _load_json(path)
        self.folder, self.maps = Path(images), Path(maps or path.with_suffix(""))
        self.annotations: list[dict[str, Any]] = content["annotations"]
        self.categories: dict[int, dict[str, Any]] = {c["id"]: c for c in content["categories"]}
        self._files = {entry["id"]: entry["file_name"] for entry in content["images"]}

    def __len__(self) -> int:
        return len(self.annotations)

    def __getitem__(self, index: int) -> PanopticSample:
        annotation = self.annotations[index]
        infos = []
        for info in annotation["segments_info"]:
            category = self.categories[info["category_id"]]
            thing = bool(category["isthing"])
            infos.append({**info, "category": category["name"], "isthing": thing})
        ids = rgb_to_ids(_read_image(self.maps / annotation["file_name"]))
        number = annotation["image_id"]
        return PanopticSample(number, _read_image(self.folder / self._files[number]), ids, infos)

    def __iter__(self) -> Iterator[PanopticSample]:
        return (self[i] for i in range(len(self)))
