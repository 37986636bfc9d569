"""Operators of PyTorch that an exercise locks, since one call of them would be the answer.

A module can be covered in the sandbox's file system; one operator of `torch` cannot. While a
student's function runs, two of PyTorch's own hooks see every call: one its Python functions
(`scaled_dot_product_attention`), the other what reaches the dispatcher by whatever way
(`torch.ops`, scripts, modules). A locked name raises.

This shows a student that a call is not the answer; it is no wall. Whoever gets round it in the
sandbox gets points for a function that works, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any


class LockedOperator(RuntimeError):
    """This exercise asks to write what the operator does."""


@contextmanager
def locked_operators(names: Sequence[str]) -> Iterator[None]:
    """Make PyTorch's operators of these names raise LockedOperator.

    Args:
        names: without module and overload, such as "conv2d", "convolution" (what all convolutions
            end in), "max_unpool2d".
    """
    if not names:
        yield
        return
    functions, operators = _hooks(frozenset(names))
    with functions, operators:
        yield


def _hooks(names: frozenset[str]) -> tuple[Any, Any]:
    # Imported here: exercises without locks must not wait for torch.
    from torch.overrides import TorchFunctionMode
    from torch.utils._python_dispatch import TorchDispatchMode

    def refuse(name: str) -> None:
        if name in names:
            raise LockedOperator(f"this exercise asks you to write it: {name} is locked")

    class Functions(TorchFunctionMode):
        def __torch_function__(
            self,
            func: Callable[..., Any],
            types: Sequence[type],
            args: Sequence[Any] = (),
            kwargs: Mapping[str, Any] | None = None,
        ) -> Any:
            refuse(getattr(func, "__name__", ""))
            return func(*args, **(kwargs or {}))

    class Operators(TorchDispatchMode):
        def __torch_dispatch__(
            self,
            func: Any,
            types: Sequence[type],
            args: Sequence[Any] = (),
            kwargs: Mapping[str, Any] | None = None,
        ) -> Any:
            refuse(func._schema.name.split("::")[-1])
            return func(*args, **(kwargs or {}))

    return Functions(), Operators()
