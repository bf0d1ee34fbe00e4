"""How the reading of every source goes, for readers."""

from collections.abc import Mapping

from surge_exporter.core.tally import LineCounts, Tally
from surge_exporter.model import Source
from surge_exporter.runtime.faults import TailCounts
from surge_exporter.snapshot import SourceStatus


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
        directories=tail.directories,
    )
