"""Which names a cell defines and which it uses; decides what an exercise's cell needs to run.

An exercise runs in a worker of its own, so only those earlier cells run with it that define a name
it uses, directly or through another such cell. A cell that merely draws or times something is left
out: it would cost each exercise its time, and an endless loop in one answer would spread.
"""

from __future__ import annotations

import ast
import builtins
import re
import symtable
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class Names:
    """Global names of a cell: those it binds, and those it reads (also inside functions)."""

    defined: frozenset[str]
    used: frozenset[str]


@lru_cache(maxsize=256)  # the cells of an assignment are asked for again with every answer
def names_of(source: str) -> Names:
    """Names of a cell; of source that does not parse, every word counts as used."""
    plain = without_magics(source)
    try:
        defined = frozenset().union(*map(_bound, ast.parse(plain).body))
        used = _read(symtable.symtable(plain, "<cell>", "exec"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        words = frozenset(re.findall(r"[^\W\d]\w*", source))
        return Names(frozenset(), words)
    return Names(defined, frozenset(used - set(dir(builtins))))


def _read(scope: symtable.SymbolTable) -> set[str]:
    """Global names that a scope or one inside it reads; a function's own variables are none."""
    top = scope.get_type() == "module"
    found = {
        symbol.get_name()
        for symbol in scope.get_symbols()
        if symbol.is_referenced() and (top or symbol.is_global())
    }
    return found.union(*map(_read, scope.get_children()))


def _bound(statement: ast.stmt) -> set[str]:
    """Names that a top-level statement binds in the notebook's namespace."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    bound: set[str] = set()
    stack: list[ast.AST] = [statement]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
            continue
        elif isinstance(node, ast.Lambda):
            continue
        stack.extend(ast.iter_child_nodes(node))
    return bound


def needed(cells: Sequence[Names], wanted: frozenset[str]) -> list[int]:
    """Indices of the cells that define `wanted`, directly or through one another, in order."""
    chosen: set[int] = set()
    missing = set(wanted)
    while missing:
        found = {
            index
            for index, cell in enumerate(cells)
            if index not in chosen and (cell.defined & missing or "*" in cell.defined)
        }
        chosen |= found
        missing = set().union(*(cells[index].used for index in found))
    return sorted(chosen)


def without_magics(source: str) -> str:
    """`source` with IPython's magics and shell lines replaced by nothing; line numbers stay."""
    try:
        ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        lines = source.split("\n")  # a line may begin with != too, within brackets
        magic = r"^(\s*)(%{1,2}\w|!(?!=)|\?).*$"
        return "\n".join(re.sub(magic, r"\1pass", line) for line in lines)
    return source


def imported_modules(source: str) -> set[str]:
    """Dotted names of all modules that a cell imports, also inside functions."""
    try:
        tree = ast.parse(without_magics(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.add(node.module)
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


LEFT_OUT = (
    "uses {}, which a cell that was added defines; only the answers' own cells are graded, so move "
    "it there."
)


def borrowed(answer: str, added: Sequence[str], given: Sequence[str]) -> list[str]:
    """Names that an answer uses and that only cells added to the notebook define.

    Args:
        answer: source of the answer's cell.
        added: sources of cells that are not the assignment's.
        given: sources of the assignment's own cells.
    """
    if not added:
        return []
    own = names_of(answer)
    theirs = frozenset().union(*(names_of(source).defined for source in added))
    known = own.defined.union(*(names_of(source).defined for source in given))
    return sorted((theirs - known) & own.used)
