"""Counters since the start, as rules that take their increase must find them."""

from collections.abc import Mapping
from typing import Any

import pytest

from surge_exporter.core.counters import DURATION_BOUNDS_SECONDS, RawCounters
from surge_exporter.core.series import OTHER, SeriesKey, SeriesTable
from surge_exporter.model import Dependency, Request
from surge_exporter.snapshot import HistogramValue, RawTotals, SeriesCount
from tests.telemetry import NOW, request, tick


def counters(*requests: Request) -> RawCounters:
    counted = RawCounters(SeriesTable())
    counted.add_requests(requests, NOW)
    return counted


def scraped(counted: RawCounters) -> RawTotals:
    """Return a scrape; it arrives."""
    totals = counted.totals(scraped=True)
    counted.confirm()
    return totals


def scraped_twice(counted: RawCounters) -> RawTotals:
    """Return the second scrape: the first one shows new series as 0."""
    scraped(counted)
    return scraped(counted)


def by_name(totals: RawTotals) -> dict[tuple[str, str], tuple[int, int]]:
    return {(s.caller, s.model): (s.requests, s.failures) for s in totals.series}


def test_fixed_counters_too_are_zero_in_the_first_scrape_of_a_process() -> None:
    """A counter of the process before may have been lower: only a 0 tells them apart."""
    counted = counters(request(NOW, prompt_len=40))
    counted.add_ticks([tick(NOW, gitea=False)])

    looks = [scraped(counted) for _ in range(2)]

    assert [(t.prompt_characters, t.ticks, t.failed_checks[Dependency.GITEA]) for t in looks] == [
        (0, 0, 0),
        (40, 1, 1),
    ]


def test_what_was_counted_is_withheld_until_a_scrape_has_shown_its_zero() -> None:
    counted = counters(request(NOW, caller="a", model="m", prompt_len=40, duration_ms=100))
    before = counted.withheld()
    scraped(counted)
    counted.add_requests([request(NOW, caller="b", model="m", prompt_len=2)], NOW)

    after = counted.withheld()

    assert by_name(before) == {("a", "m"): (1, 0)}
    assert (before.prompt_characters, before.durations["m"].count) == (40, 1)
    assert by_name(after) == {("b", "m"): (1, 0)}
    assert (after.prompt_characters, after.durations) == (0, {})


def test_what_another_process_withheld_is_shown_by_this_one() -> None:
    other = counters(
        request(NOW, caller="a", model="m", prompt_tokens=5, duration_ms=100, success=False),
        request(NOW, caller="a", model="m", duration_ms=300_000, response_len=9),
    )
    other.add_ticks([tick(NOW, gitea=False)])
    counted = counters(request(NOW, caller="a", model="m", prompt_tokens=1, duration_ms=100))

    counted.restore(other.withheld(), NOW)

    both = counters(
        request(NOW, caller="a", model="m", prompt_tokens=5, duration_ms=100, success=False),
        request(NOW, caller="a", model="m", duration_ms=300_000, response_len=9),
        request(NOW, caller="a", model="m", prompt_tokens=1, duration_ms=100),
    )
    both.add_ticks([tick(NOW, gitea=False)])
    assert scraped_twice(counted) == scraped_twice(both)


def test_fixed_counters_are_there_from_the_start_and_series_are_not() -> None:
    assert counters().totals(scraped=True) == RawTotals(
        series=(),
        prompt_characters=0,
        response_characters=0,
        durations={},
        label_overflows={"caller": 0, "model": 0},
        ticks=0,
        checks={Dependency.GITEA: 0, Dependency.INFERENCE: 0},
        failed_checks={Dependency.GITEA: 0, Dependency.INFERENCE: 0},
    )


def test_requests_count_by_caller_and_model_and_failures_among_them() -> None:
    counted = counters(
        request(NOW, caller="a", model="m"),
        request(NOW, caller="a", model="m", success=False),
        request(NOW, caller="a", model="n"),
        request(NOW, caller=None, model=None),
    )

    assert by_name(scraped_twice(counted)) == {
        ("a", "m"): (2, 1),
        ("a", "n"): (1, 0),
        ("unknown", "unknown"): (1, 0),
    }


