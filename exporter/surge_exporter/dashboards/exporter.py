"""Is the telemetry to be believed?"""

from surge_exporter.core.cycle import Telemetry
from surge_exporter.dashboards import looks
from surge_exporter.dashboards.panel import (
    Colour,
    Dashboard,
    Query,
    Row,
    Stat,
    StateTimeline,
    Step,
    Table,
    TimeSeries,
    Unit,
)
from surge_exporter.dashboards.reading import lines, reading
from surge_exporter.dashboards.scope import Scope
from surge_exporter.dashboards.signal_panels import board_of, signal_row
from surge_exporter.rules.rule import Board
from surge_exporter.signals import SIGNALS

_NOW_HEIGHT = 5
_STALE = (Step(Colour.GREEN), Step(Colour.RED, Telemetry().stale_after_seconds))


def exporter(scope: Scope) -> Dashboard:
    """Return the dashboard."""
    judged = any(board_of(signal) is Board.EXPORTER for signal in SIGNALS)
    return Dashboard(
        uid=Board.EXPORTER,
        title="Surge / Exporter health",
        description="Is the telemetry to be believed?",
        rows=(
            Row("Now", _now(scope)),
            Row("Reading", reading(scope)),
            Row("Scrapes", _scrapes(scope)),
            Row("The exporter itself", _itself(scope)),
            *((signal_row(Board.EXPORTER, scope),) if judged else ()),
        ),
        variables=scope.variables(),
        alerts=scope.firing,
        hours=6,
    )


def _now(scope: Scope) -> tuple[Stat | Table, ...]:
    by = ", ".join(scope.labels)
    record = scope.raw("surge_source_last_record_timestamp_seconds")
    return (
        Stat(
            title="Exporters up",
            description="Part of the exporters that Prometheus can scrape. One that is down leaves"
            " its hosts out of every number of the fleet: restart it.",
            queries=(Query(expr=f"avg({scope.raw('up')})", legend="up"),),
            unit=Unit.RATIO,
            decimals=0,
            steps=looks.ALL_UP,
            height=_NOW_HEIGHT,
        ),
        Stat(
            title="Oldest news",
            description="Age of the newest record of the source that is furthest behind. Minutes"
            " are normal for a quiet fleet; red, its part of the verdict is unknown: see whether"
            " the fleet still writes.",
            queries=(Query(expr=f"max by (source) (time() - {record})", legend="{{source}}"),),
            unit=Unit.SECONDS,
            steps=_STALE,
            width=6,
            height=_NOW_HEIGHT,
        ),
        Stat(
            title="Configuration",
            description="Whether the last reload succeeded everywhere. If not, the log says which"
            " setting is wrong; the old configuration goes on.",
            queries=(
                Query(
                    expr=f"min({scope.raw('surge_exporter_config_last_reload_successful')})",
                    legend="loaded",
                ),
            ),
            states=looks.YES,
            height=_NOW_HEIGHT,
        ),
        Table(
            title="What is running",
            description="Every exporter, and its version. Different versions may judge"
            " differently: finish the roll-out.",
            queries=(
                Query(
                    expr=f"max by ({by}, version, revision)"
                    f" ({scope.raw('surge_exporter_build_info')})",
                    legend="Running",
                ),
            ),
            labels={
                **{label: label.capitalize() for label in scope.labels},
                "version": "Version",
                "revision": "Revision",
            },
            hidden=("Running",),
            width=10,
            height=_NOW_HEIGHT,
        ),
    )


def _scrapes(scope: Scope) -> tuple[StateTimeline | TimeSeries, ...]:
    return (
        StateTimeline(
            title="Parts of the scrape",
            description="A part that fails is left out of the scrape; the exporter's log says why."
            " That is a bug: report it.",
            queries=(
                Query(
                    expr=f"min by (collector) ({scope.raw('surge_scrape_collector_success')})",
                    legend="{{collector}}",
                ),
            ),
            states=looks.YES,
            width=12,
            height=7,
        ),
        lines(
            "How long each part takes",
            "All parts together must stay well under the scrape timeout: limit the number of"
            " callers if they do not.",
            Query(
                expr="max by (collector)"
                f" ({scope.raw('surge_scrape_collector_duration_seconds')})",
                legend="{{collector}}",
            ),
            Unit.SECONDS,
        ),
    )


def _itself(scope: Scope) -> tuple[TimeSeries, ...]:
    each = "{{instance}}"
    saved = scope.raw("surge_exporter_state_last_saved_timestamp_seconds")
    return (
        lines(
            "Age of the saved state",
            "What a restart would take up again. Growing for long, the state can't be saved: look"
            " at its disk, or counters lose what comes while the exporter is down.",
            Query(expr=f"time() - {saved}", legend=each),
            Unit.SECONDS,
        ),
        lines(
            "Records without a label of their own",
            "Records counted under __other__ because there were too many callers or models. Raise"
            " the limit, or see whether a caller's name holds an identifier.",
            Query(
                expr=f"sum by (label) ({scope.increase('surge_exporter_label_overflows_total')})",
                legend="{{label}}",
            ),
            Unit.COUNT,
        ),
        lines(
            "Messages logged",
            "Warnings and errors of the exporter: its log says what is wrong.",
            Query(
                expr=f"sum by (level) ({scope.increase('surge_exporter_log_messages_total')})",
                legend="{{level}}",
            ),
            Unit.COUNT,
        ),
        lines(
            "Jumps of the clock, and bytes no event announced",
            "Clocks that are set again and again make windows wrong: look at time"
            " synchronisation. Missed bytes are a file system without events; reading goes on.",
            Query(
                expr=scope.increase("surge_exporter_clock_jumps_total"), legend=f"jumps · {each}"
            ),
            Unit.COUNT,
            Query(
                expr=scope.increase("surge_exporter_watch_missed_total"), legend=f"missed · {each}"
            ),
        ),
    )
