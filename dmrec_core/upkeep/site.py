"""The site: the kept notebooks as pages, with the live figures in them, and what the runs say."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import nbformat

from dmrec_core.records.checkout import checkout
from dmrec_core.upkeep.flowchart import svg
from dmrec_core.upkeep.outputs import stale
from dmrec_core.upkeep.runner import discover

PAGES = "site"  # of the checkout: settings, style and the pages that are no notebook
TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
MERMAID = re.compile(r"```mermaid\n(.*?)```", re.DOTALL)
DIFFERENCES = re.compile(r"^## Paper vs code(?:: ([^\n]*))?\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
PANELS = "lambda_panel(", "user_panel("  # a cell whose controls the live figure has too
LIVE_OF = {  # notebooks that show other live figures than the one of their name -> each with the cells it stands behind
    "00b_dmrec_in_80_lines": {"00b_dmrec_in_80_lines": ("explore(draw_step",)},
    "00_start_here": {"09_lambda_sensitivity": PANELS},
    "09_lambda_sensitivity": {
        "09_lambda_sensitivity": PANELS,
        "09_lambda_sensitivity.google-xrec": ("along_lambda(",),
    },
    "13_explore": {
        "13_explore": PANELS,
        "13_explore.google-xrec": ("write_kept_explore(",),
        "13_explore.clicks": ("write_own_clicks(",),
    },
}


class SiteFailed(RuntimeError):
    """Sphinx refused a page; it said which and why."""


def build_site(out: Path | None = None) -> Path:
    """Build the pages; the folder that holds them, `index.html` first, which needs no server and no network.

    Args:
        out: where they go; `build/site` of the checkout by default.

    Raises:
        SiteFailed: Sphinx is not installed, a page is wrong, or a notebook does not name its page.
    """
    root = checkout()
    out = (out or root / "build" / "site").resolve()
    try:
        from sphinx.cmd.build import build_main
    except ImportError as error:
        raise SiteFailed("the site is built by Sphinx: pip install -c constraints.txt -e '.[site]'") from error
    pages = gather(root, out.with_name(f"{out.name}-source"))
    shutil.rmtree(out, ignore_errors=True)
    if build_main(["-q", "-W", "--keep-going", "-b", "html", "-d", str(pages / ".doctrees"), str(pages), str(out)]):
        raise SiteFailed(f"pages are wrong, see above; they lie in {pages}")
    shutil.rmtree(out / "_sources", ignore_errors=True)
    (out / ".nojekyll").touch()  # or GitHub would not serve _static
    print(out / "index.html")
    return out


def page_line(name: str) -> str:
    """How the notebook `name` names its page, in its first cell.

    Example:
        >>> page_line("05_training")
        '*As a page: `make site`, then open `build/site/notebooks/05_training.html`.*'
    """
    return f"*As a page: `make site`, then open `build/site/notebooks/{name}.html`.*"


def gather(root: Path, pages: Path) -> Path:
    """Everything the site is made of, in the folder `pages`, which is emptied first."""
    shutil.rmtree(pages, ignore_errors=True)
    shutil.copytree(root / PAGES, pages, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in ("_static", "extra/live", "extra/files", "notebooks"):
        (pages / folder).mkdir(parents=True)
    (pages / "style.css").rename(pages / "_static" / "style.css")
    for twin in (root / "figures").glob("*.html"):
        shutil.copy(twin, pages / "extra" / "live")
    for page in (root / "figures").rglob("*.md"):
        target = pages / page.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = page.read_text(encoding="utf-8")
        if not text.startswith("# "):  # the statements, whose markdown notebooks show under a heading of theirs
            folder = page.parent.relative_to(root / "figures").as_posix()
            text = f"# The paper's statements, judged on {'toy' if folder == '.' else folder}\n\n{text}"
        target.write_text(text, encoding="utf-8")
    with (pages / "differences.md").open("a", encoding="utf-8") as page:
        page.writelines(_differences(root))
    for source in discover(root / "notebooks"):
        path = source.with_suffix(".ipynb")
        shutil.copy(path, pages / "extra" / "files")
        notebook = nbformat.read(path, as_version=4)
        if why := stale(notebook):
            print(f"{path.name}: {why}")
        _as_page(notebook, path.stem, root, pages / "notebooks")
        nbformat.write(notebook, pages / "notebooks" / path.name)
    return pages


def _differences(root: Path) -> Iterator[str]:
    """What each notebook says under "Paper vs code", with a way to it: the facts stand there, and are gathered here."""
    for source in discover(root / "notebooks"):
        cells = nbformat.read(source.with_suffix(".ipynb"), as_version=4).cells
        title = cells[0].source.split("\n", 1)[0].removeprefix("# ")
        for cell in cells:
            for about, told in DIFFERENCES.findall(cell.source if cell.cell_type == "markdown" else ""):
                heading = f"\n## [{title}](notebooks/{source.stem}.ipynb)\n\n"
                yield f"{heading}{f'*{about.capitalize()}.* ' if about else ''}{told.strip()}\n"


def _as_page(notebook: nbformat.NotebookNode, name: str, root: Path, pages: Path) -> None:
    """What a page has and a notebook has not: a way to the notebook, its live figures, a drawn diagram."""
    drawn = 0
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        for diagram in MERMAID.findall(cell.source):
            drawn += 1
            (pages / f"{name}-{drawn}.svg").write_text(svg(diagram), encoding="utf-8")
            picture = f"![How the parts of the model hang together]({name}-{drawn}.svg)\n"
            cell.source = MERMAID.sub(lambda _, picture=picture: picture, cell.source, count=1)
    line = page_line(name)
    if notebook.cells[0].source.count(line) != 1:
        raise SiteFailed(f"{name}.py: its first cell names its page, in these words: {line}")
    link = f'<a href="../files/{name}.ipynb" download>this page as a notebook</a>'
    there = f'<p class="notebook-link">{link}, to run and change</p>'
    notebook.cells[0].source = notebook.cells[0].source.replace(line, there)
    for live, cells in LIVE_OF.get(name, {name: PANELS}).items():
        if (figure := root / "figures" / f"{live}.html").is_file():
            notebook.cells.insert(_where_it_moves(notebook, cells), _live(figure))


def _where_it_moves(notebook: nbformat.NotebookNode, cells: tuple[str, ...]) -> int:
    """Behind the cell that the live figure stands for, or before the notebook's checks."""
    sources = [cell.source for cell in notebook.cells]
    panel = next((at for at, source in enumerate(sources) if any(each in source for each in cells)), None)
    if panel is not None:
        return panel + 1
    return next((at for at, source in enumerate(sources) if source.startswith("## What we checked")), len(sources))


def _live(figure: Path) -> nbformat.NotebookNode:
    about = TITLE.search(figure.read_text(encoding="utf-8"))[1]  # of a page that is HTML already
    return nbformat.v4.new_markdown_cell(
        f"**Live: it needs no Python.** Move what you like; the address of "
        f'<a href="../live/{figure.name}">the figure on a page of its own</a> keeps what you chose.\n\n'
        f'<iframe class="live" src="../live/{figure.name}" title="Live figure: {about}" loading="lazy"></iframe>'
    )
