"""A loop over real files in a folder, turned by the test or run in a thread."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from surge_exporter.core.checkpoint import Checkpoint
from surge_exporter.core.cycle import Cycle, Telemetry
from surge_exporter.model import Source
from surge_exporter.runtime.clock import Waker
from surge_exporter.runtime.jumps import CheckedClock
from surge_exporter.runtime.loop import Loop
from surge_exporter.runtime.pipeline import Pipeline
from surge_exporter.runtime.stream import Chunk
from surge_exporter.runtime.tail import Tail
from surge_exporter.signals import default_tuning, judge
from surge_exporter.snapshot import Snapshot, SourceStatus
from tests import snapshots
from tests.fakes import FakeClock, FakeWatcher
from tests.tailing import HookedFiles
from tests.telemetry import request_line

SECONDS = 10.0
"""How long a test waits for what should happen at once."""


class Turner:
    """A waker whose every wake is a turn: who asks is answered on the spot, without a thread."""

    def __init__(self) -> None:
        self.turn: Callable[[], None] = lambda: None

    def wake(self) -> None:
        """Turn the loop."""
        self.turn()

    def wait(self, seconds: float) -> None:
        """Fail: nobody has a reason to wait."""
        raise AssertionError(f"nobody runs the loop, and it waits {seconds} s")


class TellingTail(Tail):
    """A tail that says when it has read all there is."""

    polled: Callable[[], None] = staticmethod(lambda: None)

    def poll(self) -> Iterator[Chunk]:
        """Poll, then tell."""
        yield from super().poll()
        self.polled()


class Rig:
    """A loop over real files in a folder. The test is its composition root."""

    def __init__(
        self,
        folder: Path,
        waker: Waker | None = None,
        clock: FakeClock | None = None,
        *,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self.clock = clock or FakeClock()
        self._checked = CheckedClock(self.clock)
        self.files = HookedFiles()
        self.telemetry = Telemetry()
        self.patterns = {
            Source.REQUESTS: (f"{folder}/local_*.jsonl",),
            Source.HEARTBEAT: (f"{folder}/ticks_*.jsonl",),
        }
        self.tuning = default_tuning()
        self.fault: Exception | None = None
        self.watcher = FakeWatcher()
        self.requests = folder / "local_20260329.jsonl"
        self.ticks = folder / "ticks_20260329.jsonl"
        self._built_from: Telemetry | None = None
        waker = waker or Turner()
        self.loop = Loop(
            clock=self._checked,
            waker=waker,
            build=self._build,
            judge=judge,
            watcher=self.watcher,
            status=snapshots.exporter,
            checkpoint=checkpoint,
        )
        if isinstance(waker, Turner):
            waker.turn = self.loop.turn

    def write(self, *lines: bytes, ticks: Iterable[bytes] = ()) -> None:
        """Append lines to the files, which were then written just now."""
        for path, written in ((self.requests, lines), (self.ticks, tuple(ticks))):
            if written:
                with path.open("ab") as file:
                    file.write(b"".join(written))
                os.utime(path, (self.clock.now(), self.clock.now()))

    def request(self) -> None:
        """Append one request of now."""
        self.write(request_line(self.clock.now()))

    def scrape(self) -> Snapshot:
        """Return what a scrape sees."""
        answer = self.loop.scrape()
        self.loop.arrived(answer)
        return answer.snapshot

    def _build(self, current: Pipeline | None) -> Pipeline:
        if self.fault is not None:
            raise self.fault
        if current is not None and self.telemetry is self._built_from:
            return replace(current, tuning=self.tuning)
        self._built_from = self.telemetry
        cycle = Cycle(self.telemetry)
        self.tail = TellingTail(
            self.files,
            self._checked,
            self.patterns,
            window_seconds=2 * self.telemetry.horizon_seconds,
            timestamps=cycle.timestamps,
        )
        horizon = self.telemetry.horizon_seconds
        return Pipeline(
            cycle=cycle,
            tail=self.tail,
            tuning=self.tuning,
            horizon_seconds=horizon,
            patterns=self.patterns,
        )


@contextmanager
def running(rig: Rig) -> Iterator[Loop]:
    """Run the loop in a thread while the block runs."""
    thread = threading.Thread(target=rig.loop.run)
    thread.start()
    try:
        yield rig.loop
    finally:
        rig.loop.stop()
        thread.join(SECONDS)
        assert not thread.is_alive()


def recent(snapshot: Snapshot) -> int:
    """Return the requests of the recent window."""
    assert snapshot.observation
    return snapshot.observation.demand.recent.requests


def of(snapshot: Snapshot, source: Source = Source.REQUESTS) -> SourceStatus:
    """Return the status of one source."""
    return next(status for status in snapshot.sources if status.source is source)


def of_all(snapshot: Snapshot) -> SourceStatus:
    """Return the status of the requests with history counted."""
    return next(s for s in snapshot.sources_with_history if s.source is Source.REQUESTS)


def requests_total(snapshot: Snapshot) -> list[int]:
    """Return the counted requests of each series."""
    return [series.requests for series in snapshot.totals.series]
