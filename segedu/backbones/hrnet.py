"""HRNet: branches of several resolutions side by side, which exchange what they know.

J. Wang, K. Sun, T. Cheng, B. Jiang, C. Deng, Y. Zhao, D. Liu, Y. Mu, M. Tan, X. Wang, W. Liu, B.
Xiao: "Deep High-Resolution Representation Learning for Visual Recognition", IEEE TPAMI 43(10),
2021.

The idea in three lines: others go down to a small map and come up again; HRNet keeps a map at a
quarter of the image throughout and opens coarser branches beside it, one a stage. After every few
blocks each branch takes in the sum of all, brought to its size: places stay, context arrives.

Shapes: images (B, 3, H, W) -> four maps (B, 2^r width, H / 2^(r+2), W / 2^(r+2)), r = 0 … 3.

Options serve the descendants: segmentation enlarges bilinearly, pose by repetition (`nearest`) and
keeps only the finest branch (`only_finest`); the small variant of RITM has two blocks a branch.

Checked against timm and the authors' segmentation code (tests/parity).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from segedu.backbones.resnet import EXPANSION, BasicBlock, Bottleneck, initialize

Upsampling = Literal["bilinear", "nearest"]


def halve(in_channels: int, out_channels: int, relu: bool = True) -> nn.Sequential:
    """3x3 convolution with stride 2, batch norm, ReLU (but for the last before a sum)."""
    layers = [
        nn.Conv2d(in_channels, out_channels, 3, 2, 1, bias=False),
        nn.BatchNorm2d(out_channels),
    ]
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if relu else []))


class Exchange(nn.Module):
    """Every branch becomes the sum of all, each brought to its size (section 3.2, figure 3).

    Args:
        channels: of the branches, fine to coarse.
        outputs: how many of the branches go on, from the finest.
        mode: of enlarging.
        align_corners: of bilinear enlarging.
    """

    def __init__(
        self,
        channels: Sequence[int],
        outputs: int,
        mode: Upsampling = "bilinear",
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        self.mode, self.align_corners = mode, align_corners
        self.paths = nn.ModuleList(
            nn.ModuleList(self._path(channels, source, target) for source in range(len(channels)))
            for target in range(outputs)
        )

    @staticmethod
    def _path(channels: Sequence[int], source: int, target: int) -> nn.Module:
        """From finer to coarser: halve step by step. From coarser: 1x1, then enlarge."""
        if source == target:
            return nn.Identity()
        if source > target:
            return nn.Sequential(
                nn.Conv2d(channels[source], channels[target], 1, bias=False),
                nn.BatchNorm2d(channels[target]),
            )
        return nn.Sequential(
            *(halve(channels[source], channels[source]) for _ in range(target - source - 1)),
            halve(channels[source], channels[target], relu=False),
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps of all branches -> those of the branches that go on, same sizes."""
        return [self._sum(maps, target) for target in range(len(self.paths))]

    def parts(self, maps: Sequence[Tensor], target: int) -> Iterator[Tensor]:
        """What the target branch gets from each branch, from the finest: maps of its size."""
        paths: Iterable[nn.Module] = self.paths[target]  # type: ignore[assignment]
        for source, path in enumerate(paths):
            part = path(maps[source])
            yield self._enlarge(part, maps[target]) if source > target else part

    def _sum(self, maps: Sequence[Tensor], target: int) -> Tensor:
        total: Tensor | None = None
        for source, part in enumerate(self.parts(maps, target)):
            # In place from the second sum on: until then `total` may be a branch's own map.
            total = part if total is None else total + part if source == 1 else total.add_(part)
        assert total is not None
        return nn.functional.relu_(total)

    def _enlarge(self, x: Tensor, like: Tensor) -> Tensor:
        corners = self.align_corners if self.mode == "bilinear" else None
        return nn.functional.interpolate(
            x, size=like.shape[-2:], mode=self.mode, align_corners=corners
        )


