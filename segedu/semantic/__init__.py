"""Semantic segmentation: the methods, one file each, their metrics and the CRF."""

from segedu.semantic.crf import (
    CRFParameters,
    CRFState,
    dense_crf,
    dense_crf_marginals,
    dense_crf_steps,
)
from segedu.semantic.deconvnet import DeconvNet, deconvnet
from segedu.semantic.deeplab import DeepLabV1, DeepLabV2, deeplab_v1, deeplab_v2
from segedu.semantic.deeplab_v3 import DeepLabV3, deeplab_v3
from segedu.semantic.deeplab_v3_plus import DeepLabV3Plus, deeplab_v3_plus
from segedu.semantic.fcn import FCN, fcn8s, fcn16s, fcn32s
from segedu.semantic.fcn_resnet import FCNResNet, fcn_resnet50
from segedu.semantic.hourglass import StackedHourglass, stacked_hourglass
from segedu.semantic.hrnet import HRNetSegmentation, hrnet_w18, hrnet_w32, hrnet_w48
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
    "CRFParameters",
    "CRFState",
    "DeconvNet",
    "DeepLabV1",
    "DeepLabV2",
    "DeepLabV3",
    "DeepLabV3Plus",
    "FCNResNet",
    "HRNetSegmentation",
    "SegFormer",
    "SegNet",
    "StackedHourglass",
    "UNet",
    "deconvnet",
    "deeplab_v1",
    "deeplab_v2",
    "deeplab_v3",
    "deeplab_v3_plus",
    "dense_crf",
    "dense_crf_marginals",
    "dense_crf_steps",
    "fcn8s",
    "fcn16s",
    "fcn32s",
    "fcn_resnet50",
    "hrnet_w18",
    "hrnet_w32",
    "hrnet_w48",
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
