"""RITM's networks: a segmentation network that also sees clicks and its own last answer.

K. Sofiiuk, I. Petrov, A. Konushin: "Reviving Iterative Training with Mask Guidance for Interactive
Segmentation", ICIP 2022 (arXiv 2102.06583), sections 3.1 to 3.3.

The idea in three lines: the clicks' disks and the mask so far are three more channels. A small
block of convolutions ("Conv1S") brings them to the shape of what the network's first convolution
found and adds them there: the image's path, pre-trained, is left as it was. The network then says
for every pixel whether it belongs to the object.

Shapes: images (B, 3, H, W); points (B, N, 3), see `click_maps`; previous (B, 1, H, W),
probabilities in [0, 1]; logits (B, 1, H, W).

Departures: SegFormer's first convolution has stride 4, so its block has too (the authors have
HRNet). The weight of the added map begins at 0.05 as theirs, which spares pre-trained weights;
`scale` sets another one for training from nothing.

Checked against the authors' code (tests/parity/test_ritm.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segedu.backbones import hrnet
from segedu.backbones.mit import MIT_B0, MiT
from segedu.interactive.click_maps import disks, distance_maps
from segedu.layers.normalization import IMAGENET, Normalization
from segedu.layers.ocr import ObjectContext

Encoding = Literal["disks", "distances"]


def enlarge(x: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear, corners upon corners as the authors trained: (B, C, h, w) -> (B, C, *size)."""
    return F.interpolate(x, tuple(size), mode="bilinear", align_corners=True)


class Scale(nn.Module):
    """Multiply by the absolute value of one learnt number."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((1,), start))

    def forward(self, x: Tensor) -> Tensor:
        """Any shape -> the same."""
        return x * self.scale.abs()


def conv1s(channels: int, kernel: int, stride: int, scale: float) -> nn.Sequential:
    """Section 3.1, Conv1S: three maps -> what is added to the first convolution's output."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(16, channels, kernel, stride, kernel // 2),
        Scale(scale),
    )


