"""Checkpoints that survive a kill, a full disk and a flipped bit.

A file is written under another name, forced to the disk, and only then renamed: under its own name
there is always a whole file. Its name ends with the beginning of its SHA-256, so that damage shows;
the newest whole one is taken.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors.torch import save as to_safetensors
from torch import Tensor

KEEP = 2  # the newest one, and one in case it is damaged
NAME = re.compile(r"step_(\d{8})-([0-9a-f]{8})\.pt")


class TrainingError(RuntimeError):
    """Training cannot go on; the message says why, and what to do."""


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Make or replace a file so that it is never seen half written.

    Args:
        path: the file; its folder exists.
        write: called with the open file.

    Raises:
        TrainingError: the disk is full, or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise TrainingError(_why_not_written(path, error)) from error


def _sync_folder(folder: Path) -> None:
    """Force the new name to the disk as well."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _why_not_written(path: Path, error: OSError) -> str:
    try:
        free = f"{shutil.disk_usage(path.parent).free / 1e6:.0f} MB are free there"
    except OSError:
        free = "its folder is not there"
    why = error.strerror or str(error)
    return f"cannot write {path}: {why} ({free}); make room, or see the limits on files (ulimit -f)"


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically; raises as `write_atomically`."""
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))


def write_weights(path: Path, state: dict[str, Tensor]) -> None:
    """Write a state dict as safetensors atomically; raises as `write_atomically`."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    write_atomically(path, lambda file: file.write(to_safetensors(tensors)))


def save(folder: Path, step: int, state: dict[str, Any]) -> Path:
    """Write the checkpoint of a step, then remove all but the newest `KEEP`.

    Raises:
        TrainingError: it could not be written; the older ones are untouched.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getbuffer()
    path = folder / f"step_{step:08d}-{hashlib.sha256(content).hexdigest()[:8]}.pt"
    write_atomically(path, lambda file: file.write(content))
    for old in checkpoints(folder)[:-KEEP]:
        old.unlink(missing_ok=True)
    return path


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    return sorted(path for path in folder.glob("step_*.pt") if NAME.fullmatch(path.name))


def load_newest(folder: Path, warn: Callable[[str], object] = print) -> dict[str, Any] | None:
    """The state in the newest checkpoint that is whole, None where there is no checkpoint.

    Args:
        folder: of the run.
        warn: told about damaged files.

    Raises:
        TrainingError: there are checkpoints, and all are damaged.
    """
    paths = checkpoints(folder)
    for path in reversed(paths):
        if (state := _load(path)) is not None:
            return state
        warn(f"{path} is damaged; going back to the checkpoint before it")
    if paths:
        raise TrainingError(
            f"every checkpoint in {folder} is damaged; begin anew with --fresh, or in another "
            "folder"
        )
    return None


def _load(path: Path) -> dict[str, Any] | None:
    """The state in a file, None when it is damaged."""
    match = NAME.fullmatch(path.name)
    if match is None or _digest(path) != match[2]:
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:8]


def clear(folder: Path) -> None:
    """Remove what a run left in its folder: checkpoints, weights, logs; nothing else."""
    weights = ("best.safetensors", "final.safetensors")
    for name in (*weights, "recipe.json", "data.json", "result.json", "log.jsonl"):
        (folder / name).unlink(missing_ok=True)
    for path in checkpoints(folder):
        path.unlink()
    shutil.rmtree(folder / "tensorboard", ignore_errors=True)
