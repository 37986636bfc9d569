"""The command `segedu`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segedu.evaluation.commands import evaluate
from segedu.grading import commands
from segedu.training import commands as training

app = typer.Typer(
    name="segedu",
    help="A course on image segmentation: its networks, and its assignments.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
app.command()(commands.release)
app.command()(commands.check)
app.command()(commands.grade)
app.command()(training.train)
app.add_typer(evaluate, name="evaluate")

# Here, because training and weights do not know each other.
weights = typer.Typer(help="Trained weights: list, check, export.", no_args_is_help=True)
app.add_typer(weights, name="weights")
Folder = Annotated[Path | None, typer.Option(help="of checkpoints [the course's]")]
Where = Annotated[
    list[str] | None, typer.Argument(help="data.root=FOLDER, for data that are elsewhere")
]


@weights.command("list")
def list_weights() -> None:
    """List the checkpoints that come with the course, and the official files that `load` knows."""
    from segedu.weights import read_card, shipped_names
    from segedu.weights.official import OFFICIAL

    for name in shipped_names():
        card = read_card(name)
        best = card["recipe"]["best"]
        typer.echo(
            f"{name:24} {card['parameters'] / 1e6:6.2f} M  {best} {card['scores'][best]:.3f}  "
            f"{card['about']}"
        )
    for entry in OFFICIAL.values():
        typer.echo(f"{entry.name:36} {entry.megabytes:5g} MB  {entry.licence}  {entry.about}")


@weights.command("export")
def export_weights(
    run: Annotated[Path, typer.Argument(help="folder of a finished run")],
    name: Annotated[str, typer.Argument(help="of the checkpoint")],
    where: Where = None,
    folder: Folder = None,
) -> None:
    """Write a run's best weights in half precision, with a card, its score measured anew."""
    from segedu.training.cards import data_of, make_card, read_run
    from segedu.training.checkpoints import TrainingError
    from segedu.weights.shipped import WeightsError, build, in_half_precision, write_shipped

    try:
        recipe, state, step = read_run(run)
        state = in_half_precision(state)
        plain, splits = recipe.to_dict(), data_of(recipe, where or [])
        net = build(plain["model"], num_classes=len(splits.classes), **recipe.model_args)
        net.load_state_dict(state)
        card = make_card(name, recipe, net.eval(), step, run, splits)
        path = write_shipped(name, state, card, folder)
    except (TrainingError, WeightsError, ValueError, OSError) as error:
        training.fail(str(error))
    typer.echo(f"{path}: {recipe.best} {card['scores'][recipe.best]} on {card['measured_on']}")
    if card["data_fingerprint"] != card["data_fingerprint_in_training"]:
        typer.echo("note: the data have changed since it was trained", err=True)


@weights.command("check")
def check_weights(
    name: Annotated[str, typer.Argument(help="of a checkpoint, as `list` shows")],
    where: Where = None,
    folder: Folder = None,
    tolerance: Annotated[float, typer.Option(help="by which scores may differ")] = 0.005,
) -> None:
    """Measure a checkpoint's scores again; ends with 0 when they are those on its card.

    It ends with 1 when they differ, and with 2 when they cannot be measured.
    """
    from segedu.training.cards import data_of, measure
    from segedu.training.checkpoints import TrainingError
    from segedu.training.recipe import Recipe
    from segedu.training.stream import fingerprint
    from segedu.weights.shipped import WeightsError, load_shipped, read_card

    try:
        card = read_card(name, folder)
        recipe = Recipe.from_dict(card["recipe"])
        splits = data_of(recipe, where or [])
        if fingerprint(splits.test) != card["data_fingerprint"]:
            typer.echo(
                f"the data are not those that {name} was measured on: train it anew", err=True
            )
        scores = measure(recipe, load_shipped(name, folder=folder), splits)
    except (TrainingError, WeightsError, ValueError, OSError) as error:
        training.fail(str(error))
    wrong = False
    for key, value in card["scores"].items():
        difference = abs((scores[key] or 0) - (value or 0))
        too_far = key == recipe.best and difference > tolerance
        wrong |= too_far
        typer.echo(f"{key:28} card {value}  now {scores[key]}{'  DIFFERS' if too_far else ''}")
    raise typer.Exit(1 if wrong else 0)


if __name__ == "__main__":
    app()
