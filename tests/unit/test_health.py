"""Health by example; tests/prop/test_windows.py holds it against a plain recomputation."""

import pickle
import random
from collections.abc import Sequence

import pytest

from surge_exporter.core.grid import Grid
from surge_exporter.core.health import HealthWindow
from surge_exporter.model import (
    HOUR,
    Dependency,
    DependencyHealth,
    OutOfWindow,
    Seconds,
    Tick,
    UnixSeconds,
)
from tests.telemetry import MINUTE, NOW, tick

STALE_AFTER = Seconds(15 * MINUTE)


def hourly_window(*ticks: Tick) -> HealthWindow:
    """Return a window of an hour that saw each tick when it happened."""
    window = HealthWindow(Grid.for_horizon(HOUR), stale_after_seconds=STALE_AFTER)
    for one in ticks:
        window.add([one], one.at)
    return window


def gitea(window: HealthWindow, now: float = NOW) -> DependencyHealth:
    health, _ = window.health(UnixSeconds(now))
    return health


def minutely(alive: Sequence[bool | None], *, until: float = NOW) -> list[Tick]:
    """Return ticks a minute apart, the last of them at `until`."""
    first = until - (len(alive) - 1) * MINUTE
    return [tick(first + index * MINUTE, gitea=says) for index, says in enumerate(alive)]


UP, DOWN = True, False


def test_nothing_is_known_without_ticks() -> None:
    window = hourly_window()

    assert window.health(NOW) == tuple(
        DependencyHealth(
            dependency=dependency,
            checks=0,
            failed_checks=0,
            outages=0,
            downtime_seconds=0.0,
            up=None,
            last_change=None,
            down_seconds=None,
        )
        for dependency in (Dependency.GITEA, Dependency.INFERENCE)
    )
    assert (window.oldest, window.newest) == (None, None)


def test_each_dependency_has_its_own_checks() -> None:
    window = hourly_window(tick(NOW - 60, gitea=None, inference=False), tick(NOW, inference=None))

    health = window.health(NOW)

    assert [(h.checks, h.failed_checks, h.up) for h in health] == [(1, 0, True), (1, 1, False)]


@pytest.mark.parametrize(
    ("alive", "failed_checks", "outages", "downtime_minutes"),
    [
        ([UP, UP, UP], 0, 0, 0),
        ([UP, DOWN, UP], 1, 1, 1),
        ([UP, DOWN, DOWN, UP], 2, 1, 2),
        ([DOWN, UP, DOWN, UP], 2, 2, 2),
        ([UP, DOWN, None, DOWN, UP], 2, 1, 3),
        ([UP, UP, DOWN, DOWN], 2, 1, 1),
        ([UP, UP, DOWN], 1, 1, 0),
    ],
)
def test_an_outage_is_a_run_of_failed_checks_until_the_next_passed_one(
    alive: Sequence[bool | None], failed_checks: int, outages: int, downtime_minutes: float
) -> None:
    health = gitea(hourly_window(*minutely(alive)))

    assert (health.failed_checks, health.outages) == (failed_checks, outages)
    assert health.downtime_seconds == downtime_minutes * MINUTE


def test_an_outage_goes_on_while_the_newest_failed_check_is_fresh() -> None:
    window = hourly_window(tick(NOW, gitea=False))

    assert gitea(window, NOW + 10 * MINUTE).downtime_seconds == 10 * MINUTE
    assert gitea(window, NOW + 30 * MINUTE).downtime_seconds == STALE_AFTER


@pytest.mark.parametrize(
    ("alive", "down_minutes"),
    [
        ([UP, UP], 0),
        ([UP, DOWN], 0),
        ([UP, DOWN, DOWN, None, DOWN], 3),
        ([DOWN, DOWN, DOWN, UP], 0),
        ([DOWN, DOWN, UP, DOWN, DOWN], 1),
        ([DOWN] * 90, 89),
    ],
)
def test_what_is_down_has_been_so_since_its_first_failed_check_without_a_passed_one(
    alive: Sequence[bool | None], down_minutes: int
) -> None:
    health = gitea(hourly_window(*minutely(alive)))

    assert health.down_seconds == down_minutes * MINUTE


def test_for_how_long_it_has_been_down_grows_with_time_until_its_checks_are_stale() -> None:
    window = hourly_window(*minutely([UP, DOWN, DOWN]))

    assert gitea(window, NOW + 90).down_seconds == MINUTE + 90
    assert gitea(window, NOW + STALE_AFTER).down_seconds == MINUTE + STALE_AFTER
    assert gitea(window, NOW + STALE_AFTER + 1).down_seconds is None


