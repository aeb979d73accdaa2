"""Upstream files, fetched once, checked always: the cache, then `DMREC_MIRROR`, then upstream."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pooch

from dmrec_core.data.cache import home, locked
from dmrec_core.data.errors import DataError
from dmrec_core.data.sources import RemoteFile
from dmrec_core.records.files import read_json, temporary_for, write_whole

if TYPE_CHECKING:
    import requests

TIMEOUT = 30  # seconds without an answer


class DownloadError(DataError):
    """A file that could not be had; the message lists every place tried and how to go on."""


def fetch(file: RemoteFile, progress: bool = True) -> Path:
    """The path of `file` on this machine, downloaded if need be.

    Looked for in `DMREC_HOME/raw/<key>`, then in `DMREC_MIRROR` (a folder, used in place, or a URL), then upstream. Its
    sha256 must be the known one; where none is known, the first one seen is recorded in `DMREC_HOME/checksums.json`, a
    warning says so, and it is expected from then on. Such a file is not taken over plain http, where anybody on the way
    could have written it. A download that breaks leaves nothing behind.

    Args:
        file: what to fetch.
        progress: show a progress bar while downloading.

    Raises:
        DownloadError: no place had it, or what was there has another checksum.

    Example:
        >>> import tempfile
        >>> from unittest.mock import patch
        >>> cache, mirror = tempfile.mkdtemp(), tempfile.mkdtemp()
        >>> _ = Path(mirror, "hello.txt").write_text("hello")
        >>> with patch.dict(os.environ, {"DMREC_HOME": cache, "DMREC_MIRROR": mirror}):
        ...     fetch(RemoteFile("hello.txt", "https://example.org/hello.txt")).read_text()
        'hello'
    """
    target = home() / "raw" / file.key
    with locked(target):
        if target.exists():
            _check(target, file, target)
            return target
        mirror = os.environ.get("DMREC_MIRROR")
        failures: dict[str, Exception] = {}
        for place in [_in_mirror(mirror, file.key), file.url] if mirror else [file.url]:
            try:
                path = _download(place, target, file, progress) if "://" in place else _use(Path(place), file)
            except (
                OSError,
                ValueError,
            ) as problem:  # ValueError: pooch's, for a wrong checksum
                failures[place] = problem
                continue
            for broken, problem in failures.items():
                if not isinstance(problem, FileNotFoundError):  # that a mirror does not have all is no news
                    warnings.warn(f"{file.key} came from {place} because of {broken}: {problem}", stacklevel=2)
            return path
    raise DownloadError(
        f"could not get {file.key}. Tried:\n  "
        + "\n  ".join(f"{place}: {problem}" for place, problem in failures.items())
        + "\nNothing half-made was left behind. To go on: try again; or set DMREC_MIRROR to a folder or URL that has "
        f"{file.key}; or download {file.url} by hand and put it at {target}"
    )


def expected_sha256(file: RemoteFile) -> str | None:
    """The checksum `file` must have: known in the code, else recorded when it was first fetched, else None."""
    return file.sha256 or _recorded().get(file.key)


def _in_mirror(mirror: str, key: str) -> str:
    return f"{mirror.rstrip('/')}/{key}" if "://" in mirror else str(Path(mirror) / key)


def _use(path: Path, file: RemoteFile) -> Path:
    if not path.exists():
        raise FileNotFoundError("no such file in the mirror")
    _check(path, file, path)
    return path


def _download(url: str, target: Path, file: RemoteFile, progress: bool) -> Path:
    scratch = temporary_for(target)
    pooch.get_logger().setLevel("WARNING")
    expected = expected_sha256(file)
    hooks = {} if expected else {"response": _refuse_forgeable}
    try:
        if not expected:
            _refuse_plain_http(url)
        downloaded = pooch.retrieve(
            url,
            known_hash=expected and f"sha256:{expected}",
            fname=target.name,
            path=scratch,
            downloader=pooch.HTTPDownloader(progressbar=progress, chunk_size=1 << 16, timeout=TIMEOUT, hooks=hooks),
        )
        _check(Path(downloaded), file, url)
        os.replace(downloaded, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def _refuse_plain_http(url: str) -> None:
    place = urlsplit(url)
    if place.scheme != "https" and place.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise ValueError(
            f"{place.scheme}://{place.hostname} is not https, and no checksum is known to tell a forgery by"
        )


def _refuse_forgeable(response: requests.Response, **_: object) -> None:
    """Told of every answer, redirections too."""
    _refuse_plain_http(response.url)


def _check(path: Path, file: RemoteFile, origin: str | Path) -> None:
    found, expected = pooch.file_hash(str(path), alg="sha256"), expected_sha256(file)
    if expected is None:
        _record(file.key, found)
        warnings.warn(
            f"{file.key}: no checksum is known for it, so it is trusted as it came from {origin}. "
            f"Its sha256 {found} is recorded in {_record_path()} and expected from now on",
            stacklevel=4,
        )
    elif found != expected:
        remedy = "" if file.sha256 else f", or, if upstream changed on purpose, remove its line in {_record_path()}"
        raise DownloadError(
            f"{path} has sha256 {found}, expected {expected}: it is damaged or another version; "
            f"delete it and try again{remedy}"
        )


def _record_path() -> Path:
    return home() / "checksums.json"


def _recorded() -> dict[str, str]:
    path = _record_path()
    try:
        known = read_json(path) if path.exists() else {}
    except ValueError as problem:
        raise DataError(_unusable(path)) from problem
    if not isinstance(known, dict) or not all(isinstance(sha256, str) for sha256 in known.values()):
        raise DataError(_unusable(path))
    return known


def _unusable(path: Path) -> str:
    return (
        f"{path} is damaged: it held the checksums of files that were trusted when first fetched. Put it back from a "
        "copy; or delete it, if you trust what is in the folder raw beside it as it is now"
    )


def _record(key: str, sha256: str) -> None:
    with locked(_record_path()):
        write_whole(_record_path(), json.dumps(_recorded() | {key: sha256}, indent=1, sort_keys=True).encode())
