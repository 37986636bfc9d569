"""What leaves the click widget: COCO JSON, a PNG of the mask, a cut-out with alpha."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from segedu.data.coco import polygons
from segedu.images import as_uint8, check_mask


def to_coco(
    masks: dict[str, NDArray[np.bool_]],
    file_name: str = "image.png",
    image_id: int = 1,
    segmentation: Literal["rle", "polygons"] = "rle",
) -> dict[str, Any]:
    """Write objects as COCO instances; every object is its own category, by name.

    Args:
        masks: name -> (H, W) bool; objects without a pixel are left out.
        file_name: of the image.
        image_id: of the image.
        segmentation: what stands in COCO's field: the exact RLE (compressed, as text), or the
            outlines, for tools that read nothing else. The other one stands beside it, in a field
            of its own name.

    Returns:
        A dictionary that `json.dump` writes and pycocotools reads.

    Raises:
        ValueError: there is no object, or masks differ in size.
    """
    if not masks:
        raise ValueError("there is no object to export")
    shape = next(iter(masks.values())).shape
    images = [{"id": image_id, "file_name": file_name, "height": shape[0], "width": shape[1]}]
    categories, annotations = [], []
    for number, (name, mask) in enumerate(masks.items(), start=1):
        check_mask(mask, (shape[0], shape[1]), name=f"mask of {name}")
        categories.append({"id": number, "name": name, "supercategory": "object"})
        if not mask.any():
            continue
        rle = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
        forms = {
            "rle": {"size": list(shape), "counts": rle["counts"].decode("ascii")},
            "polygons": polygons(mask),
        }
        chosen = forms.pop(segmentation)
        annotations.append(
            {
                "id": number,
                "image_id": image_id,
                "category_id": number,
                "iscrowd": 0,
                "area": int(mask.sum()),
                "bbox": [float(v) for v in coco_mask.toBbox(rle)],
                "segmentation": chosen,
                **forms,
            }
        )
    return {"images": images, "categories": categories, "annotations": annotations}


def label_png(masks: Sequence[NDArray[np.bool_]]) -> bytes:
    """PNG (H, W): 0 is background, object k has the value k; a later object lies above.

    Of 8 bits, or of 16 where there are more than 255 objects.
    """
    labels = np.zeros(masks[0].shape, np.uint8 if len(masks) <= 255 else np.uint16)
    for value, mask in enumerate(masks, start=1):
        labels[mask] = value
    return _png(labels)


def cutout_png(image: Any, mask: NDArray[np.bool_]) -> bytes:
    """PNG (h, w, RGBA) of the object alone, cropped to its box, transparent around it.

    Raises:
        ValueError: the mask is empty.
    """
    pixels = as_uint8(image)
    check_mask(mask, (pixels.shape[0], pixels.shape[1]))
    rows, cols = np.nonzero(mask)
    if len(rows) == 0:
        raise ValueError("the object has no pixels yet: there is nothing to cut out")
    window = (slice(rows.min(), rows.max() + 1), slice(cols.min(), cols.max() + 1))
    alpha = mask[window].astype(np.uint8) * 255
    return _png(np.dstack([pixels[window][..., ::-1], alpha]))


def _png(array: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    ok, data = cv2.imencode(".png", array)
    if not ok:
        raise RuntimeError("OpenCV could not write a PNG")
    return data.tobytes()
