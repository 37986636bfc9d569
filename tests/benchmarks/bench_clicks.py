"""How long a click takes with the shipped networks, in a real JupyterLab, on 512 x 512 pixels.

    python -m tests.benchmarks.bench_clicks [clicks]

The time runs in the browser, from the pointer's event until the mask is on the canvas and the next
frame begins; what the method took of it is printed beside. Clicks go where the robot would click;
the first one of an image also encodes it where the method does that once, and is printed apart.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks.timing import report
from tests.browser.lab import Lab
from tests.browser.test_segmenter import Canvas
from tests.requirements_of_machine import chromium

METHODS = {
    "RITM": ("shipped_ritm()", 300.0),
    "Segment Anything": ("shipped_sam()", 150.0),
}
OBJECTS = ("person", "helmet", "spacecraft")  # of the astronaut's photograph, 512 x 512

SOURCE = """
import numpy as np
from segedu.data.photographs import load_photograph
from segedu.interactive import next_click
from segedu.weights.methods import shipped_ritm, shipped_sam
from segedu.widgets import Segmenter

photo = load_photograph("astronaut")
truth = next(i.mask for i in photo.instances if i.category == {category!r})

def wanted():
    mask = segmenter.mask
    click = next_click(np.zeros_like(truth) if mask is None else mask, truth, None, segmenter.prompts.clicks)
    return click.x, click.y, click.positive

segmenter = Segmenter(photo.image, {method})
segmenter
"""  # noqa: E501

WATCH = """
([root, event]) => {
  window.roundTrip = new Promise((resolve) => {
    let start = null;
    const pressed = () => { start = performance.now(); };
    document.addEventListener("pointerdown", pressed, { capture: true, once: true });
    const observer = new MutationObserver(() => {
      if (Number(root.dataset.painted || -1) < event) return;
      observer.disconnect();
      requestAnimationFrame(() => resolve(performance.now() - start));
    });
    observer.observe(root, { attributes: true, attributeFilter: ["data-painted"] });
  });
}
"""


def measure(lab: Lab, method: str, category: str, clicks: int) -> list[tuple[float, float]]:
    """Milliseconds of each click on one object: from click to overlay, and of the method."""
    times = []
    cells = [SOURCE.format(category=category, method=method)]
    with lab.open(cells, width=1600, height=1300) as notebook:
        notebook.run_all()
        canvas = Canvas(notebook, 512, 512)
        for number in range(1, clicks + 1):
            x, y, positive = notebook.python("wanted()")
            notebook.page.mouse.move(*canvas.at(x, y))
            notebook.page.wait_for_timeout(150)  # what the move alone sets off is over
            notebook.page.evaluate(WATCH, [canvas.root.element_handle(), number])
            canvas.click(x, y, button="left" if positive else "right")
            shown = notebook.page.evaluate("window.roundTrip")
            times.append((shown, notebook.python("1000 * segmenter._state['seconds']")))
        assert not notebook.problems, notebook.problems
    return times


def main(clicks: int = 8) -> None:
    """Print the table; the ratio is of the median to the limit."""
    if chromium() is None:
        print("this benchmark needs Chromium: apt-get install chromium")
        return
    rows: list[dict[str, Any]] = []
    ratios: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, Lab(Path(folder)) as lab:
        for name, (method, limit) in METHODS.items():
            objects = [measure(lab, method, category, clicks) for category in OBJECTS]
            later = [time for times in objects for time in times[1:]]
            median = statistics.median(shown for shown, _ in later)
            rows.append(
                {
                    "method": name,
                    "first click, ms": statistics.median(times[0][0] for times in objects),
                    "click to overlay, ms": median,
                    "of it the method, ms": statistics.median(took for _, took in later),
                    "slowest, ms": max(shown for shown, _ in later),
                    "at most, ms": limit,
                }
            )
            ratios[f"{name}_over_limit"] = median / limit
    report("clicks", rows, ratios)


if __name__ == "__main__":
    main(*(int(value) for value in sys.argv[1:2]))
