"""The verdict as text: the JSON contract for scripts, Markdown for people."""

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from surge_exporter.core.evidence import counted, per_hour, percent, spoken_span
from surge_exporter.model import (
    HOUR,
    CallerDemand,
    Demand,
    Dependency,
    Finding,
    Forecast,
    Observation,
    Severity,
    SurgeTest,
    UnixSeconds,
    Verdict,
)
from surge_exporter.signals import ROWS
from surge_exporter.snapshot import SourceStatus

TOP_CALLERS = 10
_LOUDNESS = (Severity.WARNING, Severity.CRITICAL)
_LATEST = 253_402_300_799.0  # the last second of the year 9999, the last that a date can say
_MARKDOWN_SPECIAL = re.compile(r"[\\`*\[\]<>|~&]|(?<![^\W_])_|_(?![^\W_])")
"""What Markdown takes for markup; an underscore within a word is none."""


def report(
    observation: Observation, verdict: Verdict, sources: Sequence[SourceStatus]
) -> dict[str, Any]:
    """Return the JSON contract: its keys, types and rounding are frozen (design section 3)."""
    demand = observation.demand
    failed = {health.dependency: health.failed_checks for health in observation.dependencies}
    return {
        "resource_mode": verdict.resource_mode.value,
        "dispatch_posture": verdict.dispatch_posture.value,
        "horizon_hours": _plain_number(demand.horizon_seconds / HOUR),
        "recent_request_rate": _per_hour(demand.recent.requests_per_second),
        "baseline_request_rate": _per_hour(demand.baseline.requests_per_second),
        "predicted_request_rate": _per_hour(demand.forecast.requests_per_second),
        "surge_factor": round(1.0 if demand.surge_factor is None else demand.surge_factor, 2),
        "demand_level": verdict.demand_level.value,
        "gitea_outages": failed[Dependency.GITEA],
        "inference_failures": failed[Dependency.INFERENCE],
        "top_callers": [_caller(caller) for caller in _top_callers(observation)],
        "recommended_actions": [r.text for r in verdict.recommendations],
        "recommended_action_slugs": [r.action for r in verdict.recommendations],
        "signals": [
            {
                "signal": finding.signal,
                "severity": finding.severity.value,
                "value": round(finding.value, 4),
                "threshold": finding.threshold,
                "caller": _caller_of(finding),
                "subject": finding.subject or None,
                "evidence": finding.evidence,
            }
            for finding in verdict.findings
        ],
        **_seasonal(demand.surge_test),
        "predicted_low": _per_hour_or_none(demand.forecast.low_requests_per_second),
        "predicted_high": _per_hour_or_none(demand.forecast.high_requests_per_second),
        "forecasts": [_forecast(forecast) for forecast in demand.forecasts],
        "recent_requests": demand.recent.requests,
        "baseline_requests": demand.baseline.requests,
        "baseline_valid": demand.baseline_valid,
        "baseline_coverage_ratio": round(demand.baseline.covered_ratio, 4),
        "recent_coverage_ratio": round(demand.recent.covered_ratio, 4),
        "token_volume": demand.volume.tokens,
        "token_volume_unit": demand.volume.unit,
        "generated_at": iso(observation.at),
        "stale": observation.stale,
        "sources": {source.source.value: _source(source, observation) for source in sources},
    }


def to_json(observation: Observation, verdict: Verdict, sources: Sequence[SourceStatus]) -> str:
    """Return the contract as one indented JSON object with a newline at its end."""
    return json.dumps(report(observation, verdict, sources), indent=2, allow_nan=False) + "\n"


