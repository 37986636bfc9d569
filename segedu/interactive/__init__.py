"""Interactive segmentation: the protocol, and the methods that speak it."""

from segedu.interactive.clicks import Trace, click_through, next_click, noc
from segedu.interactive.conversion import Conversion, conversions, convert
from segedu.interactive.everything import (
    EverythingOptions,
    EverythingStep,
    FoundMask,
    everything_steps,
    segment_everything,
)
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
    uses_previous_mask,
)
from segedu.interactive.ritm import RITM
from segedu.interactive.ritm_network import (
    RITMHRNet,
    RITMSegFormer,
    ritm_hrnet18,
    ritm_hrnet18s,
    ritm_hrnet32,
    ritm_segformer_b0,
)
from segedu.interactive.sam import SAM, Candidates
from segedu.interactive.sam_network import (
    SegmentAnything,
    sam_vit_b,
    sam_vit_h,
    sam_vit_l,
    sam_vit_tiny,
)
from segedu.interactive.zoom_in import ZoomIn

__all__ = [
    "PROMPT_KINDS",
    "RITM",
    "SAM",
    "Candidates",
    "Click",
    "Conversion",
    "EverythingOptions",
    "EverythingStep",
    "FoundMask",
    "GrabCut",
    "GrabCutState",
    "InteractiveMethod",
    "Prediction",
    "PromptKind",
    "Prompts",
    "RITMHRNet",
    "RITMSegFormer",
    "SegmentAnything",
    "Stroke",
    "Trace",
    "UnsupportedPromptError",
    "ZoomIn",
    "click_through",
    "conversions",
    "convert",
    "everything_steps",
    "grabcut_steps",
    "next_click",
    "noc",
    "require_accepted",
    "ritm_hrnet18",
    "ritm_hrnet18s",
    "ritm_hrnet32",
    "ritm_segformer_b0",
    "sam_vit_b",
    "sam_vit_h",
    "sam_vit_l",
    "sam_vit_tiny",
    "segment_everything",
    "uses_previous_mask",
]
