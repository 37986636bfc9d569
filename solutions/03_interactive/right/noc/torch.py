"""In PyTorch."""

import torch


def iou(mask, truth, ignored=None):
    """Ignored pixels made to agree on background."""
    mask, truth = torch.as_tensor(mask), torch.as_tensor(truth)
    if ignored is not None:
        keep = ~torch.as_tensor(ignored)
        mask, truth = mask & keep, truth & keep
    union = torch.count_nonzero(mask | truth)
    if union == 0:
        return torch.tensor(1.0)
    return torch.count_nonzero(mask & truth) / union


def noc(curves, threshold, max_clicks=20):
    """Where the running maximum stays below: one click more."""
    counts = []
    for curve in curves:
        values = torch.tensor(curve[:max_clicks], dtype=torch.float64)
        below = (values.cummax(0).values < threshold).sum().item()
        counts.append(None if below == len(values) else below + 1)
    filled = [max_clicks if count is None else count for count in counts]
    return torch.tensor(filled, dtype=torch.float32).mean(), counts.count(None)
