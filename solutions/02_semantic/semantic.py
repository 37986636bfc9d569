# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] nbgrader={"grade": false, "grade_id": "intro", "locked": true, "schema_version": 3, "solution": false, "task": false}
# # Assignment 2: the parts of semantic segmentation
#
# Every network of this section is made of a few parts that are new. In this assignment you write them: the score that all papers report, three ways to get back from a coarse map to pixels, the convolution that DeepLab is named for, the attention of SegFormer, and one step of the dense CRF that cleans up at the end.
#
# | # | exercise | from | points | minutes |
# |---|---|---|---|---|
# | 1 | mIoU from a confusion matrix, with an ignore label | Cityscapes | 4 | 15 |
# | 2 | the bilinear kernel of a deconvolution | FCN | 3 | 15 |
# | 3 | max-unpooling | SegNet | 4 | 15 |
# | 4 | atrous convolution | DeepLab | 4 | 20 |
# | 5 | efficient self-attention | SegFormer | 5 | 25 |
# | 6 | one mean-field step of the dense CRF | DeepLab v1 and v2 | 5 | 25 |
# |   | **together** | | **25** | **115** |
#
# You need NumPy, a little PyTorch, and the lectures of `02_semantic`. The exercises do not build on one another: if you are stuck, go on.
#
# ## How to work
#
# - Write your code where it says `YOUR CODE HERE`, and take out the `raise NotImplementedError()`. You may add helper functions in the same cell.
# - Run the cell below it. It checks your function on small examples and says what is wrong. When it prints "the visible checks pass", all is well there.
# - In a terminal, `segedu check assignments/02_semantic/semantic.ipynb` runs every exercise's cells for you and lists what passes.
# - Your grade comes from *hidden checks*. They call the same functions with other inputs, and with the edge cases that the text names. Each exercise gives part of its points for part of its checks.
# - Write the functions yourself. Finished versions are not the task, and when your work is graded they are not there: `segedu.semantic` and what it is built on, `sklearn.metrics`, `torchmetrics`, `transformers`, `timm`, `pydensecrf`. The lectures' cells are short forms of some exercises: read them, close them, and write your own, with the edge cases that they leave out. Where a single PyTorch operator would be the answer, the text of the exercise says that it is *locked*: when your work is graded, a call of it raises an error (in your notebook it does not). All else of NumPy, SciPy, OpenCV and PyTorch is welcome. So is a plain loop: no check asks for speed beyond a few seconds.
#
# ## Conventions, for all exercises
#
# - A label map is `(H, W)`, integers $0 \dots C-1$; a pixel in row `y` and column `x` is `labels[y, x]`. Feature maps are `(C, H, W)`, batches of them `(B, C, H, W)`.
# - Exercises 1, 2, 3 and 6 give you NumPy arrays, exercises 4 and 5 PyTorch tensors. You may always return either.
# - Where real numbers are asked for, float32 and float64 are both fine; where counts are asked for, any integer type is.
# - **Never change your inputs.** Whoever called you still needs them.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import numpy as np
import torch
import torch.nn.functional as F


# %% nbgrader={"grade": false, "grade_id": "compare", "locked": true, "schema_version": 3, "solution": false, "task": false}
def compare(name, got, want, why=""):
    """Complain, in words, unless `got` equals `want` up to rounding. For the checks below."""
    assert got is not None, f"{name} is None; did you forget `return`?"
    got, want = (a.detach().numpy() if torch.is_tensor(a) else np.asarray(a) for a in (got, want))
    assert got.shape == want.shape, (
        f"{name} has shape {got.shape}; it should have shape {want.shape}. {why}"
    )
    if want.dtype.kind in "iu":
        assert got.dtype.kind in "iu", f"{name} should hold integers; yours holds {got.dtype}."
    wrong = ~np.isclose(got, want, rtol=1e-4, atol=1e-5, equal_nan=True)
    if wrong.any():
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        place = f" at index {list(first)}" if first else ""
        raise AssertionError(
            f"{name} is {got[first]:.6g}{place}; it should be {want[first]:.6g}. {why}"
        )


# %% [markdown] nbgrader={"grade": false, "grade_id": "text_mean_iou", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## Exercise 1: mIoU from a confusion matrix (4 points, about 15 minutes)
#
# Let $n_{ij}$ be the number of pixels of class $i$ that the method called $j$. These counts, an array `(C, C)` with **the truth in the rows and the prediction in the columns**, are all that the scores need, and counts of many images are simply added. The intersection over union of class $i$ is
#
# $$\text{IoU}_i = \frac{n_{ii}}{\sum_j n_{ij} + \sum_j n_{ji} - n_{ii}}$$
#
# and mIoU is its mean over classes.
#
# Some pixels have no true class: the bonnet of one's own car, a smudge between two objects. They carry the *ignore label*, usually 255, and do not count, whatever was predicted there.
#
# **Write** `confusion_matrix(prediction, target, num_classes, ignore=255)` and `mean_iou(counts)`.
#
# - *Ignored pixels.* Only `target` says which these are. `prediction` may hold anything there, also 255 or a class; elsewhere it holds classes. The ignore label may be another number, such as $-1$.
# - *Absent classes.* A class that neither truth nor prediction shows has no IoU ($0/0$): leave it out of the mean. A class that was only predicted has the IoU 0, and counts.
# - *Nothing at all.* If `counts` is zero everywhere, mIoU is `nan`: there was nothing to measure, which is neither good nor bad.
# - Label maps may be `uint8`. There, `18 * 19` is 86: turn them into larger integers before you compute with them.


# %% nbgrader={"grade": false, "grade_id": "mean_iou", "locked": false, "schema_version": 3, "solution": true, "task": false}
def confusion_matrix(prediction, target, num_classes, ignore=255):
    """Count the pixels of each pair (true class, predicted class).

    Args:
        prediction: (H, W), any integer dtype: what the method says.
        target: (H, W), any integer dtype: the truth; `ignore` where a pixel does not count.
        num_classes: C.
        ignore: the ignore label, none of 0 ... C-1.

    Returns:
        (C, C) int, row = truth, column = prediction.

    Example:
        >>> confusion_matrix(np.array([[0, 1, 1]]), np.array([[0, 0, 255]]), num_classes=2)
        array([[1, 1],
               [0, 0]])
    """
    ### BEGIN SOLUTION
    counted = target != ignore
    pairs = target[counted].astype(int) * num_classes + prediction[counted].astype(int)
    counts = np.bincount(pairs, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)
    ### END SOLUTION


