"""Why a smaller model is needed, and why there can be no larger one."""

from collections.abc import Iterator
from typing import NamedTuple

from surge_exporter.scaling.decisions import Inputs, Settings, Thresholds
from surge_exporter.scaling.outlook import Outlook
from surge_exporter.scaling.performance import trouble
from surge_exporter.scaling.resources import CPU, GPU_MEMORY, MEMORY, Sample
from surge_exporter.scaling.tiers import Held, ModelSpec, free_bytes, is_eligible
from surge_exporter.scaling.trend import crosses_within
from surge_exporter.scaling.words import counted, gib, percent, seconds

_SPOKEN = {CPU: "CPU", MEMORY: "memory", GPU_MEMORY: "GPU memory"}


class Demand(NamedTuple):
    """Something that demands a smaller model."""

    reason: str
    of_host: bool
    """Whether moving the model from a GPU into the host would make it worse."""


def demands(
    current: ModelSpec, inputs: Inputs, settings: Settings, known: Outlook
) -> list[Demand]:
    """Return all that demands a smaller model than the current one."""
    thresholds = settings.thresholds
    return [
        *_of_performance(current, inputs, settings),
        *(_of_gpu(inputs, thresholds, known) if current.needs_gpu else ()),
        *_of_available(inputs.sample, thresholds),
        *_of_memory(inputs, thresholds, known),
        # A smaller model on a GPU frees no CPU.
        *(_of_cpu(thresholds, known) if not current.needs_gpu else ()),
    ]


def obstacles(inputs: Inputs, settings: Settings, known: Outlook) -> Iterator[str]:
    """Yield each reason why no larger model at all should be loaded."""
    thresholds = settings.thresholds
    limit, memory = thresholds.upgrade_below, inputs.sample.memory_ratio
    if known.cpu is not None and known.cpu.is_settled:
        yield from _not_under(CPU, known.cpu.mean_ratio, limit, thresholds, known)
    yield from _not_under(MEMORY, memory, limit, thresholds, known)


def obstacles_to(
    spec: ModelSpec, inputs: Inputs, settings: Settings, *, held: Held, in_memory: bool
) -> Iterator[str]:
    """Yield each reason why this one should not."""
    yield from poor_performance(spec, inputs, settings)
    if inputs.surge_predicted:
        yield f"a surge is predicted, and {spec.name} is slower ({spoken(inputs.sample)})"
    if not in_memory:
        yield from misfit(spec, held, inputs.sample, settings)
        limit = settings.thresholds.upgrade_below
        yield from overfilling(spec, held, inputs.sample, settings, limit)


def misfit(spec: ModelSpec, held: Held, sample: Sample, settings: Settings) -> Iterator[str]:
    """Yield why a model does not fit, if it does not."""
    margin = settings.thresholds.margin_ratio
    fits = is_eligible(spec, sample, held=held, margin_ratio=margin)
    if not fits.ok:
        yield fits.reason


def spoken(sample: Sample) -> str:
    """Return the pressure, resource by resource."""
    return ", ".join(f"{_SPOKEN[r]} {percent(ratio)}" for r, ratio in sample.pressure.items())


def poor_performance(spec: ModelSpec, inputs: Inputs, settings: Settings) -> Iterator[str]:
    """Yield why a model does too badly, if that is known of it."""
    known = inputs.performance.get(spec.name)
    if known is not None and (said := trouble(known, settings.limits)):
        yield said


def _of_performance(current: ModelSpec, inputs: Inputs, settings: Settings) -> Iterator[Demand]:
    for reason in poor_performance(current, inputs, settings):
        yield Demand(reason, of_host=False)


def _of_gpu(inputs: Inputs, thresholds: Thresholds, known: Outlook) -> Iterator[Demand]:
    if inputs.sample.gpus:
        level = inputs.sample.pressure[GPU_MEMORY]
        limit = thresholds.gpu_degrade_from
        for said in _at_or_towards(GPU_MEMORY, level, limit, thresholds, known):
            yield Demand(said, of_host=False)


def _of_available(sample: Sample, thresholds: Thresholds) -> Iterator[Demand]:
    available, least = sample.memory_available_bytes, thresholds.least_available_bytes
    if available < least:
        yield Demand(f"{gib(available)} of memory are available, under {gib(least)}", of_host=True)


def _of_memory(inputs: Inputs, thresholds: Thresholds, known: Outlook) -> Iterator[Demand]:
    level, limit = inputs.sample.memory_ratio, thresholds.degrade_from
    for said in _at_or_towards(MEMORY, level, limit, thresholds, known):
        yield Demand(said, of_host=True)


def _of_cpu(thresholds: Thresholds, known: Outlook) -> Iterator[Demand]:
    cpu, limit = known.cpu, thresholds.cpu_degrade_from
    if cpu is None or limit is None or not cpu.is_settled:
        return
    for said in _at_or_towards(CPU, cpu.mean_ratio, limit, thresholds, known):
        yield Demand(f"{said} (mean of {counted(cpu.samples, 'sample')})", of_host=True)


def _at_or_towards(
    resource: str, level: float, limit: float, thresholds: Thresholds, known: Outlook
) -> Iterator[str]:
    if level >= limit:
        yield f"{_SPOKEN[resource]} is {percent(level)} used, {percent(limit)} or more"
    elif known.has_arrived or resource == CPU:
        yield from _crossing(resource, level, limit, thresholds, known)


def _not_under(
    resource: str, level: float, limit: float, thresholds: Thresholds, known: Outlook
) -> Iterator[str]:
    if level >= limit:
        yield f"{_SPOKEN[resource]} is {percent(level)} used, not under {percent(limit)}"
    else:
        yield from _crossing(resource, level, limit, thresholds, known)


def _crossing(
    resource: str, level: float, limit: float, thresholds: Thresholds, known: Outlook
) -> Iterator[str]:
    """Yield what a trend says that will cross the limit soon, if one does and still goes on.

    A line through one large step rises as well, for minutes: so the end of it has to, too.
    """
    lead, deviations = thresholds.lead_seconds, thresholds.trend_deviations
    rising = known.trends.get(resource)
    if not rising:
        return
    steepest = max(rising, key=lambda found: found.at_least(deviations))
    slowly = steepest.at_least(deviations)
    if known.lately.get(resource, slowly) < slowly / 2:
        return
    if crosses_within(steepest, level, limit, lead_seconds=lead, deviations=deviations):
        yield (
            f"{_SPOKEN[resource]} is {percent(level)} used and rises by"
            f" {100 * 60.0 * slowly:.2g} points a minute or more: {percent(limit)} within"
            f" {seconds(lead)}"
        )


def overfilling(
    spec: ModelSpec, held: Held, sample: Sample, settings: Settings, limit: float
) -> Iterator[str]:
    """Yield how full the host's memory would be with a model, if that is too full."""
    if spec.needs_gpu:
        return
    thresholds = settings.thresholds
    needed = spec.memory_bytes * (1.0 + thresholds.margin_ratio)
    left = free_bytes(sample, on_gpu=False, held=held.on(gpu=False)) - needed
    used = 1.0 - left / sample.memory_total_bytes if sample.memory_total_bytes else 1.0
    if used >= limit:
        said = f"with {spec.name} memory would be {percent(used)} used"
        yield f"{said}, not under {percent(limit)}"
    elif left < thresholds.least_available_bytes:
        least = gib(thresholds.least_available_bytes)
        yield f"with {spec.name} {gib(max(0.0, left))} of memory would be left, under {least}"
