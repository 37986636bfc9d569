"""The commands `segedu release`, `segedu check` and `segedu grade`."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from segedu.grading.assignment import AssignmentError

console = Console()
errors = Console(stderr=True)


def release(
    assignment: Annotated[str, typer.Argument(help="name or folder, such as 01_superpixels")],
    solutions: Annotated[Path, typer.Option(help="folder of the instructor's sources")] = Path(
        "solutions"
    ),
    assignments: Annotated[Path, typer.Option(help="folder of what students get")] = Path(
        "assignments"
    ),
) -> None:
    """Make the student's notebook from the instructor's: answers and hidden tests taken out."""
    from segedu.grading.release import release as write_release

    source = _assignment_folder(assignment, solutions)
    try:
        written = write_release(source, assignments / source.name)
    except AssignmentError as error:
        _fail(str(error))
    for path in written:
        console.print(f"[green]wrote[/] {escape(str(path))}")


def check(
    notebook: Annotated[Path, typer.Argument(help="your notebook (.ipynb)")],
    seconds: Annotated[int, typer.Option(help="longest time of one cell")] = 60,
) -> None:
    """Run your notebook's visible checks and list them by exercise. Ends with 0 if all passed."""
    from segedu.grading.local import FAILED, PASSED, NotebookError, check_notebook

    try:
        with console.status("running the notebook …"):
            verdicts = check_notebook(notebook, seconds)
    except NotebookError as error:
        _fail(str(error))
    signs = {PASSED: "[green]✓ passed[/]       ", FAILED: "[red]✗ failed[/]       "}
    for verdict in verdicts:
        sign = signs.get(verdict.status, "[yellow]· not attempted[/]")
        console.print(f"{sign} {escape(verdict.exercise)} [dim]({verdict.points:g} points)[/]")
        if verdict.message:
            console.print(f"                  {escape(verdict.message)}", highlight=False)
    passed = sum(v.status == PASSED for v in verdicts)
    console.print(f"\n{passed} of {len(verdicts)} exercises pass their visible checks.")
    if passed == len(verdicts):
        console.print("Hidden checks try other inputs and the edge cases that the text names.")
    raise typer.Exit(0 if passed == len(verdicts) else 1)


def grade(
    submissions: Annotated[Path, typer.Argument(help="folder or zip of submissions")],
    assignment: Annotated[
        str | None, typer.Option(help="name or folder of the assignment (else found out)")
    ] = None,
    solutions: Annotated[Path, typer.Option(help="folder of the instructor's sources")] = Path(
        "solutions"
    ),
    output: Annotated[
        Path | None, typer.Option(help="folder of results (else grades/<assignment>)")
    ] = None,
    gradebook: Annotated[
        str | None,
        typer.Option(
            envvar="SEGEDU_GRADEBOOK",
            help="URL of nbgrader's database, such as postgresql://USER:PASSWORD@HOST/NAME "
            "(needs the extra segedu\\[postgres]), or '' for none (else SQLite in the output)",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="of the hidden inputs (else the last run's, or a new one)")
    ] = None,
    processes: Annotated[int, typer.Option(help="submissions at a time; 0: one a core")] = 0,
    regrade: Annotated[
        bool,
        typer.Option(help="grade again what is graded; without it, a killed run goes on"),
    ] = False,
    unsafe: Annotated[
        bool, typer.Option(help="run student code without a sandbox; marks the grades")
    ] = False,
    scheduler: Annotated[
        str | None,
        typer.Option(
            help="address of a Dask scheduler, tcp://host:8786; its workers need segedu, "
            "bubblewrap and the assignment's folder at the same path"
        ),
    ] = None,
) -> None:
    """Grade a batch: results by student, gradebook, CSV, feedback pages, class summary.

    Ends with 0 if all were graded, 1 if some could not be, 2 if grading stopped.
    """
    from segedu.grading.batch import Options, grade_batch
    from segedu.grading.gradebook import GradebookError
    from segedu.grading.sandbox import SandboxError
    from segedu.grading.submissions import SubmissionsError

    source = _assignment_folder(assignment or _guess(submissions, solutions), solutions)
    options = Options(
        output=output or Path("grades") / source.name,
        seed=seed,
        processes=processes,
        regrade=regrade,
        unsafe=unsafe,
        gradebook=gradebook,
        scheduler=scheduler,
    )
    if unsafe:
        errors.print("[bold red]--unsafe:[/] student code runs as you, without walls.")
    try:
        with _Bar() as bar:
            run = grade_batch(submissions, source, options, bar.update)
    except (SandboxError, AssignmentError, SubmissionsError, GradebookError, OSError) as error:
        _fail(str(error))
    _print_run(run)


