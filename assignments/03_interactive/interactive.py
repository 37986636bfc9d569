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

# %% [markdown] nbgrader={"grade": false, "grade_id": "intro", "locked": true, "schema_version": 3, "solution": false, "task": false, "checksum": "a54ded882194125639f7e1edeb927265", "cell_type": "markdown"} deletable=false editable=false
# # Assignment 3: clicks in, objects out
#
# An interactive method is a loop: somebody clicks, a network sees the click, answers with a mask, and somebody clicks where the mask is wrong. In this assignment you write all parts of that loop that are not layers of a network: how a click becomes something that a network can see, the loss that such networks are trained with, the close-up look at a small object, how sure a mask is of itself, and the robot that clicks in place of a person, by which the whole field compares itself. At the end your robot takes on GrabCut on photographs.
#
# | # | exercise | from | points | minutes |
# |---|---|---|---|---|
# | 1 | clicks as disks | RITM | 3 | 10 |
# | 2 | the stability score | Segment Anything | 3 | 10 |
# | 3 | where the robot clicks next | Latent Diversity, RITM | 5 | 20 |
# | 4 | IoU with ignored pixels, and the number of clicks | GrabCut, RITM | 4 | 15 |
# | 5 | Zoom-In: the box, and pasting back | f-BRS | 5 | 25 |
# | 6 | normalised focal loss | AdaptIS, RITM | 4 | 20 |
# | 7 | points as Fourier features | Segment Anything | 3 | 15 |
# |   | **together** | | **27** | **115** |
#
# You need NumPy, a little PyTorch, and the lectures of `03_interactive`. The exercises do not build on one another: if you are stuck, go on.
#
# ## How to work
#
# - Write your code where it says `YOUR CODE HERE`, and take out the `raise NotImplementedError()`. You may add helper functions in the same cell.
# - Run the cell below it. It checks your function on small examples and says what is wrong. When it prints "the visible checks pass", all is well there.
# - In a terminal, `segedu check assignments/03_interactive/interactive.ipynb` runs every exercise's cells for you and lists what passes.
# - Your grade comes from *hidden checks*. They call the same functions with other inputs, and with the edge cases that the text names. Each exercise gives part of its points for part of its checks.
# - Write the functions yourself. Finished versions are not the task, and when your work is graded they are not there: `segedu.interactive`, `segedu.losses` and what is built on them, `segment_anything`, `transformers`, `torchmetrics`, `sklearn.metrics`. The lectures' cells are short forms of some exercises: read them, close them, and write your own, with the edge cases that they leave out. All else of NumPy, SciPy, OpenCV and PyTorch is welcome; a distance transform, for one, you need not write. So is a plain loop: no check asks for speed beyond a few seconds.
#
# ## Conventions, for all exercises
#
# - A mask is `(H, W)`, `bool`; the pixel in row `y` and column `x` is `mask[y, x]`.
# - Clicks are an array `(N, 3)`, one row `x, y, label` a click: **column first**, counted from 0 at the *centre* of the first pixel, and the label 1 for a positive click ("this belongs to the object"), 0 for a negative one ("this does not"), -1 for *no click at all*. Networks take clicks in batches, and not every image of a batch has as many; a row with label -1 only fills up, and its `x, y` mean nothing.
# - Exercises 1 to 5 give you NumPy arrays, exercises 6 and 7 PyTorch tensors. Except in exercise 6 you may always return either.
# - Where real numbers are asked for, float32 and float64 are both fine; where whole numbers are, any integer type is.
# - **Never change your inputs.** Whoever called you still needs them.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false, "checksum": "f5bcc740f2b5d17b3d23762bd3c363d2", "cell_type": "code"} deletable=false editable=false
import numpy as np
import torch
import torch.nn.functional as F


# %% nbgrader={"grade": false, "grade_id": "compare", "locked": true, "schema_version": 3, "solution": false, "task": false, "checksum": "32901d2f44552694c9afeb5b43a6f62b", "cell_type": "code"} deletable=false editable=false
def compare(name, got, want, why=""):
    """Complain, in words, unless `got` equals `want` up to rounding. For the checks below."""
    assert got is not None, f"{name} is None; did you forget `return`?"
    got, want = (a.detach().numpy() if torch.is_tensor(a) else np.asarray(a) for a in (got, want))
    assert got.shape == want.shape, (
        f"{name} has shape {got.shape}; it should have shape {want.shape}. {why}"
    )
    wrong = ~np.isclose(got, want, rtol=1e-4, atol=1e-5, equal_nan=True)
    if wrong.any():
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        place = f" at index {list(first)}" if first else ""
        raise AssertionError(
            f"{name} is {got[first]:.6g}{place}; it should be {want[first]:.6g}. {why}"
        )


# %% [markdown] nbgrader={"grade": false, "grade_id": "text_disk_maps", "locked": true, "schema_version": 3, "solution": false, "task": false, "checksum": "3e89f8fb2fec52e450dd9fcf5a0a1a15", "cell_type": "markdown"} deletable=false editable=false
# ## Exercise 1: clicks as disks (3 points, about 10 minutes)
#
# A network of convolutions takes images, not lists of points. So clicks become images: two maps as large as the photograph, one for positive and one for negative clicks, which the network gets beside the colours. RITM found that what they show matters: distances to the clicks change everywhere in the image with every new click, *disks of a fixed radius* only where it was. Disks did better.
#
# $$\text{map}_s[y, x] = \begin{cases} 1 & \text{if some click } (x_k, y_k) \text{ with label } s \text{ has } (x - x_k)^2 + (y - y_k)^2 \le r^2 \\ 0 & \text{else} \end{cases}$$
#
# The **first** map is that of the positive clicks ($s = 1$), the second that of the negative ones ($s = 0$).
#
# **Write** `disk_maps(clicks, height, width, radius=5)`.
#
# - *Overlapping disks* do not add up: the maps hold 0 and 1.
# - *Clicks at the border*, or beyond it (after Zoom-In, exercise 5, a click may lie outside what is seen): of a disk the map shows the part that lies inside. It does not come in again on the other side.
# - *Clicks between pixels*, such as $(3.5, 2)$: the same formula holds; nothing is rounded.
# - *No click*: rows with label -1 leave no disk. With no click at all, also with an array of shape `(0, 3)`, both maps are 0.


