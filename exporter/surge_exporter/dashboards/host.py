"""Is the host short of anything, and which model does that leave room for?"""

from surge_exporter.dashboards import looks
from surge_exporter.dashboards.panel import (
    BarGauge,
    Colour,
    Dashboard,
    Query,
    Row,
    StateTimeline,
    Step,
    TimeSeries,
    Unit,
)
from surge_exporter.dashboards.scope import Scope
from surge_exporter.dashboards.signal_panels import board_of, signal_row
from surge_exporter.rules.rule import Board
from surge_exporter.signals import SIGNALS

_TIER = "{{tier}} · {{instance}}"


def host(scope: Scope) -> Dashboard:
    """Return the dashboard."""
    judged = any(board_of(signal) is Board.HOST for signal in SIGNALS)
    return Dashboard(
        uid=Board.HOST,
        title="Surge / Host and scaler",
        description="Is the host short of anything, and which model does that leave room for?",
        rows=(
            Row("Host", (_used(scope), _available(scope), _gpu(scope), _trend(scope))),
            Row("Model tier", (_tiers(scope), _recommended(scope))),
            Row("Model server", (_server(scope), _loaded(scope), _switches(scope))),
            Row("What the scaler did", (_events(scope), _preflight(scope), _quiet(scope))),
            *((signal_row(Board.HOST, scope),) if judged else ()),
        ),
        variables=scope.variables(),
        alerts=scope.firing,
        hours=6,
    )


def _used(scope: Scope) -> TimeSeries:
    return TimeSeries(
        title="CPU and memory in use",
        description="Over 80 % no larger model is loaded; over 90 % switch to a smaller one: for"
        " memory now, for CPU once its mean, further down, is there too.",
        queries=(
            Query(expr=scope.raw("surge_host_cpu_ratio"), legend="CPU · {{instance}}"),
            Query(expr=scope.raw("surge_host_memory_ratio"), legend="memory · {{instance}}"),
        ),
        unit=Unit.RATIO,
        most=1,
    )


def _available(scope: Scope) -> TimeSeries:
    return TimeSeries(
        title="Memory available",
        description="What a larger model would have to fit into, with a margin. Under 1 GiB,"
        " switch to a smaller one now.",
        queries=(
            Query(expr=scope.raw("surge_host_memory_available_bytes"), legend="{{instance}}"),
        ),
        unit=Unit.BYTES,
    )


def _gpu(scope: Scope) -> TimeSeries:
    return TimeSeries(
        title="GPU memory and time in use",
        description="Memory that is full fails requests; time that is full makes them wait.",
        queries=(
            Query(
                expr=scope.raw("surge_host_gpu_memory_ratio"),
                legend="memory {{gpu}} · {{instance}}",
            ),
            Query(
                expr=scope.raw("surge_host_gpu_utilization_ratio"),
                legend="time {{gpu}} · {{instance}}",
            ),
        ),
        unit=Unit.RATIO,
        most=1,
        no_value="No GPU",
    )


def _trend(scope: Scope) -> TimeSeries:
    trend = scope.raw("surge_scaling_trend_per_second")
    return TimeSeries(
        title="Trend, per hour",
        description="Where the use of each resource is heading. The scaler acts before a rising"
        " trend crosses a threshold; so can you.",
        queries=(Query(expr=f"{trend} * 3600", legend="{{resource}} · {{instance}}"),),
        unit=Unit.RATIO,
        from_zero=False,
    )


def _tiers(scope: Scope) -> StateTimeline:
    return StateTimeline(
        title="Model tier in use",
        description="Which tier of model each host runs. Bands that change often are a host at"
        " its limit: give it a smaller model for good.",
        queries=(Query(expr=scope.raw("surge_model_tier_current"), legend=_TIER),),
        states=looks.ACTIVE,
        width=12,
    )


def _recommended(scope: Scope) -> StateTimeline:
    return StateTimeline(
        title="Model tier recommended",
        description="What the host has room for. Where it differs from the tier in use for long,"
        " nobody follows: switch by hand. An upgrade that fails is taken back within minutes.",
        queries=(Query(expr=scope.raw("surge_model_tier_recommended"), legend=_TIER),),
        states=looks.RECOMMENDED,
        width=12,
    )


def _server(scope: Scope) -> StateTimeline:
    return StateTimeline(
        title="Model server answers",
        description="Red: nothing can be switched, and what is loaded is not known. Look whether"
        " the server runs, and where the exporter is told to ask it.",
        queries=(Query(expr=scope.raw("surge_model_server_up"), legend="{{instance}}"),),
        states=looks.UP,
        no_value="No model server is asked",
        width=8,
    )


def _loaded(scope: Scope) -> StateTimeline:
    return StateTimeline(
        title="Models in memory",
        description="Configured models that the server has loaded. Two of one host at once share"
        " its memory: unload what nobody asked for.",
        queries=(Query(expr=scope.raw("surge_model_loaded"), legend="{{model}} · {{instance}}"),),
        states=looks.LOADED,
        no_value="No model is known to be loaded",
        width=8,
    )


def _switches(scope: Scope) -> TimeSeries:
    by = f"outcome, {', '.join(scope.labels)}"
    return TimeSeries(
        title="Switches, by how they ended",
        description="Where they fail, the exporter's log says which model could not be loaded,"
        " and why. The model before goes on.",
        queries=(
            Query(
                expr=f"sum by ({by}) ({scope.increase('surge_model_switches_total')})",
                legend="{{outcome}} · {{instance}}",
            ),
        ),
        unit=Unit.COUNT,
        no_value="No model server is asked",
        width=8,
    )


def _events(scope: Scope) -> TimeSeries:
    by = f"decision, {', '.join(scope.labels)}"
    return TimeSeries(
        title="Changes of tier",
        description="Upgrades, downgrades and cascades. A cascade is a host that was too short"
        " for the next smaller model, too.",
        queries=(
            Query(
                expr=f"sum by ({by}) ({scope.increase('surge_scaling_events_total')})",
                legend="{{decision}} · {{instance}}",
            ),
        ),
        unit=Unit.COUNT,
        width=8,
    )


def _preflight(scope: Scope) -> TimeSeries:
    return TimeSeries(
        title="Pre-flight checks",
        description="Operations that asked whether they may start. Many that are denied: spread"
        " them over time or over hosts.",
        queries=(
            Query(
                expr=f"sum by (outcome) ({scope.rate('surge_preflight_checks_total')})",
                legend="{{outcome}}",
            ),
        ),
        unit=Unit.OPERATIONS_PER_SECOND,
        stacked=True,
        width=8,
    )


def _quiet(scope: Scope) -> BarGauge:
    until = scope.raw("surge_scaling_stabilization_until_timestamp_seconds")
    return BarGauge(
        title="Until the next upgrade may be",
        description="After a change the scaler waits before it upgrades again, so that it does"
        " not flap. A switch by hand is not bound by this.",
        queries=(Query(expr=f"clamp_min({until} - time(), 0)", legend="{{instance}}"),),
        unit=Unit.SECONDS,
        steps=(Step(Colour.BLUE),),
        width=8,
    )
