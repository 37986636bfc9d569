"""Stickers and removal in a real JupyterLab: the picture follows, the slider slides, files come."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.browser.test_segmenter import Canvas
from tests.requirements_of_machine import needs_chromium

pytestmark = needs_chromium

SOURCES = [
    "import numpy as np\n"
    "from segedu.widgets import ObjectRemover, Segmenter, StickerMaker\n"
    "from tests.widgets.labelling import Disks, disk\n"
    "image = np.full((80, 120, 3), (30, 90, 160), np.uint8)\n"
    "image[disk(40, 40, (80, 120))] = (230, 40, 40)",
    "maker = StickerMaker(image, method=Disks())\nmaker",
    "remover = ObjectRemover(maker.segmenter)\nremover",
]


@pytest.fixture(scope="module")
def notebook(lab):
    with lab.open(SOURCES, width=1400) as opened:
        opened.run_all()
        Canvas(opened, 120, 80).click(40, 40)
        yield opened
        assert not opened.problems, opened.problems


def settled(notebook, number, name):
    """A preview, once Python is done and the page shows its picture."""
    preview = notebook.page.locator(".segedu-preview").nth(number)
    preview.locator(".sp-after").wait_for(state="visible")
    notebook.wait_for_python(f"{name}._latest.idle.is_set()")
    made = notebook.python(f"{name}.preview._made")
    notebook.page.wait_for_function(
        "([preview, made]) => Number(preview.dataset.made) >= made"
        " && preview.querySelector('.sp-after').complete",
        arg=[preview.element_handle(), made],
    )  # fmt: skip
    return preview


def downloaded(notebook, number):
    with notebook.page.expect_download() as coming:
        notebook.page.get_by_role("button", name="Save PNG").nth(number).click()
    data = np.fromfile(coming.value.path(), np.uint8)
    return coming.value.suggested_filename, cv2.imdecode(data, cv2.IMREAD_UNCHANGED)


def test_sticker_appears_follows_a_slider_and_is_saved(notebook):
    preview = settled(notebook, 0, "maker")
    size = "img => [img.naturalWidth, img.naturalHeight]"
    before = preview.locator(".sp-after").evaluate(size)
    assert before == notebook.python("maker.sticker.shape[1::-1]")
    address = preview.locator(".sp-after").get_attribute("src")
    cell = notebook.page.locator(".jp-CodeCell").nth(1)
    cell.locator(".noUi-handle").first.press("End")  # the border as wide as it gets
    notebook.wait_for_python("maker.border.value == 12")
    notebook.page.wait_for_function(
        "([img, address]) => img.complete && img.src !== address",
        arg=[preview.locator(".sp-after").element_handle(), address],
    )
    after = preview.locator(".sp-after").evaluate(size)
    assert after == notebook.python("maker.sticker.shape[1::-1]")
    name, saved = downloaded(notebook, 0)
    assert name == "object 1.png" and saved.shape[2] == 4
    assert list(saved.shape[1::-1]) == after
    assert saved[0, 0, 3] == 0 and saved[saved.shape[0] // 2, saved.shape[1] // 2, 3] == 255


def test_before_and_after_share_the_picture(notebook):
    preview = settled(notebook, 1, "remover")
    frame = preview.locator(".sp-frame")
    frame.scroll_into_view_if_needed()
    box = frame.bounding_box()
    y = box["y"] + box["height"] / 2

    def color_at(share):
        """RGB on the screen at a share of the picture's width, in the object's row."""
        shot = notebook.page.screenshot(
            clip={"x": box["x"] + share * box["width"], "y": y, "width": 2, "height": 2}
        )
        return cv2.imdecode(np.frombuffer(shot, np.uint8), cv2.IMREAD_COLOR)[0, 0, ::-1].astype(int)

    notebook.page.mouse.click(box["x"] + 0.9 * box["width"], y)
    notebook.page.wait_for_timeout(200)
    red, _, blue = color_at(0.34)
    assert red > blue + 80, "to the left of the line is what was before"
    slide = preview.locator(".sp-slide")
    slide.press("Home")
    notebook.page.wait_for_timeout(200)
    red, _, blue = color_at(0.34)
    assert blue > red + 80, "to the right of the line the object is gone"
    name, saved = downloaded(notebook, 1)
    assert name == "without object 1.png" and saved.shape == (80, 120, 3)
    assert np.abs(saved[..., ::-1].astype(int) - (30, 90, 160)).max() < 12
