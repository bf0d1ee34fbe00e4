"""Requests per bucket over any length of time, from records or from rows of a table."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from surge_exporter.core.cycle import Ingested, Telemetry
from surge_exporter.core.history import BUCKET_SECONDS, KEPT_SECONDS
from surge_exporter.core.lines import BOM
from surge_exporter.core.records import RequestDecoder
from surge_exporter.core.timestamps import parse_timestamp
from surge_exporter.model import HOUR, OutOfWindow, Source, UnixSeconds

_LEAST_BUCKET_SECONDS = 60
_MOST_REQUESTS = 10**12  # in a bucket: nobody counts more
_EXCERPT = 60


class CountsError(ValueError):
    """Rows that hold no counts; the message names the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Requests in consecutive buckets, the oldest first."""

    requests: Sequence[int]
    bucket_seconds: int
    start: UnixSeconds
    """When the first bucket begins."""
    earlier: int = 0
    """Buckets with requests that came before a silence longer than a forecast remembers."""
    missing: int = 0
    """Buckets that had no row, and count as 0."""

    @property
    def hours(self) -> float:
        """How long they are."""
        return len(self.requests) * self.bucket_seconds / HOUR


class RequestCounts:
    """Counts requests in buckets of five minutes, however long ago, whatever their order.

    Memory: a number a bucket that has any.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._decoder = RequestDecoder(telemetry.request_fields, telemetry.zone)
        self._found: Counter[int] = Counter()

    def ingest(self, source: Source, block: bytes, *, now: UnixSeconds, live: bool) -> Ingested:  # noqa: ARG002 - as of a `Cycle`
        """Count the requests of whole lines, but those that are later than `now`."""
        decoded = self._decoder.decode(block)
        times = [record.at for record in decoded.records]
        known = [at for at in times if at <= now]
        width = BUCKET_SECONDS
        self._found.update([int(at // width) for at in known])
        return Ingested(
            lines=decoded.lines,
            records=len(times),
            repaired=decoded.repaired,
            rejected=tuple(decoded.rejected),
            out_of_window={OutOfWindow.FUTURE: len(times) - len(known)},
        )

    def counts(self) -> Counts:
        """Return the complete buckets: the newest request tells that its own may not be."""
        found = dict(self._found)
        if found:
            found.pop(max(found))
        end = max(self._found, default=0)
        return _series(found, int(BUCKET_SECONDS), end)


def parse_counts(lines: Iterable[bytes]) -> Counts:
    r"""Return the counts in rows `bucket_start_epoch,count`, of which the first may name columns.

    The buckets' width is the distance that most rows have; a bucket without a row counts as 0.

    Raises:
        CountsError: a row is no count of a bucket that comes after those before it.

    >>> parse_counts([b"start,count", b"1750000200,5", b"1750000500,7"]).requests
    [5, 7]
    """
    rows: list[tuple[int, int, int]] = []  # line, start, count
    for number, line in enumerate(lines, 1):
        text = line.removeprefix(BOM).decode("utf-8", errors="replace").strip()
        is_header = not rows and not any(character.isdigit() for character in text)
        if not text or is_header:
            continue
        start, count = _row(number, text)
        if rows and start <= rows[-1][1]:
            raise CountsError(
                f"line {number}: expected a bucket that begins after {rows[-1][1]}, got {start}"
            )
        rows.append((number, start, count))
    width = _width([start for _, start, _ in rows])
    for number, start, _ in rows:
        if start % width:
            raise CountsError(
                f"line {number}: expected a bucket that begins at a multiple of {width} s,"
                f" as wide as most are, got {start}"
            )
    end = rows[-1][1] // width + 1
    return _series({start // width: count for _, start, count in rows}, width, end)


def _row(number: int, text: str) -> tuple[int, int]:
    begins, comma, counted = (part.strip() for part in text.partition(","))
    excerpt = repr(text[:_EXCERPT])
    if not comma:
        raise CountsError(f"line {number}: expected bucket_start_epoch,count, got {excerpt}")
    try:
        start = parse_timestamp(begins)
    except ValueError as error:
        raise CountsError(f"line {number}: {error}") from error
    try:
        count = float(counted)
    except ValueError:
        count = -1.0
    if not (0 <= count <= _MOST_REQUESTS and count == int(count)):  # also false for NaN
        raise CountsError(
            f"line {number}: expected a whole number of requests, got {counted[:_EXCERPT]!r}"
        )
    if not start.is_integer():
        raise CountsError(f"line {number}: expected whole seconds, got {excerpt}")
    return int(start), int(count)


def _width(starts: Sequence[int]) -> int:
    distances = Counter(later - earlier for earlier, later in pairwise(starts))
    if not distances:
        raise CountsError(f"expected rows of at least two buckets, got {len(starts)}")
    most = max(distances.values())
    width = min(distance for distance, times in distances.items() if times == most)
    if not (_LEAST_BUCKET_SECONDS <= width <= HOUR and HOUR % width == 0):
        raise CountsError(
            f"expected buckets of {_LEAST_BUCKET_SECONDS} s to {HOUR:.0f} s that divide the hour,"
            f" got {width} s"
        )
    return width


def _series(found: Mapping[int, int], bucket_seconds: int, end: int) -> Counts:
    """Return what no silence interrupts that is longer than a forecast remembers.

    So one wrong clock, years ago, does not make years of silence.
    """
    begun = sorted(index for index, count in found.items() if count)
    first, longest = end, KEPT_SECONDS / bucket_seconds
    earlier = len(begun)
    for index in reversed(begun):
        if first - index > longest:
            break
        first, earlier = index, earlier - 1
    requests = [found.get(index, 0) for index in range(first, end)]
    return Counts(
        requests=requests,
        bucket_seconds=bucket_seconds,
        start=UnixSeconds(first * bucket_seconds),
        earlier=earlier,
        missing=sum(index not in found for index in range(first, end)),
    )
