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

# %% [markdown] nbgrader={"grade": false, "grade_id": "intro", "locked": true, "schema_version": 3, "solution": false, "task": false, "checksum": "d97fd6d0b1dc071102387cd68f1d2c43", "cell_type": "markdown"} deletable=false editable=false
# # Assignment 1: build SLIC
#
# In this assignment you write SLIC, the superpixel method of Achanta et al. (2012), from its distance to its last clean-up step. Then you write the two numbers that say how good superpixels are. At the end your own functions, one after the other, cut a photograph into superpixels.
#
# | # | exercise | points | minutes |
# |---|---|---|---|
# | 1 | the distance $D$ | 3 | 10 |
# | 2 | seeds on a grid, moved off the edges | 4 | 15 |
# | 3 | assignment: every pixel finds its centre | 5 | 20 |
# | 4 | update and residual | 4 | 15 |
# | 5 | connectivity | 5 | 25 |
# | 6 | boundary recall | 3 | 15 |
# | 7 | undersegmentation error | 3 | 10 |
# |   | **together** | **27** | **110** |
#
# You need NumPy and lecture `01_superpixels/01_slic`.
#
# ## How to work
#
# - Write your code where it says `YOUR CODE HERE`, and take out the `raise NotImplementedError()`. You may add helper functions in the same cell.
# - Run the cell below it. It checks your function on small examples and says what is wrong. When it prints "the visible checks pass", all is well there.
# - In a terminal, `segedu check assignments/01_superpixels/superpixels.ipynb` runs every exercise's cells for you and lists what passes.
# - Your grade comes from *hidden checks*. They call the same functions with other inputs, and with the edge cases that the text names. Each exercise gives part of its points for part of its checks.
# - Write the functions yourself. `segedu.superpixels` and `skimage.segmentation` hold finished versions, and `segedu.drawing` finds boundaries; calling them is not the task, and when your work is graded they are not there. The lectures' cells are short forms of some exercises: read them, close them, and write your own, with the edge cases that they leave out. NumPy, SciPy, OpenCV and PyTorch are welcome. So is a plain loop: no check asks for speed beyond a few seconds.
# - An exercise may call functions from earlier ones. Then a mistake there costs you here too, so get the earlier one right first.
#
# ## Conventions, for all exercises
#
# - An image in CIELAB is an array `lab` of shape `(H, W, 3)` with channels $L, a, b$. Its pixel in row `y` and column `x` is `lab[y, x]`.
# - A centre is a vector $[L, a, b, x, y]$. Mind the order: **arrays are indexed `[y, x]`, points are written $(x, y)$**. `K` centres are an array of shape `(K, 5)`.
# - *Reading order* means row by row from the top, each row from left to right.
# - You get NumPy arrays. You may return NumPy arrays or PyTorch tensors. Where real numbers are asked for, float32 and float64 are both fine; where labels are asked for, any integer type is.
# - **Never change your inputs.** Whoever called you still needs them.
#
# Paper: R. Achanta, A. Shaji, K. Smith, A. Lucchi, P. Fua, S. Süsstrunk, "SLIC Superpixels Compared to State-of-the-Art Superpixel Methods", IEEE TPAMI 34(11), 2012.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false, "checksum": "349b3297aacb5fd09d22117940a10469", "cell_type": "code"} deletable=false editable=false
import numpy as np


# %% nbgrader={"grade": false, "grade_id": "compare", "locked": true, "schema_version": 3, "solution": false, "task": false, "checksum": "9a0679aefb08ff366910cd7e75091be5", "cell_type": "code"} deletable=false editable=false
def compare(name, got, want, why=""):
    """Complain, in words, unless `got` equals `want` up to rounding. For the checks below."""
    assert got is not None, f"{name} is None; did you forget `return`?"
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape, (
        f"{name} has shape {got.shape}; it should have shape {want.shape}. {why}"
    )
    if want.dtype.kind in "iu":
        assert got.dtype.kind in "iu", f"{name} should hold integers; yours holds {got.dtype}."
    wrong = ~np.isclose(got, want, rtol=1e-4, atol=1e-5)
    if wrong.any():
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        place = f" at index {list(first)}" if first else ""
        raise AssertionError(
            f"{name} is {got[first]:.6g}{place}; it should be {want[first]:.6g}. {why}"
        )


