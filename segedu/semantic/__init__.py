"""Semantic segmentation: the methods, one file each, their metrics and the CRF."""

from segedu.semantic.deconvnet import DeconvNet, deconvnet
from segedu.semantic.fcn import FCN, fcn8s, fcn16s, fcn32s
from segedu.semantic.hourglass import StackedHourglass, stacked_hourglass
from segedu.semantic.segnet import SegNet, segnet
from segedu.semantic.unet import UNet, unet

__all__ = [
    "FCN",
    "DeconvNet",
    "SegNet",
    "StackedHourglass",
    "UNet",
    "deconvnet",
    "fcn8s",
    "fcn16s",
    "fcn32s",
    "segnet",
    "stacked_hourglass",
    "unet",
]
