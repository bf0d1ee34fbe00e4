"""The table of signals, row by row, and the verdict that is read from it."""

import dataclasses
import re
from operator import ge, gt
from typing import Any

import pytest

from surge_exporter.core.series import OTHER
from surge_exporter.metrics import METRICS
from surge_exporter.model import (
    HOUR,
    UNKNOWN,
    CallerDemand,
    Demand,
    DemandLevel,
    Dependency,
    DependencyHealth,
    DispatchPosture,
    Forecast,
    HostLoad,
    Observation,
    Recommendation,
    ResourceMode,
    Seconds,
    Severity,
    Source,
    TokenVolume,
    Tuning,
    UnixSeconds,
    WindowStats,
)
from surge_exporter.scaling.decisions import Thresholds
from surge_exporter.signals import (
    ACTIONS,
    MAINTAIN,
    ROWS,
    SIGNALS,
    Agreement,
    Signal,
    default_tuning,
    demand_level,
    judge,
)
from tests.telemetry import NOW, SIX_HOURS

CAPACITY = 100 / HOUR
TUNING = dataclasses.replace(default_tuning(), capacity_requests_per_second=CAPACITY)

each_signal = pytest.mark.parametrize("signal", SIGNALS, ids=[signal.name for signal in SIGNALS])


def observed(
    *,
    factor: float | None = 1.0,
    predicted_hourly: float = 10.0,
    callers: tuple[CallerDemand, ...] = (),
    failed_gitea: int = 0,
    failed_inference: int = 0,
    dependencies: tuple[DependencyHealth, ...] = (),
    mase: float | None = None,
    history_days: float = 7.0,
) -> Observation:
    """Return what the core says of calm telemetry, but for what is given."""
    window = WindowStats(60, SIX_HOURS, 1.0, SIX_HOURS)
    return Observation(
        at=NOW,
        demand=Demand(
            horizon_seconds=SIX_HOURS,
            recent=window,
            baseline=window,
            baseline_valid=factor is not None,
            surge_factor=factor,
            volume=TokenVolume(4_800_000, 0, 120),
            forecasts=(
                Forecast(
                    horizon_seconds=SIX_HOURS,
                    requests_per_second=predicted_hourly / HOUR,
                    mase=mase,
                    history_seconds=Seconds(history_days * 24 * HOUR),
                ),
            ),
        ),
        callers=callers,
        dependencies=dependencies
        or (
            health(Dependency.GITEA, failed_gitea),
            health(Dependency.INFERENCE, failed_inference),
        ),
        history_start=UnixSeconds(NOW - 2 * SIX_HOURS),
        last_record=dict.fromkeys(Source, NOW),
        stale=False,
    )


def on(host: HostLoad, observation: Observation | None = None) -> Observation:
    """Return what is observed on a host, of calm telemetry unless it is given."""
    return dataclasses.replace(observation or observed(), host=host)


def load(
    cpu: float | None = 0.1,
    memory: float = 0.1,
    *,
    available_mib: int = 16384,
    gpu: float | None = None,
) -> HostLoad:
    """Return the load of a host, calm but for what is given."""
    return HostLoad(
        cpu_ratio=cpu,
        memory_ratio=memory,
        memory_available_bytes=available_mib * 1024**2,
        gpu_memory_ratio=gpu,
    )


def health(
    dependency: Dependency,
    failed_checks: int = 0,
    *,
    outages: int | None = None,
    down_minutes: float = 0.0,
) -> DependencyHealth:
    return DependencyHealth(
        dependency=dependency,
        checks=360,
        failed_checks=failed_checks,
        outages=min(1, failed_checks) if outages is None else outages,
        downtime_seconds=60.0 * failed_checks,
        up=not down_minutes,
        last_change=UnixSeconds(NOW - HOUR),
        down_seconds=60.0 * down_minutes,
    )


def caller(
    name: str, *, token_share: float = 0.1, requests: int = 60, failures: int = 0
) -> CallerDemand:
    return CallerDemand(
        caller=name,
        requests=requests,
        failures=failures,
        baseline_requests=requests,
        request_share=0.1,
        volume=TokenVolume(round(4_800_000 * token_share), 0, 2 * requests),
        token_share=token_share,
        surge_factor=1.0,
    )


