"""Own data as people have them: their columns, delimiters, encodings, ids, ratings and times."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dmrec_core.data import DataError, load_own
from dmrec_core.data.ids import clean_id


@pytest.fixture
def write(tmp_path):
    def put(name, content, encoding="utf-8"):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return tmp_path / name

    return put


def likes(data):
    """(user, item) pairs of all splits, by the user's own ids."""
    users, items = (data.train + data.valid + data.test).nonzero()
    return {(data.user_ids[u], data.item_ids[i]) for u, i in zip(users, items, strict=True)}


# --- what people have -------------------------------------------------------------------------------------------

SHAPES = {
    "movielens": (
        {
            "ratings.csv": "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n1,3,2.5,964981247\n2,1,3.0,964982224\n",
            "movies.csv": 'movieId,title,genres\n1,"Toy Story, The (1995)",Adventure|Animation\n3,Heat (1995),Crime\n',
            "tags.csv": "userId,movieId,tag,timestamp\n1,1,fun,964982703\n",
        },
        {"min_rating": 3},
        {(1, 1), (2, 1)},
        ("Toy Story, The (1995)",),
    ),
    "movielens-1m": (
        {
            "ratings.dat": "1::1193::5::978300760\n1::661::2::978302109\n2::661::3::978298413\n",
            "movies.dat": b"661::James, \xe9tudiant (1996)::Animation|Musical\n1193::One; Two (1975)::Drama\n",
        },
        {"min_rating": 3},
        {(1, 1193), (2, 661)},
        ("James, étudiant (1996)", "One; Two (1975)"),
    ),
    "lastfm": (
        {
            "user_artists.dat": "userID\tartistID\tweight\n2\t51\t13883\n2\t52\t11690\n4\t51\t228\n",
            "artists.dat": 'id\tname\turl\tpictureURL\n51\t"Weird Al" Yankovic\thttp://x\t\n52\t"Heroes\thttp://y\t\n',
        },
        {"min_rating": 1},
        {(2, 51), (2, 52), (4, 51)},
        ('"Weird Al" Yankovic', '"Heroes'),
    ),
    "user-artist-plays": (
        {
            "plays.tsv": "user\tartist\tplays\n00a\tbj\u00f6rk\t12\n00b\tboards of canada\t1\n",
            "artists.tsv": "artist\tdescription\nbj\u00f6rk\tsings\nboards of canada\thums\n",
        },
        {"min_rating": "plays=2"},
        {("00a", "björk")},
        None,
    ),
    "shop": (
        {
            "orders.csv": "order_id,Customer ID,product,quantity,price,date\n17,C-1,P9,2,9.99,2024-05-01\n"
            "19,C-1,P8,1,4.50,2024-05-02\n23,C-2,P9,1,9.99,2024-05-02\n31,C-2,P9,-1,9.99,2024-05-03\n",
            "products.csv": "SKU,Product Name,Description,price\nP8,Mug,A mug.,4.5\nP9,Pot,A pot.,9.99\n",
        },
        {"min_rating": "quantity=1"},
        {("C-1", "P9"), ("C-1", "P8")},
        ("Mug", "Pot"),
    ),
    "spreadsheet": (
        {
            "interactions.csv": "sep=;\r\nUser;Item;Stars;\r\nAnna;Tee;4,5;\r\nBjörn;Tee;2;\r\n"
            "Anna\u00a0;Käse;3;\r\n;;;\r\n".encode("cp1252"),
            "items.csv": "item;title;text;\r\nTee;Tee;grün;\r\nKäse;Käse;gelb, „alt“;\r\n".encode("utf-16"),
        },
        {"min_rating": 3},
        {("Anna", "Tee"), ("Anna", "Käse")},
        ("Käse", "Tee"),
    ),
    "likes-with-other-columns": (
        {"interactions.csv": ",user,item,age\n0,a,x,31\n1,b,x,47\n"},
        {"min_rating": "none"},
        {("a", "x"), ("b", "x")},
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_what_people_have_is_read_as_they_mean_it(write, tmp_path, shape):
    files, options, expected, titles = SHAPES[shape]
    for name, content in files.items():
        write(name, content)
    data = load_own(tmp_path, **options)
    assert likes(data) == expected
    assert data.titles == titles


def test_what_was_decided_is_said(write, tmp_path, capsys):
    for name, content in SHAPES["shop"][0].items():
        write(name, content)
    data = load_own(tmp_path, min_rating="quantity=1")
    said = capsys.readouterr().err
    assert said.startswith(f"{tmp_path / 'orders.csv'}: ") and said.count("\n") == 1
    for word in (
        "Customer ID read as user, product read as item",
        "quantity is 1 or more in 3 of 4 rows, the likes",
        "1 pairs have rows on both sides of that: the last row counts",
        "1 users without a like left out",
        "ignored: order_id, price",
        "timestamp ignored (--split time splits by it)",
        "products.csv SKU read as item, Product Name read as title, Description read as text",
    ):
        assert word in said and word in data.source["read"]
    assert load_own(write("plain.csv", "user,item\na,b\n")).source.get("read") is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("user_id,movieId,movie\n1,2,Heat\n", None),
        ("userId,item\n1,2\n", None),
        ("Item No,user\n1,2\n", r"no column item; it has Item No, user.* rename the one that holds the item to item"),
        ("productCode,asin,user\n1,2,3\n", "columns productCode, asin could each be the item: call one of them item"),
        ("user,user,item\n1,2,3\n", "two columns are called 'user'"),
        ("user,User,item\n1,2,3\n", "columns user, User could each be the user: call one of them user"),
        ("user,item,note\n1,2,x\n1,3\n", "row 3: fewer cells than columns, 2 \\(1 such rows\\): is one missing"),
        (
            "196\t242\t3\t881250949\n1\t2\t3\t4\n",
            "no column user, item; it has 196, 242, .*: that looks like data, so write a line above that names each",
        ),
    ],
)
def test_columns_go_by_many_names(write, content, message):
    path = write("interactions.tsv" if "\t" in content else "interactions.csv", content)
    if message is None:
        assert len(likes(load_own(path))) == 1
    else:
        with pytest.raises(DataError, match=message):
            load_own(path)


