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
        self._usual = list[float](counts)
        self._unusual: set[int] = set()
        self._rate = cache(self._mean_rate)
        self._experts = cache(self._forecasts)
        self.expected = cache(self._expected)
        for origin in range(HALF_HOUR, len(counts) + 1, HALF_HOUR):
            if origin > GUARD and self.z_score(origin, 0.5) > 2:
                self._unusual.add(origin)
                if not self._recurs(origin):
                    self._lower(origin)

    def _recurs(self, origin: int) -> bool:
        before = (origin - DAY, origin - 7 * DAY)
        nearby = {edge + shift for edge in before for shift in (-HALF_HOUR, 0, HALF_HOUR)}
        return bool(nearby & self._unusual)

    def _lower(self, origin: int) -> None:
        deviation = math.sqrt(0.5 + self._spread(origin, 0.5) * self._scale(origin, 0.5))
        highest = (math.sqrt(self.expected(origin, 0.5) + 0.75) + 2 * deviation) ** 2 - 0.75
        share = highest / self._rate(origin, 0.5)
        for bucket in range(origin - HALF_HOUR, origin):
            self._usual[bucket] = self._counts[bucket] * share

    def z_score(self, end: int, hours: float) -> float:
        noise, scale = 1 / (4 * hours), self._scale(end, hours)
        return self._residual(end, hours) / math.sqrt(noise + self._spread(end, hours) * scale)

    def factor(self, end: int, hours: float) -> float:
        half = 0.5 / hours
        return (self._rate(end, hours) + half) / (self.expected(end, hours) + half)

    def _mean_rate(self, end: int, hours: float) -> float:
        return sum(self._counts[max(0, end - round(hours * PER_HOUR)) : end]) / hours

    def _usual_rate(self, end: int, hours: float) -> float:
        return sum(self._usual[max(0, end - round(hours * PER_HOUR)) : end]) / hours

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
        weights = [(min(charged) / loss) ** 3 if loss else 1.0 for loss in charged]
        logs = sum(w * math.log(e + 1) for w, e in zip(weights, experts, strict=True))
        return math.exp(logs / sum(weights)) - 1

    def _spread(self, end: int, hours: float) -> float:
        noise, spread = 1 / (4 * hours), 0.3
        total = weight = 0.0
        for origin in self._origins(end):
            scale = self._scale(origin, hours)
            most = (4.0 if self._recurs(origin) else 1.25) * (noise + spread * scale)
            squared = min(self._residual(origin, hours) ** 2, most)
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
            self._usual_rate(end - lag * DAY, hours)
            for lag in range(1, 22)
            if end - lag * DAY >= hours * PER_HOUR
        ]
        fallback = same[0] if same else self._recent(known, 3)

        def seasonal(
            weights: Sequence[float], recent_hours: int, power: float, *, wider: int = 0
        ) -> float:
            lags = [lag for lag in range(1, 22) if known - lag * DAY >= recent_hours * PER_HOUR]
            weight = sum(weights[lag] for lag in lags)
            if not weight:
                return fallback
            until = end + wider * PER_HOUR
            usual = sum(
                weights[lag] * self._usual_rate(until - lag * DAY, hours + 2 * wider)
                for lag in lags
            )
            before = sum(
                weights[lag] * self._usual_rate(known - lag * DAY, recent_hours) for lag in lags
            )
            shift = 3 / recent_hours
            ratio = (self._recent(known, recent_hours) + shift) / (before / weight + shift)
            return usual / weight * float(min(10.0, max(0.1, ratio)) ** power)

        fresh = day_weights(end, 0.8, 0.25, [0.9, 0.54, 0.324])
        fresh_same = day_weights(end, 0.8, 0.0, [0.0, 0.0, 0.0])
        lasting = day_weights(end, 0.95, 0.25, [1.0, 1.0, 1.0])
        lasting_same = day_weights(end, 0.95, 0.0, [1.5, 1.5, 1.5])
        return (
            self._recent(known, 1),
            self._recent(known, 6),
            self._recent(known, 24),
            statistics.median(same[:7]) if same else fallback,
            seasonal(fresh, 1, 0.7),
            seasonal(fresh, 6, 0.3),
            seasonal(fresh_same, 6, 1.0),
            seasonal(lasting, 6, 0.0, wider=1),
            seasonal(lasting_same, 6, 0.3, wider=1),
        )

    def _recent(self, end: int, hours: int) -> float:
        begin = max(0, end - hours * PER_HOUR)
        return sum(self._usual[begin:end]) * PER_HOUR / (end - begin)


def day_weights(end: int, kept: float, other: float, week: Sequence[float]) -> list[float]:
    """Return by lag how much a day back counts; the day at hand, lag 0, not at all."""
    today = (end - 1) // DAY + 3
    weights = [0.0]
    for lag in range(1, 22):
        is_weekend, was_weekend = (day % 7 in (5, 6) for day in (today, today - lag))
        weight = kept ** (lag - 1) * (1.0 if is_weekend == was_weekend else other)
        weights.append(weight + (0.0 if lag % 7 else week[lag // 7 - 1]))
    return weights
