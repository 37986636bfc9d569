"""The lectures' demos: sliders that move the library's own methods, step by step.

Every demo is an ipywidgets box and, for readers without a kernel, a picture. Pictures are painted
with OpenCV and sent as PNG: a drag is answered while it lasts.
"""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import ipywidgets as widgets
import numpy as np
from numpy.typing import NDArray

from segedu.drawing import BLUE, ORANGE, VERMILION, YELLOW, mark_boundaries, mean_colors
from segedu.images import as_uint8, check_label_map
from segedu.superpixels import SlicState, felzenszwalb, quickshift, slic, slic_steps, turbopixels
from segedu.superpixels.metrics import boundary_recall, undersegmentation_error

WORKING_SIDE = 256  # pixels: the readable SLIC answers a drag at this size
SERIES = {
    "SLIC": BLUE,
    "graph-based": VERMILION,
    "QuickShift": (0, 158, 115),
    "grid": (120, 120, 120),
}

Image = NDArray[np.uint8]


def png(image: Image) -> bytes:
    """Encode (H, W, 3) RGB as PNG."""
    _, data = cv2.imencode(".png", image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return data.tobytes()


def shrink(image: Any, side: int = WORKING_SIDE) -> Image:
    """Make the longer side at most `side` pixels."""
    pixels = as_uint8(image)
    scale = side / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    size = (round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8)


def enlarge(image: NDArray[Any], factor: int) -> NDArray[Any]:
    """Repeat every pixel `factor` times both ways."""
    return image.repeat(factor, axis=0).repeat(factor, axis=1)


class Demo(widgets.VBox):
    """A box of controls and pictures that also has a picture for readers without a kernel."""

    def picture(self) -> Image:
        """What the demo shows now, (H, W, 3) uint8."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        return {**bundle, "image/png": png(self.picture())}


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
        self.image = shrink(image)
        self.factor = max(1, round(640 / max(self.image.shape[:2])))
        self._steps: Any = None
        self.states: list[SlicState] = []
        wide = widgets.Layout(width="420px")
        style = {"description_width": "150px"}
        self.iteration = widgets.IntSlider(
            iterations, 0, iterations, description="iteration", layout=wide, style=style
        )
        self.n_segments = widgets.IntSlider(
            n_segments, 10, 600, 10, description="segments K", layout=wide, style=style
        )
        self.compactness = widgets.FloatLogSlider(
            value=compactness, base=10, min=0, max=2, step=0.05, description="compactness m",
            layout=wide, style=style, readout_format=".1f",
        )  # fmt: skip
        self.play = widgets.Play(
            value=iterations, min=0, max=iterations, interval=500, show_repeat=False
        )
        widgets.jslink((self.play, "value"), (self.iteration, "value"))
        self.fill = widgets.Checkbox(False, description="mean colours", indent=False)
        self.canvas = widgets.Image(format="png", layout=widgets.Layout(max_width="100%"))
        self.caption = widgets.HTML()
        self.iteration.observe(lambda _: self.show(), "value")
        self.fill.observe(lambda _: self.show(), "value")
        self.n_segments.observe(lambda _: self.restart(), "value")
        self.compactness.observe(lambda _: self.restart(), "value")
        controls = widgets.VBox(
            [
                widgets.HBox([self.play, self.iteration]),
                self.n_segments, self.compactness, self.fill, self.caption,
            ]
        )  # fmt: skip
        super().__init__([widgets.HBox([self.canvas, controls], layout={"flex_flow": "wrap"})])
        self.restart()

    def restart(self) -> None:
        """Begin anew with the present parameters."""
        self._steps = slic_steps(
            self.image, self.n_segments.value, self.compactness.value,
            max_iterations=self.iteration.max,
        )  # fmt: skip
        self.states = []
        self.show()

    def state(self, iteration: int) -> SlicState:
        """The state after an iteration, or the last one when SLIC had converged before."""
        while len(self.states) <= iteration:
            step = next(self._steps, None)
            if step is None:
                break
            self.states.append(step)
        return self.states[min(iteration, len(self.states) - 1)]

    def show(self) -> None:
        """Paint the state of the chosen iteration."""
        state = self.state(self.iteration.value)
        self.canvas.value = png(self.picture())
        moved = "" if state.iteration == 0 else f"centres moved {state.residual:.2f} px on average"
        self.caption.value = (
            f"<b>iteration {state.iteration}</b> · {len(state.centers)} centres · "
            f"S = {state.spacing:.1f} px<br>{moved}"
            "<br><small>dots: centres · lines: their way so far · square: the 2S × 2S window of "
            "one centre</small>"
        )

    def picture(self) -> Image:
        """Image with boundaries, centres, their trails, and one search window."""
        state, factor = self.state(self.iteration.value), self.factor
        labels = state.labels.cpu().numpy()
        canvas = self.image
        if self.fill.value and state.iteration > 0:
            canvas = mean_colors(canvas, labels)
        canvas = enlarge(canvas, factor).copy()
        if state.iteration > 0:
            canvas = mark_boundaries(canvas, enlarge(labels, factor), YELLOW)
        trails = np.stack(
            [s.centers[:, 3:].cpu().numpy() for s in self.states[: state.iteration + 1]]
        )
        points = np.rint((trails + 0.5) * factor).astype(np.int32)  # (iterations, K, 2)
        ways = list(np.ascontiguousarray(points.transpose(1, 0, 2)))
        cv2.polylines(canvas, ways, False, (255, 255, 255), 1, cv2.LINE_AA)
        for x, y in points[-1]:
            cv2.circle(canvas, (int(x), int(y)), 3, BLUE, cv2.FILLED, cv2.LINE_AA)
        center = points[-1][len(points[-1]) // 2]
        reach = int(state.spacing * factor)
        cv2.rectangle(canvas, center - reach, center + reach, ORANGE, 2)
        return canvas


def slic_stepper(image: Any, **options: Any) -> SlicStepper:
    """Show SLIC's iterations on an image (H, W, 3); options as of `SlicStepper`."""
    return SlicStepper(image, **options)


class Rivals(Demo):
    """Four methods side by side, each with its own parameter.

    Args:
        image: (H, W, 3); worked on at `WORKING_SIDE` pixels.
        truth: (H, W) label map of the same image, for the metrics below each picture, or None.
    """

    def __init__(self, image: Any, truth: Any = None) -> None:
        pixels = as_uint8(image)
        self.image = shrink(pixels, 200)
        self.truth = None
        if truth is not None:
            checked = check_label_map(truth, pixels.shape[:2], "truth").astype(np.int32)
            size = (self.image.shape[1], self.image.shape[0])
            self.truth = cv2.resize(checked, size, interpolation=cv2.INTER_NEAREST)
        self.labels: dict[str, NDArray[np.int32]] = {}
        slider = widgets.IntSlider
        self.sliders = {
            "SLIC": slider(150, 20, 500, 10, description="segments"),
            "graph-based": slider(100, 10, 1000, 10, description="scale k"),
            "TurboPixels": slider(150, 20, 500, 10, description="segments"),
            "QuickShift": slider(4, 1, 10, 1, description="kernel"),
        }
        self.methods: dict[str, Callable[[int], NDArray[np.int32]]] = {
            "SLIC": lambda k: slic(self.image, k),
            "graph-based": lambda k: felzenszwalb(self.image, scale=k),
            "TurboPixels": lambda k: turbopixels(self.image, k),
            "QuickShift": lambda k: quickshift(self.image, kernel_size=k, max_dist=3 * k),
        }
        self.pictures = {name: widgets.Image(format="png") for name in self.sliders}
        self.captions = {name: widgets.HTML() for name in self.sliders}
        columns = []
        for name, control in self.sliders.items():
            # TurboPixels takes a second: it answers when the slider is let go.
            control.continuous_update = name != "TurboPixels"
            control.layout.width = "100%"
            control.observe(lambda _, name=name: self.show(name), "value")
            columns.append(
                widgets.VBox(
                    [
                        widgets.HTML(f"<b>{name}</b>"),
                        self.pictures[name],
                        control,
                        self.captions[name],
                    ],
                    layout=widgets.Layout(width="48%", min_width="300px"),
                )
            )
        super().__init__([widgets.HBox(columns, layout=widgets.Layout(flex_flow="row wrap"))])
        for name in self.sliders:
            self.show(name)

    def show(self, name: str) -> None:
        """Run one method with its present parameter and paint the result."""
        self.captions[name].value = "computing …"
        start = time.perf_counter()
        labels = self.labels[name] = self.methods[name](self.sliders[name].value)
        milliseconds = 1000 * (time.perf_counter() - start)
        facts = [f"{labels.max() + 1} regions", f"{milliseconds:.0f} ms"]
        if self.truth is not None:
            facts.insert(1, f"boundary recall {boundary_recall(labels, self.truth):.2f}")
            facts.insert(2, f"undersegmentation {undersegmentation_error(labels, self.truth):.2f}")
        self.captions[name].value = " · ".join(facts)
        self.pictures[name].value = png(self._drawn(name))

    def _drawn(self, name: str) -> Image:
        labels = enlarge(self.labels[name], 2)
        return mark_boundaries(enlarge(self.image, 2), labels, YELLOW)

    def picture(self) -> Image:
        """The four results, two by two, with their names."""
        tiles = []
        for name in self.labels:
            tile = cv2.copyMakeBorder(
                self._drawn(name), 26, 6, 3, 3, cv2.BORDER_CONSTANT, value=(255, 255, 255)
            )
            cv2.putText(
                tile, name, (6, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA
            )
            tiles.append(tile.astype(np.uint8))
        return np.vstack([np.hstack(tiles[:2]), np.hstack(tiles[2:])])


def rivals(image: Any, truth: Any = None) -> Rivals:
    """Compare four superpixel methods on an image (H, W, 3), with metrics given a `truth`."""
    return Rivals(image, truth)


def line_chart(
    series: Mapping[str, Sequence[tuple[float, float]]], x_label: str, y_label: str, x_max: float
) -> str:
    """Draw lines as SVG in the page's own text colour, for light and dark themes; y in [0, 1]."""
    width, height, left, bottom = 560, 320, 56, 44
    plot_w, plot_h = width - left - 110, height - bottom - 14
    at = lambda x, y: (left + plot_w * x / x_max, 14 + plot_h * (1 - y))  # noqa: E731
    parts = []
    for tick in np.linspace(0, 1, 6):
        y = at(0, tick)[1]
        parts.append(
            f'<line x1="{left}" x2="{left + plot_w}" y1="{y:.1f}" y2="{y:.1f}" opacity=".15"/>'
            f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:.1f}</text>'
        )
    for tick in np.linspace(0, x_max, 6):
        x = at(tick, 0)[0]
        parts.append(
            f'<text x="{x:.1f}" y="{14 + plot_h + 18}" text-anchor="middle">{tick:.0f}</text>'
        )
    for name, points in series.items():
        color = "rgb({},{},{})".format(*SERIES[name])
        path = " ".join("{:.1f},{:.1f}".format(*at(x, y)) for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2.5"/>')
        for cx, cy in (at(x, y) for x, y in points):
            parts.append(
                f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="3.5" fill="{color}" stroke="none"/>'
            )
        if points:
            x, y = at(*points[-1])
            parts.append(
                f'<text x="{x + 9:.1f}" y="{y + 4:.1f}" style="fill:{color}">{name}</text>'
            )
    middle = left + plot_w / 2
    parts.append(
        f'<text x="{middle}" y="{height - 6}" text-anchor="middle">{html.escape(x_label)}</text>'
    )
    parts.append(
        f'<text transform="translate(14 {14 + plot_h / 2}) rotate(-90)" text-anchor="middle">'
        f"{html.escape(y_label)}</text>"
    )
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" style="max-width:100%;'
        'font:12px sans-serif;stroke:currentColor;color:var(--jp-ui-font-color1,#222)">'
        f"<style>text{{fill:currentColor;stroke:none}}</style>{''.join(parts)}</svg>"
    )


class RecallCurve(Demo):
    """Boundary recall against the number of segments, point by point as it is computed.

    Args:
        image: (H, W, 3).
        truth: (H, W) label map.
        numbers: the numbers of segments asked for.
    """

    def __init__(
        self, image: Any, truth: Any, numbers: Sequence[int] = (25, 50, 100, 200, 400, 800)
    ) -> None:
        self.image = as_uint8(image)
        self.truth = check_label_map(truth, self.image.shape[:2], "truth")
        self.numbers = tuple(numbers)
        self.points: dict[str, list[tuple[float, float]]] = {}
        self.tolerance = widgets.IntSlider(2, 0, 5, description="tolerance, px")
        self.tolerance.continuous_update = False
        self.progress = widgets.IntProgress(0, 0, 1, layout=widgets.Layout(width="220px"))
        self.chart = widgets.HTML()
        self.tolerance.observe(lambda _: self.run(), "value")
        super().__init__([widgets.HBox([self.tolerance, self.progress]), self.chart])
        self.run()

    def run(self) -> None:
        """Compute all points, drawing each as it comes."""
        methods: dict[str, Callable[[int], NDArray[np.int32]]] = {
            "SLIC": lambda k: slic(self.image, k),
            "graph-based": lambda k: felzenszwalb(
                self.image,
                scale=self.image[..., 0].size / k,
                min_size=self.image[..., 0].size // (4 * k),
            ),
            "grid": self._grid,
        }
        self.points = {name: [] for name in methods}
        self.progress.max = len(methods) * len(self.numbers)
        self.progress.value = 0
        for number in self.numbers:
            for name, method in methods.items():
                labels = method(number)
                recall = boundary_recall(labels, self.truth, self.tolerance.value)
                self.points[name] = sorted([*self.points[name], (int(labels.max()) + 1, recall)])
                self.progress.value += 1
                self.show()

    def _grid(self, number: int) -> NDArray[np.int32]:
        """Squares that look at no pixel: what any method must beat."""
        height, width = self.image.shape[:2]
        side = np.sqrt(height * width / number)
        rows = (np.arange(height) / side).astype(np.int32)[:, None]
        cols = (np.arange(width) / side).astype(np.int32)[None]
        labels: NDArray[np.int32] = rows * (cols.max() + 1) + cols
        return labels.astype(np.int32)

    def show(self) -> None:
        """Draw the points that are there."""
        largest = max([x for line in self.points.values() for x, _ in line] + [max(self.numbers)])
        self.chart.value = line_chart(
            self.points,
            "number of segments",
            f"boundary recall, {self.tolerance.value} px",
            largest,
        )

    def picture(self) -> Image:
        """The chart as a picture."""
        import matplotlib.pyplot as plt

        figure, axis = plt.subplots(figsize=(6, 3.4), layout="constrained")
        for name, line in self.points.items():
            axis.plot(
                *zip(*line, strict=True), "o-", color=np.array(SERIES[name]) / 255, label=name
            )
        axis.set(xlabel="number of segments", ylabel="boundary recall", ylim=(0, 1.02))
        axis.legend()
        figure.canvas.draw()
        pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()  # type: ignore[attr-defined]
        plt.close(figure)
        return pixels


def boundary_recall_curve(image: Any, truth: Any, **options: Any) -> RecallCurve:
    """Plot boundary recall live for an image (H, W, 3) and a label map (H, W)."""
    return RecallCurve(image, truth, **options)
