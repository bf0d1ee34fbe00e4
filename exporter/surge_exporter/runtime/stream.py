"""One followed file: where reading is, and how to read on without losing or repeating a byte."""

from collections.abc import Iterator
from dataclasses import dataclass

from surge_exporter.core.identity import HEAD_BYTES, Trace
from surge_exporter.core.lines import MAX_LINE_BYTES, cut_lines
from surge_exporter.model import Source
from surge_exporter.runtime.filesystem import FileKey, FileSystem

LONGEST_ANCHOR = 4096

_CHUNK_BYTES = 64 * 1024  # what fits the second-level cache beats larger ones
_ANCHOR_LINES = 2  # the ends of JSON lines repeat; two whole lines rarely do


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
    size: int
    offset: int = 0
    backlog_end: int = 0
    """Bytes before this were there before the first look."""
    head: bytes = b""
    anchor: bytes = b""
    discarding: bool = False
    is_waiting: bool = False
    """Not read for now: it may be a copy of another file."""
    last_growth: float = 0.0

    @property
    def pending_bytes(self) -> int:
        """How much of the file is not yet consumed."""
        return max(0, self.size - self.offset)

    def trace(self) -> Trace:
        """Return what to know the file by."""
        return Trace(self.path, self.head, self.offset, self.anchor)

    def read_at(self, size: int, offset: int) -> bytes:
        """Return up to `size` bytes at `offset`, wherever reading is.

        Raises:
            OSError: as the file system says.
        """
        return self.files.read(self.descriptor, size, offset)

    def begin(self, offset: int, anchor: bytes = b"") -> None:
        """Begin, or begin again, to read at a line start, behind `anchor` where it is known."""
        self.offset = offset
        self.anchor = anchor
        self.head = b""
        self.discarding = self.is_waiting = False

    def drain(self) -> Iterator[Chunk]:
        """Yield whole lines until there are none.

        Raises:
            Rewritten: the file was truncated or rewritten; nothing was consumed.
            OSError: as the file system says; the offset stays.
        """
        while True:
            chunk = self._read_on()
            if chunk is None:
                break
            yield chunk
        if len(self.head) < min(self.offset, HEAD_BYTES):
            self.head = self.read_at(min(self.offset, HEAD_BYTES), 0)

    def rest(self) -> bytes:
        """Return the unfinished line at the end; nothing if it is too long or not there.

        Raises:
            Rewritten: the file was truncated or rewritten.
            OSError: as the file system says.
        """
        return b"" if self.discarding else self._read(MAX_LINE_BYTES).rstrip(b"\0")

    def finish(self, rest: bytes) -> Chunk:
        """Consume the unfinished line as if it were finished."""
        live = self._is_live()
        self.offset += len(rest)
        self.anchor = (self.anchor + rest)[-LONGEST_ANCHOR:]
        return Chunk(self.source, rest + b"\n", live, len(rest), 0)

    def _read_on(self) -> Chunk | None:
        size = _CHUNK_BYTES
        while True:
            data = self._read(size)
            if not data:
                return None
            if not data.strip(b"\0"):
                if not self._skip_nulls(len(data)):
                    return None
                continue
            cut = cut_lines(data, discarding=self.discarding)
            if cut.consumed:
                break
            if self.offset < self.backlog_end <= self.offset + len(data):
                self.backlog_end = self.offset  # the unfinished line will be finished live
                continue
            if len(data) < size:
                return None
            size = MAX_LINE_BYTES + 1 if size < MAX_LINE_BYTES else 2 * size
        live = self._is_live()
        self._consume(data[: cut.consumed], discarding=cut.discarding)
        return Chunk(self.source, cut.block, live, cut.consumed, cut.too_long)

    def _read(self, size: int) -> bytes:
        """Return up to `size` bytes at the offset, once the bytes before it were checked."""
        if self.offset < self.backlog_end:
            size = min(size, self.backlog_end - self.offset)
        back = len(self.anchor)
        data = self.read_at(back + size, self.offset - back)
        if data[:back] != self.anchor:
            raise Rewritten
        # Without an anchor (behind a hole) the size is all there is to go by.
        blind = not back and self.offset and not data
        if blind and self.files.status(self.descriptor).size < self.offset:
            raise Rewritten
        return data[back:]

    def _consume(self, data: bytes, *, discarding: bool) -> None:
        self.offset += len(data)
        self.discarding = discarding
        self.size = max(self.size, self.offset)
        recent = (self.anchor + data[-LONGEST_ANCHOR:])[-LONGEST_ANCHOR:]
        if discarding:
            self.anchor = recent
            return
        start = len(recent) - 1
        for _ in range(_ANCHOR_LINES):
            start = recent.rfind(b"\n", 0, max(start, 0))
        self.anchor = recent[start + 1 :] if start >= 0 else recent

    def _skip_nulls(self, size: int) -> bool:
        """Move past NULs that a writer left before its text; say whether there is text.

        Truncated under a writer that keeps its place, a file begins with a hole. NULs at the
        end are space set aside, not yet written: they stay pending.
        """
        start = self.files.next_data(self.descriptor, self.offset)
        if start is None:
            return False
        position = start if start > self.offset else self.offset + size
        while True:
            data = self.read_at(_CHUNK_BYTES, position)
            text = data.lstrip(b"\0")
            if text:
                self.offset = position + len(data) - len(text)
                self.anchor = b""
                return True
            if not data:
                return False
            position += len(data)

    def _is_live(self) -> bool:
        return self.offset >= self.backlog_end
