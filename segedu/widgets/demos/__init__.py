"""The lectures' demos: sliders that move the library's own methods, step by step."""

from segedu.widgets.demos.atrous import AtrousExplorer, atrous_explorer
from segedu.widgets.demos.attention import AttentionExplorer, attention_explorer
from segedu.widgets.demos.base import Demo, Stage
from segedu.widgets.demos.branches import HRNetBranches, hrnet_branches
from segedu.widgets.demos.clicks import ClickExplorer, click_explorer
from segedu.widgets.demos.crf import CRFExplorer, crf_explorer
from segedu.widgets.demos.everything import EverythingExplorer, everything_explorer
from segedu.widgets.demos.grabcut import GrabCutStepper, grabcut_stepper
from segedu.widgets.demos.recall import RecallCurve, boundary_recall_curve
from segedu.widgets.demos.rivals import Rivals, rivals
from segedu.widgets.demos.slic import SlicStepper, slic_stepper
from segedu.widgets.demos.upsampling import Upsampling, upsampling

__all__ = [
    "AtrousExplorer",
    "AttentionExplorer",
    "CRFExplorer",
    "ClickExplorer",
    "Demo",
    "EverythingExplorer",
    "GrabCutStepper",
    "HRNetBranches",
    "RecallCurve",
    "Rivals",
    "SlicStepper",
    "Stage",
    "Upsampling",
    "atrous_explorer",
    "attention_explorer",
    "boundary_recall_curve",
    "click_explorer",
    "crf_explorer",
    "everything_explorer",
    "grabcut_stepper",
    "hrnet_branches",
    "rivals",
    "slic_stepper",
    "upsampling",
]
