"""What is measured of the forecasts of one series, and what that says of all of them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from tests.bench.verdict import OURS, peers, walk
from tests.bench.verdict.metrics import (
    HORIZONS_HOURS,
    Forecast,
    Forecasts,
    Ratio,
    Score,
    geometric_mean,
    paired_ratio,
    score,
)
from tests.bench.verdict.series import DemandSeries

LAST_WINDOW = "last window"
_DRAWS_OF_LOSSES = 3

Scores = Mapping[int, Score]
"""By horizon."""


@dataclass(frozen=True, slots=True)
class SeriesAccuracy:
    """One series: scores by method, at every hour and at the common origins."""

    name: str
    requests_per_hour: float
    hourly: Mapping[str, Scores]
    common: Mapping[str, Scores]
    cold: Mapping[str, Scores]
    """Of ours and of the last window, 12 to 72 hours after a start."""
    lost: tuple[Scores, ...]
    """Of ours on logs with holes, against the truth."""
    peer_seconds: Mapping[str, float]
    """CPU of one call."""


def measure(series: DemandSeries, *, cache: Path | None, seed: int) -> SeriesAccuracy:
    """Measure everything, the peers too if there is a cache for what they say."""
    methods = {OURS: walk.ours(series)}
    methods |= {name: walk.naive(series, name) for name in walk.NAIVE}
    told = {peer: peers.forecasts(series, peer, cache) for peer in peers.NAMES} if cache else {}
    common = methods | {peer: forecasts.made for peer, forecasts in told.items()}
    lossy = [walk.lost_hours(series, seed + draw) for draw in range(_DRAWS_OF_LOSSES)]
    return SeriesAccuracy(
        name=series.name,
        requests_per_hour=series.rate(0, series.hours),
        hourly={name: _hourly(series, made) for name, made in methods.items()},
        common={
            name: _scores(series, made, lambda _: walk.common_origins(series))
            for name, made in common.items()
        },
        cold=_cold(series),
        lost=tuple(_hourly(series, walk.ours(series, lost=hours)) for hours in lossy),
        peer_seconds={peer: forecasts.cpu_seconds for peer, forecasts in told.items()},
    )


def _hourly(series: DemandSeries, made: Forecasts) -> Scores:
    return _scores(series, made, lambda horizon: walk.hourly_origins(series, horizon))


def _cold(series: DemandSeries) -> dict[str, Scores]:
    made: dict[str, dict[int, dict[int, Forecast]]] = {
        method: {horizon: {} for horizon in HORIZONS_HOURS} for method in (OURS, LAST_WINDOW)
    }
    for begin in walk.COLD_STARTS:
        end = begin + max(walk.COLD_ORIGINS)
        if end + max(HORIZONS_HOURS) > series.hours:
            break
        told = walk.ours(series, begin=begin, end=end)
        for horizon in HORIZONS_HOURS:
            for at in (begin + hours for hours in walk.COLD_ORIGINS):
                naive = walk.last_window(series, at, horizon, begin)
                made[OURS][horizon][at] = told[horizon][at]
                made[LAST_WINDOW][horizon][at] = Forecast(naive)
    return {name: _scores(series, of, of.__getitem__) for name, of in made.items()}


def _scores(
    series: DemandSeries, made: Forecasts, origins: Callable[[int], Iterable[int]]
) -> dict[int, Score]:
    return {
        horizon: score(series, made[horizon], horizon, origins(horizon))
        for horizon in HORIZONS_HOURS
    }


class Accuracy:
    """The scores of all series, each series as weighty as any other."""

    def __init__(self, measured: Sequence[SeriesAccuracy], seed: int) -> None:
        self.measured = measured
        self.hourly_methods = tuple(measured[0].hourly)
        self.common_methods = tuple(measured[0].common)
        self._seed = seed

    def mase(self, method: str, horizon: int) -> float:
        """Return the geometric mean over series, of forecasts at every hour."""
        return geometric_mean([one.hourly[method][horizon].mase for one in self.measured])

    def common_mase(self, method: str, horizon: int) -> float:
        """Return the same of forecasts at the common origins."""
        return geometric_mean([one.common[method][horizon].mase for one in self.measured])

    def wql(self, horizon: int) -> float:
        """Return the geometric mean of our weighted quantile loss, at every hour."""
        return geometric_mean([one.hourly[OURS][horizon].wql or 0.0 for one in self.measured])

    def common_wql(self, method: str, horizon: int) -> float | None:
        """Return the same at the common origins, for a method that has an interval."""
        losses = [one.common[method][horizon].wql for one in self.measured]
        known = [loss for loss in losses if loss is not None]
        return geometric_mean(known) if known else None

    def coverage_ratio(self, horizon: int) -> float:
        """Return how often our interval held the truth, the mean over series."""
        return _mean(one.hourly[OURS][horizon].coverage_ratio for one in self.measured)

    def coverage_gap(self, horizon: int) -> float:
        """Return how far from .8 the coverage of a series is, the mean over series."""
        coverages = [one.hourly[OURS][horizon].coverage_ratio for one in self.measured]
        return _mean(abs((coverage or 0.0) - 0.8) for coverage in coverages)

    def common_coverage_ratio(self, method: str, horizon: int) -> float | None:
        """Return the coverage at the common origins, for a method that has an interval."""
        if self.common_wql(method, horizon) is None:
            return None
        return _mean(one.common[method][horizon].coverage_ratio for one in self.measured)

    def ratio_to(self, method: str, horizon: int) -> Ratio:
        """Return our error over that of a method, at the common origins."""
        return paired_ratio(
            [one.common[OURS][horizon].mase for one in self.measured],
            [one.common[method][horizon].mase for one in self.measured],
            self._seed,
        )

    def ratios_to(self, method: str, horizon: int) -> dict[str, float]:
        """Return the same series by series."""
        return {
            one.name: one.common[OURS][horizon].mase / one.common[method][horizon].mase
            for one in self.measured
        }

    def cold_ratio(self, horizon: int) -> Ratio:
        """Return our error over that of the last window after a start."""
        return paired_ratio(
            [one.cold[OURS][horizon].mase for one in self.measured],
            [one.cold[LAST_WINDOW][horizon].mase for one in self.measured],
            self._seed,
        )

    def cold_coverage_ratio(self, horizon: int) -> float:
        """Return how often our interval held the truth after a start."""
        return _mean(one.cold[OURS][horizon].coverage_ratio for one in self.measured)

    def loss_cost(self, horizon: int) -> float:
        """Return by what part lost hours raise our error."""
        ratios = [
            scores[horizon].mase / one.hourly[OURS][horizon].mase
            for one in self.measured
            for scores in one.lost
        ]
        return geometric_mean(ratios) - 1

    def peer_seconds(self, method: str) -> float | None:
        """Return the mean CPU of one call of a peer."""
        spent = [one.peer_seconds[method] for one in self.measured if method in one.peer_seconds]
        return fmean(spent) if spent else None


def _mean(values: Iterable[float | None]) -> float:
    return fmean(value for value in values if value is not None)
