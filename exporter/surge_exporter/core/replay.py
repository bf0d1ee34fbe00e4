"""Play recorded telemetry back: what a running exporter would have observed, step by step."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf
from operator import attrgetter
from typing import Generic, TypeVar

from surge_exporter.core.cycle import Cycle, Ingested, Telemetry, ingested
from surge_exporter.core.history import KEPT_SECONDS
from surge_exporter.core.records import RequestDecoder
from surge_exporter.core.ticks import TickDecoder
from surge_exporter.core.window import MAX_FUTURE_SECONDS
from surge_exporter.model import (
    HOUR,
    Observation,
    OutOfWindow,
    Request,
    Seconds,
    Source,
    Tick,
    UnixSeconds,
)

_EXPIRE_SECONDS = 600.0
_FORGOTTEN_SECONDS = KEPT_SECONDS + 24 * HOUR
"""So long after the last record nothing of it is left in windows or history."""
_Record = TypeVar("_Record", Request, Tick)
_by_time = attrgetter("at")

See = Callable[[int, Observation], bool]
"""Is shown each step's number and what is observed at it; says whether anything is active."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """Records of both sources, each in the order of time."""

    requests: Sequence[Request]
    ticks: Sequence[Tick]

    @property
    def span(self) -> tuple[UnixSeconds, UnixSeconds] | None:
        """The instants of the first record and the last; None without records."""
        ends = [r[place].at for r in (self.requests, self.ticks) if r for place in (0, -1)]
        return (UnixSeconds(min(ends)), UnixSeconds(max(ends))) if ends else None

    def requests_by_hour(self) -> Mapping[int, int]:
        """Return how many requests each hour of the epoch has that has any."""
        return Counter(int(request.at // HOUR) for request in self.requests)


class Recorder:
    """Takes in blocks of lines as a cycle does, in any order, and keeps all their records."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._request_decoder = RequestDecoder(telemetry.request_fields, telemetry.zone)
        self._tick_decoder = TickDecoder(telemetry.heartbeat_fields, telemetry.zone)
        self._requests: list[Request] = []
        self._ticks: list[Tick] = []
        self._names: dict[str, str] = {}
        self._latest = 0.0

    def ingest(
        self,
        source: Source,
        block: bytes,
        *,
        now: UnixSeconds,
        live: bool,  # noqa: ARG002 - as a cycle does
    ) -> Ingested:
        """Take in whole lines. Records from after `now` are of a clock that is wrong."""
        self._latest = now + MAX_FUTURE_SECONDS
        if source is Source.REQUESTS:
            requests = self._request_decoder.decode(block)
            for request in requests.records:
                self._slim(request)
            self._requests += requests.records
            return ingested(requests, self._outside(requests.records))
        ticks = self._tick_decoder.decode(block)
        self._ticks += ticks.records
        return ingested(ticks, self._outside(ticks.records))

    def recorded(self) -> Recorded:
        """Return what came; what is of the future only where there is nothing else."""
        everything = Recorded(_in_order(self._requests), _in_order(self._ticks))
        known = Recorded(
            _until(everything.requests, self._latest), _until(everything.ticks, self._latest)
        )
        return known if known.span else everything

    def _outside(self, records: Sequence[Request] | Sequence[Tick]) -> Mapping[OutOfWindow, int]:
        future = sum(record.at > self._latest for record in records)
        return {OutOfWindow.LATE: 0, OutOfWindow.FUTURE: future}

    def _slim(self, request: Request) -> None:
        """Keep of the time its number, and each name once."""
        request.timestamp = request.at
        if isinstance(request.caller, str):
            request.caller = self._names.setdefault(request.caller, request.caller)
        if isinstance(request.model, str):
            request.model = self._names.setdefault(request.model, request.model)


def play(
    cycle: Cycle,
    recorded: Recorded,
    step_seconds: Seconds,
    see: See,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Show what is observed at each of the recorded telemetry's `steps`.

    What is older is known at a step, and nothing else: a line counts as written at its own time.
    `progress` is told of steps done. A silence after which nothing is left to know is passed over.
    """
    step, last = steps(recorded, step_seconds)
    requests, ticks = _Feed(recorded.requests), _Feed(recorded.ticks)
    expired_at = 0.0
    while step <= last:
        now = UnixSeconds(step * step_seconds)
        cycle.admit(requests.until(now), ticks.until(now), now)
        if now - expired_at >= _EXPIRE_SECONDS:
            cycle.expire(now)
            expired_at = now
        active = see(step, cycle.observe(now))
        following = step + 1
        if not active and now - max(requests.newest, ticks.newest) > _FORGOTTEN_SECONDS:
            following = max(following, ceil(min(requests.next, ticks.next) / step_seconds))
        progress(following - step)
        step = following


def steps(recorded: Recorded, step_seconds: Seconds) -> tuple[int, int]:
    """Return the first and the last step, multiples of `step_seconds` from the epoch.

    Each is the first at which the record in question is known; without records there are none.
    """
    if recorded.span is None:
        return 0, -1
    first, last = recorded.span
    return ceil(first / step_seconds), ceil(last / step_seconds)


class _Feed(Generic[_Record]):
    """Hands out records, which are in the order of time, as time goes by."""

    def __init__(self, records: Sequence[_Record]) -> None:
        self._records: Sequence[_Record] = records
        self._place = 0

    @property
    def newest(self) -> float:
        """The time of the record handed out last."""
        return self._records[self._place - 1].at if self._place else 0.0

    @property
    def next(self) -> float:
        """The time of the record that comes next."""
        return self._records[self._place].at if self._place < len(self._records) else inf

    def until(self, now: UnixSeconds) -> Sequence[_Record]:
        begin = self._place
        self._place = bisect_right(self._records, now, lo=begin, key=_by_time)
        return self._records[begin : self._place]


def _in_order(records: list[_Record]) -> list[_Record]:
    return sorted(records, key=_by_time)


def _until(records: Sequence[_Record], latest: float) -> Sequence[_Record]:
    return records[: bisect_right(records, latest, key=_by_time)]
