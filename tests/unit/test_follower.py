"""The follower's thread on the test's clock: when it looks, when it switches, what it leaves."""

import logging
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from surge_exporter.modelling.follower import LOOK_SECONDS, Follower
from surge_exporter.runtime.model_servers.protocol import Fault
from surge_exporter.scaling.decisions import Kind
from tests.model_server import LARGE, MEDIUM, SMALL
from tests.scheduling import ScheduledTurn
from tests.unit.test_model_manager import World, decision


class Followed(World):
    """A manager that follows, until the story is over."""

    def __init__(self, **server: Any) -> None:
        super().__init__(**server)
        turn = ScheduledTurn(self.scheduler)
        self.follower = Follower(self.manager, self.clock, turn=turn)
        self.keeps: Callable[[str], bool] = lambda _: True

    def tell(self, story: Callable[[], object]) -> None:
        """Run a story beside the follower."""

        def told() -> None:
            story()
            self.follower.stop(self.keeps)

        self.do(self.follower.run, told)

    def decide(self, kind: Kind, model: str, current: str, *, seconds: float = 6.0) -> None:
        """Decide the same for so long, every 2 s as the sampler does."""
        for _ in range(int(seconds / 2.0)):
            self.follower.follow(decision(kind, model, current))
            self.scheduler.sleep(2.0)


def test_the_server_is_looked_at_though_nothing_is_decided() -> None:
    world = Followed()
    world.tell(lambda: world.scheduler.sleep(10 * LOOK_SECONDS + 1.0))
    assert world.server.looks == 11
    assert world.server.log == []


def test_what_somebody_else_loads_is_noticed_without_a_decision() -> None:
    world = Followed()
    world.serve(LARGE)

    def story() -> None:
        world.scheduler.sleep(1.0)
        world.server.loaded = [SMALL]
        world.scheduler.sleep(LOOK_SECONDS)
        assert world.manager.status().model == SMALL

    world.tell(story)


def test_decisions_that_ask_for_what_serves_cost_no_look() -> None:
    world = Followed()
    world.serve(LARGE)
    world.tell(lambda: world.decide(Kind.HOLD, LARGE, LARGE, seconds=LOOK_SECONDS - 2.0))
    assert world.server.looks == 1


def test_a_decision_is_dropped_if_the_server_is_not_as_it_was_thought() -> None:
    world = Followed()
    world.serve(MEDIUM)

    def story() -> None:
        world.scheduler.sleep(1.0)
        world.server.loaded = [SMALL]
        world.decide(Kind.UPGRADE, LARGE, MEDIUM, seconds=2.0)
        assert world.manager.status().model == SMALL
        assert world.server.log == []
        world.decide(Kind.UPGRADE, LARGE, SMALL)
        world.scheduler.sleep(60.0)
        assert world.manager.status().model == LARGE

    world.tell(story)


def test_after_a_switch_it_is_looked_at_once_what_became_of_memory() -> None:
    world = Followed()
    world.serve(LARGE)

    def story() -> None:
        world.scheduler.sleep(1.0)
        world.follower.follow(decision(Kind.DOWNGRADE, MEDIUM, LARGE))
        world.scheduler.sleep(21.0)
        assert world.server.log == [f"unload {LARGE}", f"load {MEDIUM}"]
        assert world.manager.status().loaded == (MEDIUM,)
        assert world.server.looks == 3

    world.tell(story)


@pytest.mark.parametrize("fault", [Fault.UNREACHABLE, Fault.SILENT])
def test_nothing_is_switched_and_no_answer_cut_where_the_server_is_gone_or_hangs(
    caplog: pytest.LogCaptureFixture, fault: Fault
) -> None:
    world = Followed()
    world.serve(LARGE)
    world.server.fault = fault

    def story() -> None:
        world.scheduler.sleep(1.0)
        world.server.is_gone = True
        world.decide(Kind.DOWNGRADE, MEDIUM, LARGE, seconds=10 * LOOK_SECONDS)
        assert (world.events, world.manager.status().model) == ([], LARGE)
        world.server.is_gone = False
        world.decide(Kind.DOWNGRADE, MEDIUM, LARGE)

    with caplog.at_level(logging.INFO):
        world.tell(story)
    assert world.manager.status().model == MEDIUM
    said = [record.message for record in caplog.records if "model server" in record.message]
    assert said == [
        "model server does not say what is loaded error=fake: running: Connection refused",
        "model server says again what is loaded",
    ]


def test_where_only_the_list_of_loaded_models_fails_decisions_are_followed() -> None:
    world = Followed()
    world.serve(LARGE)
    world.server.is_gone = True
    world.tell(lambda: world.decide(Kind.DOWNGRADE, MEDIUM, LARGE))
    assert world.manager.status().model == MEDIUM


