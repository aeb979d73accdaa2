"""Vectors from an embeddings endpoint, on its good and bad days."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from stub_language_server import DIM, ERRORS_WITHIN, StubServer, odd_numbers, right_vector

from dmrec_core.data import toy_dataset
from dmrec_core.language import Endpoint, EndpointEmbedder, EndpointError, semantic_vectors


@pytest.fixture(scope="module")
def running():
    with StubServer() as server:
        yield server


@pytest.fixture
def server(running, monkeypatch, tmp_path):
    running.plan()
    monkeypatch.setenv("DMREC_HOME", str(tmp_path / "home"))
    return running


def embedder(server, **options):
    return EndpointEmbedder(Endpoint(server.url, first_wait=0.02, patience=10, concurrency=4), "stub", **options)


def right(texts):
    vectors = np.array([right_vector(text) for text in texts])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


TEXTS = [f"text {k}" for k in range(50)]


def test_rows_are_right_ordered_and_of_unit_norm(server):
    vectors = embedder(server, batch_size=7).embed(TEXTS)
    assert vectors.shape == (50, DIM) and vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, right(TEXTS), atol=1e-6)
    assert len(server.log()) == 8
    raw = embedder(server, normalize=False).embed(TEXTS[:2])
    np.testing.assert_allclose(raw, [right_vector(text) for text in TEXTS[:2]], rtol=1e-6)


@pytest.mark.parametrize("fault", ["429", "503", "truncated", "html", "drop", "shuffled", "missing", "nan", "short"])
def test_a_passing_fault_changes_nothing(server, fault):
    server.plan(sequence=[fault, "", fault])
    np.testing.assert_allclose(embedder(server, batch_size=10).embed(TEXTS), right(TEXTS), atol=1e-6)


@pytest.mark.parametrize("fault", ["missing", "nan", "short", "no_choices"])
def test_what_stays_wrong_is_never_used(server, fault):
    server.plan(every={fault: 1})
    with pytest.raises(EndpointError, match=r"\(3 times\)"):
        embedder(server).embed(TEXTS[:4])


@pytest.mark.parametrize("seeds", [range(20), pytest.param(range(20, 400), marks=pytest.mark.slow)])
def test_numbers_that_cannot_be_used_are_asked_for_again_and_never_kept(server, seeds):
    dataset = toy_dataset(n_users=2, n_items=20)
    for seed in seeds:
        odd = {"odd": {"embedding": odd_numbers(random.Random(seed))}}
        one = embedder(server, dimensions=seed + 1)  # another identity each time: nothing is known yet
        server.plan(replies=odd, every={"odd": 1})
        with pytest.raises(EndpointError, match=r"\(3 times\)"):
            semantic_vectors(dataset, one, progress=False)
        server.plan(replies=odd, sequence=["odd"])
        vectors = semantic_vectors(dataset, one, progress=False)
        np.testing.assert_allclose(vectors.item, right(dataset.profiles.item), atol=1e-6)


@pytest.mark.parametrize("index", [[0], True, 0.0, None, -1, 10**30, "0", {}])
def test_an_index_is_a_whole_number(server, index):
    data = [{"index": index, "embedding": [1.0] * DIM}]
    server.plan(replies={"odd": {"body": json.dumps({"data": data})}}, sequence=["odd"])
    np.testing.assert_allclose(embedder(server).embed(TEXTS[:1]), right(TEXTS[:1]), atol=1e-6)


def test_unscaled_numbers_must_fit_float32(server):
    server.plan(replies={"odd": {"embedding": [1e300] * DIM}}, every={"odd": 1})
    with pytest.raises(EndpointError, match="an infinity"):
        embedder(server, normalize=False).embed(TEXTS[:2])


@pytest.mark.parametrize("name", ERRORS_WITHIN)
def test_an_error_inside_a_200_is_waited_out(server, name):
    body = json.dumps(ERRORS_WITHIN[name][0])
    server.plan(replies={name: {"body": body}}, sequence=[name, "", name])
    np.testing.assert_allclose(embedder(server, batch_size=10).embed(TEXTS), right(TEXTS), atol=1e-6)
    server.plan(replies={name: {"body": body}}, every={name: 1})
    place = Endpoint(server.url, first_wait=0.02, patience=0.3)
    with pytest.raises(EndpointError, match="slow down"):
        EndpointEmbedder(place, "stub").embed(TEXTS[:2])


def test_a_key_in_the_body_is_not_shown(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-sentinel-0123456789abcdef")
    server.plan(replies={"odd": {"body": json.dumps({"sk-sentinel-0123456789abcdef": 1})}}, every={"odd": 1})
    with pytest.raises(EndpointError, match=r"\[key\]") as caught:
        embedder(server).embed(TEXTS[:2])
    assert "0123456789" not in str(caught.value)


def test_a_refused_batch_is_halved_down_to_the_text_at_fault(server):
    server.plan(by_text={"text 3": ["400"] * 3})
    np.testing.assert_allclose(embedder(server, batch_size=8).embed(TEXTS[:8]), right(TEXTS[:8]), atol=1e-6)
    server.plan(by_text={"text 3": ["400"] * 99})
    with pytest.raises(EndpointError, match="the text begins 'text 3'"):
        embedder(server, batch_size=8).embed(TEXTS[:8])


def test_odd_texts(server):
    texts = ["", "  ", "日本語 🎲", "x" * 100_000, "lone \ud800"]
    vectors = embedder(server).embed(texts)
    np.testing.assert_allclose(vectors, right(["None", "None", "日本語 🎲", "x" * 20_000, "lone ?"]), atol=1e-6)
    assert embedder(server).embed([]).shape[0] == 0


def test_texts_are_asked_once_and_a_broken_run_goes_on(server):
    dataset = toy_dataset(n_users=700, n_items=300)
    server.plan(sequence=[""] * 8 + ["401"] * 99)  # the first chunk of 512 texts, then nothing
    with pytest.raises(EndpointError, match="check the key"):
        semantic_vectors(dataset, embedder(server), progress=False)
    had = {text for entry in server.log() if entry["status"] == 200 for text in entry["body"]["input"]}
    server.plan()
    vectors = semantic_vectors(dataset, embedder(server), progress=False)
    again = {text for entry in server.log() for text in entry["body"]["input"]}
    assert len(had) == 512 and not had & again
    np.testing.assert_allclose(vectors.item, right(dataset.profiles.item), atol=1e-6)
    assert vectors.embedder == "stub"
    server.plan()
    semantic_vectors(dataset, embedder(server), progress=False)
    assert server.log() == []


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"batch_size": 1.5}, {"max_characters": -1}, {"dimensions": 0}])
def test_limits_have_ranges(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be a whole number of at least 1"):
        EndpointEmbedder("http://localhost/v1", "m", **wrong)


def test_identity_tells_places_models_and_limits_apart(server):
    first = embedder(server)
    others = [embedder(server, normalize=False), embedder(server, dimensions=4), embedder(server, max_characters=9)]
    others += [EndpointEmbedder("http://localhost/v1", "stub"), EndpointEmbedder(server.url, "other")]
    assert len({first.identity, *(other.identity for other in others)}) == 6
    assert embedder(server, batch_size=3).identity == first.identity
