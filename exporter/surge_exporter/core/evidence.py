"""What each signal judges: numbers read from an observation, with the evidence in words."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from surge_exporter.core.series import OTHER
from surge_exporter.model import (
    HOUR,
    UNKNOWN,
    Dependency,
    DependencyHealth,
    HostLoad,
    Observation,
    SurgeTest,
    Tuning,
)

_DECIMALS_BELOW = 100.0
_MIB, _GIB = 1024**2, 1024**3


@dataclass(frozen=True, slots=True)
class Measurement:
    """A number that a signal judges, and the evidence in words for when it is too high."""

    value: float
    evidence: str
    subject: str = ""
    test: SurgeTest | None = None
    """What decides in place of the threshold, where there is such a test."""


Measure = Callable[[Observation, Tuning], Iterable[Measurement]]


def _span(observation: Observation) -> str:
    return spoken_span(observation.demand.horizon_seconds)


def spoken_span(seconds: float) -> str:
    """Return a span as a person would say it.

    >>> spoken_span(21600.0), spoken_span(900.0)
    ('6 h', '15 min')
    """
    return f"{seconds / HOUR:g} h" if seconds >= HOUR else f"{seconds / 60:g} min"


def duration(seconds: float) -> str:
    """Return what something took, in its two largest units.

    >>> duration(45), duration(5400), duration(0)
    ('45 s', '1 h 30 min', '0 s')
    """
    minutes = round(seconds / 60)
    if not minutes or seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:g} s"
    hours, minutes = divmod(minutes, 60)
    return " ".join(f"{n} {unit}" for n, unit in ((hours, "h"), (minutes, "min")) if n)


def horizon_label(seconds: float) -> str:
    """Return a horizon as the label value that names it.

    >>> horizon_label(21600.0)
    '6h'
    """
    return f"{seconds / HOUR:g}h"


def demand_surge(observation: Observation, _: Tuning) -> Iterator[Measurement]:
    """Measure the surge factor, where there is one."""
    demand = observation.demand
    if demand.surge_factor is not None:
        recent = per_hour(demand.recent.requests_per_second)
        baseline = per_hour(demand.baseline.requests_per_second)
        yield Measurement(
            demand.surge_factor,
            f"demand is {demand.surge_factor:.2f} times that of the {_span(observation)} before"
            f" ({recent} against {baseline} requests/h)",
        )


def confirmed_surge(observation: Observation, _: Tuning) -> Iterator[Measurement]:
    """Measure demand over what is usual, as the seasonal test sees it, where there is one."""
    test = observation.demand.surge_test
    if test is not None:
        expected = per_hour(test.expected_requests_per_second)
        yield Measurement(
            test.surging_factor or test.factor,
            f"demand is {test.factor:.2f} times what is usual at this time"
            f" ({expected} requests/h), z = {test.z_score:.1f}",
            test=test,
        )


def predicted_demand(observation: Observation, tuning: Tuning) -> Iterator[Measurement]:
    """Measure the predicted rate as a part of the capacity, where one is configured."""
    capacity = tuning.capacity_requests_per_second
    if capacity is not None:
        predicted = observation.demand.forecast.requests_per_second
        yield Measurement(
            predicted / capacity,
            f"{per_hour(predicted)} requests/h are predicted for the next"
            f" {_span(observation)}, the capacity is {per_hour(capacity)}",
        )


def forecast_error(observation: Observation, tuning: Tuning) -> Iterator[Measurement]:
    """Measure each horizon's error of finished forecasts, where it learned from enough history.

    The subject is the horizon, as the label names it: a horizon may be bad for itself alone.
    """
    least_seconds = tuning.parameters["forecast_error", "min_history_days"] * 24 * HOUR
    for forecast in observation.demand.forecasts:
        history = forecast.history_seconds
        if forecast.mase is not None and history is not None and history >= least_seconds:
            yield Measurement(
                forecast.mase,
                f"forecasts for {spoken_span(forecast.horizon_seconds)} were wrong by"
                f" {forecast.mase:.2f} times as much as yesterday's demand would have been",
                horizon_label(forecast.horizon_seconds),
            )


def heavy_batch(observation: Observation, tuning: Tuning) -> Iterator[Measurement]:
    """Measure the token share of batch callers, and of any caller that crowds out others.

    What many callers share for want of a label or a name is no caller that could be throttled.
    """
    active = [c for c in observation.callers if c.requests and c.caller != OTHER]
    crowded = len(active) >= tuning.parameters["heavy_batch", "min_callers"]
    dominant_share = tuning.parameters["heavy_batch", "dominant_share"]
    for caller in sorted(active, key=lambda c: -c.token_share):
        is_someone = caller.caller != UNKNOWN
        is_dominant = is_someone and crowded and caller.token_share >= dominant_share
        if is_dominant or is_batch(caller.caller, tuning.batch_callers):
            yield Measurement(
                caller.token_share,
                f"{caller.caller} used {percent(caller.token_share)} of"
                f" {short_number(observation.demand.volume.tokens)} tokens"
                f" in the last {_span(observation)}",
                caller.caller,
            )


def per_hour(per_second: float) -> str:
    """Return a rate as requests an hour, as exactly as it matters.

    >>> per_hour(75 / 21600), per_hour(1.8844)
    ('12.5', '6784')
    """
    rate = per_second * HOUR
    return f"{rate:.1f}" if rate < _DECIMALS_BELOW else f"{rate:.0f}"


def counted(number: int, noun: str) -> str:
    """Return a number of things.

    >>> counted(1, "line"), counted(2, "line")
    ('1 line', '2 lines')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def percent(ratio: float) -> str:
    """Return a ratio as a person would say it.

    >>> percent(0.408)
    '41 %'
    """
    return f"{100 * ratio:.0f} %"