# --- encodings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_and_encoding_are_found(write, encoding, delimiter):
    rows = [("user", "item"), ("André", "tea"), ("Zoë", "pie")]
    path = write("interactions.csv", "\r\n".join(delimiter.join(row) for row in rows), encoding)
    assert likes(load_own(path)) == set(rows[1:])


@pytest.mark.parametrize("encoding", ["cp1251", "gbk", "shift-jis", "cp1253", "koi8-r"])
def test_other_encodings_are_refused_and_not_guessed(write, encoding):
    word = {"gbk": "绿茶好喝", "shift-jis": "ありがとう", "cp1253": "καλημέρα"}.get(encoding, "привет")
    with pytest.raises(DataError, match=r"row 2: byte 0x\w\w is not UTF-8; save the file with UTF-8"):
        load_own(write("interactions.csv", f"user,item\n1,{word}\n", encoding))


def test_damaged_utf8_is_not_taken_for_another_encoding(write):
    with pytest.raises(DataError, match="row 3: byte 0xc3 is not UTF-8"):
        load_own(write("interactions.csv", "user,item\n1,thé\n1,café".encode()[:-1]))


# --- ids --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        "anna ",
        " anna",
        "anna\u00a0",
        "\u2003anna",
        "anna\u200b",
        "\ufeffanna",
        "an\u200bna",
        "anna\u200e",
        "\tanna\u3000",
    ],
)
def test_one_user_however_it_is_typed(write, other):
    assert load_own(write("interactions.csv", f'user,item\nanna,x\n"{other}",y\n')).user_ids == ("anna",)


def test_composed_and_decomposed_are_one_and_case_is_kept(write):
    path = write("interactions.csv", "user,item\nZo\u00eb,x\nZoe\u0308,y\nzo\u00eb,x\n")
    assert load_own(path).user_ids == ("Zo\u00eb", "zo\u00eb")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_items_vectors_and_interactions_mean_the_same_ids(write, tmp_path, kind):
    rows = pd.DataFrame({"user": ["7.0", "8"], "item": ["a ", "b\u00a0"]})
    texts = pd.DataFrame({"item": ["b", "\u200ba"], "title": ["B", "A"]})
    for name, table in (("interactions", rows), ("items", texts)):
        path = tmp_path / f"{name}.{kind}"
        table.to_csv(path, index=False) if kind == "csv" else table.to_parquet(path)
    ids = {"user_ids": np.array([8.0, 7.0]), "item_ids": np.array(["b ", "a"])}
    np.savez(tmp_path / "vectors.npz", user=np.array([[8.0], [7.0]]), item=np.array([[2.0], [1.0]]), **ids)
    data = load_own(tmp_path)
    assert (data.user_ids, data.item_ids, data.titles) == ((7, 8), ("a", "b"), ("A", "B"))
    assert data.language.user[:, 0].tolist() == [7, 8] and data.language.item[:, 0].tolist() == [1, 2]


