"""References of encoder-decoders and of DeepLab v1: PyTorch ports with random weights, ours beside.

Each function gives (ours, theirs), both in eval mode with the same weights; tests compare their
outputs, `tests.benchmarks.bench_semantic` their times. The checkouts lie in `SEGEDU_REFERENCES`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType
from unittest import mock

import torch
import torchvision
from torch import Tensor, nn

from segedu.semantic import deconvnet, deeplab, fcn, hourglass, segnet
from segedu.semantic.unet import from_jvanvugt, from_milesial, unet
from tests.parity.helpers import randomize, reference

Pair = tuple[nn.Module, nn.Module]


class First(nn.Module):
    """The first of several outputs of a network."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images)[0]


def fcn_pair(stride: int, num_classes: int = 21, at_once: bool = False) -> Pair:
    """wkentaro/pytorch-fcn, which loads the authors' Caffe weights."""
    stubs = {"fcn": ModuleType("fcn")}  # its helper package, for downloads alone
    with mock.patch.dict(sys.modules, stubs), reference("wkentaro+pytorch-fcn", "torchfcn") as load:
        models = load("models")
        name = f"FCN{stride}s" + ("AtOnce" if at_once else "")
        theirs = randomize(getattr(models, name)(num_classes))
    ours = fcn.FCN(num_classes, stride, scale_scores=at_once).eval()
    ours.load_state_dict(fcn.from_official(theirs.state_dict()), strict=True)
    return ours, theirs


def segnet_pair(num_classes: int = 11) -> Pair:
    """say4n/pytorch-segnet: its decoder is written as deconvolutions of stride 1."""
    untrained = torchvision.models.vgg16
    with (
        mock.patch.object(torchvision.models, "vgg16", lambda pretrained: untrained()),
        reference("say4n+pytorch-segnet", "src") as load,
    ):
        theirs = load("model").SegNet(3, num_classes)
    del theirs.vgg16  # the source of its weights, no part of the network
    randomize(theirs)
    ours = segnet(num_classes).eval()
    ours.load_state_dict(_segnet_port(theirs.state_dict()), strict=True)
    return ours, First(theirs).eval()


