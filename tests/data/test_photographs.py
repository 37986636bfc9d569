"""The annotated photographs: COCO's own tools read them, and every file says the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from segedu.data import Photograph, data_root, load_photograph, photograph_names
from segedu.data.photographs import _annotations

FOLDER = Path(__file__).parents[2] / "data" / "photographs"
NAMES = [
    "astronaut",
    "coffee",
    "chelsea",
    "camera",
    "coins",
    "rocket",
    "motorcycle_left",
    "clock_motion",
    "retina",
]
# An object, a pixel (x, y) well inside it, and one of another segment close to it, read off by eye.
POINTS = [
    ("astronaut", "person", (220, 100), (330, 100)),
    ("astronaut", "helmet", (400, 440), (330, 330)),
    ("coffee", "cup", (280, 50), (170, 60)),
    ("coffee", "saucer", (150, 280), (40, 280)),
    ("chelsea", "cat", (200, 150), (430, 200)),
    ("camera", "person", (150, 300), (250, 50)),
    ("camera", "tripod", (294, 420), (280, 420)),  # between its legs is grass
    ("coins", "coin", (45, 55), (74, 55)),
    ("rocket", "rocket", (322, 300), (300, 300)),
    ("motorcycle_left", "motorcycle", (430, 200), (480, 320)),
    ("motorcycle_left", "motorcycle", (200, 390), (168, 310)),  # through the wheel: the floor
    ("motorcycle_left", "bench", (200, 117), (94, 155)),
    ("clock_motion", "clock", (210, 150), (300, 150)),
    ("retina", "optic disc", (240, 640), (340, 640)),
]


def build() -> Any:
    """The script that writes the COCO files, as a module."""
    sys.path.insert(0, str(FOLDER))
    try:
        import build  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(FOLDER))
    return build


@pytest.fixture(scope="module", params=NAMES)
def photograph(request: pytest.FixtureRequest) -> Photograph:
    return load_photograph(request.param)


@pytest.fixture(scope="module")
def coco() -> COCO:
    return COCO(str(FOLDER / "instances.json"))


@pytest.fixture(scope="module")
def panoptic() -> dict[str, Any]:
    return json.loads((FOLDER / "panoptic.json").read_text())


def test_names() -> None:
    assert photograph_names() == NAMES


def test_contract(photograph: Photograph) -> None:
    height, width = photograph.image.shape[:2]
    assert photograph.image.shape == (height, width, 3)
    assert photograph.image.dtype == np.uint8
    assert photograph.segment_ids.shape == (height, width)
    assert photograph.segment_ids.dtype == np.int32
    assert photograph.panoptic == (photograph.segment_ids, photograph.segments_info)
    assert photograph.instances
    for thing in photograph.instances:
        assert thing.mask.shape == (height, width)
        assert thing.mask.dtype == bool
        rows, columns = np.nonzero(thing.mask)
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert thing.box.tolist() == box


def test_photograph_is_scikit_images_own(photograph: Photograph) -> None:
    import skimage

    data = Path(skimage.__file__).parent / "data"
    (file,) = [f for f in data.glob(f"{photograph.name}.*") if f.suffix in {".png", ".jpg"}]
    own = np.asarray(Image.open(file).convert("RGB"))
    np.testing.assert_array_equal(photograph.image, own)


def test_instances_and_panoptic_agree(photograph: Photograph) -> None:
    """Same objects in the same order, with the same masks."""
    things = [info for info in photograph.segments_info if info["isthing"]]
    assert len(things) == len(photograph.instances)
    for info, thing in zip(things, photograph.instances, strict=True):
        assert info["category"] == thing.category
        np.testing.assert_array_equal(photograph.segment_ids == info["id"], thing.mask)


def test_instances_do_not_overlap(photograph: Photograph) -> None:
    cover = np.sum([thing.mask for thing in photograph.instances], axis=0)
    assert cover.max() == 1


def test_segments_say_what_the_map_holds(photograph: Photograph) -> None:
    ids, counts = np.unique(photograph.segment_ids, return_counts=True)
    areas = dict(zip(ids.tolist(), counts.tolist(), strict=True))
    areas.pop(0, None)
    assert areas == {info["id"]: info["area"] for info in photograph.segments_info}
    for info in photograph.segments_info:
        rows, columns = np.nonzero(photograph.segment_ids == info["id"])
        x, y, w, h = info["bbox"]
        assert (x, y) == (columns.min(), rows.min())
        assert (x + w, y + h) == (columns.max() + 1, rows.max() + 1)


def test_stuff_is_one_segment_a_class(photograph: Photograph) -> None:
    stuff = [info["category"] for info in photograph.segments_info if not info["isthing"]]
    assert len(stuff) == len(set(stuff))


@pytest.mark.parametrize(("name", "category", "inside", "outside"), POINTS)
def test_masks_lie_on_their_objects(
    name: str, category: str, inside: tuple[int, int], outside: tuple[int, int]
) -> None:
    mask = load_photograph(name).mask(category)
    assert mask[inside[1], inside[0]]
    assert not mask[outside[1], outside[0]]


EDGES = [
    ("astronaut", "person"),
    ("astronaut", "helmet"),
    ("astronaut", "flag"),
    ("astronaut", "spacecraft"),
    ("coffee", "cup"),
    ("coffee", "saucer"),
    ("coffee", "spoon"),
    ("chelsea", "cat"),
    ("camera", "person"),
    ("camera", "camera"),
    ("coins", "coin"),
    ("rocket", "rocket"),
    ("rocket", "tower"),
    ("motorcycle_left", "motorcycle"),
    ("motorcycle_left", "bench"),
    ("retina", "optic disc"),
]


@pytest.mark.parametrize(("name", "category"), EDGES)
def test_outlines_lie_on_edges(name: str, category: str) -> None:
    """Of an outline moved in and out by 0 to 5 pixels, the photograph is steepest under the drawn.

    The clock (blurred by motion) and the tripod (thin, with edges of its own inside) have no one
    steepest outline.
    """
    photograph = load_photograph(name)
    lab = cv2.cvtColor(photograph.image, cv2.COLOR_RGB2LAB).astype(np.float32)
    lab = cv2.GaussianBlur(lab, (0, 0), 1)
    along_y, along_x = np.gradient(lab, axis=(0, 1))
    gradient = np.sqrt((along_y**2 + along_x**2).sum(axis=-1))
    shifts = np.arange(-5, 6)
    sums = np.zeros((len(shifts), 2))
    for thing in photograph.instances:
        if thing.category != category:
            continue
        mask = np.pad(thing.mask, 1, mode="edge").astype(np.uint8)
        within, without = (
            cv2.distanceTransform(part, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
            for part in (mask, 1 - mask)
        )
        outward = np.where(mask, 0.5 - within, without - 0.5)[1:-1, 1:-1]
        for row, shift in zip(sums, shifts, strict=True):
            near = gradient[np.abs(outward - shift) < 0.75]
            row += near.sum(), near.size
    steepest = shifts[np.argmax(sums[:, 0] / sums[:, 1])]
    assert abs(steepest) <= 1


def test_coins() -> None:
    coins = load_photograph("coins").instances
    assert [coin.category for coin in coins] == ["coin"] * 24
    assert all(1000 < coin.mask.sum() < 3300 for coin in coins)


@pytest.mark.parametrize("name", ["astronaut", "camera"])
def test_keypoints(name: str) -> None:
    photograph = load_photograph(name)
    (person,) = [thing for thing in photograph.instances if thing.category == "person"]
    assert person.keypoints is not None
    assert person.keypoints.shape == (17, 3)
    x, y, visibility = person.keypoints.T
    assert set(visibility) <= {0, 1, 2}
    np.testing.assert_array_equal(person.keypoints[visibility == 0], 0)
    seen = visibility == 2
    assert seen.sum() >= 5
    assert person.mask[y[seen].astype(int), x[seen].astype(int)].all()
    known = visibility > 0
    height, width = person.mask.shape
    assert ((x[known] >= 0) & (x[known] < width) & (y[known] >= 0) & (y[known] < height)).all()
    # Heads are up in both photographs: eyes above the nose, shoulders below it.
    nose, eyes, shoulders = y[0], y[1:3][known[1:3]], y[5:7][known[5:7]]
    assert (eyes < nose).all()
    assert (shoulders > nose).all()


def test_only_persons_have_keypoints(photograph: Photograph) -> None:
    for thing in photograph.instances:
        assert (thing.keypoints is not None) == (thing.category == "person")


def test_pycocotools_reads_instances(coco: COCO) -> None:
    assert [Path(image["file_name"]).stem for image in coco.loadImgs(coco.getImgIds())] == NAMES
    for annotation in coco.loadAnns(coco.getAnnIds()):
        image = coco.loadImgs(annotation["image_id"])[0]
        mask = coco.annToMask(annotation)
        assert mask.shape == (image["height"], image["width"])
        rle = coco.annToRLE(annotation)
        assert coco_mask.area(rle) == annotation["area"] == mask.sum()
        assert coco_mask.toBbox(rle).tolist() == annotation["bbox"]
        assert annotation["iscrowd"] == 0
        if "keypoints" in annotation:
            visibility = annotation["keypoints"][2::3]
            assert len(visibility) == 17
            assert annotation["num_keypoints"] == sum(v > 0 for v in visibility)


def test_person_has_cocos_keypoints(coco: COCO) -> None:
    (person,) = coco.loadCats(coco.getCatIds(["person"]))
    assert person["id"] == 1
    assert person["keypoints"][0] == "nose"
    assert len(person["keypoints"]) == len(set(person["keypoints"])) == 17
    assert len(person["skeleton"]) == 19
    assert {joint for bone in person["skeleton"] for joint in bone} == set(range(1, 18))


def test_ids_are_the_same_in_both_files(coco: COCO, panoptic: dict[str, Any]) -> None:
    categories = {category["id"]: category for category in panoptic["categories"]}
    assert len(categories) == len(panoptic["categories"])
    assert {c["id"] for c in coco.loadCats(coco.getCatIds())} == {
        c for c, category in categories.items() if category["isthing"]
    }
    things = {
        (entry["image_id"], info["id"], info["category_id"], info["area"], tuple(info["bbox"]))
        for entry in panoptic["annotations"]
        for info in entry["segments_info"]
        if categories[info["category_id"]]["isthing"]
    }
    instances = {
        (a["image_id"], a["id"], a["category_id"], a["area"], tuple(a["bbox"]))
        for a in coco.loadAnns(coco.getAnnIds())
    }
    assert things == instances
    assert panoptic["images"] == coco.dataset["images"]
    used = {i["category_id"] for e in panoptic["annotations"] for i in e["segments_info"]}
    assert used <= set(categories)


def test_files_are_what_the_polygons_give(tmp_path: Path) -> None:
    """The polygons are the source: whoever edits them must run build.py."""
    build().build(tmp_path)
    for name in ["instances.json", "panoptic.json"]:
        assert (tmp_path / name).read_text() == (FOLDER / name).read_text(), "run build.py"
    for name in NAMES:
        new, old = (
            np.asarray(Image.open(f / "panoptic" / f"{name}.png")) for f in (tmp_path, FOLDER)
        )
        np.testing.assert_array_equal(new, old, err_msg="run build.py")


def test_paint_fills_exactly_the_outline() -> None:
    paint = build().paint
    square = [10, 10, 20, 10, 20, 20, 10, 20]
    mask = paint({"polygons": [square]}, (30, 30))
    assert mask.sum() == 100
    assert mask[10:20, 10:20].all()
    hole = [12, 12, 15, 12, 15, 15, 12, 15]
    mask = paint({"polygons": [square], "holes": [hole]}, (30, 30))
    assert mask.sum() == 91
    assert not mask[12:15, 12:15].any()


def test_what_lies_on_top_hides_what_lies_below() -> None:
    square = [[0, 0, 4, 0, 4, 4, 0, 4]]
    small = [[1, 1, 3, 1, 3, 3, 1, 3]]
    objects = [{"category": "a", "polygons": square}, {"category": "b", "polygons": small}]
    drawn = build().segments({"rest": "c", "objects": objects}, (6, 6))
    assert [(thing["category"], int(mask.sum())) for thing, mask in drawn] == [
        ("c", 20),
        ("a", 12),
        ("b", 4),
    ]


def test_unknown_photograph() -> None:
    with pytest.raises(ValueError, match="astronaut"):
        load_photograph("lena")


def test_unknown_category() -> None:
    with pytest.raises(ValueError, match=r"chelsea has no 'dog'.*cat"):
        load_photograph("chelsea").mask("dog")


def test_data_root_named_by_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photographs").mkdir()
    (tmp_path / "photographs" / "instances.json").write_text("{}")
    monkeypatch.setenv("SEGEDU_DATA", str(tmp_path))
    assert data_root() == tmp_path
    monkeypatch.setenv("SEGEDU_DATA", str(tmp_path / "absent"))
    assert data_root() == FOLDER.parent


def test_absent_data_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from segedu.data import photographs

    monkeypatch.delenv("SEGEDU_DATA", raising=False)
    monkeypatch.setattr(photographs, "__file__", str(tmp_path / "a" / "b" / "photographs.py"))
    _annotations.cache_clear()
    with pytest.raises(FileNotFoundError, match="SEGEDU_DATA"):
        load_photograph("astronaut")


def test_loads_from_any_folder(tmp_path: Path) -> None:
    code = "from segedu.data import load_photograph; print(load_photograph('coins').name)"
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert run.stdout.strip() == "coins", run.stderr
