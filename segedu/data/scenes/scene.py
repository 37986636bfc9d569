"""A street scene with perfect ground truth for semantic, instance, panoptic and pose tasks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from segedu.data.cityscapes import BY_TRAIN_ID, CITYSCAPES_LABELS
from segedu.data.photographs import Instance
from segedu.data.scenes import layout
from segedu.data.scenes.dice import Dice
from segedu.data.scenes.people import KEYPOINTS, Person
from segedu.data.scenes.raster import fill_shapes
from segedu.data.scenes.shading import add_lights, resolve
from segedu.data.scenes.textures import sensor_noise, textures
from segedu.data.scenes.weather import add_rain, develop, raindrops


@dataclass(frozen=True)
class Scene:
    """A street scene and all that is known about it.

    Attributes:
        seed: what it was made from.
        weather: "sunny", "cloudy", "fog", "rain", "dusk", "night" or "glare".
        image: (H, W, 3) uint8, RGB.
        labels: (H, W) uint8, Cityscapes' trainIds.
        instance_ids: (H, W) int32, 0 where there is no countable object, then 1 … N from the
            farthest to the nearest.
        depth: (H, W) float32, metres along the optical axis; 10000 in the sky.
    """

    seed: int
    weather: str
    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    instance_ids: NDArray[np.int32]
    depth: NDArray[np.float32]
    _train_ids: NDArray[np.int64]  # (N,) of the instances
    _areas: NDArray[np.int64]  # (N, 5): x0, y0, x1, y1, pixels
    _keypoints: dict[int, NDArray[np.float64]]

    @cached_property
    def instances(self) -> list[Instance]:
        """The countable objects that are seen, as in `load_photograph`; number n is n - 1."""
        return [
            Instance(
                category=BY_TRAIN_ID[int(train_id)].name,
                mask=self.instance_ids == n,
                box=self._areas[n - 1, :4].astype(np.float64),
                keypoints=self._keypoints.get(n),
            )
            for n, train_id in enumerate(self._train_ids, start=1)
        ]

    @cached_property
    def panoptic(self) -> tuple[NDArray[np.int32], list[dict[str, Any]]]:
        """`(segment_ids, segments_info)` with Cityscapes' ids.

        A segment's id is its labelId, for countable objects labelId * 1000 + number from 0.
        """
        label_ids = np.zeros(256, np.int32)
        for label in CITYSCAPES_LABELS:
            if 0 <= label.train_id < 255:
                label_ids[label.train_id] = label.id
        ids = label_ids[self.labels]
        thing = label_ids[self._train_ids] * 1000
        count: dict[int, int] = {}
        for n, base in enumerate(thing.tolist()):
            thing[n] += count.get(base, 0)
            count[base] = count.get(base, 0) + 1
        ids = np.where(self.instance_ids > 0, np.append(0, thing)[self.instance_ids], ids)
        return ids.astype(np.int32), segments_info(ids)


def segments_info(ids: NDArray[Any]) -> list[dict[str, Any]]:
    """COCO's panoptic description of a map of Cityscapes' ids (see `Scene.panoptic`)."""
    names = {label.id: label for label in CITYSCAPES_LABELS}
    infos = []
    for segment in np.unique(ids).tolist():
        if segment == 0:
            continue
        mask = ids == segment
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        category = segment // 1000 if segment >= 1000 else segment
        x, y = int(columns[0]), int(rows[0])
        infos.append(
            {
                "id": segment,
                "category_id": category,
                "category": names[category].name,
                "isthing": names[category].has_instances,
                "iscrowd": 0,
                "area": int(mask.sum()),
                "bbox": [x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y],
            }
        )
    return infos


@njit(cache=True, nogil=True, error_model="numpy")
def _describe(
    front: NDArray[np.int16],
    inverse: NDArray[np.float32],
    label_of: NDArray[np.int32],
    instance_of: NDArray[np.int32],
    labels: NDArray[np.uint8],
    depth: NDArray[np.float32],
    areas: NDArray[np.int64],
) -> None:
    """What is known of each pixel, and of the instances that shapes belong to, in one pass.

    `areas` gets the box (x1, y1 just outside) and the pixels of every instance (N + 1, 5).
    """
    height, width = front.shape
    for n in range(areas.shape[0]):
        areas[n, 0], areas[n, 1] = width, height
    for i in range(height):
        for j in range(width):
            shape = front[i, j]
            labels[i, j] = label_of[shape]
            depth[i, j] = np.float32(1) / max(inverse[i, j], np.float32(1e-4))
            n = instance_of[shape]
            if n > 0:
                areas[n, 0], areas[n, 1] = min(areas[n, 0], j), min(areas[n, 1], i)
                areas[n, 2], areas[n, 3] = max(areas[n, 2], j + 1), max(areas[n, 3], i + 1)
                areas[n, 4] += 1


@njit(cache=True, nogil=True, error_model="numpy")
def _number(front: NDArray[np.int16], number_of: NDArray[np.int32], ids: NDArray[np.int32]) -> None:
    """The number of every pixel's shape: `number_of[front]`, several times as fast."""
    for i in range(front.shape[0]):
        for j in range(front.shape[1]):
            ids[i, j] = number_of[front[i, j]]


