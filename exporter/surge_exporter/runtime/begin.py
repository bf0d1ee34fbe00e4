"""Where to begin in a file that is no copy of another: at what matters, and what is history."""

import math
from collections.abc import Callable, Sequence
from functools import partial

from surge_exporter.core.bisect import Timestamps, is_all_older, start_offset
from surge_exporter.core.identity import Sketch, find_anchor, find_overlap
from surge_exporter.core.lines import MAX_LINE_BYTES
from surge_exporter.model import Source, UnixSeconds
from surge_exporter.runtime.clock import Clock
from surge_exporter.runtime.filesystem import Entry
from surge_exporter.runtime.memory import Origin
from surge_exporter.runtime.stream import Stream

_MODIFIED_SLACK_SECONDS = 600.0  # between a line's time and its file's, clocks being clocks
_START_SLACK_SECONDS = 300.0  # late records: a file that begins by so much earlier is not new
_FIRST_BYTES = 4096
_LAST_BYTES = 8 * 1024


class Beginnings:
    """Decides for one tail what of a file, as it is found, matters and what counts."""

    def __init__(
        self,
        clock: Clock,
        window_seconds: float,
        timestamps: Callable[[Source, bytes], Sequence[float]],
    ) -> None:
        self._clock = clock
        self._window_seconds = window_seconds
        self._timestamps = timestamps
        self.history_before: UnixSeconds | None = None
        """The time of a record in a file that was passed over."""
        self._started: float = clock.now()
        self._resumed_at: float | None = None

    def resume_at(self, at: UnixSeconds) -> None:
        """Take for history what was there at that time, when another tail stood there."""
        self._started = self._resumed_at = min(at, self._clock.now())

    def note_clock(self) -> None:
        """Note what time it is: the clock may have been ahead at the start, or behind since."""
        self._started = min(self._started, self._clock.now())

    def is_record(self, source: Source, line: bytes) -> bool:
        """Say whether some bytes are a whole record."""
        return bool(line.strip() and self._timestamps(source, line + b"\n"))

    def is_past(self, stream: Stream, entry: Entry) -> bool:
        """Say whether a file holds no line that matters, and if so, stand at its end.

        Its modification time says so, unless somebody set it: its last lines must agree. A
        compressed file is not looked into.

        Raises:
            OSError: the file cannot be read.
        """
        matters_from = min(self._cutoff(), self._resumed_at or math.inf)
        if entry.modified >= matters_from - _MODIFIED_SLACK_SECONDS:
            return False
        stream.sniff()
        stream.stamp = entry.stamp
        if stream.content.is_compressed:
            return True
        start, end = _last_lines(stream, entry.stamp.size)
        # A line whose beginning is missing would have all of them decoded one by one.
        first_whole = end.find(b"\n") + 1 if start else 0
        times = self._timestamps(stream.source, end[first_whole:] or end)
        if max(times, default=0.0) >= self._cutoff():
            return False
        # Its records prove that there is history; the file alone, which may be empty, does not.
        for at in times:
            self.history_before = UnixSeconds(min(at, self.history_before or at))
        stream.begin(start + len(end))
        stream.discarding = start > 0 and not end
        return True

    def begin(self, stream: Stream, replaced: Sequence[Origin]) -> None:
        """Begin in a file that may be one of those it replaced, with its beginning cut off.

        Raises:
            OSError: the file cannot be read.
        """
        for origin in replaced:
            offset = _offset_in_cut(stream, origin)
            if offset is not None:
                if origin.is_inherited:
                    stream.backlog_end = offset
                    self._begin_in_history(stream, offset)
                else:
                    stream.begin(offset)
                    stream.sketch = Sketch.of(stream.read_at, offset)
                return
        if stream.first_size is None and self._is_history(stream):
            stream.first_size = stream.size
        stream.backlog_end = _backlog(stream)
        self._begin_in_history(stream, stream.size)

    def resume(self, stream: Stream, origin: Origin) -> None:
        """Begin in a file that goes on where another was left.

        Raises:
            OSError: the file cannot be read.
        """
        trace = origin.trace
        if not origin.is_inherited:
            stream.backlog_end = max(_backlog(stream), trace.backlog_end)
            stream.begin(trace.offset, trace)
            return
        # A file that is shorter lost its end, if it stands where it stood; elsewhere it is a copy.
        is_there = stream.path == trace.path
        end = min(trace.known_end, stream.size)
        stream.backlog_end = end if is_there else trace.known_end
        self._begin_in_history(stream, end)
        stream.discarding = trace.is_within_line and stream.offset == trace.offset
        stream.claimed = trace if stream.offset < stream.backlog_end else None

    def _begin_in_history(self, stream: Stream, end: int) -> None:
        """Begin where the window does, at the end at the latest; at 0 where nothing is history."""
        is_bisected = stream.backlog_end > 0 and not stream.content.is_compressed
        stream.begin(self._window_start(stream, end) if is_bisected else 0)

    def _is_history(self, stream: Stream) -> bool:
        """Say whether a file was begun before there was anybody to look."""
        if self._resumed_at is not None:
            changed = stream.stamp.changed_ns / 1e9
            if changed < self._resumed_at - _MODIFIED_SLACK_SECONDS:
                return True
        self.note_clock()
        first = self._timestamps(stream.source, _whole_lines(stream.read_at(_FIRST_BYTES, 0)))
        return bool(first) and first[0] < self._started - _START_SLACK_SECONDS

    def _window_start(self, stream: Stream, end: int) -> int:
        """Return where before `end` the window begins, by bisection where that can be trusted."""
        timestamps: Timestamps = partial(self._timestamps, stream.source)
        cutoff = self._cutoff()
        start = start_offset(stream.read_at, end, cutoff=cutoff, timestamps=timestamps)
        start = min(start, end)
        if is_all_older(stream.read_at, start, cutoff=cutoff, timestamps=timestamps):
            return start
        stream.counts.full_scans += 1
        return 0

    def _cutoff(self) -> UnixSeconds:
        return UnixSeconds(self._clock.now() - self._window_seconds)


def _offset_in_cut(stream: Stream, origin: Origin) -> int | None:
    offset = find_anchor(stream.read_at, stream.size, origin.trace)
    if offset is None and isinstance(origin.holder, Stream):
        return find_overlap(stream.read_at, origin.trace, origin.holder.read_at)
    return offset


def _backlog(stream: Stream) -> int:
    """Return how much of a file is history."""
    if stream.first_size is None:
        return 0
    return stream.size if stream.content.is_compressed else stream.first_size


def _whole_lines(data: bytes) -> bytes:
    return data[: data.rfind(b"\n") + 1]


def _last_lines(stream: Stream, size: int) -> tuple[int, bytes]:
    """Return the last lines of a file and where they begin; more if they are long.

    The first of them may lack its beginning.
    """
    for length in (_LAST_BYTES, 2 * MAX_LINE_BYTES):
        start = max(0, size - length)
        end = _whole_lines(stream.read_at(length, start))
        if start == 0 or end.count(b"\n") > 1:
            return start, end
    return (start, end) if end else (size, b"")
