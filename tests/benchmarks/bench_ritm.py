"""RITM's networks beside the authors' code, same weights: one answer to five clicks.

    python -m tests.benchmarks.bench_ritm [hrnet18s hrnet18 hrnet32] [--rounds 7]

On the CPU: one image of 400 x 400 (what Zoom-In shows), 2 threads, float32; ratio = ours / theirs,
the median over rounds in which both ran side by side. Needs a checkout of the authors' code in
`SEGEDU_REFERENCES`.
"""

from __future__ import annotations

import argparse
import gc
import statistics

import torch

from tests.benchmarks.timing import interleaved_times, report, speedup
from tests.parity.helpers import TOLERANCE
from tests.parity.test_ritm import NETWORKS, official_pair
from tests.requirements_of_machine import MissingCheckoutError

SIDE = 400
CLICKS = [(200, 210), (120, 90), (300, 310), (10, 380), (390, 5)]  # (x, y); two are negative


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="all unless given")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(1, 3, SIDE, SIDE, generator=generator)
    previous = torch.rand(1, 1, SIDE, SIDE, generator=generator)
    points = torch.tensor([[(x, y, float(n < 3)) for n, (x, y) in enumerate(CLICKS)]])
    ordered = [[y, x, n] for n, (x, y) in enumerate(CLICKS)]
    clicks = torch.tensor([[*ordered[:3], *ordered[3:], [-1, -1, -1]]])  # as many of each sign
    rows, ratios = [], {}
    for name in options.names or NETWORKS:
        try:
            ours, theirs = official_pair(name)
        except MissingCheckoutError as missing:
            print(f"left out; this benchmark needs {missing}")
            return
        normalized, joined = ours.normalization.apply(images), torch.cat([images, previous], 1)
        with torch.inference_mode():
            contenders = {
                "ours": lambda m=ours, x=normalized: m(x, points, previous),
                "theirs": lambda m=theirs, x=joined: m(x, clicks)["instances"],
            }
            difference = float((contenders["ours"]() - contenders["theirs"]()).abs().max())
            assert difference <= TOLERANCE, f"{name} says something else: {difference:.1e}"
            times = interleaved_times(contenders, options.rounds)
        ratios[f"RITM {name}"] = 1 / speedup(times, "ours", "theirs")
        rows.append(
            {
                "network": name,
                "ms, ours": statistics.median(times["ours"]) * 1e3,
                "ms, authors": statistics.median(times["theirs"]) * 1e3,
                "ours / authors": ratios[f"RITM {name}"],
                "largest difference": f"{difference:.0e}",
            }
        )
        del ours, theirs, contenders
        gc.collect()
    report("ritm", rows, ratios)


if __name__ == "__main__":
    main()
