"""What is in memory: as a server says, between its words, and where nobody says anything."""

from collections.abc import Iterable, Iterator

import pytest

from surge_exporter.scaling.preflight import Operation, answer
from surge_exporter.scaling.resources import GIB, Sample
from surge_exporter.scaling.scaler import Decision, Inputs, Kind, Settings
from tests.resources import Life, catalogue, gpu, sample, spec

_BASE = 1.0
_ON_GPU = Settings(
    catalogue=catalogue(
        spec("small", 2.0, gpu=True), spec("medium", 8.0, gpu=True), spec("large", 20.0, gpu=True)
    )
)


def _gpu_samples(used: Iterable[float], begin: float = 0.0) -> Iterator[Sample]:
    for index, one in enumerate(used):
        yield sample(begin + 2.0 * index, gpus=[gpu(one)])


def _kinds(decisions: Iterable[Decision]) -> list[tuple[float, str]]:
    return [(d.at, str(d.kind)) for d in decisions if d.kind is not Kind.HOLD]


def _loaded(seconds: float, *, gib: float = 20.0) -> list[float]:
    return [_BASE + gib] * int(seconds / 2)


def _empty(seconds: float) -> list[float]:
    return [_BASE] * int(seconds / 2)


def _ramp(seconds: float) -> list[float]:
    steps = int(seconds / 2)
    return [_BASE + 20.0 * step / steps for step in range(steps)]


def test_a_model_that_is_loaded_as_advised_is_no_rise_of_memory() -> None:
    for ramp in (2.0, 10.0, 60.0, 110.0):
        life = Life(_ON_GPU)
        used = [*_empty(600.0), *_ramp(ramp), *_loaded(1200.0)]
        assert _kinds(life.steps(_gpu_samples(used))) == []
        assert life.state.tier == "large"


def test_a_model_that_comes_and_goes_with_its_keep_alive_moves_nothing() -> None:
    life = Life(_ON_GPU)
    decisions = []
    for at in range(0, 7200, 2):
        is_there = at % 600 >= 300
        looked = at // 30 * 30  # what was seen then is said until the next look
        was_there = looked % 600 >= 300
        now = sample(float(at), gpus=[gpu(_BASE + 20.0 * is_there)])
        told = ("large",) if was_there else ()
        decisions.append(life.step(now, loaded=told, look=looked))
    assert _kinds(decisions) == []


def test_what_a_client_has_loaded_since_the_last_look_is_the_model_until_the_next() -> None:
    life = Life(_ON_GPU)
    life.step(sample(gpus=[gpu(_BASE)]), serving="large", loaded=(), look=1)
    loading = sample(2.0, gpus=[gpu(_BASE + 20.0)])
    assert life.step(loading, serving="large", loaded=(), look=1).kind is Kind.HOLD
    later = sample(4.0, gpus=[gpu(_BASE + 20.0)])
    somebody_else = life.step(later, serving="large", loaded=(), look=2)
    assert somebody_else.kind is Kind.DOWNGRADE


def test_a_model_that_has_left_memory_since_the_last_look_gives_up_nothing() -> None:
    two = Settings(catalogue=catalogue(spec("a", 12.0, gpu=True), spec("b", 20.0, gpu=True)))
    life = Life(two)
    life.step(sample(gpus=[gpu(20.0)]), loaded=("a",), look=1)
    gone = sample(2.0, gpus=[gpu(8.0)])
    inputs = Inputs(now=gone.at, sample=gone, loaded=("a",), look=1)
    denied = answer(inputs, life.state, two, model="b", operation=Operation.LOAD)
    assert denied.reason.startswith("b needs 22.0 GiB of GPU memory")
    assert "16.0 GiB are free for it" in denied.reason


def test_what_others_took_and_give_back_is_not_the_models() -> None:
    life = Life(_ON_GPU)
    used = [*_empty(60.0), *_loaded(600.0), *_loaded(60.0, gib=21.2), *_loaded(7200.0)]
    assert _kinds(life.steps(_gpu_samples(used))) == []
    last = life.history[-1]
    inputs = Inputs(now=last.at, sample=last)
    assert answer(inputs, life.state, _ON_GPU, model="large").allowed


def test_on_a_small_box_the_smallest_model_stays_while_others_come_and_go() -> None:
    life = Life(Settings(catalogue=catalogue(spec("small", 2.0))))
    free = [2.8, *([0.8] * 300), *([0.1] * 30), *([0.8] * 300)]
    samples = [sample(2.0 * i, available=one, total=4.0) for i, one in enumerate(free)]
    assert {decision.recommended for decision in life.steps(samples)} == {"small"}


