"""Files that a crash leaves whole, and the COCO documents that are written into them."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

PART = ".part"  # ends the name under which a file is written
COCO_LISTS = ("categories", "images", "annotations")


class ForeignFileError(FileExistsError):
    """There is a file that somebody else has written; it was left alone."""


class ResumeError(ValueError):
    """There is a file that cannot be gone on with; it was left alone."""


def write_atomically(path: Path, content: bytes) -> None:
    """Put content in a file's place, wholly or not at all, and on the disk before returning.

    Raises:
        OSError: it cannot be written; the old file, where there was one, is as it was.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}{PART}")
    try:
        with open(part, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # the rename itself is in the folder
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def remove_parts(path: Path) -> None:
    """Remove what a process left behind that died while it wrote the file."""
    for part in path.parent.glob(f".{path.name}.*{PART}"):
        part.unlink(missing_ok=True)


def stamp(path: Path) -> tuple[int, int, int]:
    """What changes when somebody writes a file."""
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


def read_coco(path: Path) -> dict[str, Any]:
    """The content of a COCO file.

    Raises:
        ResumeError: it is not JSON.
        ForeignFileError: it is JSON of another kind.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ResumeError(
            f"{path} is there already and is not JSON ({error}); it was left alone. "
            "Give another output, or move it away"
        ) from error
    if not isinstance(content, dict) or not all(
        isinstance(content.get(name), list) for name in COCO_LISTS
    ):
        raise ForeignFileError(
            f"{path} is there already and is no COCO annotation; it was left alone. "
            "Give another output"
        )
    return content


def keep_copy(path: Path) -> None:
    """Copy a file to its name with ".bak", unless that is there."""
    copy = path.with_name(path.name + ".bak")
    if not copy.exists():
        write_atomically(copy, path.read_bytes())


def line(entry: Mapping[str, Any]) -> str:
    """An entry as it stands in the file."""
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":"))


def document(rest: Mapping[str, Any], lists: Mapping[str, Iterable[str]]) -> bytes:
    """JSON with one entry of a list a line; the entries come as text."""
    parts = [f"{_key(key)}{line(value)}" for key, value in rest.items()]
    for key, lines in lists.items():
        body = ",\n".join(lines)
        parts.append(f"{_key(key)}[\n{body}\n]" if body else f"{_key(key)}[]")
    return ("{\n" + ",\n".join(parts) + "\n}\n").encode()


def _key(key: str) -> str:
    return f"{json.dumps(key, ensure_ascii=False)}: "
