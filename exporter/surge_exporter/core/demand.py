"""From window totals to demand: rates over covered time, the surge factor, callers."""

from collections.abc import Iterable
from dataclasses import dataclass

from surge_exporter.core.window import SeriesTotal, WindowTotals
from surge_exporter.model import (
    CallerDemand,
    Demand,
    Forecast,
    Seconds,
    TokenVolume,
    UnixSeconds,
    WindowStats,
)

FULL_COVERAGE = 0.95
"""Covered this far, a window counts as whole: nobody's log begins on the second."""

VALID_BASELINE_COVERAGE = 0.25
"""A baseline covered less says nothing."""

_LEAST_COVERED_SECONDS = 60.0  # a first request, seen for no time at all, still has a rate


def measure_demand(
    totals: WindowTotals,
    *,
    now: UnixSeconds,
    horizon_seconds: Seconds,
    history_start: UnixSeconds | None,
) -> Demand:
    """Return demand at `now`; coverage runs from `history_start`, the oldest record known."""
    recent_ratio = _covered_ratio(history_start, now, horizon_seconds)
    before = UnixSeconds(now - horizon_seconds)
    baseline_ratio = _covered_ratio(history_start, before, horizon_seconds)
    recent = _window_stats(totals.recent, horizon_seconds, recent_ratio)
    baseline = _window_stats(totals.baseline, horizon_seconds, baseline_ratio)
    valid = baseline_ratio >= VALID_BASELINE_COVERAGE
    return Demand(
        horizon_seconds=horizon_seconds,
        recent=recent,
        baseline=baseline,
        baseline_valid=valid,
        surge_factor=surge_factor(recent, baseline) if valid else None,
        volume=_sum_volumes(total.volume for total in totals.recent),
        forecasts=(
            Forecast(
                horizon_seconds=horizon_seconds, requests_per_second=recent.requests_per_second
            ),
        ),
    )


def surge_factor(recent: WindowStats, baseline: WindowStats) -> float:
    """Return the recent rate over the baseline's; over a silent baseline, as if it had held
    one request, the number of recent ones.

    Written as one division, so that equal ratios compare equal at a threshold.
    """
    if not baseline.requests:
        return float(recent.requests)
    return (recent.requests * baseline.rate_seconds) / (baseline.requests * recent.rate_seconds)


def measure_callers(totals: WindowTotals, demand: Demand) -> tuple[CallerDemand, ...]:
    """Return every caller of either window, busiest first."""
    callers: dict[str, _Caller] = {}
    for total in totals.recent:
        callers.setdefault(total.key.caller, _Caller()).add_recent(total)
    for total in totals.baseline:
        callers.setdefault(total.key.caller, _Caller()).baseline_requests += total.requests
    measured = (_caller_demand(name, caller, demand) for name, caller in callers.items())
    return tuple(sorted(measured, key=lambda c: (-c.requests, -c.volume.quarters, c.caller)))


@dataclass(slots=True)
class _Caller:
    requests: int = 0
    failures: int = 0
    baseline_requests: int = 0
    quarters: int = 0
    logged: int = 0
    estimated: int = 0

    def add_recent(self, total: SeriesTotal) -> None:
        self.requests += total.requests
        self.failures += 0 if total.key.success else total.requests
        self.quarters += total.volume.quarters
        self.logged += total.volume.logged
        self.estimated += total.volume.estimated


def _caller_demand(name: str, caller: _Caller, demand: Demand) -> CallerDemand:
    recent, baseline = demand.recent, demand.baseline
    factor = None
    if demand.baseline_valid:
        factor = surge_factor(
            _with_requests(recent, caller.requests),
            _with_requests(baseline, caller.baseline_requests),
        )
    return CallerDemand(
        caller=name,
        requests=caller.requests,
        failures=caller.failures,
        baseline_requests=caller.baseline_requests,
        request_share=_share(caller.requests, recent.requests),
        volume=TokenVolume(caller.quarters, caller.logged, caller.estimated),
        token_share=_share(caller.quarters, demand.volume.quarters),
        surge_factor=factor,
    )


def _with_requests(window: WindowStats, requests: int) -> WindowStats:
    return WindowStats(requests, window.span_seconds, window.covered_ratio, window.rate_seconds)


def _covered_ratio(
    history_start: UnixSeconds | None, end: UnixSeconds, span_seconds: Seconds
) -> float:
    """Return which part of the window that ends at `end` lies after the oldest record."""
    if history_start is None:
        return 0.0
    return min(1.0, max(0.0, (end - history_start) / span_seconds))


def _window_stats(
    totals: Iterable[SeriesTotal], span_seconds: Seconds, covered_ratio: float
) -> WindowStats:
    requests = sum(total.requests for total in totals)
    rate_seconds = span_seconds
    if covered_ratio < FULL_COVERAGE:
        least = min(span_seconds, _LEAST_COVERED_SECONDS)
        rate_seconds = Seconds(max(span_seconds * covered_ratio, least))
    return WindowStats(requests, span_seconds, covered_ratio, rate_seconds)


def _sum_volumes(volumes: Iterable[TokenVolume]) -> TokenVolume:
    quarters = logged = estimated = 0
    for volume in volumes:
        quarters += volume.quarters
        logged += volume.logged
        estimated += volume.estimated
    return TokenVolume(quarters, logged, estimated)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
