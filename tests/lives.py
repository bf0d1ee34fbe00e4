"""Random histories of a log directory whose reader is killed, again and again.

What a life saved at its last scrape is where the next one counts on. All that stood in a file
at a poll before a scrape must be in the counters, and once; what was destroyed while nobody
looked, or before anybody was told of it, is in no oracle.
"""

import errno
import gzip
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from surge_exporter.core.checkpoint import OLDEST_SECONDS, Checkpoint, decode, encode
from surge_exporter.core.cycle import Cycle, Telemetry
from tests.dated import DatedFiles, Dates, wait_for_tick
from tests.fakes import NOW
from tests.histories import History
from tests.tailing import HookedFiles, Tailing, lines_of

CHANCES = {"kill": 0.1, "start": 0.4, "scrape": 0.4, "scrape in a poll": 0.05}

_NOTHING_OWED = Cycle(Telemetry()).withheld()
_WINDOW_SECONDS = 12 * 3600.0  # as in `Tailing`
_START_SLACK_SECONDS = 300.0
_MOST_CALLS_BEFORE_ERROR = 20
_ABSENCES_SECONDS = (400.0, 3600.0, 13 * 3600.0)


def save(tailing: Tailing) -> bytes:
    """Return the checkpoint of a scrape."""
    return encode(
        Checkpoint(
            at=tailing.clock.now(),
            number=1,
            traces=tailing.tail.traces(),
            owed=_NOTHING_OWED,
            owed_lines={},
        )
    )


def resume(
    folder: Path, saved: bytes, *, now: float = NOW, files: HookedFiles | None = None
) -> Tailing:
    """Return the next life of a tail; it has not looked yet."""
    tailing = Tailing(folder, pattern="local_*", files=files, started=False)
    tailing.clock.advance(now - tailing.clock.now())
    checkpoint = decode(saved, tailing.clock.now())
    tailing.tail.resume(checkpoint.at, checkpoint.traces)
    return tailing


class Lives(History):
    """A history whose reader may die wherever it would have looked, and is born again later."""

    def __init__(self, folder: Path, seed: int, far: Path, *, most_held: int = 1000) -> None:
        """Begin with a life that was scraped once, before anything was written."""
        self.dates = Dates()
        super().__init__(folder, seed, far, most_held=most_held)
        if self.random.random() < 0.1:
            self.sizes = [3000, 3900]
        self.most_held = most_held
        self.chance_of_absence = 0.1
        self.is_down = False
        self.is_loaded = True
        self.witness = Witness(self.dates.now)
        self.must_count: set[bytes] = set()
        self.counted: Counter[bytes] = Counter()
        """Live in any life, before its last scrape."""
        self.doubled: Counter[bytes] = Counter()
        """Read twice in a life, live or not."""
        self.lacking: set[bytes] = set()
        """Not read in the last life, live or not."""
        self.scrape()

    def step(self, rotations: Sequence[str]) -> None:
        if self.is_down and self.random.random() < self.chance_of_absence:
            self._stay_away()
        super().step(rotations)

    def settle(self) -> None:
        if self.unfinished:
            self.finish()
        if self.is_down:
            self.start()
        self._reopen()
        for _ in range(4):
            self._poll(after=61)
        self.scrape()
        self.kill()
        os.close(self.writer)

    # The reader.

    def poll(self) -> None:
        if self.is_down and self._happens("start"):
            self.start()
        elif not self.is_down and self._happens("kill"):
            self.kill()
        else:
            super().poll()

    def poll_with_errors(self) -> None:
        if self.is_down:
            self._wake()
        for _ in range(self.random.randint(1, 4)):
            step = self.random.choice(["before_open", "before_read", "before_status"])
            for _ in range(self.random.randrange(_MOST_CALLS_BEFORE_ERROR)):
                self.files.once(step, lambda: None)
            self.files.fail(step, errno.EIO)
        self._read()
        self.files.clear()
        self._poll(after=20)

    def scrape(self) -> None:
        """Save where reading stands, and what was shown."""
        self.steps.append("scrape")
        self.saved, self.saved_at = save(self.tailing), self.dates.now
        self.scraped_chunks = len(self.tailing.chunks)
        self.must_count |= self.witness.countable

    def kill(self) -> None:
        """End a life: what it counted after its last scrape was shown to nobody."""
        self.steps.append("kill")
        shown = self.tailing.chunks[: self.scraped_chunks]
        self.counted.update(lines_of([chunk for chunk in shown if chunk.live]))
        read = Counter(self.tailing.lines)
        self.doubled += read - Counter(set(read))
        self.lacking = self.witness.in_window - set(read)
        self.witness.close()
        self.tailing.tail.close()
        self.is_down = True

    def start(self) -> None:
        """Begin a life where the last one was scraped."""
        self._wake()
        self._poll(after=0)

    def _wake(self) -> None:
        self.steps.append("start")
        self.files = self._new_files(self.most_held)
        self.tailing = resume(self.folder, self.saved, now=self.dates.now, files=self.files)
        self.witness = Witness(self.saved_at)
        self.scraped_chunks = 0
        self.is_down = self.is_loaded = False

    def _look(self, *, after: float = 0.0) -> None:
        for folder in (self.folder, self.elsewhere, self.far):
            self.dates.note(folder)
        self.tailing.clock.advance(after)
        self.dates.now = self.tailing.clock.now()
        if not self.is_down:
            self._read()
            self.witness.see(self.folder, self.writer, self.must_count, self.dates.now)
            self._perhaps_scrape("scrape")

    def _read(self) -> None:
        for chunk in self.tailing.tail.poll():
            self.tailing.chunks.append(chunk)
            if self.is_loaded:
                self._perhaps_scrape("scrape in a poll")
        self.is_loaded = True
        self._perhaps_scrape("scrape")

    def _stay_away(self) -> None:
        self.steps.append("stay_away")
        left = self.saved_at + OLDEST_SECONDS - self.dates.now
        self._poll(after=min(self.random.choice(_ABSENCES_SECONDS), left / 2))
        wait_for_tick(self.far / "tick")

    def _perhaps_scrape(self, what: str) -> None:
        if self._happens(what):
            self.scrape()

    def _happens(self, what: str) -> bool:
        return self.random.random() < CHANCES[what]

    def _new_files(self, most_held: int) -> HookedFiles:
        return DatedFiles(self.dates, most_held=most_held)

    def _record(self, number: int) -> bytes:
        """Fill lines with what is in no other: an old copy is not at hand to be compared."""
        return super()._record(number).replace(b"x" * 10, b"%010d" % number)


