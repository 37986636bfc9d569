"""What every benchmark here shares: interleaved medians, the table, the JSON line.

A shared machine drifts by tens of percent within a minute, so a time means little and only ratios
measured side by side are reported: each round calls every contender once, in a new order, and the
ratio is the median over rounds of the ratios within a round.
"""

from __future__ import annotations

import gc
import json
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def interleaved_times(
    contenders: Mapping[str, Callable[[], Any]],
    rounds: int = 15,
    warmup: int = 1,
    before: Callable[[], Any] | None = None,
) -> dict[str, list[float]]:
    """Seconds of each contender in each of `rounds` rounds.

    Args:
        contenders: name to a function without arguments.
        rounds: how often each is timed.
        warmup: untimed calls of each first (compiling, filling caches).
        before: called, untimed, before every timed call.
    """
    for function in contenders.values():
        for _ in range(warmup):
            function()
    order = random.Random(0)
    times: dict[str, list[float]] = {name: [] for name in contenders}
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(rounds):
            for name in order.sample(list(contenders), len(contenders)):
                if before is not None:
                    before()
                start = time.perf_counter()
                contenders[name]()
                times[name].append(time.perf_counter() - start)
            gc.collect()
    finally:
        if collecting:
            gc.enable()
    return times


def interleaved_medians(
    contenders: Mapping[str, Callable[[], Any]], rounds: int = 15, warmup: int = 1
) -> dict[str, float]:
    """Median seconds of each contender; see `interleaved_times`."""
    times = interleaved_times(contenders, rounds, warmup)
    return {name: statistics.median(values) for name, values in times.items()}


def speedup(times: Mapping[str, Sequence[float]], ours: str, peer: str) -> float:
    """How many times faster `ours` is than `peer`: the median of the rounds' ratios."""
    pairs = zip(times[peer], times[ours], strict=True)
    return statistics.median(theirs / mine for theirs, mine in pairs)


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """`rows` as a markdown table; columns are the first row's keys, floats get 3 digits."""
    columns = list(rows[0])
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for row in rows:
        cells = (row.get(column, "") for column in columns)
        lines.append("| " + " | ".join(_cell(value) for value in cells) + " |")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
    return str(value)


def report(name: str, rows: Sequence[Mapping[str, Any]], ratios: Mapping[str, float]) -> None:
    """Print the table, then one line of JSON with the ratios."""
    print(markdown_table(rows))
    rounded = {key: round(value, 4) for key, value in ratios.items()}
    print("\n" + json.dumps({"benchmark": name, "ratios": rounded}), flush=True)
