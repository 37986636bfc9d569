"""The walls: what a worker sees, what it may use, and that it ends."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from segedu.grading import StudentError
from segedu.grading.assignment import Piece
from segedu.grading.engines import ProcessPerExercise, choose_engine, container_command
from segedu.grading.exercise import Settings
from segedu.grading.sandbox import (
    FIRST_UID,
    SLOTS,
    Bubblewrap,
    EngineError,
    SandboxError,
    _as_user,
    folders_in_tmp,
    masked_paths,
    visible_folders,
)
from segedu.grading.session import SandboxedStudent
from tests.requirements_of_machine import REPOSITORY, needs_bubblewrap

pytestmark = needs_bubblewrap

# Where the repository or its Python lies in /tmp, that much of it is seen there, read-only.
IN_TMP = sorted({path.split("/")[2] for path in folders_in_tmp()})


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Bubblewrap]:
    slot = Bubblewrap(["numpy", "torch"])
    yield slot
    slot.close()


def student(sandbox: Bubblewrap, source: str, **settings) -> SandboxedStudent:
    return SandboxedStudent(sandbox, "answer", [Piece(source, "answer")], Settings(**settings))


def ask(sandbox: Bubblewrap, source: str, *args, **settings):
    """Value of `f(*args)` in a worker of its own."""
    one = student(sandbox, source, **settings)
    try:
        return one.call("f", *args)
    finally:
        one.close()


def test_values_make_the_round_trip(sandbox):
    import torch

    array = np.arange(6.0).reshape(2, 3)
    source = "def f(*args, **kw): return args"
    back = ask(sandbox, source, 1, 2.5, "x", None, True, [1, (2,)], {"a": array}, torch.ones(2))
    assert back[:6] == (1, 2.5, "x", None, True, [1, (2,)])
    np.testing.assert_array_equal(back[6]["a"], array)
    assert torch.equal(back[7], torch.ones(2))


def test_modules_stay_in_the_worker_as_handles(sandbox):
    import torch

    one = student(
        sandbox,
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self, n):\n"
        "        super().__init__()\n"
        "        self.layer = torch.nn.Linear(n, 1)\n"
        "    def forward(self, x): return self.layer(x)\n"
        "def apply(net, x): return net(x) * 2",
    )
    net = one.construct("Net", 3)
    state = net.state_dict()
    assert state["layer.weight"].shape == (1, 3)
    mine = torch.nn.Linear(3, 1)
    net.load_state_dict({f"layer.{k}": v for k, v in mine.state_dict().items()})
    x = torch.randn(4, 3)
    torch.testing.assert_close(net(x), mine(x).detach())
    torch.testing.assert_close(one.call("apply", net, x), 2 * mine(x).detach())
    one.close()


def test_inputs_come_back_as_the_call_left_them(sandbox):
    one = student(sandbox, "def f(a):\n    a[0] = 7\n    return a.sum()")
    value, (left,) = one.call_and_inputs("f", np.zeros(3))
    assert value == 7
    assert left.tolist() == [7, 0, 0]
    one.close()


def test_each_exercise_starts_from_nothing(sandbox):
    source = (
        "import os, numpy\n"
        "def f():\n"
        "    found = os.listdir('/tmp') + os.listdir('/dev/shm') + [hasattr(numpy, 'mark')]\n"
        "    open('/tmp/mark', 'w').close(); open('/dev/shm/mark', 'w').close(); numpy.mark = 1\n"
        "    return found"
    )
    assert ask(sandbox, source) == [*IN_TMP, False]
    assert ask(sandbox, source) == [*IN_TMP, False]


def test_the_worker_is_nobody_and_sees_nothing(sandbox):
    source = (
        "import os\n"
        "def f():\n"
        "    status = dict(l.split(':\\t', 1) for l in open('/proc/self/status') if ':\\t' in l)\n"
        "    return [os.getuid(), status['CapEff'].strip(), status['CapBnd'].strip(),\n"
        "            status['NoNewPrivs'].strip(), status['Seccomp'].strip(), os.getcwd(),\n"
        "            os.listdir('/'), [p for p in os.listdir('/proc') if p.isdigit()],\n"
        "            os.uname().nodename, open('/proc/net/dev').read().count('eth'),\n"
        "            dict(os.environ)]"
    )
    uid, effective, bounding, privileges, seccomp, here, root, pids, host, nets, environment = ask(
        sandbox, source
    )
    assert uid == 1000
    assert int(effective, 16) == int(bounding, 16) == 0
    assert (privileges, seccomp) == ("1", "2")
    assert here == "/tmp"
    assert not {"home", "srv", "var", "run", "mnt", "boot", "sys"} & set(root)
    assert len(pids) == 2
    assert host == "segedu"
    assert nets == 0
    assert not {"USER", "SSH_AUTH_SOCK", "PYTEST_CURRENT_TEST"} & set(environment)


def test_of_the_repository_only_the_library_is_there(sandbox):
    source = "import os\ndef f(place): return sorted(os.listdir(place))"
    seen = set(ask(sandbox, source, str(REPOSITORY)))
    assert "segedu" in seen
    assert seen <= {"segedu", "data", ".venv"}


@pytest.mark.parametrize("place", ["/", "/usr", "/dev", "/proc", "/var/tmp", sys.prefix])
def test_only_tmp_can_be_written(sandbox, place):
    with pytest.raises(StudentError, match=r"raised (OSError|PermissionError|FileNotFoundError)"):
        ask(sandbox, "def f(p): open(p + '/x', 'w')", place)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop to a user of the slot")
def test_started_as_root_it_runs_as_the_slots_user(sandbox):
    import psutil

    one = student(sandbox, "def f(): return 1")
    one.load()
    family = psutil.Process(sandbox.process.pid).children(recursive=True)
    uids = {p.uids().real for p in family if "zygote" in " ".join(p.cmdline()[:4])}
    assert uids == {FIRST_UID + sandbox.slot}
    one.close()


def test_forbidden_modules_are_not_there(sandbox):
    source = (
        "import importlib, os\n"
        "def f(places):\n"
        "    found = []\n"
        "    for name in 'segedu.superpixels', 'segedu.superpixels.slic', 'skimage.segmentation':\n"
        "        try: found.append(importlib.import_module(name).__name__)\n"
        "        except ImportError as e: found.append(type(e).__name__)\n"
        "    found += [sorted(os.listdir(p)) for p in places]\n"
        "    import skimage.color, segedu.images\n"
        "    return found"
    )
    forbidden = ("segedu.superpixels", "skimage.segmentation")
    places = [p for p in masked_paths(forbidden) if os.path.isdir(p)]
    assert len(places) == 2
    got = ask(sandbox, source, places, forbidden=forbidden, call_seconds=60, total_seconds=60)
    assert got[:3] == ["ForbiddenImport"] * 3
    assert got[3:] == [[], []]
    assert ask(sandbox, source, [], call_seconds=60, total_seconds=60)[0] == "segedu.superpixels"


def test_a_given_import_of_a_forbidden_module_is_left_out(sandbox):
    pieces = [
        Piece("import json\nfrom segedu.superpixels import slic\nimport math"),
        Piece("def f(): return math.floor(2.5) + len(json.dumps(1))", "answer"),
    ]
    one = SandboxedStudent(sandbox, "answer", pieces, Settings(forbidden=("segedu.superpixels",)))
    assert one.call("f") == 3
    one.close()


def test_time_and_output_are_bounded(sandbox):
    one = student(sandbox, "def f():\n    while True: print('x' * 99)", call_seconds=0.5)
    start = time.monotonic()
    with pytest.raises(StudentError, match="longer") as caught:
        one.call("f")
    assert caught.value.kind == "timeout"
    assert time.monotonic() - start < 5
    with pytest.raises(StudentError, match="longer"):
        one.call("f")  # at once: the worker is gone
    assert one.fresh() is one
    assert one.printed == b""
    one.close()


def test_memory_of_the_whole_group_is_bounded(sandbox):
    source = (
        "import os, time\n"
        "def f():\n"
        "    for _ in range(6):\n"
        "        if os.fork() == 0:\n"
        "            x = bytearray(b'1' * (80 << 20))\n"
        "            time.sleep(99)\n"
        "    time.sleep(99)"
    )
    with pytest.raises(StudentError, match="memory") as caught:
        ask(sandbox, source, memory_mb=200, call_seconds=30, total_seconds=30)
    assert caught.value.kind == "memory"


def test_output_of_loading_is_kept_and_capped(sandbox):
    one = student(sandbox, "print('hello')\nprint('x' * 100_000)\ndef f(): print('secret')")
    one.load()
    assert one.call("f") is None
    assert one.printed.startswith(b"hello\nxxx")
    assert len(one.printed) == 8 << 10
    assert b"secret" not in one.printed
    one.close()


def test_a_warm_parent_that_died_is_replaced(sandbox):
    sandbox.process.kill()
    sandbox.process.wait()
    assert ask(sandbox, "def f(): return 5") == 5


def test_slots_do_not_collide():
    one, two = Bubblewrap([]), Bubblewrap([])
    assert one.slot != two.slot
    assert ask(one, "def f(): return 1") + ask(two, "def f(): return 2") == 3
    one.close()
    two.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="every other test of this file shows it")
def test_an_ordinary_user_gets_the_same_walls():
    uid = FIRST_UID + SLOTS + os.getpid()
    script = (
        "import os\n"
        "from segedu.grading.engines import choose_engine\n"
        "from segedu.grading.assignment import Piece\n"
        "from segedu.grading.exercise import Settings\n"
        "from segedu.grading.sandbox import Bubblewrap\n"
        "from segedu.grading.session import SandboxedStudent\n"
        f"assert os.geteuid() == {uid}\n"
        "assert choose_engine() == 'bubblewrap'\n"
        "box = Bubblewrap(['numpy'])\n"
        "source = 'import os\\ndef f(): return [os.getuid(), sorted(os.listdir(\"/tmp\"))]'\n"
        "print(SandboxedStudent(box, 'a', [Piece(source, 'a')], Settings()).call('f'))\n"
        "box.close()\n"
    )
    command = [*_as_user(uid), sys.executable, "-I", "-c", script]
    environment = {**os.environ, "TMPDIR": "/dev/shm"}
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    shutil.rmtree(f"/dev/shm/segedu-slots-{uid}", ignore_errors=True)
    assert run.stdout.strip() == str([1000, IN_TMP]), run.stderr


def test_without_walls_the_wire_is_the_same():
    box = ProcessPerExercise("unsafe")
    assert ask(box, "print('noise')\ndef f(x): print('more'); return x * 2", 21) == 42
    with pytest.raises(StudentError, match="longer"):
        ask(box, "def f():\n    while True: pass", call_seconds=0.5)
    with pytest.raises(StudentError, match="ended the Python process"):
        ask(box, "import os\ndef f(): os._exit(1)", call_seconds=20)


def test_a_container_engine_stands_in(tmp_path: Path, monkeypatch):
    """The engine here is a script that runs the container's command line as it is."""
    engine = tmp_path / "docker"
    engine.write_text(
        "#!/bin/sh\n"
        'echo "$@" >> "$0.log"\n'
        'test "$1" = run || exit 0\n'
        'while test "$1" != debian:stable-slim; do shift; done; shift; exec "$@"\n'
    )
    engine.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    from segedu.grading import engines

    monkeypatch.setattr(engines, "_bubblewrap_problem", lambda: "not allowed here")
    assert choose_engine() == "docker"
    assert ask(ProcessPerExercise("docker"), "def f(): return 3", call_seconds=60) == 3
    log = (tmp_path / "docker.log").read_text().splitlines()
    assert log[:2] == ["info", "image inspect debian:stable-slim"]
    assert [line.split()[0] for line in log[2:]] == ["run", "kill"] * 2
    assert log[2].startswith("run --rm --interactive")


