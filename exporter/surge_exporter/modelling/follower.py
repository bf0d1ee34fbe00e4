"""Has a manager follow decisions on a thread of its own: a switch takes longer than a sample."""

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial

from surge_exporter.model import Seconds
from surge_exporter.modelling.manager import ModelManager
from surge_exporter.modelling.turn import Turn
from surge_exporter.modelling.values import DeniedError, Phase
from surge_exporter.runtime.clock import Clock
from surge_exporter.runtime.model_servers.protocol import GONE, ModelServerError
from surge_exporter.scaling.decisions import Decision

LOOK_SECONDS = 30.0
"""How often the server is asked what is in its memory: it and others load and unload, too."""

_RETRY_SECONDS, _LONGEST_RETRY_SECONDS = 60.0, 960.0
_LONG_SECONDS = 60.0

_log = logging.getLogger(__name__)


class Follower:
    """Follows the newest decision; those that come during a switch replace each other.

    Whatever a look at the server changes, decisions from before it are dropped: the next one will
    be made by what is really there. A model that could not be loaded is tried again ever more
    seldom, one that is denied about as often as the server is looked at. `_turn` guards what other
    threads hand over, decisions and the end; all else is the follower's thread's own, of which
    any thread may read `has_looked` and `is_up`.
    """

    def __init__(self, manager: ModelManager, clock: Clock, *, turn: Turn | None = None) -> None:
        """Take who is to follow; `start` begins."""
        self.manager = manager
        self.has_looked = False
        """Whether it is known by now what the server has in memory, or that it can't say."""
        self.is_up: bool | None = None
        """Whether the server answered when it was looked at last; None if it was not asked."""
        self._clock = clock
        self._turn = turn or threading.Condition()
        self._decision: Decision | None = None
        self._stopped = False
        self._keeps: Callable[[str], bool] = lambda _: True
        self._before: Sequence[Follower] = ()
        self._look_at = clock.monotonic()
        self._is_silent = False
        self._has_looked_for_models = False
        self._failed: str | None = None
        self._denied: str | None = None
        self._failures = 0
        self._retry_at = Seconds(0.0)
        self._thread = threading.Thread(target=self.run, name="follower", daemon=True)

    def start(self, after: "Sequence[Follower]" = ()) -> None:
        """Begin, once others that were told to stop have ended: two would load beside.

        One of another server is waited for no longer than a minute: each load is checked against
        the memory that there is, and that server may hang.
        """
        self._before = after
        self._thread.start()

    def follow(self, decision: Decision) -> None:
        """Hand over a decision; nobody waits."""
        with self._turn:
            self._decision = decision
            self._turn.notify_all()

    def stop(self, keeps: Callable[[str], bool] = lambda _: True) -> None:
        """Begin no further switch or load; nobody waits for one that is going on.

        Args:
            keeps: says of the model that serves at the end whether it may stay in memory.
        """
        with self._turn:
            self._stopped, self._keeps = True, keeps
            self._turn.notify_all()

    @property
    def is_over(self) -> bool:
        """Whether its thread has ended."""
        return not self._thread.is_alive()

    def join(self, seconds: float | None = None) -> bool:
        """Wait so long for the end, after `stop`; say whether it has come."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def run(self) -> None:
        """Follow and look, until `stop`; what it loaded then stays, or goes, before it ends."""
        self._wait_for_predecessors()
        self._try(self._look)  # also if it is to stop already: what is there may have to go
        while not self._stopped:
            decision = self._next()
            if decision is not None and not self._stopped:
                self._try(partial(self.take, decision))
            if self._clock.monotonic() >= self._look_at and not self._stopped:
                self._try(self._look)
        self._try(self._leave)

    def take(self, decision: Decision) -> None:
        """Follow a decision now, on this thread, unless its model failed a moment ago."""
        if decision.model == self._failed and self._clock.monotonic() < self._retry_at:
            return
        if not self.manager.would_follow(decision) or not self._look() or self._stopped:
            return
        try:
            changed = self.manager.follow(decision, goes_on=lambda: not self._stopped)
            last = self.manager.status().last_event
            failed = changed and last is not None and last.phase is Phase.FAILED
        except DeniedError as error:
            self._put_off(str(decision.model), error)
            return
        except ModelServerError as error:
            _log.warning("switch failed model=%s error=%s", decision.model, error)
            changed = failed = True
        now = self._clock.monotonic()  # a load may have taken minutes to fail
        if failed:
            self._failures = self._failures + 1 if decision.model == self._failed else 1
            wait = min(_LONGEST_RETRY_SECONDS, _RETRY_SECONDS * 2 ** (self._failures - 1))
            self._failed, self._retry_at = decision.model, Seconds(now + wait)
        elif changed:
            self._failed, self._failures = None, 0
        if changed:
            self._denied = None
            self._look_at = now  # servers also unload of their own accord

    def _put_off(self, model: str, error: DeniedError) -> None:
        """Ask again in a while; of many denials in a row the first is told."""
        if self._denied != model:
            _log.info("a model is not loaded now model=%s reason=%s", model, error)
        self._denied = model
        if self._failed != model:
            self._failures = 0
        seconds = min(error.retry_after_seconds or LOOK_SECONDS, LOOK_SECONDS)
        self._failed, self._retry_at = model, Seconds(self._clock.monotonic() + seconds)

    def _look(self) -> bool:
        """Look at the server; say whether decisions made before may still be followed.

        Not if there is nobody, or a server that hangs: running answers would be cut for nothing.
        """
        self._look_at = Seconds(self._clock.monotonic() + LOOK_SECONDS)
        try:
            changed = self.manager.look()
        except ModelServerError as error:
            if not self._is_silent:
                _log.warning("model server does not say what is loaded error=%s", error)
            self._is_silent = True
            self.is_up = error.fault not in GONE
            self.has_looked |= self.is_up
            return self.is_up
        if self._is_silent:
            _log.info("model server says again what is loaded")
        self._is_silent = False
        self.is_up = None if self.manager.status().loaded is None else True
        self.has_looked = True
        if changed:
            with self._turn:
                self._decision = None
        self._look_for_models()
        return not changed

    def _look_for_models(self) -> None:
        """Warn, once, of models that the server does not have: a name may be misspelt."""
        if self._has_looked_for_models:
            return
        try:
            missing = self.manager.missing()
        except ModelServerError:
            return  # the next look asks again
        self._has_looked_for_models = True
        if missing:
            _log.warning(
                "models are configured that the server does not have server=%s models=%s",
                self.manager.status().server,
                ",".join(missing),
            )

    def _next(self) -> Decision | None:
        """Wait for a decision until it is time to look."""
        with self._turn:
            left = max(0.0, self._look_at - self._clock.monotonic())
            self._turn.wait_for(lambda: self._stopped or self._decision is not None, left)
            decision, self._decision = self._decision, None
            return decision

    def _wait_for_predecessors(self) -> None:
        """Wait as long as it takes: each request of them has a timeout, of minutes for a load.

        Those of other servers are waited for a minute together.
        """
        others, self._before = self._before, ()
        server, began = self.manager.status().server, self._clock.monotonic()
        late = [
            other
            for other in others
            if not other.join(max(0.0, began + _LONG_SECONDS - self._clock.monotonic()))
        ]
        if late:
            _log.warning("the last switch of the old configuration is still going on")
        for other in late:
            if other.manager.status().server == server:
                other.join()

    def _leave(self) -> None:
        model = self.manager.status().model
        if model is not None and not self._keeps(model):
            _log.info("unloads what the new configuration has no use for model=%s", model)
            self.manager.release()

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception:  # noqa: BLE001 - the next decision, or look, may do better
            _log.exception("following decisions failed")
