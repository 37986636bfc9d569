"""SLIC, iteration by iteration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import ipywidgets as widgets
import numpy as np

from segedu.drawing import BLUE, ORANGE, YELLOW, mark_boundaries, mean_colors
from segedu.superpixels import SlicState, slic_steps
from segedu.widgets.demos.base import Demo, Image, Stage, enlarge, one_torch_thread, shrink, slider

WORKING_SIDE = 256  # pixels: an iteration of the readable SLIC then takes some 10 ms
SHOWN_SIDE = 640


class SlicStepper(Demo):
    """SLIC, iteration by iteration: centres move, boundaries settle.

    Args:
        image: (H, W, 3); worked on at `WORKING_SIDE` pixels.
        n_segments: K to begin with.
        compactness: m to begin with.
        iterations: how far the iteration slider goes.
    """

    def __init__(
        self, image: Any, n_segments: int = 120, compactness: float = 10.0, iterations: int = 10
    ) -> None:
        self.image = shrink(image, WORKING_SIDE)
        self.factor = max(1, round(SHOWN_SIDE / max(self.image.shape[:2])))
        self.states: list[SlicState] = []
        self.chosen: tuple[float, float] = (0.5, 0.5)  # where the window is shown, in [0, 1]
        most = min(600, self.image[..., 0].size)
        self.iteration = slider("iteration", iterations, 0, iterations)
        self.n_segments = slider("segments K", min(n_segments, most), 1, most)
        self.compactness = widgets.FloatLogSlider(
            value=compactness, base=10, min=0, max=2, step=0.05, description="compactness m",
            layout=self.iteration.layout, style={"description_width": "110px"},
            readout_format=".1f",
        )  # fmt: skip
        self.play = widgets.Play(
            value=iterations, min=0, max=iterations, interval=500, show_repeat=False
        )
        widgets.jslink((self.play, "value"), (self.iteration, "value"))
        self.fill = widgets.Checkbox(False, description="mean colours", indent=False)
        self.stage = Stage("photograph with superpixels", self._choose, self._choose_next)
        self.caption = widgets.HTML()
        for control in (self.iteration, self.n_segments, self.compactness):
            control.observe(self._changed, "value")
        self.fill.observe(lambda _: self.show(), "value")
        controls = widgets.VBox(
            [
                self.iteration, self.play, self.n_segments, self.compactness, self.fill,
                self.caption,
            ],
            layout=widgets.Layout(flex="1 1 300px", min_width="300px", padding="0 0 0 12px"),
        )  # fmt: skip
        self.stage.layout = widgets.Layout(flex="1 1 auto", max_width="660px")
        row = widgets.HBox([self.stage, controls], layout=widgets.Layout(flex_flow="row wrap"))
        super().__init__([row])
        self.work(self._run())

    def _changed(self, change: Any) -> None:
        if change["owner"] is not self.iteration:
            self.states = []
        elif len(self.states) > self.iteration.value:
            self.show()
            return
        self.work(self._run())

    def _run(self) -> Iterator[None]:
        """Iterate as far as the slider says, painting what is there now and then."""
        steps = slic_steps(
            self.image, self.n_segments.value, self.compactness.value,
            max_iterations=self.iteration.max,
        )  # fmt: skip
        states: list[SlicState] = []
        while len(states) <= self.iteration.value:
            with one_torch_thread():
                state = next(steps, None)
            if state is None:  # converged before
                break
            states.append(state)
            self.states = states
            if len(states) % 3 == 0:
                self.show()
                yield
        self.show()

    @property
    def state(self) -> SlicState:
        """The state of the chosen iteration, or the last one there is."""
        return self.states[min(self.iteration.value, len(self.states) - 1)]

    @property
    def center(self) -> int:
        """The centre whose window is shown."""
        height, width = self.image.shape[:2]
        seeds = self.states[0].centers[:, 3:].numpy() + 0.5
        gap = seeds - np.array([self.chosen[0] * width, self.chosen[1] * height])
        return int((gap**2).sum(axis=1).argmin())

    def _choose(self, x: float, y: float) -> None:
        self.chosen = (x, y)
        self.show()

    def _choose_next(self, by: int) -> None:
        height, width = self.image.shape[:2]
        seeds = self.states[0].centers[:, 3:].numpy() + 0.5
        x, y = seeds[(self.center + by) % len(seeds)]
        self._choose(float(x) / width, float(y) / height)

    def show(self) -> None:
        """Paint the state of the chosen iteration."""
        state = self.state
        self.stage.paint(self.picture())
        if state.iteration == 0:
            moved = "seeds only: no pixel has a centre yet"
        else:
            own = int((state.labels == self.center).sum())
            moved = (
                f"centres moved {state.residual:.2f} px on average<br>"
                f"the chosen centre has {own} pixels; S² is {state.spacing**2:.0f}"
            )
        self.caption.value = (
            f"<div style='line-height:1.5'><b>iteration {state.iteration}</b> · "
            f"{len(state.centers)} centres · "
            f"S = {state.spacing:.1f} px<br>{moved}<br><small>blue: centres, white: their way · "
            "orange: the 2S × 2S window of one centre; click the picture to choose another, or "
            "walk with ← →</small></div>"
        )

    def picture(self) -> Image:
        """Image with boundaries, centres, their trails, and one search window."""
        state, factor = self.state, self.factor
        labels = state.labels.numpy()
        canvas = self.image
        if self.fill.value and state.iteration > 0:
            canvas = mean_colors(canvas, labels)
        canvas = enlarge(canvas, factor).copy()
        if state.iteration > 0:
            canvas = mark_boundaries(canvas, enlarge(labels, factor), YELLOW)
        trails = np.stack([s.centers[:, 3:].numpy() for s in self.states[: state.iteration + 1]])
        points = np.rint((trails + 0.5) * factor).astype(np.int32)  # (iterations, K, 2)
        ways = list(np.ascontiguousarray(points.transpose(1, 0, 2)))
        cv2.polylines(canvas, ways, False, (255, 255, 255), 2, cv2.LINE_AA)
        for x, y in points[-1]:
            cv2.circle(canvas, (int(x), int(y)), 4, (255, 255, 255), cv2.FILLED, cv2.LINE_AA)
            cv2.circle(canvas, (int(x), int(y)), 3, BLUE, cv2.FILLED, cv2.LINE_AA)
        x, y = (int(v) for v in points[-1][self.center])
        reach = round(state.spacing * factor)
        cv2.rectangle(canvas, (x - reach, y - reach), (x + reach, y + reach), (0, 0, 0), 4)
        cv2.rectangle(canvas, (x - reach, y - reach), (x + reach, y + reach), ORANGE, 2)
        cv2.circle(canvas, (x, y), 6, ORANGE, cv2.FILLED, cv2.LINE_AA)
        return canvas


def slic_stepper(image: Any, **options: Any) -> SlicStepper:
    """Show SLIC's iterations on an image (H, W, 3); options as of `SlicStepper`."""
    return SlicStepper(image, **options)
