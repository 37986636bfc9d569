"""The CRF against pydensecrf, with the same parameters, on photographs.

pydensecrf is an old C++ extension; its maintained fork builds: `pip install pydensecrf2`. Where it
cannot be imported these tests skip.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray

from segedu.data.photographs import load_photograph
from segedu.semantic import CRFParameters, dense_crf
from tests.requirements_of_machine import SHARED_DATA, needs_shared_data
from tests.semantic.test_crf import photograph, unsure

PARAMETERS = (
    CRFParameters(),
    CRFParameters(
        weight_appearance=4, theta_alpha=49, theta_beta=5, weight_smoothness=3, theta_gamma=3
    ),  # DeepLab v1's for VOC
)


def pydensecrf(
    image: NDArray[np.uint8], p: NDArray[np.float32], parameters: CRFParameters, iterations: int = 5
) -> NDArray[np.float32]:
    """Its marginals (C, H, W) with its default, symmetric normalisation."""
    dense = pytest.importorskip("pydensecrf.densecrf", reason="pip install pydensecrf2")
    labels, height, width = p.shape
    crf: Any = dense.DenseCRF2D(width, height, labels)
    unary = -np.log(np.maximum(p.reshape(labels, -1), np.float32(1e-5)))
    crf.setUnaryEnergy(np.ascontiguousarray(unary, dtype=np.float32))
    t = parameters
    crf.addPairwiseGaussian(sxy=t.theta_gamma, compat=t.weight_smoothness)
    crf.addPairwiseBilateral(
        sxy=t.theta_alpha, srgb=t.theta_beta, rgbim=np.ascontiguousarray(image),
        compat=t.weight_appearance,
    )  # fmt: skip
    return np.array(crf.inference(iterations)).reshape(p.shape)


@pytest.mark.parametrize("name", ["coffee", "astronaut", "chelsea"])
@pytest.mark.parametrize("labels", [2, 5])
@pytest.mark.parametrize("parameters", PARAMETERS)
def test_both_lattices_are_equally_far_from_brute_force(name, labels, parameters):
    image = photograph(name)  # 40 x 40
    p = unsure(image, labels)
    theirs = pydensecrf(image, p, parameters)
    exact = dense_crf(image, p, parameters=parameters, method="exact", device="cpu")
    ours = dense_crf(image, p, parameters=parameters, method="lattice", device="cpu")
    far = [float(np.abs(q - exact).mean()) for q in (ours, theirs)]
    assert far[0] == pytest.approx(far[1], abs=1e-3) and far[0] > 1e-3
    assert np.abs(ours - theirs).mean() <= 1e-4


def assert_agrees(image, labels, parameters):
    p = unsure(image, labels)
    theirs = pydensecrf(image, p, parameters)
    ours = dense_crf(image, p, parameters=parameters, device="cpu")
    assert (ours.argmax(0) == theirs.argmax(0)).mean() >= 0.995
    assert np.abs(ours - theirs).mean() <= 1e-3
    assert (p.argmax(0) != theirs.argmax(0)).mean() > 1e-3  # the CRF did something


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "rocket"])
@pytest.mark.parametrize("labels", [2, 21])
@pytest.mark.parametrize("parameters", PARAMETERS)
def test_photographs(name, labels, parameters):
    image = getattr(skimage.data, name)()
    small = cv2.resize(image, (240, 160), interpolation=cv2.INTER_AREA)
    assert_agrees(small, labels, parameters)


def test_annotated_photograph_at_full_size():
    assert_agrees(load_photograph("astronaut").image, 3, PARAMETERS[0])


@needs_shared_data
def test_bsds500():
    files = sorted((SHARED_DATA / "bsds500").rglob("*.jpg"))[:5]
    assert files
    for file in files:
        image = np.ascontiguousarray(cv2.imread(str(file))[..., ::-1])
        assert_agrees(image, 5, PARAMETERS[0])
