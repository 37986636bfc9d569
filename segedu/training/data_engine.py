"""The data engine: a model helps people to make the masks that it is trained on next.

A. Kirillov et al.: "Segment Anything", ICCV 2023, section 4.

The idea in three lines: first people click, the model draws, people paint what it cannot (assisted
manual). Then the model offers what it is sure of, and people do the rest (semi-automatic). At last
it is asked about a grid of points, and nobody clicks any more (fully automatic). After each round
it is trained on all masks so far.

Here people are simulated: they know the true segments, click in the middle of the largest error,
and paint a segment by hand when a few clicks did not do. Every figure of a round is counted.

Departures: minutes and dozens of images instead of months and millions. The paper's detector of
confident masks is everything mode with a threshold; the paper starts from public data sets, the
lecture from `sam-vit-tiny`, which saw other data too, and a few scenes whose masks are all given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from segedu.data.objects import segments_of_scene
from segedu.images import to_tensor
from segedu.interactive import SAM, EverythingOptions, SegmentAnything, segment_everything
from segedu.interactive.clicks import click_through, iou, next_click
from segedu.interactive.protocol import Prompts
from segedu.interactive.sam_training import sam_loss

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Picture:
    """An image and its segments.

    Attributes:
        image: (H, W, 3) uint8.
        masks: each (H, W) bool: the truth, or what was annotated.
    """

    image: NDArray[np.uint8]
    masks: list[Mask]


@dataclass(frozen=True)
class EngineOptions:
    """How people and model work together.

    Attributes:
        good: IoU at which people accept a mask.
        max_clicks: on one segment, before it is painted by hand.
        salient: segments of an image that people annotate in the first round, largest first.
        covered: IoU with a confident mask at which a segment is done already.
        everything: grid and thresholds of confident masks.
        batch: images a step of training.
        masks: objects of each image a step.
        lr: learning rate of AdamW.
    """

    good: float = 0.8
    max_clicks: int = 4
    salient: int = 4
    covered: float = 0.5
    everything: EverythingOptions = field(
        default_factory=lambda: EverythingOptions(
            points_per_side=8, iou_threshold=0.75, stability_threshold=0.85, min_region=10
        )
    )
    batch: int = 8
    masks: int = 3
    lr: float = 1e-3


@dataclass(frozen=True)
class Round:
    """What one round brought.

    Attributes:
        name: of the round.
        pictures: images with the masks that were made.
        clicks: that people spent.
        painted: masks that people drew by hand.
        quality: mean over masks of the best IoU with a true segment.
        found: mean over true segments of the best IoU with a mask.
        iou: one click on each held-out segment, after training on all rounds so far.
    """

    name: str
    pictures: list[Picture]
    clicks: int
    painted: int
    quality: float
    found: float
    iou: float

    @property
    def masks(self) -> int:
        """How many masks were made."""
        return sum(len(p.masks) for p in self.pictures)


def scene_pictures(seeds: Sequence[int], size: int = 64, least: int = 40) -> list[Picture]:
    """Street scenes and their true segments; see `segments_of_scene`."""
    return [Picture(*segments_of_scene(seed, size, least)) for seed in seeds]


def annotate(method: SAM, picture: Picture, wanted: list[Mask], o: EngineOptions) -> Any:
    """People click until each wanted segment is good, or paint it: masks, clicks, painted."""
    masks, clicks, painted = [], 0, 0
    for truth in wanted:
        trace = click_through(method, picture.image, truth, max_clicks=o.max_clicks, until=o.good)
        clicks += len(trace.clicks)
        if trace.ious[-1] >= o.good:
            masks.append(trace.mask)
        else:
            masks.append(truth)
            painted += 1
    return masks, clicks, painted


def confident(net: SegmentAnything, image: NDArray[np.uint8], o: EngineOptions) -> list[Mask]:
    """Masks that the model finds by itself and is sure of."""
    return [found.mask for found in segment_everything(net, image, o.everything, device="cpu")]


def assisted(net: SegmentAnything, picture: Picture, o: EngineOptions) -> Any:
    """Round 1: people click on what strikes the eye; masks, clicks, painted."""
    return annotate(SAM(net, device="cpu"), picture, picture.masks[: o.salient], o)


def semi_automatic(net: SegmentAnything, picture: Picture, o: EngineOptions) -> Any:
    """Round 2: confident masks are there already, people do the others; masks, clicks, painted."""
    sure = confident(net, picture.image, o)
    left = [m for m in picture.masks if best_iou(m, sure) < o.covered]
    masks, clicks, painted = annotate(SAM(net, device="cpu"), picture, left, o)
    return sure + masks, clicks, painted


def automatic(net: SegmentAnything, picture: Picture, o: EngineOptions) -> Any:
    """Round 3: the model alone; masks, 0 clicks, 0 painted."""
    return confident(net, picture.image, o), 0, 0


def best_iou(mask: Mask, others: Sequence[Mask]) -> float:
    """The largest IoU of a mask with any other, 0 where there is none."""
    return max((iou(mask, other) for other in others), default=0.0)


def draw(
    pictures: Sequence[Picture], side: int, o: EngineOptions, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """A batch: images (B, 3, S, S) in [0, 1], some of their masks (B, P, H, W), 0 or 1."""
    images, targets = [], []
    for i in random.integers(len(pictures), size=o.batch):
        p = pictures[i]
        chosen = [p.masks[j] for j in random.integers(len(p.masks), size=o.masks)]
        image, target = to_tensor(p.image), torch.from_numpy(np.stack(chosen)).long()
        mirrored = random.random() < 0.5
        images.append(image.flip(-1) if mirrored else image)
        targets.append(target.flip(-1) if mirrored else target)
    inputs = F.interpolate(torch.stack(images), (side, side), mode="bilinear")
    return inputs, torch.stack(targets)


def fit(
    net: SegmentAnything,
    pictures: Sequence[Picture],
    steps: int,
    o: EngineOptions,
    seed: int = 0,
    report: Callable[[float], Any] | None = None,
) -> None:
    """Train on masks for some steps, half of the images mirrored."""
    pictures = [p for p in pictures if p.masks]
    random = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        optimizer = torch.optim.AdamW(net.train().parameters(), o.lr, weight_decay=0.01)
        for step in range(steps):
            for group in optimizer.param_groups:  # up at first, then down like a cosine
                group["lr"] = o.lr * min((step + 1) / 10, 0.5 + 0.5 * np.cos(np.pi * step / steps))
            images, targets = draw(pictures, net.image_size, o, random)
            total, count = sam_loss(net(net.normalization.apply(images)), targets, points=2)
            optimizer.zero_grad()
            (total / count).backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            if report is not None:
                report(float(total.detach() / count))
    net.eval()


def one_click_iou(net: SegmentAnything, pictures: Sequence[Picture]) -> float:
    """Mean IoU of the answers to one click in the middle of every segment."""
    method, values = SAM(net, device="cpu"), []
    for picture in pictures:
        method.set_image(picture.image)
        for truth in picture.masks:
            click = next_click(np.zeros_like(truth), truth)
            assert click is not None  # segments are not empty
            answer = method.predict(Prompts(clicks=(click,)))
            values.append(iou(answer.mask, truth))
    return float(np.mean(values))


ROUNDS = (
    ("assisted manual", assisted),
    ("semi-automatic", semi_automatic),
    ("fully automatic", automatic),
)


def run_engine(
    net: SegmentAnything,
    first: Sequence[Picture],
    pools: Sequence[Sequence[Picture]],
    held_out: Sequence[Picture],
    *,
    steps: int = 100,
    options: EngineOptions | None = None,
    report: Callable[[float], Any] | None = None,
) -> Iterator[Round]:
    """Run the rounds one after the other; the network is trained in place.

    Args:
        net: to be trained.
        first: with their true masks: the public data that the engine starts from.
        pools: images of each of the three rounds; people know the true masks, the model does not.
        held_out: what the model is measured on.
        steps: of training after each round.
        options: how people and model work together.
        report: called with the loss of every step.

    Yields:
        the start, and each round.
    """
    o = options or EngineOptions()
    known = list(first)
    fit(net, known, steps, o, 0, report)
    yield Round("start", known[:], 0, 0, 1.0, 1.0, one_click_iou(net, held_out))
    for number, ((name, work), pool) in enumerate(zip(ROUNDS, pools, strict=True), start=1):
        made, clicks, painted, quality, found = [], 0, 0, [], []
        for picture in pool:
            masks, c, p = work(net, picture, o)
            made.append(Picture(picture.image, masks))
            clicks, painted = clicks + c, painted + p
            quality += [best_iou(m, picture.masks) for m in masks]
            found += [best_iou(m, masks) for m in picture.masks]
        known += made
        fit(net, known, steps, o, number, report)
        score = one_click_iou(net, held_out)
        yield Round(name, made, clicks, painted, mean(quality), mean(found), score)


def mean(values: Sequence[float]) -> float:
    """The mean, NaN of nothing."""
    return float(np.mean(values)) if values else float("nan")
