"""Thousands of files as they should not be: refused in the kit's own words, or read for a reason that is listed."""

from __future__ import annotations

import collections
import warnings

import numpy as np
import pytest

from dmrec_core.data import DataError, load_own
from dmrec_core.data.ids import MISSING, clean_id
from dmrec_core.language.own_fields import read_item_fields, read_reviews
from dmrec_core.language.templates import TEMPLATES
from tests.bad_tables import BYTE_FAULTS, CSV_FAULTS, PARQUET_FAULTS, make

NUMBERS = {"ratings", "other numbers", "dislikes"}
EXCUSED = {None: set(), "none": NUMBERS | {"events"}, 1: NUMBERS}
"""Under a threshold, columns of numbers have said what they mean; under "none" every column is ignored."""


def try_file(folder, seed):
    """Whether the file was read; fails on anything but a `DataError` that names the file, or a wrong acceptance."""
    suffix, content, faults = make(seed)
    threshold = (None, None, "none", 1)[seed % 4]
    path = folder / f"interactions{suffix}"
    path.write_bytes(content)
    names = [fault.name for fault in faults]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            data = load_own(path, min_rating=threshold)
    except DataError as refused:
        assert str(refused).startswith(str(path)) and len(str(refused)) < 1500, (seed, names, str(refused)[:500])
        return False
    assert all(fault.reason or fault.name in EXCUSED[threshold] for fault in faults), (
        f"seed {seed}: {names} was read, {content[:300]!r}"
    )
    for ids in (data.user_ids, data.item_ids):
        texts = [str(identifier) for identifier in ids]
        assert len({clean_id(text) for text in texts}) == len(texts), (seed, names)
        assert not MISSING.intersection(text.casefold() for text in texts), (seed, names)
        numbers = [int(text) for text in texts if text.lstrip("+-").isdecimal() and len(text) < 300]
        assert len(set(numbers)) == len(numbers), (seed, names, "one number in two spellings")
    assert (np.diff(data.train.indptr) > 0).all()
    return True


def run(folder, seeds):
    read = collections.Counter(try_file(folder, seed) for seed in seeds)
    assert read[True] > len(seeds) / 10 and read[False] > len(seeds) / 4, "both kinds are made"


def test_no_fault_is_a_traceback(tmp_path):
    run(tmp_path, range(400))


def test_nor_is_it_in_a_file_of_items_or_reviews(tmp_path):
    (tmp_path / "good.csv").write_text("user,item\nu0,1\nu0,2\n")
    good, read = load_own(tmp_path / "good.csv"), 0
    for seed in range(120):
        suffix, content, _ = make(seed)
        path = tmp_path / f"items{suffix}"
        path.write_bytes(content.replace(b"user", b"text") if seed % 2 else content)
        for use in (
            lambda path: load_own(tmp_path / "good.csv", path),
            lambda path: read_item_fields(path, good, TEMPLATES["games"]),
            lambda path: read_reviews(path, good),
        ):
            try:
                use(path)
                read += 1
            except DataError as refused:
                assert str(path) in str(refused)
    assert read > 5


@pytest.mark.slow
def test_no_fault_is_a_traceback_in_many_files(tmp_path):
    run(tmp_path, range(1000, 9000))


def test_every_fault_is_made():
    made = {fault.name for seed in range(1500) for fault in make(seed)[2]}
    assert made == {fault.name for fault in (*CSV_FAULTS, *PARQUET_FAULTS, *BYTE_FAULTS)}


def test_a_file_whose_column_statistics_lie_does_not_end_the_process(tmp_path):
    try_file(tmp_path, 7758)  # one flipped bit; pyarrow aborts where it is asked of such a column's metadata
