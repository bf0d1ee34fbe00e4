"""Alerts on the exporters themselves: whether what they say is to be believed."""

from collections.abc import Iterator
from typing import Any

from surge_exporter.model import Seconds
from surge_exporter.rules.rule import Alert, AlertSeverity, Board, Notify
from surge_exporter.rules.scope import INSTANCE, Scope
from surge_exporter.rules.words import DURATION, NUMBER, PERCENT

RESTORE = "restore_telemetry"
"""What automation can't do alone: make the numbers trustworthy again."""

_MINUTE = 60.0
_STALE = "SurgeTelemetryStale"
_SKEW = "SurgeClockSkew"
_PARSE = "SurgeParseErrors"


def presence_alerts(scope: Scope) -> Iterator[Alert]:
    """Yield the alerts on exporters that are not there: they hold without any exporter's word."""
    built = scope.series("surge_exporter_build_info")
    yield _alert(
        scope,
        name="SurgeExporterAbsent",
        severity=AlertSeverity.CRITICAL,
        expr=f"absent({built})",
        for_minutes=15,
        summary="No exporter is scraped at all: there are no demand pages.",
        description="Prometheus has seen no surge-exporter for 15 minutes.",
        recommended_action="Restore telemetry: start the exporter, or mend its scrape job.",
    )
    up = scope.of("max", f"max_over_time({scope.series('up', over='5m')})", INSTANCE)
    seen = scope.series("surge_exporter_build_info", over="1d")
    yield _alert(
        scope,
        name="SurgeExporterDown",
        expr=(
            f"{up} == 0\n"
            f"and on ({scope.labels(INSTANCE)})\n"
            f"{scope.of('max', f'max_over_time({seen})', INSTANCE)}"
        ),
        for_minutes=5,
        summary="An exporter can't be scraped.",
        description="{exporter} in {fleet} was scraped within the last day, and can't be now.",
        recommended_action="Restore telemetry: start the exporter again; its log says why it"
        " stopped.",
    )


def health_alerts(scope: Scope) -> Iterator[Alert]:
    """Yield the alerts on exporters that are there, but should not be trusted."""
    yield from _telemetry_alerts(scope)
    yield from _exporter_alerts(scope)
    yield from _fleet_alerts(scope)