def is_batch(caller: str, patterns: Iterable[str]) -> bool:
    """Say whether a caller's name fits one of the patterns, whatever the case.

    >>> is_batch("Nightly_Batch", ["*batch*"])
    True
    """
    return any(fnmatchcase(caller.lower(), pattern.lower()) for pattern in patterns)


def short_number(value: float) -> str:
    """Return a number as a person would say it.

    >>> short_number(1_240_000), short_number(950)
    ('1.2M', '950')
    """
    for limit, divisor, unit in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if value >= limit:
            return f"{value / divisor:.1f}{unit}"
    return f"{value:.0f}"


def caller_failures(observation: Observation, tuning: Tuning) -> Iterator[Measurement]:
    """Measure the failure rate of every caller with enough requests to have one."""
    least = tuning.parameters["caller_failures", "min_requests"]
    named = [c for c in observation.callers if c.requests and c.caller != OTHER]
    callers = [c for c in named if c.requests >= least]
    for caller in sorted(callers, key=lambda c: -c.failure_rate):
        yield Measurement(
            caller.failure_rate,
            f"{caller.failures} of {caller.requests} requests of {caller.caller} failed"
            f" ({percent(caller.failure_rate)}) in the last {_span(observation)}",
            caller.caller,
        )


def many_caller_failures(observation: Observation, tuning: Tuning) -> Iterator[Measurement]:
    """Measure the same of callers that failed often enough to wake somebody for."""
    least = tuning.parameters["caller_failures", "min_failures"]
    failures = {caller.caller: caller.failures for caller in observation.callers}
    for measured in caller_failures(observation, tuning):
        if failures[measured.subject] >= least:
            yield measured


def failed_checks(dependency: Dependency, what: str) -> Measure:
    """Return a measure of the failed checks of one dependency, called `what` in the evidence."""

    def measure(observation: Observation, _: Tuning) -> Iterator[Measurement]:
        health = _health_of(dependency, observation)
        yield Measurement(float(health.failed_checks), _failed_checks(health, what, observation))

    return measure


def down(dependency: Dependency, what: str, signal: str) -> Measure:
    """Return a measure of how long one dependency has been down, if it is known.

    While it is down, only if as many checks have failed as the parameter of `signal` says: one
    odd check, and none after it, is no outage however long ago it was.
    """

    def measure(observation: Observation, tuning: Tuning) -> Iterator[Measurement]:
        health = _health_of(dependency, observation)
        least = tuning.parameters[signal, "min_failed_checks"]
        if health.up or (health.down_seconds is not None and health.failed_checks >= least):
            seconds = health.down_seconds or 0.0
            yield Measurement(
                seconds,
                f"{what} has been down for {duration(round(seconds))}:"
                f" {_failed_checks(health, what, observation)}",
            )

    return measure


def outages(dependency: Dependency, what: str) -> Measure:
    """Return a measure of how often one dependency went down."""

    def measure(observation: Observation, _: Tuning) -> Iterator[Measurement]:
        health = _health_of(dependency, observation)
        yield Measurement(
            float(health.outages),
            f"{what} was down {counted(health.outages, 'time')} in the last {_span(observation)}",
        )

    return measure


def _health_of(dependency: Dependency, observation: Observation) -> DependencyHealth:
    return next(h for h in observation.dependencies if h.dependency is dependency)


def _failed_checks(health: DependencyHealth, what: str, observation: Observation) -> str:
    return (
        f"{health.failed_checks} of {health.checks} {what} checks failed"
        f" in the last {_span(observation)}"
    )


def host_pressures(host: HostLoad, tuning: Tuning) -> dict[str, float]:
    """Return how near each resource that can run out is to its end, from 0 to 1.

    Memory is at its end once there is too little left, whatever part of it that is. GPU memory
    counts once it is full, not before: model servers reserve most of it on purpose. CPU is none
    of them: work that finds no more of it waits, and nothing breaks.
    """
    least = tuning.parameters["host_pressure", "least_available_mib"] * _MIB
    is_short = host.memory_available_bytes < least
    pressures = {"memory": 1.0 if is_short else host.memory_ratio}
    if host.gpu_memory_ratio is not None:
        full_from = tuning.parameters["host_pressure", "gpu_full_ratio"]
        pressures["gpu_memory"] = float(host.gpu_memory_ratio >= full_from)
    return pressures


def host_pressure(observation: Observation, tuning: Tuning) -> Iterator[Measurement]:
    """Measure the pressure on each resource of this host that can run out, where it is sampled."""
    host = observation.host
    if host is not None:
        words = {
            "memory": f"memory is {percent(host.memory_ratio)} used,"
            f" {host.memory_available_bytes / _GIB:.1f} GiB are available",
            "gpu_memory": f"GPU memory is {percent(host.gpu_memory_ratio or 0.0)} used",
        }
        for resource, pressure in host_pressures(host, tuning).items():
            yield Measurement(pressure, words[resource], resource)


def host_cpu(observation: Observation, _: Tuning) -> Iterator[Measurement]:
    """Measure how busy this host's CPUs are, where it is sampled and they decide anything."""
    ratio = None if observation.host is None else observation.host.cpu_ratio
    if ratio is not None:
        yield Measurement(ratio, f"CPU is {percent(ratio)} used on average")
