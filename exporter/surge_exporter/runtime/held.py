"""The files that are held open: few enough, each for as long as it may have more to say."""

from collections.abc import Mapping
from contextlib import suppress
from itertools import islice

from surge_exporter.core.identity import HEAD_BYTES, Candidate
from surge_exporter.core.openings import Openings
from surge_exporter.model import Source
from surge_exporter.runtime.clock import Clock
from surge_exporter.runtime.faults import NO_DESCRIPTORS, STALE, Faults, TailCounts
from surge_exporter.runtime.filesystem import Entry, FileKey, FileSystem
from surge_exporter.runtime.memory import Memory, Parked
from surge_exporter.runtime.scan import Scan
from surge_exporter.runtime.stream import Stream, UnreadableError

_GONE_SCANS = 2  # a directory listed during a rename may show neither name
_SPARE = 16  # a part of the descriptors is freed at once: to find the idle is a look at them all
_LONGEST_PAUSE_SECONDS = 60.0  # between attempts to read what cannot be read


class Held:
    """Opens and closes; what it closes, it leaves in memory. Owned by `Tail`."""

    def __init__(
        self,
        files: FileSystem,
        clock: Clock,
        counts: Mapping[Source, TailCounts],
        faults: Faults,
        memory: Memory,
    ) -> None:
        self._files = files
        self._clock = clock
        self._counts = counts
        self._faults = faults
        self._memory = memory
        self._streams: dict[FileKey, Stream] = {}
        self._openings: Openings[FileKey] = Openings()
        self._unfiled: dict[FileKey, Stream] = {}  # not in `_openings`, or with too short a one
        self._first_sizes: dict[FileKey, int] | None = None

    def take_all_as_new(self) -> None:
        """Take no file for history merely because it is there at the first scan."""
        self._first_sizes = {}

    def is_readable(self, stream: Stream) -> bool:
        """Say whether a file is (still) held, and not to be left alone after an error."""
        return self.holds(stream) and self._clock.monotonic() >= stream.retry_at

    def holds(self, stream: Stream) -> bool:
        """Say whether a file is (still) held."""
        return self._streams.get(stream.key) is stream

    def has(self, key: FileKey) -> bool:
        """Say whether a file is held, whatever its name."""
        return key in self._streams

    def all(self) -> list[Stream]:
        """Return all streams, the oldest first."""
        return list(self._streams.values())

    def reading(self) -> list[Stream]:
        """Return the streams that are read from."""
        return [stream for stream in self._streams.values() if not stream.is_waiting]

    def reading_like(self, candidate: Candidate) -> list[Stream]:
        """Return the streams that are read from and may begin as a candidate does."""
        # More may be read later of what is filed here: until then it is found too often, no less.
        for stream in [stream for stream in self._unfiled.values() if not stream.is_waiting]:
            self._openings.put(stream.key, stream.sketch.head)
            del self._unfiled[stream.key]
        return [self._streams[key] for key in self._openings.like(candidate.opening)]

    def reading_at(self, path: str) -> list[Stream]:
        """Return the streams that are read from and stand, or stood last, at a path."""
        streams = self._streams.values()
        return [stream for stream in streams if stream.path == path and not stream.is_waiting]

    def waiting(self) -> list[Stream]:
        """Return the streams of which it is not clear what they are."""
        return [stream for stream in self._streams.values() if stream.is_waiting]

    def missing(self) -> list[Stream]:
        """Return the streams that the last scan has not found."""
        return [stream for stream in self._streams.values() if stream.missed_scans]

    def is_anything_unreadable(self, scan: Scan) -> bool:
        """Say whether there may be files that were found and could not be read yet."""
        if scan.incomplete:
            return True
        known = self._streams.keys() | self._memory.parked.keys()
        return any(s.failures for s in self._streams.values()) or not scan.found.keys() <= known

    def is_gone(self, stream: Stream) -> bool:
        """Say whether no pattern leads to a file any more."""
        return stream.missed_scans >= _GONE_SCANS

    def note(self, scan: Scan) -> None:
        """Take note of which files, held or parked, are found and which are not."""
        if self._first_sizes is None:
            self._first_sizes = {key: e.stamp.size for key, (_, e) in scan.found.items()}
        for stream in self._streams.values():
            if stream.key in scan.found:
                stream.last_seen = self._clock.monotonic()
            if len(stream.sketch.head) < HEAD_BYTES:
                self._unfiled[stream.key] = stream
        files: list[Stream | Parked] = [*self._streams.values(), *self._memory.parked.values()]
        for file in files:
            if file.key in scan.found:
                file.path, file.missed_scans = scan.found[file.key][1].path, 0
            elif file.source not in scan.incomplete:
                file.missed_scans += 1
        for parked in list(self._memory.parked.values()):
            if parked.missed_scans >= _GONE_SCANS:
                self._memory.lose(parked.key)

    def open(self, source: Source, entry: Entry) -> Stream | None:
        """Open and hold a file; None if that fails, or if another has taken its place."""
        try:
            descriptor = self._open(entry)
        except OSError as error:
            self._faults.meet(source, entry.path, error)
            return None
        if descriptor is None:
            return None
        stream = Stream(
            files=self._files,
            descriptor=descriptor,
            key=entry.key,
            source=source,
            path=entry.path,
            counts=self._counts[source],
            last_growth=self._clock.monotonic(),
            last_seen=self._clock.monotonic(),
        )
        if self._first_sizes is not None:
            stream.first_size = self._first_sizes.pop(entry.key, None)
        if entry.key in self._memory.parked:
            self._memory.lose(entry.key)
        self._streams[stream.key] = self._unfiled[stream.key] = stream
        return stream

    def set_aside(self, stream: Stream) -> None:
        """Have a file wait until it is clear what it is; where it was read to is remembered."""
        self._remember(stream)
        stream.wait()
        self._openings.discard(stream.key)
        self._unfiled[stream.key] = stream

    def recover(self, stream: Stream) -> None:
        """Note that a file can be read."""
        stream.failures = 0
        self._faults.end(stream.path)

    def fail(self, stream: Stream, error: OSError) -> None:
        """Note an error, and decide when to try again."""
        self._faults.meet(stream.source, stream.path, error)
        if isinstance(error, UnreadableError):
            stream.is_settled = True
        elif error.errno in STALE or stream.content.is_compressed:
            self.drop(stream)  # the next poll opens it again, by its path
        else:
            if not stream.is_waiting:
                self.set_aside(stream)  # what goes on behind it may be read from a copy
            stream.failures += 1
            pause = min(2.0 ** (stream.failures - 1), _LONGEST_PAUSE_SECONDS)
            stream.retry_at = self._clock.monotonic() + pause

    def drop(self, stream: Stream) -> None:
        """Close a file, and keep a trace of what was read of it."""
        self._release(stream)
        is_in_history = stream.is_waiting or stream.offset < stream.backlog_end
        if stream.first_size is not None and is_in_history and self._first_sizes is not None:
            self._first_sizes[stream.key] = stream.first_size
        if not stream.is_waiting:
            self._remember(stream)

    def park(self, stream: Stream) -> None:
        """Close a file in which nothing is to be read unless it changes."""
        self._release(stream)
        trace = None if stream.is_waiting else stream.trace()
        self._memory.park(Parked(stream.key, stream.source, stream.path, stream.stamp, trace))

    def park_idle(self, count: int) -> int:
        """Park up to so many files, copies first, then those not written for longest.

        Return how many. Should one of them be written and deleted before the next poll, nobody
        will have seen it.
        """
        streams = sorted(self._streams.values(), key=_idle_first)
        idle = list(islice(filter(_is_idle, streams), count))
        for stream in idle:
            self.park(stream)
        return len(idle)

    def close(self) -> None:
        """Close every file."""
        for stream in self.all():
            self._release(stream)

    def _open(self, entry: Entry) -> int | None:
        most = self._files.most_held()
        excess = len(self._streams) + 1 - most
        if excess > 0:
            self.park_idle(excess + most // _SPARE)
        descriptor = self._get_descriptor(entry.path)
        try:
            status = self._files.status(descriptor)
        except OSError:
            self._close(descriptor)
            raise
        if status.is_regular and status.key == entry.key:
            return descriptor
        self._close(descriptor)  # replaced since the scan
        return None

    def _get_descriptor(self, path: str) -> int:
        try:
            return self._files.open(path)
        except OSError as error:
            if error.errno not in NO_DESCRIPTORS or not self.park_idle(1):
                raise
        return self._files.open(path)

    def _remember(self, stream: Stream) -> None:
        if stream.claimed is None:
            self._memory.remember(stream.source, stream.trace())
        else:
            self._memory.inherit(stream.source, [stream.claimed])
            stream.claimed = None

    def _release(self, stream: Stream) -> None:
        del self._streams[stream.key]
        self._openings.discard(stream.key)
        self._unfiled.pop(stream.key, None)
        self._close(stream.descriptor)

    def _close(self, descriptor: int) -> None:
        with suppress(OSError):  # a server's late complaint; there is nothing of ours to write
            self._files.close(descriptor)


def _idle_first(stream: Stream) -> tuple[bool, int]:
    """Sort by the kernel's time of the last change: at the start, all were read just now."""
    return not stream.is_waiting, stream.stamp.changed_ns


def _is_idle(stream: Stream) -> bool:
    """Say whether a file can be found again, and holds nothing to read as it is now."""
    if stream.missed_scans or stream.failures:
        return False
    if stream.is_waiting:
        return stream.is_settled or not stream.size
    try:
        stream.look()
    except OSError:
        return False
    return not stream.pending_bytes
