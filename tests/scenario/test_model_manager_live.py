"""The manager with real threads and a fake Ollama on loopback."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from surge_exporter.model import Seconds
from surge_exporter.modelling.follower import Follower
from surge_exporter.modelling.manager import ModelManager
from surge_exporter.modelling.values import AnswerBrokenError, Patience, Phase, ScalingEvent
from surge_exporter.runtime.clock import Clock
from surge_exporter.runtime.model_servers.ollama import Ollama
from surge_exporter.runtime.model_servers.protocol import ModelServerError, Timeouts
from surge_exporter.scaling.decisions import Kind
from tests.fakes import FakeClock
from tests.model_server import CATALOGUE, GIB, LARGE, MEDIUM, SMALL, FakePreflight
from tests.ollama import FakeOllama, Mishap, ollama
from tests.servers import wait_for
from tests.unit.test_model_manager import decision

ANSWER = "The sky is blue."
SIZES = {model.name: model.memory_bytes for model in CATALOGUE.models}
TIMEOUTS = Timeouts(Seconds(2.0), Seconds(0.3), Seconds(5.0))
PATIENCE = Patience(drain_seconds=Seconds(10.0), request_seconds=Seconds(20.0))


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    """An Ollama whose memory holds the largest model, and nothing beside it."""
    with ollama(SIZES, 21 * GIB) as found:
        yield found


def manager_of(
    server: FakeOllama, patience: Patience = PATIENCE, clock: Clock | None = None
) -> ModelManager:
    connected = Ollama(server.url, timeouts=TIMEOUTS)
    return ModelManager(CATALOGUE, connected, FakePreflight(), patience=patience, clock=clock)


def test_a_degradation_lets_the_running_answer_end_and_loses_no_request(
    server: FakeOllama,
) -> None:
    manager = manager_of(server)
    manager.switch(LARGE)
    server.may_answer.clear()
    stream = manager.stream("Why is the sky blue?")
    events: list[ScalingEvent] = []
    manager.subscribe(events.append)
    clock = FakeClock()
    follower = Follower(manager, clock)
    follower.start()
    wait_for(lambda: manager.status().loaded == (LARGE,), "the first look at the server")
    follower.follow(decision(Kind.DOWNGRADE, MEDIUM, LARGE))
    wait_for(lambda: manager.status().switching_to == MEDIUM, "the switch to begin")
    with ThreadPoolExecutor(8) as pool:
        later = [pool.submit(manager.generate, "Why?") for _ in range(8)]
        wait_for(lambda: manager.status().waiting == 8, "the requests to wait")
        assert server.in_memory == {LARGE}
        server.may_answer.set()
        assert (stream.model, "".join(stream)) == (LARGE, ANSWER)
        answers = [request.result() for request in later]
    follower.stop()
    assert follower.join(10.0)
    assert {(answer.model, answer.text) for answer in answers} == {(MEDIUM, ANSWER)}
    assert [event.phase for event in events] == [Phase.STARTED, Phase.DONE]
    assert events[-1].cut == 0
    assert server.in_memory == {MEDIUM}
    assert server.most_bytes_used <= server.memory_bytes
    assert not any("evict" in entry for entry in server.log)


@pytest.mark.parametrize(
    "mishap",
    [Mishap.ERROR, Mishap.HANG_MIDWAY, Mishap.HALF, Mishap.NEVER_DONE, Mishap.ERROR_MIDWAY],
)
def test_a_whole_answer_survives_any_mishap(server: FakeOllama, mishap: Mishap) -> None:
    server.goes_wrong(LARGE, mishap)
    manager = manager_of(server)
    answer = manager.generate("Why?")
    assert (answer.model, answer.text) == (MEDIUM, ANSWER)
    status = manager.status()
    assert status.events == {Kind.UPGRADE: 1, Kind.CASCADE: 1}
    assert status.performance[LARGE].failures == 1


def test_a_half_answer_is_never_shown_as_a_whole_one(server: FakeOllama) -> None:
    server.goes_wrong(LARGE, Mishap.HALF)
    manager = manager_of(server)
    pieces: list[str] = []
    with pytest.raises(AnswerBrokenError):
        pieces.extend(manager.stream("Why?"))
    assert pieces == ["The "]
    assert manager.generate("Why?").model == MEDIUM


def test_a_load_that_memory_does_not_allow_falls_back(server: FakeOllama) -> None:
    server.memory_bytes = 10 * GIB
    manager = manager_of(server)
    assert manager.generate("Why?").model == MEDIUM
    assert "requires more system memory" in str(manager.status().last_event)


def test_a_load_that_takes_too_long_leaves_nothing_in_memory_once_it_is_over(
    server: FakeOllama,
) -> None:
    server.memory_bytes, server.may_load = 64 * GIB, threading.Event()
    hasty = Timeouts(Seconds(2.0), Seconds(0.3), Seconds(0.3))
    manager = ModelManager(CATALOGUE, Ollama(server.url, timeouts=hasty), FakePreflight())
    with pytest.raises(ModelServerError, match=r"silence for 0\.3 s"):
        manager.switch(LARGE)
    server.may_load.set()
    wait_for(lambda: not server.in_memory, "what was too slow to be unloaded")
    assert manager.switch(MEDIUM)
    assert server.in_memory == {MEDIUM}


def test_a_server_that_is_slow_to_unload_hangs_and_keeps_its_model(server: FakeOllama) -> None:
    patient = Timeouts(Seconds(2.0), Seconds(0.3), Seconds(60.0))
    manager = ModelManager(CATALOGUE, Ollama(server.url, timeouts=patient), FakePreflight())
    manager.switch(LARGE)
    server.may_unload.clear()
    with pytest.raises(ModelServerError, match=r"silence for 0\.3 s"):
        manager.switch(MEDIUM)
    assert (server.in_memory, manager.status().model) == ({LARGE}, LARGE)


def test_a_slow_load_holds_requests_and_then_serves_them(server: FakeOllama) -> None:
    server.may_load.clear()
    manager = manager_of(server)
    with ThreadPoolExecutor(4) as pool:
        requests = [pool.submit(manager.generate, "Why?") for _ in range(4)]
        wait_for(lambda: manager.status().waiting == 3, "three to wait for the fourth's load")
        server.may_load.set()
        assert {request.result().model for request in requests} == {LARGE}
    assert server.log.count(f"load {LARGE}") == 1


def test_many_threads_and_switches_back_and_forth_lose_nothing(server: FakeOllama) -> None:
    manager = manager_of(server)
    events: list[ScalingEvent] = []
    manager.subscribe(events.append)
    with ThreadPoolExecutor(13) as pool:
        requests = [pool.submit(manager.generate, f"question {n}") for n in range(200)]
        for n in range(12):
            pool.submit(manager.switch, (SMALL, MEDIUM, LARGE)[n % 3])
        answers = [request.result(30) for request in requests]
    assert [answer.text for answer in answers] == [ANSWER] * 200
    ends = [event.phase is Phase.STARTED for event in events]
    assert ends == [True, False] * (len(ends) // 2)
    counted = sum(found.requests for found in manager.performance().values())
    assert counted == 200
    assert sum(Counter(answer.model for answer in answers).values()) == 200
    assert server.most_bytes_used <= server.memory_bytes
    assert manager.status().in_flight == 0


def test_a_follower_goes_by_the_newest_decision_and_outlives_failures(
    server: FakeOllama,
) -> None:
    clock = FakeClock()
    manager = manager_of(server, clock=clock)
    manager.switch(LARGE)
    follower = Follower(manager, clock)
    server.broken_loads = set(SIZES)
    follower.start()
    wait_for(lambda: manager.status().loaded == (LARGE,), "the first look at the server")

    def fails() -> bool:
        follower.follow(decision(Kind.DOWNGRADE, MEDIUM, LARGE))  # a look drops one
        last = manager.status().last_event
        return last is not None and last.phase is Phase.FAILED

    wait_for(fails, "the switch to fail")
    server.broken_loads = set()
    wait_for(lambda: manager.status().switching_to is None, "it to be over")

    def follows() -> bool:
        clock.advance(61.0)
        follower.follow(decision(Kind.DOWNGRADE, MEDIUM, LARGE))
        return manager.status().model == MEDIUM

    wait_for(follows, "a later decision to be followed")
    follower.stop()
    follower.follow(decision(Kind.UPGRADE, LARGE, MEDIUM))
    assert follower.join(10.0)
    assert manager.status().model == MEDIUM
