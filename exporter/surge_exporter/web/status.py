"""Turns a snapshot into the status page: verdict first, then what to do, then why."""

from collections.abc import Iterator
from urllib.parse import quote

from surge_exporter.model import Recommendation
from surge_exporter.signals import MAINTAIN
from surge_exporter.snapshot import Snapshot
from surge_exporter.web import headline, tables
from surge_exporter.web.host import host
from surge_exporter.web.markup import Html, join, tag
from surge_exporter.web.parts import SHAPES, Tone, hours, icon, iso, section
from surge_exporter.web.style import FAVICON_FILLS, STYLE
from surge_exporter.web.tiles import tiles

REFRESH_SECONDS = 5

_LINKS = (
    ("/metrics", "Metrics"),
    ("/api/v1/report", "Report as JSON"),
    ("/api/v1/preflight", "Pre-flight"),
    ("/runbooks/", "Runbooks"),
    ("/-/healthy", "Healthy"),
    ("/-/ready", "Ready"),
)
_ARROW = Html(
    '<svg class="icon arrow" viewBox="0 0 16 16" aria-hidden="true">'
    '<path d="M2 8h11M8.5 3.5L13 8l-4.5 4.5"/></svg>'
)


def render_status(snapshot: Snapshot) -> str:
    """Return the whole page; `snapshot.at` is now. It needs no script and no other file."""
    page = tag(
        "html",
        _head(snapshot),
        tag("body", _header(snapshot), tag("main", _content(snapshot)), _footer(snapshot)),
        lang="en",
    )
    return f"<!doctype html>\n{page}\n"


def _head(snapshot: Snapshot) -> Html:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", http_equiv="refresh", content=str(REFRESH_SECONDS)),
        tag("title", f"{headline.title(snapshot)} · surge-exporter"),
        tag("link", rel="icon", href=_favicon(headline.tone(snapshot))),
        tag("style", Html(STYLE)),
    )


def _favicon(tone: Tone) -> str:
    """Show the state in the browser's tab."""
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"'
        f' fill="{FAVICON_FILLS[tone]}" stroke="#fff" stroke-width="1.6">{SHAPES[tone]}</svg>'
    )
    return f"data:image/svg+xml,{quote(drawing)}"


def _header(snapshot: Snapshot) -> Html:
    span = hours(snapshot.horizon_seconds)
    return tag(
        "header",
        tag("b", "surge-exporter"),
        tag("p", f"last {span} against the {span} before, at ", _now(snapshot)),
    )


def _now(snapshot: Snapshot) -> Html:
    at = iso(snapshot.at)
    return tag("time", at.replace("T", " ").replace("Z", " UTC"), datetime=at)


def _content(snapshot: Snapshot) -> Html:
    observation, verdict = snapshot.observation, snapshot.verdict
    if observation is None or verdict is None:
        parts = [headline.reading(snapshot), host(snapshot), tables.rejected(snapshot)]
    elif not observation.last_record:
        parts = [
            headline.silent(snapshot),
            tables.sources(snapshot),
            host(snapshot),
            tables.rejected(snapshot),
        ]
    else:
        parts = [
            headline.judged(snapshot, observation, verdict),
            _actions(verdict.recommendations),
            tiles(snapshot, observation),
            tables.callers(snapshot, observation, verdict),
            tables.signals(snapshot, observation, verdict),
            host(snapshot),
            tag(
                "div",
                tables.dependencies(snapshot, observation),
                tables.sources(snapshot),
                class_="halves",
            ),
            tables.rejected(snapshot),
        ]
    return join(parts, "\n")


def _actions(recommendations: tuple[Recommendation, ...]) -> Html:
    items = (_action(recommendation) for recommendation in recommendations)
    return section("actions", "What to do", tag("ul", *items), class_="card")


def _action(recommendation: Recommendation) -> Html:
    title, separator, evidence = recommendation.text.partition(": ")
    mark = icon(Tone.OK) if recommendation.action == MAINTAIN.slug else _ARROW
    return tag("li", mark, tag("p", tag("strong", title), separator, evidence))


def _footer(snapshot: Snapshot) -> Html:
    links = (tag("li", tag("a", words, href=path)) for path, words in _LINKS)
    return tag(
        "footer",
        tag("p", *_build(snapshot)),
        tag("nav", tag("ul", *links), aria_label="Endpoints"),
    )


def _build(snapshot: Snapshot) -> Iterator[str]:
    yield f"surge-exporter {snapshot.exporter.version}"
    if snapshot.exporter.revision:
        yield f" ({snapshot.exporter.revision[:12]})"
    if not snapshot.exporter.reload_successful:
        yield "; the last reload of the configuration failed, an older one is in force"
