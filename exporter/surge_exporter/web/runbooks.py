"""Turns a runbook's Markdown into a page: for whoever follows the link in an alert."""

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from surge_exporter.web.markup import Html, tag
from surge_exporter.web.style import PROSE_STYLE, STYLE

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_ENDING = ".md"
_INDEX_LINK = "./"
_INDEX = "README"


def render_runbook(name: str, markdown: str) -> str:
    """Return the whole page; it needs no script and no other file.

    Links to other runbooks, which are to files beside it, become links to their pages.
    """
    page = tag(
        "html",
        tag(
            "head",
            tag("meta", charset="utf-8"),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="color-scheme", content="light dark"),
            tag("title", f"{'Runbooks' if name == _INDEX else name} · surge-exporter"),
            tag("style", Html(STYLE + PROSE_STYLE)),
        ),
        tag("body", _header(), tag("main", tag("article", _html(markdown), class_="card prose"))),
        lang="en",
    )
    return f"<!doctype html>\n{page}\n"


def _header() -> Html:
    return tag(
        "header",
        tag("b", tag("a", "surge-exporter", href="/")),
        tag("p", tag("a", "All runbooks", href=_INDEX_LINK)),
    )


def _html(markdown: str) -> Html:
    """Return Markdown as markup; HTML in it is text, and only harmless links are links."""
    parser = _parser()
    tokens = parser.parse(markdown)
    for token in tokens:
        for child in token.children or ():
            link = child.attrGet("href")
            if isinstance(link, str) and link.endswith(_ENDING) and "/" not in link:
                page = link.removesuffix(_ENDING)
                child.attrSet("href", _INDEX_LINK if page == _INDEX else page)
    return Html(parser.renderer.render(tokens, parser.options, {}))


@cache
def _parser() -> "MarkdownIt":
    """Return the parser, imported once it is wanted: no start has to wait for it."""
    library = import_module("markdown_it")
    parser: MarkdownIt = library.MarkdownIt("commonmark", {"html": False}).enable("table")
    return parser
