"""The state of a training run: how it is built, evaluated, written and taken up again."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from segedu.training.batch_norm import over_processes
from segedu.training.checkpoints import (
    TrainingError,
    checkpoints,
    clear,
    load_newest,
    save,
    write_json,
    write_weights,
)
from segedu.training.recipe import Recipe, Splits
from segedu.training.schedules import MovingAverage
from segedu.training.stream import fingerprint


@dataclass(frozen=True)
class Result:
    """What came out of a run.

    Attributes:
        folder: of the run; `best.safetensors` and `final.safetensors` hold the weights.
        steps: how many were done.
        scores: of the last evaluation.
        best: the best score of the evaluations.
        best_step: the step at which it was reached.
    """

    folder: Path
    steps: int
    scores: dict[str, float]
    best: float
    best_step: int


class Run:
    """Everything that a checkpoint holds.

    Attributes:
        net: the network; `model` is the same as accelerate wraps it, for several processes and half
            precision.
        average: the moving average of the weights, or None.
        step: how many steps are done.
    """

    def __init__(self, recipe: Recipe, folder: Path, device: str, fresh: bool) -> None:
        """Build everything; take over the state of the newest checkpoint in the folder."""
        self.recipe, self.folder = recipe, folder
        self.accelerator = make_accelerator(recipe, device)
        self.is_main = self.accelerator.is_main_process
        if self.is_main:
            prepare_folder(folder, fresh)
        self.accelerator.wait_for_everyone()
        state = load_newest(folder, self.accelerator.print)
        self.splits = read_data(recipe)
        self.step, self.best, self.best_step = 0, -math.inf, 0
        self.scores: dict[str, float] = {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            self.net = recipe.build_model(self.splits.classes).to(self.accelerator.device)
        if self.accelerator.num_processes > 1:
            self.net = over_processes(self.net, self.accelerator.device)
        self.average = None if recipe.ema is None else MovingAverage(self.net, recipe.ema)
        optimizer = make_optimizer(self.net, recipe)
        self.model, self.optimizer = self.accelerator.prepare(self.net, optimizer)
        if state is not None:
            self.restore(state)
        elif self.is_main:
            write_json(folder / "recipe.json", recipe.to_dict())
            write_json(folder / "data.json", {"fingerprint": fingerprint(self.splits.test)})

    @property
    def learning_rate(self) -> float:
        """Of the last step, where its factor is 1."""
        group = self.optimizer.param_groups[0]
        return float(group["lr"] / group["factor"])

    @property
    def evaluated(self) -> nn.Module:
        """The network that counts: the one of averaged weights, where there is one."""
        return self.net if self.average is None else self.average.model

    def is_time(self, every: int) -> bool:
        """True after every so many steps and after the last one."""
        return self.step % every == 0 or self.step == self.recipe.steps

    def evaluate(self) -> dict[str, float]:
        """Scores on the validation images; the best weights so far are written."""
        accelerator = self.accelerator
        self.scores = self.recipe.evaluation(
            self.evaluated,
            self.splits.validation,
            self.splits.classes,
            device=accelerator.device,
            process=accelerator.process_index,
            processes=accelerator.num_processes,
            reduce=accelerator.reduce,
        )
        if (score := self.scores[self.recipe.best]) > self.best:
            self.best, self.best_step = score, self.step
            if self.is_main:
                write_weights(self.folder / "best.safetensors", self.evaluated.state_dict())
        return self.scores

    def save(self) -> None:
        """Write a checkpoint of everything that the next step depends on."""
        average, scaler = self.average, self.accelerator.scaler
        state = {
            "recipe": self.recipe.to_dict(),
            "step": self.step,
            "model": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": None if average is None else average.model.state_dict(),
            "scaler": None if scaler is None else scaler.state_dict(),
            "best": (self.best, self.best_step),
            "scores": self.scores,
        }
        if self.is_main:
            save(self.folder, self.step, state)
        self.accelerator.wait_for_everyone()

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a checkpoint's state; raises TrainingError when it is another recipe's."""
        ours, theirs = self.recipe.to_dict(), Recipe.from_dict(state["recipe"]).to_dict()
        if different := [key for key in ours if ours[key] != theirs.get(key)]:
            changes = ", ".join(f"{key}: {theirs.get(key)} -> {ours[key]}" for key in different)
            raise TrainingError(
                f"{self.folder} holds a run of another recipe ({changes}); take another folder, or "
                "begin anew with --fresh"
            )
        self.net.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.model.load_state_dict(state["average"])
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.step, self.scores = state["step"], state["scores"]
        self.best, self.best_step = state["best"]

    def advice(self) -> str:
        """Where the last good checkpoint is, for messages."""
        if not (paths := checkpoints(self.folder)):
            return "there is no checkpoint yet"
        return f"the last good checkpoint is {paths[-1]}, the same command goes on from it"

    def finish(self) -> Result:
        """Write the final weights and scores."""
        result = Result(self.folder, self.step, self.scores, self.best, self.best_step)
        if self.is_main:
            write_weights(self.folder / "final.safetensors", self.evaluated.state_dict())
            write_json(self.folder / "result.json", asdict(result) | {"folder": str(self.folder)})
        self.accelerator.wait_for_everyone()
        return result


def read_data(recipe: Recipe) -> Splits:
    """The recipe's data; raises TrainingError when they are not there."""
    try:
        return recipe.data(**recipe.data_args)
    except OSError as error:
        raise TrainingError(f"cannot read the data of {recipe.name}: {error}") from error


def prepare_folder(folder: Path, fresh: bool) -> None:
    """Make the folder of a run; empty it when it is to begin anew."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if fresh:
            clear(folder)
    except OSError as error:
        raise TrainingError(f"cannot use the folder {folder}: {error.strerror}") from error


def make_accelerator(recipe: Recipe, device: str) -> Accelerator:
    """Accelerate's view of processes, device and precision.

    Raises:
        ValueError: a device that is not "auto" or "cpu"; a batch that the processes cannot share.
    """
    if device not in ("auto", "cpu"):
        raise ValueError(f'device must be "auto" or "cpu", got {device!r}')
    if not torch.distributed.is_initialized():  # a second run in this process begins afresh
        AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(mixed_precision=recipe.precision, cpu=device == "cpu")
    if recipe.batch % (accelerator.num_processes * recipe.accumulate):
        raise ValueError(
            f"batch {recipe.batch} cannot be shared by {accelerator.num_processes} processes in "
            f"{recipe.accumulate} pieces each; take a multiple"
        )
    return accelerator


def make_optimizer(net: nn.Module, recipe: Recipe) -> Optimizer:
    """AdamW or SGD; groups of parameters by learning rate and weight decay.

    Raises:
        ValueError: no parameter has a name that begins as one of `lr_factors`.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    unused = set(recipe.lr_factors)
    for name, parameter in net.named_parameters():
        prefix = max((p for p in recipe.lr_factors if name.startswith(p)), key=len, default=None)
        unused.discard(prefix or "")
        factor = 1.0 if prefix is None else recipe.lr_factors[prefix]
        decay = recipe.weight_decay if parameter.ndim > 1 else 0.0  # no bias, no normalisation
        groups.setdefault((factor, decay), []).append(parameter)
    if unused:
        raise ValueError(f"no parameter's name begins with {sorted(unused)}, as in lr_factors")
    parameters = [
        {"params": group, "factor": factor, "weight_decay": decay}
        for (factor, decay), group in groups.items()
    ]
    if recipe.optimizer == "sgd":
        return SGD(parameters, lr=recipe.lr, momentum=recipe.momentum)
    return AdamW(parameters, lr=recipe.lr)