def test_another_limit_of_memory_is_no_memory_that_went() -> None:
    life = Life()
    life.step(sample(available=60.0, total=64.0))
    decision = life.step(sample(2.0, available=4.0, total=24.0))
    assert decision.recommended == "small"


def test_a_neighbours_step_is_no_rise_once_it_is_over() -> None:
    life = Life()
    quiet = [sample(2.0 * at, available=20.0) for at in range(300)]
    step = [sample(600.0 + 2.0 * at, available=6.0) for at in range(300)]
    life.steps(quiet, loaded=())
    assert _kinds(life.steps(step, serving="small", loaded=("small",))) == []


def test_a_server_that_can_only_say_what_serves_is_credited_with_what_was_seen_to_go() -> None:
    life = Life(_ON_GPU)
    life.steps(_gpu_samples(_empty(60.0)))
    mapped = list(_gpu_samples(_empty(400.0), begin=60.0))
    life.steps(mapped, serving="large")
    assert life.state.watched is not None
    assert life.state.watched.held_bytes == 0


def test_what_is_to_be_loaded_has_only_the_room_that_a_server_names() -> None:
    life = Life()
    life.step(sample(available=30.0), loaded=(), look=1)
    life.step(sample(2.0, available=9.0), loaded=(), look=1)  # somebody took it, or a client
    asked = sample(4.0, available=9.0)
    inputs = Inputs(now=asked.at, sample=asked, loaded=(), look=1)
    load, generate = (
        answer(inputs, life.state, life.settings, model="large", operation=operation)
        for operation in (Operation.LOAD, Operation.GENERATE)
    )
    assert not load.allowed
    assert load.reason.startswith("large needs 22.0 GiB of memory")
    assert generate.allowed


def test_after_a_step_down_that_was_followed_only_the_smaller_model_gives_up_memory() -> None:
    life = Life()
    life.step(sample(available=30.0))
    life.steps(sample(at * 2.0, available=10.0) for at in range(1, 10))  # large was loaded
    life.step(sample(20.0, available=2.9))  # and others took 7 GiB
    assert life.state.tier == "medium"
    life.steps(sample(at * 2.0, available=14.9) for at in range(11, 40))  # medium instead
    assert life.state.watched is not None
    assert life.state.watched.held.bytes == 8 * GIB
    assert life.state.watched.beyond_bytes == pytest.approx(7.1 * GIB)


def test_who_follows_an_upgrade_is_not_stepped_down_from_before_the_next_look() -> None:
    life = Life(_ON_GPU)
    life.steps(_gpu_samples([_BASE + 8.0] * 400), loaded=("medium",), look=1)
    assert life.state.tier == "large"
    followed = list(_gpu_samples(_loaded(20.0), begin=800.0))
    assert _kinds(life.steps(followed, loaded=("medium",), look=1)) == []
    looked = list(_gpu_samples(_loaded(600.0), begin=820.0))
    assert _kinds(life.steps(looked, loaded=("large",), look=2)) == []


def test_a_model_that_came_back_right_after_a_look_is_not_thrown_out() -> None:
    life = Life(_ON_GPU)
    life.steps(_gpu_samples([*_empty(10.0), *_loaded(100.0)]), serving="large", loaded=("large",))
    gone = list(_gpu_samples(_empty(20.0), begin=110.0))
    life.steps(gone, serving="large", loaded=("large",))
    back = list(_gpu_samples(_loaded(28.0), begin=130.0))
    decisions = life.steps(back, serving="large", loaded=(), look=1)
    assert _kinds(decisions) == []
    assert life.state.tier == "large"


def test_what_is_not_loaded_and_would_fill_memory_is_stepped_down_from() -> None:
    life = Life(Settings(catalogue=catalogue(spec("small", 2.0), spec("medium", 8.0))))
    life.step(sample(available=14.0, total=16.0), serving="medium", loaded=("medium",))
    idle = sample(2.0, available=14.0, total=16.0)
    life.step(idle, serving="medium", loaded=(), look=1)
    assert life.state.tier == "medium"
    short = sample(4.0, available=10.0, total=16.0)
    decision = life.step(short, serving="medium", loaded=(), look=2)
    assert decision.recommended == "small"
    assert "with medium memory would be 92.5 % used" in decision.reason