def _telemetry_alerts(scope: Scope) -> Iterator[Alert]:
    age = (
        f"{scope.of('max', scope.series('surge_source_last_read_timestamp_seconds'), INSTANCE, 'source')}"
        f" - {scope.of('max', scope.series('surge_source_last_record_timestamp_seconds'), INSTANCE, 'source')}"
    )
    yield _alert(
        scope,
        name=_STALE,
        expr=f"{age} > {scope.limit(_STALE, AlertSeverity.WARNING):g}",
        for_minutes=5,
        summary="A source of telemetry has fallen silent.",
        description=f"{{exporter}} has read no record of {{{{ $labels.source }}}} for {DURATION}.",
        recommended_action="Restore telemetry: check that the agents still write, and that they"
        " write where the exporter reads.",
    )
    yield _alert(
        scope,
        name=_STALE,
        severity=AlertSeverity.CRITICAL,
        expr=f"{scope.of('min', age, INSTANCE)} > {scope.limit(_STALE, AlertSeverity.CRITICAL):g}",
        for_minutes=5,
        summary="All telemetry of an exporter has fallen silent: the fleet is down, or unseen.",
        description=f"{{exporter}} has read no record of any source for {DURATION}.",
        recommended_action="Restore telemetry: check that the agents run at all; then that they"
        " write where the exporter reads.",
    )
    ahead = (
        f"{scope.of('max', scope.series('surge_source_last_record_timestamp_seconds'), INSTANCE)}"
        f" - {scope.of('max', scope.series('surge_source_last_read_timestamp_seconds'), INSTANCE)}"
    )
    read = scope.series("surge_source_last_read_timestamp_seconds")
    skew = scope.of("max", f"abs(timestamp({read}) - {read})", INSTANCE)
    limit = scope.limit(_SKEW, AlertSeverity.WARNING)
    yield _alert(
        scope,
        name=_SKEW,
        expr=f"({ahead}) > {limit:g}\nor\n{skew} > {limit:g}",
        for_minutes=5,
        summary="Clocks disagree: records, the exporter's host and Prometheus.",
        description=f"Records that {{exporter}} reads are {DURATION} ahead of its clock, or its"
        " clock is so far from that of Prometheus.",
        recommended_action="Restore telemetry: synchronise the clocks; until then windows begin"
        " and end at the wrong time.",
    )
    yield _alert(
        scope,
        name=_PARSE,
        expr=(
            f"{scope.of('sum', _rate(scope, 'surge_source_rejected_lines_total', '15m'), INSTANCE, 'source')}\n"
            f"/ ({scope.of('sum', _rate(scope, 'surge_source_lines_total', '15m'), INSTANCE, 'source')} > 0)\n"
            f"> {scope.limit(_PARSE, AlertSeverity.WARNING):g}"
        ),
        for_minutes=15,
        summary="Lines of telemetry can't be read as records.",
        description=f"{{exporter}} rejects {PERCENT} of the lines of {{{{ $labels.source }}}}.",
        recommended_action="Restore telemetry: the exporter's status page shows the newest"
        " rejected lines and why; mend the writer, or map its fields.",
    )
    skipped = scope.series("surge_source_skipped_bytes_total", over="15m")
    yield _alert(
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
    yield _alert(
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


def _exporter_alerts(scope: Scope) -> Iterator[Alert]:
    reload = scope.series("surge_exporter_config_last_reload_successful", over="5m")
    yield _alert(
        scope,
        name="SurgeConfigReloadFailed",
        expr=f"{scope.of('max', f'max_over_time({reload})', INSTANCE)} == 0",
        for_minutes=5,
        summary="An exporter could not load its configuration.",
        description="{exporter} goes on with the configuration that it had before.",
        recommended_action="Restore telemetry: run `surge-exporter check-config` on the file;"
        " mend it and reload.",
    )
    success = scope.series("surge_scrape_collector_success", over="5m")
    yield _alert(
        scope,
        name="SurgeCollectorFailing",
        expr=f"{scope.of('max', f'max_over_time({success})', INSTANCE, 'collector')} == 0",
        for_minutes=10,
        summary="A part of an exporter's metrics is missing.",
        description="The collector {{ $labels.collector }} of {exporter} fails at every scrape.",
        recommended_action="Restore telemetry: the exporter's log has the reason; report it as"
        " a bug.",
    )
    overflow = scope.series("surge_exporter_label_overflows_total", over="1h")
    yield _alert(
        scope,
        name="SurgeLabelOverflow",
        severity=AlertSeverity.INFO,
        expr=f"{scope.of('max', f'increase({overflow})', INSTANCE, 'label')} > 0",
        for_minutes=0,
        keep_minutes=60,
        summary="More callers or models than an exporter tells apart.",
        description=f"{{exporter}} counted {NUMBER} records in an hour under __other__, for want"
        " of room for another {{ $labels.label }}.",
        recommended_action="Restore telemetry: raise the limit in the configuration, or find the"
        " writer that makes up a new name for every request.",
    )


def _fleet_alerts(scope: Scope) -> Iterator[Alert]:
    directories = scope.series("surge_source_directory_info")
    yield _alert(
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
        " which ones: surge_source_directory_info{directory=\"{{ $labels.directory }}\"}.",
        recommended_action="Restore telemetry: stop all but one of the exporters, or let Prometheus"
        " keep one copy.",
    )
    windows = scope.series("surge_window_seconds", window="recent")
    thresholds = scope.series("surge_signal_threshold")
    differing = scope.of(
        "max",
        f"{scope.of('max', thresholds, 'signal', 'severity')}"
        f" - {scope.of('min', thresholds, 'signal', 'severity')}",
    )
    yield _alert(
        scope,
        name="SurgeExportersDisagree",
        expr=(
            f"{scope.of('max', windows)} - {scope.of('min', windows)} > 0\n"
            f"or\n"
            f"{differing} > 0"
        ),
        for_minutes=60,
        summary="Exporters of one fleet have different windows or thresholds.",
        description="The exporters of {fleet} are configured differently, so that sums over them"
        " put unlike things together.",
        recommended_action="Restore telemetry: give all exporters of the fleet one configuration.",
    )


def _alert(
    scope: Scope,
    *,
    severity: AlertSeverity = AlertSeverity.WARNING,
    for_minutes: float = 0.0,
    keep_minutes: float = 0.0,
    description: str,
    **fields: Any,
) -> Alert:
    notify = {
        AlertSeverity.CRITICAL: Notify.PAGE,
        AlertSeverity.WARNING: Notify.TICKET,
        AlertSeverity.INFO: Notify.NOBODY,
    }[severity]
    return Alert(
        severity=severity,
        notify=notify,
        action=RESTORE,
        board=Board.EXPORTER,
        for_seconds=Seconds(for_minutes * _MINUTE),
        keep_firing_seconds=Seconds(keep_minutes * _MINUTE),
        description=scope.addressed(description),
        **fields,
    )


def _rate(scope: Scope, name: str, window: str) -> str:
    return f"rate({scope.series(name, over=window)})"
