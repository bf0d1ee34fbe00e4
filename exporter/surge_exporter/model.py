"""The nouns: values that flow from telemetry to pages, frozen, with units in their names.

Rates are requests per second, shares and ratios run from 0 to 1, instants are Unix seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, NewType

import msgspec

UnixSeconds = NewType("UnixSeconds", float)
Seconds = NewType("Seconds", float)

HOUR = Seconds(3600.0)
UNKNOWN = "unknown"
MAX_SIZE = 2**32
"""No request carries more characters or tokens; a larger number is a writer's mistake."""

Size = Annotated[int, msgspec.Meta(ge=0, le=MAX_SIZE)]
Duration = Annotated[float, msgspec.Meta(ge=0, le=1e9)]


class Source(StrEnum):
    """A kind of telemetry file."""

    REQUESTS = "requests"
    HEARTBEAT = "heartbeat"


class RejectReason(StrEnum):
    """Why a line could not become a record; a bounded vocabulary, fit for a label."""

    JSON = "json"
    NOT_OBJECT = "not_object"
    MISSING_FIELD = "missing_field"
    BAD_TIMESTAMP = "bad_timestamp"
    BAD_VALUE = "bad_value"
    TOO_LONG = "too_long"
    ENCODING = "encoding"


class OutOfWindow(StrEnum):
    """Why a good record is in neither window."""

    LATE = "late"
    FUTURE = "future"


class Dependency(StrEnum):
    """What the fleet leans on and the heartbeat checks."""

    GITEA = "gitea"
    INFERENCE = "inference"


class Severity(StrEnum):
    """How loudly a signal speaks; whether that is a page or a ticket is its row's to say."""

    WARNING = "warning"
    CRITICAL = "critical"


class ResourceMode(StrEnum):
    """Whether the fleet must be given more than usual."""

    STEADY = "steady"
    SURGE = "surge"


class DispatchPosture(StrEnum):
    """Whether work may be dispatched through the forge as usual."""

    NORMAL = "normal"
    DEGRADED = "degraded"


class DemandLevel(StrEnum):
    """Demand against its baseline, in words."""

    LOW = "low"
    NORMAL = "normal"
    ELEVATED = "elevated"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


