# %% [markdown]
# # Convolution with holes, and pixels that talk: DeepLab and the fully connected CRF
#
# **Goals.** After this notebook you can
# 1. *compute* the receptive field and the output stride of a stack of layers;
# 2. *write* atrous convolution, and *prove* that it replaces stride without changing weights;
# 3. *predict* which rates leave holes (gridding), and when a kernel with a large rate is a 1 × 1;
# 4. *tell apart* the four DeepLabs by what they do about scale and about edges;
# 5. *derive* the mean-field update of the fully connected CRF, *write* it, and *say* when it hurts.
#
# **Before this:** [FCN](01_fcn.ipynb) and [decoders](02_encoder_decoders.ipynb). **Time:** about 70 minutes with the questions;
# the last cell says how long the cells took here.
#
# **Papers:** L.-C. Chen, G. Papandreou, I. Kokkinos, K. Murphy, A. Yuille, *DeepLab*: ICLR 2015 (**v1**) and IEEE TPAMI 40(4), 2018
# (**v2**); L.-C. Chen, G. Papandreou, F. Schroff, H. Adam, *Rethinking Atrous Convolution*, 2017 (**v3**); with Y. Zhu, *Encoder-Decoder
# with Atrous Separable Convolution*, ECCV 2018 (**v3+**). P. Krähenbühl, V. Koltun, *Efficient Inference in Fully Connected
# CRFs with Gaussian Edge Potentials*, NeurIPS 2011 (**KK**). Equations have the papers' numbers.

# %%
import time

start = time.perf_counter()

import dataclasses
import itertools
import tempfile

import matplotlib.pyplot as plt
import numpy as np
import torch
from safetensors.torch import load_file
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from segedu import semantic
from segedu.data import load_photograph
from segedu.data.scenes import SCENE_CLASSES, SceneDataset
from segedu.drawing import figure_grid, overlay_labels, palette
from segedu.layers.atrous import atrous_convolution, receptive_field
from segedu.semantic import CRFParameters, deeplab_v3, dense_crf, dense_crf_steps, predict
from segedu.semantic.metrics import ConfusionMatrix
from segedu.semantic.permutohedral import Lattice
from segedu.training import LiveCurves, find_recipe, train
from segedu.weights.shipped import load_shipped, read_card
from segedu.widgets import atrous_explorer, crf_explorer
from segedu.widgets.demos.crf import annotated_labels, degraded

# %%
plt.rcParams.update({"figure.dpi": 80, "savefig.dpi": 80, "font.size": 11})
NAMES = [c.name for c in SCENE_CLASSES]
C = len(NAMES)
COLORS = np.zeros((256, 3), np.uint8)
COLORS[:C] = [c.color for c in SCENE_CLASSES]


def as_image(tensor):
    return (tensor.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)


held_out = SceneDataset(split="test", length=24, size=(192, 384))
samples = [held_out[k] for k in range(24)]

# %% [markdown]
# ## Why: what stride 32 can never say
#
# FCN scores once every 32 pixels and interpolates. [Notebook 2](02_encoder_decoders.ipynb) asked what a *perfect* classifier could say so, one that knows the true shares of
# all classes in each cell of the coarse map: stride 32 costs it half of the mIoU, stride 8 a quarter. Now class by class, on the same scenes.
#
# **Predict.** Which classes does stride 32 lose altogether, and stride 8 not?


# %%
def best_at(stride, target):
    """Labels from the true class shares at a stride, interpolated as FCN does."""
    one_hot = F.one_hot(target.clamp(max=C), C + 1)[..., :C].permute(2, 0, 1)[None].float()
    coarse = F.avg_pool2d(one_hot, stride)
    return F.interpolate(coarse, target.shape, mode="bilinear", align_corners=False)[0].argmax(0)


limits = {}
for stride in (32, 8):
    matrix = ConfusionMatrix(C)
    for _, target in samples[:16]:
        matrix.update(best_at(stride, target), target)
    limits[stride] = matrix.compute()["iou"]
for k in np.argsort(limits[32])[:6]:
    print(
        f"{NAMES[k]:14s} at best {limits[32][k]:.2f} at stride 32, {limits[8][k]:.2f} at stride 8"
    )

# %%
scene, truth = samples[3]
figure_grid(
    [as_image(scene), COLORS[truth.numpy()]]
    + [COLORS[best_at(stride, truth).numpy()] for stride in (32, 8)],
    ["a scene", "its labels", "a perfect classifier at stride 32", "at stride 8"], columns=2,
    width=11, legend=dict(zip(NAMES, COLORS, strict=False)),
)  # fmt: skip

# %% [markdown]
# Lights, poles and signs are gone at stride 32; at stride 8 they are partly back. A decoder repairs the damage afterwards. DeepLab asks: why do it in the first place? Poolings make layers cheap, and they
# let later layers *see further*. If something else can do the second, an output stride of 8 is affordable. And the last few
# pixels at the edges are left to the image itself, by a CRF.

# %% [markdown]
# ## Receptive field and output stride
#
# Layer $l$ has kernel $k_l$, stride $s_l$ and rate $r_l$ (so far 1). Let $j_l$ be the **jump**: how many input pixels lie
# between neighbours of its output. Let $R_l$ be the **receptive field**: how many input pixels one output can depend on.
#
# $$ j_l = j_{l-1}\, s_l, \qquad R_l = R_{l-1} + (k_l - 1)\, r_l\, j_{l-1}, \qquad j_0 = R_0 = 1. $$
#
# A kernel's outermost taps lie $(k_l - 1)\, r_l$ positions apart, a position is $j_{l-1}$ pixels. The product of all strides is the
# **output stride**.
#
# **Predict.** You take the last two poolings out of VGG-16 (stride 1 in place of 2). What happens to the number of weights, to the output
# stride, and to the receptive field of the layers behind?


