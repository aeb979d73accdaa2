"""Thousands of files as they should not be: refused in the kit's own words, or read for a reason that is listed."""

from __future__ import annotations

import collections
import warnings

import numpy as np
import pytest

from dmrec_core.data import DataError, load_own
from dmrec_core.data.ids import MISSING, clean_id
from tests.bad_tables import BYTE_FAULTS, CSV_FAULTS, PARQUET_FAULTS, make


def try_file(folder, seed):
    """Whether the file was read; fails on anything but a `DataError` that names the file, or a wrong acceptance."""
    suffix, content, faults = make(seed)
    path = folder / f"interactions{suffix}"
    path.write_bytes(content)
    names = [fault.name for fault in faults]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            data = load_own(path)
    except DataError as refused:
        assert str(refused).startswith(str(path)) and len(str(refused)) < 1500, (seed, names, str(refused)[:500])
        return False
    assert all(fault.reason for fault in faults), f"seed {seed}: {names} was read, {content[:300]!r}"
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
    run(tmp_path, range(500))


@pytest.mark.slow
def test_no_fault_is_a_traceback_in_many_files(tmp_path):
    run(tmp_path, range(1000, 9000))


def test_every_fault_is_made():
    made = {fault.name for seed in range(1500) for fault in make(seed)[2]}
    assert made == {fault.name for fault in (*CSV_FAULTS, *PARQUET_FAULTS, *BYTE_FAULTS)}
