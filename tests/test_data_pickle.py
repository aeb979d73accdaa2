import builtins
import copyreg
import os
import pickle
import struct
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from dmrec_core.data.dataset import DataError
from dmrec_core.data.safe_pickle import UnsafePickleError, load_array, load_coo, load_frame, load_profile_dict

LOADERS = (load_array, load_coo, load_frame, load_profile_dict)


class Calls:
    """Pickles as a call of `function(*arguments)`: what an attacker sends."""

    def __init__(self, function, *arguments, state=None):
        self.reduced = (function, arguments, state) if state is not None else (function, arguments)

    def __reduce__(self):
        return self.reduced


def object_array(cell):
    cells = np.empty(2, dtype=object)
    cells[:] = ["harmless", cell]
    return cells


def raw(*opcodes):
    return b"\x80\x04" + b"".join(opcodes) + b"."


def text(words):
    return b"\x8c" + struct.pack("<B", len(words)) + words.encode()


GLOBAL_ARRAY = text("numpy") + text("ndarray") + b"\x93"


def attacks(ran):
    """name -> (a pickle that creates the file `ran` when it runs, the global it is to be refused for)."""
    touch = f"{sys.executable} -c \"open(r'{ran}', 'w')\""
    system, system_name = Calls(os.system, touch), f"{os.system.__module__}.system"
    evaluate = Calls(builtins.eval, f"open(r'{ran}', 'w')")
    run_getattr = raw(text("builtins"), text("getattr"), b"\x93", GLOBAL_ARRAY, text("__subclasses__"), b"\x86R)R")
    table = pd.DataFrame({"a": object_array(evaluate)}, columns=pd.Index(["a"], dtype=object))
    return {
        "os.system": (pickle.dumps(system), system_name),
        "protocol 0": (pickle.dumps(system, protocol=0), system_name),
        "builtins.eval": (pickle.dumps(evaluate), "builtins.eval"),
        "builtins.exec": (pickle.dumps(Calls(builtins.exec, f"open(r'{ran}', 'w')")), "builtins.exec"),
        "nested in a profile": (pickle.dumps({0: {"profile": evaluate}}), "builtins.eval"),
        "argument of an argument": (pickle.dumps(Calls(np.dtype, evaluate)), "builtins.eval"),
        "state of an array": (pickle.dumps(Calls(np.dtype, "f8", state=evaluate)), "builtins.eval"),
        "in an object array": (pickle.dumps(object_array(evaluate)), "builtins.eval"),
        "in a table": (pickle.dumps(table), "builtins.eval"),
        "subclasses by getattr": (run_getattr, "builtins.getattr"),
        "copyreg": (pickle.dumps(Calls(copyreg._reconstructor, dict, object, evaluate)), "copyreg._reconstructor"),
        "dotted name": (raw(text("numpy"), text("os.system"), b"\x93", text("touch x"), b"\x85R"), "numpy.os.system"),
        "INST opcode": (b"(S" + repr(touch).encode() + b"\nios\nsystem\n.", "os.system"),
        "OBJ opcode": (b"(cos\nsystem\nS" + repr(touch).encode() + b"\no.", "os.system"),
    }


@pytest.mark.parametrize("name", attacks("anywhere"))
def test_a_hostile_pickle_is_refused_and_does_not_run(tmp_path, name):
    ran, path = tmp_path / "ran", tmp_path / "trn_mat.pkl"
    stream, refused_for = attacks(ran)[name]
    path.write_bytes(stream)
    for load in LOADERS:
        with pytest.raises(UnsafePickleError, match=r"trn_mat\.pkl: the pickle names .*Nothing was run") as error:
            load(path)
        assert refused_for in str(error.value)
    assert not ran.exists()


@pytest.mark.parametrize("name", ["os.system", "protocol 0", "builtins.eval", "nested in a profile", "in a table"])
def test_control_the_same_pickles_do_run_when_plainly_loaded(tmp_path, name):
    pickle.loads(attacks(tmp_path / "ran")[name][0])
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "stream",
    [
        raw(GLOBAL_ARRAY, b"N}", text("state"), text("x"), b"s\x86b"),  # BUILD with slots on the stand-in class itself
        raw(GLOBAL_ARRAY, b"}", text("state"), text("x"), b"sb"),  # BUILD with a dictionary on it
        raw(GLOBAL_ARRAY, b")\x81)R"),  # call an instance
        raw(GLOBAL_ARRAY, b")\x81", text("a"), b"a"),  # append to an instance
        raw(GLOBAL_ARRAY, b")\x81", text("a"), text("b"), b"s"),  # set an item on it
        raw(text("x"), b"Q"),  # a persistent id
        raw(b"\x82\x01"),  # an extension code
        raw(b"h\x05"),  # a memo slot never filled
        raw(b"Nr\xff\xff\xff\x7f"),  # a memo slot that would need gigabytes
        raw(b"\x8e" + struct.pack("<Q", 1 << 60) + b"abc"),  # a string longer than the file
        raw(b"\x96" + struct.pack("<Q", 1 << 60)),  # a byte array longer than the file
        raw(b"0"),  # pop from nothing
        b"",
        b"\x80\x04",
        b"version https://git-lfs.github.com/spec/v1\n",
        b"<html>404: Not Found</html>",
    ],
)
def test_a_stream_that_does_not_hold_together_is_a_data_error(tmp_path, stream):
    path = tmp_path / "odd.pkl"
    path.write_bytes(stream)
    for load in LOADERS:
        with pytest.raises(DataError, match=r"odd\.pkl"):
            load(path)
    path.write_bytes(pickle.dumps(np.arange(3)))
    assert load_array(path).tolist() == [0, 1, 2]  # nothing of it stays behind


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_a_cut_pickle_says_so(tmp_path, kept):
    whole = pickle.dumps(sparse.coo_matrix(np.eye(50)))
    path = tmp_path / "tst_mat.pkl"
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(DataError, match="cut short or something else: delete it and fetch it again"):
        load_coo(path)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("make", [sparse.coo_matrix, sparse.csr_matrix, sparse.coo_array, sparse.csr_array])
