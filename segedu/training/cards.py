"""Cards: what a trained network is, what it scores, and how to get the same."""

from __future__ import annotations

import json
import math
import shlex
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor, nn

from segedu.training.checkpoints import TrainingError
from segedu.training.log import read_log
from segedu.training.recipe import Recipe
from segedu.training.stream import fingerprint


def read_run(folder: Path) -> tuple[Recipe, dict[str, Tensor], int]:
    """Recipe, best weights and their step of a finished run.

    Raises:
        TrainingError: the folder holds no finished run.
    """
    try:
        recipe = Recipe.from_dict(json.loads((folder / "recipe.json").read_text()))
        step = json.loads((folder / "result.json").read_text())["best_step"]
        return recipe, load_file(folder / "best.safetensors"), step
    except FileNotFoundError as error:
        raise TrainingError(
            f"{folder} holds no finished run: {error.filename} is missing; train it to its end, "
            "the same `segedu train` goes on"
        ) from error


def make_card(name: str, recipe: Recipe, net: nn.Module, step: int, run: Path) -> dict[str, Any]:
    """The card of a network, its scores measured on the test images, here and now.

    Args:
        name: of the checkpoint.
        recipe: that it was trained by.
        net: with the weights as they will be shipped.
        step: at which the weights were taken.
        run: folder of the run, for its log.
    """
    splits = recipe.data(**recipe.data_args)
    return {
        "name": name,
        "about": recipe.about,
        "model": recipe.to_dict()["model"],
        "model_args": recipe.to_dict()["model_args"],
        "classes": list(splits.classes),
        "parameters": sum(p.numel() for p in net.parameters()),
        "data": recipe.to_dict()["data"],
        "data_args": recipe.to_dict()["data_args"],
        "data_fingerprint": fingerprint(splits.test),
        "data_fingerprint_in_training": json.loads((run / "data.json").read_text())["fingerprint"],
        "seed": recipe.seed,
        "steps": len(read_log(run)),
        "step_of_weights": step,
        "scores": measure(recipe, net, splits),
        "measured_on": f"{len(splits.test)} test images, matrices of weights in half precision",  # type: ignore[arg-type]
        "train": reproduce(recipe),
        "check": f"segedu weights check {name}",
        "licence": splits.licence,
        "recipe": recipe.to_dict(),
    }


def measure(recipe: Recipe, net: nn.Module, splits: Any = None) -> dict[str, float | None]:
    """Scores on the recipe's test images, rounded to 4 digits; None for absent classes."""
    splits = splits or recipe.data(**recipe.data_args)
    scores = recipe.evaluation(net, splits.test, splits.classes, device="auto", boundaries=True)
    return {k: round(v, 4) if math.isfinite(v) else None for k, v in scores.items()}


def reproduce(recipe: Recipe) -> str:
    """The command that trains a recipe again: its name, and what was changed of it."""
    from segedu.training.recipes import RECIPES

    ours = recipe.to_dict()
    if recipe.name not in RECIPES:
        return f"segedu train {recipe.name}"
    known = RECIPES[recipe.name].to_dict()
    words = ["segedu", "train", recipe.name]
    for key, value in ours.items():
        if value == known[key]:
            continue
        if key.endswith("_args"):
            group = key.removesuffix("_args")
            changed = {k: v for k, v in value.items() if known[key].get(k) != v}
            words += [f"{group}.{k}={_text(v)}" for k, v in changed.items()]
        else:
            words.append(f"{key}={_text(value)}")
    return shlex.join(words)


def _text(value: Any) -> str:
    if value is None:
        return "none"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
