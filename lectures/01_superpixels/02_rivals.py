# %% [markdown]
# # SLIC's rivals, and how to measure superpixels
#
# **Goals.** After this notebook you can
# 1. *explain* three other ideas: merge a graph, grow level sets, climb a density;
# 2. *write* the heart of each in a few lines and *check* it against the library;
# 3. *define* boundary recall and undersegmentation error, and *compute* them by hand;
# 4. *compare* methods fairly: at equal numbers of superpixels, with the truth drawn by a person;
# 5. *choose* a method for a purpose.
#
# **Before this:** [SLIC](01_slic.ipynb). **Time:** about 60 minutes with the questions; the last
# cell says how long the cells took here.
#
# **Papers:** Felzenszwalb & Huttenlocher, *Efficient Graph-Based Image Segmentation*, IJCV 2004 ·
# Levinshtein et al., *TurboPixels*, TPAMI 2009 · Vedaldi & Soatto, *Quick Shift*, ECCV 2008. Equation numbers in
# brackets are those of the paper at hand.

# %%
import time

start = time.perf_counter()

import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage

from segedu.data import load_photograph
from segedu.drawing import figure_grid, mark_boundaries, mean_colors, overlay_labels
from segedu.images import rgb_to_lab_array
from segedu.superpixels import felzenszwalb, felzenszwalb_steps, metrics, quickshift_tree, slic
from segedu.widgets import boundary_recall_curve, rivals

plt.rcParams.update({"figure.dpi": 80, "savefig.dpi": 80, "font.size": 11})
photo = load_photograph("astronaut")
image, truth = photo.image, photo.segment_ids  # (H, W, 3) uint8; (H, W) int, drawn by hand
small = image[::2, ::2]

# %% [markdown]
# ## Why look further?
#
# SLIC makes superpixels of about equal size, everywhere. On an even wall that is waste: it spends centres
# where there is nothing to find.
#
# **Predict.** How many of 200 superpixels does SLIC spend on the wall behind the astronaut? How many would be enough?

# %%
labels = slic(image, 200)
names = {segment["id"]: segment["category"] for segment in photo.segments_info}
owner = [np.bincount(truth[labels == k]).argmax() for k in range(labels.max() + 1)]
for segment, name in names.items():
    print(f"{name:>11}: {owner.count(segment):3d} superpixels")