CALM = observed(callers=(caller("tick"), caller("triage"), caller("chat")))


def gitea(**changes: Any) -> Observation:
    """Return what the core says of a forge in trouble."""
    trouble = health(Dependency.GITEA, **changes)
    return observed(dependencies=(trouble, health(Dependency.INFERENCE)))


def inference(**changes: Any) -> Observation:
    """Return what the core says of inference in trouble."""
    trouble = health(Dependency.INFERENCE, **changes)
    return observed(dependencies=(health(Dependency.GITEA), trouble))


ACTIVE = {
    "demand_surge": observed(factor=1.6),
    "predicted_demand": observed(predicted_hourly=101),
    "heavy_batch": observed(callers=(caller("nightly_batch", token_share=0.41),)),
    "caller_failures": observed(callers=(caller("review", requests=10, failures=4),)),
    "inference_failures": observed(failed_inference=2),
    "gitea_outages": observed(failed_gitea=1),
    "host_pressure": on(load(memory=0.85)),
    "host_cpu_busy": on(load(cpu=0.9)),
    "gitea_down": gitea(failed_checks=5, down_minutes=5),
    "inference_down": inference(failed_checks=5, down_minutes=5),
    "gitea_flapping": gitea(failed_checks=4, outages=4),
    "inference_flapping": inference(failed_checks=4, outages=4),
    "forecast_error": observed(mase=1.6),
}
"""For each signal what makes it active, and no other but what it sharpens."""

SHARPENS = {
    "gitea_down": "gitea_outages",
    "gitea_flapping": "gitea_outages",
    "inference_down": "inference_failures",
    "inference_flapping": "inference_failures",
}
"""Which row's trouble a row tells more of."""

EVERYTHING_AT_ONCE = on(
    load(cpu=0.95, memory=0.92, gpu=0.99),
    observed(
        factor=3.5,
        predicted_hourly=101,
        callers=(
            caller("nightly_batch", token_share=0.41),
            caller("doc_index", token_share=0.3),
            *(caller(f"review{n}", requests=10, failures=9 - n) for n in range(5)),
        ),
        dependencies=tuple(
            health(dependency, failed_checks=30, outages=5, down_minutes=6)
            for dependency in Dependency
        ),
        mase=2.0,
    ),
)


def active(observation: Observation, tuning: Tuning = TUNING) -> set[str]:
    return {finding.signal for finding in judge(observation, tuning).findings}


def actions(observation: Observation, tuning: Tuning = TUNING) -> list[str]:
    return [r.action for r in judge(observation, tuning).recommendations]


# The table


def test_every_row_has_a_name_of_its_own() -> None:
    names = [signal.name for signal in SIGNALS]

    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names)


@each_signal
def test_every_row_says_what_is_judged_from_where_on_and_what_to_do(signal: Signal) -> None:
    assert signal.condition
    assert signal.thresholds
    assert signal.exceeds in (gt, ge)
    assert signal.action in ACTIONS
    assert signal.action is not MAINTAIN


@each_signal
def test_every_row_is_exported_under_a_name_that_can_be_searched_for(signal: Signal) -> None:
    assert signal.metric in METRICS
    assert re.fullmatch(r"surge_[a-z_]+", signal.metric.name)
    assert signal.metric.kind == "gauge"


def test_every_metric_has_a_name_of_its_own_and_labels_that_are_text() -> None:
    names = [metric.name for metric in METRICS]

    assert len(set(names)) == len(names)
    assert {type(label) for metric in METRICS for label in metric.labels} == {str}


