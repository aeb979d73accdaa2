"""RLMRec's and XRec's layouts, on small files written here and on the real ones."""

import pickle
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from dmrec_core.data import rlmrec_language
from dmrec_core.data.core import keep_core
from dmrec_core.data.dataset import DataError
from dmrec_core.data.download import DownloadError
from dmrec_core.data.rlmrec import load_rlmrec
from dmrec_core.data.safe_pickle import UnsafePickleError
from dmrec_core.data.sources import RemoteFile
from dmrec_core.data.xrec import load_xrec

MATRICES = ("trn_mat.pkl", "val_mat.pkl", "tst_mat.pkl")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DMREC_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DMREC_MIRROR", raising=False)
    return tmp_path / "home"


def write_matrices(folder, n_users=4, n_items=6):
    folder.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(0).permuted(np.tile(np.arange(n_items), (n_users, 1)), axis=1)
    for place, name in enumerate(MATRICES):
        matrix = sparse.coo_matrix(
            (np.full(n_users, 2.0), (np.arange(n_users), order[:, place])), shape=(n_users, n_items)
        )
        (folder / name).write_bytes(pickle.dumps(matrix))
    return folder


def language_files(n_users=4, n_items=6, width=5):
    rng = np.random.default_rng(1)
    profile = {"profile": "likes tea", "reasoning": "because"}
    return {
        "usr_emb_np.pkl": pickle.dumps(rng.normal(size=(n_users, width))),
        "itm_emb_np.pkl": pickle.dumps(rng.normal(size=(n_items, width))),
        "usr_prf.pkl": pickle.dumps({number: profile for number in range(n_users)}),
        "itm_prf.pkl": pickle.dumps([profile] * n_items),
    }


def put(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def test_own_copies_are_read_from_a_folder(home, tmp_path):
    folder = put(write_matrices(tmp_path / "own"), language_files())
    data = load_rlmrec("amazon", folder=folder)
    assert (data.n_users, data.n_items, data.train.nnz) == (4, 6, 4)
    assert data.train.data.tolist() == [1.0] * 4  # a stored 2 is an interaction
    assert data.language.embedder == "text-embedding-ada-002" and data.language.user.dtype == np.float32
    assert data.profiles.user == ("likes tea",) * 4 and data.profiles.source == "gpt-3.5-turbo (RLMRec)"
    assert data.fingerprint == load_rlmrec("amazon", folder=folder).fingerprint  # the second time from the conversion
    assert set(data.source) >= {*MATRICES, *language_files()}
    assert load_rlmrec("amazon", vectors=False, folder=folder).language is None


def test_without_vectors_at_hand_none_are_used_and_none_fetched(home, tmp_path, monkeypatch):
    monkeypatch.setattr(rlmrec_language, "fetch", lambda *_: pytest.fail("the archive is never fetched unasked"))
    data = load_rlmrec("yelp", folder=write_matrices(tmp_path / "own"))
    assert data.language is None and data.profiles is None


def test_vectors_in_the_cache_are_found(home, tmp_path):
    put(home / "raw/rlmrec/steam", language_files())
    assert load_rlmrec("steam", folder=write_matrices(tmp_path / "own")).language.dim == 5


def test_vectors_are_taken_out_of_the_archive_on_request(home, tmp_path, monkeypatch):
    (tmp_path / "mirror/rlmrec").mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / "mirror/rlmrec/data.zip", "w") as archive:
        for name, content in language_files().items():
            archive.writestr(f"some/data/amazon/{name}", content)
            archive.writestr(f"some/data/yelp/{name}", b"other")
    monkeypatch.setenv("DMREC_MIRROR", str(tmp_path / "mirror"))
    data = load_rlmrec("amazon", vectors=True, folder=write_matrices(tmp_path / "own"))
    assert data.language.dim == 5 and data.profiles.item == ("likes tea",) * 6
    shutil.rmtree(tmp_path / "mirror")
    assert load_rlmrec("amazon", folder=tmp_path / "own").language.dim == 5


def test_an_archive_that_cannot_be_had_says_so(home, tmp_path, monkeypatch):
    monkeypatch.setattr(
        rlmrec_language, "rlmrec_archive", lambda: RemoteFile("rlmrec/data.zip", "http://127.0.0.1:9/data.zip")
    )
    with pytest.raises(DownloadError, match=r"could not get rlmrec/data\.zip"):
        load_rlmrec("amazon", vectors=True, folder=write_matrices(tmp_path / "own"), progress=False)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"usr_emb_np.pkl": language_files()["usr_emb_np.pkl"]},
            r"usr_emb_np\.pkl is there but itm_emb_np\.pkl is not",
        ),
        (
            language_files() | {"usr_emb_np.pkl": pickle.dumps(np.full((4, 5), np.nan))},
            r"usr_emb_np\.pkl: row 0, .* nan",
        ),
        (language_files() | {"itm_emb_np.pkl": pickle.dumps(np.zeros((6, 5)))}, r"itm_emb_np\.pkl: row 0 is all zeros"),
        (language_files(n_items=7), "7 item profiles, expected 6"),
        (language_files() | {"itm_prf.pkl": pickle.dumps({1: {"profile": "x"}})}, r"itm_prf\.pkl: no entry 0"),
        (language_files() | {"itm_prf.pkl": pickle.dumps("x")}, r"itm_prf\.pkl: a str, expected profiles"),
        ({"val_mat.pkl": pickle.dumps(sparse.coo_matrix(np.eye(3)))}, r"val_mat\.pkl: shape \(3, 3\), but trn_mat"),
        ({"val_mat.pkl": pickle.dumps(np.eye(3))}, r"val_mat\.pkl: holds a .*expected a scipy sparse matrix"),
    ],
)
def test_what_does_not_fit_names_its_file(home, tmp_path, files, message):
    folder = put(write_matrices(tmp_path / "own"), files)
    with pytest.raises(DataError, match=message):
        load_rlmrec("amazon", folder=folder)


