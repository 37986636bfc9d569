"""Which misconception explains a failed check.

The bank of wrong answers holds plausible mistakes, each with the idea behind it. When a check
fails, the calls it made are made again on every wrong answer; one that gave the student's outputs
on all of them may be the idea. Different mistakes can look alike on one check, so the idea that
explains most of the failed checks is named for all of those.

Wrong answers are the instructor's code and run on the checker's side, in a child that a deadline
kills: they may loop on inputs they were not written for. One that does costs its own second; a new
child goes on with the next.
"""

from __future__ import annotations

import contextlib
import copy
import os
import select
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from segedu.grading.assignment import Assignment
from segedu.grading.calls import Request
from segedu.grading.exercise import Student, StudentError

Calls = list[tuple[Request, Any]]
SECONDS = 5.0  # for all failed checks of an exercise
ANSWER_SECONDS = 1.0  # for one wrong answer on them
MAX_CALLS = 50
BEGUN = 255  # in place of a check's number: the wrong answer that follows is being tried


@dataclass
class Recorder(Student):
    """Passes requests on and remembers what was asked and what came back."""

    student: Student
    calls: Calls = field(default_factory=list)

    def request(self, request: Request) -> Any:
        """Ask the student; record the value, or the type of the exception.

        What is recorded are copies: the check may change its arrays after the call, and then the
        wrong answers would be asked something else than the student was.
        """
        asked = copy.deepcopy(request)
        try:
            value = self.student.request(request)
        except StudentError as error:
            self.calls.append((asked, error))
            raise
        self.calls.append((asked, copy.deepcopy(value)))
        return value


def diagnose(assignment: Assignment, exercise: str, failures: Sequence[Calls]) -> list[str | None]:
    """For each failed check's calls the title of the wrong answer that explains it, or None."""
    bank = assignment.exercise(exercise).wrong
    titles: list[str | None] = [None] * len(failures)
    useful = [index for index, calls in enumerate(failures) if bank and _tells(calls)]
    if not useful:
        return titles
    replays = [failures[index] for index in useful]
    deadline = time.monotonic() + SECONDS
    first = 0
    explains: dict[int, set[int]] = {}
    while first < len(bank) and time.monotonic() < deadline:
        found, first = _try_from(assignment, exercise, first, replays, deadline)
        for number, wrong in found:
            explains.setdefault(wrong, set()).add(number)
    unexplained = set(range(len(useful)))
    while explains and unexplained:
        wrong = max(sorted(explains), key=lambda index: len(explains[index] & unexplained))
        for number in explains.pop(wrong) & unexplained:
            titles[useful[number]] = bank[wrong].title
            unexplained.discard(number)
    return titles


def _try_from(
    assignment: Assignment,
    exercise: str,
    first: int,
    replays: Sequence[Calls],
    deadline: float,
) -> tuple[list[tuple[int, int]], int]:
    """Replay on the wrong answers from number `first` on, in a child, until one takes too long.

    Returns pairs (check, wrong answer that may explain it), and the first answer not tried, which
    is past the last one where the child came to its end.
    """
    size = len(assignment.exercise(exercise).wrong)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover, runs in the child
        with contextlib.suppress(BaseException):
            os.close(read)
            _use_one_thread()
            _report_matches(assignment, exercise, first, replays, write)
        os._exit(0)
    os.close(write)
    found: list[tuple[int, int]] = []
    trying = first - 1
    try:
        for check, wrong in _read_pairs(read, deadline):
            if check == BEGUN:
                trying = wrong
            elif check < len(replays) and trying == wrong < size:
                found.append((check, wrong))
    except TimeoutError:
        return found, trying + 1
    finally:
        os.close(read)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return found, size


def _use_one_thread() -> None:
    """PyTorch's threads did not come along with the fork; waiting for them would take for ever."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


def _tells(calls: Calls) -> bool:
    """Whether the calls can tell one answer from another."""
    errors = [value for _, value in calls if isinstance(value, StudentError)]
    plain = all(e.kind == "exception" and not e.not_attempted for e in errors)
    return plain and 0 < len(calls) <= MAX_CALLS


def _report_matches(
    assignment: Assignment, exercise: str, first: int, replays: Sequence[Calls], write: int
) -> None:
    """Write a pair of bytes for each match; an answer that explains all checks is the last."""
    for index, wrong in enumerate(assignment.exercise(exercise).wrong):
        if index < first:
            continue
        os.write(write, bytes([BEGUN, index]))
        matches = 0
        with contextlib.suppress(Exception):
            student = assignment.local_student(exercise, wrong.source)
            for number, calls in enumerate(replays):
                with contextlib.suppress(Exception):
                    if _behaves_alike(student, calls):
                        os.write(write, bytes([number, index]))
                        matches += 1
        if matches == len(replays):
            return


def _read_pairs(descriptor: int, deadline: float) -> Iterator[tuple[int, int]]:
    """Pairs of bytes until the other end closes; TimeoutError where one answer or all take long."""
    data, patience = b"", deadline
    while True:
        seconds = min(patience, deadline) - time.monotonic()
        if not select.select([descriptor], [], [], max(0.0, seconds))[0]:
            raise TimeoutError
        chunk = os.read(descriptor, 1024)
        if not chunk:
            return
        data += chunk
        while len(data) >= 2:
            if data[0] == BEGUN:
                patience = time.monotonic() + ANSWER_SECONDS
            yield data[0], data[1]
            data = data[2:]


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
    """Whether two outcomes are the same up to rounding; containers item by item.

    Right values of a wrong type are no sign of an idea that gives right values of the right one, so
    a list is no array and no tuple, and integers are not floats.
    """
    if isinstance(a, StudentError) or isinstance(b, StudentError):
        return type(a) is type(b) and a.type_name == b.type_name
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, str) or isinstance(b, str) or a is None or b is None:
        return type(a) is type(b) and a == b
    x, y = np.asarray(a), np.asarray(b)
    kinds = [{"u": "i"}.get(value.dtype.kind, value.dtype.kind) for value in (x, y)]
    if x.shape != y.shape or kinds[0] != kinds[1] or kinds[0] not in "bifc":
        return False
    if isinstance(a, list | tuple) or isinstance(b, list | tuple):
        return False
    return bool(np.allclose(x, y, rtol=1e-4, atol=1e-6, equal_nan=True))
