"""The benchmark of the forecast and the seasonal test measures what it says it does."""

import gzip
import json
import statistics
from pathlib import Path

import pytest

from tests.bench.verdict.__main__ import main
from tests.bench.verdict.alarms import Found, tally
from tests.bench.verdict.metrics import (
    HORIZONS_HOURS,
    Forecast,
    geometric_mean,
    paired_ratio,
    score,
)
from tests.bench.verdict.rivals import (
    DETECTORS,
    over,
    ratios,
    seasonal_scores,
    seasonal_test,
    z_scores,
)
from tests.bench.verdict.scenarios import FLAT, Scenario, Surge, scenario
from tests.bench.verdict.series import DemandSeries, load
from tests.bench.verdict.walk import (
    NAIVE,
    common_origins,
    hourly_origins,
    last_week,
    last_window,
    lost_hours,
    ours,
    raised_when_surging,
    yesterday,
)

HOUR = 12
DAY = 24 * HOUR


def noisy(days: int = 6, rate: float = 60) -> DemandSeries:
    made = scenario(FLAT, rate, seed=1, has_surges=False, days=days)
    return DemandSeries("noisy", made.start, made.counts)


def flat(hours: int, surges: tuple[Surge, ...] = (), per_bucket: int = 10) -> Scenario:
    counts = [per_bucket] * (hours * HOUR)
    for surge in surges:
        for bucket in range(surge.begin, surge.end):
            counts[bucket] = round(per_bucket * surge.magnitude)
    return Scenario(0, tuple(counts), surges)


@pytest.mark.parametrize("horizon", HORIZONS_HOURS)
def test_yesterday_scores_exactly_one(horizon: int) -> None:
    series = noisy()
    origins = range(24, series.hours - horizon + 1)
    made = {at: Forecast(yesterday(series, at, horizon)) for at in origins}
    told = score(series, made, horizon, origins)
    assert (told.mase, told.wql, told.coverage_ratio) == (1.0, None, None)


@pytest.mark.parametrize("horizon", HORIZONS_HOURS)
def test_who_knows_the_future_scores_zero_and_covers_all(horizon: int) -> None:
    series = noisy()
    origins = hourly_origins(series, horizon)
    future = {at: series.rate(at, at + horizon) for at in origins}
    made = {at: Forecast(rate, rate, rate) for at, rate in future.items()}
    told = score(series, made, horizon, origins)
    assert (told.mase, told.wql, told.coverage_ratio) == (0.0, 0.0, 1.0)


def test_coverage_is_how_often_the_truth_is_within() -> None:
    series = noisy()
    origins = range(72, 92)
    wide, off = Forecast(60.0, 0.0, 1e9), Forecast(60.0, 1e8, 1e9)
    made = {at: wide if at % 4 else off for at in origins}
    assert score(series, made, 1, origins).coverage_ratio == pytest.approx(0.75)


def test_quantile_loss_is_that_of_three_quantiles() -> None:
    days = [1, 2, 1, 2]
    series = DemandSeries("steps", 0, tuple(day for day in days for _ in range(DAY)))
    made = {72: Forecast(18.0, 12.0, 30.0)}  # 24 come; yesterday was 12 off
    pinballs = (0.1 * 12, 0.5 * 6, 0.1 * 6)
    told = score(series, made, 24, [72])
    assert told.mase == pytest.approx(6 / 6.5, rel=0.1)
    assert told.wql is not None
    assert told.wql / told.mase == pytest.approx(2 * sum(pinballs) / 3 / 6)


def test_ratios_are_paired_and_averaged_as_ratios_are() -> None:
    told = paired_ratio([1.0, 4.0, 1.0], [2.0, 2.0, 4.0], seed=0)
    assert told.mean == pytest.approx(geometric_mean([0.5, 2.0, 0.25]))
    assert told.low <= told.mean <= told.high
    assert told.won == pytest.approx(2 / 3)


def test_common_origins_are_few_of_every_hour_of_the_day() -> None:
    series = noisy(days=60, rate=2)
    origins = common_origins(series)
    assert 50 <= len(origins) <= 60
    assert {at % 24 for at in origins} == set(range(24))
    assert origins[-1] + 24 <= series.hours


def test_naive_forecasts_are_what_their_names_say() -> None:
    counts = [hour for hour in range(400) for _ in range(HOUR)]
    series = DemandSeries("rising", 0, tuple(counts))
    assert last_window(series, 200, 6) == pytest.approx(HOUR * 196.5)
    assert last_window(series, 200, 24, begin=197) == pytest.approx(HOUR * 198)
    assert yesterday(series, 200, 6) == pytest.approx(HOUR * 178.5)
    assert last_week(series, 200, 6) == pytest.approx(HOUR * 34.5)
    assert last_week(series, 100, 6) == pytest.approx(yesterday(series, 100, 6))
    assert raised_when_surging(series, 200, 1) == pytest.approx(HOUR * 196.5)
    assert raised_when_surging(series, 12, 1) == pytest.approx(1.2 * HOUR * 8.5)
    assert set(NAIVE) >= {"last window", "yesterday"}


