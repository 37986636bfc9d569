from __future__ import annotations

import contextlib
import copy
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from segedu.data.coco import (
    CocoInstances,
    CocoPanoptic,
    decode_segmentation,
    encode_mask,
    ids_to_rgb,
    rgb_to_ids,
)
from segedu.data.coco_writer import write_coco
from segedu.data.scenes import Scene, street_scene
from tests.requirements_of_machine import SHARED_DATA, needs_shared_data

SEEDS = (1, 2, 3, 4, 5, 6)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [street_scene(seed, 128, 256) for seed in SEEDS]


@pytest.fixture(scope="module")
def root(scenes: list[Scene], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coco")
    assert write_coco(scenes, folder, "val") == len(SEEDS)
    return folder


def score(truth: Path, results: list[dict[str, Any]], kind: str) -> float:
    """Average precision over IoU or OKS 0.5 … 0.95, by pycocotools."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(truth))
        evaluation = COCOeval(coco, coco.loadRes(copy.deepcopy(results)), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


def perfect(truth: Path, keys: tuple[str, ...]) -> list[dict[str, Any]]:
    annotations = json.loads(truth.read_text())["annotations"]
    keys = ("image_id", "category_id", *keys)
    return [{key: a[key] for key in keys} | {"score": 0.9} for a in annotations]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", ["segm", "bbox"])
def test_a_perfect_instance_segmentation_scores_one(root: Path, kind: str) -> None:
    truth = root / "annotations" / "instances_val.json"
    results = perfect(truth, ("segmentation" if kind == "segm" else "bbox",))
    assert len(results) > 20
    assert score(truth, results, kind) == 1.0
    # The scorer sees a difference: without every third object it is less.
    fewer = [r for i, r in enumerate(results) if i % 3]
    assert score(truth, fewer, kind) < 0.9


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_perfect_keypoints_score_one(root: Path) -> None:
    truth = root / "annotations" / "person_keypoints_val.json"
    results = perfect(truth, ("keypoints",))
    assert score(truth, results, "keypoints") == 1.0
    for result in results:
        result["keypoints"] = [v + 25 * (i % 3 == 0) for i, v in enumerate(result["keypoints"])]
    assert score(truth, results, "keypoints") < 0.7


def test_instances_come_back_as_written(root: Path, scenes: list[Scene]) -> None:
    data = CocoInstances(root / "annotations" / "instances_val.json", root / "val")
    assert len(data) == len(scenes)
    for scene, sample in zip(scenes, data, strict=True):
        assert np.array_equal(sample.image, scene.image)
        assert len(sample.objects) == len(scene.instances)
        for thing, found in zip(scene.instances, sample.objects, strict=True):
            assert found.category == thing.category
            assert np.array_equal(found.mask, thing.mask)
            assert np.array_equal(found.box, thing.box)
            assert found.area == thing.mask.sum()
        target = sample.target()
        assert target["masks"].shape == (len(sample.objects), 128, 256)
        assert target["boxes"].dtype == torch.float32
        assert "keypoints" not in target


def test_keypoints_come_back_as_written(root: Path, scenes: list[Scene]) -> None:
    data = CocoInstances(root / "annotations" / "person_keypoints_val.json", root / "val")
    count = 0
    for scene, sample in zip(scenes, data, strict=True):
        persons = [t.keypoints for t in scene.instances if t.keypoints is not None]
        assert len(persons) == len(sample.objects)
        for points, found in zip(persons, sample.objects, strict=True):
            assert found.keypoints is not None
            assert np.abs(points - found.keypoints).max() <= 5e-4
            count += 1
        if persons:
            assert sample.target()["keypoints"].shape == (len(persons), 17, 3)
    assert count > 3


def test_panoptic_comes_back_as_written(root: Path, scenes: list[Scene]) -> None:
    data = CocoPanoptic(root / "annotations" / "panoptic_val.json", root / "val")
    assert len(data) == len(scenes)
    for scene, sample in zip(scenes, data, strict=True):
        ids, infos = scene.panoptic
        assert np.array_equal(sample.segment_ids, ids)
        assert {i["id"] for i in sample.segments_info} == set(np.unique(ids).tolist())
        for wanted, found in zip(infos, sample.segments_info, strict=True):
            mask = sample.segment_ids == found["id"]
            assert found["area"] == wanted["area"] == mask.sum()
            x, y, w, h = found["bbox"]
            outside = mask.copy()
            outside[y : y + h, x : x + w] = False
            assert not outside.any()
            assert mask[y : y + h, x].any()
            assert mask[y + h - 1, x : x + w].any()
            assert found["isthing"] == wanted["isthing"]
            assert found["iscrowd"] == 0


def test_ids_are_coded_as_panopticapi_does() -> None:
    ids = np.array([[0, 1, 256, 65536, 3937500, (1 << 24) - 1]])
    rgb = ids_to_rgb(ids)
    assert rgb[0, 2].tolist() == [0, 1, 0]
    assert np.array_equal(rgb_to_ids(rgb), ids)
    with pytest.raises(ValueError, match="segment ids"):
        ids_to_rgb(np.array([[1 << 24]]))


def test_the_three_codings_of_masks() -> None:
    mask = np.zeros((6, 9), bool)
    mask[1:4, 2:7] = True
    assert np.array_equal(decode_segmentation(encode_mask(mask), 6, 9), mask)
    polygon = [[2.0, 1.0, 7.0, 1.0, 7.0, 4.0, 2.0, 4.0]]
    assert np.array_equal(decode_segmentation(polygon, 6, 9), mask)
    runs = [13]  # column by column: 12 pixels of two columns and one more are 0
    for _ in range(4):
        runs += [3, 3]
    runs += [3, 54 - sum(runs) - 3]
    assert np.array_equal(decode_segmentation({"size": [6, 9], "counts": runs}, 6, 9), mask)


def test_errors_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"cocodataset\.org"):
        CocoInstances(tmp_path / "instances.json", tmp_path)
    (tmp_path / "cut.json").write_text('{"images": [')
    with pytest.raises(ValueError, match="not complete JSON"):
        CocoInstances(tmp_path / "cut.json", tmp_path)
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ValueError, match="has no annotations, categories, images"):
        CocoPanoptic(tmp_path / "other.json", tmp_path)


@needs_shared_data
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", ["instances", "person_keypoints"])
def test_official_instances_are_read(kind: str) -> None:
    folder = SHARED_DATA / "coco_mini"
    path = folder / "annotations" / f"{kind}_val2017.json"
    data = CocoInstances(path, folder / "val2017")
    with contextlib.redirect_stdout(io.StringIO()):
        official = COCO(str(path))
    assert len(data) == len(official.imgs)
    for i in range(0, len(data), 7):
        sample = data[i]
        annotations = official.loadAnns(official.getAnnIds(sample.id))
        assert sorted(o.id for o in sample.objects) == sorted(a["id"] for a in annotations)
        for found, wanted in zip(sample.objects, annotations, strict=True):
            assert np.array_equal(found.mask, official.annToMask(wanted).astype(bool))
            assert found.mask.shape == sample.image.shape[:2]
            assert found.crowd == bool(wanted["iscrowd"])


@needs_shared_data
def test_official_panoptic_is_read() -> None:
    folder = SHARED_DATA / "coco_panoptic_sample" / "sample_data"
    data = CocoPanoptic(folder / "panoptic_examples.json", folder / "input_images")
    assert len(data) == 2
    for sample in data:
        assert sample.image.shape[:2] == sample.segment_ids.shape
        areas = {info["id"]: info["area"] for info in sample.segments_info}
        ids, counts = np.unique(sample.segment_ids, return_counts=True)
        found = dict(zip(ids.tolist(), counts.tolist(), strict=True))
        found.pop(0, None)
        assert found == areas
        assert {info["category"] for info in sample.segments_info} & {"person", "sports ball"}
