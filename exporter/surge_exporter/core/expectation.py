"""What a window should hold by what was known six hours before it ended.

Seven simple forecasts are mixed by their own recent errors, as in exponentially weighted
aggregation (Cesa-Bianchi and Lugosi, Prediction, Learning, and Games, 2006). How far traffic
strays from the mixture is learned on the scale of square roots, where Poisson counts have the
same variance at every rate (Anscombe, 1948).

Rates are requests per hour. An edge is an instant between buckets, numbered from the epoch.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from operator import mul, sub
from typing import NamedTuple

from surge_exporter.model import HOUR

WINDOW_HOURS = (0.5, 1.0, 3.0, 6.0)
GUARD_HOURS = 6.0
"""A surge cannot raise its own expectation for that long."""
HISTORY_HOURS = 28 * 24.0
ORIGINS_PER_HOUR = 2
"""How often errors are learned from: at each half hour of the epoch."""

_DAY_HOURS = 24
_LAGS = 21
"""Days back that a day can be compared with."""
_MEDIAN_LAGS = 7
_EXPERTS = 7
_LOSS_DECAY = 2 ** (-1 / (120 * ORIGINS_PER_HOUR))
_SPREAD_DECAY = 2 ** (-1 / (168 * ORIGINS_PER_HOUR))
_LOSS_POWER = 6
_LOSS_FLOOR = 0.02
"""Part of the mean loss that every expert is charged."""
_PRIOR_SPREAD = 0.3
_PRIOR_SPREAD_ORIGINS = 12.0 * ORIGINS_PER_HOUR
_LEAST_SPREAD = 0.01
_MOST_RESIDUAL = 4.0
"""A squared residual counts for at most that many times the variance then expected."""
_INFORMATIVE_SPREAD = 0.06
"""Where counting noise is larger than this relative variance, a residual says little of it."""
_ANSCOMBE = 0.375
_COMMON_BUCKET_SECONDS = 300.0
_CLOCK_NOISE = 1e-6
"""Part of a bucket by which an instant may miss the edge it means."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Running totals of counts between edges `first` and `end`."""

    totals: Sequence[float]
    per_hour: int
    """Buckets, an even number."""
    end: int

    @property
    def first(self) -> int:
        """The edge at which history begins."""
        return self.end - len(self.totals) + 1

    @classmethod
    def of(
        cls, counts: Sequence[float], bucket_seconds: float, now: float, *, most_hours: float
    ) -> "Timeline":
        """Take counts, the last ending at `now`, as far back as that many hours."""
        counts, bucket_seconds = _divided(counts, bucket_seconds)
        most = round(min(most_hours * HOUR / bucket_seconds, len(counts)))
        totals = [0, *accumulate(counts[len(counts) - most :])]
        end = math.floor(now / bucket_seconds + _CLOCK_NOISE)
        return cls(totals, round(HOUR / bucket_seconds), end)


def _divided(counts: Sequence[float], bucket_seconds: float) -> tuple[Sequence[float], float]:
    """Return the same requests in buckets of five minutes, unless theirs divide half an hour."""
    origin_seconds = HOUR / ORIGINS_PER_HOUR
    if not origin_seconds % bucket_seconds:
        return counts, bucket_seconds
    totals = [0.0, *accumulate(counts), 0.0]

    def total(seconds_before_end: float) -> float:
        position = len(counts) - seconds_before_end / bucket_seconds
        index = max(0, math.floor(position))
        return totals[index] + (position - index) * (totals[index + 1] - totals[index])

    buckets = int(len(counts) * bucket_seconds / _COMMON_BUCKET_SECONDS)
    edges = [total(i * _COMMON_BUCKET_SECONDS) for i in range(buckets, 0, -1)]
    return list(map(sub, [*edges[1:], totals[-2]], edges)), _COMMON_BUCKET_SECONDS


