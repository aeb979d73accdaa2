"""``python -m dmrec_core.language profiles|embed``: long work that shows where it is and can be interrupted."""

from __future__ import annotations

import argparse
import contextlib
import errno
import signal
import sys
import time
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dmrec_core.data import DATASETS, RecDataset, load_dataset
from dmrec_core.data.cache import whole_or_not
from dmrec_core.language.command_line import parser
from dmrec_core.language.embedders import Embedder, MiniLM, choose_embedder, semantic_vectors
from dmrec_core.language.endpoint import Endpoint, EndpointError
from dmrec_core.language.endpoint_embedder import EndpointEmbedder
from dmrec_core.language.estimate import AskingProgress, Price
from dmrec_core.language.extractive import ExtractiveProfiler
from dmrec_core.language.language_model import DEFAULT_SETTINGS, LanguageModel
from dmrec_core.language.own_fields import read_item_fields, read_reviews
from dmrec_core.language.profiles import ProfileWriter, load_profiles, save_profiles, write_profiles
from dmrec_core.language.prompts import Prompt, item_prompts, user_prompts
from dmrec_core.language.sentence_embedders import SentenceTransformerEmbedder
from dmrec_core.language.templates import PromptTemplate, load_template

LISTED = 20
"""Prompts without a profile that are shown; the file lists them all."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    options = parser().parse_args(arguments)
    try:
        return {"profiles": _profiles, "embed": _embed}[options.command](options)
    except KeyboardInterrupt:
        _say("\ninterrupted; what was finished is kept. Run the same again to go on.")
        return 130
    except (EndpointError, ValueError, ModuleNotFoundError, FileNotFoundError) as error:
        _say(f"\nerror: {error}")
        return 1
    except OSError as error:
        _say(f"\nerror: {error} (--out names another file to write, DMREC_HOME another folder for what is kept)")
        return 1


def _profiles(options: argparse.Namespace) -> int:
    template = load_template(options.template)
    if options.show_template:
        print(template.to_json(), end="")
        return 0
    dataset = load_dataset(options.dataset)
    out = options.out or _place(options.dataset, "profiles.json")
    if not options.dry_run:
        _check_writable(out)
    keep = options.items == "keep" or (options.items is None and _published(options.dataset, dataset))
    items_file = _own_file(options.dataset, "items")
    told = {
        "fields": read_item_fields(items_file, dataset, template) if items_file else None,
        "reviews": read_reviews(options.reviews, dataset) if options.reviews else None,
        "seed": options.seed,
    }
    if dataset.titles is None and told["fields"] and template.title_field in told["fields"]:
        titles = [title or "" for title in told["fields"][template.title_field]]
        dataset = replace(dataset, titles=titles)  # users are told what their items are called
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
    save_profiles(out, run.profiles, run.without)
    lines = str(run).splitlines()
    _say(
        "\n".join(lines[: 1 + LISTED]) + (f"\n  and {len(lines) - 1 - LISTED} more" if len(lines) > 1 + LISTED else "")
    )
    _say(f"written: {out}")
    if out == _place(options.dataset, "profiles.json"):
        _say(f"next: python -m dmrec_core.language embed {options.dataset}")
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


def _embed(options: argparse.Namespace) -> int:
    out = options.out or _place(options.dataset, "vectors.npz")
    if out.suffix != ".npz":
        raise ValueError(f"--out must end in .npz, got {out}")
    if out.exists() and not _ours(out):
        raise ValueError(f"{out} was not written by this command; keep it elsewhere, or name another file with --out")
    _check_writable(out)
    dataset = load_dataset(options.dataset)
    written = options.profiles or _place(options.dataset, "profiles.json")
    writer = ""
    if options.profiles or written.exists():
        dataset = dataset.with_profiles(load_profiles(written))
        _say(f"profiles: {written} ({dataset.profiles.source})")
        writer = f", profiles by {dataset.profiles.source}"
    began = time.monotonic()
    vectors = semantic_vectors(replace(dataset, language=None), _embedder(options, dataset.name))
    embedder = f"{vectors.embedder}{writer}"  # printed under every figure: it names both
    ids = {"user_ids": dataset.user_ids, "item_ids": dataset.item_ids}
    named = {name: np.array(values) for name, values in ids.items() if values is not None}
    with whole_or_not(out) as temporary, open(temporary, "wb") as file:
        np.savez(file, user=vectors.user, item=vectors.item, embedder=np.array(embedder), **named)
    _say(
        f"{len(vectors.item)} items and {len(vectors.user)} users, {vectors.dim} numbers each, by {embedder}, "
        f"in {time.monotonic() - began:.1f} s\nwritten: {out}"
    )
    if options.dataset not in DATASETS and out == _place(options.dataset, "vectors.npz"):
        _say(f"next: python -m dmrec_core.recommend {options.dataset}")
    return 0


def _check_writable(out: Path) -> None:
    """OSError, before anything is asked, where the result could not be written."""
    if out.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder, not a file to write", str(out))
    with whole_or_not(out.with_name(f"{out.name}.probe")) as probe:
        probe.write_bytes(b"")
    out.with_name(f"{out.name}.probe").unlink()


def _ours(path: Path) -> bool:
    """Whether the file says what made its vectors, as this command's do; a stranger's is not overwritten."""
    with contextlib.suppress(OSError, ValueError, zipfile.BadZipFile), np.load(path, allow_pickle=False) as file:
        return "embedder" in file.files
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
        patience=options.patience,
        insecure=options.insecure,
    )


def _published(name: str, dataset: RecDataset) -> bool:
    """Whether these item profiles were written by a language model already."""
    return name in DATASETS and name != "toy" and dataset.profiles is not None


def _own_file(name: str, stem: str) -> Path | None:
    found = [Path(name) / f"{stem}{suffix}" for suffix in (".csv", ".parquet")]
    return next((path for path in found if name not in DATASETS and path.exists()), None)


def _place(name: str, file: str) -> Path:
    """In the user's own folder; for a data set by name, here, with its name in front."""
    return Path(f"{name}-{file}") if name in DATASETS else Path(name) / file


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


if __name__ == "__main__":
    for stop in (signal.SIGINT, signal.SIGTERM):  # a polite kill ends like Ctrl-C; a background shell ignores SIGINT
        signal.signal(stop, signal.default_int_handler)
    sys.stdout.reconfigure(errors="backslashreplace")  # a title that the terminal cannot show fails nothing
    sys.exit(main())