# %% nbgrader={"grade": false, "grade_id": "disk_maps", "locked": false, "schema_version": 3, "solution": true, "task": false, "checksum": "1a058993710cdb61dc8c09f786f05bb8", "cell_type": "code"} deletable=false
def disk_maps(clicks, height, width, radius=5):
    """Draw clicks as disks.

    Args:
        clicks: (N, 3) float, rows x, y, label: 1 positive, 0 negative, -1 none.
        height: H.
        width: W.
        radius: r in pixels; a pixel just that far away belongs to the disk.

    Returns:
        (2, H, W) float, 0 or 1: positive clicks, then negative ones.

    Example:
        >>> disk_maps(np.array([[0.0, 0, 1], [3, 1, 0]]), height=2, width=4, radius=1)[0]
        array([[1., 1., 0., 0.],
               [1., 0., 0., 0.]])
    """
    # YOUR CODE HERE
    raise NotImplementedError()


# %% nbgrader={"grade": true, "grade_id": "check_disk_maps", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false, "checksum": "d4c8702e39ad2e525eadb4d412985ed5", "cell_type": "code"} deletable=false editable=false
_maps = disk_maps(np.array([[2.0, 1, 1], [6, 2, 0]]), height=4, width=8, radius=1)
assert _maps is not None, "disk_maps returned None; did you forget `return`?"
compare("The shape of the maps", np.shape(_maps), (2, 4, 8), "(2, H, W)")
_maps = np.asarray(_maps, float)
assert _maps[0].sum() > 0, "No disk in the first map: it shows the clicks with label 1."
assert not (_maps[0, 2, 6] and _maps[1, 1, 2]), "You draw the negative clicks first."
assert _maps[0, 1, 2], "The click (2, 1) is in column 2 and row 1: maps[0, 1, 2]."
assert not _maps[0, 0, 1], "(1, 0) is farther than 1 from (2, 1): a disk, not a square."
_want = np.zeros((2, 4, 8))
_want[0, 1, 1:4] = _want[0, 0:3, 2] = _want[1, 2, 5:8] = _want[1, 1:4, 6] = 1
compare("Two disks of radius 1", _maps, _want, "A pixel just r away belongs to the disk.")
_five = np.asarray(disk_maps(np.array([[6.0, 6, 1]]), height=13, width=13), float)[0]
assert _five[2, 3] and _five[6, 1], "At radius 5, pixels 3 to the side and 4 up are just in."
compare("The number of pixels of a disk of radius 5", _five.sum(), 81)
_twice = disk_maps(np.array([[1.0, 0, 1], [2, 0, 1]]), height=1, width=5, radius=1)
compare("Two disks that overlap", _twice, [[[1.0, 1, 1, 1, 0]], [[0] * 5]], "0 or 1, no sums.")
_edge = disk_maps(np.array([[0.0, 0, 0], [-1, 1, 0]]), height=2, width=4, radius=1)
compare("Disks at the border", _edge, [[[0.0] * 4] * 2, [[1, 1, 0, 0], [1, 0, 0, 0]]])
_half = disk_maps(np.array([[1.5, 0, 1]]), height=1, width=5, radius=1)
compare("A click at x = 1.5", np.asarray(_half)[0], [[0.0, 1, 1, 0, 0]], "Nothing is rounded.")
_none = disk_maps(np.array([[1.0, 0, -1]]), height=1, width=3, radius=1)
compare("A row with label -1", _none, np.zeros((2, 1, 3)), "Label -1 is no click.")
compare("No click", disk_maps(np.zeros((0, 3)), height=2, width=3), np.zeros((2, 2, 3)))
print("Exercise 1: the visible checks pass.")

# %% [markdown] nbgrader={"grade": false, "grade_id": "text_stability_score", "locked": true, "schema_version": 3, "solution": false, "task": false, "checksum": "152239a33889e8c474fee120a5013a4a", "cell_type": "markdown"} deletable=false editable=false
# ## Exercise 2: the stability score (3 points, about 10 minutes)
#
# In everything mode Segment Anything makes thousands of masks and must throw most of them away, without any truth to compare them with. One test asks: *would the mask be another one had we cut the logits a little higher or lower?* A mask with sharp borders would not. Cut at $t + \delta$ and at $t - \delta$, and take the IoU of both:
#
# $$\text{stability} = \text{IoU}\bigl(\{\ell > t + \delta\},\ \{\ell > t - \delta\}\bigr)$$
#
# with $\ell$ the logits of the mask. One of the two lies within the other, which makes their IoU simple.
#
# **Write** `stability_score(logits, threshold=0.0, offset=1.0)` for a batch of masks, each with its own score.
#
# - *Cuts* are strict: a pixel with $\ell = t - \delta$ does not belong to the larger mask.
# - *Nothing there*: where both masks are empty, the score is `nan`. (Every comparison with `nan` is false, so such a mask is never "stable enough". Nothing better can be said of it.)


# %% nbgrader={"grade": false, "grade_id": "stability_score", "locked": false, "schema_version": 3, "solution": true, "task": false, "checksum": "161ee6040fcd392966aeacad8c1a6e2e", "cell_type": "code"} deletable=false
def stability_score(logits, threshold=0.0, offset=1.0):
    """IoU of each mask cut a little higher and a little lower.

    Args:
        logits: (N, H, W) float.
        threshold: t.
        offset: delta, more than 0.

    Returns:
        (N,) float in [0, 1], or nan where both masks are empty.

    Example:
        >>> stability_score(np.array([[[3.0, 0.5, -0.5, -3.0]]]))  # 1 pixel of 3
        array([0.33333333])
    """
    # YOUR CODE HERE
    raise NotImplementedError()


