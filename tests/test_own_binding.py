"""Own data that changes: what was made from it before is not used, and nothing shares a place with anything else."""

from __future__ import annotations

import json
import random
import shlex

import numpy as np
import pytest

from dmrec_core.__main__ import main, parser_of
from dmrec_core.data import DataError, load_dataset, load_own, own_origin
from dmrec_core.data.card import data_card
from dmrec_core.data.load import figures_folder, subfolder
from dmrec_core.data.own_reading import OPTIONS, WAYS
from dmrec_core.language import user_texts
from dmrec_core.runs import load, paper_settings
from dmrec_core.training import Popularity
from dmrec_core.training.evaluate import evaluate


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """40 users, 30 items, as texts."""
    monkeypatch.setenv("DMREC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DMREC_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    return make(tmp_path / "d")


def make(place, rating=None):
    r = random.Random(1)
    place.mkdir(parents=True)
    items = [f"{kind}-{k:02d}" for kind in ("tea", "pie", "bike") for k in range(10)]
    rows = [f"u{u:02d},{i}" + (f",{r.randint(1, 5)}" if rating else "") for u in range(40) for i in r.sample(items, 8)]
    (place / "interactions.csv").write_text("\n".join(["user,item" + (f",{rating}" if rating else ""), *rows]) + "\n")
    texts = [f"{i},{i} title,A {i[:3]} of kind {i[-2:]}." for i in items]
    (place / "items.csv").write_text("\n".join(["item,title,text", *texts]) + "\n")
    return place


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def commands(message):
    """The command lines that a message names, as `main` takes them."""
    return [shlex.split(line)[3:] for line in message.split("`")[1].split(" && ")]


def drop_first_user(path):
    path.write_text("".join(row for row in path.read_text().splitlines(True) if not row.startswith("u00")))


CHANGES = {
    "a user's rows": lambda d: drop_first_user(d / "interactions.csv"),
    "one interaction": lambda d: (d / "interactions.csv").open("a").write("u00,tea-00\nu00,tea-01\n"),
    "an item's text": lambda d: edit(d / "items.csv", "A tea of kind 00.", "A sour tea."),
    "another seed": lambda d: (d / "reading.json").write_text('{"seed": 7}'),
    "profiles by another": lambda d: edit(d / "profiles.json", "kind 00", "kind 99"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_made_from_other_data_is_refused_and_made_again(folder, change, capsys):
    assert main(["profiles", "d", "--extractive"]) == main(["embed", "d", "--embedder", "tfidf"]) == 0
    before = load_own("d").language.item
    CHANGES[change](folder)
    with pytest.raises(
        DataError, match=r"^d/vectors\.npz: made from other data: .* changed since\. Make it again"
    ) as error:
        load_own("d")
    told = commands(str(error.value))
    assert told[-1] == ["embed", "d", "--embedder", "tfidf"]
    assert told[:-1] == ([] if change == "profiles by another" else [["profiles", "d", "--extractive"]])
    if told[:-1]:
        capsys.readouterr()
        assert main(told[-1]) == 1, "not from profiles that are old, either"
        said = capsys.readouterr().err
        assert "d/profiles.json: made from other data" in said and commands(said) == told[:-1]
    assert main(["recommend", "d"]) == 1
    assert [main(command) for command in told] == [0] * len(told)
    assert load_own("d").language.item.shape[0] == len(before)


def test_a_seed_given_by_hand_is_part_of_the_command(folder):
    assert main(["embed", "d", "--embedder", "tfidf"]) == 0
    with pytest.raises(DataError, match="changed since") as error:
        load_own("d", seed=7)
    assert commands(str(error.value)) == [["embed", "d", "--embedder", "tfidf", "--split-seed", "7"]]
    assert main(commands(str(error.value))[0]) == 0
    assert load_own("d", seed=7).language is not None and load_own("d").language is not None, "kept in reading.json"


def test_what_a_user_is_described_by_depends_on_that_user_alone(folder):
    before = load_own("d")
    told = dict(zip(before.user_ids, user_texts(before, 3), strict=True))
    drop_first_user(folder / "interactions.csv")
    after = load_own("d")
    assert dict(zip(after.user_ids, user_texts(after, 3), strict=True)) == {u: told[u] for u in after.user_ids}


def test_profiles_written_after_vectors_are_not_overlooked(folder):
    assert main(["embed", "d", "--embedder", "tfidf"]) == main(["profiles", "d", "--extractive"]) == 0
    with pytest.raises(DataError, match=r"profiles\.json changed since"):
        load_own("d")


def test_reviews_are_bound_too(folder):
    (folder / "reviews.csv").write_text("user,item,review\nu00,tea-00,good\nu00,pie-00,good\nu00,bike-00,good\n")
    pairs = [line for line in (folder / "interactions.csv").read_text().splitlines() if line.startswith("u00")]
    (folder / "reviews.csv").write_text("\n".join(["user,item,review", *(f"{pair},good" for pair in pairs)]))
    assert main(["profiles", "d", "--extractive", "--reviews", "d/reviews.csv"]) == 0
    edit(folder / "reviews.csv", "good", "bad")
    with pytest.raises(DataError, match=r"reviews\.csv changed since") as error:
        own_origin.check_fresh(folder / "profiles.json", load_own("d"), folder, own_origin.Reading())
    assert commands(str(error.value)) == [["profiles", str(folder), "--extractive", "--reviews", "d/reviews.csv"]]


def test_vectors_that_do_not_say_are_taken_with_a_word(folder):
    data = load_own("d")
    ids = {"user_ids": np.array(data.user_ids), "item_ids": np.array(data.item_ids)}
    np.savez(folder / "vectors.npz", user=np.ones((40, 3)), item=np.ones((30, 3)), **ids)
    assert "vectors.npz does not say which split it was made from" in load_own("d").source["read"]
    np.savez(folder / "vectors.npz", user=np.ones((40, 3)), item=np.ones((30, 3)), made_from=np.array("{}"), **ids)
    with pytest.raises(DataError, match=r"d/vectors\.npz: cannot be read .*delete it, and make it again"):
        load_own("d")


def test_one_process_sees_what_changed_on_disk(folder):
    spec = paper_settings("d")
    first = load(spec)
    assert load(spec) is first
    edit(folder / "interactions.csv", "u00", "u99")  # of the same length, within the same moment
    second = load(spec)
    assert "u99" in second.user_ids and load(spec) is second
    assert load(paper_settings("toy")) is load(paper_settings("toy"))


def test_a_reading_is_said_once_and_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DMREC_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "rated", "stars")
    with pytest.raises(DataError, match="row 2: stars is"):
        load_dataset("rated")
    assert main(["profiles", "rated", "--extractive"]) == 1 and not (tmp_path / "rated" / "reading.json").exists()
    assert "--min-rating 3" in capsys.readouterr().err
    assert main(["profiles", "rated", "--extractive", "--min-rating", "3"]) == 0
    assert main(["embed", "rated", "--embedder", "tfidf"]) == 0
    data = load(paper_settings("rated", strategy="mddm"))
    assert data.fingerprint == load_own("rated", min_rating=3.0).fingerprint
    assert data.source["read"].endswith("reading.json says --min-rating 3")
    assert main(["embed", "rated", "--min-rating", "4"]) == 1, "the profiles are of another split"
    assert commands(capsys.readouterr().err) == [["profiles", "rated", "--extractive"]]
    assert json.loads((tmp_path / "rated" / "reading.json").read_text()) == {"min_rating": 4}
    for words, message in (
        (["--min-rating", "many"], "min_rating is 'many', expected a number"),
        (["--split", "time"], "no column timestamp for a split by time"),
    ):
        assert main(["recommend", "rated", *words]) == 1
        assert message in capsys.readouterr().err
    assert json.loads((tmp_path / "rated" / "reading.json").read_text()) == {"min_rating": 4}, "what fails is not kept"
    assert main(["recommend", "toy", "--min-rating", "3"]) == 1
    assert "--min-rating 3 is for a folder of your own, and toy is none" in capsys.readouterr().err
    (tmp_path / "rated" / "reading.json").write_text('{"stars": 3}')
    with pytest.raises(DataError, match=r"reading\.json: not a reading of this kit .*delete it"):
        load_own("rated")


# --- places -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["toy", "steam", "yelp-xrec"])
def test_a_folder_called_as_a_data_set_of_the_kit_is_not_swallowed(tmp_path, monkeypatch, name, capsys):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / name)
    for refused in (load_dataset, subfolder, lambda n: load(paper_settings(n))):
        with pytest.raises(ValueError, match=rf"'{name}' comes with the kit, and a folder here .* say \./{name} for"):
            refused(name)
    for command in (["profiles", name, "--extractive"], ["embed", name, "--embedder", "tfidf"]):
        assert main(command) == 1 and f"say ./{name} for the folder" in capsys.readouterr().err
    assert main(["recommend", name]) == 1 and f"say ./{name} for the folder" in capsys.readouterr().err
    data = load_dataset(f"./{name}")
    assert data.n_users == 40 and data.name == f"own-{name}"
    assert data_card(data)["origin"] == "your own folder"
    assert main(["embed", f"./{name}", "--embedder", "tfidf"]) == 0 and (tmp_path / name / "vectors.npz").exists()


def test_a_folder_without_data_hides_no_data_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "table2.md").touch()
    assert load_dataset("toy").name == "toy" and subfolder("toy") == ""


