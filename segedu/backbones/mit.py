"""Mix Transformer (MiT): SegFormer's encoder, four scales from attention that shrinks its keys.

E. Xie, W. Wang, Z. Yu, A. Anandkumar, J. M. Alvarez, P. Luo: "SegFormer: Simple and Efficient
Design for Semantic Segmentation with Transformers", NeurIPS 2021, section 3.1.

The idea in three lines: patches overlap, so that neighbours share pixels; keys and values are
shrunk R times each way before attention, so that its cost falls from N² to N² / R²; a depthwise 3x3
convolution inside the feed-forward layer tells positions apart, so that no position codes are
needed and any size of image works.

Shapes: images (B, 3, H, W); stage s = 1 … 4 has maps (B, C_s, H_s, W_s) with H_s about
H / 2^(s+1), as tokens (B, N, C) with N = H_s · W_s; keys and values (B, N / R², C).

Departures: none in the layers. Maps smaller than R are padded with zeros to R x R, so that even a
tiny image has one key. The paper writes the reduction as reshape and linear layer (eq. 2); as in
the authors' code it is a convolution with kernel and stride R, which is the same.

LayerNorm's epsilon: the authors' code has 1e-6 in blocks and after stages, 1e-5 after patch
embedding and reduction; transformers has 1e-5 throughout. Ours is the authors' unless `eps` says
otherwise: the released weights were trained so.

Checked against transformers' SegFormer (tests/parity/test_segformer.py).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from segedu.layers.attention import MultiHeadAttention


@dataclass(frozen=True)
class MiTSize:
    """A column of the paper's table 6 (appendix), each with one number a stage.

    Attributes:
        channels: C.
        depths: L, blocks.
        heads: N.
        reductions: R, by which keys and values shrink each way.
        expansion: E, hidden channels of the Mix-FFN per channel.
    """

    channels: tuple[int, ...]
    depths: tuple[int, ...]
    heads: tuple[int, ...] = (1, 2, 5, 8)
    reductions: tuple[int, ...] = (8, 4, 2, 1)
    expansion: int = 4

    def narrowed(self, width: float) -> MiTSize:
        """Multiply the channels of every head by `width`, rounded to a multiple of 4.

        Raises:
            ValueError: `width` is not positive.
        """
        if not width > 0:
            raise ValueError(f"width multiplies the numbers of channels: above 0, got {width}")
        heads = zip(self.channels, self.heads, strict=True)
        channels = tuple(max(4, round(width * c / h / 4) * 4) * h for c, h in heads)
        return MiTSize(channels, self.depths, self.heads, self.reductions, self.expansion)


_WIDE = (64, 128, 320, 512)
MIT_B0 = MiTSize((32, 64, 160, 256), (2, 2, 2, 2))
MIT_B1 = MiTSize(_WIDE, (2, 2, 2, 2))
MIT_B2 = MiTSize(_WIDE, (3, 4, 6, 3))
MIT_B3 = MiTSize(_WIDE, (3, 4, 18, 3))
MIT_B4 = MiTSize(_WIDE, (3, 8, 27, 3))
MIT_B5 = MiTSize(_WIDE, (3, 6, 40, 3))


def as_map(tokens: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, N, C) -> (B, C, H, W), without moving anything in memory."""
    return tokens.unflatten(1, size).permute(0, 3, 1, 2)


