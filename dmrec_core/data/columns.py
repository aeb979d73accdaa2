"""Which column is which: the names that people give to users, items, texts and times."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from dmrec_core.data.errors import DataError
from dmrec_core.records.ranges import cut

SYNONYMS = {
    "user": "userid users uid username usersha1 userprofile customer customerid customerno customernumber client "
    "clientid buyer buyerid member memberid account accountid person personid visitorid reviewer reviewerid reader "
    "readerid listener listenerid player playerid",
    "item": "itemid items iid movie movieid film filmid artist artistid artistname artistmbid track trackid song "
    "songid album albumid book bookid isbn game gameid appid product productid productcode productno article articleid "
    "articleno sku asin parentasin stockcode business businessid place placeid",
    "text": "description desc summary overview synopsis plot abstract profile details about",
    "title": "name itemname itemtitle movietitle booktitle producttitle productname artistname artist",
    "split": "fold subset",
    "timestamp": "time date datetime ts unixtime unixreviewtime reviewtime createdat ratedat orderdate purchasedate "
    "invoicedate eventtime",
    "review": "reviewtext comment",
}
"""Other names that a column is known by; upper case, blanks, `_` and `-` do not matter (`plain`)."""


def plain(name: str) -> str:
    """A column's name without what people vary.

    Example:
        >>> plain("User ID") == plain("user_id") == plain("userId")
        True
    """
    return "".join(c for c in unicodedata.normalize("NFKC", name).casefold() if c.isalnum())


def find_columns(path: Path, names: Sequence[str], wanted: Sequence[str]) -> dict[str, str]:
    """Which of a file's columns is meant by each wanted name; a column is taken once.

    The name itself comes first, then a synonym; of several, the one that ends in `id`.

    Raises:
        DataError: two columns could be meant.

    Example:
        >>> find_columns(Path("x.csv"), ["userId", "artist", "artistID"], ["user", "item", "title"])
        {'user': 'userId', 'item': 'artistID', 'title': 'artist'}
    """
    left = {name: plain(name) for name in names}
    found: dict[str, str] = {}
    lone_id = "item" if "user" not in wanted else None  # in a list of items, `id` is the item's
    ranks = (
        lambda want, name: plain(name) == plain(want),
        lambda want, name: plain(name) in SYNONYMS.get(want, "").split(),
        lambda want, name: want == lone_id and plain(name) == "id",
    )
    for fitting in ranks:
        for want in wanted:
            fits = [] if want in found else [name for name in left if fitting(want, name)]
            if len(fits) > 1:
                named = [name for name in fits if left[name].endswith("id")]
                if len(named) != 1:
                    raise DataError(
                        f"{path}: columns {cut(', '.join(fits))} could each be the {want}: call one of them {want}"
                    )
                fits = named
            for name in fits:
                found[want] = name
                del left[name]
    return found
