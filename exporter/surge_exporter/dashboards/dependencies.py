"""Do the forge and local inference answer, and since when not?"""

from surge_exporter.dashboards import looks
from surge_exporter.dashboards.panel import (
    Dashboard,
    Query,
    Row,
    Stat,
    StateTimeline,
    TimeSeries,
    Unit,
)
from surge_exporter.dashboards.scope import Scope
from surge_exporter.dashboards.signal_panels import signal_row
from surge_exporter.rules.rule import Board

_EACH = "{{dependency}} · {{instance}}"


def dependencies(scope: Scope) -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        uid=Board.DEPENDENCIES,
        title="Surge / Dependencies",
        description="Do the forge and local inference answer, and since when not?",
        rows=(
            Row("Now", (_up(scope), _outages(scope), _downtime(scope), _since(scope))),
            Row("Over time", (_history(scope), _failed(scope), _lost(scope))),
            signal_row(Board.DEPENDENCIES, scope),
        ),
        variables=scope.variables(),
        alerts=scope.firing,
    )


def _up(scope: Scope) -> Stat:
    return Stat(
        title="Exporters that see it up",
        description="At 0 % it is down: cache forge state, or restart inference. In between, it"
        " is the network of the hosts that see it down.",
        queries=(
            Query(
                expr=scope.recorded("job:surge_dependency_up:avg"),
                legend=f"{scope.fleet} {{{{dependency}}}}",
            ),
        ),
        unit=Unit.RATIO,
        decimals=0,
        steps=looks.ALL_UP,
        width=6,
    )


def _outages(scope: Scope) -> Stat:
    return Stat(
        title="Outages in the recent window",
        description="The most that any one exporter has seen. Several short ones are a dependency"
        " that flaps: look at its restarts before its capacity.",
        queries=(
            Query(
                expr=f"max by (dependency) ({scope.raw('surge_dependency_outages')})",
                legend="{{dependency}}",
            ),
        ),
        unit=Unit.COUNT,
        decimals=0,
        steps=looks.ANY_IS_BAD,
        width=6,
    )


def _downtime(scope: Scope) -> Stat:
    return Stat(
        title="Downtime in the recent window",
        description="The most that any one exporter has seen. This is how long the fleet's work"
        " has waited.",
        queries=(
            Query(
                expr=f"max by (dependency) ({scope.raw('surge_dependency_downtime_seconds')})",
                legend="{{dependency}}",
            ),
        ),
        unit=Unit.SECONDS,
        steps=looks.ANY_IS_BAD,
        width=6,
    )


def _since(scope: Scope) -> Stat:
    changed = scope.raw("surge_dependency_last_change_timestamp_seconds")
    return Stat(
        title="Up or down since",
        description="How long ago it last went up or down, as the exporter saw it that saw it"
        " last. Minutes ago: wait whether it stays before resuming work.",
        queries=(
            Query(
                expr=f"min by (dependency) (time() - {changed})",
                legend="{{dependency}}",
            ),
        ),
        unit=Unit.SECONDS,
        steps=looks.NEUTRAL,
        fills=False,
        width=6,
    )


def _history(scope: Scope) -> StateTimeline:
    return StateTimeline(
        title="Up and down, as each exporter sees it",
        description="All exporters red at once: the dependency is down. One alone: its network."
        " A gap: no fresh heartbeat, look at the exporter dashboard.",
        queries=(Query(expr=scope.raw("surge_dependency_up"), legend=_EACH),),
        states=looks.UP,
        height=7,
    )


def _failed(scope: Scope) -> TimeSeries:
    by = f"dependency, {', '.join(scope.labels)}"
    failed = scope.rate("surge_heartbeat_check_failures_total")
    checks = scope.rate("surge_heartbeat_checks_total")
    return TimeSeries(
        title="Failed part of the checks",
        description="100 % is an outage; a part of them is a dependency that is overloaded:"
        " send it less.",
        queries=(
            Query(expr=f"sum by ({by}) ({failed}) / sum by ({by}) ({checks})", legend=_EACH),
        ),
        unit=Unit.RATIO,
        most=1,
    )


def _lost(scope: Scope) -> TimeSeries:
    return TimeSeries(
        title="Downtime in the recent window, over time",
        description="Time from failed checks to the next passed ones. It falls again as outages"
        " leave the window.",
        queries=(Query(expr=scope.raw("surge_dependency_downtime_seconds"), legend=_EACH),),
        unit=Unit.SECONDS,
    )
