from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surge_exporter.model import UnixSeconds
from surge_exporter.scaling.resources import CPU, GPU_MEMORY
from surge_exporter.scaling.trend import Trend, crosses_within, line, trend
from tests.resources import sample

_NEVER, _END = UnixSeconds(-1.0), UnixSeconds(1e9)


def _trend(levels: list[float], every: float = 2.0, **others: float) -> Trend | None:
    samples = [sample(i * every, cpu=level) for i, level in enumerate(levels)]
    after = UnixSeconds(others.get("after", -1.0))
    before = UnixSeconds(others.get("before", 1e6))
    return trend(samples, CPU, after=after, before=before, least_span_seconds=120.0)


def _noisy(slope: float, amplitude: float, count: int = 300, seed: int = 1) -> list[float]:
    chance = Random(seed)
    return [0.5 + slope * 2.0 * i + chance.uniform(-amplitude, amplitude) for i in range(count)]


def test_a_straight_line_is_found_without_error() -> None:
    found = _trend([0.2 + 0.001 * i for i in range(100)])
    assert found is not None
    assert found.per_second == pytest.approx(0.0005)
    assert found.stderr == pytest.approx(0.0, abs=1e-9)
    assert found.at_ratio == pytest.approx(0.299)


def test_little_says_nothing() -> None:
    assert _trend([0.1] * 9, every=100.0) is None
    assert _trend([0.1] * 60) is None  # 118 s
    assert _trend([0.1] * 61) is not None


def test_what_lies_outside_does_not_count() -> None:
    levels = [0.9] * 100 + [0.1] * 100 + [0.9]
    found = _trend(levels, after=198.0, before=400.0)
    assert found is not None
    assert found.per_second == pytest.approx(0.0)


def test_a_resource_that_is_not_there_has_no_trend() -> None:
    samples = [sample(2.0 * i) for i in range(100)]
    assert trend(samples, GPU_MEMORY, after=_NEVER, before=_END, least_span_seconds=1.0) is None


def test_all_at_one_instant_is_no_line() -> None:
    assert line([(0.0, 0.1), (0.0, 0.2), (0.0, 0.3)])[0] == 0.0


def test_noise_alone_is_seldom_taken_for_a_rise() -> None:
    # 3 standard errors: about one in 700 of such windows, if residuals are independent.
    rises = 0
    for seed in range(300):
        found = _trend(_noisy(0.0, 0.05, count=100, seed=seed))
        assert found is not None
        rises += found.at_least(3.0) > 0.0
    assert rises <= 3


def test_a_wandering_level_has_a_wider_error_than_noise_of_its_size() -> None:
    chance, level, wandering = Random(3), 0.5, list[float]()
    for _ in range(300):
        level += chance.uniform(-0.01, 0.01)
        wandering.append(level)
    points = [(2.0 * i, y) for i, y in enumerate(wandering)]
    shuffled = [y for _, y in points]
    Random(4).shuffle(shuffled)
    assert line(points)[1] > line([(2.0 * i, y) for i, y in enumerate(shuffled)])[1]


def test_a_rise_that_may_be_none_crosses_nothing() -> None:
    flat = Trend(resource=CPU, per_second=0.001, stderr=0.0004, at_ratio=0.8)
    assert not crosses_within(flat, 0.89, 0.9, lead_seconds=120.0, deviations=3.0)
    assert crosses_within(flat, 0.89, 0.9, lead_seconds=120.0, deviations=2.0)


def test_a_crossing_counts_only_within_the_lead_time() -> None:
    rising = Trend(resource=CPU, per_second=0.001, stderr=0.0, at_ratio=0.5)
    assert crosses_within(rising, 0.7801, 0.9, lead_seconds=120.0, deviations=3.0)
    assert not crosses_within(rising, 0.7799, 0.9, lead_seconds=120.0, deviations=3.0)


@given(st.lists(st.floats(0.0, 1.0), min_size=3, max_size=50))
def test_the_slope_is_the_one_with_the_least_squares(levels: list[float]) -> None:
    points = [(float(i), y) for i, y in enumerate(levels)]

    def squares(slope: float) -> float:
        offsets = [y - slope * x for x, y in points]
        middle = sum(offsets) / len(offsets)
        return sum((offset - middle) ** 2 for offset in offsets)

    best = line(points)[0]
    assert squares(best) <= min(squares(best - 0.001), squares(best + 0.001)) + 1e-9