def _segnet_port(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    target = {}
    for key, value in state.items():
        block, part, kind = key.split(".")
        side, _, (s, k) = block.split("_")
        is_norm = part == "1"
        if side == "encoder":
            name = f"encoder.stages.{s}.{'bn' if is_norm else 'conv'}{int(k) + 1}"
        elif (s, k) == ("0", "0"):
            name = "classifier"
        else:
            place = (2 if int(s) < 2 else 3) - int(k)
            name = f"decoder.{4 - int(s)}.{'bn' if is_norm else 'conv'}{place}"
        if side == "decoder" and value.ndim == 4:
            value = as_convolution(value)
        target[f"{name}.{kind}"] = value
    return target


def as_convolution(weight: Tensor) -> Tensor:
    """Weights of a deconvolution of stride 1 as those of the convolution that does the same."""
    return weight.flip(2, 3).transpose(0, 1)


def deconvnet_pair(num_classes: int = 21) -> Pair:
    """Jasonlee1995/DeconvNet."""
    untrained = torchvision.models.vgg16_bn
    with (
        mock.patch.object(torchvision.models, "vgg16_bn", lambda pretrained: untrained()),
        reference("Jasonlee1995+DeconvNet", "Implementation") as load,
    ):
        theirs = randomize(load("model").DeconvNet(num_classes, init_weights=False))
    ours = deconvnet(num_classes).eval()
    ours.load_state_dict(_deconvnet_port(theirs.state_dict()), strict=True)
    return ours, theirs


def _deconvnet_port(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    target = {}
    for key, value in state.items():
        block, place, kind = key.split(".")
        number = int(place)
        layer = f"{'bn' if number % 3 == 1 else 'conv'}{number // 3 + 1}"
        if block == "conv67":
            name = f"fc{6 + number // 3}.{number % 3}"
        elif block == "deconv67":
            name = f"fc6_deconv.{number}"
        elif (block, place) == ("deconv1", "6"):
            name, layer = "classifier", ""
            value = value.transpose(0, 1) if value.ndim == 4 else value
        elif block.startswith("deconv"):
            name = f"decoder.{5 - int(block[-1])}.{layer}"
        else:
            name = f"encoder.stages.{int(block[-1]) - 1}.{layer}"
        target[f"{name}.{kind}"] = value
    return target


def unet_same_pair(num_classes: int = 2) -> Pair:
    """milesial/Pytorch-UNet: padded, with batch normalisation."""
    with reference("milesial+Pytorch-UNet") as load:
        theirs = randomize(load("unet.unet_model").UNet(3, num_classes))
    ours = unet(num_classes).eval()
    ours.load_state_dict(from_milesial(theirs.state_dict()), strict=True)
    return ours, theirs


def unet_valid_pair(num_classes: int = 2) -> Pair:
    """jvanvugt/pytorch-unet: the paper's layout."""
    with reference("jvanvugt+pytorch-unet") as load:
        theirs = randomize(load("unet").UNet())
    ours = unet(num_classes, in_channels=1, padding="valid", batch_norm=False).eval()
    ours.load_state_dict(from_jvanvugt(theirs.state_dict()), strict=True)
    return ours, theirs


class ChannelsFirst(nn.Module):
    """A network that wants (B, H, W, 3), given (B, 3, H, W)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images.permute(0, 2, 3, 1))


class Heatmaps(nn.Module):
    """All stacks' heatmaps of our hourglass."""

    def __init__(self, network: hourglass.StackedHourglass) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network.heatmaps(images)


def hourglass_pair(stacks: int, num_classes: int = 16) -> Pair:
    """princeton-vl/pytorch_stacked_hourglass, the authors'."""
    with reference("princeton-vl+pytorch_stacked_hourglass") as load:
        theirs = randomize(load("models.posenet").PoseNet(stacks, 256, num_classes), gain=0.2)
    ours = hourglass.stacked_hourglass(num_classes, stacks=stacks).eval()
    ours.load_state_dict(hourglass.from_official(theirs.state_dict()), strict=True)
    return Heatmaps(ours), ChannelsFirst(theirs)


def on_meta(builder: type[nn.Module] | object, *args: object, **options: object) -> nn.Module:
    """A model without memory, for counts and manifests."""
    with torch.device("meta"):
        return builder(*args, **options)  # type: ignore[operator]


class LargeFOV(nn.Sequential):
    """DeepLab-LargeFOV on VGG-16, written from the paper's table of layers, layer after layer.

    No checkout has it in PyTorch; nothing of the library is used. Scores, enlarged as Caffe's
    Interp layer does. Names are Caffe's.
    """

    def __init__(self, num_classes: int = 21) -> None:
        layers: dict[str, nn.Module] = {}
        stages = ((1, 2, 64), (2, 2, 128), (3, 3, 256), (4, 3, 512), (5, 3, 512))
        before = 3
        for s, convolutions, channels in stages:
            rate = 2 if s == 5 else 1
            for k in range(1, convolutions + 1):
                layers[f"conv{s}_{k}"] = nn.Conv2d(
                    before, channels, 3, stride=1, padding=rate, dilation=rate
                )
                layers[f"relu{s}_{k}"] = nn.ReLU()
                before = channels
            layers[f"pool{s}"] = nn.MaxPool2d(3, 2 if s <= 3 else 1, padding=1, ceil_mode=True)
        layers["pool5a"] = nn.AvgPool2d(3, stride=1, padding=1)
        layers["fc6"] = nn.Conv2d(512, 1024, 3, padding=12, dilation=12)
        layers["relu6"] = nn.ReLU()
        layers["drop6"] = nn.Dropout(0.5)
        layers["fc7"] = nn.Conv2d(1024, 1024, 1)
        layers["relu7"] = nn.ReLU()
        layers["drop7"] = nn.Dropout(0.5)
        layers["fc8_voc12"] = nn.Conv2d(1024, num_classes, 1)
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, images: Tensor) -> Tensor:
        size = images.shape[-2:]
        return nn.functional.interpolate(
            super().forward(images), size=size, mode="bilinear", align_corners=True
        )


def large_fov_pair(num_classes: int = 21) -> Pair:
    """DeepLab v1 against `LargeFOV` above."""
    theirs = randomize(LargeFOV(num_classes))
    ours = deeplab.deeplab_v1(num_classes).eval()
    ours.load_state_dict(deeplab.from_official_v1(theirs.state_dict()), strict=True)
    return ours, theirs
