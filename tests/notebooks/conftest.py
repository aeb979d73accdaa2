"""Tiny notebooks, written where a test wants them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dmrec_core.upkeep.pairs import HEADER

PARAMETERS = 'dataset = "toy"  # which data\nfigures_dir = "figures"\nlam = 0.5  # weight of the matching term'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty notebooks folder."""
    path = tmp_path / "notebooks"
    path.mkdir()
    return path


@pytest.fixture
def write(folder: Path) -> Callable[..., Path]:
    """write(name, *cells, parameters=...) makes `name.py` with a title, a parameters cell and those code cells."""

    def write_notebook(name: str, *cells: str, parameters: str = PARAMETERS) -> Path:
        blocks = [HEADER.strip(), "# %% [markdown]\n# # A tiny notebook", f'# %% tags=["parameters"]\n{parameters}']
        source = folder / f"{name}.py"
        source.write_text("\n\n".join([*blocks, *(f"# %%\n{cell}" for cell in cells)]) + "\n")
        return source

    return write_notebook
