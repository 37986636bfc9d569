"""Asks the method in a thread, so that the kernel stays free; the latest prompts win."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segedu.images import check_mask
from segedu.interactive import InteractiveMethod
from segedu.widgets.history import SegmentedObject, Step, encode_runs


class Answerer:
    """Answers objects' present prompts one after the other.

    Prompts may come faster than answers: of each object only the latest are answered, so that no
    queue builds up. `set_image` runs before the first answer.

    Args:
        method: any method of the interactive protocol.
        image: (H, W, 3) uint8.
        lock: held while histories change and while `answered` runs.
        answered: called after each answer with the failure's message, or "", and whether no other
            answer is on its way.
    """

    def __init__(
        self,
        method: InteractiveMethod,
        image: NDArray[np.uint8],
        lock: Any,
        answered: Callable[[str, bool], None],
    ) -> None:
        self.method, self.image, self.answered = method, image, answered
        self.working = False  # a thread is answering
        self.idle = threading.Event()  # set when the last answer has been told
        self.idle.set()
        self._lock = lock
        self._ready = False
        self._wanted: dict[int, SegmentedObject] = {}

    def request(self, thing: SegmentedObject) -> None:
        """Have the object's present step answered."""
        with self._lock:
            self._wanted.pop(thing.id, None)  # to the end of the row: the latest is asked first
            self._wanted[thing.id] = thing
            if not self.working:
                self.working = True
                self.idle.clear()
                threading.Thread(target=self._work, daemon=True).start()

    def withdraw(self, thing: SegmentedObject) -> None:
        """The object's present step needs no answer any more."""
        with self._lock:
            self._wanted.pop(thing.id, None)

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._wanted:
                    self.working = False
                    self.answered("", True)
                    self.idle.set()
                    return
                _, thing = self._wanted.popitem()
                step = thing.step
            answer, problem = self._answer(thing, step)
            with self._lock:
                thing.settle(step, answer)
                self.answered(problem, False)

    def _answer(self, thing: SegmentedObject, step: Step) -> tuple[Step, str]:
        """Ask the method; its failure becomes a message, and the prompts stay."""
        shown = thing.shown
        before = None if shown is None or shown.answer is None else shown.answer.mask
        start = time.perf_counter()
        try:
            if not self._ready:
                self.method.set_image(self.image)
                self._ready = True
            answer = self.method.predict(replace(step.prompts, previous_mask=before))
            seconds = time.perf_counter() - start
            height, width = self.image.shape[:2]
            mask = check_mask(answer.mask, (height, width), "the method's mask")
        except Exception as error:
            return step, f"{type(error).__name__}: {error}"
        mask.flags.writeable = False
        return replace(step, answer=answer, runs=encode_runs(mask), seconds=seconds), ""
