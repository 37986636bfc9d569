"""A student's code across the wire: asks the worker, keeps the clock, believes nothing.

Every exchange has a nonce, a deadline and a size cap. A reply that is malformed, that carries
another nonce, or that came unasked ends the worker. What the worker prints while hidden calls run
is thrown away, and of their exceptions only the type and the line are told: both would otherwise
carry the hidden inputs to the student.
"""

from __future__ import annotations

import builtins
import contextlib
import hmac
import os
import re
import secrets
import select
import time
from collections.abc import Sequence
from typing import Any

from segedu.grading.assignment import Piece
from segedu.grading.calls import Request
from segedu.grading.exercise import Settings, Student, StudentError
from segedu.grading.sandbox import Jail, Sandbox
from segedu.grading.wire import HEADER, WireError, check_sizes, decode, encode

MAX_OUTPUT = 8 << 10
READ = 1 << 18
KNOWN_ERRORS = {
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
} | {*("LinAlgError", "AxisError", "UFuncTypeError", "ForbiddenImport", "LockedOperator")}
PLAIN_WORDS = """is a an the has of type and or too many items nested deeply return numbers strings
lists dicts arrays tensors array plain numpy dtype object only str keys travel dict key int float
bool bytes None complex tuple list set range function generator method module builtins torch
matrix MaskedArray ma core Tensor datetime64 timedelta64 sparse quantized tensor dense one large to
send over MB more than digits 256 400 that cannot be sent NoneType map filter zip slice"""
VOCABULARY = frozenset(re.findall(r"\w+", PLAIN_WORDS))
WORDS = {
    "memory": "used more memory than the exercise allows",
    "processes": "started more processes than the exercise allows",
    "timeout": "took longer than the exercise allows (an endless loop?)",
    "crash": "ended the Python process",
    "protocol": "wrote to the grader's own channel",
}


