"""The daemon's one loop: read what is new, answer readers with a snapshot, wait for a hint."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import Protocol

from surge_exporter.core.checkpoint import Checkpoint
from surge_exporter.core.cycle import Cycle
from surge_exporter.core.history import SavedHistory
from surge_exporter.core.tally import Tally, empty_tally
from surge_exporter.model import (
    Observation,
    Rejected,
    Seconds,
    Source,
    Tuning,
    UnixSeconds,
    Verdict,
)
from surge_exporter.runtime.clock import Waker
from surge_exporter.runtime.jumps import CheckedClock
from surge_exporter.runtime.questions import PATIENCE_SECONDS, Answer, Questions
from surge_exporter.runtime.reading import TOO_LONG
from surge_exporter.runtime.recall import Recall
from surge_exporter.runtime.statuses import source_statuses
from surge_exporter.runtime.stream import Chunk
from surge_exporter.runtime.tail import Tail
from surge_exporter.snapshot import ExporterStatus, HostStatus, Snapshot, SourceStatus, WatchStatus

POLL_SECONDS = 1.0
"""Without any hint, new lines are found this often."""

_LEAST_REST_SECONDS = 0.02
_LONGEST_REST_SECONDS = 0.2
_BUSY_SECONDS = 0.1  # reading for longer, the loop answers between two chunks
_EXPIRE_SECONDS = 600.0
_RECALL_SECONDS = Seconds(0.05)  # at a time: a scrape waits that long
_NEWEST_REJECTED = 10
_MOST_FAILURES = 10

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """What the configuration decides: replaced as a whole on reload."""

    cycle: Cycle
    tail: Tail
    tuning: Tuning
    horizon_seconds: Seconds
    recall: Recall | None = None
    patterns: Mapping[Source, tuple[str, ...]] = field(default_factory=dict)
    """Where the tail looks for files: absolute globs, for people to read."""


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
    """Owns the pipeline. `run` is the one thread that reads and observes; any thread may ask.

    `_reloading` guards what is asked of a reload, `Questions` all else that crosses threads.
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
        self._build = build
        self._judge = judge
        self._watcher = watcher
        self._status = status
        self._pipeline = build(None)
        self._loaded = False  # all that was there when this pipeline began was read
        self._filled = False  # and is in the windows
        self._live: Tally = empty_tally()
        self._is_live_shown = False
        self._has_more = False
        self._is_refill_due = False
        self._checkpoints = 0
        self._arrived = 0
        self._with_history = empty_tally()  # of what this pipeline read, and no other
        self._newest_rejected: tuple[tuple[Source, Rejected], ...] = ()
        self._reload_error: str | None = None
        self._reloaded_at = clock.now()
        self._save_history = save_history
        self._host = host
        self._expired_at = clock.monotonic()
        self._stopping = False
        self._reloading = threading.Condition()
        self._reloads_wanted = self._reloads_done = 0
        self._resumed_from = checkpoint
        if checkpoint is not None:
            self._resume(checkpoint)
        self._questions = Questions(waker.wake, self._take_snapshot())

    @property
    def ready(self) -> bool:
        """Whether the windows are filled, and by the clock as it is now; any thread."""
        return self._filled and not self._clock.has_jumped

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
        self._arrived = max(self._arrived, answer.number)

    def reload(self) -> str | None:
        """Build the pipeline anew from the configuration; return what is wrong with it."""
        with self._reloading:
            self._reloads_wanted += 1
            ticket = self._reloads_wanted
            self._waker.wake()
            if not self._reloading.wait_for(
                lambda: self._reloads_done >= ticket, PATIENCE_SECONDS
            ):
                return "the exporter is busy reading; it will reload as soon as it can"
            return self._reload_error

    def request_reload(self) -> None:
        """Reload soon; safe to call from a signal handler."""
        self._reloads_wanted += 1
        self._waker.wake()

    def run(self) -> None:
        """Follow telemetry and answer, until `stop`.

        Raises:
            Exception: whatever a bug raised, once it did so many turns in a row.
        """
        self._announce()
        try:
            self._follow()
        finally:
            self._stopping = True
            self._put_history_away()
            self._questions.close()
            self._close(self._pipeline)

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
        began = self._clock.monotonic()
        self._questions.hear()
        self._reload_if_wanted(began)
        self._read_again_if_clock_jumped(began)
        self._watcher.watch(self._pipeline.tail.directories)
        self._read(began)
        if self._stopping:
            return
        if self._filled:
            self._watcher.grew(self._pipeline.tail.grown)
        elif not self._loaded:
            self._warn_of_absent_files()
        history = self._pipeline.tail.history_before
        if history is not None:
            self._pipeline.cycle.extend_history(history)
        self._loaded = self._filled = True
        self._answer()
        self._has_more = self._look_back()
        if self._clock.monotonic() - self._expired_at >= _EXPIRE_SECONDS:
            self._expire(self._clock.now())
            self._put_history_away()

    def _look_back(self) -> bool:
        """Do a little of what can wait; say whether there is more of it."""
        recall = self._pipeline.recall
        if recall is not None and not recall.is_over:
            recall.step(_RECALL_SECONDS)
            return True
        return self._pipeline.cycle.refresh_a_caller(self._clock.now())

    def _read(self, began: float) -> None:
        """Ingest all there is to read."""
        self._ingest_all(self._pipeline.tail.poll(), began)

    def _ingest_all(self, chunks: Iterable[Chunk], began: float) -> None:
        """Ingest chunks; answer in between once the turn takes long."""
        for chunk in chunks:
            self._ingest(chunk)
            if self._stopping:
                return
            if self._clock.monotonic() - began > _BUSY_SECONDS:
                self._questions.hear()
                self._answer()

    def _wait(self, spent: float) -> None:
        """Wait for a hint, after a rest: a burst of hints is to be answered by one turn.

        The rest is as long as the turn took, so that a busy directory takes half a core at most.
        """
        rest = min(max(spent, _LEAST_REST_SECONDS), _LONGEST_REST_SECONDS)
        self._questions.rest(rest)
        if not (self._stopping or self._has_more):
            self._waker.wait(POLL_SECONDS)

    def _answer(self) -> None:
        self._questions.answer(self._take_scrape, self._take_snapshot)

    def _ingest(self, chunk: Chunk) -> None:
        ingested = self._pipeline.cycle.ingest(
            chunk.source, chunk.block, now=self._clock.now(), live=chunk.live
        )
        rejected = (*ingested.rejected, *repeat(TOO_LONG, chunk.too_long))
        if rejected:
            self._show_rejected(chunk.source, rejected)
        for tally in (self._with_history, self._live) if chunk.live else (self._with_history,):
            tally[chunk.source].add(ingested, rejected, read_bytes=chunk.read_bytes)

    def _show_rejected(self, source: Source, rejected: Sequence[Rejected]) -> None:
        newest = [(source, line) for line in reversed(rejected[-_NEWEST_REJECTED:])]
        self._newest_rejected = (*newest, *self._newest_rejected)[:_NEWEST_REJECTED]
        last = rejected[-1]
        _log.warning(
            "lines rejected source=%s count=%d last_reason=%s detail=%s excerpt=%r",
            source,
            len(rejected),
            last.reason,
            last.detail,
            last.excerpt,
        )

    def _put_history_away(self) -> None:
        """Save the history, unless the windows, which are a part of it, are not filled."""
        is_whole = self.ready and not self._is_refill_due
        history = self._pipeline.cycle.saved_history(self._clock.now()) if is_whole else None
        if history is not None:
            self._save_history(history)

    def _close(self, pipeline: Pipeline) -> None:
        pipeline.tail.close()
        if pipeline.recall is not None:
            pipeline.recall.close()

    def _announce(self) -> None:
        for source, patterns in self._pipeline.patterns.items():
            _log.info("following source=%s patterns=%s", source, ",".join(patterns))

    def _warn_of_absent_files(self) -> None:
        """Say where nothing was found: a wrong folder looks like a fleet that is silent."""
        self._pipeline.tail.measure()
        for source, patterns in self._pipeline.patterns.items():
            if patterns and not self._pipeline.tail.counts[source].files:
                _log.warning("found no file source=%s patterns=%s", source, ",".join(patterns))

    def _reload_if_wanted(self, began: float) -> None:
        wanted = self._reloads_wanted
        if wanted != self._reloads_done:
            self._rebuild(began)
            with self._reloading:
                self._reloads_done = wanted
                self._reloading.notify_all()

    def _rebuild(self, began: float) -> None:
        try:
            pipeline = self._build(self._pipeline)
        except Exception as error:  # noqa: BLE001 - the old one works, whatever is wrong with this
            self._reload_error = str(error)
            bug = not isinstance(error, ValueError)
            _log.error("reload failed, old configuration kept error=%s", error, exc_info=bug)
            return
        self._reload_error = None
        self._reloaded_at = self._clock.now()
        if pipeline.cycle is self._pipeline.cycle:
            self._pipeline = pipeline
        else:
            self._replace(pipeline, began)
        _log.info("configuration loaded")

    def _replace(self, pipeline: Pipeline, began: float) -> None:
        """Begin anew with a pipeline that reads otherwise; counters go on where they were."""
        old = self._pipeline
        if self._loaded:
            self._read(began)
            pipeline.tail.resume(self._clock.now(), self._pipeline.tail.traces())
        elif self._resumed_from is not None:
            pipeline.tail.resume(self._resumed_from.at, self._resumed_from.traces)
        pipeline.cycle.take_over(old.cycle)
        for source, counts in pipeline.tail.counts.items():
            before = old.tail.counts[source]
            counts.read_errors += before.read_errors
            counts.rotations += before.rotations
            counts.truncations += before.truncations
            counts.skipped_bytes += before.skipped_bytes
        self._close(old)
        self._loaded = self._filled = False
        self._with_history = empty_tally()
        self._pipeline = pipeline
        self._announce()

    def _read_again_if_clock_jumped(self, began: float) -> None:
        """Fill the windows anew: what they dropped as too old or too new may be neither.

        It is in the logs. Until it is read there is no observation; counters go on.
        """
        jump = self._clock.settle()
        if jump is None and not self._is_refill_due:
            return
        _log.warning(
            "clock jumped, filling the windows anew from the logs seconds=%+.0f jumps=%d",
            jump or 0.0,
            self._clock.jumps,
        )
        self._is_refill_due = True  # until it is done, whatever happens on the way
        self._filled = False
        self._with_history = empty_tally()
        self._pipeline.cycle.restart(jump or Seconds(0.0), self._clock.now())
        self._ingest_all(self._pipeline.tail.again(), began)
        self._is_refill_due = self._stopping

    def _expire(self, now: UnixSeconds) -> None:
        """Forget labels that are idle; not by a clock that was set to next month just now."""
        if not self._clock.has_jumped:
            self._expired_at = self._clock.monotonic()
            self._pipeline.cycle.expire(now)

    def _resume(self, checkpoint: Checkpoint) -> None:
        """Go on where the process before this one was when it showed its counters last."""
        self._pipeline.tail.resume(checkpoint.at, checkpoint.traces)
        self._pipeline.cycle.restore(checkpoint.owed, self._clock.now())
        self._live = {**self._live, **checkpoint.owed_lines}

    def _checkpoint(self) -> Checkpoint:
        self._checkpoints += 1
        return Checkpoint(
            at=self._clock.now(),
            number=self._checkpoints,
            traces=self._pipeline.tail.traces(),
            owed=self._pipeline.cycle.withheld(),
            owed_lines={} if self._is_live_shown else deepcopy(self._live),
        )

    def _take_scrape(self) -> Answer:
        """Take a snapshot for a scrape: whatever counter it shows will be shown in full."""
        if not self._filled:  # half of what is owed is not read yet
            return Answer(self._take_snapshot())
        if self._arrived >= self._checkpoints:
            self._pipeline.cycle.confirm()
            self._is_live_shown = self._checkpoints > 0
        checkpoint = self._checkpoint()
        return Answer(self._take_snapshot(scraped=True), checkpoint)

    def _take_snapshot(self, *, scraped: bool = False) -> Snapshot:
        pipeline, now = self._pipeline, self._clock.now()
        pipeline.tail.measure()
        observation = pipeline.cycle.observe(now) if self.ready else None
        return Snapshot(
            at=now,
            observation=observation,
            verdict=self._judge(observation, pipeline.tuning) if observation else None,
            tuning=pipeline.tuning,
            horizon_seconds=pipeline.horizon_seconds,
            totals=pipeline.cycle.totals(scraped=scraped),
            sources=self._statuses(self._live if self._is_live_shown else empty_tally()),
            sources_with_history=self._statuses(self._with_history),
            exporter=replace(
                self._status(),
                reload_successful=self._reload_error is None,
                reload_success_at=self._reloaded_at,
                newest_rejected=self._newest_rejected,
                clock_jumps=self._clock.jumps,
                watch=self._watcher.status,
            ),
            host=self._host(),
        )

    def _statuses(self, tally: Tally) -> tuple[SourceStatus, ...]:
        return source_statuses(tally, self._pipeline.tail.counts, self._pipeline.patterns)
