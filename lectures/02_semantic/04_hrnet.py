# %% [markdown]
# # HRNet: never let the resolution go
#
# **Goals.** After this notebook you can
# 1. *measure* what is lost when resolution goes down and comes back;
# 2. *write* the fusion of parallel branches as a matrix of operations, and *build* it;
# 3. *account* for every parameter and multiply-add of a branch, and *explain* why they never agree;
# 4. *show* that the head's order may change, and what that saves;
# 5. *train* a small HRNet and *compare* it with an encoder-decoder of the same cost.
#
# **Before this:** [decoders](02_encoder_decoders.ipynb): strides, skips, the hourglass. **Time:** about 50 minutes with the
# questions; the last cell says how long the cells took here.
#
# **Papers:** J. Wang et al., *Deep High-Resolution Representation Learning for Visual Recognition*, IEEE TPAMI 43(10), 2021
# (figure numbers here are its). It collects K. Sun, B. Xiao, D. Liu, J. Wang, CVPR 2019, on poses (HRNetV1), and K. Sun et al.,
# *High-Resolution Representations for Labeling Pixels and Regions*, 2019 (HRNetV2), on segmentation.

# %%
import time

start = time.perf_counter()

import dataclasses
import tempfile

import matplotlib.pyplot as plt
import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from segedu.backbones.hrnet import Exchange, HRNet
from segedu.data import load_photograph
from segedu.data.scenes import SCENE_CLASSES, SceneDataset
from segedu.drawing import figure_grid
from segedu.images import to_tensor
from segedu.semantic import hrnet_w18, hrnet_w32, hrnet_w48, predict, stacked_hourglass, unet
from segedu.semantic.metrics import ConfusionMatrix, boundary_f
from segedu.training import LiveCurves, find_recipe, train
from segedu.weights import load_shipped, read_card
from segedu.widgets import hrnet_branches

# %%
plt.rcParams.update({"figure.dpi": 80, "savefig.dpi": 80, "font.size": 11})
NAMES = [c.name for c in SCENE_CLASSES]
C = len(NAMES)
COLORS = np.zeros((256, 3), np.uint8)
COLORS[:C] = [c.color for c in SCENE_CLASSES]
held_out = SceneDataset(split="test", length=24, size=(192, 384))
samples = [held_out[k] for k in range(24)]


def as_image(tensor):
    return (tensor.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)


# %% [markdown]
# ## Why keep a large map?
#
# FCN, SegNet, U-Net, the hourglass: all go down to a small map and come up again. Two things can be measured about that trip
# before anything is trained.
#
# **1. What a stride costs.** The true labels are averaged over $s \times s$ blocks, enlarged bilinearly, and the largest share wins: the
# best that a network could do whose last word is spoken at stride $s$. The notebook on decoders asked for mIoU; now we look at *contours*, with
# boundary F at a tolerance of one pixel. (The tables of this section take the measure's usual tolerance, 0.75 % of the diagonal: 3 pixels at this size,
# too generous to tell stride 2 from 4.)
#
# **Predict.** Going from stride 4 to stride 32: does the mIoU fall more, or the boundary F?

# %%
after_trip = {}
for stride in (2, 4, 8, 16, 32):
    matrix, contours = ConfusionMatrix(C), []
    for _, target in samples[:16]:
        shares = F.one_hot(target.clamp(max=C), C + 1).permute(2, 0, 1)[None].float()
        small = F.avg_pool2d(shares, stride)  # class C: ignored pixels
        back = F.interpolate(small, scale_factor=stride, mode="bilinear")[0, :C].argmax(0)
        matrix.update(back, target)
        contours.append(boundary_f(back, target, C, tolerance=1)[0])
    after_trip[stride] = COLORS[back.numpy()]
    print(
        f"perfect at stride {stride:2d}: mIoU {matrix.compute()['miou']:.2f}, "
        f"boundary F {np.mean(contours):.2f}"
    )
figure_grid(
    [COLORS[target.numpy()], after_trip[4], after_trip[32]],
    ["the true labels", "perfect at stride 4", "perfect at stride 32"], width=12,
    legend=dict(zip(NAMES, COLORS, strict=False)),
)  # fmt: skip

