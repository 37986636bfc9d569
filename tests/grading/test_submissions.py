"""Submissions in every layout are found; what is odd about them becomes a line of the report."""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from segedu.grading import Assignment
from segedu.grading.submissions import (
    MAX_NOTEBOOK,
    Submission,
    SubmissionsError,
    find_submissions,
    read_answers,
)
from tests.grading.classroom import RIGHT, TINY, cell_of, hand_in, released_notebook, solved, tiny

NOTEBOOK = json.dumps(solved(RIGHT))


def names(path: Path) -> list[str]:
    return [s.student for s in find_submissions(path, tiny())]


def report(content: dict[str, Any] | str | bytes) -> str:
    if isinstance(content, dict):
        content = json.dumps(content)
    data = content.encode() if isinstance(content, str) else content
    return " ".join(read_answers(Submission("ada", "ada.ipynb", data), tiny()).report)


def make_zip(path: Path, members: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_nbgraders_layout(tmp_path: Path):
    hand_in(tmp_path, "ada", NOTEBOOK)
    hand_in(tmp_path, "alan", NOTEBOOK)
    (tmp_path / "other" / "another_assignment").mkdir(parents=True)
    (tmp_path / "other" / "another_assignment" / "x.ipynb").write_text(NOTEBOOK)
    (tmp_path / "empty" / "tiny").mkdir(parents=True)
    found = {s.student: s for s in find_submissions(tmp_path, tiny())}
    assert set(found) == {"ada", "alan", "empty"}
    assert found["empty"].problem == "has no notebook (.ipynb)"
    assert found["ada"].data.decode() == NOTEBOOK


def test_flat_folder_and_names_of_canvas(tmp_path: Path):
    for name in (
        "ada.ipynb",
        "alan_tiny.ipynb",
        "doejane_123_456_tiny-1.ipynb",
        "roe_LATE_77_88_tiny.ipynb",
        ".hidden.ipynb",
        "notes.txt",
    ):
        (tmp_path / name).write_text(NOTEBOOK)
    assert names(tmp_path) == ["ada", "alan", "doejane_123", "roe_LATE_77"]


def test_folders_of_editors_and_systems_are_no_students(tmp_path: Path):
    hand_in(tmp_path, "ada", NOTEBOOK)
    hand_in(tmp_path, ".dotty", NOTEBOOK)  # an odd name, but there is something to grade
    for name in (".vscode", ".idea", "__MACOSX", ".ipynb_checkpoints", ".cache"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "settings.json").write_text("{}")
    for name in ("__MACOSX", ".ipynb_checkpoints"):
        (tmp_path / name / "ada.ipynb").write_text(NOTEBOOK)
    assert names(tmp_path) == [".dotty", "ada"]
    members = {"ada.ipynb": NOTEBOOK, ".ipynb_checkpoints/ada-checkpoint.ipynb": NOTEBOOK}
    assert names(make_zip(tmp_path / "x.zip", members)) == ["ada"]


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        ({"tiny.ipynb": "answers", "tiny-2.ipynb": "answers"}, "tiny.ipynb"),
        ({"tiny.ipynb": "stubs", "tiny-2.ipynb": "answers"}, "tiny-2.ipynb"),
        ({"tiny (1).ipynb": "answers", "tiny (2).ipynb": "answers"}, "tiny (2).ipynb"),
        ({"tiny.ipynb": "broken", "tiny-2.ipynb": "answers"}, "tiny-2.ipynb"),
        ({"tiny.ipynb": "stubs", "tiny-2.ipynb": "stubs"}, "tiny.ipynb"),
        ({"tiny.ipynb": "stubs", "tiny/tiny.ipynb": "answers"}, "tiny/tiny.ipynb"),
        ({"tiny.ipynb": "answers", "tiny/tiny.ipynb": "stubs"}, "tiny.ipynb"),
    ],
)
def test_of_several_notebooks_a_zip_chooses_as_a_folder_does(tmp_path: Path, files, chosen):
    content = {"answers": NOTEBOOK, "stubs": json.dumps(solved({})), "broken": "{"}
    members = {f"ada/{name}": content[what] for name, what in files.items()}
    folder = tmp_path / "in"
    for name, data in members.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(data)
    for path in (folder, make_zip(tmp_path / "x.zip", members)):
        (found,) = find_submissions(path, tiny())
        assert (found.student, found.origin) == ("ada", f"ada/{chosen}")
        assert "there are several notebooks" in found.notes[0]


