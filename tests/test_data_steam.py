"""A part of the paper's Steam, and the store's fields as texts: on small files written here, and on the real ones."""

import gzip
import hashlib
import json
import pickle
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from dmrec_core.data import DataError, DownloadError, data_card, load_dataset, load_rlmrec, sources, steam_fields
from dmrec_core.data.core import keep_core
from dmrec_core.data.steam_part import load_steam_part
from dmrec_core.language import item_texts, steps, user_texts
from dmrec_core.runs import paper_settings

USERS, ITEMS = 40, 24
MAPPER, CRAWL = "rlmrec/mapper/steam_item.json", "steam/steam_games.json.gz"
MATRICES = {part: f"rlmrec/steam/{part}_mat.pkl" for part in ("trn", "val", "tst")}


def game(item: int, **changes: object) -> dict:
    """A line of the crawl, with what must not become a text."""
    return {
        "id": str(1000 + item),
        "title": f"Game {item} &amp; more",
        "tags": [f"tag{item}", "Indie"],
        "genres": ["Indie"],
        "specs": ["Single-player"],
        "developer": f"studio{item}",
        "sentiment": "Mostly Positive",
        "metascore": 96,
        "price": 19.99,
        **changes,
    }


def crawl(games: list[dict]) -> list[bytes]:
    """As the public crawl writes them, one in JSON, and a line about no game."""
    lines = [repr(one).replace("'id'", "u'id'") for one in games]
    return [line.encode() for line in (json.dumps(games[0]), *lines[1:], "{u'url': u'http://store'}")]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A mirror of small files in the upstream layout, whose checksums are known."""
    monkeypatch.setenv("DMREC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DMREC_MIRROR", str(tmp_path / "mirror"))
    rng = np.random.default_rng(5)
    for key in (MAPPER, CRAWL, *MATRICES.values()):
        (tmp_path / "mirror" / key).parent.mkdir(parents=True, exist_ok=True)
    part = rng.choice(4, p=(0.3, 0.3, 0.3, 0.1), size=(USERS, ITEMS))
    part[np.arange(USERS), rng.integers(0, ITEMS - 1, USERS)] = 0  # everybody trains on something
    part[:3, 6:] = 3  # too few for the core
    part[:, -1] = 3  # nobody has the last item
    for number, key in enumerate(MATRICES.values()):
        content = pickle.dumps(sparse.coo_matrix((part == number).astype(float)))
        (tmp_path / "mirror" / key).write_bytes(content)
    mapper = [json.dumps({"iid": item, "product_id": str(1000 + item)}) for item in range(ITEMS)]
    (tmp_path / "mirror" / MAPPER).write_text("\n".join(mapper))
    write(tmp_path / "mirror", monkeypatch, CRAWL, crawl([game(item) for item in reversed(range(ITEMS))]))
    return tmp_path / "mirror"


def write(mirror, monkeypatch, key: str, lines: list[bytes]) -> None:
    """Put these lines there, and let all files of the mirror be the expected ones."""
    content = b"\n".join(lines)
    (mirror / key).write_bytes(gzip.compress(content) if key.endswith(".gz") else content)
    keys = [key for key in (MAPPER, CRAWL, *MATRICES.values()) if (mirror / key).exists()]
    monkeypatch.setattr(sources, "SHA256", {k: hashlib.sha256((mirror / k).read_bytes()).hexdigest() for k in keys})


def test_the_recipe_on_small_files(place):
    data = load_dataset("steam-part")
    parts = [pickle.loads((place / MATRICES[part]).read_bytes()) for part in ("val", "tst")]
    pairs = pd.DataFrame(np.transpose((parts[0] + parts[1]).nonzero()), columns=["user", "item"])
    core = keep_core(pairs, 5)
    assert len(core) < len(pairs) == data.source["interactions_before"]  # the filter is at work
    whole = (data.train + data.valid + data.test).tocoo()
    found = {(data.user_ids[u], data.item_ids[i]) for u, i in zip(whole.row, whole.col, strict=True)}
    assert found == set(core.itertuples(index=False, name=None))
    assert data.source["interactions_after"] == len(core) == data.summary()["interactions"]
    assert data.titles == tuple(f"Game {item} & more" for item in data.item_ids)
    first = data.item_ids[0]
    assert (
        data.profiles.item[0]
        == f"tags: tag{first}, Indie\ngenres: Indie\nspecs: Single-player\ndeveloper: studio{first}"
    )
    assert not re.search("Positive|96|19.99", " ".join((*data.profiles.item, *data.titles)))
    assert data.profiles.user is None and item_texts(data) == data.profiles.item
    shutil.rmtree(place)
    assert load_steam_part().fingerprint == data.fingerprint  # from the conversion, nothing else needed


def test_each_users_items_are_split_anew_three_to_one_to_one(place):
    data = load_dataset("steam-part")
    n = np.diff((data.train + data.valid + data.test).tocsr().indptr)
    held_out = np.maximum(1, np.round(0.2 * n)).astype(int)
    assert n.min() >= 5
    assert np.array_equal(np.diff(data.test.indptr), held_out) and np.array_equal(np.diff(data.valid.indptr), held_out)
    published = pickle.loads((place / MATRICES["tst"]).read_bytes()).tocsr()[list(data.user_ids)][:, data.item_ids]
    assert 0 < data.test.multiply(published).nnz < data.test.nnz  # the paper's test part is not the test part here


def test_user_texts_tell_of_training_items_only(place):
    data = load_dataset("steam-part")
    for user, text in enumerate(user_texts(data)):
        told = {int(number) for number in re.findall(r"Game (\d+) & more", text)}
        assert told == {int(number) for number in re.findall(r"tag(\d+)", text)}
        trained = {data.item_ids[item] for item in data.train[user].indices}
        assert told and told <= trained and len(told) == min(6, len(trained))


def test_what_a_line_may_lack(place, monkeypatch):
    games = [game(item) for item in range(ITEMS)]
    games[1] = game(1, tags=[" a\n\u2028b ", ""], genres=[], specs=None, developer="&lt;b&gt; \ud800")
    games[2] = {"id": "1002", "title": "Bare"}
    write(place, monkeypatch, CRAWL, [*crawl(games), repr(game(2, title="Again")).encode()])
    titles, profiles, _ = steam_fields.load_steam_fields(ITEMS)
    assert profiles.item[1] == "tags: a b\ndeveloper: <b> ?"
    assert titles[2] == "Bare" and profiles.item[2] == ""  # the first line of an app wins; its title stands in


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", r"line 3: b'\\n'; expected one JSON or Python object"),
        (b"[1, 2]", "line 3: .*a list"),
        (b"{'id': __import__('os').system('false')}", "line 3: .*malformed"),
        (b"{'id': 9 ** 9}", "line 3: .*malformed"),
        (b"{'id': u'1003', 'title'", "line 3"),
        (b"{'id': '\xff'}", "line 3: .*utf-8"),
        (b"{[]: 1}", "line 3: .*unhashable"),
        (b"{'id': " + b"1" * 9_000 + b"}", "line 3"),
        (b"-" * 16_000 + b"1", "line 3"),
        (b"1+" * 8_000 + b"1", "line 3: .*recursion"),
        (b"[" * 101, "line 3: .*more than 100 brackets"),
        (b"{'id': '" + b"x" * (1 << 15) + b"'}", "line 3: more than 16,384 bytes"),
        (repr(game(3, title="")).encode(), "line 3: title ''; expected a text"),
        (repr(game(3, title=7)).encode(), "line 3: title 7"),
        (repr(game(3, tags=["a", 7])).encode(), r"line 3: tags \['a', 7\]; expected a text or a list of texts"),
        (repr(game(3, developer={"a": 1})).encode(), "line 3: developer .*expected a text"),
        (repr(game(99)).encode(), r"steam_games\.json\.gz: no app 1003, which is item 3 in .*steam_item\.json"),
    ],
)
def test_a_bad_line_of_the_crawl_is_named(place, monkeypatch, recwarn, line, message):
    lines = crawl([game(item) for item in range(ITEMS) if item != 3])
    write(place, monkeypatch, CRAWL, [*lines[:2], line, *lines[2:]])
    with pytest.raises(DataError, match=message) as error:
        load_dataset("steam-part")
    assert "steam_games.json.gz" in str(error.value) and len(str(error.value)) < 1_000 and not recwarn.list


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "empty file"),
        ([b'{"iid": 0}'], "line 1: .*expected iid, a whole number, and product_id"),
        ([b'{"iid": true, "product_id": "7"}'], "line 1: .*expected iid"),
        ([b'{"iid": 0, "product_id": "7"}', b'{"iid": 0, "product_id": "8"}'], "line 2: iid 0, app 8; expected iid 1"),
        ([b'{"iid": 0, "product_id": "7"}', b'{"iid": 1, "product_id": "7"}'], "line 2: .*an app not yet named"),
        ([b'{"iid": 0, "product_id": "1000"}'], r"names 1 items, the interactions have 24"),
    ],
)
def test_a_mapper_that_does_not_fit_is_named(place, monkeypatch, lines, message):
    write(place, monkeypatch, MAPPER, lines)
    with pytest.raises(DataError, match=message) as error:
        load_dataset("steam-part")
    assert "steam_item.json" in str(error.value)


@pytest.mark.parametrize("key", [MAPPER, CRAWL, MATRICES["val"]])
def test_a_missing_file_is_named(place, monkeypatch, key):
    (place / key).unlink()
    known = dict(sources.SHA256)
    monkeypatch.setattr(sources, "_known", lambda k, _: sources.RemoteFile(k, "http://127.0.0.1:9/x", known[k]))
    with pytest.raises(DownloadError, match=f"could not get {re.escape(key)}"):
        load_steam_part(progress=False)


def test_a_damaged_crawl_is_named(place, monkeypatch):
    whole = (place / CRAWL).read_bytes()
    (place / CRAWL).write_bytes(whole[: len(whole) // 2])
    monkeypatch.setitem(sources.SHA256, CRAWL, hashlib.sha256(whole[: len(whole) // 2]).hexdigest())
    with pytest.raises(DataError, match=r"steam_games\.json\.gz: damaged .*fetch it again"):
        load_dataset("steam-part")


def test_a_crawl_that_grows_out_of_proportion_is_refused(place, monkeypatch):
    monkeypatch.setattr(steam_fields, "FREE", 1_000)
    write(place, monkeypatch, CRAWL, [b"{}" + b" " * 10_000] * 100)
    with pytest.raises(DataError, match=r"line \d\d?: .*out of proportion"):
        load_dataset("steam-part")


def test_steam_with_its_training_matrix_gets_these_texts(place, monkeypatch):
    data = load_dataset("steam")
    assert data.titles[3] == "Game 3 & more" and data.profiles.item[3].startswith("tags: tag3, Indie")
    assert data.n_items == ITEMS and data.language is None and set(data.source) >= {MAPPER, CRAWL}
    card = data_card(data)
    assert "RLMRec's split" in card["origin"] and "no language model" in card["item texts"]
    without = load_rlmrec("steam", vectors=False)
    assert without.profiles is None and without.titles is None and (without.train != data.train).nnz == 0
    assert load_rlmrec("steam").fingerprint == data.fingerprint != without.fingerprint


def test_texts_of_the_store_are_no_language_models(place):
    data = load_dataset("steam-part")
    assert not steps._published("steam-part", data)  # so a language model is asked for items, too
    assert steps._published("steam-part", data.with_profiles(type(data.profiles)(data.profiles.item, None, "GPT")))


def test_published_settings_of_steam_with_a_lambda_that_is_not():
    part, whole = (paper_settings(name, strategy="mddm") for name in ("steam-part", "steam"))
    assert part.dropout == whole.dropout == 0.2 and part.lam == 0.5
    for model in ("lightgcn", "rlmrec-c", "rlmrec-g", "cvga", "l-diffrec"):
        assert paper_settings("steam-part", model).settings == paper_settings("steam", model).settings
    assert paper_settings("some-part", "rlmrec-c").settings != paper_settings("steam", "rlmrec-c").settings


# --- the real files ---------------------------------------------------------------------------------------------


@pytest.mark.data
def test_steam_part_is_the_documented_one(mirror, tmp_path, monkeypatch):
    monkeypatch.setenv("DMREC_HOME", str(tmp_path))  # made anew, whatever this session's home has
    monkeypatch.setenv("DMREC_MIRROR", str(mirror))
    data = load_dataset("steam-part", progress=False)
    assert (data.n_users, data.n_items) == (17_038, 4_436)
    assert (data.train.nnz, data.valid.nnz, data.test.nnz) == (113_741, 36_699, 36_699)
    assert (data.source["interactions_before"], data.source["interactions_after"]) == (209_732, 187_139)
    assert data.fingerprint == "4ef438222b549d66c5b40e3e7e620be5865d638875642f5e6b2d9c1a0279db63"
    whole = (data.train + data.valid + data.test).tocsr()
    assert min(np.diff(whole.indptr)) >= 5 and min(np.diff(whole.tocsc().indptr)) >= 5
    assert all(data.titles) and all(text.startswith("tags: ") for text in data.profiles.item)
    assert data.titles[data.item_ids.index(2)] == "Heroes & Generals"
    card = data_card(data)
    assert "NOT the paper's Steam" in card["origin"] and "17,038 users, 4,436 items, 187,139" in card["size"]


@pytest.mark.data
def test_the_real_steam_gets_texts_for_all_its_items(mirror, tmp_path):
    for part in ("val", "tst"):
        shutil.copy(mirror / MATRICES[part], tmp_path)
    held_out = [pickle.loads((tmp_path / f"{part}_mat.pkl").read_bytes()).tocsr() for part in ("val", "tst")]
    first_free = ((held_out[0] + held_out[1])[:, :64].toarray() == 0).argmax(axis=1)
    users = np.arange(len(first_free))
    train = sparse.coo_matrix((np.ones(len(users)), (users, first_free)), shape=held_out[0].shape)
    (tmp_path / "trn_mat.pkl").write_bytes(pickle.dumps(train))
    data = load_rlmrec("steam", folder=tmp_path, progress=False)
    assert data.n_items == len(data.titles) == len(data.profiles.item) == 5_237
    assert all(data.titles) and all(data.profiles.item)
    part = load_dataset("steam-part", progress=False)
    assert part.titles == tuple(data.titles[item] for item in part.item_ids)
