"""The benchmark of interactive methods: a robot clicks on every object of a data set.

    run/results.jsonl    the first line says what is measured, with which weights and on what data,
                         then one line an object; each line is on the disk before the next object
                         begins, so that a run that was stopped, by Ctrl-C or by force, goes on
                         where it was
    run/report.html      the figures, the curve, the worst objects drawn

The robot and the number of clicks (NoC) are those of `segedu.interactive.clicks`.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import multiprocessing
import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask
from tqdm.auto import tqdm

from segedu.data.click_sets import ObjectSet, open_click_set
from segedu.interactive import GrabCut, InteractiveMethod, ZoomIn
from segedu.interactive.clicks import MAX_CLICKS, click_through, noc
from segedu.weights.methods import (
    SHIPPED_RITM,
    SHIPPED_SAM,
    official_click_names,
    official_method,
    shipped_ritm,
    shipped_sam,
)
from segedu.weights.official import fetch
from segedu.weights.registry import OFFICIAL
from segedu.weights.shipped import read_card

METHODS: dict[str, Callable[..., InteractiveMethod]] = {  # and the official weights' names
    "grabcut": GrabCut,
    "ritm": shipped_ritm,
    "sam": shipped_sam,
}
SHIPPED = {"ritm": SHIPPED_RITM, "sam": SHIPPED_SAM}
THRESHOLDS = (0.85, 0.9)


class EvaluationError(ValueError):
    """What was asked for cannot be measured; the message says why and what to do."""


@dataclass(frozen=True)
class Evaluation:
    """What is measured: equal ones give equal clicks.

    Attributes:
        method: a key of `METHODS`, a name of official weights that take clicks, or "module:name" of
            anything that builds a method when called.
        data: folder of the data set.
        layout: a key of `segedu.data.click_sets.CLICK_SETS`, or None to find out.
        max_clicks: at most that many an object.
        until: IoU at which the robot leaves an object; later points of the curve take its last IoU.
        objects: only the first so many; None for all.
        target_size: longer side in pixels that RITM sees; None for the method's own. The authors
            take 400, and 600 for DAVIS.
        zoom: RITM zooms in from the second click on.
    """

    method: str
    data: str
    layout: str | None = None
    max_clicks: int = MAX_CLICKS
    until: float = max(THRESHOLDS)
    objects: int | None = None
    target_size: int | None = None
    zoom: bool = True

    def __post_init__(self) -> None:
        if self.max_clicks < 1:
            raise EvaluationError(f"max_clicks must be at least 1, got {self.max_clicks}")
        if not 0 < self.until <= 1:
            raise EvaluationError(f"until is an IoU in (0, 1], got {self.until}")
        if self.target_size is not None and self.target_size < 32:
            raise EvaluationError(f"target_size must be at least 32, got {self.target_size}")


def evaluate(evaluation: Evaluation, folder: Path, workers: int = 1) -> list[dict[str, Any]]:
    """Measure what the folder does not hold yet; returns one record an object, in the set's order.

    Args:
        evaluation: what to measure.
        folder: of the run, made when it is not there.
        workers: processes; 1 measures in this one.

    Raises:
        EvaluationError: no such method or data, or the folder holds another evaluation.
    """
    data = _open(evaluation)
    _method(evaluation)  # a wrong name is told before anything starts
    total = min(len(data), evaluation.objects or len(data))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "results.jsonl"
    records = {record["index"]: record for record in read_results(path, evaluation)}
    missing = [index for index in range(total) if index not in records]
    with _Results(path, evaluation) as results, tqdm(total=total, unit="object") as bar:
        bar.update(total - len(missing))
        for record in _measured(evaluation, missing, workers):
            results.append(record)
            records[record["index"]] = record
            bar.update()
            bar.set_postfix_str(f"NoC@90 {_mean_noc(list(records.values()), evaluation, 0.9):.2f}")
    return [records[index] for index in range(total)]


def _measured(
    evaluation: Evaluation, indices: Sequence[int], workers: int
) -> Iterator[dict[str, Any]]:
    if workers <= 1:
        for index in indices:
            yield measure(evaluation, index)
        return
    context = multiprocessing.get_context("spawn")  # a forked torch may hang
    with ProcessPoolExecutor(workers, context, _one_thread) as pool:
        jobs = [pool.submit(measure, evaluation, index) for index in indices]
        try:
            for job in as_completed(jobs):
                yield job.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _one_thread() -> None:
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def measure(evaluation: Evaluation, index: int) -> dict[str, Any]:
    """Let the robot click on one object; returns what `results.jsonl` keeps of it."""
    sample = _open(evaluation)[index]
    trace = click_through(
        _method(evaluation),
        sample.image,
        sample.mask,
        sample.ignored,
        max_clicks=evaluation.max_clicks,
        until=evaluation.until,
    )
    rle = coco_mask.encode(np.asfortranarray(trace.mask, np.uint8))
    return {
        "index": index,
        "name": sample.name,
        "ious": [round(value, 5) for value in trace.ious],
        "clicks": [[c.x, c.y, c.positive] for c in trace.clicks],
        "seconds": [round(value, 5) for value in trace.seconds],
        "set_image_seconds": round(trace.set_image_seconds, 5),
        "mask": {"size": rle["size"], "counts": rle["counts"].decode("ascii")},
    }


def _method(evaluation: Evaluation) -> InteractiveMethod:
    return build_method(evaluation.method, evaluation.target_size, evaluation.zoom)


@cache
def build_method(name: str, target_size: int | None = None, zoom: bool = True) -> InteractiveMethod:
    """Build a method by its name; one a process. Arguments as of `Evaluation`.

    Raises:
        EvaluationError: there is none of that name, its weights are not there, or it is told how to
            zoom and does not.
    """
    told = target_size is not None or not zoom
    if told and name != "ritm" and not name.startswith("ritm-"):
        raise EvaluationError(f"{name} does not zoom in: target size and zoom are RITM's alone")
    options = {} if target_size is None else {"size": target_size}
    try:
        method = _builder(name)(**options)
    except (ImportError, AttributeError, RuntimeError, TypeError) as error:
        raise EvaluationError(f"method {name!r} cannot be built: {error}") from error
    if "click" not in getattr(method, "accepts", ()):
        raise EvaluationError(f"{name} does not take clicks")
    return method.method if isinstance(method, ZoomIn) and not zoom else method


def _builder(name: str) -> Callable[..., InteractiveMethod]:
    if name in METHODS:
        return METHODS[name]
    if name in official_click_names():
        return partial(official_method, name)
    module, _, attribute = name.partition(":")
    if not attribute:
        raise EvaluationError(
            f"no method {name!r}; there are {', '.join([*METHODS, *official_click_names()])}, or "
            "module:name of your own"
        )
    builder: Callable[..., InteractiveMethod] = getattr(importlib.import_module(module), attribute)
    return builder


def identity(evaluation: Evaluation) -> dict[str, Any]:
    """What the first line of `results.jsonl` says: with equal ones a run may go on.

    Beside the evaluation's attributes, the data's folder in full, and "weights", the SHA-256 of the
    method's file, None where the method has none that we know of.
    """
    weights = None
    if evaluation.method in SHIPPED:
        weights = read_card(SHIPPED[evaluation.method])["sha256"]
    elif evaluation.method in official_click_names():
        with fetch(OFFICIAL[evaluation.method]).open("rb") as file:
            weights = hashlib.file_digest(file, "sha256").hexdigest()
    data = str(Path(evaluation.data).resolve())
    return asdict(evaluation) | {"data": data, "weights": weights}


@cache
def _open(evaluation: Evaluation) -> ObjectSet:
    try:
        return open_click_set(evaluation.data, evaluation.layout)
    except (OSError, ValueError) as error:
        raise EvaluationError(str(error)) from error


class _Results:
    """results.jsonl, each line on the disk as soon as it is known."""

    def __init__(self, path: Path, evaluation: Evaluation) -> None:
        self.path, self.evaluation = path, evaluation

    def __enter__(self) -> _Results:
        kept = self.path.read_bytes() if self.path.exists() else b""
        whole = kept[: kept.rfind(b"\n") + 1]  # a line that was cut off is measured again
        self._file = self.path.open("r+b" if kept else "wb")
        self._file.seek(len(whole))
        self._file.truncate()
        if not whole:
            self.append(identity(self.evaluation))
        return self

    def append(self, record: dict[str, Any]) -> None:
        self._file.write(json.dumps(record).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def __exit__(self, *_: object) -> None:
        self._file.close()


def read_results(path: Path, evaluation: Evaluation) -> list[dict[str, Any]]:
    """Read the records of an earlier run of the same evaluation; none where there was none.

    Raises:
        EvaluationError: the file holds another evaluation.
    """
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    if not lines:
        return []
    before, now = json.loads(lines[0]), identity(evaluation)
    # How many objects are measured changes nothing about each of them.
    if different := [key for key in now if key != "objects" and before.get(key) != now[key]]:
        told = ", ".join(f"{key} {before.get(key)!r} then, {now[key]!r} now" for key in different)
        raise EvaluationError(
            f"{path} holds another evaluation ({told}); choose another folder with --output, or "
            "remove this one"
        )
    return [json.loads(line) for line in lines[1:]]


def summarize(records: Sequence[dict[str, Any]], evaluation: Evaluation) -> dict[str, Any]:
    """Return the figures that papers report.

    Returns:
        "objects"; for each threshold "noc85", "noc90" (mean number of clicks) and "failed85",
        "failed90" (objects not reached in `max_clicks`), left out above `until`; "mean_iou", a list
        with one value a click; "seconds", the median of a click; "set_image_seconds", the median.
    """
    most = evaluation.max_clicks
    found: dict[str, Any] = {"objects": len(records)}
    for threshold in THRESHOLDS:
        if threshold <= evaluation.until:
            percent = round(100 * threshold)
            found[f"noc{percent}"] = round(_mean_noc(records, evaluation, threshold), 3)
            found[f"failed{percent}"] = sum(
                max(record["ious"], default=0) < threshold for record in records
            )
    curves = [_held(record["ious"], most) for record in records]
    found["mean_iou"] = [round(float(v), 4) for v in np.mean(curves, axis=0)] if curves else []
    seconds = [value for record in records for value in record["seconds"]]
    found["seconds"] = statistics.median(seconds) if seconds else None
    found["set_image_seconds"] = (
        statistics.median(r["set_image_seconds"] for r in records) if records else None
    )
    return found


def _held(ious: Sequence[float], length: int) -> list[float]:
    """The curve of one object; after its last click it keeps the IoU reached."""
    return [*ious, *[ious[-1] if ious else 0.0] * (length - len(ious))]


def _mean_noc(records: Sequence[dict[str, Any]], evaluation: Evaluation, threshold: float) -> float:
    if not records:
        return float("nan")
    return statistics.fmean(noc(r["ious"], threshold, evaluation.max_clicks) for r in records)
