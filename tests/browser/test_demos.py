"""The demos in a real JupyterLab: they draw, answer drags and clicks, and show their progress."""

from __future__ import annotations

import pytest

from tests.requirements_of_machine import needs_chromium

pytestmark = needs_chromium

SOURCES = [
    """from segedu.data import load_photograph
from segedu.widgets import boundary_recall_curve, grabcut_stepper, rivals, slic_stepper
photo = load_photograph("astronaut")
image, truth = photo.image[::2, ::2], photo.segment_ids[::2, ::2]
demo = slic_stepper(image)
demo""",
    "four = rivals(image, truth)\nfour",
    "curve = boundary_recall_curve(image, truth, numbers=(25, 100))\ncurve",
    "cut = grabcut_stepper(image, (10, 8, 182, 256))\ncut",
    "from segedu.widgets import hrnet_branches\nbranches = hrnet_branches(image)\nbranches",
    """from segedu.widgets import atrous_explorer
taps = atrous_explorer(photo.image, "gridding 2-2-2")
taps""",
    'from segedu.widgets import crf_explorer\ncrf = crf_explorer("chelsea")\ncrf',
    'from segedu.widgets import upsampling\nblob = upsampling("disk", factor=4)\nblob',
    """from segedu.semantic import segformer_b0
from segedu.widgets import attention_explorer
looks = attention_explorer(segformer_b0(3, width=0.25), image)
looks""",
    """from segedu.interactive import Click
from segedu.weights import load_shipped
from segedu.widgets import click_explorer
person = photo.instances[0].mask
clicks = (Click(190.5, 330.5), Click(30.5, 60.5, positive=False))
told = click_explorer(
    photo.image, load_shipped("ritm-hrnet18s-small"), truth=person, clicks=clicks
)
told""",
]
BRANCHES = next(k for k, source in enumerate(SOURCES) if "hrnet_branches" in source)
ATROUS = next(k for k, source in enumerate(SOURCES) if "atrous_explorer" in source)
UPSAMPLING = next(k for k, source in enumerate(SOURCES) if "upsampling" in source)
ATTENTION = next(k for k, source in enumerate(SOURCES) if "attention_explorer" in source)
CLICKS = next(k for k, source in enumerate(SOURCES) if "click_explorer" in source)
CRF = next(k for k, source in enumerate(SOURCES) if "crf_explorer" in source)


@pytest.fixture(scope="module")
def notebook(lab):
    with lab.open(SOURCES) as opened:
        opened.run_all(timeout=240)
        yield opened


def cell(notebook, number):
    return notebook.page.locator(".jp-CodeCell").nth(number)


def painted(stage):
    """How often the picture was painted so far, once it has been."""
    stage.wait_for()
    stage.page.wait_for_function(
        "stage => stage.dataset.painted > 0", arg=stage.element_handle(), timeout=60_000
    )
    return int(stage.get_attribute("data-painted"))


def await_repaint(stage, before):
    stage.page.wait_for_function(
        "([stage, before]) => Number(stage.dataset.painted) > before",
        arg=[stage.element_handle(), before], timeout=60_000,
    )  # fmt: skip


def handle(notebook, number, k):
    """The k-th slider's handle of a cell: arrow keys move it as a drag does."""
    return cell(notebook, number).locator(".noUi-handle").nth(k)


def test_stepper_answers_keys_on_its_sliders(notebook):
    stage = cell(notebook, 0).locator(".segedu-stage")
    before = painted(stage)
    handle(notebook, 0, 0).press("ArrowLeft")
    await_repaint(stage, before)
    assert notebook.wait_for_python("demo.iteration.value == 9 and not demo.busy")
    assert "iteration 9" in cell(notebook, 0).locator(".widget-html").first.inner_text()
    before = painted(stage)
    handle(notebook, 0, 1).press("ArrowRight")
    await_repaint(stage, before)
    assert notebook.wait_for_python("demo.n_segments.value == 121 and not demo.busy")
    assert notebook.python("len(demo.states)") == 10


def test_stepper_window_goes_where_the_click_is(notebook):
    stage = cell(notebook, 0).locator(".segedu-stage")
    before = painted(stage)
    box = stage.locator("img").bounding_box()
    stage.locator("img").click(position={"x": box["width"] * 0.9, "y": box["height"] * 0.1})
    await_repaint(stage, before)
    x, y = notebook.python("demo.states[0].centers[demo.center, 3:].tolist()")
    assert x > 0.75 * 256 and y < 0.25 * 256
    center = notebook.python("demo.center")
    stage.press("ArrowRight")
    notebook.wait_for_python(f"demo.center == {center + 1}")


