"""Reader and downloader of BSDS500, the Berkeley Segmentation Data Set.

Paper: Arbeláez, Maire, Fowlkes, Malik, "Contour detection and hierarchical image segmentation",
TPAMI 2011. 500 photographs of 321×481 or 481×321 pixels (200 train, 100 val, 200 test), each cut
into segments by 4 to 9 people.

Layout, as in the official archive's folder `BSR/BSDS500/data`:

    images/{train,val,test}/ID.jpg
    groundTruth/{train,val,test}/ID.mat    cell array `groundTruth`, one struct a person, whose
                                           `Segmentation` (H, W) uint16 counts segments from 1
"""

from __future__ import annotations

import os
import shutil
import tarfile
import urllib.request
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import loadmat
from tqdm.auto import tqdm

Split = Literal["train", "val", "test"]
SIZES: dict[str, int] = {"train": 200, "val": 100, "test": 200}
ARCHIVE_URL = (
    "http://www.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/BSR/BSR_bsds500.tgz"
)
LICENCE = "BSDS500 is for research and education, not for commercial use (University of California)"


@dataclass(frozen=True)
class BSDSSample:
    """One photograph with all its human segmentations.

    Attributes:
        id: the file's name without its ending, such as "100075".
        image: (H, W, 3) uint8, RGB.
        segmentations: one (H, W) int32 label map a person, segments counted from 0.
    """

    id: str
    image: NDArray[np.uint8]
    segmentations: list[NDArray[np.int32]]


class BSDS500:
    """One split of BSDS500, or of a part of it in the same layout; sorted by identifier.

    Args:
        root: the folder that holds `images` and `groundTruth`; a folder in which the official
            archive was unpacked will do too.
        split: "train", "val" or "test".

    Raises:
        FileNotFoundError: no such folder; the message says how to get the data.
        ValueError: unknown split, or a photograph without its segmentation.
    """

    def __init__(self, root: str | Path, split: Split = "val") -> None:
        if split not in get_args(Split):
            raise ValueError(f"split must be one of {', '.join(get_args(Split))}, got {split!r}")
        self.root = _data_folder(Path(root))
        self.split = split
        folder = self.root / "images" / split
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder} does not exist. {_how_to_get_it(Path(root))}")
        self.ids = sorted(path.stem for path in folder.glob("*.jpg"))
        truth = {path.stem for path in (self.root / "groundTruth" / split).glob("*.mat")}
        if without := sorted(set(self.ids) - truth):
            raise ValueError(
                f"{len(without)} photographs of {folder} have no segmentation in "
                f"{self.root / 'groundTruth' / split}, the first is {without[0]}; unpack again"
            )

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[BSDSSample]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> BSDSSample:
        """Read one photograph and its segmentations.

        Raises:
            IndexError: `index` is not below `len(self)`.
            ValueError: the two files disagree on the size.
        """
        name = self.ids[index]
        with Image.open(self.root / "images" / self.split / f"{name}.jpg") as file:
            image = np.asarray(file.convert("RGB"))
        segmentations = read_segmentations(self.root / "groundTruth" / self.split / f"{name}.mat")
        for labels in segmentations:
            if labels.shape != image.shape[:2]:
                raise ValueError(
                    f"{name}: the photograph is {image.shape[:2]}, a segmentation {labels.shape}"
                )
        return BSDSSample(name, image, segmentations)


def read_segmentations(path: str | Path) -> list[NDArray[np.int32]]:
    """Read one `ID.mat`: the people's label maps (H, W) int32, counted from 0.

    Raises:
        ValueError: the file has no cell array `groundTruth`.
    """
    content = loadmat(str(path))
    if "groundTruth" not in content:
        raise ValueError(f"{path} holds no `groundTruth`; is it a file of BSDS500?")
    people = content["groundTruth"].ravel()
    # Each cell is a 1×1 struct. MATLAB counts from 1.
    return [person["Segmentation"][0, 0].astype(np.int32) - 1 for person in people]


