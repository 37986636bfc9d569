"""Which sandbox this machine has: bubblewrap, else a container engine, else none and no grading.

A container is started for each exercise, which takes seconds; bubblewrap is what to install where
one can. `--unsafe` runs student code as an ordinary process of the instructor and marks the grades.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from segedu.grading import jail
from segedu.grading.exercise import Settings
from segedu.grading.sandbox import (
    ENVIRONMENT,
    SYSTEM,
    Bubblewrap,
    Jail,
    Sandbox,
    SandboxError,
    bubblewrap_command,
    masked_paths,
    visible_folders,
)

CONTAINER_ENGINES = ("docker", "podman")
IMAGE = "debian:stable-slim"
PROBE_SECONDS = 60
ADVICE = """\
Student code is arbitrary code, and this machine has no sandbox to run it in, so nothing was graded.
  Debian, Ubuntu:  apt-get install bubblewrap
  Fedora:          dnf install bubblewrap
  macOS, Windows:  install Docker Desktop or Podman and start it, or grade in a Linux machine
                   (under Windows: WSL 2, then as on Debian)
Bubblewrap needs user namespaces. Where they are switched off, root can allow them:
  sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0
`segedu grade --unsafe` runs student code without walls, as you, and marks the grades "unsafe"."""


def choose_engine(unsafe: bool = False) -> str:
    """ "bubblewrap", "docker", "podman" or "unsafe"; raises SandboxError with what to install."""
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
    return ProcessPerExercise(engine)


def _bubblewrap_problem() -> str:
    """Why bubblewrap cannot be used here; empty where it can."""
    if sys.platform != "linux":
        return "runs on Linux only"
    if shutil.which("bwrap") is None:
        return "not installed"
    uid = 1_999_999_999 if os.geteuid() == 0 else None
    return _problem_of(bubblewrap_command([sys.executable, "-I", jail.__file__], uid))


def _container_problem(engine: str) -> str:
    if shutil.which(engine) is None:
        return "not installed"
    return _problem_of([engine, "info"])


def _problem_of(command: Sequence[str]) -> str:
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    words = (run.stderr or run.stdout).strip().splitlines() or [f"status {run.returncode}"]
    return "" if run.returncode == 0 else words[-1]


class ProcessPerExercise:
    """A whole interpreter for each exercise: in a container, or without any walls."""

    def __init__(self, engine: str) -> None:
        self.kind = engine

    def start(self, settings: Settings) -> Jail:
        """A fresh interpreter, its wire on its standard input and output."""
        name = f"segedu-{uuid.uuid4().hex}"
        worker = [sys.executable, "-I", "-m", "segedu.grading.worker"]
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
        return _Interpreter(process, None if self.kind == "unsafe" else (self.kind, name))

    def close(self) -> None:
        """Nothing is kept between exercises."""


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
            subprocess.run([self.container[0], "kill", self.container[1]], capture_output=True)
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
    return [*command, os.environ.get("SEGEDU_IMAGE", IMAGE), *worker]
