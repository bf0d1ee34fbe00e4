"""Request aggregates over the recent window and the baseline, by caller, model and outcome.

Open buckets are dicts, sealed ones arrays (25-40 bytes a group instead of 200-400), and running
totals of both windows move when buckets do, so that reading costs nothing per bucket.
"""

import math
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from surge_exporter.core.grid import Grid
from surge_exporter.core.series import SeriesKey, SeriesTable
from surge_exporter.model import OutOfWindow, Request, Seconds, TokenVolume, UnixSeconds

MAX_FUTURE_SECONDS = Seconds(300.0)
"""A writer's clock may be this far ahead; later records are counted and dropped."""

KEPT_BEHIND_SECONDS = Seconds(3600.0)
"""Buckets behind both windows are kept this long, for a clock that is set back."""

_OPEN_BUCKETS = 3
_MOST_PIECES = 4  # of one bucket, before late records are merged into one


class _Region(Enum):
    RECENT = "recent"
    BASELINE = "baseline"
    AHEAD = "ahead"
    BEHIND = "behind"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class SeriesTotal:
    """What one series adds up to in a window."""

    key: SeriesKey
    requests: int
    volume: TokenVolume


@dataclass(frozen=True, slots=True)
class WindowTotals:
    """Both windows at one instant."""

    recent: tuple[SeriesTotal, ...]
    baseline: tuple[SeriesTotal, ...]


_Totals = dict[int, list[int]]
"""Series identifier -> [requests, quarter tokens, sizes logged, sizes estimated]."""


class _Sealed:
    """The groups of a bucket that no longer changes, in columns."""

    __slots__ = ("estimated", "identifiers", "logged", "quarters", "requests")

    def __init__(self, groups: _Totals) -> None:
        self.identifiers = array("I", groups)
        columns = zip(*groups.values(), strict=True)
        self.requests = array("I", next(columns))
        self.quarters = array("Q", next(columns))
        self.logged = array("I", next(columns))
        self.estimated = array("I", next(columns))

    def rows(self) -> Iterator[tuple[int, int, int, int, int]]:
        return zip(
            self.identifiers,
            self.requests,
            self.quarters,
            self.logged,
            self.estimated,
            strict=True,
        )


