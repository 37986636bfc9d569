from __future__ import annotations

import contextlib
import copy
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
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


def coded_ids(path: Path) -> Any:
    """Segment ids of a panoptic PNG, by PIL alone: R + 256 G + 65536 B."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(np.int64) @ [1, 256, 65536]


def panoptic_quality(truth: Path, predicted: Path) -> dict[int, float]:
    """PQ of each category as Kirillov et al. define it, from files and nothing of the library's."""
    counts: dict[int, list[float]] = {}  # category: sum of IoUs, segments of truth and prediction
    pairs = [json.loads(path.read_text())["annotations"] for path in (truth, predicted)]
    for true, said in zip(*pairs, strict=True):
        t = coded_ids(truth.with_suffix("") / true["file_name"])
        p = coded_ids(predicted.with_suffix("") / said["file_name"])
        for info in (*true["segments_info"], *said["segments_info"]):
            counts.setdefault(info["category_id"], [0.0, 0])[1] += 1
        for a in true["segments_info"]:
            for b in said["segments_info"]:
                if a["category_id"] == b["category_id"]:
                    inside, known = p == b["id"], t > 0
                    union = ((t == a["id"]) | inside) & known
                    iou = ((t == a["id"]) & inside).sum() / max(1, union.sum())
                    if iou > 0.5:
                        counts[a["category_id"]][0] += float(iou)
    return {k: ious / (n / 2) for k, (ious, n) in counts.items()}  # TP + FP / 2 + FN / 2 = n / 2


def test_panoptic_files_give_the_quality_they_should(root: Path, tmp_path: Path) -> None:
    truth = root / "annotations" / "panoptic_val.json"
    assert set(panoptic_quality(truth, truth).values()) == {1.0}
    content = json.loads(truth.read_text())
    shutil.copytree(truth.with_suffix(""), tmp_path / "panoptic_val")
    infos = content["annotations"][0]["segments_info"]
    gone = next(info for info in infos if info["area"] > 50)
    infos.remove(gone)  # one segment is not found: its pixels are no segment's
    path = tmp_path / "panoptic_val" / content["annotations"][0]["file_name"]
    with Image.open(path) as picture:
        rgb = np.array(picture.convert("RGB"))
    rgb[coded_ids(path) == gone["id"]] = 0
    Image.fromarray(rgb).save(path)
    (tmp_path / "panoptic_val.json").write_text(json.dumps(content))
    found = panoptic_quality(truth, tmp_path / "panoptic_val.json")
    category = gone["category_id"]
    n = sum(
        info["category_id"] == category
        for a in json.loads(truth.read_text())["annotations"]
        for info in a["segments_info"]
    )
    assert found.pop(category) == pytest.approx((n - 1) / (n - 0.5))
    assert set(found.values()) == {1.0}


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
