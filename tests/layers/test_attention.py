"""Multi-head attention against torch's own."""

from __future__ import annotations

import pytest
import torch

from segedu.layers.attention import MultiHeadAttention, merge_heads, split_heads
from tests.parity.helpers import randomize


def test_torch_agrees():
    ours = randomize(MultiHeadAttention(12, 3))
    theirs = torch.nn.MultiheadAttention(12, 3, batch_first=True)
    parts = (ours.query, ours.key, ours.value)
    theirs.in_proj_weight.data = torch.cat([p.weight for p in parts]).detach()
    theirs.in_proj_bias.data = torch.cat([p.bias for p in parts]).detach()
    theirs.out_proj.load_state_dict(ours.project.state_dict())
    generator = torch.Generator().manual_seed(0)
    x, memory = (
        torch.randn(2, 5, 12, generator=generator),
        torch.randn(2, 7, 12, generator=generator),
    )
    output, weights = theirs(x, memory, memory, average_attn_weights=False)
    torch.testing.assert_close(ours(x, memory), output)
    torch.testing.assert_close(ours.weights(x, memory), weights)


def test_heads_split_and_merge():
    x = torch.arange(2 * 3 * 8).view(2, 3, 8)
    assert split_heads(x, 4)[1, 2, 0].tolist() == x[1, 0, 4:6].tolist()
    assert merge_heads(split_heads(x, 4)).equal(x)


def test_heads_divide_channels():
    with pytest.raises(ValueError, match="divide"):
        MultiHeadAttention(10, 3)
