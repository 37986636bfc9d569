"""The command `segedu train`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from segedu.training.recipe import Recipe

console = Console()
errors = Console(stderr=True)


def train(
    recipe: Annotated[str | None, typer.Argument(help="name, as --list shows")] = None,
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value, such as lr=0.01 model.width=0.5")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="folder of the run [runs/<recipe>]")] = None,
    list_: Annotated[bool, typer.Option("--list", help="list the recipes")] = False,
    show: Annotated[bool, typer.Option("--show", help="print the recipe, do not train")] = False,
    fresh: Annotated[bool, typer.Option(help="begin anew, not from the last checkpoint")] = False,
    device: Annotated[str, typer.Option(help="auto or cpu")] = "auto",
    workers: Annotated[int, typer.Option(help="processes that load images")] = 0,
    tensorboard: Annotated[bool, typer.Option(help="write a log for TensorBoard")] = True,
) -> None:
    """Train a network as a recipe says; goes on where an interrupted run stopped.

    On several GPUs or machines: torchrun --nproc-per-node 4 -m segedu.cli train RECIPE
    """
    from segedu.training.overrides import with_overrides
    from segedu.training.recipes import RECIPES, find_recipe

    if list_ or recipe is None:
        _print_recipes(list(RECIPES.values()))
        return
    try:
        chosen = with_overrides(find_recipe(recipe), overrides or [])
    except ValueError as error:
        fail(str(error))
    if show:
        for key, value in chosen.to_dict().items():
            console.print(f"{key} = {escape(str(value))}", highlight=False)
        return
    _run(chosen, out or Path("runs") / chosen.name, fresh, device, workers, tensorboard)


def _run(
    recipe: Recipe, folder: Path, fresh: bool, device: str, workers: int, tensorboard: bool
) -> None:
    from segedu.training.checkpoints import TrainingError
    from segedu.training.log import Callback, TensorBoard, TerminalBar
    from segedu.training.loop import train as run_training

    is_main = os.environ.get("RANK", "0") == "0"  # torchrun numbers its processes so
    try:
        with TerminalBar(recipe.best, visible=is_main) as bar:
            callbacks: list[Callback] = [bar]
            if tensorboard and is_main:
                callbacks.append(TensorBoard(folder))
            result = run_training(
                recipe, folder, callbacks=callbacks, device=device, workers=workers, fresh=fresh
            )
    except (TrainingError, ValueError) as error:
        fail(str(error))
    except KeyboardInterrupt as interrupt:
        errors.print(
            f"\n[yellow]{escape(str(interrupt) or 'stopped')}[/]; the same command goes on."
        )
        raise typer.Exit(130) from None
    if is_main:
        console.print(
            f"{recipe.best} {result.scores.get(recipe.best, float('nan')):.4f} after "
            f"{result.steps} steps, best {result.best:.4f} at {result.best_step}; weights in "
            f"{escape(str(folder))}"
        )


def _print_recipes(recipes: list[Recipe]) -> None:
    table = Table(box=None)
    for column in ("recipe", "steps", "batch", "about"):
        table.add_column(column, justify="right" if column in ("steps", "batch") else "left")
    for recipe in recipes:
        table.add_row(recipe.name, str(recipe.steps), str(recipe.batch), recipe.about)
    console.print(table)


def fail(message: str) -> NoReturn:
    """Print an error and end with status 2."""
    errors.print(f"[red]error:[/] {escape(message)}", highlight=False, soft_wrap=True)
    raise typer.Exit(2)
