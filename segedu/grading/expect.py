"""Expectations of a check: exact type, shape, dtype and finiteness first, tolerance last.

An empty array passes `np.allclose` against anything, an object array may hold values whose
comparison is always true, NaN may count as equal: none of that reaches the tolerance here. Every
function raises CheckFailed with a sentence for the student.
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from segedu.grading.exercise import CheckFailed, Student

KINDS = {"b": "bool", "i": "integer", "u": "integer", "f": "floating", "c": "complex"}
MAX_VALUE = 500


def expect_true(condition: bool, message: str, misconception: str | None = None) -> None:
    """Fail with `message` unless `condition` (a plain bool) holds."""
    if condition is not True and condition is not np.True_:
        raise CheckFailed(message, misconception)


def expect_array(
    got: Any,
    want: Any,
    *,
    name: str = "result",
    rtol: float = 1e-5,
    atol: float = 1e-6,
    dtype: str | type | np.dtype | None = "kind",
    container: str | None = None,
    hint: str | None = None,
) -> None:
    """`got` is an array or tensor equal to `want` within tolerance.

    Args:
        got: what the student's code returned.
        want: array, tensor or number that it should be.
        name: what to call it in the message.
        rtol: |got - want| <= atol + rtol * |want| for floating and complex; integers and bools
            must be equal.
        atol: see `rtol`.
        dtype: "kind" asks for the same kind (integer, floating, ...), a dtype for exactly that,
            None for any numbers.
        container: "array" or "tensor" to insist on one of them.
        hint: sentence added to the message of a difference in values.
    """
    array = _as_array(got, name, container, scalar=np.ndim(_plain(want)) == 0)
    truth = np.asarray(_plain(want))
    _expect_dtype(array, truth, name, dtype)
    _expect_shape(array, truth, name, hint)
    _expect_finite(array, truth, name, hint)
    exact = array.dtype.kind in "biu" and truth.dtype.kind in "biu"
    if exact:
        wrong = array != truth
    else:
        a = array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
        b = truth.astype(np.complex128 if truth.dtype.kind == "c" else np.float64)
        with np.errstate(invalid="ignore"):
            close = np.abs(a - b) <= atol + rtol * np.abs(b)
        wrong = ~(close | (a == b) | (np.isnan(a) & np.isnan(b)))
    if wrong.any():
        raise CheckFailed(_with_hint(_difference(array, truth, wrong, name), hint))


def expect_equal(got: Any, want: Any, *, name: str = "result", hint: str | None = None) -> None:
    """`got` is exactly `want`: same type all the way down, same values."""
    problem = _unequal(got, want, name)
    if problem:
        raise CheckFailed(_with_hint(problem, hint))


def expect_close(
    got: Any,
    want: float,
    *,
    name: str = "result",
    rtol: float = 1e-5,
    atol: float = 1e-6,
    hint: str | None = None,
) -> None:
    """`got` is one number (Python, numpy, or 0-dimensional) close to `want`."""
    expect_array(got, float(want), name=name, rtol=rtol, atol=atol, dtype=None, hint=hint)


def expect_raises(
    student: Student, exceptions: str | Sequence[str], name: str, /, *args: Any, **kwargs: Any
) -> None:
    """The student's `name` refuses these arguments with one of `exceptions` (names of types)."""
    wanted = (exceptions,) if isinstance(exceptions, str) else tuple(exceptions)
    raised = student.raises(name, *args, **kwargs)
    if raised is None:
        raise CheckFailed(
            f"{name} should raise {' or '.join(wanted)} here, but it returned a value"
        )
    if raised not in wanted:
        raise CheckFailed(f"{name} should raise {' or '.join(wanted)} here, it raised {raised}")


def _plain(value: Any) -> Any:
    """A tensor as an array; anything else as it is."""
    if type(value).__module__ == "torch" and hasattr(value, "detach"):
        return value.detach().cpu().numpy()
    return value


