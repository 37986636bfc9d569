"""Where student code runs: one slot is a bubblewrap sandbox with a warm parent inside.

Bubblewrap gives the sandbox namespaces of its own (user, pid, ipc, uts, network, cgroup), a
read-only view of the system's libraries and of the Python environment, and nothing else: no home,
no course folder, no environment variables. The warm parent (`zygote`) forks a jail inside it
(`jail`) for each exercise.

Started as root, plain bubblewrap would still read root's files and ignore process limits. So root
starts two: the outer one only arranges the files, then drops to a user id that belongs to this
slot alone, without capabilities; the inner one is what an ordinary user gets.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Protocol

import segedu
from segedu.grading.exercise import Settings

PACKAGE = Path(segedu.__file__).resolve().parent
FIRST_UID = 1_900_000_000
SLOTS = 512
READY_SECONDS = 180.0
START_SECONDS = 30.0
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts", "/etc/localtime")
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "NUMBA_CACHE_DIR": "/tmp/numba",
    "MPLBACKEND": "Agg",
    "MPLCONFIGDIR": "/tmp/matplotlib",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
}


class SandboxError(RuntimeError):
    """The sandbox cannot be had; the message says what to install or allow."""


class EngineError(SandboxError):
    """What starts the sandboxes is broken for every submission: grading stops, nobody gets 0."""


class Jail(Protocol):
    """A running worker: two descriptors of its wire, one of its output."""

    @property
    def wire_in(self) -> int: ...  # noqa: D102

    @property
    def wire_out(self) -> int: ...  # noqa: D102

    @property
    def output(self) -> int: ...  # noqa: D102

    def end(self) -> str | None:
        """Kill all of it and wait; "memory" or "processes" where that was done before."""


class Sandbox(Protocol):
    """Starts workers, one at a time."""

    kind: str

    def start(self, settings: Settings) -> Jail:
        """A fresh worker that waits for its cells."""

    def close(self) -> None:
        """Leave nothing behind."""


class Bubblewrap:
    """One slot; starts its warm parent at once and waits for it when it is first needed."""

    kind = "bubblewrap"

    def __init__(self, modules: Sequence[str]) -> None:
        self.modules = list(modules)
        self._lock, self.slot = _take_slot()
        self._launch()

    def start(self, settings: Settings) -> Jail:
        """A fresh jail; a warm parent that died is replaced once."""
        try:
            return self._start(settings)
        except (SandboxError, OSError):
            self._stop()
            self._launch()
            return self._start(settings)

    def close(self) -> None:
        """Kill the sandbox and give the slot back."""
        self._stop()
        self._lock.close()

    def _launch(self) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115, lives as long as the process
        uid = FIRST_UID + self.slot if os.geteuid() == 0 else None
        command = bubblewrap_command(zygote_command(theirs.fileno(), self.modules), uid)
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            pass_fds=[theirs.fileno()],
            cwd="/",
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin")},
            start_new_session=True,
        )
        theirs.close()
        self._ready = False

    def _start(self, settings: Settings) -> Jail:
        if not self._ready:
            self._receive(READY_SECONDS)
            self._ready = True
        wire, their_wire = socket.socketpair()
        output, their_output = os.pipe()
        try:
            job = {
                "do": "start",
                "masked": masked_paths(settings.forbidden),
                "kept": folders_in_tmp(),
                "memory_bytes": settings.memory_mb << 20,
                "cpu_seconds": int(settings.total_seconds) + 2,
            }
            socket.send_fds(
                self.control, [json.dumps(job).encode()], [their_wire.fileno(), their_output]
            )
        finally:
            their_wire.close()
            os.close(their_output)
        answer = self._receive(START_SECONDS)
        if "error" in answer:
            raise SandboxError(f"the sandbox gave no jail: {answer['error']}")
        return _BubblewrapJail(self, wire.detach(), output)

    def _receive(self, seconds: float) -> dict[str, Any]:
        self.control.settimeout(seconds)
        try:
            data = self.control.recv(1 << 16)
        except TimeoutError:
            data = b""
        if not data:
            self._errors.seek(0)
            words = self._errors.read(4000).decode(errors="replace").strip()
            raise SandboxError(f"the sandbox did not start: {words or 'no word from it'}")
        answer: dict[str, Any] = json.loads(data)
        return answer

    def _stop(self) -> None:
        self.control.close()
        if self.process.returncode is None:  # else its number may be another's by now
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._errors.close()


@dataclass
class _BubblewrapJail:
    sandbox: Bubblewrap
    wire_in: int
    output: int
    ended: bool = False

    @property
    def wire_out(self) -> int:
        return self.wire_in

    def end(self) -> str | None:
        if self.ended:
            return None
        self.ended = True
        os.close(self.wire_in)
        os.close(self.output)
        try:
            self.sandbox.control.send(b'{"do": "end"}')
            verdict = self.sandbox._receive(START_SECONDS).get("ended")
        except (SandboxError, OSError):
            self.sandbox._stop()
            self.sandbox._launch()
            return None
        return verdict if isinstance(verdict, str) else None


def bubblewrap_command(command: Sequence[str], uid: int | None) -> list[str]:
    """`command` inside the sandbox; as root, `uid` is the slot's own user id."""
    inside = [
        *(_bwrap(), "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"),
        *(arg for pair in ENVIRONMENT.items() for arg in ("--setenv", *pair)),
        *("--hostname", "segedu", "--cap-drop", "ALL"),
    ]
    own = [
        *("--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"),
        # For the warm parent: torch makes a temporary file when imported. Jails mount their own.
        *("--size", str(64 << 20), "--tmpfs", "/tmp", *_binds(folders_in_tmp()), "--chdir", "/tmp"),
    ]
    if uid is None:
        return [*inside, *_files(), *own, "--remount-ro", "/", "--", *command]
    return [*_as_user(uid), *inside, "--ro-bind", "/", "/", *own, "--", *command]


