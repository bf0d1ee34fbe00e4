"""Whatever requests, switches and failures come in whatever order: no request is lost."""

import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from hypothesis import event, given
from hypothesis import strategies as st

from surge_exporter.model import Seconds
from surge_exporter.modelling.manager import ModelManager
from surge_exporter.modelling.values import AnswerBrokenError, Patience, Phase, ScalingEvent
from tests.fakes import FakeClock
from tests.model_server import (
    CATALOGUE,
    LARGE,
    MEDIUM,
    PIECES,
    SMALL,
    FakePreflight,
    FakeServer,
    answer_of,
)
from tests.scheduling import ScheduledTurn, Scheduler

MODELS = st.sampled_from([SMALL, MEDIUM, LARGE])
DELAYS = st.sampled_from([0.0, 0.5, 1.0, 2.5, 11.0])
FAULTS = st.fixed_dictionaries(
    {model: st.lists(st.integers(0, PIECES - 1), max_size=3) for model in (MEDIUM, LARGE)}
)
"""The smallest model never fails: so there is somebody to fall back on."""


@dataclass
class Story:
    """What happens: who comes when, what breaks, and who goes on each time."""

    patience: Patience
    scheduler: Scheduler
    server: FakeServer
    manager: ModelManager
    whole: list[str] = field(default_factory=list)
    streamed: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    closed: int = 0
    events: list[ScalingEvent] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    """Models that answered while another one served and no switch was going on."""

    def look(self) -> None:
        self.manager.look()

    def check(self, answering: str) -> None:
        status = self.manager.status()
        if status.model != answering and status.switching_to is None:
            self.moved.append(answering)

    def after(self, seconds: float, work: Callable[[], object]) -> Callable[[], None]:
        def later() -> None:
            self.scheduler.sleep(seconds)
            work()

        return later

    def ask(self) -> None:
        answer = self.manager.generate("hi")
        assert answer.text == answer_of(answer.model)
        self.whole.append(answer.model)

    def read(self) -> None:
        pieces: list[str] = []
        stream = self.manager.stream("hi")
        try:
            pieces.extend(stream)
        except AnswerBrokenError as error:
            assert len(pieces) < PIECES
            self.broken.append(error.model)
        else:
            assert "".join(pieces) == answer_of(stream.model)
            self.streamed.append(stream.model)

    def leave(self) -> None:
        with self.manager.stream("hi") as stream:
            next(stream)
        self.closed += 1

    def watch(self, event: ScalingEvent) -> None:
        self.events.append(event)


def _begun(drain_seconds: float, *, starves: bool, seed: int) -> Story:
    """Return a story in which nothing has happened yet."""
    clock, chance = FakeClock(), random.Random(seed)
    scheduler = Scheduler(clock, iter(lambda: chance.randrange(60), None), starves=starves)
    server = FakeServer(scheduler)
    patience = Patience(request_seconds=Seconds(10_000.0), drain_seconds=Seconds(drain_seconds))
    manager = ModelManager(
        CATALOGUE,
        server,
        FakePreflight(scheduler=scheduler),
        patience=patience,
        clock=clock,
        turn=ScheduledTurn(scheduler),
    )
    story = Story(patience, scheduler, server, manager)
    server.meanwhile = story.check
    manager.subscribe(story.watch)
    return story


