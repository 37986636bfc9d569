# %% [markdown]
# # Prompts, clicks and GrabCut
#
# **Goals.** After this notebook you can
# 1. *name* the four kinds of prompts and say what each tells a method;
# 2. *derive* GrabCut: an energy of two colour mixtures and a border price, least at a minimum cut;
# 3. *write* a maximum flow, cut a toy image with it, and *check* both against libraries;
# 4. *measure* an interactive method by the clicks that it needs (NoC);
# 5. *segment* with the click widget, and say why a click helped.
#
# **Before this:** Gaussians, what a graph is; superpixels ([SLIC](../01_superpixels/01_slic.ipynb)) for the first picture. **Time:** about 60 minutes with the questions; the last cell says
# how long the cells took here.
#
# **Paper:** C. Rother, V. Kolmogorov, A. Blake, *GrabCut: Interactive Foreground Extraction using Iterated Graph Cuts*,
# SIGGRAPH 2004. Equation numbers in brackets are the paper's; `segedu/interactive/grabcut.py` uses them too.

# %%
import time

start = time.perf_counter()

from collections import deque
from itertools import pairwise

import cv2
import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from segedu.data import load_photograph
from segedu.drawing import ORANGE, SKY, VERMILION, figure_grid, overlay_mask
from segedu.interactive import Click, GrabCut, Prompts, Stroke, grabcut_steps
from segedu.superpixels import slic
from segedu.widgets import Segmenter, grabcut_stepper

# %%
plt.rcParams.update({"figure.dpi": 80, "savefig.dpi": 80, "font.size": 11})
photo = load_photograph("astronaut")
image = photo.image
things = {thing.category: thing for thing in photo.instances}


def iou(a, b):
    union = (a | b).sum()
    return (a & b).sum() / union if union else 1.0


# %% [markdown]
# ## Why ask a person?
#
# Superpixels know where *something* ends. They do not know what you want. The astronaut, her helmet, or the patch on her suit?
# The image alone cannot say.
#
# **Predict.** Somebody merges superpixels by colour until two regions are left. Will the astronaut be one of them?

# %%
labels = slic(image, 300)
count = np.bincount(labels.ravel())
means = np.stack([np.bincount(labels.ravel(), image[..., c].ravel()) / count for c in range(3)], 1)
_, side, _ = cv2.kmeans(means.astype(np.float32), 2, None, (cv2.TERM_CRITERIA_COUNT, 20, 0), 3,
                        cv2.KMEANS_PP_CENTERS)  # fmt: skip
two = side.ravel()[labels].astype(bool)
person = things["person"].mask
best = max((two, ~two), key=lambda mask: iou(mask, person))
figure_grid([overlay_mask(image, best), overlay_mask(image, person, ORANGE)],
            [f"two groups of colours: IoU {iou(best, person):.2f}", "what was wanted"],
            columns=2, width=9)  # fmt: skip

# %% [markdown]
# Face and wall fall into one group, and her hair is torn in two: colours make groups, not things.
#
# **IoU**, the intersection over union of the mask and the true one, is the score of this section:
# $|A \cap B| / |A \cup B|$, 1 when both agree, and by convention 1 when both are empty.
#
# ## Four kinds of prompts
#
# | prompt | what it says | what it leaves open |
# |---|---|---|
# | **click** | this point is (not) the object | how far the object goes |
# | **box** | all outside is not the object | what inside is |
# | **stroke** | these pixels are (not) the object | the rest |
# | **contour** | all outside this outline is not the object | a thin band along it, when drawn close |
#
# One protocol carries all of them: `set_image(image)` once, then `predict(prompts)` as often as wanted. Every method of the
# course speaks it, from GrabCut to Segment Anything. A method says what it can use:


# %%
def turned(theta):
    return 195 + 190 * np.cos(theta), 300 + 330 * np.sin(theta)


