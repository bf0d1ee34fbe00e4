"""Recorded demand: requests per five minutes of one service, from a folder of files."""

import csv
import gzip
import json
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path

from tests.bench.verdict.scenarios import BUCKET_SECONDS

PER_HOUR = 3600 // BUCKET_SECONDS


@dataclass(frozen=True)
class DemandSeries:
    """Counts from `start`, an hour of the epoch, to the end of an hour."""

    name: str
    start: int
    counts: tuple[int, ...]

    @classmethod
    def cut_to_hours(cls, name: str, start: int, counts: list[int]) -> "DemandSeries":
        """Leave out the hours at both ends that are not whole."""
        early = -(start // BUCKET_SECONDS) % PER_HOUR
        hours = (len(counts) - early) // PER_HOUR
        whole = counts[early : early + hours * PER_HOUR]
        return cls(name, start + early * BUCKET_SECONDS, tuple(whole))

    @cached_property
    def totals(self) -> tuple[int, ...]:
        """Requests before each hour, the first and the last included."""
        return tuple(accumulate(self.counts, initial=0))[::PER_HOUR]

    @property
    def hours(self) -> int:
        """How many there are."""
        return len(self.counts) // PER_HOUR

    def rate(self, begin: int, end: int) -> float:
        """Return the mean rate between two hours, requests per hour."""
        return (self.totals[end] - self.totals[begin]) / (end - begin)

    def hourly(self, begin: int, end: int) -> list[int]:
        """Return the requests of each hour between two."""
        return [self.totals[hour + 1] - self.totals[hour] for hour in range(begin, end)]


def load(folder: Path) -> list[DemandSeries]:
    """Return the public series that `series.json` in the folder lists and that are there."""
    listed = json.loads((folder / "series.json").read_text())
    return [
        _read(name, folder / f"{name}.csv.gz")
        for name, about in listed.items()
        if about["split"] == "public" and (folder / f"{name}.csv.gz").exists()
    ]


def _read(name: str, path: Path) -> DemandSeries:
    with gzip.open(path, "rt", newline="") as lines:
        rows = [
            (int(row["bucket_start_epoch"]), int(row["count"])) for row in csv.DictReader(lines)
        ]
    return DemandSeries.cut_to_hours(name, rows[0][0], [count for _, count in rows])
