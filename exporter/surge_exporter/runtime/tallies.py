"""What became of the lines that were read, for readers and counters."""

import logging
from collections.abc import Mapping, Sequence
from itertools import repeat

from surge_exporter.core.cycle import Ingested
from surge_exporter.core.tally import LineCounts, Tally, empty_tally
from surge_exporter.model import Rejected, Source
from surge_exporter.runtime.reading import TOO_LONG
from surge_exporter.runtime.stream import Chunk

_NEWEST_REJECTED = 10

_log = logging.getLogger(__name__)


class Tallies:
    """Counts lines, and keeps the newest that were rejected. Owned by the ingestion."""

    def __init__(self) -> None:
        self._live: Tally = empty_tally()
        self._with_history: Tally = empty_tally()
        self._newest_rejected: tuple[tuple[Source, Rejected], ...] = ()

    @property
    def live(self) -> Tally:
        """Of what was written since the process started, or is owed from before."""
        return self._live

    @property
    def with_history(self) -> Tally:
        """Of what fills the windows: what this pipeline read, and no other."""
        return self._with_history

    @property
    def newest_rejected(self) -> tuple[tuple[Source, Rejected], ...]:
        """The newest first."""
        return self._newest_rejected

    def owe(self, lines: Mapping[Source, LineCounts]) -> None:
        """Begin with what the process before this one counted and never showed."""
        self._live = {**self._live, **lines}

    def begin_history(self) -> None:
        """Count anew what fills the windows."""
        self._with_history = empty_tally()

    def add(self, chunk: Chunk, ingested: Ingested) -> None:
        """Count the lines of a chunk, and say which were rejected."""
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