@given(
    asks=st.lists(DELAYS, max_size=4),
    reads=st.lists(DELAYS, max_size=2),
    leaves=st.lists(DELAYS, max_size=1),
    switches=st.lists(st.tuples(DELAYS, MODELS), max_size=3),
    looks=st.lists(DELAYS, max_size=3),
    of_others=st.lists(st.tuples(DELAYS, MODELS), max_size=2),
    faults=FAULTS,
    broken_loads=st.dictionaries(st.sampled_from([MEDIUM, LARGE]), st.integers(1, 2)),
    drain_seconds=st.sampled_from([0.0, 1.2, 30.0]),
    starves=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_no_interleaving_loses_a_request(  # noqa: PLR0913 - a story has many parts
    *,
    asks: list[float],
    reads: list[float],
    leaves: list[float],
    switches: list[tuple[float, str]],
    looks: list[float],
    of_others: list[tuple[float, str]],
    faults: dict[str, list[int]],
    broken_loads: dict[str, int],
    drain_seconds: float,
    starves: bool,
    seed: int,
) -> None:
    story = _begun(drain_seconds, starves=starves, seed=seed)
    server, manager, scheduler = story.server, story.manager, story.scheduler
    server.faults = {model: deque(after) for model, after in faults.items()}
    server.broken_loads = dict(broken_loads)
    for works, delays in (
        (story.ask, asks),
        (story.read, reads),
        (story.leave, leaves),
        (story.look, looks),
    ):
        for delay in delays:
            scheduler.spawn(works.__name__, story.after(delay, works))
    for delay, model in switches:
        scheduler.spawn(f"switch to {model}", story.after(delay, partial(manager.switch, model)))
    for delay, model in of_others:
        load = partial(server.load_for_somebody_else, model)
        scheduler.spawn(f"load of {model} by somebody else", story.after(delay, load))
    scheduler.run()

    assert len(story.whole) == len(asks)
    assert len(story.streamed) + len(story.broken) == len(reads)
    assert story.closed == len(leaves)
    assert server.answering == []
    _check_switches(story)
    if not of_others:
        _check_looks_change_nothing(story)
    if not starves:
        _check_times(story)
    status = manager.status()
    assert (status.in_flight, status.waiting, status.switching_to) == (0, 0, None)
    _check_last_look(story)
    event(f"{len(story.events) // 2} switches, {len(story.broken)} broken")


@given(
    at_first=MODELS,
    looks=st.lists(DELAYS, min_size=1, max_size=2),
    look_seconds=st.sampled_from([0.0, 3.0, 25.0]),
    switches=st.lists(st.tuples(DELAYS, MODELS), max_size=2),
    asks=st.lists(DELAYS, max_size=2),
    of_others=st.lists(st.tuples(DELAYS, MODELS), max_size=1),
    seed=st.integers(0, 2**32),
)
def test_no_look_undoes_a_switch_or_takes_the_place_of_a_model_that_answers(
    *,
    at_first: str,
    looks: list[float],
    look_seconds: float,
    switches: list[tuple[float, str]],
    asks: list[float],
    of_others: list[tuple[float, str]],
    seed: int,
) -> None:
    story = _begun(30.0, starves=False, seed=seed)
    server, manager, scheduler = story.server, story.manager, story.scheduler
    server.loaded.append(at_first)
    manager.look()
    server.look_seconds = look_seconds
    for delay in looks:
        scheduler.spawn("look", story.after(delay, story.look))
    for delay, model in switches:
        scheduler.spawn("switch", story.after(delay, partial(manager.switch, model)))
    for delay in asks:
        scheduler.spawn("ask", story.after(delay, story.ask))
    for delay, model in of_others:
        load = partial(server.load_for_somebody_else, model)
        scheduler.spawn("load by somebody else", story.after(delay, load))
    scheduler.run()

    assert story.moved == []
    _check_switches(story)
    if not of_others:
        _check_looks_change_nothing(story)
    server.look_seconds = 0.0
    _check_last_look(story)


def _check_switches(story: Story) -> None:
    """Check that switches went one after the other, and waited for answers."""
    assert story.server.most_changing <= 1
    assert story.server.asked_while_changing == []
    phases = [told.phase is Phase.STARTED for told in story.events]
    assert phases == [True, False] * (len(phases) // 2)
    ends = [told for told in story.events if told.phase is not Phase.STARTED]
    done = Counter(told.kind for told in ends if told.phase is Phase.DONE)
    assert story.manager.status().events == done


def _check_looks_change_nothing(story: Story) -> None:
    """Check that a look, however late it comes, undoes no switch that nobody else undid."""
    assert story.server.loaded_on_demand == []
    ends = [told for told in story.events if told.phase is not Phase.STARTED]
    if ends:
        assert story.manager.status().model == ends[-1].model


def _check_last_look(story: Story) -> None:
    """Check that looks find what is there, now that nothing happens any more."""
    before = story.manager.status().model
    story.manager.look()
    status = story.manager.status()
    assert set(status.loaded or ()) == set(story.server.loaded)
    assert status.model == before or before not in story.server.loaded
    assert status.model in story.server.loaded or not story.server.loaded


def _check_times(story: Story) -> None:
    """Check that drains lasted as long as they may, if nobody was kept from going on."""
    for told in story.events:
        longest = story.patience.drain_seconds + story.patience.grace_seconds
        assert told.drained_seconds <= longest + 0.001
        if told.cut:
            assert told.drained_seconds >= story.patience.drain_seconds
    assert story.moved == []
    # Pieces come each second, so nobody who is cut needs longer than the grace to notice.
    assert all(running == 0 for _, running in story.server.unloaded_under)
