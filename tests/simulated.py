"""A day in the life of two exporters, as Prometheus would have scraped it: their own code under
a clock that is set, so that a day takes seconds.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate, count
from random import Random

from surge_exporter.core.cycle import Cycle, Telemetry
from surge_exporter.core.scenario import Episode, EpisodeKind, Scenario
from surge_exporter.core.simulate import telemetry
from surge_exporter.model import HOUR, RejectReason, Source, UnixSeconds
from surge_exporter.signals import default_tuning, judge, surge_factors
from surge_exporter.snapshot import Snapshot, StateStatus
from surge_exporter.web.exposition import SnapshotCollector
from tests.snapshots import exporter, source

END = UnixSeconds(1_774_885_800.0)
"""2026-03-30T15:50:00Z, a Monday afternoon."""
SCRAPED_SECONDS = 25 * HOUR
INTERVAL = 60

JOB = "surge"
INSTANCES = ("agents-a:10074", "agents-b:10074")

_TELEMETRY_SECONDS = 9 * 24 * HOUR
_REQUESTS_PER_HOUR = 240.0
_CAPACITY_PER_SECOND = 0.22
_TUNING = replace(default_tuning(), capacity_requests_per_second=_CAPACITY_PER_SECOND)
_EXPIRE_EVERY = 10
_BAD_LINE = b'{"timestamp": "2026-03-30T12:00:00Z", "model": \n'
_BAD_EVERY = 45

_EPISODES = {
    EpisodeKind.BATCH_JOB: (-15.0, 3.0, 0.6),
    EpisodeKind.INFERENCE_FAILURES: (-9.0, 0.5, 0.8),
    EpisodeKind.FAILING_CALLER: (-5.0, 3.0, 0.7),
    EpisodeKind.SURGE: (-4.0, 3.5, 4.0),
    EpisodeKind.GITEA_OUTAGE: (-0.6, 0.5, 1.0),
}
"""Hours to the end, hours long, magnitude."""

Series = dict[tuple[tuple[str, str], ...], tuple[list[int], list[float]]]
"""By labels, the name among them: times in milliseconds, and values."""


def scraped() -> Iterator[str]:
    """Yield all series, in the format that VictoriaMetrics imports."""
    found: Series = {}
    for number, instance in enumerate(INSTANCES):
        _scrape(_Exporter(number + 1), {"job": JOB, "instance": instance}, found)
    for labels, (times, values) in found.items():
        yield json.dumps({"metric": dict(labels), "values": values, "timestamps": times})


def _scrape(exporter: "_Exporter", target: dict[str, str], found: Series) -> None:
    def put(labels: dict[str, str], value: float, now: float) -> None:
        instants, values = found.setdefault(tuple({**labels, **target}.items()), ([], []))
        instants.append(int(now * 1000))
        values.append(value)

    rng = Random(JOB)
    times = accumulate(rng.uniform(2e-4, 2.5e-4) for _ in count())
    collector = SnapshotCollector(exporter.snapshot, timer=lambda: next(times))
    start = int(END - SCRAPED_SECONDS)
    for now in range(start, int(END) + 1, INTERVAL):
        exporter.read(UnixSeconds(float(now)))
        put({"__name__": "up"}, 1.0, now)
        for family in collector.collect():
            for sample in family.samples:
                put({"__name__": sample.name, **sample.labels}, sample.value, now)


class _Exporter:
    """One exporter, on telemetry that is simulated as it goes."""

    def __init__(self, seed: int) -> None:
        self._now = UnixSeconds(END - SCRAPED_SECONDS)
        self._steps = count(1)
        self._cycle = Cycle(Telemetry())
        self._cycle.set_surge_factors(**surge_factors(_TUNING))
        self._statuses = {
            kind: source(kind, lines=0, read_bytes=0, directories=(f"{seed:012x}",))
            for kind in Source
        }
        start = UnixSeconds(END - _TELEMETRY_SECONDS)
        self._lines = telemetry(_scenario(), seed=seed, start=start, stop=UnixSeconds(math.inf))
        self._next = next(self._lines)
        for kind, block in self._written(self._now).items():
            self._cycle.ingest(kind, block, now=self._now, live=False)

    def read(self, now: UnixSeconds) -> None:
        """Take in what was written since the last time."""
        self._now = now
        step = next(self._steps)
        for kind, written in self._written(now).items():
            is_bad = kind is Source.REQUESTS and step % _BAD_EVERY == 0
            block = written + (_BAD_LINE if is_bad else b"")
            done = self._cycle.ingest(kind, block, now=now, live=True)
            rejected = Counter(reject.reason for reject in done.rejected)
            before = self._statuses[kind]
            self._statuses[kind] = replace(
                before,
                lines=before.lines + done.lines,
                read_bytes=before.read_bytes + len(block),
                last_read=now,
                rejected={r: before.rejected[r] + rejected[r] for r in RejectReason},
            )
        if step % _EXPIRE_EVERY == 0:
            self._cycle.expire(now)
        self._cycle.refresh_a_caller(now)

    def snapshot(self) -> Snapshot:
        """Return what it shows."""
        observation = self._cycle.observe(self._now)
        totals = self._cycle.totals(scraped=True)
        self._cycle.confirm()
        statuses = tuple(self._statuses.values())
        return Snapshot(
            at=self._now,
            observation=observation,
            verdict=judge(observation, _TUNING),
            tuning=_TUNING,
            horizon_seconds=Telemetry().horizon_seconds,
            totals=totals,
            sources=statuses,
            sources_with_history=statuses,
            exporter=exporter(state=StateStatus(saved_at=UnixSeconds(self._now - 15.0))),
        )

    def _written(self, now: UnixSeconds) -> dict[Source, bytes]:
        lines: dict[Source, list[str]] = {kind: [] for kind in Source}
        while self._next.at <= now:
            lines[self._next.source].append(self._next.text)
            self._next = next(self._lines)
        return {
            kind: "".join(f"{text}\n" for text in found).encode() for kind, found in lines.items()
        }


def _scenario() -> Scenario:
    return Scenario(
        start=UnixSeconds(END - 24 * HOUR),
        requests_per_hour=_REQUESTS_PER_HOUR,
        episodes=tuple(
            Episode(
                kind=kind,
                start_seconds=(24 + begin) * HOUR,
                duration_seconds=long * HOUR,
                magnitude=magnitude,
            )
            for kind, (begin, long, magnitude) in _EPISODES.items()
        ),
    )
