"""Blocks of lines in, observations and counters out."""

import dataclasses
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any

import pytest

from surge_exporter.core.cycle import Cycle, Telemetry
from surge_exporter.core.series import OTHER
from surge_exporter.model import (
    HOUR,
    Dependency,
    Observation,
    OutOfWindow,
    RejectReason,
    Seconds,
    Source,
    UnixSeconds,
)
from tests.telemetry import MINUTE, NOW, request_line, spread, tick_line

HOURLY = Telemetry(horizon_seconds=HOUR)
DAY = 24 * HOUR


def started(telemetry: Telemetry = HOURLY) -> Cycle:
    return Cycle(telemetry)


def feed(cycle: Cycle, *lines: bytes, now: float = NOW, live: bool = True) -> None:
    """Ingest request lines."""
    cycle.ingest(Source.REQUESTS, b"".join(lines), now=UnixSeconds(now), live=live)


def beat(cycle: Cycle, *lines: bytes, now: float = NOW, live: bool = True) -> None:
    """Ingest heartbeat lines."""
    cycle.ingest(Source.HEARTBEAT, b"".join(lines), now=UnixSeconds(now), live=live)


def requests_by_caller(cycle: Cycle) -> dict[str, int]:
    """Return what the second scrape counts."""
    cycle.totals(scraped=True)
    cycle.confirm()
    return {s.caller: s.requests for s in cycle.totals(scraped=True).series}


def facts(observation: Observation) -> Observation:
    """Return an observation with its callers in an order that says nothing."""
    return dataclasses.replace(observation, callers=tuple(sorted(observation.callers, key=str)))


# Ingesting


def test_both_sources_are_observed() -> None:
    cycle = started()
    feed(cycle, request_line(NOW, caller="a"), request_line(NOW - 90 * MINUTE, caller="a"))
    beat(cycle, tick_line(NOW, gitea=False))

    observation = cycle.observe(NOW)

    assert (observation.demand.recent.requests, observation.demand.baseline.requests) == (1, 1)
    assert [(c.caller, c.requests, c.baseline_requests) for c in observation.callers] == [
        ("a", 1, 1)
    ]
    assert [(h.dependency, h.failed_checks) for h in observation.dependencies] == [
        (Dependency.GITEA, 1),
        (Dependency.INFERENCE, 0),
    ]
    assert observation.last_record == {Source.REQUESTS: NOW, Source.HEARTBEAT: NOW}


@pytest.mark.parametrize(
    ("source", "line"),
    [(Source.REQUESTS, request_line), (Source.HEARTBEAT, tick_line)],
)
def test_what_became_of_a_block_is_told(source: Source, line: Callable[[float], bytes]) -> None:
    block = b"".join(
        [
            line(NOW),
            b"\n",
            b"[]\n",
            b'{"timestamp": "yesterday", "success": true}\n',
            line(NOW - DAY),
            line(NOW + DAY),
            line(NOW).replace(b"hermes4", b"herm\xe8s4").replace(b"tick_id", b"t\xecck_id"),
        ]
    )

    ingested = started().ingest(source, block, now=NOW, live=True)

    assert (ingested.lines, ingested.records, ingested.repaired) == (6, 4, 1)
    assert [rejected.reason for rejected in ingested.rejected] == [
        RejectReason.NOT_OBJECT,
        RejectReason.BAD_TIMESTAMP,
    ]
    assert ingested.out_of_window == {OutOfWindow.LATE: 1, OutOfWindow.FUTURE: 1}


@pytest.mark.parametrize("seed", range(3))
def test_lines_of_a_day_may_come_in_any_blocks_and_order(seed: int) -> None:
    """Case 18. Some are too late for every window, some ahead of all."""
    rng = random.Random(seed)
    instants = spread(1000, NOW - DAY - HOUR, NOW + 600)
    lines = [(Source.REQUESTS, request_line(at, caller=f"{rng.randrange(5)}")) for at in instants]
    lines += [(Source.HEARTBEAT, tick_line(at, gitea=rng.random() < 0.9)) for at in instants]
    telemetry = Telemetry(horizon_seconds=Seconds(12 * HOUR))
    in_order, shuffled = started(telemetry), started(telemetry)
    outside: list[Counter[OutOfWindow]] = [Counter(), Counter()]

    for source in Source:
        block = b"".join(line for of, line in lines if of is source)
        outside[0].update(in_order.ingest(source, block, now=NOW, live=True).out_of_window)
    for source, line in rng.sample(lines, len(lines)):
        outside[1].update(shuffled.ingest(source, line, now=NOW, live=True).out_of_window)

    assert facts(shuffled.observe(NOW)) == facts(in_order.observe(NOW))
    assert requests_by_caller(shuffled) == requests_by_caller(in_order)
    assert outside[0] == outside[1]
    assert all(outside[0][reason] for reason in OutOfWindow)