# %% [markdown] nbgrader={"grade": false, "grade_id": "text_slic_distance", "locked": true, "schema_version": 3, "solution": false, "task": false, "checksum": "e22a021cbe413637841f1c437d60f4aa", "cell_type": "markdown"} deletable=false editable=false
# ## Exercise 1: the distance $D$ (3 points, about 10 minutes)
#
# SLIC compares a pixel $j$ with a centre $i$ in two ways: by colour, and by place.
#
# $$d_c = \sqrt{(l_j - l_i)^2 + (a_j - a_i)^2 + (b_j - b_i)^2} \qquad d_s = \sqrt{(x_j - x_i)^2 + (y_j - y_i)^2} \tag{1}$$
#
# The two have different units, so they are weighed before they are added:
#
# $$D = \sqrt{d_c^2 + \left(\frac{d_s}{S}\right)^2 m^2} \tag{3}$$
#
# $S$ is the spacing of the grid in pixels. $m$ is the compactness: with a large $m$ place counts more, and superpixels get squarer. (The numbers are the paper's. Its equation 2 is an older form of 3, divided by $m$.)
#
# **Write** `slic_distance(pixels, centers, S, m)`.
#
# - Both arrays end in an axis of length 5, in the order $[L, a, b, x, y]$. The axes before it *broadcast* as NumPy's do: `(5,)` with `(5,)` gives one number; `(N, 1, 5)` with `(1, K, 5)` gives `(N, K)`.
# - *Edge cases.* The distance of a pixel to itself is 0. Inputs may be `uint8`, as OpenCV stores CIELAB. There, `3 - 5` is 254: turn numbers into floats before you subtract.


# %% nbgrader={"grade": false, "grade_id": "slic_distance", "locked": false, "schema_version": 3, "solution": true, "task": false, "checksum": "5b09cc07d47c2468c45423d7f620d4bd", "cell_type": "code"} deletable=false
def slic_distance(pixels, centers, S, m):
    """Distance D between pixels and centres (eq. 3).

    Args:
        pixels: (..., 5), any numeric dtype: [L, a, b, x, y].
        centers: (..., 5), the same; the axes before the last broadcast.
        S: spacing of the grid in pixels, positive.
        m: compactness, positive.

    Returns:
        (...) float, the broadcast shape without the last axis.

    Example:
        >>> pixel, center = np.array([50, 0, 0, 0, 0]), np.array([53, 4, 0, 6, 8])
        >>> float(slic_distance(pixel, center, S=10, m=10))  # d_c = 5, d_s = 10
        11.180339887498949
    """
    # YOUR CODE HERE
    raise NotImplementedError()


# %% nbgrader={"grade": true, "grade_id": "check_slic_distance", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false, "checksum": "2171950a4bd1ce644f4c944f019b6efb", "cell_type": "code"} deletable=false editable=false
_p = np.array([50.0, 10.0, 20.0, 3.0, 4.0])
_q = np.array([53.0, 14.0, 20.0, 9.0, 12.0])  # d_c = 5, d_s = 10

_d = slic_distance(_p, _q, S=10, m=10)
assert _d is not None, "slic_distance returned None; did you forget `return`?"
assert np.ndim(_d) == 0, f"D is one number here, not {np.shape(_d)}; sum over channels and places."
assert not np.isclose(_d, 125), "Your D is squared; take the square root at the end."
assert not np.isclose(_d, 15), "You add d_c and d_s. Equation 3 adds their squares."
compare("D with d_c = 5, d_s = 10, S = 10, m = 10", _d, np.sqrt(125))
compare(
    "D with d_c = 5, d_s = 10, S = 20, m = 10",
    slic_distance(_p, _q, S=20, m=10),
    np.sqrt(50),
    "d_s is divided by S before it is squared.",
)
compare(
    "D with d_c = 5, d_s = 10, S = 10, m = 30",
    slic_distance(_p, _q, S=10, m=30),
    np.sqrt(925),
    "m belongs to the place, not to the colour, and it is squared.",
)
compare("The distance of a pixel to itself", slic_distance(_p, _p, S=10, m=10), 0.0)
_table = slic_distance(np.stack([_p, _q])[:, None], np.stack([_p, _q, _p])[None], S=10, m=10)
_want = np.sqrt(125) * np.array([[0, 1, 0], [1, 0, 1]])
compare("The table of two pixels, three centres", _table, _want, "Sum over the last axis only.")
_small = slic_distance(_p.astype(np.uint8), _q.astype(np.uint8), S=10, m=10)
compare("D of uint8 arrays", _small, np.sqrt(125), "Make floats before you subtract.")
print("Exercise 1: the visible checks pass.")

# %% [markdown] nbgrader={"grade": false, "grade_id": "text_seed_centers", "locked": true, "schema_version": 3, "solution": false, "task": false, "checksum": "9fb399f774cd3e51a4c404360a9d4f20", "cell_type": "markdown"} deletable=false editable=false
# ## Exercise 2: seeds on a grid, moved off the edges (4 points, about 15 minutes)
#
# The centres start on a regular grid with spacing $S$. The first stands at $x = y = \lfloor S/2 \rfloor$; from there on they follow at steps of $S$, as long as they are inside the image. Number them in reading order.
#
# A seed on an edge, or on a noisy pixel, is a bad start. So each seed moves to the pixel with the lowest gradient in its $3 \times 3$ neighbourhood, where the gradient is
#
# $$G(x, y) = \lVert I(x+1, y) - I(x-1, y) \rVert^2 + \lVert I(x, y+1) - I(x, y-1) \rVert^2$$
#
# and $I(x, y)$ is the vector $[L, a, b]$ of that pixel. So $G$ is a *sum of squares*; no square root is taken.
#
# **Write** `squared_gradient(lab)` and `seed_centers(lab, S)`.
#
# - *Border.* A neighbour outside the image counts as the nearest pixel inside. In the first column, $G$ so compares column 1 with column 0.
# - *Seeds near the border.* Of the $3 \times 3$ neighbourhood only the pixels inside the image take part.
# - *Ties.* If the seed's own $G$ is among the lowest, the seed stays. Otherwise it goes to the first of the lowest in reading order.
# - The colour of a centre is that of the pixel where it ends up.
# - All seeds look at the same image: that one has moved does not matter to the others.
# - `lab` may be `uint8` here too. $S$ is an integer, 3 or more, and at least one seed fits.


