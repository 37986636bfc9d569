"""VGG-16 without its classifier: thirteen 3x3 convolutions in five stages, each ends in a pooling.

K. Simonyan, A. Zisserman: "Very Deep Convolutional Networks for Large-Scale Image Recognition",
ICLR 2015, configuration D.

The idea in three lines: only 3x3 convolutions; after two or three of them a 2x2 max-pooling halves
the map, and the next stage doubles the channels. Two 3x3 convolutions see 5x5 pixels, three see
7x7, with fewer parameters than one large kernel.

Shapes: B images (B, 3, H, W); stage s = 1 … 5 gives (B, C_s, ceil(H / 2^s), ceil(W / 2^s)).

Departures: none in the layers. Pooling rounds up, as Caffe's does, on which FCN, SegNet and
DeconvNet were built; batch normalisation is an option, as in SegNet and DeconvNet.

Checked against torchvision's `vgg16` and `vgg16_bn`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

VGG16: tuple[tuple[int, ...], ...] = (
    (64, 64),
    (128, 128),
    (256, 256, 256),
    (512, 512, 512),
    (512, 512, 512),
)


def narrowed(width: float, stages: Sequence[Sequence[int]] = VGG16) -> tuple[tuple[int, ...], ...]:
    """Multiply all numbers of channels by `width`, rounded to a multiple of 8, at least 8.

    Raises:
        ValueError: `width` is not positive.
    """
    if not width > 0:
        raise ValueError(f"width multiplies the numbers of channels: above 0, got {width}")
    return tuple(tuple(max(8, round(c * width / 8) * 8) for c in stage) for stage in stages)


def stage(
    in_channels: int,
    channels: Sequence[int],
    *,
    batch_norm: bool = False,
    padding: int = 1,
    convolution: type[nn.Conv2d] | type[nn.ConvTranspose2d] = nn.Conv2d,
) -> nn.Sequential:
    """3x3 convolutions one after the other, each with a ReLU: (B, in, H, W) -> (B, channels[-1]).

    Args:
        in_channels: channels of the input.
        channels: outputs of each convolution.
        batch_norm: normalise between convolution and ReLU.
        padding: of the first convolution; the others keep the size.
        convolution: `nn.ConvTranspose2d` makes a stage of DeconvNet's decoder.
    """
    layers = nn.Sequential()
    for k, out_channels in enumerate(channels, start=1):
        layers.add_module(
            f"conv{k}", convolution(in_channels, out_channels, 3, padding=padding if k == 1 else 1)
        )
        if batch_norm:
            layers.add_module(f"bn{k}", nn.BatchNorm2d(out_channels))
        layers.add_module(f"relu{k}", nn.ReLU(inplace=True))
        in_channels = out_channels
    return layers


class Pooled(NamedTuple):
    """What a stage leaves for the decoder.

    Attributes:
        features: (B, C, ceil(H / 2), ceil(W / 2)), the maxima.
        indices: as `features`, int64: where in the flattened H x W map each maximum stood.
        size: (H, W) before pooling; H alone cannot be told from ceil(H / 2).
    """

    features: Tensor
    indices: Tensor
    size: tuple[int, int]


class VGG(nn.Module):
    """The five stages.

    Args:
        channels: outputs of each convolution, by stage.
        batch_norm: normalise between convolution and ReLU.
        padding: of the very first convolution (FCN: 100).
    """

    def __init__(
        self,
        channels: Sequence[Sequence[int]] = VGG16,
        *,
        batch_norm: bool = False,
        padding: int = 1,
    ) -> None:
        super().__init__()
        inputs = [3, *(s[-1] for s in channels[:-1])]
        self.stages = nn.ModuleList(
            stage(n, s, batch_norm=batch_norm, padding=padding if k == 0 else 1)
            for k, (n, s) in enumerate(zip(inputs, channels, strict=True))
        )
        self.pool = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        initialize(self)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Images (B, 3, H, W) -> the five pooled maps, fine to coarse."""
        features, pooled = channels_last(images), []
        for layers in self.stages:
            features = self.pool(layers(features))
            pooled.append(features)
        return pooled

    def encode(self, images: Tensor) -> list[Pooled]:
        """As `forward`, with the places of the maxima, for a decoder that unpools."""
        features, pooled = channels_last(images), []
        for layers in self.stages:
            features = layers(features)
            size = (features.shape[-2], features.shape[-1])
            features, indices = nn.functional.max_pool2d(
                features, 2, stride=2, ceil_mode=True, return_indices=True
            )
            pooled.append(Pooled(features, indices, size))
        return pooled


def channels_last(images: Tensor) -> Tensor:
    """Same values, a pixel's channels side by side in memory: convolutions run faster so."""
    return images.contiguous(memory_format=torch.channels_last)


def unpool(features: Tensor, pooled: Pooled) -> Tensor:
    """Put every value where its maximum stood, zeros elsewhere: (B, C, h, w) -> (B, C, H, W)."""
    return nn.functional.max_unpool2d(features, pooled.indices, (2, 2), output_size=pooled.size)


def initialize(model: nn.Module) -> None:
    """He's initialisation of all convolutions (He et al., ICCV 2015), biases zero."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            # A transposed convolution sends each input to fan_out outputs; stride 1 makes them
            # equal, so that the same rule serves.
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def convolution_names(channels: Sequence[Sequence[int]] = VGG16) -> list[tuple[int, int]]:
    """(stage, convolution), both from 1, in order: Caffe writes them conv1_1 … conv5_3."""
    return [(s, k) for s, stage in enumerate(channels, 1) for k in range(1, len(stage) + 1)]


def from_torchvision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert torchvision's `vgg16` or `vgg16_bn` to `VGG`; its classifier is left out.

    torchvision's weights expect `segedu.layers.normalization.IMAGENET`; see `for_caffe_images`.
    """
    # Every "conv" of torchvision's flat list has a 4-dimensional weight, every "bn" a running_mean.
    numbers = sorted({int(k.split(".")[1]) for k in state if k.startswith("features.")})
    convolutions = [n for n in numbers if state[f"features.{n}.weight"].ndim == 4]
    norms = [n for n in numbers if f"features.{n}.running_mean" in state]
    target: dict[str, Tensor] = {}
    for kind, sources in (("conv", convolutions), ("bn", norms)):
        for (s, k), n in zip(convolution_names(), sources, strict=bool(sources)):
            prefix = f"features.{n}."
            for key in [key for key in state if key.startswith(prefix)]:
                target[f"stages.{s - 1}.{kind}{k}.{key.removeprefix(prefix)}"] = state[key]
    return target


def for_caffe_images(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Make a first convolution trained on ImageNet-normalised RGB take Caffe's BGR.

    Both normalisations are affine, so that a convolution takes up the difference: it gives the same
    output save at the border, where the padding's zero now stands for Caffe's mean colour.

    Args:
        weight: (C, 3, k, k) of the first convolution.
        bias: (C,) of it.
    """
    mean = weight.new_tensor([0.485, 0.456, 0.406])
    std = weight.new_tensor([0.229, 0.224, 0.225])
    caffe_mean = weight.new_tensor([122.67892, 116.66877, 104.00699])  # R, G, B of 255
    # (rgb - mean) / std with rgb = (caffe + caffe_mean) / 255
    scale, shift = 1 / (255 * std), (caffe_mean / 255 - mean) / std
    new_bias = bias + (weight.sum(dim=(2, 3)) * shift).sum(dim=1)
    return (weight * scale[:, None, None]).flip(1), new_bias
