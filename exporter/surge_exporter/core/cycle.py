"""The state machine between bytes and numbers: blocks of lines in, an observation out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo

from surge_exporter.core.counters import RawCounters
from surge_exporter.core.demand import measure_callers, measure_demand
from surge_exporter.core.grid import Grid
from surge_exporter.core.health import HealthWindow
from surge_exporter.core.history import BUCKET_SECONDS, KEPT_SECONDS, CountHistory, SavedHistory
from surge_exporter.core.objects import Decoded
from surge_exporter.core.outlook import Outlook
from surge_exporter.core.records import RequestDecoder
from surge_exporter.core.series import SeriesTable
from surge_exporter.core.ticks import TickDecoder
from surge_exporter.core.window import MAX_FUTURE_SECONDS, RequestWindow
from surge_exporter.model import (
    Observation,
    OutOfWindow,
    Rejected,
    Request,
    Seconds,
    Source,
    Tick,
    UnixSeconds,
)
from surge_exporter.snapshot import RawTotals

SIX_HOURS = Seconds(6 * 3600.0)
QUARTER_HOUR = Seconds(15 * 60.0)
SEVEN_DAYS = Seconds(7 * 86400.0)

_REPORT_LABELS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """What the core must know to read telemetry; every value has the design's default."""

    horizon_seconds: Seconds = SIX_HOURS
    stale_after_seconds: Seconds = QUARTER_HOUR
    request_fields: Mapping[str, str] = field(default_factory=dict)
    heartbeat_fields: Mapping[str, str] = field(default_factory=dict)
    zone: tzinfo = UTC
    caller_limit: int = 500
    model_limit: int = 50
    idle_expiry_seconds: Seconds = SEVEN_DAYS


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of one block of lines."""

    lines: int
    records: int
    repaired: int
    rejected: tuple[Rejected, ...]
    out_of_window: Mapping[OutOfWindow, int]


class Cycle:
    """Owns the windows and counters. One thread ingests and observes; readers get values.

    `now` never comes from a clock here. With `report_at`, the windows end exactly at that
    instant and nothing after it counts.
    """

    def __init__(self, telemetry: Telemetry, *, report_at: UnixSeconds | None = None) -> None:
        self._telemetry = telemetry
        self._grid = Grid.for_horizon(telemetry.horizon_seconds)
        self._max_future_seconds = MAX_FUTURE_SECONDS
        if report_at is not None:
            self._grid, self._max_future_seconds = self._grid.ending_at(report_at), Seconds(0.0)
        callers, models = telemetry.caller_limit, telemetry.model_limit
        if report_at is not None:  # the limits protect a server that runs for months
            callers = models = _REPORT_LABELS
        self._series = SeriesTable(callers=callers, models=models)
        self._window, self._health = self._empty_windows()
        self._counters = RawCounters(self._series)
        self._requests = RequestDecoder(telemetry.request_fields, telemetry.zone)
        self._ticks = TickDecoder(telemetry.heartbeat_fields, telemetry.zone)
        self._older_history: UnixSeconds | None = None
        self._history = CountHistory(caller_limit=callers)
        self._outlook = Outlook(self._history, telemetry.horizon_seconds)
        self._recalled: tuple[UnixSeconds, UnixSeconds] | None = None
        self._filled_from: UnixSeconds | None = None
        """From when on the windows' first reading counts towards history, too."""
        self._recalls = False

    def ingest(self, source: Source, block: bytes, *, now: UnixSeconds, live: bool) -> Ingested:
        """Take in whole lines. Only `live` ones count towards the counters."""
        if source is Source.REQUESTS:
            requests: Decoded[Request] = self._requests.decode(block)
            outside = self._window.add(requests.records, now)
            self._history.add(requests.records, now, since=None if live else self._filled_from)
            if live:
                self._counters.add_requests(requests.records, now)
            return ingested(requests, outside)
        ticks: Decoded[Tick] = self._ticks.decode(block)
        outside = self._health.add(ticks.records, now)
        if live:
            self._counters.add_ticks(ticks.records)
        return ingested(ticks, outside)

    def admit(self, requests: Sequence[Request], ticks: Sequence[Tick], now: UnixSeconds) -> None:
        """Take in records that were decoded before; the counters know nothing of them."""
        if requests:
            self._window.add(requests, now)
            self._history.add(requests, now)
        if ticks:
            self._health.add(ticks, now)

    def set_surge_factors(self, *, warning: float, critical: float) -> None:
        """Confirm surges above these factors over what is usual."""
        self._outlook.set_surge_factors(warning=warning, critical=critical)

    def begin_recall(
        self, until: UnixSeconds, saved: SavedHistory | None = None
    ) -> UnixSeconds | None:
        """Leave history before about an instant to `recall`, as far as it was not saved.

        Until `end_recall` there are no forecasts: half a history would look like a ramp.
        Return from when on telemetry is to be recalled; None if there is no need to.
        """
        until = self._history.boundary(until)
        since = UnixSeconds(until - KEPT_SECONDS)
        if saved is not None:
            since = max(since, self._history.restore(saved, until))
        self._recalled, self._filled_from = (since, until), until
        self._recalls = since < until
        return since if self._recalls else None

    def recall(self, block: bytes, now: UnixSeconds) -> None:
        """Take in whole lines of requests that history alone is to know."""
        if self._recalled is not None:
            since, until = self._recalled
            records = self._requests.decode(block).records
            self._history.add(records, now, since=since, until=until)

    def end_recall(self) -> None:
        """Note that all is recalled."""
        self._recalls = False

    def saved_history(self, now: UnixSeconds) -> SavedHistory | None:
        """Return what history is to be put away; None while it is not complete."""
        return None if self._recalls else self._history.saved(now)

    def refresh_a_caller(self, now: UnixSeconds) -> bool:
        """Bring the surge test of one caller up to date; False if all are."""
        return not self._recalls and self._outlook.refresh_a_caller(now)

    def timestamps(self, source: Source, block: bytes) -> list[UnixSeconds]:
        """Return the times of the records of a block, and ingest nothing."""
        decoder = self._requests if source is Source.REQUESTS else self._ticks
        return [UnixSeconds(record.at) for record in decoder.decode(block).records]

    def observe(self, now: UnixSeconds) -> Observation:
        """Conclude what telemetry says at `now`."""
        totals = self._window.totals(now)
        last_record = self._last_record()
        demand = measure_demand(
            totals,
            now=now,
            horizon_seconds=self._telemetry.horizon_seconds,
            history_start=self._history_start(),
        )
        if not self._recalls:
            self._outlook.refresh(now, self._history_start())
        return Observation(
            at=now,
            demand=self._outlook.of_demand(demand),
            callers=self._outlook.of_callers(measure_callers(totals, demand)),
            dependencies=self._health.health(now),
            history_start=self._history_start(),
            last_record=last_record,
            stale=now - max(last_record.values(), default=0.0)
            > self._telemetry.stale_after_seconds,
        )

    def extend_history(self, at: UnixSeconds) -> None:
        """Note that there is telemetry as old as `at`, though nobody read it."""
        self._older_history = min(at, self._older_history or at)

    def restart(self, jump: Seconds, now: UnixSeconds) -> None:
        """Empty the windows, to be filled anew, because the clock was set by so much, to `now`.

        Counters stay, and callers and models have been idle for as long as before.
        """
        self._window, self._health = self._empty_windows()
        self._older_history = None
        self._series.shift(jump)
        windows = UnixSeconds(now - 2 * self._telemetry.horizon_seconds + BUCKET_SECONDS)
        self._filled_from = self._history.boundary(windows)
        if self._recalled is not None:
            since, until = self._recalled
            self._recalled = since, min(until, self._filled_from)
        self._history.forget_since(self._filled_from)
        self._history.expire(now, idle_since=UnixSeconds(now - KEPT_SECONDS))
        self._outlook.start_over()

    def take_over(self, other: "Cycle") -> None:
        """Go on with the counters of another cycle, which counts no more."""
        self._counters = other._counters  # noqa: SLF001 - of the same class
        self._counters.move_to(self._series)

    def totals(self, *, scraped: bool) -> RawTotals:
        """Return the counters; see `RawCounters.totals`."""
        return self._counters.totals(scraped=scraped)

    def confirm(self) -> None:
        """Note that the last scrape arrived."""
        self._counters.confirm()

    def withheld(self) -> RawTotals:
        """Return what was counted and no scrape has shown yet."""
        return self._counters.withheld()

    def restore(self, owed: RawTotals, now: UnixSeconds) -> None:
        """Take over what a process before this one had counted and not shown."""
        self._counters.restore(owed, now)

    def expire(self, now: UnixSeconds) -> None:
        """Forget callers and models that have been idle for long, and longer than the window."""
        self._window.move_to(now)
        idle = max(self._telemetry.idle_expiry_seconds, self._window.kept_seconds)
        self._counters.forget(self._series.expire(now - idle))
        self._history.expire(now, idle_since=UnixSeconds(now - idle))

    def _empty_windows(self) -> tuple[RequestWindow, HealthWindow]:
        window = RequestWindow(
            self._grid, self._series, max_future_seconds=self._max_future_seconds
        )
        health = HealthWindow(
            self._grid,
            stale_after_seconds=self._telemetry.stale_after_seconds,
            max_future_seconds=self._max_future_seconds,
        )
        return window, health

    def _history_start(self) -> UnixSeconds | None:
        known = (self._window.oldest, self._health.oldest, self._older_history)
        return min((at for at in known if at is not None), default=None)

    def _last_record(self) -> dict[Source, UnixSeconds]:
        newest = {Source.REQUESTS: self._window.newest, Source.HEARTBEAT: self._health.newest}
        return {source: at for source, at in newest.items() if at is not None}


def ingested(
    decoded: Decoded[Request] | Decoded[Tick], outside: Mapping[OutOfWindow, int]
) -> Ingested:
    """Return what became of a decoded block, given how many of its records are in no window."""
    return Ingested(
        lines=decoded.lines,
        records=len(decoded.records),
        repaired=decoded.repaired,
        rejected=tuple(decoded.rejected),
        out_of_window=outside,
    )
