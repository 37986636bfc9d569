"""In PyTorch: coordinates scaled first, then one norm; returns a tensor."""

import torch


def slic_distance(pixels, centers, S, m):
    """D as the norm of scaled coordinates."""
    scale = torch.tensor([1, 1, 1, m / S, m / S], dtype=torch.float64)
    p = torch.as_tensor(np.ascontiguousarray(pixels)).double()
    q = torch.as_tensor(np.ascontiguousarray(centers)).double()
    return torch.linalg.vector_norm((p - q) * scale, dim=-1)
