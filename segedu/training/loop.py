"""The training loop: one for every method of the course.

    for each step:
        take the batch of this step                           stream.py
        set the learning rate                                 schedules.py
        sum up the loss of the batch's pieces, and gradients  train_step
        divide by the weight of the whole batch, clip, update train_step
        now and then: evaluate, write a checkpoint            run.py

Everything random is a function of the seed and the step, so a run that was killed goes on from its
last checkpoint as if nothing had happened, bit for bit on the CPU. Everything summed is summed over
all processes before it is divided, so `torchrun` or `accelerate launch` with any number of
processes computes the same as one (dropout apart).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn

from segedu.training.checkpoints import TrainingError
from segedu.training.evaluation import normalized
from segedu.training.interruption import Interruption
from segedu.training.log import Callback, Log, Progress
from segedu.training.recipe import Recipe
from segedu.training.run import Result, Run
from segedu.training.schedules import learning_rate_factor
from segedu.training.stream import STEP, batches, seed_of, to_device


def train(
    recipe: Recipe,
    folder: str | Path,
    *,
    callbacks: Sequence[Callback] = (),
    device: str = "auto",
    workers: int = 0,
    fresh: bool = False,
) -> Result:
    """Train as a recipe says; where the folder holds an unfinished run of it, go on with that.

    Args:
        recipe: what to compute.
        folder: of the run, made when it is not there.
        callbacks: called after every step, in the main process only.
        device: "auto" or "cpu".
        workers: processes that load images.
        fresh: begin anew, and remove what the folder holds of an earlier run.

    Raises:
        TrainingError: the loss is not a number, a file cannot be read or written, or the folder
            holds a run of another recipe. The last good checkpoint is kept.
        KeyboardInterrupt: Ctrl-C; the state after the last step has been written.
    """
    run = Run(recipe, Path(folder), device, fresh)
    listeners: list[Callback] = [Log(run.folder, run.step), *callbacks] if run.is_main else []
    try:
        with torch.random.fork_rng(devices=[]), Interruption() as interruption:
            for batch in batches_of(run, workers):
                loss, norm, stop = train_step(run, batch, interruption.asked)
                scores = run.evaluate() if run.is_time(recipe.evaluate_every) else None
                if run.is_time(recipe.checkpoint_every) or stop:
                    run.save()
                progress = Progress(run.step, recipe.steps, loss, run.learning_rate, norm, scores)
                for listen in listeners:
                    listen(progress)
                if stop:
                    raise KeyboardInterrupt(f"stopped after step {run.step}; its state is written")
    except OSError as error:  # an image that cannot be read, a full disk
        # Its traceback would keep the loader's workers alive, as long as somebody holds the error.
        cause = error.with_traceback(None)
        raise TrainingError(f"in step {run.step + 1}: {plain(error)}; {run.advice()}") from cause
    return run.finish()


def plain(error: OSError) -> str:
    """What an error says; of one from a worker of the loader without that worker's traceback."""
    text = str(error)
    if "\nOriginal Traceback" not in text:
        return text
    return text.rstrip().rsplit("\n", 1)[-1].partition(": ")[2]


def batches_of(run: Run, workers: int) -> Any:
    """This process's part of the batches that are left."""
    recipe, accelerator = run.recipe, run.accelerator
    return batches(
        run.splits.train,
        seed=recipe.seed,
        batch=recipe.batch,
        start=run.step,
        steps=recipe.steps,
        process=accelerator.process_index,
        processes=accelerator.num_processes,
        workers=workers,
        pin_memory=accelerator.device.type == "cuda",
    )


def train_step(run: Run, batch: Any, asked_to_stop: bool) -> tuple[float, float, bool]:
    """One update of the weights.

    Returns:
        The mean loss over the whole batch, the norm of its gradient, and whether any process was
        asked to stop.
    """
    recipe, accelerator = run.recipe, run.accelerator
    torch.manual_seed(seed_of(recipe.seed, STEP, run.step, accelerator.process_index))  # dropout
    factor = learning_rate_factor(
        run.step, recipe.steps, recipe.schedule, recipe.warmup, recipe.power
    )
    for group in run.optimizer.param_groups:
        group["lr"] = recipe.lr * group["factor"] * factor
    run.model.train()
    run.optimizer.zero_grad()
    pieces = split(to_device(batch, accelerator.device), recipe.accumulate)
    scale = len(pieces[0][0])  # any constant; this one keeps gradients in half precision's range
    sums = torch.zeros(3, device=accelerator.device)
    for i, (images, target) in enumerate(pieces):
        last = i == len(pieces) - 1  # processes exchange gradients once, after the last piece
        with nullcontext() if last else accelerator.no_sync(run.model):
            inputs = (normalized(run.net, images),)
            if recipe.simulate is not None:
                inputs += recipe.simulate(run.net, *inputs, target, **recipe.simulate_args)
            outputs = run.model(*inputs)
            total, weight = recipe.loss(outputs, target, **recipe.loss_args)
            accelerator.backward(total / scale)
        sums += torch.stack([total.detach(), weight, weight.new_tensor(float(asked_to_stop))])
    total, weight, stop = accelerator.reduce(sums).tolist()
    weight = weight or 1.0  # a batch in which every pixel is ignored
    accelerator.unscale_gradients()
    # DistributedDataParallel took the mean over processes: this makes it the sum again.
    norm = scale_and_clip(run.net, scale * accelerator.num_processes / weight, recipe.clip)
    check(run, total / weight, norm)
    run.optimizer.step()
    run.step += 1
    if run.average is not None:
        run.average.update(run.net, run.step)
    return total / weight, norm, stop > 0


def split(batch: Any, parts: int) -> list[Any]:
    """A batch of tensors -> that many batches, at most one an image."""
    return list(zip(*(tensor.chunk(parts) for tensor in batch), strict=True))


def scale_and_clip(net: nn.Module, factor: float, largest: float | None) -> float:
    """Multiply all gradients, then limit their norm; returns the norm before that."""
    torch._foreach_mul_([p.grad for p in net.parameters() if p.grad is not None], factor)
    limit = math.inf if largest is None else largest
    return float(nn.utils.clip_grad_norm_(net.parameters(), limit))


def check(run: Run, loss: float, norm: float) -> None:
    """Raise before a loss or a gradient that is not a number reaches the weights."""
    # fp16: an infinite gradient only means that the loss is still scaled too much.
    if math.isfinite(loss) and (math.isfinite(norm) or run.recipe.precision == "fp16"):
        return
    what, value = ("gradient", norm) if math.isfinite(loss) else ("loss", loss)
    raise TrainingError(
        f"the {what} is {value} in step {run.step + 1}, at learning rate {run.learning_rate:.3g}. "
        f"Try a lower lr, a longer warmup or clip=1 in another folder; {run.advice()}"
    )
