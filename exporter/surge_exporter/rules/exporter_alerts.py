"""Alerts on the exporters themselves: whether they are there, and agree."""

from collections.abc import Iterator

from surge_exporter.rules.health import health_alert
from surge_exporter.rules.rule import Alert, AlertSeverity
from surge_exporter.rules.scope import INSTANCE, Scope
from surge_exporter.rules.words import NUMBER


def presence_alerts(scope: Scope) -> Iterator[Alert]:
    """Yield the alerts on exporters that are not there: they hold without any exporter's word."""
    built = scope.series("surge_exporter_build_info")
    seen = scope.series("surge_exporter_build_info", over="1d")
    yield health_alert(
        scope,
        name="SurgeExporterAbsent",
        severity=AlertSeverity.CRITICAL,
        expr=(
            f"absent({built})\n"
            f"or\n"
            f"{scope.of('max', f'max_over_time({seen})')}\n"
            f"unless on ({scope.labels()}) {built}\n"
            f"and on () {built}"  # else the one without a label says it all
        ),
        for_minutes=15,
        summary="No exporter of a fleet is scraped: there are no demand pages.",
        description=_of_whom(scope, "Prometheus has seen no surge-exporter{of} for 15 minutes."),
        recommended_action="Restore telemetry: start the exporter, or mend its scrape job.",
    )
    answers = f"max_over_time({scope.series('up', over='5m')})"
    seen = scope.series("surge_exporter_build_info", over="7d")
    yield health_alert(
        scope,
        name="SurgeExporterDown",
        expr=(
            f"{scope.of('max', answers, 'job', INSTANCE)} == 0\n"
            f"and on ({scope.labels('job')})\n"
            f"{scope.of('max', f'max_over_time({seen})', 'job')}"
        ),
        for_minutes=5,
        summary="An exporter can't be scraped.",
        description="{exporter} in {fleet} can't be scraped. (A target counts as an exporter if"
        " one of its job answered within the last week.)",
        recommended_action="Restore telemetry: start the exporter again; its log says why it"
        " stopped.",
    )


def _of_whom(scope: Scope, description: str) -> str:
    """What is absent has only those of a fleet's labels that are known: all of them, or none."""
    (last,) = scope.choices.by[-1:] or ("job",)
    return description.replace("{of}", f"{{{{ with $labels.{last} }}}} of {{fleet}}{{{{ end }}}}")


def exporter_alerts(scope: Scope) -> Iterator[Alert]:
    """Yield the alerts on exporters that are there, but should not be trusted."""
    reload = scope.series("surge_exporter_config_last_reload_successful", over="5m")
    yield health_alert(
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
    yield health_alert(
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
    yield health_alert(
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
    windows = scope.series("surge_window_seconds", window="recent")
    thresholds = scope.series("surge_signal_threshold")
    differing = scope.of(
        "max",
        f"{scope.of('max', thresholds, 'signal', 'severity')}"
        f" - {scope.of('min', thresholds, 'signal', 'severity')}",
    )
    yield health_alert(
        scope,
        name="SurgeExportersDisagree",
        expr=(f"{scope.of('max', windows)} - {scope.of('min', windows)} > 0\nor\n{differing} > 0"),
        for_minutes=60,
        summary="Exporters of one fleet have different windows or thresholds.",
        description="The exporters of {fleet} are configured differently, so that sums over them"
        " put unlike things together.",
        recommended_action="Restore telemetry: give all exporters of the fleet one configuration.",
    )
