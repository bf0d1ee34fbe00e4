"""Readers of metric samples of the host and the scaler; nothing where nothing is sampled."""

from collections.abc import Callable, Iterator
from itertools import product

from surge_exporter.core.samples import Read, single
from surge_exporter.scaling.decisions import Decision, Kind
from surge_exporter.scaling.resources import Gpu
from surge_exporter.scaling.tiers import HardwareTier
from surge_exporter.snapshot import HostStatus, ModelReport, Sample, Snapshot, SwitchOutcome

_SWITCHES = (Kind.UPGRADE, Kind.DOWNGRADE, Kind.CASCADE)


def of_host(read: Callable[[HostStatus], float | None]) -> Read:
    """Return a reader of one number of the host; None leaves it out."""
    return single(lambda snapshot: read(snapshot.host) if snapshot.host else None)


def decided(read: Callable[[Decision], float]) -> Read:
    """Return a reader of one number of the newest decision."""
    return of_host(lambda host: read(host.decision) if host.decision else None)


def per_gpu(read: Callable[[Gpu], float | None]) -> Read:
    """Return a reader with a sample for each GPU; None leaves one out."""

    def samples(snapshot: Snapshot) -> Iterator[Sample]:
        for gpu in snapshot.host.sample.gpus if snapshot.host else ():
            value = read(gpu)
            if value is not None:
                yield (str(gpu.index),), value

    return samples


def host_tier(snapshot: Snapshot) -> Iterator[Sample]:
    """Read the class of the machine."""
    if snapshot.host:
        for tier in HardwareTier:
            yield (tier,), float(tier is snapshot.host.hardware_tier)


def recommended_tier(snapshot: Snapshot) -> Iterator[Sample]:
    """Read the tier to serve with, all 0 where none fits; nothing before the first decision."""
    if snapshot.host and snapshot.host.decision:
        for tier in snapshot.host.tiers:
            yield (tier,), float(tier == snapshot.host.decision.recommended)


def current_tier(snapshot: Snapshot) -> Iterator[Sample]:
    """Read the tier that serves, where that is known."""
    if snapshot.host and snapshot.host.serving:
        for tier in snapshot.host.tiers:
            yield (tier,), float(tier == snapshot.host.serving.tier)


def scaling_events(snapshot: Snapshot) -> Iterator[Sample]:
    """Read how often each kind of change was decided."""
    for kind, count in snapshot.host.events.items() if snapshot.host else ():
        yield (kind,), count


def of_server(read: Callable[[ModelReport], float | None]) -> Read:
    """Return a reader of one number of the model server; None leaves it out."""
    return of_host(lambda host: read(host.models) if host.models else None)


def loaded_models(snapshot: Snapshot) -> Iterator[Sample]:
    """Read what the model server has in memory, where it says."""
    report = snapshot.host.models if snapshot.host else None
    for model in dict.fromkeys((report and report.loaded) or ()):
        yield (model,), 1.0


def model_switches(snapshot: Snapshot) -> Iterator[Sample]:
    """Read how switches of each kind ended; all are 0 before the first, or none would be seen."""
    report = snapshot.host.models if snapshot.host else None
    if report:
        for kind, outcome in product(_SWITCHES, SwitchOutcome):
            yield (kind, outcome), report.switches.get((kind, outcome), 0)


def preflight_checks(snapshot: Snapshot) -> Iterator[Sample]:
    """Read how often each answer was given."""
    for outcome, count in snapshot.host.checks.items() if snapshot.host else ():
        yield (outcome,), count


def resource_trends(snapshot: Snapshot) -> Iterator[Sample]:
    """Read where each resource's use is going."""
    for resource, trend in snapshot.host.trends.items() if snapshot.host else ():
        yield (resource,), trend.per_second
