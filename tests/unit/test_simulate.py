"""What the simulated fleet writes, judged by a plain recomputation of the verdict."""

import bisect
import itertools
import json
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatch
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surge_exporter.core.cycle import Cycle, Telemetry
from surge_exporter.core.records import RequestDecoder
from surge_exporter.core.scenario import (
    Episode,
    EpisodeKind,
    Scenario,
    day_scenario,
    demo_scenario,
)
from surge_exporter.core.simulate import BATCH_CALLER, FAILING_CALLER, Line, telemetry
from surge_exporter.core.ticks import TickDecoder
from surge_exporter.model import HOUR, Source, UnixSeconds

START = UnixSeconds(1_774_811_051.25)
DAY = 24 * HOUR
BATCH_PATTERNS = ("*batch*", "*backfill*", "*index*", "*mining*", "*ingest*", "*sync*")


def lines_of(scenario: Scenario, start: float, stop: float, seed: int = 7) -> list[Line]:
    """Return the lines from `start` to `stop`, in hours after the scenario's start."""
    return list(
        telemetry(
            scenario,
            seed=seed,
            start=UnixSeconds(scenario.start + start * HOUR),
            stop=UnixSeconds(scenario.start + stop * HOUR),
        )
    )


def objects_of(lines: Iterable[Line], source: Source) -> list[dict[str, Any]]:
    return [json.loads(line.text) for line in lines if line.source is source]


def calm(requests_per_hour: float, *, rhythm: float = 0.0, tick_seconds: float = 60) -> Scenario:
    return Scenario(
        start=START,
        requests_per_hour=requests_per_hour,
        rhythm=rhythm,
        tick_seconds=tick_seconds,
    )


def during(kind: EpisodeKind, magnitude: float) -> Scenario:
    """Return a scenario of 1000 requests/h whose only hour is one episode."""
    episode = Episode(kind=kind, start_seconds=0, duration_seconds=HOUR, magnitude=magnitude)
    return replace(calm(1000), episodes=(episode,))


