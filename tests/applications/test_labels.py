"""The file of labels: COCO's layout, resumption, and what it refuses to harm."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from pycocotools.coco import COCO

from segedu.applications import ForeignFileError, LabelFile, ResumeError
from segedu.applications.prompt_json import prompts_as_json, prompts_from_json
from segedu.data.coco import CocoInstances
from segedu.interactive import Click, Prompts, Stroke

SIZE = (30, 40)
PROMPTS = Prompts(
    clicks=(Click(3.25, 4.5), Click(7, 8, False)),
    box=(1, 2, 20, 22),
    strokes=(Stroke(np.array([[1.0, 2], [3.5, 4]]), 3, False),),
    contour=np.array([[1.0, 1], [9, 1], [9, 9.5]]),
)


def blob(number: int) -> np.ndarray:
    """A mask with a hole and an island."""
    mask = np.zeros(SIZE, bool)
    mask[2 : 12 + number, 3:15] = True
    mask[5:8, 6:9] = False
    mask[25, 30 + number] = True
    return mask


@pytest.fixture
def path(tmp_path):
    return tmp_path / "labels.json"


@pytest.mark.parametrize("segmentation", ["rle", "polygons"])
def test_pycocotools_and_our_reader_load_it(path, segmentation, tmp_path):
    file = LabelFile(path, ["cat", "dog"], segmentation=segmentation)
    assert not path.exists(), "nothing is written before there is something to say"
    file.add("a.png", "dog", blob(1), PROMPTS)
    file.add("b/c.png", "cat", blob(2))
    coco = COCO(str(path))
    assert [c["name"] for c in coco.loadCats(coco.getCatIds())] == ["cat", "dog"]
    first, second = coco.loadAnns(coco.getAnnIds())
    assert coco.loadImgs(first["image_id"])[0]["file_name"] == "a.png"
    assert second["area"] == blob(2).sum() and second["iscrowd"] == 0
    assert first["bbox"] == [3.0, 2.0, 29.0, 24.0]
    assert isinstance(first["segmentation"], list) == (segmentation == "polygons")
    loaded = coco.annToMask(second).astype(bool)
    if segmentation == "rle":
        np.testing.assert_array_equal(loaded, blob(2))
    else:
        assert (loaded & blob(2)).sum() > 0.9 * blob(2).sum()  # no holes in polygons
    assert CocoInstances(path, tmp_path).categories == {1: "cat", 2: "dog"}


@pytest.mark.parametrize("segmentation", ["rle", "polygons"])
def test_what_was_said_is_there_again(path, segmentation):
    first = LabelFile(path, ["cat", "dog"], segmentation=segmentation)
    number = first.add("a.png", "dog", blob(1), PROMPTS)
    first.add("a.png", "cat", blob(2))
    first.set_labelled("a.png", SIZE)
    first.set_labelled("empty.png", SIZE)
    again = LabelFile(path, ["bird", "cat"], segmentation=segmentation)
    assert again.categories == ["cat", "dog", "bird"]
    label, other = again.labels("a.png")
    assert (label.id, label.category, other.category) == (number, "dog", "cat")
    np.testing.assert_array_equal(label.mask, blob(1))
    assert prompts_as_json(label.prompts) == prompts_as_json(PROMPTS)
    assert not other.prompts
    assert again.is_labelled("a.png") and again.is_labelled("empty.png")
    assert not again.is_labelled("new.png") and again.labels("new.png") == []
    assert len(again) == 2 and again.categories_of("a.png") == ["dog", "cat"]
    assert again.images_with_labels() == {"a.png"} and again.size("empty.png") == SIZE
    before = path.read_bytes()
    again.set_labelled("a.png", SIZE)  # as it is
    assert path.read_bytes() == before


def test_prompts_survive_json():
    told = json.loads(json.dumps(prompts_as_json(PROMPTS)))
    back = prompts_from_json(told)
    assert back.clicks == PROMPTS.clicks and back.box == PROMPTS.box
    np.testing.assert_array_equal(back.contour, PROMPTS.contour)
    np.testing.assert_array_equal(back.strokes[0].points, PROMPTS.strokes[0].points)
    assert (back.strokes[0].radius, back.strokes[0].positive) == (3, False)
    assert prompts_as_json(Prompts()) == {} and not prompts_from_json({})


def test_changes_and_removals_are_in_the_file_at_once(path):
    file = LabelFile(path, ["cat", "dog"])
    a, b = file.add("a.png", "cat", blob(1)), file.add("a.png", "cat", blob(2))
    file.change(a, category="dog", mask=blob(3), prompts=PROMPTS)
    on_disk = LabelFile(path)
    assert [label.category for label in on_disk.labels("a.png")] == ["dog", "cat"]
    np.testing.assert_array_equal(on_disk.labels("a.png")[0].mask, blob(3))
    file.remove(b)
    file.set_labelled("a.png", SIZE)
    file.set_labelled("a.png", SIZE, False)
    assert [label.id for label in LabelFile(path).labels("a.png")] == [a]
    assert not LabelFile(path).is_labelled("a.png")
    with pytest.raises(KeyError):
        file.remove(b)
    assert file.add("c.png", "dog", blob(1)) != a


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_full_disk_leaves_file_and_memory_as_they_were(path, monkeypatch, failing):
    file = LabelFile(path, ["cat"])
    file.add("a.png", "cat", blob(1))
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, failing, full)
        with pytest.raises(OSError, match="No space"):
            file.add("a.png", "cat", blob(2))
        with pytest.raises(OSError, match="No space"):
            file.set_labelled("b.png", SIZE)
    assert path.read_bytes() == before and len(file) == 1 and file.file_names == ["a.png"]
    assert list(path.parent.iterdir()) == [path], "no part of a file is left behind"
    file.add("a.png", "cat", blob(2))
    assert len(LabelFile(path)) == 2


def test_what_a_dead_writer_left_behind_is_removed(path):
    LabelFile(path, ["cat"]).add("a.png", "cat", blob(1))
    part = path.with_name(f".{path.name}.123-456.part")
    part.write_text('{"half of')
    assert len(LabelFile(path)) == 1 and not part.exists()


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("", ResumeError, "not JSON"),
        ('{"images": [', ResumeError, "not JSON"),
        ("[1, 2]", ForeignFileError, "no COCO"),
        ('{"name": "package"}', ForeignFileError, "no COCO"),
        ('{"images": [], "annotations": [], "categories": []}', ForeignFileError, "not written"),
        (
            '{"info": null, "images": [], "annotations": [], "categories": []}',
            ForeignFileError,
            "adopt",
        ),
    ],
)
def test_files_of_others_are_left_alone(path, content, error, message):
    path.write_text(content)
    with pytest.raises(error, match=message):
        LabelFile(path, ["cat"])
    assert path.read_text() == content


def test_damaged_labels_are_left_alone(path):
    LabelFile(path, ["cat"]).add("a.png", "cat", blob(1))
    content = json.loads(path.read_text())
    content["annotations"][0]["image_id"] = 77
    path.write_text(json.dumps(content))
    with pytest.raises(ResumeError, match="annotation 1"):
        LabelFile(path)


def test_adopting_keeps_a_copy_and_every_field(path):
    LabelFile(path, ["cat"]).add("a.png", "cat", blob(1))
    content = json.loads(path.read_text())
    content["info"] = {"year": 2020}
    content["licenses"] = [{"id": 3}]
    content["annotations"][0]["score"] = 0.5
    del content["annotations"][0]["prompts"]
    foreign = json.dumps(content)
    path.write_text(foreign)
    file = LabelFile(path, ["dog"], adopt=True)
    assert path.read_text() == foreign, "not touched before there is a change"
    file.add("a.png", "dog", blob(2))
    assert path.with_name("labels.json.bak").read_text() == foreign
    now = json.loads(path.read_text())
    assert now["licenses"] == [{"id": 3}] and now["info"]["year"] == 2020
    assert now["annotations"][0]["score"] == 0.5 and len(now["annotations"]) == 2
    assert not LabelFile(path).labels("a.png")[0].prompts


def test_two_writers_do_not_overwrite_each_other(path):
    first = LabelFile(path, ["cat"])
    first.add("a.png", "cat", blob(1))
    second = LabelFile(path, ["cat"])
    second.add("a.png", "cat", blob(2))
    before = path.read_bytes()
    with pytest.raises(ForeignFileError, match="not saved"):
        first.add("a.png", "cat", blob(3))
    assert path.read_bytes() == before
    late = LabelFile(path.with_name("new.json"), ["cat"])
    late.path.write_text("mine")
    with pytest.raises(ForeignFileError, match="somebody else"):
        late.add("a.png", "cat", blob(1))


def test_what_cannot_be_is_said(path):
    file = LabelFile(path, ["cat"])
    with pytest.raises(ValueError, match="no category 'dog'"):
        file.add("a.png", "dog", blob(1))
    with pytest.raises(ValueError, match="empty"):
        file.add("a.png", "cat", np.zeros(SIZE, bool))
    file.add("a.png", "cat", blob(1))
    with pytest.raises(ValueError, match="has been changed"):
        file.add("a.png", "cat", np.ones((5, 5), bool))
    for names in (["a", " a"], ["a", " "], "cat"):
        with pytest.raises(ValueError, match="categories"):
            LabelFile(path, names)
    with pytest.raises(ValueError, match="polygons"):
        LabelFile(path, segmentation="png")
    assert len(LabelFile(path)) == 1
