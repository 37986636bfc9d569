"""DeepLab v3: atrous convolutions side by side or in a row.

L.-C. Chen, G. Papandreou, F. Schroff, H. Adam: "Rethinking Atrous Convolution for Semantic Image
Segmentation", 2017.

The idea in three lines: a backbone that halves the image only three or four times keeps places;
atrous convolutions of several rates see objects of several sizes on its map, and the mean over the
whole image says what kind of scene it is.

Shapes: images (B, 3, H, W); backbone's map (B, F, h, w) at the output stride; ASPP (B, 256, h, w);
logits (B, C, H, W).

Departures: batch norm's epsilon is 1e-5 as in torchvision (the TensorFlow code has 1e-3). ASPP's
head has torchvision's extra 3x3 convolution, which the paper's has not (`refine=False`).

Checked against torchvision, auxiliary head included (tests/parity).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from segedu.backbones import resnet
from segedu.layers.normalization import IMAGENET, Normalization

RATES = {16: (6, 12, 18), 8: (12, 24, 36)}  # of ASPP, by output stride (section 3.3)


def conv_bn_relu(
    in_channels: int, out_channels: int, size: int = 1, rate: int = 1, separable: bool = False
) -> nn.Sequential:
    """Convolution that keeps the map's size, batch norm, ReLU.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        size: 1 or 3.
        rate: of a 3x3.
        separable: each channel by itself, then 1x1 over channels (DeepLab v3+, section 3.1).
    """
    reach = rate * (size // 2)
    if separable and size > 1:
        return nn.Sequential(
            nn.Conv2d(
                in_channels, in_channels, size, 1, reach, rate, groups=in_channels, bias=False
            ),
            nn.BatchNorm2d(in_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, size, 1, reach, rate, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def enlarge(x: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear, half-pixel centres."""
    return nn.functional.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling (figure 5): 1x1, 3x3 of several rates, image mean, joined.

    Args:
        in_channels: F.
        channels: of each branch and of the output.
        rates: of the 3x3 convolutions. On a map smaller than a rate, only the middle weight of such
            a kernel meets the image: it is a 1x1 then (figure 4), hence the image mean.
        dropout: after joining.
        separable: see `conv_bn_relu`.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int = 256,
        rates: Sequence[int] = RATES[16],
        dropout: float = 0.5,
        separable: bool = False,
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                conv_bn_relu(in_channels, channels),
                *(conv_bn_relu(in_channels, channels, 3, rate, separable) for rate in rates),
            ]
        )
        # Its batch norm sees one value an image: training needs two images or more a batch.
        self.image_mean = conv_bn_relu(in_channels, channels)
        self.join = conv_bn_relu((len(rates) + 2) * channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, h, w) -> (B, channels, h, w)."""
        return self.dropout(self.join(torch.cat(self.parts(x), dim=1)))

    def parts(self, x: Tensor) -> list[Tensor]:
        """What is joined: the 1x1, the rates in order, the image mean; each (B, channels, h, w)."""
        mean = self.image_mean(x.mean((2, 3), keepdim=True))
        return [*(branch(x) for branch in self.branches), mean.expand(-1, -1, *x.shape[2:])]


class Cascade(nn.Module):
    """Copies of the last stage in a row, each at twice the rate (section 3.2, figure 3 b).

    Args:
        backbone: its last stage is copied in shape; weights are new.
        copies: blocks 5, 6, … of the paper, which has three.
        multi_grid: unit rates of the three bottlenecks in each copy.
    """

    def __init__(
        self, backbone: resnet.ResNet, copies: int = 3, multi_grid: Sequence[int] = (1, 2, 1)
    ) -> None:
        super().__init__()
        channels = backbone.channels[-1]
        self.blocks = nn.ModuleList(
            resnet.stage(
                channels,
                channels // resnet.EXPANSION,
                1,
                [backbone.rate * 2**k * unit for unit in multi_grid],
                "torchvision",
            )
            for k in range(1, copies + 1)
        )
        resnet.initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, h, w) -> the same shape."""
        for block in self.blocks:
            x = block(x)
        return x


