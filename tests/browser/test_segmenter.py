"""The click widget in a real JupyterLab: mouse, keyboard, touch, themes, pixels on the canvas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from segedu.data import load_photograph
from tests.requirements_of_machine import needs_chromium

if TYPE_CHECKING:
    from tests.browser.lab import Lab, OpenNotebook

pytestmark = needs_chromium

WIDTH, HEIGHT = 240, 160

# A method without a mind of its own: what it marks is known exactly.
DISK = f"""
import time
import numpy as np
from segedu.interactive import Prediction
from segedu.widgets import Segmenter

class Disk:
    accepts = frozenset({{"click", "box", "stroke", "contour"}})
    delay = 0.0
    def set_image(self, image):
        self.shape = image.shape[:2]
    def predict(self, prompts):
        time.sleep(self.delay)
        rows, cols = np.mgrid[:self.shape[0], :self.shape[1]] + 0.5
        mask = np.zeros(self.shape, bool)
        if prompts.box:
            x0, y0, x1, y1 = prompts.box
            mask |= (cols > x0) & (cols < x1) & (rows > y0) & (rows < y1)
        for stroke in prompts.strokes:
            mask = mask | stroke.mask(self.shape)
        for click in prompts.clicks:
            disk = (cols - click.x) ** 2 + (rows - click.y) ** 2 <= 36
            mask = mask | disk if click.positive else mask & ~disk
        return Prediction(mask, 0.5)

image = np.full(({HEIGHT}, {WIDTH}, 3), 128, np.uint8)
"""
WIDGET = "segmenter = Segmenter(image, Disk(), names=('first', 'second'))\nsegmenter"


class Canvas:
    """The widget's canvas, spoken to in pixels of the image while the whole image is shown."""

    def __init__(self, notebook: OpenNotebook, width: int, height: int, index: int = 0) -> None:
        self.notebook, self.page = notebook, notebook.page
        self.root = self.page.locator(".segedu-segmenter").nth(index)
        self.canvas = self.root.locator(".sg-canvas")
        self.canvas.wait_for()
        self.canvas.scroll_into_view_if_needed()
        self.page.wait_for_timeout(400)  # the layout settles, the image is decoded
        self.measure(width, height)

    def measure(self, width: int, height: int) -> None:
        box = self.canvas.bounding_box()
        assert box is not None
        self.scale = min(box["width"] / width, box["height"] / height)
        self.left = box["x"] + (box["width"] - width * self.scale) / 2
        self.top = box["y"] + (box["height"] - height * self.scale) / 2
        self.box = box

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Pixels of the image -> CSS pixels of the page."""
        return self.left + x * self.scale, self.top + y * self.scale

    def click(self, x: float, y: float, **options: Any) -> None:
        self.page.mouse.click(*self.at(x, y), **options)

    def drag(self, *points: tuple[float, float]) -> None:
        self.page.mouse.move(*self.at(*points[0]))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.at(*point), steps=4)
        self.page.mouse.up()

    def tool(self, name: str) -> None:
        self.root.locator(f"[data-id='{name}']").click()

    def color(self, px: float, py: float) -> list[int]:
        """RGB on the canvas under a point of the page in CSS pixels."""
        return self.canvas.evaluate(
            """(canvas, [px, py]) => {
                 const box = canvas.getBoundingClientRect();
                 const x = Math.floor(((px - box.left) * canvas.width) / box.width);
                 const y = Math.floor(((py - box.top) * canvas.height) / box.height);
                 return [...canvas.getContext("2d").getImageData(x, y, 1, 1).data].slice(0, 3);
               }""",
            [px, py],
        )

    def is_tinted(self, x: float, y: float) -> bool:
        red, _, blue = self.color(*self.at(x, y))
        return abs(red - blue) > 20  # the image is grey, the tint blue or orange

    def painted(self, event: int) -> None:
        """Wait until the answer to the browser's event number `event` is on the canvas."""
        self.page.wait_for_function(
            "([root, event]) => Number(root.dataset.painted || -1) >= event",
            arg=[self.root.element_handle(), event],
            timeout=30_000,
        )


@contextmanager
def disk_widget(lab: Lab, **options: Any) -> Iterator[tuple[OpenNotebook, Canvas]]:
    with lab.open([DISK, WIDGET], **options) as notebook:
        notebook.run_all()
        yield notebook, Canvas(notebook, WIDTH, HEIGHT)
        assert not notebook.problems, notebook.problems


