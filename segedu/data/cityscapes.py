"""Cityscapes: its labels, and a reader and a writer of its official folders.

Cordts et al., "The Cityscapes Dataset for Semantic Urban Scene Understanding", CVPR 2016. Layout:

    leftImg8bit/{split}/{city}/{city}_{sequence}_{frame}_leftImg8bit.png
    gtFine/{split}/{city}/{city}_{sequence}_{frame}_gtFine_labelIds.png      id, 8 bits
    gtFine/{split}/{city}/{city}_{sequence}_{frame}_gtFine_instanceIds.png   16 bits: id, or
                                                      id * 1000 + number for countable objects
    gtFine/{split}/{city}/{city}_{sequence}_{frame}_gtFine_color.png         the palette's colours

Networks are trained on the 19 trainIds; everything else is ignored (255).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from segedu.images import IGNORE_LABEL, check_image, check_label_map


@dataclass(frozen=True)
class CityscapesLabel:
    """One row of the official table.

    Attributes:
        name: as in the table.
        id: in the labelIds files; -1 for the licence plate, which is not in them.
        train_id: 0 … 18 where networks are trained on it; 255, or -1 for the licence plate, where
            not.
        category, category_id: the coarse class.
        has_instances: True when single objects are told apart.
        ignore_in_eval: True when the evaluation leaves it out.
        color: of the palette, RGB.
    """

    name: str
    id: int
    train_id: int
    category: str
    category_id: int
    has_instances: bool
    ignore_in_eval: bool
    color: tuple[int, int, int]


def _label(
    name: str, id: int, train_id: int, group: tuple[str, int], color: tuple[int, int, int]
) -> CityscapesLabel:
    category, category_id = group
    # Countable are people and vehicles; left out is what has no trainId.
    countable = category in ("human", "vehicle") and id > 0
    ignored = train_id in (-1, IGNORE_LABEL)
    return CityscapesLabel(name, id, train_id, category, category_id, countable, ignored, color)


_VOID, _FLAT, _BUILT, _OBJECT = ("void", 0), ("flat", 1), ("construction", 2), ("object", 3)
_NATURE, _SKY, _HUMAN, _VEHICLE = ("nature", 4), ("sky", 5), ("human", 6), ("vehicle", 7)

CITYSCAPES_LABELS: tuple[CityscapesLabel, ...] = (
    _label("unlabeled", 0, 255, _VOID, (0, 0, 0)),
    _label("ego vehicle", 1, 255, _VOID, (0, 0, 0)),
    _label("rectification border", 2, 255, _VOID, (0, 0, 0)),
    _label("out of roi", 3, 255, _VOID, (0, 0, 0)),
    _label("static", 4, 255, _VOID, (0, 0, 0)),
    _label("dynamic", 5, 255, _VOID, (111, 74, 0)),
    _label("ground", 6, 255, _VOID, (81, 0, 81)),
    _label("road", 7, 0, _FLAT, (128, 64, 128)),
    _label("sidewalk", 8, 1, _FLAT, (244, 35, 232)),
    _label("parking", 9, 255, _FLAT, (250, 170, 160)),
    _label("rail track", 10, 255, _FLAT, (230, 150, 140)),
    _label("building", 11, 2, _BUILT, (70, 70, 70)),
    _label("wall", 12, 3, _BUILT, (102, 102, 156)),
    _label("fence", 13, 4, _BUILT, (190, 153, 153)),
    _label("guard rail", 14, 255, _BUILT, (180, 165, 180)),
    _label("bridge", 15, 255, _BUILT, (150, 100, 100)),
    _label("tunnel", 16, 255, _BUILT, (150, 120, 90)),
    _label("pole", 17, 5, _OBJECT, (153, 153, 153)),
    _label("polegroup", 18, 255, _OBJECT, (153, 153, 153)),
    _label("traffic light", 19, 6, _OBJECT, (250, 170, 30)),
    _label("traffic sign", 20, 7, _OBJECT, (220, 220, 0)),
    _label("vegetation", 21, 8, _NATURE, (107, 142, 35)),
    _label("terrain", 22, 9, _NATURE, (152, 251, 152)),
    _label("sky", 23, 10, _SKY, (70, 130, 180)),
    _label("person", 24, 11, _HUMAN, (220, 20, 60)),
    _label("rider", 25, 12, _HUMAN, (255, 0, 0)),
    _label("car", 26, 13, _VEHICLE, (0, 0, 142)),
    _label("truck", 27, 14, _VEHICLE, (0, 0, 70)),
    _label("bus", 28, 15, _VEHICLE, (0, 60, 100)),
    _label("caravan", 29, 255, _VEHICLE, (0, 0, 90)),
    _label("trailer", 30, 255, _VEHICLE, (0, 0, 110)),
    _label("train", 31, 16, _VEHICLE, (0, 80, 100)),
    _label("motorcycle", 32, 17, _VEHICLE, (0, 0, 230)),
    _label("bicycle", 33, 18, _VEHICLE, (119, 11, 32)),
    _label("license plate", -1, -1, _VEHICLE, (0, 0, 142)),
)
BY_ID: dict[int, CityscapesLabel] = {label.id: label for label in CITYSCAPES_LABELS}
BY_TRAIN_ID: dict[int, CityscapesLabel] = {
    label.train_id: label for label in CITYSCAPES_LABELS if 0 <= label.train_id < IGNORE_LABEL
}
NUM_TRAIN_CLASSES = len(BY_TRAIN_ID)
TRAIN_CLASS_NAMES: tuple[str, ...] = tuple(BY_TRAIN_ID[i].name for i in range(NUM_TRAIN_CLASSES))
# Colours of the trainIds (19, 3).
TRAIN_PALETTE: NDArray[np.uint8] = np.array(
    [BY_TRAIN_ID[i].color for i in range(NUM_TRAIN_CLASSES)], dtype=np.uint8
)


def _tables() -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    to_train = np.full(256, IGNORE_LABEL, np.uint8)
    to_id = np.zeros(256, np.uint8)  # unlabeled
    colors = np.zeros((256, 3), np.uint8)
    for label in CITYSCAPES_LABELS:
        if label.id >= 0:
            colors[label.id] = label.color
        if 0 <= label.train_id < IGNORE_LABEL:
            to_train[label.id], to_id[label.train_id] = label.train_id, label.id
    return to_train, to_id, colors


_ID_TO_TRAIN, _TRAIN_TO_ID, _ID_COLORS = _tables()


def ids_to_train_ids(ids: Any) -> NDArray[np.uint8]:
    """Map labelIds (H, W) to trainIds (H, W) uint8; 255 where networks are not trained.

    Raises:
        ValueError: `ids` is no label map with values in 0 … 33.
    """
    return _ID_TO_TRAIN[_check(ids, "ids")]


def train_ids_to_ids(train_ids: Any) -> NDArray[np.uint8]:
    """Map trainIds (H, W) to labelIds (H, W) uint8; 255 becomes 0, unlabeled.

    Raises:
        ValueError: a value is neither in 0 … 18 nor 255.
    """
    labels = check_label_map(train_ids, name="train_ids")
    wrong = np.setdiff1d(labels, [*BY_TRAIN_ID, IGNORE_LABEL])
    if len(wrong):
        raise ValueError(f"train_ids must be 0 … 18 or 255, got {wrong[:5].tolist()}")
    return _TRAIN_TO_ID[labels]


def color_labels(ids: Any) -> NDArray[np.uint8]:
    """Colour labelIds (H, W) with the official palette: (H, W, 3) uint8."""
    return _ID_COLORS[_check(ids, "ids")]


def _check(ids: Any, name: str) -> NDArray[Any]:
    array = check_label_map(ids, name=name)
    if array.min() < 0 or array.max() > 33:
        raise ValueError(
            f"{name} must be Cityscapes' labelIds, 0 … 33, got {array.min()} … {array.max()}; "
            "trainIds become labelIds by train_ids_to_ids"
        )
    return array


@dataclass(frozen=True)
class CityscapesSample:
    """One photograph with its fine annotation.

    Attributes:
        name: "{city}_{sequence}_{frame}".
        image: (H, W, 3) uint8, RGB.
        ids: (H, W) uint8, labelIds.
        instance_ids: (H, W) int32 as in the file: id, or id * 1000 + number.
    """

    name: str
    image: NDArray[np.uint8]
    ids: NDArray[np.uint8]
    instance_ids: NDArray[np.int32]

    @property
    def labels(self) -> NDArray[np.uint8]:
        """TrainIds (H, W), 255 where networks are not trained."""
        return ids_to_train_ids(self.ids)


class Cityscapes:
    """One split of Cityscapes, or of any data in its layout; sorted by name.

    Args:
        root: the folder that holds `leftImg8bit` and `gtFine`.
        split: "train", "val" or "test".

    Raises:
        FileNotFoundError: no such folder; the message says where the data comes from.
        ValueError: a photograph without annotation.
    """

    def __init__(self, root: str | Path, split: str = "val") -> None:
        self.root, self.split = Path(root), split
        folder = self.root / "leftImg8bit" / split
        if not folder.is_dir():
            raise FileNotFoundError(
                f"{folder} does not exist. Cityscapes is free for research after registration at "
                "cityscapes-dataset.com: unpack leftImg8bit_trainvaltest.zip and "
                "gtFine_trainvaltest.zip into one folder and name it"
            )
        ending = "_leftImg8bit.png"
        self.names = sorted(path.name[: -len(ending)] for path in folder.glob(f"*/*{ending}"))
        without = [name for name in self.names if not self._path(name, "labelIds").is_file()]
        if without:
            raise ValueError(
                f"{len(without)} photographs have no _gtFine_labelIds.png, the first {without[0]}"
            )

    def _path(self, name: str, kind: str) -> Path:
        return self.root / _relative(self.split, name, kind)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> CityscapesSample:
        name = self.names[index]
        image = _read(self._path(name, "leftImg8bit"), cv2.IMREAD_COLOR)
        ids = _read(self._path(name, "labelIds"), cv2.IMREAD_UNCHANGED)
        instances = _read(self._path(name, "instanceIds"), cv2.IMREAD_UNCHANGED)
        if not image.shape[:2] == ids.shape == instances.shape:
            raise ValueError(
                f"{name}: photograph {image.shape[:2]}, labelIds {ids.shape} and instanceIds "
                f"{instances.shape} differ in size; fetch the files again"
            )
        image = np.ascontiguousarray(image[..., ::-1])
        return CityscapesSample(name, image, ids, instances.astype(np.int32))

    def __iter__(self) -> Iterator[CityscapesSample]:
        return (self[i] for i in range(len(self)))


def _relative(split: str, name: str, kind: str) -> Path:
    """Path of a file below the root; `kind` is "leftImg8bit", "labelIds", …"""
    city = name.split("_")[0]
    if kind == "leftImg8bit":
        return Path("leftImg8bit") / split / city / f"{name}_leftImg8bit.png"
    return Path("gtFine") / split / city / f"{name}_gtFine_{kind}.png"


def _read(path: Path, flags: int) -> NDArray[Any]:
    data = cv2.imread(str(path), flags) if path.is_file() else None
    if data is None:
        state = "is not a readable PNG" if path.exists() else "does not exist"
        raise FileNotFoundError(f"{path} {state}; fetch it again")
    return data


class Annotated(Protocol):
    """What `write_cityscapes` needs of a scene."""

    @property
    def image(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8."""

    @property
    def labels(self) -> NDArray[np.uint8]:
        """(H, W) uint8, trainIds."""

    @property
    def instance_ids(self) -> NDArray[np.int32]:
        """(H, W) int32, 0 for none, then 1 … N."""


