"""Many prompts, one model: workers that ask and keep, and a caller's thread that reports and can be interrupted."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from dmrec_core.language.answer_cache import AnswerCache, CacheFull, Record
from dmrec_core.language.chat import ask
from dmrec_core.language.endpoint import EndpointError, EndpointUnusable, RequestRefused, Stopped, UnreadableBody
from dmrec_core.language.estimate import Progress
from dmrec_core.language.prompts import Prompt

if TYPE_CHECKING:
    from dmrec_core.language.connection import Connection
    from dmrec_core.language.language_model import LanguageModel

REFUSALS = 8
"""So many refused requests, and no answer ever: the settings are at fault, not the prompts."""


class Run:
    """One pass over the open questions: workers ask and keep, the caller's thread reports and can interrupt."""

    def __init__(
        self,
        model: LanguageModel,
        cache: AnswerCache,
        jobs: list[tuple[str, Prompt]],
        past: Mapping[str, Record],
        on_progress: Callable[[Progress], None] | None,
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
            return Record(key, "unanswered", why=str(error), label=prompt.label)

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
            Progress(
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
