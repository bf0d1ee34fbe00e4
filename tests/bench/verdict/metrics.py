"""How good forecasts are: against what came, and against the naive one."""

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from tests.bench.verdict.series import DemandSeries

HORIZONS_HOURS = (1, 6, 24)
DAY = 24
LEAST_QUANTILE, MOST_QUANTILE = 0.1, 0.9
_RESAMPLES = 2000


class Forecast(NamedTuple):
    """The mean rate over a horizon, and the ends of its central 80 %, where a method has any."""

    point: float
    low: float | None = None
    high: float | None = None


Forecasts = Mapping[int, Mapping[int, Forecast]]
"""By horizon, and by the hour at which they were made: that many hours are known."""


@dataclass(frozen=True, slots=True)
class Score:
    """Forecasts of one series and horizon; errors over that of yesterday's same window."""

    mase: float
    wql: float | None
    coverage_ratio: float | None


def yesterdays_error(series: DemandSeries, horizon: int) -> float:
    """Return the mean absolute error of "as yesterday", made at each hour that has one."""
    origins = range(DAY, series.hours - horizon + 1)
    return fmean(
        abs(series.rate(at, at + horizon) - series.rate(at - DAY, at - DAY + horizon))
        for at in origins
    )


def score(
    series: DemandSeries, made: Mapping[int, Forecast], horizon: int, origins: Iterable[int]
) -> Score:
    """Score the forecasts made at those hours.

    The weighted quantile loss is twice the mean of the pinball losses of the two ends and the
    point, taken for the median.
    """
    scale = yesterdays_error(series, horizon)
    errors, losses, hits = [], [], []
    for at in origins:
        actual = series.rate(at, at + horizon)
        point, low, high = made[at]
        errors.append(abs(actual - point))
        if low is not None and high is not None:
            ends = _pinball(actual, low, LEAST_QUANTILE) + _pinball(actual, high, MOST_QUANTILE)
            losses.append(2 * (ends + _pinball(actual, point, 0.5)) / 3)
            hits.append(low <= actual <= high)
    return Score(
        mase=fmean(errors) / scale,
        wql=fmean(losses) / scale if losses else None,
        coverage_ratio=fmean(hits) if hits else None,
    )


def _pinball(actual: float, quantile: float, probability: float) -> float:
    short = actual - quantile
    return max(probability * short, (probability - 1) * short)


def geometric_mean(values: Sequence[float]) -> float:
    """Return it; a perfect value counts as a billionth, so that the others still count."""
    return math.exp(fmean(math.log(max(value, 1e-9)) for value in values))


class Ratio(NamedTuple):
    """The geometric mean of ratios over series, and where it lies if other series were drawn."""

    mean: float
    low: float
    high: float
    won: float
    """Part of the series whose ratio is under one."""


def paired_ratio(ours: Sequence[float], theirs: Sequence[float], seed: int) -> Ratio:
    """Return how errors of the same forecasts compare, with a bootstrap interval of 95 %."""
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    rng = random.Random(seed)
    means = sorted(geometric_mean(rng.choices(ratios, k=len(ratios))) for _ in range(_RESAMPLES))
    return Ratio(
        geometric_mean(ratios),
        means[round(0.025 * _RESAMPLES)],
        means[round(0.975 * _RESAMPLES) - 1],
        fmean(ratio < 1 for ratio in ratios),
    )
