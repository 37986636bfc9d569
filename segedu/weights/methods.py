"""Interactive methods with the course's own weights, ready to be clicked with."""

from __future__ import annotations

import torch

from segedu.interactive import RITM, SAM, SegmentAnything, ZoomIn
from segedu.interactive.ritm_network import ClickNetwork
from segedu.weights.shipped import load_shipped

# The small network was trained on crops of 224 pixels. Of 224, 256 and 288 this one needed the
# fewest clicks to IoU 0.8 on the photographs that chose its checkpoint, and left the fewest objects.
SHOWN = 256


def shipped_ritm(
    name: str = "ritm-hrnet18s-small", *, device: str | torch.device = "auto", size: int = SHOWN
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
    return ZoomIn(RITM(net, device=device, max_size=size), target_size=size)


def shipped_sam(name: str = "sam-vit-tiny", *, device: str | torch.device = "auto") -> SAM:
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
