"""When a row of the signals table is active for a fleet, as an expression.

Of a fleet of one exporter each says what that exporter's verdict does. A row that is not named
here gets a condition by its own fields: a new signal needs no edit.
"""

from collections.abc import Callable, Mapping

from surge_exporter.core.series import OTHER
from surge_exporter.model import UNKNOWN, Severity
from surge_exporter.rules import fleet
from surge_exporter.rules.scope import INSTANCE, Scope, alert_name, number
from surge_exporter.signals import Agreement, Signal

Condition = Callable[[Scope, Signal, Severity], str]

_HALF = 0.5
"""A fleet is in a surge when so much of its demand is, and without its forge when so many of
its exporters say so: one odd host is no trouble of the fleet."""
_DAY_SECONDS = 86400


def active(scope: Scope, signal: Signal, severity: Severity) -> str:
    """Return for which fleets, and what of them, the row is active: what sets the posture."""
    return _ACTIVE.get(signal.name, _by_its_fields)(scope, signal, severity)


def alerting(scope: Scope, signal: Signal, severity: Severity) -> str:
    """Return for which its alert holds: the same, but for rows that have a test of their own."""
    return _ALERTING.get(signal.name, active)(scope, signal, severity)


def is_confirmed_by_exporters(signal: Signal) -> bool:
    """Say whether a test in each exporter decides, which a threshold here can't make milder."""
    return _ALERTING.get(signal.name) is _confirmed_surge


def _by_its_fields(scope: Scope, signal: Signal, severity: Severity) -> str:
    """Compare each exporter's gauge with the threshold, as the row has exporters agree."""
    series = scope.series(signal.metric.name, **signal.matchers)
    threshold = scope.threshold(signal, severity)
    if signal.agreement is Agreement.EACH:
        return f"{scope.of('max', series, INSTANCE, *signal.metric.labels)} {threshold}"
    highest = f"{scope.of('max', series, *signal.metric.labels)} {threshold}"
    if signal.agreement is Agreement.FLEET:
        return highest
    votes = f"({series} {_as_bool(threshold)}){_of_those_that_check(scope, signal)}"
    return f"{highest}\nand on ({scope.labels()})\n{scope.of('avg', votes)} >= {_HALF}"


def _of_those_that_check(scope: Scope, signal: Signal) -> str:
    """An exporter without heartbeats has no failed check, and no say in it."""
    if "dependency" not in signal.matchers:
        return ""
    return f" unless {scope.series('surge_dependency_checks', **signal.matchers)} == 0"


def _as_bool(threshold: str) -> str:
    sign, _, right = threshold.partition(" ")
    return f"{sign} bool {right}"


def _surge_factor(scope: Scope, signal: Signal, severity: Severity) -> str:
    return f"(\n{fleet.factor(scope)}\n) {scope.threshold(signal, severity)}"


def _confirmed_surge(scope: Scope, signal: Signal, severity: Severity) -> str:
    """The exporters' own test decides; a threshold in the choices is required on top of it.

    The value is the fleet's factor, and 1 where nothing was expected.
    """
    confirmed = fleet.is_confirmed(scope, severity, _HALF)
    chosen = scope.chosen(alert_name(signal), severity)
    factor = fleet.adjusted_factor(scope)
    on = f"on ({scope.labels()})"
    if chosen is None:
        return f"(\n{factor}\nor {on}\n{confirmed}\n)\nand {on}\n{confirmed}"
    return f"{factor} > {number(chosen)}\nand {on}\n{confirmed}"


def _predicted_demand(scope: Scope, signal: Signal, severity: Severity) -> str:
    return f"{fleet.predicted_capacity(scope)} {scope.threshold(signal, severity)}"


def _heavy_batch(scope: Scope, signal: Signal, severity: Severity) -> str:
    share = fleet.caller_token_share(scope)
    named = fleet.caller_token_share(scope, f'caller!~"{OTHER}|{UNKNOWN}"')
    requests = scope.series("surge_caller_requests", f'caller!="{OTHER}"')
    callers = scope.of("count", f"{scope.of('sum', requests, 'caller')} > 0")
    return (
        f"({share}) {scope.threshold(signal, severity)}\n"
        f"and on ({scope.labels('caller')}) (\n"
        f"  {scope.of('max', scope.series('surge_caller_batch'), 'caller')} == 1\n"
        f"  or\n"
        f"  ({named}) >= {scope.parameter(signal.name, 'dominant_share')}\n"
        f"  and on ({scope.labels()})\n"
        f"  ({callers} >= on ({scope.labels()}) {scope.exported(signal.name, 'min_callers')})\n"
        f")"
    )


def _caller_failures(scope: Scope, signal: Signal, severity: Severity) -> str:
    ratio = fleet.caller_failure_ratio(scope)
    requests = fleet.caller_requests(scope)
    return (
        f"({ratio}) {scope.threshold(signal, severity)}\n"
        f"and on ({scope.labels('caller')})\n"
        f"{requests} >= {scope.parameter(signal.name, 'min_requests')}"
    )


def _caller_failures_enough(scope: Scope, signal: Signal, severity: Severity) -> str:
    return (
        f"{_caller_failures(scope, signal, severity)}\n"
        f"and on ({scope.labels('caller')})\n"
        f"{fleet.caller_failures(scope)} >= {scope.parameter(signal.name, 'min_failures')}"
    )


def _forecast_error(scope: Scope, signal: Signal, severity: Severity) -> str:
    history = scope.of("max", scope.series("surge_forecast_history_seconds"), INSTANCE)
    return (
        f"{_by_its_fields(scope, signal, severity)}\n"
        f"and on ({scope.labels(INSTANCE)})\n"
        f"{history} / {_DAY_SECONDS} >= {scope.parameter(signal.name, 'min_history_days')}"
    )


def _down(scope: Scope, signal: Signal, severity: Severity) -> str:
    """A check that failed once is no outage: several must have failed in the window.

    Each exporter must have seen both: one that had an outage before says nothing of now.
    """
    down = scope.series(signal.metric.name, **signal.matchers)
    down_for = scope.threshold(signal, severity)
    failed = scope.series("surge_dependency_failed_checks", **signal.matchers)
    least = f">= {scope.parameter(signal.name, 'min_failed_checks')}"
    sure = f"{down} {down_for}\n  and {failed} {least}"
    if signal.agreement is Agreement.EACH:
        return scope.of("max", sure, INSTANCE, *signal.metric.labels)
    voices = f"({down} {_as_bool(down_for)})\n  * ({failed} {_as_bool(least)})"
    return (
        f"{scope.of('max', sure, *signal.metric.labels)}\n"
        f"and on ({scope.labels()})\n"
        f"{scope.of('avg', voices)} >= {_HALF}"
    )


_ACTIVE: Mapping[str, Condition] = {
    "demand_surge": _surge_factor,
    "predicted_demand": _predicted_demand,
    "heavy_batch": _heavy_batch,
    "caller_failures": _caller_failures,
    "gitea_down": _down,
    "inference_down": _down,
    "forecast_error": _forecast_error,
}
_ALERTING: Mapping[str, Condition] = {
    "demand_surge": _confirmed_surge,
    "caller_failures": _caller_failures_enough,
}
