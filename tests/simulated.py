"""A day in the life of two exporters, as Prometheus would have scraped it: their own code under
a clock that is set, so that a day takes seconds.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate, count
from random import Random

from surge_exporter.core.scenario import EpisodeKind
from surge_exporter.core.simulate import telemetry
from surge_exporter.model import HOUR, UnixSeconds
from surge_exporter.signals import default_tuning
from surge_exporter.web.exposition import SnapshotCollector
from tests.set_exporter import SetExporter, scenario

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
        _scrape(_exporter(number + 1), {"job": JOB, "instance": instance}, found)
    for labels, (times, values) in found.items():
        yield json.dumps({"metric": dict(labels), "values": values, "timestamps": times})


def _scrape(exporter: SetExporter, target: dict[str, str], found: Series) -> None:
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


def _exporter(seed: int) -> SetExporter:
    start = UnixSeconds(END - _TELEMETRY_SECONDS)
    lived = scenario(END, _REQUESTS_PER_HOUR, _EPISODES)
    return SetExporter(
        telemetry(lived, seed=seed, start=start, stop=UnixSeconds(math.inf)),
        UnixSeconds(END - SCRAPED_SECONDS),
        _TUNING,
        directories=(f"{seed:012x}",),
        bad_every=_BAD_EVERY,
    )
