"""Stickers of shapes whose outlines, areas and borders are known exactly."""

from __future__ import annotations

import numpy as np
import pytest

from segedu.applications.sticker import smooth_distance, sticker

RED, GREEN = (200, 30, 30), (30, 160, 40)


def disk(radius: float, size: int = 120) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size] + 0.5
    return (columns - size / 2) ** 2 + (rows - size / 2) ** 2 <= radius**2


def picture(mask: np.ndarray) -> np.ndarray:
    return np.where(mask[..., None], RED, GREEN).astype(np.uint8)


def alpha_area(result: np.ndarray) -> float:
    return float(result[..., 3].sum() / 255)


@pytest.mark.parametrize("border", [0, 3, 7.5])
def test_disk_grows_by_the_border_on_all_sides(border):
    mask = disk(30)
    result = sticker(picture(mask), mask, border=border, shadow=0)
    assert result.dtype == np.uint8 and result.ndim == 3 and result.shape[2] == 4
    assert alpha_area(result) == pytest.approx(np.pi * (30 + border) ** 2, rel=0.015)
    assert abs(result.shape[0] - 2 * (30 + border)) <= 2.5
    for turned in (result[::-1], result[:, ::-1], result.transpose(1, 0, 2)):
        np.testing.assert_allclose(turned[..., 3].astype(int), result[..., 3], atol=2)


def test_edges_are_smooth_and_the_middle_is_the_photograph():
    mask = disk(30)
    result = sticker(picture(mask), mask, border=6, shadow=0)
    middle = result.shape[0] // 2
    row = result[middle].astype(int)
    assert (row[middle - 20 : middle + 20, :3] == RED).all()
    assert (row[middle - 20 : middle + 20, 3] == 255).all()
    white = (row[:, :3] == 255).all(axis=1) & (row[:, 3] == 255)
    assert 4 <= white[: middle + 1].sum() <= 6  # the border, less its smooth edges
    levels = set(result[..., 3].ravel().tolist())
    assert len(levels) > 12  # not only in or out: the edge has many levels
    # On the way out from the middle the sticker only ever becomes more transparent.
    assert (np.diff(row[middle:, 3]) <= 0).all()
    assert not (np.abs(row[:, :3] - GREEN).sum(axis=1) < 60).any(), "the background shows through"


def test_without_border_only_the_object_is_left():
    mask = disk(30)
    result = sticker(picture(mask), mask, border=0, shadow=0)
    seen = result[..., 3] > 250
    assert (result[seen][:, :3] == RED).mean() > 0.95
    assert alpha_area(result) == pytest.approx(mask.sum(), rel=0.02)


def test_inward_corners_are_rounded_and_outward_ones_kept():
    mask = np.zeros((140, 140), bool)
    mask[30:110, 40:50] = mask[30:110, 90:100] = True  # two bars with a gap of 40 between
    mask[100:110, 40:100] = True
    sharp = sticker(picture(mask), mask, border=4, rounding=0, shadow=0)
    round_ = sticker(picture(mask), mask, border=4, rounding=12, shadow=0)
    assert sharp.shape == round_.shape
    more = round_[..., 3].astype(int) - sharp[..., 3]
    assert more.min() >= 0 and 40 < more.clip(0).sum() / 255 < 600


def test_shadow_is_dark_soft_falls_down_and_leaves_the_sticker_alone():
    mask = disk(30)
    plain = sticker(picture(mask), mask, border=5, shadow=0)
    result = sticker(picture(mask), mask, border=5, shadow=0.5, shadow_size=4)
    height, width = result.shape[:2]
    assert height > plain.shape[0] + 8 and width > plain.shape[1] + 8
    solid = result[..., 3] == 255
    assert abs(int(solid.sum()) - int((plain[..., 3] == 255).sum())) <= 2
    only_shadow = (result[..., :3].max(axis=2) == 0) & (result[..., 3] > 0)
    assert only_shadow.any() and result[only_shadow][:, 3].max() <= 0.5 * 255 + 1
    rows, columns = np.nonzero(solid)
    center = rows.mean(), columns.mean()
    rows, columns = np.nonzero(only_shadow)
    assert rows.mean() > center[0] + 3 and columns.mean() > center[1] + 1


def test_object_at_the_images_edge_gets_a_whole_border():
    mask = np.zeros((40, 50), bool)
    mask[:, 30:] = True
    result = sticker(picture(mask), mask, border=5, rounding=0, shadow=0)
    assert abs(result.shape[0] - 50) <= 2 and abs(result.shape[1] - 30) <= 2
    assert (result[3, 10:20, :3] == 255).all() and (result[3, 10:20, 3] == 255).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 2)])
def test_tiny_objects(shape):
    mask = np.ones(shape, bool)
    result = sticker(np.zeros((*shape, 3), np.uint8), mask)
    assert result[..., 3].max() == 255
    assert sticker(np.zeros((*shape, 3), np.float32), mask, border=0, shadow=0)[..., 3].any()


def test_defaults_scale_with_the_object():
    small, large = disk(10), disk(150, 340)
    a, b = sticker(picture(small), small), sticker(picture(large), large)
    assert (b.shape[0] - 300) > 3 * (a.shape[0] - 20)


def test_distance_is_the_disks_own():
    distance = smooth_distance(disk(30, 100))
    rows, columns = np.mgrid[:100, :100] + 0.5
    true = np.hypot(columns - 50, rows - 50) - 30
    near = np.abs(true) < 15
    assert np.abs(distance - true)[near].max() < 0.6


@pytest.mark.parametrize(
    ("options", "message"),
    [({"border": -1}, "0 or more"), ({"shadow": 1.2}, "shadow must lie"), ({"rounding": -2}, "-2")],
)
def test_what_cannot_be_is_said(options, message):
    mask = disk(10, 40)
    with pytest.raises(ValueError, match=message):
        sticker(picture(mask), mask, **options)
    with pytest.raises(ValueError, match="empty"):
        sticker(picture(mask), np.zeros_like(mask))
    with pytest.raises(ValueError, match="shape"):
        sticker(picture(mask), mask[1:])
