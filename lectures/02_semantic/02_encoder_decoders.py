# %% [markdown]
# # The way back up: SegNet, DeconvNet, U-Net, hourglass
#
# **Goals.** After this notebook you can
# 1. *show* what pooling throws away, and which three remedies decoders use;
# 2. *derive* unpooling and transposed convolution as transposes of pooling and convolution;
# 3. *predict* when a transposed convolution draws a checkerboard;
# 4. *calculate* the sizes in U-Net's figure, 572 → 388, and *write* a small U-Net;
# 5. *choose* a decoder for a purpose: memory, sharp borders, few images, repeated correction.
#
# **Before this:** [FCN](01_fcn.ipynb). **Time:** about 60 minutes with the questions; the last cell says how
# long the cells took here.
#
# **Papers:** V. Badrinarayanan, A. Kendall, R. Cipolla, *SegNet*, IEEE TPAMI 39(12), 2017. H. Noh, S. Hong, B. Han, *Learning
# Deconvolution Network for Semantic Segmentation*, ICCV 2015. O. Ronneberger, P. Fischer, T. Brox, *U-Net*, MICCAI 2015. A. Newell,
# K. Yang, J. Deng, *Stacked Hourglass Networks for Human Pose Estimation*, ECCV 2016.

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
from torch.utils.flop_counter import FlopCounterMode

from segedu.backbones.vgg import narrowed, unpool
from segedu.data import load_photograph
from segedu.data.camvid import CAMVID_CLASSES, CAMVID_PALETTE
from segedu.data.scenes import SCENE_CLASSES, SceneDataset
from segedu.drawing import figure_grid
from segedu.images import to_tensor
from segedu.semantic import deconvnet, fcn8s, segnet, stacked_hourglass, unet
from segedu.semantic.metrics import ConfusionMatrix, boundary_f
from segedu.semantic.predict import predict
from segedu.semantic.unet import mirror
from segedu.training import LiveCurves, find_recipe, train
from segedu.weights.shipped import load_shipped
from segedu.widgets import upsampling

# %%
plt.rcParams.update({"figure.dpi": 80, "savefig.dpi": 80, "font.size": 11})
NAMES = [c.name for c in SCENE_CLASSES]
C = len(NAMES)
COLORS = np.zeros((256, 3), np.uint8)
COLORS[:C] = [c.color for c in SCENE_CLASSES]
test_set = SceneDataset(split="test", length=24, size=(64, 128))


def as_image(tensor):
    return (tensor.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)


# %% [markdown]
# ## Why a decoder?
#
# Suppose that scores were *perfect*, but only at stride 8: what could FCN make of them? Take the true labels, keep the
# share of each class in every 8 × 8 block, interpolate, and let the largest share win.
#
# **Predict.** Which classes suffer, which not at all? What is the mIoU of this "perfect" network?

# %%
scene_set = SceneDataset(split="test", length=16, size=(192, 384))
limits = {}
for stride in (4, 8, 16, 32):
    matrix = ConfusionMatrix(C)
    for k, (_, target) in enumerate(scene_set):
        known = target.clamp(max=C)  # ignored pixels become a class of their own
        shares = F.one_hot(known, C + 1).permute(2, 0, 1)[None].float()
        coarse = F.avg_pool2d(shares, stride)
        fine = F.interpolate(coarse, scale_factor=stride, mode="bilinear", align_corners=False)
        matrix.update(fine[0, :C].argmax(0), target)
        if stride == 8 and k == 0:
            first = COLORS[fine[0, :C].argmax(0).numpy()]
    limits[stride] = matrix.compute()
for stride, scores in limits.items():
    thin = scores["iou"][NAMES.index("pole")]
    road = scores["iou"][NAMES.index("road")]
    print(
        f"stride {stride:2d}: mIoU at most {scores['miou']:.2f}, road {road:.2f}, pole {thin:.2f}"
    )

# %%
image, target = scene_set[0]
figure_grid([as_image(image), COLORS[target.numpy()], first],
            ["scene", "labels", "perfect scores at stride 8"], width=13,
            legend=dict(zip(NAMES, COLORS, strict=False)))  # fmt: skip

# %% [markdown]
# Thin things suffer: a pole is narrower than a block, where its share never wins. The road hardly notices. Position is lost, not knowledge. Pooling says *that* there was an edge, no longer *where*. Remedies:
#
# | remedy | what is kept from the way down | network |
# |---|---|---|
# | unpooling | where each maximum stood | SegNet, DeconvNet |
# | learned upsampling | nothing; the stamps are learned | DeconvNet, FCN, U-Net |
# | skips | the features themselves: concatenated, or added | U-Net, hourglass |

