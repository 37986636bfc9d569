# %% [markdown]
# # A label for every pixel: the task, mIoU, and fully convolutional networks
#
# **Goals.** After this notebook you can
# 1. *say* what semantic segmentation asks for, and read Cityscapes' labels;
# 2. *derive* mIoU from a confusion matrix and *compute* it, with ignored pixels;
# 3. *turn* a classification network into a fully convolutional one, without changing what it computes;
# 4. *derive* the bilinear kernel and write upsampling as a transposed convolution;
# 5. *train* an FCN-8s and *explain* what each of its three streams contributes.
#
# **Before this:** convolution, pooling, cross-entropy. **Time:** about 60 minutes with the questions; the
# last cell says how long the cells took here.
#
# **Papers:** J. Long, E. Shelhamer, T. Darrell, *Fully Convolutional Networks for Semantic Segmentation*,
# CVPR 2015 (the longer version: IEEE TPAMI 39(4), 2017; section numbers here are its). M. Cordts et al., *The Cityscapes
# Dataset for Semantic Urban Scene Understanding*, CVPR 2016.

# %%
import time

start = time.perf_counter()

import dataclasses
import tempfile

import matplotlib.pyplot as plt
import numpy as np
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from segedu.data import load_photograph
from segedu.data.cityscapes import CITYSCAPES_LABELS
from segedu.data.scenes import SCENE_CLASSES, SceneDataset
from segedu.drawing import figure_grid
from segedu.images import to_tensor
from segedu.semantic import fcn8s
from segedu.semantic.fcn import BilinearDeconvolution, bilinear_kernel, crop
from segedu.semantic.metrics import ConfusionMatrix
from segedu.semantic.predict import predict
from segedu.training import LiveCurves, find_recipe, train
from segedu.weights.shipped import load_shipped, read_card
from segedu.widgets import upsampling

# %%
plt.rcParams.update({"figure.dpi": 80, "savefig.dpi": 80, "font.size": 11})
NAMES = [c.name for c in SCENE_CLASSES]
C = len(NAMES)

# %% [markdown]
# ## Why not look at colours alone?
#
# **The task.** Given an image of $H \times W$ pixels, give every pixel one of $C$ labels. All cars are "car":
# semantic segmentation does not tell one car from the next. (Instances come in section 4.)
#
# Our images are made by the course: street scenes whose labels are known to the pixel. They use
# Cityscapes' classes and colours, so that everything here also reads the real data set.

# %%
COLORS = np.zeros((256, 3), np.uint8)
COLORS[:C] = [c.color for c in SCENE_CLASSES]
held_out = SceneDataset(split="test", length=24, size=(192, 384))


def as_image(tensor):
    return (tensor.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)


samples = [held_out[k] for k in range(24)]
figure_grid(
    [as_image(i) for i, _ in samples[:3]] + [COLORS[t.numpy()] for _, t in samples[:3]],
    ["three scenes", "", "", "their labels (black: ignored)", "", ""], columns=3, width=12,
    legend=dict(zip(NAMES, COLORS, strict=False)),
)  # fmt: skip

# %% [markdown]
# **Predict.** A linear classifier sees the red, green and blue of *one* pixel and says its class. Sky is bright,
# trees are green, roads are grey. Which share of pixels will it get right? Which classes will it never find?


# %%
def colors_of(images):
    flat = torch.stack(images).permute(0, 2, 3, 1).reshape(-1, 3)
    return torch.cat([flat, torch.ones(len(flat), 1)], dim=1)  # (pixels, 4)


train_set = SceneDataset(split="train", length=20, size=(192, 384))
images, targets = zip(*[train_set[k] for k in range(20)], strict=True)
x, y = colors_of(list(images)), torch.stack(targets).flatten()
known = y != 255
one_hot = F.one_hot(y[known], C).float()
weights = torch.linalg.lstsq(x[known], one_hot).solution  # (4, C)

by_color = ConfusionMatrix(C)
guesses = [(colors_of([i]) @ weights).argmax(1).view(192, 384) for i, _ in samples]
for guess, (_, target) in zip(guesses, samples, strict=True):
    by_color.update(guess, target)
