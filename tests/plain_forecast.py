"""The forecast written down plainly: no state, no running totals, everything from the counts.

Slow, and the judge of the fast one. Knows no holes in the log.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

Weight = Callable[[int], float]
HALVED_IN_A_WEEK = 2 ** (-1 / 168)


@dataclass(frozen=True)
class Series:
    """Counts whose last bucket ends at the epoch's bucket number `end`."""

    counts: Sequence[int]
    per_hour: int
    end: int

    def before(self, place: int) -> "Series":
        return Series(self.counts[:place], self.per_hour, self.end - len(self.counts) + place)

    def turns(self) -> list[int]:
        """Return the places of whole hours of the epoch."""
        first = self.end - len(self.counts)
        places = range(len(self.counts) + 1)
        return [place for place in places if (first + place) % self.per_hour == 0]

    def mean(self, start: float, hours: float) -> float | None:
        """Return the hourly rate of the `hours` from `start` hours before the end on."""
        begin = round(len(self.counts) - start * self.per_hour)
        stop = round(begin + hours * self.per_hour)
        if begin < 0 or stop > len(self.counts):
            return None
        return sum(self.counts[begin:stop]) / hours

    def latest(self, hours: float) -> float:
        known = min(hours, len(self.counts) / self.per_hour)
        return sum(self.counts[-round(known * self.per_hour) :]) / known if known else 0.0


def day_weights(weekday: int) -> tuple[Weight, Weight, Weight]:
    """Return what each day counts, by how many days ago it was."""

    def same_type(k: int) -> bool:
        return ((weekday - k) % 7 >= 5) == (weekday >= 5)

    def mixed(k: int) -> float:
        weekly = 1.5 * 0.6 ** (k / 7) if k % 7 == 0 else 0.0
        return 0.8 ** (k - 1) * (1.0 if same_type(k) else 0.25) + weekly

    def day_type(k: int) -> float:
        return 0.8 ** (k - 1) if same_type(k) else 0.0

    def weekly(k: int) -> float:
        return 0.6 ** (k / 7) if k % 7 == 0 else 0.0

    return mixed, day_type, weekly


