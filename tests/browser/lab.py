"""A real JupyterLab and a headless Chromium on it, for tests, benchmarks and pictures.

    with Lab(folder) as lab, lab.open([source, source, ...]) as notebook:
        notebook.run_all()
        notebook.page.click(...)            # playwright's page
        notebook.python("segmenter.mask.sum()")   # a value out of the notebook's kernel

Nothing of the user's own Jupyter is read or written: settings, workspaces, runtime files and
IPython's profile lie in the folder given. The server listens on a free port of 127.0.0.1 behind a
fresh token and ends with the `with`, as do its kernels and the browser.
"""

from __future__ import annotations

import ast
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.blocking.client import BlockingKernelClient
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, sync_playwright

from tests.requirements_of_machine import REPOSITORY, chromium

CHROMIUM_ARGUMENTS = (
    "--no-sandbox",  # containers and root have no user namespaces to build it from
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
IDLE = ".jp-Notebook-ExecutionIndicator[data-status=idle]"
QUESTION = "dialog.jp-Dialog .jp-mod-accept"
ERRORS = (
    ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error'], "
    ".jp-RenderedText[data-mime-type='application/vnd.jupyter.error'], "
    ".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']"
)


class Lab:
    """A JupyterLab server with a browser.

    Args:
        folder: an empty folder; notebooks are served from `folder/notebooks`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notebooks = folder / "notebooks"
        self.token = uuid.uuid4().hex
        self.port = 0
        self._server: subprocess.Popen[bytes] | None = None
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None

    def __enter__(self) -> Lab:
        try:
            self._start_server()
            self._playwright = sync_playwright().start()
            self._browser = self._playwright.chromium.launch(
                executable_path=chromium(), args=list(CHROMIUM_ARGUMENTS)
            )
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._browser is not None:
            self._browser.close()
        if self._playwright is not None:
            self._playwright.stop()
        if self._server is not None:
            _end(self._server)
        self._browser = self._playwright = self._server = None

    def _start_server(self) -> None:
        self.notebooks.mkdir(parents=True, exist_ok=True)
        self._settings("apputils-extension", "notification", {"fetchNews": "false"})
        # Cells out of view are in the page all the same: tests and pictures reach them.
        self._settings("notebook-extension", "tracker", {"windowingMode": "none"})
        self._settings("docmanager-extension", "plugin", {"autosave": False})
        places = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "IPYTHONDIR": "ipython",
        }
        environment = {
            **os.environ,
            **{name: str(self.folder / place) for name, place in places.items()},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
        }
        for _ in range(3):  # another process may take the free port before the server does
            self.port = _free_port()
            log = (self.folder / "server.log").open("wb")
            self._server = subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1",
                 f"--port={self.port}", "--ServerApp.port_retries=0",
                 f"--IdentityProvider.token={self.token}", "--ServerApp.open_browser=False",
                 *(["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else [])],
                cwd=self.notebooks, env=environment, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True, preexec_fn=_end_with_parent,
            )  # fmt: skip
            log.close()
            if self._answers():
                return
            _end(self._server)
        tail = (self.folder / "server.log").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"JupyterLab did not start in three attempts:\n{tail}")

    def _answers(self, seconds: float = 90.0) -> bool:
        """Wait until the server answers; False when it ended instead."""
        assert self._server is not None
        until = time.monotonic() + seconds
        while time.monotonic() < until and self._server.poll() is None:
            try:
                self.get("api/status")
            except OSError:
                time.sleep(0.2)
            else:
                return True
        return False

    def get(self, path: str, method: str = "GET") -> Any:
        """Ask the server's REST interface."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/{path}",
            headers={"Authorization": f"token {self.token}"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def _settings(self, extension: str, plugin: str, values: dict[str, Any]) -> None:
        folder = self.folder / "settings" / "@jupyterlab" / extension
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{plugin}.jupyterlab-settings").write_text(json.dumps(values))

    @contextmanager
    def open(
        self,
        notebook: Path | Sequence[str],
        *,
        dark: bool = False,
        scale: float = 1.0,
        touch: bool = False,
        width: int = 1300,
        height: int = 1000,
    ) -> Iterator[OpenNotebook]:
        """Open a notebook in a fresh browser profile.

        Args:
            notebook: a notebook's file, of which a copy is opened, or the sources of code cells.
            dark: JupyterLab's dark theme.
            scale: device pixels for each CSS pixel.
            touch: the browser reports touch events.
            width: of the window in CSS pixels.
            height: of the window in CSS pixels.
        """
        assert self._browser is not None, "use it as `with Lab(folder) as lab`"
        path = self.notebooks / f"n{uuid.uuid4().hex[:8]}.ipynb"
        if isinstance(notebook, Path):
            shutil.copyfile(notebook, path)
        else:
            cells = [nbformat.v4.new_code_cell(source) for source in notebook]
            kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
            metadata = {"kernelspec": kernel}
            nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)
        theme = "JupyterLab Dark" if dark else "JupyterLab Light"
        self._settings("apputils-extension", "themes", {"theme": theme})
        context = self._browser.new_context(
            viewport={"width": width, "height": height},
            device_scale_factor=scale,
            has_touch=touch,
            accept_downloads=True,
        )
        opened = OpenNotebook(self, context.new_page(), path)
        try:
            page = opened.page
            address = f"http://127.0.0.1:{self.port}/lab/tree/{path.name}?token={self.token}&reset"
            page.goto(address)
            page.wait_for_selector(".jp-NotebookPanel", timeout=90_000)
            question = page.locator(QUESTION)
            page.locator(IDLE).or_(question).first.wait_for(timeout=90_000)
            while not page.locator(IDLE).count() or question.count():
                opened.answer_question()
                page.wait_for_timeout(200)
            yield opened
        finally:
            opened.close()
            context.close()
            for session in self.get("api/sessions"):
                self.get(f"api/sessions/{session['id']}", method="DELETE")


class OpenNotebook:
    """A notebook open in the browser.

    Attributes:
        page: playwright's page.
        path: the notebook's file on the server's side.
        problems: messages of errors that the page's own JavaScript met.
    """

    def __init__(self, lab: Lab, page: Page, path: Path) -> None:
        self.lab, self.page, self.path = lab, page, path
        self.problems: list[str] = []
        self.lost_widgets = 0
        self._client: BlockingKernelClient | None = None
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def run_all(self, timeout: float = 120.0) -> None:
        """Run all cells and wait until the kernel is idle.

        Raises:
            AssertionError: a cell ended in an error, which the message shows.
        """
        until = time.monotonic() + timeout
        again = 0.0
        while True:
            prompts = self._prompts()
            if all(prompt.isdigit() for prompt in prompts):
                if not self.lost_widgets:
                    break
                # Widgets came before JupyterLab's extension for them was up: make them again.
                self.page.wait_for_timeout(2000)
                self.lost_widgets = 0
                self._clear_outputs()
                again, prompts = 0.0, []
            assert time.monotonic() < until, f"after {timeout} s the cells show {prompts}"
            # What is run before the kernel is quite ready is lost without a word, all cells or the
            # first ones; a cell under way shows a star. Run them again.
            self.answer_question()
            if time.monotonic() > again and "*" not in prompts:
                self.page.get_by_role("menuitem", name="Run", exact=True).click()
                self.page.get_by_text("Run All Cells", exact=True).click()
                again = time.monotonic() + 5
            self.page.wait_for_timeout(100)
        self.page.wait_for_selector(IDLE, timeout=max(1.0, until - time.monotonic()) * 1000)
        failed = self.page.locator(ERRORS).all_inner_texts()
        assert not failed, "a cell failed:\n" + "\n".join(text[-2000:] for text in failed)

    def run_cells(self, numbers: Sequence[int], timeout: float = 80.0) -> None:
        """Clear all outputs, then run these code cells, counted from 0, one after the other.

        Raises:
            AssertionError: a cell has not ended in time, or ended in an error.
        """
        until = time.monotonic() + timeout
        self._clear_outputs()
        for number in numbers:
            editor = self.page.locator(".jp-CodeCell").nth(number).locator(".cm-content")
            again = 0.0
            while not (prompts := self._prompts())[number].isdigit():
                assert time.monotonic() < until, f"cell {number} has not run after {timeout} s"
                self.answer_question()
                if time.monotonic() > again and "*" not in prompts:  # see `run_all`
                    editor.click()
                    self.page.keyboard.press("Shift+Enter")
                    again = time.monotonic() + 5
                self.page.wait_for_timeout(100)
        failed = self.page.locator(ERRORS).all_inner_texts()
        assert not failed, "a cell failed:\n" + "\n".join(text[-2000:] for text in failed)

    def _clear_outputs(self) -> None:
        self.page.get_by_role("menuitem", name="Edit", exact=True).click()
        self.page.get_by_text("Clear Outputs of All Cells", exact=True).click()

    def _heard(self, message: ConsoleMessage) -> None:
        self.lost_widgets += "Exception opening new comm" in message.text

    def answer_question(self) -> None:
        """Accept what JupyterLab proposes: on a slow machine it asks which kernel to start,
        although the notebook says so.
        """
        question = self.page.locator(QUESTION)
        if question.count():
            question.first.click(timeout=10_000)

    def _prompts(self) -> list[str]:
        """What stands in the brackets before the code cells: nothing, a star, a number."""
        texts = self.page.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts()
        return [text.strip("[]: \xa0") for text in texts]

    def python(self, expression: str, timeout: float = 60.0) -> Any:
        """Value of an expression in the notebook's kernel, by way of JSON.

        Raises:
            AssertionError: the expression raises.
        """
        wrapped = f"__import__('json').dumps({expression}, default=lambda v: v.tolist())"
        reply = self._kernel().execute_interactive(
            "", user_expressions={"value": wrapped}, store_history=False, timeout=timeout,
            output_hook=lambda message: None,
        )  # fmt: skip
        value = reply["content"]["user_expressions"]["value"]
        assert value["status"] == "ok", f"{expression}: {value.get('ename')}: {value.get('evalue')}"
        return json.loads(ast.literal_eval(value["data"]["text/plain"]))

    def execute(self, code: str, timeout: float = 60.0) -> None:
        """Run statements in the notebook's kernel.

        Raises:
            AssertionError: they raise.
        """
        reply = self._kernel().execute_interactive(
            code, store_history=False, timeout=timeout, output_hook=lambda message: None
        )["content"]
        assert reply["status"] == "ok", f"{reply.get('ename')}: {reply.get('evalue')}"

    def wait_for_python(self, expression: str, timeout: float = 30.0) -> Any:
        """Ask again until the expression is true, and return its value."""
        until = time.monotonic() + timeout
        while not (value := self.python(expression)):
            assert time.monotonic() < until, f"{expression} is still {value} after {timeout} s"
            self.page.wait_for_timeout(50)  # lets the page handle its events meanwhile
        return value

    def _kernel(self) -> BlockingKernelClient:
        """A second front end on the kernel; the server keeps the connection file in its folder."""
        if self._client is None:
            sessions = self.lab.get("api/sessions")
            kernel = next(s["kernel"]["id"] for s in sessions if s["path"] == self.path.name)
            self._client = BlockingKernelClient()
            self._client.load_connection_file(
                str(self.lab.folder / "runtime" / f"kernel-{kernel}.json")
            )
            self._client.start_channels()
            self._client.wait_for_ready(timeout=60)
        return self._client

    def close(self) -> None:
        """Let go of the kernel."""
        if self._client is not None:
            self._client.stop_channels()
            self._client = None


def _end_with_parent() -> None:
    """Where a test is killed, no `finally` runs: on Linux the kernel then ends the server."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _end(server: subprocess.Popen[bytes], patience: float = 15.0) -> None:
    """End a server that leads its own process group, and its kernels with it."""
    server.terminate()
    try:
        server.wait(patience)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
