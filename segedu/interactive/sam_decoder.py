"""Segment Anything's mask decoder: tokens and image look at each other, then tokens paint masks.

A. Kirillov et al.: "Segment Anything", ICCV 2023, section 3 and appendix A ("Lightweight mask
decoder").

The idea in three lines: one token asks how good the masks are, four ask for masks, the prompts'
tokens say what is meant. Twice the tokens look at each other, at the image, and the image at them;
a last look, and each mask token becomes the weights of a linear classifier of the enlarged image.
Three of the masks answer ambiguous prompts (whole, part, part of a part), one the others.

Shapes: B prompts of n tokens of C channels; the image (B, N, C), N = H · W, or (1, N, C) for all
prompts; attention with h heads of d = C' / h channels; masks (B, M, 4 H, 4 W).

Departures, all of the same function. Tokens are few and N is large, so matrices that the authors
apply to the image are applied to the tokens (`few_to_many`, `many_to_few`): for 7 tokens less than
half of the multiplications. What the first layer makes of the image alone is computed once for all
prompts (`prepare`). Transposed convolutions of stride 2 and side 2 are linear layers whose outputs
lie side by side, and are moved into place only in the finished masks. `paper_order=True` computes
attention as printed.

Checked against the authors' code and transformers (tests/parity/test_sam.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segedu.layers.attention import merge_heads, split_heads

MASKS = 4  # one for clear prompts, three for ambiguous ones
CLEAR, AMBIGUOUS = slice(0, 1), slice(1, MASKS)


class Attention(nn.Module):
    """Multi-head attention that works in C' channels.

    Args:
        channels: C.
        heads: h.
        inner: C'; C where None.
    """

    def __init__(self, channels: int, heads: int, inner: int | None = None) -> None:
        super().__init__()
        inner = inner or channels
        self.heads, self.inner = heads, inner
        self.query = nn.Linear(channels, inner)
        self.key = nn.Linear(channels, inner)
        self.value = nn.Linear(channels, inner)
        self.project = nn.Linear(inner, channels)

    def forward(self, x: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """As printed: (B, n, C), (B, m, C), (B, m, C) -> (B, n, C)."""
        q, k, v = self.query(x), self.key(keys), self.value(values)
        q, k, v = (split_heads(t, self.heads) for t in (q, k, v))
        return self.attend(q, k, v)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """What was projected: (B, h, n, d), (B, h, m, d) twice -> (B, n, C)."""
        return self.project(merge_heads(F.scaled_dot_product_attention(q, k, v)))

    def per_head(self, layer: nn.Linear) -> Tensor:
        """The rows of a linear layer that make each head: (C', C) -> (h, d, C)."""
        return layer.weight.unflatten(0, (self.heads, -1))

    def few_to_many(self, few: Tensor, many: Tensor, values: Tensor) -> Tensor:
        """Few tokens look at many: (B, n, C), (B, N, C) twice -> (B, n, C).

        q · (K x) = (Kᵀ q) · x, and the sum of V x is V of the sum: both matrices meet n tokens
        instead of N. The keys' bias changes all of a token's scores alike: softmax is blind to it.
        """
        q = split_heads(self.query(few), self.heads) * (self.inner // self.heads) ** -0.5
        asked = q @ self.per_head(self.key)  # (B, h, n, d), (h, d, C) -> (B, h, n, C)
        seen = (asked.flatten(1, 2) @ many.mT).softmax(-1) @ values  # (B, h n, C)
        out = seen.unflatten(1, (self.heads, -1)) @ self.per_head(self.value).mT
        return self.project(merge_heads(out) + self.value.bias)

    def many_to_few(self, many: Tensor, few: Tensor, values: Tensor) -> Tensor:
        """Many tokens look at few: (B, N, C), (B, n, C) twice -> (B, N, C)."""
        k = split_heads(self.key(few), self.heads)
        asked = (k @ self.per_head(self.query)).flatten(1, 2)  # (B, h n, C)
        bias = k @ self.query.bias.view(self.heads, -1, 1)  # (B, h, n, 1)
        return self.mix((asked @ many.mT).unflatten(1, (self.heads, -1)) + bias, values)

    def mix(self, scores: Tensor, values: Tensor) -> Tensor:
        """Scores (B, h, n, N) of n tokens, unscaled, and values (B, n, C) -> (B, N, C)."""
        scores = scores * (self.inner // self.heads) ** -0.5
        # A softmax over n in steps: torch's own is ten times slower along a short inner dimension.
        weights = (scores - scores.amax(2, keepdim=True)).exp()
        weights = weights / weights.sum(2, keepdim=True)
        v = split_heads(self.value(values), self.heads)  # (B, h, n, d)
        said = v @ self.project.weight.T.unflatten(0, (self.heads, -1))  # (B, h, n, C)
        return weights.flatten(1, 2).mT @ said.flatten(1, 2) + self.project.bias


@dataclass(frozen=True)
class Prepared:
    """What the decoder makes of an image before it knows the prompts.

    Attributes:
        image: (B, N, C), embedding and dense prompt; B = 1 serves any number of prompts.
        places: (1, N, C), the codes of positions.
        size: (H, W).
        keys, values: (B, h, N, d), of the first layer's look at the image.
        queries: (B, h, N, d), of the image's first look at the tokens.
    """

    image: Tensor
    places: Tensor
    size: tuple[int, int]
    keys: Tensor | None = None
    values: Tensor | None = None
    queries: Tensor | None = None


class TwoWayBlock(nn.Module):
    """Tokens look at tokens, then at the image; feed-forward; the image looks at tokens.

    Args:
        channels: C.
        heads: h.
        hidden: channels within the feed-forward layer.
        eps: of LayerNorm.
        first: the tokens are still the prompts themselves: no position is added, nothing kept.
    """

    def __init__(self, channels: int, heads: int, hidden: int, eps: float, first: bool) -> None:
        super().__init__()
        self.first = first
        self.among_tokens = Attention(channels, heads)
        self.to_image = Attention(channels, heads, channels // 2)
        self.expand = nn.Linear(channels, hidden)
        self.contract = nn.Linear(hidden, channels)
        self.to_tokens = Attention(channels, heads, channels // 2)
        self.norms = nn.ModuleList(nn.LayerNorm(channels, eps) for _ in range(4))

    def talk(self, tokens: Tensor, codes: Tensor) -> Tensor:
        """Step 1: tokens among themselves, (B, n, C) -> (B, n, C)."""
        if self.first:
            return self.norms[0](self.among_tokens(tokens, tokens, tokens))
        placed = tokens + codes
        return self.norms[0](tokens + self.among_tokens(placed, placed, tokens))

    def think(self, tokens: Tensor) -> Tensor:
        """Step 3: the feed-forward layer of ReLU."""
        return self.norms[2](tokens + self.contract(torch.relu(self.expand(tokens))))

    def forward(
        self, tokens: Tensor, image: Tensor, codes: Tensor, places: Tensor, folded: bool
    ) -> tuple[Tensor, Tensor]:
        """(B, n, C), (B, N, C) -> the same.

        Args:
            tokens: of prompts and outputs.
            image: embedding.
            codes: (B, n, C), the tokens as they were at first: their positions.
            places: (1, N, C), positions of the image.
            folded: matrices meet the tokens; else as printed.
        """
        placed = image + places
        look = self.to_image.few_to_many if folded else self.to_image
        answer = self.to_tokens.many_to_few if folded else self.to_tokens
        tokens = self.talk(tokens, codes)
        tokens = self.norms[1](tokens + look(tokens + codes, placed, image))
        tokens = self.think(tokens)
        image = self.norms[3](image + answer(placed, tokens + codes, tokens))
        return tokens, image

    def prepare(self, image: Tensor, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Keys, values and queries of an image that no token has changed: (B, h, N, d) each."""
        placed, heads = image + places, self.to_image.heads
        keys, values = self.to_image.key(placed), self.to_image.value(image)
        parts = (keys, values, self.to_tokens.query(placed))
        keys, values, queries = (split_heads(x, heads).contiguous() for x in parts)
        return keys, values, queries

    def forward_prepared(self, tokens: Tensor, codes: Tensor, p: Prepared) -> tuple[Tensor, Tensor]:
        """`forward` for the first block, on what `prepare` has made."""
        assert p.keys is not None and p.values is not None and p.queries is not None
        tokens = self.talk(tokens, codes)
        q = split_heads(self.to_image.query(tokens + codes), self.to_image.heads)
        if len(p.keys) == 1:  # all prompts' tokens ask the one image together
            together = q.transpose(0, 1).flatten(1, 2)[None]  # (1, h, B n, d)
            seen = self.to_image.attend(together, p.keys, p.values).view_as(tokens)
        else:
            seen = self.to_image.attend(q, p.keys, p.values)
        tokens = self.norms[1](tokens + seen)
        tokens = self.think(tokens)
        k = split_heads(self.to_tokens.key(tokens + codes), self.to_tokens.heads)
        image = self.norms[3](p.image + self.to_tokens.mix(k @ p.queries.mT, tokens))
        return tokens, image


class MLP(nn.Sequential):
    """Three linear layers with ReLU between: (…, C) -> (…, out).

    Args:
        channels: C.
        hidden: between.
        out: of the last.
    """

    def __init__(self, channels: int, hidden: int, out: int) -> None:
        super().__init__(
            nn.Linear(channels, hidden), nn.ReLU(),
            nn.Linear(hidden, hidden), nn.ReLU(),
            nn.Linear(hidden, out),
        )  # fmt: skip


class MaskDecoder(nn.Module):
    """Image and prompts -> four masks and how good each is.

    Args:
        channels: C.
        heads: h.
        hidden: channels within the feed-forward layers.
        depth: two-way blocks.
        eps: of their LayerNorms: 1e-5 as the authors', 1e-6 as transformers'.
        paper_order: attention as printed; see the module.
    """

    def __init__(
        self,
        channels: int = 256,
        heads: int = 8,
        hidden: int = 2048,
        depth: int = 2,
        *,
        eps: float = 1e-5,
        paper_order: bool = False,
    ) -> None:
        super().__init__()
        self.paper_order = paper_order
        self.quality_token = nn.Parameter(torch.randn(1, channels))
        self.mask_tokens = nn.Parameter(torch.randn(MASKS, channels))
        self.blocks = nn.ModuleList(
            TwoWayBlock(channels, heads, hidden, eps, first=i == 0) for i in range(depth)
        )
        self.last_look = Attention(channels, heads, channels // 2)
        self.last_norm = nn.LayerNorm(channels)
        self.enlarge1 = nn.ConvTranspose2d(channels, channels // 4, 2, 2)
        self.enlarge_norm = nn.LayerNorm(channels // 4, eps=1e-6)
        self.enlarge2 = nn.ConvTranspose2d(channels // 4, channels // 8, 2, 2)
        self.painters = nn.ModuleList(MLP(channels, channels, channels // 8) for _ in range(MASKS))
        self.judge = MLP(channels, channels, MASKS)

    def prepare(self, embedding: Tensor, dense: Tensor, places: Tensor) -> Prepared:
        """What does not depend on tokens.

        Args:
            embedding: (B, C, H, W) or (1, C, H, W), of the image.
            dense: (B, C, H, W) or (1, C, 1, 1), of the mask prompt.
            places: (H · W, C), codes of positions.
        """
        image = (embedding + dense).flatten(2).mT
        size = (embedding.shape[-2], embedding.shape[-1])
        if self.paper_order or len(dense) > 1:
            return Prepared(image.contiguous(), places[None], size)
        first = self.blocks[0]
        assert isinstance(first, TwoWayBlock)
        image = image.contiguous()
        return Prepared(image, places[None], size, *first.prepare(image, places[None]))

    def look(self, prepared: Prepared, prompts: Tensor) -> tuple[Tensor, Tensor]:
        """The two-way transformer: prompts (B, n', C) -> tokens (B, 5 + n', C), image (B, N, C)."""
        outputs = torch.cat([self.quality_token, self.mask_tokens])
        codes = torch.cat([outputs.expand(len(prompts), -1, -1), prompts], dim=1)
        last = self.last_look
        folded = not self.paper_order and codes.shape[1] * last.heads <= last.inner
        tokens, image = codes, prepared.image
        for block in self.blocks:
            assert isinstance(block, TwoWayBlock)
            if block.first and prepared.keys is not None:
                tokens, image = block.forward_prepared(tokens, codes, prepared)
            else:
                image = image.expand(len(prompts), -1, -1)
                tokens, image = block(tokens, image, codes, prepared.places, folded)
        placed = image + prepared.places
        look = last.few_to_many if folded else last
        return self.last_norm(tokens + look(tokens + codes, placed, image)), image

    def quality(self, tokens: Tensor) -> Tensor:
        """The masks' IoU as the network guesses it: (B, 5 + n', C) -> (B, 4)."""
        return self.judge(tokens[:, 0])

    def paint(
        self, tokens: Tensor, image: Tensor, size: tuple[int, int], which: slice = slice(None)
    ) -> Tensor:
        """Masks' logits: (B, 5 + n', C), (B, N, C) -> (B, M, 4 H, 4 W), M those of `which`."""
        chosen = list(zip(self.painters, tokens[:, 1 : 1 + MASKS].unbind(1), strict=True))[which]
        weights = torch.stack([painter(token) for painter, token in chosen], dim=1)  # (B, M, C/8)
        x = F.gelu(self.enlarge_norm(side_by_side(image, self.enlarge1)))  # (B, N, 4, C/4)
        x = F.gelu(side_by_side(x, self.enlarge2))  # (B, N, 4, 4, C/8)
        logits = weights @ x.flatten(1, 3).mT  # (B, M, N · 16)
        return into_place(logits, size)

    def forward(
        self, prepared: Prepared, prompts: Tensor, which: slice = slice(None)
    ) -> tuple[Tensor, Tensor]:
        """Prompts' tokens (B, n', C) -> logits (B, M, 4 H, 4 W) and IoU (B, M).

        Args:
            prepared: the image.
            prompts: tokens.
            which: masks: CLEAR, AMBIGUOUS or all four.
        """
        tokens, image = self.look(prepared, prompts)
        return self.paint(tokens, image, prepared.size, which), self.quality(tokens)[:, which]


def side_by_side(x: Tensor, layer: nn.ConvTranspose2d) -> Tensor:
    """A transposed convolution of side and stride 2 on single pixels: (…, C) -> (…, 4, out).

    The four are up-left, up-right, down-left, down-right.
    """
    weight = layer.weight.permute(2, 3, 1, 0).flatten(0, 2)  # (4 · out, C)
    assert layer.bias is not None
    return F.linear(x, weight, layer.bias.repeat(4)).unflatten(-1, (4, -1))


def into_place(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, M, H · W · 4 · 4), twice four side by side -> (B, M, 4 H, 4 W)."""
    height, width = size
    x = logits.unflatten(2, (height, width, 2, 2, 2, 2))  # y, x, then dy, dx coarse, dy, dx fine
    x = x.permute(0, 1, 2, 4, 6, 3, 5, 7)
    return x.reshape(*logits.shape[:2], 4 * height, 4 * width)
