"""What some tests need of the machine, and what to install where it is absent.

Where a need is absent the tests skip and the run ends with a list of what to install. With
`CI=true` the needs marked `in_ci` must be there: their tests fail instead of skipping.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = Path(os.environ.get("SEGEDU_TEST_DATA", REPOSITORY.parent / "shared" / "data"))


POSTGRES = os.environ.get("SEGEDU_TEST_POSTGRES", "")

# Checkouts of GitHub repositories that no package carries, each named owner+name.
REFERENCES = Path(os.environ.get("SEGEDU_REFERENCES", REPOSITORY.parent / "references"))


class MissingCheckoutError(ModuleNotFoundError):
    """A reference is not on this machine; the message says what to clone. Its tests skip."""


def checkout(name: str) -> Path:
    """The folder of a checkout, owner+name.

    Raises:
        MissingCheckoutError: there is none.
    """
    folder = REFERENCES / name
    if not folder.is_dir():
        address = f"https://github.com/{name.replace('+', '/', 1)}"
        raise MissingCheckoutError(
            f"a checkout of {name}: git clone {address} FOLDER/{name}, and name FOLDER in "
            "SEGEDU_REFERENCES"
        )
    return folder


@dataclass(frozen=True)
class Need:
    """One thing a test may need of the machine."""

    name: str
    install: str
    present: Callable[[], bool]
    in_ci: bool


@cache
def chromium() -> str | None:
    """Path of a Chromium or Chrome, or None."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


@cache
def bubblewrap_works() -> bool:
    """True when bubblewrap is installed and this machine lets it make namespaces."""
    if (bwrap := shutil.which("bwrap")) is None:
        return False
    command = [bwrap, "--unshare-all", "--ro-bind", "/", "/", "true"]
    return subprocess.run(command, capture_output=True, timeout=30).returncode == 0


@cache
def cuda() -> bool:
    """True when torch sees a GPU."""
    import torch

    return torch.cuda.is_available()


NEEDS = {
    "needs_chromium": Need(
        "Chromium", "apt-get install chromium", lambda: chromium() is not None, in_ci=True
    ),
    "needs_bubblewrap": Need(
        "bubblewrap, allowed to make user namespaces",
        "apt-get install bubblewrap",
        bubblewrap_works,
        in_ci=True,
    ),
    "needs_shared_data": Need(
        "annotated photographs (BSDS500, GrabCut, …)",
        "put them in ../shared/data or name their folder in SEGEDU_TEST_DATA",
        SHARED_DATA.is_dir,
        in_ci=False,
    ),
    "needs_references": Need(
        "checkouts of the references",
        "git clone https://github.com/OWNER/NAME FOLDER/OWNER+NAME for those that the tests name, "
        "and name FOLDER in SEGEDU_REFERENCES",
        REFERENCES.is_dir,
        in_ci=False,
    ),
    "needs_postgres": Need(
        "a PostgreSQL server",
        "pip install 'segedu[postgres]' and name an empty database in SEGEDU_TEST_POSTGRES, "
        "postgresql://USER:PASSWORD@HOST/NAME",
        lambda: bool(POSTGRES) and find_spec("psycopg") is not None,
        in_ci=False,
    ),
    "needs_cuda": Need("a CUDA GPU", "run on a machine with an NVIDIA GPU", cuda, in_ci=False),
}

needs_chromium = pytest.mark.needs_chromium
needs_bubblewrap = pytest.mark.needs_bubblewrap
needs_shared_data = pytest.mark.needs_shared_data
needs_references = pytest.mark.needs_references
needs_postgres = pytest.mark.needs_postgres
needs_cuda = pytest.mark.needs_cuda
