"""What four weeks of counts let expect: forecasts of demand, and whether demand surges."""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil

from surge_exporter.core.forecast import Forecaster, HorizonForecast
from surge_exporter.core.history import BUCKET_SECONDS, CountHistory, CountSeries
from surge_exporter.core.series import OTHER
from surge_exporter.core.surge import SurgeDetector
from surge_exporter.model import (
    HOUR,
    CallerDemand,
    Demand,
    Forecast,
    Seconds,
    Severity,
    SurgeTest,
    UnixSeconds,
)

LEARNED_FROM_SECONDS = Seconds(24 * HOUR)
"""With less history, demand is forecast to stay at the mean of the recent window."""

MOST_TESTED_CALLERS = 50
"""The busiest: a test takes milliseconds and half a megabyte."""

_FIXED_HORIZONS_SECONDS = (Seconds(HOUR), Seconds(24 * HOUR))
_WIDTH = int(BUCKET_SECONDS)


class Outlook:
    """Keeps forecaster and detectors in step with a history; answers change every five minutes.

    One owner; not safe for threads.
    """

    def __init__(self, history: CountHistory, horizon_seconds: Seconds) -> None:
        self._history = history
        self._horizons = sorted({*_FIXED_HORIZONS_SECONDS, horizon_seconds})
        self._forecaster = Forecaster(sorted({whole_hours(horizon) for horizon in self._horizons}))
        self._made: dict[int, HorizonForecast] = {}
        self._factors: dict[str, float] | None = None
        self._fleet = _Test()
        self._callers: dict[str, _Test] = {}
        self._busiest: tuple[str, ...] = ()
        self._end: UnixSeconds | None = None

    def set_surge_factors(self, *, warning: float, critical: float) -> None:
        """Confirm surges above these factors from the next bucket on."""
        self._factors = {"warning": warning, "critical": critical}
        for test in (self._fleet, *self._callers.values()):
            test.detector.set_factors(**self._factors)

    def start_over(self) -> None:
        """Forget what was learned: the history is not what it was."""
        self._end = None
        self._made = {}
        self._fleet = self._new_test()
        self._callers = {}

    def refresh(self, now: UnixSeconds, history_start: UnixSeconds | None) -> None:
        """Take in the buckets that are complete by now, if there are new ones.

        The first time, with four weeks of them, takes up to a second.
        """
        series = self._history.total(now, start=history_start)
        if series.end == self._end or not series.counts:
            return
        self._end = series.end
        made = self._forecaster.refresh(series.counts, _WIDTH, series.end)
        self._made = {forecast.horizon_hours: forecast for forecast in made}
        self._fleet.refresh(series)

    def refresh_a_caller(self, now: UnixSeconds) -> bool:
        """Take in new buckets of one of the busiest callers; False if all are up to date.

        One at a time: the first of each may take half a second.
        """
        for caller in self._busiest:
            test = self._callers.get(caller) or self._new_test()
            self._callers[caller] = test
            if test.end != self._end:
                test.refresh(self._history.caller(caller, now))
                return True
        return False

    def of_demand(self, demand: Demand) -> Demand:
        """Return demand with what history says of it."""
        if not self._made:
            return demand
        forecasts = tuple(self._forecast(horizon, demand) for horizon in self._horizons)
        return replace(demand, forecasts=forecasts, surge_test=self._fleet.result)

    def of_callers(self, callers: Sequence[CallerDemand]) -> tuple[CallerDemand, ...]:
        """Return callers, the busiest first, with their tests, as far as there are any."""
        named = [c.caller for c in callers if c.requests and c.caller != OTHER]
        self._busiest = tuple(named[:MOST_TESTED_CALLERS])
        if len(self._callers) > 2 * MOST_TESTED_CALLERS:
            self._callers = {c: self._callers[c] for c in self._busiest if c in self._callers}
        tests = {c: self._callers[c].result for c in self._busiest if c in self._callers}
        return tuple(replace(c, surge_test=tests.get(c.caller)) for c in callers)

    def _new_test(self) -> "_Test":
        test = _Test()
        if self._factors is not None:
            test.detector.set_factors(**self._factors)
        return test

    def _forecast(self, horizon_seconds: Seconds, demand: Demand) -> Forecast:
        made = self._made[whole_hours(horizon_seconds)]
        point, low, high = made.point / HOUR, made.low / HOUR, made.high / HOUR
        if made.history_seconds < LEARNED_FROM_SECONDS:
            point = demand.recent.requests_per_second
            low, high = min(low, point), max(high, point)
        return Forecast(
            horizon_seconds=horizon_seconds,
            requests_per_second=point,
            low_requests_per_second=low,
            high_requests_per_second=high,
            mase=made.mase,
            coverage_ratio=made.coverage_ratio,
            history_seconds=made.history_seconds,
        )


class _Test:
    """The surge test of one series, and up to when it has seen it."""

    def __init__(self) -> None:
        self.detector = SurgeDetector()
        self.end: UnixSeconds | None = None
        self.result: SurgeTest | None = None

    def refresh(self, series: CountSeries) -> None:
        verdict = self.detector.test(series.counts, BUCKET_SECONDS, series.end)
        self.end = series.end
        self.result = None
        if verdict.has_history:
            self.result = SurgeTest(
                factor=verdict.factor,
                z_score=verdict.z_score,
                expected_requests_per_second=verdict.expected_requests_per_hour / HOUR,
                confirmed=_with_milder(verdict.severity),
            )


def _with_milder(severity: Severity | None) -> frozenset[Severity]:
    """Return all that is confirmed: what is critical is worth a warning, too."""
    if severity is None:
        return frozenset()
    return frozenset({severity, Severity.WARNING})


def whole_hours(horizon_seconds: Seconds) -> int:
    """Return the whole hours to forecast: over a little more, the mean hardly differs.

    >>> whole_hours(900.0), whole_hours(21600.0)
    (1, 6)
    """
    return max(1, ceil(horizon_seconds / HOUR))
