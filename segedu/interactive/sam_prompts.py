"""Segment Anything's prompt encoder: clicks, a box and a mask, as tokens and as a map.

A. Kirillov et al.: "Segment Anything", ICCV 2023, section 3 and appendix A ("Prompt encoder");
positions as in M. Tancik et al.: "Fourier Features Let Networks Learn High Frequency Functions in
Low Dimensional Domains", NeurIPS 2020.

The idea in three lines: a place becomes sines and cosines of random projections, and a learned
code says what it is: positive click, negative click, first or second corner of the box. A mask is
shrunk by convolutions to the size of the image's embedding, to which it is added.

Shapes: B prompts for one image; points (B, n, 2), boxes (B, 4), in pixels of the network's input;
masks (B, 1, 4 H, 4 W); tokens (B, n', C); dense codes (B, C, H, W).

The authors' conventions, which their weights know: half a pixel is added to points and corners, so
(x, y) count pixels; where there is no box, a point that is none (label -1) is appended.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from segedu.layers.channel_norm import ChannelNorm

NEGATIVE, POSITIVE, FIRST_CORNER, SECOND_CORNER = range(4)
NO_POINT = -1  # label of the point that stands where there is no box


class FourierFeatures(nn.Module):
    """Places in [0, 1]² as sines and cosines of random projections, which are never trained.

    Args:
        channels: C, half of them sines.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.frequencies: Tensor
        self.register_buffer("frequencies", torch.randn(2, channels // 2))

    def forward(self, places: Tensor) -> Tensor:
        """(…, 2), (x, y) in [0, 1] -> (…, C)."""
        angles = 2 * math.pi * ((2 * places - 1) @ self.frequencies)
        return torch.cat([angles.sin(), angles.cos()], dim=-1)

    def grid(self, size: tuple[int, int]) -> Tensor:
        """Every cell's centre of a map (H, W) -> (H · W, C), row by row."""
        height, width = size
        y = (torch.arange(height, device=self.frequencies.device) + 0.5) / height
        x = (torch.arange(width, device=self.frequencies.device) + 0.5) / width
        places = torch.stack([x.expand(height, -1), y[:, None].expand(-1, width)], dim=-1)
        return self(places.flatten(0, 1).to(self.frequencies.dtype))


class PromptEncoder(nn.Module):
    """Points, boxes and masks -> tokens (B, n', C) and dense codes (B, C, H, W).

    Args:
        channels: C.
        image_size: S, side of the network's input in pixels.
        mask_channels: in the convolutions that shrink a mask.
    """

    def __init__(
        self, channels: int = 256, image_size: int = 1024, mask_channels: int = 16
    ) -> None:
        super().__init__()
        self.image_size = image_size
        self.places = FourierFeatures(channels)
        self.labels = nn.Parameter(torch.randn(4, channels))
        self.no_point = nn.Parameter(torch.randn(channels))
        self.no_mask = nn.Parameter(torch.randn(channels))
        self.mask = nn.Sequential(
            nn.Conv2d(1, mask_channels // 4, 2, 2),
            ChannelNorm(mask_channels // 4),
            nn.GELU(),
            nn.Conv2d(mask_channels // 4, mask_channels, 2, 2),
            ChannelNorm(mask_channels),
            nn.GELU(),
            nn.Conv2d(mask_channels, channels, 1),
        )

    def embed_places(self, places: Tensor) -> Tensor:
        """(…, 2) in pixels that are counted from 0 -> (…, C)."""
        return self.places((places + 0.5) / self.image_size)

    def embed_points(self, points: Tensor, labels: Tensor) -> Tensor:
        """(B, n, 2), (B, n) of NEGATIVE, POSITIVE or NO_POINT -> (B, n, C)."""
        known = self.embed_places(points) + self.labels[labels.clamp(min=0)]
        return torch.where((labels == NO_POINT)[..., None], self.no_point, known)

    def embed_boxes(self, boxes: Tensor) -> Tensor:
        """(B, 4) -> (B, 2, C), two corners."""
        return self.embed_places(boxes.unflatten(-1, (2, 2))) + self.labels[FIRST_CORNER:]

    def tokens(
        self, points: Tensor | None, labels: Tensor | None, boxes: Tensor | None, batch: int
    ) -> Tensor:
        """Sparse prompts -> (B, n', C)."""
        parts = [self.no_point.new_zeros(batch, 0, len(self.no_point))]
        if points is not None:
            if labels is None:
                raise ValueError("points need labels: 1 for positive, 0 for negative")
            parts.append(self.embed_points(points, labels))
            if boxes is None:
                parts.append(self.no_point.expand(batch, 1, -1))
        if boxes is not None:
            parts.append(self.embed_boxes(boxes))
        return torch.cat(parts, dim=1)

    def forward(
        self,
        points: Tensor | None = None,
        labels: Tensor | None = None,
        boxes: Tensor | None = None,
        masks: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """All prompts.

        Args:
            points: (B, n, 2), (x, y) in pixels of the input.
            labels: (B, n) int, 1 positive, 0 negative, -1 to be ignored (for batches).
            boxes: (B, 4), x0, y0, x1, y1.
            masks: (B, 1, 4 H, 4 W), logits, as the decoder gives them.

        Returns:
            tokens (B, n', C), and dense codes: (B, C, H, W) of the masks, or (1, C, 1, 1) where
            there are none.

        Raises:
            ValueError: points without labels.
        """
        given = [x for x in (points, boxes, masks) if x is not None]
        tokens = self.tokens(points, labels, boxes, len(given[0]) if given else 1)
        dense = self.no_mask[None, :, None, None] if masks is None else self.mask(masks)
        return tokens, dense