def to_markdown(
    observation: Observation, verdict: Verdict, sources: Sequence[SourceStatus]
) -> str:
    """Return the same facts for a person: the verdict first, then what to do, then why."""
    demand = observation.demand
    lines = [
        f"# {_headline(observation, verdict)}",
        "",
        (
            f"Resource mode **{verdict.resource_mode}**,"
            f" dispatch posture **{verdict.dispatch_posture}**,"
            f" as of {iso(observation.at)}."
        ),
        "",
        "## What to do",
        "",
        *(f"- {_bold_title(r.text)}" for r in verdict.recommendations),
        "",
        "## Demand",
        "",
        *_demand_table(demand),
        "",
        "## Callers",
        "",
        *_caller_table(observation),
        "",
        "## Dependencies",
        "",
        *_dependency_table(observation),
        "",
        "## Sources",
        "",
        *(_source_line(source) for source in sources),
    ]
    return "\n".join(lines) + "\n"


def _headline(observation: Observation, verdict: Verdict) -> str:
    demand = observation.demand
    if not observation.last_record:
        return f"No telemetry: there is no record from before {iso(observation.at)}"
    if observation.stale:
        newest = iso(max(observation.last_record.values()))
        return f"Telemetry is stale: the newest record is from {newest}"
    span = spoken_span(demand.horizon_seconds)
    if demand.surge_factor is None:
        requests = counted(demand.recent.requests, "request")
        return f"Demand has no baseline yet: {requests} in the last {span}"
    return (
        f"Demand is {verdict.demand_level}:"
        f" {demand.surge_factor:.2f} times that of the {span} before"
    )


def _demand_table(demand: Demand) -> Iterator[str]:
    span = spoken_span(demand.horizon_seconds)
    rows = (
        (f"last {span}", demand.recent),
        (f"the {span} before", demand.baseline),
    )
    yield "| window | requests | requests/h | covered |"
    yield "|---|--:|--:|--:|"
    for name, window in rows:
        rate = window.requests_per_second * HOUR
        yield f"| {name} | {window.requests} | {rate:.2f} | {percent(window.covered_ratio)} |"
    for forecast in demand.forecasts:
        predicted = forecast.requests_per_second * HOUR
        name = f"next {spoken_span(forecast.horizon_seconds)}, predicted"
        yield f"| {name} | | {predicted:.2f}{_interval(forecast)} | |"
    if demand.surge_test is not None:
        yield ""
        yield _seasonal_sentence(demand.surge_test)
    if not demand.baseline_valid:
        yield ""
        yield "The baseline is too little covered to compare with, so the factor counts as 1."


def _interval(forecast: Forecast) -> str:
    low, high = forecast.low_requests_per_second, forecast.high_requests_per_second
    if low is None or high is None:
        return ""
    return f" ({low * HOUR:.2f} to {high * HOUR:.2f})"


def _seasonal_sentence(test: SurgeTest) -> str:
    if Severity.CRITICAL in test.confirmed:
        found = "A critical surge is confirmed"
    else:
        found = "A surge is confirmed" if test.confirmed else "No surge is confirmed"
    return (
        f"{found}: {test.factor:.2f} times what is usual at this time"
        f" ({per_hour(test.expected_requests_per_second)} requests/h), z = {test.z_score:.1f}."
    )


def _caller_table(observation: Observation) -> Iterator[str]:
    callers = _top_callers(observation)
    if not callers:
        yield "No requests in the recent window."
        return
    unit = observation.demand.volume.unit
    yield f"| caller | requests | share | tokens ({unit}) | token share | failed |"
    yield "|---|--:|--:|--:|--:|--:|"
    for caller in callers:
        yield (
            f"| {escape(caller.caller)} | {caller.requests} | {percent(caller.request_share)}"
            f" | {caller.volume.tokens:.0f} | {percent(caller.token_share)}"
            f" | {caller.failures} ({percent(caller.failure_rate)}) |"
        )
    others = sum(1 for c in observation.callers if c.requests) - len(callers)
    if others > 0:
        yield ""
        yield f"And {counted(others, 'more caller')}."