# %% nbgrader={"grade": true, "grade_id": "check_stability_score", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false, "checksum": "0abe4c4e519fab9cc7153938f82e7d13", "cell_type": "code"} deletable=false editable=false
_logits = np.array(
    [[[4.0, 2, 1.5, 0.5], [-0.5, -0.7, -2, -4]], [[9.0, 9, 9, 0.2], [-9, -9, -9, -9]]]
)
_score = stability_score(_logits)
assert _score is not None, "stability_score returned None; did you forget `return`?"
compare("The shape of the scores", np.shape(_score), (2,), "Each mask has its own score.")
assert np.asarray(_score)[0] <= 1, "Your scores exceed 1: the smaller mask goes on top."
_why = "3 pixels lie above 1, and 6 above -1; then 3 and 4."
compare("The scores of two masks", _score, [0.5, 0.75], _why)
_moved = stability_score(_logits, threshold=1.0, offset=0.6)
compare("The scores at t = 1, delta = 0.6", _moved, [2 / 4, 1.0], "Cut at 1.6 and at 0.4.")
_strict = stability_score(np.array([[[2.0, 1.0, 0.0, -1.0]]]))
compare("The score of logits 2, 1, 0, -1", _strict, [1 / 3], "Cuts are strict: above 1, above -1.")
_none = np.asarray(stability_score(np.full((1, 2, 2), -7.0)), float)
assert np.isnan(_none).all(), f"The score of an empty mask is {_none[0]:g}; the course says nan."
compare("The score of a mask that vanishes", stability_score(np.zeros((1, 2, 2))), [0.0])
print("Exercise 2: the visible checks pass.")

# %% [markdown] nbgrader={"grade": false, "grade_id": "text_next_click", "locked": true, "schema_version": 3, "solution": false, "task": false, "checksum": "a5064f4fad6c40b7efba1b0d080494fd", "cell_type": "markdown"} deletable=false editable=false
# ## Exercise 3: where the robot clicks next (5 points, about 20 minutes)
#
# Nobody can ask a person to click on ten thousand objects for every new method. The field has agreed on a robot. It knows the truth, looks at the mask so far, and clicks where the worst error is.
#
# There are two kinds of errors: pixels of the object that are *missing* (truth, but not mask), and pixels of the background that are *covered* (mask, but not truth). How deep a pixel lies in an error is its **distance to the nearest pixel that is not in this error**, Euclidean, from centre to centre; so at the rim of an error it is 1. Beyond the frame of the image nothing is an error: imagine one more row or column there on each side. `scipy.ndimage.distance_transform_edt` and `cv2.distanceTransform` measure such distances (OpenCV with `cv2.DIST_MASK_PRECISE`; its masks of 3 and 5 pixels only approximate them); neither of them knows about the frame.
#
# The robot clicks on a pixel that lies **deepest** of all. If it is missing, the click is positive; if it is covered, negative. (Papers say "in the largest error region". What all of their code compares is this depth, not the area: a thin error can be long, and nobody sees it.)
#
# **Write** `next_click(mask, truth, ignored=None)`.
#
# - *Ties.* If missing and covered pixels lie equally deep, the click is **negative**. Of several equally deep pixels of that kind, any will do.
# - *Ignored pixels* (`ignored`, a mask, or None) are never wrong, whatever the mask says there. So they are not in the error: distances end at them.
# - *Nothing wrong*: return None.


# %% nbgrader={"grade": false, "grade_id": "next_click", "locked": false, "schema_version": 3, "solution": true, "task": false, "checksum": "f00eda7d4a6d1851761ad401fdee720e", "cell_type": "code"} deletable=false
def next_click(mask, truth, ignored=None):
    """The robot's next click.

    Args:
        mask: (H, W) bool, the answer so far.
        truth: (H, W) bool, the object.
        ignored: (H, W) bool, pixels that do not count; None: all count.

    Returns:
        (x, y, label): column, row, and 1 for a positive or 0 for a negative click; or None.

    Example:
        >>> truth = np.array([[0, 0, 1, 1, 1, 0]] * 3, bool)
        >>> next_click(np.zeros((3, 6), bool), truth)
        (3, 1, 1)
    """
    # YOUR CODE HERE
    raise NotImplementedError()


# %% nbgrader={"grade": true, "grade_id": "check_next_click", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false, "checksum": "d8c6e66362c4d7a21ac97e577f587167", "cell_type": "code"} deletable=false editable=false
_truth, _empty = np.zeros((7, 12), bool), np.zeros((7, 12), bool)
_truth[1:6, 2:7] = True
_click = next_click(_empty, _truth)
assert _click is not None, "next_click returned None, but there are errors; did you `return`?"
assert len(_click) == 3, "Return three numbers: x, y, label."
assert all(np.ndim(v) == 0 for v in _click), (
    "x, y and label are numbers, not arrays: take one pixel."
)
assert _click[2] != 0, "All of the object is missing: the click is positive, its label 1."
assert tuple(_click[:2]) != (3, 4), "You return row, column; x is the column, y the row."
compare("The click into a missing square", _click, (4, 3, 1), "The middle of rows 1 to 5.")
compare("The click into a covered square", next_click(_truth, _empty), (4, 3, 0))
_all = np.ones((5, 5), bool)
_why = "Beyond the frame nothing is an error: pad before you measure."
compare("The click where all is missing", next_click(~_all, _all), (2, 2, 1), _why)
_long = np.zeros((7, 12), bool)
_long[0, :] = _long[:, 11] = _long[6, :] = True  # 29 pixels, one pixel thick
_why = "25 missing pixels are 3 deep, 29 covered ones 1: depth counts, not area."
compare("The click beside a long thin error", next_click(_long, _truth), (4, 3, 1), _why)
_two = np.zeros((5, 11), bool)
_two[1:4, 1:4] = True
_tie = next_click(_two, _two[:, ::-1].copy())
compare("The click between equal errors", _tie, (2, 2, 0), "In a tie the click is negative.")
_wide, _void = np.zeros((2, 7, 12), bool)
_wide[1:6, 1:10] = True
_void[:, 3] = True
_click = next_click(_empty, _wide, _void)
assert not _void[_click[1], _click[0]], "You click on an ignored pixel."
assert tuple(_click) in ((6, 3, 1), (7, 3, 1)), (
    f"Column 3 is ignored, so what is missing are columns 1, 2 and 4 to 9, rows 1 to 5. "
    f"Deepest lie (6, 3) and (7, 3); you click on {tuple(int(n) for n in _click)}."
)
_bent = np.zeros((9, 12), bool)  # an L whose bend is thicker than its arms
_bent[1:6, 1:6] = _bent[1:4, 6:11] = _bent[6:8, 1:4] = True
_why = "The deepest pixel of an L is in its bend, not at its centre of mass."
compare("The click into an L", next_click(np.zeros_like(_bent), _bent), (3, 3, 1), _why)
_slope = np.add.outer(abs(np.arange(13) - 6), abs(np.arange(30) - 6)) <= 5  # depth sqrt(18)
_slope[1:8, 18:27] = True  # a block, depth 4
_why = "The diamond is 4.24 deep, the block 4: distances are Euclidean."
compare("The click into a diamond", next_click(np.zeros_like(_slope), _slope), (6, 6, 1), _why)
assert next_click(_truth, _truth) is None, "Nothing is wrong: return None."
print("Exercise 3: the visible checks pass.")