@pytest.mark.parametrize(
    "missing", ["nan", "NaN", "NULL", "None", "<NA>", "\\N", "N/A", "na", "\u00a0", "#N/A", "(null)"]
)
@pytest.mark.parametrize("column", ["user", "item"])
def test_a_missing_id_is_no_id(write, missing, column):
    rows = [("user", "item"), ("1", "2"), (missing, "2") if column == "user" else ("1", missing)]
    path = write("interactions.csv", "\n".join(",".join(row) for row in rows))
    with pytest.raises(
        DataError, match=rf"interactions\.csv, row 3: no {column}.*\(1 such rows\): fill it in, or drop"
    ):
        load_own(path)


def test_a_number_has_one_spelling(write):
    path = write("interactions.csv", 'user,item\n1,9\n1.0,8\n"1",7\n2,9\n')
    assert load_own(path).user_ids == (1, 2)
    with pytest.raises(DataError, match="row 4: user '001', but '1' in row 2: one number in two spellings"):
        load_own(write("interactions.csv", "user,item\n1,9\n2,9\n001,8\n"))
    assert load_own(write("interactions.csv", "user,item\n001,9\n002,8\n")).user_ids == ("001", "002")
    with pytest.raises(DataError, match=r"row 2: item '9\.78014E\+12' is a long number that a spreadsheet has rounded"):
        load_own(write("interactions.csv", "user,item\n1,9.78014E+12\n"))
    long = "9" * 5000
    assert load_own(write("interactions.csv", f"user,item\n1,{long}\n2,12345678901234567890123\n")).item_ids[-1] == long


def test_an_open_quote_is_named(write):
    with pytest.raises(DataError, match=r"row 3: item .* holds a line break; is a quote left open"):
        load_own(write("interactions.csv", 'user,item\n1,2\n1,"3\n2,4\n3,5"\n'))


def test_text_after_a_closing_quote_is_named(write):
    with pytest.raises(DataError, match=r"csv, row 4: a cell that cannot be read .*close its quote, and double"):
        load_own(write("interactions.csv", 'user,item,note\n1,"a ""b"", c",x\n1,c"d,x\n2,"3,"he said ""x"", twice"\n'))


def test_clean_ids_stay_clean():
    for text in (" a\u00a0b ", "e\u0301", "17.00", "-3.0", "1.0.0", "\u200ba\u200b", "x"):
        assert clean_id(clean_id(text)) == clean_id(text)


@pytest.mark.parametrize("kind", ["category", "Int64", "uint64", "float64", "string", "object"])
def test_parquet_ids_of_any_plain_kind(tmp_path, kind):
    big = 2**60 if kind in ("Int64", "uint64") else 2**50
    ids = [1, big, 1] if kind not in ("string", "object") else ["1", str(big), "1"]
    table = pd.DataFrame({"user": pd.Series(ids).astype(kind), "item": [1, 2, 3]})
    table.to_parquet(tmp_path / "interactions.parquet")
    assert load_own(tmp_path).user_ids == (1, big)


@pytest.mark.parametrize(
    "ids", [[1.0, None], [None, "a"], pd.array([1, None], dtype="Int64"), pd.Categorical([None, "a"])]
)
def test_a_missing_id_in_parquet_is_named(tmp_path, ids):
    pd.DataFrame({"user": ids, "item": [1, 2]}).to_parquet(tmp_path / "interactions.parquet")
    with pytest.raises(DataError, match=r"interactions\.parquet, row [12]: no user \(1 such rows\)"):
        load_own(tmp_path)


# --- likes and dislikes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("label", [0, 1, 1]), ("Label", [1, 0, 1]), ("stars", [1, 5, 3]), ("Rating", [4, 5, 5]),
        ("user_rating", [2, 1, 1]),
        ("liked", ["True", "False", "True"]), ("event", ["view", "buy", "buy"]), ("thumbs", ["up", "down", "up"]),
        ("score", ["", "1", "1"]), ("whatever", [0.5, 1, 1]), ("price", [3, 4, 4]), ("hue", ["yes", "no", "yes"]),
    ],
)  # fmt: skip
def test_a_dislike_is_not_a_like(write, column, values):
    rows = "\n".join(f"u{k},x,{value}" for k, value in enumerate(values))
    path = write("interactions.csv", f"user,item,{column}\n{rows}\n")
    with pytest.raises(DataError, match=rf"csv, row [23]: {column} is .*expected 1 .*it holds .*--min-rating"):
        load_own(path)
    assert len(likes(load_own(path, min_rating="none"))) == 3


