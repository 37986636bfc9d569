"""Fast labelling in a real JupyterLab: keys, and labels that outlive the page and the kernel."""

from __future__ import annotations

import os
import signal

from segedu.applications import LabelFile
from tests.browser.lab import IDLE
from tests.browser.test_segmenter import Canvas
from tests.requirements_of_machine import needs_chromium
from tests.widgets.labelling import SIZE, disk

pytestmark = needs_chromium

SOURCES = [
    "from pathlib import Path\n"
    "from segedu.widgets import Labeller\n"
    "from tests.widgets.labelling import CATEGORIES, Disks, make_folder\n"
    "folder = Path('pictures')\n"
    "folder.exists() or make_folder(folder)",
    "labeller = Labeller(folder, Disks(), CATEGORIES, output='labels.json')\nlabeller",
]
AREA = int(disk(10, 10).sum())


def bar_after(notebook, event):
    """The bar, once the answer to the page's event number `event` is there."""
    bar = notebook.page.locator(".segedu-bar")
    bar.wait_for()
    notebook.page.wait_for_function(
        "([bar, event]) => Number(bar.dataset.event ?? -1) >= event",
        arg=[bar.element_handle(), event], timeout=30_000,
    )  # fmt: skip
    return bar


def canvas_of(notebook):
    return Canvas(notebook, SIZE[1], SIZE[0])


def on_disk(path):
    file = LabelFile(path)
    return {
        name: [
            (label.category, abs(int(label.mask.sum()) - AREA) < 6) for label in file.labels(name)
        ]
        for name in file.file_names
    }


def test_labels_outlive_the_page_and_the_kernel(lab):
    with lab.open(SOURCES) as notebook:
        notebook.run_all()
        page, path = notebook.page, lab.notebooks / "labels.json"
        bar_after(notebook, 0)
        canvas = canvas_of(notebook)
        canvas.click(10, 10)
        page.keyboard.press("2")  # at once: the method has perhaps not answered yet
        bar = bar_after(notebook, 1)
        assert on_disk(path) == {"1.png": [("dog", True)]}
        assert "saved" in bar.inner_text() and bar.locator(".sb-chip b").inner_text() == "1"
        canvas.click(26, 12)
        bar.locator(".sb-chip[data-category=bird]").click()
        bar_after(notebook, 2)
        page.keyboard.press(".")
        bar = bar_after(notebook, 3)
        assert bar.locator(".sb-name").inner_text() == "2.png"
        page.wait_for_function("document.activeElement.className === 'sg-canvas'")

        canvas = canvas_of(notebook)
        canvas.click(10, 10)
        page.keyboard.press("a")  # as the one before
        bar_after(notebook, 4)
        expected = {"1.png": [("dog", True), ("bird", True)], "2.png": [("bird", True)]}
        assert on_disk(path) == expected

        # The page is loaded again: the kernel brings the widget back, and it goes on.
        page.get_by_role("menuitem", name="File", exact=True).click()
        page.get_by_text("Save Notebook", exact=True).click()
        page.wait_for_timeout(500)
        page.reload()
        page.locator(IDLE).first.wait_for(timeout=90_000)
        bar = bar_after(notebook, 4)
        assert bar.locator(".sb-name").inner_text() == "2.png"
        canvas = canvas_of(notebook)
        assert canvas.is_tinted(10, 13) and not canvas.is_tinted(26, 12)
        canvas.click(26, 12)
        page.keyboard.press("1")
        bar_after(notebook, 5)
        expected["2.png"].append(("cat", True))
        assert on_disk(path) == expected

        # The kernel dies: the page says so, nothing is lost, the cell goes on where it was.
        os.kill(notebook.python("__import__('os').getpid()"), signal.SIGKILL)
        canvas.canvas.focus()
        page.keyboard.press(",")
        page.locator(".segedu-bar.sb-dead").wait_for(timeout=30_000)
        assert "labels.json" in bar.locator(".sb-message").inner_text()
        notebook.close()
        page.locator(IDLE).first.wait_for(timeout=60_000)
        notebook.answer_question()
        notebook.execute("reborn = True")
        page.get_by_role("menuitem", name="Edit", exact=True).click()
        page.get_by_text("Clear Outputs of All Cells", exact=True).click()
        notebook.run_all()
        assert on_disk(path) == expected
        bar = bar_after(notebook, 0)
        assert bar.locator(".sb-name").inner_text() == "2.png"
        assert notebook.python("[labeller.progress, labeller.segmenter.objects]") == [
            [1, 4],
            ["bird", "cat", "new object"],
        ]
        canvas = canvas_of(notebook)
        assert canvas.is_tinted(10, 13) and canvas.is_tinted(26, 15)
        page.keyboard.press(",")  # nothing has the focus: no key of ours
        assert notebook.python("labeller.image_name") == "2.png"
        assert not [text for text in notebook.problems if "segedu" in text], notebook.problems
