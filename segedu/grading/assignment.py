"""An assignment as its author wrote it: notebook, checks, banks of wrong and right answers.

solutions/01_superpixels/
    superpixels.py      text pair of the instructor's notebook, the source of truth
    superpixels.ipynb   the same in nbgrader's format
    checks.py           hidden checks, see `exercise`
    wrong/<exercise>/<slug>.py    a plausible mistake; first line of its docstring names it
    right/<exercise>/<slug>.py    another right answer
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import segedu
from segedu.grading.exercise import Check, LocalStudent, Reference, Settings
from segedu.grading.names import imported_modules, names_of, needed, without_magics

if TYPE_CHECKING:
    import nbformat

FORMATS = (".py", ".ipynb")


class AssignmentError(ValueError):
    """The assignment itself is broken; the message says where and what to change."""


@dataclass(frozen=True)
class Cell:
    """One cell of the instructor's notebook with nbgrader's metadata taken apart."""

    source: str
    kind: str
    grade_id: str = ""
    points: float = 0.0
    solution: bool = False
    grade: bool = False
    task: bool = False

    @property
    def is_setup(self) -> bool:
        """Given code, which runs with the answers that use it."""
        return self.kind == "code" and not (self.solution or self.grade or self.task)

    @property
    def is_manual(self) -> bool:
        """An answer that a person grades."""
        return self.task or (self.solution and self.grade)


@dataclass(frozen=True)
class Answer:
    """An answer of a bank: complete source of the solution cell."""

    slug: str
    title: str
    source: str


@dataclass(frozen=True)
class Exercise:
    """One solution cell, the checks on it, and its banks."""

    name: str
    test_id: str
    points: float
    checks: tuple[Check, ...]
    settings: Settings
    wrong: tuple[Answer, ...]
    right: tuple[Answer, ...]


@dataclass(frozen=True)
class Piece:
    """A cell to run for an exercise: given code, or an answer (`grade_id` says whose)."""

    source: str
    grade_id: str = ""


@dataclass(frozen=True)
class Assignment:
    """See the module's docstring; made by `Assignment.load`."""

    name: str
    folder: Path
    notebook: str
    cells: tuple[Cell, ...]
    exercises: tuple[Exercise, ...]
    manual: tuple[Cell, ...]

    @classmethod
    def load(cls, folder: str | Path) -> Assignment:
        """Read an assignment's folder; raises AssignmentError with what to change."""
        path = Path(folder).resolve()
        if not path.is_dir():
            raise AssignmentError(f"there is no folder {path}")
        source = notebook_source(path)
        cells = tuple(_cell(cell) for cell in read_cells(source))
        for cell in cells:
            _compile(cell, source)
        checks, settings = _load_checks(path)
        exercises = _exercises(path, cells, checks, settings)
        manual = tuple(cell for cell in cells if cell.is_manual)
        return cls(path.name, path, source.stem, cells, exercises, manual)

    def exercise(self, name: str) -> Exercise:
        """The exercise of that name."""
        for exercise in self.exercises:
            if exercise.name == name:
                return exercise
        known = ", ".join(e.name for e in self.exercises)
        raise AssignmentError(f"{self.name} has no exercise {name}; there are {known}")

    @property
    def points(self) -> float:
        """Points of all exercises and of what a person grades."""
        return sum(e.points for e in self.exercises) + sum(c.points for c in self.manual)

    @cached_property
    def solutions(self) -> dict[str, str]:
        """grade_id of each solution cell and the instructor's source."""
        return {cell.grade_id: cell.source for cell in self.cells if cell.solution}

    def pieces(self, name: str, answers: Mapping[str, str]) -> list[Piece]:
        """What runs for exercise `name`: the earlier cells it needs, then its own answer.

        Args:
            name: the exercise.
            answers: source of solution cells by grade_id, a submission's or the instructor's.
        """
        position = next(i for i, cell in enumerate(self.cells) if cell.grade_id == name)
        answer = answers.get(name, "")
        earlier = [cell for cell in self.cells[:position] if cell.is_setup or cell.solution]
        setup = [names_of(cell.source).defined for cell in earlier if cell.is_setup]
        given = frozenset[str]().union(*setup)
        bound = []
        for cell in earlier:
            theirs = answers.get(cell.grade_id, "") if cell.solution else cell.source
            names, official = names_of(theirs), names_of(cell.source)
            # Who imports NumPy once more does not thereby define it for all that comes after.
            own = names.defined - given if cell.solution else names.defined
            bound.append(type(names)(official.defined | own, names.used))
        wanted = names_of(answer).used | set(self.exercise(name).settings.needs)
        chosen = [earlier[index] for index in needed(bound, frozenset(wanted))]
        pieces = [
            Piece(answers.get(c.grade_id, ""), c.grade_id) if c.solution else Piece(c.source)
            for c in chosen
        ]
        return [
            Piece(without_magics(piece.source), piece.grade_id)
            for piece in [*pieces, Piece(answer, name)]
            if piece.source.strip()
        ]

    def local_student(self, name: str, source: str) -> LocalStudent:
        """A trusted answer to exercise `name`, run in this process."""
        pieces = self.pieces(name, {**self.solutions, name: source})
        return LocalStudent.from_source(*(piece.source for piece in pieces), name=name)

    def reference(self, name: str) -> Reference:
        """The instructor's solution of exercise `name`."""
        pieces = self.pieces(name, self.solutions)
        return Reference.from_source(*(p.source for p in pieces), name=f"solution of {name}")

    def warm_modules(self) -> list[str]:
        """Modules that given cells and right answers import and no exercise forbids.

        The warm parent has them, so that an import costs no answer its time.
        """
        forbidden = {m for e in self.exercises for m in e.settings.forbidden}
        sources = [c.source for c in self.cells if c.kind == "code"]
        sources += [answer.source for e in self.exercises for answer in e.right]
        modules = {m for source in sources for m in imported_modules(source)}
        return sorted(m for m in modules if not any(f"{m}.".startswith(f"{f}.") for f in forbidden))

    @cached_property
    def fingerprint(self) -> str:
        """Digest of everything that grades and feedback depend on.

        Of the notebook that is the cells that run or are answers: its prose and its outputs may
        change and every grade stays. Besides, all other files of the folder, and segedu's code.
        """
        digest = hashlib.sha256(f"{self.name}\0{segedu.__version__}".encode())
        for cell in self.cells:
            if cell.kind == "code" or cell.is_manual:
                digest.update(repr(cell).encode())
        notebook = {self.folder / f"{self.notebook}{suffix}" for suffix in FORMATS}
        for root, files in ((self.folder, "*"), (Path(segedu.__file__).parent, "*.py")):
            for path in sorted(p for p in root.rglob(files) if p.is_file() and p not in notebook):
                inside = path.relative_to(root)
                if not any(p == "__pycache__" or p.startswith(".") for p in inside.parts):
                    digest.update(f"{inside.as_posix()}\0".encode() + path.read_bytes())
        return digest.hexdigest()