def clicks(notebook: OpenNotebook) -> list[tuple[float, float, bool]]:
    return notebook.python("[(c.x, c.y, c.positive) for c in segmenter.prompts.clicks]")


def test_mouse(lab: Lab, tmp_path: Path) -> None:
    with disk_widget(lab) as (notebook, canvas):
        page = notebook.page
        assert canvas.root.locator(".sg-hint").is_visible(), "an empty canvas says what to do"
        assert not canvas.is_tinted(103, 60)

        canvas.click(100, 60)
        canvas.painted(1)
        assert canvas.is_tinted(103, 63) and not canvas.is_tinted(130, 60)
        assert not canvas.root.locator(".sg-hint").is_visible()
        [[x, y, positive]] = clicks(notebook)
        assert abs(x - 100) < 0.5 and abs(y - 60) < 0.5 and positive

        canvas.click(103, 60, button="right")
        page.keyboard.down("Alt")
        canvas.click(97, 60)
        page.keyboard.up("Alt")
        canvas.painted(3)
        assert [c[2] for c in clicks(notebook)] == [True, False, False]

        canvas.tool("undo")
        canvas.tool("undo")
        canvas.painted(5)
        assert len(clicks(notebook)) == 1 and canvas.is_tinted(103, 63)
        canvas.tool("redo")
        canvas.painted(6)
        assert len(clicks(notebook)) == 2

        # The second object has another colour; the first one's mask stays.
        canvas.root.locator(".sg-object").nth(1).click()
        canvas.tool("box")
        canvas.drag((180, 100), (220, 140))
        canvas.painted(8)
        assert notebook.python("segmenter.active") == "second"
        box = notebook.python("segmenter.prompts.box")
        np.testing.assert_allclose(box, [180, 100, 220, 140], atol=0.5)
        red, _, blue = canvas.color(*canvas.at(200, 120))
        assert red > blue + 20, "orange"
        assert notebook.python("segmenter.masks['first'].sum()") > 0

        canvas.tool("stroke")
        canvas.drag((20, 20), (60, 20))
        canvas.tool("negative")
        canvas.drag((20, 40), (60, 40))
        strokes = notebook.wait_for_python(
            "len(segmenter.prompts.strokes) == 2"
            " and [[len(s.points), s.positive] for s in segmenter.prompts.strokes]"
        )
        assert [positive for _, positive in strokes] == [True, False]
        assert all(count >= 4 for count, _ in strokes)
        canvas.tool("contour")
        canvas.drag((10, 10), (60, 10), (60, 60), (10, 60))
        contour = notebook.wait_for_python(
            "segmenter.prompts.contour is not None and segmenter.prompts.contour"
        )
        assert abs(cv2.contourArea(np.float32(contour)) - 2500) < 60

        canvas.tool("hide")
        page.wait_for_timeout(100)
        assert not canvas.is_tinted(200, 120)
        canvas.tool("hide")
        canvas.tool("clear")
        notebook.wait_for_python("not segmenter.prompts")
        canvas.tool("undo")
        notebook.wait_for_python("segmenter.prompts.box")

        # Rename while an answer arrives; then what was saved is read back.
        name = canvas.root.locator("input.sg-name")
        name.fill("a hat")
        name.press("Enter")
        notebook.wait_for_python("segmenter.objects == ['first', 'a hat']")
        files = {}
        for what in ("coco", "mask", "cutout"):
            with page.expect_download() as download:
                canvas.tool(f"export-{what}")
            files[what] = tmp_path / download.value.suggested_filename
            download.value.save_as(files[what])
        coco = json.loads(files["coco"].read_text())
        assert [c["name"] for c in coco["categories"]] == ["first", "a hat"]
        assert coco["annotations"][1]["area"] == notebook.python("segmenter.mask.sum()")
        labels = cv2.imread(str(files["mask"]), cv2.IMREAD_UNCHANGED)
        assert labels.shape == (HEIGHT, WIDTH) and labels[120, 200] == 2
        assert cv2.imread(str(files["cutout"]), cv2.IMREAD_UNCHANGED).shape[2] == 4
        assert files["cutout"].name == "a hat.png"

        canvas.tool("add")
        notebook.wait_for_python("len(segmenter.objects) == 3")
        canvas.root.locator(".sg-object").nth(2).locator(".sg-delete").click()
        notebook.wait_for_python("len(segmenter.objects) == 2")
        canvas.canvas.focus()
        page.keyboard.press("z")
        notebook.wait_for_python("len(segmenter.objects) == 3")


