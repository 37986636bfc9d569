"""Scores into nbgrader's gradebook, through nbgrader's own API.

formgrader then lists the submissions, shows each with the checks' outcome below its cells, and
manual grading goes on there: `nbgrader formgrader` in the results folder, whose
`nbgrader_config.py` names this database. Manual scores and comments of a person are left alone for
as long as the assignment has the cell they are of.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import multiprocessing as mp
import os
import re
import signal
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from segedu.grading.assignment import Assignment, Cell
from segedu.grading.grader import Result
from segedu.grading.results import write_atomically
from segedu.grading.submissions import released_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbgrader.api import Gradebook, SubmittedNotebook

UNSAFE = "Graded without a sandbox (--unsafe)."


class GradebookError(RuntimeError):
    """The database refused; the message says what it said."""


class GradebookProcess:
    """The gradebook in a process of its own, which loads nbgrader while submissions are graded.

    Args:
        url: database of nbgrader: sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME.
        assignment: whose scores.
        folder: where formgrader's notebooks and configuration go.
    """

    def __init__(self, url: str, assignment: Assignment, folder: Path) -> None:
        url = with_driver(url)
        context: Any = mp.get_context("fork" if sys.platform == "linux" else "spawn")
        self._connection, theirs = context.Pipe()
        args = (theirs, url, assignment.folder, folder)
        self._process = context.Process(target=_serve, args=args, daemon=True)
        self._process.start()
        theirs.close()

    def reset(self, keys: Sequence[str]) -> None:
        """Take the automatic scores of these students out, so that no old one can stay."""
        self._ask("reset", list(keys))

    def save(self, results: Sequence[Result], fresh: Collection[str]) -> None:
        """Write all results, and the notebooks that formgrader shows; see `save_scores`."""
        self._ask("save", (list(results), set(fresh)))

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.kill()
        self._process.join()

    def _ask(self, what: str, data: Any) -> None:
        try:
            self._connection.send((what, data))
            problem = self._connection.recv()
        except (EOFError, OSError):
            problem = "its process ended"
        if problem:
            raise GradebookError(problem)


def _serve(connection: Connection, url: str, source: Path, folder: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()
    os.nice(5)  # the graders first
    os.umask(0o077)  # scores are the instructor's alone
    assignment = Assignment.load(source)
    load_nbgrader()
    work: dict[str, Callable[[Any], None]] = {
        "reset": lambda keys: reset_scores(url, assignment, keys),
        "save": lambda data: save_scores(url, assignment, data[0], data[1], folder),
    }
    while True:
        try:
            while not connection.poll(1.0):  # a fork holds the parent's end too: it never closes
                if os.getppid() != parent:
                    return
            what, data = connection.recv()
        except (EOFError, OSError):
            return
        try:
            work[what](data)
            connection.send("")
        except Exception as error:
            text = str(error) if isinstance(error, GradebookError) else repr(error)
            problem = f"the gradebook {url} could not be written: {text}"
            connection.send(without_password(problem, url))


def with_driver(url: str) -> str:
    """PostgreSQL's URL with the driver that segedu[postgres] installs; any other as it is."""
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)


def without_password(text: str, url: str) -> str:
    """`text` with the password of the database's URL starred out."""
    found = re.match(r"[^:/]+://[^:/@]*:(.+)@", url)
    return text.replace(f":{found[1]}@", ":***@") if found else text


def load_nbgrader() -> None:
    """Import nbgrader's API without the server extensions that its package imports first.

    They take most of the time, and so does the grammar with which jsonschema would check URLs; the
    API needs neither. For a process that only writes the gradebook.
    """
    spec = find_spec("nbgrader")
    if spec is None or "nbgrader" in sys.modules:
        return
    package = ModuleType("nbgrader")
    package.__path__ = list(spec.submodule_search_locations or ())
    sys.modules["nbgrader"] = package
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    try:
        importlib.import_module("nbgrader.api")
    except Exception:
        for name in [n for n in sys.modules if n.partition(".")[0] == "nbgrader"]:
            del sys.modules[name]


def _schema_version() -> str:
    """nbgrader's `get_alembic_version` without its call of a program that PATH may lack."""
    import nbgrader
    from alembic.script import ScriptDirectory

    head = ScriptDirectory(str(Path(nbgrader.__path__[0]) / "alembic")).get_current_head()
    return str(head)