color_scores = by_color.compute()
found = [n for n, iou in zip(NAMES, color_scores["iou"], strict=True) if iou > 0.05]
print(f"pixels right: {color_scores['pixel_accuracy']:.2f}, mIoU {color_scores['miou']:.2f}")
print("found at all:", ", ".join(found))
assert color_scores["miou"] < 0.4

# %%
figure_grid(
    [COLORS[g.numpy()] for g in guesses[:3]], ["what colour alone says"] + [""] * 2, width=12
)

# %% [markdown]
# Four pixels in ten, and three classes; trees and cars become road. A pixel does not know what it belongs to. Its surroundings do: *context*. We need a function of many
# pixels, evaluated at every pixel. And we need a measure that is not content with roads and sky.

# %% [markdown]
# ## Cityscapes' labels
#
# 5 000 photographs of 1024 × 2048 from 50 cities, labelled by hand. Of the classes, 19 are
# trained and scored. They have a **trainId** 0 … 18; the rest is 255, *ignored*: neither
# right nor wrong. Files store the **id**, not the trainId: mixing them up is the commonest mistake with this data.

# %%
trained = [label for label in CITYSCAPES_LABELS if 0 <= label.train_id < 255]
print(f"{len(CITYSCAPES_LABELS)} labels, {len(trained)} of them trained")
for label in trained:
    seen = "in our scenes" if label.train_id in {c.train_id for c in SCENE_CLASSES} else ""
    print(
        f"id {label.id:2d}  trainId {label.train_id:2d}  {label.name:14s}{label.category:14s}{seen}"
    )

# %% [markdown]
# ## Deriving mIoU
#
# Let $n_{ij}$ be the number of pixels of true class $i$ that were called $j$: the **confusion matrix**.
# $t_i = \sum_j n_{ij}$ pixels are truly $i$; $\sum_j n_{ji}$ were called $i$.
#
# **Pixel accuracy** $\sum_i n_{ii} / \sum_i t_i$ is the obvious measure, and a poor one: large classes decide.
#
# **Intersection over union.** Take the set $T_i$ of pixels that are $i$ and the set $P_i$ of those called $i$.
# The ratio $|T_i \cap P_i| / |T_i \cup P_i|$ is 1 only when both are equal; it punishes pixels missed *and*
# pixels claimed wrongly. Count them: the intersection is $n_{ii}$. The union is $|T_i| + |P_i|$ minus the intersection, which was
# counted twice:
#
# $$\text{IoU}_i = \frac{n_{ii}}{t_i + \sum_j n_{ji} - n_{ii}}, \qquad
#   \text{mIoU} = \frac{1}{C} \sum_i \text{IoU}_i. \tag{1}$$
#
# * Sum over the whole data set *first*, divide then. A mean of the images' IoUs is another number.
# * Ignored pixels enter no count.
# * A class that is neither in truth nor in prediction has no IoU, $0/0$: it is left out of the mean.
#
# **Build it.** One line counts all pairs: number the pair $(i, j)$ as $iC + j$ and take a histogram.


# %%
def confusion(prediction, target, classes, ignore=255):
    keep = target != ignore
    pairs = target[keep] * classes + prediction[keep]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def iou(n):
    union = n.sum(1) + n.sum(0) - np.diag(n)
    return np.divide(np.diag(n), union, out=np.full(len(n), np.nan), where=union > 0)


truth = np.array([[0, 0, 0, 1], [0, 0, 2, 1], [255, 0, 2, 1]])
said = np.array([[0, 0, 1, 1], [0, 0, 2, 2], [1, 0, 2, 1]])
n = confusion(said, truth, 4)
print(n, "\nIoU of each class:", iou(n).round(3), " mIoU:", np.nanmean(iou(n)).round(3))
theirs = ConfusionMatrix(4)
theirs.update(said, truth)
assert np.allclose(theirs.compute()["iou"], iou(n), equal_nan=True)
assert np.isclose(theirs.compute()["miou"], np.nanmean(iou(n)))

# %% [markdown]
# **Predict.** Someone calls *every* pixel of our scenes by the most frequent class. Pixel accuracy? mIoU?

# %%
lazy = ConfusionMatrix(C)
most = int(torch.bincount(y[known]).argmax())
for _, target in samples:
    lazy.update(torch.full_like(target, most), target)