def test_play_runs_through_the_iterations(notebook):
    notebook.execute("demo.play.interval = 50; demo.iteration.value = 0")
    cell(notebook, 0).locator(
        ".jupyter-button:has(.fa-play), .jp-widgets-play button"
    ).first.click()
    notebook.wait_for_python("demo.iteration.value == 10", timeout=60)


def test_rivals_grow_step_by_step(notebook):
    stages = cell(notebook, 1).locator(".segedu-stage")
    assert stages.count() == 4
    before = [painted(stages.nth(k)) for k in range(4)]
    handle(notebook, 1, 2).press("ArrowRight")
    notebook.wait_for_python("four.sliders['TurboPixels'].value == 151 and not four.busy", 60)
    await_repaint(stages.nth(2), before[2] + 2)  # it showed its growing, not only its end
    assert painted(stages.nth(0)) == before[0]
    assert "boundary recall" in cell(notebook, 1).inner_text()


def test_recall_curve_follows_the_tolerance(notebook):
    chart = cell(notebook, 2).locator("svg[role=img]")
    assert chart.locator("polyline").count() == 5  # SLIC, squares and three rivals
    first = chart.inner_html()
    handle(notebook, 2, 0).press("ArrowRight")
    notebook.wait_for_python("curve.tolerance.value == 3 and not curve.busy")
    notebook.page.wait_for_function(
        "before => !document.body.innerHTML.includes(before)", arg=first
    )
    assert "3 px" in cell(notebook, 2).locator("svg[role=img]").get_attribute("aria-label")


def test_grabcut_steps(notebook):
    stage = cell(notebook, 3).locator(".segedu-stage")
    before = painted(stage)
    handle(notebook, 3, 0).press("ArrowLeft")
    await_repaint(stage, before)
    assert "energy" in cell(notebook, 3).inner_text()


def test_branches_follow_stage_channel_click_and_boxes(notebook):
    stage = cell(notebook, BRANCHES).locator(".segedu-stage")
    before = painted(stage)
    handle(notebook, BRANCHES, 0).press("ArrowLeft")
    await_repaint(stage, before)
    assert notebook.wait_for_python("branches.stage_number.value == 3")
    assert "1/32" not in cell(notebook, BRANCHES).locator(".widget-html").last.inner_text()
    before = painted(stage)
    handle(notebook, BRANCHES, 1).press("ArrowRight")
    await_repaint(stage, before)
    before = painted(stage)
    box = stage.locator("img").bounding_box()
    stage.locator("img").click(position={"x": box["width"] * 0.99, "y": box["height"] * 0.98})
    await_repaint(stage, before)
    assert notebook.python("min(branches.chosen) > 0.85")
    before = painted(stage)
    cell(notebook, BRANCHES).locator("input[type=checkbox]").first.uncheck()
    await_repaint(stage, before)
    assert notebook.python("not branches.heard[0].value and branches.channel.value == 1")


def test_receptive_field_follows_preset_rates_click_and_keys(notebook):
    stage = cell(notebook, ATROUS).locator(".segedu-stage")
    before = painted(stage)
    shown = cell(notebook, ATROUS).locator(".widget-html").last
    assert "29%" in shown.inner_text()
    cell(notebook, ATROUS).locator("select").first.select_option("hybrid 1-2-5")
    await_repaint(stage, before)
    assert notebook.wait_for_python("taps.used_rates == (1, 2, 5)")
    before = painted(stage)
    handle(notebook, ATROUS, 2).press("ArrowRight")  # the first layer's rate, after size and layers
    await_repaint(stage, before)
    assert notebook.wait_for_python("taps.used_rates == (2, 2, 5)")
    assert notebook.python("taps.preset.value") == "your own"
    before = painted(stage)
    box = stage.locator("img").bounding_box()
    stage.locator("img").click(position={"x": box["width"] * 0.02, "y": box["height"] * 0.5})
    await_repaint(stage, before)
    column, row = notebook.python("list(taps.cell)")
    assert column < 0.06 * 440 and 0.35 * 440 < row < 0.65 * 440
    stage.press("ArrowRight")
    assert notebook.wait_for_python(f"taps.cell == ({column + 1}, {row})")


