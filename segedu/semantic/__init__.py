"""Semantic segmentation: the methods, one file each, their metrics and the CRF."""

from segedu.semantic.deconvnet import DeconvNet, deconvnet
from segedu.semantic.fcn import FCN, fcn8s, fcn16s, fcn32s
from segedu.semantic.hourglass import StackedHourglass, stacked_hourglass
from segedu.semantic.predict import predict
from segedu.semantic.segformer import (
    SegFormer,
    segformer_b0,
    segformer_b1,
    segformer_b2,
    segformer_b3,
    segformer_b4,
    segformer_b5,
)
from segedu.semantic.segnet import SegNet, segnet
from segedu.semantic.unet import UNet, unet

__all__ = [
    "FCN",
    "DeconvNet",
    "SegFormer",
    "SegNet",
    "StackedHourglass",
    "UNet",
    "deconvnet",
    "fcn8s",
    "fcn16s",
    "fcn32s",
    "predict",
    "segformer_b0",
    "segformer_b1",
    "segformer_b2",
    "segformer_b3",
    "segformer_b4",
    "segformer_b5",
    "segnet",
    "stacked_hourglass",
    "unet",
]
