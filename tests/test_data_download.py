import hashlib
import json
import multiprocessing
import os
import signal
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from dmrec_core.data.archive import extract_member
from dmrec_core.data.cache import read_npz, whole_or_not, write_npz
from dmrec_core.data.dataset import DataError
from dmrec_core.data.download import DownloadError, fetch
from dmrec_core.data.sources import SHA256, RemoteFile

BODY = b"user,item\n" + b"1,2\n" * 50_000
RIGHT = hashlib.sha256(BODY).hexdigest()
WRONG = "0" * 64


class Upstream(BaseHTTPRequestHandler):
    """/whole/..., /cut/... (announces more than it sends), /slow/... (stops in the middle), anything else is a 404."""

    def do_GET(self):
        self.server.requests.append(self.path)
        how = self.path.split("/")[1]
        if how not in ("whole", "cut", "slow"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY if how == "whole" else BODY[: len(BODY) // 2])
        self.wfile.flush()
        if how == "slow":
            self.server.stopped.wait(20)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    upstream.daemon_threads = True
    upstream.requests, upstream.stopped = [], threading.Event()
    upstream.url = f"http://127.0.0.1:{upstream.server_port}"
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    yield upstream
    upstream.stopped.set()
    upstream.shutdown()
    upstream.server_close()


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DMREC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("DMREC_MIRROR", raising=False)
    return tmp_path / "home"


def files_in(folder):
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and not p.name.endswith(".lock"))


def test_a_complete_download_is_kept_and_not_fetched_again(server, home):
    file = RemoteFile("xrec/toy/total.csv", f"{server.url}/whole/total.csv", RIGHT)
    assert fetch(file) == fetch(file) == home / "raw/xrec/toy/total.csv"
    assert fetch(file).read_bytes() == BODY
    assert server.requests == ["/whole/total.csv"] and files_in(home) == ["total.csv"]


def test_progress_is_shown_unless_asked_not_to(server, home, capfd):
    fetch(RemoteFile("a.csv", f"{server.url}/whole/a.csv", RIGHT), progress=False)
    assert capfd.readouterr().err == ""
    fetch(RemoteFile("b.csv", f"{server.url}/whole/b.csv", RIGHT))
    assert "100%" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("path", "sha256", "reason"),
    [
        ("/cut/a.csv", RIGHT, "IncompleteRead|incomplete"),
        ("/cut/a.csv", None, "IncompleteRead|incomplete"),
        ("/whole/a.csv", WRONG, "does not match the known hash"),
        ("/nowhere/a.csv", RIGHT, "404"),
    ],
)
def test_a_broken_download_leaves_nothing_and_says_how_to_go_on(server, home, path, sha256, reason):
    with pytest.raises(DownloadError, match=reason) as error:
        fetch(RemoteFile("x/a.csv", server.url + path, sha256), progress=False)
    assert "could not get x/a.csv" in str(error.value)
    for way_on in ("try again", "DMREC_MIRROR", f"put it at {home / 'raw/x/a.csv'}"):
        assert way_on in str(error.value)
    assert files_in(home) == []


def test_a_server_that_is_down_is_named(server, home):
    server.shutdown()
    server.server_close()
    with pytest.raises(DownloadError, match=f"127.0.0.1.*{server.server_port}"):
        fetch(RemoteFile("x/a.csv", f"{server.url}/whole/a.csv", RIGHT), progress=False)
    assert files_in(home) == []


