"""From lines to demand and its verdict: the numbers of the contract and their boundaries."""

import dataclasses
from collections.abc import Iterable

import pytest

from surge_exporter.core.cycle import Cycle, Telemetry
from surge_exporter.model import (
    HOUR,
    DemandLevel,
    DispatchPosture,
    Observation,
    ResourceMode,
    Severity,
    Source,
    Tuning,
    Verdict,
)
from surge_exporter.signals import default_tuning, judge
from tests.telemetry import MINUTE, NOW, SIX_HOURS, request_line, spread, tick_line

LONG_AGO = NOW - 3 * SIX_HOURS
"""Before both windows: a log that began then covers them."""

AN_HOUR_AGO = NOW - HOUR
"""A log that began then has no baseline, and so no surge."""


def observe(
    requests: Iterable[bytes] = (),
    ticks: Iterable[bytes] = (),
    *,
    began: float = LONG_AGO,
) -> Observation:
    """Return what a report at NOW says of a log whose oldest record is a tick at `began`."""
    cycle = Cycle(Telemetry(), report_at=NOW)
    cycle.ingest(Source.REQUESTS, b"".join(requests), now=NOW, live=False)
    block = b"".join([tick_line(began), *ticks])
    cycle.ingest(Source.HEARTBEAT, block, now=NOW, live=False)
    return cycle.observe(NOW)


def traffic(recent: int, baseline: int, *, began: float = LONG_AGO) -> Observation:
    """Return what is said of that many requests in the windows, where the log covers them."""
    middle = NOW - SIX_HOURS
    instants = [
        *(spread(recent, max(began, middle), NOW) if recent else ()),
        *(spread(baseline, max(began, middle - SIX_HOURS), middle) if baseline else ()),
    ]
    return observe(map(request_line, instants), began=began)


def verdict_on(observation: Observation, tuning: Tuning | None = None) -> Verdict:
    return judge(observation, tuning or default_tuning())


def active(observation: Observation, tuning: Tuning | None = None) -> set[tuple[str, str]]:
    """Return the signals that are active, each with its subject."""
    return {(f.signal, f.subject) for f in verdict_on(observation, tuning).findings}


def sized(caller: str, characters: int) -> bytes:
    """Return a request in which a caller uses that many characters."""
    return request_line(NOW, caller=caller, prompt_len=characters, response_len=0)


def outcomes(caller: str, *, failed: int, passed: int) -> list[bytes]:
    success = [False] * failed + [True] * passed
    return [request_line(NOW, caller=caller, success=one) for one in success]


# Rates and the surge factor


def test_seventy_five_requests_after_forty_eight_are_an_elevated_demand() -> None:
    observation = traffic(recent=75, baseline=48)
    demand, verdict = observation.demand, verdict_on(observation)

    assert demand.recent.requests_per_second * HOUR == pytest.approx(12.5)
    assert demand.baseline.requests_per_second * HOUR == pytest.approx(8.0)
    assert demand.surge_factor == 1.5625
    assert verdict.demand_level is DemandLevel.ELEVATED
    assert verdict.resource_mode is ResourceMode.SURGE
    assert verdict.dispatch_posture is DispatchPosture.NORMAL
    assert [r.action for r in verdict.recommendations] == ["prewarm_local_inference"]


@pytest.mark.parametrize(
    ("recent", "baseline", "factor", "level", "mode"),
    [
        (0, 48, 0.0, DemandLevel.LOW, ResourceMode.STEADY),
        (48, 48, 1.0, DemandLevel.LOW, ResourceMode.STEADY),
        (1001, 1000, 1.001, DemandLevel.NORMAL, ResourceMode.STEADY),
        (72, 48, 1.5, DemandLevel.NORMAL, ResourceMode.STEADY),
        (1501, 1000, 1.501, DemandLevel.ELEVATED, ResourceMode.SURGE),
        (144, 48, 3.0, DemandLevel.ELEVATED, ResourceMode.SURGE),
        (3001, 1000, 3.001, DemandLevel.CRITICAL, ResourceMode.SURGE),
        (0, 0, 0.0, DemandLevel.LOW, ResourceMode.STEADY),
        (1, 0, 1.0, DemandLevel.LOW, ResourceMode.STEADY),
        (7, 0, 7.0, DemandLevel.CRITICAL, ResourceMode.SURGE),
    ],
)
def test_a_level_begins_above_its_threshold_not_at_it(
    recent: int, baseline: int, factor: float, level: DemandLevel, mode: ResourceMode
) -> None:
    observation = traffic(recent, baseline)
    verdict = verdict_on(observation)

    assert observation.demand.surge_factor == factor
    assert (verdict.demand_level, verdict.resource_mode) == (level, mode)


