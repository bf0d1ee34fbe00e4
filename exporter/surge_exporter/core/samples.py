"""Readers of metric samples from a snapshot. Undefined is absent: they yield nothing."""

from collections.abc import Callable, Iterable, Iterator

from surge_exporter.core import evidence
from surge_exporter.core.evidence import horizon_label, is_batch
from surge_exporter.core.series import OTHER
from surge_exporter.model import (
    CallerDemand,
    DemandLevel,
    DependencyHealth,
    Forecast,
    Observation,
    Severity,
    SurgeTest,
    Verdict,
)
from surge_exporter.snapshot import Sample, SeriesCount, Snapshot, SourceStatus

Read = Callable[[Snapshot], Iterator[Sample]]


def single(read: Callable[[Snapshot], float | None]) -> Read:
    """Return a reader of one sample without labels; None leaves it out."""

    def samples(snapshot: Snapshot) -> Iterator[Sample]:
        value = read(snapshot)
        if value is not None:
            yield (), value

    return samples


def observed(read: Callable[[Observation], float | None]) -> Read:
    """Return a reader of one number of the observation; None leaves it out."""
    return single(lambda snapshot: read(snapshot.observation) if snapshot.observation else None)


def states(values: Iterable[str], current: Callable[[Observation, Verdict], str]) -> Read:
    """Return a reader of an enum: 1 for the current state, 0 for every other."""

    def samples(snapshot: Snapshot) -> Iterator[Sample]:
        if snapshot.observation and snapshot.verdict:
            state = current(snapshot.observation, snapshot.verdict)
            for value in values:
                yield (value,), float(value == state)

    return samples


def per_caller(read: Callable[[CallerDemand, Snapshot], float | None]) -> Read:
    """Return a reader with a sample for each caller; None leaves a caller out."""

    def samples(snapshot: Snapshot) -> Iterator[Sample]:
        for caller in snapshot.observation.callers if snapshot.observation else ():
            value = read(caller, snapshot)
            if value is not None:
                yield (caller.caller,), value

    return samples


def per_dependency(read: Callable[[DependencyHealth], float | None]) -> Read:
    """Return a reader with a sample for each dependency; None leaves a dependency out."""

    def samples(snapshot: Snapshot) -> Iterator[Sample]:
        for health in snapshot.observation.dependencies if snapshot.observation else ():
            value = read(health)
            if value is not None:
                yield (health.dependency,), value

    return samples


def per_source(read: Callable[[SourceStatus], float | None]) -> Read:
    """Return a reader with a sample for each source; None leaves a source out."""

    def samples(snapshot: Snapshot) -> Iterator[Sample]:
        for source in snapshot.sources:
            value = read(source)
            if value is not None:
                yield (source.source,), value

    return samples


def per_series(read: Callable[[SeriesCount], float]) -> Read:
    """Return a reader with a sample for each (caller, model) counted since the start."""

    def samples(snapshot: Snapshot) -> Iterator[Sample]:
        for series in snapshot.totals.series:
            yield (series.caller, series.model), read(series)

    return samples


def surge_factor(snapshot: Snapshot) -> Iterator[Sample]:
    """Read the raw ratio, where there is a valid baseline."""
    if snapshot.observation and snapshot.observation.demand.surge_factor is not None:
        yield (), snapshot.observation.demand.surge_factor


def per_forecast(read: Callable[[Forecast], float | None]) -> Read:
    """Return a reader with a sample for each forecast horizon; None leaves one out."""

    def samples(snapshot: Snapshot) -> Iterator[Sample]:
        observation = snapshot.observation
        if observation is None or observation.history_start is None:
            return
        for forecast in observation.demand.forecasts:
            value = read(forecast)
            if value is not None:
                yield (horizon_label(forecast.horizon_seconds),), value

    return samples


def tested(read: Callable[[SurgeTest], float]) -> Read:
    """Return a reader of the seasonal surge test; nothing where there is no test yet."""

    def number(observation: Observation) -> float | None:
        test = observation.demand.surge_test
        return None if test is None else read(test)

    return observed(number)