class Request(msgspec.Struct, gc=False, kw_only=True, rename={"at": "surge-exporter:at"}):
    """One inference request, as logged; the decoder sets `at` from `timestamp`.

    `at` is renamed to a key that no telemetry has, so that no line sets it by accident.
    Sizes named `_len` are characters and never called tokens.
    """

    timestamp: str | int | float
    success: bool
    caller: str | int | None = None
    model: str | int | None = None
    prompt_len: Size | None = None
    response_len: Size | None = None
    prompt_tokens: Size | None = None
    response_tokens: Size | None = None
    completion_tokens: Size | None = None
    duration_seconds: Duration | None = None
    duration_ms: Duration | None = None
    latency_ms: Duration | None = None
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Tick:
    """One heartbeat: what its checks said. None means that the tick does not say."""

    at: UnixSeconds
    gitea: bool | None
    inference: bool | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line that could not become a record: why, and the beginning of it."""

    reason: RejectReason
    detail: str
    excerpt: str


@dataclass(frozen=True, slots=True)
class TokenVolume:
    """Tokens of some requests: logged ones where there are any, else characters / 4."""

    quarters: int
    """Four times the volume: an integer, so that running totals never drift."""
    logged: int
    """How many of the sizes summed were logged as tokens."""
    estimated: int
    """How many were characters."""

    @property
    def tokens(self) -> float:
        """The volume in tokens."""
        return self.quarters / 4

    @property
    def unit(self) -> str:
        """Say where the number comes from.

        >>> TokenVolume(quarters=10, logged=0, estimated=2).unit
        'characters/4'
        """
        if not self.logged:
            return "characters/4"
        return "mixed" if self.estimated else "tokens"


@dataclass(frozen=True, slots=True)
class WindowStats:
    """What one window counted, and how much of it telemetry covers."""

    requests: int
    span_seconds: Seconds
    covered_ratio: float
    rate_seconds: Seconds
    """The time that the rate divides by: the covered part of the span."""

    @property
    def requests_per_second(self) -> float:
        """Mean rate over the covered time; 0 where nothing is covered."""
        return self.requests / self.rate_seconds if self.rate_seconds else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The expected mean rate over the next `horizon_seconds`.

    The interval is the central 80 %; it and the track record are None while there is
    too little history to state them.
    """

    horizon_seconds: Seconds
    requests_per_second: float
    low_requests_per_second: float | None = None
    high_requests_per_second: float | None = None
    mase: float | None = None
    """Mean absolute error over that of "yesterday, the same window"."""
    coverage_ratio: float | None = None
    """How often the truth fell into the interval."""
    history_seconds: Seconds | None = None
    """How much history it was learned from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SurgeTest:
    """Demand against what season and history let expect: the verdict that pages."""

    factor: float
    z_score: float
    expected_requests_per_second: float
    confirmed: frozenset[Severity]
    surging_factor: float = 0.0
    """The highest factor over the table's threshold that stands out of chance; 0 without."""
    is_calm: bool = True
    """Whether a surge confirmed before would be over; until then it remains a warning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Demand now against the window before it."""

    horizon_seconds: Seconds
    recent: WindowStats
    baseline: WindowStats
    baseline_valid: bool
    surge_factor: float | None
    """Recent over baseline rate; None while there is no valid baseline."""
    volume: TokenVolume
    forecasts: tuple[Forecast, ...]
    """By horizon; one of them is for `horizon_seconds`."""
    surge_test: SurgeTest | None = None
    """None while there is too little history to test against."""

    @property
    def forecast(self) -> Forecast:
        """The forecast for the configured horizon."""
        return next(f for f in self.forecasts if f.horizon_seconds == self.horizon_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerDemand:
    """One caller's part in the recent window."""

    caller: str
    requests: int
    failures: int
    baseline_requests: int
    request_share: float
    volume: TokenVolume
    token_share: float
    surge_factor: float | None
    surge_test: SurgeTest | None = None
    """None but for the busiest, and while there is too little history to test against."""

    @property
    def failure_rate(self) -> float:
        """Failed part of the requests; 0 where there were none."""
        return self.failures / self.requests if self.requests else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyHealth:
    """What the heartbeat says of one dependency, over the recent window."""

    dependency: Dependency
    checks: int
    failed_checks: int
    outages: int
    """Runs of failed checks."""
    downtime_seconds: float
    up: bool | None
    """The newest check; None when there is none or it is stale."""
    last_change: UnixSeconds | None
    down_seconds: float | None
    """For how long its checks have failed without a passed one; 0 while it is up, None while
    that is not known.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLoad:
    """How much of this host is used, as a signal judges it."""

    cpu_ratio: float | None
    """The mean of the last samples; None where CPU is to decide nothing."""
    memory_ratio: float
    memory_available_bytes: int
    gpu_memory_ratio: float | None = None
    """Of the fullest GPU; None without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """All that the core concludes for one instant from the telemetry: numbers, no judgement."""

    at: UnixSeconds
    demand: Demand
    callers: tuple[CallerDemand, ...]
    """Busiest first; callers of either window."""
    dependencies: tuple[DependencyHealth, ...]
    history_start: UnixSeconds | None
    """The oldest record of either source."""
    last_record: Mapping[Source, UnixSeconds]
    stale: bool
    """No record of either source for longer than `stale_after`: unknown, not idle."""
    host: HostLoad | None = None
    """None where nobody samples it, as in reports and replays of the past."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A signal that is active: which, how loudly, on what evidence."""

    signal: str
    severity: Severity
    value: float
    threshold: float
    subject: str
    """What it speaks of, a caller or a horizon, or "" for the whole fleet."""
    evidence: str


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to do: a slug for machines and a sentence for people."""

    action: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The judgement over one observation."""

    resource_mode: ResourceMode
    dispatch_posture: DispatchPosture
    demand_level: DemandLevel
    findings: tuple[Finding, ...]
    recommendations: tuple[Recommendation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """The signals table's numbers as configured: what measurements are held against."""

    thresholds: Mapping[tuple[str, Severity], float]
    """By signal and severity."""
    parameters: Mapping[tuple[str, str], float]
    """By signal and the parameter's name."""
    batch_callers: tuple[str, ...]
    """Patterns of callers whose work can wait."""
    capacity_requests_per_second: float | None = None
