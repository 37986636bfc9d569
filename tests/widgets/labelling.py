"""A folder of images, a method whose masks are known, and a robot that labels the whole folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from segedu.interactive import Click, Prediction, Prompts
from segedu.widgets.applications import Labeller

CATEGORIES = ["cat", "dog", "bird"]
SIZE = (24, 36)
RADIUS = 5


def disk(x: float, y: float, size: tuple[int, int] = SIZE) -> np.ndarray:
    rows, columns = np.mgrid[: size[0], : size[1]] + 0.5
    return (columns - x) ** 2 + (rows - y) ** 2 <= RADIUS**2


class Disks:
    """A disk around each click, added or taken away; says how often it encoded an image."""

    accepts = frozenset({"click"})

    def __init__(self) -> None:
        self.encoded = 0

    def set_image(self, image):
        self.encoded += 1
        self.shape = image.shape[:2]

    def predict(self, prompts):
        mask = np.zeros(self.shape, bool)
        for click in prompts.clicks:
            there = disk(click.x, click.y, self.shape)
            mask = mask | there if click.positive else mask & ~there
        return Prediction(mask, 0.9)


def make_folder(folder: Path, count: int = 4) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for k in range(count):
        pixels = rng.integers(0, 255, (*SIZE, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{k + 1}.png")
    return folder


def click(labeller: Labeller, x: float, y: float) -> None:
    labeller.segmenter.prompts = Prompts(clicks=(Click(x, y),))


def label_all(folder: Path, output: Path, told=lambda what: None) -> Labeller:
    """Label the folder as a person would who goes on where the file ends.

    In every image three objects; the first one is changed after the second, in two ways, and one
    too many is deleted. What is accepted is told.
    """
    labeller = Labeller(folder, Disks(), CATEGORIES, output)
    told("opened")
    while labeller.progress[0] < labeller.progress[1]:
        name = labeller.image_name
        if labeller.file.is_labelled(name):
            labeller.next()
            continue
        number = labeller.names.index(name)
        there = labeller.file.categories_of(name)
        if len(there) < 2:
            click(labeller, 8 + 10 * len(there), 8 + number)
            labeller.accept(CATEGORIES[len(there)])
        elif labeller.file.labels(name)[0].mask.sum() < 100:  # make the first one larger
            segmenter = labeller.segmenter
            segmenter.active = segmenter.objects[0]
            before = segmenter.prompts.clicks
            segmenter.prompts = Prompts(clicks=(*before, Click(8, 15 + number)))
        elif there[1] == CATEGORIES[1]:  # and the second one a bird
            labeller.segmenter.active = labeller.segmenter.objects[1]
            labeller.accept("bird")
        elif len(there) == 2:
            click(labeller, 28, 10)
            labeller.accept("cat")
        else:
            labeller.next()
        told(f"{name} {len(there)}")
    return labeller
