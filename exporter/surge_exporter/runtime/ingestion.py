"""What is read of telemetry, and how far: the pipeline's life under whoever turns the loop."""

import logging
from collections.abc import Callable, Iterable

from surge_exporter.core.checkpoint import Checkpoint
from surge_exporter.core.history import SavedHistory
from surge_exporter.model import Seconds
from surge_exporter.runtime.jumps import CheckedClock
from surge_exporter.runtime.pipeline import Pipeline
from surge_exporter.runtime.stream import Chunk
from surge_exporter.runtime.tallies import Tallies

_EXPIRE_SECONDS = 600.0
_RECALL_SECONDS = Seconds(0.05)  # at a time: a scrape waits that long

_log = logging.getLogger(__name__)


class Ingestion:
    """Owns the pipeline and the tallies; itself the loop's, but for `ready`."""

    def __init__(
        self,
        pipeline: Pipeline,
        clock: CheckedClock,
        *,
        checkpoint: Checkpoint | None,
        save_history: Callable[[SavedHistory], None],
        goes_on: Callable[[], bool],
    ) -> None:
        """Begin where the checkpoint says; nothing is read yet.

        Args:
            pipeline: what reads, until another is adopted.
            clock: the one that the pipeline's tail reads.
            checkpoint: where the process before this one stood; what came since then counts.
            save_history: puts away what would take long to read again.
            goes_on: called after each chunk, it may answer readers, and says whether to read on.
        """
        self._pipeline = pipeline
        self._clock = clock
        self._resumed_from = checkpoint
        self._save_history = save_history
        self._goes_on = goes_on
        self._tallies = Tallies()
        self._loaded = False  # all that was there when this pipeline began was read
        self._filled = False  # and is in the windows
        self._is_refill_due = False
        self._expired_at = clock.monotonic()
        if checkpoint is not None:
            self._resume(checkpoint)

    @property
    def pipeline(self) -> Pipeline:
        """The one that reads now."""
        return self._pipeline

    @property
    def tallies(self) -> Tallies:
        """What became of what was read."""
        return self._tallies

    @property
    def is_filled(self) -> bool:
        """Whether the windows hold all there is."""
        return self._filled

    @property
    def ready(self) -> bool:
        """Whether the windows are filled, and by the clock as it is now; any thread."""
        return self._filled and not self._clock.has_jumped

    def read(self) -> bool:
        """Ingest all there is to read; say whether it came to an end."""
        return self._ingest_all(self._pipeline.tail.poll())

    def arrive(self) -> None:
        """Take note that all there is was read, and is in the windows."""
        if not self._loaded:
            self._pipeline.warn_of_absent_files()
        history = self._pipeline.tail.history_before
        if history is not None:
            self._pipeline.cycle.extend_history(history)
        self._loaded = self._filled = True

    def adopt(self, pipeline: Pipeline) -> None:
        """Go on with a pipeline; one that has the same cycle has the same tail, and reads on."""
        if pipeline.cycle is self._pipeline.cycle:
            self._pipeline = pipeline
        else:
            self._replace(pipeline)

    def refill_if_clock_jumped(self) -> None:
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
        self._tallies.begin_history()
        self._pipeline.cycle.restart(jump or Seconds(0.0), self._clock.now())
        self._is_refill_due = not self._ingest_all(self._pipeline.tail.again())

    def look_back(self) -> bool:
        """Do a little of what can wait; say whether there is more of it."""
        recall = self._pipeline.recall
        if recall is not None and not recall.is_over:
            recall.step(_RECALL_SECONDS)
            return True
        return self._pipeline.cycle.refresh_a_caller(self._clock.now())

    def tidy_up(self) -> None:
        """Now and then, forget labels that are idle, and put the history away."""
        if self._clock.monotonic() - self._expired_at >= _EXPIRE_SECONDS:
            now = self._clock.now()
            if not self._clock.has_jumped:  # not by a clock that was set to next month just now
                self._expired_at = self._clock.monotonic()
                self._pipeline.cycle.expire(now)
            self.put_history_away()

    def put_history_away(self) -> None:
        """Save the history, unless the windows, which are a part of it, are not filled."""
        is_whole = self.ready and not self._is_refill_due
        history = self._pipeline.cycle.saved_history(self._clock.now()) if is_whole else None
        if history is not None:
            self._save_history(history)

    def _ingest_all(self, chunks: Iterable[Chunk]) -> bool:
        for chunk in chunks:
            ingested = self._pipeline.cycle.ingest(
                chunk.source, chunk.block, now=self._clock.now(), live=chunk.live
            )
            self._tallies.add(chunk, ingested)
            if not self._goes_on():
                return False
        return True

    def _replace(self, pipeline: Pipeline) -> None:
        """Begin anew with a pipeline that reads otherwise; counters go on where they were."""
        old = self._pipeline
        if self._loaded:
            self.read()
            pipeline.tail.resume(self._clock.now(), old.tail.traces())
        elif self._resumed_from is not None:
            pipeline.tail.resume(self._resumed_from.at, self._resumed_from.traces)
        pipeline.cycle.take_over(old.cycle)
        for source, counts in pipeline.tail.counts.items():
            before = old.tail.counts[source]
            counts.read_errors += before.read_errors
            counts.rotations += before.rotations
            counts.truncations += before.truncations
            counts.skipped_bytes += before.skipped_bytes
        old.close()
        self._loaded = self._filled = False
        self._tallies.begin_history()
        self._pipeline = pipeline
        pipeline.announce()

    def _resume(self, checkpoint: Checkpoint) -> None:
        """Go on where the process before this one was when it showed its counters last."""
        self._pipeline.tail.resume(checkpoint.at, checkpoint.traces)
        self._pipeline.cycle.restore(checkpoint.owed, self._clock.now())
        self._tallies.owe(checkpoint.owed_lines)
