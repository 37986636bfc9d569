"""The CRF explorer shows the library's mean field, at the ends of its controls."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from segedu.semantic import dense_crf
from segedu.semantic.metrics import ConfusionMatrix
from segedu.widgets.demos.crf import (
    BEGIN,
    PANEL,
    STEPS,
    WORK,
    WORKING_SIDE,
    CRFExplorer,
    annotated_labels,
    crf_explorer,
    degraded,
)
from segedu.widgets.demos.panels import GAP, TITLE


@pytest.fixture(scope="module")
def scene():
    """Two coloured halves and a corner of which nothing is known."""
    random = np.random.default_rng(0)
    truth = np.zeros((40, 60), np.int64)
    truth[:, 33:] = 1
    image = np.where(truth[..., None] == 1, (200, 60, 40), (40, 80, 190))
    image = np.clip(image + random.normal(0, 6, image.shape), 0, 255).astype(np.uint8)
    truth[:5, :5] = 255
    return image, truth


@pytest.fixture
def demo(scene):
    return CRFExplorer(*scene, ["left", "right"])


def decoded(stage):
    return cv2.imdecode(np.frombuffer(stage._picture, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_steps_are_the_librarys(demo, scene):
    image, truth = scene
    assert len(demo.labels) == len(demo.scores) == STEPS + 1
    for t in (0, 1, STEPS):
        marginals = dense_crf(
            image, demo.unary, iterations=t, parameters=BEGIN, method="lattice", device="cpu"
        )
        np.testing.assert_allclose(demo.believes[t], marginals, atol=1e-5)
        matrix = ConfusionMatrix(2)
        matrix.update(marginals.argmax(0), truth)
        assert demo.scores[t] == pytest.approx(matrix.compute()["miou"], abs=2e-3)
    assert demo.scores[STEPS] > demo.scores[0]


def test_extremes_of_every_slider(demo):
    for control in demo.sliders.values():
        for value in (control.min, control.max):
            control.value = value
            assert len(demo.labels) == STEPS + 1 and not demo.busy
            assert all(np.isfinite(b).all() for b in demo.believes)
            for step in (0, STEPS):
                demo.step.value = step
                assert (decoded(demo.stage) == demo.picture()).all()
    for name in ("weight_appearance", "weight_smoothness"):
        demo.sliders[name].value = 0
    assert demo.heard() == {} and "nobody" in demo.caption.value
    np.testing.assert_array_equal(demo.labels[0], demo.labels[STEPS])
    demo.reset.click()
    assert demo.parameters == BEGIN


def test_whom_a_pixel_hears(demo, scene):
    image, _ = scene
    demo.chosen = (0.25, 0.5)
    row, col = demo.pixel
    assert (row, col) == (20, 15)
    heard = demo.heard()
    other, parameters = (10, 30), BEGIN
    near = (other[0] - row) ** 2 + (other[1] - col) ** 2
    alike = ((image[other].astype(float) - image[row, col]) ** 2).sum()
    expected = np.exp(
        -near / (2 * parameters.theta_alpha**2) - alike / (2 * parameters.theta_beta**2)
    )
    assert heard["appearance"][other] == pytest.approx(expected, rel=1e-3)
    assert heard["smoothness"][row, col + 2] == pytest.approx(
        np.exp(-4 / (2 * parameters.theta_gamma**2)), rel=1e-4
    )
    assert heard["appearance"][:, 40:].max() < 1e-3  # the other colour is not heard


def test_moving_the_step_computes_nothing(demo, monkeypatch):
    monkeypatch.setattr("segedu.widgets.demos.crf.dense_crf_marginals", None)
    before = demo.stage._picture
    demo.stage._receive(demo.stage, {"type": "step", "by": -5}, [])
    assert demo.step.value == 0 and demo.stage._picture != before
    assert "<b>step 0</b>" in demo.caption.value
    demo.stage._receive(demo.stage, {"type": "step", "by": 99}, [])
    assert demo.step.value == STEPS


def test_a_click_in_any_panel_means_the_same_pixel(demo):
    width, height = demo.panel
    full = (3 * width + 2 * GAP, 2 * (TITLE + height) + GAP)
    assert demo.picture().shape == (full[1], full[0], 3) and max(width, height) == PANEL
    for across in range(3):
        for down in range(2):
            x = across * (width + GAP) + 0.25 * width
            y = down * (height + TITLE + GAP) + TITLE + 0.75 * height
            demo._choose(x / full[0], y / full[1])
            np.testing.assert_allclose(demo.chosen, (0.25, 0.75), atol=1e-6)
    demo._choose(0, 0)
    assert demo.pixel == (0, 0)
    demo._choose(1, 1)
    assert demo.pixel == (39, 59)


def test_degraded_is_coarse_noisy_and_the_same_each_time(scene):
    _, truth = scene
    p = degraded(truth, 2, stride=8, noise=1.0, seed=3)
    assert p.shape == (2, 40, 60) and p.dtype == np.float32
    np.testing.assert_allclose(p.sum(0), 1, atol=1e-6)
    np.testing.assert_array_equal(p, degraded(truth, 2, stride=8, noise=1.0, seed=3))
    assert (p != degraded(truth, 2, stride=8, noise=1.0, seed=4)).any()
    known = truth != 255
    sharp = degraded(truth, 2, stride=1, noise=0).argmax(0)
    assert (sharp == truth)[known].all()
    assert degraded(truth, 2, stride=1, noise=0)[:, 0, 0] == pytest.approx(0.5)
    wrong = [(degraded(truth, 2, stride=s).argmax(0) != truth)[known].mean() for s in (2, 16)]
    assert wrong[1] > 0.01


@pytest.mark.parametrize("name", ["coffee", "astronaut", "chelsea"])
def test_on_photographs_some_steps_help(name):
    demo = crf_explorer(name)
    assert max(demo.truth.shape) <= WORKING_SIDE and demo.truth.size * len(demo.names) <= WORK
    assert demo.scores[5] > demo.scores[0] + 0.02
    assert len(demo.names) >= 2 and demo.names[0] in demo.names
    image, truth, names = annotated_labels_of(name)
    assert image.shape[:2] == truth.shape
    assert set(np.unique(truth)) - {255} == set(range(len(names)))


def annotated_labels_of(name):
    from segedu.data import load_photograph

    return annotated_labels(load_photograph(name), WORKING_SIDE)
