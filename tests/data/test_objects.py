from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from segedu.data.click_sets import open_click_set
from segedu.data.objects import (
    OF_GRABCUT,
    CocoAll,
    CocoObjects,
    Segments,
    _keep_sizes,
)
from segedu.training.recipes.interactive import objects
from tests.requirements_of_machine import SHARED_DATA, needs_shared_data


def test_segments_by_size() -> None:
    labels = np.zeros((10, 10), np.int32)
    labels[:1, :1], labels[1:4] = 1, 2
    kept = _keep_sizes(labels, 0.05, 0.5)
    assert set(np.unique(kept)) == {0, 2}
    np.testing.assert_array_equal(kept == 2, labels == 2)


def test_recipe_without_photographs_learns_from_scenes() -> None:
    splits = objects(size=32)
    image, target = splits.train[0]
    assert image.shape == (3, 32, 32)
    assert (target == 1).any()
    assert splits.licence == "Apache-2.0"


@needs_shared_data
def test_photographs_are_split_without_overlap() -> None:
    root = SHARED_DATA / "coco_objects"
    parts = [set(CocoObjects(root, part).numbers) for part in (range(6), [6], [7])]
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
    assert sum(map(len, parts)) == len(list((root / "img").glob("*.jpg")))
    splits = objects(str(SHARED_DATA), instances=0.2)
    _, photographs, _, everything = splits.train.sources
    held_out = splits.validation.source.photographs | splits.test.source.photographs
    assert held_out and not held_out & photographs.photographs
    names = {Path(split.entries[n]["file_name"]).stem for split, n in everything.photographs}
    assert len(names) == len(everything) and not held_out & names
    assert len(splits.test) == len(parts[2])  # type: ignore[arg-type]
    torch.manual_seed(0)
    for _ in range(5):
        image, _target = splits.train[0]
        assert image.shape == (3, 160, 160)
    assert "research" in splits.licence


@needs_shared_data
def test_no_photograph_of_grabcut_is_trained_on() -> None:
    """It judges click models. By name, and pixel by pixel where names may differ."""
    grabcut = open_click_set(str(SHARED_DATA / "grabcut"), "grabcut")
    held_out = set(grabcut.photographs)
    assert len(held_out) == 50 and set(OF_GRABCUT) <= held_out
    splits = objects(str(SHARED_DATA), instances=0.2)
    _, photographs, segments, everything = splits.train.sources
    assert isinstance(segments, Segments)
    names = {split.ids[n] for split, n in segments.photographs}
    names |= photographs.photographs
    names |= {Path(split.entries[n]["file_name"]).stem for split, n in everything.photographs}
    assert not names & held_out
    prints = {fingerprint(grabcut[n].image) for n in range(len(grabcut))}
    trained = {
        fingerprint(segments.pair(n, np.random.default_rng(0))[0]) for n in range(len(segments))
    }
    assert len(trained) == len(segments) and not trained & prints
    # The check would notice: those that are left out are found, by name and by content.
    every = Segments(SHARED_DATA / "bsds500", without=())
    left_out = [(split, n) for split, n in every.photographs if split.ids[n] in held_out]
    assert len(left_out) == len(every) - len(segments) > 0
    assert {fingerprint(split[n].image) for split, n in left_out} & prints


def fingerprint(image) -> bytes:
    """Of an image's content, whatever its file's compression; the same lying and standing."""
    small = cv2.resize(np.asarray(image), (8, 8), interpolation=cv2.INTER_AREA)
    return (small // 16).tobytes()


def test_all_objects_of_a_photograph_are_there_save_crowds_and_tiny_ones(tmp_path: Path) -> None:
    """Three boxes: a large one, a smaller one in front of it, and one below 1 %; and a crowd."""
    boxes = [(0, 0, 60, 60), (20, 20, 20, 20), (90, 0, 5, 5), (0, 80, 100, 20)]
    for split in ("train2017", "val2017"):
        (tmp_path / split).mkdir()
        pixels = np.full((100, 100, 3), 90, np.uint8)
        cv2.imwrite(str(tmp_path / split / f"{split}.png"), pixels)
        content = {
            "images": [{"id": 1, "file_name": f"{split}.png", "height": 100, "width": 100}],
            "categories": [{"id": 1, "name": "box"}],
            "annotations": [
                {
                    "id": n, "image_id": 1, "category_id": 1, "bbox": box, "area": w * h,
                    "iscrowd": int(n == 4),
                    "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]],
                }
                for n, box in enumerate(boxes, 1)
                for x, y, w, h in [box]
            ],
        }  # fmt: skip
        (tmp_path / "annotations").mkdir(exist_ok=True)
        (tmp_path / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
    source = CocoAll(tmp_path)
    assert len(source) == 2 and len(CocoAll(tmp_path, without=["val2017"])) == 1
    image, labels = source.pair(0, np.random.default_rng(0))
    assert image.shape == (100, 100, 3)
    values, counts = np.unique(labels, return_counts=True)
    assert values.tolist() == [0, 1, 2]
    assert counts[1] == pytest.approx(3200, rel=0.06)
    assert counts[2] == pytest.approx(400, rel=0.12)
    assert labels[30, 30] == 2
