"""THE TABLE: one row per signal. Gauges, thresholds, actions, report, rules, docs come from it.

Nothing else states a threshold. To add a signal, add a row; a metric that is new goes into the
row and is exported without further edits.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
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
    Severity,
    Tuning,
    Verdict,
)
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
CHECK_FORECAST = Action("check_demand_forecast", "Check the demand forecast")
MAINTAIN = Action("maintain_current_allocation", "Maintain current allocation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One row: what is judged, from where on it is too much, and what to do then."""

    name: str
    condition: str
    """The condition in words, for the docs."""
    metric: Metric
    exceeds: Callable[[float, float], bool]
    """`gt` or `ge`: whether a value equal to the threshold counts."""
    thresholds: Mapping[Severity, float]
    parameters: Mapping[str, float] = field(default_factory=dict)
    """Further numbers that the measurement needs, configurable like the thresholds."""
    measure: Measure
    action: Action
    sets: ResourceMode | DispatchPosture | None = None
    """What the active signal changes in the verdict."""


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
        for finding in found[signal.name]:
            reasons_of.setdefault(signal.action, {})[finding.evidence] = None
    if not reasons_of:
        rate = evidence.per_hour(observation.demand.recent.requests_per_second)
        reasons_of[MAINTAIN] = {f"no signal is active at {rate} requests/h": None}
    for action, reasons in reasons_of.items():
        yield Recommendation(action.slug, f"{action.title}: {_join(tuple(reasons))}")


def _join(reasons: tuple[str, ...]) -> str:
    shown = "; ".join(reasons[:_MOST_SUBJECTS])
    rest = len(reasons) - _MOST_SUBJECTS
    return f"{shown}; and {rest} more" if rest > 0 else shown


_FAILED_CHECKS = Metric(
    name="surge_dependency_failed_checks",
    kind="gauge",
    help="Failed heartbeat checks in the recent window.",
    labels=("dependency",),
    collector="dependencies",
    read=samples.per_dependency(lambda health: health.failed_checks),
)

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
        parameters={"min_requests": 5},
        measure=evidence.caller_failures,
        action=INVESTIGATE_FAILURES,
    ),
    Signal(
        name="inference_failures",
        condition="failed inference checks in the recent window",
        metric=_FAILED_CHECKS,
        exceeds=ge,
        thresholds={Severity.WARNING: 2.0},
        measure=evidence.failed_checks(Dependency.INFERENCE, "inference"),
        action=INVESTIGATE_MODELS,
        sets=ResourceMode.SURGE,
    ),
    Signal(
        name="gitea_outages",
        condition="failed forge checks in the recent window",
        metric=_FAILED_CHECKS,
        exceeds=ge,
        thresholds={Severity.WARNING: 1.0},
        measure=evidence.failed_checks(Dependency.GITEA, "Gitea"),
        action=CACHE_FORGE,
        sets=DispatchPosture.DEGRADED,
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
    ),
)

ACTIONS: tuple[Action, ...] = (
    *dict.fromkeys(signal.action for signal in SIGNALS),
    MAINTAIN,
)
