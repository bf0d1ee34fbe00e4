"""The manager with a server, a pre-flight check and a clock that the test holds in its hands."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from surge_exporter.model import Seconds
from surge_exporter.modelling.manager import ModelManager
from surge_exporter.modelling.values import (
    AnswerBrokenError,
    DeniedError,
    NotNowError,
    Patience,
    Phase,
    ScalingEvent,
)
from surge_exporter.runtime.model_servers.protocol import Fault, ModelServerError
from surge_exporter.scaling.decisions import Decision, Kind
from surge_exporter.scaling.preflight import Operation, Preflight
from tests.fakes import NOW, FakeClock
from tests.model_server import (
    CATALOGUE,
    LARGE,
    MEDIUM,
    SMALL,
    FakePreflight,
    FakeServer,
    answer_of,
)
from tests.scheduling import ScheduledTurn, Scheduler

PATIENCE = Patience(drain_seconds=Seconds(30.0), request_seconds=Seconds(120.0))


class World:
    """A manager and all that it deals with."""

    def __init__(
        self, *, choices: Iterable[int] = (), patience: Patience = PATIENCE, **server: Any
    ) -> None:
        self.clock = FakeClock()
        self.scheduler = Scheduler(self.clock, choices)
        self.server = FakeServer(self.scheduler, **server)
        self.preflight = FakePreflight()
        self.manager = ModelManager(
            CATALOGUE,
            self.server,
            self.preflight,
            patience=patience,
            clock=self.clock,
            turn=ScheduledTurn(self.scheduler),
        )
        self.events: list[ScalingEvent] = []
        self.manager.subscribe(self.events.append)

    def do(self, *works: Callable[[], object]) -> None:
        """Run these at the same time, and to their ends."""
        for number, work in enumerate(works):
            self.scheduler.spawn(f"thread {number}", work)
        self.scheduler.run()

    def serve(self, model: str) -> None:
        """Switch to a model, as it was before the story begins."""
        self.do(lambda: self.manager.switch(model))
        self.events.clear()
        self.server.log.clear()
        self.server.unloaded_under.clear()

    def after(self, seconds: float, work: Callable[[], object]) -> Callable[[], object]:
        """Return work that begins later."""

        def later() -> object:
            self.scheduler.sleep(seconds)
            return work()

        return later

    @property
    def told(self) -> list[tuple[Kind, Phase, str | None, str | None]]:
        """The events, short."""
        return [(event.kind, event.phase, event.was, event.model) for event in self.events]


def decision(kind: Kind, model: str, current: str) -> Decision:
    spec, now = CATALOGUE.find(model), CATALOGUE.find(current)
    assert spec is not None
    assert now is not None
    return Decision(
        at=NOW,
        kind=kind,
        recommended=spec.tier,
        model=model,
        current=now.tier,
        reason="memory is at 93 %",
        stabilization_until=NOW,
    )


def test_the_first_request_loads_what_the_check_recommends() -> None:
    world = World()
    answers: list[Any] = []
    world.do(lambda: answers.append(world.manager.generate("hi")))
    (answer,) = answers
    assert (answer.text, answer.model) == (answer_of(LARGE), LARGE)
    assert answer.seconds == pytest.approx(3.0)
    assert world.server.log == [f"load {LARGE}", f"generate {LARGE}"]
    assert world.preflight.asked == [(None, Operation.LOAD), (LARGE, Operation.GENERATE)]


def test_many_first_requests_load_once() -> None:
    world = World()
    world.do(*[lambda: world.manager.generate("hi")] * 5)
    assert world.server.log.count(f"load {LARGE}") == 1
    assert world.manager.status().performance[LARGE].requests == 5


def test_a_switch_waits_for_a_running_answer_and_new_requests_for_the_new_model() -> None:
    world = World()
    world.serve(LARGE)
    answers: list[Any] = []

    def request() -> None:
        answers.append(world.manager.generate("hi"))

    world.do(
        request,
        world.after(0.5, lambda: world.manager.switch(SMALL, "memory is at 93 %")),
        world.after(1.0, request),
    )
    assert [answer.model for answer in answers] == [LARGE, SMALL]
    assert world.server.log == [
        f"generate {LARGE}",
        f"unload {LARGE}",
        f"load {SMALL}",
        f"generate {SMALL}",
    ]
    assert world.server.unloaded_under == [(LARGE, 0)]
    started, done = world.events
    assert (started.phase, done.phase) == (Phase.STARTED, Phase.DONE)
    assert (done.kind, done.was, done.model) == (Kind.DOWNGRADE, LARGE, SMALL)
    assert done.reason == "memory is at 93 %"
    assert done.drained_seconds == pytest.approx(2.5)
    assert done.cut == 0


def test_an_answer_that_outlasts_the_drain_is_cut_and_given_anew_by_the_next_model() -> None:
    world = World(patience=replace(PATIENCE, drain_seconds=Seconds(1.2)))
    world.serve(LARGE)
    answers: list[Any] = []
    world.do(
        lambda: answers.append(world.manager.generate("hi")),
        world.after(0.1, lambda: world.manager.switch(SMALL)),
    )
    assert [(answer.model, answer.text) for answer in answers] == [(SMALL, answer_of(SMALL))]
    assert world.events[-1].cut == 1
    assert world.server.unloaded_under == [(LARGE, 0)]
    assert LARGE not in world.manager.performance()


def test_an_answer_that_does_not_even_notice_is_left_behind() -> None:
    world = World(piece_seconds=1000.0)
    world.serve(LARGE)
    answers: list[Any] = []
    world.do(
        lambda: answers.append(world.manager.generate("hi")),
        world.after(1.0, lambda: world.manager.switch(SMALL)),
    )
    assert world.events[-1].drained_seconds == pytest.approx(32.0)
    assert world.server.unloaded_under == [(LARGE, 1)]
    assert answers[0].model == SMALL


def test_a_stream_that_is_cut_says_so() -> None:
    world = World(piece_seconds=20.0)
    world.serve(LARGE)
    pieces: list[str] = []

    def read() -> None:
        with world.manager.stream("hi") as stream, pytest.raises(AnswerBrokenError) as raised:
            pieces.extend(stream)
        assert raised.value.model == LARGE
        assert "wait no longer" in raised.value.why

    world.do(read, world.after(1.0, lambda: world.manager.switch(SMALL)))
    assert pieces == [f"{LARGE}.0 "]
    assert world.manager.status().model == SMALL


@pytest.mark.parametrize("fault", [Fault.FAILED, Fault.MISSING])
def test_a_model_that_fails_is_replaced_by_the_next_smaller_one(fault: Fault) -> None:
    world = World(faults={LARGE: [1]})
    world.server.fault = fault
    world.serve(LARGE)
    answers: list[Any] = []
    world.do(lambda: answers.append(world.manager.generate("hi")))
    assert [(answer.model, answer.text) for answer in answers] == [(MEDIUM, answer_of(MEDIUM))]
    assert world.told == [
        (Kind.CASCADE, Phase.STARTED, LARGE, MEDIUM),
        (Kind.CASCADE, Phase.DONE, LARGE, MEDIUM),
    ]
    assert world.events[-1].reason == f"{LARGE} failed: it broke"
    performance = world.manager.performance()
    assert (performance[LARGE].requests, performance[LARGE].failures) == (1, 1)
    assert performance[MEDIUM].failures == 0
    assert performance[MEDIUM].p95_seconds == pytest.approx(3.0)


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.BUSY, Fault.UNREACHABLE])
def test_what_is_no_fault_of_the_model_replaces_none(fault: Fault) -> None:
    world = World(faults={LARGE: [0]})
    world.server.fault = fault
    world.serve(LARGE)

    def request() -> None:
        with pytest.raises(ModelServerError) as raised:
            world.manager.generate("hi")
        assert raised.value.fault is fault

    world.do(request)
    assert world.events == []
    assert world.manager.status().model == LARGE
    assert world.manager.performance() == {}


def test_many_failures_of_one_model_make_one_step() -> None:
    world = World(faults={LARGE: [0, 0, 0, 0]})
    world.serve(LARGE)
    answers: list[Any] = []
    world.do(*[lambda: answers.append(world.manager.generate("hi").model)] * 4)
    assert answers == [MEDIUM] * 4
    assert len(world.events) == 2


def test_the_smallest_model_s_failure_is_the_caller_s() -> None:
    world = World(faults={SMALL: [0]})
    world.serve(SMALL)

    def request() -> None:
        with pytest.raises(ModelServerError, match="it broke"):
            world.manager.generate("hi")

    world.do(request)
    assert world.manager.status().model == SMALL


def test_a_stream_that_fails_before_its_first_piece_is_begun_anew() -> None:
    world = World(faults={LARGE: [0]})
    world.serve(LARGE)
    pieces: list[str] = []
    world.do(lambda: pieces.extend(world.manager.stream("hi")))
    assert "".join(pieces) == answer_of(MEDIUM)


def test_a_stream_that_fails_midway_says_so_and_the_next_request_falls_back() -> None:
    world = World(faults={LARGE: [1]})
    world.serve(LARGE)
    pieces: list[str] = []

    def read() -> None:
        with pytest.raises(AnswerBrokenError, match="it broke"):
            pieces.extend(world.manager.stream("hi"))
        assert world.events == []
        assert world.manager.generate("hi").model == MEDIUM

    world.do(read)
    assert pieces == [f"{LARGE}.0 "]
    assert world.events[-1].reason == f"an answer of {LARGE} broke off"


def test_a_stream_that_is_closed_holds_up_nobody() -> None:
    world = World()
    world.serve(LARGE)

    def read() -> None:
        with world.manager.stream("hi") as stream:
            assert next(stream) == f"{LARGE}.0 "
            assert world.manager.status().in_flight == 1
        assert world.manager.status().in_flight == 0

    world.do(read)
    assert world.server.answering == []


def test_a_denied_model_gives_way_to_the_next_that_is_allowed() -> None:
    world = World()
    world.serve(LARGE)
    world.preflight.denied = {LARGE, MEDIUM}
    answers: list[Any] = []
    world.do(lambda: answers.append(world.manager.generate("hi").model))
    assert answers == [SMALL]
    assert world.told[-1] == (Kind.DOWNGRADE, Phase.DONE, LARGE, SMALL)
    assert "93 %" in world.events[-1].reason


def test_a_request_is_denied_if_nothing_is_allowed() -> None:
    world = World()
    world.serve(LARGE)
    world.preflight.denied = {LARGE, MEDIUM, SMALL}

    def request() -> None:
        with pytest.raises(DeniedError, match="memory is at 93 %") as raised:
            world.manager.generate("hi")
        assert raised.value.retry_after_seconds == 30.0

    world.do(request)
    assert world.server.log == []
    world.preflight.recommended = None
    with pytest.raises(DeniedError):
        world.manager.select()


def test_a_request_waits_for_a_switch_no_longer_than_it_may() -> None:
    world = World(load_seconds=500.0)

    def request() -> None:
        with pytest.raises(NotNowError, match="takes too long"):
            world.manager.generate("hi")
        assert world.clock.monotonic() == pytest.approx(1121.0)

    world.do(lambda: world.manager.switch(SMALL), world.after(1.0, request))


def test_so_many_requests_wait_and_no_more() -> None:
    world = World(patience=replace(PATIENCE, most_waiting=2))
    refused: list[NotNowError] = []

    def request() -> None:
        try:
            world.manager.generate("hi")
        except NotNowError as error:
            refused.append(error)

    world.do(lambda: world.manager.switch(SMALL), *[world.after(1.0, request)] * 5)
    assert [str(error)[:17] for error in refused] == ["2 requests wait f"] * 3


def test_a_larger_model_that_can_t_be_loaded_leaves_the_one_before() -> None:
    world = World(broken_loads={LARGE: 1})
    world.serve(MEDIUM)
    served: list[bool] = []
    world.do(lambda: served.append(world.manager.switch(LARGE)))
    assert served == [False]
    assert world.server.loaded == [MEDIUM]
    assert world.told[-1] == (Kind.UPGRADE, Phase.FAILED, MEDIUM, MEDIUM)
    assert world.events[-1].reason == f"asked for; {LARGE} can't be loaded: out of memory"
    assert world.manager.status().events == {Kind.UPGRADE: 1}  # the first


def test_a_load_that_fails_is_counted_until_one_goes_well_and_is_no_failed_request() -> None:
    world = World(broken_loads={LARGE: 2})
    world.serve(MEDIUM)
    for failures in (1, 2, 0):
        world.do(lambda: world.manager.switch(LARGE))
        found = world.manager.performance()[LARGE]
        assert (found.load_failures, found.requests, found.failures) == (failures, 0, 0)


@pytest.mark.parametrize(("before", "wanted"), [(MEDIUM, LARGE), (LARGE, SMALL)])
def test_what_serves_stays_in_memory_if_the_server_does_not_list_the_model_to_come(
    before: str, wanted: str
) -> None:
    world = World(piece_seconds=20.0)
    world.serve(before)
    world.server.names = tuple({SMALL, MEDIUM, LARGE} - {wanted})
    answers: list[Any] = []
    world.do(
        lambda: answers.append(world.manager.generate("hi").model),
        world.after(1.0, lambda: world.manager.switch(wanted)),
    )
    assert answers == [before]
    assert world.server.log == [f"generate {before}"]
    assert world.told[-1][1:] == (Phase.FAILED, before, before)
    said = f"asked for; {wanted} can't be loaded: the server does not list it"
    assert world.events[-1].reason == said
    assert world.manager.performance()[wanted].load_failures == 1


def test_a_step_down_goes_past_a_model_that_the_server_does_not_list() -> None:
    world = World()
    world.serve(LARGE)
    world.server.names = (LARGE, f"{SMALL}:latest")
    world.do(lambda: world.manager.switch(MEDIUM))
    assert world.server.loaded == [SMALL]
    assert world.told[-1] == (Kind.DOWNGRADE, Phase.DONE, LARGE, SMALL)


def test_a_first_model_that_the_server_does_not_list_is_missing() -> None:
    world = World()
    world.server.names = ()

    def change() -> None:
        with pytest.raises(
            ModelServerError, match=f"models \\({MEDIUM}\\): it is not listed"
        ) as e:
            world.manager.switch(MEDIUM)
        assert e.value.fault is Fault.MISSING

    world.do(change)
    assert world.server.log == []
    assert world.told[-1] == (Kind.UPGRADE, Phase.FAILED, None, None)


def test_a_server_that_can_t_list_its_models_is_asked_to_load_them() -> None:
    world = World()
    world.server.fault, world.server.names = Fault.MISSING, None
    world.serve(SMALL)
    assert world.server.loaded == [SMALL]
    assert world.manager.missing() == ()


def test_a_step_down_passes_a_tier_whose_model_could_not_be_loaded_lately() -> None:
    world = World(broken_loads={MEDIUM: 1})
    world.serve(LARGE)
    world.do(lambda: world.manager.switch(MEDIUM), lambda: world.manager.switch(LARGE))
    world.server.log.clear()
    world.do(lambda: world.manager.follow(decision(Kind.DOWNGRADE, SMALL, LARGE)))
    assert world.server.log == [f"unload {LARGE}", f"load {SMALL}"]


def test_a_server_that_is_gone_says_nothing_of_its_models() -> None:
    world = World()
    world.serve(MEDIUM)
    world.server.fault, world.server.broken_loads = Fault.UNREACHABLE, {LARGE: 1}

    def change() -> None:
        with pytest.raises(ModelServerError):
            world.manager.switch(LARGE)

    world.do(change)
    assert world.manager.performance() == {}


def test_a_smaller_model_that_can_t_be_loaded_gives_way_to_a_smaller_one() -> None:
    world = World(broken_loads={MEDIUM: 1})
    world.serve(LARGE)
    world.do(lambda: world.manager.switch(MEDIUM))
    assert world.server.loaded == [SMALL]
    assert world.told[-1] == (Kind.DOWNGRADE, Phase.DONE, LARGE, SMALL)


def test_if_nothing_can_be_loaded_the_one_before_is_asked_on() -> None:
    world = World()
    world.serve(LARGE)
    world.server.broken_loads = dict.fromkeys((LARGE, MEDIUM, SMALL), 1)

    def change() -> None:
        with pytest.raises(ModelServerError, match="out of memory"):
            world.manager.switch(MEDIUM)

    world.do(change)
    assert world.manager.status().model == LARGE
    assert world.told[-1] == (Kind.DOWNGRADE, Phase.FAILED, LARGE, LARGE)


def test_after_a_silent_load_nothing_is_tried_but_to_go_back() -> None:
    world = World(broken_loads={MEDIUM: 1})
    world.serve(LARGE)
    world.server.fault = Fault.SILENT
    world.do(lambda: world.manager.switch(MEDIUM))
    assert world.server.log == [f"unload {LARGE}", f"load {MEDIUM}", f"load {LARGE}"]
    assert world.server.unloaded_under[-1] == (MEDIUM, 0)
    assert world.told[-1] == (Kind.DOWNGRADE, Phase.FAILED, LARGE, LARGE)


def test_a_server_that_hangs_is_not_asked_for_every_model_in_turn() -> None:
    world = World(broken_loads={MEDIUM: 1})
    world.serve(LARGE)
    world.server.fault, world.server.broken_unloads = Fault.SILENT, {MEDIUM}

    def change() -> None:
        with pytest.raises(ModelServerError, match="out of memory"):
            world.manager.switch(MEDIUM)

    world.do(change)
    assert world.server.log == [f"unload {LARGE}", f"load {MEDIUM}"]


def test_a_server_that_hangs_is_told_to_unload_nothing() -> None:
    world = World()
    world.serve(LARGE)
    world.server.fault, world.server.is_gone = Fault.SILENT, True

    def change() -> None:
        with pytest.raises(ModelServerError, match="Connection refused"):
            world.manager.switch(MEDIUM)

    world.do(change)
    assert world.server.log == []
    assert world.told[-1] == (Kind.DOWNGRADE, Phase.FAILED, LARGE, LARGE)


def test_what_can_t_be_unloaded_serves_on_and_nothing_is_loaded_beside_it() -> None:
    world = World()
    world.serve(LARGE)
    world.server.broken_unloads, world.server.fault = {LARGE}, Fault.BUSY

    def change() -> None:
        with pytest.raises(ModelServerError, match="try again later"):
            world.manager.switch(MEDIUM)

    world.do(change)
    assert (world.server.loaded, world.server.log) == ([LARGE], [])
    assert world.told[-1] == (Kind.DOWNGRADE, Phase.FAILED, LARGE, LARGE)
    assert world.manager.performance() == {}


def test_what_was_deleted_from_the_server_stands_in_nobody_s_way() -> None:
    world = World()
    world.serve(LARGE)
    world.server.broken_unloads, world.server.fault = {LARGE}, Fault.MISSING
    world.do(lambda: world.manager.switch(MEDIUM))
    assert world.manager.status().model == MEDIUM


def test_decisions_are_followed_one_tier_at_a_time() -> None:
    world = World()
    world.serve(LARGE)
    story = decision(Kind.CASCADE, SMALL, LARGE)
    world.do(lambda: world.manager.follow(story))
    assert world.manager.status().model == MEDIUM
    world.do(lambda: world.manager.follow(story))
    assert world.manager.status().model == SMALL
    assert [event.kind for event in world.events] == [Kind.CASCADE] * 4
    world.do(lambda: world.manager.follow(story))
    assert len(world.events) == 4


@pytest.mark.parametrize("serving", [SMALL, None])
def test_a_larger_or_first_model_is_not_loaded_against_the_check(serving: str | None) -> None:
    world = World()
    if serving is not None:
        world.serve(serving)
    world.preflight.denied = {LARGE}

    def follow() -> None:
        with pytest.raises(DeniedError, match="memory is at 93 %"):
            world.manager.follow(decision(Kind.UPGRADE, LARGE, SMALL))

    world.do(follow)
    assert (world.server.log, world.events) == ([], [])
    assert world.preflight.asked[-1] == (LARGE, Operation.LOAD)


def test_a_step_down_from_what_has_left_memory_loads_nothing() -> None:
    world = World()
    world.serve(LARGE)
    world.server.loaded.clear()
    world.manager.look()
    world.preflight.denied = {SMALL, MEDIUM}
    world.do(lambda: world.manager.follow(decision(Kind.DOWNGRADE, MEDIUM, LARGE)))
    assert (world.server.log, world.server.loaded) == ([], [])
    assert (world.manager.status().model, world.manager.status().loaded) == (MEDIUM, ())
    assert world.told[-1] == (Kind.DOWNGRADE, Phase.DONE, LARGE, MEDIUM)
    assert world.events[-1].reason.endswith(
        f"{LARGE} is not in memory: {MEDIUM} is loaded on demand"
    )
    world.preflight.denied.clear()
    world.do(lambda: world.manager.generate("hi"))
    assert world.server.loaded_on_demand == [MEDIUM]


def test_a_step_down_loads_its_model_if_an_answer_brought_the_larger_one_back() -> None:
    world = World()
    world.serve(LARGE)
    world.server.loaded.clear()
    world.manager.look()
    world.do(lambda: world.manager.generate("hi"))
    world.server.log.clear()
    world.do(lambda: world.manager.follow(decision(Kind.DOWNGRADE, MEDIUM, LARGE)))
    assert world.server.log == [f"unload {LARGE}", f"load {MEDIUM}"]
    assert world.server.loaded == [MEDIUM]


def test_a_larger_model_that_can_t_be_loaded_brings_nothing_back_that_had_left_memory() -> None:
    world = World(broken_loads={LARGE: 1})
    world.serve(MEDIUM)
    world.server.loaded.clear()
    world.manager.look()

    def follow() -> None:
        with pytest.raises(ModelServerError, match="out of memory"):
            world.manager.follow(decision(Kind.UPGRADE, LARGE, MEDIUM))

    world.do(follow)
    assert (world.server.loaded, world.manager.status().model) == ([], MEDIUM)


def test_a_subscriber_that_raises_or_asks_back_harms_nobody() -> None:
    world = World()
    heard: list[str] = []

    def hear(event: ScalingEvent) -> None:
        if event.phase is Phase.DONE:
            heard.append(world.manager.generate("hi").model)

    def fail(event: ScalingEvent) -> None:
        raise ValueError(event.reason)

    for subscriber in (fail, hear):
        world.manager.subscribe(subscriber)
    world.do(lambda: world.manager.switch(SMALL))
    assert heard == [SMALL]
    assert len(world.events) == 2


def test_who_has_unsubscribed_hears_no_more() -> None:
    world = World()
    heard: list[ScalingEvent] = []
    end = world.manager.subscribe(heard.append)
    world.do(lambda: world.manager.switch(SMALL))
    end()
    end()
    world.do(lambda: world.manager.switch(LARGE))
    assert len(heard) == 2


def test_what_the_server_has_loaded_already_is_adopted() -> None:
    world = World()
    assert world.manager.status().loaded is None
    world.server.loaded = [SMALL, "of somebody else", f"{MEDIUM}:latest"]
    assert world.manager.look()
    assert world.server.log == []
    status = world.manager.status()
    assert (status.model, status.tier, status.server) == (MEDIUM, "medium", "fake")
    assert status.loaded == (MEDIUM, SMALL)
    assert not world.manager.look()


def test_a_server_that_cannot_say_what_is_loaded_changes_nothing() -> None:
    world = World()
    world.server.says_what_runs = False
    assert not world.manager.look()
    world.serve(SMALL)
    assert not world.manager.look()
    assert (world.manager.status().model, world.manager.status().loaded) == (SMALL, None)


def test_what_serves_stays_if_the_server_has_unloaded_it() -> None:
    world = World()
    world.serve(LARGE)
    world.manager.look()
    world.server.loaded.clear()
    assert world.manager.look()
    assert (world.manager.status().model, world.manager.status().loaded) == (LARGE, ())


def test_what_a_look_has_found_otherwise_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    with caplog.at_level(logging.INFO):
        for loaded in ([LARGE], [LARGE], [], [], [SMALL], [SMALL]):
            world.server.loaded = loaded
            world.manager.look()
    assert [record.message for record in caplog.records] == [
        f"{LARGE} is in memory already, and serves",
        f"{LARGE} is no more in memory",
        f"{SMALL} serves in place of {LARGE}, by somebody else's doing",
    ]


def test_what_somebody_else_has_loaded_in_its_place_serves() -> None:
    world = World()
    world.serve(LARGE)
    world.server.loaded = [SMALL, MEDIUM]
    assert world.manager.look()
    assert world.manager.status().model == MEDIUM
    assert world.events == []


def test_what_somebody_else_has_loaded_beside_it_does_not() -> None:
    world = World()
    world.serve(SMALL)
    world.server.loaded.append(LARGE)
    assert world.manager.look()
    assert (world.manager.status().model, world.manager.status().loaded) == (SMALL, (LARGE, SMALL))


def test_a_server_that_does_not_answer_leaves_what_was_known() -> None:
    world = World()
    world.serve(LARGE)
    world.manager.look()
    world.server.is_gone = True
    with pytest.raises(ModelServerError):
        world.manager.look()
    assert (world.manager.status().model, world.manager.status().loaded) == (LARGE, (LARGE,))


def test_a_look_before_the_end_of_a_switch_does_not_undo_it() -> None:
    world = World()
    world.serve(LARGE)
    world.manager.look()
    world.server.look_seconds = 100.0
    world.do(world.manager.look, world.after(1.0, lambda: world.manager.switch(SMALL)))
    assert (world.manager.status().model, world.manager.status().loaded) == (SMALL, (SMALL,))


def test_a_look_before_an_answer_does_not_change_who_serves_after_it() -> None:
    world = World()
    world.serve(LARGE)
    world.server.loaded = [SMALL]
    world.server.look_seconds = 100.0
    world.do(world.manager.look, world.after(1.0, lambda: world.manager.generate("hi")))
    assert world.manager.status().model == LARGE


def test_a_model_that_is_found_in_memory_could_be_loaded_after_all() -> None:
    world = World(broken_loads={LARGE: 1})
    world.serve(MEDIUM)
    world.do(lambda: world.manager.switch(LARGE))
    assert world.manager.performance()[LARGE].load_failures == 1
    world.server.loaded.append(LARGE)
    world.manager.look()
    assert world.manager.performance()[LARGE].load_failures == 0


def test_what_is_released_serves_no_more() -> None:
    world = World()
    world.serve(LARGE)
    world.do(world.manager.release)
    assert (world.server.loaded, world.manager.status().model) == ([], None)
    world.do(world.manager.release)
    assert world.server.log == [f"unload {LARGE}"]


def test_a_model_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of the models"):
        World().manager.switch("unknown")


def test_a_switch_during_the_check_sends_the_request_to_the_new_model() -> None:
    world = World()
    world.serve(LARGE)
    asked = world.preflight.asked

    def check(model: str | None, operation: Operation) -> Preflight:
        if (LARGE, Operation.GENERATE) not in asked and operation is Operation.GENERATE:
            asked.append((LARGE, operation))
            manager.switch(SMALL)
        return world.preflight(model, operation)

    turn = ScheduledTurn(world.scheduler)
    manager = ModelManager(CATALOGUE, world.server, check, clock=world.clock, turn=turn)
    models: list[str] = []

    def story() -> None:
        manager.switch(LARGE)
        asked.clear()
        models.append(manager.generate("hi").model)

    world.do(story)
    assert models == [SMALL]
    assert f"generate {LARGE}" not in world.server.log