# %% nbgrader={"grade": false, "grade_id": "seed_centers", "locked": false, "schema_version": 3, "solution": true, "task": false, "checksum": "5592158299fd4e667913e46090f8428d", "cell_type": "code"} deletable=false
def squared_gradient(lab):
    """Squared gradient G of an image.

    Args:
        lab: (H, W, 3), any numeric dtype.

    Returns:
        (H, W) float.

    Example:
        >>> squared_gradient(np.array([[[0, 0, 0], [0, 0, 0], [3, 4, 0]]]))
        array([[ 0., 25., 25.]])
    """
    # YOUR CODE HERE
    raise NotImplementedError()


def seed_centers(lab, S):
    """Centres on a grid, each moved to the lowest gradient of its 3 x 3 neighbourhood.

    Args:
        lab: (H, W, 3), any numeric dtype.
        S: spacing of the grid in pixels, an integer of at least 3.

    Returns:
        (K, 5) float: [L, a, b, x, y], in the reading order of the grid.

    Example:
        >>> seed_centers(np.zeros((4, 8, 3)), S=4)[:, 3:]
        array([[2., 2.],
               [6., 2.]])
    """
    # YOUR CODE HERE
    raise NotImplementedError()


# %% nbgrader={"grade": true, "grade_id": "check_seed_centers", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false, "checksum": "5b78a6508878316ca451f760f493a35a", "cell_type": "code"} deletable=false editable=false
_lab = np.zeros((5, 8, 3))
_lab[:, 3:, 0] = 30.0  # an edge between columns 2 and 3
_g = squared_gradient(_lab)
assert _g is not None, "squared_gradient returned None; did you forget `return`?"
assert np.shape(_g) == (5, 8), (
    f"G of 5 x 8 pixels is (5, 8), not {np.shape(_g)}; sum over channels."
)
assert not np.isclose(_g[2, 2], 30), "G has no square root."
_want = np.zeros((5, 8))
_want[:, 2:4] = 900.0
compare("G of a vertical edge", _g, _want, "Compare the pixel to the right with that to the left.")
_ramp = np.zeros((3, 4, 3))
_ramp[..., 1] = [0, 1, 3, 7]
_want = np.tile([1.0, 9.0, 36.0, 16.0], (3, 1))
compare("G of a ramp", squared_gradient(_ramp), _want, "Outside counts the nearest pixel inside.")
_g8 = squared_gradient(np.swapaxes(_lab, 0, 1)[::-1].astype(np.uint8))
compare("G of a uint8 image", _g8.max(), 900.0, "Make floats before you subtract.")

_flat = seed_centers(np.full((9, 12, 3), 7.0), S=4)
assert _flat is not None, "seed_centers returned None; did you forget `return`?"
_want = [[7.0, 7, 7, x, y] for y in (2, 6) for x in (2, 6, 10)]
compare("Seeds of a flat image", _flat, _want, "Order: [L, a, b, x, y], row by row; none moves.")
compare(
    "The seed beside the edge",
    seed_centers(_lab, S=4)[0],
    [0.0, 0.0, 0.0, 1.0, 1.0],
    "G is 0 in column 1, in rows 1 to 3; the first of these in reading order wins.",
)
compare(
    "The seed that is not beside the edge",
    seed_centers(_lab, S=4)[1],
    [30.0, 0.0, 0.0, 6.0, 2.0],
    "Its own G is 0, so it stays.",
)
print("Exercise 2: the visible checks pass.")

