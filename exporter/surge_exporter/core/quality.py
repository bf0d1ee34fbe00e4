"""How good forecasts were that have come due: their error against the naive one, their cover."""

_HALF_LIFE_HOURS = 168.0
_DECAY = 2.0 ** (-1.0 / _HALF_LIFE_HOURS)


class Quality:
    """The record of one horizon's finished forecasts; a week ago counts half.

    MASE as Hyndman and Koehler (2006) have it, but scaled by the error of "yesterday, the
    same window" over the same forecasts, not over a training set.
    """

    def __init__(self) -> None:
        self._error = 0.0
        self._naive_error = 0.0
        self._covered = 0.0
        self._forecasts = 0.0

    def learn(self, forecast: tuple[float, float, float], actual: float, yesterday: float) -> None:
        """Take in a finished forecast (point, low, high), what came, and what yesterday had."""
        point, low, high = forecast
        self._error = self._error * _DECAY + abs(point - actual)
        self._naive_error = self._naive_error * _DECAY + abs(yesterday - actual)
        self._covered = self._covered * _DECAY + (low <= actual <= high)
        self._forecasts = self._forecasts * _DECAY + 1.0

    @property
    def mase(self) -> float | None:
        """Mean absolute error over that of yesterday's window; None where that was never wrong."""
        return self._error / self._naive_error if self._naive_error else None

    @property
    def coverage_ratio(self) -> float | None:
        """How often the truth fell into the interval."""
        return self._covered / self._forecasts if self._forecasts else None