def test_the_thresholds_are_those_of_the_design() -> None:
    tuning = default_tuning()

    assert tuning.thresholds == {
        ("demand_surge", "warning"): 1.5,
        ("demand_surge", "critical"): 3.0,
        ("predicted_demand", "warning"): 1.0,
        ("heavy_batch", "warning"): 0.25,
        ("caller_failures", "warning"): 0.2,
        ("inference_failures", "warning"): 2.0,
        ("gitea_outages", "warning"): 1.0,
        ("host_pressure", "warning"): 0.8,
        ("host_pressure", "critical"): 0.9,
        ("host_cpu_busy", "warning"): 0.9,
        ("gitea_down", "critical"): 300.0,
        ("inference_down", "critical"): 300.0,
        ("gitea_flapping", "warning"): 4.0,
        ("inference_flapping", "warning"): 4.0,
        ("forecast_error", "warning"): 1.5,
    }
    assert tuning.parameters == {
        ("heavy_batch", "dominant_share"): 0.6,
        ("heavy_batch", "min_callers"): 3,
        ("caller_failures", "min_requests"): 5,
        ("caller_failures", "min_failures"): 5,
        ("host_pressure", "least_available_mib"): 1024,
        ("host_pressure", "gpu_full_ratio"): 0.97,
        ("gitea_down", "min_failed_checks"): 2,
        ("inference_down", "min_failed_checks"): 2,
        ("forecast_error", "min_history_days"): 7,
    }


def test_the_actions_are_those_of_the_design_in_its_order_and_one_of_ours() -> None:
    assert [(action.slug, action.title) for action in ACTIONS] == [
        ("prewarm_local_inference", "Pre-warm local inference"),
        ("throttle_background_jobs", "Throttle background jobs"),
        ("investigate_failure_rates", "Investigate failure rates"),
        ("investigate_model_reliability", "Investigate model reliability"),
        ("cache_forge_state", "Cache forge state"),
        ("switch_to_smaller_model", "Switch to a smaller model"),
        ("check_demand_forecast", "Check the demand forecast"),
        ("maintain_current_allocation", "Maintain current allocation"),
    ]


# What makes a row active


def test_calm_telemetry_makes_no_signal_active() -> None:
    assert active(CALM) == set()


@each_signal
def test_every_row_can_be_active_alone_and_asks_for_its_action(signal: Signal) -> None:
    observation = ACTIVE[signal.name]

    assert active(observation) - {SHARPENS.get(signal.name)} == {signal.name}
    assert actions(observation) == [signal.action.slug]


@each_signal
def test_every_threshold_can_be_configured(signal: Signal) -> None:
    mildest = next(iter(signal.thresholds))
    thresholds = {**TUNING.thresholds, (signal.name, mildest): 1e9}
    tuning = dataclasses.replace(TUNING, thresholds=thresholds)

    assert active(ACTIVE[signal.name], tuning) <= {SHARPENS.get(signal.name)}
    assert active(EVERYTHING_AT_ONCE, tuning) >= {s.name for s in SIGNALS} - {signal.name}


@each_signal
def test_a_finding_names_the_configured_threshold_that_was_exceeded(signal: Signal) -> None:
    mildest = next(iter(signal.thresholds))
    thresholds = {**TUNING.thresholds, (signal.name, mildest): 0.125}
    tuning = dataclasses.replace(TUNING, thresholds=thresholds)

    (finding,) = (
        f
        for f in judge(ACTIVE[signal.name], tuning).findings
        if f.signal == signal.name and f.severity is mildest
    )

    assert finding.threshold == 0.125
    assert signal.exceeds(finding.value, finding.threshold)


@each_signal
def test_a_row_changes_of_the_verdict_what_it_says_it_sets(signal: Signal) -> None:
    verdict = judge(ACTIVE[signal.name], TUNING)

    changed = {verdict.resource_mode, verdict.dispatch_posture}
    rows = (signal, ROWS.get(SHARPENS.get(signal.name, ""), signal))
    assert changed - {ResourceMode.STEADY, DispatchPosture.NORMAL} == {
        row.sets for row in rows
    } - {None}


