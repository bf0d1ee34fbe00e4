"""Simple forecasts of the window that ends now, from what was known six hours ago.

All but three are the same window on earlier days, at most three weeks back, averaged with
weights and corrected by how much busier the last known hours were than those of these days.
Rates are requests per hour.
"""

from collections.abc import Callable, Sequence
from operator import mul, sub
from typing import NamedTuple

EXPERTS = 9
GUARD_HOURS = 6
"""A surge cannot raise its own expectation for that long."""

_DAY_HOURS = 24
_LAGS = 21
_MEDIAN_LAGS = 7
_LEAST_RATIO, _MOST_RATIO = 0.1, 10.0
_PSEUDO_REQUESTS = 3.0
"""Added to both sides of a ratio, so that little traffic corrects little."""


class Known(NamedTuple):
    """What was known when the guard began, shared by all windows that end at one edge."""

    last_hour: float
    last_six_hours: float
    last_day: float
    fallback: float
    """Of the last hours, for experts without a day to look back on."""
    seasons: tuple["Season | None", ...]


class Season(NamedTuple):
    """Weights of the days back, yesterday first, that already hold the correction."""

    weights: Sequence[float]
    is_wide: bool
    """Whether an hour before and after the window is averaged too: less noise, less shape."""


def known_at(totals: Sequence[float], index: int, per_hour: int, *, weekday: int) -> Known | None:
    """Return what was known six hours before the edge `index`; None if that was nothing.

    `totals` are running totals of the buckets up to then at least; the window ends on
    `weekday`, where Monday is 0.
    """
    known = index - GUARD_HOURS * per_hour
    if known <= 0:
        return None

    def last(hours: int) -> float:
        begin = max(0, known - hours * per_hour)
        return (totals[known] - totals[begin]) * per_hour / (known - begin)

    recent = {hours: last(hours) for hours in (1, 6)}
    before = {
        hours: days_before(totals, known, hours * per_hour, per_hour, hours=hours)
        for hours in recent
    }
    return Known(
        recent[1],
        recent[6],
        last(24),
        last(3),
        tuple(
            _season(kind, kind.weights[weekday], recent[kind.hours], before[kind.hours])
            for kind in _KINDS
        ),
    )


def forecasts(
    totals: Sequence[float], index: int, per_hour: int, *, hours: float, known: Known
) -> tuple[float, ...]:
    """Return what each expert expects of the `hours` before the edge `index`."""
    length = round(hours * per_hour)
    days = days_before(totals, index, length, per_hour, hours=hours)
    wide = days_before(totals, index + per_hour, length + 2 * per_hour, per_hour, hours=hours + 2)
    fallback = days[0] if days else known.fallback
    middle = len(days[:_MEDIAN_LAGS]) // 2
    recent = sorted(days[:_MEDIAN_LAGS])
    return (
        known.last_hour,
        known.last_six_hours,
        known.last_day,
        (recent[middle] + recent[~middle]) / 2 if recent else fallback,
        *(
            sum(map(mul, season.weights, wide if season.is_wide else days)) if season else fallback
            for season in known.seasons
        ),
    )


def days_before(
    totals: Sequence[float], index: int, length: int, per_hour: int, *, hours: float
) -> list[float]:
    """Return the rates of a window of `hours` one day before, two days before, and so on."""
    day = _DAY_HOURS * per_hour
    begin = index - length - day
    if begin < 0:
        return []
    stop = begin - _LAGS * day
    begins = totals[begin : stop if stop >= 0 else None : -day]
    ends = totals[begin + length :: -day]
    return [requests / hours for requests in map(sub, ends, begins)]


class _Kind(NamedTuple):
    weights: tuple[tuple[float, ...], ...]
    """By the weekday on which the window ends."""
    hours: int
    """Which recent hours correct the mean,"""
    power: float
    """and how much of it they do."""
    is_wide: bool = False


def _season(
    kind: _Kind, weights: Sequence[float], recent: float, before: Sequence[float]
) -> Season | None:
    weights = weights[: len(before)]
    weight = sum(weights)
    if not weight:
        return None
    pseudo = _PSEUDO_REQUESTS / kind.hours
    mean = sum(map(mul, weights, before)) / weight
    ratio = min(_MOST_RATIO, max(_LEAST_RATIO, (recent + pseudo) / (mean + pseudo)))
    share = ratio**kind.power / weight
    return Season([w * share for w in weights], kind.is_wide)


def _by_weekday(
    *, kept: float, other_type: float, week: Callable[[int], float]
) -> tuple[tuple[float, ...], ...]:
    """Return weights that fade by `kept` a day; days of the other type, weekend or not, count
    for `other_type` as much, and whole weeks by `week` more.
    """
    saturday = 5

    def weight(weekday: int, lag: int) -> float:
        is_same_type = (weekday >= saturday) == ((weekday - lag) % 7 >= saturday)
        bonus = 0.0 if lag % 7 else week(lag // 7)
        return float(kept ** (lag - 1)) * (1.0 if is_same_type else other_type) + bonus

    return tuple(
        tuple(weight(weekday, lag) for lag in range(1, _LAGS + 1)) for weekday in range(7)
    )


_FRESH = _by_weekday(kept=0.8, other_type=0.25, week=lambda weeks: 1.5 * 0.6**weeks)
_FRESH_SAME_TYPE = _by_weekday(kept=0.8, other_type=0.0, week=lambda _: 0.0)
_LASTING = _by_weekday(kept=0.95, other_type=0.25, week=lambda _: 1.0)
_LASTING_SAME_TYPE = _by_weekday(kept=0.95, other_type=0.0, week=lambda _: 1.5)
_KINDS = (
    _Kind(_FRESH, hours=1, power=0.7),
    _Kind(_FRESH, hours=6, power=0.3),
    _Kind(_FRESH_SAME_TYPE, hours=6, power=1.0),
    _Kind(_LASTING, hours=6, power=0.0, is_wide=True),
    _Kind(_LASTING_SAME_TYPE, hours=6, power=0.3, is_wide=True),
)
