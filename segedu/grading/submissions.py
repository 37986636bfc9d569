"""What students handed in: found, read with suspicion, matched with the instructor's cells.

`find_submissions` knows nbgrader's layout (`<student>/<assignment>/<notebook>.ipynb`), one folder a
student, a flat folder, and zips as Moodle and Canvas export them. Nothing is unpacked to disk, no
symbolic link is followed, nothing large is read. Of a notebook only the source of solution cells is
used, by grade_id; whatever else was changed becomes a line of the report.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from segedu.grading.assignment import Assignment, Cell, notebook_source
from segedu.grading.names import LEFT_OUT, borrowed

MAX_NOTEBOOK = 20 << 20
MAX_CELLS = 2000
MAX_SOURCE = 512 << 10
IGNORED = (".ipynb_checkpoints", ".git", "__MACOSX")
MAX_MEMBERS = 20_000
MAX_NOTEBOOKS = 20  # of one student
MAX_LOOK = 4 << 20  # bytes: a larger notebook is not looked into to choose among several
LONGEST_NAME = 255
LINK = "is a symbolic link, which is not followed"
MAX_ADDED, LONGEST_ADDED = 50, 20_000
STUB = "# YOUR CODE HERE\nraise NotImplementedError()"
MOODLE = re.compile(r"(?P<student>.+_\d+)_assignsubmission_.*")
CANVAS = re.compile(r"(?P<student>[^_]+(?:_LATE)?_\d+)_\d+_.+\.ipynb", re.IGNORECASE)


class SubmissionsError(ValueError):
    """There is nothing to grade; the message says what was expected."""


@dataclass(frozen=True)
class Submission:
    """One student's notebook: its bytes, or the problem that kept it from being read.

    Attributes:
        student: name, as the layout tells it.
        origin: path inside what was handed in.
        data: the file.
        problem: why there is none.
        notes: for the report.
        place: the student's folder; notebooks of one name are one student's only if it is the same.
    """

    student: str
    origin: str
    data: bytes = b""
    problem: str = ""
    notes: tuple[str, ...] = ()
    place: str = ""

    @property
    def key(self) -> str:
        """The student's name made safe for a file; equal for equal names only."""
        safe = re.sub(r"[^A-Za-z0-9._-]+", "_", self.student).strip("._-")[:60]
        if safe and safe == self.student == safe.lower():  # Ann and ann are one file on some disks
            return safe
        return f"{safe or 'student'}-{_digest(self.student)}"

    @property
    def digest(self) -> str:
        """Of everything the score may depend on."""
        return hashlib.sha256(self.problem.encode() + b"\0" + self.data).hexdigest()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]


@dataclass
class Answers:
    """Sources of the solution cells by grade_id, and what the report says about the notebook."""

    sources: dict[str, str] = field(default_factory=dict)
    report: list[str] = field(default_factory=list)


def own_solution(assignment: Assignment) -> Submission:
    """The instructor's notebook as if it had been handed in."""
    cells = [
        {
            "cell_type": cell.kind,
            "metadata": {"nbgrader": {"grade_id": cell.grade_id, "solution": True}},
            "source": cell.source,
        }
        for cell in assignment.cells
        if cell.solution
    ]
    data = json.dumps({"cells": cells, "nbformat": 4}).encode()
    return Submission("the instructor's own solution", str(assignment.folder), data)


def find_submissions(path: Path, assignment: Assignment) -> list[Submission]:
    """All submissions under `path`, one a student, by name; raises SubmissionsError."""
    if not path.exists():
        raise SubmissionsError(f"there is no {path}")
    if path.is_dir():
        found = list(_in_folder(path, assignment))
    elif zipfile.is_zipfile(path):
        found = list(_in_zip(path, assignment))
    else:
        raise SubmissionsError(f"{path} is neither a folder nor a zip")
    if not found:
        raise SubmissionsError(
            f"{path} holds no submissions; expected <student>/{assignment.name}/"
            f"{assignment.notebook}.ipynb, or *.ipynb, or a zip of them"
        )
    return _one_each(found, assignment)


def assignments_of(path: Path, folders: Sequence[Path]) -> list[Path]:
    """Those of the assignments in `folders` that `path`'s layout or file names speak of."""
    if path.is_dir():
        names = {p.name for p in (*path.glob("*"), *path.glob("*/*"), *path.glob("*/*/*.ipynb"))}
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            members = [PurePosixPath(m) for m in archive.namelist()[:MAX_MEMBERS]]
        names = {part for member in members for part in member.parts}
    else:
        return []
    if found := [folder for folder in folders if folder.name in names]:
        return found
    files = [name for name in names if name.endswith(".ipynb")]
    return [f for f in folders if any(notebook_source(f).stem in name for name in files)]


