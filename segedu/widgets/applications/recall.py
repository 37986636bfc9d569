"""A method that can be told its answer: masks from a file come back with their prompts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from segedu.interactive import Click, InteractiveMethod, Prediction, Prompts, uses_previous_mask


class Recalling:
    """Another method, that answers what it is told to while something is being recalled.

    So a label that was made yesterday stands in the click widget as it was, exactly, with its
    prompts; the next click goes on from there. The image is not encoded before that.
    """

    def __init__(self, method: InteractiveMethod) -> None:
        self.method = method
        self.accepts = method.accepts
        self.uses_previous_mask = uses_previous_mask(method)
        self._answer: NDArray[np.bool_] | None = None
        self._image: Any = None  # that the method was not given yet

    @contextmanager
    def recall(self, mask: NDArray[np.bool_]) -> Iterator[None]:
        """Answer with this mask (H, W), whatever the prompts are."""
        self._answer = mask
        try:
            yield
        finally:
            self._answer = None

    @property
    def progress(self) -> Any:
        """The method's own, where it has one."""
        return self.method.progress  # type: ignore[attr-defined]

    @progress.setter
    def progress(self, listener: Any) -> None:
        self.method.progress = listener  # type: ignore[attr-defined]

    @property
    def unencoded(self) -> bool:
        """Whether the method must be given its image before it can answer the next prompts."""
        return self._image is not None and self._answer is None

    def set_image(self, image: Any) -> None:
        """Give the method the image, now or when it is asked."""
        self._image = image
        if self._answer is None:
            self._encode()

    def predict(self, prompts: Prompts) -> Prediction:
        """The mask that is being recalled, else the method's answer."""
        if self._answer is not None:
            return Prediction(self._answer)
        if self._image is not None:
            self._encode()
        return self.method.predict(prompts)

    def _encode(self) -> None:
        self.method.set_image(self._image)
        self._image = None


def innermost_click(mask: NDArray[np.bool_]) -> Prompts:
    """A click where a mask (H, W) is deepest, for masks that no prompts are known of."""
    depth = cv2.distanceTransform(
        np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
    )[1:-1, 1:-1]
    row, column = np.unravel_index(int(np.argmax(depth)), mask.shape)
    return Prompts(clicks=(Click(float(column) + 0.5, float(row) + 0.5),))