# %% [markdown] nbgrader={"grade": false, "grade_id": "text_noc", "locked": true, "schema_version": 3, "solution": false, "task": false, "checksum": "17cf9db72ea9a8c81673b83fbe50ee63", "cell_type": "markdown"} deletable=false editable=false
# ## Exercise 4: IoU with ignored pixels, and the number of clicks (4 points, about 15 minutes)
#
# How good a mask is says the IoU of mask and truth. Some data sets have pixels of which nobody can say whether they belong to the object: hair, a blurred border. Such *ignored* pixels count neither in the intersection nor in the union.
#
# How good a *method* is says the **number of clicks**, NoC: how often must the robot click until the IoU is at least 0.85, or 0.9? For each object of a data set you have the list of IoUs after the first click, the second, and so on. NoC@85 is the mean over objects of the number of the *first* click after which the IoU is **at least** 0.85.
#
# Some objects are never reached. The robot stops after 20 clicks, and such an object counts with just these 20 (so a poor method looks better than it is), but is reported as a *failure*.
#
# **Write** `iou(mask, truth, ignored=None)`, and `noc(curves, threshold, max_clicks=20)`, which returns the pair (NoC, number of failures).
#
# - *Empty.* If neither mask nor truth has a pixel that counts, the IoU is 1: they agree.
# - *Once is enough.* Later clicks may make a mask worse. What counts is when the threshold was reached first.
# - *Long lists.* What comes after the first `max_clicks` clicks does not count.
# - *Short lists.* A robot that found nothing more to click on may have stopped early. An object that was not reached counts with `max_clicks` all the same.
# - *At the last click.* An object that is reached with click 20 counts 20, and is no failure.


# %% nbgrader={"grade": false, "grade_id": "noc", "locked": false, "schema_version": 3, "solution": true, "task": false, "checksum": "278f70e4ce479bb1b49d2e4fae0a98df", "cell_type": "code"} deletable=false
def iou(mask, truth, ignored=None):
    """Intersection over union of two masks.

    Args:
        mask: (H, W) bool.
        truth: (H, W) bool.
        ignored: (H, W) bool, pixels that do not count; None: all count.

    Returns:
        A number in [0, 1].

    Example:
        >>> float(iou(np.array([[True, True, False]]), np.array([[False, True, True]])))
        0.3333333333333333
    """
    # YOUR CODE HERE
    raise NotImplementedError()


def noc(curves, threshold, max_clicks=20):
    """Number of clicks.

    Args:
        curves: a list with a list of numbers for each object: the IoU after each click.
        threshold: the IoU that is to be reached.
        max_clicks: so often the robot clicks at most.

    Returns:
        (NoC, failures): the mean over objects, a float, and how many were never reached, an int.

    Example:
        >>> noc([[0.5, 0.8, 0.9], [0.9, 0.7], [0.1, 0.2]], threshold=0.85)  # 3, 1, and 20
        (8.0, 1)
    """
    # YOUR CODE HERE
    raise NotImplementedError()


# %% nbgrader={"grade": true, "grade_id": "check_noc", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false, "checksum": "6d67669dbfda16b91ea220680d338c0f", "cell_type": "code"} deletable=false editable=false
_mask = np.array([[1, 1, 1, 0, 0, 0]], bool)
_truth = np.array([[0, 1, 1, 1, 1, 0]], bool)
_iou = iou(_mask, _truth)
assert _iou is not None, "iou returned None; did you forget `return`?"
assert not np.isclose(float(_iou), 4 / 7), "That is Dice; the IoU divides by the union, 5 pixels."
compare("The IoU", float(_iou), 2 / 5, "2 pixels of 5.")
_void = np.array([[1, 1, 0, 0, 0, 1]], bool)
_why = "Ignored pixels count neither in the intersection nor in the union."
compare("The IoU with ignored pixels", float(iou(_mask, _truth, _void)), 1 / 3, _why)
_none = float(iou(_mask & ~_mask, _mask & ~_mask))
assert _none == 1, f"The IoU of two empty masks is {_none:g}; the course defines it as 1."

_result = noc([[0.5, 0.8, 0.9], [0.95, 0.97]], threshold=0.85)
assert _result is not None, "noc returned None; did you forget `return`?"
assert np.shape(_result) == (2,), "noc returns two numbers: the mean, and how many failed."
assert not np.isclose(_result[0], 1), "The first click is number 1, not 0."
compare("NoC and failures of two objects", _result, (2.0, 0), "Clicks 3 and 1.")
_exact = noc([[0.2, 0.85, 0.9]], threshold=0.85)
compare("NoC of 0.2, 0.85, 0.9", _exact, (2.0, 0), "0.85 is at least 0.85.")
_worse = noc([[0.2, 0.9, 0.4, 0.95]], threshold=0.85)
compare("NoC of 0.2, 0.9, 0.4, 0.95", _worse, (2.0, 0), "The first time counts.")
_never = noc([[0.9], [0.1] * 20], threshold=0.85)
compare("NoC of an object that fails", _never, (10.5, 1), "It counts as 20, and as a failure.")
_short = noc([[0.1, 0.2, 0.3]], threshold=0.85)
compare("NoC where the robot stopped early", _short, (20.0, 1), "Not reached: it counts as 20.")
_long = noc([[0.1] * 5 + [0.9]], threshold=0.85, max_clicks=5)
compare("NoC of an object reached too late", _long, (5.0, 1), "Only the first 5 clicks count.")
_last = noc([[0.1] * 4 + [0.9]], threshold=0.85, max_clicks=5)
compare("NoC of an object reached at the last click", _last, (5.0, 0), "That is no failure.")
print("Exercise 4: the visible checks pass.")

