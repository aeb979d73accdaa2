"""A throw-away JupyterLab and a real chromium for the tests of this folder.

Both are started once. Notebooks run on a copy, with figures and runs written elsewhere, and settings that keep the
user's own profile out. DMREC_REQUIRE_BROWSER=1 (CI sets it) turns a missing chromium into a failure.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import pytest

from dmrec_core.upkeep.outputs import drop
from dmrec_core.upkeep.pictures import find_chromium

CHECKOUT = Path(__file__).resolve().parents[2]
SCREENSHOTS = CHECKOUT / "build" / "screenshots"
REQUIRED = os.environ.get("DMREC_REQUIRE_BROWSER") == "1"
LAB_SETTINGS = {
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},  # every cell stays in the page
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
    "@jupyterlab/apputils-extension:notification": {
        "checkForUpdates": False,
        "fetchNews": "false",
        "doNotDisturbMode": True,
    },
}
CURRENT = "window.jupyterapp.shell.currentWidget"
READY = f"""path => {{
  const panel = window.jupyterapp && {CURRENT};
  const session = panel && panel.context && panel.context.path === path && panel.context.sessionContext;
  return Boolean(session && session.isReady && session.session && session.session.kernel
    && session.session.kernel.status === "idle" && panel.content.widgets.length);
}}"""
FINISHED = f"""() => {{
  const code = {CURRENT}.content.widgets.filter(c => c.model.type === "code" && c.model.sharedModel.getSource().trim());
  const failed = c => [...Array(c.model.outputs.length).keys()].some(k => c.model.outputs.get(k).type === "error");
  return code.some(failed)
    || code.every(c => c.model.executionCount !== null && c.model.executionState !== "running");
}}"""
LOOK = 250  # milliseconds; by default a page is asked at every frame, with a notebook's megabytes of outputs in it
ERRORS = f"""() => {CURRENT}.content.widgets.filter(c => c.model.type === "code").flatMap((c, i) =>
  c.model.outputs.toJSON().filter(o => o.output_type === "error").map(o => `${{o.ename}}: ${{o.evalue}}`))"""


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """A headless chromium of this machine, driven by playwright; no browser is downloaded."""
    path = find_chromium()
    if path is None:
        reason = "no chromium on this machine (apt install chromium, or name one in DMREC_CHROMIUM)"
        if REQUIRED:
            pytest.fail(f"{reason}; DMREC_REQUIRE_BROWSER=1")
        pytest.skip(reason)
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=30_000)  # a loaded machine is not a fault of the page
    flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=flags)
        yield running
        running.close()


@dataclass
class Watched:
    """A page, and what must not happen on it."""

    page: object
    errors: list[str] = field(default_factory=list)  # uncaught JavaScript errors
    outside: list[str] = field(default_factory=list)  # requests that leave this machine

    def clean(self) -> None:
        """Assert that nothing went wrong in the page and nothing left the machine."""
        assert self.errors == [], self.errors
        assert self.outside == [], f"requests beyond localhost: {self.outside}"


@pytest.fixture(scope="session")
def watch(browser) -> Iterator[Callable[..., Watched]]:
    """`watch(viewport=...)` opens a page that records its errors and its requests."""
    contexts = []

    def open_page(**options: object) -> Watched:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 1400}, **options})
        contexts.append(context)
        watched = Watched(context.new_page())
        watched.page.set_default_timeout(60_000)
        watched.page.on("pageerror", lambda error: watched.errors.append(str(error)))

        def note(request) -> None:
            if not request.url.startswith(("http://127.0.0.1:", "data:", "blob:", "file:", "about:")):
                watched.outside.append(request.url)

        context.on("request", note)
        return watched

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """The ignored folder that keeps this run's pictures."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return SCREENSHOTS


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab."""

    url: str
    folder: Path  # its root; notebooks go here
    figures: Path  # where notebooks are told to write


@pytest.fixture(scope="session")
def lab(browser, tmp_path_factory) -> Iterator[Lab]:
    """JupyterLab on a free port, with configuration, data, workspaces and IPython folders of its own."""
    root = tmp_path_factory.mktemp("lab")
    work, settings = root / "work", root / "settings"
    work.mkdir()
    settings.mkdir()
    (settings / "overrides.json").write_text(json.dumps(LAB_SETTINGS))
    port = _free_port()
    places = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime"}
    places |= {"IPYTHONDIR": "ipython", "MPLCONFIGDIR": "matplotlib"}
    environment = _environment() | {name: str(root / place) for name, place in places.items()}
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.open_browser": False,
        "ServerApp.allow_root": True,
        "ServerApp.password": "",
        "ServerApp.root_dir": work,
        "ServerApp.disable_check_xsrf": True,
        "IdentityProvider.token": "",
        "LabApp.expose_app_in_browser": True,
        "LabApp.app_settings_dir": settings,
        "LabApp.user_settings_dir": root / "user-settings",
        "LabApp.workspaces_dir": root / "workspaces",
    }
    command = [sys.executable, "-m", "jupyterlab", *(f"--{name}={value}" for name, value in options.items())]
    log = root / "lab.log"
    with open(log, "w") as output:
        server = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait_for(f"http://127.0.0.1:{port}/api/status", server, log)
            yield Lab(f"http://127.0.0.1:{port}", work, root / "figures")
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()


def _wait_for(url: str, server: subprocess.Popen, log: Path, seconds: float = 240) -> None:
    """Wait until `url` answers; fails with the end of the server's log if it does not, or if the server ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if server.poll() is not None:
            break
        try:
            urllib.request.urlopen(url, timeout=2)
            return
        except OSError:
            time.sleep(0.25)
    pytest.fail(f"{server.args[2]} did not start:\n{log.read_text()[-3000:]}")


