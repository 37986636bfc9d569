"""Superpixels: the methods, one file each, and the metrics that compare them."""

from segedu.superpixels.felzenszwalb import FelzenszwalbState, felzenszwalb, felzenszwalb_steps
from segedu.superpixels.quickshift import QuickshiftTree, quickshift, quickshift_tree
from segedu.superpixels.slic import SlicState, slic_steps
from segedu.superpixels.slic_fast import slic
from segedu.superpixels.turbopixels import TurboPixelsState, turbopixels, turbopixels_steps

__all__ = [
    "FelzenszwalbState",
    "QuickshiftTree",
    "SlicState",
    "TurboPixelsState",
    "felzenszwalb",
    "felzenszwalb_steps",
    "quickshift",
    "quickshift_tree",
    "slic",
    "slic_steps",
    "turbopixels",
    "turbopixels_steps",
]
