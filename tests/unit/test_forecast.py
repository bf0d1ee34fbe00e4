"""The forecast: what traffic of each kind makes it say, and what it learns from."""

import math
import random
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest

from surge_exporter.core.forecast import Forecaster, HorizonForecast, forecast_rates
from surge_exporter.core.interval import ErrorBand
from surge_exporter.model import UnixSeconds

HORIZONS = (1, 6, 24)
PER_HOUR = 12
DAY = 24 * PER_HOUR
BUCKET = 300
MONDAY = 1_767_571_200
"""A Monday's midnight, UTC, where every history here begins."""


def forecast(counts: Sequence[int], horizons: Sequence[int] = HORIZONS) -> list[HorizonForecast]:
    return list(Forecaster(horizons).refresh(counts, BUCKET, now_after(counts)))


def now_after(counts: Sequence[int]) -> UnixSeconds:
    return UnixSeconds(MONDAY + BUCKET * len(counts))


def poisson(rng: random.Random, mean: float) -> int:
    if mean > 50:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def traffic(days: float, hourly: Callable[[float], float], seed: int = 1) -> list[int]:
    """Return counts with that rate an hour, a function of the hours since MONDAY."""
    rng = random.Random(seed)
    return [poisson(rng, hourly(i / PER_HOUR) / PER_HOUR) for i in range(round(days * DAY))]


def daily(hour: float) -> float:
    return 600 + 500 * math.sin(2 * math.pi * hour / 24)


def test_without_history_nothing_is_expected_and_a_little_is_possible() -> None:
    for made in forecast([]):
        assert made.point == made.low == 0.0
        assert 0.0 < made.high < 10.0
        assert (made.mase, made.coverage_ratio, made.history_seconds) == (None, None, 0.0)


def test_in_the_first_six_hours_the_rate_so_far_is_the_forecast() -> None:
    counts = [10] * 12 + [30] * 12
    assert [made.point for made in forecast(counts)] == [240.0, 240.0, 240.0]


def test_before_a_whole_day_is_known_each_horizon_goes_by_as_many_hours_before() -> None:
    counts = [10] * (6 * PER_HOUR) + [20] * (5 * PER_HOUR) + [40] * PER_HOUR
    one, six, day = forecast(counts)
    assert one.point == 480.0
    assert six.point == pytest.approx((5 * 240 + 480) / 6)
    assert day.point == pytest.approx((6 * 120 + 5 * 240 + 480) / 12)


def test_a_short_history_makes_a_wide_interval() -> None:
    def width(hours: int) -> float:
        made = forecast([20] * (hours * PER_HOUR))[0]
        return made.high - made.low

    assert width(5) > 1.5 * width(6) > 1.5 * width(200) >= 0.0


def test_a_flat_series_gives_its_rate_in_a_narrow_band() -> None:
    for made in forecast([25] * (28 * DAY)):
        assert made.point == pytest.approx(300.0)
        assert made.low == pytest.approx(300.0, rel=0.03)
        assert made.high == pytest.approx(300.0, rel=0.03)
        assert made.mase is None, "yesterday was never wrong"
        assert made.coverage_ratio == pytest.approx(1.0)


def test_a_silent_series_stays_silent() -> None:
    for made in forecast([0] * (28 * DAY)):
        assert (made.point, made.low) == (0.0, 0.0)
        assert made.high < 1.0
        assert made.mase is None


def test_a_daily_rhythm_is_known_ahead_within_its_band() -> None:
    counts = traffic(14.25, daily)
    six = forecast(counts)[1]
    truth = sum(daily(14.25 * 24 + step / 12) for step in range(72)) / 72
    assert six.point == pytest.approx(truth, rel=0.1)
    assert six.low < truth < six.high
    assert six.high - six.low < 0.3 * truth
    assert six.mase is not None
    assert six.mase < 1.2


def test_a_quiet_weekend_is_expected_on_friday_night_once_seen() -> None:
    def working_week(hour: float) -> float:
        return 50.0 if hour // 24 % 7 >= 5 else 600.0

    counts = traffic(26, working_week)  # until the Friday night of the fourth week
    day = forecast(counts)[2]
    assert day.point < 300.0


def test_after_traffic_stops_the_forecast_decays() -> None:
    busy = traffic(14, lambda _: 120.0)
    points = [forecast(busy + [0] * (PER_HOUR * silent))[1].point for silent in (0, 3, 12, 48)]
    assert all(later < earlier for earlier, later in pairwise(points))
    assert points[-1] < 5.0