@pytest.mark.parametrize("began", [LONG_AGO, NOW - 9 * HOUR, NOW - 8 * HOUR])
def test_equal_ratios_are_exactly_equal_whatever_their_size(began: float) -> None:
    covered_baseline = min(SIX_HOURS, NOW - SIX_HOURS - began)
    share = covered_baseline / SIX_HOURS

    factors = {
        traffic(3 * size, round(2 * size * share), began=began).demand.surge_factor
        for size in (3, 9, 33, 99, 300)
    }

    assert factors == {1.5}


def test_the_edges_of_the_windows_are_six_and_twelve_hours_before_now() -> None:
    microsecond = 1e-6
    edges = [NOW, NOW - SIX_HOURS, NOW - 2 * SIX_HOURS]
    recent, baseline = [], []
    for instant in (at + by for at in edges for by in (0, microsecond)):
        demand = observe([request_line(instant)]).demand
        recent.append(demand.recent.requests)
        baseline.append(demand.baseline.requests)

    assert recent == [1, 0, 0, 1, 0, 0]
    assert baseline == [0, 0, 1, 0, 0, 1]


# Coverage


def test_the_rate_of_a_young_log_is_over_the_time_that_it_covers() -> None:
    demand = traffic(recent=20, baseline=0, began=NOW - 2 * HOUR).demand

    assert demand.recent.requests_per_second * HOUR == pytest.approx(10.0)
    assert demand.recent.covered_ratio == pytest.approx(1 / 3)


def test_without_a_baseline_there_is_no_factor_and_demand_counts_as_low() -> None:
    observation = traffic(recent=500, baseline=0, began=NOW - 2 * HOUR)
    verdict = verdict_on(observation)

    assert not observation.demand.baseline_valid
    assert observation.demand.surge_factor is None
    assert verdict.demand_level is DemandLevel.LOW
    assert verdict.resource_mode is ResourceMode.STEADY
    assert [r.action for r in verdict.recommendations] == ["maintain_current_allocation"]


@pytest.mark.parametrize(
    ("covered", "valid", "rate_hours"),
    [
        (0.0, False, None),
        (0.2499, False, None),
        (0.25, True, 1.5),
        (0.5, True, 3.0),
        (0.9499, True, 0.9499 * 6),
        (0.95, True, 6.0),
        (1.0, True, 6.0),
    ],
)
def test_a_baseline_counts_from_a_quarter_on_and_as_whole_from_nineteen_twentieths_on(
    covered: float, *, valid: bool, rate_hours: float | None
) -> None:
    demand = traffic(48, 48 if covered else 0, began=NOW - (1 + covered) * SIX_HOURS).demand

    assert demand.baseline.covered_ratio == pytest.approx(covered)
    assert demand.baseline_valid is valid
    if rate_hours is not None:
        assert demand.baseline.requests_per_second * HOUR == pytest.approx(48 / rate_hours)
        assert demand.surge_factor == pytest.approx(rate_hours / 6)


def test_coverage_begins_with_the_oldest_record_of_either_source() -> None:
    cycle = Cycle(Telemetry(), report_at=NOW)
    cycle.ingest(Source.REQUESTS, request_line(NOW - 3 * HOUR), now=NOW, live=False)
    cycle.ingest(Source.HEARTBEAT, tick_line(NOW - HOUR), now=NOW, live=False)

    assert cycle.observe(NOW).demand.recent.covered_ratio == 0.5


