"""Builds snapshots for tests: a surge as it happens, any part of which can be overridden."""

from dataclasses import replace
from typing import Any

from surge_exporter.model import (
    CallerDemand,
    Demand,
    Dependency,
    DependencyHealth,
    Forecast,
    Observation,
    OutOfWindow,
    Rejected,
    RejectReason,
    Seconds,
    Severity,
    Source,
    SurgeTest,
    TokenVolume,
    UnixSeconds,
    WindowStats,
)
from surge_exporter.scaling.decisions import Decision, Kind, State
from surge_exporter.scaling.resources import GIB, Gpu
from surge_exporter.scaling.resources import Sample as HostSample
from surge_exporter.scaling.tiers import DEFAULT_CATALOGUE, hardware_tier
from surge_exporter.scaling.trend import Trend
from surge_exporter.signals import default_tuning, judge
from surge_exporter.snapshot import (
    ExporterStatus,
    HistogramValue,
    HostStatus,
    ModelReport,
    Outcome,
    RawTotals,
    SeriesCount,
    Snapshot,
    SourceStatus,
    SwitchOutcome,
)

NOW = UnixSeconds(1_774_818_251.0)
"""2026-03-29T21:04:11Z."""
HORIZON = Seconds(6 * 3600.0)
DAY = 86_400.0

_CALLERS = (
    # caller, requests, failures, baseline requests, tokens
    ("heartbeat_tick", 720, 3, 720, 236_000),
    ("issue_triage", 491, 11, 212, 301_000),
    ("nightly_batch", 312, 2, 0, 642_000),
    ("code_review", 268, 67, 171, 214_000),
    ("chat_gateway", 121, 1, 104, 92_000),
    ("doc_index", 57, 0, 49, 61_000),
    ("release_notes", 26, 0, 18, 19_000),
    ("loop_research", 12, 1, 12, 5_500),
)


def snapshot(**overrides: Any) -> Snapshot:
    """Return a surge with its verdict; `observation=None` makes it one that is still loading."""
    observed: Observation | None = overrides.pop("observation", observation())
    tuning = overrides.pop("tuning", default_tuning())
    sampled: HostStatus | None = overrides.pop("host", host())
    if observed is not None:
        observed = replace(observed, host=sampled.load if sampled else None)
    whole = Snapshot(
        at=NOW,
        observation=observed,
        verdict=judge(observed, tuning) if observed else None,
        tuning=tuning,
        horizon_seconds=HORIZON,
        totals=totals(),
        sources=(source(Source.REQUESTS), source(Source.HEARTBEAT, files=1, lines=361)),
        sources_with_history=(
            source(Source.REQUESTS, lines=52_310),
            source(Source.HEARTBEAT, files=1, lines=9_204),
        ),
        exporter=exporter(),
        host=sampled,
    )
    return replace(whole, **overrides)


def observation(**overrides: Any) -> Observation:
    """Return what the core concludes of a surge: 1.56 times the window before."""
    whole = Observation(
        at=NOW,
        demand=demand(),
        callers=callers(),
        dependencies=(
            health(
                Dependency.GITEA,
                failed_checks=9,
                outages=1,
                downtime_seconds=540.0,
                last_change=UnixSeconds(NOW - 5_040),
            ),
            health(Dependency.INFERENCE),
        ),
        history_start=UnixSeconds(NOW - 14 * DAY),
        last_record={
            Source.REQUESTS: UnixSeconds(NOW - 4),
            Source.HEARTBEAT: UnixSeconds(NOW - 51),
        },
        stale=False,
    )
    return replace(whole, **overrides)


def demand(**overrides: Any) -> Demand:
    """Return demand that is 1.56 times that of the window before, confirmed by its season."""
    requests = sum(row[1] for row in _CALLERS)
    baseline = sum(row[3] for row in _CALLERS)
    whole = Demand(
        horizon_seconds=HORIZON,
        recent=window(requests),
        baseline=window(baseline),
        baseline_valid=True,
        surge_factor=requests / baseline,
        volume=volume(sum(row[4] for row in _CALLERS)),
        forecasts=(
            forecast(1, 402.0, 331.0, 476.0),
            forecast(6, 367.0, 296.0, 452.0),
            forecast(24, 281.0, 209.0, 370.0),
        ),
        surge_test=SurgeTest(
            factor=1.72,
            z_score=4.4,
            expected_requests_per_second=196.0 / 3600,
            confirmed=frozenset({Severity.WARNING}),
        ),
    )
    return replace(whole, **overrides)


def window(requests: int, covered_ratio: float = 1.0) -> WindowStats:
    """Return a window of the usual length."""
    covered = Seconds(HORIZON * covered_ratio)
    return WindowStats(requests, HORIZON, covered_ratio, covered)


def forecast(hours: float, rate: float, low: float, high: float) -> Forecast:
    """Return a forecast from rates in requests per hour."""
    return Forecast(
        horizon_seconds=Seconds(hours * 3600.0),
        requests_per_second=rate / 3600,
        low_requests_per_second=low / 3600,
        high_requests_per_second=high / 3600,
        mase=0.71,
        coverage_ratio=0.83,
    )


def volume(tokens: int) -> TokenVolume:
    """Return a volume that was logged as tokens."""
    return TokenVolume(quarters=4 * tokens, logged=2, estimated=0)