def test_no_two_data_sets_share_a_folder_of_figures(tmp_path):
    places = ["a/data", "b/data", "yelp-xrec", "toy"]
    for place in places:
        make(tmp_path / place)
    own = [subfolder(str(tmp_path / place)) for place in places]
    kits = [subfolder(name) for name in ("toy", "yelp-xrec", "amazon")]
    assert kits == ["", "yelp-xrec", "amazon"]
    assert len({*own, *kits}) == 7 and [name.rpartition("-")[0] for name in own] == ["data", "data", "yelp-xrec", "toy"]
    assert figures_folder(str(tmp_path / "a" / ".." / "a" / "data"), tmp_path) == tmp_path / own[0], (
        "one path, one folder"
    )


def test_where_nobody_has_three_items_the_advice_fits(tmp_path):
    (tmp_path / "interactions.csv").write_text("user,item\na,x\na,y\nb,x\n")
    data = load_own(tmp_path)
    with pytest.raises(ValueError, match="no user has 3 items, the fewest of which one can be held out"):
        evaluate(Popularity(data.train).solve(), data)


def test_commands_take_what_a_reading_is():
    for name in ("profiles", "embed", "recommend"):
        taken = {word: action for action in parser_of(name)._actions for word in action.option_strings}
        assert set(OPTIONS.values()) <= set(taken) and tuple(taken["--split"].choices) == WAYS
