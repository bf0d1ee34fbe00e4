"""Counts of one series as running totals, so that any window is one subtraction."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import sub

from surge_exporter.model import HOUR

HALF_HOUR = HOUR / 2

_COMMON_BUCKET_SECONDS = 300.0
_CLOCK_NOISE = 1e-6
"""Part of a bucket by which an instant may miss the edge it means."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Running totals of counts.

    An edge is an instant between buckets, numbered from the epoch.
    """

    totals: Sequence[float]
    first: int
    """The edge at which history begins."""
    per_hour: int
    """Buckets, an even number."""

    @property
    def end(self) -> int:
        """The edge at which it ends."""
        return self.first + len(self.totals) - 1

    def rate(self, edge: int, hours: float) -> float:
        """Return the requests per hour of the `hours` before an edge, none before history."""
        index = edge - self.first
        begin = max(0, index - round(hours * self.per_hour))
        return (self.totals[index] - self.totals[begin]) / hours

    def count_before(self, edge: int) -> float:
        """Return the count of the bucket that ends at an edge."""
        index = edge - self.first
        return self.totals[index] - self.totals[index - 1]

    @classmethod
    def of(
        cls, counts: Sequence[float], bucket_seconds: float, now: float, *, most_hours: float
    ) -> "Timeline":
        """Take counts, the last ending at `now`, as far back as that many hours."""
        counts, bucket_seconds = _divided(counts, bucket_seconds)
        most = round(min(most_hours * HOUR / bucket_seconds, len(counts)))
        totals = [0, *accumulate(counts[len(counts) - most :])]
        end = math.floor(now / bucket_seconds + _CLOCK_NOISE)
        return cls(totals, end - most, round(HOUR / bucket_seconds))


def _divided(counts: Sequence[float], bucket_seconds: float) -> tuple[Sequence[float], float]:
    """Return the same requests in buckets of five minutes, unless theirs divide half an hour."""
    if not HALF_HOUR % bucket_seconds:
        return counts, bucket_seconds
    totals = [0.0, *accumulate(counts), 0.0]

    def total(seconds_before_end: float) -> float:
        position = len(counts) - seconds_before_end / bucket_seconds
        index = max(0, math.floor(position))
        return totals[index] + (position - index) * (totals[index + 1] - totals[index])

    buckets = int(len(counts) * bucket_seconds / _COMMON_BUCKET_SECONDS)
    edges = [total(i * _COMMON_BUCKET_SECONDS) for i in range(buckets, 0, -1)]
    return list(map(sub, [*edges[1:], totals[-2]], edges)), _COMMON_BUCKET_SECONDS