def _print_run(run: object) -> None:
    from segedu.grading.batch import Run

    assert isinstance(run, Run)
    folder = run.store.folder
    if run.resumed:
        console.print(f"{run.resumed} were graded before and kept (--regrade grades them again).")
    count = len(run.results)
    scores = [r["score"] for r in run.results if not r.get("failed")]
    middle = statistics.median(scores) if scores else 0
    what = f"{count} submission" + "s" * (count != 1)
    console.print(
        f"{what}, seed {run.store.seed}, sandbox {run.store.engine}; "
        f"median {middle:g} of {run.assignment.points:g} points"
    )
    if run.earlier:
        names = _names([r["student"] for r in run.earlier])
        console.print(
            f"Of earlier batches {len(run.earlier)} stand in the tables as well: {names}. "
            f"To take one out, delete its file in {escape(str(folder / 'results'))}."
        )
    for name in ("grades.csv", "summary.html", "feedback", "gradebook.db"):
        if (folder / name).exists():
            console.print(f"  {escape(str(folder / name))}")
    if run.outdated:
        errors.print(
            f"[yellow]left out of the tables:[/] {_names(run.outdated)}, graded in earlier batches "
            "with another seed, sandbox, or version of the assignment or of segedu; grade those "
            "submissions again."
        )
    failed = [r for r in run.results if r.get("failed")]
    for result in failed:
        name = escape(result["student"])
        errors.print(f"[red]not graded:[/] {name}: {escape(result['failed'])}")
    if failed:
        raise typer.Exit(1)


def _names(students: Sequence[str]) -> str:
    """The first of them, and how many more."""
    more = f" and {len(students) - 8} more" if len(students) > 8 else ""
    return escape(", ".join(sorted(students)[:8])) + more


class _Bar:
    """rich's progress bar, drawn when the number of submissions is known."""

    def __enter__(self) -> _Bar:
        from rich import progress

        columns = (
            progress.TextColumn("grading"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.description}", markup=False),
        )
        self.progress = progress.Progress(*columns, console=errors, auto_refresh=False)
        self.progress.start()
        self.task = self.progress.add_task("", total=None)
        return self

    def update(self, done: int, total: int, student: str) -> None:
        self.progress.update(self.task, completed=done, total=total, description=student[:40])
        self.progress.refresh()

    def __exit__(self, *_: object) -> None:
        self.progress.stop()


def _guess(submissions: Path, solutions: Path) -> str:
    """The assignment that the submissions are of, where that is plain."""
    from segedu.grading.submissions import assignments_of

    known = sorted(p for p in solutions.glob("*") if (p / "checks.py").exists())
    found = known if len(known) == 1 else assignments_of(submissions, known)
    if len(found) != 1:
        names = ", ".join(p.name for p in found or known) or f"none in {solutions}/"
        _fail(f"which assignment is it? Say --assignment NAME; there are {names}")
    console.print(f"assignment [bold]{escape(found[0].name)}[/]")
    return found[0].name


def _assignment_folder(name: str, solutions: Path) -> Path:
    for folder in (solutions / name, Path(name)):
        if folder.is_dir():
            return folder
    known = sorted(p.name for p in solutions.iterdir() if p.is_dir()) if solutions.is_dir() else []
    there = (
        f"; {solutions}/ has {', '.join(known)}" if known else f"; there is no {solutions}/ here"
    )
    _fail(f"no assignment {name}{there}")


def _fail(message: str) -> NoReturn:
    errors.print(f"[bold red]error:[/] {escape(message)}", highlight=False, soft_wrap=True)
    raise typer.Exit(2)
