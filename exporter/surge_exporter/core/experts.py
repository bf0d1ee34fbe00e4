"""Trivial forecasts of the mean rate over the next hours: from now, and from usual days.

Each is good for some traffic and bad for other; `mixture` learns which to trust. They are the
last hours; the usual days (the seasonal naive method over weighted days); and these corrected
by how the last hours were against the same hours of those days: by their ratio, damped by a
power below 1, or by their difference.
"""

from collections.abc import Sequence
from functools import lru_cache
from operator import mul
from statistics import median
from typing import NamedTuple

from surge_exporter.core.bins import Bins

NEEDED_HOURS = 24
"""Without a whole day of history there is nothing seasonal to tell."""

_JUST_NOW_HOURS = 0.25
_MOST_DAYS = 21
_SMOOTHING_REQUESTS = 3.0  # added to both sides of a ratio: a few requests prove no change
_LEAST_RATIO, _MOST_RATIO = 0.1, 10.0
_DAILY_MEMORY = 0.8  # the weight of a day over that of the day after it
_WEEKLY_MEMORY = 0.6  # the same of a week
_OTHER_DAY_TYPE = 0.25
_SAME_WEEKDAY = 1.5
_MEDIAN_DAYS = 7
_SATURDAY = 5


class _Weights(NamedTuple):
    """How much each day before counts, yesterday first."""

    mixed: tuple[float, ...]
    same_day_type: tuple[float, ...]
    same_weekday: tuple[float, ...]


def expert_rates(
    bins: Bins, place: int, *, weekday: int, horizons_hours: Sequence[int]
) -> list[tuple[float, ...]]:
    """Return the experts' forecasts for each horizon, made at `place` on a weekday (Monday 0).

    At least `NEEDED_HOURS` of history lie before `place`. An expert that has not seen enough
    days says what yesterday was, or else what the last three hours were.
    """
    recent = _Recent(
        weights=_weights(weekday),
        last={hours: bins.rate(place, hours) for hours in (_JUST_NOW_HOURS, 1, 2, 3, 6, 24)},
        usual={
            hours: bins.rates_before(place, hours)[:_MOST_DAYS]
            for hours in (_JUST_NOW_HOURS, 1, 2, 6, 24)
        },
    )
    return [_forecasts(recent, bins, place, hours) for hours in horizons_hours]


class _Recent(NamedTuple):
    """What all horizons share."""

    weights: _Weights
    last: dict[float, float]
    """The rate of the last hours, by their number."""
    usual: dict[float, list[float]]
    """The rates of the same hours of each day before, yesterday first."""


class _Usual(NamedTuple):
    """What the days before had in the window to forecast."""

    first_day: int
    """Days ago, of the newest day that has had all of that window."""
    rates: list[float]
    fallback: float


def _forecasts(recent: _Recent, bins: Bins, place: int, horizon: int) -> tuple[float, ...]:
    first_day = -(-horizon // 24)
    rates = bins.rates_after(place, horizon, first_day=first_day)
    del rates[max(0, _MOST_DAYS - first_day + 1) :]
    usual = _Usual(first_day, rates, rates[0] if rates else recent.last[3])
    mixed, same_day_type, same_weekday = recent.weights
    return (
        recent.last[1],
        recent.last[6],
        recent.last[24],
        _ratio(recent, usual, mixed, hours=1, damping=0.7),
        _ratio(recent, usual, mixed, hours=6, damping=0.3),
        _ratio(recent, usual, same_day_type, hours=2, damping=1.0),
        _ratio(recent, usual, same_weekday, hours=24, damping=0.5),
        median(rates[:_MEDIAN_DAYS]) if rates else usual.fallback,
        recent.last[_JUST_NOW_HOURS],
        _shift(recent, usual, mixed, hours=_JUST_NOW_HOURS),
        _shift(recent, usual, mixed, hours=6),
    )


def _ratio(
    recent: _Recent, usual: _Usual, weights: Sequence[float], *, hours: float, damping: float
) -> float:
    """Return the usual rate times how busy the last `hours` were for the time of day."""
    days = _mean_days(recent, usual, weights, hours)
    if days is None:
        return usual.fallback
    before, then = days
    smoothing = _SMOOTHING_REQUESTS / hours
    ratio = (recent.last[hours] + smoothing) / (before + smoothing)
    factor: float = min(max(ratio, _LEAST_RATIO), _MOST_RATIO) ** damping
    return then * factor


def _shift(recent: _Recent, usual: _Usual, weights: Sequence[float], *, hours: float) -> float:
    """Return the usual rate plus how much busier the last `hours` were for the time of day."""
    days = _mean_days(recent, usual, weights, hours)
    if days is None:
        return usual.fallback
    before, then = days
    return max(0.0, recent.last[hours] + then - before)


def _mean_days(
    recent: _Recent, usual: _Usual, weights: Sequence[float], hours: float
) -> tuple[float, float] | None:
    """Return the usual rate before and after this time of day, over days that know both."""
    skipped = usual.first_day - 1
    before, weights = recent.usual[hours][skipped:], weights[skipped:]
    known = min(len(before), len(usual.rates))
    total = sum(weights[:known])
    if not total:
        return None
    return (
        sum(map(mul, before[:known], weights)) / total,
        sum(map(mul, usual.rates[:known], weights)) / total,
    )


@lru_cache(maxsize=7)
def _weights(weekday: int) -> _Weights:
    mixed, same_type, same_weekday = [], [], []
    for days in range(1, _MOST_DAYS + 1):
        same = ((weekday - days) % 7 >= _SATURDAY) == (weekday >= _SATURDAY)
        recency = _DAILY_MEMORY ** (days - 1)
        week = 0.0 if days % 7 else _WEEKLY_MEMORY ** (days // 7)
        mixed.append(recency * (1.0 if same else _OTHER_DAY_TYPE) + _SAME_WEEKDAY * week)
        same_type.append(recency if same else 0.0)
        same_weekday.append(week)
    return _Weights(tuple(mixed), tuple(same_type), tuple(same_weekday))
