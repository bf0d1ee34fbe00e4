"""For any traffic: the fast surge test is the slow one, and says the same however it is asked."""

import itertools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surge_exporter.core.expectation import WINDOW_HOURS, Expectation
from surge_exporter.core.surge import SurgeAnswer, SurgeDetector
from surge_exporter.core.timeline import Timeline
from tests.slow_surge import DAY, HALF_HOUR, PER_HOUR, SlowExpectation

BUCKET = 300


@st.composite
def traffic(draw: st.DrawFn, *, most_days: int = 5) -> list[int]:
    """Return counts that keep a rate for some hours, then another, with noise or without."""
    rng = draw(st.randoms(use_true_random=False))
    rates = st.sampled_from((0, 0, 1, 3, 20, 500))
    hours = st.integers(1, 30)
    runs = draw(st.lists(st.tuples(rates, hours, st.booleans()), min_size=1, max_size=12))
    counts: list[int] = []
    for rate, length, is_noisy in runs:
        buckets = range(length * PER_HOUR)
        counts.extend(rng.randint(0, 2 * rate) if is_noisy else rate for _ in buckets)
    return counts[: most_days * DAY]


def asked(counts: list[int], ends: list[int]) -> list[SurgeAnswer]:
    detector = SurgeDetector()
    return [detector(counts[:end], BUCKET, end * BUCKET) for end in ends]


@settings(max_examples=10, deadline=None)
@given(traffic(most_days=2), st.randoms(use_true_random=False))
def test_every_window_is_tested_as_the_slow_way_says(
    counts: list[int], rng: random.Random
) -> None:
    timeline = Timeline.of(counts, BUCKET, len(counts) * BUCKET, most_hours=math.inf)
    slow, fast = SlowExpectation(counts), Expectation(PER_HOUR, 0)
    checked = {*rng.sample(range(len(counts) + 1), min(4, len(counts))), len(counts)}
    for end in range(1, len(counts) + 1):
        if end % HALF_HOUR and end not in checked:
            continue
        windows = fast.test(timeline, end)
        if windows is None or end not in checked:
            continue
        for window, hours in zip(windows, WINDOW_HOURS, strict=True):
            assert window.expected == pytest.approx(slow.expected(end, hours), abs=1e-9)
            assert window.z_score == pytest.approx(slow.z_score(end, hours), abs=1e-9)
            assert window.factor == pytest.approx(slow.factor(end, hours))


def test_weeks_with_weekends_is_tested_as_the_slow_way_says() -> None:
    rng = random.Random(1)
    busy = {2: 20, 3: 20}  # the first days are Thursday, Friday, and a weekend
    counts = [rng.randint(0, busy.get(end // DAY % 7, 80)) for end in range(9 * DAY)]
    for begin in (4, 5, 8):
        peak = slice(begin * DAY - 9, begin * DAY)
        counts[peak] = [10 * count for count in counts[peak]]
    timeline = Timeline.of(counts, BUCKET, len(counts) * BUCKET, most_hours=math.inf)
    slow, fast = SlowExpectation(counts), Expectation(PER_HOUR, 0)
    windows = None
    for end in range(HALF_HOUR, len(counts) + 1, HALF_HOUR):
        windows = fast.test(timeline, end)
    assert windows is not None
    assert windows[1].expected == pytest.approx(slow.expected(len(counts), 1.0))
    assert windows[1].z_score == pytest.approx(slow.z_score(len(counts), 1.0))


@settings(max_examples=5, deadline=None)
@given(traffic(), st.lists(st.integers(1, 3 * PER_HOUR), min_size=1, max_size=40))
def test_the_answer_does_not_depend_on_how_often_one_asks(
    counts: list[int], strides: list[int]
) -> None:
    ends = [end for end in itertools.accumulate(strides) if end <= len(counts)]
    batch = SurgeDetector.batch(counts, 0)
    assert asked(counts, ends) == [batch[end - 1] for end in ends]


@settings(max_examples=5, deadline=None)
@given(traffic())
def test_a_detector_that_starts_over_knows_what_the_one_before_it_knew(counts: list[int]) -> None:
    batch = SurgeDetector.batch(counts, 0)
    (anew,) = asked(counts, [len(counts)])
    assert (anew["score"], anew["factor"]) == (batch[-1]["score"], batch[-1]["factor"])
    last_day = [answer["alert"] for answer in batch[-DAY:]]
    if not all(last_day):
        assert anew["alert"] == last_day[-1]


@settings(max_examples=5, deadline=None)
@given(traffic(), st.integers(1, 6))
def test_the_same_answer_comes_from_finer_buckets(counts: list[int], parts: int) -> None:
    finer = [count if part == 0 else 0 for count in counts for part in range(parts)]
    now = len(counts) * BUCKET
    answer = SurgeDetector()(counts, BUCKET, now)
    assert SurgeDetector()(finer, BUCKET / parts, now) == pytest.approx(answer, rel=1e-9)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(0, 10**9), max_size=400),
    st.sampled_from((60.0, 300.0, 420.0, 1800.0, 3600.0, 1000.5)),
    st.floats(0, 4e9),
)
def test_no_counts_raise_and_all_answers_are_finite(
    counts: list[int], bucket_seconds: float, now: float
) -> None:
    verdict = SurgeDetector().test(counts, bucket_seconds, now)
    numbers = (
        verdict.factor,
        verdict.z_score,
        verdict.score,
        verdict.expected_requests_per_hour,
    )
    assert all(map(math.isfinite, numbers))
    assert verdict.factor > 0
    assert verdict.expected_requests_per_hour >= 0
