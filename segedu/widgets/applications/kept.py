"""What the file says of the canvas's objects, and how it follows what is done to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segedu.applications import Label, LabelFile
from segedu.interactive import Prompts
from segedu.widgets.segmenter import Segmenter

NO_MASK = np.zeros((0, 0), bool)


@dataclass
class _Kept:
    """What the file says of an object.

    Attributes:
        category: that it was given.
        label: id in the file; None while its mask is empty.
        mask: as it was written.
    """

    category: str
    label: int | None
    mask: NDArray[np.bool_]


class KeptObjects:
    """The objects of one image that are in the file, by the canvas's ids.

    Args:
        file: in which they are kept.
        image_name: of the image.
    """

    def __init__(self, file: LabelFile, image_name: str) -> None:
        self.file, self.image_name = file, image_name
        self._kept: dict[int, _Kept] = {}

    def __contains__(self, number: int) -> bool:
        return number in self._kept

    def recall(self, number: int, label: Label, mask: NDArray[np.bool_]) -> None:
        """An object of the canvas stands for a label that is in the file already."""
        self._kept[number] = _Kept(label.category, label.id, mask)

    def put(self, number: int, category: str, mask: NDArray[np.bool_], prompts: Prompts) -> None:
        """Write an object, or its other category; raises as `LabelFile.add`."""
        kept = self._kept.get(number)
        if kept is not None and kept.label is not None:
            self.file.change(kept.label, category=category)
            kept.category = category
        else:
            label = self.file.add(self.image_name, category, mask, prompts)
            self._kept[number] = _Kept(category, label, mask)

    def follow(self, segmenter: Segmenter) -> bool:
        """Bring the file in line with the canvas; True where that changed something.

        Raises:
            OSError: the file cannot be written; the next call tries again.
        """
        names = {thing["id"]: thing["name"] for thing in segmenter._state["objects"]}
        masks = segmenter.masks
        changed = False
        for number, kept in list(self._kept.items()):
            if number not in names:
                # Not forgotten: where the deletion is undone, the label comes back.
                changed |= self._write_mask(kept, NO_MASK, Prompts())
                continue
            changed |= self._write_name(kept, names[number])
            prompts = segmenter._objects.with_id(number).step.prompts
            changed |= self._write_mask(kept, masks.get(names[number], kept.mask), prompts)
        return changed

    def _write_mask(self, kept: _Kept, mask: NDArray[np.bool_], prompts: Prompts) -> bool:
        if mask is kept.mask or np.array_equal(mask, kept.mask):
            return False
        if not mask.any():  # deleted, or all of its prompts taken back
            if kept.label is not None:
                self.file.remove(kept.label)
            kept.label = None
        elif kept.label is None:
            kept.label = self.file.add(self.image_name, kept.category, mask, prompts)
        else:
            self.file.change(kept.label, mask=mask, prompts=prompts)
        kept.mask = mask
        return True

    def _write_name(self, kept: _Kept, name: str) -> bool:
        """A label that is renamed to another category's name changes to that."""
        if kept.label is None or _is_numbered(name, kept.category):
            return False
        found = next((c for c in self.file.categories if _is_numbered(name, c)), None)
        if found is None:
            return False
        self.file.change(kept.label, category=found)
        kept.category = found
        return True


def unused_name(name: str, others: Sequence[str]) -> str:
    """The name, with a number behind it where others have it."""
    number, candidate = 1, name
    while candidate in others:
        number += 1
        candidate = f"{name} {number}"
    return candidate


def _is_numbered(name: str, category: str) -> bool:
    rest = name.removeprefix(category)
    return name.startswith(category) and (rest == "" or rest.strip().isdecimal())
