"""Widgets that make something of masks: labels, stickers, photographs without an object."""

from segedu.widgets.applications.labeller import Labeller
from segedu.widgets.applications.object_remover import ObjectRemover
from segedu.widgets.applications.sticker_maker import StickerMaker

__all__ = ["Labeller", "ObjectRemover", "StickerMaker"]
