"""What history adds to demand: forecasts for three horizons, the surge test, callers' tests."""

from dataclasses import replace

import pytest

from surge_exporter.core.history import CountHistory
from surge_exporter.core.outlook import MOST_TESTED_CALLERS, Outlook
from surge_exporter.core.series import OTHER
from surge_exporter.model import HOUR, Seconds, Severity, UnixSeconds
from tests import snapshots
from tests.telemetry import NOW, SIX_HOURS, request

DAY = 24 * HOUR
DEMAND = replace(snapshots.demand(), forecasts=snapshots.demand().forecasts[:1], surge_test=None)


def history(days: float, *, every: float = 120.0, surge: int = 0) -> CountHistory:
    """Return even traffic of two callers, and that much more of one in the last half hour."""
    found = CountHistory()
    count = int(days * DAY / every)
    found.add([request(NOW - n * every, caller="ab"[n % 2]) for n in range(count)], NOW)
    found.add([request(NOW - 900, caller="a")] * surge, NOW)
    return found


def looked(found: CountHistory, *, horizon: float = SIX_HOURS) -> Outlook:
    """Return an outlook that has taken in a history."""
    outlook = Outlook(found, Seconds(horizon))
    outlook.refresh(NOW, None)
    return outlook


def test_without_history_demand_is_as_it_was() -> None:
    assert looked(CountHistory()).of_demand(DEMAND) == DEMAND


@pytest.mark.parametrize(
    ("horizon", "expected"),
    [
        (SIX_HOURS, [HOUR, SIX_HOURS, DAY]),
        (HOUR, [HOUR, DAY]),
        (DAY, [HOUR, DAY]),
        (0.25 * HOUR, [0.25 * HOUR, HOUR, DAY]),
        (48 * HOUR, [HOUR, DAY, 48 * HOUR]),
    ],
)
def test_an_hour_a_day_and_the_configured_horizon_are_forecast(
    horizon: float, expected: list[float]
) -> None:
    outlook = looked(history(3), horizon=horizon)
    demand = replace(DEMAND, horizon_seconds=Seconds(horizon))

    found = outlook.of_demand(demand)

    assert [f.horizon_seconds for f in found.forecasts] == expected
    assert found.forecast.requests_per_second == pytest.approx(1 / 120, rel=0.1)


def test_with_less_than_a_day_demand_is_forecast_to_stay_and_the_interval_holds_it() -> None:
    found = looked(history(0.5)).of_demand(DEMAND)

    for forecast in found.forecasts:
        assert forecast.requests_per_second == DEMAND.recent.requests_per_second
        assert forecast.low_requests_per_second is not None
        assert forecast.high_requests_per_second is not None
        assert (
            forecast.low_requests_per_second
            <= forecast.requests_per_second
            <= forecast.high_requests_per_second
        )


def test_even_demand_is_no_surge_and_ten_times_as_much_is_a_critical_one() -> None:
    calm = looked(history(3)).of_demand(DEMAND).surge_test
    loud = looked(history(3, surge=150)).of_demand(DEMAND).surge_test

    assert calm is not None
    assert loud is not None
    assert not calm.confirmed
    assert calm.factor == pytest.approx(1, rel=0.1)
    assert loud.confirmed == {Severity.WARNING, Severity.CRITICAL}
    assert loud.factor > 3


def test_other_factors_confirm_from_the_next_bucket_on() -> None:
    outlook = looked(history(3, surge=150))
    outlook.set_surge_factors(warning=100.0, critical=200.0)
    outlook.refresh(UnixSeconds(NOW + 300), None)
    found = outlook.of_demand(DEMAND).surge_test

    assert found is not None
    assert Severity.CRITICAL not in found.confirmed


def test_callers_are_tested_one_at_a_time() -> None:
    outlook = looked(history(3, surge=150))
    callers = [replace(c, caller=name) for c, name in zip(snapshots.callers(), "ab", strict=False)]
    before = outlook.of_callers(callers)

    more = [outlook.refresh_a_caller(NOW) for _ in range(3)]

    after = {c.caller: c.surge_test for c in outlook.of_callers(callers)}
    assert [c.surge_test for c in before] == [None, None]
    assert more == [True, True, False]
    assert after["a"] is not None
    assert after["b"] is not None
    assert (after["a"].confirmed, after["b"].confirmed) != (frozenset(), frozenset())
    assert not after["b"].confirmed


def test_only_the_busiest_that_have_a_name_are_tested() -> None:
    outlook = looked(history(3))
    one = snapshots.callers()[0]
    callers = [replace(one, caller=OTHER)]
    callers += [replace(one, caller=f"c{n}") for n in range(MOST_TESTED_CALLERS + 10)]
    outlook.of_callers(callers)

    tested = sum(outlook.refresh_a_caller(NOW) for _ in range(2 * MOST_TESTED_CALLERS))

    assert tested == MOST_TESTED_CALLERS


def test_within_a_bucket_nothing_is_computed_again() -> None:
    found = history(3)
    outlook = looked(found)
    before = outlook.of_demand(DEMAND)
    found.add([request(NOW - 900)] * 500, NOW)
    outlook.refresh(UnixSeconds(NOW + 1), None)

    assert outlook.of_demand(DEMAND) == before
