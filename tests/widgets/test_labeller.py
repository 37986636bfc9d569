"""The labeller without a browser: keys as messages, resumption, and death by SIGKILL."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from segedu.applications import ForeignFileError, LabelFile
from segedu.interactive import Click, Prompts
from segedu.widgets.applications import Labeller
from tests.requirements_of_machine import REPOSITORY
from tests.widgets.labelling import CATEGORIES, SIZE, Disks, click, disk, label_all, make_folder


@pytest.fixture
def folder(tmp_path):
    return make_folder(tmp_path / "images")


@pytest.fixture
def output(tmp_path):
    return tmp_path / "labels.json"


@pytest.fixture
def labeller(folder, output):
    return Labeller(folder, Disks(), CATEGORIES, output)


def page_says(labeller, **message):
    labeller.bar._receive(labeller.bar, message, [])


def on_disk(output):
    file = LabelFile(output)
    return {
        name: [(label.category, int(label.mask.sum())) for label in file.labels(name)]
        for name in file.file_names
    }


def test_click_category_next(labeller, output):
    assert labeller.image_name == "1.png" and labeller.progress == (0, 4)
    click(labeller, 10, 10)
    assert not output.exists()
    page_says(labeller, type="accept", category="dog", event=1)
    area = int(disk(10, 10).sum())
    assert on_disk(output) == {"1.png": [("dog", area)]}
    assert labeller.segmenter.objects == ["dog", "new object"]
    assert not labeller.segmenter.prompts and labeller.bar._state["event"] == 1
    click(labeller, 25, 12)
    page_says(labeller, type="accept", category=None, event=2)  # as the one before
    assert labeller.segmenter.objects == ["dog", "dog 2", "new object"]
    page_says(labeller, type="next", event=3)
    assert labeller.image_name == "2.png" and labeller.progress == (1, 4)
    assert labeller.segmenter.objects == ["new object"]
    assert [entry["here"] for entry in labeller.bar._state["categories"]] == [0, 0, 0]
    coco = COCO(str(output))
    assert len(coco.getAnnIds(catIds=coco.getCatIds(["dog"]))) == 2
    prompts = json.loads(output.read_text())["annotations"][0]["prompts"]
    assert prompts == {"clicks": [[10, 10, 1]]}


def test_labels_come_back_as_they_were_and_can_be_changed(labeller, folder, output):
    click(labeller, 10, 10)
    labeller.accept("dog")
    labeller.segmenter.active = "dog"
    labeller.segmenter.prompts = Prompts(clicks=(Click(10, 10), Click(16, 10)))
    method = Disks()
    again = Labeller(folder, method, CATEGORIES, output)
    assert again.image_name == "1.png" and again.segmenter.objects == ["dog", "new object"]
    whole = disk(10, 10) | disk(16, 10)
    np.testing.assert_array_equal(again.segmenter.masks["dog"], whole)
    assert again.segmenter.active == "new object" and method.encoded == 0
    before = output.read_bytes()
    again.segmenter.active = "dog"
    assert len(again.segmenter.prompts.clicks) == 2 and output.read_bytes() == before
    third = Click(16, 10, False)
    again.segmenter.prompts = Prompts(clicks=(*again.segmenter.prompts.clicks, third))
    assert method.encoded == 1
    assert on_disk(output) == {"1.png": [("dog", int((whole & ~disk(16, 10)).sum()))]}
    again.segmenter.undo()
    assert on_disk(output) == {"1.png": [("dog", int(whole.sum()))]}


def test_deleting_clearing_and_renaming_reach_the_file(labeller, output):
    for x in (6, 16, 28):
        click(labeller, x, 10)
        labeller.accept("cat")
    area = int(disk(6, 10).sum())
    labeller.segmenter.delete("cat 2")
    assert on_disk(output) == {"1.png": [("cat", area)] * 2}
    labeller.segmenter.undo()
    assert on_disk(output) == {"1.png": [("cat", area)] * 3}
    labeller.segmenter.delete("cat 2")
    assert on_disk(output) == {"1.png": [("cat", area)] * 2}
    labeller.segmenter.active = "cat 3"
    labeller.segmenter.clear()
    assert on_disk(output) == {"1.png": [("cat", area)]}
    labeller.segmenter.undo()
    assert on_disk(output) == {"1.png": [("cat", area)] * 2}
    labeller.segmenter.rename("cat 3", "bird")
    assert on_disk(output) == {"1.png": [("cat", area), ("bird", area)]}
    labeller.segmenter.active = "cat"
    page_says(labeller, type="accept", category="dog")
    assert on_disk(output) == {"1.png": [("dog", area), ("bird", area)]}
    assert labeller.segmenter.objects == ["dog", "bird", "new object"]


def test_polygons_without_prompts_come_back_exactly(folder, output):
    first = Labeller(folder, Disks(), CATEGORIES, output, segmentation="polygons")
    click(first, 10, 10)
    first.accept("cat")
    content = json.loads(output.read_text())
    del content["annotations"][0]["prompts"]
    output.write_text(json.dumps(content))
    again = Labeller(folder, Disks(), CATEGORIES, output, segmentation="polygons")
    np.testing.assert_array_equal(again.segmenter.masks["cat"], disk(10, 10))
    again.segmenter.active = "cat"
    [there] = again.segmenter.prompts.clicks
    assert disk(10, 10)[int(there.y), int(there.x)] and there.positive


def test_nothing_is_lost_on_the_way_to_another_image(labeller):
    click(labeller, 10, 10)
    for kind in ("next", "previous", "goto"):
        page_says(labeller, type=kind, at=2)
        assert labeller.image_name == "1.png" and labeller.is_problem
        assert "no category yet" in labeller.bar._state["message"]
    labeller.accept("cat")
    page_says(labeller, type="previous")
    assert "first image" in labeller.message and labeller.image_name == "1.png"
    page_says(labeller, type="goto", at=3)
    assert labeller.image_name == "4.png" and labeller.progress == (0, 4)
    page_says(labeller, type="next")
    assert labeller.image_name == "4.png"
    assert "last image; 3 before it are not finished" in labeller.message
    page_says(labeller, type="previous")
    assert labeller.image_name == "3.png"
    assert labeller.bar._state["ticks"] == "bool"


def test_resumes_at_the_first_unfinished_image(labeller, folder, output):
    labeller.next()
    labeller.go_to("3.png")
    labeller.next()
    again = Labeller(folder, Disks(), CATEGORIES, output)
    assert again.image_name == "2.png" and again.progress == (2, 4)
    label_all(folder, output)
    done = Labeller(folder, Disks(), (), output)
    assert done.image_name == "1.png" and "All 4 images" in done.message


def test_the_first_click_after_resuming_shows_how_far_the_image_is_encoded(folder, output):
    class Telling(Disks):
        progress = None

        def __init__(self):
            super().__init__()
            self.heard = []

        def set_image(self, image):
            super().set_image(image)
            self.heard.append(self.progress is not None)

    first = Labeller(folder, Disks(), CATEGORIES, output)
    click(first, 8, 8)
    first.accept("cat")
    method = Telling()
    again = Labeller(folder, method, CATEGORIES, output)
    again.segmenter.wait()
    assert again.image_name == "1.png" and method.encoded == 0
    click(again, 20, 8)
    again.segmenter.wait()
    click(again, 20, 9)
    again.segmenter.wait()
    assert method.encoded == 1 and method.heard == [True] and method.progress is None


def test_bad_files_are_skipped_and_said(folder, output):
    (folder / "0.png").write_text("no image")
    (folder / "2.png").write_bytes((folder / "2.png").read_bytes()[:300])
    labeller = Labeller(folder, Disks(), CATEGORIES, output)
    assert labeller.image_name == "1.png" and labeller.progress == (0, 4)
    assert "0.png was skipped: no image" in labeller.message
    labeller.next()
    assert labeller.image_name == "3.png" and "2.png was skipped" in labeller.message
    assert list(labeller.skipped) == ["0.png", "2.png"] and labeller.progress == (1, 3)
    assert labeller.bar._state["ticks"] == "slsoo"
    labeller.previous()
    assert labeller.image_name == "1.png"
    with pytest.raises(ValueError, match=r"2\.png cannot be labelled: .*truncated"):
        labeller.go_to("2.png")
    assert labeller.image_name == "1.png"
    for path in folder.iterdir():
        path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"no image in .* can be read"):
        Labeller(folder, Disks(), CATEGORIES, output)


def test_an_image_that_changed_its_size_is_not_mislabelled(labeller, folder, output):
    click(labeller, 10, 10)
    labeller.accept("cat")
    Image.fromarray(np.zeros((50, 50, 3), np.uint8)).save(folder / "1.png")
    again = Labeller(folder, Disks(), CATEGORIES, output)
    assert again.image_name == "2.png" and "36 x 24 when it was labelled" in again.skipped["1.png"]
    assert len(again.file) == 1


def test_files_of_others_and_of_other_images_are_refused(folder, output, tmp_path):
    output.write_text('{"my": "notes"}')
    with pytest.raises(ForeignFileError, match="no COCO"):
        Labeller(folder, Disks(), CATEGORIES, output)
    assert output.read_text() == '{"my": "notes"}'
    output.unlink()
    LabelFile(output, ["cat"]).set_labelled("elsewhere.png", SIZE)
    with pytest.raises(ForeignFileError, match="other images"):
        Labeller(folder, Disks(), CATEGORIES, output)
    with pytest.raises(ValueError, match="categories"):
        Labeller(folder, Disks(), output=tmp_path / "new.json")


def test_a_full_disk_is_said_and_the_object_stays(labeller, output, monkeypatch):
    click(labeller, 10, 10)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        page_says(labeller, type="accept", category="cat")
        assert "No space left" in labeller.message and labeller.is_problem
        assert labeller.segmenter.objects == ["new object"] and not output.exists()
    page_says(labeller, type="accept", category="cat")
    assert not labeller.is_problem and len(on_disk(output)["1.png"]) == 1
    labeller.segmenter.active = "cat"
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        labeller.segmenter.prompts = Prompts(clicks=(Click(20, 10),))
        assert labeller.message.startswith("Not saved")
    labeller.segmenter.active = "new object"  # at the next change it is tried again
    assert on_disk(output)["1.png"] == [("cat", int(disk(20, 10).sum()))]


def test_messages_that_make_no_sense_are_shown(labeller):
    page_says(labeller, type="accept", category="cat")
    assert "click the object first" in labeller.message
    page_says(labeller, type="dance")
    assert "dance" in labeller.message
    page_says(labeller, type="goto", at=99)
    assert labeller.is_problem
    click(labeller, 10, 10)
    page_says(labeller, type="accept", category="wolf")
    assert "no category 'wolf'" in labeller.message
    page_says(labeller, type="accept", category=" wolf ", new=True)
    assert not labeller.is_problem and labeller.file.categories[-1] == "wolf"
    assert labeller.segmenter.objects == ["wolf", "new object"]


def test_a_picture_stands_in_where_no_kernel_runs(labeller):
    bundle = labeller._repr_mimebundle_()
    assert bundle["image/png"].startswith(b"\x89PNG")
    assert "application/vnd.jupyter.widget-view+json" in bundle


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_killed_again_and_again_nothing_is_lost(tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "tests.widgets.killing_labeller", str(tmp_path), "7", "12"],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    result = json.loads(run.stdout.splitlines()[-1])
    assert result["kills"] >= 8, "it was too fast to be killed"
    assert result["parts_found"] >= 1, "it was never killed while it wrote"
    assert result["same"], "the file is not that of a run without kills"
    assert result["grew"] and result["parts_left"] == 0
    assert result["repeated"] <= 0, "a step that was told is saved had to be done again"
