"""What would have paged as text: JSON for scripts, Markdown for people."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from surge_exporter.core.episodes import Episode, Resolution
from surge_exporter.core.evidence import counted, duration, spoken_span
from surge_exporter.model import HOUR, UnixSeconds
from surge_exporter.playback import Playback, Suggestion, Total, row
from surge_exporter.render.report import escape, iso
from surge_exporter.rules.scope import alert_name

_WHOLE_FROM = 100.0  # from here on four digits might round what a threshold says
_NOTICE = {True: "page", False: "ticket"}


def to_json(playback: Playback) -> str:
    """Return all of it as one indented JSON object with a newline at its end."""
    found = {
        "start": iso(playback.start),
        "end": iso(playback.end),
        "weeks": round(playback.weeks, 3),
        "step_seconds": playback.step_seconds,
        "horizon_hours": playback.horizon_seconds / HOUR,
        "seasonal_test_from": _iso_or_none(playback.tested_from),
        "pages_per_week_wished": playback.pages_per_week,
        "episodes": [_episode(episode, playback) for episode in playback.episodes],
        "summary": [_total(total, playback) for total in playback.totals],
        "suggestions": [_suggestion(one, playback) for one in playback.suggestions],
    }
    return json.dumps(found, indent=2, allow_nan=False) + "\n"


def to_markdown(playback: Playback) -> str:
    """Return the timeline first, then what it adds up to, then what would change that."""
    lines = [
        f"# {_headline(playback)}",
        "",
        (
            f"{_minute(playback.start)} to {_minute(playback.end)} UTC, looked at every"
            f" {duration(playback.step_seconds)} through windows of"
            f" {spoken_span(playback.horizon_seconds)}."
        ),
        _seasonal_sentence(playback),
        "",
        "## Timeline",
        "",
        *_timeline(playback),
        "",
        "## Per week",
        "",
        *_summary(playback),
        "",
        "## Thresholds",
        "",
        *_thresholds(playback),
    ]
    return "\n".join(lines) + "\n"


def _headline(playback: Playback) -> str:
    pages = sum(playback.pages(episode) for episode in playback.episodes)
    tickets = len(playback.episodes) - pages
    spans = f"{playback.weeks:.1f} weeks" if playback.weeks > 1 else "up to a week"
    return f"{counted(pages, 'page')} and {counted(tickets, 'ticket')} in {spans}"


def _seasonal_sentence(playback: Playback) -> str:
    if playback.tested_from is None:
        return (
            "There is no seasonal test in all of this time, for want of 12 h of history:"
            " `demand_surge` could not page."
        )
    return (
        f"The seasonal test has history enough from {_minute(playback.tested_from)} on; before"
        " that `demand_surge` could not page."
    )


def _timeline(playback: Playback) -> Iterator[str]:
    if not playback.episodes:
        yield "Nothing would have paged."
        return
    yield (
        "| start | lasted | | alert | severity | subject | peak | threshold"
        " | evidence at the start | action | resolved |"
    )
    yield "|---|--:|---|---|---|---|--:|--:|---|---|---|"
    for episode in playback.episodes:
        key = episode.key
        lasted = (playback.end if episode.end is None else episode.end) - episode.start
        yield (
            f"| {_minute(episode.start)} | {duration(lasted)}"
            f" | {_NOTICE[playback.pages(episode)]} | {alert_name(row(episode))} | {key.severity}"
            f" | {escape(key.subject)}"
            f" | {_number(episode.peak)} | {_number(episode.threshold)}"
            f" | {escape(episode.evidence)} | {row(episode).action.title}"
            f" | {_resolution(episode)} |"
        )


def _resolution(episode: Episode) -> str:
    value = "" if episode.resolved_value is None else _number(episode.resolved_value)
    return {
        Resolution.FELL: f"value fell to {value}",
        Resolution.UNCONFIRMED: f"no longer confirmed, at {value}",
        Resolution.ABSENT: "nothing left to measure",
        Resolution.STALE: "telemetry went stale",
        Resolution.END_OF_LOGS: "not by the end of the logs",
    }[episode.resolution]


def _summary(playback: Playback) -> Iterator[str]:
    yield "| signal | alert | severity | | episodes | a week | in all | time a week |"
    yield "|---|---|---|---|--:|--:|--:|--:|"
    for total in playback.totals:
        weekly = total.episodes / playback.weeks
        yield (
            f"| {total.signal.name} | {alert_name(total.signal)} | {total.severity}"
            f" | {_NOTICE[total.pages]}"
            f" | {total.episodes} | {weekly:.1f} | {duration(total.seconds)}"
            f" | {duration(total.seconds / playback.weeks)} |"
        )


def _thresholds(playback: Playback) -> Iterator[str]:
    wished = f"{playback.pages_per_week:g} a week"
    if not playback.suggestions:
        yield f"No signal would have fired more than {wished}: no threshold needs to be another."
        return
    yield f"So that none of these fires more than {wished}:"
    yield ""
    yield "| signal | severity | threshold | a week | better | a week |"
    yield "|---|---|--:|--:|--:|--:|"
    for one in playback.suggestions:
        before = f"{one.episodes / playback.weeks:.1f}"
        if one.suggested is None:
            better, after = "none would do", ""
        else:
            better = _number(one.suggested)
            weekly = f"{one.suggested_episodes / playback.weeks:.1f}"
            after = weekly if one.suggested_episodes else "never"
        yield (
            f"| {one.signal.name} | {one.severity} | {_number(one.threshold)} | {before}"
            f" | {better} | {after} |"
        )
    options = [
        f"--set {one.signal.name}.{one.severity}={_number(one.suggested)}"
        for one in playback.suggestions
        if one.suggested is not None
    ]
    if options:
        yield ""
        yield f"Try them: `{' '.join(options)}`"


def _episode(episode: Episode, playback: Playback) -> dict[str, Any]:
    action = row(episode).action
    return {
        "signal": episode.key.signal,
        "alert": alert_name(row(episode)),
        "severity": episode.key.severity.value,
        "subject": episode.key.subject or None,
        "notice": _NOTICE[playback.pages(episode)],
        "active_since": iso(episode.active_since),
        "start": iso(episode.start),
        "end": _iso_or_none(episode.end),
        "duration_seconds": (playback.end if episode.end is None else episode.end) - episode.start,
        "peak": round(episode.peak, 4),
        "threshold": episode.threshold,
        "evidence": episode.evidence,
        "action": action.slug,
        "action_title": action.title,
        "resolution": episode.resolution.value,
        "resolved_value": (
            None if episode.resolved_value is None else round(episode.resolved_value, 4)
        ),
    }


def _total(total: Total, playback: Playback) -> dict[str, Any]:
    return {
        "signal": total.signal.name,
        "alert": alert_name(total.signal),
        "severity": total.severity.value,
        "notice": _NOTICE[total.pages],
        "episodes": total.episodes,
        "episodes_per_week": round(total.episodes / playback.weeks, 3),
        "seconds": total.seconds,
        "seconds_per_week": round(total.seconds / playback.weeks, 1),
    }


def _suggestion(one: Suggestion, playback: Playback) -> dict[str, Any]:
    return {
        "signal": one.signal.name,
        "severity": one.severity.value,
        "threshold": one.threshold,
        "episodes_per_week": round(one.episodes / playback.weeks, 3),
        "suggested_threshold": one.suggested,
        "suggested_episodes_per_week": (
            None if one.suggested is None else round(one.suggested_episodes / playback.weeks, 3)
        ),
    }


def _minute(at: UnixSeconds) -> str:
    return datetime.fromisoformat(iso(at)).astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def _iso_or_none(at: UnixSeconds | None) -> str | None:
    return None if at is None else iso(at)


def _number(value: float) -> str:
    """Return a value as exactly as thresholds are stated, and a little more.

    >>> _number(1.5), _number(7.0), _number(0.24961), _number(1234.5)
    ('1.5', '7', '0.2496', '1234.5')
    """
    return f"{value:.10g}" if value >= _WHOLE_FROM else f"{value:.4g}"
