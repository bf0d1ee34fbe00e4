"""What the samples of the last minutes say, beside the newest one."""

from collections.abc import Mapping
from statistics import fmean
from typing import NamedTuple

from surge_exporter.model import UnixSeconds
from surge_exporter.scaling.decisions import Inputs, Settings
from surge_exporter.scaling.resources import CPU, RESOURCES
from surge_exporter.scaling.trend import Trend, line, points, trend

_LATE_PART = 0.25
_LEAST_LATELY = 3

Trends = Mapping[str, tuple[Trend, ...]]
"""By resource; none where too little is known."""


class Cpu(NamedTuple):
    """How busy the CPU was over the last samples."""

    mean_ratio: float
    samples: int
    is_settled: bool
    """Whether they cover the window. Those right after a change say how busy a load is."""


class Outlook(NamedTuple):
    """What samples since the last change of the model say, beside the newest one."""

    trends: Trends
    lately: Mapping[str, float]
    """How much each resource rose per second at the end of that, noise included."""
    has_arrived: bool
    """Whether the model is in memory. Until then what rises may be itself."""
    cpu: Cpu | None
    """None if CPU is to decide nothing."""


def outlook(
    inputs: Inputs,
    settings: Settings,
    *,
    changed_at: UnixSeconds,
    arrived_at: UnixSeconds | None,
) -> Outlook:
    """Return what is known of the time since a change: what was before says nothing of it."""
    thresholds = settings.thresholds
    decides = thresholds.cpu_degrade_from is not None
    cpu = mean_cpu(inputs, since=changed_at, window_seconds=thresholds.cpu_window_seconds)
    # The arrival of a model shows in memory; it is no reason to forget how busy the CPU was.
    arrival = max(changed_at, arrived_at or changed_at)
    since = {resource: changed_at if resource == CPU else arrival for resource in RESOURCES}
    return Outlook(
        trends=_trends(inputs, settings, since),
        lately=_lately(inputs, since, thresholds.lead_seconds / 2),
        has_arrived=arrived_at is not None,
        cpu=cpu if decides else None,
    )


def mean_cpu(inputs: Inputs, *, since: UnixSeconds, window_seconds: float) -> Cpu:
    """Return the mean of the newest sample and those of a window after an instant."""
    newest = inputs.sample
    after = max(since, UnixSeconds(newest.at - window_seconds))
    ratios = [newest.pressure[CPU]]
    for sample in reversed(inputs.history):
        if sample.at <= after:
            break
        if sample.at < newest.at:
            ratios.append(sample.pressure[CPU])
    known_since = max(since, inputs.history[0].at if inputs.history else newest.at)
    is_settled = newest.at - known_since >= window_seconds
    return Cpu(fmean(ratios), len(ratios), is_settled)


def _trends(inputs: Inputs, settings: Settings, since: Mapping[str, UnixSeconds]) -> Trends:
    """Return the trends of what was sampled since a change and before the newest sample.

    Beside the window's trend, the first, is that of its last quarter: a rise that began minutes
    ago bends the long line long before it lifts it.
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
                    after=max(
                        since[resource],
                        UnixSeconds(newest - part * thresholds.trend_window_seconds),
                    ),
                    before=newest,
                    least_span_seconds=thresholds.lead_seconds,
                )
            )
        )
        for resource in RESOURCES
    }


def _lately(
    inputs: Inputs, since: Mapping[str, UnixSeconds], span_seconds: float
) -> Mapping[str, float]:
    """Return the slope of the last samples; nothing of a resource with too few."""
    newest = inputs.sample.at
    found = {
        resource: points(
            inputs.history, resource, max(begun, UnixSeconds(newest - span_seconds)), newest
        )
        for resource, begun in since.items()
    }
    return {resource: line(of)[0] for resource, of in found.items() if len(of) >= _LEAST_LATELY}
