"""HTML for people: one feedback page a student, one summary of the class.

Everything that comes from a submission passes through jinja2's autoescape, and the pages forbid
scripts to the browser besides (a content security policy), so that nothing in a name, a printed
line or an exception can run in an instructor's browser.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from segedu.grading.assignment import Assignment
from segedu.grading.grader import Result
from segedu.grading.results import write_atomically
from segedu.pages import page_environment

BARS = 10


def write_pages(folder: Path, assignment: Assignment, results: Sequence[Result]) -> None:
    """feedback/<student>.html for each result, and summary.html."""
    environment = _environment()
    for result in results:
        page = feedback_page(environment, result)
        write_atomically(folder / "feedback" / f"{result['key']}.html", _bytes(page))
    write_atomically(
        folder / "summary.html", _bytes(summary_page(environment, assignment, results))
    )


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _environment() -> jinja2.Environment:
    environment = page_environment(Path(__file__).parent / "templates")
    environment.filters |= {"points": _points, "words": _words, "numbered": _numbered}
    return environment


def _points(value: float) -> str:
    return f"{round(value, 2):g}"


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _numbered(source: str) -> str:
    lines = source.rstrip("\n").splitlines()
    width = len(str(len(lines)))
    return "\n".join(f"{number:>{width}}  {line}" for number, line in enumerate(lines, 1))


def feedback_page(environment: jinja2.Environment, result: Result) -> str:
    """What one student sees."""
    checks = [c for e in result["exercises"] for c in e["checks"]]
    passed = sum(c["status"] == "passed" for c in checks)
    if result["exercises"] and passed == len(checks):
        headline = f"All {len(checks)} checks passed."
    else:
        unopened = [e for e in result["exercises"] if _untouched(e)]
        headline = f"{passed} of {len(checks)} checks passed"
        headline += f", {len(unopened)} exercise(s) not attempted." if unopened else "."
    view = {"failed": "", **result}
    return environment.get_template("feedback.html").render(result=view, headline=headline)


def _untouched(exercise: dict[str, Any]) -> bool:
    return all(check["status"] == "not attempted" for check in exercise["checks"])


def summary_page(
    environment: jinja2.Environment, assignment: Assignment, results: Sequence[Result]
) -> str:
    """What the instructor sees: distribution, pass rates, misconceptions, students."""
    graded = [r for r in results if not r.get("failed")]  # what was not graded is not 0
    scores = [r["score"] for r in graded] or [0.0]
    top = assignment.points
    figures = [
        ("mean", f"{statistics.fmean(scores):.1f}"),
        ("median", f"{statistics.median(scores):g}"),
        ("full marks", str(sum(s >= top for s in scores if graded))),
        ("not graded", str(len(results) - len(graded))),
        ("need a look", str(sum(bool(r["report"]) for r in results))),
    ]
    return environment.get_template("summary.html").render(
        assignment=assignment,
        results=[{"failed": "", **r} for r in results],
        seed=results[0]["seed"] if results else "–",
        engine=results[0]["sandbox"] if results else "–",
        figures=figures,
        histogram=_histogram(scores if graded else [], top),
        rates=_rates(assignment, graded),
        misconceptions=_misconceptions(results),
    )


def _histogram(scores: Sequence[float], top: float) -> list[dict[str, Any]]:
    """Bars of a 720 by 240 plot; one a point where there are few points, else `BARS`."""
    whole = top == int(top) and top <= 2 * BARS
    edges = int(top) + 1 if whole else BARS
    counts = Counter(
        round(score) if whole else min(BARS - 1, int(BARS * score / (top or 1))) for score in scores
    )
    tallest = max(counts.values(), default=1)
    slot = 680 / edges
    bars = []
    for index in range(edges):
        height = round(165 * counts[index] / tallest, 1)
        label = str(index) if whole else f"{top * index / BARS:g}–{top * (index + 1) / BARS:g}"
        bars.append(
            {
                "x": round(30 + slot * index + slot * 0.12, 1),
                "y": round(200 - height, 1),
                "width": round(slot * 0.76, 1),
                "height": height,
                "middle": round(30 + slot * (index + 0.5), 1),
                "label": label,
                "count": counts[index],
            }
        )
    return bars


def _rates(assignment: Assignment, results: Sequence[Result]) -> list[dict[str, Any]]:
    total = max(1, len(results))
    rates = []
    for index, exercise in enumerate(assignment.exercises):
        outcomes = [result["exercises"][index] for result in results]
        checks = [
            {
                "title": check.title,
                "percent": round(
                    100 * sum(o["checks"][k]["status"] == "passed" for o in outcomes) / total
                ),
            }
            for k, check in enumerate(exercise.checks)
        ]
        mean = sum(o["earned"] for o in outcomes) / total
        rates.append(
            {
                "name": exercise.name,
                "points": exercise.points,
                "mean": f"{mean:.1f}",
                "checks": checks,
            }
        )
    return rates


def _misconceptions(results: Sequence[Result]) -> list[tuple[str, str, int]]:
    """(exercise, idea, students that have it), most common first."""
    seen: Counter[tuple[str, str]] = Counter()
    for result in results:
        ideas = {
            (exercise["name"], check["misconception"])
            for exercise in result["exercises"]
            for check in exercise["checks"]
            if check["misconception"]
        }
        seen.update(ideas)
    return [(name, idea, count) for (name, idea), count in seen.most_common(12)]
