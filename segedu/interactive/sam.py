"""Segment Anything in the interactive protocol: the image once, then any number of prompts.

A. Kirillov et al.: "Segment Anything", ICCV 2023, section 3; the authors' `SamPredictor`.

The idea in three lines: the image's longer side is brought to the network's input, the rest filled
up below or on the right, and encoded. A single click can mean the whole or a part: of three masks
the one is taken that the network thinks best. Everything said later makes it clear: one mask, and
the mask before is shown to the network as a prompt.

The network takes its masks back as logits, `Prompts` hold them cut at 0. So the logits of the
latest answers are remembered, and found again after an undo or when another object is gone on with.

Conventions: a click at (x, y) of the course lies in the pixel (int(x), int(y)); the authors count
pixels and add the half themselves, after scaling. So x - 1/2 is scaled and handed to the network. A
box goes through as it is, as theirs do.

Checked against the authors' `SamPredictor` (tests/interactive/test_sam.py).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from segedu.images import as_uint8, auto_device, check_mask
from segedu.interactive.protocol import Click, Prediction, PromptKind, Prompts, require_accepted
from segedu.interactive.sam_decoder import Prepared
from segedu.interactive.sam_network import SegmentAnything

SURE = 8.0  # logit of a mask prompt that did not come from the network
MOST_ANSWERS = 64  # remembered of one image
# What was said, without the mask before it.
Said = tuple[tuple[Click, ...], tuple[float, float, float, float] | None]


@dataclass(frozen=True)
class Frame:
    """How an image lies in the network's input.

    Attributes:
        size: (H, W) of the image.
        side: S of the network's input.
        cell: side in pixels of the input of one pixel of the network's masks.
    """

    size: tuple[int, int]
    side: int
    cell: int = 4

    @property
    def scaled(self) -> tuple[int, int]:
        """(H', W') of the image within the input; the longer one is S."""
        scale = self.side / max(self.size)
        return int(self.size[0] * scale + 0.5), int(self.size[1] * scale + 0.5)

    def to_input(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """(…, 2), (x, y) in pixels of the image -> of the input."""
        (height, width), (new_height, new_width) = self.size, self.scaled
        return places * np.array([new_width / width, new_height / height])

    def image_to_input(self, image: NDArray[np.uint8], device: torch.device) -> Tensor:
        """(H, W, 3) -> (1, 3, S, S): scaled, normalised, then filled up with zeros."""
        height, width = self.scaled
        resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(resized)).to(device).permute(2, 0, 1).float() / 255
        pixels = SegmentAnything.normalization.apply(pixels)
        return F.pad(pixels, (0, self.side - width, 0, self.side - height))[None]

    def mask_to_prompt(self, mask: NDArray[np.bool_], device: torch.device) -> Tensor:
        """A mask (H, W) as the network would have said it: (1, 1, S / 4, S / 4), logits."""
        inside = torch.from_numpy(mask).to(device)[None, None].float()
        inside = F.interpolate(inside, self.scaled, mode="bilinear", antialias=True)
        height, width = self.scaled
        inside = F.pad(inside, (0, self.side - width, 0, self.side - height))
        return (2 * F.avg_pool2d(inside, self.cell) - 1) * SURE

    def logits_to_image(self, logits: Tensor) -> Tensor:
        """The network's masks at the image's size: (B, M, S / 4, S / 4) -> (B, M, H, W).

        First enlarged by the cell, cut to the part that the image fills, then scaled to the image.
        Only what the cut keeps is enlarged.
        """
        (height, width), cell = self.scaled, self.cell
        # One more row and column than the cut needs: its last pixels mix them in.
        needed = logits[..., : height // cell + 2, : width // cell + 2]
        large = F.interpolate(needed, scale_factor=cell, mode="bilinear", align_corners=False)
        large = large[..., :height, :width]
        if self.scaled == self.size:
            return large
        return F.interpolate(large, self.size, mode="bilinear", align_corners=False)


@dataclass(frozen=True)
class Candidates:
    """All that the network says to one prompt.

    Attributes:
        masks: (M, H, W) bool, M is 3 where the prompt may be ambiguous, else 1.
        scores: (M,) float32, the network's guess of each mask's IoU.
        logits: (M, S / 4, S / 4) float32, as the network takes them as a mask prompt.
    """

    masks: NDArray[np.bool_]
    scores: NDArray[np.float32]
    logits: NDArray[np.float32]


class SAM:
    """A network of Segment Anything in the interactive protocol.

    Args:
        net: `sam_vit_b()` and its like, or `segedu.weights.load("sam-vit-b")`.
        device: where it runs; "auto" takes CUDA where there is one.
        progress: called while an image is encoded with the share that is done, in [0, 1].
    """

    accepts: ClassVar[frozenset[PromptKind]] = frozenset({"click", "box"})
    uses_previous_mask: ClassVar[bool] = True

    def __init__(
        self,
        net: SegmentAnything,
        *,
        device: str | torch.device = "auto",
        progress: Callable[[float], None] | None = None,
    ) -> None:
        self.device = auto_device(device)
        self.net = net.to(self.device).eval()
        self.progress = progress
        self._frame: Frame | None = None
        self._embedding: Tensor
        self._prepared: Prepared
        self._answers: OrderedDict[Said, tuple[NDArray[np.bool_], NDArray[np.float32]]]
        self._answers = OrderedDict()  # masks and their logits, the oldest first

    @torch.inference_mode()
    def set_image(self, image: Any) -> None:
        """Encode an image (H, W, 3): most of the work."""
        pixels = as_uint8(image)
        frame = Frame((pixels.shape[0], pixels.shape[1]), self.net.image_size, self.net.cell)
        inputs = frame.image_to_input(pixels, self.device)
        self._embedding = self.net.encode(inputs, self.progress)
        self._prepared = self.net.prepare(self._embedding)
        self._frame = frame
        self._answers.clear()

    @property
    def frame(self) -> Frame:
        """How the image lies in the input.

        Raises:
            RuntimeError: `set_image` was not called.
        """
        if self._frame is None:
            raise RuntimeError("call set_image(image) before predict(prompts)")
        return self._frame

    def predict(self, prompts: Prompts) -> Prediction:
        """Answer with the mask that the network thinks best; the score is its guess of the IoU.

        Raises:
            RuntimeError: `set_image` was not called.
            ValueError: the prompts say nothing, or the previous mask has another size.
        """
        found = self.candidates(prompts)
        best = int(np.argmax(found.scores))
        mask = found.masks[best]
        self._remember((prompts.clicks, prompts.box), mask, found.logits[best])
        return Prediction(mask, float(np.clip(found.scores[best], 0, 1)))

    @torch.inference_mode()
    def candidates(self, prompts: Prompts, *, multimask: bool | None = None) -> Candidates:
        """All masks that answer a prompt.

        Args:
            prompts: clicks, a box, the previous mask.
            multimask: three masks or one; None means three where a single click is all there is.

        Raises:
            RuntimeError, ValueError: as `predict`.
        """
        frame = self.frame
        require_accepted(self, prompts)
        if not prompts and prompts.previous_mask is None:
            raise ValueError("the prompts say nothing: click on the object or draw a box around it")
        alone = len(prompts.clicks) == 1 and prompts.box is None and prompts.previous_mask is None
        asked = self._encoded(prompts)
        embedding = self._embedding if "masks" in asked else self._prepared
        logits, scores = self.net.decode(
            embedding, **asked, multimask=alone if multimask is None else multimask
        )
        masks = frame.logits_to_image(logits)[0] > 0
        return Candidates(masks.cpu().numpy(), scores[0].cpu().numpy(), logits[0].cpu().numpy())

    def _encoded(self, prompts: Prompts) -> dict[str, Tensor]:
        """Prompts as `SegmentAnything.decode` takes them."""
        asked = {}
        if prompts.clicks:
            places = np.array([(c.x, c.y) for c in prompts.clicks]) - 0.5
            asked["points"] = self._tensor(self.frame.to_input(places))
            labels = [int(c.positive) for c in prompts.clicks]
            asked["labels"] = torch.tensor([labels], device=self.device)
        if prompts.box is not None:
            corners = np.array(prompts.box, np.float64).reshape(2, 2)
            asked["boxes"] = self._tensor(self.frame.to_input(corners).reshape(4))
        if prompts.previous_mask is not None:
            asked["masks"] = self._mask_prompt(prompts)
        return asked

    def _tensor(self, values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(self.device)[None]

    def _remember(self, said: Said, mask: NDArray[np.bool_], logits: NDArray[np.float32]) -> None:
        self._answers[said] = (mask, logits)
        self._answers.move_to_end(said)
        if len(self._answers) > MOST_ANSWERS:
            self._answers.popitem(last=False)

    def _mask_prompt(self, prompts: Prompts) -> Tensor:
        """The logits of the answer that the mask was, else made of the mask: (1, 1, S / 4, S / 4).

        Answers to other objects may be the same mask, above all the empty one: that to the clicks
        before the last one is looked at first, then the latest.
        """
        mask = check_mask(prompts.previous_mask, self.frame.size, "previous_mask")
        before = self._answers.get((prompts.clicks[:-1], prompts.box))
        for answer in (before, *reversed(self._answers.values())):
            if answer is not None and np.array_equal(mask, answer[0]):
                return torch.from_numpy(answer[1]).to(self.device)[None, None]
        return self.frame.mask_to_prompt(mask, self.device)
