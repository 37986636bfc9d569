"""The readers of interactive segmentation's sets, on small folders in their layouts."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from segedu.data.click_sets import DAVIS, SBD, Berkeley, GrabCutSet, open_click_set
from tests.requirements_of_machine import SHARED_DATA, needs_shared_data

TRIMAP = np.uint8([[0, 0, 128, 255], [0, 128, 255, 255], [0, 0, 0, 128]])


def photograph(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(seed).integers(0, 256, (*TRIMAP.shape, 3), dtype=np.uint8)
    Image.fromarray(image).save(path)
    return image


def values(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


@pytest.mark.parametrize(
    ("kind", "images", "masks"),
    [(GrabCutSet, "data_GT", "boundary_GT"), (Berkeley, "images", "masks")],
)
def test_trimaps(tmp_path, kind, images, masks):
    image = photograph(tmp_path / images / "b.bmp", 1)
    photograph(tmp_path / images / "a.bmp", 2)
    for name in "ab":
        values(tmp_path / masks / f"{name}.png", TRIMAP if name == "b" else TRIMAP[::-1].copy())
    data = open_click_set(tmp_path)
    assert type(data) is kind
    assert [sample.name for sample in data] == ["a", "b"]
    sample = data[1]
    np.testing.assert_array_equal(sample.image, image)
    np.testing.assert_array_equal(sample.mask, TRIMAP == 255)
    np.testing.assert_array_equal(sample.ignored, TRIMAP == 128)


def test_colours_of_davis(tmp_path):
    photograph(tmp_path / "img/a.png", 1)
    colours = np.zeros((*TRIMAP.shape, 3), np.uint8)
    colours[0, 1] = (0, 1, 0)
    colours[1, 2] = (200, 0, 90)
    values(tmp_path / "gt/a.png", colours)
    sample = open_click_set(tmp_path)[0]
    assert sample.mask.sum() == 2 and sample.mask[0, 1] and sample.mask[1, 2]
    assert not sample.ignored.any()
    assert isinstance(open_click_set(tmp_path, "davis"), DAVIS)


def test_each_object_of_sbd(tmp_path):
    instances = np.uint8([[0, 1, 1, 255], [0, 2, 2, 255], [0, 0, 0, 0]])
    for name in ("x", "y", "z"):
        photograph(tmp_path / f"img/{name}.png", 1)
        (tmp_path / "inst").mkdir(exist_ok=True)
        savemat(tmp_path / f"inst/{name}.mat", {"GTinst": {"Segmentation": instances}})
    (tmp_path / "val.txt").write_text("z\nx\n")
    data = SBD(tmp_path)
    assert [sample.name for sample in data] == ["z/1", "z/2", "x/1", "x/2"]
    np.testing.assert_array_equal(data[1].mask, instances == 2)
    np.testing.assert_array_equal(data[1].ignored, instances == 255)
    with pytest.raises(FileNotFoundError, match=r"train\.txt"):
        SBD(tmp_path, "train")


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="data_GT/ and boundary_GT/"):
        open_click_set(tmp_path)
    with pytest.raises(ValueError, match="no layout 'coco'"):
        open_click_set(tmp_path, "coco")
    photograph(tmp_path / "img/a.png", 1)
    (tmp_path / "gt").mkdir()
    with pytest.raises(FileNotFoundError, match=r"have no mask in gt/: a\.png"):
        DAVIS(tmp_path)
    values(tmp_path / "gt/a.png", np.zeros((2, 2), np.uint8))
    with pytest.raises(ValueError, match="its photograph"):
        DAVIS(tmp_path)[0]


@needs_shared_data
def test_grabcut_as_it_is_shipped():
    data = open_click_set(SHARED_DATA / "grabcut")
    assert isinstance(data, GrabCutSet) and len(data) == 50
    for sample in data:
        assert sample.mask.any() and not (sample.mask & sample.ignored).any()
    assert sum(sample.ignored.any() for sample in data) == 42
