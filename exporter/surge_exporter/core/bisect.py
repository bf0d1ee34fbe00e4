"""Find where the relevant end of a long log begins, without reading the rest."""

from collections.abc import Callable, Sequence

DISORDER_SECONDS = 900.0
"""No line is assumed to be more than this much older than a line before it."""

BLOCK_BYTES = 64 * 1024
_PROBE_BYTES = 4096
_LONGEST_SEARCH = 1024 * 1024
_LINES_PER_PROBE = 8
_PROBES = 32

ReadAt = Callable[[int, int], bytes]
"""(size, offset) -> up to `size` bytes."""

Timestamps = Callable[[bytes], Sequence[float]]
"""Whole lines -> the times of those that have one."""


def start_offset(
    read_at: ReadAt,
    size: int,
    *,
    cutoff: float,
    timestamps: Timestamps,
    block: int = BLOCK_BYTES,
) -> int:
    """Return a line start before which every line is older than `cutoff`.

    Bisects on the time of a handful of lines at each probe: the newest of them, so that one
    stale line does no harm. Garbage, where no line has a time, counts as new: it is read.
    """
    low, high = 0, size
    while high - low > block:
        middle = (low + high) // 2
        newest = _newest_after(read_at, middle, high, timestamps)
        if newest is not None and newest < cutoff - DISORDER_SECONDS:
            low = middle
        else:
            high = middle
    return line_start_after(read_at, low) if low else 0


def is_all_older(
    read_at: ReadAt, end: int, *, cutoff: float, timestamps: Timestamps, probes: int = _PROBES
) -> bool:
    """Say whether probes all over the bytes before `end` find no line newer than `cutoff`.

    What `start_offset` skips it has hardly looked at: this finds the files whose lines are in
    greater disorder than it assumes.
    """
    golden = 0.618  # away from the halves and quarters, where bisection looked
    for probe in range(probes if end else 0):
        place = int(end * (probe + golden) / probes)
        newest = _newest_after(read_at, place, end, timestamps)
        if newest is not None and newest >= cutoff:
            return False
    return True


def line_start_after(read_at: ReadAt, offset: int) -> int:
    """Return the first line start at or after `offset`; `offset` if no newline is near."""
    if offset == 0:
        return 0
    position = offset - 1
    while position - offset < _LONGEST_SEARCH:
        data = read_at(_PROBE_BYTES, position)
        newline = data.find(b"\n")
        if newline >= 0:
            return position + newline + 1
        if not data:
            break
        position += len(data)
    return offset


def _newest_after(read_at: ReadAt, offset: int, end: int, timestamps: Timestamps) -> float | None:
    """Return the newest time among the next lines before `end` that have one."""
    position = line_start_after(read_at, offset)
    rest = b""
    found: list[float] = []
    while position < min(end, offset + _LONGEST_SEARCH) and len(found) < _LINES_PER_PROBE:
        data = read_at(min(_PROBE_BYTES, end - position), position)
        if not data:
            break
        position += len(data)
        block, _, rest = (rest + data).rpartition(b"\n")
        found.extend(timestamps(block + b"\n"))
    return max(found[:_LINES_PER_PROBE], default=None)
