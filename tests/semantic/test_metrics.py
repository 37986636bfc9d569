from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from sklearn import metrics as sklearn_metrics
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_jaccard_index

from segedu.semantic.metrics import ConfusionMatrix, boundary_f, class_boundary, within
from tests.requirements_of_machine import needs_cuda

Map = NDArray[np.int64]
C = 5


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Map, Map]:
    """A prediction and a truth of few classes; some are absent, some pixels of truth ignored."""
    shape = (draw(st.integers(1, 9)), draw(st.integers(1, 9)))
    classes = st.sampled_from(draw(st.lists(st.integers(0, C - 1), min_size=1, max_size=C)))
    prediction = draw(npst.arrays(np.int64, shape, elements=classes))
    truth = draw(npst.arrays(np.int64, shape, elements=st.one_of(classes, st.just(255))))
    return prediction, truth


@settings(max_examples=80, deadline=None)
@given(pairs())
def test_equal_to_scikit_learn(maps: tuple[Map, Map]) -> None:
    prediction, truth = maps
    matrix = ConfusionMatrix(C)
    matrix.update(prediction, truth)
    scores = matrix.compute()
    valid = truth != 255
    if not valid.any():
        assert all(math.isnan(scores[k]) for k in ("miou", "pixel_accuracy", "mean_accuracy"))
        return
    p, t = prediction[valid], truth[valid]
    counts = sklearn_metrics.confusion_matrix(t, p, labels=range(C))
    assert matrix.counts[:, :C].tolist() == counts.tolist()
    shown = np.union1d(p, t)
    iou = sklearn_metrics.jaccard_score(t, p, labels=shown, average=None, zero_division=0)
    np.testing.assert_allclose(scores["iou"].numpy()[shown], iou)
    assert np.isnan(np.delete(scores["iou"].numpy(), shown)).all()
    assert scores["miou"] == pytest.approx(iou.mean())
    assert scores["pixel_accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(t, p))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of classes that are only predicted
        balanced = sklearn_metrics.balanced_accuracy_score(t, p)
        weighted = sklearn_metrics.jaccard_score(t, p, average="weighted", zero_division=0)
    assert scores["mean_accuracy"] == pytest.approx(balanced)
    assert scores["frequency_weighted_iou"] == pytest.approx(weighted)


@pytest.mark.parametrize("seed", range(5))
def test_equal_to_torchmetrics(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randint(0, 19, (3, 20, 30), generator=generator)
    prediction = torch.where(
        torch.rand(truth.shape, generator=generator) < 0.6,
        truth,
        torch.randint(0, 19, truth.shape, generator=generator),
    )
    truth[torch.rand(truth.shape, generator=generator) < 0.1] = 255
    matrix = ConfusionMatrix(19)
    matrix.update(prediction, truth)
    scores = matrix.compute()
    theirs = multiclass_jaccard_index(
        prediction, truth, num_classes=19, average="none", ignore_index=255
    )
    torch.testing.assert_close(scores["iou"].float(), theirs)
    accuracy = multiclass_accuracy(
        prediction, truth, num_classes=19, average="macro", ignore_index=255
    )
    assert scores["mean_accuracy"] == pytest.approx(float(accuracy), abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(pairs(), st.integers(1, 8))
def test_streaming_in_any_pieces_is_the_same(maps: tuple[Map, Map], cut: int) -> None:
    prediction, truth = maps
    whole, pieces, other = ConfusionMatrix(C), ConfusionMatrix(C), ConfusionMatrix(C)
    whole.update(prediction, truth)
    pieces.update(prediction[:cut], truth[:cut])
    other.update(torch.from_numpy(prediction[cut:]), torch.from_numpy(truth[cut:]).to(torch.int32))
    pieces.merge(other)
    assert torch.equal(whole.counts, pieces.counts)
    pieces.reset()
    assert pieces.counts.sum() == 0


def test_known_scores() -> None:
    # Class 0: 6 true, 5 found; class 1: 2 true, 1 found, 1 of class 0 taken; class 2: absent.
    truth = np.array([[0, 0, 0, 0, 0, 0, 1, 1, 255]])
    prediction = np.array([[0, 0, 0, 0, 0, 1, 1, 0, 2]])
    matrix = ConfusionMatrix(3, categories=[0, 0, 1])
    matrix.update(prediction, truth)
    scores = matrix.compute()
    assert scores["iou"][:2].tolist() == pytest.approx([5 / 7, 1 / 3])
    assert scores["iou"][2].isnan()
    assert scores["miou"] == pytest.approx((5 / 7 + 1 / 3) / 2)
    assert scores["pixel_accuracy"] == pytest.approx(6 / 8)
    assert scores["mean_accuracy"] == pytest.approx((5 / 6 + 1 / 2) / 2)
    assert scores["frequency_weighted_iou"] == pytest.approx((6 * 5 / 7 + 2 / 3) / 8)
    assert scores["category_miou"] == 1  # 0 and 1 are of one category


def test_a_class_that_is_only_predicted_counts_as_zero() -> None:
    matrix = ConfusionMatrix(3)
    matrix.update(np.array([[0, 1]]), np.array([[0, 0]]))
    scores = matrix.compute()
    assert scores["iou"][:2].tolist() == [0.5, 0.0]
    assert scores["miou"] == 0.25
    assert scores["accuracy"].isnan().tolist() == [False, True, True]


def test_not_to_say_is_to_miss() -> None:
    matrix = ConfusionMatrix(2)
    matrix.update(np.array([[0, 255, 1, 255]]), np.array([[0, 0, 1, 255]]))
    scores = matrix.compute()
    assert scores["iou"].tolist() == [0.5, 1.0]
    assert scores["pixel_accuracy"] == pytest.approx(2 / 3)


def test_large_counts_are_exact() -> None:
    matrix = ConfusionMatrix(2)
    for _ in range(3):
        matrix.counts += torch.tensor([[2**40, 1, 0], [0, 2**40, 0]])
    assert matrix.counts[0].tolist() == [3 * 2**40, 3, 0]
    assert matrix.compute()["pixel_accuracy"] < 1


def test_wrong_arguments_are_refused() -> None:
    matrix = ConfusionMatrix(3)
    good = np.zeros((2, 3), int)
    with pytest.raises(ValueError, match="argmax"):
        matrix.update(torch.zeros(1, 3, 2, 3, dtype=torch.int64), good)
    with pytest.raises(ValueError, match="prediction must hold integer labels"):
        matrix.update(good.astype(float), good)
    with pytest.raises(ValueError, match=r"target holds the label 3; labels must be 0 … 2"):
        matrix.update(good, good + 3)
    with pytest.raises(ValueError, match="prediction holds the label -1"):
        matrix.update(good - 1, good)
    with pytest.raises(ValueError, match="ignore"):
        ConfusionMatrix(300)
    with pytest.raises(ValueError, match="categories"):
        ConfusionMatrix(3, categories=[0, 1])
    with pytest.raises(ValueError, match="at least 1"):
        ConfusionMatrix(0)
    with pytest.raises(ValueError, match="merge"):
        matrix.merge(ConfusionMatrix(4))
    assert matrix.counts.sum() == 0  # nothing was counted halfway


@needs_cuda
def test_on_a_gpu_as_on_the_cpu() -> None:
    truth, prediction = torch.randint(0, 5, (2, 40, 50)), torch.randint(0, 5, (2, 40, 50))
    cpu, gpu = ConfusionMatrix(5), ConfusionMatrix(5, device="cuda")
    cpu.update(prediction, truth)
    gpu.update(prediction.cuda(), truth.cuda())
    assert torch.equal(cpu.counts, gpu.counts.cpu())
    ours = boundary_f(prediction[0].cuda(), truth[0].cuda(), 5)[1]
    assert torch.equal(ours, boundary_f(prediction[0], truth[0], 5)[1])


# Contours.


def loop_boundary_f(prediction: Map, truth: Map, c: int, reach: float) -> float:
    """The definition, with SciPy's exact distances and a loop over neighbours."""

    def boundary(labels: Map) -> NDArray[np.bool_]:
        on = np.zeros(labels.shape, bool)
        for y, x in np.argwhere(labels == c):
            for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= v < labels.shape[0] and 0 <= u < labels.shape[1]:
                    on[y, x] |= labels[v, u] not in (c, 255)
        return on

    found, true = boundary(np.where(truth == 255, 255, prediction)), boundary(truth)
    if not found.any() and not true.any():
        return math.nan
    if not found.any() or not true.any():
        return 0.0
    precision = (distance_transform_edt(~true)[found] <= reach).mean()
    recall = (distance_transform_edt(~found)[true] <= reach).mean()
    total = precision + recall
    return 2 * precision * recall / total if total else 0.0


@settings(max_examples=100, deadline=None)
@given(pairs(), st.sampled_from([0.0, 1.0, 1.5, 2.0, 2.9, 5.0, 40.0]))
def test_boundary_f_equals_the_literal_definition(maps: tuple[Map, Map], reach: float) -> None:
    prediction, truth = maps
    score, classes = boundary_f(prediction, truth, C, tolerance=reach)
    want = [loop_boundary_f(prediction, truth, c, reach) for c in range(C)]
    np.testing.assert_allclose(classes.numpy(), want, atol=1e-9)
    if not np.isnan(want).all():
        assert score == pytest.approx(np.nanmean(want))
    else:
        assert math.isnan(score)


@settings(max_examples=50, deadline=None)
@given(
    npst.arrays(np.bool_, (7, 11)),
    npst.arrays(np.bool_, (7, 11)),
    st.one_of(st.floats(0, 20), st.sampled_from([2**0.5, 5**0.5, 5.0, 13**0.5 - 1e-6])),
)
def test_distances_are_euclidean(
    asked: NDArray[np.bool_], mask: NDArray[np.bool_], radius: float
) -> None:
    near = distance_transform_edt(~mask) if mask.any() else np.full(mask.shape, np.inf)
    got = within(torch.from_numpy(asked), torch.from_numpy(mask), radius)
    decided = abs(near - radius) > 1e-9  # where rounding of the root does not decide
    assert (got.numpy() == (near <= radius)[asked])[decided[asked]].all()


def test_boundary_of_shifted_halves() -> None:
    halves = np.zeros((20, 40), int)
    halves[:, 20:] = 1
    shifted = np.roll(halves, 3, axis=1)
    shifted[:, :3] = 0
    assert boundary_f(shifted, halves, 2, tolerance=3)[0] == 1
    assert boundary_f(shifted, halves, 2, tolerance=2)[0] == 0
    # 0.0671 of the diagonal, 44.7 pixels, are 3.0009 pixels.
    assert boundary_f(shifted, halves, 2, tolerance=0.0671)[0] == 1
    assert boundary_f(halves, halves, 2)[0] == 1
    assert class_boundary(torch.from_numpy(halves), 1).sum() == 20


def test_ignored_pixels_make_no_boundary() -> None:
    truth = np.full((10, 10), 0)
    truth[3:6, 3:6] = 255
    prediction = np.zeros((10, 10), int)
    prediction[3:6, 3:6] = 1  # only where nobody looks
    assert math.isnan(boundary_f(prediction, truth, 2)[0])


def test_wrong_maps_for_contours_are_refused() -> None:
    good = np.zeros((4, 5), int)
    with pytest.raises(ValueError, match=r"must both be \(H, W\)"):
        boundary_f(good, good.T, 2)
    with pytest.raises(ValueError, match="tolerance"):
        boundary_f(good, good, 2, tolerance=-1)
