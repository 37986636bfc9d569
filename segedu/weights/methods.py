"""Interactive methods with weights, the course's own or the authors', ready to be clicked with."""

from __future__ import annotations

import torch

from segedu.interactive import RITM, SAM, SegmentAnything, ZoomIn
from segedu.interactive.ritm_network import ClickNetwork
from segedu.layers.folding import folded
from segedu.weights.official import load
from segedu.weights.registry import OFFICIAL
from segedu.weights.shipped import load_shipped

SHIPPED_RITM = "ritm-hrnet18s-small"
SHIPPED_SAM = "sam-vit-tiny"

# The small network was trained on crops of 224 pixels. Of 224, 256 and 288 this one needed the
# fewest clicks to IoU 0.8 on the photographs that chose its checkpoint, and missed the fewest.
SHOWN = 256


def shipped_ritm(
    name: str = SHIPPED_RITM, *, device: str | torch.device = "auto", size: int = SHOWN
) -> ZoomIn:
    """RITM with shipped weights, zooming in.

    Args:
        name: of the checkpoint.
        device: where it runs.
        size: longer side in pixels that the network sees, of the image and of what is zoomed to.

    Raises:
        WeightsError: no such checkpoint.
        ValueError: the checkpoint is of another kind of network.
    """
    net = load_shipped(name)
    if not isinstance(net, ClickNetwork):
        raise ValueError(f"{name} is a {type(net).__name__}, not a network that takes clicks")
    return ZoomIn(RITM(_for_answers(net), device=device, max_size=size), target_size=size)


def shipped_sam(name: str = SHIPPED_SAM, *, device: str | torch.device = "auto") -> SAM:
    """Segment Anything with shipped weights.

    Args:
        name: of the checkpoint.
        device: where it runs.

    Raises:
        WeightsError: no such checkpoint.
        ValueError: the checkpoint is of another kind of network.
    """
    net = load_shipped(name)
    if not isinstance(net, SegmentAnything):
        raise ValueError(f"{name} is a {type(net).__name__}, not a Segment Anything")
    return SAM(net, device=device)


def official_click_names() -> list[str]:
    """Official weights of networks that take clicks."""
    return sorted(n for n, e in OFFICIAL.items() if e.model.startswith("segedu.interactive."))


def official_method(
    name: str, *, device: str | torch.device = "auto", size: int = 400
) -> ZoomIn | SAM:
    """RITM or Segment Anything with the authors' weights, as the authors evaluate them.

    Args:
        name: one of `official_click_names()`.
        device: where it runs.
        size: longer side in pixels of what RITM zooms to; SAM always sees its own.

    Raises:
        WeightsError: the file cannot be had; the message says where to put it.
        ValueError: the weights are not of a network that takes clicks.
    """
    if name not in official_click_names():
        raise ValueError(f"{name!r} takes no clicks; {official_click_names()} do")
    net = load(name)
    if isinstance(net, SegmentAnything):
        return SAM(net, device=device)
    assert isinstance(net, ClickNetwork)
    return ZoomIn(RITM(_for_answers(net), device=device), target_size=size)


def _for_answers(net: ClickNetwork) -> ClickNetwork:
    """The same network to 1e-5, in three quarters of the time on a CPU."""
    return folded(net).to(memory_format=torch.channels_last)