def notebook_source(folder: Path) -> Path:
    """The notebook's text pair, or the notebook itself where there is none."""
    texts = [p for p in sorted(folder.glob("*.py")) if p.name not in ("checks.py", "conftest.py")]
    found = texts or sorted(folder.glob("*.ipynb"))
    if len(found) != 1:
        names = ", ".join(p.name for p in found) or "none"
        raise AssignmentError(f"{folder} must hold one notebook (.py or .ipynb), found {names}")
    return found[0]


def read_notebook(path: Path) -> nbformat.NotebookNode:
    """A notebook or its text pair as nbformat's current version."""
    if path.suffix == ".ipynb":
        import nbformat

        return nbformat.read(path, as_version=4)
    import jupytext

    return jupytext.read(path)


def read_cells(path: Path) -> list[Mapping[str, Any]]:
    """Cells of a text pair; from its `.ipynb` where that agrees, since jupytext loads slowly."""
    notebook = path.with_suffix(".ipynb")
    if notebook.exists():
        try:
            cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        except (ValueError, KeyError, TypeError) as error:
            raise AssignmentError(f"{notebook} is no notebook: {error!r}; make it anew") from error
        cells = [{**c, "source": "".join(c["source"])} for c in cells]
        if path == notebook or _agree(cells, path.read_text(encoding="utf-8")):
            return cells
    return list(read_notebook(path).cells)


