"""Four superpixel methods side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import ipywidgets as widgets
import numpy as np
from numpy.typing import NDArray

from segedu.drawing import YELLOW, mark_boundaries
from segedu.images import check_label_map
from segedu.superpixels import (
    QuickshiftTree,
    felzenszwalb,
    quickshift_tree,
    slic,
    turbopixels_steps,
)
from segedu.superpixels.metrics import boundary_recall, undersegmentation_error
from segedu.widgets.demos.base import Demo, Image, Stage, enlarge, shrink, slider

WORKING_SIDE = 200
Labels = NDArray[np.int32]


class Rivals(Demo):
    """Four methods side by side, each with its own parameter.

    Args:
        image: (H, W, 3); worked on at `WORKING_SIDE` pixels.
        truth: (H, W) label map of the same image, for the metrics below each picture, or None.
    """

    def __init__(self, image: Any, truth: Any = None) -> None:
        self.image = shrink(image, WORKING_SIDE)
        self.factor = max(1, round(400 / max(self.image.shape[:2])))
        self.truth: Labels | None = None
        if truth is not None:
            checked = check_label_map(truth, np.shape(image)[:2], "truth").astype(np.int32)
            size = (self.image.shape[1], self.image.shape[0])
            shrunk = cv2.resize(checked, size, interpolation=cv2.INTER_NEAREST)
            self.truth = shrunk.reshape(self.image.shape[:2]).astype(np.int32)
        self.labels: dict[str, Labels] = {}
        self._tree: QuickshiftTree | None = None
        most = min(500, self.image[..., 0].size)
        usual = min(150, most)
        self.sliders = {
            "SLIC": slider("segments K", usual, 1, most),
            "graph-based": slider("scale k", 100, 0, 1000, 10),
            "TurboPixels": slider("segments K", usual, 1, most),
            "QuickShift": slider("max_dist", 10, 0, 40),
        }
        self.methods: dict[str, Callable[[int], Iterator[Labels]]] = {
            "SLIC": lambda k: iter([slic(self.image, k, device="cpu")]),
            "graph-based": lambda k: iter([felzenszwalb(self.image, scale=k)]),
            "TurboPixels": lambda k: (s.labels for s in turbopixels_steps(self.image, k)),
            "QuickShift": lambda d: iter([self.tree.cut(d)]),
        }
        self.stages = {name: Stage(f"superpixels by {name}") for name in self.sliders}
        self.captions = {name: widgets.HTML() for name in self.sliders}
        super().__init__([self._layout()])
        for name, control in self.sliders.items():
            control.observe(lambda _, name=name: self.work(self._run(name), name), "value")
            self.work(self._run(name), name)

    def _layout(self) -> widgets.Widget:
        cells = []
        layout = widgets.Layout(width="430px", max_width="100%", padding="0 8px 8px 0")
        for name, control in self.sliders.items():
            title = widgets.HTML(f"<b>{name}</b>")
            parts = [title, self.stages[name], control, self.captions[name]]
            cells.append(widgets.VBox(parts, layout=layout))
        return widgets.HBox(cells, layout=widgets.Layout(flex_flow="row wrap"))

    @property
    def tree(self) -> QuickshiftTree:
        """QuickShift's tree: its slider only cuts it anew."""
        if self._tree is None:
            self._tree = quickshift_tree(self.image, ratio=0.5, kernel_size=4.0, device="cpu")
        return self._tree

    def _run(self, name: str) -> Iterator[None]:
        """Run one method with its present parameter, painting its steps where it has some."""
        for labels in self.methods[name](self.sliders[name].value):
            self.labels[name] = labels
            self._show(name)
            yield

    def _show(self, name: str) -> None:
        labels = self.labels[name]
        self.stages[name].paint(self._drawn(name))
        taken = float(np.mean(labels >= 0))
        if taken < 1:
            self.captions[name].value = f"growing: {taken:.0%} of the image taken …"
            return
        facts = [f"{len(np.unique(labels))} regions"]
        if self.truth is not None:
            facts.append(f"boundary recall {boundary_recall(labels, self.truth):.2f}")
            facts.append(f"leak {undersegmentation_error(labels, self.truth):.2f}")
        self.captions[name].value = " · ".join(facts)

    def _drawn(self, name: str) -> Image:
        labels = enlarge(self.labels[name], self.factor)
        return mark_boundaries(enlarge(self.image, self.factor), labels, YELLOW)

    def picture(self) -> Image:
        """The four results, two by two, with their names."""
        tiles = []
        for name in self.sliders:
            tile = cv2.copyMakeBorder(
                self._drawn(name), 28, 6, 3, 3, cv2.BORDER_CONSTANT, value=(255, 255, 255)
            )
            cv2.putText(
                tile, name, (6, 19), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (0, 0, 0), 1, cv2.LINE_AA
            )
            tiles.append(tile.astype(np.uint8))
        return np.vstack([np.hstack(tiles[:2]), np.hstack(tiles[2:])])


def rivals(image: Any, truth: Any = None) -> Rivals:
    """Compare four superpixel methods on an image (H, W, 3), with metrics given a `truth`."""
    return Rivals(image, truth)
