"""What became of the lines of each source, and the status that is made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from surge_exporter.core.cycle import Ingested
from surge_exporter.model import OutOfWindow, Rejected, RejectReason, Source
from surge_exporter.runtime.faults import TailCounts
from surge_exporter.runtime.stream import Chunk
from surge_exporter.snapshot import SourceStatus


@dataclass(slots=True)
class LineCounts:
    """What became of the lines of one source. One owner."""

    lines: int = 0
    repaired: int = 0
    read_bytes: int = 0
    rejected: dict[RejectReason, int] = field(
        default_factory=lambda: dict.fromkeys(RejectReason, 0)
    )
    out_of_window: dict[OutOfWindow, int] = field(
        default_factory=lambda: dict.fromkeys(OutOfWindow, 0)
    )

    def add(self, chunk: Chunk, ingested: Ingested, rejected: Sequence[Rejected]) -> None:
        """Count the lines of a chunk."""
        self.lines += ingested.lines + chunk.too_long
        self.repaired += ingested.repaired
        self.read_bytes += chunk.read_bytes
        for line in rejected:
            self.rejected[line.reason] += 1
        for reason, count in ingested.out_of_window.items():
            self.out_of_window[reason] += count


Tally = Mapping[Source, LineCounts]


def empty_tally() -> Tally:
    """Return counts of nothing yet, for every source."""
    return {source: LineCounts() for source in Source}


def source_statuses(
    tally: Tally,
    tail_counts: Mapping[Source, TailCounts],
    patterns: Mapping[Source, tuple[str, ...]],
) -> tuple[SourceStatus, ...]:
    """Return the status of every source: its lines, and how the reading of its files goes."""
    return tuple(
        _status(source, counts, tail_counts[source], patterns.get(source, ()))
        for source, counts in tally.items()
    )


def _status(
    source: Source, counts: LineCounts, tail: TailCounts, patterns: tuple[str, ...]
) -> SourceStatus:
    return SourceStatus(
        source=source,
        up=tail.files > 0,
        files=tail.files,
        pending_bytes=tail.pending_bytes,
        last_read=tail.last_read,
        lines=counts.lines,
        repaired=counts.repaired,
        read_bytes=counts.read_bytes,
        read_errors=tail.read_errors,
        rotations=tail.rotations,
        truncations=tail.truncations,
        skipped_bytes=tail.skipped_bytes,
        rejected=dict(counts.rejected),
        out_of_window=dict(counts.out_of_window),
        patterns=patterns,
    )
