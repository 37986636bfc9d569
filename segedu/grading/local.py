"""`segedu check NOTEBOOK`: a student's own notebook against its visible checks, on their machine.

nbval runs the notebook as Jupyter would, cell after cell, and goes on after a failure; here its
verdicts are read off by exercise. This is for the student: it has no walls and gives no grade.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segedu.grading.names import LEFT_OUT, borrowed

PASSED, FAILED, NOT_ATTEMPTED = "passed", "failed", "not attempted"
CELL_SECONDS = 60
ANSI = re.compile(r"(\x1b|#x1B)\[[0-9;]*[A-Za-z]")  # the report spells the escape out


class NotebookError(ValueError):
    """The notebook cannot be checked; the message says why."""


@dataclass(frozen=True)
class Verdict:
    """Outcome of one exercise's visible checks."""

    exercise: str
    status: str
    points: float
    message: str = ""


def check_notebook(path: Path, cell_seconds: int = CELL_SECONDS) -> list[Verdict]:
    """Run `path` through nbval; one verdict an exercise, in order."""
    cells = _read(path)
    tests = [i for i, cell in enumerate(cells) if _meta(cell).get("grade")]
    if not tests:
        raise NotebookError(f"{path} has no checks: is it a notebook from assignments/?")
    outcomes = _run_nbval(path, cell_seconds)
    given = [_source(cell) for cell in cells if _meta(cell).get("grade_id")]
    added = [_source(cell) for cell in cells if not _meta(cell).get("grade_id")]
    verdicts = []
    for index in tests:
        meta = _meta(cells[index])
        name = str(meta.get("grade_id", "")).removeprefix("check_")
        answer = next((c for c in cells if _meta(c).get("grade_id") == name), cells[index])
        number = cells.index(answer)
        own, check = outcomes.get(number, ""), outcomes.get(index)
        if check is None:
            raise NotebookError(f"nbval did not run the check of {name}")
        status = _status(check, own)
        message = _message(own or check) if status == FAILED else ""
        if status == PASSED and (names := borrowed(_source(answer), added, given)):
            message = f"But it {LEFT_OUT.format(', '.join(names))}"
        verdicts.append(Verdict(name, status, float(meta.get("points") or 0), message))
    return verdicts


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cells = notebook["cells"]
    except FileNotFoundError:
        raise NotebookError(f"there is no file {path}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotebookError(f"{path} is no notebook: {error}") from None
    return [cell for cell in cells if isinstance(cell, dict) and cell.get("cell_type") == "code"]


def _run_nbval(path: Path, cell_seconds: int) -> dict[int, str]:
    """Number of each code cell and its failure, empty where it ran."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"),
            *("--nbval-lax", f"--nbval-cell-timeout={cell_seconds}", "--nbval-current-env"),
            *(f"--rootdir={path.resolve().parent}", "-c", "/dev/null", f"--junitxml={report}"),
            str(path.resolve()),
        ]
        run = subprocess.run(command, capture_output=True, text=True, cwd=path.resolve().parent)
        if not report.exists():
            words = (run.stderr or run.stdout).strip()[-2000:]
            raise NotebookError(f"nbval could not run {path}:\n{words}")
        cases = list(ET.parse(report).getroot().iter("testcase"))
    outcomes = {}
    for case in cases:
        number = re.search(r"(\d+)$", case.get("name", ""))
        failure = next(
            (case.find(tag) for tag in ("failure", "error") if case.find(tag) is not None), None
        )
        if number:
            text = "" if failure is None else (failure.text or failure.get("message") or "failed")
            outcomes[int(number[1])] = ANSI.sub("", text)
    if not outcomes:
        raise NotebookError(f"nbval found no code cells in {path}")
    return outcomes


def _status(check: str, own: str) -> str:
    """Of the failure of a check's cell, and that of the answer's own cell ("" for none)."""
    if not check:
        return PASSED
    return NOT_ATTEMPTED if "NotImplementedError" in _message(own or check) else FAILED


def _message(failure: str) -> str:
    """The exception's own last line out of nbval's report of a cell."""
    lines = [line.strip() for line in failure.splitlines() if line.strip()]
    error = re.compile(r"^[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit|Warning|Failed)\b:?")
    found = [line for line in lines if error.match(line)]
    text = found[-1] if found else next((line for line in lines if "imeout" in line), "failed")
    return text.removeprefix("AssertionError: ") or text


def _meta(cell: dict[str, Any]) -> dict[str, Any]:
    meta = cell.get("metadata", {}).get("nbgrader", {})
    return meta if isinstance(meta, dict) else {}


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def docstring_summary(source: str) -> str:
    """First line of the docstring of a cell's first function, for the list of exercises."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return ""
    functions = [s for s in body if isinstance(s, ast.FunctionDef | ast.ClassDef)]
    doc = ast.get_docstring(functions[0]) if functions else None
    return doc.splitlines()[0] if doc else ""