def test_forecasts_know_nothing_of_what_comes() -> None:
    series = noisy()
    half = series.hours // 2
    counts = series.counts[: half * HOUR] + (0,) * (len(series.counts) - half * HOUR)
    known, other = ours(series, end=half), ours(DemandSeries("other", series.start, counts))
    for horizon in HORIZONS_HOURS:
        assert known[horizon] == {at: other[horizon][at] for at in range(1, half + 1)}


def test_holes_are_drawn_by_seed_and_seen_by_the_forecast() -> None:
    series = noisy(days=20)
    hours = lost_hours(series, 1)
    assert hours == lost_hours(series, 1) != lost_hours(series, 2)
    assert len(hours) == pytest.approx(0.03 * series.hours, abs=12)
    assert ours(series, lost=[72])[1][73] != ours(series)[1][73]


def test_a_series_is_cut_to_whole_hours_of_the_epoch() -> None:
    series = DemandSeries.cut_to_hours("cut", 3600 - 600, [7, 7, *[1] * 30])
    assert (series.start, series.hours, series.rate(0, 2)) == (3600, 2, 12)
    assert series.hourly(0, 2) == [12, 12]


def test_alerts_close_together_are_one_false_alarm() -> None:
    made = flat(72 + 168)
    alerts = [False] * len(made.counts)
    for hour in (3, 20, 100, 101, 110):  # warming up, cold, one, the same, another
        alerts[hour * HOUR] = True
    told = tally(made, alerts)
    assert (told.false_alarms, told.cold_false_alarms) == (2, 1)
    assert (told.weeks, told.cold_weeks) == pytest.approx((1, 60 / 168))
    assert told.alert_part == pytest.approx(3 / (168 * HOUR))


def test_a_surge_is_found_at_the_end_of_a_bucket_while_it_lasts() -> None:
    surges = (Surge(1000, 1012, 3.0), Surge(1200, 1212, 5.0))
    made = flat(120, surges)
    alerts = [bucket == 1002 or 1212 <= bucket < 1300 for bucket in range(len(made.counts))]
    told = tally(made, alerts)
    assert told.found == (Found(3.0, 15), Found(5.0, None))
    assert (told.false_alarms, told.weeks) == (0, 0)


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_sees_ten_times_the_traffic_and_nothing_before(name: str) -> None:
    surge = Surge(8 * DAY, 8 * DAY + 6 * HOUR, 10.0)
    noise = noisy(days=9, rate=1200).counts
    counts = [n * (10 if surge.begin <= i < surge.end else 1) for i, n in enumerate(noise)]
    alerts = DETECTORS[name](Scenario(0, tuple(counts), (surge,)))
    assert len(alerts) == len(counts)
    assert any(alerts[surge.begin : surge.end])
    assert sum(alerts[3 * DAY : surge.begin]) < 0.05 * 5 * DAY


def test_ratios_and_z_scores_are_those_of_the_counts() -> None:
    made = flat(36, (Surge(35 * HOUR, 36 * HOUR, 4.0),))
    assert ratios(made)[-1] == pytest.approx(9 / 6)
    assert ratios(made)[6 * HOUR] == 0
    hours = [120] * (23 * HOUR) + [120 + 30 * more for more in range(1, HOUR + 1)]
    expected = (480 - statistics.fmean(hours)) / statistics.pstdev(hours)
    assert z_scores(made)[-1] == pytest.approx(expected)


def test_our_alerts_begin_where_the_score_is_over_its_threshold() -> None:
    made = scenario(FLAT, 200, seed=3, has_surges=True, days=10)
    alerts, high = seasonal_test(made), over(3.7, seasonal_scores)(made)
    begins = [i for i in range(1, len(alerts)) if alerts[i] and not alerts[i - 1]]
    assert begins
    assert all(high[i] for i in begins)
    assert all(alert for alert, is_high in zip(alerts, high, strict=True) if is_high)


def test_a_quick_run_reports_on_recorded_series(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    series = noisy(rate=20)
    listed = {
        "one": {"split": "public"},
        "kept": {"split": "held out"},
        "gone": {"split": "public"},
    }
    (tmp_path / "series.json").write_text(json.dumps(listed))
    rows = [f"{series.start + 300 * i},{count}\n" for i, count in enumerate(series.counts)]
    for name in ("one", "kept"):
        with gzip.open(tmp_path / f"{name}.csv.gz", "wt") as file:
            file.writelines(["bucket_start_epoch,count\n", *rows])
    assert [one.name for one in load(tmp_path)] == ["one"]
    main(["--quick", "--data", str(tmp_path)])
    told = capsys.readouterr().out
    assert "1 recorded series, 144 hours" in told
    assert told.count("| surge-exporter |") == 3
    assert "AutoETS |" not in told