def confirmed(snapshot: Snapshot) -> Iterator[Sample]:
    """Read for each severity whether the seasonal test confirms a surge."""
    test = snapshot.observation.demand.surge_test if snapshot.observation else None
    if test is not None:
        for severity in Severity:
            yield (severity,), float(severity in test.confirmed)


def tested_caller(
    read: Callable[[SurgeTest], float],
) -> Callable[[CallerDemand, Snapshot], float | None]:
    """Return a reader of one caller's surge test; None where there is no test."""
    return lambda caller, _: None if caller.surge_test is None else read(caller.surge_test)


def caller_confirmed(snapshot: Snapshot) -> Iterator[Sample]:
    """Read for each tested caller and severity whether a surge is confirmed."""
    for caller in snapshot.observation.callers if snapshot.observation else ():
        if caller.surge_test is not None:
            for severity in Severity:
                yield (caller.caller, severity), float(severity in caller.surge_test.confirmed)


def predicted_capacity_ratio(snapshot: Snapshot) -> Iterator[Sample]:
    """Read the predicted rate as a part of the capacity, where one is configured."""
    capacity = snapshot.tuning.capacity_requests_per_second
    if snapshot.observation and capacity is not None:
        yield (), snapshot.observation.demand.forecast.requests_per_second / capacity


def failure_ratio(caller: CallerDemand, snapshot: Snapshot) -> float | None:
    """Read a caller's failure rate, where it has enough requests to have one."""
    least = snapshot.tuning.parameters["caller_failures", "min_requests"]
    return caller.failure_rate if caller.requests and caller.requests >= least else None


def waits(caller: CallerDemand, snapshot: Snapshot) -> float | None:
    """Read whether a caller's work can wait; None where it has none, or is many callers."""
    if not caller.requests or caller.caller == OTHER:
        return None
    return float(is_batch(caller.caller, snapshot.tuning.batch_callers))


def known_level(observation: Observation, verdict: Verdict) -> DemandLevel:
    """Return the demand level, unknown where there is nothing to compare or to go by."""
    if observation.stale or not observation.demand.baseline_valid:
        return DemandLevel.UNKNOWN
    return verdict.demand_level


def tokens(snapshot: Snapshot) -> Iterator[Sample]:
    """Read logged tokens by caller, model and direction; nothing where none were logged."""
    for series in snapshot.totals.series:
        for direction, count in (
            ("prompt", series.prompt_tokens),
            ("response", series.response_tokens),
        ):
            if count is not None:
                yield (series.caller, series.model, direction), count


def thresholds(snapshot: Snapshot) -> Iterator[Sample]:
    """Read every threshold of the signals table, as configured."""
    yield from snapshot.tuning.thresholds.items()


def parameters(snapshot: Snapshot) -> Iterator[Sample]:
    """Read the further numbers of the signals table, as configured."""
    yield from snapshot.tuning.parameters.items()


def directories(snapshot: Snapshot) -> Iterator[Sample]:
    """Read the fingerprint of each directory that a source is read from."""
    for source in snapshot.sources:
        for fingerprint in source.directories:
            yield (source.source, fingerprint), 1.0


def active_signals(snapshot: Snapshot) -> Iterator[Sample]:
    """Read for every level of every signal whether it is active."""
    if snapshot.verdict:
        active = {(finding.signal, finding.severity) for finding in snapshot.verdict.findings}
        for key in snapshot.tuning.thresholds:
            yield key, float(key in active)


def host_pressures(snapshot: Snapshot) -> Iterator[Sample]:
    """Read the pressure on each resource of the host, where it is sampled."""
    host = snapshot.observation.host if snapshot.observation else None
    if host is not None:
        for resource, pressure in evidence.host_pressures(host, snapshot.tuning).items():
            yield (resource,), pressure


def host_cpu_mean(snapshot: Snapshot) -> Iterator[Sample]:
    """Read how busy the CPUs are on average, where that decides anything."""
    host = snapshot.observation.host if snapshot.observation else None
    if host is not None and host.cpu_ratio is not None:
        yield (), host.cpu_ratio
