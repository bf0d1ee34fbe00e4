"""Both windows against a plain, slow recomputation from the list of all records.

Times are whole microseconds here, so that edges are exact. The windows of the epoch's grid are
made of minutes of the clock; those of a grid that ends at `now` end there to the microsecond.
"""

import random
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surge_exporter.core.grid import Grid
from surge_exporter.core.health import HealthWindow
from surge_exporter.core.series import SeriesTable
from surge_exporter.core.window import RequestWindow, SeriesTotal
from surge_exporter.model import (
    Dependency,
    DependencyHealth,
    OutOfWindow,
    Request,
    Seconds,
    Tick,
    UnixSeconds,
)
from tests.telemetry import NOW, request, tick

SECOND = 1_000_000
MINUTE = 60 * SECOND
START = int(NOW) * SECOND
HORIZON = 7 * MINUTE
FUTURE = 5 * MINUTE
STALE_AFTER = 4 * MINUTE
GRID = Grid(width_seconds=60.0, span=7)

Record = TypeVar("Record", Request, Tick)


class Batch(NamedTuple):
    """`now` is `advance` after the latest it has been; then records arrive, each an offset from
    `now` and its fields.
    """

    advance: int
    records: Sequence[tuple[int, Mapping[str, Any]]]


class Moment(NamedTuple):
    """What there is to know at the end of a batch."""

    now: int
    arrived: list[tuple[int, Any]]
    kept: list[tuple[int, Any]]
    """Every record so far that was in a window, or about to be, when it arrived."""
    outside: dict[OutOfWindow, int]


def seconds(microseconds: int) -> UnixSeconds:
    return UnixSeconds(microseconds / SECOND)


