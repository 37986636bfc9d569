"""Boundary recall against the number of segments, computed live."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import ipywidgets as widgets
import numpy as np
from numpy.typing import NDArray

from segedu.drawing import BLUE, GREEN, PURPLE, VERMILION
from segedu.images import as_uint8, check_label_map
from segedu.superpixels import (
    QuickshiftTree,
    felzenszwalb,
    quickshift_tree,
    slic,
    turbopixels_steps,
)
from segedu.superpixels.metrics import boundary_recall
from segedu.widgets.demos.base import Demo, Image, slider

SERIES = {
    "SLIC": BLUE,
    "squares": (130, 130, 130),
    "graph-based": VERMILION,
    "QuickShift": GREEN,
    "TurboPixels": PURPLE,  # the slowest comes last
}
ATTEMPTS = 8  # at a parameter that gives the number asked for,
CLOSE = 0.05  # until the number is right within this part
# QuickShift links within three of these: larger ones make fewer segments possible, and take longer.
KERNEL_SIZES = (4.0, 6.0, 9.0, 12.0)
Labels = NDArray[np.int32]
Points = Mapping[str, Sequence[tuple[float, float]]]


class RecallCurve(Demo):
    """Boundary recall against the number of segments, point by point as it is computed.

    Where a method has no parameter for the number, its own is searched for.

    Args:
        image: (H, W, 3).
        truth: (H, W) label map.
        numbers: the numbers of segments asked for; of TurboPixels the first, a middle and the last.
    """

    def __init__(
        self, image: Any, truth: Any, numbers: Sequence[int] = (25, 50, 100, 200, 400, 800)
    ) -> None:
        self.image = as_uint8(image)
        self.truth = check_label_map(truth, self.image.shape[:2], "truth")
        pixels = self.image[..., 0].size
        self.numbers = tuple(n for n in numbers if n <= pixels) or (1,)
        self.points: dict[str, list[tuple[float, float]]] = {name: [] for name in SERIES}
        self._labels: dict[tuple[str, int], Labels] = {}
        smallest = pixels // (4 * max(self.numbers))
        self._graph_based = cache(lambda k: felzenszwalb(self.image, scale=k, min_size=smallest))
        self._tree = cache(self._grow_tree)
        self.methods: dict[str, Callable[[int], Iterator[Labels]]] = {
            "SLIC": lambda n: iter([slic(self.image, n, self.compactness.value, device="cpu")]),
            "squares": lambda n: iter([self._squares(n)]),
            "graph-based": lambda n: attempts(self._graph_based, n, 0.1, 1e6),
            "QuickShift": self._quickshift,
            "TurboPixels": lambda n: (s.labels for s in turbopixels_steps(self.image, n)),
        }
        few = {self.numbers[0], self.numbers[len(self.numbers) // 2], self.numbers[-1]}
        self._asked = {name: self.numbers for name in SERIES}
        self._asked["TurboPixels"] = tuple(n for n in self.numbers if n in few)
        self.tolerance = slider("tolerance, px", 2, 0, 8)
        self.compactness = slider("SLIC's m", 10, 1, 80)
        self.progress = widgets.IntProgress(
            0, 0, sum(map(len, self._asked.values())), layout=widgets.Layout(width="160px")
        )
        self.chart = widgets.HTML()
        self.tolerance.observe(lambda _: self.work(self._run()), "value")
        self.compactness.observe(self._forget_slic, "value")
        row = widgets.HBox(
            [self.tolerance, self.compactness, self.progress],
            layout=widgets.Layout(flex_flow="row wrap", align_items="center"),
        )
        super().__init__([row, self.chart])
        self.work(self._run())

    def _forget_slic(self, _: Any) -> None:
        self._labels = {key: m for key, m in self._labels.items() if key[0] != "SLIC"}
        self.work(self._run())

    def _run(self) -> Iterator[None]:
        """Compute what is not there yet, and every point, drawing each as it comes."""
        points: dict[str, list[tuple[float, float]]] = {name: [] for name in SERIES}
        done = 0
        # The first answer to a drag is the old curves; each new point then replaces its series.
        for name, method in self.methods.items():
            for number in self._asked[name]:
                if (name, number) not in self._labels:
                    for labels in method(number):  # noqa: B007
                        yield  # between two attempts the next drag is looked at
                    self._labels[name, number] = labels
                labels = self._labels[name, number]
                recall = boundary_recall(labels, self.truth, self.tolerance.value)
                points[name] = sorted([*points[name], (count(labels), recall)])
                self.points = {**self.points, name: points[name]}
                done += 1
                self.progress.value = done
                self.show()
                yield

    def _grow_tree(self, kernel_size: float) -> QuickshiftTree:
        return quickshift_tree(self.image, ratio=0.5, kernel_size=kernel_size, device="cpu")

    def _quickshift(self, number: int) -> Iterator[Labels]:
        """Cuts of the first tree that can be cut into so few segments."""
        for kernel_size in KERNEL_SIZES:
            fewest = self._tree(kernel_size).cut(1e6)
            yield fewest
            if count(fewest) <= number:
                break
        yield from attempts(self._tree(kernel_size).cut, number, 0.5, 1e3)

    def _squares(self, number: int) -> Labels:
        """Squares that look at no pixel: what any method must beat."""
        height, width = self.image.shape[:2]
        side = np.sqrt(height * width / number)
        rows = (np.arange(height) / side).astype(np.int32)[:, None]
        cols = (np.arange(width) / side).astype(np.int32)[None]
        labels: Labels = (rows * (cols.max() + 1) + cols).astype(np.int32)
        return labels

    def show(self) -> None:
        """Draw the points that are there."""
        found = [x for line in self.points.values() for x, _ in line] or self.numbers
        self.chart.value = line_chart(
            self.points,
            "number of segments, log scale",
            f"boundary recall, {self.tolerance.value} px",
            (min(found) / 1.3, max(found) * 1.3),
        )

    def picture(self) -> Image:
        """The chart as a picture."""
        import matplotlib.pyplot as plt

        figure, axis = plt.subplots(figsize=(6.4, 3.8), dpi=80, layout="constrained")
        for name, line in self.points.items():
            x, y = [p[0] for p in line], [p[1] for p in line]
            axis.plot(x, y, "o-", color=np.array(SERIES[name]) / 255, label=name)
        axis.set(xscale="log", xlabel="number of segments", ylim=(0, 1.02))
        axis.set(ylabel=f"boundary recall, {self.tolerance.value} px")
        axis.grid(alpha=0.3)
        figure.legend(loc="outside upper center", ncols=len(self.points), frameon=False, fontsize=9)
        figure.canvas.draw()
        pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()  # type: ignore[attr-defined]
        plt.close(figure)
        return pixels


def count(labels: Labels) -> int:
    """How many segments there are."""
    return len(np.unique(labels))


def attempts(
    segment: Callable[[float], Labels], number: int, low: float, high: float
) -> Iterator[Labels]:
    """Bisect a parameter of which more gives fewer segments; yield what comes nearest so far.

    On a log scale, and from the same bounds for all numbers, so that they share first attempts.
    """
    best: Labels | None = None
    for _ in range(ATTEMPTS):
        middle = float(np.sqrt(low * high))
        labels = segment(middle)
        if best is None or abs(count(labels) - number) < abs(count(best) - number):
            best = labels
        yield best
        if abs(count(best) - number) <= CLOSE * number:
            return
        low, high = (middle, high) if count(labels) > number else (low, middle)


WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 620, 340, 56, 34, 44


def line_chart(series: Points, x_label: str, y_label: str, x_range: tuple[float, float]) -> str:
    """Draw lines as SVG in the page's own text colour, for light and dark themes.

    x is logarithmic within `x_range`, y lies in [0, 1].
    """
    low, high = np.log(x_range[0]), np.log(x_range[1])
    plot_w, plot_h = WIDTH - LEFT - 20, HEIGHT - BOTTOM - TOP

    def at(x: float, y: float) -> tuple[float, float]:
        part = float(np.clip((np.log(max(x, 1e-9)) - low) / (high - low), 0, 1))
        return LEFT + plot_w * part, TOP + plot_h * (1 - y)

    parts = []
    for tick in np.linspace(0, 1, 6):
        x, y = at(x_range[0], tick)
        parts.append(f'<path d="M{x:.1f} {y:.1f}h{plot_w}" stroke="currentColor" opacity=".15"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{tick:.1f}", "end"))
    for tick in (1, 3, 10, 30, 100, 300, 1000, 3000):
        if x_range[0] <= tick <= x_range[1]:
            parts.append(_text(at(tick, 0)[0], TOP + plot_h + 18, str(tick)))
    for k, (name, points) in enumerate(series.items()):
        color = "rgb({},{},{})".format(*SERIES[name])
        corners = [at(x, y) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2.5"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{color}"/>' for x, y in corners]
        key = LEFT + k * plot_w / len(series)
        parts.append(f'<circle cx="{key + 6}" cy="14" r="5" fill="{color}"/>')
        parts.append(_text(key + 18, 18, name, "start"))
    parts.append(_text(LEFT + plot_w / 2, HEIGHT - 6, x_label))
    turned = f'transform="translate(14 {TOP + plot_h / 2}) rotate(-90)"'
    parts.append(f"<g {turned}>{_text(0, 0, y_label)}</g>")
    return (
        f'<svg role="img" aria-label="{html.escape(y_label)}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" style="max-width:100%;font:12px sans-serif;'
        f'color:var(--jp-ui-font-color1,#222)">{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor">'
        f"{html.escape(text)}</text>"
    )


def boundary_recall_curve(image: Any, truth: Any, **options: Any) -> RecallCurve:
    """Plot boundary recall live for an image (H, W, 3) and a label map (H, W)."""
    return RecallCurve(image, truth, **options)
