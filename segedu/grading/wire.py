"""What may pass between the checker and a student's code: data, never objects.

A message is a JSON tree followed by the raw bytes of its arrays. The tree knows None, bool, int,
float, str; list, tuple and dict of str (tagged, so that a tuple comes back as a tuple); handles;
and numeric arrays and tensors as dtype + shape + position of their bytes. Nothing else decodes:
no pickles, no classes, no object arrays. Decoding allocates no more than the message's own size.

    frame  = length of tree (4 bytes) | length of arrays (8 bytes) | tree | arrays
    tree   = scalar | ["l", ...] | ["t", ...] | ["d", [key, tree], ...] | ["h", number]
           | ["a" array | "s" numpy scalar | "T" tensor, dtype, [shape], offset, bytes]
"""

from __future__ import annotations

import json
import math
import struct
import sys
from typing import Any

import numpy as np

from segedu.grading.calls import HandleRef

HEADER = struct.Struct("!IQ")
MAX_TREE = 4 << 20
MAX_ARRAYS = 256 << 20
MAX_DEPTH = 24
MAX_ITEMS = 200_000
MAX_DIGITS = 400
DTYPES = {
    name: np.dtype(name)
    for name in [
        "bool",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "float16",
        "float32",
        "float64",
        "complex64",
        "complex128",
    ]
}


class WireError(ValueError):
    """A value that does not go over the wire, or bytes that are no message."""


def encode(value: Any) -> bytes:
    """`value` as one frame; raises WireError saying what cannot travel."""
    blobs: list[bytes] = []
    tree = _Encoder(blobs).tree(value, 0)
    try:
        text = json.dumps(tree, separators=(",", ":")).encode()
    except (ValueError, RecursionError) as error:
        raise WireError(f"cannot be sent: {error}") from None
    size = sum(map(len, blobs))
    if len(text) > MAX_TREE or size > MAX_ARRAYS:
        raise WireError(f"is too large to send: {(len(text) + size) >> 20} MB")
    return b"".join((HEADER.pack(len(text), size), text, *blobs))


def decode(frame: bytes | bytearray | memoryview) -> Any:
    """The value in one frame; arrays are fresh and writable. Raises WireError for anything odd."""
    if len(frame) < HEADER.size:
        raise WireError("is a truncated message")
    tree_size, arrays_size = HEADER.unpack_from(frame)
    check_sizes(tree_size, arrays_size)
    if len(frame) != HEADER.size + tree_size + arrays_size:
        raise WireError("is a truncated message")
    view = memoryview(frame)[HEADER.size :]
    try:
        tree = json.loads(bytes(view[:tree_size]))
    except (ValueError, RecursionError):
        raise WireError("is no message") from None
    return _Decoder(view[tree_size:]).value(tree, 0)


def check_sizes(tree_size: int, arrays_size: int) -> None:
    """Refuse a message over the caps before any of it is read."""
    if tree_size > MAX_TREE or arrays_size > MAX_ARRAYS:
        raise WireError(f"is too large to send: {(tree_size + arrays_size) >> 20} MB")