@pytest.mark.parametrize(
    "text", ["NaN", "-Infinity", "1e999", "-1e999", "1e308", "9" * 400, "true", '"1"']
)
@pytest.mark.parametrize("name", ["prompt_len", "completion_tokens", "duration_ms"])
def test_what_is_no_number_spoils_no_sum(name: str, text: str) -> None:
    """Case 11. Neither while it is in a window nor once it has left it."""
    good = request_line(NOW, prompt_tokens=7, duration_seconds=0.25)
    zero: dict[str, Any] = {name: 0}
    bad = request_line(NOW, **zero).replace(f'"{name}": 0'.encode(), f'"{name}": {text}'.encode())
    clean, spoilt = started(), started()
    feed(clean, good, good)
    feed(spoilt, good, bad, good)
    later = UnixSeconds(NOW + 2 * HOUR)

    assert spoilt.observe(NOW) == clean.observe(NOW)
    assert spoilt.observe(later) == clean.observe(later)
    assert spoilt.observe(later).demand.baseline.requests == 0
    assert spoilt.totals(scraped=False) == clean.totals(scraped=False)


def test_fields_and_times_are_read_as_configured() -> None:
    telemetry = Telemetry(
        horizon_seconds=HOUR,
        request_fields={"caller": "agent.name", "success": "ok"},
        heartbeat_fields={"gitea_alive": "forge.up"},
        zone=timezone(timedelta(hours=2)),
    )
    cycle = started(telemetry)
    feed(cycle, b'{"timestamp":"2026-03-29T21:04:00","agent":{"name":"a"},"ok":false}\n')
    beat(cycle, b'{"timestamp":"2026-03-29T21:04:00","forge":{"up":false}}\n')

    observation = cycle.observe(NOW)

    assert observation.last_record == {Source.REQUESTS: NOW, Source.HEARTBEAT: NOW}
    assert [(c.caller, c.failures) for c in observation.callers] == [("a", 1)]
    assert observation.dependencies[0].failed_checks == 1


def test_timestamps_of_a_block_are_read_without_counting_anything() -> None:
    cycle = started()

    times = cycle.timestamps(Source.REQUESTS, request_line(NOW - 5) + b"?\n" + request_line(NOW))

    assert times == [NOW - 5, NOW]
    assert cycle.observe(NOW).last_record == {}


# Observing


@pytest.mark.parametrize(
    ("requests", "ticks", "expected"),
    [
        ([], [], None),
        ([NOW - 5], [], NOW - 5),
        ([], [NOW - 7], NOW - 7),
        ([NOW - 5], [NOW - 7], NOW - 7),
        ([NOW - DAY, NOW], [NOW - 7], NOW - DAY),
    ],
)
def test_history_starts_with_the_oldest_record_of_either_source(
    requests: list[float], ticks: list[float], expected: float | None
) -> None:
    cycle = started()
    feed(cycle, *map(request_line, requests))
    beat(cycle, *map(tick_line, ticks))

    assert cycle.observe(NOW).history_start == expected


def test_history_may_be_known_to_be_longer_than_what_was_read() -> None:
    cycle = started()
    feed(cycle, request_line(NOW))
    cycle.extend_history(UnixSeconds(NOW - 90 * MINUTE))
    cycle.extend_history(UnixSeconds(NOW - 60 * MINUTE))

    observation = cycle.observe(NOW)

    assert observation.history_start == NOW - 90 * MINUTE
    assert observation.demand.baseline.covered_ratio == 0.5


@pytest.mark.parametrize(
    ("request_age", "tick_age", "stale"),
    [
        (None, None, True),
        (900, None, False),
        (901, None, True),
        (901, 900, False),
        (900, 9000, False),
        (901, 901, True),
    ],
)
def test_telemetry_is_stale_when_neither_source_has_written_for_long(
    request_age: float | None, tick_age: float | None, *, stale: bool
) -> None:
    cycle = started()
    if request_age is not None:
        feed(cycle, request_line(NOW - request_age))
    if tick_age is not None:
        beat(cycle, tick_line(NOW - tick_age))

    assert cycle.observe(NOW).stale is stale


