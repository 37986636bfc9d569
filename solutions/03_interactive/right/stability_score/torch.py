"""In PyTorch, float32: 0 / 0 is nan by itself."""

import torch


def stability_score(logits, threshold=0.0, offset=1.0):
    """Areas divided."""
    logits = torch.as_tensor(logits).flatten(1)
    inner = (logits > threshold + offset).sum(1, dtype=torch.float32)
    return inner / (logits > threshold - offset).sum(1, dtype=torch.float32)
