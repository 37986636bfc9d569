"""How Segment Anything is trained: what is asked, and what an answer costs.

A. Kirillov et al.: "Segment Anything", ICCV 2023, section 3 ("Resolving ambiguity", "Losses and
training") and appendix A ("Training algorithm").

The idea in three lines: the first prompt is a point of the object or its box, jittered; it may be
ambiguous, so three masks answer and only the best of them is taught. Every further point lies where
the answer so far is wrong, the answer goes back in as a mask prompt, and one mask answers. Now and
then the network only sees its own answer again, to learn to improve on that.

Shapes: N = B · P objects, P of each of B images; logits (N, M, h, w); truth (N, H, W) bool;
guessed IoU (N, M).

Departures: the paper says focal and dice loss 20 to 1 and the squared error of the guessed IoU, but
not of which masks: here the guess is taught for all that were made, as in SAM 2. The number of
points is an argument (theirs is 8, and 2 rounds without a new point).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from segedu.images import IGNORE_LABEL
from segedu.interactive.sam_network import Encoded
from segedu.interactive.sam_prompts import NEGATIVE, NO_POINT, POSITIVE

FOCAL, DICE, IOU = 20.0, 1.0, 1.0  # weights of the three losses
GAMMA, ALPHA = 2.0, 0.25  # of the focal loss, as in its paper


def focal_loss(logits: Tensor, truth: Tensor, counted: Tensor, alpha: float = ALPHA) -> Tensor:
    """Mean over counted pixels of -α_t (1 - p_t)^γ log p_t: (N, M, H, W) -> (N, M).

    T.-Y. Lin et al.: "Focal Loss for Dense Object Detection", ICCV 2017, eq. 5.
    """
    target = truth[:, None].to(logits.dtype).expand_as(logits)
    cost = F.binary_cross_entropy_with_logits(logits, target, reduction="none")  # -log p_t
    missed = -torch.expm1(-cost)  # 1 - p_t
    share = torch.where(truth[:, None], alpha, 1 - alpha)
    weight = counted[:, None]
    return (share * missed**GAMMA * cost * weight).sum((2, 3)) / weight.sum((2, 3)).clamp(min=1)


def dice_loss(logits: Tensor, truth: Tensor, counted: Tensor) -> Tensor:
    """1 - 2 Σ p g / (Σ p + Σ g), over counted pixels: (N, M, H, W) -> (N, M)."""
    p = logits.sigmoid() * counted[:, None]
    g = (truth & counted)[:, None].to(logits.dtype)
    return 1 - (2 * (p * g).sum((2, 3)) + 1) / (p.sum((2, 3)) + g.sum((2, 3)) + 1)


def true_iou(logits: Tensor, truth: Tensor, counted: Tensor) -> Tensor:
    """IoU of the masks at threshold 0 with the truth: (N, M, H, W) -> (N, M); 1 if both empty."""
    masks, truth = (logits > 0) & counted[:, None], (truth & counted)[:, None]
    union = (masks | truth).sum((2, 3))
    return torch.where(union > 0, (masks & truth).sum((2, 3)) / union.clamp(min=1), 1.0)


def answer_loss(
    logits: Tensor,
    guessed: Tensor,
    truth: Tensor,
    counted: Tensor,
    *,
    focal: float = FOCAL,
    alpha: float = ALPHA,
) -> Tensor:
    """What answers cost, (N,): focal and dice of the best of M masks, and the guesses' errors.

    The minimum passes its gradient to one mask only; so three masks learn to differ where a prompt
    has several meanings, instead of meeting at their average.

    Args:
        logits: (N, M, h, w); enlarged to the truth's size first.
        guessed: (N, M), IoU as the network thinks.
        truth: (N, H, W) bool.
        counted: (N, H, W) bool, pixels that are not to be ignored.
        focal: weight of the focal loss, against dice loss's 1.
        alpha: of the focal loss, share of the object's pixels; below one half it favours empty
            masks, which a short training never leaves again.
    """
    logits = F.interpolate(logits.float(), truth.shape[1:], mode="bilinear", align_corners=False)
    spread, overlap = focal_loss(logits, truth, counted, alpha), dice_loss(logits, truth, counted)
    painted = (focal * spread + DICE * overlap).amin(dim=1)
    with torch.no_grad():
        reached = true_iou(logits, truth, counted)
    return painted + IOU * (guessed.float() - reached).square().mean(dim=1)


def points_in(region: Tensor) -> tuple[Tensor, Tensor]:
    """A random pixel of each region, all alike: (N, H, W) bool -> (N, 2) of (x, y), and whether
    there is one, (N,) bool.
    """
    lots = torch.rand(region.shape, device=region.device) + 1e-6
    best, index = (lots * region).flatten(1).max(dim=1)
    width = region.shape[2]
    return torch.stack([index % width, index // width], dim=1).float(), best > 0


def jittered_boxes(truth: Tensor, noise: float = 0.1, most: float = 20.0) -> Tensor:
    """Boxes of objects (N, H, W), each side moved at random: (N, 4), x0, y0, x1, y1.

    Args:
        truth: bool; an empty one gets the whole image.
        noise: standard deviation, of the side's length.
        most: pixels that a side is moved at most.
    """
    sides = []
    for axis in (1, 2):  # columns, rows
        hit = truth.any(dim=axis)  # (N, W) or (N, H)
        hit = torch.where(hit.any(dim=1, keepdim=True), hit, True).float()
        first, last = hit.argmax(dim=1), hit.shape[1] - hit.flip(1).argmax(dim=1)
        ends = torch.stack([first, last], dim=1).float()  # the last one is just outside
        length = (ends[:, 1] - ends[:, 0])[:, None]
        moved = (torch.randn_like(ends) * noise * length).clamp(-most, most)
        sides.append((ends + moved).clamp(0, hit.shape[1]))
    (x0, x1), (y0, y1) = (s.unbind(1) for s in sides)
    return torch.stack([x0.minimum(x1 - 1), y0.minimum(y1 - 1), x1, y1], dim=1)


def wrong_points(logits: Tensor, truth: Tensor, counted: Tensor) -> tuple[Tensor, Tensor]:
    """A random pixel where each answer (N, h, w) is wrong: (N, 2), and labels (N,).

    Positive where the object is missing, negative where background is covered; no point where
    nothing is wrong.
    """
    large = F.interpolate(logits[:, None].float(), truth.shape[1:], mode="bilinear")[:, 0]
    points, found = points_in(((large > 0) != truth) & counted)
    x, y = points.long().unbind(1)
    inside = truth[torch.arange(len(truth), device=truth.device), y, x]
    labels = torch.where(inside, POSITIVE, NEGATIVE)
    return points, torch.where(found, labels, NO_POINT)


def sam_loss(
    encoded: Encoded,
    target: Tensor,
    *,
    points: int = 4,
    focal: float = FOCAL,
    alpha: float = ALPHA,
    asks: int = 1,
    stride: int = 1,
) -> tuple[Tensor, Tensor]:
    """Ask about objects, again and again, and add up what the answers cost.

    Args:
        encoded: B images, what the network returns in training.
        target: (B, H, W) or (B, P, H, W), int: 1 on the object, 0 beside it, 255 to be ignored.
            Any size of the images' shape; coordinates are scaled.
        points: further rounds; in one of them, and after them, no point is added.
        focal: as `answer_loss`.
        alpha: as `answer_loss`.
        asks: how often each object is asked about, with other prompts: decoding is cheap.
        stride: losses are computed on every so many pixels, in rows and in columns.

    Returns:
        total and weight, as in `segedu.losses`: the sum over objects of the mean over rounds, and
        the number of objects.
    """
    target = target.flatten(0, 1) if target.ndim == 4 else target
    target = target.repeat_interleave(asks, dim=0)
    truth, counted = target == 1, target != IGNORE_LABEL
    scale = encoded.net.image_size / max(target.shape[-2:])
    asked = first_prompts(truth & counted, scale)
    some = slice(stride // 2, None, stride)
    few = (truth[:, some, some], counted[:, some, some])
    silent = int(torch.randint(1, points + 1, ())) if points else 0
    logits, guessed = encoded.decode(**asked, multimask=True)
    cost = answer_loss(logits, guessed, *few, focal=focal, alpha=alpha)
    rounds = [*(n != silent for n in range(1, points + 1)), False] if points else []
    for with_point in rounds:
        best = guessed.argmax(dim=1)
        previous = logits[torch.arange(len(best), device=best.device), best].detach()
        if with_point:
            new, labels = wrong_points(previous, truth, counted)
            asked = with_point_added(asked, scaled(new, scale), labels)
        logits, guessed = encoded.decode(**asked, masks=previous[:, None], multimask=False)
        cost = cost + answer_loss(logits, guessed, *few, focal=focal, alpha=alpha)
    return (cost / (1 + len(rounds))).sum(), cost.new_tensor(float(len(cost)))


def scaled(points: Tensor, scale: float) -> Tensor:
    """Pixels counted in the target -> in the network's input; centres stay where they are."""
    return (points + 0.5) * scale - 0.5


def with_point_added(asked: dict[str, Tensor], points: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Prompts and one more point for each: (N, 2), (N,)."""
    new = {"points": points[:, None], "labels": labels[:, None]}
    return asked | {k: torch.cat([asked[k], v], 1) if k in asked else v for k, v in new.items()}


def first_prompts(truth: Tensor, scale: float) -> dict[str, Tensor]:
    """One point of each object, or all of their boxes: by equal chance, for the whole batch."""
    if torch.rand(()) < 0.5:
        points, found = points_in(truth)
        return with_point_added({}, scaled(points, scale), torch.where(found, POSITIVE, NO_POINT))
    return {"boxes": jittered_boxes(truth, most=20 / scale) * scale}
