"""What the author of an assignment writes checks with.

    @check("slic_distance", points=1, title="distances between hand-computed points")
    def known_points(student, reference, rng):
        a, b = rng.uniform(0, 100, (2, 5))
        got = student.call("slic_distance", a, b, S=10.0, m=20.0)
        want = reference.call("slic_distance", a, b, S=10.0, m=20.0)
        expect_array(got, want, rtol=1e-4, hint="the colour and the spatial term add as squares")

A check is trusted code and runs on the instructor's side. `student` is the student's code wherever
that runs: in the sandboxed worker when grading, in this process for answers one trusts
(`LocalStudent`). Both take and give only what the wire carries (see `wire`), so a check that works
on one works on the other.
"""

from __future__ import annotations

import linecache
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from segedu.grading.calls import HandleRef, NoSuchName, Request, perform
from segedu.grading.wire import WireError, decode, encode


class CheckFailed(AssertionError):
    """A check's verdict: what was wrong, in words for the student.

    Args:
        message: one or two sentences.
        misconception: the idea behind it, where the check itself can tell.
    """

    def __init__(self, message: str, misconception: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.misconception = misconception


class StudentError(Exception):
    """The student's code gave no value.

    Attributes:
        kind: "exception", "missing", "timeout", "memory", "crash", "bad value", "protocol".
        type_name: name of the exception's type where `kind` is "exception".
        line: line of the student's cell in which it was raised, 1-based, or None.
    """

    def __init__(
        self, message: str, kind: str = "exception", type_name: str = "", line: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind
        self.type_name = type_name
        self.line = line

    @property
    def not_attempted(self) -> bool:
        """True for the stub's own NotImplementedError."""
        return self.kind == "exception" and self.type_name == "NotImplementedError"


class Student(ABC):
    """A student's code, asked by requests; see `calls` for what a request is."""

    @abstractmethod
    def request(self, request: Request) -> Any:
        """Carry out one request; return its value or raise StudentError."""

    def call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Value of the student's function `name` for these arguments.

        Arguments and value are numbers, strings, lists, tuples, dicts of str, numeric arrays,
        tensors; arguments may also be `Handle`s. Raises StudentError.
        """
        return self.request(_call(name, args, kwargs))

    def call_and_inputs(
        self, name: str, /, *args: Any, **kwargs: Any
    ) -> tuple[Any, tuple[Any, ...]]:
        """As `call`, with the positional arguments as the call left them: did it write to them?"""
        answer = self.request(_call(name, args, kwargs) | {"inputs": True})
        if type(answer) is not tuple or len(answer) != 2 or type(answer[1]) is not tuple:
            raise StudentError("broke the protocol of the grader", kind="protocol")
        return answer

    def construct(self, name: str, /, *args: Any, **kwargs: Any) -> Handle:
        """Call `name`, leave the result with the student's code, and get a handle to it."""
        return Handle(self, self.request(_call(name, args, kwargs) | {"keep": True}))

    def value(self, name: str) -> Any:
        """A global of the student's notebook, such as a constant the exercise asks for."""
        return self.request({"op": "value", "name": name})

    def raises(self, name: str, /, *args: Any, **kwargs: Any) -> str | None:
        """Name of the exception that the call raises, or None where it returns.

        For exercises that ask for a ValueError; time-outs, crashes and the like still raise
        StudentError.
        """
        try:
            self.call(name, *args, **kwargs)
        except StudentError as error:
            if error.kind != "exception" or error.not_attempted:
                raise
            return error.type_name
        return None


class Handle:
    """An object that stays with the student's code: a module, an iterator, an instance."""

    def __init__(self, student: Student, number: int) -> None:
        if type(number) is not int:
            raise StudentError("broke the protocol of the grader", kind="protocol")
        self._student = student
        self.ref = HandleRef(number)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the object."""
        return self.method("__call__", *args, **kwargs)

    def method(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the object."""
        return self._student.request(self._request(name, args, kwargs))

    def construct(self, name: str, /, *args: Any, **kwargs: Any) -> Handle:
        """Call a method and keep its result with the student's code."""
        request = self._request(name, args, kwargs) | {"keep": True}
        return Handle(self._student, self._student.request(request))

    def state_dict(self) -> dict[str, Any]:
        """Parameters and buffers of an `nn.Module`, as tensors."""
        state = self.method("state_dict")
        if not isinstance(state, dict):
            raise StudentError("state_dict() did not return a dict", kind="bad value")
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Give an `nn.Module` these parameters; the instructor's and the student's then agree."""
        request = self._request("load_state_dict", (dict(state),), {}) | {"keep": True}
        self._student.request(request)

    def _request(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Request:
        rest = _call("", args, kwargs)
        del rest["name"]
        return rest | {"handle": self.ref.number, "method": name}


def _call(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Request:
    def plain(value: Any) -> Any:
        return value.ref if isinstance(value, Handle) else value

    return {
        "op": "call",
        "name": name,
        "args": [plain(a) for a in args],
        "kwargs": {key: plain(a) for key, a in kwargs.items()},
    }


class LocalStudent(Student):
    """Trusted code in this process: the reference, the banks of wrong and right answers.

    Args:
        namespace: globals in which the answer was run.
    """

    def __init__(self, namespace: Mapping[str, Any]) -> None:
        self.namespace = namespace
        self.kept: dict[int, Any] = {}

    @classmethod
    def from_source(cls, *sources: str, name: str = "answer") -> Self:
        """Run `sources` one after the other in one fresh namespace."""
        namespace: dict[str, Any] = {"__name__": "__main__", "__builtins__": __builtins__}
        for number, source in enumerate(sources):
            run_source(source, namespace, f"<{name} {number}>")
        return cls(namespace)

    def request(self, request: Request) -> Any:
        """Carry it out here; arguments and value make the round trip through the wire's bytes."""
        sent = decode(encode(request))
        try:
            value = perform(self.namespace, self.kept, sent)
        except NoSuchName as error:
            raise StudentError(f"{error} is not defined", kind="missing") from None
        except Exception as error:
            name = type(error).__name__
            raise StudentError(f"raised {name}: {error}", type_name=name) from error
        try:
            return decode(encode(value))
        except WireError as error:
            raise StudentError(f"the returned value {error}", kind="bad value") from None


class Reference(LocalStudent):
    """The instructor's solution, on the checker's side; asked like the student."""


def run_source(source: str, namespace: dict[str, Any], filename: str) -> None:
    """Run a cell's source in `namespace`; `inspect.getsource` finds it under `filename`."""
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    exec(compile(source, filename, "exec"), namespace)


CheckFunction = Callable[[Student, Reference, np.random.Generator], None]


@dataclass(frozen=True)
class Check:
    """One check of an exercise; partial credit is by check."""

    exercise: str
    name: str
    title: str
    points: float
    function: CheckFunction


@dataclass(frozen=True)
class Settings:
    """What an exercise allows; `SETTINGS = {"*": Settings(...), "connectivity": ...}` in checks.py.

    Attributes:
        forbidden: modules that do not exist in this exercise's sandbox, such as
            "segedu.superpixels" or "skimage.segmentation".
        locked: names of PyTorch's operators that raise in this exercise, such as "conv2d", where
            one call of it would be the answer; see `locks`.
        call_seconds: wall time of one call.
        total_seconds: wall time of all calls of the exercise together.
        memory_mb: resident memory of the student's processes beyond the imported libraries.
        needs: names of earlier cells that the checks use besides those the answer uses.
    """

    forbidden: tuple[str, ...] = ()
    locked: tuple[str, ...] = ()
    call_seconds: float = 5.0
    total_seconds: float = 10.0
    memory_mb: int = 1024
    needs: tuple[str, ...] = ()


def check(exercise: str, *, points: float, title: str) -> Callable[[CheckFunction], CheckFunction]:
    """Register the decorated function of a checks.py as a check of `exercise`.

    Args:
        exercise: grade_id of the solution cell.
        points: what passing it gives; an exercise's checks sum to its visible-check cell's points.
        title: what it looks at, in a few words for the feedback page.
    """
    if points <= 0:
        raise ValueError(f"a check of {exercise} must give points, got points={points}")

    def register(function: CheckFunction) -> CheckFunction:
        name = getattr(function, "__name__", "check")
        entry = Check(exercise, name, title, points, function)
        function.segedu_check = entry  # type: ignore[attr-defined]
        return function

    return register