def as_tokens(features: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, N, C), row by row."""
    return features.flatten(2).transpose(1, 2)


class PatchEmbedding(nn.Module):
    """Overlapping patches (section 3.1, K, S, P): (B, in, H, W) -> (B, C, H / S, W / S).

    Args:
        in_channels: of the map below.
        channels: C.
        kernel: K, larger than the stride S, so that patches overlap; P = K // 2.
        stride: S.
    """

    def __init__(self, in_channels: int, channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(in_channels, channels, kernel, stride, kernel // 2)
        self.norm = nn.LayerNorm(channels)

    def forward(
        self, features: Tensor, extra: Tensor | None = None
    ) -> tuple[Tensor, tuple[int, int]]:
        """Tokens (B, N, C) and the size (H, W) of their map; `extra` (B, C, H, W) is added."""
        x = self.project(features)
        if extra is not None:
            x = x + extra
        return self.norm(as_tokens(x)), (x.shape[-2], x.shape[-1])


class EfficientAttention(nn.Module):
    """Self-attention whose keys and values are shrunk by R each way (eqs. 1 and 2).

    Args:
        channels: C.
        heads: h.
        reduction: R; 1 is plain self-attention.
    """

    def __init__(self, channels: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(channels, heads)
        self.reduction = reduction
        if reduction > 1:
            self.reduce = nn.Conv2d(channels, channels, reduction, reduction)
            self.norm = nn.LayerNorm(channels)

    def memory(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """Eq. 2: the tokens that keys and values are made of, (B, N, C) -> (B, N / R², C)."""
        if self.reduction == 1:
            return x
        height, width = size
        missing = (0, max(0, self.reduction - width), 0, max(0, self.reduction - height))
        features = as_map(x, size)
        if any(missing):
            features = nn.functional.pad(features, missing)
        return self.norm(as_tokens(self.reduce(features)))

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, N, C) -> (B, N, C); size is the map's (H, W)."""
        return self.attention(x, self.memory(x, size))

    def weights(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """What each token looks at: (B, N, C) -> (B, h, N, N / R²)."""
        return self.attention.weights(x, self.memory(x, size))


class MixFFN(nn.Module):
    """Eq. 3: linear, depthwise 3x3 convolution, GELU, linear. Zero padding tells where borders are.

    Args:
        channels: C.
        hidden: E · C.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.expand = nn.Linear(channels, hidden)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.contract = nn.Linear(hidden, channels)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, N, C) -> (B, N, C); size is the map's (H, W)."""
        hidden = as_tokens(self.depthwise(as_map(self.expand(x), size)))  # (B, N, E C)
        return self.contract(nn.functional.gelu(hidden))


class Block(nn.Module):
    """Attention and Mix-FFN, each normalised before and added after.

    Args:
        channels: C.
        heads: h.
        reduction: R.
        expansion: E.
        drop: probability that a branch is left out in training (stochastic depth).
        eps: of both LayerNorms.
    """

    def __init__(
        self, channels: int, heads: int, reduction: int, expansion: int, drop: float, eps: float
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps)
        self.attention = EfficientAttention(channels, heads, reduction)
        self.norm2 = nn.LayerNorm(channels, eps)
        self.mix_ffn = MixFFN(channels, expansion * channels)
        self.drop = StochasticDepth(drop, mode="row")

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        x = x + self.drop(self.attention(self.norm1(x), size))
        return x + self.drop(self.mix_ffn(self.norm2(x), size))

    def weights(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """The block's attention: (B, N, C), its input -> (B, h, N, N / R²)."""
        return self.attention.weights(self.norm1(x), size)


class Stage(nn.Module):
    """Patch embedding, blocks, LayerNorm: a map to one of half (first stage: a quarter) its size.

    Args:
        embedding: makes tokens of the map below.
        blocks: of this stage.
        channels: C.
        eps: of the last LayerNorm.
    """

    def __init__(
        self, embedding: PatchEmbedding, blocks: list[Block], channels: int, eps: float
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(channels, eps)

    def forward(self, features: Tensor, extra: Tensor | None = None) -> Tensor:
        """(B, in, H, W) -> (B, C, H / S, W / S)."""
        x, size = self.embedding(features, extra)
        for block in self.blocks:
            x = block(x, size)
        return as_map(self.norm(x), size)

    def attention(self, features: Tensor) -> list[Tensor]:
        """Every block's attention: (B, in, H, W) -> (B, h, H_s, W_s, H_k, W_k) each.

        Entry (…, y, x, i, j) is how much the token at (y, x) looks at the reduced token at (i, j).
        """
        x, size = self.embedding(features)
        found = []
        for block in self.blocks:
            assert isinstance(block, Block)
            r = block.attention.reduction
            keys = (max(1, size[0] // r), max(1, size[1] // r))
            found.append(block.weights(x, size).unflatten(3, keys).unflatten(2, size))
            x = block(x, size)
        return found


class MiT(nn.Module):
    """The encoder.

    Args:
        size: channels, depths, heads, reductions: `MIT_B0` … `MIT_B5`.
        drop_path: stochastic depth of the last block in training; it grows linearly from 0.
        eps: of LayerNorm in blocks and after stages.
    """

    def __init__(self, size: MiTSize, *, drop_path: float = 0.1, eps: float = 1e-6) -> None:
        super().__init__()
        drops = iter(np.linspace(0, drop_path, sum(size.depths)).tolist())
        shapes = zip(size.channels, size.depths, size.heads, size.reductions, strict=True)
        inputs = [3, *size.channels[:-1]]
        self.stages = nn.ModuleList()
        for s, (channels, depth, heads, reduction) in enumerate(shapes):
            kernel, stride = (7, 4) if s == 0 else (3, 2)
            embedding = PatchEmbedding(inputs[s], channels, kernel, stride)
            blocks = [
                Block(channels, heads, reduction, size.expansion, drop, eps)
                for drop in itertools.islice(drops, depth)
            ]
            self.stages.append(Stage(embedding, blocks, channels, eps))
        self.apply(initialize)

    def forward(self, images: Tensor, extra: Tensor | None = None) -> list[Tensor]:
        """Images (B, 3, H, W) -> four maps, fine (1/4) to coarse (1/32).

        Args:
            images: normalised.
            extra: (B, C_1, H / 4, W / 4), added to what the first convolution found.
        """
        features = images
        maps: list[Tensor] = []
        for stage in self.stages:
            features = stage(features) if maps else stage(features, extra)
            maps.append(features)
        return maps


def initialize(module: nn.Module) -> None:
    """The authors' initialisation of one layer: linear 0.02, convolutions by their fan-out."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):
        fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
        nn.init.normal_(module.weight, std=(2 * module.groups / fan_out) ** 0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