# %% [markdown] nbgrader={"grade": false, "grade_id": "text_assign_pixels", "locked": true, "schema_version": 3, "solution": false, "task": false, "checksum": "4ce3af184e5d10d9951e40b0d257ef8c", "cell_type": "markdown"} deletable=false editable=false
# ## Exercise 3: every pixel finds its centre (5 points, about 20 minutes)
#
# Here is why SLIC is fast. Plain $k$-means compares every pixel with every centre, $N \cdot K$ distances. SLIC lets a centre look only at its own *window* of $2S \times 2S$ pixels around itself. Then a pixel is seen by a handful of centres, whatever $K$ is.
#
# The window of centre $k$ holds the pixels with
#
# $$\lvert x - x_k \rvert \le S \quad\text{and}\quad \lvert y - y_k \rvert \le S .$$
#
# Each pixel gets the label of the centre with the smallest $D$ (equation 3), among the centres whose window holds it.
#
# **Write** `assign_pixels(lab, centers, S, m)`. It returns two arrays: the labels, and the distance of each pixel to its centre.
#
# - *Centres between pixels.* $x_k$ and $y_k$ are means, so seldom integers. With $x_k = 4.5$ and $S = 2$ the window holds the columns 3, 4, 5, 6. The ends count: with $x_k = 4$ it holds 2, 3, 4, 5, 6.
# - *Border.* A window may stick out of the image on any side. In NumPy a negative index counts from the other end; take care that it does not do so here.
# - *Ties.* Of centres at the same distance, the one with the lowest number wins.
# - *Pixels in no window* get the label $-1$ and the distance $\infty$.
#
# Your `slic_distance` may help.


# %% nbgrader={"grade": false, "grade_id": "assign_pixels", "locked": false, "schema_version": 3, "solution": true, "task": false, "checksum": "94050af67bf505896c594a72b5cb9a18", "cell_type": "code"} deletable=false
def assign_pixels(lab, centers, S, m):
    """Give every pixel the nearest centre among those whose window holds it.

    Args:
        lab: (H, W, 3) float.
        centers: (K, 5) float: [L, a, b, x, y]; x and y need not be integers.
        S: spacing of the grid in pixels; a window reaches S to each side.
        m: compactness.

    Returns:
        labels: (H, W) int, in 0 ... K-1, or -1 for a pixel in no window.
        distance: (H, W) float, D to the own centre, or infinity.

    Example:
        >>> assign_pixels(np.zeros((1, 6, 3)), np.array([[0, 0, 0, 1, 0.0]]), S=2, m=10)
        (array([[ 0,  0,  0,  0, -1, -1]]), array([[ 5.,  0.,  5., 10., inf, inf]]))
    """
    # YOUR CODE HERE
    raise NotImplementedError()


# %% nbgrader={"grade": true, "grade_id": "check_assign_pixels", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false, "checksum": "06b565338ee773f86d9687ad08462545", "cell_type": "code"} deletable=false editable=false
_lab = np.zeros((6, 8, 3))
_centers = np.array([[0.0, 0, 0, 1, 2], [0, 0, 0, 5, 2]])
_answer = assign_pixels(_lab, _centers, S=2, m=10)
assert _answer is not None, "assign_pixels returned None; did you forget `return`?"
assert len(_answer) == 2, "Return two arrays: `return labels, distance`."
_labels, _distance = map(np.asarray, _answer)
compare("The label map", _labels.shape, (6, 8), "Labels have the shape of the image.")
assert _labels[2, 3] != 1, "Pixel x = 3 is as near to centre 0 as to centre 1: the lower wins."
assert _labels[2, 3] == 0, "The window of centre x = 1 at S = 2 reaches to x = 3, end included."
assert _labels[5, 1] == -1, "Row 5 lies in no window: |5 - 2| > 2. Its label is -1."
compare("Labels", _labels, [[0] * 4 + [1] * 4] * 5 + [[-1] * 8])
assert np.isposinf(_distance[5]).all(), "A pixel in no window has the distance infinity."
compare("D one pixel right of centre 0", _distance[2, 2], 5.0, "d_s = 1, S = 2, m = 10.")

_row = np.zeros((1, 10, 3))
_labels = assign_pixels(_row, np.array([[0, 0, 0, 4.5, 0.0]]), S=2, m=10)[0]
_want = [[-1, -1, -1, 0, 0, 0, 0, -1, -1, -1]]
compare("Labels around x = 4.5 at S = 2", _labels, _want, "The columns with |x - 4.5| <= 2.")
_labels = assign_pixels(_row, np.array([[0, 0, 0, 0.5, 0.0]]), S=2, m=10)[0]
compare("Labels around x = 0.5 at S = 2", _labels, [[0, 0, 0] + [-1] * 7], "Mind the border.")

_row[0, 5:, 0] = 40.0
_centers = np.array([[0.0, 0, 0, 2, 0], [40, 0, 0, 7, 0]])
_labels = assign_pixels(_row, _centers, S=5, m=10)[0]
compare("Labels beside an edge", _labels, [[0] * 5 + [1] * 5], "Colour counts as well as place.")
print("Exercise 3: the visible checks pass.")

