"""A folder of images as people have it: any depth, mixed formats, now and then a broken file."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

ENDINGS = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})


class UnreadableImageError(ValueError):
    """A file that is no image that can be read; the message says why."""


def image_files(folder: str | Path) -> list[str]:
    """Names of all images in a folder and the folders in it, relative to it, with "/" between.

    In the order in which people count: "2.jpg" before "10.jpg". Hidden files and folders are left
    out.

    Raises:
        NotADirectoryError: there is no such folder.
        FileNotFoundError: there is no image in it.
    """
    root = Path(folder)
    if not root.is_dir():
        raise NotADirectoryError(f"there is no folder {root.resolve()}")
    found = []
    for parent, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if Path(name).suffix.lower() in ENDINGS and not name.startswith("."):
                found.append((Path(parent) / name).relative_to(root).as_posix())
    if not found:
        raise FileNotFoundError(
            f"there is no image in {root.resolve()}; images end in {', '.join(sorted(ENDINGS))}"
        )
    return sorted(found, key=counted)


def counted(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts numbers within names by their value."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(p), p) if p.isdecimal() else (1, 0, p.lower()) for p in parts]


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """Read an image as RGB (H, W, 3) uint8, upright as its camera says, the first of several.

    16-bit grey is brought to 8 bits by its upper byte; what is transparent shows its colour.

    Raises:
        UnreadableImageError: it is missing, empty, cut off, or no image.
    """
    try:
        if not Path(path).stat().st_size:
            raise UnreadableImageError("the file is empty")
        with warnings.catch_warnings(), Image.open(path) as file:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            upright = ImageOps.exif_transpose(file)
            if upright.mode.startswith("I"):
                grey = (np.asarray(upright, np.int64) >> 8).clip(0, 255).astype(np.uint8)
                return np.stack([grey] * 3, axis=-1)
            return np.array(upright.convert("RGB"))
    except UnreadableImageError:
        raise
    except Image.UnidentifiedImageError:
        raise UnreadableImageError("no image, whatever its name says") from None
    except Exception as error:  # decoders of many formats raise many things
        raise UnreadableImageError(str(error) or type(error).__name__) from error