def _agree(cells: list[dict[str, Any]], text: str) -> bool:
    """Whether a notebook's cells are those of its text pair, as far as grading looks at them."""
    headers = [line for line in text.splitlines() if re.match(r"# %%(\s|$)", line)]
    if len(headers) != len(cells):
        return False
    for cell, header in zip(cells, headers, strict=True):
        if ("[markdown]" in header) != (cell["cell_type"] == "markdown"):
            return False
        if cell["cell_type"] == "code" and cell["source"] not in text:
            return False
        meta = cell.get("metadata", {}).get("nbgrader", {})
        written = re.search(r"nbgrader=(\{.*?\})", header)
        theirs = json.loads(written[1]) if written else {}
        if any(meta.get(key) != value for key, value in theirs.items() if key != "checksum"):
            return False
    return True


def _compile(cell: Cell, path: Path) -> None:
    if cell.kind != "code" or not cell.solution:  # given cells may hold what is IPython's alone
        return
    try:
        ast.parse(without_magics(cell.source))
    except SyntaxError as error:
        line = (error.text or "").strip()
        raise AssignmentError(f"{path}, cell {cell.grade_id}: {error.msg}: {line}") from error


def _cell(cell: Mapping[str, Any]) -> Cell:
    meta = cell["metadata"].get("nbgrader", {})
    return Cell(
        source=cell["source"],
        kind=cell["cell_type"],
        grade_id=meta.get("grade_id", ""),
        points=float(meta.get("points") or 0),
        solution=bool(meta.get("solution")),
        grade=bool(meta.get("grade")),
        task=bool(meta.get("task")),
    )


def _load_checks(folder: Path) -> tuple[list[Check], dict[str, Settings]]:
    path = folder / "checks.py"
    if not path.exists():
        raise AssignmentError(f"{folder} has no checks.py with the hidden checks")
    name = f"segedu_checks_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise AssignmentError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise AssignmentError(f"{path} cannot be run: {type(error).__name__}: {error}") from error
    found = [getattr(value, "segedu_check", None) for value in vars(module).values()]
    settings = getattr(module, "SETTINGS", {})
    return [c for c in found if isinstance(c, Check)], dict(settings)


def _exercises(
    folder: Path, cells: tuple[Cell, ...], checks: list[Check], settings: dict[str, Settings]
) -> tuple[Exercise, ...]:
    exercises: list[Exercise] = []
    answers = [cell for cell in cells if cell.solution and not cell.grade]
    ids = [cell.grade_id for cell in cells if cell.grade_id]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise AssignmentError(f"two cells have the same grade_id {twice[0]}")
    for name in (c.grade_id for c in answers):
        own = tuple(c for c in checks if c.exercise == name)
        test = next((c for c in cells if c.grade and c.grade_id == f"check_{name}"), None)
        if test is None:
            raise AssignmentError(f"solution cell {name} has no grade cell check_{name}")
        total = sum(c.points for c in own)
        if abs(total - test.points) > 1e-9:
            raise AssignmentError(
                f"the checks of {name} sum to {total:g} points, its cell check_{name} says "
                f"{test.points:g}"
            )
        banks = {kind: _bank(folder / kind / name) for kind in ("wrong", "right")}
        default = settings.get("*", Settings())
        exercises.append(
            Exercise(
                name,
                test.grade_id,
                total,
                own,
                settings.get(name, default),
                banks["wrong"],
                banks["right"],
            )
        )
    known = {exercise.name for exercise in exercises}
    strays = sorted({c.exercise for c in checks} | set(settings) - {"*"})
    if unknown := [name for name in strays if name not in known]:
        raise AssignmentError(f"checks.py names {unknown[0]}, but no solution cell has that id")
    return tuple(exercises)


def _bank(folder: Path) -> tuple[Answer, ...]:
    answers = []
    for path in sorted(folder.glob("*.py")):
        source = path.read_text(encoding="utf-8")
        try:
            doc = ast.get_docstring(ast.parse(source)) or ""
        except SyntaxError as error:
            raise AssignmentError(f"{path}, line {error.lineno}: {error.msg}") from error
        if not doc:
            raise AssignmentError(f"{path} needs a docstring: its first line names the idea")
        answers.append(Answer(path.stem, doc.splitlines()[0], source))
    return tuple(answers)
