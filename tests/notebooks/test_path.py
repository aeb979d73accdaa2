"""The reader's path: short enough, each page says how long it takes, and no word is used before it is explained."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path

import jupytext
import pytest

from dmrec_core.exercises import EXERCISES
from dmrec_core.upkeep.runner import discover, number_of
from dmrec_core.upkeep.site import page_line

NOTEBOOKS = {number_of(path): path for path in discover(Path(__file__).resolve().parents[2] / "notebooks")}
CORE = ("00", "00b", "04", "05", "09", "12")
MOST_WORDS_OF_THE_CORE, MOST_MINUTES_OF_THE_CORE, MOST_CELLS_OF_04 = 9_000, 100, 45
OPENING = re.compile(r"^\*(Core path|Appendix)\b[^*]*?about (\d+) minutes", re.MULTILINE)
# A page where one of these stands says in the same paragraph, or before, what it is.
EXPLAINED = {
    r"\bGODM\b": r"global optimality",
    r"\bCPDM\b": r"composite prior",
    r"\bMDDM\b": r"mixing divergence",
    r"\bKL\b": r"Kullback-Leibler",
    r"\bNDCG\b": r"higher they stand|how high up|notebook 00",
    r"\bnats?\b": r"natural logarithms",
    r"\bpatience\b": r"without a better|without a new best",
    r"\bfused\b": r"put together|called \*fused\*|their sum|sum of both|drawn from",
    r"\bPMN\b": r"probabilistic meta-network",
    r"\bBPR\b": r"Bayesian personali[sz]ed ranking",
    r"\bInfoNCE\b": r"contrastive",
    r"\btwin\b": r"one HTML file",
}
# Along the path, and then in the appendices, in the paragraph of its first use or before.
EXPLAINED_ON_THE_WAY = {
    r"\bencoder\b": r"\*\*encoder\*\* makes",
    r"\bmeta-network\b": r"\*\*meta-network\*\* makes",
    r"\bdecoder\b": r"\*\*decoder\*\* turns",
    r"\bembedders?\b": r"turned into a vector once",
    r"\bpriors?\b": r"of whom nothing is known",
    r"\bposteriors?\b": r"once data have been seen",
    r"\bbase models?\b": r"same recommender without any text",
    r"\bseeds?\b": r"starts the random numbers",
    r"\bvalidation\b": r"the end of training are chosen",
    r"\bepochs?\b": r"once through all users",
    r"\bp-values?\b": r"luck alone",
    r"\b[Vv]ariational autoencoders?\b": r"a draw from its Gaussian",
    r"\bTF-IDF\b": r"how rare it is",
    r"\bsoftmax\b": r"sum to 1",
    r"\bablations?\b": r"take parts away",
    r"\bmini-batch": r"some users",
    r"\bcheckpoints?\b": r"files written on the way",
    r"(?<!ariational )\bautoencoders?\b": r"repeats its input",
    r"\bnegative controls?\b": r"a gain must go away",
    r"\bbackbones?\b": r"such as the base model has|\(a backbone",
    r"\bbf16\b": r"16-bit",
    r"\bevidence\b": r"how probable",
}
OF_A_RUN = {"00.3", "00b.1", "00b.2", "09.3", "11.3"}  # answers that are read off what a run of the page has made


def texts(page: str) -> list[str]:
    """Its cells of prose. A diagram's words are explained below it."""
    prose = (cell.source for cell in jupytext.read(NOTEBOOKS[page]).cells if cell.cell_type == "markdown")
    return [re.sub(r"```mermaid.*?```", "", text, flags=re.DOTALL) for text in prose]


def words(text: str) -> int:
    """Words of prose: a formula counts as one, a displayed one and a diagram as none, a number as none."""
    text = re.sub(r"```.*?```|\$\$.*?\$\$", " ", text, flags=re.DOTALL)
    text = re.sub(r"\$[^$]+\$", " x ", text)
    return sum(bool(re.search(r"[^\W\d_]", word)) for word in text.split())


