"""THE TABLE: one row per signal. Gauges, thresholds, actions, report, rules, docs come from it.

Nothing else states a threshold. To add a signal, add a row; a metric that is new goes into the
row and is exported without further edits.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from operator import ge, gt

from surge_exporter.core import evidence, samples
from surge_exporter.core.evidence import Measure
from surge_exporter.core.surge import CRITICAL_SURGE_FACTOR, SURGE_FACTOR
from surge_exporter.model import (
    DemandLevel,
    Dependency,
    DispatchPosture,
    Finding,
    Observation,
    Recommendation,
    ResourceMode,
    Seconds,
    Severity,
    Tuning,
    Verdict,
)
from surge_exporter.scaling.decisions import Thresholds
from surge_exporter.snapshot import Metric

NORMAL_DEMAND_ABOVE = 1.0
"""Demand at or under its baseline is low; the levels above it are thresholds of the table."""

BATCH_CALLERS = ("*batch*", "*backfill*", "*index*", "*mining*", "*ingest*", "*sync*")

_MOST_SUBJECTS = 3


@dataclass(frozen=True, slots=True)
class Action:
    """Something an operator can do: a slug for machines, the words every text begins with."""

    slug: str
    title: str


PREWARM = Action("prewarm_local_inference", "Pre-warm local inference")
THROTTLE = Action("throttle_background_jobs", "Throttle background jobs")
INVESTIGATE_FAILURES = Action("investigate_failure_rates", "Investigate failure rates")
INVESTIGATE_MODELS = Action("investigate_model_reliability", "Investigate model reliability")
CACHE_FORGE = Action("cache_forge_state", "Cache forge state")
SWITCH_MODEL = Action("switch_to_smaller_model", "Switch to a smaller model")
CHECK_FORECAST = Action("check_demand_forecast", "Check the demand forecast")
MAINTAIN = Action("maintain_current_allocation", "Maintain current allocation")


class Agreement(StrEnum):
    """Whose word counts where several exporters watch one fleet."""

    FLEET = "fleet"
    """None of them knows all: their values are put together, and judged once."""
    HALF = "half"
    """All look at the same thing: at least half of them must say so, or it is their own way
    there that is broken.
    """
    EACH = "each"
    """Each looks at something of its own, and speaks for itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One row: what is judged, from where on it is too much, and what to do then."""

    name: str
    condition: str
    """The condition in words, for the docs."""
    metric: Metric
    matchers: Mapping[str, str] = field(default_factory=dict)
    """The label values of those of the metric's series that the row is about; empty: of all."""
    exceeds: Callable[[float, float], bool]
    """`gt` or `ge`: whether a value equal to the threshold counts."""
    thresholds: Mapping[Severity, float]
    parameters: Mapping[str, float] = field(default_factory=dict)
    """Further numbers that the measurement needs, configurable like the thresholds."""
    measure: Measure
    action: Action
    sets: ResourceMode | DispatchPosture | None = None
    """What the active signal changes in the verdict."""
    advises: bool = True
    """Whether it is a reason for its action among what the verdict recommends. What sharpens
    another row is none: that row has said it already.
    """
    agreement: Agreement = Agreement.FLEET
    most: float = math.inf
    """The highest value there can be: a threshold above it would be none."""
    for_seconds: Seconds
    """How long the signal is active before its alert fires: one odd check wakes nobody."""
    keep_firing_seconds: Seconds
    """How long the alert goes on without its signal: short breaks are one trouble, not many."""
    pages: frozenset[Severity]
    """Whose alert interrupts a person; the others are tickets, for work that can wait."""
    alert: Measure | None = None
    """What the alert goes by, where that is not what makes the signal active."""
    alert_when: str = ""
    """What is asked for on top of being active, in words, where `alert` is there."""

    @property
    def is_in_telemetry(self) -> bool:
        """Whether logs tell of it; how full a host was can't be played back."""
        return self.metric.collector != "host"

    @property
    def subject_label(self) -> str | None:
        """The metric's label that tells subjects apart; None where there is but one."""
        return next((name for name in self.metric.labels if name not in self.matchers), None)


def judge(observation: Observation, tuning: Tuning) -> Verdict:
    """Return the verdict: which signals are active, what that means, what to do."""
    found = {signal.name: tuple(_findings(signal, observation, tuning)) for signal in SIGNALS}
    effects = {signal.sets for signal in SIGNALS if found[signal.name]}
    return Verdict(
        resource_mode=(
            ResourceMode.SURGE if ResourceMode.SURGE in effects else ResourceMode.STEADY
        ),
        dispatch_posture=(
            DispatchPosture.DEGRADED
            if DispatchPosture.DEGRADED in effects
            else DispatchPosture.NORMAL
        ),
        demand_level=demand_level(observation, tuning),
        findings=tuple(finding for signal in SIGNALS for finding in found[signal.name]),
        recommendations=tuple(_recommend(found, observation)),
    )


