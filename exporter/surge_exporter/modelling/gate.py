"""Who may generate, who waits, and when a switch may go on: the manager's one shared state."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from surge_exporter.model import Seconds
from surge_exporter.modelling.turn import Turn
from surge_exporter.modelling.values import NotNowError, Patience
from surge_exporter.runtime.clock import Clock


@dataclass(slots=True, eq=False)
class Task:
    """An answer that is being given; its own thread reads `cut` between two pieces."""

    model: str
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Switching:
    """A switch that is going on."""

    was: str | None
    """The model that served."""


@dataclass(frozen=True, slots=True)
class Drained:
    """What became of the answers that ran when a switch began."""

    seconds: Seconds
    cut: int


@dataclass(frozen=True, slots=True)
class GateStatus:
    """What the gate knows, at one instant."""

    current: str | None
    switching_to: str | None
    in_flight: int
    waiting: int
    loaded: frozenset[str] | None
    """What the server has in memory, as far as is known; None where nobody has said."""
    changes: int
    """How often a switch began or ended, or somebody learned what is in memory."""
    begun: int
    """How many answers were."""

    def news(self, before: "GateStatus") -> Iterator[str]:
        """Yield what a look has shown to be otherwise than before, in words."""
        for name in sorted((before.loaded or frozenset()) - (self.loaded or frozenset())):
            yield f"{name} is no more in memory"
        if self.current == before.current:
            return
        if before.current is None:
            yield f"{self.current} is in memory already, and serves"
        else:
            yield f"{self.current} serves in place of {before.current}, by somebody else's doing"


class Gate:
    """Lets answers begin while nothing is switched, and switches one at a time.

    Any thread may call anything. `_turn` guards all state; nothing blocks while it is held.
    """

    def __init__(self, turn: Turn, clock: Clock, patience: Patience) -> None:
        """Take the lock, the time and the limits; no model serves yet."""
        self._turn = turn
        self._clock = clock
        self._patience = patience
        self._current: str | None = None
        self._switching = False
        self._target: str | None = None
        self._tasks: set[Task] = set()
        self._waiting = 0
        self._distrusted: str | None = None
        self._loaded: frozenset[str] | None = None
        self._changes = 0
        self._begun = 0
        self._seen_at: int | None = None

    def status(self) -> GateStatus:
        """Return what is going on."""
        with self._turn:
            return self._status()

    def serving(self, deadline: Seconds) -> str | None:
        """Return the model that serves, after a switch that is going on; None before the first.

        Raises:
            NotNowError: the switch lasted past the deadline, of the monotonic clock, or too many
                wait for it already.
        """
        with self._turn:
            if not self._switching:
                return self._current
            if self._waiting >= self._patience.most_waiting:
                raise NotNowError(f"{self._waiting} requests wait for a switch of models already")
            self._waiting += 1
            try:
                left = max(0.0, deadline - self._clock.monotonic())
                over = self._turn.wait_for(lambda: not self._switching, left)
            finally:
                self._waiting -= 1
            if not over:
                raise NotNowError(f"the switch to {self._target} takes too long")
            return self._current

    def begin(self, model: str) -> Task | None:
        """Begin an answer of a model; None if that does not serve any more."""
        with self._turn:
            if self._switching or self._current != model:
                return None
            task = Task(model)
            self._tasks.add(task)
            self._begun += 1
            return task

    def end(self, task: Task) -> None:
        """End an answer, however it ended; more than once does no harm."""
        with self._turn:
            self._tasks.discard(task)
            self._turn.notify_all()

    def distrust(self, model: str) -> None:
        """Note that an answer of a model broke, and nobody could fall back."""
        with self._turn:
            self._distrusted = model

    def forgive(self, model: str) -> bool:
        """Say whether that was noted, and forget it."""
        with self._turn:
            noted = self._distrusted == model
            self._distrusted = None if noted else self._distrusted
            return noted

    @contextmanager
    def switching(
        self, target: str | None, wanted: Callable[[str | None], bool]
    ) -> Iterator["Switching | None"]:
        """Let no answer begin while the block runs.

        Waits for a switch that is going on. After it `wanted` is asked of the model that serves
        then; if the switch is not wanted any more the block gets None, and nothing is held up.
        """
        with self._turn:
            self._turn.wait_for(lambda: not self._switching)
            going = Switching(self._current) if wanted(self._current) else None
            if going is not None:
                self._switching, self._target = True, target
                self._changes += 1
        if going is None:
            yield None
            return
        try:
            yield going
        finally:
            with self._turn:
                self._switching, self._target = False, None
                self._changes += 1
                self._turn.notify_all()

    def drain(self) -> Drained:
        """Wait for running answers; after the deadline cut them, then leave them behind.

        Only who is switching may call this, and `serve`.
        """
        began = self._clock.monotonic()
        with self._turn:
            self._turn.wait_for(lambda: not self._tasks, self._patience.drain_seconds)
            late = list(self._tasks)
            for task in late:
                task.cut = True
            if late:
                self._turn.wait_for(lambda: not self._tasks, self._patience.grace_seconds)
                self._tasks.clear()
        return Drained(Seconds(self._clock.monotonic() - began), len(late))

    def unloaded(self, model: str) -> None:
        """Note that a model has left memory; only who is switching may call this."""
        with self._turn:
            if self._loaded is not None:
                self._loaded -= {model}

    def has_left(self, model: str) -> bool:
        """Say whether a model is not in memory: a look has shown so, and no answer came since.

        Only who is switching may call this, after `drain`.
        """
        with self._turn:
            is_absent = self._loaded is not None and model not in self._loaded
            return is_absent and self._begun == self._seen_at

    def serve(self, model: str | None, *, is_loaded: bool = True) -> None:
        """Let a model serve from the end of the switch on, or none."""
        with self._turn:
            self._current = model
            self._distrusted = None
            if self._loaded is not None and model is not None and is_loaded:
                self._loaded |= {model}

    def learn(
        self, loaded: frozenset[str], *, largest: str | None, since: GateStatus
    ) -> GateStatus:
        """Take in what was seen in the server's memory after `since`; return what holds now.

        What serves stays, also if it is not in memory: it is loaded on demand. But if only others
        are there, somebody else has switched, and the largest of them serves. What was seen may
        be over by now: it counts for nothing if a switch began or ended since, and changes
        nothing of what serves if an answer was given since, which may have loaded its model.
        """
        with self._turn:
            if self._switching or self._changes != since.changes:
                return self._status()
            self._changes += 1
            self._loaded = loaded
            self._seen_at = None if since.in_flight else since.begun
            idle = not since.in_flight and self._begun == since.begun
            if idle and largest is not None and self._current not in loaded:
                self._current = largest
                self._distrusted = None
            return self._status()

    def _status(self) -> GateStatus:
        return GateStatus(
            current=self._current,
            switching_to=self._target,
            in_flight=len(self._tasks),
            waiting=self._waiting,
            loaded=self._loaded,
            changes=self._changes,
            begun=self._begun,
        )
