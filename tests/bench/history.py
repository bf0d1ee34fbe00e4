"""A month of request lines in files, written fast: for measurements."""

import os
from collections.abc import Callable, Iterator
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import NamedTuple

from surge_exporter.model import HOUR
from tests.telemetry import NOW, iso, request_line

DAY = 24 * HOUR
HISTORY = 30 * DAY
WINDOW = 12 * HOUR
MANY = 3000


class Span(NamedTuple):
    """The time of the lines in one file."""

    start: float
    stop: float


def one_file(now: float) -> list[Span]:
    """Nothing was ever rotated."""
    return [Span(now - HISTORY, now)]


def a_file_a_day(now: float) -> list[Span]:
    """What rotation at midnight makes of it."""
    return spans((now - HISTORY) // DAY * DAY, now, DAY)


def many_files(now: float) -> list[Span]:
    """The same, but that the window is in many short files: one for each session, say."""
    start = now - WINDOW
    days = spans((now - HISTORY) // DAY * DAY, start, DAY)
    return days + spans(start, now, WINDOW / MANY)


def spans(start: float, stop: float, step: float) -> list[Span]:
    """Cut the time between two instants into steps, the last of which may be short."""
    edges = [start + n * step for n in range(ceil((stop - start) / step))]
    return [Span(*edge) for edge in pairwise([*edges, stop])]


LAYOUTS: dict[str, Callable[[float], list[Span]]] = {
    "one file": one_file,
    "a file a day": a_file_a_day,
    f"a file a day, {MANY} in the window": many_files,
}


class Log:
    """Evenly spread lines: those of one hour, over and over with another date."""

    def __init__(self, lines: int) -> None:
        """Write an hour of what is to be so many lines in all."""
        self._per_hour = max(1, round(lines * HOUR / HISTORY))
        hour = NOW // HOUR * HOUR
        self._date = _date(hour)
        places = (n * HOUR / self._per_hour for n in range(self._per_hour))
        self._lines = [
            request_line(hour + place, caller=f"caller_{n % 7}", success=n % 50 > 0)
            for n, place in enumerate(places)
        ]
        self._hour = b"".join(self._lines)

    def count(self, span: Span) -> int:
        """Return how many lines there are between two instants."""
        return ceil(span.stop / HOUR * self._per_hour) - ceil(span.start / HOUR * self._per_hour)

    def write(self, path: Path, span: Span, advance: Callable[[int], object]) -> None:
        """Write the lines between two instants, as a file modified at the end.

        `advance` hears of every so many lines.
        """
        with path.open("wb") as file:
            for block in self._blocks(span):
                file.write(block)
                advance(block.count(b"\n"))
        os.utime(path, (span.stop, span.stop))

    def _blocks(self, span: Span) -> Iterator[bytes]:
        for hour, _ in spans(span.start // HOUR * HOUR, span.stop, HOUR):
            first = ceil(max(0.0, span.start - hour) / HOUR * self._per_hour)
            last = ceil(min(HOUR, span.stop - hour) / HOUR * self._per_hour)
            is_whole = last - first == self._per_hour
            block = self._hour if is_whole else b"".join(self._lines[first:last])
            yield block.replace(self._date, _date(hour))


def _date(hour: float) -> bytes:
    return iso(hour).partition(":")[0].encode()
