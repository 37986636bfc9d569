"""In PyTorch with replicated padding; returns tensors."""

import torch


def squared_gradient(lab):
    """G with torch's padding."""
    t = torch.as_tensor(lab).double().permute(2, 0, 1)[None]
    t = torch.nn.functional.pad(t, (1, 1, 1, 1), mode="replicate")[0]
    across = t[:, 1:-1, 2:] - t[:, 1:-1, :-2]
    down = t[:, 2:, 1:-1] - t[:, :-2, 1:-1]
    return (across**2 + down**2).sum(0)


def seed_centers(lab, S):
    """Seeds one by one, ties by sorting."""
    g = squared_gradient(lab).numpy()
    height, width = g.shape
    rows = []
    for y in range(S // 2, height, S):
        for x in range(S // 2, width, S):
            candidates = [
                (g[v, u], (v, u) != (y, x), v, u)
                for v in (y - 1, y, y + 1)
                for u in (x - 1, x, x + 1)
                if 0 <= v < height and 0 <= u < width
            ]
            _, _, v, u = min(candidates)
            rows.append([*(float(c) for c in lab[v, u]), float(u), float(v)])
    return torch.tensor(rows)