# %% [markdown] nbgrader={"grade": false, "grade_id": "text_update_centers", "locked": true, "schema_version": 3, "solution": false, "task": false, "checksum": "936aedffd7cb0630221eadc7aa4668df", "cell_type": "markdown"} deletable=false editable=false
# ## Exercise 4: update and residual (4 points, about 15 minutes)
#
# After the assignment every centre moves to the mean of its pixels, in all five coordinates:
#
# $$C_k \leftarrow \frac{1}{\lvert s_k \rvert} \sum_{j \in s_k} [l_j, a_j, b_j, x_j, y_j]$$
#
# How far the centres moved says when to stop. We measure it in pixels, as the mean over all $K$ centres:
#
# $$E = \frac{1}{K} \sum_{k} \lvert x_k^\text{new} - x_k \rvert + \lvert y_k^\text{new} - y_k \rvert$$
#
# (The sum has both terms. The paper takes the $L_2$ norm. We follow its first version, of 2010, with the $L_1$ norm, and divide by $K$ so that one threshold serves every $K$.)
#
# **Write** `update_centers(lab, labels, centers)`. It returns the new centres and $E$.
#
# - *A centre without pixels* stays where it is. A mean over nothing would be NaN.
# - *Pixels with the label $-1$* belong to no centre and count nowhere.
# - `centers` is an input: make new centres, do not overwrite the old ones.


# %% nbgrader={"grade": false, "grade_id": "update_centers", "locked": false, "schema_version": 3, "solution": true, "task": false, "checksum": "7522b3734462f75ccaadcdaa3beba9ea", "cell_type": "code"} deletable=false
def update_centers(lab, labels, centers):
    """Move every centre to the mean of its pixels.

    Args:
        lab: (H, W, 3) float.
        labels: (H, W) int, in 0 ... K-1, or -1 for a pixel of no centre.
        centers: (K, 5) float: [L, a, b, x, y], as they were.

    Returns:
        new_centers: (K, 5) float.
        residual: E, a number.

    Example:
        >>> lab = np.zeros((1, 4, 3))
        >>> update_centers(lab, np.array([[0, 0, 0, -1]]), np.array([[5, 0, 0, 3, 0.0]]))
        (array([[0., 0., 0., 1., 0.]]), 2.0)
    """
    # YOUR CODE HERE
    raise NotImplementedError()


# %% nbgrader={"grade": true, "grade_id": "check_update_centers", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false, "checksum": "fb29948e6848ad4886371fefb17f6851", "cell_type": "code"} deletable=false editable=false
_lab = np.zeros((2, 6, 3))
_lab[:, 3:] = [60.0, 6.0, -6.0]
_labels = np.array([[0, 0, 0, 1, 1, -1], [0, 0, 0, 1, 1, -1]])
_centers = np.array([[0.0, 0, 0, 2, 1], [50, 0, 0, 3, 0], [9, 9, 9, 5, 0]])
_before = _centers.copy()
_answer = update_centers(_lab, _labels, _centers)
assert _answer is not None, "update_centers returned None; did you forget `return`?"
assert len(_answer) == 2, "Return the centres and the residual: `return new_centers, residual`."
assert np.array_equal(_centers, _before), "You changed the old centres; work on a copy."
_new = np.asarray(_answer[0])
compare(
    "The new centres' shape", _new.shape, (3, 5), "Return every centre, also one without pixels."
)
assert not np.isnan(_new).any(), "A centre is nan; one without pixels stays where it was."
compare("Centre 0", _new[0], [0, 0, 0, 1, 0.5], "The mean of its six pixels, x before y.")
compare("Centre 1", _new[1], [60, 6, -6, 3.5, 0.5], "Its four pixels; those with -1 are not its.")
compare(
    "Centre 2, which has no pixels", _new[2], [9.0, 9, 9, 5, 0], "Pixels with -1 count nowhere."
)
assert not np.isclose(float(_answer[1]), 2.5), "Divide the residual by K."
compare("E", float(_answer[1]), 2.5 / 3, "The mean over 3 centres of |dx| + |dy|, without colour.")
print("Exercise 4: the visible checks pass.")

