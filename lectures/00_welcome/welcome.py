# %% [markdown]
# # Welcome
#
# **Goals.** After this notebook you can
# 1. *say* what each of the six sections computes, on one photograph;
# 2. *check* that everything runs on your machine;
# 3. *find* lectures, assignments and the code behind them.
#
# **Before this:** Python and NumPy. **Time:** about 15 minutes; the last cell says how long the
# cells took here.

# %% [markdown]
# ## How the course works
#
# **Lectures** are notebooks. Run them from top to bottom: the arrow in the toolbar, or Shift + Enter cell by cell. Each one derives a method from its paper, builds
# it in short cells, *asserts* that the library gives the same, and then tries it on photographs. Where you read **Predict**, stop and
# decide before you run the next cell. A wrong prediction teaches most.
#
# **The library** `segedu` is made to be read: one method, one file, with the paper's equation numbers. Open
# `segedu/superpixels/slic.py` beside the first lecture.
#
# **Demos** are the same code with sliders. They need a running kernel; where there is none you see a picture.
#
# **Assignments** grade themselves. In a terminal,
#
#     segedu check assignments/01_superpixels/superpixels.ipynb
#
# says what is right, what is wrong, and what the mistake might be.
#
# Nothing here downloads anything, and nothing needs a GPU.

# %%
import time

import cv2
import numpy as np

from segedu.data import load_photograph, photograph_names
from segedu.drawing import GREEN, VERMILION, figure_grid, mark_boundaries, overlay_mask, palette
from segedu.interactive import GrabCut, Prompts, click_through
from segedu.superpixels import slic
from segedu.weights.methods import shipped_ritm
from segedu.widgets import Segmenter

start = time.perf_counter()
photo = load_photograph("astronaut")
image = photo.image
print(f"{photo.name}, {image.shape}: {len(photo.instances)} things drawn by hand")

# %% [markdown]
# ## Does everything run?

# %%
import importlib.metadata
import re
import sys

assert sys.version_info >= (3, 11), "the course needs Python 3.11 or newer"
needed = [
    re.split(r"[<>=!~\[; ]", r)[0]
    for r in importlib.metadata.requires("segedu")
    if "extra ==" not in r
]
missing = []
for name in needed:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        missing.append(name)
assert not missing, f"missing: {missing}; run `make lab` once more"
print("Python is new enough, all packages are there.")

# %% [markdown]
# ## One photograph, six sections
#
# What is *in* this picture? There are six ways to answer, and each is a section of the course. Below, what the library computes is marked
# **computed**; for sections that are not built yet you see what we drew by hand, marked **coming**: that is what their methods
# should find. Section 2 stands on a street: its networks were trained on street scenes that the course draws itself.
#
# **Predict.** From their names alone: which of the six sections tell two people apart who stand side by side? Which say something about *every* pixel?

# %%
person = next(thing for thing in photo.instances if thing.category == "person")
labels = slic(image, 250)
pictures = {"1 superpixels · computed": mark_boundaries(image, labels)}

# %% tags=["nbval-ignore-output"]
# Weights in half precision and convolutions round differently from machine to machine.
clicked = click_through(shipped_ritm(), image, person.mask, max_clicks=4)
picture = overlay_mask(image, clicked.mask)
for c in clicked.clicks:
    cv2.circle(picture, (int(c.x), int(c.y)), 11, (255, 255, 255), -1, cv2.LINE_AA)
    color = GREEN if c.positive else VERMILION
    cv2.circle(picture, (int(c.x), int(c.y)), 8, color, -1, cv2.LINE_AA)
pictures[f"3 interactive, {len(clicked.clicks)} clicks · computed"] = picture
print("overlap with the true mask after each click:", np.round(clicked.ious, 2))

# %%
from segedu.data.scenes import SCENE_CLASSES, scene_seeds, street_scene
from segedu.drawing import overlay_labels
from segedu.semantic import predict
from segedu.weights import load_shipped, read_card, shipped_names

street = street_scene(scene_seeds("test", 5)[4], 384, 384)
networks = [n for n in shipped_names() if n.endswith("-scenes")]
best = max(networks, key=lambda n: read_card(n)["scores"]["miou"])
class_colors = np.array([c.color for c in SCENE_CLASSES], np.uint8)