def strength(canvas: Canvas, x: float, y: float) -> int:
    """How far the tint colours the grey image there."""
    red, _, blue = canvas.color(*canvas.at(x, y))
    return abs(red - blue)


def seen_scale(canvas: Canvas) -> float:
    """The scale that the widget's status line tells."""
    canvas.page.wait_for_timeout(100)
    return float(canvas.root.locator(".sg-scale").inner_text().split()[0]) / 100


def test_opacity_brush_and_hiding(lab: Lab) -> None:
    with disk_widget(lab) as (notebook, canvas):
        page = notebook.page
        keys = page.keyboard

        def radii() -> list[float]:
            return notebook.python("[s.radius for s in segmenter.prompts.strokes]")

        def stroke(y: float) -> None:
            canvas.drag((20, y), (60, y))

        canvas.tool("stroke")
        size = canvas.root.get_by_label("Brush radius in pixels")
        size.fill("10")
        stroke(30)
        canvas.painted(1)
        assert radii() == [10]
        canvas.canvas.focus()
        keys.press("]")
        stroke(70)
        keys.press("[")
        keys.press("[")
        stroke(110)
        canvas.painted(3)
        _, larger, smaller = radii()
        assert larger == 13 and smaller < 10 and size.input_value() == str(int(smaller))

        # A stroke by keyboard: begins and ends with Enter, follows the cursor between.
        for key in ("Enter", "Shift+ArrowRight", "Shift+ArrowRight", "Enter"):
            keys.press(key)
        canvas.painted(4)
        (x0, y0), *_, (x1, y1) = notebook.python("segmenter.prompts.strokes[3].points")
        assert abs(x1 - x0 - 80 / canvas.scale) < 0.1 and y0 == y1

        # Esc drops what is being drawn: no event reaches Python.
        page.mouse.move(*canvas.at(120, 40))
        page.mouse.down()
        page.mouse.move(*canvas.at(160, 40), steps=3)
        keys.press("Escape")
        page.mouse.up()
        keys.press("Enter")
        keys.press("Shift+ArrowRight")
        keys.press("Escape")
        page.wait_for_timeout(200)
        assert len(radii()) == 4 and notebook.python("segmenter._events") == 4

        # The middle of a stroke is under the stroke's own paint: look at the mask of a click.
        keys.press("c")
        canvas.click(200, 120)
        canvas.painted(5)
        place = (200, 124.5)
        opacity = canvas.root.get_by_label("Mask opacity")
        seen = []
        for value in ("0", "0.45", "1"):
            opacity.fill(value)
            page.wait_for_timeout(100)
            seen.append(strength(canvas, *place))
        assert seen[0] < 5 and seen[0] + 20 < seen[1] < seen[2] - 20, seen
        canvas.canvas.focus()
        for hidden in (True, False):
            keys.press("m")
            page.wait_for_timeout(100)
            assert (strength(canvas, *place) < 5) == hidden


