"""DeepLab v3+: DeepLab v3 as an encoder, and a small decoder that brings back the edges.

L.-C. Chen, Y. Zhu, G. Papandreou, F. Schroff, H. Adam: "Encoder-Decoder with Atrous Separable
Convolution for Semantic Image Segmentation", ECCV 2018.

The idea in three lines: ASPP's map is rich but coarse; enlarged four times and put beside the first
stage's fine map, reduced to few channels, it needs one or two 3x3 convolutions to follow the edges;
only the last four times are interpolated.

Shapes: images (B, 3, H, W); stage 1 (B, 256, H / 4, W / 4); ASPP (B, 256, h, w) at the output
stride; logits (B, C, H, W).

Departures: a ResNet where the paper's best has Xception; one 3x3 convolution in the decoder as in
the port whose weights people have (the paper's two are `decoder_convolutions=2`, its separable ones
`separable=True`); batch norm's epsilon is 1e-5.

Checked against that port (tests/parity).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from segedu.backbones import resnet
from segedu.layers.normalization import IMAGENET, Normalization
from segedu.semantic.deeplab_v3 import (
    ASPP,
    RATES,
    aspp_names,
    build_backbone,
    conv_bn_relu,
    enlarge,
    renamed,
)


class DeepLabV3Plus(nn.Module):
    """The network; use `deeplab_v3_plus`.

    Args:
        num_classes: C.
        backbone: its first and last maps are used.
        aspp: context of the last map.
        channels: of the decoder, and of `aspp`'s output.
        low_channels: to which the first map's channels are reduced, lest they outweigh the context
            (section 4.1).
        decoder_convolutions: 3x3, after joining.
        separable: they, too.
    """

    normalization: ClassVar[Normalization] = IMAGENET

    def __init__(
        self,
        num_classes: int,
        backbone: resnet.ResNet,
        aspp: ASPP,
        channels: int = 256,
        low_channels: int = 48,
        decoder_convolutions: int = 1,
        separable: bool = False,
    ) -> None:
        super().__init__()
        self.backbone, self.aspp = backbone, aspp
        self.reduce = conv_bn_relu(backbone.channels[0], low_channels)
        inputs = [low_channels + channels, *[channels] * (decoder_convolutions - 1)]
        self.decoder = nn.Sequential(
            *(conv_bn_relu(n, channels, 3, separable=separable) for n in inputs)
        )
        self.score = nn.Conv2d(channels, num_classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W), normalised -> logits (B, C, H, W)."""
        return self.intermediates(images)["logits"]

    def intermediates(self, images: Tensor) -> dict[str, Tensor]:
        """stage1, stage4, aspp, low, decoder, score, logits."""
        maps = self.backbone(images)
        found = {"stage1": maps[0], "stage4": maps[-1]}
        found["aspp"] = self.aspp(maps[-1])
        found["low"] = low = self.reduce(maps[0])  # (B, 48, H / 4, W / 4)
        joined = torch.cat([low, enlarge(found["aspp"], low.shape[-2:])], dim=1)
        found["decoder"] = self.decoder(joined)
        found["score"] = self.score(found["decoder"])
        found["logits"] = enlarge(found["score"], images.shape[-2:])
        return found


def deeplab_v3_plus(
    num_classes: int,
    *,
    depth: int | Sequence[int] = 101,
    output_stride: int = 16,
    multi_grid: Sequence[int] | None = None,
    decoder_convolutions: int = 1,
    separable: bool = False,
    width: int = 64,
    channels: int = 256,
    low_channels: int = 48,
) -> DeepLabV3Plus:
    """DeepLab v3+; 58.75 M parameters on ResNet-101 for 21 classes. Options as of `deeplab_v3`."""
    backbone = build_backbone(depth, output_stride, multi_grid, width)
    aspp = ASPP(backbone.channels[-1], channels, RATES[output_stride], 0.1, separable)
    return DeepLabV3Plus(
        num_classes, backbone, aspp, channels, low_channels, decoder_convolutions, separable
    )


def from_port(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the v3+ of VainF/DeepLabV3Plus-Pytorch to `DeepLabV3Plus`'s names."""
    names = {
        **aspp_names("classifier.aspp.", "aspp."),
        "classifier.project.": "reduce.",
        "classifier.classifier.3.": "score.",
        "classifier.classifier.": "decoder.0.",
    }
    return renamed(state, names)