def test_first_requests_after_a_silent_history_make_a_small_finite_forecast() -> None:
    counts = [0] * (14 * DAY - PER_HOUR) + [1] * PER_HOUR
    for made in forecast(counts):
        assert 0.0 <= made.point < 12.0
        assert made.high < 60.0


def test_a_series_twice_as_busy_gets_about_twice_the_forecast() -> None:
    counts = traffic(14.4, daily)
    for once, twice in zip(
        forecast(counts), forecast([2 * count for count in counts]), strict=True
    ):
        assert twice.point == pytest.approx(2 * once.point, rel=0.01)
        assert twice.low == pytest.approx(2 * once.low, rel=0.02)
        assert twice.high == pytest.approx(2 * once.high, rel=0.02)


def test_only_the_last_four_weeks_count() -> None:
    counts = traffic(28, daily)
    longer = Forecaster(HORIZONS).refresh([999] * 7 + counts, BUCKET, now_after(counts))
    assert list(longer) == forecast(counts)


def test_the_stateless_answer_is_that_of_a_fresh_forecaster() -> None:
    counts = traffic(9.3, daily)
    answers = forecast_rates(counts, BUCKET, now_after(counts), [24, 1])
    made = forecast(counts, [24, 1])
    assert answers == {m.horizon_hours: (m.point, m.low, m.high) for m in made}
    assert list(answers) == [24, 1]


@pytest.mark.parametrize("bucket", [60, 300, 600, 900, 1800, 3600])
def test_the_width_of_a_bucket_changes_nothing_that_matters(bucket: int) -> None:
    minutes = [index % 7 for index in range(9 * 24 * 60)]
    size = bucket // 60
    counts = [sum(minutes[i : i + size]) for i in range(0, len(minutes), size)]
    now = UnixSeconds(MONDAY + 60.0 * len(minutes))
    assert forecast_rates(counts, bucket, now, [6])[6][0] == pytest.approx(180.0, rel=0.01)


@pytest.mark.parametrize("bucket", [0, -300, 7, 7200])
def test_a_bucket_that_does_not_divide_the_hour_is_a_mistake_of_the_caller(bucket: int) -> None:
    with pytest.raises(ValueError, match="divide the hour"):
        forecast_rates([1], bucket, UnixSeconds(MONDAY), [6])


def test_a_horizon_that_is_no_time_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="positive"):
        Forecaster([6, 0])


# Holes in the log


def with_hole(counts: Sequence[int], *, ended: float, hours: float) -> list[int]:
    """Return the counts without those of some hours, ended so many hours before the end."""
    end = len(counts) - round(ended * PER_HOUR)
    start = end - round(hours * PER_HOUR)
    return [*counts[:start], *[0] * (end - start), *counts[end:]]


@pytest.mark.parametrize("hours", [1, 2.5, 6])
def test_hours_that_a_log_lost_are_filled_in(hours: float) -> None:
    counts = traffic(14, lambda _: 600.0)
    whole, holed = forecast(counts), forecast(with_hole(counts, ended=2, hours=hours))
    for before, after in zip(whole, holed, strict=True):
        assert after.point == pytest.approx(before.point, rel=0.05)


def test_a_hole_is_filled_at_the_first_turn_of_the_hour_with_enough_after_it() -> None:
    counts = traffic(14, lambda _: 600.0)
    not_yet = forecast(with_hole(counts, ended=0, hours=3))[1].point
    filled = forecast(with_hole(counts, ended=0.25, hours=3))[1].point
    assert not_yet < 550.0 < filled


def test_only_a_log_known_to_lose_hours_is_believed_to_have_lost_the_last_one() -> None:
    whole = traffic(14, lambda _: 600.0)
    lossy = list(whole)
    for ended in range(12, 24 * 13, 36):
        lossy = with_hole(lossy, ended=ended, hours=1)
    lost = forecast(with_hole(lossy, ended=0, hours=1))[0].point
    stopped = forecast(with_hole(whole, ended=0, hours=1))[0].point
    longer_than_ever = forecast(with_hole(lossy, ended=0, hours=2))[0].point
    assert lost == pytest.approx(600.0, rel=0.1)
    assert stopped < 500.0
    assert longer_than_ever < 500.0


def test_silence_longer_than_a_hole_is_silence() -> None:
    counts = traffic(14, lambda _: 600.0)
    assert forecast(with_hole(counts, ended=1, hours=7))[2].point < 580.0


def test_the_pauses_of_a_caller_that_pauses_are_not_filled() -> None:
    def on_and_off(hour: float) -> float:
        return 240.0 if hour % 4 < 2 else 0.0

    day = forecast(traffic(14, on_and_off))[2]
    assert day.point == pytest.approx(120.0, rel=0.1)