def _one_each(found: list[Submission], assignment: Assignment) -> list[Submission]:
    """One notebook a student; of several the one with answers, else of the assignment's name.

    Where that still leaves several it is the last by name: of `ada.ipynb` and `ada-2.ipynb` the
    second try. Two of one name in different places are two students: nobody takes another's place.
    """
    groups: dict[tuple[str, str], list[Submission]] = {}
    for submission in sorted(found, key=lambda s: (s.student, s.place, s.origin)):
        groups.setdefault((submission.student, submission.place), []).append(submission)
    names = [student for student, _ in groups]
    chosen = []
    for (student, place), several in groups.items():
        best = several[0] if len(several) == 1 else _best(several, assignment)
        if len(several) > 1:
            note = f"there are several notebooks; {best.origin} was graded"
            best = replace(best, notes=(*best.notes, note))
        if names.count(student) > 1:
            note = f"there is another student of the name {student}, in another place"
            best = replace(best, student=place or best.origin, notes=(*best.notes, note))
        chosen.append(best)
    return chosen


def _best(several: list[Submission], assignment: Assignment) -> Submission:
    """The notebook to grade, without a long look into any: they may be made to take long."""
    stubs = {c.grade_id: released_source(c).strip() for c in assignment.cells if c.solution}

    def rank(one: Submission) -> tuple[bool, list[tuple[str, int]]]:
        name = one.origin.removesuffix(".ipynb")
        parts = [(text, int(digits or 0)) for text, digits in re.findall(r"(\D*)(\d{0,9})", name)]
        return PurePosixPath(one.origin).stem == assignment.notebook, parts

    ranked = sorted(several, key=rank, reverse=True)
    for one in ranked[:MAX_NOTEBOOKS]:
        if len(one.data) > MAX_LOOK:
            continue
        with contextlib.suppress(ValueError, RecursionError):
            cells = [c for c in _cells(one.data) if c["grade_id"] in stubs]
            if any(c["source"].strip() not in ("", stubs[c["grade_id"]]) for c in cells):
                return one
    return ranked[0]


def _in_folder(path: Path, assignment: Assignment) -> Iterator[Submission]:
    for entry in sorted(path.iterdir()):
        name = _clean(entry.name)
        if entry.name in IGNORED or (entry.name.startswith(".") and not entry.is_dir()):
            continue
        if entry.suffix == ".ipynb":
            yield _from_file(_student_of_file(name, assignment), entry, name, "")
        elif entry.is_symlink():
            yield Submission(name, name, problem=LINK, place=name)
        elif entry.is_dir() and not (name.startswith(".") and not _notebooks(entry, assignment)):
            yield from _of_student(entry, name, assignment)


def _notebooks(folder: Path, assignment: Assignment) -> list[Path]:
    """Notebooks of a student's folder: an editor's own (.vscode) has none and is no student."""
    own = [*folder.glob("*.ipynb"), *folder.glob(f"{assignment.name}/*.ipynb")]
    deeper = [*folder.glob(f"*/{assignment.notebook}.ipynb")] if not own else []
    deeper = deeper if len(deeper) == 1 else []  # several: a folder of students, not of one
    found = [path for path in (*own, *deeper) if not path.name.startswith(".")]
    return [path for path in found if path.parent == folder or not path.parent.is_symlink()]


def _of_student(folder: Path, name: str, assignment: Assignment) -> Iterator[Submission]:
    moodle = MOODLE.fullmatch(name)
    student = moodle["student"] if moodle else name
    inner = folder / assignment.name
    place = student  # Moodle gives a student several folders: one for each kind of hand-in
    if inner.is_symlink():
        yield Submission(student, name, problem=LINK, place=place)
        return
    notebooks = sorted(_notebooks(folder, assignment))
    notebooks.sort(key=lambda path: path.stem != assignment.notebook)
    others = [p for p in folder.iterdir() if p.is_dir() and not p.is_symlink()]
    if not notebooks and others and not inner.is_dir():
        return  # handed in other assignments only
    if not notebooks:
        yield Submission(student, name, problem="has no notebook (.ipynb)", place=place)
    for path in notebooks[:MAX_NOTEBOOKS]:
        yield _from_file(student, path, _clean(str(path.relative_to(folder.parent))), place)


