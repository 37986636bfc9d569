"""Segment Anything: an image is encoded once, and any prompt answered with masks.

A. Kirillov, E. Mintun, N. Ravi, H. Mao, C. Rolland, L. Gustafson, T. Xiao, S. Whitehead,
A. C. Berg, W.-Y. Lo, P. Dollár, R. Girshick: "Segment Anything", ICCV 2023.

The idea in three lines: a heavy encoder (`segedu/backbones/vit.py`) sees the image, not the prompt;
a light prompt encoder and mask decoder see what the encoder made of it, and the prompt. So a click
costs little, and the network can be asked about a whole grid of points. One prompt can mean several
things: three masks answer it, each with a guess of its own quality.

Shapes: images (B, 3, S, S); embeddings (B, C, S / 16, S / 16); masks' logits (B, M, S / 4, S / 4).

`sam_vit_tiny` is ours, for two cores: 256 pixels, patches of 8, 160 channels, windows of 8, and a
decoder of half the width. Its layers are the same.

Checked against the authors' code and transformers' SamModel (tests/parity/test_sam.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from segedu.backbones.vit import VIT_B, VIT_H, VIT_L, ViT, ViTSize
from segedu.interactive.sam_decoder import AMBIGUOUS, CLEAR, MaskDecoder, Prepared
from segedu.interactive.sam_prompts import PromptEncoder
from segedu.layers.channel_norm import ChannelNorm
from segedu.layers.normalization import IMAGENET, Normalization

VIT_TINY = ViTSize(160, 8, 5, (2, 5, 7), window=8, patch=8, stem=(40, 80, 160))


class ImageEncoder(nn.Module):
    """Vision transformer and neck: (B, 3, S, S) -> (B, C, S / 16, S / 16).

    Args:
        size: of the transformer.
        channels: C.
        image_size: S.
    """

    def __init__(self, size: ViTSize, channels: int, image_size: int) -> None:
        super().__init__()
        self.vit = ViT(size, image_size)
        self.neck = nn.Sequential(
            nn.Conv2d(size.channels, channels, 1, bias=False),
            ChannelNorm(channels),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            ChannelNorm(channels),
        )

    def forward(self, images: Tensor, progress: Callable[[float], None] | None = None) -> Tensor:
        """(B, 3, S, S) -> (B, C, S / 16, S / 16)."""
        return self.neck(self.vit(images, progress).permute(0, 3, 1, 2))


@dataclass(frozen=True)
class Encoded:
    """Images that can be asked about.

    Attributes:
        net: that encoded them.
        embedding: (B, C, S / 16, S / 16).
    """

    net: SegmentAnything
    embedding: Tensor

    def decode(self, **prompts: Any) -> tuple[Tensor, Tensor]:
        """Answer B · P prompts, P about each image in turn; as `SegmentAnything.decode`."""
        given = next(iter(x for x in prompts.values() if isinstance(x, Tensor)))
        embedding = self.embedding.repeat_interleave(len(given) // len(self.embedding), dim=0)
        return self.net.decode(embedding, **prompts)


class SegmentAnything(nn.Module):
    """The network; use `sam_vit_b`, `sam_vit_l`, `sam_vit_h`, `sam_vit_tiny`.

    Args:
        size: of the encoder.
        channels: C, of embeddings and decoder.
        image_size: S.
        hidden: channels within the decoder's feed-forward layers.
        heads: of the decoder.
        eps: of the two-way blocks' LayerNorm; see `MaskDecoder`.
        paper_order: attention as printed; see `MaskDecoder`.
    """

    normalization: ClassVar[Normalization] = IMAGENET

    def __init__(
        self,
        size: ViTSize = VIT_B,
        *,
        channels: int = 256,
        image_size: int = 1024,
        hidden: int = 2048,
        heads: int = 8,
        eps: float = 1e-5,
        paper_order: bool = False,
    ) -> None:
        super().__init__()
        self.image_size = image_size
        self.cell = size.patch // 4  # pixels of the input a side of a mask's pixel
        self.encoder = ImageEncoder(size, channels, image_size)
        self.prompts = PromptEncoder(channels, image_size)
        self.decoder = MaskDecoder(channels, heads, hidden, eps=eps, paper_order=paper_order)

    def see(self, image_size: int) -> SegmentAnything:
        """Take images of another size from now on; learnt positions are interpolated.

        Args:
            image_size: S, a multiple of the patch.

        Returns:
            Itself.

        Raises:
            ValueError: it is not a multiple.
        """
        if image_size < 1 or image_size % (4 * self.cell):
            raise ValueError(
                f"{image_size} pixels are not a number of {4 * self.cell}-pixel patches"
            )
        self.image_size = self.prompts.image_size = image_size
        return self

    def encode(self, images: Tensor, progress: Callable[[float], None] | None = None) -> Tensor:
        """Images (B, 3, S, S), normalised -> embeddings (B, C, S / 16, S / 16).

        Args:
            images: one side S, the other filled with zeros up to S, after normalising.
            progress: called with the share that is done.
        """
        return self.encoder(images, progress)

    def prepare(self, embedding: Tensor, dense: Tensor | None = None) -> Prepared:
        """What the decoder makes of an embedding before it knows points and boxes.

        Args:
            embedding: (1, C, H, W) for any number of prompts, or (B, C, H, W), one for each.
            dense: of mask prompts; none where None.
        """
        if dense is None:
            dense = self.prompts.no_mask[None, :, None, None]
        places = self.prompts.places.grid((embedding.shape[-2], embedding.shape[-1]))
        return self.decoder.prepare(embedding, dense, places)

    def decode(
        self,
        embedding: Tensor | Prepared,
        *,
        points: Tensor | None = None,
        labels: Tensor | None = None,
        boxes: Tensor | None = None,
        masks: Tensor | None = None,
        multimask: bool = True,
    ) -> tuple[Tensor, Tensor]:
        """Answer B prompts.

        Args:
            embedding: as `prepare` takes it, or what it returned where no mask is given.
            points: (B, n, 2), (x, y) in pixels of the input, counted from 0.
            labels: (B, n) int: 1 on the object, 0 beside it, -1 no point.
            boxes: (B, 4), x0, y0, x1, y1.
            masks: (B, 1, S / 4, S / 4), logits.
            multimask: three masks for what may be ambiguous; else one.

        Returns:
            logits (B, M, S / 4, S / 4), above 0 on the object, and guessed IoU (B, M); M is 3 or 1.

        Raises:
            ValueError: points without labels; masks with a prepared embedding.
        """
        tokens, dense = self.prompts(points, labels, boxes, masks)
        if isinstance(embedding, Tensor):
            embedding = self.prepare(embedding, dense)
        elif masks is not None:
            raise ValueError("a mask prompt changes the image's embedding: pass the embedding")
        return self.decoder(embedding, tokens, AMBIGUOUS if multimask else CLEAR)

    def forward(self, images: Tensor) -> Encoded:
        """Images (B, 3, S, S), normalised -> the images encoded, ready to be asked about."""
        # Under autocast the decoder is asked outside of it: in the weights' own precision.
        return Encoded(self, self.encode(images).to(self.prompts.no_mask.dtype))

    def intermediates(self, images: Tensor, **prompts: Any) -> dict[str, Tensor]:
        """embedding (B, C, H, W), places (C, H, W), tokens (B, n', C), logits (B, 4, …), iou."""
        embedding = self.encode(images)
        prompts.pop("multimask", None)
        tokens, dense = self.prompts(**prompts)
        logits, iou = self.decoder(self.prepare(embedding, dense), tokens)
        size = (embedding.shape[-2], embedding.shape[-1])
        places = self.prompts.places.grid(size).T.unflatten(1, size)
        found = {"embedding": embedding, "places": places, "tokens": tokens}
        return found | {"logits": logits, "iou": iou}


def sam_vit_b(**options: Any) -> SegmentAnything:
    """SAM with ViT-B: 93.7 M parameters. Options as of `SegmentAnything`."""
    return SegmentAnything(VIT_B, **options)


def sam_vit_l(**options: Any) -> SegmentAnything:
    """SAM with ViT-L: 312 M parameters. Options as of `SegmentAnything`."""
    return SegmentAnything(VIT_L, **options)


def sam_vit_h(**options: Any) -> SegmentAnything:
    """SAM with ViT-H: 641 M parameters. Options as of `SegmentAnything`."""
    return SegmentAnything(VIT_H, **options)


def sam_vit_tiny(num_classes: int = 1, **options: Any) -> SegmentAnything:
    """A small SAM for two cores: images of 256 pixels, 32 x 32 patches made by convolutions.

    3,622,856 parameters; `segedu.weights.load_shipped("sam-vit-tiny")` has trained ones.

    Args:
        num_classes: 1, the object; here because the training loop names it for every network.
        options: of `SegmentAnything`.

    Raises:
        ValueError: more than one class.
    """
    if num_classes != 1:
        raise ValueError(f"SAM's masks have no classes: num_classes must be 1, got {num_classes}")
    options = {"channels": 128, "image_size": 256, "hidden": 256} | options
    return SegmentAnything(VIT_TINY, **options)


# Patterns of the authors' names (first) and transformers' (second), and ours.
_NAMES = [
    (r"image_encoder\.patch_embed\.proj|vision_encoder\.patch_embed\.projection",
     "encoder.vit.patches"),
    (r"(?:image|vision)_encoder\.pos_embed", "encoder.vit.positions"),
    (r"image_encoder\.blocks|vision_encoder\.layers", "encoder.vit.blocks"),
    (r"\.attn\.qkv", ".attention.qkv"),
    (r"\.attn\.proj", ".attention.project"),
    (r"\.attn\.rel_pos_h", ".attention.rows"),
    (r"\.attn\.rel_pos_w", ".attention.columns"),
    (r"(encoder\.vit\.blocks\.\d+)\.layer_norm", r"\1.norm"),
    (r"(encoder\.vit\.blocks\.\d+\.mlp)\.lin1", r"\1.expand"),
    (r"(encoder\.vit\.blocks\.\d+\.mlp)\.lin2", r"\1.contract"),
    (r"image_encoder\.neck", "encoder.neck"),
    (r"vision_encoder\.neck\.conv1", "encoder.neck.0"),
    (r"vision_encoder\.neck\.layer_norm1", "encoder.neck.1"),
    (r"vision_encoder\.neck\.conv2", "encoder.neck.2"),
    (r"vision_encoder\.neck\.layer_norm2", "encoder.neck.3"),
    (r"prompt_encoder\.(?:pe_layer\.positional_encoding_gaussian_matrix|"
     r"shared_embedding\.positional_embedding)", "prompts.places.frequencies"),
    (r"prompt_encoder\.not_a_point_embed\.weight", "prompts.no_point"),
    (r"prompt_encoder\.no_mask_embed\.weight", "prompts.no_mask"),
    (r"prompt_encoder\.mask_downscaling", "prompts.mask"),
    (r"prompt_encoder\.mask_embed\.conv1", "prompts.mask.0"),
    (r"prompt_encoder\.mask_embed\.layer_norm1", "prompts.mask.1"),
    (r"prompt_encoder\.mask_embed\.conv2", "prompts.mask.3"),
    (r"prompt_encoder\.mask_embed\.layer_norm2", "prompts.mask.4"),
    (r"prompt_encoder\.mask_embed\.conv3", "prompts.mask.6"),
    (r"mask_decoder\.iou_token\.weight", "decoder.quality_token"),
    (r"mask_decoder\.mask_tokens\.weight", "decoder.mask_tokens"),
    (r"mask_decoder\.transformer\.layers", "decoder.blocks"),
    (r"mask_decoder\.transformer\.final_attn_token_to_image", "decoder.last_look"),
    (r"mask_decoder\.transformer\.(?:norm_final_attn|layer_norm_final_attn)", "decoder.last_norm"),
    (r"\.self_attn\.", ".among_tokens."),
    (r"\.cross_attn_token_to_image\.", ".to_image."),
    (r"\.cross_attn_image_to_token\.", ".to_tokens."),
    (r"\.q_proj\.", ".query."),
    (r"\.k_proj\.", ".key."),
    (r"\.v_proj\.", ".value."),
    (r"\.out_proj\.", ".project."),
    (r"(decoder\.blocks\.\d+)\.mlp\.lin1", r"\1.expand"),
    (r"(decoder\.blocks\.\d+)\.mlp\.lin2", r"\1.contract"),
    (r"mask_decoder\.output_upscaling\.0|mask_decoder\.upscale_conv1", "decoder.enlarge1"),
    (r"mask_decoder\.output_upscaling\.1|mask_decoder\.upscale_layer_norm", "decoder.enlarge_norm"),
    (r"mask_decoder\.output_upscaling\.3|mask_decoder\.upscale_conv2", "decoder.enlarge2"),
    (r"mask_decoder\.output_hypernetworks_mlps", "decoder.painters"),
    (r"mask_decoder\.iou_prediction_head", "decoder.judge"),
]  # fmt: skip
# Layers of the small MLPs: theirs count linear layers, ours also the ReLUs between.
_MLP = {"layers.0": "0", "layers.1": "2", "layers.2": "4"}
_MLP_TRANSFORMERS = {"proj_in": "0", "layers.0": "2", "proj_out": "4"}
_BLOCK_NORM = re.compile(r"(decoder\.blocks\.\d+)\.(?:layer_)?norm(\d)")
_SMALL_MLP = re.compile(r"(decoder\.painters\.\d+|decoder\.judge)\.(layers\.\d|proj_in|proj_out)")
_LABEL = re.compile(r"prompt_encoder\.point_embed(?:dings)?\.(\d)\.weight")


def _converted(state: Mapping[str, Tensor], mlp: Mapping[str, str]) -> dict[str, Tensor]:
    target, labels = {}, {}
    for key, value in state.items():
        if label := _LABEL.fullmatch(key):
            labels[int(label[1])] = value
            continue
        name = key
        for theirs, ours in _NAMES:
            name = re.sub(theirs, ours, name)
        name = _BLOCK_NORM.sub(lambda m: f"{m[1]}.norms.{int(m[2]) - 1}", name)
        name = _SMALL_MLP.sub(lambda m: f"{m[1]}.{mlp[m[2]]}", name)
        target[name] = value[0] if name in ("prompts.no_point", "prompts.no_mask") else value
    target["prompts.labels"] = torch.cat([labels[i] for i in sorted(labels)])
    return target


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the authors' checkpoints (sam_vit_b_01ec64.pth and its like)."""
    return _converted(state, _MLP)


def from_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert transformers' `SamModel`, which stores the random frequencies twice."""
    state = {k: v for k, v in state.items() if not k.startswith("shared_image_embedding.")}
    return _converted(state, _MLP_TRANSFORMERS)
