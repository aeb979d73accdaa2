"""Text that came from data, shown letter for letter: titles, texts, ids, names, a language model's answer.

Such a text may be anything: HTML, Markdown, mathematics, a formula for a spreadsheet. Whoever puts it into one of these
passes it through the function of that place, here and nowhere else, and it is read as text there. Cut first, then
escape: a cut through `&lt;` shows neither.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from typing import Any

NO_MATHEMATICS = "tex2jax_ignore mathjax_ignore"
"""HTML classes of an element whose dollars stay dollars: a notebook page typesets what stands between two of them."""

# control characters, marks that reorder what stands around them, half of a surrogate pair
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
_HALVES = re.compile(r"[\ud800-\udfff]")
_MARKDOWN = re.compile(
    r"[&<>*`\[\]|~^{}$\\]|(?<![^\W_])_|_(?![^\W_])"  # wherever they stand; an underscore inside of a word is one
    r"|^[#+\-=:]|^\d{1,9}[.)]"  # at the beginning of a line
    r"|:(?=//)|(?<=www)\.|@(?=[\w-]+\.)",  # what makes a link of a bare address
    re.IGNORECASE,
)
_FORMULA = re.compile(r"[\t\r\n]|[\s\x00-\x1f\u200b\ufeff]*[=+\-@＝＋－＠]")


def visible_text(text: object) -> str:
    """The text without what cannot be seen and changes what can: control characters and reordering marks.

    Tabs and line ends stay, these as a newline. Letters of every script stay, right-to-left ones too.

    Example:
        >>> visible_text("a\\u202eb\\x00c\\r\\nd")
        'abc\\nd'
    """
    lines = re.sub("\r\n?|[\x0b\x0c\x85\u2028\u2029]", "\n", str(text))
    return _HALVES.sub("\ufffd", _UNSEEN.sub("", lines))


def html_text(text: object) -> str:
    """For HTML and SVG: between tags, or in a quoted attribute. In a notebook, inside of `NO_MATHEMATICS`.

    Example:
        >>> html_text("<b> & 'more'")
        '&lt;b&gt; &amp; &#x27;more&#x27;'
    """
    return escape(visible_text(text), quote=True)


def markdown_text(text: object, newline: str = " ") -> str:
    """For one paragraph or table cell of Markdown, with mathematics or without.

    Characters that mean something become entities, and the two that open mathematics stand in an element of their own.
    Addresses are text as well: only what the kit itself links is a link.

    Args:
        text: anything; shown as `str` gives it.
        newline: what stands for a line end; `"<br>"` keeps lines apart.

    Example:
        >>> markdown_text("all-MiniLM-L6-v2"), markdown_text("*a* | [b](c)")
        ('all-MiniLM-L6-v2', '&#42;a&#42; &#124; &#91;b&#93;(c)')
    """
    lines = [_MARKDOWN.sub(_entity, " ".join(line.split())) for line in visible_text(text).split("\n")]
    return newline.join(lines).strip()


def _entity(match: re.Match[str]) -> str:
    before, mark = match[0][:-1], match[0][-1]  # before: the digits of a numbered list
    entity = f"&#{ord(mark)};"
    return f"<span>{entity}</span>" if mark in "$\\" else before + entity


def plotly_text(text: object) -> str:
    """For any label of a plotly figure, which reads tags, `$...$` and `%{...}`.

    Example:
        >>> plotly_text("<b>$1</b> %{x}")
        '&lt;b&gt;&#36;1&lt;/b&gt; &#37;{x}'
    """
    safe = escape(" ".join(visible_text(text).split()), quote=False)
    return safe.replace("$", "&#36;").replace("%{", "&#37;{")


def matplotlib_text(text: object) -> str:
    """For any label of a matplotlib figure, which reads `$...$`.

    Example:
        >>> matplotlib_text("$5 and $6")
        '\\\\$5 and \\\\$6'
    """
    return " ".join(visible_text(text).split()).replace("$", r"\$")


def json_in_html(value: Mapping[str, Any]) -> str:
    """JSON for a script element of a page: no text in it can end the element.

    Raises:
        ValueError: NaN or infinity, which JSON does not have.

    Example:
        >>> json_in_html({"title": "</script>"})
        '{"title":"\\\\u003c/script>"}'
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return _HALVES.sub("\ufffd", text.replace("<", "\\u003c"))


def spreadsheet_text(text: str) -> str:
    """For a cell of a csv file: one that a spreadsheet would run as a formula gets `'` before it.

    Example:
        >>> spreadsheet_text("=1+1"), spreadsheet_text("tea = good")
        ("'=1+1", 'tea = good')
    """
    return f"'{text}" if _FORMULA.match(text) else text
