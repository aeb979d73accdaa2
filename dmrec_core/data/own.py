"""Your own data: one file of interactions, and one of item texts or one of vectors."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from dmrec_core.data.dataset import DataError, Profiles, RecDataset
from dmrec_core.data.own_interactions import read_interactions
from dmrec_core.data.own_origin import PROFILES, check_fresh, file_digest, origin
from dmrec_core.data.own_reading import FILE as READING
from dmrec_core.data.own_reading import Reading, kept_reading
from dmrec_core.data.own_vectors import read_vectors
from dmrec_core.data.sources import DATASETS
from dmrec_core.data.tables import SUFFIXES, read_table
from dmrec_core.records.ranges import cut

INTERACTIONS = ("interactions", "ratings", "user_artists", "likes", "purchases", "orders", "plays", "events")
ITEMS = ("items", "movies", "artists", "books", "products", "articles", "games")
"""Names of files that are found in a folder, the first before the others."""


def load_own(
    interactions: str | Path,
    items: str | Path | None = None,
    vectors: str | Path | Mapping[str, str | Path] | Literal[False] | None = None,
    *,
    name: str | None = None,
    embedder: str | None = None,
    min_rating: float | str | None = None,
    split: Literal["random", "time"] | None = None,
    seed: int | None = None,
) -> RecDataset:
    """A data set from your own files.

    **Interactions**: one row for each item a user liked, columns `user`, `item` and optionally `split` (train, valid
    or test). A row given twice in one split counts once, and `source` says how often that was::

        user,item,split
        anna,tea-01,train
        anna,pie-07,test
        bert,pie-07,train

    **Items**: columns `item` and `text`, `title` or both, one row for every item above; further columns are for prompts
    (`read_item_fields`)::

        item,title,text
        tea-01,Green tea,"A fresh green tea, for those who like it mild."
        pie-07,Apple pie,"A warm apple pie with cinnamon."

    What you have, and what to type (`recommend` stands for `python -m dmrec_core recommend`; options are said once, and
    kept in the folder as `reading.json`):

    =============================================  ====================================================================
    MovieLens `ratings.csv`, `movies.csv`          `recommend ml-latest-small --min-rating 3`; with `--split time` the
                                                   newest ratings of each user are held out
    MovieLens `ratings.dat`, `movies.dat` (`::`)   `recommend ml-1m --min-rating 3`
    Last.fm `user_artists.dat`, `artists.dat`      `recommend lastfm --min-rating 1` (any play is a like); for a tsv of
                                                   user, artist, plays without a header, write that line above it
    a shop's export: order, customer, product,     name it `orders.csv`, and the list of products `products.csv`;
    quantity, price, date                          `recommend shop --min-rating quantity=1`, and no return is a like
    a spreadsheet: user, item, stars               save it as CSV into `interactions.csv` (commas, semicolons or tabs);
                                                   `recommend mine --min-rating 3`
    rows that are all likes, with other columns    `recommend mine --min-rating none`
    =============================================  ====================================================================

    **Files** are `.csv`, `.tsv`, `.dat` or `.txt` (delimiter and encoding are found) or `.parquet`. **Columns** may go
    by other names, `userId` or `customer`, `movieId` or `sku` (`data.columns.SYNONYMS`). What was decided is said in
    one line, and under `read` in `source`. Where an error names a row of a csv, the header is row 1.

    **Likes**: a column of ratings, or of any numbers that are not all 1, is an error until `min_rating` says what a
    like is. Where a pair has several rows and not all are likes, the last counts.

    **Ids** are texts or whole numbers, in one spelling each (`clean_id`): blanks around them, `17.0` for 17 and other
    ways to compose an `é` make no other user; `nan`, `NULL` and the like are no ids; `1` beside `001` is an error. They
    are renumbered in ascending order (numbers by value); `user_ids` and `item_ids` of the result keep yours. Items that
    nobody likes are left out.

    **Split**, where the file has none: each user's items 3:1:1, drawn by seed, user and item, so that no user's split
    depends on another's rows; or by `timestamp` (unix seconds or ISO dates), the newest for test, those before for
    validation. An item's time is that of its first row. Users with fewer than 3 items only train.

    Args:
        interactions: that file; or a folder that holds `interactions` (or another name of `INTERACTIONS`), optionally
            `items` (`ITEMS`) and optionally `vectors` (`.npz` or `.safetensors`).
        items: that file.
        vectors: your own semantic vectors, see `read_vectors`; False looks for none.
        name: what to call it; the file's or folder's name otherwise.
        embedder: what made `vectors`, printed under every figure; by default what their file says of itself.
        min_rating: rows with this rating or more are likes (the paper keeps 3 and more); "plays=2" names the column,
            "none" makes every row a like.
        split: "random" or "time".
        seed: of the random split, 2024 by default.

    Raises:
        DataError: anything that does not fit; the message names file, row and value, and what to do. So do vectors that
            `embed` made from other interactions, split or texts than there are now: it says which command remakes them.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> rows = ["user,item"] + [f"{user},{item}" for user in ("anna", "bert") for item in (1, 2, 10)]
        >>> _ = (folder / "interactions.csv").write_text("\\n".join(rows))
        >>> data = load_own(folder, name="tiny")
        >>> data.user_ids, data.item_ids, data.train.nnz
        (('anna', 'bert'), (1, 2, 10), 2)
    """
    interactions, folder, kept = Path(interactions), None, Reading()
    reading = Reading(min_rating, split, seed)
    if interactions.is_dir():
        folder = interactions
        kept = kept_reading(folder)
        reading = reading.over(kept)
        interactions = _in(folder, INTERACTIONS, SUFFIXES)
        if interactions is None:
            raise DataError(f"{folder}: no interactions.csv or interactions.parquet; {_what_is_there(folder)}")
        items = items or items_file(folder)
        vectors = _in(folder, ("vectors",), (".npz", ".safetensors")) if vectors is None else vectors
        name = name or folder.resolve().name
    read = read_interactions(interactions, reading)
    titles, profiles, more = (None, None, ()) if items is None else _texts(Path(items), read.item_ids)
    name = name or interactions.stem
    data = RecDataset(
        name=f"own-{name}" if name in DATASETS else name,
        n_users=len(read.user_ids),
        n_items=len(read.item_ids),
        **read.splits,
        titles=titles,
        profiles=profiles,
        source={"interactions": str(interactions), "duplicates_merged": read.duplicates},
        user_ids=read.user_ids,
        item_ids=read.item_ids,
    )
    notes = [*read.notes, *(f"{Path(items).name} {note}" for note in more)]
    if kept != Reading():
        notes.append(f"{READING} says {' '.join(kept.words())}")
    if vectors:
        bound = isinstance(vectors, Mapping) or check_fresh(Path(vectors), data, folder, reading)
        data = data.with_language(read_vectors(vectors, read.user_ids, read.item_ids, embedder))
        if not bound and not read.has_split:
            notes.append(f"{Path(vectors).name} does not say which split it was made from: if an older embed made it, "
                         "run embed again")  # fmt: skip
    if notes:
        _say(f"{interactions}: {'; '.join(notes)}")
        data = replace(data, source={**data.source, "read": "; ".join(notes)})
    return data


def items_file(folder: Path) -> Path | None:
    """The file of items in a folder, if it has one."""
    return _in(folder, ITEMS, SUFFIXES)


def own_contents(folder: Path) -> tuple[tuple[str, str], ...]:
    """Names and checksums of the files that decide what `load_own(folder)` gives."""
    vectors = _in(folder, ("vectors",), (".npz", ".safetensors"))
    told = origin(vectors) if vectors else None
    found = {_in(folder, INTERACTIONS, SUFFIXES), items_file(folder), vectors, folder / READING, folder / PROFILES}
    found |= {folder / name for name in (told or {"files": ()})["files"]}
    return tuple(sorted((path.name, file_digest(path)) for path in found if path))


@cache  # once in a process
def _say(text: str) -> None:
    if multiprocessing.parent_process() is None:  # the workers of a sweep read the same files
        print(text, file=sys.stderr, flush=True)


def _what_is_there(folder: Path) -> str:
    found = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if not found:
        return "it is empty"
    return f"it has {', '.join(found[:6])}{', ...' * (len(found) > 6)}: call yours so (a spreadsheet is saved as CSV)"


def _in(folder: Path, stems: tuple[str, ...], suffixes: tuple[str, ...]) -> Path | None:
    """The file of the first of these names, else the only one of the others."""
    found = [folder / f"{stem}{suffix}" for stem in stems for suffix in suffixes]
    found = [path for path in found if path.is_file()]
    found = [path for path in found if path.stem == stems[0]] or found
    if len(found) > 1:
        raise DataError(f"{folder}: both {found[0].name} and {found[1].name}; keep one, or call one {stems[0]}")
    return found[0] if found else None


def _texts(
    path: Path, item_ids: tuple[str | int, ...]
) -> tuple[tuple[str, ...] | None, Profiles | None, tuple[str, ...]]:
    """Titles and texts in the order of the ids, None where there is no such column, and how the file was read."""
    table = read_table(path, ("item",), ("title", "text"), ("item", "title", "genres"))
    rows = table.columns
    needed = rows["item"].isin([str(identifier) for identifier in item_ids])
    blank = np.flatnonzero(rows["text"].str.strip().eq("") & needed) if "text" in rows else np.empty(0)
    if blank.size:
        raise DataError(f"{table.where(blank[0])}: no text ({blank.size} such rows): fill it in, or drop it")
    again = np.flatnonzero(rows["item"].duplicated())
    if again.size:
        raise DataError(
            f"{table.where(again[0])}: item {cut(rows['item'][again[0]])} has a row already; keep one per item"
        )
    rows = rows.set_index("item")
    absent = [identifier for identifier in item_ids if str(identifier) not in rows.index]
    if absent:
        raise DataError(
            f"{path}: no row for item {cut(absent[0])} of the interactions ({len(absent)} such items): "
            "write its text, or drop its interactions"
        )
    rows = rows.loc[[str(identifier) for identifier in item_ids]]
    titles = tuple(rows["title"]) if "title" in rows else None
    profiles = Profiles(tuple(rows["text"]), user=None, source=path.name) if "text" in rows else None
    return titles, profiles, table.notes