def street_scene(seed: int, height: int = 128, width: int = 256) -> Scene:
    """Make the street scene of a seed; the same on every machine.

    The scene does not depend on the size: the same seed at twice the size is the same street, seen
    more finely (only the sensor's noise differs).

    Args:
        seed: not negative.
        height: rows, at least 16.
        width: columns, at least 16; a wider picture shows more of the sides.

    Raises:
        ValueError: the seed is negative or the picture too small.
    """
    if height < 16 or width < 16:
        raise ValueError(f"height and width must be at least 16, got {height} x {width}")
    dice = Dice(seed)
    plan = layout.draw_scene(dice, height, width)
    shapes, planes, points = plan.shapes.arrays()
    seen = np.zeros((2 * height, 2 * width), np.int16)  # shape 0 is the sky
    shade = np.zeros((2 * height, 2 * width), np.uint8)
    fill_shapes(shapes, points, textures()[2], seen, shade)
    image = np.empty((height, width, 3), np.float32)
    front, inverse = np.empty((height, width), np.int16), np.empty((height, width), np.float32)
    resolve(shapes, planes, seen, shade, textures(), plan.mood(), image, front, inverse)
    pixels = _photograph(image, inverse, plan, dice)
    labels, depth, ids, train_ids, areas, order = _look_up(shapes, front, inverse)
    keypoints = {
        order[person.instance]: _keypoints(person, shapes, front, order[person.instance], ids)
        for person in plan.people
        if person.instance in order
    }
    return Scene(seed, plan.weather.kind, pixels, labels, ids, depth, train_ids, areas, keypoints)


def _look_up(
    shapes: NDArray[Any], front: NDArray[np.int16], inverse: NDArray[np.float32]
) -> tuple[Any, ...]:
    """What each pixel's shape says of it; instances that are seen get numbers without gaps.

    Returns:
        labels, depth and ids (H, W); the instances' trainIds and areas; old number -> new.
    """
    labels, depth = np.empty(front.shape, np.uint8), np.empty(front.shape, np.float32)
    ids = np.empty(front.shape, np.int32)
    of_label = np.ascontiguousarray(shapes["label"])
    of_shape = np.ascontiguousarray(shapes["instance"])
    areas = np.zeros((int(of_shape.max()) + 1, 5), np.int64)
    _describe(front, inverse, of_label, of_shape, labels, depth, areas)
    seen = np.flatnonzero(areas[:, 4])
    new = np.zeros(len(areas), np.int32)
    new[seen] = np.arange(1, len(seen) + 1)
    _number(front, new[of_shape], ids)
    train_of = np.zeros(len(areas), np.int64)
    train_of[of_shape] = of_label
    order = {int(old): int(new[old]) for old in seen}
    return labels, depth, ids, train_of[seen], areas[seen], order


def _photograph(
    image: NDArray[np.float32], inverse: NDArray[np.float32], plan: layout.Plan, dice: Dice
) -> NDArray[np.uint8]:
    """Lamps' glow, rain, and the camera's development."""
    weather = plan.weather
    if plan.lights:
        add_lights(image, inverse, np.array(plan.lights, dtype=np.float64))
    if weather.rain:
        add_rain(image, raindrops(dice, weather.rain), dice.near(0, 0.3))
    gain, warm = weather.gain, weather.warmth
    gains = np.array([gain * (1 + warm), gain, gain * (1 - warm)], dtype=np.float32)
    out = np.empty(image.shape, np.uint8)
    start = dice.integer(0, 2**31)
    develop(image, gains, weather.vignette, weather.noise, sensor_noise(), start, out)
    return out


def _keypoints(
    person: Person,
    shapes: NDArray[Any],
    front: NDArray[np.int16],
    number: int,
    ids: NDArray[np.int32],
) -> NDArray[np.float64]:
    """COCO's keypoints (17, 3) in pixels: 2 where the own limb is seen, 1 hidden, 0 outside."""
    height, width = front.shape
    keypoints = np.zeros((KEYPOINTS, 3))
    for k, (x, y) in enumerate(person.points):
        px, py = x * height + width / 2, y * height
        if not (0 <= px < width and 0 <= py < height):
            continue
        shape = front[int(py), int(px)]
        seen = ids[int(py), int(px)] == number and int(shapes["part"][shape]) in person.parts[k]
        keypoints[k] = px, py, 2 if seen else 1
    return keypoints
