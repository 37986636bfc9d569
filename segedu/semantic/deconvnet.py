"""DeconvNet: VGG-16 down to a 7x7 bottleneck, and its mirror of unpooling and deconvolution back.

H. Noh, S. Hong, B. Han: "Learning Deconvolution Network for Semantic Segmentation", ICCV 2015.

The idea in three lines: keep VGG-16 with its two fully connected layers (as 7x7 and 1x1
convolutions), so that the code at the bottom sees the whole object; then undo each layer:
deconvolution for convolution, unpooling to the remembered switches for pooling. Coarse shape comes
first, detail stage by stage.

Shapes: images (B, 3, H, W); the paper's are 224 x 224 with a bottleneck of 1 x 1.

Departures: the paper takes 224 x 224 alone. Here any size goes: an image below the smallest size
(`minimum_size`) is padded with zeros at the right and the bottom, and its logits are cropped.
`width`, `head_channels` and `bottleneck` make small versions; the defaults are the paper's.

Checked against the authors' prototxt, run layer by layer (tests/parity).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from segedu.backbones import vgg
from segedu.layers.normalization import CAFFE_BGR, Normalization
from segedu.semantic.segnet import decoder_channels, folded_norm


class DeconvNet(nn.Module):
    """DeconvNet; use `deconvnet`.

    Args:
        num_classes: C.
        width: multiplies all numbers of channels.
        head_channels: of fc6 and fc7; 4096 · width unless given.
        bottleneck: kernel of fc6 and of its deconvolution; 7 sees 224 pixels of the input.
    """

    normalization: ClassVar[Normalization] = CAFFE_BGR

    def __init__(
        self,
        num_classes: int,
        *,
        width: float = 1.0,
        head_channels: int | None = None,
        bottleneck: int = 7,
    ) -> None:
        super().__init__()
        if bottleneck < 1:
            raise ValueError(
                f"bottleneck is the size of fc6's kernel: at least 1, got {bottleneck}"
            )
        channels = vgg.narrowed(width)
        hidden = head_channels or max(8, round(4096 * width))
        deepest, finest = channels[-1][-1], channels[0][0]
        self.bottleneck = bottleneck
        self.encoder = vgg.VGG(channels, batch_norm=True)
        self.fc6 = _block(nn.Conv2d(deepest, hidden, bottleneck))
        self.fc7 = _block(nn.Conv2d(hidden, hidden, 1))
        self.fc6_deconv = _block(nn.ConvTranspose2d(hidden, deepest, bottleneck))
        plan = decoder_channels(channels, finest)
        self.decoder = nn.ModuleList(
            vgg.stage(n, outs, batch_norm=True, convolution=nn.ConvTranspose2d)
            for n, outs in zip([deepest, *(s[-1] for s in plan[:-1])], plan, strict=True)
        )
        self.classifier = nn.Conv2d(finest, num_classes, 1)
        vgg.initialize(self)

    @property
    def minimum_size(self) -> int:
        """The least height and width that give fc6 its kernel; smaller images are padded."""
        return 32 * (self.bottleneck - 1) + 1

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W), normalised -> logits (B, C, H, W)."""
        return self.intermediates(images)["logits"]

    def intermediates(self, images: Tensor) -> dict[str, Tensor]:
        """pool1 … pool5, fc7, fc6_deconv, then unpool5, deconv5 … unpool1, deconv1, and logits."""
        height, width = images.shape[-2:]
        missing = [max(0, self.minimum_size - n) for n in (height, width)]
        encoded = self.encoder.encode(nn.functional.pad(images, (0, missing[1], 0, missing[0])))
        found = {f"pool{s}": pooled.features for s, pooled in enumerate(encoded, start=1)}
        found["fc7"] = code = self.fc7(self.fc6(encoded[-1].features))  # 224: (B, 4096, 1, 1)
        found["fc6_deconv"] = features = self.fc6_deconv(code)  # (B, 512, 7, 7) again
        for s, layers in zip(range(5, 0, -1), self.decoder, strict=True):
            found[f"unpool{s}"] = sparse = vgg.unpool(features, encoded[s - 1])
            found[f"deconv{s}"] = features = layers(sparse)
        found["logits"] = self.classifier(features)[..., :height, :width]
        return found


def _block(layer: nn.Conv2d | nn.ConvTranspose2d) -> nn.Sequential:
    return nn.Sequential(layer, nn.BatchNorm2d(layer.out_channels), nn.ReLU(inplace=True))


def deconvnet(
    num_classes: int,
    *,
    width: float = 1.0,
    head_channels: int | None = None,
    bottleneck: int = 7,
) -> DeconvNet:
    """DeconvNet on VGG-16: 251.8 M parameters for 21 classes. Options as of `DeconvNet`."""
    return DeconvNet(num_classes, width=width, head_channels=head_channels, bottleneck=bottleneck)


_HEAD = {
    "fc6": ("fc6.0", False),
    "bnfc6": ("fc6.1", True),
    "fc7": ("fc7.0", False),
    "bnfc7": ("fc7.1", True),
    "fc6-deconv": ("fc6_deconv.0", False),
    "fc6-deconv-bn": ("fc6_deconv.1", True),
}


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the authors' layers, read from a caffemodel, to `DeconvNet`'s names.

    Args:
        state: conv1_1.weight, bn1_1.weight (its scale), … fc6-deconv.weight, deconv5_1.weight,
            debn5_1.bias, … seg-score-voc.bias, as in `DeconvNet_inference_deploy.prototxt`.
    """
    target: dict[str, Tensor] = {}
    for key, value in state.items():
        layer, kind = key.rsplit(".", 1)
        if layer.startswith("seg-score"):
            name, is_norm = "classifier", False
        elif layer in _HEAD:
            name, is_norm = _HEAD[layer]
        else:
            s, k = layer.lstrip("abcdefghijklmnopqrstuvwxyz").split("_")
            is_norm = "bn" in layer
            folder = (
                f"decoder.{5 - int(s)}"
                if layer.startswith("de")
                else f"encoder.stages.{int(s) - 1}"
            )
            name = f"{folder}.{'bn' if is_norm else 'conv'}{k}"
        target.update(folded_norm(name, kind, value) if is_norm else {f"{name}.{kind}": value})
    return target
