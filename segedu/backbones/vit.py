"""Plain vision transformer for dense tasks: attention in windows, now and then over the whole map.

Y. Li, H. Mao, R. Girshick, K. He: "Exploring Plain Vision Transformer Backbones for Object
Detection" (ViTDet), ECCV 2022, on A. Dosovitskiy et al.: "An Image is Worth 16x16 Words", ICLR
2021; relative positions as in Y. Li et al.: "MViTv2", CVPR 2022, section 4.1.

The idea in three lines: one scale from the first block to the last, 1/16 of the image. Most blocks
attend within windows, whose cost grows with the image instead of its square; a few, spread evenly,
attend over all tokens, and carry what is seen from window to window. How much two tokens look at
each other also depends on how far apart they are, in rows and in columns, each with its own table.

Shapes: images (B, 3, S, S); tokens as a map (B, H, W, C), H = W = S / 16; h heads of d = C / h
channels; windows of w x w tokens.

Departures, all of the same function: zeros that fill the last windows are not projected, since the
projection of zero is the layer's bias; scores of global attention never stand in memory as a whole.

Checked within SAM against its authors' code and transformers (tests/parity/test_sam.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BIAS_ELEMENTS = 1 << 23  # of relative positions that stand in memory at once, on the CPU


@dataclass(frozen=True)
class ViTSize:
    """Numbers of one encoder.

    Attributes:
        channels: C.
        depth: blocks.
        heads: h.
        global_blocks: which blocks attend over the whole map, from 0.
        window: w of the others.
        patch: side of a patch in pixels.
        expansion: hidden channels of the feed-forward layer per channel.
        stem: channels of 3 x 3 convolutions of stride 2 that make patches; none: one layer does.
    """

    channels: int
    depth: int
    heads: int
    global_blocks: tuple[int, ...]
    window: int = 14
    patch: int = 16
    expansion: float = 4.0
    stem: tuple[int, ...] = ()


VIT_B = ViTSize(768, 12, 12, (2, 5, 8, 11))
VIT_L = ViTSize(1024, 24, 16, (5, 11, 17, 23))
VIT_H = ViTSize(1280, 32, 16, (7, 15, 23, 31))


def into_windows(x: Tensor, window: int, fill: Tensor) -> Tensor:
    """Cut a map into windows: (B, H, W, C) -> (B · ny · nx, w, w, C), row by row of windows.

    Args:
        x: (B, H, W, C).
        window: w; where it does not divide H or W, the map is filled up below and on the right.
        fill: (C,), what it is filled with.
    """
    batch, height, width, channels = x.shape
    ny, nx = -(-height // window), -(-width // window)
    if (ny * window, nx * window) != (height, width):
        filled = fill.to(x.dtype).expand(batch, ny * window, nx * window, channels).clone()
        filled[:, :height, :width] = x
        x = filled
    x = x.unflatten(2, (nx, window)).unflatten(1, (ny, window))  # (B, ny, w, nx, w, C)
    return x.transpose(2, 3).flatten(0, 2)


def out_of_windows(windows: Tensor, size: tuple[int, int]) -> Tensor:
    """Undo `into_windows`, without the filling: (B · ny · nx, w, w, C) -> (B, H, W, C)."""
    height, width = size
    window = windows.shape[1]
    ny, nx = -(-height // window), -(-width // window)
    x = windows.unflatten(0, (-1, ny, nx)).transpose(2, 3)  # (B, ny, w, nx, w, C)
    return x.flatten(3, 4).flatten(1, 2)[:, :height, :width]


def relative_table(table: Tensor, n: int) -> Tensor:
    """Codes of all distances of n queries and n keys: (2 m - 1, d) -> (n, n, d).

    Entry [i, j] is the code of i - j. A table made for another length m is interpolated.
    """
    if len(table) != 2 * n - 1:
        table = F.interpolate(table.T[None], size=2 * n - 1, mode="linear")[0].T
    steps = torch.arange(n, device=table.device)
    return table[steps[:, None] - steps[None, :] + n - 1]


class Attention(nn.Module):
    """Self-attention with decomposed relative positions, in windows or over the whole map.

    Args:
        channels: C.
        heads: h.
        window: w, or None for the whole map.
        size: tokens along a side of the map for which the tables are made.
    """

    def __init__(self, channels: int, heads: int, window: int | None, size: int) -> None:
        super().__init__()
        self.heads = heads
        self.window = window
        self.qkv = nn.Linear(channels, 3 * channels)
        self.project = nn.Linear(channels, channels)
        length = 2 * (window or size) - 1
        self.rows = nn.Parameter(torch.zeros(length, channels // heads))
        self.columns = nn.Parameter(torch.zeros(length, channels // heads))

    def heads_of(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys, values: (B, H, W, C) -> (B', h, H', W', d) each, B' counts windows."""
        qkv = self.qkv(x)
        if self.window is not None:
            qkv = into_windows(qkv, self.window, self.qkv.bias)
        q, k, v = qkv.unflatten(-1, (3, self.heads, -1)).permute(3, 0, 4, 1, 2, 5)
        return q, k, v

    def positions(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """MViTv2, eq. 4: q · R_rows and q · R_columns, (B, h, H, W, d) -> (…, H), (…, W)."""
        rows, columns = (
            relative_table(self.rows, q.shape[2]),
            relative_table(self.columns, q.shape[3]),
        )
        of_rows = torch.einsum("bnyxd,ykd->bnyxk", q, rows)
        return of_rows, torch.einsum("bnyxd,xkd->bnyxk", q, columns)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, H, W, C)."""
        q, k, v = self.heads_of(x)
        batch, heads, height, width, _ = q.shape
        of_rows, of_columns = self.positions(q)
        keys, values = k.flatten(2, 3), v.flatten(2, 3)
        # Rows of queries at once: all on a GPU, on a CPU as many as the cache has room for.
        step = height
        if x.device.type == "cpu":
            step = max(1, min(height, BIAS_ELEMENTS // (batch * heads * height * width * width)))
        parts = []
        for y in range(0, height, step):
            some = slice(y, y + step)
            bias = of_rows[:, :, some, :, :, None] + of_columns[:, :, some, :, None, :]
            part = F.scaled_dot_product_attention(
                q[:, :, some].flatten(2, 3), keys, values, bias.flatten(4).flatten(2, 3)
            )  # (B', h, step W', d)
            parts.append(part)
        out = torch.cat(parts, 2) if len(parts) > 1 else parts[0]
        out = out.transpose(1, 2).flatten(2).unflatten(1, (height, width))
        if self.window is not None:
            out = out_of_windows(out, (x.shape[1], x.shape[2]))
        return self.project(out)

    def weights(self, x: Tensor) -> Tensor:
        """What each token looks at, to be shown: (B, H, W, C) -> (B', h, H', W', H', W')."""
        q, k, _ = self.heads_of(x)
        of_rows, of_columns = self.positions(q)
        scores = torch.einsum("bnyxd,bnuvd->bnyxuv", q, k) / q.shape[-1] ** 0.5
        scores = scores + of_rows[..., :, None] + of_columns[..., None, :]
        return scores.flatten(4).softmax(-1).view_as(scores)


class MLP(nn.Module):
    """Linear, GELU, linear.

    Args:
        channels: C.
        hidden: channels between.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.expand = nn.Linear(channels, hidden)
        self.contract = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(…, C) -> (…, C)."""
        return self.contract(F.gelu(self.expand(x)))


class Block(nn.Module):
    """Attention and feed-forward layer, each normalised before and added after.

    Args:
        size: of the encoder.
        window: w, or None for attention over the whole map.
        side: tokens along a side of the map.
    """

    def __init__(self, size: ViTSize, window: int | None, side: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(size.channels, eps=1e-6)
        self.attention = Attention(size.channels, size.heads, window, side)
        self.norm2 = nn.LayerNorm(size.channels, eps=1e-6)
        self.mlp = MLP(size.channels, round(size.expansion * size.channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, H, W, C)."""
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


def patch_layer(size: ViTSize) -> nn.Module:
    """Images to tokens: (B, 3, S, S) -> (B, C, S / patch, S / patch).

    One convolution as wide as its stride, as in the paper; or, where `size.stem` names channels,
    small ones, which learn from far fewer images: T. Xiao et al.: "Early Convolutions Help
    Transformers See Better", NeurIPS 2021, section 4.
    """
    if not size.stem:
        return nn.Conv2d(3, size.channels, size.patch, size.patch)
    if 2 ** len(size.stem) != size.patch:
        raise ValueError(f"{len(size.stem)} strides of 2 do not make patches of {size.patch}")
    layers: list[nn.Module] = []
    for inner, outer in pairwise((3, *size.stem)):
        conv = nn.Conv2d(inner, outer, 3, stride=2, padding=1, bias=False)
        layers += [conv, nn.BatchNorm2d(outer), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(size.stem[-1], size.channels, 1))


class ViT(nn.Module):
    """The encoder: patches, absolute positions, blocks.

    Args:
        size: `VIT_B`, `VIT_L`, `VIT_H` or another.
        image_size: S, for which positions are made; other sizes interpolate them.
    """

    def __init__(self, size: ViTSize, image_size: int = 1024) -> None:
        super().__init__()
        side = image_size // size.patch
        self.size = size
        self.patches = patch_layer(size)
        self.positions = nn.Parameter(torch.zeros(1, side, side, size.channels))
        self.blocks = nn.ModuleList(
            Block(size, None if i in size.global_blocks else size.window, side)
            for i in range(size.depth)
        )
        self.apply(initialize)
        nn.init.trunc_normal_(self.positions, std=0.02)

    def embed(self, images: Tensor) -> Tensor:
        """Patches and where they are: (B, 3, S, S) -> (B, H, W, C)."""
        x = self.patches(images).permute(0, 2, 3, 1)
        positions: Tensor = self.positions
        if positions.shape[1:3] != x.shape[1:3]:
            positions = F.interpolate(
                positions.permute(0, 3, 1, 2), x.shape[1:3], mode="bicubic", align_corners=False
            ).permute(0, 2, 3, 1)
        return x + positions

    def forward(self, images: Tensor, progress: Callable[[float], None] | None = None) -> Tensor:
        """Images (B, 3, S, S), normalised -> (B, H, W, C).

        Args:
            images: sides must be multiples of the patch.
            progress: called after each block with the share that is done.

        Raises:
            ValueError: a side is not a multiple of the patch.
        """
        if images.shape[-1] % self.size.patch or images.shape[-2] % self.size.patch:
            raise ValueError(
                f"sides must be multiples of {self.size.patch} pixels, got "
                f"{images.shape[-2]} x {images.shape[-1]}; pad the image"
            )
        x = self.embed(images)
        for i, block in enumerate(self.blocks, start=1):
            x = block(x)
            if progress is not None:
                progress(i / len(self.blocks))
        return x


def initialize(module: nn.Module) -> None:
    """Initialise one layer as ViT does: linear layers with deviation 0.02, biases 0."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
