"""Alerts on telemetry: whether what the exporters read is whole, new, and read once."""

from collections.abc import Iterator

from surge_exporter.core.window import MAX_FUTURE_SECONDS
from surge_exporter.model import OutOfWindow, Source
from surge_exporter.rules.health import health_alert
from surge_exporter.rules.rule import Alert, AlertSeverity
from surge_exporter.rules.scope import INSTANCE, Scope, number
from surge_exporter.rules.words import DURATION, NUMBER, PERCENT

_MISSING = "SurgeTelemetryMissing"
_STALE = "SurgeTelemetryStale"
_SKEW = "SurgeClockSkew"
_PARSE = "SurgeParseErrors"

_MISSED_REQUESTS = 50
"""So many should have come in a silence: agents ask in bursts, and fewer may be a pause."""
_RESTING_SECONDS = 43200
"""A fleet may rest for a night; a longer silence is told whatever was expected."""


def telemetry_alerts(scope: Scope) -> Iterator[Alert]:
    """Yield the alerts on telemetry that is not what it should be."""
    yield from _stale(scope)
    yield from _missing(scope)
    yield _skew(scope)
    yield _parse_errors(scope)
    skipped = scope.series("surge_source_skipped_bytes_total", over="15m")
    yield health_alert(
        scope,
        name="SurgeLinesLost",
        expr=f"{scope.of('max', f'increase({skipped})', INSTANCE, 'source')} > 0",
        keep_minutes=30,
        summary="Part of a log was destroyed before it could be read.",
        description=f"{{exporter}} passed over {NUMBER} bytes of {{{{ $labels.source }}}} that no"
        " writer wrote: a hole where lines had been.",
        recommended_action="Restore telemetry: find what truncates the log while it is written"
        " to, and rotate by renaming instead.",
    )
    errors = scope.series("surge_source_read_errors_total", over="15m")
    yield health_alert(
        scope,
        name="SurgeReadErrors",
        expr=f"{scope.of('max', f'increase({errors})', INSTANCE, 'source')} > 0",
        for_minutes=15,
        summary="Files of telemetry can't be listed, opened or read.",
        description=f"{{exporter}} failed {NUMBER} times in 15 minutes to read"
        " {{ $labels.source }}.",
        recommended_action="Restore telemetry: the exporter's log names the file and the error;"
        " mend its permissions or its disk.",
    )
    directories = scope.series("surge_source_directory_info")
    yield health_alert(
        scope,
        name="SurgeTelemetryReadTwice",
        expr=(
            f"count by (source, directory) (\n"
            f"  max by ({scope.labels(INSTANCE, 'source', 'directory')}) ({directories})\n"
            f") > 1"
        ),
        for_minutes=15,
        summary="Two exporters read the same directory: a fleet's sums count it twice.",
        description=f"{NUMBER} exporters read the same directory of {{{{ $labels.source }}}};"
        ' which ones: surge_source_directory_info{directory="{{ $labels.directory }}"}.',
        recommended_action="Restore telemetry: stop all but one of the exporters.",
    )


def _missing(scope: Scope) -> Iterator[Alert]:
    """Of what was never there no age is too great, nor after a restart of what ended before."""
    labels = scope.labels(INSTANCE, "source")
    yield health_alert(
        scope,
        name=_MISSING,
        expr=f"{_newest(scope, 'read', 'source')}\nunless on ({labels})\n"
        f"{_newest(scope, 'record', 'source')}",
        for_minutes=30,
        summary="An exporter finds no telemetry of a source.",
        description="{exporter} has found no record of {{ $labels.source }} since it started: it"
        " can't alert on what they would tell.",
        recommended_action="Restore telemetry: compare the folder and the patterns that the"
        " exporter looks in with where the agents write.",
    )
    yield health_alert(
        scope,
        name=_MISSING,
        severity=AlertSeverity.CRITICAL,
        expr=(
            f"{scope.of('max', _newest(scope, 'read'))}\nunless on ({scope.labels()})\n"
            f"{scope.of('max', _newest(scope, 'record'))}"
        ),
        for_minutes=30,
        summary="No exporter of a fleet finds any telemetry: the fleet is unseen.",
        description="No exporter of {fleet} has found a record of any source since it started:"
        " there will be no pages on demand, callers or dependencies.",
        recommended_action="Restore telemetry: check that the agents run; then compare the folder"
        " and the patterns that the exporters look in with where they write.",
    )


