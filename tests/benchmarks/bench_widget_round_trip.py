"""How long from a click to the painted overlay, in a real JupyterLab, beside an ipympl figure.

    python -m tests.benchmarks.bench_widget_round_trip [clicks a turn]

Both answer a click with a disk around it, which costs next to nothing, so that what remains is the
way: browser to kernel, mask to browser, paint. The time runs in the browser, from the pointer's
event to the moment when a pixel of the canvas has changed; what the method took in Python is
printed apart and subtracted. Both pictures are equally large on the screen.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.timing import report
from tests.browser.lab import Lab, OpenNotebook
from tests.requirements_of_machine import chromium

SIZES = ((512, 512), (1500, 1000))
TURNS = 2
LIMITS_MS = {(512, 512): 35.0, (1500, 1000): 75.0}

SOURCE = """
%matplotlib widget
import time
import cv2, numpy as np, matplotlib.pyplot as plt
from segedu.interactive import Prediction, Prompts
from segedu.widgets import Segmenter

width, height = {width}, {height}
rng = np.random.default_rng(0)
small = rng.integers(40, 216, (height // 16 + 1, width // 16 + 1, 3), dtype=np.uint8)
image = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
radius = min(width, height) // 4

def disk(x, y):
    mask = np.zeros((height, width), np.uint8)
    cv2.circle(mask, (int(x), int(y)), radius, 1, cv2.FILLED)
    return mask.astype(bool)

class Disk:
    accepts = frozenset({{"click"}})
    def set_image(self, image): pass
    def predict(self, prompts):
        last = prompts.clicks[-1]
        return Prediction(disk(last.x, last.y))

segmenter = Segmenter(image, Disk())
"""

FIGURE = """
plt.ioff()
shown_width, shown_height = {shown}
figure = plt.figure(figsize=(shown_width / 100, shown_height / 100), dpi=100)
figure.canvas.header_visible = figure.canvas.footer_visible = False
figure.canvas.toolbar_visible = False
figure.canvas.resizable = False
axes = figure.add_axes([0, 0, 1, 1])
axes.set_axis_off()
axes.imshow(image, aspect="auto")
tint = np.zeros((height, width, 4), np.uint8)
overlay = axes.imshow(tint, aspect="auto")
method_ms = []

def clicked(event):
    start = time.perf_counter()
    mask = disk(event.xdata, event.ydata)
    method_ms.append(1000 * (time.perf_counter() - start))
    tint[:] = 0
    tint[mask] = (0, 114, 178, 115)
    overlay.set_data(tint)
    figure.canvas.draw_idle()

figure.canvas.mpl_connect("button_press_event", clicked)
figure.canvas
"""

# Ends when a pixel of the canvas, looked at after everything that draws on it, has changed.
WATCH = """
([selector, fx, fy]) => {
  const canvas = document.querySelector(selector);
  const context = canvas.getContext("2d");
  const look = () => {
    const [x, y] = [Math.floor(fx * canvas.width), Math.floor(fy * canvas.height)];
    return context.getImageData(x, y, 1, 1).data.join();
  };
  const before = look();
  let waiting = false;
  window.roundTrip = new Promise((resolve) => {
    let start = null;
    const pressed = () => { start = performance.now(); };
    document.addEventListener("pointerdown", pressed, { capture: true, once: true });
    const check = () => {
      if (start === null || look() === before) return;
      const changed = performance.now() - start;
      CanvasRenderingContext2D.prototype.drawImage = plain;
      requestAnimationFrame(() => resolve([changed, performance.now() - start]));
    };
    const plain = CanvasRenderingContext2D.prototype.drawImage;
    CanvasRenderingContext2D.prototype.drawImage = function (...values) {
      plain.apply(this, values);
      if (this.canvas !== canvas || waiting) return;
      waiting = true; // reading a pixel back is slow: once, when all is drawn
      queueMicrotask(() => { waiting = false; check(); });
    };
  });
}
"""

OURS = ".segedu-segmenter .sg-canvas"
PEER = ".jupyter-matplotlib-canvas-div canvas"


class Contender:
    """A canvas in the page that answers clicks."""

    def __init__(self, notebook: OpenNotebook, selector: str, aspect: float) -> None:
        self.notebook, self.selector = notebook, selector
        box = notebook.page.locator(selector).first.bounding_box()
        assert box is not None
        # The image is fitted into our canvas, in the middle; the figure is filled by it.
        self.width = min(box["width"], box["height"] * aspect)
        self.height = self.width / aspect
        self.left = (box["width"] - self.width) / 2
        self.top = (box["height"] - self.height) / 2
        self.box = box

    def click(self, fx: float, fy: float) -> tuple[float, float]:
        """Click at a fraction of the image; milliseconds until changed, until the frame after."""
        page = self.notebook.page
        canvas = page.locator(self.selector).first
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        assert box is not None
        x, y = self.left + fx * self.width, self.top + fy * self.height
        # Beside the click's own marker, inside the disk.
        wx = (x + 0.06 * self.width) / box["width"]
        wy = (y + 0.06 * self.height) / box["height"]
        page.mouse.move(box["x"] + x, box["y"] + y)
        page.wait_for_timeout(150)  # what the move alone sets off is over
        page.evaluate(WATCH, [self.selector, wx, wy])
        page.mouse.click(box["x"] + x, box["y"] + y)
        changed, framed = page.evaluate("window.roundTrip")
        page.wait_for_timeout(100)
        return changed, framed


def measure(lab: Lab, size: tuple[int, int], rounds: int) -> dict[str, list[Mapping[str, float]]]:
    """Times in milliseconds of both contenders at one image size.

    Each has the page to itself, as in use: a figure of ipympl's keeps the kernel and the page busy
    for a while after each click. They take turns, notebook by notebook.
    """
    shown = _shown_size(lab, size)
    times: dict[str, list[Mapping[str, float]]] = {"Segmenter": [], "ipympl": []}
    for turn in range(TURNS):
        for name in ("Segmenter", "ipympl"):
            times[name] += _turn(lab, size, shown, name, rounds, seed=turn)
    return times


def _turn(
    lab: Lab, size: tuple[int, int], shown: tuple[int, int], name: str, rounds: int, seed: int
) -> list[Mapping[str, float]]:
    """Open a notebook with one contender and click; the first two clicks do not count."""
    width, height = size
    random_state = random.Random(seed)
    ours = name == "Segmenter"
    cells = [SOURCE.format(width=width, height=height) + ("segmenter" if ours else "")]
    if not ours:
        cells.append(FIGURE.format(shown=shown))
    times: list[Mapping[str, float]] = []
    with lab.open(cells, width=1600, height=1300) as notebook:
        notebook.page.keyboard.press("Control+B")
        notebook.run_all()
        notebook.page.wait_for_selector(OURS if ours else PEER)
        notebook.page.wait_for_timeout(1500)
        contender = Contender(notebook, OURS if ours else PEER, width / height)
        side = 1
        for number in range(rounds + 2):
            # From side to side, so that the pixel watched was not covered by the disk before.
            fx = 0.5 + side * random_state.uniform(0.18, 0.2)
            changed, framed = contender.click(fx, random_state.uniform(0.4, 0.6))
            took = "1000 * segmenter._state['seconds']" if ours else "method_ms[-1]"
            method = notebook.python(took)
            if number >= 2:
                times.append(
                    {"transport": changed - method, "method": method, "frame": framed - method}
                )
            side = -side
        assert not notebook.problems, notebook.problems
    return times


def _shown_size(lab: Lab, size: tuple[int, int]) -> tuple[int, int]:
    """CSS pixels in which our canvas shows the image."""
    cells = [SOURCE.format(width=size[0], height=size[1]) + "segmenter"]
    with lab.open(cells, width=1600, height=1300) as notebook:
        notebook.page.keyboard.press("Control+B")
        notebook.run_all()
        notebook.page.wait_for_selector(OURS)
        notebook.page.wait_for_timeout(1000)
        ours = Contender(notebook, OURS, size[0] / size[1])
    return round(ours.width), round(ours.height)


def main(rounds: int = 10) -> None:
    """Print the table and the ratios."""
    if chromium() is None:
        print("this benchmark needs Chromium: apt-get install chromium")
        return
    rows: list[dict[str, Any]] = []
    ratios: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, Lab(Path(folder)) as lab:
        for size in SIZES:
            times = measure(lab, size, rounds)
            for name, values in times.items():
                rows.append(
                    {
                        "image": f"{size[0]}x{size[1]}",
                        "widget": name,
                        "transport, ms": statistics.median(v["transport"] for v in values),
                        "to the next frame, ms": statistics.median(v["frame"] for v in values),
                        "method, ms": statistics.median(v["method"] for v in values),
                        "at most, ms": LIMITS_MS[size] if name == "Segmenter" else "",
                    }
                )
            ours, peer = (statistics.median(v["transport"] for v in times[n]) for n in times)
            ratios[f"segmenter_over_ipympl_{size[0]}x{size[1]}"] = ours / peer
    report("widget_round_trip", rows, ratios)


if __name__ == "__main__":
    main(*(int(value) for value in sys.argv[1:2]))
