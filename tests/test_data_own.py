import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch

from dmrec_core.data import DATASETS, DataError, load_dataset, load_own

GOOD = [("anna", "tea", "train"), ("anna", "pie", "test"), ("bert", "pie", "train"), ("bert", "rye", "valid")]
NUMBERS = [(3, 10, "train"), (3, 2, "test"), (20, 2, "train"), (20, 7, "valid")]
TEXTS = [("tea", "Green tea", "mild"), ("pie", "Apple pie", "warm, with cinnamon"), ("rye", "Rye bread", "dark")]


@pytest.fixture
def put(tmp_path):
    def write(rows, columns=("user", "item", "split"), name="interactions.csv"):
        table = pd.DataFrame(rows, columns=list(columns))
        path = tmp_path / name
        table.to_parquet(path) if path.suffix == ".parquet" else table.to_csv(path, index=False)
        return path

    return write


@pytest.fixture
def put_bytes(tmp_path):
    def write(content, name="interactions.csv"):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_texts_and_interactions_come_in_the_order_of_ids(put, kind):
    data = load_own(
        put(GOOD, name=f"mine.{kind}"), put([*TEXTS, ("jam", "", "unused")], ("item", "title", "text"), f"items.{kind}")
    )
    assert (data.name, data.user_ids, data.item_ids) == ("mine", ("anna", "bert"), ("pie", "rye", "tea"))
    assert data.train.toarray().tolist() == [[0, 0, 1], [1, 0, 0]]
    assert data.valid.toarray().tolist() == [[0, 0, 0], [0, 1, 0]]
    assert data.titles == ("Apple pie", "Rye bread", "Green tea")
    assert data.profiles.item == ("warm, with cinnamon", "dark", "mild") and data.profiles.user is None


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_numbers_are_ordered_by_value(put, kind):
    data = load_own(put(NUMBERS, name=f"n.{kind}"))
    assert data.user_ids == (3, 20) and data.item_ids == (2, 7, 10)


def test_without_a_split_column_users_are_split_by_seed(put):
    rows = [(user, item) for user in range(5) for item in range(10)]
    path = put(rows, ("user", "item"))
    first, again, other = load_own(path), load_own(path), load_own(path, seed=1)
    assert (first.train.nnz, first.valid.nnz, first.test.nnz) == (30, 10, 10)
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_a_repeated_row_counts_once_and_is_counted(put):
    data = load_own(put([*GOOD, GOOD[0], GOOD[0]]))
    assert data.source["duplicates_merged"] == 2 and data.train.nnz == 2


def test_a_byte_order_mark_and_spaces_after_commas_are_fine(put_bytes):
    assert load_own(put_bytes(b"\xef\xbb\xbfuser, item\nann\xc3\xa9, tea\n\n")).user_ids == ("anné",)


def test_a_rating_of_one_everywhere_is_fine(put):
    assert load_own(put([(1, 2, 1.0)], ("user", "item", "rating"), "r.parquet")).train.nnz == 1


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        (
            [("a", "t", "train"), ("a", "p", "dev")],
            ("user", "item", "split"),
            "row 3: split is 'dev', expected tr",
        ),
        (
            [("a", "t", "train"), ("a", "p", "train"), ("a", "t", "test")],
            ("user", "item", "split"),
            "row 4: user a, item t is in test, but in train in row 2: keep one",
        ),
        (
            [("a", "t", "train"), ("b", "p", "test")],
            ("user", "item", "split"),
            r"row 3: user b has no training item \(1 such users\): mark one",
        ),
        (
            [("a", "t", 1), ("a", "p", 4)],
            ("user", "item", "rating"),
            r"row 3: rating is '4', expected 1 .* drop the col",
        ),
        ([("a", "t", 1), ("a", "p", 0)], ("user", "item", "value"), "row 3: value is '0', expected 1"),
        ([("a", "t"), ("", "p")], ("user", "item"), r"row 3: no user \(1 such rows\): fill it in, or drop"),
        (
            [("a", "t")],
            ("user", "colour"),
            r"no column item; it has user, colour\. .*rename the one that holds the item",
        ),
        ([], ("user", "item"), "no rows; expected at least one below the header"),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_bad_interactions_name_file_row_and_value(put, rows, columns, message, kind):
    if kind == "parquet":  # it has no header row, so rows count from 1
        message = message.replace("row 2", "row 1").replace("row 3", "row 2").replace("row 4", "row 3")
    with pytest.raises(DataError, match=rf"interactions\.{kind}.*{message}"):
        load_own(
            put(pd.DataFrame(rows, columns=list(columns), dtype=None if rows else str), columns, f"interactions.{kind}")
        )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file; expected a header and rows"),
        (b"\n\n", "an empty file"),
        (b"user,item\n1,2\n1,\xea\xee\xf4\xe5\n", "row 3: byte 0xea is not UTF-8; save the file with UTF-8"),
        (b"user,item\n1,2\n1,2,3\n", "rows of unequal length .*line 3"),
        (b"user,item\n1,2,3\n1,2,3\n", "rows of unequal length"),
        (b"user,item\n1\n", "row 2: no item"),
        (b"user,item\n1,2\n\n1,3\n", "row 3: no user"),
    ],
)
def test_a_csv_that_cannot_be_read_is_named(put_bytes, content, message):
    with pytest.raises(DataError, match=rf"interactions\.csv.*{message}"):
        load_own(put_bytes(content))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("interactions.pkl", b"cos\nsystem\n(S'true'\ntR.", r"from \.csv or \.parquet, not from \.pkl"),
        ("interactions.parquet", b"PAR1 not really", "not a parquet file"),
        ("interactions.parquet", b"", "not a parquet file"),
    ],
)
def test_other_kinds_of_file_are_refused(put_bytes, name, content, message):
    with pytest.raises(DataError, match=message):
        load_own(put_bytes(content, name))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.csv: no such file"):
        load_own(tmp_path / "nothing.csv")


