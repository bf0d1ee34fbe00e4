"""What demand is doing, and what to do about it now: the dashboard to begin with."""

from surge_exporter.dashboards import looks
from surge_exporter.dashboards.forecasts import NEXT_HOUR, demand_and_forecast
from surge_exporter.dashboards.panel import (
    Colour,
    Dashboard,
    Query,
    Row,
    Stat,
    StateTimeline,
    Step,
    Table,
    Unit,
)
from surge_exporter.dashboards.scope import Scope
from surge_exporter.dashboards.signal_panels import steps
from surge_exporter.rules.rule import Board

_SUBJECTS = (
    *("caller", "dependency", "horizon", "resource", "tier"),
    *("source", "directory", "collector", "label"),
)
"""What an alert may be about; a label that no alert has gives no column."""
_STAT = 3
"""The width of one of eight."""


def overview(scope: Scope) -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        uid=Board.OVERVIEW,
        title="Surge / Overview",
        description="What demand is doing, and what to do about it now.",
        rows=(
            Row("Now", _now(scope)),
            Row("What to do, and why", (_actions(scope), _signals(scope), _firing(scope))),
            Row("Demand", (demand_and_forecast(scope, width=24), _fleets(scope))),
        ),
        variables=scope.variables(),
        alerts=scope.firing,
    )


def _now(scope: Scope) -> tuple[Stat, ...]:
    return (
        Stat(
            title="Demand",
            description="Requests of the recent window against those of the window before."
            " Elevated or critical: do what is recommended below, and look at the demand"
            " dashboard for how long it will last.",
            queries=(
                Query(expr=scope.recorded("job:surge_demand_level:index"), legend=scope.fleet),
            ),
            states=looks.LEVELS,
            no_value="Unknown",
            width=_STAT,
            leads_to=Board.DEMAND,
        ),
        _factor(
            scope,
            "Surge factor",
            "job:surge_factor:ratio",
            "Recent request rate over that of the window before. It knows neither the time of day"
            " nor small numbers: compare it with what is usual, next to it.",
        ),
        _factor(
            scope,
            "Over usual",
            "job:surge_adjusted_factor:ratio",
            "Demand over what season and history let expect. Once the test confirms it, this is"
            " what pages: pre-warm local inference.",
        ),
        Stat(
            title="Resource mode",
            description="Surge while a signal asks for more resources; the active signals below"
            " say which.",
            queries=(
                Query(expr=scope.recorded("job:surge_resource_mode:surge"), legend=scope.fleet),
            ),
            states=looks.MODES,
            width=_STAT,
            leads_to=Board.DEMAND,
        ),
        Stat(
            title="Dispatch",
            description="Degraded while the forge has outages: work from cached forge state.",
            queries=(
                Query(
                    expr=scope.recorded("job:surge_dispatch_posture:degraded"), legend=scope.fleet
                ),
            ),
            states=looks.POSTURES,
            width=_STAT,
            leads_to=Board.DEPENDENCIES,
        ),
        Stat(
            title="Next hour",
            description="Request rate expected of the next hour. Keep inference warm for it.",
            queries=(
                Query(
                    expr=scope.recorded("job:surge_predicted_requests_per_second:sum", NEXT_HOUR),
                    legend=scope.fleet,
                ),
            ),
            unit=Unit.REQUESTS_PER_SECOND,
            steps=looks.NEUTRAL,
            width=_STAT,
            leads_to=Board.DEMAND,
        ),
        Stat(
            title="Of capacity",
            description="Predicted demand over the configured capacity. Over 100 %, what is coming"
            " can't be served: pre-warm local inference or throttle batch work first.",
            queries=(
                Query(
                    expr=scope.recorded("job:surge_predicted_capacity:ratio"), legend=scope.fleet
                ),
            ),
            unit=Unit.RATIO,
            decimals=0,
            steps=steps(scope, "predicted_demand"),
            no_value="No capacity set",
            width=_STAT,
            leads_to=Board.DEMAND,
        ),
        Stat(
            title="Alerts firing",
            description="How many alerts fire. The table below names each and what to do.",
            queries=(Query(expr=f"count({scope.firing}) or vector(0)", legend="firing"),),
            steps=(Step(Colour.GREEN), Step(Colour.ORANGE, 1)),
            width=_STAT,
        ),
    )


