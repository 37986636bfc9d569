"""The fully connected CRF on a photograph, one mean-field step after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import ipywidgets as widgets
import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw

from segedu.data.photographs import Photograph, load_photograph
from segedu.drawing import BLUE, VERMILION, overlay_labels, palette
from segedu.images import IGNORE_LABEL
from segedu.semantic import CRFParameters, dense_crf_marginals
from segedu.semantic.crf import features_of
from segedu.semantic.metrics import ConfusionMatrix
from segedu.widgets.demos.base import Demo, Image, Stage, shrink, slider
from segedu.widgets.demos.panels import INK, font, mark, panel_place, table, titled

WORKING_SIDE = 180  # pixels of a photograph's longer side at most
WORK = 110_000  # pixels times labels at most: five iterations then take some 60 ms
PANEL = 250  # pixels of a panel's longer side
STEPS = 10
HEAT = (matplotlib.colormaps["inferno"](np.arange(256))[:, :3] * 255).astype(np.uint8)
SLIDERS = {  # field of CRFParameters: name, lowest, highest
    "weight_appearance": ("w₁ appearance", 0, 30),
    "theta_alpha": ("θα, pixels", 1, 100),
    "theta_beta": ("θβ, of 255", 2, 60),
    "weight_smoothness": ("w₂ smoothness", 0, 15),
    "theta_gamma": ("θγ, pixels", 1, 15),
}
BEGIN = CRFParameters(5, 15, 10, 3, 2)

Labels = NDArray[np.int64]
Probabilities = NDArray[np.float32]


def annotated_labels(photo: Photograph, side: int) -> tuple[Image, Labels, list[str]]:
    """A photograph at `side` pixels, its categories as labels (H, W), and their names.

    Pixels without annotation are 255.
    """
    names = list(dict.fromkeys(info["category"] for info in photo.segments_info))
    full: Labels = np.full(photo.segment_ids.shape, IGNORE_LABEL, np.int64)
    for info in photo.segments_info:
        full[photo.segment_ids == info["id"]] = names.index(info["category"])
    if len(names) == 1:  # what is not the only thing is a label too
        full[full == IGNORE_LABEL], names = 1, [*names, "background"]
    image = shrink(photo.image, side)
    height, width = image.shape[:2]
    # A label map is read at pixel centres, not averaged.
    tall, wide = full.shape
    rows = ((np.arange(height) + 0.5) * tall / height).astype(int)
    cols = ((np.arange(width) + 0.5) * wide / width).astype(int)
    return image, full[np.ix_(rows, cols)], names


def degraded(
    labels: Labels, classes: int, stride: int = 8, noise: float = 1.0, seed: int = 0
) -> Probabilities:
    """What a coarse and unsure network might say of labels (H, W): probabilities (C, H, W).

    The labels' shares in cells of `stride` pixels become scores; noise is added to each; bilinear
    interpolation brings them back, and softmax makes them probabilities.

    Args:
        labels: (H, W), 255 where none is known: there all labels are alike.
        classes: C.
        stride: pixels a cell.
        noise: standard deviation of the scores' noise; a cell of one label scores it 3.
        seed: of the noise.
    """
    height, width = labels.shape
    grid = (-(-width // stride), -(-height // stride))  # cells across and down
    random = np.random.default_rng(seed)
    scores = []
    for k in range(classes):
        known = (labels == k).astype(np.float32)
        known[labels == IGNORE_LABEL] = 1 / classes
        coarse = cv2.resize(known, grid, interpolation=cv2.INTER_AREA)
        coarse = 3 * coarse + noise * random.standard_normal(coarse.shape).astype(np.float32)
        scores.append(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR))
    p = np.exp(np.stack(scores) - np.max(scores, axis=0))
    return (p / p.sum(axis=0)).astype(np.float32)


class CRFExplorer(Demo):
    """Sliders of both kernels; labels, errors and IoU of each mean-field step.

    All steps are computed after a drag, those up to the chosen one first, so that the step slider
    answers at once. A click chooses a pixel: one panel shows whom it hears.

    Args:
        image: (H, W, 3), worked on at its size: `WORKING_SIDE` pixels answer a drag at once.
        truth: labels (H, W), 255 where none is known.
        names: of the labels.
        probabilities: (C, H, W) of a network; None degrades the truth, see `degraded`.
        parameters: where the sliders stand at first.
    """

    def __init__(
        self,
        image: Any,
        truth: Labels,
        names: Sequence[str],
        probabilities: Probabilities | None = None,
        parameters: CRFParameters = BEGIN,
    ) -> None:
        self.image, self.truth, self.names = shrink(image, 10_000), truth, list(names)
        self.unary = degraded(truth, len(names)) if probabilities is None else probabilities
        self.begin = parameters
        self.chosen = (0.25, 0.6)  # x, y in [0, 1]
        self.labels: list[Labels] = []  # of the steps computed so far
        self.scores: list[float] = []  # their mIoU
        self.believes: list[Probabilities] = []  # their marginals
        self.step = slider("mean-field step", 5, 0, STEPS)
        self.play = widgets.Play(value=5, min=0, max=STEPS, interval=500, show_repeat=False)
        widgets.jslink((self.play, "value"), (self.step, "value"))
        self.sliders = {
            field: slider(name, round(getattr(parameters, field)), low, high)
            for field, (name, low, high) in SLIDERS.items()
        }
        self.reset = widgets.Button(description="as at first", icon="undo")
        self.reset.on_click(lambda _: self._reset())
        self.stage = Stage("labels, errors and mIoU of the CRF's steps", self._choose, self._walk)
        self.caption = widgets.HTML()
        self.step.observe(lambda _: self._stepped(), "value")
        for control in self.sliders.values():
            control.observe(lambda _: self.work(self._run()), "value")
        buttons = widgets.HBox([self.play, self.reset])
        controls = widgets.VBox(
            [self.step, buttons, *self.sliders.values(), self.caption],
            layout=widgets.Layout(flex="1 1 300px", min_width="300px", padding="0 0 0 12px"),
        )
        self.stage.layout = widgets.Layout(flex="1 1 auto", max_width="790px")
        row = widgets.HBox([self.stage, controls], layout=widgets.Layout(flex_flow="row wrap"))
        super().__init__([row])
        self.work(self._run())

    @property
    def parameters(self) -> CRFParameters:
        """What the sliders say."""
        return CRFParameters(**{field: float(s.value) for field, s in self.sliders.items()})

    @property
    def panel(self) -> tuple[int, int]:
        """Width and height of a panel in pixels."""
        height, width = self.truth.shape
        scale = PANEL / max(height, width)
        return max(1, round(width * scale)), max(1, round(height * scale))

    def _run(self) -> Iterator[None]:
        """Compute all steps; paint at the chosen one, then at the last."""
        labels: list[Labels] = []
        scores: list[float] = []
        believes: list[Probabilities] = []
        for marginals in dense_crf_marginals(
            self.image, self.unary, iterations=STEPS, parameters=self.parameters
        ):
            labels.append(marginals.argmax(axis=0))
            matrix = ConfusionMatrix(len(self.names))
            matrix.update(labels[-1], self.truth)
            scores.append(float(matrix.compute()["miou"]))
            believes.append(marginals)
            self.labels, self.scores, self.believes = labels, scores, believes
            if len(labels) - 1 == self.step.value:
                self.show()
            yield
        self.show()

    def _stepped(self) -> None:
        if self.step.value < len(self.labels):
            self.show()

    def _reset(self) -> None:
        for field, control in self.sliders.items():
            control.value = round(getattr(self.begin, field))

    def _choose(self, x: float, y: float) -> None:
        """A click on any panel means the same place in all."""
        self.chosen = panel_place(x, y, self.panel, 3, 2)
        self.show()

    def _walk(self, by: int) -> None:
        self.step.value = int(np.clip(self.step.value + by, 0, STEPS))

    @property
    def pixel(self) -> tuple[int, int]:
        """Row and column of the chosen pixel."""
        height, width = self.truth.shape
        return int(self.chosen[1] * height), int(self.chosen[0] * width)

    def heard(self) -> dict[str, NDArray[np.float32]]:
        """k(f_i, f_j) of the chosen pixel i with every j, of each kernel in use: (H, W) in [0, 1].

        The method normalises what is shown here (see `segedu.semantic.crf`).
        """
        row, col = self.pixel
        i = row * self.truth.shape[1] + col
        found = {}
        for name, f in features_of(self.image, self.parameters).items():
            gap = f - f[:, i : i + 1]
            found[name] = np.exp(-0.5 * np.square(gap).sum(axis=0)).reshape(self.truth.shape)
        return found

    def show(self) -> None:
        """Paint what the controls say."""
        self.stage.paint(self.picture())
        t = min(self.step.value, len(self.labels) - 1)
        row, col = self.pixel
        belief = self.believes[t][:, row, col]
        best = belief.argsort()[::-1][:2]
        thinks = ", ".join(f"{self.names[k]} {belief[k]:.2f}" for k in best)
        heard = {name: k.sum() for name, k in self.heard().items()}
        hears = " and ".join(
            f"{heard[name]:.0f} {what}"
            for name, what in (("appearance", "pixels near and alike"), ("smoothness", "near ones"))
            if name in heard
        )
        self.caption.value = (
            f"<div style='line-height:1.5'><b>step {t}</b>: mIoU {self.scores[t]:.3f}; "
            f"before {self.scores[0]:.3f}<br>the marked pixel hears about "
            f"{hears or 'nobody'}<br>it believes: {thinks}<br><small>click a picture to mark a "
            "pixel · ← → go a step back or on</small></div>"
        )

    def picture(self) -> Image:
        """Unary, labels of the step, annotation; whom a pixel hears, errors, mIoU by step."""
        t = min(self.step.value, len(self.labels) - 1)
        wrong = (self.labels[t] != self.truth) & (self.truth != IGNORE_LABEL)
        dim = np.rint(0.35 * self.image + 150).astype(np.uint8)
        dim[wrong] = VERMILION
        known = self.truth != IGNORE_LABEL
        colors, names = palette(len(self.names)), "   ".join(self.names)
        rows = [
            [
                self._panel(self._tint(self.labels[0]), "unary", "what the network says"),
                self._panel(self._tint(self.labels[t]), f"after step {t}", "the labels believed"),
                self._panel(self._tint(self.truth), "annotation", names, colors),
            ],
            [
                self._panel(self._hears(), "whom the marked pixel hears", "w₁k₁ + w₂k₂"),
                self._panel(dim, "wrong", f"{wrong.sum() / known.sum():.1%} of the pixels"),
                titled(self._chart(), "mIoU by step", f"step {t}: {self.scores[t]:.3f}"),
            ],
        ]  # fmt: skip
        return table(rows)

    def _tint(self, labels: Labels) -> Image:
        return overlay_labels(
            self.image, labels, 0.6, colors=palette(len(self.names)), ignore=IGNORE_LABEL
        )

    def _hears(self) -> Image:
        """Both kernels, weighted; their root, lest only the loudest be seen."""
        total = np.zeros(self.truth.shape, np.float32)
        weights = {
            "appearance": self.parameters.weight_appearance,
            "smoothness": self.parameters.weight_smoothness,
        }
        for name, k in self.heard().items():
            total += weights[name] * k
        loud = np.sqrt(total / max(float(total.max()), 1e-9))
        return HEAT[np.rint(255 * loud).astype(np.uint8)]

    def _panel(
        self, pixels: Image, first: str, second: str, colors: NDArray[np.uint8] | None = None
    ) -> Image:
        width, height = self.panel
        big = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_NEAREST).astype(np.uint8)
        mark(big, round(self.chosen[0] * width), round(self.chosen[1] * height))
        return titled(big, first, second, colors)

    def _chart(self) -> Image:
        """mIoU of the steps so far, the chosen one filled."""
        width, height = self.panel
        canvas = Pillow.new("RGB", (width, height), "white")
        draw = ImageDraw.Draw(canvas)
        low, high = min(self.scores), max(self.scores)
        low = np.floor(low * 10) / 10  # tenths, so that the lines between have short numbers
        high = max(np.ceil(high * 10) / 10, low + 0.1)
        left, right, top, bottom = 36, width - 14, 10, height - 22

        def at(step: int, score: float) -> tuple[float, float]:
            x = left + (right - left) * step / STEPS
            return x, bottom - (bottom - top) * (score - low) / (high - low)

        for score in np.linspace(low, high, 3):
            x, y = at(0, score)
            draw.line([(x, y), (right, y)], fill=(225, 225, 225))
            draw.text((left - 5, y), f"{score:.2f}", fill=INK, font=font(10), anchor="rm")
        for step in range(0, STEPS + 1, 5):
            draw.text(
                (at(step, low)[0], bottom + 4), str(step), fill=INK, font=font(10), anchor="ma"
            )
        points = [at(step, score) for step, score in enumerate(self.scores)]
        if len(points) > 1:
            draw.line(points, fill=BLUE, width=2)
        for step, (x, y) in enumerate(points):
            now = step == min(self.step.value, len(points) - 1)
            r = 5 if now else 3
            draw.ellipse([x - r, y - r, x + r, y + r], fill=VERMILION if now else BLUE)
        return np.asarray(canvas)


def crf_explorer(
    photograph: str | Photograph = "coffee",
    *,
    stride: int = 8,
    noise: float = 1.0,
    seed: int = 0,
    parameters: CRFParameters = BEGIN,
) -> CRFExplorer:
    """Refine a degraded annotation of one of the course's photographs by the CRF, step by step.

    Args:
        photograph: its name, or itself; worked on at `WORKING_SIDE` pixels, or
            fewer where there are many labels.
        stride: of the unary, see `degraded`.
        noise: of the unary.
        seed: of the noise.
        parameters: where the sliders stand at first.
    """
    photo = load_photograph(photograph) if isinstance(photograph, str) else photograph
    image, truth, names = annotated_labels(photo, WORKING_SIDE)
    work = truth.size * len(names)
    if work > WORK:
        image, truth, names = annotated_labels(photo, int(WORKING_SIDE * (WORK / work) ** 0.5))
    unary = degraded(truth, len(names), stride, noise, seed)
    return CRFExplorer(image, truth, names, unary, parameters)
