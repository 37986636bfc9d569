"""Objects removed from pictures of which it is known what lies behind them."""

from __future__ import annotations

import numpy as np
import pytest

from segedu.applications.removal import REMOVAL_METHODS, default_grow, grown, remove_object


@pytest.fixture(scope="module")
def scene():
    """A smooth background, the same with a red square on it, and the square's mask."""
    rows, columns = np.mgrid[:80, :100]
    background = np.stack([60 + columns, 80 + rows, 120 + 0 * rows], axis=-1).astype(np.uint8)
    mask = np.zeros((80, 100), bool)
    mask[30:50, 40:60] = True
    image = background.copy()
    image[29:51, 39:61] = (150, 40, 30)  # its blurred edge, which the mask misses
    image[mask] = (220, 20, 20)
    return background, image, mask


@pytest.mark.parametrize("method", REMOVAL_METHODS)
def test_background_comes_back_and_the_rest_is_untouched(scene, method):
    background, image, mask = scene
    result = remove_object(image, mask, method, grow=3)
    assert result.dtype == np.uint8 and result.shape == image.shape
    hole = grown(mask, 3)
    np.testing.assert_array_equal(result[~hole], image[~hole])
    error = np.abs(result.astype(int) - background)[hole]
    assert error.mean() < (12 if method == "patches" else 4)
    assert np.abs(image.astype(int) - background)[hole].mean() > 40
    assert (result[..., 0].astype(int) - result[..., 1])[hole].max() < 60, "red is left"
    again = remove_object(image, mask, method, grow=3)
    np.testing.assert_array_equal(again, result)


def test_a_mask_that_does_not_grow_smears_the_edge(scene):
    background, image, mask = scene
    hole = grown(mask, 0)
    np.testing.assert_array_equal(hole, mask)
    error = [
        np.abs(remove_object(image, mask, grow=g).astype(int) - background)[mask].mean()
        for g in (0, 3)
    ]
    assert error[1] < 0.2 * error[0]


def test_patches_bring_texture(scene):
    columns = np.arange(160)
    stripes = np.broadcast_to((columns // 4 % 2 * 200)[None, :, None], (120, 160, 3))
    image = stripes.astype(np.uint8).copy()
    mask = np.zeros((120, 160), bool)
    mask[50:70, 60:90] = True
    image[mask] = (255, 0, 0)
    result = {m: remove_object(image, mask, m, grow=0) for m in ("telea", "patches")}
    error = {m: np.abs(r.astype(int) - stripes)[mask].mean() for m, r in result.items()}
    assert error["patches"] < 0.35 * error["telea"]


def test_grown_is_round():
    mask = np.zeros((21, 21), bool)
    mask[10, 10] = True
    rows, columns = np.mgrid[:21, :21] - 10
    np.testing.assert_array_equal(grown(mask, 6), rows**2 + columns**2 <= 36)
    assert default_grow(mask) == 3 and default_grow(np.ones((400, 400), bool)) == 10


def test_what_cannot_be_is_said(scene):
    _, image, mask = scene
    with pytest.raises(ValueError, match="telea"):
        remove_object(image, mask, "magic")
    with pytest.raises(ValueError, match="empty"):
        remove_object(image, np.zeros_like(mask))
    with pytest.raises(ValueError, match="whole image"):
        remove_object(image, mask, grow=200)
    with pytest.raises(ValueError, match="grow"):
        remove_object(image, mask, grow=-1)
    with pytest.raises(ValueError, match="shape"):
        remove_object(image, mask.T)
