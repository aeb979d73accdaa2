"""How the first notebook opens without make; the repository's address is CITATION.cff's `repository-code`, only."""

from __future__ import annotations

import re
from pathlib import Path

from dmrec_core.records.markdown import markdown_table

ADDRESS = re.compile(r'^repository-code: *"?(https://github\.com/[^\s"]+)', re.MULTILINE)
FIRST = Path("notebooks", "00_start_here.ipynb")


def elsewhere(root: Path) -> str:
    """By uv, in Colab, on Binder: a table, with OWNER/NAME while no address is written."""
    citation = root / "CITATION.cff"
    said = ADDRESS.search(citation.read_text(encoding="utf-8")) if citation.is_file() else None
    address = said[1].removesuffix(".git").rstrip("/") if said else "https://github.com/OWNER/NAME"
    place, first = address.removeprefix("https://github.com/"), FIRST.as_posix()
    rows = [
        ("uv, in a clone", f"`uvx -c constraints.txt --with-editable '.[text]' --from jupyterlab jupyter-lab {first}`"),
        ("Colab", f"open `https://colab.research.google.com/github/{place}/blob/main/{first}`, and run this in a cell "
                  f"above the others: `%pip install -q git+{address}`"),
        ("Binder", f"`https://mybinder.org/v2/gh/{place}/main?urlpath=lab/tree/{first}`"),
    ]  # fmt: skip
    unknown = "`OWNER/NAME` is where this repository lives; as `repository-code` in CITATION.cff it is written here."
    return markdown_table(("without make", "what to type or open"), rows) + ("" if said else f"\n\n{unknown}")