# %% [markdown] nbgrader={"grade": false, "grade_id": "text_enforce_connectivity", "locked": true, "schema_version": 3, "solution": false, "task": false, "checksum": "45e62c40577687bdf49fbfac1bb15305", "cell_type": "markdown"} deletable=false editable=false
# ## Exercise 5: connectivity (5 points, about 25 minutes)
#
# Nothing so far keeps a superpixel in one piece: a label may have islands inside another one, or a few stray pixels. SLIC ends by cleaning that up. Papers and libraries do it in slightly different ways. Here is ours, with every tie decided, so that there is one right answer.
#
# **Step 1: split.** Cut the label map into *pieces*: sets of pixels with the same label that hang together through shared sides (4-connected; touching at a corner is not enough). Number the pieces $0, 1, 2, \dots$ in reading order of their first pixel.
#
# **Step 2: merge.** Every piece starts as a *region* of its own, with the piece's number. Visit the numbers $0, 1, 2, \dots$ in turn. When you come to region $r$,
#
# - if it has been joined to another region before, or has `min_size` pixels or more *by now*, go on;
# - if it has no neighbour, go on;
# - else it joins the neighbouring region with which it shares the **longest border**. The length of a border is the number of pairs of pixels, one on each side, that share a side. Of equally long ones it joins the region with the **lowest number**. What it joined keeps its own number and has grown by the pixels of $r$.
#
# **Step 3: number.** Number the regions that are left $0, 1, 2, \dots$ in reading order of their first pixel.
#
# An example with `min_size=3`:
#
#     labels        pieces        merged        result
#     4 4 4 7 7     0 0 0 1 1     0 0 0 1 1     0 0 0 1 1
#     4 9 4 7 7     0 2 0 1 1     0 0 0 1 1     0 0 0 1 1
#     4 4 4 7 4     0 0 0 1 3     0 0 0 1 1     0 0 0 1 1
#     8 8 8 8 8     4 4 4 4 4     4 4 4 4 4     2 2 2 2 2
#
# Piece 2 (the 9) shares four sides with region 0. Piece 3 (the 4 on the right) shares two sides with region 1 and one with region 4, so it joins region 1. That it has the same label as piece 0 does not matter: they do not touch.
#
# **Write** `enforce_connectivity(labels, min_size)`.
#
# - *Labels* may be any integers, with gaps; $-1$ is a label like any other.
# - `min_size=1` only splits and numbers.
# - If the whole image has fewer pixels than `min_size`, one region is left.
#
# A good way in: write step 1 with a flood fill (or `scipy.ndimage.label`, once per label), test it with `min_size=1`, then add step 2.


# %% nbgrader={"grade": false, "grade_id": "enforce_connectivity", "locked": false, "schema_version": 3, "solution": true, "task": false, "checksum": "94d6213953dcc99caf2ba5afd67c959f", "cell_type": "code"} deletable=false
def enforce_connectivity(labels, min_size):
    """Make every label one 4-connected region of at least `min_size` pixels.

    Args:
        labels: (H, W), any integers.
        min_size: pixels; smaller regions join a neighbour, by the rule above.

    Returns:
        (H, W) int, labels 0 ... K-1 in reading order.

    Example:
        >>> enforce_connectivity(np.array([[5, 5, 8, 5, 5]]), min_size=1)
        array([[0, 0, 1, 2, 2]])
        >>> enforce_connectivity(np.array([[5, 5, 8, 5, 5]]), min_size=2)
        array([[0, 0, 0, 1, 1]])
    """
    # YOUR CODE HERE
    raise NotImplementedError()


# %% nbgrader={"grade": true, "grade_id": "check_enforce_connectivity", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false, "checksum": "e5ce98e4923736eed2fe46e105494cfc", "cell_type": "code"} deletable=false editable=false
_labels = np.array([[4, 4, 4, 7, 7], [4, 9, 4, 7, 7], [4, 4, 4, 7, 4], [8, 8, 8, 8, 8]])
_before = _labels.copy()
_split = enforce_connectivity(_labels, min_size=1)
assert np.array_equal(_labels, _before), "You changed `labels`; work on a copy."
_want = [[0, 0, 0, 1, 1], [0, 2, 0, 1, 1], [0, 0, 0, 1, 3], [4, 4, 4, 4, 4]]
compare("The example, only split", _split, _want, "Pieces are numbered by their first pixel.")
_want = [[0, 0, 0, 1, 1]] * 3 + [[2, 2, 2, 2, 2]]
compare("The example with min_size = 3", enforce_connectivity(_labels, min_size=3), _want)
_want = [[0, 1], [2, 3]]
_got = enforce_connectivity(np.array([[1, 2], [2, 1]]), min_size=1)
compare("A chequerboard", _got, _want, "Pixels that touch at a corner are not connected.")
_got = enforce_connectivity(np.array([[3, 3, -1, 5, 5, 5]]), min_size=2)
_want = [[0, 0, 0, 1, 1, 1]]
compare("A pixel between two equal borders", _got, _want, "The lower number wins, not the larger.")
_got = enforce_connectivity(np.array([[1, 2, 2, 3, 3, 3]]), min_size=3)
_want = [[0, 0, 0, 1, 1, 1]]
compare("A region that has grown", _got, _want, "1 joins 2, which then has three pixels: enough.")
_got = enforce_connectivity(np.array([[1, 2], [1, 2]]), min_size=9)
compare("An image below min_size", _got, [[0, 0], [0, 0]], "One region is left.")
print("Exercise 5: the visible checks pass.")

# %% [markdown] nbgrader={"grade": false, "grade_id": "text_boundary_recall", "locked": true, "schema_version": 3, "solution": false, "task": false, "checksum": "52759d7a09f9d5e329c084ab40175eb7", "cell_type": "markdown"} deletable=false editable=false
# ## Exercise 6: boundary recall (3 points, about 15 minutes)
#
# Good superpixels have their borders where objects have theirs. *Boundary recall* asks: of the boundary pixels that a person drew, how many have a superpixel boundary nearby?
#
# - A *boundary pixel* has at least one pixel with another label among its 4 neighbours (above, below, left, right) inside the image. So a border is two pixels wide, one on each side, and the rim of the image is none.
# - *Nearby* means at most `tolerance` rows **and** at most `tolerance` columns away: somewhere in the window of $(2t + 1) \times (2t + 1)$ pixels around it, at $t = 2$ the usual $5 \times 5$.
#
# With $TP$ true boundary pixels that have a superpixel boundary pixel nearby, and $FN$ that have none,
#
# $$\text{BR} = \frac{TP}{TP + FN}$$
#
# **Write** `boundary_recall(labels, truth, tolerance=2)`.
#
# - *A truth without any boundary* (one segment) has a recall of 1: there was nothing to find.
# - `tolerance=0` asks for the very same pixels.