# %% [markdown] nbgrader={"grade": false, "grade_id": "text_zoom_in", "locked": true, "schema_version": 3, "solution": false, "task": false, "checksum": "b60f398ca7d6ec8f69d63bd74109eea3", "cell_type": "markdown"} deletable=false editable=false
# ## Exercise 5: Zoom-In, the box and pasting back (5 points, about 25 minutes)
#
# A network sees images of a few hundred pixels. A bird in the sky is ten of them. Zoom-In lets any click method look closely: after the first click it takes the box around the mask so far, wider by 40 %, cuts that out, enlarges it, asks the method again, and pastes the answer back.
#
# **The box.** Along each axis, rows and columns alike and each by itself: let $a$ be the first and $b$ the last row that the mask *or a positive click* reaches. (The user says that there is more of the object: look there, too.) A click counts as the pixel that it is in; here all clicks lie at whole numbers. With the expansion $e$ and the smallest size $s$,
#
# $$h = \tfrac12 \max\bigl(e \,(b - a + 1),\; s\bigr) \qquad c = \tfrac12 (a + b)$$
#
# $$\text{top} = \max\bigl(0,\ \text{round}(c - h)\bigr) \qquad \text{bottom} = \min\bigl(H - 1,\ \text{round}(c + h)\bigr)$$
#
# Both ends **belong to the box**: it has bottom − top + 1 rows. Round as Python's `round` and `np.round` do (halves to the even neighbour). What the frame cuts off is lost; the box is not moved instead.
#
# **Pasting back.** The answer for the box, probabilities of some other size, is resized to the size of the box, bilinearly and *corners upon corners* (`F.interpolate(..., mode="bilinear", align_corners=True)`), and put in its place. Outside the box the probability is 0.
#
# **Write** `zoom_box(mask, clicks, expansion=1.4, min_size=200)` and `paste_back(answer, box, height, width)`.
#
# - *Negative clicks*, and rows with label -1, do not widen the box.
# - *Empty mask*: there is nothing to look at closely, whatever the clicks. Return None.


# %% nbgrader={"grade": false, "grade_id": "zoom_in", "locked": false, "schema_version": 3, "solution": true, "task": false, "checksum": "777ac3f50938ca8c8a04b00c8c0ec8b1", "cell_type": "code"} deletable=false
def zoom_box(mask, clicks, expansion=1.4, min_size=200):
    """Where to look closely.

    Args:
        mask: (H, W) bool, the answer so far.
        clicks: (N, 3) float, rows x, y, label, at whole numbers inside the image.
        expansion: e, how many times as wide and high as the object.
        min_size: s in pixels.

    Returns:
        (top, bottom, left, right): first and last row, first and last column; or None.

    Example:
        >>> mask = np.zeros((50, 60), bool)
        >>> mask[20:30, 30:50] = True
        >>> zoom_box(mask, np.array([[40, 25, 1]]), min_size=10)
        (18, 32, 26, 54)
    """
    # YOUR CODE HERE
    raise NotImplementedError()


def paste_back(answer, box, height, width):
    """Put the answer for a box into the whole image.

    Args:
        answer: (h, w) float, probabilities; h and w have nothing to do with the box.
        box: (top, bottom, left, right), all inclusive.
        height: H of the image.
        width: W of the image.

    Returns:
        (H, W) float.

    Example:
        >>> paste_back(np.array([[0.0, 1.0]]), (1, 1, 0, 2), height=3, width=4)
        array([[0. , 0. , 0. , 0. ],
               [0. , 0.5, 1. , 0. ],
               [0. , 0. , 0. , 0. ]])
    """
    # YOUR CODE HERE
    raise NotImplementedError()


# %% nbgrader={"grade": true, "grade_id": "check_zoom_in", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false, "checksum": "3121826b226605eaa616854137ca8772", "cell_type": "code"} deletable=false editable=false
_mask = np.zeros((100, 120), bool)
_mask[40:50, 50:70] = True  # rows 40 to 49, columns 50 to 69
_mask[41:, 50:60] &= np.arange(41, 100)[:, None] % 3 > 0  # with holes on one side
_none = np.zeros((0, 3))
_box = zoom_box(_mask, _none, expansion=2.0, min_size=2)
assert _box is not None, "zoom_box returned None for a mask that is not empty; did you `return`?"
compare("The number of the box's ends", np.shape(_box), (4,), "top, bottom, left, right")
assert tuple(_box) != (40, 80, 34, 54), "You return columns first; rows come first here."
_why = "Rows 40 to 49: h = 10, c = 44.5, and 34.5 rounds to 34."
compare("The box at e = 2", _box, (34, 54, 40, 80), _why)
_box = zoom_box(_mask, _none, expansion=1.3, min_size=2)
compare("The box at e = 1.3", _box, (38, 51, 46, 72), "h = 6.5 and 13, c = 44.5 and 59.5; round.")
_box = zoom_box(_mask, _none, min_size=30)
_why = "Rows: max(14, 30) = 30; columns: max(28, 30) = 30."
compare("The box at e = 1.4, s = 30", _box, (30, 60, 44, 74), _why)
compare("The box at s = 200", zoom_box(_mask, _none), (0, 99, 0, 119), "It ends at the frame.")
_low = np.zeros((100, 120), bool)
_low[90:95, 3:8] = True
_box = zoom_box(_low, _none, min_size=20)
compare("The box at the frame", _box, (82, 99, 0, 15), "Cut it off; do not move it.")
_clicks = np.array([[80.0, 20, 1], [5, 95, 0], [110, 5, -1]])
_box = zoom_box(_mask, _clicks, expansion=1.0, min_size=2)
_why = "Rows 20 to 49 and columns 50 to 80: the positive click (x, y) = (80, 20) belongs to it."
compare("The box with a positive click", _box, (20, 50, 50, 80), _why)
assert zoom_box(_low & ~_low, _clicks) is None, "An empty mask has no box: return None."

