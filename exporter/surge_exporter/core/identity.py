"""Tell by content whether a file is one that was read before, under whatever name or inode.

Neither a path nor an inode names a file for long: paths are rotated, inodes reused. What was
read of it does: how it begins, and the last whole lines that were consumed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

HEAD_BYTES = 1024
_COMPARED_BYTES = 4096
_SEARCH_BYTES = 64 * 1024
_LONGEST_SEARCH = 64 * 1024 * 1024

ReadAt = Callable[[int, int], bytes]
"""(size, offset) -> up to `size` bytes."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What is remembered of a file: enough to know it, or a copy of it, again."""

    path: str
    head: bytes
    """How it begins, as far as consumed, up to `HEAD_BYTES`."""
    offset: int
    """How much of it was consumed."""
    anchor: bytes
    """The whole lines before the offset, two at least where there are two."""


class Relation(Enum):
    """What a file is to a trace."""

    DIFFERENT = "different"
    PART = "part"
    """It agrees as far as it goes, which is less than what was consumed: a copy on its way."""
    SAME = "same"
    """It holds all that was consumed, and perhaps more."""


def relate(read_at: ReadAt, size: int, trace: Trace, origin: ReadAt | None) -> Relation:
    """Compare a file of `size` bytes with a trace.

    `origin` reads the traced file where it is still at hand, to compare more of a part.
    """
    if not trace.anchor:
        return Relation.DIFFERENT
    known = min(size, len(trace.head))
    if read_at(known, 0) != trace.head[:known]:
        return Relation.DIFFERENT
    if size >= trace.offset:
        back = len(trace.anchor)
        is_same = read_at(back, trace.offset - back) == trace.anchor
        return Relation.SAME if is_same else Relation.DIFFERENT
    if origin is not None:
        compared = min(size, _COMPARED_BYTES)
        if read_at(compared, size - compared) != origin(compared, size - compared):
            return Relation.DIFFERENT
    return Relation.PART


def find_anchor(read_at: ReadAt, size: int, trace: Trace) -> int | None:
    """Return the offset behind the anchor where a file holds it as whole lines, else None.

    So a file whose beginning was cut off is read on from where it was.
    """
    if not trace.anchor:
        return None
    position, rest = 0, b"\n"
    while position < min(size, _LONGEST_SEARCH):
        data = read_at(_SEARCH_BYTES, position)
        if not data:
            return None
        window = rest + data
        found = window.find(b"\n" + trace.anchor)
        if found >= 0:
            return position - len(rest) + found + 1 + len(trace.anchor)
        rest = window[-len(trace.anchor) :]
        position += len(data)
    return None
