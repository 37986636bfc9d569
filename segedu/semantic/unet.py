"""U-Net: at each scale of the way up, the features of the way down are laid beside the decoder's.

O. Ronneberger, P. Fischer, T. Brox: "U-Net: Convolutional Networks for Biomedical Image
Segmentation", MICCAI 2015.

The idea in three lines: a contracting path (two 3x3 convolutions, then 2x2 pooling, channels
double) says what; an expanding path (2x2 "up-convolution", channels halve) says where; before its
convolutions each step of the second concatenates the map of equal scale of the first.

Shapes: images (B, c, H, W); level l = 0 … 4 has maps of about H / 2^l, 64 · 2^l channels.

Two layouts, say which:
- `padding="same"`, `batch_norm=True` (default): what is trained nearly everywhere today.
- `padding="valid"`, `batch_norm=False`: the paper's (figure 1: 572 -> 388 pixels). No convolution
  pads, so each takes a pixel off every side and skips are cropped. `forward` still answers for
  every pixel: it mirrors the image at its border first, the paper's overlap-tile strategy. The
  paper's network has `in_channels=1`: 31,030,658 parameters for 2 classes.

Departures: none within a layout; `channels` makes small versions.

Checked against two PyTorch ports, one for each layout (tests/parity).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from segedu.backbones.vgg import channels_last, initialize
from segedu.layers.normalization import UNIT, Normalization

CHANNELS = (64, 128, 256, 512, 1024)


def double_convolution(
    in_channels: int, out_channels: int, padding: int, batch_norm: bool
) -> nn.Sequential:
    """Twice 3x3 convolution and ReLU: (B, in, H, W) -> (B, out, H', W'); H' = H - 4 unpadded."""
    layers = nn.Sequential()
    for k, n in ((1, in_channels), (2, out_channels)):
        # Batch normalisation has a bias of its own.
        conv = nn.Conv2d(n, out_channels, 3, padding=padding, bias=not batch_norm)
        layers.add_module(f"conv{k}", conv)
        if batch_norm:
            layers.add_module(f"bn{k}", nn.BatchNorm2d(out_channels))
        layers.add_module(f"relu{k}", nn.ReLU(inplace=True))
    return layers


