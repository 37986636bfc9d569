"""Segment Anything beside its authors' code, same weights: encoder, prompts, everything mode.

    python -m tests.benchmarks.bench_sam [encoder] [prompts] [everything] [--rounds 5]
        [--points 32] [--only-cuda]

On the CPU: ViT-B at 1024 x 1024, 2 threads, float32; ratio = ours / theirs, the median over rounds
in which both ran side by side. Everything mode, which includes the encoder, asks about
points x points on a picture of 1024 x 1024: 32 as the authors do, since with few the encoder takes
most of the time. The thresholds are such that half of the random masks pass the first filter and
half of those the second. With a GPU also in bfloat16: ours compiled, theirs eager. Needs a checkout
of facebookresearch/segment-anything in `SEGEDU_REFERENCES`.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from segedu.backbones.vit import VIT_B
from segedu.interactive import segment_everything
from segedu.interactive.sam_network import SegmentAnything
from tests.benchmarks.bench_semantic import assert_alike
from tests.benchmarks.timing import interleaved_times, report, speedup
from tests.interactive.test_sam import picture
from tests.parity.helpers import TOLERANCE, random_images, reference
from tests.parity.test_sam import CHECKOUT, official_decode, official_sam, pair, prompts

SIDE = 1024
Contenders = dict[str, Callable[[], Any]]


def same(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    difference = float((ours - theirs).abs().max())
    assert difference <= TOLERANCE * max(1.0, float(theirs.abs().max())), f"differ: {difference}"


def encoder(ours: SegmentAnything, theirs: nn.Module) -> dict[str, Contenders]:
    """The whole image encoder."""
    images = random_images(1, 3, SIDE, SIDE)
    same(ours.encode(images), theirs.image_encoder(images))
    pair_ = {"ours": lambda: ours.encode(images), "theirs": lambda: theirs.image_encoder(images)}
    return {"encoder, ViT-B": pair_}


def prompt(ours: SegmentAnything, theirs: nn.Module) -> dict[str, Contenders]:
    """From prompts to low-resolution masks, the image being encoded."""
    embedding = random_images(1, 256, SIDE // 16, SIDE // 16)
    prepared = ours.prepare(embedding)
    found = {}
    for name, kinds, n, batch in (
        ("one click", ("point",), 1, 1),
        ("box and three clicks", ("point", "box"), 3, 1),
        ("three clicks and a mask", ("point", "mask"), 3, 1),
        ("twenty clicks", ("point",), 20, 1),
        ("8 points of a grid", ("point",), 1, 8),
    ):
        given = prompts(*kinds, n=n, batch=batch, pixels=SIDE)
        start = embedding if "mask" in kinds else prepared

        def mine(given: Any = given, start: Any = start) -> torch.Tensor:
            return ours.decode(start, **given)[0]

        def other(given: Any = given) -> torch.Tensor:
            return official_decode(theirs, embedding, given, True)[0]

        same(mine(), other())
        found[f"prompt: {name}"] = {"ours": mine, "theirs": other}
    return found


def everything(ours: SegmentAnything, theirs: nn.Module, points: int) -> dict[str, Contenders]:
    """Encoder, points, filters, run lengths."""
    image = picture((SIDE, SIDE))
    loose = {"points_per_side": 4, "stability_offset": 0.05, "box_nms": 1.0, "device": "cpu"}
    every = segment_everything(ours, image, iou_threshold=-9, stability_threshold=0, **loose)
    iou = float(np.median([f.predicted_iou for f in every]))
    stable = float(np.median([f.stability for f in every if f.predicted_iou > iou]))
    options = {"points_per_side": points, "iou_threshold": iou, "stability_threshold": stable}
    with reference(CHECKOUT) as load:
        generator = load("segment_anything.automatic_mask_generator").SamAutomaticMaskGenerator(
            theirs, points, pred_iou_thresh=iou, stability_score_thresh=stable,
            stability_score_offset=0.05, output_mode="coco_rle",
        )  # fmt: skip

    def mine() -> list[Any]:
        return segment_everything(ours, image, stability_offset=0.05, device="cpu", **options)

    mine_found, their_found = mine(), generator.generate(image)
    assert len(mine_found) == len(their_found) > 0, f"{len(mine_found)}, {len(their_found)}"
    name = f"everything, {points} x {points} points"
    return {name: {"ours": mine, "theirs": lambda: generator.generate(image)}}


def on_cuda(ours: SegmentAnything, theirs: nn.Module, rounds: int) -> None:
    """Ours compiled against theirs eager, the encoder in bfloat16, batch 4."""
    images = random_images(4, 3, SIDE, SIDE).cuda().bfloat16()
    ours, theirs = ours.cuda().bfloat16(), theirs.cuda().bfloat16()
    assert_alike("SAM", ours.encoder(images[:1]).float(), theirs.image_encoder(images[:1]).float())
    compiled = torch.compile(ours.encoder)

    def run(model: Callable[..., Any]) -> None:
        model(images)
        torch.cuda.synchronize()

    contenders = {"ours": lambda: run(compiled), "theirs": lambda: run(theirs.image_encoder)}
    measure("SAM, CUDA", {"encoder, ViT-B, batch 4": contenders}, rounds)


def measure(title: str, tasks: dict[str, Contenders], rounds: int) -> None:
    rows, ratios = [], {}
    for name, contenders in tasks.items():
        times = interleaved_times(contenders, rounds)
        ratios[name] = 1 / speedup(times, "ours", "theirs")
        rows.append(
            {
                "task": name,
                "ms, ours": statistics.median(times["ours"]) * 1e3,
                "ms, reference": statistics.median(times["theirs"]) * 1e3,
                "ours / reference": ratios[name],
            }
        )
        print(f"{name}: {ratios[name]:.3f}", flush=True)
    report(title, rows, ratios)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    kinds = ["encoder", "prompts", "everything"]
    parser.add_argument("tasks", nargs="*", choices=[*kinds, []], help="all unless given")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--points", type=int, nargs="+", default=[32])
    parser.add_argument("--only-cuda", action="store_true")
    options = parser.parse_args()
    chosen = [] if options.only_cuda else options.tasks or kinds
    torch.set_num_threads(2)
    try:
        theirs = official_sam(VIT_B, SIDE)
    except ModuleNotFoundError as missing:
        print(f"left out; this benchmark needs {missing}")
        return
    ours = pair(theirs, VIT_B, SIDE)
    tasks: dict[str, Contenders] = {}
    with torch.inference_mode():
        if "encoder" in chosen:
            tasks |= encoder(ours, theirs)
        if "prompts" in chosen:
            tasks |= prompt(ours, theirs)
        if "everything" in chosen:
            for points in options.points:
                tasks |= everything(ours, theirs, points)
        if tasks:
            measure("SAM", tasks, options.rounds)
        if torch.cuda.is_available():
            on_cuda(ours, theirs, options.rounds)


if __name__ == "__main__":
    main()
