"""Expectations refuse whatever is not the right value of the right type, and say why."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from segedu.grading import (
    CheckFailed,
    LocalStudent,
    expect_array,
    expect_close,
    expect_equal,
    expect_raises,
    expect_true,
)

WANT = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


@pytest.mark.parametrize(
    "got",
    [WANT, WANT.copy(order="F"), WANT.astype(np.float32), torch.tensor(WANT), WANT + 1e-7],
    ids=["itself", "fortran", "float32", "tensor", "rounding"],
)
def test_the_right_array_passes(got):
    expect_array(got, WANT)


@pytest.mark.parametrize(
    ("got", "words"),
    [
        (np.zeros((0, 3)), r"shape \(0, 3\)"),
        (np.zeros(0), r"shape \(0,\)"),
        (WANT.T, "other way round"),
        (WANT[None], r"shape \(1, 2, 3\)"),
        (np.array(1.0), r"shape \(\)"),
        (WANT.astype(int), "should be floating"),
        (WANT > 1, "should be floating"),
        (WANT.astype(object), "dtype object"),
        (WANT.tolist(), "of type list"),
        (None, "return statement"),
        (3.0, "of type float"),
        (np.where(WANT > 5, np.nan, WANT), "1 NaN of 6"),
        (np.where(WANT > 4, np.inf, WANT), "2 infinite of 6"),
        (WANT + (WANT == 5), r"wrong in 1 of 6 value\(s\); the first is at index \(1, 1\): 6"),
    ],
)
def test_a_wrong_array_fails_with_its_reason(got, words):
    with pytest.raises(CheckFailed, match=words):
        expect_array(got, WANT)


def test_an_array_that_should_be_empty_must_be_empty():
    expect_array(np.zeros((0, 2)), np.zeros((0, 2)))
    with pytest.raises(CheckFailed, match="shape"):
        expect_array(np.zeros((1, 2)), np.zeros((0, 2)))


def test_nan_is_right_only_where_it_is_wanted():
    want = np.array([np.nan, 1.0])
    expect_array(np.array([np.nan, 1.0]), want)
    with pytest.raises(CheckFailed):
        expect_array(np.array([0.0, 1.0]), want)
    with pytest.raises(CheckFailed):
        expect_array(np.array([np.nan, np.nan]), want)


def test_integers_are_compared_exactly():
    big = np.array([2**53 + 1])
    with pytest.raises(CheckFailed):
        expect_array(big, big - 1)
    expect_array(big.astype(np.int64), big)


def test_exact_dtype_and_container():
    expect_array(WANT, WANT, dtype="float64")
    with pytest.raises(CheckFailed, match="should be float32"):
        expect_array(WANT, WANT, dtype=np.float32)
    with pytest.raises(CheckFailed, match="torch tensor"):
        expect_array(WANT, WANT, container="tensor")
    with pytest.raises(CheckFailed, match="numpy array"):
        expect_array(torch.tensor(WANT), WANT, container="array")
    expect_array(np.array([1, 2]), np.array([1.0, 2.0]), dtype=None)


def test_a_hint_is_a_sentence():
    with pytest.raises(CheckFailed, match=r"it should be 2\. Divide by n"):
        expect_array(1.0, 2.0, hint="divide by n")


@pytest.mark.parametrize("got", [0.5, np.float32(0.5), np.array(0.5), torch.tensor(0.5)], ids=repr)
def test_one_number_in_any_form(got):
    expect_close(got, 0.5)


@pytest.mark.parametrize("got", [0.6, None, "0.5", [0.5], np.array([0.5]), float("nan")], ids=repr)
def test_what_is_not_that_number(got):
    with pytest.raises(CheckFailed):
        expect_close(got, 0.5)


@pytest.mark.parametrize(
    ("got", "want"),
    [(1, 1), (np.int64(3), 3), ([1, (2, "x")], [1, (2, "x")]), ({"a": [True]}, {"a": [True]})],
)
def test_equal_values_pass(got, want):
    expect_equal(got, want)


@pytest.mark.parametrize(
    ("got", "want", "words"),
    [
        (True, 1, "of type bool"),
        (1, True, "of type int"),
        (1.0, 1, "of type float"),
        ([1, 2], (1, 2), "of type list"),
        ([1], [1, 2], "1 items"),
        ({"a": 1}, {"b": 1}, "keys"),
        ([1, {"a": 2}], [1, {"a": 3}], r"result\[1\]\['a'\] is 2; it should be 3"),
        (np.ones(2), np.zeros(2), "wrong in 2"),
        (None, 3, "return statement"),
    ],
)
def test_unequal_values_say_where(got, want, words):
    with pytest.raises(CheckFailed, match=words):
        expect_equal(got, want)


class Yes:
    def __bool__(self):
        return True


@pytest.mark.parametrize("condition", [False, 1, "yes", np.array([True]), Yes()], ids=type)
def test_only_a_plain_true_is_true(condition):
    with pytest.raises(CheckFailed, match="why"):
        expect_true(condition, "why")


def test_a_refusal_is_expected_by_name():
    student = LocalStudent.from_source(
        "def f(x):\n    if x < 0:\n        raise ValueError('negative')\n    return x\n"
        "def g(x):\n    return [][x]"
    )
    expect_raises(student, "ValueError", "f", -1)
    with pytest.raises(CheckFailed, match="returned a value"):
        expect_raises(student, "ValueError", "f", 1)
    with pytest.raises(CheckFailed, match="it raised IndexError"):
        expect_raises(student, ["ValueError", "TypeError"], "g", 1)


def test_what_a_student_returned_is_quoted_in_short():
    for got, want in (("x" * 10**6, "y"), ({"k" * 10**6: 1}, {"k": 1})):
        with pytest.raises(CheckFailed) as caught:
            expect_equal(got, want)
        assert len(caught.value.message) < 700
        assert "it should" in caught.value.message
