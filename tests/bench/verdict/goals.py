"""What was to be reached, and whether it is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.bench.verdict import OURS
from tests.bench.verdict.accuracy import Accuracy
from tests.bench.verdict.metrics import HORIZONS_HOURS
from tests.bench.verdict.speed import Cost
from tests.bench.verdict.surges import RATES, Outcome, Verdict

_MASE = {1: 0.43, 6: 0.52, 24: 0.71}
_TO_ETS = {1: 0.80, 6: 0.70, 24: 0.58}
_COVERAGE, _COVERAGE_GAP = 0.80, 0.03
_WQL = 0.40
_COLD = 1.0
_LOSS_COST = 0.06
_FALSE_ALARMS, _COLD_FALSE_ALARMS = 0.4, 1.0
_RECALL_OF_FIVE, _RECALL_OF_THREE = 0.97, 0.78
_DELAY_MINUTES = 30.0
_REFRESH_SECONDS, _REBUILD_SECONDS = 0.002, 0.5


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure and its bound."""

    what: str
    bound: str
    measured: str
    met: bool


def forecast_goals(accuracy: Accuracy) -> Iterator[Goal]:
    """Yield those of the forecast; against AutoETS where it ran."""
    for horizon, most in _MASE.items():
        yield _at_most(f"MASE, {horizon} h", accuracy.mase(OURS, horizon), most)
    if "AutoETS" in accuracy.common_methods:
        for horizon, most in _TO_ETS.items():
            ratio = accuracy.ratio_to("AutoETS", horizon).mean
            yield _at_most(f"MASE over that of AutoETS, {horizon} h", ratio, most)
    for horizon in HORIZONS_HOURS:
        covered = accuracy.coverage_ratio(horizon)
        yield Goal(
            f"Coverage of the 80 % interval, {horizon} h",
            f"{_COVERAGE:.2f} ± {_COVERAGE_GAP:.2f}",
            f"{covered:.3f}",
            abs(covered - _COVERAGE) <= _COVERAGE_GAP,
        )
    yield _at_most("Weighted quantile loss, 6 h", accuracy.wql(6), _WQL)
    for horizon in HORIZONS_HOURS:
        what = f"Hours 12 to 72 after a start: MAE over that of the last window, {horizon} h"
        yield _at_most(what, accuracy.cold_ratio(horizon).mean, _COLD)
    what = "MASE lost to 3 % lost hours, 6 h"
    yield _at_most(what, accuracy.loss_cost(6), _LOSS_COST)


def surge_goals(outcomes: Sequence[Outcome]) -> Iterator[Goal]:
    """Yield those of the seasonal test."""
    ours = Verdict(outcomes, OURS)
    by_rate = {rate: ours.at(rate=rate).false_alarms_a_week for rate in RATES}
    worst = max(by_rate, key=by_rate.__getitem__)
    what = f"False alarms a week, at the worst rate ({worst}/h)"
    yield _at_most(what, by_rate[worst], _FALSE_ALARMS)
    yield _at_least("Recall of surges of 5x and 10x", ours.recall(5, 10), _RECALL_OF_FIVE)
    yield _at_least("Recall of surges of 3x", ours.recall(3), _RECALL_OF_THREE)
    delay = ours.delay_minutes(3, 10)
    what = "Median delay of surges of 3x and more, minutes"
    yield Goal(what, f"<= {_DELAY_MINUTES:.0f}", f"{delay:.0f}", delay <= _DELAY_MINUTES)
    what = "False alarms a week, hours 12 to 72"
    yield _at_most(what, ours.cold_false_alarms_a_week, _COLD_FALSE_ALARMS)


def speed_goals(costs: Mapping[str, Cost]) -> Iterator[Goal]:
    """Yield those of what an answer costs."""
    for what, cost in costs.items():
        yield _at_most_ms(f"CPU of a refresh, {what}", cost.refresh, _REFRESH_SECONDS)
        yield _at_most_ms(f"CPU of a rebuild of 28 days, {what}", cost.rebuild, _REBUILD_SECONDS)


def _at_most(what: str, measured: float, most: float) -> Goal:
    return Goal(what, f"<= {most:.2f}", f"{measured:.3f}", measured <= most)


def _at_least(what: str, measured: float, least: float) -> Goal:
    return Goal(what, f">= {least:.2f}", f"{measured:.3f}", measured >= least)


def _at_most_ms(what: str, measured: float, most: float) -> Goal:
    met = measured <= most
    return Goal(what, f"<= {most * 1e3:g} ms", f"{measured * 1e3:.1f} ms", met)