# %% nbgrader={"grade": false, "grade_id": "boundary_recall", "locked": false, "schema_version": 3, "solution": true, "task": false, "checksum": "58425b58a24f510a878e6e14c508ecbd", "cell_type": "code"} deletable=false
def boundary_recall(labels, truth, tolerance=2):
    """Part of the true boundary pixels that have a superpixel boundary pixel nearby.

    Args:
        labels: (H, W) int, superpixels.
        truth: (H, W) int, segments that a person drew.
        tolerance: pixels, an integer of at least 0.

    Returns:
        BR, a number in [0, 1].

    Example:
        >>> truth = np.array([[0, 0, 0, 1, 1, 1]])
        >>> labels = np.array([[0, 1, 1, 1, 1, 1]])
        >>> boundary_recall(labels, truth, tolerance=1)
        0.5
    """

    # YOUR CODE HERE
    raise NotImplementedError()


# %% nbgrader={"grade": true, "grade_id": "check_boundary_recall", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false, "checksum": "75bb679356d76b32b28866c8868da0a3", "cell_type": "code"} deletable=false editable=false
_truth = np.zeros((8, 10), int)
_truth[:, 5:] = 1  # its boundary: columns 4 and 5
_labels = np.zeros((8, 10), int)
_labels[:, 7:] = 1  # its boundary: columns 6 and 7
_same = boundary_recall(_truth, _truth, tolerance=0)
assert _same is not None, "boundary_recall returned None; did you forget `return`?"
compare("BR of the truth itself", float(_same), 1.0)
compare(
    "BR of a border two columns off, at tolerance 0",
    float(boundary_recall(_labels, _truth, tolerance=0)),
    0.0,
)
compare(
    "The same at tolerance 1",
    float(boundary_recall(_labels, _truth, tolerance=1)),
    0.5,
    "Column 5 is one away from column 6; column 4 is two away.",
)
compare("The same at tolerance 2", float(boundary_recall(_labels, _truth)), 1.0)
_quarters = _truth.copy()
_quarters[:4] += 2  # finds the border of the truth, and draws one more
compare(
    "BR of superpixels that draw one border too many",
    float(boundary_recall(_quarters, _truth)),
    1.0,
    "Recall counts true boundary pixels; more superpixel borders do not lower it.",
)
_one = float(boundary_recall(_labels, np.zeros((8, 10), int)))
assert not np.isnan(_one), "Your BR is nan where the truth has no boundary; the course says 1."
compare("BR where the truth has no boundary", _one, 1.0)
_none = float(boundary_recall(np.zeros((8, 10), int), _truth))
compare("BR of one big superpixel", _none, 0.0, "The rim of the image is no boundary.")
print("Exercise 6: the visible checks pass.")

# %% [markdown] nbgrader={"grade": false, "grade_id": "text_undersegmentation_error", "locked": true, "schema_version": 3, "solution": false, "task": false, "checksum": "0b16940f021d842de8e3c8394bca0daf", "cell_type": "markdown"} deletable=false editable=false
# ## Exercise 7: undersegmentation error (3 points, about 10 minutes)
#
# A superpixel that lies across a true border can no longer be put right. The *undersegmentation error* of Neubert and Protzel (2012) counts what leaks. For every true segment $g$ and every superpixel $s$ that meets it, the part inside, $\lvert s \cap g \rvert$, and the part outside, $\lvert s \setminus g \rvert$, are compared, and the smaller one counts:
#
# $$\text{UE} = \frac{1}{N} \sum_{g} \; \sum_{s \,:\, s \cap g \neq \emptyset} \min\bigl(\lvert s \cap g \rvert,\; \lvert s \setminus g \rvert\bigr)$$
#
# $N$ is the number of pixels in the image. Mind the double sum: a superpixel across a border of two segments counts twice, once for each of them.
#
# People leave some pixels without a segment. In `truth` these hold the number `ignore`, and they count nowhere: not as a segment, not as inside or outside, not in $N$.
#
# **Write** `undersegmentation_error(labels, truth, ignore=255)`.
#
# - Labels may be any integers, also negative, with gaps. They may be `uint8`: if you compute with them, beware of overflow.
# - Superpixels that cross no border give 0.


