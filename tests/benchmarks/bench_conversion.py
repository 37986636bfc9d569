"""What a box, a contour and strokes are worth to a method that takes only clicks.

    python -m tests.benchmarks.bench_conversion FOLDER [photographs]

FOLDER holds photographs in `img/*.jpg` and an object's mask of each in `gt/*.png`. A user is
imitated: the object's box, a lasso drawn loosely around it, a brush stroke along its inside. Each
is said to the shipped RITM in several ways, of which `segedu.interactive.conversion` takes the last
one of its group; the IoU of the first answer is averaged. On photographs the network was trained on
the differences count, not the values.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import cv2
import numpy as np
from numpy.typing import NDArray

from segedu.interactive import Prompts, Stroke, convert
from segedu.interactive.clicks import iou
from segedu.interactive.conversion import spread
from segedu.interactive.protocol import inside_contour
from segedu.weights.methods import shipped_ritm
from tests.benchmarks.timing import report

SMALLEST = 400  # pixels of an object


def photographs(folder: Path, most: int) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.bool_]]]:
    """Images (H, W, 3) and masks (H, W), always the same ones."""
    files = sorted((folder / "img").glob("*.jpg"))
    for index in np.random.default_rng(0).permutation(len(files))[:most]:
        image = cv2.imread(str(files[index]))[..., ::-1].copy()
        truth = cv2.imread(str(folder / "gt" / f"{files[index].stem}.png"), cv2.IMREAD_GRAYSCALE)
        if truth.shape == image.shape[:2] and np.count_nonzero(truth > 127) >= SMALLEST:
            yield image, truth > 127


def lasso(truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Corners (M, 2) of an outline drawn loosely around the object."""
    loose = max(3, int(0.05 * np.sqrt(truth.sum())))
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (4 * loose + 1, 4 * loose + 1))
    filled = cv2.morphologyEx(truth.astype(np.uint8), cv2.MORPH_CLOSE, disk)
    outlines, _ = cv2.findContours(
        cv2.dilate(filled, disk[::2, ::2]), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    longest = max(outlines, key=cv2.contourArea)[:, 0].astype(np.float64)
    return longest[:: max(1, len(longest) // 60)] + 0.5


def ways(truth: NDArray[np.bool_]) -> dict[str, Prompts]:
    """What is said of an object -> the prompts for it."""
    shape = (truth.shape[0], truth.shape[1])
    rows, columns = np.nonzero(truth)
    corners = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    outline = lasso(truth)
    places = np.array(sorted(spread(truth, 4, 4)))
    brush = Stroke(places, max(shape) / 60)
    users = {
        "box": Prompts(box=tuple(float(v) for v in corners)),  # type: ignore[arg-type]
        "contour": Prompts(contour=outline),
        "stroke": Prompts(strokes=(brush,)),
    }
    found: dict[str, Prompts] = {}
    for kind, prompts in users.items():
        said = convert(prompts, _Clicks(), shape).prompts
        found[f"{kind}: one click"] = Prompts(clicks=said.clicks[:1])
        if said.previous_mask is not None:
            found[f"{kind}: all clicks"] = Prompts(clicks=said.clicks)
            one = Prompts(clicks=said.clicks[:1], previous_mask=said.previous_mask)
            found[f"{kind}: one click, mask"] = one
        found[f"{kind}: as converted"] = said
    return found


class _Clicks:
    """Says what RITM takes, without its weights."""

    accepts = frozenset({"click"})
    uses_previous_mask = True


def main(folder: str = "", most: str = "40") -> None:
    """Print the table."""
    if not folder:
        print(__doc__)
        return
    method = shipped_ritm()
    ious: dict[str, list[float]] = {}
    for image, truth in photographs(Path(folder), int(most)):
        ious.setdefault("the contour's inside", []).append(
            iou(inside_contour(lasso(truth), (truth.shape[0], truth.shape[1])), truth)
        )
        for name, prompts in ways(truth).items():
            method.set_image(image)  # forget the answers before
            ious.setdefault(name, []).append(iou(method.predict(prompts).mask, truth))
    rows = [{"said": name, "IoU": fmean(v), "objects": len(v)} for name, v in ious.items()]
    report("conversion", rows, {})


if __name__ == "__main__":
    main(*sys.argv[1:3])
