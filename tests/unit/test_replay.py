"""Telemetry played back: each trouble is told of once, and what comes later changes nothing."""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surge_exporter.alerts import readings
from surge_exporter.core.cycle import Cycle, Telemetry
from surge_exporter.core.episodes import Episode, Resolution
from surge_exporter.core.replay import Recorded, play, steps
from surge_exporter.core.scenario import EpisodeKind
from surge_exporter.core.simulate import Line
from surge_exporter.model import (
    HOUR,
    Observation,
    Request,
    Seconds,
    Severity,
    Source,
    Tick,
    UnixSeconds,
)
from surge_exporter.playback import Playback
from surge_exporter.signals import ROWS, default_tuning, judge, surge_factors
from tests.replays import HOURLY, PLANTED, START, planted, record, replayed, tuned
from tests.telemetry import request, spread, tick

DAY = 24 * HOUR


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    return planted()


@pytest.fixture(scope="module")
def recorded(lines: list[Line]) -> Recorded:
    return record(lines)


@pytest.fixture(scope="module")
def playback(recorded: Recorded) -> Playback:
    return replayed(recorded)


def hours(at: float | None) -> float:
    """Return an instant as hours after the start."""
    assert at is not None
    return (at - START) / HOUR


def started(playback: Playback) -> list[tuple[str, str, str]]:
    return [(*e.key,) for e in playback.episodes]


def episode(playback: Playback, signal: str) -> Episode:
    return next(e for e in playback.episodes if e.key.signal == signal)


def test_each_trouble_is_told_of_once_and_nothing_else_is(playback: Playback) -> None:
    told = [key for key in started(playback) if ROWS[key[0]].advises]

    assert told == [
        ("gitea_outages", "warning", ""),
        ("inference_failures", "warning", ""),
        ("caller_failures", "warning", "pr_review"),
        ("heavy_batch", "warning", "nightly_batch_eval"),
        *[("demand_surge", severity, "") for severity in ("warning", "critical")],
    ]


def test_what_sharpens_a_trouble_is_told_while_it_lasts_and_at_no_other_time(
    playback: Playback,
) -> None:
    sharper = [e for e in playback.episodes if not ROWS[e.key.signal].advises]

    assert {e.key.signal for e in sharper} == {
        "gitea_down",
        "inference_down",
        "inference_flapping",
    }
    for found in sharper:
        is_gitea = found.key.signal.startswith("gitea")
        kind = EpisodeKind.GITEA_OUTAGE if is_gitea else EpisodeKind.INFERENCE_FAILURES
        begin, long, _ = PLANTED[kind]
        assert begin < hours(found.start) < begin + long


@pytest.mark.parametrize(
    ("signal", "kind", "told_within", "over_within"),
    [
        ("gitea_down", EpisodeKind.GITEA_OUTAGE, 0.1, 0.2),
        ("gitea_outages", EpisodeKind.GITEA_OUTAGE, 0.25, 1.4),
        ("inference_failures", EpisodeKind.INFERENCE_FAILURES, 0.25, 1.4),
        ("caller_failures", EpisodeKind.FAILING_CALLER, 0.6, 1.5),
        ("heavy_batch", EpisodeKind.BATCH_JOB, 0.6, 2.2),
        ("demand_surge", EpisodeKind.SURGE, 0.6, 6.5),
    ],
)
def test_an_episode_begins_and_ends_with_its_trouble(
    playback: Playback, signal: str, kind: EpisodeKind, told_within: float, over_within: float
) -> None:
    begin, long, _ = PLANTED[kind]
    found = episode(playback, signal)

    assert 0 < hours(found.start) - begin <= told_within
    assert 0 < hours(found.end) - begin - long <= over_within
    assert found.active_since <= found.start
    assert found.peak > found.threshold


def test_an_episode_says_why_and_what_resolved_it(playback: Playback) -> None:
    outage, surge = episode(playback, "gitea_outages"), episode(playback, "demand_surge")

    assert outage.evidence == "6 of 60 Gitea checks failed in the last 1 h"
    assert (outage.resolution, outage.resolved_value) == (Resolution.FELL, 0.0)
    assert "times what is usual at this time" in surge.evidence
    assert surge.resolved_value is not None


def test_every_step_is_what_a_fresh_reading_says_of_it(
    lines: list[Line], recorded: Recorded
) -> None:
    first, last = steps(recorded, Seconds(60.0))
    rng = random.Random(11)
    chosen = sorted(rng.sample(range(first, last), 5))
    seen: dict[int, Observation] = {}

    def see(step: int, observation: Observation) -> bool:
        if step in chosen:
            seen[step] = observation
        return False

    play(Cycle(HOURLY), recorded, Seconds(60.0), see)

    assert list(seen) == chosen
    for step, observation in seen.items():
        fresh = read_at_once(lines, UnixSeconds(step * 60.0))
        assert forgetful(observation) == forgetful(fresh)


