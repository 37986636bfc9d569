"""DeepLab v1 and v2: atrous convolution brings a classifier's small map back to an eighth.

v1: L.-C. Chen, G. Papandreou, I. Kokkinos, K. Murphy, A. Yuille: "Semantic Image Segmentation with
Deep Convolutional Nets and Fully Connected CRFs", ICLR 2015 (the LargeFOV variant). v2: the same
authors: "DeepLab", IEEE TPAMI 40(4), 2018 (section numbers below are of v2).

The idea in three lines: where a classifier would halve its map once more, do not, and let all later
convolutions skip every second input instead (rate 2, then 4): the same weights see the same things
on a map four times as large. v2 sums such convolutions of four rates, for objects of four sizes.

Shapes: images (B, 3, H, W); scores (B, C, H / 8, W / 8), sizes 8k + 1 becoming k + 1; logits (B, C,
H, W), enlarged with corners on corners as in Caffe. A fully connected CRF (segedu/semantic/crf.py)
may follow.

Departures: none in the layers; `width`, `blocks` and `batch_norm` make small variants.

Checked against a PyTorch port that loads the authors' Caffe weights (v2), and by the published
number of parameters (v1); tests/parity.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from segedu.backbones import resnet, vgg
from segedu.layers.normalization import CAFFE_BGR, Normalization


def enlarge(x: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear, corners on corners."""
    return nn.functional.interpolate(x, size=tuple(size), mode="bilinear", align_corners=True)