class _Encoder:
    def __init__(self, blobs: list[bytes]) -> None:
        self.blobs = blobs
        self.offset = 0
        self.items = 0

    def tree(self, value: Any, depth: int) -> Any:
        self.items += 1
        if depth > MAX_DEPTH or self.items > MAX_ITEMS:
            raise WireError("is nested too deeply or has too many items; return an array")
        if value is None or isinstance(value, bool | str):
            return str(value) if isinstance(value, str) else value
        if isinstance(value, np.ndarray | np.generic):
            return self.array(value)
        if isinstance(value, int):
            return _small_int(int(value))
        if isinstance(value, float):
            return float(value)
        if isinstance(value, HandleRef):
            return ["h", value.number]
        if isinstance(value, list | tuple):
            tag = "l" if isinstance(value, list) else "t"
            return [tag, *(self.tree(item, depth + 1) for item in value)]
        if isinstance(value, dict):
            return ["d", *(self.pair(key, item, depth) for key, item in value.items())]
        return self.tensor(value)

    def pair(self, key: Any, item: Any, depth: int) -> list[Any]:
        if not isinstance(key, str):
            raise WireError(f"has a dict key of type {type(key).__name__}; only str keys travel")
        return [key, self.tree(item, depth + 1)]

    def array(self, value: Any) -> list[Any]:
        if type(value) is not np.ndarray and not isinstance(value, np.generic):
            raise WireError(
                f"is a {type(value).__module__}.{type(value).__name__}; return a plain numpy array"
            )
        if value.dtype.name not in DTYPES:
            raise WireError(f"is an array of dtype {value.dtype}; return numbers")
        tag = "a" if isinstance(value, np.ndarray) else "s"
        plain = np.ascontiguousarray(value, dtype=DTYPES[value.dtype.name])
        return self.raw(tag, value.dtype.name, value.shape, plain)

    def tensor(self, value: Any) -> list[Any]:
        torch = sys.modules.get("torch")
        if torch is None or not isinstance(value, torch.Tensor):
            kind = f"{type(value).__module__}.{type(value).__name__}"
            raise WireError(f"is a {kind}; return numbers, strings, lists, dicts, arrays, tensors")
        plain = value.detach().to("cpu")
        if plain.dtype == torch.bfloat16:
            plain = plain.to(torch.float32)
        if plain.layout != torch.strided or plain.is_quantized:
            raise WireError("is a sparse or quantized tensor; return a dense one")
        try:
            array = plain.resolve_conj().resolve_neg().contiguous().numpy()
        except (RuntimeError, TypeError) as error:
            raise WireError(f"is a tensor that cannot be sent: {error}") from None
        if array.dtype.name not in DTYPES:
            raise WireError(f"is a tensor of dtype {value.dtype}; return numbers")
        return self.raw("T", array.dtype.name, array.shape, array)

    def raw(self, tag: str, dtype: str, shape: tuple[int, ...], plain: np.ndarray) -> list[Any]:
        if self.offset + plain.nbytes > MAX_ARRAYS:
            raise WireError(f"is too large to send: over {MAX_ARRAYS >> 20} MB")
        blob = plain.tobytes()
        entry = [tag, dtype, list(shape), self.offset, len(blob)]
        self.offset += len(blob)
        self.blobs.append(blob)
        return entry


def _small_int(value: int) -> int:
    if abs(value).bit_length() > MAX_DIGITS * 3:
        raise WireError(f"is an int of more than {MAX_DIGITS} digits")
    return value


class _Decoder:
    def __init__(self, arrays: memoryview) -> None:
        self.arrays = arrays
        self.items = 0
        self.taken = 0

    def value(self, tree: Any, depth: int) -> Any:
        self.items += 1
        if depth > MAX_DEPTH or self.items > MAX_ITEMS:
            raise WireError("is nested too deeply or has too many items")
        if tree is None or isinstance(tree, bool | str | float):
            return tree
        if isinstance(tree, int):
            return _small_int(tree)
        if not isinstance(tree, list) or not tree or not isinstance(tree[0], str):
            raise WireError("is no message")
        tag, rest = tree[0], tree[1:]
        if tag in ("l", "t"):
            items = [self.value(item, depth + 1) for item in rest]
            return items if tag == "l" else tuple(items)
        if tag == "d":
            return dict(self.pair(entry, depth) for entry in rest)
        if tag == "h" and len(rest) == 1 and type(rest[0]) is int:
            return HandleRef(rest[0])
        if tag in ("a", "s", "T") and len(rest) == 4:
            return self.array(tag, *rest)
        raise WireError("is no message")

    def pair(self, entry: Any, depth: int) -> tuple[str, Any]:
        if not isinstance(entry, list) or len(entry) != 2 or not isinstance(entry[0], str):
            raise WireError("is no message")
        return entry[0], self.value(entry[1], depth + 1)

    def array(self, tag: str, dtype: Any, shape: Any, offset: Any, size: Any) -> Any:
        numbers = [offset, size, *shape] if isinstance(shape, list) else [None]
        if not all(type(n) is int and 0 <= n <= MAX_ARRAYS for n in numbers) or len(shape) > 16:
            raise WireError("is no message")
        kind = DTYPES.get(dtype) if isinstance(dtype, str) else None
        if kind is None or math.prod(shape) * kind.itemsize != size:
            raise WireError("is no message")
        # Two entries may not share bytes: a small message would decode into a huge value.
        if offset != self.taken or offset + size > len(self.arrays):
            raise WireError("is no message")
        self.taken += size
        try:
            array = np.empty(shape, dtype=kind)
        except ValueError:
            raise WireError("is no message") from None
        array.reshape(-1).view(np.uint8)[:] = np.frombuffer(self.arrays, np.uint8, size, offset)
        if kind == np.bool_:  # any byte but 0 and 1 is no bool
            array = np.asarray(array.view(np.uint8) != 0)
        if tag == "s":
            return array[()] if array.ndim == 0 else _no_scalar()
        if tag == "T":
            import torch

            return torch.from_numpy(array)
        return array


def _no_scalar() -> Any:
    raise WireError("is no message")
