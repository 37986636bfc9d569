"""Assignments that grade themselves: release, check, grade; and what their authors write with."""

from segedu.grading.assignment import Assignment, AssignmentError
from segedu.grading.checker import CheckResult, grade_answer
from segedu.grading.exercise import (
    Check,
    CheckFailed,
    Handle,
    LocalStudent,
    Reference,
    Settings,
    Student,
    StudentError,
    check,
)
from segedu.grading.expect import (
    expect_array,
    expect_close,
    expect_equal,
    expect_raises,
    expect_true,
)

__all__ = [
    "Assignment",
    "AssignmentError",
    "Check",
    "CheckFailed",
    "CheckResult",
    "Handle",
    "LocalStudent",
    "Reference",
    "Settings",
    "Student",
    "StudentError",
    "check",
    "expect_array",
    "expect_close",
    "expect_equal",
    "expect_raises",
    "expect_true",
    "grade_answer",
]