# %% [markdown]
# The contours go first: boundary F falls to an eighth, mIoU to little more than half.
#
# **2. What the fine maps know.** "But U-Net has skips!" It has: its finest skip is a map of full size, made by *two* convolutions. Sharp, and
# ignorant. We ask each map which pixels of the image can change its middle: the gradient of the middle with respect to every pixel. No training
# is needed for that. Brightness is the gradient's logarithm, over five powers of ten; black pixels change nothing.
#
# **Predict.** HRNet's finest branch never leaves stride 4. How far does it see after stage 1, 2, 3, 4?


# %%
def influence(network, name):
    """|gradient| of the middle of a named map with respect to each pixel: (H, W)."""
    images = torch.randn(2, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    features = network.eval().intermediates(images.requires_grad_())[name]
    middle = features[..., features.shape[-2] // 2, features.shape[-1] // 2]
    middle.square().sum().backward()
    return images.grad.abs().sum(dim=(0, 1)).numpy()


torch.manual_seed(0)
SMALL = {"width": 12, "blocks": 2, "modules": (1, 1, 1), "stem_width": 32}
hrnet = hrnet_w18(C, **SMALL)
seen = {"U-Net's finest skip": influence(unet(C, channels=(8, 16, 32)), "down0")}
for stage in range(1, 5):
    seen[f"HRNet 1/4, stage {stage}"] = influence(hrnet, f"stage{stage}_branch0")
figure, axes = plt.subplots(1, 5, figsize=(13, 2.9), layout="constrained")
for axis, (name, gradient) in zip(axes, seen.items(), strict=True):
    axis.imshow(np.log10(gradient / gradient.max() + 1e-5), cmap="magma", vmin=-5)
    rows = np.flatnonzero(gradient.any(axis=1))
    axis.set_title(f"{name}\nsees {np.ptp(rows) + 1} pixels across", fontsize=11)
    axis.set(xticks=[], yticks=[])
plt.show()

# %% [markdown]
# That is the idea of HRNet in one picture: the finest map stays fine *and* comes to know the whole image, because coarse branches run beside
# it and tell it, again and again. Others recover a resolution that they gave away. HRNet never gives it away.

# %% [markdown]
# ## Derivation: a matrix of operations
#
# **Parallel branches** (section 3, figure 2). Stage $n$ has $n$ branches. Branch $r = 0, 1, \dots, n-1$ carries a map $x_r$ with
# $2^r C$ channels at stride $2^{r+2}$; the width $C$ is the name: W18, W32, W48. Within its branch a map goes through residual blocks of
# $3 \times 3$ convolutions. A new stage opens a new branch from the coarsest one, by a $3 \times 3$ convolution of stride 2.
#
# **Fusion** (section 3, figure 3). Every few blocks each branch takes in all others. Branch $t$ ("to") gets from branch $s$ ("from")
#
# $$ y_t = \mathrm{ReLU}\Big( \sum_s f_{s \to t}(x_s) \Big), \qquad
# f_{s \to t} = \begin{cases}
#   \text{identity} & s = t \\
#   \text{BN} \circ \text{conv}_{3 \times 3, /2}, \; t - s \text{ times, ReLU between} & s < t \quad \text{(finer: halve)} \\
#   \text{enlarge by } 2^{s-t} \circ \text{BN} \circ \text{conv}_{1 \times 1} & s > t \quad \text{(coarser: enlarge)}
# \end{cases} \tag{1}$$
#
# $\text{conv}_{3 \times 3, /2}$ has stride 2; BN is batch normalisation. Write $y = F x$ and $F$ looks like a matrix whose entries are
# operations, with identities on the diagonal. (The equation is ours; the paper says it in words and in figure 3.)
#
# **Predict.** Write down the matrix for four branches before you run. Which entries need three convolutions?


# %%
def in_words(path):
    strides = [layer.stride[0] for layer in path.modules() if isinstance(layer, nn.Conv2d)]
    if not strides:
        return "identity"
    return "1x1, enlarge" if strides == [1] else " ".join(f"3x3/{s}" for s in strides)


four = Exchange([18, 36, 72, 144], 4)
print("to \\ from".ljust(10) + "".join(f"1/{4 * 2**s}".ljust(20) for s in range(4)))
for t, row in enumerate(four.paths):
    print(f"1/{4 * 2**t}".ljust(10) + "".join(in_words(path).ljust(20) for path in row))

# %% [markdown]
# ## Build it
#
# Two branches, by hand: in evaluation mode BN is $(x - \mu)/\sqrt{\sigma^2 + \epsilon} \cdot \gamma + \beta$. The library's module lends
# weights; statistics are made up so that no mistake hides behind zeros.


# %%
def batch_norm(x, bn):
    mean, variance, gain, bias = (
        t.view(1, -1, 1, 1) for t in (bn.running_mean, bn.running_var, bn.weight, bn.bias)
    )
    return (x - mean) / (variance + bn.eps).sqrt() * gain + bias


def fuse_two(fine, coarse, exchange):
    """Maps (B, C, H, W) and (B, 2C, H/2, W/2) -> the same, fused: eq. 1."""
    (_, up), (down, _) = exchange.paths
    conv, bn = up  # 1x1, then enlarge
    from_coarse = batch_norm(F.conv2d(coarse, conv.weight), bn)
    from_coarse = F.interpolate(from_coarse, fine.shape[-2:], mode="bilinear")
    conv, bn = down[0]  # 3x3 with stride 2
    from_fine = batch_norm(F.conv2d(fine, conv.weight, stride=2, padding=1), bn)
    return [(fine + from_coarse).relu(), (from_fine + coarse).relu()]


# %%
torch.manual_seed(0)
two = Exchange([4, 8], 2).eval().requires_grad_(False)
for bn in (m for m in two.modules() if isinstance(m, nn.BatchNorm2d)):
    for values in (bn.running_mean, bn.running_var, bn.weight, bn.bias):
        values.uniform_(0.5, 1.5)
fine, coarse = torch.randn(1, 4, 16, 24), torch.randn(1, 8, 8, 12)
for ours, theirs in zip(fuse_two(fine, coarse, two), two([fine, coarse]), strict=True):
    assert torch.allclose(ours, theirs, atol=1e-5)
print("our fusion of two branches is the library's")

# %% [markdown]
# For any number of branches it is a double loop. With it the whole backbone is written in a dozen lines; the library's must agree.


# %%
def fuse(maps, exchange):
    fused = []
    for target, paths in enumerate(exchange.paths):
        parts = [path(x) for path, x in zip(paths, maps, strict=True)]
        size = maps[target].shape[-2:]
        fused.append(sum(F.interpolate(p, size, mode="bilinear") for p in parts).relu())
    return fused  # (where the size is right already, enlarging changes nothing)


def backbone(net, images):
    maps = [net.stage1(net.stem(images))]
    for transition, stage in zip(net.transitions, net.stages, strict=True):
        sources = [*maps, maps[-1]]  # the new branch begins from the coarsest
        maps = [move(x) for move, x in zip(transition, sources, strict=True)]
        for module in stage:
            maps = [branch(x) for branch, x in zip(module.branches, maps, strict=True)]
            maps = fuse(maps, module.exchange)
    return maps


# %%
torch.manual_seed(0)
net = HRNet(8, blocks=1, modules=(1, 2, 1), stem_width=16).eval()
with torch.inference_mode():
    images = torch.randn(1, 3, 96, 128)
    for ours, theirs in zip(backbone(net, images), net(images), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4)
        print("branch of", tuple(theirs.shape[1:]), "equal")

# %% [markdown]
# ## What does a branch cost?
#
# A residual block of branch $r$ has two $3 \times 3$ convolutions from $2^r C$ to $2^r C$ channels, over $\frac{HW}{16 \cdot 4^r}$ places:
#
# $$ \text{parameters} = 2 \cdot 9 \cdot (2^r C)^2 = 18\, C^2 \cdot 4^r, \qquad
#    \text{multiply-adds} = 18\, C^2 \cdot 4^r \cdot \frac{HW}{16 \cdot 4^r} = \frac{18}{16}\, C^2 H W. \tag{2} $$
#
# (Batch normalisation's parameters are left out.) Going one branch down, parameters grow fourfold; multiply-adds do not change, since $r$ cancels.
#
# **Predict.** Which of W48's branches holds most of its parameters? Which branch costs most time? Stage 2 has one module, stage 3
# four, stage 4 three, and each adds blocks to the branches that it has.


# %%
def part_of(name):
    if "branches" in name:
        return f"branch 1/{4 * 2 ** int(name.split('branches.')[1][0])}"
    kinds = {"exchange": "exchanges", "transitions": "transitions", "backbone": "stem, stage 1"}
    return next((part for key, part in kinds.items() if key in name), "head")


def account(network, height, width):
    """{part: [parameters, multiply-adds]}, counted convolution by convolution."""
    parts = {}

    def count(name, layer, output):
        entry = parts.setdefault(part_of(name), [0, 0])
        entry[0] += sum(p.numel() for p in layer.parameters())
        if isinstance(layer, nn.Conv2d):
            entry[1] += layer.weight.numel() * output.shape[-2] * output.shape[-1]

    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d | nn.BatchNorm2d):
            layer.register_forward_hook(lambda m, _, out, name=name: count(name, m, out))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.empty(1, 3, height, width, device="meta"))
    assert sum(p for p, _ in parts.values()) == sum(p.numel() for p in network.parameters())
    assert sum(m for _, m in parts.values()) == counter.get_total_flops() // 2
    return dict(sorted(parts.items()))