def volumes(requests: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """Return the token volume of each caller: logged tokens, else characters / 4."""
    volume: Counter[str] = Counter()
    for request in requests:
        if "prompt_tokens" in request:
            tokens = request["prompt_tokens"] + request["response_tokens"]
        else:
            tokens = (request["prompt_len"] + request["response_len"]) / 4
        volume[request["caller"]] += tokens
    return volume


def share(requests: Sequence[Mapping[str, Any]], caller: str) -> float:
    volume = volumes(requests)
    return volume[caller] / volume.total()


def failure_rates(requests: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return the failed part of each caller with at least 5 requests."""
    successes = defaultdict(list)
    for request in requests:
        successes[request["caller"]].append(request["success"])
    return {
        caller: outcomes.count(False) / len(outcomes)
        for caller, outcomes in successes.items()
        if len(outcomes) >= 5
    }


def level(factor: float) -> str:
    """Return the level; both sides of 1 are one, since noise alone crosses it."""
    if factor > 3.0:
        return "critical"
    if factor > 1.5:
        return "elevated"
    return "low" if factor < 0.7 else "even"


def findings(requests: list[dict[str, Any]], ticks: list[dict[str, Any]]) -> set[str]:
    """Return the signals that one window of 1 h raises, besides the demand."""
    found = set()
    seen = [tick["perception"] for tick in ticks]
    if not all(perception["gitea_alive"] for perception in seen):
        found.add("gitea_outages")
    if [perception["model_health"]["inference_ok"] for perception in seen].count(False) >= 2:
        found.add("inference_failures")
    if any(rate >= 0.2 for rate in failure_rates(requests).values()):
        found.add("caller_failures")
    volume = volumes(requests)
    for caller, tokens in volume.items():
        batch = any(fnmatch(caller, pattern) for pattern in BATCH_PATTERNS)
        if tokens >= (0.25 if batch else 0.6) * volume.total():
            found.add("heavy_batch")
    return found


@cache
def verdicts(scenario: Scenario, start: float, stop: float, seed: int) -> list[str]:
    """Return what a verdict with a horizon of 1 h says, every 6 minutes."""
    lines = lines_of(scenario, start - 2, stop, seed)
    times: dict[Source, list[float]] = {source: [] for source in Source}
    for line in lines:
        times[line.source].append(line.at)
    requests, ticks = (objects_of(lines, source) for source in Source)
    said = []
    for step in range(round(start * 10), round(stop * 10)):
        now = scenario.start + step * HOUR / 10
        old, middle, new = (
            bisect.bisect(times[Source.REQUESTS], now - h * HOUR) for h in (2, 1, 0)
        )
        first, last = (bisect.bisect(times[Source.HEARTBEAT], now - h * HOUR) for h in (1, 0))
        found = findings(requests[middle:new], ticks[first:last])
        said.append(" ".join([level((new - middle) / (middle - old)), *sorted(found)]))
    return said


def test_every_line_decodes_without_a_rejection() -> None:
    lines = lines_of(demo_scenario(START), 9, 12)
    block = {
        source: "".join(f"{line.text}\n" for line in lines if line.source is source).encode()
        for source in Source
    }

    requests = RequestDecoder().decode(block[Source.REQUESTS])
    ticks = TickDecoder().decode(block[Source.HEARTBEAT])

    assert requests.rejected == ticks.rejected == []
    assert requests.lines == len(requests.records) > 1000
    assert ticks.lines == len(ticks.records) == 180
    assert None not in {tick.gitea for tick in ticks.records}
    assert None not in {tick.inference for tick in ticks.records}


def test_a_line_is_placed_at_exactly_the_time_that_its_text_says() -> None:
    lines = lines_of(calm(500), 0, 2)
    cycle = Cycle(Telemetry())

    assert [cycle.timestamps(line.source, line.text.encode() + b"\n") for line in lines] == [
        [line.at] for line in lines
    ]


def test_a_request_line_has_the_form_of_the_fleet() -> None:
    request = objects_of(lines_of(calm(500), 0, 1), Source.REQUESTS)[0]

    required = ["timestamp", "model", "caller", "prompt_len", "response_len", "success"]
    assert list(request)[:6] == required
    assert len(request["timestamp"]) == len("2026-03-29T21:04:11.532190+00:00")


def test_a_tick_has_the_nested_form_of_the_fleet() -> None:
    tick = json.loads(lines_of(calm(0.001), 0, 0.02)[0].text)

    assert tick == {
        "tick_id": "20260329_190500",
        "timestamp": "2026-03-29T19:05:00+00:00",
        "perception": {
            "gitea_alive": True,
            "model_health": {
                "ollama_running": True,
                "inference_ok": True,
                "models_loaded": ["hermes4:14b", "qwen3:8b"],
            },
        },
        "actions": [],
    }


def test_lines_of_both_sources_come_merged_in_the_order_of_time() -> None:
    lines = lines_of(calm(500), 0, 2)

    assert [line.at for line in lines] == sorted(line.at for line in lines)
    assert {line.source for line in lines} == set(Source)
    assert len(list(itertools.groupby(line.source for line in lines))) > 100


@settings(max_examples=40, deadline=None)
@given(
    cuts=st.tuples(*[st.floats(-600, 4000)] * 3).map(sorted),
    seed=st.integers(),
    tick_seconds=st.floats(1, 400),
)
def test_any_slices_of_time_join_to_the_whole(
    cuts: list[float], seed: int, tick_seconds: float
) -> None:
    scenario = replace(day_scenario(START, 200), tick_seconds=tick_seconds)
    first, middle, last = (cut / HOUR for cut in cuts)

    joined = lines_of(scenario, first, middle, seed) + lines_of(scenario, middle, last, seed)

    assert joined == lines_of(scenario, first, last, seed)


def test_a_cut_at_the_time_of_a_line_neither_loses_nor_doubles_it() -> None:
    scenario = calm(200, tick_seconds=1.5)
    whole = lines_of(scenario, 0, 0.05)
    stop = UnixSeconds(START + 0.05 * HOUR)

    for cut in {line.at for line in whole}:
        before = telemetry(scenario, seed=7, start=START, stop=cut)
        after = telemetry(scenario, seed=7, start=cut, stop=stop)

        assert [*before, *after] == whole


def test_an_empty_interval_has_no_lines() -> None:
    assert lines_of(calm(3600), 1, 1) == []
    assert lines_of(calm(3600), 1, 0) == []


def test_an_endless_interval_begins_like_a_finite_one() -> None:
    endless = telemetry(calm(500), seed=7, start=START, stop=UnixSeconds(math.inf))
    finite = lines_of(calm(500), 0, 1)

    assert list(itertools.islice(endless, len(finite))) == finite


def test_another_seed_tells_another_story() -> None:
    one, other = (lines_of(calm(100), 0, 1, seed) for seed in (1, 2))

    assert one != other


def test_the_number_of_requests_a_minute_is_poisson() -> None:
    lines = lines_of(calm(240), 0, 100)
    minutes = Counter(line.at // 60 for line in lines if line.source is Source.REQUESTS)
    counts = [minutes[START // 60 + index] for index in range(1, 6000)]

    assert statistics.mean(counts) == pytest.approx(4, rel=0.03)
    assert statistics.variance(counts) == pytest.approx(4, rel=0.08)
    assert counts.count(0) / len(counts) == pytest.approx(math.exp(-4), rel=0.25)


def test_a_high_rate_is_kept() -> None:
    lines = lines_of(calm(200_000), 0, 0.1)

    assert len(objects_of(lines, Source.REQUESTS)) == pytest.approx(20_000, rel=0.03)


def test_the_day_has_a_rhythm_around_the_mean_rate() -> None:
    scenario = replace(calm(200, rhythm=0.6), start=UnixSeconds(START // DAY * DAY))
    requests = [at for at, source, _ in lines_of(scenario, 0, 72) if source is Source.REQUESTS]
    hours = Counter(int(at % DAY // HOUR) for at in requests)

    assert len(requests) / 72 == pytest.approx(200, rel=0.03)
    assert (hours[14] + hours[15]) / 6 == pytest.approx(200 * 1.6, rel=0.1)
    assert (hours[2] + hours[3]) / 6 == pytest.approx(200 * 0.4, rel=0.15)


def test_a_tick_comes_once_per_tick_time() -> None:
    ticks = objects_of(lines_of(calm(1, tick_seconds=90), 0, 10), Source.HEARTBEAT)

    assert len(ticks) == 400
    assert len({tick["tick_id"] for tick in ticks}) == 400


def test_a_surge_multiplies_the_demand() -> None:
    requests = objects_of(lines_of(during(EpisodeKind.SURGE, 5), 0, 1), Source.REQUESTS)

    assert len(requests) == pytest.approx(5000, rel=0.05)


def test_surges_that_overlap_multiply() -> None:
    scenario = during(EpisodeKind.SURGE, 2)
    twice = replace(scenario, episodes=scenario.episodes * 2)

    assert len(lines_of(twice, 0, 1)) == pytest.approx(4000, rel=0.05)


def test_requests_take_longer_in_a_surge() -> None:
    medians = [
        statistics.median(
            request["duration_ms"]
            for request in objects_of(lines_of(scenario, 0, 1), Source.REQUESTS)
        )
        for scenario in (calm(1000), during(EpisodeKind.SURGE, 4))
    ]

    assert medians[1] > 1.7 * medians[0]


def test_an_outage_fails_its_share_of_the_forge_checks_and_nothing_else() -> None:
    scenario = replace(during(EpisodeKind.GITEA_OUTAGE, 0.5), tick_seconds=2)
    seen = [tick["perception"] for tick in objects_of(lines_of(scenario, 0, 1), Source.HEARTBEAT)]

    alive = [perception["gitea_alive"] for perception in seen]
    assert statistics.mean(alive) == pytest.approx(0.5, abs=0.05)
    assert all(perception["model_health"]["inference_ok"] for perception in seen)


def test_inference_failures_fail_checks_often_and_requests_sometimes() -> None:
    scenario = replace(during(EpisodeKind.INFERENCE_FAILURES, 0.8), tick_seconds=2)
    lines = lines_of(scenario, 0, 1)
    seen = [tick["perception"] for tick in objects_of(lines, Source.HEARTBEAT)]
    requests = objects_of(lines, Source.REQUESTS)

    healthy = [perception["model_health"]["inference_ok"] for perception in seen]
    assert statistics.mean(healthy) == pytest.approx(0.2, abs=0.05)
    assert all(perception["gitea_alive"] for perception in seen)
    assert statistics.mean(r["success"] for r in requests) == pytest.approx(0.92, abs=0.03)


def test_only_the_failing_caller_fails() -> None:
    requests = objects_of(lines_of(during(EpisodeKind.FAILING_CALLER, 0.7), 0, 1), Source.REQUESTS)
    rates = failure_rates(requests)

    assert rates.pop(FAILING_CALLER) == pytest.approx(0.7, abs=0.15)
    assert max(rates.values()) < 0.1


@pytest.mark.parametrize("magnitude", [0.3, 0.6, 0.9])
def test_a_batch_job_takes_its_share_of_the_token_volume(magnitude: float) -> None:
    requests = objects_of(
        lines_of(during(EpisodeKind.BATCH_JOB, magnitude), 0, 1), Source.REQUESTS
    )

    assert share(requests, BATCH_CALLER) == pytest.approx(magnitude, abs=0.05)


def test_a_failed_request_says_why_and_has_no_response() -> None:
    requests = objects_of(lines_of(during(EpisodeKind.FAILING_CALLER, 1), 0, 1), Source.REQUESTS)

    for request in requests:
        assert ("error" in request) is not request["success"]
        assert (request["response_len"] > 0) is request["success"]


def test_only_one_model_logs_tokens() -> None:
    requests = objects_of(lines_of(calm(2000), 0, 1), Source.REQUESTS)

    assert len({request["model"] for request in requests}) == 4
    assert {r["model"] for r in requests if "prompt_tokens" in r} == {"qwen3:8b"}


def test_a_small_model_answers_sooner_than_a_large_one() -> None:
    pace: dict[str, list[float]] = defaultdict(list)
    for request in objects_of(lines_of(calm(2000), 0, 1), Source.REQUESTS):
        if request["success"]:
            pace[request["model"]].append(request["duration_ms"] / request["response_len"])

    medians = [statistics.median(pace[m]) for m in ("llama3.2:3b", "qwen3:8b", "hermes4:14b")]
    assert medians == sorted(medians)


def test_calm_raises_no_signal() -> None:
    assert set(verdicts(calm(600, rhythm=0.1), 0, 24, seed=3)) == {"even"}


def test_it_is_calm_before_the_start() -> None:
    assert set(verdicts(demo_scenario(START), -6, 0.5, seed=3)) == {"even"}


def test_episodes_come_again_with_the_period_and_without_one_do_not() -> None:
    hour = Episode(
        kind=EpisodeKind.GITEA_OUTAGE, start_seconds=HOUR, duration_seconds=HOUR, magnitude=1
    )
    once = replace(calm(1), episodes=(hour,))
    again = replace(once, repeat_seconds=3 * HOUR)

    def outages(scenario: Scenario) -> list[int]:
        return [
            int(index)
            for index in range(-9, 9)
            if scenario.magnitudes(EpisodeKind.GITEA_OUTAGE, START + (index + 0.5) * HOUR)
        ]

    assert outages(once) == [1]
    assert outages(again) == [1, 4, 7]


def test_an_episode_may_last_into_the_next_period() -> None:
    late = Episode(
        kind=EpisodeKind.SURGE, start_seconds=2 * HOUR, duration_seconds=2 * HOUR, magnitude=3
    )
    scenario = replace(calm(1), episodes=(late,), repeat_seconds=3 * HOUR)

    first, *rest = (
        scenario.magnitudes(EpisodeKind.SURGE, START + (index + 0.5) * HOUR) for index in range(5)
    )

    assert first == []
    assert rest == [[], [3], [3], []]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_demo_shows_every_state_alone_for_ten_seconds_and_calm_between(seed: int) -> None:
    scenario = demo_scenario(UnixSeconds(START + (seed - 1) * 5 * HOUR))
    stages = [
        (0.0, 1.0, "even"),
        (1.4, 2.1, "elevated"),
        (2.35, 3.1, "critical"),
        (3.7, 5.0, "low"),
        (5.15, 5.55, "even"),
        (5.7, 7.05, "even gitea_outages"),
        (7.15, 7.45, "even"),
        (7.7, 8.9, "even inference_failures"),
        (9.1, 9.2, "even"),
        (9.45, 10.35, "even caller_failures"),
        (10.6, 10.6, "even"),
        (10.8, 11.75, "even heavy_batch"),
        (12.0, 13.0, "even"),
    ]
    said = verdicts(scenario, 0, 13, seed)

    assert {
        (start, stop): set(said[round(start * 10) : round(stop * 10) + 1])
        for start, stop, _ in stages
    } == {(start, stop): {state} for start, stop, state in stages}


def test_the_demo_spends_an_hour_in_each_state() -> None:
    said = Counter(verdicts(demo_scenario(START), 0, 13, 1))

    assert {state for state, steps in said.items() if steps >= 9} == {
        "even",
        "elevated",
        "critical",
        "low",
        "even gitea_outages",
        "even inference_failures",
        "even caller_failures",
        "even heavy_batch",
    }


def test_the_day_has_one_episode_of_each_kind_every_day() -> None:
    scenario = day_scenario(START, 50)

    assert Counter(e.kind for e in scenario.episodes) == dict.fromkeys(EpisodeKind, 1)
    assert all(e.start_seconds + e.duration_seconds < DAY for e in scenario.episodes)
    assert scenario.repeat_seconds == DAY
    assert scenario.requests_per_hour == 50


@pytest.mark.parametrize(
    ("kind", "magnitude"),
    [
        (EpisodeKind.SURGE, 0),
        (EpisodeKind.SURGE, math.inf),
        (EpisodeKind.BATCH_JOB, 1),
        (EpisodeKind.GITEA_OUTAGE, 1.1),
        (EpisodeKind.FAILING_CALLER, math.nan),
    ],
)
def test_an_impossible_magnitude_is_refused(kind: EpisodeKind, magnitude: float) -> None:
    with pytest.raises(ValueError, match=f"expected a {kind} above 0"):
        Episode(kind=kind, start_seconds=0, duration_seconds=1, magnitude=magnitude)


@pytest.mark.parametrize(
    "changes",
    [
        {"requests_per_hour": 0},
        {"requests_per_hour": math.inf},
        {"tick_seconds": 0.5},
        {"rhythm": 1},
        {"repeat_seconds": 0},
    ],
)
def test_an_impossible_scenario_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Scenario(**{"start": START, "requests_per_hour": 1, **changes})  # type: ignore[arg-type]
