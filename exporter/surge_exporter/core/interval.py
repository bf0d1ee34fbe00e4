"""How wrong a forecast may be: weighted quantiles of the errors that came before it."""

from bisect import bisect_left, bisect_right
from collections import deque
from itertools import accumulate
from math import ldexp, sqrt

from surge_exporter.core.bins import HISTORY_HOURS

TAIL = 0.1
"""Part of the truths that may lie below the interval, and above it: the central 80 %."""

_HALF_LIFE_HOURS = 168
_LEAST_ERRORS = 24
_WIDENING = 1.2
_ASSUMED_HORIZONS = 0.3  # how many horizons' errors what is assumed weighs as much as
_MOST_WIDENED = 0.9
_ASSUMED_VARIATION = 0.3  # of the true rate around its forecast, relative, before it is known
_SHORT_HOURS = 6.0  # with less history the variation is assumed to be twice that
_TAIL_DEVIATIONS = 1.2816  # standard normal, at TAIL
_ANSCOMBE = 0.375
_ROUNDING = 1e-9  # a truth that was met exactly lies in the interval, whatever roots lost
_REBASE_AT = 512  # half-lives: 2.0 ** 1023 is the largest power a float can hold


class ErrorBand:
    """The finished forecasts' errors of one horizon and the interval they make.

    Errors are differences of square roots, on which scale a Poisson count's variance hardly
    depends on its size (Anscombe, 1948). An error's weight halves every week; at most those
    of `HISTORY_HOURS` are held.
    """

    def __init__(self, horizon_hours: int) -> None:
        self._horizon_hours = horizon_hours
        self._offset = _ANSCOMBE / horizon_hours
        self._oldest: deque[float] = deque()
        self._errors: list[float] = []  # sorted; the weights beside it
        self._weights: list[float] = []
        self._base = 0

    def learn(self, forecast: float, actual: float, *, hour: int) -> None:
        """Take in a finished forecast, made at this hour since the epoch."""
        error = sqrt(actual + self._offset) - sqrt(forecast + self._offset)
        weight = self._weight(hour)
        place = bisect_left(self._errors, error)
        self._errors.insert(place, error)
        self._weights.insert(place, weight)
        self._oldest.append(error)
        if len(self._oldest) > HISTORY_HOURS:
            self._forget()

    def around(self, forecast: float, *, hour: int, history_hours: float) -> tuple[float, float]:
        """Return the interval's ends for a forecast made now, requests per hour."""
        below, above = self._tails(forecast, hour=hour, history_hours=history_hours)
        middle = sqrt(forecast + self._offset)
        low = max(0.0, middle + below) ** 2 - self._offset
        high = max(0.0, middle + above) ** 2 - self._offset
        return (
            max(0.0, min(low, forecast) * (1.0 - _ROUNDING)),
            max(high, forecast) * (1.0 + _ROUNDING),
        )

    def _tails(self, forecast: float, *, hour: int, history_hours: float) -> tuple[float, float]:
        """Return the errors at both ends, on the scale of roots."""
        if len(self._errors) < _LEAST_ERRORS:
            return self._assumed_tails(forecast, history_hours)
        reached = list(accumulate(self._weights))
        evidence = reached[-1] / self._weight(hour) / self._horizon_hours
        widened = min(_MOST_WIDENED, _WIDENING / evidence)
        tail = TAIL * (1.0 - 0.9 * widened)
        last = len(reached) - 1
        low = self._errors[min(last, bisect_left(reached, tail * reached[-1]))]
        high = self._errors[min(last, bisect_left(reached, (1.0 - tail) * reached[-1]))]
        assumed = self._assumed_tails(forecast, history_hours)
        share = _ASSUMED_HORIZONS / (_ASSUMED_HORIZONS + evidence)
        return low + share * (assumed[0] - low), high + share * (assumed[1] - high)

    def _assumed_tails(self, forecast: float, history_hours: float) -> tuple[float, float]:
        """Return them as for a Poisson count, twice, around a rate that itself varies."""
        variation = _ASSUMED_VARIATION * (2.0 if history_hours < _SHORT_HOURS else 1.0)
        deviation = sqrt(0.5 / self._horizon_hours + variation**2 * forecast)
        return -_TAIL_DEVIATIONS * deviation, _TAIL_DEVIATIONS * deviation

    def _weight(self, hour: int) -> float:
        """Return a weight that doubles every half-life, so that older ones need no touch.

        Weeks are whole powers of two: what they are counted from leaves no rounding behind.
        """
        weeks, rest = divmod(hour, _HALF_LIFE_HOURS)
        if not self._errors:
            self._base = weeks
        if weeks - self._base > _REBASE_AT:
            self._weights = [ldexp(weight, self._base - weeks) for weight in self._weights]
            self._base = weeks
        return ldexp(2.0 ** (rest / _HALF_LIFE_HOURS), weeks - self._base)

    def _forget(self) -> None:
        error = self._oldest.popleft()
        place = bisect_right(self._errors, error) - 1  # of equal ones the oldest is the last
        del self._errors[place], self._weights[place]