class Witness:
    """Sees, in one life, what stands in files that a reader follows."""

    def __init__(self, resumed_at: float) -> None:
        """Take when the scrape was from which this life goes on."""
        self.in_window: set[bytes] = set()
        self.countable: set[bytes] = set()
        self._resumed_at = resumed_at
        self._held: dict[int, int] = {}

    def see(self, folder: Path, writer: int, counted: set[bytes], now: float) -> None:
        """Take note of the lines that stand in files.

        What began before the scrape, and was not there or not readable then, is history.
        """
        for data in self._contents(folder, writer):
            lines = [line.lstrip(b"\0") for line in data.split(b"\n")[:-1]]
            self.in_window.update(ln for ln in lines if _time_of(ln) >= now - _WINDOW_SECONDS)
            is_new = lines and _time_of(lines[0]) >= self._resumed_at - _START_SLACK_SECONDS
            if is_new or not counted.isdisjoint(lines):
                self.countable.update(lines)

    def close(self) -> None:
        """Close what was held."""
        for descriptor in self._held.values():
            os.close(descriptor)

    def _contents(self, folder: Path, writer: int) -> Iterator[bytes]:
        """Yield the texts of files that are there, or of which one was written at the last poll.

        A reader holds that, wherever it went since.
        """
        files = {path.stat().st_ino: path for path in folder.iterdir() if path.exists()}
        for path in files.values():
            yield _text(path.read_bytes())
        written = os.fstat(writer).st_ino
        for inode, descriptor in list(self._held.items()):
            found = os.fstat(descriptor)
            data = os.pread(descriptor, found.st_size, 0)
            is_over = found.st_nlink == 0 and data.endswith(b"}")
            yield data + b"\n" if is_over else data
            if inode != written:
                os.close(self._held.pop(inode))
        if written in files and written not in self._held:
            self._held[written] = os.open(files[written], os.O_RDONLY)


def _text(data: bytes) -> bytes:
    """Return what a file says; nothing yet if it is compressed and not complete."""
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return gzip.decompress(data)
    except EOFError:
        return b""


def _time_of(line: bytes) -> float:
    return datetime.fromisoformat(json.loads(line)["timestamp"]).timestamp()
