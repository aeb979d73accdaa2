"""From texts to profiles and from profiles to vectors, a file each: the work of the commands `profiles` and `embed`."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dmrec_core.data import DATASETS, DataError, RecDataset, is_own
from dmrec_core.data.arrays import damage_named, read_npz
from dmrec_core.data.load import load_told
from dmrec_core.data.own import items_file
from dmrec_core.data.own_origin import KEY, PROFILES, check_fresh, made_from
from dmrec_core.data.own_reading import kept_reading, reading_of, without_reading_options
from dmrec_core.data.steam_fields import WRITER
from dmrec_core.language.embedders import Embedder, MiniLM, choose_embedder, semantic_vectors
from dmrec_core.language.endpoint import Endpoint
from dmrec_core.language.endpoint_embedder import EndpointEmbedder
from dmrec_core.language.estimate import AskingProgress, Price
from dmrec_core.language.extractive import ExtractiveProfiler
from dmrec_core.language.language_model import DEFAULT_SETTINGS, LanguageModel
from dmrec_core.language.own_fields import read_item_fields, read_reviews
from dmrec_core.language.profiles import ProfileWriter, load_profiles, save_profiles, write_profiles
from dmrec_core.language.prompts import Prompt, item_prompts, user_prompts
from dmrec_core.language.sentence_embedders import SentenceTransformerEmbedder
from dmrec_core.language.templates import PromptTemplate, load_template
from dmrec_core.records.files import check_writable, whole_or_not

LISTED = 20
"""Prompts without a profile that are shown; the file lists them all."""


def make_profiles(options: argparse.Namespace) -> int:
    """Write what the options of the command `profiles` ask for, and say it on standard error; its exit status."""
    template = load_template(options.template)
    if options.show_template:
        print(template.to_json(), end="")
        return 0
    folder = _own_folder(options.dataset)
    dataset = load_told(options.dataset, reading_of(options), **_no_vectors(folder))
    out = options.out or _place(options.dataset, PROFILES)
    if not options.dry_run:
        check_writable(out)
    keep = options.items == "keep" or (options.items is None and _published(options.dataset, dataset))
    items_table = items_file(folder) if folder else None
    told = {
        "fields": read_item_fields(items_table, dataset, template) if items_table else None,
        "reviews": read_reviews(options.reviews, dataset) if options.reviews else None,
        "seed": options.seed,
    }
    if dataset.titles is None and told["fields"] and template.title_field in told["fields"]:
        titles = [title or "" for title in told["fields"][template.title_field]]
        dataset = replace(dataset, titles=titles)  # users are told what their items are called
    record = _record(dataset, folder, [items_table, options.reviews], options)
    writer = _writer(options)
    items = [] if keep else item_prompts(dataset, template, **told)
    if options.dry_run or isinstance(writer, LanguageModel):
        _announce(writer, items, dataset, template, told, options)
    if options.dry_run:
        return 0
    line = _StatusLine()
    run = write_profiles(
        dataset,
        writer,
        template,
        keep_items=keep,
        retry_failed=options.retry_failed,
        on_progress=line,
        on_wait=lambda: _say("another run is using this model's answers; waiting for it"),
        **told,
    )
    line.end()
    save_profiles(out, run.profiles, run.without, record)
    lines = str(run).splitlines()
    _say(
        "\n".join(lines[: 1 + LISTED]) + (f"\n  and {len(lines) - 1 - LISTED} more" if len(lines) > 1 + LISTED else "")
    )
    _say(f"written: {out}")
    if out == _place(options.dataset, PROFILES):
        _say(f"next: python -m dmrec_core embed {options.dataset}")
    return 0


def _writer(options: argparse.Namespace) -> ProfileWriter:
    if options.extractive:
        return ExtractiveProfiler()
    if not options.base_url or not options.model:
        raise ValueError("say which model to ask (--base-url and --model), or --extractive to ask none")
    if (options.price_prompt is None) != (options.price_answer is None):
        raise ValueError("give both --price-prompt and --price-answer, or neither")
    settings = {**DEFAULT_SETTINGS, **dict(options.setting)}
    price = None if options.price_prompt is None else Price(options.price_prompt, options.price_answer)
    settings = {name: value for name, value in settings.items() if value is not None}
    return LanguageModel(_endpoint(options), options.model, settings, price)


def _announce(
    writer: ProfileWriter,
    items: list[Prompt],
    dataset: RecDataset,
    template: PromptTemplate,
    told: dict,
    options: argparse.Namespace,
) -> None:
    """The estimate, and on a dry run three prompts."""
    users = user_prompts(dataset, template, reviews=told["reviews"], seed=told["seed"])
    if options.dry_run:
        for prompt in [*items[:2], *users][:3]:
            print(f"--- {prompt.label}, system ---\n{prompt.system}\n--- {prompt.label}, user ---\n{prompt.user}\n")
    if not isinstance(writer, LanguageModel):
        print(f"{writer.name}: {len(items)} items and {len(users)} users, nothing is asked")
        return
    for what, prompts in (("items", items), ("users", users)):
        note = " (told with today's item texts)" if what == "users" and items else ""
        if prompts:
            print(f"{what}: {writer.estimate(prompts, options.retry_failed)}{note}", flush=True)


def make_vectors(options: argparse.Namespace) -> int:
    """Write what the options of the command `embed` ask for, and say it on standard error; its exit status."""
    out = options.out or _place(options.dataset, "vectors.npz")
    if out.suffix != ".npz":
        raise ValueError(f"--out must end in .npz, got {out}")
    check_writable(out)
    if out.exists() and not _ours(out):
        raise DataError(f"{out} was not written by this command; keep it elsewhere, or name another file with --out")
    folder = _own_folder(options.dataset)
    dataset = load_told(options.dataset, reading_of(options), **_no_vectors(folder))
    written = options.profiles or _place(options.dataset, PROFILES)
    writer = ""
    record = _record(dataset, folder, [items_file(folder), written] if folder else [], options)
    if options.profiles or written.exists():
        profiles = load_profiles(written)
        if folder and not check_fresh(written, dataset, folder, kept_reading(folder)):
            _say(f"{written} does not say what it was made from: if an older command made it, run profiles again")
        dataset = dataset.with_profiles(profiles)
        _say(f"profiles: {written} ({dataset.profiles.source})")
        writer = f", profiles by {dataset.profiles.source}"
    began = time.monotonic()
    vectors = semantic_vectors(replace(dataset, language=None), _embedder(options, dataset.name))
    embedder = f"{vectors.embedder}{writer}"  # printed under every figure: it names both
    ids = {"user_ids": dataset.user_ids, "item_ids": dataset.item_ids}
    named = {name: np.array([str(value) for value in values]) for name, values in ids.items() if values is not None}
    if record:
        named[KEY] = np.array(record)
    with whole_or_not(out) as temporary, open(temporary, "wb") as file:
        np.savez(file, user=vectors.user, item=vectors.item, embedder=np.array(embedder), **named)
    _say(
        f"{len(vectors.item)} items and {len(vectors.user)} users, {vectors.dim} numbers each, by {embedder}, "
        f"in {time.monotonic() - began:.1f} s\nwritten: {out}"
    )
    if folder and out == _place(options.dataset, "vectors.npz"):
        _say(f"next: python -m dmrec_core recommend {options.dataset}")
    return 0


def _ours(path: Path) -> bool:
    """Whether the file says what made its vectors, as this command's do; a stranger's is not overwritten."""
    with contextlib.suppress(DataError), damage_named(path, "vectors", ""):
        return "embedder" in read_npz(path, ())[1]
    return False


def _embedder(options: argparse.Namespace, name: str) -> Embedder:
    if options.base_url or options.model:
        if not options.base_url or not options.model:
            raise ValueError("an embeddings endpoint needs both --base-url and --model")
        return EndpointEmbedder(_endpoint(options), options.model)
    if options.embedder in ("auto", "minilm", "tfidf"):
        return choose_embedder(options.embedder, name)
    if options.embedder == MiniLM().name:
        return MiniLM()
    return SentenceTransformerEmbedder(options.embedder)


def _endpoint(options: argparse.Namespace) -> Endpoint:
    return Endpoint(
        options.base_url,
        key_variable=options.key_variable,
        concurrency=options.concurrency,
        timeout=options.timeout,
        patience=options.wait,
        insecure=options.insecure,
    )


def _published(name: str, dataset: RecDataset) -> bool:
    """Whether these item profiles were written by a language model already."""
    if name not in DATASETS or name == "toy" or dataset.profiles is None:
        return False
    return dataset.profiles.source != WRITER


def _own_folder(name: str) -> Path | None:
    return Path(name) if is_own(name) else None


def _no_vectors(folder: Path | None) -> dict[str, bool]:
    """They are not needed here, and those that are there may be of other data."""
    return {"vectors": False} if folder else {}


def _record(
    dataset: RecDataset, folder: Path | None, files: Sequence[Path | None], options: argparse.Namespace
) -> str | None:
    """What a file is made from, and the command that makes it; None for data that comes with the kit."""
    if folder is None:
        return None
    words = without_reading_options(options.arguments)
    named = [k for k, word in enumerate(words) if word == options.dataset]
    place = next((k for k in named if not words[k - 1].startswith("--")), named[0])
    command = [None if k == place else word for k, word in enumerate(words)]
    return made_from(dataset, folder, [path for path in files if path], command)


def _place(name: str, file: str) -> Path:
    """In the user's own folder; for a data set by name, here, with its name in front."""
    return Path(name) / file if is_own(name) else Path(f"{name}-{file}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class _StatusLine:
    """One line that overwrites itself in a terminal; in a log, a line every ten seconds."""

    def __init__(self) -> None:
        self._live, self._last, self._shown = sys.stderr.isatty(), 0.0, False

    def __call__(self, progress: AskingProgress) -> None:
        now, over = time.monotonic(), progress.done == progress.total
        if now - self._last < (0.1 if self._live else 10.0) and not over:
            return
        self._last, self._shown = now, True
        start, end = ("\r\x1b[K", "") if self._live else ("", "\n")
        print(f"{start}{progress}", end=end, file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._live and self._shown:
            _say("")
