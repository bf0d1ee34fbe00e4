"""Find where the relevant end of a long log begins, without reading the rest."""

from collections.abc import Callable, Sequence

DISORDER_SECONDS = 900.0
"""No line is assumed to be more than this much older than a line before it."""

_BLOCK = 64 * 1024
_PROBE_BYTES = 4096
_LONGEST_SEARCH = 1024 * 1024
_LINES_PER_PROBE = 8

ReadAt = Callable[[int, int], bytes]
"""(size, offset) -> up to `size` bytes."""


def start_offset(
    read_at: ReadAt,
    size: int,
    *,
    cutoff: float,
    timestamps: Callable[[bytes], Sequence[float]],
) -> int:
    """Return a line start before which every line is older than `cutoff`.

    Bisects on the time of a handful of lines at each probe: the newest of them, so that one
    stale line does no harm. Garbage, where no line has a time, counts as new: it is read.
    """
    low, high = 0, size
    while high - low > _BLOCK:
        middle = (low + high) // 2
        newest = _newest_after(read_at, middle, high, timestamps)
        if newest is not None and newest < cutoff - DISORDER_SECONDS:
            low = middle
        else:
            high = middle
    return line_start_after(read_at, low) if low else 0


def line_start_after(read_at: ReadAt, offset: int) -> int:
    """Return the first line start at or after `offset`; `offset` if no newline is near."""
    if offset == 0:
        return 0
    position = offset - 1
    while position - offset < _LONGEST_SEARCH:
        data = read_at(_BLOCK, position)
        newline = data.find(b"\n")
        if newline >= 0:
            return position + newline + 1
        if not data:
            break
        position += len(data)
    return offset


def _newest_after(
    read_at: ReadAt, offset: int, end: int, timestamps: Callable[[bytes], Sequence[float]]
) -> float | None:
    """Return the newest time among the next lines that have one."""
    position = line_start_after(read_at, offset)
    rest = b""
    found: list[float] = []
    while position < min(end, offset + _LONGEST_SEARCH) and len(found) < _LINES_PER_PROBE:
        data = read_at(_PROBE_BYTES, position)
        if not data:
            break
        position += len(data)
        block, _, rest = (rest + data).rpartition(b"\n")
        found.extend(timestamps(block + b"\n"))
    return max(found[:_LINES_PER_PROBE], default=None)
