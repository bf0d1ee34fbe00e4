"""Forecasts made hour by hour, each from what was known then: ours and the naive ones."""

import math
import random
from collections.abc import Callable, Sequence

from surge_exporter.core.bins import HISTORY_HOURS
from surge_exporter.core.forecast import Forecaster
from surge_exporter.model import UnixSeconds
from tests.bench.verdict.metrics import DAY, HORIZONS_HOURS, Forecast, Forecasts
from tests.bench.verdict.scenarios import BUCKET_SECONDS
from tests.bench.verdict.series import PER_HOUR, DemandSeries

FIRST_ORIGIN = 72
COMMON_ORIGINS = 60
COLD_ORIGINS = range(12, 73)
COLD_STARTS = tuple(week * 7 * DAY for week in range(4))
LOST_PART = 0.03

_WEEK = 7 * DAY
_SURGING, _SURGED = 1.5, 1.2
_KEPT = HISTORY_HOURS * PER_HOUR


def hourly_origins(series: DemandSeries, horizon: int) -> range:
    """Return the hours from day 3 on whose target is known."""
    return range(FIRST_ORIGIN, series.hours - horizon + 1)


def common_origins(series: DemandSeries) -> range:
    """Return about 60 hours for slow methods, as many of each hour of the day."""
    last = series.hours - max(HORIZONS_HOURS)
    stride = max(1, math.ceil((last - FIRST_ORIGIN) / COMMON_ORIGINS))
    while math.gcd(stride, DAY) != 1:
        stride += 1
    return range(FIRST_ORIGIN, last, stride)


def ours(
    series: DemandSeries, *, begin: int = 0, end: int | None = None, lost: Sequence[int] = ()
) -> Forecasts:
    """Forecast at every hour between two as if the log began at the first.

    `lost` are hours of which the log lost every line.
    """
    counts = list(series.counts)
    for hour in lost:
        counts[hour * PER_HOUR : (hour + 1) * PER_HOUR] = [0] * PER_HOUR
    forecaster = Forecaster(HORIZONS_HOURS)
    made: dict[int, dict[int, Forecast]] = {horizon: {} for horizon in HORIZONS_HOURS}
    for hour in range(begin + 1, (series.hours if end is None else end) + 1):
        now = hour * PER_HOUR
        known = counts[max(begin * PER_HOUR, now - _KEPT) : now]
        at = UnixSeconds(series.start + now * BUCKET_SECONDS)
        for told in forecaster.refresh(known, BUCKET_SECONDS, at):
            made[told.horizon_hours][hour] = Forecast(told.point, told.low, told.high)
    return made


def lost_hours(series: DemandSeries, seed: int) -> list[int]:
    """Draw three in a hundred."""
    rng = random.Random(f"{seed}:{series.name}")
    return [hour for hour in range(series.hours) if rng.random() < LOST_PART]


def last_window(series: DemandSeries, at: int, horizon: int, begin: int = 0) -> float:
    """Return what the last hours had, as many as there are and the horizon is long."""
    return series.rate(max(begin, at - horizon), at)


def yesterday(series: DemandSeries, at: int, horizon: int) -> float:
    """Return what the same window had a day before."""
    return series.rate(at - DAY, at - DAY + horizon)


def last_week(series: DemandSeries, at: int, horizon: int) -> float:
    """Return what the same window had a week before; before there is one, a day before."""
    if at < _WEEK:
        return yesterday(series, at, horizon)
    return series.rate(at - _WEEK, at - _WEEK + horizon)


def raised_when_surging(series: DemandSeries, at: int, _horizon: int) -> float:
    """Return the last six hours' rate, a fifth more if they had 1.5 times the six before."""
    recent, before = series.rate(at - 6, at), series.rate(at - 12, at - 6)
    return recent * (_SURGED if recent > _SURGING * before else 1.0)


NAIVE: dict[str, Callable[[DemandSeries, int, int], float]] = {
    "last window": last_window,
    "yesterday": yesterday,
    "last week": last_week,
    "last 6 h, x 1.2 when surging": raised_when_surging,
}


def naive(series: DemandSeries, name: str) -> Forecasts:
    """Forecast at every hour from day 3 on by one of `NAIVE`."""
    method = NAIVE[name]
    return {
        horizon: {
            at: Forecast(method(series, at, horizon)) for at in hourly_origins(series, horizon)
        }
        for horizon in HORIZONS_HOURS
    }