def test_a_failed_check_of_a_fast_clock_has_been_down_for_no_time() -> None:
    window = hourly_window()
    window.add([tick(NOW + 50, gitea=False)], NOW)

    assert gitea(window, NOW + 45).down_seconds == 0.0
    assert gitea(window, NOW + 55).down_seconds == 5.0


def test_an_outage_that_began_before_the_window_counts_from_its_edge() -> None:
    window = hourly_window(*minutely([DOWN] * 90))

    health = gitea(window, NOW)

    assert (health.checks, health.failed_checks, health.outages) == (60, 60, 1)
    assert health.downtime_seconds == 59 * MINUTE
    assert health.last_change == NOW - 89 * MINUTE


@pytest.mark.parametrize("says", [UP, DOWN])
def test_a_dependency_is_what_its_newest_check_says_while_that_is_fresh(*, says: bool) -> None:
    window = hourly_window(*minutely([not says, says]))

    assert gitea(window, NOW).up is says
    assert gitea(window, NOW + STALE_AFTER).up is says
    assert gitea(window, NOW + STALE_AFTER + 1).up is None


def test_a_fresh_check_says_up_or_down_even_when_it_has_left_a_short_window() -> None:
    window = HealthWindow(Grid.for_horizon(MINUTE), stale_after_seconds=STALE_AFTER)
    window.add([tick(NOW, gitea=False)], NOW)
    window.add([tick(NOW + 10 * MINUTE, gitea=None)], UnixSeconds(NOW + 10 * MINUTE))

    health = gitea(window, NOW + 10 * MINUTE)

    assert (health.checks, health.up) == (0, False)


def test_the_last_change_is_remembered_long_after_its_checks_left_the_window() -> None:
    window = hourly_window(*minutely([UP, UP, DOWN] + [UP] * 600))

    assert gitea(window).last_change == NOW - 599 * MINUTE


def test_the_last_change_of_what_never_changed_is_its_first_check() -> None:
    window = hourly_window(*minutely([UP] * 600))

    assert gitea(window).last_change == NOW - 599 * MINUTE


def test_a_second_with_a_failed_check_is_a_failed_one_in_any_order() -> None:
    for says in ([UP, DOWN], [DOWN, UP]):
        window = hourly_window(*(tick(NOW, gitea=alive) for alive in says))

        health = gitea(window)

        assert (health.checks, health.failed_checks, health.outages, health.up) == (2, 1, 1, False)


def test_ticks_may_come_in_any_order() -> None:
    rng = random.Random(5)
    ticks = minutely([rng.random() < 0.6 for _ in range(110)])
    window = HealthWindow(Grid.for_horizon(HOUR), stale_after_seconds=STALE_AFTER)

    for one in rng.sample(ticks, len(ticks)):
        window.add([one], NOW)
        window.health(NOW)

    assert window.health(NOW) == hourly_window(*ticks).health(NOW)


@pytest.mark.parametrize(
    ("offset_seconds", "late", "future"),
    [(-2 * HOUR, 1, 0), (-2 * HOUR + 60, 0, 0), (300, 0, 0), (300.001, 0, 1)],
)
def test_ticks_behind_or_ahead_of_the_windows_are_counted_and_left_out(
    offset_seconds: float, late: int, future: int
) -> None:
    """Cases 17 and 18."""
    window = hourly_window()

    outside = window.add([tick(NOW + offset_seconds)], NOW)

    assert outside == {OutOfWindow.LATE: late, OutOfWindow.FUTURE: future}


def test_a_tick_from_a_fast_clock_counts_once_now_reaches_its_minute() -> None:
    window = hourly_window()
    window.add([tick(NOW + 290)], NOW)

    assert gitea(window, NOW + 239).checks == 0
    assert gitea(window, NOW + 240).checks == 1


def test_oldest_and_newest_are_those_of_every_tick_but_the_future_ones() -> None:
    window = hourly_window()
    window.add([tick(NOW - offset) for offset in (-60, 5, 9 * HOUR, -HOUR)], NOW)
    window.add([tick(NOW)], NOW)

    assert (window.oldest, window.newest) == (NOW - 9 * HOUR, NOW + 60)


def test_memory_does_not_grow_with_time() -> None:
    half_a_day = hourly_window(*minutely([UP, DOWN] * 360))
    two_days = hourly_window(*minutely([UP, DOWN] * 1440))

    assert len(pickle.dumps(two_days)) < 1.05 * len(pickle.dumps(half_a_day))