def test_fractional_ids_are_refused(put):
    with pytest.raises(DataError, match="column user holds double; expected whole numbers or texts: cast it"):
        load_own(put([(1.5, 2)], ("user", "item"), "f.parquet"))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (TEXTS[:2], r"items\.csv: no row for item rye of the interactions \(1 such items\): write its text"),
        ([*TEXTS[:2], ("rye", "Rye", " ")], r"items\.csv, row 4: no text"),
        ([*TEXTS, TEXTS[0]], r"items\.csv, row 5: item tea has a row already; keep one per item"),
    ],
)
def test_bad_item_texts_name_file_row_and_item(put, rows, message):
    with pytest.raises(DataError, match=message):
        load_own(put(GOOD), put(rows, ("item", "title", "text"), "items.csv"))


def rows_of(ids, width=3):
    """A vector for each id that tells which it is."""
    return np.array([[float(number), 1.0, 2.0][:width] for number in ids])


def write_vectors(folder, kind, user=None, item=None, user_ids=(20, 3, 5), item_ids=(7, 10, 2)):
    user = rows_of(user_ids) if user is None else user
    item = rows_of(item_ids) if item is None else item
    if kind == "npz":
        np.savez(folder / "v.npz", user=user, item=item, user_ids=user_ids, item_ids=item_ids)
        return folder / "v.npz"
    if kind == "safetensors":
        ids = {"user_ids": np.array(user_ids), "item_ids": np.array(item_ids)}
        save_file({"user": user, "item": item, **ids}, folder / "v.safetensors")
        return folder / "v.safetensors"
    for side, array, ids in (("user", user, user_ids), ("item", item, item_ids)):
        pd.DataFrame({"id": ids, "vector": list(array)}).to_parquet(folder / f"{side}.parquet")
    return {side: folder / f"{side}.parquet" for side in ("user", "item")}


@pytest.mark.parametrize("kind", ["npz", "safetensors", "parquet"])
def test_vectors_are_put_in_the_order_of_ids(put, tmp_path, kind):
    data = load_own(put(NUMBERS), vectors=write_vectors(tmp_path, kind), embedder="mine")
    assert data.language.user[:, 0].tolist() == [3, 20] and data.language.item[:, 0].tolist() == [2, 7, 10]
    assert data.language.embedder == "mine"
    assert load_own(put(NUMBERS), vectors=write_vectors(tmp_path, kind)).language.embedder == "own vectors"


def test_a_file_of_vectors_says_what_made_them(put, tmp_path):
    arrays = {"user": rows_of(range(21)), "item": rows_of(range(11))}
    np.savez(tmp_path / "v.npz", **arrays, embedder=np.array("ada, profiles by me"))
    save_file(arrays, tmp_path / "v.safetensors", metadata={"embedder": "ada, profiles by me"})
    np.savez(tmp_path / "odd.npz", **arrays, embedder=np.arange(3))
    named = {"v.npz": "ada, profiles by me", "v.safetensors": "ada, profiles by me", "odd.npz": "own vectors"}
    for file, name in named.items():
        assert load_own(put(NUMBERS), vectors=tmp_path / file).language.embedder == name


def test_npy_rows_belong_to_whole_number_ids(put, tmp_path):
    for side, size in (("user", 21), ("item", 11)):
        np.save(tmp_path / f"{side}.npy", rows_of(range(size)))
    data = load_own(put(NUMBERS), vectors={side: tmp_path / f"{side}.npy" for side in ("user", "item")})
    assert data.language.user[:, 0].tolist() == [3, 20] and data.language.item[:, 0].tolist() == [2, 7, 10]


