"""Widgets: the click canvas on which any interactive method segments, and the lectures' demos."""

from segedu.widgets.demos import (
    attention_explorer,
    boundary_recall_curve,
    grabcut_stepper,
    hrnet_branches,
    rivals,
    slic_stepper,
    upsampling,
)
from segedu.widgets.segmenter import Segmenter

__all__ = [
    "Segmenter",
    "attention_explorer",
    "boundary_recall_curve",
    "grabcut_stepper",
    "hrnet_branches",
    "rivals",
    "slic_stepper",
    "upsampling",
]
