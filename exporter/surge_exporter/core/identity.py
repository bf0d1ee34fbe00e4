"""Tell by content whether a file is one that was read before, under whatever name or inode.

Neither a path nor an inode names a file for long: paths are rotated, inodes reused. What was
read of it does: how it begins, samples of what follows, and the last whole lines.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple
from zlib import crc32

HEAD_BYTES = 1024
LONGEST_ANCHOR = 4096

_ANCHOR_LINES = 2  # the ends of JSON lines repeat; two whole lines rarely do
_SAMPLE_BYTES = 256
_MOST_HOLES = 100
_COMPARED_BYTES = 4096
_SEARCH_BYTES = 64 * 1024
_LONGEST_SEARCH = 16 * 1024 * 1024  # what is cut off is most, what is kept the last lines

ReadAt = Callable[[int, int], bytes]
"""(size, offset) -> up to `size` bytes."""


class Sample(NamedTuple):
    """A few bytes that stood somewhere in a file."""

    place: int
    size: int
    checksum: int


@dataclass(slots=True)
class Sketch:
    """What a file says from its beginning on, in little: grows with what is consumed of it."""

    head: bytes = b""
    """How it begins, up to `HEAD_BYTES`."""
    samples: list[Sample] = field(default_factory=list)
    """From eight places of every octave: all of a file is known at its own scale."""
    holes: list[tuple[int, int]] = field(default_factory=list)
    """Where NULs stood, from and to."""

    @classmethod
    def of(cls, read_at: ReadAt, end: int) -> "Sketch":
        """Return the sketch of a file up to `end`, as if all of it had been consumed."""
        sketch = cls(read_at(min(HEAD_BYTES, end), 0))
        for place in _places(0, end):
            sketch.take(place, read_at(min(_SAMPLE_BYTES, end - place), place))
        return sketch

    def extend(self, offset: int, data: bytes) -> None:
        """Take note of the bytes consumed next, which stand at `offset`."""
        self._extend_head(offset, data)
        if self.holes and self.holes[-1][1] == offset:
            self.take(offset, data[:_SAMPLE_BYTES])
        for place in _places(offset, offset + len(data)):
            self.take(place, data[place - offset : place - offset + _SAMPLE_BYTES])

    def skip(self, offset: int, end: int) -> None:
        """Take note of NULs up to `end`."""
        self._extend_head(offset, bytes(min(end - offset, HEAD_BYTES)))
        if len(self.holes) < _MOST_HOLES:
            self.holes.append((offset, end))

    def take(self, place: int, data: bytes) -> None:
        """Take a sample."""
        self.samples.append(Sample(place, len(data), crc32(data)))

    def copy(self) -> "Sketch":
        """Return one that grows on its own."""
        return Sketch(self.head, list(self.samples), list(self.holes))

    def _extend_head(self, offset: int, data: bytes) -> None:
        if offset == len(self.head) < HEAD_BYTES:
            self.head += data[: HEAD_BYTES - offset]


@dataclass(frozen=True, slots=True)
class Trace:
    """What is remembered of a file: enough to know it, or a copy of it, again."""

    path: str
    sketch: Sketch
    offset: int
    """How much of it was consumed."""
    anchor: bytes
    """The whole lines before the offset, two at least where there are two."""
    is_within_line: bool = False
    """Whether the offset stands inside a line that is dropped for its length."""
    backlog_end: int = 0
    """Up to where it is history, if reading was broken off before that."""

    @property
    def known_end(self) -> int:
        """Up to where its lines are counted, or are not to be."""
        return max(self.offset, self.backlog_end)


class Relation(Enum):
    """What a file is to a trace."""

    DIFFERENT = "different"
    PART = "part"
    """It agrees as far as it goes, which is less than what was consumed: a copy on its way."""
    SAME = "same"
    """It holds all that was consumed, and perhaps more."""


class Candidate:
    """A file that may be a copy of one that was read."""

    def __init__(self, read_at: ReadAt, size: int) -> None:
        """Read what every comparison needs.

        Raises:
            OSError: as `read_at` does.
        """
        self._read_at = read_at
        self._size = size
        self._head = read_at(min(HEAD_BYTES, size), 0)
        self._is_open = size > 0 and read_at(1, size - 1) == b"\0"
        self.opening = self._head.partition(b"\0")[0] if self._is_open else self._head
        """Its first bytes, as far as they are written: what it is a copy of, whole or in part,
        begins with them, or is shorter than they are, and they begin with it."""

    def relation_to(self, trace: Trace, origin: ReadAt | None = None) -> Relation:
        """Compare the file with a trace.

        `origin` reads the traced file where it is still at hand, to compare more of a part.

        Raises:
            OSError: as the readers do.
        """
        head = trace.sketch.head[: self._size]
        if not trace.anchor or not head or not self._agrees(self._head[: len(head)], head):
            return Relation.DIFFERENT
        if self._size >= trace.offset:
            end = self._read_at(len(trace.anchor), trace.offset - len(trace.anchor))
            if end == trace.anchor:
                return Relation.SAME
            if not self._agrees(end, trace.anchor):
                return Relation.DIFFERENT
        return Relation.PART if self._is_part(trace, origin) else Relation.DIFFERENT

    def _is_part(self, trace: Trace, origin: ReadAt | None) -> bool:
        if not all(self._has(sample) for sample in trace.sketch.samples):
            return False
        if not all(self._has_hole(start, end) for start, end in trace.sketch.holes):
            return False
        if origin is None or self._size >= trace.offset:
            return True
        compared = min(self._size, _COMPARED_BYTES)
        place = self._size - compared
        return self._agrees(self._read_at(compared, place), origin(compared, place))

    def _has(self, sample: Sample) -> bool:
        if sample.place + sample.size > self._size:
            return True
        found = self._read_at(sample.size, sample.place)
        is_written = not (self._is_open and found.endswith(b"\0"))
        return not is_written or crc32(found) == sample.checksum

    def _has_hole(self, start: int, end: int) -> bool:
        """Say whether NULs stand in a range, and text behind it.

        Only the ends are looked at: that is where a short line may hide.
        """
        if start >= self._size:
            return True
        size = min(end, self._size) - start
        tail = min(size, _SAMPLE_BYTES)
        if self._read_at(tail, start + size - tail).strip(b"\0"):
            return False
        return self._is_open or self._read_at(1, end) != b"\0"

    def _agrees(self, found: bytes, expected: bytes) -> bool:
        """Compare; at the end of a file, NULs are what is yet to be written."""
        if found == expected:
            return True
        written = found.rstrip(b"\0")
        return self._is_open and len(written) < len(found) and expected.startswith(written)


def recent_lines(before: bytes, data: bytes) -> bytes:
    r"""Return what to know a place by: the last lines before it, or all there is.

    >>> recent_lines(b'one\n', b'two\nthree\n')
    b'two\nthree\n'
    """
    recent = (before + data[-LONGEST_ANCHOR:])[-LONGEST_ANCHOR:]
    start = len(recent) - 1
    for _ in range(_ANCHOR_LINES):
        start = recent.rfind(b"\n", 0, max(start, 0))
    return recent[start + 1 :]


def find_anchor(read_at: ReadAt, size: int, trace: Trace) -> int | None:
    """Return the offset behind the anchor where a file holds it as whole lines, else None.

    So a file whose beginning was cut off is read on from where it was.
    """
    if not is_telling(trace.anchor):
        return None
    found = _find_lines(read_at, 0, min(size, _LONGEST_SEARCH), trace.anchor)
    return None if found is None else found + len(trace.anchor)


def find_overlap(read_at: ReadAt, trace: Trace, origin: ReadAt) -> int | None:
    """Return how much of a file, from its beginning, stands amid what was read of another.

    So a file whose beginning was cut off is known though the uncut one was read beyond its end.
    """
    begins = read_at(LONGEST_ANCHOR, 0)
    line = begins[: begins.find(b"\n") + 1]
    start = max(0, trace.offset - _LONGEST_SEARCH)
    found = _find_lines(origin, start, trace.offset, line)
    if found is None:
        return None
    common = position = 0
    while position < trace.offset - found:
        size = min(_SEARCH_BYTES, trace.offset - found - position)
        mine, theirs = read_at(size, position), origin(size, found + position)
        same = common_bytes(mine, theirs)
        common = max(common, position + mine.rfind(b"\n", 0, same) + 1)
        if same < size:
            break
        position += size
    return common if is_telling(begins[:common]) else None


def is_telling(lines: bytes) -> bool:
    """Say whether lines stand where they do by no accident: one may be written twice."""
    return len(set(lines.splitlines())) > 1


def _find_lines(read_at: ReadAt, start: int, end: int, lines: bytes) -> int | None:
    """Return where in a range some lines stand, if there are any and they do."""
    position, rest = start, b"" if start else b"\n"
    while lines and position < end:
        data = read_at(min(_SEARCH_BYTES, end - position), position)
        if not data:
            break
        window = rest + data
        found = window.find(b"\n" + lines)
        if found >= 0:
            return position - len(rest) + found + 1
        rest = window[-len(lines) :]
        position += len(data)
    return None


def common_bytes(one: bytes, other: bytes) -> int:
    """Return how many bytes are the same at the beginning.

    >>> common_bytes(b'one two', b'one three')
    5
    """
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _places(start: int, end: int) -> Iterator[int]:
    """Yield the places of samples in a range: multiples of an eighth of their power of two."""
    place = max(start, HEAD_BYTES)
    place += -place % _eighth(place)
    while place < end:
        yield place
        place += _eighth(place)


def _eighth(place: int) -> int:
    return 1 << (place.bit_length() - 4)
