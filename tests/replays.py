"""Simulated telemetry with planted trouble, and replays of it."""

from collections.abc import Iterable
from dataclasses import replace

from surge_exporter.core.cycle import Telemetry
from surge_exporter.core.replay import Recorded, Recorder
from surge_exporter.core.scenario import EpisodeKind, Scenario, episode_at
from surge_exporter.core.simulate import Line, telemetry
from surge_exporter.model import HOUR, Seconds, Severity, Source, Tuning, UnixSeconds
from surge_exporter.playback import Playback, play_back
from surge_exporter.signals import default_tuning

START = UnixSeconds(1_774_224_000.0)
"""2026-03-23T00:00:00Z, a Monday."""
HOURLY = Telemetry(horizon_seconds=HOUR)
FIVE_MINUTES = Seconds(300.0)
_LATER = UnixSeconds(START + 365 * 24 * HOUR)

PLANTED = {
    EpisodeKind.GITEA_OUTAGE: (50.0, 1.0, 1.0),
    EpisodeKind.INFERENCE_FAILURES: (60.0, 1.0, 0.8),
    EpisodeKind.FAILING_CALLER: (70.0, 2.0, 0.9),
    EpisodeKind.BATCH_JOB: (82.0, 2.0, 0.8),
    EpisodeKind.SURGE: (88.0, 3.0, 4.0),
}
"""Hours after `START`, hours long, magnitude."""


def planted(hours: float = 108.0, requests_per_hour: float = 400.0) -> list[Line]:
    """Return telemetry in which each trouble happens once."""
    scenario = Scenario(
        start=START,
        requests_per_hour=requests_per_hour,
        rhythm=0.3,
        episodes=tuple(episode_at(kind, *times) for kind, times in PLANTED.items()),
    )
    stop = UnixSeconds(START + hours * HOUR)
    return list(telemetry(scenario, seed=3, start=START, stop=stop))


def record(lines: Iterable[Line], *, now: UnixSeconds = _LATER) -> Recorded:
    """Return telemetry as `replay` has it when it has read the files."""
    recorder = Recorder(Telemetry())
    for source in Source:
        block = "".join(f"{line.text}\n" for line in lines if line.source is source)
        recorder.ingest(source, block.encode(), now=now, live=False)
    return recorder.recorded()


def tuned(**numbers: float) -> Tuning:
    """Return the table's numbers but for some thresholds: demand_surge_warning=2, say."""
    tuning = default_tuning()
    changed = {
        (signal, Severity(severity)): number
        for name, number in numbers.items()
        for signal, _, severity in [name.rpartition("_")]
    }
    return replace(tuning, thresholds={**tuning.thresholds, **changed})


def replayed(
    recorded: Recorded,
    tuning: Tuning | None = None,
    *,
    step: float = FIVE_MINUTES,
    pages_per_week: float = 2.0,
    settings: Telemetry = HOURLY,
) -> Playback:
    """Return what the alerts would have done, with windows of an hour."""
    return play_back(
        recorded,
        settings,
        tuning or default_tuning(),
        step_seconds=Seconds(step),
        pages_per_week=pages_per_week,
    )