def test_zoom_buttons_keys_and_middle_button(lab: Lab) -> None:
    with disk_widget(lab) as (notebook, canvas):
        page = notebook.page
        fitted = seen_scale(canvas)
        canvas.canvas.focus()
        for closer, farther, whole in (
            (lambda: canvas.tool("in"), lambda: canvas.tool("out"), lambda: canvas.tool("fit")),
            tuple((lambda k=k: page.keyboard.press(k)) for k in ("+", "-", "0")),
        ):
            closer()
            closer()
            assert abs(seen_scale(canvas) / fitted - 2.25) < 0.02
            farther()
            assert abs(seen_scale(canvas) / fitted - 1.5) < 0.02
            whole()
            assert seen_scale(canvas) == fitted

        # The middle button moves the image with any tool, and draws nothing.
        canvas.tool("in")
        canvas.tool("box")
        x, y = canvas.at(WIDTH / 2, HEIGHT / 2)
        page.mouse.move(x, y)
        page.mouse.down(button="middle")
        page.mouse.move(x + 30, y + 20, steps=3)
        page.mouse.up(button="middle")
        canvas.tool("click")
        page.mouse.click(x + 30, y + 20)
        canvas.painted(1)
        assert not notebook.python("segmenter.prompts.box")
        [[cx, cy, _]] = clicks(notebook)
        assert abs(cx - WIDTH / 2) < 0.3 and abs(cy - HEIGHT / 2) < 0.3

        # To a screen of another density: as many pixels as that one has.
        session = page.context.new_cdp_session(page)
        metrics = {"width": 1300, "height": 1000, "deviceScaleFactor": 2, "mobile": False}
        session.send("Emulation.setDeviceMetricsOverride", metrics)
        session.send("Page.captureScreenshot")  # a frame, with which the page hears of it
        box = canvas.canvas.bounding_box()
        assert box is not None
        assert canvas.canvas.evaluate("c => c.width") == round(2 * box["width"])


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_zoomed_and_moved_clicks_fall_where_they_are_seen(lab: Lab, scale: float) -> None:
    with disk_widget(lab, scale=scale) as (notebook, canvas):
        page = notebook.page
        assert canvas.canvas.evaluate("c => c.width") == round(canvas.box["width"] * scale)
        px, py = canvas.at(150, 70)
        page.mouse.move(px, py)
        page.keyboard.down("Control")
        for _ in range(4):
            page.mouse.wheel(0, -120)
        page.keyboard.up("Control")
        page.wait_for_timeout(200)
        zoomed = float(canvas.root.locator(".sg-scale").inner_text().split()[0]) / 100
        assert zoomed > 2 * canvas.scale

        page.mouse.click(px, py)  # what the wheel zoomed around has not moved
        page.mouse.click(px + 80, py - 40)
        canvas.painted(2)
        (x0, y0, _), (x1, y1, _) = clicks(notebook)
        assert abs(x0 - 150) < 0.5 and abs(y0 - 70) < 0.5
        assert abs(x1 - x0 - 80 / zoomed) < 0.1 and abs(y1 - y0 + 40 / zoomed) < 0.1
        # The disk's radius of 6 pixels, seen at this zoom.
        inside, outside = px - 5 * zoomed, px - 7.5 * zoomed
        assert canvas.color(inside, py)[2] > canvas.color(inside, py)[0] + 20
        assert canvas.color(outside, py) == [128, 128, 128]

        canvas.tool("pan")
        page.mouse.move(px, py)
        page.mouse.down()
        page.mouse.move(px + 30, py + 20, steps=3)
        page.mouse.up()
        canvas.tool("click")
        page.mouse.click(px + 30, py + 20)
        canvas.painted(3)
        x2, y2, _ = clicks(notebook)[2]
        assert abs(x2 - x0) < 0.3 and abs(y2 - y0) < 0.3

        canvas.tool("fit")
        page.wait_for_timeout(100)
        canvas.click(20, 20)
        canvas.painted(4)
        x3, y3, _ = clicks(notebook)[3]
        assert abs(x3 - 20) < 0.5 and abs(y3 - 20) < 0.5


def test_keyboard_alone(lab: Lab) -> None:
    with disk_widget(lab) as (notebook, canvas):
        page = notebook.page
        canvas.canvas.focus()
        page.keyboard.press("Enter")  # the cursor begins in the middle
        canvas.painted(1)
        assert clicks(notebook) == [[WIDTH / 2, HEIGHT / 2, True]]
        for _ in range(3):
            page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("x")
        page.keyboard.press("Enter")
        canvas.painted(2)
        _, (x, y, positive) = clicks(notebook)
        assert not positive and y == HEIGHT / 2
        assert abs(x - WIDTH / 2 - 120 / canvas.scale) < 0.1

        page.keyboard.press("z")
        notebook.wait_for_python("len(segmenter.prompts.clicks) == 1")
        page.keyboard.press("y")
        notebook.wait_for_python("len(segmenter.prompts.clicks) == 2")

        page.keyboard.press("b")
        page.keyboard.press("Enter")
        page.keyboard.press("Shift+ArrowDown")
        page.keyboard.press("Shift+ArrowLeft")
        page.keyboard.press("Enter")
        box = notebook.wait_for_python("segmenter.prompts.box")
        np.testing.assert_allclose(
            box, [x - 40 / canvas.scale, y, x, y + 40 / canvas.scale], atol=0.1
        )
        page.keyboard.press("l")
        for key in ("Enter", "Shift+ArrowUp", "Enter", "Shift+ArrowRight", "Enter",
                    "Shift+ArrowDown", "Shift+ArrowLeft", "Enter"):  # fmt: skip
            page.keyboard.press(key)
        notebook.wait_for_python("segmenter.prompts.contour is not None")
        assert notebook.python("len(segmenter.prompts.contour)") == 3

        page.keyboard.press("2")
        notebook.wait_for_python("segmenter.active == 'second'")
        page.keyboard.press("n")
        notebook.wait_for_python("len(segmenter.objects) == 3")
        page.keyboard.press("?")
        assert canvas.root.get_by_role("dialog", name="Keyboard shortcuts").is_visible()
        page.keyboard.press("Escape")
        assert not canvas.root.get_by_role("dialog").is_visible()
        # JupyterLab's own keys (x cuts a cell, z undoes, m makes Markdown of it) stayed out of it.
        assert page.locator(".jp-CodeCell").count() == 2

        page.keyboard.press("Tab")
        named = canvas.root.locator("button, input, canvas, [role]").evaluate_all(
            "nodes => nodes.filter(n => n.getClientRects().length).map(n => "
            "[n.outerHTML.slice(0, 80), n.getAttribute('aria-label') || n.title || n.innerText])"
        )
        assert all(label.strip() for html, label in named if "sg-status" not in html), named