class Module(nn.Module):
    """A few residual blocks in each branch, then an exchange.

    Args:
        channels: of the branches, fine to coarse.
        blocks: in each.
        exchange: of the branches.
    """

    def __init__(self, channels: Sequence[int], blocks: int, exchange: Exchange) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(n) for _ in range(blocks))) for n in channels
        )
        self.exchange = exchange

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps of all branches -> the same, having exchanged."""
        return self.exchange([b(x) for b, x in zip(self.branches, maps, strict=True)])


class HRNet(nn.Module):
    """The backbone.

    Args:
        width: C, channels of the finest branch: 18, 32, 48; each coarser one has twice as many.
        blocks: a branch and module; 4, or 2 in the small variant.
        modules: in stages 2, 3 and 4; (1, 4, 3), or (1, 3, 2) in the small variant.
        stem_width: channels of the two first convolutions and inside stage 1.
        mode: of enlarging in exchanges.
        align_corners: of bilinear enlarging.
        only_finest: the last exchange gives the finest map alone.
    """

    def __init__(
        self,
        width: int,
        *,
        blocks: int = 4,
        modules: Sequence[int] = (1, 4, 3),
        stem_width: int = 64,
        mode: Upsampling = "bilinear",
        align_corners: bool = False,
        only_finest: bool = False,
    ) -> None:
        super().__init__()
        self.channels = [width * 2**r for r in range(1 if only_finest else 4)]
        self.stem = nn.Sequential(*halve(3, stem_width), *halve(stem_width, stem_width))
        wide = EXPANSION * stem_width
        self.stage1 = nn.Sequential(
            Bottleneck(stem_width, stem_width),
            *(Bottleneck(wide, stem_width) for _ in range(blocks - 1)),
        )
        self.transitions, self.stages = nn.ModuleList(), nn.ModuleList()
        before = [wide]
        for number, count in enumerate(modules, start=2):
            channels = [width * 2**r for r in range(number)]
            self.transitions.append(transition(before, channels))
            outputs = [number] * count
            if only_finest and number == 4:
                outputs[-1] = 1
            self.stages.append(
                nn.Sequential(
                    *(
                        Module(channels, blocks, Exchange(channels, n, mode, align_corners))
                        for n in outputs
                    )
                )
            )
            before = channels
        initialize(self)

    def forward(self, images: Tensor, extra: Tensor | None = None) -> list[Tensor]:
        """Images (B, 3, H, W) -> the maps of the last stage's branches, fine to coarse.

        Args:
            images: normalised.
            extra: (B, stem_width, H / 2, W / 2), added to what the first convolution found.
        """
        return self.steps(images, extra)[-1]

    def steps(self, images: Tensor, extra: Tensor | None = None) -> list[list[Tensor]]:
        """Images (B, 3, H, W) -> the branches' maps after each of the four stages."""
        x = images.contiguous(memory_format=torch.channels_last)  # convolutions run faster so
        x = self.stem[:3](x)
        if extra is not None:
            x = x + extra
        found = [[self.stage1(self.stem[3:](x))]]
        moves: Iterable[nn.Module]
        for moves, stage in zip(self.transitions, self.stages, strict=True):  # type: ignore[assignment]
            before = found[-1]
            # The new branch begins from the coarsest one.
            maps = [move(before[min(r, len(before) - 1)]) for r, move in enumerate(moves)]
            found.append(stage(maps))
        return found


def transition(before: Sequence[int], after: Sequence[int]) -> nn.ModuleList:
    """From a stage's branches to the next one's: a 3x3 where channels change, one new branch."""
    kept = [
        nn.Identity()
        if n == m
        else nn.Sequential(
            nn.Conv2d(n, m, 3, 1, 1, bias=False), nn.BatchNorm2d(m), nn.ReLU(inplace=True)
        )
        for n, m in zip(before, after, strict=False)
    ]
    return nn.ModuleList([*kept, nn.Sequential(halve(before[-1], after[-1]))])


_NAMES = (
    (r"^conv1\.", "stem.0."),
    (r"^bn1\.", "stem.1."),
    (r"^conv2\.", "stem.3."),
    (r"^bn2\.", "stem.4."),
    (r"^layer1\.", "stage1."),
    (r"^transition(\d)\.", lambda m: f"transitions.{int(m[1]) - 1}."),
    (r"^stage([234])\.", lambda m: f"stages.{int(m[1]) - 2}."),
    (r"\.fuse_layers\.", ".exchange.paths."),
)


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the authors' backbone, or timm's; other layers (a classifier's) are left out."""
    found = {}
    for key, value in state.items():
        name = key
        for pattern, target in _NAMES:
            name = re.sub(pattern, target, name)
        if name.startswith(("stem.", "stage1.", "transitions.", "stages.")):
            found[name] = value
    return found