scores = lazy.compute()
print(
    f'always "{NAMES[most]}": pixel accuracy {scores["pixel_accuracy"]:.2f}, mIoU {scores["miou"]:.2f}'
)

# %% [markdown]
# ## From one label to a map of labels
#
# VGG-16 classifies an image of 224 × 224: five poolings leave a 7 × 7 map of 512 channels, then three fully
# connected layers.
#
# **A fully connected layer is a convolution** whose kernel is as large as its input (section 3.1):
#
# $$\text{fc6}_o = \sum_{c,u,v} w_{o,(c,u,v)}\, x_{c,u,v} + b_o
#   \quad=\quad \text{convolution with kernel } 7 \times 7 \text{ at its only position.}$$
#
# Give the convolution a larger map, and it has more positions. The output is then a **map of scores**, each
# being exactly what the classifier would say about the window below it; the windows share all their work.

# %%
generator = torch.Generator().manual_seed(0)
linear = torch.nn.Linear(8 * 7 * 7, 5)
conv = torch.nn.Conv2d(8, 5, 7)
with torch.no_grad():
    conv.weight.copy_(linear.weight.view(5, 8, 7, 7))
    conv.bias.copy_(linear.bias)
    maps = torch.randn(1, 8, 9, 12, generator=generator)
    scores = conv(maps)
    window = maps[..., 2:9, 4:11]  # at position (2, 4)
    assert torch.allclose(scores[0, :, 2, 4], linear(window.flatten()), atol=1e-5)
print("map", tuple(maps.shape[-2:]), "-> scores", tuple(scores.shape[-2:]))

# %% [markdown]
# ## Back to the pixels: transposed convolution
#
# The score map has one value for every 32 pixels. Bilinear interpolation by a factor $f$ gives pixel $x$ the
# weighted mean of its two neighbours on the coarse grid (per axis), with weights falling linearly with the distance:
#
# $$y(x) = \sum_i s_i \, \max\!\Big(0,\; 1 - \frac{|x - x_i|}{f}\Big). \tag{2}$$
#
# Read it from the other side: each score $s_i$ *stamps* a tent of half-width $f$ at its place $x_i$,
# and stamps are added. Stamps at a distance of $f$: that is a **transposed convolution** of stride $f$.
# The kernel has $2f$ weights; pixel centres lie at half-integers, so that the tent's peak falls between the middle two.
#
# **Predict.** For $f = 2$: which four weights?


# %%
def tent(factor):
    x = np.arange(2 * factor) + 0.5  # centres of the kernel's pixels
    return 1 - abs(x - factor) / factor  # the peak is in the middle, at `factor`


print("f = 2:", tent(2), "  f = 4:", tent(4))
for factor in (2, 8, 16, 32):
    assert np.allclose(np.outer(tent(factor), tent(factor)), bilinear_kernel(2 * factor))

# Inside, it is what `interpolate` computes.
coarse = torch.randn(1, 1, 6, 6, generator=generator)
up = BilinearDeconvolution(1, 4)
ours = up(coarse)[..., 2:-2, 2:-2]  # half a stamp hangs out on each side
theirs = F.interpolate(coarse, scale_factor=4, mode="bilinear", align_corners=False)
assert torch.allclose(ours[..., 4:-4, 4:-4], theirs[..., 4:-4, 4:-4], atol=1e-6)
print("the transposed convolution interpolates")

# %% [markdown]
# Why not call `interpolate` and be done? Because a transposed convolution has weights: it begins as
# interpolation and may learn something better. (FCN learns those in the middle and keeps the last one fixed.)
#
# ## Three streams
#
# 32 pixels to a score is coarse. pool4 (stride 16) and pool3 (stride 8) are finer, though less wise. FCN-8s gives each
# a 1 × 1 convolution for scores and adds, from coarse to fine:
#
# $$s_{16} = \text{up}_2(s_{32}) + W_4\,\text{pool4}, \qquad
#   s_{8} = \text{up}_2(s_{16}) + W_3\,\text{pool3}, \qquad
#   \text{logits} = \text{up}_8(s_8).$$
#
# **Cropping.** fc6 has no padding and eats 6 positions. So that small images survive, conv1 pads by **100**. Every map is then larger than it need be, and
# all are shifted against each other: before two are added, the finer one is *cropped*, and so is the last one, to the image. The authors' network starts these
# crops at position 5 of pool4's scores, 9 of pool3's, and pixel 31 of the result.
#
# **Where do 5, 9 and 31 come from?** Follow the first position of a map in pixels of the input: a convolution of kernel $k$, padding $p$ at stride $s$ moves it by $s\,(\frac{k-1}{2} - p)$; pooling 2 by $\frac{s}{2}$; a
# transposed convolution, being a convolution backwards, by the negative at its finer stride. Then divide differences by the stride.

