"""Why a smaller model is needed, and why there can be no larger one."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from surge_exporter.model import UnixSeconds
from surge_exporter.scaling.decisions import Inputs, Settings
from surge_exporter.scaling.performance import trouble
from surge_exporter.scaling.resources import CPU, GPU_MEMORY, MEMORY, RESOURCES, Sample
from surge_exporter.scaling.tiers import ModelSpec, free_bytes, is_eligible
from surge_exporter.scaling.trend import Trend, crosses_within, trend
from surge_exporter.scaling.words import gib, percent, seconds

_SPOKEN = {CPU: "CPU", MEMORY: "memory", GPU_MEMORY: "GPU memory"}

_LATE_PART = 0.25

Trends = Mapping[str, tuple[Trend, ...]]
"""By resource; none where too little is known."""


class Demand(NamedTuple):
    """Something that demands a smaller model."""

    reason: str
    of_host: bool
    """Whether moving the model from a GPU into the host would make it worse."""


def trends(inputs: Inputs, settings: Settings, *, since: UnixSeconds) -> Trends:
    """Return the trends of what was sampled since a change and before the newest sample.

    A change of the model breaks the line: what was before it says nothing of what comes. Beside
    the window's trend, the first, is that of its last quarter: a rise that began minutes ago
    bends the long line long before it lifts it.
    """
    thresholds, newest = settings.thresholds, inputs.sample.at
    return {
        resource: tuple(
            found
            for part in (1.0, _LATE_PART)
            if (
                found := trend(
                    inputs.history,
                    resource,
                    after=max(since, UnixSeconds(newest - part * thresholds.trend_window_seconds)),
                    before=newest,
                    least_span_seconds=thresholds.lead_seconds,
                )
            )
        )
        for resource in RESOURCES
    }


def demands(
    current: ModelSpec, inputs: Inputs, settings: Settings, rising: Trends
) -> list[Demand]:
    """Return all that demands a smaller model than the current one."""
    return [
        *_of_performance(current, inputs, settings),
        *(_of_gpu(inputs, settings, rising) if current.needs_gpu else ()),
        *_of_memory(inputs.sample, settings),
        *_of_host(current, inputs, settings, rising),
    ]


def obstacles(
    spec: ModelSpec,
    loaded: ModelSpec | None,
    inputs: Inputs,
    settings: Settings,
    rising: Trends,
) -> Iterator[str]:
    """Yield each reason why a larger model should not be loaded."""
    limit = settings.thresholds.upgrade_below
    pressure = inputs.sample.pressure
    for resource in (CPU, MEMORY):
        if pressure[resource] >= limit:
            used = percent(pressure[resource])
            yield f"{_SPOKEN[resource]} is {used} used, not under {percent(limit)}"
        elif said := _crossing(resource, inputs, settings, rising, limit):
            yield said
    yield from poor_performance(spec, inputs, settings)
    if inputs.surge_predicted:
        yield f"a surge is predicted, and {spec.name} is slower ({spoken(inputs.sample)})"
    yield from misfit(spec, loaded, inputs.sample, settings)
    yield from _overfilling(spec, loaded, inputs.sample, settings)


def misfit(
    spec: ModelSpec, loaded: ModelSpec | None, sample: Sample, settings: Settings
) -> Iterator[str]:
    """Yield why a model does not fit, if it does not."""
    margin = settings.thresholds.margin_ratio
    fits = is_eligible(spec, sample, loaded=loaded, margin_ratio=margin)
    if not fits.ok:
        yield fits.reason


def spoken(sample: Sample) -> str:
    """Return the pressure, resource by resource."""
    return ", ".join(f"{_SPOKEN[r]} {percent(ratio)}" for r, ratio in sample.pressure.items())


def _of_performance(current: ModelSpec, inputs: Inputs, settings: Settings) -> Iterator[Demand]:
    for reason in poor_performance(current, inputs, settings):
        yield Demand(reason, of_host=False)


def poor_performance(spec: ModelSpec, inputs: Inputs, settings: Settings) -> Iterator[str]:
    """Yield why a model does too badly, if that is known of it."""
    known = inputs.performance.get(spec.name)
    if known is not None and (said := trouble(known, settings.limits)):
        yield said


def _of_gpu(inputs: Inputs, settings: Settings, rising: Trends) -> Iterator[Demand]:
    if inputs.sample.gpus:
        limit = settings.thresholds.gpu_degrade_from
        yield from _at_or_towards((GPU_MEMORY,), limit, inputs, settings, rising)


def _of_host(
    current: ModelSpec, inputs: Inputs, settings: Settings, rising: Trends
) -> Iterator[Demand]:
    """A smaller model on a GPU frees no CPU, so CPU demands none there."""
    limit = settings.thresholds.degrade_from
    resources = (MEMORY,) if current.needs_gpu else (MEMORY, CPU)
    yield from _at_or_towards(resources, limit, inputs, settings, rising)


def _of_memory(sample: Sample, settings: Settings) -> Iterator[Demand]:
    available, least = sample.memory_available_bytes, settings.thresholds.least_available_bytes
    if available < least:
        yield Demand(f"{gib(available)} of memory are available, under {gib(least)}", of_host=True)


def _at_or_towards(
    resources: Iterable[str],
    limit: float,
    inputs: Inputs,
    settings: Settings,
    rising: Trends,
) -> Iterator[Demand]:
    for resource in resources:
        if demand := _over(resource, inputs.sample, limit):
            yield demand
        elif said := _crossing(resource, inputs, settings, rising, limit):
            yield Demand(said, of_host=resource != GPU_MEMORY)


def _over(resource: str, sample: Sample, limit: float) -> Demand | None:
    ratio = sample.pressure[resource]
    if ratio < limit:
        return None
    said = f"{_SPOKEN[resource]} is {percent(ratio)} used, {percent(limit)} or more"
    return Demand(said, of_host=resource != GPU_MEMORY)


def _crossing(
    resource: str, inputs: Inputs, settings: Settings, rising: Trends, limit: float
) -> str | None:
    """Return what a trend says that will cross the limit soon, if one does."""
    thresholds, level = settings.thresholds, inputs.sample.pressure.get(resource)
    lead, deviations = thresholds.lead_seconds, thresholds.trend_deviations
    if level is None or not rising.get(resource):
        return None
    steepest = max(rising[resource], key=lambda found: found.at_least(deviations))
    if not crosses_within(steepest, level, limit, lead_seconds=lead, deviations=deviations):
        return None
    slowly = 60.0 * steepest.at_least(deviations)
    return (
        f"{_SPOKEN[resource]} is {percent(level)} used and rises by"
        f" {100 * slowly:.2g} points a minute or more: {percent(limit)} within {seconds(lead)}"
    )


def _overfilling(
    spec: ModelSpec, loaded: ModelSpec | None, sample: Sample, settings: Settings
) -> Iterator[str]:
    """Yield how full the host's memory would be with a model, if that is too full."""
    if spec.needs_gpu:
        return
    thresholds = settings.thresholds
    held = loaded.memory_bytes if loaded is not None and not loaded.needs_gpu else 0
    needed = spec.memory_bytes * (1.0 + thresholds.margin_ratio)
    left = free_bytes(spec, sample, held=held) - needed
    used = 1.0 - left / sample.memory_total_bytes if sample.memory_total_bytes else 1.0
    if used >= thresholds.upgrade_below:
        limit = percent(thresholds.upgrade_below)
        yield f"with {spec.name} memory would be {percent(used)} used, not under {limit}"
    elif left < thresholds.least_available_bytes:
        least = gib(thresholds.least_available_bytes)
        yield f"with {spec.name} {gib(max(0.0, left))} of memory would be left, under {least}"
