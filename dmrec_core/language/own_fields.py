"""What prompts can tell beyond an item's text: further columns of your items file, and reviews."""

from __future__ import annotations

from pathlib import Path

from dmrec_core.data.dataset import DataError, RecDataset
from dmrec_core.data.tables import read_table
from dmrec_core.language.templates import PromptTemplate
from dmrec_core.records.ranges import cut


def read_item_fields(path: Path, dataset: RecDataset, template: PromptTemplate) -> dict[str, list[str | None]]:
    """The template's columns of an items file, one value per item of the data set.

    Args:
        path: ``.csv`` or ``.parquet`` with a column ``item`` and any of the template's fields.
        dataset: whose items.
        template: whose fields; other columns are ignored.

    Returns:
        Columns by name, ``None`` where an item has no row.

    Raises:
        DataError: the file cannot be read, or an item has two rows.
    """
    table = read_table(path, ("item",), tuple(template.fields), ("item", "title", "genres"))
    row_of: dict[str, int] = {}
    for row, item in enumerate(table.columns["item"]):
        if item in row_of:
            raise DataError(f"{table.where(row)}: item {cut(item)} has a row already; keep one per item")
        row_of[item] = row
    rows = [row_of.get(str(item)) for item in _ids(dataset.item_ids, dataset.n_items)]
    names = [name for name in template.fields if name in table.columns]
    return {name: [None if row is None else table.columns[name][row] for row in rows] for name in names}


def read_reviews(path: Path, dataset: RecDataset) -> dict[tuple[int, int], str]:
    """Reviews by (user, item); prompts use only those of training interactions.

    Args:
        path: ``.csv`` or ``.parquet`` with columns ``user``, ``item``, ``review``.
        dataset: whose users and items; rows of others are ignored.

    Returns:
        One text per pair; several reviews of a pair are joined.

    Raises:
        DataError: the file cannot be read, or none of its rows is about this data set.
    """
    columns = read_table(path, ("user", "item", "review")).columns
    users = {str(name): number for number, name in enumerate(_ids(dataset.user_ids, dataset.n_users))}
    items = {str(name): number for number, name in enumerate(_ids(dataset.item_ids, dataset.n_items))}
    reviews: dict[tuple[int, int], str] = {}
    for user, item, review in zip(columns["user"], columns["item"], columns["review"], strict=True):
        if user in users and item in items:
            pair = users[user], items[item]
            reviews[pair] = f"{reviews[pair]}\n{review}" if pair in reviews else review
    if not reviews:
        raise DataError(f"{path}: no row is about a user and an item of {dataset.name}; are these the same ids?")
    return reviews


def _ids(ids: tuple[str | int, ...] | None, n: int) -> tuple[str | int, ...]:
    return tuple(range(n)) if ids is None else ids
