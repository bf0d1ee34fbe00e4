"""The configuration is loaded anew: who asks for it, on any thread, and how it went."""

import logging
import threading
from collections.abc import Callable

from surge_exporter.model import UnixSeconds
from surge_exporter.runtime.clock import Clock
from surge_exporter.runtime.pipeline import Pipeline
from surge_exporter.runtime.questions import PATIENCE_SECONDS

_log = logging.getLogger(__name__)


class Reloads:
    """Any thread asks; the loop reloads, on its own, and alone says how it went.

    `_turn` guards what is waited for. A signal handler, which must not wait, counts without it:
    it interrupts the loop's thread, so the loop sees its request whatever others count meanwhile.
    """

    def __init__(
        self, clock: Clock, wake: Callable[[], None], build: Callable[[Pipeline | None], Pipeline]
    ) -> None:
        """Take the time, what wakes the loop, and what makes a pipeline of the configuration."""
        self._clock = clock
        self._wake = wake
        self._build = build
        self._turn = threading.Condition()
        self._wanted = self._done = 0
        self._error: str | None = None
        self._succeeded_at = clock.now()

    @property
    def error(self) -> str | None:
        """What is wrong with the configuration as it was found last."""
        return self._error

    @property
    def succeeded_at(self) -> UnixSeconds:
        """When the configuration in use was loaded."""
        return self._succeeded_at

    def ask(self) -> str | None:
        """Wait for a reload that begins after this; return what is wrong, if something is."""
        with self._turn:
            self._wanted += 1
            ticket = self._wanted
            self._wake()
            if not self._turn.wait_for(lambda: self._done >= ticket, PATIENCE_SECONDS):
                return "the exporter is busy reading; it will reload as soon as it can"
            return self._error

    def request(self) -> None:
        """Ask, and do not wait; safe to call from a signal handler."""
        self._wanted += 1
        self._wake()

    def serve(self, current: Pipeline, adopt: Callable[[Pipeline], None]) -> None:
        """Reload if somebody asked: give what was built to whoever owns the current pipeline.

        If it can't be adopted, that is raised, nobody is told, and the next call tries again.
        """
        wanted = self._wanted
        if wanted == self._done:
            return
        pipeline = self._load(current)
        if pipeline is not None:
            adopt(pipeline)
            _log.info("configuration loaded")
        with self._turn:
            self._done = wanted
            self._turn.notify_all()

    def _load(self, current: Pipeline) -> Pipeline | None:
        try:
            pipeline = self._build(current)
        except Exception as error:  # noqa: BLE001 - the old one works, whatever is wrong with this
            self._error = str(error)
            bug = not isinstance(error, ValueError)
            _log.error("reload failed, old configuration kept error=%s", error, exc_info=bug)
            return None
        self._error = None
        self._succeeded_at = self._clock.now()
        return pipeline