def mean_iou(counts):
    """Mean IoU of the classes that occur.

    Args:
        counts: (C, C) int, row = truth, column = prediction.

    Returns:
        mIoU, a number in [0, 1], or nan where no pixel was counted.

    Example:
        >>> mean_iou(np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]]))  # 3/4 and 4/5; class 2 is absent
        0.775
    """
    ### BEGIN SOLUTION
    intersection = counts.diagonal()
    union = counts.sum(axis=1) + counts.sum(axis=0) - intersection
    present = union > 0
    if not present.any():
        return float("nan")
    return float((intersection[present] / union[present]).mean())
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_mean_iou", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
_target = np.array([[0, 0, 1, 1], [2, 2, 255, 1]])
_prediction = np.array([[0, 1, 1, 1], [2, 2, 0, 0]])
_counts = confusion_matrix(_prediction, _target, num_classes=4)
assert _counts is not None, "confusion_matrix returned None; did you forget `return`?"
_want = np.array([[1, 1, 0, 0], [1, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 0]])
assert np.sum(np.asarray(_counts)) != 8, "You count 8 pixels; the ignored one is not to count."
compare("The confusion matrix", _counts, _want, "Rows are the truth, columns the prediction.")
_lopsided = confusion_matrix(np.array([[1, 1, 1]]), np.array([[0, 0, 1]]), num_classes=2)
compare("The matrix of 0, 0, 1 called 1, 1, 1", _lopsided, [[0, 2], [0, 1]], "Rows are the truth.")
_other = confusion_matrix(np.array([[1, 1]]), np.array([[-1, 1]]), num_classes=2, ignore=-1)
compare("The matrix with ignore = -1", _other, [[0, 0], [0, 1]], "Use the argument `ignore`.")
_void = np.full((1, 3), 255, np.uint8)
_empty = confusion_matrix(_void, _void, num_classes=2)
compare("The matrix of ignored pixels only", _empty, np.zeros((2, 2), int))
_high = confusion_matrix(*np.full((2, 1, 5), 18, np.uint8), num_classes=19)
_want = np.zeros((19, 19), int)
_want[18, 18] = 5
compare("The matrix of uint8 maps", _high, _want, "In uint8, 18 * 19 is 86.")

_miou = mean_iou(np.array([[1, 1, 0, 0], [1, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 0]]))
assert _miou is not None, "mean_iou returned None; did you forget `return`?"
assert np.ndim(_miou) == 0, "You return an IoU for each class; mIoU is their mean, one number."
assert not np.isnan(_miou), "Your mIoU is nan: class 3 is absent (0/0); leave it out of the mean."
assert not np.isclose(_miou, (1 / 3 + 1 / 2 + 1) / 4), "Class 3 is absent: divide by 3, not by 4."
assert not np.isclose(_miou, 5 / 7), "That is the pixel accuracy: 5 of 7 pixels are right."
assert not np.isclose(_miou, 13 / 18), "That is the mean of n_ii / t_i, the mean accuracy."
compare("mIoU", float(_miou), (1 / 3 + 1 / 2 + 1) / 3, "1/3, 2/4 and 2/2; class 3 is absent.")
_ghost = float(mean_iou(np.array([[3, 1], [0, 0]])))
assert not np.isclose(_ghost, 0.75), "Class 1 was predicted, wrongly: its IoU is 0, and it counts."
compare("mIoU where class 1 is only predicted", _ghost, 0.375)
_none = float(mean_iou(np.zeros((3, 3), int)))
assert np.isnan(_none), f"mIoU of nothing is {_none}; the course says nan."
### BEGIN HIDDEN TESTS
_t, _p = np.random.default_rng(1).integers(0, 5, (2, 20, 30))
_t[0] = 255
_want = [[((_t == i) & (_p == j)).sum() for j in range(5)] for i in range(5)]
_n = np.asarray(confusion_matrix(_p.astype(np.uint8), _t.astype(np.uint8), 5))
compare("The confusion matrix", _n, _want)
_valid = _t != 255
_want = [((_t == i) & (_p == i)).sum() / (((_t == i) | (_p == i)) & _valid).sum() for i in range(5)]
compare("mIoU", float(mean_iou(_n)), np.mean(_want))
### END HIDDEN TESTS
print("Exercise 1: the visible checks pass.")

# %% [markdown] nbgrader={"grade": false, "grade_id": "text_bilinear_kernel", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## Exercise 2: the bilinear kernel of a deconvolution (3 points, about 15 minutes)
#
# FCN brings a coarse map of scores back to the size of the image by a deconvolution (transposed convolution) of stride $s$: each score puts a small copy of the kernel, times itself, into the output, and the copies add up. FCN starts from the kernel that does *bilinear interpolation*: a tent.
#
# For a kernel of $k \times k$ weights,
#
# $$f = \left\lceil \frac{k}{2} \right\rceil \qquad c = \begin{cases} f - 1 & k \text{ odd} \\ f - \tfrac12 & k \text{ even} \end{cases} \qquad w[y, x] = \left(1 - \frac{\lvert y - c \rvert}{f}\right) \left(1 - \frac{\lvert x - c \rvert}{f}\right)$$
#
# So the tent is 1 in the middle of an odd kernel. An even kernel has no middle pixel: the top lies between pixels. With $k = 4$ a row of the one-dimensional tent is $\tfrac14, \tfrac34, \tfrac34, \tfrac14$. Each weight stays as it is: the kernel does *not* sum to 1, since $s^2$ output pixels share one input pixel.
#
# To upsample by a stride $s$ one takes
#
# $$k = 2s - (s \bmod 2)$$
#
# so that $f = s$ and tents of neighbours add up to 1. And every class is upsampled by itself: no class leaks into another.
#
# **Write** `bilinear_kernel(size)`, and `deconvolution_weight(num_classes, stride)`, the weight that `torch.nn.functional.conv_transpose2d` takes: `(C, C, k, k)`, input class first.
#
# - *Edge cases.* Stride 1 has the kernel $[[1]]$. A kernel of size 2 is $\tfrac14$ everywhere.
#
# (FCN's own code takes $k = 2s$ at all its strides, which are even: there the two rules agree.)