theta = np.linspace(0, 2 * np.pi, 24, endpoint=False)
prompts = {
    "click": Prompts(clicks=(Click(190, 330), Click(190, 120), Click(450, 150, positive=False))),
    "box": Prompts(box=(19, 16, 365, 512)),
    "stroke": Prompts(strokes=(Stroke([[190, 60], [200, 200], [140, 330], [240, 450]], 10),
                               Stroke([[330, 20], [430, 240], [400, 330]], 8, positive=False))),
    "contour": Prompts(contour=np.clip(np.stack(turned(theta), 1), 0, 512)),
}  # fmt: skip
method = GrabCut()
method.set_image(image)
print("GrabCut takes:", ", ".join(sorted(method.accepts)))
answers = {kind: method.predict(p).mask for kind, p in prompts.items()}


# %%
def draw(picture, prompt):
    picture = picture.copy()
    lines = [(s.points, s.positive, round(2 * s.radius)) for s in prompt.strokes]
    if prompt.contour is not None:
        lines.append((prompt.contour[np.r_[: len(prompt.contour), 0]], True, 3))
    for points, positive, width in lines:
        color = SKY if positive else VERMILION
        cv2.polylines(picture, [np.int32(points)], False, color, width)
    if prompt.box is not None:
        x0, y0, x1, y1 = (int(v) for v in prompt.box)
        cv2.rectangle(picture, (x0, y0), (x1 - 1, y1 - 1), SKY, 4)
    for click in prompt.clicks:
        cv2.circle(picture, (int(click.x), int(click.y)), 12, (255, 255, 255), -1, cv2.LINE_AA)
        color = (0, 114, 178) if click.positive else VERMILION
        cv2.circle(picture, (int(click.x), int(click.y)), 9, color, -1, cv2.LINE_AA)
    return picture


# %%
figure_grid(
    [draw(overlay_mask(image, answers[kind]), p) for kind, p in prompts.items()],
    [f"{kind}: IoU {iou(answers[kind], person):.2f}" for kind in prompts],
    columns=4, width=12,
)  # fmt: skip

# %% [markdown]
# One person, said in four ways. Box and contour shut the flag out; clicks and strokes leave it open, and there the red of its stripes goes with
# the suit's. What a prompt does not say, the colours decide. How?
#
# ## Derivation
#
# Each pixel $n$ has a colour $z_n$ and gets a label: $\alpha_n = 1$ on the object, $0$ on the background. A box says
# $\alpha_n = 0$ outside. Inside we look for the labels of least *energy*:
#
# $$E(\alpha, k, \theta, z) = U(\alpha, k, \theta, z) + V(\alpha, z). \tag{7}$$
#
# **U: colours should fit.** Each side has a mixture of $K = 5$ Gaussians, and $k_n$ is the component of pixel $n$:
#
# $$U = \sum_n D(\alpha_n, k_n, \theta, z_n), \tag{8}$$
#
# $$D = -\log \pi + \tfrac12 \log\det\Sigma + \tfrac12 (z_n - \mu)^\top \Sigma^{-1} (z_n - \mu), \tag{9}$$
#
# with weight $\pi$, mean $\mu$ and covariance $\Sigma$ of component $(\alpha_n, k_n)$: minus the logarithm of a Gaussian. (**Departure:**
# OpenCV's cut, which we use, sums over all components, $-\log \sum_k \pi_k\, \mathcal N(z_n; \mu_k, \Sigma_k)$. Where one component is much
# likelier than the others, that is the same.)
#
# **V: borders cost.** Each pair of neighbours on different sides pays, and pays less where the colours differ:
#
# $$V = \gamma \sum_{(m, n)} [\alpha_m \ne \alpha_n] \, \frac{\exp\left(-\beta \lVert z_m - z_n \rVert^2\right)}{\mathrm{dist}(m, n)}, \tag{11}$$
#
# $$\beta = \frac{1}{2 \langle \lVert z_m - z_n \rVert^2 \rangle}, \qquad \gamma = 50. \tag{5}$$
#
# (The distance of the two pixels, 1 or $\sqrt 2$, is from eq. 4; eq. 11 as printed leaves it out.) $\beta$ fits itself to the image's contrast: where the squared
# difference is twice its mean, the price falls to $1/e$, in a pale image and in a strong one.
#
# **The loop.** The mixtures depend on the labels and the labels on the mixtures. So, as in k-means, in turn:
#
# 1. start: $\alpha = 1$ inside the box; k-means splits each side's colours into 5 groups;
# 2. give each pixel its best component, then compute $\pi, \mu, \Sigma$ of each;
# 3. find the $\alpha$ of least energy with these mixtures: a minimum cut;
# 4. repeat from 2.
#
# Each step lowers $E$ or leaves it, so the loop converges, to a local minimum. (That is proved for eq. 9, where step 2 and step 3 mean the same $E$. With OpenCV's sum over
# components it is so in practice: we shall look.)

