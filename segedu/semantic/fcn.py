"""FCN: a classification network made fully convolutional, its scores added across strides.

J. Long, E. Shelhamer, T. Darrell: "Fully Convolutional Networks for Semantic Segmentation", CVPR
2015; E. Shelhamer, J. Long, T. Darrell: IEEE TPAMI 39(4), 2017 (its section numbers below).

The idea in three lines: VGG-16's fully connected layers are convolutions whose kernel is as large
as their input, so the network runs on any size and gives a coarse map of class scores (stride 32);
scores of pool4 (16) and pool3 (8) are added, and transposed convolutions, begun as bilinear
interpolation, bring the sum to the pixels.

Shapes: images (B, 3, H, W); scores (B, C, h, w) at stride 32, 16, 8; logits (B, C, H, W).

Departures: `width`, `head_channels` and `batch_norm` are not in the paper; the defaults are its
network. New score layers start at zero as in the authors' code.

Checked against a PyTorch port that loads the authors' Caffe weights, and against the authors' own
prototxt, run layer by layer (tests/parity). `fcn_resnet50` is torchvision's variant of 2019.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from segedu.backbones import vgg
from segedu.layers.normalization import CAFFE_BGR, Normalization

PADDING = 100  # of the first convolution: even a 1x1 image then gives fc6 its 7x7 map


def bilinear_kernel(size: int) -> Tensor:
    """Kernel (size, size) of bilinear interpolation by a factor f = ceil(size / 2), section 4.3.

    A transposed convolution of stride f with it spreads each score as a tent that reaches f pixels
    to each side; tents of neighbours add up to 1.

    Raises:
        ValueError: size is below 1.
    """
    if size < 1:
        raise ValueError(f"a kernel has at least 1 pixel, got {size}")
    factor = (size + 1) // 2
    center = factor - 1 if size % 2 == 1 else factor - 0.5
    tent = 1 - (torch.arange(size) - center).abs() / factor
    return tent[:, None] * tent[None, :]


class BilinearDeconvolution(nn.ConvTranspose2d):
    """Transposed convolution (B, C, h, w) -> (B, C, (h + 1) f, (w + 1) f), bilinear to begin with.

    Args:
        num_classes: C; every class is interpolated by itself until training mixes them.
        factor: f, the stride; the kernel has 2f x 2f weights.
    """

    def __init__(self, num_classes: int, factor: int) -> None:
        super().__init__(num_classes, num_classes, 2 * factor, stride=factor, bias=False)
        with torch.no_grad():
            each = torch.arange(num_classes)
            self.weight.zero_()
            self.weight[each, each] = bilinear_kernel(2 * factor)


def crop(features: Tensor, offset: int, like: Tensor) -> Tensor:
    """Cut a window of `like`'s height and width out of `features`, `offset` from its corner."""
    height, width = like.shape[-2:]
    return features[..., offset : offset + height, offset : offset + width]


