"""Forward time of every network of the semantic section against its reference, same weights.

    python -m tests.benchmarks.bench_semantic [NAME …] [--rounds 7]

On the CPU: batch 1, 512 x 512, 2 threads, float32, both eager; ratio = ours / theirs, the median
over rounds in which both ran side by side. With a GPU also batch 8, 1024 x 1024, bfloat16: ours
compiled, theirs eager; there the figure is how many times faster ours is. A reference that is only
a GitHub repository is skipped where `SEGEDU_REFERENCES` has no checkout of it.
"""

from __future__ import annotations

import argparse
import gc
import statistics
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from tests.benchmarks.timing import interleaved_times, report, speedup
from tests.parity import ports, test_deeplab, test_deeplab_v3, test_hrnet
from tests.parity.helpers import TOLERANCE, random_images
from tests.parity.test_segformer import segformer_pair

# Name -> (ours, theirs), both in eval mode with the same weights. Add a line for each method.
PAIRS: dict[str, Callable[[], tuple[nn.Module, nn.Module]]] = {
    "FCN-32s": lambda: ports.fcn_pair(32),
    "FCN-16s": lambda: ports.fcn_pair(16),
    "FCN-8s": lambda: ports.fcn_pair(8),
    "SegNet": ports.segnet_pair,
    "DeconvNet": ports.deconvnet_pair,
    "U-Net": ports.unet_same_pair,
    "hourglass, 2 stacks": lambda: ports.hourglass_pair(2),
    "hourglass, 8 stacks": lambda: ports.hourglass_pair(8),
    "DeepLab v1": ports.large_fov_pair,
    "DeepLab v2 R101": test_deeplab.enlarged_pair,
    "DeepLab v3 R50": lambda: test_deeplab_v3.torchvision_pair(50),
    "DeepLab v3 R101": lambda: test_deeplab_v3.torchvision_pair(101),
    "DeepLab v3+ R101": test_deeplab_v3.port_pair,
    **{f"HRNet-W{w}": lambda w=w: test_hrnet.official_pair(w) for w in (18, 32, 48)},
    **{f"SegFormer-B{b}": lambda b=b: segformer_pair(b) for b in range(6)},
}


def on_cpu(names: Iterable[str], rounds: int) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Time pairs one after the other; only one is in memory."""
    images = random_images(1, 3, 512, 512)
    rows, ratios = [], {}
    for name in names:
        try:
            ours, theirs = PAIRS[name]()
        except ModuleNotFoundError as missing:
            print(f"{name}: left out, no checkout of its reference ({missing})")
            continue
        with torch.inference_mode():
            difference = (ours(images) - theirs(images)).abs().flatten()
            # Not the maximum: in networks that unpool a tie in a pooling window moves a value.
            # The parity tests are strict about it.
            assert float(difference.median()) <= TOLERANCE, f"{name} says something else"
            contenders = {"ours": lambda m=ours: m(images), "theirs": lambda m=theirs: m(images)}
            times = interleaved_times(contenders, rounds)
        ratios[name] = 1 / speedup(times, "ours", "theirs")
        rows.append(
            {
                "network": name,
                "ms, ours": statistics.median(times["ours"]) * 1e3,
                "ms, reference": statistics.median(times["theirs"]) * 1e3,
                "ours / reference": ratios[name],
                "largest difference": f"{float(difference.max()):.0e}",
            }
        )
        print(f"{name}: {ratios[name]:.3f}", flush=True)
        del ours, theirs, contenders
        gc.collect()
    return rows, ratios


def assert_alike(name: str, ours: Tensor, theirs: Tensor) -> None:
    """Loosely, for bfloat16, which keeps three digits: a typical difference is small."""
    difference = (ours - theirs).abs().median() / theirs.std()
    assert float(difference) <= 0.1, f"{name} says something else: {float(difference):.2f} sd"


def on_cuda(names: Iterable[str], rounds: int) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Ours compiled against the reference eager, both in bfloat16."""
    images = random_images(8, 3, 1024, 1024).cuda().bfloat16()
    rows, ratios = [], {}
    for name in names:
        try:
            ours, theirs = (m.cuda().bfloat16() for m in PAIRS[name]())
        except ModuleNotFoundError:
            continue
        with torch.inference_mode():  # before it is compiled: seconds, and the same arithmetic
            assert_alike(name, ours(images[:1]).float(), theirs(images[:1]).float())
        ours = torch.compile(ours.to(memory_format=torch.channels_last))

        def run(model: nn.Module) -> None:
            model(images)
            torch.cuda.synchronize()

        with torch.inference_mode():
            contenders = {"ours": lambda m=ours: run(m), "theirs": lambda m=theirs: run(m)}
            times = interleaved_times(contenders, rounds, warmup=3)
        ratios[f"{name}, CUDA"] = speedup(times, "ours", "theirs")
        rows.append(
            {
                "network": name,
                "ms, ours": statistics.median(times["ours"]) * 1e3,
                "ms, reference": statistics.median(times["theirs"]) * 1e3,
                "times faster": ratios[f"{name}, CUDA"],
            }
        )
        del ours, theirs, contenders
        torch.cuda.empty_cache()
    return rows, ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="all unless given")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only-cuda", action="store_true")
    options = parser.parse_args()
    names = options.names or list(PAIRS)
    if unknown := set(names) - set(PAIRS):
        parser.error(f"no such network: {', '.join(unknown)}; there are {', '.join(PAIRS)}")
    torch.set_num_threads(2)
    if not options.only_cuda:
        rows, ratios = on_cpu(names, options.rounds)
        if rows:
            report("semantic", rows, ratios)
    if torch.cuda.is_available():
        rows, ratios = on_cuda(names, options.rounds)
        if rows:
            report("semantic, CUDA", rows, ratios)


if __name__ == "__main__":
    main()
