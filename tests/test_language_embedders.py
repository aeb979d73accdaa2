"""Embedders, user texts and the vector cache."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from dmrec_core.data.dataset import Profiles, RecDataset, SemanticVectors
from dmrec_core.data.toy import toy_dataset
from dmrec_core.language import embedders as rooms
from dmrec_core.language import vector_cache
from dmrec_core.language.embedders import MiniLM, TfidfSvd, choose_embedder, semantic_vectors, with_language
from dmrec_core.language.sentence_embedders import MINILM_SHA256, SentenceTransformerEmbedder, check_sha256
from dmrec_core.language.user_texts import item_texts, sampled_training_items, user_texts
from dmrec_core.language.vector_cache import embed_cached

needs_minilm = pytest.mark.skipif(not MiniLM.available(), reason="the text extra is not installed")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DMREC_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def tiny(titles=("A", "B", "C"), profiles=("red wine", "white wine", "coffee"), **fields):
    train = sparse.csr_matrix(np.array([[1, 0, 1], [0, 1, 0]], dtype=np.float32))
    test = sparse.csr_matrix(np.array([[0, 1, 0], [0, 0, 1]], dtype=np.float32))
    nothing = sparse.csr_matrix((2, 3), dtype=np.float32)
    texts = profiles and Profiles(item=profiles, user=None, source="test")
    return RecDataset("tiny", 2, 3, train, nothing, test, titles=titles, profiles=texts, **fields)


class Counting:
    """An embedder that remembers what it was asked."""

    name = "counting"
    identity = "counting-1"

    def __init__(self):
        self.asked = []

    def embed(self, texts):
        self.asked.extend(texts)
        return np.array([[len(text) + 1, sum(text.encode())] for text in texts], dtype=np.float32).reshape(-1, 2)


# --- user texts -------------------------------------------------------------------------------------------------


def test_user_texts_hold_training_items_only():
    dataset = toy_dataset()
    marked = tuple(f"unique{item}x" for item in range(dataset.n_items))
    dataset = RecDataset(
        "marked", dataset.n_users, dataset.n_items, dataset.train, dataset.valid, dataset.test, titles=marked
    )
    for user, text in enumerate(user_texts(dataset, max_items=1000)):
        assert set(text.split("\n")) == {marked[item] for item in dataset.train[user].indices}


def test_a_users_sample_depends_on_that_user_only():
    dataset = toy_dataset()
    first = user_texts(dataset)
    order = np.r_[0:300, 0:300]  # the first 300 users keep their place, the others become someone else
    other = RecDataset(
        "toy",
        600,
        dataset.n_items,
        dataset.train[order],
        dataset.valid[order],
        dataset.test[order],
        titles=dataset.titles,
        profiles=dataset.profiles,
    )
    assert user_texts(other)[:300] == first[:300]
    assert user_texts(dataset) == first
    assert user_texts(dataset, seed=1) != first


def test_sampling_is_uniform_over_the_training_row():
    row = sparse.csr_matrix(np.ones((1, 12), dtype=np.float32))
    nothing = sparse.csr_matrix((1, 12), dtype=np.float32)
    dataset = RecDataset("one", 1, 12, row, nothing, nothing, titles=tuple("abcdefghijkl"))
    counts = np.zeros(12)
    for seed in range(2000):
        counts[sampled_training_items(dataset, 6, seed)[0]] += 1
    spread = np.sqrt(2000 * 0.5 * 0.5)
    assert np.abs(counts - 1000).max() < 4 * spread


def test_user_text_lines_are_cut_and_joined():
    dataset = tiny(profiles=("one two three four", "", "five"))
    assert user_texts(dataset, max_words_per_item=2) == ("A: one two\nC: five", "B")
    assert item_texts(dataset) == ("one two three four", "B", "five")


def test_a_data_set_without_texts_says_what_to_do():
    with pytest.raises(ValueError, match=r"neither item profiles nor titles.*load_own"):
        user_texts(tiny(titles=None, profiles=None))
    with pytest.raises(ValueError, match="max_items must be at least 1"):
        user_texts(tiny(), max_items=0)


# --- TF-IDF -----------------------------------------------------------------------------------------------------


def test_tfidf_rows_have_unit_norm_and_no_row_is_zero():
    embedder = TfidfSvd(dim=2).fit(["red wine", "white wine", "black coffee", ""])
    vectors = embedder.embed(["red wine", "", "nothing known", "wine"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(vectors[1], vectors[2])
    assert vectors.dtype == np.float32


def test_tfidf_with_more_dimensions_than_words_is_smaller_and_says_so():
    embedder = TfidfSvd(dim=128).fit(["red wine", "white wine"])
    assert embedder.name == "tfidf-svd-2"
    assert embedder.embed(["red"]).shape == (1, 2)
    assert TfidfSvd(dim=8).fit(["wine bar"]).embed(["wine"]).shape == (1, 1)


def test_tfidf_is_the_same_every_time_and_close_texts_are_close():
    dataset = toy_dataset()
    once, twice = (semantic_vectors(dataset, "tfidf") for _ in range(2))
    np.testing.assert_array_equal(once.user, twice.user)
    np.testing.assert_array_equal(once.item, twice.item)
    embedder = TfidfSvd(dim=3).fit(["red wine", "dry wine", "black coffee", "green tea"])
    wine, claret, coffee = embedder.embed(["wine", "red wine", "black coffee"])
    assert wine @ claret > wine @ coffee


def test_tfidf_says_what_is_missing():
    with pytest.raises(ValueError, match="2 item texts hold 0 different words"):
        TfidfSvd().fit(["", " ... "])
    with pytest.raises(ValueError, match="call fit"):
        TfidfSvd().embed(["wine"])
    with pytest.raises(ValueError, match="dim must be at least 1"):
        TfidfSvd(dim=0)


PARAPHRASES = {  # a text, another way to say it, and something else
    "Chinese": ("这家茶馆的绿茶非常好喝", "绿茶好喝的茶馆", "汽车轮胎修理与更换服务"),
    "Japanese": ("静かな喫茶店で紅茶を楽しむ", "紅茶がおいしい喫茶店", "自動車のタイヤ交換と修理"),
    "Thai": ("ร้านกาแฟเงียบสงบใกล้แม่น้ำ", "กาแฟอร่อยริมแม่น้ำ", "ซ่อมรถยนต์และเปลี่ยนยาง"),
    "mixed": ("Nintendo Switch 用的游戏手柄", "游戏手柄 (Switch)", "不锈钢保温杯 500 ml"),
}


@pytest.mark.parametrize("script", PARAPHRASES)
def test_tfidf_reads_scripts_without_blanks(script):
    text, paraphrase, other = PARAPHRASES[script]
    embedder = TfidfSvd(dim=8).fit([text, other, "green tea", "a car"])
    assert embedder.name == "tfidf-svd-4, characters"
    mine, same, else_ = embedder.embed([text, paraphrase, other])
    assert mine @ same > 0.3 and mine @ same > mine @ else_ + 0.2


def test_tfidf_of_texts_with_blanks_knows_nothing_of_characters():
    texts = [f"café number{k} serves tea and cake{k % 7}" for k in range(200)]
    before, after = TfidfSvd(dim=16).fit(texts), TfidfSvd(dim=16).fit([*texts[:-1], f"{texts[-1]} 茶馆"])
    assert (before.name, after.name) == ("tfidf-svd-16", "tfidf-svd-16")
    assert "茶馆" in after._vectorizer.vocabulary_ and "茶" not in after._vectorizer.vocabulary_
    plain = TfidfVectorizer(sublinear_tf=True, dtype=np.float64, token_pattern=r"(?u)\b\w+\b").fit_transform(texts)
    svd = TruncatedSVD(16, n_iter=7, random_state=2024).fit(plain).transform(plain)
    wanted = (svd / np.linalg.norm(svd, axis=1, keepdims=True)).astype(np.float32)
    np.testing.assert_array_equal(before.embed(texts), wanted)


def test_limits_in_words_hold_for_scripts_without_blanks():
    dataset = tiny(profiles=("茶" * 1000, "one two three four", "ร้าน" * 100))
    lines = user_texts(dataset, max_words_per_item=2)
    assert lines == ("A: 茶茶茶\nC: ร้า", "B: one two")


# --- semantic vectors -------------------------------------------------------------------------------------------


def test_auto_keeps_given_vectors_and_is_tfidf_for_toy():
    given = SemanticVectors(np.ones((2, 4)), np.ones((3, 4)), embedder="mine")
    assert semantic_vectors(tiny(language=given)) is given
    assert semantic_vectors(tiny(language=given), Counting()).embedder == "counting"
    assert with_language(toy_dataset()).language.embedder == "tfidf-svd-128"


def test_auto_falls_back_to_tfidf_without_the_text_extra(monkeypatch):
    monkeypatch.setattr(MiniLM, "available", staticmethod(lambda: False))
    assert choose_embedder("auto", "yelp-xrec").name == "tfidf-svd-128"
    with pytest.raises(ModuleNotFoundError, match=r"pip install dmrec-kit\[text\]"):
        MiniLM().embed(["text"])


def test_given_user_profiles_are_used_as_they_are():
    dataset = tiny().with_profiles(Profiles(item=("a", "", "c"), user=("likes a", " "), source="test"))
    counting = Counting()
    semantic_vectors(dataset, counting)
    assert set(counting.asked) == {"a", "B", "c", "likes a", "None"}  # a blank item text falls back to its title


def test_unknown_embedders_are_refused():
    with pytest.raises(ValueError, match="no embedder is called 'bert'"):
        choose_embedder("bert")
    with pytest.raises(TypeError, match=r"\.name and \.embed"):
        choose_embedder(object())


# --- the cache --------------------------------------------------------------------------------------------------


def test_a_text_is_embedded_once_whoever_asks(own_cache):
    counting = Counting()
    texts = ["bb", "a", "bb", "ünïcode 🎲", "", "x" * 100_000, "lone \ud800"]
    counting.embed = lambda asked, seen=counting.asked: (
        seen.extend(asked) or np.array([[len(text), 1] for text in asked], dtype=np.float32)
    )
    first = embed_cached(counting.embed, "id", texts)
    again = embed_cached(counting.embed, "id", [*texts, "new"])
    assert sorted(counting.asked) == sorted([*set(texts), "new"])
    np.testing.assert_array_equal(first, again[:-1])
    np.testing.assert_array_equal(first[:, 0], [len(text) for text in texts])
    embed_cached(counting.embed, "other id", ["a"])
    assert counting.asked.count("a") == 2


@pytest.mark.parametrize("damage", [b"", b"not safetensors", "flip", "cut"])
def test_a_damaged_file_is_made_again(own_cache, damage):
    counting, dataset = Counting(), tiny()
    first = semantic_vectors(dataset, counting)
    (path,) = own_cache.rglob("*.safetensors")
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[-1] ^= 1
    path.write_bytes(damage if isinstance(damage, bytes) else bytes(content if damage == "flip" else content[:-5]))
    asked = len(counting.asked)
    with pytest.warns(RuntimeWarning, match="is damaged"):
        again = semantic_vectors(dataset, counting)
    np.testing.assert_array_equal(first.user, again.user)
    assert len(counting.asked) == 2 * asked
    semantic_vectors(dataset, counting)
    assert len(counting.asked) == 2 * asked


def test_without_cache_or_identity_nothing_is_written(own_cache):
    semantic_vectors(tiny(), Counting(), cache=False)

    class Anonymous:
        name = "anonymous"

        def embed(self, texts):
            return np.ones((len(texts), 2), dtype=np.float32)

    semantic_vectors(tiny(), Anonymous())
    assert not own_cache.exists()


def test_wrong_shapes_from_an_embedder_are_refused():
    with pytest.raises(ValueError, match=r"shape \(1, 2\) for 2 texts"):
        embed_cached(lambda texts: np.ones((1, 2)), "id", ["a", "b"])
    embed_cached(lambda texts: np.ones((len(texts), 2)), "id", ["a"])
    with pytest.raises(ValueError, match=r"widths \[2, 3\]"):
        embed_cached(lambda texts: np.ones((len(texts), 3)), "id", ["a", "b"])


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300, 0.0])
def test_nothing_unusable_is_kept_or_used(own_cache, bad):
    class Broken:
        name, identity = "broken", "broken-1"

        def embed(self, texts):
            return np.array([[bad if text == "B" else 1.0] for text in texts])

    for cache in (True, False):
        with pytest.raises(
            ValueError, match=r"\d vectors of \d that are zero or not finite; .* a text that begins 'B'"
        ):
            semantic_vectors(tiny(profiles=("a", "", "c")), Broken(), cache=cache)
    assert not list(own_cache.rglob("*.safetensors"))


def test_vectors_of_another_width_are_not_kept(own_cache):
    embed_cached(lambda texts: np.ones((len(texts), 2)), "id", ["a"])
    with pytest.raises(ValueError, match="widths"):
        embed_cached(lambda texts: np.ones((len(texts), 3)), "id", ["a", "b"])
    assert embed_cached(lambda texts: np.ones((len(texts), 2)), "id", ["a", "b"]).shape == (2, 2)


def test_kept_vectors_that_cannot_be_used_are_made_again(own_cache):
    place = own_cache / "vectors" / hashlib.sha256(b"id").hexdigest()[:24]
    place.mkdir(parents=True)
    vector_cache._write(place, [hashlib.sha256(b"a").digest()], np.array([[np.nan, 1]], dtype=np.float32))
    with pytest.warns(RuntimeWarning, match="zero or not finite"):
        again = embed_cached(lambda texts: np.ones((len(texts), 2)), "id", ["a"])
    assert np.isfinite(again).all()


def test_a_killed_embedding_goes_on_where_it_was(own_cache, tmp_path):
    script = textwrap.dedent(
        """
        import os, signal, sys
        import numpy as np
        from dmrec_core.language.vector_cache import embed_cached
        calls = []
        def embed(texts):
            calls.append(len(texts))
            if len(calls) == int(sys.argv[1]):
                os.kill(os.getpid(), signal.SIGKILL)
            return np.array([[len(text), len(calls)] for text in texts], dtype=np.float32)
        texts = [f"{k:0{4 + k % 7}d}" for k in range(1500)]
        vectors = embed_cached(embed, "id", texts)
        assert (vectors[:, 0] == [len(text) for text in texts]).all()
        print(calls)
        """
    )
    (tmp_path / "embed.py").write_text(script)
    run = [sys.executable, str(tmp_path / "embed.py")]
    assert subprocess.run([*run, "3"], check=False).returncode == -signal.SIGKILL
    assert len(list(own_cache.rglob("*.safetensors"))) == 2
    assert subprocess.run([*run, "99"], check=True, capture_output=True, text=True).stdout == "[476]\n"


def test_progress_counts_every_distinct_text():
    seen = []
    semantic_vectors(tiny(), Counting(), progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, 5) and seen[-1] == (5, 5)
    seen.clear()
    semantic_vectors(tiny(), Counting(), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(5, 5)]


# --- MiniLM -----------------------------------------------------------------------------------------------------


def test_weights_that_are_not_the_published_ones_are_refused(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"something else")
    with pytest.raises(ValueError, match=f"expected {MINILM_SHA256}"):
        check_sha256(tmp_path / "model.safetensors", MINILM_SHA256)


@needs_minilm
def test_minilm_is_real_and_needs_no_network():
    script = textwrap.dedent(
        """
        import socket
        def refuse(*args, **kwargs): raise AssertionError("a connection was attempted")
        socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
        import numpy as np
        from dmrec_core.language.embedders import MiniLM
        texts = ["a cosy wine bar", "a small place that serves wine", "car tyres fitted", "", "word " * 20_000]
        vectors = MiniLM().embed(texts)
        assert vectors.shape == (5, 384) and vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
        assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2
        alone = MiniLM().embed(texts[:1])
        np.testing.assert_allclose(alone[0], vectors[0], atol=1e-5)
        """
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@needs_minilm
def test_a_model_folder_is_identified_by_its_content(tmp_path):
    (tmp_path / "weights").write_bytes(b"1")
    embedder = SentenceTransformerEmbedder(tmp_path)
    before = embedder.identity
    assert SentenceTransformerEmbedder(tmp_path, max_seq_length=64).identity != before
    (tmp_path / "weights").write_bytes(b"2")
    assert embedder.identity != before
    assert embedder.name == tmp_path.name


def test_every_embedder_is_one():
    assert all(isinstance(embedder, rooms.Embedder) for embedder in (MiniLM(), TfidfSvd(), Counting()))
