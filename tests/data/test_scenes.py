from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch.utils.data import DataLoader

from segedu.data.cityscapes import BY_TRAIN_ID
from segedu.data.scenes import (
    CLASS_OF_TRAIN_ID,
    SCENE_CLASSES,
    Scene,
    SceneDataset,
    scene_seeds,
    street_scene,
)
from segedu.data.scenes.weather import KINDS

# SHA-256 of everything in a scene, first 16 digits. Found the same with the instructions of a
# machine of 2023, of the oldest 64-bit x86, and without any optimisation. A change of these means
# other training data: every checkpoint's score must then be measured again.
HASHES = {
    (0, 128, 256): "42ddf7dcc164e970",
    (1, 128, 256): "28c51de141e06ab9",
    (2, 64, 128): "bd0005c7a80921a9",
    (3, 96, 96): "fc48bcdf91e3c4dc",
    (4, 256, 512): "1d983a530a311138",
    (5, 128, 256): "a6257913eddba862",
    (10**9, 128, 256): "5876946630fb4136",
}


@cache
def scenes(count: int = 40, height: int = 64) -> list[Scene]:
    return [street_scene(seed, height, 2 * height) for seed in range(count)]


def digest(scene: Scene) -> str:
    found = hashlib.sha256()
    for array in (scene.image, scene.labels, scene.instance_ids, scene.depth):
        found.update(array.tobytes())
    for thing in scene.instances:
        if thing.keypoints is not None:
            found.update(thing.keypoints.tobytes())
    return found.hexdigest()[:16]


@pytest.mark.parametrize(("case", "wanted"), HASHES.items(), ids=str)
def test_scene_is_the_same_on_every_machine(case: tuple[int, int, int], wanted: str) -> None:
    assert digest(street_scene(*case)) == wanted


def test_arrays_follow_the_conventions() -> None:
    scene = street_scene(0, 48, 80)
    assert (scene.image.shape, scene.image.dtype) == ((48, 80, 3), np.uint8)
    assert (scene.labels.shape, scene.labels.dtype) == ((48, 80), np.uint8)
    assert (scene.instance_ids.shape, scene.instance_ids.dtype) == ((48, 80), np.int32)
    assert (scene.depth.shape, scene.depth.dtype) == ((48, 80), np.float32)


def test_scenes_hold_every_class_and_weather() -> None:
    seen = {int(label) for scene in scenes() for label in np.unique(scene.labels)}
    assert seen == {c.train_id for c in SCENE_CLASSES}
    assert {scene.weather for scene in scenes()} == set(KINDS)
    for kind in SCENE_CLASSES:
        assert kind.name == BY_TRAIN_ID[kind.train_id].name
        assert kind.color == BY_TRAIN_ID[kind.train_id].color
        assert SCENE_CLASSES[CLASS_OF_TRAIN_ID[kind.train_id]] is kind


@pytest.mark.parametrize("seed", range(8))
def test_a_larger_picture_shows_the_same_scene(seed: int) -> None:
    small, large = street_scene(seed, 64, 128), street_scene(seed, 256, 512)
    assert small.weather == large.weather
    # The label at the middle of a small pixel, up to what lies along borders.
    middle = large.labels[2::4, 2::4]
    assert (middle == small.labels).mean() > 0.93
    shrunk = large.image.reshape(64, 4, 128, 4, 3).mean(axis=(1, 3))
    assert np.abs(shrunk - small.image).mean() < 16


def test_instances_agree_with_labels() -> None:
    things = {train_id for train_id, label in BY_TRAIN_ID.items() if label.has_instances}
    count = 0
    for scene in scenes():
        assert np.array_equal(scene.instance_ids > 0, np.isin(scene.labels, list(things)))
        numbers = np.unique(scene.instance_ids[scene.instance_ids > 0]).tolist()
        assert numbers == list(range(1, len(scene.instances) + 1))
        for number, thing in enumerate(scene.instances, start=1):
            mask = scene.instance_ids == number
            assert np.array_equal(thing.mask, mask)
            assert {BY_TRAIN_ID[int(i)].name for i in np.unique(scene.labels[mask])} == {
                thing.category
            }
            rows, columns = np.nonzero(mask)
            box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert thing.box.tolist() == box
            count += 1
    assert count > 150


def test_things_lie_where_their_depth_says() -> None:
    # A thing stands upright at one depth; where two meet, the nearer one hides the other.
    for scene in scenes(12):
        depths = []
        for thing in scene.instances:
            depth = scene.depth[thing.mask]
            assert depth.max() - depth.min() < 1e-3 * depth.max()
            depths.append(depth[0])
        assert depths == sorted(depths, reverse=True)
        assert (scene.depth[scene.labels == 10] == 10000).all()  # the sky
        road = scene.depth[scene.labels == 0]
        assert (road > 0.5).all()


