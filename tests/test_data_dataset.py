import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from dmrec_core.data import DataError, Profiles, RecDataset, SemanticVectors
from dmrec_core.data.split import split_per_user


def matrix(pairs, shape=(3, 4), values=None):
    rows, columns = zip(*pairs, strict=True) if pairs else ((), ())
    return sparse.coo_matrix((np.ones(len(pairs)) if values is None else values, (rows, columns)), shape=shape)


def make(**changes):
    parts = {
        "name": "tiny",
        "n_users": 3,
        "n_items": 4,
        "train": matrix([(0, 3), (0, 1), (1, 2), (2, 0)]),
        "valid": matrix([(1, 0)]),
        "test": matrix([(0, 0), (2, 3)]),
    }
    return RecDataset(**(parts | changes))


def test_splits_become_canonical_float32_csr():
    data = make()
    assert sparse.isspmatrix_csr(data.train) and data.train.dtype == np.float32
    assert data.train.indices.tolist() == [1, 3, 2, 0]
    assert data.summary() == {
        "name": "tiny", "users": 3, "items": 4, "train": 4, "valid": 1, "test": 2,
        "interactions": 7, "density": 7 / 12, "median_history": 1.0,
    }  # fmt: skip


def test_what_was_given_is_not_changed():
    given_matrix = matrix([(0, 3), (0, 1), (1, 2), (2, 0)]).tocsr()
    given_matrix.indices[:2] = [3, 1]
    make(train=given_matrix)
    assert given_matrix.indices[:2].tolist() == [3, 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test": matrix([(0, 0)], shape=(3, 5))}, r"tiny: test has shape \(3, 5\), expected \(3, 4\)"),
        ({"valid": np.zeros((3, 4))}, "valid is a ndarray, expected a scipy sparse matrix"),
        ({"valid": matrix([(0, 3)])}, "user 0, item 3 is in both train and valid"),
        ({"test": matrix([(1, 0)])}, "user 1, item 0 is in both valid and test"),
        ({"train": matrix([(0, 3), (2, 1)])}, "user 1 has no training item .1 such users.*drop the user"),
        ({"train": matrix([(0, 1), (1, 2), (2, 2)], values=[1, 5, 1])}, "user 1, item 2 has value 5"),
        ({"train": matrix([(0, 1), (1, 2), (1, 2), (2, 2)])}, "user 1, item 2 has value 2"),
        ({"titles": ("a", "b")}, "2 titles, expected 4, one for each of the items"),
        ({"profiles": Profiles(("a",) * 4, ("u",) * 2, "me")}, "2 user profiles, expected 3"),
        ({"profiles": Profiles(("a",) * 3, None, "me")}, "3 item profiles, expected 4"),
        ({"language": SemanticVectors(np.ones((3, 2)), np.ones((5, 2)), "x")}, "5 item vectors, expected 4"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(DataError, match=message):
        make(**changes)


def test_an_id_out_of_range_is_refused():
    train = matrix([(0, 3), (0, 1), (1, 2), (2, 0)]).tocsr()
    train.indices[0] = 9
    with pytest.raises(DataError, match="train has item id 9, expected 0 to 3"):
        make(train=train)


def vectors(**cells):
    array = np.ones((4, 3))
    for cell, value in cells.items():
        array[int(cell[1:])] = value
    return array


@pytest.mark.parametrize(
    ("user", "item", "message"),
    [
        (vectors(r2=np.nan), vectors(), "user vectors: row 2, column 0 is nan"),
        (vectors(), vectors(r1=np.inf), "item vectors: row 1, column 0 is inf"),
        (vectors(), vectors(r1=1e300), "item vectors: row 1.*expected a finite float32"),
        (vectors(), vectors(r3=0), "item vectors: row 3 is all zeros .1 such rows"),
        (np.ones(4), vectors(), "user vectors: shape .4,."),
        (vectors(), np.ones((4, 2)), "user vectors have 3 columns, item vectors 2"),
        (vectors(), np.array([["a"]]), "dtype <U1; expected numbers"),
        (np.ones((0, 3)), vectors(), "not empty"),
    ],
)
def test_vectors_that_cannot_be_used_are_refused(user, item, message):
    with pytest.raises(DataError, match=message):
        SemanticVectors(user, item, embedder="x")


def test_vectors_become_float32():
    assert SemanticVectors(np.ones((3, 2)), np.ones((4, 2), dtype=int), "ones").item.dtype == np.float32


def test_the_fingerprint_follows_content_and_nothing_else():
    plain = make()
    assert plain.fingerprint == make(name="other", source={"seed": 1}).fingerprint
    variants = {
        make(test=matrix([(0, 0)])).fingerprint,
        make(titles=("a", "b", "c", "d")).fingerprint,
        plain.with_profiles(Profiles(("a", "b", "c", "d"), None, "me")).fingerprint,
        plain.with_language(SemanticVectors(np.ones((3, 2)), np.ones((4, 2)), "ones")).fingerprint,
        plain.with_language(SemanticVectors(np.ones((3, 2)), np.ones((4, 2)), "other")).fingerprint,
    }
    assert len(variants | {plain.fingerprint}) == 6


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 30), st.floats(0.05, 1))
def test_a_split_keeps_every_interaction_once(seed, n_users, n_items, density):
    rng = np.random.default_rng(seed)
    whole = sparse.csr_matrix(rng.random((n_users, n_items)) < density, dtype=np.float32)
    train, valid, test = split_per_user(whole, rng)
    assert abs(train + valid + test - whole).nnz == 0
    for user, length in enumerate(np.diff(whole.indptr)):
        held_out = max(1, round(0.2 * length)) if length >= 3 else 0
        assert (valid[[user]].nnz, test[[user]].nnz) == (held_out, held_out)