# %% nbgrader={"grade": false, "grade_id": "bilinear_kernel", "locked": false, "schema_version": 3, "solution": true, "task": false}
def bilinear_kernel(size):
    """Kernel of bilinear interpolation.

    Args:
        size: k, an integer of at least 1, odd or even.

    Returns:
        (k, k) float.

    Example:
        >>> bilinear_kernel(3)
        array([[0.25, 0.5 , 0.25],
               [0.5 , 1.  , 0.5 ],
               [0.25, 0.5 , 0.25]])
    """
    ### BEGIN SOLUTION
    factor = (size + 1) // 2
    center = factor - 1 if size % 2 == 1 else factor - 0.5
    tent = 1 - np.abs(np.arange(size) - center) / factor  # (k,)
    return tent[:, None] * tent[None, :]
    ### END SOLUTION


def deconvolution_weight(num_classes, stride):
    """Weight of a deconvolution that upsamples each class bilinearly.

    Args:
        num_classes: C.
        stride: s, an integer of at least 1.

    Returns:
        (C, C, k, k) float with k = 2 s - s mod 2: [input class, output class, y, x].

    Example:
        >>> deconvolution_weight(num_classes=2, stride=1)[:, :, 0, 0]
        array([[1., 0.],
               [0., 1.]])
    """
    ### BEGIN SOLUTION
    size = 2 * stride - stride % 2
    weight = np.zeros((num_classes, num_classes, size, size))
    for c in range(num_classes):
        weight[c, c] = bilinear_kernel(size)
    return weight
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_bilinear_kernel", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
_k3 = bilinear_kernel(3)
assert _k3 is not None, "bilinear_kernel returned None; did you forget `return`?"
assert not np.isclose(np.sum(np.asarray(_k3)), 1), "Your kernel sums to 1; leave the tent as it is."
_tent = np.array([0.5, 1, 0.5])
compare("The kernel of size 3", _k3, np.outer(_tent, _tent), "f = 2, and c = 1 for an odd size.")
_k4, _tent = bilinear_kernel(4), np.array([0.25, 0.75, 0.75, 0.25])
compare("The kernel of size 4", _k4, np.outer(_tent, _tent), "f = 2, and c = 1.5: even.")
compare("The kernel of size 1", bilinear_kernel(1), [[1.0]])
compare("The kernel of size 2", bilinear_kernel(2), np.full((2, 2), 0.25), "f = 1, c = 0.5.")
_tent = np.array([1, 2, 3, 2, 1]) / 3
compare("The kernel of size 5", bilinear_kernel(5), np.outer(_tent, _tent), "f = 3: round k/2 up.")