def test_keypoints_lie_on_their_person() -> None:
    persons = visible = 0
    for scene in scenes():
        height, width = scene.labels.shape
        for thing in scene.instances:
            assert (thing.keypoints is None) == (thing.category != "person")
            if thing.keypoints is None:
                continue
            persons += 1
            assert thing.keypoints.shape == (17, 3)
            for x, y, v in thing.keypoints:
                assert v in (0, 1, 2)
                if v == 0:
                    assert (x, y) == (0, 0)
                    continue
                assert 0 <= x < width
                assert 0 <= y < height
                visible += v == 2
                if v == 2:
                    assert thing.mask[int(y), int(x)]
            if (thing.keypoints[[0, 15, 16], 2] > 0).all():
                nose, left, right = thing.keypoints[[0, 15, 16], 1]
                assert nose < min(left, right)
    assert persons > 60
    assert visible > 300


def test_faces_are_seen_from_the_front_only() -> None:
    front = back = 0
    for seed in range(60):
        for thing in street_scene(seed, 256, 512).instances:
            if thing.keypoints is None:
                continue
            shoulders = thing.keypoints[[5, 6]]
            apart = shoulders[0, 0] - shoulders[1, 0]  # left minus right
            tall = thing.box[3] - thing.box[1]
            if (shoulders[:, 2] == 0).any() or abs(apart) < 0.15 * tall or tall < 30:
                continue
            if apart > 0:  # the left shoulder is on the right: the person faces us
                front += 1
            else:
                back += 1
                assert thing.keypoints[0, 2] < 2  # the nose
    assert front > 5
    assert back > 5


def test_panoptic_covers_the_picture() -> None:
    for scene in scenes(15):
        ids, infos = scene.panoptic
        assert ids.dtype == np.int32
        assert sum(info["area"] for info in infos) == ids.size
        assert len(infos) == len({info["id"] for info in infos})
        things = [info for info in infos if info["isthing"]]
        assert len(things) == len(scene.instances)
        for info in infos:
            assert info["id"] // (1000 if info["isthing"] else 1) == info["category_id"]


def test_errors_say_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="seed must not be negative"):
        street_scene(-1)
    with pytest.raises(ValueError, match="at least 16, got 8 x 256"):
        street_scene(0, 8)


def test_dataset_yields_indices_of_classes() -> None:
    data = SceneDataset(split="train", length=4, size=(32, 64))
    image, target = data[3]
    assert image.shape == (3, 32, 64)
    assert image.dtype == torch.float32
    assert target.dtype == torch.int64
    scene = street_scene(3, 32, 64)
    assert torch.equal(image, torch.from_numpy(scene.image).permute(2, 0, 1) / 255)
    for index, kind in enumerate(SCENE_CLASSES):
        assert np.array_equal(target.numpy() == index, scene.labels == kind.train_id)
    images, targets = next(iter(DataLoader(data, batch_size=4)))
    assert images.shape == (4, 3, 32, 64)
    assert targets.shape == (4, 32, 64)


def test_splits_share_no_seed() -> None:
    train, val, test = (scene_seeds(split, 10**9) for split in ("train", "val", "test"))
    assert train.stop <= val.start
    assert val.stop <= test.start
    with pytest.raises(ValueError, match="train, val, test"):
        scene_seeds("validation", 3)
    with pytest.raises(ValueError, match="length"):
        scene_seeds("train", -1)
    with pytest.raises(ValueError, match="either seeds, or split and length"):
        SceneDataset(range(3), split="train", length=3)
    with pytest.raises(ValueError, match="either seeds, or split and length"):
        SceneDataset(split="train")


def mean_iou(truth: np.ndarray, found: np.ndarray) -> float:
    ious = []
    for index in range(len(SCENE_CLASSES)):
        a, b = truth == index, found == index
        ious.append((a & b).sum() / max((a | b).sum(), 1))
    return float(np.mean(ious))


def pixels(split: str, length: int) -> tuple[np.ndarray, np.ndarray]:
    pairs = list(SceneDataset(split=split, length=length, size=(64, 128)))
    colors = torch.cat([image.permute(1, 2, 0).reshape(-1, 3) for image, _ in pairs])
    return colors.numpy(), torch.cat([target.flatten() for _, target in pairs]).numpy()


def test_colour_alone_does_not_tell_the_classes() -> None:
    colors, target = pixels("train", 40)
    every = np.random.default_rng(0).permutation(len(colors))[:12000]
    model = LogisticRegression(max_iter=200).fit(colors[every], target[every])
    colors, target = pixels("val", 20)
    found = mean_iou(target, model.predict(colors))
    assert 0.02 < found < 0.4  # 0.11 was found
