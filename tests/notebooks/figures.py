"""A plugin for nbval that compares figures too, within a tolerance: `-p tests.notebooks.figures`.

nbval compares text and skips images, as a font's version moves a few pixels. Here two figures agree
when their sizes agree within a few pixels and, seen from afar, so do their colours.
"""

from __future__ import annotations

import base64
from typing import Any

import cv2
import numpy as np
from nbval.plugin import IPyNbCell
from numpy.typing import NDArray

SIZE_TOLERANCE = 0.03  # of a side: a label in another font moves a figure's border
MEAN_TOLERANCE = 6.0  # mean difference in grey levels of the two, both at 64 x 64

_compare_text = IPyNbCell.compare_outputs


def _figures(outputs: list[Any]) -> list[NDArray[np.uint8]]:
    encoded = [o["data"]["image/png"] for o in outputs if "image/png" in o.get("data", {})]
    raw = [np.frombuffer(base64.b64decode(text), np.uint8) for text in encoded]
    return [cv2.imdecode(data, cv2.IMREAD_COLOR).astype(np.uint8) for data in raw]


def difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> str | None:
    """Say how two figures differ, or None when they agree within the tolerance."""
    for got, want in zip(a.shape[:2], b.shape[:2], strict=True):
        if abs(got - want) > max(3, SIZE_TOLERANCE * want):
            return f"the figure's size is {a.shape[:2]}, it was {b.shape[:2]}"
    small = [cv2.resize(x, (64, 64), interpolation=cv2.INTER_AREA).astype(float) for x in (a, b)]
    gap = float(np.abs(small[0] - small[1]).mean())
    if gap > MEAN_TOLERANCE:
        return f"the figure differs from what it was by {gap:.1f} grey levels on average"
    return None


def _compare(cell: Any, test: Any, ref: Any, skip_compare: Any = None) -> bool:
    """nbval's comparison, then the figures'."""
    if not _compare_text(cell, test, ref, skip_compare):
        return False
    got, want = _figures(test), _figures(ref)
    problems = [difference(a, b) for a, b in zip(got, want, strict=False)]
    if len(got) != len(want):
        problems.append(f"there are {len(got)} figures, there were {len(want)}")
    cell.comparison_traceback.extend(problem for problem in problems if problem)
    return not any(problems)


def pytest_configure() -> None:
    """Put the comparison in place."""
    IPyNbCell.compare_outputs = _compare