def semantic(picture):
    """What the course's best network says of a picture: its labels as colours over it."""
    said = predict(load_shipped(best), picture, "cpu")
    return overlay_labels(picture, said, 0.65, class_colors)


# %% tags=["nbval-ignore-output"]
# As above.
pictures["2 semantic, a street · computed"] = semantic(street.image)
print("the network:", best)

# %%
segments = np.zeros(photo.segment_ids.shape, int)
for k, segment in enumerate(photo.segments_info):
    segments[photo.segment_ids == segment["id"]] = k
pictures["5 panoptic · coming"] = mark_boundaries(
    overlay_labels(image, segments, 0.65), segments, (255, 255, 255), 3
)
things = image
for thing, color in zip(photo.instances, palette(len(photo.instances)).tolist(), strict=True):
    x0, y0, x1, y1 = (int(v) for v in thing.box)
    things = cv2.rectangle(
        overlay_mask(things, thing.mask, tuple(color)), (x0, y0), (x1 - 2, y1 - 2), color, 3
    )
pictures["4 instance · coming"] = things

# %% tags=["nbval-ignore-output"]
# As above.
from segedu.drawing import ORANGE, SKY

EDGES = [(0, 1), (0, 2), (1, 3), (2, 4), (5, 6), (5, 7), (7, 9), (6, 8), (8, 10), (5, 11), (6, 12),
         (11, 12), (11, 13), (13, 15), (12, 14), (14, 16)]  # fmt: skip
pose = image.copy()
points = person.keypoints if person.keypoints is not None else np.zeros((17, 3))
for a, b in EDGES:
    if points[a, 2] and points[b, 2]:
        cv2.line(pose, np.int32(points[a, :2]), np.int32(points[b, :2]), SKY, 4, cv2.LINE_AA)
for x, y, visibility in points:
    if visibility:
        cv2.circle(pose, (int(x), int(y)), 7, (255, 255, 255), -1, cv2.LINE_AA)
        cv2.circle(
            pose, (int(x), int(y)), 5, VERMILION if visibility == 2 else ORANGE, -1, cv2.LINE_AA
        )
pictures["6 pose · coming"] = pose
figure_grid([pictures[k] for k in sorted(pictures)], sorted(pictures), columns=3, width=12)

# %% [markdown]
# | section | question | answer | state |
# |---|---|---|---|
# | **1 superpixels** | where does something end? | small regions, no names | [SLIC](../01_superpixels/01_slic.ipynb) · [rivals and metrics](../01_superpixels/02_rivals.ipynb) |
# | **2 semantic** | what is each pixel? | a class for every pixel; two people are one "person" | [FCN](../02_semantic/01_fcn.ipynb) · [decoders](../02_semantic/02_encoder_decoders.ipynb) · [DeepLab and CRF](../02_semantic/03_deeplab_crf.ipynb) · [HRNet](../02_semantic/04_hrnet.ipynb) · [SegFormer](../02_semantic/05_segformer.ipynb) |
# | **3 interactive** | which thing do *you* mean? | one mask, after a click or a box | [prompts and GrabCut](../03_interactive/01_prompts_grabcut.ipynb) · [RITM and Zoom-In](../03_interactive/02_ritm_zoom_in.ipynb) · [Segment Anything](../03_interactive/03_segment_anything.ipynb) · [stickers, removal, labels](../03_interactive/04_applications.ipynb) |
# | **4 instance** | which things, and where is each? | a mask for every thing; the wall is no thing | coming |
# | **5 panoptic** | both at once | every pixel has a class, and every thing its own number | coming |
# | **6 pose** | how does a person stand? | 17 points: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles | coming |
#
# Instance, panoptic and pose tell two people apart, and so does interactive: you click on the one you mean. Superpixels, semantic and
# panoptic say something about every pixel.
#
# **Predict.** The network of section 2 has seen streets, and nothing else: no photograph, no astronaut. What will it say of her?

# %% tags=["nbval-ignore-output"]
# As above.
said = predict(load_shipped(best), image, "cpu")
share = np.bincount(said.ravel(), minlength=len(SCENE_CLASSES)) / said.size
for k in share.argsort()[::-1][:4]:
    print(f"{share[k]:4.0%} {SCENE_CLASSES[k].name}")