def test_an_observation_decays_when_traffic_stops() -> None:
    cycle = started()
    feed(cycle, *map(request_line, spread(60, NOW - 59 * MINUTE, NOW + MINUTE)))

    observations = [cycle.observe(UnixSeconds(NOW + hours * HOUR)) for hours in (0, 0.5, 1, 2)]

    assert [o.demand.recent.requests for o in observations] == [60, 30, 0, 0]
    assert [o.demand.baseline.requests for o in observations] == [0, 30, 60, 0]


def test_after_a_pause_of_days_only_new_requests_are_observed() -> None:
    cycle = started()
    feed(cycle, request_line(NOW, caller="before"))
    cycle.expire(UnixSeconds(NOW + 9 * DAY))
    feed(cycle, request_line(NOW + 9 * DAY, caller="after"), now=NOW + 9 * DAY)

    observation = cycle.observe(UnixSeconds(NOW + 9 * DAY))

    assert [(c.caller, c.requests) for c in observation.callers] == [("after", 1)]


# Reporting


def test_a_report_ends_exactly_at_its_instant() -> None:
    report_at = UnixSeconds(NOW + 11.5)
    cycle = Cycle(HOURLY, report_at=report_at)
    microsecond = 1e-6
    feed(
        cycle,
        *(
            request_line(edge + by)
            for edge in (report_at, report_at - HOUR, report_at - 2 * HOUR)
            for by in (0, microsecond)
        ),
        now=report_at,
    )

    demand = cycle.observe(report_at).demand

    assert (demand.recent.requests, demand.baseline.requests) == (2, 2)


def test_a_report_ignores_what_comes_after_its_instant() -> None:
    before = [request_line(NOW - 60), tick_line(NOW - 60)]
    after = [request_line(NOW + 1), tick_line(NOW + 1, gitea=False)]
    plain, followed = Cycle(HOURLY, report_at=NOW), Cycle(HOURLY, report_at=NOW)
    for cycle in (plain, followed):
        feed(cycle, before[0])
        beat(cycle, before[1])

    outside = [
        followed.ingest(source, line, now=NOW, live=False).out_of_window[OutOfWindow.FUTURE]
        for source, line in zip(Source, after, strict=True)
    ]

    assert outside == [1, 1]
    assert followed.observe(NOW) == plain.observe(NOW)


# Counters


def test_the_backlog_of_a_cold_start_is_observed_but_never_counted() -> None:
    cycle = started()
    feed(cycle, *[request_line(NOW, caller="a")] * 3, live=False)
    beat(cycle, *[tick_line(NOW, gitea=False)] * 3, live=False)

    totals = cycle.totals(scraped=True)

    assert totals.series == ()
    assert (totals.prompt_characters, totals.ticks) == (0, 0)
    assert set(totals.checks.values()) == set(totals.failed_checks.values()) == {0}
    assert cycle.observe(NOW).demand.recent.requests == 3


def test_what_is_read_live_counts_even_where_it_is_in_no_window() -> None:
    cycle = started()
    feed(cycle, request_line(NOW, caller="a"), live=False)
    feed(cycle, *(request_line(NOW + by, caller="a") for by in (-DAY, 0, DAY)))
    beat(cycle, *(tick_line(NOW + by) for by in (-DAY, 0, DAY)))

    assert requests_by_caller(cycle) == {"a": 3}
    assert cycle.totals(scraped=False).ticks == 3


def test_windows_and_counters_share_the_room_for_labels() -> None:
    cycle = started(dataclasses.replace(HOURLY, caller_limit=1))
    feed(cycle, request_line(NOW, caller="a"), live=False)
    feed(cycle, request_line(NOW, caller="b"))

    assert requests_by_caller(cycle) == {OTHER: 1}
    assert cycle.totals(scraped=False).label_overflows == {"caller": 1, "model": 0}


# Expiry


def test_a_caller_is_forgotten_once_idle_for_long_and_makes_room() -> None:
    cycle = started(dataclasses.replace(HOURLY, caller_limit=1))
    feed(cycle, request_line(NOW, caller="old"))
    cycle.expire(UnixSeconds(NOW + 7 * DAY))
    kept = requests_by_caller(cycle)

    cycle.expire(UnixSeconds(NOW + 7 * DAY + 1))
    gone = requests_by_caller(cycle)
    feed(cycle, request_line(NOW + 8 * DAY, caller="new"), now=NOW + 8 * DAY)

    assert (kept, gone) == ({"old": 1}, {})
    assert requests_by_caller(cycle) == {"new": 1}


