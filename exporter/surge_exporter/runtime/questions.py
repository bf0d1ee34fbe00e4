"""How readers on any thread get a snapshot of now from the one thread that makes them."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from surge_exporter.core.checkpoint import Checkpoint
from surge_exporter.snapshot import Snapshot

PATIENCE_SECONDS = 2.0
"""How long a reader waits for a fresh snapshot."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a scrape shows, and where reading stood; None while history is being read."""

    snapshot: Snapshot
    checkpoint: Checkpoint | None = None

    @property
    def number(self) -> int:
        """Which scrape it answers, of those that had counts."""
        return 0 if self.checkpoint is None else self.checkpoint.number


class Questions:
    """Readers ask, on any thread; the loop hears and answers, on its own.

    While the loop is busy for long, a reader gets the newest answer there is.
    """

    def __init__(self, wake: Callable[[], None], first: Snapshot) -> None:
        """Take what wakes the loop, and what there is to answer before it runs."""
        self._wake = wake
        self._turn = threading.Condition()
        self._asked = self._heard = self._answered = 0
        self._scrape_asked = self._scrape_heard = False
        self._latest = first
        self._scraped = Answer(first)
        self._closed = False

    @property
    def newest(self) -> Snapshot:
        """The newest answer that somebody got."""
        return self._latest

    def refresh(self) -> None:
        """Ask, and do not wait for the answer."""
        with self._turn:
            self._ask()

    def ask(self) -> Snapshot:
        """Return a snapshot of now: what is in the files by now has been read."""
        with self._turn:
            self._wait_for_answer()
            return self._latest

    def ask_as_scrape(self) -> Answer:
        """Return the same to a scrape, in which new counters show up; with its checkpoint."""
        with self._turn:
            self._scrape_asked = True
            self._wait_for_answer()
            return self._scraped

    def hear(self) -> None:
        """Note who asked so far: the next answer is theirs. Who asks later may have written
        a line that is read no more, and waits for the answer after it.
        """
        with self._turn:
            self._heard = self._asked
            self._scrape_heard |= self._scrape_asked
            self._scrape_asked = False

    def answer(self, scrape: Callable[[], Answer], look: Callable[[], Snapshot]) -> None:
        """Give whoever was heard an answer of now, made only if there is someone."""
        if self._heard == self._answered:
            return
        answer = scrape() if self._scrape_heard else None
        latest = answer.snapshot if answer else look()
        with self._turn:
            self._latest = latest
            self._scraped = answer or self._scraped
            self._answered = self._heard
            self._scrape_heard = False
            self._turn.notify_all()

    def rest(self, seconds: float) -> None:
        """Wait so long, on the loop's thread, unless somebody asks."""
        with self._turn:
            self._turn.wait_for(lambda: self._asked != self._answered or self._closed, seconds)

    def close(self) -> None:
        """Let nobody wait any more: nobody is going to answer."""
        with self._turn:
            self._closed = True
            self._turn.notify_all()

    def _ask(self) -> int:
        self._asked += 1
        ticket = self._asked
        self._wake()
        self._turn.notify_all()
        return ticket

    def _wait_for_answer(self) -> None:
        ticket = self._ask()
        self._turn.wait_for(lambda: self._answered >= ticket or self._closed, PATIENCE_SECONDS)
