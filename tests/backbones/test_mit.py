"""Mix Transformer: patches, the reduction's cost, sizes of the paper's table."""

from __future__ import annotations

import pytest
import torch

from segedu.backbones.mit import MIT_B0, MIT_B2, EfficientAttention, MiT, as_map, as_tokens
from tests.parity.helpers import random_images, randomize


def test_tokens_are_the_map_row_by_row():
    x = random_images(2, 3, 4, 5)
    assert as_tokens(x)[1, 7].equal(x[1, :, 1, 2])
    assert as_map(as_tokens(x), (4, 5)).equal(x)


def test_four_scales():
    maps = MiT(MIT_B0)(random_images(1, 3, 96, 64))
    assert [tuple(x.shape[1:]) for x in maps] == [
        (32, 24, 16), (64, 12, 8), (160, 6, 4), (256, 3, 2),
    ]  # fmt: skip


def test_patches_overlap():
    """A pixel on the border of two 4 x 4 cells reaches the tokens of both."""
    embedding = randomize(MiT(MIT_B0)).stages[0].embedding.project
    images = torch.zeros(1, 3, 32, 32)
    with torch.inference_mode():
        base = embedding(images)
        images[..., 9, 9] = 1
        changed = (embedding(images) - base).abs().sum(1)[0] > 1e-6
    assert changed.nonzero().tolist() == [[2, 2], [2, 3], [3, 2], [3, 3]]


def test_reduction_is_a_linear_layer_on_blocks_of_pixels():
    """Eq. 2: reshape (N, C) to (N / R², R² C), then a linear layer."""
    attention = randomize(EfficientAttention(8, 2, 2))
    x = torch.randn(1, 6 * 4, 8, generator=torch.Generator().manual_seed(0))
    blocks = as_map(x, (6, 4)).unfold(2, 2, 2).unfold(3, 2, 2)  # (1, C, 3, 2, R, R)
    blocks = blocks.permute(0, 2, 3, 1, 4, 5).reshape(1, 6, 32)
    weight, bias = attention.reduce.weight.flatten(1), attention.reduce.bias
    by_hand = attention.norm(torch.nn.functional.linear(blocks, weight, bias))
    torch.testing.assert_close(attention.memory(x, (6, 4)), by_hand)


def test_rows_and_columns_are_not_swapped():
    attention = randomize(EfficientAttention(8, 2, 2))
    x = torch.randn(1, 24, 8, generator=torch.Generator().manual_seed(0))
    turned = as_tokens(as_map(x, (6, 4)).mT)
    attention.reduce.weight.data.copy_(attention.reduce.weight.data.mT.clone())
    straight = attention(turned, (4, 6))
    attention.reduce.weight.data.copy_(attention.reduce.weight.data.mT.clone())
    torch.testing.assert_close(as_map(straight, (4, 6)).mT, as_map(attention(x, (6, 4)), (6, 4)))


def test_stochastic_depth_grows_linearly():
    drops = [b.drop.p for s in MiT(MIT_B2, drop_path=0.3).stages for b in s.blocks]
    torch.testing.assert_close(torch.tensor(drops), torch.linspace(0, 0.3, 16))


@pytest.mark.parametrize("width", [0.1, 0.25, 0.5, 2.0])
def test_narrowed_channels_fit_their_heads(width):
    size = MIT_B0.narrowed(width)
    assert all(c % h == 0 for c, h in zip(size.channels, size.heads, strict=True))
    assert MIT_B0.narrowed(1.0) == MIT_B0
