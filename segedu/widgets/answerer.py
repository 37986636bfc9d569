"""Asks the methods in a thread, so that the kernel stays free; the latest prompts win."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segedu.images import check_mask
from segedu.interactive import InteractiveMethod, convert
from segedu.widgets.history import Answer, SegmentedObject, Step
from segedu.widgets.runs import encode_runs

PROGRESS_EVERY = 0.15  # seconds between two reports of how far an image is encoded


@dataclass
class Encoding:
    """A method is being given the image."""

    method: str
    share: float | None = None  # in [0, 1]; None while the method does not say


class _Seat:
    """Who may use a method: it holds one image, and widgets may share it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.holder: object = None  # whose image the method holds


# By the method's identity; an answerer that has the seat also keeps the method alive.
_seats: weakref.WeakValueDictionary[int, _Seat] = weakref.WeakValueDictionary()


class Answerer:
    """Answers objects' present prompts one after the other.

    Prompts may come faster than answers: of each object only the latest are answered, so that no
    queue builds up. `set_image` runs before a method's first answer. Prompts that a method does not
    take are converted.

    Args:
        methods: name -> method of the interactive protocol.
        image: (H, W, 3) uint8.
        lock: held while histories change and while the functions below run.
        answered: called after each answer with the method's name and its failure's message, or "".
        rested: called when nothing is left to answer.
        progressed: called while a method encodes the image.
    """

    def __init__(
        self,
        methods: Mapping[str, InteractiveMethod],
        image: NDArray[np.uint8],
        lock: Any,
        answered: Callable[[str, str], None],
        rested: Callable[[], None],
        progressed: Callable[[], None],
    ) -> None:
        self.methods, self.image = methods, image
        self.answered, self.rested, self.progressed = answered, rested, progressed
        self.idle = threading.Event()  # set when the last answer has been told
        self.idle.set()
        self.encoding: Encoding | None = None
        self.encoding_seconds: dict[str, float] = {}
        self._lock = lock
        self._seats = {name: _seats.setdefault(id(m), _Seat()) for name, m in methods.items()}
        self._me = object()  # sits in the seat whose method holds our image
        self._working = False  # a thread is answering
        self._asked = ""  # the method that it asks
        # The last one is asked first. No object: the method is only given the image.
        self._wanted: dict[tuple[int, str], SegmentedObject | None] = {}

    def request(self, thing: SegmentedObject, names: Sequence[str]) -> bool:
        """Have the object's present step answered by these methods, the first one first, and by no
        others; False: the first one has answered it already.
        """
        with self._lock:
            self.withdraw(thing)
            missing = [name for name in names if thing.unanswered(name) is not None]
            for name in reversed(missing):
                self._wanted[thing.id, name] = thing
            self._start()
            return names[0] in missing

    def withdraw(self, thing: SegmentedObject) -> None:
        """The object's present step needs no answer any more."""
        with self._lock:
            self._wanted = {key: it for key, it in self._wanted.items() if it is not thing}

    def prepare(self, name: str) -> None:
        """Give a method the image ahead of the first prompt."""
        with self._lock:
            if self._seats[name].holder is not self._me:
                self._wanted = {(0, name): None, **self._wanted}  # after all prompts
                self._start()

    def busy_with(self, name: str) -> bool:
        """Whether a method is being asked or is going to be."""
        with self._lock:
            return self._asked == name or any(name == wanted for _, wanted in self._wanted)

    def _start(self) -> None:
        if self._wanted and not self._working:
            self._working = True
            self.idle.clear()
            threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._lock:
                task = self._next()
                if task is None:
                    self._working = False
                    self.rested()
                    self.idle.set()
                    return
                name, thing, step = task
                self._asked = name
                before = thing.before(step, name) if thing and step else None
            answer, problem = self._answer(name, step, before)
            with self._lock:
                if step is not None and answer is not None:
                    step.answers[name] = answer
                elif step is not None:
                    step.failures[name] = problem
                self._asked = ""
                self.answered(name, problem)

    def _next(self) -> tuple[str, SegmentedObject | None, Step | None] | None:
        """What to do next; what is done by now is dropped."""
        while self._wanted:
            (number, name), thing = next(reversed(self._wanted.items()))
            step = None if thing is None else thing.unanswered(name)
            if step is not None:
                return name, thing, step
            del self._wanted[number, name]
            if thing is None:
                return name, None, None
        return None

    def _answer(
        self, name: str, step: Step | None, before: Answer | None
    ) -> tuple[Answer | None, str]:
        """Ask the method; its failure becomes a message, and the prompts stay."""
        method, shape = self.methods[name], (self.image.shape[0], self.image.shape[1])
        try:
            with self._seats[name].lock:
                self._encode(name)
                if step is None:
                    return None, ""
                previous = None if before is None else before.prediction.mask
                asked = convert(replace(step.prompts, previous_mask=previous), method, shape)
                start = time.perf_counter()
                prediction = method.predict(asked.prompts)
                seconds = time.perf_counter() - start
            mask = check_mask(prediction.mask, shape, "the method's mask")
        except Exception as error:
            return None, f"{type(error).__name__}: {error}"
        mask.flags.writeable = False
        return Answer(prediction, encode_runs(mask), seconds, asked), ""

    def _encode(self, name: str) -> None:
        """Give a method the image unless it holds it; say so meanwhile."""
        seat, method = self._seats[name], self.methods[name]
        # `Recalling` may have put the work off.
        if seat.holder is self._me and not getattr(method, "unencoded", False):
            return
        seat.holder = None
        with self._lock:
            self.encoding = Encoding(name)
            self.progressed()
        start = time.perf_counter()
        try:
            with self._listening(method):
                method.set_image(self.image)
        finally:
            with self._lock:
                self.encoding = None
        self.encoding_seconds[name] = time.perf_counter() - start
        seat.holder = self._me

    @contextmanager
    def _listening(self, method: Any) -> Iterator[None]:
        """Hear how far a method is that can say so."""
        if not hasattr(method, "progress"):
            yield
            return
        own, last = method.progress, [time.perf_counter()]

        def hear(share: float) -> None:
            if own is not None:
                own(share)
            with self._lock:
                if self.encoding is None or time.perf_counter() < last[0] + PROGRESS_EVERY:
                    return
                last[0] = time.perf_counter()
                self.encoding.share = float(share)
                self.progressed()

        method.progress = hear
        try:
            yield
        finally:
            method.progress = own


def named_methods(
    method: InteractiveMethod | str | None, methods: Mapping[str, InteractiveMethod] | None
) -> tuple[dict[str, InteractiveMethod], str]:
    """All methods by name, and the name of the first to answer.

    Raises:
        ValueError: there is none, or two names share one object, or the first is not among them.
    """
    if methods is None:
        if isinstance(method, str):
            raise ValueError(f"method {method!r} is a name: give methods={{{method!r}: ...}} too")
        if method is None:
            from segedu.interactive import GrabCut

            method = GrabCut()
        return {type(method).__name__: method}, type(method).__name__
    named = {str(name): value for name, value in methods.items()}
    if not named:
        raise ValueError("methods is empty: give at least one, such as {'GrabCut': GrabCut()}")
    if len({id(value) for value in named.values()}) < len(named):
        raise ValueError("two names share one method: each needs an object of its own")
    if method is not None and method not in named:
        raise ValueError(f"method must be one of the names of methods, {list(named)}")
    return named, str(method) if method is not None else next(iter(named))
