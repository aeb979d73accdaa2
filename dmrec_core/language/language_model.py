"""f_LM of Eq. 4: any model behind an OpenAI-compatible endpoint, asked politely and once, believed only if valid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dmrec_core.language.answer_cache import AnswerCache, Record, record_key
from dmrec_core.language.asking import Run
from dmrec_core.language.endpoint import Endpoint
from dmrec_core.language.estimate import Estimate, Price, Progress, estimate
from dmrec_core.language.prompts import Prompt

DEFAULT_SETTINGS: Mapping[str, object] = {"response_format": {"type": "json_object"}, "max_tokens": 1024}
"""Sent with every request, on top of model and messages; no temperature, as RLMRec sends none."""


@dataclass(frozen=True)
class LanguageModel:
    """A model, where it is, and what it is sent.

    Raises:
        ValueError: settings that are not settings (model, messages, stream, n).

    Example:
        >>> model = LanguageModel(Endpoint("http://localhost:11434/v1"), "llama3.2")
        >>> model.name
        'llama3.2'
    """

    endpoint: Endpoint
    model: str
    settings: Mapping[str, object] = field(default_factory=lambda: dict(DEFAULT_SETTINGS))
    price: Price | None = None
    cache_folder: Path | None = None  # None: ``answers`` in the kit's folder

    def __post_init__(self) -> None:
        taken = {"model", "messages", "stream", "n"} & set(self.settings)
        if taken:
            raise ValueError(f"settings must not hold {sorted(taken)}")

    @property
    def name(self) -> str:
        """The model's name, as profiles cite it."""
        return self.model

    @property
    def cache(self) -> AnswerCache:
        """Where its answers are kept."""
        return AnswerCache(self.model, self.cache_folder)

    def estimate(self, prompts: Sequence[Prompt], retry_failed: bool = False) -> Estimate:
        """What ``answer`` would take. Asks nothing."""
        records = self.cache.load()
        jobs = dict(self._open(prompts, records, retry_failed))
        return estimate(
            list(jobs.values()),
            records.values(),
            prompts=len(prompts),
            answered=sum(self.key(prompt) not in jobs for prompt in prompts),
            concurrency=self.endpoint.concurrency,
            price=self.price,
        )

    def answer(
        self,
        prompts: Sequence[Prompt],
        *,
        retry_failed: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
        on_wait: Callable[[], None] | None = None,
    ) -> list[Record]:
        """The model's answers, from the cache where they are there.

        An answer that breaks the contract is sent back once with what is wrong; if the second is no better, that is
        recorded as ``failed`` and not asked again. A request that the server refuses is ``unanswered``, not recorded.
        Interrupting (Ctrl-C) lets the requests under way finish and keeps their answers.

        Args:
            prompts: to answer; equal ones are asked once.
            retry_failed: ask the failed ones again.
            on_progress: told after each answer and every second.
            on_wait: told once, where another run is using the cache; we wait for it.

        Returns:
            One record per prompt.

        Raises:
            EndpointUnusable: no request can succeed, or the server stayed silent; what was answered is kept.
            CacheFull: the disk took no more; what was answered is kept, as far as the message says.
        """
        cache = self.cache
        with cache.held(on_wait):
            records = cache.load()
            jobs = self._open(prompts, records, retry_failed)
            if jobs:
                records |= Run(self, cache, jobs, records, on_progress).finish()
        return [replace(records[self.key(prompt)], label=prompt.label) for prompt in prompts]

    def key(self, prompt: Prompt) -> str:
        """The cache's key of a prompt."""
        return record_key(self.model, prompt.digest, self.settings)

    def request(self) -> dict[str, object]:
        """What every request holds beside its messages."""
        return {"model": self.model, **self.settings}

    def _open(
        self, prompts: Sequence[Prompt], records: Mapping[str, Record], retry_failed: bool
    ) -> list[tuple[str, Prompt]]:
        """The distinct questions that still need an answer."""
        settled = ("ok",) if retry_failed else ("ok", "failed")
        distinct = {self.key(prompt): prompt for prompt in prompts}
        return [
            (key, prompt)
            for key, prompt in distinct.items()
            if key not in records or records[key].status not in settled
        ]