def _dependency_table(observation: Observation) -> Iterator[str]:
    yield "| dependency | now | failed checks | outages | downtime |"
    yield "|---|---|--:|--:|--:|"
    for health in observation.dependencies:
        state = {True: "up", False: "**down**", None: "unknown"}[health.up]
        yield (
            f"| {health.dependency} | {state} | {health.failed_checks} of {health.checks}"
            f" | {health.outages} | {health.downtime_seconds / 60:.0f} min |"
        )


def _source_line(source: SourceStatus) -> str:
    rejected = sum(source.rejected.values())
    lines, files = counted(source.lines, "line"), counted(source.files, "file")
    text = f"- {source.source}: {lines} of {files}"
    if rejected:
        reasons = ", ".join(f"{reason} {n}" for reason, n in source.rejected.items() if n)
        text += f"; {rejected} rejected ({reasons})"
    return text + "."


def _bold_title(text: str) -> str:
    title, separator, evidence = text.partition(": ")
    return f"**{title}**{separator}{escape(evidence)}"


def escape(text: str) -> str:
    r"""Return text that Markdown shows as it is, on one line.

    >>> print(escape("__other__ doc_index <b>"))
    \_\_other\_\_ doc_index \<b\>
    """
    return _MARKDOWN_SPECIAL.sub(r"\\\g<0>", " ".join(text.splitlines()))


def _top_callers(observation: Observation) -> list[CallerDemand]:
    return [caller for caller in observation.callers if caller.requests][:TOP_CALLERS]


def _caller(caller: CallerDemand) -> dict[str, Any]:
    return {
        "caller": caller.caller,
        "requests": caller.requests,
        "request_share": round(caller.request_share, 4),
        "token_volume": caller.volume.tokens,
        "token_share": round(caller.token_share, 4),
        "failures": caller.failures,
        "failure_rate": round(caller.failure_rate, 4),
    }


def _caller_of(finding: Finding) -> str | None:
    is_about_callers = ROWS[finding.signal].subject_label == "caller"
    return finding.subject if is_about_callers else None


def _seasonal(test: SurgeTest | None) -> dict[str, Any]:
    """Return what the seasonal test says; nulls while there is too little history for one."""
    if test is None:
        return dict.fromkeys(
            ("surge_adjusted_factor", "surge_z_score", "surge_expected_rate", "surge_confirmed")
        )
    return {
        "surge_adjusted_factor": round(test.factor, 2),
        "surge_z_score": round(test.z_score, 2),
        "surge_expected_rate": _per_hour(test.expected_requests_per_second),
        "surge_confirmed": max(test.confirmed, key=_LOUDNESS.index, default=None),
    }


def _forecast(forecast: Forecast) -> dict[str, Any]:
    history = forecast.history_seconds
    return {
        "horizon_hours": _plain_number(forecast.horizon_seconds / HOUR),
        "rate": _per_hour(forecast.requests_per_second),
        "low": _per_hour_or_none(forecast.low_requests_per_second),
        "high": _per_hour_or_none(forecast.high_requests_per_second),
        "mase": None if forecast.mase is None else round(forecast.mase, 3),
        "coverage_ratio": (
            None if forecast.coverage_ratio is None else round(forecast.coverage_ratio, 3)
        ),
        "history_hours": None if history is None else round(history / HOUR, 2),
    }


def _source(source: SourceStatus, observation: Observation) -> dict[str, Any]:
    last = observation.last_record.get(source.source)
    return {
        "files": source.files,
        "lines": source.lines,
        "rejected": {reason.value: count for reason, count in source.rejected.items() if count},
        "last_record_at": None if last is None else iso(last),
    }


def _per_hour(requests_per_second: float) -> float:
    return round(requests_per_second * HOUR, 2)


def _per_hour_or_none(requests_per_second: float | None) -> float | None:
    return None if requests_per_second is None else _per_hour(requests_per_second)


def _plain_number(value: float) -> float | int:
    return int(value) if value == int(value) else value


def iso(at: UnixSeconds) -> str:
    """Return an instant as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(min(at, _LATEST), UTC).isoformat(timespec="seconds")