def experts(series: Series, horizon: int) -> list[float]:
    weekday = (series.end // series.per_hour // 24 + 3) % 7
    latest = series.latest
    usual = [series.mean(24 * k, horizon) for k in range(1, 22)]
    known = [rate for rate in usual if rate is not None]
    fallback = known[0] if known else latest(3)

    mixed, day_type, weekly = day_weights(weekday)

    def days(weight: Weight, hours: float) -> tuple[float, float] | None:
        total = before = after = 0.0
        for k in range(1, 22):
            then, prior = usual[k - 1], series.mean(24 * k + hours, hours)
            if then is not None and prior is not None:
                total += weight(k)
                before += weight(k) * prior
                after += weight(k) * then
        return (before / total, after / total) if total else None

    def ratio(weight: Weight, hours: int, damping: float) -> float:
        mean = days(weight, hours)
        if mean is None:
            return fallback
        busier = (latest(hours) + 3 / hours) / (mean[0] + 3 / hours)
        factor: float = min(max(busier, 0.1), 10.0) ** damping
        return mean[1] * factor

    def shift(hours: float) -> float:
        mean = days(mixed, hours)
        return fallback if mean is None else max(0.0, latest(hours) + mean[1] - mean[0])

    return [
        latest(1),
        latest(6),
        latest(24),
        ratio(mixed, 1, 0.7),
        ratio(mixed, 6, 0.3),
        ratio(day_type, 2, 1.0),
        ratio(weekly, 24, 0.5),
        median(known[:7]) if known else fallback,
        latest(0.25),
        shift(0.25),
        shift(6),
    ]


def assumed_errors(horizon: int) -> list[float]:
    if horizon <= 3:
        return [1, 1.4, 2, 1.6, 2, 2, 2, 2, 1, 1.6, 1.6]
    if horizon <= 12:
        return [1, 1, 1.2, 1.4, 1.2, 2, 1.3, 1.4, 1.2, 1.4, 1.4]
    return [1.8, 1.5, 1, 2.5, 1.4, 3.5, 1.2, 1.3, 1.8, 2, 2]


@dataclass(frozen=True)
class Made:
    """A forecast and what was known when it was made."""

    place: int
    experts: list[float] | None
    point: float
    low: float
    high: float


def history_of_forecasts(series: Series, horizon: int) -> list[Made]:
    """Return the forecasts of every whole hour and, as the last, that of the end."""
    made: list[Made] = []
    for place in [turn for turn in series.turns() if turn] + [len(series.counts)]:
        now = series.before(place)
        turn = max(turn for turn in [0, *series.turns()] if turn <= place)
        due = [m for m in made if m.place + horizon * series.per_hour <= turn]
        made.append(_forecast(now, horizon, due))
    return made


def _forecast(now: Series, horizon: int, due: list[Made]) -> Made:
    place = len(now.counts)
    turn = (now.turns() or [0])[-1]

    def age(m: Made) -> float:
        return (turn - m.place) / now.per_hour - horizon

    def actual(m: Made) -> float:
        return sum(now.counts[m.place : m.place + horizon * now.per_hour]) / horizon

    said = None
    if place < 6 * now.per_hour:
        point = now.latest(len(now.counts))
    elif place < 24 * now.per_hour:
        point = now.latest(horizon)
    else:
        said = experts(now, horizon)
        lessons = [(HALVED_IN_A_WEEK ** age(m), m.experts, actual(m)) for m in due]
        taught = [(weight, rates, truth) for weight, rates, truth in lessons if rates]
        hours = sum(weight for weight, _, _ in taught)
        losses = [
            sum(weight * abs(rates[i] - truth) for weight, rates, truth in taught)
            for i in range(11)
        ]
        assumed = assumed_errors(horizon)
        scale = sum(a / e for a, e in zip(losses, assumed, strict=True)) / 11
        scale = (scale / hours if hours else 1.0) or 1.0
        errors = [(losses[i] + 12 * assumed[i] * scale) / (hours + 12) for i in range(11)]
        errors = [error + 0.02 * sum(errors) / 11 for error in errors]
        weights = [error**-6 for error in errors]
        logs = sum(w * math.log(rate + 1) for w, rate in zip(weights, said, strict=True))
        point = max(0.0, math.exp(logs / sum(weights)) - 1)
    offset = 0.375 / horizon
    middle = math.sqrt(point + offset)
    reliable = min(24, 4 * horizon) * now.per_hour
    pool = [m for m in due if m.place >= reliable][-672:]
    variation = 0.6 if place < 6 * now.per_hour else 0.3
    deviation = math.sqrt(2 / (4 * horizon) + variation**2 * point)
    below, above = -1.2816 * deviation, 1.2816 * deviation
    if len(pool) >= 24:
        errors = [math.sqrt(actual(m) + offset) - math.sqrt(m.point + offset) for m in pool]
        ages = [HALVED_IN_A_WEEK ** (age(m) + horizon) for m in pool]
        evidence = sum(ages) / horizon
        tail = 0.1 * (1 - 0.9 * min(0.9, 1.2 / evidence))
        assumed = 0.3 / (0.3 + evidence)
        below = assumed * below + (1 - assumed) * quantile(errors, ages, tail)
        above = assumed * above + (1 - assumed) * quantile(errors, ages, 1 - tail)
    low = max(0.0, max(0.0, middle + below) ** 2 - offset)
    high = max(0.0, middle + above) ** 2 - offset
    return Made(place, said, point, min(low, point), max(high, point))


def quantile(values: list[float], weights: list[float], share: float) -> float:
    """Return the least value that, with all below it, has at least this share of the weight."""
    reached = 0.0
    pairs = sorted(zip(values, weights, strict=True))
    for value, weight in pairs:
        reached += weight
        if reached >= share * sum(weights):
            return value
    return pairs[-1][0]
