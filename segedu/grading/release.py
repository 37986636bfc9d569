"""The student's notebook from the instructor's: `segedu release`.

nbgrader's own preprocessors take the answers out, so that the result is what
`nbgrader generate_assignment` would give. What they would miss is refused first: they look for
`BEGIN SOLUTION` in a line and leave in the notebook whatever a misspelt or unbalanced marker does
not enclose. Generating again gives the same bytes: cell ids come from grade ids and contents.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import nbformat

from segedu.grading.assignment import Assignment, AssignmentError, notebook_source, read_notebook

REGIONS = ("SOLUTION", "HIDDEN TESTS", "MARK SCHEME")
EXACT = re.compile(rf"^\s*### (BEGIN|END) ({'|'.join(REGIONS)})\s*$")
ALIKE = re.compile(
    r"\b(begin|end)[\s_-]*(of[\s_-]*)?(the[\s_-]*)?"
    r"(solutions?|answers?|hidden[\s_-]*tests?|mark(ing)?[\s_-]*schemes?)\b",
    re.IGNORECASE,
)
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def release(source: Path, target: Path) -> list[Path]:
    """Write the student's files of assignment folder `source` into `target`; return their paths."""
    files = render_release(source)
    target.mkdir(parents=True, exist_ok=True)
    written = refresh_pair(source)
    for name, data in files.items():
        path = target / name
        path.write_bytes(data)
        written.append(path)
    return written


def refresh_pair(source: Path) -> list[Path]:
    """Bring the instructor's `.ipynb` up to its text pair, which is the source of truth."""
    text = notebook_source(source)
    path = text.with_suffix(".ipynb")
    data = as_ipynb(normalise(read_notebook(text)))
    if text == path or (path.exists() and path.read_bytes() == data):
        return []
    path.write_bytes(data)
    return [path]


def render_release(source: Path) -> dict[str, bytes]:
    """File name to bytes of the student's notebook and its text pair."""
    Assignment.load(source)  # checks, points and ids agree, or it says what does not
    path = notebook_source(source)
    notebook = read_notebook(path)
    for number, cell in enumerate(notebook.cells, 1):
        check_markers(cell, f"{path.name}, cell {number}")
    released = _preprocess(normalise(notebook))
    for cell in released.cells:
        if any(EXACT.match(line) for line in cell.source.splitlines()):
            raise AssignmentError(f"a marker is left in the released cell:\n{cell.source}")
    return {f"{path.stem}.ipynb": as_ipynb(released), f"{path.stem}.py": as_text(released)}


def check_markers(cell: nbformat.NotebookNode, where: str) -> None:
    """Refuse markers that nbgrader would not act on, or that do not pair up within the cell."""
    opened: str | None = None
    for number, line in enumerate(cell.source.splitlines(), 1):
        exact = EXACT.match(line)
        place = f"{where}, line {number}: {line.strip()!r}"
        if exact is None:
            if ALIKE.search(line) and ("#" in line or cell.cell_type != "code"):
                raise AssignmentError(
                    f"{place} looks like a marker but is none; write "
                    "'### BEGIN SOLUTION' (END, HIDDEN TESTS, MARK SCHEME), on a line of its own"
                )
            continue
        word, region = exact.groups()
        if word == "BEGIN" and opened:
            raise AssignmentError(f"{place} begins inside ### BEGIN {opened}")
        if word == "END" and opened != region:
            raise AssignmentError(f"{place} ends what no ### BEGIN {region} began")
        opened = region if word == "BEGIN" else None
        _check_place(cell, region, place)
    if opened:
        raise AssignmentError(f"{where}: ### BEGIN {opened} has no ### END {opened}")


def _check_place(cell: nbformat.NotebookNode, region: str, place: str) -> None:
    meta = cell.metadata.get("nbgrader", {})
    if region == "SOLUTION" and not meta.get("solution"):
        raise AssignmentError(f"{place} stands in a cell that is no solution cell")
    if region == "HIDDEN TESTS" and not meta.get("grade"):
        raise AssignmentError(f"{place} stands in a cell that is no grade cell")


def normalise(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook with stable cell ids, metadata that depends on nothing, and no outputs."""
    node = nbformat.v4.new_notebook(metadata={"kernelspec": dict(KERNEL)})
    node.metadata["language_info"] = {"name": "python"}
    node.metadata["jupytext"] = {"formats": "ipynb,py:percent"}
    node.nbformat_minor = 5
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        new = {
            "code": nbformat.v4.new_code_cell,
            "markdown": nbformat.v4.new_markdown_cell,
            "raw": nbformat.v4.new_raw_cell,
        }[cell.cell_type](cell.source, metadata=cell.metadata)
        new.id = _cell_id(cell, seen)
        node.cells.append(new)
    return node


def _cell_id(cell: nbformat.NotebookNode, seen: dict[str, int]) -> str:
    name = cell.metadata.get("nbgrader", {}).get("grade_id")
    if not name or not re.fullmatch(r"[A-Za-z0-9_-]{1,60}", name):
        name = "cell-" + hashlib.sha256(cell.source.encode()).hexdigest()[:12]
    seen[name] = seen.get(name, 0) + 1
    return name if seen[name] == 1 else f"{name}-{seen[name]}"


def _preprocess(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """What `nbgrader generate_assignment` does to a notebook, its database left alone."""
    from nbgrader import preprocessors as nb

    resources: Mapping[str, object] = {}
    for step in (
        nb.LockCells,
        nb.ClearSolutions,
        nb.ClearOutput,
        nb.CheckCellMetadata,
        nb.ComputeChecksums,
        nb.ClearHiddenTests,
        nb.ClearMarkScheme,
        nb.ComputeChecksums,
        nb.CheckCellMetadata,
    ):
        try:
            notebook, resources = step().preprocess(notebook, resources)
        except Exception as error:
            raise AssignmentError(f"nbgrader's {step.__name__} says: {error}") from error
    return notebook


def as_ipynb(notebook: nbformat.NotebookNode) -> bytes:
    """The notebook file's bytes."""
    nbformat.validate(notebook)
    return (nbformat.writes(notebook, version=4).rstrip("\n") + "\n").encode()


def as_text(notebook: nbformat.NotebookNode) -> bytes:
    """The bytes of the notebook's text pair, free of jupytext's own version."""
    import jupytext

    text = jupytext.writes(notebook, fmt="py:percent")
    kept = [line for line in text.splitlines(True) if not re.match(r"#\s+jupytext_version:", line)]
    return "".join(kept).encode()