def demand_level(observation: Observation, tuning: Tuning) -> DemandLevel:
    """Return the level of the unrounded surge factor, taken as 1 without a valid baseline."""
    factor = observation.demand.surge_factor
    if factor is None:
        return DemandLevel.LOW
    if factor > tuning.thresholds["demand_surge", Severity.CRITICAL]:
        return DemandLevel.CRITICAL
    if factor > tuning.thresholds["demand_surge", Severity.WARNING]:
        return DemandLevel.ELEVATED
    return DemandLevel.NORMAL if factor > NORMAL_DEMAND_ABOVE else DemandLevel.LOW


def surge_factors(tuning: Tuning) -> dict[str, float]:
    """Return from which factors on the seasonal test confirms a surge, by severity."""
    return {s.value: tuning.thresholds["demand_surge", s] for s in Severity}


def default_tuning() -> Tuning:
    """Return the table's own numbers."""
    return Tuning(
        thresholds={
            (signal.name, severity): threshold
            for signal in SIGNALS
            for severity, threshold in signal.thresholds.items()
        },
        parameters={
            (signal.name, name): value
            for signal in SIGNALS
            for name, value in signal.parameters.items()
        },
        batch_callers=BATCH_CALLERS,
    )


def _findings(signal: Signal, observation: Observation, tuning: Tuning) -> Iterator[Finding]:
    measurements = tuple(signal.measure(observation, tuning))
    for severity in signal.thresholds:
        threshold = tuning.thresholds[signal.name, severity]
        for measured in measurements:
            if signal.exceeds(measured.value, threshold):
                yield Finding(
                    signal=signal.name,
                    severity=severity,
                    value=measured.value,
                    threshold=threshold,
                    subject=measured.subject,
                    evidence=measured.evidence,
                )


def _recommend(
    found: Mapping[str, tuple[Finding, ...]], observation: Observation
) -> Iterator[Recommendation]:
    """One recommendation per action, in the table's order, with all the evidence for it."""
    reasons_of: dict[Action, dict[str, None]] = {}  # a dict: each reason once, in order
    for signal in SIGNALS:
        for finding in found[signal.name] if signal.advises else ():
            reasons_of.setdefault(signal.action, {})[finding.evidence] = None
    if not reasons_of:
        rate = evidence.per_hour(observation.demand.recent.requests_per_second)
        calm = "no active signal asks for more" if any(found.values()) else "no signal is active"
        reasons_of[MAINTAIN] = {f"{calm} at {rate} requests/h": None}
    for action, reasons in reasons_of.items():
        yield Recommendation(action.slug, f"{action.title}: {_join(tuple(reasons))}")


def _join(reasons: tuple[str, ...]) -> str:
    shown = "; ".join(reasons[:_MOST_SUBJECTS])
    rest = len(reasons) - _MOST_SUBJECTS
    return f"{shown}; and {rest} more" if rest > 0 else shown


def _minutes(minutes: float) -> Seconds:
    return Seconds(60.0 * minutes)


_AT_ONCE = Seconds(0.0)

_SCALER = Thresholds()
"""What the scaler acts on: the table alerts from there on, unless it is configured otherwise."""

_FAILED_CHECKS = Metric(
    name="surge_dependency_failed_checks",
    kind="gauge",
    help="Failed heartbeat checks in the recent window.",
    labels=("dependency",),
    collector="dependencies",
    read=samples.per_dependency(lambda health: health.failed_checks),
)
_DOWN_SECONDS = Metric(
    name="surge_dependency_down_seconds",
    kind="gauge",
    help="For how long checks have failed without a passed one, 0 while up; absent while there"
    " is no check or it is stale.",
    labels=("dependency",),
    collector="dependencies",
    read=samples.per_dependency(lambda health: health.down_seconds),
)
_OUTAGES = Metric(
    name="surge_dependency_outages",
    kind="gauge",
    help="Distinct outages, runs of failed checks, in the recent window.",
    labels=("dependency",),
    collector="dependencies",
    read=samples.per_dependency(lambda health: health.outages),
)
_INFERENCE = {"dependency": Dependency.INFERENCE.value}
_GITEA = {"dependency": Dependency.GITEA.value}

