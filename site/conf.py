"""Sphinx's settings for the site; `python -m dmrec_core site` gathers the pages and builds them.

Nothing is loaded from elsewhere and nothing needs a server: equations are MathML, which every browser draws by itself
since 2023, so there is neither a script nor a font to ship for them.
"""

from __future__ import annotations

import re

from docutils import nodes
from latex2mathml.converter import convert

project = "DMRec kit"
author = "the DMRec kit's authors"
language = "en"
extensions = ["myst_nb"]
nb_execution_mode = "off"  # what the notebooks are kept with is what is shown
nb_render_markdown_format = "gfm"  # tables in outputs
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "strikethrough"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header", "misc.highlighting_failure", "myst-nb.mime_priority"]
exclude_patterns = ["extra"]
templates_path = ["_templates"]  # the search page gets a heading and, where the sidebar is folded away, a box
html_theme = "furo"
html_title = "DMRec kit"
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_extra_path = ["extra"]  # live figures and notebooks, as they are
html_copy_source = False
html_show_search_summary = False  # it would fetch pages, which a folder opened from disk does not allow
html_show_sphinx = False
html_show_copyright = False
html_math_renderer = "mathml"
TAG = re.compile(r"\\tag\{([^}]*)\}")


def _inline(translator, node: nodes.math) -> None:
    translator.body.append(f'<span class="math">{convert(node.astext())}</span>')
    raise nodes.SkipNode


def _display(translator, node: nodes.math_block) -> None:
    text = node.astext()
    numbered = TAG.search(text)
    number = f'<span class="eqno">({numbered[1]})</span>' if numbered else ""
    equation = convert(TAG.sub("", text).strip(), display="block")
    translator.body.append(f'<div class="math"><div class="equation">{equation}</div>{number}</div>\n')
    raise nodes.SkipNode


def _say_what_pictures_show(app, doctree: nodes.document, page: str) -> None:
    """An image without words of its own is the figure of its section."""
    for image in doctree.findall(nodes.image):
        if not image.get("alt"):
            section = image
            while section is not None and not isinstance(section, nodes.section):
                section = section.parent
            image["alt"] = f"Figure: {section.next_node(nodes.title).astext()}" if section is not None else "Figure"


def setup(app) -> None:
    """Equations without a script, and words for every picture."""
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
    app.connect("doctree-resolved", _say_what_pictures_show)
