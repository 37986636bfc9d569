from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from segedu.data.cityscapes import (
    BY_TRAIN_ID,
    CITYSCAPES_LABELS,
    TRAIN_CLASS_NAMES,
    TRAIN_PALETTE,
    Cityscapes,
    color_labels,
    ids_to_train_ids,
    instance_file,
    train_ids_to_ids,
    write_cityscapes,
)
from segedu.data.scenes import street_scene

OFFICIAL_ORDER = [
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign",
    "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "train",
    "motorcycle", "bicycle",
]  # fmt: skip
# cityscapesScripts, helpers/labels.py: ids 0 … 33, then the licence plate, -1.
OFFICIAL_COLORS = [
    (0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0), (111, 74, 0), (81, 0, 81),
    (128, 64, 128), (244, 35, 232), (250, 170, 160), (230, 150, 140), (70, 70, 70),
    (102, 102, 156), (190, 153, 153), (180, 165, 180), (150, 100, 100), (150, 120, 90),
    (153, 153, 153), (153, 153, 153), (250, 170, 30), (220, 220, 0), (107, 142, 35),
    (152, 251, 152), (70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142), (0, 0, 70),
    (0, 60, 100), (0, 0, 90), (0, 0, 110), (0, 80, 100), (0, 0, 230), (119, 11, 32),
    (0, 0, 142),
]  # fmt: skip


def test_table_is_the_official_one() -> None:
    assert len(CITYSCAPES_LABELS) == 35
    assert [label.id for label in CITYSCAPES_LABELS] == [*range(34), -1]
    assert list(TRAIN_CLASS_NAMES) == OFFICIAL_ORDER
    assert [BY_TRAIN_ID[i].id for i in range(19)] == [
        7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33,
    ]  # fmt: skip
    countable = {label.name for label in CITYSCAPES_LABELS if label.has_instances}
    vehicles = {"car", "truck", "bus", "caravan", "trailer", "train", "motorcycle", "bicycle"}
    assert countable == {"person", "rider"} | vehicles
    assert sum(label.ignore_in_eval for label in CITYSCAPES_LABELS) == 16
    assert len({label.category for label in CITYSCAPES_LABELS}) == 8
    assert [label.color for label in CITYSCAPES_LABELS] == OFFICIAL_COLORS
    assert TRAIN_PALETTE.tolist() == [list(BY_TRAIN_ID[i].color) for i in range(19)]


def test_ids_and_train_ids_map_both_ways() -> None:
    train = np.array([[*range(19), 255]])
    ids = train_ids_to_ids(train)
    assert np.array_equal(ids_to_train_ids(ids), train)
    assert ids[0, -1] == 0  # unlabeled
    ignored = [label.id for label in CITYSCAPES_LABELS if label.train_id == 255]
    assert (ids_to_train_ids(np.array([ignored])) == 255).all()
    assert color_labels(np.array([[26]])).tolist() == [[[0, 0, 142]]]


def test_wrong_labels_are_named() -> None:
    with pytest.raises(ValueError, match=r"0 … 18 or 255, got \[19"):
        train_ids_to_ids(np.array([[19]]))
    with pytest.raises(ValueError, match="train_ids_to_ids"):
        ids_to_train_ids(np.array([[255]]))


def test_scenes_come_back_as_written(tmp_path: Path) -> None:
    scenes = [street_scene(seed, 64, 128) for seed in (1, 4, 7)]
    names = write_cityscapes(scenes, tmp_path, "val", city="town")
    assert names[0] == "town_000000_000019"
    data = Cityscapes(tmp_path, "val")
    assert data.names == names
    assert len(data) == 3 == len(list(data))
    for scene, sample in zip(scenes, data, strict=True):
        assert np.array_equal(sample.image, scene.image)
        assert np.array_equal(sample.labels, scene.labels)
        # Things have one id each and only they go beyond 1000.
        things = scene.instance_ids > 0
        assert np.array_equal(sample.instance_ids >= 1000, things)
        assert np.array_equal(np.where(things, sample.instance_ids // 1000, sample.ids), sample.ids)
        pairs = np.stack([sample.instance_ids[things], scene.instance_ids[things]])
        assert len(np.unique(pairs, axis=1).T) == len(scene.instances)
        assert np.array_equal(scene.panoptic[0], sample.instance_ids)


def test_files_are_the_official_ones(tmp_path: Path) -> None:
    scene = street_scene(4, 64, 128)
    write_cityscapes([scene], tmp_path, "train", city="town")
    stem = tmp_path / "gtFine" / "train" / "town" / "town_000000_000019_gtFine"
    ids = cv2.imread(f"{stem}_labelIds.png", cv2.IMREAD_UNCHANGED)
    assert ids.dtype == np.uint8
    instances = cv2.imread(f"{stem}_instanceIds.png", cv2.IMREAD_UNCHANGED)
    assert instances.dtype == np.uint16
    colors = cv2.imread(f"{stem}_color.png", cv2.IMREAD_COLOR)[..., ::-1]
    assert np.array_equal(colors, color_labels(ids))
    photo = tmp_path / "leftImg8bit" / "train" / "town" / "town_000000_000019_leftImg8bit.png"
    assert photo.is_file()


def test_instances_are_counted_for_each_label() -> None:
    ids = np.array([[26, 26, 24, 7]], np.uint8)
    numbers = np.array([[5, 2, 9, 0]], np.int32)
    assert instance_file(ids, numbers).tolist() == [[26001, 26000, 24000, 7]]
    with pytest.raises(ValueError, match="several labels"):
        instance_file(ids, np.array([[1, 1, 1, 0]], np.int32))


def test_errors_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"cityscapes-dataset\.com"):
        Cityscapes(tmp_path)
    scene = street_scene(0, 32, 64)
    with pytest.raises(ValueError, match="letters and digits"):
        write_cityscapes([scene], tmp_path, city="a_b")
    names = write_cityscapes([scene, scene], tmp_path, "val")
    folder = tmp_path / "gtFine" / "val" / "synthetic"
    (folder / f"{names[0]}_gtFine_instanceIds.png").write_bytes(b"no picture")
    with pytest.raises(FileNotFoundError, match="not a readable PNG"):
        Cityscapes(tmp_path)[0]
    (folder / f"{names[1]}_gtFine_labelIds.png").unlink()
    with pytest.raises(ValueError, match="1 photographs have no"):
        Cityscapes(tmp_path)