def test_a_trickle_pauses_by_chance() -> None:
    counts = traffic(14, lambda _: 8.0)
    silent = with_hole(counts, ended=1, hours=5)
    assert forecast(silent)[1].point < forecast(counts)[1].point


# Its own record


def record_of(counts: Sequence[int], horizon: int) -> tuple[float, float]:
    """Return MASE and coverage, computed from the forecasts made at every hour."""
    forecaster = Forecaster([horizon])
    made = {}
    for place in range(PER_HOUR, len(counts) + 1, PER_HOUR):
        (made[place],) = forecaster.refresh(counts[:place], BUCKET, now_after(counts[:place]))

    span = horizon * PER_HOUR
    error = naive = covered = forecasts = 0.0
    for place, said in made.items():
        yesterday = place - DAY
        if yesterday < 0 or place + span > len(counts):
            continue
        actual = sum(counts[place : place + span]) / horizon
        usual = sum(counts[yesterday : yesterday + span]) / horizon
        weight = 2 ** (-(len(counts) - place - span) / PER_HOUR / 168)
        error += weight * abs(said.point - actual)
        naive += weight * abs(usual - actual)
        covered += weight * (said.low <= actual <= said.high)
        forecasts += weight
    return error / naive, covered / forecasts


@pytest.mark.parametrize("horizon", HORIZONS)
def test_the_record_is_that_of_its_own_finished_forecasts(horizon: int) -> None:
    counts = traffic(8, daily)
    mase, coverage = record_of(counts, horizon)
    (made,) = forecast(counts, [horizon])
    assert made.mase == pytest.approx(mase)
    assert made.coverage_ratio == pytest.approx(coverage)
    assert made.history_seconds == pytest.approx(8 * 86_400)


def test_there_is_no_record_before_a_forecast_can_be_compared_with_yesterday() -> None:
    known = forecast([5, 6] * (DAY // 2) + [7] * (6 * PER_HOUR))
    assert [made.mase is None for made in known] == [False, False, True]


# Growing histories


def test_what_is_learned_while_a_history_grows_survives_late_records() -> None:
    counts = traffic(10, daily)
    forecaster = Forecaster(HORIZONS)
    forecaster.refresh(counts[:-30], BUCKET, now_after(counts[:-30]))
    late = list(counts)
    late[-40] += 1
    running = forecaster.refresh(late, BUCKET, now_after(late))
    for kept, anew in zip(running, forecast(late), strict=True):
        assert kept.point == pytest.approx(anew.point, rel=0.01)


def test_another_history_is_learned_anew() -> None:
    counts, other = traffic(10, daily), traffic(10.5, lambda _: 60.0, seed=2)
    forecaster = Forecaster(HORIZONS)
    forecaster.refresh(counts, BUCKET, now_after(counts))
    running = forecaster.refresh(other, BUCKET, now_after(other))
    assert list(running) == forecast(other)


def test_a_clock_set_back_is_learned_anew() -> None:
    counts = traffic(10, daily)
    forecaster = Forecaster(HORIZONS)
    forecaster.refresh(counts, BUCKET, now_after(counts))
    earlier = counts[: 9 * DAY]
    assert list(forecaster.refresh(earlier, BUCKET, now_after(earlier))) == forecast(earlier)


def test_a_hole_stays_filled_while_the_history_grows() -> None:
    counts = with_hole(traffic(14, lambda _: 600.0), ended=20, hours=3)
    forecaster = Forecaster(HORIZONS)
    for place in range(13 * DAY, 14 * DAY + 1, 23):
        running = forecaster.refresh(counts[:place], BUCKET, now_after(counts[:place]))
        assert list(running) == forecast(counts[:place])


def test_requests_found_later_take_the_place_of_what_filled_the_hole() -> None:
    counts = traffic(14, lambda _: 600.0)
    forecaster = Forecaster(HORIZONS)
    forecaster.refresh(with_hole(counts, ended=2, hours=1), BUCKET, now_after(counts))
    found = forecaster.refresh(counts, BUCKET, now_after(counts))
    assert found[1].point == pytest.approx(forecast(counts)[1].point, rel=0.01)


def test_ten_years_of_learning_leave_weights_finite() -> None:
    old, new = ErrorBand(1), ErrorBand(1)
    for hour in range(30):
        old.learn(4.0, 9.0, hour=hour)
    for hour in range(100_000, 100_700):
        old.learn(4.0, float(hour % 9), hour=hour)
        new.learn(4.0, float(hour % 9), hour=hour)
    assert old.around(4.0, hour=100_700, history_hours=100) == new.around(
        4.0, hour=100_700, history_hours=100
    )