# %%
print("at 1024 x 2048   parameters   G multiply-adds   in units of 2^30, as the papers print them")
for builder in (hrnet_w18, hrnet_w32, hrnet_w48):
    with torch.device("meta"):  # shapes only: nothing is computed
        parts = account(builder(19).eval(), 1024, 2048)
    totals = np.sum(list(parts.values()), axis=0)
    print(f"{builder.__name__:15s}{totals[0]:12,d}{totals[1] / 1e9:18.1f}{totals[1] / 2**30:14.1f}")
figure, axis = plt.subplots(figsize=(9, 4.2), layout="constrained")
order = [f"branch 1/{4 * 2**r}" for r in range(4)]
order += [k for k in parts if k not in order]
shares = np.array([parts[k] for k in order]) / totals
for side, column, label in ((-0.2, 0, "parameters"), (0.2, 1, "multiply-adds")):
    bars = axis.barh(np.arange(len(order)) + side, 100 * shares[:, column], 0.4, label=label)
    texts = [f"{100 * v:.{0 if v >= 0.01 else 1}f} %" for v in shares[:, column]]
    axis.bar_label(bars, texts, padding=3)
axis.set_yticks(range(len(order)), order)
axis.invert_yaxis()
axis.set(xlabel="share of W48, %", xlim=(0, 55))
axis.legend(loc="lower right")
plt.show()

