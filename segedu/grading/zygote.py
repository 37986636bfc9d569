"""The warm parent: imports the heavy libraries once, then forks a jail for each exercise.

Runs inside the bubblewrap sandbox of one slot and never runs or reads anything of a student's. The
checker sends it one message a jail, with the two descriptors of its wire; it answers when the jail
stands, watches the jail's processes and memory meanwhile, and on "end" kills the jail as a whole:
its first process is the first of a pid namespace, so the kernel lets nothing outlive it.

    checker -> zygote   {"do": "start", "masked": [...], ...} + wire, output
    zygote  -> checker  {"started": true} or {"error": "..."}
    checker -> zygote   {"do": "end"}
    zygote  -> checker  {"ended": null, "memory" or "processes"}
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from typing import Any

from segedu.grading import jail, worker

TICK = 0.02
MEMORY = (b"RssAnon", b"RssShmem", b"VmPTE")


def main(descriptor: int, modules: list[str]) -> None:
    """Import `modules`, say so, and serve the checker until it hangs up."""
    control = socket.socket(fileno=descriptor)
    control.setblocking(True)
    for name in modules:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # a collection in a child would touch, and so copy, every page
    control.send(json.dumps({"ready": True, "modules": len(sys.modules)}).encode())
    while True:
        message, descriptors = receive(control)
        if message is None:
            return
        if message["do"] == "start":
            _one_jail(control, message, descriptors)


def receive(control: socket.socket) -> tuple[Any, list[int]]:
    """One message with its descriptors; (None, []) when the checker has hung up."""
    data, descriptors, _, _ = socket.recv_fds(control, 1 << 16, 4)
    return (json.loads(data) if data else None), list(descriptors)


def _one_jail(control: socket.socket, job: dict[str, Any], descriptors: list[int]) -> None:
    told, tell = os.pipe()
    baseline = _anonymous("self")
    keeper = os.fork()
    if keeper == 0:
        os.close(told)
        control.close()
        wire, output = descriptors
        _keep(job, wire, output, tell)
    os.close(tell)
    for descriptor in descriptors:
        os.close(descriptor)
    words = b"".join(iter(lambda: os.read(told, 4096), b"")).decode(errors="replace")
    os.close(told)
    pid, _, problem = words.partition(" ")
    if problem != "ok":
        os.waitpid(keeper, 0)
        control.send(json.dumps({"error": problem or "the jail did not stand"}).encode())
        return
    control.send(json.dumps({"started": True}).encode())
    verdict = _watch(control, int(pid), job["memory_bytes"], baseline)
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(pid), signal.SIGKILL)
    os.waitpid(keeper, 0)  # returns when the namespace is empty
    if verdict != "hung up":
        control.send(json.dumps({"ended": verdict}).encode())


def _watch(control: socket.socket, first: int, limit: int, baseline: int) -> str | None:
    """Wait for "end"; on the way, kill the group when it is too large. Says why."""
    verdict = None
    while True:
        ready, _, _ = select.select([control], [], [], TICK if verdict is None else None)
        if ready:
            message, _ = receive(control)
            return verdict if message is not None else "hung up"
        memory, processes = _usage(baseline)
        if memory > limit or processes > jail.PROCESSES + 8:
            verdict = "memory" if memory > limit else "processes"
            with contextlib.suppress(ProcessLookupError):
                os.kill(first, signal.SIGKILL)


def _usage(baseline: int) -> tuple[int, int]:
    """Bytes and number of all processes of this sandbox but the first and this one.

    Each process is charged what it holds beyond what the fork gave it.
    """
    total, count, own = 0, 0, os.getpid()
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in (1, own):
            total += max(0, _anonymous(name) - baseline)
            count += 1
    return total, count


def _anonymous(process: str) -> int:
    """Resident bytes of a process that no file backs, shared memory and page tables included."""
    try:
        with open(f"/proc/{process}/status", "rb") as file:
            text = file.read()
    except OSError:
        return 0
    fields = dict(line.split(b":", 1) for line in text.splitlines() if b":" in line)
    kilobytes = (int(fields.get(key, b"0 kB").split()[0]) for key in MEMORY)
    return sum(kilobytes) * 1024


def _keep(job: dict[str, Any], wire: int, output: int, tell: int) -> None:
    """Stay outside the new pid namespace and wait for its first process; never returns."""
    try:
        jail.enter_namespaces()
        go, went = os.pipe()
        first = os.fork()
        if first == 0:
            os.close(went)
            _first_process(job, wire, output, go, tell)
        os.close(wire)
        os.close(output)
        os.write(tell, f"{first} ".encode())
        os.close(tell)
        os.close(go)
        os.close(went)
        os.waitpid(first, 0)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.write(tell, f"0 {error}".encode())
    os._exit(0)


def _first_process(job: dict[str, Any], wire: int, output: int, go: int, tell: int) -> None:
    """Furnish the namespaces, fork the student's process, bury orphans; never returns."""
    try:
        os.read(go, 1)  # until the keeper has said who this is
        jail.furnish(job["masked"], job["kept"])
        child = os.fork()
        if child == 0:
            _student_process(job, wire, output, tell)
        os.closerange(0, 1 << 10)
        while os.wait()[0] != child:
            pass
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.write(tell, f"{error}".encode())
    os._exit(0)


def _student_process(job: dict[str, Any], wire: int, output: int, tell: int) -> None:
    """Give up every privilege, then serve; never returns."""
    try:
        os.setsid()
        jail.limit_resources(job["cpu_seconds"])
        jail.drop_privileges()
        jail.filter_calls()
        nothing = os.open("/dev/null", os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        wire = fcntl.fcntl(wire, fcntl.F_DUPFD, 100)
        os.write(tell, b"ok")
        os.closerange(3, wire)
        os.closerange(wire + 1, 1 << 10)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.write(tell, f"{error}".encode())
        os._exit(1)
    try:
        worker.serve(wire, wire)
    finally:
        os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
