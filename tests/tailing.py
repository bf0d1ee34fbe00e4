"""A tail over real files in a folder, polled by the test: no threads, no sleeps."""

from collections.abc import Callable
from pathlib import Path

from surge_exporter.core.cycle import Cycle, Telemetry
from surge_exporter.model import Source
from surge_exporter.runtime.filesystem import Entry, FileSystem, OsFileSystem, Status
from surge_exporter.runtime.stream import Chunk
from surge_exporter.runtime.tail import Tail, TailCounts
from tests.fakes import FakeClock

Action = Callable[[], object]


class HookedFiles:
    """The real file system, with something that happens at a named step of the tailer.

    Steps: "after_scan", "before_open", "after_open", "before_read", "at_end".
    """

    def __init__(self, real: FileSystem | None = None) -> None:
        self._real = real or OsFileSystem()
        self._hooks: list[tuple[str, Action]] = []

    def once(self, step: str, action: Action) -> None:
        """Let `action` happen the next time the tailer comes to `step`."""
        self._hooks.append((step, action))

    def scan(self, pattern: str) -> list[Entry]:
        entries = self._real.scan(pattern)
        self._run("after_scan")
        return entries

    def open(self, path: str) -> int:
        self._run("before_open")
        descriptor = self._real.open(path)
        self._run("after_open")
        return descriptor

    def status(self, descriptor: int) -> Status:
        return self._real.status(descriptor)

    def read(self, descriptor: int, size: int, offset: int) -> bytes:
        self._run("before_read")
        data = self._real.read(descriptor, size, offset)
        if not data:
            self._run("at_end")
        return data

    def next_data(self, descriptor: int, offset: int) -> int | None:
        return self._real.next_data(descriptor, offset)

    def close(self, descriptor: int) -> None:
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
            {Source.REQUESTS: (str(folder / pattern),)},
            window_seconds=window_seconds,
            timestamps=Cycle(Telemetry()).timestamps,
        )
        if started:
            self.poll()

    def poll(self) -> list[bytes]:
        """Poll once; return the lines that came out."""
        chunks = list(self.tail.poll())
        self.chunks += chunks
        return lines_of(chunks)

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


def lines_of(chunks: list[Chunk]) -> list[bytes]:
    """Return the lines of some chunks, without newlines."""
    return b"".join(chunk.block for chunk in chunks).split(b"\n")[:-1]


def append(path: Path, *lines: str | bytes, end: bytes = b"\n") -> None:
    """Append lines as a writer does: each with its newline, in one write."""
    data = b"".join((x.encode() if isinstance(x, str) else x) + end for x in lines)
    with path.open("ab") as file:
        file.write(data)
