"""Hours that a log has lost, told from hours in which nothing happened."""

from bisect import bisect_left
from itertools import accumulate, pairwise
from typing import NamedTuple

from surge_exporter.core.bins import HISTORY_HOURS, Bins

_LONGEST_HOURS = 6
_REQUESTS_BESIDE = 14  # in the hour before and after: such traffic does not stop by chance
_MOST_IDLE = 0.1  # part of a history's hours; a caller with more pauses on its own


class Gap(NamedTuple):
    """A hole in the log and what it may have held."""

    start: int
    """A place in the history, see `Bins`."""
    requests: list[int]
    """For each bucket of the hole, on the line between the rates beside it."""


def find_gap(bins: Bins, place: int) -> Gap | None:
    """Return the hole that is seen to end within the hour before `place`.

    A hole is one to `_LONGEST_HOURS` hours without a request between hours of steady traffic,
    in a history that hardly knows an idle hour. It is seen to end with the
    `_REQUESTS_BESIDE`-th request after it, if that comes within an hour.
    """
    sums, hour = bins.sums, bins.per_hour
    for end in range(max(1, place - 2 * hour + 1), place):
        if sums[end - 1] < sums[end] or sums[end] == sums[end + 1]:
            continue
        start = bisect_left(sums, sums[end], 0, end)
        seen = bisect_left(sums, sums[end] + _REQUESTS_BESIDE, end, place + 1)
        before = sums[start] - sums[max(0, start - hour)]
        if (
            hour <= end - start <= _LONGEST_HOURS * hour
            and place - hour < seen <= min(place, end + hour)
            and before >= _REQUESTS_BESIDE
            and _idle_ratio(bins, place) <= _MOST_IDLE
        ):
            until = min(place, end + hour)
            after = (sums[until] - sums[end]) * hour / (until - end)
            return Gap(start, _on_the_line(before, after, end - start, hour))
    return None


def _idle_ratio(bins: Bins, place: int) -> float:
    """Return the part of the hours before `place` that held no request."""
    sums, hour = bins.sums, bins.per_hour
    hourly = sums[max(0, place - HISTORY_HOURS * hour) : place + 1][::-1][::hour]
    hours = len(hourly) - 1
    return sum(one == other for one, other in pairwise(hourly)) / hours if hours else 1.0


def _on_the_line(before: float, after: float, buckets: int, hour: int) -> list[int]:
    """Return whole requests whose running total is that of the line, rounded."""
    slope = (after - before) / (buckets + 1)
    line = accumulate((before + slope * step) / hour for step in range(1, buckets + 1))
    totals = [0, *(round(total) for total in line)]
    return [later - earlier for earlier, later in pairwise(totals)]
