"""Which experts to trust: weights learned online from each one's own recent error."""

from collections.abc import Sequence
from math import expm1, log1p
from operator import mul

_HALF_LIFE_HOURS = 168.0
_DECAY = 2.0 ** (-1.0 / _HALF_LIFE_HOURS)
_PRIOR_HOURS = 12.0  # what is assumed of the experts weighs as much as so many hours
_POWER = 6.0
_FLOOR = 0.02  # part of the mean error that each is given more: nobody is perfect for long

# What is assumed of each expert, in the order of `experts`: its error over that of a good one,
# for horizons of up to so many hours. In the beginning the last hours are trusted most.
_RELATIVE_ERRORS = (
    (3, (1.0, 1.4, 2.0, 1.6, 2.0, 2.0, 2.0, 2.0, 1.0, 1.6, 1.6)),
    (12, (1.0, 1.0, 1.2, 1.4, 1.2, 2.0, 1.3, 1.4, 1.2, 1.4, 1.4)),
)
_RELATIVE_ERRORS_FAR = (1.8, 1.5, 1.0, 2.5, 1.4, 3.5, 1.2, 1.3, 1.8, 2.0, 2.0)


class Mixture:
    """The weighted geometric mean of the experts of one horizon.

    An expert's weight is a power of the inverse of its mean absolute error, of which older
    hours count less: inverse-error combination (Bates and Granger, 1969) with discounting
    and a power (Stock and Watson, 2004).
    """

    def __init__(self, horizon_hours: int) -> None:
        self._assumed = next(
            (errors for most, errors in _RELATIVE_ERRORS if horizon_hours <= most),
            _RELATIVE_ERRORS_FAR,
        )
        self._losses = [0.0] * len(self._assumed)
        self._hours = 0.0
        self._weights = self._weigh()

    def learn(self, rates: Sequence[float], actual: float) -> None:
        """Take in what the experts said an hour's origin would bring, and what it brought."""
        self._losses = [
            loss * _DECAY + abs(rate - actual)
            for loss, rate in zip(self._losses, rates, strict=True)
        ]
        self._hours = self._hours * _DECAY + 1.0
        self._weights = self._weigh()

    def combine(self, rates: Sequence[float]) -> float:
        """Return the forecast, requests per hour."""
        return max(0.0, expm1(sum(map(mul, self._weights, map(log1p, rates)))))

    def _weigh(self) -> list[float]:
        assumed = self._assumed
        scale = 1.0
        if self._hours:
            parts = [loss / error for loss, error in zip(self._losses, assumed, strict=True)]
            scale = sum(parts) / len(parts) / self._hours or 1.0
        hours = self._hours + _PRIOR_HOURS
        errors = [
            (loss + _PRIOR_HOURS * scale * error) / hours
            for loss, error in zip(self._losses, assumed, strict=True)
        ]
        floor = _FLOOR * sum(errors) / len(errors)
        best = min(errors) + floor
        weights = [(best / (error + floor)) ** _POWER for error in errors]
        total = sum(weights)
        return [weight / total for weight in weights]
