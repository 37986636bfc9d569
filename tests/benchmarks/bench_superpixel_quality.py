"""Quality of superpixels on BSDS500, every method at exactly the same number of them.

    python -m tests.benchmarks.bench_superpixel_quality [--images N] [--segments K] [--data ROOT]
                                                        [--all]

Methods give more or fewer superpixels than asked for, and every measure but compactness improves
with their number. So each method is asked until its final number lies once at or below K and once
at or above it, and each measure is interpolated linearly in between, photograph by photograph.
Measures are those of `segedu.superpixels.metrics`, mean over annotators, then over photographs.

The table has segedu, scikit-image, OpenCV (on float CIELAB) and, where it is installed, fast-slic,
which exists as source only and builds with an old Cython:

    pip install "cython<3" numpy setuptools
    pip install fast-slic --no-deps --no-build-isolation
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import skimage.segmentation
from numpy.typing import NDArray

from segedu.data.bsds import BSDS500, BSDSSample
from segedu.superpixels import slic
from segedu.superpixels.metrics import (
    achievable_segmentation_accuracy,
    boundary_recall,
    compactness,
    explained_variation,
    undersegmentation_error,
)
from tests.benchmarks.timing import report
from tests.requirements_of_machine import SHARED_DATA

try:
    from fast_slic.avx2 import SlicAvx2
except ImportError:
    SlicAvx2 = None

Method = Callable[[NDArray[np.uint8], int], NDArray[Any]]
MEASURES = ("BR", "UE", "ASA", "CO", "EV")


def segedu_slic(image: NDArray[np.uint8], asked: int) -> NDArray[Any]:
    return slic(image, asked, device="cpu")


def segedu_slico(image: NDArray[np.uint8], asked: int) -> NDArray[Any]:
    return slic(image, asked, slico=True, device="cpu")


def skimage_slic(image: NDArray[np.uint8], asked: int, slic_zero: bool = False) -> NDArray[Any]:
    return skimage.segmentation.slic(
        image, asked, compactness=10, max_num_iter=10, start_label=0, slic_zero=slic_zero
    )


def opencv_slic(image: NDArray[np.uint8], asked: int) -> NDArray[Any]:
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    size = round(np.sqrt(image.shape[0] * image.shape[1] / asked))
    method = cv2.ximgproc.createSuperpixelSLIC(lab, cv2.ximgproc.SLIC, size, 10.0)
    method.iterate(10)
    method.enforceLabelConnectivity(25)
    return method.getLabels()


def fast_slic(image: NDArray[np.uint8], asked: int) -> NDArray[Any]:
    method = SlicAvx2(num_components=asked, compactness=10, num_threads=1)
    return method.iterate(np.ascontiguousarray(image), max_iter=10)


METHODS: dict[str, Method] = {
    "segedu": segedu_slic,
    "scikit-image": skimage_slic,
    "OpenCV": opencv_slic,
}
if SlicAvx2 is not None:
    METHODS["fast-slic"] = fast_slic
MORE: dict[str, Method] = {
    "segedu SLICO": segedu_slico,
    "scikit-image SLICO": functools.partial(skimage_slic, slic_zero=True),
    "scikit-image quickshift": lambda image, asked: skimage.segmentation.quickshift(
        image, kernel_size=np.sqrt(1700 / asked), max_dist=np.sqrt(25000 / asked), ratio=0.5
    ),
    "scikit-image felzenszwalb": lambda image, asked: skimage.segmentation.felzenszwalb(
        image, scale=16000 / asked, sigma=0.8, min_size=max(1, 10000 // asked)
    ),
}


def measure(labels: NDArray[Any], sample: BSDSSample) -> NDArray[np.float64]:
    """BR, UE, ASA, CO, EV of one superpixel map: -> (5,)."""
    people = sample.segmentations
    return np.array(
        [
            np.mean([boundary_recall(labels, truth) for truth in people]),
            np.mean([undersegmentation_error(labels, truth) for truth in people]),
            np.mean([achievable_segmentation_accuracy(labels, truth) for truth in people]),
            compactness(labels),
            explained_variation(labels, sample.image),
        ]
    )


def at_exactly(method: Method, sample: BSDSSample, target: int) -> tuple[NDArray[np.float64], int]:
    """Measures (5,) interpolated to `target` superpixels, and how many asking for that gave."""
    found: dict[int, NDArray[np.float64]] = {}
    asked, first = float(target), 0
    for step in range(12):
        labels = method(sample.image, round(asked))
        number = len(np.unique(labels))
        first = first or number
        found[number] = measure(labels, sample)
        below = [n for n in found if n <= target]
        above = [n for n in found if n >= target]
        if below and above:
            low, high = max(below), min(above)
            weight = (target - low) / max(high - low, 1)
            return (1 - weight) * found[low] + weight * found[high], first
        # Aim a little beyond the target, further with every try.
        beyond = 1 + (0.04 + 0.02 * step) * (1 if number < target else -1)
        asked *= np.clip(target / number, 0.5, 2) * beyond
    raise RuntimeError(f"{sample.id}: cannot reach {target} superpixels, got {sorted(found)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100, help="photographs, evenly from all")
    parser.add_argument("--segments", type=int, default=250, help="superpixels to compare at")
    parser.add_argument("--data", type=Path, default=SHARED_DATA / "bsds500")
    parser.add_argument("--all", action="store_true", help="other methods than SLIC too")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    samples = [(data, i) for split in ("train", "val") for data in [BSDS500(arguments.data, split)]
               for i in range(len(data))]  # fmt: skip
    chosen = np.linspace(0, len(samples) - 1, min(arguments.images, len(samples))).round()
    methods = METHODS | (MORE if arguments.all else {})
    results: dict[str, list[tuple[NDArray[np.float64], int]]] = {name: [] for name in methods}
    for index in chosen.astype(int):
        data, i = samples[index]
        sample = data[i]
        for name, method in methods.items():
            results[name].append(at_exactly(method, sample, arguments.segments))
    means = {name: np.mean([m for m, _ in found], axis=0) for name, found in results.items()}
    rows = [
        {"method": name}
        | dict(zip(MEASURES, (float(v) for v in mean), strict=True))
        | {f"given when asked for {arguments.segments}": _mean_count(results[name])}
        for name, mean in means.items()
    ]
    print(f"{len(chosen)} photographs, {arguments.segments} superpixels\n")
    ratios = {
        f"{measure} / {name}": float(means["segedu"][i] / means[name][i])
        for name in methods
        for i, measure in enumerate(MEASURES)
        if name != "segedu"
    }
    absolute = dict(zip(MEASURES, (float(v) for v in means["segedu"]), strict=True))
    report("superpixel_quality", rows, absolute | ratios)


def _mean_count(found: list[tuple[NDArray[np.float64], int]]) -> str:
    counts = [count for _, count in found]
    return f"{np.mean(counts):.0f} ± {np.std(counts):.0f}"


if __name__ == "__main__":
    main()