def _factor(scope: Scope, title: str, name: str, description: str) -> Stat:
    return Stat(
        title=title,
        description=description,
        queries=(Query(expr=scope.recorded(name), legend=scope.fleet),),
        unit=Unit.NONE,
        decimals=2,
        steps=steps(scope, "demand_surge"),
        no_value="No baseline",
        width=_STAT,
        leads_to=Board.DEMAND,
    )


def _actions(scope: Scope) -> StateTimeline:
    return StateTimeline(
        title="Recommended actions",
        description="Which action the verdict recommends, over time. Do those whose band reaches"
        " the right edge; if it is only maintain_current_allocation, there is nothing to do.",
        queries=(
            Query(
                expr=f"max by (action) ({scope.recorded('job:surge_recommended_action:bool')})",
                legend="{{action}}",
            ),
        ),
        states=looks.RECOMMENDED,
        width=12,
        height=9,
    )


def _firing(scope: Scope) -> Table:
    labels = {
        "alertname": "Alert",
        "severity": "Severity",
        "notify": "For",
        "action": "Action",
        **{label: label.capitalize() for label in scope.labels},
        **{label: label.capitalize() for label in _SUBJECTS},
    }
    runbook = scope.choices.runbook_url.format(alert="${__value.text}")
    return Table(
        title="Alerts that fire",
        description="Every alert that fires now. A click on its name opens its runbook.",
        queries=(Query(expr=f"max by ({', '.join(labels)}) ({scope.firing})", legend="Firing"),),
        labels=labels,
        hidden=("Firing",),
        cell_links={"Alert": runbook},
        widths={"Alert": 240, "Action": 240},
        no_value="No alert fires",
        height=8,
    )


def _signals(scope: Scope) -> StateTimeline:
    return StateTimeline(
        title="Active signals",
        description="What each recommendation rests on: a signal is active while its number is"
        " beyond its threshold. The dashboards of its subject show the number.",
        queries=(
            Query(
                expr="max by (signal, severity)"
                f" ({scope.recorded('job:surge_signal_active:bool')})",
                legend="{{signal}} {{severity}}",
            ),
        ),
        states=looks.ACTIVE,
        width=12,
        height=9,
    )


def _fleets(scope: Scope) -> Table:
    def each(name: str, *matchers: str) -> str:
        return f"sum by ({scope.by}) ({scope.recorded(name, *matchers)})"

    next_hour = each("job:surge_predicted_requests_per_second:sum", NEXT_HOUR)
    return Table(
        title="Fleets",
        description="Every chosen fleet in a row: where there are several, begin with the one"
        " that has the highest factor.",
        queries=(
            Query(expr=each("job:surge_demand_level:index"), legend="Demand", states=looks.LEVELS),
            Query(
                expr=each("job:surge_factor:ratio"),
                legend="Factor",
                steps=steps(scope, "demand_surge"),
            ),
            Query(
                expr=each("job:surge_recent_requests_per_second:sum"),
                legend="Requests",
                unit=Unit.REQUESTS_PER_SECOND,
            ),
            Query(expr=next_hour, legend="Next hour", unit=Unit.REQUESTS_PER_SECOND),
            Query(
                expr=each("job:surge_dispatch_posture:degraded"),
                legend="Dispatch",
                states=looks.POSTURES,
            ),
        ),
        labels={label: label.capitalize() for label in scope.choices.by},
        decimals=2,
        sort_by="Factor",
        height=5,
    )
