"""Feed whole files to a cycle, and remember what became of their lines."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from surge_exporter.core.cycle import Cycle, Ingested
from surge_exporter.core.lines import MAX_LINE_BYTES
from surge_exporter.model import OutOfWindow, Rejected, RejectReason, Source, UnixSeconds
from surge_exporter.runtime.inputs import BrokenInputError, Inputs, read_blocks, read_end
from surge_exporter.runtime.stream import Chunk
from surge_exporter.snapshot import SourceStatus

TOO_LONG = Rejected(RejectReason.TOO_LONG, f"expected at most {MAX_LINE_BYTES} bytes", "")
"""What is said of each line that was dropped for its length."""


class Ingests(Protocol):
    """Takes in whole lines, such as a `Cycle`."""

    def ingest(self, source: Source, block: bytes, *, now: UnixSeconds, live: bool) -> Ingested:
        """Take in a block of whole lines, and say what became of them."""
        ...


@dataclass(slots=True)
class FileTally:
    """What became of one file's lines."""

    name: str
    lines: int = 0
    records: int = 0
    repaired: int = 0
    read_bytes: int = 0
    rejected: dict[RejectReason, int] = field(default_factory=dict)
    first_rejected: Rejected | None = None
    out_of_window: dict[OutOfWindow, int] = field(
        default_factory=lambda: dict.fromkeys(OutOfWindow, 0)
    )
    fault: str | None = None
    """Why the rest of the file could not be read, with its name."""

    def reject(self, rejected: Rejected, count: int = 1) -> None:
        """Note that so many lines were rejected like this one."""
        self.rejected[rejected.reason] = self.rejected.get(rejected.reason, 0) + count
        self.first_rejected = self.first_rejected or rejected


def read_into(
    reader: Ingests,
    inputs: Inputs,
    now: UnixSeconds,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[Source, list[FileTally]]:
    """Ingest every file to its end, or to where it is broken; return a tally for each.

    Raises:
        InputError: a file cannot be read.
    """
    tallies: dict[Source, list[FileTally]] = {}
    for source, files in inputs.items():
        tallies[source] = [FileTally(file.name) for file in files]
        for file, tally in zip(files, tallies[source], strict=True):
            try:
                for chunk in read_blocks(source, file, progress):
                    _ingest(reader, chunk, now, tally)
            except BrokenInputError as error:
                tally.fault = str(error)
    return tallies


def newest_record(
    cycle: Cycle, inputs: Inputs, *, not_after: UnixSeconds, ends_only: bool
) -> UnixSeconds | None:
    """Return the newest event time in the files, each up to where it is broken.

    Times after `not_after` count only where there are no others: one wrong clock must not move
    the report. With `ends_only`, look at the end of each plain file; right for files in order.

    Raises:
        InputError: a file cannot be read.
    """
    newest = beyond = None
    for source, files in inputs.items():
        for file in files:
            chunks = read_end(source, file) if ends_only else read_blocks(source, file)
            for at in _timestamps(cycle, chunks):
                if at <= not_after:
                    newest = at if newest is None else max(newest, at)
                else:
                    beyond = at if beyond is None else max(beyond, at)
    return beyond if newest is None else newest


def source_status(source: Source, tallies: Sequence[FileTally], now: UnixSeconds) -> SourceStatus:
    """Return the tallies of a source in the form that reports show."""
    return SourceStatus(
        source=source,
        up=bool(tallies),
        files=len(tallies),
        pending_bytes=0,
        last_read=now,
        lines=sum(tally.lines for tally in tallies),
        repaired=sum(tally.repaired for tally in tallies),
        read_bytes=sum(tally.read_bytes for tally in tallies),
        read_errors=sum(tally.fault is not None for tally in tallies),
        rotations=0,
        truncations=0,
        skipped_bytes=0,
        rejected={r: sum(t.rejected.get(r, 0) for t in tallies) for r in RejectReason},
        out_of_window={o: sum(t.out_of_window[o] for t in tallies) for o in OutOfWindow},
    )


def _timestamps(cycle: Cycle, chunks: Iterable[Chunk]) -> Iterator[UnixSeconds]:
    with suppress(BrokenInputError):
        for chunk in chunks:
            yield from cycle.timestamps(chunk.source, chunk.block)


def _ingest(reader: Ingests, chunk: Chunk, now: UnixSeconds, tally: FileTally) -> None:
    ingested = reader.ingest(chunk.source, chunk.block, now=now, live=False)
    tally.lines += ingested.lines + chunk.too_long
    tally.records += ingested.records
    tally.repaired += ingested.repaired
    tally.read_bytes += chunk.read_bytes
    if chunk.too_long:
        tally.reject(TOO_LONG, chunk.too_long)
    for rejected in ingested.rejected:
        tally.reject(rejected)
    for reason, count in ingested.out_of_window.items():
        tally.out_of_window[reason] += count
