"""The surge test as one reads it: no state, no totals, everything anew for each instant."""

import math
import statistics
from collections.abc import Iterator, Sequence
from functools import cache

PER_HOUR = 12
DAY = 24 * PER_HOUR
HALF_HOUR = PER_HOUR // 2
GUARD = 6 * PER_HOUR


class SlowExpectation:
    """Buckets of five minutes, the first of which begins at edge 0, a Thursday's midnight."""

    def __init__(self, counts: Sequence[int]) -> None:
        self._counts = counts
        self.expected = cache(self._expected)
        self._experts = cache(self._forecasts)

    def z_score(self, end: int, hours: float) -> float:
        noise, scale = 1 / (4 * hours), self._scale(end, hours)
        return self._residual(end, hours) / math.sqrt(noise + self._spread(end, hours) * scale)

    def factor(self, end: int, hours: float) -> float:
        half = 0.5 / hours
        return (self._rate(end, hours) + half) / (self.expected(end, hours) + half)

    def _rate(self, end: int, hours: float) -> float:
        return sum(self._counts[max(0, end - round(hours * PER_HOUR)) : end]) / hours

    def _residual(self, end: int, hours: float) -> float:
        shift = 0.375 / hours
        expected = self.expected(end, hours)
        return math.sqrt(self._rate(end, hours) + shift) - math.sqrt(expected + shift)

    def _scale(self, end: int, hours: float) -> float:
        return max(self.expected(end, hours), 0.5 / hours) / 4

    def _expected(self, end: int, hours: float) -> float:
        experts = self._experts(end, hours)
        losses = [0.0] * len(experts)
        for origin in self._origins(end):
            for i, expert in enumerate(self._experts(origin, hours)):
                error = abs(expert - self._rate(origin, hours))
                losses[i] += error * 2 ** ((origin - end) / (120 * PER_HOUR))
        charged = [loss + 0.02 * statistics.fmean(losses) for loss in losses]
        weights = [(min(charged) / loss) ** 6 if loss else 1.0 for loss in charged]
        logs = sum(w * math.log(e + 1) for w, e in zip(weights, experts, strict=True))
        return math.exp(logs / sum(weights)) - 1

    def _spread(self, end: int, hours: float) -> float:
        noise, spread = 1 / (4 * hours), 0.3
        total = weight = 0.0
        for origin in self._origins(end):
            scale = self._scale(origin, hours)
            squared = min(self._residual(origin, hours) ** 2, 4 * (noise + spread * scale))
            informative = scale / (scale + noise / 0.06)
            decay = 2 ** (-1 / 336)
            total = total * decay + informative * (squared - noise) / scale
            weight = weight * decay + informative
            spread = max(0.01, (total + 0.3 * 24) / (weight + 24))
        return spread

    def _origins(self, end: int) -> Iterator[int]:
        """Yield the half hours of which the errors are known and something was expected."""
        first = math.ceil((GUARD + 1) / HALF_HOUR) * HALF_HOUR
        yield from range(first, end - GUARD + 1, HALF_HOUR)

    def _forecasts(self, end: int, hours: float) -> tuple[float, ...]:
        known = end - GUARD
        same = [
            self._rate(end - lag * DAY, hours)
            for lag in range(1, 22)
            if end - lag * DAY >= hours * PER_HOUR
        ]
        fallback = same[0] if same else self._recent(known, 3)

        def seasonal(weights: Sequence[float], recent_hours: int, power: float) -> float:
            lags = [lag for lag in range(1, 22) if known - lag * DAY >= recent_hours * PER_HOUR]
            weight = sum(weights[lag] for lag in lags)
            if not weight:
                return fallback
            usual = sum(weights[lag] * same[lag - 1] for lag in lags) / weight
            before = sum(
                weights[lag] * self._rate(known - lag * DAY, recent_hours) for lag in lags
            )
            shift = 3 / recent_hours
            ratio = (self._recent(known, recent_hours) + shift) / (before / weight + shift)
            return usual * float(min(10.0, max(0.1, ratio)) ** power)

        mixed, same_type = self._day_weights(end)
        return (
            self._recent(known, 1),
            self._recent(known, 6),
            self._recent(known, 24),
            seasonal(mixed, 1, 0.7),
            seasonal(mixed, 6, 0.3),
            seasonal(same_type, 6, 1.0),
            statistics.median(same[:7]) if same else fallback,
        )

    def _recent(self, end: int, hours: int) -> float:
        begin = max(0, end - hours * PER_HOUR)
        return sum(self._counts[begin:end]) * PER_HOUR / (end - begin)

    def _day_weights(self, end: int) -> tuple[list[float], list[float]]:
        mixed, same_type = [0.0], [0.0]
        for lag in range(1, 22):
            days = [(end - 1) // DAY + 3, (end - 1) // DAY + 3 - lag]
            is_weekend, was_weekend = (day % 7 in (5, 6) for day in days)
            near = 0.8 ** (lag - 1)
            week = 1.5 * 0.6 ** (lag / 7) if lag % 7 == 0 else 0.0
            mixed.append(near * (1.0 if is_weekend == was_weekend else 0.25) + week)
            same_type.append(near if is_weekend == was_weekend else 0.0)
        return mixed, same_type