def _as_user(uid: int) -> list[str]:
    """Root's way to run a command as `uid` without capabilities, seeing the same files."""
    return [
        *(_bwrap(), "--die-with-parent", "--cap-drop", "ALL"),
        *("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"),
        *(*_files(), "--dir", "/tmp", "--remount-ro", "/"),
        *("--dev-bind", "/dev", "/dev", "--dev-bind", "/proc", "/proc", "--"),
        *("setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups"),
        *("--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", "--"),
    ]


def _bwrap() -> str:
    path = shutil.which("bwrap")
    if path is None:
        raise SandboxError("bubblewrap is not installed: apt-get install bubblewrap")
    return path


def _files() -> list[str]:
    """What the sandbox sees of this machine, all read-only."""
    args = ["--dir", "/dev", "--dir", "/proc", "--perms", "0755", "--dir", "/etc"]
    for path in SYSTEM:
        if os.path.islink(path):
            args += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            args += ["--ro-bind", path, path]
    for path in SYSTEM_FILES:
        args += ["--ro-bind-try", os.path.realpath(path), path]
    return [*args, *_binds(visible_folders())]


def _binds(folders: Sequence[str]) -> list[str]:
    """Mount folders of this machine where they are, read-only."""
    parents: dict[str, None] = {}
    for path in folders:
        # Bubblewrap gives folders above a mount the rights of the original, perhaps root's alone.
        parents |= dict.fromkeys(str(p) for p in reversed(Path(path).parents[:-1]))
    above = [arg for parent in parents for arg in ("--perms", "0755", "--dir", parent)]
    return above + [arg for path in folders for arg in ("--ro-bind", path, path)]


@functools.cache
def visible_folders() -> tuple[str, ...]:
    """The Python environment, and the course's library with its annotations."""
    found = [Path(sys.prefix), Path(sys.base_prefix), PACKAGE, PACKAGE.parent / "data"]
    found += [Path(os.path.realpath(sys.executable)).parents[1]]
    kept: list[str] = []
    for path in sorted({str(p) for p in found if p.is_dir()}):
        inside = any(f"{path}/".startswith(f"{other}/") for other in (*kept, *SYSTEM))
        if not inside:
            kept.append(path)
    return tuple(kept)


def folders_in_tmp() -> list[str]:
    """Visible folders that the sandbox's own /tmp would hide: of a clone in /tmp, say."""
    return [path for path in visible_folders() if path.startswith("/tmp/")]


def zygote_command(descriptor: int, modules: Sequence[str]) -> list[str]:
    """Command line of the warm parent, `descriptor` being its end of the control socket."""
    return [sys.executable, "-I", "-m", "segedu.grading.zygote", str(descriptor), *modules]


@functools.cache
def masked_paths(modules: tuple[str, ...]) -> list[str]:
    """Files and folders of the sandbox that hold `modules`."""
    paths: list[str] = []
    for name in modules:
        top, *rest = name.split(".")
        spec = find_spec(top)
        if spec is None or spec.origin is None:
            continue
        origin = Path(spec.origin)
        if not rest and not spec.submodule_search_locations:
            paths.append(str(origin))
            continue
        for root in spec.submodule_search_locations or ():
            place = Path(root).joinpath(*rest)
            paths += [str(place)] if place.is_dir() else []
            if rest:
                paths += [str(p) for p in sorted(place.parent.glob(f"{place.name}.*"))]
                cached = place.parent / "__pycache__"
                paths += [str(p) for p in sorted(cached.glob(f"{place.name}.*"))]
    return paths


def _take_slot() -> tuple[IO[str], int]:
    """A number no other grader on this machine holds, and the lock that keeps it."""
    import fcntl  # here: Windows has none, and gets as far as the advice

    folder = Path(tempfile.gettempdir()) / f"segedu-slots-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise SandboxError(f"{folder} belongs to someone else; remove it")
    for slot in range(SLOTS):
        lock = (folder / str(slot)).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        return lock, slot
    raise SandboxError(f"{SLOTS} graders already run on this machine")
