"""Which sandbox this machine has: bubblewrap, else a container engine, else none and no grading.

A container is started for each exercise, which takes seconds; bubblewrap is what to install where
one can. `--unsafe` runs student code as an ordinary process of the instructor and marks the grades.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segedu.grading.assignment import Piece
from segedu.grading.exercise import Settings, StudentError
from segedu.grading.sandbox import (
    ENVIRONMENT,
    SYSTEM,
    Bubblewrap,
    EngineError,
    Jail,
    Sandbox,
    SandboxError,
    bubblewrap_command,
    masked_paths,
    visible_folders,
)
from segedu.grading.session import SandboxedStudent
from segedu.grading.worker import READY

CONTAINER_ENGINES = ("docker", "podman")
IMAGE = "debian:stable-slim"
PROBE_SECONDS = 60
PULL_SECONDS = 600
START_SECONDS = 180
JAIL = Path(__file__).with_name("jail.py")  # by its path: it cannot be imported outside Linux
ADVICE = """\
Student code is arbitrary code, and this machine has no sandbox to run it in, so nothing was graded.
  Debian, Ubuntu:  apt-get install bubblewrap
  Fedora:          dnf install bubblewrap
  other Linux:     bubblewrap by its package manager, or Docker or Podman, started
  Windows:         grade inside WSL 2, then as on Ubuntu
  macOS:           grade on a Linux machine, real or virtual; its walls are made by Linux
Bubblewrap needs user namespaces. Where they are switched off, root can allow them:
  sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0
`segedu grade --unsafe` runs student code without walls, as you, and marks the grades "unsafe"."""
NO_WINDOWS = "Windows itself cannot grade, not even --unsafe: grade inside WSL 2."


def choose_engine(unsafe: bool = False) -> str:
    """ "bubblewrap", "docker", "podman" or "unsafe"; raises SandboxError with what to install."""
    if unsafe and sys.platform == "win32":
        raise SandboxError(NO_WINDOWS)
    if unsafe:
        return "unsafe"
    problems = []
    if problem := _bubblewrap_problem():
        problems.append(f"bubblewrap: {problem}")
    else:
        return "bubblewrap"
    for engine in CONTAINER_ENGINES:
        if problem := _container_problem(engine):
            problems.append(f"{engine}: {problem}")
        else:
            return engine
    raise SandboxError("\n".join([ADVICE, "", "What was tried:", *(f"  {p}" for p in problems)]))


def open_sandbox(engine: str, modules: Sequence[str]) -> Sandbox:
    """A sandbox of the kind that `choose_engine` named."""
    if engine == "bubblewrap":
        return Bubblewrap(modules)
    return ProcessPerExercise(engine, modules)


def _bubblewrap_problem() -> str:
    """Why bubblewrap cannot be used here; empty where it can."""
    if sys.platform != "linux":
        return "runs on Linux only"
    if shutil.which("bwrap") is None:
        return "not installed"
    uid = 1_999_999_999 if os.geteuid() == 0 else None
    return _problem_of(bubblewrap_command([sys.executable, "-I", str(JAIL)], uid))


def _container_problem(engine: str) -> str:
    """Why `engine` cannot be used here; a worker is started in it, and asked, before it may be."""
    if sys.platform != "linux":
        return "its containers would get this system's Python, and only Linux runs in them"
    if shutil.which(engine) is None:
        return "not installed"
    if problem := _problem_of([engine, "info"]):
        return problem
    absent = _problem_of([engine, "image", "inspect", image()])
    if absent and (problem := _problem_of([engine, "pull", image()], PULL_SECONDS)):
        return f"its image {image()} cannot be pulled: {problem}"
    return worker_problem(engine)


def worker_problem(engine: str) -> str:
    """Why a worker does not answer in a new sandbox of `engine`; empty where it does."""
    settings = Settings(call_seconds=PROBE_SECONDS, total_seconds=PROBE_SECONDS)
    piece = Piece("def double(x): return 2 * x", "probe")
    try:
        sandbox = open_sandbox(engine, [])
    except (SandboxError, OSError) as error:
        return str(error)
    worker = SandboxedStudent(sandbox, "probe", [piece], settings)
    try:
        return "" if worker.call("double", 21) == 42 else "its worker cannot count"
    except (SandboxError, StudentError, OSError) as error:
        return str(error)
    finally:
        worker.close()
        sandbox.close()


def _problem_of(command: Sequence[str], seconds: float = PROBE_SECONDS) -> str:
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    words = (run.stderr or run.stdout).strip().splitlines() or [f"status {run.returncode}"]
    return "" if run.returncode == 0 else words[-1]


class ProcessPerExercise:
    """A whole interpreter for each exercise: in a container, or without any walls.

    Args:
        engine: "docker", "podman" or "unsafe".
        modules: what the interpreter imports before the student's time begins.
    """

    def __init__(self, engine: str, modules: Sequence[str] = ()) -> None:
        self.kind = engine
        self.modules = list(modules)

    def start(self, settings: Settings) -> Jail:
        """A fresh interpreter that said it is ready; its wire is its standard input and output.

        Raises EngineError where it ends, or is silent, before: that is no fault of a student's.
        """
        name = f"segedu-{uuid.uuid4().hex}"
        worker = [sys.executable, "-I", "-m", "segedu.grading.worker", *self.modules]
        command = worker
        if self.kind != "unsafe":
            command = container_command(self.kind, name, worker, settings)
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=None if self.kind != "unsafe" else dict(ENVIRONMENT),
        )
        interpreter = _Interpreter(process, None if self.kind == "unsafe" else (self.kind, name))
        problem = _until_ready(interpreter)
        if problem:
            interpreter.end()
            raise EngineError(f"{self.kind} started no worker: {problem}")
        return interpreter

    def close(self) -> None:
        """Nothing is kept between exercises."""


def _until_ready(interpreter: Jail) -> str:
    """Wait for the worker's first word; what went wrong where it does not come."""
    said, printed = b"", b""
    deadline = time.monotonic() + START_SECONDS
    sources = [interpreter.wire_in, interpreter.output]
    while said != READY:
        left = deadline - time.monotonic()
        readable, _, _ = select.select(sources, [], [], max(0.0, left))
        if not readable:
            return f"no word from it in {START_SECONDS} seconds"
        if interpreter.output in readable:
            data = os.read(interpreter.output, 4096)
            printed = (printed + data)[-4096:]
            if not data:
                sources.remove(interpreter.output)
        if interpreter.wire_in in readable:
            data = os.read(interpreter.wire_in, len(READY) - len(said))
            said += data
            if not data or not READY.startswith(said):
                printed += b"" if interpreter.output not in sources else _rest(interpreter.output)
                words = printed.decode(errors="replace").strip().splitlines()
                return words[-1] if words else "it ended without a word"
    return ""


