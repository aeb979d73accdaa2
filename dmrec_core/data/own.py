"""Your own data: one file of interactions, and one of item texts or one of vectors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dmrec_core.data.dataset import DataError, Profiles, RecDataset
from dmrec_core.data.own_interactions import read_interactions
from dmrec_core.data.own_vectors import read_vectors
from dmrec_core.data.tables import read_table


def load_own(
    interactions: str | Path,
    items: str | Path | None = None,
    vectors: str | Path | Mapping[str, str | Path] | None = None,
    *,
    name: str | None = None,
    embedder: str | None = None,
    seed: int = 2024,
) -> RecDataset:
    """A data set from your own files.

    **Interactions**, `.csv` (UTF-8, with a header) or `.parquet`: one row for each item a user liked, columns `user`,
    `item` and optionally `split` (train, valid or test; without it, each user's items are split 3:1:1 by
    `split_per_user`). A row given twice in one split counts once, and `source` says how often that was. A column
    `rating` or `value`, if there is one, may only hold 1::

        user,item,split
        anna,tea-01,train
        anna,pie-07,test
        bert,pie-07,train

    **Items**, `.csv` or `.parquet`: columns `item` and `text`, `title` or both, one row for every item above; further
    columns are for prompts (`read_item_fields`)::

        item,title,text
        tea-01,Green tea,"A fresh green tea, for those who like it mild."
        pie-07,Apple pie,"A warm apple pie with cinnamon."

    Ids are texts or whole numbers. They are renumbered in ascending order (numbers by value); `user_ids` and `item_ids`
    of the result keep yours. Items that nobody interacted with are left out. Where an error names a row of a csv, the
    header is row 1.

    Args:
        interactions: that file; or a folder that holds `interactions`, optionally `items` (each `.csv` or `.parquet`)
            and optionally `vectors` (`.npz` or `.safetensors`).
        items: that file.
        vectors: your own semantic vectors, see `read_vectors`.
        name: what to call it; the file's or folder's name otherwise.
        embedder: what made `vectors`, printed under every figure; by default what their file says of itself.
        seed: for the split, where the file has none.

    Raises:
        DataError: anything that does not fit; the message names file, row and value, and what to do.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> rows = ["user,item"] + [f"{user},{item}" for user in ("anna", "bert") for item in (1, 2, 10)]
        >>> _ = (folder / "interactions.csv").write_text("\\n".join(rows))
        >>> data = load_own(folder, name="tiny")
        >>> data.user_ids, data.item_ids, data.train.nnz
        (('anna', 'bert'), (1, 2, 10), 2)
    """
    interactions = Path(interactions)
    if interactions.is_dir():
        folder = interactions
        interactions = _in(folder, "interactions", (".csv", ".parquet"))
        if interactions is None:
            raise DataError(f"{folder}: no interactions.csv or interactions.parquet")
        items = items or _in(folder, "items", (".csv", ".parquet"))
        vectors = vectors or _in(folder, "vectors", (".npz", ".safetensors"))
        name = name or folder.resolve().name
    splits, user_ids, item_ids, duplicates = read_interactions(interactions, seed)
    titles, profiles = (None, None) if items is None else _texts(Path(items), item_ids)
    return RecDataset(
        name=name or interactions.stem,
        n_users=len(user_ids),
        n_items=len(item_ids),
        **splits,
        language=None if vectors is None else read_vectors(vectors, user_ids, item_ids, embedder),
        titles=titles,
        profiles=profiles,
        source={"interactions": str(interactions), "duplicates_merged": duplicates},
        user_ids=user_ids,
        item_ids=item_ids,
    )


def _in(folder: Path, stem: str, suffixes: tuple[str, ...]) -> Path | None:
    found = [folder / f"{stem}{suffix}" for suffix in suffixes if (folder / f"{stem}{suffix}").exists()]
    if len(found) > 1:
        raise DataError(f"{folder}: both {found[0].name} and {found[1].name}; keep one")
    return found[0] if found else None


def _texts(path: Path, item_ids: tuple[str | int, ...]) -> tuple[tuple[str, ...] | None, Profiles | None]:
    """Titles and texts in the order of the ids, None where there is no such column."""
    table = read_table(path, ("item",), ("title", "text"))
    rows = table.columns
    blank = np.flatnonzero(rows["text"].str.strip().eq("")) if "text" in rows else np.empty(0)
    if blank.size:
        raise DataError(f"{table.where(blank[0])}: no text ({blank.size} such rows): fill it in, or drop it")
    again = np.flatnonzero(rows["item"].duplicated())
    if again.size:
        raise DataError(f"{table.where(again[0])}: item {rows['item'][again[0]]} has a row already; keep one per item")
    rows = rows.set_index("item")
    absent = [identifier for identifier in item_ids if str(identifier) not in rows.index]
    if absent:
        raise DataError(
            f"{path}: no row for item {absent[0]} of the interactions ({len(absent)} such items): "
            "write its text, or drop its interactions"
        )
    rows = rows.loc[[str(identifier) for identifier in item_ids]]
    titles = tuple(rows["title"]) if "title" in rows else None
    return titles, Profiles(tuple(rows["text"]), user=None, source=path.name) if "text" in rows else None