_w = deconvolution_weight(num_classes=3, stride=2)
assert _w is not None, "deconvolution_weight returned None; did you forget `return`?"
compare("The weight's shape at stride 2", np.shape(_w), (3, 3, 4, 4), "k = 2 s - s mod 2 is 4.")
_w = np.asarray(_w)
compare("The weight from class 0 to 1", _w[0, 1], np.zeros((4, 4)), "No class leaks into another.")
compare("The weight from class 2 to 2", _w[2, 2], _k4)
_shape = np.shape(deconvolution_weight(num_classes=1, stride=3))
compare("The weight's shape at stride 3", _shape, (1, 1, 5, 5), "k = 2 s - s mod 2 is 5.")
### BEGIN HIDDEN TESTS
for _s in (1, 2, 3, 5, 8):
    _w = torch.as_tensor(np.asarray(deconvolution_weight(2, _s))).float()
    _x = torch.arange(30.0).reshape(1, 2, 3, 5)
    _up = F.conv_transpose2d(_x, _w, stride=_s, padding=_s // 2)
    _want = F.interpolate(_x, scale_factor=_s, mode="bilinear", align_corners=False)
    compare(f"Inside, upsampled by {_s}", _up[..., _s:-_s, _s:-_s], _want[..., _s:-_s, _s:-_s])
### END HIDDEN TESTS
print("Exercise 2: the visible checks pass.")

# %% [markdown] nbgrader={"grade": false, "grade_id": "text_max_unpool", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## Exercise 3: max-unpooling (4 points, about 15 minutes)
#
# Max-pooling keeps the largest value of each window and forgets where it was. SegNet remembers: its encoder hands the *indices* of the maxima to the decoder, and the decoder puts each value back to just that place. All other pixels are 0.
#
# An index names a pixel of the large map in reading order, in each channel anew: pixel $(y, x)$ of a map of width $W$ has the index
#
# $$i = y \cdot W + x .$$
#
# **Write** `max_unpool(values, indices, height, width)`.
#
# - *Size of the output.* It cannot be guessed: maps of $6 \times 6$ and of $7 \times 7$ both pool to $3 \times 3$. So it is given, and $W$ above is the output's `width`.
# - *Overlapping windows* (kernel 3, stride 2) may name the same pixel twice. Then **the largest of its values** goes there; they are neither added, nor does the last one win.
# - *Negative values* are values: a pixel that some index names never gets 0 instead.
#
# Locked here: PyTorch's `max_unpool1d`, `max_unpool2d`, `max_unpool3d` and their modules. (Where values collide, they do not say which one wins.)


# %% nbgrader={"grade": false, "grade_id": "max_unpool", "locked": false, "schema_version": 3, "solution": true, "task": false}
def max_unpool(values, indices, height, width):
    """Put pooled values back to where their maxima were.

    Args:
        values: (C, h, w) float.
        indices: (C, h, w) int, y * width + x in the output's plane of the same channel.
        height: of the output.
        width: of the output.

    Returns:
        (C, height, width) float, 0 where no value belongs.

    Example:
        >>> max_unpool(np.array([[[5.0, 7.0]]]), np.array([[[1, 4]]]), height=2, width=3)
        array([[[0., 5., 0.],
                [0., 7., 0.]]])
    """
    ### BEGIN SOLUTION
    channels = len(values)
    flat = np.full((channels, height * width), -np.inf)
    which = np.arange(channels)[:, None]  # (C, 1)
    np.maximum.at(flat, (which, indices.reshape(channels, -1)), values.reshape(channels, -1))
    return np.where(np.isneginf(flat), 0.0, flat).reshape(channels, height, width)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_max_unpool", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
_values = np.array([[[5.0, 7.0], [3.0, -2.0]]])
_indices = np.array([[[1, 4], [11, 13]]])
_up = max_unpool(_values, _indices, height=3, width=5)
assert _up is not None, "max_unpool returned None; did you forget `return`?"
_want = np.array([[[0, 5.0, 0, 0, 7], [0, 0, 0, 0, 0], [0, 3, 0, -2, 0]]])
compare("2 x 2 values in a map of 3 x 5", _up, _want, "Index 11 is row 2, column 1: 2 * 5 + 1.")
_two = max_unpool(np.array([[[1.0]], [[2.0]]]), np.array([[[0]], [[3]]]), height=2, width=2)
_want = [[[1.0, 0], [0, 0]], [[0, 0], [0, 2]]]
compare("Two channels", _two, _want, "Indices start again at 0 in each channel.")
_same = max_unpool(np.array([[[4.0, 9.0, 6.0]]]), np.array([[[2, 2, 2]]]), height=1, width=4)
assert not np.isclose(np.asarray(_same)[0, 0, 2], 19), "You add values that name the same pixel."
compare("4, 9 and 6 in the same pixel", _same, [[[0.0, 0, 9, 0]]], "The largest goes there.")
_low = max_unpool(np.array([[[-4.0, -1.0]]]), np.array([[[0, 0]]]), height=1, width=2)
compare("-4 and -1 in the same pixel", _low, [[[-1.0, 0]]], "The largest of the two, not 0.")
### BEGIN HIDDEN TESTS
_x = torch.from_numpy(np.random.default_rng(3).normal(size=(3, 7, 9)))
_v, _i = F.max_pool2d(_x, 2, return_indices=True)
_up = max_unpool(_v.numpy(), _i.numpy(), 7, 9)
compare("Unpooled", _up, F.max_unpool2d(_v, _i, 2, output_size=(7, 9)))
_v, _i = F.max_pool2d(-_x.abs(), 3, stride=2, return_indices=True)
_want = np.where(np.isin(np.arange(63).reshape(7, 9), _i[0]), -_x[0].abs(), 0)
compare("Unpooled", np.asarray(max_unpool(_v.numpy(), _i.numpy(), 7, 9))[0], _want)
### END HIDDEN TESTS
print("Exercise 3: the visible checks pass.")

# %% [markdown] nbgrader={"grade": false, "grade_id": "text_look_up", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ### Look: three ways up
#
# No points here: run the cell. A blob is pooled twice, from 48 × 48 to 12 × 12, and brought back: by copying each value, by your deconvolution, and by your unpooling. Which one keeps the maxima where they were? Which one would you rather learn from, and why does SegNet put convolutions after its unpooling?

# %% nbgrader={"grade": false, "grade_id": "look_up", "locked": true, "schema_version": 3, "solution": false, "task": false}
import matplotlib.pyplot as plt

y, x = np.mgrid[:48, :48] / 47 - 0.5
blob = np.exp(-40 * ((x - 0.1) ** 2 + 2 * (y + 0.05) ** 2)) + 0.7 * (np.hypot(x + 0.25, y) < 0.12)
half, places_1 = F.max_pool2d(torch.tensor(blob)[None], 2, return_indices=True)
small, places_2 = F.max_pool2d(half, 2, return_indices=True)

weight = torch.as_tensor(np.asarray(deconvolution_weight(1, 4))).double()
smooth = F.conv_transpose2d(small[None], weight, stride=4, padding=2)[0, 0]
unpooled = np.asarray(max_unpool(small.numpy(), places_2.numpy(), 24, 24))
unpooled = np.asarray(max_unpool(unpooled, places_1.numpy(), 48, 48))[0]
pictures = {
    "a blob": blob,
    "pooled by 4": small[0],
    "each value copied": small[0].repeat_interleave(4, 0).repeat_interleave(4, 1),
    "your deconvolution": smooth,
    "your unpooling, twice": unpooled,
}
figure, axes = plt.subplots(1, len(pictures), figsize=(14, 3))
for axis, (title, picture) in zip(axes, pictures.items(), strict=True):
    axis.imshow(picture, vmin=0, vmax=1, cmap="gray")
    axis.set_title(title)
    axis.axis("off")
plt.close(figure)
figure

# %% [markdown] nbgrader={"grade": false, "grade_id": "text_atrous_conv", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## Exercise 4: atrous convolution (4 points, about 20 minutes)
#
# A network that keeps its resolution needs large kernels to see far. *Atrous* convolution (French *à trous*, with holes) sees far with few weights: it spreads the taps of a small kernel $r$ pixels apart. $r$ is the rate, or dilation. With $r = 1$ it is the usual convolution; $r = 2$ leaves one pixel between two taps.
#
# $$\text{out}[o, y, x] = b[o] + \sum_{c} \sum_{u=0}^{k_h-1} \sum_{v=0}^{k_w-1} w[o, c, u, v] \cdot \text{in}[c,\; y + r u - p,\; x + r v - p]$$
#
# $p$ is the padding: so many zeros on each side, whatever the rate. As everywhere in deep learning the kernel is not flipped. The output has $H + 2p - r (k_h - 1)$ rows and $W + 2p - r (k_w - 1)$ columns.
#
# `torch.nn.functional.unfold` lays bare what happens: it collects, for each output pixel, the input values under the taps in one column. For an input `(B, C, H, W)` it gives `(B, C * kh * kw, L)`, with $L$ output pixels in reading order, and in each column all taps of channel 0 first, then all of channel 1, and so on. A convolution is then one product of matrices.
#
# **Write** `atrous_conv(x, weight, bias=None, dilation=1, padding=0, groups=1)`.
#
# - *Groups.* With `groups=g` the input channels are cut into $g$ equal blocks, one after the other, and so are the output channels. Block $j$ of the outputs sees only block $j$ of the inputs, so `weight` is `(O, C/g, kh, kw)`. With $g = C$ this is the depthwise convolution of DeepLab v3+.
# - *Any shapes.* Images and kernels need not be square. `bias` may be `None`.
#
# Locked here: every convolution of PyTorch (`conv1d`, `conv2d`, `conv3d`, `conv_transpose…`, and their modules).


# %% nbgrader={"grade": false, "grade_id": "atrous_conv", "locked": false, "schema_version": 3, "solution": true, "task": false}
def atrous_conv(x, weight, bias=None, dilation=1, padding=0, groups=1):
    """Convolution whose taps are `dilation` pixels apart.

    Args:
        x: (B, C, H, W) float tensor.
        weight: (O, C / groups, kh, kw) float tensor.
        bias: (O,) float tensor, or None.
        dilation: r, an integer of at least 1.
        padding: p, an integer of at least 0: zeros on each side.
        groups: g, divides C and O.

    Returns:
        (B, O, H + 2 p - r (kh - 1), W + 2 p - r (kw - 1)) float.

    Example:
        >>> x = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0]).reshape(1, 1, 1, 5)
        >>> weight = torch.tensor([1.0, 0.0, -1.0]).reshape(1, 1, 1, 3)
        >>> atrous_conv(x, weight, dilation=2)  # 1 - 16
        tensor([[[[-15.]]]])
    """
    ### BEGIN SOLUTION
    batch, _, height, width = x.shape
    outputs, per_group, kh, kw = weight.shape
    out_height = height + 2 * padding - dilation * (kh - 1)
    out_width = width + 2 * padding - dilation * (kw - 1)
    columns = F.unfold(x, (kh, kw), dilation=dilation, padding=padding)  # (B, C kh kw, L)
    columns = columns.reshape(batch, groups, per_group * kh * kw, -1)
    rows = weight.reshape(groups, outputs // groups, per_group * kh * kw)
    out = (rows @ columns).reshape(batch, outputs, out_height, out_width)
    return out if bias is None else out + bias[:, None, None]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_atrous_conv", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
_x = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0, 32.0]).reshape(1, 1, 1, 6)
_w = torch.tensor([1.0, 10.0, 100.0]).reshape(1, 1, 1, 3)
_y = atrous_conv(_x, _w)
assert _y is not None, "atrous_conv returned None; did you forget `return`?"
compare("Rate 1", _y, [[[[421.0, 842, 1684, 3368]]]], "1 * 1 + 2 * 10 + 4 * 100; nothing flips.")
_y = atrous_conv(_x, _w, dilation=2)
compare("Rate 2", _y, [[[[1641.0, 3282]]]], "Taps at 0, 2 and 4: 1 * 1 + 4 * 10 + 16 * 100.")
_y = atrous_conv(_x.reshape(1, 1, 6, 1), _w.reshape(1, 1, 3, 1), dilation=2)
compare("Rate 2, downwards", _y, [[[[1641.0], [3282.0]]]], "Mind which size is which.")
_y = atrous_conv(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3), dilation=2, padding=2)
_want = [[[[4.0, 2, 4], [2, 1, 2], [4, 2, 4]]]]
compare("Rate 2, padding 2, on ones", _y, _want, "Zeros on each side: p of them at every rate.")
_y = atrous_conv(_x, _w, torch.tensor([0.5]))
compare("With a bias", _y, [[[[421.5, 842.5, 1684.5, 3368.5]]]], "Add b[o] to all of channel o.")
_x = torch.tensor([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1)
_w = torch.tensor([[1.0, 10.0, 100.0], [0.0, 1.0, 0.0]]).reshape(2, 3, 1, 1)
_y = atrous_conv(_x, _w)
compare("Three channels to two", _y, [[[[321.0]], [[2.0]]]], "Sum over the input channels.")
_w = torch.tensor([[1.0], [10.0], [100.0]]).reshape(3, 1, 1, 1)
compare("groups = 3", atrous_conv(_x, _w, groups=3), [[[[1.0]], [[20.0]], [[300.0]]]], "Depthwise.")
### BEGIN HIDDEN TESTS
_g = torch.Generator().manual_seed(4)
for _r, _p, _groups in ((1, 0, 1), (2, 1, 1), (3, 4, 2), (6, 6, 4)):
    _x = torch.randn(2, 4, 15, 19, generator=_g)
    _w = torch.randn(8, 4 // _groups, 3, 2, generator=_g)
    _b = torch.randn(8, generator=_g)
    _want = F.conv2d(_x, _w, _b, dilation=_r, padding=_p, groups=_groups)
    compare(f"Rate {_r}", atrous_conv(_x, _w, _b, _r, _p, _groups), _want)
### END HIDDEN TESTS
print("Exercise 4: the visible checks pass.")

# %% [markdown] nbgrader={"grade": false, "grade_id": "text_efficient_attention", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## Exercise 5: efficient self-attention (5 points, about 25 minutes)
#
# In a transformer every pixel asks every other: with $N = H \cdot W$ pixels, $N^2$ questions. At a quarter of a 1024 × 1024 image $N$ is 65,536, and $N^2$ is four thousand million. SegFormer lets all pixels ask, but only $N / R^2$ answer: before keys and values are made, each patch of $R \times R$ pixels is merged into one token.
#
# With heads of $d = C / \text{heads}$ channels,
#
# $$\text{Attention}(Q, K, V) = \text{softmax}\!\left(\frac{Q K^\top}{\sqrt{d}}\right) V \tag{1}$$
#
# step by step:
#
# 1. **Queries**, from all pixels: $Q = x W_q^\top + b_q$.
# 2. **Reduction**, if $R > 1$: put the $N$ tokens back into a map `(C, H, W)` (tokens are in reading order), apply the convolution `sr` with an $R \times R$ kernel and *stride* $R$, take the result as a sequence again, and apply the layer norm `norm` over the channels ($\epsilon = 10^{-5}$). If $R = 1$ the tokens stay as they are: neither `sr` nor `norm` is there.
# 3. **Keys and values** from the reduced tokens: `kv` gives $2C$ channels; the first $C$ are the keys, the last $C$ the values.
# 4. **Heads**: cut the channels of $Q$, $K$ and $V$ into heads, one after the other: head 0 has the first $d$ channels. Each head does (1) for itself. Join the outputs in the same order.
# 5. **Projection**: $x W^\top + b$ with `proj`. No residual is added here; the block does that.
#
# (The paper writes the reduction (2) as a reshape to $N/R^2 \times C R^2$ and a linear layer. A convolution with stride $R$ is the same, and what the released weights hold.)
#
# **Write** `efficient_attention(x, height, width, weights, heads, reduction)`. `weights` is a dict with the names of the released files:
#
# | name | shape | |
# |---|---|---|
# | `q.weight`, `q.bias` | `(C, C)`, `(C,)` | |
# | `kv.weight`, `kv.bias` | `(2C, C)`, `(2C,)` | |
# | `sr.weight`, `sr.bias` | `(C, C, R, R)`, `(C,)` | only if $R > 1$ |
# | `norm.weight`, `norm.bias` | `(C,)`, `(C,)` | only if $R > 1$ |
# | `proj.weight`, `proj.bias` | `(C, C)`, `(C,)` | |
#
# - *Sizes that $R$ does not divide.* The convolution has no padding, so incomplete patches on the right and at the bottom are left out. They still ask.
# - Inputs may be large: a score of 200 must not become `inf`. (`torch.softmax` takes care; your own `exp` has to.)
#
# `linear`, `conv2d`, `layer_norm` and `softmax` are allowed. Locked here: `scaled_dot_product_attention`, `multi_head_attention_forward` and `torch.nn.MultiheadAttention`.


# %% nbgrader={"grade": false, "grade_id": "efficient_attention", "locked": false, "schema_version": 3, "solution": true, "task": false}
def efficient_attention(x, height, width, weights, heads, reduction):
    """Multi-head self-attention with fewer keys and values than queries (SegFormer).

    Args:
        x: (B, N, C) float tensor, N = height * width tokens in reading order.
        height: H of the map that the tokens come from.
        width: W.
        weights: dict of tensors, see the table above.
        heads: number of heads, divides C.
        reduction: R.

    Returns:
        (B, N, C) float.

    Example:
        >>> eye, zero = torch.eye(2), torch.zeros(2)
        >>> weights = {"q.weight": 0 * eye, "q.bias": zero, "proj.weight": eye, "proj.bias": zero}
        >>> weights |= {"kv.weight": torch.cat([eye, eye]), "kv.bias": torch.zeros(4)}
        >>> x = torch.tensor([[[1.0, 2.0], [3.0, 6.0]]])  # queries of 0 see everything alike
        >>> efficient_attention(x, 1, 2, weights, heads=1, reduction=1)
        tensor([[[2., 4.],
                 [2., 4.]]])
    """
    ### BEGIN SOLUTION
    batch, count, channels = x.shape
    depth = channels // heads
    queries = F.linear(x, weights["q.weight"], weights["q.bias"])
    tokens = x
    if reduction > 1:
        maps = x.transpose(1, 2).reshape(batch, channels, height, width)
        maps = F.conv2d(maps, weights["sr.weight"], weights["sr.bias"], stride=reduction)
        tokens = maps.flatten(2).transpose(1, 2)  # (B, N / R^2, C)
        tokens = F.layer_norm(tokens, (channels,), weights["norm.weight"], weights["norm.bias"])
    keys, values = F.linear(tokens, weights["kv.weight"], weights["kv.bias"]).chunk(2, dim=-1)
    q, k, v = (
        part.reshape(batch, -1, heads, depth).transpose(1, 2)  # (B, heads, tokens, d)
        for part in (queries, keys, values)
    )
    attention = torch.softmax(q @ k.transpose(-2, -1) / depth**0.5, dim=-1)
    out = (attention @ v).transpose(1, 2).reshape(batch, count, channels)
    return F.linear(out, weights["proj.weight"], weights["proj.bias"])
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_efficient_attention", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
def _plain_weights(channels, reduction=1):
    """Weights that change nothing: q, k, v and proj are the identity, sr averages a patch."""
    eye, zero = torch.eye(channels), torch.zeros(channels)
    given = {"q.weight": eye, "q.bias": zero, "proj.weight": eye, "proj.bias": zero}
    given |= {"kv.weight": torch.cat([eye, eye]), "kv.bias": torch.zeros(2 * channels)}
    if reduction > 1:
        average = eye[:, :, None, None].expand(-1, -1, reduction, reduction) / reduction**2
        given |= {"sr.weight": average, "sr.bias": zero}
        given |= {"norm.weight": torch.ones(channels), "norm.bias": zero}
    return given


_x = torch.tensor([[[2.0, 0.0, 1.0, 1.0], [0.0, 2.0, 3.0, 1.0]]])  # two tokens of four channels
_y = efficient_attention(_x, 1, 2, _plain_weights(4), heads=1, reduction=1)
assert _y is not None, "efficient_attention returned None; did you forget `return`?"
compare("The output's shape", tuple(_y.shape), (1, 2, 4), "As many tokens as came in.")
_near = 1 / (1 + np.exp((4 - 6) / 2))  # token 0: scores 6 / 2 and 4 / 2
_y = torch.as_tensor(np.asarray(_y))
assert not np.isclose(_y[0, 0, 0], 2 / (1 + np.exp(-2))), "Divide the scores by the root of d."
assert not np.isclose(_y[0, 0, 0], 2 + 2 * _near), "You added x; the residual is the block's."
_why = "Its scores are 6 and 4, divided by the root of d = 4."
compare("Token 0, one head", _y[0, 0, 0], 2 * _near, _why)
_near = 1 / (1 + np.exp(-4 / 2**0.5))  # head 0 of two: channels 0 and 1, scores 4 and 0
_y = efficient_attention(_x, 1, 2, _plain_weights(4), heads=2, reduction=1)
_why = "Head 0 has the channels 0 and 1: scores 4 and 0, divided by the root of d = 2."
compare("Token 0, channel 0, two heads", _y[0, 0, 0], 2 * _near, _why)
_weights = _plain_weights(4)
_weights["q.weight"] = 0 * _weights["q.weight"]
_weights["kv.weight"] = torch.cat([torch.eye(4), 3 * torch.eye(4)])
_y = efficient_attention(_x, 1, 2, _weights, heads=2, reduction=1)
compare("Queries of 0", _y[0, 1], [3.0, 3, 6, 3], "The mean value; values are the last C of kv.")
_weights["proj.weight"], _weights["proj.bias"] = 2 * torch.eye(4), torch.ones(4)
_y = efficient_attention(_x, 1, 2, _weights, heads=2, reduction=1)
compare("With another projection", _y[0, 1], [7.0, 7, 13, 7], "`proj` comes last, with its bias.")

# A map of 2 x 6 whose columns 0 to 3 hold a, the last two b; queries are 0, so all see the mean.
_a, _b = torch.tensor([3.0, 1.0]), torch.tensor([1.0, 3.0])
_map = torch.stack([_a, _a, _a, _a, _b, _b]).repeat(2, 1)[None]
_weights = _plain_weights(2, reduction=2)
_weights["q.weight"] = 0 * _weights["q.weight"]
_y = efficient_attention(_map, 2, 6, _weights, heads=1, reduction=2)
compare("The shape with R = 2", tuple(_y.shape), (1, 12, 2), "All N pixels ask: N tokens come out.")
_y = torch.as_tensor(np.asarray(_y))
assert not np.isclose(_y[0, 0, 0], 7 / 3), "The reduced tokens go through the layer norm `norm`."
compare("R = 2", _y[0, 0], [1 / 3, -1 / 3], "Patches 1, 1 and 2 of the norm: (1 + 1 - 1) / 3.")
_odd = _map.reshape(1, 2, 6, 2)[:, :, 1:].reshape(1, 10, 2)  # a a a b b: the last patch is cut
_y = efficient_attention(_odd, 2, 5, _weights, heads=1, reduction=2)
compare("R = 2, width 5", tuple(_y.shape), (1, 10, 2), "Incomplete patches do not answer; all ask.")
compare("R = 2, width 5", _y[0, 9], [0.5, -0.5], "The patches are a a and a b; b b is cut in two.")
### BEGIN HIDDEN TESTS
_g = torch.Generator().manual_seed(5)
_x = torch.randn(2, 6, 8, generator=_g)
_weights = _plain_weights(8)
_weights = {k: v + torch.randn(v.shape, generator=_g) / 3 for k, v in _weights.items()}
_k, _v = F.linear(_x, _weights["kv.weight"], _weights["kv.bias"]).split(8, -1)
_q = F.linear(_x, _weights["q.weight"], _weights["q.bias"])
_q, _k, _v = (_part.unflatten(-1, (4, 2)).transpose(1, 2) for _part in (_q, _k, _v))
_want = F.scaled_dot_product_attention(_q, _k, _v).transpose(1, 2).flatten(2)
_want = F.linear(_want, _weights["proj.weight"], _weights["proj.bias"])
compare("Random weights", efficient_attention(_x, 2, 3, _weights, 4, 1), _want)
### END HIDDEN TESTS
print("Exercise 5: the visible checks pass.")

# %% [markdown] nbgrader={"grade": false, "grade_id": "text_mean_field_step", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## Exercise 6: one mean-field step of the dense CRF (5 points, about 25 minutes)
#
# Network outputs are smooth where objects have edges. The fully connected CRF of Krähenbühl and Koltun (2011), which DeepLab v1 and v2 put behind their networks, moves the labels to the edges of the image: *every* pair of pixels that look alike and lie close wants the same label.
#
# Pixel $i$ has a place $p_i = (x_i, y_i)$, in pixels, and a colour $I_i$, in $0 \dots 255$. Two Gaussian kernels say how much two pixels have to do with one another:
#
# $$k^{(1)}_{ij} = \exp\left(-\frac{\lVert p_i - p_j \rVert^2}{2\theta_\alpha^2} - \frac{\lVert I_i - I_j \rVert^2}{2\theta_\beta^2}\right) \qquad k^{(2)}_{ij} = \exp\left(-\frac{\lVert p_i - p_j \rVert^2}{2\theta_\gamma^2}\right) \tag{1}$$
#
# Pixels have more neighbours in the middle of a large grey wall than at a corner. So that one weight suits them all, each kernel is **normalised symmetrically**: with $D^{(m)}_i = \sum_j k^{(m)}_{ij}$, where $j = i$ counts,
#
# $$\tilde k^{(m)}_{ij} = \frac{k^{(m)}_{ij}}{\sqrt{D^{(m)}_i D^{(m)}_j}} \tag{2}$$
#
# $Q_i(l)$ is what pixel $i$ at present believes about label $l$; $U_i(l) = -\log P_i(l)$, the *unary*, is what the network said. One step computes, for all pixels at once, out of the old $Q$:
#
# $$\tilde Q_i(l) = \sum_m w^{(m)} \sum_j \tilde k^{(m)}_{ij} \, Q_j(l) \quad \text{(message)} \tag{3}$$
#
# $$\hat Q_i(l) = \sum_{l' \neq l} \tilde Q_i(l') \quad \text{(Potts: other labels cost)} \tag{4}$$
#
# $$Q_i(l) \leftarrow \frac{1}{Z_i} \exp\bigl(-U_i(l) - \hat Q_i(l)\bigr), \quad \text{so that } \sum_l Q_i(l) = 1 \tag{5}$$
#
# In (3) the pixel's own $j = i$ takes part. (The paper leaves it out. The fast filter that everybody runs cannot, and neither did the authors' code; so we keep it.)
#
# **Write** `mean_field_step(image, unary, Q, w1, w2, theta_alpha, theta_beta, theta_gamma)`. The images are small: build the $N \times N$ kernels. That costs $N^2$; the lecture shows how a lattice gets it down to $N$.
#
# - `image` may be `uint8`: make floats before you subtract.
# - *Large unaries.* The network may be very sure, with $U$ in the thousands. Then `exp` gives 0 for every label, and $0/0$. Subtract the smallest exponent's cost first; it cancels in $Z_i$.


# %% nbgrader={"grade": false, "grade_id": "mean_field_step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mean_field_step(image, unary, Q, w1, w2, theta_alpha, theta_beta, theta_gamma):
    """One step of mean-field inference in the dense CRF, by brute force.

    Args:
        image: (H, W, 3), any numeric dtype, 0 ... 255.
        unary: (L, H, W) float, -log of the probability of each label.
        Q: (L, H, W) float, the present beliefs; they sum to 1 over the labels.
        w1: weight of the kernel of place and colour.
        w2: weight of the kernel of place alone.
        theta_alpha: reach in pixels of the first kernel.
        theta_beta: reach in colour of the first kernel.
        theta_gamma: reach in pixels of the second kernel.

    Returns:
        (L, H, W) float, the new Q.

    Example:
        >>> one_pixel, unary = np.zeros((1, 1, 3)), np.zeros((2, 1, 1))
        >>> Q = np.array([1.0, 0.0]).reshape(2, 1, 1)
        >>> mean_field_step(one_pixel, unary, Q, 1.0, 2.0, 9, 9, 9).ravel().round(4)
        array([0.9526, 0.0474])
    """
    ### BEGIN SOLUTION
    labels, height, width = unary.shape
    y, x = np.mgrid[:height, :width]
    place = np.stack([x, y], axis=-1).reshape(-1, 2).astype(float)  # (N, 2)
    color = np.asarray(image, float).reshape(-1, 3)  # (N, 3)

    def squares(points):
        return ((points[:, None] - points[None]) ** 2).sum(axis=-1)  # (N, N)

    def normalised(kernel):
        total = kernel.sum(axis=1)
        return kernel / np.sqrt(total[:, None] * total[None])  # eq. 2

    far, unlike = squares(place), squares(color)
    k1 = np.exp(-far / (2 * theta_alpha**2) - unlike / (2 * theta_beta**2))  # eq. 1
    k2 = np.exp(-far / (2 * theta_gamma**2))
    kernel = w1 * normalised(k1) + w2 * normalised(k2)
    message = np.asarray(Q, float).reshape(labels, -1) @ kernel  # eq. 3: (L, N)
    cost = unary.reshape(labels, -1) + message.sum(axis=0) - message  # eq. 4
    new = np.exp(cost.min(axis=0) - cost)
    return (new / new.sum(axis=0)).reshape(labels, height, width)  # eq. 5
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_mean_field_step", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
_image = np.zeros((1, 2, 3))
_image[0, 1] = [30.0, 0, 0]
_Q = np.array([[[0.9, 0.4]], [[0.1, 0.6]]])
_zero = np.zeros((2, 1, 2))
_new = mean_field_step(_image, -np.log(_Q), _Q, 0.0, 0.0, 5, 20, 3)
assert _new is not None, "mean_field_step returned None; did you forget `return`?"
compare("Q without any weights", _new, _Q, "Only the unary is left: exp(log P) = P.")
_new = mean_field_step(_image, _zero, np.full((2, 1, 2), 0.5), 3.0, 2.0, 5, 20, 3)
compare(
    "Q where all are undecided", _new, np.full((2, 1, 2), 0.5), "Divide by the sum over labels."
)


def _expected(kernel, w):
    """The new Q of two pixels whose kernel is [[1, k], [k, 1]], with unary 0."""
    message = w * (_Q[:, 0] + kernel * _Q[:, 0, ::-1]) / (1 + kernel)
    return np.exp(message) / np.exp(message).sum(axis=0)


_new = np.asarray(mean_field_step(_image, _zero, _Q, 0.0, 2.0, 5, 20, 3))[:, 0]
assert _new[0, 0] > 0.5, "The message pushes pixel 0 away from its label: mind the signs of 4, 5."
_k = np.exp(-1 / 18)
compare("Q with the second kernel alone", _new, _expected(_k, 2.0), "k = exp(-1 / 18), D = 1 + k.")
_new = np.asarray(mean_field_step(_image, _zero, _Q, 2.0, 0.0, 5, 20, 3))[:, 0]
_k = np.exp(-1 / 50 - 900 / 800)
compare("Q with the first kernel alone", _new, _expected(_k, 2.0), "k = exp(-1/50 - 900/800).")
_same = mean_field_step(_image.astype(np.uint8)[:, ::-1], _zero, _Q[..., ::-1], 2.0, 0.0, 5, 20, 3)
_why = "Make floats before you subtract."
compare("Q of a uint8 image", np.asarray(_same)[:, 0, ::-1], _expected(_k, 2.0), _why)
_large = np.array([[[5000.0] * 2], [[5001.0] * 2]])
_sure = mean_field_step(_image, _large, _Q, 0.0, 0.0, 5, 20, 3)
_sure = np.asarray(_sure)
assert not np.isnan(_sure).any(), "Q is nan for large unaries: exp(-5000) is 0. Subtract first."
compare("Q for unaries of 5000 and 5001", _sure[0], [[1 / (1 + np.exp(-1))] * 2])
# Three pixels in a row: the middle one has more neighbours, so D is not the same for all.
_Q3 = np.array([[[1.0, 0.0, 0.0]], [[0.0, 1.0, 1.0]]])
_k, _l = np.exp(-0.5), np.exp(-2.0)  # neighbours, and the two ends
_ends, _middle = 1 + _k + _l, 1 + 2 * _k
_new = np.asarray(mean_field_step(np.zeros((1, 3, 3)), np.zeros((2, 1, 3)), _Q3, 0, 1, 5, 20, 1))
_message = np.array([1 / _ends, _k / np.sqrt(_ends * _middle), _l / _ends])  # from pixel 0
_other = np.array([(_k / np.sqrt(_ends * _middle)) + _l / _ends, 0, 0])
_other[1] = 1 / _middle + _k / np.sqrt(_ends * _middle)
_other[2] = 1 / _ends + _k / np.sqrt(_ends * _middle)
_want = 1 / (1 + np.exp(_other - _message))
compare("Q of three pixels in a row", _new[0, 0], _want, "Divide k by the root of D_i D_j.")
### BEGIN HIDDEN TESTS
_rng = np.random.default_rng(6)
_image = _rng.integers(0, 256, (4, 5, 3))
_U = _rng.uniform(0, 3, (3, 4, 5))
_Q = np.exp(-_U) / np.exp(-_U).sum(axis=0)
_new = np.asarray(mean_field_step(_image, _U, _Q, 3.0, 1.5, 4.0, 90.0, 2.0))
_all = list(np.ndindex(4, 5))
_far = np.array([[(a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 for b in _all] for a in _all])
_unlike = np.array([[((_image[a] - _image[b]) ** 2).sum() for b in _all] for a in _all])
_message = 0
for _weight, _k in ((3, np.exp(-_far / 32 - _unlike / 16200)), (1.5, np.exp(-_far / 8))):
    _root = np.diag(_k.sum(axis=1) ** -0.5)
    _message = _message + _weight * _Q.reshape(3, -1) @ _root @ _k @ _root
_want = np.exp(_message.reshape(3, 4, 5) - _U)
compare("Q of a random image", _new, _want / _want.sum(axis=0))
### END HIDDEN TESTS
print("Exercise 6: the visible checks pass.")

# %% [markdown] nbgrader={"grade": false, "grade_id": "text_look_crf", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ### Look: your CRF cleans a label map
#
# No points here. A piece of a photograph, 48 × 48 pixels, with the labels that a person drew. Of these we make a bad network: its map is coarse, and every fifth pixel is noise. Then your mean-field step runs five times. Play: what does `w1 = 0` do? What does `theta_beta = 3` do, and `theta_beta = 200`?

# %% nbgrader={"grade": false, "grade_id": "look_crf", "locked": true, "schema_version": 3, "solution": false, "task": false}
from segedu.data import load_photograph
from segedu.drawing import figure_grid, overlay_labels

parameters = {"w1": 8, "w2": 2, "theta_alpha": 12, "theta_beta": 20, "theta_gamma": 2}

photograph = load_photograph("astronaut")
image = photograph.image[::6, ::6][:48, 12:60]
names, truth = np.unique(photograph.segment_ids[::6, ::6][:48, 12:60], return_inverse=True)
truth = truth.reshape(48, 48)
rng = np.random.default_rng(0)
noisy = truth[2::4, 2::4].repeat(4, axis=0).repeat(4, axis=1)
noisy = np.where(rng.random(noisy.shape) < 0.2, rng.integers(0, len(names), noisy.shape), noisy)
P = np.where(noisy == np.arange(len(names))[:, None, None], 0.6, 0.4 / (len(names) - 1))

steps = [P]
for _ in range(5):
    steps.append(np.asarray(mean_field_step(image, -np.log(P), steps[-1], **parameters)))
pictures, titles = [image, overlay_labels(image, truth)], ["the image", "a person's labels"]
for step in (0, 1, 5):
    labels = steps[step].argmax(axis=0)
    pictures.append(overlay_labels(image, labels))
    miou = mean_iou(confusion_matrix(labels, truth, len(names)))
    titles.append(f"after {step} steps, mIoU {miou:.2f}")
figure_grid(pictures, titles, columns=5)