# %% nbgrader={"grade": false, "grade_id": "undersegmentation_error", "locked": false, "schema_version": 3, "solution": true, "task": false, "checksum": "7508ce73c303b5b460a1815ab442068b", "cell_type": "code"} deletable=false
def undersegmentation_error(labels, truth, ignore=255):
    """How far superpixels leak over the borders of true segments.

    Args:
        labels: (H, W) int, superpixels.
        truth: (H, W) int, segments that a person drew.
        ignore: number in `truth` of the pixels that count nowhere; not all pixels hold it.

    Returns:
        UE, a number, 0 or more.

    Example:
        >>> undersegmentation_error(np.array([[1, 1, 1, 2]]), np.array([[5, 6, 6, 6]]))
        0.5
    """
    # YOUR CODE HERE
    raise NotImplementedError()


# %% nbgrader={"grade": true, "grade_id": "check_undersegmentation_error", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false, "checksum": "adeab7936df745cb3cd8b42b1330d112", "cell_type": "code"} deletable=false editable=false
_truth = np.zeros((4, 10), int)
_truth[:, 5:] = 1
_perfect = undersegmentation_error(_truth, _truth)
assert _perfect is not None, "undersegmentation_error returned None; did you forget `return`?"
compare("UE of the truth itself", float(_perfect), 0.0)
_fine = np.arange(40).reshape(4, 10)
compare("UE of single pixels", float(undersegmentation_error(_fine, _truth)), 0.0)
_labels = np.zeros((4, 10), int)
_labels[:, 6:] = 1  # superpixel 0 leaks over the border by one column, 4 pixels
_ue = float(undersegmentation_error(_labels, _truth))
assert not np.isclose(_ue, 0.1), "The leak counts for both segments: 4 + 4 pixels of 40."
compare("UE of a leak of 4 pixels of 40", _ue, 0.2, "For each g the smaller part of s counts.")
_two = float(undersegmentation_error(np.array([[1, 1, 1, 1]]), np.array([[1, 1, 2, 3]])))
compare("UE of one superpixel on segments of 2, 1, 1 pixels", _two, 1.0, "(2 + 1 + 1) / 4.")
_names = float(undersegmentation_error(_labels * 70 - 3, _truth * -9))
compare("UE after other names for the labels", _names, 0.2, "Any integers may be labels.")
_part = _truth.copy()
_part[:, 8:] = 255  # all within superpixel 1
compare(
    "UE of the same leak with 8 pixels without a segment",
    float(undersegmentation_error(_labels, _part)),
    0.25,
    "Pixels that hold 255 in the truth count nowhere: 4 + 4 pixels of 32.",
)
print("Exercise 7: the visible checks pass.")

# %% [markdown] nbgrader={"grade": false, "grade_id": "text_look", "locked": true, "schema_version": 3, "solution": false, "task": false, "checksum": "0790a5f84a199a5aabb7cee4ec41ae1c", "cell_type": "markdown"} deletable=false editable=false
# ## Your SLIC at work
#
# No points here: run the cell and enjoy it. It chains your functions on a photograph, 256 × 256 pixels, with about 256 superpixels, and may take some seconds. Then play. What does `m = 2` do? What does `m = 40`? What becomes of the boundary recall, and of the undersegmentation error, when `S` goes from 16 to 8?

# %% nbgrader={"grade": false, "grade_id": "look", "locked": true, "schema_version": 3, "solution": false, "task": false, "checksum": "c727bb6c926f9a591f91a7aa9bb8dee4", "cell_type": "code"} deletable=false editable=false
from segedu.data import load_photograph
from segedu.drawing import figure_grid, mark_boundaries, mean_colors
from segedu.images import rgb_to_lab_array

photograph = load_photograph("astronaut")
image, truth = photograph.image[::2, ::2], photograph.segment_ids[::2, ::2]
lab = rgb_to_lab_array(image)

S, m = 16, 10
centers = np.asarray(seed_centers(lab, S))
moves = []
for iteration in range(10):
    labels = np.asarray(assign_pixels(lab, centers, S, m)[0])
    if iteration == 0:
        first = labels
    centers, residual = update_centers(lab, labels, centers)
    centers = np.asarray(centers)
    moves.append(float(residual))
superpixels = np.asarray(enforce_connectivity(labels, min_size=S * S // 4))

recall = float(boundary_recall(superpixels, truth))
error = float(undersegmentation_error(superpixels, truth))
print(f"{len(centers)} centres, {superpixels.max() + 1} superpixels")
print("E after each iteration:", ", ".join(f"{move:.2f}" for move in moves))
print(f"boundary recall {recall:.3f}, undersegmentation error {error:.3f}")
figure_grid(
    [
        image,
        mark_boundaries(image, first),
        mark_boundaries(image, labels),
        mark_boundaries(image, superpixels),
        mean_colors(image, superpixels),
        mark_boundaries(image, truth),
    ],
    [
        "the photograph",
        "after 1 iteration",
        f"after {len(moves)}",
        "connected",
        "each in its mean colour",
        "the segments a person drew",
    ],
)
