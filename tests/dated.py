"""Files with dates by the clock of the test: the kernel's is another, and cannot be set."""

from itertools import count
from pathlib import Path

from surge_exporter.runtime.filesystem import (
    Entry,
    FileKey,
    Listing,
    OsFileSystem,
    Stamp,
    Status,
)
from tests.fakes import NOW
from tests.tailing import HookedFiles


class Dates:
    """When files changed; whoever lets time pass notes them first."""

    def __init__(self) -> None:
        self.now = float(NOW)
        self._changed: dict[tuple[FileKey, Stamp], int] = {}
        self._modified: dict[tuple[int, float], float] = {}
        self._order = count()

    def note(self, folder: Path) -> None:
        """Date all that is new in a folder."""
        for entry in OsFileSystem().scan(f"{folder}/*").entries:
            self.entry(entry)

    def entry(self, entry: Entry) -> Entry:
        """Return what a listing says; a copy may keep the date of what it copies."""
        modified = self._modified.setdefault((entry.stamp.size, entry.modified), self.now)
        return Entry(entry.path, entry.key, self.stamp(entry.key, entry.stamp), modified)

    def stamp(self, key: FileKey, stamp: Stamp) -> Stamp:
        """Return what the kernel says; what was not seen before happened now."""
        changed_ns = int(self.now * 1e9) + next(self._order)
        return Stamp(stamp.size, self._changed.setdefault((key, stamp), changed_ns))


class DatedFiles(HookedFiles):
    """The real file system with these dates, and something that happens at a named step."""

    def __init__(self, dates: Dates, *, most_held: int) -> None:
        super().__init__(most_held=most_held)
        self._dates = dates

    def scan(self, pattern: str) -> Listing:
        listing = super().scan(pattern)
        return Listing([self._dates.entry(entry) for entry in listing.entries], listing.errors)

    def status(self, descriptor: int) -> Status:
        status = super().status(descriptor)
        return status._replace(stamp=self._dates.stamp(status.key, status.stamp))


def wait_for_tick(probe: Path) -> None:
    """Let the kernel's time go on, so that what changes from now on is told from what did."""
    probe.touch()
    began = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns == began:
        probe.touch()
