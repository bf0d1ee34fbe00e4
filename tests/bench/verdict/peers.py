"""Forecasts by statsforecast (Nixtla), of hourly history at the common origins.

The mean of a horizon is the mean of its hourly forecasts; so are the ends of its interval,
which takes the errors of the hours for wholly correlated, and is the wider for it. The library
is imported where it is called: the tests of this package run without it.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench.verdict.metrics import DAY, HORIZONS_HOURS, Forecast, Forecasts
from tests.bench.verdict.series import DemandSeries
from tests.bench.verdict.walk import common_origins

_DAYS_KNOWN = {"AutoETS": 14, "AutoTheta": 14, "MSTL": 28}
NAMES = tuple(_DAYS_KNOWN)

_LEVEL = 80
_WEEK = 7 * DAY


class PeerForecasts(NamedTuple):
    """What a method said of a series, and how long one call took, for all horizons at once."""

    made: Forecasts
    cpu_seconds: float


def forecasts(series: DemandSeries, peer: str, cache: Path) -> PeerForecasts:
    """Return them from the cache; else make them, and put them there."""
    origins = common_origins(series)
    known = f"{series} {peer} {_DAYS_KNOWN[peer]} {origins} {version('statsforecast')}"
    name = hashlib.sha256(known.encode()).hexdigest()[:16]
    path = cache / f"{series.name}-{peer}-{name}.json"
    if not path.exists():
        began = time.process_time()
        rows = [_forecast(series, peer, at) for at in origins]
        spent = (time.process_time() - began) / len(rows)
        cache.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        unfinished.write_text(json.dumps({"cpu_seconds": spent, "forecasts": rows}))
        unfinished.replace(path)
    told = json.loads(path.read_text())
    made = {
        horizon: {
            at: Forecast(*row[i]) for at, row in zip(origins, told["forecasts"], strict=True)
        }
        for i, horizon in enumerate(HORIZONS_HOURS)
    }
    return PeerForecasts(made, told["cpu_seconds"])


def _forecast(series: DemandSeries, peer: str, at: int) -> list[tuple[float, float, float]]:
    begin = max(0, at - _DAYS_KNOWN[peer] * DAY)
    known = import_module("numpy").array(series.hourly(begin, at), dtype=float)
    told = _model(peer, at - begin).forecast(y=known, h=max(HORIZONS_HOURS), level=[_LEVEL])
    columns = [told[key].tolist() for key in ("mean", f"lo-{_LEVEL}", f"hi-{_LEVEL}")]
    return [_mean_of_each(columns, horizon) for horizon in HORIZONS_HOURS]


def _mean_of_each(columns: Sequence[list[float]], horizon: int) -> tuple[float, float, float]:
    point, low, high = (max(0.0, sum(column[:horizon]) / horizon) for column in columns)
    return point, low, high


def _model(peer: str, hours: int) -> Any:
    models = import_module("statsforecast.models")
    if peer == "AutoETS":
        return models.AutoETS(season_length=DAY)
    if peer == "AutoTheta":
        return models.AutoTheta(season_length=DAY)
    return models.MSTL(season_length=[DAY, _WEEK] if hours >= 2 * _WEEK else DAY)
