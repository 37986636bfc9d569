"""Checkpoints that come with the course, each with a card that says what it is.

`data/checkpoints/NAME.safetensors` holds the weights, matrices in half precision;
`data/checkpoints/NAME.json`, the card, how they were made, what they score, and how to get the
same.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_safetensors
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from segedu.data.photographs import data_root

LARGEST = 12_000_000  # bytes; those of the semantic section stay below 4 MB (tests)


class WeightsError(RuntimeError):
    """Weights that are missing, damaged or of another version; the message says what to do."""


def checkpoints_folder() -> Path:
    """Where the shipped checkpoints are: in the repository, or in the wheel."""
    return data_root() / "checkpoints"


def shipped_names() -> list[str]:
    """Names of the shipped checkpoints."""
    return sorted(path.stem for path in checkpoints_folder().glob("*.json"))


def read_card(name: str, folder: Path | None = None) -> dict[str, Any]:
    """The card of a shipped checkpoint.

    Raises:
        WeightsError: there is none of that name; the message names the nearest.
    """
    path = (folder or checkpoints_folder()) / f"{name}.json"
    if not path.is_file():
        names = shipped_names() if folder is None else [p.stem for p in folder.glob("*.json")]
        close = difflib.get_close_matches(name, names, n=2)
        hint = f" (did you mean {' or '.join(close)}?)" if close else ""
        raise WeightsError(f"no checkpoint {name!r} is shipped{hint}; there are {names}")
    card: dict[str, Any] = json.loads(path.read_text())
    return card


def load_shipped(
    name: str, *, device: str | torch.device = "cpu", folder: Path | None = None
) -> nn.Module:
    """A trained network of the course, in evaluation mode, float32.

    Args:
        name: such as "unet-scenes"; see `shipped_names()`.
        device: where to put it.
        folder: of the checkpoints, when it is not the course's.

    Raises:
        WeightsError: no such checkpoint, or its file is damaged.
    """
    card = read_card(name, folder)
    path = (folder or checkpoints_folder()) / f"{name}.safetensors"
    if not path.is_file():
        raise WeightsError(f"{path} is missing; clone the whole repository again")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != card["sha256"]:
        raise WeightsError(f"{path} is not the file that its card describes; restore it from git")
    net = build(card["model"], num_classes=len(card["classes"]), **card["model_args"])
    try:
        net.load_state_dict(from_safetensors(content))
    except (SafetensorError, RuntimeError) as error:
        raise WeightsError(f"{path} does not fit {card['model']}: {error}") from error
    return net.to(device).eval()


def build(function: str, **arguments: Any) -> nn.Module:
    """Call the builder "segedu.….module:name".

    Raises:
        WeightsError: it is not one of the course's.
    """
    module, _, name = function.partition(":")
    if module.split(".")[0] != "segedu":
        raise WeightsError(f"a builder must be the course's own, got {function!r}")
    try:
        builder = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise WeightsError(f"this version of the course has no {function}: {error}") from error
    net: nn.Module = builder(**arguments)
    return net


def in_half_precision(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Matrices and kernels as float16; vectors stay: a variance may lie beyond float16's range."""
    return {
        name: value.half() if value.is_floating_point() and value.ndim > 1 else value
        for name, value in state.items()
    }


def write_shipped(
    name: str, state: dict[str, Tensor], card: dict[str, Any], folder: Path | None = None
) -> Path:
    """Write a checkpoint and its card.

    Args:
        name: of the checkpoint.
        state: as `in_half_precision` gives it.
        card: what is to be said; size and SHA-256 are added.
        folder: where; the course's `data/checkpoints` when left out.

    Raises:
        WeightsError: it is larger than `LARGEST`.
    """
    folder = folder or checkpoints_folder()
    content = to_safetensors({key: value.cpu().contiguous() for key, value in state.items()})
    if len(content) > LARGEST:
        raise WeightsError(
            f"{name} has {len(content) / 1e6:.1f} MB, {LARGEST / 1e6:g} MB may be shipped; "
            "take a narrower network"
        )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    path.write_bytes(content)
    card = card | {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    path.with_suffix(".json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    return path
