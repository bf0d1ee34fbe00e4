"""Counters since the process started, for rules that sum over exporters."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import accumulate, pairwise

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
    is_offered: bool = False
    """Whether a scrape had it, at 0, of which nobody knows yet that it arrived."""
    is_shown: bool = False


@dataclass(slots=True)
class _Series:
    requests: _Count = field(default_factory=_Count)
    failures: _Count = field(default_factory=_Count)
    prompt_tokens: _Count | None = None
    response_tokens: _Count | None = None


@dataclass(slots=True)
class _Histogram:
    """Like a count, all empty in the first scrape."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(DURATION_BOUNDS_SECONDS) + 1))
    total: float = 0.0
    is_offered: bool = False
    is_shown: bool = False

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(DURATION_BOUNDS_SECONDS, seconds)] += 1
        self.total += seconds

    def add(self, value: HistogramValue) -> None:
        cumulative = [0, *(count for _, count in value.buckets)]
        for place, (below, count) in enumerate(pairwise(cumulative)):
            self.counts[place] += count - below
        self.total += value.total


class _Part(Enum):
    """Of what was counted, that which scrapes have shown, or that which they are yet to show."""

    SHOWN = True
    WITHHELD = False


class RawCounters:
    """Counts records read since start, never the cold-start backlog: a counter that is
    replayed makes `increase()` invent requests. One owner; not safe for threads.
    """

    def __init__(self, series: SeriesTable) -> None:
        self._series = series
        self._counts: dict[tuple[str, str], _Series] = {}
        self._durations: dict[str, _Histogram] = {}
        self._prompt_characters = _Count()
        self._response_characters = _Count()
        self._overflows = {"caller": _Count(), "model": _Count()}
        self._ticks = _Count()
        self._checks = {dependency: _Count() for dependency in Dependency}
        self._failed_checks = {dependency: _Count() for dependency in Dependency}

    def add_requests(self, requests: Iterable[Request], now: UnixSeconds) -> None:
        """Count requests; those out of both windows too, for they did happen."""
        for request in requests:
            key = self._key(request, now)
            self._overflows["caller"].total += key.caller == OTHER
            self._overflows["model"].total += key.model == OTHER
            series = self._counts.setdefault((key.caller, key.model), _Series())
            series.requests.total += 1
            series.failures.total += not request.success
            self._prompt_characters.total += request.prompt_len or 0
            self._response_characters.total += request.response_len or 0
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
            self._ticks.total += 1
            for dependency, alive in (
                (Dependency.GITEA, tick.gitea),
                (Dependency.INFERENCE, tick.inference),
            ):
                if alive is not None:
                    self._checks[dependency].total += 1
                    self._failed_checks[dependency].total += not alive

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
        """Return what scrapes may show: a counter is 0 until one that had it is confirmed."""
        totals = self._read(_Part.SHOWN)
        if scraped:
            for count in self._all():
                count.is_offered = True
        return totals

    def confirm(self) -> None:
        """Note that the last scrape arrived."""
        for count in self._all():
            count.is_shown = count.is_offered

    def withheld(self) -> RawTotals:
        """Return what was counted and no scrape has shown yet."""
        totals = self._read(_Part.WITHHELD)
        return replace(
            totals,
            series=tuple(series for series in totals.series if any(_counts(series))),
            durations={of: value for of, value in totals.durations.items() if value.count},
        )

    def restore(self, owed: RawTotals, now: UnixSeconds) -> None:
        """Take over what a process before this one had counted and not shown."""
        for series in owed.series:
            self._series.admit(series.caller, series.model, success=True, at=now)
            mine = self._counts.setdefault((series.caller, series.model), _Series())
            mine.requests.total += series.requests
            mine.failures.total += series.failures
            mine.prompt_tokens = _added(mine.prompt_tokens, series.prompt_tokens)
            mine.response_tokens = _added(mine.response_tokens, series.response_tokens)
        for model, value in owed.durations.items():
            self._durations.setdefault(model, _Histogram()).add(value)
        self._prompt_characters.total += owed.prompt_characters
        self._response_characters.total += owed.response_characters
        self._ticks.total += owed.ticks
        for label, count in owed.label_overflows.items():
            self._overflows[label].total += count
        for dependency, count in owed.checks.items():
            self._checks[dependency].total += count
        for dependency, count in owed.failed_checks.items():
            self._failed_checks[dependency].total += count

    def _all(self) -> Iterator[_Count | _Histogram]:
        yield from (self._prompt_characters, self._response_characters, self._ticks)
        for counts in (self._overflows, self._checks, self._failed_checks):
            yield from counts.values()
        for series in self._counts.values():
            yield from (series.requests, series.failures)
            yield from (c for c in (series.prompt_tokens, series.response_tokens) if c is not None)
        yield from self._durations.values()

    def _read(self, part: _Part) -> RawTotals:
        return RawTotals(
            series=tuple(
                SeriesCount(
                    caller=caller,
                    model=model,
                    requests=_total(series.requests, part),
                    failures=_total(series.failures, part),
                    prompt_tokens=_tokens(series.prompt_tokens, part),
                    response_tokens=_tokens(series.response_tokens, part),
                )
                for (caller, model), series in self._counts.items()
            ),
            prompt_characters=_total(self._prompt_characters, part),
            response_characters=_total(self._response_characters, part),
            durations={model: _value(found, part) for model, found in self._durations.items()},
            label_overflows={label: _total(c, part) for label, c in self._overflows.items()},
            ticks=_total(self._ticks, part),
            checks={of: _total(count, part) for of, count in self._checks.items()},
            failed_checks={of: _total(count, part) for of, count in self._failed_checks.items()},
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


def _total(count: _Count, part: _Part) -> int:
    return count.total if count.is_shown is part.value else 0


def _counts(series: SeriesCount) -> tuple[int | None, ...]:
    return series.requests, series.prompt_tokens, series.response_tokens


def _tokens(count: _Count | None, part: _Part) -> int | None:
    return None if count is None else _total(count, part)


def _value(histogram: _Histogram, part: _Part) -> HistogramValue:
    found = histogram if histogram.is_shown is part.value else _Histogram()
    bounds = (*(str(bound) for bound in DURATION_BOUNDS_SECONDS), "+Inf")
    return HistogramValue(tuple(zip(bounds, accumulate(found.counts), strict=True)), found.total)


def _duration_seconds(request: Request) -> float | None:
    if request.duration_seconds is not None:
        return request.duration_seconds
    milliseconds = request.duration_ms if request.duration_ms is not None else request.latency_ms
    return None if milliseconds is None else milliseconds / 1e3