@contextmanager
def opened(url: str) -> Iterator[Gradebook]:
    """nbgrader's gradebook at `url`."""
    from nbgrader import api
    from sqlalchemy.exc import SQLAlchemyError

    api.get_alembic_version = _schema_version
    if url.startswith("postgresql+psycopg:") and find_spec("psycopg") is None:
        raise GradebookError("PostgreSQL needs its driver: pip install 'segedu[postgres]'")
    try:
        with api.Gradebook(url) as gradebook:
            yield gradebook
    except (SQLAlchemyError, ImportError) as error:
        raise GradebookError(f"it says: {error}") from error


def reset_scores(url: str, assignment: Assignment, keys: Sequence[str]) -> None:
    """Take the automatic scores of these students out, so that no old one can stay.

    Shows besides that the gradebook can be written.
    """
    from nbgrader.api import MissingEntry

    with opened(url) as gradebook:
        gradebook.update_or_create_assignment(assignment.name)
        for key in keys:
            try:
                submission = gradebook.find_submission(assignment.name, key)
            except MissingEntry:
                continue
            for notebook in submission.notebooks:
                for grade in notebook.grades:
                    grade.auto_score = None
                for comment in notebook.comments:
                    comment.auto_comment = None
        gradebook.db.commit()


def save_scores(
    url: str,
    assignment: Assignment,
    results: Sequence[Result],
    fresh: Collection[str],
    folder: Path,
) -> None:
    """Write all results, and the notebooks that formgrader shows.

    Args:
        url: of the database.
        assignment: whose results they are.
        results: of this batch and of earlier ones.
        fresh: keys of those graded just now, which a person has to look at again where that
            person's scores are; with the others nothing has changed.
        folder: for formgrader's notebooks and configuration.
    """
    import warnings

    with opened(url) as gradebook, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbgrader's own use of SQLAlchemy
        _save_structure(gradebook, assignment)
        for result in results:
            _save_result(gradebook, assignment, result, result["key"] in fresh)
        gradebook.db.commit()
    for result in results:
        path = folder / "autograded" / result["key"] / assignment.name
        data = json.dumps(graded_notebook(assignment, result), indent=1).encode()
        write_atomically(path / f"{assignment.notebook}.ipynb", data)
    config = f"c = get_config()\nc.CourseDirectory.db_url = {url!r}\n"
    write_atomically(folder / "nbgrader_config.py", config.encode())


def _save_structure(gradebook: Gradebook, assignment: Assignment) -> None:
    """The assignment, its notebook and its cells, as nbgrader's SaveCells does."""
    where = (assignment.notebook, assignment.name)
    stored = gradebook.update_or_create_assignment(assignment.name)
    for old in [n.name for n in stored.notebooks if n.name != assignment.notebook]:
        gradebook.remove_notebook(old, assignment.name)
    notebook = gradebook.update_or_create_notebook(*where)
    wanted = {
        (c.grade_id, what)
        for c in assignment.cells
        for what in ("grade", "solution", "task")
        if getattr(c, what)
    }
    for what in ("grade", "solution", "task"):
        for cell in list(getattr(notebook, f"{what}_cells")):
            if (cell.name, what) not in wanted:  # renamed or taken out since
                for entry in [*cell.grades, *cell.comments]:
                    gradebook.db.delete(entry)
                gradebook.db.delete(cell)
    gradebook.db.commit()
    for cell in assignment.cells:
        if not cell.grade_id:
            continue
        if cell.grade:
            gradebook.update_or_create_grade_cell(
                cell.grade_id, *where, max_score=cell.points, cell_type=cell.kind
            )
        if cell.solution:
            gradebook.update_or_create_solution_cell(cell.grade_id, *where)
        if cell.task:
            gradebook.update_or_create_task_cell(
                cell.grade_id, *where, max_score=cell.points, cell_type=cell.kind
            )
        source = released_source(cell)
        gradebook.update_or_create_source_cell(
            cell.grade_id, *where, cell_type=cell.kind, locked=not cell.solution, source=source
        )


