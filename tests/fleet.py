"""Fleets of exporters of different size, as Prometheus would have scraped them: the exporter's
own code under a clock that is set. And a fleet's counters over eight days, for what is usual.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from surge_exporter.core.scenario import EpisodeKind
from surge_exporter.core.simulate import Line, telemetry
from surge_exporter.model import HOUR, UnixSeconds
from surge_exporter.signals import default_tuning
from surge_exporter.snapshot import Snapshot
from surge_exporter.web.exposition import SnapshotCollector
from tests.set_exporter import SetExporter, scenario

END = UnixSeconds(1_774_886_400.0)
"""2026-03-30T16:00:00Z: every step below divides it."""
SCRAPED_SECONDS = 3 * HOUR
SCRAPE_INTERVAL = 60
ASKED = tuple(UnixSeconds(END - 600.0 * back) for back in range(15, -1, -1))
"""The instants at which the verdict is compared."""

DAYS = 8
COUNTED_INTERVAL = 300

_CAPACITY = 0.25
_CALM_SECONDS = 9 * 24 * HOUR

Labels = tuple[tuple[str, str], ...]
Series = dict[Labels, list[tuple[float, float]]]
"""By labels, the name among them: times in seconds, and values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An exporter of a fleet, and what it lives through: hours to the end, long, magnitude."""

    job: str
    instance: str
    requests_per_hour: float
    begins_seconds: float = _CALM_SECONDS
    """How long before the end its telemetry begins."""
    episodes: Mapping[EpisodeKind, tuple[float, float, float]] = field(default_factory=dict)

    def lines(self) -> Iterator[Line]:
        """Return its telemetry, without end."""
        lived = scenario(END, self.requests_per_hour, self.episodes)
        start = UnixSeconds(END - self.begins_seconds)
        seed = sum(self.instance.encode())
        return telemetry(lived, seed=seed, start=start, stop=UnixSeconds(math.inf))


_SURGE = {EpisodeKind.SURGE: (-2.2, 3.0, 6.0)}

FLEET, ONE, COLD = "agents", "one", "cold"
MEMBERS = (
    Member(job=FLEET, instance="big", requests_per_hour=120, episodes=_SURGE),
    Member(job=FLEET, instance="middle", requests_per_hour=60),
    Member(job=FLEET, instance="small", requests_per_hour=15),
    Member(
        job=ONE,
        instance="only",
        requests_per_hour=60,
        episodes={
            EpisodeKind.BATCH_JOB: (-3.5, 3.0, 0.7),
            EpisodeKind.INFERENCE_FAILURES: (-1.5, 1.0, 0.8),
            EpisodeKind.GITEA_OUTAGE: (-0.6, 0.5, 1.0),
            EpisodeKind.FAILING_CALLER: (-2.0, 2.0, 0.9),
            EpisodeKind.SURGE: (-2.0, 3.0, 5.0),
        },
    ),
    Member(job=COLD, instance="new", requests_per_hour=400, begins_seconds=2 * HOUR),
)

TUNING = replace(default_tuning(), capacity_requests_per_second=_CAPACITY)


def scrape(member: Member, names: frozenset[str], series: Series) -> dict[UnixSeconds, Snapshot]:
    """Scrape an exporter's metrics of these names to the end; return its state when asked."""
    begin = UnixSeconds(END - min(SCRAPED_SECONDS, member.begins_seconds))
    scraped = SetExporter(member.lines(), begin, TUNING)
    shown: list[Snapshot] = []
    collector = SnapshotCollector(lambda: shown[-1], timer=lambda: 0.0)
    found = {}
    for now in range(int(begin), int(END) + 1, SCRAPE_INTERVAL):
        at = UnixSeconds(float(now))
        scraped.read(at)
        shown[:] = [scraped.snapshot()]
        if at in ASKED:
            found[at] = shown[-1]
        samples: dict[tuple[str, Labels], float] = {("up", ()): 1.0}
        for family in collector.collect():
            for sample in family.samples:
                samples[sample.name, tuple(sample.labels.items())] = sample.value
        target = (("job", member.job), ("instance", member.instance))
        for (name, labels), value in samples.items():
            if name in names:
                whole = (("__name__", name), *labels, *target)
                series.setdefault(whole, []).append((at, value))
    return found


def counted() -> Series:
    """Return eight days of the counters of three exporters, one of which restarts each day.

    Demand has its hours; on the fifth day it is five times as high as on the others.
    """
    series: Series = {}
    begin = int(END - DAYS * 24 * HOUR)
    for number, size in enumerate((40, 12, 3)):
        for caller, part in (("triage", 1.0), ("review", 0.5)):
            names = ("surge_inference_requests_total", "surge_inference_request_failures_total")
            total = [0.0, 0.0]
            for at in range(begin, int(END) + 1, COUNTED_INTERVAL):
                for name, value in zip(names, total, strict=True):
                    labels = {"job": "counted", "instance": f"e{number}", "caller": caller}
                    whole = (("__name__", name), *labels.items(), ("model", "m"))
                    series.setdefault(whole, []).append((float(at), value))
                day, second = divmod(at - begin, 86400)
                if number == 1 and second == 12 * HOUR:
                    total = [0.0, 0.0]
                hour = 1 + 0.6 * math.sin(2 * math.pi * second / 86400)
                requests = round(size * part * hour * (5 if day == 4 else 1))
                total = [total[0] + requests, total[1] + requests // 10]
    return series


def for_victoria(series: Series) -> Iterator[str]:
    """Yield series in the format that VictoriaMetrics imports."""
    for labels, points in series.items():
        yield json.dumps(
            {
                "metric": dict(labels),
                "values": [value for _, value in points],
                "timestamps": [int(at * 1000) for at, _ in points],
            }
        )


def for_prometheus(series: Series) -> Iterator[str]:
    """Yield series in the format that promtool makes blocks of."""
    for labels, points in series.items():
        named = dict(labels)
        name = named.pop("__name__")
        inside = ",".join(f"{key}={json.dumps(value)}" for key, value in named.items())
        for at, value in points:
            yield f"{name}{{{inside}}} {value!r} {at!r}\n"
    yield "# EOF\n"


def merged(parts: Iterable[Series]) -> Series:
    """Return series of several parts that share none."""
    return {labels: points for part in parts for labels, points in part.items()}
