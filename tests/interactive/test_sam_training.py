"""Losses of Segment Anything on known answers, prompts that lie where they should, and learning."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from segedu.backbones.vit import ViTSize
from segedu.interactive.sam_network import SegmentAnything, sam_vit_tiny
from segedu.interactive.sam_prompts import NEGATIVE, NO_POINT, POSITIVE
from segedu.interactive.sam_training import (
    answer_loss,
    dice_loss,
    first_prompts,
    focal_loss,
    jittered_boxes,
    points_in,
    sam_loss,
    true_iou,
    wrong_points,
)

ALL = torch.ones(1, 4, 4, dtype=torch.bool)


def half() -> Tensor:
    """(1, 4, 4), the left half."""
    truth = torch.zeros(1, 4, 4, dtype=torch.bool)
    truth[:, :, :2] = True
    return truth


def test_focal_loss_is_its_formula() -> None:
    logits = torch.full((1, 1, 4, 4), 0.7, dtype=torch.float64)
    p = 1 / (1 + math.exp(-0.7))
    on = -0.25 * (1 - p) ** 2 * math.log(p)
    off = -0.75 * p**2 * math.log(1 - p)
    assert float(focal_loss(logits, half(), ALL)) == pytest.approx((on + off) / 2)
    counted = half()  # what is not counted costs nothing
    assert float(focal_loss(logits, half(), counted)) == pytest.approx(on)


def test_dice_and_iou_on_known_masks() -> None:
    right = (half().float() * 2 - 1)[:, None] * 50
    both = torch.cat([right, -right, right.abs()], dim=1)  # right, wrong, everything
    assert true_iou(both, half(), ALL)[0].tolist() == [1, 0, 0.5]
    expected = [0, 1 - 1 / 17, 1 - 17 / 25]
    assert dice_loss(both, half(), ALL)[0].tolist() == pytest.approx(expected, abs=1e-5)
    empty = torch.zeros(1, 4, 4, dtype=torch.bool)
    assert true_iou(-right.abs(), empty, ALL).item() == 1


def test_only_the_best_mask_is_taught() -> None:
    logits = torch.stack([half()[0] * 2.0 - 1, 1 - half()[0] * 2.0, torch.zeros(4, 4)])[None]
    logits.requires_grad_()
    guessed = torch.tensor([[1.0, 0.0, 0.5]], requires_grad=True)
    answer_loss(logits, guessed, half(), ALL).sum().backward()
    assert logits.grad is not None and guessed.grad is not None
    assert logits.grad[0].flatten(1).any(dim=1).tolist() == [True, False, False]
    # IoU is 1, 0 and 0 (a logit of 0 is outside): only the third guess errs.
    assert guessed.grad[0].tolist() == pytest.approx([0, 0, 2 * 0.5 / 3])


def test_points_fall_where_they_should() -> None:
    torch.manual_seed(0)
    truth = torch.zeros(3, 20, 30, dtype=torch.bool)
    truth[0, 5:9, 10:14] = truth[1, 12, 29] = True
    seen = set()
    for _ in range(60):
        points, found = points_in(truth)
        assert found.tolist() == [True, True, False]
        x, y = points[0].long().tolist()
        assert truth[0, y, x] and points[1].tolist() == [29, 12]
        seen.add((x, y))
    assert len(seen) > 12  # of 16 pixels, all alike


def test_further_points_lie_in_errors_and_say_which() -> None:
    truth = torch.zeros(3, 32, 32, dtype=torch.bool)
    truth[:, 8:16, 8:16] = True
    counted = torch.ones_like(truth)
    logits = torch.full((3, 32, 32), -5.0)
    logits[1:][truth[1:]] = 5
    logits[1, 24:28, 24:28] = 5
    points, labels = wrong_points(logits, truth, counted)
    assert labels.tolist() == [POSITIVE, NEGATIVE, NO_POINT]
    x, y = points[0].long().tolist()
    assert truth[0, y, x]
    assert points[1].min() >= 24 and points[1].max() < 28


def test_boxes_are_jittered_within_bounds() -> None:
    torch.manual_seed(0)
    truth = torch.zeros(1, 100, 200, dtype=torch.bool)
    truth[:, 20:60, 50:150] = True
    assert jittered_boxes(truth, noise=0).tolist() == [[50, 20, 150, 60]]
    boxes = torch.cat([jittered_boxes(truth) for _ in range(200)])
    moved = boxes - torch.tensor([50.0, 20, 150, 60])
    assert moved.abs().max() <= 20
    assert moved.std(dim=0).tolist() == pytest.approx([10, 4, 10, 4], rel=0.25)
    assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_prompts_are_in_the_networks_pixels() -> None:
    truth = torch.zeros(2, 16, 16, dtype=torch.bool)
    truth[:, 4, 6] = True
    kinds = set()
    for seed in range(8):
        torch.manual_seed(seed)
        asked = first_prompts(truth, scale=8)
        kinds |= set(asked)
        if "points" in asked:  # the middle of pixel (6, 4), eight times as large
            assert asked["points"][0, 0].tolist() == [6.5 * 8 - 0.5, 4.5 * 8 - 0.5]
        else:
            assert asked["boxes"][0] == pytest.approx([48, 32, 56, 40], abs=8)
    assert kinds == {"points", "labels", "boxes"}


@pytest.mark.parametrize("shape", [(2, 64, 64), (2, 3, 32, 32)])
def test_the_loss_counts_objects_and_reaches_every_parameter(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    net = SegmentAnything(
        ViTSize(32, 2, 2, (1,), window=2), channels=32, image_size=64, hidden=32, heads=4
    )
    target = torch.zeros(shape, dtype=torch.long)
    target[..., 10:20, 12:24] = 1
    target[..., :4, :] = 255
    for seed in range(3):
        torch.manual_seed(seed)
        total, weight = sam_loss(net(torch.randn(2, 3, 64, 64)), target, points=2)
        assert weight == math.prod(shape[:-2]) and torch.isfinite(total)
        total.backward()
    touched = {n for n, p in net.named_parameters() if p.grad is not None and p.grad.any()}
    # A softmax cannot see a change of all scores alike; and of three masks the best is taught.
    left = {n for n, _ in net.named_parameters()} - touched
    left = {n for n in left if not n.endswith(".key.bias")}
    assert all(n.startswith("decoder.painters.") for n in left)
    assert {n.split(".")[2] for n in left} < {"1", "2", "3"}


def test_repeated_questions_and_coarse_losses_count_as_they_should() -> None:
    torch.manual_seed(0)
    size = ViTSize(32, 2, 2, (1,), window=2, patch=16, stem=(8, 8, 16, 16))
    net = SegmentAnything(size, channels=32, image_size=64, hidden=32, heads=4).eval()
    target = torch.zeros(2, 64, 64, dtype=torch.long)
    target[:, 16:48, 8:40] = 1
    with torch.no_grad():
        encoded = net(torch.randn(2, 3, 64, 64))
        totals, weights = [], []
        for options in ({}, {"stride": 4}, {"asks": 3}):
            torch.manual_seed(1)
            total, weight = sam_loss(encoded, target, points=1, **options)
            totals.append(float(total / weight))
            weights.append(float(weight))
    assert weights == [2, 2, 6]
    # The masks have 16 pixels a side; enlarged four times they cost about the same.
    assert totals[1] == pytest.approx(totals[0], rel=0.03)
    # Other prompts, so another cost, but of the same kind.
    assert totals[2] == pytest.approx(totals[0], rel=0.3)
    assert totals[2] != totals[0]


def test_stems_must_make_patches_of_the_right_size() -> None:
    with pytest.raises(ValueError, match="2 strides of 2 do not make patches of 16"):
        SegmentAnything(ViTSize(32, 2, 2, (1,), window=2, patch=16, stem=(8, 8)), image_size=64)


def test_a_small_network_learns_to_segment_what_is_clicked() -> None:
    """Two rectangles an image, one of them meant: colours alone do not tell which."""
    torch.manual_seed(0)
    net = SegmentAnything(
        ViTSize(48, 3, 3, (1, 2), window=4, patch=8), channels=32, image_size=64, hidden=64, heads=4
    )
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3)
    generator = torch.Generator().manual_seed(0)
    losses = []
    for _ in range(40):
        images, target = rectangles(generator, 6)
        total, weight = sam_loss(net(images), target, points=1)
        optimizer.zero_grad()
        (total / weight).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        losses.append((total / weight).item())
    assert sum(losses[-8:]) < 0.8 * sum(losses[:8])


def rectangles(generator: torch.Generator, batch: int) -> tuple[Tensor, Tensor]:
    """(B, 3, 64, 64) of noise and two bright rectangles, (B, 64, 64) of one of them."""
    images = torch.randn(batch, 3, 64, 64, generator=generator) * 0.2
    target = torch.zeros(batch, 64, 64, dtype=torch.long)
    for image, truth in zip(images, target, strict=True):
        for left in (0, 32):
            x, y, w, h = torch.randint(6, 14, (4,), generator=generator).tolist()
            image[:, y : y + 2 * h, left + x - 4 : left + x - 4 + w] += 2
            if left == 0:
                truth[y : y + 2 * h, x - 4 : x - 4 + w] = 1
    return images, target


def test_the_small_network_has_one_class() -> None:
    with torch.device("meta"):
        assert sam_vit_tiny(num_classes=1).image_size == 256
        with pytest.raises(ValueError, match="no classes"):
            sam_vit_tiny(num_classes=3)
