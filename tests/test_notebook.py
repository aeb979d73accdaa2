"""The notebooks' conventions: checks that fail do fail, answers are judged and never stop a notebook."""

from __future__ import annotations

import json
import subprocess

import pytest
import torch
from matplotlib.figure import Figure

from dmrec_core import notebook
from dmrec_core.gaussian import DiagonalGaussian, kl


def test_shell_shows_what_a_failing_command_said(tmp_path, capsys):
    (tmp_path / "fails.py").write_text("import os, sys\nsys.exit(f'{os.getcwd()} {os.environ[\"ANSWER\"]}')\n")
    with pytest.raises(subprocess.CalledProcessError):
        notebook.shell("python fails.py", tmp_path, ANSWER="42")
    assert capsys.readouterr().out.split() == ["$", "python", "fails.py", str(tmp_path.resolve()), "42"]


def test_opening_says_what_the_numbers_depend_on(capsys):
    lesson = notebook.begin("toy", "tfidf", "cpu", [7, 8])
    assert lesson.device == torch.device("cpu") and lesson.seeds == [7, 8]
    said = capsys.readouterr().out
    for fact in (
        "600 users, 300 items",
        lesson.data.fingerprint[:12],
        "tfidf-svd",
        "not the paper's ada-002",
        "cpu",
        "7",
        "torch",
    ):
        assert fact in said, fact
    first = torch.rand(1)
    notebook.begin(seeds=7)
    assert torch.equal(torch.rand(1), first) and "pure mathematics" in capsys.readouterr().out


def test_a_lesson_knows_its_settings_its_data_and_where_its_figure_goes(tmp_path):
    lesson = notebook.begin("toy", "tfidf", "cpu", range(2024, 2026), tmp_path)
    spec = lesson.spec("mddm", lam=0.2)
    assert (spec.dataset, spec.embedder, spec.lam, spec.strategy) == ("toy", "tfidf", 0.2, "mddm")
    assert lesson.data.language.embedder.startswith("tfidf") and lesson.folder == tmp_path
    path = lesson.keep("figure", Figure(), {"a": 1}, [spec], variant="published")
    kept = json.loads(path.read_text())
    assert path.parent == tmp_path and kept["provenance"]["variant"] == "published"
    assert kept["provenance"]["fingerprint"] == lesson.data.fingerprint and kept["provenance"]["seeds"] == [2024]


def test_a_lesson_trains_in_the_precision_it_was_opened_with_and_says_so(tmp_path):
    lesson = notebook.begin("toy", "tfidf", "cpu", 2024, tmp_path, precision="bf16")
    assert {lesson.spec(strategy).train.precision for strategy in ("base", "mddm")} == {"bf16"}
    assert lesson.facts()["precision"] == "bf16"
    plain = notebook.begin("toy", "tfidf", "cpu", 2024, tmp_path)
    assert plain.spec().train.precision == "float32" and "precision" not in plain.facts()
    with pytest.raises(ValueError, match="precision"):
        notebook.begin("toy", "tfidf", "cpu", 2024, tmp_path, precision="bf61")


def test_data_without_texts_open_only_a_notebook_that_can_do_without(tmp_path, capsys):
    clicks = [f"u{user},i{item}" for user in range(6) for item in range(12) if (user + item) % 2]
    (tmp_path / "interactions.csv").write_text("\n".join(["user,item", *clicks]))
    lesson = notebook.begin(str(tmp_path), "tfidf", "cpu", needs_text=False)
    assert lesson.data.language is None and "vectors   none" in capsys.readouterr().out
    assert notebook.begin("toy", "tfidf", "cpu", needs_text=False).data.language is not None
    with pytest.raises(ValueError, match="no text to embed"):
        notebook.begin(str(tmp_path), "tfidf", "cpu")


@pytest.mark.parametrize("seeds", [1.5, -1, [2024, 2.5], ["a"], True, []])
def test_a_seed_that_is_none_is_refused_before_anything_is_loaded(seeds):
    with pytest.raises(ValueError, match="seed"):
        notebook.begin("toy", "tfidf", "cpu", seeds)


def test_source_keeps_the_code_and_the_first_line_of_the_docstring():
    shown = notebook.source(kl)
    assert shown.startswith("def kl(") and "torch.expm1(difference)" in shown and "Args:" not in shown
    compile(shown, "kl", "exec")
    assert "Args:" in notebook.source(kl, docstring=True)
    compile(notebook.source(DiagonalGaussian), "DiagonalGaussian", "exec")  # a class: every method's docstring is cut


def test_ledger_notes_what_holds_and_fails_where_it_does_not(capsys):
    checked = notebook.Checked()
    checked.assert_close("equal", [1.0, 2.0], torch.tensor([1.0, 2.0]))
    checked.assert_within("near", 1.1, 1.0, standard_error=0.05)
    checked.assert_true("true", 1 < 2, "1 < 2")
    assert [row["claim"] for row in checked.rows] == ["equal", "near", "true"]
    assert "2.0 standard errors away" in capsys.readouterr().out
    with pytest.raises(AssertionError):
        checked.assert_close("not equal", [1.0], [1.1])
    with pytest.raises(AssertionError, match=r"far: .* 20\.0 standard errors away"):
        checked.assert_within("far", 2.0, 1.0, standard_error=0.05)
    with pytest.raises(AssertionError, match="positive"):
        checked.assert_within("no error", 1.0, 1.0, standard_error=0.0)
    with pytest.raises(AssertionError, match="false: does not hold"):
        checked.assert_true("false", False)
    assert len(checked.rows) == 3


@pytest.mark.parametrize(
    ("yours", "truth", "said"),
    [
        (None, 1.0, "no answer yet"),
        (..., 1.0, "no answer yet"),
        (0.5, 0.5, "right."),
        (0.5004, 0.5, "right."),
        (0.51, 0.5, "not yet. look again"),
        ("Language ", "language", "right."),
        ("both", "language", "not yet."),
        ([1.0, 2.0], torch.tensor([1.0, 2.0]), "right."),
        ([1.0], torch.tensor([1.0, 2.0]), "not yet."),
        (True, True, "right."),
        (3, lambda answer: answer > 2, "right."),
        ("three", 3, "cannot be judged"),
        ("three", lambda answer: answer > 2, "cannot be judged: TypeError"),
    ],
)
def test_answers_are_judged_and_never_raise(capsys, yours, truth, said):
    notebook.check("Exercise 1", yours, truth, hint="look again")
    out = capsys.readouterr().out
    assert out.startswith("Exercise 1: ") and said in out
