"""A tail over real files in a folder, polled by the test: no threads, no sleeps."""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from surge_exporter.core.cycle import Cycle, Telemetry
from surge_exporter.model import Source
from surge_exporter.runtime.faults import TailCounts
from surge_exporter.runtime.filesystem import FileSystem, Listing, OsFileSystem, Status
from surge_exporter.runtime.stream import Chunk
from surge_exporter.runtime.tail import Tail
from tests.fakes import FakeClock

Action = Callable[[], object]

STEPS = ("after_scan", "before_open", "after_open", "before_status", "before_read", "at_end")


class HookedFiles:
    """The real file system, with something that happens at a named step of the tailer.

    The steps are `STEPS`. An action may raise what the kernel would.
    """

    def __init__(self, *, most_held: int = 1000) -> None:
        """Take how many descriptors the tailer is to hold."""
        self._real = OsFileSystem()
        self._most_held = most_held
        self._hooks: list[tuple[str, Action]] = []
        self._hidden: set[str] = set()
        self.held: set[int] = set()
        self.read_bytes = 0
        self.looks = 0
        self.opened: list[str] = []

    def once(self, step: str, action: Action) -> None:
        """Let `action` happen the next time the tailer comes to `step`."""
        assert step in STEPS
        self._hooks.append((step, action))

    def fail(self, step: str, code: int, times: int = 1) -> None:
        """Let the kernel answer with an error the next few times."""
        for _ in range(times):
            self.once(step, lambda: _raise(code))

    def hide(self, path: Path) -> None:
        """Let the next listing miss a name."""
        self._hidden.add(str(path))

    def clear(self) -> None:
        """Let nothing more happen."""
        self._hooks.clear()

    @property
    def pending(self) -> int:
        """How many things have not happened yet."""
        return len(self._hooks)

    def most_held(self) -> int:
        """Return how many descriptors the tailer may hold."""
        return self._most_held

    def scan(self, pattern: str) -> Listing:
        """List, then let things happen."""
        listing = self._real.scan(pattern)
        try:
            self._run("after_scan")
        except OSError as error:
            return Listing([], [error])
        entries = [entry for entry in listing.entries if entry.path not in self._hidden]
        self._hidden.clear()
        return Listing(entries, listing.errors)

    def open(self, path: str) -> int:
        """Open, with something before or behind it."""
        self._run("before_open")
        descriptor = self._real.open(path)
        self.held.add(descriptor)
        self.opened.append(path)
        self._run("after_open")
        return descriptor

    def status(self, descriptor: int) -> Status:
        """Return what the file is, after what happens."""
        self._run("before_status")
        self.looks += 1
        return self._real.status(descriptor)

    def read(self, descriptor: int, size: int, offset: int) -> bytes:
        """Read, with something before, and at the end of the file behind it."""
        self._run("before_read")
        data = self._real.read(descriptor, size, offset)
        self.read_bytes += len(data)
        if not data:
            self._run("at_end")
        return data

    def next_data(self, descriptor: int, offset: int) -> int | None:
        """Return where data begins."""
        return self._real.next_data(descriptor, offset)

    def close(self, descriptor: int) -> None:
        """Close."""
        self.held.remove(descriptor)
        self._real.close(descriptor)

    def _run(self, step: str) -> None:
        for hook in self._hooks:
            if hook[0] == step:
                self._hooks.remove(hook)
                hook[1]()
                return


class Tailing:
    """A tail of request files, and everything it has yielded so far."""

    def __init__(
        self,
        folder: Path,
        *,
        pattern: str = "local_*.jsonl",
        patterns: tuple[str, ...] = (),
        files: FileSystem | None = None,
        window_seconds: float = 12 * 3600.0,
        started: bool = True,
    ) -> None:
        """Take a folder; `started` ones have had their cold start, on what is there now."""
        self.folder = folder
        self.clock = FakeClock()
        self.chunks: list[Chunk] = []
        self.tail = Tail(
            files or OsFileSystem(),
            self.clock,
            {Source.REQUESTS: tuple(str(folder / name) for name in patterns or (pattern,))},
            window_seconds=window_seconds,
            timestamps=Cycle(Telemetry()).timestamps,
        )
        if started:
            self.poll()

    def poll(self, *, after: float = 0.0) -> list[bytes]:
        """Poll once, `after` seconds; return the lines that came out."""
        self.clock.advance(after)
        chunks = list(self.tail.poll())
        self.chunks += chunks
        return lines_of(chunks)

    def settle(self) -> None:
        """Let every grace period end."""
        for _ in range(4):
            self.poll(after=61)

    @property
    def lines(self) -> list[bytes]:
        """Return every line so far."""
        return lines_of(self.chunks)

    @property
    def live_lines(self) -> list[bytes]:
        """Return every live line so far."""
        return lines_of([chunk for chunk in self.chunks if chunk.live])

    @property
    def counts(self) -> TailCounts:
        """Return the counts, up to date."""
        self.tail.measure()
        return self.tail.counts[Source.REQUESTS]

    def assert_read_once(self, *lines: bytes | str) -> None:
        """Check that these lines came out, each once and no others, in whatever order."""
        expected = Counter(line.encode() if isinstance(line, str) else line for line in lines)
        read = Counter(self.lines)
        assert (expected - read, read - expected) == (Counter(), Counter())
        self.assert_bytes_kept()

    def assert_bytes_kept(self) -> None:
        """Check that every byte that was passed came out in a chunk or was skipped."""
        counts = self.counts
        read = sum(chunk.read_bytes for chunk in self.chunks)
        assert counts.passed_bytes == read + counts.skipped_bytes


def lines_of(chunks: list[Chunk]) -> list[bytes]:
    """Return the lines of some chunks, without newlines."""
    return b"".join(chunk.block for chunk in chunks).split(b"\n")[:-1]


def append(path: Path, *lines: str | bytes, end: bytes = b"\n") -> None:
    """Append lines as a writer does: each with its newline, in one write."""
    data = b"".join((x.encode() if isinstance(x, str) else x) + end for x in lines)
    with path.open("ab") as file:
        file.write(data)


def let_time_pass(folder: Path) -> None:
    """Return once the kernel stamps changes with a later time than before: milliseconds."""
    probe = folder / ".probe"
    probe.touch()
    before = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns == before:
        probe.touch()


def record(name: str | int, at: str = "2026-03-29T20:00:00Z", size: int = 0) -> bytes:
    """Return a request line, without its newline, that is like no other."""
    return b'{"timestamp":"%s","success":true,"caller":"%s","error":"%s"}' % (
        at.encode(),
        str(name).encode(),
        b"x" * size,
    )


def _raise(code: int) -> None:
    raise OSError(code, os.strerror(code))