def test_touch_taps_and_pinches(lab: Lab) -> None:
    with disk_widget(lab, touch=True) as (notebook, canvas):
        page = notebook.page
        session = page.context.new_cdp_session(page)

        def touch(kind: str, *points: tuple[float, float]) -> None:
            fingers = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

        touch("touchStart", canvas.at(100, 60))
        touch("touchEnd")
        canvas.painted(1)
        [[x, y, positive]] = clicks(notebook)
        assert abs(x - 100) < 0.5 and abs(y - 60) < 0.5 and positive

        middle = canvas.at(WIDTH / 2, HEIGHT / 2)
        pair = [
            ((middle[0] - d, middle[1]), (middle[0] + d, middle[1])) for d in range(40, 121, 10)
        ]
        touch("touchStart", pair[0][0])
        touch("touchStart", *pair[0])
        for fingers in pair:
            touch("touchMove", *fingers)
        touch("touchEnd", pair[-1][0])
        touch("touchEnd")
        page.wait_for_timeout(200)
        zoomed = float(canvas.root.locator(".sg-scale").inner_text().split()[0]) / 100
        assert abs(zoomed / canvas.scale - 3) < 0.1, "fingers three times as far apart"
        assert len(clicks(notebook)) == 1, "a pinch is no click"

        touch("touchStart", middle)
        touch("touchEnd")
        canvas.painted(2)
        x, y, _ = clicks(notebook)[1]
        assert abs(x - WIDTH / 2) < 1 and abs(y - HEIGHT / 2) < 1

        # One finger draws with the other tools, and marks the background.
        def draw(*points: tuple[float, float]) -> None:
            touch("touchStart", canvas.at(*points[0]))
            for (xa, ya), (xb, yb) in pairwise(points):
                for part in (0.25, 0.5, 0.75, 1.0):
                    touch("touchMove", canvas.at(xa + part * (xb - xa), ya + part * (yb - ya)))
            touch("touchEnd")

        canvas.tool("fit")
        canvas.tool("negative")
        draw((100, 62))
        canvas.painted(3)
        assert [c[2] for c in clicks(notebook)] == [True, True, False]
        canvas.tool("positive")
        for tool in ("box", "stroke", "contour"):
            canvas.tool(tool)
            canvas.measure(WIDTH, HEIGHT)  # the brush's slider may have moved it
            draw((20, 20), (60, 20), (60, 50))
        canvas.painted(6)
        assert len(clicks(notebook)) == 3
        box = notebook.python("segmenter.prompts.box")
        np.testing.assert_allclose(box, [20, 20, 60, 50], atol=0.5)
        for points in ("prompts.strokes[0].points", "prompts.contour"):
            path = np.array(notebook.python(f"segmenter.{points}"))
            assert len(path) >= 4
            np.testing.assert_allclose([path.min(0), path.max(0)], [[20, 20], [60, 50]], atol=0.5)


LIMITED = """
class Limited(Disk):
    accepts = frozenset({"click"})
    def predict(self, prompts):
        time.sleep(self.delay)
        if len(prompts.clicks) == 2:
            raise ValueError("two clicks are too few, three were fine")
        self.delay = 0.0
        return super().predict(prompts)
class Boxes(Disk):
    accepts = frozenset({"box"})
segmenter = Segmenter(image, methods={"Limited": Limited(), "Boxes": Boxes()})
segmenter
"""


