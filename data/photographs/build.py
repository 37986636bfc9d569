"""Write COCO instances and COCO panoptic from the hand-drawn polygons: `python build.py`.

`polygons/NAME.json` is the source: objects with outlines in pixels (pixel i covers [i, i + 1)), in
the order in which they lie, the last one on top; "rest" names what all other pixels are, or null.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from skimage.draw import polygon

from segedu.data.photographs import load_image

HERE = Path(__file__).parent
# fmt: off
KEYPOINTS = [
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip",
    "left_knee", "right_knee", "left_ankle", "right_ankle",
]
# fmt: on
SKELETON = [
    [16, 14],
    [14, 12],
    [17, 15],
    [15, 13],
    [12, 13],
    [6, 12],
    [7, 13],
    [6, 7],
    [6, 8],
    [7, 9],
    [8, 10],
    [9, 11],
    [2, 3],
    [1, 2],
    [1, 3],
    [2, 4],
    [3, 5],
    [4, 6],
    [5, 7],
]  # fmt: skip
# Fixed, so that ids stay when photographs are added.
FILES = {
    "astronaut": (1, "astronaut.png"),
    "coffee": (2, "coffee.png"),
    "chelsea": (3, "chelsea.png"),
    "camera": (4, "camera.png"),
    "coins": (5, "coins.png"),
    "rocket": (6, "rocket.jpg"),
    "motorcycle_left": (7, "motorcycle_left.png"),
    "clock_motion": (8, "clock_motion.png"),
    "retina": (9, "retina.jpg"),
}


def paint(thing: dict[str, Any], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels whose centre lies in an object's outlines and in none of its holes: (H, W) bool."""
    canvas = np.zeros(shape, bool)
    for value, outlines in ((True, thing["polygons"]), (False, thing.get("holes", []))):
        for outline in outlines:
            x, y = np.array(outline).reshape(-1, 2).T
            canvas[polygon(y - 0.5, x - 0.5, shape)] = value
    return canvas


def segments(
    drawing: dict[str, Any], shape: tuple[int, int]
) -> list[tuple[dict[str, Any], NDArray[np.bool_]]]:
    """Objects with their visible masks; the rest comes first."""
    objects = list(drawing["objects"])
    if drawing["rest"]:
        height, width = shape
        everywhere = [[0, 0, width, 0, width, height, 0, height]]
        objects.insert(0, {"category": drawing["rest"], "polygons": everywhere})
    masks = [paint(thing, shape) for thing in objects]
    above = np.zeros(shape, bool)
    for mask in reversed(masks):
        mask &= ~above
        above |= mask
    return [(thing, mask) for thing, mask in zip(objects, masks, strict=True) if mask.any()]


def numbers(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """COCO's area and bbox of a mask."""
    rows, cols = np.nonzero(mask)
    x, y = int(cols.min()), int(rows.min())
    box = [x, y, int(cols.max()) + 1 - x, int(rows.max()) + 1 - y]
    return {"area": int(mask.sum()), "bbox": box}


def instance(thing: dict[str, Any], mask: NDArray[np.bool_]) -> dict[str, Any]:
    """What COCO says of an object, but for its ids."""
    rle = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    entry = {
        "iscrowd": 0,
        **numbers(mask),
        "segmentation": {"size": list(mask.shape), "counts": rle["counts"].decode("ascii")},
    }
    if points := thing.get("keypoints"):
        entry["keypoints"] = [value for point in points for value in point]
        entry["num_keypoints"] = sum(point[2] > 0 for point in points)
    return entry


def build(out: Path = HERE) -> None:
    """Write instances.json, panoptic.json and panoptic/*.png."""
    categories = json.loads((HERE / "categories.json").read_text())
    ids = {category["name"]: category for category in categories}
    info = {
        "description": "Photographs of scikit-image, annotated by hand for segedu",
        "license": "CC BY 4.0",
    }
    images, instances, panoptic = [], [], []
    (out / "panoptic").mkdir(parents=True, exist_ok=True)
    for name, (image_id, file_name) in FILES.items():
        source = HERE / "polygons" / f"{name}.json"
        if not source.exists():
            continue
        height, width = load_image(file_name).shape[:2]
        images.append({"id": image_id, "file_name": file_name, "height": height, "width": width})
        drawn = segments(json.loads(source.read_text()), (height, width))
        ids_map = np.zeros((height, width), np.uint32)
        infos = []
        for number, (thing, mask) in enumerate(drawn, start=1):
            category = ids[thing["category"]]
            segment_id = image_id * 1000 + number
            ids_map[mask] = segment_id
            infos.append(
                {"id": segment_id, "category_id": category["id"], "iscrowd": 0, **numbers(mask)}
            )
            if category["isthing"]:
                own = {"id": segment_id, "image_id": image_id, "category_id": category["id"]}
                instances.append({**own, **instance(thing, mask)})
        bgr = np.stack([ids_map >> 16, ids_map >> 8 & 255, ids_map & 255], axis=-1).astype(np.uint8)
        cv2.imwrite(str(out / "panoptic" / f"{name}.png"), bgr)
        panoptic.append({"image_id": image_id, "file_name": f"{name}.png", "segments_info": infos})
    things = [
        {k: c[k] for k in ("id", "name", "supercategory")} for c in categories if c["isthing"]
    ]
    things[0] |= {"keypoints": KEYPOINTS, "skeleton": SKELETON}
    write(
        out / "instances.json",
        {"info": info, "images": images, "categories": things, "annotations": instances},
    )
    write(
        out / "panoptic.json",
        {"info": info, "images": images, "categories": categories, "annotations": panoptic},
    )


def write(path: Path, content: dict[str, Any]) -> None:
    """Write JSON with one annotation a line: changes can be read."""
    lines = [
        f'"{key}": [\n{",".join(chr(10) + json.dumps(entry) for entry in value)[1:]}\n]'
        if isinstance(value, list) else f'"{key}": {json.dumps(value)}'
        for key, value in content.items()
    ]  # fmt: skip
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    build()