class RequestWindow:
    """Counts requests by event time; the totals at `now` are a pure function of both.

    Order of arrival does not matter: a late record opens its bucket again and is sealed as a
    second piece. Memory is bounded by buckets x series. One owner; not safe for threads.
    """

    def __init__(
        self,
        grid: Grid,
        series: SeriesTable,
        *,
        max_future_seconds: Seconds = MAX_FUTURE_SECONDS,
    ) -> None:
        self._grid = grid
        self._series = series
        self._max_future_seconds = max_future_seconds
        self._kept = 2 * grid.span + math.ceil(KEPT_BEHIND_SECONDS / grid.width_seconds)
        self._opened: dict[int, _Totals] = {}
        self._sealed: dict[int, list[_Sealed]] = {}
        self._totals: dict[_Region, _Totals] = {_Region.RECENT: {}, _Region.BASELINE: {}}
        self._current: int | None = None
        self.oldest: UnixSeconds | None = None
        self.newest: UnixSeconds | None = None

    @property
    def kept_seconds(self) -> Seconds:
        """How long ago the oldest request may be that is held after `move_to`."""
        return Seconds(self._kept * self._grid.width_seconds)

    def add(self, requests: Iterable[Request], now: UnixSeconds) -> dict[OutOfWindow, int]:
        """Count each request in the bucket of its time; return how many were in no window."""
        self.move_to(now)
        origin, width = self._grid.origin, self._grid.width_seconds
        ids = self._series.ids
        latest = now + self._max_future_seconds
        oldest, newest = self.oldest or latest, self.newest or 0.0
        late = future = 0
        current, bucket = None, None
        for request in requests:
            at = request.at
            if at > latest:
                future += 1
                continue
            if at < oldest:  # noqa: PLR1730 - a call costs 60 ns a line here
                oldest = at
            if at > newest:  # noqa: PLR1730
                newest = at
            index = int((at - origin) // width)
            if index != current:
                current, bucket = index, self._open(index)
            if bucket is None:
                late += 1
                continue
            identifier = ids.get((request.caller, request.model, request.success))
            if identifier is None:
                identifier = self._series.admit(
                    request.caller, request.model, success=request.success, at=at
                )
            group = bucket.get(identifier)
            if group is None:
                group = bucket[identifier] = [0, 0, 0, 0]
                self._series.touch(identifier, at)
            group[0] += 1
            _add_volume(group, request)
        if newest:
            self.oldest, self.newest = UnixSeconds(oldest), UnixSeconds(newest)
        self._seal_all_but(_OPEN_BUCKETS)
        return {OutOfWindow.LATE: late, OutOfWindow.FUTURE: future}

    def totals(self, now: UnixSeconds) -> WindowTotals:
        """Return what each window holds at `now`, by series; empty series are left out."""
        self.move_to(now)
        merged = {region: dict(totals) for region, totals in self._totals.items()}
        for index, groups in self._opened.items():
            target = merged.get(self._region(index, self._current))
            if target is not None:
                for identifier, group in groups.items():
                    have = target.get(identifier, (0, 0, 0, 0))
                    target[identifier] = [a + b for a, b in zip(have, group, strict=True)]
        return WindowTotals(
            recent=self._readable(merged[_Region.RECENT]),
            baseline=self._readable(merged[_Region.BASELINE]),
        )

    def move_to(self, now: UnixSeconds) -> None:
        """Let the windows end with the bucket of `now`, forwards or, the clock set, back."""
        previous, current = self._current, self._grid.index(now)
        if previous == current:
            return
        self._seal_all_but(0)
        self._current = current
        for index in self._crossing(previous, current):
            pieces = self._sealed[index]
            was, is_now = self._region(index, previous), self._region(index, current)
            if was is is_now:
                continue
            for piece in pieces:
                self._subtract(was, piece)
                self._sum(is_now, piece)
            if is_now is _Region.GONE:
                del self._sealed[index]

    def _crossing(self, previous: int | None, current: int) -> set[int]:
        """Return the sealed buckets that a move may bring into another region."""
        span = self._grid.span
        if previous is None or abs(current - previous) > span:
            return set(self._sealed)
        first, last = sorted((previous, current))
        return {
            index
            for age in (0, span, 2 * span, self._kept)
            for index in range(first - age + 1, last - age + 1)
            if index in self._sealed
        }

    def _readable(self, totals: _Totals) -> tuple[SeriesTotal, ...]:
        return tuple(
            SeriesTotal(self._series.key(identifier), group[0], TokenVolume(*group[1:]))
            for identifier, group in totals.items()
        )

    def _region(self, index: int, current: int | None) -> _Region:
        if current is None or index > current:
            return _Region.AHEAD
        age = current - index
        if age < self._grid.span:
            return _Region.RECENT
        if age < 2 * self._grid.span:
            return _Region.BASELINE
        return _Region.BEHIND if age < self._kept else _Region.GONE

    def _open(self, index: int) -> _Totals | None:
        """Return the open bucket at `index`; None when it lies behind both windows."""
        if self._region(index, self._current) in {_Region.BEHIND, _Region.GONE}:
            return None
        return self._opened.setdefault(index, {})

    def _seal_all_but(self, kept: int) -> None:
        """Seal the oldest open buckets until `kept` are left."""
        opened = self._opened
        for index in sorted(opened)[: max(0, len(opened) - kept)]:
            groups = opened.pop(index)
            if groups:
                self._seal(index, groups)

    def _seal(self, index: int, groups: _Totals) -> None:
        piece = _Sealed(groups)
        self._sum(self._region(index, self._current), piece)
        pieces = self._sealed.setdefault(index, [])
        pieces.append(piece)
        if len(pieces) > _MOST_PIECES:
            merged: _Totals = {}
            for part in pieces:
                _merge(merged, part)
            self._sealed[index] = [_Sealed(merged)]

    def _sum(self, region: _Region, piece: _Sealed) -> None:
        totals = self._totals.get(region)
        if totals is not None:
            _merge(totals, piece)

    def _subtract(self, region: _Region, piece: _Sealed) -> None:
        totals = self._totals.get(region)
        if totals is None:
            return
        for identifier, requests, quarters, logged, estimated in piece.rows():
            group = totals[identifier]
            group[0] -= requests
            group[1] -= quarters
            group[2] -= logged
            group[3] -= estimated
            if not group[0]:
                del totals[identifier]


def _merge(totals: _Totals, piece: _Sealed) -> None:
    for identifier, requests, quarters, logged, estimated in piece.rows():
        group = totals.get(identifier)
        if group is None:
            totals[identifier] = [requests, quarters, logged, estimated]
        else:
            group[0] += requests
            group[1] += quarters
            group[2] += logged
            group[3] += estimated


def _add_volume(group: list[int], request: Request) -> None:
    """Add tokens where they were logged, else characters / 4, for each direction."""
    tokens = request.prompt_tokens
    if tokens is not None:
        group[1] += 4 * tokens
        group[2] += 1
    elif request.prompt_len is not None:
        group[1] += request.prompt_len
        group[3] += 1
    tokens = request.response_tokens
    if tokens is None:
        tokens = request.completion_tokens
    if tokens is not None:
        group[1] += 4 * tokens
        group[2] += 1
    elif request.response_len is not None:
        group[1] += request.response_len
        group[3] += 1
