"""How soon each demo answers a drag: one move of a slider, in an event loop as in a notebook.

first: milliseconds until the kernel is free again after the drag, the first answer painted;
slice: the longest stretch of work after that, between which the next drag is looked at;
all: until nothing is left to do. Medians over moves; the first ones are not timed.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle, islice
from typing import Any

from segedu.data import load_photograph
from segedu.data.scenes import scene_seeds, street_scene
from segedu.weights import load_shipped, shipped_names
from segedu.weights.methods import shipped_ritm
from segedu.widgets import demos
from tests.benchmarks.timing import report

ROUNDS = 3


def moves() -> Iterator[tuple[str, Callable[[], Any], Callable[[Any], Any], tuple[int, int]]]:
    """Name of a move, how to make the demo, which slider, and the values between which it goes."""
    photo = load_photograph("astronaut")
    box = next(thing.box for thing in photo.instances if thing.category == "person")
    street = street_scene(scene_seeds("test", 1)[0]).image

    def network(kind: str) -> Any:
        return load_shipped(next(n for n in shipped_names() if n.startswith(kind)))

    def rivals() -> Any:
        return demos.rivals(photo.image, photo.segment_ids)

    yield "SLIC: iteration", lambda: demos.slic_stepper(photo.image), lambda d: d.iteration, (2, 7)
    yield "SLIC: K", lambda: demos.slic_stepper(photo.image), lambda d: d.n_segments, (50, 90)
    for name, pair in (("SLIC", (100, 150)), ("graph-based", (100, 300)),
                       ("TurboPixels", (100, 150)), ("QuickShift", (8, 16))):  # fmt: skip
        yield f"rivals: {name}", rivals, lambda d, name=name: d.sliders[name], pair
    yield (
        "recall curve: tolerance",
        lambda: demos.boundary_recall_curve(photo.image, photo.segment_ids, numbers=(100, 400)),
        lambda d: d.tolerance,
        (1, 3),
    )
    yield "upsampling: factor", demos.upsampling, lambda d: d.factor, (2, 3)
    coffee = load_photograph("coffee").image
    yield "atrous: rate", lambda: demos.atrous_explorer(coffee), lambda d: d.rates[0], (2, 5)
    yield "CRF: step", lambda: demos.crf_explorer("coffee"), lambda d: d.step, (2, 4)
    explorer = partial(demos.hrnet_branches, street, network("hrnet"))
    yield "HRNet: stage", explorer, lambda d: d.stage_number, (3, 4)
    explorer = partial(demos.attention_explorer, network("segformer"), street)
    yield "attention: head", explorer, lambda d: d.head, (0, 1)
    stepper = partial(demos.grabcut_stepper, photo.image, box)
    yield "GrabCut: box", stepper, lambda d: d.margin, (4, 8)
    network_of_clicks = shipped_ritm().method.net
    explorer = partial(demos.click_explorer, photo.image, network_of_clicks)
    yield "clicks: radius", explorer, lambda d: d.radius, (4, 8)


async def milliseconds(demo: Any, slider: Any, values: tuple[int, int]) -> dict[str, float]:
    """Medians of what one move takes."""
    seen: list[tuple[float, float, float]] = []
    for value in islice(cycle(values), ROUNDS + 2):
        start = time.perf_counter()
        slider.value = value
        first = woken = time.perf_counter()
        longest = 0.0
        while demo.busy:
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, woken = max(longest, now - woken), now
        seen.append((first - start, longest, woken - start))
    columns = zip(*seen[2:], strict=True)
    medians = (1000 * statistics.median(column) for column in columns)
    return dict(zip(("first", "slice", "all"), medians, strict=True))


def main() -> None:
    """Print the table."""
    rows = []
    for name, make, slider, values in moves():
        demo = make()
        found = asyncio.run(milliseconds(demo, slider(demo), values))
        print(name, found, file=sys.stderr, flush=True)
        rows.append({"demo: slider": name, **{f"{k}, ms": round(v) for k, v in found.items()}})
    report("demos", rows, {})


if __name__ == "__main__":
    main()
