"""Fully connected CRF: brute force, both implementations, options, errors."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import skimage.data
import torch

from segedu.semantic import CRFParameters, dense_crf, dense_crf_marginals, dense_crf_steps
from segedu.semantic.crf import EXACT_UP_TO, exact_filter, features_of, normalized
from segedu.semantic.permutohedral import Lattice
from tests.requirements_of_machine import needs_cuda


def photograph(name: str, height: int = 40, width: int = 40) -> np.ndarray:
    image = getattr(skimage.data, name)()[:300, :300]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def unsure(image: np.ndarray, labels: int, seed: int = 0) -> np.ndarray:
    """Probabilities (C, H, W) as a coarse network gives: brightness classes, blurred and noisy."""
    grey = cv2.GaussianBlur(image.mean(-1), (0, 0), 1)
    truth = np.digitize(grey, np.quantile(grey, np.arange(1, labels) / labels))
    noise = np.random.default_rng(seed).random((labels, *grey.shape))
    blurred = [cv2.GaussianBlur((truth == k).astype(float), (0, 0), 2) for k in range(labels)]
    scores = np.stack(blurred) + 0.1 * noise
    return (scores / scores.sum(0)).astype(np.float32)


def literal_mean_field(image, p, iterations, parameters, mu):
    """Algorithm 1, written out pair by pair in NumPy, with nothing of the library's."""
    height, width, _ = image.shape
    y, x = np.mgrid[:height, :width]
    place = np.stack([x, y], -1).reshape(-1, 2).astype(float)
    color = image.reshape(-1, 3).astype(float)
    near = ((place[:, None] - place[None]) ** 2).sum(-1)
    alike = ((color[:, None] - color[None]) ** 2).sum(-1)
    t = parameters
    appearance = np.exp(-near / (2 * t.theta_alpha**2) - alike / (2 * t.theta_beta**2))
    kernels = [appearance, np.exp(-near / (2 * t.theta_gamma**2))]
    kernels = [k / np.sqrt(np.outer(k.sum(1), k.sum(1))) for k in kernels]
    weights = [t.weight_appearance, t.weight_smoothness]
    unary = -np.log(np.maximum(p.reshape(len(p), -1).T.astype(float), 1e-5))
    q = np.exp(-unary) / np.exp(-unary).sum(1, keepdims=True)
    for _ in range(iterations):
        message = sum(w * k @ q for w, k in zip(weights, kernels, strict=True))
        energy = unary + message @ mu.T
        q = np.exp(-energy + energy.min(1, keepdims=True))
        q /= q.sum(1, keepdims=True)
    return q.T.reshape(p.shape)


@pytest.mark.parametrize("labels", [2, 5])
@pytest.mark.parametrize("own_mu", [False, True])
def test_marginals_are_brute_force_on_a_small_image(labels, own_mu):
    """The path of small images, "exact": with "auto" 40 x 40 pixels never see the lattice."""
    image = photograph("coffee")
    p = unsure(image, labels)
    mu = np.random.default_rng(1).random((labels, labels)) if own_mu else None
    expected = literal_mean_field(
        image, p, 5, CRFParameters(), 1 - np.eye(labels) if mu is None else mu
    )
    found = dense_crf(image, p, compatibility=mu, device="cpu")
    exact = dense_crf(image, p, compatibility=mu, method="exact", device="cpu")
    assert np.array_equal(found, exact)
    assert found.dtype == np.float32 and found.shape == (labels, 40, 40)
    assert np.abs(found - expected).max() <= 1e-2
    assert np.abs(expected - p).max() > 0.1  # the comparison says something


@pytest.mark.parametrize("name", ["coffee", "astronaut", "chelsea"])
@pytest.mark.parametrize("labels", [2, 5])
@pytest.mark.parametrize(
    ("parameters", "mean", "agreement"),
    [(CRFParameters(4, 49, 5, 3, 3), 0.01, 0.97), (CRFParameters(), 0.04, 0.93)],
)
def test_lattice_is_near_brute_force(name, labels, parameters, mean, agreement):
    """On average, with DeepLab's parameters for VOC and with the default ones.

    Single pixels are further off: a message's error is a few percent, and where two labels are
    nearly even each iteration enlarges it. pydensecrf, the same lattice, errs alike.
    """
    image = photograph(name)
    p = unsure(image, labels)
    exact = dense_crf(image, p, parameters=parameters, method="exact", device="cpu")
    found = dense_crf(image, p, parameters=parameters, method="lattice", device="cpu")
    assert np.abs(found - exact).mean() <= mean
    assert (found.argmax(0) == exact.argmax(0)).mean() >= agreement
    assert np.abs(p - exact).mean() > 0.1


