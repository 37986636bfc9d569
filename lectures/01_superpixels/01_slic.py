# %% [markdown]
# # SLIC: superpixels in five numbers a pixel
#
# **Goals.** After this notebook you can
# 1. *explain* why an image is cut into superpixels, and why position belongs into the distance;
# 2. *derive* the SLIC distance and show that the update step is a mean;
# 3. *write* seeding, assignment and update yourself, and *check* them against the library;
# 4. *choose* the number of segments and the compactness for a purpose;
# 5. *predict* where SLIC fails.
#
# **Before this:** NumPy arrays, the idea of k-means. **Time:** about 45 minutes with the questions; the
# last cell says how long the cells took here.
#
# **Paper:** R. Achanta, A. Shaji, K. Smith, A. Lucchi, P. Fua, S. Süsstrunk, *SLIC Superpixels
# Compared to State-of-the-Art Superpixel Methods*, IEEE TPAMI 34(11), 2012.
# Equation numbers in brackets are the paper's; the comments of `segedu/superpixels/slic.py` use them too.

# %%
import time

start = time.perf_counter()

import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage
from skimage import data

from segedu.drawing import figure_grid, mark_boundaries, mean_colors, overlay_labels
from segedu.images import rgb_to_lab_array
from segedu.superpixels import slic, slic_steps
from segedu.superpixels.metrics import compactness, explained_variation
from segedu.widgets import slic_stepper

plt.rcParams.update({"figure.dpi": 80, "savefig.dpi": 80, "font.size": 11})
coffee, astronaut = data.coffee(), data.astronaut()

# %% [markdown]
# ## Why superpixels?
#
# A photograph of 400 × 600 has 240 000 pixels. Most of them say what their neighbour says.
# A *superpixel* is a small region of pixels that look alike. A few hundred of them can stand in for the
# image: a graph cut on 300 nodes is quick, and a label for each superpixel labels every pixel.
# For that to work, no superpixel may straddle two objects.
#
# Two simple ideas come first:
#
# * **squares**: cut the image into a grid and look at no pixel at all;
# * **colours**: run k-means on the colours and look at no position at all.
#
# **Predict.** Which of them follows the rim of the cup? Which gives regions you could call regions?
# Decide, then run.