def callers() -> tuple[CallerDemand, ...]:
    """Return the callers of a surge: a batch job that is heavy, a reviewer that fails."""
    requests = sum(row[1] for row in _CALLERS)
    tokens = sum(row[4] for row in _CALLERS)
    return tuple(
        caller(
            name,
            requests=count,
            failures=failures,
            baseline_requests=before,
            request_share=count / requests,
            volume=volume(used),
            token_share=used / tokens,
            surge_factor=count / (before or 1),
        )
        for name, count, failures, before, used in _CALLERS
    )


def caller(name: str, **overrides: Any) -> CallerDemand:
    """Return a caller of no note."""
    whole = CallerDemand(
        caller=name,
        requests=10,
        failures=0,
        baseline_requests=10,
        request_share=0.1,
        volume=volume(1_000),
        token_share=0.1,
        surge_factor=1.0,
    )
    return replace(whole, **overrides)


def health(dependency: Dependency, **overrides: Any) -> DependencyHealth:
    """Return a dependency that has been up all the time."""
    whole = DependencyHealth(
        dependency=dependency,
        checks=360,
        failed_checks=0,
        outages=0,
        downtime_seconds=0.0,
        up=True,
        last_change=UnixSeconds(NOW - 3 * DAY),
        down_seconds=0.0,
    )
    return replace(whole, **overrides)


def source(kind: Source, **overrides: Any) -> SourceStatus:
    """Return a source that is being read without trouble."""
    whole = SourceStatus(
        source=kind,
        up=True,
        files=2,
        pending_bytes=0,
        last_read=NOW,
        lines=2_007,
        repaired=0,
        read_bytes=412_000,
        read_errors=0,
        rotations=1,
        truncations=0,
        skipped_bytes=0,
        rejected=dict.fromkeys(RejectReason, 0),
        out_of_window=dict.fromkeys(OutOfWindow, 0),
        patterns=(f"/srv/fleet/{kind}/*.jsonl",),
        directories=("3f0c9a7b21de",),
    )
    return replace(whole, **overrides)


def totals() -> RawTotals:
    """Return counters of a process that started a while ago."""
    return RawTotals(
        series=(
            SeriesCount(
                caller="issue_triage",
                model="hermes4:14b",
                requests=41,
                failures=1,
                prompt_tokens=18_400,
                response_tokens=5_100,
            ),
        ),
        prompt_characters=73_600,
        response_characters=20_400,
        durations={"hermes4:14b": HistogramValue((("1.0", 12), ("+Inf", 41)), 61.5)},
        label_overflows={"caller": 0, "model": 0},
        ticks=30,
        checks=dict.fromkeys(Dependency, 30),
        failed_checks=dict.fromkeys(Dependency, 0),
    )


def exporter(**overrides: Any) -> ExporterStatus:
    """Return an exporter that is well."""
    whole = ExporterStatus(
        version="0.1.0",
        revision="4f1c0de",
        python_version="3.12.3",
        reload_successful=True,
        reload_success_at=UnixSeconds(NOW - 7_200),
        log_messages={"info": 12, "warning": 1, "error": 0},
    )
    return replace(whole, **overrides)


def host(**overrides: Any) -> HostStatus:
    """Return a box with a GPU of 24 GiB that was short of memory a minute ago."""
    sample = HostSample(
        at=UnixSeconds(NOW - 1),
        cpu_ratio=0.34,
        memory_total_bytes=32 * GIB,
        memory_available_bytes=9 * GIB,
        swap_total_bytes=8 * GIB,
        load_per_cpu=0.6,
        cpus=16.0,
        gpus=(
            Gpu(
                index=0,
                memory_total_bytes=24 * GIB,
                memory_used_bytes=9 * GIB,
                utilization_ratio=0.81,
            ),
        ),
    )
    whole = HostStatus(
        sample=sample,
        hardware_tier=hardware_tier(sample),
        tiers=DEFAULT_CATALOGUE.tiers,
        serving=DEFAULT_CATALOGUE.find("medium"),
        decision=decision(Kind.HOLD, at=-1, reason="upgrades wait 240 s more"),
        state=State(),
        trends={
            "memory": Trend(resource="memory", per_second=2e-5, stderr=4e-6, at_ratio=0.72),
        },
        changes=(decision(Kind.DOWNGRADE, at=-60, reason="memory is 91 % used, at least 90 %"),),
        events={Kind.UPGRADE: 0, Kind.DOWNGRADE: 1, Kind.CASCADE: 0},
        checks={Outcome.ALLOWED: 31, Outcome.DENIED: 2},
        cpu_mean_ratio=0.31,
        models=models(),
    )
    return replace(whole, **overrides)


def models(**overrides: Any) -> ModelReport:
    """Return a server that answers, and made the switch that was decided."""
    whole = ModelReport(
        is_up=True,
        loaded=("medium",),
        switching_to=None,
        switches={(Kind.DOWNGRADE, SwitchOutcome.DONE): 1},
    )
    return replace(whole, **overrides)


def decision(kind: Kind, *, at: float, reason: str) -> Decision:
    """Return a decision for the medium tier, made so many seconds from now."""
    return Decision(
        at=UnixSeconds(NOW + at),
        kind=kind,
        recommended="medium",
        model="medium",
        current="large" if kind is Kind.DOWNGRADE else "medium",
        reason=reason,
        stabilization_until=UnixSeconds(NOW + 240),
    )


def rejection(excerpt: str, reason: RejectReason = RejectReason.JSON) -> tuple[Source, Rejected]:
    """Return a rejected request line."""
    return Source.REQUESTS, Rejected(reason, "expected `,` or `}` at byte 61", excerpt)