def test_a_caller_that_has_just_come_back_is_not_idle() -> None:
    cycle = started()
    back = NOW + 7 * DAY + 1
    feed(cycle, request_line(NOW, caller="weekly"))
    feed(cycle, request_line(back, caller="weekly"), now=back)

    cycle.expire(UnixSeconds(back))

    assert [c.caller for c in cycle.observe(UnixSeconds(back)).callers] == ["weekly"]
    assert requests_by_caller(cycle) == {"weekly": 2}


@pytest.mark.parametrize("horizon_minutes", [1, 10, 60, 600])
def test_no_caller_is_forgotten_that_a_window_may_still_show(horizon_minutes: int) -> None:
    telemetry = Telemetry(
        horizon_seconds=Seconds(horizon_minutes * MINUTE), idle_expiry_seconds=Seconds(0.0)
    )
    forgetful, faithful = started(telemetry), started(telemetry)
    for step in range(40):
        now = UnixSeconds(NOW + step * telemetry.horizon_seconds / 3)
        for cycle in (forgetful, faithful):
            feed(cycle, request_line(now, caller=f"caller{step}"), now=now)
        forgetful.expire(now)

        for moment in (now, UnixSeconds(now - HOUR)):
            assert forgetful.observe(moment) == faithful.observe(moment)


def test_a_clock_that_jumps_ahead_and_back_mixes_no_callers_up() -> None:
    cycle = started()
    feed(cycle, request_line(NOW, caller="a"))
    cycle.expire(UnixSeconds(NOW + 1000 * DAY))
    feed(cycle, request_line(NOW, caller="b"))

    assert [(c.caller, c.requests) for c in cycle.observe(NOW).callers] == [("b", 1)]


def test_a_report_names_every_caller_whatever_the_limit_of_a_server() -> None:
    cycle = Cycle(Telemetry(horizon_seconds=HOUR, caller_limit=2), report_at=NOW)
    feed(cycle, *(request_line(NOW - 1, caller=f"caller {i}") for i in range(5)))

    assert set(requests_by_caller(cycle)) == {f"caller {i}" for i in range(5)}


def test_a_cycle_goes_on_with_the_counters_of_the_one_it_replaces() -> None:
    before = started()
    feed(before, request_line(NOW - 1, caller="a"))
    after = started(Telemetry(horizon_seconds=Seconds(2 * HOUR)))
    after.take_over(before)
    feed(after, request_line(NOW, caller="a"), request_line(NOW, caller="b"))
    after.totals(scraped=True)
    after.confirm()
    counted = {series.caller: series.requests for series in after.totals(scraped=False).series}

    assert counted == {"a": 2, "b": 1}


def test_a_cycle_that_is_started_again_knows_its_counters_and_what_is_usual() -> None:
    cycle = started()
    feed(cycle, request_line(NOW, caller="a"))
    beat(cycle, tick_line(NOW, gitea=False))
    cycle.extend_history(UnixSeconds(NOW - DAY))
    counted = requests_by_caller(cycle)

    now = UnixSeconds(NOW + DAY)
    cycle.restart(Seconds(DAY), now)

    observation, empty = cycle.observe(now), started().observe(now)
    assert replace(observation, demand=empty.demand) == empty
    assert observation.demand.recent == empty.demand.recent
    assert observation.demand.forecast.history_seconds is not None
    assert requests_by_caller(cycle) == counted


@pytest.mark.parametrize("jump", [30 * DAY, -30 * DAY])
def test_callers_are_idle_for_as_long_when_a_cycle_is_started_again(jump: float) -> None:
    cycle = started()
    feed(cycle, request_line(NOW, caller="a"))
    counted = requests_by_caller(cycle)

    cycle.restart(Seconds(jump), NOW)
    cycle.expire(UnixSeconds(NOW + jump + 7 * DAY))
    kept = requests_by_caller(cycle)
    cycle.expire(UnixSeconds(NOW + jump + 7 * DAY + 1))

    assert (kept, requests_by_caller(cycle)) == (counted, {})


def test_a_clock_that_is_set_costs_no_more_history_than_is_read_again() -> None:
    cycle = started()
    cycle.begin_recall(NOW)
    cycle.end_recall()
    for hour in range(72):
        now = UnixSeconds(NOW + hour * HOUR)
        cycle.ingest(Source.REQUESTS, request_line(now, caller="a"), now=now, live=True)
    later = UnixSeconds(NOW + 72 * HOUR)
    before = cycle.saved_history(later)

    cycle.restart(Seconds(120.0), later)
    for hour in range(60, 72):
        line = request_line(NOW + hour * HOUR, caller="a")
        cycle.ingest(Source.REQUESTS, line, now=later, live=False)

    assert cycle.saved_history(later) == before
