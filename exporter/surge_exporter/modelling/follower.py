"""Has a manager follow decisions on a thread of its own: a switch takes longer than a sample."""

import logging
import threading

from surge_exporter.model import Seconds
from surge_exporter.modelling.manager import ModelManager
from surge_exporter.modelling.values import Phase
from surge_exporter.runtime.clock import Clock
from surge_exporter.runtime.model_servers.protocol import ModelServerError
from surge_exporter.scaling.decisions import Decision

_RETRY_SECONDS, _LONGEST_RETRY_SECONDS = 60.0, 960.0

_log = logging.getLogger(__name__)


class Follower:
    """Follows the newest decision; those that come during a switch replace each other.

    A model that could not be loaded is tried again ever more seldom: each try costs the one that
    serves its place in memory. `_turn` guards the decision; any thread may hand one over.
    """

    def __init__(self, manager: ModelManager, clock: Clock) -> None:
        """Take who is to follow; `start` begins."""
        self.manager = manager
        self._clock = clock
        self._turn = threading.Condition()
        self._decision: Decision | None = None
        self._stopped = False
        self._failed: str | None = None
        self._failures = 0
        self._retry_at = Seconds(0.0)
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    def start(self) -> None:
        """Begin; what the server has loaded already is taken for what serves."""
        self._thread.start()

    def follow(self, decision: Decision) -> None:
        """Hand over a decision; nobody waits."""
        with self._turn:
            self._decision = decision
            self._turn.notify_all()

    def stop(self, seconds: float = 1.0) -> None:
        """Begin no further switch; wait so long for one that is going on."""
        with self._turn:
            self._stopped = True
            self._turn.notify_all()
        self._thread.join(seconds)

    def take(self, decision: Decision) -> None:
        """Follow a decision now, on this thread, unless its model failed a moment ago."""
        now = self._clock.monotonic()
        if decision.model == self._failed and now < self._retry_at:
            return
        try:
            changed = self.manager.follow(decision)
            last = self.manager.status().last_event
            failed = changed and last is not None and last.phase is Phase.FAILED
        except ModelServerError as error:
            _log.warning("switch failed model=%s error=%s", decision.model, error)
            changed = failed = True
        if failed:
            self._failures = self._failures + 1 if decision.model == self._failed else 1
            wait = min(_LONGEST_RETRY_SECONDS, _RETRY_SECONDS * 2 ** (self._failures - 1))
            self._failed, self._retry_at = decision.model, Seconds(now + wait)
        elif changed:
            self._failed, self._failures = None, 0

    def _run(self) -> None:
        try:
            self.manager.adopt()
        except ModelServerError as error:
            _log.warning("model server does not say what is loaded error=%s", error)
        while (decision := self._next()) is not None:
            try:
                self.take(decision)
            except Exception:  # noqa: BLE001 - the next decision may do better
                _log.exception("switch failed decision=%s", decision)

    def _next(self) -> Decision | None:
        with self._turn:
            self._turn.wait_for(lambda: self._stopped or self._decision is not None)
            decision, self._decision = self._decision, None
            return None if self._stopped else decision
