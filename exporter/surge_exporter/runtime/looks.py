"""How askers on any thread get a look at the host as it is now from the one thread that looks."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from surge_exporter.model import Seconds
from surge_exporter.runtime.clock import Clock
from surge_exporter.scaling.decisions import Inputs
from surge_exporter.snapshot import HostStatus

FRESH_SECONDS = 0.1
"""A look younger than this is shared by all who ask."""
PATIENCE_SECONDS = 1.0
"""How long who asks waits for a fresh look; then the newest there is must do."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of the host, and what a check of that instant goes by besides."""

    status: HostStatus
    inputs: Inputs


class Looks:
    """Askers ask, on any thread; the sampler shows what it sees, and answers, on its own.

    `_turn` guards all there is here; nobody holds it while the host is looked at.
    """

    def __init__(self, clock: Clock, wake: Callable[[], None]) -> None:
        """Take what tells how old a look is, and what wakes the sampler; it must not wait."""
        self._clock = clock
        self._wake = wake
        self._turn = threading.Condition()
        self._asked = self._heard = self._answered = 0
        self._newest: Look | None = None
        self._shown_at: Seconds | None = None
        self._closed = False

    def newest(self, most_seconds: float) -> Look | None:
        """Return the newest there is, unless it is older than that; any thread, never waits."""
        with self._turn:
            return None if self._age() > most_seconds else self._newest

    def ask(self) -> None:
        """Wait until the newest is a fresh one, or for as long as patience lasts; any thread."""
        with self._turn:
            if self._closed or self._is_fresh():
                return
            self._asked += 1
            ticket = self._asked
            self._wake()
            self._turn.wait_for(lambda: self._answered >= ticket or self._closed, PATIENCE_SECONDS)

    def hear(self) -> bool:
        """Note who asked so far, and say whether they need a look: is there none that is fresh?

        The next answer is theirs. Who asks later, when it may be settled that nobody needs a look,
        waits for the answer after it: they wake the sampler again.
        """
        with self._turn:
            self._heard = self._asked
            return self._heard != self._answered and not self._is_fresh()

    def show(self, look: Look | None) -> None:
        """Have this be the newest; None where what was seen says nothing of now."""
        with self._turn:
            self._newest = look
            self._shown_at = None if look is None else self._clock.monotonic()

    def answer(self) -> None:
        """Let nobody who was heard wait any longer: the newest is what there is."""
        with self._turn:
            self._answered = self._heard
            self._turn.notify_all()

    def close(self) -> None:
        """Let nobody wait any more: nobody is going to answer."""
        with self._turn:
            self._closed = True
            self._turn.notify_all()

    def _is_fresh(self) -> bool:
        return self._age() < FRESH_SECONDS

    def _age(self) -> float:
        return inf if self._shown_at is None else self._clock.monotonic() - self._shown_at
