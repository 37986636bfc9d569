"""Runs the authors' own definition of a network, a Caffe prototxt, layer by layer in PyTorch.

FCN, SegNet and DeconvNet were published as prototxt files: they are the references, ports are
second-hand. This reads one and executes the few layer types that such networks use, literally as
Caffe defines them: pooling rounds up, `Crop` cuts by stated or by computed offsets, BN in INFERENCE
mode is scale and shift, masks are flat indices.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Message = dict[str, list[Any]]
_TOKEN = re.compile(r'"[^"]*"|\'[^\']*\'|[{}]|[^\s{}:]+|:')


def read_prototxt(path: Path) -> Message:
    """A prototxt as nested dictionaries; every field is a list, as fields may repeat."""
    text = re.sub(r"#[^\n]*", "", path.read_text())
    tokens = iter(_TOKEN.findall(text))
    return _message(tokens)


def _message(tokens: Any) -> Message:
    fields: Message = {}
    for name in tokens:
        if name == "}":
            break
        following = next(tokens)
        if following == ":":
            following = next(tokens)
        value = _message(tokens) if following == "{" else _scalar(following)
        fields.setdefault(name, []).append(value)
    return fields


def _scalar(token: str) -> Any:
    if token[0] in "\"'":
        return token[1:-1]
    for kind in (int, float):
        try:
            return kind(token)
        except ValueError:
            pass
    return token


def _first(message: Message, name: str, default: Any = None) -> Any:
    return message.get(name, [default])[0]


class CaffeNet:
    """A network of a prototxt with given weights.

    Args:
        path: the prototxt; its data layers are passed over, "data" is the input.
        channels: of the input.
    """

    def __init__(self, path: Path, channels: int = 3) -> None:
        net = read_prototxt(path)
        self.layers = [*net.get("layers", []), *net.get("layer", [])]
        self.shapes = self._parameter_shapes(channels)
        self.weights: dict[str, Tensor] = {}

    def _parameter_shapes(self, channels: int) -> dict[str, tuple[int, ...]]:
        width: dict[str, int] = {"data": channels}
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in self.layers:
            name, kind = layer["name"][0], layer["type"][0].upper()
            bottoms, tops = layer.get("bottom", []), layer.get("top", [])
            # The tutorial's first convolution of SegNet reads its own top: it means the data.
            n = width.get(bottoms[0], channels) if bottoms else channels
            if kind in ("CONVOLUTION", "DECONVOLUTION"):
                p = layer["convolution_param"][0]
                out, k = p["num_output"][0], p["kernel_size"][0]
                order = (out, n) if kind == "CONVOLUTION" else (n, out)
                shapes[f"{name}.weight"] = (*order, k, k)
                if _first(p, "bias_term", "true") != "false":
                    shapes[f"{name}.bias"] = (out,)
                n = out
            elif kind == "BN":
                shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (1, n, 1, 1)
            for top in tops:
                width[top] = n
        return shapes

    def random_weights(self, seed: int = 0) -> dict[str, Tensor]:
        """Fill the network with random weights, and return them by "layer.weight"."""
        g = torch.Generator().manual_seed(seed)
        for name, shape in self.shapes.items():
            values = torch.randn(shape, generator=g)
            if len(shape) == 4 and shape[0] > 1:
                values *= (1.5 / values[0].numel()) ** 0.5
            elif name.endswith("weight"):
                values = 1 + 0.2 * values
            else:
                values *= 0.1
            self.weights[name] = values
        return self.weights

    def __call__(self, images: Tensor, until: str | None = None) -> Tensor:
        """Run on images (B, 3, H, W); the last layer's top, or that of layer `until`."""
        blobs = {"data": images}
        shift = {"data": (1.0, 0.0)}  # stride and offset of every blob against the input
        for layer in self.layers:
            if "bottom" not in layer:
                continue
            kind = layer["type"][0].upper()
            if "LOSS" in kind or kind in ("SOFTMAX", "ACCURACY"):
                continue
            inputs = [blobs.get(b, images) for b in layer["bottom"]]
            shifts = [shift.get(b, (1.0, 0.0)) for b in layer["bottom"]]
            outputs, moved = self._run(kind, layer, inputs, shifts)
            for top, blob in zip(layer["top"], outputs, strict=False):
                blobs[top], shift[top] = blob, moved
            if layer["name"][0] == until:
                break
        return outputs[0]

    def _run(
        self, kind: str, layer: Message, inputs: list[Tensor], shifts: list[tuple[float, float]]
    ) -> tuple[tuple[Tensor, ...], tuple[float, float]]:
        x, (stride, offset) = inputs[0], shifts[0]
        weight, bias = (self.weights.get(f"{layer['name'][0]}.{w}") for w in ("weight", "bias"))
        if kind in ("CONVOLUTION", "DECONVOLUTION"):
            p = layer["convolution_param"][0]
            s, pad, k = (
                _first(p, n, d) for n, d in (("stride", 1), ("pad", 0), ("kernel_size", 1))
            )
            if kind == "CONVOLUTION":
                out = F.conv2d(x, weight, bias, stride=s, padding=pad)
                return (out,), (stride * s, offset + stride * ((k - 1) / 2 - pad))
            out = F.conv_transpose2d(x, weight, bias, stride=s, padding=pad)
            return (out,), (stride / s, offset - stride / s * ((k - 1) / 2 - pad))
        if kind == "POOLING":
            k, s = (layer["pooling_param"][0][n][0] for n in ("kernel_size", "stride"))
            pooled = F.max_pool2d(x, k, stride=s, ceil_mode=True, return_indices=True)
            return pooled, (stride * s, offset + stride * (k - 1) / 2)
        if kind in ("UPSAMPLE", "UNPOOLING"):
            return (self._unpool(layer, x, inputs[1]),), (stride / 2, offset)
        if kind == "BN":
            return (x * weight + bias,), (stride, offset)
        if kind == "SCALE":
            return (x * layer["scale_param"][0]["filler"][0]["value"][0],), (stride, offset)
        if kind == "ELTWISE":
            return (x + inputs[1],), (stride, offset)
        if kind == "CROP":
            return (self._crop(layer, inputs, shifts),), (stride, shifts[1][1])
        if kind == "RELU":
            return (x.relu(),), (stride, offset)
        if kind == "DROPOUT":
            return (x,), (stride, offset)
        raise NotImplementedError(f"Caffe layer {kind}")

    @staticmethod
    def _unpool(layer: Message, x: Tensor, mask: Tensor) -> Tensor:
        p = (layer.get("upsample_param") or layer["unpooling_param"])[0]
        height, width = 2 * x.shape[-2], 2 * x.shape[-1]
        if "upsample_h" in p:
            height, width = p["upsample_h"][0], p["upsample_w"][0]
        flat = x.new_zeros(*x.shape[:2], height * width)
        flat.scatter_(2, mask.flatten(2), x.flatten(2))
        return flat.view(*x.shape[:2], height, width)

    @staticmethod
    def _crop(layer: Message, inputs: list[Tensor], shifts: list[tuple[float, float]]) -> Tensor:
        x, like = inputs
        # What Caffe's coord_map computes when it writes the offsets into the prototxt.
        computed = round((shifts[1][1] - shifts[0][1]) / shifts[0][0])
        p = _first(layer, "crop_param", {})
        stated = _first(p, "offset")
        assert stated is None or stated == computed, (layer["name"], stated, computed)
        height, width = like.shape[-2:]
        return x[..., computed : computed + height, computed : computed + width]
