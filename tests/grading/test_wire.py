"""Only data passes the wire, and it comes back as it was."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segedu.grading.calls import HandleRef
from segedu.grading.wire import DTYPES, HEADER, WireError, decode, encode

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
arrays = st.sampled_from(sorted(DTYPES)).flatmap(
    lambda name: hnp.arrays(name, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


def frame(tree: Any, arrays: bytes = b"") -> bytes:
    text = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
    return HEADER.pack(len(text), len(arrays)) + text + arrays


@given(values)
def test_plain_values_come_back_with_their_types(value):
    back = decode(encode(value))
    assert back == value
    assert repr(back) == repr(value)


@given(arrays)
def test_arrays_come_back_bit_by_bit(array):
    back = decode(encode(array))
    assert type(back) is np.ndarray
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == np.ascontiguousarray(array).tobytes()
    assert back.flags.writeable


@given(st.lists(arrays, max_size=4))
def test_several_arrays_keep_apart(several):
    back = decode(encode(several))
    assert [a.tobytes() for a in back] == [np.ascontiguousarray(a).tobytes() for a in several]


@pytest.mark.parametrize(
    "array",
    [np.arange(6).reshape(2, 3).T, np.arange(10)[::-2], np.arange(3, dtype=">i4"), np.ones(2)[1:]],
    ids=["transposed", "strided", "big-endian", "view"],
)
def test_layout_of_memory_does_not_matter(array):
    np.testing.assert_array_equal(decode(encode(array)), array)


def test_numpy_scalars_stay_numpy_scalars():
    back = decode(encode([np.float32(1.5), np.int64(-3), np.bool_(True)]))
    assert [type(b) for b in back] == [np.float32, np.int64, np.bool_]
    assert back == [1.5, -3, True]


def test_tensors_come_back_as_tensors():
    value = {
        "w": torch.randn(2, 3).T,
        "b": torch.tensor(True),
        "p": torch.nn.Parameter(torch.ones(2)),
    }
    back = decode(encode(value))
    assert all(type(t) is torch.Tensor and not t.requires_grad for t in back.values())
    assert torch.equal(back["w"], value["w"])
    assert back["b"].dtype == torch.bool


def test_handles_pass():
    assert decode(encode([HandleRef(3)])) == [HandleRef(3)]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (object(), "builtins.object"),
        (b"bytes", "builtins.bytes"),
        (print, "builtin_function"),
        (np.array([object()]), "dtype object"),
        (np.array(["text"]), "dtype <U4"),
        (np.matrix([[1]]), "plain numpy array"),
        (np.ma.masked_array([1]), "plain numpy array"),
        ({1: 2}, "only str keys"),
        (10**2000, "digits"),
        (torch.ones(2).to_sparse(), "dense"),
        ([[[0]] * 100] * 3000, "too many items"),
        (np.broadcast_to(np.zeros(1), (1 << 16, 1 << 10)), "too large"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_data_is_refused(value, words):
    with pytest.raises(WireError, match=words):
        encode(value)


def test_deep_nesting_is_refused():
    value: list[Any] = []
    for _ in range(5000):
        value = [value]
    with pytest.raises(WireError, match="nested"):
        encode(value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"short",
        frame(b"not json"),
        frame(b"[" * 100_000),
        frame(b"\xff\xfe"),
        frame([]),
        frame([1, 2]),
        frame(["z", 1]),
        frame({"a": 1}),
        frame(["d", ["k"]]),
        frame(["d", [1, 2]]),
        frame(["h", "3"]),
        frame(["a", "O", [1], 0, 8], b"12345678"),
        frame(["a", "float64", [1], 0, 4], b"1234"),
        frame(["a", "uint8", [4], 2, 4], b"123456"),
        frame(["a", "uint8", [8], 0, 8], b"1234"),
        frame(["a", "uint8", [-1, -4], 0, 4], b"1234"),
        frame(["a", "uint8", [True], 0, 1], b"1"),
        frame(["a", "uint8", "4", 0, 4], b"1234"),
        frame(["a", "uint8", [0, 2**28, 2**28, 2**28], 0, 0]),
        frame(["a", "uint8", [0, 2**40], 0, 0]),
        frame(["l", ["a", "uint8", [4], 0, 4], ["a", "uint8", [4], 0, 4]], b"1234"),
        frame(["s", "uint8", [4], 0, 4], b"1234"),
        frame(["l", 1]) + b"more",
        frame(["l", 1])[:-1],
        HEADER.pack(2**32 - 1, 2**63),
    ],
)
def test_what_is_no_message_is_refused(data):
    with pytest.raises(WireError):
        decode(data)


@given(st.binary(max_size=200), st.integers(0, 60), st.integers(0, 60))
def test_no_bytes_make_the_decoder_raise_anything_else(data, tree, arrays):
    for candidate in (data, HEADER.pack(tree, arrays) + data, HEADER.pack(len(data), 0) + data):
        try:
            decode(candidate)
        except WireError:
            continue


def test_a_bool_array_holds_bools_whatever_its_bytes():
    back = decode(frame(["a", "bool", [3], 0, 3], b"\x00\x01\x07"))
    assert back.tolist() == [False, True, True]
    assert back.view(np.uint8).max() == 1
