"""`make lab` serves the whole course, and its terminal knows the course's commands."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator

import pytest
from tornado.ioloop import IOLoop
from tornado.websocket import websocket_connect

from tests.requirements_of_machine import REPOSITORY

TOKEN = "of-this-test"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a server that `make lab` started."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("lab")
    own = (
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_DATA_DIR",
        "JUPYTER_RUNTIME_DIR",
        "JUPYTERLAB_SETTINGS_DIR",
    )
    arguments = f"--no-browser --ip=127.0.0.1 --port={port} --IdentityProvider.token={TOKEN}"
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            ["make", "lab", f"LAB_ARGS={arguments}"], cwd=REPOSITORY, start_new_session=True,
            env={**os.environ, **{name: str(folder / name) for name in own}},
            stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                ask(url, "api")
                break
            except OSError:
                assert server.poll() is None, (folder / "log").read_text()
                time.sleep(0.5)
        yield url
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def ask(url: str, path: str, method: str = "GET") -> dict[str, object]:
    request = urllib.request.Request(f"{url}/{path}", method=method)
    request.add_header("Authorization", f"token {TOKEN}")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def test_lectures_and_assignments_are_served(address: str) -> None:
    for path in (
        "lectures/00_welcome/welcome.ipynb",
        "lectures/03_interactive/02_ritm_zoom_in.ipynb",
        "assignments/01_superpixels/superpixels.ipynb",
    ):
        assert ask(address, f"api/contents/{path}?content=0")["type"] == "notebook"


def test_the_terminal_knows_the_command(address: str) -> None:
    name = ask(address, "api/terminals", "POST")["name"]
    socket_of = f"{address.replace('http', 'ws')}/terminals/websocket/{name}?token={TOKEN}"

    async def where() -> str:
        terminal = await websocket_connect(socket_of)
        await terminal.write_message(json.dumps(["stdin", "echo at $(command -v segedu) end\r"]))
        told = ""
        while "segedu end" not in told:
            message = await terminal.read_message()
            assert message is not None, told
            kind, *text = json.loads(message)
            told += "".join(map(str, text)) if kind == "stdout" else ""
        return told

    told = IOLoop().run_sync(where, timeout=30)
    assert str(REPOSITORY / ".venv" / "bin" / "segedu") in told.replace("\r\n", "")
