"""GrabCut on scenes with a known answer, beside literal formulas, and on annotated photographs."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from segedu.interactive import Click, GrabCut, Prompts, Stroke, grabcut_steps
from segedu.interactive.grabcut import (
    BACKGROUND,
    GAMMA,
    MAYBE_BACKGROUND,
    MAYBE_OBJECT,
    OBJECT,
    border_price,
    energy,
    negative_log_likelihood,
    trimap_from_prompts,
    unpack_mixture,
)
from tests.requirements_of_machine import SHARED_DATA, needs_shared_data


def scene(height: int, width: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A reddish ellipse with texture on a bluish ground with texture, and where it lies."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:height, :width]
    truth = ((cols - 0.45 * width) / (0.2 * width)) ** 2
    truth = truth + ((rows - 0.55 * height) / (0.25 * height)) ** 2 <= 1
    image = np.where(truth[..., None], (190, 70, 50), (60, 90, 160)) + rng.normal(
        0, 12, (height, width, 3)
    )
    return np.clip(image, 0, 255).astype(np.uint8), truth


def box_of(mask: NDArray[np.bool_], margin: float = 6) -> tuple[float, float, float, float]:
    rows, cols = np.nonzero(mask)
    left, right, top, bottom = cols.min(), cols.max() + 1, rows.min(), rows.max() + 1
    return (left - margin, top - margin, right + margin, bottom + margin)


def iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / (a | b).sum())


def stroke(points: list[tuple[float, float]], positive: bool = True) -> Stroke:
    return Stroke(np.array(points), 4.0, positive)


SIZES = [(90, 120), (400, 700)]  # the second one runs on a smaller copy first


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["box", "click", "stroke", "contour", "box and click"])
def test_every_kind_of_prompt_alone_finds_the_object(size: tuple[int, int], kind: str) -> None:
    height, width = size
    image, truth = scene(height, width)
    x, y = 0.45 * width, 0.55 * height
    angles = np.linspace(0, 2 * np.pi, 30, endpoint=False)
    around = np.stack([x + 0.24 * width * np.cos(angles), y + 0.3 * height * np.sin(angles)], 1)
    prompts = {
        "box": Prompts(box=box_of(truth)),
        "click": Prompts((Click(x, y), Click(0.05 * width, 0.1 * height, False))),
        "stroke": Prompts(
            strokes=(
                stroke([(x - 0.1 * width, y), (x + 0.1 * width, y)]),
                stroke([(5, 5), (width - 5, 5)], positive=False),
            )
        ),
        "contour": Prompts(contour=around),
        "box and click": Prompts((Click(x, y),), box_of(truth)),
    }[kind]
    method = GrabCut()
    method.set_image(image)
    prediction = method.predict(prompts)
    assert prediction.mask.dtype == bool and prediction.mask.shape == size
    assert iou(prediction.mask, truth) > 0.97
    assert np.isnan(prediction.score)


def test_prompts_are_obeyed_against_the_colours() -> None:
    image, truth = scene(400, 700)
    method = GrabCut()
    method.set_image(image)
    rows, cols = np.nonzero(truth)
    inside, outside = (cols[len(cols) // 2] + 0.5, rows[len(rows) // 2] + 0.5), (380.5, 380.5)
    box = (20.0, 20.0, 690.0, 395.0)
    prompts = Prompts((Click(*inside, positive=False), Click(*outside)), box)
    mask = method.predict(prompts).mask
    assert not mask[int(inside[1]), int(inside[0])] and mask[int(outside[1]), int(outside[0])]
    assert not mask[:, :20].any() and not mask[:20].any(), "nothing outside the box"


def test_same_prompts_same_mask() -> None:
    image, truth = scene(400, 700)
    answers = []
    for state in (1, 99):
        cv2.setRNGSeed(state)  # what ran before does not matter
        method = GrabCut()
        method.set_image(image)
        method.predict(Prompts((Click(10.0 * state / 99 + 300, 220),)))
        answers.append(method.predict(Prompts(box=box_of(truth))).mask)
    np.testing.assert_array_equal(*answers)


def test_a_small_object_in_a_large_image_stays_sharp() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 10, (1000, 1500, 3))
    image = np.clip(np.array((60, 90, 160)) + noise, 0, 255).astype(np.uint8)
    truth = np.zeros((1000, 1500), bool)
    truth[700:760, 1200:1270] = True
    image[truth] = (200, 60, 40)
    method = GrabCut()
    method.set_image(image)
    mask = method.predict(Prompts(box=(1190, 690, 1280, 770))).mask
    np.testing.assert_array_equal(mask, truth)


def test_trimap_follows_the_prompts() -> None:
    clicks = (Click(10.5, 10.5), Click(25.5, 10.5, False))
    trimap = trimap_from_prompts(Prompts(clicks, box=(5, 5, 30, 20)), (40, 50), 2.0)
    assert trimap[10, 10] == OBJECT and trimap[10, 25] == BACKGROUND
    assert trimap[15, 17] == MAYBE_OBJECT and trimap[30, 40] == BACKGROUND
    inside = np.zeros((40, 50), bool)
    inside[5:20, 5:30] = True
    assert (trimap[~inside] == BACKGROUND).all()
    # In the box only the negative click's disk is background, of a radius of 2 pixels.
    rows, cols = np.nonzero(inside & (trimap == BACKGROUND))
    assert 9 <= len(rows) <= 21
    assert (np.hypot(cols + 0.5 - 25.5, rows + 0.5 - 10.5) <= 2.5).all()
    free = trimap_from_prompts(Prompts((Click(10.5, 10.5),)), (40, 50), 2.0)
    assert free[10, 10] == OBJECT and free[10, 15] == MAYBE_OBJECT
    assert free[39, 49] == MAYBE_BACKGROUND
    before = np.zeros((40, 50), bool)
    before[:10] = True
    refined = trimap_from_prompts(
        Prompts((Click(20, 30, False),), previous_mask=before), (40, 50), 2.0
    )
    assert refined[5, 5] == MAYBE_OBJECT and refined[20, 5] == MAYBE_BACKGROUND
    assert refined[30, 20] == BACKGROUND


def test_later_strokes_override_earlier_ones() -> None:
    over = (stroke([(10, 10), (30, 10)]), stroke([(20, 10)], positive=False))
    trimap = trimap_from_prompts(Prompts(strokes=over), (40, 50), 2.0)
    assert trimap[10, 20] == BACKGROUND and trimap[10, 12] == OBJECT


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        (Prompts(), "nothing says where the object is"),
        (Prompts((Click(5, 5, False),)), "nothing says where the object is"),
        (Prompts(box=(-1, -1, 200, 200)), "no pixel to the background"),
        (Prompts(box=(100, 100, 140, 140)), "no pixel to the object"),
    ],
)
def test_prompts_that_cannot_be_answered_say_why(prompts: Prompts, message: str) -> None:
    method = GrabCut()
    method.set_image(scene(60, 80)[0])
    with pytest.raises(ValueError, match=message):
        method.predict(prompts)


def test_image_comes_first() -> None:
    with pytest.raises(RuntimeError, match="set_image"):
        GrabCut().predict(Prompts(box=(0, 0, 5, 5)))


def test_steps_are_opencvs_own_iterations() -> None:
    image, truth = scene(90, 120)
    trimap = trimap_from_prompts(Prompts(box=box_of(truth)), (90, 120), 2.0)
    states = list(grabcut_steps(image, trimap, iterations=4))
    assert [state.iteration for state in states] == [1, 2, 3, 4]
    whole, background, foreground = trimap.copy(), np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    cv2.grabCut(image, whole, (0, 0, 0, 0), background, foreground, 4, cv2.GC_INIT_WITH_MASK)
    np.testing.assert_array_equal(states[-1].mask, (whole & 1).astype(bool))
    np.testing.assert_array_equal(states[-1].background, background)
    assert (trimap == trimap_from_prompts(Prompts(box=box_of(truth)), (90, 120), 2.0)).all()
    assert states[-1].energy <= states[0].energy


def test_mixture_and_border_price_are_the_papers_formulas() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    mask = rng.random((5, 6)) > 0.5
    weights = rng.dirichlet(np.ones(5))
    means = rng.uniform(0, 255, (5, 3))
    roots = rng.normal(0, 20, (5, 3, 3))
    covariances = roots @ roots.transpose(0, 2, 1) + 50 * np.eye(3)
    mixture = np.concatenate([weights, means.ravel(), covariances.ravel()])[None]
    for got, want in zip(unpack_mixture(mixture), (weights, means, covariances), strict=True):
        np.testing.assert_allclose(got, want)

    misfit = negative_log_likelihood(image, mixture)
    for row in range(5):
        for col in range(6):
            density = 0.0
            for k in range(5):
                d = image[row, col] - means[k]
                exponent = -0.5 * d @ np.linalg.solve(covariances[k], d)
                density += weights[k] / np.sqrt(np.linalg.det(covariances[k])) * np.exp(exponent)
            assert misfit[row, col] == pytest.approx(-np.log(max(density, 1e-300)))

    z = image.astype(float)
    pairs = [
        ((r, c), (r + dr, c + dc))
        for r in range(5)
        for c in range(6)
        for dr, dc in ((0, 1), (1, 0), (1, 1), (1, -1))
        if 0 <= r + dr < 5 and 0 <= c + dc < 6
    ]
    beta = 1 / (2 * np.mean([((z[a] - z[b]) ** 2).sum() for a, b in pairs]))
    price = sum(
        GAMMA * np.exp(-beta * ((z[a] - z[b]) ** 2).sum()) / np.hypot(a[0] - b[0], a[1] - b[1])
        for a, b in pairs
        if mask[a] != mask[b]
    )
    assert border_price(image, mask) == pytest.approx(price)
    total = negative_log_likelihood(image, mixture)
    assert energy(image, mask, mixture, mixture) == pytest.approx(total.sum() + price)


def test_one_colour_everywhere_costs_no_crash() -> None:
    method = GrabCut()
    method.set_image(np.full((40, 50, 3), 77, np.uint8))
    assert method.predict(Prompts(box=(5, 5, 30, 30))).mask.shape == (40, 50)


@needs_shared_data
def test_boxes_on_the_grabcut_photographs() -> None:
    """Ten of the paper's own photographs; a box 8 pixels around the object, nothing else."""
    folder = SHARED_DATA / "grabcut"
    scores = []
    for path in sorted((folder / "boundary_GT").glob("*.bmp"))[::5]:
        image = cv2.imread(str(next((folder / "data_GT").glob(f"{path.stem}.*"))))[..., ::-1]
        label = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        method = GrabCut()
        method.set_image(image.copy())
        mask = method.predict(Prompts(box=box_of(label == 255, 8))).mask
        known = label != 128  # the border itself is left open
        scores.append(iou(mask & known, label == 255))
    assert np.median(scores) > 0.85