def forgetful(observation: Observation) -> Observation:
    """Return an observation without what only those know who were there before the windows."""
    health = tuple(replace(h, last_change=None) for h in observation.dependencies)
    return replace(observation, dependencies=health)


def read_at_once(lines: Sequence[Line], now: UnixSeconds) -> Observation:
    """Return what a cycle that is shown all lines up to an instant observes then."""
    cycle = Cycle(HOURLY)
    for source in Source:
        known = [line.text for line in lines if line.source is source and line.at <= now]
        block = "".join(f"{text}\n" for text in known).encode()
        cycle.ingest(source, block, now=now, live=False)
    return cycle.observe(now)


def test_a_caller_alerts_from_a_number_of_failures_on_though_it_is_active_before(
    recorded: Recorded,
) -> None:
    tuning = default_tuning()
    sparse = tuned(caller_failures_warning=0.01)

    def see(_: int, observation: Observation) -> bool:
        failures = {caller.caller: caller.failures for caller in observation.callers}
        keys = [reading.key for reading in readings(observation, sparse)]
        seen.extend(failures[key.subject] for key in keys if key.signal == "caller_failures")
        return True

    seen: list[int] = []
    play(Cycle(HOURLY), recorded, Seconds(300.0), see)

    assert min(seen) == tuning.parameters["caller_failures", "min_failures"]


def test_what_holds_is_what_the_verdict_finds_but_for_surges(recorded: Recorded) -> None:
    tuning = tuned(caller_failures_warning=0.01)
    any_failure = {**tuning.parameters, ("caller_failures", "min_failures"): 0.0}
    tuning = replace(tuning, parameters=any_failure)
    found = 0

    def see(_: int, observation: Observation) -> bool:
        nonlocal found
        active = {r.key for r in readings(observation, tuning) if r.holds}
        surges = {key for key in active if key.signal == "demand_surge"}
        test = observation.demand.surge_test
        assert {key.severity for key in surges} == (test.confirmed if test else frozenset())
        verdict = judge(observation, tuning)
        others = {(f.signal, f.severity, f.subject) for f in verdict.findings}
        assert active - surges == {key for key in others if key[0] != "demand_surge"}
        found += len(active)
        return True

    cycle = Cycle(HOURLY)
    cycle.set_surge_factors(**surge_factors(tuning))
    play(cycle, recorded, Seconds(600.0), see)

    assert found


def test_demand_cannot_page_before_there_is_a_seasonal_test() -> None:
    short = record([line for line in planted(11.0, 100.0) if line.source is Source.REQUESTS])

    found = replayed(short)

    assert found.tested_from is None
    assert not found.episodes


@pytest.mark.parametrize(
    "name", ["demand_surge_warning", "caller_failures_warning", "gitea_outages_warning"]
)
def test_a_higher_threshold_never_alerts_for_longer(recorded: Recorded, name: str) -> None:
    signal, _, severity = name.rpartition("_")
    numbers = {"demand_surge": (1.3, 1.5, 3.0), "gitea_outages": (1, 30, 61)}

    found = [
        next(
            (total.episodes, total.seconds)
            for total in replayed(recorded, tuned(**{name: number}), step=600.0).totals
            if (total.signal.name, total.severity) == (signal, severity)
        )
        for number in numbers.get(signal, (0.1, 0.3, 0.95))
    ]

    assert found == sorted(found, reverse=True)
    assert found[0] > found[-1]


@pytest.mark.parametrize("wished", [0.0, 1.0])
def test_suggested_thresholds_give_what_they_promise(recorded: Recorded, wished: float) -> None:
    low = tuned(
        caller_failures_warning=0.005,
        heavy_batch_warning=0.02,
        demand_surge_warning=1.05,
        demand_surge_critical=1.3,
    )
    before = replayed(recorded, low, pages_per_week=wished)
    found = {
        f"{one.signal.name}_{one.severity}": one
        for one in before.suggestions
        if one.suggested is not None
    }

    totals = {
        f"{total.signal.name}_{total.severity}": total.episodes
        for total in replayed(
            recorded,
            tuned(**{name: one.suggested for name, one in found.items() if one.suggested}),
        ).totals
    }

    assert {"caller_failures_warning", "demand_surge_warning"} <= set(found) or wished
    assert "caller_failures_warning" in found
    for name, one in found.items():
        assert one.suggested_episodes <= wished < one.episodes
        assert totals[name] == one.suggested_episodes