# %% [markdown]
# ## Derivation: everything is a transpose
#
# **Unpooling.** Write an image as a vector $x$. Max-pooling selects one entry of each window: $y = S_x x$, with a matrix $S_x$ of
# zeros and a single one in each row (which one depends on $x$). The transpose puts values back to where they came from,
#
# $$\text{unpool}(y) = S_x^{\top} y, \qquad S_x S_x^{\top} = I. \tag{1}$$
#
# Read the unpooled map at the same places, and you have $y$ again: nothing of it is lost, and everything else is 0. (To pool it *anew* gives $y$ only where
# $y \ge 0$, as behind a ReLU: a negative maximum is less than the zeros that now surround it.) $S_x$ has nothing to learn, and is
# stored in 2 bits a window.
#
# **Transposed convolution.** A convolution is linear too: $y = K x$. Going back along the same connections is $K^{\top} y$: every
# value of $y$ *stamps* the kernel. It takes the sizes back, but not the values: it is no inverse of $K$.
#
# **Predict.** For stride 1: $K^{\top}$ is itself a convolution. With which kernel?

# %%
generator = torch.Generator().manual_seed(0)
kernel = torch.tensor([1.0, 2.0, 5.0])


def matrix_of(function, n):
    """A linear function's matrix: its columns are what it makes of unit vectors."""
    return torch.stack([function(unit) for unit in torch.eye(n)], dim=1)


def convolve(v, stride):
    return F.conv1d(v[None, None], kernel[None, None], stride=stride)[0, 0]


def stamp(v, stride):
    return F.conv_transpose1d(v[None, None], kernel[None, None], stride=stride)[0, 0]


for stride in (1, 2):
    K = matrix_of(lambda v, s=stride: convolve(v, s), 7)
    T = matrix_of(lambda v, s=stride: stamp(v, s), len(K))
    assert torch.equal(T, K.T)
K = matrix_of(lambda v: convolve(v, 1), 5)
print(K.int().numpy())
v = torch.tensor([3.0, 1.0, 4.0])
turned = F.conv1d(v[None, None], kernel.flip(0)[None, None], padding=2)[0, 0]
assert torch.equal(turned, K.T @ v)
print("K^T is the convolution with the kernel turned round, and 2 zeros on both sides")

# %% [markdown]
# **Checkerboards.** How many stamps of size $k$, laid $s$ apart, meet on a pixel? Pixel $x$ is met by every $i$ with
# $0 \le x - s i < k$. That is $k / s$ of them when $s$ divides $k$; otherwise $\lfloor k/s \rfloor$ or one more, in turn:
#
# $$\#(x) = \Big\lfloor \frac{x}{s} \Big\rfloor - \Big\lceil \frac{x - k + 1}{s} \Big\rceil + 1. \tag{2}$$
#
# **Predict.** DeconvNet uses $3 \times 3$ at stride 1, U-Net $2 \times 2$ at stride 2, others $3 \times 3$ at stride 2. Which is uneven?

# %%
for k, s, who in ((3, 1, "DeconvNet"), (2, 2, "U-Net"), (4, 2, "FCN"), (3, 2, "a common choice")):
    met = F.conv_transpose1d(torch.ones(1, 1, 12), torch.ones(1, 1, k), stride=s)[0, 0]
    x = np.arange(len(met))
    counted = x // s - np.ceil((x - k + 1) / s).astype(int) + 1
    inside = slice(k, 12)
    assert (met.numpy()[inside] == counted[inside]).all()
    print(f"kernel {k}, stride {s}: {met[inside].int().tolist()}  {who}")

# %% [markdown]
# ## Build it: SegNet's pair
#
# Pool with memory, and unpool, in NumPy. Then the library's, on all channels at once.


