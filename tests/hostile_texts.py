"""Titles that try to be something else than text, own data made of them, and what a page may look like after them."""

from __future__ import annotations

import ast
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd

from dmrec_core.data import RecDataset, toy_dataset

RAN = "window.ran=1"  # what a script among them would do
TITLES = (
    f"<img src=x onerror={RAN}>",
    f"<script>{RAN}</script>",
    f"</script></title></textarea></style><script>{RAN}</script>",
    f"--><svg/onload={RAN}>",
    f"<iframe srcdoc='<script>parent.{RAN}</script>'>",
    f"'\" onmouseover='{RAN}' onfocus=\"{RAN}\" autofocus x='",
    f"&lt;img src=x onerror={RAN}&gt; &#60;b&#62;",
    f"<a href='javascript:{RAN}'>a link</a>",
    f"[a link](javascript:{RAN}) ![an image](x)",
    f"<javascript:{RAN}> [a link][1]",
    "a|b \\| c",
    "`code` ```more``` ~~gone~~ *soft* **strong** _soft_ __strong__ a_b_c",
    f"$\\href{{javascript:{RAN}}}{{x}}$ $$y$$ costs $5 or $6",
    f"\\(x\\) \\[y\\] \\begin{{align}}\\href{{javascript:{RAN}}}{{z}}\\end{{align}}",
    "%{customdata} %{x} {{title}} ${RAN} %s {0}",
    "# heading",
    "- [ ] task",
    "12345. a list",
    "first line\nsecond line\n===\n\n    <b>code</b>",
    "\u202egnirts desrever \u2066and isolated",
    "\u05e9\u05dc\u05d5\u05dd \u200f(right to left)",
    "=1+1",
    '=HYPERLINK("http://example.org","x")',
    "+2",
    "-3+cmd|' /C calc'!A0",
    "@SUM(1)",
    "\t=1",
    " =1",
    "＝1",
    "see https://example.org, www.example.org or me@example.org",
    "an ordinary title",
)


def hostile_dataset(n_users: int = 60) -> RecDataset:
    """Toy interactions of items with these titles; texts say them too."""
    made = toy_dataset(n_users=n_users, n_items=len(TITLES))
    texts = tuple(f"{title} {text}" for title, text in zip(TITLES, made.profiles.item, strict=True))
    return replace(made, titles=TITLES, profiles=replace(made.profiles, item=texts))


def write_own(folder: Path) -> Path:
    """The same as a folder of one's own, its users' ids hostile as well."""
    made = hostile_dataset()
    users, items = (made.train + made.valid + made.test).nonzero()
    names = [f"{TITLES[u % len(TITLES)].replace(chr(10), ' ')} {u}" for u in range(made.n_users)]
    folder.mkdir()
    liked = pd.DataFrame({"user": np.array(names)[users], "item": [f"i{i}" for i in items]})
    liked.to_csv(folder / "interactions.csv", index=False)
    rows = {"item": [f"i{i}" for i in range(made.n_items)], "title": made.titles, "text": made.profiles.item}
    pd.DataFrame(rows).to_csv(folder / "items.csv", index=False)
    return folder


def write_small(folder: Path) -> Path:
    """A folder of 40 users with lists of at most 5 of 9 items, whose titles hold all of these between them."""
    random = np.random.default_rng(1)
    titles = ["\n".join(TITLES[k::9]) for k in range(9)]
    names = [f"{TITLES[u % len(TITLES)].replace(chr(10), ' ')} {u}" for u in range(40)]
    liked = [(name, f"i{i}") for name in names for i in random.choice(9, 5, replace=False)]
    folder.mkdir()
    pd.DataFrame(liked, columns=["user", "item"]).to_csv(folder / "interactions.csv", index=False)
    kinds = [f"{title} a {('tea', 'pie', 'bike')[k % 3]} of kind {k}" for k, title in enumerate(titles)]
    rows = {"item": [f"i{k}" for k in range(9)], "title": titles, "text": kinds}
    pd.DataFrame(rows).to_csv(folder / "items.csv", index=False)
    return folder


class Page(HTMLParser):
    """What a browser would make of HTML: its elements with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.elements.append((tag, dict(attrs)))
        self.text += "\n" * (tag in ("br", "p", "td", "tr"))

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def kinds(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    @property
    def words(self) -> str:
        return " ".join(self.text.split())


def run_cell(source: str, names: dict) -> object:
    """Run a notebook's cell; returns the value of its last line, which the notebook shows."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), names)
