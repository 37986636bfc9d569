"""RITM on the training loop: its randomness is the seed's, its loss falls, its scores are right."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from segedu.data.object_crops import ObjectDataset, WholeObjects
from segedu.training import Recipe, Splits, find_recipe, train, with_overrides
from segedu.training.click_scores import click_loss, click_scores
from tests.data.test_object_crops import Coins

SMALL = {"width": 4, "blocks": 1, "modules": (1, 1, 1), "stem_width": 8, "ocr_width": 4}


def recipe(**changes) -> Recipe:
    found = dataclasses.replace(
        find_recipe("ritm-hrnet18s-small"),
        model_args={**SMALL, "scale": 1.0},
        data_args={"size": 32, "evaluated_size": 32},
        steps=6,
        batch=2,
        warmup=1,
        precision="no",
        evaluate_every=100,
        checkpoint_every=3,
        evaluation=none,
        best="iou",
    )
    return dataclasses.replace(found, **changes)


def coins() -> Splits:
    whole = WholeObjects(Coins(), 64)
    return Splits(ObjectDataset([Coins()], [1.0], size=64), whole, whole, ("object",))


def none(*_args, **_options) -> dict[str, float]:
    return {"iou": 0.0}


class Stopped(Exception):
    pass


def stop_at(step):
    def listen(progress):
        if progress.step == step:
            raise Stopped

    return listen


def test_resumed_run_is_bit_identical(tmp_path: Path) -> None:
    torch.manual_seed(5)
    train(recipe(), tmp_path / "whole", device="cpu")
    with pytest.raises(Stopped):
        train(recipe(), tmp_path / "cut", device="cpu", callbacks=[stop_at(5)])
    torch.manual_seed(6)  # what else was drawn in the process does not matter
    train(recipe(), tmp_path / "cut", device="cpu")
    whole, cut = ((tmp_path / n / "final.safetensors").read_bytes() for n in ("whole", "cut"))
    assert whole == cut


def test_learns_to_find_coins(tmp_path: Path) -> None:
    changes = {"data": coins, "data_args": {}, "simulate_args": {"iterations": 1}, "ema": None}
    changes |= {"steps": 60, "lr": 3e-3, "batch": 6, "evaluation": click_scores}
    result = train(recipe(**changes), tmp_path, device="cpu")
    assert result.scores["iou"] > 0.5  # it begins with 0.16


def test_loss_counts_the_auxiliary_head() -> None:
    logits, target = torch.randn(2, 1, 4, 4), torch.randint(0, 2, (2, 4, 4))
    alone, weight = click_loss({"logits": logits}, target)
    both, _ = click_loss({"logits": logits, "auxiliary": torch.zeros(2, 1, 4, 4)}, target)
    assert weight == 2
    assert float(both - alone) == pytest.approx(0.4 * 2 * torch.log(torch.tensor(2.0)))


class Knows(nn.Module):
    """Answers each positive click with a square around it."""

    def forward(self, images, points, previous):
        logits = torch.full_like(previous, -9.0)
        for b, own in enumerate(points.tolist()):
            for x, y, label in own:
                if label == 1:
                    logits[b, 0, int(y) - 3 : int(y) + 5, int(x) - 3 : int(x) + 5] = 9
        return logits


def test_scores_after_one_three_and_five_clicks() -> None:
    target = torch.zeros(3, 32, 32, dtype=torch.int64)
    target[0, 4:12, 4:12] = 1  # one click will do
    target[1, 4:12, 4:12] = target[1, 20:28, 20:28] = 1  # two, and the first gets a half
    data = TensorDataset(torch.rand(3, 3, 32, 32), target)  # the third has no object
    scores = click_scores(Knows(), data, ("object",), device="cpu", batch=2)
    assert scores["iou_1"] == pytest.approx((1 + 0.5) / 2, abs=1e-6)
    assert scores["iou_3"] == 1
    assert scores["iou"] == pytest.approx((scores["iou_1"] + scores["iou_3"] + scores["iou_5"]) / 3)


def test_overrides_reach_the_data() -> None:
    changed = with_overrides(find_recipe("ritm-segformer-b0"), ["data.root=x", "data.size=96"])
    assert changed.data_args == find_recipe("ritm-segformer-b0").data_args | {
        "root": "x",
        "size": 96,
    }