# %%
shift, stride, at = -99.0, 1, {}  # conv1_1: kernel 3, padding 100; all other 3 x 3 pad by 1
for pool in range(1, 6):
    shift, stride = shift + stride / 2, stride * 2
    at[f"pool{pool}"] = shift
shift += stride * 3  # fc6: kernel 7, no padding
up2 = shift - 16 * 1.5  # transposed, kernel 4: (4 - 1) / 2 at stride 16
up4 = up2 - 8 * 1.5
up8 = up4 - 1 * 7.5
offsets = [(up2 - at["pool4"]) / 16, (up4 - at["pool3"]) / 8, -up8]
print("crop pool4 at, pool3 at, the pixels at:", offsets)
assert offsets == [5, 9, 31]

# %% [markdown]
# Now put it together: our own forward pass, from the library's layers, against the library's.

# %%
torch.manual_seed(0)
net = fcn8s(C, width=0.125, head_channels=64).eval()
for layer in (net.score, net.score_pool4, net.score_pool3):
    torch.nn.init.normal_(layer.weight, std=0.1)  # the paper starts them at zero: too quiet to test


def forward(net, images):
    _, _, pool3, pool4, pool5 = net.backbone(images)
    fc7 = net.fc7(net.fc6(pool5).relu()).relu()
    s16 = net.up_score(net.score(fc7))
    s16 = s16 + crop(net.score_pool4(pool4), 5, s16)
    s8 = net.up_pool4(s16)
    s8 = s8 + crop(net.score_pool3(pool3), 9, s8)
    return crop(net.up_final(s8), 31, images)


with torch.inference_mode():
    images = net.normalization.apply(samples[0][0][None])
    assert torch.allclose(forward(net, images), net(images), atol=1e-5)
    shapes = {name: tuple(t.shape[1:]) for name, t in net.intermediates(images).items()}
print(shapes)

# %% [markdown]
# Most parameters of the full FCN-8s are in fc6: $7 \cdot 7 \cdot 512 \cdot 4096$ weights.

# %%
with torch.device("meta"):  # counts without memory
    full = fcn8s(21)
total = sum(p.numel() for p in full.parameters())
print(f"{total / 1e6:.2f} M parameters, fc6 alone {full.fc6.weight.numel() / 1e6:.2f} M")

# %% [markdown]
# ## Train it yourself
#
# A narrow FCN-8s (an eighth of the channels, with batch normalisation, which the paper did without: it
# began with ImageNet's weights) on small scenes, for a minute. Loss: cross-entropy over all pixels that
# are not ignored; a class with the share $p$ of the pixels counts $1 / \sqrt{p}$, so that poles and people are not forgotten.
#
# **Predict.** Which class is found first? Which one last?

# %% tags=["nbval-ignore-output"]
# Another machine rounds otherwise: its curve differs a little, so the test does not compare it.
recipe = dataclasses.replace(
    find_recipe("fcn8s-scenes"),
    data_args={"height": 64, "width": 128, "validation": 16},
    steps=80, batch=4, lr=3e-3, warmup=10, ema=None, precision="no",
    evaluate_every=40, checkpoint_every=1000,
)  # fmt: skip
with tempfile.TemporaryDirectory() as folder:
    curves = LiveCurves()
    result = train(recipe, folder, callbacks=[curves], device="cpu")
    mine = fcn8s(C, **recipe.model_args)
    mine.load_state_dict(load_file(f"{folder}/final.safetensors"))

