"""Folders of images, good and bad."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from segedu.applications import UnreadableImageError, image_files, read_image


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


@pytest.fixture
def colors():
    return np.random.default_rng(0).integers(0, 255, (6, 9, 3)).astype(np.uint8)


def test_images_in_the_order_in_which_people_count(tmp_path, colors):
    for name in ("img10.png", "img2.PNG", "b/1.jpg", "a.bmp", ".hidden.png", ".git/x.png"):
        save(tmp_path / name, colors, format="JPEG" if name.endswith("jpg") else "PNG")
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "labels.json").write_text("{}")
    assert image_files(tmp_path) == ["a.bmp", "b/1.jpg", "img2.PNG", "img10.png"]


def test_folders_without_images(tmp_path):
    with pytest.raises(FileNotFoundError, match="no image"):
        image_files(tmp_path)
    with pytest.raises(NotADirectoryError, match="missing"):
        image_files(tmp_path / "missing")


def test_formats_become_rgb(tmp_path, colors):
    save(tmp_path / "a.png", colors)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), colors)
    save(tmp_path / "grey.png", colors[..., 0])
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png")[..., 2], colors[..., 0])
    save(tmp_path / "deep.png", colors[..., 0].astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_image(tmp_path / "deep.png")[..., 1], colors[..., 0])
    save(tmp_path / "alpha.png", np.dstack([colors, colors[..., :1]]))
    np.testing.assert_array_equal(read_image(tmp_path / "alpha.png"), colors)


def test_photographs_stand_upright(tmp_path, colors):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    Image.fromarray(colors).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.rot90(colors, -1))


def test_bad_files_say_why(tmp_path, colors):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.jpg").write_text("hello")
    save(tmp_path / "whole.jpg", np.tile(colors, (40, 40, 1)))
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:2000])
    reasons = {"empty.png": "empty", "text.jpg": "no image", "cut.jpg": "truncated"}
    for name, reason in {**reasons, "gone.png": "No such file"}.items():
        with pytest.raises(UnreadableImageError, match=reason):
            read_image(tmp_path / name)
