"""Widgets: the click canvas on which any interactive method segments, and the lectures' demos."""

from segedu.widgets.demos import (
    boundary_recall_curve,
    grabcut_stepper,
    rivals,
    slic_stepper,
    upsampling,
)
from segedu.widgets.segmenter import Segmenter

__all__ = [
    "Segmenter",
    "boundary_recall_curve",
    "grabcut_stepper",
    "rivals",
    "slic_stepper",
    "upsampling",
]
