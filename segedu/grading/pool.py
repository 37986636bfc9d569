"""Grades submissions over the cores of this machine, or over a Dask cluster.

Each process of the pool holds one sandbox slot and grades one submission at a time. A process that
dies or exceeds the submission's time is replaced, and that submission gets a result that says so:
one bad submission never stops or changes another.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import multiprocessing as mp
import os
import platform
import signal
import sys
import threading
import time
import uuid
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from segedu.grading.assignment import Assignment
from segedu.grading.engines import open_sandbox, worker_problem
from segedu.grading.grader import Result, blank_result, grade_submission
from segedu.grading.sandbox import EngineError, Sandbox, SandboxError
from segedu.grading.submissions import Submission

ABANDONED_SECONDS = 900.0
ENDED = "the grading process ended"


@dataclass(frozen=True)
class Job:
    """What all submissions of a run share.

    Attributes:
        folder: of the assignment.
        seed: of the hidden inputs.
        engine: the sandbox.
        fingerprint: of the assignment and the grader; "" for whatever is there.
    """

    folder: Path
    seed: int
    engine: str
    fingerprint: str = ""

    @property
    def assignment(self) -> Assignment:
        """The assignment, read once a process, and again when it has changed since."""
        found = _assignment(self.folder)
        if self.fingerprint and found.fingerprint != self.fingerprint:
            _assignment.cache_clear()
            found = _assignment(self.folder)
            if found.fingerprint != self.fingerprint:
                raise EngineError(
                    f"on {platform.node()}, {self.folder} or segedu is of another version than "
                    "where the run was started; bring them to the same one"
                )
        return found


@functools.cache
def _assignment(folder: Path) -> Assignment:
    return Assignment.load(folder)


def seconds_allowed(assignment: Assignment) -> float:
    """Longest time that a submission may take; its own limits end it far earlier."""
    return 120 + 4 * sum(exercise.settings.total_seconds for exercise in assignment.exercises)


def failed_result(job: Job, submission: Submission, why: str) -> Result:
    """Result of a submission on which the grader itself failed."""
    result = blank_result(job.assignment, submission, job.seed, job.engine)
    result["report"] = [f"Could not be graded: {why}. Needs a look by the instructor."]
    result["failed"] = why
    return result


def grade_in_pool(
    job: Job, first: Submission, rest: Sequence[Submission], processes: int
) -> Generator[tuple[Submission, Result]]:
    """Yield results: of `first` before any other is begun, then as they come, in no order."""
    waiting = list(reversed(rest))
    for name in job.assignment.warm_modules():  # once here, not once in each process
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    members = [_Member(job) for _ in range(max(1, min(processes, len(rest))))]
    try:
        yield members[0].grade(first)  # the others open their sandboxes meanwhile
        for member in members[: len(waiting)]:
            member.give(waiting.pop())
        while busy := [m for m in members if m.submission is not None]:
            ready = wait([m.connection for m in busy], timeout=0.5)
            for member in busy:
                outcome = member.outcome(member.connection in ready)
                if outcome is None:
                    continue
                yield outcome
                if waiting:
                    member.give(waiting.pop())
                else:
                    member.stop()
    finally:
        for member in members:
            member.kill()


def _stopped(error: EngineError) -> EngineError:
    return EngineError(f"{error}\nGrading stopped here; the same command goes on with the rest.")


class _Member:
    """One process of the pool and what it is working on."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.submission: Submission | None = None
        self.started = 0.0
        self.limit = seconds_allowed(job.assignment)
        self._start()

    def _start(self) -> None:
        # A forked process has the assignment and its libraries already; macOS cannot fork safely.
        context: Any = mp.get_context("fork" if sys.platform == "linux" else "spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(self.job, theirs), daemon=False)
        self.process.start()
        theirs.close()

    def give(self, submission: Submission) -> None:
        if not self.process.is_alive():
            self._start()
        self.submission, self.started = submission, time.monotonic()
        with contextlib.suppress(OSError):  # it died: `outcome` will see
            self.connection.send(submission)

    def grade(self, submission: Submission) -> tuple[Submission, Result]:
        """Wait for the result."""
        self.give(submission)
        while True:
            outcome = self.outcome(bool(wait([self.connection], timeout=0.5)))
            if outcome:
                return outcome

    def outcome(self, ready: bool) -> tuple[Submission, Result] | None:
        """The finished submission with its result; None while it is being graded."""
        submission = self.submission
        assert submission is not None
        late = time.monotonic() - self.started > self.limit
        if not ready and not late:
            return None
        try:
            result = self.connection.recv() if ready else None
        except (EOFError, OSError):
            result = None
        if isinstance(result, EngineError):
            raise _stopped(result)
        if not isinstance(result, dict):
            why = result if isinstance(result, str) else ENDED
            result = failed_result(self.job, submission, "it took too long" if late else why)
            if late or why is ENDED:
                self.kill()
        self.submission = None
        return submission, result

    def stop(self) -> None:
        """Let the process end by itself; the pool's end waits for it."""
        with contextlib.suppress(OSError):
            self.connection.send(None)

    def kill(self) -> None:
        """End it; its sandbox dies with it."""
        self.stop()
        self.process.join(timeout=5 if self.submission is None else 0)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.connection.close()


def _serve(job: Job, connection: Connection) -> None:
    """Body of a pool's process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    parent = os.getppid()
    try:
        sandbox: Sandbox | EngineError = _opened(job)
    except EngineError as error:
        sandbox = error
    try:
        while True:
            while not connection.poll(1.0):
                if os.getppid() != parent:
                    return
            submission = connection.recv()
            if submission is None:
                return
            try:
                if isinstance(sandbox, EngineError):
                    raise sandbox
                answer: Any = _graded(job, submission, sandbox)
            except EngineError as error:
                answer = error
            except Exception as error:
                answer = f"{type(error).__name__}: {error}"
            connection.send(answer)
    except (EOFError, OSError):
        return
    finally:
        if not isinstance(sandbox, EngineError):
            sandbox.close()


def _opened(job: Job) -> Sandbox:
    """A new sandbox; one that cannot be opened is no submission's fault."""
    try:
        return open_sandbox(job.engine, job.assignment.warm_modules())
    except (SandboxError, OSError) as error:
        raise EngineError(f"{job.engine} opened no sandbox: {error}") from error


def _graded(job: Job, submission: Submission, sandbox: Sandbox) -> Result:
    """The result; where the sandbox failed, harmless code in a new one says whose fault it was."""
    try:
        return grade_submission(job.assignment, submission, sandbox, job.seed)
    except EngineError:
        raise
    except SandboxError as error:
        if problem := worker_problem(job.engine):
            raise EngineError(f"{job.engine} runs nothing any more: {problem}") from error
        raise


def grade_on_cluster(
    job: Job, first: Submission, rest: Sequence[Submission], address: str
) -> Generator[tuple[Submission, Result]]:
    """As `grade_in_pool`, on the workers of the Dask scheduler at `address`.

    The workers need segedu, the assignment's folder at the same path, and bubblewrap. On Slurm,
    `dask_jobqueue.SLURMCluster(...)` starts them and gives the address.
    """
    from distributed import Client, as_completed

    run = uuid.uuid4().hex
    with Client(address, set_as_default=False) as client:
        futures: dict[Any, Submission] = {}
        try:
            for some in ([first], rest):
                futures = {
                    client.submit(_grade_remotely, run, job, one, pure=False, retries=1): one
                    for one in some
                }
                for future in as_completed(futures, loop=client.loop):
                    submission = futures[future]
                    problem = future.exception()
                    if isinstance(problem, EngineError):
                        raise _stopped(problem)
                    why = f"the worker failed: {problem}"
                    result = failed_result(job, submission, why) if problem else future.result()
                    yield submission, result
        finally:
            client.cancel(list(futures))
            client.run(_close_remotely, run)


@dataclass
class _Remote:
    """A sandbox on a Dask worker, and when it was last used."""

    sandbox: Sandbox
    used: float


# On a Dask worker: one sandbox for each run (several may share the cluster) and thread.
_remote: dict[tuple[str, int], _Remote] = {}


def _grade_remotely(run: str, job: Job, submission: Submission) -> Result:
    """Runs on a Dask worker."""
    key = run, threading.get_ident()
    if key not in _remote:
        _close_abandoned(key[1])
        _remote[key] = _Remote(_opened(job), time.monotonic())
    remote = _remote[key]
    try:
        return _graded(job, submission, remote.sandbox)
    finally:
        remote.used = time.monotonic()


def _close_remotely(run: str) -> None:
    """A run has ended: close its own sandboxes on this worker, and no other run's."""
    for key in [key for key in list(_remote) if key[0] == run]:
        _remote.pop(key).sandbox.close()


def _close_abandoned(thread: int) -> None:
    """Close this thread's sandboxes of runs that were killed: nobody else would."""
    for key in [key for key in list(_remote) if key[1] == thread]:
        if time.monotonic() - _remote[key].used > ABANDONED_SECONDS:
            _remote.pop(key).sandbox.close()
