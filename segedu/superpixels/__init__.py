"""Superpixels: the methods, one file each, and the metrics that compare them."""

from segedu.superpixels.slic import SlicState, slic, slic_steps

__all__ = ["SlicState", "slic", "slic_steps"]