@pytest.mark.parametrize(("values", "word"), [((0, 1), "--min-rating 1 "), ((1, 5), "--min-rating 3 ")])
def test_the_threshold_that_is_proposed_fits(write, values, word):
    path = write("interactions.csv", "user,item,label\n" + "".join(f"a,{value},{value}\n" for value in values))
    with pytest.raises(DataError, match=word):
        load_own(path)


def test_what_is_one_throughout_and_what_is_no_number_is_fine(write):
    path = write("interactions.csv", "user,item,Rating,liked,note,no\na,x,1.0,true,nice,1\nb,x,1,TRUE,3rd,2\n")
    pd.DataFrame({"user": ["a", "b"], "item": ["x", "x"]}, index=[3, 17]).to_csv(path.with_name("kept.csv"))
    assert "ignored: column 1" in load_own(path.with_name("kept.csv")).source["read"], "an index is no rating"
    data = load_own(path)
    assert likes(data) == {("a", "x"), ("b", "x")} and "ignored: note, no" in data.source["read"]


@pytest.mark.parametrize(
    ("content", "threshold", "expected"),
    [
        ("user,item,stars\na,x,3\na,y,2.99\nb,x,5\n", 3, {("a", "x"), ("b", "x")}),
        ("user;item;stars\na;x;3,5\na;y;3,4\n", 3.5, {("a", "x")}),
        ("user,item,like\na,x,true\na,y,false\n", 1, {("a", "x")}),
        ("user,item,played\na,x,3\na,y,1\n", 2, {("a", "x")}),
        ("user,item,stars,plays\na,x,3,1\na,y,1,9\n", "plays=2", {("a", "y")}),
        ("user,item,stars\na,x,5\na,x,1\na,y,1\na,y,4\n", 3, {("a", "y")}),
    ],
)
def test_a_threshold_says_what_a_like_is(write, content, threshold, expected):
    assert likes(load_own(write("interactions.csv", content), min_rating=threshold)) == expected


@pytest.mark.parametrize(
    ("content", "threshold", "message"),
    [
        ("user,item\na,x\n", 3, "no column of ratings for min_rating; it has user, item"),
        ("user,item,stars\na,x,3\n", "plays=3", "no column plays for min_rating; it has user, item, stars"),
        ("user,item,stars,plays\na,x,3,2\n", 3, "columns stars, plays could each be the rating: say which"),
        ("user,item,stars\na,x,3\na,y,five\n", 3, "row 3: stars is 'five', expected a number"),
        ("user,item,stars\na,x,3\na,y,inf\n", 3, "row 3: stars is 'inf', expected a number"),
        ("user,item,stars\na,x,1\na,y,2\n", 3, "no row has a stars of 3 or more; it holds '1', '2'"),
        ("user,item,stars\na,x,5\na,x,1\n", 3, "no like is left"),
        ("user,item,stars\na,x,5\n", "nan", "min_rating is 'nan', expected a number, COLUMN=NUMBER, or 'none'"),
        ("user,item,stars\na,x,5\n", True, "min_rating is True"),
        ("user,item,stars\na,x,5\n", "stars=", "min_rating is 'stars='"),
    ],
)
def test_a_threshold_that_does_not_fit_is_named(write, content, threshold, message):
    with pytest.raises(DataError, match=message):
        load_own(write("interactions.csv", content), min_rating=threshold)


# --- splits -----------------------------------------------------------------------------------------------------


def by_user(data):
    """(user, split) -> items, by the user's own ids."""
    found = {}
    for split in ("train", "valid", "test"):
        for u, i in zip(*getattr(data, split).nonzero(), strict=True):
            found.setdefault((data.user_ids[u], split), set()).add(data.item_ids[i])
    return found


@pytest.mark.parametrize("user", ["number", "text"])
def test_a_split_depends_on_that_user_alone(write, user):
    r = np.random.default_rng(0)
    rows = [(u if user == "number" else f"u{u}", int(i)) for u in range(30) for i in r.choice(50, 3 + u % 9, False)]

    def split(rows, **options):
        lines = [f"{u},{i}" for u, i in rows]
        return by_user(load_own(write("interactions.csv", "\n".join(["user,item", *lines])), **options))

    before = split(rows)
    for gone in (rows[0][0], rows[-1][0]):
        left = {key: items for key, items in before.items() if key[0] != gone}
        assert split([row for row in rows if row[0] != gone]) == left
    assert split(rows[::-1]) == before, "nor on the order of rows"
    added = split([*rows, ("zoe", "a"), ("zoe", "b"), ("zoe", "c")])  # ids are texts now, in another order
    assert {key: {int(i) for i in items} for key, items in added.items() if key[0] != "zoe"} == {
        (str(u), name): items for (u, name), items in before.items()
    }
    assert split(rows, seed=1) != before and split(rows, seed=np.int64(2024)) == before


