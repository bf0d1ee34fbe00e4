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
from surge_exporter.runtime.sampler import Sampler, Sampling, Serving
from surge_exporter.scaling.resources import GIB, Gpu
from surge_exporter.signals import default_tuning
from surge_exporter.snapshot import HostStatus, ModelReport, Snapshot, SwitchOutcome
from surge_exporter.web.exposition import SnapshotCollector
from tests.fakes import FakeClock, ScriptedWaker
from tests.hosts import FakeMachine, sample
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
_LOOKS = 4  # at the host, between two scrapes
_SHORT = (4.0, 5.0)  # hours to the end, of memory
_SILENT = (2.0, 2.3)  # of the model server

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
        _scrape(
            _exporter(number + 1),
            _Host(gpus=1 - number),
            {"job": JOB, "instance": instance},
            found,
        )
    for labels, (times, values) in found.items():
        yield json.dumps({"metric": dict(labels), "values": values, "timestamps": times})


class _Host:
    """A box whose memory runs short in the afternoon; a manager follows each decision."""

    def __init__(self, *, gpus: int) -> None:
        self._gpus = gpus
        self._clock = FakeClock(END - SCRAPED_SECONDS - INTERVAL)
        self._machine = FakeMachine(self._clock)
        self._sampler = Sampler(
            Sampling(interval_seconds=INTERVAL / _LOOKS),
            clock=self._clock,
            waker=ScriptedWaker(),
            build=lambda _: self._machine,
            serving=self._serving,
        )
        self._is_up = True
        self._sampler.turn()

    def at(self, now: float) -> HostStatus | None:
        """Return what is known of it then; somebody asks before each operation."""
        hours = (END - now) / HOUR
        self._is_up = not _SILENT[0] < hours < _SILENT[1]
        used = 0.97 if _SHORT[0] < hours < _SHORT[1] else 0.5 + 0.2 * math.sin(hours)
        gpu = Gpu(
            index=0,
            memory_total_bytes=24 * GIB,
            memory_used_bytes=round(used * 24 * GIB),
            utilization_ratio=used,
        )
        self._machine.sample_now = sample(
            cpu_ratio=used / 2,
            memory_available_bytes=round((1 - used) * 64 * GIB),
            gpus=(gpu,) * self._gpus,
        )
        passed = now - self._clock.now()
        for _ in range(_LOOKS):
            self._clock.advance(passed / _LOOKS)
            self._sampler.turn()
        self._sampler.preflight()
        return self._sampler.status()

    def _serving(self) -> Serving:
        host = self._sampler.status()
        model = host.decision.model if host and host.decision else None
        events = host.events if host else {}
        report = ModelReport(
            is_up=self._is_up,
            loaded=(model,) if model and self._is_up else None,
            switching_to=None,
            switches={(kind, SwitchOutcome.DONE): count for kind, count in events.items()},
        )
        return Serving(model, report=report)


def _scrape(exporter: SetExporter, host: _Host, target: dict[str, str], found: Series) -> None:
    def put(labels: dict[str, str], value: float, now: float) -> None:
        instants, values = found.setdefault(tuple({**labels, **target}.items()), ([], []))
        instants.append(int(now * 1000))
        values.append(value)

    rng = Random(JOB)
    times = accumulate(rng.uniform(2e-4, 2.5e-4) for _ in count())
    now = END

    def look() -> Snapshot:
        shown, found = exporter.snapshot(), host.at(now)
        if shown.observation is None or found is None:
            return replace(shown, host=found)
        observation = replace(shown.observation, host=found.load)
        return replace(shown, host=found, observation=observation)

    collector = SnapshotCollector(look, timer=lambda: next(times))
    start = int(END - SCRAPED_SECONDS)
    for at in range(start, int(END) + 1, INTERVAL):
        now = UnixSeconds(float(at))
        exporter.read(now)
        put({"__name__": "up"}, 1.0, now)
        for family in collector.collect():
            for found_sample in family.samples:
                labels = {"__name__": found_sample.name, **found_sample.labels}
                put(labels, found_sample.value, now)


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
