"""How good predictions were: errors on a common scale, and how often intervals held."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from statistics import fmean

from surge_exporter.core.backtest import Method, Outcome, Prediction
from surge_exporter.core.interval import TAIL

_DAY_HOURS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What came of one method over one horizon."""

    method: Method
    origins: int
    mean_absolute_error: float
    """Requests per hour."""
    mase: float | None
    """That over the error of yesterday's same window from the same origins; None where it was
    never wrong."""
    pinball: float | None
    """Mean pinball loss of the quantiles 0.1, 0.5 and 0.9, scaled alike."""
    coverage_ratio: float
    """How often the truth lay in the central 80 %."""


def score(outcomes: Sequence[Outcome], method: Method) -> Score | None:
    """Return a method's score over the outcomes that it has a part in; None without any.

    The outcomes are of one horizon.
    """
    own = [outcome for outcome in outcomes if method in outcome.predictions]
    if not own:
        return None
    made = [(outcome.predictions[method], outcome.actual) for outcome in own]
    error = _error(own, method)
    scale = _error(own, Method.YESTERDAY)
    loss = fmean(_pinball(prediction, actual) for prediction, actual in made)
    return Score(
        method=method,
        origins=len(own),
        mean_absolute_error=error,
        mase=error / scale if scale else None,
        pinball=loss / scale if scale else None,
        coverage_ratio=fmean(p.low <= actual <= p.high for p, actual in made),
    )


def errors_by_hour(
    outcomes: Sequence[Outcome], method: Method, zone: tzinfo
) -> list[float | None]:
    """Return the mean absolute error by the hour of day at which predictions were made."""
    errors: list[list[float]] = [[] for _ in range(_DAY_HOURS)]
    for outcome in outcomes:
        if method in outcome.predictions:
            hour = datetime.fromtimestamp(outcome.at, zone).hour
            errors[hour].append(_absolute_error(outcome, method))
    return [fmean(found) if found else None for found in errors]


def _error(outcomes: Sequence[Outcome], method: Method) -> float:
    return fmean(_absolute_error(outcome, method) for outcome in outcomes)


def _absolute_error(outcome: Outcome, method: Method) -> float:
    return abs(outcome.predictions[method].point - outcome.actual)


def _pinball(prediction: Prediction, actual: float) -> float:
    quantiles = ((TAIL, prediction.low), (0.5, prediction.point), (1 - TAIL, prediction.high))
    return fmean(
        max(tail * (actual - said), (tail - 1) * (actual - said)) for tail, said in quantiles
    )
