"""Files appear whole or not at all, and temporaries of processes that are gone are collected."""

import errno
import os
import subprocess
import sys
import time

import pytest

from dmrec_core.records.files import Unwritable, collect, read_json, temporary_for, whole_or_not, write_whole

WRITES = """
import sys, time
from pathlib import Path
from dmrec_core.records.files import whole_or_not
with whole_or_not(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills a process as Unix does")
def test_what_a_killed_process_left_is_collected_and_what_is_being_written_is_not(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", WRITES, str(tmp_path / "a.txt")], stdout=subprocess.PIPE)
    assert process.stdout.readline().strip() == b"writing"
    write_whole(tmp_path / "b.txt", b"b")
    assert len(list(tmp_path.glob(".a.txt.*.partial"))) == 1, "its writer lives"
    process.kill()
    process.wait()
    write_whole(tmp_path / "b.txt", b"b")
    assert [path.name for path in tmp_path.iterdir()] == ["b.txt"]


def test_another_machines_temporaries_are_left_alone_for_an_hour(tmp_path):
    names = ".a.txt.00000000-999999-0.partial", ".a.txt.999999.tmp", ".a.txt.999999.partial"
    mine = temporary_for(tmp_path / "a.txt")
    others = ".hidden", "a.partial", ".a.txt.lock"
    for name in (*names, mine.name, *others):
        (tmp_path / name).touch()
    (tmp_path / ".raw.00000000-1-0.partial").mkdir()
    collect(tmp_path)
    assert len(list(tmp_path.iterdir())) == len(names) + len(others) + 2
    long_ago = time.time() - 2 * 3600
    for path in tmp_path.iterdir():
        os.utime(path, (long_ago, long_ago))
    collect(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(others), "nor had this process begun then"


@pytest.mark.parametrize("name", ["x" * 300, "file/inside/a.txt"])
def test_what_cannot_be_written_is_named_in_one_sentence(tmp_path, name):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(Unwritable) as error:
        write_whole(tmp_path / name, b"content")
    assert str(error.value).startswith(f"{tmp_path / name} cannot be written: ") and "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_leaves_the_old_file_and_names_it(tmp_path):
    write_whole(tmp_path / "a.txt", b"old")
    with pytest.raises(Unwritable, match=r"a\.txt cannot be written: No space left") as error:
        with whole_or_not(tmp_path / "a.txt") as temporary:
            temporary.write_bytes(b"ne")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert error.value.errno == errno.ENOSPC
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.txt", b"old")]


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"a":' * 100_000, b"", b"\xff", b"9" * 5000, b"[]," * 1_000_001])
def test_json_that_is_none_is_named(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.json: "):
        read_json(tmp_path / "a.json")
