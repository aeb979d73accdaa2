"""One program: its commands are listed, an option means one thing, and every command ends alike."""

from __future__ import annotations

import argparse
import io
import os
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping

import pytest

import dmrec_core
from dmrec_core.__main__ import CALL, NAMES, main, parser_of
from dmrec_core.commands.outcome import FAILED, INTERRUPTED, WRONG_CALL, outcome, prepare
from dmrec_core.data import DataError
from dmrec_core.runs.progress import clock, ctrl_c
from dmrec_core.runs.spec import RunSpec
from dmrec_core.training.fit import TrainingCancelled
from tests.test_house import CHECKOUT, MODULES, text_files

TAKE_DATA = (
    "figures",
    "tables",
    "claims",
    "texts",
    "interventions",
    "conditional",
    "cost",
    "profiles",
    "embed",
    "recommend",
)
NEEDED = {"profiles": ["--extractive"], "embed": ["--embedder", "tfidf"]}
CHILDREN = "paper.measure", "upkeep.kernel"  # started by the kit, never by a person


def two_meanings(parsers: Mapping[str, argparse.ArgumentParser]) -> list[str]:
    """Options that do not mean the same in all commands; a text after a semicolon is a command's own."""
    found: defaultdict[str, dict[object, str]] = defaultdict(dict)
    for name, parser in parsers.items():
        for action in parser._actions:
            default = None if action.dest == "dataset" else action.default  # some commands need one named
            meaning = action.help.split(";")[0], action.type, action.nargs, str(action.choices), str(default)
            for option in action.option_strings:
                found[option].setdefault(meaning, name)
    return [f"{option}: {', '.join(meanings.values())}" for option, meanings in found.items() if len(meanings) > 1]


def test_an_option_means_the_same_in_every_command():
    assert two_meanings({name: parser_of(name) for name in NAMES}) == []


def test_an_option_with_two_meanings_is_found():
    parsers = {name: argparse.ArgumentParser() for name in ("one", "other")}
    parsers["one"].add_argument("--epochs", type=int, help="at most; a rehearsal")
    parsers["other"].add_argument("--epochs", type=int, help="at most; to be timed")
    assert two_meanings(parsers) == []
    parsers["one"].add_argument("--seeds", type=int, default=1, help="of the runs")
    parsers["other"].add_argument("--seeds", type=int, default=2, help="of the runs")
    assert two_meanings(parsers) == ["--seeds: one, other"]


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_alone_it_lists_its_commands(arguments, capsys):
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if re.match("  [a-z]", line)] == NAMES
    assert any("exit status: 0 done" in line for line in lines) and max(map(len, lines)) <= 120


def test_it_says_its_version(capsys):
    assert main(["--version"]) == 0
    assert dmrec_core.__version__ in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_every_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([name, "--help"])
    shown = capsys.readouterr().out
    assert stopped.value.code == 0 and shown.startswith(f"usage: {CALL} {name} ")
    assert "exit status: 0 done" in shown and "python -m dmrec_core." not in shown
    undocumented = [action.dest for action in parser_of(name)._actions if not action.help]
    assert not undocumented