# %%
def squares(image, side):
    rows, cols = (np.arange(n) // side for n in image.shape[:2])
    return rows[:, None] * (cols.max() + 1) + cols


def color_clusters(image, k, rounds=8, seed=0):
    colors = rgb_to_lab_array(image).reshape(-1, 3)
    centers = colors[np.random.default_rng(seed).choice(len(colors), k, replace=False)]
    for _ in range(rounds):
        nearest = ((colors[:, None] - centers) ** 2).sum(-1).argmin(1)
        centers = np.stack([colors[nearest == c].mean(0) for c in range(k)])
    return nearest.reshape(image.shape[:2])


def count_regions(labels):
    return sum(ndimage.label(labels == c)[1] for c in np.unique(labels))


grid, clusters = squares(coffee, 40), color_clusters(coffee, 12)
{"squares": count_regions(grid), "colour clusters": count_regions(clusters)}

# %%
figure_grid(
    [mark_boundaries(coffee, grid, thickness=2), overlay_labels(coffee, clusters, 0.75)],
    ["squares: tidy, but they cut the cup", "colours: they see the cup, but fall to pieces"],
    columns=2,
)

# %% [markdown]
# The squares are regions, and blind. The clusters see, and each lies scattered all over the image:
# twelve clusters fall into the thousands of separate pieces counted above.
# SLIC takes both ideas at once: k-means on colour *and* position.

# %% [markdown]
# ## Derivation
#
# **The description of a pixel.** Pixel $i$ is a vector of five numbers,
# $[l_i, a_i, b_i, x_i, y_i]$: its colour in CIELAB, where equal distances look about equally different
# to us, and its column $x$ and row $y$. A cluster $k$ has a centre $C_k = [l_k, a_k, b_k, x_k, y_k]$.
#
# **The grid.** An image of $N$ pixels with $K$ superpixels of equal size gives each about $N / K$ pixels:
# a square with side
#
# $$S = \sqrt{N / K}.$$
#
# **The distance** of pixel $i$ to centre $k$. Colour and position have different units. The paper measures both apart,
#
# $$d_c = \sqrt{(l_i - l_k)^2 + (a_i - a_k)^2 + (b_i - b_k)^2}, \qquad
#   d_s = \sqrt{(x_i - x_k)^2 + (y_i - y_k)^2}, \tag{1}$$
#
# and divides each by the largest value it should take inside a superpixel. In space that is $S$.
# In colour it depends on the image, so a constant $m$ stands in:
#
# $$D' = \sqrt{\left(\frac{d_c}{m}\right)^2 + \left(\frac{d_s}{S}\right)^2}. \tag{2}$$
#
# Multiplying by $m$ changes no comparison. What is left is the distance everyone uses:
#
# $$D = \sqrt{d_c^2 + \left(\frac{d_s}{S}\right)^2 m^2}. \tag{3}$$
#
# $m$ is the *compactness*. At $m = 10$, a step of $S$ pixels weighs as much as ten units of CIELAB.
#
# **The update.** With the assignment fixed, choose $C_k$ so that $\sum_{i \in k} D(i, C_k)^2$ is least.
# $D^2$ is a sum of squares, so each coordinate stands alone. For $l$, with $n_k$ pixels in the cluster:
#
# $$\frac{\partial}{\partial l_k} \sum_{i \in k} (l_i - l_k)^2 = -2 \sum_{i \in k} (l_i - l_k) = 0
#   \quad\Longrightarrow\quad l_k = \frac{1}{n_k} \sum_{i \in k} l_i .$$
#
# The factor $m^2 / S^2$ of $x$ and $y$ drops out of the same equation: the best centre is the mean of the
# cluster in all five coordinates. As long as every pixel may choose among all centres, neither step can raise the
# sum: the loop settles.
#
# **The bounded search.** Plain k-means compares every pixel with every centre: $N K$ distances a round.
# A superpixel is about $S$ wide, so SLIC looks only inside a window of $2S \times 2S$ around each centre. This gives
# up the guarantee (a centre may move out of sight of its own pixels), yet ten rounds settle nearly every image.
#
# **Predict.** Into how many windows does a pixel fall, on average? How does the cost grow with $K$?

# %%
state = next(iter(slic_steps(coffee, 250)))  # seeds only, no iteration yet
x, y = state.centers[:, 3].numpy(), state.centers[:, 4].numpy()
height, width = coffee.shape[:2]
windows = np.zeros((height, width), int)
S = state.spacing
for cx, cy in zip(x, y, strict=True):
    windows[max(0, round(cy - S)) : round(cy + S), max(0, round(cx - S)) : round(cx + S)] += 1
print(f"K = {len(x)} centres, S = {S:.1f} pixels")
print(f"a pixel lies in {windows.mean():.1f} windows on average, {windows.max()} at most")
print(f"distances a round: {windows.sum():,} instead of {windows.size * len(x):,}")

# %% [markdown]
# A window covers $4 S^2$ pixels and there is one centre for every $S^2$: about four windows a pixel, a
# little fewer at the image's rim. $K$ has cancelled. SLIC costs $O(N)$, whatever the number of superpixels.

# %% [markdown]
# ## Build it
#
# We write SLIC for a toy image of 24 × 24 pixels and then hold it against the library.
# The toy has a bright disk on a dark ground, and some noise.

# %%
rng = np.random.default_rng(0)
rows, cols = np.mgrid[:24, :24]
disk = (rows - 10) ** 2 + (cols - 13) ** 2 < 50
toy = np.where(disk[..., None], (230, 180, 90), (40, 70, 120)) + rng.normal(0, 8, (24, 24, 3))
toy = toy.clip(0, 255).astype(np.uint8)
lab = rgb_to_lab_array(toy)  # (24, 24, 3)
K, m = 9, 20.0
S = np.sqrt(toy.shape[0] * toy.shape[1] / K)
figure_grid([toy], [f"toy image, S = {S:.0f}"], columns=1, width=3.2)

# %% [markdown]
# **Seeds.** One in the middle of every cell of the grid, then moved to the lowest gradient of its 3 × 3
# neighbourhood. A seed that sits on an edge, or on a noisy pixel, would begin with a colour that belongs
# to nobody. The gradient is the squared central difference, summed over $l$, $a$ and $b$.


# %%
def gradient(lab):
    padded = np.pad(lab, ((1, 1), (1, 1), (0, 0)), mode="edge")
    across = padded[1:-1, 2:] - padded[1:-1, :-2]
    down = padded[2:, 1:-1] - padded[:-2, 1:-1]
    return (across**2).sum(-1) + (down**2).sum(-1)  # (H, W)


def seeds(lab, S):
    g, step, found = gradient(lab), int(S), []
    for top in range(0, lab.shape[0], step):
        for left in range(0, lab.shape[1], step):
            y, x = top + (step - 1) // 2, left + (step - 1) // 2
            near = [(y, x)] + [(y + i, x + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
            y, x = min(near, key=lambda p: g[p])  # of equals the first: the middle itself
            found.append([*lab[y, x], x, y])
    return np.array(found, np.float32)  # (K, 5)


centers = seeds(lab, S)
centers[:, 3:].astype(int).tolist()  # x, y of the nine seeds

# %% [markdown]
# **Assignment.** Every centre offers itself to the pixels of its window; a pixel keeps the nearest.
#
# **Predict.** Why do we store the *squared* distance?


# %%
def assign(lab, centers, S, m):
    best = np.full(lab.shape[:2], np.inf, np.float32)
    labels = np.full(lab.shape[:2], -1)
    y, x = np.mgrid[: lab.shape[0], : lab.shape[1]]
    for k, (l_, a_, b_, cx, cy) in enumerate(centers):
        d_c = ((lab - (l_, a_, b_)) ** 2).sum(-1)  # eq. 1, squared
        d_s = (x - cx) ** 2 + (y - cy) ** 2  # eq. 1, squared
        d = d_c + d_s * (m / S) ** 2  # eq. 3, squared
        window = (abs(x - cx) <= S) & (abs(y - cy) <= S)
        closer = window & (d < best)
        best[closer], labels[closer] = d[closer], k
    return labels


# %% [markdown]
# A square root is monotonic: it changes no comparison, and costs time.
#
# **Update.** Every centre moves to the mean of its pixels. The *residual* $E$ says how far the centres
# moved: the loop may stop once it is small. (The paper sums the L1 distance over all centres. The library
# takes the mean, so that one threshold fits every $K$.)


# %%
def update(lab, labels, centers):
    y, x = np.mgrid[: lab.shape[0], : lab.shape[1]]
    features = np.dstack([lab, x, y])  # (H, W, 5)
    moved = centers.copy()
    for k in range(len(centers)):
        if (labels == k).any():  # a centre without pixels stays where it is
            moved[k] = features[labels == k].mean(0)
    residual = abs(moved - centers)[:, 3:].sum(1).mean()
    return moved, residual


for iteration in range(1, 6):
    labels = assign(lab, centers, S, m)
    centers, E = update(lab, labels, centers)
    print(f"iteration {iteration}: centres moved {E:.3f} pixels on average")

# %% [markdown]
# **Does the library do the same?** `slic_steps` yields the state after seeding and after each iteration.
# We run ours beside it and compare seeds, labels, centres and residual, every time.
#
# (One departure to know of: in the library a pixel asks only the centres seeded in its own and the eight
# neighbouring cells, the same work for each pixel, as a GPU likes it. A centre that has wandered more than a
# cell from home is out of reach there. On the toy none wanders so far.)

# %%
steps = slic_steps(toy, n_segments=K, compactness=m, max_iterations=5)
centers = seeds(lab, S)
assert np.allclose(centers, next(steps).centers.numpy(), atol=1e-3)
for theirs in steps:
    labels = assign(lab, centers, S, m)
    centers, E = update(lab, labels, centers)
    assert (labels == theirs.labels.numpy()).all()
    assert np.allclose(centers, theirs.centers.numpy(), atol=1e-3)
    assert abs(E - theirs.residual) < 1e-4
print(f"seeds, labels, centres and residual agree through iteration {theirs.iteration}")

# %%
trail = [s.centers.numpy() for s in slic_steps(toy, K, m, max_iterations=5)]
figure, axis = plt.subplots(figsize=(4.2, 4.2))
axis.imshow(mark_boundaries(toy.repeat(12, 0).repeat(12, 1), labels.repeat(12, 0).repeat(12, 1)),
            extent=(-0.5, 23.5, 23.5, -0.5))  # fmt: skip
for way in np.stack(trail, 1):  # (K, iterations + 1, 5)
    axis.plot(way[:, 3], way[:, 4], "-", color="white", lw=2)
    axis.plot(*way[-1, 3:], "o", color="#d55e00", ms=7, mec="white")
axis.set(xlabel="x (column)", ylabel="y (row)", title="centres and the way they took")
plt.show()

# %% [markdown]
# ### One thing is missing
#
# Nothing in the loop makes a superpixel *one* region. In texture a cluster can own a pixel that is
# separated from the rest.
#
# **Predict.** Of about 250 clusters on the coffee photograph, into how many connected pieces do they fall?

# %%
loose = slic(coffee, 250, enforce_connectivity=False)
tidy = slic(coffee, 250)
print(f"clusters: {len(np.unique(loose))}, connected pieces: {count_regions(loose)}")
print(f"after the connectivity step: {len(np.unique(tidy))}, pieces: {count_regions(tidy)}")
assert count_regions(tidy) == len(np.unique(tidy)) == tidy.max() + 1

# %%
crop = np.s_[150:290, 250:460]
figure_grid(
    [mark_boundaries(coffee, loose)[crop], mark_boundaries(coffee, tidy)[crop]],
    ["before: crumbs along every edge", "after: one region each"],
    columns=2, width=10,
)  # fmt: skip

# %% [markdown]
# The last step takes the pieces, smallest first, and gives each small one to a neighbour.
#
# **Here we depart from the paper.** The paper gives a crumb to the nearest cluster centre, its authors' code to *any*
# neighbour. The library takes the smallest piece first and joins it to the neighbour where the merged region's colour varies least more: with pieces of
# $n_a$ and $n_b$ pixels and mean colours $\mu_a$ and $\mu_b$, the variation grows by
# $\frac{n_a n_b}{n_a + n_b} \lVert \mu_a - \mu_b \rVert^2$ (Ward, 1963). Larger pieces stay superpixels of their own, and
# it stops when about $K$ regions are left. On BSDS500 that step makes most of the difference between implementations
# of SLIC: the README's table has the figures. `segedu/superpixels/connectivity.py` is the file to read.

# %% [markdown]
# ## On real images
#
# How much of an image survives when each superpixel is painted in its mean colour? *Explained variation*
# measures that without any ground truth: 1 means everything, 0 means no better than one grey for all.
# *Compactness* measures how round the superpixels are; a square has $\pi/4 \approx 0.785$.
# (Recall of true boundaries waits until the next notebook.)
#
# **Predict.** $m$ goes from 2 to 80. Which of the two measures rises, which falls?

# %%
choices = [2, 10, 80]
found = [slic(astronaut, 300, compactness=m) for m in choices]
for m, labels in zip(choices, found, strict=True):
    ev, co = explained_variation(labels, astronaut), compactness(labels)
    print(
        f"m = {m:2d}: {labels.max() + 1} regions, explained variation {ev:.3f}, compactness {co:.3f}"
    )
crop = np.s_[0:300, 90:390]
figure_grid([mark_boundaries(astronaut, labels)[crop] for labels in found],
            [f"compactness m = {m}" for m in choices])  # fmt: skip

# %%
numbers = [25, 50, 100, 200, 400, 800, 1600]
curve = [(slic(astronaut, k), squares(astronaut, round(512 / np.sqrt(k)))) for k in numbers]
figure, axis = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
for which, name, color in ((0, "SLIC, m = 10", "#0072b2"), (1, "squares", "#777777")):
    points = [
        (pair[which].max() + 1, explained_variation(pair[which], astronaut)) for pair in curve
    ]
    axis.plot(*zip(*points, strict=True), "o-", color=color, label=name)
axis.set(xscale="log", xlabel="number of superpixels", ylabel="explained variation", ylim=(0, 1))
axis.grid(alpha=0.3)
axis.legend(loc="lower right")
plt.show()
few, many = curve[2][0], curve[2][1]
print(f"{few.max() + 1} superpixels explain {explained_variation(few, astronaut):.2f},",
      f"{many.max() + 1} squares {explained_variation(many, astronaut):.2f}")  # fmt: skip

# %%
figure_grid(
    [mean_colors(astronaut, slic(astronaut, k)) for k in (50, 200, 800)],
    ["50 superpixels in their mean colour", "200", "800"],
)

# %% [markdown]
# ### Where it fails
#
# Three crops where SLIC goes wrong. Look at each and name the reason before you read on.

# %%
rocket, cat = data.rocket(), data.chelsea()
failures = [
    (astronaut, np.s_[220:340, 340:480], 120, 10.0, "1: black on black"),
    (rocket, np.s_[200:360, 60:220], 150, 10.0, "2: thinner than S"),
    (cat, np.s_[120:280, 20:180], 250, 1.0, "3: texture"),
]
figure_grid(
    [
        mark_boundaries(image, slic(image, K, m))[crop].repeat(2, 0).repeat(2, 1)
        for image, crop, K, m, _ in failures
    ],
    [f"{title} (K = {K}, m = {m:g})" for *_, K, m, title in failures],
)

# %% [markdown]
# 1. **Little contrast.** The spacecraft stands on black, before black: where two things have nearly the same colour, $d_c$ is nearly nothing
#    and the spatial term decides. The stand flows into what is below it, and the borders inside the black are those of a
#    grid. No choice of $m$ finds an edge that the colours do not show.
# 2. **Thin things.** A strut two pixels wide does not fill a superpixel of side $S$: centres are pulled off
#    it, and the sky's superpixels run right across the lattice. More segments help; a smaller $m$ helps a little (set it to 1: the
#    mast's outer posts are followed, its struts are not).
# 3. **Texture.** With a small $m$ each hair is an edge. Regions become long and ragged, and follow fur
#    rather than the cat.
#
# For the third there is **SLICO**, which has no compactness to choose: it divides each $d_c$ by the largest one that
# the superpixel itself had in the last iteration. In fur $d_c$ then counts for less, on smooth skin for more. (SLICO
# is the authors' later code. The paper's own adaptive version, ASLIC, replaces $S$ in the same way too.)

# %%
plain, adaptive = slic(cat, 250, 1.0), slic(cat, 250, slico=True)
print(f"compactness: {compactness(plain):.2f} with m = 1, {compactness(adaptive):.2f} with SLICO")
crop = np.s_[60:280, 20:320]
figure_grid([mark_boundaries(cat, labels)[crop] for labels in (plain, adaptive)],
            ["SLIC, m = 1", "SLICO"], columns=2, width=10)  # fmt: skip

# %% [markdown]
# ## Play
#
# The demo runs `slic_steps`, the code you have just rebuilt. Blue dots are centres and white lines the way
# they have come. The orange square is the search window of one centre: click into the image to choose
# another. Drag the sliders; press play to watch all iterations.
#
# Three questions that only playing answers:
#
# 1. After how many iterations do you no longer see a difference? Does that depend on $K$?
# 2. Choose a centre beside the rim of the saucer and step through the iterations. Where do its pixels
#    come from, and does its window ever cut off pixels that it should have?
# 3. Find the largest $m$ at which the spoon still has an outline. Now double $K$. What happens to
#    that $m$, and why? (Look at eq. 3.)

# %%
slic_stepper(coffee)

# %% [markdown]
# ## Checkpoint
#
# **1.** You run SLIC with the same $m$ on an image and on a copy of twice the width and height, with the
# same $K$. Do the superpixels come out alike?
#
# <details><summary>Answer</summary>
#
# Yes, up to detail that the larger image adds. $d_s$ and $S$ both double, so $d_s / S$ is unchanged, and so
# is $d_c$. That is what dividing by $S$ is for.
# </details>
#
# **2.** Why does SLIC stay $O(N)$ although it has $K$ centres?
#
# <details><summary>Answer</summary>
#
# A window holds about $4S^2 = 4N/K$ pixels. $K$ of them hold $4N$: the cost of a round does not know $K$.
# </details>
#
# **3.** A pixel lies in no window. Can that happen?
#
# <details><summary>Answer</summary>
#
# Yes. When centres wander, they can leave a gap between their windows. Such a pixel has label $-1$ in
# `slic_steps`; the connectivity step gives it to a neighbour.
# </details>
#
# **4.** What becomes of the superpixels as $m \to \infty$?
#
# <details><summary>Answer</summary>
#
# Only $d_s$ counts: each pixel takes the centre nearest in the plane, a Voronoi diagram, and the update makes
# it one of nearly equal cells. You are back at squares.
# </details>

# %% [markdown]
# ## Pitfalls
#
# **Bytes wrap around.** The difference of two `uint8` values is a `uint8`.

# %%
dark, bright = np.uint8([10, 10, 10]), np.uint8([12, 12, 12])
print("10 - 12 in uint8:", (dark - bright).tolist())
print("as it should be: ", (dark.astype(int) - bright).tolist())

# %% [markdown]
# **RGB is not CIELAB.** Two pairs, equally far apart in RGB. In CIELAB, and to the eye, they are not.

# %%
pairs = np.uint8([[[0, 200, 0], [0, 255, 0]], [[0, 0, 60], [0, 0, 115]]])
in_lab = rgb_to_lab_array(pairs)
for name, space in (("RGB", pairs.astype(float)), ("CIELAB", in_lab)):
    print(f"{name}: greens {np.linalg.norm(space[0, 0] - space[0, 1]):.1f},",
          f"blues {np.linalg.norm(space[1, 0] - space[1, 1]):.1f}")  # fmt: skip

# %% [markdown]
# **x is the column.** An array is indexed `[y, x]`, a centre stores `x, y`. On a square image a swap goes
# unnoticed for long; on the coffee photograph it fails at once. Try your code on an oblong image.

# %%
x, y = next(slic_steps(coffee, 20)).centers[-1, 3:].int().tolist()
print("last seed at x, y =", (x, y), "in an image of height, width =", coffee.shape[:2])
try:
    coffee[x, y]
except IndexError as error:
    print("coffee[x, y]:", error)

# %% [markdown]
# **Labels are names, not amounts.** Resizing a label map with interpolation invents labels.

# %%
two = np.array([[0, 9]], np.float32)
print("linear: ", np.unique(ndimage.zoom(two, (1, 4), order=1).round()).astype(int).tolist())
print("nearest:", np.unique(ndimage.zoom(two, (1, 4), order=0)).astype(int).tolist())

# %% [markdown]
# ## Recap
#
# * A pixel is $[l, a, b, x, y]$. SLIC is k-means on these, seeded on a grid, searched in windows of $2S \times 2S$.
# * $D$ weighs colour against position by $m$. Dividing by $S$ makes $m$ independent of $K$ and of the image's size.
# * The update is a mean because $D^2$ is a sum of squares. A round costs $O(N)$.
# * Connectivity is a step of its own, and decides much of the quality.
#
# **To read on**
# * Achanta et al., TPAMI 2012: nine pages. Section 3 is this notebook; section 4 compares the rivals of the next one.
# * Stutz, Hermans, Leibe, *Superpixels: an evaluation of the state of the art*, CVIU 2018: 28 methods measured
#   alike. Read it for how to compare fairly.
# * `segedu/superpixels/slic.py` is the readable version, `slic_kernels.py` the fast one. A test holds them
#   equal, label for label.
#
# **Next:** [its rivals, and how to measure them](02_rivals.ipynb). **Assignment:**
# [`assignments/01_superpixels`](../../assignments/01_superpixels/superpixels.ipynb), exercises 1 to 5.

# %%
print(f"All cells took {time.perf_counter() - start:.0f} s here.")