def clock_window(now: int, age: int) -> range:
    """Return the window of the epoch's grid: the recent one (age 0) or the baseline (1)."""
    end = (now // MINUTE + 1) * MINUTE - age * HORIZON
    return range(end - HORIZON, end)


def exact_window(now: int, age: int) -> range:
    """Return the window (now - H, now], or the one before it."""
    end = now + 1 - age * HORIZON
    return range(end - HORIZON, end)


def play(batches: Iterable[Batch], build: Callable[..., Any]) -> Iterator[Moment]:
    kept: list[tuple[int, Any]] = []
    latest = START
    for batch in batches:
        now = latest + batch.advance
        latest = max(latest, now)
        arrived = [
            (now + offset, build(seconds(now + offset), **fields))
            for offset, fields in batch.records
        ]
        late = [at < clock_window(now, 1).start for at, _ in arrived]
        future = [at > now + FUTURE for at, _ in arrived]
        kept += [
            record
            for record, *outside in zip(arrived, late, future, strict=True)
            if not any(outside)
        ]
        outside = {OutOfWindow.LATE: sum(late), OutOfWindow.FUTURE: sum(future)}
        yield Moment(now, arrived, list(kept), outside)


def only(records: Iterable[tuple[int, Record]]) -> list[Record]:
    return [record for _, record in records]


def offsets(least: int, most: int) -> st.SearchStrategy[int]:
    """Return times on and beside whole minutes, where the edges are, and anywhere between."""
    minutes = st.integers(-(-least // MINUTE), most // MINUTE)
    beside = st.sampled_from([0, 0, -1, 1, SECOND])
    return st.builds(lambda m, b: m * MINUTE + b, minutes, beside) | st.integers(least, most)


def batches_of(fields: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[list[Batch]]:
    steps = [offsets(-60 * MINUTE, 0), offsets(0, 2 * MINUTE), offsets(0, 40 * MINUTE)]
    around_both_windows = offsets(-2 * HORIZON - MINUTE, FUTURE + MINUTE)
    records = st.lists(st.tuples(around_both_windows, fields), max_size=8)
    return st.lists(st.builds(Batch, st.one_of(steps), records), min_size=1, max_size=12)


# Requests

Row = tuple[int, int, int, int]
"""Requests, quarter tokens, sizes logged as tokens, sizes estimated."""

SIZES = st.none() | st.integers(0, 2**32)
REQUESTS = st.fixed_dictionaries(
    {
        "caller": st.sampled_from(["a", "b", "c"]),
        "model": st.sampled_from(["m", "n"]),
        "success": st.booleans(),
        "prompt_len": SIZES,
        "response_len": SIZES,
        "prompt_tokens": SIZES,
        "completion_tokens": SIZES,
    }
)


def plain_totals(
    records: Iterable[tuple[int, Request]], window: range
) -> dict[tuple[object, ...], Row]:
    totals: dict[tuple[object, ...], Row] = defaultdict(lambda: (0, 0, 0, 0))
    for at, one in records:
        if at in window:
            requests, quarters, logged, estimated = totals[one.caller, one.model, one.success]
            for tokens, characters in (
                (one.prompt_tokens, one.prompt_len),
                (one.completion_tokens, one.response_len),
            ):
                if tokens is not None:
                    quarters, logged = quarters + 4 * tokens, logged + 1
                elif characters is not None:
                    quarters, estimated = quarters + characters, estimated + 1
            totals[one.caller, one.model, one.success] = requests + 1, quarters, logged, estimated
    return dict(totals)


def rows(totals: Iterable[SeriesTotal]) -> dict[tuple[object, ...], Row]:
    return {
        total.key: (
            total.requests,
            total.volume.quarters,
            total.volume.logged,
            total.volume.estimated,
        )
        for total in totals
    }


def random_batches(seed: int) -> list[Batch]:
    """Return more records than hypothesis would: many pieces of many buckets."""
    rng = random.Random(seed)

    def record() -> tuple[int, dict[str, Any]]:
        fields = {
            "caller": rng.choice("abc"),
            "success": rng.random() < 0.8,
            "prompt_len": rng.randrange(10**4),
            "prompt_tokens": rng.choice([None, rng.randrange(10**4)]),
        }
        return rng.randrange(-2 * HORIZON - MINUTE, FUTURE + MINUTE), fields

    return [
        Batch(
            advance=rng.choice([0, 0, MINUTE // 2, MINUTE, -2 * MINUTE, -60 * MINUTE]),
            records=[record() for _ in range(rng.choice([0, 1, 50]))],
        )
        for _ in range(100)
    ]


def assert_totals_are_plain(batches: Iterable[Batch]) -> None:
    window = RequestWindow(GRID, SeriesTable())
    for now, arrived, kept, outside in play(batches, request):
        assert window.add(only(arrived), seconds(now)) == outside

        totals = window.totals(seconds(now))
        assert rows(totals.recent) == plain_totals(kept, clock_window(now, 0))
        assert rows(totals.baseline) == plain_totals(kept, clock_window(now, 1))


@settings(max_examples=120, deadline=None)
@given(batches=batches_of(REQUESTS))
def test_totals_depend_on_nothing_but_now_and_the_records(batches: list[Batch]) -> None:
    """Case 18."""
    assert_totals_are_plain(batches)


@pytest.mark.parametrize("seed", range(4))
def test_totals_stay_exact_over_many_records(seed: int) -> None:
    assert_totals_are_plain(random_batches(seed))


@settings(max_examples=120, deadline=None)
@given(
    now=st.integers(START, START + 2 * MINUTE),
    batches=st.lists(
        st.lists(st.tuples(offsets(-2 * HORIZON - MINUTE, MINUTE), REQUESTS), max_size=8),
        max_size=6,
    ),
)
def test_windows_that_end_at_now_are_exact(
    now: int, batches: list[list[tuple[int, Mapping[str, Any]]]]
) -> None:
    window = RequestWindow(
        GRID.ending_at(seconds(now)), SeriesTable(), max_future_seconds=Seconds(0.0)
    )
    everything: list[tuple[int, Request]] = []
    for batch in batches:
        arrived = [(now + o, request(seconds(now + o), **fields)) for o, fields in batch]
        window.add(only(arrived), seconds(now))
        everything += arrived

    totals = window.totals(seconds(now))

    assert rows(totals.recent) == plain_totals(everything, exact_window(now, 0))
    assert rows(totals.baseline) == plain_totals(everything, exact_window(now, 1))


# Heartbeats

CHECKS = st.sampled_from([True, True, False, None])
TICKS = st.fixed_dictionaries({"gitea": CHECKS, "inference": CHECKS})


def plain_health(
    records: Iterable[tuple[int, Tick]], dependency: Dependency, now: int, window: range
) -> DependencyHealth:
    """Recompute health second by second; a second with a failed check is a failed one."""
    checks = [
        (at, getattr(record, dependency.value))
        for at, record in records
        if at < window.stop and getattr(record, dependency.value) is not None
    ]
    failed: dict[int, bool] = {}
    for at, alive in sorted(checks):
        failed[at // SECOND] = failed.get(at // SECOND, False) or not alive
    inside = [alive for at, alive in checks if at in window]
    inside_seconds = sorted({at // SECOND for at, _ in checks if at in window})
    changes = [b for a, b in pairwise(failed) if failed[a] is not failed[b]]
    newest = max(failed, default=0)
    until = min(now, newest * SECOND + STALE_AFTER)
    return DependencyHealth(
        dependency=dependency,
        checks=len(inside),
        failed_checks=inside.count(False),
        outages=sum(
            failed[second] and not (before is not None and failed[before])
            for before, second in pairwise([None, *inside_seconds])
            if second is not None
        ),
        downtime_seconds=plain_downtime(failed, window.start, until),
        up=not failed[newest] if failed and now <= newest * SECOND + STALE_AFTER else None,
        last_change=UnixSeconds([*list(failed)[:1], *changes][-1]) if failed else None,
        down_seconds=plain_down_seconds(failed, now),
    )


def plain_down_seconds(failed: Mapping[int, bool], now: int) -> float | None:
    """Go back from the newest check over those that failed, up to one that passed."""
    since = None
    for second in sorted(failed, reverse=True):
        if since is None and now > second * SECOND + STALE_AFTER:
            return None
        if not failed[second]:
            break
        since = second
    if not failed:
        return None
    return 0.0 if since is None else max(0, now - since * SECOND) / SECOND


def plain_downtime(failed: Mapping[int, bool], start: int, until: int) -> float:
    """Sum, over the seconds from `start` to `until`, those whose newest check failed."""
    known = list(failed)
    down = 0
    for second in range(start // SECOND, -(-until // SECOND)):
        position = bisect_right(known, second)
        if position and failed[known[position - 1]]:
            down += min((second + 1) * SECOND, until) - max(second * SECOND, start)
    return down / SECOND


def assert_health_is_plain(
    window: HealthWindow, records: Sequence[tuple[int, Tick]], now: int, recent: range
) -> None:
    for health in window.health(seconds(now)):
        plain = plain_health(records, health.dependency, now, recent)
        assert health.downtime_seconds == pytest.approx(plain.downtime_seconds, abs=1e-5)
        assert health.down_seconds == pytest.approx(plain.down_seconds, abs=1e-5)
        measured = replace(
            health, downtime_seconds=plain.downtime_seconds, down_seconds=plain.down_seconds
        )
        assert measured == plain


@settings(max_examples=120, deadline=None)
@given(batches=batches_of(TICKS))
def test_health_depends_on_nothing_but_now_and_the_ticks(batches: list[Batch]) -> None:
    """Case 18."""
    window = HealthWindow(GRID, stale_after_seconds=Seconds(STALE_AFTER / SECOND))
    for now, arrived, kept, outside in play(batches, tick):
        assert window.add(only(arrived), seconds(now)) == outside

        assert_health_is_plain(window, kept, now, clock_window(now, 0))


@settings(max_examples=120, deadline=None)
@given(
    now=st.integers(START // SECOND, START // SECOND + 120),
    ticks=st.lists(st.tuples(st.integers(-2 * HORIZON // SECOND + 1, 60), TICKS), max_size=25),
)
def test_health_of_a_window_that_ends_at_now_is_exact(
    now: int, ticks: list[tuple[int, Mapping[str, Any]]]
) -> None:
    window = HealthWindow(
        GRID.ending_at(UnixSeconds(now)),
        stale_after_seconds=Seconds(STALE_AFTER / SECOND),
        max_future_seconds=Seconds(0.0),
    )
    arrived = [((now + o) * SECOND, tick(now + o, **fields)) for o, fields in ticks]

    window.add(only(arrived), UnixSeconds(now))

    assert_health_is_plain(window, arrived, now * SECOND, exact_window(now * SECOND, 0))