_whole = paste_back(np.array([[0.2, 0.6]]), (1, 2, 1, 4), height=4, width=6)
assert _whole is not None, "paste_back returned None; did you forget `return`?"
compare("The shape of what was pasted into", np.shape(_whole), (4, 6), "The whole image.")
_want = np.zeros((4, 6))
_want[1:3, 1:5] = np.array([3, 5, 7, 9]) / 15
_why = "Rows 1 to 2, columns 1 to 4, both ends included; corners upon corners; 0 outside."
compare("What was pasted", _whole, _want, _why)
print("Exercise 5: the visible checks pass.")

# %% [markdown] nbgrader={"grade": false, "grade_id": "text_normalized_focal_loss", "locked": true, "schema_version": 3, "solution": false, "task": false, "checksum": "7f9e49cefaa3be8eeae89bae309ecc2b", "cell_type": "markdown"} deletable=false editable=false
# ## Exercise 6: normalised focal loss (4 points, about 20 minutes)
#
# After some training a click network is right nearly everywhere, and what is left to learn sits in a few pixels along borders. *Focal loss* multiplies the cross-entropy of each pixel by $(1 - p)^\gamma$, where $p$ is the probability of what is true there: pixels that are right count little. But then the loss as a whole fades as the network gets better, and so does the gradient. The *normalised* focal loss, which RITM is trained with, shares out the same total weight however good the network is.
#
# For pixel $i$ with logit $z_i$ and target $t_i$, let
#
# $$p_i = \begin{cases} \sigma(z_i) & t_i = 1 \\ 1 - \sigma(z_i) & t_i = 0 \end{cases} \qquad \alpha_i = \begin{cases} \alpha & t_i = 1 \\ 1 - \alpha & t_i = 0 \end{cases} \qquad w_i = (1 - p_i)^\gamma$$
#
# For **each image by itself**, with $n$ pixels that count,
#
# $$\beta = \frac{n}{\sum_i w_i + 10^{-12}} \qquad L = \frac1n \sum_i \alpha_i \, \beta \, w_i \, (-\log p_i)$$
#
# over the pixels that count. The loss of a batch is the mean of $L$ over its images.
#
# **$\beta$ is taken as a constant**: no gradient flows through it (`.detach()`). Through $w_i$ it does. That changes no value, only the gradient, and the checks look at both: the cell `loss_and_gradient` below calls your function and then `backward()`. So return a tensor of shape `()`, made of differentiable operations.
#
# **Write** `normalized_focal_loss(logits, target, alpha=0.5, gamma=2.0, ignore=255)`.
#
# - *Ignored pixels*, where the target is `ignore` (it may be another number, such as -1), count neither in $n$ nor in any sum.
# - *Images of which nothing counts* are left out of the mean. At least one image of the batch has pixels that count.
# - *Large logits.* At $z = -200$, $\sigma(z)$ is 0 in float32, and its logarithm $-\infty$. `F.logsigmoid` gives $\log \sigma(z)$ for any $z$. And $1 - \sigma(z) = \sigma(-z)$.


# %% nbgrader={"grade": false, "grade_id": "given_loss", "locked": true, "schema_version": 3, "solution": false, "task": false, "checksum": "1da291d1a6e61067b8fef096505f46a7", "cell_type": "code"} deletable=false editable=false
def loss_and_gradient(logits, target, **options):
    """Your loss, and its gradient with respect to the logits. The checks call this."""
    logits = logits.clone().requires_grad_()
    loss = normalized_focal_loss(logits, target, **options)
    loss.backward()
    return loss.detach(), logits.grad


# %% nbgrader={"grade": false, "grade_id": "normalized_focal_loss", "locked": false, "schema_version": 3, "solution": true, "task": false, "checksum": "5ae162f2f952ee9d408091b0be8251d8", "cell_type": "code"} deletable=false
def normalized_focal_loss(logits, target, alpha=0.5, gamma=2.0, ignore=255):
    """Focal loss whose weights always sum to the number of pixels.

    Args:
        logits: (B, H, W) float tensor.
        target: (B, H, W) int tensor: 1 object, 0 background, or `ignore`.
        alpha: weight of the object's pixels; 1 - alpha is that of the background's.
        gamma: how much easy pixels lose, at least 1.
        ignore: label of pixels that do not count.

    Returns:
        () float tensor.

    Example:
        >>> logits = torch.zeros(1, 2, 3)  # p = 1/2 everywhere: all pixels weigh the same
        >>> normalized_focal_loss(logits, torch.ones(1, 2, 3, dtype=torch.int64))  # log(2) / 2
        tensor(0.3466)
    """
    # YOUR CODE HERE
    raise NotImplementedError()


# %% nbgrader={"grade": true, "grade_id": "check_normalized_focal_loss", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false, "checksum": "bbf597b5f8ebc4f24721d6adc0fc3ae4", "cell_type": "code"} deletable=false editable=false
_z = torch.tensor([[[0.0, 2.0, -1.0]]])
_t = torch.tensor([[[1, 1, 0]]])
_loss = normalized_focal_loss(_z, _t)
assert _loss is not None, "normalized_focal_loss returned None; did you forget `return`?"
assert torch.is_tensor(_loss), "Return a tensor, so that a gradient can flow."
compare("The shape of the loss", tuple(_loss.shape), (), "One number for the batch.")
_p = 1 / (1 + np.exp(-np.array([0.0, 2.0, 1.0])))
_w = (1 - _p) ** 2
assert not np.isclose(_loss, -(0.5 * _w * np.log(_p)).mean()), "Your weights are not normalised."
assert not np.isclose(_loss, -(_w * np.log(_p)).sum() / _w.sum()), "The factor alpha_i is missing."
_want = -(0.5 * _w * np.log(_p)).sum() / _w.sum()
compare("The loss", _loss, _want, "beta = n / sum w, then the mean of alpha beta w (-log p).")
_a = np.array([0.8, 0.8, 0.2])
_want = -(_a * _w * np.log(_p)).sum() / _w.sum()
_got = normalized_focal_loss(_z, _t, alpha=0.8)
compare("The loss at alpha = 0.8", _got, _want, "0.8 for the object; alpha is not in beta.")
_want = -(0.5 * (1 - _p) ** 3 * np.log(_p)).sum() / ((1 - _p) ** 3).sum()
compare("The loss at gamma = 3", normalized_focal_loss(_z, _t, gamma=3.0), _want)
_grad = loss_and_gradient(_z, _t)[1]
_sign = np.array([1, 1, -1])  # of dp / dz
_want = _sign * 0.5 * _w * (2 * _p * np.log(_p) - (1 - _p)) / _w.sum()
assert _grad is not None, "No gradient reaches the logits."
assert not np.isclose(_grad[0, 0, 0], -0.5 * _w[0] * (1 - _p[0]) / _w.sum()), (
    "No gradient flows through your w: detach beta only."
)
compare("The gradient", _grad[0, 0], _want, "It flows through w and log p, but not through beta.")

