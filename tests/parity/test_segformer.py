"""SegFormer against transformers, all six; the authors' names against their own state dict."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from segedu.semantic import segformer
from tests.parity.helpers import (
    TOLERANCE,
    assert_converts,
    count_parameters,
    max_abs_difference,
    random_images,
    randomize,
)

# The paper's table 6 and the parameters for ADE20K's 150 classes, exact.
DEPTHS = ((2, 2, 2, 2), (2, 2, 2, 2), (3, 4, 6, 3), (3, 4, 18, 3), (3, 8, 27, 3), (3, 6, 40, 3))
PARAMETERS = (3_752_694, 13_715_798, 27_461_974, 47_337_814, 64_108_374, 84_708_694)


class Enlarged(nn.Module):
    """transformers' network, its logits enlarged to the input's size as its processor does."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        logits = self.network(images).logits
        return nn.functional.interpolate(
            logits, images.shape[-2:], mode="bilinear", align_corners=False
        )


def transformers_segformer(b: int, num_classes: int = 150) -> nn.Module:
    """transformers' SegFormer-Bb."""
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    config = SegformerConfig(
        hidden_sizes=[32, 64, 160, 256] if b == 0 else [64, 128, 320, 512],
        depths=list(DEPTHS[b]),
        decoder_hidden_size=256 if b < 2 else 768,
        num_labels=num_classes,
    )
    return SegformerForSemanticSegmentation(config)


def segformer_pair(b: int, num_classes: int = 150) -> tuple[nn.Module, nn.Module]:
    """(ours, theirs) with the same random weights, in eval mode; ours with transformers' eps."""
    theirs = randomize(transformers_segformer(b, num_classes))
    with torch.device("meta"):
        ours = getattr(segformer, f"segformer_b{b}")(num_classes, eps=1e-5).eval()
    ours.load_state_dict(segformer.from_transformers(theirs.state_dict()), strict=True, assign=True)
    return ours, Enlarged(theirs).eval()


@pytest.mark.parametrize("b", range(6))
def test_transformers_agrees(b):
    ours, theirs = segformer_pair(b)
    assert count_parameters(ours) == count_parameters(theirs) == PARAMETERS[b]
    images = random_images(1, 3, 64, 96)
    with torch.inference_mode():
        reference = theirs(images)
        assert max_abs_difference(ours(images), reference) <= TOLERANCE
        ours.decoder.paper_order = True
        assert max_abs_difference(ours(images), reference) <= TOLERANCE


def test_odd_sizes_and_attention_agree():
    """Sides that no stride divides: 75 rows give 19, 10, 5, 3; keys are 2, 2, 2, 3."""
    ours, theirs = segformer_pair(0, 7)
    theirs.network.set_attn_implementation("eager")
    images = random_images(2, 3, 75, 101)
    with torch.inference_mode():
        found = ours.intermediates(images, attention=True)
        reference = theirs.network(images, output_attentions=True, output_hidden_states=True)
        assert max_abs_difference(found["logits"], theirs(images)) <= TOLERANCE
        assert max_abs_difference(found["quarter"], reference.logits) <= TOLERANCE
    for s, features in enumerate(reference.hidden_states, start=1):
        assert max_abs_difference(found[f"stage{s}"], features) <= TOLERANCE
    last = [sum(DEPTHS[0][: s + 1]) - 1 for s in range(4)]  # of each stage
    for s, block in enumerate(last, start=1):
        weights = found[f"attention{s}"].flatten(4).flatten(2, 3)  # (B, h, N, M)
        assert max_abs_difference(weights, reference.attentions[block]) <= TOLERANCE


def test_files_of_the_hub_are_read(tmp_path):
    """transformers writes the hub's own names, which differ from those in memory."""
    theirs = randomize(transformers_segformer(0, 7))
    theirs.save_pretrained(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    assert "segformer.encoder.block.0.0.attention.self.query.weight" in state
    ours = segformer.segformer_b0(7, eps=1e-5).eval()
    ours.load_state_dict(segformer.from_transformers(state), strict=True)
    images = random_images(1, 3, 64, 64)
    with torch.inference_mode():
        assert max_abs_difference(ours(images), Enlarged(theirs)(images)) <= TOLERANCE


def test_converter_takes_the_authors_names():
    with torch.device("meta"):
        model = segformer.segformer_b0(150)
    assert_converts("segformer_b0_official", segformer.from_official, model)


def test_authors_keys_come_before_values():
    """Their one layer for both gives keys first: `kv.reshape(B, -1, 2, …)`."""
    model = segformer.segformer_b0(150)
    key = "backbone.block1.0.attn.kv.weight"
    both = torch.arange(64 * 32.0).view(64, 32)
    converted = segformer.from_official(
        {key: both, "decode_head.conv_seg.weight": torch.zeros(150, 128, 1, 1)}
    )
    name = "encoder.stages.0.blocks.0.attention.attention"
    assert (
        set(converted) == {f"{name}.key.weight", f"{name}.value.weight"} <= set(model.state_dict())
    )
    assert converted[f"{name}.key.weight"].equal(both[:32])
    assert converted[f"{name}.value.weight"].equal(both[32:])
