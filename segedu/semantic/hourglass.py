"""Stacked hourglass: down to the coarsest scale and up again, and the same once more, corrected.

A. Newell, K. Yang, J. Deng: "Stacked Hourglass Networks for Human Pose Estimation", ECCV 2016.

The idea in three lines: an hourglass pools four times and upsamples four times, with a residual
block as the skip of every scale; its heatmaps are predicted, trained, and fed back into the
features; so that the next hourglass sees evidence and first answer together and revises them.

Shapes: images (B, 3, H, W); all heatmaps at stride 4: (B, K, H / 4, W / 4); S stacks.

Departures: for segmentation the last stack's heatmaps, one a class, are enlarged to the image's
size; `heatmaps` gives those of all stacks, for pose and for intermediate supervision. Images whose
sides are no multiples of 64 are padded with zeros at the right and the bottom.

The layout is the authors' PyTorch code: it builds a 1x1 convolution for each residual block's skip
and never runs it where input and output have equal channels (7.4 M of 32.8 M parameters for 8
stacks). They are built here too, frozen, so that names and counts agree; `unused_skips=False`
leaves them out.

Checked against the authors' PyTorch code (tests/parity).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from segedu.backbones.vgg import channels_last
from segedu.layers.normalization import UNIT, Normalization

DEPTH = 4  # poolings in an hourglass
STRIDE = 4  # of the stem
MULTIPLE = STRIDE * 2**DEPTH


class Residual(nn.Module):
    """Pre-activated bottleneck (figure 4, left): (B, in, H, W) -> (B, out, H, W)."""

    def __init__(self, in_channels: int, out_channels: int, unused_skip: bool = True) -> None:
        super().__init__()
        middle = out_channels // 2
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, middle, 1)
        self.bn2 = nn.BatchNorm2d(middle)
        self.conv2 = nn.Conv2d(middle, middle, 3, padding=1)
        self.bn3 = nn.BatchNorm2d(middle)
        self.conv3 = nn.Conv2d(middle, out_channels, 1)
        self.changes = in_channels != out_channels
        if self.changes or unused_skip:
            self.skip = nn.Conv2d(in_channels, out_channels, 1).requires_grad_(self.changes)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise, ReLU, convolve; three times; add the input."""
        out = self.conv1(self.bn1(x).relu_())
        out = self.conv2(self.bn2(out).relu_())
        out = self.conv3(self.bn3(out).relu_())
        return out + (self.skip(x) if self.changes else x)


class Hourglass(nn.Module):
    """One hourglass (figure 3), built from the outside in: (B, F, h, w) -> (B, F, h, w).

    Args:
        depth: poolings that are left.
        features: F.
        unused_skips: see the module.
    """

    def __init__(self, depth: int, features: int, unused_skips: bool = True) -> None:
        super().__init__()
        self.skip = Residual(features, features, unused_skips)
        self.before = Residual(features, features, unused_skips)
        self.inner: nn.Module
        if depth > 1:
            self.inner = Hourglass(depth - 1, features, unused_skips)
        else:
            self.inner = Residual(features, features, unused_skips)
        self.after = Residual(features, features, unused_skips)

    def forward(self, x: Tensor) -> Tensor:
        """The scale's own features, plus what the coarser scales make of them."""
        coarse = self.before(nn.functional.max_pool2d(x, 2))
        coarse = self.after(self.inner(coarse))
        return self.skip(x) + nn.functional.interpolate(coarse, scale_factor=2.0, mode="nearest")


