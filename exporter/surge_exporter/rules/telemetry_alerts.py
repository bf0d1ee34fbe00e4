"""Alerts on telemetry: whether what the exporters read is whole, new, and read once."""

from collections.abc import Iterator

from surge_exporter.rules.health import health_alert
from surge_exporter.rules.rule import Alert, AlertSeverity
from surge_exporter.rules.scope import INSTANCE, Scope, number
from surge_exporter.rules.words import DURATION, NUMBER, PERCENT

_STALE = "SurgeTelemetryStale"
_SKEW = "SurgeClockSkew"
_PARSE = "SurgeParseErrors"


def telemetry_alerts(scope: Scope) -> Iterator[Alert]:
    """Yield the alerts on telemetry that is not what it should be."""
    yield from _stale(scope)
    yield health_alert(
        scope,
        name="SurgeTelemetryMissing",
        expr=f"{scope.of('max', scope.series('surge_source_up'), INSTANCE)} == 0",
        for_minutes=15,
        summary="An exporter finds no telemetry at all.",
        description="{exporter} can read no file of any source: its windows stay empty, and it"
        " will not alert on demand.",
        recommended_action="Restore telemetry: compare the folder and the patterns that the"
        " exporter looks in with where the agents write.",
    )
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


def _stale(scope: Scope) -> Iterator[Alert]:
    age = f"{_newest(scope, 'read', 'source')} - {_newest(scope, 'record', 'source')}"
    yield health_alert(
        scope,
        name=_STALE,
        expr=f"{age} > {number(scope.limit(_STALE, AlertSeverity.WARNING))}",
        for_minutes=5,
        summary="A source of telemetry has fallen silent.",
        description=f"{{exporter}} has read no record of {{{{ $labels.source }}}} for {DURATION}.",
        recommended_action="Restore telemetry: check that the agents still write, and that they"
        " write where the exporter reads.",
    )
    yield health_alert(
        scope,
        name=_STALE,
        severity=AlertSeverity.CRITICAL,
        expr=(f"{scope.of('min', age)} > {number(scope.limit(_STALE, AlertSeverity.CRITICAL))}"),
        for_minutes=5,
        summary="All telemetry of a fleet has fallen silent: it is down, or unseen.",
        description=f"No exporter of {{fleet}} has read a record of any source for {DURATION}.",
        recommended_action="Restore telemetry: check that the agents run at all; then that they"
        " write where the exporter reads.",
    )


def _skew(scope: Scope) -> Alert:
    ahead = f"{_newest(scope, 'record')} - {_newest(scope, 'read')}"
    read = scope.series("surge_source_last_read_timestamp_seconds")
    skew = scope.of("max", f"abs(timestamp({read}) - {read})", INSTANCE)
    limit = number(scope.limit(_SKEW, AlertSeverity.WARNING))
    return health_alert(
        scope,
        name=_SKEW,
        expr=f"({ahead}) > {limit}\nor\n{skew} > {limit}",
        for_minutes=5,
        summary="Clocks disagree: records, the exporter's host and Prometheus.",
        description=f"Records that {{exporter}} reads are {DURATION} ahead of its clock, or its"
        " clock is so far from that of Prometheus.",
        recommended_action="Restore telemetry: synchronise the clocks; until then windows begin"
        " and end at the wrong time.",
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


def _newest(scope: Scope, what: str, *labels: str) -> str:
    series = scope.series(f"surge_source_last_{what}_timestamp_seconds")
    return scope.of("max", series, INSTANCE, *labels)
