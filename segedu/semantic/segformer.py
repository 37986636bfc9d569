"""SegFormer: a hierarchical transformer and a decoder of nothing but linear layers.

E. Xie, W. Wang, Z. Yu, A. Anandkumar, J. M. Alvarez, P. Luo: "SegFormer: Simple and Efficient
Design for Semantic Segmentation with Transformers", NeurIPS 2021.

The idea in three lines: the encoder (`segedu/backbones/mit.py`) sees locally in its first stages
and globally in its last, so that the decoder need not widen the view; it brings all four scales to
the same channels, enlarges them to a quarter of the image, fuses, and classifies every pixel.

Shapes: images (B, 3, H, W); maps (B, C_s, H / 2^(s+1), W / 2^(s+1)), s = 1 … 4; D channels in the
decoder; logits (B, num_classes, H, W).

Departures: the paper enlarges each embedded scale, stacks them (4 D channels) and fuses at a
quarter of the image. Embedding, enlarging and fusing are linear, and enlarging acts on each channel
alone, so their order does not matter: here each scale is fused before it is enlarged, by the
product of both matrices. Same function, weights and gradients; for B2 at 512 x 512 the decoder has
less than a tenth of the multiplications. `paper_order=True` computes as printed, for counting and
comparison. The logits are enlarged to the input's size (bilinear, `align_corners=False`), as the
authors do outside the network.

Checked against transformers, B0 … B5, and the authors' names (tests/parity/test_segformer.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from segedu.backbones.mit import (
    MIT_B0,
    MIT_B1,
    MIT_B2,
    MIT_B3,
    MIT_B4,
    MIT_B5,
    MiT,
    MiTSize,
    Stage,
    as_map,
    as_tokens,
    initialize,
)
from segedu.layers.normalization import IMAGENET, Normalization


def enlarge(features: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear with half-pixel centres: (B, C, h, w) -> (B, C, *size)."""
    if features.shape[-2:] == size:
        return features
    return nn.functional.interpolate(features, size, mode="bilinear", align_corners=False)