# %% tags=["nbval-ignore-output"]
# As above.
small = SceneDataset(split="test", length=24, size=(64, 128))
matrix = ConfusionMatrix(C)
for image, target in small:
    matrix.update(predict(mine, as_image(image), "cpu"), target)
ious = np.nan_to_num(matrix.compute()["iou"])
print("IoU after", recipe.steps, "steps:",
      ", ".join(f"{NAMES[k]} {ious[k]:.2f}" for k in np.argsort(-ious)))  # fmt: skip

# %% [markdown]
# Sky and road first: large, always there, always in the same place. What is thin, small or rare is still to come, weights in the loss or not.
#
# What did each stream learn? Silence one or two of the three and look.
#
# **Predict.** What does stride 32 know alone? What do the two finer streams add?

# %% tags=["nbval-ignore-output"]
# As above: the weights differ from machine to machine.
silent = {"all three": (), "stride 32 alone": ("score_pool4", "score_pool3"),
          "without pool3": ("score_pool3",)}  # fmt: skip
pictures, titles = [], []
for name, layers in silent.items():
    copy = fcn8s(C, **recipe.model_args)
    copy.load_state_dict(mine.state_dict())
    for layer in layers:
        torch.nn.init.zeros_(getattr(copy, layer).weight)
        torch.nn.init.zeros_(getattr(copy, layer).bias)
    matrix = ConfusionMatrix(C)
    for image, target in small:
        matrix.update(predict(copy, as_image(image), "cpu"), target)
    pictures.append(COLORS[predict(copy, as_image(small[1][0]), "cpu")].repeat(3, 0).repeat(3, 1))
    titles.append(f"{name}: mIoU {matrix.compute()['miou']:.2f}")
figure_grid([as_image(small[1][0]).repeat(3, 0).repeat(3, 1), *pictures],
            ["scene", *titles], columns=2, width=10)  # fmt: skip

# %% [markdown]
# Stride 32 alone tells above from below, and little else, under names that another run may change: none of the three was trained to answer alone, each learned to
# mend the sum of the others. pool4 adds the sky and where the houses end, pool3 the trees, the cars and most borders.
#
# ## What longer training gives, and where it fails
#
# The course ships checkpoints of FCN-32s, FCN-16s and FCN-8s, trained longer on larger scenes: each from random weights and for the
# same number of steps, whereas the paper begins each with the weights of the coarser one. Their cards say how; their scores are measured here again, on
# test scenes that neither the weights nor the choice of the best checkpoint have seen.
#
# **Predict.** Where do the three differ most: in large areas, or in thin things?


# %% tags=["nbval-ignore-output"]
# Half-precision weights and convolutions round differently from machine to machine.
def judge(network, pairs):
    """Scores over all pairs, and the answers."""
    matrix = ConfusionMatrix(C)
    answers = [predict(network, as_image(image), "cpu") for image, _ in pairs]
    for answer, (_, target) in zip(answers, pairs, strict=True):
        matrix.update(answer, target)
    return matrix.compute(), answers


found = {}
for stride in (32, 16, 8):
    card, network = read_card(f"fcn{stride}s-scenes"), load_shipped(f"fcn{stride}s-scenes")
    found[stride] = judge(network, samples)
    here = found[stride][0]
    print(f"FCN-{stride}s, {card['steps']} steps: mIoU {here['miou']:.2f} (its card, on",
          f"{card['measured_on'].split()[0]} scenes: {card['scores']['miou']:.2f}),",
          f"road {here['iou'][NAMES.index('road')]:.2f},",
          f"traffic sign {here['iou'][NAMES.index('traffic sign')]:.2f}")  # fmt: skip

# %% tags=["nbval-ignore-output"]
# As above.
figure_grid(
    [as_image(samples[1][0]), *(COLORS[found[stride][1][1]] for stride in (32, 16, 8))],
    ["scene", "FCN-32s", "FCN-16s", "FCN-8s"], columns=2, width=10,
)  # fmt: skip

# %% [markdown]
# In thin things: FCN-32s finds no sign at all, FCN-8s reaches an IoU of four tenths; on the road the coarsest has nine tenths of the finest one's IoU.

