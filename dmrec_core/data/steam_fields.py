"""What the store says of the paper's Steam items: a title, and a text made of plain fields by no language model.

RLMRec's mapper gives each item of `steam` its app id, and a public crawl of the store gives each app its fields. Of
these, `sentiment`, `metascore` and the price are left out: reviews may be those of test users, and a price changes.
"""

from __future__ import annotations

import ast
import gzip
import html
import json
import warnings
from collections.abc import Iterator
from pathlib import Path

from dmrec_core.data.arrays import FREE, MAX_GROWTH, damage_named
from dmrec_core.data.cache import converted, locked, read_npz, write_npz
from dmrec_core.data.download import expected_sha256, fetch
from dmrec_core.data.errors import DataError
from dmrec_core.data.semantic import Profiles
from dmrec_core.data.sources import steam_fields
from dmrec_core.records.ranges import cut, short

WRITER = "the store's own fields (no language model)"
FIELDS = ("tags", "genres", "specs", "developer")  # in this order: what is cut to its first words keeps tags
LONGEST_LINE = 1 << 14  # bytes; the longest is 1,493
MOST_BRACKETS = 100  # in a line; real ones have 10, and a literal of thousands is no object but an attack


def load_steam_fields(n_items: int, progress: bool = True) -> tuple[tuple[str, ...], Profiles, dict[str, str]]:
    r"""Titles and texts of the items of `steam`, in their order.

    An item's text has a line for each of `FIELDS` that the crawl has of it, with the words that the store's page uses:

        tags: Free to Play, Strategy, Indie
        developer: Secret Level SRL

    The first call fetches both files (3 MB) and converts them, in some ten seconds.

    Args:
        n_items: how many items the interactions have.
        progress: show progress bars while downloading.

    Returns:
        Titles; item profiles, without user profiles; checksums of the files.

    Raises:
        DataError: a file that cannot be had, is damaged, lacks an item or is about another number of items.

    Source: HKUDS/RLMRec (the mapper); UC San Diego's crawl of the store, Pathak et al., SIGIR 2017 (the fields).
    """
    files = steam_fields()
    checksums = {file.key: expected_sha256(file) for file in files.values()}
    target = converted("steam-fields", checksums, ".npz")
    kept = read_npz(target)
    if kept is None:
        mapper, crawl = (fetch(files[name], progress) for name in ("mapper", "crawl"))
        titles, texts = _read(mapper, crawl)
        kept = {}, {"titles": titles, "texts": texts}
        with locked(target):
            write_npz(target, *kept)
    notes = kept[1]
    if len(notes["titles"]) != n_items:
        raise DataError(
            f"{files['mapper'].key} names {len(notes['titles'])} items, the interactions have {n_items}: these are not "
            "the paper's matrices of steam; load_dataset('steam', vectors=False) does without texts"
        )
    return tuple(notes["titles"]), Profiles(notes["texts"], user=None, source=WRITER), checksums


def _read(mapper: Path, crawl: Path) -> tuple[list[str], list[str]]:
    item_of = _app_ids(mapper)
    found: dict[int, tuple[str, str]] = {}
    for where, game in _objects(crawl):
        item = item_of.get(str(game.get("id")))  # a line about no app is about no item
        if item is not None and item not in found:  # the first of an app's lines wins
            found[item] = _title(game, where), _text(game, where)
    missing = next((app for app, item in item_of.items() if item not in found), None)
    if missing is not None:
        raise DataError(f"{crawl}: no app {missing}, which is item {item_of[missing]} in {mapper}")
    titles, texts = zip(*(found[item] for item in range(len(found))), strict=True)
    return list(titles), list(texts)


def _app_ids(mapper: Path) -> dict[str, int]:
    """App id -> item."""
    item_of: dict[str, int] = {}
    for where, line in _objects(mapper):
        item, app = line.get("iid"), line.get("product_id")
        if type(item) is not int or not isinstance(app, str) or not app.isdecimal():
            raise DataError(f"{where}: {short(line)}; expected iid, a whole number, and product_id, an app id as text")
        if item != len(item_of) or app in item_of:
            raise DataError(
                f"{where}: iid {item}, app {cut(app)}; expected iid {len(item_of)} and an app not yet named"
            )
        item_of[app] = item
    if not item_of:
        raise DataError(f"{mapper}: an empty file; expected a line for each item")
    return item_of


def _objects(path: Path) -> Iterator[tuple[str, dict]]:
    """Where each line is, and the JSON or Python literal in it. Nothing is evaluated, and nothing grows unbounded."""
    left = max(FREE, MAX_GROWTH * path.stat().st_size)
    number = 0
    with (
        damage_named(path, "damaged", "fetch it again"),
        (gzip.open if path.suffix == ".gz" else open)(path, "rb") as lines,
    ):
        while line := lines.readline(LONGEST_LINE + 1):
            number, left = number + 1, left - len(line)
            where = f"{path}, line {number}"
            if len(line) > LONGEST_LINE or left < 0:
                fault = "the file grows out of proportion" if left < 0 else f"more than {LONGEST_LINE:,} bytes"
                raise DataError(f"{where}: {fault}; expected a line for each game: fetch it again")
            yield where, _literal(line, where)


def _literal(line: bytes, where: str) -> dict:
    try:
        if line.count(b"[") + line.count(b"{") + line.count(b"(") > MOST_BRACKETS:
            raise ValueError(f"more than {MOST_BRACKETS} brackets")
        text = line.decode("utf-8").strip()
        try:
            value = json.loads(text)
        except ValueError:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of odd literals, thousands in a hostile line
                value = ast.literal_eval(text)
        if not isinstance(value, dict):
            raise ValueError(f"a {type(value).__name__}")
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as problem:
        raise DataError(
            f"{where}: {short(line)}; expected one JSON or Python object ({cut(problem, 200)}): fetch it again"
        ) from problem
    return value


def _title(game: dict, where: str) -> str:
    title = game.get("title")
    if not isinstance(title, str) or not _plain(title):
        raise DataError(f"{where}: title {short(title)}; expected a text")
    return _plain(title)


def _text(game: dict, where: str) -> str:
    lines = []
    for field in FIELDS:
        value = game.get(field) or ()
        words = [value] if isinstance(value, str) else value
        if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
            raise DataError(f"{where}: {field} {short(value)}; expected a text or a list of texts")
        told = ", ".join(filter(None, map(_plain, words)))
        lines += [f"{field}: {told}"] if told else []
    return "\n".join(lines)


def _plain(text: str) -> str:
    """One line, `&amp;` spelt out, and without half characters, which no file can hold."""
    return " ".join(html.unescape(text).encode("utf-8", "replace").decode("utf-8").split())
