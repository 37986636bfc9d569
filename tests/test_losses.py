from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from segedu.losses import (
    cross_entropy,
    focal,
    normalized_focal,
    object_cross_entropy,
    soft_dice,
)


def example(seed: int, batch: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(batch, 4, 5, 6, generator=generator)
    target = torch.randint(0, 4, (batch, 5, 6), generator=generator)
    target[torch.rand(target.shape, generator=generator) < 0.2] = 255
    return logits, target


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.booleans())
def test_cross_entropy_is_torchs(seed: int, weighted: bool) -> None:
    logits, target = example(seed)
    weights = [0.5, 1.0, 2.0, 3.0] if weighted else None
    total, weight = cross_entropy(logits, target, class_weights=weights)
    factors = None if weights is None else torch.tensor(weights)
    want = F.cross_entropy(logits, target, weight=factors, ignore_index=255)
    torch.testing.assert_close(total / weight, want)


@pytest.mark.parametrize("loss", [cross_entropy, focal, soft_dice])
def test_pieces_add_up(loss: object) -> None:
    logits, target = example(1, batch=4)
    target[0] = 255  # an image of which nothing counts
    whole = loss(logits, target)  # type: ignore[operator]
    pieces = [loss(logits[i : i + 1], target[i : i + 1]) for i in range(4)]  # type: ignore[operator]
    torch.testing.assert_close(sum(p[0] for p in pieces), whole[0])
    torch.testing.assert_close(sum(p[1] for p in pieces), whole[1])


def test_ignored_pixels_have_no_gradient() -> None:
    for loss in (cross_entropy, focal, soft_dice):
        logits, target = example(2)
        logits.requires_grad_(True)
        loss(logits, target)[0].backward()
        assert logits.grad is not None
        gradient = logits.grad.movedim(1, -1)
        assert gradient[target == 255].abs().max() == 0
        assert gradient[target != 255].abs().max() > 0
        assert gradient.isfinite().all()


def test_focal_is_its_formula() -> None:
    logits, target = example(3)
    p = logits.softmax(dim=1)
    want = 0.0
    for b, y, x in (target != 255).nonzero().tolist():
        own = p[b, target[b, y, x], y, x]
        want += float(-((1 - own) ** 2) * own.log())
    total, weight = focal(logits, target)
    assert float(total) == pytest.approx(want, rel=1e-4)
    assert weight == (target != 255).sum()
    torch.testing.assert_close(focal(logits, target, gamma=0)[0], cross_entropy(logits, target)[0])


def test_focal_of_certain_pixels_has_finite_gradients() -> None:
    logits = torch.full((1, 2, 1, 2), 0.0)
    logits[:, 0] = 200.0
    logits.requires_grad_(True)
    target = torch.tensor([[[0, 1]]])
    total, _ = focal(logits, target, gamma=2.0)
    total.backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert float(total.detach()) == pytest.approx(200, rel=1e-5)


def test_dice_of_known_masks() -> None:
    # Certain predictions: class 0 has overlap 2 of 2 and 3, class 1 overlap 1 of 2 and 1.
    target = torch.tensor([[[0, 0, 1, 1]]])
    logits = 100.0 * F.one_hot(torch.tensor([[[0, 0, 0, 1]]]), 3).movedim(-1, 1).float()
    total, weight = soft_dice(logits, target)
    assert weight == 2  # class 2 is not in the image
    assert total == pytest.approx((1 - 4 / 5) + (1 - 2 / 3), abs=1e-5)


def test_half_precision_is_summed_in_float32() -> None:
    logits = torch.zeros(1, 14, 300, 300, dtype=torch.float16)
    total, _ = cross_entropy(logits, torch.zeros(1, 300, 300, dtype=torch.int64))
    assert total == pytest.approx(90_000 * 2.6391, rel=1e-3)  # beyond float16's 65504


def of_objects(seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(3, 1, 5, 6, generator=generator)
    target = torch.randint(0, 2, (3, 5, 6), generator=generator)
    target[torch.rand(target.shape, generator=generator) < 0.2] = 255
    target[2] = 255  # an image of which nothing counts
    return logits, target


def test_normalized_focal_is_its_formula() -> None:
    logits, target = of_objects(0)
    want = 0.0
    for x, t in zip(logits[:2, 0], target[:2], strict=True):
        p = x.sigmoid()
        own = torch.where(t == 1, p, 1 - p)[t != 255]
        focus = (1 - own) ** 2
        want += float((-0.5 * focus / focus.mean() * own.log()).mean())
    total, weight = normalized_focal(logits, target)
    assert weight == 2
    assert float(total) == pytest.approx(want, rel=1e-5)


def test_normalized_focal_does_not_fade() -> None:
    """Its gradient per wrong pixel stays, where that of focal loss shrinks with the others' p."""
    target = torch.zeros(1, 8, 8, dtype=torch.int64)
    gradients = []
    for sure in (2.0, 6.0):
        logits = torch.full((1, 1, 8, 8), -sure)
        logits[0, 0, 0, 0] = 0.0  # the one that is still wrong
        logits.requires_grad_(True)
        normalized_focal(logits, target)[0].backward()
        assert logits.grad is not None
        gradients.append(float(logits.grad[0, 0, 0, 0]))
    assert gradients[1] > gradients[0] > 0


def test_object_losses_ignore_and_stay_finite() -> None:
    for loss in (normalized_focal, object_cross_entropy):
        logits, target = of_objects(1)
        logits[0, 0, 0] = 200.0
        logits[0, 0, 1] = -200.0
        logits.requires_grad_(True)
        total, weight = loss(logits, target)
        total.backward()
        assert weight == 2 and total.isfinite()
        assert logits.grad is not None and logits.grad.isfinite().all()
        assert logits.grad[:, 0][target == 255].abs().max() == 0