class Decoder(nn.Module):
    """The all-MLP decoder (section 3.2, eq. 4).

    Args:
        channels: C_s of the four scales.
        width: D.
        num_classes: N_cls.
        dropout: of whole channels before the classifier, in training.
        paper_order: enlarge, then fuse; see the module.
    """

    def __init__(
        self,
        channels: tuple[int, ...],
        width: int,
        num_classes: int,
        *,
        dropout: float = 0.1,
        paper_order: bool = False,
    ) -> None:
        super().__init__()
        self.embed = nn.ModuleList(nn.Linear(c, width) for c in channels)
        # The coarsest scale comes first in the stack, as in the authors' weights.
        self.fuse = nn.Conv2d(width * len(channels), width, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.dropout = nn.Dropout2d(dropout)
        self.classify = nn.Conv2d(width, num_classes, 1)
        self.paper_order = paper_order
        self.apply(initialize)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Four maps -> logits (B, N_cls, H / 4, W / 4)."""
        size = (maps[0].shape[-2], maps[0].shape[-1])
        fused = (
            self.fuse_as_printed(maps, size) if self.paper_order else self.fuse_early(maps, size)
        )
        return self.classify(self.dropout(torch.relu(self.norm(fused))))

    def fuse_as_printed(self, maps: list[Tensor], size: tuple[int, int]) -> Tensor:
        """Eq. 4, lines 1 to 3: embed, enlarge, stack, fuse -> (B, D, H / 4, W / 4)."""
        embedded = [
            enlarge(as_map(linear(as_tokens(x)), (x.shape[-2], x.shape[-1])), size)
            for x, linear in zip(maps, self.embed, strict=True)
        ]
        return self.fuse(torch.cat(embedded[::-1], dim=1))

    def fuse_early(self, maps: list[Tensor], size: tuple[int, int]) -> Tensor:
        """The same, fused before enlarging: F up(L x + l) = up(F L x + F l), summed over scales."""
        parts = self.fuse.weight.flatten(1).chunk(len(maps), dim=1)[::-1]  # (D, D) each
        total: Tensor | None = None
        for x, linear, part in zip(maps, self.embed, parts, strict=True):
            assert isinstance(linear, nn.Linear)
            weight = part @ linear.weight  # (D, D), (D, C_s) -> (D, C_s)
            fused = nn.functional.linear(as_tokens(x), weight, part @ linear.bias)
            fused = enlarge(as_map(fused, (x.shape[-2], x.shape[-1])), size)
            total = fused if total is None else total + fused
        assert total is not None
        return total


class SegFormer(nn.Module):
    """SegFormer; use `segformer_b0` … `segformer_b5`.

    Args:
        num_classes: N_cls.
        size: of the encoder.
        decoder_width: D: 256 for B0 and B1, 768 for the others.
        width: multiplies all channels, for small configurations.
        drop_path: stochastic depth of the last block, in training.
        dropout: before the classifier, in training.
        eps: of LayerNorm in blocks and after stages: 1e-6 as the authors trained, 1e-5 as
            transformers computes.
        paper_order: of the decoder; see the module.
    """

    normalization: ClassVar[Normalization] = IMAGENET

    def __init__(
        self,
        num_classes: int,
        size: MiTSize = MIT_B0,
        decoder_width: int = 256,
        *,
        width: float = 1.0,
        drop_path: float = 0.1,
        dropout: float = 0.1,
        eps: float = 1e-6,
        paper_order: bool = False,
    ) -> None:
        super().__init__()
        size = size.narrowed(width)
        decoder_width = max(8, round(decoder_width * width / 8) * 8)
        self.encoder = MiT(size, drop_path=drop_path, eps=eps)
        self.decoder = Decoder(
            size.channels, decoder_width, num_classes, dropout=dropout, paper_order=paper_order
        )

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W), normalised -> logits (B, N_cls, H, W)."""
        logits = self.decoder(self.encoder(images))
        return enlarge(logits, (images.shape[-2], images.shape[-1]))

    def intermediates(self, images: Tensor, *, attention: bool = False) -> dict[str, Tensor]:
        """stage1 … stage4, embedded1 … embedded4 (before enlarging), quarter (logits) and logits.

        Args:
            images: (B, 3, H, W), normalised.
            attention: also give attention1 … attention4: of the last block of each stage,
                (B, h, H_s, W_s, H_k, W_k): how much the token at (H_s, W_s) looks at the reduced
                token at (H_k, W_k). Stage 1 has (H W / 16) x (H W / 1024) of them: keep images
                at 512 x 512 or smaller.
        """
        maps = self.encoder(images)
        found = {f"stage{s}": x for s, x in enumerate(maps, start=1)}
        for s, (x, linear) in enumerate(zip(maps, self.decoder.embed, strict=True), start=1):
            found[f"embedded{s}"] = as_map(linear(as_tokens(x)), (x.shape[-2], x.shape[-1]))
        if attention:
            inputs = [images, *maps[:-1]]
            for s, (x, stage) in enumerate(zip(inputs, self.encoder.stages, strict=True), start=1):
                assert isinstance(stage, Stage)
                found[f"attention{s}"] = stage.attention(x)[-1]
        found["quarter"] = self.decoder(maps)
        found["logits"] = enlarge(found["quarter"], (images.shape[-2], images.shape[-1]))
        return found


def segformer_b0(num_classes: int, **options: Any) -> SegFormer:
    """SegFormer-B0: 3.75 M parameters for 150 classes. Options as of `SegFormer`."""
    return SegFormer(num_classes, MIT_B0, 256, **options)


def segformer_b1(num_classes: int, **options: Any) -> SegFormer:
    """SegFormer-B1: 13.7 M parameters for 150 classes. Options as of `SegFormer`."""
    return SegFormer(num_classes, MIT_B1, 256, **options)


def segformer_b2(num_classes: int, **options: Any) -> SegFormer:
    """SegFormer-B2: 27.5 M parameters for 150 classes. Options as of `SegFormer`."""
    return SegFormer(num_classes, MIT_B2, 768, **options)


def segformer_b3(num_classes: int, **options: Any) -> SegFormer:
    """SegFormer-B3: 47.3 M parameters for 150 classes. Options as of `SegFormer`."""
    return SegFormer(num_classes, MIT_B3, 768, **options)


def segformer_b4(num_classes: int, **options: Any) -> SegFormer:
    """SegFormer-B4: 64.1 M parameters for 150 classes. Options as of `SegFormer`."""
    return SegFormer(num_classes, MIT_B4, 768, **options)


def segformer_b5(num_classes: int, **options: Any) -> SegFormer:
    """SegFormer-B5: 84.7 M parameters for 150 classes. Options as of `SegFormer`."""
    return SegFormer(num_classes, MIT_B5, 768, **options)


# What follows stage and block: the authors' names, transformers' of version 4 (in which the files
# on its hub are written) and of version 5, and ours.
_LAYERS = {
    ".attn.q.": ".attention.attention.query.",
    ".attn.k.": ".attention.attention.key.",
    ".attn.v.": ".attention.attention.value.",
    ".attn.proj.": ".attention.attention.project.",
    ".attn.sr.": ".attention.reduce.",
    ".attn.norm.": ".attention.norm.",
    ".attention.self.query.": ".attention.attention.query.",
    ".attention.self.key.": ".attention.attention.key.",
    ".attention.self.value.": ".attention.attention.value.",
    ".attention.self.sr.": ".attention.reduce.",
    ".attention.self.layer_norm.": ".attention.norm.",
    ".attention.output.dense.": ".attention.attention.project.",
    ".attention.q_proj.": ".attention.attention.query.",
    ".attention.k_proj.": ".attention.attention.key.",
    ".attention.v_proj.": ".attention.attention.value.",
    ".attention.o_proj.": ".attention.attention.project.",
    ".sequence_reduction.sequence_reduction.": ".reduce.",
    ".sequence_reduction.layer_norm.": ".norm.",
    ".layer_norm_1.": ".norm1.",
    ".layer_norm_2.": ".norm2.",
    ".layernorm_before.": ".norm1.",
    ".layernorm_after.": ".norm2.",
    ".mlp.fc1.": ".mix_ffn.expand.",
    ".mlp.fc2.": ".mix_ffn.contract.",
    ".mlp.dense1.": ".mix_ffn.expand.",
    ".mlp.dense2.": ".mix_ffn.contract.",
    ".mlp.dwconv.dwconv.": ".mix_ffn.depthwise.",
    ".embedding.proj.": ".embedding.project.",
    ".embedding.layer_norm.": ".embedding.norm.",
}
# Where a layer stands; {n} counts stages from 1, {s} from 0.
_PLACES = {
    "backbone.patch_embed{n}.": "encoder.stages.{s}.embedding.",
    "backbone.block{n}.": "encoder.stages.{s}.blocks.",
    "backbone.norm{n}.": "encoder.stages.{s}.norm.",
    "decode_head.linear_c{n}.proj.": "decoder.embed.{s}.",
    "segformer.encoder.patch_embeddings.{s}.": "encoder.stages.{s}.embedding.",
    "segformer.encoder.block.{s}.": "encoder.stages.{s}.blocks.",
    "segformer.encoder.layer_norm.{s}.": "encoder.stages.{s}.norm.",
    "decode_head.linear_c.{s}.proj.": "decoder.embed.{s}.",
    "segformer.stages.{s}.patch_embeddings.": "encoder.stages.{s}.embedding.",
    "segformer.stages.{s}.blocks.": "encoder.stages.{s}.blocks.",
    "segformer.stages.{s}.layer_norm.": "encoder.stages.{s}.norm.",
    "decode_head.linear_projections.{s}.proj.": "decoder.embed.{s}.",
}
_HEAD = {
    "decode_head.linear_fuse.conv.": "decoder.fuse.",
    "decode_head.linear_fuse.bn.": "decoder.norm.",
    "decode_head.linear_pred.": "decoder.classify.",
    "decode_head.linear_fuse.": "decoder.fuse.",
    "decode_head.batch_norm.": "decoder.norm.",
    "decode_head.classifier.": "decoder.classify.",
}
_STARTS = _HEAD | {
    theirs.format(n=s + 1, s=s): ours.format(s=s)
    for theirs, ours in _PLACES.items()
    for s in range(4)
}


def _renamed(key: str) -> str:
    for theirs, ours in _STARTS.items():
        if key.startswith(theirs):
            key = ours + key.removeprefix(theirs)
            break
    for theirs, ours in _LAYERS.items():
        key = key.replace(theirs, ours)
    return key


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the authors' checkpoints (NVlabs; their "state_dict") to `SegFormer`.

    Their `attn.kv` is one layer for keys and values; `decode_head.conv_seg` is never run and left
    out.
    """
    target = {}
    for key, value in state.items():
        if key.startswith("decode_head.conv_seg."):
            continue
        if ".attn.kv." in key:
            for part, half in zip(("k", "v"), value.chunk(2), strict=True):
                target[_renamed(key.replace(".attn.kv.", f".attn.{part}."))] = half
        else:
            target[_renamed(key)] = value
    return target


def from_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert transformers' `SegformerForSemanticSegmentation` to `SegFormer`.

    Both layouts are read: that of the hub's files, and that of version 5 in memory.
    """
    return {_renamed(key): value for key, value in state.items()}
