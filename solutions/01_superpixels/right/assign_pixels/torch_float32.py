"""In PyTorch and float32, squared distances until the end; returns tensors."""

import torch


def assign_pixels(lab, centers, S, m):
    """One centre after the other, by `torch.where`."""
    lab = torch.as_tensor(lab, dtype=torch.float32)
    centers = torch.as_tensor(centers, dtype=torch.float32)
    height, width = lab.shape[:2]
    y = torch.arange(height, dtype=torch.float32)[:, None]
    x = torch.arange(width, dtype=torch.float32)[None]
    labels = torch.full((height, width), -1, dtype=torch.int32)
    best = torch.full((height, width), torch.inf)
    for k, center in enumerate(centers):
        dx, dy = x - center[3], y - center[4]
        d = ((lab - center[:3]) ** 2).sum(-1) + (dx**2 + dy**2) * (m / S) ** 2
        closer = (dx.abs() <= S) & (dy.abs() <= S) & (d < best)
        best = torch.where(closer, d, best)
        labels = torch.where(closer, torch.tensor(k, dtype=torch.int32), labels)
    return labels, best.sqrt()