def _from_file(student: str, path: Path, origin: str, place: str) -> Submission:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        problem = LINK if path.is_symlink() else str(error)
        return Submission(student, origin, problem=problem, place=place)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return Submission(student, origin, problem="is no regular file", place=place)
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(MAX_NOTEBOOK + 1)
    return _sized(student, origin, data, place)


def _sized(student: str, origin: str, data: bytes, place: str) -> Submission:
    if len(data) > MAX_NOTEBOOK:
        problem = f"is larger than {MAX_NOTEBOOK >> 20} MB"
        return Submission(student, origin, problem=problem, place=place)
    return Submission(student, origin, data, place=place)


def _in_zip(path: Path, assignment: Assignment) -> Iterator[Submission]:
    """Members are read in memory, never unpacked: their paths are only names."""
    others = {p.name for p in assignment.folder.parent.iterdir() if p.is_dir()} - {assignment.name}
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise SubmissionsError(f"{path} cannot be opened as a zip: {error}") from error
    with archive:
        members = []
        for member in archive.infolist()[:MAX_MEMBERS]:
            name = PurePosixPath(member.filename.replace("\\", "/"))
            parts = [p[:LONGEST_NAME] for p in name.parts if p not in ("/", "..", ".")]
            if member.is_dir() or name.suffix != ".ipynb" or name.name.startswith("."):
                continue
            if set(IGNORED) & set(parts):
                continue
            if others & set(parts[:-1]) and assignment.name not in parts[:-1]:
                continue
            members.append((member, parts))
        above = 0
        for level in zip(*(parts[:-1] for _, parts in members), strict=False):
            if len(set(level)) > 1:
                break
            above += 1
        for member, parts in members:
            student, place = _student_of_member(parts, above, assignment)
            origin = _clean("/".join(parts))
            try:
                with archive.open(member) as file:
                    data = file.read(MAX_NOTEBOOK + 1)
            except (zipfile.BadZipFile, RuntimeError, OSError, NotImplementedError) as error:
                problem = f"cannot be read from the zip: {error}"
                yield Submission(student, origin, problem=problem, place=place)
                continue
            yield _sized(student, origin, data, place)


def _student_of_member(parts: list[str], above: int, assignment: Assignment) -> tuple[str, str]:
    """Student and place of a zip's member; its first `above` folders are those of all members.

    Outer folders decide: what a student hands in lies in them, with any names inside.
    """
    folders, name = parts[:-1], parts[-1]
    for part in folders:
        if moodle := MOODLE.fullmatch(part):
            return _clean(moodle["student"]), _clean(moodle["student"])
    if assignment.name in folders[1:]:  # <anything>/<student>/<assignment>/<notebook>.ipynb
        end = folders.index(assignment.name, 1)
        return _clean(folders[end - 1]), _clean("/".join(folders[:end]))
    if folders[above:]:
        return _clean(folders[above]), _clean("/".join(folders[: above + 1]))
    # A second download is "superpixels (1).ipynb", a second try "superpixels-v2.ipynb".
    again = rf"{re.escape(assignment.notebook)}([-_. ]*(\(\d++\)|copy|v?\d++))*\.ipynb"
    while folders and folders[-1] == assignment.name:
        folders = folders[:-1]
    if folders and re.fullmatch(again, name, re.IGNORECASE):  # one student's folder, zipped
        return _clean(folders[-1]), _clean("/".join(folders))
    return _student_of_file(_clean(name), assignment), ""


def _student_of_file(name: str, assignment: Assignment) -> str:
    if canvas := CANVAS.fullmatch(name):
        return canvas["student"]
    stem = name.removesuffix(".ipynb")
    shorter = re.sub(rf"[_\-. ]+({re.escape(assignment.notebook)}|{re.escape(assignment.name)})$",
                     "", stem)  # fmt: skip
    return shorter or stem


def _clean(name: str) -> str:
    """A name fit to print: no control characters, no undecodable bytes, not too long."""
    text = name.encode("utf-8", "replace").decode()
    return "".join(c if c.isprintable() else "?" for c in text)[:120]


