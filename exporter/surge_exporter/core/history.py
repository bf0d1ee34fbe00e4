"""Requests per five minutes of the last four weeks, in all and by caller: what is usual when."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from zlib import compress, decompress, error

import msgspec

from surge_exporter.core.envelope import StateError, sealed, unsealed
from surge_exporter.core.series import clean_label
from surge_exporter.model import HOUR, Request, Seconds, UnixSeconds
from surge_exporter.snapshot import StateFault

BUCKET_SECONDS = Seconds(300.0)
KEPT_SECONDS = Seconds(28 * 24 * HOUR)

_KEPT_BUCKETS = int(KEPT_SECONDS // BUCKET_SECONDS)
_BUCKETS_AHEAD = 1  # a writer's clock may be ahead


@dataclass(frozen=True, slots=True)
class CountSeries:
    """Requests per bucket, oldest first; the last bucket ends at `end`."""

    counts: "array[int]"
    end: UnixSeconds


@dataclass(frozen=True, slots=True)
class SavedCounts:
    """Requests by bucket, little-endian words of four bytes."""

    first: int
    words: bytes


@dataclass(frozen=True, slots=True)
class SavedHistory:
    """What was known up to the bucket `end`."""

    end: int
    total: SavedCounts
    callers: Mapping[str, SavedCounts]


class _Counts:
    """Requests by bucket, from the first that has any. Takes room for what it spans, no more."""

    __slots__ = ("counts", "first")

    def __init__(self, first: int, counts: Iterable[int] = ()) -> None:
        self.first = first
        self.counts = array("I", counts)

    @property
    def end(self) -> int:
        return self.first + len(self.counts)

    def add(self, index: int, count: int) -> None:
        if not self.counts or abs(index - self.end) >= 2 * _KEPT_BUCKETS:
            self.first, self.counts = index, _zeros(1)  # one of both clocks was years off
        place = index - self.first
        if place < 0:
            self.counts = _zeros(-place) + self.counts
            self.first, place = index, 0
        if place >= len(self.counts):
            self.counts.extend(_zeros(place + 1 - len(self.counts)))
        self.counts[place] += count

    def merge(self, first: int, counts: "array[int]") -> None:
        """Add counts of the buckets from `first` on."""
        for index, count in enumerate(counts, first):
            if count:
                self.add(index, count)

    def between(self, start: int, stop: int) -> "array[int]":
        """Return the counts of a range, zeros where nothing was counted."""
        begin, end = max(start, self.first), min(stop, self.end)
        if begin >= end:
            return _zeros(stop - start)
        known = self.counts[begin - self.first : end - self.first]
        return _zeros(begin - start) + known + _zeros(stop - end)

    def forget_since(self, index: int) -> None:
        del self.counts[max(0, index - self.first) :]

    def forget_before(self, index: int) -> None:
        if index > self.first:
            del self.counts[: index - self.first]
            self.first = index


class CountHistory:
    """Counts by event time, whatever the order of arrival. One owner; not safe for threads.

    Memory: four bytes a bucket, 32 KB for all requests and as much for each caller that has
    been there for all of the time.
    """

    def __init__(self, *, caller_limit: int = 500) -> None:
        """Take how many callers to tell apart; requests of others are in the total alone."""
        self._caller_limit = caller_limit
        self._total: _Counts | None = None
        self._callers: dict[str, _Counts] = {}

    @property
    def start(self) -> UnixSeconds | None:
        """When the first bucket begins that has a request."""
        if self._total is None or not self._total.counts:
            return None
        return UnixSeconds(self._total.first * BUCKET_SECONDS)

    def add(
        self,
        requests: Iterable[Request],
        now: UnixSeconds,
        *,
        since: UnixSeconds | None = None,
        until: UnixSeconds | None = None,
    ) -> None:
        """Count requests, but those older than is kept and those in the future.

        With `since` and `until`, which are the beginnings of buckets, those between alone.
        """
        current = _index(now)
        first, last = current - _KEPT_BUCKETS + 1, current + _BUCKETS_AHEAD
        if since is not None:
            first = max(first, _index(since))
        if until is not None:
            last = min(last, _index(until) - 1)
        width = BUCKET_SECONDS
        found = Counter([(int(request.at // width), request.caller) for request in requests])
        for (index, caller), count in found.items():
            if first <= index <= last:
                self._count(index, clean_label(caller), count)

    @staticmethod
    def boundary(at: UnixSeconds) -> UnixSeconds:
        """Return the beginning of the bucket of an instant."""
        return UnixSeconds(_index(at) * BUCKET_SECONDS)

    def total(self, now: UnixSeconds, *, start: UnixSeconds | None = None) -> CountSeries:
        """Return what all requests add up to: the complete buckets before `now`.

        It begins with the first request, or earlier, at `start`, if it is known that there was
        none; at most `KEPT_SECONDS` before.
        """
        begins = [at for at in (self.start, start) if at is not None]
        return self._series(self._total, now, min(begins, default=now))

    def caller(self, caller: str, now: UnixSeconds) -> CountSeries:
        """Return the same for one caller, from the first request of anyone on."""
        return self._series(self._callers.get(caller), now, self.start or now)

    def expire(self, now: UnixSeconds, *, idle_since: UnixSeconds) -> None:
        """Forget what is older than is kept, and the callers that are idle since then."""
        first, used = _index(now) - _KEPT_BUCKETS + 1, _index(idle_since)
        self._callers = {c: counts for c, counts in self._callers.items() if counts.end > used}
        for counts in self._all():
            counts.forget_before(first)

    def forget_since(self, at: UnixSeconds) -> None:
        """Forget the buckets from that of an instant on, which are to be counted anew."""
        for counts in self._all():
            counts.forget_since(_index(at))

    def saved(self, now: UnixSeconds) -> "SavedHistory":
        """Return the complete buckets before `now`, to be put away."""
        stop = _index(now)
        return SavedHistory(
            end=stop,
            total=_saved(self._total, stop),
            callers={caller: _saved(counts, stop) for caller, counts in self._callers.items()},
        )

    def restore(self, saved: "SavedHistory", until: UnixSeconds) -> UnixSeconds:
        """Add what was saved, up to `until`; return up to when it was known."""
        stop = min(saved.end, _index(until))
        self._restore(saved.total, stop, None)
        for caller, counts in saved.callers.items():
            self._restore(counts, stop, caller)
        return UnixSeconds(stop * BUCKET_SECONDS)

    def _count(self, index: int, caller: str, count: int) -> None:
        if self._total is None:
            self._total = _Counts(index)
        self._total.add(index, count)
        counts = self._callers.get(caller)
        if counts is None and len(self._callers) < self._caller_limit:
            counts = self._callers[caller] = _Counts(index)
        if counts is not None:
            counts.add(index, count)

    def _restore(self, saved: SavedCounts, stop: int, caller: str | None) -> None:
        counts = array("I", saved.words[: 4 * max(0, stop - saved.first)])
        if not counts:
            return
        if caller is None:
            self._total = merged = self._total or _Counts(saved.first)
        else:
            merged = self._callers.setdefault(caller, _Counts(saved.first))
        merged.merge(saved.first, counts)

    def _all(self) -> Iterator[_Counts]:
        if self._total is not None:
            yield self._total
        yield from self._callers.values()

    def _series(self, counts: _Counts | None, now: UnixSeconds, start: UnixSeconds) -> CountSeries:
        stop = _index(now)
        begin = min(stop, max(_index(start), stop - _KEPT_BUCKETS))
        found = _zeros(stop - begin) if counts is None else counts.between(begin, stop)
        return CountSeries(found, UnixSeconds(stop * BUCKET_SECONDS))


def _index(at: float) -> int:
    return int(at // BUCKET_SECONDS)


_KIND = b"surge-exporter history"
_VERSION = 1
_decoder = msgspec.msgpack.Decoder(SavedHistory)


def encode(saved: SavedHistory) -> bytes:
    """Return a history as bytes: hundreds of KB in memory, a few on a disk."""
    return sealed(_KIND, _VERSION, compress(msgspec.msgpack.encode(saved), 1))


def decode(data: bytes) -> SavedHistory:
    """Return the history that was encoded.

    Raises:
        StateError: it is none, damaged, or of another version.
    """
    body = unsealed(_KIND, _VERSION, data)
    try:
        return _decoder.decode(decompress(body))
    except (msgspec.DecodeError, error, UnicodeDecodeError) as fault:
        raise StateError(StateFault.CORRUPT, str(fault)) from fault


def _saved(counts: _Counts | None, stop: int) -> SavedCounts:
    if counts is None:
        return SavedCounts(stop, b"")
    return SavedCounts(counts.first, counts.between(counts.first, stop).tobytes())


def _zeros(count: int) -> "array[int]":
    return array("I", bytes(4 * max(0, count)))