@each_signal
def test_a_row_that_does_not_advise_changes_nothing_of_the_verdict(signal: Signal) -> None:
    if signal.advises:
        assert signal.name not in SHARPENS
        return
    everyone_else = {key: 1e9 for key in TUNING.thresholds if key[0] in (signal.name, *SHARPENS)}
    without = dataclasses.replace(TUNING, thresholds={**TUNING.thresholds, **everyone_else})
    observation = ACTIVE[signal.name]

    alone, judged = judge(observation, without), judge(observation, TUNING)

    assert signal.name in {finding.signal for finding in judged.findings}
    assert dataclasses.replace(judged, findings=()) == dataclasses.replace(alone, findings=())


def test_a_row_that_does_not_advise_is_no_reason_to_say_that_nothing_is_active() -> None:
    thresholds = {**TUNING.thresholds, ("gitea_outages", Severity.WARNING): 100.0}
    tuning = dataclasses.replace(TUNING, thresholds=thresholds)

    (recommendation,) = judge(ACTIVE["gitea_down"], tuning).recommendations

    assert recommendation.text == (
        "Maintain current allocation: no active signal asks for more at 10.0 requests/h"
    )


@each_signal
def test_a_row_that_is_about_some_series_of_its_metric_says_which(signal: Signal) -> None:
    assert set(signal.matchers) <= set(signal.metric.labels)
    rest = set(signal.metric.labels) - set(signal.matchers)
    assert rest == ({signal.subject_label} - {None})
    subjects = {m.subject for m in signal.measure(ACTIVE[signal.name], TUNING)}
    assert subjects == {""} or rest


def test_rows_on_one_metric_are_about_different_series_of_it() -> None:
    about = [(signal.metric.name, *sorted(signal.matchers.items())) for signal in SIGNALS]

    assert len(set(about)) == len(about)


def test_exporters_are_put_together_unless_all_or_each_see_the_whole() -> None:
    said = {
        agreement: [signal.name for signal in SIGNALS if signal.agreement is agreement]
        for agreement in Agreement
    }

    assert said[Agreement.HALF] == ["gitea_outages", "gitea_down", "gitea_flapping"]
    assert said[Agreement.EACH] == [
        "inference_failures",
        "host_pressure",
        "host_cpu_busy",
        "inference_down",
        "inference_flapping",
        "forecast_error",
    ]


def test_what_the_window_remembers_is_a_ticket_and_what_is_down_now_a_page() -> None:
    pages = {signal.name for signal in SIGNALS if signal.pages}

    assert pages == {
        "demand_surge",
        "predicted_demand",
        "caller_failures",
        "gitea_down",
        "inference_down",
        "host_pressure",
    }


@pytest.mark.parametrize(
    ("failed_checks", "down_minutes", "is_down"),
    [(2, 5.0, True), (1, 60.0, False), (5, 4.9, False), (5, 0.0, False)],
)
def test_a_dependency_is_down_after_five_minutes_and_two_failed_checks(
    failed_checks: int, down_minutes: float, *, is_down: bool
) -> None:
    observation = gitea(failed_checks=failed_checks, down_minutes=down_minutes)

    assert ("gitea_down" in active(observation)) is is_down


def test_what_is_not_known_of_a_dependency_is_not_judged_as_down() -> None:
    unknown = dataclasses.replace(
        health(Dependency.GITEA, failed_checks=9), up=None, down_seconds=None
    )
    observation = observed(dependencies=(unknown, health(Dependency.INFERENCE)))

    assert list(ROWS["gitea_down"].measure(observation, TUNING)) == []
    assert "gitea_down" not in active(observation)


@pytest.mark.parametrize(
    ("signal", "evidence"),
    [
        ("gitea_down", "Gitea has been down for 5 min: 5 of 360 Gitea checks failed in the"),
        ("inference_flapping", "inference was down 4 times in the last 6 h"),
    ],
)
def test_a_finding_that_does_not_advise_has_its_evidence(signal: str, evidence: str) -> None:
    (found,) = (f for f in judge(ACTIVE[signal], TUNING).findings if f.signal == signal)

    assert found.evidence.startswith(evidence)


