"""Street scenes: images a second on one core, and how far colour alone gets.

    python -m tests.benchmarks.bench_scenes [--rounds N]

A round makes the same scenes at each size, one thread. "Processor" counts the processor's seconds,
which other processes on the machine disturb less than the clock's. The ratio compares with reading
a picture and its labels of the same size from PNG files, which is what a data set on disk costs.
The linear classifier is a logistic regression on RGB, trained on 60 scenes, evaluated on 40 others.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from sklearn.linear_model import LogisticRegression

from segedu.data.cityscapes import Cityscapes, write_cityscapes
from segedu.data.scenes import SCENE_CLASSES, SceneDataset, street_scene
from tests.benchmarks.timing import report

SIZES = ((128, 256, 24), (256, 512, 12), (512, 1024, 6), (1024, 2048, 3))


def seconds(function: Callable[[], Any]) -> tuple[float, float]:
    """Clock's and processor's seconds of a call."""
    clock, processor = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - clock, time.process_time() - processor


def speeds(rounds: int) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Images a second at each size, and the ratio to reading them from files."""
    rows, ratios = [], {}
    with tempfile.TemporaryDirectory() as folder:
        readers = {}
        for height, width, count in SIZES:
            scenes = [street_scene(seed, height, width) for seed in range(count)]
            write_cityscapes(scenes, Path(folder) / str(height), "val")
            readers[height] = Cityscapes(Path(folder) / str(height), "val")
        times: dict[int, list[tuple[float, float, float]]] = {size[0]: [] for size in SIZES}
        for round_ in range(rounds):
            for height, width, count in SIZES:
                first = 1000 + round_ * count
                seeds = range(first, first + count)
                made = seconds(
                    lambda s=seeds, h=height, w=width: [street_scene(i, h, w) for i in s]
                )
                read = seconds(lambda h=height: list(readers[h]))
                times[height].append((made[0] / count, made[1] / count, made[1] / read[1]))
    for height, width, _ in SIZES:
        clock, processor, ratio = (statistics.median(t) for t in zip(*times[height], strict=True))
        rows.append(
            {
                "size": f"{height}×{width}",
                "images/s": 1 / clock,
                "images/s, processor": 1 / processor,
                "best round": 1 / min(t[1] for t in times[height]),
                "time / reading PNG files": ratio,
            }
        )
        ratios[f"{height}x{width} / reading"] = ratio
    return rows, ratios


def linear_classifier() -> list[dict[str, Any]]:
    """IoU of each class for a logistic regression on RGB."""

    def pixels(split: str, length: int) -> tuple[np.ndarray, np.ndarray]:
        pairs = list(SceneDataset(split=split, length=length))
        colors = np.concatenate([image.permute(1, 2, 0).reshape(-1, 3) for image, _ in pairs])
        return colors, np.concatenate([target.flatten() for _, target in pairs])

    colors, target = pixels("train", 60)
    some = np.random.default_rng(0).permutation(len(colors))[:40000]
    model = LogisticRegression(max_iter=300).fit(colors[some], target[some])
    colors, target = pixels("val", 40)
    found = model.predict(colors)
    rows: list[dict[str, Any]] = []
    for index, kind in enumerate(SCENE_CLASSES):
        a, b = target == index, found == index
        iou = (a & b).sum() / max((a | b).sum(), 1)
        rows.append({"class": kind.name, "share of pixels": a.mean(), "IoU of colour": iou})
    rows.append({"class": "mean", "IoU of colour": np.mean([row["IoU of colour"] for row in rows])})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    cv2.setNumThreads(1)
    rows, ratios = speeds(rounds)
    report("scenes", rows, ratios)
    print()
    rows = linear_classifier()
    report("scenes, colour alone", rows, {"mIoU": float(rows[-1]["IoU of colour"])})


if __name__ == "__main__":
    main()
