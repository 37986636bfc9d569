"""Iterative training of click networks: they learn from the clicks that their own mistakes ask for.

K. Sofiiuk, I. Petrov, A. Konushin: "Reviving Iterative Training with Mask Guidance for Interactive
Segmentation" (RITM), ICIP 2022; random clicks as in Xu et al., CVPR 2016.

The idea in three lines: each image begins with random clicks on the object and around it. Then, 0
to 3 times, the network answers (without gradients), and a further click goes into the larger of its
errors, anywhere in its inner half. Only the answer to all these clicks, with the last mask as a
further input, is trained.

Departures: negative clicks "on other objects" need all objects of an image; here they fall on the
border or anywhere in the background. The paper draws up to 24 random clicks of a sign with decay
0.8, as the defaults here; the course's `ritm-hrnet18s-small` was trained with up to 8 and 0.6.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segedu.images import IGNORE_LABEL
from segedu.interactive.click_maps import NEGATIVE, POSITIVE, UNUSED
from segedu.interactive.clicks import depth
from segedu.interactive.ritm_network import ClickNetwork

THRESHOLD = 0.49  # of the authors
THREADS = ThreadPoolExecutor(4, "clicks")  # an image each; OpenCV lets go of Python's lock


def simulate_clicks(
    net: ClickNetwork,
    images: Tensor,
    target: Tensor,
    *,
    iterations: int = 3,
    max_points: int = 24,
    decay: float = 0.8,
) -> tuple[Tensor, Tensor]:
    """What the user of a training step says: points (B, N, 3) and the mask so far (B, 1, H, W).

    Every random number comes from torch's generator.

    Args:
        net: answers the clicks, in evaluation mode meanwhile.
        images: (B, 3, H, W), normalised.
        target: (B, H, W) int64: 1 object, 0 background, 255 not known.
        iterations: up to that many clicks into errors; how many is drawn for the whole batch.
        max_points: up to that many positive, and as many negative random clicks.
        decay: each further random click is that much less likely.
    """
    random = np.random.default_rng(int(torch.randint(2**62, ())))
    truth = target.cpu().numpy()
    own = random.spawn(len(truth))  # random numbers of each image, in whatever order they are drawn

    def begin(i: int) -> list[Point]:
        return first_clicks(truth[i], own[i], max_points, decay)

    def go_on(i: int) -> list[Point]:
        return clicks[i] + click_into_error(answers[i], truth[i], own[i])

    clicks = list(THREADS.map(begin, range(len(truth))))
    previous = images.new_zeros(len(images), 1, *images.shape[-2:])
    was_training = net.training
    net.eval()
    with torch.no_grad():
        for _ in range(int(random.integers(iterations + 1))):
            logits = net(images, as_points(clicks, images.device), previous)
            assert isinstance(logits, Tensor)
            previous = logits.float().sigmoid().to(images.dtype)
            answers = previous[:, 0].float().cpu().numpy()
            clicks = list(THREADS.map(go_on, range(len(truth))))
    net.train(was_training)
    return as_points(clicks, images.device), previous


Point = tuple[float, float, float]


def as_points(clicks: list[list[Point]], device: torch.device) -> Tensor:
    """Clicks of each image -> (B, N, 3), filled up with unused places."""
    most = max(1, *map(len, clicks))
    rows = [[*own, *[(0.0, 0.0, UNUSED)] * (most - len(own))] for own in clicks]
    return torch.tensor(rows, dtype=torch.float32, device=device)


def number_of_clicks(random: np.random.Generator, first: int, most: int, decay: float) -> int:
    """`first` … `most`, n with probability proportional to decay^n."""
    weights = decay ** np.arange(most - first + 1)
    return first + int(random.choice(len(weights), p=weights / weights.sum()))


def first_clicks(
    truth: NDArray[np.int64], random: np.random.Generator, max_points: int, decay: float
) -> list[Point]:
    """Random clicks: at least one on the object (H, W), away from its border; perhaps others."""
    inside = truth == 1
    if not inside.any():
        return []
    kernel = np.ones((3, 3), np.uint8)
    eroded = cv2.erode(inside.astype(np.uint8), kernel, iterations=3).astype(bool)
    places = eroded if random.random() < 0.9 and eroded.sum() > 10 else inside
    found = []
    for _ in range(number_of_clicks(random, 1, max_points, decay)):
        found.append(_somewhere(places, POSITIVE, random))
    outside = truth == 0
    reach = int(np.ceil(0.1 * np.sqrt(inside.sum())))
    border = cv2.dilate(inside.astype(np.uint8), kernel, iterations=reach).astype(bool) & outside
    for _ in range(number_of_clicks(random, 0, max_points, decay)):
        region = border if random.random() < 0.7 and border.any() else outside
        if region.any():
            found.append(_somewhere(region, NEGATIVE, random))
    return found


def click_into_error(
    answer: NDArray[np.float32], truth: NDArray[np.int64], random: np.random.Generator
) -> list[Point]:
    """One click into the larger error, where it is at least half as deep as it gets; or none."""
    covered = (answer > THRESHOLD) & (truth != IGNORE_LABEL)
    missing_depth = depth((truth == 1) & ~covered, exact=False)
    covered_depth = depth((truth == 0) & covered, exact=False)
    positive = missing_depth.max() > covered_depth.max()
    depths = missing_depth if positive else covered_depth
    if depths.max() == 0:
        return []
    inner = depths > depths.max() / 2
    return [_somewhere(inner, POSITIVE if positive else NEGATIVE, random)]


def _somewhere(region: NDArray[np.bool_], label: float, random: np.random.Generator) -> Point:
    places = np.flatnonzero(region)
    row, column = divmod(int(places[random.integers(len(places))]), region.shape[1])
    return float(column), float(row), label