@pytest.mark.parametrize(
    ("signal", "parameter", "value"),
    [
        ("heavy_batch", "dominant_share", 0.35),
        ("heavy_batch", "min_callers", 2),
        ("caller_failures", "min_requests", 4),
    ],
)
def test_every_parameter_can_be_configured(signal: str, parameter: str, value: float) -> None:
    callers = {
        "dominant_share": (caller("chat", token_share=0.4), caller("tick"), caller("triage")),
        "min_callers": (caller("chat", token_share=0.7), caller("tick")),
        "min_requests": (caller("review", requests=4, failures=4),),
    }
    observation = observed(callers=callers[parameter])
    tuning = dataclasses.replace(
        TUNING, parameters={**TUNING.parameters, (signal, parameter): value}
    )

    assert active(observation) == set()
    assert active(observation, tuning) == {signal}


def test_a_forecast_is_judged_once_it_has_been_tried_for_long() -> None:
    young = observed(mase=5.0, history_days=6.9)
    tuning = dataclasses.replace(
        TUNING, parameters={**TUNING.parameters, ("forecast_error", "min_history_days"): 6}
    )

    assert active(young) == set()
    assert active(young, tuning) == {"forecast_error"}
    assert active(observed(mase=1.5)) == set()


def test_a_forecast_is_judged_for_each_horizon_that_has_a_record() -> None:
    usual = observed(mase=2.0)
    (six_hours,) = usual.demand.forecasts
    others = tuple(
        dataclasses.replace(six_hours, horizon_seconds=Seconds(hours * HOUR), mase=mase)
        for hours, mase in ((1, 1.7), (24, None), (48, 1.2))
    )
    demand = dataclasses.replace(usual.demand, forecasts=(*others, six_hours))

    findings = judge(dataclasses.replace(usual, demand=demand), TUNING).findings

    assert {f.subject: f.evidence.partition(" were")[0] for f in findings} == {
        "1h": "forecasts for 1 h",
        "6h": "forecasts for 6 h",
    }


@pytest.mark.parametrize(
    ("host", "found"),
    [
        (load(memory=0.799, gpu=0.96), set()),
        (load(memory=0.8), {("warning", "memory")}),
        (load(memory=0.9), {("warning", "memory"), ("critical", "memory")}),
        (load(available_mib=1024), set()),
        (load(available_mib=1023), {("warning", "memory"), ("critical", "memory")}),
        (load(gpu=0.97), {("warning", "gpu_memory"), ("critical", "gpu_memory")}),
    ],
)
def test_a_host_is_short_of_what_is_nearly_used_up(
    host: HostLoad, found: set[tuple[str, str]]
) -> None:
    findings = judge(on(host), TUNING).findings

    assert {(str(f.severity), f.subject) for f in findings} == found


@pytest.mark.parametrize(("cpu", "is_busy"), [(0.899, False), (0.9, True), (None, False)])
def test_a_host_is_busy_when_its_cpus_are_on_average(cpu: float | None, *, is_busy: bool) -> None:
    assert ("host_cpu_busy" in active(on(load(cpu=cpu)))) is is_busy


def test_a_host_whose_cpus_are_full_is_short_of_nothing_and_wakes_nobody() -> None:
    (finding,) = judge(on(load(cpu=1.0)), TUNING).findings

    assert (finding.signal, finding.severity) == ("host_cpu_busy", Severity.WARNING)
    assert not ROWS["host_cpu_busy"].pages


@pytest.mark.parametrize("name", ["host_pressure", "host_cpu_busy"])
def test_a_host_that_nobody_samples_is_not_judged(name: str) -> None:
    assert list(ROWS[name].measure(CALM, TUNING)) == []


def test_the_rows_of_a_host_start_where_the_scaler_does() -> None:
    scaler = Thresholds()

    assert ROWS["host_pressure"].thresholds[Severity.CRITICAL] == scaler.degrade_from
    assert ROWS["host_cpu_busy"].thresholds[Severity.WARNING] == scaler.cpu_degrade_from


