"""The plain vision transformer: what is computed in parts, and sizes it was not made for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from segedu.backbones import vit
from segedu.backbones.vit import Attention, ViT, ViTSize, relative_table
from tests.parity.helpers import random_images, randomize, reference
from tests.requirements_of_machine import needs_references

SIZE = ViTSize(16, 2, 2, (1,), window=3, patch=8)


@pytest.mark.parametrize("window", [None, 3])
@torch.inference_mode()
def test_attention_in_parts_is_attention_at_once(
    window: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 1024 pixels the rows of queries are asked one after the other; here too."""
    layer = randomize(Attention(16, 2, window, 7), gain=1.0)
    x = torch.randn(2, 5, 7, 16, generator=torch.Generator().manual_seed(0))
    calls: list[int] = []
    attend = vit.F.scaled_dot_product_attention

    def counted(q, *rest):
        calls.append(q.shape[2])
        return attend(q, *rest)

    monkeypatch.setattr(vit.F, "scaled_dot_product_attention", counted)
    whole = layer(x)
    assert len(calls) == 1
    monkeypatch.setattr(vit, "BIAS_ELEMENTS", 1)
    calls.clear()
    parts = layer(x)
    height, width = (5, 7) if window is None else (window, window)
    assert calls == [width] * height
    assert torch.allclose(parts, whole, atol=1e-6)


@torch.inference_mode()
def test_the_last_part_may_be_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = randomize(Attention(16, 2, None, 7), gain=1.0)
    x = torch.randn(1, 5, 7, 16, generator=torch.Generator().manual_seed(0))
    whole = layer(x)
    row = 1 * 2 * 5 * 7 * 7  # batch, heads, and the bias of one row of queries
    monkeypatch.setattr(vit, "BIAS_ELEMENTS", 2 * row)  # 2 + 2 + 1 rows
    assert torch.allclose(layer(x), whole, atol=1e-6)


def test_a_table_is_read_by_distance() -> None:
    table = torch.arange(7.0)[:, None]  # distances -3 ... 3
    codes = relative_table(table, 4)[..., 0]
    for i in range(4):
        for j in range(4):
            assert codes[i, j] == i - j + 3


@pytest.mark.parametrize("n", [3, 5, 9])
def test_a_table_for_another_size_is_interpolated(n: int) -> None:
    """By the definition: entries are samples in the middle of cells, ends are held."""
    table = torch.randn(9, 2, generator=torch.Generator().manual_seed(0))  # made for 5
    centres = (np.arange(2 * n - 1) + 0.5) * 9 / (2 * n - 1) - 0.5
    resized = np.stack([np.interp(centres, np.arange(9), column) for column in table.T.numpy()], 1)
    codes = relative_table(table, n)
    for i in range(n):
        for j in range(n):
            np.testing.assert_allclose(codes[i, j], resized[i - j + n - 1], atol=1e-5)


@needs_references
@pytest.mark.parametrize("n", [3, 5, 9])
def test_tables_are_the_authors(n: int) -> None:
    table = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    with reference("facebookresearch+segment-anything") as load:
        theirs = load("segment_anything.modeling.image_encoder").get_rel_pos(n, n, table)
    assert torch.allclose(relative_table(table, n), theirs, atol=1e-6)


@pytest.mark.parametrize("size", [(48, 48), (32, 56), (40, 24), (64, 64)])
@torch.inference_mode()
def test_images_of_other_sizes(size: tuple[int, int]) -> None:
    net = randomize(ViT(SIZE, image_size=48), gain=1.0)
    out = net(random_images(1, 3, *size))
    assert out.shape == (1, size[0] // 8, size[1] // 8, 16)
    assert out.isfinite().all()


@torch.inference_mode()
def test_positions_of_its_own_size_are_taken_as_they_are() -> None:
    net = randomize(ViT(SIZE, image_size=48), gain=1.0)
    images = random_images(1, 3, 48, 48)
    patches = net.embed(images) - net.positions
    net.positions.data.zero_()
    assert torch.allclose(net.embed(images), patches, atol=1e-5)
    constant = torch.full_like(net.positions, 0.5)  # whatever the size, a constant stays one
    net.positions.data.copy_(constant)
    other = random_images(1, 3, 64, 32)
    added = net.embed(other)
    net.positions.data.zero_()
    assert torch.allclose(added - net.embed(other), torch.tensor(0.5), atol=1e-5)