class SandboxedStudent(Student):
    """An answer in a worker of its own; `fresh` gives a new worker where the old one was lost.

    Args:
        sandbox: where workers start.
        exercise: grade_id of the answer.
        pieces: cells to run, the answer last.
        settings: limits.
    """

    def __init__(
        self, sandbox: Sandbox, exercise: str, pieces: Sequence[Piece], settings: Settings
    ) -> None:
        self.sandbox = sandbox
        self.exercise = exercise
        self.pieces = list(pieces)
        self.settings = settings
        self.seconds_left = settings.total_seconds
        self.printed = b""
        self.jail: Jail | None = None
        self.lost: StudentError | None = None
        self.broken: StudentError | None = None  # the cells themselves do not run

    def fresh(self) -> SandboxedStudent:
        """Ready for the next check: a worker that a check lost is started anew."""
        if self.lost is not None and self.lost.kind != "protocol" and self.seconds_left > 0:
            self.lost = None
        return self

    def request(self, request: Request) -> Any:
        """Ask the worker, starting it when there is none."""
        if self.broken or self.lost:
            raise self.broken or self.lost  # type: ignore[misc]
        if self.jail is None:
            self._load()
        return self._value(self._exchange({"request": request}))

    def load(self) -> None:
        """Run the cells now; raises StudentError where they do not run."""
        if self.jail is None and not (self.broken or self.lost):
            self._load()
        if self.broken:
            raise self.broken

    def close(self) -> str | None:
        """End the worker; "memory" or "processes" where the sandbox did so before."""
        jail, self.jail = self.jail, None
        return jail.end() if jail is not None else None

    def _load(self) -> None:
        self.jail = self.sandbox.start(self.settings)
        self.printed = b""
        job = {
            "pieces": [(piece.source, piece.grade_id) for piece in self.pieces],
            "forbidden": list(self.settings.forbidden),
            "locked": list(self.settings.locked),
        }
        try:
            reply = self._exchange(job, keep_output=True)
        except StudentError as error:
            self.broken = error
            raise
        if reply["ok"] is not True:
            self.broken = self._load_error(reply)
            self.close()
            raise self.broken

    def _exchange(self, message: dict[str, Any], keep_output: bool = False) -> dict[str, Any]:
        """Send `message` with a new nonce; the reply with the same one."""
        nonce = secrets.token_hex(16)
        start = time.monotonic()
        allowed = min(self.settings.call_seconds, self.seconds_left)
        try:
            data = self._transfer(encode({"nonce": nonce, **message}), start + allowed, keep_output)
            reply = decode(data)
            if type(reply) is not dict or type(reply.get("ok")) is not bool:
                raise _Lost("protocol")
            if not hmac.compare_digest(str(reply.get("nonce")).encode(), nonce.encode()):
                raise _Lost("protocol")
        except (_Lost, WireError) as problem:
            self.seconds_left -= time.monotonic() - start
            kind = problem.kind if isinstance(problem, _Lost) else "protocol"
            verdict = self.close()
            kind = verdict if verdict in WORDS and kind == "crash" else kind
            self.lost = StudentError(f"your code {WORDS[kind]}", kind=kind)
            raise self.lost from None
        self.seconds_left -= time.monotonic() - start
        return reply

    def _transfer(self, frame: bytes, deadline: float, keep_output: bool) -> bytes:
        """Write a frame and read one, draining the worker's output meanwhile."""
        jail = self.jail
        assert jail is not None
        if select.select([jail.wire_in], [], [], 0)[0]:
            raise _Lost("protocol" if _read(jail.wire_in) else "crash")
        outgoing, incoming = memoryview(frame), bytearray()
        sources = [jail.wire_in, jail.output]
        for descriptor in (jail.wire_in, jail.wire_out, jail.output):
            os.set_blocking(descriptor, False)
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise _Lost("timeout")
            targets = [jail.wire_out] if outgoing else []
            readable, writable, _ = select.select(sources, targets, [], left)
            if jail.output in readable and not self._drain(jail.output, keep_output):
                sources.remove(jail.output)
            if jail.wire_in in readable:
                chunk = _read(jail.wire_in)
                incoming += chunk
                if not chunk:
                    raise _Lost("crash")
                if _complete(incoming):
                    if outgoing:
                        raise _Lost("protocol")
                    self._drain(jail.output, keep_output)
                    return bytes(incoming)
            if writable:
                outgoing = outgoing[_write(jail.wire_out, outgoing) :]

    def _drain(self, descriptor: int, keep: bool) -> bool:
        """Take what was printed; False when the worker closed its output."""
        try:
            data = os.read(descriptor, READ)
        except BlockingIOError:
            return True
        if keep:
            self.printed += data[: max(0, MAX_OUTPUT - len(self.printed))]
        return bool(data)

    def _value(self, reply: dict[str, Any]) -> Any:
        if reply["ok"]:
            return reply.get("value")
        kind = reply.get("kind")
        name, line, cell = _word(reply.get("type")), _line(reply.get("line")), reply.get("cell")
        if kind == "missing":
            raise StudentError(f"{name} is not defined in your cell", kind="missing")
        if kind == "bad value":
            raise StudentError(f"the returned value {_known(reply)}", kind="bad value")
        known = name if name in KNOWN_ERRORS else "an exception of its own"
        place = self._place(cell, line)
        raise StudentError(f"raised {known}{place}", type_name=name, line=line)

    def _load_error(self, reply: dict[str, Any]) -> StudentError:
        cell, name = reply.get("failed"), _word(reply.get("type"))
        whose = "your cell" if cell == self.exercise else f"your answer to {cell}, which this uses,"
        if not cell:
            whose = "a given cell (not your fault, tell your instructor)"
        words = "".join(c if c.isprintable() else " " for c in str(reply.get("message"))[:500])
        text = f"{whose} raised {name}: {words}"
        line = _line(reply.get("line"))
        return StudentError(
            text + self._place(cell, line), type_name=name, line=line, kind="exception"
        )

    def _place(self, cell: Any, line: int | None) -> str:
        source = next((p.source for p in self.pieces if p.grade_id and p.grade_id == cell), None)
        lines = source.splitlines() if source else []
        if line is None or not 1 <= line <= len(lines):
            return ""
        whose = "" if cell == self.exercise else f" of {cell}"
        return f" in line {line}{whose}: {lines[line - 1].strip()[:120]}"


class _Lost(Exception):
    """The worker is of no more use."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, READ)
    except (ConnectionResetError, BrokenPipeError):
        return b""


def _write(descriptor: int, data: memoryview) -> int:
    with contextlib.suppress(BlockingIOError):
        try:
            return os.write(descriptor, data[:READ])
        except (ConnectionResetError, BrokenPipeError):
            raise _Lost("crash") from None
    return 0


def _complete(incoming: bytearray) -> bool:
    """Whether one frame is in; more than one frame, or one over the caps, loses the worker."""
    if len(incoming) < HEADER.size:
        return False
    tree, arrays = HEADER.unpack_from(incoming)
    check_sizes(tree, arrays)
    if len(incoming) > HEADER.size + tree + arrays:
        raise _Lost("protocol")
    return len(incoming) == HEADER.size + tree + arrays


def _word(value: Any) -> str:
    text = str(value)[:60]
    return text if text.isidentifier() else "an exception"


def _known(reply: dict[str, Any]) -> str:
    """The worker's words about a value it could not send, if they can carry nothing else."""
    text = str(reply.get("message"))[:200]
    if all(word in VOCABULARY for word in re.findall(r"\w+", text)):
        return text
    return "cannot be sent: return numbers, strings, lists, dicts, arrays or tensors"


def _line(value: Any) -> int | None:
    return value if type(value) is int else None
