"""Speed of the fully connected CRF against pydensecrf: 5 iterations, one thread each.

    python -m tests.benchmarks.bench_crf [--rounds N]

Times are from probabilities to marginals, the lattices' construction included. pydensecrf is the
fork that builds, `pip install pydensecrf2`. Where there is a CUDA GPU its time is given as well.
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

import cv2
import numpy as np
import skimage.data
import torch

from segedu.semantic import CRFParameters, dense_crf
from tests.benchmarks.timing import interleaved_times, report, speedup
from tests.parity.test_crf import pydensecrf
from tests.semantic.test_crf import unsure

HEIGHT, WIDTH = 321, 481


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    image = cv2.resize(skimage.data.coffee(), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    rows: list[dict[str, Any]] = []
    ratios: dict[str, float] = {}
    for labels in (2, 21):
        p = unsure(image, labels)
        contenders = {
            "segedu": lambda p=p: dense_crf(image, p, device="cpu"),
            "pydensecrf": lambda p=p: pydensecrf(image, p, CRFParameters()),
        }
        if torch.cuda.is_available():
            contenders["segedu, CUDA"] = lambda p=p: dense_crf(image, p, device="cuda")
        agreement = (
            contenders["segedu"]().argmax(0) == contenders["pydensecrf"]().argmax(0)
        ).mean()
        times = interleaved_times(contenders, rounds)
        for name in contenders:
            rows.append(
                {
                    "labels": labels,
                    "method": name,
                    "ms": statistics.median(times[name]) * 1e3,
                    "time / pydensecrf's": 1 / speedup(times, name, "pydensecrf"),
                    "same label, %": 100 * float(agreement) if name == "segedu" else "",
                }
            )
        ratios[f"{labels} labels"] = 1 / speedup(times, "segedu", "pydensecrf")
    report("crf", rows, ratios)


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    main()