def test_nothing_is_suggested_where_nothing_alerts_too_often(playback: Playback) -> None:
    assert playback.suggestions == []


def test_an_outage_that_goes_on_ends_with_the_logs() -> None:
    ticks = [tick(START + 60 * n, gitea=n < 30) for n in range(60)]

    remembered, down = replayed(Recorded([], ticks), step=60.0).episodes

    for found in (down, remembered):
        assert (found.end, found.resolution) == (None, Resolution.END_OF_LOGS)
    assert (remembered.key.signal, hours(remembered.start)) == ("gitea_outages", 32 / 60)
    assert (down.key.signal, hours(down.start)) == ("gitea_down", 35 / 60)


def test_telemetry_that_stops_ends_an_episode_as_stale() -> None:
    ticks = [tick(START + 60 * n, gitea=n < 30) for n in range(60)]
    later = [tick(START + DAY, gitea=True)]

    found = replayed(Recorded([], [*ticks, *later]), step=60.0).episodes

    assert {e.key.signal for e in found} == {"gitea_outages", "gitea_down"}
    assert {e.resolution for e in found} == {Resolution.STALE}


def test_a_caller_that_falls_silent_leaves_nothing_to_measure() -> None:
    failing = [request(at, caller="bot", success=False) for at in spread(30, START, START + HOUR)]
    others = [request(at) for at in spread(300, START, START + 5 * HOUR)]
    requests = sorted([*failing, *others], key=lambda r: r.at)

    found = episode(replayed(Recorded(requests, [])), "caller_failures")

    assert (found.key.subject, found.resolution) == ("bot", Resolution.ABSENT)


def test_years_of_silence_are_passed_over() -> None:
    year = 365 * DAY
    ticks = [tick(START - year), *(tick(START + 60 * n, gitea=False) for n in range(10))]
    seen: list[int] = []

    def see(step: int, _: Observation) -> bool:
        seen.append(step)
        return False

    play(Cycle(HOURLY), Recorded([], ticks), Seconds(3600.0), see)

    assert len(seen) < 30 * 24 + 3
    assert seen[-1] == steps(Recorded([], ticks), Seconds(3600.0))[1]


def test_records_of_the_future_are_left_out_where_there_are_others(lines: list[Line]) -> None:
    known = [line for line in lines if line.at < START + HOUR]
    ahead = [line for line in lines if line.at > START + 10 * HOUR]
    now = UnixSeconds(START + HOUR)

    assert record([*known, *ahead], now=now) == record(known, now=now)
    assert record(ahead, now=now) == record(ahead)


def test_lines_in_any_order_give_the_same_replay(lines: list[Line]) -> None:
    short = [line for line in lines if line.at < START + 12 * HOUR]
    shuffled = short.copy()
    random.Random(2).shuffle(shuffled)

    assert replayed(record(shuffled)) == replayed(record(short))


MINUTES = st.integers(min_value=0, max_value=240)
RECORDS = st.lists(
    st.tuples(MINUTES, st.sampled_from(["a", "b", None]), st.booleans()), min_size=1, max_size=60
)


@settings(max_examples=40, deadline=None)
@given(RECORDS, RECORDS)
def test_what_comes_later_changes_nothing_before(
    before: list[tuple[int, str | None, bool]], after: list[tuple[int, str | None, bool]]
) -> None:
    last = max(minute for minute, _, _ in before)
    later = [(last + 1 + minute, caller, good) for minute, caller, good in after]
    quarter = Telemetry(horizon_seconds=Seconds(900.0))

    known = replayed(made_of(before), step=60.0, settings=quarter)
    longer = replayed(made_of(before + later), step=60.0, settings=quarter)

    assert begun(known, known.end) == begun(longer, known.end)


def made_of(records: list[tuple[int, str | None, bool]]) -> Recorded:
    """Return ticks, where there is no caller, and requests, at whole minutes."""
    requests: list[Request] = []
    ticks: list[Tick] = []
    for minute, caller, good in sorted(records, key=lambda record: record[0]):
        at = START + 60.0 * minute
        if caller is None:
            ticks.append(tick(at, gitea=good, inference=good))
        else:
            requests += [request(at, caller=caller, success=good)] * 3
    return Recorded(requests, ticks)


def begun(playback: Playback, until: float) -> list[tuple[str, Severity, str, float, str]]:
    return [(*e.key, e.start, e.evidence) for e in playback.episodes if e.start <= until]


def test_the_thresholds_of_the_table_are_those_that_a_replay_starts_from(
    playback: Playback,
) -> None:
    thresholds = default_tuning().thresholds

    for found in playback.episodes:
        assert found.threshold == thresholds[found.key.signal, found.key.severity]
