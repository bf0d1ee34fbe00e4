"""What telemetry says of models and demand: what the scaler goes by beside the host."""

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from surge_exporter.model import Seconds, UnixSeconds
from surge_exporter.runtime.clock import Clock
from surge_exporter.scaling.performance import Performance
from surge_exporter.snapshot import RawTotals, Snapshot

WINDOW_SECONDS = 600.0
"""Performance is that of so long ago until now."""

REFRESH_SECONDS = 30.0
"""Where nobody scrapes for so long, a snapshot is made for the scaler alone."""

_STEP_SECONDS = 15.0  # between two counts that are kept
_TAIL = 0.95
_SURGES = frozenset({"demand_surge", "predicted_demand"})

_Buckets = tuple[tuple[str, int], ...]


class _Count(NamedTuple):
    """Counters of one model."""

    requests: int = 0
    failures: int = 0
    buckets: _Buckets = ()


class _Counted(NamedTuple):
    """Counters of all models at one instant."""

    at: UnixSeconds
    of: Mapping[str, _Count]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the scaler goes by, of telemetry."""

    performance: Mapping[str, Performance] = field(default_factory=dict)
    surge_predicted: bool = False


class Telling:
    """Turns snapshots into what the scaler goes by. One owner, the sampler's thread."""

    def __init__(
        self, clock: Clock, newest: Callable[[], Snapshot], refresh: Callable[[], None]
    ) -> None:
        """Take what returns the newest snapshot, and what asks for another; neither may wait."""
        self._clock = clock
        self._newest = newest
        self._refresh = refresh
        self._counted: deque[_Counted] = deque()
        self._seen: Snapshot | None = None
        self._seen_at = clock.monotonic()
        self._latest = Surroundings()

    def surroundings(self) -> Surroundings:
        """Return what the newest snapshot says; where nobody scrapes, that is a little old."""
        snapshot, now = self._newest(), self._clock.monotonic()
        if snapshot is not self._seen:
            self._seen, self._seen_at = snapshot, now
            self._latest = Surroundings(self._performance(snapshot), surge_predicted(snapshot))
        elif now - self._seen_at >= REFRESH_SECONDS:
            self._seen_at = now
            self._refresh()
        return self._latest

    def _performance(self, snapshot: Snapshot) -> Mapping[str, Performance]:
        now = _Counted(snapshot.at, _counts(snapshot.totals))
        if self._counted and _went_back(self._counted[-1], now):
            self._counted.clear()
        if not self._counted or now.at - self._counted[-1].at >= _STEP_SECONDS:
            self._counted.append(now)
        while len(self._counted) > 1 and now.at - self._counted[1].at >= WINDOW_SECONDS:
            self._counted.popleft()
        before = self._counted[0].of
        return {
            model: _between(model, before.get(model, _Count()), count)
            for model, count in now.of.items()
        }


def surge_predicted(snapshot: Snapshot) -> bool:
    """Say whether demand is about to need what is there, or does already.

    The seasonal test has the word where there is one: the raw ratio knows no small counts.
    """
    if snapshot.observation is None or snapshot.verdict is None:
        return False
    signals = {finding.signal for finding in snapshot.verdict.findings} & _SURGES
    test = snapshot.observation.demand.surge_test
    if test is not None:
        return bool(test.confirmed) or "predicted_demand" in signals
    return bool(signals)


def _counts(totals: RawTotals) -> dict[str, _Count]:
    counts: dict[str, _Count] = {}
    for series in totals.series:
        before = counts.get(series.model, _Count())
        counts[series.model] = _Count(
            before.requests + series.requests, before.failures + series.failures
        )
    for model, histogram in totals.durations.items():
        counts[model] = counts.get(model, _Count())._replace(buckets=histogram.buckets)
    return counts


def _went_back(before: _Counted, now: _Counted) -> bool:
    """Say whether counters or the clock did: neither can be compared with what was."""
    return now.at < before.at or any(
        now.of.get(model, _Count()).requests < count.requests for model, count in before.of.items()
    )


def _between(model: str, before: _Count, now: _Count) -> Performance:
    return Performance(
        model=model,
        requests=now.requests - before.requests,
        failures=now.failures - before.failures,
        p95_seconds=_tail(dict(before.buckets), now.buckets),
    )


def _tail(before: Mapping[str, int], now: _Buckets) -> Seconds | None:
    """Return what 95 % took at most, within a bucket as if spread evenly; None without any.

    Of those beyond the last bound it is only known that they took longer than that.
    """
    counts = [(float(bound), count - before.get(bound, 0)) for bound, count in now]
    if not counts or counts[-1][1] <= 0:
        return None
    wanted = _TAIL * counts[-1][1]
    low, below = 0.0, 0
    for bound, count in counts:
        if count >= wanted:
            if math.isinf(bound):
                break
            return Seconds(low + (bound - low) * (wanted - below) / (count - below))
        low, below = bound, count
    return Seconds(low)