# %% tags=["nbval-ignore-output"]
# As above.
model, (scores, answers) = network, found[8]
figure, axis = plt.subplots(figsize=(9, 2.6), layout="constrained")
for offset, values, name in ((-0.2, color_scores["iou"], "colour"), (0.2, scores["iou"], "FCN-8s")):
    axis.bar(np.arange(C) + offset, np.nan_to_num(values), 0.4, label=name)
axis.set_xticks(range(C), NAMES, rotation=40, ha="right")
axis.set(ylabel="IoU", ylim=(0, 1))
axis.legend()
plt.show()

# %% tags=["nbval-ignore-output"]
# The worst three of the held-out scenes.
errors = []
for answer, (_, target) in zip(answers, samples, strict=True):
    true = target.numpy()
    errors.append((answer != true)[true != 255].mean())
worst = np.argsort(errors)[::-1][:3]
figure_grid(
    [as_image(samples[k][0]) for k in worst] + [COLORS[answers[k]] for k in worst]
    + [COLORS[samples[k][1].numpy()] for k in worst],
    ["worst scenes", "", "", "FCN-8s", "", "", "truth", "", ""], columns=3, width=12,
)  # fmt: skip

# %% [markdown]
# Name the reason for what goes wrong before you read on.
#
# 1. **Light.** The first scene is at night, the second at dusk: colour and edges go, and noise comes. In the third, by day, the edges of
#    shadows become cars.
# 2. **Thin things** (poles, signs, far people) are narrower than the 8 pixels of the finest stream. No interpolation
#    brings back what was never scored.
# 3. **Borders are round.** The sum of tents is smooth; corners of buildings and roofs of cars are not.
# 4. **Rare classes** get few pixels in the loss: a van, which is a car by its label, turns into a bus in its middle. A pixel's score knows nothing
#    of its neighbour's label.
#
# 2 and 3 are for the decoders of the next notebook, 4 for larger context and the CRF of the one after.

# %% [markdown]
# ### A photograph
#
# The checkpoint has seen drawn streets, nothing else.
#
# **Predict.** A rocket before its launch: sky, towers, lamps. What will it find, and what will it invent?