def _rest(descriptor: int) -> bytes:
    """What waits in a pipe, soon."""
    return os.read(descriptor, 4096) if select.select([descriptor], [], [], 1.0)[0] else b""


@dataclass
class _Interpreter:
    process: subprocess.Popen[bytes]
    container: tuple[str, str] | None

    @property
    def wire_in(self) -> int:
        assert self.process.stdout
        return self.process.stdout.fileno()

    @property
    def wire_out(self) -> int:
        assert self.process.stdin
        return self.process.stdin.fileno()

    @property
    def output(self) -> int:
        assert self.process.stderr
        return self.process.stderr.fileno()

    def end(self) -> str | None:
        if self.container:
            _problem_of([self.container[0], "kill", self.container[1]])
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        status = self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        return "memory" if self.container and status == 137 else None


def container_command(
    engine: str, name: str, worker: Sequence[str], settings: Settings
) -> list[str]:
    """`worker` in a container that sees the same files as a bubblewrap sandbox, and no network."""
    command = [engine, "run", "--rm", "--interactive", "--name", name, "--network", "none"]
    command += ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    command += ["--user", "65534:65534", "--pids-limit", "64", "--ipc", "private"]
    memory = f"{settings.memory_mb + 1024}m"
    command += ["--memory", memory, "--memory-swap", memory, "--cpus", "1"]
    command += ["--ulimit", "nofile=256", "--ulimit", "core=0", "--ulimit", "fsize=67108864"]
    command += ["--tmpfs", "/tmp:rw,nosuid,nodev,size=64m,mode=1777", "--workdir", "/tmp"]
    for key, value in ENVIRONMENT.items():
        command += ["--env", f"{key}={value}"]
    libraries = [p for p in SYSTEM if os.path.isdir(p) and not os.path.islink(p)]
    for path in (*libraries, *visible_folders()):
        command += ["--volume", f"{path}:{path}:ro"]
    for path in masked_paths(settings.forbidden):
        if os.path.isdir(path):
            command += ["--tmpfs", f"{path}:ro,size=4k"]
        else:
            command += ["--volume", f"/dev/null:{path}:ro"]
    return [*command, image(), *worker]


def image() -> str:
    """The container's image: any Linux; this machine's libraries and Python cover its own."""
    return os.environ.get("SEGEDU_IMAGE", IMAGE)
