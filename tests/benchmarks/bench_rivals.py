"""Speed of SLIC's rivals, and the quality of TurboPixels.

    python -m tests.benchmarks.bench_rivals [--rounds N] [--images N] [--data ROOT]

Graph-based segmentation and QuickShift stand against scikit-image's on one thread, which give the
same labels (checked here once more). No other implementation of TurboPixels runs here, so its
seconds stand alone; how its time grows is measured twice: on photographs of 1/4 to 4 times the
pixels with superpixels of the same size, and with the same number of superpixels. Linear means:
four times the pixels, four times the time.

TurboPixels' quality on BSDS500 (where the photographs are at hand) is that of
`bench_superpixel_quality`, beside SLIC and the bare grid of its seeds.
"""

from __future__ import annotations

import argparse
import functools
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
import skimage.segmentation
import skimage.transform
import torch
from numpy.typing import NDArray

from segedu.data.bsds import BSDS500
from segedu.superpixels import felzenszwalb, quickshift, slic, turbopixels
from segedu.superpixels.slic import Grid
from tests.benchmarks.bench_superpixel_quality import MEASURES, at_exactly
from tests.benchmarks.timing import interleaved_times, markdown_table, report, speedup
from tests.requirements_of_machine import SHARED_DATA

SHAPE = (321, 481)
# Like for like: the parameters that scikit-image's gallery shows, and those of its signature.
PAIRS: dict[str, tuple[Any, Any, tuple[Any, ...]]] = {
    "felzenszwalb, scale 100": (
        felzenszwalb,
        skimage.segmentation.felzenszwalb,
        (100, 0.5, 50),
    ),
    "felzenszwalb, scale 1": (felzenszwalb, skimage.segmentation.felzenszwalb, (1, 0.8, 20)),
    "quickshift, kernel 3": (
        functools.partial(quickshift, device="cpu"),
        skimage.segmentation.quickshift,
        (0.5, 3, 6),
    ),
    "quickshift, kernel 5": (
        functools.partial(quickshift, device="cpu"),
        skimage.segmentation.quickshift,
        (1.0, 5, 10),
    ),
}


def photograph(scale: float = 1.0) -> NDArray[np.uint8]:
    """The astronaut at `scale` times 321 x 481."""
    shape = [round(length * scale) for length in SHAPE]
    resized = skimage.transform.resize(skimage.data.astronaut(), shape, anti_aliasing=True)
    return np.rint(resized * 255).astype(np.uint8)


def against_scikit_image(rounds: int) -> tuple[list[dict[str, Any]], dict[str, float]]:
    image = photograph()
    rows, ratios = [], {}
    for name, (ours, theirs, arguments) in PAIRS.items():
        same = np.array_equal(ours(image, *arguments), theirs(image, *arguments))
        contenders = {
            "segedu": functools.partial(ours, image, *arguments),
            "scikit-image": functools.partial(theirs, image, *arguments),
        }
        times = interleaved_times(contenders, rounds)
        ratios[name] = speedup(times, "segedu", "scikit-image")
        milliseconds = {key: 1000 * statistics.median(value) for key, value in times.items()}
        rows.append(
            {
                "method": name,
                "segedu ms": milliseconds["segedu"],
                "scikit-image ms": milliseconds["scikit-image"],
                "times faster": ratios[name],
                "same labels": "yes" if same else "no",
            }
        )
    return rows, ratios


def growth_of_time(rounds: int) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Seconds of `turbopixels` at several sizes, interleaved."""
    sizes = {f"{p:g} x pixels, {k}": (np.sqrt(p), k) for p, k in [(0.25, 62), (1, 250), (4, 1000)]}
    sizes |= {f"{p:g} x pixels, {k}": (np.sqrt(p), k) for p, k in [(0.25, 250), (4, 250)]}
    images = {scale: photograph(scale) for scale, _ in sizes.values()}
    contenders = {
        name: functools.partial(turbopixels, images[scale], k) for name, (scale, k) in sizes.items()
    }
    times = interleaved_times(contenders, rounds)
    base = "1 x pixels, 250"
    rows, ratios = [], {}
    for name, (scale, k) in sizes.items():
        height, width, _ = images[scale].shape
        more = height * width / (SHAPE[0] * SHAPE[1])
        per_pixel = statistics.median(
            (t / t0) / more for t, t0 in zip(times[name], times[base], strict=True)
        )
        ratios[f"turbopixels, time a pixel, {name}"] = per_pixel
        rows.append(
            {
                "turbopixels": f"{height} x {width}",
                "segments": k,
                "seconds": statistics.median(times[name]),
                "time a pixel against 321 x 481": per_pixel,
            }
        )
    ratios["turbopixels, seconds"] = statistics.median(times[base])
    return rows, ratios


def grid_only(image: NDArray[np.uint8], asked: int) -> NDArray[np.int64]:
    """The cells in which the seeds are placed."""
    height, width, _ = image.shape
    grid = Grid.over(height, width, asked)
    row = np.searchsorted(grid.rows, np.arange(height), side="right") - 1
    col = np.searchsorted(grid.cols, np.arange(width), side="right") - 1
    return row[:, None] * (len(grid.cols) - 1) + col


def quality(n_images: int, root: Path) -> list[dict[str, Any]]:
    """Measures at exactly 250 superpixels, mean over photographs."""
    data = BSDS500(root, "val")
    chosen = np.linspace(0, len(data) - 1, min(n_images, len(data))).round().astype(int)
    methods: dict[str, Any] = {
        "turbopixels": turbopixels,
        "turbopixels, nu 0.08": functools.partial(turbopixels, nu=0.08),
        "slic": functools.partial(slic, device="cpu"),
        "grid": grid_only,
    }
    rows = []
    for name, method in methods.items():
        found = [at_exactly(method, data[int(i)], 250)[0] for i in chosen]
        means = (float(value) for value in np.mean(found, axis=0))
        rows.append({"method": name} | dict(zip(MEASURES, means, strict=True)))
    print(f"BSDS500, {len(chosen)} photographs, 250 superpixels\n")
    print(markdown_table(rows) + "\n")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11, help="timed calls of each contender")
    parser.add_argument("--images", type=int, default=20, help="photographs for the quality")
    parser.add_argument("--data", type=Path, default=SHARED_DATA / "bsds500")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    values: dict[str, float] = {}
    if arguments.data.exists() and arguments.images > 0:
        for row in quality(arguments.images, arguments.data):
            values |= {f"{row['method']}, {m}": row[m] for m in MEASURES}
    rows, ratios = growth_of_time(max(3, arguments.rounds // 3))
    print(markdown_table(rows) + "\n")
    values |= ratios
    rows, ratios = against_scikit_image(arguments.rounds)
    report("rivals", rows, values | ratios)


if __name__ == "__main__":
    main()
