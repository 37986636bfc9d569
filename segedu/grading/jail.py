"""The inner jail around one exercise: fresh namespaces, no privileges, few resources.

Runs inside the bubblewrap sandbox, between the fork of the warm parent and the student's first
line. Bubblewrap makes the walls (see `sandbox`); this makes the cell anew for each exercise, which
bubblewrap cannot do for a forked process: it starts programs. Steps, each in its function:

    enter_namespaces  own user, pid, ipc and mount namespace (the network is already none)
    furnish           fresh /proc, empty size-limited /tmp, forbidden modules covered, no further
                      user namespaces
    limit_resources   CPU, file size, processes, open files, no core files
    drop_privileges   no capabilities, now or later
    filter_calls      system calls that no exercise needs answer EPERM
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import sys
from collections.abc import Sequence

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID = 0x20000, 0x8000000, 0x10000000, 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, PR_SET_DUMPABLE = 24, 38, 22, 4
LAST_CAPABILITY = 63
TMP_BYTES, TMP_FILES = 64 << 20, 4096
PROCESSES, OPEN_FILES, FILE_BYTES = 64, 256, 64 << 20
USER = 1000

libc = ctypes.CDLL(None, use_errno=True)


def enter_namespaces() -> None:
    """New user, mount, ipc namespaces for this process, a new pid namespace for its children."""
    uid, gid = os.getuid(), os.getgid()
    _call("unshare", CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWPID)
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{USER} {uid} 1\n")
    _write("/proc/self/gid_map", f"{USER} {gid} 1\n")


def furnish(masked: Sequence[str], kept: Sequence[str]) -> None:
    """Mount what is the cell's own; `masked` paths look empty, `kept` ones stay in /tmp."""
    _mount("none", "/", None, MS_REC | MS_PRIVATE)
    _mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    _write("/proc/sys/user/max_user_namespaces", "0")
    options = f"size={TMP_BYTES},nr_inodes={TMP_FILES},mode=0700"
    held = [(path, os.open(path, os.O_PATH)) for path in kept]
    _mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, options)
    for path, descriptor in held:
        os.makedirs(path)
        _mount(f"/proc/self/fd/{descriptor}", path, None, MS_BIND | MS_REC)  # read-only as it was
        os.close(descriptor)
    _mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, options)
    for path in masked:
        if os.path.isdir(path):
            _mount("tmpfs", path, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV, "size=4k,mode=0555")
        elif os.path.exists(path):
            _mount("/dev/null", path, None, MS_BIND)
    os.chdir("/tmp")


def limit_resources(cpu_seconds: int) -> None:
    """Limits of each process; the group's memory and number are watched from outside."""
    for limit, value in (
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_NPROC, PROCESSES),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_RTPRIO, 0),
    ):
        hard = resource.getrlimit(limit)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (bound, bound))
    # The kernel's own memory killer, should it come to that, takes this process first.
    _write("/proc/self/oom_score_adj", "1000")


def drop_privileges() -> None:
    """Give up every capability of the namespace, and the way to any."""
    _call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for capability in range(LAST_CAPABILITY + 1):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # those the kernel lacks answer EINVAL
    header = struct.pack("Ii", 0x20080522, 0)
    _call("capset", header, struct.pack("6I", 0, 0, 0, 0, 0, 0))


# Numbers of system calls on x86-64 and on arm64.
REFUSED = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount_setattr": (442, 442),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "socket": (41, 198),
    "socketpair": (53, 199),  # what waits in one belongs to no process; pipes hold 64 MB a user
    "vmsplice": (278, 75),  # a pipe that keeps one page of a huge one keeps all of it
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "memfd_create": (319, 279),  # its pages belong to no process: the watchdog would not see them
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "personality": (135, 92),
    "fanotify_init": (300, 262),
    "inotify_init1": (294, 26),
    "acct": (163, 89),
    "swapon": (167, 224),
    "reboot": (169, 142),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "kexec_load": (246, 104),
}
CLONE, CLONE3 = (56, 220), (435, 435)
NEW_NAMESPACES = 0x7E020080  # CLONE_NEW*: time, mount, cgroup, uts, ipc, user, pid, net
ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x50001, 0x50026


def filter_calls() -> None:
    """Let `REFUSED` answer EPERM in this process and all it starts (seccomp)."""
    if platform.machine() not in ARCHITECTURES:
        return  # all other walls stand
    column, architecture = ARCHITECTURES[platform.machine()]
    rules = [
        (LOAD, 0, 0, 4),
        (EQUAL, 1, 0, architecture),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, 0),
        (AT_LEAST, 0, 1, 0x40000000),  # x32 calls: the same under other numbers
        (RETURN, 0, 0, EPERM),
        (EQUAL, 0, 1, CLONE3[column]),  # its flags lie in memory; libc falls back to clone
        (RETURN, 0, 0, ENOSYS),
        (EQUAL, 0, 3, CLONE[column]),
        (LOAD, 0, 0, 16),
        (ANY_BIT, 0, 1, NEW_NAMESPACES),
        (RETURN, 0, 0, EPERM),
        (LOAD, 0, 0, 0),
    ]
    for numbers in REFUSED.values():
        rules += [(EQUAL, 0, 1, numbers[column]), (RETURN, 0, 0, EPERM)]
    rules.append((RETURN, 0, 0, ALLOW))
    code = b"".join(struct.pack("HBBI", *rule) for rule in rules)
    program = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("HxxxxxxQ", len(rules), ctypes.addressof(program))
    _call("prctl", PR_SET_SECCOMP, 2, header, 0, 0)


def _call(name: str, *args: object) -> None:
    ctypes.set_errno(0)
    words = [ctypes.c_ulong(a) if isinstance(a, int) else a for a in args]
    if getattr(libc, name)(*words) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")


def _mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    try:
        _call(
            "mount",
            source.encode(),
            target.encode(),
            kind.encode() if kind else None,
            flags,
            data.encode() if data else None,
        )
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror} at {target}") from None


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def stand() -> None:
    """Put up a jail and leave it: a machine that allows this can grade."""
    enter_namespaces()
    child = os.fork()
    if child == 0:
        furnish([], [])
        limit_resources(1)
        drop_privileges()
        filter_calls()
        os._exit(0)
    sys.exit(os.waitpid(child, 0)[1] != 0)


if __name__ == "__main__":
    stand()
