"""The results as tables in Markdown."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tests.bench.verdict import OURS
from tests.bench.verdict.accuracy import Accuracy
from tests.bench.verdict.goals import Goal
from tests.bench.verdict.metrics import HORIZONS_HOURS
from tests.bench.verdict.rivals import AT_THRESHOLDS, DETECTORS
from tests.bench.verdict.speed import Cost
from tests.bench.verdict.surges import MAGNITUDES, RATES, Outcome, Verdict

NOTHING = "–"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    aligned = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, aligned, *rows)) + "\n"


def _number(value: float | None, digits: int = 3) -> str:
    return NOTHING if value is None or math.isnan(value) else f"{value:.{digits}f}"


def _hours(what: str) -> list[str]:
    return [f"{what} {horizon} h" for horizon in HORIZONS_HOURS]


def goals(found: Iterable[Goal]) -> str:
    """Return what was to be reached and what was."""
    rows = [
        [goal.what, goal.bound, goal.measured, "met" if goal.met else "**not met**"]
        for goal in found
    ]
    return _table(["Goal", "Bound", "Measured", ""], rows)


def hourly(accuracy: Accuracy) -> str:
    """Return the table of forecasts made at every hour."""
    rows = []
    for method in accuracy.hourly_methods:
        row = [method, *(_number(accuracy.mase(method, hours)) for hours in HORIZONS_HOURS)]
        if method == OURS:
            row += [_number(accuracy.wql(hours)) for hours in HORIZONS_HOURS]
            row += [_number(accuracy.coverage_ratio(hours)) for hours in HORIZONS_HOURS]
        else:
            row += [NOTHING] * 2 * len(HORIZONS_HOURS)
        rows.append(row)
    return _table(["Every hour", *_hours("MASE"), *_hours("wQL"), *_hours("cover")], rows)


def common(accuracy: Accuracy) -> str:
    """Return the table of forecasts at the common origins."""
    rows = []
    for method in accuracy.common_methods:
        seconds = accuracy.peer_seconds(method)
        rows.append(
            [
                method,
                *(_number(accuracy.common_mase(method, hours)) for hours in HORIZONS_HOURS),
                *(_number(accuracy.common_wql(method, hours)) for hours in HORIZONS_HOURS),
                *(_number(accuracy.common_coverage_ratio(method, h), 2) for h in HORIZONS_HOURS),
                NOTHING if seconds is None else f"{seconds * 1e3:.0f}",
            ]
        )
    head = ["Common origins", *_hours("MASE"), *_hours("wQL"), *_hours("cover"), "ms a call"]
    return _table(head, rows)


def ratios(accuracy: Accuracy) -> str:
    """Return ours over each other method, on the same forecasts."""
    rows = []
    for method in accuracy.common_methods:
        if method == OURS:
            continue
        found = [accuracy.ratio_to(method, hours) for hours in HORIZONS_HOURS]
        rows.append(
            [
                method,
                *(f"{ratio.mean:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]" for ratio in found),
                *(f"{ratio.won:.0%}" for ratio in found),
            ]
        )
    return _table(["Our MASE over that of", *_hours(""), *_hours("won")], rows)


def by_series(accuracy: Accuracy) -> str:
    """Return our scores series by series."""
    rows = [
        [
            one.name,
            f"{one.requests_per_hour:.0f}",
            *(_number(one.hourly[OURS][hours].mase, 2) for hours in HORIZONS_HOURS),
            *(_number(one.hourly[OURS][hours].coverage_ratio, 2) for hours in HORIZONS_HOURS),
            *(_number(ratio) for ratio in _to_ets(accuracy, one.name)),
        ]
        for one in accuracy.measured
    ]
    head = ["Series", "requests/h", *_hours("MASE"), *_hours("cover"), *_hours("to AutoETS")]
    return _table(head, rows)


def _to_ets(accuracy: Accuracy, name: str) -> Iterator[float | None]:
    for horizon in HORIZONS_HOURS:
        known = "AutoETS" in accuracy.common_methods
        yield accuracy.ratios_to("AutoETS", horizon)[name] if known else None


def starts_and_losses(accuracy: Accuracy) -> str:
    """Return what a short history and a log with holes cost."""
    rows = []
    for horizon in HORIZONS_HOURS:
        ratio = accuracy.cold_ratio(horizon)
        rows.append(
            [
                f"{horizon} h",
                f"{ratio.mean:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]",
                _number(accuracy.cold_coverage_ratio(horizon), 2),
                f"{accuracy.loss_cost(horizon):+.1%}",
            ]
        )
    head = ["Horizon", "cold MAE over last window", "cold cover", "MASE with 3 % of hours lost"]
    return _table(head, rows)


def detectors(outcomes: Sequence[Outcome]) -> str:
    """Return what each detector did in all scenarios."""
    rows = []
    for name in DETECTORS:
        did = Verdict(outcomes, name)
        rows.append(
            [
                name,
                _number(did.false_alarms_a_week, 2),
                _number(did.cold_false_alarms_a_week, 2),
                f"{did.alert_part:.1%}",
                *(_number(did.recall(magnitude), 2) for magnitude in MAGNITUDES),
                _number(did.recall(5, 10)),
                _number(did.delay_minutes(3, 10), 0),
            ]
        )
    recalls = [f"{magnitude:g}x" for magnitude in MAGNITUDES]
    head = ["Detector", "false/week", "cold", "in alert", *recalls, "5x and 10x", "minutes"]
    return _table(head, rows)


def thresholds(outcomes: Sequence[Outcome]) -> str:
    """Return what can be had for more or fewer false alarms."""
    rows = []
    for name, threshold in AT_THRESHOLDS:
        did = Verdict(outcomes, (name, threshold))
        rows.append(
            [
                f"{name} > {threshold:g}",
                _number(did.false_alarms_a_week, 2),
                *(_number(did.recall(*m), 2) for m in ((2,), (3,), (5, 10))),
                _number(did.delay_minutes(3, 10), 0),
            ]
        )
    return _table(["Threshold", "false/week", "2x", "3x", "5x and 10x", "minutes"], rows)


def by_rate(outcomes: Sequence[Outcome]) -> str:
    """Return what ours did at each rate."""
    rows = []
    for rate in RATES:
        did = Verdict(outcomes, OURS).at(rate=rate)
        rows.append(
            [
                str(rate),
                _number(did.false_alarms_a_week, 2),
                _number(did.cold_false_alarms_a_week, 2),
                *(_number(did.recall(*m), 2) for m in ((2,), (3,), (5, 10))),
                *(_number(did.delay_minutes(*m), 0) for m in ((2,), (3,), (5, 10))),
            ]
        )
    found = ["2x", "3x", "5x and 10x"]
    late = [f"minutes {magnitude}" for magnitude in found]
    return _table(["requests/h", "false/week", "cold", *found, *late], rows)


def by_profile(outcomes: Sequence[Outcome]) -> str:
    """Return the false alarms of ours in each rhythm."""
    names = dict.fromkeys(one.profile for one in outcomes)
    rows = []
    for name in names:
        did = Verdict(outcomes, OURS).at(profile=name)
        rates = [did.at(rate=rate).false_alarms_a_week for rate in RATES]
        rows.append([name, _number(did.false_alarms_a_week, 2), *(_number(r, 2) for r in rates)])
    return _table(["Rhythm", "false/week", *(f"{rate}/h" for rate in RATES)], rows)


def speeds(costs: Mapping[str, Cost]) -> str:
    """Return what an answer costs."""
    rows = [
        [what, *(f"{s * 1e3:.1f}" for s in (cost.refresh, cost.worst_refresh, cost.rebuild))]
        for what, cost in costs.items()
    ]
    head = ["CPU, ms", "refresh, median", "refresh, worst", "rebuild of 28 days"]
    return _table(head, rows)