def test_greyed_tools_progress_and_errors(lab: Lab) -> None:
    with lab.open([DISK, LIMITED]) as notebook:
        notebook.run_all()
        page = notebook.page
        canvas = Canvas(notebook, WIDTH, HEIGHT)
        box = canvas.root.locator("[data-id=box]")
        title = box.get_attribute("title") or ""
        assert "Limited does not take boxes: it is given a click" in title
        assert box.get_attribute("aria-disabled") == "false", "marked, not greyed"

        # What nothing can be made of is greyed.
        canvas.root.get_by_label("Method", exact=True).select_option("Boxes")
        canvas.painted(1)
        brush = canvas.root.locator("[data-id=stroke]")
        assert brush.get_attribute("aria-disabled") == "true"
        title = brush.get_attribute("title") or ""
        assert "Boxes does not take brush strokes" in title and "It takes boxes" in title
        brush.click(force=True)
        assert brush.get_attribute("aria-pressed") == "false"
        canvas.canvas.focus()
        page.keyboard.press("v")
        canvas.painted(2)
        assert notebook.python("segmenter.method_name") == "Limited"

        busy = canvas.root.locator(".sg-busy")
        canvas.click(50, 50)
        canvas.painted(3)
        assert not busy.is_visible()
        notebook.execute("segmenter.method.delay = 1.0")
        canvas.click(60, 50)
        busy.wait_for(state="visible", timeout=5000)
        busy.wait_for(state="hidden", timeout=10_000)
        alert = canvas.root.get_by_role("alert")
        assert "ValueError: two clicks are too few" in alert.inner_text()
        assert len(clicks(notebook)) == 2
        assert canvas.is_tinted(50, 54), "nothing is lost"
        notebook.execute("segmenter.method.delay = 0.0")
        canvas.click(70, 50)
        canvas.painted(5)
        assert not alert.is_visible() and canvas.is_tinted(70, 54)

        # Set from Python, seen in the browser.
        notebook.execute("from segedu.interactive import Click, Prompts")
        notebook.execute("segmenter.prompts = Prompts(clicks=(Click(200, 100),))")
        page.wait_for_timeout(500)
        assert canvas.is_tinted(203, 103) and not canvas.is_tinted(70, 54)


def luminance(color: str) -> float:
    values = [float(v) / 255 for v in color[color.index("(") + 1 : -1].split(",")[:3]]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("dark", [False, True])
def test_both_themes_can_be_read(lab: Lab, dark: bool) -> None:
    with disk_widget(lab, dark=dark) as (_, canvas):
        back = canvas.root.evaluate("node => getComputedStyle(node).backgroundColor")
        assert (luminance(back) < 0.1) == dark
        texts = canvas.root.locator(
            ".sg-toolbar [aria-pressed=false], .sg-name, .sg-status, .sg-title"
        )
        for color in texts.evaluate_all("nodes => nodes.map(n => getComputedStyle(n).color)"):
            low, high = sorted([luminance(color), luminance(back)])
            assert (high + 0.05) / (low + 0.05) >= 3, f"{color} on {back}"


ASTRONAUT = """
from skimage.data import astronaut
from segedu.interactive import GrabCut
from segedu.widgets import Segmenter
segmenter = Segmenter(astronaut(), GrabCut())
segmenter
"""


def test_box_and_three_clicks_on_the_astronaut(lab: Lab) -> None:
    with lab.open([ASTRONAUT]) as notebook:
        notebook.run_all()
        canvas = Canvas(notebook, 512, 512)
        before = canvas.color(*canvas.at(220, 380))
        canvas.tool("box")
        canvas.drag((1, 5), (462, 511))
        canvas.tool("click")
        canvas.click(60, 420)
        canvas.click(300, 470)
        canvas.click(400, 400, button="right")
        canvas.painted(4)
        assert canvas.color(*canvas.at(220, 380)) != before, "the overlay is painted"
        mask = np.array(notebook.python("segmenter.mask"))
        # The notebook can be saved from within the canvas, and holds a picture for other readers.
        notebook.page.keyboard.press("Control+s")
        text = ""
        for _ in range(100):
            if "image/png" in text and text.endswith("}\n"):
                break
            notebook.page.wait_for_timeout(100)
            text = notebook.path.read_text()
        data = json.loads(text)["cells"][0]["outputs"][-1]["data"]
        assert data["image/png"] and "application/vnd.jupyter.widget-view+json" in data

    people = [i for i in load_photograph("astronaut").instances if i.category == "person"]
    truth = max(people, key=lambda person: person.mask.sum()).mask
    assert (mask & truth).sum() / (mask | truth).sum() > 0.85