def test_two_of_three_matrices_are_not_enough(home, tmp_path):
    (write_matrices(tmp_path / "own") / "tst_mat.pkl").unlink()
    with pytest.raises(DataError, match=r"no tst_mat\.pkl; put all three"):
        load_rlmrec("amazon", folder=tmp_path / "own")


def write_xrec(folder, n_users=30, n_items=20):
    """Small files in XRec's layout: original ids are 10 times the new ones, one item has no profile."""
    rng = np.random.default_rng(3)
    pairs = pd.DataFrame([(10 * u, 10 * i) for u in range(n_users) for i in rng.permutation(n_items)[:10]])
    pairs.columns = ["user", "item"]
    profiled = 10 * np.arange(n_items - 1)
    table = pd.DataFrame({"uid": profiled, "iid": profiled})
    for column in ("title", "user_summary", "item_summary", "explanation"):
        table[column] = pd.Series([f"{column} of {item}" for item in profiled], dtype=object)
    table.columns = pd.Index(list(table), dtype=object)
    folder.mkdir(parents=True)
    (folder / "tst.pkl").write_bytes(pickle.dumps(table))
    for start, name in enumerate(("total_trn.csv", "total_val.csv", "total_tst.csv")):
        pairs[start::2].to_csv(folder / name, index=False)  # val and tst overlap with trn: the union counts once
    return pairs


@pytest.fixture
def google(home, tmp_path, monkeypatch):
    monkeypatch.setenv("DMREC_MIRROR", str(tmp_path / "mirror"))
    return write_xrec(tmp_path / "mirror/xrec/amazon")


def test_the_xrec_recipe_on_a_small_file(google, tmp_path):
    data = load_xrec("amazon")
    profiled = google[google["item"] != 190]
    assert data.source["interactions_before"] == 300 and data.source["interactions_with_profile"] == len(profiled)
    core = keep_core(profiled, 5)
    assert data.source["interactions_after"] == len(core) == data.summary()["interactions"]
    assert data.item_ids == tuple(sorted(set(core["item"]))) and data.user_ids == tuple(sorted(set(core["user"])))
    whole = (data.train + data.valid + data.test).tocoo()
    found = {(data.user_ids[u], data.item_ids[i]) for u, i in zip(whole.row, whole.col, strict=True)}
    assert found == set(core.itertuples(index=False, name=None))
    assert data.titles[2] == f"title of {data.item_ids[2]}"
    assert data.profiles.item[2] == f"item_summary of {data.item_ids[2]}" and data.profiles.user is None
    shutil.rmtree(tmp_path / "mirror")
    assert load_xrec("amazon").fingerprint == data.fingerprint  # from the conversion, nothing else needed


def test_the_core_is_stable():
    pairs = pd.DataFrame({"user": [0, 0, 1, 1, 2, 2, 3], "item": [0, 1, 0, 1, 1, 2, 3]})
    core = keep_core(pairs, 2)
    assert sorted(core.itertuples(index=False, name=None)) == [(0, 0), (0, 1), (1, 0), (1, 1)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("total_val.csv", b"", r"total_val\.csv: expected whole numbers in columns user and item"),
        ("total_val.csv", b"user,thing\n1,2\n", "columns user and item"),
        ("total_val.csv", b"user,item\n1,x\n", "expected whole numbers"),
        ("tst.pkl", b"", r"tst\.pkl"),
        ("tst.pkl", b"cos\nsystem\n(S'true'\ntR.", r"tst\.pkl: the pickle names os\.system"),
    ],
)
def test_a_wrong_xrec_file_is_named(google, tmp_path, name, content, message):
    (tmp_path / "mirror/xrec/amazon" / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        load_xrec("amazon")
    assert isinstance(error.value, UnsafePickleError) == ("os" in message)


@pytest.mark.parametrize("load", [load_rlmrec, load_xrec])
def test_an_unknown_name_is_refused(load):
    with pytest.raises(ValueError, match=r"amazon.*got 'netflix'"):
        load("netflix")


@pytest.mark.data
def test_yelp_xrec_is_the_documented_one(mirror, home, monkeypatch):
    monkeypatch.setenv("DMREC_MIRROR", str(mirror))
    data = load_xrec("yelp", progress=False)
    assert (data.n_users, data.n_items) == (9_250, 2_466)
    assert (data.train.nnz, data.valid.nnz, data.test.nnz) == (61_804, 20_009, 20_009)
    assert min(np.diff((data.train + data.valid + data.test).tocsr().indptr)) >= 5
    assert all(data.titles) and all(data.profiles.item)
    monkeypatch.delenv("DMREC_MIRROR")
    assert load_xrec("yelp").fingerprint == data.fingerprint


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "users", "items", "interactions"),
    [("amazon", 11_000, 9_332, (120_464, 40_290, 40_106)), ("yelp", 11_091, 11_010, (166_620, 55_479, 55_436))],
)
def test_the_papers_interactions(mirror, home, monkeypatch, name, users, items, interactions):
    monkeypatch.setenv("DMREC_MIRROR", str(mirror))
    data = load_rlmrec(name, vectors=False, progress=False)
    assert (data.n_users, data.n_items) == (users, items)
    assert (data.train.nnz, data.valid.nnz, data.test.nnz) == interactions
    monkeypatch.delenv("DMREC_MIRROR")
    assert load_rlmrec(name).fingerprint == data.fingerprint
