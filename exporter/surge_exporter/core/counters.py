"""Counters since the process started, for rules that sum over exporters."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate

from surge_exporter.core.series import OTHER, SeriesKey, SeriesTable
from surge_exporter.model import Dependency, Request, Tick, UnixSeconds
from surge_exporter.snapshot import HistogramValue, RawTotals, SeriesCount

DURATION_BOUNDS_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0)
"""Doublings from interactive to very slow generation; the last bucket is open."""


@dataclass(slots=True)
class _Count:
    """A counter that is 0 in the first scrape that shows it: born with its count, `increase()`
    would never see that count.
    """

    total: int = 0
    shown: bool = False

    def read(self, *, scraped: bool) -> int:
        value = self.total if self.shown else 0
        self.shown |= scraped
        return value


@dataclass(slots=True)
class _Series:
    requests: _Count = field(default_factory=_Count)
    failures: _Count = field(default_factory=_Count)
    prompt_tokens: _Count | None = None
    response_tokens: _Count | None = None


@dataclass(slots=True)
class _Histogram:
    counts: list[int] = field(default_factory=lambda: [0] * (len(DURATION_BOUNDS_SECONDS) + 1))
    total: float = 0.0
    shown: bool = False

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(DURATION_BOUNDS_SECONDS, seconds)] += 1
        self.total += seconds

    def read(self, *, scraped: bool) -> HistogramValue:
        """Return all buckets; like a count, empty in the first scrape."""
        seen = self if self.shown else _Histogram()
        self.shown |= scraped
        bounds = (*(str(bound) for bound in DURATION_BOUNDS_SECONDS), "+Inf")
        return HistogramValue(tuple(zip(bounds, accumulate(seen.counts), strict=True)), seen.total)


class RawCounters:
    """Counts records read since start, never the cold-start backlog: a counter that is
    replayed makes `increase()` invent requests. One owner; not safe for threads.
    """

    def __init__(self, series: SeriesTable) -> None:
        self._series = series
        self._counts: dict[tuple[str, str], _Series] = {}
        self._durations: dict[str, _Histogram] = {}
        self._prompt_characters = 0
        self._response_characters = 0
        self._overflows = {"caller": 0, "model": 0}
        self._ticks = 0
        self._checks = dict.fromkeys(Dependency, 0)
        self._failed_checks = dict.fromkeys(Dependency, 0)

    def add_requests(self, requests: Iterable[Request], now: UnixSeconds) -> None:
        """Count requests; those out of both windows too, for they did happen."""
        for request in requests:
            key = self._key(request, now)
            self._overflows["caller"] += key.caller == OTHER
            self._overflows["model"] += key.model == OTHER
            series = self._counts.setdefault((key.caller, key.model), _Series())
            series.requests.total += 1
            series.failures.total += not request.success
            self._prompt_characters += request.prompt_len or 0
            self._response_characters += request.response_len or 0
            series.prompt_tokens = _added(series.prompt_tokens, request.prompt_tokens)
            response_tokens = request.response_tokens
            if response_tokens is None:
                response_tokens = request.completion_tokens
            series.response_tokens = _added(series.response_tokens, response_tokens)
            seconds = _duration_seconds(request)
            if seconds is not None:
                self._durations.setdefault(key.model, _Histogram()).observe(seconds)

    def add_ticks(self, ticks: Iterable[Tick]) -> None:
        """Count ticks and what they check."""
        for tick in ticks:
            self._ticks += 1
            for dependency, alive in (
                (Dependency.GITEA, tick.gitea),
                (Dependency.INFERENCE, tick.inference),
            ):
                if alive is not None:
                    self._checks[dependency] += 1
                    self._failed_checks[dependency] += not alive

    def move_to(self, series: SeriesTable) -> None:
        """Take label values from another table from now on; what was counted stays."""
        self._series = series

    def forget(self, gone: Iterable[SeriesKey]) -> None:
        """Drop the counters of series whose labels expired."""
        for key in gone:
            self._counts.pop((key.caller, key.model), None)
        models = {model for _, model in self._counts}
        self._durations = {m: h for m, h in self._durations.items() if m in models}

    def totals(self, *, scraped: bool) -> RawTotals:
        """Return all counters; a series is 0 until a scrape has shown it."""
        return RawTotals(
            series=tuple(
                SeriesCount(
                    caller=caller,
                    model=model,
                    requests=series.requests.read(scraped=scraped),
                    failures=series.failures.read(scraped=scraped),
                    prompt_tokens=_read(series.prompt_tokens, scraped=scraped),
                    response_tokens=_read(series.response_tokens, scraped=scraped),
                )
                for (caller, model), series in self._counts.items()
            ),
            prompt_characters=self._prompt_characters,
            response_characters=self._response_characters,
            durations={
                model: histogram.read(scraped=scraped)
                for model, histogram in self._durations.items()
            },
            label_overflows=dict(self._overflows),
            ticks=self._ticks,
            checks=dict(self._checks),
            failed_checks=dict(self._failed_checks),
        )

    def _key(self, request: Request, now: UnixSeconds) -> SeriesKey:
        raw = request.caller, request.model, request.success
        identifier = self._series.ids.get(raw)
        if identifier is None:
            # In no window, its own time says nothing of how long its labels are to be kept.
            identifier = self._series.admit(
                request.caller, request.model, success=request.success, at=now
            )
        return self._series.key(identifier)


def _added(count: _Count | None, tokens: int | None) -> _Count | None:
    if tokens is not None:
        count = count or _Count()
        count.total += tokens
    return count


def _read(count: _Count | None, *, scraped: bool) -> int | None:
    return None if count is None else count.read(scraped=scraped)


def _duration_seconds(request: Request) -> float | None:
    if request.duration_seconds is not None:
        return request.duration_seconds
    milliseconds = request.duration_ms if request.duration_ms is not None else request.latency_ms
    return None if milliseconds is None else milliseconds / 1e3
