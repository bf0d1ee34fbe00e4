"""The host on the status page: what it uses, which tier it should serve with, and why."""

from collections.abc import Iterator

from surge_exporter.model import HOUR
from surge_exporter.scaling.decisions import Decision
from surge_exporter.scaling.resources import CPU, GPU_MEMORY, MEMORY
from surge_exporter.snapshot import HostStatus, ModelReport, Snapshot
from surge_exporter.web.markup import NOTHING, Html, join, tag
from surge_exporter.web.parts import (
    NONE,
    NUMBER,
    ROOMY,
    Column,
    bar,
    moment,
    percent,
    section,
    size,
    table,
)

_SHOWN_CHANGES = 5
_CALM_PER_HOUR = 0.005  # what rounds to no percent an hour is going nowhere


def host(snapshot: Snapshot) -> Html:
    """Return the section, or nothing where no host is watched."""
    found = snapshot.host
    if found is None:
        return NOTHING
    columns = (
        Column("Resource"),
        Column("Used", ROOMY),
        Column("Share", NUMBER),
        Column("Of", ROOMY),
        Column("Per hour", NUMBER),
    )
    parts = (
        tag("p", *_advice(found), class_="note"),
        _server(found.models),
        table("Resources", columns, _resources(found)),
        _changes(found),
    )
    return section("host", "Host", *parts, class_="card")


def _advice(found: HostStatus) -> Iterator[str]:
    """Yield the sentence that says what to serve with; ages are by the host's own clock."""
    yield f"A {found.hardware_tier.replace('_', '-')} machine. "
    decision = found.decision
    if decision is None:
        yield "Nothing is recommended yet."
        return
    if decision.recommended is None:
        yield tag("b", "No tier fits")
    else:
        yield "Recommended: "
        yield tag("b", decision.recommended)
        if decision.model not in {None, decision.recommended}:
            yield f" ({decision.model})"
    if found.serving is not None and found.serving.tier != decision.recommended:
        yield f", while {found.serving.name} is in use"
    yield f": {decision.reason}."


def _server(report: ModelReport | None) -> Html:
    """Return what is known of the model server, or nothing where that is nothing."""
    said = " ".join(_of_server(report)) if report is not None else ""
    return tag("p", said, class_="note") if said else NOTHING


def _of_server(report: ModelReport) -> Iterator[str]:
    if report.is_up is False:
        yield "The model server does not answer."
    elif report.loaded is not None:
        yield f"Loaded: {', '.join(report.loaded) or 'none of its models'}."
    if report.switching_to is not None:
        yield f"{report.switching_to} is being loaded."


def _resources(found: HostStatus) -> Iterator[tuple[str, ...]]:
    sample = found.sample
    yield _row("CPU", sample.pressure[CPU], f"{sample.cpus:g} CPUs", found, CPU)
    memory = size(sample.memory_total_bytes)
    yield _row("Memory", sample.memory_ratio, memory, found, MEMORY)
    if sample.swap_used_bytes:
        share = sample.swap_used_bytes / max(1, sample.swap_total_bytes)
        yield _row("Swap", share, size(sample.swap_total_bytes), found, None)
    for gpu in sample.gpus:
        memory = size(gpu.memory_total_bytes)
        yield _row(f"GPU {gpu.index} memory", gpu.memory_ratio, memory, found, GPU_MEMORY)
        if gpu.utilization_ratio is not None:
            yield _row(f"GPU {gpu.index} busy", gpu.utilization_ratio, "the time", found, None)


def _row(
    name: str, share: float, whole: str, found: HostStatus, resource: str | None
) -> tuple[str, ...]:
    trend = found.trends.get(resource or "")
    hourly = None if trend is None else HOUR * trend.per_second
    return name, bar(share), percent(share), whole, _signed(hourly)


def _signed(hourly: float | None) -> str:
    if hourly is None:
        return NONE
    return "steady" if abs(hourly) < _CALM_PER_HOUR else f"{hourly:+.0%}"


def _changes(found: HostStatus) -> Html:
    if not found.changes:
        return NOTHING
    columns = (Column("Decision"), Column("Tier"), Column("When", NUMBER), Column("Why", "line"))
    rows = (_change(change, found) for change in found.changes[:_SHOWN_CHANGES])
    return table("Last decisions", columns, rows)


def _change(change: Decision, found: HostStatus) -> tuple[str, ...]:
    return (
        change.kind.value,
        join([change.current or NONE, " → ", change.recommended or NONE]),
        moment(change.at, found.sample.at),
        change.reason,
    )
