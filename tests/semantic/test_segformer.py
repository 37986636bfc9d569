"""SegFormer: sizes, gradients, attention, the decoder's order, small configurations."""

from __future__ import annotations

import pytest
import torch

from segedu.semantic import segformer_b0, segformer_b2
from tests.parity.helpers import random_images, randomize
from tests.semantic.networks import (
    assert_answers_every_size,
    assert_every_weight_learns,
    assert_exports,
    assert_images_of_a_batch_do_not_meet,
    half_precision_megabytes,
)


def small(num_classes: int = 3, **options):
    return segformer_b0(num_classes, width=0.25, **options)


def test_every_size():
    assert_answers_every_size(small(), 3, [(1, 1), (31, 45), (64, 32), (130, 20)])


def test_batch():
    assert_images_of_a_batch_do_not_meet(small(), (37, 48))


def test_every_weight_learns():
    assert_every_weight_learns(small(drop_path=0.0), (64, 64))


def test_export():
    assert_exports(small(), random_images(1, 3, 40, 56))


def test_a_small_one_can_be_shipped():
    assert half_precision_megabytes(segformer_b0(19, width=0.5)) <= 4


def test_order_of_fusing_changes_neither_logits_nor_gradients():
    model = randomize(small(drop_path=0.0, dropout=0.0)).double()
    images = random_images(2, 3, 48, 80).double()
    results = []
    for model.decoder.paper_order in (True, False):
        model.zero_grad()
        logits = model(images)
        logits.square().sum().backward()
        grads = [p.grad.clone() for p in model.parameters()]
        results.append([logits.detach(), *grads])
    for printed, early in zip(*results, strict=True):
        torch.testing.assert_close(early, printed)


def test_attention_rows_are_what_the_fused_kernel_averages_with():
    model = randomize(small())
    block = model.encoder.stages[1].blocks[-1]
    x = torch.randn(2, 12 * 9, 16, generator=torch.Generator().manual_seed(0))
    inner = block.attention.attention
    with torch.inference_mode():
        weights = block.attention.weights(x, (12, 9))  # (B, h, N, M)
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 108))
        values = inner.value(block.attention.memory(x, (12, 9)))
        values = values.unflatten(-1, (2, 8)).transpose(1, 2)  # (B, h, M, d)
        by_hand = inner.project((weights @ values).transpose(1, 2).flatten(2))
        torch.testing.assert_close(block.attention(x, (12, 9)), by_hand)


def test_intermediates():
    model = randomize(small())
    images = random_images(1, 3, 64, 96)
    with torch.inference_mode():
        found = model.intermediates(images, attention=True)
        assert found["logits"].equal(model(images))
    for s, (stride, heads, reduction) in enumerate(
        zip((4, 8, 16, 32), (1, 2, 5, 8), (8, 4, 2, 1), strict=True), start=1
    ):
        rows, cols = 64 // stride, 96 // stride
        assert found[f"stage{s}"].shape[-2:] == (rows, cols)
        assert found[f"attention{s}"].shape == (
            1, heads, rows, cols, rows // reduction, cols // reduction,
        )  # fmt: skip
    assert found["quarter"].shape == (1, 3, 16, 24)


def test_zero_padding_tells_positions_apart():
    """Section 3.1: a constant image has no positions but the border's; without Mix-FFN, none."""
    model = randomize(small())
    with torch.inference_mode():
        stage = model.encoder(torch.ones(1, 3, 256, 256))[3]
    assert stage.std(dim=(2, 3)).mean() > 1e-2


def test_stochastic_depth_only_in_training():
    model = randomize(small(drop_path=0.9))
    images = random_images(1, 3, 32, 32)
    with torch.inference_mode():
        assert model(images).equal(model(images))
        model.encoder.train()
        torch.manual_seed(0)
        assert not model.encoder(images)[3].equal(model.encoder(images)[3])


def test_width_is_positive():
    with pytest.raises(ValueError, match="above 0"):
        segformer_b2(3, width=0)
