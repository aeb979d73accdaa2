"""f_LM of Eq. 4: any model behind an OpenAI-compatible endpoint, asked politely and once, believed only if valid."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dmrec_core.language.answer_cache import AnswerCache, CacheFull, Record, record_key
from dmrec_core.language.chat import ask
from dmrec_core.language.endpoint import (
    Endpoint,
    EndpointError,
    EndpointUnusable,
    RequestRefused,
    Stopped,
    UnreadableBody,
)
from dmrec_core.language.estimate import AskingProgress, CostEstimate, Price, estimate
from dmrec_core.language.prompts import Prompt

if TYPE_CHECKING:
    from dmrec_core.language.connection import Connection

REFUSALS = 8
"""So many refused requests, and no answer ever: the settings are at fault, not the prompts."""

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

    def estimate(self, prompts: Sequence[Prompt], retry_failed: bool = False) -> CostEstimate:
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
        on_progress: Callable[[AskingProgress], None] | None = None,
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
                records |= _Run(self, cache, jobs, records, on_progress).finish()
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


class _Run:
    """One pass over the open questions: workers ask and keep, the caller's thread reports and can interrupt."""

    def __init__(
        self,
        model: LanguageModel,
        cache: AnswerCache,
        jobs: list[tuple[str, Prompt]],
        past: Mapping[str, Record],
        on_progress: Callable[[AskingProgress], None] | None,
    ) -> None:
        self._model, self._cache, self._past, self._on_progress = model, cache, past, on_progress
        self._total, self._jobs, self._lock = len(jobs), iter(jobs), threading.Lock()
        self._events: queue.SimpleQueue[Record | EndpointError | CacheFull | None] = queue.SimpleQueue()
        self._began = time.monotonic()
        self._prompt_tokens = self._answer_tokens = self._failed = 0
        self._answers_came = any(record.status == "ok" for record in past.values())
        self._done: dict[str, Record] = {}

    def finish(self) -> dict[str, Record]:
        """Ask everything; the records by key."""
        from dmrec_core.language.connection import Connection  # with httpx: a quarter of a second few need

        workers = min(self._model.endpoint.concurrency, self._total)
        error: EndpointError | CacheFull | None = None
        with Connection(self._model.endpoint) as connection, ThreadPoolExecutor(workers) as pool:
            futures = [pool.submit(self._work, connection) for _ in range(workers)]
            try:
                while workers:
                    try:
                        event = self._events.get(timeout=1.0)
                    except queue.Empty:
                        self._report(connection)
                        continue
                    if event is None:
                        workers -= 1
                    elif isinstance(event, Record):
                        self._count(event)
                        self._report(connection)
                    else:
                        error = error or event
            except KeyboardInterrupt:
                connection.trouble = "interrupted; letting the requests under way finish"
                self._report(connection)
                raise
            finally:
                connection.stop()
        for future in futures:
            future.result()
        if error is not None:
            kept = f"{sum(r.status == 'ok' for r in self._done.values())} of {self._total} answers were received"
            raise type(error)(f"{error}. {kept} and are kept in {self._cache.path}; run the same again to go on.")
        return self._done

    def _work(self, connection: Connection) -> None:
        try:
            while True:
                with self._lock:
                    key, prompt = next(self._jobs, (None, None))
                if key is None:
                    return
                self._events.put(self._settle(connection, prompt, self._past.get(key)))
                if self._cache.full:
                    raise CacheFull("the answer file takes no more (disk full, or a limit)")
        except Stopped:
            return
        except (EndpointUnusable, CacheFull) as error:
            connection.stop()
            self._events.put(error)
        finally:
            self._events.put(None)

    def _settle(self, connection: Connection, prompt: Prompt, past: Record | None) -> Record:
        """Ask; if the answer is not valid, ask once more with what is wrong. Every answer is kept as it comes."""
        key, request = self._model.key(prompt), self._model.request()
        try:
            if past is None or past.status != "invalid":
                past = self._kept(ask(connection, request, prompt, key))
                if past.status == "ok":
                    return past
            record = ask(connection, request, prompt, key, invalid=past)
            return self._kept(record if record.status == "ok" else replace(record, status="failed"))
        except (RequestRefused, UnreadableBody) as error:
            return Record(key, "unanswered", why=f"{error}{_cure(str(error), request)}", label=prompt.label)

    def _kept(self, record: Record) -> Record:
        self._cache.append(record)
        with self._lock:
            self._prompt_tokens += record.prompt_tokens
            self._answer_tokens += record.answer_tokens
        return record

    def _count(self, record: Record) -> None:
        self._done[record.key] = record
        self._failed += record.status != "ok"
        self._answers_came |= record.status != "unanswered"
        if not self._answers_came and self._failed == REFUSALS:
            raise EndpointUnusable(f"the first {self._failed} requests were all refused: {record.why}")

    def _report(self, connection: Connection) -> None:
        if self._on_progress is None:
            return
        price = self._model.price
        cost = None if price is None else price.of(self._prompt_tokens, self._answer_tokens)
        self._on_progress(
            AskingProgress(
                done=len(self._done),
                total=self._total,
                failed=self._failed,
                prompt_tokens=self._prompt_tokens,
                answer_tokens=self._answer_tokens,
                cost=cost,
                seconds=time.monotonic() - self._began,
                trouble=connection.trouble,
            )
        )


def _cure(refusal: str, settings: Mapping[str, object]) -> str:
    """What to type where a server refuses a setting by name, as LM Studio and OpenAI's newer models do.

    Example:
        >>> _cure("Use 'max_completion_tokens', not 'max_tokens'.", {"max_tokens": 9})
        '; try --setting max_tokens=null --setting max_completion_tokens=9'
    """
    options = [f"--setting {name}=null" for name in settings if name != "model" and name in refusal]
    if "max_tokens" in settings and "max_completion_tokens" in refusal:
        options.append(f"--setting max_completion_tokens={settings['max_tokens']}")
    return f"; try {' '.join(options)}" if options else ""
