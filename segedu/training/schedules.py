"""Learning rates as functions of the step, and the moving average of weights.

A schedule has no state: resuming needs only the number of the step.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import nn


def learning_rate_factor(
    step: int, steps: int, schedule: str, warmup: int = 0, power: float = 0.9
) -> float:
    """Factor of the learning rate at a step, in (0, 1].

    Args:
        step: 0 … steps-1.
        steps: how many there are.
        schedule: "poly": (1 - step / steps)^power (DeepLab, TPAMI 2018, section 4.1.2); "cosine":
            (1 + cos(pi step / steps)) / 2 (Loshchilov & Hutter, ICLR 2017); "constant".
        warmup: this many steps rise linearly to the schedule's value; 0 for none.
        power: of "poly".

    Raises:
        ValueError: an unknown schedule.
    """
    if schedule == "poly":
        factor = (1 - step / steps) ** power
    elif schedule == "cosine":
        factor = (1 + math.cos(math.pi * step / steps)) / 2
    elif schedule == "constant":
        factor = 1.0
    else:
        raise ValueError(f'schedule must be "poly", "cosine" or "constant", got {schedule!r}')
    return factor * min(1.0, (step + 1) / (warmup + 1))


class MovingAverage:
    """Exponential moving average of a model's weights: smoother, mostly a little better.

    Polyak & Juditsky 1992; the decay grows from 0.1 to its value, so that the first, random weights
    are soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights after a step (from 1); statistics of batch norm are averaged too."""
        decay = min(self.decay, step / (step + 9))
        current = model.state_dict()
        for name, average in self.model.state_dict().items():
            if average.is_floating_point():
                average.lerp_(current[name], 1 - decay)
            else:
                average.copy_(current[name])
