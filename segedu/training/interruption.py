"""Ctrl-C stops a run after its step, not within it.

So does SIGTERM, which a cluster sends before it takes a machine away.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType


class Interruption:
    """While active, the first signal only sets `asked`; a second Ctrl-C interrupts at once.

    Attributes:
        asked: True when the run should stop after the current step.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, signal._HANDLER] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():  # only there Python allows it
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True