def test_a_bug_ends_neither_looks_nor_switches(caplog: pytest.LogCaptureFixture) -> None:
    world = Followed()
    running = world.server.running

    def fail() -> Any:
        world.server.running = running  # type: ignore[method-assign]
        raise ValueError("Invalid header value")

    world.server.running = fail  # type: ignore[method-assign]
    world.tell(lambda: world.decide(Kind.UPGRADE, LARGE, SMALL))
    assert world.manager.status().model == LARGE
    assert "Invalid header value" in caplog.text


def test_a_first_model_that_can_t_be_loaded_is_tried_ever_more_seldom() -> None:
    world = Followed(broken_loads={SMALL: 3, MEDIUM: 3})
    tries: list[float] = []

    def story() -> None:
        while world.manager.status().model is None:
            before = len(world.events)
            world.decide(Kind.UPGRADE, MEDIUM, SMALL, seconds=2.0)
            if len(world.events) > before and world.told[-1][1] == "started":
                tries.append(world.clock.monotonic())

    world.tell(story)
    pauses = [after - before for before, after in pairwise(tries)]
    assert [round(pause / 60 - 0.5) for pause in pauses] == [1, 2, 4]


@pytest.mark.parametrize(("before", "wanted"), [(MEDIUM, LARGE), (LARGE, MEDIUM)])
def test_a_model_that_can_t_be_loaded_is_not_tried_while_that_is_on_record(
    before: str, wanted: str
) -> None:
    world = Followed(broken_loads={wanted: 1})
    world.preflight.denied = {SMALL}
    world.serve(before)

    def story() -> None:
        world.decide(Kind.UPGRADE, wanted, before, seconds=880.0)
        assert world.server.loaded == [before]
        assert world.server.log.count(f"load {wanted}") == 1
        world.decide(Kind.UPGRADE, wanted, before, seconds=100.0)
        assert world.server.loaded == [wanted]

    world.tell(story)


def test_models_that_the_server_does_not_have_are_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = Followed()
    world.server.names = (f"{MEDIUM}:latest", SMALL, "of somebody else")
    world.server.fault, world.server.is_gone = Fault.UNREACHABLE, True

    def story() -> None:
        world.scheduler.sleep(2 * LOOK_SECONDS)
        world.server.is_gone = False
        world.scheduler.sleep(10 * LOOK_SECONDS)

    world.tell(story)
    said = [record.message for record in caplog.records if "configured" in record.message]
    assert said == [
        f"models are configured that the server does not have server=fake models={LARGE}"
    ]


def test_a_load_that_is_denied_is_asked_for_again_with_each_look_and_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = Followed()
    world.serve(SMALL)
    world.preflight.denied = {LARGE}

    def story() -> None:
        world.preflight.asked.clear()
        world.decide(Kind.UPGRADE, LARGE, SMALL, seconds=10 * LOOK_SECONDS)
        assert (world.server.log, world.events) == ([], [])
        assert 9 <= len(world.preflight.asked) <= 11
        world.preflight.denied.clear()
        world.decide(Kind.UPGRADE, LARGE, SMALL, seconds=LOOK_SECONDS)

    with caplog.at_level(logging.INFO):
        world.tell(story)
    assert world.manager.status().model == LARGE
    said = [record.message for record in caplog.records if "not loaded now" in record.message]
    assert said == [
        f"a model is not loaded now model={LARGE} reason=memory is at 93 % of 90 % for {LARGE}"
    ]


def test_a_decision_for_a_model_of_another_configuration_is_none() -> None:
    world = Followed()
    stranger = decision(Kind.UPGRADE, LARGE, SMALL)
    object.__setattr__(stranger, "model", "of yesterday")
    assert not world.manager.follow(stranger)


def test_a_follower_that_was_stopped_tries_no_other_model() -> None:
    world = Followed(broken_loads={MEDIUM: 1})
    world.serve(LARGE)

    def story() -> None:
        world.scheduler.sleep(1.0)
        world.follower.follow(decision(Kind.DOWNGRADE, MEDIUM, LARGE))
        world.scheduler.sleep(15.0)
        assert world.server.log == [f"unload {LARGE}", f"load {MEDIUM}"]

    world.tell(story)
    assert world.server.log == [f"unload {LARGE}", f"load {MEDIUM}"]
    assert world.manager.status().model == LARGE


@pytest.mark.parametrize(("keeps", "left"), [(True, [LARGE]), (False, [])])
def test_a_load_that_ends_after_the_follower_was_stopped_stays_only_if_somebody_wants_it(
    left: list[str], *, keeps: bool
) -> None:
    world = Followed()
    world.keeps = lambda _: keeps

    def story() -> None:
        world.scheduler.sleep(1.0)
        world.follower.follow(decision(Kind.UPGRADE, LARGE, SMALL))
        world.scheduler.sleep(5.0)
        assert world.manager.status().switching_to == LARGE

    world.tell(story)
    assert world.server.loaded == left