def test_help_is_quick():
    loaded = "sorted({'numpy', 'torch', 'pandas', 'matplotlib', 'plotly', 'papermill', 'sklearn'} & set(sys.modules))"
    program = f"""
import sys
from dmrec_core.__main__ import NAMES, main, parser_of
main(["--help"])
print("loaded", *{loaded})
for name in ("figures", "embed", "notebooks", "readme"):
    parser_of(name).format_help()
print("loaded", *{loaded})
for name in NAMES:
    parser_of(name).format_help()
print("loaded", *{loaded})
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    said = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("loaded")]
    assert said[:2] == [[], []], "what needs no name of a model loads none"
    assert set(said[2]) <= {"numpy", "torch", "pandas"}, "only the lists of names are loaded"


@pytest.mark.parametrize("words", ["mine --seeds 1 2", "--seeds 1 2 --device cpu mine", "--dataset mine --device cpu"])
def test_the_data_set_is_the_first_word_or_an_option(words):
    options = parser_of("tables").parse_intermixed_args(words.split())
    assert options.dataset == "mine"
    assert parser_of("tables").parse_intermixed_args(["--device", "cpu"]).dataset == "toy"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tabels"], "did you mean tables?"),
        (["tables", "--sedes", "1"], "--sedes"),
        (["tables", "--seed", "1"], "--seed"),
        (["tables", "--device", "gpu"], "must be auto, cpu, cuda, cuda:N or mps; got 'gpu'"),
        (["texts", "--workers", "0"], "at least 1; got '0'"),
        (["recommend"], "which data set?"),
        (["recommend", "toy", "--lam", "3"], "lambda must lie in [0, 1]"),
        (["claims", "--statements", "godm"], "no statement is called 'godm'; there are godm-beats-base"),
        (["figures", "--only", "77"], "no notebook is called '77'"),
        (["notebooks"], "what"),
        (["notebooks", "check", "--notebooks", "nowhere"], "nowhere is not a folder"),
        *(([name, "nowhere", *NEEDED.get(name, [])], "no data set and no folder") for name in TAKE_DATA),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_call_is_2_and_is_told_what_to_write(arguments, said, capsys):
    assert main(arguments) == WRONG_CALL
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ") and said in printed.err and printed.out == ""
    assert "--help" in printed.err.splitlines()[-1]


@pytest.mark.parametrize("name", [name for name in TAKE_DATA if name != "figures"])
def test_data_that_cannot_be_used_is_1_and_named(name, tmp_path, capsys):
    (tmp_path / "interactions.csv").write_text("who,what\n1,2\n")
    assert main([name, str(tmp_path), *NEEDED.get(name, [])]) == FAILED
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ") and "interactions.csv" in printed.err and printed.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["interactions.csv"]


def raising(error: BaseException):
    def work() -> int:
        raise error

    return work


@pytest.mark.parametrize(
    ("work", "status"),
    [
        (raising(DataError("row 7")), FAILED),
        (raising(FileNotFoundError(2, "No such file", "there")), FAILED),
        (lambda: RunSpec(strategy="mdm", lam=1).seed, WRONG_CALL),
        (raising(KeyboardInterrupt()), INTERRUPTED),
        (lambda: 0, 0),
    ],
)
def test_every_ending_has_its_status(work, status, capsys):
    assert outcome(work, CALL) == status
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("work", "kind"),
    [
        (lambda: clock(float("nan")), ValueError),  # raised by Python inside the kit, not said by it
        (raising(ValueError("of a library")), ValueError),
        (lambda: "λ".encode("cp1252"), UnicodeEncodeError),
        (raising(KeyError("name")), KeyError),
    ],
)
def test_a_fault_nobody_foresaw_keeps_its_traceback(work, kind):
    with pytest.raises(kind):
        outcome(work, CALL)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_while_runs_are_under_way_a_stop_cancels_them_and_then_interrupts(stop):
    before = signal.getsignal(stop)
    with pytest.raises(KeyboardInterrupt, match="3 runs unfinished; the same command goes on"), ctrl_c() as stopped:
        assert not stopped()
        signal.raise_signal(stop)
        assert stopped()
        raise TrainingCancelled("3 runs unfinished")
    assert signal.getsignal(stop) is before


def test_a_kill_of_the_whole_group_ends_a_command_like_ctrl_c(tmp_path):
    command = [sys.executable, "-m", "dmrec_core", "tables", "--tables", "2", "--models", "mult-vae", "--seeds", "1"]
    where = ["--device", "cpu", "--workers", "1", "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]
    running = subprocess.Popen(
        [*command, *where], cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    end = time.monotonic() + 120
    while not list(tmp_path.glob("runs/*/progress.json")):
        assert running.poll() is None and time.monotonic() < end, running.communicate()
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGTERM)
    out, err = running.communicate(timeout=120)
    assert running.returncode == INTERRUPTED and "the same command goes on from here" in err
    assert "Traceback" not in err and out == "" and not (tmp_path / "out").exists()
    assert not list(tmp_path.glob("runs/.stop-*"))


def test_no_character_fails_a_run(tmp_path, monkeypatch):
    rows = [f"u{user},i{(user + step) % 9}" for user in range(12) for step in range(5)]
    (tmp_path / "interactions.csv").write_text("\n".join(["user,item", *rows]))
    titles = [f"i{item},北京 λ {item},Noodles number {item} and more" for item in range(9)]
    (tmp_path / "items.csv").write_text("\n".join(["item,title,text", *titles]), encoding="utf-8")
    command = [sys.executable, "-m", "dmrec_core", "profiles", str(tmp_path), "--extractive", "--dry-run"]
    narrow = os.environ | {"PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(command, env=narrow, cwd=CHECKOUT, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert rb"\u5317\u4eac \u03bb 0" in done.stdout
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, io.TextIOWrapper(io.BytesIO(), encoding="cp1252", errors="strict"))
    handlers = {stop: signal.getsignal(stop) for stop in (signal.SIGINT, signal.SIGTERM)}
    prepare()
    for stop, handler in handlers.items():
        signal.signal(stop, handler)
    print("λ")
    print("λ", file=sys.stderr)


def commands_named(lines: Iterable[str]) -> list[str]:
    """The words after `python -m dmrec_core`; those of a module's command begin with a dot."""
    return [word for line in lines for word in re.findall(r"-m dmrec_core(\.[\w.]+| [a-z]\w*)", line)]


def test_what_is_written_about_commands_names_those_there_are():
    unknown = [
        f"{path.relative_to(CHECKOUT)}: {word}"
        for path in text_files()
        if path.suffix in {".py", ".md", ".ipynb", ".yml", ""} and path != CHECKOUT / "tests" / "test_command_line.py"
        for word in commands_named(path.read_text(encoding="utf-8").splitlines())
        if word.strip() not in NAMES and word.removeprefix(".") not in CHILDREN
    ]
    assert not unknown
    assert commands_named(["python -m dmrec_core.figures --only 05", "-m dmrec_core tables"]) == [".figures", " tables"]


def test_there_is_one_program():
    entries = {name for name, path in MODULES.items() if 'if __name__ == "__main__"' in path.read_text("utf-8")}
    assert entries == {"__main__", *CHILDREN}
    parsers = {name for name, path in MODULES.items() if "= argparse.ArgumentParser(" in path.read_text("utf-8")}
    assert parsers == set(), "one kind of parser, so that a wrong call is told alike"
