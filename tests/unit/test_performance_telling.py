"""What telemetry says to the scaler: how models did lately, and whether a surge is near."""

from dataclasses import replace

import pytest

from surge_exporter.model import Finding, Severity, UnixSeconds
from surge_exporter.runtime.performance import (
    REFRESH_SECONDS,
    WINDOW_SECONDS,
    Surroundings,
    Telling,
    surge_predicted,
)
from surge_exporter.snapshot import HistogramValue, SeriesCount, Snapshot
from tests import snapshots
from tests.fakes import FakeClock
from tests.snapshots import NOW, snapshot

BOUNDS = ("1.0", "2.0", "4.0", "+Inf")


def counted(
    at: float, requests: int, failures: int = 0, buckets: tuple[int, ...] | None = None
) -> Snapshot:
    """Return a snapshot with counters of one model, which two callers ask."""
    series = [
        SeriesCount(
            caller=caller,
            model="hermes",
            requests=part,
            failures=failed,
            prompt_tokens=None,
            response_tokens=None,
        )
        for caller, part, failed in (("a", requests, failures), ("b", 0, 0))
    ]
    durations = {}
    if buckets is not None:
        durations = {"hermes": HistogramValue(tuple(zip(BOUNDS, buckets, strict=True)), 1.0)}
    totals = replace(snapshots.totals(), series=tuple(series), durations=durations)
    return snapshot(at=UnixSeconds(NOW + at), totals=totals)


class Rig:
    """Shows one snapshot after the other."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.newest = counted(0, 0)
        self.refreshed = 0
        self.telling = Telling(self.clock, lambda: self.newest, self._refresh)

    def see(self, *found: Snapshot) -> Surroundings:
        for one in found:
            self.newest = one
            self.clock.advance(15.0)
            told = self.telling.surroundings()
        return told

    def _refresh(self) -> None:
        self.refreshed += 1


def test_a_models_performance_is_what_came_since_the_window_began() -> None:
    told = Rig().see(
        counted(0, 100, 50),
        counted(300, 140, 52),
        counted(WINDOW_SECONDS + 100, 160, 60),
        counted(WINDOW_SECONDS + 300, 200, 61),
    )

    assert (told.performance["hermes"].requests, told.performance["hermes"].failures) == (60, 9)


def test_the_first_snapshot_says_nothing_of_what_came_before() -> None:
    told = Rig().see(counted(0, 100, 50))

    assert told.performance["hermes"].requests == 0


def test_counters_that_begin_anew_are_not_compared_with_the_old_ones() -> None:
    told = Rig().see(counted(0, 100), counted(60, 3), counted(120, 10))

    assert told.performance["hermes"].requests == 7


def test_a_clock_that_goes_back_begins_anew() -> None:
    told = Rig().see(counted(0, 100), counted(-3600, 110), counted(-3500, 115))

    assert told.performance["hermes"].requests == 5


@pytest.mark.parametrize(
    ("buckets", "tail"),
    [
        ((100, 100, 100, 100), 0.95),
        ((0, 100, 100, 100), 1.95),
        ((50, 90, 100, 100), 3.0),
        ((0, 0, 0, 100), 4.0),
    ],
)
def test_the_time_of_19_in_20_is_read_off_the_histogram(
    buckets: tuple[int, ...], tail: float
) -> None:
    told = Rig().see(counted(0, 0, 0, (9, 9, 9, 9)), counted(60, 100, 0, _plus(buckets, 9)))

    assert told.performance["hermes"].p95_seconds == pytest.approx(tail)


def _plus(buckets: tuple[int, ...], more: int) -> tuple[int, ...]:
    return tuple(count + more for count in buckets)


def test_without_new_durations_there_is_no_time() -> None:
    told = Rig().see(counted(0, 0, 0, (9, 9, 9, 9)), counted(60, 100, 0, (9, 9, 9, 9)))

    assert told.performance["hermes"].p95_seconds is None


def test_where_nobody_scrapes_a_snapshot_is_asked_for_seldom() -> None:
    rig = Rig()

    for _ in range(int(10 * REFRESH_SECONDS / 2)):
        rig.clock.advance(2.0)
        rig.telling.surroundings()

    assert 8 <= rig.refreshed <= 10


def test_where_somebody_scrapes_none_is() -> None:
    rig = Rig()

    rig.see(*(counted(15.0 * number, number) for number in range(20)))

    assert rig.refreshed == 0


def finding(signal: str) -> Finding:
    return Finding(
        signal=signal,
        severity=Severity.WARNING,
        value=2.0,
        threshold=1.5,
        subject="",
        evidence="",
    )


@pytest.mark.parametrize(
    ("tested", "signals", "expected"),
    [
        ({Severity.WARNING}, (), True),
        (set(), ("demand_surge",), False),
        (set(), ("predicted_demand",), True),
        (None, ("demand_surge",), True),
        (None, ("gitea_outages",), False),
    ],
)
def test_the_seasonal_test_has_the_word_on_surges_where_there_is_one(
    tested: set[Severity] | None, signals: tuple[str, ...], *, expected: bool
) -> None:
    found = snapshot()
    assert found.verdict
    assert found.observation
    test = found.observation.demand.surge_test
    assert test
    test = None if tested is None else replace(test, confirmed=frozenset(tested))
    demand = replace(found.observation.demand, surge_test=test)
    found = replace(
        found,
        observation=replace(found.observation, demand=demand),
        verdict=replace(found.verdict, findings=tuple(map(finding, signals))),
    )

    assert surge_predicted(found) is expected


def test_before_the_windows_are_loaded_no_surge_is_near() -> None:
    assert not surge_predicted(snapshot(observation=None))