def test_a_first_request_has_a_rate_though_no_time_has_passed() -> None:
    demand = observe([request_line(NOW)], began=NOW).demand

    assert demand.recent.requests_per_second == 1 / MINUTE
    assert demand.surge_factor is None


def test_nothing_at_all_is_no_demand() -> None:
    observation = Cycle(Telemetry(), report_at=NOW).observe(NOW)

    assert observation.demand.recent.requests_per_second == 0.0
    assert observation.callers == ()
    assert [r.action for r in verdict_on(observation).recommendations] == [
        "maintain_current_allocation"
    ]


def test_the_forecast_of_a_young_log_is_its_mean_rate() -> None:
    demand = traffic(recent=20, baseline=0, began=NOW - 2 * HOUR).demand

    assert demand.forecast.horizon_seconds == SIX_HOURS
    assert demand.forecast.requests_per_second * HOUR == pytest.approx(10.0)


# Callers


def test_callers_come_busiest_first_with_their_shares() -> None:
    callers = observe(
        [
            *outcomes("quiet", failed=0, passed=1),
            *outcomes("busy", failed=1, passed=2),
            request_line(NOW - 7 * HOUR, caller="gone"),
        ]
    ).callers

    assert [(c.caller, c.requests, c.request_share, c.failures) for c in callers] == [
        ("busy", 3, 0.75, 1),
        ("quiet", 1, 0.25, 0),
        ("gone", 0, 0.0, 0),
    ]
    assert [c.baseline_requests for c in callers] == [0, 0, 1]
    assert callers[0].failure_rate == pytest.approx(1 / 3)


def test_callers_as_busy_as_each_other_come_by_volume_then_by_name() -> None:
    callers = observe([sized("c", 10), sized("b", 10), sized("a", 10), sized("z", 11)]).callers

    assert [c.caller for c in callers] == ["z", "a", "b", "c"]


def test_a_caller_has_the_surge_factor_of_its_own_requests() -> None:
    recent = [request_line(NOW, caller=caller) for caller in ("up", "up", "up", "new", "new")]
    baseline = [request_line(NOW - 7 * HOUR, caller=caller) for caller in ("up", "gone")]

    factors = {c.caller: c.surge_factor for c in observe([*recent, *baseline]).callers}

    assert factors == {"up": 3.0, "new": 2.0, "gone": 0.0}


def test_a_caller_has_no_surge_factor_without_a_baseline() -> None:
    (caller,) = traffic(recent=20, baseline=0, began=NOW - 2 * HOUR).callers

    assert caller.surge_factor is None


def test_the_parts_of_the_callers_make_up_the_whole() -> None:
    observation = observe(
        request_line(at, caller=f"caller{index % 7}", model=f"model{index % 3}", prompt_len=index)
        for index, at in enumerate(spread(500, NOW - 2 * SIX_HOURS, NOW))
    )
    demand, callers = observation.demand, observation.callers

    assert sum(c.requests for c in callers) == demand.recent.requests == 250
    assert sum(c.baseline_requests for c in callers) == demand.baseline.requests == 250
    assert sum(c.volume.quarters for c in callers) == demand.volume.quarters
    assert sum(c.request_share for c in callers) == pytest.approx(1)
    assert sum(c.token_share for c in callers) == pytest.approx(1)


# Verdicts


@pytest.mark.parametrize(
    ("failed_checks", "posture", "action"),
    [
        (0, DispatchPosture.NORMAL, "maintain_current_allocation"),
        (1, DispatchPosture.DEGRADED, "cache_forge_state"),
    ],
)
def test_one_failed_forge_check_degrades_the_posture(
    failed_checks: int, posture: DispatchPosture, action: str
) -> None:
    verdict = verdict_on(observe(ticks=[tick_line(NOW, gitea=False)] * failed_checks))

    assert verdict.dispatch_posture is posture
    assert verdict.resource_mode is ResourceMode.STEADY
    assert [r.action for r in verdict.recommendations] == [action]


