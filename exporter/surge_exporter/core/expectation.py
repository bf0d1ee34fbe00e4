"""What a window should hold by what was known six hours before it ended, and how surely.

Simple forecasts are mixed by their own recent errors, as in exponentially weighted aggregation
(Cesa-Bianchi and Lugosi, Prediction, Learning, and Games, 2006). How far traffic strays from
the mixture is learned on the scale of square roots, on which Poisson counts vary alike at
every rate (Anscombe, The transformation of Poisson, binomial and negative-binomial data,
1948), and robustly: what surges does not widen the spread by much, and enters the history
that later expectations come from only as far as it was likely.

Rates are requests per hour. Constants without a source were chosen on public traffic.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import mul
from typing import NamedTuple

from surge_exporter.core.frozen_experts import EXPERTS, GUARD_HOURS, forecasts, known_at
from surge_exporter.core.timeline import Timeline

WINDOW_HOURS = (0.5, 1.0, 3.0, 6.0)

_DAY_HOURS = 24
_EPOCH_WEEKDAY = 3  # a Thursday
_ORIGINS_PER_HOUR = 2
"""How often errors are learned from: at each half hour of the epoch."""
_REMEMBERED_HOURS = 35 * _DAY_HOURS
_FORGOTTEN_HOURS = 7 * _DAY_HOURS
"""How much of the usual traffic goes at once when there is more than what is remembered."""
_UNUSUAL_HOURS = 8 * _DAY_HOURS
_LOSS_DECAY = 2 ** (-1 / (120 * _ORIGINS_PER_HOUR))
_SPREAD_DECAY = 2 ** (-1 / (168 * _ORIGINS_PER_HOUR))
_LOSS_POWER = 3
_LOSS_FLOOR = 0.02
"""Part of the mean loss that every expert is charged."""
_PRIOR_SPREAD = 0.3
_PRIOR_ORIGINS = 12 * _ORIGINS_PER_HOUR
_LEAST_SPREAD = 0.01
_MOST_RESIDUAL = 1.25
"""A squared residual counts for at most that many times the variance then expected,"""
_MOST_RECURRING_RESIDUAL = 4.0
"""more where the same time of a day or a week before was unusual, too: that is no surge."""
_INFORMATIVE_SPREAD = 0.06
"""Where counting noise is larger than this relative variance, a residual says little of it."""
_ANSCOMBE = 0.375
_USUAL_Z = 2.0
"""Half hours above count in later expectations as if they had been just there, unless the
same time was as unusual a day or a week before, give or take half an hour.
"""
_RECURS_AFTER_HOURS = tuple(
    days * _DAY_HOURS + hours for days in (1, 7) for hours in (-0.5, 0.0, 0.5)
)


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
    """The expectation of each window of one series, and what it has learned of its errors.

    Must be shown every half hour of the epoch in turn; other edges may be asked in between.
    """

    def __init__(self, per_hour: int, first: int) -> None:
        """Begin at the edge `first`, with buckets of which an hour has `per_hour`, even."""
        self.per_hour = per_hour
        self.edges_per_origin = per_hour // _ORIGINS_PER_HOUR
        self._first = first
        self._usual: list[float] = [0.0]
        """Running totals of the usual part of the traffic, from `_first` to the guard."""
        self._usual_shares: dict[int, float] = {}
        """What part of a half hour is usual, by the edge at its end."""
        self._unusual: deque[int] = deque()
        """The edges at which unusual half hours of the last eight days end."""
        self._mixtures = tuple(map(_Mixture, WINDOW_HOURS))

    @property
    def known_until(self) -> int:
        """The edge up to which it has taken in counts."""
        return self._first + len(self._usual) - 1

    def test(self, timeline: Timeline, edge: int) -> tuple[WindowTest, ...] | None:
        """Test the windows that end at `edge`; None while nothing is older than the guard."""
        per_hour = self.per_hour
        is_origin = not edge % self.edges_per_origin
        guarded_from = edge - GUARD_HOURS * per_hour
        self._take_in(timeline, guarded_from)
        index = edge - self._first
        weekday = ((edge - 1) // (_DAY_HOURS * per_hour) + _EPOCH_WEEKDAY) % 7
        known = known_at(self._usual, index, per_hour, weekday=weekday)
        if known is None:
            return None
        recurs = is_origin and self._recurs(edge)
        tested = []
        for mixture in self._mixtures:
            mixture.learn_until(guarded_from)
            experts = forecasts(self._usual, index, per_hour, hours=mixture.hours, known=known)
            observed = timeline.rate(edge, mixture.hours)
            tested.append(mixture.test(experts, observed))
            if is_origin:
                mixture.remember(edge, experts, tested[-1], recurs=recurs)
        if is_origin:
            share = self._mixtures[0].usual_share(tested[0])
            self._note(edge, 1 if recurs else share, is_unusual=share < 1)
        return tuple(tested)

    def _recurs(self, edge: int) -> bool:
        return any(
            edge - round(hours * self.per_hour) in self._unusual for hours in _RECURS_AFTER_HOURS
        )

    def _note(self, edge: int, usual_share: float, *, is_unusual: bool) -> None:
        self._usual_shares[edge] = usual_share
        while self._unusual and self._unusual[0] <= edge - _UNUSUAL_HOURS * self.per_hour:
            self._unusual.popleft()
        if self._unusual and self._unusual[-1] == edge:
            self._unusual.pop()  # asked again
        if is_unusual:
            self._unusual.append(edge)

    def _take_in(self, timeline: Timeline, until: int) -> None:
        """Add the usual part of the counts up to an edge to what is known."""
        for edge in range(self.known_until + 1, until + 1):
            share = self._usual_shares.get(edge + -edge % self.edges_per_origin, 1)
            self._usual.append(self._usual[-1] + share * timeline.count_before(edge))
            self._usual_shares.pop(edge, None)
        if len(self._usual) > _REMEMBERED_HOURS * self.per_hour:
            forgotten = _FORGOTTEN_HOURS * self.per_hour
            del self._usual[:forgotten]
            self._first += forgotten


class _Residual(NamedTuple):
    edge: int
    losses: tuple[float, ...]
    squared: float
    scale: float
    most: float
    """As many variances of `squared` count."""


@dataclass(slots=True)
class _Mixture:
    """The experts' forecasts of one window, weighted; and the spread of traffic around it."""

    hours: float
    losses: list[float] = field(default_factory=lambda: [0.0] * EXPERTS)
    weights: list[float] = field(default_factory=lambda: [1 / EXPERTS] * EXPERTS)
    spread: float = _PRIOR_SPREAD
    """Relative variance beyond that of counting, the negative binomial's."""
    spread_sum: float = 0.0
    spread_weight: float = 0.0
    pending: deque[_Residual] = field(default_factory=deque)
    """What is not older than the guard, and thus not learned from."""

    def test(self, experts: Sequence[float], observed: float) -> WindowTest:
        expected = math.expm1(sum(map(mul, self.weights, map(math.log1p, experts))))
        half = 0.5 / self.hours
        return WindowTest(
            self.hours,
            observed,
            expected,
            self._residual(observed, expected) / self._deviation(expected),
            (observed + half) / (expected + half),
        )

    def usual_share(self, tested: WindowTest) -> float:
        """Return which part of the requests leaves a window just as high as is usual."""
        if tested.z_score <= _USUAL_Z:
            return 1
        shift = _ANSCOMBE / self.hours
        high = math.sqrt(tested.expected + shift) + _USUAL_Z * self._deviation(tested.expected)
        return (high * high - shift) / tested.observed

    def remember(
        self, edge: int, experts: Sequence[float], tested: WindowTest, *, recurs: bool
    ) -> None:
        """Keep an origin's errors until they are older than the guard."""
        if self.pending and self.pending[-1].edge == edge:
            self.pending.pop()  # asked again
        losses = tuple(abs(expert - tested.observed) for expert in experts)
        squared = self._residual(tested.observed, tested.expected) ** 2
        most = _MOST_RECURRING_RESIDUAL if recurs else _MOST_RESIDUAL
        self.pending.append(_Residual(edge, losses, squared, self._scale(tested.expected), most))

    def learn_until(self, edge: int) -> None:
        """Learn from the origins up to an edge."""
        while self.pending and self.pending[0].edge <= edge:
            residual = self.pending.popleft()
            self._weigh(residual.losses)
            self._widen(residual)

    def _weigh(self, fresh: Sequence[float]) -> None:
        self.losses = [
            old * _LOSS_DECAY + new for old, new in zip(self.losses, fresh, strict=True)
        ]
        floor = _LOSS_FLOOR * sum(self.losses) / EXPERTS
        if floor:
            least = min(self.losses) + floor
            raw = [(least / (loss + floor)) ** _LOSS_POWER for loss in self.losses]
            total = sum(raw)
            self.weights = [weight / total for weight in raw]

    def _widen(self, residual: _Residual) -> None:
        noise, scale = self._noise, residual.scale
        weight = scale / (scale + noise / _INFORMATIVE_SPREAD)
        most = residual.most * (noise + self.spread * scale)
        excess = (min(residual.squared, most) - noise) / scale
        self.spread_sum = self.spread_sum * _SPREAD_DECAY + weight * excess
        self.spread_weight = self.spread_weight * _SPREAD_DECAY + weight
        spread = self.spread_sum + _PRIOR_SPREAD * _PRIOR_ORIGINS
        self.spread = max(_LEAST_SPREAD, spread / (self.spread_weight + _PRIOR_ORIGINS))

    @property
    def _noise(self) -> float:
        """The variance of the root of a Poisson rate, at every rate."""
        return 0.25 / self.hours

    def _scale(self, expected: float) -> float:
        """Return by what a relative variance grows on the scale of roots."""
        return max(expected, 0.5 / self.hours) / 4

    def _deviation(self, expected: float) -> float:
        return math.sqrt(self._noise + self.spread * self._scale(expected))

    def _residual(self, observed: float, expected: float) -> float:
        shift = _ANSCOMBE / self.hours
        return math.sqrt(observed + shift) - math.sqrt(expected + shift)
