"""Alerts on callers by their counters: how fast each uses up what it is allowed to fail."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from surge_exporter.model import HOUR, Seconds
from surge_exporter.rules.choices import ChoiceError
from surge_exporter.rules.rule import MINUTE, USUAL_NOTIFY, Alert, AlertSeverity, Board, Notify
from surge_exporter.rules.scope import Scope, number
from surge_exporter.rules.traffic import FAILURES, failure_ratio
from surge_exporter.rules.words import CALLER, PERCENT
from surge_exporter.signals import INVESTIGATE_FAILURES

_BURN = "SurgeCallerErrorBudgetBurn"
_LOW_TRAFFIC = "SurgeLowTrafficCallerFailing"

_LEAST_FAILURES = 5
"""In a burn rate's long window: with fewer, one bad hour of a small caller would be a page."""
_LEAST_FAILURES_A_DAY = 3
"""Of a caller too small for a burn rate: with fewer it could be chance."""


@dataclass(frozen=True, slots=True)
class _Burn:
    """So many times too fast, over both windows: the long one is sure, the short one is quick.

    The Site Reliability Workbook, chapter 5, table 5-8, for a budget of 30 days.
    """

    rate: float
    long: str
    short: str
    guard: str
    """The window that must hold the least number of failures."""


_BURNS = {
    AlertSeverity.CRITICAL: (_Burn(14.4, "1h", "5m", "1h"), _Burn(6, "6h", "30m", "6h")),
    AlertSeverity.WARNING: (_Burn(3, "1d", "2h", "6h"), _Burn(1, "3d", "6h", "6h")),
}
_FOR = {AlertSeverity.CRITICAL: 2 * MINUTE, AlertSeverity.WARNING: HOUR}
_KEEP = {AlertSeverity.CRITICAL: 10 * MINUTE, AlertSeverity.WARNING: HOUR}


def caller_alerts(scope: Scope) -> Iterator[Alert]:
    """Yield the burn rates' alerts, and the one for callers too small to have a burn rate.

    Raises:
        ChoiceError: an objective leaves no burn rate that a caller could reach.
    """
    for severity, burns in _BURNS.items():
        objective = scope.limit(_BURN, severity)
        reachable = _reachable(burns, objective)
        if not reachable:
            least = 1 - 1 / min(burn.rate for burn in burns)
            raise ChoiceError(
                f"{_BURN}.{severity}: expected an objective above {least:.4g}, got"
                f" {objective:g}: a caller that fails always would not be too fast for it"
            )
        yield Alert(
            name=_BURN,
            severity=severity,
            notify=USUAL_NOTIFY[severity],
            action=INVESTIGATE_FAILURES.slug,
            expr="\nor\n".join(_burning(scope, burn, objective) for burn in reachable),
            for_seconds=Seconds(_FOR[severity]),
            keep_firing_seconds=Seconds(_KEEP[severity]),
            summary="A caller fails so often that its error budget will not last.",
            description=scope.addressed(
                f"{PERCENT} of the requests of {CALLER} in {{fleet}} fail; the objective is that"
                f" {number(100 * objective)}% succeed."
            ),
            recommended_action="Investigate failure rates: look at the caller's newest errors,"
            " and whether other callers of the same model fail too.",
            board=Board.CALLERS,
        )
    yield Alert(
        name=_LOW_TRAFFIC,
        severity=AlertSeverity.WARNING,
        notify=Notify.TICKET,
        action=INVESTIGATE_FAILURES.slug,
        expr=(
            f"{failure_ratio('1d')} > {number(scope.limit(_LOW_TRAFFIC, AlertSeverity.WARNING))}\n"
            f"and {_failures(scope, '1d')} >= {_LEAST_FAILURES_A_DAY}\n"
            f"unless {_failures(scope, '6h')} >= {_LEAST_FAILURES}"
        ),
        for_seconds=Seconds(5 * MINUTE),
        keep_firing_seconds=HOUR,
        summary="Most requests of a caller with few of them fail.",
        description=scope.addressed(
            f"{PERCENT} of the requests of {CALLER} in {{fleet}} failed in the last day, too few"
            " of them for a burn rate."
        ),
        recommended_action="Investigate failure rates: run the caller once by hand, and look at"
        " its errors.",
        board=Board.CALLERS,
    )


def _reachable(burns: Iterable[_Burn], objective: float) -> tuple[_Burn, ...]:
    """Return those that a caller may exceed: more than all requests can't fail."""
    return tuple(burn for burn in burns if burn.rate * (1 - objective) < 1)


def _burning(scope: Scope, burn: _Burn, objective: float) -> str:
    limit = f"({number(burn.rate)} * (1 - {number(objective)}))"
    return (
        f"(\n"
        f"  {failure_ratio(burn.long)} > {limit}\n"
        f"  and {failure_ratio(burn.short)} > {limit}\n"
        f"  and {_failures(scope, burn.guard)} >= {_LEAST_FAILURES}\n"
        f")"
    )


def _failures(scope: Scope, window: str) -> str:
    return scope.of("sum", f"increase({scope.series(FAILURES, over=window)})", "caller")
