"""What readers are shown, made by the loop: snapshots, and what scrapes have seen of counters."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

from surge_exporter.core.checkpoint import Checkpoint
from surge_exporter.core.tally import Tally, empty_tally
from surge_exporter.model import Observation, Tuning, Verdict
from surge_exporter.runtime.ingestion import Ingestion
from surge_exporter.runtime.jumps import CheckedClock
from surge_exporter.runtime.questions import Answer
from surge_exporter.runtime.reloads import Reloads
from surge_exporter.runtime.statuses import source_statuses
from surge_exporter.snapshot import ExporterStatus, HostStatus, Snapshot, SourceStatus


class Answers:
    """Owned by the loop, which alone makes them; only `arrived` is any thread's."""

    def __init__(
        self,
        ingestion: Ingestion,
        reloads: Reloads,
        clock: CheckedClock,
        *,
        judge: Callable[[Observation, Tuning], Verdict],
        status: Callable[[], ExporterStatus],
        host: Callable[[], HostStatus | None],
    ) -> None:
        """Take what is shown, the time, and what says the rest, none of which may wait."""
        self._ingestion = ingestion
        self._reloads = reloads
        self._clock = clock
        self._judge = judge
        self._status = status
        self._host = host
        self._checkpoints = 0
        self._arrived = 0
        self._is_live_shown = False

    def arrived(self, answer: Answer) -> None:
        """Note that a scrape was sent in time; any thread. One that was not showed nothing.

        Of two that arrive at once the older may win: then the next scrape withholds once more.
        """
        self._arrived = max(self._arrived, answer.number)

    def for_scrape(self) -> Answer:
        """Take a snapshot for a scrape: whatever counter it shows will be shown in full."""
        if not self._ingestion.is_filled:  # half of what is owed is not read yet
            return Answer(self.for_reader())
        if self._arrived >= self._checkpoints:
            self._ingestion.pipeline.cycle.confirm()
            self._is_live_shown = self._checkpoints > 0
        checkpoint = self._checkpoint()
        return Answer(self._take(scraped=True), checkpoint)

    def for_reader(self) -> Snapshot:
        """Take a snapshot of now, which moves no counter on."""
        return self._take(scraped=False)

    def _checkpoint(self) -> Checkpoint:
        self._checkpoints += 1
        pipeline, live = self._ingestion.pipeline, self._ingestion.tallies.live
        return Checkpoint(
            at=self._clock.now(),
            number=self._checkpoints,
            traces=pipeline.tail.traces(),
            owed=pipeline.cycle.withheld(),
            owed_lines={} if self._is_live_shown else deepcopy(live),
        )

    def _take(self, *, scraped: bool) -> Snapshot:
        ingestion, now = self._ingestion, self._clock.now()
        pipeline, tallies = ingestion.pipeline, ingestion.tallies
        pipeline.tail.measure()
        observation = pipeline.cycle.observe(now) if ingestion.ready else None
        host = self._host()
        if observation is not None and host is not None:
            observation = replace(observation, host=host.load)
        return Snapshot(
            at=now,
            observation=observation,
            verdict=self._judge(observation, pipeline.tuning) if observation else None,
            tuning=pipeline.tuning,
            horizon_seconds=pipeline.horizon_seconds,
            totals=pipeline.cycle.totals(scraped=scraped),
            sources=self._statuses(tallies.live if self._is_live_shown else empty_tally()),
            sources_with_history=self._statuses(tallies.with_history),
            exporter=replace(
                self._status(),
                reload_successful=self._reloads.error is None,
                reload_success_at=self._reloads.succeeded_at,
                newest_rejected=tallies.newest_rejected,
                clock_jumps=self._clock.jumps,
            ),
            host=host,
        )

    def _statuses(self, tally: Tally) -> tuple[SourceStatus, ...]:
        pipeline = self._ingestion.pipeline
        return source_statuses(tally, pipeline.tail.counts, pipeline.patterns)
