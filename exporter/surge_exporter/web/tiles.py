"""The numbers behind the verdict, large enough to read from a distance."""

from collections.abc import Iterator

from surge_exporter.core.evidence import short_number
from surge_exporter.model import Forecast, Observation, WindowStats
from surge_exporter.snapshot import Snapshot
from surge_exporter.web.markup import Html, tag
from surge_exporter.web.parts import NONE, Tone, bar, hourly, hours, percent

_WHOLE = 0.995  # covered this far, a window's coverage is not worth a word


def tiles(snapshot: Snapshot, observation: Observation) -> Html:
    """Return the request rates before, now and next, and the failing checks."""
    demand = observation.demand
    span = hours(demand.horizon_seconds)
    rates = (
        (
            f"{span} before",
            demand.baseline.requests_per_second if demand.baseline_valid else None,
            _window(demand.baseline),
        ),
        (f"Last {span}", demand.recent.requests_per_second, _window(demand.recent)),
        (
            f"Next {span}, predicted",
            demand.forecast.requests_per_second,
            ", ".join(_outlook(demand.forecast, snapshot.tuning.capacity_requests_per_second)),
        ),
    )
    most = max(rate or 0.0 for _, rate, _ in rates)
    shown = (_rate(label, rate, most, note) for label, rate, note in rates)
    return tag("dl", *shown, _checks(observation), class_="tiles")


def _rate(label: str, rate: float | None, most: float, note: str) -> Html:
    figure = NONE if rate is None else hourly(rate)
    return _tile(label, figure, "requests/h", bar(rate / most if rate else 0.0), note)


def _tile(
    label: str, figure: str, unit: str, share: Html, note: str, tone: Tone | None = None
) -> Html:
    value = tag("dd", tag("b", figure), " ", unit, class_="figure")
    detail = tag("dd", share, note, class_="detail")
    return tag("div", tag("dt", label), value, detail, class_=tone)


def _window(window: WindowStats) -> str:
    count = f"{window.requests:,} requests"
    if window.covered_ratio >= _WHOLE:
        return count
    return f"{count}, {percent(window.covered_ratio)} covered"


def _outlook(forecast: Forecast, capacity: float | None) -> Iterator[str]:
    low, high = forecast.low_requests_per_second, forecast.high_requests_per_second
    if low is not None and high is not None:
        yield f"80% between {hourly(low)} and {hourly(high)}"
    else:
        yield "mean of what there is"
    if capacity is not None:
        yield f"capacity {hourly(capacity)}"


def _checks(observation: Observation) -> Html:
    checks = sum(health.checks for health in observation.dependencies)
    failing = [health for health in observation.dependencies if health.failed_checks]
    failed = sum(health.failed_checks for health in failing)
    named = ", ".join(f"{short_number(h.failed_checks)} {h.dependency}" for h in failing)
    return _tile(
        "Failing checks",
        short_number(failed) if checks else NONE,
        f"of {short_number(checks)}",
        bar(failed / checks if checks else 0.0),
        named or ("all passed" if checks else "no checks seen"),
        Tone.WARN if failed else None,
    )
