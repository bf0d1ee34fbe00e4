"""Heartbeat checks over event time: how many failed, in how many outages, for how long."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from surge_exporter.core.grid import Grid
from surge_exporter.core.window import KEPT_BEHIND_SECONDS, MAX_FUTURE_SECONDS
from surge_exporter.model import (
    Dependency,
    DependencyHealth,
    OutOfWindow,
    Seconds,
    Tick,
    UnixSeconds,
)

_Change = tuple[int, bool]
"""From this second on, until the next change, the checks fail (True) or pass (False)."""


@dataclass(slots=True)
class _Bucket:
    """The checks of one bucket. A second with a failed check counts as failed, whatever the
    order they arrived in, so that adding is commutative.
    """

    checks: int = 0
    failed: int = 0
    seconds: dict[int, bool] = field(default_factory=dict)
    changes: tuple[_Change, ...] | None = None

    def add(self, at: UnixSeconds, *, failed: bool) -> None:
        self.checks += 1
        self.failed += failed
        second = int(at)
        self.seconds[second] = failed or self.seconds.get(second, False)
        self.changes = None

    def read_changes(self) -> tuple[_Change, ...]:
        if self.changes is None:
            self.changes = tuple(_changes(sorted(self.seconds.items())))
        return self.changes


def _changes(results: Iterable[_Change], *, state: bool | None = None) -> Iterator[_Change]:
    """Keep of consecutive results the first of each run; `state` is what came before."""
    for second, failed in results:
        if failed is not state:
            yield second, failed
            state = failed


@dataclass(frozen=True, slots=True)
class _Summary:
    """What the buckets up to one say together."""

    checks: int
    failed: int
    outages: int
    runs: list[_Change]
    """Every run known, the recent window's and those before."""
    newest: int
    """The second of the newest check."""


class HealthWindow:
    """Counts checks by event time; health at `now` is a pure function of both.

    Outages and downtime know seconds, counts are exact. One owner; not safe for threads.
    """

    def __init__(
        self,
        grid: Grid,
        *,
        stale_after_seconds: Seconds,
        max_future_seconds: Seconds = MAX_FUTURE_SECONDS,
    ) -> None:
        self._grid = grid
        self._stale_after_seconds = stale_after_seconds
        behind = max(KEPT_BEHIND_SECONDS, stale_after_seconds)
        self._kept = 2 * grid.span + math.ceil(behind / grid.width_seconds)
        self._max_future_seconds = max_future_seconds
        self._buckets: dict[Dependency, dict[int, _Bucket]] = {d: {} for d in Dependency}
        self._summaries: dict[Dependency, tuple[int, _Summary]] = {}
        """By the bucket the window ended with; forgotten when a check is added."""
        self._before: dict[Dependency, _Change] = {}
        """The run that was going on when the oldest kept bucket began."""
        self.oldest: UnixSeconds | None = None
        self.newest: UnixSeconds | None = None

    def add(self, ticks: Iterable[Tick], now: UnixSeconds) -> dict[OutOfWindow, int]:
        """Count each tick's checks; return how many ticks were in no window."""
        current = self._grid.index(now)
        late = future = 0
        for tick in ticks:
            if tick.at > now + self._max_future_seconds:
                future += 1
                continue
            self.oldest = min(self.oldest or tick.at, tick.at)
            self.newest = max(self.newest or tick.at, tick.at)
            index = self._grid.index(tick.at)
            if index <= current - 2 * self._grid.span:
                late += 1
                continue
            self._count(Dependency.GITEA, index, tick.at, alive=tick.gitea)
            self._count(Dependency.INFERENCE, index, tick.at, alive=tick.inference)
        self._forget_before(current - self._kept + 1)
        return {OutOfWindow.LATE: late, OutOfWindow.FUTURE: future}

    def health(self, now: UnixSeconds) -> tuple[DependencyHealth, ...]:
        """Return what the recent window says of each dependency."""
        return tuple(self._health(dependency, now) for dependency in Dependency)

    def _count(
        self, dependency: Dependency, index: int, at: UnixSeconds, *, alive: bool | None
    ) -> None:
        if alive is not None:
            buckets = self._buckets[dependency]
            if index not in buckets:
                buckets[index] = _Bucket()
            buckets[index].add(at, failed=not alive)
            self._summaries.pop(dependency, None)

    def _forget_before(self, oldest_index: int) -> None:
        for dependency, buckets in self._buckets.items():
            for index in sorted(i for i in buckets if i < oldest_index):
                for change in buckets.pop(index).read_changes():
                    before = self._before.get(dependency)
                    if before is None or before[1] is not change[1]:
                        self._before[dependency] = change

    def _health(self, dependency: Dependency, now: UnixSeconds) -> DependencyHealth:
        last = self._grid.index(now)
        have = self._summaries.get(dependency)
        if have is None or have[0] != last:
            have = self._summaries[dependency] = last, self._summarize(dependency, last)
        summary = have[1]
        start = self._grid.start(last - self._grid.span + 1)
        known_until = summary.newest + self._stale_after_seconds
        runs = summary.runs
        up = not runs[-1][1] if runs and now <= known_until else None
        return DependencyHealth(
            dependency=dependency,
            checks=summary.checks,
            failed_checks=summary.failed,
            outages=summary.outages,
            downtime_seconds=_downtime(runs, start, min(now, known_until)),
            up=up,
            last_change=UnixSeconds(float(runs[-1][0])) if runs else None,
            down_seconds=_down_seconds(runs, now, up=up),
        )

    def _summarize(self, dependency: Dependency, last: int) -> _Summary:
        buckets = self._buckets[dependency]
        indexes = sorted(buckets)  # in order already, but for late ticks
        indexes = indexes[: bisect_right(indexes, last)]
        begin = bisect_right(indexes, last - self._grid.span)
        known = [buckets[index] for index in indexes]
        before = self._before.get(dependency)
        inside = list(_changes(_read(known[begin:])))
        earlier = [*([before] if before else []), *_read(known[:begin])]
        return _Summary(
            checks=sum(bucket.checks for bucket in known[begin:]),
            failed=sum(bucket.failed for bucket in known[begin:]),
            outages=sum(failed for _, failed in inside),
            runs=list(_changes([*earlier, *inside])),
            newest=max(known[-1].seconds) if known else 0,
        )


def _read(buckets: Iterable[_Bucket]) -> Iterator[_Change]:
    """Yield the changes of buckets in order; of calm ones in a row, the first one's."""
    was_calm = False
    for bucket in buckets:
        is_calm = not bucket.failed
        if not (is_calm and was_calm):
            yield from bucket.read_changes()
        was_calm = is_calm


def _down_seconds(runs: list[_Change], now: float, *, up: bool | None) -> float | None:
    if up is None:
        return None
    return 0.0 if up else max(0.0, now - runs[-1][0])  # a fast clock's check may be ahead


def _downtime(runs: list[_Change], start: float, until: float) -> float:
    """Sum the time from a failed check to the next passed one, between `start` and `until`."""
    if not runs:
        return 0.0
    ends = [float(second) for second, _ in runs[1:]] + [until]
    return sum(
        max(0.0, min(end, until) - max(float(second), start))
        for (second, failed), end in zip(runs, ends, strict=True)
        if failed
    )
