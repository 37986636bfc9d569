"""Speed of SLIC: uint8 RGB in, final connected labels out, 10 iterations, one thread.

    python -m tests.benchmarks.bench_slic [--rounds N]

Peers are scikit-image, OpenCV (with the conversion to float CIELAB that it wants) and, where it is
installed, fast-slic with AVX2, which exists as source only and builds with an old Cython:

    pip install "cython<3" numpy setuptools
    pip install fast-slic --no-deps --no-build-isolation

Where there is a CUDA GPU the time per 1080p image, alone and in a batch, is measured as well. Last
comes the very first call of a fresh process, once Numba's compiled kernels are on disk.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import skimage.data
import skimage.transform
import torch
from numpy.typing import NDArray

from segedu.images import as_uint8
from segedu.superpixels import slic
from tests.benchmarks.bench_superpixel_quality import METHODS, segedu_slic
from tests.benchmarks.timing import interleaved_times, report, speedup

SIZES = ((321, 481, 250), (1000, 1500, 2000))


def photograph(height: int, width: int) -> NDArray[np.uint8]:
    """A photograph of any size, mirrored rather than enlarged, so that its detail is natural."""
    image = skimage.data.coffee()
    if height <= 400 and width <= 600:
        small = skimage.transform.resize(image, (height, width), anti_aliasing=True)
        return as_uint8(small.clip(0, 1))
    tall, wide = max(0, height - 400), max(0, width - 600)
    padded = np.pad(image, ((tall // 2, tall - tall // 2), (wide // 2, wide - wide // 2), (0, 0)),
                    mode="symmetric")  # fmt: skip
    return np.ascontiguousarray(padded[:height, :width])


def on_cpu(rounds: int) -> tuple[list[dict[str, Any]], dict[str, float]]:
    rows, ratios = [], {}
    for height, width, n_segments in SIZES:
        image = photograph(height, width)
        contenders: dict[str, Callable[[], Any]] = {
            name: (lambda method=method, image=image, k=n_segments: method(image, k))
            for name, method in (METHODS | {"segedu": segedu_slic}).items()
        }
        times = interleaved_times(contenders, rounds if height < 500 else max(3, rounds // 3))
        for name in contenders:
            ratio = speedup(times, name, "scikit-image")
            milliseconds = statistics.median(times[name]) * 1e3
            rows.append(
                {
                    "size": f"{width}×{height}, K = {n_segments}",
                    "method": name,
                    "ms": milliseconds,
                    "times scikit-image": ratio,
                }
            )
            if name != "segedu":
                ratios[f"{name}, {width}x{height}"] = speedup(times, "segedu", name)
    return rows, ratios


def on_cuda(rounds: int) -> tuple[list[dict[str, Any]], dict[str, float]]:
    image = photograph(1080, 1920)
    rows, ratios = [], {}
    for batch in (1, 8):
        images = np.stack([image] * batch)
        contenders: dict[str, Callable[[], Any]] = {
            device: (lambda device=device, images=images: slic(images, 2000, device=device))
            for device in ("cpu", "cuda")
        }
        times = interleaved_times(contenders, max(3, rounds // 3))
        for device in contenders:
            rows.append(
                {
                    "size": f"1920×1080, K = 2000, batch of {batch}",
                    "method": f"segedu on {device}",
                    "ms": statistics.median(times[device]) * 1e3 / batch,
                    "times scikit-image": "",
                }
            )
        ratios[f"cuda against cpu, batch of {batch}"] = speedup(times, "cuda", "cpu")
    return rows, ratios


def first_call() -> float:
    """Seconds of the first call in a fresh process, imports left out."""
    code = (
        "import time, numpy as np; from segedu.superpixels import slic;"
        "image = np.zeros((321, 481, 3), np.uint8); start = time.perf_counter();"
        "slic(image, device='cpu'); print(time.perf_counter() - start)"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            for _ in range(3)]  # fmt: skip
    return statistics.median(float(run.stdout) for run in runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    cv2.setNumThreads(1)  # scikit-image's and ours use one for a single image anyway
    torch.set_num_threads(1)
    rows, ratios = on_cpu(rounds)
    if torch.cuda.is_available():
        more_rows, more_ratios = on_cuda(rounds)
        rows, ratios = rows + more_rows, ratios | more_ratios
    report("slic", rows, ratios)
    print(f"\nThe first call of a fresh process takes {first_call() * 1e3:.0f} ms.")


if __name__ == "__main__":
    main()
