"""Builds HTML in which text is escaped unless it is markup already."""

from collections.abc import Iterable
from html import escape

_VOID = frozenset({"br", "link", "meta"})
_SPACES = " \n\xa0"


class Html(str):
    """Text that is markup: only `tag` and constants make it, never telemetry."""

    __slots__ = ()


NOTHING = Html()


def tag(name: str, /, *children: str, **attributes: str | None) -> Html:
    """Return one element; children that are not `Html` are text, and escaped.

    Attributes that are None are left out. A trailing underscore keeps clear of Python's
    keywords, others stand for hyphens.

    >>> tag("p", "1 < 2", class_="note", aria_hidden="true")
    '<p class="note" aria-hidden="true">1 &lt; 2</p>'
    """
    opening = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Html(f"<{name}{opening}>")
    return Html(f"<{name}{opening}>{join(children)}</{name}>")


def join(parts: Iterable[str], separator: str = "") -> Html:
    """Return parts as one piece of markup, text among them escaped."""
    return Html(separator.join(text(part) for part in parts))


def text(value: str) -> Html:
    r"""Return markup as it is and anything else escaped.

    Control characters, lone surrogates and marks that reorder text become U+FFFD: they are
    no HTML, cannot be encoded, or make a line look like another.

    >>> text("<b>\x00\u202e")
    '&lt;b&gt;\ufffd\ufffd'
    """
    if isinstance(value, Html):
        return value
    return Html(escape("".join(c if c.isprintable() or c in _SPACES else "\ufffd" for c in value)))
