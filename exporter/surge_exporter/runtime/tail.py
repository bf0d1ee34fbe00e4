"""Follow the files of every source: open what appears, keep what is renamed, drop what is gone.

Events are hints, polling is the truth: `poll` compares the directories with the descriptors it
holds and reads every file to its end. The same comes out however often it is called, and with
no events at all.
"""

import errno
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from surge_exporter.core.bisect import start_offset
from surge_exporter.core.identity import ReadAt, Relation, Trace, find_anchor, relate
from surge_exporter.model import Source, UnixSeconds
from surge_exporter.runtime.clock import Clock
from surge_exporter.runtime.filesystem import Entry, FileKey, FileSystem
from surge_exporter.runtime.stream import LONGEST_ANCHOR, Chunk, Rewritten, Stream

ROTATE_GRACE_SECONDS = 60.0
"""A file renamed away or deleted is followed until it has not grown for so long."""

_MODIFIED_SLACK_SECONDS = 600.0  # between a line's time and its file's, clocks being clocks
_MOST_GHOSTS = 64

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class TailCounts:
    """What reading one source has met with since the start."""

    files: int = 0
    pending_bytes: int = 0
    last_read: UnixSeconds | None = None
    read_errors: int = 0
    rotations: int = 0
    truncations: int = 0


@dataclass(frozen=True, slots=True)
class _Skipped:
    """Where an old file ended: its size, the last line start, and the lines before that."""

    source: Source
    size: int
    offset: int
    anchor: bytes


@dataclass(slots=True)
class _Known:
    """What the last scans saw, to tell a change from a repetition."""

    paths: dict[str, FileKey] = field(default_factory=dict)
    """Which file stood at each path."""
    skipped: dict[FileKey, _Skipped] = field(default_factory=dict)
    """Files too old to matter, unless they grow."""
    failing: dict[str, str] = field(default_factory=dict)
    """Paths that could not be read, with the error already logged."""
    ghosts: dict[Source, list[Trace]] = field(default_factory=dict)
    """Files that were closed or rewritten, the newest last: a copy may turn up."""


