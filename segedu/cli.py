"""The command `segedu`."""

import typer

from segedu.grading import commands

app = typer.Typer(
    name="segedu",
    help="A course on image segmentation: make, check and grade its assignments.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
app.command()(commands.release)
app.command()(commands.check)
app.command()(commands.grade)


if __name__ == "__main__":
    app()
