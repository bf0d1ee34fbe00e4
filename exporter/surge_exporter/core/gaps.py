"""Hours that a log has lost, told from hours in which nothing happened."""

from bisect import bisect_left
from itertools import accumulate, pairwise
from typing import NamedTuple

from surge_exporter.core.bins import HISTORY_HOURS, Bins

_LONGEST_HOURS = 6
_REQUESTS_BESIDE = 14  # in the hour before and after: such traffic does not stop by chance
_MOST_IDLE = 0.1  # part of a history's hours; a caller with more pauses on its own


class Silence(NamedTuple):
    """A run of buckets without a request, right after steady traffic."""

    start: int
    """A place in the history, see `Bins`."""
    end: int
    settled: bool
    """Whether more history would change nothing about it."""
    lost: bool
    """Whether the log lost what was there; as far as is known, while it is not settled."""


def find_silence(bins: Bins, place: int, *, filled: int) -> Silence | None:
    """Return the first silence that begins from `place` on.

    The log has lost what was there if it is one to `_LONGEST_HOURS` hours long, if before and
    after it `_REQUESTS_BESIDE` requests came within an hour, and if the history before hardly
    knows an idle hour, the `filled` buckets that were lost before included.
    """
    sums, hour = bins.sums, bins.per_hour
    for start in range(max(1, place), bins.end):
        if sums[start] != sums[start + 1] or sums[start] == sums[start - 1]:
            continue
        end = bisect_left(sums, sums[start] + 1, start) - 1
        open_end = end == bins.end
        if (end - start < hour and not open_end) or not _is_steady(bins, start, filled):
            continue
        if end - start > _LONGEST_HOURS * hour:
            return Silence(start, end, settled=True, lost=False)
        if open_end:
            return Silence(start, end, settled=False, lost=end - start >= hour)
        followed = sums[min(bins.end, end + hour)] - sums[end] >= _REQUESTS_BESIDE
        return Silence(start, end, settled=followed or bins.end >= end + hour, lost=followed)
    return None


def requests_lost(bins: Bins, silence: Silence) -> list[int]:
    """Return whole requests for each bucket of a silence, on the line between its sides.

    With nothing after it, the line is level.
    """
    sums, hour = bins.sums, bins.per_hour
    start, end = silence.start, silence.end
    first = max(0, start - hour)
    before = (sums[start] - sums[first]) / (start - first)
    seen = min(bins.end, bisect_left(sums, sums[end] + _REQUESTS_BESIDE, end))
    after = (sums[seen] - sums[end]) / (seen - end) if seen > end else before
    slope = (after - before) / (end - start + 1)
    line = accumulate(before + slope * step for step in range(1, end - start + 1))
    totals = [0, *(round(total) for total in line)]
    return [later - earlier for earlier, later in pairwise(totals)]


def _is_steady(bins: Bins, place: int, filled: int) -> bool:
    """Say whether traffic before `place` is not of the kind that pauses."""
    sums, hour = bins.sums, bins.per_hour
    if sums[place] - sums[max(0, place - hour)] < _REQUESTS_BESIDE:
        return False
    hourly = sums[max(0, place - HISTORY_HOURS * hour) : place + 1][::-1][::hour]
    idle = sum(one == other for one, other in pairwise(hourly))
    return idle + filled / hour <= _MOST_IDLE * (len(hourly) - 1)