def test_a_folder_of_students_is_no_student(tmp_path: Path):
    for student in ("ada", "bo"):
        path = tmp_path / "in" / "course" / student / "tiny.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(NOTEBOOK)
    with pytest.raises(SubmissionsError, match="holds no submissions"):
        find_submissions(tmp_path / "in", tiny())
    assert names(tmp_path / "in" / "course") == ["ada", "bo"]


def test_the_second_try_counts(tmp_path: Path):
    for name in ("ada.ipynb", "ada-2.ipynb", "ada-10.ipynb"):
        path = tmp_path / "in" / "ada" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(NOTEBOOK)
    (found,) = find_submissions(tmp_path / "in", tiny())
    assert found.origin == "ada/ada-10.ipynb"


@pytest.mark.parametrize(
    ("members", "origins"),
    [
        # What somebody hands in is in their own folder, whatever is written on it.
        (["ada/tiny/tiny.ipynb", "bo/tiny/ada/tiny.ipynb"], {"ada": 0, "bo": 1}),
        (["ada/tiny (1).ipynb", "bo/ada.ipynb"], {"ada": 0, "bo": 1}),
        (["ada_1_2_tiny.ipynb", "bo_3_4_x\\ada_1_2_tiny.ipynb"], {"ada_1": 0, "bo_3_4_x": 1}),
        (["ada/tiny_final.ipynb", "bo/tiny_final.ipynb"], {"ada": 0, "bo": 1}),
        (["ada/work/tiny.ipynb", "bo/tiny.ipynb"], {"ada": 0, "bo": 1}),
        (["all/ada/tiny.ipynb", "all/bo/x.ipynb"], {"ada": 0, "bo": 1}),
        (["all/ada.ipynb", "all/bo.ipynb"], {"ada": 0, "bo": 1}),
        # Two groups, each with its ada: two people.
        (["1/ada/tiny/tiny.ipynb", "2/ada/tiny/tiny.ipynb"], {"1/ada": 0, "2/ada": 1}),
        (
            ["Bo_2_assignsubmission_file_/Ada_1_assignsubmission_file_/x.ipynb",
             "Ada_1_assignsubmission_file_/x.ipynb"],
            {"Bo_2": 0, "Ada_1": 1},
        ),
    ],
)  # fmt: skip
def test_nobody_takes_anothers_place_in_a_zip(tmp_path: Path, members, origins):
    path = make_zip(tmp_path / "x.zip", dict.fromkeys(members, NOTEBOOK))
    found = {s.student: s.origin for s in find_submissions(path, tiny())}
    assert found == {s: members[k].replace("\\", "/") for s, k in origins.items()}


def test_odd_names_and_notebooks_take_no_time(tmp_path: Path):
    """Each of these once held the instructor's own process for minutes, or for ever."""
    long = "ada/tiny" + "1" * 200 + "x.ipynb"
    find_submissions(make_zip(tmp_path / "x.zip", {long: NOTEBOOK, "_" * 60_000: ""}), tiny())
    heavy = json.dumps(solved(dict.fromkeys(RIGHT, "a\n" * 200_000)))
    for k in range(20):
        path = tmp_path / "in" / "ada" / f"tiny-{k}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(heavy)
    assert len(find_submissions(tmp_path / "in", tiny())) == 1


def test_a_broken_zip_is_a_sentence(tmp_path: Path):
    path = make_zip(tmp_path / "x.zip", {"ada.ipynb": NOTEBOOK})
    data = path.read_bytes()
    start = data.rindex(b"PK\x01\x02")
    path.write_bytes(data[:start] + b"XX" + data[start + 2 :])
    with pytest.raises(SubmissionsError, match="cannot be opened as a zip"):
        find_submissions(path, tiny())


def test_a_folder_a_student_with_moodles_names(tmp_path: Path):
    folder = tmp_path / "Ada Lovelace_4711_assignsubmission_file_"
    folder.mkdir()
    (folder / "my solution.ipynb").write_text(NOTEBOOK)
    assert names(tmp_path) == ["Ada Lovelace_4711"]


