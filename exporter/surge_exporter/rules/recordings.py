"""The recording rules: a fleet's verdict and traffic, under names that dashboards go by.

The names say `job` whatever labels make a fleet, so that dashboards fit any choice of them.
"""

from collections.abc import Iterable, Iterator

from surge_exporter.model import DemandLevel, DispatchPosture, ResourceMode, Severity
from surge_exporter.rules import fleet, traffic
from surge_exporter.rules.conditions import active
from surge_exporter.rules.rule import Recording, RecordingGroup
from surge_exporter.rules.scope import Scope
from surge_exporter.signals import MAINTAIN, NORMAL_DEMAND_ABOVE, SIGNALS, Signal

FACTOR = "job:surge_factor:ratio"
ACTIVE = "job:surge_signal_active:bool"
ACTION = "job:surge_recommended_action:bool"


def recording_groups(scope: Scope) -> tuple[RecordingGroup, ...]:
    """Return all of them. A group's rules may use those before them in it, and no others'."""
    return (
        RecordingGroup("surge-demand", tuple(_demand(scope))),
        RecordingGroup("surge-parts", tuple(_parts(scope))),
        RecordingGroup("surge-verdict", tuple(_verdict(scope))),
        RecordingGroup("surge-traffic", tuple(traffic.requests(scope))),
        RecordingGroup("surge-failures", tuple(traffic.failures(scope))),
    )


def _demand(scope: Scope) -> Iterator[Recording]:
    yield Recording(
        name="job:surge_recent_requests_per_second:sum",
        expr=fleet.recent(scope),
        about="Request rate over the recent window.",
    )
    yield Recording(
        name="job:surge_baseline_requests_per_second:sum",
        expr=fleet.baseline(scope),
        about="Request rate over the window before, of exporters where it is known.",
    )
    yield Recording(
        name=FACTOR,
        expr=fleet.factor(scope),
        about="Recent over baseline rate: the ratio that sets mode and action.",
    )
    yield Recording(
        name="job:surge_demand_level:index",
        expr=_level(scope),
        about="Demand in words: 0 low, 1 normal, 2 elevated, 3 critical; absent while unknown.",
    )
    yield Recording(
        name="job:surge_expected_requests_per_second:sum",
        expr=fleet.expected(scope),
        about="Request rate that season and history let expect.",
    )
    yield Recording(
        name="job:surge_adjusted_factor:ratio",
        expr=fleet.adjusted_factor(scope),
        about="Demand over what season and history let expect.",
    )
    yield Recording(
        name="job:surge_confirmed:share",
        expr=fleet.confirmed_share(scope),
        about="Part of the demand that is at exporters with a confirmed surge.",
    )
    for end, about in (
        ("", "Predicted request rate by horizon."),
        ("low_", "Low end of its interval: the sum of the exporters' own."),
        ("high_", "High end of its interval, likewise."),
    ):
        yield Recording(
            name=f"job:surge_predicted_{end}requests_per_second:sum",
            expr=fleet.predicted(scope, end),
            about=about,
        )
    yield Recording(
        name="job:surge_capacity_requests_per_second:sum",
        expr=fleet.capacity(scope),
        about="Request rate that the fleet can serve, where that is configured.",
    )
    yield Recording(
        name="job:surge_predicted_capacity:ratio",
        expr=fleet.predicted_capacity(scope),
        about="Predicted rate over capacity, of exporters that have one.",
    )


def _parts(scope: Scope) -> Iterator[Recording]:
    yield Recording(
        name="job:surge_caller_requests:sum",
        expr=fleet.caller_requests(scope),
        about="Requests of each caller in the recent window.",
    )
    yield Recording(
        name="job:surge_caller_failures:sum",
        expr=fleet.caller_failures(scope),
        about="Failed requests of each caller in the recent window.",
    )
    yield Recording(
        name="job:surge_caller_failure:ratio",
        expr=fleet.caller_failure_ratio(scope),
        about="Failed part of each caller's requests in the recent window.",
    )
    yield Recording(
        name="job:surge_caller_token_share:ratio",
        expr=fleet.caller_token_share(scope),
        about="Part of the token volume in the recent window that each caller used.",
    )
    yield Recording(
        name="job:surge_dependency_up:avg",
        expr=fleet.dependency_up(scope),
        about="Part of the exporters whose newest check of a dependency passed.",
    )


def _verdict(scope: Scope) -> Iterator[Recording]:
    for signal in SIGNALS:
        for severity in signal.thresholds:
            yield _signal(scope, signal, severity)
    advising = [signal for signal in SIGNALS if signal.advises]
    yield Recording(
        name=ACTION,
        expr=scope.of("max", _any_of(advising), "action"),
        about="Whether the fleet's posture asks for an action.",
    )
    yield Recording(
        name=ACTION,
        expr=f"1 - {scope.of('max', _any_of(advising))}",
        labels={"action": MAINTAIN.slug},
        about="Whether nothing is asked for but to go on.",
    )
    yield Recording(
        name="job:surge_resource_mode:surge",
        expr=scope.of("max", _any_of([s for s in SIGNALS if s.sets is ResourceMode.SURGE])),
        about="Whether the fleet must be given more than usual.",
    )
    degrading = [s for s in SIGNALS if s.sets is DispatchPosture.DEGRADED]
    yield Recording(
        name="job:surge_dispatch_posture:degraded",
        expr=scope.of("max", _any_of(degrading)),
        about="Whether work can't be dispatched through the forge as usual.",
    )


def _signal(scope: Scope, signal: Signal, severity: Severity) -> Recording:
    return Recording(
        name=ACTIVE,
        expr=(
            f"clamp_max({scope.of('count', active(scope, signal, severity))}, 1)\n"
            f"or\n"
            f"0 * {scope.exported_threshold(signal, severity)}"
        ),
        labels={"signal": signal.name, "severity": severity, "action": signal.action.slug},
        about=f"Whether it is so of the fleet: {signal.condition}.",
    )


def _any_of(signals: Iterable[Signal]) -> str:
    return f'{ACTIVE}{{signal=~"{"|".join(signal.name for signal in signals)}"}}'


def _level(scope: Scope) -> str:
    """Count the thresholds that the factor is over, as `signals.demand_level` does.

    Where no exporter knows its own level, because telemetry is old, the fleet has none.
    """
    surge = next(signal for signal in SIGNALS if signal.name == "demand_surge")
    over = [
        f"({FACTOR} > bool on ({scope.labels()}) {scope.exported_threshold(surge, severity)})"
        for severity in surge.thresholds
    ]
    level = " + ".join((f"({FACTOR} > bool {NORMAL_DEMAND_ABOVE:g})", *over))
    unknown = scope.series("surge_demand_level", level=DemandLevel.UNKNOWN.value)
    return f"{level}\nand on ({scope.labels()}) {scope.of('min', unknown)} == 0"