class UNet(nn.Module):
    """U-Net; use `unet`.

    Args:
        num_classes: C.
        in_channels: of the images.
        channels: of each level, fine to coarse; two levels at least.
        padding: "same" pads every convolution, "valid" none.
        batch_norm: normalise between convolution and ReLU.
    """

    normalization: ClassVar[Normalization] = UNIT

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 3,
        channels: Sequence[int] = CHANNELS,
        padding: Literal["same", "valid"] = "same",
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        if padding not in ("same", "valid"):
            raise ValueError(f'padding is "same" or "valid", got {padding!r}')
        if len(channels) < 2:
            raise ValueError(f"a U has two levels at least, got channels={tuple(channels)}")
        self.padding = padding
        self.depth = len(channels) - 1  # how often the map is halved
        pad = int(padding == "same")
        self.down = nn.ModuleList(
            double_convolution(n, c, pad, batch_norm)
            for n, c in zip([in_channels, *channels], channels, strict=False)
        )
        upward = list(zip(channels[:0:-1], channels[-2::-1], strict=True))  # (1024, 512), …
        self.up = nn.ModuleList(nn.ConvTranspose2d(n, c, 2, stride=2) for n, c in upward)
        self.merge = nn.ModuleList(double_convolution(2 * c, c, pad, batch_norm) for _, c in upward)
        self.classifier = nn.Conv2d(channels[0], num_classes, 1)
        initialize(self)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, c, H, W), normalised -> logits (B, C, H, W)."""
        return self.intermediates(images)["logits"]

    def intermediates(self, images: Tensor) -> dict[str, Tensor]:
        """down0 … down4, then up3, merge3 … up0, merge0, and logits."""
        height, width = images.shape[-2:]
        if self.padding == "valid":
            tile = mirror(images, *(self._valid_border(n) for n in (height, width)))
        else:
            missing = [max(0, 2**self.depth - n) for n in (height, width)]
            tile = nn.functional.pad(images, (0, missing[1], 0, missing[0]))
        found = self.trace(tile)
        found["logits"] = found["logits"][..., :height, :width]
        return found

    def trace(self, tile: Tensor) -> dict[str, Tensor]:
        """The paper's figure 1: a tile as it is; with "valid" the logits are smaller than it."""
        features = channels_last(tile)
        found = {}
        for level, layers in enumerate(self.down):
            if level > 0:
                features = nn.functional.max_pool2d(features, 2)
            found[f"down{level}"] = features = layers(features)
        for k, (up, layers) in enumerate(zip(self.up, self.merge, strict=True)):
            level = self.depth - 1 - k
            skip = found[f"down{level}"]
            found[f"up{level}"] = features = up(features)
            if self.padding == "valid":
                skip = center_crop(skip, features)
            else:
                features = pad_to(features, skip)  # a row is missing where pooling rounded down
            found[f"merge{level}"] = features = layers(torch.cat([skip, features], dim=1))
        found["logits"] = self.classifier(features)
        return found

    def _valid_border(self, length: int) -> tuple[int, int]:
        """Pixels to mirror before and after, so that the output covers `length`.

        With d halvings and a lowest map of b pixels the input has 2^d b + 4 (2^d - 1) and the
        output 2^d b - 8 · 2^d + 4: for d = 4, b = 32 the paper's 572 and 388.
        """
        scale = 2**self.depth
        lowest = -(-(length + 8 * scale - 4) // scale)
        margin = 6 * scale - 4  # half of what is lost: 92
        return margin, scale * lowest + 4 * (scale - 1) - length - margin


def mirror(images: Tensor, vertical: tuple[int, int], horizontal: tuple[int, int]) -> Tensor:
    """Extend images by mirroring at the border pixels, as often as it takes.

    (B, C, H, W) -> (B, C, top + H + bottom, left + W + right). `F.pad(mode="reflect")` cannot
    extend an image by more than its own size.
    """
    for dim, (before, after) in ((-2, vertical), (-1, horizontal)):
        length = images.shape[dim]
        period = max(1, 2 * (length - 1))
        place = torch.arange(-before, length + after, device=images.device) % period
        images = images.index_select(dim, torch.minimum(place, period - place))
    return images


def center_crop(features: Tensor, like: Tensor) -> Tensor:
    """The middle of `features` in the size of `like`."""
    (h, w), (height, width) = like.shape[-2:], features.shape[-2:]
    top, left = (height - h) // 2, (width - w) // 2
    return features[..., top : top + h, left : left + w]


def pad_to(features: Tensor, like: Tensor) -> Tensor:
    """Zeros around `features` up to the size of `like`."""
    dy, dx = (like.shape[d] - features.shape[d] for d in (-2, -1))
    if dy == 0 and dx == 0:
        return features
    return nn.functional.pad(features, (dx // 2, dx - dx // 2, dy // 2, dy - dy // 2))


def unet(
    num_classes: int,
    *,
    in_channels: int = 3,
    channels: Sequence[int] = CHANNELS,
    padding: Literal["same", "valid"] = "same",
    batch_norm: bool = True,
) -> UNet:
    """U-Net with 31.04 M parameters; options as of `UNet`.

    The paper's own: `unet(2, in_channels=1, padding="valid", batch_norm=False)`, 31.03 M.
    """
    return UNet(
        num_classes, in_channels=in_channels, channels=channels, padding=padding,
        batch_norm=batch_norm,
    )  # fmt: skip


def from_milesial(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert milesial/Pytorch-UNet (`bilinear=False`) to `UNet`, `padding="same"`.

    Its released files hold "mask_values" beside the weights; it is left out.
    """
    layers = {"0": "conv1", "1": "bn1", "3": "conv2", "4": "bn2"}
    target = {}
    for key, value in state.items():
        block, *path = key.split(".")
        if block == "mask_values":
            continue
        if block == "outc":
            name = "classifier"
        elif block.startswith("up"):
            k = int(block.removeprefix("up")) - 1
            name = f"up.{k}" if path[0] == "up" else f"merge.{k}.{layers[path[-2]]}"
        else:
            level = 0 if block == "inc" else int(block.removeprefix("down"))
            name = f"down.{level}.{layers[path[-2]]}"
        target[f"{name}.{path[-1]}"] = value
    return target


def from_jvanvugt(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert jvanvugt/pytorch-unet (the paper's layout) to `UNet`, `padding="valid"`.

    It concatenates decoder before skip; here the skip comes first, as in the paper's figure.
    """
    layers = {"0": "conv1", "2": "conv2"}
    target = {}
    for key, value in state.items():
        path = key.split(".")
        if path[0] == "last":
            name = "classifier"
        elif path[0] == "down_path":
            name = f"down.{path[1]}.{layers[path[-2]]}"
        elif path[2] == "up":
            name = f"up.{path[1]}"
        else:
            name = f"merge.{path[1]}.{layers[path[-2]]}"
            if path[-2] == "0" and value.ndim == 4:
                decoder, skip = value.chunk(2, dim=1)
                value = torch.cat([skip, decoder], dim=1)
        target[f"{name}.{path[-1]}"] = value
    return target