def test_a_process_killed_in_the_middle_leaves_nothing_that_counts(server, home):
    slow = RemoteFile("x/a.csv", f"{server.url}/slow/a.csv", RIGHT)
    process = multiprocessing.get_context("spawn").Process(target=fetch, args=(slow, False))
    process.start()
    deadline = time.monotonic() + 60
    while not any(p.stat().st_size for p in home.rglob("*.partial/*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not (home / "raw/x/a.csv").exists()
    assert fetch(RemoteFile("x/a.csv", f"{server.url}/whole/a.csv", RIGHT), progress=False).read_bytes() == BODY
    assert files_in(home) == ["a.csv"]  # and what was left is swept up


def test_the_mirror_comes_first_and_upstream_after(server, home, tmp_path, monkeypatch):
    folder = tmp_path / "mirror"
    (folder / "x").mkdir(parents=True)
    (folder / "x/a.csv").write_bytes(BODY)
    monkeypatch.setenv("DMREC_MIRROR", str(folder))
    assert fetch(RemoteFile("x/a.csv", f"{server.url}/whole/a.csv", RIGHT)) == folder / "x/a.csv"
    assert server.requests == []
    assert fetch(RemoteFile("x/b.csv", f"{server.url}/whole/b.csv", RIGHT), progress=False).read_bytes() == BODY
    (folder / "x/c.csv").write_bytes(b"damaged")
    with pytest.warns(UserWarning, match=r"x/c\.csv came from http.* because of .*c\.csv has sha256"):
        assert fetch(RemoteFile("x/c.csv", f"{server.url}/whole/c.csv", RIGHT), progress=False).read_bytes() == BODY


def test_a_mirror_may_be_a_url(server, home, monkeypatch):
    monkeypatch.setenv("DMREC_MIRROR", f"{server.url}/whole/")
    fetch(RemoteFile("x/a.csv", f"{server.url}/nowhere/a.csv", RIGHT), progress=False)
    assert server.requests == ["/whole/x/a.csv"]


def test_a_damaged_mirror_is_named_with_the_rest(server, home, tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_bytes(b"other")
    monkeypatch.setenv("DMREC_MIRROR", str(tmp_path))
    with pytest.raises(DownloadError, match=r"(?s)a\.csv has sha256 .*, expected .*404"):
        fetch(RemoteFile("a.csv", f"{server.url}/nowhere/a.csv", RIGHT), progress=False)


def test_a_damaged_cache_is_refused(server, home):
    file = RemoteFile("a.csv", f"{server.url}/whole/a.csv", RIGHT)
    fetch(file, progress=False).write_bytes(b"other")
    with pytest.raises(DownloadError, match="delete it and try again"):
        fetch(file)


def test_an_unknown_checksum_is_recorded_at_first_use_and_expected_afterwards(server, home):
    file = RemoteFile("x/a.csv", f"{server.url}/whole/a.csv")
    path = fetch(file, progress=False)
    assert json.loads((home / "checksums.json").read_text()) == {"x/a.csv": RIGHT}
    path.write_bytes(b"other")
    with pytest.raises(DownloadError, match=r"remove its line in .*checksums\.json"):
        fetch(file)
    path.unlink()
    assert fetch(file, progress=False).read_bytes() == BODY


def fetch_into(queue, file):
    queue.put(fetch(file, progress=False).read_bytes() == BODY)


def test_two_processes_fetch_once(server, home):
    spawn = multiprocessing.get_context("spawn")
    queue, file = spawn.Queue(), RemoteFile("x/a.csv", f"{server.url}/whole/a.csv")
    processes = [spawn.Process(target=fetch_into, args=(queue, file)) for _ in range(2)]
    for process in processes:
        process.start()
    assert [queue.get(timeout=60), queue.get(timeout=60)] == [True, True]
    for process in processes:
        process.join()
    assert server.requests == ["/whole/a.csv"]


@pytest.mark.data
def test_the_mirror_holds_the_known_files(mirror, home, monkeypatch):
    monkeypatch.setenv("DMREC_MIRROR", str(mirror))
    for key, sha256 in SHA256.items():
        assert fetch(RemoteFile(key, "http://127.0.0.1:9/none", sha256)) == mirror / key


def make_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_a_member_is_found_by_its_folder(tmp_path):
    archive = make_zip(
        tmp_path / "data.zip",
        {"data/amazon/usr.pkl": b"a", "data/yelp/usr.pkl": b"y", "__MACOSX/data/amazon/usr.pkl": b"", "usr.pkl": b"?"},
    )
    assert extract_member(archive, "usr.pkl", "amazon", tmp_path / "out/usr.pkl").read_bytes() == b"a"
    assert files_in(tmp_path / "out") == ["usr.pkl"]


@pytest.mark.parametrize(
    "evil", ["../evil.pkl", "data/../../evil.pkl", "/etc/evil", "..\\evil.pkl", "C:\\evil", "C:/evil"]
)
def test_a_zip_that_points_outside_is_not_touched(tmp_path, evil):
    archive = make_zip(tmp_path / "data.zip", {"data/amazon/usr.pkl": b"a", evil: b"evil"})
    with pytest.raises(DataError, match="points outside the archive; nothing was extracted"):
        extract_member(archive, "usr.pkl", "amazon", tmp_path / "deep/out/usr.pkl")
    assert files_in(tmp_path) == ["data.zip"]


def test_a_zip_with_a_link_is_not_touched(tmp_path):
    link = zipfile.ZipInfo("data/amazon/link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="'data/amazon/link' points outside"):
        extract_member(tmp_path / "data.zip", "usr.pkl", "amazon", tmp_path / "out")


def test_a_missing_or_doubtful_member_is_named(tmp_path):
    archive = make_zip(tmp_path / "data.zip", {"a/amazon/usr.pkl": b"1", "b/amazon/usr.pkl": b"2"})
    with pytest.raises(DataError, match=r"2 members called usr\.pkl .* they are a/amazon/usr\.pkl, b/amazon/usr\.pkl"):
        extract_member(archive, "usr.pkl", "amazon", tmp_path / "out")
    with pytest.raises(DataError, match=r"0 members called itm\.pkl .* the zip holds a/amazon/usr\.pkl"):
        extract_member(archive, "itm.pkl", "amazon", tmp_path / "out")


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b[:60] + b"\0" * 20 + b[80:], lambda b: b""])
def test_a_damaged_zip_is_named(tmp_path, damage):
    archive = make_zip(tmp_path / "data.zip", {"data/amazon/usr.pkl": os.urandom(1000)})
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(DataError, match="damaged or locked zip"):
        extract_member(archive, "usr.pkl", "amazon", tmp_path / "out.pkl")
    assert not (tmp_path / "out.pkl").exists()


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    with pytest.raises(KeyboardInterrupt), whole_or_not(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert files_in(tmp_path) == []


def test_a_damaged_npz_counts_as_absent(tmp_path):
    path = tmp_path / "a.npz"
    assert read_npz(path) is None
    write_npz(path, {}, {"é": 1})
    assert read_npz(path) == ({}, {"é": 1})
    path.write_bytes(path.read_bytes()[:-30])
    assert read_npz(path) is None


def test_a_file_trusted_at_first_use_says_so_and_is_not_taken_over_plain_http(server, home):
    with pytest.warns(UserWarning, match=r"x/a\.csv: no checksum is known for it, so it is trusted .* from http://127"):
        fetch(RemoteFile("x/a.csv", f"{server.url}/whole/a.csv"), progress=False)
    with pytest.raises(DownloadError, match=r"http://example\.org is not https, and no checksum is known"):
        fetch(RemoteFile("x/b.csv", "http://example.org/b.csv"), progress=False)


def test_damaged_checksums_are_named(server, home):
    home.mkdir()
    (home / "checksums.json").write_text('{"x/a.csv": 1}')
    with pytest.raises(DataError, match=r"checksums\.json is damaged"):
        fetch(RemoteFile("x/a.csv", f"{server.url}/whole/a.csv"), progress=False)


@pytest.mark.parametrize("damage", [lambda b: b[:200] + bytes([b[200] ^ 1]) + b[201:], lambda b: b"", lambda b: b[:90]])
def test_a_damaged_or_foreign_conversion_is_named_and_made_again(tmp_path, damage):
    path = tmp_path / "a.npz"
    write_npz(path, {"numbers": np.arange(9)}, {})
    whole = path.read_bytes()
    for name, content in (("a.npz", damage(whole)), ("b.npz", whole)):
        (tmp_path / name).write_bytes(content)
        with pytest.warns(UserWarning, match=rf"{name}: a damaged conversion"):
            assert read_npz(tmp_path / name) is None
        assert not (tmp_path / name).exists()