def test_starting_an_interpreter_costs_no_students_time():
    box = ProcessPerExercise("unsafe", ["torch"])  # takes over a second
    source = "import sys\ndef f(): return 'torch' in sys.modules"
    assert ask(box, source, call_seconds=1.0, total_seconds=1.0)


def test_an_interpreter_that_does_not_start_is_no_fault_of_a_students(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(EngineError, match="started no worker: it ended without a word"):
        ask(ProcessPerExercise("unsafe"), "def f(): return 1")


def test_the_container_has_the_same_walls():
    settings = Settings(forbidden=("segedu.superpixels",), memory_mb=500)
    command = container_command("podman", "name", ["python"], settings)
    line = " ".join(command)
    for part in (
        "--network none",
        "--read-only",
        "--cap-drop ALL",
        "no-new-privileges",
        "--user 65534:65534",
        "--pids-limit 64",
        "--memory 1524m --memory-swap 1524m",
        "/tmp:rw,nosuid,nodev,size=64m",
        "superpixels:ro",
    ):
        assert part in line
    assert all(f"{folder}:{folder}:ro" in line for folder in visible_folders())


def test_a_refused_sandbox_says_what_it_said(monkeypatch, tmp_path: Path):
    broken = tmp_path / "bwrap"
    broken.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n"
    )
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path) + ":/usr/bin:/bin")
    with pytest.raises(SandboxError, match="No permissions to create new namespace"):
        choose_engine()
