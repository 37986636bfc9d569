"""RITM in the interactive protocol: clicks in, the last answer goes back in as an input.

K. Sofiiuk, I. Petrov, A. Konushin: "Reviving Iterative Training with Mask Guidance for Interactive
Segmentation", ICIP 2022; networks in `ritm_network`, zooming in `zoom_in`.

The idea in three lines: the network sees the image, all clicks, and its own answer to the clicks
before the last one; so each click corrects, and nothing is forgotten. The image and its mirror
image are both answered and the logits averaged.

The answer depends on the clicks alone, not on the calls before: what was answered to each beginning
of the list of clicks is remembered, and found again after an undo. Clicks that were never answered
one by one begin from `Prompts.previous_mask`, or from nothing.

Checked against the authors' predictor, click by click (tests/parity/test_ritm.py).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from segedu.images import as_float, auto_device, check_mask
from segedu.interactive.click_maps import mirrored, points_of
from segedu.interactive.protocol import Click, Prediction, PromptKind, Prompts, require_accepted
from segedu.interactive.ritm_network import ClickNetwork

THRESHOLD = 0.49  # at which the authors cut
Probabilities = NDArray[np.float32]
T = TypeVar("T")


class Answers(Generic[T]):
    """What was said to lists of clicks on one image; the oldest are forgotten.

    Args:
        most: how many are kept.
    """

    def __init__(self, most: int = 64) -> None:
        self.most = most
        self._known: OrderedDict[tuple[Click, ...], T] = OrderedDict()

    def before(self, clicks: tuple[Click, ...]) -> T | None:
        """The answer to all clicks but the last one."""
        return self._known.get(clicks[:-1])

    def keep(self, clicks: tuple[Click, ...], answer: T) -> None:
        """Remember an answer."""
        self._known[clicks] = answer
        self._known.move_to_end(clicks)
        if len(self._known) > self.most:
            self._known.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self._known.clear()


def mean_confidence(probabilities: Probabilities, mask: NDArray[np.bool_]) -> float:
    """Mean probability of the pixels that are taken; 0 where none is."""
    return float(probabilities[mask].mean()) if mask.any() else 0.0


class RITM:
    """A network of RITM in the interactive protocol.

    Args:
        net: `ritm_hrnet18()` and its like, or `segedu.weights.load("ritm-hrnet18")`.
        device: where it runs; "auto" takes CUDA where there is one.
        flip: answer the mirror image too and average.
        max_size: a longer image is shrunk to this for the network; None for never.
        threshold: probability from which on a pixel is taken.

    Raises:
        ValueError: `max_size` is below 32 or the threshold not between 0 and 1.
    """

    accepts: ClassVar[frozenset[PromptKind]] = frozenset({"click"})
    uses_previous_mask: ClassVar[bool] = True

    def __init__(
        self,
        net: ClickNetwork,
        *,
        device: str | torch.device = "auto",
        flip: bool = True,
        max_size: int | None = None,
        threshold: float = THRESHOLD,
    ) -> None:
        if max_size is not None and max_size < 32:
            raise ValueError(f"max_size must be at least 32, got {max_size}")
        if not 0 < threshold < 1:
            raise ValueError(f"threshold must lie between 0 and 1, got {threshold}")
        self.device = auto_device(device)
        self.net = net.to(self.device).eval()
        self.flip, self.max_size, self.threshold = flip, max_size, threshold
        self._image: Tensor | None = None
        self._answers: Answers[Probabilities] = Answers()

    def set_image(self, image: Any) -> None:
        """Take an image (H, W, 3)."""
        pixels = torch.from_numpy(as_float(image)).to(self.device)
        self._image = pixels.permute(2, 0, 1)[None]
        self._answers.clear()

    def predict(self, prompts: Prompts) -> Prediction:
        """Answer the clicks; the score is the mean probability within the mask.

        Raises:
            RuntimeError: `set_image` was not called.
            UnsupportedPromptError: the prompts hold more than clicks.
            ValueError: there is no click.
        """
        image = self._require_image()
        require_accepted(self, prompts)
        if not prompts.clicks:
            raise ValueError("RITM needs at least one click")
        before = self._answers.before(prompts.clicks)
        if before is None and prompts.previous_mask is not None:
            shape = (image.shape[-2], image.shape[-1])
            given = check_mask(prompts.previous_mask, shape, "previous_mask")
            before = given.astype(np.float32)
        probabilities = self.probabilities(prompts.clicks, before)
        self._answers.keep(prompts.clicks, probabilities)
        mask = probabilities > self.threshold
        return Prediction(mask, mean_confidence(probabilities, mask))

    @torch.inference_mode()
    def probabilities(
        self, clicks: tuple[Click, ...], previous: Probabilities | None = None
    ) -> Probabilities:
        """The network's answer as such: no memory, no threshold.

        Args:
            clicks: all so far.
            previous: (H, W) float32 in [0, 1], the answer to all but the last one; None for none.

        Returns:
            (H, W) float32 in [0, 1].
        """
        image = self._require_image()
        height, width = image.shape[-2:]
        mask = image.new_zeros(1, 1, height, width)
        if previous is not None:
            mask = torch.from_numpy(previous).to(self.device)[None, None]
        points = points_of(clicks, self.device)
        if self.max_size is not None and (scale := self.max_size / max(height, width)) < 1:
            small = (round(height * scale), round(width * scale))
            image, mask = _resized(image, small), _resized(mask, small)
            factors = points.new_tensor([small[1] / width, small[0] / height, 1.0])
            points = points * factors
        logits = self._logits(image, points, mask)
        answer = _resized(logits.sigmoid(), (height, width))
        return np.asarray(answer[0, 0].cpu().numpy(), np.float32)

    def _logits(self, image: Tensor, points: Tensor, previous: Tensor) -> Tensor:
        """(1, 1, H, W), of the image and, where asked for, its mirror image."""
        if self.flip:
            image = torch.cat([image, image.flip(3)])
            previous = torch.cat([previous, previous.flip(3)])
            points = torch.cat([points, mirrored(points, image.shape[-1])])
        logits = self.net(self.net.normalization.apply(image), points, previous)
        assert isinstance(logits, Tensor)
        return 0.5 * (logits[:1] + logits[1:].flip(3)) if self.flip else logits

    def _require_image(self) -> Tensor:
        if self._image is None:
            raise RuntimeError("call set_image(image) before predict(prompts)")
        return self._image


def _resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, corners upon corners as the authors do: (B, C, h, w) -> (B, C, *size)."""
    if x.shape[-2:] == size:
        return x
    return F.interpolate(x, size, mode="bilinear", align_corners=True)