class StackedHourglass(nn.Module):
    """Stacked hourglasses; use `stacked_hourglass`.

    Args:
        num_classes: K, heatmaps: classes, or joints for pose.
        stacks: S.
        features: F, channels throughout; the stem has F / 4 and F / 2.
        unused_skips: see the module.
    """

    normalization: ClassVar[Normalization] = UNIT

    def __init__(
        self, num_classes: int, *, stacks: int = 2, features: int = 256, unused_skips: bool = True
    ) -> None:
        super().__init__()
        if stacks < 1:
            raise ValueError(f"one stack at least, got {stacks}")
        if features < 16 or features % 8:
            raise ValueError(f"features must be a multiple of 8 from 16 on, got {features}")
        quarter, half = features // 4, features // 2
        self.stem = nn.Sequential(
            nn.Conv2d(3, quarter, 7, stride=2, padding=3),
            nn.BatchNorm2d(quarter),
            nn.ReLU(inplace=True),
            Residual(quarter, half, unused_skips),
            nn.MaxPool2d(2),
            Residual(half, half, unused_skips),
            Residual(half, features, unused_skips),
        )
        self.hourglasses = nn.ModuleList(
            Hourglass(DEPTH, features, unused_skips) for _ in range(stacks)
        )
        self.features = nn.ModuleList(
            nn.Sequential(
                Residual(features, features, unused_skips),
                nn.Conv2d(features, features, 1),
                nn.BatchNorm2d(features),
                nn.ReLU(inplace=True),
            )
            for _ in range(stacks)
        )
        self.predict = nn.ModuleList(nn.Conv2d(features, num_classes, 1) for _ in range(stacks))
        # Between stacks both the features and the prediction return, by 1x1 convolutions.
        self.remap_features = nn.ModuleList(
            nn.Conv2d(features, features, 1) for _ in range(stacks - 1)
        )
        self.remap_heatmaps = nn.ModuleList(
            nn.Conv2d(num_classes, features, 1) for _ in range(stacks - 1)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W), normalised -> logits (B, K, H, W), of the last stack."""
        return self.intermediates(images)["logits"]

    def heatmaps(self, images: Tensor) -> Tensor:
        """Heatmaps of every stack: (B, S, K, ceil(H / 4), ceil(W / 4)).

        Intermediate supervision trains each of them on the same target (section 3.2).
        """
        found = self.intermediates(images)
        return torch.stack([found[f"heatmaps{s}"] for s in range(len(self.predict))], dim=1)

    def intermediates(self, images: Tensor) -> dict[str, Tensor]:
        """stem; for each stack s from 0 hourglass, features and heatmaps; and logits."""
        height, width = images.shape[-2:]
        padded = nn.functional.pad(images, (0, -width % MULTIPLE, 0, -height % MULTIPLE))
        rows, cols = -(-height // STRIDE), -(-width // STRIDE)
        found = {"stem": self.stem(channels_last(padded))}
        x = found["stem"]
        for s, (hourglass, head, predict) in enumerate(
            zip(self.hourglasses, self.features, self.predict, strict=True)
        ):
            found[f"hourglass{s}"] = out = hourglass(x)
            found[f"features{s}"] = features = head(out)
            heatmaps = predict(features)
            found[f"heatmaps{s}"] = heatmaps[..., :rows, :cols]
            if s < len(self.predict) - 1:
                x = x + self.remap_heatmaps[s](heatmaps) + self.remap_features[s](features)
        large = nn.functional.interpolate(
            heatmaps, size=padded.shape[-2:], mode="bilinear", align_corners=False
        )
        found["logits"] = large[..., :height, :width]
        return found


def stacked_hourglass(
    num_classes: int, *, stacks: int = 2, features: int = 256, unused_skips: bool = True
) -> StackedHourglass:
    """Stacked hourglass; for 16 joints 8.43 M parameters with 2 stacks, 32.8 M with 8."""
    return StackedHourglass(
        num_classes, stacks=stacks, features=features, unused_skips=unused_skips
    )


_STEM = {
    "pre.0.conv": "stem.0",
    "pre.0.bn": "stem.1",
    "pre.1": "stem.3",
    "pre.3": "stem.5",
    "pre.4": "stem.6",
}
_RENAME = {
    "hgs": "hourglasses",
    "outs": "predict",
    "merge_features": "remap_features",
    "merge_preds": "remap_heatmaps",
    "up1": "skip",
    "low1": "before",
    "low2": "inner",
    "low3": "after",
    "skip_layer": "skip",
}


def from_official(state: Mapping[str, Tensor], *, unused_skips: bool = True) -> dict[str, Tensor]:
    """Convert princeton-vl's PyTorch `PoseNet` to `StackedHourglass`.

    Args:
        state: its state dict; released checkpoints wrap it, so that names begin with
            "model.module.".
        unused_skips: as the model's; False drops the convolutions that never run.
    """
    target = {}
    for key, value in state.items():
        if not unused_skips and ".skip_layer." in key:
            outputs, inputs = state[key.rsplit(".", 1)[0] + ".weight"].shape[:2]
            if inputs == outputs:
                continue
        name = key.removeprefix("model.").removeprefix("module.")
        for old, new in _STEM.items():
            if name.startswith(f"{old}."):
                name = new + name.removeprefix(old)
        parts = name.split(".")
        if parts[0] == "hgs":
            parts.pop(2)  # each hourglass sits alone in a Sequential
        elif parts[0] == "features" and parts[2] == "1":  # a Conv, with its own conv and bn
            parts[2:4] = ["1" if parts[3] == "conv" else "2"]
        target[".".join(_RENAME.get(p, p) for p in parts if p != "conv")] = value
    return target
