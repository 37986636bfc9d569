"""Which misconception explains a failed check.

The bank of wrong answers holds plausible mistakes, each with the idea behind it. When a check
fails, the calls it made are made again on every wrong answer; one that gave the student's outputs
on all of them names the idea. Wrong answers are the instructor's code and run on the checker's
side, in a child that a deadline kills: they may loop on inputs they were not written for.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from segedu.grading.assignment import Assignment
from segedu.grading.calls import Request
from segedu.grading.exercise import Student, StudentError

SECONDS = 5.0
MAX_CALLS = 50


@dataclass
class Recorder(Student):
    """Passes requests on and remembers what was asked and what came back."""

    student: Student
    calls: list[tuple[Request, Any]] = field(default_factory=list)

    def request(self, request: Request) -> Any:
        """Ask the student; record the value, or the type of the exception."""
        try:
            value = self.student.request(request)
        except StudentError as error:
            self.calls.append((request, error))
            raise
        self.calls.append((request, value))
        return value


def diagnose(assignment: Assignment, exercise: str, calls: list[tuple[Request, Any]]) -> str | None:
    """Title of the wrong answer that gave the student's outputs on all `calls`, or None."""
    bank = assignment.exercise(exercise).wrong
    errors = [value for _, value in calls if isinstance(value, StudentError)]
    if not bank or not calls or len(calls) > MAX_CALLS:
        return None
    if any(error.kind != "exception" or error.not_attempted for error in errors):
        return None
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover, runs in the child
        with contextlib.suppress(BaseException):
            _report_match(assignment, exercise, calls, write)
        os._exit(0)
    os.close(write)
    answer = _read_until(read, time.monotonic() + SECONDS)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return bank[answer].title if answer is not None and answer < len(bank) else None


def _report_match(
    assignment: Assignment, exercise: str, calls: list[tuple[Request, Any]], write: int
) -> None:
    for index, wrong in enumerate(assignment.exercise(exercise).wrong):
        with contextlib.suppress(Exception):
            if _behaves_alike(assignment.local_student(exercise, wrong.source), calls):
                os.write(write, bytes([index]))
                return


def _read_until(descriptor: int, deadline: float) -> int | None:
    try:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        data = os.read(descriptor, 1) if ready else b""
        return data[0] if data else None
    finally:
        os.close(descriptor)


def _behaves_alike(wrong: Student, calls: list[tuple[Request, Any]]) -> bool:
    for request, theirs in calls:
        try:
            value: Any = wrong.request(request)
        except StudentError as error:
            value = error
        if not same(value, theirs):
            return False
    return True


def same(a: Any, b: Any) -> bool:
    """Whether two outcomes are the same up to rounding; containers item by item."""
    if isinstance(a, StudentError) or isinstance(b, StudentError):
        return type(a) is type(b) and a.type_name == b.type_name
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, str) or isinstance(b, str) or a is None or b is None:
        return type(a) is type(b) and a == b
    x, y = np.asarray(a), np.asarray(b)
    if x.shape != y.shape or x.dtype.kind not in "biufc" or y.dtype.kind not in "biufc":
        return False
    return bool(np.allclose(x, y, rtol=1e-4, atol=1e-6, equal_nan=True))
