"""Clicks as images, so that a network of convolutions can see them.

K. Sofiiuk, I. Petrov, A. Konushin: "Reviving Iterative Training with Mask Guidance for Interactive
Segmentation" (RITM), ICIP 2022, section 3.1: disks of a fixed radius around the clicks, one map for
positive and one for negative ones, do better than distance maps; those stay as the ablation.

Points are (B, N, 3): x, y in pixels from the centre of the first pixel, and 1 for a positive click,
0 for a negative one, -1 for a place that is not used. Maps are (B, 2, H, W), positive first.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from segedu.interactive.protocol import Click

POSITIVE, NEGATIVE, UNUSED = 1.0, 0.0, -1.0
FAR = 1e6  # squared distance where there is no click at all


def points_of(clicks: Sequence[Click], device: torch.device | str = "cpu") -> Tensor:
    """Clicks as the network takes them: (1, N, 3), N at least 1.

    A click at (j + 0.5, i + 0.5), the middle of the pixel (i, j), becomes (j, i).
    """
    rows = [(c.x - 0.5, c.y - 0.5, POSITIVE if c.positive else NEGATIVE) for c in clicks]
    return torch.tensor([rows or [(0.0, 0.0, UNUSED)]], dtype=torch.float32, device=device)


def mirrored(points: Tensor, width: int) -> Tensor:
    """The points on the image mirrored left to right."""
    return torch.stack([width - 1 - points[..., 0], points[..., 1], points[..., 2]], dim=-1)


def squared_distances(points: Tensor, size: tuple[int, int]) -> Tensor:
    """To the nearest positive and negative click: (B, N, 3) -> (B, 2, H, W)."""
    height, width = size
    rows = torch.arange(height, dtype=torch.float32, device=points.device)
    columns = torch.arange(width, dtype=torch.float32, device=points.device)
    dy = (rows - points[..., 1, None]).square()  # (B, N, H)
    dx = (columns - points[..., 0, None]).square()  # (B, N, W)
    label = points[..., 2, None, None]
    distances = dy[..., :, None] + dx[..., None, :]  # (B, N, H, W)
    sides = [
        torch.where(label == side, distances, FAR).amin(dim=1) for side in (POSITIVE, NEGATIVE)
    ]
    return torch.stack(sides, dim=1)


def disks(points: Tensor, size: tuple[int, int], radius: float = 5.0) -> Tensor:
    """1 within `radius` pixels of a click, else 0: (B, N, 3) -> (B, 2, H, W)."""
    return (squared_distances(points, size) <= radius**2).float()


def distance_maps(points: Tensor, size: tuple[int, int], scale: float = 260.0) -> Tensor:
    """tanh(2 d / scale), d the distance to the nearest click: (B, N, 3) -> (B, 2, H, W)."""
    return (2 * squared_distances(points, size).sqrt() / scale).tanh()
