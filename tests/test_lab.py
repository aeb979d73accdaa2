"""`make lab` as a student calls it: at the checkout, each notebook once, no pop-up, and at the address it prints."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)(/\S*)\?token=(\w+)")


@pytest.fixture(scope="module")
def taken() -> Iterator[int]:
    """A port that somebody else listens at."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


@pytest.fixture(scope="module")
def lab(checkout, taken, tmp_path_factory) -> Iterator[re.Match]:
    """The address that `make lab` prints, while it runs. What it writes for the user goes to a folder of its own."""
    own = tmp_path_factory.mktemp("lab")
    places = {f"JUPYTER_{kind}_DIR": str(own / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    outer = "JUPYTER_CONFIG_PATH", "MAKEFLAGS", "MAKELEVEL"  # this may itself be `make test`
    environment = {name: value for name, value in os.environ.items() if name not in outer} | places
    command = ["make", "-o", ".venv/.installed", "lab", f"PY={sys.executable}",
               f"ARGS=--no-browser --allow-root --port={taken}"]  # fmt: skip
    with open(own / "log", "w") as log:
        server = subprocess.Popen(
            command, cwd=checkout, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield _address(server, own / "log")
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def _address(server: subprocess.Popen, log: Path) -> re.Match:
    """The last address in the log, once the server answers there."""
    end = time.monotonic() + 120
    while time.monotonic() < end and server.poll() is None:
        found = list(ADDRESS.finditer(log.read_text()))
        if found and "To access the server" in log.read_text():
            return found[-1]
        time.sleep(0.1)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")


def ask(lab: re.Match, path: str) -> str:
    url = f"http://127.0.0.1:{lab[1]}{path}"
    request = urllib.request.Request(url, headers={"Authorization": f"token {lab[3]}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode()


def listed(lab: re.Match, folder: str) -> list[str]:
    return sorted(entry["name"] for entry in json.loads(ask(lab, f"/api/contents/{folder}"))["content"])


def test_where_the_port_is_taken_the_address_printed_is_another(lab, taken):
    assert int(lab[1]) != taken and json.loads(ask(lab, "/api/status"))["kernels"] == 0


def test_it_opens_the_first_notebook_and_every_folder_of_the_checkout_is_reachable(lab, checkout):
    assert lab[2] == f"/lab/tree/notebooks/{min(path.name for path in (checkout / 'notebooks').glob('*.ipynb'))}"
    assert {"dmrec_core", "figures", "notebooks", "README.md"} <= set(listed(lab, ""))
    assert "05_training.png" in listed(lab, "figures")
    assert "dmrec.py" in listed(lab, "dmrec_core")  # only notebooks' halves are hidden


def test_each_notebook_is_listed_once(lab, checkout):
    notebooks = sorted(path.name for path in (checkout / "notebooks").glob("*.ipynb"))
    assert [name for name in listed(lab, "notebooks") if re.match(r"\d\d[a-z]?_", name)] == notebooks


def test_nobody_is_asked_about_news_or_updates(lab):
    page = ask(lab, lab[2])
    config = json.loads(re.search(r'id="jupyter-config-data"[^>]*>(.*?)</script>', page, re.DOTALL)[1])
    assert config["news"] == {"disabled": True}
    assert json.loads(ask(lab, "/lab/api/update"))["notification"] is None
    # the page asks where this setting has its own default, whatever the server says of news
    asked = json.loads(ask(lab, "/lab/api/settings/@jupyterlab/apputils-extension:notification"))
    assert asked["schema"]["properties"]["fetchNews"]["default"] == "false"


def test_a_notebook_whose_outputs_alone_were_pulled_opens(lab, checkout):
    path = checkout / "notebooks" / "00_start_here.ipynb"  # in its .py the formatter puts blank lines its own way
    times = path.stat()
    os.utime(path, (time.time() + 3600, time.time() + 3600))
    try:
        opened = json.loads(ask(lab, f"/api/contents/notebooks/{path.name}?content=1&type=notebook"))
    finally:
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert any("does_it_help" in str(cell["source"]) for cell in opened["content"]["cells"])
