"""Official files by name: fetched once, checked, converted, loaded.

    model = load("deeplab-v3-r50-voc")

A file is downloaded to the cache (`SEGEDU_CACHE`, else the user's cache folder) and checked against
its published SHA-256, or the beginning of it where file names state that (torchvision's
`-cd0a2569.pth`). Where none is published, the SHA-256 of the first download is written beside the
file and compared from then on. Only tensors are read: safetensors, or `torch.load` with
`weights_only=True`, which refuses anything that could run code.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pooch
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from segedu.weights.registry import OFFICIAL, Official
from segedu.weights.shipped import WeightsError, build

__all__ = ["OFFICIAL", "Official", "cache_folder", "fetch", "load", "official_names"]


def official_names() -> list[str]:
    """Names that `load` knows."""
    return sorted(OFFICIAL)


def load(name: str, *, device: str | torch.device = "cpu") -> nn.Module:
    """A network with officially released weights, in evaluation mode.

    Args:
        name: such as "segformer-b0-ade"; see `official_names()`.
        device: where to put it.

    Raises:
        WeightsError: an unknown name, no network, a damaged file; the message says what to
            download and where to put it.
    """
    if name not in OFFICIAL:
        close = difflib.get_close_matches(name, OFFICIAL, n=3)
        hint = f" (did you mean {' or '.join(close)}?)" if close else ""
        raise WeightsError(f"no official weights {name!r}{hint}; there are {official_names()}")
    return load_entry(OFFICIAL[name], device=device)


def load_entry(entry: Official, *, device: str | torch.device = "cpu") -> nn.Module:
    """The network of an entry of the registry; raises as `load`."""
    path = fetch(entry)
    state = read_tensors(path, entry.inside)
    module, _, function = entry.converter.partition(":")
    convert = getattr(importlib.import_module(module), function)
    net = build(entry.model, **entry.model_args)
    try:
        net.load_state_dict(convert(state, **entry.converter_args))
    except (KeyError, RuntimeError) as error:
        raise WeightsError(f"{path} does not fit {entry.model}: {error}") from error
    return net.to(device).eval()


def cache_folder() -> Path:
    """Where downloaded files are: `SEGEDU_CACHE`, or the user's cache folder."""
    return Path(os.environ.get("SEGEDU_CACHE") or pooch.os_cache("segedu")) / "weights"


def fetch(entry: Official) -> Path:
    """The entry's file, downloaded unless it is in the cache, and checked.

    Raises:
        WeightsError: it cannot be downloaded, or it is not the published file.
    """
    path = cache_folder() / entry.file
    if not path.is_file():
        if entry.by_hand:
            raise WeightsError(
                f"{entry.name} has no direct link: download it from {entry.url} by hand and put it "
                f"at {path}"
            )
        _download(entry, path)
    _check(entry, path)
    return path


def _download(entry: Official, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # pooch writes to a temporary file and renames: an interrupted download leaves nothing.
        pooch.retrieve(
            entry.url,
            known_hash=None,
            fname=path.name,
            path=path.parent,
            downloader=pooch.HTTPDownloader(progressbar=True, timeout=30),
        )
    except (OSError, ValueError) as error:  # requests' errors are OSErrors
        raise WeightsError(
            f"cannot download {entry.url} ({type(error).__name__}: {error}). On a machine with "
            f"internet download it ({entry.megabytes:g} MB) and put it at {path}"
        ) from error


def _check(entry: Official, path: Path) -> None:
    """Compare the file's SHA-256 with the published one, or with that of the first time."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    note = path.with_name(f"{path.name}.sha256")
    expected = entry.sha256 or (note.read_text().strip() if note.is_file() else "")
    if not digest.startswith(expected):
        raise WeightsError(
            f"{path} is damaged or not the published file: its SHA-256 is {digest}, it should "
            f"begin with {expected}; delete it, and it is downloaded again"
        )
    if not expected:
        note.write_text(digest + "\n")


def read_tensors(path: Path, inside: tuple[str, ...] = ()) -> Mapping[str, Tensor]:
    """The tensors in a file.

    Args:
        path: `.safetensors`, or what `torch.save` wrote.
        inside: keys that lead to the state dict within the file, such as ("state_dict",).

    Raises:
        WeightsError: the file is damaged, or holds something that is not plain data.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
        for key in inside:
            content = content[key]
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} holds more than tensors, so it could run code when opened; it is not read: "
            f"{error}"
        ) from error
    except (SafetensorError, RuntimeError, EOFError, KeyError, TypeError) as error:
        raise WeightsError(f"{path} cannot be read: {error}") from error
    return {key: value for key, value in content.items() if isinstance(value, Tensor)}
