from __future__ import annotations

import http.server
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from segedu.data import bsds
from segedu.data.bsds import BSDS500, download_bsds500, read_segmentations
from tests.requirements_of_machine import SHARED_DATA, needs_shared_data

SMALL = {"train": 3, "val": 2, "test": 1}


def write_sample(folder: Path, split: str, name: str, height: int = 6, width: int = 9) -> None:
    """One photograph and two people's segmentations in the official layout."""
    for kind in ("images", "groundTruth"):
        (folder / kind / split).mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(name))
    Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(
        folder / "images" / split / f"{name}.jpg"
    )
    people = np.empty((1, 2), dtype=object)
    for person in range(2):
        labels = np.ones((height, width), np.uint16)
        labels[:, width // 2 :] = 2 + person
        people[0, person] = {"Segmentation": labels, "Boundaries": labels > 1}
    savemat(folder / "groundTruth" / split / f"{name}.mat", {"groundTruth": people})


@pytest.fixture
def small_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive like the official one with six photographs."""
    monkeypatch.setattr(bsds, "SIZES", dict(SMALL))
    source = tmp_path / "source"
    for split, size in SMALL.items():
        for i in range(size):
            write_sample(source, split, f"{split}{i}")
    archive = tmp_path / "BSR_bsds500.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(source, "BSR/BSDS500/data")
        tar.add(source / "images" / "val", "BSR/bench/data/images")  # the archive holds more
    return archive


def test_reader_finds_photographs_and_people(tmp_path: Path) -> None:
    write_sample(tmp_path, "val", "b")
    write_sample(tmp_path, "val", "a")
    data = BSDS500(tmp_path, "val")
    assert data.ids == ["a", "b"]
    assert len(data) == 2 == len(list(data))
    sample = data[1]
    assert sample.id == "b"
    assert sample.image.shape == (6, 9, 3)
    assert sample.image.dtype == np.uint8
    assert [labels.dtype for labels in sample.segmentations] == [np.int32] * 2
    assert np.unique(sample.segmentations[0]).tolist() == [0, 1]
    assert np.unique(sample.segmentations[1]).tolist() == [0, 2]
    assert (sample.segmentations[1][:, 4:] == 2).all()


def test_reader_accepts_the_folder_of_the_archive(tmp_path: Path) -> None:
    write_sample(tmp_path / "BSR" / "BSDS500" / "data", "test", "a")
    assert len(BSDS500(tmp_path, "test")) == 1


def test_reader_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="download_bsds500"):
        BSDS500(tmp_path, "val")
    with pytest.raises(ValueError, match="train, val, test"):
        BSDS500(tmp_path, "trainval")
    write_sample(tmp_path, "val", "a")
    with pytest.raises(IndexError):
        BSDS500(tmp_path, "val")[1]
    (tmp_path / "groundTruth" / "val" / "a.mat").unlink()
    with pytest.raises(ValueError, match="no segmentation"):
        BSDS500(tmp_path, "val")


def test_reader_refuses_sizes_that_disagree(tmp_path: Path) -> None:
    write_sample(tmp_path, "val", "a")
    Image.new("RGB", (5, 5)).save(tmp_path / "images" / "val" / "a.jpg")
    with pytest.raises(ValueError, match="a segmentation"):
        BSDS500(tmp_path, "val")[0]


def test_a_strange_mat_file_is_refused(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"something": np.zeros(3)})
    with pytest.raises(ValueError, match="groundTruth"):
        read_segmentations(tmp_path / "a.mat")


def test_an_archive_that_is_there_is_unpacked_without_network(
    tmp_path: Path, small_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bsds, "ARCHIVE_URL", "http://127.0.0.1:9/BSR_bsds500.tgz")
    root = tmp_path / "root"
    root.mkdir()
    small_archive.rename(root / "BSR_bsds500.tgz")
    folder = download_bsds500(root)
    assert {split: len(BSDS500(root, split)) for split in SMALL} == SMALL
    (root / "BSR_bsds500.tgz").unlink()
    assert download_bsds500(root) == folder  # there already: nothing is fetched
    assert not list(root.glob("*.part"))


def test_without_network_the_message_says_where_to_put_the_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bsds, "ARCHIVE_URL", "http://127.0.0.1:9/BSR_bsds500.tgz")
    with pytest.raises(ConnectionError, match="put it into") as error:
        download_bsds500(tmp_path)
    assert str(tmp_path) in str(error.value)
    assert "not for commercial use" in str(error.value)


def test_damaged_and_incomplete_archives_are_refused(
    tmp_path: Path, small_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = small_archive.read_bytes()
    small_archive.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="delete"):
        download_bsds500(tmp_path)
    small_archive.write_bytes(content)
    monkeypatch.setitem(bsds.SIZES, "test", 2)
    with pytest.raises(ValueError, match="test has 1 photographs instead of 2"):
        download_bsds500(tmp_path)


class RangeHandler(http.server.BaseHTTPRequestHandler):
    """Serves one file; breaks off after `limit` bytes; knows `Range` unless told not to."""

    content = b""
    limit = 1 << 30
    ranges = True
    starts: list[int]

    def do_GET(self) -> None:
        start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        type(self).starts.append(start)
        if self.ranges and start >= len(self.content):
            self.send_error(416)
            return
        body = self.content[start:] if self.ranges else self.content
        self.send_response(206 if self.ranges else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.limit])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def handler(small_archive: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[RangeHandler]]:
    class Handler(RangeHandler):
        content = small_archive.read_bytes()
        starts: list[int] = []  # noqa: RUF012

    small_archive.unlink()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/BSR_bsds500.tgz"
    monkeypatch.setattr(bsds, "ARCHIVE_URL", url)
    yield Handler
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_broke_off_goes_on(
    tmp_path: Path, handler: type[RangeHandler], ranges: bool
) -> None:
    handler.ranges = ranges
    handler.limit = len(handler.content) // 3
    with pytest.raises(ConnectionError, match="goes on where this one stopped"):
        download_bsds500(tmp_path)
    handler.limit = 1 << 30
    download_bsds500(tmp_path)
    assert handler.starts == [0, len(handler.content) // 3]
    assert (tmp_path / "BSR_bsds500.tgz").read_bytes() == handler.content
    assert len(BSDS500(tmp_path, "train")) == SMALL["train"]


def test_a_complete_part_is_not_fetched_again(tmp_path: Path, handler: type[RangeHandler]) -> None:
    (tmp_path / "BSR_bsds500.tgz.part").write_bytes(handler.content)
    download_bsds500(tmp_path)
    assert (tmp_path / "BSR_bsds500.tgz").read_bytes() == handler.content


@needs_shared_data
def test_real_photographs() -> None:
    data = BSDS500(SHARED_DATA / "bsds500", "val")
    assert len(data) > 0
    sample = data[0]
    assert sorted(sample.image.shape) == [3, 321, 481]
    assert 4 <= len(sample.segmentations) <= 9
    for labels in sample.segmentations:
        assert labels.min() == 0
        assert labels.max() >= 1