# %% [markdown]
# Why do the multiply-adds of the branches fall at all? Not because coarse ones are cheaper, but because they come late: a branch is in
# $8, 8, 7, 3$ modules. Per module they are equal, as eq. 2 says:

# %%
for r, modules in enumerate((1 + 4 + 3, 1 + 4 + 3, 4 + 3, 3)):
    parameters, multiply_adds = parts[f"branch 1/{4 * 2**r}"]
    by_hand = 4 * 18 / 16 * 48**2 * 1024 * 2048  # four blocks a module
    assert multiply_adds == modules * by_hand
    print(
        f"1/{4 * 2**r:<3d} {modules} modules: {multiply_adds / modules / 1e9:.2f} G multiply-adds"
        f" and {parameters / modules / 1e6:5.2f} M parameters in each"
    )

# %% [markdown]
# So high resolution is not paid in time, and what the network has learned lies mostly in the coarse branches. High resolution is paid in
# *memory*: branch $r$ has $2^r C$ channels at $4^{-r}$ of the places, so $2^{-r}$ of the finest branch's values. The finest map is larger than
# the three others together, $8 : 4 + 2 + 1$, and training must keep it after every layer.
#
# ## Two heads
#
# **Segmentation** (HRNetV2, figure 4 b): all four maps are enlarged to stride 4 and joined: $C + 2C + 4C + 8C = 15\,C$ channels; a $1 \times 1$
# convolution with BN and ReLU mixes them, another one gives scores.
#
# **Predict.** The head holds less than 1 % of the parameters, and 9 % of the multiply-adds (in the picture above). Why so many?
#
# It mixes $15C$ channels with $15C$ at *every place of the finest map*, also what came from maps that have far fewer places. That can be had for less. The mixing acts at each place alone, enlarging on each channel alone, so they commute, and each branch can be mixed *before* it is enlarged:
#
# $$ W \begin{pmatrix} x_0 \\ \mathrm{up}\,x_1 \\ \mathrm{up}\,x_2 \\ \mathrm{up}\,x_3 \end{pmatrix}
#   = W_0 x_0 + \mathrm{up}(W_1 x_1) + \mathrm{up}(W_2 x_2) + \mathrm{up}(W_3 x_3). \tag{3} $$

