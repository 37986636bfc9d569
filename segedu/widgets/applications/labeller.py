"""Fast labelling: click the object, press its category's key, go on; COCO JSON that survives.

    Labeller("photographs", method=SAM(net), categories=["cat", "dog"], output="labels.json")

Whatever is accepted is in the file, on the disk, before the page shows it. When the kernel dies or
the page is loaded again, run the cell again: it goes on at the first image that is not finished,
and the labels of the others can be changed as if they had just been clicked.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import ipywidgets as widgets
import numpy as np
from numpy.typing import NDArray

from segedu.applications import (
    ForeignFileError,
    Label,
    LabelFile,
    UnreadableImageError,
    image_files,
    read_image,
)
from segedu.applications.labels import Segmentation
from segedu.interactive import GrabCut, InteractiveMethod
from segedu.widgets.applications.kept import KeptObjects, unused_name
from segedu.widgets.applications.labeller_bar import LabellerBar
from segedu.widgets.applications.recall import Recalling, innermost_click
from segedu.widgets.segmenter import Segmenter

NEW = "new object"


class Labeller(widgets.VBox):
    """Label all images of a folder, one after the other.

    Args:
        folder: of images, at any depth.
        method: any method of the interactive protocol; GrabCut when none is given.
        categories: their names, the first nine with keys 1 … 9; those in the file are added.
        output: the COCO file; one that this class wrote before is gone on with.
        segmentation: "rle", which is exact, or "polygons" (the run lengths stand beside them).
        adopt: go on with a COCO file of other origin; a copy of it is kept.

    Attributes:
        file: the `LabelFile`.
        segmenter: the click widget on the present image.
        skipped: name of an image that cannot be labelled -> why.

    Raises:
        NotADirectoryError, FileNotFoundError: there is no such folder, or no image in it.
        ForeignFileError: the output is there and is of other origin, or of other images.
        ResumeError: the output is there and cannot be read.
        ValueError: no image can be read, or there is no category.
    """

    segmenter: Segmenter

    def __init__(
        self,
        folder: str | Path,
        method: InteractiveMethod | None = None,
        categories: Sequence[str] = (),
        output: str | Path = "labels.json",
        *,
        segmentation: Segmentation = "rle",
        adopt: bool = False,
    ) -> None:
        self.folder = Path(folder).resolve()
        self.names = image_files(self.folder)
        self.file = LabelFile(output, categories, segmentation=segmentation, adopt=adopt)
        _check_same_images(self.file, self.names, self.folder)
        if not self.file.categories:
            raise ValueError('say which categories there are, such as categories=["cat", "dog"]')
        self.method = Recalling(GrabCut() if method is None else method)
        self.skipped: dict[str, str] = {}
        self.message, self.is_problem = "", False
        self.category = self.file.categories[0]
        self._saved_at: float | None = None
        self._at = 0
        self.bar = LabellerBar(self)
        super().__init__([self.bar])
        self.add_class("segedu-labeller")
        start = next((k for k, n in enumerate(self.names) if not self.file.is_labelled(n)), None)
        self._open(0 if start is None else start, 1)
        if start is None:
            self._say(f"All {len(self.names)} images are labelled already.")

    # What Python reads and does

    @property
    def image_name(self) -> str:
        """Name of the present image, relative to the folder."""
        return self.names[self._at]

    @property
    def progress(self) -> tuple[int, int]:
        """How many images are labelled, of how many that can be."""
        usable = [name for name in self.names if name not in self.skipped]
        return sum(self.file.is_labelled(name) for name in usable), len(usable)

    def accept(self, category: str | None = None) -> None:
        """Write the object that is being edited as one of a category, and begin another.

        Args:
            category: its name; None means that of the object before.

        Raises:
            ValueError: there is no mask yet, or no such category.
            OSError: the file cannot be written; nothing has changed.
        """
        category = self.category if category is None else category
        self.segmenter.wait()  # a key may come before the method's answer
        number, mask = self._active_id(), self.segmenter.mask
        if not mask.any():
            raise ValueError("there is no mask yet: click the object first")
        self._kept.put(number, category, mask, self.segmenter.prompts)
        self.category = category
        self._name(self.segmenter.active, category)
        if NEW in self.segmenter.objects:
            self.segmenter.active = NEW
        else:
            self.segmenter.add_object(NEW)
        self._saved()

    def next(self) -> None:
        """Say that all of the present image is labelled, and go to the next one.

        Raises:
            ValueError: an object has a mask, but no category yet.
            OSError: the file cannot be written; nothing has changed.
        """
        self._require_categories()
        shape = self.segmenter.image.shape
        self.file.set_labelled(self.image_name, (shape[0], shape[1]))
        self._saved()
        if not self._open(self._at + 1, 1):
            done, total = self.progress
            rest = f"; {total - done} before it are not finished" if done < total else ""
            self._say(f"That was the last image{rest}.")

    def previous(self) -> None:
        """Go back to the image before.

        Raises:
            ValueError: an object has a mask, but no category yet.
        """
        self._require_categories()
        if not self._open(self._at - 1, -1):
            self._say("This is the first image.")

    def go_to(self, name: str) -> None:
        """Open an image.

        Raises:
            ValueError: it is not in the folder, or cannot be read; or as `next`.
        """
        if name not in self.names:
            raise ValueError(f"there is no image {name!r} in {self.folder}")
        self._require_categories()
        at = self.names.index(name)
        if not self._open(at, 0):
            raise ValueError(f"{name} cannot be labelled: {self.skipped[name]}")

    def add_category(self, name: str) -> None:
        """Have another category; it stands in the file from the next change on."""
        self.file.add_category(name)
        self.bar.show()

    # Images

    def _open(self, at: int, way: int) -> bool:
        """Show the image at a place or, where it cannot be read, the next one that way.

        False, and nothing changes, where there is none.
        """
        problems = []
        while 0 <= at < len(self.names):
            name = self.names[at]
            try:
                image = self._read(name)
            except UnreadableImageError as error:
                self.skipped[name] = str(error)
                problems.append(f"{name} was skipped: {error}.")
                if way == 0:
                    break
                at += way
                continue
            self._at = at
            self._show(image)
            self._say(" ".join(problems), bool(problems))
            return True
        if not hasattr(self, "segmenter"):
            raise ValueError(f"no image in {self.folder} can be read: {self.skipped}")
        return False

    def _read(self, name: str) -> NDArray[np.uint8]:
        image = read_image(self.folder / name)
        known = self.file.size(name)
        if known is not None and known != image.shape[:2]:
            raise UnreadableImageError(
                f"it is {image.shape[1]} x {image.shape[0]} pixels, but was "
                f"{known[1]} x {known[0]} when it was labelled"
            )
        return image

    def _show(self, image: NDArray[np.uint8]) -> None:
        """Put a canvas with the image's labels in the old one's place."""
        labels = self.file.labels(self.image_name)
        names: list[str] = []
        for label in labels:
            names.append(unused_name(label.category, names))
        old = getattr(self, "segmenter", None)
        if old is not None:
            old.unobserve(self._changed, "_state")
        method = cast(InteractiveMethod, self.method)
        segmenter = Segmenter(
            image, names=(*names, NEW), methods={type(self.method.method).__name__: method}
        )
        self._kept = KeptObjects(self.file, self.image_name)
        for name, label in zip(names, labels, strict=True):
            segmenter.active = name
            self._recall(segmenter, label)
            self._kept.recall(segmenter._state["active"], label, segmenter.mask)
        segmenter.active = NEW
        self.segmenter = segmenter
        segmenter.observe(self._changed, "_state")
        self.children = [self.bar, segmenter]
        if old is not None:
            old.close()

    def _recall(self, segmenter: Segmenter, label: Label) -> None:
        with self.method.recall(label.mask):
            try:
                segmenter.prompts = label.prompts or innermost_click(label.mask)
            except RuntimeError:  # prompts of a kind that this method cannot be told
                segmenter.prompts = innermost_click(label.mask)

    # What happens on the canvas

    def _active_id(self) -> int:
        return int(self.segmenter._state["active"])

    def _require_categories(self) -> None:
        """Masks without a category would be lost with their image."""
        self.segmenter.wait()
        for thing in self.segmenter._state["objects"]:
            if thing["id"] not in self._kept and self.segmenter.masks[thing["name"]].any():
                raise ValueError(
                    f"{thing['name']!r} has no category yet: press its key, or Delete to drop it"
                )

    def _name(self, old: str, category: str) -> None:
        """Name an object by its category."""
        others = [name for name in self.segmenter.objects if name != old]
        self.segmenter.rename(old, unused_name(category, others))

    def _changed(self, change: Any) -> None:
        """Something was done on the canvas; the file follows."""
        if change["owner"] is not self.segmenter:
            return
        try:
            if self._kept.follow(self.segmenter):
                self._saved()
        except (OSError, ValueError) as error:
            self._say(f"Not saved: {error}", True)

    # What the bar shows

    def _saved(self) -> None:
        self._saved_at = time.time()
        self._say("")

    def _say(self, message: str, problem: bool = False) -> None:
        self.message, self.is_problem = message, problem
        self.bar.show()

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The widget, and a picture of the present image for readers without a kernel."""
        bundle, _ = self.segmenter._repr_mimebundle_(**kwargs)
        return {**super()._repr_mimebundle_(**kwargs), "image/png": bundle["image/png"]}


def _check_same_images(file: LabelFile, names: Sequence[str], folder: Path) -> None:
    if file.file_names and not set(file.file_names) & set(names):
        raise ForeignFileError(
            f"{file.path} holds labels of other images ({file.file_names[0]}, …) than those in "
            f"{folder}; it was left alone. Give another output"
        )