def _as_array(got: Any, name: str, container: str | None, scalar: bool) -> np.ndarray:
    is_tensor = type(got).__module__ == "torch"
    is_array = type(got) is np.ndarray
    number = isinstance(got, np.generic) or type(got) in (int, float, bool)
    if container == "tensor" and not is_tensor:
        raise CheckFailed(f"{name} is {_kind_of(got)}; return a torch tensor")
    if container == "array" and not is_array:
        raise CheckFailed(f"{name} is {_kind_of(got)}; return a numpy array")
    if not (is_tensor or is_array or (scalar and number)):
        wanted = "a number" if scalar else "an array"
        raise CheckFailed(f"{name} is {_kind_of(got)}; return {wanted}")
    array = np.asarray(_plain(got))
    if array.dtype.kind not in KINDS:
        raise CheckFailed(f"{name} has dtype {array.dtype}; return numbers")
    return array


def _expect_dtype(
    array: np.ndarray, truth: np.ndarray, name: str, dtype: str | type | np.dtype | None
) -> None:
    if dtype is None:
        return
    if isinstance(dtype, str) and dtype == "kind":
        got, want = KINDS[array.dtype.kind], KINDS[truth.dtype.kind]
        if got != want:
            raise CheckFailed(f"{name} has dtype {array.dtype}; it should be {want}")
    elif array.dtype != np.dtype(dtype):
        raise CheckFailed(f"{name} has dtype {array.dtype}; it should be {np.dtype(dtype)}")


def _expect_shape(array: np.ndarray, truth: np.ndarray, name: str, hint: str | None) -> None:
    if array.shape == truth.shape:
        return
    message = f"{name} has shape {array.shape}; it should be {truth.shape}"
    if array.ndim > 1 and array.shape == truth.shape[::-1]:
        message += " (its axes are the other way round)"
    raise CheckFailed(_with_hint(message, hint))


def _expect_finite(array: np.ndarray, truth: np.ndarray, name: str, hint: str | None) -> None:
    for test, word in ((np.isnan, "NaN"), (np.isinf, "infinite")):
        odd = test(array) & ~test(truth)
        if odd.any():
            message = f"{name} has {int(odd.sum())} {word} of {array.size} value(s)"
            raise CheckFailed(_with_hint(message, hint))


def _difference(array: np.ndarray, truth: np.ndarray, wrong: np.ndarray, name: str) -> str:
    if array.ndim == 0:
        return f"{name} is {array[()]:.6g}; it should be {truth[()]:.6g}"
    count, first = int(wrong.sum()), tuple(int(i) for i in np.argwhere(wrong)[0])
    place = first[0] if len(first) == 1 else first
    return (
        f"{name} is wrong in {count} of {wrong.size} value(s); the first is at index {place}: "
        f"{array[first]:.6g}, it should be {truth[first]:.6g}"
    )


def _unequal(got: Any, want: Any, name: str) -> str | None:
    """What makes `got` differ from `want`, or None."""
    if isinstance(want, np.ndarray | np.generic) or type(want).__module__ == "torch":
        try:
            expect_array(got, want, name=name, rtol=0, atol=0)
        except CheckFailed as failed:
            return failed.message
        return None
    integers = isinstance(want, numbers.Integral) and isinstance(got, numbers.Integral)
    bools = isinstance(want, bool) or isinstance(got, bool | np.bool_)
    if type(got) is not type(want) and not (integers and not bools):
        return f"{name} is {_kind_of(got)}; it should be {_kind_of(want)}"
    if isinstance(want, list | tuple):
        if len(got) != len(want):
            return f"{name} has {len(got)} items; it should have {len(want)}"
        pairs = ((f"{name}[{i}]", g, w) for i, (g, w) in enumerate(zip(got, want, strict=True)))
    elif isinstance(want, dict):
        if set(got) != set(want):
            return (
                f"{name} has the keys {_short(sorted(got))}; it should have {_short(sorted(want))}"
            )
        pairs = ((f"{name}[{key!r}]", got[key], want[key]) for key in want)
    else:
        return None if got == want else f"{name} is {_short(got)}; it should be {_short(want)}"
    return next((p for part, g, w in pairs if (p := _unequal(g, w, part))), None)


def _short(value: Any) -> str:
    """`repr` of a value, cut where it fills a page: it may be megabytes of a student's text."""
    text = repr(value)
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]} … ({len(text)} characters)"


def _kind_of(value: Any) -> str:
    if value is None:
        return "None (is there a return statement?)"
    word = {"Tensor": "a torch tensor", "ndarray": "a numpy array"}.get(type(value).__name__)
    return word or f"of type {type(value).__name__}"


def _with_hint(message: str, hint: str | None) -> str:
    return f"{message}. {hint[0].upper()}{hint[1:]}" if hint else message
