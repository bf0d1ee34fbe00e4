"""An exporter under a clock that is set: its own code, on telemetry simulated as it goes."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count

from surge_exporter.core.cycle import Cycle, Telemetry
from surge_exporter.core.scenario import EpisodeKind, Scenario, episode_at
from surge_exporter.core.simulate import Line
from surge_exporter.model import HOUR, RejectReason, Source, Tuning, UnixSeconds
from surge_exporter.signals import judge, surge_factors
from surge_exporter.snapshot import Snapshot, StateStatus
from tests.snapshots import exporter, source

_EXPIRE_EVERY = 10
_BAD_LINE = b'{"timestamp": "2026-03-30T12:00:00Z", "model": \n'


class SetExporter:
    """Reads lines up to the instant that it is told; what was written before `begin` is history.

    Of every so many times that it reads, the last finds a broken line, if it is to.
    """

    def __init__(
        self,
        lines: Iterator[Line],
        begin: UnixSeconds,
        tuning: Tuning,
        *,
        directories: tuple[str, ...] = (),
        bad_every: int | None = None,
    ) -> None:
        self._now = begin
        self._tuning = tuning
        self._bad_every = bad_every
        self._steps = count(1)
        self._cycle = Cycle(Telemetry())
        self._cycle.set_surge_factors(**surge_factors(tuning))
        self._statuses = {
            kind: source(kind, lines=0, read_bytes=0, directories=directories) for kind in Source
        }
        self._lines = lines
        self._next = next(self._lines)
        for kind, block in self._written(begin).items():
            self._cycle.ingest(kind, block, now=begin, live=False)

    def read(self, now: UnixSeconds) -> None:
        """Take in what was written since the last time."""
        self._now = now
        step = next(self._steps)
        for kind, written in self._written(now).items():
            is_bad = (
                kind is Source.REQUESTS
                and self._bad_every is not None
                and step % self._bad_every == 0
            )
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
            verdict=judge(observation, self._tuning),
            tuning=self._tuning,
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


def scenario(
    end: UnixSeconds,
    requests_per_hour: float,
    episodes: Mapping[EpisodeKind, tuple[float, float, float]],
) -> Scenario:
    """Return what a fleet goes through on the day before `end`.

    Of each episode: hours to the end, hours long, magnitude.
    """
    return Scenario(
        start=UnixSeconds(end - 24 * HOUR),
        requests_per_hour=requests_per_hour,
        episodes=tuple(
            episode_at(kind, 24 + begin, long, magnitude)
            for kind, (begin, long, magnitude) in episodes.items()
        ),
    )