def test_a_new_series_is_zero_in_the_first_scrape_and_full_in_the_second() -> None:
    counted = counters(
        request(NOW, caller="a", model="m", prompt_tokens=5, duration_ms=100, success=False)
    )

    first, second = (scraped(counted) for _ in range(2))

    assert first.series == (
        SeriesCount(
            caller="a", model="m", requests=0, failures=0, prompt_tokens=0, response_tokens=None
        ),
    )
    assert second.series == (
        SeriesCount(
            caller="a", model="m", requests=1, failures=1, prompt_tokens=5, response_tokens=None
        ),
    )
    assert [totals.durations["m"].total for totals in (first, second)] == [0.0, 0.1]


def test_a_look_that_is_no_scrape_shows_nothing_as_new() -> None:
    counted = counters(request(NOW, caller="a", model="m"))

    looks = [
        by_name(scraped(counted) if is_scrape else counted.totals(scraped=False))
        for is_scrape in (False, True, False, True)
    ]

    assert [look["a", "m"] for look in looks] == [(0, 0), (0, 0), (1, 0), (1, 0)]


def test_a_series_that_joins_later_is_zero_in_its_own_first_scrape() -> None:
    counted = counters(request(NOW, caller="a", model="m"))
    scraped(counted)
    counted.add_requests([request(NOW, caller="b", model="m")], NOW)

    looks = [by_name(scraped(counted)) for _ in range(2)]

    assert looks == [
        {("a", "m"): (1, 0), ("b", "m"): (0, 0)},
        {("a", "m"): (1, 0), ("b", "m"): (1, 0)},
    ]


def test_tokens_that_a_series_begins_to_log_are_zero_in_their_own_first_scrape() -> None:
    counted = counters(request(NOW))
    scraped(counted)
    counted.add_requests([request(NOW, prompt_tokens=7)], NOW)

    looks = [scraped(counted).series[0] for _ in range(2)]

    assert [(series.requests, series.prompt_tokens) for series in looks] == [(2, 0), (2, 7)]


@pytest.mark.parametrize(
    ("sizes", "prompt_tokens", "response_tokens"),
    [
        ({}, None, None),
        ({"prompt_len": 40, "response_len": 4}, None, None),
        ({"prompt_tokens": 3, "response_tokens": 4}, 3, 4),
        ({"completion_tokens": 4}, None, 4),
        ({"response_tokens": 5, "completion_tokens": 4}, None, 5),
        ({"prompt_tokens": 0}, 0, None),
    ],
)
def test_tokens_are_those_logged_and_none_where_none_were(
    sizes: Mapping[str, Any], prompt_tokens: int | None, response_tokens: int | None
) -> None:
    (series,) = scraped_twice(counters(request(NOW, **sizes))).series

    assert (series.prompt_tokens, series.response_tokens) == (prompt_tokens, response_tokens)


def test_characters_are_summed_whether_or_not_tokens_are_logged() -> None:
    totals = scraped_twice(
        counters(
            request(NOW, prompt_len=40, response_len=4),
            request(NOW, prompt_len=2, prompt_tokens=1),
        )
    )

    assert (totals.prompt_characters, totals.response_characters) == (42, 4)


@pytest.mark.parametrize(
    ("logged", "seconds"),
    [
        ({"duration_seconds": 2.0}, 2.0),
        ({"duration_ms": 1500}, 1.5),
        ({"latency_ms": 250}, 0.25),
        ({"duration_seconds": 2.0, "duration_ms": 1.0, "latency_ms": 1.0}, 2.0),
        ({"duration_ms": 1500, "latency_ms": 1.0}, 1.5),
        ({"duration_seconds": 0.0}, 0.0),
    ],
)
def test_a_duration_is_read_in_the_unit_it_was_logged_in(
    logged: Mapping[str, Any], seconds: float
) -> None:
    totals = scraped_twice(counters(request(NOW, model="m", **logged)))

    assert totals.durations["m"].total == seconds