@pytest.mark.parametrize(
    ("member", "student"),
    [
        ("ada/tiny/tiny.ipynb", "ada"),
        ("export/ada/tiny/tiny.ipynb", "ada"),
        ("ada/tiny.ipynb", "ada"),
        ("ada/tiny (1).ipynb", "ada"),  # a browser's second download
        ("ada/Tiny-v2.ipynb", "ada"),
        ("ada.ipynb", "ada"),
        ("Ada L_12_assignsubmission_file_/x.ipynb", "Ada L_12"),
        ("doejane_123_456_tiny.ipynb", "doejane_123"),
        ("../../../etc/cron.d/ada.ipynb", "ada"),
        ("/absolute/ada.ipynb", "ada"),
        ("..\\..\\ada.ipynb", "ada"),
    ],
)
def test_zips_are_read_and_never_unpacked(tmp_path: Path, member, student):
    path = make_zip(tmp_path / "x.zip", {member: NOTEBOOK})
    before = sorted(tmp_path.rglob("*"))
    (found,) = find_submissions(path, tiny())
    assert (found.student, found.data.decode()) == (student, NOTEBOOK)
    assert sorted(tmp_path.rglob("*")) == before


def test_other_assignments_in_a_zip_are_nobodys(tmp_path: Path):
    source = tmp_path / "solutions" / "tiny"
    shutil.copytree(TINY, source)
    (tmp_path / "solutions" / "later").mkdir()
    members = {f"ada/{name}.ipynb": NOTEBOOK for name in ("tiny/tiny", "later/later")}
    path = make_zip(tmp_path / "x.zip", members)
    assert [s.student for s in find_submissions(path, Assignment.load(source))] == ["ada"]


def test_a_zip_bomb_costs_no_more_than_the_cap(tmp_path: Path):
    path = make_zip(
        tmp_path / "x.zip", {"ada.ipynb": b"0" * (MAX_NOTEBOOK + 10), "bo.ipynb": NOTEBOOK}
    )
    ada, bo = find_submissions(path, tiny())
    assert ada.problem == "is larger than 20 MB"
    assert ada.data == b""
    assert not bo.problem


def test_a_symbolic_link_in_a_zip_is_only_bytes(tmp_path: Path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("ada.ipynb")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    (found,) = find_submissions(path, tiny())
    assert found.data == b"/etc/passwd"


def test_links_pipes_and_folders_are_not_read(tmp_path: Path):
    real = hand_in(tmp_path / "in", "ada", NOTEBOOK)
    for student in ("bo", "cy", "di", "ed"):
        (tmp_path / "in" / student / "tiny").mkdir(parents=True)
    (tmp_path / "in" / "bo" / "tiny" / "tiny.ipynb").symlink_to(real)
    os.mkfifo(tmp_path / "in" / "cy" / "tiny" / "tiny.ipynb")
    (tmp_path / "in" / "di" / "tiny" / "tiny.ipynb").mkdir()
    (tmp_path / "in" / "ed" / "tiny").rmdir()
    (tmp_path / "in" / "ed" / "tiny").symlink_to(real.parent)
    (tmp_path / "in" / "fy").symlink_to(tmp_path / "in" / "ada")
    found = {s.student: s for s in find_submissions(tmp_path / "in", tiny())}
    assert not found["ada"].problem
    for student in ("bo", "ed", "fy"):
        assert "symbolic link" in found[student].problem
    assert "no regular file" in found["cy"].problem
    assert found["di"].problem
    assert all(not found[s].data for s in ("bo", "cy", "di", "ed", "fy"))


def test_a_gigantic_notebook_is_not_read(tmp_path: Path):
    path = hand_in(tmp_path, "ada", b"")
    with path.open("wb") as file:
        file.truncate(1 << 40)
    (found,) = find_submissions(tmp_path, tiny())
    assert found.problem == "is larger than 20 MB"


def test_nothing_to_grade_says_what_was_expected(tmp_path: Path):
    with pytest.raises(SubmissionsError, match="there is no"):
        find_submissions(tmp_path / "absent", tiny())
    with pytest.raises(SubmissionsError, match=r"expected <student>/tiny/tiny\.ipynb"):
        find_submissions(tmp_path, tiny())
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(SubmissionsError, match="neither a folder nor a zip"):
        find_submissions(tmp_path / "x.txt", tiny())


@pytest.mark.parametrize(
    "student",
    [
        "ada",
        "Ada Lovelace",
        "../../etc/passwd",
        "..",
        ".",
        "",
        "a/b",
        "<script>",
        "=1+1",
        "名前",
        "a" * 300,
    ],
)
def test_every_name_makes_a_safe_file(student):
    key = Submission(student, "").key
    assert key
    assert len(key) < 90
    assert "/" not in key
    assert not key.startswith(".")
    assert key == os.path.basename(key)


def test_different_names_make_different_files():
    students = ["ada", "Ada", "ADA", "a da", "a_da", "a-da", "../ada", "ada.", "名前", "前名"]
    keys = [Submission(s, "").key.lower() for s in students]
    assert len(set(keys)) == len(keys)


def test_an_honest_notebook_has_no_report():
    answers = read_answers(Submission("ada", "x", NOTEBOOK.encode()), tiny())
    assert answers.report == []
    assert answers.sources == RIGHT


def test_source_as_a_list_of_lines():
    notebook = solved(RIGHT)
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"]).splitlines(True)
    assert read_answers(Submission("a", "", json.dumps(notebook).encode()), tiny()).sources == RIGHT


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\xff\xfe",
        "null",
        "[]",
        '{"cells": 3}',
        '{"worksheets": []}',
        "[" * 200_000,
        '{"cells": ' + "9" * 10_000 + "}",
        '{"cells": [' + "[" * 90_000,
        json.dumps({"cells": [{}] * 3000}),
        NOTEBOOK.encode("utf-16"),
    ],
    ids=range(11),
)
def test_what_is_no_notebook_is_a_line_of_the_report(content):
    assert "The file is no notebook" in report(content)


