"""Follow the files of every source: open what appears, keep what is renamed, drop what is gone.

Events are hints, polling is the truth: `poll` compares the directories with the descriptors it
holds and reads every file to its end. The same comes out however often it is called, and with
no events at all.
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial

from surge_exporter.core.identity import Candidate, Relation, Trace
from surge_exporter.core.lines import MAX_LINE_BYTES
from surge_exporter.model import Source, UnixSeconds
from surge_exporter.runtime.begin import Beginnings
from surge_exporter.runtime.clock import Clock
from surge_exporter.runtime.directories import Directories
from surge_exporter.runtime.faults import Faults, TailCounts
from surge_exporter.runtime.filesystem import Entry, FileSystem
from surge_exporter.runtime.held import Held
from surge_exporter.runtime.memory import Memory, Origin, Parked
from surge_exporter.runtime.scan import Scan, Scanner
from surge_exporter.runtime.stream import Chunk, Rewritten, Stream

ROTATE_GRACE_SECONDS = 60.0
"""A file renamed away or deleted is followed until it has not grown for so long."""

_NOTHING_IS_OLDER = UnixSeconds(0.0)

_log = logging.getLogger(__name__)


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
        self._clock = clock
        self._make = partial(
            Tail, files, clock, patterns, window_seconds=window_seconds, timestamps=timestamps
        )
        self.counts = {source: TailCounts() for source in patterns}
        self._sources = [source for source, globs in patterns.items() if globs]
        self._faults = Faults(self.counts)
        self._scanner = Scanner(files, patterns, self.counts, self._faults)
        self._memory = Memory(patterns)
        self._held = Held(files, clock, self.counts, self._faults, self._memory)
        self._beginnings = Beginnings(clock, window_seconds, timestamps)
        self._is_resuming = False
        self._directories = Directories(clock)
        self.grown: set[str] = set()
        """The directories where the last poll found new lines."""

    def resume(self, at: UnixSeconds, traces: Mapping[Source, Sequence[Trace]]) -> None:
        """Count on from where another tail stood at a time. Before the first poll.

        What was read up to then is history; what came since is live, however old. A file that
        is not known from then is history if it began before.
        """
        self._is_resuming = True
        for source in self.counts:
            self._memory.inherit(source, traces.get(source, ()))
        self._beginnings.resume_at(at)
        self._held.take_all_as_new()

    def traces(self) -> dict[Source, tuple[Trace, ...]]:
        """Return what was read of each file, those of most interest last, for a checkpoint."""
        return {
            source: self._memory.traces(source, self._held.reading()) for source in self.counts
        }

    def again(self) -> Iterator[Chunk]:
        """Yield what this tail has read and matters by the clock as it is now, as history.

        What it holds and where it stands stay as they are. A file that no pattern leads to any
        more is not read again, nor is one that this tail is yet to meet.
        """
        tail = self._make()
        tail.resume(_NOTHING_IS_OLDER, self.traces())
        try:
            yield from (chunk for chunk in tail.poll() if not chunk.live)
        finally:
            tail.close()

    @property
    def history_before(self) -> UnixSeconds | None:
        """The time of a record in a file passed over: there is telemetry at least that old."""
        return self._beginnings.history_before

    @property
    def directories(self) -> set[str]:
        """Where its files may appear, be they there yet or not."""
        return self._scanner.directories

    def poll(self) -> Iterator[Chunk]:
        """Yield all that is there to read now; a chunk not taken is read by the next poll."""
        self.grown.clear()
        self._beginnings.note_clock()
        scan = self._scan()
        # Held files first: what a new one repeats of them is known only once they are read.
        for stream in self._held.reading():
            yield from self._drain(stream)
        for stream in self._held.waiting():
            yield from self._consider(stream)
        for stream in self._held.missing():
            yield from self._let_go(stream)
        for key, (source, entry) in scan.found.items():
            if not self._held.has(key):
                yield from self._meet(source, entry)
        if self._is_resuming and not self._held.is_anything_unreadable(scan):
            self._is_resuming = False
            yield from self._read_left_parts()
        for source in self._sources:
            self.counts[source].last_read = self._clock.now()

    def measure(self) -> None:
        """Bring `files`, `pending_bytes` and `directories` of the counts up to date."""
        fingerprints = self._directories.fingerprints(self._scanner.directories_of)
        for source, counts in self.counts.items():
            streams = [stream for stream in self._held.all() if stream.source is source]
            counts.files = len(streams) + self._memory.count(source)
            counts.pending_bytes = sum(_pending_bytes(stream) for stream in streams)
            counts.directories = fingerprints[source]

    def close(self) -> None:
        """Close every file."""
        self._held.close()

    def _scan(self) -> Scan:
        scan = self._scanner.scan()
        if scan.lacked_descriptors and self._held.park_idle(1):
            scan = self._scanner.scan()
        self._held.note(scan)
        return scan

    def _meet(self, source: Source, entry: Entry) -> Iterator[Chunk]:
        """Open a file that is not held, if it is new or was changed since it was parked."""
        parked = self._memory.parked.get(entry.key)
        if parked is not None and parked.stamp == entry.stamp:
            return
        stream = self._held.open(source, entry)
        if stream is None:
            return
        if parked is None and self._is_past(stream, entry):
            self._held.park(stream)
        else:
            yield from self._consider(stream)

    def _is_past(self, stream: Stream, entry: Entry) -> bool:
        try:
            return self._beginnings.is_past(stream, entry)
        except OSError as error:
            self._held.fail(stream, error)
            return False

    def _consider(self, stream: Stream) -> Iterator[Chunk]:
        """Read on in a waiting file, unless it is, so far, a copy of what was read elsewhere."""
        try:
            if not self._is_worth_a_look(stream):
                return
            origin = self._origin_of(stream)
            if origin is not None and origin.holder is not None:
                # What it got since its turn must not be read from the copy as well.
                yield from self._catch_up(origin.holder, stream.size - origin.trace.offset)
                stream.look()
                origin = self._origin_of(stream)
            self._begin(stream, origin)
            self._held.recover(stream)
        except OSError as error:
            self._held.fail(stream, error)
        if not stream.is_waiting:
            yield from self._drain(stream)
        elif stream.is_settled and stream.content.is_compressed and not self._is_resuming:
            self._held.park(stream)

    def _read_left_parts(self) -> Iterator[Chunk]:
        """Read what is left of files that another tail read and that are gone, or were cut short.

        For the windows: it was counted. The longest of several says what the others do.
        """
        for stream in sorted(self._held.waiting(), key=_size, reverse=True):
            try:
                self._begin_left_part(stream)
            except OSError as error:
                self._held.fail(stream, error)
            if not stream.is_waiting:
                yield from self._drain(stream)
            elif self._held.holds(stream) and stream.is_settled and stream.content.is_compressed:
                self._held.park(stream)

    def _begin_left_part(self, stream: Stream) -> None:
        if not stream.is_settled or not stream.has_telling_lines():
            return
        origin = self._origin_of(stream)
        if origin is None or not origin.is_inherited or origin.relation is not Relation.PART:
            return
        self._beginnings.resume(stream, origin)
        if stream.path == origin.trace.path:  # its end had not reached the disk when power failed
            self._memory.forget(stream.source, origin.trace)
        else:
            self._memory.disinherit(origin.trace)

    def _is_worth_a_look(self, stream: Stream) -> bool:
        """Say whether a waiting file may be something else than at the last look."""
        if not self._held.is_readable(stream):
            return False
        if stream.look():
            stream.last_growth = self._clock.monotonic()
        while stream.content.is_behind and stream.first_size is not None:
            stream.look()
        return stream.size > 0 and not stream.is_settled

    def _origin_of(self, stream: Stream) -> Origin | None:
        candidate = Candidate(stream.read_at, stream.size)
        alike = self._held.reading_like(candidate)
        return self._memory.origin_of(candidate, stream.source, alike)

    def _catch_up(self, holder: Stream | Parked, ahead: int) -> Iterator[Chunk]:
        """Read what the file has of which another, so many bytes ahead, is a copy."""
        if isinstance(holder, Stream):
            yield from self._drain(holder)
        elif ahead > 0:
            entry = Entry(holder.path, holder.key, holder.stamp, modified=0.0)
            stream = self._held.open(holder.source, entry)
            if stream is not None:
                yield from self._consider(stream)
            elif holder.key in self._memory.parked:
                self._memory.lose(holder.key)

    def _begin(self, stream: Stream, origin: Origin | None) -> None:
        """Begin to read a waiting file where its origin was left, if it says more than that."""
        if origin is None:
            # Without a line, nobody can tell whose copy it is, nor, later, what is its copy.
            if stream.has_line() or stream.content.is_compressed:
                replaced = self._memory.replaced_by(stream, self._held.reading_at(stream.path))
                self._beginnings.begin(stream, replaced)
        elif origin.relation is Relation.PART or self._is_all_known(stream, origin):
            stream.is_settled = True
        elif self._says_more(stream, origin.holder):
            self._beginnings.resume(stream, origin)
            self._take_over(stream.source, origin)

    def _is_all_known(self, stream: Stream, origin: Origin) -> bool:
        return origin.holder is not None and stream.size <= origin.trace.offset

    def _says_more(self, stream: Stream, holder: Stream | Parked | None) -> bool:
        """Say whether there is something to read in a file that is not in its origin."""
        if not isinstance(holder, Stream):
            return True
        # A line that is unfinished there as well will be finished there.
        more = stream.read_at(MAX_LINE_BYTES, holder.offset)
        return not holder.read_at(len(more), holder.offset).startswith(more)

    def _take_over(self, source: Source, origin: Origin) -> None:
        """Let an origin rest, now that another file says more: it may be the copy itself."""
        if origin.holder is None:
            self._memory.forget(source, origin.trace)
        elif isinstance(origin.holder, Stream):
            self._held.set_aside(origin.holder)

    def _drain(self, stream: Stream) -> Iterator[Chunk]:
        if not self._held.is_readable(stream):
            return
        try:
            for chunk in self._read(stream):
                stream.last_growth = self._clock.monotonic()
                self.grown.add(os.path.dirname(stream.path))
                yield chunk
        except Rewritten:
            yield from self._start_over(stream)
        except OSError as error:
            self._held.fail(stream, error)
        else:
            self._held.recover(stream)
            if stream.content.is_compressed:  # and so complete
                self._held.park(stream)

    def _start_over(self, stream: Stream) -> Iterator[Chunk]:
        """Find out what has become of a file that is not what it was."""
        self._held.set_aside(stream)
        stream.first_size = None
        try:
            if not stream.is_beginning():  # else a server may yet show the rest
                self.counts[stream.source].truncations += 1
                _log.info("file was truncated or rewritten path=%s", stream.path)
        except OSError as error:
            self._held.fail(stream, error)
        else:
            yield from self._consider(stream)

    def _read(self, stream: Stream) -> Iterator[Chunk]:
        yield from stream.drain()
        if stream.content.is_compressed:
            yield from self._read_rest(stream)

    def _read_rest(self, stream: Stream) -> Iterator[Chunk]:
        """Read the unfinished last line, if all of it is there.

        No beginning of a JSON object is one itself: what reads as a record is complete.
        """
        rest = stream.rest()
        if self._beginnings.is_record(stream.source, rest):
            yield stream.finish(rest)

    def _let_go(self, stream: Stream) -> Iterator[Chunk]:
        """Close a file that no pattern matches any more, once nobody writes to it."""
        if not self._held.holds(stream):
            return
        idle_seconds = self._clock.monotonic() - max(stream.last_growth, stream.last_seen)
        grace_seconds = ROTATE_GRACE_SECONDS * (10 if stream.failures else 1)
        is_over = idle_seconds >= grace_seconds and self._held.is_gone(stream)
        try:
            if is_over or stream.is_deleted():
                yield from self._read_last(stream)
        except Rewritten:
            return  # the next poll meets it, too
        except OSError as error:
            self._held.fail(stream, error)
        if is_over and self._held.holds(stream):
            self._held.drop(stream)

    def _read_last(self, stream: Stream) -> Iterator[Chunk]:
        """Read the unfinished last line of a file that will not be finished."""
        is_unread = stream.is_waiting and not stream.is_settled and stream.size > 0
        if is_unread and self._origin_of(stream) is None:
            self._beginnings.begin(stream, ())
            yield from stream.drain()
        if not stream.is_waiting:
            yield from self._read_rest(stream)


def _size(stream: Stream) -> int:
    return stream.size


def _pending_bytes(stream: Stream) -> int:
    if stream.is_waiting:
        return 0
    with suppress(OSError):  # the next poll meets it, and counts it
        stream.look()
    return stream.pending_bytes