# %%
def pool_with_memory(x):  # (H, W) -> maxima (H/2, W/2), and their numbers in the flat map
    h, w = x.shape
    pooled, where = np.zeros((h // 2, w // 2)), np.zeros((h // 2, w // 2), int)
    for i in range(h // 2):
        for j in range(w // 2):
            window = x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            k = window.argmax()
            pooled[i, j] = window.flat[k]
            where[i, j] = (2 * i + k // 2) * w + 2 * j + k % 2
    return pooled, where


def put_back(y, where, shape):
    x = np.zeros(shape)
    x.flat[where] = y
    return x


# %%
x = torch.randn(6, 8, generator=generator)
y, where = pool_with_memory(x.numpy())
sparse = put_back(y, where, x.shape)
pooled, indices = F.max_pool2d(x[None, None], 2, return_indices=True)
assert np.allclose(pooled[0, 0], y) and (indices[0, 0].numpy() == where).all()
assert np.allclose(F.max_unpool2d(pooled, indices, (2, 2))[0, 0], sparse)
assert np.allclose(pool_with_memory(np.where(sparse == 0, -9, sparse))[0], y)  # S S^T = I
print(np.round(sparse, 1))

# %% [markdown]
# A whole SegNet is that, five times: `encode` hands on maxima, indices and sizes; `unpool` uses them; convolutions
# make the sparse maps dense. We walk through the library's network and meet its own output at the end.

# %%
torch.manual_seed(0)
net = segnet(C, width=0.125).eval()
image, target = test_set[0]
with torch.inference_mode():
    batch = net.normalization.apply(image[None])
    encoded = net.encoder.encode(batch)
    features = encoded[-1].features
    for pooled_map, stage in zip(encoded[::-1], net.decoder, strict=True):
        sparse_map = unpool(features, pooled_map)
        features = stage(sparse_map)
        zeros = float((sparse_map == 0).float().mean())
        print(f"unpooled to {tuple(sparse_map.shape[1:])}, {zeros:.0%} zeros, then dense again")
    assert torch.allclose(net.classifier(features), net(batch), atol=1e-5)

# %% [markdown]
# Three of four would be zero by unpooling alone; what is above 75 % was zero already behind the ReLU.
#
# **What memory does it take?** The paper's argument. Skips keep all features in float32; indices need 2 bits a window.

# %%
size = 512
kept = [(c[-1], -(-size // 2**s)) for s, c in enumerate(narrowed(1.0), start=1)]
floats = sum(c * (2 * n) ** 2 * 4 for c, n in kept) / 2**20
bits = sum(c * n**2 * 2 / 8 for c, n in kept) / 2**20
print(f"{size} x {size}: features of the five stages {floats:.0f} MiB, indices {bits:.1f} MiB")

# %% [markdown]
# ## Build it: U-Net
#
# Two 3 × 3 convolutions at every level; on the way up, a 2 × 2 transposed convolution of stride 2, and the level's features
# beside it (concatenated: convolutions follow, which may combine both).
#
# **Sizes.** The paper does not pad: every convolution eats a pixel on each side. A lowest map of $b$ pixels came from
# $16 b + 60$ and ends in
#
# $$b \to b - 4 \to 2(b - 4) - 4 \to \dots \to 16 b - 124. \tag{3}$$
#
# **Predict.** $b = 32$? Compare with the paper's figure 1.

# %%
b = 32
up = b - 4
for _ in range(4):
    up = 2 * up - 4
print(f"input {16 * b + 60}, output {up}: {(16 * b + 60 - up) // 2} pixels lost on each side")
with torch.device("meta"):
    paper = unet(2, in_channels=1, padding="valid", batch_norm=False)
    sizes = {n: t.shape[-1] for n, t in paper.trace(torch.zeros(1, 1, 572, 572)).items()}
print(sizes)
assert sizes["logits"] == up == 388

# %% [markdown]
# To answer for border pixels too, the image is *mirrored* by what is lost: the overlap-tile strategy. (An image larger than the
# memory is cut into tiles that overlap by as much; the seams do not show.)

# %%
tile = mirror(image[None], (24, 24), (24, 24))[0]
figure_grid([as_image(image), as_image(tile)], ["image", "mirrored by 24 pixels"], columns=2)

# %%
torch.manual_seed(0)
little = unet(3, channels=(4, 8, 16)).eval()


def forward(net, x):
    down0 = net.down[0](x)
    down1 = net.down[1](F.max_pool2d(down0, 2))
    down2 = net.down[2](F.max_pool2d(down1, 2))
    up1 = net.merge[0](torch.cat([down1, net.up[0](down2)], dim=1))
    up0 = net.merge[1](torch.cat([down0, net.up[1](up1)], dim=1))
    return net.classifier(up0)


with torch.inference_mode():
    assert torch.allclose(forward(little, image[None]), little(image[None]), atol=1e-5)
print("our U-Net of three levels is the library's")

# %% [markdown]
# ## DeconvNet and the hourglass
#
# **DeconvNet** undoes *everything*: unpooling for pooling, deconvolution for convolution, and at the bottom VGG's fully connected
# layers, so that one vector describes the whole image. That costs: see the table.
#
# **Hourglass.** Down to a few pixels and up again, with a residual block as the skip of every scale:
#
# $$H_n(x) = \text{skip}(x) + \text{up}\big(\text{after}(H_{n-1}(\text{before}(\text{pool}(x))))\big). \tag{4}$$
#
# $H_n$ is an hourglass of depth $n$, which halves $n$ times; skip, before, after and, at the bottom, $H_0$ are residual blocks; up repeats every
# pixel $2 \times 2$. A recursion, in the paper and in the code. One hourglass's answer, fed back with its features, is the next one's input: a second
# look with the whole image in mind. Each answer gets its own loss ("intermediate supervision"). Pose estimation, in section 6,
# is what it was made for.
#
# **Predict.** Sort the five by parameters. By multiply-adds. Are these the same order?

# %%
builders = {
    "FCN-8s": lambda: fcn8s(21), "SegNet": lambda: segnet(21),
    "DeconvNet": lambda: deconvnet(21), "U-Net": lambda: unet(21),
    "hourglass, 2 stacks": lambda: stacked_hourglass(21),
}  # fmt: skip
table = [f"{'':20s}{'M parameters':>14s}{'G multiply-adds at 512 x 512':>32s}"]
for name, build in builders.items():
    with torch.device("meta"):
        net = build().eval()
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            net(torch.zeros(1, 3, 512, 512))
    parameters = sum(p.numel() for p in net.parameters())
    table.append(f"{name:20s}{parameters / 1e6:14.1f}{counter.get_total_flops() / 2e9:32.0f}")
print("\n".join(table))

# %% [markdown]
# Not at all the same order. DeconvNet and FCN-8s have their parameters in two layers that stand where the map is smallest, and used to be fully connected;
# there a weight is used a few times only. U-Net has an eighth of DeconvNet's parameters, and as many multiply-adds, for it works at full
# size. The hourglass is small in both: it begins at a quarter of the size.
#
# ## Train it yourself
#
# A small SegNet and a small U-Net, the same scenes, the same number of steps.
#
# **Predict.** Which loss falls faster, and where in the picture will the two differ?

# %% tags=["nbval-ignore-output"]
# Another machine rounds otherwise: its curve differs a little, so the test does not compare it.
trained = {}
for name, builder in (("segnet", segnet), ("unet", unet)):
    recipe = dataclasses.replace(
        find_recipe(f"{name}-scenes"),
        data_args={"height": 64, "width": 128, "validation": 16},
        steps=80, batch=4, lr=3e-3, warmup=10, ema=None, precision="no",
        evaluate_every=20, checkpoint_every=1000,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        print(name)
        train(recipe, folder, callbacks=[LiveCurves()], device="cpu")
        trained[name] = builder(C, **recipe.model_args)
        trained[name].load_state_dict(load_file(f"{folder}/final.safetensors"))

# %% tags=["nbval-ignore-output"]
# As above.
image, target = test_set[0]
figure_grid(
    [as_image(image), COLORS[target.numpy()]]
    + [COLORS[predict(network, as_image(image), "cpu")] for network in trained.values()],
    ["a test scene", "truth", *(f"{name}, 80 steps" for name in trained)], columns=2, width=10,
)  # fmt: skip

# %% [markdown]
# U-Net's loss falls faster: its finest convolutions see the image itself from the first step on. SegNet's must wait until something useful comes back up. The
# two differ along borders and in everything thin: U-Net follows what it sees, SegNet is speckled, since unpooling sets single pixels and its
# convolutions have not yet learned to fill the rest.
#
# ## On scenes that none has seen
#
# With the shipped checkpoints, on test scenes. Beside mIoU: *boundary F*, the harmonic mean of two shares: of the predicted contour pixels that have a true one
# of their class within 0.75 % of the diagonal (3 pixels here), and of the true ones that have a predicted one. It cares for what interpolation blurs.
# All five were trained by the same recipe for the same 3000 steps.
#
# **Predict.** FCN-8s has no decoder that learns: it adds three maps of scores and interpolates. Will it be the last of the five?


# %% tags=["nbval-ignore-output"]
# Half-precision weights and convolutions round differently from machine to machine.
def judge(model, dataset):
    matrix, contours = ConfusionMatrix(C), []
    for image, target in dataset:
        answer = predict(model, as_image(image), "cpu")
        matrix.update(answer, target)
        contours.append(boundary_f(torch.from_numpy(answer).long(), target, C)[0])
    return matrix.compute(), float(np.nanmean(contours))


longer = {}
print(f"{'':20s}{'mIoU':>7s}{'boundary F':>12s}{'pole':>7s}")
for name in ("fcn8s", "segnet", "deconvnet", "unet", "stacked-hourglass"):
    longer[name] = load_shipped(f"{name}-scenes")
    scores, contour = judge(longer[name], scene_set)
    pole = scores["iou"][NAMES.index("pole")]
    print(f"{name:20s}{scores['miou']:7.2f}{contour:12.2f}{pole:7.2f}")

# %% [markdown]
# It beats two of them. What comes *across* decides: to SegNet and DeconvNet nothing but places, to FCN-8s scores of two finer layers, to U-Net and the
# hourglass features; and the scores stand in that order. DeconvNet is last: all that its decoder knows has passed through one small map, and 3000 steps from
# random weights are few for that. Its authors began with VGG's trained weights, then trained on single objects cut from their images before whole
# scenes, for days.

# %% tags=["nbval-ignore-output"]
# As above.
image, target = scene_set[3]
figure_grid(
    [as_image(image), COLORS[target.numpy()]]
    + [COLORS[predict(network, as_image(image), "cpu")] for network in longer.values()],
    ["scene", "truth", *longer], columns=2, width=12,
    legend=dict(zip(NAMES, COLORS, strict=False)),
)  # fmt: skip

# %% [markdown]
# **Where they fail, and why.**
#
# 1. *Speckle* (SegNet, DeconvNet): a window's maximum stands somewhere, and unpooling puts the value there even where
#    nothing is. The convolutions after it must smooth it out; on people they do not.
# 2. *Marks taken for objects* (U-Net, hourglass): their finest skips know a few pixels only. They bring sharp edges, and a dash of yellow paint
#    on the road is a person.
# 3. *Objects in patches* (all but the hourglass): the bus on the left is a truck along its rim. At the bottom a pixel sees much, but not all. Larger context is the next
#    notebook.

# %% [markdown]
# ### A photograph
#
# `unet-camvid` is the same network, trained on photographs that a car took in Cambridge, with other classes.
#
# **Predict.** It gets a motorcycle in a workshop. Which of its classes will it see there?

# %% tags=["nbval-ignore-output"]
# As above.
photograph = to_tensor(load_photograph("motorcycle_left").image)[None]
thumbnail = as_image(F.avg_pool2d(photograph, photograph.shape[2] // 180)[0])
said = predict(load_shipped("unet-camvid"), thumbnail, "cpu")
shares = np.bincount(said.ravel(), minlength=len(CAMVID_CLASSES)) / said.size
print(", ".join(f"{CAMVID_CLASSES[k]} {shares[k]:.0%}" for k in np.argsort(-shares)[:5]))
figure_grid([thumbnail, CAMVID_PALETTE[said]], ["a photograph", "U-Net, trained on CamVid"],
            columns=2, width=10,
            legend=dict(zip(CAMVID_CLASSES, CAMVID_PALETTE, strict=False)))  # fmt: skip

# %% [markdown]
# A street is what it knows, so a street is what it sees: each pixel must get one of the classes, and the layout it has learned (sky above, road below) counts
# for more than a wheel. Sharp borders do not help when the classes are wrong.

# %% [markdown]
# ## Play
#
# 1. *Thin line*, pooling factor 4: how many pixels of it does unpooling bring back at their true place? Bilinear? Now
#    factor 2.
# 2. Move the ring by one pixel. Bilinear's picture may stay the same; which one must change, and why?
# 3. For the line, unpooling's error is the smallest; for the disk it is the largest. What does it lack, and what stands
#    behind it in a decoder to mend that?

# %%
upsampling("thin line", factor=4)

# %% [markdown]
# ## Checkpoint
#
# **1.** Does unpooling after pooling give the image back?
#
# <details><summary>Answer</summary>
#
# No: $S_x^\top S_x$ keeps one entry of each window and erases the rest. The other order, $S_x S_x^\top$, is the identity.
# </details>
#
# **2.** Why does U-Net concatenate where the hourglass adds?
#
# <details><summary>Answer</summary>
#
# U-Net has different channels for content and detail, and lets the next convolution combine them: twice the channels, twice its cost. The
# hourglass has residual blocks throughout: all maps speak the same language (256 channels), so that they can be added.
# </details>
#
# **3.** SegNet's decoder at 360 × 480 gets from 23 rows back to 45, not 46. How does it know?
#
# <details><summary>Answer</summary>
#
# It must be told: pooling 45 rows and pooling 46 both give 23. The encoder remembers the size (`Pooled.size`); the authors wrote 45 into the
# network's definition.
# </details>
#
# **4.** You have 30 microscope images of 2000 × 2000. Which decoder?
#
# <details><summary>Answer</summary>
#
# U-Net: made for exactly that. Skips at all scales need few examples, and unpadded tiles of any image fit together.
# </details>

# %% [markdown]
# ## Pitfalls
#
# **The size that unpooling cannot know.**

# %%
odd = torch.randn(1, 1, 45, 60, generator=generator)
pooled, indices = F.max_pool2d(odd, 2, ceil_mode=True, return_indices=True)
try:
    wrong = F.max_unpool2d(pooled, indices, (2, 2))
    print("without output_size:", tuple(wrong.shape[-2:]), "instead of", tuple(odd.shape[-2:]))
except (RuntimeError, ValueError) as error:
    print("without output_size:", str(error)[:80])
print("with it:", tuple(F.max_unpool2d(pooled, indices, (2, 2), output_size=(45, 60)).shape[-2:]))

# %% [markdown]
# **Indices belong to one width.** They number the flat map. Used on a map of another width, they point somewhere else, and no
# error says so.

# %%
wide = torch.zeros(1, 1, 4, 8)
wide[0, 0, 2, 6] = 1
pooled, indices = F.max_pool2d(wide, 2, return_indices=True)
good = F.max_unpool2d(pooled, indices, (2, 2))
flat = torch.zeros(32).scatter(0, indices.flatten(), pooled.flatten()).view(8, 4)
print(
    "true place",
    torch.nonzero(good[0, 0]).tolist(),
    " read as 8 x 4:",
    torch.nonzero(flat).tolist(),
)

# %% [markdown]
# **The order in `cat`.** Skip first or decoder first is a matter of taste, until weights are loaded: a convolution's first half
# then meets the wrong maps. The shapes agree, nothing fails. (Two PyTorch U-Nets differ in just this; the library's converters know.)

# %%
with torch.inference_mode():
    skip, decoder = torch.randn(2, 1, 8, 16, 16, generator=generator)
    layer = little.merge[0][:1]
    right, swapped = (layer(torch.cat(pair, 1)) for pair in ((skip, decoder), (decoder, skip)))
print(f"same shape {tuple(right.shape)}, mean difference {(right - swapped).abs().mean():.2f}")

# %% [markdown]
# **Batch normalisation in a batch of one.** At the bottom of DeconvNet the map is 1 × 1: with one image there is a single value
# a channel, and no variance.

# %%
block = deconvnet(3, width=0.125, head_channels=8).fc6.train()
try:
    block(torch.zeros(1, 64, 7, 7))
except ValueError as error:
    print(error)

# %% [markdown]
# ## Recap
#
# * Strides cost position; perfect scores at stride 8 already lose thin classes.
# * Unpooling is the transpose of pooling: free, exact in place, sparse. Transposed convolution is the transpose of convolution:
#   learned; even only if the stride divides the kernel.
# * U-Net carries features across, the hourglass adds them, and repeats.
#
# **To read on**
# * Badrinarayanan et al., section 3 and table 1: decoders compared at equal encoders, with memory.
# * Ronneberger et al.: eight pages, the weighting of the loss near borders among them.
# * Odena, Dumoulin, Olah, *Deconvolution and checkerboard artifacts*, Distill 2016.
# * `segedu/semantic/{segnet,deconvnet,unet,hourglass}.py`; `tests/parity` holds each against its authors' definition.
#
# **Next:** larger context without strides: [atrous convolution, DeepLab and the CRF](03_deeplab_crf.ipynb).
# **Assignment:** [`assignments/02_semantic`](../../assignments/02_semantic/semantic.ipynb), exercise 3: max-unpooling.

# %% [markdown]
# For those online: milesial's U-Net, trained on photographs of cars, 124 MB (set `ONLINE` to `True`; nothing else in this notebook downloads).

# %%
ONLINE = False
if ONLINE:
    from segedu.weights import load

    official = load("unet-carvana-0.5")
    labels = predict(official, load_photograph("motorcycle_left").image, "cpu")
    print("share of class 1, car:", f"{(labels == 1).mean():.0%}")

# %%
print(f"All cells took {time.perf_counter() - start:.0f} s here.")
