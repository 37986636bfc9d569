"""Segment Anything against transformers' SamModel and, where a checkout is, the authors' code.

Width, heads and windows are those of ViT-B, L and H; depth and image are reduced, so that each
takes a second: four blocks for B, two for L and H, of which one is global, at 256 pixels. Windows
of 14 do not divide the 16 tokens of a side.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from segedu.backbones.vit import VIT_B, VIT_H, VIT_L, ViTSize
from segedu.interactive import sam_network
from segedu.interactive.sam_network import SegmentAnything, from_official, from_transformers
from tests.parity.helpers import (
    TOLERANCE,
    assert_converts,
    count_parameters,
    max_abs_difference,
    random_images,
    randomize,
    reference,
)
from tests.requirements_of_machine import needs_references

CHECKOUT = "facebookresearch+segment-anything"
PARAMETERS = {"b": 93_735_472, "l": 312_342_832, "h": 641_090_608}
REDUCED = {
    "b": replace(VIT_B, depth=4, global_blocks=(2,)),
    "l": replace(VIT_L, depth=2, global_blocks=(1,)),
    "h": replace(VIT_H, depth=2, global_blocks=(1,)),
}
PIXELS = 256


def randomize_sam(model: nn.Module) -> nn.Module:
    """`randomize`, and codes of places and labels as large as trained ones."""
    randomize(model, gain=1.0)
    generator = torch.Generator().manual_seed(5)
    large = ("pos_embed", "positional", "point_embed", "not_a_point", "no_mask", "token")
    for name, tensor in model.state_dict().items():
        if any(part in name for part in large) and "transformer" not in name:
            tensor.copy_(torch.randn(tensor.shape, generator=generator))
    return model


def transformers_sam(size: ViTSize, pixels: int = PIXELS) -> nn.Module:
    """transformers' SamModel with a given encoder."""
    from transformers import SamConfig, SamModel, SamPromptEncoderConfig, SamVisionConfig

    vision = SamVisionConfig(
        hidden_size=size.channels,
        num_hidden_layers=size.depth,
        num_attention_heads=size.heads,
        global_attn_indexes=list(size.global_blocks),
        mlp_dim=4 * size.channels,
        image_size=pixels,
    )
    prompts = SamPromptEncoderConfig(
        image_size=pixels, image_embedding_size=pixels // 16, patch_size=16
    )
    model = randomize_sam(SamModel(SamConfig(vision_config=vision, prompt_encoder_config=prompts)))
    # Stored twice: the codes of the image's places and of the prompts' must be one.
    shared = model.shared_image_embedding.positional_embedding
    model.prompt_encoder.shared_embedding.positional_embedding.data.copy_(shared)
    return model


