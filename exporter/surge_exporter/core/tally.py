"""What became of the lines of each source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from surge_exporter.core.cycle import Ingested
from surge_exporter.model import OutOfWindow, Rejected, RejectReason, Source


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

    def add(self, ingested: Ingested, rejected: Sequence[Rejected], *, read_bytes: int) -> None:
        """Count the lines of a block; `rejected` are all of them, those too long to read too."""
        self.lines += ingested.lines + len(rejected) - len(ingested.rejected)
        self.repaired += ingested.repaired
        self.read_bytes += read_bytes
        for line in rejected:
            self.rejected[line.reason] += 1
        for reason, count in ingested.out_of_window.items():
            self.out_of_window[reason] += count


Tally = Mapping[Source, LineCounts]


def empty_tally() -> Tally:
    """Return counts of nothing yet, for every source."""
    return {source: LineCounts() for source in Source}
