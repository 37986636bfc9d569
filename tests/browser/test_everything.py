"""Everything mode under the pointer in a real JupyterLab."""

from __future__ import annotations

import pytest

from tests.requirements_of_machine import needs_chromium

pytestmark = needs_chromium

# Background 0, a large square 1 with a small one 2 in it, and a bar 3 at the right.
SOURCES = [
    "import numpy as np\n"
    "from segedu.interactive import sam_vit_tiny\n"
    "from segedu.widgets import everything_explorer\n"
    "from segedu.widgets.demos import everything\n"
    "from tests.widgets.regions_net import steps_of_regions\n"
    "labels = np.zeros((60, 100), int)\n"
    "labels[10:50, 10:60] = 1\n"
    "labels[20:40, 20:40] = 2\n"
    "labels[5:55, 80:95] = 3\n"
    "everything.everything_steps = steps_of_regions(labels)\n"
    "image = np.full((60, 100, 3), 150, np.uint8)",
    "demo = everything_explorer(image, sam_vit_tiny(), points_per_side=12, min_area=0)\ndemo",
]


@pytest.fixture(scope="module")
def notebook(lab):
    with lab.open(SOURCES) as opened:
        opened.run_all()
        yield opened


@pytest.fixture
def hover(notebook):
    """The stage, all masks there; and a function that moves the pointer to a pixel."""
    page = notebook.page
    stage = page.locator(".segedu-hover")
    stage.wait_for()
    page.wait_for_function(
        "stage => stage.dataset.done === 'true' && stage.dataset.masks === '3'",
        arg=stage.element_handle(),
    )
    canvas = stage.locator(".sh-canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()

    def move(x, y):
        page.mouse.move(box["x"] + x * box["width"] / 100, box["y"] + y * box["height"] / 60)
        page.wait_for_timeout(120)
        return stage.get_attribute("data-hovered")

    return stage, canvas, move


def brightness(canvas, x, y):
    """Mean of RGB on the canvas over a pixel of the image."""
    red, green, blue = canvas.evaluate(
        """(canvas, [x, y]) => [...canvas.getContext("2d").getImageData(
             Math.floor((x + 0.5) * canvas.width / 100), Math.floor((y + 0.5) * canvas.height / 60),
             1, 1).data].slice(0, 3)""",
        [x, y],
    )
    return (red + green + blue) / 3


def label_of(notebook, number, x, y):
    return notebook.python(f"bool(demo.candidates[{number}].mask[{y}, {x}])")


def test_the_smallest_mask_under_the_pointer_lights_up(notebook, hover):
    stage, canvas, move = hover
    assert brightness(canvas, 70, 30) == 150  # the background's mask is not stable
    inner = move(30, 30)
    assert label_of(notebook, inner, 30, 30) and not label_of(notebook, inner, 50, 30)
    assert brightness(canvas, 30, 35) > 1.7 * brightness(canvas, 50, 30)
    note = stage.locator(".sh-note")
    assert "predicted IoU 0.98 · stability 0.90 · 400 pixels (6.7 %)" in note.inner_text()
    outer = move(50, 30)
    assert outer != inner and label_of(notebook, outer, 50, 30)
    assert brightness(canvas, 30, 35) < 0.7 * brightness(canvas, 50, 35)
    assert move(70, 30) == "" and note.inner_text() == "Point at something."


def test_a_click_pins_and_python_knows(notebook, hover):
    _, canvas, move = hover
    bar = move(88, 30)
    notebook.page.mouse.down()
    notebook.page.mouse.up()
    notebook.wait_for_python(f"demo.stage.pinned == [{bar}]")
    assert notebook.python("demo.pinned[0].area") == 15 * 50
    move(30, 30)
    assert min(brightness(canvas, 88, 15), brightness(canvas, 30, 35)) > 100
    assert brightness(canvas, 50, 30) < 100
    canvas.press("Escape")
    notebook.wait_for_python("demo.stage.pinned == []")


def test_keys_walk_from_mask_to_mask(notebook, hover):
    stage, canvas, move = hover
    move(70, 30)
    canvas.press("ArrowRight")
    seen = [stage.get_attribute("data-hovered")]
    for _ in range(2):
        canvas.press("ArrowRight")
        seen.append(stage.get_attribute("data-hovered"))
    areas = [notebook.python(f"demo.candidates[{number}].area") for number in seen]
    assert areas == sorted(areas) and len(set(seen)) == 3
    canvas.press("Enter")
    notebook.wait_for_python(f"demo.stage.pinned == [{seen[-1]}]")
    canvas.press("Escape")


def test_thresholds_choose_anew_and_another_grid_asks_again(notebook, hover):
    stage, _, _ = hover
    page = notebook.page
    handles = page.locator(".noUi-handle")
    handles.nth(2).press("Home")  # stability
    page.wait_for_function("stage => stage.dataset.masks === '4'", arg=stage.element_handle())
    assert "<b>4 masks" in notebook.python("demo.caption.value")
    handles.nth(0).press("Home")  # one point a side
    notebook.wait_for_python("len(demo.asked) == 1 and not demo.busy")
    page.wait_for_function(
        "stage => stage.dataset.done === 'true' && stage.dataset.masks === '1'",
        arg=stage.element_handle(),
    )
    assert not notebook.problems, notebook.problems
