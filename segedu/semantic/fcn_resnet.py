"""FCN on an atrous ResNet: torchvision's plain baseline, one stream and a 3x3 head.

Idea: J. Long, E. Shelhamer, T. Darrell, CVPR 2015; the layout is that of torchvision's
`fcn_resnet50` (2019), which no paper describes.

The idea in three lines: instead of adding scores of finer layers, do not become coarse: the last
two stages of a ResNet run with rates 2 and 4, so that its last map has stride 8. A 3x3 convolution
and a 1x1 make the scores, bilinear interpolation brings them to the pixels.

Shapes: images (B, 3, H, W); map (B, 2048, H / 8, W / 8); logits (B, C, H, W).

Departures from torchvision: none; `width` makes small versions. `auxiliary` is a second head on the
third stage, for training alone; it is among the `intermediates`.

Checked against torchvision: 35,322,218 parameters with the auxiliary head and 21 classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from segedu.backbones.resnet import BLOCKS, ResNet
from segedu.layers.normalization import IMAGENET, Normalization


def score_head(in_channels: int, num_classes: int) -> nn.Sequential:
    """3x3 to a quarter of the channels, batch normalisation, ReLU, dropout, 1x1 to scores."""
    middle = in_channels // 4
    return nn.Sequential(
        nn.Conv2d(in_channels, middle, 3, padding=1, bias=False),
        nn.BatchNorm2d(middle),
        nn.ReLU(inplace=True),
        nn.Dropout(0.1),
        nn.Conv2d(middle, num_classes, 1),
    )


class FCNResNet(nn.Module):
    """FCN on an atrous ResNet; use `fcn_resnet50`.

    Args:
        num_classes: C.
        depth: of the ResNet: 50, 101 or 152.
        auxiliary: with the second head.
        width: channels of the first stage inside; 64 in the paper of ResNet.
    """

    normalization: ClassVar[Normalization] = IMAGENET

    def __init__(
        self, num_classes: int, *, depth: int = 50, auxiliary: bool = False, width: int = 64
    ) -> None:
        super().__init__()
        if depth not in BLOCKS:
            raise ValueError(f"depth is one of {', '.join(map(str, BLOCKS))}, got {depth}")
        self.backbone = ResNet(BLOCKS[depth], output_stride=8, width=width)
        self.head = score_head(self.backbone.channels[3], num_classes)
        self.auxiliary: nn.Sequential | None = None
        if auxiliary:
            self.auxiliary = score_head(self.backbone.channels[2], num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W), normalised -> logits (B, C, H, W)."""
        return self._enlarge(self.head(self.backbone(images)[3]), images)

    def intermediates(self, images: Tensor) -> dict[str, Tensor]:
        """stage1 … stage4, score, logits, and auxiliary where there is that head."""
        found = {f"stage{k}": maps for k, maps in enumerate(self.backbone(images), start=1)}
        found["score"] = self.head(found["stage4"])
        found["logits"] = self._enlarge(found["score"], images)
        if self.auxiliary is not None:
            found["auxiliary"] = self._enlarge(self.auxiliary(found["stage3"]), images)
        return found

    @staticmethod
    def _enlarge(scores: Tensor, images: Tensor) -> Tensor:
        return nn.functional.interpolate(
            scores, size=images.shape[-2:], mode="bilinear", align_corners=False
        )


def fcn_resnet50(num_classes: int, *, auxiliary: bool = False, width: int = 64) -> FCNResNet:
    """torchvision's FCN on ResNet-50; options as of `FCNResNet`."""
    return FCNResNet(num_classes, auxiliary=auxiliary, width=width)


def from_torchvision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert torchvision's `fcn_resnet50` or `fcn_resnet101` to `FCNResNet`'s names."""
    prefixes = {"classifier.": "head.", "aux_classifier.": "auxiliary."}
    target = {}
    for key, value in state.items():
        old = next((old for old in prefixes if key.startswith(old)), "")
        target[prefixes.get(old, "") + key.removeprefix(old)] = value
    return target
