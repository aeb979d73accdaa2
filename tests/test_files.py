"""Files appear whole or not at all, and temporaries of processes that are gone are collected."""

import errno
import os
import subprocess
import sys
import time

import pytest

from dmrec_core.__main__ import main
from dmrec_core.records.files import (
    Unwritable,
    check_writable,
    collect,
    read_json,
    temporary_for,
    whole_or_not,
    write_whole,
)

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


def test_a_place_is_tried_before_the_work_and_left_as_it_was(tmp_path):
    (tmp_path / "file").write_text("a file")
    (tmp_path / "old.csv").write_text("old")
    for fine in ("new.csv", "new/and/deeper.csv", "old.csv"):
        check_writable(tmp_path / fine)
    for wrong in ("file/inside.csv", ".", "x" * 300 + "/a.csv"):
        with pytest.raises(Unwritable, match=r"cannot be written: .*; name another place with --here") as told:
            check_writable(tmp_path / wrong, "--here")
        assert str(tmp_path / wrong) in str(told.value)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"file": "a file", "old.csv": "old"}


@pytest.mark.parametrize(
    ("call", "train"),
    [
        (["tables"], "dmrec_core.paper.make_tables.fill"),
        (["texts"], "dmrec_core.paper.texts.sweep"),
        (["cost"], "dmrec_core.paper.cost.measured"),
        (["claims"], "dmrec_core.paper.claims_at_hand.at_hand"),
        (["figures", "--only", "00"], "dmrec_core.upkeep.make_figures.run_notebook"),
        (["figures", "--only", "00", "--build"], "dmrec_core.upkeep.make_figures.run_notebook"),
        (["recommend", "toy"], "dmrec_core.runs.recommend.sweep"),
        (["profiles", "toy", "--extractive"], "dmrec_core.language.steps.write_profiles"),
    ],
    ids=" ".join,
)
def test_a_command_tries_where_its_results_go_before_anything_is_trained(call, train, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(train, lambda *_, **__: pytest.fail("it went to work"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("no folder")
    option = "--build" if "--build" in call else "--out"
    call = call if option in call else [*call, option]
    is_file = call[0] in ("recommend", "profiles")
    out = tmp_path if is_file else tmp_path / "file"  # a folder where a file is wanted, and the other way round
    assert main([*call, str(out)]) == 1
    said = capsys.readouterr().err
    assert str(out) in said and "cannot be written: " in said and f"name another place with {option}" in said
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