def read_answers(submission: Submission, assignment: Assignment) -> Answers:
    """Match the notebook's cells with the assignment's; never raises."""
    answers = Answers(report=[f"The notebook: {note}." for note in submission.notes])
    if submission.problem:
        answers.report.append(f"The notebook {submission.problem}.")
        return answers
    try:
        cells = _cells(submission.data)
    except (ValueError, RecursionError) as error:
        words = "is nested too deeply" if isinstance(error, RecursionError) else str(error)
        answers.report.append(f"The file is no notebook: {words[:200]}.")
        return answers
    by_id: dict[str, list[dict[str, Any]]] = {}
    for found in cells:
        if found["grade_id"]:
            by_id.setdefault(found["grade_id"], []).append(found)
    for cell in assignment.cells:
        if cell.grade_id:
            _match(cell, by_id.pop(cell.grade_id, []), answers)
    for stray in list(by_id)[:20]:
        answers.report.append(f"Cell {_clean(stray)} is not part of this assignment; ignored.")
    given = [cell.source for cell in assignment.cells if cell.kind == "code"]
    released = {released_source(cell).strip() for cell in assignment.cells}
    added = [c["source"] for c in cells if c["type"] == "code" and not c["grade_id"]]
    added = [s for s in added if len(s) <= LONGEST_ADDED and s.strip() not in released][:MAX_ADDED]
    for name, source in answers.sources.items():
        if names := borrowed(source, added, given):
            answers.report.append(f"Cell {name} {LEFT_OUT.format(_clean(', '.join(names)))}")
    return answers


def _cells(data: bytes) -> list[dict[str, Any]]:
    notebook = json.loads(data.decode("utf-8-sig"))
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise ValueError("it has no list of cells (format 4 is needed)")
    if len(notebook["cells"]) > MAX_CELLS:
        raise ValueError(f"it has more than {MAX_CELLS} cells")
    return [_plain_cell(cell) for cell in notebook["cells"] if isinstance(cell, dict)]


def _plain_cell(cell: dict[str, Any]) -> dict[str, Any]:
    source = cell.get("source", "")
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    metadata = cell.get("metadata")
    meta = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    meta = meta if isinstance(meta, dict) else {}
    grade_id = meta.get("grade_id")
    text = source if isinstance(source, str) else ""
    return {
        # A lone surrogate would not encode later on.
        "source": text[: MAX_SOURCE + 1].encode("utf-8", "replace").decode(),
        "type": str(cell.get("cell_type"))[:20],
        "grade_id": grade_id if isinstance(grade_id, str) else "",
        "solution": meta.get("solution"),
        "grade": meta.get("grade"),
        "points": meta.get("points"),
    }


def _match(cell: Cell, found: list[dict[str, Any]], answers: Answers) -> None:
    name, report = cell.grade_id, answers.report
    if not found:
        report.append(f"Cell {name} is missing.")
        return
    theirs = found[-1]
    if len(found) > 1:
        edited = [c for c in found if c["source"] != released_source(cell)]
        theirs = edited[-1] if edited else theirs
        which = "the last edited one counts" if cell.solution else "ignored"
        report.append(f"Cell {name} is there {len(found)} times; {which}.")
    if theirs["type"] != cell.kind:
        report.append(f"Cell {name} was changed from {cell.kind} to {theirs['type']}.")
    points = cell.points if cell.grade else theirs["points"]
    if (bool(theirs["solution"]), bool(theirs["grade"])) != (cell.solution, cell.grade):
        report.append(f"Cell {name} had its grading marks changed; the instructor's count.")
    elif theirs["points"] != points:
        report.append(f"Cell {name} had its points changed; the instructor's count.")
    if not cell.solution:
        if theirs["source"].strip() != released_source(cell).strip():
            report.append(f"Cell {name} is not meant to be edited, but was; the original counts.")
    elif len(theirs["source"]) > MAX_SOURCE:
        report.append(f"Cell {name} is longer than {MAX_SOURCE >> 10} kB; not graded.")
    else:
        answers.sources[name] = theirs["source"]


def released_source(cell: Cell) -> str:
    """A cell's source as students get it; what `release` has nbgrader make, without nbgrader."""
    stub = STUB if cell.kind == "code" else "YOUR ANSWER HERE"
    lines: list[str] = []
    region = ""
    replaced = False
    for line in cell.source.split("\n"):
        marker = re.match(r"(\s*)### (BEGIN|END) (SOLUTION|HIDDEN TESTS|MARK SCHEME)\s*$", line)
        if marker:
            region = marker[3] if marker[2] == "BEGIN" else ""
            if region == "SOLUTION":
                replaced = True
                lines += [marker[1] + part for part in stub.split("\n")]
        elif not region:
            lines.append(line)
    return "\n".join(lines) if replaced or not cell.solution else stub
