"""Cards: what a trained network is, what it scores, and how to get the same."""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor, nn

from segedu.training.checkpoints import TrainingError
from segedu.training.log import read_log
from segedu.training.overrides import with_overrides
from segedu.training.recipe import Recipe, Splits
from segedu.training.run import read_data
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


def data_of(recipe: Recipe, overrides: Iterable[str] = ()) -> Splits:
    """The recipe's data, or those in the folder that `data.root=FOLDER` names.

    Raises:
        TrainingError: they are not there; the message says how to name their folder.
        ValueError: another override, or data that are in no folder.
    """
    overrides = list(overrides)
    if other := [text for text in overrides if not text.startswith("data.root=")]:
        raise ValueError(f"only data.root=FOLDER can be given here, not {other[0]!r}")
    recipe = with_overrides(recipe, overrides)
    try:
        return read_data(recipe)
    except TrainingError as error:
        if not root_of(recipe):
            raise
        raise TrainingError(f"{error}; data.root=FOLDER names the folder they are in") from error


def root_of(recipe: Recipe) -> str:
    """The folder of data that do not come with the course; "" where a recipe needs none."""
    parameter = inspect.signature(recipe.data).parameters.get("root")
    return "" if parameter is None else str(recipe.data_args.get("root", parameter.default))


def without_machine(recipe: Recipe) -> Recipe:
    """The recipe without an absolute path of this machine, where its data have a usual folder."""
    if not Path(root_of(recipe)).is_absolute():
        return recipe
    args = {key: value for key, value in recipe.data_args.items() if key != "root"}
    usual = dataclasses.replace(recipe, data_args=args)
    return usual if root_of(usual) else recipe


def make_card(
    name: str,
    recipe: Recipe,
    net: nn.Module,
    step: int,
    run: Path,
    splits: Splits | None = None,
) -> dict[str, Any]:
    """The card of a network, its scores measured on the test images, here and now.

    Args:
        name: of the checkpoint.
        recipe: that it was trained by.
        net: with the weights as they will be shipped.
        step: at which the weights were taken.
        run: folder of the run, for its log.
        splits: the recipe's data, when they are read already.
    """
    splits = splits or data_of(recipe)
    recipe = without_machine(recipe)
    root = root_of(recipe)
    folder = [shlex.quote(f"data.root={root}")] if root else []
    train = reproduce(recipe).split(" ")
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
        "train": " ".join(train + [word for word in folder if word not in train]),
        "check": " ".join(["segedu weights check", name, *folder]),
        "licence": splits.licence,
        "recipe": recipe.to_dict(),
    }


def measure(recipe: Recipe, net: nn.Module, splits: Splits) -> dict[str, float | None]:
    """Scores on the test images, rounded to 4 digits; None for absent classes."""
    scores = recipe.evaluation(net, splits.test, splits.classes, device="auto", boundaries=True)
    return {k: round(v, 4) if math.isfinite(v) else None for k, v in scores.items()}


def reproduce(recipe: Recipe) -> str:
    """The command that trains a recipe again: its name, and what was changed of it.

    Raises:
        ValueError: no command can say it: an argument of the known recipe was taken away, or a
            function replaced.
    """
    from segedu.training.recipes import RECIPES

    if recipe.name not in RECIPES:
        return f"segedu train {recipe.name}"
    ours, known = recipe.to_dict(), RECIPES[recipe.name].to_dict()
    words = []
    for key, value in ours.items():
        if key.endswith("_args"):
            group = key.removesuffix("_args")
            changed = {k: v for k, v in value.items() if k not in known[key] or known[key][k] != v}
            words += [f"{group}.{k}={_text(v)}" for k, v in changed.items()]
        elif value != known[key] and key != "about":  # what it is called does not change it
            words.append(f"{key}={_text(value)}")
    again = with_overrides(RECIPES[recipe.name], words).to_dict()
    if lost := [key for key in ours if again[key] != ours[key] and key != "about"]:
        raise ValueError(
            f"no `segedu train {recipe.name}` gives this run's {', '.join(lost)}; "
            f"the known recipe has {known[lost[0]]}, the run {ours[lost[0]]}"
        )
    return shlex.join(["segedu", "train", recipe.name, *words])


def _text(value: Any) -> str:
    if value is None:
        return "none"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