@pytest.mark.parametrize(
    "cells",
    [
        [None, 1, "x", [], {}],
        [{"cell_type": [], "source": {}, "metadata": []}],
        [{"metadata": {"nbgrader": "x"}}],
        [{"metadata": {"nbgrader": {"grade_id": ["area"]}}, "source": [1, None, "x"]}],
        [{"metadata": {"nbgrader": {"grade_id": "area"}}, "source": "\ud800"}],
    ],
)
def test_odd_cells_never_raise(cells):
    assert "missing" in report(json.dumps({"cells": cells}))


def test_changed_cells_are_reported_and_the_instructors_count():
    notebook = solved(RIGHT)
    cell_of(notebook, "area")["cell_type"] = "markdown"
    cell_of(notebook, "scale")["metadata"]["nbgrader"] |= {"grade": True, "points": 99}
    cell_of(notebook, "check_area")["source"] = "pass"
    cell_of(notebook, "check_scale")["metadata"]["nbgrader"]["points"] = 1000
    cell_of(notebook, "imports")["source"] += "\nimport antigravity"
    notebook["cells"].append(
        {"cell_type": "code", "source": "1", "metadata": {"nbgrader": {"grade_id": "bonus"}}}
    )
    words = report(notebook)
    assert "Cell area was changed from code to markdown." in words
    assert "Cell scale had its grading marks changed" in words
    assert "Cell check_area is not meant to be edited" in words
    assert "Cell check_scale had its points changed" in words
    assert "Cell imports is not meant to be edited" in words
    assert "Cell bonus is not part of this assignment" in words


def test_of_two_copies_the_edited_one_counts():
    notebook = solved(RIGHT)
    stub = cell_of(released_notebook(), "area")
    for position in (0, len(notebook["cells"])):
        twice = {**notebook, "cells": list(notebook["cells"])}
        twice["cells"].insert(position, stub)
        answers = read_answers(Submission("a", "", json.dumps(twice).encode()), tiny())
        assert answers.sources["area"] == RIGHT["area"]
        assert answers.report == ["Cell area is there 2 times; the last edited one counts."]


def test_a_helper_in_a_cell_of_its_own_is_named():
    answers = RIGHT | {"area": "def area(mask):\n    return int(total(np.asarray(mask)))"}
    notebook = solved(answers)
    helper = "import numpy as np\ndef total(mask): return mask.sum()\ndef other(): pass"
    for source in (helper, "scratch = 3", "total("):
        cell = {"cell_type": "code", "source": source, "metadata": {}}
        notebook["cells"].insert(1, cell)
    assert report(notebook) == (
        "Cell area uses total, which a cell that was added defines; only the answers' own cells "
        "are graded, so move it there."
    )


def test_a_source_too_long_is_not_graded():
    words = report(solved(RIGHT | {"area": "#" * 600_000}))
    assert "Cell area is longer than 512 kB" in words


def test_a_zip_in_memory_is_a_zip(tmp_path: Path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("__MACOSX/ada.ipynb", b"\x00")
        archive.writestr("ada.ipynb", NOTEBOOK)
    (tmp_path / "x.zip").write_bytes(buffer.getvalue())
    assert names(tmp_path / "x.zip") == ["ada"]
