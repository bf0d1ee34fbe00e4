"""Jumps of the wall clock: none goes unnoticed, and none is acted upon twice."""

import pytest

from surge_exporter.model import HOUR, UnixSeconds
from surge_exporter.runtime.clock import ScaledClock, SystemClock
from surge_exporter.runtime.jumps import LEAST_JUMP_SECONDS, CheckedClock
from tests.fakes import NOW, FakeClock


@pytest.fixture
def real() -> FakeClock:
    return FakeClock()


@pytest.fixture
def clock(real: FakeClock) -> CheckedClock:
    return CheckedClock(real)


def test_a_clock_that_runs_has_not_jumped(real: FakeClock, clock: CheckedClock) -> None:
    real.advance(30 * 24 * HOUR)

    assert clock.now() == NOW + 30 * 24 * HOUR
    assert (clock.has_jumped, clock.settle(), clock.jumps) == (False, None, 0)


@pytest.mark.parametrize("jump", [HOUR, -HOUR, 61.0, -61.0, 50 * 365 * 24 * HOUR])
def test_a_clock_that_was_set_has_jumped_once_it_is_read(
    real: FakeClock, clock: CheckedClock, jump: float
) -> None:
    real.set_wall(NOW + jump)
    assert not clock.has_jumped

    assert clock.now() == NOW + jump
    assert clock.has_jumped
    assert clock.settle() == jump
    assert (clock.has_jumped, clock.settle(), clock.jumps) == (False, None, 1)


def test_sleep_is_a_jump(real: FakeClock, clock: CheckedClock) -> None:
    real.suspend(8 * HOUR)

    assert clock.settle() == 8 * HOUR


def test_a_jump_that_nobody_asked_the_time_after_is_found_when_settled(
    real: FakeClock, clock: CheckedClock
) -> None:
    real.set_wall(NOW - HOUR)

    assert clock.settle() == -HOUR


@pytest.mark.parametrize("sign", [1, -1])
def test_a_slew_is_no_jump_until_it_adds_up_to_one(
    real: FakeClock, clock: CheckedClock, sign: int
) -> None:
    real.set_wall(NOW + sign * LEAST_JUMP_SECONDS)
    assert clock.settle() is None

    real.set_wall(NOW + sign * (LEAST_JUMP_SECONDS + 1))
    assert clock.settle() == sign * (LEAST_JUMP_SECONDS + 1)


def test_there_and_back_again_are_two_jumps_of_nothing(
    real: FakeClock, clock: CheckedClock
) -> None:
    for wall in (NOW + 8 * HOUR, NOW):
        real.set_wall(wall)
        clock.now()

    assert clock.has_jumped
    assert (clock.settle(), clock.jumps) == (0.0, 2)


def test_a_jump_within_a_minute_of_another_is_served_when_it_is_over(
    real: FakeClock, clock: CheckedClock
) -> None:
    real.set_wall(NOW + HOUR)
    clock.settle()
    real.set_wall(NOW)

    assert clock.settle() is None
    real.advance(59)
    assert (clock.settle(), clock.has_jumped) == (None, True)
    real.advance(1)
    assert (clock.settle(), clock.has_jumped) == (-HOUR, False)


def test_a_simulated_clock_never_jumps_however_fast_it_runs(real: FakeClock) -> None:
    clock = CheckedClock(ScaledClock(real, start=UnixSeconds(0.0), speed=360.0))
    real.advance(HOUR)
    real.set_wall(0.0)

    assert clock.now() == 360 * HOUR
    assert not clock.has_jumped


def test_the_machines_clock_is_as_far_ahead_a_moment_later() -> None:
    clock = SystemClock()

    assert clock.offset() == pytest.approx(clock.offset(), abs=1.0)
