"""Assignment 1: its solutions agree with the library; `test_assignments` tests the rest."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from segedu.grading import Assignment
from segedu.superpixels import metrics
from tests.requirements_of_machine import REPOSITORY


@cache
def assignment() -> Assignment:
    return Assignment.load(REPOSITORY / "solutions" / "01_superpixels")


def test_solutions_measure_as_the_library_does():
    rng = np.random.default_rng(11)
    recall = assignment().reference("boundary_recall")
    error = assignment().reference("undersegmentation_error")
    for _ in range(10):
        labels = np.kron(rng.integers(0, 9, (6, 7)), np.ones((5, 4), int))
        truth = np.kron(rng.integers(0, 3, (5, 4)), np.ones((6, 7), int))
        for tolerance in (0, 1, 2):
            want = metrics.boundary_recall(labels, truth, tolerance)
            assert recall.call("boundary_recall", labels, truth, tolerance) == pytest.approx(want)
        want = metrics.undersegmentation_error(labels, truth)
        assert error.call("undersegmentation_error", labels, truth) == pytest.approx(want)


def test_connectivity_leaves_whole_regions_of_min_size():
    from scipy import ndimage

    reference = assignment().reference("enforce_connectivity")
    rng = np.random.default_rng(12)
    for min_size in (1, 4, 9, 1000):
        labels = rng.integers(-1, 3, (13, 17))
        regions = reference.call("enforce_connectivity", labels, min_size)
        names, first = np.unique(regions, return_index=True)
        assert names.tolist() == list(range(len(names)))
        assert np.all(np.diff(first) > 0), "not in reading order"
        for name in names:
            assert ndimage.label(regions == name)[1] == 1
        if len(names) > 1:
            assert np.bincount(regions.ravel()).min() >= min_size
