"""Runs an exercise's checks on a student's code, wherever that code lives."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from segedu.grading.assignment import Assignment
from segedu.grading.diagnosis import Calls, Recorder, diagnose
from segedu.grading.exercise import Check, CheckFailed, LocalStudent, Student, StudentError

PASSED, FAILED, NOT_ATTEMPTED = "passed", "failed", "not attempted"
MAX_MESSAGE = 2000
# What a check itself may stumble over in an odd return value.
UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
UNREAD = "what you return cannot be read"


@dataclass(frozen=True)
class CheckResult:
    """Outcome of one check."""

    name: str
    title: str
    points: float
    earned: float
    status: str
    message: str = ""
    misconception: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data for the result file."""
        return asdict(self)


def rng_for(*parts: object) -> np.random.Generator:
    """A generator that depends on all of `parts`: run's seed, submission, exercise, check."""
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))


def run_checks(
    assignment: Assignment,
    exercise: str,
    student: Student | Callable[[], Student],
    seed: object = 0,
    explain: Callable[[StudentError], str] | None = None,
) -> list[CheckResult]:
    """Run all checks of `exercise`.

    Args:
        assignment: the assignment.
        exercise: name of the exercise.
        student: the student's code, or a function that gives it anew for each check.
        seed: the random inputs of a check depend on it, the exercise's and the check's name.
        explain: words for the student about a call that gave no value.
    """
    reference = assignment.reference(exercise)
    results: list[CheckResult] = []
    failures: dict[int, Calls] = {}
    for check in assignment.exercise(exercise).checks:
        current = student if isinstance(student, Student) else student()
        recorder = Recorder(current)
        try:
            check.function(recorder, reference, rng_for(seed, exercise, check.name))
        except CheckFailed as failed:
            results.append(_failed(check, FAILED, failed.message, failed.misconception))
        except StudentError as error:
            status = NOT_ATTEMPTED if error.not_attempted else FAILED
            message = explain(error) if explain else error.message
            results.append(_failed(check, status, message, None))
        except UNREADABLE as error:  # a ragged list, say: it costs this check, not the submission
            message = f"{UNREAD}: {type(error).__name__}: {error}"
            results.append(_failed(check, FAILED, message, None))
        else:
            results.append(CheckResult(check.name, check.title, check.points, check.points, PASSED))
            continue
        if results[-1].misconception is None:
            failures[len(results) - 1] = recorder.calls
    titles = diagnose(assignment, exercise, list(failures.values()))
    for index, title in zip(failures, titles, strict=True):
        results[index] = replace(results[index], misconception=title)
    return results


def _failed(check: Check, status: str, message: str, misconception: str | None) -> CheckResult:
    if len(message) > MAX_MESSAGE:
        message = f"{message[:MAX_MESSAGE]} …"
    return CheckResult(check.name, check.title, check.points, 0.0, status, message, misconception)


def grade_answer(
    assignment: Assignment, exercise: str, source: str, seed: object = 0
) -> list[CheckResult]:
    """Run the checks on a *trusted* answer in this process: for the banks of an assignment."""
    try:
        student: Student = assignment.local_student(exercise, source)
    except Exception as error:
        student = _Broken(f"the cell raised {type(error).__name__}: {error}")
    return run_checks(assignment, exercise, student, seed)


class _Broken(LocalStudent):
    """An answer whose cell does not run."""

    def __init__(self, message: str) -> None:
        super().__init__({})
        self.problem = message

    def request(self, request: dict[str, Any]) -> Any:
        raise StudentError(self.problem, kind="crash")
