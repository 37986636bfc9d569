"""GrabCut, iteration by iteration: mask, mixtures and energy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import ipywidgets as widgets
import numpy as np

from segedu.drawing import BLUE, ORANGE, overlay_mask
from segedu.interactive import GrabCutState, Prompts, grabcut_steps
from segedu.interactive.grabcut import MAYBE_OBJECT, trimap_from_prompts, unpack_mixture
from segedu.widgets.demos.base import Demo, Image, Stage, shrink, slider

WORKING_SIDE = 256
SHOWN_SIDE = 512
PANEL = 150  # width in pixels of the mixtures' panel


class GrabCutStepper(Demo):
    """GrabCut, iteration by iteration: the mask, both mixtures and the energy.

    Args:
        image: (H, W, 3); worked on at `WORKING_SIDE` pixels.
        box: (x0, y0, x1, y1) around the object, in the image's pixels.
        iterations: how far the iteration slider goes.
    """

    def __init__(
        self, image: Any, box: tuple[float, float, float, float], iterations: int = 8
    ) -> None:
        self.image = shrink(image, WORKING_SIDE)
        self._scale = self.image.shape[1] / np.shape(image)[1]
        self._box = tuple(float(v) for v in box)
        self.states: list[GrabCutState] = []
        self.iteration = slider("iteration", iterations, 0, iterations)
        self.margin = slider("box wider by", 0, -20, 20)
        self.margin.readout_format = "+d"
        self.play = widgets.Play(
            value=iterations, min=0, max=iterations, interval=600, show_repeat=False
        )
        widgets.jslink((self.play, "value"), (self.iteration, "value"))
        self.stage = Stage("photograph, mask and colour mixtures")
        self.caption = widgets.HTML()
        self.iteration.observe(self._changed, "value")
        self.margin.observe(self._changed, "value")
        controls = widgets.VBox(
            [self.iteration, self.play, self.margin, self.caption],
            layout=widgets.Layout(flex="1 1 300px", min_width="300px", padding="0 0 0 12px"),
        )
        self.stage.layout = widgets.Layout(flex="1 1 auto", max_width="700px")
        row = widgets.HBox([self.stage, controls], layout=widgets.Layout(flex_flow="row wrap"))
        super().__init__([row])
        self.work(self._run())

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The box in the smaller image's pixels, within it, never empty nor all of the image."""
        height, width = self.image.shape[:2]
        wider = self.margin.value / 100 * np.hypot(height, width) / 2
        x0, y0, x1, y1 = (v * self._scale for v in self._box)
        x0, x1 = sorted((x0 - wider, x1 + wider))
        y0, y1 = sorted((y0 - wider, y1 + wider))
        x0, y0 = float(np.clip(x0, 1, width - 3)), float(np.clip(y0, 1, height - 3))
        return x0, y0, float(np.clip(x1, x0 + 2, width)), float(np.clip(y1, y0 + 2, height))

    def _changed(self, change: Any) -> None:
        if change["owner"] is self.margin:
            self.states = []
        elif len(self.states) >= self.iteration.value:
            self.show()
            return
        self.work(self._run())

    def _run(self) -> Iterator[None]:
        trimap = trimap_from_prompts(Prompts(box=self.box), self.image.shape[:2], 2.0)
        self.states = []
        if self.iteration.value > 0:
            for state in grabcut_steps(self.image, trimap, self.iteration.max):
                self.states.append(state)
                self.show()
                yield
                if len(self.states) >= self.iteration.value or state.trimap.max() < MAYBE_OBJECT:
                    break
        self.show()

    def show(self) -> None:
        """Paint the state of the chosen iteration."""
        self.stage.paint(self.picture())
        shown = min(self.iteration.value, len(self.states))
        energies = " → ".join(f"{s.energy / 1000:.1f}" for s in self.states[:shown])
        self.caption.value = (
            f"<div style='line-height:1.5'><b>iteration {shown}</b><br>"
            + (f"energy, in thousands: {energies}" if energies else "only the box is known")
            + "<br><small>bars: the five Gaussians of each side, in their mean colour; the longer, "
            "the more pixels</small></div>"
        )

    def picture(self) -> Image:
        """Image with box and mask; beside it the mixtures."""
        factor = max(1, round(SHOWN_SIDE / max(self.image.shape[:2])))
        big = cv2.resize(self.image, None, fx=factor, fy=factor).astype(np.uint8)
        shown = min(self.iteration.value, len(self.states))
        state = self.states[shown - 1] if shown else None
        if state is not None:
            mask = state.mask.repeat(factor, axis=0).repeat(factor, axis=1)
            big = overlay_mask(big, mask, BLUE)
        x0, y0, x1, y1 = (round(v * factor) for v in self.box)
        cv2.rectangle(big, (x0, y0), (x1 - 1, y1 - 1), ORANGE, 2)
        panel = np.full((big.shape[0], PANEL, 3), 255, np.uint8)
        if state is not None:
            half = big.shape[0] // 2
            _draw_mixture(panel[:half], "object", *unpack_mixture(state.object)[:2])
            _draw_mixture(panel[half:], "background", *unpack_mixture(state.background)[:2])
        return np.hstack([big, panel])


def _draw_mixture(panel: Image, name: str, weights: Any, means: Any) -> None:
    """Bars in the components' mean colours, as long as their weights, onto (h, PANEL, 3)."""
    cv2.putText(panel, name, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    tall = max(4, (panel.shape[0] - 40) // len(weights))
    lengths = (PANEL - 16) * weights / max(float(weights.max()), 1e-9)
    for k, i in enumerate(np.argsort(-weights)):
        top = 28 + k * tall
        right = 8 + max(1, round(float(lengths[i])))
        color = tuple(int(v) for v in np.clip(means[i], 0, 255))
        cv2.rectangle(panel, (8, top), (right, top + tall - 4), color, cv2.FILLED)
        cv2.rectangle(panel, (8, top), (right, top + tall - 4), (120, 120, 120), 1)


def grabcut_stepper(
    image: Any, box: tuple[float, float, float, float], **options: Any
) -> GrabCutStepper:
    """Show GrabCut's iterations for a box on an image (H, W, 3)."""
    return GrabCutStepper(image, box, **options)
