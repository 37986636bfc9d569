"""The shipped click model in a real JupyterLab: a photograph's object is found in a few clicks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.test_segmenter import Canvas
from tests.requirements_of_machine import needs_chromium

if TYPE_CHECKING:
    from tests.browser.lab import Lab

pytestmark = needs_chromium

CLICKS, WANTED = 5, 0.85

WIDGET = """
import numpy as np
from segedu.data.photographs import load_photograph
from segedu.interactive import next_click
from segedu.weights.methods import shipped_ritm
from segedu.widgets import Segmenter

photo = load_photograph({name!r})
truth = next(i.mask for i in photo.instances if i.category == {category!r})

def wanted():
    "Where a user would click next, as the benchmark's robot."
    mask = segmenter.mask
    click = next_click(np.zeros_like(truth) if mask is None else mask, truth)
    return click.x, click.y, click.positive

segmenter = Segmenter(photo.image, shipped_ritm(), truth=truth)
segmenter
"""


@pytest.mark.parametrize(("name", "category"), [("coffee", "cup"), ("astronaut", "person")])
def test_clicks_find_an_object_of_a_photograph(lab: Lab, name: str, category: str) -> None:
    with lab.open([WIDGET.format(name=name, category=category)], height=1200) as notebook:
        notebook.run_all()
        height, width = notebook.python("photo.image.shape[:2]")
        canvas = Canvas(notebook, width, height)
        for n in range(1, CLICKS + 1):
            x, y, positive = notebook.python("wanted()")
            canvas.click(x, y, button="left" if positive else "right")
            canvas.painted(n)
            iou = notebook.python("float(segmenter.iou)")
            shown = canvas.root.get_by_label("IoU with the ground truth").text_content()
            if iou >= WANTED:
                break
        assert iou >= WANTED, f"IoU {iou:.3f} after {CLICKS} clicks"
        assert shown == f"IoU {iou:.3f}"
        assert len(notebook.python("[c.x for c in segmenter.prompts.clicks]")) == n
        assert not notebook.problems, notebook.problems
