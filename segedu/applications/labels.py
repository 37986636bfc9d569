"""Labels of a folder's images in one COCO file that no crash can harm.

A change is on the disk before the call that makes it returns: the file is written anew under
another name, flushed to the disk, and renamed over the old one, which the file system does wholly
or not at all. Whoever dies meanwhile leaves the file as it was before, or as it is after.

The layout is COCO's (Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014), one
annotation a line. Beside COCO's fields, which pycocotools reads, stand the prompts that made a
mask ("prompts"), its run lengths where the segmentation is told by polygons ("rle"), and whether
all of an image is labelled ("labelled").
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from segedu.applications.prompt_json import prompts_as_json, prompts_from_json
from segedu.applications.safe_file import (
    COCO_LISTS,
    ForeignFileError,
    ResumeError,
    document,
    keep_copy,
    line,
    read_coco,
    remove_parts,
    stamp,
    write_atomically,
)
from segedu.data.coco import decode_segmentation, encode_mask, polygons
from segedu.images import check_mask
from segedu.interactive import Prompts

MARK = {"segedu_labels": 1}  # stands in "info": the file is ours, in this version of the layout

Segmentation = Literal["rle", "polygons"]
Entry = dict[str, Any]


@dataclass(frozen=True)
class Label:
    """An object of an image, as it stands in the file.

    Attributes:
        id: COCO's, of the annotation.
        category: its name.
        mask: (H, W) bool.
        prompts: that made the mask; none where it came from elsewhere.
    """

    id: int
    category: str
    mask: NDArray[np.bool_] = field(repr=False)
    prompts: Prompts = field(default_factory=Prompts, repr=False)


class LabelFile:
    """A COCO file to which labels are added one by one.

    Args:
        path: of the file; one that is there already is gone on with. It is written at the first
            change, not before.
        categories: names, to which those in the file are added.
        segmentation: "rle", which is exact, or "polygons", for tools that read nothing else.
        adopt: go on with a COCO file of other origin; a copy of it is kept beside it, its name
            ending in ".bak".

    Raises:
        ForeignFileError: the file is there, is of other origin, and `adopt` is False.
        ResumeError: the file is there and is no COCO file, or a damaged one.
        ValueError: categories are empty or doubled.
    """

    def __init__(
        self,
        path: str | Path,
        categories: Sequence[str] = (),
        *,
        segmentation: Segmentation = "rle",
        adopt: bool = False,
    ) -> None:
        if segmentation not in ("rle", "polygons"):
            raise ValueError(f"segmentation must be 'rle' or 'polygons', got {segmentation!r}")
        self.path = Path(path).resolve()
        self.segmentation = segmentation
        self._lock = threading.RLock()
        self._stamp: tuple[int, int, int] | None = None
        self._rest: Entry = {"info": {"description": "labels made by clicking", **MARK}}
        self._categories: dict[int, Entry] = {}
        self._images: dict[str, Entry] = {}
        self._annotations: dict[int, Entry] = {}
        self._texts: dict[int, str] = {}  # annotations as they stand in the file
        if self.path.exists():
            self._read(adopt)
        for name in checked_names(categories):
            self._category(name)

    # What is there

    @property
    def categories(self) -> list[str]:
        """Names, in the order of their ids."""
        return [entry["name"] for entry in self._categories.values()]

    @property
    def file_names(self) -> list[str]:
        """Of all images that the file speaks of."""
        return list(self._images)

    def __len__(self) -> int:
        return len(self._annotations)

    def size(self, file_name: str) -> tuple[int, int] | None:
        """An image's (H, W), as it was when it was labelled; None where it was not."""
        image = self._images.get(file_name)
        return None if image is None else (int(image["height"]), int(image["width"]))

    def labels(self, file_name: str) -> list[Label]:
        """An image's labels, in the order in which they came."""
        return [self._label(a) for a in self._of(file_name)]

    def categories_of(self, file_name: str) -> list[str]:
        """The categories of an image's labels, in the order in which they came."""
        return [self._categories[a["category_id"]]["name"] for a in self._of(file_name)]

    def images_with_labels(self) -> set[str]:
        """Names of the images that have at least one."""
        ids = {a["image_id"] for a in self._annotations.values()}
        return {name for name, image in self._images.items() if image["id"] in ids}

    def _of(self, file_name: str) -> list[Entry]:
        image = self._images.get(file_name)
        return [a for a in self._annotations.values() if image and a["image_id"] == image["id"]]

    def is_labelled(self, file_name: str) -> bool:
        """Whether somebody said that all of the image is labelled."""
        return bool(self._images.get(file_name, {}).get("labelled", False))

    # Changes: all on the disk when the call returns; where it raises, nothing has changed

    def add_category(self, name: str) -> None:
        """Have another category, to be written with the next change; none that is there already.

        Raises:
            ValueError: the name is empty.
        """
        with self._lock:
            self._category(*checked_names([name]))

    def add(
        self, file_name: str, category: str, mask: NDArray[np.bool_], prompts: Prompts | None = None
    ) -> int:
        """Add an object; returns its id.

        Raises:
            ValueError: no such category, an empty mask, or one of another size than before.
            OSError: the file cannot be written.
            ForeignFileError: somebody else has written the file since.
        """
        with self._lock:
            check_mask(mask)
            image = self._image(file_name, mask.shape)
            number = 1 + max(self._annotations, default=0)
            entry = {
                "id": number,
                "image_id": image["id"],
                "category_id": self._category_id(category),
                **self._shape(mask),
                "iscrowd": 0,
                "prompts": prompts_as_json(prompts or Prompts()),
            }
            self._commit(annotation=entry, image=image)
            return number

    def change(
        self,
        number: int,
        *,
        category: str | None = None,
        mask: NDArray[np.bool_] | None = None,
        prompts: Prompts | None = None,
    ) -> None:
        """Change what is said of an object; raises as `add`, and KeyError where it is not there."""
        with self._lock:
            entry = dict(self._annotations[number])
            if category is not None:
                entry["category_id"] = self._category_id(category)
            if mask is not None:
                self._image(self._file_name(entry["image_id"]), mask.shape)
                entry = {k: v for k, v in entry.items() if k != "rle"} | self._shape(mask)
            if prompts is not None:
                entry["prompts"] = prompts_as_json(prompts)
            if entry != self._annotations[number]:
                self._commit(annotation=entry)

    def remove(self, number: int) -> None:
        """Remove an object; raises KeyError where it is not there, OSError as `add`."""
        with self._lock:
            self._commit(without=self._annotations[number]["id"])

    def set_labelled(self, file_name: str, size: tuple[int, int], labelled: bool = True) -> None:
        """Say that all of an image (H, W) is labelled, if only that it holds nothing; raises as
        `add`.
        """
        with self._lock:
            if self.is_labelled(file_name) != labelled:
                self._commit(image={**self._image(file_name, size), "labelled": labelled})

    # Entries

    def _image(self, file_name: str, size: Sequence[int]) -> Entry:
        entry = self._images.get(file_name)
        if entry is None:
            number = 1 + max((i["id"] for i in self._images.values()), default=0)
            return {"id": number, "file_name": file_name, "height": size[0], "width": size[1]}
        if (entry["height"], entry["width"]) != tuple(size):
            raise ValueError(
                f"{file_name} is {size[1]} x {size[0]} pixels, but {self.path.name} says "
                f"{entry['width']} x {entry['height']}: the image has been changed"
            )
        return entry

    def _file_name(self, image_id: int) -> str:
        return next(name for name, entry in self._images.items() if entry["id"] == image_id)

    def _category(self, name: str) -> None:
        if name not in self.categories:
            number = 1 + max(self._categories, default=0)
            self._categories[number] = {"id": number, "name": name, "supercategory": "object"}

    def _category_id(self, name: str) -> int:
        for number, entry in self._categories.items():
            if entry["name"] == name:
                return number
        raise ValueError(f"there is no category {name!r}; there are {self.categories}")

    def _shape(self, mask: NDArray[np.bool_]) -> Entry:
        if not mask.any():
            raise ValueError("the mask is empty: there is no object to label")
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        x, y = int(columns[0]), int(rows[0])
        rle = encode_mask(mask)
        told: Entry = {"segmentation": rle}
        if self.segmentation == "polygons":
            told = {"segmentation": polygons(mask), "rle": rle}
        size = [float(v) for v in (x, y, columns[-1] + 1 - x, rows[-1] + 1 - y)]
        return {**told, "area": int(np.count_nonzero(mask)), "bbox": size}

    def _label(self, entry: Entry) -> Label:
        image = self._images[self._file_name(entry["image_id"])]
        told = entry.get("rle", entry["segmentation"])
        mask = decode_segmentation(told, image["height"], image["width"])
        prompts = prompts_from_json(entry.get("prompts", {}))
        return Label(entry["id"], self._categories[entry["category_id"]]["name"], mask, prompts)

    # The file

    def _commit(
        self,
        annotation: Entry | None = None,
        image: Entry | None = None,
        without: int | None = None,
    ) -> None:
        """Write the file with a change, and only then make it here."""
        images, annotations, texts = dict(self._images), dict(self._annotations), dict(self._texts)
        if image is not None:
            images[image["file_name"]] = image
        if annotation is not None:
            annotations[annotation["id"]] = annotation
            texts[annotation["id"]] = line(annotation)
        if without is not None:
            del annotations[without], texts[without]
        lists = {
            "categories": map(line, self._categories.values()),
            "images": map(line, images.values()),
            "annotations": texts.values(),
        }
        self._refuse_if_changed()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, document(self._rest, lists))
        self._stamp = stamp(self.path)
        self._images, self._annotations, self._texts = images, annotations, texts

    def _refuse_if_changed(self) -> None:
        if self.path.exists() and stamp(self.path) != self._stamp:
            raise ForeignFileError(
                f"{self.path} was written by somebody else meanwhile, perhaps by another notebook; "
                "this change was not saved. Run the cell again to go on with what the file holds"
            )

    def _read(self, adopt: bool) -> None:
        self._stamp = stamp(self.path)
        remove_parts(self.path)
        content = read_coco(self.path)
        if not set(MARK) <= set(content.get("info") or {}):
            if not adopt:
                raise ForeignFileError(
                    f"{self.path} is there already and was not written here; it was left alone. "
                    "Give another output, or adopt=True to go on with it (a copy is kept)"
                )
            keep_copy(self.path)
        lists = {name: content.pop(name) for name in COCO_LISTS}
        try:
            self._categories = {int(c["id"]): c for c in lists["categories"] if c["name"]}
            self._images = {str(i["file_name"]): i for i in lists["images"]}
            self._annotations = {int(a["id"]): a for a in lists["annotations"]}
            known = {i["id"] for i in self._images.values() if i["height"] and i["width"]}
            for a in self._annotations.values():
                if a["image_id"] not in known or a["category_id"] not in self._categories:
                    raise KeyError(f"annotation {a['id']}'s image or category")
                if "segmentation" not in a:
                    raise KeyError(f"annotation {a['id']}'s segmentation")
        except (KeyError, TypeError, ValueError) as error:
            raise ResumeError(f"{self.path} is damaged: {error} is missing; restore it") from error
        self._texts = {number: line(a) for number, a in self._annotations.items()}
        self._rest = content | {"info": {**(content.get("info") or {}), **MARK}}


def checked_names(names: Iterable[str]) -> list[str]:
    """Names of categories, without blanks around them.

    Raises:
        ValueError: one is empty or there twice.
    """
    if isinstance(names, str):
        raise ValueError(f"categories must be a list of names, got the text {names!r}")
    found = [str(name).strip() for name in names]
    if "" in found or len(set(found)) < len(found):
        raise ValueError(f"categories must be names that are not empty and not doubled: {found}")
    return found
