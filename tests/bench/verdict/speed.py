"""What an answer costs: CPU of a restart from four weeks of counts, and of each bucket after."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from surge_exporter.core.bins import HISTORY_HOURS
from surge_exporter.core.forecast import Forecaster
from surge_exporter.core.surge import SurgeDetector
from surge_exporter.model import UnixSeconds
from tests.bench.verdict.metrics import HORIZONS_HOURS
from tests.bench.verdict.scenarios import BUCKET_SECONDS, FLAT, scenario
from tests.bench.verdict.series import PER_HOUR

_KEPT = HISTORY_HOURS * PER_HOUR
_REFRESHES = 36
"""Three hours, so that what is done once an hour is in it."""

_Ask = Callable[[Sequence[int], int], object]
"""Of counts that end before that bucket."""


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds, the median of several."""

    rebuild: float
    refresh: float
    worst_refresh: float


def costs(seed: int, rebuilds: int = 5) -> dict[str, Cost]:
    """Measure both answers on made-up traffic."""
    days = HISTORY_HOURS // 24 + 1
    made = scenario(FLAT, 200, seed=seed, has_surges=True, days=days)
    return {
        "forecast": _cost(made.counts, _forecaster, rebuilds),
        "seasonal test": _cost(made.counts, _test, rebuilds),
    }


def _forecaster() -> _Ask:
    forecaster = Forecaster(HORIZONS_HOURS)
    return lambda counts, end: forecaster.refresh(
        counts, BUCKET_SECONDS, UnixSeconds(end * BUCKET_SECONDS)
    )


def _test() -> _Ask:
    detector = SurgeDetector()
    return lambda counts, end: detector.test(counts, BUCKET_SECONDS, end * BUCKET_SECONDS)


def _cost(counts: Sequence[int], start: Callable[[], _Ask], rebuilds: int) -> Cost:
    spent = []
    for _ in range(rebuilds):
        ask = start()
        spent.append(_seconds(ask, counts, _KEPT))
    refreshes = [_seconds(ask, counts, _KEPT + step) for step in range(1, _REFRESHES + 1)]
    return Cost(median(spent), median(refreshes), max(refreshes))


def _seconds(ask: _Ask, counts: Sequence[int], end: int) -> float:
    known = counts[end - _KEPT : end]
    began = time.process_time()
    ask(known, end)
    return time.process_time() - began
