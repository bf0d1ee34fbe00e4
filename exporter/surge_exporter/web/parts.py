"""The small pieces that the status page is made of: states, numbers, times, tables."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from surge_exporter.core.evidence import short_number
from surge_exporter.model import HOUR, Severity
from surge_exporter.web.markup import Html, join, tag

NONE = "–"
"""Stands where a number is undefined: never a zero that nobody measured."""

_SIZES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_SPANS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))
_JUST_NOW_SECONDS = 5.0
_LEAST_PERCENT = 0.005  # below it, rounding would say that a share is nothing
_LARGE_FACTOR = 100.0  # from here on a hundredth says nothing
_SMALL_RATE = 1000.0  # from here on a tenth of a request per hour says nothing


class Tone(StrEnum):
    """How a state is to be taken; also the CSS class. Shape and word always say it too."""

    OK = "ok"
    WARN = "warn"
    CRIT = "crit"
    UNKNOWN = "unknown"


SEVERITY_TONES = {Severity.WARNING: Tone.WARN, Severity.CRITICAL: Tone.CRIT}

SHAPES = {
    Tone.OK: Html(
        '<circle cx="8" cy="8" r="7" stroke="none"/>'
        '<path d="M4.8 8.2l2.2 2.2 4.3-4.6" fill="none"/>'
    ),
    Tone.WARN: Html(
        '<path d="M8 .9L15.6 14.6H.4Z" stroke="none"/><path d="M8 5.8v4M8 12v.2" fill="none"/>'
    ),
    Tone.CRIT: Html(
        '<path d="M5.1 1h5.8L15 5.1v5.8L10.9 15H5.1L1 10.9V5.1Z" stroke="none"/>'
        '<path d="M8 4.2v4.6M8 11.6v.2" fill="none"/>'
    ),
    Tone.UNKNOWN: Html(
        '<circle cx="8" cy="8" r="7" stroke="none"/><path d="M5 8h6" fill="none"/>'
    ),
}
"""A solid shape and the mark cut into it, 16 by 16: each tone has its own."""


def icon(tone: Tone) -> Html:
    """Return the shape of a tone, for eyes only: the word beside it says the same."""
    return tag("svg", SHAPES[tone], class_=f"icon {tone}", viewBox="0 0 16 16", aria_hidden="true")


def state(tone: Tone, words: str) -> Html:
    """Return a state as shape, colour and words."""
    return tag("span", icon(tone), words, class_=f"state {tone}")


def pill(label: str, tone: Tone, words: str) -> Html:
    """Return a labelled state for the verdict."""
    name = tag("span", label, class_="label")
    return tag("li", icon(tone), tag("span", name, " ", tag("b", words)), class_=f"pill {tone}")


def toned(tone: Tone | None, words: str) -> Html:
    """Return words that a signal speaks of, marked; plain ones without a tone."""
    return tag("span", words) if tone is None else state(tone, words)


def factor(value: float | None) -> str:
    """Return a factor as people say it.

    >>> factor(1.5606), factor(2007.0), factor(None)
    ('1.56×', '2007×', '–')
    """
    if value is None:
        return NONE
    return f"{value:.0f}×" if value >= _LARGE_FACTOR else f"{value:.2f}×"


def percent(ratio: float) -> str:
    """Return a ratio in percent; what is more than nothing never reads as nothing.

    >>> percent(0.41), percent(0.001), percent(0)
    ('41%', '<1%', '0%')
    """
    return "<1%" if 0 < ratio < _LEAST_PERCENT else f"{ratio:.0%}"


def hourly(requests_per_second: float) -> str:
    """Return a rate in requests per hour.

    >>> hourly(0.0123), hourly(12.0)
    ('44.3', '43.2k')
    """
    rate = requests_per_second * HOUR
    return f"{rate:.1f}" if 0 < rate < _SMALL_RATE else short_number(rate)


def size(count: int) -> str:
    """Return a number of bytes.

    >>> size(1_240_000), size(12)
    ('1.2 MB', '12 B')
    """
    for least, unit in _SIZES:
        if count >= least:
            return f"{count / least:.1f} {unit}"
    return f"{count} B"


def hours(seconds: float) -> str:
    """Return a window's length.

    >>> hours(21600.0)
    '6 h'
    """
    return f"{seconds / HOUR:g} h"


def span(seconds: float) -> str:
    """Return a stretch of time in its largest unit.

    >>> span(8100), span(45), span(180)
    ('2.2 h', '45 s', '3 min')
    """
    for least, unit in _SPANS:
        if seconds >= least:
            number = f"{seconds / least:.1f}".removesuffix(".0")
            return f"{round(seconds / least)} min" if unit == "min" else f"{number} {unit}"
    return f"{seconds:.0f} s"


def iso(at: float) -> str:
    """Return an instant as ISO 8601 in UTC.

    >>> iso(1774818251.53)
    '2026-03-29T21:04:11Z'
    """
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(at: float | None, now: float) -> Html:
    """Return how long ago something was, with the exact instant behind it."""
    if at is None:
        return tag("span", NONE)
    ago = now - at
    if abs(ago) < _JUST_NOW_SECONDS:
        words = "just now"
    else:
        words = f"{span(ago)} ago" if ago > 0 else f"in {span(-ago)}"
    return tag("time", words, datetime=iso(at), title=iso(at))


def clock(at: float, now: float) -> Html:
    """Return an instant as a time of day in UTC, with its date unless that is today's."""
    day, time = iso(at).split("T")
    minute = f"{time[:5]} UTC"
    words = minute if iso(now).startswith(day) else f"{day} {minute}"
    return tag("time", words, datetime=iso(at), title=iso(at))


def bar(share: float, tone: Tone | None = None) -> Html:
    """Return a thin bar for a share from 0 to 1; the number beside it says the same."""
    filled = tag("rect", width=f"{min(max(share, 0.0), 1.0):.1%}", height="100%", rx="2")
    return tag("svg", filled, class_=f"bar {tone or ''}".strip(), aria_hidden="true")


def section(slug: str, title: str, *children: str, class_: str | None = None) -> Html:
    """Return a titled part of the page."""
    heading = tag("h2", title, id=slug)
    return tag("section", heading, *children, aria_labelledby=slug, class_=class_)


@dataclass(frozen=True, slots=True)
class Column:
    """A table column: its heading, and the CSS classes of its cells."""

    title: str
    class_: str | None = None


NUMBER = "number"
ROOMY = "number roomy"
"""A number that narrow screens leave out: another column implies it."""


def table(label: str, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> Html:
    """Return a table that scrolls by itself; the first cell heads its row."""
    head = tag("tr", *(tag("th", c.title, scope="col", class_=c.class_) for c in columns))
    body = join((_row(columns, cells) for cells in rows), "\n")
    whole = tag("table", tag("thead", head), tag("tbody", body))
    return tag("div", whole, class_="scroll", role="group", aria_label=label, tabindex="0")


def _row(columns: Sequence[Column], cells: Sequence[str]) -> Html:
    head, *rest = cells
    data = [
        tag("td", cell, class_=column.class_)
        for column, cell in zip(columns[1:], rest, strict=True)
    ]
    return tag("tr", tag("th", head, scope="row"), *data)