def _stale(scope: Scope) -> Iterator[Alert]:
    """Heartbeats come at any hour; requests are missed once many should have come."""
    heartbeat, requests = _age(scope, Source.HEARTBEAT), _age(scope, Source.REQUESTS)
    expected = scope.series("surge_expected_requests_per_second")
    limit = number(scope.limit(_STALE, AlertSeverity.WARNING))
    missed = (
        f"({requests}) * on ({scope.labels(INSTANCE)}) group_left ()"
        f" {scope.of('max', expected, INSTANCE)}"
    )
    yield health_alert(
        scope,
        name=_STALE,
        expr=(
            f"{heartbeat} > {limit}\n"
            f"or\n"
            f"{requests} > {limit} and {missed} > {_MISSED_REQUESTS}\n"
            f"or\n"
            f"{requests} > {_RESTING_SECONDS}"
        ),
        for_minutes=5,
        summary="A source of telemetry has fallen silent.",
        description=f"{{exporter}} has read no record of {{{{ $labels.source }}}} for {DURATION}.",
        recommended_action="Restore telemetry: check that the agents still write, and that they"
        " write where the exporter reads.",
    )
    silent = scope.of("min", f"{heartbeat} or {requests}")
    missed = f"{scope.of('min', requests)} * {scope.of('sum', expected)}"
    known = scope.series("surge_source_last_record_timestamp_seconds", source=Source.HEARTBEAT)
    yield health_alert(
        scope,
        name=_STALE,
        severity=AlertSeverity.CRITICAL,
        expr=(
            f"{silent} > {number(scope.limit(_STALE, AlertSeverity.CRITICAL))}\n"
            f"and on ({scope.labels()}) (\n"
            f"  {scope.of('max', known)}\n"
            f"  or {missed} > {_MISSED_REQUESTS}\n"
            f"  or {silent} > {_RESTING_SECONDS}\n"
            f")"
        ),
        for_minutes=5,
        summary="All telemetry of a fleet has fallen silent: it is down, or unseen.",
        description=f"No exporter of {{fleet}} has read a record of any source for {DURATION}.",
        recommended_action="Restore telemetry: check that the agents run at all; then that they"
        " write where the exporter reads.",
    )


def _skew(scope: Scope) -> Alert:
    """Records too far ahead are dropped, and make no record newer: the counter tells of them."""
    ahead = f"{_newest(scope, 'record')} - {_newest(scope, 'read')}"
    read = scope.series("surge_source_last_read_timestamp_seconds")
    skew = scope.of("max", f"abs(timestamp({read}) - {read})", INSTANCE)
    dropped = scope.series(
        "surge_source_out_of_window_records_total", reason=OutOfWindow.FUTURE, over="15m"
    )
    limit = number(scope.limit(_SKEW, AlertSeverity.WARNING))
    return health_alert(
        scope,
        name=_SKEW,
        expr=(
            f"({ahead}) > {limit}\n"
            f"or\n"
            f"{skew} > {limit}\n"
            f"or\n"
            f"({scope.of('sum', f'increase({dropped})', INSTANCE)} > bool 0)"
            f" * {number(MAX_FUTURE_SECONDS)} > {limit}"
        ),
        for_minutes=5,
        summary="Clocks disagree: records, the exporter's host and Prometheus.",
        description=f"Records that {{exporter}} reads are {DURATION} or more ahead of its clock,"
        " or its clock is so far from that of Prometheus.",
        recommended_action="Restore telemetry: synchronise the clocks, or say in which time zone"
        " the agents write; until then windows begin and end at the wrong time.",
    )


def _parse_errors(scope: Scope) -> Alert:
    return health_alert(
        scope,
        name=_PARSE,
        expr=(
            f"{_more(scope, 'surge_source_rejected_lines_total')}\n"
            f"/ ({_more(scope, 'surge_source_lines_total')} > 0)\n"
            f"> {number(scope.limit(_PARSE, AlertSeverity.WARNING))}"
        ),
        for_minutes=15,
        summary="Lines of telemetry can't be read as records.",
        description=f"{{exporter}} rejects {PERCENT} of the lines of {{{{ $labels.source }}}}.",
        recommended_action="Restore telemetry: the exporter's status page shows the newest"
        " rejected lines and why; mend the writer, or map its fields.",
    )


def _more(scope: Scope, name: str) -> str:
    more = f"increase({scope.series(name, over='15m')})"
    return scope.of("sum", more, INSTANCE, "source")


def _newest(scope: Scope, what: str, *labels: str, **source: str) -> str:
    series = scope.series(f"surge_source_last_{what}_timestamp_seconds", **source)
    return scope.of("max", series, INSTANCE, *labels)


def _age(scope: Scope, source: Source) -> str:
    read = _newest(scope, "read", "source", source=source)
    return f"{read} - {_newest(scope, 'record', 'source', source=source)}"