class FCN(nn.Module):
    """FCN on VGG-16; use `fcn32s`, `fcn16s`, `fcn8s`.

    Args:
        num_classes: C.
        stride: 32, 16 or 8: of the finest scores that are used.
        scale_scores: the "at-once" version scales pool4 by 0.01 and pool3 by 0.0001, so that all
            streams can be trained together (TPAMI, section 4.3); else 32s, 16s, 8s are trained one
            from the other.
        width: multiplies all numbers of channels.
        head_channels: of fc6 and fc7; 4096 · width unless given.
        batch_norm: in the backbone; needed to train from random weights.
    """

    normalization: ClassVar[Normalization] = CAFFE_BGR

    def __init__(
        self,
        num_classes: int,
        stride: int,
        *,
        scale_scores: bool = False,
        width: float = 1.0,
        head_channels: int | None = None,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        if stride not in (32, 16, 8):
            raise ValueError(f"FCN has stride 32, 16 or 8, got {stride}")
        channels = vgg.narrowed(width)
        hidden = head_channels or max(8, round(4096 * width))
        self.stride = stride
        self.scales = (0.01, 0.0001) if scale_scores else (1.0, 1.0)
        self.backbone = vgg.VGG(channels, batch_norm=batch_norm, padding=PADDING)
        # "Convolutionalised" fully connected layers (section 3.1).
        self.fc6 = nn.Conv2d(channels[4][-1], hidden, 7)
        self.fc7 = nn.Conv2d(hidden, hidden, 1)
        self.dropout = nn.Dropout2d()
        vgg.initialize(self)
        self.score = self._zero_scores(hidden, num_classes)
        if stride <= 16:
            self.score_pool4 = self._zero_scores(channels[3][-1], num_classes)
            self.up_score = BilinearDeconvolution(num_classes, 2)
        if stride == 8:
            self.score_pool3 = self._zero_scores(channels[2][-1], num_classes)
            self.up_pool4 = BilinearDeconvolution(num_classes, 2)
        # Section 4.3: the last one stays bilinear, those in between learn.
        self.up_final = BilinearDeconvolution(num_classes, stride).requires_grad_(False)

    @staticmethod
    def _zero_scores(in_channels: int, num_classes: int) -> nn.Conv2d:
        layer = nn.Conv2d(in_channels, num_classes, 1)
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        return layer

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W), normalised -> logits (B, C, H, W)."""
        return self.intermediates(images)["logits"]

    def intermediates(self, images: Tensor) -> dict[str, Tensor]:
        """All that is named in the paper's figure 3: pool1 … pool5, fc7, scores, sums, logits."""
        found = {f"pool{s}": p for s, p in enumerate(self.backbone(images), start=1)}
        hidden = self.dropout(self.fc6(found["pool5"]).relu_())
        found["fc7"] = self.dropout(self.fc7(hidden).relu_())  # (B, 4096, h, w) at stride 32
        found["score"] = scores = self.score(found["fc7"])
        # Padding by 100 shifts each map against the input: `crop` undoes it. An offset o at stride
        # s is the shift that remains: 5 and 9 before the sums, 31, 27 or 19 at the pixels.
        if self.stride <= 16:
            scores = self.up_score(scores)  # stride 16
            found["score_pool4"] = skip = self.score_pool4(found["pool4"] * self.scales[0])
            found["sum_pool4"] = scores = scores + crop(skip, 5, scores)
        if self.stride == 8:
            scores = self.up_pool4(scores)  # stride 8
            found["score_pool3"] = skip = self.score_pool3(found["pool3"] * self.scales[1])
            found["sum_pool3"] = scores = scores + crop(skip, 9, scores)
        offset = {32: 19, 16: 27, 8: 31}[self.stride]
        found["logits"] = crop(self.up_final(scores), offset, images)
        return found


def fcn32s(num_classes: int, **options: object) -> FCN:
    """FCN-32s: one stream, its scores enlarged 32 times. Options as of `FCN`."""
    return FCN(num_classes, 32, **options)  # type: ignore[arg-type]


def fcn16s(num_classes: int, **options: object) -> FCN:
    """FCN-16s: scores of pool4 added. Options as of `FCN`."""
    return FCN(num_classes, 16, **options)  # type: ignore[arg-type]


def fcn8s(num_classes: int, **options: object) -> FCN:
    """FCN-8s: scores of pool4 and pool3 added; 134.49 M parameters for 21 classes."""
    return FCN(num_classes, 8, **options)  # type: ignore[arg-type]


_HEAD = {"score_fr": "score", "upscore2": "up_score", "upscore_pool4": "up_pool4"}
_FINAL = ("upscore", "upscore16", "upscore8")


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the authors' layers (conv1_1.weight … upscore8.weight) to `FCN`'s names.

    The names are Caffe's, as PyTorch ports and readers of caffemodels keep them. FCN-32s, 16s and
    8s alike.
    """
    target = {}
    for key, value in state.items():
        layer, kind = key.rsplit(".", 1)
        if layer.startswith("conv"):
            s, k = layer.removeprefix("conv").split("_")
            layer = f"backbone.stages.{int(s) - 1}.conv{k}"
        elif layer in _FINAL:
            layer = "up_final"
        target[f"{_HEAD.get(layer, layer)}.{kind}"] = value
    return target


def from_torchvision_vgg16(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Turn torchvision's ImageNet `vgg16` into the start of an FCN: all but the score layers.

    Load with `strict=False`. The classifier becomes fc6 and fc7 (section 3.1), the first
    convolution takes Caffe's images (`for_caffe_images`).
    """
    target = {f"backbone.{k}": v for k, v in vgg.from_torchvision(state).items()}
    first = "backbone.stages.0.conv1"
    target[f"{first}.weight"], target[f"{first}.bias"] = vgg.for_caffe_images(
        target[f"{first}.weight"], target[f"{first}.bias"]
    )
    for source, name, kernel in (("classifier.0", "fc6", 7), ("classifier.3", "fc7", 1)):
        weight = state[f"{source}.weight"]  # (4096, C · k · k)
        target[f"{name}.weight"] = weight.view(weight.shape[0], -1, kernel, kernel)
        target[f"{name}.bias"] = state[f"{source}.bias"]
    return target
