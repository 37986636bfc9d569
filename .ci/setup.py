"""Set up `.venv` for `make lab` and `make test`; a second call finds it ready and does nothing.

Uses the standard library alone and a syntax that old Pythons read, so that a Python that is too old
gets a sentence instead of a traceback.
"""

import hashlib
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
VENV = os.path.join(ROOT, ".venv")
READY = os.path.join(VENV, ".segedu-ready")
PINS = os.path.join(ROOT, "requirements.txt")
OLDEST_PYTHON = (3, 11)
# Measured on Linux: 7.5 GB of environment (PyTorch with CUDA is most of it) and room for downloads.
GIGABYTES_NEEDED = 9


def stop(message):
    """End with a message for the reader, without a traceback."""
    sys.exit("\nsegedu cannot be set up: " + message + "\n")


def fingerprint():
    """Hash what the environment depends on: pins, package metadata, the Python, the folder.

    The folder, because its programs name their Python by its full path: they do not move along.
    """
    digest = hashlib.sha256((sys.version + ROOT).encode())
    for path in (PINS, os.path.join(ROOT, "pyproject.toml")):
        with open(path, "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def is_ready():
    """Tell whether the environment was completed for these very pins."""
    if not os.path.exists(READY):
        return False
    with open(READY) as file:
        return file.read() == fingerprint()


def made_here():
    """Tell whether `.venv` was made in this very folder: its programs work nowhere else."""
    try:
        with open(os.path.join(VENV, "pyvenv.cfg")) as file:
            return any(line.rstrip().endswith(VENV) for line in file)
    except OSError:
        return False


def check_python(version=sys.version_info):
    """Stop when this Python is too old."""
    if tuple(version[:2]) < OLDEST_PYTHON:
        stop(
            "it needs Python %d.%d or newer, this is %d.%d (%s). Install a newer one, or name it: "
            "make lab PYTHON=/path/to/python3.12"
            % (OLDEST_PYTHON + tuple(version[:2]) + (sys.executable,))
        )


def check_disk(free=None):
    """Stop when the disk cannot hold the environment."""
    if free is None:
        free = shutil.disk_usage(ROOT).free
    if free < GIGABYTES_NEEDED * 1e9:
        stop(
            "it needs %d GB of free disk space in %s, there are %.1f GB. Free some space, or clone "
            "into a larger disk." % (GIGABYTES_NEEDED, ROOT, free / 1e9)
        )


def explain(output):
    """Turn the output of a failed installation into advice."""
    text = output.lower()
    if "no space left" in text or "errno 28" in text:
        return "the disk is full. Free %d GB and call the command again." % GIGABYTES_NEEDED
    signs = (
        "failed to fetch", "dns error", "connection", "name resolution", "network is unreachable",
        "timed out", "no matching distribution found for uv", "tunnel", "error sending request",
    )  # fmt: skip
    if any(sign in text for sign in signs):
        return (
            "packages could not be downloaded. Check the network (behind a proxy, set HTTPS_PROXY)"
            " and call the command again; it goes on where it stopped."
        )
    return "the installation failed; its last words are above."


def run(command):
    """Run a command, show what it prints, and stop with advice when it fails."""
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True
    )
    lines = []
    for line in process.stdout:
        lines.append(line)
        sys.stdout.write(line)
        sys.stdout.flush()
    process.stdout.close()
    if process.wait() != 0:
        stop(explain("".join(lines[-200:])))


def create_environment():
    """Make `.venv` with this Python."""
    try:
        import ensurepip  # noqa: F401
        import venv
    except ImportError:
        stop(
            "this Python has no venv module. On Debian and Ubuntu: apt-get install python3-venv "
            "(or python%d.%d-venv)" % tuple(sys.version_info[:2])
        )
    try:
        venv.create(VENV, with_pip=True, clear=True, symlinks=os.name != "nt")
    except (OSError, subprocess.CalledProcessError) as error:
        stop("the folder .venv could not be made (%s)." % error)


def main():
    """Check the machine, install, and mark the environment ready."""
    check_python()
    if is_ready():
        return
    python = os.path.join(VENV, "Scripts" if os.name == "nt" else "bin", "python")
    installed_before = os.path.exists(READY)
    if not installed_before:
        check_disk()
        print("Setting up .venv (about 7 GB; a few minutes, once) ...")
    else:
        os.remove(READY)
        print("The pins, the Python or the folder changed: updating .venv ...")
    usable = os.path.exists(python) and made_here()
    if not usable or subprocess.call([python, "-c", "import pip"]) != 0:
        create_environment()
    run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv"])
    uv = [python, "-m", "uv", "pip"]
    # Compiled now, the first import of PyTorch takes seconds instead of most of a minute.
    run([*uv, "install", "--python", python, "--compile-bytecode", "--requirements", PINS])
    run([*uv, "install", "--python", python, "--quiet", "--no-deps", "--editable", ROOT])
    with open(READY, "w") as file:
        file.write(fingerprint())
    print("Ready.")


if __name__ == "__main__":
    main()
