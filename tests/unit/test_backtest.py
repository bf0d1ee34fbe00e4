"""Walking forward: what was said when, without looking ahead, and how it is scored."""

import math
import random
from collections.abc import Sequence
from datetime import UTC, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surge_exporter.core.backtest import (
    Method,
    Outcome,
    Prediction,
    count_origins,
    least_hours,
    walk_forward,
)
from surge_exporter.core.counts import Counts
from surge_exporter.core.forecast import forecast_rates
from surge_exporter.core.scores import Score, errors_by_hour, score
from surge_exporter.model import UnixSeconds

MONDAY = 1_767_571_200
WIDTH = 900
PER_HOUR = 4
HORIZONS = (1, 6, 24)
PERFECT = Prediction(100.0, 100.0, 100.0)


def daily(days: float, seed: int = 1, weekend: float = 1.0) -> list[int]:
    """Return counts with a rhythm of the day, and chance."""
    rng = random.Random(seed)
    means = [
        (weekend if i // PER_HOUR // 24 % 7 >= 5 else 1.0)
        * (60 + 50 * math.sin(2 * math.pi * i / PER_HOUR / 24))
        for i in range(round(days * 24 * PER_HOUR))
    ]
    return [max(0, round(rng.gauss(mean, math.sqrt(mean)))) for mean in means]


def counts(requests: Sequence[int], shift: int = 0) -> Counts:
    start = UnixSeconds(MONDAY + shift * WIDTH)
    return Counts(requests=requests, bucket_seconds=WIDTH, start=start)


def walk(
    requests: Sequence[int], horizons: Sequence[int] = HORIZONS, shift: int = 0
) -> list[Outcome]:
    several = walk_forward(counts(requests, shift), horizons)
    return [outcome for outcomes in several for outcome in outcomes]


def of(outcomes: Sequence[Outcome], hours: int) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.horizon_hours == hours]


def scored(outcomes: Sequence[Outcome], method: Method) -> Score:
    found = score(outcomes, method)
    assert found is not None
    return found


def place_of(outcome: Outcome) -> int:
    return round((outcome.at - MONDAY) / WIDTH)


def test_the_forecast_is_what_reading_the_history_before_says() -> None:
    requests = daily(9)
    outcomes = walk(requests)
    for hours in HORIZONS:
        for outcome in of(outcomes, hours)[::29]:
            before = requests[: place_of(outcome)]
            said = forecast_rates(before, WIDTH, outcome.at, HORIZONS)[hours]
            assert outcome.predictions[Method.FORECAST] == pytest.approx(said)


def test_the_rules_are_what_a_plain_sum_says() -> None:
    requests = daily(10, weekend=0.2)

    def rate(begin: int, hours: int) -> float:
        return sum(requests[begin : begin + hours * PER_HOUR]) / hours

    outcomes = walk(requests)
    assert any(Method.LAST_WEEK in outcome.predictions for outcome in outcomes)
    surged = False
    for outcome in outcomes:
        place, hours = place_of(outcome), outcome.horizon_hours
        day, window = 24 * PER_HOUR, hours * PER_HOUR
        points = {method: said.point for method, said in outcome.predictions.items()}
        recent, before = rate(place - window, hours), rate(place - 2 * window, hours)
        surges = recent > 1.5 * before
        surged |= surges
        assert outcome.actual == pytest.approx(rate(place, hours))
        assert points[Method.LAST_WINDOW] == pytest.approx(recent)
        assert points[Method.YESTERDAY] == pytest.approx(rate(place - day, hours))
        assert points[Method.RATIO_RULE] == pytest.approx(recent * (1.2 if surges else 1.0))
        if place >= 7 * day:
            assert points[Method.LAST_WEEK] == pytest.approx(rate(place - 7 * day, hours))
        else:
            assert Method.LAST_WEEK not in points
    assert surged


def test_a_horizon_beyond_a_day_goes_by_the_last_whole_days_and_weeks() -> None:
    requests = [i // (24 * PER_HOUR) for i in range(40 * 24 * PER_HOUR)]  # the day's number

    first = walk(requests, [30])[0]
    later = walk(requests, [200])[-1]

    day = place_of(first) // (24 * PER_HOUR)
    assert first.predictions[Method.YESTERDAY].point == pytest.approx(
        PER_HOUR * ((day - 2) * 24 + (day - 1) * 6) / 30
    )
    assert later.predictions[Method.YESTERDAY].point == pytest.approx(later.actual - 9 * PER_HOUR)
    assert later.predictions[Method.LAST_WEEK].point == pytest.approx(later.actual - 14 * PER_HOUR)


def test_nothing_before_the_window_before_is_no_surge() -> None:
    requests = [0] * (78 * PER_HOUR) + [10] * (60 * PER_HOUR)

    found = {
        place_of(o) // PER_HOUR: o.predictions[Method.RATIO_RULE] for o in walk(requests, [6])
    }

    assert found[84].point == 40.0
    assert found[83].point == pytest.approx(40.0 * 5 / 6)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32), cut=st.integers(96, 140), shift=st.integers(0, 3))
def test_another_future_changes_nothing_that_was_said_before(
    seed: int, cut: int, shift: int
) -> None:
    requests = daily(7, seed)
    rng = random.Random(seed)
    place = cut * PER_HOUR + rng.randrange(PER_HOUR)
    other = requests[:place] + [rng.choice([0, 500]) for _ in requests[place:]]
    turn = MONDAY + (shift + place) * WIDTH

    def said(outcomes: Sequence[Outcome]) -> list[tuple[float, int, object]]:
        return [(o.at, o.horizon_hours, o.predictions) for o in outcomes if o.at <= turn]

    ours = said(walk(requests, shift=shift))
    assert ours
    assert ours == said(walk(other, shift=shift))


