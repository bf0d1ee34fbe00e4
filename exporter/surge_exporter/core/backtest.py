"""What the forecast would have said in the past, hour by hour, beside what simple rules say.

Nothing looks ahead: what is said at an hour comes from the buckets before it alone.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from typing import NamedTuple

from surge_exporter.core.bins import HISTORY_HOURS, HOUR_SECONDS
from surge_exporter.core.counts import Counts
from surge_exporter.core.forecast import Forecaster
from surge_exporter.core.interval import ErrorBand
from surge_exporter.model import UnixSeconds

_WARM_UP_HOURS = 72
_LEAST_ORIGINS = 24
_DAY_HOURS, _WEEK_HOURS = 24, 168
_SURGE_RATIO, _SURGE_MARGIN = 1.5, 1.2


class Method(StrEnum):
    """A way to say what the next hours bring."""

    FORECAST = "forecast"
    LAST_WINDOW = "last_window"
    YESTERDAY = "yesterday"
    LAST_WEEK = "last_week"
    RATIO_RULE = "ratio_rule"


class Prediction(NamedTuple):
    """The mean rate expected, requests per hour, and the ends of its central 80 %."""

    point: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was said at an hour of the hours after it, and what came: requests per hour."""

    at: UnixSeconds
    horizon_hours: int
    actual: float
    predictions: Mapping[Method, Prediction]
    """Of each method that knew enough then; last week's may not for a while."""


def least_hours(horizons_hours: Sequence[int]) -> int:
    """Return how much history tests a forecast for a day, over the longest of the horizons."""
    return max(_warm_up(hours) + hours for hours in horizons_hours) + _LEAST_ORIGINS


def count_origins(counts: Counts) -> int:
    """Return at how many hours `walk_forward` stops."""
    return len(_turns(counts))


def walk_forward(counts: Counts, horizons_hours: Sequence[int]) -> Iterator[tuple[Outcome, ...]]:
    """Yield, for each hour of the epoch in turn, the outcomes of what was said then.

    An hour has none while history is too short (three days, or two horizons), and of the
    horizons whose end has not come. What came is what was counted: an hour that the log lost
    is a silence to score against, also where the forecast has learned of the hole since.
    """
    width = counts.bucket_seconds
    per_hour = HOUR_SECONDS // width
    kept = HISTORY_HOURS * per_hour
    past = _Past(counts.requests, per_hour)
    forecaster = Forecaster(horizons_hours)
    rules = {
        hours: {method: _Rule(rule, hours) for method, rule in _RULES.items()}
        for hours in horizons_hours
    }
    for place in _turns(counts):
        at = UnixSeconds(counts.start + place * width)
        said = {
            hours: {method: rule.step(past, place, at) for method, rule in several.items()}
            for hours, several in rules.items()
        }
        due = [hours for hours in horizons_hours if _is_tested(past, place, hours)]
        if due:
            made = forecaster.refresh(counts.requests[max(0, place - kept) : place], width, at)
            for one in made:
                prediction = Prediction(one.point, one.low, one.high)
                said[one.horizon_hours][Method.FORECAST] = prediction
        yield tuple(_outcome(past, place, at, hours, said[hours]) for hours in due)


class _Past:
    """Running totals; places are numbers of buckets, as those of `Bins`, and never forgotten."""

    def __init__(self, requests: Sequence[int], per_hour: int) -> None:
        self._totals = list(accumulate(requests, initial=0))
        self.per_hour = per_hour
        self.end = len(requests)

    def rate(self, place: int, hours: int, *, after: int) -> float | None:
        """Return the rate over the `hours` from `after` hours after `place` on, where known."""
        start = place + after * self.per_hour
        is_known = start >= 0 and start + hours * self.per_hour <= self.end
        return self.known_rate(start, hours) if is_known else None

    def known_rate(self, start: int, hours: int) -> float:
        """Return the rate over the `hours` from a place on."""
        stop = start + hours * self.per_hour
        return (self._totals[stop] - self._totals[start]) / hours


def _last_window(past: _Past, place: int, hours: int) -> float | None:
    return past.rate(place, hours, after=-hours)


def _yesterday(past: _Past, place: int, hours: int) -> float | None:
    return past.rate(place, hours, after=-_rounded_up(hours, _DAY_HOURS))


def _last_week(past: _Past, place: int, hours: int) -> float | None:
    return past.rate(place, hours, after=-_rounded_up(hours, _WEEK_HOURS))


def _ratio_rule(past: _Past, place: int, hours: int) -> float | None:
    recent = past.rate(place, hours, after=-hours)
    before = past.rate(place, hours, after=-2 * hours)
    if recent is None or before is None:
        return None
    surges = before and recent / before > _SURGE_RATIO
    return recent * _SURGE_MARGIN if surges else recent


_RULES: Mapping[Method, Callable[[_Past, int, int], float | None]] = {
    Method.LAST_WINDOW: _last_window,
    Method.YESTERDAY: _yesterday,
    Method.LAST_WEEK: _last_week,
    Method.RATIO_RULE: _ratio_rule,
}


class _Rule:
    """A rule for one horizon, with an interval from its own errors, made as the forecast's is."""

    def __init__(self, rule: Callable[[_Past, int, int], float | None], hours: int) -> None:
        self._rule = rule
        self._hours = hours
        self._band = ErrorBand(hours)
        self._pending: deque[tuple[int, float]] = deque()

    def step(self, past: _Past, place: int, at: UnixSeconds) -> Prediction | None:
        """Learn from what has come due at an hour's turn, and return what the rule says."""
        hour = round(at / HOUR_SECONDS)
        if self._pending and self._pending[0][0] == hour - self._hours:
            made_at, point = self._pending.popleft()
            actual = past.known_rate(place - self._hours * past.per_hour, self._hours)
            self._band.learn(point, actual, hour=made_at)
        said = self._rule(past, place, self._hours)
        if said is None:
            return None
        self._pending.append((hour, said))
        known = place / past.per_hour
        return Prediction(said, *self._band.around(said, hour=hour, history_hours=known))


def _turns(counts: Counts) -> range:
    """Return the places at which hours of the epoch begin."""
    per_hour = HOUR_SECONDS // counts.bucket_seconds
    first = round(counts.start / counts.bucket_seconds)
    return range(-first % per_hour, len(counts.requests) + 1, per_hour)


def _is_tested(past: _Past, place: int, hours: int) -> bool:
    return place >= _warm_up(hours) * past.per_hour and place + hours * past.per_hour <= past.end


def _warm_up(hours: int) -> int:
    return max(_WARM_UP_HOURS, 2 * hours)


def _outcome(
    past: _Past,
    place: int,
    at: UnixSeconds,
    hours: int,
    said: Mapping[Method, Prediction | None],
) -> Outcome:
    predictions = {method: said[method] for method in Method}
    known = {method: made for method, made in predictions.items() if made is not None}
    return Outcome(at, hours, past.known_rate(place, hours), known)


def _rounded_up(hours: int, step: int) -> int:
    return -(-hours // step) * step
