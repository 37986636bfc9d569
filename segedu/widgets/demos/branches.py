"""HRNet's branches side by side, and what each takes in from the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import ipywidgets as widgets
import matplotlib
import numpy as np
import torch
from matplotlib.font_manager import findfont
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont
from torch import Tensor

from segedu.data.scenes import SCENE_CLASSES
from segedu.drawing import ORANGE, palette
from segedu.images import to_tensor
from segedu.semantic import HRNetSegmentation, hrnet_w18
from segedu.weights import load_shipped, shipped_names
from segedu.widgets.demos.base import Demo, Image, Stage, one_torch_thread, shrink, slider

SHIPPED = "hrnet-w18-scenes"
WORKING_SIDE = 384
PANEL = (184, 120)  # a panel's largest width and height in pixels
TITLE = 34  # pixels above each panel: two lines
GAP, WIDE_GAP = 8, 26  # between panels; below what goes in, and left of what comes out
ENERGY = (matplotlib.colormaps["inferno"](np.arange(256))[:, :3] * 255).astype(np.uint8)
SIGNED = (matplotlib.colormaps["RdBu_r"](np.arange(256))[:, :3] * 255).astype(np.uint8)
Map = NDArray[np.float32]


@dataclass(frozen=True)
class Fusion:
    """One exchange as it happened, n branches; maps (C_r, H_r, W_r) on the CPU.

    Attributes:
        before: of each branch, going in.
        parts: parts[t][s] is what branch t gets from branch s, at the size of t.
        after: of each branch: ReLU of the sum of its parts.
    """

    before: list[Tensor]
    parts: list[list[Tensor]]
    after: list[Tensor]


def fusions(model: HRNetSegmentation, image: Image) -> tuple[list[Fusion], Tensor]:
    """The last exchange of stages 2, 3, 4, and the logits (K, H, W), of an image (H, W, 3)."""
    exchanges = [stage[-1].exchange for stage in model.backbone.stages]  # type: ignore[index]
    went_in: list[list[Tensor]] = []
    hooks = [
        e.register_forward_pre_hook(lambda _, args: went_in.append(args[0])) for e in exchanges
    ]
    was_training = model.training
    model.eval()
    try:
        device = next(model.parameters()).device
        with torch.inference_mode(), one_torch_thread():
            found = model.intermediates(model.normalization.apply(to_tensor(image, device)[None]))
            seen = []
            for stage, (exchange, maps) in enumerate(zip(exchanges, went_in, strict=True), start=2):
                n = len(maps)
                parts = [_cpu(exchange.parts(maps, t)) for t in range(n)]
                after = _cpu(found[f"stage{stage}_branch{r}"] for r in range(n))
                seen.append(Fusion(_cpu(maps), parts, after))
            return seen, found["logits"][0].float().cpu()
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()


def _cpu(maps: Any) -> list[Tensor]:
    return [x[0].float().cpu() for x in maps]


class HRNetBranches(Demo):
    """The fusion of a stage as a table of maps: a column for who gives, a row for who gets.

    The top row shows the branches before they exchange. The cell in row t and column s is what
    branch t takes from branch s: its own map, a finer one halved by strided convolutions, or a
    coarser one enlarged. The last column is their sum after ReLU: what goes on. A row has one
    scale of colours, so that its cells compare. Boxes choose whose maps reach the head (the others
    give their mean), and the labels follow. A click chooses a place; the text adds up its numbers.

    Args:
        model: an HRNet; used in eval mode.
        image: (H, W, 3); seen by the network at `WORKING_SIDE` pixels.
        note: what the network is, shown below.
    """

    def __init__(self, model: HRNetSegmentation, image: Any, note: str = "") -> None:
        self.model, self.note = model, note
        self.image = shrink(image, WORKING_SIDE)
        self.chosen = (0.5, 0.5)  # x, y in [0, 1]
        self.fusions, logits = fusions(model, self.image)
        of_scenes = np.array([c.color for c in SCENE_CLASSES], np.uint8)
        self.colors = of_scenes if len(logits) == len(SCENE_CLASSES) else palette(len(logits))
        self.labels = logits.argmax(0).numpy()
        n = len(self.fusions[-1].before)
        self.stage_number = slider("stage", n, 2, len(self.fusions) + 1)
        self.channel = slider("channel (0: all)", 0, 0, len(self.fusions[-1].before[-1]))
        self.heard = [
            widgets.Checkbox(
                value=True, description=f"1/{4 * 2**r}", indent=False,
                layout=widgets.Layout(width="66px"),
            )
            for r in range(n)
        ]  # fmt: skip
        self.stage = Stage("feature maps of all branches, before and after fusion", self._choose)
        self.caption = widgets.HTML()
        self.stage_number.observe(lambda _: self._new_stage(), "value")
        self.channel.observe(lambda _: self.show(), "value")
        for box in self.heard:
            box.observe(lambda _: self._new_labels(), "value")
        row = widgets.Layout(flex_flow="row wrap", align_items="center")
        boxes = widgets.HBox(
            [
                widgets.Label("the head hears", layout=widgets.Layout(margin="0 8px 0 24px")),
                *self.heard,
            ],
            layout=row,
        )
        sliders = [self.stage_number, self.channel]
        for one in sliders:
            one.layout = widgets.Layout(width="320px")
        self.stage.layout = widgets.Layout(max_width="960px", margin="6px 0")
        super().__init__([widgets.HBox([*sliders, boxes], layout=row), self.stage, self.caption])
        self.show()

    @property
    def fusion(self) -> Fusion:
        """The exchange of the chosen stage."""
        return self.fusions[self.stage_number.value - 2]

    @property
    def panel(self) -> tuple[int, int]:
        """Width and height of a panel in pixels."""
        height, width = self.image.shape[:2]
        scale = min(PANEL[0] / width, PANEL[1] / height)
        return max(1, round(width * scale)), max(1, round(height * scale))

    def seen(self, maps: Tensor) -> Map:
        """One channel of maps (C, H, W), the last one where there are fewer; 0: their energy.

        The energy is the root mean square over channels. Both are (H, W).
        """
        if self.channel.value == 0:
            return maps.square().mean(dim=0).sqrt().numpy()
        return maps[min(self.channel.value, len(maps)) - 1].numpy()

    def shares(self, target: int) -> list[float]:
        """How much of what a branch gets comes from each: parts of the summed squares; sum 1."""
        energy = [float(part.square().sum()) for part in self.fusion.parts[target]]
        return [e / max(sum(energy), 1e-12) for e in energy]

    def relabel(self) -> NDArray[np.int64]:
        """Labels (H, W) when the head hears the chosen branches, of the others only the mean."""
        maps = [
            x if box.value else x.mean(dim=(1, 2), keepdim=True).expand_as(x)
            for x, box in zip(self.fusions[-1].after, self.heard, strict=True)
        ]
        parameter = next(self.model.parameters())
        was_training = self.model.training
        self.model.eval()
        try:
            with torch.inference_mode(), one_torch_thread():
                batch = [x[None].to(parameter.device, parameter.dtype) for x in maps]
                logits = self.model.head(batch, torch.Size(self.image.shape[:2]))["logits"]
        finally:
            self.model.train(was_training)
        labels: NDArray[np.int64] = logits[0].argmax(0).cpu().numpy()
        return labels

    def _new_labels(self) -> None:
        self.labels = self.relabel()
        self.show()

    def _new_stage(self) -> None:
        self.channel.max = len(self.fusion.before[-1])
        self.show()

    def _choose(self, x: float, y: float) -> None:
        """A click on any panel means the same place in all."""
        width, height = self.panel
        n = len(self.fusion.before)
        full_x = x * ((n + 1) * width + (n - 1) * GAP + WIDE_GAP)
        full_y = y * ((n + 1) * (height + TITLE) + (n - 1) * GAP + WIDE_GAP)
        last = n * (width + GAP) + WIDE_GAP - GAP  # where the column of sums begins
        first = height + TITLE + WIDE_GAP  # where the row of the finest branch begins
        in_x = full_x - last if full_x >= last else full_x % (width + GAP)
        in_y = full_y if full_y < first else (full_y - first) % (height + TITLE + GAP)
        in_y -= TITLE
        self.chosen = (
            float(np.clip(in_x / width, 0, 1 - 1e-6)), float(np.clip(in_y / height, 0, 1 - 1e-6))
        )  # fmt: skip
        self.show()

    def show(self) -> None:
        """Paint what the controls say."""
        self.stage.paint(self.picture())
        lines = [self._sum_in_words(t) for t in range(len(self.fusion.parts))]
        what = "root mean square over channels" if self.channel.value == 0 else "one channel"
        self.caption.value = (
            "<div style='line-height:1.5'>"
            + "<br>".join(lines)
            + f"<br><small>numbers: {what}, at the marked place · shares: of all energy that a "
            f"branch gets · click a picture to choose a place{' · ' * bool(self.note)}{self.note}"
            "</small></div>"
        )

    def _sum_in_words(self, target: int) -> str:
        """The sum of the chosen place in one branch."""
        row, col = self.cell(target)
        parts = [float(self.seen(p)[row, col]) for p in self.fusion.parts[target]]
        after = float(self.seen(self.fusion.after[target])[row, col])
        text = f"<b>1/{4 * 2**target}</b> gets "
        for s, (value, share) in enumerate(zip(parts, self.shares(target), strict=True)):
            sign = ("+ " if value >= 0 else "− ") if self.channel.value else ""
            text += f"{sign}{abs(value):.2f} from 1/{4 * 2**s} ({share:.0%}) "
        return f"{text}→ <b>{after:.2f}</b> after ReLU"

    def cell(self, r: int) -> tuple[int, int]:
        """Row and column of the chosen place in branch r."""
        rows, cols = self.fusion.before[r].shape[1:]
        return min(int(self.chosen[1] * rows), rows - 1), min(int(self.chosen[0] * cols), cols - 1)

    def picture(self) -> Image:
        """The table: before; then a row for each branch; the labels in the corner."""
        fusion = self.fusion
        top = []
        for r, maps in enumerate(fusion.before):
            size = f"{maps.shape[1]} × {maps.shape[2]}, {self._which(maps)}"
            top.append(
                self._panel(self._paint([maps])[0], (f"branch 1/{4 * 2**r} before", size), r)
            )
        heard = [f"1/{4 * 2**r}" for r, box in enumerate(self.heard) if box.value]
        whose = "all branches" if len(heard) == len(self.heard) else ", ".join(heard) or "no branch"
        top.append(self._panel(self._labelled(), ("labels", f"from {whose}"), None))
        rows = [top]
        for t, parts in enumerate(fusion.parts):
            painted = self._paint([*parts, fusion.after[t]])
            titles = [
                (f"1/{4 * 2**t} gets from 1/{4 * 2**s}", f"{path(s, t)} · {share:.0%}")
                for s, share in enumerate(self.shares(t))
            ]
            titles.append((f"branch 1/{4 * 2**t} after", f"ReLU of sum, {self._which(parts[0])}"))
            rows.append(
                [self._panel(p, title, t) for p, title in zip(painted, titles, strict=True)]
            )
        return _table(rows)

    def _which(self, maps: Tensor) -> str:
        k = min(self.channel.value, len(maps))
        return f"channel {k} of {len(maps)}" if k else f"{len(maps)} channels"

    def _paint(self, maps: Sequence[Tensor]) -> list[Image]:
        """Colour maps on one scale: red above 0, blue below; energies from black to bright."""
        values = [self.seen(m) for m in maps]
        most = max(float(np.abs(v).max()) for v in values) or 1.0
        if self.channel.value == 0:
            return [ENERGY[np.rint(255 * v / most).astype(np.uint8)] for v in values]
        return [SIGNED[np.rint(127.5 + 127.5 * v / most).astype(np.uint8)] for v in values]

    def _labelled(self) -> Image:
        mixed = 0.35 * self.image + 0.65 * self.colors[self.labels]
        return np.rint(mixed).astype(np.uint8)

    def _panel(self, pixels: Image, title: tuple[str, str], branch: int | None) -> Image:
        """A picture at a panel's size, its cell of the chosen place framed, two lines above."""
        width, height = self.panel
        kind = cv2.INTER_AREA if branch is None else cv2.INTER_NEAREST
        big = cv2.resize(pixels, (width, height), interpolation=kind)
        if branch is None:
            x, y = round(self.chosen[0] * width), round(self.chosen[1] * height)
            corner, opposite = (x - 3, y - 3), (x + 3, y + 3)
        else:
            (row, col), (rows, cols) = self.cell(branch), pixels.shape[:2]
            corner = (round(col * width / cols), round(row * height / rows))
            opposite = (round((col + 1) * width / cols) - 1, round((row + 1) * height / rows) - 1)
        cv2.rectangle(big, corner, opposite, (255, 255, 255), 3)
        cv2.rectangle(big, corner, opposite, ORANGE, 1)
        return np.vstack([_title(width, *title), big]).astype(np.uint8)


