import pytest

from surge_exporter.model import Seconds, UnixSeconds
from surge_exporter.scaling.performance import Limits, Outcomes, Performance, together, trouble

_LIMITS = Limits(p95_seconds=10.0)  # type: ignore[arg-type]


def _performance(
    requests: int, failures: int = 0, p95: float | None = None, *, load_failures: int = 0
) -> Performance:
    return Performance(
        model="m",
        requests=requests,
        failures=failures,
        p95_seconds=None if p95 is None else Seconds(p95),
        load_failures=load_failures,
    )


@pytest.mark.parametrize(
    ("performance", "said"),
    [
        (_performance(4, 4), None),
        (_performance(5, 1), "1 of 5 requests to m failed, 20 % or more"),
        (_performance(100, 19), None),
        (_performance(100, 20), "20 of 100 requests to m failed, 20 % or more"),
        (_performance(5, 0, 10.0), None),
        (_performance(5, 0, 12.5), "m takes 12 s for 95 % of 5 requests, over 10 s"),
        (_performance(4, 0, 100.0), None),
        (_performance(0), None),
        (_performance(0, load_failures=1), "m could not be loaded 1 time lately"),
        (_performance(100, 0, 0.1, load_failures=3), "m could not be loaded 3 times lately"),
    ],
)
def test_a_model_does_badly_from_its_limits_on(performance: Performance, said: str | None) -> None:
    assert trouble(performance, _LIMITS) == said


def test_slowness_alone_is_no_trouble_by_default() -> None:
    assert trouble(_performance(50, 0, 1e6), Limits()) is None


def test_outcomes_are_of_the_window_and_failures_have_no_time() -> None:
    outcomes = Outcomes("m", window_seconds=100.0)
    outcomes.add(UnixSeconds(0.0), seconds=Seconds(99.0), failed=False)
    for second in range(1, 21):
        outcomes.add(UnixSeconds(100.0), seconds=Seconds(second), failed=second == 20)
    assert outcomes.performance(UnixSeconds(100.0)) == _performance(20, 1, 19.0)


def test_without_answers_there_is_no_time() -> None:
    assert Outcomes("m").performance(UnixSeconds(0.0)) == _performance(0)


def test_outcomes_are_bounded() -> None:
    outcomes = Outcomes("m", most=3)
    for _ in range(10):
        outcomes.add(UnixSeconds(1.0), seconds=Seconds(1.0), failed=False)
    assert outcomes.performance(UnixSeconds(1.0)).requests == 3


def test_failed_loads_are_no_failed_requests_and_count_until_they_are_old() -> None:
    outcomes = Outcomes("m", window_seconds=100.0)
    for at in (0.0, 60.0):
        outcomes.add_load(UnixSeconds(at), failed=True)
    assert outcomes.performance(UnixSeconds(60.0)) == _performance(0, load_failures=2)
    assert outcomes.performance(UnixSeconds(101.0)) == _performance(0, load_failures=1)
    assert outcomes.performance(UnixSeconds(161.0)) == _performance(0)


def test_a_load_or_an_answer_that_goes_well_ends_a_row_of_failed_loads() -> None:
    outcomes, now = Outcomes("m"), UnixSeconds(1.0)
    outcomes.add_load(now, failed=True)
    outcomes.add_load(now, failed=False)
    assert outcomes.performance(now).load_failures == 0
    outcomes.add_load(now, failed=True)
    outcomes.add(now, seconds=Seconds(1.0), failed=True)
    assert outcomes.performance(now).load_failures == 1
    outcomes.add(now, seconds=Seconds(1.0), failed=False)
    assert outcomes.performance(now).load_failures == 0


def test_two_sources_count_together_and_the_slower_one_speaks() -> None:
    assert together(_performance(10, 1, 2.0), _performance(5, 2, 3.0)) == _performance(15, 3, 3.0)
    assert together(_performance(10), _performance(5, 0, 3.0)).p95_seconds == 3.0
    assert together(_performance(10), _performance(5)).p95_seconds is None
    tried = together(_performance(10), _performance(0, load_failures=2))
    assert tried == _performance(10, load_failures=2)
