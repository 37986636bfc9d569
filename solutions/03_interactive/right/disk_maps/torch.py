"""In PyTorch: the distance to the nearest click of each kind."""

import torch


def disk_maps(clicks, height, width, radius=5):
    """Far away where there is no click."""
    clicks = torch.as_tensor(clicks, dtype=torch.float64)
    squares = torch.full((2, height, width), float("inf"), dtype=torch.float64)
    dx = torch.arange(width)[None, :] - clicks[:, 0, None]
    dy = torch.arange(height)[None, :] - clicks[:, 1, None]
    for k, label in enumerate(clicks[:, 2].int().tolist()):
        if label in (0, 1):
            here = dy[k, :, None] ** 2 + dx[k, None, :] ** 2
            squares[1 - label] = torch.minimum(squares[1 - label], here)
    return (squares <= radius * radius).float()
