"""Has a manager follow decisions on a thread of its own: a switch takes longer than a sample."""

import logging
import threading

from surge_exporter.modelling.manager import ModelManager
from surge_exporter.runtime.model_servers.protocol import ModelServerError
from surge_exporter.scaling.scaler import Decision

_log = logging.getLogger(__name__)


class Follower:
    """Follows the newest decision; those that come during a switch replace each other.

    `_turn` guards the decision. Any thread may hand one over.
    """

    def __init__(self, manager: ModelManager) -> None:
        """Take who is to follow; `start` begins."""
        self._manager = manager
        self._turn = threading.Condition()
        self._decision: Decision | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    def start(self) -> None:
        """Begin."""
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

    def _run(self) -> None:
        while (decision := self._next()) is not None:
            try:
                self._manager.follow(decision)
            except ModelServerError as error:
                _log.warning("switch failed error=%s", error)
            except Exception:  # noqa: BLE001 - the next decision may do better
                _log.exception("switch failed decision=%s", decision)

    def _next(self) -> Decision | None:
        with self._turn:
            self._turn.wait_for(lambda: self._stopped or self._decision is not None)
            decision, self._decision = self._decision, None
            return None if self._stopped else decision
