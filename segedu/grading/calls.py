"""One request to a student's code, carried out where that code lives.

The sandboxed worker, the instructor's reference and the bank of wrong answers all perform requests
through this one function, so that a replay does exactly what the sandbox did. A request is plain
data (see `wire`):

    {"op": "call", "name": "slic_distance", "args": [...], "kwargs": {...}}
    {"op": "call", "handle": 3, "method": "forward", ...}      an object kept from an earlier call
    {"op": "value", "name": "PALETTE"}                         a global of the student's notebook

`"keep": True` leaves the result with the student's code and answers with a handle to it.
`"inputs": True` answers with (result, positional arguments after the call).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Request = dict[str, Any]


@dataclass(frozen=True)
class HandleRef:
    """Stands for an object that stays with the student's code."""

    number: int


class NoSuchName(Exception):
    """The student's code does not define what was asked for."""


def perform(namespace: Mapping[str, Any], kept: dict[int, Any], request: Request) -> Any:
    """Carry out `request` on the objects in `namespace` and `kept`; return its plain value."""
    target = _target(namespace, kept, request)
    if request["op"] == "value":
        return target
    args = [kept[a.number] if isinstance(a, HandleRef) else a for a in request.get("args", ())]
    kwargs = {
        key: kept[a.number] if isinstance(a, HandleRef) else a
        for key, a in request.get("kwargs", {}).items()
    }
    result = target(*args, **kwargs)
    if request.get("keep"):
        number = len(kept) + 1
        kept[number] = result
        return number
    return (result, tuple(args)) if request.get("inputs") else result


def _target(namespace: Mapping[str, Any], kept: dict[int, Any], request: Request) -> Any:
    if "handle" in request:
        owner = kept[request["handle"]]
        method = request.get("method")
        return owner if method is None else getattr(owner, method)
    if request["name"] not in namespace:
        raise NoSuchName(request["name"])
    return namespace[request["name"]]
