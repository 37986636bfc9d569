"""What `load` knows: one entry for each official file; no code but this table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Official:
    """A published file and how it becomes one of the course's networks.

    Attributes:
        name: as `load` takes it.
        about: one line.
        url: where it is; a page when it must be downloaded `by_hand`.
        file: its name in the cache.
        sha256: published, or the beginning that is published, or "" where none is.
        megabytes: about how large.
        licence: of the weights.
        model: builder, "module:name".
        model_args: for the builder, with num_classes.
        converter: function "module:name" from the file's names to ours.
        converter_args: its other arguments.
        inside: keys that lead to the state dict within the file.
        by_hand: True where there is no direct link.
    """

    name: str
    about: str
    url: str
    file: str
    sha256: str = ""
    megabytes: float
    licence: str
    model: str
    model_args: Mapping[str, Any]
    converter: str
    converter_args: Mapping[str, Any] = field(default_factory=dict)
    inside: tuple[str, ...] = ()
    by_hand: bool = False


ENTRIES: list[Official] = [
    Official(
        name="unet-carvana",
        about="U-Net, cars against ground, milesial's port at scale 0.5",
        url="https://github.com/milesial/Pytorch-UNet/releases/download/v3.0/"
        "unet_carvana_scale0.5_epoch2.pth",
        file="unet_carvana_scale0.5_epoch2.pth",
        megabytes=124,
        licence="GPL-3.0",
        model="segedu.semantic.unet:unet",
        model_args={"num_classes": 2},
        converter="segedu.semantic.unet:from_milesial",
    ),
]
OFFICIAL = {entry.name: entry for entry in ENTRIES}
