"""Interactive segmentation: the protocol, and the methods that speak it."""

from segedu.interactive.clicks import Trace, click_through, next_click, noc
from segedu.interactive.grabcut import GrabCut, GrabCutState, grabcut_steps
from segedu.interactive.protocol import (
    PROMPT_KINDS,
    Click,
    InteractiveMethod,
    Prediction,
    PromptKind,
    Prompts,
    Stroke,
    UnsupportedPromptError,
    require_accepted,
)

__all__ = [
    "PROMPT_KINDS",
    "Click",
    "GrabCut",
    "GrabCutState",
    "InteractiveMethod",
    "Prediction",
    "PromptKind",
    "Prompts",
    "Stroke",
    "Trace",
    "UnsupportedPromptError",
    "click_through",
    "grabcut_steps",
    "next_click",
    "noc",
    "require_accepted",
]
