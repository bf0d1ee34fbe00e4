"""When the seasonal test confirms a surge, and when it says that there is none."""

import math
import time

import pytest

from surge_exporter.core.expectation import Expectation
from surge_exporter.core.surge import SurgeDetector, SurgeVerdict
from surge_exporter.core.timeline import Timeline
from surge_exporter.model import Severity
from tests.bench.verdict.scenarios import FLAT, scenario

BUCKET = 300
PER_HOUR = 12
DAY = 24 * PER_HOUR


def constant(hours: float, *, per_bucket: int = 10) -> list[int]:
    return [per_bucket] * round(hours * PER_HOUR)


def rhythm(days: int, *, per_bucket: float = 20) -> list[int]:
    """Return counts that rise and fall by four fifths a day."""
    angles = (math.tau * bucket / DAY for bucket in range(days * DAY))
    return [round(per_bucket * (1 + 0.8 * math.sin(angle))) for angle in angles]


def noisy(days: int) -> list[int]:
    return list(scenario(FLAT, 100, seed=1, has_surges=False, days=days).counts)


def surged(counts: list[int], *, hours: float, times: int) -> list[int]:
    begin = len(counts) - round(hours * PER_HOUR)
    return counts[:begin] + [count * times for count in counts[begin:]]


def verdict(counts: list[int]) -> SurgeVerdict:
    return SurgeDetector().test(counts, BUCKET, len(counts) * BUCKET)


def alerts(counts: list[int]) -> list[bool]:
    return [answer["alert"] for answer in SurgeDetector.batch(counts, 0)]


@pytest.mark.parametrize("per_bucket", [0, 1, 10, 1000])
def test_constant_traffic_never_alerts(per_bucket: int) -> None:
    assert not any(alerts(constant(8 * 24, per_bucket=per_bucket)))


def test_a_daily_rhythm_never_alerts_once_a_day_is_known() -> None:
    assert not any(alerts(rhythm(8))[DAY:])


def test_traffic_that_falls_silent_never_alerts() -> None:
    assert not any(alerts(noisy(3) + [0] * DAY)[3 * DAY :])


def test_after_a_silent_history_it_takes_five_requests_within_the_hour() -> None:
    silence = [0] * (7 * DAY)
    needed = next(n for n in range(20) if verdict([*silence, *[1] * n]).is_confirmed)
    assert 4 <= needed <= 6
    assert not verdict([*silence, 3]).is_confirmed


def test_five_times_the_traffic_is_confirmed_within_half_an_hour() -> None:
    told = verdict(surged(noisy(14), hours=0.5, times=5))
    assert told.severity is Severity.CRITICAL
    assert told.factor > 3
    assert told.z_score > 0
    assert told.expected_requests_per_hour == pytest.approx(100, rel=0.5)


def test_twice_the_traffic_for_hours_is_confirmed_as_a_warning() -> None:
    counts = surged(constant(7 * 24), hours=3, times=2)
    told = verdict(counts)
    assert told.severity is Severity.WARNING
    assert told.factor == pytest.approx(2, rel=0.05)


def test_a_surge_is_over_within_the_hour_after_it() -> None:
    counts = surged(noisy(14), hours=3, times=5)
    told = alerts(counts + noisy(3))
    assert told[len(counts) - 1]
    assert any(told[len(counts) : len(counts) + 3])
    assert not any(told[len(counts) + 7 * PER_HOUR : len(counts) + 2 * DAY])


def test_a_surge_cannot_raise_its_own_expectation_for_six_hours() -> None:
    calm, surge = noisy(7), surged(noisy(7), hours=6, times=10)
    windows = []
    for counts in (calm, surge):
        timeline = Timeline.of(counts, BUCKET, len(counts) * BUCKET, most_hours=math.inf)
        expectation = Expectation(PER_HOUR, timeline.first)
        for edge in range(timeline.first + 1, timeline.end + 1):
            tested = expectation.test(timeline, edge)
        assert tested is not None
        windows.append([window.expected for window in tested])
    assert windows[0] == pytest.approx(windows[1])


def test_half_a_day_of_history_is_needed_to_confirm_anything() -> None:
    short = verdict(surged(constant(11.5), hours=1, times=100))
    assert (short.is_confirmed, short.has_history) == (False, False)
    longer = verdict(surged(constant(13), hours=1, times=100))
    assert (longer.is_confirmed, longer.has_history) == (True, True)


@pytest.mark.parametrize("hours", [0, 0.5, 6])
def test_six_hours_say_nothing(hours: float) -> None:
    told = verdict(surged(constant(hours), hours=min(hours, 1), times=100))
    assert (told.factor, told.z_score, told.is_confirmed) == (1.0, 0.0, False)


def test_a_detector_that_is_asked_twice_says_the_same_twice() -> None:
    counts, detector = surged(noisy(3), hours=1, times=5), SurgeDetector()
    now = len(counts) * BUCKET
    assert detector.test(counts, BUCKET, now) == detector.test(counts, BUCKET, now)


def test_time_that_goes_back_starts_over() -> None:
    counts, detector = noisy(3), SurgeDetector()
    now = len(counts) * BUCKET
    detector.test(surged(counts, hours=1, times=5), BUCKET, now)
    before = counts[:-DAY]
    assert detector.test(before, BUCKET, now - DAY * BUCKET) == verdict(before)


def test_older_history_that_arrives_late_starts_over() -> None:
    counts, detector = noisy(4), SurgeDetector()
    now = len(counts) * BUCKET
    detector.test(counts[-DAY:], BUCKET, now)
    assert detector.test(counts, BUCKET, now) == verdict(counts)


def test_four_weeks_are_as_good_as_more() -> None:
    counts = noisy(35)
    now = len(counts) * BUCKET
    cut = SurgeDetector().test(counts[-28 * DAY :], BUCKET, now)
    assert SurgeDetector().test(counts, BUCKET, now) == cut


def test_a_step_takes_little_of_a_refresh_and_starting_over_little_of_a_start() -> None:
    counts, detector = noisy(28), SurgeDetector()
    now = len(counts) * BUCKET
    began = time.process_time()
    detector.test(counts[:-1], BUCKET, now - BUCKET)
    started = time.process_time()
    detector.test(counts, BUCKET, now)
    stepped = time.process_time()
    assert started - began < 2.0  # a fifth of a second where nothing else runs
    assert stepped - started < 0.02


def test_a_new_peak_of_every_day_is_no_surge_after_ten_days() -> None:
    counts = noisy(21)
    for day in range(7, 21):
        peak = slice(day * DAY, day * DAY + 2 * PER_HOUR)
        counts[peak] = [5 * count for count in counts[peak]]
    told = alerts(counts)
    assert any(told[7 * DAY : 8 * DAY])
    assert not any(told[16 * DAY :])


def test_a_detector_that_runs_for_longer_than_it_remembers_says_the_same() -> None:
    counts, detector = noisy(45), SurgeDetector()
    batch = detector.batch(counts, 0)
    for end in range(27 * DAY, len(counts) + 1, DAY // 2):
        shown = counts[max(0, end - 28 * DAY) : end]
        assert detector(shown, BUCKET, end * BUCKET) == batch[end - 1]
