"""The verdict over a fleet, from the gauges of its exporters' windows: no history needed.

Numerator and denominator are summed over the exporters, then divided: never a mean of ratios.
Two gauges of one exporter are joined by all their labels: what `job` and `instance` do not tell
apart would be an error, and no fleet had a verdict.
Each function returns an expression; recording rules and alerts are made of the same ones.
"""

from surge_exporter.core.series import OTHER
from surge_exporter.model import Severity
from surge_exporter.rules.scope import Scope, number


def recent(scope: Scope) -> str:
    """Return the fleet's request rate over the recent window."""
    return scope.of("sum", scope.series("surge_recent_requests_per_second"))


def baseline(scope: Scope) -> str:
    """Return the fleet's request rate over the window before, where that is known."""
    return scope.of("sum", scope.series("surge_baseline_requests_per_second"))


def factor(scope: Scope) -> str:
    """Return recent over baseline rate of those exporters that have a valid baseline.

    With a baseline of no requests it is the number of recent ones, as in each exporter.
    """
    compared = (
        f"{scope.series('surge_recent_requests_per_second')}"
        f" and {scope.series('surge_baseline_requests_per_second')}"
    )
    seconds = scope.of("max", scope.series("surge_window_seconds", window="recent"))
    return (
        f"{scope.of('sum', compared)}\n"
        f"/ ({baseline(scope)} > 0)\n"
        f"or\n"
        f"{scope.of('sum', compared)} * {seconds}\n"
        f"and ({baseline(scope)} == 0)"
    )


def expected(scope: Scope) -> str:
    """Return the request rate that season and history let expect of the fleet."""
    return scope.of("sum", scope.series("surge_expected_requests_per_second"))


def adjusted_factor(scope: Scope) -> str:
    """Return the fleet's demand over its seasonal expectation."""
    demand = (
        f"{scope.series('surge_adjusted_factor')}"
        f" * {scope.series('surge_expected_requests_per_second')}"
    )
    return f"{scope.of('sum', demand)} / ({expected(scope)} > 0)"


def confirmed_share(scope: Scope) -> str:
    """Return the part of the fleet's demand that is at exporters with a confirmed surge.

    An exporter without history enough for the test confirms nothing. Of a fleet of one it is
    1 or 0: what that one says.
    """
    surging = f"{scope.series('surge_confirmed')} {_weighted(scope)}"
    return (
        f"{scope.of('sum', surging, 'severity')}\n"
        f"/ {scope.join()} {scope.of('sum', _weight(scope))}"
    )


def is_confirmed(scope: Scope, severity: Severity, share: float) -> str:
    """Return the fleets of whose demand at least such a part is in a confirmed surge."""
    confirmed = scope.series("surge_confirmed", severity=severity)
    surging = f"{confirmed} {_weighted(scope)}"
    return f"{scope.of('sum', surging)} / {scope.of('sum', _weight(scope))} >= {number(share)}"


def _weight(scope: Scope) -> str:
    """An exporter's demand; of an idle fleet all weigh the same, and little."""
    return f"{scope.series('surge_recent_requests_per_second')} + 1e-9"


def _weighted(scope: Scope) -> str:
    return f"* ignoring (severity) group_left () ({_weight(scope)})"


def predicted(scope: Scope, end: str = "") -> str:
    """Return the fleet's predicted rate by horizon, or the `low_` or `high_` end of it.

    The ends are sums of the exporters' own: wider than the fleet's interval would be, as if all
    were wrong in the same direction at once.
    """
    return scope.of("sum", scope.series(f"surge_predicted_{end}requests_per_second"), "horizon")


def capacity(scope: Scope) -> str:
    """Return what the fleet can serve, of those exporters that say so."""
    return scope.of("sum", scope.series("surge_capacity_requests_per_second"))


def predicted_capacity(scope: Scope) -> str:
    """Return predicted rate over capacity, of those exporters that know both.

    One that starts knows its capacity before it has read any demand.
    """
    predicted = scope.series("surge_predicted_capacity_ratio")
    capacity = scope.series("surge_capacity_requests_per_second")
    return (
        f"{scope.of('sum', f'{predicted} * {capacity}')}"
        f" / {scope.of('sum', f'{capacity} and {predicted}')}"
    )


def caller_requests(scope: Scope) -> str:
    """Return each caller's requests in the recent window."""
    return scope.of("sum", scope.series("surge_caller_requests"), "caller")


def caller_failures(scope: Scope) -> str:
    """Return each caller's failed requests in the recent window."""
    return scope.of("sum", scope.series("surge_caller_failures"), "caller")


def caller_failure_ratio(scope: Scope) -> str:
    """Return the failed part of each caller's requests; what many share is no caller."""
    named = f'caller!="{OTHER}"'
    failures = scope.of("sum", scope.series("surge_caller_failures", named), "caller")
    requests = scope.of("sum", scope.series("surge_caller_requests", named), "caller")
    return f"{failures} / ({requests} > 0)"


def caller_token_share(scope: Scope, *matchers: str) -> str:
    """Return each caller's part of the fleet's token volume in the recent window."""
    own = scope.of("sum", scope.series("surge_caller_tokens", *matchers), "caller")
    every = scope.of("sum", scope.series("surge_caller_tokens"))
    return f"{own} / {scope.join()} ({every} > 0)"


def dependency_up(scope: Scope) -> str:
    """Return the part of the exporters whose newest check of a dependency passed."""
    return scope.of("avg", scope.series("surge_dependency_up"), "dependency")