class ClickNetwork(nn.Module):
    """What both networks share: how clicks and the last mask come in.

    Args:
        encoding: "disks" as in the paper, or "distances", its ablation.
        radius: of the disks in pixels.
    """

    normalization: ClassVar[Normalization] = IMAGENET
    fusion: nn.Sequential

    def __init__(self, encoding: Encoding, radius: float) -> None:
        super().__init__()
        if encoding not in ("disks", "distances"):
            raise ValueError(f'encoding must be "disks" or "distances", got {encoding!r}')
        self.encoding, self.radius = encoding, radius

    def maps(self, images: Tensor, points: Tensor, previous: Tensor | None) -> Tensor:
        """The last mask, positive and negative clicks: (B, 3, H, W)."""
        size = (images.shape[-2], images.shape[-1])
        drawn = (
            disks(points, size, self.radius)
            if self.encoding == "disks"
            else distance_maps(points, size)
        )
        if previous is None:
            previous = drawn.new_zeros(len(images), 1, *size)
        return torch.cat([previous, drawn], dim=1).to(images.dtype)

    def outputs(
        self, images: Tensor, points: Tensor, previous: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Everything there is to show, by name; "logits" (B, 1, H, W) last."""
        raise NotImplementedError

    def forward(
        self, images: Tensor, points: Tensor, previous: Tensor | None = None
    ) -> Tensor | dict[str, Tensor]:
        """Images (B, 3, H, W), normalised -> logits (B, 1, H, W).

        In training a dictionary: "logits", and "auxiliary" (B, 1, H, W) where there is one.
        """
        found = self.outputs(images, points, previous)
        if not self.training:
            return found["logits"]
        trained = {name: found[name] for name in ("logits", "auxiliary") if name in found}
        return {name: enlarge(x, images.shape[-2:]) for name, x in trained.items()}

    def intermediates(
        self, images: Tensor, points: Tensor, previous: Tensor | None = None
    ) -> dict[str, Tensor]:
        """maps (B, 3, H, W), added (what the first convolution's output gets), logits, and more."""
        return {"maps": self.maps(images, points, previous)} | self.outputs(
            images, points, previous
        )


class RITMHRNet(ClickNetwork):
    """HRNet with OCR; use `ritm_hrnet18s`, `ritm_hrnet18`, `ritm_hrnet32`.

    Args:
        width: C of the backbone.
        ocr_width: D, key channels; the pixels' features have twice as many.
        encoding: of the clicks.
        radius: of the disks in pixels.
        scale: what the weight of the added map begins with.
        options: of `segedu.backbones.hrnet.HRNet`.
    """

    def __init__(
        self,
        width: int,
        ocr_width: int,
        *,
        encoding: Encoding = "disks",
        radius: float = 5.0,
        scale: float = 0.05,
        **options: Any,
    ) -> None:
        super().__init__(encoding, radius)
        self.backbone = hrnet.HRNet(width, align_corners=True, **options)
        stem = self.backbone.stem[0].out_channels
        assert isinstance(stem, int)
        self.fusion = conv1s(stem, 3, 2, scale)
        joined, channels = sum(self.backbone.channels), 2 * ocr_width
        self.auxiliary = nn.Sequential(
            nn.Conv2d(joined, joined, 1),
            nn.BatchNorm2d(joined),
            nn.ReLU(inplace=True),
            nn.Conv2d(joined, 1, 1),
        )
        self.pixels = nn.Sequential(
            nn.Conv2d(joined, channels, 3, 1, 1), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
        )
        self.context = ObjectContext(channels, ocr_width)
        self.score = nn.Conv2d(channels, 1, 1)

    def outputs(
        self, images: Tensor, points: Tensor, previous: Tensor | None = None
    ) -> dict[str, Tensor]:
        """added (B, C, H / 2, W / 2); auxiliary and score (B, 1, H / 4, W / 4); logits."""
        added = self.fusion(self.maps(images, points, previous))
        maps = self.backbone(images, added)
        finest = maps[0].shape[-2:]
        joined = torch.cat([maps[0], *(enlarge(x, finest) for x in maps[1:])], dim=1)
        auxiliary = self.auxiliary(joined)
        score = self.score(self.context(self.pixels(joined), auxiliary))
        logits = enlarge(score, images.shape[-2:])
        return {"added": added, "auxiliary": auxiliary, "score": score, "logits": logits}


class RITMSegFormer(ClickNetwork):
    """SegFormer's encoder and a decoder of linear layers; use `ritm_segformer_b0`.

    Args:
        decoder_width: D.
        width: multiplies all channels.
        encoding: of the clicks.
        radius: of the disks in pixels.
        scale: what the weight of the added map begins with.
        drop_path: stochastic depth of the last block, in training.
    """

    def __init__(
        self,
        decoder_width: int = 256,
        *,
        width: float = 1.0,
        encoding: Encoding = "disks",
        radius: float = 5.0,
        scale: float = 0.05,
        drop_path: float = 0.1,
    ) -> None:
        super().__init__(encoding, radius)
        size = MIT_B0.narrowed(width)
        channels = max(8, round(decoder_width * width / 8) * 8)
        self.encoder = MiT(size, drop_path=drop_path)
        self.fusion = conv1s(size.channels[0], 7, 4, scale)
        # A sum of one linear layer a scale: what SegFormer's embedding and fusing come to.
        self.embed = nn.ModuleList(nn.Conv2d(c, channels, 1, bias=False) for c in size.channels)
        self.norm = nn.BatchNorm2d(channels)
        self.score = nn.Conv2d(channels, 1, 1)

    def outputs(
        self, images: Tensor, points: Tensor, previous: Tensor | None = None
    ) -> dict[str, Tensor]:
        """added (B, C, H / 4, W / 4), score (B, 1, H / 4, W / 4), logits."""
        added = self.fusion(self.maps(images, points, previous))
        maps = self.encoder(images, added)
        embedded = [layer(x) for layer, x in zip(self.embed, maps, strict=True)]
        finest = embedded[0].shape[-2:]
        fused = embedded[0] + sum(enlarge(x, finest) for x in embedded[1:])
        score = self.score(F.relu(self.norm(fused)))
        return {"added": added, "score": score, "logits": enlarge(score, images.shape[-2:])}


# `num_classes` is what the training loop gives to every builder; an object is one class.
def ritm_hrnet18s(num_classes: int = 1, **options: Any) -> RITMHRNet:
    """RITM with HRNet-18 small: 4,220,047 parameters. Options as of `RITMHRNet`."""
    small = {"width": 18, "ocr_width": 48, "blocks": 2, "modules": (1, 3, 2)}
    return RITMHRNet(**{**small, **options})


def ritm_hrnet18(num_classes: int = 1, **options: Any) -> RITMHRNet:
    """RITM with HRNet-18: 10,032,019 parameters. Options as of `RITMHRNet`."""
    return RITMHRNet(**{"width": 18, "ocr_width": 64, **options})


def ritm_hrnet32(num_classes: int = 1, **options: Any) -> RITMHRNet:
    """RITM with HRNet-32: 30,951,363 parameters. Options as of `RITMHRNet`."""
    return RITMHRNet(**{"width": 32, "ocr_width": 128, **options})


def ritm_segformer_b0(num_classes: int = 1, **options: Any) -> RITMSegFormer:
    """RITM with SegFormer-B0: 3,476,418 parameters. Options as of `RITMSegFormer`."""
    return RITMSegFormer(**options)


_CONTEXT = "feature_extractor.ocr_distri_head."
_NAMES = (
    ("maps_transform.", "fusion."),
    ("feature_extractor.conv3x3_ocr.", "pixels."),
    ("feature_extractor.aux_head.", "auxiliary."),
    ("feature_extractor.cls_head.", "score."),
    (f"{_CONTEXT}object_context_block.f_pixel.", "context.query."),
    (f"{_CONTEXT}object_context_block.f_object.", "context.key."),
    (f"{_CONTEXT}object_context_block.f_down.", "context.value."),
    (f"{_CONTEXT}object_context_block.f_up.", "context.up."),
    (f"{_CONTEXT}conv_bn_dropout.0.", "context.fuse."),
    (f"{_CONTEXT}conv_bn_dropout.1.0.", "context.norm."),
)
# Their 1x1 blocks are convolution, (norm, ReLU), convolution, (norm, ReLU); ours lie flat.
_FLAT = {"0": "0", "1.0": "1", "2": "3", "3.0": "4"}


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the authors' networks (their "state_dict") to `RITMHRNet`."""
    inner = "feature_extractor."
    found = hrnet.from_official(
        {k.removeprefix(inner): v for k, v in state.items() if k.startswith(inner)}
    )
    found = {f"backbone.{key}": value for key, value in found.items()}
    for key, value in state.items():
        for theirs, ours in _NAMES:
            if key.startswith(theirs):
                rest = key.removeprefix(theirs)
                if ".object_context_block." in key:
                    rest = re.sub(r"^(\d(?:\.\d)?)\.", lambda m: f"{_FLAT[m[1]]}.", rest)
                found[ours + rest] = value
    return found