def test_crf_follows_steps_sliders_and_clicks(notebook):
    stage = cell(notebook, CRF).locator(".segedu-stage")
    before = painted(stage)
    assert notebook.wait_for_python("not crf.busy and len(crf.scores) == 11")
    handle(notebook, CRF, 0).press("ArrowLeft")
    await_repaint(stage, before)
    assert notebook.wait_for_python("crf.step.value == 4")
    assert "step 4" in cell(notebook, CRF).locator(".widget-html").last.inner_text()
    before, old = painted(stage), notebook.python("crf.scores")
    handle(notebook, CRF, 3).press("ArrowRight")  # θβ, after the step, w₁ and θα
    await_repaint(stage, before)
    assert notebook.wait_for_python("crf.parameters.theta_beta == 11 and not crf.busy")
    assert notebook.python("crf.scores") != old
    before = painted(stage)
    box = stage.locator("img").bounding_box()
    stage.locator("img").click(position={"x": box["width"] * 0.33 * 0.9, "y": box["height"] * 0.3})
    await_repaint(stage, before)
    assert 0.8 < notebook.python("crf.chosen[0]") < 1
    cell(notebook, CRF).locator("button:has-text('as at first')").click()
    assert notebook.wait_for_python("crf.parameters.theta_beta == 10 and not crf.busy")


def test_upsampling_lays_stamps_and_follows_the_click(notebook):
    stage = cell(notebook, UPSAMPLING).locator(".segedu-stage")
    before = painted(stage)
    handle(notebook, UPSAMPLING, 1).press("ArrowLeft")  # the stamp's size, after the factor
    await_repaint(stage, before)
    assert notebook.wait_for_python("blob.size.value == 7")
    assert "unevenly" in cell(notebook, UPSAMPLING).locator(".widget-html").last.inner_text()
    before = painted(stage)
    box = stage.locator("img").bounding_box()
    stage.locator("img").click(position={"x": box["width"] * 0.03, "y": box["height"] * 0.5})
    await_repaint(stage, before)
    assert notebook.python("blob.place[0]") < 0.15
    stage.press("ArrowLeft")
    assert notebook.wait_for_python("blob.stamps.value == 35")


def test_attention_follows_head_click_and_keys(notebook):
    stage = cell(notebook, ATTENTION).locator(".segedu-stage")
    before = painted(stage)
    handle(notebook, ATTENTION, 0).press("ArrowRight")
    await_repaint(stage, before)
    assert notebook.wait_for_python("looks.head.value == 1")
    before = painted(stage)
    box = stage.locator("img").bounding_box()
    stage.locator("img").click(position={"x": box["width"] * 0.99, "y": box["height"] * 0.99})
    await_repaint(stage, before)
    assert notebook.python("looks.token(3)") == [7, 7]
    before = painted(stage)
    stage.press("ArrowLeft")
    await_repaint(stage, before)
    assert notebook.wait_for_python("looks.token(3) == (7, 6)")


def test_click_is_dragged_and_another_made(notebook):
    stage = cell(notebook, CLICKS).locator(".segedu-stage")
    before = painted(stage)
    stage.scroll_into_view_if_needed()
    box = stage.locator("img").bounding_box()
    share = notebook.python("told.shown[0] / told.picture().shape[1]") * box["width"] / 512

    def place(x, y):
        return box["x"] + x * share, box["y"] + y * box["height"] / 512

    mouse = notebook.page.mouse
    mouse.move(*place(190.5, 330.5))
    mouse.down()
    mouse.move(*place(200, 250), steps=4)
    mouse.move(*place(220, 200), steps=4)
    await_repaint(stage, before)
    assert notebook.wait_for_python("abs(2 * told.clicks[0].y - 200) < 12")
    mouse.up()
    assert notebook.python("len(told.clicks)") == 2
    mouse.click(*place(400, 480), button="right")
    assert notebook.wait_for_python("len(told.answers) == 3")
    assert notebook.python("told.clicks[2].positive") is False
    cell(notebook, CLICKS).locator("button:has-text('take back')").click()
    assert notebook.wait_for_python("len(told.clicks) == 2")
    before = painted(stage)
    cell(notebook, CLICKS).locator("input[type=checkbox]").first.click()  # Zoom-In off
    await_repaint(stage, before)
    assert notebook.wait_for_python("all(box is None for _, box in told.answers)")


def test_nothing_is_wider_than_the_page(notebook):
    for number in range(len(SOURCES)):
        output = cell(notebook, number).locator(".jp-OutputArea-output").first
        assert output.evaluate("el => el.scrollWidth <= el.clientWidth + 1")
