"""The site's own pages: their code runs as it stands, their counts are the data's, and differences are gathered."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest

from dmrec_core.data import load_dataset
from dmrec_core.runs import presets
from dmrec_core.training.fit import TrainSettings
from dmrec_core.upkeep import site
from dmrec_core.upkeep.runner import discover

CHECKOUT = Path(__file__).parents[1]
CODE = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
HOW_MANY = re.compile(r"(?:`([\w-]+)` )?([\d,]+), ([\d,]+), ([\d,]+)")


def test_the_code_on_the_page_for_engineers_runs_on_a_folder_of_ones_own(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "my-data"
    folder.mkdir()
    made = np.random.default_rng(0)
    clicks = [f"u{user},i{item}" for user in range(40) for item in made.choice(30, 8, replace=False)]
    (folder / "interactions.csv").write_text("\n".join(["user,item", *clicks]))
    titles = [f"i{item},{'a tale of chess' if item % 2 else 'the garden in spring'} {item}" for item in range(30)]
    (folder / "items.csv").write_text("\n".join(["item,title", *titles]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DMREC_RUNS", str(tmp_path / "runs"))
    short = TrainSettings(epochs=2, batch_size=32)
    plain = presets.paper_settings
    monkeypatch.setattr("dmrec_core.runs.paper_settings", lambda *names, **given: plain(*names, **given, train=short))
    blocks = CODE.findall((CHECKOUT / "site" / "use.md").read_text(encoding="utf-8"))
    assert len(blocks) == 3
    known: dict = {}
    for block in blocks:
        exec(compile(block, "use.md", "exec"), known)
    said = capsys.readouterr().out
    assert len(known["dmrec"]) == len(known["own"]) == 3 and str(known["own"][0].spec.strategy) == "squared"
    assert len(re.findall(r"[+-]\d\.\d{4} ± \d\.\d{4}", said)) == 2, said


def counts_on_the_page() -> dict[str, tuple[int, ...]]:
    rows = (CHECKOUT / "site" / "data.md").read_text(encoding="utf-8").splitlines()
    columns = next(row for row in rows if row.startswith("| | ")).split("|")
    cells = next(row for row in rows if row.startswith("| How many")).split("|")
    found = {}
    for column, cell in list(zip(columns, cells, strict=True))[2:-1]:
        for name, *numbers in HOW_MANY.findall(cell):
            found[name or column.strip(" `")] = tuple(int(number.replace(",", "")) for number in numbers)
    return found


@pytest.mark.parametrize("dataset", ["toy", "yelp-xrec", "google-xrec", "steam-part", "amazon", "yelp"])
def test_the_page_about_the_data_counts_them_right(dataset):
    if dataset != "toy" and not os.environ.get("DMREC_MIRROR"):
        pytest.skip("needs the files of the data set")
    data = load_dataset(dataset)
    assert counts_on_the_page()[dataset] == (data.n_users, data.n_items, data.summary()["interactions"])


def test_every_notebook_with_a_comparison_is_on_the_page_of_differences(tmp_path):
    pages = site.gather(CHECKOUT, tmp_path / "pages")
    text = (pages / "differences.md").read_text(encoding="utf-8")
    with_one = [
        path.stem
        for path in discover(CHECKOUT / "notebooks")
        if "# ## Paper vs code" in path.read_text(encoding="utf-8")
    ]
    assert len(with_one) > 9
    for name in with_one:
        assert f"(notebooks/{name}.ipynb)" in text, name
    assert "averaged means and log-variances" in text and "20 evaluations, 60 epochs" in text
    assert "## What we checked" not in text and "## Exercises" not in text