def official_sam(size: ViTSize, pixels: int = PIXELS) -> nn.Module:
    """The authors' network with a given encoder."""
    with reference(CHECKOUT) as load:
        parts = load("segment_anything.modeling")
        encoder = parts.ImageEncoderViT(
            img_size=pixels,
            embed_dim=size.channels,
            depth=size.depth,
            num_heads=size.heads,
            norm_layer=lambda channels: nn.LayerNorm(channels, eps=1e-6),
            use_rel_pos=True,
            window_size=size.window,
            global_attn_indexes=size.global_blocks,
        )
        side = (pixels // 16, pixels // 16)
        prompts = parts.PromptEncoder(256, side, (pixels, pixels), 16)
        transformer = parts.TwoWayTransformer(2, 256, 8, 2048)
        decoder = parts.MaskDecoder(transformer_dim=256, transformer=transformer)
        mean, std = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
        return randomize_sam(parts.Sam(encoder, prompts, decoder, mean, std))


def pair(theirs: nn.Module, size: ViTSize, pixels: int = PIXELS) -> SegmentAnything:
    """Ours with a reference's weights."""
    hub = "Sam" in type(theirs).__name__ and type(theirs).__name__ != "Sam"
    with torch.device("meta"):
        ours = SegmentAnything(size, image_size=pixels, eps=1e-6 if hub else 1e-5).eval()
    convert = from_transformers if hub else from_official
    ours.load_state_dict(convert(theirs.state_dict()), strict=True, assign=True)
    return ours


def prompts(*kinds: str, batch: int = 2, n: int = 3, pixels: int = PIXELS) -> dict[str, Tensor]:
    """Random prompts of the kinds named, as `SegmentAnything.decode` takes them."""
    generator = torch.Generator().manual_seed(7)
    corners = torch.rand(batch, 2, generator=generator) * pixels / 2
    every = {
        "points": torch.rand(batch, n, 2, generator=generator) * pixels,
        "labels": torch.arange(n).remainder(2).flip(0).expand(batch, n).contiguous(),
        "boxes": torch.cat([corners, corners + pixels / 3], dim=1),
        "masks": torch.randn(batch, 1, pixels // 4, pixels // 4, generator=generator) * 8,
    }
    names = {"point": ("points", "labels"), "box": ("boxes",), "mask": ("masks",)}
    return {name: every[name] for kind in kinds for name in names[kind]}


COMBINATIONS = [
    ("point",), ("box",), ("mask",), ("point", "box"), ("point", "mask"), ("point", "box", "mask"),
]  # fmt: skip


def transformers_decode(
    theirs: nn.Module, embedding: Tensor, given: dict[str, Tensor], multi: bool
):
    """Logits and IoU of B prompts for one image; transformers' second dimension is ours' first."""
    out = theirs(
        image_embeddings=embedding,
        input_points=given["points"][None] if "points" in given else None,
        input_labels=given["labels"][None] if "points" in given else None,
        input_boxes=given["boxes"][None] if "boxes" in given else None,
        multimask_output=multi,
    )
    return out.pred_masks[0], out.iou_scores[0]


def official_decode(theirs: nn.Module, embedding: Tensor, given: dict[str, Tensor], multi: bool):
    """Logits and IoU of B prompts for one image."""
    points = (given["points"], given["labels"]) if "points" in given else None
    tokens, dense = theirs.prompt_encoder(points, given.get("boxes"), given.get("masks"))
    places = theirs.prompt_encoder.get_dense_pe()
    return theirs.mask_decoder(embedding, places, tokens, dense, multi)


def assert_decodes(ours: SegmentAnything, embedding: Tensor, given: dict, expected, multi: bool):
    """Compare masks and IoU, in our order of work and as printed."""
    for paper_order in (False, True):
        ours.decoder.paper_order = paper_order
        logits, iou = ours.decode(embedding, **given, multimask=multi)
        assert max_abs_difference(logits, expected[0]) <= TOLERANCE
        assert iou.shape == expected[1].shape
        assert float((iou - expected[1]).abs().max()) <= TOLERANCE
    # Two prompts get two answers: the comparison sees what was prompted.
    assert len(logits) == 1 or float((logits[0] - logits[1]).abs().max()) > 100 * TOLERANCE


@pytest.mark.parametrize("name", "blh")
@torch.inference_mode()
def test_transformers_agrees(name):
    theirs = transformers_sam(REDUCED[name])
    ours = pair(theirs, REDUCED[name])
    embedding = theirs.get_image_embeddings(images := random_images(1, 3, PIXELS, PIXELS))
    assert max_abs_difference(ours.encode(images), embedding) <= TOLERANCE
    for kinds in [("point",), ("box",), ("point", "box")] if name == "b" else [("point", "box")]:
        given = prompts(*kinds)
        for multi in (True, False):
            expected = transformers_decode(theirs, embedding, given, multi)
            assert_decodes(ours, embedding, given, expected, multi)
    mask = prompts("mask", batch=1)["masks"]
    expected = theirs(image_embeddings=embedding, input_masks=mask, input_points=None)
    expected = (expected.pred_masks[0], expected.iou_scores[0])
    assert_decodes(ours, embedding, {"masks": mask}, expected, True)


@pytest.mark.parametrize("name", "blh")
@needs_references
@torch.inference_mode()
def test_authors_code_agrees(name):
    theirs = official_sam(REDUCED[name])
    ours = pair(theirs, REDUCED[name])
    embedding = theirs.image_encoder(images := random_images(1, 3, PIXELS, PIXELS))
    assert max_abs_difference(ours.encode(images), embedding) <= TOLERANCE
    for kinds in COMBINATIONS:
        for n in (1, 3, 12):  # with 12 points attention is computed as printed
            given = prompts(*kinds, n=n)
            for multi in (True, False):
                expected = official_decode(theirs, embedding, given, multi)
                assert_decodes(ours, embedding, given, expected, multi)


@pytest.mark.parametrize("name", "blh")
def test_parameters_are_as_many(name):
    with torch.device("meta"):
        model = getattr(sam_network, f"sam_vit_{name}")()
    assert count_parameters(model) == PARAMETERS[name]


def test_small_sam_is_small():
    with torch.device("meta"):
        assert count_parameters(sam_network.sam_vit_tiny()) <= 6_000_000


@pytest.mark.parametrize("name", "blh")
def test_official_files_are_converted(name):
    with torch.device("meta"):
        model = getattr(sam_network, f"sam_vit_{name}")()
    assert_converts(f"sam_vit_{name}", from_official, model)
