"""Multi-head attention of one sequence to another, through torch's fused kernel.

A. Vaswani et al.: "Attention Is All You Need", NeurIPS 2017, section 3.2.

Shapes: B sequences of N queries, M keys and values, C channels, h heads of d = C / h channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(B, N, C) -> (B, h, N, d)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """(B, h, N, d) -> (B, N, C)."""
    return x.transpose(1, 2).flatten(2)


class MultiHeadAttention(nn.Module):
    """softmax(Q Kᵀ / √d) V for each head, then a linear layer over all heads (eq. 1).

    Args:
        channels: C.
        heads: h; divides C.

    Raises:
        ValueError: h does not divide C.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"{heads} heads do not divide {channels} channels")
        self.heads = heads
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.project = nn.Linear(channels, channels)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        """Tokens x (B, N, C) look at memory (B, M, C) -> (B, N, C)."""
        q, k, v = self.query(x), self.key(memory), self.value(memory)
        q, k, v = (split_heads(t, self.heads) for t in (q, k, v))
        return self.project(merge_heads(nn.functional.scaled_dot_product_attention(q, k, v)))

    def weights(self, x: Tensor, memory: Tensor) -> Tensor:
        """What each token looks at: (B, N, C), (B, M, C) -> (B, h, N, M), rows sum to 1.

        The fused kernel never stores these; here they are computed to be shown.
        """
        q, k = split_heads(self.query(x), self.heads), split_heads(self.key(memory), self.heads)
        return torch.softmax(q @ k.mT / q.shape[-1] ** 0.5, dim=-1)
