"""Stickers and removal while clicking, without a browser."""

from __future__ import annotations

import threading
import time

import cv2
import numpy as np
import pytest

from segedu.applications import remove_object, sticker
from segedu.applications.removal import default_grow
from segedu.interactive import Click, Prompts
from segedu.widgets import ObjectRemover, Segmenter, StickerMaker
from segedu.widgets.applications.follower import Latest
from tests.widgets.labelling import Disks, disk

SIZE = (40, 60)


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 255, (*SIZE, 3)).astype(np.uint8)


def decoded(data):
    order = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return cv2.cvtColor(pixels, order[pixels.shape[2]])


def click(widget, x, y):
    widget.segmenter.prompts = Prompts(clicks=(Click(x, y),))
    widget.wait()


def area_of(mask):
    return np.sqrt(mask.sum())


def test_sticker_follows_clicks_and_sliders(image):
    maker = StickerMaker(image, method=Disks())
    maker.wait()
    assert maker.save_button.disabled and maker.preview._after == b""
    with pytest.raises(ValueError, match="empty"):
        maker.png()
    click(maker, 20, 20)
    assert not maker.save_button.disabled and not maker.error
    shown = decoded(maker.preview._after)
    np.testing.assert_array_equal(shown, maker.sticker)
    mask = disk(20, 20, SIZE)
    np.testing.assert_array_equal(maker.mask, mask)
    expected = sticker(
        image, mask, border=0.035 * area_of(mask), rounding=0.035 * area_of(mask),
        shadow_size=1.0,
    )  # fmt: skip
    np.testing.assert_array_equal(maker.sticker, expected)
    for control, value in ((maker.border, 12), (maker.shadow, 0)):
        before = maker.preview._after
        control.value = value
        maker.wait()
        assert maker.preview._after != before
    maker.color.value = "#ff8000"
    maker.wait()
    solid = maker.sticker[maker.sticker[..., 3] == 255]
    assert ((solid[:, :3] == (255, 128, 0)).all(axis=1)).any()
    np.testing.assert_array_equal(decoded(maker.png()), maker.sticker)


def test_large_objects_are_previewed_small_and_saved_large():
    big = np.random.default_rng(0).integers(0, 255, (900, 1000, 3)).astype(np.uint8)
    mask = np.zeros((900, 1000), bool)
    mask[50:850, 100:900] = True
    maker = StickerMaker(big, mask=mask)
    maker.wait()
    shown, full = decoded(maker.preview._after), maker.sticker
    assert shown.shape[0] < 520 and full.shape[0] > 800
    ratio = full.shape[0] / shown.shape[0]
    assert ratio == pytest.approx(800 / 420, rel=0.05)
    alpha = cv2.resize(full[..., 3], shown.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(alpha.astype(int) - shown[..., 3]).mean() < 6


def test_removal_follows_clicks_and_controls(image):
    image = cv2.GaussianBlur(image, (0, 0), 6)  # JPEG carries what is smooth
    remover = ObjectRemover(image, method=Disks())
    with pytest.raises(ValueError, match="click the object"):
        remover.png()
    click(remover, 20, 20)
    mask = disk(20, 20, SIZE)
    expected = remove_object(image, mask, "telea", grow=default_grow(mask))
    np.testing.assert_array_equal(remover.result, expected)
    np.testing.assert_array_equal(decoded(remover.png()), expected)
    assert abs(decoded(remover.preview._after).astype(int) - expected).mean() < 12  # JPEG
    remover.filling.value = "navier-stokes"
    remover.grow.value = 4
    wide = remove_object(image, mask, "navier-stokes", grow=default_grow(mask) + 4)
    np.testing.assert_array_equal(remover.result, wide)
    assert f"grown by {default_grow(mask) + 4} pixels" in remover.preview._note
    remover.grow.value = -10
    np.testing.assert_array_equal(
        remover.result, remove_object(image, mask, "navier-stokes", grow=0)
    )
    remover.segmenter.clear()
    remover.wait()
    assert remover.preview._after == b"" and remover.save_button.disabled


def test_a_failure_is_shown_and_the_next_try_works(image):
    remover = ObjectRemover(image, mask=np.ones(SIZE, bool))
    remover.wait()
    assert "fills the whole image" in remover.preview._problem and remover.save_button.disabled
    with pytest.raises(RuntimeError, match="whole image"):
        remover.png()


def test_one_canvas_serves_several(image):
    segmenter = Segmenter(image, Disks())
    maker, remover = StickerMaker(segmenter), ObjectRemover(segmenter)
    segmenter.prompts = Prompts(clicks=(Click(20, 20),))
    maker.wait()
    assert (remover.result != image).any() and maker.sticker[..., 3].any()
    assert len(maker.children) == 1, "the canvas stands elsewhere"
    assert maker.file_name == "object 1.png"
    segmenter.add_object("other")
    maker.wait()
    assert not maker.mask.any()
    segmenter.active = "object 1"
    maker.wait()
    np.testing.assert_array_equal(maker.mask, disk(20, 20, SIZE))
    for wrong in ({"mask": disk(20, 20, SIZE)}, {"method": Disks()}):
        with pytest.raises(ValueError, match="give neither"):
            StickerMaker(segmenter, **wrong)


def test_saving_sends_the_file_to_the_browser(image):
    maker = StickerMaker(image, mask=disk(20, 20, SIZE))
    maker.wait()
    sent = []
    maker.preview.send = lambda content, buffers: sent.append((content, buffers))
    maker.save_button.click()
    [(content, [data])] = sent
    assert content == {"type": "file", "name": "sticker.png"}
    np.testing.assert_array_equal(decoded(data), maker.sticker)


def test_pictures_stand_in_where_no_kernel_runs(image):
    mask = disk(20, 20, SIZE)
    for widget in (StickerMaker(image, mask=mask), ObjectRemover(image, mask=mask)):
        assert widget._repr_mimebundle_()["image/png"].startswith(b"\x89PNG")
    assert ObjectRemover(image, mask=mask, filling="navier-stokes")._repr_mimebundle_()
    empty = StickerMaker(image, method=Disks())
    np.testing.assert_array_equal(decoded(empty._repr_mimebundle_()["image/png"]), image)


def test_of_many_requests_the_last_one_counts():
    gate, runs = threading.Event(), []

    def slow():
        runs.append(time.monotonic())
        gate.wait(10)

    latest = Latest(slow)
    for _ in range(20):
        latest.request()
    gate.set()
    assert latest.idle.wait(10)
    assert 1 <= len(runs) <= 2 or len(runs) < 20
    before = len(runs)
    latest.request()
    assert latest.idle.wait(10) and len(runs) == before + 1
