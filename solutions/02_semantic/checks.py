"""Hidden checks of assignment 2: other inputs than the notebook's, and every edge case it names.

A check asks for all its answers before it compares the first: the more calls are recorded, the
better the diagnosis tells one mistake from another.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segedu.grading import (
    Reference,
    Settings,
    Student,
    check,
    expect_array,
    expect_close,
    expect_true,
)

# Not segedu.layers: segedu.semantic is gone, and its attention with it.
LIBRARY = ("segedu.semantic", "segedu.backbones", "segedu.layers")
MODELS = ("transformers", "timm")
CONVOLUTIONS = tuple(
    f"{prefix}conv{kind}{n}d"
    for prefix in ("", "mkldnn_", "_slow_", "thnn_")
    for kind in ("", "_transpose")
    for n in (1, 2, 3)
)
CONVOLUTIONS += ("convolution", "_convolution", "mkldnn_convolution", "conv_tbc", "conv2d_forward")
CONVOLUTIONS += ("_slow_conv2d_forward", "slow_conv_dilated2d", "_conv_depthwise2d")
UNPOOLING = ("max_unpool1d", "max_unpool2d", "max_unpool3d")
ATTENTION = ("scaled_dot_product_attention", "multi_head_attention_forward")
ATTENTION += ("_native_multi_head_attention", "_transformer_encoder_layer_fwd")


def settings(*forbidden: str, locked: tuple[str, ...] = ()) -> Settings:
    """What an exercise allows besides the library, which none does."""
    everywhere = (*LIBRARY, *forbidden)
    return Settings(forbidden=everywhere, locked=locked, call_seconds=5.0, total_seconds=15.0)


SETTINGS = {
    "*": settings(),
    "mean_iou": settings("sklearn.metrics", "torchmetrics"),
    "max_unpool": settings(locked=UNPOOLING),
    "atrous_conv": settings(*MODELS, locked=CONVOLUTIONS),
    "efficient_attention": settings(*MODELS, locked=ATTENTION),
    "mean_field_step": settings("pydensecrf"),
}

Rng = np.random.Generator
Array = NDArray[Any]
Case = tuple[Any, ...]


def compare_all(
    student: Student,
    reference: Reference,
    function: str,
    cases: list[Case],
    name: str,
    hint: str | None = None,
) -> None:
    """The student's and the reference's answers agree on all cases."""
    got = [student.call(function, *case) for case in cases]
    for value, case in zip(got, cases, strict=True):
        want = reference.call(function, *case)
        expect_array(value, want, name=name, rtol=1e-4, atol=1e-4, hint=hint)


def compare_untouched(
    student: Student, reference: Reference, function: str, case: Case, names: str, result: str
) -> None:
    """The answer is right, and the arrays that the student was given are as they were."""
    got, after = student.call_and_inputs(function, *case)
    for name, old, new in zip(names.split(), case, after, strict=False):
        same = np.array_equal(np.asarray(old), np.asarray(new))
        expect_true(bool(same), f"your function changed its input `{name}`; work on a copy")
    want = reference.call(function, *case)
    expect_array(got, want, name=result, rtol=1e-4, atol=1e-4)


# ------------------------------------------------------------------ 1: mIoU


def label_maps(rng: Rng, num_classes: int, ignore: int, dtype: type) -> tuple[Array, Array]:
    """A prediction that is often right, and its target with a tenth of ignored pixels."""
    height, width = rng.integers(12, 20, 2)
    target = rng.integers(0, num_classes, (height, width))
    noise = rng.integers(0, num_classes, (height, width))
    prediction = np.where(rng.random((height, width)) < 0.4, noise, target)
    target[rng.random((height, width)) < 0.1] = ignore
    return prediction.astype(dtype), target.astype(dtype)


@check("mean_iou", points=0.5, title="counts of random maps")
def counts_random(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "n_ij counts pixels of class i (row) that were called j (column)"
    cases = []
    for classes in (2, 5, 9):
        prediction, target = label_maps(rng, classes, 0, np.int64)
        cases.append((prediction, target, classes))
    compare_all(student, reference, "confusion_matrix", cases, "the confusion matrix", hint)


@check("mean_iou", points=0.5, title="ignored pixels")
def counts_ignored(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "where the target is the ignore label the pixel counts nowhere, whatever was predicted"
    cases: list[Case] = []
    for classes, ignore in ((4, 255), (6, -1), (3, 100)):
        prediction, target = label_maps(rng, classes, ignore, np.int64)
        if len(cases) < 2:  # the method does not know either; and it may guess
            prediction[target == ignore] = ignore
        cases.append((prediction, target, classes, ignore))
    compare_all(student, reference, "confusion_matrix", cases, "the confusion matrix", hint)


@check("mean_iou", points=0.5, title="uint8 maps with 19 classes")
def counts_uint8(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "beware of overflow in uint8"
    cases: list[Case] = [(*label_maps(rng, 19, 255, np.uint8), 19) for _ in range(2)]
    compare_all(student, reference, "confusion_matrix", cases, "the confusion matrix", hint)


@check("mean_iou", points=1, title="mIoU of random counts")
def miou_random(student: Student, reference: Reference, rng: Rng) -> None:
    cases: list[Case] = []
    for classes in (2, 5, 19):
        counts = rng.integers(0, 40, (classes, classes)) + np.diag(rng.integers(50, 400, classes))
        cases.append((counts,))
    compare_all(student, reference, "mean_iou", cases, "mIoU")


@check("mean_iou", points=1, title="classes that do not occur, or only in the prediction")
def miou_absent(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "out of the mean are only classes that neither truth nor prediction shows"
    cases = []
    for classes in (4, 7, 7):
        counts = rng.integers(1, 40, (classes, classes)) + np.diag(rng.integers(50, 99, classes))
        absent, ghost = rng.choice(classes, 2, replace=False)
        counts[absent] = counts[:, absent] = 0
        if len(cases) < 2:
            counts[ghost] = 0
        cases.append((counts,))
    compare_all(student, reference, "mean_iou", cases, "mIoU", hint)


@check("mean_iou", points=0.25, title="no pixel at all")
def miou_empty(student: Student, reference: Reference, rng: Rng) -> None:
    counts = np.zeros((3, 3), int)
    got = student.call("mean_iou", counts)
    want = reference.call("mean_iou", counts)
    expect_close(got, want, name="mIoU of zeros", hint="there was nothing to measure: nan")
    expect_true(bool(np.isnan(float(got))), f"mIoU of zeros is {float(got):g}; it should be nan")


@check("mean_iou", points=0.25, title="inputs untouched")
def counts_untouched(student: Student, reference: Reference, rng: Rng) -> None:
    case = (*label_maps(rng, 5, 255, np.int64), 5)
    names = "prediction target"
    compare_untouched(student, reference, "confusion_matrix", case, names, "the confusion matrix")


# ------------------------------------------------------------------ 2: bilinear kernel


@check("bilinear_kernel", points=1, title="odd kernels")
def kernel_odd(student: Student, reference: Reference, rng: Rng) -> None:
    sizes = [(int(2 * n + 1),) for n in rng.choice(np.arange(3, 9), 3, replace=False)]
    compare_all(student, reference, "bilinear_kernel", [*sizes, (1,)], "the kernel")


@check("bilinear_kernel", points=1, title="even kernels")
def kernel_even(student: Student, reference: Reference, rng: Rng) -> None:
    sizes = [(int(2 * n),) for n in rng.choice(np.arange(3, 9), 3, replace=False)]
    compare_all(student, reference, "bilinear_kernel", [*sizes, (2,)], "the kernel")


@check("bilinear_kernel", points=1, title="weights of deconvolutions")
def deconvolution(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "k = 2 s - s mod 2, and weight[c, c] is the kernel; between classes it is 0"
    cases = [(int(rng.integers(2, 6)), stride) for stride in (1, 2, 3, 4, 7, 8)]
    compare_all(student, reference, "deconvolution_weight", cases, "the weight", hint)


# ------------------------------------------------------------------ 3: max-unpooling


def pooled(
    rng: Rng, shape: tuple[int, int, int], kernel: int, stride: int, low: float = 0.5
) -> Case:
    """Max-pooled noise with its indices, as arguments of max_unpool: values are new, >= low."""
    image = torch.from_numpy(rng.normal(size=shape))
    _, indices = torch.nn.functional.max_pool2d(image, kernel, stride, return_indices=True)
    values = rng.uniform(low, 9, indices.shape)  # as in a decoder: no longer the maxima
    return values, indices.numpy(), shape[1], shape[2]


@check("max_unpool", points=1, title="even sizes")
def unpool_even(student: Student, reference: Reference, rng: Rng) -> None:
    cases = [pooled(rng, (1, 6, 10), 2, 2), pooled(rng, (3, 8, 4), 2, 2)]
    cases.append(pooled(rng, (2, 9, 6), 3, 3))
    compare_all(student, reference, "max_unpool", cases, "the map")


@check("max_unpool", points=1, title="sizes that pooling cut off")
def unpool_odd(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "the row of an index is index // width, with the width of the output"
    cases = [pooled(rng, (2, 7, 9), 2, 2), pooled(rng, (3, 5, 8), 2, 2)]
    cases.append(pooled(rng, (2, 11, 5), 3, 3))
    compare_all(student, reference, "max_unpool", cases, "the map", hint)


@check("max_unpool", points=1, title="several values for one pixel")
def unpool_overlap(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "where several values name a pixel, the largest of them goes there"
    cases = [pooled(rng, (2, 9, 11), 3, 1), pooled(rng, (3, 8, 9), 3, 2)]
    cases += [pooled(rng, (2, 9, 7), 3, 1, low=-9)]
    compare_all(student, reference, "max_unpool", cases, "the map", hint)


@check("max_unpool", points=0.5, title="negative values")
def unpool_negative(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "a pixel that an index names holds its value, also a negative one"
    cases = []
    for shape in ((2, 6, 8), (1, 5, 7)):
        values, *rest = pooled(rng, shape, 2, 2)
        cases.append((-values, *rest))
    compare_all(student, reference, "max_unpool", cases, "the map", hint)


@check("max_unpool", points=0.5, title="float32; inputs untouched")
def unpool_untouched(student: Student, reference: Reference, rng: Rng) -> None:
    values, *rest = pooled(rng, (2, 7, 6), 2, 2)
    case = (values.astype(np.float32), *rest)
    compare_untouched(student, reference, "max_unpool", case, "values indices", "the map")


# ------------------------------------------------------------------ 4: atrous convolution


def normal(rng: Rng, *shape: int) -> Tensor:
    """Random normal float32 numbers."""
    return torch.from_numpy(rng.normal(size=shape).astype(np.float32))


@check("atrous_conv", points=0.5, title="rate 1: the usual convolution")
def conv_plain(student: Student, reference: Reference, rng: Rng) -> None:
    cases = [
        (normal(rng, 2, 3, 8, 9), normal(rng, 4, 3, 3, 3)),
        (normal(rng, 1, 2, 6, 11), normal(rng, 3, 2, 5, 5)),
    ]
    compare_all(student, reference, "atrous_conv", cases, "the output")


@check("atrous_conv", points=1.5, title="other rates and paddings")
def conv_rates(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "taps are r pixels apart, and p zeros stand on each side at every rate"
    cases = []
    for rate, padding in ((2, 0), (3, 2), (4, 4), (2, 5)):
        weight, bias = normal(rng, 2, 2, 3, 3), normal(rng, 2)
        cases.append((normal(rng, 1, 2, 9, 11), weight, bias, rate, padding))
    compare_all(student, reference, "atrous_conv", cases, "the output", hint)


@check("atrous_conv", points=0.5, title="kernels that are not square")
def conv_shapes(student: Student, reference: Reference, rng: Rng) -> None:
    cases: list[Case] = []
    for kh, kw, rate in ((1, 3, 2), (4, 2, 1), (3, 5, 2), (1, 1, 6)):
        weight = normal(rng, 3, 2, kh, kw)
        cases.append((normal(rng, 1, 2, 12, 10), weight, None, rate, 1))
    compare_all(student, reference, "atrous_conv", cases, "the output")


@check("atrous_conv", points=1, title="groups")
def conv_groups(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "block j of the outputs sees only block j of the inputs; blocks follow one another"
    cases = []
    for channels, outputs, groups in ((6, 4, 2), (4, 8, 4), (6, 9, 3), (5, 5, 5)):
        x, weight = normal(rng, 1, channels, 7, 6), normal(rng, outputs, channels // groups, 3, 3)
        cases.append((x, weight, normal(rng, outputs), 2, 2, groups))
    compare_all(student, reference, "atrous_conv", cases, "the output", hint)


@check("atrous_conv", points=0.5, title="with a bias; inputs untouched")
def conv_untouched(student: Student, reference: Reference, rng: Rng) -> None:
    case = (normal(rng, 2, 3, 7, 7), normal(rng, 7, 3, 3, 3), 3 * normal(rng, 7), 1, 1)
    compare_untouched(student, reference, "atrous_conv", case, "x weight bias", "the output")


# ------------------------------------------------------------------ 5: efficient attention


def attention_case(
    rng: Rng,
    channels: int,
    heads: int,
    size: tuple[int, int],
    reduction: int,
    batch: int = 2,
) -> Case:
    """Tokens of a map and random weights, of a scale that makes attention uneven."""
    c, r = channels, reduction
    weights = {
        "q.weight": normal(rng, c, c) / c**0.5 * 1.5,
        "q.bias": normal(rng, c) / 2,
        "kv.weight": normal(rng, 2 * c, c) / c**0.5,
        "kv.bias": normal(rng, 2 * c) / 2,
        "proj.weight": normal(rng, c, c) / c**0.5,
        "proj.bias": normal(rng, c),
    }
    if r > 1:
        weights |= {
            "sr.weight": normal(rng, c, c, r, r) / (c * r * r) ** 0.5,
            "sr.bias": normal(rng, c),
            "norm.weight": 1 + normal(rng, c) / 2,
            "norm.bias": normal(rng, c),
        }
    x = 1.5 * normal(rng, batch, size[0] * size[1], c)
    return x, *size, weights, heads, r


@check("efficient_attention", points=1, title="one head, no reduction")
def attention_plain(student: Student, reference: Reference, rng: Rng) -> None:
    cases = [attention_case(rng, 8, 1, (3, 4), 1), attention_case(rng, 5, 1, (2, 7), 1)]
    compare_all(student, reference, "efficient_attention", cases, "the output")


@check("efficient_attention", points=1, title="several heads, no reduction")
def attention_heads(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "head h has the channels h d to h d + d - 1, and scores are divided by the root of d"
    cases = [attention_case(rng, 12, 3, (4, 3), 1), attention_case(rng, 8, 4, (2, 5), 1)]
    compare_all(student, reference, "efficient_attention", cases, "the output", hint)


@check("efficient_attention", points=1.5, title="reduced keys and values")
def attention_reduced(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "keys and values come from norm(sr(map)); queries from all tokens"
    cases = [attention_case(rng, 8, 1, (4, 8), 2), attention_case(rng, 8, 2, (9, 6), 3)]
    cases.append(attention_case(rng, 6, 3, (8, 4), 4))
    compare_all(student, reference, "efficient_attention", cases, "the output", hint)


@check("efficient_attention", points=0.5, title="sizes that R does not divide")
def attention_odd(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "incomplete patches on the right and at the bottom are left out"
    cases = [attention_case(rng, 8, 2, (5, 7), 2), attention_case(rng, 4, 1, (8, 10), 3)]
    compare_all(student, reference, "efficient_attention", cases, "the output", hint)


@check("efficient_attention", points=0.5, title="large scores")
def attention_large(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "subtract the largest score before exp"
    x, *rest = attention_case(rng, 8, 2, (3, 5), 1)
    compare_all(student, reference, "efficient_attention", [(5 * x, *rest)], "the output", hint)


@check("efficient_attention", points=0.5, title="inputs untouched")
def attention_untouched(student: Student, reference: Reference, rng: Rng) -> None:
    case = attention_case(rng, 8, 2, (4, 6), 2)
    compare_untouched(student, reference, "efficient_attention", case, "x", "the output")
    _, after = student.call_and_inputs("efficient_attention", *case)
    same = all(np.array_equal(case[3][key], after[3][key]) for key in case[3])
    expect_true(same, "your function changed `weights`; the next call would get other ones")


# ------------------------------------------------------------------ 6: dense CRF


def crf_case(
    rng: Rng, labels: int, height: int, width: int, w1: float, w2: float, levels: int = 5
) -> Case:
    """An image of a few noisy colours, a unary, other beliefs than its own, and parameters."""
    colors = rng.integers(0, 256, (levels, 3))
    image = colors[rng.integers(0, levels, (height, width))] + rng.normal(0, 9, (height, width, 3))
    unary = rng.uniform(0.2, 2.5, (labels, height, width))
    Q = rng.dirichlet(np.ones(labels), (height, width)).transpose(2, 0, 1)
    thetas = (rng.uniform(3, 6), rng.uniform(40, 70), rng.uniform(1, 2))
    return image.clip(0, 255), unary, Q, w1, w2, *(float(t) for t in thetas)


def compare_steps(
    student: Student, reference: Reference, cases: list[Case], hint: str | None = None
) -> None:
    compare_all(student, reference, "mean_field_step", cases, "the new Q", hint)


@check("mean_field_step", points=1, title="the kernel of place alone")
def step_smoothness(student: Student, reference: Reference, rng: Rng) -> None:
    hint = "k / sqrt(D_i D_j), with j = i in the sum, then exp(-U - the message of other labels)"
    cases = [crf_case(rng, 2, 5, 8, 0.0, 3.0), crf_case(rng, 3, 7, 4, 0.0, 1.5)]
    compare_steps(student, reference, cases, hint)


@check("mean_field_step", points=1, title="the kernel of place and colour alone")
def step_appearance(student: Student, reference: Reference, rng: Rng) -> None:
    cases = [crf_case(rng, 2, 5, 8, 4.0, 0.0), crf_case(rng, 4, 7, 4, 2.5, 0.0)]
    compare_steps(student, reference, cases)


@check("mean_field_step", points=1.5, title="both kernels, several labels")
def step_both(student: Student, reference: Reference, rng: Rng) -> None:
    cases = [crf_case(rng, 3, 6, 9, 4.0, 2.0), crf_case(rng, 5, 8, 5, 2.0, 3.0)]
    compare_steps(student, reference, cases)


@check("mean_field_step", points=0.5, title="a uint8 image")
def step_uint8(student: Student, reference: Reference, rng: Rng) -> None:
    image, *rest = crf_case(rng, 3, 6, 7, 5.0, 1.0)
    cases: list[Case] = [(image.astype(np.uint8), *rest)]
    compare_steps(student, reference, cases, "make floats before you subtract colours")


@check("mean_field_step", points=0.5, title="large unaries")
def step_large(student: Student, reference: Reference, rng: Rng) -> None:
    image, unary, *rest = crf_case(rng, 3, 5, 7, 3.0, 2.0)
    # Multiples of 1/64 and whole numbers: float32 holds their sum exactly.
    unary = np.round(64 * unary) / 64 + rng.integers(2000, 9000, (1, 5, 7))
    cases: list[Case] = [(image, unary, *rest)]
    compare_steps(student, reference, cases, "subtract the smallest cost before exp")


@check("mean_field_step", points=0.5, title="inputs untouched; a second step")
def step_untouched(student: Student, reference: Reference, rng: Rng) -> None:
    image, unary, Q, *rest = crf_case(rng, 3, 4, 6, 3.0, 2.0)
    case = (image, unary, Q, *rest)
    compare_untouched(student, reference, "mean_field_step", case, "image unary Q", "the new Q")
    again = (image, unary, reference.call("mean_field_step", *case), *rest)
    compare_steps(student, reference, [again])
