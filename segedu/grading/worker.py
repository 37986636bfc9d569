"""The side of the wire on which a student's code runs; everything here is at its mercy.

A worker is told the cells to run, answers that, then answers one request after the other (see
`calls`) until the checker hangs up. It holds nothing worth stealing: no checks, no expected values,
no reference, no other submission. The checker believes none of its answers: it decodes data,
compares it, and keeps the clock.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.abc
import linecache
import os
import sys
import traceback
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from typing import Any

from segedu.grading.calls import NoSuchName, perform
from segedu.grading.locks import locked_operators
from segedu.grading.wire import HEADER, WireError, decode, encode

MAX_MESSAGE = 2000
READY = b"ready\n"  # first word of a whole interpreter, before any student's time begins


def serve(wire_in: int, wire_out: int) -> None:
    """Answer the first message (the cells to run) and then every request."""
    job = read_message(wire_in)
    namespace: dict[str, Any] = {"__name__": "__main__", "__builtins__": __builtins__}
    forbid(job["forbidden"])
    locked = tuple(job["locked"])
    answer = _load(namespace, job["pieces"])
    kept: dict[int, Any] = {}
    while True:
        _flush()
        write_message(wire_out, {"nonce": job["nonce"], **answer})
        job = read_message(wire_in)
        with locked_operators(locked):
            answer = _answer(namespace, kept, job["request"])


def _load(namespace: dict[str, Any], pieces: Sequence[Any]) -> dict[str, Any]:
    """Run the cells; the answer says which failed first, and how."""
    for source, grade_id in pieces:
        try:
            filename = f"<{grade_id or 'given cell'}>"
            if grade_id:
                linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
                exec(compile(source, filename, "exec"), namespace)
            else:
                _run_given(source, namespace, filename)
        except BaseException as error:
            return _error(error, grade_id) | {"failed": grade_id}
    return {"ok": True, "value": None}


def _run_given(source: str, namespace: dict[str, Any], filename: str) -> None:
    """A cell of the instructor's; where it imports what this exercise forbids, it goes without."""
    for statement in ast.parse(source, filename).body:
        code = compile(ast.Module([statement], []), filename, "exec")
        try:
            exec(code, namespace)
        except ForbiddenImport:
            continue


def _answer(namespace: dict[str, Any], kept: dict[int, Any], request: Any) -> dict[str, Any]:
    try:
        value = perform(namespace, kept, request)
        encode(value)
    except NoSuchName as error:
        return {"ok": False, "kind": "missing", "type": str(error), "line": None, "message": ""}
    except WireError as error:
        return {
            "ok": False,
            "kind": "bad value",
            "type": "",
            "line": None,
            "message": str(error)[:MAX_MESSAGE],
        }
    except BaseException as error:
        return _error(error, "")
    return {"ok": True, "value": value}


def _error(error: BaseException, grade_id: str) -> dict[str, Any]:
    line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
    for frame, number in traceback.walk_tb(error.__traceback__):
        name = frame.f_code.co_filename
        if name.startswith("<") and linecache.cache.get(name):
            grade_id, line = name[1:-1], number
    try:
        message = str(error)
    except BaseException:
        message = ""
    return {
        "ok": False,
        "kind": "exception",
        "type": type(error).__name__,
        "line": line if isinstance(line, int) else None,
        "cell": grade_id,
        "message": message[:MAX_MESSAGE],
    }


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            continue


class ForbiddenImport(ImportError):
    """This exercise asks to write what the module offers."""


class Forbidden(importlib.abc.MetaPathFinder):
    """Says why a module cannot be imported; that it cannot is the file system's doing."""

    def __init__(self, modules: Sequence[str]) -> None:
        self.modules = tuple(modules)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Refuse the forbidden, leave the rest to others."""
        if any(f"{name}.".startswith(f"{module}.") for module in self.modules):
            raise ForbiddenImport(f"this exercise asks you to write it: {name} is not available")
        return None


def forbid(modules: Sequence[str]) -> None:
    """Make `modules` impossible to import, and forget those that were."""
    if not modules:
        return
    for name in list(sys.modules):
        if any(f"{name}.".startswith(f"{module}.") for module in modules):
            parent, _, child = name.rpartition(".")
            vars(sys.modules[parent]).pop(child, None) if parent in sys.modules else None
            del sys.modules[name]
    sys.meta_path.insert(0, Forbidden(modules))


def read_message(descriptor: int) -> Any:
    """One frame of the wire, decoded; ends the process when the checker has hung up."""
    header = _read_exactly(descriptor, HEADER.size)
    tree, arrays = HEADER.unpack(header)
    return decode(header + _read_exactly(descriptor, tree + arrays))


def write_message(descriptor: int, value: Any) -> None:
    """One frame of the wire."""
    view = memoryview(encode(value))
    while view:
        view = view[os.write(descriptor, view) :]


def _read_exactly(descriptor: int, size: int) -> bytes:
    chunks = bytearray()
    while len(chunks) < size:
        chunk = os.read(descriptor, min(size - len(chunks), 1 << 20))
        if not chunk:
            os._exit(0)
        chunks += chunk
    return bytes(chunks)


def main(modules: Sequence[str]) -> None:
    """A whole interpreter for one exercise (containers, --unsafe): warm up, say so, serve."""
    wire_out = os.dup(1)
    os.dup2(2, 1)
    for name in modules:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    os.write(wire_out, READY)
    serve(0, wire_out)


if __name__ == "__main__":
    main(sys.argv[1:])