# %%
with torch.inference_mode():
    model = hrnet.eval()
    maps = model.backbone(images)
    size = maps[0].shape[-2:]
    conv, bn, relu = model.mix
    slices = conv.weight.split([x.shape[1] for x in maps], dim=1)
    early = sum(F.interpolate(F.conv2d(x, w), size, mode="bilinear")
                for x, w in zip(maps, slices, strict=True))  # fmt: skip
    early = relu(bn(early + conv.bias.view(1, -1, 1, 1)))
    assert torch.allclose(early, model.head(maps, size)["mix"], rtol=1e-4, atol=1e-4)
width = 15 * 48
late = width * width * 256 * 512
saved = late - sum(2**r * 48 * width * 256 * 512 // 4**r for r in range(4))
print(
    f"W48: mixing costs {late / 1e9:.1f} G as in the paper, {(late - saved) / 1e9:.1f} G mixed early"
)

# %% [markdown]
# The library computes as the paper has it. The notebook on SegFormer meets the same trick again: there the table shows what it saves.
#
# **Poses** (HRNetV1, figure 4 a) need only the finest map: the last exchange computes that row of the matrix alone, and a $1 \times 1$ convolution
# gives 17 heatmaps, one a joint. They are 64 × 48 for a person of 256 × 192. Section 6 trains them; its backbone is this one.

# %%
with torch.device("meta"):
    pose = HRNet(32, mode="nearest", only_finest=True)
    heatmaps = nn.Conv2d(32, 17, 1)
total = sum(p.numel() for m in (pose, heatmaps) for p in m.parameters())
print(f"HRNet-W32 for poses: {total:,} parameters, as the authors' code has")
assert total == 28_536_113

# %% [markdown]
# ## Train it yourself
#
# A small HRNet (C = 12, one module a stage) against a stack of two hourglasses, which go down and up with residual skips: the same steps on the same
# scenes. Costs first, so that the match is fair.

# %%
CHANGES = {
    "data_args": {"height": 64, "width": 128, "validation": 16},
    "steps": 80, "batch": 4, "lr": 3e-3, "warmup": 10, "ema": None, "precision": "no",
    "evaluate_every": 20, "checkpoint_every": 1000,
}  # fmt: skip
builders = {"hrnet-w18": hrnet_w18, "stacked-hourglass": stacked_hourglass}
LABELS = {"hrnet-w18": "HRNet, C = 12", "stacked-hourglass": "hourglass, 2 stacks"}
recipes = {n: dataclasses.replace(find_recipe(f"{n}-scenes"), **CHANGES) for n in builders}
for name, recipe in recipes.items():
    with torch.device("meta"):
        rival = builders[name](C, **recipe.model_args).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            rival(torch.empty(1, 3, 128, 256))
    parameters = sum(p.numel() for p in rival.parameters()) / 1e6
    print(f"{LABELS[name]:20s} {parameters:.2f} M parameters, {counter.get_total_flops() / 2e9:.2f} G multiply-adds at 128 x 256")  # fmt: skip

# %% [markdown]
# **Predict.** Which one is ahead after so few steps, and in which of the two measures, mIoU or boundary F?

# %% tags=["nbval-ignore-output"]
# Another machine rounds otherwise: its curves differ a little, so the test does not compare them.
trained = {}
for name, recipe in recipes.items():
    with tempfile.TemporaryDirectory() as folder:
        print(LABELS[name])
        train(recipe, folder, callbacks=[LiveCurves()], device="cpu")
        trained[name] = builders[name](C, **recipe.model_args).eval()
        trained[name].load_state_dict(load_file(f"{folder}/final.safetensors"))


# %% tags=["nbval-ignore-output"]
# As above: the weights differ from machine to machine.
def judge(network, pairs):
    """All scores, boundary F within one pixel, and the answers."""
    matrix, contours = ConfusionMatrix(C), []
    answers = [predict(network, as_image(image), "cpu") for image, _ in pairs]
    for answer, (_, target) in zip(answers, pairs, strict=True):
        matrix.update(answer, target)
        contours.append(boundary_f(answer.astype(int), target, C, tolerance=1)[0])
    return matrix.compute(), float(np.nanmean(contours)), answers


small_scenes = list(SceneDataset(split="test", length=24, size=(64, 128)))
for name, network in trained.items():
    scores, contour, _ = judge(network, small_scenes)
    print(f"{LABELS[name]:20s} mIoU {scores['miou']:.2f}, boundary F {contour:.2f}, pixels right {scores['pixel_accuracy']:.2f}")  # fmt: skip

# %% [markdown]
# In the run shown here next to nothing lies between them, in either measure, and after so few steps a few hundredths say little: put another `"seed"` into
# `CHANGES` and see how far the numbers move. And the match is one of multiply-adds: HRNet has twice the hourglass's parameters, most of them in its coarse branches, where they cost no time.
#
# ## What longer training gives
#
# The course ships checkpoints trained longer on larger scenes. (`hrnet-w18-scenes` bears its builder's name; its width is $C = 12$, as above, not 18.) Cards
# say how they were trained. Scores are measured here again, on test scenes that neither the weights nor the choice of the best checkpoint have seen. Mind
# the steps: HRNet was trained twice as long as its rivals here. After as many (`segedu train hrnet-w18-scenes steps=3000`) it is level with the
# hourglass, as it was above: mIoU 0.73 on the card's 300 scenes, boundary F 0.68, both as the hourglass's card has. The rest is patience.

# %% tags=["nbval-ignore-output"]
# Half-precision weights and convolutions round differently from machine to machine.
card = read_card("hrnet-w18-scenes")
model, judged = load_shipped("hrnet-w18-scenes"), samples
print(f"its card: mIoU {card['scores']['miou']:.3f} on {card['measured_on']}")
scores, contour, answers = judge(model, judged)
print(
    f"{LABELS['hrnet-w18']:20s} mIoU {scores['miou']:.2f}, boundary F {contour:.2f}, {card['steps']} steps"
)
for rival in ("stacked-hourglass", "unet", "fcn8s"):
    theirs, contour, _ = judge(load_shipped(f"{rival}-scenes"), samples)
    steps = read_card(f"{rival}-scenes")["steps"]
    print(f"{rival:20s} mIoU {theirs['miou']:.2f}, boundary F {contour:.2f}, {steps} steps")
figure, axis = plt.subplots(figsize=(9, 2.6), layout="constrained")
axis.bar(range(C), np.nan_to_num(scores["iou"]), color="#0072b2")
axis.set_xticks(range(C), NAMES, rotation=40, ha="right")
axis.set(ylabel="IoU", ylim=(0, 1))
plt.show()

# %% [markdown]
# ### Where it fails

# %% tags=["nbval-ignore-output"]
# As above.
errors = []
for answer, (_, target) in zip(answers, judged, strict=True):
    true = target.numpy()
    errors.append((answer != true)[true != 255].mean())
worst = np.argsort(errors)[::-1][:3]
figure_grid(
    [as_image(judged[k][0]) for k in worst] + [COLORS[answers[k]] for k in worst]
    + [COLORS[judged[k][1].numpy()] for k in worst],
    ["worst scenes", "", "", "HRNet", "", "", "truth", "", ""], columns=3, width=12,
)  # fmt: skip

# %% [markdown]
# Name the reason for each kind of error before you read on.
#
# 1. **Night, fog and dusk.** The three worst scenes have little contrast, and the colours of few others. Things are still found; which of the ground is road,
#    sidewalk or terrain is not.
# 2. **"High resolution" is stride 4.** The stem halves twice before anything else happens. A pole two pixels wide is half a cell; nothing
#    behind the stem can bring it back. (U-Net's first level stays at stride 1, and pays for it.)
# 3. **Steps in the contours.** Scores are enlarged four times, bilinearly: what looks like a staircase in a slanted border is the grid of stride 4.
# 4. **Large things in patches.** A branch at 1/32 sees far, but a small network has only a few channels there to say *which* of two classes that look
#    alike it is.

# %% [markdown]
# ### A photograph
#
# The course's best network on scenes, trained the longest, on a photograph.
#
# **Predict.** Will it do better than the FCN of the first notebook on the same rocket?

# %% tags=["nbval-ignore-output"]
# As above.
photograph = to_tensor(load_photograph("rocket").image)[None]
thumbnail = as_image(F.avg_pool2d(photograph, photograph.shape[2] // 192)[0])
said_here = predict(model, thumbnail, "cpu")
shares = np.bincount(said_here.ravel(), minlength=C) / said_here.size
print(", ".join(f"{NAMES[k]} {shares[k]:.0%}" for k in np.argsort(-shares)[:5]))
figure_grid(
    [thumbnail, COLORS[said_here]],
    ["a photograph", "HRNet, trained on drawn streets"],
    columns=2,
    width=10,
)

# %% [markdown]
# No. The sky is "car" above and "building" below, and the rocket is not even outlined: it vanishes in what surrounds it. FCN-8s had at least a tower of
# "building" where it stands. All that either network knows is from drawn streets, and a score on those says nothing about photographs.

# %% [markdown]
# ## Play
#
# One exchange as a table: a column for the branch that gives, a row for the branch that gets; above, what goes in, on the right, what comes out.
# All cells of a row share one scale of colours. The boxes choose whose maps reach the head. Three questions that only playing answers:
#
# 1. Stage 2 against stage 4: whose word weighs most in the branch 1/4, by the shares? Does that agree with your guess about who
#    "knows" most?
# 2. Channel by channel: find one in which a coarse branch *forbids* (blue) what the fine one proposes (red). What is left after ReLU?
# 3. Let the head hear 1/32 alone, then 1/4 alone. Which one still finds the things, and which one their borders? Which box can you switch off
#    with the least harm?

# %% tags=["nbval-ignore-output"]
# As above.
hrnet_branches(as_image(judged[3][0]), model, note="weights: the shipped hrnet-w18-scenes")

# %% [markdown]
# ## Checkpoint
#
# **1.** Why does the ReLU stand behind the sum, and not behind each addend?
#
# <details><summary>Answer</summary>
#
# Behind each addend, branches could only ever add. A coarse branch that knows "this is sky" must be able to *take away* what the fine one
# proposes: it needs negative values. (The last convolution of each path has none for this reason; those between have.)
# </details>
#
# **2.** From W18 to W48, by what factor do the branches' parameters grow?
#
# <details><summary>Answer</summary>
#
# $(48 / 18)^2 = 7.1$: eq. 2 has $C^2$ in it. Stem and stage 1 do not depend on $C$.
# </details>
#
# **3.** Why is 1/4 → 1/32 three convolutions of stride 2, and not one of stride 8?
#
# <details><summary>Answer</summary>
#
# A $3 \times 3$ kernel with stride 8 looks at 9 of each 64 places and never at the others. Three of them in a row see all, in a window of
# $15 \times 15$.
# </details>
#
# **4.** You double height and width of the image. What happens to parameters, multiply-adds, and the share of each branch in both?
#
# <details><summary>Answer</summary>
#
# Parameters: nothing. Multiply-adds: fourfold, in every branch alike, so the shares stay. (SegFormer's attention grows sixteenfold: there the shares do
# not stay.)
# </details>

# %% [markdown]
# ## Pitfalls
#
# **`align_corners` belongs to the weights.** The authors' Cityscapes models of 2019 were trained with `False`, those with OCR with `True`.
# Both load, both run. The pixels of the finest branch then listen to the wrong neighbours.

# %% tags=["nbval-ignore-output"]
# As above.
image, target = judged[3]
batch = model.normalization.apply(image[None])
args = card["model_args"]


def changed(**options):
    other = hrnet_w18(C, **args, **options).eval()
    other.load_state_dict(model.state_dict())
    with torch.inference_mode():
        return float((other(batch).argmax(1) != model(batch).argmax(1)).float().mean())


print(f"same weights, align_corners=True: {changed(align_corners=True):.1%} of the labels change")

# %% [markdown]
# **Nearest or bilinear.** Pose models enlarge in exchanges by repetition, segmentation models bilinearly. Again everything loads:

# %% tags=["nbval-ignore-output"]
# As above.
print(f"same weights, mode='nearest': {changed(mode='nearest'):.1%} of the labels change")

# %% [markdown]
# **A size, not a factor.** A map of 13 rows is halved to 7; enlarged by the factor 2 it has 14. `interpolate` wants the *size* of the
# map that it shall fit.

# %%
rows = [96 + 4]
for _ in range(5):
    rows.append((rows[-1] + 1) // 2)
print("rows on the way down:", rows)
try:
    torch.zeros(1, 4, rows[2], 8) + F.interpolate(torch.zeros(1, 4, rows[3], 4), scale_factor=2)
except RuntimeError as error:
    print("by the factor:", str(error)[:75])

# %% [markdown]
# **The momentum of batch normalisation.** PyTorch's is the share of the *new* value: 0.1, here as in the authors' code. Keras counts the
# *old* one: its 0.99 is 0.01 here, and the number 0.99 here would remember nothing but the last batch. With 0.01 a short training ends before the
# running statistics have arrived, and evaluation mode is wrong although training mode is right.

# %%
for momentum in (0.1, 0.01, 0.99):
    bn = nn.BatchNorm2d(1, momentum=momentum)
    values = torch.randn(60, 8, 1, 8, 8, generator=torch.Generator().manual_seed(0)) + 3
    for batch_of_values in values:
        bn(batch_of_values)
    left = (1 - momentum) ** 60
    print(
        f"momentum {momentum:<4}: mean 3 is learned as {bn.running_mean.item():.2f} after 60 steps; {left:.0%} of the start is left"
    )

# %% [markdown]
# **Adding in place.** The identity path hands on the branch's *own* map. Add to it in place, and the next rows of the matrix read the sum instead.

# %%
with torch.inference_mode():
    right = two([fine, coarse])
    own = fine.clone()
    (_, up), (down, _) = two.paths
    total = own  # the identity: the same memory
    total += F.interpolate(up(coarse), fine.shape[-2:], mode="bilinear")
    wrong = [total.relu(), (down(own) + coarse).relu()]
print("row 1/4 right:", torch.allclose(wrong[0], right[0], atol=1e-5),
      " row 1/8 right:", torch.allclose(wrong[1], right[1], atol=1e-5))  # fmt: skip

# %% [markdown]
# ## Recap
#
# * A stride costs contours before it costs mIoU; a skip brings back fine maps, though ignorant ones.
# * HRNet keeps a map at 1/4 throughout; an exchange is a matrix of operations with identities on its diagonal.
# * Each branch costs the same multiply-adds per module; the coarse ones hold the parameters.
# * The head joins all four branches for pixels; for poses the finest alone is enough.
#
# **To read on**
# * Wang et al., TPAMI 2021: section 3 is short; the ablation study at its end measures what the exchanges bring.
# * Sun et al., CVPR 2019: the same network for poses, and how often it should exchange.
# * Yuan, Chen, Wang, *Object-Contextual Representations*, ECCV 2020: the head that made HRNet lead Cityscapes, and that RITM uses in section 3.
# * `segedu/backbones/hrnet.py`, `segedu/semantic/hrnet.py`; `tests/parity/test_hrnet.py` holds them against timm and the authors' code.
#
# **Next:** the same four scales with attention instead of convolutions: [SegFormer](05_segformer.ipynb). **Assignment:**
# [`assignments/02_semantic`](../../assignments/02_semantic/semantic.ipynb), exercise 2: the bilinear kernel that enlarges the branches here.

# %% [markdown]
# For those online: the authors' HRNet-W48 for Cityscapes, 263 MB (set `ONLINE` to `True`; nothing else in this notebook downloads).

# %%
ONLINE = False
if ONLINE:
    from segedu.weights import load

    official = load("hrnet-w48-cityscapes")
    labels = predict(official, load_photograph("rocket").image, "cpu")
    print("share of class 10, sky:", f"{(labels == 10).mean():.0%}")

# %%
print(f"All cells took {time.perf_counter() - start:.0f} s here.")
