"""Widgets that make something of masks: labels, stickers, photographs without an object."""

from segedu.widgets.applications.labeller import Labeller

__all__ = ["Labeller"]