def test_sparse_matrices_of_every_protocol_come_through(tmp_path, protocol, make):
    dense = np.arange(12.0).reshape(3, 4)
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(make(dense), protocol=protocol))
    assert (load_coo(path).toarray() == dense).all()


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("dtype", ["<f8", "<f4", ">f4", "<f2", "<i8", "<u4", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_come_through_unchanged(tmp_path, protocol, dtype, order):
    array = np.asarray(np.random.default_rng(0).integers(0, 5, size=(6, 4)), dtype=dtype, order=order)
    path = tmp_path / "usr_emb_np.pkl"
    path.write_bytes(pickle.dumps(array, protocol=protocol))
    loaded = load_array(path)
    assert loaded.dtype == array.dtype and (loaded == array).all() and loaded.flags.writeable


def test_older_module_names_come_through(tmp_path):
    path = tmp_path / "m.pkl"
    stream = pickle.dumps(sparse.coo_matrix(np.eye(2)), protocol=2)
    path.write_bytes(
        stream.replace(b"numpy._core.multiarray", b"numpy.core.multiarray").replace(
            b"scipy.sparse._coo", b"scipy.sparse.coo"
        )
    )
    assert (load_coo(path).toarray() == np.eye(2)).all()


def test_profiles_come_as_a_dictionary_or_a_list(tmp_path):
    entries = [{"profile": "likes tea", "reasoning": "drank it"}, {"profile": "", "reasoning": ""}]
    path = tmp_path / "usr_prf.pkl"
    for content in (entries, dict(enumerate(entries))):
        path.write_bytes(pickle.dumps(content))
        assert load_profile_dict(path) == dict(enumerate(entries))


def coo_with(**state):
    matrix = sparse.coo_matrix(np.eye(3))
    matrix.__dict__.update(state)
    return matrix


@pytest.mark.parametrize(
    ("load", "content", "message"),
    [
        (load_coo, np.ones(3), "holds a reconstruct|holds a frombuffer"),
        (load_coo, {"a": 1}, "holds a dict, expected a scipy sparse matrix: is it the right file"),
        (load_coo, coo_with(_shape=(2, 3)), "row id 2, expected 0 to 1"),
        (load_coo, coo_with(_shape=(10**12, 3)), "1 to 1,000,000 rows"),
        (load_coo, coo_with(data=np.ones(2)), "2 values; expected as many"),
        (load_coo, coo_with(_shape="x"), "laid out in an unknown way"),
        (load_array, sparse.coo_matrix(np.eye(2)), "holds a coo, expected a numpy array"),
        (load_array, np.array(["a", None], dtype=object), "dtype object, expected numbers"),
        (load_array, np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]), "expected plain numbers"),
        (load_frame, [1], "holds a list, expected a pandas table"),
        (load_profile_dict, "x", "a str, expected profiles by integer id"),
        (load_profile_dict, {"7": {"profile": "x"}}, "entry '7'"),
        (load_profile_dict, {7: {"reasoning": "x"}}, "entry 7 is a dict; expected an integer id with a text 'profile'"),
    ],
)
def test_the_wrong_pickle_is_named(tmp_path, load, content, message):
    path = tmp_path / "file.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match=message):
        load(path)


def test_an_object_array_may_not_hold_records(tmp_path):
    path = tmp_path / "usr_emb_np.pkl"
    path.write_bytes(pickle.dumps(object_array(np.dtype("f8"))))
    with pytest.raises(UnsafePickleError, match="cell 1 of an object array holds a dtype"):
        load_array(path)


def test_a_table_comes_by_column(tmp_path):
    path = tmp_path / "tst.pkl"
    names = pd.Index(["iid", "title", "rating", "uid"], dtype=object)
    table = pd.DataFrame({"iid": [7, 8], "title": ["tea", "pie"], "rating": [0.5, 1.5], "uid": [1, 2]}).astype(
        {"title": object}
    )
    table.columns = names
    path.write_bytes(pickle.dumps(table))
    loaded = load_frame(path)
    assert list(loaded) == list(names)
    assert loaded["title"] == ["tea", "pie"] and loaded["iid"].tolist() == [7, 8] and loaded["uid"].tolist() == [1, 2]


@pytest.mark.data
def test_the_real_files_come_through(mirror):
    matrix = load_coo(mirror / "rlmrec/amazon/trn_mat.pkl")
    assert matrix.shape == (11_000, 9_332) and matrix.nnz == 120_464
    table = load_frame(mirror / "xrec/yelp/tst.pkl")
    assert list(table) == ["uid", "iid", "title", "user_summary", "item_summary", "explanation"]
    assert len(table["title"]) == len(table["iid"]) == 3000 and all(isinstance(t, str) for t in table["item_summary"])
