from surge_exporter.model import UnixSeconds
from surge_exporter.runtime.history import History
from tests.resources import sample

_WINDOW = 600.0


def _at(history: History, now: float) -> list[float]:
    return [one.at for one in history.before(UnixSeconds(now), _WINDOW)]


def _of(*times: float) -> History:
    history = History()
    for at in times:
        history.add(sample(at), _WINDOW)
    return history


def test_it_keeps_a_window_and_one_sample_from_before_it() -> None:
    history = _of(*range(0, 2000, 100))
    assert _at(history, 1900.0) == [1300.0, 1400.0, 1500.0, 1600.0, 1700.0, 1800.0, 1900.0]


def test_one_sample_an_hour_is_kept_until_the_next() -> None:
    assert _at(_of(0.0, 3600.0), 7200.0) == [3600.0]


def test_what_is_looked_at_too_often_is_kept_now_and_then() -> None:
    history = _of(*(at / 10 for at in range(10_000)))
    kept = _at(history, 1000.0)
    assert 450 <= len(kept) <= 501
    assert kept[0] <= 400.0


def test_samples_of_a_time_that_has_not_come_are_forgotten() -> None:
    history = _of(0.0, 100.0, 200.0)
    assert _at(history, 150.0) == [0.0, 100.0]


def test_nothing_is_left_of_something_else() -> None:
    history = _of(0.0, 100.0)
    history.clear()
    assert _at(history, 150.0) == []