@pytest.mark.parametrize("name", ["coffee", "astronaut", "chelsea"])
@pytest.mark.parametrize(("kernel", "mean"), [("appearance", 0.03), ("smoothness", 0.015)])
def test_a_message_of_the_lattice_is_near_brute_force(name, kernel, mean):
    """One filtered message, default parameters, before mean field enlarges anything."""
    image = photograph(name)
    q = torch.from_numpy(unsure(image, 2).reshape(2, -1).T.copy())  # (N, C)
    features = torch.from_numpy(features_of(image, CRFParameters())[kernel]).T.contiguous()
    found = normalized(Lattice(features).filter, features)(q)
    expected = normalized(exact_filter(features), features)(q)
    assert (found - expected).abs().mean() <= mean * expected.mean()
    assert float(torch.corrcoef(torch.stack([found[:, 0], expected[:, 0]]))[0, 1]) >= 0.997


@pytest.mark.parametrize("labels", [2, 3, 7, 21])
@pytest.mark.parametrize("own_mu", [False, True])
def test_both_implementations_agree(labels, own_mu):
    image = photograph("chelsea", 50, 61)
    p = unsure(image, labels)
    mu = np.random.default_rng(1).random((labels, labels)) if own_mu else None
    *_, last = dense_crf_steps(image, p, iterations=4, compatibility=mu)
    fast = dense_crf(image, p, iterations=4, compatibility=mu, method="lattice", device="cpu")
    np.testing.assert_allclose(fast, last.marginals.numpy(), atol=1e-4)


@pytest.mark.parametrize("without", ["weight_appearance", "weight_smoothness"])
def test_kernels_can_be_left_out(without):
    image = photograph("coffee", 48, 50)
    p = unsure(image, 3)
    parameters = CRFParameters(**{without: 0.0})
    states = list(dense_crf_steps(image, p, parameters=parameters))
    assert set(states[-1].messages) == {"appearance", "smoothness"} - {
        without.removeprefix("weight_")
    }
    fast = dense_crf(image, p, parameters=parameters, method="lattice", device="cpu")
    np.testing.assert_allclose(fast, states[-1].marginals.numpy(), atol=1e-4)
    nothing = CRFParameters(weight_appearance=0, weight_smoothness=0)
    same = dense_crf(image, p, parameters=nothing, method="lattice", device="cpu")
    np.testing.assert_allclose(same, p, atol=1e-4)


def test_steps():
    image = photograph("coffee")
    p = unsure(image, 3)
    states = list(dense_crf_steps(image, p, iterations=3))
    assert [s.iteration for s in states] == [0, 1, 2, 3]
    np.testing.assert_allclose(states[0].marginals.numpy(), p, atol=1e-5)
    assert states[0].messages == {}
    previous = states[0].marginals
    t = CRFParameters()
    for state in states[1:]:
        torch.testing.assert_close(state.marginals.sum(0), torch.ones(40, 40))
        total = (
            t.weight_appearance * state.messages["appearance"]
            + t.weight_smoothness * state.messages["smoothness"]
        )
        logits = torch.from_numpy(p).clamp(min=1e-5).log() + total
        torch.testing.assert_close(state.marginals, logits.softmax(0), atol=1e-4, rtol=1e-4)
        assert not state.marginals.equal(previous)
        previous = state.marginals


def test_colour_decides_at_an_edge():
    """Two flat halves; the network's border is five pixels off; the CRF puts it on the edge."""
    image = np.zeros((60, 80, 3), np.uint8)
    image[:, 40:] = 200
    p = np.full((2, 60, 80), 0.3, np.float32)
    p[0, :, :35] = p[1, :, 35:] = 0.7
    labels = dense_crf(image, p, method="lattice", device="cpu").argmax(0)
    assert (labels[:, :40] == 0).all() and (labels[:, 40:] == 1).all()


