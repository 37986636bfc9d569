"""Readers of the sets that interactive segmentation is measured on: GrabCut, Berkeley, DAVIS, SBD.

Each is a sequence of `ObjectSample`: a photograph and the one object to be clicked out. The layouts
are those that people have, from the archives of the RITM authors (SBD: the official one):

    GrabCut    data_GT/*.{bmp,jpg}      boundary_GT/*.bmp     0 background, 128 ignored, 255 object
    Berkeley   images/*.jpg             masks/*.png           the same values
    DAVIS      img/*.jpg                gt/*.png              0 background, else object
    SBD        img/*.jpg                inst/*.mat            GTinst.Segmentation, objects from 1;
               val.txt, train.txt: the photographs of a split

Papers: GrabCut: Rother et al., SIGGRAPH 2004. Berkeley: McGuinness & O'Connor, Pattern Recognition
2010 (100 objects on 96 photographs). DAVIS: Perazzi et al., CVPR 2016 (345 frames chosen by Jang &
Kim, CVPR 2019). SBD: Hariharan et al., ICCV 2011 (6671 objects on 2857 photographs of val).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import loadmat

IGNORED = 128  # GrabCut's and Berkeley's value for pixels along the border


@dataclass(frozen=True)
class ObjectSample:
    """A photograph with one object.

    Attributes:
        name: unique in its set, such as "106024" or "2008_000045/2" (the second object).
        image: (H, W, 3) uint8, RGB.
        mask: (H, W) bool, the object.
        ignored: (H, W) bool, pixels that do not count.
    """

    name: str
    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    ignored: NDArray[np.bool_]


class ObjectSet:
    """Photographs in one folder, masks of the same name in another, sorted by name.

    Args:
        root: the folder that holds both.

    Raises:
        FileNotFoundError: a folder is not there, or a photograph has no mask.
    """

    name: ClassVar[str]
    images: ClassVar[str]
    masks: ClassVar[str]

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        for folder in (self.images, self.masks):
            if not (self.root / folder).is_dir():
                raise FileNotFoundError(
                    f"{self.root / folder} does not exist; {self.name} is a folder with "
                    f"{self.images}/ and {self.masks}/"
                )
        masks = {path.stem: path for path in sorted((self.root / self.masks).iterdir())}
        paths = [path for path in sorted((self.root / self.images).iterdir()) if path.is_file()]
        if without := [path.name for path in paths if path.stem not in masks]:
            raise FileNotFoundError(
                f"{len(without)} photographs in {self.root / self.images} have no mask in "
                f"{self.masks}/: {', '.join(without[:5])}"
            )
        self._pairs = [(path, masks[path.stem]) for path in paths]

    @property
    def photographs(self) -> list[str]:
        """Names of the files, without endings, in order."""
        return [path.stem for path, _ in self._pairs]

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> ObjectSample:
        path, mask_path = self._pairs[index]
        image, values = _read_image(path), _read_mask(mask_path)
        if values.shape != image.shape[:2]:
            raise ValueError(f"{mask_path} is {values.shape}, its photograph {image.shape[:2]}")
        return ObjectSample(path.stem, image, *self._decode(values))

    def __iter__(self) -> Iterator[ObjectSample]:
        return (self[i] for i in range(len(self)))

    def _decode(self, values: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        return values > IGNORED, values == IGNORED


class GrabCutSet(ObjectSet):
    """The 50 photographs of GrabCut."""

    name, images, masks = "GrabCut", "data_GT", "boundary_GT"


class Berkeley(ObjectSet):
    """The 100 objects of McGuinness & O'Connor."""

    name, images, masks = "Berkeley", "images", "masks"


class DAVIS(ObjectSet):
    """345 frames of DAVIS; any other set of object masks in the same layout will do too."""

    name, images, masks = "DAVIS", "img", "gt"

    def _decode(self, values: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        return values > 0, np.zeros(values.shape, bool)


class SBD(ObjectSet):
    """Each object of each photograph of SBD's split by itself.

    Opening reads every annotation once, to count the objects.

    Args:
        root: the folder that holds `img`, `inst` and `val.txt`; the official archive's `dataset`.
        split: "val" or "train", or any other list `<split>.txt`.
    """

    name, images, masks = "SBD", "img", "inst"

    def __init__(self, root: str | Path, split: str = "val") -> None:
        super().__init__(root)
        listed = self.root / f"{split}.txt"
        if not listed.is_file():
            raise FileNotFoundError(f"{listed} does not exist: the split's photographs, one a line")
        pairs = {path.stem: (path, mask) for path, mask in self._pairs}
        names = listed.read_text().split()
        if unknown := [name for name in names if name not in pairs]:
            raise FileNotFoundError(f"{listed} names {unknown[0]}, which is not in {self.images}/")
        self._objects = [
            (*pairs[name], number)
            for name in names
            for number in np.unique(_read_instances(pairs[name][1]))
            if number not in (0, 255)
        ]

    def __len__(self) -> int:
        return len(self._objects)

    def __getitem__(self, index: int) -> ObjectSample:
        path, mask_path, number = self._objects[index]
        values = _read_instances(mask_path)
        return ObjectSample(
            f"{path.stem}/{number}", _read_image(path), values == number, values == 255
        )


CLICK_SETS: dict[str, type[ObjectSet]] = {
    "grabcut": GrabCutSet,
    "berkeley": Berkeley,
    "davis": DAVIS,
    "sbd": SBD,
}


def open_click_set(root: str | Path, layout: str | None = None) -> ObjectSet:
    """Open a folder with the reader of its layout, found out by the names of its folders.

    Args:
        root: the set's folder.
        layout: a key of `CLICK_SETS`; None to find out.

    Raises:
        ValueError: no such layout.
        FileNotFoundError: the folder has none of the layouts.
    """
    if layout is not None:
        if layout not in CLICK_SETS:
            raise ValueError(f"no layout {layout!r}; there are {', '.join(CLICK_SETS)}")
        return CLICK_SETS[layout](root)
    for kind in CLICK_SETS.values():
        if (Path(root) / kind.images).is_dir() and (Path(root) / kind.masks).is_dir():
            return kind(root)
    known = "; ".join(f"{k.name}: {k.images}/ and {k.masks}/" for k in CLICK_SETS.values())
    raise FileNotFoundError(f"{root} is not a folder of a known layout ({known})")


def _read_image(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _read_mask(path: Path) -> NDArray[np.uint8]:
    """Values (H, W); of a mask in colours the largest channel, as DAVIS has them."""
    with Image.open(path) as image:
        values = np.asarray(image if image.mode in ("L", "P") else image.convert("RGB"))
    return values.max(2) if values.ndim == 3 else values


def _read_instances(path: Path) -> NDArray[Any]:
    return loadmat(path, squeeze_me=True, struct_as_record=False)["GTinst"].Segmentation
