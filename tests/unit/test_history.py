"""Four weeks of counts: by event time, bounded, and back as they were after a restart."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from surge_exporter.core.history import BUCKET_SECONDS, KEPT_SECONDS, CountHistory
from surge_exporter.model import HOUR, UnixSeconds
from tests.telemetry import NOW, request

DAY = 24 * HOUR
CURRENT = NOW // BUCKET_SECONDS


def history(*ages: float, caller: str = "a") -> CountHistory:
    """Return the history of requests so many seconds ago."""
    found = CountHistory()
    found.add([request(NOW - age, caller=caller) for age in ages], NOW)
    return found


@given(st.lists(st.tuples(st.floats(-900, 40 * DAY), st.sampled_from("abc")), max_size=50))
def test_any_requests_in_any_order_are_counted_in_their_buckets(
    found: list[tuple[float, str]],
) -> None:
    counted = CountHistory()
    for age, caller in found:
        counted.add([request(NOW - age, caller=caller)], NOW)
    series = counted.total(NOW)
    by_caller = [counted.caller(caller, NOW) for caller in "abc"]

    expected = Counter((NOW - age) // BUCKET_SECONDS for age, _ in found)
    first = CURRENT - KEPT_SECONDS // BUCKET_SECONDS
    kept = {index: n for index, n in expected.items() if first < index < CURRENT}
    begin = series.end // BUCKET_SECONDS - len(series.counts)
    assert series.end == CURRENT * BUCKET_SECONDS
    assert {begin + i: n for i, n in enumerate(series.counts) if n} == kept
    assert [sum(column) for column in zip(*(s.counts for s in by_caller), strict=True)] == list(
        series.counts
    )


def test_the_bucket_that_is_not_over_is_left_out() -> None:
    assert list(history(0.0, 400.0).total(NOW).counts) == [1]


def test_it_begins_where_telemetry_does_though_nothing_was_asked_for() -> None:
    counted = history(600.0)

    assert len(counted.total(NOW).counts) == 2
    assert list(counted.total(NOW, start=UnixSeconds(NOW - HOUR)).counts) == [0] * 10 + [1, 0]
    assert len(counted.total(NOW, start=UnixSeconds(NOW - 90 * DAY)).counts) == 28 * 288


def test_without_a_request_there_are_no_counts() -> None:
    assert list(CountHistory().total(NOW).counts) == []
    assert list(CountHistory().caller("a", NOW).counts) == []


def test_time_goes_on_without_requests() -> None:
    counted = history(600.0)

    assert list(counted.total(UnixSeconds(NOW + 900)).counts) == [1, 0, 0, 0, 0]


def test_requests_from_before_a_time_can_be_left_to_somebody_else() -> None:
    counted = CountHistory()
    counted.add(
        [request(NOW - age) for age in (HOUR, 2 * HOUR)], NOW, since=UnixSeconds(NOW - 1.5 * HOUR)
    )

    assert sum(counted.total(NOW).counts) == 1


def test_callers_beyond_the_limit_are_in_the_total_alone() -> None:
    counted = CountHistory(caller_limit=1)
    counted.add([request(NOW - 600, caller=caller) for caller in "ab"], NOW)

    assert sum(counted.total(NOW).counts) == 2
    assert [sum(counted.caller(caller, NOW).counts) for caller in "ab"] == [1, 0]


def test_what_is_old_and_who_is_gone_is_forgotten() -> None:
    counted = history(27 * DAY, 2 * DAY)
    counted.add([request(NOW - 600, caller="b")], NOW)

    counted.expire(UnixSeconds(NOW + 2 * DAY), idle_since=UnixSeconds(NOW - DAY))

    later = UnixSeconds(NOW + 2 * DAY)
    assert sum(counted.total(later).counts) == 2
    assert [sum(counted.caller(caller, later).counts) for caller in "ab"] == [0, 1]


@given(st.lists(st.floats(0, 29 * DAY), max_size=30), st.floats(0, 30 * DAY))
def test_what_was_saved_and_what_came_since_make_the_whole(ages: list[float], cut: float) -> None:
    """The logs give what is newer than the cut, the file what is older."""
    whole = history(*ages)
    saved = whole.saved(NOW)
    boundary = UnixSeconds((NOW - cut) // BUCKET_SECONDS * BUCKET_SECONDS)
    restored = CountHistory()
    restored.add([request(NOW - age, caller="a") for age in ages], NOW, since=boundary)

    restored.restore(saved, boundary)

    start = UnixSeconds(NOW - 28 * DAY)
    assert restored.total(NOW, start=start) == whole.total(NOW, start=start)
    assert sum(restored.caller("a", NOW).counts) == sum(whole.caller("a", NOW).counts)


def test_a_clock_that_was_years_off_costs_no_memory_for_the_years_between() -> None:
    counted = CountHistory()
    for at in (0.0, NOW, 4_000_000_000.0, NOW + 600):
        counted.add([request(at, caller="a")], UnixSeconds(at))

    assert len(counted.saved(UnixSeconds(NOW + 900)).total.words) <= 4 * 2 * 28 * 288
    assert sum(counted.total(UnixSeconds(NOW + 900)).counts) == 1
