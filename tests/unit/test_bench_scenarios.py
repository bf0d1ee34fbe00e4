"""The traffic that benchmarks make up is what they say it is."""

import statistics

import pytest

from tests.bench.verdict.scenarios import FLAT, scenario, weekly_profile

HOUR = 12
MONDAY = 4 * 86_400


def test_the_same_seed_makes_the_same_traffic() -> None:
    assert scenario(FLAT, 10, seed=1, has_surges=True) == scenario(
        FLAT, 10, seed=1, has_surges=True
    )
    assert scenario(FLAT, 10, seed=1, has_surges=True) != scenario(
        FLAT, 10, seed=2, has_surges=True
    )


@pytest.mark.parametrize("rate", [2, 50, 2000])
def test_traffic_has_the_rate_asked_for(rate: float) -> None:
    counts = scenario(FLAT, rate, seed=1, has_surges=False).counts
    assert len(counts) == 28 * 24 * HOUR
    assert statistics.fmean(counts) * HOUR == pytest.approx(rate, rel=0.15)


def test_surges_multiply_the_traffic_and_leave_time_between_them() -> None:
    made = scenario(FLAT, 2000, seed=3, has_surges=True)
    assert len(made.surges) >= 8
    for surge, following in zip(made.surges, made.surges[1:], strict=False):
        assert following.begin - surge.end >= 12 * HOUR
    for surge in made.surges:
        during = statistics.fmean(made.counts[surge.begin + 3 : surge.end])
        assert during * HOUR / 2000 == pytest.approx(surge.magnitude, rel=0.6)


def test_a_profile_is_the_median_of_each_hour_of_the_week() -> None:
    weeks = [[count] * HOUR for week in (1, 9, 2) for hour in range(168) for count in [week]]
    counts = [count for hour in weeks for count in hour]
    assert weekly_profile(counts, MONDAY) == pytest.approx(FLAT)
    busy = [3 if hour == 5 else 1 for hour in range(168) for _ in range(HOUR)]
    profile = weekly_profile(busy, MONDAY)
    assert profile[5] == pytest.approx(3 * profile[4])
