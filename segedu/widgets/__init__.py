"""Widgets: the click canvas on which any interactive method segments, and the lectures' demos."""

from segedu.widgets.applications import Labeller, ObjectRemover, StickerMaker
from segedu.widgets.demos import (
    atrous_explorer,
    attention_explorer,
    boundary_recall_curve,
    click_explorer,
    crf_explorer,
    everything_explorer,
    grabcut_stepper,
    hrnet_branches,
    rivals,
    slic_stepper,
    upsampling,
)
from segedu.widgets.segmenter import Segmenter

__all__ = [
    "Labeller",
    "ObjectRemover",
    "Segmenter",
    "StickerMaker",
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