def test_there_is_an_outcome_for_each_hour_of_the_epoch_whose_future_is_known() -> None:
    outcomes = walk(daily(5.1), shift=3)

    assert all(outcome.at % 3600 == 0 for outcome in outcomes)
    for hours in HORIZONS:
        times = [outcome.at for outcome in of(outcomes, hours)]
        assert all(later - earlier == 3600 for earlier, later in pairwise(times))
        assert times[0] - MONDAY == 73 * 3600  # three days after a quarter to one
        end = MONDAY + 3 * WIDTH + len(daily(5.1)) * WIDTH
        assert 0 <= end - times[-1] - hours * 3600 < 3600


def test_the_least_history_tests_every_horizon_for_a_day() -> None:
    assert least_hours((1, 6, 24)) == 72 + 24 + 24
    assert least_hours((1, 24, 100)) == 200 + 100 + 24
    for horizons in [(1, 6, 24), (1, 24, 40)]:
        outcomes = walk([5] * (least_hours(horizons) * PER_HOUR), horizons)
        assert len(of(outcomes, horizons[-1])) == 25


def test_the_work_ahead_is_known() -> None:
    some = counts(daily(5.1), shift=1)

    assert count_origins(some) == len(list(walk_forward(some, HORIZONS)))


def test_more_than_four_weeks_go_on_as_they_began() -> None:
    outcomes = of(walk(daily(35), [6]), 6)

    late = [o for o in outcomes if place_of(o) >= 30 * 24 * PER_HOUR]
    assert len(late) == 5 * 24 - 5
    assert scored(late, Method.FORECAST).mean_absolute_error < 20
    assert scored(late, Method.LAST_WEEK).origins == len(late)


def test_what_repeats_every_day_is_known_to_yesterday_and_nothing_can_be_compared() -> None:
    day = daily(1)
    outcomes = of(walk(day * 8, [6]), 6)

    yesterday = scored(outcomes, Method.YESTERDAY)
    assert (yesterday.mean_absolute_error, yesterday.mase, yesterday.pinball) == (0.0, None, None)
    assert yesterday.coverage_ratio == 1.0
    assert scored(outcomes, Method.LAST_WINDOW).mean_absolute_error > 50


def test_on_a_daily_rhythm_the_forecast_is_better_than_the_last_window() -> None:
    outcomes = of(walk(daily(14)), 6)

    ours, window = scored(outcomes, Method.FORECAST), scored(outcomes, Method.LAST_WINDOW)
    assert ours.mase is not None
    assert window.mase is not None
    assert ours.mase < 1.0 < window.mase
    assert 0.65 < ours.coverage_ratio <= 1.0


def test_the_intervals_of_rules_come_from_their_own_errors() -> None:
    outcomes = of(walk(daily(14)), 6)

    for method in Method:
        assert 0.6 < scored(outcomes, method).coverage_ratio < 0.98
    last = outcomes[-1].predictions
    widths = {method: said.high - said.low for method, said in last.items()}
    assert widths[Method.LAST_WINDOW] > 3 * widths[Method.YESTERDAY]


def made(actual: float, **said: tuple[float, float, float]) -> Outcome:
    predictions = {Method(name): Prediction(*three) for name, three in said.items()}
    return Outcome(UnixSeconds(MONDAY), 6, actual, predictions)


def test_scores_are_errors_over_those_of_yesterday() -> None:
    outcomes = [
        made(100.0, forecast=(110.0, 90.0, 120.0), yesterday=(120.0, 100.0, 140.0)),
        made(100.0, forecast=(70.0, 60.0, 80.0), yesterday=(100.0, 90.0, 110.0)),
    ]

    ours = scored(outcomes, Method.FORECAST)
    assert (ours.origins, ours.mean_absolute_error, ours.mase) == (2, 20.0, 2.0)
    assert ours.coverage_ratio == 0.5
    first = (0.1 * 10 + 0.5 * 10 + 0.1 * 20) / 3
    second = (0.1 * 40 + 0.5 * 30 + 0.9 * 20) / 3
    assert ours.pinball == pytest.approx((first + second) / 2 / 10)
    assert scored(outcomes, Method.YESTERDAY).mase == 1.0


def test_who_knows_the_future_has_no_error() -> None:
    outcomes = [made(100.0, forecast=PERFECT, yesterday=(90.0, 80.0, 95.0))]

    ours = scored(outcomes, Method.FORECAST)
    assert (ours.mase, ours.pinball, ours.coverage_ratio) == (0.0, 0.0, 1.0)


def test_a_method_is_scored_where_it_has_a_part_against_yesterday_there() -> None:
    outcomes = [
        made(100.0, forecast=PERFECT, yesterday=(0.0, 0.0, 0.0)),
        made(100.0, last_week=(105.0, 90.0, 110.0), yesterday=(110.0, 100.0, 120.0)),
    ]

    week = scored(outcomes, Method.LAST_WEEK)
    assert (week.origins, week.mase) == (1, 0.5)
    assert score(outcomes, Method.RATIO_RULE) is None


def test_errors_by_hour_go_by_the_clock_of_the_zone() -> None:
    outcomes = [made(100.0, forecast=(110.0, 90.0, 120.0), yesterday=PERFECT)]

    found = errors_by_hour(outcomes, Method.FORECAST, timezone(timedelta(hours=2)))

    assert found == [10.0 if hour == 2 else None for hour in range(24)]
    assert set(errors_by_hour(outcomes, Method.LAST_WEEK, UTC)) == {None}
