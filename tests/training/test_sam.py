"""Segment Anything goes through the course's training loop, and its scores are those of clicks."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from segedu.data.object_crops import ObjectDataset, WholeObjects
from segedu.data.objects import SceneObjects
from segedu.interactive import SAM, Click, Prompts, sam_vit_tiny
from segedu.training import RECIPES, Splits, train
from segedu.training.sam_scores import sam_scores
from segedu.weights.shipped import in_half_precision


def few_objects() -> Splits:
    return Splits(
        ObjectDataset([SceneObjects(0, 20, (96, 192))], [1.0], size=64, length=100),
        WholeObjects(SceneObjects(10**9, 2, (96, 192)), 64),
        WholeObjects(SceneObjects(2 * 10**9, 2, (96, 192)), 64),
        ("object",),
    )


def test_a_short_run_ends_with_scores_and_weights(tmp_path: Path) -> None:
    recipe = dataclasses.replace(
        RECIPES["sam-vit-tiny"],
        model_args={"image_size": 64, "channels": 48, "hidden": 64},
        data=few_objects,
        data_args={},
        steps=4,
        batch=2,
        warmup=1,
        evaluate_every=4,
        checkpoint_every=4,
    )
    result = train(recipe, tmp_path, device="cpu")
    assert result.steps == 4
    assert {"iou_1", "iou_3", "iou_5", "iou_box", "iou"} <= set(result.scores)
    assert all(0 <= value <= 1 for value in result.scores.values())
    assert (tmp_path / "best.safetensors").exists()


def test_scores_are_those_of_the_robots_clicks(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that is right from the third click on."""
    dataset = few_objects().validation
    truths = [dataset[i][1].numpy() == 1 for i in range(2)]
    asked: list[Prompts] = []

    class Answer:
        def __init__(self, mask: np.ndarray) -> None:
            self.mask = mask

    def predict(self: SAM, prompts: Prompts) -> Answer:
        asked.append(prompts)
        truth = truths[self.number]
        right = len(prompts.clicks) >= 3 or prompts.box is not None
        return Answer(truth if right else np.zeros_like(truth))

    def set_image(self: SAM, image: np.ndarray) -> None:
        self.number = next(numbers)

    numbers = iter(range(2))
    monkeypatch.setattr(SAM, "predict", predict)
    monkeypatch.setattr(SAM, "set_image", set_image)
    scores = sam_scores(sam_vit_tiny(image_size=64), dataset, ("object",), device="cpu")
    assert scores == {"iou_1": 0, "iou_3": 1, "iou_5": 1, "iou_box": 1, "iou": 0.75}
    first = asked[0].clicks[0]
    assert isinstance(first, Click) and truths[0][int(first.y), int(first.x)]


def test_it_can_be_shipped() -> None:
    net: nn.Module = sam_vit_tiny(num_classes=1)
    state = in_half_precision(net.state_dict())
    assert sum(v.numel() * v.element_size() for v in state.values()) <= 12e6
    assert all(torch.isfinite(v).all() for v in state.values() if v.is_floating_point())
    with pytest.raises(ValueError, match="no classes"):
        sam_vit_tiny(num_classes=2)


def test_half_precision_trains(tmp_path: Path) -> None:
    recipe = dataclasses.replace(
        RECIPES["sam-vit-tiny"],
        model_args={"image_size": 64, "channels": 48, "hidden": 64},
        data=few_objects,
        data_args={},
        steps=2,
        batch=2,
        precision="bf16",
        evaluate_every=2,
        checkpoint_every=2,
    )
    assert np.isfinite(train(recipe, tmp_path, device="cpu").scores["iou"])