class DeepLabV1(nn.Module):
    """DeepLab-LargeFOV on VGG-16; 20.5 M parameters for 21 classes, a sixth of FCN's.

    The last two poolings do not shrink the map; conv5 has rate 2. VGG's 7x7 fc6 becomes a 3x3 with
    rate 12 that spans 25 pixels of the map, with 1024 outputs in place of 4096 (ICLR, section 2.2).

    Args:
        num_classes: C.
        width: multiplies all numbers of channels.
        batch_norm: in the backbone; needed to train from random weights.
    """

    normalization: ClassVar[Normalization] = CAFFE_BGR

    def __init__(self, num_classes: int, *, width: float = 1.0, batch_norm: bool = False) -> None:
        super().__init__()
        channels = vgg.narrowed(width)
        inputs = [3, *(stage[-1] for stage in channels[:-1])]
        self.stages = nn.ModuleList(
            vgg.stage(n, stage, batch_norm=batch_norm)
            for n, stage in zip(inputs, channels, strict=True)
        )
        for layer in self.stages[4].modules():
            if isinstance(layer, nn.Conv2d):
                layer.dilation = layer.padding = (2, 2)
        self.pools = nn.ModuleList(
            nn.MaxPool2d(3, stride, 1, ceil_mode=True) for stride in (2, 2, 2, 1, 1)
        )
        self.mean_pool = nn.AvgPool2d(3, 1, 1)
        hidden = max(8, round(1024 * width))
        self.fc6 = nn.Conv2d(channels[4][-1], hidden, 3, padding=12, dilation=12)
        self.fc7 = nn.Conv2d(hidden, hidden, 1)
        self.dropout = nn.Dropout()
        self.score = nn.Conv2d(hidden, num_classes, 1)
        vgg.initialize(self)
        nn.init.normal_(self.score.weight, std=0.01)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W), normalised -> logits (B, C, H, W)."""
        return self.intermediates(images)["logits"]

    def intermediates(self, images: Tensor) -> dict[str, Tensor]:
        """pool1 … pool5, fc7, score, logits."""
        found: dict[str, Tensor] = {}
        x = vgg.channels_last(images)
        for s, (stage, pool) in enumerate(zip(self.stages, self.pools, strict=True), start=1):
            found[f"pool{s}"] = x = pool(stage(x))
        x = self.dropout(self.fc6(self.mean_pool(x)).relu())
        found["fc7"] = self.dropout(self.fc7(x).relu())
        found["score"] = self.score(found["fc7"])
        found["logits"] = enlarge(found["score"], images.shape[-2:])
        return found


class DeepLabV2(nn.Module):
    """DeepLab v2 on a ResNet in the authors' layout, with ASPP.

    Args:
        num_classes: C.
        blocks: of the ResNet's stages.
        rates: of ASPP's 3x3 convolutions straight to the classes, whose outputs are summed
            (section 3.2, figure 7 b).
        scales: the image is also seen at these sizes, and each score is the maximum (section 4.1.1,
            "MSC"; the authors' are 0.5 and 0.75).
        width: of the ResNet; 64 in the paper.
    """

    normalization: ClassVar[Normalization] = CAFFE_BGR

    def __init__(
        self,
        num_classes: int,
        *,
        blocks: Sequence[int] = resnet.BLOCKS[101],
        rates: Sequence[int] = (6, 12, 18, 24),
        scales: Sequence[float] = (),
        width: int = 64,
    ) -> None:
        super().__init__()
        self.scales = tuple(scales)
        self.backbone = resnet.ResNet(blocks, output_stride=8, layout="caffe", width=width)
        self.aspp = nn.ModuleList(
            nn.Conv2d(self.backbone.channels[-1], num_classes, 3, padding=rate, dilation=rate)
            for rate in rates
        )
        for parameter in self.aspp.parameters():
            nn.init.normal_(parameter, std=0.01 if parameter.ndim > 1 else 0)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W), normalised -> logits (B, C, H, W)."""
        return self.intermediates(images)["logits"]

    def intermediates(self, images: Tensor) -> dict[str, Tensor]:
        """stage1 … stage4, branch0 … branch3; score (of the scales' maximum), logits."""
        found = {f"stage{i}": x for i, x in enumerate(self.backbone(images), start=1)}
        branches = [branch(found["stage4"]) for branch in self.aspp]
        found |= {f"branch{i}": branch for i, branch in enumerate(branches)}
        score = torch.stack(branches).sum(0)
        for scale in self.scales:
            score = torch.maximum(score, self._at(images, scale, score.shape[-2:]))
        found["score"] = score
        found["logits"] = enlarge(score, images.shape[-2:])
        return found

    def _at(self, images: Tensor, scale: float, size: torch.Size) -> Tensor:
        """Scores of the images at another size, brought to `size`."""
        scale = max(scale, 1 / min(images.shape[-2:]))  # a pixel must be left
        resized = nn.functional.interpolate(
            images, scale_factor=scale, mode="bilinear", align_corners=False
        )
        features = self.backbone(resized)[-1]
        scores = torch.stack([branch(features) for branch in self.aspp]).sum(0)
        return nn.functional.interpolate(scores, size=size, mode="bilinear", align_corners=False)


def deeplab_v1(num_classes: int, *, width: float = 1.0, batch_norm: bool = False) -> DeepLabV1:
    """DeepLab-LargeFOV. Options as of `DeepLabV1`."""
    return DeepLabV1(num_classes, width=width, batch_norm=batch_norm)


def deeplab_v2(
    num_classes: int,
    *,
    blocks: Sequence[int] = resnet.BLOCKS[101],
    rates: Sequence[int] = (6, 12, 18, 24),
    scales: Sequence[float] = (),
    width: int = 64,
) -> DeepLabV2:
    """DeepLab v2 (ASPP-L); 44.05 M parameters for 21 classes. Options as of `DeepLabV2`."""
    return DeepLabV2(num_classes, blocks=blocks, rates=rates, scales=scales, width=width)


_UNITS = {"reduce": "1", "conv3x3": "2", "increase": "3"}


def from_port(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the v2 of kazuto1011/deeplab-pytorch, with or without its MSC wrapper."""
    target = {}
    for key, value in state.items():
        name = key.removeprefix("base.")
        if found := re.fullmatch(r"layer1\.conv1\.(conv|bn)\.(.+)", name):
            name = f"backbone.{found[1]}1.{found[2]}"
        elif found := re.fullmatch(r"layer(\d)\.block(\d+)\.(\w+)\.(conv|bn)\.(.+)", name):
            block = f"backbone.layer{int(found[1]) - 1}.{int(found[2]) - 1}"
            if found[3] == "shortcut":
                name = f"{block}.downsample.{'0' if found[4] == 'conv' else '1'}.{found[5]}"
            else:
                name = f"{block}.{found[4]}{_UNITS[found[3]]}.{found[5]}"
        else:
            name = name.replace("aspp.c", "aspp.")
        target[name] = value
    return target


def from_official_v1(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the authors' LargeFOV layers (conv1_1.weight … fc8….weight, Caffe's names)."""
    target = {}
    for key, value in state.items():
        layer, kind = key.rsplit(".", 1)
        if layer.startswith("conv"):
            s, k = layer.removeprefix("conv").split("_")
            layer = f"stages.{int(s) - 1}.conv{k}"
        elif layer.startswith("fc8"):
            layer = "score"
        target[f"{layer}.{kind}"] = value
    return target
