"""Everything mode under the pointer: a grid of clicks, what is kept of the answers, and why."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets as widgets
import numpy as np
import traitlets
from IPython.display import display
from numpy.typing import NDArray

from segedu.drawing import overlay_mask, palette
from segedu.interactive import (
    SAM,
    EverythingOptions,
    FoundMask,
    SegmentAnything,
    everything_steps,
)
from segedu.interactive.everything import without_doubles
from segedu.weights import load_shipped
from segedu.widgets.demos.base import Demo, Image, one_torch_thread, png, shrink, slider
from segedu.widgets.runs import encode_runs

WORKING_SIDE = 512
IOU_FLOOR, STABILITY_FLOOR = 0.15, 0.4  # what is worse is never looked at
PAINT_EVERY = 0.3  # seconds, while masks are coming
COLORS = palette(21)
_HERE = Path(__file__).parent


class HoverStage(anywidget.AnyWidget):
    """A picture whose masks light up under the pointer, without asking Python.

    Attributes:
        pinned: numbers of the masks that were clicked, in that order.
    """

    _esm = "\n".join((_HERE / n).read_text() for n in ("../segmenter_view.js", "everything.js"))
    _css = _HERE / "everything.css"
    _image = traitlets.Bytes().tag(sync=True)
    _size: traitlets.List[int] = traitlets.List().tag(sync=True)
    _masks = traitlets.Dict().tag(sync=True)  # number -> runs, colour and scores; never taken away
    _shown: traitlets.List[int] = traitlets.List().tag(
        sync=True
    )  # numbers of those that are kept now
    _asked: traitlets.List[Any] = traitlets.List().tag(
        sync=True
    )  # x, y, how many masks came of that point
    _share = traitlets.Float(0.0).tag(sync=True)
    pinned = traitlets.List(traitlets.Int()).tag(sync=True)

    def __init__(self, image: Image) -> None:
        super().__init__(_image=png(image), _size=[image.shape[1], image.shape[0]])


class EverythingExplorer(Demo):
    """Hover over an image to see what Segment Anything finds there without being asked.

    Masks appear as the points of the grid are asked. The thresholds and the least area choose anew
    among the answers that are there, as `segment_everything` would; only another grid is asked
    again. All masks are sent once: the highlight follows the pointer in the browser.

    Args:
        image: (H, W, 3); seen at `WORKING_SIDE` pixels.
        net: a network of Segment Anything, or the name of a shipped one.
        points_per_side: of the grid to begin with.
        iou_threshold: of the network's guess, to begin with; the defaults suit the small network,
            which is less sure of itself than the authors'.
        stability_threshold: to begin with.
        stability_offset: see `EverythingOptions`.
        min_area: in pixels, to begin with.
    """

    def __init__(
        self,
        image: Any,
        net: SegmentAnything | SAM | str = "sam-vit-tiny",
        *,
        points_per_side: int = 16,
        iou_threshold: float = 0.25,
        stability_threshold: float = 0.6,
        stability_offset: float = 0.3,
        min_area: int = 50,
    ) -> None:
        self.image = shrink(image, WORKING_SIDE)
        self.net = _network(net)
        self.stability_offset = stability_offset
        self.candidates: list[FoundMask] = []
        self.asked: list[list[float]] = []
        self.points = slider("points a side", points_per_side, 1, 32, continuous_update=False)
        self.iou = _threshold("predicted IoU", iou_threshold, IOU_FLOOR)
        self.stability = _threshold("stability", stability_threshold, STABILITY_FLOOR)
        self.least = slider("least area, px", min_area, 0, 2000, 10)
        self.stage = HoverStage(self.image)
        self.caption = widgets.HTML()
        self.points.observe(lambda _: self.work(self._ask()), "value")
        for control in (self.iou, self.stability, self.least):
            control.observe(lambda _: self.show(), "value")
        controls = widgets.VBox(
            [self.points, self.iou, self.stability, self.least, self.caption],
            layout=widgets.Layout(flex="1 1 300px", min_width="300px", padding="0 0 0 12px"),
        )
        self.stage.layout = widgets.Layout(flex="10 1 420px", max_width="660px")
        row = widgets.HBox([self.stage, controls], layout=widgets.Layout(flex_flow="row wrap"))
        super().__init__([row])
        self.work(self._ask())

    @property
    def shown(self) -> list[int]:
        """Numbers of the candidates that are kept, the network's best first."""
        good = [i for i, found in enumerate(self.candidates) if self._passes(found)]
        some = [self.candidates[i] for i in good]
        scores = [found.predicted_iou for found in some]
        kept = {id(found) for found in without_doubles(some, scores, EverythingOptions().box_nms)}
        large = [
            i
            for i in good
            if id(self.candidates[i]) in kept and self.candidates[i].area >= self.least.value
        ]
        return sorted(large, key=lambda i: -self.candidates[i].predicted_iou)

    def _passes(self, found: FoundMask) -> bool:
        return found.predicted_iou > self.iou.value and found.stability >= self.stability.value

    @property
    def masks(self) -> list[FoundMask]:
        """What is shown, the network's best first."""
        return [self.candidates[i] for i in self.shown]

    @property
    def pinned(self) -> list[FoundMask]:
        """What was clicked in the picture."""
        return [self.candidates[i] for i in self.stage.pinned if i < len(self.candidates)]

    def _ask(self) -> Iterator[None]:
        """Ask the grid's points one after the other, and show what is there now and then."""
        self.candidates, self.asked = [], []
        self.stage.pinned = []
        self.stage._masks = {}
        self.stage._share = 0.0
        options = EverythingOptions(
            points_per_side=self.points.value,
            iou_threshold=IOU_FLOOR,
            stability_threshold=STABILITY_FLOOR,
            stability_offset=self.stability_offset,
        )
        steps = everything_steps(self.net, self.image, options)
        last = 0.0
        while True:
            with one_torch_thread():
                step = next(steps, None)
            if step is None:
                break
            self.candidates += step.found
            counts = [sum(f.point == (x, y) for f in step.found) for x, y in step.points.tolist()]
            self.asked += [[*p, c] for p, c in zip(step.points.tolist(), counts, strict=True)]
            self.stage._share = step.share
            if time.monotonic() > last + PAINT_EVERY:
                self.show()
                last = time.monotonic()
            yield
        self.show()

    def show(self) -> None:
        """Send what the browser has not seen yet, and which masks are kept."""
        shown = self.shown
        known = self.stage._masks
        new = {str(i): self._described(i) for i in shown if str(i) not in known}
        with self.stage.hold_sync():
            if new:
                self.stage._masks = {**known, **new}
            self.stage._shown = shown
            self.stage._asked = self.asked
        passing = sum(map(self._passes, self.candidates))
        self.caption.value = (
            f"<div style='line-height:1.5'><b>{len(shown)} masks</b><br>"
            f"{len(self.asked)} points asked, three masks each<br>"
            f"{passing} of {3 * len(self.asked)} pass both thresholds<br>"
            f"{len(shown)} are left without doubles and what is too small<br><small>hover to "
            "highlight the smallest mask there · click to pin · ← → walk, Enter pins, Esc lets go"
            "</small></div>"
        )

    def _described(self, i: int) -> dict[str, Any]:
        found = self.candidates[i]
        return {
            "runs": encode_runs(found.mask),
            "color": self._color(i),
            "iou": round(found.predicted_iou, 4),
            "stability": round(found.stability, 4),
            "area": found.area,
            "point": found.point,
        }

    def _color(self, i: int) -> tuple[int, int, int]:
        r, g, b = (int(v) for v in COLORS[i % len(COLORS)])
        return r, g, b

    def _ipython_display_(self) -> None:
        """Show the widget at once, and put the picture beside it when all points are asked."""
        view = super(Demo, self)._repr_mimebundle_()
        shown = display(view, raw=True, display_id=True)
        shown.update(self._repr_mimebundle_(), raw=True)

    def picture(self) -> Image:
        """All masks that are kept, small ones above large ones."""
        result: NDArray[np.uint8] = self.image
        for i in sorted(self.shown, key=lambda i: -self.candidates[i].area):
            mask = self.candidates[i].mask
            result = overlay_mask(result, mask, self._color(i), alpha=0.4, contour=1)
        return result


def _network(net: SegmentAnything | SAM | str) -> SegmentAnything:
    if isinstance(net, SAM):
        return net.net
    found = load_shipped(net) if isinstance(net, str) else net
    if not isinstance(found, SegmentAnything):
        raise ValueError(f"net must be a SegmentAnything, got a {type(found).__name__}")
    return found


def _threshold(name: str, value: float, low: float) -> widgets.FloatSlider:
    like = slider(name, 0, 0, 1)
    return widgets.FloatSlider(
        min(max(value, low), 1), min=low, max=1, step=0.01, description=name, layout=like.layout,
        style={"description_width": "110px"}, readout_format=".2f",
    )  # fmt: skip


def everything_explorer(
    image: Any, net: SegmentAnything | SAM | str = "sam-vit-tiny", **options: Any
) -> EverythingExplorer:
    """Show what everything mode finds in an image (H, W, 3); options as `EverythingExplorer`'s."""
    return EverythingExplorer(image, net, **options)