def _save_result(gradebook: Gradebook, assignment: Assignment, result: Result, fresh: bool) -> None:
    from nbgrader.api import SubmittedNotebook

    key = result["key"]
    gradebook.update_or_create_student(key, last_name=result["student"][:120])
    with gradebook.db.no_autoflush:
        submission = gradebook.update_or_create_submission(assignment.name, key)
    found = [n for n in submission.notebooks if n.name == assignment.notebook]
    source = gradebook.find_notebook(assignment.notebook, assignment.name)
    notebook = found[0] if found else SubmittedNotebook(notebook=source, assignment=submission)
    _add_new_cells(gradebook, notebook)
    scores = {assignment.exercise(e["name"]).test_id: e for e in result["exercises"]}
    manual = {m["name"]: m for m in result["manual"]}
    for grade in notebook.grades:
        if result.get("failed"):  # not graded, which is not 0
            score, look = None, True
        elif grade.name in scores:
            score, look = float(scores[grade.name]["earned"]), grade.manual_score is not None
        else:
            answered = manual.get(grade.name, {}).get("source", "").strip()
            score, look = (None, True) if answered else (0.0, False)
        if fresh or grade.auto_score != score:  # else a person may have said that it is done
            grade.auto_score, grade.needs_manual_grade = score, look
    comments = {e["name"]: _comment(e) for e in result["exercises"]}
    for comment in notebook.comments:
        words = comments.get(comment.name)
        if result["sandbox"] == "unsafe" and comment.name in comments:
            words = f"{UNSAFE}\n{words}".strip()
        comment.auto_comment = words


def _add_new_cells(gradebook: Gradebook, notebook: SubmittedNotebook) -> None:
    """Grades and comments for cells that the assignment did not have when this was handed in."""
    from nbgrader.api import Comment, Grade

    source = notebook.notebook
    graded = {grade.cell_id for grade in notebook.grades}
    for cell in (*source.grade_cells, *source.task_cells):
        if cell.id not in graded:
            gradebook.db.add(Grade(cell_id=cell.id, notebook=notebook))
    commented = {comment.cell_id for comment in notebook.comments}
    for cell in (*source.solution_cells, *source.task_cells):
        if cell.id not in commented:
            gradebook.db.add(Comment(cell_id=cell.id, notebook=notebook))
    gradebook.db.flush()


def _comment(exercise: dict[str, Any]) -> str:
    lines = [
        f"{check['title']}: {check['message'] or check['status']}"
        + (f" ({check['misconception']})" if check["misconception"] else "")
        for check in exercise["checks"]
        if check["status"] != "passed"
    ]
    return "\n".join(lines)


def graded_notebook(assignment: Assignment, result: Result) -> dict[str, Any]:
    """The instructor's notebook with the student's answers and the checks' outcome as outputs."""
    sources = {e["name"]: e["source"] for e in result["exercises"]}
    sources |= {m["name"]: m["source"] for m in result["manual"]}
    outcome = {assignment.exercise(e["name"]).test_id: e for e in result["exercises"]}
    cells = []
    for number, cell in enumerate(assignment.cells):
        source = sources.get(cell.grade_id, "") if cell.solution else released_source(cell)
        entry: dict[str, Any] = {
            "id": f"cell-{number}",
            "cell_type": cell.kind,
            "metadata": {"nbgrader": _metadata(cell, source)} if cell.grade_id else {},
            "source": source,
        }
        if cell.kind == "code":
            text = _outcome(outcome[cell.grade_id]) if cell.grade_id in outcome else ""
            if text and result["sandbox"] == "unsafe":
                text = f"{UNSAFE}\n{text}"
            entry["execution_count"] = None
            stream = {"output_type": "stream", "name": "stdout", "text": text}
            entry["outputs"] = [stream] if text else []
        cells.append(entry)
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _metadata(cell: Cell, source: str) -> dict[str, Any]:
    meta: dict[str, Any] = {
        "grade_id": cell.grade_id,
        "grade": cell.grade,
        "solution": cell.solution,
        "task": cell.task,
        "locked": not cell.solution,
        "schema_version": 3,
        "cell_type": cell.kind,
        "checksum": hashlib.md5(source.encode()).hexdigest(),
    }
    return meta | ({"points": cell.points} if cell.grade or cell.task else {})


def _outcome(exercise: dict[str, Any]) -> str:
    def line(check: dict[str, Any]) -> Iterable[str]:
        yield f"{check['status']:>13}  {check['earned']:g}/{check['points']:g}  {check['title']}"
        if check["message"]:
            yield f"{'':13}  {check['message']}"
        if check["misconception"]:
            yield f"{'':13}  {check['misconception']}"

    lines = [text for check in exercise["checks"] for text in line(check)]
    return "\n".join([f"{exercise['earned']:g} of {exercise['points']:g} points", *lines, ""])
