"""Exports, read back with pycocotools and OpenCV."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from segedu.widgets.export import cutout_png, label_png, polygons, to_coco

Mask = NDArray[np.bool_]


def blobs(seed: int, shape: tuple[int, int] = (37, 53)) -> Mask:
    noise = np.random.default_rng(seed).standard_normal(shape)
    return cv2.GaussianBlur(noise, (0, 0), 3) > 0.05


def without_holes(mask: Mask) -> Mask:
    padded = np.pad(~mask, 1, constant_values=True).astype(np.uint8)
    count, labels = cv2.connectedComponents(padded, connectivity=4)
    assert count > 0
    return (labels != labels[0, 0])[1:-1, 1:-1]


def read(folder: Path, coco: dict[str, Any]) -> COCO:
    path = folder / "annotations.json"
    path.write_text(json.dumps(coco))
    return COCO(str(path))


def test_coco_is_read_back_exactly(tmp_path: Path) -> None:
    masks = {"cat": blobs(0), "hat": blobs(1), "nothing": np.zeros((37, 53), bool)}
    coco = read(tmp_path, to_coco(masks, file_name="a.png", image_id=7))
    assert [c["name"] for c in coco.loadCats(coco.getCatIds())] == ["cat", "hat", "nothing"]
    image = coco.loadImgs([7])[0]
    assert (image["height"], image["width"], image["file_name"]) == (37, 53, "a.png")
    annotations = coco.loadAnns(coco.getAnnIds(imgIds=[7]))
    assert len(annotations) == 2, "an object without a pixel is no instance"
    for annotation, mask in zip(annotations, masks.values(), strict=False):
        np.testing.assert_array_equal(coco.annToMask(annotation).astype(bool), mask)
        rows, cols = np.nonzero(mask)
        x, y, w, h = annotation["bbox"]
        assert (x, y) == (cols.min(), rows.min())
        assert (x + w, y + h) == (cols.max() + 1, rows.max() + 1)
        assert annotation["area"] == mask.sum()


def test_coco_with_polygons_is_read_back_without_the_holes(tmp_path: Path) -> None:
    mask = without_holes(blobs(2))
    coco = read(tmp_path, to_coco({"thing": mask}, segmentation="polygons"))
    annotation = coco.loadAnns(coco.getAnnIds())[0]
    assert isinstance(annotation["segmentation"], list) and annotation["rle"]["size"] == [37, 53]
    np.testing.assert_array_equal(coco.annToMask(annotation).astype(bool), mask)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 7), st.integers(1, 7), st.data())
def test_polygons_cover_the_mask_without_its_holes(h: int, w: int, data: st.DataObject) -> None:
    bits = data.draw(st.lists(st.booleans(), min_size=h * w, max_size=h * w))
    mask = np.array(bits).reshape(h, w)
    found = polygons(mask)
    covered = np.zeros((h, w), bool)
    if found:
        rle = coco_mask.merge(coco_mask.frPyObjects(found, h, w))
        covered = coco_mask.decode(rle).astype(bool)
    np.testing.assert_array_equal(covered, without_holes(mask))


def test_label_png_numbers_the_objects() -> None:
    one, two = np.zeros((4, 5), bool), np.zeros((4, 5), bool)
    one[:2], two[1:3, 2:] = True, True
    labels = cv2.imdecode(np.frombuffer(label_png([one, two]), np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(labels, np.where(two, 2, one.astype(int)))


@pytest.mark.parametrize(("count", "kind"), [(255, np.uint8), (300, np.uint16)])
def test_label_png_holds_more_objects_than_a_byte(count: int, kind: type) -> None:
    masks = list(np.eye(count, dtype=bool).reshape(count, 1, count))
    labels = cv2.imdecode(np.frombuffer(label_png(masks), np.uint8), cv2.IMREAD_UNCHANGED)
    assert labels.dtype == kind
    np.testing.assert_array_equal(labels, 1 + np.arange(count)[None])


def test_cutout_is_transparent_around_the_object() -> None:
    image = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    mask = np.zeros((4, 5), bool)
    mask[1, 1:4] = mask[2, 2] = True
    data = np.frombuffer(cutout_png(image, mask), np.uint8)
    picture = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA)
    assert picture.shape == (2, 3, 4)
    np.testing.assert_array_equal(picture[..., 3], 255 * mask[1:3, 1:4])
    np.testing.assert_array_equal(picture[..., :3], image[1:3, 1:4])


def test_nothing_to_export_says_so() -> None:
    with pytest.raises(ValueError, match="no object"):
        to_coco({})
    with pytest.raises(ValueError, match="nothing to cut out"):
        cutout_png(np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5), bool))
    with pytest.raises(ValueError, match="mask of b must have shape"):
        to_coco({"a": np.ones((4, 5), bool), "b": np.ones((5, 4), bool)})