def write_cityscapes(
    scenes: Iterable[Annotated], root: str | Path, split: str = "train", city: str = "synthetic"
) -> list[str]:
    """Write scenes in Cityscapes' layout and return their names.

    Args:
        scenes: with image, trainIds and instance numbers, such as `street_scene` makes.
        root: the folder that will hold `leftImg8bit` and `gtFine`.
        split: the sub-folder, such as "train".
        city: letters and digits; names become "{city}_000000_000019" and so on.

    Raises:
        ValueError: the city's name has other characters, or a scene does not fit together.
    """
    if not city.isalnum():
        raise ValueError(f"city must consist of letters and digits, got {city!r}")
    names = []
    for number, scene in enumerate(scenes):
        name = f"{city}_{number:06d}_000019"
        image = check_image(scene.image)
        ids = train_ids_to_ids(scene.labels)
        check_label_map(scene.instance_ids, image.shape[:2], "instance_ids")
        files = {
            "leftImg8bit": image[..., ::-1],
            "labelIds": ids,
            "instanceIds": instance_file(ids, scene.instance_ids),
            "color": color_labels(ids)[..., ::-1],
        }
        for kind, data in files.items():
            path = Path(root) / _relative(split, name, kind)
            path.parent.mkdir(parents=True, exist_ok=True)
            if not cv2.imwrite(str(path), data):
                raise OSError(f"{path} could not be written; is the disk full?")
        names.append(name)
    return names


def instance_file(ids: NDArray[np.uint8], numbers: NDArray[np.int32]) -> NDArray[np.uint16]:
    """Content of an instanceIds file: id, or id * 1000 + n with n from 0 for each label.

    Args:
        ids: (H, W), labelIds.
        numbers: (H, W), 0 for no object, then one number an object.

    Raises:
        ValueError: an object has several labels, or a label over 1000 objects.
    """
    out = ids.astype(np.uint16)
    counts: dict[int, int] = {}
    for number in np.unique(numbers[numbers > 0]).tolist():
        mask = numbers == number
        labels = np.unique(ids[mask]).tolist()
        if len(labels) > 1:
            raise ValueError(f"object {number} has several labels: {labels}")
        n = counts.get(labels[0], 0)
        if n >= 1000:
            raise ValueError(f"more than 1000 objects of label {labels[0]}")
        out[mask] = labels[0] * 1000 + n
        counts[labels[0]] = n + 1
    return out
