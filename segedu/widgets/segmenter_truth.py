"""The ground truth with which the click widget compares its masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segedu.images import check_mask
from segedu.interactive.clicks import iou
from segedu.widgets.runs import encode_runs

IGNORED = 255


@dataclass(frozen=True, eq=False)
class Truth:
    """An object's true mask (H, W), and the pixels (H, W) that do not count, or None."""

    mask: NDArray[np.bool_]
    ignored: NDArray[np.bool_] | None = None

    @cached_property
    def runs(self) -> bytes:
        """The mask as the browser gets it."""
        return encode_runs(self.mask)

    def iou(self, mask: NDArray[np.bool_]) -> float:
        """Intersection over union on the pixels that count."""
        return iou(mask, self.mask, self.ignored)


def as_truth(values: Any, shape: tuple[int, int], name: str = "truth") -> Truth:
    """Read a mask (H, W) bool, or whole numbers: 0 background, 255 ignored, others the object.

    Raises:
        TypeError, ValueError: it is neither, or of another size.
    """
    array = np.asarray(values)
    if array.dtype != bool and np.issubdtype(array.dtype, np.integer) and array.shape == shape:
        ignored = array == IGNORED
        return Truth((array != 0) & ~ignored, ignored if ignored.any() else None)
    return Truth(check_mask(array, shape, name))


class Truths:
    """Which object has which ground truth.

    Args:
        truth: a mask for the first object, or name -> mask, or None.
        shape: (H, W) of the image.
    """

    def __init__(self, truth: Any, shape: tuple[int, int]) -> None:
        self.first: Truth | None = None
        self.by_name: dict[str, Truth] = {}
        if isinstance(truth, Mapping):
            self.by_name = {
                str(name): as_truth(values, shape, f"truth of {name!r}")
                for name, values in truth.items()
            }
        elif truth is not None:
            self.first = as_truth(truth, shape)

    def of(self, name: str, is_first: bool) -> Truth | None:
        """The ground truth of an object."""
        return self.by_name.get(name) or (self.first if is_first else None)