class WindowTest(NamedTuple):
    """One window against its expectation."""

    hours: float
    observed: float
    expected: float
    z_score: float
    """Standard deviations above the expectation."""
    factor: float
    """Observed over expected, each as if half a request more had come."""


class Expectation:
    """The expectation of each window, and what it has learned of its errors.

    Must be shown every half hour of the epoch in turn; other edges may be asked in between.
    """

    def __init__(self) -> None:
        self._mixtures = [_Mixture(hours) for hours in WINDOW_HOURS]

    def test(self, timeline: Timeline, edge: int) -> tuple[WindowTest, ...] | None:
        """Test the windows that end at `edge`; None while nothing is older than the guard."""
        known = _known_rates(timeline, edge)
        if known is None:
            return None
        known_until = edge - round(GUARD_HOURS * timeline.per_hour)
        is_origin = not edge % (timeline.per_hour // ORIGINS_PER_HOUR)
        return tuple(
            mixture.test(timeline, edge, known, known_until, learn=is_origin)
            for mixture in self._mixtures
        )


class _KnownRates(NamedTuple):
    """What the windows of one edge share."""

    last_hour: float
    last_six_hours: float
    last_day: float
    fallback: float
    by_days: tuple[tuple[Sequence[float], float], ...]
    """For each seasonal expert the weights of the days, and the correction of their mean."""


class _Residual(NamedTuple):
    edge: int
    losses: tuple[float, ...]
    squared: float
    scale: float


@dataclass(slots=True)
class _Mixture:
    hours: float
    losses: list[float] = field(default_factory=lambda: [0.0] * _EXPERTS)
    weights: list[float] = field(default_factory=lambda: [1 / _EXPERTS] * _EXPERTS)
    spread: float = _PRIOR_SPREAD
    spread_sum: float = 0.0
    spread_weight: float = 0.0
    pending: deque[_Residual] = field(default_factory=deque)
    """Residuals that are not older than the guard."""

    def test(
        self, timeline: Timeline, edge: int, known: _KnownRates, known_until: int, *, learn: bool
    ) -> WindowTest:
        while self.pending and self.pending[0].edge <= known_until:
            self._learn(self.pending.popleft())
        index = edge - timeline.first
        length = round(self.hours * timeline.per_hour)
        total = timeline.totals
        observed = (total[index] - total[max(0, index - length)]) / self.hours
        experts = _experts(timeline, index, self.hours, known)
        expected = math.expm1(sum(map(mul, self.weights, map(math.log1p, experts))))
        shift = _ANSCOMBE / self.hours
        residual = math.sqrt(observed + shift) - math.sqrt(expected + shift)
        half = 0.5 / self.hours
        scale = max(expected, half) / 4
        if learn:
            if self.pending and self.pending[-1].edge == edge:
                self.pending.pop()  # asked again
            losses = tuple(abs(expert - observed) for expert in experts)
            self.pending.append(_Residual(edge, losses, residual * residual, scale))
        return WindowTest(
            self.hours,
            observed,
            expected,
            residual / math.sqrt(0.25 / self.hours + self.spread * scale),
            (observed + half) / (expected + half),
        )

    def _learn(self, residual: _Residual) -> None:
        losses = self.losses
        for i, loss in enumerate(residual.losses):
            losses[i] = losses[i] * _LOSS_DECAY + loss
        floor = _LOSS_FLOOR * sum(losses) / _EXPERTS
        if floor:
            least = min(losses) + floor
            raw = [(least / (loss + floor)) ** _LOSS_POWER for loss in losses]
            total = sum(raw)
            self.weights = [weight / total for weight in raw]
        noise = 0.25 / self.hours
        scale = residual.scale
        most = _MOST_RESIDUAL * (noise + self.spread * scale)
        weight = scale / (scale + noise / _INFORMATIVE_SPREAD)
        excess = (min(residual.squared, most) - noise) / scale
        self.spread_sum = self.spread_sum * _SPREAD_DECAY + weight * excess
        self.spread_weight = self.spread_weight * _SPREAD_DECAY + weight
        spread = (self.spread_sum + _PRIOR_SPREAD * _PRIOR_SPREAD_ORIGINS) / (
            self.spread_weight + _PRIOR_SPREAD_ORIGINS
        )
        self.spread = max(_LEAST_SPREAD, spread)


def _known_rates(timeline: Timeline, edge: int) -> _KnownRates | None:
    per_hour, total = timeline.per_hour, timeline.totals
    index = edge - timeline.first
    known = index - round(GUARD_HOURS * per_hour)
    if known <= 0:
        return None

    def last(hours: int) -> float:
        begin = max(0, known - hours * per_hour)
        return (total[known] - total[begin]) * per_hour / (known - begin)

    last_hour, last_six, last_day = last(1), last(6), last(24)
    day = _DAY_HOURS * per_hour
    weekday = ((edge - 1) // day + 3) % 7  # the epoch began on a Thursday
    hours_before = _days_before(total, known, per_hour, per_hour)
    six_before = _days_before(total, known, 6 * per_hour, per_hour)
    mixed, same = _MIXED_DAYS[weekday], _SAME_DAYS[weekday]
    return _KnownRates(
        last_hour,
        last_six,
        last_day,
        last(3),
        (
            _corrected(mixed, hours_before, last_hour, 1, 0.7),
            _corrected(mixed, six_before, last_six, 6, 0.3),
            _corrected(same, six_before, last_six, 6, 1.0),
        ),
    )


def _corrected(
    weights: Sequence[float], before: Sequence[float], now: float, hours: int, power: float
) -> tuple[Sequence[float], float]:
    """Return the weights of the days there are, and how much busier it now is than then."""
    weights = weights[: len(before)]
    weight = sum(weights)
    if not weight:
        return (), 0.0
    mean = sum(map(mul, weights, before)) / weight
    ratio = (now + 3 / hours) / (mean + 3 / hours)
    return weights, min(10.0, max(0.1, ratio)) ** power / weight


def _experts(
    timeline: Timeline, index: int, hours: float, known: _KnownRates
) -> tuple[float, ...]:
    length = round(hours * timeline.per_hour)
    days = _days_before(timeline.totals, index, length, timeline.per_hour)
    fallback = days[0] if days else known.fallback
    recent = sorted(days[:_MEDIAN_LAGS])
    middle = len(recent) // 2
    return (
        known.last_hour,
        known.last_six_hours,
        known.last_day,
        *(
            sum(map(mul, weights, days)) * correction if weights else fallback
            for weights, correction in known.by_days
        ),
        (recent[middle] + recent[~middle]) / 2 if recent else fallback,
    )


def _days_before(
    totals: Sequence[float], index: int, length: int, per_hour: int
) -> Sequence[float]:
    """Return the rates of the same window one day before, two days before, and so on."""
    day = _DAY_HOURS * per_hour
    begin = index - length - day
    if begin < 0:
        return ()
    end = begin + length
    stop = max(-1, begin - _LAGS * day)
    begins = totals[begin : None if stop < 0 else stop : -day]
    ends = totals[end::-day]
    hours = length / per_hour
    return [total / hours for total in map(sub, ends, begins)]


def _day_weights(weekday: int, *, other_type: float, week_bonus: float) -> tuple[float, ...]:
    def weight(lag: int) -> float:
        is_same_type = (weekday >= 5) == ((weekday - lag) % 7 >= 5)  # noqa: PLR2004 - Saturday
        week = week_bonus * 0.6 ** (lag / 7) if lag % 7 == 0 else 0.0
        return 0.8 ** (lag - 1) * (1.0 if is_same_type else other_type) + week

    return tuple(weight(lag) for lag in range(1, _LAGS + 1))


_MIXED_DAYS = tuple(_day_weights(d, other_type=0.25, week_bonus=1.5) for d in range(7))
_SAME_DAYS = tuple(_day_weights(d, other_type=0.0, week_bonus=0.0) for d in range(7))