figure = figure_grid(
    [overlay_labels(image, np.unique(truth, return_inverse=True)[1].reshape(truth.shape)),
     mark_boundaries(image, labels)],
    ["segments drawn by hand", f"SLIC, {labels.max() + 1} superpixels"], columns=2, width=10,
)  # fmt: skip
for segment, name in names.items():
    inside = ndimage.distance_transform_edt(np.pad(truth == segment, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(inside.argmax(), inside.shape)  # farthest from its boundary
    figure.axes[0].text(x, y, name, color="white", ha="center", va="center",
                        bbox={"facecolor": "black", "alpha": 0.6, "lw": 0, "pad": 2})  # fmt: skip
figure

# %% [markdown]
# For the wall two would do, one on either side of the spacecraft. Three rivals follow; each spends its segments by another rule.

# %% [markdown]
# ## First rival: merge a graph
#
# Every pixel is a node. Each pair of 8-neighbours is joined by an edge $e$ whose weight $w(e)$ is
# their difference in colour. Start with every pixel alone; walk through the edges from the lightest to the heaviest; merge
# the two components at its ends, *if the border between them is no stronger than what they already contain*.
#
# What a component $C$ contains is the heaviest edge of its minimum spanning tree,
#
# $$\mathrm{Int}(C) = \max_{e \in \mathrm{MST}(C)} w(e). \tag{1}$$
#
# The border between two components is the *lightest* edge between them,
#
# $$\mathrm{Dif}(C_1, C_2) = \min_{e \text{ between } C_1, C_2} w(e). \tag{2}$$
#
# There is a border where $\mathrm{Dif}(C_1, C_2) > \mathrm{MInt}(C_1, C_2)$ (3), with
#
# $$\mathrm{MInt}(C_1, C_2) = \min\bigl(\mathrm{Int}(C_1) + \tau(C_1),\ \mathrm{Int}(C_2) + \tau(C_2)\bigr),
#   \tag{4}$$
#
# $$\tau(C) = k / |C|. \tag{5}$$
#
# A single pixel has $\mathrm{Int} = 0$: without $\tau$ it would merge with nothing. $\tau$ is generous to small
# components and strict with large ones. A larger $k$ asks for stronger evidence of a border.
#
# (The paper merges at equality, too. The library asks for *lighter*, as scikit-image does, so that both give the same; it
# matters only where a weight meets its threshold exactly.)
#
# Two things make it short. In sorted order, the edge at hand *is* the lightest one left between its components,
# so it is Dif. And when it merges them, it is the heaviest in their tree, so it is the new Int.


# %%
def find(parent, i):
    while parent[i] != i:
        i = parent[i]
    return i


def edges(node):
    """Each pair of 8-neighbours of a grid of numbers (h, w), once."""
    for a, b in ((node[:, :-1], node[:, 1:]), (node[:-1], node[1:]),
                 (node[:-1, :-1], node[1:, 1:]), (node[1:, :-1], node[:-1, 1:])):  # fmt: skip
        yield from zip(a.ravel(), b.ravel(), strict=True)


# %%
def merge_graph(image, k):
    h, w, _ = image.shape
    flat, pairs = image.reshape(-1, 3), list(edges(np.arange(h * w).reshape(h, w)))
    weight = [np.linalg.norm(flat[a] - flat[b]) for a, b in pairs]
    parent, size, inside = list(range(h * w)), [1] * (h * w), [0.0] * (h * w)
    for e in np.argsort(weight, kind="stable"):
        a, b = (find(parent, i) for i in pairs[e])
        if a != b and weight[e] < min(inside[a] + k / size[a], inside[b] + k / size[b]):  # eq. 4
            parent[b] = a
            size[a] += size[b]
            inside[a] = weight[e]  # eq. 1
    return np.array([find(parent, i) for i in range(h * w)]).reshape(h, w)


# %% [markdown]
# The same on random pixels, ours and the library's. (Labels are only names: two partitions are equal when each
# label of one meets exactly one of the other. The library takes $k$ for colours of 0…255, so it divides by 255.)


# %%
def same_partition(a, b):
    pairs = len(np.unique(np.stack([a.ravel(), b.ravel()]), axis=1).T)
    return pairs == len(np.unique(a)) == len(np.unique(b))


noise = np.random.default_rng(0).random((16, 16, 3))
for k in (20, 60, 100):
    ours = merge_graph(noise, k / 255)
    theirs = felzenszwalb(noise, scale=k, sigma=0, min_size=0)
    assert same_partition(ours, theirs)
    print(f"k = {k:3d}: {theirs.max() + 1:3d} segments, the same in both")

# %% [markdown]
# **Predict.** Which edges go first, those inside the wall or those inside the flag?

# %%
states = list(felzenszwalb_steps(small, scale=150, n_steps=8))
chosen = [states[3], states[6], states[-2], states[-1]]
figure_grid(
    [mean_colors(small, s.labels) for s in chosen],
    [f"edges up to {s.weight:.1f}: {s.n_segments} segments" for s in chosen[:3]]
    + [f"small ones merged: {chosen[3].n_segments}"],
    columns=4, width=12,
)  # fmt: skip

# %% [markdown]
# Even regions merge first, at whatever size they have. The wall becomes one segment; detail keeps its own. What you
# lose is control: nobody told it how many segments to make, or what shape.

# %% [markdown]
# ## Second rival: grow level sets
#
# TurboPixels plants $K$ seeds and lets each grow as a curve. The curves are the zero level of one function
# $\psi(x, y)$: negative inside, positive outside, in pixels the distance to the nearest curve.
# A curve that moves outward with speed $S$ is a $\psi$ that sinks:
#
# $$\psi^{n+1} = \psi^n - S_I S_B \,\lVert \nabla \psi^n \rVert \,\Delta t. \tag{2}$$
#
# The image decides the speed $S_I$, by way of an *affinity* $\phi$: near 1 in flat places, near 0 on edges. It is made of the
# gradient's length $\lVert \nabla I \rVert$, divided by its mean around, so that weak edges count where all edges are weak:
#
# $$\phi = e^{-E / \nu}, \tag{5}$$
#
# $$E = \frac{\lVert \nabla I \rVert}{G_\sigma * \lVert \nabla I \rVert + \gamma}, \tag{6}$$
#
# with the image $I$, a Gaussian $G_\sigma$, and two constants: $\nu$ says how steep an edge must be, $\gamma$ keeps noise in
# an even wall from counting as edges. With the curvature $\kappa$ and the outward normal $N$,
#
# $$S_I = \bigl(1 - \alpha \kappa\bigr)\,\phi - \beta \, \bigl(N \cdot \nabla \phi\bigr). \tag{4}$$
#
# The first part slows the curve on edges and, with weight $\alpha$, where it bulges. The second, with weight $\beta$, is the *doublet term*: $\phi$ falls
# towards an edge and rises behind it, so the curve hurries to the edge, and is pulled back once it is past.
# $S_B$ is 0 on the skeleton of the ground that nobody has yet, and 1 elsewhere: two curves stop before they meet.
#
# **Where the library departs.** The paper's $I$ is grey; ours is CIELAB, slightly smoothed. Its $\nu$ is half of the authors', which
# finds more of the boundaries that people drew, in more time. And it lets a pixel change sides only where no two regions would touch
# by it: that keeps the promise of $S_B$ in the gaps between two skeletons. `segedu/superpixels/turbopixels.py` says why.
#
# First the motion alone: a disk, speed 1. Its radius should grow by one pixel in a unit of time.


# %%
def grow(psi, speed, dt):
    back_x, back_y = (np.diff(psi, axis=a, prepend=psi.take([0], a)) for a in (1, 0))
    ahead_x, ahead_y = (np.diff(psi, axis=a, append=psi.take([-1], a)) for a in (1, 0))
    slope = np.sqrt(  # upwind: look where the curve comes from
        np.maximum(back_x, 0) ** 2 + np.minimum(ahead_x, 0) ** 2
        + np.maximum(back_y, 0) ** 2 + np.minimum(ahead_y, 0) ** 2
    )  # fmt: skip
    return psi - speed * slope * dt  # eq. 2


y, x = np.mgrid[:81, :81]
psi = np.hypot(y - 40, x - 40) - 8.0
for _ in range(40):
    psi = grow(psi, 1.0, 0.5)
radius = np.sqrt((psi < 0).sum() / np.pi)
print(f"radius 8.0 became {radius:.2f} after 20 units of time")
assert abs(radius - 28) < 0.5

# %% [markdown]
# Now the speed of eq. 4, ours against the library's (which cuts it off at 1 in size, so that no curve skips a pixel).

# %%
from segedu.superpixels import turbopixels, turbopixels_steps
from segedu.superpixels.turbopixels import ALPHA, BETA, image_speed

rng = np.random.default_rng(1)
for angle, kappa, phi, gx, gy in rng.uniform(-1, 1, (200, 5)):
    normal = np.array([np.cos(7 * angle), np.sin(7 * angle)])
    ours = (1 - ALPHA * kappa) * abs(phi) - BETA * normal @ (gx, gy)  # eq. 4
    assert np.isclose(np.clip(ours, -1, 1), image_speed(*normal, kappa, abs(phi), gx, gy))
print("200 random speeds agree;", f"alpha = {ALPHA}, beta = {BETA}")

# %%
grown = list(turbopixels_steps(small, 150))
chosen = [grown[i] for i in (1, len(grown) // 6, len(grown) // 2, -1)]
pictures = [
    mark_boundaries(overlay_labels(small, s.labels + 1, 0.45, ignore=0), s.labels) for s in chosen
]
figure_grid(pictures, [f"{s.iteration} steps, {np.mean(s.labels >= 0):.0%} taken" for s in chosen],
            columns=4, width=12)  # fmt: skip

# %% [markdown]
# The curves stop at edges by themselves. As many regions as seeds (144 in 12 rows of 12, the nearest grid to the 150 asked for), none
# merges and none splits: that is what the skeleton is for. We can hold the result to it:

# %%
last = grown[-1].labels
pieces = [ndimage.label(last == k)[1] for k in range(len(grown[-1].seeds))]
assert pieces == [1] * len(grown[-1].seeds)
print(f"{len(pieces)} seeds, {len(pieces)} superpixels, each one connected region")

# %% [markdown]
# ## Third rival: climb a density
#
# QuickShift asks how *dense* the pixels lie around each pixel, in colour and position at once. With the
# features $x_i = [\lambda l, \lambda a, \lambda b, x, y]$ (`ratio` is $\lambda$) and a Gaussian of width $h$ (`kernel_size`),
#
# $$P(x) \propto \sum_j \exp\left(-\frac{\lVert x - x_j \rVert^2}{2 h^2}\right). \tag{1}$$
#
# Every pixel is linked to its *nearest* pixel of *higher* density,
#
# $$y_i = \arg\min_{j:\ P(x_j) > P(x_i)} \lVert x_j - x_i \rVert. \tag{8}$$
#
# The links make one tree. Cut all that are longer than `max_dist`: each tree that is left is a segment.


# %%
def links(image, ratio, h):
    lab = rgb_to_lab_array(image).astype(float) * ratio
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    f = np.dstack([lab, x, y]).reshape(-1, 5)
    squared = ((f[:, None] - f) ** 2).sum(-1)  # (N, N): every pair, so small images only
    density = np.exp(-squared / (2 * h**2)).sum(1)  # eq. 1
    higher = np.where(density > density[:, None], squared, np.inf)
    parent = higher.argmin(1)  # eq. 8
    top = np.isinf(higher.min(1))
    parent[top] = np.flatnonzero(top)  # the summit has no parent
    return parent, np.sqrt(higher.min(1))


tiny = np.random.default_rng(2).random((13, 13, 3))
parent, length = links(tiny, ratio=0.2, h=4.0)
tree = quickshift_tree(tiny, ratio=0.2, kernel_size=4.0)
assert (parent == tree.parents.ravel()).all()
assert np.allclose(length, tree.distances.ravel(), atol=1e-3)
print(f"{len(parent)} links agree; the longest is {length[np.isfinite(length)].max():.1f}")

# %% [markdown]
# Ours compares every pair. The library looks only within $3h$ pixels, and adds a little noise to the density, so that
# flat places have a summit. (Random pixels have no flat places, so nothing differs here.)
#
# One tree holds the segmentations of all thresholds.
#
# **Predict.** As `max_dist` grows, can a boundary appear that was not there before?

# %%
tree = quickshift_tree(small, ratio=0.5, kernel_size=3)
cuts = {d: tree.cut(d) for d in (4, 8, 16)}
figure_grid(
    [tree.density, *(mark_boundaries(small, labels) for labels in cuts.values())],
    ["density", *(f"max_dist {d}: {labels.max() + 1} segments" for d, labels in cuts.items())],
    columns=4, width=12,
)  # fmt: skip

# %% [markdown]
# No: cutting fewer links only merges. Note the many small segments in texture: the density has a summit at every
# speckle. And nothing says that a segment is connected.

# %% [markdown]
# ## How good are they?
#
# Someone draws the true segments $g$. We have superpixels $s$. Two questions:
#
# **Are the true boundaries found?** *Boundary recall* is the part of the true boundary pixels with a superpixel
# boundary pixel near, here within a window of 5 × 5 (a tolerance of 2 pixels):
#
# $$\mathrm{BR} = \frac{\mathrm{TP}}{\mathrm{TP} + \mathrm{FN}}.$$
#
# **Do superpixels leak?** A superpixel that straddles a border leaks on one side or the other. *Undersegmentation error*
# (in Neubert and Protzel's form) counts the smaller part:
#
# $$\mathrm{UE} = \frac{1}{N} \sum_g \sum_{s \cap g \ne \emptyset} \min\bigl(|s \cap g|,\ |s \setminus g|\bigr).$$
#
# Two more: *achievable segmentation accuracy* is the best pixel accuracy of any labelling that keeps superpixels whole, and
# from the last notebook *explained variation* and *compactness*.


# %%
def recall_by_hand(labels, truth, tolerance):
    def edge(a):
        padded = np.pad(a, 1, mode="edge")
        around = padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]
        return np.any([a != b for b in around], axis=0)

    hit, t = 0, tolerance
    for y, x in np.argwhere(edge(truth)):
        window = edge(labels)[max(0, y - t) : y + t + 1, max(0, x - t) : x + t + 1]
        hit += window.any()
    return hit / edge(truth).sum()


def leak_by_hand(labels, truth):
    total = 0
    for g in np.unique(truth):
        for s in np.unique(labels[truth == g]):
            common = ((labels == s) & (truth == g)).sum()
            total += min(common, (labels == s).sum() - common)
    return total / labels.size


# %% [markdown]
# **Predict.** The truth is two halves, the superpixels are four squares of 4 × 4. Now the true border moves one column to the
# right. What becomes of the recall at tolerance 2? And of the error?

# %%
quarters = np.kron([[0, 1], [2, 3]], np.ones((4, 4), int))
for border in (4, 5, 6, 7):
    halves = (np.arange(8) >= border).astype(int)[None].repeat(8, 0)
    br, ue = recall_by_hand(quarters, halves, 2), leak_by_hand(quarters, halves)
    assert np.isclose(br, metrics.boundary_recall(quarters, halves, tolerance=2))
    assert np.isclose(ue, metrics.undersegmentation_error(quarters, halves))
    print(f"border at column {border}: boundary recall {br:.2f}, undersegmentation error {ue:.2f}")

# %% [markdown]
# Recall forgives a near miss and then drops. The error counts every leaking pixel, twice: once for the segment it comes from,
# once for the one it goes to. They see different things, so papers report both.
#
# The last line shows what both are blind to. The border is now three columns from the superpixels' vertical boundary, and still most of it counts as found:
# the *horizontal* boundary between the squares passes near, and recall asks for no direction. The error has even fallen. The squares on the
# right now lie mostly in the left half, and only their smaller part, the last column, counts as leaking.
#
# ### Measured on a real image
#
# All of these measures but compactness improve by themselves when there are more superpixels. So tune each method
# to about the same number first.


# %%
def tune(method, values, target=200):
    """The result whose number of segments comes nearest to the target."""
    results = [np.unique(method(v), return_inverse=True)[1].reshape(512, 512) for v in values]
    return min(results, key=lambda labels: abs(int(labels.max()) + 1 - target))


tree = quickshift_tree(image, ratio=0.5, kernel_size=6)
side = -(-512 // 14)  # rounded up: 14 rows of 14
found = {
    "SLIC": slic(image, 200),
    "graph-based": tune(lambda k: felzenszwalb(image, k, min_size=80), range(200, 400, 10)),
    "TurboPixels": turbopixels(image, 200),
    "QuickShift": tune(tree.cut, np.arange(10, 36, 2)),
    "squares": np.arange(512)[:, None] // side * 14 + np.arange(512)[None] // side,
}
found = {n: np.unique(m, return_inverse=True)[1].reshape(m.shape) for n, m in found.items()}

# %%
print(f"{'method':<12} {'K':>4} {'BR ↑':>6} {'UE ↓':>6} {'ASA ↑':>6} {'EV ↑':>6} {'CO':>6}")
for name, labels in found.items():
    scores = (
        metrics.boundary_recall(labels, truth),
        metrics.undersegmentation_error(labels, truth),
        metrics.achievable_segmentation_accuracy(labels, truth),
        metrics.explained_variation(labels, image),
        metrics.compactness(labels),
    )
    print(f"{name:<12} {labels.max() + 1:>4} " + " ".join(f"{s:6.3f}" for s in scores))
crop = np.s_[0:300, 90:390]
figure_grid([mark_boundaries(image, m)[crop] for m in list(found.values())[:4]],
            list(found)[:4], columns=4, width=12)  # fmt: skip

# %% [markdown]
# One image is an anecdote: the ranking above may turn on the next. The README's table has 100 photographs of BSDS500, with
# several annotators each, at exactly equal $K$.
#
# ### A gallery of failures
#
# Everywhere the superpixel's majority segment is not the true one, we paint orange: no labelling of
# whole superpixels can get those pixels right. Look for the reason in each before reading on.


# %%
def lost(labels):
    votes = np.zeros((labels.max() + 1, truth.max() + 1), int)
    np.add.at(votes, (labels.ravel(), truth.ravel()), 1)
    return votes.argmax(1)[labels] != truth


pictures = []
for name in list(found)[:4]:
    picture = mean_colors(image, found[name]) // 2 + 100
    picture[lost(found[name])] = (213, 94, 0)
    pictures.append(picture)
figure_grid(pictures, [f"{n}: {lost(found[n]).mean():.1%} lost" for n in list(found)[:4]],
            columns=4, width=12)  # fmt: skip

# %% [markdown]
# * **All of them** lose part of the white spacecraft before the pale wall: where colours agree, nobody sees a border.
# * **Graph-based** loses a rim a few pixels wide along many borders: a blurred edge becomes a segment of its own, as long as the border,
#   and belongs to neither side. Its worst failure is rare, and not in this picture: one weak spot in a border is enough (Dif is a
#   *minimum*), and two things flow together over their whole area. Question 2 below makes it happen.
# * **SLIC and TurboPixels** fail often and a little: a fringe along every weak edge, never more than about $S$ wide. Bounded size
#   bounds the damage.
# * **QuickShift** fails in smooth gradients, where the density has no valley at the border.

# %% [markdown]
# ## Play
#
# Each method has its parameter under its picture. The metrics below are against our annotation.
#
# 1. Bring all four to about 150 regions. Which two look most alike? Which has the largest region?
# 2. Find the smallest scale $k$ at which the graph-based method loses the helmet's outline. What happened to its
#    undersegmentation error there?
# 3. Which picture changes *everywhere* when you move its slider a little, and which only merges? Why?

# %%
rivals(image, truth)

# %% [markdown]
# And the measure itself. The curves appear point by point. Drag the tolerance.
#
# 1. At which tolerance do the blind squares catch up with SLIC at 800 segments? What does that say about the measure?
# 2. At tolerance 0 nothing reaches 1. Is that the methods' fault or the annotator's?
# 3. Who wins at 25 segments? Is it the winner at 800?

# %%
boundary_recall_curve(image, truth)

# %% [markdown]
# ## Checkpoint
#
# **1.** A method returns every pixel as a superpixel of its own. What are its BR, UE, ASA and CO?
#
# <details><summary>Answer</summary>
#
# BR 1, UE 0, ASA 1: perfect, and useless. That is why one compares at equal $K$. CO is $\pi/4$, as each pixel is a square.
# </details>
#
# **2.** In the graph-based method, why is $\tau(C) = k/|C|$ and not just $k$?
#
# <details><summary>Answer</summary>
#
# A constant would keep forgiving borders of weight up to $k$ between large regions too. Divided by the size it helps small
# components, about which little is known, and vanishes for large ones.
# </details>
#
# **3.** What would TurboPixels do without $S_B$?
#
# <details><summary>Answer</summary>
#
# Curves that meet would merge: a level set changes topology by itself. The number of superpixels would fall below the number of seeds.
# </details>
#
# **4.** QuickShift's `max_dist` is changed. What has to be computed again?
#
# <details><summary>Answer</summary>
#
# Only the cut: density and links stay. `quickshift_tree(...).cut(d)` does just that.
# </details>

# %% [markdown]
# ## Pitfalls
#
# **Unequal K.** "A has the better recall" means nothing without the numbers of segments, *those it made, not those it was asked for*.

# %%
for asked in (100, 200, 400):
    labels = slic(image, asked)
    print(
        f"{labels.max() + 1} superpixels: boundary recall {metrics.boundary_recall(labels, truth):.3f}"
    )

# %% [markdown]
# **The metric eats anything of the right type.** A label map read from an 8-bit file has at most 256 labels; more wrap around and
# far-apart superpixels become one.

# %%
labels = slic(image, 600)
wrapped = labels.astype(np.uint8)
for name, m in (("int32", labels), ("uint8", wrapped)):
    print(f"{name}: {len(np.unique(m))} labels, undersegmentation error",
          f"{metrics.undersegmentation_error(m, truth):.3f}")  # fmt: skip

# %% [markdown]
# **The averages of several annotators.** Average the scores, not the annotations: the mean of two label maps is no label map.

# %%
other = (truth == truth.max()).astype(int)  # a second annotator, who drew one object alone
each = [metrics.boundary_recall(found["SLIC"], t) for t in (truth, other)]
print("recall for each annotator:", [f"{r:.3f}" for r in each], f"mean {np.mean(each):.3f}")
print("labels in the 'mean annotation':", len(np.unique((truth + other) // 2)), "of no meaning")

# %% [markdown]
# ## Recap
#
# * **Graph-based**: merges while a border is no stronger than the inside. Sizes adapt; no control of number or shape.
# * **TurboPixels**: level sets grow from seeds and stop at edges. As many as seeds, connected and smooth; slow.
# * **QuickShift**: links to the nearest pixel of higher density. One tree, all thresholds; ragged, not connected.
# * **SLIC**: bounded k-means. Fast, controllable, and hard to beat at equal $K$ among the methods of its time.
# * Recall finds misses, undersegmentation error finds leaks. Compare at equal $K$, over many images, over all annotators.
#
# **To read on**
# * Felzenszwalb & Huttenlocher, IJCV 2004: sections 3 and 4. The proof that the result is neither too fine nor too coarse takes a page.
# * Levinshtein et al., TPAMI 2009: section 3 for the skeleton, which is harder than it looks.
# * Vedaldi & Soatto, ECCV 2008: section 4, and how mean shift becomes a tree.
# * Neubert & Protzel, *Superpixel benchmark and comparison*, 2012: why the error is defined as it is here.
#
# **Next:** section 2, [what is each pixel?](../02_semantic/01_fcn.ipynb) **Assignment:**
# [`assignments/01_superpixels`](../../assignments/01_superpixels/superpixels.ipynb), exercises 6 and 7: the two metrics.

# %%
print(f"All cells took {time.perf_counter() - start:.0f} s here.")