@pytest.mark.parametrize("kind", ["npz", "safetensors", "parquet"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"user": rows_of([20, 3, np.nan])}, "user vectors: row 2, column 0 is nan"),
        ({"item": np.zeros((3, 3))}, "item vectors: row 0 is all zeros"),
        ({"item_ids": (7, 10, 3)}, r"no vector for item 2 \(1 such items\)"),
        ({"item_ids": (7, 7, 2)}, "rows 0 and 1 are both item 7"),
        ({"item": rows_of([7, 10, 2], width=2)}, "user vectors have 3 columns, item vectors 2"),
    ],
)
def test_bad_vectors_name_file_and_row(put, tmp_path, kind, changes, message):
    with pytest.raises(DataError, match=message):
        load_own(put(NUMBERS), vectors=write_vectors(tmp_path, kind, **changes))


def test_vectors_that_do_not_belong_are_named(put, tmp_path):
    numbers = put(NUMBERS)
    np.savez(tmp_path / "short.npz", user=rows_of(range(21)), item=rows_of(range(5)))
    with pytest.raises(DataError, match=r"short\.npz: item id 7 is out of range, the item vectors have rows 0 to 4"):
        load_own(numbers, vectors=tmp_path / "short.npz")
    with pytest.raises(DataError, match=r"user ids are texts like 'anna'; name each row's in user_ids"):
        load_own(put(GOOD, name="words.csv"), vectors=tmp_path / "short.npz")
    np.savez(tmp_path / "ids.npz", user=rows_of(range(21)), item=rows_of(range(5)), user_ids=[3, 20])
    with pytest.raises(DataError, match="2 user_ids for 21 user vectors"):
        load_own(numbers, vectors=tmp_path / "ids.npz")
    np.savez(tmp_path / "half.npz", user=rows_of(range(21)))
    with pytest.raises(DataError, match="no array 'item'; it has user, expected 'user' and 'item'"):
        load_own(numbers, vectors=tmp_path / "half.npz")
    with pytest.raises(DataError, match="no file for item"):
        load_own(numbers, vectors={"user": tmp_path / "u.npy"})


@pytest.mark.parametrize("name", ["v.npz", "v.safetensors", "v.npy", "v.parquet", "v.pkl"])
def test_damaged_vector_files_are_named(put, put_bytes, name):
    path = put_bytes(b"\x80\x04not vectors", name)
    vectors = {"user": path, "item": path} if path.suffix in (".npy", ".parquet") else path
    with pytest.raises(DataError, match=name.replace(".", r"\.")):
        load_own(put(NUMBERS), vectors=vectors)


def test_vectors_of_objects_are_never_unpickled(put, tmp_path):
    np.save(tmp_path / "v.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"v\.npy: vectors that cannot be read .*allow_pickle=False"):
        load_own(put(NUMBERS), vectors={"user": tmp_path / "v.npy", "item": tmp_path / "v.npy"})


def test_a_folder_is_read_as_a_whole(put, tmp_path):
    put(NUMBERS)
    put([(2, "a"), (7, "b"), (10, "c")], ("item", "text"), "items.csv")
    write_vectors(tmp_path, "npz").rename(tmp_path / "vectors.npz")
    data = load_dataset(tmp_path)
    assert data.name == tmp_path.name and data.language.dim == 3 and data.profiles.item == ("a", "b", "c")
    assert data.titles is None
    put(NUMBERS, name="interactions.parquet")
    with pytest.raises(DataError, match=r"both interactions\.csv and interactions\.parquet; keep one"):
        load_dataset(str(tmp_path))


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no interactions\.csv or interactions\.parquet"):
        load_dataset(tmp_path)


def test_load_dataset_passes_options_on():
    assert load_dataset("toy", n_users=30, n_items=40).n_items == 40


@pytest.mark.parametrize(("name", "close"), [("yelp-xrek", "yelp-xrec"), ("amazn", "amazon"), ("stem", "steam")])
def test_an_unknown_name_lists_what_there_is(name, close):
    with pytest.raises(ValueError, match=f"'{name}'.*Did you mean .*{close}") as error:
        load_dataset(name)
    assert all(known in str(error.value) for known in DATASETS)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_vectors_are_read(put, tmp_path, kind):
    sides = {side: torch.arange(1.0, 43).reshape(21, 2).to(kind) for side in ("user", "item")}
    save_torch(sides, tmp_path / "v.safetensors")
    language = load_own(put(NUMBERS), vectors=tmp_path / "v.safetensors").language
    assert language.user[0].tolist() == [7.0, 8.0] and language.user.dtype == np.float32
