"""Vectors on disk, addressed by what they are vectors of: the embedder's identity and the exact text.

One folder per embedder identity, one file per chunk of at most 512 new texts, each written whole or not at all. So a
text is embedded once whoever asks, a killed run keeps every finished chunk, and a damaged file costs only itself.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from dmrec_core.data.cache import home, locked
from dmrec_core.records.files import collect, write_whole

CHUNK = 512
"""Texts per file: what a kill can cost."""


def embed_cached(
    embed: Callable[[Sequence[str]], np.ndarray],
    identity: str,
    texts: Sequence[str],
    *,
    folder: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """The texts' vectors, from disk where they are there, otherwise from ``embed`` and then kept.

    Equal texts are embedded once. Texts are embedded in order of length (a batch's cost is its longest text's), in
    chunks that do not depend on what is already there: an interrupted run, resumed, gives the same bits. Two processes
    asking for one embedder take turns, so that the second finds the first one's work.

    Args:
        embed: n texts to ``(n, d_s)``.
        identity: everything that decides ``embed``'s result.
        texts: n strings.
        folder: of the cache; ``None`` for ``vectors`` in the kit's folder.
        on_progress: told ``(distinct texts done, distinct texts)`` before the first chunk and after each.

    Returns:
        ``(n, d_s)`` float32, row k the vector of ``texts[k]``.

    Raises:
        ValueError: ``embed`` returned another number of rows, vectors of another width than before, or one that is zero
            or not finite. None of those is kept.
    """
    place = (folder or home() / "vectors") / hashlib.sha256(identity.encode()).hexdigest()[:24]
    distinct = sorted(set(texts), key=lambda text: (len(text), text))
    keys = {text: hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in distinct}
    with locked(place):
        place.mkdir(exist_ok=True)
        write_whole(place / "identity.txt", (identity + "\n").encode())
        known = _read(place, set(keys.values()))
        for start in range(0, len(distinct), CHUNK):
            missing = [text for text in distinct[start : start + CHUNK] if keys[text] not in known]
            if not missing:
                continue
            if on_progress:
                on_progress(start, len(distinct))
            vectors = checked(embed(missing), missing)
            widths = {vectors.shape[1], *map(len, known.values())}
            if len(widths) > 1:
                raise ValueError(f"one embedder, vectors of widths {sorted(widths)}: delete {place} and embed again")
            new = [keys[text] for text in missing]
            _write(place, new, vectors)
            known.update(zip(new, vectors, strict=True))
        if on_progress:
            on_progress(len(distinct), len(distinct))
    return np.stack([known[keys[text]] for text in texts]) if texts else np.zeros((0, 0), dtype=np.float32)


def checked(vectors: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    """An embedder's ``(n, d_s)`` as float32.

    Raises:
        ValueError: it is not one vector a text, or one of them says nothing of its text.
    """
    with np.errstate(over="ignore"):  # becomes an infinity, which is refused
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) != len(texts):
        raise ValueError(f"the embedder returned shape {vectors.shape} for {len(texts)} texts")
    bad = np.flatnonzero(~usable(vectors))
    if len(bad):
        raise ValueError(
            f"the embedder returned {len(bad)} vectors of {len(texts)} that are zero or not finite; "
            f"the first is of a text that begins {texts[bad[0]][:60]!r}"
        )
    return vectors


def usable(vectors: np.ndarray) -> np.ndarray:
    """``(n,)`` whether each row can be a text's vector: finite, and with a direction.

    Example:
        >>> usable(np.array([[1.0, 0.0], [0.0, 0.0], [np.inf, 1.0]])).tolist()
        [True, False, False]
    """
    return np.isfinite(vectors).all(axis=1) & vectors.any(axis=1)


def _write(place: Path, keys: list[bytes], vectors: np.ndarray) -> None:
    digest = hashlib.sha256(b"".join(keys)).hexdigest()
    tensors = {"keys": np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(len(keys), 32), "vectors": vectors}
    write_whole(place / f"{digest[:24]}.safetensors", save(tensors, metadata={"sha256": _checksum(**tensors)}))


def _read(place: Path, wanted: set[bytes]) -> dict[bytes, np.ndarray]:
    """The wanted vectors that are on disk; files that cannot be trusted are removed."""
    collect(place)
    found: dict[bytes, np.ndarray] = {}
    for path in sorted(place.glob("*.safetensors")):
        try:
            found.update((key, row) for key, row in _rows(path, wanted) if key not in found)
        except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            warnings.warn(f"{path} is damaged ({error}); its vectors are made again", RuntimeWarning, stacklevel=3)
            path.unlink(missing_ok=True)
    return found


def _rows(path: Path, wanted: set[bytes]) -> Iterator[tuple[bytes, np.ndarray]]:
    with safe_open(path, framework="numpy") as file:
        keys = file.get_tensor("keys")
        names = [row.tobytes() for row in keys]
        if wanted.isdisjoint(names):
            return
        vectors = file.get_tensor("vectors")
        if (file.metadata() or {}).get("sha256") != _checksum(keys, vectors):
            raise ValueError("its checksum does not match")
        if vectors.ndim != 2 or len(vectors) != len(names) or not usable(vectors).all():
            raise ValueError("it holds a vector that is zero or not finite")
    for name, vector in zip(names, vectors, strict=True):
        if name in wanted:
            yield name, vector


def _checksum(keys: np.ndarray, vectors: np.ndarray) -> str:
    return hashlib.sha256(keys.tobytes() + vectors.tobytes()).hexdigest()