@pytest.mark.parametrize(
    ("failed_checks", "mode", "action"),
    [
        (1, ResourceMode.STEADY, "maintain_current_allocation"),
        (2, ResourceMode.SURGE, "investigate_model_reliability"),
    ],
)
def test_two_failed_inference_checks_ask_for_resources(
    failed_checks: int, mode: ResourceMode, action: str
) -> None:
    instants = spread(failed_checks, NOW - HOUR, NOW)

    verdict = verdict_on(observe(ticks=[tick_line(at, inference=False) for at in instants]))

    assert verdict.resource_mode is mode
    assert verdict.dispatch_posture is DispatchPosture.NORMAL
    assert [r.action for r in verdict.recommendations] == [action]


def test_failed_checks_before_the_recent_window_no_longer_count() -> None:
    ticks = [tick_line(NOW - SIX_HOURS - by, gitea=False, inference=False) for by in (0, 1, 2)]

    assert active(observe(ticks=ticks)) == set()


@pytest.mark.parametrize(
    ("volumes", "throttled"),
    [
        ({"nightly_batch": 2500, "tick": 7500}, {"nightly_batch"}),
        ({"nightly_batch": 2499, "tick": 7501}, set()),
        ({"Doc-INDEX": 2500, "issue_sync": 2500, "tick": 5000}, {"Doc-INDEX", "issue_sync"}),
        ({"chat": 6000, "tick": 4000}, set()),
        ({"chat": 6000, "tick": 3000, "triage": 1000}, {"chat"}),
        ({"chat": 5999, "tick": 3001, "triage": 1000}, set()),
        ({"chat": 0, "nightly_batch": 0}, set()),
    ],
)
def test_a_batch_caller_is_heavy_from_a_quarter_on_and_any_other_where_it_crowds_out(
    volumes: dict[str, int], throttled: set[str]
) -> None:
    requests = [sized(caller, size) for caller, size in volumes.items()]
    observation = observe(requests, began=AN_HOUR_AGO)

    assert active(observation) == {("heavy_batch", caller) for caller in throttled}


def test_callers_of_the_baseline_alone_do_not_wait() -> None:
    waiting = [request_line(NOW - 7 * HOUR, caller=caller) for caller in ("tick", "triage")]

    assert active(observe([sized("chat", 100), *waiting])) == set()


@pytest.mark.parametrize(
    ("failed", "passed", "is_failing"),
    [(1, 4, True), (1, 5, False), (1, 3, False), (4, 0, False), (5, 0, True), (0, 5, False)],
)
def test_a_caller_fails_from_a_fifth_of_at_least_five_requests_on(
    failed: int, passed: int, *, is_failing: bool
) -> None:
    requests = outcomes("review", failed=failed, passed=passed)
    observation = observe(requests, began=AN_HOUR_AGO)

    assert active(observation) == ({("caller_failures", "review")} if is_failing else set())


@pytest.mark.parametrize(("spare", "is_short"), [(0.99, True), (1.0, False), (1.01, False)])
def test_a_prediction_above_the_capacity_asks_for_a_warm_start(
    spare: float, *, is_short: bool
) -> None:
    observation = traffic(recent=48, baseline=48)
    predicted = observation.demand.forecast.requests_per_second
    tuning = dataclasses.replace(default_tuning(), capacity_requests_per_second=spare * predicted)
    verdict = verdict_on(observation, tuning)

    assert [f.signal for f in verdict.findings] == ["predicted_demand"] * is_short
    assert verdict.resource_mode is ResourceMode.STEADY


def test_a_critical_surge_is_a_warning_too_and_one_recommendation() -> None:
    verdict = verdict_on(traffic(recent=480, baseline=48))

    assert [f.severity for f in verdict.findings] == [Severity.WARNING, Severity.CRITICAL]
    (recommendation,) = verdict.recommendations
    assert recommendation.text == (
        "Pre-warm local inference: demand is 10.00 times that of the 6 h before"
        " (80.0 against 8.0 requests/h)"
    )