def download_bsds500(root: str | Path) -> Path:
    """Download and unpack BSDS500 into `root`, once; return the folder with `images`.

    Fetches the official archive (about 70 MB) with a progress bar and goes on with a download that
    broke off. An archive or a folder that is there already is used, so where there is no network
    put `BSR_bsds500.tgz` into `root` yourself. No checksum is known to us; instead everything is
    counted and every segmentation opened after unpacking.

    Raises:
        ConnectionError: the server cannot be reached; the message says what to put where.
        ValueError: the archive is damaged or incomplete; the message says what to delete.
    """
    root = Path(root)
    if _is_complete(folder := _data_folder(root)):
        return folder
    archive = root / ARCHIVE_URL.rsplit("/", 1)[1]
    if not archive.is_file():
        print(f"{LICENCE}.\nDownloading {ARCHIVE_URL}")
        _fetch(archive)
    _unpack(archive, root)
    folder = _data_folder(root)
    verify_bsds500(folder, archive)
    return folder


def verify_bsds500(folder: Path, archive: Path | None = None) -> None:
    """Count the photographs of every split and open every segmentation.

    Raises:
        ValueError: a number is wrong or a file cannot be read.
    """
    advice = f"; delete {archive} and {folder}, then download again" if archive else ""
    for split, size in SIZES.items():
        try:
            data = BSDS500(folder, split)  # type: ignore[arg-type]
            if len(data) != size:
                raise ValueError(f"{split} has {len(data)} photographs instead of {size}")
            for name in data.ids:
                read_segmentations(folder / "groundTruth" / split / f"{name}.mat")
        except Exception as error:  # whatever a damaged file makes of its reader
            raise ValueError(f"BSDS500 in {folder} is damaged: {error}{advice}") from error


def _is_complete(folder: Path) -> bool:
    return all(
        len(list((folder / kind / split).glob(f"*.{ending}"))) == size
        for split, size in SIZES.items()
        for kind, ending in (("images", "jpg"), ("groundTruth", "mat"))
    )


def _data_folder(root: Path) -> Path:
    """`root` itself, or the folder below it where the official archive keeps the data."""
    for below in ("", "BSDS500/data", "BSR/BSDS500/data"):
        if (root / below / "images").is_dir():
            return root / below
    return root


def _how_to_get_it(root: Path) -> str:
    return (
        f'Call segedu.data.bsds.download_bsds500("{root}"), or, without network, download '
        f"{ARCHIVE_URL} elsewhere, put it into {root} and call it then. {LICENCE}."
    )


def _fetch(archive: Path) -> None:
    """Download to `archive`.part, going on where an earlier try stopped, then rename it."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    part = archive.with_name(archive.name + ".part")
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(ARCHIVE_URL, headers={"Range": f"bytes={have}-"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            if response.status != 206:  # the server sends the whole file again
                have = 0
            total = have + int(response.headers["Content-Length"])
            with (
                part.open("ab" if have else "wb") as file,
                tqdm(total=total, initial=have, unit="B", unit_scale=True) as bar,
            ):
                while block := response.read(1 << 16):
                    file.write(block)
                    bar.update(len(block))
        if part.stat().st_size != total:
            raise OSError(f"it broke off after {part.stat().st_size} of {total} bytes")
    except (OSError, HTTPException) as error:  # URLError, HTTPError and timeouts are OSErrors
        if getattr(error, "code", None) == 416:  # nothing is left to send: `part` is complete
            os.replace(part, archive)
            return
        raise ConnectionError(
            f"cannot download BSDS500: {error}. A second call goes on where this one stopped. "
            + _how_to_get_it(archive.parent)
        ) from error
    os.replace(part, archive)


def _unpack(archive: Path, root: Path) -> None:
    """Unpack the data of `archive`, and nothing else of it, to `root/BSDS500/data`."""
    part = root / "BSDS500.part"
    shutil.rmtree(part, ignore_errors=True)
    try:
        with tarfile.open(archive) as tar:
            wanted = [m for m in tar if "BSDS500/data" in str(PurePosixPath(m.name))]
            tar.extractall(part, members=wanted, filter="data")
        source = _data_folder(part)
        target = root / "BSDS500" / "data"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        os.replace(source, target)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise ValueError(f"cannot unpack {archive}: {error}; delete it and try again") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