def unexplained(paragraphs: list[str], explained: Mapping[str, str] = EXPLAINED) -> list[str]:
    """The words that are used before, or without, their explanation."""
    paragraphs, found = [" ".join(paragraph.split()) for paragraph in paragraphs], []
    for word, explanation in explained.items():
        used = next((k for k, paragraph in enumerate(paragraphs) if re.search(word, paragraph)), None)
        if used is not None and not re.search(explanation, " ".join(paragraphs[: used + 1])):
            found.append(f"{word} in: {paragraphs[used][:60]}")
    return found


def test_the_core_path_is_read_in_one_go():
    counted = {page: sum(map(words, texts(page))) for page in CORE}
    assert min(counted.values()) > 300
    assert sum(counted.values()) <= MOST_WORDS_OF_THE_CORE, counted


def test_the_longest_page_of_the_core_stays_short():
    assert len(jupytext.read(NOTEBOOKS["04"]).cells) <= MOST_CELLS_OF_04


@pytest.mark.parametrize("page", sorted(NOTEBOOKS))
def test_a_page_says_at_its_top_how_long_it_takes_and_whether_it_is_core(page):
    said = OPENING.search(texts(page)[0])
    assert said, f'{page}: "*Core path, about 20 minutes.*" or "*Appendix, about 20 minutes.*" under the title'
    assert (said[1] == "Core path") == (page in CORE)


@pytest.mark.parametrize("page", sorted(NOTEBOOKS))
def test_a_notebook_names_its_page_of_the_site_and_no_other(page):
    text, line = texts(page)[0], page_line(NOTEBOOKS[page].stem)
    assert f"\n\n{line}\n\n" in text, f"below the line that says how long it takes: {line}"
    assert text.count("build/site") == 1


def test_the_core_takes_about_ninety_minutes():
    minutes = [int(OPENING.search(texts(page)[0])[2]) for page in CORE]
    assert min(minutes) > 0 and sum(minutes) <= MOST_MINUTES_OF_THE_CORE


@pytest.mark.parametrize("page", sorted(NOTEBOOKS))
def test_no_word_is_used_before_it_is_explained(page):
    assert unexplained([p for text in texts(page) for p in text.split("\n\n")]) == []


def test_no_word_of_the_path_comes_before_its_explanation():
    way = [*CORE, *sorted(NOTEBOOKS.keys() - set(CORE))]
    paragraphs = [p for page in way for text in texts(page) for p in text.split("\n\n")]
    assert unexplained(paragraphs, EXPLAINED_ON_THE_WAY) == []
    said = " ".join(paragraphs)
    assert all(re.search(word, said) for word in EXPLAINED_ON_THE_WAY), "a word that no page uses any more"


@pytest.mark.parametrize("page", sorted(NOTEBOOKS))
def test_no_answer_stands_in_the_cell_that_a_student_edits(page):
    code = [cell.source for cell in jupytext.read(NOTEBOOKS[page]).cells if cell.cell_type == "code"]
    calls = [
        node
        for cell in code
        if "answer_1" in cell
        for node in ast.walk(ast.parse(cell))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "notebook.check"
    ]
    of_a_run = {f"Exercise {name}" for name in OF_A_RUN if name.partition(".")[0] == page}
    kept = [call for call in calls if call.args[0].value not in of_a_run]
    assert {call.args[0].value for call in calls if call not in kept} == of_a_run
    assert {call.args[0].value for call in kept} == {name for name in EXERCISES if name.partition(".")[0] == page}
    assert all(len(call.args) == 2 and not call.keywords for call in kept), "truth and hint live in exercises/"
    truths = [
        keyword.value for call in calls if call not in kept for keyword in call.keywords if keyword.arg == "truth"
    ]
    assert len(truths) == len(of_a_run) and not any(isinstance(truth, ast.Constant) for truth in truths) and calls


def test_these_checks_find_what_they_look_for():
    assert words("Two words $a + b$ and\n$$x = 1$$ 3 more.\n```\nnot these\n```") == 5
    assert unexplained(["MDDM is used.", "It is *mixing divergence*."]) and not unexplained(["MDDM, mixing divergence"])
    assert OPENING.search("# T\n\n*Core path, about 25 minutes. More.*")[2] == "25" and not OPENING.search("*Soon*")