# %%
def field_and_stride(layers):
    field, jump = 1, 1
    for kernel, stride, rate in layers:
        field += (kernel - 1) * rate * jump
        jump *= stride
    return field, jump


def vgg(strides=(2, 2, 2, 2, 2), last_rate=1, fc6=(7, 1)):
    layers = []
    for stage, (convolutions, stride) in enumerate(zip((2, 2, 3, 3, 3), strides, strict=True)):
        layers += [(3, 1, last_rate if stage == 4 else 1)] * convolutions + [(2, stride, 1)]
    return [*layers, (fc6[0], 1, fc6[1])]


for name, layers in {
    "VGG-16 up to fc6": vgg(),
    "pool4, pool5 without stride": vgg((2, 2, 2, 1, 1)),
    "and conv5 at rate 2, fc6 at rate 4": vgg((2, 2, 2, 1, 1), 2, (7, 4)),
    "DeepLab-LargeFOV: fc6 3 × 3 at rate 12": vgg((2, 2, 2, 1, 1), 2, (3, 12)),
}.items():
    field, stride = field_and_stride(layers)
    assert field == receptive_field(layers)
    print(f"{name:40s} output stride {stride:2d}, receptive field {field} pixels")
weights = {"7 × 7 to 4096": 7 * 7 * 512 * 4096, "3 × 3 to 1024": 3 * 3 * 512 * 1024}
print("weights of fc6:", {name: f"{n / 1e6:.1f} M" for name, n in weights.items()})

# %% [markdown]
# Without stride the map is sixteen times as large, and half blind. The third row brings the view back with the same weights. How?

# %% [markdown]
# ## Atrous convolution
#
# In one dimension, input $x$, filter $w$ of $K$ weights, **rate** $r$ (v2, eq. 1):
#
# $$ y[i] = \sum_{k=1}^{K} x[i + r\,k]\; w[k] \tag{1} $$
#
# For $r = 1$ it is the usual convolution; for $r = 2$ every second input is skipped (*à trous*: with holes). The taps span $(K-1)\,r + 1$
# inputs, the number of weights stays $K$. We centre $k$ around 0, so that maps keep their size.
#
# **Build it.** `unfold` lays the inputs of each output into a column; then it is one matrix product.


