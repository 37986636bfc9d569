"""Widgets: the click canvas on which any interactive method segments, and the lectures' demos."""

from segedu.widgets.segmenter import Segmenter

__all__ = ["Segmenter"]
