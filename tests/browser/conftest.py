"""One JupyterLab and one Chromium for all browser tests of a test process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.browser.lab import Lab


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A server in a temporary folder; only tests marked `needs_chromium` may ask for it."""
    from tests.browser.lab import Lab

    with Lab(tmp_path_factory.mktemp("lab")) as running:
        yield running