# %%
def atrous(x, weight, rate):
    out, _, k, _ = weight.shape
    columns = F.unfold(x, k, dilation=rate, padding=rate * (k // 2))  # (B, C·k·k, H·W)
    y = weight.view(out, -1) @ columns  # (D, C·k·k) · (B, C·k·k, H·W)
    return y.view(len(x), out, *x.shape[2:])


generator = torch.Generator().manual_seed(0)
x = torch.randn(2, 4, 20, 24, generator=generator)
weight = torch.randn(6, 4, 3, 3, generator=generator)
for rate in (1, 2, 4, 9):
    conv = torch.nn.Conv2d(4, 6, 3, padding=rate, dilation=rate, bias=False)
    conv.weight = torch.nn.Parameter(weight, requires_grad=False)
    assert torch.allclose(atrous(x, weight, rate), conv(x), atol=1e-5)
    assert torch.allclose(atrous(x, weight, rate), atrous_convolution(x, weight, rate=rate))
print("by unfold, by torch.nn.Conv2d and the library's: equal at all rates")

# %% [markdown]
# **Why may stride be exchanged for rate?** Take every second position of $x$, then convolve at rate 1: output $i$ reads $x[2(i+k)]$.
# Convolve first at rate 2, and then take every second output: it reads $x[2i + 2k]$. The same. So the strided network's
# outputs are *among* those of the atrous one; the three quarters that striding threw away come on top. Weights learned with stride
# (ImageNet's) go on working.
#
# **Predict.** Does that also hold for two layers in a row, with a ReLU between them?

# %%
second = torch.randn(5, 6, 3, 3, generator=generator)
strided = atrous(atrous(x[..., ::2, ::2], weight, 1).relu(), second, 1)
dense = atrous(atrous(x, weight, 2).relu(), second, 2)
assert torch.allclose(dense[..., ::2, ::2], strided, atol=1e-4)
print("strided", tuple(strided.shape[2:]), "is every second output of", tuple(dense.shape[2:]))

# %% [markdown]
# Each stride that is taken out doubles the rate of *all* layers behind it. That is the third row of the table above: pool4
# and pool5 lost theirs, so conv5 has rate 2 and fc6 rate 4.

# %% [markdown]
# ## Gridding
#
# Three 3 × 3 layers at rate 2 see $1 + 3 \cdot 4 = 13$ pixels across. Do they see all 13? Count the paths from an input to the
# output: convolve ones with ones.
#
# **Predict.** Which share of the 13 × 13 pixels can change the output? And for the rates 1, 2, 5?


# %%
def paths(rates, kernel=3):
    """Number of paths from each input to the middle output, along one axis."""
    counts = np.ones(1, int)
    for rate in rates:
        taps = np.zeros((kernel - 1) * rate + 1, int)
        taps[::rate] = 1
        counts = np.convolve(counts, taps)
    return counts


figure, axes = plt.subplots(1, 3, figsize=(11, 3.9), layout="constrained")
for axis, rates in zip(axes, [(2, 2, 2), (1, 2, 5), (1, 2, 9)], strict=True):
    plane = np.outer(paths(rates), paths(rates))
    ones = torch.ones(1, 1, 3, 3)
    y = torch.zeros(1, 1, *plane.shape)
    y[0, 0, len(plane) // 2, len(plane) // 2] = 1  # the kernels are symmetric: forth is back
    for rate in rates:
        y = atrous(y, ones, rate)
    assert np.array_equal(y[0, 0].numpy(), plane)  # counted by the convolution itself
    axis.imshow(np.where(plane > 0, np.sqrt(plane), np.nan), cmap="inferno", vmin=0)
    axis.set_facecolor("0.8")
    axis.set(xticks=[], yticks=[])
    share = f"{(plane > 0).mean():.0%} of {len(plane)} × {len(plane)} seen"
    axis.set_title(f"rates {rates}: {share}", fontsize=11)
plt.show()

# %% [markdown]
# Grey pixels are **not seen**. With 2, 2, 2 an output and its neighbour share no input at all: four networks run interleaved, each on its own quarter of the
# pixels. In label maps it shows as a grid. Wang et al. (*Understanding convolution for semantic segmentation*, WACV 2018) give a rule for rates $r_1 \le \dots \le r_n$: the largest gap
# between taps, computed from the last layer to the second,
#
# $$ M_n = r_n, \qquad M_i = \max\bigl(M_{i+1} - 2 r_i,\; 2 r_i - M_{i+1},\; r_i\bigr), \qquad M_2 \le K. $$
#
# Is it right? There are few triples: try all.


# %%
def largest_gap(rates):
    gap = rates[-1]
    for rate in rates[-2:0:-1]:
        gap = max(gap - 2 * rate, 2 * rate - gap, rate)
    return gap


triples = list(itertools.combinations_with_replacement(range(1, 10), 3))
for first, chosen in (("1", [t for t in triples if t[0] == 1]),
                      ("more", [t for t in triples if t[0] > 1])):  # fmt: skip
    rule = [largest_gap(t) <= 3 for t in chosen]
    full = [bool((paths(t) > 0).all()) for t in chosen]
    print(f"smallest rate {first}: {len(chosen)} triples, {sum(rule)} pass the rule,",
          f"{sum(full)} have no holes, both agree on {np.mean(np.equal(rule, full)):.0%}")  # fmt: skip

# %% [markdown]
# The rule is exact as soon as one layer has rate 1, and says nothing without one: rates 2, 2, 2 pass it. **v3's multi-grid**
# multiplies the rates of the last stage's three blocks by (1, 2, 4): at output stride 16 they are 2, 4, 8. All even, so there
# would be a grid, were it not for the many layers of rate 1 before.

# %% [markdown]
# ## Four DeepLabs
#
# **v1, LargeFOV.** FCN's fc6 is 7 × 7 with 4096 outputs. At rate 4 it costs as much at each of 16 times as many places.
# A 3 × 3 at rate 12 with 1024 outputs sees as far with few of the weights (the table above).
#
# **v2, ASPP.** Objects have several sizes. Four 3 × 3 convolutions with rates 6, 12, 18, 24 look at the same map; their scores are summed.
#
# **v3.** Five branches: a 1 × 1, three 3 × 3 with rates 6, 12, 18 at output stride 16 (twice that at 8), and the *mean over the image*. Each gets batch norm; they
# are stacked and joined by a 1 × 1. Why no rate 24, and why the mean? Look at a large rate near the border.
#
# **Predict.** A 3 × 3 kernel at rate 60 moves over a map of 65 × 65. How many of its nine taps meet the map, on average?

# %%
size, rates = 65, np.arange(1, 66)
on = np.array([max(0, size - r) / size for r in rates])  # share of places where one outer tap is on
taps = (1 + 2 * on) ** 2  # of nine; rows and columns multiply
ones = torch.ones(1, 1, size, size)
for rate in (1, 12, 60):
    assert np.isclose(atrous(ones, torch.ones(1, 1, 3, 3), rate).mean(), taps[rate - 1], rtol=1e-5)
figure, axis = plt.subplots(figsize=(7, 2.8), layout="constrained")
axis.plot(rates, taps, color="#0072b2", lw=2)
axis.plot([6, 12, 18, 24], taps[[5, 11, 17, 23]], "o", color="#d55e00", label="v2's rates")
axis.set(
    xlabel="rate", ylabel="taps on the map", ylim=(0, 9.3), title="3 × 3 on 65 × 65 (v3, figure 4)"
)
axis.legend()
axis.grid(alpha=0.3)
plt.show()
print(f"at rate 60: {taps[59]:.2f} of 9")

# %% [markdown]
# A kernel that should see the whole image sees the middle tap alone. The mean over the image does what it cannot.
#
# **Build it:** v3's ASPP from its parts, against the library.

# %%
torch.manual_seed(0)
net = deeplab_v3(C, depth=(1, 1, 1, 1), width=8, channels=16, multi_grid=None).eval()


def aspp(layer, x):
    one, *atrous_branches = layer.branches  # each: convolution, batch norm, ReLU
    parts = [one(x)]
    for branch in atrous_branches:
        conv, norm, relu = branch
        parts.append(relu(norm(atrous(x, conv.weight, conv.dilation[0]))))
    mean = layer.image_mean(x.mean((2, 3), keepdim=True))  # (B, 16, 1, 1)
    parts.append(mean.expand_as(parts[0]))  # bilinear enlarging of one value
    return layer.join(torch.cat(parts, dim=1))


with torch.inference_mode():
    images = net.normalization.apply(scene[None])
    found = net.intermediates(images)
    assert torch.allclose(aspp(net.context, found["stage4"]), found["context"], atol=1e-5)
    print({name: tuple(t.shape[1:]) for name, t in found.items()})

# %% [markdown]
# **v3+** enlarges ASPP's map four times, puts the first stage's fine map beside it (reduced to 48 channels, so that it does not
# drown the context), convolves once or twice more, and enlarges four times again: notebook 2's idea, in its smallest form.
#
# **Predict.** v3 at output stride 8 has the same weights as at 16. How many times the multiplications?

# %%
networks = {
    "FCN-32s, VGG-16": lambda: semantic.fcn32s(21),
    "v1 LargeFOV, VGG-16": lambda: semantic.deeplab_v1(21),
    "v2 ASPP, ResNet-101": lambda: semantic.deeplab_v2(21),
    "v3, ResNet-101, stride 16": lambda: deeplab_v3(21, depth=101),
    "v3, ResNet-101, stride 8": lambda: deeplab_v3(21, depth=101, output_stride=8),
    "v3+, ResNet-101, stride 16": lambda: semantic.deeplab_v3_plus(21),
}
print(f"{'':28s}{'parameters':>12s}{'G multiply-adds at 512 × 512':>32s}")
for name, build in networks.items():
    with torch.device("meta"):  # shapes only: nothing is computed
        network = build().eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(torch.empty(1, 3, 512, 512))
    parameters = sum(p.numel() for p in network.parameters()) / 1e6
    print(f"{name:28s}{parameters:10.2f} M{counter.get_total_flops() / 2e9:32.1f}")

# %% [markdown]
# 3.6 times. All that used to run at stride 16 has four times as many places now: the last two stages of the backbone, where most of the layers are, and
# ASPP. Only what comes before costs the same. v3+ is the cheaper way to fine borders.
#
# ## The fully connected CRF
#
# A network's scores are smooth where the image has edges. v1 and v2 let the image decide the last pixels. Give each pixel $i$ a label
# $x_i$, and each labelling an **energy**; likely labellings have a low one, $P(\mathbf x) \propto e^{-E(\mathbf x)}$ (KK, eqs. 1 and 2):
#
# $$ E(\mathbf x) = \sum_i \psi_u(x_i) + \sum_{i<j} \psi_p(x_i, x_j), \tag{1} $$
# $$ \psi_u(x_i) = -\log \hat P_i(x_i), \qquad \psi_p(x_i, x_j) = \mu(x_i, x_j) \sum_m w^{(m)} k^{(m)}(f_i, f_j). \tag{2} $$
#
# $\hat P_i$ is what the network says; $\mu(l, l') = [l \ne l']$ (Potts): only different labels pay. **Every** pair of pixels pays, by how near
# and how alike they are. With positions $p_i$ and colours $I_i$ the sum over $m$ is (eq. 3)
#
# $$ w^{(1)} \underbrace{\exp\Bigl(-\frac{|p_i - p_j|^2}{2\theta_\alpha^2} - \frac{|I_i - I_j|^2}{2\theta_\beta^2}\Bigr)}_{k^{(1)}:\ \text{appearance}}
#  + w^{(2)} \underbrace{\exp\Bigl(-\frac{|p_i - p_j|^2}{2\theta_\gamma^2}\Bigr)}_{k^{(2)}:\ \text{smoothness}} \tag{3} $$
#
# **Mean field.** The best labelling is out of reach ($C^N$ of them). Take instead the *independent* distribution $Q(\mathbf x) = \prod_i Q_i(x_i)$ that is nearest to $P$.
# Write out the divergence, with $\mathrm E_Q$ the mean under $Q$:
#
# $$ \mathrm{KL}(Q \,\|\, P) = \sum_i \sum_l Q_i(l) \log Q_i(l) + \mathrm E_Q[E] + \log Z. $$
#
# Set its derivative by $Q_i(l)$ to zero, under $\sum_l Q_i(l) = 1$ with multiplier $\lambda$. Of $\mathrm E_Q[E]$ only the terms with pixel $i$ remain:
#
# $$ \log Q_i(l) + 1 + \psi_u(l) + \sum_{l'} \mu(l, l') \sum_m w^{(m)} \sum_{j \ne i} k^{(m)}(f_i, f_j)\, Q_j(l') + \lambda = 0. $$
#
# Solve for $Q_i(l)$; what does not depend on $l$ goes into $Z_i$ (eq. 4):
#
# $$ Q_i(l) = \frac{1}{Z_i} \exp\Bigl\{-\psi_u(l) - \sum_{l'} \mu(l, l') \sum_m w^{(m)} \sum_{j \ne i} k^{(m)}(f_i, f_j)\, Q_j(l')\Bigr\}. \tag{4} $$
#
# Start from $Q_i = \hat P_i$, put it in on the right, get a better one on the left, repeat. Three steps (algorithm 1): **message passing** (the inner sum), **compatibility** ($\mu$), **local update** (exp, normalise).
#
# **Here the library departs from the paper**, as the authors' code does: each kernel is normalised, $D^{-1/2} K D^{-1/2}$ with $D$ its row
# sums, so that weights mean the same for images of any size; and $j = i$ stays in the sum.
#
# ### Build it
#
# A tiny image, so that all $N^2$ pairs fit.

# %%
coffee, labels, names = annotated_labels(load_photograph("coffee"), 36)
p = degraded(labels, len(names), stride=4, seed=0)  # what a coarse, unsure network says (5, H, W)
H, W = labels.shape
parameters = CRFParameters(5, 6, 10, 3, 1)
y_, x_ = np.mgrid[:H, :W]
place = np.stack([x_, y_], -1).reshape(-1, 2).astype(float)  # (N, 2)
color = coffee.reshape(-1, 3).astype(float)  # (N, 3)


def squared(a):  # (N, d) -> (N, N): squared distance of each pair
    return ((a[:, None] - a[None]) ** 2).sum(-1)


t = parameters
appearance = np.exp(
    -squared(place) / (2 * t.theta_alpha**2) - squared(color) / (2 * t.theta_beta**2)
)
smoothness = np.exp(-squared(place) / (2 * t.theta_gamma**2))
kernel = np.zeros((H * W, H * W))
for w, k in ((t.weight_appearance, appearance), (t.weight_smoothness, smoothness)):
    d = k.sum(1)
    kernel += w * k / np.sqrt(np.outer(d, d))  # normalised


# %%
def mean_field_step(q, unary, kernel):
    """Algorithm 1, one iteration: q (N, C), unary (N, C), kernel (N, N) -> (N, C)."""
    message = kernel @ q  # message passing
    mu = 1 - np.eye(q.shape[1])
    energy = unary + message @ mu.T  # compatibility: what the other labels' mass costs
    q = np.exp(-energy)  # local update
    return q / q.sum(1, keepdims=True)


unary = -np.log(p.reshape(len(p), -1).T.astype(float))  # (N, C)
q = np.exp(-unary)
library = list(dense_crf_steps(coffee, p, iterations=5, parameters=parameters, method="exact"))
for state in library[1:]:
    q = mean_field_step(q, unary, kernel)
    theirs = state.marginals.numpy().reshape(len(p), -1).T
    assert np.abs(q - theirs).max() < 1e-4
print(f"five steps over {len(q)} pixels and {len(q) ** 2} pairs: equal to the library's")

# %% [markdown]
# **Predict.** Does each step come nearer to $P$? All pixels move *at once*, each as if the others stood still.

# %%
steps = list(dense_crf_steps(coffee, p, iterations=8, parameters=parameters, method="exact"))
print("KL(Q || P) up to a constant:")
for state in steps:
    q = state.marginals.double().numpy().reshape(len(p), -1).T
    entropy = -(q * np.log(q + 1e-30)).sum()
    between = kernel - np.diag(np.diag(kernel))
    pairs = 0.5 * (between @ q * (1 - q)).sum()  # Potts: mass on other labels
    print(f"step {state.iteration}: {(q * unary).sum() + pairs - entropy:8.1f}")

# %% [markdown]
# Here it does, and most of the way is the first step. There is no guarantee: where kernels are strong, pixels that move at once can overshoot.
# (Krähenbühl & Koltun, ICML 2013, give an update that always descends.)

# %% [markdown]
# ### A million pixels: splat, blur, slice
#
# Message passing is a Gaussian filter in the space of features: 5 dimensions for appearance (eq. 5):
#
# $$ \tilde Q^{(m)}_i(l) = \sum_{j \ne i} k^{(m)}(f_i, f_j)\, Q_j(l) = \bigl[G_{\Lambda^{(m)}} \otimes Q(l)\bigr](f_i) - Q_i(l). \tag{5} $$
#
# $N^2$ pairs are too many. A blurred function is smooth, so coarse samples suffice: **splat** each pixel's value to the nearest
# points of a lattice, **blur** there with small steps along the axes, **slice**: read it back at the pixels. A grid of cubes has $2^5 = 32$
# corners around each pixel. The **permutohedral lattice** (Adams, Baek, Davis, 2010) has simplices with $5 + 1 = 6$.
#
# **Predict.** In one dimension: what does a single pixel's value look like after splat, blur and slice? As smooth as a Gaussian?

# %%
line = torch.linspace(-6, 6, 601)[:, None]  # 601 points with one feature, deviation 1
lattice = Lattice(line)
impulse = torch.zeros(601, 1)
impulse[300] = 1
ours = lattice.filter(impulse)[:, 0]
exact = torch.exp(-0.5 * line[:, 0] ** 2)
splatted = lattice.splat(impulse)
print(f"{len(line)} points, {len(splatted) - 1} lattice vertices; the impulse went to",
      f"{int((splatted > 0).sum())} of them, after blurring it is on",
      f"{int((lattice.blur(splatted) > 0).sum())}")  # fmt: skip
figure, axis = plt.subplots(figsize=(7, 2.6), layout="constrained")
axis.plot(line, exact / exact.sum(), color="0.6", lw=4, label="Gaussian")
axis.plot(line, ours / ours.sum(), color="#d55e00", label="splat, blur, slice")
axis.set(xlabel="feature, in standard deviations", yticks=[])
axis.legend()
plt.show()

# %% [markdown]
# A tent made of tents: straight pieces between lattice points. Normalising takes out the scale, and the small rest hardly moves a label.
# On a photograph, only vertices that touch a pixel exist:

# %%
image, labels, names = annotated_labels(load_photograph("coffee"), 300)
parameters = CRFParameters(5, 25, 10, 3, 3)
features = semantic.crf.features_of(image, parameters)
for name, f in features.items():
    lattice = Lattice(torch.from_numpy(f).T.contiguous())
    n, d = f.shape[1], f.shape[0]
    print(f"{name}: {n} pixels, {d} features, {lattice.neighbors.shape[1]} vertices;",
          f"{n**2 / 1e9:.1f} billion pairs by brute force")  # fmt: skip

# %% [markdown]
# ## On a photograph
#
# The unary: the annotation seen through cells of 12 pixels, with noise.
#
# **Predict.** What will the CRF do best: remove speckles, sharpen edges, or restore the cup's handle?

# %%
colors = palette(len(names))
p = degraded(labels, len(names), stride=12, seed=1)


def iou_of(answer, labels, names):
    matrix = ConfusionMatrix(len(names))
    matrix.update(answer, labels)
    return matrix.compute()


def shown(answer):
    return overlay_labels(image, answer, 0.6, colors=colors)


runs = {
    "unary": None,
    "smoothness alone": dataclasses.replace(parameters, weight_appearance=0),
    "appearance alone": dataclasses.replace(parameters, weight_smoothness=0),
    "both": parameters,
}
pictures, titles = [image, shown(labels)], ["photograph", "annotation"]
for name, chosen in runs.items():
    q = p if chosen is None else dense_crf(image, p, parameters=chosen, iterations=5, device="cpu")
    pictures.append(shown(q.argmax(0)))
    titles.append(f"{name}: mIoU {iou_of(q.argmax(0), labels, names)['miou']:.2f}")
figure_grid(pictures, titles, columns=2, width=10, legend=dict(zip(names, colors, strict=True)))

# %% [markdown]
# Smoothness removes speckles and leaves edges where they were. Appearance finds the edges: saucer, table, the rim of the cup. Where colours agree it
# takes: the handle is as red as the saucer, which gnaws at it, and the spoon's stem is lost to table and cup. Both together are best, and
# the handle is still less whole than the network had it: no kernel knows what a handle is. Now the other side of the coin.

# %% [markdown]
# ### Where it fails
#
# **Predict.** The cameraman's tripod is thin, and grey as the grass is grey. What does the CRF make of it?

# %%
pictures, titles = [], []
for title, name, k, top, chosen in (
    ("thin legs", "camera", "tripod", 76, CRFParameters(5, 15, 10, 3, 2)),
    ("wide kernels", "coffee", "spoon", 0, CRFParameters(10, 60, 20, 3, 2)),
    ("a clock that moves", "clock_motion", "clock", 10, CRFParameters(5, 30, 20, 3, 2)),
):
    picture, marked, its = annotated_labels(load_photograph(name), 240)
    part = np.s_[top : top + 160]  # shown; the CRF sees all
    pictures.append(picture[part])
    titles.append(title)
    before = degraded(marked, len(its), stride=8, seed=0)
    after = dense_crf(picture, before, parameters=chosen, iterations=10, device="cpu")
    for stage, answer in (("unary", before.argmax(0)), ("CRF", after.argmax(0))):
        found = iou_of(answer, marked, its)
        pictures.append(overlay_labels(picture, answer, 0.6, colors=palette(len(its)))[part])
        titles.append(f"{stage}: mIoU {found['miou']:.2f}, {k} {found['iou'][its.index(k)]:.2f}")
figure_grid(pictures, titles, columns=3, width=12)

# %% [markdown]
# Name the reason for each before you read on.
#
# 1. **Thin things lose the vote.** A pixel of the tripod has few neighbours of its own kind and many others nearby, of similar grey. Each of them
#    pulls. Potts knows no shape: short boundaries are cheap, and the shortest is none.
# 2. **Wide kernels forget place.** With $\theta_\alpha = 60$ and $\theta_\beta = 20$ the dark red of cup and saucer is one crowd, and its majority is
#    saucer. The spoon mirrors both, and falls to pieces.
# 3. **Colour lies.** The clock moved while the shutter was open. Its edge is a ramp of colour, and a pixel on the ramp is most like the wall, of
#    which there is more: the clock shrinks.

# %% [markdown]
# ## Play
#
# **Receptive fields.** Colours: number of paths; dark: in the field, and not seen. Three questions that only playing answers:
#
# 1. Start from *gridding 2-2-2* and change one rate, so that the share seen becomes 100 %. Which changes do it?
# 2. Preset *ASPP: rate 18 at 1/16*: can you click so that more than a ninth of the paths begin on the photograph? Why never all of them?
# 3. *doubling 1-2-4-8* against four layers of rate 4: which one has the larger field, and in which square do half of the paths begin?

# %%
atrous_explorer(load_photograph("coffee").image, "gridding 2-2-2")

# %% [markdown]
# **The CRF, step by step.** Again three questions:
#
# 1. Find sliders for which mIoU rises first and falls later. Which label dies, and whom do its pixels listen to? (Click on one.)
# 2. Set $w_1 = 0$. Is there any $\theta_\gamma$ that reaches the mIoU of both kernels together?
# 3. Which $\theta_\beta$ makes the spoon come out best, and what does the saucer do then?

# %%
crf_explorer("coffee")

# %% [markdown]
# ## Train it yourself
#
# A small DeepLab v3 at output stride 8: one bottleneck a stage, a quarter of the channels, small scenes, a few dozen steps.
#
# **Predict.** The map has 12 × 24 positions here, ASPP's rates are 12, 24 and 36. How many taps of the last two branches ever meet the map?

# %% tags=["nbval-ignore-output"]
# Another machine rounds otherwise: its curve differs a little, so the test does not compare it.
recipe = dataclasses.replace(
    find_recipe("deeplab-v3-scenes"),
    data_args={"height": 96, "width": 192, "validation": 16, "test": 16},
    steps=80, batch=4, lr=3e-3, warmup=10, ema=None, precision="no",
    evaluate_every=40, checkpoint_every=1000,
)  # fmt: skip
with tempfile.TemporaryDirectory() as folder:
    train(recipe, folder, callbacks=[LiveCurves()], device="cpu")
    mine = deeplab_v3(C, **recipe.model_args).eval()
    mine.load_state_dict(load_file(f"{folder}/final.safetensors"))

# %% tags=["nbval-ignore-output"]
# As above.
image, target = SceneDataset(split="test", length=1, size=(96, 192))[0]
figure_grid([as_image(image), COLORS[predict(mine, as_image(image), "cpu")], COLORS[target.numpy()]],
            ["a test scene", "after 80 steps", "truth"], width=12)  # fmt: skip

# %% [markdown]
# One of nine in each: the middle one. The others reach 24 and 36 positions away on a map 12 high and 24 wide, and meet zeros only: both branches are 1 × 1 convolutions
# here, and of rate 12 only the left and right taps ever meet the map. Context comes from the image mean. At the checkpoint's size (192 × 384, a map of
# 24 × 48) rate 12 works in both directions and rates 24 and 36 across.
#
# ## What longer training gives
#
# All four DeepLabs are shipped, small. v2's and v3's stand on four bottlenecks and v3+'s on six, where the papers have ResNet-101's 33, and v1's on a narrow VGG-16. All were
# trained for as many steps. They are measured on test scenes that neither the weights nor the choice of the best checkpoint have seen.
#
# **Predict.** Who draws poles best, and why?


# %% tags=["nbval-ignore-output"]
# Half-precision weights and convolutions round differently from machine to machine.
def judge(network):
    matrix = ConfusionMatrix(C)
    answers = [predict(network, as_image(image), "cpu") for image, _ in samples]
    for answer, (_, target) in zip(answers, samples, strict=True):
        matrix.update(answer, target)
    return matrix.compute(), answers


versions = {}
for name in ("deeplab-v1", "deeplab-v2", "deeplab-v3", "deeplab-v3-plus"):
    card = read_card(f"{name}-scenes")
    versions[name] = scores, answers = judge(load_shipped(f"{name}-scenes"))
    print(f"{name:16s}{card['parameters'] / 1e6:5.2f} M, {card['steps']} steps:",
          f"mIoU {scores['miou']:.2f} (card {card['scores']['miou']:.2f}),",
          f"pole {scores['iou'][NAMES.index('pole')]:.2f}")  # fmt: skip

# %% [markdown]
# v3+, the only one whose last word is spoken at stride 4. v1 finds half as many as the others: one rate instead of four, a plain VGG-16 instead of residual
# blocks. v2 and v3 are level: the same bottlenecks, the same stride. What v3 adds, the image mean and twice the parameters, buys nothing at this size.

# %% tags=["nbval-ignore-output"]
# As above.
figure_grid(
    [as_image(samples[3][0]), COLORS[samples[3][1].numpy()]]
    + [COLORS[answers[3]] for _, answers in versions.values()],
    ["scene", "truth", *versions], columns=2, width=11,
    legend=dict(zip(NAMES, COLORS, strict=False)),
)  # fmt: skip

# %% tags=["nbval-ignore-output"]
# As above.
figure, axis = plt.subplots(figsize=(9, 2.8), layout="constrained")
for k, (name, (scores, _)) in enumerate(versions.items()):
    axis.bar(np.arange(C) + 0.2 * k - 0.3, np.nan_to_num(scores["iou"]), 0.2, label=name)
axis.set_xticks(range(C), NAMES, rotation=40, ha="right")
axis.set(ylabel="IoU", ylim=(0, 1))
axis.legend(ncols=4, fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)
plt.show()

# %% [markdown]
# **Predict.** v1's authors gained four to five points of mIoU by the CRF on PASCAL VOC. Will this network, on these scenes? Which
# classes gain, which lose?

# %% tags=["nbval-ignore-output"]
# As above.
gentle = CRFParameters(3, 10, 10, 1, 1)
model = load_shipped("deeplab-v3-scenes")
refined, tested = ConfusionMatrix(C), samples[:12]
plain = ConfusionMatrix(C)
for image, target in tested:
    logits = torch.from_numpy(np.asarray(predict(model, as_image(image), "cpu", logits=True)))
    plain.update(logits.argmax(0), target)
    q = dense_crf(as_image(image), logits.float().softmax(0), parameters=gentle, device="cpu")
    refined.update(q.argmax(0), target)
before, after = plain.compute(), refined.compute()
print(f"the first {len(tested)} scenes: mIoU {before['miou']:.3f} -> {after['miou']:.3f};",
      f"pixels right {before['pixel_accuracy']:.3f} -> {after['pixel_accuracy']:.3f}")  # fmt: skip
change = np.nan_to_num(after["iou"] - before["iou"])
for k in [*np.argsort(change)[[0, 1, -2, -1]], NAMES.index("pole")]:
    print(f"{NAMES[k]:15s}{before['iou'][k]:6.3f} -> {after['iou'][k]:.3f}")

# %% [markdown]
# Five points, as many as theirs, and no class loses. The kernels are gentle (3 pixels, 10 grey levels), the scores end at stride 8, and their soft borders move to the edges of
# the image. Even poles gain: they stand out from what is behind them, as the tripod does not. What a CRF does to thin things is a matter of contrast and of $\theta$.

# %% tags=["nbval-ignore-output"]
# As above: the worst three.
answers = versions["deeplab-v3"][1]
errors = [
    (a != t.numpy())[t.numpy() != 255].mean() for a, (_, t) in zip(answers, samples, strict=True)
]
worst = np.argsort(errors)[::-1][:3]
figure_grid(
    [as_image(samples[k][0]) for k in worst] + [COLORS[answers[k]] for k in worst]
    + [COLORS[samples[k][1].numpy()] for k in worst],
    ["worst scenes", "", "", "DeepLab v3", "", "", "truth", "", ""], columns=3, width=12,
)  # fmt: skip

# %% [markdown]
# Name the reason for each kind of error before you read on.
#
# 1. **Night.** Colours and edges go; what is left is place: road below, sky above, houses beside.
# 2. **Poles and lights** are narrower than a position of the map (8 pixels). That is what v3+ has its decoder for.
# 3. **Blobs of a wrong but plausible class** inside a large thing: bus, truck and car share windows and wheels; context says "vehicle", not which.
# 4. **Soft borders**, such as the CRF has just moved. The papers on v3 and v3+ do without one all the same: it costs more time than the network, stands outside what is
#    trained, and the more of the borders a network has learned, the less is left to it.

# %% [markdown]
# ## Checkpoint
#
# **1.** You replace the stride of one layer in the middle of a network by 1. Which layers need another rate, and which one keeps its own?
#
# <details><summary>Answer</summary>
#
# All layers *behind* it get twice their rate. The layer itself keeps its own: its input has not changed.
# </details>
#
# **2.** Three layers with rates 2, 4, 8 see $1 + 2 \cdot 14 = 29$ positions across. How many of those along one axis are seen?
#
# <details><summary>Answer</summary>
#
# Only even distances can be reached: 15 of 29, so about a quarter of the plane ($15^2 / 29^2$). The rates have the common factor 2.
# </details>
#
# **3.** The CRF gets probabilities that are exactly 0 and 1, from an argmax. What can it still change?
#
# <details><summary>Answer</summary>
#
# $-\log 0$ is infinite: nothing. The library clips at $10^{-5}$, which costs 11.5. All other pixels together can bring about
# $w^{(1)} + w^{(2)}$, since the kernels are normalised: they would have to agree nearly to the last. Give it the softmax.
# </details>
#
# **4.** You double the image's size in both directions. Which of $\theta_\alpha, \theta_\beta, \theta_\gamma$ must change?
#
# <details><summary>Answer</summary>
#
# $\theta_\alpha$ and $\theta_\gamma$, which are in pixels, double. $\theta_\beta$ is in grey levels and stays. Weights stay too, because the kernels are normalised.
# </details>
#
# **5.** Why is the image mean a branch of ASPP, and not a kernel with a very large rate?
#
# <details><summary>Answer</summary>
#
# Such a kernel's outer taps lie outside the map nearly everywhere and read zeros: it is a 1 × 1 convolution.
# </details>

# %% [markdown]
# ## Pitfalls
#
# **Padding follows the rate.** With `padding=1` at rate 6 the map shrinks by 10, and what is left is shifted: an error only where sizes
# must agree.

# %%
for padding in (1, 6):
    conv = torch.nn.Conv2d(4, 4, 3, padding=padding, dilation=6)
    print(f"padding {padding}: {tuple(x.shape[2:])} -> {tuple(conv(x).shape[2:])}")

# %% [markdown]
# **Batch norm behind the image mean** sees one value an image. A batch of one image has no variance.

# %%
net.train()
try:
    net(torch.zeros(1, 3, 64, 64))
except ValueError as error:
    print(error)
net.eval()
print("two images a batch, or eval():", tuple(net(torch.zeros(1, 3, 64, 64)).shape))

# %% [markdown]
# **Logits are no probabilities**, and the axes are (C, H, W). The library refuses both.

# %%
logits = np.random.default_rng(0).normal(size=(2, 30, 40))
for wrong in (logits, degraded(np.zeros((30, 40), int), 2).transpose(1, 2, 0)):
    try:
        dense_crf(np.zeros((30, 40, 3), np.uint8), wrong)
    except ValueError as error:
        print(error)

# %% [markdown]
# **`align_corners`.** v1 and v2 (Caffe) put corners on corners, with images of $8k + 1$ pixels: 321 becomes 41, and 41 becomes 321 again, exactly. v3 here and in torchvision uses half-pixel
# centres. Mixed up, the labels shift by up to half a cell.

# %%
ramp = torch.arange(41.0).view(1, 1, 1, 41)
for corners in (True, False):
    up = F.interpolate(ramp, (1, 321), mode="bilinear", align_corners=corners)[0, 0, 0]
    print(f"align_corners={corners}: cell 20 lies at pixel {int((up - 20).abs().argmin())},",
          f"cell 40 at pixel {int((up - 40).abs().argmin())}")  # fmt: skip

# %% [markdown]
# **More iterations are not better.** Mean field converges to *its* optimum, not to the truth.

# %%
picture, marked, its = annotated_labels(load_photograph("camera"), 160)
unary = degraded(marked, len(its), seed=0)
for iterations in (0, 1, 5, 20):
    q = dense_crf(picture, unary, parameters=CRFParameters(5, 15, 10, 3, 2), iterations=iterations,
                  method="lattice", device="cpu")  # fmt: skip
    print(f"{iterations:2d} iterations: mIoU {iou_of(q.argmax(0), marked, its)['miou']:.2f}")

# %% [markdown]
# ## Recap
#
# * Stride makes maps small and views wide. Rate makes views wide alone; each stride taken out doubles the rates behind it, with the same weights.
# * Rates with a common factor leave holes. Rates beyond the map leave a 1 × 1.
# * ASPP looks at several scales at once; the image mean is its largest. v3+ brings the edges back with a small decoder.
# * The fully connected CRF lets all pairs of pixels vote, by place and colour. Mean field makes it a filter, the permutohedral lattice makes it fast.
#   It moves borders to edges. Wide kernels let what is thin lose the vote where colours agree.
#
# **To read on**
# * v2, sections 3 and 4: all of the above with ablations; look for what the CRF adds in each table.
# * v3, sections 3 and 4: why large rates fail (figure 4), and why the CRF went.
# * KK, sections 2 and 3: four pages for the whole derivation.
# * Zheng et al., *Conditional Random Fields as Recurrent Neural Networks*, ICCV 2015: mean field as layers, trained along.
# * `segedu/semantic/deeplab.py`, `deeplab_v3.py`, `crf.py` and `permutohedral.py` carry the same equation numbers.
#
# **Next:** [HRNet](04_hrnet.ipynb), which never lets the map become small. **Assignment:**
# [`assignments/02_semantic`](../../assignments/02_semantic/semantic.ipynb), exercises 4 and 6: atrous convolution, one mean-field step.

# %% [markdown]
# For those online: DeepLab v3 on ResNet-50, torchvision's weights for VOC's classes, 161 MB (set `ONLINE` to `True`; nothing else in this notebook downloads).

# %%
ONLINE = False
if ONLINE:
    from segedu.weights import load

    official = load("deeplab-v3-r50-voc")
    labels = predict(official, load_photograph("astronaut").image, "cpu")
    print("share of class 15, person:", f"{(labels == 15).mean():.0%}")

# %%
print(f"All cells took {time.perf_counter() - start:.0f} s here.")