class Tail:
    """Yields the lines that appear in the files of all sources.

    One thread owns it and calls `poll`. The first poll is the cold start: of the files that
    are there it reads the end, from `window_seconds` ago on, and marks it as not live.
    """

    def __init__(
        self,
        files: FileSystem,
        clock: Clock,
        patterns: Mapping[Source, Sequence[str]],
        *,
        window_seconds: float,
        timestamps: Callable[[Source, bytes], Sequence[float]],
    ) -> None:
        self._files = files
        self._clock = clock
        self._patterns = patterns
        self._window_seconds = window_seconds
        self._timestamps = timestamps
        self._streams: dict[FileKey, Stream] = {}
        self._known = _Known(ghosts={source: [] for source in patterns})
        self._is_cold = True
        self.counts = {source: TailCounts() for source in patterns}
        self.directories = {os.path.dirname(p) for ps in patterns.values() for p in ps}
        self.grown: set[str] = set()
        """The directories where the last poll found new lines."""
        self.history_before: UnixSeconds | None = None
        """The time of a record in a skipped file: there is telemetry at least that old."""

    def poll(self) -> Iterator[Chunk]:
        """Yield all that is there to read now; a chunk not taken is read by the next poll."""
        self.grown.clear()
        found = self._scan()
        # Held files first: what a new one repeats of them is known only once they are read.
        for stream in [s for s in self._streams.values() if not s.is_waiting]:
            yield from self._drain(stream)
        for stream in [s for key, s in self._streams.items() if key not in found]:
            yield from self._let_go(stream)
        for key, (source, entry) in found.items():
            if key not in self._streams and not self._is_skipped(source, entry):
                yield from self._adopt(source, entry)
        for stream in [s for s in self._streams.values() if s.is_waiting]:
            yield from self._consider(stream)
        self._is_cold = False
        for counts in self.counts.values():
            counts.last_read = self._clock.now()

    def measure(self) -> None:
        """Bring `files` and `pending_bytes` of the counts up to date."""
        for source, counts in self.counts.items():
            skipped = sum(s.source is source for s in self._known.skipped.values())
            streams = [s for s in self._streams.values() if s.source is source]
            for stream in streams:
                try:
                    stream.size = self._files.status(stream.descriptor).size
                except OSError as error:
                    self._fail(source, stream.path, error)
            counts.files = len(streams) + skipped
            counts.pending_bytes = sum(s.pending_bytes for s in streams if not s.is_waiting)

    def close(self) -> None:
        """Close every file."""
        for stream in self._streams.values():
            self._files.close(stream.descriptor)
        self._streams.clear()

    def _scan(self) -> dict[FileKey, tuple[Source, Entry]]:
        """Return every matching file once, whatever names and patterns lead to it."""
        found: dict[FileKey, tuple[Source, Entry]] = {}
        for source, patterns in self._patterns.items():
            for pattern in patterns:
                for entry in self._list(source, pattern):
                    found.setdefault(entry.key, (source, entry))
                    self._note_path(source, entry)
        for key, (_, entry) in found.items():
            if key in self._streams:
                self._streams[key].path = entry.path
        for key in self._known.skipped.keys() - found.keys():
            del self._known.skipped[key]
        return dict(sorted(found.items(), key=lambda item: item[1][1].path))

    def _list(self, source: Source, pattern: str) -> list[Entry]:
        try:
            entries = self._files.scan(pattern)
        except OSError as error:
            self._fail(source, pattern, error)
            return []
        self._recover(pattern)
        return entries

    def _note_path(self, source: Source, entry: Entry) -> None:
        before = self._known.paths.get(entry.path, entry.key)
        if before != entry.key:
            self.counts[source].rotations += 1
        self._known.paths[entry.path] = entry.key
        self.directories.add(os.path.dirname(entry.path))

    def _is_skipped(self, source: Source, entry: Entry) -> bool:
        """Say whether a file holds no line that matters: on a cold start, a very old one."""
        if not self._is_cold:
            skipped = self._known.skipped.get(entry.key)
            return skipped is not None and skipped.size == entry.size
        if entry.modified >= self._cutoff() - _MODIFIED_SLACK_SECONDS:
            return False
        stream = self._open(source, entry)
        if stream is not None:
            skipped = self._known.skipped[entry.key] = _end_of(stream)
            self._note_history(self._timestamps(source, skipped.anchor))
            self._files.close(stream.descriptor)
        return True

    def _note_history(self, times: Sequence[float]) -> None:
        """Take records of a skipped file as proof of history: the file alone proves nothing."""
        for at in times:
            self.history_before = UnixSeconds(min(at, self.history_before or at))

    def _adopt(self, source: Source, entry: Entry) -> Iterator[Chunk]:
        """Hold a file; where a new one is read from, if at all, `_consider` decides."""
        stream = self._open(source, entry)
        if stream is None:
            return
        self._streams[stream.key] = stream
        skipped = self._known.skipped.pop(entry.key, None)
        if skipped is None:
            stream.is_waiting = True
        else:
            stream.begin(skipped.offset, skipped.anchor)
            yield from self._drain(stream)

    def _open(self, source: Source, entry: Entry) -> Stream | None:
        try:
            descriptor = self._files.open(entry.path)
        except OSError as error:
            self._fail(source, entry.path, error)
            return None
        try:
            status = self._files.status(descriptor)
        except OSError as error:
            self._files.close(descriptor)
            self._fail(source, entry.path, error)
            return None
        if not status.is_regular or status.key != entry.key:  # replaced since the scan
            self._files.close(descriptor)
            return None
        self._recover(entry.path)
        return Stream(
            files=self._files,
            descriptor=descriptor,
            key=status.key,
            source=source,
            path=entry.path,
            size=status.size,
            backlog_end=status.size if self._is_cold else 0,
            last_growth=self._clock.monotonic(),
        )

    def _consider(self, stream: Stream) -> Iterator[Chunk]:
        """Read on in a waiting file, unless it is, so far, a copy of what was read elsewhere."""
        try:
            size = self._files.status(stream.descriptor).size
            if size != stream.size:
                stream.size, stream.last_growth = size, self._clock.monotonic()
            if not size:
                return
            origin = self._origin_of(stream)
            if isinstance(origin, Stream):
                # What the origin got since its turn must not be read from the copy as well.
                yield from self._drain(origin)
            start = self._start_in(stream)
        except OSError as error:
            self._fail(stream.source, stream.path, error)
            return
        if start is not None:
            stream.begin(*start)
            yield from self._drain(stream)

    def _start_in(self, stream: Stream) -> tuple[int, bytes] | None:
        """Return from where on a waiting file is to be read, and the lines before that.

        None if it has to wait.
        """
        origin = self._origin_of(stream)
        if origin is None:
            return self._start_in_new(stream)
        if isinstance(origin, Stream):
            goes_further = stream.size > origin.offset
            return (origin.offset, origin.anchor) if goes_further else None
        if stream.size < origin.offset:
            return None
        self._known.ghosts[stream.source].remove(origin)
        return origin.offset, origin.anchor

    def _origin_of(self, stream: Stream) -> Stream | Trace | None:
        """Return the file, held or remembered, of which a waiting one holds all or a part.

        Of several the one that was read furthest: what the others say, it says too.
        """
        best: Stream | Trace | None = None
        for ghost in self._known.ghosts[stream.source]:
            if _is_copy(stream, ghost, None) and (best is None or ghost.offset >= best.offset):
                best = ghost
        for other in self._streams.values():
            if other is stream or other.is_waiting or other.source is not stream.source:
                continue
            is_copy = _is_copy(stream, other.trace(), other.read_at)
            if is_copy and (best is None or other.offset >= best.offset):
                best = other
        return best

    def _start_in_new(self, stream: Stream) -> tuple[int, bytes]:
        """Return where a file begins that is no copy: on a cold start, where it matters."""
        for trace in self._replaced_by(stream):
            offset = find_anchor(stream.read_at, stream.size, trace)
            if offset is not None:  # the same file, with its beginning cut off
                return offset, trace.anchor
        if not self._is_cold:
            return 0, b""
        offset = start_offset(
            stream.read_at,
            stream.size,
            cutoff=self._cutoff(),
            timestamps=lambda block: self._timestamps(stream.source, block),
        )
        return offset, b""

    def _replaced_by(self, stream: Stream) -> list[Trace]:
        """Return the traces of files that stood where this one stands now, the newest first."""
        held = [
            other.trace()
            for other in self._streams.values()
            if other is not stream and not other.is_waiting and other.path == stream.path
        ]
        ghosts = [g for g in self._known.ghosts[stream.source] if g.path == stream.path]
        return [*reversed(held), *reversed(ghosts)]

    def _drain(self, stream: Stream) -> Iterator[Chunk]:
        try:
            for chunk in stream.drain():
                stream.last_growth = self._clock.monotonic()
                self.grown.add(os.path.dirname(stream.path))
                yield chunk
        except Rewritten:
            self.counts[stream.source].truncations += 1
            _log.info("file was truncated or rewritten path=%s", stream.path)
            self._remember(stream)
            stream.is_waiting = True
            stream.backlog_end = 0
            yield from self._consider(stream)
        except OSError as error:
            self._fail(stream.source, stream.path, error)
            if error.errno == errno.ESTALE:  # the server knows it by another handle now
                self._drop(stream)
        else:
            self._recover(stream.path)

    def _let_go(self, stream: Stream) -> Iterator[Chunk]:
        """Close a file that no pattern matches any more, once nobody writes to it."""
        try:
            is_deleted = self._files.status(stream.descriptor).links == 0
            idle_seconds = self._clock.monotonic() - stream.last_growth
            is_over = idle_seconds >= ROTATE_GRACE_SECONDS
            rest = stream.rest() if (is_deleted or is_over) and not stream.is_waiting else b""
        except (OSError, Rewritten) as error:
            _log.info("last bytes could not be read path=%s error=%r", stream.path, error)
            self._drop(stream)
            return
        # No beginning of a JSON object is one itself: what reads as a record is complete.
        if rest.strip() and self._timestamps(stream.source, rest + b"\n"):
            yield stream.finish(rest)
        if is_over:
            self._drop(stream)

    def _drop(self, stream: Stream) -> None:
        self._remember(stream)
        del self._streams[stream.key]
        self._files.close(stream.descriptor)

    def _remember(self, stream: Stream) -> None:
        """Keep a trace of what was read of a file."""
        if stream.anchor and not stream.is_waiting:
            ghosts = self._known.ghosts[stream.source]
            ghosts.append(stream.trace())
            del ghosts[:-_MOST_GHOSTS]

    def _cutoff(self) -> float:
        return self._clock.now() - self._window_seconds

    def _fail(self, source: Source, path: str, error: OSError) -> None:
        """Count a failure, and log it once until it changes."""
        self.counts[source].read_errors += 1
        reason = error.strerror or str(error)
        if self._known.failing.get(path) != reason:
            self._known.failing[path] = reason
            _log.warning("cannot be read path=%s error=%s", path, reason)

    def _recover(self, path: str) -> None:
        if self._known.failing.pop(path, None) is not None:
            _log.info("can be read again path=%s", path)


def _is_copy(stream: Stream, trace: Trace, origin: ReadAt | None) -> bool:
    return relate(stream.read_at, stream.size, trace, origin) is not Relation.DIFFERENT


def _end_of(stream: Stream) -> _Skipped:
    """Read the end of a file, to know it by and to go on from should it grow."""
    start = max(0, stream.size - LONGEST_ANCHOR)
    try:
        end = stream.read_at(LONGEST_ANCHOR, start)
    except OSError:
        end = b""
    anchor = end[: end.rfind(b"\n") + 1]
    return _Skipped(stream.source, stream.size, start + len(anchor), anchor)
