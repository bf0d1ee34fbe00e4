"""The window by example; tests/prop/test_windows.py holds it against a plain recomputation."""

import pickle
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from surge_exporter.core.grid import Grid
from surge_exporter.core.series import OTHER, SeriesTable
from surge_exporter.core.window import RequestWindow, SeriesTotal, WindowTotals
from surge_exporter.model import HOUR, OutOfWindow, TokenVolume, UnixSeconds
from tests.telemetry import MINUTE, NOW, request, spread

EMPTY = WindowTotals(recent=(), baseline=())


def hourly_window(series: SeriesTable | None = None) -> RequestWindow:
    return RequestWindow(Grid.for_horizon(HOUR), series or SeriesTable())


def later(seconds: float) -> UnixSeconds:
    return UnixSeconds(NOW + seconds)


def requests_in(totals: Iterable[SeriesTotal]) -> int:
    return sum(total.requests for total in totals)


def counts(window: RequestWindow, now: float) -> tuple[int, int]:
    """Return the requests of the recent window and of the baseline."""
    totals = window.totals(UnixSeconds(now))
    return requests_in(totals.recent), requests_in(totals.baseline)


def held_bytes(window: RequestWindow) -> int:
    """Return a measure of the memory that a window holds, which its pickle is."""
    return len(pickle.dumps(window))


def test_an_empty_window_has_no_totals() -> None:
    window = hourly_window()

    assert window.totals(NOW) == EMPTY
    assert (window.oldest, window.newest) == (None, None)


@pytest.mark.parametrize(
    ("age_seconds", "expected"),
    [
        (0, (1, 0)),
        (HOUR - 60, (1, 0)),
        (HOUR, (0, 1)),
        (2 * HOUR - 60, (0, 1)),
        (2 * HOUR, (0, 0)),
        (400 * HOUR, (0, 0)),
    ],
)
def test_a_request_ages_from_recent_to_baseline_to_nothing(
    age_seconds: float, expected: tuple[int, int]
) -> None:
    window = hourly_window()
    window.add([request(NOW)], NOW)

    assert counts(window, NOW + age_seconds) == expected


def test_requests_are_told_apart_by_caller_model_and_outcome() -> None:
    window = hourly_window()
    window.add(
        [
            request(NOW, caller="a", model="m"),
            request(NOW, caller="a", model="m", success=False),
            request(NOW, caller="a", model="n"),
            request(NOW, caller="b", model="m"),
            request(NOW, caller="b", model="m"),
        ],
        NOW,
    )

    assert {total.key: total.requests for total in window.totals(NOW).recent} == {
        ("a", "m", True): 1,
        ("a", "m", False): 1,
        ("a", "n", True): 1,
        ("b", "m", True): 2,
    }


def test_a_caller_without_room_counts_as_other() -> None:
    """Case 12."""
    window = hourly_window(SeriesTable(callers=1))
    window.add([request(NOW, caller=caller) for caller in ("first", "second", "third")], NOW)

    recent = window.totals(NOW).recent
    assert {total.key.caller: total.requests for total in recent} == {"first": 1, OTHER: 2}


@pytest.mark.parametrize(
    ("sizes", "volume", "unit"),
    [
        ({}, TokenVolume(0, 0, 0), "characters/4"),
        ({"prompt_len": 6, "response_len": 4}, TokenVolume(10, 0, 2), "characters/4"),
        ({"prompt_tokens": 6, "response_tokens": 4}, TokenVolume(40, 2, 0), "tokens"),
        ({"prompt_tokens": 6, "completion_tokens": 4}, TokenVolume(40, 2, 0), "tokens"),
        ({"response_tokens": 3, "completion_tokens": 4}, TokenVolume(12, 1, 0), "tokens"),
        ({"prompt_tokens": 6, "prompt_len": 100}, TokenVolume(24, 1, 0), "tokens"),
        ({"prompt_tokens": 6, "response_len": 4}, TokenVolume(28, 1, 1), "mixed"),
        ({"prompt_tokens": 0, "prompt_len": 100}, TokenVolume(0, 1, 0), "tokens"),
    ],
)
def test_volume_is_logged_tokens_where_there_are_any_else_characters(
    sizes: Mapping[str, Any], volume: TokenVolume, unit: str
) -> None:
    window = hourly_window()
    window.add([request(NOW, **sizes)], NOW)

    (total,) = window.totals(NOW).recent
    assert (total.volume, total.volume.unit) == (volume, unit)


@pytest.mark.parametrize(
    ("offset_seconds", "late", "future"),
    [
        (-2 * HOUR, 1, 0),
        (-2 * HOUR + 60, 0, 0),
        (300, 0, 0),
        (300.001, 0, 1),
        (90 * 365 * 24 * HOUR, 0, 1),
    ],
)
def test_requests_behind_or_ahead_of_the_windows_are_counted_and_left_out(
    offset_seconds: float, late: int, future: int
) -> None:
    """Cases 17 and 18."""
    window = hourly_window()

    outside = window.add([request(NOW + offset_seconds)], NOW)

    assert outside == {OutOfWindow.LATE: late, OutOfWindow.FUTURE: future}


