"""The command `segedu evaluate interactive`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

console = Console()
evaluate = typer.Typer(help="Measure a method on a data set.", no_args_is_help=True)


@evaluate.callback()
def _group() -> None:
    """Keep `interactive` a word of its own: other sections' benchmarks stand beside it."""


@evaluate.command()
def interactive(
    method: Annotated[
        str,
        typer.Option(
            help="grabcut, ritm, sam; official weights such as ritm-coco-lvis-h18 or sam-vit-b; or "
            "module:name of your own"
        ),
    ],
    data: Annotated[Path, typer.Option(help="folder of GrabCut, Berkeley, DAVIS or SBD")],
    layout: Annotated[
        str | None, typer.Option(help="grabcut, berkeley, davis or sbd [found out]")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="folder of the run [evaluations/<method>-<data>]")
    ] = None,
    workers: Annotated[int, typer.Option(help="processes")] = 1,
    max_clicks: Annotated[int, typer.Option(help="at most that many an object")] = 20,
    until: Annotated[float, typer.Option(help="IoU at which the robot stops")] = 0.9,
    objects: Annotated[int | None, typer.Option(help="only the first so many")] = None,
    target_size: Annotated[
        int | None,
        typer.Option(help="pixels that RITM sees [official weights: 400; the paper: DAVIS 600]"),
    ] = None,
    zoom: Annotated[bool, typer.Option(help="RITM zooms in from the second click on")] = True,
) -> None:
    """Let a robot click on every object: NoC@85, NoC@90, failures, the curve, a report.

    A run that was stopped goes on where it was when the same command is given again.
    """
    from segedu.evaluation.interactive import Evaluation, EvaluationError, summarize
    from segedu.evaluation.interactive import evaluate as measure_all
    from segedu.evaluation.report import write_report

    slug = method.replace(":", "-").replace(".", "-")
    folder = output or Path("evaluations") / f"{slug}-{data.resolve().name}"
    try:
        evaluation = Evaluation(
            method, str(data), layout, max_clicks, until, objects, target_size, zoom
        )
        records = measure_all(evaluation, folder, workers)
    except EvaluationError as error:
        Console(stderr=True).print(f"[red]error:[/] {error}")
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        console.print(f"stopped; what is measured lies in {folder}, the same command goes on")
        raise typer.Exit(130) from None
    write_report(records, evaluation, folder / "report.html")
    summary = summarize(records, evaluation)
    table = Table("measure", "value")
    for name, value in summary.items():
        if name != "mean_iou":
            table.add_row(name, f"{value:.3f}" if isinstance(value, float) else str(value))
    for clicks in (1, 3, 5, 10, 20):
        if clicks <= len(summary["mean_iou"]):
            table.add_row(f"mean IoU, {clicks} clicks", f"{summary['mean_iou'][clicks - 1]:.3f}")
    console.print(table)
    console.print(f"report: {folder / 'report.html'}")
