from __future__ import annotations

import numpy as np
import torch

from segedu.data.scenes import SCENE_CLASSES, SceneDataset, scene_seeds, street_scene


def test_scene_is_the_same_each_time() -> None:
    a, b = street_scene(5, 64, 128), street_scene(5, 64, 128)
    assert np.array_equal(a.image, b.image)
    assert np.array_equal(a.labels, b.labels)
    assert np.array_equal(a.instance_ids, b.instance_ids)


def test_dataset_yields_indices_of_classes() -> None:
    data = SceneDataset(split="train", length=4, size=(32, 64))
    image, target = data[3]
    assert image.shape == (3, 32, 64)
    assert image.dtype == torch.float32
    assert target.dtype == torch.int64
    assert set(target.unique().tolist()) <= {*range(len(SCENE_CLASSES)), 255}


def test_splits_share_no_seed() -> None:
    train, val, test = (scene_seeds(split, 10**9) for split in ("train", "val", "test"))
    assert train.stop <= val.start
    assert val.stop <= test.start
