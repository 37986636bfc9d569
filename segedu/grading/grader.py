"""Grades one submission: exercise by exercise, a fresh worker for each."""

from __future__ import annotations

import time
from typing import Any

from segedu.grading.assignment import Assignment, Exercise
from segedu.grading.checker import NOT_ATTEMPTED, UNREAD, CheckResult, run_checks
from segedu.grading.exercise import StudentError
from segedu.grading.sandbox import Sandbox
from segedu.grading.session import SandboxedStudent
from segedu.grading.submissions import Answers, Submission, read_answers, released_source

Result = dict[str, Any]


def grade_submission(
    assignment: Assignment, submission: Submission, sandbox: Sandbox, seed: int
) -> Result:
    """Everything the reports need, as plain data; a bad submission is a result, not an error."""
    start = time.perf_counter()
    answers = read_answers(submission, assignment)
    exercises = [
        _grade_exercise(assignment, exercise, answers, sandbox, (seed, submission.digest))
        for exercise in assignment.exercises
    ]
    result = blank_result(assignment, submission, seed, sandbox.kind)
    result["report"] = answers.report + [
        f"{e['name']}, {c['title']}: the check stumbled; if it does so for many, mend checks.py."
        for e in exercises
        for c in e["checks"]
        if c["message"].startswith(UNREAD)
    ]
    result["exercises"] = exercises
    result["score"] = sum(e["earned"] for e in exercises)
    result["manual"] = [
        {"name": c.grade_id, "points": c.points, "source": answers.sources.get(c.grade_id, "")}
        for c in assignment.manual
    ]
    result["seconds"] = round(time.perf_counter() - start, 3)
    return result


def blank_result(assignment: Assignment, submission: Submission, seed: int, kind: str) -> Result:
    """A result without points: what a submission gets until it is graded, or when it cannot be."""
    return {
        "student": submission.student,
        "key": submission.key,
        "origin": submission.origin,
        "assignment": assignment.name,
        "title": assignment.notebook,
        "fingerprint": assignment.fingerprint,
        "digest": submission.digest,
        "seed": seed,
        "sandbox": kind,
        "score": 0.0,
        "max_score": assignment.points,
        "auto_max": sum(e.points for e in assignment.exercises),
        "report": [],
        "exercises": [
            _exercise_result(e, [_skipped(e, i, NOT_ATTEMPTED, "") for i in range(len(e.checks))])
            for e in assignment.exercises
        ],
        "manual": [],
        "seconds": 0.0,
    }


def _grade_exercise(
    assignment: Assignment,
    exercise: Exercise,
    answers: Answers,
    sandbox: Sandbox,
    seed: tuple[int, str],
) -> Result:
    source = answers.sources.get(exercise.name, "")
    stub = next(released_source(c) for c in assignment.cells if c.grade_id == exercise.name)
    if not source.strip() or source.strip() == stub.strip():
        why = "the answer is still to be written" if source.strip() else "there is no answer"
        checks = [_skipped(exercise, i, NOT_ATTEMPTED, why) for i in range(len(exercise.checks))]
        return _exercise_result(exercise, checks, source)
    pieces = assignment.pieces(exercise.name, answers.sources)
    student = SandboxedStudent(sandbox, exercise.name, pieces, exercise.settings)
    try:
        checks = _checked(assignment, exercise, student, seed)
    finally:
        student.close()
    return _exercise_result(exercise, checks, source, visible(student.printed))


def visible(printed: bytes) -> str:
    """What a cell printed, without characters that steer a terminal or the direction of text."""
    text = printed.decode(errors="replace")
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)


def _checked(
    assignment: Assignment, exercise: Exercise, student: SandboxedStudent, seed: tuple[int, str]
) -> list[CheckResult]:
    try:
        student.load()
    except StudentError as error:
        count = range(len(exercise.checks))
        status = NOT_ATTEMPTED if error.not_attempted else "failed"
        return [_skipped(exercise, i, status, error.message) for i in count]
    return run_checks(assignment, exercise.name, student.fresh, seed)


def _skipped(exercise: Exercise, index: int, status: str, message: str) -> CheckResult:
    check = exercise.checks[index]
    return CheckResult(check.name, check.title, check.points, 0.0, status, message)


def _exercise_result(
    exercise: Exercise, checks: list[CheckResult], source: str = "", printed: str = ""
) -> Result:
    return {
        "name": exercise.name,
        "points": exercise.points,
        "earned": sum(c.earned for c in checks),
        "checks": [c.as_dict() for c in checks],
        "source": source,
        "printed": printed,
    }
