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

    def rate(self, place: int, hours: int) -> float:
        """Return the mean rate over the `hours` before `place`, or over as many as there are."""
        start = max(0, place - hours * self.per_hour)
        if start >= place:
            return 0.0
        return (self.sums[place] - self.sums[start]) * self.per_hour / (place - start)

    def past_windows(
        self, place: int, *, begins: int, hours: int, first_day: int = 1
    ) -> list[float]:
        """Return the mean rate over `hours` from `begins` hours after this time of day on.

        One for each day before `place`, from `first_day` days ago back to the beginning of
        the history; `begins` is negative for a window before that time of day.
        """
        sums, per_hour = self.sums, self.per_hour
        oldest = place + begins * per_hour
        newest = oldest - first_day * self.per_day
        if newest < 0:
            return []
        span = hours * per_hour
        starts, ends = sums[newest :: -self.per_day], sums[newest + span :: -self.per_day]
        return [(end - start) / hours for end, start in zip(ends, starts, strict=False)]

    def fill(self, start: int, requests: Sequence[int]) -> None:
        """Count these requests, a number a bucket, from `start` on as well."""
        sums = self.sums
        added = list(accumulate(requests))
        for place, more in enumerate(added, start + 1):
            sums[place] += more
        rest = start + len(added) + 1
        sums[rest:] = [total + added[-1] for total in sums[rest:]]
