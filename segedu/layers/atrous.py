"""Atrous convolution by hand: gather each output's inputs, then one matrix product.

L.-C. Chen et al.: "DeepLab", IEEE TPAMI 40(4), 2018, section 3.1. The networks use
`torch.nn.Conv2d(dilation=…)`; this is the definition for the lecture, equal to it in the tests.
"""

from __future__ import annotations

import torch
from torch import Tensor


def atrous_convolution(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *, rate: int = 1
) -> Tensor:
    """Convolve with holes: y[i] = sum over k of x[i + r·k] w[k] (eq. 1), the size kept.

    Args:
        x: (B, C, H, W) float.
        weight: (D, C, K, K), K odd.
        bias: (D,), or None.
        rate: r, at least 1; 1 is the usual convolution.

    Returns:
        (B, D, H, W); what lies outside the image counts as 0.

    Raises:
        ValueError: an even kernel or a rate below 1.
    """
    batch, _, height, width = x.shape
    out_channels, _, size, _ = weight.shape
    if size % 2 == 0:
        raise ValueError(f"the kernel needs a middle: its size must be odd, got {size}")
    if rate < 1:
        raise ValueError(f"rate must be at least 1, got {rate}")
    reach = rate * (size // 2)
    # Each output pixel's K·K·C inputs as a column: (B, C·K·K, H·W).
    columns = torch.nn.functional.unfold(x, size, dilation=rate, padding=reach)
    y = weight.reshape(out_channels, -1) @ columns  # (D, C·K·K) · (B, C·K·K, H·W)
    if bias is not None:
        y = y + bias[:, None]
    return y.view(batch, out_channels, height, width)


def receptive_field(layers: list[tuple[int, int, int]]) -> int:
    """Return how many input pixels one output of a stack of layers sees along an axis.

    Args:
        layers: (kernel, stride, rate) of each, first to last.
    """
    field, jump = 1, 1  # pixels seen; input pixels between neighbours of the present map
    for kernel, stride, rate in layers:
        field += (kernel - 1) * rate * jump
        jump *= stride
    return field
