"""Counts of one series as running totals: the mean rate over any span in two look-ups."""

from collections.abc import Sequence
from itertools import accumulate

HOUR_SECONDS = 3600
HISTORY_HOURS = 28 * 24
"""Older counts are forgotten: four weeks show each weekday four times."""


class Bins:
    """The counts of consecutive buckets, the oldest first, as running totals.

    A place in the history is the number of buckets before it: 0 is where the history begins,
    `end` is now. `sums[place]` is the number of requests before that place. Rates are
    requests per hour; a bucket's seconds divide the hour.
    """

    def __init__(self, counts: Sequence[int], bucket_seconds: int) -> None:
        self.per_hour = HOUR_SECONDS // bucket_seconds
        self.per_day = 24 * self.per_hour
        newest = counts[-HISTORY_HOURS * self.per_hour :]
        self.sums = list(accumulate(newest, initial=0))
        self.end = len(newest)

    def buckets(self, hours: float) -> int:
        """Return how many buckets so many hours are: the nearest number, at least one."""
        return max(1, round(hours * self.per_hour))

    def rate(self, place: int, hours: float) -> float:
        """Return the mean rate over the `hours` before `place`, or over as many as there are."""
        start = max(0, place - self.buckets(hours))
        if start >= place:
            return 0.0
        return (self.sums[place] - self.sums[start]) * self.per_hour / (place - start)

    def rates_after(self, place: int, hours: float, *, first_day: int = 1) -> list[float]:
        """Return the mean rate over the `hours` after this time of day, day by day.

        From `first_day` days before `place` back to the beginning of the history.
        """
        return self._daily(place - first_day * self.per_day, self.buckets(hours))

    def rates_before(self, place: int, hours: float) -> list[float]:
        """Return the mean rate over the `hours` before this time of day, from yesterday on."""
        span = self.buckets(hours)
        return self._daily(place - self.per_day - span, span)

    def _daily(self, newest: int, span: int) -> list[float]:
        if newest < 0:
            return []
        starts = self.sums[newest :: -self.per_day]
        ends = self.sums[newest + span :: -self.per_day]
        per_bucket = self.per_hour / span
        return [(end - start) * per_bucket for end, start in zip(ends, starts, strict=False)]

    def fill(self, start: int, requests: Sequence[int]) -> None:
        """Count these requests, a number a bucket, from `start` on as well."""
        sums = self.sums
        added = list(accumulate(requests))
        for place, more in enumerate(added, start + 1):
            sums[place] += more
        rest = start + len(added) + 1
        sums[rest:] = [total + added[-1] for total in sums[rest:]]
