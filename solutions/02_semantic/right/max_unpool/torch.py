"""In PyTorch: scatter_reduce with the maximum, without the zeros that were there."""

import torch


def max_unpool(values, indices, height, width):
    """One scatter for all channels."""
    values, indices = torch.tensor(values).flatten(1), torch.tensor(indices).flatten(1)
    out = torch.zeros(len(values), height * width, dtype=values.dtype)
    out = out.scatter_reduce(1, indices, values, "amax", include_self=False)
    return out.reshape(-1, height, width)
