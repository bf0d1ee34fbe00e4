"""One horizon of a series: what it has forecast, what came of it, what that taught."""

from collections import deque
from typing import NamedTuple

from surge_exporter.core.bins import HISTORY_HOURS, Bins
from surge_exporter.core.experts import NEEDED_HOURS
from surge_exporter.core.interval import ErrorBand
from surge_exporter.core.mixture import Mixture
from surge_exporter.core.quality import Quality

_SHORT_HOURS = 6
_RELIABLE_HORIZONS = 4  # a forecast that knew less says nothing of the errors of others


class _Pending(NamedTuple):
    """A forecast of one horizon whose time has not come yet."""

    hour: int
    known_hours: float
    """How much history it knew."""
    experts: tuple[float, ...] | None
    forecast: tuple[float, float, float]


class Track:
    """All that one horizon has learned."""

    def __init__(self, horizon_hours: int) -> None:
        self.hours = horizon_hours
        self.quality = Quality()
        self._mixture = Mixture(horizon_hours)
        self._band = ErrorBand(horizon_hours)
        self._pending: deque[_Pending] = deque()

    def forecast(
        self, bins: Bins, place: int, hour: int, experts: tuple[float, ...] | None
    ) -> tuple[float, float, float]:
        """Return point, low and high as known at `place`."""
        if experts is None:
            short = place < _SHORT_HOURS * bins.per_hour
            point = bins.rate(place, HISTORY_HOURS if short else self.hours)
        else:
            point = self._mixture.combine(experts)
        known = place / bins.per_hour
        return point, *self._band.around(point, hour=hour, history_hours=known)

    def learn(self, bins: Bins, place: int, hour: int, experts: tuple[float, ...] | None) -> None:
        """Take in the forecast that comes due at an hour's turn, and keep one made at it."""
        if self._pending and self._pending[0].hour == hour - self.hours:
            self._finish(self._pending.popleft(), bins, place)
        if place:
            forecast = self.forecast(bins, place, hour, experts)
            self._pending.append(_Pending(hour, place / bins.per_hour, experts, forecast))

    def _finish(self, due: _Pending, bins: Bins, place: int) -> None:
        actual = bins.rate(place, self.hours)
        if due.experts is not None:
            self._mixture.learn(due.experts, actual)
        if due.known_hours >= min(NEEDED_HOURS, _RELIABLE_HORIZONS * self.hours):
            self._band.learn(due.forecast[0], actual, hour=due.hour)
        yesterday = place - -(-self.hours // 24) * bins.per_day
        if yesterday >= self.hours * bins.per_hour:
            self.quality.learn(due.forecast, actual, bins.rate(yesterday, self.hours))