def test_a_histogram_is_cumulative_and_its_bounds_are_inclusive() -> None:
    seconds = (0.0, 0.1, 0.100001, 1.0, 160.0, 161.0)
    totals = scraped_twice(counters(*(request(NOW, duration_seconds=s) for s in seconds)))

    assert totals.durations["hermes4:14b"] == HistogramValue(
        buckets=(
            ("0.1", 2),
            ("0.25", 3),
            ("0.5", 3),
            ("1.0", 4),
            ("2.5", 4),
            ("5.0", 4),
            ("10.0", 4),
            ("20.0", 4),
            ("40.0", 4),
            ("80.0", 4),
            ("160.0", 5),
            ("+Inf", 6),
        ),
        total=sum(seconds),
    )


def test_a_histogram_is_empty_in_its_first_scrape() -> None:
    counted = counters(request(NOW, model="m", duration_seconds=3.0))

    first = scraped(counted).durations["m"]

    assert {count for _, count in first.buckets} == {0}
    assert len(first.buckets) == len(DURATION_BOUNDS_SECONDS) + 1


def test_ticks_count_with_the_checks_that_they_make() -> None:
    counted = counters()
    counted.add_ticks([tick(NOW, gitea=False), tick(NOW, gitea=None), tick(NOW, inference=False)])

    totals = scraped_twice(counted)

    assert totals.ticks == 3
    assert totals.checks == {Dependency.GITEA: 2, Dependency.INFERENCE: 3}
    assert totals.failed_checks == {Dependency.GITEA: 1, Dependency.INFERENCE: 1}


def test_every_request_without_room_for_its_label_is_counted_as_overflow() -> None:
    counted = RawCounters(SeriesTable(callers=1, models=1))
    crowd = [("a", "m"), ("b", "m"), ("b", "m"), ("a", "n"), ("c", "n")]
    counted.add_requests([request(NOW, caller=c, model=m) for c, m in crowd], NOW)

    totals = scraped_twice(counted)

    assert totals.label_overflows == {"caller": 3, "model": 2}
    assert by_name(totals) == {
        ("a", "m"): (1, 0),
        (OTHER, "m"): (2, 0),
        ("a", OTHER): (1, 0),
        (OTHER, OTHER): (1, 0),
    }


def test_a_forgotten_series_is_gone_and_new_when_it_comes_again() -> None:
    counted = counters(request(NOW, caller="a", model="m"), request(NOW, caller="b", model="m"))
    scraped_twice(counted)
    counted.forget([SeriesKey("a", "m", success=True)])
    after = by_name(scraped(counted))
    counted.add_requests([request(NOW, caller="a", model="m")], NOW)

    looks = [by_name(scraped(counted))["a", "m"] for _ in range(2)]

    assert after == {("b", "m"): (1, 0)}
    assert looks == [(0, 0), (1, 0)]


def test_the_durations_of_a_model_are_forgotten_with_the_last_of_its_series() -> None:
    counted = counters(
        request(NOW, caller="a", model="m", duration_ms=1),
        request(NOW, caller="b", model="m", duration_ms=1),
    )
    models = []
    for caller in "ab":
        counted.forget([SeriesKey(caller, "m", success=True)])
        models.append(set(counted.totals(scraped=False).durations))

    assert models == [{"m"}, set()]


@pytest.mark.parametrize("at", [NOW - 365 * 24 * 3600, NOW + 365 * 24 * 3600])
def test_a_label_seen_only_on_requests_out_of_every_window_lasts_like_any_other(
    at: float,
) -> None:
    series = SeriesTable(callers=1)
    counted = RawCounters(series)
    counted.add_requests([request(at, caller="a")], NOW)

    assert series.expire(NOW) == frozenset()
    assert {key.caller for key in series.expire(NOW + 1)} == {"a"}


def test_a_scrape_that_did_not_arrive_has_shown_nothing() -> None:
    counted = counters(request(NOW, caller="a", model="m", prompt_len=4))
    lost = counted.totals(scraped=True)
    again = scraped(counted)
    full = scraped(counted)

    assert [t.prompt_characters for t in (lost, again, full)] == [0, 0, 4]
    assert [by_name(t)["a", "m"] for t in (lost, again, full)] == [(0, 0), (0, 0), (1, 0)]
