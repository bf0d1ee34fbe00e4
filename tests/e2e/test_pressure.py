"""Pressure for real: a process takes memory and burns CPU, and the recommendation follows.

Samples are real; the wall clock is not, so that stabilisation takes no minutes.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from surge_exporter.runtime.clock import Clock
from surge_exporter.runtime.resources import Resources
from surge_exporter.runtime.sampler import Sampler, Sampling
from surge_exporter.scaling.decisions import Decision, Kind, Settings, Thresholds
from surge_exporter.scaling.tiers import Catalogue, ModelSpec
from surge_exporter.snapshot import HostStatus
from tests.burden import Burden, HalfFakeClock, cgroup_box, process_box
from tests.fakes import FakeClock, ScriptedWaker
from tests.servers import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("pressure")]

MIB = 1024**2
STABILIZATION = 300.0
BUSY = 0.2  # of a CPU, however many others want it
SETTINGS = Settings(
    catalogue=Catalogue.of(
        ModelSpec(name=tier, tier=tier, memory_bytes=size * MIB)
        for tier, size in (("small", 4), ("medium", 16), ("large", 64))
    ),
    thresholds=Thresholds(
        upgrade_below=0.6,
        degrade_from=0.7,
        least_available_bytes=MIB,
        stabilization_seconds=STABILIZATION,
    ),
)

CPU_SETTINGS = Settings(
    catalogue=Catalogue.of(
        ModelSpec(name=tier, tier=tier, memory_bytes=size * MIB)
        for tier, size in (("small", 1), ("medium", 2), ("large", 4))
    ),
    thresholds=Thresholds(
        upgrade_below=BUSY / 2,
        cpu_degrade_from=BUSY,
        least_available_bytes=MIB,
        stabilization_seconds=STABILIZATION,
    ),
)

Box = Callable[[Burden, Clock], AbstractContextManager[Resources]]


class Watch:
    """A sampler over a box; each look is two seconds of fake time, and as long as it takes."""

    def __init__(
        self,
        burden: Burden,
        clock: FakeClock,
        resources: Resources,
        settings: Settings = SETTINGS,
    ) -> None:
        self.burden = burden
        self._settings = settings
        self._clock = clock
        self._sampler = Sampler(
            Sampling(settings=settings),
            clock=clock,
            waker=ScriptedWaker(),
            build=lambda _: resources,
        )
        self._sampler.turn()

    def look(self) -> HostStatus:
        self._clock.advance(2.0)
        self._sampler.turn()
        found = self._sampler.status()
        assert found
        assert found.failures == 0
        return found

    def decide(self) -> Decision:
        decision = self.look().decision
        assert decision
        return decision

    def decide_for(self, seconds: float) -> list[Decision]:
        """Return the decisions of so much fake time."""
        return [self.decide() for _ in range(int(seconds / 2))]

    def calm(self) -> HostStatus | None:
        """Return what is seen once nothing speaks against an upgrade any more."""
        host = self.look()
        limit = self._settings.thresholds.upgrade_below
        return host if max(host.sample.pressure.values()) < limit else None


@pytest.fixture(params=[process_box, cgroup_box])
def watch(request: pytest.FixtureRequest) -> Iterator[Watch]:
    """Watch a child that does nothing yet."""
    box: Box = request.param
    burden, clock = Burden(), FakeClock()
    try:
        with box(burden, HalfFakeClock(clock)) as resources:
            yield Watch(burden, clock, resources)
    finally:
        burden.end()


def test_the_recommendation_goes_down_holds_and_comes_back(watch: Watch) -> None:
    assert watch.decide().recommended == "large"

    watch.burden.take()
    down = wait_for(lambda: _changed(watch.decide()), "a step down")
    assert (down.kind, down.recommended) == (Kind.DOWNGRADE, "medium")
    assert "memory" in down.reason
    further = wait_for(lambda: _changed(watch.decide()), "a further step down")
    assert (further.kind, further.recommended) == (Kind.CASCADE, "small")
    wait_for(lambda: watch.look().sample.cpu_ratio > BUSY, "the burnt CPU to show")
    assert {d.recommended for d in watch.decide_for(60)} == {"small"}

    watch.burden.leave()
    calm = wait_for(watch.calm, "the box to be calm")
    held = watch.decide_for(STABILIZATION - 30)
    assert {d.recommended for d in held} == {"small"}
    assert {d.kind for d in held} == {Kind.HOLD}

    after = [d for d in watch.decide_for(3 * STABILIZATION) if d.kind is not Kind.HOLD]
    assert {d.kind for d in after} == {Kind.UPGRADE}
    assert after[0].at - calm.sample.at >= STABILIZATION - 30
    assert after[-1].recommended == "large"


def _changed(decision: Decision) -> Decision | None:
    return decision if decision.kind is not Kind.HOLD else None


def test_cpu_alone_steps_down_after_a_while_and_comes_back() -> None:
    burden, clock = Burden(), FakeClock()
    try:
        with process_box(burden, HalfFakeClock(clock)) as resources:
            watch = Watch(burden, clock, resources, CPU_SETTINGS)
            assert watch.decide().recommended == "large"

            burden.burn()
            wait_for(lambda: watch.look().sample.cpu_ratio >= BUSY, "the burnt CPU to show")
            down = wait_for(lambda: _changed(watch.decide()), "a step down")
            assert (down.kind, down.recommended) == (Kind.DOWNGRADE, "medium")
            assert "CPU is" in down.reason
            assert "samples" in down.reason

            burden.leave()
            wait_for(watch.calm, "the box to be calm")
            back = [d for d in watch.decide_for(3 * STABILIZATION) if d.kind is Kind.UPGRADE]
            assert back[0].at - down.at >= STABILIZATION
            assert back[-1].recommended == "large"
    finally:
        burden.end()