# %% tags=["nbval-ignore-output"]
# As above.
photograph = to_tensor(load_photograph("rocket").image)[None]
thumbnail = as_image(F.avg_pool2d(photograph, photograph.shape[2] // 192)[0])
said_here = predict(model, thumbnail, "cpu")
shares = np.bincount(said_here.ravel(), minlength=C) / said_here.size
print(", ".join(f"{NAMES[k]} {shares[k]:.0%}" for k in np.argsort(-shares)[:5]))
figure_grid(
    [thumbnail, COLORS[said_here]],
    ["a photograph", "FCN-8s, trained on drawn streets"],
    columns=2,
    width=10,
)

# %% [markdown]
# It knows no rocket and cannot say so: every pixel *must* get one of the classes of its training. Nor has it seen film grain, a real sky, or
# this kind of light. What a network has not seen in training is the first suspect when it fails; more layers do not help.

# %% [markdown]
# ## Play
#
# How does a coarse map become a fine one? A blob is max-pooled; four methods bring it back. All of them are sums of stamps: drag
# *stamps laid* or press play. Three questions that only playing answers:
#
# 1. Pooling factor 4: which *stamp's size* makes the transposed convolution equal to bilinear interpolation? Which
#    sizes give a checkerboard, and what do they have in common?
# 2. Move the thin line by clicking, a pixel at a time. Which method's picture moves along, and which jumps?
# 3. Choose *two dots* and the largest factor. Is there any stamp that brings back two dots?

# %%
upsampling("disk", factor=4)

# %% [markdown]
# ## Checkpoint
#
# **1.** A method finds every pixel of a class, and claims as many wrong pixels again. Its IoU?
#
# <details><summary>Answer</summary>
#
# 1/2: the intersection is $t$, the union $2t$. Recall would say 1.
# </details>
#
# **2.** Why add scores rather than concatenate features?
#
# <details><summary>Answer</summary>
#
# Adding scores after a 1 × 1 convolution *is* concatenating features and applying one 1 × 1 convolution to them, if nothing
# non-linear stands between. It needs only $C$ channels at the fine scale. (U-Net concatenates, because it does convolve afterwards.)
# </details>
#
# **3.** FCN-32s on an image of 500 × 500 costs far less than sliding the classifier over it. Why?
#
# <details><summary>Answer</summary>
#
# Neighbouring windows of 224 pixels, 32 apart, share nearly all their pixels. The convolutional network computes each
# feature once, the sliding classifier about $(224/32)^2 = 49$ times.
# </details>
#
# **4.** The scores of pool3 and pool4 start at zero in the paper. Why not at random?
#
# <details><summary>Answer</summary>
#
# FCN-8s is trained from FCN-16s, and that from FCN-32s. With zeros the net begins as exactly the coarser one and
# can only add what helps.
# </details>

# %% [markdown]
# ## Pitfalls
#
# **The ignore label in the mean.** Counting ignored pixels as a class, or as errors, changes the score.

# %%
as_error = (said == truth).mean()
right = (said == truth)[truth != 255].mean()
print(f"pixel accuracy {right:.3f}; with ignored pixels as errors {as_error:.3f}")
try:
    torch.nn.functional.cross_entropy(torch.zeros(1, 4, 1, 1), torch.tensor([[[255]]]))
except IndexError as error:
    print("a loss that was not told of 255:", error)

# %% [markdown]
# **A label map resized bilinearly** invents classes: between road (0) and building (2) lies sidewalk (1).

# %%
two = torch.tensor([[[[0.0, 2.0]]]])
for mode in ("bilinear", "nearest"):
    print(mode, F.interpolate(two, size=(1, 8), mode=mode).round().int().flatten().tolist())

# %% [markdown]
# **`align_corners`.** With `True` the corners' *centres* are made to coincide, so the factor is $(n f - 1)/(n - 1)$,
# not $f$, and everything drifts towards the corners. FCN's stamps mean `False`.

# %%
ramp = torch.arange(4.0).view(1, 1, 1, 4)
for corners in (False, True):
    up_ramp = F.interpolate(ramp, scale_factor=(1, 4), mode="bilinear", align_corners=corners)
    print(f"align_corners={corners}:", *(f"{v:.2f}" for v in up_ramp.flatten().tolist()))

# %% [markdown]
# **BGR.** The paper's weights come from Caffe: blue first, range 0 … 255, a mean subtracted. The network says so itself
# (`normalization`), and `predict` obeys. By hand it is forgotten easily, and nothing fails: the sky is merely orange.

# %%
pixel = to_tensor(np.array([[[255, 128, 0]]], np.uint8))[None]
print("RGB", [f"{v:.2f}" for v in pixel.flatten().tolist()],
      "-> what FCN wants", [f"{v:.1f}" for v in net.normalization.apply(pixel).flatten().tolist()])  # fmt: skip

# %% [markdown]
# ## Recap
#
# * Semantic segmentation gives a class to every pixel; mIoU, summed over the data set, lets small classes count.
# * A fully connected layer is a convolution: a classifier slides for free.
# * Interpolation is a transposed convolution with a tent; FCN starts there and learns on.
# * Scores of finer, earlier layers are added: *what* from the depths, *where* from the shallows.
#
# **To read on**
# * Shelhamer, Long, Darrell, TPAMI 2017: section 4 on skips; the appendix asks how high mIoU can be for coarse predictions.
# * Cordts et al., CVPR 2016: how labels were drawn, and why some pixels are ignored.
# * `segedu/semantic/fcn.py` is what you rebuilt; `tests/parity/test_fcn.py` holds it against the authors' prototxt.
#
# **Next:** [decoders that remember](02_encoder_decoders.ipynb). **Assignment:**
# [`assignments/02_semantic`](../../assignments/02_semantic/semantic.ipynb), exercises 1 and 2: mIoU, the bilinear kernel.

# %% [markdown]
# For those online: FCN on ResNet-50, torchvision's weights for VOC's classes, 135 MB (set `ONLINE` to `True`; nothing else in this notebook downloads).

# %%
ONLINE = False
if ONLINE:
    from segedu.weights import load

    official = load("fcn-r50-voc")
    labels = predict(official, load_photograph("astronaut").image, "cpu")
    print("share of class 15, person:", f"{(labels == 15).mean():.0%}")

# %%
print(f"All cells took {time.perf_counter() - start:.0f} s here.")
