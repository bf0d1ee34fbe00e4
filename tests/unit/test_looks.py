"""Looks at the host: who asks gets one that is fresh, or is told soon that there is none."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Semaphore

import pytest

from surge_exporter.runtime import looks
from surge_exporter.runtime.looks import FRESH_SECONDS, Look, Looks
from surge_exporter.scaling.decisions import Inputs, State
from surge_exporter.scaling.resources import Sample
from surge_exporter.scaling.tiers import HardwareTier
from surge_exporter.snapshot import HostStatus
from tests.fakes import FakeClock
from tests.hosts import sample
from tests.looping import SECONDS


def look(seen: Sample) -> Look:
    status = HostStatus(
        sample=seen,
        hardware_tier=HardwareTier.HIGH_END,
        tiers=(),
        serving=None,
        decision=None,
        state=State(),
        trends={},
        changes=(),
        events={},
    )
    return Look(status, Inputs(now=seen.at, sample=seen))


class Rig:
    """Somebody may ask on a thread of the pool; the test is the one who looks."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._woken = Semaphore(0)
        self.clock = FakeClock()
        self.looks = Looks(self.clock, self._woken.release)

    def ask(self) -> Future[None]:
        """Return what is done once who asks is answered; by now they wait."""
        asking = self._pool.submit(self.looks.ask)
        assert self._woken.acquire(timeout=SECONDS)
        return asking


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr(looks, "PATIENCE_SECONDS", 2 * SECONDS)
    with ThreadPoolExecutor() as pool:
        rig = Rig(pool)
        try:
            yield rig
        finally:
            rig.looks.close()


def test_who_asks_waits_until_they_are_heard_and_answered(rig: Rig) -> None:
    asking = rig.ask()

    assert rig.looks.hear()
    seen = look(sample())
    rig.looks.show(seen)
    assert not asking.done()
    rig.looks.answer()

    asking.result(SECONDS)
    assert rig.looks.newest(0.0) is seen


def test_who_asks_when_it_is_settled_that_nobody_needs_a_look_waits_for_the_next(
    rig: Rig,
) -> None:
    assert not rig.looks.hear()
    asking = rig.ask()
    rig.looks.answer()
    assert not asking.done()

    assert rig.looks.hear()
    rig.looks.answer()

    asking.result(SECONDS)


def test_a_fresh_look_is_shared_by_who_asks_later_and_wakes_nobody(rig: Rig) -> None:
    rig.looks.show(look(sample()))

    rig.looks.ask()

    assert not rig.looks.hear()
    rig.clock.advance(FRESH_SECONDS)
    asking = rig.ask()
    assert rig.looks.hear()
    rig.looks.answer()
    asking.result(SECONDS)


def test_an_answer_without_a_look_ends_the_waiting_too(rig: Rig) -> None:
    asking = rig.ask()

    rig.looks.hear()
    rig.looks.answer()

    asking.result(SECONDS)
    assert rig.looks.newest(60.0) is None


def test_once_nobody_looks_any_more_nobody_waits(rig: Rig) -> None:
    asking = rig.ask()

    rig.looks.close()

    asking.result(SECONDS)
    rig.looks.ask()


def test_patience_ends(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "PATIENCE_SECONDS", 0.0)

    rig.looks.ask()

    assert rig.looks.newest(60.0) is None


def test_what_is_too_old_or_taken_back_is_not_shown(rig: Rig) -> None:
    seen = look(sample())
    rig.looks.show(seen)
    rig.clock.advance(10.0)

    found = [rig.looks.newest(10.0), rig.looks.newest(9.9)]
    rig.looks.show(None)

    assert found == [seen, None]
    assert rig.looks.newest(60.0) is None
