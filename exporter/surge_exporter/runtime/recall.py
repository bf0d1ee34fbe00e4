"""Read the logs back to where history begins, bit by bit: forecasts need weeks, windows hours."""

from collections.abc import Iterator

from surge_exporter.core.cycle import Cycle
from surge_exporter.model import Seconds
from surge_exporter.runtime.clock import Clock
from surge_exporter.runtime.stream import Chunk
from surge_exporter.runtime.tail import Tail


class Recall:
    """A second tail's cold start, spread over the turns of the loop. Owned by the loop."""

    def __init__(self, tail: Tail, cycle: Cycle, clock: Clock) -> None:
        self._tail = tail
        self._cycle = cycle
        self._clock = clock
        self._chunks: Iterator[Chunk] | None = tail.poll()

    @property
    def is_over(self) -> bool:
        """Whether all there is was read."""
        return self._chunks is None

    def step(self, seconds: Seconds) -> None:
        """Read on for about so long."""
        deadline = self._clock.monotonic() + seconds
        try:
            while self._chunks is not None and self._clock.monotonic() < deadline:
                self._take(next(self._chunks, None))
        except Exception:
            self.close()  # half a history is none
            raise

    def _take(self, chunk: Chunk | None) -> None:
        if chunk is None:
            self._finish()
        elif not chunk.live:  # what is new, the other tail reads
            self._cycle.recall(chunk.block, self._clock.now())

    def close(self) -> None:
        """Give up."""
        self._chunks = None
        self._tail.close()

    def _finish(self) -> None:
        self.close()
        self._cycle.end_recall()
