"""The forecast for any counts: sound numbers, the plain one's numbers, whatever way they came."""

import math
import random

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from surge_exporter.core.forecast import Forecaster, forecast_rates
from surge_exporter.core.interval import ErrorBand
from surge_exporter.model import UnixSeconds
from tests.plain_forecast import Series, history_of_forecasts, quantile

PHASES = [Phase.explicit, Phase.reuse, Phase.generate]  # the plain one is too slow to shrink
WIDTHS = st.sampled_from([60, 120, 300, 900, 1800, 3600])
BEGINNING = 1_750_000_000


@st.composite
def histories(draw: st.DrawFn) -> list[int]:
    """Return counts as traffic may have them: steady, bursty, idle, with holes; any length."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    counts: list[int] = []
    for _ in range(draw(st.integers(0, 6))):
        most = draw(st.sampled_from([0, 1, 3, 40, 10_000, 10**12]))
        length = draw(st.integers(1, 300))
        counts += [rng.randint(0, most) for _ in range(length)]
    return counts


@settings(max_examples=60, deadline=None)
@given(counts=histories(), width=WIDTHS, shift=st.integers(0, 10_000), data=st.data())
def test_any_counts_have_a_forecast_with_the_point_in_the_interval(
    counts: list[int], width: int, shift: int, data: st.DataObject
) -> None:
    horizons = data.draw(st.lists(st.integers(1, 1000), min_size=1, max_size=3, unique=True))
    now = UnixSeconds(BEGINNING + shift + width * len(counts))
    answers = forecast_rates(counts, width, now, horizons)
    assert list(answers) == horizons
    for point, low, high in answers.values():
        assert 0.0 <= low <= point <= high
        assert math.isfinite(high)
        assert point <= 4.0 * (max(counts, default=0) * 3600 / width + 1.0)


@settings(max_examples=60, deadline=None)
@given(counts=histories(), width=WIDTHS, data=st.data())
def test_what_a_growing_history_taught_is_what_it_teaches_at_once(
    counts: list[int], width: int, data: st.DataObject
) -> None:
    start = BEGINNING // width * width
    counts = counts[: 28 * 86_400 // width]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(counts)), max_size=6)))
    running = Forecaster([1, 5, 24, 30])
    for cut in cuts:
        running.refresh(counts[:cut], width, UnixSeconds(start + width * cut))
    now = UnixSeconds(start + width * len(counts))
    grown = running.refresh(counts, width, now)
    assert grown == Forecaster([1, 5, 24, 30]).refresh(counts, width, now)


@settings(max_examples=15, deadline=None, phases=PHASES)
@given(
    seed=st.integers(0, 2**32),
    hours=st.integers(1, 24 * 12),
    extra=st.integers(0, 3),
    most=st.sampled_from([1, 5, 300]),
    horizon=st.sampled_from([1, 2, 6, 12, 24]),
)
def test_the_fast_forecast_is_the_plain_one(
    seed: int, hours: int, extra: int, most: int, horizon: int
) -> None:
    rng = random.Random(seed)
    counts = [rng.randint(0, most) * (i // 9 % 3) for i in range(4 * hours + extra)]
    end = BEGINNING // 900 + len(counts)
    plain = history_of_forecasts(Series(counts, 4, end), horizon)[-1]
    now = UnixSeconds(900.0 * end)
    fast = forecast_rates(counts, 900, now, [horizon])[horizon]
    assert fast == pytest.approx((plain.point, plain.low, plain.high), rel=1e-8, abs=1e-8)


@settings(max_examples=60, deadline=None)
@given(
    truths=st.lists(st.integers(0, 9), min_size=24, max_size=700),
    gaps=st.lists(st.integers(1, 40_000), min_size=700, max_size=700),
)
def test_the_sorted_errors_have_the_quantiles_of_the_unsorted(
    truths: list[int], gaps: list[int]
) -> None:
    band = ErrorBand(1)
    hour = 400_000
    seen = []
    for truth, gap in zip(truths, gaps, strict=False):
        hour += gap % 5 if gap % 50 else gap
        band.learn(4.0, float(truth), hour=hour)
        seen.append((math.sqrt(truth + 0.375) - math.sqrt(4.375), hour))
    newest = seen[-672:]
    errors = [error for error, _ in newest]
    weights = [2 ** ((made - hour) / 168) for _, made in newest]
    tail = 0.1 * (1 - 0.9 * min(0.9, 1.5 / sum(weights)))
    low, high = band.around(4.0, hour=hour, history_hours=100)
    for end, share in ((low, tail), (high, 1 - tail)):
        near = [quantile(errors, weights, share + nudge) for nudge in (-1e-9, 1e-9)]
        ends = [max(0.0, math.sqrt(4.375) + error) ** 2 - 0.375 for error in near]
        clipped = [max(e, 4.0) if share > 0.5 else min(max(e, 0.0), 4.0) for e in ends]
        assert min(clipped) - 1e-6 <= end <= max(clipped) + 1e-6
