"""What a run tells while it goes on, and who listens: a bar, TensorBoard, curves in a notebook.

A listener is a function of `Progress`; `train(…, callbacks=[…])` calls each after every step.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from segedu.training.checkpoints import TrainingError, write_atomically


@dataclass(frozen=True)
class Progress:
    """What happened in a step.

    Attributes:
        step: 1 … steps; how many steps are done.
        steps: how many there are.
        loss: mean over the whole batch.
        lr: the learning rate.
        gradient_norm: before clipping.
        scores: of the evaluation after this step, None where there was none.
    """

    step: int
    steps: int
    loss: float
    lr: float
    gradient_norm: float
    scores: dict[str, float] | None = None


Callback = Callable[[Progress], object]


class Log:
    """`log.jsonl` in the run's folder: one line a step."""

    def __init__(self, folder: Path, start: int) -> None:
        """Go on after step `start`; what an interrupted run wrote beyond it is dropped."""
        self.path = folder / "log.jsonl"
        kept = [entry for entry in read_log(folder) if entry["step"] <= start]
        text = "".join(json.dumps(entry) + "\n" for entry in kept)
        write_atomically(self.path, lambda file: file.write(text.encode()))

    def __call__(self, progress: Progress) -> None:
        """Append a step; raises TrainingError when the disk is full."""
        try:
            with open(self.path, "a") as file:
                file.write(json.dumps(_without_nan(asdict(progress))) + "\n")
        except OSError as error:
            raise TrainingError(f"cannot write {self.path}: {error.strerror}") from error


def _without_nan(value: Any) -> Any:
    """JSON has no nan: null instead."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The steps of a run, in order; a last line that was cut off by a kill is left out."""
    entries = []
    path = folder / "log.jsonl"
    for line in path.read_text().splitlines() if path.is_file() else ():
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return entries


class TensorBoard:
    """Writes to `tensorboard/` in the run's folder; look at it by `tensorboard --logdir`."""

    def __init__(self, folder: Path) -> None:
        """Write to `folder / "tensorboard"`."""
        self.folder = folder / "tensorboard"
        self.writer: Any = None

    def __call__(self, progress: Progress) -> None:
        """Add a step; what an interrupted run wrote beyond it is dropped."""
        if self.writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(self.folder), purge_step=progress.step)
        values = {
            "train/loss": progress.loss,
            "train/lr": progress.lr,
            "train/gradient_norm": progress.gradient_norm,
        }
        values |= {f"validation/{key}": value for key, value in (progress.scores or {}).items()}
        for key, value in values.items():
            self.writer.add_scalar(key, value, progress.step)
        if progress.scores:
            self.writer.flush()


class TerminalBar:
    """A progress bar with loss, learning rate, score and the time left."""

    def __init__(self, score: str = "miou", visible: bool = True) -> None:
        """Show `score` of the last evaluation; nothing at all unless `visible`."""
        from rich import progress as rich

        self.score, self.last = score, ""
        self.bar = rich.Progress(
            rich.TextColumn("{task.description}"),
            rich.BarColumn(),
            rich.MofNCompleteColumn(),
            rich.TimeElapsedColumn(),
            rich.TextColumn("left"),
            rich.TimeRemainingColumn(),
            disable=not visible,
        )
        self.task = self.bar.add_task("training", total=None)

    def __enter__(self) -> TerminalBar:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def __call__(self, progress: Progress) -> None:
        """Move the bar; print a line at every evaluation."""
        if progress.scores:
            self.last = f" {self.score} {progress.scores.get(self.score, math.nan):.4f}"
            self.bar.console.print(f"step {progress.step}: loss {progress.loss:.4f}{self.last}")
        self.bar.update(
            self.task,
            completed=progress.step,
            total=progress.steps,
            description=f"loss {progress.loss:.4f}{self.last}",
        )


class LiveCurves:
    """Curves of loss and score in a notebook, drawn anew while the run goes on.

    Attributes:
        figure: the matplotlib figure; after the run it stays as the cell's output.
    """

    def __init__(self, score: str = "miou", seconds: float = 2.0) -> None:
        """Show empty axes.

        Args:
            score: the score to draw.
            seconds: between drawings at least.
        """
        from IPython.display import display
        from matplotlib.figure import Figure

        self.score, self.seconds = score, seconds
        self.steps: list[int] = []
        self.losses: list[float] = []
        self.score_steps: list[int] = []
        self.scores: list[float] = []
        self.figure = Figure(figsize=(9, 3), layout="constrained")
        self.loss_axes, self.score_axes = self.figure.subplots(1, 2)
        self.handle = display(self.figure, display_id=True)
        self.drawn = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        """Take in a step; draw when it is time, and at the end."""
        self.steps.append(progress.step)
        self.losses.append(progress.loss)
        if progress.scores:
            self.score_steps.append(progress.step)
            self.scores.append(progress.scores[self.score])
        now = time.monotonic()
        if now - self.drawn >= self.seconds or progress.step == progress.steps:
            self.draw(progress.steps)
            self.drawn = now

    def draw(self, steps: int) -> None:
        """Draw both curves; the loss also smoothed, since batches differ."""
        smooth, average = [], self.losses[0]
        for loss in self.losses:
            average = 0.9 * average + 0.1 * loss
            smooth.append(average)
        score = {"miou": "mIoU"}.get(self.score, self.score)
        for axes, title in (
            (self.loss_axes, "training loss"),
            (self.score_axes, f"validation {score}"),
        ):
            axes.clear()
            axes.set(title=title, xlabel="step", xlim=(0, steps))
        self.loss_axes.plot(self.steps, self.losses, color="0.8", linewidth=0.8, label="a batch")
        self.loss_axes.plot(self.steps, smooth, color="tab:blue", label="smoothed")
        self.loss_axes.legend(frameon=False, loc="upper right")
        self.score_axes.plot(self.score_steps, self.scores, "o-", color="tab:orange")
        self.score_axes.set_ylim(0, 1)
        if self.handle is not None:
            self.handle.update(self.figure)