@pytest.fixture
def voila(browser, tmp_path) -> Iterator[str]:
    """The address of the first notebook, served by Voila."""
    copy = _without_outputs(CHECKOUT / "notebooks/00_start_here.ipynb")
    _write_figures_to(copy, tmp_path / "figures")
    nbformat.write(copy, tmp_path / "page.ipynb")
    port = _free_port()
    environment = _environment() | {"JUPYTER_CONFIG_DIR": str(tmp_path / "config")}
    command = [sys.executable, "-m", "voila", "page.ipynb", "--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1"]
    log = tmp_path / "voila.log"
    with open(log, "w") as output:
        server = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait_for(f"http://127.0.0.1:{port}/voila/static/voila.js", server, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(20)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _environment() -> dict[str, str]:
    environment = dict(os.environ)
    environment["DMREC_RUNS"] = os.environ.get("DMREC_RUNS") or str(Path(os.environ["DMREC_HOME"]) / "runs")
    environment.pop("DMREC_HEADLESS", None)
    environment.setdefault("OMP_NUM_THREADS", "1")  # kernel, browser and server share few cores
    return environment


def _without_outputs(path: Path) -> nbformat.NotebookNode:
    """A notebook as one that was never run: what is there afterwards was made by the run."""
    copy = nbformat.read(path, as_version=4)
    drop(copy)
    return copy


def _write_figures_to(copy: nbformat.NotebookNode, folder: Path) -> None:
    """Keep a notebook's figures away from the checkout, as papermill would inject it."""
    at = next(i for i, cell in enumerate(copy.cells) if "parameters" in cell.metadata.get("tags", []))
    if "figures_dir" in copy.cells[at].source:
        copy.cells.insert(at + 1, nbformat.v4.new_code_cell(f"figures_dir = {str(folder)!r}"))


@pytest.fixture(scope="session")
def notebook(lab, watch) -> Iterator[Callable[..., Watched]]:
    """`notebook(name, cells or path)`: put a notebook into Lab, open it and run it to its end without an error."""

    def open_and_run(name: str, source: Path | list[str], seconds: float = 300) -> Watched:
        path = f"{name}.ipynb"
        nbformat.write(_read(source) if isinstance(source, Path) else _made_of(source), lab.folder / path)
        watched = watch()
        page = watched.page
        page.goto(f"{lab.url}/lab/tree/{path}?reset", wait_until="domcontentloaded")
        page.wait_for_function(READY, arg=path, timeout=120_000, polling=LOOK)
        # not awaited: the command's promise may never resolve
        page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
        page.wait_for_function(FINISHED, timeout=seconds * 1000, polling=LOOK)
        assert page.evaluate(ERRORS) == []
        return watched

    def _read(source: Path) -> nbformat.NotebookNode:
        copy = _without_outputs(source)
        _write_figures_to(copy, lab.figures)
        return copy

    def _made_of(cells: list[str]) -> nbformat.NotebookNode:
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata=kernel)

    yield open_and_run


@pytest.fixture(scope="session")
def shut_down() -> Callable[[Watched], None]:
    """Ends a page and its kernel, which otherwise holds memory until the last test."""

    def end(watched: Watched) -> None:
        watched.page.evaluate(f"() => {CURRENT}.context.sessionContext.shutdown()")
        watched.page.context.close()

    return end