def test_a_request_of_the_next_second_counts_at_once() -> None:
    """Case 17."""
    window = hourly_window()
    window.add([request(NOW + 1)], NOW)

    assert counts(window, NOW) == (1, 0)


def test_requests_of_the_year_9999_take_no_memory() -> None:
    """Case 17."""
    window, empty = hourly_window(), hourly_window()
    far = [request(253_402_300_799 - index * MINUTE) for index in range(10_000)]

    outside = window.add(far, NOW)
    empty.add([], NOW)

    assert outside[OutOfWindow.FUTURE] == 10_000
    assert held_bytes(window) == held_bytes(empty)
    assert (window.oldest, window.newest) == (None, None)


def test_a_request_from_a_fast_clock_counts_once_now_reaches_its_minute() -> None:
    """Case 17."""
    window = hourly_window()
    window.add([request(NOW + 290)], NOW)

    assert counts(window, NOW + 239) == (0, 0)
    assert counts(window, NOW + 240) == (1, 0)


def test_a_late_request_counts_in_the_minute_of_its_time() -> None:
    """Case 18."""
    window = hourly_window()
    window.add([request(NOW)], NOW)
    window.totals(later(HOUR))
    window.add([request(NOW + 1)], later(HOUR))

    assert counts(window, NOW + HOUR) == (0, 2)


@pytest.mark.parametrize("hours", [1, -1, -8])
def test_a_clock_that_jumps_and_is_set_right_finds_the_windows_as_they_were(hours: float) -> None:
    """Case 48. Ahead, an hour at most: buckets further behind are not kept."""
    window = hourly_window()
    window.add([request(at) for at in spread(120, NOW - 2 * HOUR + 60, NOW)], NOW)
    before = window.totals(NOW)

    window.totals(later(hours * HOUR))

    assert window.totals(NOW) == before


def test_oldest_and_newest_are_those_of_every_request_but_the_future_ones() -> None:
    window = hourly_window()
    window.add([request(NOW - offset) for offset in (-60, 5, 9 * HOUR, -HOUR)], NOW)
    window.add([request(NOW)], NOW)

    assert (window.oldest, window.newest) == (NOW - 9 * HOUR, NOW + 60)


def test_totals_do_not_change_with_what_is_added_later() -> None:
    window = hourly_window()
    window.add([request(NOW)], NOW)
    before = window.totals(NOW)

    window.add([request(NOW)], NOW)

    assert requests_in(before.recent) == 1


def test_a_hundred_thousand_requests_are_counted_exactly_and_expire_to_nothing() -> None:
    window = hourly_window()
    rng = random.Random(11)
    tokens: Counter[bool] = Counter()
    for index in range(100):
        now = later(index * MINUTE)
        batch = [
            request(
                now - rng.uniform(0, 2) * MINUTE,
                caller=f"caller{rng.randrange(20)}",
                success=rng.random() < 0.9,
                prompt_tokens=rng.randrange(10**6),
            )
            for _ in range(1000)
        ]
        window.add(batch, now)
        for one in batch:
            tokens[one.success] += one.prompt_tokens or 0

    totals = window.totals(now)
    everything = (*totals.recent, *totals.baseline)
    assert requests_in(everything) == 100_000
    assert tokens == {
        success: sum(t.volume.tokens for t in everything if t.key.success is success)
        for success in (True, False)
    }
    assert window.totals(later(5 * HOUR)) == EMPTY


@pytest.mark.parametrize("batches", [1, 300])
def test_memory_does_not_grow_with_requests_of_the_same_series_and_minute(batches: int) -> None:
    few, many = hourly_window(), hourly_window()
    minutes = spread(60, NOW - 59 * MINUTE, NOW + MINUTE)
    few.add([request(at) for at in minutes], NOW)
    for _ in range(batches):
        many.add([request(at) for at in minutes for _ in range(300 // batches)], NOW)

    assert counts(many, NOW) == (18_000, 0)
    assert held_bytes(many) < 5 * held_bytes(few)


def test_late_requests_one_at_a_time_do_not_pile_up() -> None:
    whole, dribble = hourly_window(), hourly_window()
    rng = random.Random(3)
    late = [request(NOW - rng.uniform(0, HOUR)) for _ in range(5000)]
    whole.add(late, NOW)
    for one in late:
        dribble.add([one], NOW)

    assert dribble.totals(NOW).recent == whole.totals(NOW).recent
    assert held_bytes(dribble) < 6 * held_bytes(whole)


def test_memory_is_given_back_when_everything_has_expired() -> None:
    window = hourly_window()
    for index in range(600):
        now = later(index * MINUTE)
        window.add([request(now, caller=f"caller{c}") for c in range(20)], now)
        if index == 240:
            after_four_hours = held_bytes(window)

    assert held_bytes(window) < 1.05 * after_four_hours
    window.totals(later(100 * HOUR))
    assert held_bytes(window) < 0.2 * after_four_hours
