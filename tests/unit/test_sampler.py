"""The sampler: looks when it is due or asked, shares what it saw, and survives what goes wrong."""

import threading
from dataclasses import replace
from typing import Any

import pytest

from surge_exporter.model import UnixSeconds
from surge_exporter.runtime.looks import FRESH_SECONDS
from surge_exporter.runtime.sampler import Sampler, Sampling, Serving
from surge_exporter.scaling.decisions import Kind, Settings, Thresholds
from surge_exporter.scaling.preflight import Operation
from surge_exporter.scaling.resources import GIB, Gpu
from surge_exporter.scaling.tiers import Catalogue, HardwareTier, ModelSpec
from surge_exporter.snapshot import HostStatus, Outcome
from tests.fakes import FakeClock, ScriptedWaker
from tests.hosts import FakeMachine, sample
from tests.looping import SECONDS, Turner


class Rig:
    """A sampler that the test turns; who asks turns it, too."""

    def __init__(self, sampling: Sampling | None = None) -> None:
        self.clock = FakeClock()
        self.machine = FakeMachine(self.clock)
        self.serving = Serving()
        self.builds = 0
        self.waker = Turner()
        self.sampler = Sampler(
            sampling or Sampling(),
            clock=self.clock,
            waker=self.waker,
            build=self._build,
            serving=lambda: self.serving,
        )
        self.waker.turn = self.sampler.turn
        self.sampler.turn()  # begins to measure
        self.clock.advance(1.0)
        self.sampler.turn()

    def _build(self, _: Sampling) -> FakeMachine:
        self.builds += 1
        return self.machine

    @property
    def host(self) -> HostStatus:
        found = self.sampler.status()
        assert found
        return found

    def watch(self, seconds: float, **changes: Any) -> HostStatus:
        """Let time pass, a turn every two seconds."""
        self.machine.sample_now = replace(self.machine.sample_now, **changes)
        for _ in range(int(seconds / 2)):
            self.clock.advance(2.0)
            self.sampler.turn()
        return self.host


def test_without_configuration_there_is_a_tier_for_the_machine_and_one_to_serve_with() -> None:
    host = Rig().host

    assert host.hardware_tier is HardwareTier.HIGH_END
    assert host.tiers == ("small", "medium", "large")
    assert host.decision
    assert host.decision.recommended == "large"
    assert host.sample.memory_ratio == 0.25


def test_before_the_first_sample_there_is_nothing() -> None:
    clock = FakeClock()
    sampler = Sampler(
        Sampling(), clock=clock, waker=ScriptedWaker(), build=lambda _: FakeMachine(clock)
    )

    assert sampler.status() is None


def test_it_looks_when_it_is_due_and_not_before() -> None:
    rig = Rig()
    rig.clock.advance(1.9)
    rig.sampler.turn()
    assert rig.machine.taken == 1

    rig.clock.advance(0.1)
    rig.sampler.turn()

    assert rig.machine.taken == 2


def test_pressure_lowers_the_recommendation_and_stabilisation_holds_it() -> None:
    rig = Rig()

    pressed = rig.watch(20, memory_available_bytes=int(1.5 * GIB))
    calm = rig.watch(200, memory_available_bytes=48 * GIB)
    later = rig.watch(1000)

    assert pressed.decision
    assert pressed.decision.recommended != "large"
    assert pressed.events[Kind.DOWNGRADE] == 1
    assert calm.decision
    assert calm.decision.recommended == pressed.decision.recommended
    assert later.decision
    assert later.decision.recommended == "large"
    assert later.events[Kind.UPGRADE] >= 1
    assert later.changes[0].kind is Kind.UPGRADE
    assert later.changes[-1].at < later.changes[0].at


def test_a_rising_use_has_a_trend() -> None:
    rig = Rig()
    for step in range(150):
        host = rig.watch(2, memory_available_bytes=48 * GIB - step * 10 * 1024**2)

    assert host.trends["memory"].per_second == pytest.approx(5 * 1024**2 / (64 * GIB), rel=0.01)


def test_who_asks_gets_a_sample_of_now_and_shares_it_for_a_moment() -> None:
    rig = Rig()
    rig.clock.advance(1.0)

    asked = [rig.sampler.fresh() for _ in range(5)]

    assert {host.sample.at for host in asked if host} == {rig.clock.now()}
    assert rig.machine.taken == 2
    rig.clock.advance(FRESH_SECONDS)
    rig.sampler.fresh()
    assert rig.machine.taken == 3


