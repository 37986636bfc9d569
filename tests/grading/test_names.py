"""An exercise runs with the cells it needs, and no others."""

from __future__ import annotations

import pytest

from segedu.grading.names import imported_modules, names_of, needed, without_magics
from tests.grading.classroom import tiny


@pytest.mark.parametrize(
    ("source", "defined", "used"),
    [
        ("import numpy as np, os.path", {"np", "os"}, set()),
        ("from a.b import c as d", {"d"}, set()),
        ("def f(x, y=z):\n    w = g(x)\n    return w", {"f"}, {"z", "g"}),
        ("def f():\n    global a\n    a = b\n    def h(): return a, f", {"f"}, {"a", "b", "f"}),
        ("def f(): return [x + a for x in y]\nlambda u: u + v", {"f"}, {"y", "a", "v"}),
        ("class A(B):\n    c = d", {"A"}, {"B", "d"}),
        ("a, (b, *c) = d", {"a", "b", "c"}, {"d"}),
        ("for i in range(3):\n    with x as y: pass", {"i", "y"}, {"x"}),
        ("if (n := m): pass", {"n"}, {"m"}),
        ("%matplotlib inline\nimport torch", {"torch"}, set()),
        ("def broken(:", set(), {"def", "broken"}),
    ],
)
def test_names_of_a_cell(source, defined, used):
    names = names_of(source)
    assert names.defined == defined
    assert names.used == used


def test_needed_cells_follow_one_another():
    sources = ["import a", "b = a", "print(b)", "def c(): return b", "d = 1"]
    cells = [names_of(s) for s in sources]
    assert needed(cells, frozenset({"c"})) == [0, 1, 3]
    assert needed(cells, frozenset({"d"})) == [4]
    assert needed(cells, frozenset({"e"})) == []


def test_pieces_of_an_exercise():
    assignment = tiny()
    pieces = assignment.pieces("filling", assignment.solutions)
    assert [p.grade_id for p in pieces] == ["", "area", "filling"]
    alone = assignment.pieces("filling", {"filling": "def filling(m): return 1"})
    assert [p.grade_id for p in alone] == ["filling"]
    assert all("print(" not in p.source for p in pieces)


def test_importing_numpy_once_more_ties_nobody_to_that_cell():
    again = {"area": "import numpy as np\nwhile True:\n    pass"}
    scale = "def scale(image):\n    return np.zeros(image.shape)"
    pieces = tiny().pieces("scale", {**again, "scale": scale})
    assert [p.grade_id for p in pieces] == ["", "scale"]


def test_variables_of_a_function_need_no_cell():
    """`x` in a function is its own; a cell that draws with another `x` does not run with it."""
    look, answer = names_of("x = slow()\nshow(x)"), names_of("def f(x):\n    return x + k")
    assert needed([look, names_of("k = 1")], answer.used) == [1]


def test_magics_keep_the_line_numbers():
    source = "%%time\nx = 1\n    !ls\n%load_ext y\nz = 5 % 3"
    assert without_magics(source) == "pass\nx = 1\n    pass\npass\nz = 5 % 3"


def test_a_line_may_begin_with_not_equal():
    python = "same = (\n    a\n    != b\n)"
    assert without_magics(python) == python
    assert without_magics(f"%time f()\n{python}") == f"pass\n{python}"


def test_imported_modules():
    source = "import a.b\nfrom c import d\ndef f():\n    import e\nfrom . import g"
    assert imported_modules(source) == {"a.b", "c", "c.d", "e"}
