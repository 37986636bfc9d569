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
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from segedu.grading.assignment import Assignment
from segedu.grading.calls import Request
from segedu.grading.exercise import Student, StudentError

Calls = list[tuple[Request, Any]]
SECONDS = 5.0
MAX_CALLS = 50


@dataclass
class Recorder(Student):
    """Passes requests on and remembers what was asked and what came back."""

    student: Student
    calls: Calls = field(default_factory=list)

    def request(self, request: Request) -> Any:
        """Ask the student; record the value, or the type of the exception."""
        try:
            value = self.student.request(request)
        except StudentError as error:
            self.calls.append((request, error))
            raise
        self.calls.append((request, value))
        return value


def diagnose(assignment: Assignment, exercise: str, failures: Sequence[Calls]) -> list[str | None]:
    """For each failed check's calls the title of the wrong answer that explains it, or None."""
    bank = assignment.exercise(exercise).wrong
    titles: list[str | None] = [None] * len(failures)
    useful = [index for index, calls in enumerate(failures) if bank and _tells(calls)]
    if not useful:
        return titles
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover, runs in the child
        with contextlib.suppress(BaseException):
            os.close(read)
            _report_matches(assignment, exercise, [failures[i] for i in useful], write)
        os._exit(0)
    os.close(write)
    for check, wrong in _read_pairs(read, time.monotonic() + SECONDS):
        if check < len(useful) and wrong < len(bank) and titles[useful[check]] is None:
            titles[useful[check]] = bank[wrong].title
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return titles


def _tells(calls: Calls) -> bool:
    """Whether the calls can tell one answer from another."""
    errors = [value for _, value in calls if isinstance(value, StudentError)]
    plain = all(e.kind == "exception" and not e.not_attempted for e in errors)
    return plain and 0 < len(calls) <= MAX_CALLS


def _report_matches(
    assignment: Assignment, exercise: str, failures: Sequence[Calls], write: int
) -> None:
    unexplained = dict(enumerate(failures))
    for index, wrong in enumerate(assignment.exercise(exercise).wrong):
        with contextlib.suppress(Exception):
            student = assignment.local_student(exercise, wrong.source)
            for number, calls in list(unexplained.items()):
                with contextlib.suppress(Exception):
                    if _behaves_alike(student, calls):
                        os.write(write, bytes([number, index]))
                        del unexplained[number]
        if not unexplained:
            return


def _read_pairs(descriptor: int, deadline: float) -> list[tuple[int, int]]:
    """Pairs of bytes until the other end closes or time is up."""
    data = b""
    while select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
        chunk = os.read(descriptor, 1024)
        if not chunk:
            break
        data += chunk
    os.close(descriptor)
    return list(zip(data[::2], data[1::2], strict=False))


def _behaves_alike(wrong: Student, calls: Calls) -> bool:
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
