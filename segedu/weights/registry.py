"""What `load` knows: one entry for each official file; no code but this table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Official:
    """A published file and how it becomes one of the course's networks.

    Attributes:
        name: as `load` takes it.
        about: one line.
        url: where it is; a page when it must be downloaded `by_hand`.
        file: its name in the cache.
        sha256: published, or the beginning that is published, or "" where none is.
        megabytes: about how large.
        licence: of the weights.
        model: builder, "module:name".
        model_args: for the builder, with num_classes.
        converter: function "module:name" from the file's names to ours.
        converter_args: its other arguments.
        inside: keys that lead to the state dict within the file.
        by_hand: True where there is no direct link.
    """

    name: str
    about: str
    url: str
    file: str
    sha256: str = ""
    megabytes: float
    licence: str
    model: str
    model_args: Mapping[str, Any]
    converter: str
    converter_args: Mapping[str, Any] = field(default_factory=dict)
    inside: tuple[str, ...] = ()
    by_hand: bool = False


def _fcn(stride: int, drive: str) -> Official:
    name = f"fcn{stride}s"
    return Official(
        name=f"{name}-voc",
        about=f"FCN-{stride}s, VOC's 21 classes; the authors' weights, converted by wkentaro",
        url=f"https://drive.google.com/uc?id={drive}",
        file=f"{name}_from_caffe.pth",
        megabytes=538,
        licence="not stated by the authors",
        model=f"segedu.semantic.fcn:{name}",
        model_args={"num_classes": 21},
        converter="segedu.semantic.fcn:from_official",
        by_hand=True,
    )


def _unet(scale: str) -> Official:
    file = f"unet_carvana_scale{scale}_epoch2.pth"
    return Official(
        name=f"unet-carvana-{scale}",
        about=f"U-Net, car against ground, milesial's, for photographs at scale {scale}",
        url=f"https://github.com/milesial/Pytorch-UNet/releases/download/v3.0/{file}",
        file=file,
        megabytes=124,
        licence="GPL-3.0",
        model="segedu.semantic.unet:unet",
        model_args={"num_classes": 2},
        converter="segedu.semantic.unet:from_milesial",
    )


def _hourglass(stacks: int, megabytes: float) -> Official:
    return Official(
        name=f"hourglass-{stacks}-mpii",
        about=f"Stacked hourglass of {stacks}, 16 joints of MPII, princeton-vl's",
        url=f"http://www-personal.umich.edu/~cnris/original_{stacks}hg/checkpoint.pt",
        file=f"hourglass_{stacks}hg_checkpoint.pt",
        megabytes=megabytes,
        licence="BSD-3-Clause",
        model="segedu.semantic.hourglass:stacked_hourglass",
        model_args={"num_classes": 16, "stacks": stacks},
        converter="segedu.semantic.hourglass:from_official",
        inside=("state_dict",),
    )


def _segformer(variant: str, data: str, size: int, classes: int, megabytes: float) -> Official:
    hub = f"segformer-{variant}-finetuned-{data}-{size}-{size}"
    short = "ade" if data == "ade" else "cityscapes"
    return Official(
        name=f"segformer-{variant}-{short}",
        about=f"SegFormer-{variant.upper()}, {classes} classes, NVIDIA's, trained at {size}",
        url=f"https://huggingface.co/nvidia/{hub}/resolve/main/pytorch_model.bin",
        file=f"{hub}.bin",
        megabytes=megabytes,
        licence="NVIDIA Source Code License (not commercial)",
        model=f"segedu.semantic.segformer:segformer_{variant}",
        model_args={"num_classes": classes},
        converter="segedu.semantic.segformer:from_transformers",
    )


def _torchvision(
    name: str, about: str, file: str, megabytes: float, module: str, builder: str, **options: Any
) -> Official:
    return Official(
        name=name,
        about=f"{about}, VOC's 21 classes on COCO, torchvision's",
        url=f"https://download.pytorch.org/models/{file}",
        file=file,
        sha256=file.removesuffix(".pth").rsplit("-", 1)[1],  # torchvision names files so
        megabytes=megabytes,
        licence="BSD-3-Clause",
        model=f"segedu.semantic.{module}:{builder}",
        model_args={"num_classes": 21, "auxiliary": True, **options},
        converter=f"segedu.semantic.{module}:from_torchvision",
    )


def _hrnet_imagenet(width: int, tag: str, megabytes: float) -> Official:
    hub = f"hrnet_w{width}.{tag}"
    return Official(
        name=f"hrnet-w{width}-imagenet",
        about=f"HRNet-W{width}, the backbone alone, timm's, trained on ImageNet",
        url=f"https://huggingface.co/timm/{hub}/resolve/main/model.safetensors",
        file=f"{hub}.safetensors",
        megabytes=megabytes,
        licence="MIT",
        model="segedu.backbones.hrnet:HRNet",
        model_args={"width": width, "mode": "nearest"},
        converter="segedu.backbones.hrnet:from_official",
    )


def _deeplab_v2(data: str, classes: int, steps: int) -> Official:
    file = f"deeplabv2_resnet101_msc-{data}-{steps}.pth"
    return Official(
        name=f"deeplab-v2-{'voc' if classes == 21 else data}",
        about=f"DeepLab v2, ResNet-101, {classes} classes, kazuto1011's, at three scales",
        url=f"https://github.com/kazuto1011/deeplab-pytorch/releases/download/v1.0/{file}",
        file=file,
        megabytes=176,
        licence="MIT",
        model="segedu.semantic.deeplab:deeplab_v2",
        model_args={"num_classes": classes, "scales": (0.5, 0.75)},
        converter="segedu.semantic.deeplab:from_port",
    )


def _sam(variant: str, md5: str, sha256: str, megabytes: float) -> Official:
    file = f"sam_vit_{variant}_{md5}.pth"
    return Official(
        name=f"sam-vit-{variant}",
        about=f"Segment Anything with ViT-{variant.upper()}, the authors', trained on SA-1B",
        url=f"https://dl.fbaipublicfiles.com/segment_anything/{file}",
        file=file,
        sha256=sha256,
        megabytes=megabytes,
        licence="Apache-2.0",
        model=f"segedu.interactive.sam_network:sam_vit_{variant}",
        model_args={},
        converter="segedu.interactive.sam_network:from_official",
    )


def _ritm(name: str, network: str, megabytes: float, data: str = "COCO and LVIS") -> Official:
    file = f"{name.replace('-', '_')}_itermask.pth"
    return Official(
        name=f"ritm-{name}",
        about=f"RITM with {network}, the authors', trained on {data}",
        url="https://github.com/saic-vul/ritm_interactive_segmentation/releases/download/"
        f"v1.0/{file}",
        file=file,
        megabytes=megabytes,
        licence="MIT",
        model=f"segedu.interactive.ritm_network:ritm_{network}",
        model_args={},
        converter="segedu.interactive.ritm_network:from_official",
        inside=("state_dict",),
    )


_V3 = {"output_stride": 8, "multi_grid": None}  # as torchvision's, not as the paper's
_MEGABYTES = {"b0": 15, "b1": 55, "b2": 110, "b3": 190, "b4": 257, "b5": 339}

ENTRIES: list[Official] = [
    _fcn(8, "0B9P1L--7Wd2vT0FtdThWREhjNkU"),
    _torchvision(
        "fcn-r50-voc", "FCN, ResNet-50", "fcn_resnet50_coco-1167a1af.pth", 135,
        "fcn_resnet", "fcn_resnet50",
    ),
    _torchvision(
        "fcn-r101-voc", "FCN, ResNet-101", "fcn_resnet101_coco-7ecb50ca.pth", 208,
        "fcn_resnet", "FCNResNet", depth=101,
    ),
    _torchvision(
        "deeplab-v3-r50-voc", "DeepLab v3, ResNet-50", "deeplabv3_resnet50_coco-cd0a2569.pth",
        161, "deeplab_v3", "deeplab_v3", depth=50, **_V3,
    ),
    _torchvision(
        "deeplab-v3-r101-voc", "DeepLab v3, ResNet-101", "deeplabv3_resnet101_coco-586e9e4e.pth",
        233, "deeplab_v3", "deeplab_v3", depth=101, **_V3,
    ),
    _deeplab_v2("vocaug", 21, 20000),
    _deeplab_v2("cocostuff164k", 182, 100000),
    _unet("0.5"),
    _unet("1.0"),
    Official(
        name="hrnet-w48-cityscapes",
        about="HRNetV2-W48, Cityscapes' 19 classes, the authors', without OCR",
        url="https://github.com/hsfzxjy/models.storage/releases/download/HRNet-OCR/"
        "hrnet_cs_8090_torch11.pth",
        file="hrnet_cs_8090_torch11.pth",
        megabytes=263,
        licence="MIT",
        model="segedu.semantic.hrnet:hrnet_w48",
        model_args={"num_classes": 19, "align_corners": True},  # as the authors' page says
        converter="segedu.semantic.hrnet:from_official",
    ),
    _hrnet_imagenet(18, "ms_aug_in1k", 85),
    _hrnet_imagenet(32, "ms_in1k", 165),
    _hrnet_imagenet(48, "ms_in1k", 310),
    _hourglass(2, 34),
    _hourglass(8, 131),
    *(_segformer(b, "ade", 640 if b == "b5" else 512, 150, mb) for b, mb in _MEGABYTES.items()),
    *(_segformer(b, "cityscapes", 1024, 19, mb) for b, mb in _MEGABYTES.items()),
    _ritm("coco-lvis-h18s", "hrnet18s", 16.5),
    _ritm("coco-lvis-h18", "hrnet18", 38.8),
    _ritm("coco-lvis-h32", "hrnet32", 119),
    _ritm("sbd-h18", "hrnet18", 38.8, "SBD"),
    _sam(
        "b", "01ec64", "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912", 375
    ),
    _sam(
        "l", "0b3195", "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622", 1250
    ),
    _sam(
        "h", "4b8939", "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e", 2565
    ),
]  # fmt: skip
OFFICIAL = {entry.name: entry for entry in ENTRIES}
