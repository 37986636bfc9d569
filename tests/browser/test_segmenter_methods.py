"""Several methods, the ground truth, the history and converted prompts, on a real page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.browser.test_segmenter import DISK, HEIGHT, WIDTH, Canvas
from tests.requirements_of_machine import needs_chromium

if TYPE_CHECKING:
    from tests.browser.lab import Lab

pytestmark = needs_chromium

# The truth is the disk around (100, 60); the square method overshoots it.
THREE = """
class Square(Disk):
    accepts = frozenset({"click", "box"})
    def predict(self, prompts):
        time.sleep(self.delay)
        rows, cols = np.mgrid[:self.shape[0], :self.shape[1]] + 0.5
        mask = np.zeros(self.shape, bool)
        for click in prompts.clicks:
            if click.positive:
                mask |= np.maximum(abs(cols - click.x), abs(rows - click.y)) <= 8
        return Prediction(mask)
class Clicks(Disk):
    accepts = frozenset({"click"})
    uses_previous_mask = True
class Encoder(Clicks):
    progress = None
    def set_image(self, image):
        super().set_image(image)
        for share in (0.25, 0.5, 0.75, 1.0):
            time.sleep(0.4)
            self.progress(share)
rows, cols = np.mgrid[:image.shape[0], :image.shape[1]] + 0.5
truth = (cols - 100) ** 2 + (rows - 60) ** 2 <= 36
methods = {"Disk": Disk(), "Square": Square(), "Clicks": Clicks(), "Encoder": Encoder()}
segmenter = Segmenter(image, methods=methods, truth=truth)
segmenter
"""

COUNT_TINTED = """
nodes => nodes.map((node) => {
  const canvas = node.querySelector("canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let i = 0; i < data.length; i += 4) count += Math.abs(data[i] - data[i + 2]) > 20;
  return count;
})
"""


def test_switch_compare_step_back_and_convert(lab: Lab) -> None:
    with lab.open([DISK, THREE], height=1200) as notebook:
        notebook.run_all()
        page = notebook.page
        canvas = Canvas(notebook, WIDTH, HEIGHT)
        root = canvas.root
        canvas.click(108, 60)
        canvas.painted(1)
        canvas.click(100, 60)
        canvas.painted(2)
        iou = root.get_by_label("IoU with the ground truth")
        wanted = f"IoU {notebook.python('segmenter.iou'):.3f}"
        page.wait_for_function(
            "([node, text]) => node.textContent === text", arg=[iou.element_handle(), wanted]
        )

        # The truth's outline is dashed yellow: some pixel on its circle shows it.
        def yellow() -> bool:
            colors = [canvas.color(*canvas.at(100 + dx, 54 + dy / 4)) for dx in (-2, -1, 0, 1, 2)
                      for dy in range(-4, 5)]  # fmt: skip
            return any(r > b + 80 and g > b + 80 for r, g, b in colors)

        assert not yellow()
        canvas.canvas.focus()
        page.keyboard.press("t")
        page.wait_for_timeout(100)
        assert yellow()
        page.keyboard.press("t")

        # Steps: pointing shows, clicking goes back.
        steps = root.locator(".sg-step")
        root.locator(".sg-step[data-step='2'][aria-selected=true]").wait_for()
        assert steps.count() == 2
        assert canvas.is_tinted(96, 63)
        steps.nth(0).hover()
        page.wait_for_function("n => n.matches(':hover')", arg=steps.nth(0).element_handle())
        page.wait_for_timeout(500)
        canvas.measure(WIDTH, HEIGHT)  # the page may have scrolled
        assert not canvas.is_tinted(96, 63) and canvas.is_tinted(110, 63)
        assert len(notebook.python("[s.iou for s in segmenter.history]")) == 2
        page.mouse.move(*canvas.at(200, 140))
        page.wait_for_timeout(200)
        assert canvas.is_tinted(96, 63)
        steps.nth(0).click()
        canvas.painted(3)
        assert notebook.python("len(segmenter.prompts.clicks)") == 1
        steps.nth(0).press("ArrowRight")
        page.keyboard.press("Enter")
        canvas.painted(4)
        assert notebook.python("len(segmenter.prompts.clicks)") == 2

        # Another method answers the same prompts; all of them side by side.
        page.mouse.move(*canvas.at(200, 140))  # off the steps: a pointer on one shows its mask
        root.get_by_label("Method", exact=True).select_option("Square")
        canvas.painted(5)
        canvas.measure(WIDTH, HEIGHT)
        assert canvas.is_tinted(94, 54), "the square's corner"
        canvas.canvas.focus()
        page.keyboard.press("k")
        notebook.wait_for_python(
            "segmenter._state['compared'] and segmenter._answerer.idle.is_set()"
        )
        tiles = root.locator(".sg-tile")
        tiles.nth(3).wait_for()
        assert tiles.count() == 4 and root.locator(".sg-tile.sg-present").count() == 1
        page.wait_for_timeout(1000)
        tinted = tiles.evaluate_all(COUNT_TINTED)
        assert min(tinted) > 30 and tinted[1] > 1.2 * tinted[0], "squares are larger than disks"
        best = notebook.python("max(s[-1].iou for s in segmenter.compare().values())")
        root.locator(".sg-best", has_text=f"IoU {best:.3f}").first.wait_for()
        tiles.nth(2).get_by_role("button", name="Clicks").click()
        notebook.wait_for_python("segmenter.method_name == 'Clicks'")
        canvas.tool("compare")
        tiles.first.wait_for(state="hidden")

        # A lasso reaches a method that takes clicks: told in other words, which are drawn.
        canvas.tool("clear")
        page.wait_for_timeout(300)
        canvas.canvas.scroll_into_view_if_needed()
        canvas.measure(WIDTH, HEIGHT)
        canvas.tool("contour")
        canvas.drag((80, 40), (120, 40), (120, 80), (80, 80))
        notebook.wait_for_python("segmenter.prompts.contour is not None and segmenter.mask.any()")
        page.wait_for_timeout(300)
        legend = root.locator(".sg-legend")
        clicks = len(notebook.python("segmenter._state['derived']['clicks']"))
        legend.wait_for()
        assert legend.inner_text() == f"Lasso → {clicks} clicks, mask for Clicks"
        assert "Clicks does not take contours" in (legend.get_attribute("title") or "")
        x, y, positive = notebook.python("segmenter._state['derived']['clicks'][0]")
        assert positive and abs(x - 100) < 2 and abs(y - 60) < 2
        red, _, blue = canvas.color(*canvas.at(x, y))
        assert blue > red + 60, "the middle of a derived click's sign"
        canvas.tool("hide")
        assert not legend.is_visible()
        assert not notebook.problems, notebook.problems


def test_encoding_says_how_far_it_is(lab: Lab) -> None:
    with lab.open(
        [DISK, THREE.replace("truth=truth", "truth=truth, method='Encoder'")]
    ) as notebook:
        notebook.run_all()
        busy = notebook.page.locator(".segedu-segmenter .sg-busy")
        busy.get_by_text("Encoder encodes the image, once… 50 %").wait_for(timeout=10_000)
        busy.wait_for(state="hidden", timeout=10_000)
        assert not notebook.python("segmenter.prompts.kinds.__len__()"), "before the first prompt"