def test_one_iteration_on_one_pixel_pair_by_hand():
    """Equal colours, 1 px apart, θ = 1: k = exp(-1/2); normalised k / (1 + k), 1 / (1 + k)."""
    image = np.zeros((1, 2, 3), np.uint8)
    p = np.array([[[0.9, 0.4]], [[0.1, 0.6]]], np.float32)
    parameters = CRFParameters(weight_appearance=0, weight_smoothness=2, theta_gamma=1)
    found = dense_crf(image, p, iterations=1, parameters=parameters, device="cpu")
    k = np.exp(-0.5)
    message = (p[:, 0] + k * p[:, 0, ::-1]) / (1 + k)  # (C, 2)
    expected = p[:, 0] * np.exp(2 * message)
    np.testing.assert_allclose(found[:, 0], expected / expected.sum(0), atol=1e-5)


def test_symmetries():
    image = photograph("astronaut", 50, 70)
    p = unsure(image, 3)
    found = dense_crf(image, p, device="cpu")
    order = [2, 0, 1]
    renamed = dense_crf(image, p[order], device="cpu")
    np.testing.assert_allclose(renamed, found[order], atol=1e-4)
    floats = dense_crf(image / 255, torch.from_numpy(p), device="cpu")
    np.testing.assert_allclose(floats, found, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (1, 70), (3, 2)])
def test_tiny_images(shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    p = np.full((2, *shape), 0.5, np.float32)
    for method in ("lattice", "exact"):
        # An even split is unstable: further iterations would enlarge the last bit's error.
        found = dense_crf(image, p, iterations=1, method=method, device="cpu")
        np.testing.assert_allclose(found, 0.5, atol=1e-4)


def test_impossible_labels_can_win_and_nothing_overflows():
    image = photograph("coffee", 50, 50)
    p = np.zeros((3, 50, 50), np.float32)
    p[0] = 1
    p[0, 20, 20], p[1, 20, 20] = 0, 1
    found = dense_crf(image, p, parameters=CRFParameters(1000, 80, 13, 300, 3), device="cpu")
    assert np.isfinite(found).all() and found[0, 20, 20] > 0.5


def test_large_images_take_the_lattice():
    image = photograph("coffee", 46, 46)
    assert EXACT_UP_TO < 46 * 46
    p = unsure(image, 2)
    auto = dense_crf(image, p, device="cpu")
    assert np.array_equal(auto, dense_crf(image, p, method="lattice", device="cpu"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probabilities": np.zeros((2, 4, 5))}, "shape"),
        ({"probabilities": np.zeros((1, 4, 4))}, "at least 2"),
        ({"probabilities": np.full((2, 4, 4), 3.0)}, "softmax"),
        ({"probabilities": np.full((2, 4, 4), np.nan)}, "softmax"),
        ({"iterations": -1}, "negative"),
        ({"compatibility": np.eye(3)}, "compatibility"),
        ({"image": np.zeros((4, 4), np.uint8)}, "grey"),
        ({"method": "guess"}, "method"),
    ],
)
def test_wrong_arguments(change, message):
    arguments = {
        "image": np.zeros((4, 4, 3), np.uint8), "probabilities": np.full((2, 4, 4), 0.5)
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        dense_crf(**(arguments | change), device="cpu")


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan])
def test_wrong_parameters(value):
    with pytest.raises(ValueError, match="theta_beta"):
        CRFParameters(theta_beta=value)


@needs_cuda
def test_cuda_agrees():
    image = photograph("coffee", 120, 90)
    p = unsure(image, 5)
    found = dense_crf(image, p, device="cuda")
    np.testing.assert_allclose(found, dense_crf(image, p, device="cpu"), atol=1e-3)
    for _ in range(3):
        assert np.array_equal(dense_crf(image, p, device="cuda"), found)  # to the last bit


@pytest.mark.parametrize("labels", [2, 4])
@pytest.mark.parametrize("own_mu", [False, True])
def test_marginals_of_every_iteration_are_dense_crfs(labels, own_mu):
    image = photograph("coffee", 50, 60)
    p = unsure(image, labels)
    mu = np.random.default_rng(1).random((labels, labels)) if own_mu else None
    found = list(dense_crf_marginals(image, p, iterations=3, compatibility=mu))
    assert len(found) == 4
    for k, marginals in enumerate(found):
        expected = dense_crf(
            image, p, iterations=k, compatibility=mu, method="lattice", device="cpu"
        )
        np.testing.assert_allclose(marginals, expected, atol=1e-6)
    assert np.abs(found[3] - found[1]).max() > 1e-3