def test_held_out_sizes_are_the_kits(write):
    for n, held_out in ((2, 0), (3, 1), (7, 1), (8, 2), (10, 2), (13, 3)):
        rows = "\n".join(f"u,{i}" for i in range(n))
        data = load_own(write("interactions.csv", f"user,item\n{rows}\n"))
        assert (data.train.nnz, data.valid.nnz, data.test.nnz) == (n - 2 * held_out, held_out, held_out)


TIMES = {
    "seconds": [f"{964982703 + 10 * k}" for k in range(10)],
    "milliseconds": [f"{964982703000 + 10 * k}" for k in range(10)],
    "floats": [f"{9649827.5 + k}" for k in range(10)],
    "dates": [f"2024-02-{20 + k}" for k in range(9)] + ["2024-03-01"],
    "zones": [f"2024-02-20T{k:02}:00:00+0{k % 3}:00" for k in range(3, 13)],
    "blank between": [f"2024-02-20 0{k}:30:00" for k in range(10)],
}


@pytest.mark.parametrize("times", TIMES)
def test_a_split_by_time_holds_out_the_newest(write, times):
    rows = [f"u,{k},{time}" for k, time in enumerate(TIMES[times])]
    order = sorted(range(10), key=lambda k: pd.Timestamp(TIMES[times][k])) if times == "zones" else list(range(10))
    path = write("interactions.csv", "\n".join(["user,item,timestamp", *rows[::2], *rows[1::2]]))
    expected = {("u", "train"): set(order[:6]), ("u", "valid"): set(order[6:8]), ("u", "test"): set(order[8:])}
    data = load_own(path, split="time")
    assert by_user(data) == expected and data.source["read"] == "split by timestamp, each user's newest held out"
    data = load_own(path)
    assert by_user(data) != expected and "timestamp ignored (--split time splits by it)" in data.source["read"]


def test_times_come_from_parquet_too_and_an_item_is_as_old_as_its_first_row(tmp_path):
    days = pd.date_range("2024-01-01", periods=5)
    pd.DataFrame({"user": 1, "item": [1, 2, 3, 4, 1], "date": days}).to_parquet(tmp_path / "interactions.parquet")
    assert by_user(load_own(tmp_path, split="time")) == {(1, "train"): {1, 2}, (1, "valid"): {3}, (1, "test"): {4}}


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (["964982703", "964982704", "soon"], "row 4: timestamp is 'soon', expected a number, as in the other rows"),
        (["964982703", "964982704", "964982705000"], "row 4: timestamp is '964982705000', expected seconds"),
        (["964982703", "964982704", ""], "row 4: timestamp is '', expected a number"),
        (["964982703", "-1", "964982704"], "row 3: timestamp is '-1', expected a number"),
        (
            ["2024-01-01", "2024-13-01", "2024-01-02"],
            "row 3: timestamp is '2024-13-01', expected unix seconds, or an ISO",
        ),
        (
            ["31/01/2024", "01/02/2024", "02/02/2024"],
            "row 2: timestamp is '31/01/2024', expected unix seconds, or an ISO",
        ),
    ],
)
def test_a_time_that_is_none_is_named_by_row(write, times, message):
    rows = "\n".join(f"u,{k},{time}" for k, time in enumerate(times))
    path = write("interactions.csv", f"user,item,timestamp\n{rows}\n")
    with pytest.raises(DataError, match=message):
        load_own(path, split="time")
    assert load_own(path).train.nnz == 1, "ignored where it is not asked for"


@pytest.mark.parametrize(
    ("header", "options", "message"),
    [
        ("user,item", {"split": "time"}, "no column timestamp for a split by time; it has user, item"),
        ("user,split", {"split": "time"}, "no column item"),
        ("user,item", {"split": "tmie"}, "split is 'tmie', expected 'random' or 'time'"),
        ("user,item", {"seed": 1.5}, r"the split's seed is 1\.5, expected a whole number"),
    ],
)
def test_a_split_that_cannot_be_is_named(write, header, options, message):
    with pytest.raises(DataError, match=message):
        load_own(write("interactions.csv", f"{header}\na,b\n"), **options)


def test_a_split_of_ones_own_is_not_split_again(write):
    path = write("interactions.csv", "user,item,split,timestamp\na,b, train,17\n")
    assert load_own(path).train.nnz == 1
    with pytest.raises(DataError, match="it has a column split, so it is not split by time: drop one of both"):
        load_own(path, split="time")
