"""What readers get: one immutable snapshot, and the metrics that are read from it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from surge_exporter.model import (
    Dependency,
    HostLoad,
    Observation,
    OutOfWindow,
    Rejected,
    RejectReason,
    Seconds,
    Source,
    Tuning,
    UnixSeconds,
    Verdict,
)
from surge_exporter.scaling.decisions import Decision, Kind, State
from surge_exporter.scaling.preflight import Preflight
from surge_exporter.scaling.resources import GPU_MEMORY, MEMORY
from surge_exporter.scaling.resources import Sample as HostSample
from surge_exporter.scaling.tiers import HardwareTier, ModelSpec
from surge_exporter.scaling.trend import Trend


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesCount:
    """Requests of one (caller, model) counted since the process started."""

    caller: str
    model: str
    requests: int
    failures: int
    prompt_tokens: int | None
    """Logged tokens; None while no request of the series logged any."""
    response_tokens: int | None


@dataclass(frozen=True, slots=True)
class HistogramValue:
    """Cumulative counts by upper bound, the last one +Inf, and the sum of what was observed."""

    buckets: tuple[tuple[str, int], ...]
    total: float

    @property
    def count(self) -> int:
        """How many were observed."""
        return self.buckets[-1][1]


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTotals:
    """Counters since the process started, free of the cold-start backlog."""

    series: tuple[SeriesCount, ...]
    prompt_characters: int
    response_characters: int
    durations: Mapping[str, HistogramValue]
    label_overflows: Mapping[str, int]
    """Records folded into the overflow value, by label."""
    ticks: int
    checks: Mapping[Dependency, int]
    failed_checks: Mapping[Dependency, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """How the reading of one source goes."""

    source: Source
    up: bool
    files: int
    pending_bytes: int
    last_read: UnixSeconds | None
    lines: int
    repaired: int
    read_bytes: int
    read_errors: int
    rotations: int
    truncations: int
    skipped_bytes: int
    """NULs and holes passed over."""
    rejected: Mapping[RejectReason, int]
    out_of_window: Mapping[OutOfWindow, int]
    patterns: tuple[str, ...] = ()
    """Where its files are looked for: absolute globs."""
    directories: tuple[str, ...] = ()
    """Fingerprints of where they are, the same for whoever reads there."""


class WatchMode(StrEnum):
    """How new lines are noticed: by the kernel's word, or by looking every second."""

    INOTIFY = "inotify"
    POLL = "poll"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchStatus:
    """How well the watcher hears. `mode` is poll if one directory at least is not watched."""

    mode: WatchMode = WatchMode.POLL
    missed: int = 0
    """Times that bytes were found which nothing had announced."""
    overflows: int = 0
    rebuilds: int = 0


class StateFault(StrEnum):
    """Why a saved state is not used."""

    UNREADABLE = "unreadable"
    CORRUPT = "corrupt"
    VERSION = "version"
    TOO_OLD = "too_old"


@dataclass(frozen=True, slots=True, kw_only=True)
class StateStatus:
    """How the saving of state goes."""

    saved_at: UnixSeconds | None = None
    """None if nothing has been saved, or nothing is to be."""
    save_errors: int = 0
    rejected: Mapping[StateFault, int] = field(
        default_factory=lambda: dict.fromkeys(StateFault, 0)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExporterStatus:
    """How the exporter itself goes."""

    version: str
    revision: str
    python_version: str
    reload_successful: bool
    reload_success_at: UnixSeconds
    log_messages: Mapping[str, int]
    watch: WatchStatus = WatchStatus()
    state: StateStatus = field(default_factory=StateStatus)
    clock_jumps: int = 0
    newest_rejected: tuple[tuple[Source, Rejected], ...] = ()
    """The newest first."""


class Outcome(StrEnum):
    """What a pre-flight check was answered."""

    ALLOWED = "allowed"
    DENIED = "denied"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The answer to a pre-flight check, and how old the sample is that it goes by."""

    preflight: Preflight
    sampled_at: UnixSeconds | None
    """None if the host could not be looked at."""


class SwitchOutcome(StrEnum):
    """How a switch of models ended."""

    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReport:
    """What is known of a model server, and what was done there."""

    is_up: bool | None
    """Whether it answered when it was asked last; None if it has not been, or nobody asks."""
    loaded: tuple[str, ...] | None
    """The configured models in its memory; None where it has not said, or can't."""
    switching_to: str | None
    """The model that is being loaded."""
    switches: Mapping[tuple[Kind, SwitchOutcome], int]
    """Since the process started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus:
    """What the host has and uses, and what it should serve with."""

    sample: HostSample
    hardware_tier: HardwareTier
    tiers: tuple[str, ...]
    """Smallest first."""
    serving: ModelSpec | None
    """Or is loaded, where nobody switches; None if nobody says, or it is not in the catalogue."""
    decision: Decision | None
    """The newest; None before the first."""
    state: State
    trends: Mapping[str, Trend]
    """By resource, where there are samples enough."""
    changes: tuple[Decision, ...]
    """The last decisions that changed something, the newest first."""
    events: Mapping[Kind, int]
    """Such decisions since the process started."""
    failures: int = 0
    """Samples or decisions that failed."""
    checks: Mapping[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    """Pre-flight checks answered since the process started."""
    cpu_mean_ratio: float | None = None
    """The mean that is judged; None if CPU is to decide nothing."""
    models: ModelReport | None = None
    """None where no model server is configured."""

    @property
    def load(self) -> HostLoad:
        """What a signal judges of it."""
        pressure = self.sample.pressure
        return HostLoad(
            cpu_ratio=self.cpu_mean_ratio,
            memory_ratio=pressure[MEMORY],
            memory_available_bytes=self.sample.memory_available_bytes,
            gpu_memory_ratio=pressure.get(GPU_MEMORY),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything readers see, of one instant.

    `observation` and `verdict` are None until the windows are loaded: a partial sum would look
    like an outage or a ramp.
    """

    at: UnixSeconds
    observation: Observation | None
    verdict: Verdict | None
    tuning: Tuning
    horizon_seconds: Seconds
    totals: RawTotals
    sources: tuple[SourceStatus, ...]
    """Their lines are those since the process started, free of the cold-start backlog."""
    sources_with_history: tuple[SourceStatus, ...]
    """Their lines are all that the windows were filled from, the cold-start backlog included."""
    exporter: ExporterStatus
    host: HostStatus | None = None
    """None while nothing is sampled."""


Sample = tuple[tuple[str, ...], float | HistogramValue]
"""Label values in the order of the family's label names, and the value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The description of a metric family, as `/metrics` and the docs show it."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric(Family):
    """A family and where its samples come from. Undefined is absent: `read` yields nothing."""

    collector: str
    """The part of the scrape it belongs to; parts fail separately."""
    read: Callable[[Snapshot], Iterable[Sample]]