_z2 = torch.tensor([[[0.0, 2.0, -1.0, 5.0]], [[1.0, 3.0, 3.0, 3.0]], [[9.0, 9.0, 9.0, 9.0]]])
_t2 = torch.tensor([[[1, 1, 0, 255]], [[1, 255, 255, 255]], [[255] * 4]])
_first = normalized_focal_loss(_z2[:1], _t2[:1])
_want = -(0.5 * _w * np.log(_p)).sum() / _w.sum()
compare("The loss with an ignored pixel", _first, _want, "It counts neither in n nor in a sum.")
_second = 0.5 * np.log1p(np.exp(-1))
_got = normalized_focal_loss(_z2[:2], _t2[:2])
compare("The loss of two images", _got, (_want + _second) / 2, "Each image has its own beta and n.")
_got = normalized_focal_loss(_z2, _t2)
_why = "The third image has nothing that counts: leave it out of the mean."
compare("The loss of three images", _got, (_want + _second) / 2, _why)
_t3 = torch.where(_t2 == 255, -1, _t2)
compare("The loss at ignore = -1", normalized_focal_loss(_z2, _t3, ignore=-1), _got)
_large = torch.tensor([[[-200.0, 0.0]]])
_got = normalized_focal_loss(_large, torch.tensor([[[1, 1]]]))
assert torch.isfinite(_got), "Your loss is not finite at a logit of -200: use F.logsigmoid."
compare("The loss at logits -200 and 0", _got, 0.5 * (200 + np.log(2) / 4) / 1.25)
print("Exercise 6: the visible checks pass.")

# %% [markdown] nbgrader={"grade": false, "grade_id": "text_encode_points", "locked": true, "schema_version": 3, "solution": false, "task": false, "checksum": "5e1a46be2af9a34155bc6b603ffd0bf4", "cell_type": "markdown"} deletable=false editable=false
# ## Exercise 7: points as Fourier features (3 points, about 15 minutes)
#
# Segment Anything does not draw its clicks. Each becomes a *token*, a vector of $C$ numbers, which attends to the tokens of the image. Two numbers $x, y$ alone would make a poor vector: near places would look all but the same. Sines and cosines of many frequencies tell them apart.
#
# A click at pixel $(x, y)$ of an image with $H$ rows and $W$ columns lies at
#
# $$u = \left( 2\, \frac{x + \frac12}{W} - 1, \quad 2\, \frac{y + \frac12}{H} - 1 \right) \in [-1, 1]^2$$
#
# The half: pixel 0 reaches from 0 to 1, and its centre is at $\frac12$. With $F$, a matrix $2 \times C/2$ of random frequencies that are drawn once and never trained,
#
# $$\phi = 2 \pi \, u F \qquad \text{place} = (\sin \phi_1, \dots, \sin \phi_{C/2},\ \cos \phi_1, \dots, \cos \phi_{C/2})$$
#
# What kind of click it is says a learned code, which is added to the place: `codes[0]` for a negative, `codes[1]` for a positive click.
#
# **Write** `encode_points(clicks, frequencies, codes, no_click, height, width)`.
#
# - *No click.* A row with label -1 has no place: its token is `no_click`, and nothing else. (In NumPy and PyTorch, `codes[-1]` is the last code, and no error.)
# - *Shapes.* The image need not be square. Clicks may lie between pixels. There may be no rows at all: then the tokens are `(0, C)`.


# %% nbgrader={"grade": false, "grade_id": "encode_points", "locked": false, "schema_version": 3, "solution": true, "task": false, "checksum": "acd75b8f5fa362ca29ff8f8ef31a9017", "cell_type": "code"} deletable=false
def encode_points(clicks, frequencies, codes, no_click, height, width):
    """Clicks as tokens.

    Args:
        clicks: (N, 3) float tensor, rows x, y, label: 1 positive, 0 negative, -1 none.
        frequencies: (2, C / 2) float tensor: row 0 for x, row 1 for y.
        codes: (2, C) float tensor: of negative, and of positive clicks.
        no_click: (C,) float tensor.
        height: H of the image.
        width: W of the image.

    Returns:
        (N, C) float.

    Example:
        >>> frequencies = torch.tensor([[0.25], [0.0]])  # C = 2
        >>> clicks = torch.tensor([[1.5, 7.0, 0.0]])  # in the middle of 4 columns: u = 0
        >>> encode_points(clicks, frequencies, torch.zeros(2, 2), torch.ones(2), 9, 4)
        tensor([[0., 1.]])
    """
    # YOUR CODE HERE
    raise NotImplementedError()


# %% nbgrader={"grade": true, "grade_id": "check_encode_points", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false, "checksum": "a0f947d7e7e9422e68097011cabee038", "cell_type": "code"} deletable=false editable=false
_f = torch.tensor([[0.25, 0.0], [0.0, 0.125]])  # phi = (pi / 2 u_x, pi / 4 u_y)
_codes, _no = torch.tensor([[10.0] * 4, [20.0] * 4]), torch.tensor([1.0, 2, 3, 4])
_click = torch.tensor([[1.0, 5.0, 1.0]])
_got = encode_points(_click, _f, torch.zeros(2, 4), _no, height=8, width=4)
assert _got is not None, "encode_points returned None; did you forget `return`?"
compare("The shape of the tokens", tuple(_got.shape), (1, 4), "(N, C), with C / 2 sines.")
_u = np.array([2 * 1.5 / 4 - 1, 2 * 5.5 / 8 - 1])


