"""One followed file: where reading is, and how to read on without losing or repeating a byte."""

import errno
from collections.abc import Iterator
from dataclasses import dataclass, field

from surge_exporter.core.identity import (
    HEAD_BYTES,
    LONGEST_ANCHOR,
    Sketch,
    Trace,
    is_telling,
    recent_lines,
)
from surge_exporter.core.lines import MAX_LINE_BYTES, Cut, cut_lines
from surge_exporter.model import Source
from surge_exporter.runtime.content import Content, Plain
from surge_exporter.runtime.faults import TailCounts
from surge_exporter.runtime.filesystem import FileKey, FileSystem, Stamp
from surge_exporter.runtime.unzipped import MAGIC, Unzipped

_CHUNK_BYTES = 64 * 1024  # what fits the second-level cache beats larger ones
_NULLS_BEFORE = b"\0" * 64  # an anchor where nothing but NULs stands before the text
_NEVER_SEEN = Stamp(-1, 0)
_FOREIGN = (b"\x28\xb5\x2f\xfd", b"\xfd7zXZ", b"BZh")  # zstd, xz, bzip2


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some whole lines of one source, as read."""

    source: Source
    block: bytes
    live: bool
    """False for what was there before the first look: it feeds windows, never counters."""
    read_bytes: int
    too_long: int


class Rewritten(Exception):  # noqa: N818 - an event, not an error
    """The bytes before the offset are not those that were read: another file in its place."""


class UnreadableError(OSError):
    """The file is in a form that nobody here can read."""


@dataclass(slots=True, kw_only=True)
class Stream:
    """A held descriptor and the place in its file. Owned by `Tail`.

    `offset` always stands at a line start, except inside a line dropped for its length.
    `anchor` is the last lines consumed: each read begins with them, so that a file that was
    truncated and has grown back past the offset is noticed.
    """

    files: FileSystem
    descriptor: int
    key: FileKey
    source: Source
    path: str
    counts: TailCounts
    content: Content = field(init=False)
    stamp: Stamp = _NEVER_SEEN
    size: int = 0
    """As last seen; 0 while it cannot be said."""
    first_size: int | None = None
    """The size of the file when it was first seen, if it is history up to there."""
    offset: int = 0
    backlog_end: int = 0
    """Bytes before this were there before the first look."""
    claimed: Trace | None = None
    """What another tail knew of the file, until a byte of it was read again."""
    sketch: Sketch = field(default_factory=Sketch)
    anchor: bytes = b""
    discarding: bool = False
    is_waiting: bool = True
    """Not read for now: it may be a copy of another file."""
    is_settled: bool = False
    """While it waits: nothing of it is to be read unless it changes."""
    is_sniffed: bool = False
    """Whether `content` is how the file is to be read."""
    last_growth: float = 0.0
    last_seen: float = 0.0
    retry_at: float = 0.0
    failures: int = 0
    """Read errors in a row, each of which puts off the next attempt."""
    missed_scans: int = 0
    """How many scans in a row have not found it."""

    def __post_init__(self) -> None:
        self.content = Plain(self.files, self.descriptor)

    @property
    def pending_bytes(self) -> int:
        """How much of the file is not yet consumed."""
        return max(0, self.size - self.offset)

    def trace(self) -> Trace:
        """Return what to know the file by."""
        backlog_end = self.backlog_end if self.offset < self.backlog_end else 0
        return Trace(
            self.path, self.sketch, self.offset, self.anchor, self.discarding, backlog_end
        )

    def read_at(self, size: int, offset: int) -> bytes:
        """Return `size` bytes at `offset`, fewer at the end, wherever reading is.

        Raises:
            OSError: as the file system says.
        """
        return self.content.read_at(size, offset)

    def look(self) -> bool:
        """Bring `size` up to date; return whether the file changed since the last look.

        Raises:
            OSError: as the file system says.
            UnreadableError: as `sniff` says.
        """
        stamp = self.files.status(self.descriptor).stamp
        changed, self.stamp = stamp != self.stamp, stamp
        if changed and self.is_waiting:
            self.is_settled = self.is_sniffed = False
        if not (self.is_sniffed or self.is_settled):
            self.sniff()
        self.size = (self.content.measure(stamp) or 0) if self.is_sniffed else 0
        return changed

    def sniff(self) -> None:
        """Find out how the file is to be read; while it is too short, `is_sniffed` stays False.

        Raises:
            OSError: as the file system says.
            UnreadableError: it is compressed, and not by gzip.
        """
        self.is_sniffed = False
        plain = Plain(self.files, self.descriptor)
        begins = plain.read_at(len(max(_FOREIGN, key=len)), 0)
        if begins.startswith(_FOREIGN):
            raise UnreadableError(errno.EINVAL, "expected text or gzip, got another compression")
        is_compressed = begins.startswith(MAGIC)
        if is_compressed != self.content.is_compressed:
            self.content = Unzipped(self.files, self.descriptor) if is_compressed else plain
        self.is_sniffed = is_compressed or not MAGIC.startswith(begins)

    def is_deleted(self) -> bool:
        """Say whether no name leads to the file any more, in whatever directory.

        Raises:
            OSError: as the file system says.
        """
        return self.files.status(self.descriptor).links == 0

    def has_line(self) -> bool:
        """Say whether the file holds a whole line, or one that is too long to wait for.

        Raises:
            OSError: as the file system says.
        """
        if b"\n" in self.read_at(_CHUNK_BYTES, 0):
            return True
        begins = self.read_at(MAX_LINE_BYTES + 1, 0)
        return b"\n" in begins or len(begins) > MAX_LINE_BYTES

    def has_telling_lines(self) -> bool:
        """Say whether the file begins with lines that it shares with another by no accident.

        Raises:
            OSError: as the file system says.
        """
        begins = self.read_at(_CHUNK_BYTES, 0)
        return is_telling(begins[: begins.rfind(b"\n") + 1])

    def is_beginning(self) -> bool:
        """Say whether the file is shorter than what was read of it, and says the same so far.

        Raises:
            OSError: as the file system says.
        """
        self.look()
        begins = self.read_at(len(self.sketch.head), 0)
        return 0 < self.size < self.offset and self.sketch.head.startswith(begins)

    def wait(self) -> None:
        """Read no further until it is clear what the file is now."""
        self.is_waiting = True
        self.is_settled = self.is_sniffed = False

    def begin(self, offset: int, origin: Trace | None = None) -> None:
        """Begin, or begin again, to read at a line start; behind the trace of an origin.

        Raises:
            OSError: as the file system says.
        """
        self.discarding = origin is not None and origin.is_within_line
        if origin is None:
            back = min(offset, LONGEST_ANCHOR)
            self.sketch = Sketch(self.read_at(min(offset, HEAD_BYTES), 0))
            self.anchor = recent_lines(b"", self.read_at(back, offset - back))
        else:
            self.sketch = origin.sketch.copy()
            self.anchor = origin.anchor
        self.offset = offset
        self.is_waiting = self.is_settled = False

    def drain(self) -> Iterator[Chunk]:
        """Yield whole lines until there are none.

        Raises:
            Rewritten: the file was truncated or rewritten; nothing was consumed.
            OSError: as the file system says; the offset stays.
        """
        while (chunk := self._read_on()) is not None:
            yield chunk

    def rest(self) -> bytes:
        """Return the unfinished line at the end; nothing if it is too long or not there.

        Raises:
            Rewritten: the file was truncated or rewritten.
            OSError: as the file system says.
        """
        rest = self._read(MAX_LINE_BYTES).rstrip(b"\0")
        return b"" if self.discarding or b"\n" in rest else rest

    def finish(self, rest: bytes) -> Chunk:
        """Consume the unfinished line as if it were finished."""
        live = self._is_live()
        self._consume(rest)
        return Chunk(self.source, rest + b"\n", live, len(rest), 0)

    def _read_on(self) -> Chunk | None:
        size = _CHUNK_BYTES
        while True:
            data = self._read(size)
            if data.startswith(b"\0"):
                if not self._skip_nulls():
                    return None
                continue
            text = data.rstrip(b"\0")
            cut = cut_lines(text, discarding=self.discarding)
            if cut.consumed:
                return self._take(text[: cut.consumed], cut)
            is_at_end = self.offset < self.backlog_end <= self.offset + len(data)
            if is_at_end and self.content.is_compressed:
                return None  # nobody will finish the line
            if is_at_end:
                self.backlog_end = self.offset  # the unfinished line will be finished live
            elif len(text) < len(data):
                # A line with text behind its NULs was broken off, and nobody will finish it.
                is_broken_off = self.content.text_after(self.offset + len(data)) is not None
                return self.finish(text) if is_broken_off else None
            elif len(data) < size:
                return None
            else:
                size = MAX_LINE_BYTES + 1

    def _read(self, size: int) -> bytes:
        """Return up to `size` bytes at the offset, once the bytes before it were checked."""
        if self.offset < self.backlog_end:
            size = min(size, self.backlog_end - self.offset)
        back = len(self.anchor)
        data = self.read_at(back + size, self.offset - back)
        if data[:back] != self.anchor or not self._is_as_claimed():
            raise Rewritten
        return data[back:]

    def _is_as_claimed(self) -> bool:
        """Say whether a file of which nothing was read yet is still the one that was known."""
        trace = self.claimed
        if trace is None or self.size < trace.offset:
            return True
        return self.read_at(len(trace.anchor), trace.offset - len(trace.anchor)) == trace.anchor

    def _take(self, data: bytes, cut: Cut) -> Chunk:
        live = self._is_live()
        self._consume(data)
        self.discarding = cut.discarding
        return Chunk(self.source, cut.block, live, len(data), cut.too_long)

    def _consume(self, data: bytes) -> None:
        self.sketch.extend(self.offset, data)
        self.anchor = recent_lines(self.anchor, data)
        self._move(len(data))

    def _skip_nulls(self) -> bool:
        """Move past NULs that a writer left before its text; say whether there is text.

        Truncated under a writer that keeps its place, a file begins with a hole. NULs at the
        end are space set aside, not yet written: they stay pending.
        """
        text = self.content.text_after(self.offset)
        if text is None or text == self.offset:  # none, or written this very moment
            self.backlog_end = min(self.backlog_end, self.offset)
            return False
        skipped = text - self.offset
        self.sketch.skip(self.offset, text)
        self.anchor = _NULLS_BEFORE[:skipped]
        self.counts.skipped_bytes += skipped
        self.discarding = False  # no line goes on behind a NUL
        self._move(skipped)
        return True

    def _move(self, count: int) -> None:
        self.claimed = None
        self.offset += count
        self.counts.passed_bytes += count
        self.size = max(self.size, self.offset)

    def _is_live(self) -> bool:
        return self.offset >= self.backlog_end
