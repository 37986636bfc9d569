"""report.html: figures, the IoU-per-click curve, how many clicks objects need, the worst drawn."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from segedu.data.click_sets import open_click_set
from segedu.drawing import ORANGE, overlay_mask
from segedu.evaluation.interactive import THRESHOLDS, Evaluation, summarize
from segedu.images import as_uint8
from segedu.interactive.clicks import noc
from segedu.pages import page_environment

POSITIVE, NEGATIVE = (0, 158, 115), (213, 94, 0)
DRAWN_HEIGHT = 260


def write_report(
    records: Sequence[dict[str, Any]], evaluation: Evaluation, path: Path, worst: int = 12
) -> None:
    """Write the report as one file that needs nothing else.

    Args:
        records: of `evaluate`.
        evaluation: what was measured.
        path: of the HTML file.
        worst: how many objects are drawn: those that need most clicks, then least IoU.
    """
    environment = page_environment(Path(__file__).parent / "templates")
    order = sorted(records, key=lambda r: (-len(r["ious"]), max(r["ious"], default=0)))
    data = open_click_set(evaluation.data, evaluation.layout)
    page = environment.get_template("interactive.html").render(
        evaluation=evaluation,
        data_name=data.name,
        summary=summarize(records, evaluation),
        curve=_curve(records, evaluation) if records else "",
        counts=_counts(records, evaluation) if records else "",
        worst=[
            {**record, "picture": _encoded(_drawn(data[record["index"]], record))}
            for record in order[:worst]
        ],
    )
    path.write_text(page, "utf-8")


def _curve(records: Sequence[dict[str, Any]], evaluation: Evaluation) -> str:
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.subplots()
    mean = summarize(records, evaluation)["mean_iou"]
    axes.plot(range(1, len(mean) + 1), mean, marker="o", markersize=4, color="#0072b2")
    for threshold in THRESHOLDS:
        axes.axhline(threshold, color="#888888", linewidth=0.8, linestyle=":")
    axes.set(xlabel="clicks", ylabel="mean IoU", ylim=(0, 1), xlim=(0.5, len(mean) + 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return _as_png(figure)


def _counts(records: Sequence[dict[str, Any]], evaluation: Evaluation) -> str:
    """How many objects need 1, 2, … clicks to 0.85; those never reached stand apart."""
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.subplots()
    threshold, most = min(THRESHOLDS[0], evaluation.until), evaluation.max_clicks
    reached = [r for r in records if max(r["ious"], default=0) >= threshold]
    clicks = np.bincount([noc(r["ious"], threshold, most) for r in reached], minlength=most + 1)
    axes.bar(range(1, most + 1), clicks[1:], color="#0072b2")
    axes.bar([most + 2], [len(records) - len(reached)], color="#d55e00")
    ticks = [1, *range(5, most + 1, 5)]
    axes.set_xticks([*ticks, most + 2], [*map(str, ticks), "never"])
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel=f"clicks to IoU {threshold:g}", ylabel="objects")
    return _as_png(figure)


def _as_png(figure: Figure) -> str:
    figure.axes[0].spines[["top", "right"]].set_visible(False)
    file = io.BytesIO()
    figure.savefig(file, dpi=130, format="png")
    return base64.b64encode(file.getvalue()).decode("ascii")


def _drawn(sample: Any, record: dict[str, Any]) -> NDArray[np.uint8]:
    """The photograph with the last mask, the object's outline in white, and the clicks."""
    mask = coco_mask.decode(record["mask"]).astype(bool)
    scale = DRAWN_HEIGHT / mask.shape[0]
    picture = overlay_mask(sample.image, mask, ORANGE)
    size = (max(1, round(mask.shape[1] * scale)), DRAWN_HEIGHT)
    picture = as_uint8(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
    truth = cv2.resize(sample.mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    outlines, _ = cv2.findContours(truth, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, outlines, -1, (255, 255, 255), 1)
    for x, y, positive in record["clicks"]:
        center = (round(x * scale), round(y * scale))
        cv2.circle(picture, center, 5, (255, 255, 255), -1, cv2.LINE_AA)
        cv2.circle(picture, center, 4, POSITIVE if positive else NEGATIVE, -1, cv2.LINE_AA)
    return picture


def _encoded(picture: NDArray[np.uint8]) -> str:
    _, jpeg = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    return base64.b64encode(jpeg.tobytes()).decode("ascii")