def _token(u_x, u_y, factor=2 * np.pi):
    phi = factor * np.array([0.25 * u_x, 0.125 * u_y])
    return np.concatenate([np.sin(phi), np.cos(phi)])


def _is(u_x, u_y, factor=2 * np.pi):
    return np.allclose(np.asarray(_got)[0], _token(u_x, u_y, factor), atol=1e-5)


assert not _is(2 * 1 / 4 - 1, 2 * 5 / 8 - 1), "The centre of pixel 1 is at 1.5: add a half."
assert not _is(1.5 / 4, 5.5 / 8), "Your places run from 0 to 1; bring them to -1 ... 1."
assert not _is(*_u, 1), "The factor 2 pi is missing."
assert not _is(*_u, np.pi), "You multiply by pi; it is 2 pi."
assert not _is(2 * 1.5 / 8 - 1, 2 * 5.5 / 4 - 1), "x is divided by the width, y by the height."
compare("The token of (1, 5) in 4 x 8 pixels", _got[0], _token(*_u), "All sines, then all cosines.")
_rows = torch.tensor([[1.0, 5, 1], [1, 5, 0], [3, 2, -1]])
_got = encode_points(_rows, _f, _codes, _no, height=8, width=4)
compare("The shape of the tokens of three rows", tuple(_got.shape), (3, 4), "One token a row.")
compare("The token of a positive click", _got[0], _token(*_u) + 20, "Plus codes[1].")
compare("The token of a negative click", _got[1], _token(*_u) + 10, "Plus codes[0].")
compare("The token of no click", _got[2], [1.0, 2, 3, 4], "It is `no_click`, and nothing else.")
_got = encode_points(_rows[:0], _f, _codes, _no, height=8, width=4)
compare("The shape of no tokens", tuple(_got.shape), (0, 4))
print("Exercise 7: the visible checks pass.")

# %% [markdown] nbgrader={"grade": false, "grade_id": "text_look_robot", "locked": true, "schema_version": 3, "solution": false, "task": false, "checksum": "2c64e8902a56c69b8e2cd2b599dfb224", "cell_type": "markdown"} deletable=false editable=false
# ### Look: your robot against GrabCut
#
# No points here. Your robot clicks on photographs, GrabCut answers (and, where the course's own RITM is at hand, that too), your `iou` and `noc` judge. Green clicks are positive, red ones negative; in the last column is the box into which your `zoom_box` looks, with your disks of those clicks. It takes less than a minute. Which object takes most clicks, and why? Do more clicks always help? Then let the robot start with another `threshold`, or take other photographs (`photograph_names()` lists them).

# %% nbgrader={"grade": false, "grade_id": "look_robot", "locked": true, "schema_version": 3, "solution": false, "task": false, "checksum": "b1e49bba24110a8f9432f6d186bfdb78", "cell_type": "code"} deletable=false editable=false
import matplotlib.pyplot as plt

from segedu.data import load_photograph
from segedu.drawing import overlay_mask
from segedu.interactive import Click, GrabCut, Prompts
from segedu.weights import shipped_names
from segedu.weights.methods import shipped_ritm

objects = {"chelsea": "cat", "coffee": "cup", "clock_motion": "clock"}
threshold, most = 0.85, 8

methods = {"GrabCut": GrabCut()}
if "ritm-hrnet18s-small" in shipped_names():
    methods["RITM"] = shipped_ritm("ritm-hrnet18s-small")
else:
    print("The course's RITM is not at hand; GrabCut plays alone.")


def play(method, image, truth):
    """Robot and method in turn; what was clicked, the IoU after each click, the last mask."""
    method.set_image(image)
    mask, clicks, curve = np.zeros(truth.shape, bool), [], []
    while len(clicks) < most and (not curve or curve[-1] < threshold):
        click = next_click(mask, truth)
        if click is None:
            break
        clicks.append(click)
        prompts = Prompts(clicks=tuple(Click(x + 0.5, y + 0.5, s == 1) for x, y, s in clicks))
        mask = method.predict(prompts).mask
        curve.append(float(iou(mask, truth)))
    return np.array(clicks), curve, mask


# %% nbgrader={"grade": false, "grade_id": "look_play", "locked": true, "schema_version": 3, "solution": false, "task": false, "checksum": "19fc51227bd1bd94009f1cd16ab08a3a", "cell_type": "code"} deletable=false editable=false
figure, axes = plt.subplots(
    len(objects), len(methods) + 1, figsize=(5 * len(methods) + 5, 10), squeeze=False
)
curves = {name: [] for name in methods}
colors_of_disks = (0, 255, 0), (255, 0, 0)
for row, (photograph, category) in zip(axes, objects.items(), strict=True):
    picture = load_photograph(photograph)
    truth = picture.mask(category)
    for axis, (name, method) in zip(row, methods.items(), strict=False):
        clicks, curve, mask = play(method, picture.image, truth)
        curves[name].append(curve)
        axis.imshow(overlay_mask(picture.image, mask))
        colors = np.where(clicks[:, 2] == 1, "lime", "red")
        axis.scatter(clicks[:, 0], clicks[:, 1], c=colors, edgecolors="black", s=50)
        axis.set_title(f"{name}, {len(clicks)} clicks: IoU {curve[-1]:.2f}")
        axis.axis("off")
    box = zoom_box(mask, clicks, min_size=64) or (0, truth.shape[0] - 1, 0, truth.shape[1] - 1)
    top, bottom, left, right = box
    seen = picture.image[top : bottom + 1, left : right + 1].copy()
    for disks, color in zip(
        disk_maps(clicks - [left, top, 0], *seen.shape[:2]), colors_of_disks, strict=True
    ):
        seen[np.asarray(disks) > 0] = color
    row[-1].imshow(seen)
    row[-1].set_title("what Zoom-In looks at, with the disks")
    row[-1].axis("off")
plt.close(figure)
for name in methods:
    mean, failures = noc(curves[name], threshold, max_clicks=most)
    print(f"{name}: NoC@{100 * threshold:.0f} {mean:.2f}, {failures} of {len(objects)} failed")
figure