# %% [markdown]
# ## Build it, part 1: a mixture
#
# One side of a toy: 300 colours around three centres. We fit three Gaussians by k-means and counting, and hold the
# density against the library's.


# %%
def fit(colors, k, rounds=10):
    centers = colors[:: len(colors) // k][:k].astype(float)  # a simple start
    for _ in range(rounds):
        own = ((colors[:, None] - centers) ** 2).sum(-1).argmin(1)
        centers = np.stack([colors[own == j].mean(0) for j in range(k)])
    weights = np.bincount(own, minlength=k) / len(colors)
    covariances = np.stack([np.cov(colors[own == j].T, bias=True) for j in range(k)])
    return weights, centers, covariances


def misfit(colors, mixture):
    density = 0
    for weight, mean, covariance in zip(*mixture, strict=True):
        d = colors - mean
        mahalanobis = (d @ np.linalg.inv(covariance) * d).sum(-1)
        density = density + weight / np.sqrt(np.linalg.det(covariance)) * np.exp(-mahalanobis / 2)
    return -np.log(density)  # eq. 9, all components summed


# %%
from segedu.interactive.grabcut import negative_log_likelihood

rng = np.random.default_rng(0)
middles = np.array([(220, 60, 40), (40, 160, 90), (60, 70, 200)])
colors = (middles[np.arange(300) % 3] + rng.normal(0, 12, (300, 3))).clip(0, 255).astype(np.uint8)
weights, means, covariances = mixture = fit(colors, 3)
packed = np.zeros((1, 65))  # OpenCV's layout: 5 weights, 5 means, 5 covariances
packed[0, :3], packed[0, 5:14], packed[0, 20:47] = weights, means.ravel(), covariances.ravel()
theirs = negative_log_likelihood(colors.reshape(20, 15, 3), packed).ravel()
assert np.allclose(misfit(colors, mixture), theirs)
print("means:", means.round().astype(int).tolist())
print(f"the densities of {len(colors)} colours agree")

# %% [markdown]
# ## Build it, part 2: the cut
#
# Why is the least energy a *cut*? Build a graph: a node for every pixel, and two more, the source (object) and the sink (background). Join
# each pixel to both, each neighbour to its neighbours. Now cut the graph in two, source here, sink there. A pixel on the
# source's side loses its link to the sink; so give that link the price of being object, and the other link the price of being background. Two
# neighbours on different sides lose their link; give it the price of the border. The cut costs $E$, and each labelling is a cut.
#
# The cheapest cut is found by sending as much flow as fits from source to sink (Ford and Fulkerson): when no path has room left, the full links between
# what the source still reaches and what it does not are the cut. Our version takes a shortest path each time (Edmonds and Karp).


# %%
def reached(room, source, sink):
    """{node: the node before it}, nearest first, until the sink is reached or no room is left."""
    came, queue = {source: None}, deque([source])
    while queue and sink not in came:
        u = queue.popleft()
        for v in (v for v, r in room[u].items() if r > 0 and v not in came):
            came[v] = u
            queue.append(v)
    return came


# %%
def min_cut(links, source, sink):
    """links: {(u, v): capacity}; returns the flow and the nodes on the source's side."""
    room = {}
    for (u, v), capacity in links.items():
        room.setdefault(u, {})[v] = room.get(u, {}).get(v, 0) + capacity
        room.setdefault(v, {}).setdefault(u, 0)
    flow = 0
    while sink in (came := reached(room, source, sink)):
        path = [sink]
        while came[path[-1]] is not None:
            path.append(came[path[-1]])
        least = min(room[u][v] for v, u in pairwise(path))
        for v, u in pairwise(path):
            room[u][v], room[v][u] = room[u][v] - least, room[v][u] + least
        flow += least
    return flow, set(came)


# %% [markdown]
# A grid of 5 × 5 pixels in grey: a bright square with one dark speckle, on a dark ground with one bright speckle. Being object costs $9 - z$, being background
# costs $z$, and a border between neighbours costs 3.
#
# **Predict.** Which of the two speckles survive the cut?

# %%
grey = np.array(
    [[1, 1, 1, 1, 8], [1, 8, 8, 8, 1], [1, 8, 2, 8, 1], [1, 8, 8, 8, 1], [1, 1, 1, 1, 1]]
)
node = np.arange(25).reshape(5, 5)
source, sink = 25, 26
links = {(source, int(n)): int(z) for n, z in zip(node.flat, grey.flat, strict=True)}
links |= {(int(n), sink): int(9 - z) for n, z in zip(node.flat, grey.flat, strict=True)}
for a, b in ((node[:, :-1], node[:, 1:]), (node[:-1], node[1:])):
    for u, v in zip(a.flat, b.flat, strict=True):
        links |= {(int(u), int(v)): 3, (int(v), int(u)): 3}
flow, side = min_cut(links, source, sink)
mask = np.isin(node, list(side))
shown = np.kron(grey * 28, np.ones((24, 24)))[..., None].repeat(3, 2).astype(np.uint8)
figure_grid([shown, np.kron(mask, np.ones((24, 24), bool))],
            ["grey values", f"the cheapest cut costs {flow}"], columns=2, width=6)  # fmt: skip

# %% [markdown]
# The hole is filled: four borders cost 12, the wrong colour only $7 - 2 = 5$ more. The bright speckle in the corner has but two neighbours: its borders cost 6, and
# so does calling it background (8 instead of 1, so 7 more): it stays. Change the 3 to 4 and see.
#
# Is it the maximum flow, and is the flow the cut? scipy knows the first. For the second, we sum what the cut severs.

# %%
ends = np.array(list(links))
graph = csr_array((np.array(list(links.values()), np.int32), ends.T), shape=(27, 27))
assert flow == maximum_flow(graph, source, sink).flow_value
assert flow == sum(c for (u, v), c in links.items() if u in side and v not in side)
border = sum((mask[1:] != mask[:-1]).flat) + sum((mask[:, 1:] != mask[:, :-1]).flat)
assert flow == np.where(mask, 9 - grey, grey).sum() + 3 * border
print(f"maximum flow {flow} = capacity of the cut = energy of the mask")

# %% [markdown]
# ## Build it, part 3: ours against OpenCV's
#
# Now a toy photograph of 16 × 16 and a box. What prompts say goes to OpenCV as a *trimap*: each pixel is surely background, surely object, or perhaps one of them. The
# library's `grabcut_steps` runs OpenCV and yields mixtures and mask of every iteration. We take its mixtures, build the graph of eqs. 8 and 11 ourselves, and cut it with our own `min_cut`.

# %%
rows, cols = np.mgrid[:16, :16]
disk = (rows - 8) ** 2 + (cols - 7) ** 2 < 22
toy = np.where(disk[..., None], (210, 120, 60), (70, 90, 120)) + rng.normal(0, 22, (16, 16, 3))
toy = toy.clip(0, 255).astype(np.uint8)
trimap = np.full((16, 16), cv2.GC_BGD, np.uint8)  # surely background
trimap[2:14, 1:13] = cv2.GC_PR_FGD  # the box: perhaps object
*_, state = grabcut_steps(toy, trimap, iterations=3)
as_object = negative_log_likelihood(toy, state.object)
as_background = negative_log_likelihood(toy, state.background)


# %%
def neighbour_links(image, gamma=50.0):
    z, node = image.astype(float), np.arange(image[..., 0].size).reshape(image.shape[:2])
    pairs = []
    for a, b, dist in ((np.s_[:, :-1], np.s_[:, 1:], 1), (np.s_[:-1], np.s_[1:], 1),
                       (np.s_[:-1, :-1], np.s_[1:, 1:], 2**0.5),
                       (np.s_[:-1, 1:], np.s_[1:, :-1], 2**0.5)):  # fmt: skip
        pairs.append((node[a].ravel(), node[b].ravel(), ((z[a] - z[b]) ** 2).sum(-1).ravel(), dist))
    beta = 1 / (2 * np.concatenate([d for _, _, d, _ in pairs]).mean())  # eq. 5
    links = {}
    for us, vs, d, dist in pairs:
        for u, v, price in zip(us, vs, gamma * np.exp(-beta * d) / dist, strict=True):  # eq. 11
            links[int(u), int(v)] = links[int(v), int(u)] = price
    return links


# %%
links, source, sink, sure = neighbour_links(toy), 256, 257, 1e6
for n in range(256):
    inside = trimap.flat[n] == cv2.GC_PR_FGD
    lift = -min(as_object.flat[n], as_background.flat[n], 0)  # capacities must not be negative
    links[source, n] = as_background.flat[n] + lift if inside else 0
    links[n, sink] = as_object.flat[n] + lift if inside else sure
_, side = min_cut(links, source, sink)
ours = np.isin(np.arange(256).reshape(16, 16), list(side))
assert (ours == state.mask).all()
print(f"all {ours.size} labels agree with OpenCV's; {(ours == disk).mean():.1%} are right")

# %%
from segedu.interactive.grabcut import energy

energies = [s.energy for s in grabcut_steps(toy, trimap, iterations=5)]
print("energy after each iteration:", [round(e) for e in energies])
worse = state.mask.copy()
worse[8, 7] = False
print("one pixel changed by hand: ", round(energy(toy, worse, state.background, state.object)),
      "instead of", round(state.energy))  # fmt: skip
toy_big, ours_big, gap = (
    a.repeat(14, 0).repeat(14, 1) for a in (toy, ours, as_background - as_object)
)
framed = cv2.rectangle(toy_big.copy(), (14, 28), (13 * 14, 14 * 14), ORANGE, 3)
figure_grid([framed, gap, overlay_mask(toy_big, ours_big)],
            ["toy and box", "misfit: bright fits the object", "the cut"], columns=3, width=9)  # fmt: skip

# %% [markdown]
# The energy falls with every iteration, and with the mixtures fixed no mask is cheaper than the cut's: one pixel changed by hand costs more.
#
# ## On real images
#
# A box around each thing of the photograph, nothing else.
#
# **Predict.** Person, helmet, flag, spacecraft: for which will the box do, for which not?

# %%
boxed = {}
for name, thing in things.items():
    box = tuple(float(v) for v in thing.box)
    boxed[name] = method.predict(Prompts(box=box)).mask
    print(f"{name:>11}: IoU {iou(boxed[name], thing.mask):.3f}")
figure_grid([overlay_mask(image, mask) for mask in boxed.values()],
            [f"{n}: IoU {iou(m, things[n].mask):.2f}" for n, m in boxed.items()],
            columns=4, width=12)  # fmt: skip

# %% [markdown]
# What goes wrong, and why:
#
# * **The same colours on both sides.** The visor is as dark as the table behind it; white occurs on the flag, the shuttle and the wall. Where both
#   mixtures fit, $U$ has no opinion and $V$ takes the shortest border.
# * **Many colours.** Five Gaussians must describe the whole background. A colour that occurs only inside the box belongs to the object, by default.
# * **Thin things** have much border for little area: cutting them off is cheap. Graph cuts shrink.
# * **Nothing knows what a person is.** Learned methods, later in this section, do.
#
# ### How many clicks?
#
# A click is work. So interactive methods are measured by the **number of clicks** (NoC) until the IoU reaches 0.85 or 0.90, at most 20. A robot clicks: always
# where the mask is wrong *deepest*, at the pixel farthest from the border of its error, positive where object is missing, negative where there is too much.


# %%
def our_next_click(mask, truth):
    best = (0.0, None)
    for wrong, positive in ((mask & ~truth, False), (truth & ~mask, True)):
        depth = ndimage.distance_transform_edt(np.pad(wrong, 1))[1:-1, 1:-1]
        y, x = np.unravel_index(depth.argmax(), depth.shape)
        best = max(best, (depth[y, x], Click(x + 0.5, y + 0.5, positive)), key=lambda b: b[0])
    return best[1]


def our_noc(scores, threshold, limit):
    """scores: IoU after 1, 2, … clicks; what never gets there counts as the limit."""
    for clicks, score in enumerate(scores[:limit], start=1):
        if score >= threshold:
            return clicks
    return limit


# %%
from segedu.interactive import next_click, noc

truth = np.zeros((20, 30), bool)
truth[5:14, 4:13] = True  # a square of 9 x 9, its middle in row 9, column 8
assert our_next_click(np.zeros_like(truth), truth) == Click(8.5, 9.5, positive=True)
assert our_next_click(truth, truth) is None
for _ in range(50):  # blobs, and what the library says of them
    mask, other = ndimage.gaussian_filter(rng.normal(size=(2, 20, 30)), (0, 2, 2)) > 0
    assert our_next_click(mask, other) == next_click(mask, other)
    scores = rng.random(rng.integers(1, 9)).tolist()
    assert our_noc(scores, 0.85, 8) == noc(scores, 0.85, 8)
print("the robot clicks, and counts, as the library's does")

# %% [markdown]
# A box first, then the robot; the box is no click.


# %%
def click_robot(truth, box, limit=12):
    """IoU after the box, then after each click."""
    mask, clicks = method.predict(Prompts(box=box)).mask, ()
    scores = [iou(mask, truth)]
    while len(clicks) < limit and (click := next_click(mask, truth, before=clicks)):
        clicks += (click,)
        mask = method.predict(Prompts(clicks=clicks, box=box)).mask
        scores.append(iou(mask, truth))
    return scores


curves = {n: click_robot(t.mask, tuple(float(v) for v in t.box)) for n, t in things.items()}
for name, scores in curves.items():
    needed = 0 if scores[0] >= 0.85 else noc(scores[1:], 0.85, 12)
    never = ", never reached" if max(scores) < 0.85 else ""
    print(f"{name:>11}: NoC@85 after a box = {needed}{never}")

# %%
figure, axis = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
colors = ("#0072b2", "#e69f00", "#009e73", "#cc79a7")
for (name, scores), color in zip(curves.items(), colors, strict=True):
    axis.plot(range(len(scores)), scores, "o-", color=color, label=name)
axis.axhline(0.85, color="#777777", ls="--")
axis.set(xlabel="clicks after the box", ylabel="IoU", ylim=(0, 1.02))
axis.grid(alpha=0.3)
axis.legend(loc="lower right")
plt.show()

# %% [markdown]
# ## Play
#
# First the loop, step by step: mask, mixtures and energy after each iteration. Drag the box wider or narrower.
#
# 1. In which iteration does most of the energy go? And in which does the mask still change?
# 2. Make the box so narrow that it cuts off the shoulder. What colours enter the background's mixture?
# 3. At which width does the flag come in, and why all at once?

# %%
grabcut_stepper(image, things["person"].box)

# %% [markdown]
# Now you. The widget speaks the same protocol. Choose the box, drag it around a thing; then click what is missing (left) and what is too much (right, or with Alt). `?` shows all
# keys. The mask you see is `segmenter.mask` in Python.
#
# 1. Get the helmet to an IoU above 0.9 (next cell). What is the fewest prompts that do it? Which kind was worth most?
# 2. Draw one box around the person *and* the shuttle. Click negatively on the wall, left of her head; take it back, and click right of her head instead. It is the same wall: why
#    does one click change so much more than the other?
# 3. Find a place where a click changes only its own small disk. What does the mixture look like there?

# %%
segmenter = Segmenter(image, method=GrabCut(), names=("helmet",))
segmenter.prompts = Prompts(box=(278, 344, 512, 512))
segmenter.wait()
segmenter

# %%
print(f"IoU with the annotated helmet: {iou(segmenter.mask, things['helmet'].mask):.3f}")

# %% [markdown]
# ## Checkpoint
#
# **1.** $\gamma = 0$. What does GrabCut become?
#
# <details><summary>Answer</summary>
#
# Each pixel alone takes the side whose mixture fits better: a classifier of colours, with speckles everywhere.
# </details>
#
# **2.** Why must the price of a border not be negative? Must it be the same in both directions?
#
# <details><summary>Answer</summary>
#
# A capacity below zero has no meaning for a flow, and where a border is *rewarded*, the best labelling is no longer a minimum cut: such energies are hard in
# general. (Submodularity is the condition.) The two directions may differ: a link has a capacity each way, and a method may well charge more for the step from bright to dark than for that from
# dark to bright. GrabCut has no reason to.
# </details>
#
# **3.** A box cuts off the astronaut's elbow. Can GrabCut find the elbow?
#
# <details><summary>Answer</summary>
#
# No. Outside the box all is surely background. And it does harm: the suit's colour now belongs to the background's mixture too. A positive stroke on the elbow wins back
# the pixels below it, and no others. Draw the box wider.
# </details>
#
# **4.** Method A needs 3 clicks at 2 s each to 0.9, method B 4 clicks at 0.1 s. Which has the better NoC, which would you use?
#
# <details><summary>Answer</summary>
#
# A has the better NoC@90. B is done sooner. NoC counts what a person does, not how long they wait: look at both.
# </details>

# %% [markdown]
# ## Pitfalls
#
# **Points are (x, y), arrays are [y, x].**

# %%
click = Click(450, 150, positive=False)  # 450 to the right, 150 down
print("image[150, 450] =", image[150, 450].tolist(), " image[450, 150] =", image[450, 150].tolist())

# %% [markdown]
# **A mask is not a picture.** Resized linearly it gets values between; each threshold gives another mask. Nearest keeps it a mask, but loses what is thinner than a step.

# %%
mask = things["spacecraft"].mask
part = cv2.resize(mask.astype(np.float32), (64, 64), interpolation=cv2.INTER_LINEAR)
near = cv2.resize(mask.astype(np.uint8), (64, 64), interpolation=cv2.INTER_NEAREST)
print("values after linear resizing:", len(np.unique(part)), "after nearest:", len(np.unique(near)))
print("pixels at thresholds 0.2, 0.5, 0.8:", [int((part > t).sum()) for t in (0.2, 0.5, 0.8)])

# %% [markdown]
# **An empty mask.** Nothing predicted, nothing there: 0 / 0. Decide what it means, once. The course says 1.

# %%
nothing = np.zeros((4, 4), bool)
with np.errstate(invalid="ignore"):
    print("naive IoU:", np.float64((nothing & nothing).sum()) / (nothing | nothing).sum())
print("the course's:", iou(nothing, nothing))

# %% [markdown]
# **A pixel is a square, not a point.** A click at (8.5, 9.5) is the middle of the pixel in column 8, row 9. Rounding instead of flooring moves every other click by a
# pixel; Python rounds to even.

# %%
print("floor:", [int(x) for x in (8.5, 9.5)], " round:", [round(x) for x in (8.5, 9.5)])

# %% [markdown]
# ## Recap
#
# * Interactive segmentation adds what the image lacks: what *you* want. Clicks, boxes, strokes and contours all say "surely object" or "surely not".
# * GrabCut's energy is a misfit to two colour mixtures plus a border price that is low on edges.
# * With the mixtures fixed, a minimum cut finds the best of all $2^N$ masks. With the mask fixed, mixtures are counted. In turn, the energy falls.
# * NoC: the clicks a robot needs. A lower number is less work for a person.
#
# **To read on**
# * Rother, Kolmogorov, Blake, 2004: section 3 is this notebook; section 4, border matting, we left out.
# * Boykov & Jolly, *Interactive Graph Cuts*, ICCV 2001: where the cut comes from. Figure 1 explains it better than words.
# * Kolmogorov & Zabih, *What Energy Functions Can Be Minimized via Graph Cuts?*, TPAMI 2004: for question 2 of the quiz.
# * Xu et al., *Deep Interactive Object Selection*, CVPR 2016: the first learned clicks, and the robot.
#
# **Next:** clicks that a network has learned to listen to: [RITM and Zoom-In](02_ritm_zoom_in.ipynb). **Assignment:** the one of this section is
# [`assignments/03_interactive`](../../assignments/03_interactive/interactive.ipynb); robot and NoC are among its exercises.

# %%
print(f"All cells took {time.perf_counter() - start:.0f} s here.")
