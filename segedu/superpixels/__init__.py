"""Superpixels: the methods, one file each, and the metrics that compare them."""

from segedu.superpixels.felzenszwalb import FelzenszwalbState, felzenszwalb, felzenszwalb_steps
from segedu.superpixels.slic import SlicState, slic, slic_steps

__all__ = [
    "FelzenszwalbState",
    "SlicState",
    "felzenszwalb",
    "felzenszwalb_steps",
    "slic",
    "slic_steps",
]