def path(source: int, target: int) -> str:
    """What an exchange does between two branches, in few characters."""
    if source == target:
        return "as it is"
    if source < target:
        return "3×3 /2" + ("", ", twice", ", 3 times")[target - source - 1]
    return f"1×1, enlarged ×{2 ** (source - target)}"


@cache
def _title(width: int, first: str, second: str) -> Image:
    canvas = Pillow.new("RGB", (width, TITLE), "white")
    draw = ImageDraw.Draw(canvas)
    for top, text, name in ((1, first, "DejaVu Sans:bold"), (16, second, "DejaVu Sans")):
        draw.text((1, top), text, fill=(40, 40, 40), font=ImageFont.truetype(findfont(name), 11))
    return np.asarray(canvas)


def _table(rows: list[list[Image]]) -> Image:
    """Panels in rows; a wider gap below the first row and before the last column."""

    def white(like: Image, size: int, axis: int) -> Image:
        shape = list(like.shape)
        shape[axis] = size
        return np.full(shape, 255, np.uint8)

    lines: list[Image] = []
    for k, row in enumerate(rows):
        cells: list[Image] = []
        for j, cell in enumerate(row):
            gap = 0 if j == 0 else WIDE_GAP if j == len(row) - 1 else GAP
            cells += [white(cell, gap, 1), cell]
        line = np.hstack(cells)
        lines += [white(line, 0 if k == 0 else WIDE_GAP if k == 1 else GAP, 0), line]
    return np.vstack(lines)


def hrnet_branches(
    image: Any, model: HRNetSegmentation | None = None, note: str = ""
) -> HRNetBranches:
    """Show an HRNet's branches on an image (H, W, 3), and what they exchange.

    Args:
        image: (H, W, 3).
        model: None takes the shipped one, or random weights where none is shipped, and says which.
        note: what the model is, shown below the picture.
    """
    if model is not None:
        return HRNetBranches(model, image, note)
    if SHIPPED in shipped_names():
        shipped = load_shipped(SHIPPED)
        assert isinstance(shipped, HRNetSegmentation)
        return HRNetBranches(shipped, image, note or f"weights: the shipped {SHIPPED}")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        random = hrnet_w18(len(SCENE_CLASSES), width=12, blocks=2, modules=(1, 1, 1), stem_width=32)
    return HRNetBranches(random, image, note or "weights: random, none are shipped yet")
