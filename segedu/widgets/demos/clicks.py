"""A click as RITM sees it: its maps, the last mask, the part of the image, and the answer."""

from __future__ import annotations

from typing import Any, Literal

import cv2
import ipywidgets as widgets
import matplotlib
import numpy as np
from numpy.typing import NDArray

from segedu.drawing import BLUE, ORANGE, VERMILION, overlay_mask
from segedu.images import check_mask
from segedu.interactive import RITM, Click, ZoomIn
from segedu.interactive.click_maps import disks, distance_maps, points_of
from segedu.interactive.clicks import iou
from segedu.interactive.ritm_network import ClickNetwork
from segedu.interactive.zoom_in import Box
from segedu.widgets.demos.base import Demo, Image, Stage, one_torch_thread, shrink, slider

WORKING_SIDE = 256
SHOWN_SIDE = 416  # pixels of the photograph's longer side
TITLE = 20  # pixels above each small panel
GAP = 6
GRAB = 0.03  # of the longer side: so near a click, it is taken and not a new one made
COLORS = (matplotlib.colormaps["viridis"](np.arange(256))[:, :3] * 255).astype(np.uint8)

Probabilities = NDArray[np.float32]
Answer = tuple[Probabilities, Box | None]


class ClickExplorer(Demo):
    """Place and drag clicks; see the network's inputs and its answer.

    Left button: object; right button or Alt: background; near a click: drag it. The network
    answers the clicks one by one, so that each answer is the next one's previous mask.

    Args:
        image: (H, W, 3); seen at `WORKING_SIDE` pixels.
        net: a network of RITM; its encoding is the one that it is asked with.
        truth: (H, W) bool, an object to score against, or None.
        clicks: to begin with, in the image's pixels.
    """

    def __init__(
        self, image: Any, net: ClickNetwork, truth: Any = None, clicks: tuple[Click, ...] = ()
    ) -> None:
        self.image = shrink(image, WORKING_SIDE)
        height, width = self.image.shape[:2]
        scale = width / np.shape(image)[1]
        self.truth: NDArray[np.bool_] | None = None
        if truth is not None:
            given = check_mask(truth, np.shape(image)[:2], "truth").astype(np.uint8)
            small = cv2.resize(given, (width, height), interpolation=cv2.INTER_NEAREST)
            self.truth = small.astype(bool)
        self._method = RITM(net, device="cpu", flip=False)
        self._zoom = ZoomIn(
            self._method, target_size=WORKING_SIDE, min_crop=min(100, height, width)
        )
        self._zoom.set_image(self.image)
        self.clicks = tuple(Click(c.x * scale, c.y * scale, c.positive) for c in clicks)
        self.answers: list[Answer] = []
        self._held: int | None = None
        self._build(net)
        self._from(0)

    def _build(self, net: ClickNetwork) -> None:
        self.radius = slider("radius", round(net.radius), 1, 25)
        self.zoom = widgets.Checkbox(True, description="Zoom-In", indent=False)
        self.previous = widgets.Checkbox(True, description="previous mask goes in", indent=False)
        self.undo = widgets.Button(description="take back")
        self.undo.on_click(lambda _: self._take_back())
        self.caption = widgets.HTML()
        for control in (self.radius, self.zoom, self.previous):
            control.observe(lambda _: self._from(0), "value")
        self.stage = Stage("photograph with clicks and mask; the inputs", on_drag=self._drag)
        boxes = [self.radius, self.zoom, self.previous, self.undo, self.caption]
        controls = widgets.VBox(
            boxes, layout=widgets.Layout(flex="1 1 260px", min_width="260px", padding="0 0 0 12px")
        )
        self.stage.layout = widgets.Layout(flex="1 1 auto", max_width="860px")
        row = widgets.HBox([self.stage, controls], layout=widgets.Layout(flex_flow="row wrap"))
        super().__init__([row])

    def _drag(self, what: Literal["press", "drag", "release"] | str, x: float, y: float,
              background: bool) -> None:  # fmt: skip
        """Tell of the pointer, x and y in [0, 1] of the whole picture."""
        height, width = self.image.shape[:2]
        wide, _ = self.shown
        x, y = x * self._picture_width / wide * width, y * height
        if what == "press":
            if x >= width:
                return  # on the small panels
            near = [np.hypot(c.x - x, c.y - y) for c in self.clicks]
            if near and min(near) <= GRAB * max(height, width) + 2:
                self._held = int(np.argmin(near))
                return
            self._held = len(self.clicks)
            self.clicks += (Click(self._within(x, width), self._within(y, height), not background),)
            self._from(self._held)
        elif what == "drag" and self._held is not None:
            moved = list(self.clicks)
            moved[self._held] = Click(
                self._within(x, width), self._within(y, height), moved[self._held].positive
            )
            self.clicks = tuple(moved)
            self._from(self._held)
        elif what == "release":
            self._held = None

    @staticmethod
    def _within(value: float, length: int) -> float:
        """The middle of the pixel, within the image."""
        return min(max(int(value), 0), length - 1) + 0.5

    def _take_back(self) -> None:
        self.clicks = self.clicks[:-1]
        self._from(len(self.clicks))

    def _from(self, first: int) -> None:
        """Answer again from click number `first` on; what came before stays."""
        del self.answers[first:]
        net = self._method.net
        trained = net.radius
        net.radius = float(self.radius.value)  # the caller's network: put back below
        with one_torch_thread():
            for n in range(len(self.answers) + 1, len(self.clicks) + 1):
                before, last = self.answers[-1] if self.answers else (None, None)
                clicks = self.clicks[:n]
                box = self._zoom.box(clicks, before, last) if self.zoom.value else None
                given = before if self.previous.value else None
                self.answers.append((self._zoom.answer(clicks, given, box), box))
        net.radius = trained
        self.show()

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The answer to all clicks (H, W)."""
        if not self.answers:
            return np.zeros(self.image.shape[:2], bool)
        return self.answers[-1][0] > self._method.threshold

    def seen(self) -> tuple[Image, NDArray[np.float32], Probabilities]:
        """What the network saw at the last click.

        Returns:
            its part of the image (h, w, 3) uint8, the clicks' two maps (2, h, w) and the mask
            before (h, w), all in [0, 1].
        """
        box = self.answers[-1][1] if self.answers else None
        before = np.zeros(self.image.shape[:2], np.float32)
        if len(self.answers) > 1 and self.previous.value:
            before = self.answers[-2][0]
        part, clicks, size = self.image, self.clicks, self.image.shape[:2]
        if box is not None:
            size = box.resized(WORKING_SIDE)
            part = cv2.resize(part[box.slices], size[::-1]).astype(np.uint8)
            before = cv2.resize(before[box.slices], size[::-1]).astype(np.float32)
            clicks = tuple(box.click_inside(c, size) for c in clicks)
        points = points_of(clicks)
        if self._method.net.encoding == "disks":
            maps = disks(points, (size[0], size[1]), float(self.radius.value))
        else:
            maps = distance_maps(points, (size[0], size[1]))
        return part, maps[0].numpy(), before

    @property
    def shown(self) -> tuple[int, int]:
        """Width and height of the photograph in the picture."""
        height, width = self.image.shape[:2]
        scale = SHOWN_SIDE / max(height, width)
        return round(width * scale), round(height * scale)

    @property
    def _picture_width(self) -> int:
        wide, high = self.shown
        return wide + 2 * (GAP + self._small(wide, high))

    @staticmethod
    def _small(wide: int, high: int) -> int:
        """Width of a small panel: two rows of them are as high as the photograph."""
        return max(40, round((high / 2 - TITLE) * wide / high))

    def show(self) -> None:
        """Paint the photograph and what the network saw of it."""
        self.stage.paint(self.picture())
        lines = [f"<b>{len(self.clicks)} clicks</b>"]
        if self.truth is not None:
            scores = [iou(p > self._method.threshold, self.truth) for p, _ in self.answers]
            lines.append("IoU after each: " + " → ".join(f"{s:.2f}" for s in scores))
        lines.append(
            "<small>left: object, right or Alt: background; drag a click to move it</small>"
        )
        self.caption.value = f"<div style='line-height:1.5'>{'<br>'.join(lines)}</div>"

    def picture(self) -> Image:
        """Photograph with mask, clicks and crop; beside it the four inputs."""
        wide, high = self.shown
        canvas = np.full((high, self._picture_width, 3), 255, np.uint8)
        canvas[:, :wide] = self._photograph(wide, high)
        part, maps, before = self.seen()
        panels = (
            ("image", part), ("mask before", before), ("object", maps[0]), ("background", maps[1])
        )  # fmt: skip
        small = self._small(wide, high)
        for k, (name, values) in enumerate(panels):
            left = wide + GAP + (k % 2) * (small + GAP)
            top = (k // 2) * (high // 2)
            _write(canvas, name, (left, top + 14), (0, 0, 0))
            color = values if values.ndim == 3 else COLORS[(values * 255).astype(np.uint8)]
            room = (small, high // 2 - TITLE)
            scale = min(room[0] / color.shape[1], room[1] / color.shape[0])
            size = max(1, int(color.shape[1] * scale)), max(1, int(color.shape[0] * scale))
            shrunk = cv2.resize(color, size, interpolation=cv2.INTER_AREA)
            canvas[top + TITLE : top + TITLE + size[1], left : left + size[0]] = shrunk
        return canvas

    def _photograph(self, wide: int, high: int) -> Image:
        factor = wide / self.image.shape[1]
        picture = cv2.resize(self.image, (wide, high)).astype(np.uint8)
        mask = cv2.resize(self.mask.astype(np.uint8), (wide, high), interpolation=cv2.INTER_NEAREST)
        picture = overlay_mask(picture, mask.astype(bool), BLUE)
        box = self.answers[-1][1] if self.answers else None
        if box is not None:
            ends = [round(v * factor) for v in (box.left, box.top, box.right + 1, box.bottom + 1)]
            cv2.rectangle(picture, (ends[0], ends[1]), (ends[2] - 1, ends[3] - 1), ORANGE, 2)
        for k, click in enumerate(self.clicks, start=1):
            place = round(click.x * factor), round(click.y * factor)
            cv2.circle(picture, place, 8, (255, 255, 255), -1, cv2.LINE_AA)
            color = BLUE if click.positive else VERMILION
            cv2.circle(picture, place, 6, color, -1, cv2.LINE_AA)
            _write(picture, str(k), (place[0] + 9, place[1] - 6), (255, 255, 255))
        return picture


def _write(picture: Image, text: str, place: tuple[int, int], color: tuple[int, int, int]) -> None:
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, color, 1, cv2.LINE_AA)


def click_explorer(image: Any, net: ClickNetwork, **options: Any) -> ClickExplorer:
    """Show what RITM makes of clicks on an image (H, W, 3): maps, crop, answer."""
    return ClickExplorer(image, net, **options)
