"""ResNet: residual blocks, and the atrous variant that keeps its maps large.

K. He, X. Zhang, S. Ren, J. Sun: "Deep Residual Learning for Image Recognition", CVPR 2016; made
atrous in L.-C. Chen et al.: "DeepLab", IEEE TPAMI 40(4), 2018, and "Rethinking Atrous Convolution
for Semantic Image Segmentation", 2017.

The idea in three lines: a block adds what it computes to its input, so the identity is learnt at
once and gradients pass. Four stages halve the map and double the channels. Where a stage does not
halve (`output_stride` 16 or 8), its later convolutions look with rate 2 or 4 and see as much.

Shapes: images (B, 3, H, W) -> maps (B, 4 width · 2^i, H / s, W / s) of stages i = 0 … 3.

Two layouts of the same paper are in use. "torchvision" puts the stride into the 3x3 convolution and
lets the first block of an atrous stage look at half the rate, since its input was made at that
rate. "caffe" (the authors' weights, DeepLab v2) puts the stride into the first 1x1, gives all
blocks the full rate, and rounds sizes up when it pools.

Checked against torchvision and timm (tests/parity).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

Layout = Literal["torchvision", "caffe"]
BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
EXPANSION = 4  # a bottleneck's outputs for each of its inner channels


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, added to the input (figure 5, left); the map and channels are kept."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y.add_(x))


class Bottleneck(nn.Module):
    """1x1 to few channels, 3x3, 1x1 to many, added to the input (figure 5, right).

    Args:
        in_channels: of the input.
        channels: inside; the output has four times as many.
        stride: of the block.
        rate: of the 3x3 convolution.
        layout: whose convolution has the stride.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        rate: int = 1,
        layout: Layout = "torchvision",
    ) -> None:
        super().__init__()
        first, second = (stride, 1) if layout == "caffe" else (1, stride)
        out_channels = EXPANSION * channels
        self.conv1 = nn.Conv2d(in_channels, channels, 1, first, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, second, rate, rate, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = (
            nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )
            if stride != 1 or in_channels != out_channels
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 4 · channels, H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        return self.relu(x.add_(shortcut))


class ResNet(nn.Module):
    """Bottleneck ResNet without its classifier.

    Args:
        blocks: a stage; `BLOCKS` has those of ResNet-50, 101 and 152.
        output_stride: 32, 16 or 8: of the last map against the image.
        multi_grid: rates of the last stage's blocks are multiplied by these (DeepLab v3, section
            3.2.1); all blocks then have their full rate.
        layout: "torchvision" or "caffe".
        width: channels of the first stage inside; 64 in the paper.

    Raises:
        ValueError: another output stride, or as many factors as blocks are not given.
    """

    def __init__(
        self,
        blocks: Sequence[int] = BLOCKS[50],
        *,
        output_stride: int = 32,
        multi_grid: Sequence[int] | None = None,
        layout: Layout = "torchvision",
        width: int = 64,
    ) -> None:
        super().__init__()
        if output_stride not in (8, 16, 32):
            raise ValueError(f"output_stride must be 8, 16 or 32, got {output_stride}")
        if multi_grid is not None and len(multi_grid) != blocks[3]:
            raise ValueError(f"multi_grid needs {blocks[3]} factors, got {len(multi_grid)}")
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1, ceil_mode=layout == "caffe")
        self.channels = [EXPANSION * width * 2**i for i in range(4)]
        in_channels = [width, *self.channels[:3]]
        rate = 1
        for i, count in enumerate(blocks):
            before = rate  # at which this stage's input was made
            stride = 1 if i == 0 else 2
            if 4 * 2**i > output_stride:  # as large as the stage before, twice the rate instead
                stride, rate = 1, 2 * rate
            rates = [rate] * count
            if i == 3 and multi_grid is not None:
                rates = [rate * factor for factor in multi_grid]
            elif layout == "torchvision":
                rates[0] = before
            self.add_module(
                f"layer{i + 1}", stage(in_channels[i], width * 2**i, stride, rates, layout)
            )
        self.rate = rate  # of the last stage: where copies of it go on (DeepLab v3, figure 3)
        initialize(self)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Images (B, 3, H, W) -> the maps of the four stages, fine to coarse."""
        x = images.contiguous(memory_format=torch.channels_last)  # convolutions run faster so
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        maps = []
        for i in range(4):
            x = self.get_submodule(f"layer{i + 1}")(x)
            maps.append(x)
        return maps


def stage(
    in_channels: int, channels: int, stride: int, rates: Sequence[int], layout: Layout
) -> nn.Sequential:
    """Blocks with these rates; the first one has the stride."""
    return nn.Sequential(
        *(
            Bottleneck(
                in_channels if k == 0 else EXPANSION * channels,
                channels,
                stride if k == 0 else 1,
                rate,
                layout,
            )
            for k, rate in enumerate(rates)
        )
    )


def initialize(module: nn.Module) -> None:
    """Start convolutions as He et al. (ICCV 2015) do, so that variances stay through the depth."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def from_torchvision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Keep what a classification network of torchvision or timm has for `ResNet`: no classifier."""
    return {key: value for key, value in state.items() if not key.startswith("fc.")}
