"""The daemon's one loop: read what is new, answer readers with a snapshot, wait for a hint."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

from surge_exporter.core.checkpoint import Checkpoint
from surge_exporter.core.history import SavedHistory
from surge_exporter.model import Observation, Tuning, Verdict
from surge_exporter.runtime.answers import Answers
from surge_exporter.runtime.clock import Waker
from surge_exporter.runtime.ingestion import Ingestion
from surge_exporter.runtime.jumps import CheckedClock
from surge_exporter.runtime.pipeline import Pipeline
from surge_exporter.runtime.questions import Answer, Questions
from surge_exporter.runtime.reloads import Reloads
from surge_exporter.snapshot import ExporterStatus, HostStatus, Snapshot, WatchStatus

POLL_SECONDS = 1.0
"""Without any hint, new lines are found this often."""

_LEAST_REST_SECONDS = 0.02
_LONGEST_REST_SECONDS = 0.2
_BUSY_SECONDS = 0.1  # reading for longer, the loop answers between two chunks
_MOST_FAILURES = 10

_log = logging.getLogger(__name__)


class Watching(Protocol):
    """What gives hints; see `Watcher`, the real one."""

    @property
    def status(self) -> WatchStatus:
        """How well it hears."""
        ...

    def watch(self, directories: Iterable[str], /) -> None:
        """Give hints on changes in these directories from now on."""
        ...

    def grew(self, directories: Iterable[str], /) -> None:
        """Take note that new bytes were found there."""
        ...


class Loop:
    """`run` is the one thread that reads, reloads and makes answers; any thread may ask.

    That thread owns `Ingestion` and `Answers`; `Questions` and `Reloads` are where others wait.
    """

    def __init__(  # noqa: PLR0913 - each is a part of the world that tests replace
        self,
        *,
        clock: CheckedClock,
        waker: Waker,
        build: Callable[[Pipeline | None], Pipeline],
        judge: Callable[[Observation, Tuning], Verdict],
        watcher: Watching,
        status: Callable[[], ExporterStatus],
        checkpoint: Checkpoint | None = None,
        save_history: Callable[[SavedHistory], None] = lambda _: None,
        host: Callable[[], HostStatus | None] = lambda: None,
    ) -> None:
        """Take what the composition root wires together.

        Args:
            clock: tells the time, and when it has jumped; the pipeline's tail reads the same.
            waker: what the loop waits on; hints, readers and signal handlers wake it.
            build: makes a pipeline from the configuration, with the parts of the current one
                that it does not change; raises ValueError if it can't.
            judge: turns an observation into a verdict.
            watcher: wakes the waker when something changes in the directories it is given.
            status: says how the exporter itself goes; reload and rejections are filled in here.
            checkpoint: where the process before this one stood; what came since then counts.
            save_history: puts away what would take long to read again.
            host: says how the host is, without waiting.
        """
        self._clock = clock
        self._waker = waker
        self._watcher = watcher
        self._began = clock.monotonic()  # this turn
        self._has_more = False
        self._stopping = False
        self._ingestion = Ingestion(
            build(None),
            clock,
            checkpoint=checkpoint,
            save_history=save_history,
            goes_on=self._goes_on,
        )
        self._reloads = Reloads(clock, waker.wake, build)
        self._answers = Answers(
            self._ingestion,
            self._reloads,
            clock,
            judge=judge,
            status=lambda: replace(status(), watch=watcher.status),
            host=host,
        )
        self._questions = Questions(waker.wake, self._answers.for_reader())

    @property
    def ready(self) -> bool:
        """Whether the windows are filled, and by the clock as it is now; any thread."""
        return self._ingestion.ready

    def stop(self) -> None:
        """End `run` soon; safe to call from a signal handler or any thread."""
        self._stopping = True
        self._waker.wake()

    def snapshot(self) -> Snapshot:
        """Return a snapshot of now: new lines are read first. Any thread but the loop's."""
        return self._questions.ask()

    def newest(self) -> Snapshot:
        """Return the newest snapshot that somebody got; any thread, never waits."""
        return self._questions.newest

    def refresh(self) -> None:
        """Make a newer one soon; any thread, never waits."""
        self._questions.refresh()

    def scrape(self) -> Answer:
        """Return the same to a scrape, which lets new counters show their count in the next."""
        return self._questions.ask_as_scrape()

    def arrived(self, answer: Answer) -> None:
        """Note that a scrape was sent in time; any thread. One that was not showed nothing."""
        self._answers.arrived(answer)

    def reload(self) -> str | None:
        """Build the pipeline anew from the configuration; return what is wrong with it."""
        return self._reloads.ask()

    def request_reload(self) -> None:
        """Reload soon; safe to call from a signal handler."""
        self._reloads.request()

    def run(self) -> None:
        """Follow telemetry and answer, until `stop`.

        Raises:
            Exception: whatever a bug raised, once it did so many turns in a row.
        """
        self._ingestion.pipeline.announce()
        try:
            self._follow()
        finally:
            self._stopping = True
            self._ingestion.put_history_away()
            self._questions.close()
            self._ingestion.pipeline.close()

    def _follow(self) -> None:
        failures = 0
        while not self._stopping:
            began = self._clock.monotonic()
            try:
                self.turn()
                failures = 0
            except Exception:
                failures += 1
                _log.exception("turn failed failures=%d", failures)
                if failures >= _MOST_FAILURES:
                    raise
            self._wait(self._clock.monotonic() - began)

    def turn(self) -> None:
        """Read all there is, answer whoever asked before, and look after old labels."""
        self._began = self._clock.monotonic()
        self._questions.hear()
        self._reloads.serve(self._ingestion.pipeline, self._ingestion.adopt)
        self._ingestion.refill_if_clock_jumped()
        self._watcher.watch(self._ingestion.pipeline.tail.directories)
        self._ingestion.read()
        if self._stopping:
            return
        if self._ingestion.is_filled:
            self._watcher.grew(self._ingestion.pipeline.tail.grown)
        self._ingestion.arrive()
        self._answer()
        self._has_more = self._ingestion.look_back()
        self._ingestion.tidy_up()

    def _goes_on(self) -> bool:
        """Between two chunks, answer if the turn takes long; say whether to read on."""
        if self._stopping:
            return False
        if self._clock.monotonic() - self._began > _BUSY_SECONDS:
            self._questions.hear()
            self._answer()
        return True

    def _answer(self) -> None:
        self._questions.answer(self._answers.for_scrape, self._answers.for_reader)

    def _wait(self, spent: float) -> None:
        """Wait for a hint, after a rest: a burst of hints is to be answered by one turn.

        The rest is as long as the turn took, so that a busy directory takes half a core at most.
        """
        rest = min(max(spent, _LEAST_REST_SECONDS), _LONGEST_REST_SECONDS)
        self._questions.rest(rest)
        if not (self._stopping or self._has_more):
            self._waker.wait(POLL_SECONDS)
