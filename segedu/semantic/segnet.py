"""SegNet: a decoder that puts maxima back where the encoder found them.

V. Badrinarayanan, A. Kendall, R. Cipolla: "SegNet: A Deep Convolutional Encoder-Decoder
Architecture for Image Segmentation", IEEE TPAMI 39(12), 2017.

The idea in three lines: the encoder is VGG-16 without fully connected layers and remembers, for
each pooling, where the maximum stood; the decoder mirrors it: unpool to those places (zeros
elsewhere, nothing to learn), then convolve the sparse map dense. Boundaries survive, and only
indices need to be stored, not feature maps.

Shapes: images (B, 3, H, W); encoder stage s (B, C_s, ceil(H / 2^s), ceil(W / 2^s)).

Departures: none in the layers. The authors' Caffe names the size of each unpooled map in the
prototxt; here the encoder hands it on, so that any size works. The last convolution has neither
batch normalisation nor ReLU, as there.

Checked against the authors' prototxt, run layer by layer, and a PyTorch port (tests/parity).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from segedu.backbones import vgg
from segedu.layers.normalization import Normalization


def decoder_channels(channels: Sequence[Sequence[int]], last: int) -> list[list[int]]:
    """Outputs of the decoder's convolutions by stage, deepest first: the encoder's in a mirror.

    The last convolution of a stage already has the channels of the next, finer one; the last of
    all has `last`.
    """
    inputs = [last, *(stage[-1] for stage in channels[:-1])]
    mirrored = [[*list(s)[:0:-1], n] for s, n in zip(channels, inputs, strict=True)]
    return mirrored[::-1]


class SegNet(nn.Module):
    """SegNet; use `segnet`.

    Args:
        num_classes: C.
        width: multiplies all numbers of channels.
    """

    # The authors' networks take raw pixels: batch normalisation comes first thing.
    normalization: ClassVar[Normalization] = Normalization(
        mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), order="BGR", scale=255.0
    )

    def __init__(self, num_classes: int, *, width: float = 1.0) -> None:
        super().__init__()
        channels = vgg.narrowed(width)
        self.encoder = vgg.VGG(channels, batch_norm=True)
        *deep, finest = decoder_channels(channels, num_classes)
        inputs = [channels[-1][-1], *(s[-1] for s in deep)]
        self.decoder = nn.ModuleList(
            vgg.stage(n, outs, batch_norm=True) for n, outs in zip(inputs[:-1], deep, strict=True)
        )
        self.decoder.append(vgg.stage(inputs[-1], finest[:-1], batch_norm=True))
        self.classifier = nn.Conv2d(finest[-2], num_classes, 3, padding=1)
        vgg.initialize(self)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W), normalised -> logits (B, C, H, W)."""
        return self.intermediates(images)["logits"]

    def intermediates(self, images: Tensor) -> dict[str, Tensor]:
        """pool1 … pool5, then unpool5, decoder5 … unpool1, decoder1, and logits."""
        encoded = self.encoder.encode(images)
        found = {f"pool{s}": pooled.features for s, pooled in enumerate(encoded, start=1)}
        features = encoded[-1].features
        for s, layers in zip(range(5, 0, -1), self.decoder, strict=True):
            found[f"unpool{s}"] = sparse = vgg.unpool(features, encoded[s - 1])
            found[f"decoder{s}"] = features = layers(sparse)
        found["logits"] = self.classifier(features)
        return found


def segnet(num_classes: int, *, width: float = 1.0) -> SegNet:
    """SegNet on VGG-16: 29.45 M parameters for 11 classes. Options as of `SegNet`."""
    return SegNet(num_classes, width=width)


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the tutorial's layers, read from a caffemodel, to `SegNet`'s names.

    Args:
        state: conv1_1.weight, conv1_1.bias, conv1_1_bn.weight (its scale), conv1_1_bn.bias (its
            shift), … conv1_1_D.bias, as in `segnet_inference.prototxt`. That layer keeps no
            statistics (they are folded into scale and shift), so ours become mean 0, variance 1.
    """
    target: dict[str, Tensor] = {}
    for key, value in state.items():
        layer, kind = key.rsplit(".", 1)
        is_norm = layer.endswith("_bn")
        s, k, *decoder = layer.removeprefix("conv").removesuffix("_bn").split("_")
        if not decoder:
            name = f"encoder.stages.{int(s) - 1}.{'bn' if is_norm else 'conv'}{k}"
        elif layer == "conv1_1_D":
            name = "classifier"
        else:  # convS_3_D comes first in its stage
            place = len(vgg.VGG16[int(s) - 1]) - int(k) + 1
            name = f"decoder.{5 - int(s)}.{'bn' if is_norm else 'conv'}{place}"
        target.update(folded_norm(name, kind, value) if is_norm else {f"{name}.{kind}": value})
    return target


def folded_norm(name: str, kind: str, value: Tensor, eps: float = 1e-5) -> dict[str, Tensor]:
    """Scale or shift (1, C, 1, 1) of a Caffe BN in INFERENCE mode as our batch normalisation.

    PyTorch divides by sqrt(variance + eps); a variance of 1 - eps makes that exactly 1.
    """
    value = value.flatten()
    if kind == "bias":
        return {f"{name}.bias": value}
    return {
        f"{name}.weight": value,
        f"{name}.running_mean": torch.zeros_like(value),
        f"{name}.running_var": torch.full_like(value, 1 - eps),
        f"{name}.num_batches_tracked": torch.tensor(0),
    }
