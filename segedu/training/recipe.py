"""A recipe: everything that decides what a training run computes."""

from __future__ import annotations

import dataclasses
import importlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from safetensors.torch import load_file
from torch import nn
from torch.utils.data import Dataset

from segedu.losses import cross_entropy
from segedu.training.evaluation import semantic_scores


@dataclass(frozen=True)
class Splits:
    """The images of a task.

    Attributes:
        train: what the weights are fitted to; yields (image (3, H, W) float in [0, 1], target).
        validation: what the best checkpoint is chosen on.
        test: what the score on a card is measured on.
        classes: names of the classes.
        licence: of weights that were fitted to these images, for the card.
    """

    train: Dataset[Any]
    validation: Dataset[Any]
    test: Dataset[Any]
    classes: tuple[str, ...]
    licence: str = "Apache-2.0"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Model, data and how to fit the one to the other.

    Attributes:
        name: how the command line calls it.
        about: one line.
        model: builder of the network; called with `num_classes` and `model_args`.
        model_args: its other arguments.
        data: returns the `Splits`; called with `data_args`.
        data_args: its arguments.
        simulate: (network, normalised images, target) -> a tuple of what the network gets besides
            images: the user of an interactive method. None for networks that see images alone.
        simulate_args: its other arguments.
        loss: (outputs, target) -> (total, weight), as in `segedu.losses`.
        loss_args: its other arguments.
        evaluation: scores of a model on a data set, as `segedu.training.evaluation`.
        best: the score by which the best checkpoint is chosen; more is better.
        steps: updates of the weights.
        batch: images a step, over all processes and pieces.
        accumulate: in how many pieces a process works through its part of a batch, to save memory.
        optimizer: "adamw" or "sgd" (with momentum).
        lr: learning rate at its highest.
        lr_factors: factor of the learning rate for parameters whose name begins so, such as
            {"head.": 10}.
        momentum: of SGD.
        weight_decay: not applied to biases and to parameters of normalisation.
        schedule: of the learning rate, "poly", "cosine" or "constant".
        power: of "poly".
        warmup: steps of linear warm-up.
        clip: largest norm of the gradient; None for none.
        ema: decay of the moving average of the weights that is evaluated and kept; None for none.
        precision: "no" for float32, "bf16", or "fp16" (with loss scaling; on GPUs).
        start: file of weights to begin with instead of random ones: `best.safetensors` of a run, or
            a shipped `data/checkpoints/NAME.safetensors`; "" for none.
        seed: of the first weights, the order of images, augmentation and dropout.
        evaluate_every: steps between evaluations on the validation images.
        checkpoint_every: steps between checkpoints.
    """

    name: str
    about: str
    model: Callable[..., nn.Module]
    model_args: Mapping[str, Any] = field(default_factory=dict)
    data: Callable[..., Splits]
    data_args: Mapping[str, Any] = field(default_factory=dict)
    simulate: Callable[..., Any] | None = None
    simulate_args: Mapping[str, Any] = field(default_factory=dict)
    loss: Callable[..., Any] = cross_entropy
    loss_args: Mapping[str, Any] = field(default_factory=dict)
    evaluation: Callable[..., dict[str, float]] = semantic_scores
    best: str = "miou"
    steps: int
    batch: int = 8
    accumulate: int = 1
    optimizer: Literal["adamw", "sgd"] = "adamw"
    lr: float
    lr_factors: Mapping[str, float] = field(default_factory=dict)
    momentum: float = 0.9
    weight_decay: float = 0.01
    schedule: Literal["poly", "cosine", "constant"] = "poly"
    power: float = 0.9
    warmup: int = 0
    clip: float | None = None
    ema: float | None = None
    precision: Literal["no", "bf16", "fp16"] = "no"
    start: str = ""
    seed: int = 0
    evaluate_every: int = 200
    checkpoint_every: int = 200

    def __post_init__(self) -> None:
        """Raise a ValueError that names the first value that makes no sense."""
        for name in ("steps", "batch", "accumulate", "evaluate_every", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not (self.lr > 0 and math.isfinite(self.lr)):
            raise ValueError(f"lr must be positive, got {self.lr}")
        if self.seed < 0 or self.warmup < 0:
            raise ValueError("seed and warmup must not be negative")
        if self.ema is not None and not 0 < self.ema < 1:
            raise ValueError(f"ema must lie between 0 and 1, got {self.ema}; ema=none for none")
        if self.clip is not None and not self.clip > 0:
            raise ValueError(f"clip must be positive, got {self.clip}; clip=none for none")
        if self.batch % self.accumulate:
            raise ValueError(f"batch {self.batch} is not a multiple of accumulate")

    def build_model(self, classes: tuple[str, ...]) -> nn.Module:
        """The network, with weights from torch's generator, or those that it starts from.

        Raises:
            ValueError: there is no file `start`, or it is of another network.
        """
        net = self.model(num_classes=len(classes), **self.model_args)
        if self.start:
            if not Path(self.start).is_file():
                raise ValueError(f"there is no file of weights {self.start!r} to start from")
            try:
                net.load_state_dict(load_file(self.start))
            except RuntimeError as error:
                raise ValueError(f"{self.start} does not fit {self.name}: {error}") from error
        return net

    def to_dict(self) -> dict[str, Any]:
        """The recipe in words and numbers, for JSON; functions as "module:name"."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {key: _plain(value) for key, value in values.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """The recipe that `to_dict` wrote.

        Raises:
            ValueError: a key or a function is unknown here, as in a card of another version.
        """
        known = {f.name for f in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ValueError(
                f"a recipe has no {', '.join(unknown)}; was it made by a newer segedu?"
            )
        functions = ("model", "data", "simulate", "loss", "evaluation")
        made = {k: import_function(v) if k in functions and v else v for k, v in values.items()}
        return cls(**made)


def _plain(value: Any) -> Any:
    if callable(value):
        return f"{value.__module__}:{value.__qualname__}"
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value


def import_function(path: str) -> Any:
    """The function at "module:name".

    Raises:
        ValueError: there is none.
    """
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"there is no function {path!r}: {error}") from error
