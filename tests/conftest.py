"""Skips what this machine cannot run, and says at the end what to install for it."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Generator, Iterator

import pytest

from tests.requirements_of_machine import NEEDS, MissingCheckoutError

SKIP_PREFIX = "needs "


def pytest_configure(config: pytest.Config) -> None:
    for mark, need in NEEDS.items():
        config.addinivalue_line("markers", f"{mark}: the test needs {need.name}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark, need in NEEDS.items():
        if item.get_closest_marker(mark) is None or need.present():
            continue
        if need.in_ci and os.environ.get("CI") == "true":
            pytest.fail(f"CI must have {need.name}: {need.install}", pytrace=False)
        pytest.skip(f"{SKIP_PREFIX}{need.name}: {need.install}")


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call() -> Generator[None, object, object]:
    try:
        return (yield)
    except MissingCheckoutError as missing:
        pytest.skip(f"{SKIP_PREFIX}{missing}")


@pytest.fixture(autouse=True)
def no_event_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hide the event loop that playwright keeps running between its tests from all others.

    Demos compute at once where no loop is running, and little by little where one is.
    """
    if "lab" in request.fixturenames:
        yield
        return
    loop = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(loop)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    )
    lines = [
        f"{count} check(s) skipped, {reason.removeprefix(SKIP_PREFIX)}"
        for reason, count in sorted(reasons.items())
        if reason.startswith(SKIP_PREFIX)
    ]
    if lines:
        terminalreporter.section("skipped for want of something on this machine")
        for line in lines:
            terminalreporter.line(line)
