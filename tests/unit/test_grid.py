import pytest

from surge_exporter.core.grid import Grid
from surge_exporter.model import HOUR, Seconds, UnixSeconds
from tests.telemetry import NOW

MICROSECOND = 1e-6


@pytest.mark.parametrize(
    ("horizon_seconds", "span"),
    [(1, 60), (60, 60), (600, 60), (3601, 60), (6 * HOUR, 360), (24 * HOUR, 1440)],
)
def test_a_horizon_is_a_whole_number_of_buckets(horizon_seconds: float, span: int) -> None:
    grid = Grid.for_horizon(Seconds(horizon_seconds))

    assert grid.span == span
    assert grid.horizon_seconds == pytest.approx(horizon_seconds, rel=1e-12)


def test_a_bucket_of_a_usual_horizon_is_a_minute_of_the_clock() -> None:
    grid = Grid.for_horizon(Seconds(6 * HOUR))

    assert grid.width_seconds == 60.0
    assert grid.index(NOW) == NOW / 60
    assert grid.start(grid.index(NOW + 59.9)) == NOW


def test_a_bucket_begins_with_its_start_and_ends_before_the_next() -> None:
    grid = Grid.for_horizon(Seconds(6 * HOUR))
    index = grid.index(NOW)

    assert grid.index(grid.start(index)) == index
    assert grid.index(grid.start(index + 1) - MICROSECOND) == index
    assert grid.index(grid.start(index + 1)) == index + 1


@pytest.mark.parametrize("horizon_seconds", [1, 60, 100, 3601, 5000, 6 * HOUR, 24 * HOUR])
@pytest.mark.parametrize("now", [NOW, NOW + 11.53219, NOW + 59.999999])
def test_a_grid_that_ends_at_now_is_exact_to_the_microsecond(
    horizon_seconds: int, now: float
) -> None:
    grid = Grid.for_horizon(Seconds(horizon_seconds)).ending_at(UnixSeconds(now))
    instants = [now, now - horizon_seconds, now - 2 * horizon_seconds]

    assert [grid.index(at) for at in instants] == [-1, -grid.span - 1, -2 * grid.span - 1]
    assert [grid.index(at + MICROSECOND) for at in instants] == [0, -grid.span, -2 * grid.span]


def test_a_moved_grid_keeps_its_buckets_and_its_horizon() -> None:
    grid = Grid.for_horizon(Seconds(100.0))

    moved = grid.ending_at(UnixSeconds(NOW + 7))

    assert (moved.width_seconds, moved.span) == (grid.width_seconds, grid.span)
    assert moved.start(-1) == pytest.approx(NOW + 7 - 100 / 60, abs=MICROSECOND)