SIGNALS: tuple[Signal, ...] = (
    Signal(
        name="demand_surge",
        condition="recent request rate over that of the window before",
        metric=Metric(
            name="surge_factor",
            kind="gauge",
            help="Recent request rate over the baseline rate; absent without a valid baseline.",
            collector="demand",
            read=samples.surge_factor,
        ),
        exceeds=gt,
        thresholds={Severity.WARNING: SURGE_FACTOR, Severity.CRITICAL: CRITICAL_SURGE_FACTOR},
        measure=evidence.demand_surge,
        action=PREWARM,
        sets=ResourceMode.SURGE,
        for_seconds=_AT_ONCE,
        keep_firing_seconds=_minutes(120),  # its long windows may tell of a surge twice
        pages=frozenset({Severity.WARNING, Severity.CRITICAL}),
        alert=evidence.confirmed_surge,
        alert_when="once the seasonal test confirms it",
    ),
    Signal(
        name="predicted_demand",
        condition="predicted request rate over the configured capacity",
        metric=Metric(
            name="surge_predicted_capacity_ratio",
            kind="gauge",
            help="Predicted request rate over the configured capacity; absent without one.",
            collector="demand",
            read=samples.predicted_capacity_ratio,
        ),
        exceeds=gt,
        thresholds={Severity.WARNING: 1.0},
        measure=evidence.predicted_demand,
        action=PREWARM,
        for_seconds=_minutes(15),
        keep_firing_seconds=_minutes(30),
        pages=frozenset({Severity.WARNING}),
    ),
    Signal(
        name="heavy_batch",
        condition="token share of a batch caller, or of any that crowds out others",
        metric=Metric(
            name="surge_caller_token_share_ratio",
            kind="gauge",
            help="Part of the recent window's token volume that a caller used.",
            labels=("caller",),
            collector="callers",
            read=samples.per_caller(lambda caller, _: caller.token_share),
        ),
        exceeds=ge,
        thresholds={Severity.WARNING: 0.25},
        parameters={"dominant_share": 0.6, "min_callers": 3},
        measure=evidence.heavy_batch,
        action=THROTTLE,
        most=1.0,
        for_seconds=_minutes(15),
        keep_firing_seconds=_minutes(60),
        pages=frozenset(),
    ),
    Signal(
        name="caller_failures",
        condition="failure rate of a caller with enough requests",
        metric=Metric(
            name="surge_caller_failure_ratio",
            kind="gauge",
            help="Failed part of a caller's recent requests; absent while there are too few.",
            labels=("caller",),
            collector="callers",
            read=samples.per_caller(samples.failure_ratio),
        ),
        exceeds=ge,
        thresholds={Severity.WARNING: 0.2},
        parameters={"min_requests": 5, "min_failures": 5},
        measure=evidence.caller_failures,
        action=INVESTIGATE_FAILURES,
        most=1.0,
        for_seconds=_minutes(5),
        keep_firing_seconds=_minutes(15),
        pages=frozenset({Severity.WARNING}),
        alert=evidence.many_caller_failures,
        alert_when="from min_failures failures on",
    ),
    Signal(
        name="inference_failures",
        condition="failed inference checks in the recent window",
        metric=_FAILED_CHECKS,
        matchers=_INFERENCE,
        exceeds=ge,
        thresholds={Severity.WARNING: 2.0},
        measure=evidence.failed_checks(Dependency.INFERENCE, "inference"),
        action=INVESTIGATE_MODELS,
        sets=ResourceMode.SURGE,
        agreement=Agreement.EACH,
        for_seconds=_minutes(2),
        keep_firing_seconds=_minutes(10),
        pages=frozenset(),  # it tells of failures for as long as the window remembers them
    ),
    Signal(
        name="gitea_outages",
        condition="failed forge checks in the recent window",
        metric=_FAILED_CHECKS,
        matchers=_GITEA,
        exceeds=ge,
        thresholds={Severity.WARNING: 1.0},
        measure=evidence.failed_checks(Dependency.GITEA, "Gitea"),
        action=CACHE_FORGE,
        sets=DispatchPosture.DEGRADED,
        agreement=Agreement.HALF,
        for_seconds=_minutes(2),
        keep_firing_seconds=_minutes(10),
        pages=frozenset(),
    ),
    Signal(
        name="host_pressure",
        condition="used part of this host's memory, and GPU memory that is full",
        metric=Metric(
            name="surge_host_pressure_ratio",
            kind="gauge",
            help="How near a resource of the host is to its end; memory with too little left is at"
            " it, GPU memory once it is full. CPU is no such resource. Absent without the scaler.",
            labels=("resource",),
            collector="host",
            read=samples.host_pressures,
        ),
        exceeds=ge,
        thresholds={
            Severity.WARNING: _SCALER.upgrade_below,
            Severity.CRITICAL: _SCALER.degrade_from,
        },
        parameters={
            "least_available_mib": _SCALER.least_available_bytes / 1024**2,
            "gpu_full_ratio": _SCALER.gpu_degrade_from,
        },
        measure=evidence.host_pressure,
        action=SWITCH_MODEL,
        agreement=Agreement.EACH,
        most=1.0,
        for_seconds=_minutes(5),
        keep_firing_seconds=_minutes(10),
        pages=frozenset({Severity.CRITICAL}),
    ),
    Signal(
        name="host_cpu_busy",
        condition="mean used part of this host's CPUs",
        metric=Metric(
            name="surge_host_cpu_mean_ratio",
            kind="gauge",
            help="Used part of the CPUs, as the scaler judges it; the mean over"
            " scaling.thresholds.cpu_window_seconds. Absent without the scaler, and where CPU"
            " decides nothing: a GPU model is recommended, or cpu_degrade_from is null.",
            collector="host",
            read=samples.host_cpu_mean,
        ),
        exceeds=ge,
        thresholds={Severity.WARNING: _SCALER.cpu_degrade_from or math.inf},
        measure=evidence.host_cpu,
        action=SWITCH_MODEL,
        agreement=Agreement.EACH,
        most=1.0,
        for_seconds=_minutes(15),
        keep_firing_seconds=_minutes(10),
        pages=frozenset(),  # all waits a little longer, and nothing breaks
    ),
    Signal(
        name="gitea_down",
        condition="seconds for which forge checks have failed without a passed one",
        metric=_DOWN_SECONDS,
        matchers=_GITEA,
        exceeds=ge,
        thresholds={Severity.CRITICAL: 300.0},
        parameters={"min_failed_checks": 2},
        measure=evidence.down(Dependency.GITEA, "Gitea", "gitea_down"),
        action=CACHE_FORGE,
        advises=False,
        agreement=Agreement.HALF,
        for_seconds=_AT_ONCE,  # its threshold is a time already
        keep_firing_seconds=_minutes(10),
        pages=frozenset({Severity.CRITICAL}),
    ),
    Signal(
        name="inference_down",
        condition="seconds for which inference checks have failed without a passed one",
        metric=_DOWN_SECONDS,
        matchers=_INFERENCE,
        exceeds=ge,
        thresholds={Severity.CRITICAL: 300.0},
        parameters={"min_failed_checks": 2},
        measure=evidence.down(Dependency.INFERENCE, "inference", "inference_down"),
        action=INVESTIGATE_MODELS,
        advises=False,
        agreement=Agreement.EACH,
        for_seconds=_AT_ONCE,
        keep_firing_seconds=_minutes(10),
        pages=frozenset({Severity.CRITICAL}),
    ),
    Signal(
        name="gitea_flapping",
        condition="distinct outages of the forge in the recent window",
        metric=_OUTAGES,
        matchers=_GITEA,
        exceeds=ge,
        thresholds={Severity.WARNING: 4.0},
        measure=evidence.outages(Dependency.GITEA, "Gitea"),
        action=CACHE_FORGE,
        advises=False,
        agreement=Agreement.HALF,
        for_seconds=_AT_ONCE,
        keep_firing_seconds=_minutes(60),
        pages=frozenset(),
    ),
    Signal(
        name="inference_flapping",
        condition="distinct outages of inference in the recent window",
        metric=_OUTAGES,
        matchers=_INFERENCE,
        exceeds=ge,
        thresholds={Severity.WARNING: 4.0},
        measure=evidence.outages(Dependency.INFERENCE, "inference"),
        action=INVESTIGATE_MODELS,
        advises=False,
        agreement=Agreement.EACH,
        for_seconds=_AT_ONCE,
        keep_firing_seconds=_minutes(60),
        pages=frozenset(),
    ),
    Signal(
        name="forecast_error",
        condition="error of finished forecasts over that of yesterday's same window",
        metric=Metric(
            name="surge_forecast_mase",
            kind="gauge",
            help="Error of finished forecasts over that of yesterday's same window; absent until"
            " there are any.",
            labels=("horizon",),
            collector="demand",
            read=samples.per_forecast(lambda forecast: forecast.mase),
        ),
        exceeds=gt,
        thresholds={Severity.WARNING: 1.5},
        parameters={"min_history_days": 7},
        measure=evidence.forecast_error,
        action=CHECK_FORECAST,
        agreement=Agreement.EACH,
        for_seconds=_minutes(60),
        keep_firing_seconds=_minutes(180),
        pages=frozenset(),
    ),
)

ROWS: Mapping[str, Signal] = {signal.name: signal for signal in SIGNALS}

ACTIONS: tuple[Action, ...] = (
    *dict.fromkeys(signal.action for signal in SIGNALS),
    MAINTAIN,
)