figure_grid([image, overlay_labels(image, said, 0.65, class_colors)],
            ["a photograph", f"{best}: everything is of the street"], columns=2, width=8)  # fmt: skip

# %% [markdown]
# It names every pixel all the same, for it has no word for "I do not know", and takes the names from the street. It knows what it was trained on: each
# lecture says what that was, and measures on pictures of that kind. For photographs of streets, train it on such (CamVid, Cityscapes: the recipes are there).

# %% [markdown]
# ## Play
#
# This is section 3, live. Choose "helmet" and click on it; with the right button you click on what does not belong to it. Two methods answer:
# **RITM**, a network that was trained to follow clicks, and **GrabCut**, which knows nothing but the colours of this one photograph.
#
# 1. How many clicks does each need until you would put the mask on a poster? `K` shows both side by side.
# 2. Which of the four things is hardest? What makes it hard?
# 3. Press `?`. Which key hides the mask?

# %%
methods = {"RITM": shipped_ritm(), "GrabCut": GrabCut()}
segmenter = Segmenter(image, methods=methods, names=("astronaut", "helmet", "flag", "spacecraft"))
for n in range(1, len(clicked.clicks) + 1):  # one after the other: each answer goes into the next
    segmenter.prompts = Prompts(clicks=tuple(clicked.clicks[:n]))
    segmenter.wait()
segmenter

# %% [markdown]
# ## The photographs
#
# All come with scikit-image. We drew their masks by hand, in COCO's format; they are in `data/photographs`.

# %%
shown, titles = [], []
for name in photograph_names()[:12]:
    each = load_photograph(name)
    picture = each.image
    for thing, color in zip(each.instances, palette(len(each.instances)).tolist(), strict=True):
        picture = overlay_mask(picture, thing.mask, tuple(color))
    side = max(picture.shape[:2])
    h, w = picture.shape[0] * 240 // side, picture.shape[1] * 240 // side
    square = np.full((240, 240, 3), 255, np.uint8)
    top, left = (240 - h) // 2, (240 - w) // 2
    square[top : top + h, left : left + w] = cv2.resize(
        picture, (w, h), interpolation=cv2.INTER_AREA
    )
    shown.append(square)
    number = len(each.instances)
    titles.append(f"{name}: {number} thing{'s' * (number != 1)}")
figure_grid(shown, titles, columns=3, width=9)

# %% [markdown]
# ## Checkpoint
#
# **1.** Two people overlap in a photograph. What does semantic segmentation give for them, and what does instance segmentation give?
#
# <details><summary>Answer</summary>
#
# Semantic: one area of class "person", in which nobody can count. Instance: two masks.
# </details>
#
# **2.** Why does panoptic segmentation need both "things" and "stuff"?
#
# <details><summary>Answer</summary>
#
# Sky and wall cannot be counted, people and cars can. Every pixel gets a class, but only things get numbers.
# </details>
#
# **3.** You have superpixels and one click. How could you make a mask of them?
#
# <details><summary>Answer</summary>
#
# Take the superpixel under the click and add neighbours that look alike. It stops too early or too late: GrabCut asks instead for the best of *all* masks, and a
# network has seen what objects look like.
# </details>

# %% [markdown]
# ## Pitfall: the convention
#
# Every picture in the course is `(height, width, 3)`, RGB, `uint8` or floats in 0…1. Everything that takes an image says so when given something else.

# %%
for wrong in (image.transpose(2, 0, 1), image[..., 0], image / 1.0):
    try:
        slic(wrong)
    except ValueError as error:
        print(error)

# %% [markdown]
# ## Recap
#
# * Six sections, six answers to "what is in this picture?".
# * Lectures derive and build; the library holds the same code, made to be read; assignments check what you wrote.
# * **To read on:** Szeliski, *Computer Vision: Algorithms and Applications*, 2nd edition, sections 5.4, 6.4 and 7.5: a map of the ground that the course walks.
#
# **Start here:** [SLIC](../01_superpixels/01_slic.ipynb). **Then the assignment:** [superpixels](../../assignments/01_superpixels/superpixels.ipynb).

# %%
print(f"All cells took {time.perf_counter() - start:.0f} s here.")
