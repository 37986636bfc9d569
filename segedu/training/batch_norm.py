"""Batch normalisation over the batches of all processes.

So that several processes compute what one computes with the whole batch. On GPUs torch has it
(`SyncBatchNorm`); on the CPU it does not, and this file is it.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn


class GlobalBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm2d with mean and variance over all processes, which hold batches of one size."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        if not self.training:
            return super().forward(input)
        processes = torch.distributed.get_world_size()
        n = processes * input.numel() // input.shape[1]
        x = input.float()
        mean = _sum_over_processes(x.mean(dim=(0, 2, 3))) / processes  # (C,)
        centered = x - mean[:, None, None]
        variance = _sum_over_processes((centered * centered).mean(dim=(0, 2, 3))) / processes
        self._track(mean.detach(), variance.detach() * n / max(n - 1, 1))
        scale = (variance + self.eps).rsqrt()
        if self.affine:
            return torch.addcmul(
                self.bias[:, None, None], centered, (scale * self.weight)[:, None, None]
            ).to(input.dtype)
        return (centered * scale[:, None, None]).to(input.dtype)

    def _track(self, mean: Tensor, variance: Tensor) -> None:
        """Update the running statistics (the variance is the unbiased one, as in torch)."""
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        momentum = self.momentum
        if momentum is None:  # the plain average over all batches
            momentum = 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance, momentum)


class _Sum(torch.autograd.Function):
    """Sum over processes; the gradients add up too: each output depends on each input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.detach().clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        torch.distributed.all_reduce(total)
        return total


def _sum_over_processes(x: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(x)
    return total


def over_processes(model: nn.Module, device: torch.device) -> nn.Module:
    """Replace a model's batch normalisation by one over all processes; names stay."""
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)
    for name, child in model.named_children():
        if type(child) is nn.BatchNorm2d:
            new = GlobalBatchNorm2d(
                child.num_features,
                child.eps,
                child.momentum,
                child.affine,
                child.track_running_stats,
            )
            new.load_state_dict(child.state_dict())
            new.train(child.training)
            setattr(model, name, new)
        else:
            over_processes(child, device)
    return model