class DeepLabV3(nn.Module):
    """DeepLab v3 on a ResNet; use `deeplab_v3`.

    Args:
        num_classes: C.
        backbone: whose last map is used.
        context: (B, F, h, w) -> (B, out_channels, h, w): `ASPP` or `Cascade`.
        out_channels: of the context.
        refine: a 3x3 convolution before the scores.
        auxiliary: a second head on the third stage, for training.
    """

    normalization: ClassVar[Normalization] = IMAGENET

    def __init__(
        self,
        num_classes: int,
        backbone: resnet.ResNet,
        context: nn.Module,
        out_channels: int,
        refine: bool = True,
        auxiliary: bool = False,
    ) -> None:
        super().__init__()
        self.backbone, self.context = backbone, context
        self.refine = conv_bn_relu(out_channels, out_channels, 3) if refine else nn.Identity()
        self.score = nn.Conv2d(out_channels, num_classes, 1)
        self.auxiliary: nn.Sequential | None = None
        if auxiliary:
            third = backbone.channels[2]
            self.auxiliary = nn.Sequential(
                *conv_bn_relu(third, third // 4, 3),
                nn.Dropout(0.1),
                nn.Conv2d(third // 4, num_classes, 1),
            )

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W), normalised -> logits (B, C, H, W)."""
        scores = self.score(self.refine(self.context(self.backbone(images)[-1])))
        return enlarge(scores, images.shape[-2:])

    def intermediates(self, images: Tensor) -> dict[str, Tensor]:
        """stage1 … stage4; ASPP's branch0 … and image_mean; context, score, logits, auxiliary."""
        found = {f"stage{i}": x for i, x in enumerate(self.backbone(images), start=1)}
        if isinstance(self.context, ASPP):
            *branches, found["image_mean"] = self.context.parts(found["stage4"])
            found |= {f"branch{i}": branch for i, branch in enumerate(branches)}
        found["context"] = self.context(found["stage4"])
        found["score"] = self.score(self.refine(found["context"]))
        found["logits"] = enlarge(found["score"], images.shape[-2:])
        if self.auxiliary is not None:
            found["auxiliary"] = enlarge(self.auxiliary(found["stage3"]), images.shape[-2:])
        return found


def deeplab_v3(
    num_classes: int,
    *,
    depth: int | Sequence[int] = 50,
    output_stride: int = 16,
    multi_grid: Sequence[int] | None = (1, 2, 4),
    cascade: bool = False,
    refine: bool = True,
    auxiliary: bool = False,
    width: int = 64,
    channels: int = 256,
) -> DeepLabV3:
    """DeepLab v3 as the paper trains it: output stride 16, rates 6, 12, 18, multi-grid (1, 2, 4).

    torchvision's is `output_stride=8, multi_grid=None, auxiliary=True`: 42,004,074 parameters at
    depth 50, 60,996,202 at 101, for 21 classes.

    Args:
        num_classes: C.
        depth: of the ResNet: 50, 101, 152, or the blocks of its stages.
        output_stride: 16 or 8; ASPP's rates are doubled for 8.
        multi_grid: see `resnet.ResNet`.
        cascade: more stages in a row in place of ASPP.
        refine: torchvision's 3x3 convolution before the scores.
        auxiliary: torchvision's second head.
        width: of the ResNet; 64 in the paper.
        channels: of ASPP; 256 in the paper.

    Raises:
        ValueError: unknown depth or output stride.
    """
    backbone = build_backbone(depth, output_stride, multi_grid, width)
    if cascade:
        units = multi_grid or (1, 1, 1)
        context: nn.Module = Cascade(backbone, multi_grid=units)
        return DeepLabV3(num_classes, backbone, context, backbone.channels[-1], False, auxiliary)
    aspp = ASPP(backbone.channels[-1], channels, RATES[output_stride])
    return DeepLabV3(num_classes, backbone, aspp, channels, refine, auxiliary)


def build_backbone(
    depth: int | Sequence[int],
    output_stride: int,
    multi_grid: Sequence[int] | None,
    width: int,
) -> resnet.ResNet:
    """ResNet by its depth, or by the blocks of its stages.

    Raises:
        ValueError: unknown depth or output stride.
    """
    if output_stride not in RATES:
        raise ValueError(f"output_stride must be 8 or 16, got {output_stride}")
    if isinstance(depth, int) and depth not in resnet.BLOCKS:
        raise ValueError(f"depth must be one of {', '.join(map(str, resnet.BLOCKS))}, got {depth}")
    blocks = resnet.BLOCKS[depth] if isinstance(depth, int) else depth
    return resnet.ResNet(blocks, output_stride=output_stride, multi_grid=multi_grid, width=width)


def from_torchvision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert torchvision's `deeplabv3_resnet50` or `_resnet101` to `DeepLabV3`'s names."""
    names = {
        **aspp_names("classifier.0.", "context."),
        "classifier.1.": "refine.0.",
        "classifier.2.": "refine.1.",
        "classifier.4.": "score.",
        "aux_classifier.": "auxiliary.",
    }
    return renamed(state, names)


def aspp_names(source: str, target: str) -> dict[str, str]:
    """Branch 4 of torchvision's ASPP is the image mean, whose first layer is the mean itself."""
    mean = {f"{source}convs.4.{k + 1}.": f"{target}image_mean.{k}." for k in range(2)}
    return mean | {
        f"{source}convs.": f"{target}branches.",
        f"{source}project.": f"{target}join.",
    }


def renamed(state: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    """Exchange the first prefix that fits; the backbone has torchvision's own names."""
    target = {}
    for key, value in state.items():
        prefix = next((prefix for prefix in names if key.startswith(prefix)), "")
        target[names.get(prefix, "") + key.removeprefix(prefix)] = value
    return target