def test_the_batch_callers_can_be_configured() -> None:
    tuning = dataclasses.replace(TUNING, batch_callers=("report_*",))
    callers = (caller("report_daily", token_share=0.3), caller("nightly_batch", token_share=0.3))

    (finding,) = judge(observed(callers=callers), tuning).findings

    assert (finding.signal, finding.subject) == ("heavy_batch", "report_daily")


def test_without_a_capacity_no_prediction_is_too_high() -> None:
    assert active(observed(predicted_hourly=1e6), default_tuning()) == set()


def test_without_a_surge_factor_demand_is_low_and_no_surge() -> None:
    observation = observed(factor=None)

    assert demand_level(observation, TUNING) is DemandLevel.LOW
    assert active(observation) == set()


@pytest.mark.parametrize(
    ("factor", "level"),
    [(1.9, "normal"), (2.0, "normal"), (2.1, "elevated"), (4.0, "elevated"), (4.1, "critical")],
)
def test_demand_levels_follow_the_configured_thresholds(factor: float, level: str) -> None:
    thresholds = {
        **TUNING.thresholds,
        ("demand_surge", Severity.WARNING): 2.0,
        ("demand_surge", Severity.CRITICAL): 4.0,
    }
    verdict = judge(observed(factor=factor), dataclasses.replace(TUNING, thresholds=thresholds))

    assert verdict.demand_level == level
    assert (verdict.resource_mode is ResourceMode.SURGE) is (factor > 2.0)


# What is recommended


def test_with_nothing_active_the_allocation_is_maintained() -> None:
    assert judge(CALM, TUNING).recommendations == (
        Recommendation(
            "maintain_current_allocation",
            "Maintain current allocation: no signal is active at 10.0 requests/h",
        ),
    )


def test_recommendations_come_in_the_order_of_the_table_one_for_each_action() -> None:
    assert actions(EVERYTHING_AT_ONCE) == [a.slug for a in ACTIONS if a is not MAINTAIN]


def test_signals_with_one_action_share_its_recommendation() -> None:
    observation = observed(factor=1.6, predicted_hourly=150)

    (recommendation,) = judge(observation, TUNING).recommendations

    assert recommendation.text == (
        "Pre-warm local inference: demand is 1.60 times that of the 6 h before"
        " (10.0 against 10.0 requests/h); 150 requests/h are predicted for the next 6 h,"
        " the capacity is 100"
    )


@pytest.mark.parametrize(
    ("signal", "text"),
    [
        (
            "heavy_batch",
            "Throttle background jobs: nightly_batch used 41 % of 1.2M tokens in the last 6 h",
        ),
        (
            "caller_failures",
            "Investigate failure rates: 4 of 10 requests of review failed (40 %) in the last 6 h",
        ),
        (
            "inference_failures",
            "Investigate model reliability: 2 of 360 inference checks failed in the last 6 h",
        ),
        ("gitea_outages", "Cache forge state: 1 of 360 Gitea checks failed in the last 6 h"),
        (
            "host_pressure",
            "Switch to a smaller model: memory is 85 % used, 16.0 GiB are available",
        ),
        ("host_cpu_busy", "Switch to a smaller model: CPU is 90 % used on average"),
    ],
)
def test_a_recommendation_names_its_evidence(signal: str, text: str) -> None:
    (recommendation,) = judge(ACTIVE[signal], TUNING).recommendations

    assert recommendation.text == text


def test_a_recommendation_names_the_three_worst_callers_and_how_many_more_there_are() -> None:
    failing = judge(EVERYTHING_AT_ONCE, TUNING).recommendations[2]

    assert re.findall(r"review\d", failing.text) == ["review0", "review1", "review2"]
    assert failing.text.endswith("; and 2 more")


@pytest.mark.parametrize("name", [OTHER, UNKNOWN])
def test_callers_without_a_name_of_their_own_are_not_to_be_throttled(name: str) -> None:
    crowd = (caller(name, token_share=0.9), caller("a"), caller("b"))

    assert active(observed(callers=crowd)) == set()


def test_callers_that_share_the_overflow_have_no_failure_rate() -> None:
    assert active(observed(callers=(caller(OTHER, requests=10, failures=10),))) == set()
