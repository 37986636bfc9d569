"""HRNet for segmentation: all branches enlarged, joined, and two 1x1 convolutions.

K. Sun, Y. Zhao, B. Jiang, T. Cheng, B. Xiao, D. Liu, Y. Mu, X. Wang, W. Liu, J. Wang:
"High-Resolution Representations for Labeling Pixels and Regions", 2019 (HRNetV2); J. Wang et al.,
IEEE TPAMI 43(10), 2021, section 3.3, figure 4 b.

The idea in three lines: the finest branch knows where, the coarse ones know what; enlarged to the
finest and joined, they are all that a pixel needs, so the head is nearly nothing. The backbone
(segedu/backbones/hrnet.py) does the work.

Shapes: images (B, 3, H, W); joined maps (B, 15 C, H / 4, W / 4); logits (B, K, H, W).

Departures: none. Corners: the authors' Cityscapes models of 2019 enlarge with
`align_corners=False`, those with OCR with True; `align_corners` chooses.

Checked against the authors' code (tests/parity).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from segedu.backbones import hrnet
from segedu.layers.normalization import IMAGENET, Normalization


class HRNetSegmentation(nn.Module):
    """HRNetV2; use `hrnet_w18`, `hrnet_w32`, `hrnet_w48`.

    Args:
        num_classes: K.
        width: C of the backbone.
        align_corners: of all bilinear enlarging.
        options: of `segedu.backbones.hrnet.HRNet`.
    """

    normalization: ClassVar[Normalization] = IMAGENET

    def __init__(
        self, num_classes: int, width: int, *, align_corners: bool = False, **options: Any
    ) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.backbone = hrnet.HRNet(width, align_corners=align_corners, **options)
        joined = sum(self.backbone.channels)
        self.mix = nn.Sequential(
            nn.Conv2d(joined, joined, 1), nn.BatchNorm2d(joined), nn.ReLU(inplace=True)
        )
        self.score = nn.Conv2d(joined, num_classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W), normalised -> logits (B, K, H, W)."""
        return self.head(self.backbone(images), images.shape[-2:])["logits"]

    def intermediates(self, images: Tensor) -> dict[str, Tensor]:
        """stage1_branch0 … stage4_branch3 (the maps of each stage), mix, score, logits."""
        steps = self.backbone.steps(images)
        found = {
            f"stage{stage}_branch{branch}": x
            for stage, maps in enumerate(steps, start=1)
            for branch, x in enumerate(maps)
        }
        return found | self.head(steps[-1], images.shape[-2:])

    def head(self, maps: Sequence[Tensor], size: torch.Size) -> dict[str, Tensor]:
        """Maps of the four branches -> mix (B, 15 C, H / 4, W / 4), score and logits (B, K, *size).

        The branches' maps, enlarged to the finest, are joined in the order fine to coarse.
        """
        finest = maps[0].shape[-2:]
        joined = torch.cat([maps[0], *(self._enlarge(x, finest) for x in maps[1:])], dim=1)
        mix = self.mix(joined)  # (B, 15 C, H / 4, W / 4)
        score = self.score(mix)
        logits = self._enlarge(score, size)
        return {"mix": mix, "score": score, "logits": logits}

    def _enlarge(self, x: Tensor, size: torch.Size) -> Tensor:
        return nn.functional.interpolate(
            x, size=size, mode="bilinear", align_corners=self.align_corners
        )


def hrnet_w18(num_classes: int, **options: Any) -> HRNetSegmentation:
    """HRNetV2-W18. Options as of `HRNetSegmentation`; `width` makes another one."""
    return HRNetSegmentation(num_classes, **{"width": 18, **options})


def hrnet_w32(num_classes: int, **options: Any) -> HRNetSegmentation:
    """HRNetV2-W32. Options as of `HRNetSegmentation`."""
    return HRNetSegmentation(num_classes, **{"width": 32, **options})


def hrnet_w48(num_classes: int, **options: Any) -> HRNetSegmentation:
    """HRNetV2-W48: 65.86 M parameters for Cityscapes' 19 classes."""
    return HRNetSegmentation(num_classes, **{"width": 48, **options})


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the authors' segmentation network (`conv1.weight` … `last_layer.3.bias`).

    Their files hold it as `model.…`, beside their loss.
    """
    state = {k.removeprefix("model."): v for k, v in state.items() if not k.startswith("loss.")}
    found = {f"backbone.{k}": v for k, v in hrnet.from_official(state).items()}
    for key, value in state.items():
        if key.startswith("last_layer."):
            number, kind = key.removeprefix("last_layer.").split(".", 1)
            found[f"score.{kind}" if number == "3" else f"mix.{number}.{kind}"] = value
    return found