def test_a_sample_for_who_asks_decides_nothing() -> None:
    rig = Rig()
    rig.machine.sample_now = sample(memory_available_bytes=GIB // 2)
    rig.clock.advance(1.0)

    host = rig.sampler.fresh()

    assert host
    assert host.sample.memory_available_bytes == GIB // 2
    assert host.decision
    assert host.decision.recommended == "large"


def test_all_who_ask_at_a_time_share_one_sample() -> None:
    rig = Rig()
    rig.clock.advance(1.0)
    asked = threading.Semaphore(0)
    rig.waker.turn = asked.release  # who asks waits for the test to turn it
    found: list[HostStatus | None] = []
    threads = [
        threading.Thread(target=lambda: found.append(rig.sampler.fresh())) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    assert all(asked.acquire(timeout=SECONDS) for _ in threads)

    rig.sampler.turn()
    for thread in threads:
        thread.join(SECONDS)

    assert rig.machine.taken == 2
    assert len(found) == len(threads)
    assert {host.sample.at for host in found if host} == {rig.clock.now()}


def test_an_error_is_counted_said_once_a_kind_and_survived(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig()
    rig.machine.fault = OSError("proc is gone")
    for _ in range(3):
        rig.clock.advance(2.0)
        rig.sampler.turn()
    rig.machine.fault = None

    host = rig.watch(2)

    assert host.failures == 3
    assert len(caplog.records) == 1
    assert "sampling failed kind=OSError error=proc is gone" in caplog.text


def test_what_is_known_no_more_is_not_shown() -> None:
    rig = Rig()
    rig.machine.fault = OSError("proc is gone")

    for _ in range(6):
        rig.clock.advance(2.0)
        rig.sampler.turn()

    assert rig.sampler.status() is None


def test_a_host_that_cannot_be_looked_at_denies() -> None:
    rig = Rig()
    rig.machine.fault = OSError("proc is gone")
    rig.clock.advance(60.0)

    found = rig.sampler.preflight()

    assert found
    assert (found.preflight.allowed, found.sampled_at) == (False, None)
    assert found.preflight.retry_after_seconds


def test_checks_are_answered_by_a_fresh_sample_and_counted() -> None:
    rig = Rig()
    allowed = rig.sampler.preflight("large", Operation.LOAD)
    rig.machine.sample_now = sample(memory_available_bytes=GIB // 2)
    rig.clock.advance(1.0)
    denied = [rig.sampler.preflight() for _ in range(3)]

    assert allowed
    assert allowed.preflight.allowed
    assert all(found and not found.preflight.allowed for found in denied)
    assert rig.host.checks == {Outcome.ALLOWED: 1, Outcome.DENIED: 3}


def test_nothing_is_watched_where_that_is_off() -> None:
    rig = Rig(Sampling(enabled=False))

    assert rig.builds == 0
    assert rig.sampler.status() is None
    assert rig.sampler.fresh() is None
    assert rig.sampler.preflight() is None


def test_a_reload_may_turn_it_off_and_on_again() -> None:
    rig = Rig()

    rig.sampler.configure(Sampling(enabled=False))
    off = rig.sampler.status()
    rig.sampler.configure(Sampling())
    rig.clock.advance(1.0)
    rig.sampler.turn()

    assert off is None
    assert rig.machine.closed == 1
    assert rig.host.sample.at == rig.clock.now()


def test_other_thresholds_keep_what_was_learned_and_other_models_do_not() -> None:
    rig = Rig()
    rig.watch(20)
    kept = rig.host.state

    rig.sampler.configure(Sampling(settings=Settings(thresholds=Thresholds(lead_seconds=60.0))))
    same = rig.watch(2).state
    models = Catalogue.of([ModelSpec(name="one", tier="only", memory_bytes=GIB)])
    rig.sampler.configure(Sampling(settings=Settings(catalogue=models)))
    other = rig.watch(2)

    assert same.changed_at == kept.changed_at
    assert other.tiers == ("only",)
    assert other.decision
    assert other.decision.recommended == "only"
    assert rig.builds == 1


def test_another_group_of_limits_is_measured_anew() -> None:
    rig = Rig()

    rig.sampler.configure(Sampling(cgroup="host"))

    assert (rig.builds, rig.machine.closed) == (2, 1)


def test_what_serves_is_known_where_a_manager_says_so() -> None:
    rig = Rig()
    rig.serving = Serving("medium", in_flight=2)

    host = rig.watch(2)

    assert host.serving
    assert host.serving.tier == "medium"


def test_what_is_loaded_is_in_use_where_nobody_switches() -> None:
    rig = Rig()
    rig.serving = Serving(loaded=("small", "medium"))

    host = rig.watch(2)

    assert host.serving
    assert host.serving.tier == "medium"


def test_the_mean_of_the_cpu_is_of_two_minutes() -> None:
    rig = Rig()
    rig.watch(300, cpu_ratio=0.2)

    host = rig.watch(80, cpu_ratio=0.95)

    assert host.cpu_mean_ratio == pytest.approx((40 * 0.95 + 20 * 0.2) / 60)


def test_where_cpu_decides_nothing_it_has_no_mean() -> None:
    by_choice = Settings(thresholds=Thresholds(cpu_degrade_from=None))
    on_gpu = Catalogue.of([ModelSpec(name="m", tier="t", memory_bytes=GIB, needs_gpu=True)])
    gpu = Gpu(index=0, memory_total_bytes=24 * GIB, memory_used_bytes=GIB)

    chosen = Rig(Sampling(settings=by_choice)).watch(2)
    rig = Rig(Sampling(settings=Settings(catalogue=on_gpu)))
    none_fits = rig.host
    served = rig.watch(310, gpus=(gpu,))

    assert chosen.cpu_mean_ratio is None
    assert none_fits.cpu_mean_ratio == 0.2
    assert served.decision
    assert served.decision.recommended == "t"
    assert served.cpu_mean_ratio is None


def test_listeners_hear_each_decision_and_one_that_fails_harms_nobody() -> None:
    rig = Rig()
    heard: list[UnixSeconds] = []

    def fail(_: HostStatus) -> None:
        raise ValueError("a bug")

    rig.sampler.listen(fail)
    rig.sampler.listen(lambda host: heard.append(host.sample.at))

    rig.watch(6)

    assert len(heard) == 3
    assert rig.host.failures == 3


def test_a_clock_that_is_set_back_breaks_no_trend() -> None:
    rig = Rig()
    rig.watch(300)

    rig.clock.set_wall(rig.clock.now() - 7200.0)
    host = rig.watch(20)

    assert host.failures == 0
    assert host.trends == {}


def test_the_thread_runs_until_it_is_told_to_stop() -> None:
    clock = FakeClock()
    machine = FakeMachine(clock)
    waker = ScriptedWaker()
    sampler = Sampler(Sampling(), clock=clock, waker=waker, build=lambda _: machine)
    steps = iter(
        [
            lambda: clock.advance(FRESH_SECONDS),
            lambda: clock.advance(0.9),
            lambda: clock.advance(2.0),
            sampler.stop,
        ]
    )
    waker._script = steps  # noqa: SLF001 - the script needs the sampler

    sampler.run()

    assert waker.waited == [pytest.approx(0.1), pytest.approx(0.9), 2.0, 2.0]
    assert (machine.taken, machine.closed) == (2, 1)


def test_what_cannot_be_built_is_built_with_the_next_look() -> None:
    clock, faults = FakeClock(), [OSError("too many open files")]

    def build(_: Sampling) -> FakeMachine:
        if faults:
            raise faults.pop()
        return FakeMachine(clock)

    sampler = Sampler(Sampling(), clock=clock, waker=ScriptedWaker(), build=build)
    sampler.turn()
    for _ in range(3):
        clock.advance(2.0)
        sampler.turn()

    assert sampler.status() is not None


def test_however_often_it_looks_a_decision_goes_by_no_more_samples() -> None:
    often = Settings(thresholds=Thresholds(trend_window_seconds=10.0, cpu_window_seconds=60.0))
    rig = Rig(Sampling(interval_seconds=0.1, settings=often))
    for _ in range(600):
        rig.clock.advance(0.1)
        rig.machine.sample_now = replace(rig.machine.sample_now, cpu_ratio=0.9)
        rig.sampler.turn()
    assert rig.host.cpu_mean_ratio == pytest.approx(0.9, abs=0.01)

    for _ in range(300):
        rig.clock.advance(0.1)
        rig.machine.sample_now = replace(rig.machine.sample_now, cpu_ratio=0.1)
        rig.sampler.turn()

    assert rig.host.cpu_mean_ratio == pytest.approx(0.5, abs=0.02)
