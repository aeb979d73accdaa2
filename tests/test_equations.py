"""Every equation of the paper has one owner in the core, a card in a notebook and a row in the README."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dmrec_core.__main__ import main
from dmrec_core.upkeep import readme
from dmrec_core.upkeep.readme import EQUATIONS, PAGES, Stale, cards, equations_table, filled, owners

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def owned():
    return owners(CHECKOUT)


@pytest.fixture(scope="module")
def shown():
    return cards(CHECKOUT)


@pytest.mark.parametrize("number", EQUATIONS)
def test_equation_has_one_owner_in_the_core(number, owned):
    mine = [f"{owner.path}:{owner.line} {owner.name}" for owner in owned.get(number, [])]
    assert len(mine) == 1, f"Eq. {number} has {len(mine)} owners: {mine}"


@pytest.mark.parametrize("number", EQUATIONS)
def test_equation_has_a_card_in_a_notebook(number, shown):
    assert shown.get(number), rf"no notebook displays Eq. {number}: put \tag{{{number}}} on its card"


@pytest.mark.parametrize("number", EQUATIONS)
def test_equation_has_a_row_in_the_readme(number, owned):
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    section = text.partition("<!-- BEGIN equations -->")[2].partition("<!-- END equations -->")[0]
    rows = [line for line in section.splitlines() if line.startswith(f"| {number} |")]
    assert len(rows) == 1, f"README.md has {len(rows)} rows for Eq. {number}: run python -m dmrec_core readme"
    assert f"[`{owned[number][0].name}`]" in rows[0] and "notebooks/" in rows[0], rows[0]


def test_no_equation_beyond_the_papers_is_claimed(owned, shown):
    assert set(owned) <= set(EQUATIONS) and set(shown) <= set(EQUATIONS)


def test_the_readme_is_as_it_would_be_written_now():
    for page in PAGES:
        text = (CHECKOUT / page).read_text(encoding="utf-8")
        assert filled(text, CHECKOUT, page) == text, f"{page} is stale: run python -m dmrec_core readme"


def test_the_links_of_the_results_page_lead_somewhere():
    page = CHECKOUT / "figures" / "RESULTS.md"
    links = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    assert links and all((page.parent / link).is_file() for link in links if "://" not in link)


@pytest.fixture
def planted(tmp_path):
    """A checkout in which Eq. 1 has two owners, Eq. 2 a negated one, and others are only mentioned."""
    core, notebooks = tmp_path / "dmrec_core" / "room", tmp_path / "notebooks"
    core.mkdir(parents=True)
    notebooks.mkdir()
    (core / "a.py").write_text(
        'def first():\n    """One.\n\n    Eq. 1.  $x$\n    """\n\n'
        'class Second:\n    r"""Two.\n\n    Eq. 1 with n = 2.  $y$\n    """\n\n'
        'def third():\n    """Three\n    lines.\n\n    Eq. 2, negated.  $z$\n    """\n\n'
        'def mention():\n    """Four.\n\n    Eq. 3 makes these.\n\n    Source: Eq. 3.\n    """\n\n'
        'def later():\n    """Five.\n\n    Words.\n\n    Eq. 4.  $v$\n    """\n'
    )
    (notebooks / "02_shown.py").write_text("# $$a \\tag{7} b \\tag{17}$$\nlabel = r'\\tag{5}'\n")
    (notebooks / "notes.py").write_text("# $$a \\tag{9}$$\n")
    return tmp_path


def test_these_checks_find_what_they_look_for(planted):
    found = owners(planted)
    assert {number: [owner.name for owner in mine] for number, mine in found.items()} == {
        1: ["first", "Second"],
        2: ["third"],
    }
    assert found[2][0].summary == "Three lines." and found[2][0].path == Path("dmrec_core/room/a.py")
    assert cards(planted) == {7: [Path("notebooks/02_shown.py")], 17: [Path("notebooks/02_shown.py")]}
    rows = equations_table(planted).splitlines()[2:]
    assert len(rows) == len(EQUATIONS)
    assert rows[1] == "| 2 | Three lines | [`third`](dmrec_core/room/a.py) | - |"
    assert rows[6] == "| 7 | - | - | [02](notebooks/02_shown.ipynb) |"


def test_only_what_lies_between_the_markers_is_renewed(planted):
    sections = "\n".join(f"<!-- BEGIN {name} -->\nold\n<!-- END {name} -->" for name in PAGES["README.md"])
    before = f"# Title\n\nold words\n\n{sections}\n\nThe end.\n"
    after = filled(before, planted)
    assert after.startswith("# Title\n\nold words\n\n<!-- BEGIN") and after.endswith("\n\nThe end.\n")
    assert "\nold\n" not in after.removeprefix("# Title\n\nold words") and filled(after, planted) == after
    assert "make figures" in after  # nothing has been run in this checkout, and it says so


@pytest.mark.parametrize("name", PAGES["README.md"])
def test_missing_and_doubled_markers_are_refused(name, planted):
    text = "".join(f"<!-- BEGIN {name} --><!-- END {name} -->" for name in PAGES["README.md"])
    for broken in (text.replace(f"<!-- END {name} -->", ""), text + f"<!-- BEGIN {name} -->"):
        with pytest.raises(Stale, match=name):
            filled(broken, planted)


def test_check_writes_nothing_and_fails_where_the_readme_is_stale(planted, monkeypatch, capsys):
    monkeypatch.setattr(readme, "checkout", lambda: planted)
    path = planted / "README.md"
    assert main(["readme", "--check"]) == 1  # no README at all
    for page, names in PAGES.items():
        stale = "".join(f"<!-- BEGIN {name} --><!-- END {name} -->\n" for name in names)
        (planted / page).parent.mkdir(exist_ok=True)
        (planted / page).write_text(stale)
    stale = path.read_text()
    assert main(["readme", "--check"]) == 1 and path.read_text() == stale
    assert "stale" in capsys.readouterr().err
    assert main(["readme"]) == 0 and re.search(r"\| 19 \|", path.read_text())
    assert main(["readme", "--check"]) == 0
    assert not list(planted.glob(".README*")), "a temporary file was left behind"


def test_texts_of_one_seed_have_no_interval(tmp_path):
    row = {"texts": "given", "vectors": "v", "metric": "recall@20", "mean": 0.25, "low": None, "high": None}
    facts = {"provenance": {"embedder": "v", "seeds": [7]}}
    headline = {"metric": "m", "base": "b", "DMRec-M": "d", "gain in %": 1, "p (paired t)": None}
    (tmp_path / "figures").mkdir()
    for name, numbers in (
        ("texts", {"texts": [{**row, "difference": None}]}),
        ("00_start_here", {"headline": [headline]}),
    ):
        (tmp_path / "figures" / f"{name}.json").write_text(json.dumps({"numbers": numbers, **facts}))
    assert "| toy | 7 | given | v | 0.2500 (one seed) | - |" in readme.results_table(tmp_path)


def a_row(key, model, strategy, level, compared=None, lam=None, label="base"):
    compared = {
        other: {"difference": {"mean": d, "low": None if half is None else d - half, "high": d + (half or 0)}}
        for other, (d, half) in (compared or {}).items()
    }
    ours = {"recall@20": {"mean": level, "low": level - 0.01, "high": level + 0.01}}
    return {"key": key, "model": model, "strategy": strategy, "label": label, "lam": lam, "ours": ours,
            "compared": compared}  # fmt: skip


def test_each_base_has_its_row_in_the_readme_and_bold_is_what_is_decided(tmp_path):
    facts = {"embedder": "v", "seeds": [1, 2], "precision": "bf16", "tuned": []}
    base, tuned = (
        a_row("cvga base", "cvga", "base", 0.2),
        a_row("cvga base tuned", "cvga", "base", 0.22, label="base, tuned"),
    )
    ours = a_row("cvga mddm", "cvga", "mddm", 0.25, {"cvga base": (0.05, 0.01), "cvga base tuned": (0.03, 0.04)}, 0.2)
    base["paper"] = {"recall@20": 0.1522}
    (tmp_path / "figures").mkdir()
    for name, numbers, values in (("table2", [base, ours], []), ("table2_tuned", [base, tuned, ours], [0.2, 1])):
        document = {"numbers": numbers, "provenance": facts | {"tuned": values}}
        (tmp_path / "figures" / f"{name}.json").write_text(json.dumps(document))
        (tmp_path / "figures" / f"{name}.md").write_text("")
    _, table, more = readme._table2(tmp_path)
    assert table.splitlines()[2:] == [
        "| toy: v, bf16, seeds 1-2 | CVGA | 0.2000 ± 0.0100 (the paper's: 0.1522) | - | - "
        "| 0.2500 (λ = 0.2), **+0.0500 ± 0.0100** |",
        "| toy, tuned: v, bf16, seeds 1-2 | CVGA | 0.2200 ± 0.0100 | - | - | 0.2500 (λ = 0.2), +0.0300 ± 0.0400 |",
    ]
    assert "[toy](figures/table2.md), [toy, tuned](figures/table2_tuned.md)" in more
