"""Kept JSON that is damaged, enormous, deep or of another shape: a sentence names the file, and nothing is written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from dmrec_core import notebook
from dmrec_core.data import DataError
from dmrec_core.paper import claims
from dmrec_core.records import files
from dmrec_core.records.writer import Damaged, kept_document
from dmrec_core.upkeep import kept, readme, reproduction

CHECKOUT = Path(__file__).resolve().parents[2]
SHIPPED = sorted(path for path in (CHECKOUT / "figures").glob("*.json") if not path.name.endswith(".timing.json"))
DAMAGES = {
    "cut": lambda text: text[: len(text) // 2],
    "emptied": lambda text: "",
    "another": lambda text: '"a text"',
    "a list": lambda text: f"[{text}]",
    "nothing in it": lambda text: '{"name": "x"}',
    "no provenance": lambda text: '{"name": "x", "numbers": {}, "provenance": []}',
    "deep": lambda text: '{"numbers": ' + "[" * 50_000 + "]" * 50_000 + ', "provenance": {}}',
    "a huge number": lambda text: '{"provenance": {}, "numbers": [1' + "0" * 400 + "]}",
    "infinite": lambda text: '{"provenance": {}, "numbers": [Infinity]}',
    "a text for a number": lambda text: '{"provenance": {}, "numbers": [{"mean": "0.4"}]}',
    "bytes": lambda text: "\x00\x01\x02",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_document_is_named_with_what_to_do(tmp_path, damage):
    path = tmp_path / "table2.json"
    path.write_text(DAMAGES[damage](SHIPPED[0].read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(Damaged) as told:
        kept_document(path)
    said = str(told.value)
    assert said.startswith(f"{path}: ") and "delete it" in said and len(said) < 500 and "\n" not in said


def test_an_enormous_document_is_not_read(tmp_path, monkeypatch):
    path = tmp_path / "table2.json"
    with open(path, "wb") as file:
        file.truncate(files.MAX_JSON + 1)
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail("read"))
    with pytest.raises(Damaged, match=r"table2\.json: .* bytes of JSON"):
        kept_document(path)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_document_passes(path):
    assert kept_document(path) == json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "rows", [3, [3], [{"key": "mddm-best"}], [{"no": 1}], "text", {"a": 1}, [[]], None], ids=lambda rows: str(rows)[:20]
)
def test_claims_of_another_shape_are_named_and_stay(tmp_path, rows):
    path = tmp_path / "claims.json"
    path.write_text(json.dumps({"claims": rows, "provenance": {}}))
    before = path.read_bytes()
    finding = claims.Finding("mddm-best", "c", "w", "o", "v")
    with pytest.raises(Damaged, match=r"claims\.json: these are no claims"):
        claims.save([finding], {"dataset": "toy"}, tmp_path)
    with pytest.raises(Damaged, match=r"claims\.json: these are no claims"):  # and before anything is trained
        claims.check_savable(tmp_path)
    with pytest.raises(Damaged, match=r"claims\.json: these are no claims"):
        notebook.begin("toy", "none", "cpu", 1, str(tmp_path))
    assert path.read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["claims.json"]


def _places(value: object, where: tuple = ()) -> list[tuple]:
    """Every place in a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, item in items for place in ((*where, key), *_places(item, (*where, key)))]


def _planted(document: dict, place: tuple, value: object) -> dict:
    document = json.loads(json.dumps(document))
    *above, last = place
    at = document
    for key in above:
        at = at[key]
    at[last] = value
    return document


@pytest.mark.parametrize("name", ["00_start_here", "12_is_it_the_language", "table2", "table3", "claims"])
def test_whatever_stands_anywhere_in_a_kept_document_no_page_ends_in_a_traceback(tmp_path, name):
    """A seeded draw of places and values; a page is made, or the file is named."""
    shutil.copytree(
        CHECKOUT / "figures", tmp_path / "figures", ignore=lambda _, names: [n for n in names if n[0] == "y"]
    )
    path = tmp_path / "figures" / f"{name}.json"
    whole = kept_document(path)
    places, random, named = _places(whole), np.random.default_rng(len(name)), 0
    for _ in range(25):
        place = places[random.integers(len(places))]
        value = ["0.4", None, [], {}, -1, True, "<b>", [{}], 10**300][random.integers(9)]
        path.write_text(json.dumps(_planted(whole, place, value)))
        for make in (
            lambda: [section(tmp_path) for title, section in readme.SECTIONS.items() if title != "equations"],
            lambda: reproduction.reproduced(reproduction.documents(path.parent), {name: whole}),
            lambda: kept.outdated(tmp_path / "figures"),
        ):
            try:
                make()
            except Damaged as told:
                named += 1
                assert str(path) in str(told), (place, value)
    assert named, "no draw did any harm"


def test_damaged_measurements_are_named_by_the_page_that_reads_them(tmp_path):
    folder = tmp_path / "figures" / "google-xrec" / "runs"
    folder.mkdir(parents=True)
    shutil.copy(SHIPPED[0], folder / "cut.npz")
    with pytest.raises(DataError, match=r"cut\.npz: these are no measurements of a run"):
        readme.results_table(tmp_path)
