"""Any OpenAI-compatible ``/v1/embeddings`` as an embedder: hosted, Ollama, vLLM, llama.cpp."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from dmrec_core.language.endpoint import Endpoint, EndpointError, RequestRefused, UnreadableBody
from dmrec_core.language.user_texts import MISSING
from dmrec_core.language.vector_cache import usable

if TYPE_CHECKING:
    from dmrec_core.language.connection import Connection

ATTEMPTS = 3
"""Requests spent on a batch whose answer is not what was asked for."""


class EndpointEmbedder:
    r"""Vectors from an embeddings endpoint.

    $$w = f_{text}(s) / \lVert f_{text}(s) \rVert_2$$

    Batches of ``batch_size`` texts, several under way at once; float32; rows of unit norm; texts cut after
    ``max_characters`` (the server may truncate further). A batch that the server refuses is halved. An answer with a
    text missing, a NaN, a vector of another width, or one that is zero or infinite once scaled is asked for again, and
    never used.

    Args:
        endpoint: where, as an ``Endpoint`` or its base_url (up to and with ``/v1``); the key is read from the
            environment variable that the ``Endpoint`` names.
        model: as the server calls it.
        batch_size: texts per request.
        max_characters: kept of each text; the default stays below ada-002's 8,191 tokens for English.
        dimensions: asked of models that can shorten their vectors.
        normalize: divide each row by its L2 norm.

    Example:
        >>> EndpointEmbedder("http://localhost:11434/v1", "nomic-embed-text").name
        'nomic-embed-text'
    """

    def __init__(
        self,
        endpoint: Endpoint | str,
        model: str,
        *,
        batch_size: int = 64,
        max_characters: int = 20_000,
        dimensions: int | None = None,
        normalize: bool = True,
    ) -> None:
        for limit, value in {
            "batch_size": batch_size,
            "max_characters": max_characters,
            "dimensions": dimensions,
        }.items():
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ValueError(f"{limit} must be a whole number of at least 1, got {value!r}")
        self.endpoint = Endpoint(endpoint, concurrency=4) if isinstance(endpoint, str) else endpoint
        self.model = model
        self.batch_size = batch_size
        self.max_characters = max_characters
        self.dimensions = dimensions
        self.normalize = normalize

    @property
    def name(self) -> str:
        """The model's name, as figures print it."""
        return self.model

    @property
    def identity(self) -> str:
        """Everything that decides a vector, as far as a client can know; the cache's key."""
        place = self.endpoint.base_url.rstrip("/")
        limits = f"{self.max_characters}|{self.dimensions}|unit={self.normalize}"
        return f"endpoint|{place}|{self.model}|{limits}|float32"

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """The texts' vectors.

        Args:
            texts: n strings; blank ones are sent as "None", since servers refuse them.

        Returns:
            ``(n, d_s)`` float32.

        Raises:
            EndpointError: the server cannot be used, refuses a text, or keeps answering something else.
        """
        from dmrec_core.language.connection import Connection  # with httpx: a quarter of a second few need

        sent = [text.encode("utf-8", "replace").decode()[: self.max_characters] for text in texts]
        sent = [text if text.strip() else MISSING for text in sent]
        batches = [sent[start : start + self.batch_size] for start in range(0, len(sent), self.batch_size)]
        if not batches:
            return np.zeros((0, self.dimensions or 0), dtype=np.float32)
        with Connection(self.endpoint) as connection, ThreadPoolExecutor(self.endpoint.concurrency) as pool:
            futures = [pool.submit(self._embed, connection, batch) for batch in batches]
            try:
                parts = [future.result() for future in futures]
            finally:
                connection.stop()
                pool.shutdown(wait=False, cancel_futures=True)
        widths = {part.shape[1] for part in parts}
        if len(widths) > 1:
            raise EndpointError(f"{self.model} answered with vectors of widths {sorted(widths)}")
        return np.concatenate(parts)

    def _embed(self, connection: Connection, batch: list[str], attempts: int = ATTEMPTS) -> np.ndarray:
        body: dict[str, object] = {"model": self.model, "input": batch, "encoding_format": "float"}
        if self.dimensions is not None:
            body["dimensions"] = self.dimensions
        try:
            return _vectors(connection.post("/embeddings", body), len(batch), self.normalize)
        except UnreadableBody as error:
            if attempts == 1:  # the message may name what the server sent
                raise UnreadableBody(f"{self.endpoint.scrubbed(str(error))} ({ATTEMPTS} times)") from None
        except RequestRefused as error:
            if len(batch) == 1:
                raise RequestRefused(f"{error} (the text begins {batch[0][:60]!r})") from None
            half = len(batch) // 2
            return np.concatenate([self._embed(connection, part) for part in (batch[:half], batch[half:])])
        return self._embed(connection, batch, attempts - 1)


def _vectors(answer: dict[str, object], n: int, normalize: bool) -> np.ndarray:
    """``(n, d_s)`` float32 in the order asked, scaled if wanted; UnreadableBody for anything less."""
    data = answer.get("data")
    if not isinstance(data, list) or not all(isinstance(entry, dict) for entry in data):
        raise UnreadableBody(f"the server answered without embeddings (keys: {sorted(map(str, answer))[:8]})"[:300])
    by_index = {entry["index"]: entry.get("embedding") for entry in data if type(entry.get("index")) is int}
    if len(data) != n or set(by_index) != set(range(n)):
        raise UnreadableBody(f"the server answered {len(data)} embeddings for {n} texts, or the wrong ones")
    rows = [by_index[k] for k in range(n)]
    if not all(isinstance(row, list) and all(type(x) in (int, float) for x in row) for row in rows):
        raise UnreadableBody("the server answered embeddings that are not rows of numbers")
    try:
        vectors = np.array(rows, dtype=np.float64)
    except (ValueError, OverflowError):
        raise UnreadableBody("the server answered embeddings of different widths, or a number beyond 1e308") from None
    with np.errstate(all="ignore"):  # what overflows or has no direction is found below
        if normalize:
            vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors = vectors.astype(np.float32)
    if not usable(vectors).all():
        raise UnreadableBody("the server answered an embedding with a NaN, an infinity, or of zeros only")
    return vectors
