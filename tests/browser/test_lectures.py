"""A lecture as students open it: its own widget, drawn on, answers in Python."""

from __future__ import annotations

import nbformat
import numpy as np

from tests.browser.test_segmenter import Canvas
from tests.requirements_of_machine import REPOSITORY, needs_chromium

pytestmark = needs_chromium

LECTURE = REPOSITORY / "lectures/03_interactive/01_prompts_grabcut.ipynb"


def test_a_box_on_the_widget_of_the_grabcut_lecture(lab) -> None:
    """Of the cells only those that the widget needs are run: all together take too long here."""
    cells = [c for c in nbformat.read(LECTURE, as_version=4).cells if c.cell_type == "code"]
    place = next(i for i, cell in enumerate(cells) if "segmenter = Segmenter(" in cell.source)
    with lab.open(LECTURE, height=1500) as notebook:
        notebook.run_cells([0, 1, place])
        canvas = Canvas(notebook, 512, 512)
        canvas.tool("box")
        canvas.measure(512, 512)  # it may have been scrolled
        canvas.drag((270, 330), (511, 511))
        canvas.painted(1)
        box = notebook.python("segmenter.prompts.box")
        np.testing.assert_allclose(box, [270, 330, 511, 511], atol=0.5)
        score = notebook.python("iou(segmenter.mask, things['helmet'].mask)")
        assert score > 0.5 and notebook.python("len(segmenter.history)") == 2

        assert not notebook.problems, notebook.problems
