"""The forecast for any counts: sound numbers, the plain one's numbers, whatever way they came."""

import math
import random

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from surge_exporter.core.forecast import Forecaster, forecast_rates
from surge_exporter.core.interval import ErrorBand
from surge_exporter.model import UnixSeconds
from tests.plain_forecast import Series, history_of_forecasts

PHASES = [Phase.explicit, Phase.reuse, Phase.generate]  # the plain one is too slow to shrink
WIDTHS = st.sampled_from([60, 120, 300, 900, 1800, 3600])
BEGINNING = 1_750_000_000


@st.composite
def histories(draw: st.DrawFn) -> list[int]:
    """Return counts as traffic may have them: steady, bursty, idle, with holes; any length."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    counts: list[int] = []
    for _ in range(draw(st.integers(0, 5))):
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


@settings(max_examples=30, deadline=None)
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


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), errors=st.integers(672, 1500), most=st.integers(0, 20))
def test_a_band_that_forgot_knows_what_one_knows_that_never_saw_more(
    seed: int, errors: int, most: int
) -> None:
    rng = random.Random(seed)
    hour = 480_000
    seen = []
    for _ in range(errors):
        hour += rng.choice([1, 1, 1, 1, 200])
        seen.append((hour, float(rng.randint(0, most))))
    old, new = ErrorBand(6), ErrorBand(6)
    for made, truth in seen:
        old.learn(4.0, truth, hour=made)
    for made, truth in seen[-672:]:
        new.learn(4.0, truth, hour=made)
    ends = [band.around(4.0, hour=hour, history_hours=100) for band in (old, new)]
    assert ends[0] == ends[1]
